/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "common/object_header.h"

#include <criterion/criterion.h>
#include <string.h>

static void
sample(uint8_t *out)
{
	struct object_header h = {
	    .factor = OBJECT_FACTOR_PASSPHRASE,
	    .index_size = 300,
	    .body_size = 70000,
	    .created_s = 1700000000,
	    .expires_s = 1700086400,
	};

	memset(h.id, 0xa5, sizeof(h.id));
	memset(h.proof_hash, 0x5a, sizeof(h.proof_hash));
	object_header_format(&h, out);
}

Test(object_header, comes_back_as_it_was)
{
	uint8_t raw[OBJECT_HEADER_SIZE], again[OBJECT_HEADER_SIZE];
	struct object_header h;

	sample(raw);
	cr_assert_eq(object_header_parse(SPAN(raw, sizeof(raw)), &h), ERR_OK);
	cr_assert_eq(h.factor, OBJECT_FACTOR_PASSPHRASE);
	cr_assert_eq(h.index_size, 300);
	cr_assert_eq(h.body_size, 70000);
	cr_assert_eq(h.created_s, 1700000000);
	cr_assert_eq(h.expires_s, 1700086400);
	cr_assert_eq(object_body_offset(&h), 96 + 300 + 16);
	cr_assert_eq(object_total_size(&h), 96 + 316 + 70000 + 32);
	object_header_format(&h, again);
	cr_assert_eq(memcmp(raw, again, sizeof(raw)), 0);
}

/* One octet of the sample, changed. */
struct row {
	const char *name;
	size_t at;
	uint8_t value;
	enum err want;
};

static const struct row valid[] = {
    {"no factor", 10, 0, ERR_OK},
    {"generated", 10, 2, ERR_OK},
    {"an answer", 10, 3, ERR_OK},
    {"a code at the door", 11, 1, ERR_OK},
    {"another id", 20, 0, ERR_OK},
    {"another proof", 40, 0, ERR_OK},
    {"index of 0x12c00 octets", 69, 1, ERR_OK},
    {"body of 2^39 octets and more", 74, 0x00, ERR_OK},
    {"later expiry", 91, 1, ERR_OK},
    {"an account", 10, 4, ERR_OK},
    {"a door for an account", 11, 2, ERR_OK},
};

static const struct row invalid[] = {
    {"magic, first", 0, 's', ERR_MALFORMED},
    {"magic, last", 7, 0, ERR_MALFORMED},
    {"version 0", 9, 0, ERR_UNSUPPORTED},
    {"version 2", 9, 2, ERR_UNSUPPORTED},
    {"version 257", 8, 1, ERR_UNSUPPORTED},
    {"factor 5", 10, 5, ERR_MALFORMED},
    {"factor 255", 10, 255, ERR_MALFORMED},
    {"door 3", 11, 3, ERR_MALFORMED},
    {"an account without that factor, first", 12, 1, ERR_MALFORMED},
    {"an account without that factor, last", 15, 0x80, ERR_MALFORMED},
    {"index too large", 64, 1, ERR_MALFORMED},
    {"index just too large", 69, 0x10, ERR_MALFORMED},
    {"body too large", 72, 0x80, ERR_MALFORMED},
    {"body just too large", 74, 1, ERR_MALFORMED},
    {"created after expiry", 83, 1, ERR_MALFORMED},
    {"expiry negative", 88, 0x80, ERR_MALFORMED},
};

static void
check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t raw[OBJECT_HEADER_SIZE];
		struct object_header h;

		sample(raw);
		raw[rows[i].at] = rows[i].value;
		cr_expect_eq(object_header_parse(SPAN(raw, sizeof(raw)), &h),
		    rows[i].want, "%s", rows[i].name);
	}
}

Test(object_header, takes_what_a_writer_makes)
{
	check_rows(valid, sizeof(valid) / sizeof(*valid));
}

Test(object_header, refuses_what_no_writer_makes)
{
	check_rows(invalid, sizeof(invalid) / sizeof(*invalid));
}

Test(object_header, refuses_what_is_cut_and_leaves_the_output_alone)
{
	uint8_t raw[OBJECT_HEADER_SIZE];
	struct object_header h = {.index_size = 7};

	sample(raw);
	for (size_t len = 0; len < sizeof(raw); len++)
		cr_assert_eq(object_header_parse(SPAN(raw, len), &h),
		    ERR_MALFORMED, "%zu octets", len);
	cr_assert_eq(h.index_size, 7);
	/* an index of no octets: there is always one */
	memset(raw + 64, 0, 8);
	cr_assert_eq(
	    object_header_parse(SPAN(raw, sizeof(raw)), &h), ERR_MALFORMED);
	/* created and expiry the same second */
	sample(raw);
	memcpy(raw + 88, raw + 80, 8);
	cr_assert_eq(
	    object_header_parse(SPAN(raw, sizeof(raw)), &h), ERR_MALFORMED);
}

Test(object_id, has_one_spelling)
{
	static const char *const bad[] = {"", "AAAAAAAAAAAAAAAAAAAAA",
	    "AAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAB",
	    "AAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAA+A",
	    "AAAAAAAAAAAAAAAAAAAA/A", "../../../../etc/passwd",
	    "AAAAAAAAAAAAAAAAAAAA A"};
	uint8_t id[OBJECT_ID_SIZE] = {0xff};
	char text[OBJECT_ID_TEXT_SIZE];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_expect(!object_id_parse(span_str(bad[i]), id), "%s", bad[i]);
	cr_assert_eq(id[0], 0xff);
	cr_assert(object_id_parse(SPAN_LIT("pKSkpKSkpKSkpKSkpKSkpA"), id));
	object_id_format(id, text);
	cr_assert_str_eq(text, "pKSkpKSkpKSkpKSkpKSkpA");
}
