/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Counting in memory, written every few seconds: a crash costs no more than
 * these, and a session costs no sync.
 */
#include "gateway/store/tls_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/digest.h"
#include "common/log.h"
#include "common/text.h"
#include "gateway/conf.h"
#include "gateway/store/tls_report_private.h"
#include "net/sts.h"

enum {
	WRITE_MS = 5000,
	COUNTS_MAX = 512,   /* kinds in memory */
	ROWS_MAX = 1 << 17, /* kinds in the table */
	KEY_HASH = 16,
	KEY_MAX = 4 + NET_DNS_NAME_MAX + KEY_HASH,
	RESULT_MAX = 64 * 1024, /* octets of one packed */
};

struct report_count {
	struct report_count *next;
	uint8_t key[KEY_MAX];
	size_t key_len;
	struct buf octets; /* of the result */
	uint64_t n;
};

/* --- keys: the day, big-endian; the domain with its NUL; a digest of the rest
 * --- */

static size_t
prefix(uint32_t day, const char *domain, uint8_t out[KEY_MAX])
{
	size_t len = strlen(domain) + 1;

	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t)(day >> (24 - 8 * i));
	memcpy(out + 4, domain, len);
	return 4 + len;
}

static bool
key_read(struct span key, uint32_t *day, char domain[NET_DNS_NAME_MAX])
{
	size_t end;

	if (key.len < 4 + 1 + KEY_HASH)
		return false;
	end = span_find_chr(key, 4, '\0');
	if (end - 4 >= NET_DNS_NAME_MAX || key.len != end + 1 + KEY_HASH)
		return false;
	*day = (uint32_t)key.data[0] << 24 | (uint32_t)key.data[1] << 16 |
	       (uint32_t)key.data[2] << 8 | key.data[3];
	memcpy(domain, key.data + 4, end - 3);
	return true;
}

/* --- counting --- */

static void
free_count(struct report_count *c)
{
	buf_clear(&c->octets);
	free(c);
}

static enum err
add_one(struct db_txn *txn, const struct report_count *c)
{
	struct span key = SPAN(c->key, c->key_len), val;
	struct unpacker u;
	struct packer p;
	struct buf b;
	uint64_t before = 0;
	size_t rows = 0;
	enum err e = db_get(txn, TLS_STATE_REPORTS, key, &val);

	if (e == ERR_OK) {
		unpack_begin(&u, val);
		before = unpack_u64(&u);
	} else if (e == ERR_NOT_FOUND) {
		e = db_count(txn, TLS_STATE_REPORTS, &rows);
		if (e == ERR_OK && rows >= ROWS_MAX)
			return ERR_OK; /* what is new is not counted */
	}
	if (e != ERR_OK)
		return e;
	buf_init(&b, RESULT_MAX + 64);
	pack_begin(&p, &b);
	pack_u64(&p, before + c->n);
	pack_span(&p, buf_span(&c->octets));
	e = pack_end(&p);
	if (e == ERR_OK)
		e = db_put(txn, TLS_STATE_REPORTS, key, buf_span(&b));
	buf_clear(&b);
	return e;
}

static void
write_counts(struct store *s)
{
	struct store_reports *r = s->tls->reports;
	struct db_txn *txn = NULL;
	struct err_why why = {""};
	struct report_count *c;
	enum err e;

	r->written_ms = clock_steady_ms();
	if (r->counts == NULL)
		return;
	e = s->tls->db == NULL ? ERR_DB : db_write(s->tls->db, &txn);
	for (c = r->counts; e == ERR_OK && c != NULL; c = c->next)
		e = add_one(txn, c);
	if (e == ERR_OK)
		e = db_commit(txn);
	else
		db_end(txn);
	if (e != ERR_OK)
		log_event(LOG_LVL_WARN, NULL, "tls-results-lost",
		    KV_NUM("kinds", r->n_counts), KV_ERR(e));
	if (s->tls->db != NULL && db_is_broken(s->tls->db) &&
	    db_reopen(s->tls->db, &why) != ERR_OK)
		log_event(
		    LOG_LVL_ERR, NULL, "tls-state", KV_STR("why", why.text));
	while ((c = r->counts) != NULL) {
		r->counts = c->next;
		free_count(c);
	}
	r->n_counts = 0;
}

void
store_reports_count(struct store *s, const struct tls_result *result)
{
	struct store_reports *r = s->tls->reports;
	struct report_count *c, *known = r->counts;
	uint8_t hash[DIGEST_SIZE];
	struct packer p;
	struct span all;

	if (!s->conf->tls_reports.present ||
	    strlen(result->domain) >= NET_DNS_NAME_MAX)
		return;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		fatal("out of memory");
	c->n = 1;
	buf_init(&c->octets, RESULT_MAX);
	pack_begin(&p, &c->octets);
	tls_result_pack(&p, result);
	if (pack_end(&p) != ERR_OK) {
		free_count(c);
		return;
	}
	all = buf_span(&c->octets);
	digest_sha256(&all, 1, hash);
	c->key_len = prefix((uint32_t)(store_tls_now_s() / REPORT_DAY_S),
	    result->domain, c->key);
	memcpy(c->key + c->key_len, hash, KEY_HASH);
	c->key_len += KEY_HASH;
	while (known != NULL && !span_eq(SPAN(known->key, known->key_len),
				    SPAN(c->key, c->key_len)))
		known = known->next;
	if (known != NULL) {
		known->n++;
		free_count(c);
		return;
	}
	c->next = r->counts;
	r->counts = c;
	if (++r->n_counts >= COUNTS_MAX)
		write_counts(s);
}

/* RFC 8460 4.4: the policy as the domain wrote it, a line each. */
static void
put_policy(struct store *s, struct tls_result *r)
{
	struct arena *a = s->tls->arena;
	struct tls_state row;
	const char **line;

	if (!store_tls_row(s->tls, r->domain, &row) || row.policy.id[0] == '\0')
		return;
	line = arena_array(a, row.policy.n_mx + 3, sizeof(*line));
	if (line == NULL || row.policy.n_mx + 3 > TLS_REPORT_LINES_MAX)
		return;
	line[0] = "version: STSv1";
	line[1] = arena_printf(a, "mode: %s",
	    net_sts_mode_name((enum net_sts_mode)row.policy.mode));
	for (uint32_t i = 0; i < row.policy.n_mx; i++)
		line[2 + i] = arena_printf(a, "mx: %s", row.policy.mx[i]);
	line[2 + row.policy.n_mx] =
	    arena_printf(a, "max_age: %u", (unsigned)row.policy.max_age_s);
	for (uint32_t i = 0; i < row.policy.n_mx + 3; i++)
		if (line[i] == NULL)
			return;
	r->line = line;
	r->n_line = row.policy.n_mx + 3;
	r->mx = row.policy.mx;
	r->n_mx = row.policy.n_mx;
}

void
store_reports_result(
    struct store *s, struct store_peer *from, struct ipc_msg *m)
{
	struct tls_result r;

	(void)from;
	if (proto_tls_result_unpack(m->payload, s->tls->arena, &r) != ERR_OK) {
		log_event(LOG_LVL_ERR, NULL, "tls-result", KV_ERR(ERR_IPC));
	} else {
		if (r.policy == TLS_REPORT_STS)
			put_policy(s, &r);
		store_reports_count(s, &r);
	}
	arena_reset(s->tls->arena);
}

void
store_reports_no_policy(
    struct store *s, const char *domain, enum err e, const char *why)
{
	const struct tls_result r = {.domain = domain,
	    .policy = TLS_REPORT_STS,
	    .type = e == ERR_TLS	 ? TLS_REPORT_STS_WEBPKI_INVALID
		    : e == ERR_MALFORMED ? TLS_REPORT_STS_INVALID
					 : TLS_REPORT_STS_FETCH_ERROR,
	    .host = "",
	    .ip = "",
	    .our = "",
	    .reason = why,
	    .helo = ""};

	store_reports_count(s, &r);
}

/* --- rows --- */

enum err
store_reports_next(
    struct store *s, uint32_t *day, char domain[NET_DNS_NAME_MAX])
{
	uint8_t key[KEY_MAX + 1];
	struct db_txn *txn = NULL;
	struct db_cursor *c = NULL;
	struct span at, val;
	size_t len = prefix(*day, domain, key);
	enum err e =
	    s->tls->db == NULL ? ERR_NOT_FOUND : db_read(s->tls->db, &txn);

	/* behind every digest */
	memset(key + len, 0xff, KEY_HASH);
	at = SPAN(key, domain[0] == '\0' ? 4 : len + KEY_HASH);
	if (e == ERR_OK)
		e = db_cursor_open(txn, TLS_STATE_REPORTS, &c);
	if (e == ERR_OK)
		e = db_cursor_move(c, DB_SEEK, &at, &val);
	if (e == ERR_OK && !key_read(at, day, domain))
		e = ERR_NOT_FOUND;
	db_cursor_close(c);
	db_end(txn);
	return e;
}

/* A mark is a row of no sessions: it names, by its digest, an address that has
   the report of that day. */
static size_t
mark_key(
    uint32_t day, const char *domain, const char *uri, uint8_t out[KEY_MAX])
{
	const struct span parts[] = {SPAN_LIT("sent to:"), span_str(uri)};
	size_t len = prefix(day, domain, out);
	uint8_t hash[DIGEST_SIZE];

	digest_sha256(parts, 2, hash);
	memcpy(out + len, hash, KEY_HASH);
	return len + KEY_HASH;
}

void
store_reports_mark(
    struct store *s, uint32_t day, const char *domain, const char *uri)
{
	uint8_t key[KEY_MAX];
	size_t len = mark_key(day, domain, uri, key);
	struct db_txn *txn = NULL;
	struct packer p;
	struct buf b;
	enum err e;

	buf_init(&b, 64);
	pack_begin(&p, &b);
	pack_u64(&p, 0);
	pack_span(&p, SPAN(NULL, 0));
	e = pack_end(&p);
	if (e == ERR_OK)
		e = s->tls->db == NULL ? ERR_DB : db_write(s->tls->db, &txn);
	if (e == ERR_OK)
		e = db_put(
		    txn, TLS_STATE_REPORTS, SPAN(key, len), buf_span(&b));
	if (e == ERR_OK)
		e = db_commit(txn);
	else
		db_end(txn);
	buf_clear(&b);
	if (e != ERR_OK)
		log_event(LOG_LVL_WARN, NULL, "tls-report-not-marked",
		    KV_STR("domain", domain), KV_STR("to", uri), KV_ERR(e));
}

bool
store_reports_is_marked(
    struct store *s, uint32_t day, const char *domain, const char *uri)
{
	uint8_t key[KEY_MAX];
	size_t len = mark_key(day, domain, uri, key);
	struct db_txn *txn = NULL;
	struct span val;
	bool is =
	    s->tls->db != NULL && db_read(s->tls->db, &txn) == ERR_OK &&
	    db_get(txn, TLS_STATE_REPORTS, SPAN(key, len), &val) == ERR_OK;

	db_end(txn);
	return is;
}

/* ERR_DB_BROKEN for a mark, too: it is none. */
static enum err
read_row(struct arena *a, struct span val, struct tls_report_row *out)
{
	struct unpacker u, in;

	unpack_begin(&u, val);
	out->sessions = unpack_u64(&u);
	unpack_begin(&in, unpack_span(&u));
	tls_result_unpack(&in, a, &out->result);
	return unpack_end(&u) == ERR_OK && unpack_end(&in) == ERR_OK
		   ? ERR_OK
		   : ERR_DB_BROKEN;
}

enum err
store_reports_read(
    struct store *s, uint32_t day, const char *domain, struct tls_report *out)
{
	struct arena *a = s->tls->arena;
	struct tls_report_row *row =
	    arena_array(a, REPORT_ROWS_MAX, sizeof(*row));
	uint8_t first[KEY_MAX];
	size_t len = prefix(day, domain, first), n = 0;
	struct span at = SPAN(first, len), val;
	struct db_txn *txn = NULL;
	struct db_cursor *c = NULL;
	enum err e = row == NULL ? ERR_NOMEM : db_read(s->tls->db, &txn);

	if (e == ERR_OK)
		e = db_cursor_open(txn, TLS_STATE_REPORTS, &c);
	if (e == ERR_OK)
		e = db_cursor_move(c, DB_SEEK, &at, &val);
	while (e == ERR_OK && n < REPORT_ROWS_MAX && at.len == len + KEY_HASH &&
	       memcmp(at.data, first, len) == 0) {
		if (read_row(a, val, &row[n]) == ERR_OK)
			n++;
		e = db_cursor_move(c, DB_NEXT, &at, &val);
	}
	db_cursor_close(c);
	db_end(txn);
	if (n == 0)
		return e == ERR_OK ? ERR_NOT_FOUND : e;
	out->row = row;
	out->n_row = n;
	return ERR_OK;
}

void
store_reports_delete(struct store *s, uint32_t day, const char *domain)
{
	uint8_t first[KEY_MAX];
	size_t len = prefix(day, domain, first);
	struct span at = SPAN(first, len), val;
	struct db_txn *txn = NULL;
	struct db_cursor *c = NULL;
	enum err e = db_write(s->tls->db, &txn);

	if (e == ERR_OK)
		e = db_cursor_open(txn, TLS_STATE_REPORTS, &c);
	if (e == ERR_OK)
		e = db_cursor_move(c, DB_SEEK, &at, &val);
	while (e == ERR_OK && at.len == len + KEY_HASH &&
	       memcmp(at.data, first, len) == 0) {
		e = db_cursor_del(c);
		if (e == ERR_OK)
			e = db_cursor_move(c, DB_NEXT, &at, &val);
	}
	db_cursor_close(c);
	if (e == ERR_OK || e == ERR_NOT_FOUND)
		e = db_commit(txn);
	else
		db_end(txn);
	if (e != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "tls-report-not-forgotten",
		    KV_STR("domain", domain), KV_ERR(e));
}

/* --- */

void
store_reports_tick(struct store *s)
{
	struct store_reports *r = s->tls->reports;

	if (clock_steady_ms() - r->written_ms >= WRITE_MS)
		write_counts(s);
	if (!s->stopping && s->tls->db != NULL)
		store_reports_send(s);
	arena_reset(s->tls->arena);
}

void
store_reports_start(struct store *s)
{
	s->tls->reports = calloc(1, sizeof(*s->tls->reports));
	if (s->tls->reports == NULL)
		fatal("out of memory");
}

void
store_reports_end(struct store *s)
{
	write_counts(s);
	store_reports_send_end(s);
	free(s->tls->reports);
	s->tls->reports = NULL;
}
