/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Who speaks, and how: EHLO and HELO with what is offered, TLS, and what a
 * proxy of the administrator's says of its client. RFC 5321 section 4.1.1.1,
 * RFC 3207 (STARTTLS).
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "common/log.h"
#include "gateway/conf.h"
#include "gateway/listener/commands.h"
#include "gateway/listener/proxy.h"
#include "gateway/listener/session.h"
#include "net/tls_server.h"

enum { XCLIENT_ARENA = 16 * 1024 };

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

bool
listener_run_ehlo(struct listener_session *s, struct span args)
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
	listener_session_line(s, 250, false, "BINARYMIME");
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
	listener_session_line(s, 250, false, "LIMITS MAILMAX=%u RCPTMAX=%u",
	    conf->limits.messages, conf->limits.recipients);
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

bool
listener_run_xclient(struct listener_session *s, struct span args)
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

bool
listener_run_xforward(struct listener_session *s, struct span args)
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

bool
listener_run_helo(struct listener_session *s, struct span args)
{
	if (!set_helo(s, args))
		return true;
	s->esmtp = false;
	listener_session_line(
	    s, 250, true, "%s", listener_conf(s->l)->hostname);
	return true;
}

/* --- TLS --- */

/* RFC 3207 4: whatever was sent before the handshake was sent by anybody.
   Afterwards the session begins anew. */
bool
listener_run_starttls(struct listener_session *s, struct span args)
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
