/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The session: connect, greeting, EHLO, STARTTLS, the octets in both
 * directions. What happens between MAIL and the last reply is
 * smtp_transaction.c's.
 */
#include "gateway/relay/smtp_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/secret.h"
#include "gateway/relay/smtp_private.h"

enum {
	READ_SIZE = 4096,
	MOVES_MAX = 64,	       /* of one step */
	OUT_MAX = 1024 * 1024, /* an envelope and a chunk, stuffed */
};

static void on_greeting(struct relay_smtp *s, const struct relay_reply *r);
static void on_ehlo(struct relay_smtp *s, const struct relay_reply *r);
static void on_helo(struct relay_smtp *s, const struct relay_reply *r);
static void on_starttls(struct relay_smtp *s, const struct relay_reply *r);
static void on_auth(struct relay_smtp *s, const struct relay_reply *r);
static void on_quit(struct relay_smtp *s, const struct relay_reply *r);

/* Time limits: RFC 5321 4.5.3.2; a handshake is one command to us. */
static const struct {
	const char *name;
	unsigned timeout_s;
	void (*on_reply)(struct relay_smtp *s, const struct relay_reply *r);
} states[SMTP_STATES] = {
    [SMTP_DOWN] = {"down", 1, NULL},
    [SMTP_CONNECT] = {"connecting", 30, NULL},
    [SMTP_GREETING] = {"waiting for the greeting", 300, on_greeting},
    [SMTP_EHLO] = {"waiting for the reply to EHLO", 300, on_ehlo},
    [SMTP_HELO] = {"waiting for the reply to HELO", 300, on_helo},
    [SMTP_STARTTLS] = {"waiting for the reply to STARTTLS", 120, on_starttls},
    [SMTP_HANDSHAKE] = {"negotiating TLS", 120, NULL},
    [SMTP_AUTH] = {"waiting for the reply to AUTH", 120, on_auth},
    [SMTP_CLEAR] = {"waiting for the reply to RSET", 300, smtp_xclient_cleared},
    [SMTP_XCLIENT] = {"waiting for the reply to XCLIENT", 300,
	smtp_xclient_reply},
    [SMTP_READY] = {"idle", 300, NULL},
    [SMTP_ENVELOPE] = {"waiting for the reply to the envelope", 300,
	smtp_transaction_reply},
    [SMTP_BODY] = {"sending the message", 180, smtp_transaction_reply},
    [SMTP_FINAL] = {"waiting for the reply to the message", 600,
	smtp_transaction_reply},
    [SMTP_QUIT] = {"waiting for the reply to QUIT", 5, on_quit},
};

void
smtp_set_state(struct relay_smtp *s, enum smtp_state to)
{
	s->state = to;
	s->progress++;
}

struct relay_smtp *
relay_smtp_new(const struct relay_smtp_setup *setup, int fd)
{
	struct relay_smtp *s = calloc(1, sizeof(*s));

	if (s == NULL)
		fatal("out of memory");
	s->setup = *setup;
	s->fd = fd;
	relay_hop_begin(setup->expect, &s->hop);
	buf_init(&s->in, 2 * RELAY_REPLY_MAX);
	buf_init(&s->out, OUT_MAX);
	buf_init(&s->client, RELAY_CLIENT_MAX);
	s->state = SMTP_CONNECT;
	return s;
}

void
relay_smtp_free(struct relay_smtp *s)
{
	if (s == NULL)
		return;
	if (s->state != SMTP_DOWN)
		smtp_fail(s, RELAY_FAULT_NONE, NULL, "the session was ended");
	if (s->tls != NULL)
		net_tls_client_free(s->tls);
	close(s->fd);
	secret_free(s->setup.login);
	buf_clear(&s->in);
	buf_clear(&s->out);
	buf_clear(&s->client);
	free(s);
}

void
smtp_fail(struct relay_smtp *s, enum relay_smtp_fault fault,
    const struct relay_reply *r, const char *text)
{
	struct relay_smtp_failure *f = &s->failure;
	enum smtp_state in = s->state;

	if (in == SMTP_DOWN)
		return;
	f->fault = fault;
	f->hop = s->hop;
	f->code = r == NULL ? 0 : r->code;
	snprintf(f->status, sizeof(f->status), "%s",
	    fault == RELAY_FAULT_TLS	   ? "4.7.5"
	    : fault == RELAY_FAULT_LOGIN   ? "4.7.8"
	    : fault == RELAY_FAULT_OURS	   ? "4.3.0"
	    : fault == RELAY_FAULT_CONNECT ? "4.4.1"
					   : "4.4.2");
	snprintf(f->text, sizeof(f->text), "%.120s%s%.320s%s", text,
	    r == NULL ? "" : ": ", r == NULL ? "" : r->text,
	    s->past_dot && s->mail != NULL
		? " (after the end of the message: it may arrive twice)"
		: "");
	smtp_set_state(s, SMTP_DOWN);
	if (s->mail == NULL)
		return;
	if (s->past_dot)
		log_event(LOG_LVL_NOTICE, s->mail->id, "maybe-twice",
		    KV_STR("peer", s->setup.expect->peer.peer),
		    KV_STR("reason", f->text));
	relay_mail_settle_rest(
	    s->mail, PROTO_DEFERRED, f->code, f->status, f->text);
	smtp_transaction_end(s);
}

/* --- octets --- */

void
smtp_put(struct relay_smtp *s, struct span octets)
{
	if (buf_put(&s->out, octets) != ERR_OK)
		fatal("out of memory");
}

void
smtp_puts(struct relay_smtp *s, const char *text)
{
	smtp_put(s, span_str(text));
}

static enum net_io
socket_result(const char *what, struct err_why *why)
{
	if (errno == EAGAIN || errno == EINTR)
		return NET_IO_WANT_READ;
	(void)err_why(why, ERR_CLOSED, "%s: %s", what, strerror(errno));
	return NET_IO_FAILED;
}

static enum net_io
write_some(struct relay_smtp *s, size_t *n, struct err_why *why)
{
	struct span left = SPAN(s->out.data + s->sent, s->out.len - s->sent);
	ssize_t rc;
	enum net_io io;

	if (s->tls != NULL)
		return net_tls_client_write(s->tls, left, n, why);
	rc = send(s->fd, left.data, left.len, MSG_NOSIGNAL);
	if (rc >= 0) {
		*n = (size_t)rc;
		return NET_IO_DONE;
	}
	io = socket_result("sending", why);
	return io == NET_IO_WANT_READ ? NET_IO_WANT_WRITE : io;
}

static enum net_io
read_some(struct relay_smtp *s, uint8_t *out, size_t *n, struct err_why *why)
{
	ssize_t rc;

	if (s->tls != NULL)
		return net_tls_client_read(s->tls, out, READ_SIZE, n, why);
	rc = recv(s->fd, out, READ_SIZE, 0);
	if (rc < 0)
		return socket_result("receiving", why);
	*n = (size_t)rc;
	return rc == 0 ? NET_IO_CLOSED : NET_IO_DONE;
}

/* Send what is written. DONE when nothing is left. */
static enum net_io
flush(struct relay_smtp *s, struct err_why *why)
{
	enum net_io io;
	size_t n = 0;

	while (s->sent < s->out.len) {
		io = write_some(s, &n, why);
		if (io != NET_IO_DONE)
			return io;
		s->sent += n;
	}
	if (s->out.len > 0)
		s->progress++;
	if (s->state == SMTP_AUTH)
		secret_wipe(s->out.data, s->out.len);
	buf_reset(&s->out);
	s->sent = 0;
	return NET_IO_DONE;
}

static enum net_io
fill(struct relay_smtp *s, struct err_why *why)
{
	uint8_t *at;
	size_t n = 0;
	enum net_io io;

	if (buf_reserve(&s->in, READ_SIZE, &at) != ERR_OK) {
		(void)err_why(why, ERR_TOO_BIG, "a reply without end");
		return NET_IO_FAILED;
	}
	io = read_some(s, at, &n, why);
	if (io == NET_IO_DONE)
		buf_grow(&s->in, n);
	return io;
}

/* --- the session --- */

void
smtp_say_hello(struct relay_smtp *s, enum smtp_state state)
{
	smtp_puts(s, s->setup.lmtp	  ? "LHLO "
		     : state == SMTP_EHLO ? "EHLO "
					  : "HELO ");
	smtp_puts(s, smtp_xclient_hello(s));
	smtp_puts(s, "\r\n");
	smtp_set_state(s, state);
}

/* The first word of a greeting, or of the reply to EHLO: the server's name
   (RFC 5321 4.2). What is no name is none. */
static void
note_name(struct relay_smtp *s, const struct relay_reply *r)
{
	static const char word[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789.-_:[]";
	size_t len = strspn(r->text, word);

	if (len == 0 || len >= sizeof(s->hop.helo) ||
	    (r->text[len] != ' ' && r->text[len] != '\0'))
		return;
	memcpy(s->hop.helo, r->text, len);
	s->hop.helo[len] = '\0';
}

static void
on_greeting(struct relay_smtp *s, const struct relay_reply *r)
{
	if (r->code != 220) {
		smtp_fail(s, RELAY_FAULT_CONNECT, r, "refused at the greeting");
		return;
	}
	note_name(s, r);
	smtp_say_hello(s, SMTP_EHLO);
}

/* RFC 4954 4, with the response in the command. */
static void
log_in(struct relay_smtp *s)
{
	/* config_check_mail.c has seen to that, and this is a password */
	if (s->tls == NULL || s->setup.expect->tls != ENTRY_TLS_AUTHENTICATED)
		smtp_fail(s, RELAY_FAULT_LOGIN, NULL,
		    "no login without TLS that is authenticated");
	else if (s->setup.login == NULL)
		smtp_fail(s, RELAY_FAULT_LOGIN, NULL,
		    "there is no password for the login: see password-file");
	else if (!s->offer.auth_plain)
		smtp_fail(s, RELAY_FAULT_LOGIN, NULL,
		    "the next hop offers no login (AUTH PLAIN)");
	else {
		smtp_put(s, secret_span(s->setup.login));
		smtp_puts(s, "\r\n");
		smtp_set_state(s, SMTP_AUTH);
	}
}

/* A mail that waited for XCLIENT goes on. */
static void
go_on(struct relay_smtp *s)
{
	if (s->mail != NULL)
		smtp_transaction_begin(s);
	else
		smtp_set_state(s, SMTP_READY);
}

static void
on_auth(struct relay_smtp *s, const struct relay_reply *r)
{
	if (r->code != 235)
		smtp_fail(
		    s, RELAY_FAULT_LOGIN, r, "the next hop refuses the login");
	else
		go_on(s);
}

/* RFC 8689 4.2.1. After XCLIENT it is said for the client of one mail, which
   is told now; else when every server has said it. */
static void
fail_require(struct relay_smtp *s)
{
	static const char text[] = "the next hop does not say that it goes on "
				   "by TLS (REQUIRETLS)";

	if (s->mail != NULL && relay_mail_ends_without_require(s->mail))
		relay_mail_settle_rest(
		    s->mail, PROTO_FAILED, 0, "5.7.30", text);
	s->failure.no_require = true;
	smtp_fail(s, RELAY_FAULT_TLS, NULL, text);
}

/* The session has what it will have: is that enough? */
static void
session_stands(struct relay_smtp *s)
{
	struct err_why proof_why = {""}, why = {""};
	enum net_tls_proof proof =
	    s->tls == NULL ? NET_TLS_UNVERIFIED
			   : net_tls_client_proof(s->tls, &proof_why);

	if (relay_expect_check(s->setup.expect, s->tls != NULL, proof,
		&proof_why, &why) != ERR_OK)
		smtp_fail(s, RELAY_FAULT_TLS, NULL, why.text);
	else if (s->setup.expect->require && !s->offer.requiretls)
		fail_require(s);
	else if (s->setup.wants_login)
		log_in(s);
	else
		go_on(s);
}

static void
on_ehlo(struct relay_smtp *s, const struct relay_reply *r)
{
	memset(&s->offer, 0, sizeof(s->offer));
	if (r->code >= 500 && !s->setup.lmtp && s->tls == NULL) {
		smtp_say_hello(s, SMTP_HELO);
		return;
	}
	if (r->code != 250) {
		smtp_fail(s, RELAY_FAULT_CONNECT, r, "refused at EHLO");
		return;
	}
	note_name(s, r);
	relay_offer_parse(r, &s->offer);
	/* after XCLIENT it stays with what TLS there is */
	if (s->tls == NULL && s->offer.starttls && !s->setup.no_starttls &&
	    s->client.len == 0) {
		smtp_puts(s, "STARTTLS\r\n");
		smtp_set_state(s, SMTP_STARTTLS);
		return;
	}
	session_stands(s);
}

static void
on_helo(struct relay_smtp *s, const struct relay_reply *r)
{
	if (r->code != 250)
		smtp_fail(s, RELAY_FAULT_CONNECT, r, "refused at HELO");
	else
		session_stands(s);
}

static void
on_starttls(struct relay_smtp *s, const struct relay_reply *r)
{
	if (r->code != 220) {
		session_stands(s);
		return;
	}
	/* RFC 3207 4.2; CVE-2011-0411: what stands behind the 220 was put
	   there by whoever is on the wire, and must not be taken for what the
	   server says inside TLS. The parser leaves it behind the reply. */
	if (s->in.len > r->lines.len) {
		smtp_fail(s, RELAY_FAULT_SESSION, NULL,
		    "octets behind the reply to STARTTLS: an injection");
		return;
	}
	s->tls = net_tls_client_new(
	    s->setup.tls_clients, s->fd, &s->setup.expect->peer);
	if (s->tls == NULL)
		smtp_fail(s, RELAY_FAULT_OURS, NULL, "not enough memory");
	else
		smtp_set_state(s, SMTP_HANDSHAKE);
	s->hop.begun = s->tls != NULL;
}

static void
on_quit(struct relay_smtp *s, const struct relay_reply *r)
{
	(void)r;
	if (s->tls != NULL)
		net_tls_client_bye(s->tls);
	smtp_fail(s, RELAY_FAULT_NONE, NULL, "closed");
}

/* Answer with the first reply that is complete. false: there is none. */
static bool
take_reply(struct relay_smtp *s)
{
	struct relay_reply r;
	size_t used;
	enum err e = relay_reply_parse(buf_span(&s->in), &r, &used);

	if (e == ERR_AGAIN)
		return false;
	s->progress++;
	if (e != ERR_OK) {
		smtp_fail(s,
		    s->state <= SMTP_HELO ? RELAY_FAULT_CONNECT
					  : RELAY_FAULT_SESSION,
		    NULL,
		    e == ERR_TOO_BIG ? "a reply beyond every limit"
				     : "a reply that is none");
		return true;
	}
	states[s->state].on_reply(s, &r);
	/* RFC 5321 3.8: the server closes after it */
	if (r.code == 421)
		smtp_fail(s, RELAY_FAULT_SESSION, &r, "the peer gave up");
	buf_drop(&s->in, used);
	return true;
}

/* --- steps --- */

static enum relay_smtp_step
step_connect(struct relay_smtp *s)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa), err_len = sizeof(int);
	int err = 0;

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &err_len) == 0 &&
	    err != 0) {
		smtp_fail(s, RELAY_FAULT_CONNECT, NULL, strerror(err));
		return RELAY_SMTP_DOWN;
	}
	if (getpeername(s->fd, (struct sockaddr *)&sa, &len) < 0)
		return RELAY_SMTP_WANT_WRITE;
	smtp_set_state(s, SMTP_GREETING);
	return RELAY_SMTP_WANT_READ;
}

static enum relay_smtp_step
step_handshake(struct relay_smtp *s)
{
	struct err_why why = {{0}};
	char text[320];

	switch (net_tls_client_handshake(s->tls, &why)) {
	case NET_IO_WANT_READ:
		return RELAY_SMTP_WANT_READ;
	case NET_IO_WANT_WRITE:
		return RELAY_SMTP_WANT_WRITE;
	case NET_IO_DONE:
		net_tls_client_text(s->tls, s->tls_text);
		relay_hop_has_tls(&s->hop, s->setup.expect, s->tls);
		/* RFC 3207 4.2: what was offered in clear is forgotten */
		memset(&s->offer, 0, sizeof(s->offer));
		smtp_say_hello(s, SMTP_EHLO);
		return RELAY_SMTP_WANT_READ;
	case NET_IO_CLOSED:
	case NET_IO_FAILED:
		break;
	}
	snprintf(text, sizeof(text), "the TLS handshake failed: %s",
	    why.text[0] == '\0' ? "closed by the peer" : why.text);
	smtp_fail(s, RELAY_FAULT_TLS, NULL, text);
	return RELAY_SMTP_DOWN;
}

static void
io_failed(struct relay_smtp *s, enum net_io io, const struct err_why *why)
{
	char text[400];
	enum relay_smtp_fault fault =
	    s->state == SMTP_READY || s->state == SMTP_QUIT ? RELAY_FAULT_NONE
	    : s->state <= SMTP_HELO ? RELAY_FAULT_CONNECT
				    : RELAY_FAULT_SESSION;

	snprintf(text, sizeof(text), "lost the connection while %s: %s",
	    states[s->state].name,
	    io == NET_IO_CLOSED ? "closed by the peer" : why->text);
	smtp_fail(s, fault, NULL, text);
}

static enum relay_smtp_step
want(enum net_io io)
{
	return io == NET_IO_WANT_WRITE ? RELAY_SMTP_WANT_WRITE
				       : RELAY_SMTP_WANT_READ;
}

/* Sending failed: a reply that says why may still be there to read. */
static void
last_words(struct relay_smtp *s, const struct err_why *why)
{
	struct err_why ignored;

	while (s->state != SMTP_DOWN && fill(s, &ignored) == NET_IO_DONE)
		while (s->state >= SMTP_ENVELOPE && s->n_expected > 0 &&
		       take_reply(s))
			continue;
	if (s->state != SMTP_DOWN)
		io_failed(s, NET_IO_FAILED, why);
}

/* One move: DONE when there may be another. */
static enum net_io
move(struct relay_smtp *s, struct err_why *why)
{
	/* what follows what could not be sent before is made in the next move:
	   the peer answers nothing while it waits for that */
	bool left = s->out.len > 0;
	bool more = smtp_transaction_produce(s) && s->state == SMTP_BODY;
	enum net_io io;

	if (s->state == SMTP_DOWN || s->state == SMTP_READY)
		return NET_IO_DONE;
	io = flush(s, why);
	if (io == NET_IO_FAILED || io == NET_IO_CLOSED) {
		last_words(s, why);
		return NET_IO_DONE;
	}
	if (io != NET_IO_DONE)
		return io;
	/* more of the body first, while the peer takes it */
	if (take_reply(s) || more || left)
		return NET_IO_DONE;
	io = fill(s, why);
	if (io == NET_IO_FAILED || io == NET_IO_CLOSED) {
		io_failed(s, io, why);
		return NET_IO_DONE;
	}
	return io;
}

/* Nothing to do: look whether the server has closed or wants to. */
static bool
idle(struct relay_smtp *s, struct err_why *why)
{
	enum net_io io = fill(s, why);

	if (io == NET_IO_FAILED || io == NET_IO_CLOSED)
		io_failed(s, io, why);
	return io == NET_IO_WANT_READ || io == NET_IO_WANT_WRITE;
}

enum relay_smtp_step
relay_smtp_step(struct relay_smtp *s)
{
	struct err_why why = {{0}};
	enum relay_smtp_step step;
	enum net_io io;

	/* a bound, so that a large message leaves the loop to others */
	for (int moves = 0; moves < MOVES_MAX; moves++) {
		switch (s->state) {
		case SMTP_DOWN:
			return RELAY_SMTP_DOWN;
		case SMTP_CONNECT:
			step = step_connect(s);
			if (s->state == SMTP_CONNECT)
				return step;
			break;
		case SMTP_HANDSHAKE:
			step = step_handshake(s);
			if (s->state == SMTP_HANDSHAKE)
				return step;
			break;
		case SMTP_READY:
			/* who speaks while nothing was asked is about to
			   close, or takes us for somebody else */
			if (s->in.len > 0)
				smtp_fail(s, RELAY_FAULT_NONE, NULL,
				    "the peer spoke unasked");
			else if (idle(s, &why))
				return RELAY_SMTP_READY;
			break;
		case SMTP_GREETING:
		case SMTP_EHLO:
		case SMTP_HELO:
		case SMTP_STARTTLS:
		case SMTP_AUTH:
		case SMTP_CLEAR:
		case SMTP_XCLIENT:
		case SMTP_ENVELOPE:
		case SMTP_BODY:
		case SMTP_FINAL:
		case SMTP_QUIT:
		case SMTP_STATES:
			io = move(s, &why);
			if (io != NET_IO_DONE)
				return want(io);
		}
	}
	return RELAY_SMTP_WANT_WRITE;
}

void
relay_smtp_quit(struct relay_smtp *s)
{
	if (s->state != SMTP_READY)
		return;
	smtp_puts(s, "QUIT\r\n");
	smtp_set_state(s, SMTP_QUIT);
}

void
relay_smtp_abort(struct relay_smtp *s, const char *text)
{
	char full[200];
	enum relay_smtp_fault fault =
	    s->state == SMTP_READY || s->state == SMTP_QUIT ? RELAY_FAULT_NONE
	    : s->state == SMTP_HANDSHAKE		    ? RELAY_FAULT_TLS
	    : s->state <= SMTP_HELO ? RELAY_FAULT_CONNECT
				    : RELAY_FAULT_SESSION;

	snprintf(
	    full, sizeof(full), "%s while %s", text, states[s->state].name);
	smtp_fail(s, fault, NULL, full);
}

uint64_t
relay_smtp_timeout_ms(const struct relay_smtp *s)
{
	return states[s->state].timeout_s * 1000ull;
}

uint64_t
relay_smtp_progress(const struct relay_smtp *s)
{
	return s->progress;
}

uint64_t
relay_smtp_mail_max(const struct relay_smtp *s)
{
	return s->offer.mail_max;
}

bool
relay_smtp_is_past_dot(const struct relay_smtp *s)
{
	return s->mail != NULL && s->past_dot;
}

const struct relay_smtp_failure *
relay_smtp_failure(const struct relay_smtp *s)
{
	return &s->failure;
}

void
relay_smtp_tls(const struct relay_smtp *s, uint8_t *level, enum tls_by *by,
    const char **text)
{
	struct err_why ignored;
	enum net_tls_proof proof;

	*level = ENTRY_TLS_OPPORTUNISTIC;
	*by = TLS_BY_NOTHING;
	*text = s->tls_text;
	if (s->tls == NULL || s->tls_text[0] == '\0')
		return;
	proof = net_tls_client_proof(s->tls, &ignored);
	*by = relay_expect_by(s->setup.expect, proof);
	*level =
	    *by == TLS_BY_NOTHING ? ENTRY_TLS_ENCRYPT : ENTRY_TLS_AUTHENTICATED;
}

bool
relay_smtp_offers_require(const struct relay_smtp *s)
{
	return s->offer.requiretls;
}

const struct relay_hop *
relay_smtp_hop(const struct relay_smtp *s)
{
	return &s->hop;
}

void
relay_smtp_our_address(const struct relay_smtp *s, char out[INET6_ADDRSTRLEN])
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	out[0] = '\0';
	if (getsockname(s->fd, (struct sockaddr *)&sa, &len) == 0)
		relay_address_text(&sa, out);
}
