/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the parts of one SMTP session share: smtp_client.c (states and octets),
 * smtp_transaction.c (one message), smtp_xclient.c (as whose).
 */
#ifndef GATEWAY_RELAY_SMTP_PRIVATE_H
#define GATEWAY_RELAY_SMTP_PRIVATE_H

#include "common/buf.h"
#include "gateway/relay/body.h"
#include "gateway/relay/expect.h"
#include "gateway/relay/mail.h"
#include "gateway/relay/smtp_client.h"
#include "gateway/relay/smtp_reply.h"
#include "net/tls_client.h"

enum smtp_state {
	SMTP_DOWN = 0,
	SMTP_CONNECT,
	SMTP_GREETING,
	SMTP_EHLO,
	SMTP_HELO,
	SMTP_STARTTLS,
	SMTP_HANDSHAKE,
	SMTP_AUTH,
	SMTP_CLEAR, /* RSET, before XCLIENT */
	SMTP_XCLIENT,
	SMTP_READY,
	SMTP_ENVELOPE, /* MAIL to DATA; a small body, too, when in BDAT */
	SMTP_BODY,
	SMTP_FINAL, /* the end is sent; its reply is awaited */
	SMTP_QUIT,
	SMTP_STATES
};

/* What a reply in a transaction answers. */
enum smtp_expect {
	EXPECT_RSET,
	EXPECT_XFORWARD,
	EXPECT_MAIL,
	EXPECT_RCPT,
	EXPECT_DATA,
	EXPECT_CHUNK,	/* BDAT, not the last */
	EXPECT_FINAL,	/* the whole message, or LMTP: one recipient */
	EXPECT_NOTHING, /* the end of a transaction nobody accepted */
	EXPECT_KINDS
};

enum smtp_rcpt {
	SMTP_RCPT_LEFT_OUT = 0, /* settled before it was asked for */
	SMTP_RCPT_ASKED,
	SMTP_RCPT_ACCEPTED,
};

enum {
	SMTP_EXPECTED_MAX = 256,
	RELAY_CLIENT_MAX = 8192, /* octets of relay_smtp.client */
};

struct relay_smtp {
	struct relay_smtp_setup setup;
	enum smtp_state state;
	int fd;
	struct net_tls_client *tls;
	char tls_text[NET_TLS_TEXT_MAX];
	struct relay_hop hop;
	struct buf in;
	struct buf out;
	size_t sent; /* octets of out that are on their way */
	uint64_t progress;
	struct relay_offer offer;
	struct relay_smtp_failure failure;
	/* By XCLIENT, all that could be told of the client whose session it is
	   now; empty: it is ours. */
	struct buf client;

	/* --- the transaction --- */
	struct relay_mail *mail; /* NULL between transactions */
	struct relay_body *body;
	/* the next hop takes no 8-bit characters, and the body may be made
	   without: NULL else */
	struct mime_convert *convert;
	struct buf converted;
	struct span chunk; /* of the body or converted, not sent yet */
	bool chunk_last;
	struct span prefix; /* a signature, before the first of it */
	bool has_chunk;
	bool line_start;  /* DATA: a dot here must be doubled */
	bool needs_reset; /* the last transaction did not end by itself */
	bool past_dot;
	bool use_bdat;
	bool xforward_sent;
	bool mail_sent;
	bool data_sent;
	bool go_ahead; /* 354 */
	/* how far the recipients have been gone through: to ask for, for the
	   replies to RCPT, for LMTP's replies to the message */
	uint32_t rcpt_sent;
	uint32_t rcpt_seen;
	uint32_t final_seen;
	uint8_t *rcpt; /* enum smtp_rcpt of each; in the mail's arena */
	uint32_t n_accepted;
	uint32_t n_asked;  /* in this transaction */
	uint32_t n_before; /* settled when it began */
	/* replies to come, in order */
	uint8_t expected[SMTP_EXPECTED_MAX];
	unsigned expect_first;
	unsigned n_expected;
};

void smtp_set_state(struct relay_smtp *s, enum smtp_state to);
/* End the session; what is not settled is deferred. */
void smtp_fail(struct relay_smtp *s, enum relay_smtp_fault fault,
    const struct relay_reply *r, const char *text);
void smtp_put(struct relay_smtp *s, struct span octets);
void smtp_puts(struct relay_smtp *s, const char *text);

/* Have the session be that of the mail's client first, if it is to be and is
   not. false: the transaction may begin at once. */
bool smtp_xclient_begin(struct relay_smtp *s);
void smtp_xclient_cleared(struct relay_smtp *s, const struct relay_reply *r);
/* 220 is a greeting: EHLO follows. */
void smtp_xclient_reply(struct relay_smtp *s, const struct relay_reply *r);
/* Who EHLO names: the client whose session it is, else us. */
const char *smtp_xclient_hello(const struct relay_smtp *s);
void smtp_say_hello(struct relay_smtp *s, enum smtp_state state);

/* Begin with s->mail in a session that stands. */
void smtp_transaction_begin(struct relay_smtp *s);
/* Write what comes next in the transaction. false: nothing may be written
   now. */
bool smtp_transaction_produce(struct relay_smtp *s);
void smtp_transaction_reply(struct relay_smtp *s, const struct relay_reply *r);
/* Forget the body; the mail is settled. */
void smtp_transaction_end(struct relay_smtp *s);

#endif
