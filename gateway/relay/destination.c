/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Queues and pools. A destination starts with two sessions, gets one more
 * each time all have delivered, up to twenty, and half as many when one
 * breaks. When nothing can be opened, or everything breaks, it is dead for a
 * moment: what waits is given back with the reason, what comes meanwhile, too,
 * unless the moment is short.
 */
#include "gateway/relay/destination.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "gateway/relay/destination_private.h"
#include "gateway/relay/report.h"

enum {
	BUCKETS = 1024,
	CONNS_MAX = 300,     /* of all destinations */
	CONNS_DEST_MAX = 20, /* sessions with one */
	CONNS_DEST_START = 2,
	FAILURES_MAX = 3,    /* broken sessions in a row */
	DEAD_STEPS = 4,	     /* 1 s doubled so often */
	DEAD_WAIT_MS = 2500, /* so short that mail waits here meanwhile */
	MAILS_MAX = 1000,    /* in one session */
	SESSION_MS = 300 * 1000,
	IDLE_MS = 10 * 1000,
	WAIT_MS = 60 * 1000, /* then others may use the window of store */
	UNUSED_MS = 600 * 1000,
	SWEEP_MS = 1000,
};

struct relay_dests {
	struct relay_dests_setup setup;
	struct relay_dest *bucket[BUCKETS];
	unsigned n_conns;
	bool crowded; /* somebody waits for a session to end */
	struct loop_timer *sweep;
};

static void run(struct relay_dest *d);

const struct relay_dests_setup *
relay_dests_setup(const struct relay_dests *all)
{
	return &all->setup;
}

/* --- mails that wait --- */

static void
push(struct relay_dest *d, struct relay_mail *m)
{
	m->next = NULL;
	m->queued_ms = clock_steady_ms();
	*d->last = m;
	d->last = &m->next;
	d->n_waiting++;
}

static struct relay_mail *
pop(struct relay_dest *d)
{
	struct relay_mail *m = d->first;

	if (m == NULL)
		return NULL;
	d->first = m->next;
	if (d->first == NULL)
		d->last = &d->first;
	d->n_waiting--;
	return m;
}

static void
give_back(struct relay_dest *d, struct relay_mail *m,
    enum proto_outcome outcome, uint16_t code, const char *status,
    const char *text)
{
	relay_mail_settle_rest(m, outcome, code, status, text);
	d->all->setup.on_settled(d->all->setup.arg, m);
}

/* What kept the destination from being used keeps m, too. */
static void
give_back_failed(struct relay_dest *d, struct relay_mail *m,
    const struct relay_smtp_failure *f)
{
	/* every server said that it does not take it */
	if (f->no_require && relay_mail_ends_without_require(m)) {
		give_back(d, m, PROTO_FAILED, 0, "5.7.30", f->text);
		return;
	}
	m->tls_failed = f->fault == RELAY_FAULT_TLS;
	if (f->hop.peer[0] != '\0')
		relay_mail_set_hop(m, &f->hop);
	relay_mail_settle_rest(m, PROTO_DEFERRED, f->code, f->status, f->text);
	d->all->setup.on_settled(d->all->setup.arg, m);
}

static void
give_back_all(struct relay_dest *d, enum proto_outcome outcome, uint16_t code,
    const char *status, const char *text)
{
	struct relay_mail *m;

	while ((m = pop(d)) != NULL)
		give_back(d, m, outcome, code, status, text);
}

/* --- life and death --- */

static void
declare_dead(struct relay_dest *d, const struct relay_smtp_failure *f)
{
	unsigned step = d->failures < DEAD_STEPS ? d->failures : DEAD_STEPS;
	struct relay_mail *m;

	d->dead = *f;
	d->dead_until_ms = clock_steady_ms() + (1000ull << step);
	d->failures++;
	d->limit = CONNS_DEST_START;
	d->good = 0;
	log_event(LOG_LVL_NOTICE, NULL, "destination-dead",
	    KV_STR("host", d->target.host), KV_STR("reason", f->text),
	    KV_NUM("waiting", d->n_waiting));
	while ((m = pop(d)) != NULL)
		give_back_failed(d, m, f);
}

/* No host could be used. That says something about the destination only if no
   other session stands: else it just wants no more of them. */
static void
opening_failed(struct relay_dest *d, const struct relay_smtp_failure *f)
{
	if (d->n_conns > 0) {
		d->limit = d->n_conns;
		d->good = 0;
		return;
	}
	declare_dead(d, f);
}

static void
session_broke(struct relay_dest *d, const struct relay_smtp_failure *f)
{
	d->limit = d->limit > 1 ? d->limit / 2 : 1;
	d->good = 0;
	if (++d->failures >= FAILURES_MAX)
		declare_dead(d, f);
}

void
relay_dest_settled(struct relay_dest *d, struct relay_mail *m)
{
	bool taken = false;

	for (uint32_t i = 0; i < m->n_rcpt; i++)
		if (m->result[i].outcome != PROTO_DEFERRED)
			taken = true;
	if (taken) {
		d->failures = 0;
		if (++d->good >= d->limit && d->limit < CONNS_DEST_MAX) {
			d->limit++;
			d->good = 0;
		}
	}
	d->all->setup.on_settled(d->all->setup.arg, m);
}

/* --- routes --- */

static void
route_failed(struct relay_dest *d, const struct relay_route_answer *a)
{
	struct relay_smtp_failure f = {.fault = RELAY_FAULT_CONNECT};
	struct tls_result bogus;

	if (a->err == ERR_NO_HOST || a->err == ERR_NULL_MX ||
	    a->err == ERR_LOOP) {
		give_back_all(d, PROTO_FAILED, (uint16_t)err_smtp(a->err),
		    err_status(a->err), a->text);
		return;
	}
	if (a->err == ERR_DNS_BOGUS && relay_report_bogus(&d->target, &bogus))
		d->all->setup.on_result(d->all->setup.arg, &bogus);
	snprintf(f.status, sizeof(f.status), "%s", err_status(a->err));
	snprintf(f.text, sizeof(f.text), "%s", a->text);
	declare_dead(d, &f);
}

static void
on_route(void *arg, const struct relay_route_answer *a)
{
	struct relay_dest *d = arg;

	d->route = NULL;
	if (a->err != ERR_OK) {
		route_failed(d, a);
		return;
	}
	memcpy(d->host, a->host, sizeof(d->host));
	d->n_host = a->n;
	memcpy(d->tlsa, a->tlsa, sizeof(d->tlsa));
	d->route_until_ms = clock_steady_ms() + a->ttl_s * 1000ull;
	run(d);
}

/* Are there addresses to try? Those of sessions that stand are not replaced
   under them: they name their host by its position. */
static bool
has_route(struct relay_dest *d)
{
	const struct relay_dests_setup *s = &d->all->setup;

	if (d->n_host > 0 &&
	    (d->n_conns > 0 || d->route_until_ms > clock_steady_ms()))
		return true;
	if (d->route == NULL)
		d->route = relay_route_find(
		    s->loop, s->dns, s->sts, &d->target, s->helo, on_route, d);
	return false;
}

/* --- sessions --- */

static struct relay_conn *
find_idle(struct relay_dest *d)
{
	for (struct relay_conn *c = d->conns; c != NULL; c = c->next)
		if (c->state == RELAY_CONN_IDLE)
			return c;
	return NULL;
}

/* Room for a session of somebody who waits. */
static void
close_an_idle(struct relay_dests *all)
{
	struct relay_conn *c;

	all->crowded = true;
	for (unsigned b = 0; b < BUCKETS; b++)
		for (struct relay_dest *d = all->bucket[b]; d != NULL;
		     d = d->next) {
			c = find_idle(d);
			if (c != NULL) {
				relay_conn_quit_idle(c);
				return;
			}
		}
}

static bool
wants_session(struct relay_dest *d)
{
	return d->n_waiting > d->n_opening && d->n_conns < d->limit;
}

static void
open_sessions(struct relay_dest *d)
{
	struct relay_conn *c;

	while (wants_session(d)) {
		if (d->all->n_conns >= CONNS_MAX) {
			close_an_idle(d->all);
			return;
		}
		c = relay_conn_new(d);
		c->next = d->conns;
		d->conns = c;
		d->n_conns++;
		d->n_opening++;
		d->all->n_conns++;
	}
}

/* How long it is not asked any more. */
static uint64_t
dead_for_ms(const struct relay_dest *d)
{
	uint64_t now = clock_steady_ms();

	return d->dead_until_ms > now ? d->dead_until_ms - now : 0;
}

/* Give what waits to who is idle, and open more. */
static void
run(struct relay_dest *d)
{
	struct relay_conn *c;

	d->used_ms = clock_steady_ms();
	while (d->first != NULL && (c = find_idle(d)) != NULL)
		relay_conn_send(c, pop(d));
	if (d->first != NULL && dead_for_ms(d) == 0 && has_route(d))
		open_sessions(d);
}

static void
run_all(struct relay_dests *all)
{
	all->crowded = false;
	for (unsigned b = 0; b < BUCKETS; b++)
		for (struct relay_dest *d = all->bucket[b]; d != NULL;
		     d = d->next)
			if (d->first != NULL && !all->crowded)
				run(d);
}

struct relay_mail *
relay_dest_next(struct relay_dest *d, struct relay_conn *c)
{
	uint64_t max = relay_smtp_mail_max(c->smtp);

	if (c->n_mails >= MAILS_MAX || (max > 0 && c->n_mails >= max) ||
	    clock_steady_ms() - c->since_ms >= SESSION_MS ||
	    !relay_smtp_may_take(c->smtp, d->first)) {
		relay_conn_quit(c);
		return NULL;
	}
	if (d->n_waiting > 1 && has_route(d))
		open_sessions(d);
	return pop(d);
}

static void
unlink_conn(struct relay_dest *d, struct relay_conn *c)
{
	struct relay_conn **at = &d->conns;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	d->n_conns--;
	d->all->n_conns--;
	if (c->state == RELAY_CONN_OPENING)
		d->n_opening--;
}

void
relay_dest_down(struct relay_dest *d, struct relay_conn *c)
{
	struct relay_smtp_failure f = c->failure;
	enum relay_conn_state state = c->state;

	unlink_conn(d, c);
	relay_conn_free(c);
	switch (f.fault) {
	case RELAY_FAULT_NONE:
		/* it stood, and was closed before it took any mail: to ask
		   again at once would go on without end */
		if (state == RELAY_CONN_OPENING)
			opening_failed(d, &f);
		break;
	case RELAY_FAULT_OURS:
		break;
	case RELAY_FAULT_CONNECT:
	case RELAY_FAULT_TLS:
	case RELAY_FAULT_LOGIN:
	case RELAY_FAULT_SESSION:
		if (state == RELAY_CONN_OPENING)
			opening_failed(d, &f);
		else
			session_broke(d, &f);
		break;
	}
	if (d->first != NULL)
		run(d);
	if (d->all->crowded)
		run_all(d->all);
}

/* --- all of them --- */

static unsigned
bucket_of(const struct relay_target *t)
{
	uint32_t h = 2166136261u;

	for (const char *p = t->host; *p != '\0'; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	return (h ^ t->port ^ t->tls) % BUCKETS;
}

static bool
same_target(const struct relay_target *a, const struct relay_target *b)
{
	return a->mx == b->mx && a->lmtp == b->lmtp && a->port == b->port &&
	       a->tls == b->tls && a->dane == b->dane && a->sts == b->sts &&
	       a->require == b->require && a->lax == b->lax &&
	       strcmp(a->host, b->host) == 0 &&
	       strcmp(a->names, b->names) == 0 && strcmp(a->user, b->user) == 0;
}

static struct relay_dest *
find_or_make(struct relay_dests *all, const struct relay_target *t)
{
	struct relay_dest **at = &all->bucket[bucket_of(t)], *d;

	for (; *at != NULL; at = &(*at)->next)
		if (same_target(&(*at)->target, t))
			return *at;
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		fatal("out of memory");
	d->all = all;
	d->target = *t;
	d->last = &d->first;
	d->limit = CONNS_DEST_START;
	*at = d;
	return d;
}

void
relay_dests_submit(
    struct relay_dests *all, const struct relay_target *t, struct relay_mail *m)
{
	struct relay_dest *d = find_or_make(all, t);

	/* a server that starts anew breaks its sessions and is back at once:
	   that is no reason to come again in five minutes */
	if (dead_for_ms(d) > DEAD_WAIT_MS) {
		give_back_failed(d, m, &d->dead);
		return;
	}
	push(d, m);
	run(d);
}

static void
sweep_dest(struct relay_dest *d, uint64_t now)
{
	struct relay_conn *c;

	while (d->first != NULL && now > d->first->queued_ms + WAIT_MS)
		give_back(d, pop(d), PROTO_DEFERRED, 0, "4.4.5",
		    "the next hop takes its time and others wait");
	/* one a second: ending one may change the list */
	for (c = d->conns; c != NULL; c = c->next)
		if (c->state == RELAY_CONN_IDLE && now > c->idle_ms + IDLE_MS) {
			relay_conn_quit_idle(c);
			return;
		}
}

static bool
is_unused(const struct relay_dest *d, uint64_t now)
{
	return d->first == NULL && d->conns == NULL && d->route == NULL &&
	       now > d->used_ms + UNUSED_MS && now > d->dead_until_ms;
}

static void
sweep(void *arg)
{
	struct relay_dests *all = arg;
	uint64_t now = clock_steady_ms();
	struct relay_dest **at, *d;

	for (unsigned b = 0; b < BUCKETS; b++)
		for (at = &all->bucket[b]; (d = *at) != NULL;) {
			sweep_dest(d, now);
			if (d->first != NULL)
				run(d);
			if (is_unused(d, now)) {
				*at = d->next;
				free(d);
			} else {
				at = &d->next;
			}
		}
}

struct relay_dests *
relay_dests_new(const struct relay_dests_setup *setup)
{
	struct relay_dests *all = calloc(1, sizeof(*all));

	if (all == NULL)
		fatal("out of memory");
	all->setup = *setup;
	all->sweep = loop_timer_new(setup->loop, sweep, all);
	loop_timer_start(all->sweep, SWEEP_MS, SWEEP_MS);
	return all;
}

static void
give_back_job(
    struct relay_dest *d, const struct relay_job *job, const char *text)
{
	struct relay_mail *all = d->first, *m;

	d->first = NULL;
	d->last = &d->first;
	d->n_waiting = 0;
	while ((m = all) != NULL) {
		all = m->next;
		if (job == NULL || m->job == job)
			give_back(d, m, PROTO_DEFERRED, 0, "4.3.2", text);
		else
			push(d, m);
	}
}

void
relay_dests_give_back(
    struct relay_dests *all, const struct relay_job *job, const char *text)
{
	for (unsigned b = 0; b < BUCKETS; b++)
		for (struct relay_dest *d = all->bucket[b]; d != NULL;
		     d = d->next)
			give_back_job(d, job, text);
}

/* Abort the sessions that are not excused. */
static void
abort_sessions(struct relay_dest *d, const char *text, bool every)
{
	struct relay_conn *c, *next;

	for (c = d->conns; c != NULL; c = next) {
		next = c->next;
		if (c->state == RELAY_CONN_IDLE)
			relay_conn_quit_idle(c);
		else if (every || c->smtp == NULL ||
			 !relay_smtp_is_past_dot(c->smtp))
			relay_conn_abort(c, text);
	}
}

void
relay_dests_abandon(struct relay_dests *all, const char *text)
{
	relay_dests_give_back(all, NULL, text);
	for (unsigned b = 0; b < BUCKETS; b++)
		for (struct relay_dest *d = all->bucket[b]; d != NULL;
		     d = d->next)
			abort_sessions(d, text, false);
}

void
relay_dests_free(struct relay_dests *all)
{
	struct relay_dest *d;

	if (all == NULL)
		return;
	for (unsigned b = 0; b < BUCKETS; b++)
		while ((d = all->bucket[b]) != NULL) {
			give_back_job(d, NULL, "shutting down");
			abort_sessions(d, "shutting down", false);
			abort_sessions(d, "shutting down", true);
			relay_route_cancel(d->route);
			all->bucket[b] = d->next;
			free(d);
		}
	loop_timer_free(all->sweep);
	free(all);
}
