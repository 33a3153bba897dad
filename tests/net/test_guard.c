/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Which addresses may be connected to, and what becomes of a host's. */
#include "net/guard.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

static const struct net_range allowed[] = {
    {AF_INET, 24, {10, 1, 2}},
    {AF_INET, 32, {127, 0, 0, 1}},
    {AF_INET6, 64, {0xfd, 0, 0, 1}},
};

static bool
permits(const struct net_guard *g, const char *text)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &in4.sin_addr) == 1)
		return net_guard_permits(g, (const void *)&in4);
	cr_assert_eq(inet_pton(AF_INET6, text, &in6.sin6_addr), 1, "%s", text);
	return net_guard_permits(g, (const void *)&in6);
}

Test(guard, lets_public_addresses_pass_and_no_others)
{
	static const char *const good[] = {"1.1.1.1", "9.255.255.255",
	    "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
	    "128.0.0.1", "169.253.255.255", "169.255.0.0", "172.15.255.255",
	    "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0",
	    "198.17.255.255", "198.20.0.0", "223.255.255.255",
	    "2606:4700::1111", "2a00::1", "2001:200::1", "2001:db9::1",
	    "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:0101:0101::1"};
	static const char *const bad[] = {"0.0.0.0", "0.255.255.255",
	    "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255",
	    "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
	    "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1",
	    "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1",
	    "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1",
	    "255.255.255.255", "::", "::1", "::127.0.0.1", "fe80::1", "fec0::1",
	    "fc00::1", "fd00::1", "ff02::1", "100::1", "2001::1", "2001:db8::1",
	    "3fff::1", "4000::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1",
	    "64:ff9b::127.0.0.1", "64:ff9b:1::1", "2002:7f00:0001::1",
	    "2002:0a00:0001::1"};
	const struct net_guard g = {NULL, 0};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		cr_expect(permits(&g, good[i]), "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_not(permits(&g, bad[i]), "%s", bad[i]);
}

Test(guard, lets_pass_what_is_allowed_and_nothing_beside_it)
{
	static const struct {
		const char *addr;
		bool want;
	} rows[] = {
	    {"10.1.2.3", true},
	    {"10.1.3.0", false},
	    {"127.0.0.1", true},
	    {"127.0.0.2", false},
	    {"::ffff:127.0.0.1", true},
	    {"::ffff:127.0.0.2", false},
	    {"fd00:1::5", true},
	    {"fd00:2::5", false},
	    {"1.1.1.1", true},
	};
	const struct net_guard g = {
	    allowed, sizeof(allowed) / sizeof(allowed[0])};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(permits(&g, rows[i].addr), rows[i].want, "%s",
		    rows[i].addr);
}

Test(guard, knows_no_other_families)
{
	struct sockaddr sa = {.sa_family = AF_UNIX};
	const struct net_guard g = {NULL, 0};

	cr_expect_not(net_guard_permits(&g, &sa));
}
