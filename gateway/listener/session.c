/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A session goes on whenever something has happened: octets, room for
 * answers, a worker's word, time. listener_session_resume() is the only place
 * where it does, and where it is freed.
 */
#include "gateway/listener/session.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "gateway/conf.h"
#include "gateway/entry.h"
#include "gateway/listener/jobs.h"
#include "gateway/listener/lmtp.h"
#include "gateway/listener/proxy.h"
#include "gateway/pickup_word.h"
#include "net/tls_server.h"

enum {
	ROUNDS = 16,	  /* reads before others get their turn */
	PROXY_MS = 10000, /* for the header of a proxy */
};

static const struct {
	enum listener_state state;
	const char *name;
} state_names[] = {
    {LISTENER_HELO, "helo"},
    {LISTENER_READY, "ready"},
    {LISTENER_MAIL, "mail"},
    {LISTENER_RCPT, "rcpt"},
    {LISTENER_CHUNKS, "chunks"},
    {LISTENER_DATA, "data"},
    {LISTENER_BDAT, "bdat"},
    {LISTENER_JOB, "job"},
    {LISTENER_HANDSHAKE, "handshake"},
    {LISTENER_AUTH_LINE, "auth-line"},
    {LISTENER_AUTH, "auth"},
    {LISTENER_PROXY, "proxy"},
};

const char *
listener_state_name(enum listener_state state)
{
	for (size_t i = 0; i < sizeof(state_names) / sizeof(*state_names); i++)
		if (state_names[i].state == state)
			return state_names[i].name;
	return "?";
}

void
listener_session_set_state(
    struct listener_session *s, enum listener_state state)
{
	if (s->state == state)
		return;
	log_event(LOG_LVL_DEBUG, s->id, "state",
	    KV_STR("from", listener_state_name(s->state)),
	    KV_STR("to", listener_state_name(state)));
	s->state = state;
}

void
listener_session_be_patient(struct listener_session *s)
{
	s->deadline_ms =
	    clock_steady_ms() + listener_conf(s->l)->limits.idle_ms;
}

/* --- answers --- */

void
listener_session_line(
    struct listener_session *s, int code, bool last, const char *fmt, ...)
{
	char text[LISTENER_REPLY_TEXT + 16];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* a client that never reads its answers gets no more of them */
	if (buf_printf(&s->out, "%d%c%s\r\n", code, last ? ' ' : '-', text) !=
	    ERR_OK)
		s->dead = true;
}

void
listener_session_reply(
    struct listener_session *s, const struct listener_reply *r)
{
	listener_session_line(s, r->code, true, "%s%s%s", r->status,
	    r->status[0] == '\0' ? "" : " ", r->text);
}

void
listener_session_say(struct listener_session *s, int code, const char *status,
    const char *fmt, ...)
{
	struct listener_reply r;
	char text[LISTENER_REPLY_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	listener_reply_set(&r, code, status, "%s", text);
	listener_session_reply(s, &r);
}

void
listener_session_end(struct listener_session *s)
{
	s->closing = true;
}

void
listener_session_error(struct listener_session *s)
{
	listener_rates_add(
	    &s->l->rates, &s->client, LISTENER_RATE_ERROR, clock_steady_ms());
	if (++s->errors < listener_conf(s->l)->limits.errors || s->closing)
		return;
	listener_session_say(s, 421, "4.7.0", "Too many errors, goodbye");
	log_event(LOG_LVL_NOTICE, s->id, "too-many-errors",
	    KV_STR("client", s->peer));
	listener_session_end(s);
}

/* --- the message in progress --- */

/* What a proxy has said of one message's client is nothing of the next. */
static void
forget_forwarded(struct listener_session *s)
{
	s->xforward_addr[0] = s->xforward_name[0] = s->xforward_helo[0] = '\0';
}

static void
drop_slots(struct listener_session *s)
{
	struct listener_slot *slot;

	while ((slot = TAILQ_FIRST(&s->slots)) != NULL) {
		listener_check_cancel(s->l, slot);
		TAILQ_REMOVE(&s->slots, slot, link);
		free(slot);
	}
	s->n_slots = 0;
}

void
listener_session_drop_message(struct listener_session *s)
{
	drop_slots(s);
	if (s->state == LISTENER_JOB && s->msg != NULL)
		listener_jobs_leave(s->l, s->msg); /* it goes on without us */
	else
		listener_message_free(s->l, s->msg);
	s->msg = NULL;
	listener_lmtp_forget(s);
	forget_forwarded(s);
}

void
listener_session_answer(struct listener_session *s,
    const struct listener_reply *r, const struct listener_reply *each)
{
	s->msg = NULL;
	forget_forwarded(s);
	listener_session_set_state(s, LISTENER_READY);
	listener_lmtp_reply(s, r, each);
	listener_lmtp_forget(s);
	listener_session_be_patient(s);
	if (s->l->stopping)
		listener_session_stop(s);
	else
		listener_session_resume(s);
}

static void
accept_rcpt(struct listener_session *s, struct listener_slot *slot)
{
	struct listener_message *m = s->msg;
	uint32_t i;

	if (slot->reply.code != 250)
		return;
	if (listener_message_find_rcpt(m, &slot->rcpt.to, &i)) {
		listener_lmtp_note(s, i);
		return;
	}
	if (listener_message_add_rcpt(m, &slot->rcpt) != ERR_OK) {
		listener_reply_set(
		    &slot->reply, 452, "4.3.1", "Not enough memory");
		return;
	}
	listener_lmtp_note(s, m->m.envelope.n_rcpt - 1);
	if (!s->inbound &&
	    !pickup_reply_is(listener_conf(s->l), slot->rcpt.to.key))
		listener_lookup_start(s->l, m, m->m.envelope.n_rcpt - 1);
	listener_session_set_state(s, LISTENER_RCPT);
}

void
listener_session_flush_slots(struct listener_session *s)
{
	struct listener_slot *slot;

	while ((slot = TAILQ_FIRST(&s->slots)) != NULL && slot->done) {
		accept_rcpt(s, slot);
		listener_session_reply(s, &slot->reply);
		if (slot->is_error)
			listener_session_error(s);
		TAILQ_REMOVE(&s->slots, slot, link);
		s->n_slots--;
		free(slot);
	}
}

void
listener_session_verdict(
    struct listener_slot *slot, const struct listener_reply *r)
{
	struct listener_session *s = slot->session;

	slot->reply = *r;
	slot->done = true;
	if (slot == TAILQ_FIRST(&s->slots)) {
		listener_session_flush_slots(s);
		listener_session_be_patient(s);
		listener_session_resume(s);
	}
}

/* --- commands --- */

static bool
run_line(struct listener_session *s, const uint8_t *p, size_t len)
{
	bool crlf = len > 0 && p[len - 1] == '\r';

	if (s->skip_line || len > LIMIT_COMMAND_LINE) {
		if (!TAILQ_EMPTY(&s->slots))
			return false;
		listener_session_say(s, 500, "5.5.2",
		    "Command longer than %u octets", LIMIT_COMMAND_LINE);
		listener_session_error(s);
		s->skip_line = false;
	} else if (!crlf) {
		if (!TAILQ_EMPTY(&s->slots))
			return false;
		listener_session_say(
		    s, 500, "5.5.2", "Lines must end in CRLF, not in LF");
		listener_session_error(s);
	} else if (s->state == LISTENER_AUTH_LINE) {
		listener_auth_response(s, SPAN(p, len - 1));
	} else if (!listener_command_run(s, SPAN(p, len - 1))) {
		return false;
	}
	return true;
}

/* One command. false: none is there, or it must wait. The place behind the
   line is taken first, so that a command can see what stands behind it. */
static bool
step_command(struct listener_session *s)
{
	size_t n = s->in_len - s->in_at, at = s->in_at;
	const uint8_t *lf = memchr(s->in + at, '\n', n);
	size_t len;

	if (lf == NULL) {
		if (n > LIMIT_COMMAND_LINE) {
			s->skip_line = true;
			s->in_at = s->in_len;
		}
		return false;
	}
	len = (size_t)(lf - (s->in + at));
	s->in_at = at + len + 1;
	if (!run_line(s, s->in + at, len)) {
		s->in_at = at;
		return false;
	}
	listener_session_be_patient(s);
	return true;
}

/* --- the beginning --- */

void
listener_session_greet(struct listener_session *s)
{
	s->greeted = true;
	listener_session_line(s, 220, true, "%s %s Sealgate",
	    listener_conf(s->l)->hostname, s->lmtp ? "LMTP" : "ESMTP");
}

/* With implicit TLS not an octet is said or read before. */
static void
begin(struct listener_session *s, bool implicit_tls)
{
	struct listener *l = s->l;

	if (!implicit_tls) {
		listener_session_greet(s);
		return;
	}
	listener_session_set_state(s, LISTENER_HANDSHAKE);
	if (s->section >= l->n_sections || l->section[s->section].tls == NULL ||
	    net_tls_server_conn_new(
		l->section[s->section].tls, s->fd, &s->tls) != ERR_OK)
		s->closing = true;
}

/* The header of a proxy, before anything else: TLS comes behind it. */
static bool
step_proxy(struct listener_session *s)
{
	struct sockaddr_storage client;
	size_t used = 0;
	enum listener_proxy got = listener_proxy_parse(
	    SPAN(s->in + s->in_at, s->in_len - s->in_at), &used, &client);

	if (got == LISTENER_PROXY_MORE)
		return false;
	if (got == LISTENER_PROXY_BAD) {
		log_event(LOG_LVL_WARN, s->id, "proxy-header",
		    KV_STR("client", s->peer));
		s->closing = true;
		return false;
	}
	s->in_at += used;
	listener_session_set_state(s, LISTENER_HELO);
	if (got == LISTENER_PROXY_CLIENT &&
	    !listener_session_become(s, (const struct sockaddr *)&client)) {
		listener_session_full(s);
		return false;
	}
	listener_session_be_patient(s);
	begin(s, listener_conf(s->l)->listen[s->section].implicit_tls);
	return true;
}

/* false: nothing can be done before something happens. */
static bool
step(struct listener_session *s)
{
	size_t before = s->in_at;

	if (s->closing || s->dead || s->out.len >= LISTENER_OUT_FULL)
		return false;
	switch (s->state) {
	case LISTENER_PROXY:
		return step_proxy(s);
	case LISTENER_DATA:
		if (s->in_at < s->in_len)
			listener_receive_data(s);
		return s->in_at != before;
	case LISTENER_BDAT:
		listener_receive_chunk(s);
		return s->in_at != before || s->state != LISTENER_BDAT;
	case LISTENER_JOB:
	case LISTENER_HANDSHAKE:
	case LISTENER_AUTH:
		return false;
	case LISTENER_AUTH_LINE:
	case LISTENER_HELO:
	case LISTENER_READY:
	case LISTENER_MAIL:
	case LISTENER_RCPT:
	case LISTENER_CHUNKS:
		return step_command(s);
	}
	return false;
}

static enum listener_step
handshake(struct listener_session *s)
{
	enum listener_step step = listener_io_handshake(s);

	if (step == LISTENER_STEP_END)
		log_event(LOG_LVL_NOTICE, s->id, "tls-failed",
		    KV_STR("client", s->peer));
	if (step != LISTENER_STEP_GO)
		return step;
	net_tls_server_describe(s->tls, s->tls_text, sizeof(s->tls_text));
	s->tls_done = true;
	listener_auth_take_certificate(s);
	listener_session_set_state(s, LISTENER_HELO);
	listener_session_be_patient(s);
	if (!s->greeted)
		listener_session_greet(s);
	return LISTENER_STEP_GO;
}

static bool
may_read(const struct listener_session *s)
{
	return !s->closing && s->state != LISTENER_JOB &&
	       s->state != LISTENER_AUTH && TAILQ_EMPTY(&s->slots) &&
	       s->out.len < LISTENER_OUT_FULL;
}

/* Octets that no poll will report must be read now. */
static bool
may_rest(const struct listener_session *s)
{
	return s->tls == NULL || !net_tls_server_has_pending(s->tls);
}

/* Do what has been read and send the answers. GO: all of it is done, and more
   may be read. */
static enum listener_step
work_off(struct listener_session *s)
{
	enum listener_step wrote;
	bool full;

	do {
		while (step(s))
			continue;
		full = s->out.len >= LISTENER_OUT_FULL;
		wrote = listener_io_write(s);
		if (s->dead)
			return LISTENER_STEP_END;
	} while (full && wrote == LISTENER_STEP_GO && !s->closing);
	if (wrote != LISTENER_STEP_GO)
		return wrote;
	if (s->closing)
		return LISTENER_STEP_END;
	return may_read(s) ? LISTENER_STEP_GO : LISTENER_STEP_WAIT;
}

static enum listener_step
go_on(struct listener_session *s)
{
	enum listener_step next = work_off(s);

	for (int i = 0; next == LISTENER_STEP_GO; i++) {
		/* nothing lies here any more that no poll would report */
		if (i >= ROUNDS && may_rest(s))
			break;
		next = s->state == LISTENER_HANDSHAKE ? handshake(s)
						      : listener_io_read(s);
		if (next == LISTENER_STEP_GO)
			next = work_off(s);
	}
	return next;
}

void
listener_session_resume(struct listener_session *s)
{
	if (s->running)
		return;
	s->running = true;
	s->tls_wants_write = false;
	if (go_on(s) == LISTENER_STEP_END) {
		listener_session_free(s);
		return;
	}
	s->running = false;
	listener_io_watch(s);
}

static void
on_io(void *arg, unsigned events)
{
	listener_session_resume(arg);
}

/* --- beginning and end --- */

void
listener_session_start(
    struct listener *l, int fd, const struct sockaddr *peer, unsigned section)
{
	const struct conf *conf = listener_conf(l);
	const struct conf_listen *at = &conf->listen[section];
	struct listener_session *s = calloc(1, sizeof(*s));
	int on = 1;

	if (s != NULL)
		s->in = malloc(LISTENER_IN);
	if (s == NULL || s->in == NULL)
		fatal("out of memory");
	s->l = l;
	s->fd = fd;
	s->client = listener_client_of(peer);
	listener_session_set_peer(s, peer);
	text_id(entry_new_id(), s->id);
	s->section = section;
	s->inbound = at->inbound;
	listener_session_set_rights(s, peer);
	s->max_size = at->message_size;
	s->state = LISTENER_HELO;
	TAILQ_INIT(&s->slots);
	s->lmtp = at->lmtp;
	buf_init(&s->out, s->lmtp ? LISTENER_OUT_LMTP : LISTENER_OUT);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	s->io = loop_io_new(l->loop, fd, on_io, s);
	TAILQ_INSERT_TAIL(&l->sessions, s, link);
	log_event(LOG_LVL_DEBUG, s->id, "connect", KV_STR("client", s->peer));
	listener_session_be_patient(s);
	listener_wake_tick(l);
	if (conf_net_matches(at->proxies, at->n_proxies, peer)) {
		listener_session_set_state(s, LISTENER_PROXY);
		s->deadline_ms = clock_steady_ms() + PROXY_MS;
	} else {
		begin(s, at->implicit_tls);
	}
	listener_session_resume(s);
}

void
listener_session_free(struct listener_session *s)
{
	struct listener *l = s->l;

	listener_session_drop_message(s);
	listener_auth_clear(s);
	net_tls_server_conn_free(s->tls);
	loop_io_free(s->io);
	close(s->fd);
	TAILQ_REMOVE(&l->sessions, s, link);
	listener_limits_leave(&l->limits, &s->client);
	log_event(
	    LOG_LVL_DEBUG, s->id, "disconnect", KV_STR("client", s->peer));
	buf_clear(&s->out);
	free(s->in);
	free(s);
}

void
listener_session_stop(struct listener_session *s)
{
	if (s->state == LISTENER_JOB || s->state == LISTENER_DATA ||
	    s->state == LISTENER_BDAT || s->state == LISTENER_CHUNKS)
		return;
	if (s->greeted && s->state != LISTENER_HANDSHAKE && !s->closing)
		listener_session_say(
		    s, 421, "4.3.2", "Shutting down, try again in a moment");
	listener_session_end(s);
	listener_session_resume(s);
}
