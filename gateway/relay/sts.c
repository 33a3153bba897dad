/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One question to the DNS, one to store. An answer that does not come in time
 * is no answer: without a policy the domain is not promised to be safe.
 */
#include "gateway/relay/sts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/ipc.h"
#include "common/loop.h"
#include "gateway/proto.h"

enum {
	TIMEOUT_MS = 18000, /* store has given up by then */
	ARENA_MAX = 256 * 1024,
};

struct relay_sts_query {
	struct relay_sts *s;
	struct relay_sts_query *next, **prev;
	struct net_dns_query *dns;
	struct loop_timer *timer;
	uint64_t id; /* that store was asked under; 0: not yet */
	struct proto_sts_want want;
	char domain[NET_DNS_NAME_MAX];
	char sts_id[NET_STS_ID_MAX];
	const char *failure; /* said by the timer */
	void (*cb)(void *arg, const struct relay_sts_answer *a);
	void *arg;
};

struct relay_sts {
	struct loop *loop;
	struct net_dns *dns;
	struct ipc *store;
	struct relay_sts_query *queries;
	uint64_t last_id;
};

struct relay_sts *
relay_sts_new(struct loop *loop, struct net_dns *dns)
{
	struct relay_sts *s = calloc(1, sizeof(*s));

	if (s == NULL)
		fatal("out of memory");
	s->loop = loop;
	s->dns = dns;
	return s;
}

void
relay_sts_cancel(struct relay_sts_query *q)
{
	if (q == NULL)
		return;
	*q->prev = q->next;
	if (q->next != NULL)
		q->next->prev = q->prev;
	net_dns_cancel(q->dns);
	loop_timer_free(q->timer);
	free(q);
}

void
relay_sts_free(struct relay_sts *s)
{
	if (s == NULL)
		return;
	while (s->queries != NULL)
		relay_sts_cancel(s->queries);
	free(s);
}

static void
answer(struct relay_sts_query *q, const struct relay_sts_answer *a)
{
	void (*cb)(void *, const struct relay_sts_answer *) = q->cb;
	void *arg = q->arg;

	relay_sts_cancel(q);
	cb(arg, a);
}

static void
answer_failure(struct relay_sts_query *q, enum err e, const char *why)
{
	struct relay_sts_answer *a = calloc(1, sizeof(*a));

	if (a == NULL)
		fatal("out of memory");
	a->err = e;
	snprintf(a->why, sizeof(a->why), "%s", why);
	answer(q, a);
	free(a);
}

static void
on_timer(void *arg)
{
	struct relay_sts_query *q = arg;

	answer_failure(q, ERR_TIMEOUT, q->failure);
}

/* Later, so that no callback comes from within a call. */
static void
fail_soon(struct relay_sts_query *q, const char *why)
{
	q->failure = why;
	loop_timer_start(q->timer, 0, 0);
}

static void
ask_store(struct relay_sts_query *q)
{
	struct buf b;
	enum err e;

	q->id = ++q->s->last_id;
	buf_init(&b, LIMIT_IPC_INLINE);
	e = proto_sts_want_pack(&q->want, &b);
	if (e == ERR_OK)
		e = q->s->store == NULL ? ERR_CLOSED
					: ipc_post(q->s->store, PROTO_STS_WANT,
					      q->id, buf_span(&b), NULL, 0);
	buf_clear(&b);
	if (e != ERR_OK)
		fail_soon(q, "what is known of its MTA-STS policy is not "
			     "there at the moment");
}

static void
on_record(void *arg, const struct net_dns_answer *a)
{
	struct relay_sts_query *q = arg;

	q->dns = NULL;
	/* RFC 8461 3.1: what is not there or is no record announces none */
	q->want.known = a->err != ERR_DNS && a->err != ERR_DNS_BOGUS;
	if (a->err == ERR_OK &&
	    net_sts_record(a->rdata, a->n, q->sts_id) == ERR_OK)
		q->want.id = q->sts_id;
	ask_store(q);
}

struct relay_sts_query *
relay_sts_find(struct relay_sts *s, const char *domain,
    void (*cb)(void *arg, const struct relay_sts_answer *a), void *arg)
{
	struct relay_sts_query *q = calloc(1, sizeof(*q));
	char name[NET_DNS_NAME_MAX];

	if (q == NULL)
		fatal("out of memory");
	q->s = s;
	q->cb = cb;
	q->arg = arg;
	q->next = s->queries;
	q->prev = &s->queries;
	if (q->next != NULL)
		q->next->prev = &q->next;
	s->queries = q;
	snprintf(q->domain, sizeof(q->domain), "%s", domain);
	q->want = (struct proto_sts_want){.domain = q->domain, .id = ""};
	q->timer = loop_timer_new(s->loop, on_timer, q);
	q->failure = "its MTA-STS policy was not told in time";
	loop_timer_start(q->timer, TIMEOUT_MS, 0);
	if (snprintf(name, sizeof(name), "_mta-sts.%s", domain) <
	    (int)sizeof(name))
		q->dns = net_dns_ask(s->dns, name, NET_DNS_TXT, on_record, q);
	if (q->dns == NULL)
		fail_soon(q, "the record of its MTA-STS policy cannot be "
			     "looked up");
	return q;
}

/* --- store --- */

void
relay_sts_store(struct relay_sts *s, struct ipc *store)
{
	s->store = store;
	if (store != NULL)
		return;
	for (struct relay_sts_query *q = s->queries; q != NULL; q = q->next)
		if (q->id != 0)
			fail_soon(q, "what is known of its MTA-STS policy is "
				     "not there at the moment");
}

static void
take_policy(struct relay_sts_answer *a, const struct tls_policy *p)
{
	a->policy.mode = (enum net_sts_mode)p->mode;
	a->policy.max_age_s = p->max_age_s;
	snprintf(a->id, sizeof(a->id), "%s", p->id);
	for (uint32_t i = 0; i < p->n_mx && i < NET_STS_MX_MAX; i++)
		snprintf(a->policy.mx[a->policy.n++], NET_STS_PATTERN_MAX, "%s",
		    p->mx[i]);
}

void
relay_sts_is(struct relay_sts *s, uint64_t id, struct span payload)
{
	struct relay_sts_query *q = s->queries;
	struct relay_sts_answer *a;
	struct arena *arena;
	struct proto_sts m;

	while (q != NULL && (q->id == 0 || q->id != id))
		q = q->next;
	if (q == NULL)
		return;
	a = calloc(1, sizeof(*a));
	arena = arena_new(ARENA_MAX);
	if (a == NULL || arena == NULL)
		fatal("out of memory");
	a->err = proto_sts_unpack(payload, arena, &m);
	if (a->err == ERR_OK) {
		a->err = m.err;
		snprintf(a->why, sizeof(a->why), "%s", m.why);
		take_policy(a, &m.policy);
	}
	answer(q, a);
	free(a);
	arena_free(arena);
}
