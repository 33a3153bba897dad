/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The audit log at scale: how fast records are written (rows, chain,
 * signatures, files, index), how fast the whole of it verifies and is read, and
 * how long it takes to find what one message left, with an index.
 *
 *     tests/bench/audit RECORDS DIRECTORY
 *
 * Says so as JSON; exit 1 when a look-up took longer than it may.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/db.h"
#include "common/err.h"
#include "common/log.h"
#include "common/secret.h"
#include "common/text.h"
#include "gateway/conf.h"
#include "gateway/store/audit.h"
#include "gateway/store/audit_index.h"
#include "gateway/store/audit_reader.h"
#include "gateway/store/audit_rec.h"
#include "gateway/store/audit_search.h"
#include "gateway/store/audit_verify.h"
#include "gateway/store/spool.h"

enum {
	BATCH = 1000,	/* records a commit */
	A_MESSAGE = 4,	/* records a message */
	LOOKUPS = 200,	/* of each kind */
	LIMIT_MS = 100, /* that a look-up may take */
	PATH = 512,
};

static uint64_t
now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void
must(enum err e, const char *what)
{
	if (e != ERR_OK)
		fatal("%s: %s", what, err_text(e));
}

/* As long as a decision with a few rules and one candidate. */
static void
make_record(struct store_rec *r, uint64_t n)
{
	static const char *const types[A_MESSAGE] = {
	    "accepted", "decided", "sealed", "sent"};
	static const char why[] =
	    "rule \"default\" (line 14) decides: the first rule that matches; "
	    "certificate 9f3c, discovered, from wkd "
	    "https://openpgpkey.example.org/.well-known/openpgpkey/hu/x: "
	    "taken; "
	    "S/MIME aes256-gcm, key by ecdh-p256-sha256";
	char text[96];

	store_rec_begin(r, types[n % A_MESSAGE]);
	store_rec_id(r, "id", 1000 + n / A_MESSAGE);
	snprintf(text, sizeof(text),
	    "user%" PRIu64 "@partner%" PRIu64 ".example", n / A_MESSAGE % 50000,
	    n / A_MESSAGE % 1000);
	store_rec_str(r, "rcpt", text);
	snprintf(text, sizeof(text), "s%" PRIu64 "@sender.example", n % 500);
	store_rec_str(r, "from", text);
	store_rec_str(r, "rung", "smime");
	store_rec_str(r, "result", "sealed");
	snprintf(
	    text, sizeof(text), "<m%" PRIu64 "@sender.example>", n / A_MESSAGE);
	store_rec_str(r, "message-id", text);
	store_rec_str(r, "reason", why);
}

static void
write_batch(struct store_audit *a, struct db *db, uint64_t from, uint64_t n)
{
	struct db_txn *txn = NULL;

	must(db_write(db, &txn), "write");
	for (uint64_t i = from; i < from + n; i++) {
		struct store_rec r;
		struct span rec;

		make_record(&r, i);
		must(store_rec_end(&r, &rec), "record");
		must(store_audit_add(a, txn, rec), "add");
		store_rec_clear(&r);
	}
	must(store_audit_finish(a, txn), "finish");
	must(db_commit(txn), "commit");
	store_audit_committed(a, true);
	must(store_audit_export(a), "files");
}

static void
write_log(const struct conf *conf, uint64_t records)
{
	struct store_opened o = {0};
	struct store_audit *a = NULL;
	struct sealed_pub pub;
	struct secret *priv = NULL;
	struct err_why why, problem;

	must(sealed_keypair(SEALED_AUDIT, &pub, &priv), "key");
	must(store_spool_open(conf, &o, &why), "spool");
	must(store_audit_open(conf->paths.audit, o.db, &a, &problem, &why),
	    "audit log");
	store_audit_set_pub(a, &pub);
	store_audit_renew_key(a);
	for (uint64_t i = 0; i < records; i += BATCH)
		write_batch(
		    a, o.db, i, records - i < BATCH ? records - i : BATCH);
	store_audit_close(a);
	db_close(o.db);
	secret_free(priv);
}

/* --- finding --- */

static void
on_line(void *arg, struct span line, const struct store_line *l)
{
	(void)line;
	(void)l;
	(*(uint64_t *)arg)++;
}

static int
compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static double
find(int fd, enum store_term t, const char *text, uint64_t *found)
{
	struct store_search q = {.on_line = on_line, .arg = found};
	struct store_searched done;
	uint64_t start = now_ns(CLOCK_MONOTONIC);

	q.term[t] = span_str(text);
	*found = 0;
	must(store_audit_search(fd, &q, &done), "search");
	return (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e6;
}

/* Median and longest of look-ups of messages all over the log. */
static bool
look_up(int fd, enum store_term t, uint64_t messages, const char *what)
{
	double ms[LOOKUPS];
	bool all = true;

	for (int i = 0; i < LOOKUPS; i++) {
		uint64_t m = (uint64_t)i * 2654435761u % messages, found;
		char text[96];

		if (t == STORE_TERM_ID)
			text_id(1000 + m, text);
		else
			snprintf(text, sizeof(text),
			    "<m%" PRIu64 "@sender.example>", m);
		ms[i] = find(fd, t, text, &found);
		all = all && found == A_MESSAGE;
	}
	qsort(ms, LOOKUPS, sizeof(ms[0]), compare);
	printf(", \"%s_p50_ms\": %.2f, \"%s_max_ms\": %.2f", what,
	    ms[LOOKUPS / 2], what, ms[LOOKUPS - 1]);
	/* the first one maps what is not in memory yet */
	return all && ms[LOOKUPS - LOOKUPS / 20] < LIMIT_MS;
}

static void
remove_index(int fd)
{
	uint64_t *first = NULL;
	size_t n = 0;
	char name[64];

	must(store_audit_files(fd, &first, &n), "files");
	for (size_t i = 0; i < n; i++) {
		store_index_name(first[i], name, sizeof(name));
		if (unlinkat(fd, name, 0) != 0 && errno != ENOENT)
			fatal("cannot remove %s", name);
	}
	free(first);
}

int
main(int argc, char **argv)
{
	static char spool[PATH], bodies[PATH], audit[PATH];
	struct conf conf = {.file = "bench", .hostname = "bench"};
	struct store_verify v = {0};
	struct store_verified done;
	struct store_searched read;
	uint64_t records, found = 0, start, cpu;
	/* what no index knows: all lines are looked at */
	struct store_search q = {
	    .since = SPAN_LIT("9999"), .on_line = on_line, .arg = &found};
	bool good;
	double s;
	int fd;

	if (argc != 3 || text_number(span_str(argv[1]), A_MESSAGE, UINT64_MAX,
			     &records) != ERR_OK)
		return 2;
	snprintf(spool, PATH, "%s/spool", argv[2]);
	snprintf(bodies, PATH, "%s/bodies", argv[2]);
	snprintf(audit, PATH, "%s/audit", argv[2]);
	conf.paths.spool = spool;
	conf.paths.bodies = bodies;
	conf.paths.audit = audit;
	if (mkdir(spool, 0700) != 0 || mkdir(bodies, 0700) != 0)
		fatal("cannot make directories in %s", argv[2]);
	records -= records % A_MESSAGE;
	secret_init();
	log_init("bench", 0, LOG_LVL_CRIT, false);

	start = now_ns(CLOCK_MONOTONIC);
	cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	write_log(&conf, records);
	s = (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e9;
	printf("{\"records\": %" PRIu64 ", \"write_per_s\": %.0f, "
	       "\"write_cpu_us\": %.2f",
	    records, (double)records / s,
	    (double)(now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e3 /
		(double)records);
	start = now_ns(CLOCK_MONOTONIC);
	must(store_audit_verify(audit, &v, &done), "verify");
	s = (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e9;
	printf(", \"verify_per_s\": %.0f, \"problems\": %" PRIu64,
	    (double)done.lines / s, done.problems);
	fd = open(audit, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	good = done.problems == 0 && done.lines > records;
	good = look_up(fd, STORE_TERM_ID, records / A_MESSAGE, "id") && good;
	good = look_up(
		   fd, STORE_TERM_MESSAGE, records / A_MESSAGE, "message_id") &&
	       good;
	/* reading all of it, without the index */
	remove_index(fd);
	start = now_ns(CLOCK_MONOTONIC);
	must(store_audit_search(fd, &q, &read), "search");
	s = (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e9;
	printf(", \"scan_per_s\": %.0f, \"scan_mb_per_s\": %.0f}\n",
	    (double)done.lines / s, (double)read.octets_read / 1e6 / s);
	close(fd);
	return good && found == 0 ? 0 : 1;
}
