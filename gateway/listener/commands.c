/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What each command does, and when it may: one table. RFC 5321 section 4.1,
 * RFC 3207 (STARTTLS), RFC 3030 (BDAT), RFC 2920 (PIPELINING).
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/arena.h"
#include "common/log.h"
#include "gateway/conf.h"
#include "gateway/entry.h"
#include "gateway/listener/jobs.h"
#include "gateway/listener/proxy.h"
#include "gateway/listener/session.h"
#include "gateway/listener/verify.h"
#include "net/tls_server.h"

enum {
	ANY = LISTENER_HELO | LISTENER_READY | LISTENER_MAIL | LISTENER_RCPT |
	      LISTENER_CHUNKS,
	XCLIENT_ARENA = 16 * 1024,
	MAX_SLOTS = 64, /* recipients a client is ahead of our answers */
};

enum tls_need {
	TLS_ANY = 0,
	TLS_NOT_YET, /* refused once TLS is there */
};

struct command {
	const char *name;
	unsigned states; /* enum listener_state in which it is allowed */
	enum tls_need tls;
	bool no_args;
	bool pipelined; /* may come while answers to RCPT are missing */
	bool junk;	/* brings no message nearer */
	/* false: not now, again later */
	bool (*run)(struct listener_session *s, struct span args);
};

/* --- greetings --- */

static bool
set_helo(struct listener_session *s, struct span args)
{
	struct listener_reply why;
	struct arena *a = arena_new(1024);
	const char *name;
	bool ok;

	if (a == NULL)
		fatal("out of memory");
	ok = listener_parse_helo(args, a, &name, &why) == ERR_OK;
	if (ok) {
		listener_session_drop_message(s);
		memcpy(s->helo, name, strlen(name) + 1);
		listener_session_set_state(s, LISTENER_READY);
	} else {
		listener_session_reply(s, &why);
		listener_session_error(s);
	}
	arena_free(a);
	return ok;
}

static bool
may_start_tls(const struct listener_session *s)
{
	return s->tls == NULL && s->section < s->l->n_sections &&
	       s->l->section[s->section].tls != NULL;
}

static bool
run_ehlo(struct listener_session *s, struct span args)
{
	const struct conf *conf = listener_conf(s->l);

	if (!set_helo(s, args))
		return true;
	s->esmtp = true;
	listener_session_line(
	    s, 250, false, "%s greets %s", conf->hostname, s->peer);
	listener_session_line(
	    s, 250, false, "SIZE %llu", (unsigned long long)s->max_size);
	listener_session_line(s, 250, false, "PIPELINING");
	listener_session_line(s, 250, false, "8BITMIME");
	listener_session_line(s, 250, false, "SMTPUTF8");
	listener_session_line(s, 250, false, "CHUNKING");
	listener_session_line(s, 250, false, "DSN");
	/* RFC 8689 2: inside TLS alone */
	if (s->tls != NULL)
		listener_session_line(s, 250, false, "REQUIRETLS");
	if (may_start_tls(s))
		listener_session_line(s, 250, false, "STARTTLS");
	if (listener_auth_offer(s)[0] != '\0')
		listener_session_line(
		    s, 250, false, "AUTH %s", listener_auth_offer(s));
	if (s->xclient) {
		listener_session_line(
		    s, 250, false, "XCLIENT NAME ADDR PORT PROTO HELO");
		listener_session_line(
		    s, 250, false, "XFORWARD NAME ADDR PORT PROTO HELO SOURCE");
	}
	listener_session_line(
	    s, 250, false, "LIMITS RCPTMAX=%u", conf->limits.recipients);
	listener_session_line(s, 250, true, "ENHANCEDSTATUSCODES");
	return true;
}

/* What is given of a client is kept for as long as the session lasts. */
static void
keep_word(char *out, size_t out_size, const char *word)
{
	if (word != NULL)
		snprintf(out, out_size, "%s", word);
}

/* Begin anew as the client that was named, or as one that is not known. What
   the host itself may is nothing of its clients'. */
static void
become(struct listener_session *s, const char *addr)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	bool v4 = inet_pton(AF_INET, addr, &in4.sin_addr) == 1;

	if (addr[0] == '\0') {
		listener_session_become_unknown(s);
		return;
	}
	if (!v4)
		inet_pton(AF_INET6, addr, &in6.sin6_addr);
	if (!listener_session_become(s, v4 ? (const struct sockaddr *)&in4
					   : (const struct sockaddr *)&in6))
		listener_session_full(s);
}

/* Both are for hosts of the administrator's alone, as the documentation of
   Postfix has them. Whatever a host has said of one client is nothing of the
   next one's. */
static bool
parse_client(struct listener_session *s, struct span args, struct arena *a,
    struct listener_attrs *out)
{
	struct listener_reply why;

	if (!s->xclient)
		listener_session_say(
		    s, 550, "5.7.1", "This host may not speak for its clients");
	else if (listener_parse_attrs(args, a, out, &why) != ERR_OK)
		listener_session_reply(s, &why);
	else
		return true;
	listener_session_error(s);
	return false;
}

static bool
run_xclient(struct listener_session *s, struct span args)
{
	struct arena *a = arena_new(XCLIENT_ARENA);
	struct listener_attrs at;

	if (a == NULL)
		fatal("out of memory");
	if (parse_client(s, args, a, &at)) {
		listener_session_drop_message(s);
		listener_auth_clear(s);
		keep_word(s->client_name, sizeof(s->client_name), at.name);
		keep_word(s->helo, sizeof(s->helo), at.helo);
		s->esmtp = false;
		listener_session_set_state(s, LISTENER_HELO);
		if (at.addr != NULL)
			become(s, at.addr);
		if (!s->closing)
			listener_session_greet(s);
	}
	arena_free(a);
	return true;
}

static bool
run_xforward(struct listener_session *s, struct span args)
{
	struct arena *a = arena_new(XCLIENT_ARENA);
	struct listener_attrs at;

	if (a == NULL)
		fatal("out of memory");
	if (parse_client(s, args, a, &at)) {
		keep_word(s->xforward_addr, sizeof(s->xforward_addr), at.addr);
		keep_word(s->xforward_name, sizeof(s->xforward_name), at.name);
		keep_word(s->xforward_helo, sizeof(s->xforward_helo), at.helo);
		listener_session_say(s, 250, "2.0.0", "Noted");
	}
	arena_free(a);
	return true;
}

static bool
run_helo(struct listener_session *s, struct span args)
{
	if (!set_helo(s, args))
		return true;
	s->esmtp = false;
	listener_session_line(
	    s, 250, true, "%s", listener_conf(s->l)->hostname);
	return true;
}

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
	if (e == ERR_OK)
		e = fill_envelope(s, m, &mail);
	if (e != ERR_OK)
		refuse_size(s, e);
	return e == ERR_OK;
}

static bool
run_mail(struct listener_session *s, struct span args)
{
	enum err e = listener_jobs_intake(s->l);
	struct listener_message *m = NULL;

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
	s->msg = m;
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

/* Of mail from outside no worker is asked: what becomes of it is decided when
   it has been opened. */
static void
take_rcpt(struct listener_session *s, struct listener_slot *slot)
{
	const struct conf *conf = listener_conf(s->l);

	if (is_postmaster(s, &slot->rcpt)) {
		answer_rcpt(s, slot, 250, "2.1.5", "Recipient accepted");
	} else if (!may_relay(s) && listener_auth_is_configured(s)) {
		answer_rcpt(s, slot, 530, "5.7.0",
		    "Sign in first: this client may not send mail here");
		listener_session_error(s);
	} else if (!may_relay(s)) {
		deny_rcpt(s, slot,
		    "Relaying denied: this client may not send mail here");
	} else if (s->inbound &&
		   !conf_domain_is_ours(conf, span_str(slot->rcpt.to.domain))) {
		deny_rcpt(s, slot,
		    "Relaying denied: mail for this domain is not taken here");
	} else if (s->msg->m.envelope.n_rcpt + s->n_slots >
		   conf->limits.recipients) {
		answer_rcpt(s, slot, 452, "4.5.3",
		    "Too many recipients, send the rest in another message");
	} else if (s->inbound) {
		listener_verify_start(s->l, slot);
	} else {
		listener_check_start(s->l, slot);
	}
}

static bool
run_rcpt(struct listener_session *s, struct span args)
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

/* --- contents --- */

static bool
run_data(struct listener_session *s, struct span args)
{
	listener_session_set_state(s, LISTENER_DATA);
	listener_receive_begin(s);
	listener_session_line(
	    s, 354, true, "Send the message, end with <CRLF>.<CRLF>");
	return true;
}

/* Chunks that are refused are swallowed: what is in them must never be taken
   for commands. Where that is impossible the session ends. */
static bool
run_bdat(struct listener_session *s, struct span args)
{
	struct listener_reply why;
	struct listener_bdat b;

	if (listener_parse_bdat(args, &b, &why) != ERR_OK) {
		listener_session_reply(s, &why);
		listener_session_end(s);
		return true;
	}
	if (b.size > s->max_size * 2) {
		listener_session_say(s, 552, "5.3.4",
		    "Chunk too large, messages may have %llu octets",
		    (unsigned long long)s->max_size);
		listener_session_end(s);
		return true;
	}
	s->chunk_left = b.size;
	s->chunk_last = b.last;
	s->chunk_state = s->state;
	s->chunk_refused =
	    s->state != LISTENER_RCPT && s->state != LISTENER_CHUNKS;
	if (s->chunk_refused)
		listener_reply_set(&s->chunk_reply, 503, "5.5.1",
		    "BDAT is not allowed now: no recipient was accepted");
	listener_session_set_state(s, LISTENER_BDAT);
	listener_receive_begin(s);
	return true;
}

/* --- others --- */

static bool
run_rset(struct listener_session *s, struct span args)
{
	listener_session_drop_message(s);
	if (s->state != LISTENER_HELO)
		listener_session_set_state(s, LISTENER_READY);
	listener_session_say(s, 250, "2.0.0", "Done");
	return true;
}

static bool
run_noop(struct listener_session *s, struct span args)
{
	listener_session_say(s, 250, "2.0.0", "Here I am");
	return true;
}

static bool
run_vrfy(struct listener_session *s, struct span args)
{
	listener_session_say(s, 252, "2.5.0",
	    "Addresses are not verified here; mail for it will be tried");
	return true;
}

static bool
run_expn(struct listener_session *s, struct span args)
{
	listener_session_say(
	    s, 502, "5.5.1", "There are no mailing lists here");
	return true;
}

static bool
run_help(struct listener_session *s, struct span args)
{
	listener_session_say(s, 214, "2.0.0",
	    "EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY QUIT; "
	    "see RFC 5321");
	return true;
}

static bool
run_quit(struct listener_session *s, struct span args)
{
	listener_session_say(s, 221, "2.0.0", "Goodbye");
	listener_session_end(s);
	return true;
}

/* RFC 3207 4: whatever was sent before the handshake was sent by anybody.
   Afterwards the session begins anew. */
static bool
run_starttls(struct listener_session *s, struct span args)
{
	if (!may_start_tls(s)) {
		listener_session_say(
		    s, 502, "5.5.1", "STARTTLS is not available here");
		listener_session_error(s);
		return true;
	}
	if (s->in_at < s->in_len) {
		log_event(LOG_LVL_WARN, s->id, "starttls-injection",
		    KV_STR("client", s->peer));
		listener_session_say(s, 554, "5.5.1",
		    "Nothing may be sent behind STARTTLS before the "
		    "handshake, goodbye");
		listener_session_end(s);
		return true;
	}
	if (net_tls_server_conn_new(
		s->l->section[s->section].tls, s->fd, &s->tls) != ERR_OK) {
		listener_session_say(
		    s, 454, "4.7.0", "TLS is not available now");
		return true;
	}
	listener_session_drop_message(s);
	s->helo[0] = '\0';
	s->esmtp = false;
	listener_session_set_state(s, LISTENER_HANDSHAKE);
	listener_session_say(s, 220, "2.0.0", "Go ahead");
	return true;
}

/* --- the table --- */

/* clang-format off */
static const struct command commands[] = {
    /* name, states, tls, no_args, pipelined, junk, run */
    {"EHLO", ANY, TLS_ANY, false, false, true, run_ehlo},
    {"HELO", ANY, TLS_ANY, false, false, true, run_helo},
    {"MAIL", LISTENER_READY, TLS_ANY, false, false, false, run_mail},
    {"RCPT", LISTENER_MAIL | LISTENER_RCPT, TLS_ANY, false, true, false,
	run_rcpt},
    {"DATA", LISTENER_RCPT, TLS_ANY, true, false, false, run_data},
    /* whether it is allowed, it decides: the chunk must be read first */
    {"BDAT", ANY, TLS_ANY, false, false, false, run_bdat},
    {"RSET", ANY, TLS_ANY, true, false, true, run_rset},
    {"NOOP", ANY, TLS_ANY, false, false, true, run_noop},
    {"VRFY", ANY, TLS_ANY, false, false, true, run_vrfy},
    {"EXPN", ANY, TLS_ANY, false, false, true, run_expn},
    {"HELP", ANY, TLS_ANY, false, false, true, run_help},
    {"QUIT", ANY, TLS_ANY, true, false, false, run_quit},
    {"XCLIENT", LISTENER_HELO | LISTENER_READY, TLS_ANY, false, false, true,
	run_xclient},
    {"XFORWARD", LISTENER_READY, TLS_ANY, false, false, false, run_xforward},
    {"AUTH", LISTENER_READY, TLS_ANY, false, false, false,
	listener_auth_run},
    {"STARTTLS", LISTENER_READY, TLS_NOT_YET, true, false, false,
	run_starttls},
};
/* clang-format on */

static const struct command *
find_command(struct span verb)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (span_caseeq_str(verb, commands[i].name))
			return &commands[i];
	return NULL;
}

static const char *
what_is_missing(const struct listener_session *s)
{
	switch (s->state) {
	case LISTENER_HELO:
		return "say EHLO first";
	case LISTENER_READY:
		return "say MAIL first";
	case LISTENER_MAIL:
		return "no recipient was accepted";
	case LISTENER_CHUNKS:
		return "the message is not complete, go on with BDAT or RSET";
	case LISTENER_RCPT:
		return "a message is in progress";
	case LISTENER_DATA:
	case LISTENER_BDAT:
	case LISTENER_JOB:
	case LISTENER_HANDSHAKE:
	case LISTENER_AUTH_LINE:
	case LISTENER_AUTH:
	case LISTENER_PROXY:
		break;
	}
	return "out of order";
}

/* true: the command may run; else the refusal has been said. */
static bool
is_allowed(
    struct listener_session *s, const struct command *c, struct span args)
{
	if (c == NULL)
		listener_session_say(
		    s, 500, "5.5.2", "This command is not known here");
	else if (c->tls == TLS_NOT_YET && s->tls != NULL)
		listener_session_say(
		    s, 503, "5.5.1", "%s: TLS is active already", c->name);
	else if ((c->states & s->state) == 0)
		listener_session_say(s, 503, "5.5.1",
		    "%s is not allowed now: %s", c->name, what_is_missing(s));
	else if (c->no_args && args.len > 0)
		listener_session_say(
		    s, 501, "5.5.4", "%s takes no parameters", c->name);
	else
		return true;
	listener_session_error(s);
	return false;
}

static void
count_junk(struct listener_session *s, const struct command *c)
{
	if (c->junk && ++s->junk > LIMIT_SESSION_JUNK)
		listener_session_error(s);
}

bool
listener_command_run(struct listener_session *s, struct span line)
{
	struct span verb = {0}, args = {0};
	struct listener_reply why;
	const struct command *c = NULL;
	bool sound = listener_command_split(line, &verb, &args, &why) == ERR_OK;

	if (sound)
		c = find_command(verb);
	/* answers leave in the order of commands */
	if ((c == NULL || !c->pipelined) && !TAILQ_EMPTY(&s->slots))
		return false;
	if (!sound) {
		listener_session_reply(s, &why);
		listener_session_error(s);
		return true;
	}
	if (!is_allowed(s, c, args))
		return true;
	if (!c->run(s, args))
		return false;
	count_junk(s, c);
	return true;
}
