/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A and AAAA records asked at the same time, each address past the guard.
 */
#include "net/host.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "common/loop.h"
#include "net/dns.h"
#include "net/guard.h"

struct net_host_query {
	const struct net_guard *guard;
	uint16_t port;
	struct net_dns_query *a, *aaaa;
	struct loop_timer *now; /* for what needs no question */
	struct net_host host;
	bool refused;	 /* an address was */
	enum err failed; /* one of the questions was not answered */
	void (*cb)(void *arg, const struct net_host *h);
	void *arg;
};

static void
add(struct net_host_query *q, const struct sockaddr_storage *sa, socklen_t len)
{
	struct net_host *h = &q->host;

	if (!net_guard_permits(q->guard, (const void *)sa)) {
		q->refused = true;
		return;
	}
	if (h->n == NET_HOST_ADDRS)
		return;
	h->addr[h->n].sa = *sa;
	h->addr[h->n++].len = len;
}

void
net_host_cancel(struct net_host_query *q)
{
	if (q == NULL)
		return;
	net_dns_cancel(q->a);
	net_dns_cancel(q->aaaa);
	loop_timer_free(q->now);
	free(q);
}

static void
finish(struct net_host_query *q)
{
	struct net_host *h = &q->host;

	/* a failed question is no absence, but one good answer is enough */
	if (h->n > 0)
		h->err = ERR_OK;
	else if (q->failed != ERR_OK)
		h->err = q->failed;
	else
		h->err = q->refused ? ERR_PERMISSION : ERR_NO_HOST;
	q->cb(q->arg, h);
	net_host_cancel(q);
}

static void
take(struct net_host_query *q, enum net_dns_type type,
    const struct net_dns_answer *a)
{
	struct sockaddr_storage sa;
	socklen_t len;

	if (a->err == ERR_DNS_BOGUS ||
	    (a->err == ERR_DNS && q->failed == ERR_OK))
		q->failed = a->err;
	for (size_t i = 0; i < a->n; i++)
		if (net_dns_address(type, a->rdata[i], q->port, &sa, &len) ==
		    ERR_OK)
			add(q, &sa, len);
	if (q->a == NULL && q->aaaa == NULL)
		finish(q);
}

static void
on_a(void *arg, const struct net_dns_answer *a)
{
	struct net_host_query *q = arg;

	q->a = NULL;
	take(q, NET_DNS_A, a);
}

static void
on_aaaa(void *arg, const struct net_dns_answer *a)
{
	struct net_host_query *q = arg;

	q->aaaa = NULL;
	take(q, NET_DNS_AAAA, a);
}

static void
on_now(void *arg)
{
	finish(arg);
}

static bool
is_literal(const char *host, uint16_t port, struct sockaddr_storage *sa,
    socklen_t *len)
{
	struct sockaddr_in in4 = {
	    .sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {
	    .sin6_family = AF_INET6, .sin6_port = htons(port)};

	memset(sa, 0, sizeof(*sa));
	if (inet_pton(AF_INET, host, &in4.sin_addr) == 1) {
		memcpy(sa, &in4, sizeof(in4));
		*len = sizeof(in4);
		return true;
	}
	if (inet_pton(AF_INET6, host, &in6.sin6_addr) == 1) {
		memcpy(sa, &in6, sizeof(in6));
		*len = sizeof(in6);
		return true;
	}
	return false;
}

struct net_host_query *
net_host_find(struct loop *loop, struct net_dns *dns,
    const struct net_guard *guard, const char *host, uint16_t port,
    void (*cb)(void *arg, const struct net_host *h), void *arg)
{
	struct net_host_query *q = calloc(1, sizeof(*q));
	struct sockaddr_storage sa;
	socklen_t len;

	if (q == NULL)
		return NULL;
	q->guard = guard;
	q->port = port;
	q->cb = cb;
	q->arg = arg;
	if (is_literal(host, port, &sa, &len)) {
		add(q, &sa, len);
		q->now = loop_timer_new(loop, on_now, q);
		loop_timer_start(q->now, 0, 0);
		return q;
	}
	q->a = net_dns_ask(dns, host, NET_DNS_A, on_a, q);
	q->aaaa = net_dns_ask(dns, host, NET_DNS_AAAA, on_aaaa, q);
	if (q->a == NULL || q->aaaa == NULL) {
		net_host_cancel(q);
		return NULL;
	}
	return q;
}
