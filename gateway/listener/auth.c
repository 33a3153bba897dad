/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A refusal comes late, and later each time, and who is refused often is not
 * asked any more: passwords are not to be tried out here.
 */
#include "gateway/listener/auth.h"

#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/secret.h"
#include "gateway/conf.h"
#include "gateway/listener/sasl.h"
#include "gateway/listener/session.h"
#include "mime/addr.h"
#include "net/tls_server.h"

enum {
	PATIENCE_MS = 30000, /* for accounts */
	REFUSE_MS = 1000,    /* a refusal waits, times those before */
	ARENA_MAX = 64 * 1024,
	ADDRS_MAX = 8192, /* octets of what a certificate lists */
};

static const struct conf_listen *
section(const struct listener_session *s)
{
	return &listener_conf(s->l)->listen[s->section];
}

bool
listener_auth_is_configured(const struct listener_session *s)
{
	return !s->inbound && s->section < listener_conf(s->l)->n_listen &&
	       (section(s)->users != NULL || section(s)->client_ca != NULL);
}

const char *
listener_auth_offer(const struct listener_session *s)
{
	bool plain, external;

	if (!listener_auth_is_configured(s) || !s->tls_done ||
	    s->auth.id != NULL)
		return "";
	plain = section(s)->users != NULL;
	external = s->auth.cert_addrs != NULL;
	if (plain && external)
		return "PLAIN EXTERNAL";
	return plain ? "PLAIN" : external ? "EXTERNAL" : "";
}

void
listener_auth_take_certificate(struct listener_session *s)
{
	struct buf b;

	if (!listener_auth_is_configured(s))
		return;
	buf_init(&b, ADDRS_MAX);
	if (net_tls_server_client_addrs(s->tls, &b) == ERR_OK && b.len > 0)
		s->auth.cert_addrs = strndup((const char *)b.data, b.len);
	buf_clear(&b);
}

void
listener_auth_clear(struct listener_session *s)
{
	listener_accounts_cancel(s);
	free(s->auth.user);
	free(s->auth.id);
	free(s->auth.from);
	free(s->auth.cert_addrs);
	s->auth = (struct listener_auth){.mech = LISTENER_MECH_NONE};
}

/* --- the end of it --- */

static void
back(struct listener_session *s)
{
	s->auth.mech = LISTENER_MECH_NONE;
	s->auth.refused = false;
	listener_session_set_state(s, LISTENER_READY);
}

static void
succeed(struct listener_session *s, const char *id, const char *from)
{
	s->auth.id = strdup(id);
	s->auth.from = strdup(from);
	if (s->auth.id == NULL || s->auth.from == NULL)
		fatal("out of memory");
	back(s);
	log_event(LOG_LVL_INFO, s->id, "signed-in", KV_STR("user", id),
	    KV_STR("client", s->peer));
	listener_session_say(s, 235, "2.7.0", "Welcome");
}

/* Said later, by listener_auth_tick(). */
static void
refuse(struct listener_session *s)
{
	uint64_t now_ms = clock_steady_ms();

	listener_rates_add(
	    &s->l->rates, &s->client, LISTENER_RATE_AUTH, now_ms);
	s->auth.failures++;
	s->auth.refused = true;
	s->auth.until_ms = now_ms + REFUSE_MS * s->auth.failures;
	listener_session_set_state(s, LISTENER_AUTH);
	log_event(LOG_LVL_NOTICE, s->id, "not-signed-in",
	    KV_STR("user", s->auth.user == NULL ? "" : s->auth.user),
	    KV_STR("client", s->peer));
}

static void
say_not_now(struct listener_session *s)
{
	back(s);
	listener_session_say(
	    s, 454, "4.7.0", "Nobody can sign in just now, try again later");
}

static void
say_refused(struct listener_session *s)
{
	back(s);
	if (s->auth.failures >= LIMIT_AUTH_SESSION) {
		listener_session_say(
		    s, 421, "4.7.0", "Too many failures to sign in, goodbye");
		listener_session_end(s);
		return;
	}
	listener_session_say(
	    s, 535, "5.7.8", "User and password do not fit, or may not");
	listener_session_error(s);
}

/* RFC 4954 4: a response that is none, or was taken back. */
static void
say_malformed(struct listener_session *s, const char *text)
{
	back(s);
	listener_session_say(s, 501, "5.5.2", "%s", text);
	listener_session_error(s);
}

void
listener_auth_answer(
    struct listener_session *s, const struct proto_signed_in *got)
{
	switch ((enum proto_verdict)got->verdict) {
	case PROTO_YES:
		succeed(s, got->id, got->from);
		break;
	case PROTO_NO:
		refuse(s);
		break;
	case PROTO_UNKNOWN:
		say_not_now(s);
		break;
	}
	listener_session_resume(s);
}

bool
listener_auth_tick(struct listener_session *s, uint64_t now_ms)
{
	if (now_ms < s->auth.until_ms)
		return false;
	listener_accounts_cancel(s);
	if (s->auth.refused)
		say_refused(s);
	else
		say_not_now(s);
	listener_session_resume(s);
	return true;
}

/* --- responses --- */

/* For the log. */
static void
remember_user(struct listener_session *s, const char *user)
{
	free(s->auth.user);
	s->auth.user = strdup(user);
}

static void
take_plain(struct listener_session *s, struct span in, struct arena *a)
{
	struct listener_plain p;
	enum err e = listener_sasl_plain(in, a, &p);

	if (e != ERR_OK) {
		say_malformed(s, "Expected user and password in base64");
		return;
	}
	remember_user(s, p.user);
	s->auth.until_ms = clock_steady_ms() + PATIENCE_MS;
	/* nobody acts for somebody else here */
	if (p.authzid[0] != '\0' && strcmp(p.authzid, p.user) != 0)
		refuse(s);
	else if (listener_accounts_sign_in(s, p.user, p.password) != ERR_OK)
		say_not_now(s);
	else
		listener_session_set_state(s, LISTENER_AUTH);
	secret_wipe(p.password, strlen(p.password));
}

/* The addresses of the certificate as struct entry wants them, the first (or
   the one that was asked for) in *id. false: it is not among them. */
static bool
read_certificate(const struct listener_session *s, const char *authzid,
    struct arena *a, struct buf *from, const char **id)
{
	struct span all = span_str(s->auth.cert_addrs);
	struct mime_addr addr, asked = {.key = NULL};
	size_t end;

	*id = NULL;
	if (authzid[0] != '\0' &&
	    mime_addr_parse(
		span_str(authzid), MIME_ADDR_UTF8, a, &asked, NULL) != ERR_OK)
		return false;
	for (size_t i = 0; i < all.len; i = end + 1) {
		end = span_find_chr(all, i, '\n');
		if (mime_addr_parse(SPAN(all.data + i, end - i), 0, a, &addr,
			NULL) != ERR_OK)
			continue;
		if (buf_printf(from, "%s%s", from->len > 0 ? " " : "",
			addr.key) != ERR_OK)
			return false;
		if (*id == NULL &&
		    (asked.key == NULL || strcmp(asked.key, addr.key) == 0))
			*id = addr.key;
	}
	return *id != NULL;
}

static void
take_external(struct listener_session *s, struct span in, struct arena *a)
{
	char *authzid;
	const char *id, *text;
	struct buf from;

	if (listener_sasl_external(in, a, &authzid) != ERR_OK) {
		say_malformed(s, "Expected an address in base64, or =");
		return;
	}
	remember_user(s, authzid);
	buf_init(&from, ADDRS_MAX);
	if (s->auth.cert_addrs == NULL ||
	    !read_certificate(s, authzid, a, &from, &id)) {
		refuse(s);
	} else {
		text = arena_span_str(a, buf_span(&from));
		if (text == NULL)
			say_not_now(s);
		else
			succeed(s, id, text);
	}
	buf_clear(&from);
}

static void
take_response(struct listener_session *s, struct span in)
{
	struct arena *a = arena_new(ARENA_MAX);

	if (a == NULL)
		fatal("out of memory");
	if (listener_rates_get(&s->l->rates, &s->client, LISTENER_RATE_AUTH,
		clock_steady_ms()) >= LIMIT_AUTH_CLIENT) {
		log_event(LOG_LVL_WARN, s->id, "auth-limit",
		    KV_STR("client", s->peer));
		back(s);
		listener_session_say(s, 454, "4.7.0",
		    "Too many failures to sign in from there, try again later");
	} else if (s->auth.mech == LISTENER_MECH_PLAIN) {
		take_plain(s, in, a);
	} else {
		take_external(s, in, a);
	}
	arena_free(a);
	secret_wipe((void *)(uintptr_t)in.data, in.len);
}

void
listener_auth_response(struct listener_session *s, struct span line)
{
	if (span_eq_str(line, "*"))
		say_malformed(s, "As you like");
	else
		take_response(s, line);
}

/* --- the command --- */

static enum listener_mech
mech_of(const struct listener_session *s, struct span word)
{
	if (span_caseeq_str(word, "PLAIN") && section(s)->users != NULL)
		return LISTENER_MECH_PLAIN;
	if (span_caseeq_str(word, "EXTERNAL") && section(s)->client_ca != NULL)
		return LISTENER_MECH_EXTERNAL;
	return LISTENER_MECH_NONE;
}

/* true: it may go on; else the refusal has been said. */
static bool
may_begin(struct listener_session *s, struct span word)
{
	if (!listener_auth_is_configured(s))
		listener_session_say(
		    s, 502, "5.5.1", "AUTH is not available here");
	else if (!s->tls_done)
		listener_session_say(s, 538, "5.7.11",
		    "AUTH is taken inside TLS alone: say STARTTLS first");
	else if (s->auth.id != NULL)
		listener_session_say(
		    s, 503, "5.5.1", "You have signed in already");
	else if (word.len == 0)
		listener_session_say(
		    s, 501, "5.5.4", "Expected AUTH and a mechanism");
	else if (mech_of(s, word) == LISTENER_MECH_NONE)
		listener_session_say(
		    s, 504, "5.5.4", "This mechanism is not known here");
	else
		return true;
	listener_session_error(s);
	return false;
}

bool
listener_auth_run(struct listener_session *s, struct span args)
{
	size_t end = span_find_chr(args, 0, ' ');
	struct span word = SPAN(args.data, end);
	struct span rest = span_trim(SPAN(args.data + end, args.len - end));

	if (may_begin(s, word)) {
		s->auth.mech = mech_of(s, word);
		if (rest.len > 0) {
			take_response(s, rest);
		} else {
			listener_session_set_state(s, LISTENER_AUTH_LINE);
			listener_session_line(s, 334, true, "%s", "");
		}
	}
	secret_wipe((void *)(uintptr_t)rest.data, rest.len);
	return true;
}
