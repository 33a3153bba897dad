/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A message is at most once at work: an attempt is numbered, and before it is
 * given to another worker store promises never to commit the old number
 * (PROTO_FENCE). Answers to an old number are ignored.
 */
#include "gateway/listener/jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/memfd.h"
#include "common/pack.h"
#include "gateway/conf.h"
#include "gateway/listener/session.h"
#include "gateway/listener/verify.h"

enum {
	COMMITTED_ARENA = 8 * 1024, /* octets of a reply */
	WAIT_END_MS = 5000,
};

void
listener_jobs_init(struct listener *l)
{
	TAILQ_INIT(&l->all_jobs);
	TAILQ_INIT(&l->queue);
}

void
listener_jobs_clear(struct listener *l)
{
	struct listener_message *m;

	while ((m = TAILQ_FIRST(&l->all_jobs)) != NULL)
		listener_message_free(l, m);
	ipc_free(l->store);
	l->store = NULL;
}

enum err
listener_jobs_intake(const struct listener *l)
{
	return l->store == NULL ? ERR_BUSY : l->intake;
}

/* --- the end --- */

static void
log_end(const struct listener_message *m, const struct listener_reply *r)
{
	log_event(r->code < 400 ? LOG_LVL_INFO : LOG_LVL_NOTICE, m->id,
	    "received", KV_STR("from", m->m.envelope.from),
	    KV_NUM("recipients", m->m.envelope.n_rcpt),
	    KV_NUM("size", m->data.size),
	    KV_STR("client", m->m.envelope.origin),
	    KV_NUM("attempt", m->m.attempt), KV_NUM("code", r->code),
	    KV_STR("status", r->status), KV_STR("text", r->text),
	    KV_NUM("ms", clock_steady_ms() - m->started_ms));
}

/* What a next hop said is its own. */
static void
add_id(const struct listener_message *m, struct listener_reply *r)
{
	size_t len = strlen(r->text);

	if (r->code < 400 && m->wait_until_ms == 0 &&
	    strstr(r->text, m->id) == NULL)
		snprintf(
		    r->text + len, sizeof(r->text) - len, " (id %s)", m->id);
}

/* Tell the session, if it is still there, and forget the message. */
static void
finish(struct listener *l, struct listener_message *m)
{
	struct listener_session *s = m->session;
	struct listener_reply r = m->reply, *each = m->each;

	m->each = NULL;
	add_id(m, &r);
	log_end(m, &r);
	listener_message_free(l, m);
	if (s != NULL)
		listener_session_answer(s, &r, each);
	free(each);
}

/* Something else counts than what the worker said of each. */
static void
forget_each(struct listener_message *m)
{
	free(m->each);
	m->each = NULL;
}

/* What a worker says of each recipient; LMTP alone asks it for that. */
static void
take_each(struct listener_message *m, const struct proto_done *done)
{
	forget_each(m);
	if (done->n_each == 0 || done->n_each != m->m.envelope.n_rcpt)
		return;
	m->each = calloc(done->n_each, sizeof(*m->each));
	if (m->each == NULL)
		fatal("out of memory");
	for (uint32_t i = 0; i < done->n_each; i++) {
		const struct proto_reply *r = &done->each[i];

		listener_reply_set(
		    &m->each[i], r->code, r->status, "%s", r->text);
		add_id(m, &m->each[i]);
	}
}

static void
finish_err(struct listener *l, struct listener_message *m, enum err e)
{
	int code = err_smtp(e);

	/* 421 would end the session, others do not belong here */
	if (code / 10 != 45 && code / 10 != 55)
		code = code >= 500 ? 554 : 451;
	forget_each(m);
	listener_reply_set(
	    &m->reply, code, err_status(e), "Not accepted: %s", err_text(e));
	finish(l, m);
}

void
listener_jobs_fail(struct listener *l, struct listener_message *m, enum err e)
{
	finish_err(l, m, e);
}

/* --- the crash table --- */

/* SHA-256 of envelope and body: what a message is, however often it comes. */
static enum err
hash_message(struct listener *l, struct listener_message *m)
{
	const struct proto_envelope *env = &m->m.envelope;
	struct memfd_map map = {0};
	struct span parts[2];
	struct packer p;
	enum err e;

	buf_reset(&l->scratch);
	pack_begin(&p, &l->scratch);
	pack_str(&p, env->from);
	for (uint32_t i = 0; i < env->n_rcpt; i++)
		pack_str(&p, env->rcpt[i].addr);
	e = pack_end(&p);
	if (e == ERR_OK)
		e = memfd_map(m->data.fd, m->data.size, &map);
	if (e != ERR_OK)
		return e;
	parts[0] = buf_span(&l->scratch);
	parts[1] = map.data;
	digest_sha256(parts, 2, m->hash);
	memfd_unmap(&map);
	m->hashed = true;
	return ERR_OK;
}

/* Is it known to kill workers? The hash is not made unless one was killed. */
static enum err
look_up_crashes(struct listener *l, struct listener_message *m)
{
	enum err e = ERR_OK;

	if (l->limits.n_crashes == 0)
		return ERR_OK;
	if (!m->hashed)
		e = hash_message(l, m);
	if (e == ERR_OK)
		m->m.unparsed = listener_limits_crashes(&l->limits, m->hash) >=
				LIMIT_CRASHES;
	return e;
}

static void
count_crash(struct listener *l, struct listener_message *m)
{
	unsigned n = 0;

	if (!m->hashed && hash_message(l, m) != ERR_OK)
		m->give_up = true;
	else
		n = listener_limits_crashed(&l->limits, m->hash);
	/* not even looking into it helped */
	if (m->m.unparsed)
		m->give_up = true;
	log_event(LOG_LVL_ERR, m->id, "worker-died",
	    KV_NUM("attempt", m->m.attempt), KV_NUM("crashes", n));
}

/* --- on the way --- */

static void
enqueue(struct listener *l, struct listener_message *m)
{
	enum err e = look_up_crashes(l, m);

	if (e != ERR_OK) {
		finish_err(l, m, e);
		return;
	}
	m->state = LISTENER_JOB_QUEUED;
	TAILQ_INSERT_TAIL(&l->queue, m, queue);
	listener_dispatch(l);
}

void
listener_jobs_answered(struct listener *l, struct listener_message *m)
{
	listener_lookups_cancel(l, m);
	enqueue(l, m);
}

void
listener_jobs_start(struct listener *l, struct listener_message *m)
{
	m->state = LISTENER_JOB_LOOKUPS;
	m->started_ms = clock_steady_ms();
	listener_table_put(&l->jobs, &m->node, m->node.id);
	TAILQ_INSERT_TAIL(&l->all_jobs, m, link);
	listener_register(l, m);
	listener_wake_tick(l);
	if (TAILQ_EMPTY(&m->lookups) || m->started_ms >= m->lookups_until_ms)
		listener_jobs_answered(l, m);
}

void
listener_jobs_sent(struct listener_message *m, struct listener_worker *w)
{
	TAILQ_REMOVE(&w->l->queue, m, queue);
	m->state = LISTENER_JOB_WORKING;
	m->worker = w;
	m->done = m->committed = false;
}

/* --- fences --- */

/* Ask store, now or when it is back. */
static void
fence(struct listener *l, struct listener_message *m)
{
	struct packer p;
	enum err e = ERR_CLOSED;

	m->state = LISTENER_JOB_FENCING;
	m->fenced_ms = clock_steady_ms();
	if (l->store == NULL)
		return;
	buf_reset(&l->scratch);
	pack_begin(&p, &l->scratch);
	pack_u32(&p, m->m.attempt);
	e = pack_end(&p);
	if (e == ERR_OK)
		e = ipc_post(l->store, PROTO_FENCE, m->node.id,
		    buf_span(&l->scratch), NULL, 0);
	if (e != ERR_OK && e != ERR_CLOSED)
		log_event(LOG_LVL_ERR, m->id, "fence", KV_ERR(e));
}

void
listener_jobs_orphaned(
    struct listener *l, const struct listener_worker *w, uint64_t suspect)
{
	struct listener_message *m;

	TAILQ_FOREACH(m, &l->all_jobs, link)
	{
		if (m->worker != w)
			continue;
		m->worker = NULL;
		if (m->node.id == suspect && !m->done)
			count_crash(l, m);
		fence(l, m);
	}
}

/* The attempt is over and left nothing: another one, or the end. */
static void
retry(struct listener *l, struct listener_message *m)
{
	forget_each(m);
	if (m->give_up || clock_steady_ms() - m->started_ms >= LIMIT_JOB_MS) {
		listener_reply_set(
		    &m->reply, 451, "4.3.0", "Internal error, try again later");
		finish(l, m);
		return;
	}
	m->m.attempt++;
	m->worker = NULL;
	m->done = m->committed = false;
	enqueue(l, m);
}

/* --- the next hop's own reply --- */

static void
post_wait_end(struct listener *l, const struct listener_message *m, bool keep)
{
	struct packer p;
	enum err e = ERR_CLOSED;

	buf_reset(&l->scratch);
	pack_begin(&p, &l->scratch);
	pack_bool(&p, keep);
	e = pack_end(&p);
	/* a store that comes back is asked, and tells */
	if (e == ERR_OK && l->store != NULL)
		e = ipc_post(l->store, PROTO_WAIT_END, m->node.id,
		    buf_span(&l->scratch), NULL, 0);
	if (e != ERR_OK && e != ERR_CLOSED)
		log_event(LOG_LVL_ERR, m->id, "wait-end", KV_ERR(e));
}

/* Nobody is there to be answered: it will be sent again. */
static void
abandon(struct listener *l, struct listener_message *m)
{
	log_event(LOG_LVL_NOTICE, m->id, "abandoned",
	    KV_STR("client", m->m.envelope.origin));
	post_wait_end(l, m, false);
	listener_message_free(l, m);
}

void
listener_jobs_leave(struct listener *l, struct listener_message *m)
{
	m->session = NULL;
	if (m->state == LISTENER_JOB_WAITING)
		abandon(l, m);
}

void
listener_jobs_stop(struct listener *l)
{
	struct listener_message *m;

	TAILQ_FOREACH(m, &l->all_jobs, link)
	if (m->state == LISTENER_JOB_WAITING)
		post_wait_end(l, m, true);
}

/* No longer than the client has patience for, whatever came before. */
static void
wait_for_hop(struct listener *l, struct listener_message *m)
{
	uint64_t end = m->started_ms + LIMIT_JOB_MS;

	m->state = LISTENER_JOB_WAITING;
	m->committed = true;
	if (m->wait_until_ms == 0)
		m->wait_until_ms =
		    clock_steady_ms() + listener_conf(l)->limits.wait_ms;
	if (m->wait_until_ms > end)
		m->wait_until_ms = end;
	if (m->session == NULL)
		abandon(l, m);
	else if (l->stopping)
		post_wait_end(l, m, true);
}

static void
pass_on(
    struct listener *l, struct listener_message *m, const struct proto_reply *r)
{
	listener_reply_set(&m->reply, r->code, r->status, "%s", r->text);
	/* whom we had refused before it did not hear of */
	for (uint32_t i = 0; m->each != NULL && i < m->m.envelope.n_rcpt; i++)
		if (m->each[i].code < 400)
			m->each[i] = m->reply;
	finish(l, m);
}

/* It is committed, and the worker that should say what became of whom is gone.
   By LMTP some may have been refused, and nobody would hear of that: those who
   were not get it twice. */
static void
finish_unsaid(struct listener *l, struct listener_message *m)
{
	if (m->m.lmtp)
		listener_reply_set(
		    &m->reply, 451, "4.3.0", "Internal error, try again later");
	else
		listener_reply_set(&m->reply, 250, "2.0.0", "Accepted");
	finish(l, m);
}

/* --- what store says --- */

static void
take_committed(struct listener *l, struct listener_message *m,
    const struct proto_committed *c)
{
	enum err result = c->result;

	if (result == ERR_FENCED) {
		retry(l, m);
	} else if (result == ERR_OK && c->waits) {
		wait_for_hop(l, m);
	} else if (result == ERR_OK && c->reply.code != 0) {
		pass_on(l, m, &c->reply);
	} else if (result != ERR_OK) {
		/* what store cannot do is never the message's fault */
		finish_err(
		    l, m, err_smtp(result) < 500 ? result : ERR_INTERNAL);
	} else if (m->done) {
		finish(l, m);
	} else if (m->worker != NULL && !m->give_up) {
		/* it still has a word to say */
		m->committed = true;
		m->state = LISTENER_JOB_WORKING;
	} else {
		finish_unsaid(l, m);
	}
}

static void
on_committed(struct listener *l, struct ipc_msg *msg)
{
	struct listener_message *m = listener_table_find(&l->jobs, msg->id);
	struct arena *a = arena_new(COMMITTED_ARENA);
	struct proto_committed c;

	if (a == NULL)
		fatal("out of memory");
	if (proto_committed_unpack(msg->payload, a, &c) != ERR_OK)
		log_event(LOG_LVL_WARN, NULL, "store-nonsense",
		    KV_NUM("type", msg->type));
	else if (m != NULL && c.attempt == m->m.attempt &&
		 (m->state == LISTENER_JOB_WORKING ||
		     m->state == LISTENER_JOB_FENCING ||
		     m->state == LISTENER_JOB_WAITING))
		take_committed(l, m, &c);
	arena_free(a);
}

static void
on_intake(struct listener *l, struct ipc_msg *msg)
{
	struct unpacker u;
	uint32_t code;

	unpack_begin(&u, msg->payload);
	code = unpack_u32(&u);
	if (unpack_end(&u) != ERR_OK || code >= ERR_COUNT)
		return;
	if (l->intake != (enum err)code)
		log_event(
		    LOG_LVL_NOTICE, NULL, "intake", KV_ERR((enum err)code));
	l->intake = (enum err)code;
}

static void
on_msg(void *arg, struct ipc_msg *msg)
{
	struct listener *l = arg;

	if (msg->type == PROTO_COMMITTED)
		on_committed(l, msg);
	else if (msg->type == PROTO_INTAKE)
		on_intake(l, msg);
	else if (msg->type == PROTO_TLS_KNOWN)
		listener_lookup_known(l, msg->id);
	else if (msg->type == PROTO_VERIFIED)
		listener_verify_recall(l, msg->payload);
}

/* What was on its way is asked about when store is back. */
static void
on_close(void *arg)
{
	struct listener *l = arg;

	ipc_free(l->store);
	l->store = NULL;
	listener_lookups_store_gone(l);
}

void
listener_store_attach(struct listener *l, struct ipc *ch)
{
	static const struct ipc_events events = {on_msg, on_close};
	struct listener_message *m;

	ipc_free(l->store);
	l->store = ch;
	l->intake = ERR_OK;
	ipc_attach(ch, l->loop, &events, l);
	/* Answers to these may have died with the old one. Those that are
	   committed stay so, and wait for their worker alone. */
	TAILQ_FOREACH(m, &l->all_jobs, link)
	if (m->state == LISTENER_JOB_WAITING ||
	    ((m->state == LISTENER_JOB_WORKING ||
		 m->state == LISTENER_JOB_FENCING) &&
		!m->committed))
		fence(l, m);
}

/* --- what workers say --- */

void
listener_jobs_done(struct listener *l, struct listener_worker *w, uint64_t id,
    const struct proto_done *done)
{
	struct listener_message *m = listener_table_find(&l->jobs, id);
	const struct proto_reply *r = &done->reply;

	if (m == NULL || m->worker != w || m->m.attempt != done->attempt)
		return;
	listener_reply_set(&m->reply, r->code, r->status, "%s", r->text);
	take_each(m, done);
	m->done = true;
	if (done->submitted) {
		if (m->committed && m->wait_until_ms == 0)
			finish(l, m);
		return;
	}
	if (r->code < 400) { /* it stands nowhere: never 250 */
		log_event(LOG_LVL_ERR, m->id, "worker-reply",
		    KV_NUM("code", r->code));
		finish_err(l, m, ERR_INTERNAL);
		return;
	}
	finish(l, m);
}

/* --- time --- */

/* Is there something to do for it now? Then it is done, and the message may
   be gone, and others with it. */
static bool
tick_one(struct listener *l, struct listener_message *m, uint64_t now_ms)
{
	/* what this tick has begun is younger than now_ms */
	bool late = now_ms >= m->started_ms + LIMIT_JOB_MS;

	switch (m->state) {
	case LISTENER_JOB_RECEIVING:
		break;
	case LISTENER_JOB_LOOKUPS:
		if (now_ms < m->lookups_until_ms)
			break;
		listener_jobs_answered(l, m);
		return true;
	case LISTENER_JOB_QUEUED:
		if (!late)
			break;
		finish_err(l, m, ERR_BUSY);
		return true;
	case LISTENER_JOB_WORKING:
		if (!late)
			break;
		log_event(LOG_LVL_ERR, m->id, "late",
		    KV_NUM("attempt", m->m.attempt));
		m->give_up = true;
		fence(l, m);
		return true;
	case LISTENER_JOB_FENCING:
		/* store is gone for good: the client asks again anyway */
		if (!late || now_ms < m->fenced_ms + LIMIT_FENCE_MS)
			break;
		finish_err(l, m, ERR_TIMEOUT);
		return true;
	case LISTENER_JOB_WAITING:
		if (listener_io_is_gone(m->session)) {
			listener_session_free(m->session);
			return true;
		}
		if (now_ms < m->wait_until_ms)
			break;
		/* who has closed the sending end may still hear the next hop's
		   word, but more likely is gone and sends it again: ours it
		   does not get */
		if (listener_io_is_half_gone(m->session)) {
			listener_session_free(m->session);
			return true;
		}
		/* said again until it is answered */
		m->wait_until_ms = now_ms + WAIT_END_MS;
		post_wait_end(l, m, true);
		break;
	}
	return false;
}

void
listener_jobs_tick(struct listener *l, uint64_t now_ms)
{
	struct listener_message *m = TAILQ_FIRST(&l->all_jobs);

	while (m != NULL)
		m = tick_one(l, m, now_ms) ? TAILQ_FIRST(&l->all_jobs)
					   : TAILQ_NEXT(m, link);
}
