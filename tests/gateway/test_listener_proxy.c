/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

#include "common/arena.h"
#include "gateway/listener/proxy.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define V4  "\xc0\0\2\7\12\0\0\1\x04\xd2\0\x19"

struct row {
	const char *in;
	size_t len;
	enum listener_proxy want;
	const char *addr;
	size_t used;
};

#define ROW(text, ...)                                                         \
	{                                                                      \
		(text), sizeof(text) - 1, __VA_ARGS__                          \
	}

static const struct row rows[] = {
    ROW("PROXY TCP4 192.0.2.7 10.0.0.1 1234 25\r\nEHLO", LISTENER_PROXY_CLIENT,
	"192.0.2.7", 39),
    ROW("PROXY TCP6 2001:db8::7 ::1 0 65535\r\n", LISTENER_PROXY_CLIENT,
	"2001:db8::7", 36),
    ROW("PROXY UNKNOWN\r\n", LISTENER_PROXY_LOCAL, NULL, 15),
    ROW("PROXY UNKNOWN ffff::1 ::1 1 2\r\n", LISTENER_PROXY_LOCAL, NULL, 31),
    ROW(SIG "\x21\x11\0\x0c" V4, LISTENER_PROXY_CLIENT, "192.0.2.7", 28),
    ROW(SIG "\x21\x11\0\x0f" V4 "\4\0\0x", LISTENER_PROXY_CLIENT, "192.0.2.7",
	31),
    ROW(SIG "\x20\x11\0\x0c" V4, LISTENER_PROXY_LOCAL, NULL, 28),
    ROW(SIG "\x20\0\0\0EHLO", LISTENER_PROXY_LOCAL, NULL, 16),
    ROW(SIG "\x21\0\0\2xx", LISTENER_PROXY_LOCAL, NULL, 18),
    ROW("PROXY TCP4 192.0.2.7 10.0.0.1 1 2\n", LISTENER_PROXY_BAD, NULL, 0),
    ROW("PROXY TCP4 192.0.2.7 10.0.0.1 1 2 3\r\n", LISTENER_PROXY_BAD, NULL, 0),
    ROW("PROXY TCP4  192.0.2.7 10.0.0.1 1 2\r\n", LISTENER_PROXY_BAD, NULL, 0),
    ROW("PROXY TCP4 192.0.2.7 10.0.0.1 1 65536\r\n", LISTENER_PROXY_BAD, NULL,
	0),
    ROW("PROXY TCP4 192.0.2.7 10.0.0.1 1\r\n", LISTENER_PROXY_BAD, NULL, 0),
    ROW("PROXY TCP4 ::1 ::1 1 2\r\n", LISTENER_PROXY_BAD, NULL, 0),
    ROW("PROXY TCP6 192.0.2.7 ::1 1 2\r\n", LISTENER_PROXY_BAD, NULL, 0),
    ROW("PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n", LISTENER_PROXY_BAD, NULL, 0),
    ROW("PROXY tcp4 192.0.2.7 10.0.0.1 1 2\r\n", LISTENER_PROXY_BAD, NULL, 0),
    ROW("PROXY \r\n", LISTENER_PROXY_BAD, NULL, 0),
    ROW("proxy UNKNOWN\r\n", LISTENER_PROXY_BAD, NULL, 0),
    ROW("EHLO x\r\n", LISTENER_PROXY_BAD, NULL, 0),
    ROW("\r\n\r\n\0\r\nQUIX\n\x21\x11\0\x0c" V4, LISTENER_PROXY_BAD, NULL, 0),
    ROW(SIG "\x11\x11\0\x0c" V4, LISTENER_PROXY_BAD, NULL, 0),
    ROW(SIG "\x22\x11\0\x0c" V4, LISTENER_PROXY_BAD, NULL, 0),
    ROW(SIG "\x21\x12\0\x0c" V4, LISTENER_PROXY_BAD, NULL, 0),
    ROW(SIG "\x21\x11\0\x0b" V4, LISTENER_PROXY_BAD, NULL, 0),
    ROW(SIG "\x21\x21\0\x0c" V4, LISTENER_PROXY_BAD, NULL, 0),
    ROW(SIG "\x21\x31\0\x0c" V4, LISTENER_PROXY_BAD, NULL, 0),
    ROW(SIG "\x21\x11\xff\xff", LISTENER_PROXY_BAD, NULL, 0),
};

static void
expect_addr(const struct sockaddr_storage *ss, const char *want, size_t i)
{
	const struct sockaddr_in *in4 = (const void *)ss;
	const struct sockaddr_in6 *in6 = (const void *)ss;
	char text[INET6_ADDRSTRLEN];

	inet_ntop(ss->ss_family,
	    ss->ss_family == AF_INET ? (const void *)&in4->sin_addr
				     : (const void *)&in6->sin6_addr,
	    text, sizeof(text));
	cr_expect_str_eq(text, want, "row %zu", i);
}

Test(proxy, headers_are_taken_whole_or_not_at_all)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct sockaddr_storage ss = {.ss_family = AF_UNSPEC};
		size_t used = 0;

		cr_expect_eq(
		    listener_proxy_parse(SPAN(r->in, r->len), &used, &ss),
		    r->want, "row %zu", i);
		cr_expect_eq(used, r->used, "row %zu: %zu", i, used);
		if (r->want == LISTENER_PROXY_CLIENT)
			expect_addr(&ss, r->addr, i);
		else
			cr_expect_eq(ss.ss_family, AF_UNSPEC, "row %zu", i);
	}
}

/* What comes behind may be TLS, which is not ours to read. */
Test(proxy, nothing_behind_a_header_is_read)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		enum listener_proxy got = LISTENER_PROXY_MORE;
		struct sockaddr_storage ss;
		size_t used = 0, n = 0, room;

		while (got == LISTENER_PROXY_MORE && n < r->len) {
			room = listener_proxy_room(SPAN(r->in, n));
			cr_assert(room > 0);
			n += room < r->len - n ? room : r->len - n;
			got = listener_proxy_parse(SPAN(r->in, n), &used, &ss);
		}
		cr_expect_eq(got, r->want, "row %zu", i);
		if (r->used > 0)
			cr_expect_eq(n, r->used, "row %zu: %zu", i, n);
	}
}

Test(attrs, what_a_host_says_of_its_client)
{
	struct arena *a = arena_new(1 << 16);
	struct listener_attrs at;
	struct listener_reply why;

	cr_assert_eq(
	    listener_parse_attrs(
		SPAN_LIT("ADDR=192.0.2.7 name=a.example PORT=25 PROTO=ESMTP  "
			 "helo=[192.0.2.7]"),
		a, &at, &why),
	    ERR_OK);
	cr_expect_str_eq(at.addr, "192.0.2.7");
	cr_expect_str_eq(at.name, "a.example");
	cr_expect_str_eq(at.helo, "[192.0.2.7]");
	cr_assert_eq(listener_parse_attrs(
			 SPAN_LIT("ADDR=IPV6:2001:DB8::+37 NAME=[UNAVAILABLE]"),
			 a, &at, &why),
	    ERR_OK);
	cr_expect_str_eq(at.addr, "2001:db8::7");
	cr_expect_str_eq(at.name, "");
	cr_expect_null(at.helo);
	cr_assert_eq(
	    listener_parse_attrs(SPAN_LIT("ADDR=[TEMPUNAVAIL]"), a, &at, &why),
	    ERR_OK);
	cr_expect_str_eq(at.addr, "");
	arena_free(a);
}

Test(attrs, what_says_nothing_is_refused)
{
	static const char *const bad[] = {
	    "",
	    "ADDR",
	    "=192.0.2.7",
	    "ADDR=",
	    "ADDR=192.0.2.7.8",
	    "ADDR=2001:db8::7",
	    "ADDR=IPV6:192.0.2.7",
	    "ADDR=192.0.2.7 ADDR=192.0.2.7",
	    "COLOUR=red",
	    "NAME=a+0d",
	    "NAME=a+0D+0Ab",
	    "NAME=a+2",
	    "NAME=a+",
	    "NAME=a+20b",
	    "NAME=a+28b",
	    "NAME=<a>",
	    "NAME=\xc3\xa9",
	    "NAME=a NAME",
	};
	struct arena *a = arena_new(1 << 16);
	struct listener_attrs at = {.addr = "x"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct listener_reply why = {.code = 0};

		cr_expect_eq(
		    listener_parse_attrs(span_str(bad[i]), a, &at, &why),
		    ERR_USAGE, "%s", bad[i]);
		cr_expect_eq(why.code, 501, "%s", bad[i]);
	}
	cr_expect_str_eq(at.addr, "x");
	arena_free(a);
}
