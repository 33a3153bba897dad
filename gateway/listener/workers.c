/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The workers and what waits for them: looks at recipients, which are quick
 * and whose client waits in the middle of the dialogue, go before messages.
 * A worker does one thing after another, in the order it was sent.
 */
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/ipc.h"
#include "common/log.h"
#include "gateway/listener/jobs.h"
#include "gateway/listener/listener_private.h"
#include "gateway/listener/session.h"
#include "gateway/listener/verify.h"

enum {
	CHECK_MS = 30000, /* a recipient's check may take, queueing included */
	CHECK_TRIES = 3,  /* workers that may die over one */
	SMALL = 256 * 1024, /* octets: no more wait behind it for long */
	/* octets of what a worker says at once: an answer for each recipient */
	ARENA_MAX = 2 * 1024 * 1024,
};

void
listener_workers_init(struct listener *l)
{
	TAILQ_INIT(&l->checks);
	for (unsigned i = 0; i < LIMIT_WORKERS_MAX; i++) {
		l->worker[i].l = l;
		l->worker[i].index = i;
	}
}

void
listener_workers_clear(struct listener *l)
{
	for (unsigned i = 0; i < LIMIT_WORKERS_MAX; i++) {
		ipc_free(l->worker[i].ch);
		l->worker[i].ch = NULL;
	}
}

/* --- looks at recipients --- */

static void
unlink_check(struct listener *l, struct listener_slot *slot)
{
	if (slot->queued)
		TAILQ_REMOVE(&l->checks, slot, queue);
	if (slot->asked)
		listener_table_remove(&l->checks_sent, &slot->node);
	if (slot->worker != NULL)
		slot->worker->n_checks--;
	slot->queued = slot->asked = false;
	slot->worker = NULL;
}

static void
enqueue_check(struct listener *l, struct listener_slot *slot)
{
	slot->queued = true;
	TAILQ_INSERT_TAIL(&l->checks, slot, queue);
}

void
listener_check_start(struct listener *l, struct listener_slot *slot)
{
	slot->until_ms = clock_steady_ms() + CHECK_MS;
	enqueue_check(l, slot);
	listener_dispatch(l);
}

void
listener_check_cancel(struct listener *l, struct listener_slot *slot)
{
	unlink_check(l, slot);
	listener_verify_cancel(l, slot);
}

static enum err
post_check(struct listener_worker *w, struct listener_slot *slot)
{
	struct listener *l = w->l;
	struct proto_rcpt_check m = {
	    .from_key = slot->session->msg->m.envelope.from_key,
	    .rcpt_key = slot->rcpt.to.key,
	    .client = slot->session->msg->m.envelope.client,
	    .auth_id = slot->session->msg->m.envelope.auth_id,
	    .auth_from = slot->session->msg->m.envelope.auth_from};
	enum err e;

	buf_reset(&l->scratch);
	e = proto_rcpt_check_pack(&m, &l->scratch);
	if (e == ERR_OK)
		e = ipc_post(w->ch, PROTO_RCPT_CHECK, l->next_id + 1,
		    buf_span(&l->scratch), NULL, 0);
	return e;
}

static void
send_check(struct listener_worker *w, struct listener_slot *slot)
{
	struct listener *l = w->l;

	if (post_check(w, slot) != ERR_OK) {
		w->failed = true; /* another worker, or this one anew */
		return;
	}
	unlink_check(l, slot);
	slot->asked = true;
	slot->worker = w;
	w->n_checks++;
	listener_table_put(&l->checks_sent, &slot->node, ++l->next_id);
}

static void
take_verdict(struct listener_worker *w, struct ipc_msg *msg, struct arena *a)
{
	struct listener *l = w->l;
	struct listener_slot *slot;
	struct listener_reply reply;
	struct proto_reply got;

	slot = listener_table_find(&l->checks_sent, msg->id);
	if (slot == NULL || slot->worker != w)
		return; /* nobody wants to know any more */
	unlink_check(l, slot);
	if (proto_reply_unpack(msg->payload, a, &got) != ERR_OK ||
	    (got.code != 250 && got.code < 400))
		listener_reply_set(
		    &reply, 451, "4.3.0", "Internal error, try again later");
	else
		listener_reply_set(
		    &reply, got.code, got.status, "%s", got.text);
	listener_session_verdict(slot, &reply);
}

/* The worker died: others are asked, unless too many have died of it. */
static void
requeue_checks(struct listener *l, struct listener_worker *w)
{
	struct listener_session *s, *next;
	struct listener_slot *slot;

	for (s = TAILQ_FIRST(&l->sessions); s != NULL; s = next) {
		next = TAILQ_NEXT(s, link);
		TAILQ_FOREACH(slot, &s->slots, link)
		{
			if (slot->worker != w)
				continue;
			unlink_check(l, slot);
			if (++slot->tries < CHECK_TRIES)
				enqueue_check(l, slot);
			else
				slot->until_ms = 0; /* the next tick says so */
		}
	}
}

/* --- the pool --- */

static void
remove_job(struct listener_worker *w, unsigned i)
{
	memmove(&w->job[i], &w->job[i + 1],
	    (w->n_jobs - i - 1) * sizeof(w->job[0]));
	w->n_jobs--;
}

static void
take_done(struct listener_worker *w, struct ipc_msg *msg, struct arena *a)
{
	struct proto_done done;

	if (proto_done_unpack(msg->payload, a, &done) != ERR_OK) {
		log_event(LOG_LVL_WARN, NULL, "worker-nonsense",
		    KV_NUM("worker", w->index));
		return;
	}
	for (unsigned i = 0; i < w->n_jobs; i++)
		if (w->job[i].id == msg->id &&
		    w->job[i].attempt == done.attempt) {
			remove_job(w, i);
			break;
		}
	listener_jobs_done(w->l, w, msg->id, &done);
}

static void
on_msg(void *arg, struct ipc_msg *msg)
{
	struct listener_worker *w = arg;
	struct listener *l = w->l;
	struct arena *a = arena_new(ARENA_MAX);

	if (a == NULL)
		fatal("out of memory");
	if (msg->type == PROTO_RCPT_VERDICT)
		take_verdict(w, msg, a);
	else if (msg->type == PROTO_DONE)
		take_done(w, msg, a);
	arena_free(a);
	listener_dispatch(l);
}

static void
on_close(void *arg)
{
	struct listener_worker *w = arg;
	struct listener *l = w->l;
	/* it works in order: what it had first is what it died of */
	uint64_t suspect = w->n_jobs > 0 ? w->job[0].id : 0;

	ipc_free(w->ch);
	w->ch = NULL;
	w->n_jobs = 0;
	requeue_checks(l, w);
	listener_jobs_orphaned(l, w, suspect);
	listener_dispatch(l);
}

void
listener_worker_attach(struct listener *l, unsigned i, struct ipc *ch)
{
	static const struct ipc_events events = {on_msg, on_close};
	struct listener_worker *w = &l->worker[i];

	if (w->ch != NULL)
		on_close(w);
	w->ch = ch;
	w->failed = false;
	ipc_attach(ch, l->loop, &events, w);
	listener_dispatch(l);
}

/* The worker with the least to do, none with more than max messages. */
static struct listener_worker *
pick(struct listener *l, unsigned max)
{
	struct listener_worker *best = NULL;

	for (unsigned i = 0; i < LIMIT_WORKERS_MAX; i++) {
		struct listener_worker *w = &l->worker[i];

		if (w->ch == NULL || w->failed || w->n_jobs > max)
			continue;
		if (best == NULL || w->n_jobs < best->n_jobs ||
		    (w->n_jobs == best->n_jobs && w->n_checks < best->n_checks))
			best = w;
	}
	return best;
}

/* A second message lies ready at a worker only when both are small: neither
   a look at a recipient nor the message waits for long. */
static struct listener_worker *
pick_for(struct listener *l, const struct listener_message *m)
{
	struct listener_worker *w = pick(l, 0);

	if (w != NULL || !TAILQ_EMPTY(&l->checks) || m->data.size > SMALL)
		return w;
	w = pick(l, LISTENER_WORKER_DEPTH - 1);
	return w != NULL && w->job[0].size <= SMALL ? w : NULL;
}

static void
send_message(struct listener_worker *w, struct listener_message *m)
{
	struct listener *l = w->l;
	enum err e;

	buf_reset(&l->scratch);
	e = proto_message_pack(&m->m, &l->scratch);
	if (e == ERR_OK)
		e = ipc_post(w->ch, PROTO_MESSAGE, m->node.id,
		    buf_span(&l->scratch), &m->data.fd, 1);
	if (e == ERR_CLOSED) {
		w->failed = true;
		return;
	}
	if (e != ERR_OK) {
		listener_jobs_fail(l, m, e);
		return;
	}
	w->job[w->n_jobs].id = m->node.id;
	w->job[w->n_jobs].attempt = m->m.attempt;
	w->job[w->n_jobs].size = m->data.size;
	w->n_jobs++;
	listener_jobs_sent(m, w);
}

void
listener_dispatch(struct listener *l)
{
	struct listener_worker *w;
	struct listener_message *m;
	struct listener_slot *slot;

	while ((slot = TAILQ_FIRST(&l->checks)) != NULL &&
	       (w = pick(l, 0)) != NULL)
		send_check(w, slot);
	while ((m = TAILQ_FIRST(&l->queue)) != NULL &&
	       (w = pick_for(l, m)) != NULL)
		send_message(w, m);
}
