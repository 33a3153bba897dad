/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include <criterion/criterion.h>
#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "gateway/listener/sasl.h"
#include "mime/base64.h"

Test(sasl, plain_has_three_parts)
{
	static const struct {
		const char *in, *authzid, *user, *password;
	} row[] = {
	    {"AGFsaWNlAHNlY3JldA==", "", "alice", "secret"},
	    {"YWxpY2UAYWxpY2UAc2VjcmV0", "alice", "alice", "secret"},
	    {"Ym9iAGFsaWNlAHNlY3JldA==", "bob", "alice", "secret"},
	    /* UTF-8 */
	    {"AGJqw7hybgBww6Zzcw==", "", "bj\xc3\xb8rn", "p\xc3\xa6ss"},
	    {"AGEAYg==", "", "a", "b"},
	};
	struct arena *a = arena_new(1 << 16);
	struct listener_plain p;

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		cr_assert_eq(listener_sasl_plain(span_str(row[i].in), a, &p),
		    ERR_OK, "%s", row[i].in);
		cr_expect_str_eq(p.authzid, row[i].authzid, "%s", row[i].in);
		cr_expect_str_eq(p.user, row[i].user, "%s", row[i].in);
		cr_expect_str_eq(p.password, row[i].password, "%s", row[i].in);
	}
	arena_free(a);
}

Test(sasl, what_is_not_plain_is_refused)
{
	static const char *const bad[] = {
	    "",
	    "=",		     /* empty */
	    "*",		     /* is told by who reads the line */
	    "AGFsaWNlAHNlY3JldA",    /* cut */
	    "AGFsaWNlAHNlY3JldA===", /* too long */
	    "AGFsaWNl AHNlY3JldA==", /* a blank inside */
	    "AGFsaWNl\tAHNlY3JldA==",
	    "YWxpY2U=",		    /* one part */
	    "YWxpY2UAc2VjcmV0",	    /* two */
	    "AGEAYgBj",		    /* four */
	    "AABzZWNyZXQ=",	    /* no user */
	    "AGFsaWNlAA==",	    /* no password */
	    "AGJq+HJuAHNlY3JldA==", /* no UTF-8 */
	    "AGFsaWNlAHNlY3JldA==x",
	    "\x80\x80\x80\x80",
	};
	struct arena *a = arena_new(1 << 16);
	struct listener_plain p = {.user = NULL};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(listener_sasl_plain(span_str(bad[i]), a, &p),
		    ERR_MALFORMED, "%s", bad[i]);
	cr_expect_null(p.user);
	arena_free(a);
}

Test(sasl, parts_have_a_limit)
{
	struct arena *a = arena_new(1 << 16);
	struct listener_plain p;

	for (size_t n = LIMIT_ACCOUNT_NAME - 1; n <= LIMIT_ACCOUNT_NAME + 1;
	     n++) {
		struct buf raw, line;

		buf_init(&raw, 4096);
		buf_init(&line, 4096);
		cr_assert_eq(
		    buf_printf(&raw, "%c%0*d%cx", 0, (int)n, 1, 0), ERR_OK);
		cr_assert_eq(mime_base64_encode(buf_span(&raw), &line), ERR_OK);
		/* the encoder breaks lines */
		size_t len = 0;
		for (size_t i = 0; i < line.len; i++)
			if (line.data[i] > ' ')
				line.data[len++] = line.data[i];
		cr_expect_eq(listener_sasl_plain(SPAN(line.data, len), a, &p),
		    n <= LIMIT_ACCOUNT_NAME ? ERR_OK : ERR_MALFORMED, "%zu", n);
		buf_clear(&raw);
		buf_clear(&line);
	}
	arena_free(a);
}

Test(sasl, external_names_somebody_or_nobody)
{
	struct arena *a = arena_new(1 << 16);
	char *id;

	cr_assert_eq(listener_sasl_external(SPAN_LIT("="), a, &id), ERR_OK);
	cr_expect_str_eq(id, "");
	cr_assert_eq(
	    listener_sasl_external(SPAN_LIT("YUB4LmV4YW1wbGU="), a, &id),
	    ERR_OK);
	cr_expect_str_eq(id, "a@x.example");
	cr_expect_eq(
	    listener_sasl_external(SPAN_LIT("AA=="), a, &id), ERR_MALFORMED);
	cr_expect_eq(
	    listener_sasl_external(SPAN_LIT("!"), a, &id), ERR_MALFORMED);
	arena_free(a);
}
