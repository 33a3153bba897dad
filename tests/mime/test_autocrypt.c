/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include "mime/autocrypt.h"

#include <criterion/criterion.h>
#include <string.h>

#include "tests/mime/payload_case.h"

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

static const struct {
	const char *value, *addr, *keydata; /* addr NULL: does not count */
	bool mutual;
} fields[] = {
    {"addr=a@b.de; prefer-encrypt=mutual; keydata=YWJj", "a@b.de", "abc", true},
    {"addr=A@B.de; keydata=YW\r\n Jj\r\n", "a@b.de", "abc", false},
    {" addr = a@b.de ;keydata= YWJj ;", "a@b.de", "abc", false},
    {"addr=a@b.de; _x=y; prefer-encrypt=nopreference; keydata=YQ==", "a@b.de",
	"a", false},
    {"ADDR=a@b.de; prefer-encrypt=Mutual; KEYDATA=YWJj", "a@b.de", "abc",
	false},
    {"", NULL, NULL, false},
    {"addr=a@b.de", NULL, NULL, false},
    {"keydata=YWJj", NULL, NULL, false},
    {"addr=a@b.de; keydata=", NULL, NULL, false},
    {"addr=a@b.de; keydata=YWJ", NULL, NULL, false},
    {"addr=a@b.de; keydata=Y\"WJj", NULL, NULL, false},
    {"addr=a; keydata=YWJj", NULL, NULL, false},
    {"addr=A <a@b.de>; keydata=YWJj", NULL, NULL, false},
    {"addr=a@b.de; addr=c@d.de; keydata=YWJj", NULL, NULL, false},
    {"addr=a@b.de; keydata=YWJj; keydata=YWJj", NULL, NULL, false},
    {"addr=a@b.de; type=1; keydata=YWJj", NULL, NULL, false},
    {"addr=a@b.de; critical; keydata=YWJj", NULL, NULL, false},
    {"addr=a@b.de; =x; keydata=YWJj", NULL, NULL, false},
};

Test(autocrypt, fields_are_read_as_the_standard_says)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		struct arena *a = arena_new(1 << 20);
		struct mime_autocrypt out = {0};
		enum err e =
		    mime_autocrypt_parse(span_str(fields[i].value), a, &out);

		cr_expect_eq(e, fields[i].addr == NULL ? ERR_MALFORMED : ERR_OK,
		    "%s: %s", fields[i].value, err_name(e));
		if (e == ERR_OK && fields[i].addr != NULL) {
			cr_expect_str_eq(out.addr, fields[i].addr);
			cr_expect(span_eq_str(out.keydata, fields[i].keydata),
			    "%s", fields[i].value);
			cr_expect_eq(out.mutual, fields[i].mutual, "%s",
			    fields[i].value);
		}
		arena_free(a);
	}
}

#define A    "Autocrypt: addr=a@b.de; keydata=YWJj\r\n"
#define FROM "From: X <a@b.de>\r\n"

Test(autocrypt, of_a_message_one_field_of_its_author_counts)
{
	static const struct {
		const char *msg;
		bool counts;
	} rows[] = {
	    {FROM A "\r\n", true},
	    {FROM A "Autocrypt: addr=c@d.de; keydata=YWJj\r\n\r\n", true},
	    {FROM A "Autocrypt: addr=a@b.de; bad; keydata=YWJj\r\n\r\n", true},
	    {FROM "\r\n", false},
	    {FROM "\r\n" A, false},
	    {FROM A A "\r\n", false},
	    {FROM "Autocrypt: addr=c@d.de; keydata=YWJj\r\n\r\n", false},
	    {"From: a@b.de, c@d.de\r\n" A "\r\n", false},
	    {FROM FROM A "\r\n", false},
	    {A "\r\n", false},
	    {FROM A "MIME-Version: 1.0\r\nContent-Type: multipart/report;"
		    " boundary=x\r\n\r\n--x\r\n\r\n--x--\r\n",
		false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mime_autocrypt out;
		struct parsed p;

		parsed_init(&p, span_str(rows[i].msg));
		cr_expect_eq(mime_autocrypt_find(p.tree, p.arena, &out),
		    rows[i].counts ? ERR_OK : ERR_NOT_FOUND, "%s", rows[i].msg);
		parsed_clear(&p);
	}
}

Test(autocrypt, what_is_written_is_read_and_too_much_is_not)
{
	struct arena *a = arena_new(1 << 20);
	struct mime_autocrypt out;
	struct buf b, large;
	uint8_t *room;

	buf_init(&b, 20000);
	cr_assert_eq(mime_autocrypt_field(
			 "sam@example.com", true, SPAN_LIT("some key"), &b),
	    ERR_OK);
	cr_assert_eq(
	    mime_autocrypt_parse(SPAN(b.data + 10, b.len - 10), a, &out),
	    ERR_OK);
	cr_expect_str_eq(out.addr, "sam@example.com");
	cr_expect(out.mutual);
	cr_expect(span_eq_str(out.keydata, "some key"));
	buf_init(&large, 20000);
	cr_assert_eq(buf_puts(&large, "addr=a@b.de; keydata="), ERR_OK);
	cr_assert_eq(buf_reserve(&large, 12000, &room), ERR_OK);
	memset(room, 'A', 12000);
	buf_grow(&large, 12000);
	cr_expect_eq(
	    mime_autocrypt_parse(buf_span(&large), a, &out), ERR_TOO_BIG);
	buf_clear(&b);
	buf_clear(&large);
	arena_free(a);
}
