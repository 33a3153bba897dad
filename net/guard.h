/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Which addresses a process may connect to whose destinations are chosen by
 * strangers: public ones, and what the administrator allows. Everything with a
 * meaning of its own (this machine, private networks, multicast, tunnels into
 * IPv4) is refused. RFC 6890 and the registries of special addresses.
 */
#ifndef NET_GUARD_H
#define NET_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* The first prefix bits of addr. */
struct net_range {
	int family; /* AF_INET or AF_INET6 */
	unsigned prefix;
	uint8_t addr[16];
};

struct net_guard {
	const struct net_range *allow; /* borrowed */
	size_t n_allow;
};

/* May this address be connected to? An IPv4 address inside an IPv6 one (mapped,
   NAT64, 6to4) counts as the IPv4 address it carries. Not an address: no. */
bool net_guard_permits(const struct net_guard *g, const struct sockaddr *sa);

#endif
