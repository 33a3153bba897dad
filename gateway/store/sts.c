/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Policies of MTA-STS: the one that is kept is the answer as long as it lives,
 * unless the domain's record announces another and that can be fetched (RFC
 * 8461 3.3, 5.1). Ages are of the spool's clock: no step of the other one ends
 * a promise.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "gateway/conf.h"
#include "gateway/store/sts_never.h"
#include "gateway/store/tls_private.h"
#include "gateway/store/tls_report.h"

enum {
	FETCH_MS = 15000,
	FETCHES_MAX = 64,
};

static bool
lives(const struct store *s, const struct tls_policy *p)
{
	uint64_t now = store_now(s);

	/* from the future: of a spool that was lost, with its clock */
	return p->id[0] != '\0' &&
	       (p->fetched_ms > now ||
		   now - p->fetched_ms < (uint64_t)p->max_age_s * 1000);
}

static void
tell(struct store *s, uint64_t id, const struct proto_sts *m)
{
	struct store_peer *relay = store_find_peer(s, ROLE_RELAY, 0);
	struct buf b;

	if (relay == NULL)
		return;
	buf_init(&b, LIMIT_IPC_PAYLOAD);
	if (proto_sts_pack(m, &b) != ERR_OK ||
	    ipc_post(relay->ch, PROTO_STS_IS, id, buf_span(&b), NULL, 0) !=
		ERR_OK)
		log_event(
		    LOG_LVL_ERR, NULL, "sts-lost", KV_STR("domain", m->domain));
	buf_clear(&b);
}

/* The kept policy, if it lives; e says whether more could be known. */
static void
tell_kept(struct store *s, uint64_t id, const char *domain, enum err e,
    const char *why)
{
	struct proto_sts m = {.domain = domain, .err = e, .why = why};
	struct tls_state row;

	if (store_tls_row(s->tls, domain, &row) && lives(s, &row.policy)) {
		m.err = ERR_OK;
		m.policy = row.policy;
	} else {
		m.policy.id = "";
	}
	tell(s, id, &m);
}

static bool
post_fetch(struct store *s, const struct store_tls_task *task)
{
	struct store_peer *discovery = store_find_peer(s, ROLE_DISCOVERY, 0);
	const struct proto_sts_want m = {
	    .domain = task->domain, .known = true, .id = task->sts_id};
	struct buf b;
	bool sent;

	if (discovery == NULL)
		return false;
	buf_init(&b, LIMIT_IPC_INLINE);
	sent = proto_sts_want_pack(&m, &b) == ERR_OK &&
	       ipc_post(discovery->ch, PROTO_STS_FETCH, task->id, buf_span(&b),
		   NULL, 0) == ERR_OK;
	buf_clear(&b);
	return sent;
}

static struct store_tls_task *
begin(struct store *s, const struct proto_sts_want *m)
{
	struct store_tls *t = s->tls;
	struct store_tls_task *task;

	if (t->n_fetches >= FETCHES_MAX ||
	    strlen(m->domain) >= sizeof(task->domain) ||
	    strlen(m->id) >= sizeof(task->sts_id))
		return NULL;
	task = calloc(1, sizeof(*task));
	if (task == NULL)
		return NULL;
	task->id = ++t->last_id;
	task->until_ms = clock_steady_ms() + FETCH_MS;
	snprintf(task->domain, sizeof(task->domain), "%s", m->domain);
	snprintf(task->sts_id, sizeof(task->sts_id), "%s", m->id);
	if (!post_fetch(s, task)) {
		free(task);
		return NULL;
	}
	task->next = t->fetches;
	t->fetches = task;
	t->n_fetches++;
	return task;
}

/* Is there a policy that the kept one is not? */
static bool
is_news(struct store *s, const struct proto_sts_want *m)
{
	struct tls_state row;

	return m->known && m->id[0] != '\0' &&
	       (!store_tls_row(s->tls, m->domain, &row) ||
		   !lives(s, &row.policy) || strcmp(row.policy.id, m->id) != 0);
}

void
store_sts_want(struct store *s, struct store_peer *from, struct ipc_msg *m)
{
	struct store_tls *t = s->tls;
	struct store_tls_task *task;
	struct proto_sts_want want;

	(void)from;
	if (proto_sts_want_unpack(m->payload, t->arena, &want) != ERR_OK) {
		log_event(LOG_LVL_ERR, NULL, "sts-want", KV_ERR(ERR_IPC));
	} else if (!is_news(s, &want)) {
		/* without a record, and without one to go by until now, there
		   is none; if it could not be looked up nobody knows */
		tell_kept(s, m->id, want.domain, want.known ? ERR_OK : ERR_DNS,
		    want.known ? ""
			       : "the record of its MTA-STS policy "
				 "cannot be looked up");
	} else {
		task = store_tls_find(t->fetches, want.domain);
		if (task == NULL)
			task = begin(s, &want);
		if (task != NULL)
			store_tls_wait(task, STORE_TLS_RELAY, m->id);
		else
			tell_kept(s, m->id, want.domain, ERR_AGAIN,
			    "its MTA-STS policy cannot be fetched now");
	}
	arena_reset(t->arena);
}

/* DESIGN: a source that never answered is absent after a while; one that has
   answered before is not. */
static enum err
judge(struct store *s, const char *domain, enum err e)
{
	struct sts_never **never = &s->tls->never;
	struct tls_state row;

	if (e == ERR_OK)
		sts_never_answered(never, domain);
	if (e == ERR_OK ||
	    (store_tls_row(s->tls, domain, &row) && row.policy.id[0] != '\0'))
		return e;
	if (!sts_never_failed(never, domain, clock_steady_ms()))
		return e;
	log_event(LOG_LVL_NOTICE, NULL, "sts-never", KV_STR("domain", domain));
	return ERR_OK;
}

static void
finish(
    struct store *s, struct store_tls_task *task, enum err e, const char *why)
{
	e = judge(s, task->domain, e);
	for (const struct store_tls_waiter *w = task->waiters; w != NULL;
	     w = w->next)
		tell_kept(s, w->id, task->domain, e, why);
	store_tls_free_task(task);
}

/* What cannot be kept is still heeded for those that wait. */
static void
finish_fetched(
    struct store *s, struct store_tls_task *task, struct proto_sts *m)
{
	struct tls_state row;

	(void)judge(s, task->domain, ERR_OK);
	(void)store_tls_row(s->tls, task->domain, &row);
	row.seen.domain = task->domain;
	m->domain = task->domain;
	m->policy.id = task->sts_id;
	m->policy.fetched_ms = store_now(s);
	row.policy = m->policy;
	if (row.used_s == 0)
		row.used_s = store_tls_now_s();
	store_tls_keep(s->tls, &row);
	for (const struct store_tls_waiter *w = task->waiters; w != NULL;
	     w = w->next)
		tell(s, w->id, m);
	store_tls_free_task(task);
}

/* Did the domain's own web server say that there is no policy? All else, one
   that cannot be read included, may be somebody's doing on the way. */
static bool
is_none(enum err e)
{
	return e == ERR_NOT_FOUND || e == ERR_TOO_BIG;
}

void
store_sts_fetched(struct store *s, struct store_peer *from, struct ipc_msg *m)
{
	struct store_tls *t = s->tls;
	struct store_tls_task *task =
	    store_tls_take(&t->fetches, &t->n_fetches, m->id);
	struct proto_sts sts;
	enum err e = proto_sts_unpack(m->payload, t->arena, &sts);

	(void)from;
	if (task != NULL && e == ERR_OK && sts.err != ERR_OK)
		store_reports_no_policy(s, task->domain, sts.err, sts.why);
	if (task != NULL && e == ERR_OK && sts.err == ERR_OK)
		finish_fetched(s, task, &sts);
	else if (task != NULL && e == ERR_OK)
		finish(s, task, is_none(sts.err) ? ERR_OK : sts.err, sts.why);
	else if (task != NULL)
		finish(s, task, e, err_text(e));
	arena_reset(t->arena);
}

void
store_sts_tick(struct store *s)
{
	struct store_tls *t = s->tls;
	uint64_t now = clock_steady_ms();
	bool alone = store_find_peer(s, ROLE_DISCOVERY, 0) == NULL;
	struct store_tls_task *task = t->fetches, *next;

	for (; task != NULL; task = next) {
		next = task->next;
		if (!alone && now < task->until_ms)
			continue;
		(void)store_tls_take(&t->fetches, &t->n_fetches, task->id);
		store_reports_no_policy(s, task->domain, ERR_TIMEOUT, "");
		finish(s, task, ERR_TIMEOUT,
		    "its MTA-STS policy was not fetched in time");
	}
}

void
store_sts_end(struct store *s)
{
	struct store_tls_task *task;

	sts_never_free(&s->tls->never);
	while ((task = s->tls->fetches) != NULL) {
		s->tls->fetches = task->next;
		store_tls_free_task(task);
	}
}
