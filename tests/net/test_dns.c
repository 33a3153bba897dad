/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "net/dns.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

#include "common/loop.h"
#include "tests/lib/fake_dns.h"

static const struct fake_dns_row table[] = {
    {"a.example", NET_DNS_A, "192.0.2.1", 0},
    {"a.example", NET_DNS_A, "192.0.2.2", 0},
    {"a.example", NET_DNS_AAAA, "2001:db8::1", 0},
    {"mx.example", NET_DNS_MX, "10 A.Example.", 0},
    {"null.example", NET_DNS_MX, "0 .", 0},
    {"broken.example", NET_DNS_A, "192.0.2.3", 2},
};

struct seen {
	struct loop *loop;
	enum err err;
	size_t n;
	uint8_t first[256];
	size_t first_len;
	bool called;
};

static void
on_answer(void *arg, const struct net_dns_answer *a)
{
	struct seen *s = arg;

	s->called = true;
	s->err = a->err;
	s->n = a->n;
	if (a->n > 0) {
		s->first_len = a->rdata[0].len;
		memcpy(s->first, a->rdata[0].data, s->first_len);
	}
	loop_stop(s->loop);
}

static void
on_time(void *arg)
{
	loop_stop(arg);
}

static void
ask(struct loop *loop, struct net_dns *dns, const char *name,
    enum net_dns_type type, struct seen *s)
{
	struct loop_timer *t = loop_timer_new(loop, on_time, loop);

	memset(s, 0, sizeof(*s));
	s->loop = loop;
	cr_assert_not_null(net_dns_ask(dns, name, type, on_answer, s));
	loop_timer_start(t, 90000, 0);
	loop_run(loop);
	loop_timer_free(t);
	cr_assert(s->called, "no answer for %s", name);
}

static struct net_dns *
resolver(struct loop *loop, uint16_t port)
{
	struct sockaddr_in sa = {
	    .sin_family = AF_INET, .sin_port = htons(port)};
	const struct sockaddr *servers[] = {(const void *)&sa};
	struct net_dns *dns;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(net_dns_new(loop, servers, 1, "", &dns, NULL), ERR_OK);
	return dns;
}

Test(dns, answers_and_failures_are_told_apart)
{
	static const struct {
		const char *name;
		enum net_dns_type type;
		enum err err;
		size_t n;
	} rows[] = {
	    {"a.example", NET_DNS_A, ERR_OK, 2},
	    {"a.example", NET_DNS_AAAA, ERR_OK, 1},
	    {"a.example", NET_DNS_MX, ERR_NOT_FOUND, 0},
	    {"mx.example", NET_DNS_MX, ERR_OK, 1},
	    {"gone.example", NET_DNS_MX, ERR_NO_HOST, 0},
	    {"broken.example", NET_DNS_A, ERR_DNS, 0},
	};
	struct fake_dns *f =
	    fake_dns_new(table, sizeof(table) / sizeof(table[0]));
	struct loop *loop = loop_new();
	struct net_dns *dns = resolver(loop, fake_dns_port(f));
	struct seen s;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ask(loop, dns, rows[i].name, rows[i].type, &s);
		cr_assert_eq(s.err, rows[i].err, "%s: %s", rows[i].name,
		    err_name(s.err));
		cr_assert_eq(s.n, rows[i].n, "%s", rows[i].name);
	}
	net_dns_free(dns);
	loop_free(loop);
	fake_dns_free(f);
}

Test(dns, a_cancelled_question_is_not_answered)
{
	struct fake_dns *f =
	    fake_dns_new(table, sizeof(table) / sizeof(table[0]));
	struct loop *loop = loop_new();
	struct net_dns *dns = resolver(loop, fake_dns_port(f));
	struct seen cancelled = {.loop = loop}, s;

	net_dns_cancel(
	    net_dns_ask(dns, "a.example", NET_DNS_A, on_answer, &cancelled));
	ask(loop, dns, "mx.example", NET_DNS_MX, &s);
	cr_assert(!cancelled.called);
	cr_assert_not_null(
	    net_dns_ask(dns, "a.example", NET_DNS_A, on_answer, &cancelled));
	net_dns_free(dns);
	cr_assert(!cancelled.called);
	loop_free(loop);
	fake_dns_free(f);
}

Test(dns, mx_records_are_read)
{
	static const struct {
		const char *name;
		struct span rdata;
		uint16_t preference;
		const char *host; /* NULL: refused */
	} rows[] = {
	    {"a host", {(const uint8_t *)"\0\12\2MX\7example\0", 14}, 10,
		"mx.example"},
	    {"the null MX", {(const uint8_t *)"\0\0\0", 3}, 0, ""},
	    {"a high preference", {(const uint8_t *)"\xff\xff\1a\0", 5}, 65535,
		"a"},
	    {"underscore", {(const uint8_t *)"\0\0\2_a\0", 6}, 0, "_a"},
	    {"nothing", {(const uint8_t *)"", 0}, 0, NULL},
	    {"no name", {(const uint8_t *)"\0\12", 2}, 0, NULL},
	    {"no end", {(const uint8_t *)"\0\12\1a", 4}, 0, NULL},
	    {"a label beyond the end", {(const uint8_t *)"\0\12\5ab\0", 6}, 0,
		NULL},
	    {"a label of 64", {(const uint8_t *)"\0\12\100a\0", 5}, 0, NULL},
	    {"a pointer", {(const uint8_t *)"\0\12\300\14", 4}, 0, NULL},
	    {"more behind it", {(const uint8_t *)"\0\12\1a\0x", 6}, 0, NULL},
	    {"a dot in a label", {(const uint8_t *)"\0\12\3a.b\0", 7}, 0, NULL},
	    {"a blank", {(const uint8_t *)"\0\12\3a b\0", 7}, 0, NULL},
	    {"a NUL", {(const uint8_t *)"\0\12\3a\0b\0", 7}, 0, NULL},
	    {"8 bits", {(const uint8_t *)"\0\12\1\xe4\0", 5}, 0, NULL},
	};
	char host[NET_DNS_NAME_MAX];
	uint16_t preference;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum err e = net_dns_mx(rows[i].rdata, &preference, host);

		cr_assert_eq(
		    e == ERR_OK, rows[i].host != NULL, "%s", rows[i].name);
		if (rows[i].host == NULL)
			continue;
		cr_assert_str_eq(host, rows[i].host, "%s", rows[i].name);
		cr_assert_eq(preference, rows[i].preference);
	}
}

Test(dns, addresses_have_the_size_of_their_family)
{
	static const uint8_t zero[32];
	struct sockaddr_storage sa;
	socklen_t len;

	for (size_t n = 0; n < sizeof(zero); n++) {
		cr_assert_eq(net_dns_address(NET_DNS_A, SPAN(zero, n), 25, &sa,
				 &len) == ERR_OK,
		    n == 4);
		cr_assert_eq(net_dns_address(NET_DNS_AAAA, SPAN(zero, n), 25,
				 &sa, &len) == ERR_OK,
		    n == 16);
		cr_assert_neq(
		    net_dns_address(NET_DNS_MX, SPAN(zero, n), 25, &sa, &len),
		    ERR_OK);
	}
}
