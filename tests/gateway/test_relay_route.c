/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "gateway/relay/route.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "common/loop.h"
#include "tests/lib/fake_dns.h"

enum { A = NET_DNS_A, MX = NET_DNS_MX, AAAA = NET_DNS_AAAA };

static const struct fake_dns_row table[] = {
    {"two.example", MX, "20 b.example.", 0},
    {"two.example", MX, "10 a.example.", 0},
    {"a.example", A, "192.0.2.1", 0},
    {"a.example", AAAA, "2001:db8::1", 0},
    {"b.example", A, "192.0.2.2", 0},
    {"null.example", MX, "0 .", 0},
    {"implicit.example", A, "192.0.2.3", 0},
    {"empty.example", 0, "", 0},
    {"servfail.example", MX, "10 a.example.", 2},
    {"nowhere.example", MX, "10 gone.example.", 0},
    {"halfbroken.example", MX, "10 broken.example.", 0},
    {"halfbroken.example", MX, "20 b.example.", 0},
    {"allbroken.example", MX, "10 broken.example.", 0},
    {"broken.example", A, "192.0.2.9", 2},
    {"self.example", MX, "10 a.example.", 0},
    {"self.example", MX, "20 gw.example.com.", 0},
    {"self.example", MX, "30 b.example.", 0},
    {"onlyself.example", MX, "10 gw.example.com.", 0},
    {"many.example", A, "192.0.2.10", 0},
    {"many.example", A, "192.0.2.11", 0},
    {"many.example", A, "192.0.2.12", 0},
    {"many.example", A, "192.0.2.13", 0},
    {"many.example", A, "192.0.2.14", 0},
    {"many.example", A, "192.0.2.15", 0},
    {"many.example", A, "192.0.2.16", 0},
    {"many.example", A, "192.0.2.17", 0},
    {"many.example", A, "192.0.2.18", 0},
    {"many.example", AAAA, "2001:db8::18", 0},
};

static const struct {
	const char *name;
	const char *host;
	bool mx;
	enum err err;
	unsigned n;
	const char *first;
	const char *last;
} rows[] = {
    {"in the order of preference", "two.example", true, ERR_OK, 3,
	"a.example [2001:db8::1]:25", "b.example [192.0.2.2]:25"},
    {"the null MX", "null.example", true, ERR_NULL_MX, 0, NULL, NULL},
    {"no MX: the host itself", "implicit.example", true, ERR_OK, 1,
	"implicit.example [192.0.2.3]:25", NULL},
    {"neither MX nor address", "empty.example", true, ERR_NO_HOST, 0, NULL,
	NULL},
    {"no such domain", "none.example", true, ERR_NO_HOST, 0, NULL, NULL},
    {"name server failure", "servfail.example", true, ERR_DNS, 0, NULL, NULL},
    {"an MX without address", "nowhere.example", true, ERR_NO_HOST, 0, NULL,
	NULL},
    {"one MX of two can be looked up", "halfbroken.example", true, ERR_OK, 1,
	"b.example [192.0.2.2]:25", NULL},
    {"no MX can be looked up", "allbroken.example", true, ERR_DNS, 0, NULL,
	NULL},
    {"we are among them: only better ones", "self.example", true, ERR_OK, 2,
	"a.example [2001:db8::1]:25", "a.example [192.0.2.1]:25"},
    {"we are the best", "onlyself.example", true, ERR_LOOP, 0, NULL, NULL},
    {"both families, not too many", "many.example", true, ERR_OK,
	RELAY_HOSTS_MAX, "many.example [2001:db8::18]:25", NULL},
    {"an address in brackets", "[192.0.2.7]", true, ERR_OK, 1, "[192.0.2.7]:25",
	NULL},
    {"an IPv6 address in brackets", "[IPv6:2001:db8::7]", true, ERR_OK, 1,
	"[2001:db8::7]:25", NULL},
    {"a next hop by name", "a.example", false, ERR_OK, 2,
	"a.example [2001:db8::1]:25", "a.example [192.0.2.1]:25"},
    {"a next hop by address", "2001:db8::8", false, ERR_OK, 1,
	"[2001:db8::8]:25", NULL},
    {"a next hop that does not exist is waited for", "none.example", false,
	ERR_DNS, 0, NULL, NULL},
};

struct seen {
	struct loop *loop;
	bool called;
	struct relay_route_answer answer;
};

static void
on_answer(void *arg, const struct relay_route_answer *a)
{
	struct seen *s = arg;

	s->called = true;
	s->answer = *a;
	loop_stop(s->loop);
}

static void
on_time(void *arg)
{
	loop_stop(arg);
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

static void
find(struct loop *loop, struct net_dns *dns, const char *host, bool mx,
    struct seen *s)
{
	struct loop_timer *t = loop_timer_new(loop, on_time, loop);
	struct relay_target target = {.mx = mx, .port = 25};

	memset(s, 0, sizeof(*s));
	s->loop = loop;
	snprintf(target.host, sizeof(target.host), "%s", host);
	cr_assert_not_null(relay_route_find(
	    loop, dns, NULL, &target, "gw.example.com", on_answer, s));
	cr_assert(!s->called, "answered before it returned");
	loop_timer_start(t, 20000, 0);
	loop_run(loop);
	loop_timer_free(t);
	cr_assert(s->called, "%s", host);
}

Test(route, next_hops_are_found_or_refused)
{
	struct fake_dns *f =
	    fake_dns_new(table, sizeof(table) / sizeof(table[0]));
	struct loop *loop = loop_new();
	struct net_dns *dns = resolver(loop, fake_dns_port(f));
	struct seen s;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		find(loop, dns, rows[i].host, rows[i].mx, &s);
		cr_assert_eq(s.answer.err, rows[i].err, "%s: %s %s",
		    rows[i].name, err_name(s.answer.err), s.answer.text);
		cr_assert_eq(
		    s.answer.n, rows[i].n, "%s: %u", rows[i].name, s.answer.n);
		if (rows[i].first != NULL)
			cr_assert_str_eq(s.answer.host[0].peer, rows[i].first,
			    "%s", rows[i].name);
		if (rows[i].last != NULL)
			cr_assert_str_eq(s.answer.host[s.answer.n - 1].peer,
			    rows[i].last, "%s", rows[i].name);
		cr_assert_eq(s.answer.text[0] == '\0', s.answer.err == ERR_OK);
	}
	net_dns_free(dns);
	loop_free(loop);
	fake_dns_free(f);
}

Test(route, a_cancelled_one_is_silent)
{
	struct fake_dns *f =
	    fake_dns_new(table, sizeof(table) / sizeof(table[0]));
	struct loop *loop = loop_new();
	struct net_dns *dns = resolver(loop, fake_dns_port(f));
	struct relay_target target = {
	    .mx = true, .port = 25, .host = "two.example"};
	struct seen s = {.loop = loop}, other;

	relay_route_cancel(relay_route_find(
	    loop, dns, NULL, &target, "gw.example.com", on_answer, &s));
	find(loop, dns, "implicit.example", true, &other);
	cr_assert(!s.called);
	net_dns_free(dns);
	loop_free(loop);
	fake_dns_free(f);
}
