/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include "mime/autocrypt.h"

#include <criterion/criterion.h>
#include <string.h>

Test(autocrypt, the_field_is_folded_and_keydata_is_last)
{
	struct buf b;
	uint8_t key[60];

	memset(key, 0, sizeof(key));
	buf_init(&b, 20000);
	cr_assert_eq(buf_puts(&b, "X: y\r\n"), ERR_OK);
	cr_assert_eq(mime_autocrypt_field(
			 "sam@example.com", true, SPAN(key, sizeof(key)), &b),
	    ERR_OK);
	cr_expect_str_eq(buf_cstr(&b),
	    "X: y\r\n"
	    "Autocrypt: addr=sam@example.com; prefer-encrypt=mutual; keydata="
	    "\r\n "
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	    "AAAAAAAAAAAA"
	    "\r\n AAAA\r\n");
	buf_reset(&b);
	cr_assert_eq(
	    mime_autocrypt_field("sam@example.com", false, SPAN_LIT("abc"), &b),
	    ERR_OK);
	cr_expect_str_eq(buf_cstr(&b),
	    "Autocrypt: addr=sam@example.com; keydata=\r\n YWJj\r\n");
	buf_clear(&b);
}

Test(autocrypt, what_would_break_the_field_is_refused)
{
	static const char *const addrs[] = {"", "sam", "sam@b;c",
	    "\"a b\"@c.de", "a\r\nX: y@b.de", "j\xc3\xbcrgen@example.com",
	    "a@b\x7f", "<a@b.de>", "a@b.de, c@d.de"};
	static uint8_t large[8000];
	struct buf b;

	buf_init(&b, 20000);
	for (size_t i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++)
		cr_expect_eq(
		    mime_autocrypt_field(addrs[i], true, SPAN_LIT("abc"), &b),
		    ERR_UNSUPPORTED, "%s", addrs[i]);
	cr_expect_eq(mime_autocrypt_field("a@b.de", true, SPAN(NULL, 0), &b),
	    ERR_UNSUPPORTED);
	cr_expect_eq(mime_autocrypt_field(
			 "a@b.de", true, SPAN(large, sizeof(large)), &b),
	    ERR_TOO_BIG);
	cr_expect_eq(b.len, 0);
	buf_clear(&b);
}
