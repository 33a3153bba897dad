/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The audit log: what store writes verifies, and nothing that is altered,
 * removed, put elsewhere, put in or cut off goes unnoticed.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/digest.h"
#include "common/file.h"
#include "common/text.h"
#include "gateway/store/audit_reader.h"
#include "gateway/store/audit_rec.h"
#include "gateway/store/audit_search.h"
#include "gateway/store/audit_verify.h"
#include "tests/lib/still_loop.h"
#include "tests/lib/store_rig.h"

enum {
	FILE_MAX = 4 * 1024 * 1024,
	HOUR_MS = 3600 * 1000,
	DAY_MS = 24 * HOUR_MS,
};

static struct rig rig;

static void
set_up(void)
{
	rig_init(&rig);
	/* at noon: no test runs into the next day by itself */
	still_wall_ms = 12 * HOUR_MS - (int64_t)(clock_unix_ms() % DAY_MS);
	cr_assert_eq(rig_start(&rig), ERR_OK);
}

static void
tear_down(void)
{
	rig_clear(&rig);
}

TestSuite(audit_log, .init = set_up, .fini = tear_down);

static void
submit(uint64_t id)
{
	struct entry e = rig_entry(&rig, id + 1000, id, ENTRY_READY);
	const char *recs[] = {"{\"type\":\"accepted\",\"n\":1}",
	    "{\"type\":\"sealed\",\"rcpt\":\"b@example.org\"}"};
	struct proto_submit m = {.attempt = 1,
	    .entry = &e,
	    .n_entries = 1,
	    .audit = recs,
	    .n_audit = 2};

	rig_submit(&rig, 0, id, &m);
	cr_assert_eq(rig_committed(&rig, id), ERR_OK);
}

static struct store_verified
verify(struct store_verify v)
{
	struct store_verified out;

	cr_assert_eq(
	    store_audit_verify(rig.conf.paths.audit, &v, &out), ERR_OK);
	return out;
}

/* --- the files, as an attacker with a disk sees them --- */

static char path[256];
static char *line[512];
static size_t n_lines;
static struct buf text;

static void
read_log(void)
{
	char name[STORE_AUDIT_NAME];

	store_audit_file_name(1, name);
	snprintf(path, sizeof(path), "%s/%s", rig.conf.paths.audit, name);
	buf_init(&text, FILE_MAX);
	cr_assert_eq(file_read_path(AT_FDCWD, path, &text), ERR_OK);
	n_lines = 0;
	cr_assert_eq(buf_putc(&text, 0), ERR_OK);
	for (char *p = (char *)text.data; *p != 0;) {
		char *end = strchr(p, '\n');

		cr_assert_not_null(end);
		*end = 0;
		line[n_lines++] = p;
		p = end + 1;
	}
}

static void
write_log(void)
{
	FILE *f = fopen(path, "w");

	for (size_t i = 0; i < n_lines; i++)
		fprintf(f, "%s\n", line[i]);
	fclose(f);
}

/* The digest of a line that was changed, put right again. */
static void
rehash(char *l)
{
	uint8_t hash[DIGEST_SIZE];
	char hex[2 * DIGEST_SIZE + 1];

	store_line_hash(span_str(l), hash);
	text_hex(SPAN(hash, DIGEST_SIZE), hex);
	memcpy(l + strlen(l) - 2 - 2 * DIGEST_SIZE, hex, 2 * DIGEST_SIZE);
}

/* The whole chain from this line on made to fit again. */
static void
rechain(size_t from)
{
	for (size_t i = from; i < n_lines; i++) {
		char *prev = strstr(line[i], "\"prev\":\"") + 8;
		const char *before = line[i - 1];

		memcpy(prev, before + strlen(before) - 2 - 2 * DIGEST_SIZE,
		    2 * DIGEST_SIZE);
		rehash(line[i]);
	}
}

static void
alter(void)
{
	*strstr(line[5], "\"type\"") = 'x';
}

static void
alter_and_rehash(void)
{
	alter();
	rehash(line[5]);
}

static void
alter_and_rechain(void)
{
	alter();
	rehash(line[5]);
	rechain(6);
}

static void
alter_time(void)
{
	char *t = strstr(line[5], "\"time\":\"") + 8;

	t[3] = t[3] == '0' ? '1' : '0';
}

static void
take_out(void)
{
	memmove(&line[5], &line[6], (--n_lines - 5) * sizeof(line[0]));
}

static void
take_first(void)
{
	memmove(&line[0], &line[1], --n_lines * sizeof(line[0]));
}

static void
swap(void)
{
	char *l = line[5];

	line[5] = line[6];
	line[6] = l;
}

static void
put_in(void)
{
	memmove(&line[6], &line[5], (n_lines++ - 5) * sizeof(line[0]));
}

static void
put_in_junk(void)
{
	static char junk[] = "{}";

	put_in();
	line[5] = junk;
}

static void
forge_signature(void)
{
	for (size_t i = 0; i < n_lines; i++) {
		char *sig = strstr(line[i], "audit-checkpoint");

		if (sig == NULL)
			continue;
		sig = strstr(sig, "\"sig\":\"") + 7;
		*sig = *sig == '0' ? '1' : '0';
		rehash(line[i]);
		if (i + 1 < n_lines)
			rechain(i + 1);
		return;
	}
	cr_assert_fail("no checkpoint");
}

static void
cut_tail(void)
{
	n_lines -= 2;
}

static void
nothing(void)
{
}

/* A log of 30 lines with a checkpoint in the middle and one at the end. */
static void
make_log(void)
{
	for (uint64_t i = 0; i < 8; i++)
		submit(i + 1);
	rig_advance(&rig, 61 * 1000);
	rig_run(&rig, 10);
	for (uint64_t i = 8; i < 12; i++)
		submit(i + 1);
	rig_stop(&rig);
}

Test(audit_log, what_was_written_verifies)
{
	struct store_verified v;

	make_log();
	v = verify((struct store_verify){0});
	cr_assert_eq(v.problems, 0);
	cr_assert_eq(v.first, 1);
	cr_assert_eq(v.last, v.lines);
	cr_assert_geq(v.lines, 12u * 2 + 3);
	cr_assert_geq(v.signatures, 3, "key, checkpoint, end");
	cr_assert_eq(v.signed_seq, v.last, "it ends with a signature");
	cr_assert(v.has_key);
}

Test(audit_log, no_change_goes_unnoticed)
{
	static const struct {
		const char *name;
		void (*change)(void);
		bool needs_head;
	} rows[] = {
	    {"nothing", nothing, false},
	    {"altered", alter, false},
	    {"altered, digest put right", alter_and_rehash, false},
	    {"altered, chain put right", alter_and_rechain, false},
	    {"time altered", alter_time, false},
	    {"removed", take_out, false},
	    {"first removed", take_first, false},
	    {"reordered", swap, false},
	    {"inserted twice", put_in, false},
	    {"junk inserted", put_in_junk, false},
	    {"signature altered", forge_signature, false},
	    {"cut off", cut_tail, true},
	};
	struct store_verify head = {0};
	struct store_verified good, v;

	make_log();
	good = verify(head);
	head.head_seq = good.last;
	memcpy(head.head_hash, good.hash, DIGEST_SIZE);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool bad = rows[i].change != nothing;

		read_log();
		rows[i].change();
		write_log();
		v = verify((struct store_verify){0});
		cr_expect_eq(v.problems > 0, bad && !rows[i].needs_head, "%s",
		    rows[i].name);
		v = verify(head);
		cr_expect_eq(
		    v.problems > 0, bad, "with the head: %s", rows[i].name);
		buf_clear(&text);
		/* back to what it was: the rows are in no file any more */
		rig_clear(&rig);
		rig_init(&rig);
		cr_assert_eq(rig_start(&rig), ERR_OK);
		make_log();
		good = verify((struct store_verify){0});
		head.head_seq = good.last;
		memcpy(head.head_hash, good.hash, DIGEST_SIZE);
	}
}

Test(audit_log, a_line_that_was_written_half_is_written_again)
{
	struct store_verified v;
	int fd;

	make_log();
	read_log();
	buf_clear(&text);
	fd = open(path, O_WRONLY | O_APPEND);
	cr_assert_eq(write(fd, "{\"seq\":99,\"ti", 13), 13);
	close(fd);
	cr_assert_gt(verify((struct store_verify){0}).problems, 0);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	submit(50);
	rig_stop(&rig);
	v = verify((struct store_verify){0});
	cr_assert_eq(v.problems, 0);
}

Test(audit_log, rows_survive_a_kill_before_they_are_in_a_file)
{
	struct store_verified v;

	for (uint64_t i = 0; i < 5; i++)
		submit(i + 1);
	rig_kill(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	rig_stop(&rig);
	v = verify((struct store_verify){0});
	cr_assert_eq(v.problems, 0);
	cr_assert_geq(v.lines, 10);
}

Test(audit_log, a_clock_that_is_set_breaks_no_chain)
{
	static const int64_t step_ms[] = {
	    -3 * HOUR_MS, 2 * HOUR_MS, -DAY_MS, 3 * (int64_t)DAY_MS, -1000, 0};
	struct store_verified v;
	uint64_t id = 1;

	for (size_t i = 0; i < sizeof(step_ms) / sizeof(step_ms[0]); i++) {
		still_wall_ms += step_ms[i];
		submit(id++);
		rig_advance(&rig, 61 * 1000);
		rig_run(&rig, 10);
		submit(id++);
	}
	rig_stop(&rig);
	v = verify((struct store_verify){0});
	cr_assert_eq(v.problems, 0);
	cr_assert_geq(v.lines, 2 * (id - 1));
	cr_assert_eq(v.signed_seq, v.last);
	/* and the next process goes on with it, at yet another time */
	still_wall_ms -= 40 * (int64_t)DAY_MS;
	cr_assert_eq(rig_start(&rig), ERR_OK);
	submit(id);
	rig_stop(&rig);
	cr_assert_eq(verify((struct store_verify){0}).problems, 0);
}

static int
count_keys(void)
{
	DIR *d = opendir(rig.conf.paths.audit);
	struct dirent *e;
	int n = 0;

	while ((e = readdir(d)) != NULL)
		n += strncmp(e->d_name, "signing-", 8) == 0;
	closedir(d);
	return n;
}

Test(audit_log, each_day_has_a_file_and_a_key_of_its_own)
{
	char one[STORE_AUDIT_NAME];
	struct store_verified v;
	uint64_t *first = NULL;
	size_t n = 0;
	int fd;

	submit(1);
	rig_advance(&rig, 25ull * 3600 * 1000);
	submit(2);
	rig_advance(&rig, 61 * 1000);
	submit(3);
	rig_advance(&rig, 25ull * 3600 * 1000);
	submit(4);
	rig_stop(&rig);
	v = verify((struct store_verify){0});
	cr_assert_eq(v.problems, 0);
	fd = open(rig.conf.paths.audit, O_RDONLY);
	cr_assert_eq(store_audit_files(fd, &first, &n), ERR_OK);
	cr_assert_eq(n, 3, "%zu", n);
	/* a later file vouches for itself when its beginning is named */
	v = verify((struct store_verify){.from = first[2]});
	cr_assert_gt(v.problems, 0);
	store_audit_file_name(first[0], one);
	cr_assert_eq(unlinkat(fd, one, 0), 0);
	store_audit_file_name(first[1], one);
	cr_assert_eq(unlinkat(fd, one, 0), 0);
	cr_assert_gt(verify((struct store_verify){0}).problems, 0);
	v = verify((struct store_verify){.from = first[2]});
	cr_assert_eq(v.problems, 0);
	cr_assert_eq(count_keys(), 1, "only the last private half is left");
	free(first);
	close(fd);
}

Test(audit_log, it_goes_on_behind_the_files_with_a_new_spool)
{
	struct store_verified before, v;
	char file[200];

	make_log();
	before = verify((struct store_verify){0});
	snprintf(file, sizeof(file), "%s/data.mdb", rig.conf.paths.spool);
	cr_assert_eq(unlink(file), 0);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	submit(70);
	rig_stop(&rig);
	v = verify(
	    (struct store_verify){.head_seq = before.last, .head_hash = {0}});
	cr_assert_eq(v.problems, 1, "a head that is none");
	v = verify((struct store_verify){0});
	cr_assert_eq(v.problems, 0);
	cr_assert_gt(v.last, before.last);
}

/* --- somebody else at the files --- */

static void
move_away(const char *file)
{
	char to[300];

	snprintf(to, sizeof(to), "%s.1", file);
	cr_assert_eq(rename(file, to), 0);
}

static void
shorten(const char *file)
{
	cr_assert_eq(truncate(file, 0), 0);
}

static void
write_into(const char *file)
{
	int fd = open(file, O_WRONLY | O_APPEND);

	cr_assert_eq(write(fd, "{\"seq\":1}\n", 10), 10);
	close(fd);
}

static void
replace(const char *file)
{
	int fd;

	cr_assert_eq(unlink(file), 0);
	fd = open(file, O_WRONLY | O_CREAT | O_EXCL, 0600);
	cr_assert_geq(fd, 0);
	close(fd);
}

static void
count_type(void *arg, struct span text_of, const struct store_line *l)
{
	(void)text_of;
	(void)l;
	(*(unsigned *)arg)++;
}

static unsigned
records_of(const char *type)
{
	unsigned n = 0;
	struct store_search q = {.on_line = count_type, .arg = &n};
	struct store_searched done;
	int fd = open(rig.conf.paths.audit, O_RDONLY);

	q.term[STORE_TERM_TYPE] = span_str(type);
	cr_assert_eq(store_audit_search(fd, &q, &done), ERR_OK);
	close(fd);
	return n;
}

/* It is said, the chain goes on, and what is written from then on is there. */
Test(audit_log, what_others_do_to_the_file_is_noticed)
{
	static const struct {
		const char *name;
		void (*act)(const char *file);
		bool lost;
	} rows[] = {
	    {"moved away", move_away, true},
	    {"shortened", shorten, true},
	    {"written into", write_into, false},
	    {"replaced", replace, true},
	};
	char file[300], name[STORE_AUDIT_NAME];

	store_audit_file_name(1, name);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct store_verified v;

		for (uint64_t id = 1; id < 5; id++)
			submit(id);
		rig_run(&rig, 1100); /* it is in the file */
		snprintf(
		    file, sizeof(file), "%s/%s", rig.conf.paths.audit, name);
		cr_assert_eq(access(file, R_OK), 0, "%s", rows[i].name);
		rows[i].act(file);
		for (uint64_t id = 5; id < 9; id++)
			submit(id);
		rig_run(&rig, 1100);
		rig_stop(&rig);
		v = verify((struct store_verify){0});
		cr_expect_eq(v.problems > 0, rows[i].lost, "%s: %llu problems",
		    rows[i].name, (unsigned long long)v.problems);
		cr_expect_eq(records_of("audit-damaged"), 1, "%s: %u",
		    rows[i].name, records_of("audit-damaged"));
		cr_expect_geq(records_of("accepted"), rows[i].lost ? 4u : 8u,
		    "%s", rows[i].name);
		rig_clear(&rig);
		rig_init(&rig);
		cr_assert_eq(rig_start(&rig), ERR_OK);
	}
}

Test(audit_log, records_of_others_are_looked_over)
{
	static const struct {
		const char *rec;
		bool sound;
	} rows[] = {
	    {"{}", false},
	    {"{\"type\":\"sent\",\"a\":\"}\"}", true},
	    {"{\"type\":\"sent\",\"a\":\"\\\"}\",\"b\":[{}]}", true},
	    {"{\"a\":\"}\"}", false},
	    {"{\"type\":\"no-such\"}", false},
	    {"{\"type\":\"sent", false},
	    {"{\"type\":\"\"}", false},
	    {"{\"n\":1,\"type\":\"sent\"}", false},
	    {"{\"type\":\"sealed\"}", true},
	    {"", false},
	    {"{", false},
	    {"[]", false},
	    {"{\"type\":\"sent\"}{}", false},
	    {"{\"type\":\"sent\"} ", false},
	    {"{\"type\":\"sent\",\"a\":[}]}", false},
	    {"{\"type\":\"sent\",\"a\":\"}", false},
	    {"{\"type\":\"sent\",\"a\":\"\\\"}", false},
	    {"{\"type\":\"sent\",\"a\":\n1}", false},
	    {"{\"type\":\"audit-checkpoint\",\"key\":\"\"}", false},
	    {"{\"type\":\"sent\",\"a\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]"
	     "}",
		false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(store_rec_is_sound(span_str(rows[i].rec)),
		    rows[i].sound, "%s", rows[i].rec);
}

Test(audit_log, text_from_outside_stays_in_its_string)
{
	struct store_rec r;
	struct span rec;

	store_rec_begin(&r, "held");
	store_rec_str(&r, "s", "a\"b\\c\n\x7f\xff\xc3\xa9\xed\xa0\x80");
	cr_assert_eq(store_rec_end(&r, &rec), ERR_OK);
	cr_expect(span_eq_str(rec,
	    "{\"type\":\"held\",\"s\":\"a\\\"b\\\\c\\u000a\\u007f\xef\xbf\xbd"
	    "\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}"));
	cr_expect(store_rec_is_sound(rec));
	store_rec_clear(&r);
}

/* --- the document --- */

/* The next word in backticks before end; NULL if there is none. */
static const char *
next_word(const char *p, const char *end, char *word, size_t size)
{
	const char *open = memchr(p, '`', (size_t)(end - p));
	const char *close =
	    open == NULL ? NULL
			 : memchr(open + 1, '`', (size_t)(end - open - 1));

	if (close == NULL || (size_t)(close - open) > size)
		return NULL;
	memcpy(word, open + 1, (size_t)(close - open - 1));
	word[close - open - 1] = '\0';
	return close + 1;
}

static const char *
next_cell(const char *p, const char *end)
{
	const char *bar = memchr(p, '|', (size_t)(end - p));

	cr_assert_not_null(bar, "a row with too few cells");
	return bar + 1;
}

static size_t
count_words(const char *members)
{
	size_t n = members[0] != '\0';

	for (; *members != '\0'; members++)
		n += *members == ' ';
	return n;
}

/* One row of the table; returns how many types it names. */
static size_t
check_row(const char *row, const char *end)
{
	const char *about = next_cell(row + 1, end);
	const char *cell = next_cell(about, end), *p, *q, *members;
	char type[64], member[64];
	size_t n = 0;

	for (p = row; (p = next_word(p, about, type, sizeof(type))) != NULL;
	     n++) {
		size_t found = 0;

		cr_expect(store_rec_is_type(span_str(type)),
		    "no such record: %s", type);
		for (q = cell;
		     (q = next_word(q, end, member, sizeof(member))) != NULL;
		     found++)
			cr_expect(store_rec_has_member(
				      span_str(type), span_str(member)),
			    "%s has no %s", type, member);
		for (size_t i = 0;
		     (p != NULL) && store_rec_type_at(i, &members) != NULL; i++)
			if (strcmp(store_rec_type_at(i, &members), type) == 0)
				cr_expect_eq(count_words(members), found,
				    "%s: not all members are documented", type);
	}
	return n;
}

Test(audit_log, the_document_has_the_records_that_there_are)
{
	const char *top = getenv("TOP_SRCDIR"), *members;
	char file[512];
	struct buf doc;
	size_t documented = 0, n = 0;

	snprintf(file, sizeof(file), "%s/docs/format-audit.md",
	    top == NULL ? "." : top);
	buf_init(&doc, FILE_MAX);
	cr_assert_eq(file_read_path(AT_FDCWD, file, &doc), ERR_OK, "%s", file);
	cr_assert_eq(buf_putc(&doc, 0), ERR_OK);
	for (const char *p = (const char *)doc.data; p != NULL;
	     p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, "| `", 3) == 0)
			documented += check_row(p, p + strcspn(p, "\n"));
	}
	while (store_rec_type_at(n, &members) != NULL)
		n++;
	cr_expect_eq(documented, n, "%zu of %zu are documented", documented, n);
	buf_clear(&doc);
}
