/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * From names to addresses that may be connected to. */
#include "net/host.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

#include "common/loop.h"
#include "net/dns.h"
#include "net/guard.h"
#include "tests/lib/fake_dns.h"

enum { A = 1, AAAA = 28, SERVFAIL = 2 };

static const struct fake_dns_row zone[] = {
    {"good.example", A, "9.9.9.9", 0},
    {"good.example", AAAA, "2620:fe::fe", 0},
    {"inside.example", A, "10.0.0.1", 0},
    {"inside.example", AAAA, "fd00::1", 0},
    {"mixed.example", A, "10.0.0.1", 0},
    {"mixed.example", A, "9.9.9.9", 0},
    {"empty.example", 0, NULL, 0},
    {"broken.example", 0, NULL, SERVFAIL},
};

struct got {
	struct loop *loop;
	struct net_host host;
	unsigned calls;
};

static void
on_host(void *arg, const struct net_host *h)
{
	struct got *g = arg;

	g->host = *h;
	g->calls++;
	loop_stop(g->loop);
}

Test(host, gives_only_what_may_be_connected_to)
{
	static const struct {
		const char *host;
		enum err err;
		size_t n;
	} rows[] = {
	    {"good.example", ERR_OK, 2},
	    {"mixed.example", ERR_OK, 1},
	    {"inside.example", ERR_PERMISSION, 0},
	    {"empty.example", ERR_NO_HOST, 0},
	    {"nobody.example", ERR_NO_HOST, 0},
	    {"broken.example", ERR_DNS, 0},
	    {"9.9.9.9", ERR_OK, 1},
	    {"2620:fe::fe", ERR_OK, 1},
	    {"127.0.0.1", ERR_PERMISSION, 0},
	    {"::1", ERR_PERMISSION, 0},
	};
	struct fake_dns *fake =
	    fake_dns_new(zone, sizeof(zone) / sizeof(zone[0]));
	struct sockaddr_in sin = {.sin_family = AF_INET,
	    .sin_port = htons(fake_dns_port(fake)),
	    .sin_addr = {htonl(INADDR_LOOPBACK)}};
	const struct sockaddr *servers[] = {(const void *)&sin};
	const struct net_guard guard = {NULL, 0};
	struct got g = {.loop = loop_new()};
	struct net_dns *dns = NULL;

	cr_assert_eq(net_dns_new(g.loop, servers, 1, "", &dns, NULL), ERR_OK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		g.calls = 0;
		cr_assert_not_null(net_host_find(
		    g.loop, dns, &guard, rows[i].host, 443, on_host, &g));
		loop_run(g.loop);
		cr_expect_eq(g.calls, 1, "%s", rows[i].host);
		cr_expect_eq(g.host.err, rows[i].err, "%s: %s", rows[i].host,
		    err_name(g.host.err));
		cr_expect_eq(
		    g.host.n, rows[i].n, "%s: %zu", rows[i].host, g.host.n);
	}
	/* nobody hears of what was cancelled */
	g.calls = 0;
	net_host_cancel(net_host_find(
	    g.loop, dns, &guard, "good.example", 443, on_host, &g));
	net_host_find(g.loop, dns, &guard, "9.9.9.9", 443, on_host, &g);
	loop_run(g.loop);
	cr_expect_eq(g.calls, 1);
	net_dns_free(dns);
	fake_dns_free(fake);
	loop_free(g.loop);
}
