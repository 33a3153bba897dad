/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "gateway/listener/data.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/memfd.h"
#include "gateway/listener/limits.h"

enum { MEMORY = 64 * 1024 * 1024, MAX = 1024 * 1024 };

static struct listener_limits limits;

/* What became of one stream. */
struct outcome {
	bool end;
	size_t used;
	enum err err;
	uint8_t kept[4096];
	size_t len;
};

static void
read_back(struct listener_data *d, struct outcome *o)
{
	struct memfd_map map;

	cr_assert_eq(memfd_map(d->fd, MAX, &map), ERR_OK);
	cr_assert(map.data.len <= sizeof(o->kept));
	cr_assert_eq(map.data.len, d->size);
	o->len = map.data.len;
	if (o->len > 0)
		memcpy(o->kept, map.data.data, o->len);
	memfd_unmap(&map);
}

/* Feed a stream cut before octet `cut` and, if each, at every octet. */
static void
feed(struct span in, size_t cut, bool each, bool dots, struct outcome *o)
{
	struct listener_data d;
	struct err_why why = {.text = ""};
	size_t at = 0, n, part;
	uint8_t *copy = malloc(in.len + 1);

	memset(o, 0, sizeof(*o));
	cr_assert_eq(listener_data_init(&d, &limits, MEMORY, MAX, 0), ERR_OK);
	while (at < in.len && !o->end) {
		part = at < cut ? cut - at : in.len - at;
		if (each)
			part = 1;
		memcpy(copy, in.data + at, part);
		if (dots) {
			n = listener_data_dots(&d, copy, part, &o->end);
		} else {
			listener_data_octets(&d, copy, part);
			n = part;
		}
		cr_assert(n == part || o->end);
		at += n;
	}
	o->used = at;
	o->err = listener_data_finish(&d, &why);
	if (o->err == ERR_OK)
		read_back(&d, o);
	listener_data_clear(&d);
	cr_assert_eq(limits.reserved, 0, "memory is lost");
	free(copy);
}

static void
same(const struct outcome *a, const struct outcome *b, size_t row, size_t cut)
{
	cr_assert(a->end == b->end && a->used == b->used && a->err == b->err &&
		      a->len == b->len && memcmp(a->kept, b->kept, a->len) == 0,
	    "row %zu cut at %zu: end %d/%d used %zu/%zu err %s/%s", row, cut,
	    a->end, b->end, a->used, b->used, err_name(a->err),
	    err_name(b->err));
}

static void
feed_every_way(struct span in, bool dots, size_t row, struct outcome *whole)
{
	struct outcome cut;

	feed(in, 0, false, dots, whole);
	for (size_t i = 1; i < in.len; i++) {
		feed(in, i, false, dots, &cut);
		same(whole, &cut, row, i);
	}
	feed(in, 0, true, dots, &cut);
	same(whole, &cut, row, 0);
}

static const struct {
	const char *in;
	const char *kept;
} good[] = {
    {".\r\n", ""},
    {"a\r\n.\r\n", "a\r\n"},
    {"\r\n.\r\n", "\r\n"},
    {"..\r\n.\r\n", ".\r\n"},
    {"..a\r\n...\r\n.\r\n", ".a\r\n..\r\n"},
    {".a\r\n.\r\n", "a\r\n"},
    {"a.\r\n.\r\n", "a.\r\n"},
    {"a: b\r\n\r\nc\r\n..\r\nd\r\n.\r\n", "a: b\r\n\r\nc\r\n.\r\nd\r\n"},
    {"\x80\xff\r\n.\r\n", "\x80\xff\r\n"},
};

Test(data, dots_are_undone_however_the_stream_is_cut)
{
	struct outcome o;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		feed_every_way(span_str(good[i].in), true, i, &o);
		cr_assert(o.end && o.err == ERR_OK, "row %zu: %s", i,
		    err_name(o.err));
		cr_assert(span_eq_str(SPAN(o.kept, o.len), good[i].kept),
		    "row %zu: %.*s", i, (int)o.len, (const char *)o.kept);
	}
}

/* What others took for the end of a message (SEC Consult 2023; Wang et al.,
   USENIX Security 2025). */
#define SEQ(s)                                                                 \
	{                                                                      \
		s, sizeof(s) - 1                                               \
	}
static const struct {
	const char *seq;
	size_t len;
} smuggling[] = {
    SEQ("\n.\n"),
    SEQ("\n.\r\n"),
    SEQ("\r.\r"),
    SEQ("\r.\r\n"),
    SEQ("\r\n.\n"),
    SEQ("\r\n.\r"),
    SEQ("\r\n\0.\r\n"),
    SEQ("\r\0\n.\r\n"),
    SEQ("\r\n.\0\r\n"),
    SEQ("\r\n.\r\0\n"),
    SEQ("\r\n.\r\r\n"),
    SEQ("\r\r\n.\r\r\n"),
    SEQ("\n.\r"),
    SEQ("\r.\n"),
    SEQ("\n\n.\r\n"),
    SEQ("\r\n.\r.\r\n"),
};

static struct span
with_smuggled(const char *seq, size_t len, char *out, size_t out_size)
{
	static const char before[] = "a: b\r\n\r\nbody";
	static const char after[] = "MAIL FROM:<x@evil.example>\r\n"
				    "RCPT TO:<y@victim.example>\r\nDATA\r\n";
	size_t n = 0;

	cr_assert(sizeof(before) + len + sizeof(after) + 5 < out_size);
	memcpy(out, before, sizeof(before) - 1);
	n += sizeof(before) - 1;
	memcpy(out + n, seq, len);
	n += len;
	memcpy(out + n, after, sizeof(after) - 1);
	n += sizeof(after) - 1;
	memcpy(out + n, "\r\n.\r\n", 5);
	return SPAN(out, n + 5);
}

Test(data, nothing_but_the_true_end_ends_a_message)
{
	char text[400];
	struct outcome o;
	struct span in;

	for (size_t i = 0; i < sizeof(smuggling) / sizeof(smuggling[0]); i++) {
		in = with_smuggled(
		    smuggling[i].seq, smuggling[i].len, text, sizeof(text));
		feed_every_way(in, true, i, &o);
		cr_assert(o.end && o.used == in.len,
		    "row %zu: ended at %zu of %zu", i, o.used, in.len);
		cr_assert_eq(
		    o.err, ERR_LINE_END, "row %zu: %s", i, err_name(o.err));
		/* in a chunk it is no end at all, and refused the same */
		feed_every_way(in, false, i, &o);
		cr_assert_eq(
		    o.err, ERR_LINE_END, "row %zu: %s", i, err_name(o.err));
	}
}

Test(data, a_true_end_with_nul_around_it_ends_and_is_refused)
{
	static const char in[] = "a\0\r\n.\r\nMAIL";
	struct outcome o;

	feed_every_way(SPAN_LIT(in), true, 0, &o);
	cr_assert(o.end);
	cr_assert_eq(o.used, sizeof(in) - 1 - 4);
	cr_assert_eq(o.err, ERR_LINE_END);
}

Test(data, chunks_are_kept_as_they_are)
{
	static const struct {
		const char *in;
		enum err err;
	} rows[] = {
	    {"", ERR_OK},
	    {"a\r\n.\r\n..\r\nb", ERR_OK},
	    {"a: b\r\n\r\n.\r\n", ERR_OK},
	    {"a\nb", ERR_LINE_END},
	    {"a\rb", ERR_LINE_END},
	    {"a\r", ERR_LINE_END},
	    {"\r\r\n", ERR_LINE_END},
	    {"\n", ERR_LINE_END},
	};
	struct outcome o;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		feed_every_way(span_str(rows[i].in), false, i, &o);
		cr_assert_eq(
		    o.err, rows[i].err, "row %zu: %s", i, err_name(o.err));
		if (o.err == ERR_OK)
			cr_assert(span_eq_str(SPAN(o.kept, o.len), rows[i].in),
			    "row %zu", i);
	}
}

/* Random streams of the few octets that matter, each cut everywhere. */
Test(data, no_cut_changes_what_comes_out)
{
	static const char alphabet[] = {'\r', '\n', '.', 'a', '\r', '\n', '\0'};
	uint8_t in[24];
	struct outcome o;
	uint32_t seed = 12345;

	for (size_t i = 0; i < 400; i++) {
		for (size_t k = 0; k < sizeof(in); k++) {
			seed = seed * 1664525u + 1013904223u;
			in[k] = (uint8_t)
			    alphabet[(seed >> 16) % (i % 2 == 0 ? 7 : 6)];
		}
		feed_every_way(SPAN(in, sizeof(in)), i % 3 != 0, i, &o);
	}
}

static enum err
feed_repeated(const char *line, size_t times, const char *tail,
    uint64_t max_size, uint64_t memory, uint64_t declared)
{
	struct listener_data d;
	struct err_why why = {.text = ""};
	size_t len = strlen(line);
	char *copy = malloc(len + 1);
	bool end = false;
	enum err e =
	    listener_data_init(&d, &limits, memory, max_size, declared);

	for (size_t i = 0; e == ERR_OK && i < times; i++) {
		memcpy(copy, line, len);
		cr_assert_eq(
		    listener_data_dots(&d, (uint8_t *)copy, len, &end), len);
	}
	free(copy);
	if (e != ERR_OK)
		return e;
	copy = strdup(tail);
	listener_data_dots(&d, (uint8_t *)copy, strlen(copy), &end);
	cr_assert(end);
	free(copy);
	e = listener_data_finish(&d, &why);
	listener_data_clear(&d);
	cr_assert_eq(limits.reserved, 0);
	return e;
}

Test(data, limits_hold_and_the_stream_stays_in_step)
{
	char line[1001];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	line[998] = '\r';
	line[999] = '\n';
	/* size: exactly, one more */
	cr_assert_eq(
	    feed_repeated(line, 10, ".\r\n", 10000, MEMORY, 0), ERR_OK);
	cr_assert_eq(
	    feed_repeated(line, 10, ".\r\n", 9999, MEMORY, 0), ERR_TOO_BIG);
	cr_assert_eq(feed_repeated(line, 10, ".\r\n", 10000, MEMORY, 10001),
	    ERR_TOO_BIG);
	/* memory: what is declared is reserved, what was reserved suffices */
	cr_assert_eq(
	    feed_repeated(line, 200, ".\r\n", MAX, 200000, 200000), ERR_OK);
	cr_assert_eq(
	    feed_repeated(line, 200, ".\r\n", MAX, 199999, 200000), ERR_NOMEM);
	cr_assert_eq(
	    feed_repeated(line, 200, ".\r\n", MAX, 100000, 0), ERR_NOMEM);
	/* more than was declared is taken while there is room */
	cr_assert_eq(
	    feed_repeated(line, 200, ".\r\n", MAX, MEMORY, 1000), ERR_OK);
	/* a line of 64 KiB, and one octet more */
	line[998] = 'x';
	line[999] = 'x';
	cr_assert_eq(
	    feed_repeated(line, LIMIT_LINE_IN / 1000,
		"................................................"
		"................................................"
		"................................................"
		"................................................"
		"................................................"
		"................................................"
		"................................................"
		"................................................"
		"................................................"
		"................................................"
		"........................................................"
		"\r\n.\r\n",
		MAX, MEMORY, 0),
	    ERR_OK);
	cr_assert_eq(
	    feed_repeated(line, 66, "\r\n.\r\n", MAX, MEMORY, 0), ERR_LIMIT);
	/* wrong line ends weigh more than size, wherever they stand */
	cr_assert_eq(feed_repeated(line, 66, "\n\r\n.\r\n", 9999, MEMORY, 0),
	    ERR_LINE_END);
}

Test(data, headers_that_go_in_circles_or_never_end_are_refused)
{
	static const char hop[] = "Received: by a; b\r\n";

	cr_assert_eq(
	    feed_repeated(hop, LIMIT_HOPS, "\r\n.\r\n", MAX, MEMORY, 0),
	    ERR_OK);
	cr_assert_eq(
	    feed_repeated(hop, LIMIT_HOPS + 1, "\r\n.\r\n", MAX, MEMORY, 0),
	    ERR_LOOP);
	/* in the body they are text */
	cr_assert_eq(feed_repeated("\r\nReceived: by a; b\r\n", 100, ".\r\n",
			 MAX, MEMORY, 0),
	    ERR_OK);
	cr_assert_eq(
	    feed_repeated("X-A: 0123456789012345678901234567890123456"
			  "78901234567890123456789012345678901234567\r"
			  "\n",
		LIMIT_HEADER_SIZE / 86 + 2, "\r\n.\r\n", MAX, MEMORY, 0),
	    ERR_LIMIT);
}

Test(data, a_stream_without_end_is_given_up)
{
	struct listener_data d;
	uint8_t block[65536];
	bool end = false;
	size_t n = 0;

	cr_assert_eq(
	    listener_data_init(&d, &limits, MEMORY, 100000, 0), ERR_OK);
	while (!listener_data_is_endless(&d) && n < 1000) {
		memset(block, 'x', sizeof(block));
		listener_data_dots(&d, block, sizeof(block), &end);
		n++;
	}
	cr_assert(n < 100, "%zu blocks", n);
	cr_assert_eq(d.fd, -1, "contents are kept for nothing");
	cr_assert_eq(limits.reserved, 0);
	listener_data_clear(&d);
}
