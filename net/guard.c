/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Public or not: two tables.
 */
#include "net/guard.h"

#include <netinet/in.h>
#include <string.h>

static const struct net_range special4[] = {
    {AF_INET, 8, {0}},		   /* this network */
    {AF_INET, 8, {10}},		   /* private */
    {AF_INET, 10, {100, 64}},	   /* carrier's own */
    {AF_INET, 8, {127}},	   /* this machine */
    {AF_INET, 16, {169, 254}},	   /* link, metadata of clouds */
    {AF_INET, 12, {172, 16}},	   /* private */
    {AF_INET, 24, {192, 0, 0}},	   /* protocols */
    {AF_INET, 24, {192, 0, 2}},	   /* examples */
    {AF_INET, 24, {192, 88, 99}},  /* relays of 6to4 */
    {AF_INET, 16, {192, 168}},	   /* private */
    {AF_INET, 15, {198, 18}},	   /* benchmarks */
    {AF_INET, 24, {198, 51, 100}}, /* examples */
    {AF_INET, 24, {203, 0, 113}},  /* examples */
    {AF_INET, 3, {224}},	   /* multicast, reserved, broadcast */
};

/* Only 2000::/3 is global unicast; within it: */
static const struct net_range special6[] = {
    {AF_INET6, 23, {0x20, 0x01}},	      /* protocols, Teredo */
    {AF_INET6, 32, {0x20, 0x01, 0x0d, 0xb8}}, /* examples */
    {AF_INET6, 20, {0x3f, 0xff}},	      /* examples */
};

/* Where an IPv4 address stands in an IPv6 one. */
static const struct {
	struct net_range range;
	unsigned at;
} carriers[] = {
    {{AF_INET6, 96, {[10] = 0xff, [11] = 0xff}}, 12}, /* mapped */
    {{AF_INET6, 96, {0, 0x64, 0xff, 0x9b}}, 12},      /* NAT64 */
    {{AF_INET6, 16, {0x20, 0x02}}, 2},		      /* 6to4 */
};

static bool
is_in(const struct net_range *r, const uint8_t *addr)
{
	unsigned whole = r->prefix / 8, bits = r->prefix % 8;

	if (memcmp(r->addr, addr, whole) != 0)
		return false;
	return bits == 0 || ((r->addr[whole] ^ addr[whole]) >> (8 - bits)) == 0;
}

static bool
in_any(const struct net_range *r, size_t n, int family, const uint8_t *addr)
{
	for (size_t i = 0; i < n; i++)
		if (r[i].family == family && is_in(&r[i], addr))
			return true;
	return false;
}

#define IN_ANY(table, family, addr)                                            \
	in_any(table, sizeof(table) / sizeof((table)[0]), family, addr)

static bool
permits4(const struct net_guard *g, const uint8_t *addr)
{
	return in_any(g->allow, g->n_allow, AF_INET, addr) ||
	       !IN_ANY(special4, AF_INET, addr);
}

static bool
permits6(const struct net_guard *g, const uint8_t *addr)
{
	if (in_any(g->allow, g->n_allow, AF_INET6, addr))
		return true;
	for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++)
		if (is_in(&carriers[i].range, addr))
			return permits4(g, addr + carriers[i].at);
	return addr[0] >> 5 == 1 && !IN_ANY(special6, AF_INET6, addr);
}

bool
net_guard_permits(const struct net_guard *g, const struct sockaddr *sa)
{
	const struct sockaddr_in *in4 = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;

	if (sa->sa_family == AF_INET)
		return permits4(g, (const uint8_t *)&in4->sin_addr);
	if (sa->sa_family == AF_INET6)
		return permits6(g, in6->sin6_addr.s6_addr);
	return false;
}
