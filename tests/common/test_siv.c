/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The same text gives the same octets, which open under their key alone.
 */
#include "common/siv.h"

#include <criterion/criterion.h>
#include <string.h>

static struct secret *key, *other;

static void
set_up(void)
{
	secret_init();
	key = secret_random(SIV_KEY);
	other = secret_random(SIV_KEY);
}

static void
tear_down(void)
{
	secret_free(key);
	secret_free(other);
}

TestSuite(siv, .init = set_up, .fini = tear_down);

static const char *const texts[] = {
    "", "a", "bob@example.org", "0123456789abcdef0123456789abcdef"};

enum { N_TEXTS = sizeof(texts) / sizeof(texts[0]) };

Test(siv, what_is_sealed_opens)
{
	for (size_t i = 0; i < N_TEXTS; i++) {
		struct buf sealed, again, text;

		buf_init(&sealed, 4096);
		buf_init(&again, 4096);
		buf_init(&text, 4096);
		cr_assert_eq(
		    siv_seal(key, span_str(texts[i]), &sealed), ERR_OK);
		cr_assert_eq(siv_seal(key, span_str(texts[i]), &again), ERR_OK);
		cr_assert(span_eq(buf_span(&sealed), buf_span(&again)),
		    "%s: not the same twice", texts[i]);
		cr_assert_eq(sealed.len, SIV_OVERHEAD + strlen(texts[i]));
		cr_assert_eq(siv_open(key, buf_span(&sealed), &text), ERR_OK);
		cr_assert(
		    span_eq_str(buf_span(&text), texts[i]), "%s", texts[i]);
		buf_clear(&sealed);
		buf_clear(&again);
		buf_clear(&text);
	}
}

Test(siv, another_key_gives_other_octets_and_opens_nothing)
{
	struct buf a, b, text;

	buf_init(&a, 4096);
	buf_init(&b, 4096);
	buf_init(&text, 4096);
	cr_assert_eq(siv_seal(key, SPAN_LIT("bob@example.org"), &a), ERR_OK);
	cr_assert_eq(siv_seal(other, SPAN_LIT("bob@example.org"), &b), ERR_OK);
	cr_assert_not(span_eq(buf_span(&a), buf_span(&b)));
	cr_assert_eq(siv_open(other, buf_span(&a), &text), ERR_BAD_SEAL);
	cr_assert_eq(text.len, 0);
	buf_clear(&a);
	buf_clear(&b);
	buf_clear(&text);
}

Test(siv, every_altered_octet_is_found)
{
	struct buf a, text;

	buf_init(&a, 4096);
	buf_init(&text, 4096);
	cr_assert_eq(siv_seal(key, SPAN_LIT("bob@example.org"), &a), ERR_OK);
	for (size_t i = 0; i < a.len; i++) {
		a.data[i] ^= 1;
		cr_assert_eq(siv_open(key, buf_span(&a), &text), ERR_BAD_SEAL,
		    "octet %zu", i);
		a.data[i] ^= 1;
	}
	for (size_t n = 0; n < a.len; n++)
		cr_assert_eq(siv_open(key, SPAN(a.data, n), &text),
		    ERR_BAD_SEAL, "cut to %zu", n);
	cr_assert_eq(text.len, 0);
	buf_clear(&a);
	buf_clear(&text);
}
