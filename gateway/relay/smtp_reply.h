/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Replies of SMTP and LMTP servers (RFC 5321 4.2, RFC 2034), and what a server
 * says it can do. Peers are strangers: everything is bounded and made safe to
 * show.
 */
#ifndef GATEWAY_RELAY_SMTP_REPLY_H
#define GATEWAY_RELAY_SMTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

enum {
	RELAY_REPLY_LINE = 2048,     /* octets; RFC 5321 says 512 */
	RELAY_REPLY_MAX = 16 * 1024, /* octets of all lines */
	RELAY_REPLY_TEXT = 512,	     /* of text that is kept */
	RELAY_REPLY_STATUS = 12,     /* "5.7.509" and its NUL */
};

struct relay_reply {
	uint16_t code;
	char status[RELAY_REPLY_STATUS]; /* enhanced, "" if none */
	char text[RELAY_REPLY_TEXT];	 /* lines joined by blanks, no control
					    characters, cut at the end */
	struct span lines;		 /* as they came */
};

/* Read the reply at the start of in; *used tells its octets. ERR_AGAIN when
   it is not complete, ERR_TOO_BIG beyond the limits, ERR_MALFORMED. */
enum err relay_reply_parse(
    struct span in, struct relay_reply *out, size_t *used) MUST_CHECK;

/* Does a reply to RCPT say that there is no such recipient? Not every refusal
   does: many are of the client, the sender or the mailbox's state. status: ""
   or X.0.0 if it has none. */
bool relay_reply_no_such_rcpt(uint16_t code, const char *status);

/* What the reply to EHLO offers. */
struct relay_offer {
	bool pipelining;
	bool size;
	uint64_t size_max; /* 0: no limit known */
	bool mime_8bit;
	bool smtputf8;
	bool chunking;
	bool dsn;
	bool starttls;
	bool requiretls;
	bool auth_plain;
	unsigned xforward; /* RELAY_XFORWARD_…: what it takes of a client */
	unsigned xclient;  /* the same, to be that client */
	/* RFC 9422; 0: not said */
	uint64_t rcpt_max; /* recipients of a transaction */
	uint64_t mail_max; /* transactions of a session */
};

void relay_offer_parse(const struct relay_reply *r, struct relay_offer *out);

#endif
