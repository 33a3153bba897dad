/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Each kind of change at random places of an audit log of several files: all
 * are found, and where. TEST_SEED is another sequence.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/text.h"
#include "gateway/store/audit_line.h"
#include "gateway/store/audit_reader.h"
#include "gateway/store/audit_verify.h"
#include "tests/lib/still_loop.h"
#include "tests/lib/store_rig.h"

enum {
	LOG_MAX = 4 * 1024 * 1024,
	LINES_MAX = 1024,
	FILES_MAX = 8,
	ROUNDS = 40, /* of each kind */
	HOUR_MS = 3600 * 1000,
	DAY_MS = 24 * HOUR_MS,
};

static struct rig rig;
static char copy[64];
static uint64_t seed;

/* The log as it was written, and as it is after a change. */
static struct buf original;
static struct span good[LINES_MAX], bad[LINES_MAX];
static size_t n_good, n_bad;
static uint64_t first[FILES_MAX];
static size_t n_files;
static size_t place;	       /* the line that the change is about */
static char room[LOG_MAX / 8]; /* of a line that was changed */

static size_t
below(size_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (size_t)((seed >> 33) % n);
}

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

static void
read_log(void)
{
	uint64_t *list = NULL;
	int fd = open(rig.conf.paths.audit, O_RDONLY | O_DIRECTORY);

	cr_assert_eq(store_audit_files(fd, &list, &n_files), ERR_OK);
	cr_assert_leq(n_files, FILES_MAX);
	memcpy(first, list, n_files * sizeof(first[0]));
	free(list);
	buf_init(&original, LOG_MAX);
	for (size_t i = 0; i < n_files; i++) {
		char name[STORE_AUDIT_NAME];

		store_audit_file_name(first[i], name);
		cr_assert_eq(file_read_path(fd, name, &original), ERR_OK);
	}
	close(fd);
	for (size_t at = 0; at < original.len;) {
		struct span all = buf_span(&original);
		size_t end = span_find_chr(all, at, '\n');

		cr_assert_lt(n_good, LINES_MAX);
		good[n_good++] = SPAN(all.data + at, end - at);
		at = end + 1;
	}
}

/* Three days, a signature now and then, one at the end. */
static void
set_up(void)
{
	const char *given = getenv("TEST_SEED");
	uint64_t id = 1;

	seed = given != NULL ? strtoull(given, NULL, 10) : 20261122;
	fprintf(stderr, "TEST_SEED=%" PRIu64 "\n", seed);
	rig_init(&rig);
	still_wall_ms = 12 * HOUR_MS - (int64_t)(clock_unix_ms() % DAY_MS);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	for (int day = 0; day < 3; day++) {
		for (int i = 0; i < 12; i++)
			submit(id++);
		rig_advance(&rig, 61 * 1000);
		rig_run(&rig, 5);
		for (int i = 0; i < 6; i++)
			submit(id++);
		rig_advance(&rig, DAY_MS);
	}
	submit(id++);
	rig_stop(&rig);
	read_log();
	snprintf(copy, sizeof(copy), "/tmp/test-tamper-XXXXXX");
	cr_assert_not_null(mkdtemp(copy));
}

static void
tear_down(void)
{
	char file[128], name[STORE_AUDIT_NAME];

	for (size_t i = 0; i < n_files; i++) {
		store_audit_file_name(first[i], name);
		snprintf(file, sizeof(file), "%s/%s", copy, name);
		unlink(file);
	}
	rmdir(copy);
	buf_clear(&original);
	rig_clear(&rig);
}

TestSuite(audit_tamper, .init = set_up, .fini = tear_down);

/* --- kinds of change --- */

static struct span
changed(struct span line)
{
	cr_assert_lt(line.len, sizeof(room));
	memcpy(room, line.data, line.len);
	return SPAN((uint8_t *)room, line.len);
}

static void
rehash(struct span line)
{
	uint8_t hash[DIGEST_SIZE];
	char hex[2 * DIGEST_SIZE + 1];

	store_line_hash(line, hash);
	text_hex(SPAN(hash, DIGEST_SIZE), hex);
	memcpy((char *)line.data + line.len - 2 - 2 * DIGEST_SIZE, hex,
	    2 * (size_t)DIGEST_SIZE);
}

static void
one_octet(void)
{
	struct span l;

	place = below(n_bad);
	l = changed(bad[place]);
	room[below(l.len)] ^= (char)(1 + below(127));
	bad[place] = l;
}

/* As one_octet(), in the record, with the digest put right. */
static void
one_octet_rehashed(void)
{
	struct store_line l;
	struct span line;
	size_t at;

	place = below(n_bad);
	cr_assert_eq(store_line_parse(bad[place], &l), ERR_OK);
	at = (size_t)(l.rec.data - bad[place].data) + below(l.rec.len);
	line = changed(bad[place]);
	room[at] = room[at] == 'x' ? 'y' : 'x';
	rehash(line);
	bad[place] = line;
}

static void
another_time(void)
{
	struct store_line l;
	struct span line;
	size_t at;

	place = below(n_bad);
	cr_assert_eq(store_line_parse(bad[place], &l), ERR_OK);
	at = (size_t)(l.time.data - bad[place].data) + 20;
	line = changed(bad[place]);
	room[at] = room[at] == '1' ? '2' : '1';
	rehash(line);
	bad[place] = line;
}

static void
missing(void)
{
	place = below(n_bad);
	memmove(
	    &bad[place], &bad[place + 1], (--n_bad - place) * sizeof(bad[0]));
}

static void
twice(void)
{
	place = below(n_bad);
	memmove(
	    &bad[place + 1], &bad[place], (n_bad++ - place) * sizeof(bad[0]));
}

static void
swapped(void)
{
	size_t other = below(n_bad);
	struct span l;

	place = below(n_bad);
	if (other == place)
		other = place == 0 ? 1 : place - 1;
	l = bad[place];
	bad[place] = bad[other];
	bad[other] = l;
	place = other < place ? other : place;
}

static void
cut_off(void)
{
	place = below(n_bad - 1) + 1;
	n_bad = place;
}

static void
cut_in_a_line(void)
{
	place = below(n_bad);
	n_bad = place + 1;
	bad[place].len = below(bad[place].len);
}

/* The whole chain behind the change made to fit, as who can write the file
   would: only signatures tell. */
static char many[LOG_MAX];

static void
rechained(void)
{
	size_t used = 0;
	struct store_line l;

	place = below(n_bad);
	cr_assert_eq(store_line_parse(bad[place], &l), ERR_OK);
	for (size_t i = place; i < n_bad; i++) {
		struct span line = SPAN((uint8_t *)many + used, bad[i].len);
		char *prev;

		memcpy(many + used, bad[i].data, bad[i].len);
		many[used + bad[i].len] = '\0';
		used += bad[i].len + 1;
		if (i == place) {
			size_t at = (size_t)(l.time.data - bad[i].data) + 20;
			char *c = (char *)line.data + at;

			*c = *c == '1' ? '2' : '1';
		} else {
			prev = strstr((char *)line.data, "\"prev\":\"") + 8;
			memcpy(prev,
			    bad[i - 1].data + bad[i - 1].len - 2 -
				2 * (size_t)DIGEST_SIZE,
			    2 * (size_t)DIGEST_SIZE);
		}
		rehash(line);
		bad[i] = line;
	}
}

/* --- */

/* Lines go to the file that they came from; what was in none to the last. */
static void
write_copy(void)
{
	char file[128], name[STORE_AUDIT_NAME];
	size_t at = 0;

	for (size_t i = 0; i < n_files; i++) {
		uint64_t end = i + 1 < n_files ? first[i + 1] - 1 : LINES_MAX;
		FILE *f;

		store_audit_file_name(first[i], name);
		snprintf(file, sizeof(file), "%s/%s", copy, name);
		f = fopen(file, "w");
		cr_assert_not_null(f);
		for (; at < n_bad && (at < end || i + 1 == n_files); at++) {
			fwrite(bad[at].data, 1, bad[at].len, f);
			if (at + 1 < n_bad || bad[at].len == 0 ||
			    bad[at].data[bad[at].len - 1] == '}')
				putc('\n', f);
		}
		fclose(f);
	}
}

struct where {
	uint64_t near; /* a line that was told of, nearest to the change */
};

static void
on_problem(void *arg, const char *file, uint64_t seq, const char *text)
{
	struct where *w = arg;
	uint64_t want = place + 1;
	uint64_t a = seq > want ? seq - want : want - seq;
	uint64_t b = w->near > want ? w->near - want : want - w->near;

	(void)file;
	cr_expect_neq(text[0], '\0');
	if (a < b)
		w->near = seq;
}

static struct store_verified
check(struct store_verify v, struct where *w)
{
	struct store_verified out;

	w->near = UINT64_MAX / 2;
	v.on_problem = on_problem;
	v.arg = w;
	cr_assert_eq(store_audit_verify(copy, &v, &out), ERR_OK);
	return out;
}

Test(audit_tamper, every_change_is_found_where_it_is)
{
	static const struct {
		const char *name;
		void (*change)(void);
		bool needs_head; /* to be told from a shorter log */
		bool anywhere;	 /* told of at the next signature */
	} kinds[] = {
	    {"an octet", one_octet, false, false},
	    {"an octet, digest put right", one_octet_rehashed, true, false},
	    {"another time, digest put right", another_time, false, false},
	    {"missing", missing, true, false},
	    {"twice", twice, false, false},
	    {"swapped", swapped, false, false},
	    {"cut off", cut_off, true, false},
	    {"cut in a line", cut_in_a_line, true, false},
	    {"chain put right", rechained, false, true},
	};
	struct store_verify head = {0};
	struct store_verified v;
	struct where w;

	memcpy(bad, good, sizeof(good));
	n_bad = n_good;
	write_copy();
	v = check((struct store_verify){0}, &w);
	cr_assert_eq(v.problems, 0);
	cr_assert_eq(v.lines, n_good);
	cr_assert_geq(n_files, 3);
	head.head_seq = v.last;
	memcpy(head.head_hash, v.hash, DIGEST_SIZE);
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
		for (int i = 0; i < ROUNDS; i++) {
			uint64_t far;

			memcpy(bad, good, sizeof(good));
			n_bad = n_good;
			kinds[k].change();
			write_copy();
			v = check(head, &w);
			cr_expect_gt(v.problems, 0, "%s, line %zu",
			    kinds[k].name, place + 1);
			far = w.near > place + 1 ? w.near - place - 1
						 : place + 1 - w.near;
			cr_expect(kinds[k].anywhere || far <= 1,
			    "%s: line %zu, told of %" PRIu64, kinds[k].name,
			    place + 1, w.near);
			v = check((struct store_verify){0}, &w);
			cr_expect(kinds[k].needs_head || v.problems > 0,
			    "%s, without a head, line %zu", kinds[k].name,
			    place + 1);
		}
}

/* A log that is whole, of another machine: the key that was noted shows it. */
Test(audit_tamper, another_gateways_log_is_known_by_its_key)
{
	struct store_verified v;
	struct where w;
	uint8_t other[SIGN_PUB];

	memcpy(bad, good, sizeof(good));
	n_bad = n_good;
	write_copy();
	v = check((struct store_verify){0}, &w);
	cr_assert_eq(v.problems, 0);
	memcpy(other, v.first_key, sizeof(other));
	v = check((struct store_verify){.key = other}, &w);
	cr_expect_eq(v.problems, 0);
	other[3] ^= 1;
	v = check((struct store_verify){.key = other}, &w);
	cr_expect_eq(v.problems, 1);
}
