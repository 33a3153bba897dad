/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Searching the audit log: whatever the index is like, what is found is what
 * reading every line finds.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "gateway/store/audit_index.h"
#include "gateway/store/audit_reader.h"
#include "gateway/store/audit_rec.h"
#include "gateway/store/audit_search.h"

enum { FILES = 3, LINES = 1000, HITS_MAX = FILES * LINES };

static char dir[64];
static int dir_fd;
static uint64_t seed;
static uint64_t first_of[FILES];

static uint64_t
next_random(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return seed >> 33;
}

/* A record of one of the kinds that are searched for. */
static void
make_record(struct store_rec *r)
{
	static const char *const types[] = {
	    "accepted", "sent", "deferred", "decided"};
	static const char *const rungs[] = {"smime", "pgp", "escrow", "hold"};
	char text[96];

	store_rec_begin(r, types[next_random() % 4]);
	store_rec_id(r, "id", 1000 + next_random() % 500);
	snprintf(text, sizeof(text), "User%" PRIu64 "@Example.ORG",
	    next_random() % 50);
	store_rec_str(r, "rcpt", text);
	snprintf(
	    text, sizeof(text), "s%" PRIu64 "@gw.example", next_random() % 5);
	store_rec_str(r, "from", text);
	store_rec_str(r, "rung", rungs[next_random() % 4]);
	snprintf(
	    text, sizeof(text), "<\"q%" PRIu64 "\\x\"@h>", next_random() % 100);
	store_rec_str(r, "message-id", text);
}

/* The clock is set back now and then. */
static void
make_log(void)
{
	uint8_t hash[DIGEST_SIZE] = {0};
	uint64_t seq = 1, now = 1795000000000u;

	for (int f = 0; f < FILES; f++) {
		char name[STORE_AUDIT_NAME];
		struct buf b;
		int fd;

		first_of[f] = seq;
		store_audit_file_name(seq, name);
		buf_init(&b, 64 << 20);
		for (int i = 0; i < LINES; i++, seq++) {
			struct store_rec r;
			struct span rec;

			now += next_random() % 5000;
			if (next_random() % 500 == 0)
				now -= 600000;
			make_record(&r);
			cr_assert_eq(store_rec_end(&r, &rec), ERR_OK);
			cr_assert_eq(
			    store_line_make(seq, now, hash, rec, &b, hash),
			    ERR_OK);
			cr_assert_eq(buf_putc(&b, '\n'), ERR_OK);
			store_rec_clear(&r);
		}
		fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
		cr_assert_geq(fd, 0);
		cr_assert_eq(file_write_all(fd, buf_span(&b)), ERR_OK);
		close(fd);
		buf_clear(&b);
	}
}

static void
set_up(void)
{
	const char *given = getenv("TEST_SEED");

	seed = given == NULL ? 20261122 : strtoull(given, NULL, 10);
	snprintf(dir, sizeof(dir), "/tmp/test-audit-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
	make_log();
}

/* With its index. */
static void
remove_file(int f)
{
	char name[STORE_AUDIT_NAME];

	store_audit_file_name(first_of[f], name);
	unlinkat(dir_fd, name, 0);
	store_index_name(first_of[f], name, sizeof(name));
	unlinkat(dir_fd, name, 0);
}

static void
tear_down(void)
{
	for (int f = 0; f < FILES; f++)
		remove_file(f);
	close(dir_fd);
	rmdir(dir);
}

TestSuite(audit_search, .init = set_up, .fini = tear_down);

/* --- searching --- */

struct hits {
	uint64_t seq[HITS_MAX];
	size_t n;
};

static void
on_hit(void *arg, struct span line, const struct store_line *l)
{
	struct hits *h = arg;

	cr_assert_eq(line.data[line.len - 1], '}');
	cr_assert_lt(h->n, HITS_MAX);
	h->seq[h->n++] = l->seq;
}

static struct store_searched
search(struct store_search q, struct hits *h)
{
	struct store_searched done;

	h->n = 0;
	q.on_line = on_hit;
	q.arg = h;
	cr_assert_eq(store_audit_search(dir_fd, &q, &done), ERR_OK);
	cr_assert_eq(done.found, h->n);
	return done;
}

static const struct {
	const char *name;
	struct {
		enum store_term t;
		const char *text;
	} term[3];
	const char *since, *until;
	uint64_t number, last;
} queries[] = {
    {"everything", {{0}}, "", "", 0, 0},
    {"a recipient", {{STORE_TERM_RCPT, "user7@example.org"}}, "", "", 0, 0},
    {"any address", {{STORE_TERM_ADDR, "S3@GW.example"}}, "", "", 0, 0},
    {"two terms",
	{{STORE_TERM_RCPT, "USER9@example.org"}, {STORE_TERM_RUNG, "pgp"}}, "",
	"", 0, 0},
    {"three terms",
	{{STORE_TERM_FROM, "s1@gw.example"}, {STORE_TERM_RUNG, "smime"},
	    {STORE_TERM_TYPE, "sent"}},
	"", "", 0, 0},
    {"quoted", {{STORE_TERM_MESSAGE, "<\"q17\\x\"@h>"}}, "", "", 0, 0},
    {"nobody", {{STORE_TERM_RCPT, "nobody@example.org"}}, "", "", 0, 0},
    {"of another kind", {{STORE_TERM_RUNG, "user7@example.org"}}, "", "", 0, 0},
    {"since", {{0}}, "2026-11-18T1", "", 0, 0},
    {"a while", {{STORE_TERM_TYPE, "accepted"}}, "2026-11-18T12:00",
	"2026-11-18T13:00", 0, 0},
    {"one number", {{0}}, "", "", LINES + 7, 0},
    {"no such number", {{0}}, "", "", 99999999, 0},
    {"the last", {{0}}, "", "", 0, 5},
    {"the last of one", {{STORE_TERM_RCPT, "user7@example.org"}}, "", "", 0, 9},
    {"the last of few", {{STORE_TERM_MESSAGE, "<\"q17\\x\"@h>"}}, "", "", 0,
	100000},
    {"over files", {{0}}, "", "", 0, LINES + LINES / 2},
};

enum { QUERIES = sizeof(queries) / sizeof(queries[0]) };

static struct store_searched
run(size_t i, struct hits *h)
{
	struct store_search q = {.since = span_str(queries[i].since),
	    .until = span_str(queries[i].until),
	    .number = queries[i].number,
	    .last = queries[i].last};
	struct buf quoted[3];
	struct store_searched done;

	for (int k = 0; k < 3; k++) {
		const char *text = queries[i].term[k].text;

		buf_init(&quoted[k], 1024);
		if (text == NULL)
			continue;
		cr_assert_eq(
		    store_rec_quote(span_str(text), &quoted[k]), ERR_OK);
		q.term[queries[i].term[k].t] = buf_span(&quoted[k]);
	}
	done = search(q, h);
	for (int k = 0; k < 3; k++)
		buf_clear(&quoted[k]);
	return done;
}

static struct hits with, without[QUERIES];

/* What there is without any index. */
static void
remember(void)
{
	for (size_t i = 0; i < QUERIES; i++)
		(void)run(i, &without[i]);
}

static void
compare(const char *what)
{
	for (size_t i = 0; i < QUERIES; i++) {
		(void)run(i, &with);
		cr_expect_eq(with.n, without[i].n, "%s, %s: %zu, not %zu", what,
		    queries[i].name, with.n, without[i].n);
		cr_expect_eq(memcmp(with.seq, without[i].seq,
				 without[i].n * sizeof(with.seq[0])),
		    0, "%s, %s", what, queries[i].name);
	}
}

static void
index_all(void)
{
	for (int f = 0; f < FILES; f++)
		cr_assert_eq(
		    store_index_rebuild(dir_fd, first_of[f], UINT64_MAX),
		    ERR_OK);
}

Test(audit_search, what_is_read_is_what_was_asked_for)
{
	remember();
	cr_expect_eq(without[0].n, FILES * LINES);
	cr_expect_gt(without[1].n, 20);
	cr_expect_gt(without[4].n, 0);
	cr_expect_gt(without[5].n, 10);
	cr_expect_eq(without[6].n, 0);
	cr_expect_eq(without[7].n, 0);
	cr_expect_gt(without[9].n, 0);
	cr_expect_lt(without[9].n, without[8].n);
	cr_expect_eq(without[10].n, 1);
	cr_expect_eq(without[10].seq[0], LINES + 7);
	cr_expect_eq(without[11].n, 0);
	cr_expect_eq(without[12].n, 5);
	cr_expect_eq(without[12].seq[4], FILES * LINES);
	cr_expect_eq(without[13].n, 9);
	cr_expect_eq(without[14].n, without[5].n);
	cr_expect_eq(without[15].n, LINES + LINES / 2);
}

Test(audit_search, an_index_changes_nothing_but_the_time)
{
	struct store_searched read, done;

	remember();
	read = run(5, &with);
	cr_expect_gt(read.octets_unindexed, 0);
	index_all();
	compare("indexed");
	done = run(5, &with);
	cr_expect_eq(done.octets_unindexed, 0);
	cr_expect_lt(done.octets_read, read.octets_read / 2);
}

static void
change_index(int f, off_t len, off_t at, char c)
{
	char name[STORE_AUDIT_NAME];
	int fd;

	store_index_name(first_of[f], name, sizeof(name));
	fd = openat(dir_fd, name, O_RDWR);
	cr_assert_geq(fd, 0);
	if (len >= 0)
		cr_assert_eq(ftruncate(fd, len), 0);
	if (at >= 0)
		cr_assert_eq(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

Test(audit_search, an_index_that_is_cut_or_missing_is_done_without)
{
	char name[STORE_AUDIT_NAME];

	remember();
	index_all();
	store_index_name(first_of[1], name, sizeof(name));
	cr_assert_eq(unlinkat(dir_fd, name, 0), 0);
	compare("one missing");
	index_all();
	change_index(0, 5000, -1, 0);
	compare("one cut");
	change_index(0, 0, -1, 0);
	compare("one empty");
	index_all();
	change_index(2, -1, 3, 'x');
	compare("one that is none");
	change_index(2, 20, -1, 0);
	compare("less than a head");
}

/* As store writes it, a block for so many lines. */
static void
index_in_blocks(uint64_t first, int lines)
{
	struct store_index_block b = {0};
	struct store_reader *r = NULL;
	struct span line;
	char name[STORE_AUDIT_NAME];
	bool whole;
	int n = 0;

	store_index_name(first, name, sizeof(name));
	cr_assert(unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT);
	cr_assert_eq(store_reader_open(dir_fd, first, &r), ERR_OK);
	while (store_reader_next(r, &line, &whole) == ERR_OK && whole) {
		store_block_add(&b, line);
		if (++n % lines == 0)
			cr_assert_eq(
			    store_block_write(&b, dir_fd, first), ERR_OK);
	}
	cr_assert_eq(store_block_write(&b, dir_fd, first), ERR_OK);
	store_reader_close(r);
	store_block_clear(&b);
}

static off_t
index_size(uint64_t first)
{
	struct stat st;
	char name[STORE_AUDIT_NAME];

	store_index_name(first, name, sizeof(name));
	cr_assert_eq(fstatat(dir_fd, name, &st, 0), 0);
	return st.st_size;
}

/* Blocks of several sizes, joined and not, and joined with what came after;
   every question has the answers that it has without any index. */
Test(audit_search, joined_blocks_say_what_they_said)
{
	static const int lines[FILES] = {1, 7, 50};

	remember();
	for (int f = 0; f < FILES; f++)
		index_in_blocks(first_of[f], lines[f]);
	compare("in blocks");
	for (int f = 0; f < FILES; f++) {
		off_t before = index_size(first_of[f]);

		cr_assert_eq(store_index_join(dir_fd, first_of[f]), ERR_OK);
		cr_expect_neq(index_size(first_of[f]), before, "%d", f);
	}
	compare("joined");
	for (int f = 0; f < FILES; f++) {
		off_t before = index_size(first_of[f]);

		cr_assert_eq(store_index_join(dir_fd, first_of[f]), ERR_OK);
		cr_expect_eq(
		    index_size(first_of[f]), before, "joined again, %d", f);
	}
	compare("joined twice");
}

Test(audit_search, what_is_altered_is_not_joined)
{
	off_t before;

	index_in_blocks(first_of[0], 50);
	before = index_size(first_of[0]);
	change_index(0, -1, before - 1, 'x');
	cr_expect_eq(store_index_join(dir_fd, first_of[0]), ERR_MALFORMED);
	cr_expect_eq(index_size(first_of[0]), before);
}

/* What cannot be written leaves what was there. */
Test(audit_search, what_cannot_be_joined_is_used_as_it_is)
{
	char name[STORE_AUDIT_NAME], made[STORE_AUDIT_NAME + 8];

	remember();
	index_in_blocks(first_of[0], 50);
	store_index_name(first_of[0], name, sizeof(name));
	snprintf(made, sizeof(made), "%s.new", name);
	cr_assert_eq(mkdirat(dir_fd, made, 0700), 0);
	cr_expect_neq(store_index_join(dir_fd, first_of[0]), ERR_OK);
	compare("not joined");
	cr_assert_eq(unlinkat(dir_fd, made, AT_REMOVEDIR), 0);
}

static char
octet_at(int f, off_t at)
{
	char name[STORE_AUDIT_NAME], c;
	int fd;

	store_index_name(first_of[f], name, sizeof(name));
	fd = openat(dir_fd, name, O_RDONLY);
	cr_assert_eq(pread(fd, &c, 1, at), 1);
	close(fd);
	return c;
}

/* A joined block with anything in place of an octet: what it names is looked
   up in the line, so that nothing is found that is not there. */
Test(audit_search, a_joined_block_of_a_stranger_finds_nothing_else)
{
	off_t size, head = 500;

	/* the others would be read each time */
	for (int f = 1; f < FILES; f++)
		remove_file(f);
	remember();
	index_in_blocks(first_of[0], 500);
	cr_assert_eq(store_index_join(dir_fd, first_of[0]), ERR_OK);
	size = index_size(first_of[0]);
	for (int i = 0; i < 600; i++) {
		off_t at =
		    i < head ? i : (off_t)(next_random() % (uint64_t)size);
		char was = octet_at(0, at);

		change_index(0, -1, at, (char)next_random());
		for (size_t q = 1; q < 7; q++) {
			(void)run(q, &with);
			cr_expect_leq(with.n, without[q].n, "octet %lld, %s",
			    (long long)at, queries[q].name);
		}
		change_index(0, -1, at, was);
	}
	compare("as it was");
}

Test(audit_search, an_index_that_was_altered_is_known)
{
	struct store_index_file *f = NULL;
	struct stat st;
	char name[STORE_AUDIT_NAME];

	index_all();
	store_index_name(first_of[0], name, sizeof(name));
	cr_assert_eq(fstatat(dir_fd, name, &st, 0), 0);
	cr_assert_eq(store_index_file_open(dir_fd, first_of[0], &f), ERR_OK);
	cr_expect_neq(store_index_file_check(f), UINT64_MAX);
	store_index_file_close(f);
	for (int i = 0; i < 20; i++) {
		off_t at =
		    104 + (off_t)(next_random() % (uint64_t)(st.st_size - 104));
		char was = octet_at(0, at);

		change_index(0, -1, at, (char)(was + 1));
		cr_assert_eq(
		    store_index_file_open(dir_fd, first_of[0], &f), ERR_OK);
		cr_expect_eq(store_index_file_check(f), UINT64_MAX,
		    "octet %lld", (long long)at);
		store_index_file_close(f);
		change_index(0, -1, at, was);
	}
}

/* Lines behind what the index covers, as they are while store writes. */
Test(audit_search, what_is_not_in_the_index_yet_is_found)
{
	remember();
	for (int f = 0; f < FILES; f++)
		cr_assert_eq(store_index_rebuild(
				 dir_fd, first_of[f], (uint64_t)(f * 100000)),
		    ERR_OK);
	compare("half of it");
}

/* --- terms --- */

static void
note_term(void *arg, enum store_term t, struct span value)
{
	struct buf *b = arg;

	cr_assert_eq(buf_printf(b, "%s=%.*s ", store_term_name(t),
			 (int)value.len, (const char *)value.data),
	    ERR_OK);
}

Test(audit_search, terms_are_where_they_belong)
{
	static const struct {
		const char *rec, *terms;
	} rows[] = {
	    {"{\"type\":\"sent\",\"id\":\"A\"}", "type=sent id=A "},
	    {"{\"rcpts\":[\"a@b\",\"c@d\"]}",
		"rcpt=a@b address=a@b rcpt=c@d address=c@d "},
	    {"{\"rule\":{\"decider\":\"x\",\"raising\":[\"y\",\"z\"]}}",
		"rule=x rule=y rule=z "},
	    {"{\"rule\":\"x\",\"key\":\"f\"}", "rule=x key=f "},
	    {"{\"facts\":{\"from\":\"a\",\"id\":\"b\"}}", ""},
	    {"{\"rules\":[{\"name\":\"n\",\"rung\":\"r\"}]}", ""},
	    {"{\"\":{\"from\":\"a\"}}", ""},
	    {"{\"from\":\"a\\\"b\"}", "from=a\\\"b address=a\\\"b "},
	    {"{\"x\":1,\"rung\":\"pgp\",\"y\":null}", "rung=pgp "},
	    {"{\"from\":{\"to\":\"x\"}}", ""},
	    {"{\"reason\":\"\\\",\\\"from\\\":\\\"x\"}", ""},
	    /* malformed */
	    {"", ""},
	    {"{\"from\":\"a", ""},
	    {"{\"from\":\"a\\", ""},
	    {"}{\"from\":\"a\"}", ""},
	    {"\"from\"", ""},
	    {"[\"from\",\"a\"]", ""},
	    {"{\"from\"", ""},
	    {"{\"from\":", ""},
	    {"{{{{{{{{{{{{{{{{{{{{{{{{\"from\":\"a\"}", ""},
	    {"[[[[[[[[[[[[[[[[[[[[[[[[\"a\"", ""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b;

		buf_init(&b, 4096);
		store_terms_each(span_str(rows[i].rec), note_term, &b);
		cr_expect(span_eq_str(buf_span(&b), rows[i].terms), "%s: %.*s",
		    rows[i].rec, (int)b.len, (const char *)b.data);
		buf_clear(&b);
	}
}
