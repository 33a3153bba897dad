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

#include "common/clock.h"
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
	PAGE = 20,	/* so many from the end of what many have */
	PATH = 512,
};

#define ENTRY_FROM 5000000000u

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

/* The members that are strings, and what message m has there: some words are
   nearly each message's own, some of many, some of nearly all. */
static const char *const member[STORE_TERM_COUNT] = {
    [STORE_TERM_MESSAGE] = "message-id",
    [STORE_TERM_FROM] = "from",
    [STORE_TERM_RCPT] = "rcpt",
    [STORE_TERM_RULE] = "rule",
    [STORE_TERM_RUNG] = "rung",
    [STORE_TERM_RESULT] = "result",
    [STORE_TERM_KEY] = "key",
};

static void
word_of(enum store_term t, uint64_t m, char *out, size_t size)
{
	static const char *const rungs[] = {"smime", "pgp", "tls", "smime"};
	static const char *const results[] = {
	    "sealed", "sealed", "tls", "sealed"};

	if (t == STORE_TERM_ID)
		text_id(1000 + m, out);
	else if (t == STORE_TERM_ENTRY)
		text_id(ENTRY_FROM + m, out);
	else if (t == STORE_TERM_MESSAGE)
		snprintf(out, size, "<m%" PRIu64 "@sender.example>", m);
	else if (t == STORE_TERM_FROM)
		snprintf(out, size, "s%" PRIu64 "@sender.example", m % 500);
	else if (t == STORE_TERM_RULE)
		snprintf(out, size, "rule %" PRIu64, m % 7);
	else if (t == STORE_TERM_KEY)
		snprintf(out, size, "%032" PRIx64 "%032" PRIx64,
		    m % 50000 * 2654435761u, m % 50000);
	else if (t == STORE_TERM_RUNG || t == STORE_TERM_RESULT)
		snprintf(out, size, "%s",
		    (t == STORE_TERM_RUNG ? rungs : results)[m % 4]);
	else if (t == STORE_TERM_TYPE)
		snprintf(out, size, "sent");
	else
		snprintf(out, size,
		    "user%" PRIu64 "@partner%" PRIu64 ".example", m % 50000,
		    m % 1000);
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
	uint64_t m = n / A_MESSAGE;
	char text[96];

	store_rec_begin(r, types[n % A_MESSAGE]);
	store_rec_id(r, "id", 1000 + m);
	store_rec_id(r, "entry", ENTRY_FROM + m);
	for (int t = 0; t < STORE_TERM_COUNT; t++)
		if (member[t] != NULL) {
			word_of((enum store_term)t, m, text, sizeof(text));
			store_rec_str(r, member[t], text);
		}
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

/* Of one kind of look-up, in milliseconds: by the clock, and of CPU, which
   what else runs on the machine does not change. */
struct times {
	double ms[LOOKUPS], cpu[LOOKUPS];
	size_t n;
};

static void
find(int fd, struct store_search *q, uint64_t *found, struct times *t)
{
	struct store_searched done;
	uint64_t start = now_ns(CLOCK_MONOTONIC);
	uint64_t cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);

	q->on_line = on_line;
	q->arg = found;
	*found = 0;
	must(store_audit_search(fd, q, &done), "search");
	t->ms[t->n] = (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e6;
	t->cpu[t->n++] = (double)(now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e6;
}

static bool
put_times(const char *what, struct times *t)
{
	qsort(t->ms, LOOKUPS, sizeof(t->ms[0]), compare);
	qsort(t->cpu, LOOKUPS, sizeof(t->cpu[0]), compare);
	printf(", \"%s\": [%.2f, %.2f, %.2f]", what, t->ms[LOOKUPS / 2],
	    t->ms[LOOKUPS - 1], t->cpu[LOOKUPS / 2]);
	/* the first ones map what is not in memory yet */
	return t->ms[LOOKUPS - LOOKUPS / 20] < LIMIT_MS;
}

/* Median and longest of look-ups of words all over the log. What many records
   have is asked for page by page, as a person does. */
static bool
look_up(int fd, enum store_term t, uint64_t messages, bool page)
{
	struct times times = {.n = 0};
	uint64_t found;
	bool all = true;

	for (int i = 0; i < LOOKUPS; i++) {
		struct store_search q = {.last = page ? PAGE : 0};
		uint64_t m = (uint64_t)i * 2654435761u % messages;
		char text[96];

		word_of(t, m, text, sizeof(text));
		q.term[t] = span_str(text);
		find(fd, &q, &found, &times);
		all = all && (page ? found == PAGE : found >= A_MESSAGE);
	}
	return put_times(store_term_name(t), &times) && all;
}

static bool
look_up_all(int fd, uint64_t messages)
{
	static const struct {
		enum store_term t;
		bool page;
	} rows[] = {
	    {STORE_TERM_ID, false},
	    {STORE_TERM_ENTRY, false},
	    {STORE_TERM_MESSAGE, false},
	    {STORE_TERM_RCPT, false},
	    {STORE_TERM_ADDR, false},
	    {STORE_TERM_KEY, false},
	    {STORE_TERM_FROM, true},
	    {STORE_TERM_RULE, true},
	    {STORE_TERM_RUNG, true},
	    {STORE_TERM_RESULT, true},
	    {STORE_TERM_TYPE, true},
	};
	bool good = true;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		good = look_up(fd, rows[i].t, messages, rows[i].page) && good;
	return good;
}

static bool
look_up_number(int fd, uint64_t records)
{
	struct times times = {.n = 0};
	uint64_t found;
	bool all = true;

	for (int i = 0; i < LOOKUPS; i++) {
		struct store_search q = {
		    .number = 1 + (uint64_t)i * 2654435761u % records};

		find(fd, &q, &found, &times);
		all = all && found == 1;
	}
	return put_times("number", &times) && all;
}

/* A page of what happened in a second. */
static bool
look_up_time(int fd, uint64_t from_ms, uint64_t to_ms)
{
	struct times times = {.n = 0};
	uint64_t found;

	for (int i = 0; i < LOOKUPS; i++) {
		char since[TEXT_TIME_SIZE], until[TEXT_TIME_SIZE];
		uint64_t t =
		    from_ms + (uint64_t)i * 2654435761u % (to_ms - from_ms + 1);
		struct store_search q = {.last = PAGE};

		text_time_ms(t, since);
		text_time_ms(t + 1000, until);
		q.since = span_str(since);
		q.until = span_str(until);
		find(fd, &q, &found, &times);
	}
	return put_times("time", &times);
}

/* Octets of index that were made. */
static double
make_index(int fd)
{
	uint64_t *first = NULL, octets = 0;
	struct stat st;
	size_t n = 0;
	char name[64];

	must(store_audit_files(fd, &first, &n), "files");
	for (size_t i = 0; i < n; i++) {
		must(store_index_rebuild(fd, first[i], UINT64_MAX), "index");
		store_index_name(first[i], name, sizeof(name));
		if (fstatat(fd, name, &st, 0) == 0)
			octets += (uint64_t)st.st_size;
	}
	free(first);
	return (double)octets;
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
	uint64_t began_ms, ended_ms;
	double s, octets;
	bool good;
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
	began_ms = clock_unix_ms();
	write_log(&conf, records);
	ended_ms = clock_unix_ms();
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
	printf(", \"found\": {\"records\": %" PRIu64, done.lines);
	good = look_up_all(fd, records / A_MESSAGE) && good;
	good = look_up_number(fd, records) && good;
	good = look_up_time(fd, began_ms, ended_ms) && good;
	printf("}");
	/* reading all of it, without the index */
	remove_index(fd);
	start = now_ns(CLOCK_MONOTONIC);
	must(store_audit_search(fd, &q, &read), "search");
	s = (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e9;
	printf(", \"scan_per_s\": %.0f, \"scan_mb_per_s\": %.0f",
	    (double)done.lines / s, (double)read.octets_read / 1e6 / s);
	start = now_ns(CLOCK_MONOTONIC);
	octets = make_index(fd);
	s = (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e9;
	printf(", \"index_per_s\": %.0f, \"index_mb\": %.0f, "
	       "\"log_mb\": %.0f}\n",
	    (double)done.lines / s, octets / 1e6,
	    (double)read.octets_read / 1e6);
	close(fd);
	return good && found == 0 ? 0 : 1;
}
