/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * XFORWARD and XCLIENT, as the documentation of Postfix has them: our own
 * server is told who the client was, for its logs and its filters, or to treat
 * the session as that client's.
 */
#ifndef GATEWAY_RELAY_XFORWARD_H
#define GATEWAY_RELAY_XFORWARD_H

#include "common/buf.h"
#include "gateway/entry.h"

/* As bits: what a server offers to hear. */
enum {
	RELAY_XFORWARD_ADDR = 1,
	RELAY_XFORWARD_NAME = 2,
	RELAY_XFORWARD_HELO = 4,
	RELAY_XFORWARD_IDENT = 8,   /* the id of the message here */
	RELAY_XFORWARD_SOURCE = 16, /* it came over the network */
	RELAY_XFORWARD_LOGIN = 32,  /* XCLIENT: who had signed in */
	RELAY_XFORWARD_ALL = 63
};

/* The bits of the words behind XFORWARD or XCLIENT in the reply to EHLO. */
unsigned relay_xforward_offer(struct span words);
/* Append the command with its line end; nothing if there is nothing to tell.
   ERR_TOO_BIG. */
enum err relay_xforward_line(
    const struct entry *e, unsigned offer, struct buf *out) MUST_CHECK;
/* The same of XCLIENT, of which a server heeds what it offered alone. */
enum err relay_xclient_line(
    const struct entry *e, unsigned offer, struct buf *out) MUST_CHECK;

#endif
