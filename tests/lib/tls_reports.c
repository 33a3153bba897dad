/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What was counted for reports on TLS, of a gateway that does not run:
 * `tls_reports DIR show` prints it as JSON, a report for each day and domain;
 * `tls_reports DIR age N` makes it N days older, which no clock has to be set
 * for and nobody has to be root.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "gateway/tls_report.h"
#include "gateway/tls_state.h"

enum { ROWS_MAX = 64, OLD_MAX = 256 };

static uint32_t
day_of(struct span key)
{
	return (uint32_t)key.data[0] << 24 | (uint32_t)key.data[1] << 16 |
	       (uint32_t)key.data[2] << 8 | key.data[3];
}

static uint8_t *
copy(struct arena *a, struct span s)
{
	uint8_t *p = arena_alloc(a, s.len + 1);

	if (p == NULL)
		fatal("out of memory");
	memcpy(p, s.data, s.len);
	return p;
}

static void
show(struct db_txn *txn, struct arena *a)
{
	struct tls_report_row row[ROWS_MAX];
	struct tls_report r = {.organization = "-", .contact = "-", .id = "-"};
	struct db_cursor *c;
	struct span key, val;
	struct unpacker u, in;
	char *text;

	r.row = row;
	if (db_cursor_open(txn, TLS_STATE_REPORTS, &c) != ERR_OK)
		fatal("no cursor");
	while (r.n_row < ROWS_MAX &&
	       db_cursor_move(c, DB_NEXT, &key, &val) == ERR_OK) {
		unpack_begin(&u, val);
		row[r.n_row].sessions = unpack_u64(&u);
		unpack_begin(&in, unpack_span(&u));
		r.day = day_of(key);
		if (row[r.n_row].sessions > 0) /* else a mark */
			tls_result_unpack(&in, a, &row[r.n_row++].result);
	}
	db_cursor_close(c);
	if (r.n_row > 0)
		r.domain = row[0].result.domain;
	text = tls_report_json(&r);
	puts(text == NULL ? "" : text);
	free(text);
}

static void
age(struct db_txn *txn, struct arena *a, uint32_t days)
{
	struct {
		uint8_t *key;
		size_t len;
		struct span val;
	} old[OLD_MAX];
	struct db_cursor *c;
	struct span key, val;
	size_t n = 0;

	if (db_cursor_open(txn, TLS_STATE_REPORTS, &c) != ERR_OK)
		fatal("no cursor");
	while (
	    n < OLD_MAX && db_cursor_move(c, DB_NEXT, &key, &val) == ERR_OK) {
		old[n].key = copy(a, key);
		old[n].len = key.len;
		old[n++].val = SPAN(copy(a, val), val.len);
	}
	db_cursor_close(c);
	for (size_t i = 0; i < n; i++) {
		uint32_t day = day_of(SPAN(old[i].key, old[i].len)) - days;

		if (db_del(txn, TLS_STATE_REPORTS,
			SPAN(old[i].key, old[i].len)) != ERR_OK)
			fatal("not deleted");
		for (int k = 0; k < 4; k++)
			old[i].key[k] = (uint8_t)(day >> (24 - 8 * k));
		if (db_put(txn, TLS_STATE_REPORTS, SPAN(old[i].key, old[i].len),
			old[i].val) != ERR_OK)
			fatal("not written");
	}
}

int
main(int argc, char **argv)
{
	struct arena *a = arena_new(1 << 22);
	struct err_why why = {""};
	struct db_txn *txn;
	struct db *db;

	if (argc < 3 || a == NULL)
		fatal("tls_reports DIR show|age N");
	if (tls_state_open(argv[1], true, &db, &why) != ERR_OK ||
	    db_write(db, &txn) != ERR_OK)
		fatal("%s: %s", argv[1], why.text);
	if (strcmp(argv[2], "show") == 0)
		show(txn, a);
	else if (argc == 4)
		age(txn, a, (uint32_t)strtoul(argv[3], NULL, 10));
	if (db_commit(txn) != ERR_OK)
		fatal("not committed");
	db_close(db);
	arena_free(a);
	return 0;
}
