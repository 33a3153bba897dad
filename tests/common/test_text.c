/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "common/pack.h"
#include "common/text.h"

#include <criterion/criterion.h>
#include <string.h>

Test(text, base64url_round_trips_and_refuses_other_spellings)
{
	static const char *const bad[] = {
	    "AA", "AAA=", "AA+A", "AA/A", "AAAB ", "AAB", "AA\nA", "A A"};
	uint8_t in[40], out[40];
	char text[60];

	for (size_t n = 0; n < sizeof(in); n++) {
		for (size_t i = 0; i < n; i++)
			in[i] = (uint8_t)(i * 37 + n);
		text_base64url(SPAN(in, n), text);
		cr_assert_eq(text_unbase64url(span_str(text), out, n), ERR_OK,
		    "%zu octets", n);
		cr_assert_eq(memcmp(in, out, n), 0);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_neq(
		    text_unbase64url(span_str(bad[i]), out, i == 5 ? 2 : 3),
		    ERR_OK, "%s", bad[i]);
}

Test(text, ids_round_trip_and_sort)
{
	static const uint64_t ids[] = {0, 1, 31, 32, 1ull << 63, UINT64_MAX};
	char text[TEXT_ID_SIZE], before[TEXT_ID_SIZE] = "";
	uint64_t back;

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		text_id(ids[i], text);
		cr_assert_eq(text_unid(text, &back), ERR_OK);
		cr_assert_eq(back, ids[i]);
		cr_assert_gt(strcmp(text, before), 0);
		memcpy(before, text, sizeof(text));
	}
	cr_assert_neq(text_unid("G000000000000", &back), ERR_OK, "overflow");
	cr_assert_neq(text_unid("000000000000", &back), ERR_OK);
	cr_assert_neq(text_unid("000000000000u", &back), ERR_OK);
}

Test(text, escapes_what_could_forge_a_log_line)
{
	char out[40], small[6];

	text_escape(SPAN_LIT("a\"b\nc\\\x80"), out, sizeof(out));
	cr_assert_str_eq(out, "a\\x22b\\x0ac\\x5c\\x80");
	text_escape(SPAN_LIT("abcdefgh"), small, sizeof(small));
	cr_assert_lt(strlen(small), sizeof(small));
	text_escape(SPAN_LIT("x"), small, 1);
	cr_assert_str_eq(small, "");
}

Test(text, times_are_written_as_the_rfcs_say)
{
	char t[TEXT_TIME_SIZE];

	text_time_ms(1795252087123ull, t);
	cr_assert_str_eq(t, "2026-11-21T09:08:07.123Z");
}

Test(text, numbers_are_digits_within_bounds)
{
	static const char *const bad[] = {"", " 1", "1 ", "+1", "-1", "0x1",
	    "11", "18446744073709551616", "99999999999999999999999"};
	uint64_t v;

	cr_assert_eq(text_number(SPAN_LIT("10"), 0, 10, &v), ERR_OK);
	cr_assert_eq(v, 10);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_neq(text_number(span_str(bad[i]), 0, 10, &v), ERR_OK,
		    "%s", bad[i]);
}

Test(pack, reads_what_it_wrote_and_must_be_consumed_exactly)
{
	struct arena *a = arena_new(10000);
	struct buf b;
	struct packer p;
	struct unpacker u;
	uint8_t raw[3];

	buf_init(&b, 1000);
	pack_begin(&p, &b);
	pack_u8(&p, 200);
	pack_u16(&p, 60000);
	pack_u32(&p, 4000000000u);
	pack_u64(&p, UINT64_MAX - 1);
	pack_bool(&p, true);
	pack_str(&p, "hello");
	pack_span(&p, SPAN_LIT("a\0b"));
	pack_raw(&p, "xyz", 3);
	cr_assert_eq(pack_end(&p), ERR_OK);

	for (size_t cut = 0; cut <= b.len; cut++) {
		unpack_begin(&u, SPAN(b.data, cut));
		unpack_u8(&u);
		unpack_u16(&u);
		unpack_u32(&u);
		unpack_u64(&u);
		unpack_bool(&u);
		unpack_str(&u, a);
		unpack_span(&u);
		unpack_raw(&u, raw, 3);
		cr_assert_eq(unpack_end(&u), cut == b.len ? ERR_OK : ERR_IPC,
		    "cut at %zu", cut);
	}
	unpack_begin(&u, buf_span(&b));
	cr_assert_eq(unpack_u8(&u), 200);
	cr_assert_eq(unpack_end(&u), ERR_IPC, "something is left over");
	buf_clear(&b);
	arena_free(a);
}

Test(pack, refuses_counts_that_cannot_be_and_nul_in_strings)
{
	static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 1, 2};
	static const uint8_t nul[] = {0, 0, 0, 2, 'a', 0};
	static const uint8_t two[] = {2};
	struct arena *a = arena_new(1000);
	struct unpacker u;

	unpack_begin(&u, SPAN(huge, sizeof(huge)));
	cr_assert_eq(unpack_count(&u, 1), 0);
	cr_assert_eq(unpack_end(&u), ERR_IPC);
	unpack_begin(&u, SPAN(nul, sizeof(nul)));
	cr_assert_str_eq(unpack_str(&u, a), "");
	cr_assert_eq(unpack_end(&u), ERR_IPC);
	unpack_begin(&u, SPAN(two, sizeof(two)));
	unpack_bool(&u);
	cr_assert_eq(unpack_end(&u), ERR_IPC);
	arena_free(a);
}

Test(text, z_base_32_is_that_of_the_web_key_directory)
{
	static const struct {
		const char *in;
		size_t len;
		const char *want;
	} rows[] = {
	    {"", 0, ""},
	    {"\0", 1, "yy"},
	    {"\xff", 1, "9h"},
	    {"\xf0\xbf\xc7", 3, "6n9hq"},
	    {"\xd4\x7a\x04", 3, "4t7ye"},
	    /* SHA-1 of "joe.doe" */
	    {"\xa8\x3e\xe9\x4b\xe8\x9c\x48\xa1\x1e\xd2\x5a\xb4\x4c\xfd\xc8"
	     "\x48\x83\x3c\x8b\x6e",
		20, "iy9q119eutrkn8s1mk4r39qejnbu3n5q"},
	};
	char out[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		text_zbase32(SPAN(rows[i].in, rows[i].len), out);
		cr_expect_str_eq(out, rows[i].want, "row %zu: %s", i, out);
	}
}

Test(text, nothing_but_plain_letters_stays_as_it_is_in_a_url)
{
	char out[64];

	cr_assert_eq(
	    text_url_escape(SPAN("aZ0-._~ /%\r\n+@\xff", 15), out, sizeof(out)),
	    ERR_OK);
	cr_expect_str_eq(out, "aZ0-._~%20%2F%25%0D%0A%2B%40%FF");
	cr_expect_eq(text_url_escape(SPAN("abc", 3), out, 3), ERR_TOO_BIG);
	cr_assert_eq(text_url_escape(SPAN("", 0), out, 1), ERR_OK);
	cr_expect_str_eq(out, "");
}
