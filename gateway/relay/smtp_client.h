/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One session with an SMTP or LMTP server, as a state machine on a socket that
 * never blocks (RFC 5321, RFC 2033): PIPELINING, STARTTLS, SIZE, 8BITMIME,
 * SMTPUTF8, CHUNKING, DSN. Several transactions, one after the other. Who it
 * connects to, time and retries are the driver's (connection.c).
 */
#ifndef GATEWAY_RELAY_SMTP_CLIENT_H
#define GATEWAY_RELAY_SMTP_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include <netinet/in.h>

#include "common/sealed.h"
#include "gateway/relay/expect.h"
#include "gateway/tls_state.h"

struct net_tls_clients;
struct relay_mail;
struct relay_smtp;

/* Borrowed until the session is freed. */
struct relay_smtp_setup {
	const char *helo; /* our name */
	bool lmtp;
	/* below its TLS nothing is sent */
	const struct relay_expect *expect;
	bool no_starttls; /* the peer's TLS has just failed; never with a
			     floor above opportunistic */
	struct net_tls_clients *tls_clients;
	bool wants_login;     /* nothing is sent before it has logged in */
	struct secret *login; /* the line that does; taken over; NULL: there is
				 none, and the session fails */
	const struct sealed_pub *pub; /* of ready entries */
	const struct secret *priv;
};

enum relay_smtp_step {
	RELAY_SMTP_DOWN = 0, /* over: relay_smtp_failure() says why */
	RELAY_SMTP_WANT_READ,
	RELAY_SMTP_WANT_WRITE,
	RELAY_SMTP_READY, /* may be given a mail; the last one is settled */
};

/* Why a session ended. */
enum relay_smtp_fault {
	RELAY_FAULT_NONE = 0, /* ended as it should: idle, or QUIT */
	RELAY_FAULT_CONNECT,  /* before the greeting was understood */
	RELAY_FAULT_SESSION,  /* later */
	RELAY_FAULT_TLS,      /* the handshake failed, or no TLS where needed */
	RELAY_FAULT_LOGIN,    /* the login is refused, or cannot be tried */
	RELAY_FAULT_OURS,     /* a body that does not open: not the peer's */
};

struct relay_smtp_failure {
	enum relay_smtp_fault fault;
	uint16_t code; /* of the peer's reply, 0 if none */
	char status[12];
	char text[512];
	/* It is who it should be, and does not take REQUIRETLS; of a
	   destination: no host does. */
	bool no_require;
	struct relay_hop hop; /* peer "": nobody was called */
};

/* fd: a socket whose connect() is under way; taken over. */
struct relay_smtp *relay_smtp_new(const struct relay_smtp_setup *setup, int fd);
/* What is under way is settled as deferred. NULL is fine. */
void relay_smtp_free(struct relay_smtp *s);

/* Go on as far as possible without waiting. */
enum relay_smtp_step relay_smtp_step(struct relay_smtp *s) MUST_CHECK;
/* Begin a transaction; only after RELAY_SMTP_READY. Step then. The mail is
   borrowed until it is settled. */
void relay_smtp_send(struct relay_smtp *s, struct relay_mail *m);
/* Whose client has the session been said to be of? A mail of another one must
   not go by it. m NULL: any that may come. */
bool relay_smtp_may_take(
    const struct relay_smtp *s, const struct relay_mail *m);
/* Say QUIT; only after RELAY_SMTP_READY. Step then. */
void relay_smtp_quit(struct relay_smtp *s);
/* It has taken too long, or the driver ends it: what is not settled is
   deferred with that text. */
void relay_smtp_abort(struct relay_smtp *s, const char *text);

/* Milliseconds that the present state may take (RFC 5321 4.5.3.2). */
uint64_t relay_smtp_timeout_ms(const struct relay_smtp *s);
/* Changes with everything that lets the time begin anew. */
uint64_t relay_smtp_progress(const struct relay_smtp *s);
/* It takes no more mails after so many (RFC 9422); 0: it did not say. */
uint64_t relay_smtp_mail_max(const struct relay_smtp *s);
/* The end of the message may have reached the peer: a retry could deliver it
   twice. */
bool relay_smtp_is_past_dot(const struct relay_smtp *s);
/* What its TLS is worth: the level that was had (enum entry_tls) and by what.
   text gets net_tls_client_text(), "" without TLS. */
void relay_smtp_tls(const struct relay_smtp *s, uint8_t *level, enum tls_by *by,
    const char **text);
/* The session for records. */
const struct relay_hop *relay_smtp_hop(const struct relay_smtp *s);
/* Our end of it; "" if it is not known. */
void relay_smtp_our_address(
    const struct relay_smtp *s, char out[INET6_ADDRSTRLEN]);
/* What the server offers beyond the basics. */
bool relay_smtp_offers_require(const struct relay_smtp *s);
/* The peer's answer would still be told in this session. */
const struct relay_smtp_failure *relay_smtp_failure(const struct relay_smtp *s);

#endif
