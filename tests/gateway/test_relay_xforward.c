/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include <criterion/criterion.h>
#include <string.h>

#include "gateway/relay/xforward.h"

enum { ALL = RELAY_XFORWARD_ADDR | RELAY_XFORWARD_NAME | RELAY_XFORWARD_HELO };

Test(xforward, a_server_is_told_what_it_offers_to_hear)
{
	static const struct {
		const char *offer;
		unsigned bits;
	} row[] = {
	    {"NAME ADDR PORT PROTO HELO IDENT SOURCE",
		ALL | RELAY_XFORWARD_IDENT | RELAY_XFORWARD_SOURCE},
	    {"NAME ADDR HELO", ALL},
	    {"name  addr", RELAY_XFORWARD_NAME | RELAY_XFORWARD_ADDR},
	    {"HELO", RELAY_XFORWARD_HELO},
	    {"", 0},
	    {"NAMES ADDRESS", 0},
	    {" ", 0},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		cr_expect_eq(relay_xforward_offer(span_str(row[i].offer)),
		    row[i].bits, "%s", row[i].offer);
}

Test(xforward, the_command_says_who_the_client_was)
{
	static const struct {
		const char *client, *name, *helo;
		unsigned offer;
		const char *want;
	} row[] = {
	    {"192.0.2.7", "a.example", "[192.0.2.7]", ALL,
		"XFORWARD NAME=a.example ADDR=192.0.2.7 HELO=[192.0.2.7]\r\n"},
	    {"2001:db8::7", "", "h", ALL,
		"XFORWARD NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::7 HELO=h\r\n"},
	    {"192.0.2.7", "a", "h", RELAY_XFORWARD_ADDR,
		"XFORWARD ADDR=192.0.2.7\r\n"},
	    {"192.0.2.7", "a\r\nb", "+= \xc3\xa9", ALL,
		"XFORWARD NAME=a+0D+0Ab ADDR=192.0.2.7 "
		"HELO=+2B+3D+20+C3+A9\r\n"},
	    {"unknown", "a", "h", RELAY_XFORWARD_ADDR,
		"XFORWARD ADDR=[UNAVAILABLE]\r\n"},
	    {"192.0.2.7", "a", "h",
		RELAY_XFORWARD_ADDR | RELAY_XFORWARD_IDENT |
		    RELAY_XFORWARD_SOURCE,
		"XFORWARD ADDR=192.0.2.7 IDENT=00000000000Z8 "
		"SOURCE=REMOTE\r\n"},
	    {"192.0.2.7", "a", "h", 0, ""},
	    {"", "a", "h", ALL, ""}, /* mail of our own making */
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct entry e = {.client = "127.0.0.1", /* the proxy's */
		    .message_id = 1000,
		    .origin = row[i].client,
		    .client_name = row[i].name,
		    .helo = row[i].helo};
		struct buf b;

		buf_init(&b, 900);
		cr_assert_eq(relay_xforward_line(&e, row[i].offer, &b), ERR_OK);
		cr_expect(span_eq_str(buf_span(&b), row[i].want), "%.*s",
		    (int)b.len, (const char *)b.data);
		buf_clear(&b);
	}
}

Test(xforward, what_does_not_fit_is_not_told)
{
	char helo[400];
	struct entry e = {
	    .origin = "192.0.2.7", .client_name = "", .helo = helo};
	struct buf b;

	memset(helo, '=', sizeof(helo));
	helo[sizeof(helo) - 1] = '\0';
	buf_init(&b, 900);
	cr_expect_neq(relay_xforward_line(&e, ALL, &b), ERR_OK);
	buf_clear(&b);
}
