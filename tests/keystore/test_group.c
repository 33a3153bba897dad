/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Groups of the directory, as every process takes them; part of the contract of
 * stores.
 */
#include "keystore/group.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "keystore/store_private.h"
#include "tests/keystore/records.h"

static char dir[64];
static struct ks_store *store;

static void
open_store(void)
{
	store = records_open(dir);
}

static void
close_store(void)
{
	records_close(store, dir);
}

TestSuite(group, .init = open_store, .fini = close_store);

static enum err
put(const char *name, int64_t at, struct span text)
{
	enum err e;

	cr_assert_eq(ks_begin(store), ERR_OK);
	e = ks_group_put(store, span_str(name), at, text);
	if (e == ERR_OK)
		cr_assert_eq(ks_commit(store), ERR_OK);
	else
		ks_rollback(store);
	return e;
}

static void
is_there(const char *name, int64_t at, struct span want)
{
	struct ks_group g;
	struct buf text;

	buf_init(&text, KS_GROUP_TEXT_MAX);
	cr_assert_eq(ks_group_get(store, span_str(name), &g), ERR_OK);
	cr_expect_eq(g.at, at);
	cr_assert_eq(ks_group_text(store, span_str(name), &g, &text), ERR_OK,
	    "%s", name);
	cr_expect(span_eq(buf_span(&text), want), "%s", name);
	buf_clear(&text);
}

Test(group, is_what_was_put_last)
{
	static const size_t sizes[] = {
	    1, 65535, 65536, 65537, 200000, 3, 65536};
	char *text = malloc(200000);

	for (size_t i = 0; i < 200000; i++)
		text[i] = (char)('a' + i % 23);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct span want =
		    SPAN(text + i, sizes[i] - i * (sizes[i] > i));

		cr_assert_eq(put("legal", 100 + (int64_t)i, want), ERR_OK);
		cr_assert_eq(
		    put("legal.2", 5, SPAN_LIT("x@y.example\n")), ERR_OK);
		is_there("legal", 100 + (int64_t)i, want);
		is_there("legal.2", 5, SPAN_LIT("x@y.example\n"));
	}
	/* the same again is only newer */
	cr_assert_eq(put("legal.2", 6, SPAN_LIT("x@y.example\n")), ERR_OK);
	is_there("legal.2", 6, SPAN_LIT("x@y.example\n"));
	free(text);
}

Test(group, what_is_no_group_is_not_taken)
{
	static char long_name[KS_GROUP_NAME_MAX + 2];
	static uint8_t big[KS_GROUP_TEXT_MAX + 1];
	struct ks_group g;

	memset(long_name, 'a', sizeof(long_name) - 1);
	cr_expect_eq(put("", 1, SPAN_LIT("x")), ERR_MALFORMED);
	cr_expect_eq(put(long_name, 1, SPAN_LIT("x")), ERR_MALFORMED);
	cr_expect_eq(put("a", 1, SPAN(big, sizeof(big))), ERR_TOO_BIG);
	cr_expect_eq(ks_group_get(store, SPAN_LIT("a"), &g), ERR_NOT_FOUND);
	cr_expect_eq(ks_group_get(store, SPAN_LIT(""), &g), ERR_MALFORMED);
}

/* A text that is not the one the row is of is none. */
Test(group, a_damaged_row_is_noticed)
{
	static const struct {
		const char *key;
		size_t key_len;
		const char *value;
	} rows[] = {{"glegal", 6, "nonsense"},
	    {"tlegal\0\0\0\0\0", 11, "y@z.example\n"},
	    {"tlegal\0\0\0\0\0", 11, NULL}, {"tlegal\0\0\0\0\0", 11, ""}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct span key = SPAN(rows[i].key, rows[i].key_len);
		struct ks_group g;
		struct buf text;
		enum err e;

		cr_assert_eq(
		    put("legal", 1, SPAN_LIT("x@y.example\n")), ERR_OK);
		cr_assert_eq(ks_begin(store), ERR_OK);
		e = rows[i].value == NULL
			? store->ops->row_del(store, KS_ROW_ANSWER, key)
			: store->ops->row_put(store, KS_ROW_ANSWER, key,
			      span_str(rows[i].value));
		cr_assert_eq(e, ERR_OK);
		cr_assert_eq(ks_commit(store), ERR_OK);
		buf_init(&text, KS_GROUP_TEXT_MAX);
		e = ks_group_get(store, SPAN_LIT("legal"), &g);
		if (e == ERR_OK)
			e = ks_group_text(store, SPAN_LIT("legal"), &g, &text);
		cr_expect_eq(e, ERR_DB_BROKEN, "row %zu", i);
		buf_clear(&text);
		/* a newer answer mends it */
		cr_assert_eq(
		    put("legal", 2, SPAN_LIT("z@y.example\n")), ERR_OK);
		is_there("legal", 2, SPAN_LIT("z@y.example\n"));
	}
}
