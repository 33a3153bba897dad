/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * MAIL and RCPT: who may send what to whom, and what of it is asked of others
 * first. RFC 5321 sections 4.1.1.2 and 4.1.1.3.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/arena.h"
#include "common/log.h"
#include "gateway/conf.h"
#include "gateway/entry.h"
#include "gateway/listener/commands.h"
#include "gateway/listener/jobs.h"
#include "gateway/listener/lmtp.h"
#include "gateway/listener/session.h"
#include "gateway/listener/verify.h"
#include "gateway/pickup_word.h"

enum { MAX_SLOTS = 64 /* recipients a client is ahead of our answers */ };

/* --- envelope --- */

/* Copies of what the session knows: the message may outlive it. */
static enum err
fill_envelope(struct listener_session *s, struct listener_message *m,
    const struct listener_mail *mail)
{
	struct proto_envelope *env = &m->m.envelope;
	bool other = s->xforward_addr[0] != '\0';

	env->from = mail->from.text;
	env->from_key = mail->from.key;
	env->envid = mail->envid;
	env->ret_hdrs = mail->ret_hdrs;
	env->smtputf8 = mail->smtputf8;
	env->body_8bit = mail->body_8bit;
	env->body_binary = mail->body_binary;
	env->requiretls = mail->requiretls;
	env->client = arena_strdup(m->arena, s->peer);
	env->origin =
	    arena_strdup(m->arena, other ? s->xforward_addr : s->peer);
	env->client_name = arena_strdup(
	    m->arena, other || s->xforward_name[0] != '\0' ? s->xforward_name
							   : s->client_name);
	env->helo = arena_strdup(
	    m->arena, s->xforward_helo[0] != '\0' ? s->xforward_helo : s->helo);
	env->auth_id = env->auth_from = "";
	if (s->auth.id != NULL) {
		env->auth_id = arena_strdup(m->arena, s->auth.id);
		env->auth_from = arena_strdup(m->arena, s->auth.from);
	}
	env->tls = arena_strdup(m->arena, s->tls_text);
	return env->client == NULL || env->origin == NULL ||
		       env->helo == NULL || env->tls == NULL ||
		       env->client_name == NULL || env->auth_id == NULL ||
		       env->auth_from == NULL
		   ? ERR_NOMEM
		   : ERR_OK;
}

static void
refuse_size(struct listener_session *s, enum err e)
{
	if (e == ERR_TOO_BIG)
		listener_session_say(s, 552, "5.3.4",
		    "Messages of more than %llu octets are not taken",
		    (unsigned long long)s->max_size);
	else
		listener_session_say(
		    s, 452, "4.3.1", "Not enough memory now, try again later");
}

/* Why no mail may come has its own code where that is a temporary one. */
static void
refuse_intake(struct listener_session *s, enum err e)
{
	bool own = err_smtp(e) / 10 == 45;

	listener_session_say(s, own ? err_smtp(e) : 451,
	    own ? err_status(e) : "4.3.0", "No mail can be taken now: %s",
	    err_text(e));
}

/* Who has signed in writes as itself; the null sender is everybody's. */
static bool
may_send_as(const struct listener_session *s, const struct mime_addr *from)
{
	return s->auth.id == NULL || from->key[0] == '\0' ||
	       entry_auth_may_use(s->auth.from, from->key, true);
}

/* The parameters of MAIL, and room for the message. */
static bool
begin_message(
    struct listener_session *s, struct listener_message *m, struct span args)
{
	struct listener_mail mail;
	struct listener_reply why;
	enum err e;

	if (listener_parse_mail(args, m->arena, &mail, &why) != ERR_OK) {
		listener_session_reply(s, &why);
		listener_session_error(s);
		return false;
	}
	if (mail.requiretls && s->tls == NULL) {
		listener_session_say(s, 530, "5.7.10",
		    "REQUIRETLS is for sessions with TLS: say STARTTLS first");
		listener_session_error(s);
		return false;
	}
	if (!may_send_as(s, &mail.from)) {
		listener_session_say(s, 553, "5.7.1", "%s may not send as <%s>",
		    s->auth.id, mail.from.text);
		listener_session_error(s);
		return false;
	}
	e = listener_data_init(&m->data, &s->l->limits,
	    listener_conf(s->l)->limits.memory, s->max_size, mail.size);
	m->data.normalise = s->normalise;
	m->data.binary = mail.body_binary;
	if (e == ERR_OK)
		e = fill_envelope(s, m, &mail);
	if (e != ERR_OK)
		refuse_size(s, e);
	return e == ERR_OK;
}

bool
listener_run_mail(struct listener_session *s, struct span args)
{
	enum err e = listener_jobs_intake(s->l);
	struct listener_message *m = NULL;

	if (s->messages >= listener_conf(s->l)->limits.messages) {
		listener_session_say(s, 421, "4.7.0",
		    "Enough messages for one session, connect again");
		listener_session_end(s);
		return true;
	}
	if (e == ERR_OK)
		e = listener_message_new(&m);
	if (e != ERR_OK) {
		refuse_intake(s, e);
		return true;
	}
	if (!begin_message(s, m, args)) {
		listener_message_free(s->l, m);
		return true;
	}
	m->m.inbound = s->inbound;
	m->m.lmtp = s->lmtp;
	s->msg = m;
	s->messages++;
	listener_session_set_state(s, LISTENER_MAIL);
	listener_session_say(s, 250, "2.1.0", "Sender accepted");
	return true;
}

/* <postmaster>, and postmaster at our own name, go where the configuration
   says; postmaster of our domains goes there as it is. Always accepted (RFC
   5321 4.5.1). */
static bool
is_postmaster(struct listener_session *s, struct listener_rcpt *rcpt)
{
	const struct conf *conf = listener_conf(s->l);
	const char *domain = rcpt->to.domain;

	if (strcasecmp(rcpt->to.local, "postmaster") != 0)
		return false;
	if (domain[0] != '\0' && strcasecmp(domain, conf->hostname) != 0)
		return conf_domain_is_ours(conf, span_str(domain));
	return mime_addr_parse(span_str(conf->postmaster), MIME_ADDR_UTF8,
		   s->msg->arena, &rcpt->to, NULL) == ERR_OK;
}

static void
answer_rcpt(struct listener_session *s, struct listener_slot *slot, int code,
    const char *status, const char *text)
{
	listener_reply_set(&slot->reply, code, status, "%s", text);
	slot->done = true;
	listener_session_flush_slots(s);
}

static void
deny_rcpt(
    struct listener_session *s, struct listener_slot *slot, const char *why)
{
	log_event(LOG_LVL_NOTICE, s->id, "relay-denied",
	    KV_STR("client", s->peer), KV_STR("rcpt", slot->rcpt.to.text));
	answer_rcpt(s, slot, 550, "5.7.1", why);
	listener_session_error(s);
}

/* Who has signed in may from anywhere, for as long as that holds. */
static bool
may_relay(const struct listener_session *s)
{
	return s->may_relay || s->auth.id != NULL;
}

/* An answer by which the sender of mail for pick-up says what becomes of it
   goes to nobody else: the rest is sent in a message of its own. */
static bool
goes_alone(const struct listener_session *s, const struct listener_slot *slot)
{
	const struct conf *conf = listener_conf(s->l);
	const struct proto_envelope *env = &s->msg->m.envelope;
	bool is_answer = pickup_reply_is(conf, slot->rcpt.to.key);
	const struct listener_slot *o;

	if (env->n_rcpt > 0 &&
	    (is_answer || pickup_reply_is(conf, env->rcpt[0].key)))
		return false;
	TAILQ_FOREACH(o, &s->slots, link)
	{
		if (o == slot || o->rcpt.to.key == NULL ||
		    (o->done && o->reply.code != 250))
			continue;
		if (is_answer || pickup_reply_is(conf, o->rcpt.to.key))
			return false;
	}
	return true;
}

/* Of mail from outside no worker is asked: what becomes of it is decided when
   it has been opened. */
static void
take_rcpt(struct listener_session *s, struct listener_slot *slot)
{
	const struct conf *conf = listener_conf(s->l);

	if (!s->inbound && may_relay(s) && !goes_alone(s, slot)) {
		answer_rcpt(s, slot, 452, "4.5.3",
		    "An answer about mail for pick-up goes to one address "
		    "alone, send the rest in another message");
	} else if (is_postmaster(s, &slot->rcpt)) {
		answer_rcpt(s, slot, 250, "2.1.5", "Recipient accepted");
	} else if (!may_relay(s) && listener_auth_is_configured(s)) {
		answer_rcpt(s, slot, 530, "5.7.0",
		    "Sign in first: this client may not send mail here");
		listener_session_error(s);
	} else if (!may_relay(s)) {
		deny_rcpt(s, slot,
		    "Relaying denied: this client may not send mail here");
	} else if (s->inbound && pickup_reply_is(conf, slot->rcpt.to.key)) {
		deny_rcpt(s, slot,
		    "Relaying denied: this address is for senders inside");
	} else if (s->inbound &&
		   !conf_domain_is_ours(conf, span_str(slot->rcpt.to.domain))) {
		deny_rcpt(s, slot,
		    "Relaying denied: mail for this domain is not taken here");
	} else if (s->msg->m.envelope.n_rcpt + s->n_slots >
		       conf->limits.recipients ||
		   listener_lmtp_is_full(s)) {
		answer_rcpt(s, slot, 452, "4.5.3",
		    "Too many recipients, send the rest in another message");
	} else if (s->inbound) {
		listener_verify_start(s->l, slot);
	} else {
		listener_check_start(s->l, slot);
	}
}

bool
listener_run_rcpt(struct listener_session *s, struct span args)
{
	struct listener_slot *slot;
	enum err e;

	if (s->n_slots >= MAX_SLOTS)
		return false;
	slot = calloc(1, sizeof(*slot));
	if (slot == NULL)
		fatal("out of memory");
	slot->session = s;
	TAILQ_INSERT_TAIL(&s->slots, slot, link);
	s->n_slots++;
	e = listener_parse_rcpt(args, s->msg->m.envelope.smtputf8,
	    s->msg->arena, &slot->rcpt, &slot->reply);
	if (e == ERR_OK) {
		take_rcpt(s, slot);
		return true;
	}
	slot->done = true;
	listener_session_flush_slots(s);
	listener_session_error(s);
	return true;
}
