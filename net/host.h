/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * From the name of a host to the addresses that may be connected to. Whoever
 * connects uses these and asks nobody again: a name that changes its answer
 * between check and connection gains nothing.
 */
#ifndef NET_HOST_H
#define NET_HOST_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/err.h"

struct loop;
struct net_dns;
struct net_guard;
struct net_host_query;

enum {
	NET_HOST_ADDRS = 8, /* of one host that are looked at */
};

struct net_host_addr {
	struct sockaddr_storage sa;
	socklen_t len;
};

struct net_host {
	/* ERR_OK: at least one address. ERR_NO_HOST: there is no such host, or
	   it has no address. ERR_PERMISSION: only addresses that may not be
	   connected to. ERR_DNS, ERR_DNS_BOGUS. */
	enum err err;
	struct net_host_addr addr[NET_HOST_ADDRS];
	size_t n;
};

/* Find the addresses of a host name, or of an address written as text (IPv6
   without brackets). cb is called later from the loop, once; the query is gone
   then. guard is borrowed until then. NULL when it could not be asked. */
struct net_host_query *net_host_find(struct loop *loop, struct net_dns *dns,
    const struct net_guard *guard, const char *host, uint16_t port,
    void (*cb)(void *arg, const struct net_host *h), void *arg);
/* cb will not be called. NULL is fine. */
void net_host_cancel(struct net_host_query *q);

#endif
