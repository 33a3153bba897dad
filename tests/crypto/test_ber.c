/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "crypto/ber.h"

#include <criterion/criterion.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define S(s) SPAN_LIT(s)

Test(ber, elements_of_every_length_form)
{
	const struct {
		struct span in;
		unsigned tag;
		size_t body, all;
	} rows[] = {
	    {S("\x04\x00"), BER_OCTETS, 0, 2},
	    {S("\x04\x01x"), BER_OCTETS, 1, 3},
	    {S("\x04\x01xyz"), BER_OCTETS, 1, 3},
	    {S("\x04\x81\x01x"), BER_OCTETS, 1, 4},
	    {S("\x04\x84\x00\x00\x00\x02xy"), BER_OCTETS, 2, 8},
	    {S("\x30\x80\x00\x00"), BER_SEQUENCE, 0, 4},
	    {S("\x30\x80\x04\x01x\x00\x00z"), BER_SEQUENCE, 3, 7},
	    {S("\x30\x80\x30\x80\x04\x00\x00\x00\x00\x00"), BER_SEQUENCE, 6,
		10},
	    {S("\x30\x80\x30\x04\x00\x00\x00\x00\x00\x00"), BER_SEQUENCE, 6,
		10},
	    {S("\xa0\x03\x02\x01\x05"), BER_OPTION_CONSTRUCTED, 3, 5},
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct span in = rows[i].in;
		struct ber b;

		cr_assert_eq(ber_next(&in, &b), ERR_OK, "row %zu", i);
		cr_expect_eq(b.tag, rows[i].tag, "row %zu", i);
		cr_expect_eq(b.body.len, rows[i].body, "row %zu", i);
		cr_expect_eq(b.all.len, rows[i].all, "row %zu", i);
		cr_expect_eq(
		    in.len, rows[i].in.len - rows[i].all, "row %zu", i);
		in = rows[i].in;
		cr_expect_eq(ber_expect(&in, rows[i].tag + 1, &b),
		    ERR_MALFORMED, "row %zu", i);
		cr_expect_eq(in.len, rows[i].in.len, "row %zu", i);
	}
}

Test(ber, what_is_no_element)
{
	const struct span rows[] = {
	    S(""), S("\x04"), S("\x04\x01"),	/* cut */
	    S("\x04\x81"),			/* length cut */
	    S("\x04\x82\x00"),			/* length cut */
	    S("\x04\x85\x00\x00\x00\x00\x01x"), /* length of five octets */
	    S("\x04\x84\xff\xff\xff\xffx"),	/* beyond the end */
	    S("\x04\xff"),			/* reserved */
	    S("\x04\x80\x00\x00"),		/* primitive and indefinite */
	    S("\x1f\x20\x01x"),			/* long tag */
	    S("\x3f\x81\x01\x00"),		/* long tag */
	    S("\x00\x00"),			/* an end without beginning */
	    S("\x30\x80"),			/* never ends */
	    S("\x30\x80\x04\x01x"),		/* never ends */
	    S("\x30\x80\x04\x01x\x00"),		/* half an end */
	    S("\x30\x80\x00\x01x"),		/* an end with contents */
	    S("\x30\x80\x04\x05x\x00\x00"),	/* inner one beyond the end */
	    S("\x30\x80\x30\x80\x04\x00\x00\x00"), /* one end for two */
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct span in = rows[i];
		struct ber b;

		cr_expect_eq(ber_next(&in, &b), ERR_MALFORMED, "row %zu", i);
	}
}

Test(ber, depth_has_a_limit)
{
	uint8_t deep[4 * (BER_DEPTH + 1)];
	struct span in;
	struct ber b;

	for (size_t n = BER_DEPTH; n <= BER_DEPTH + 1; n++) {
		for (size_t i = 0; i < n; i++)
			memcpy(deep + 2 * i, "\x30\x80", 2);
		memset(deep + 2 * n, 0, 2 * n);
		in = SPAN(deep, 4 * n);
		cr_expect_eq(ber_next(&in, &b),
		    n <= BER_DEPTH ? ERR_OK : ERR_MALFORMED, "%zu", n);
	}
}
