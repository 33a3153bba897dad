/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the sender of a message is to be told of its recipients (RFC 3461), as
 * facts: worker and store note them, store gathers those of one message, relay
 * makes one notification of them. It is never told to a null sender, nor to
 * one outside: anybody may have written that name there.
 */
#ifndef GATEWAY_DSN_H
#define GATEWAY_DSN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/pack.h"
#include "common/sealed.h"
#include "mime/dsn.h"

struct dsn_rcpt {
	const char *addr;  /* mime_addr.text */
	const char *orcpt; /* xtext, "" if none */
	uint8_t action;	   /* enum mime_dsn_action */
	const char *status;
	/* Sentences for the sender; "": what the status means. */
	const char *reason;
	const char *advice;
	const char *peer;  /* who said it, "" if nobody did */
	uint16_t code;	   /* of the peer's reply; 0 if there was none */
	const char *text;  /* of the reply, or what else there is to say */
	uint64_t at_ms;	   /* of the attempt, Unix; 0: none */
	uint64_t until_ms; /* delayed: tried until then, Unix */
};

struct dsn {
	uint64_t message_id;
	const char *from; /* mime_addr.text of the sender */
	const char *from_key;
	const char *envid; /* xtext, "" if none */
	uint64_t accepted_ms;
	struct span outer; /* the header to quote, dsn_outer_seal(); may be
			      empty */
	struct dsn_rcpt *rcpt;
	uint32_t n_rcpt;
};

/* Does somebody with this NOTIFY (PROTO_NOTIFY_…) want to be told so? */
bool dsn_is_wanted(uint8_t notify, enum mime_dsn_action action);
/* Must what failed be held, since its sender must not be told? */
bool dsn_must_hold(uint8_t notify);

void dsn_rcpt_pack(struct packer *p, const struct dsn_rcpt *r);
void dsn_rcpt_unpack(struct unpacker *u, struct arena *a, struct dsn_rcpt *out);
void dsn_pack(struct packer *p, const struct dsn *d);
void dsn_unpack(struct unpacker *u, struct arena *a, struct dsn *out);

/* Seal a header for what is told of this message to this sender alone. In the
   arena. ERR_TOO_BIG, ERR_NOMEM. */
enum err dsn_outer_seal(const struct sealed_pub *pub, uint64_t message_id,
    const char *from_key, struct span header, struct arena *a,
    struct span *out) MUST_CHECK;
/* Append the header; nothing when there is none. ERR_BAD_SEAL. */
enum err dsn_outer_open(const struct sealed_pub *pub, const struct secret *priv,
    const struct dsn *d, struct buf *out) MUST_CHECK;

#endif
