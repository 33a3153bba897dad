/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Messages between processes that carry mail: envelope, what a worker
 * decides, what store and relay hand each other. For proto.h.
 */
#ifndef GATEWAY_PROTO_MAIL_H
#define GATEWAY_PROTO_MAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/object_header.h"
#include "common/pack.h"
#include "gateway/dsn.h"
#include "gateway/entry.h"
#include "gateway/proto_discovery.h"
#include "gateway/proto_hop.h"
#include "gateway/proto_measure.h"
#include "gateway/proto_order.h"

/* --- envelope --- */

/* DSN's NOTIFY (RFC 3461 4.1); 0 is the default: failure and delay. */
enum {
	PROTO_NOTIFY_NEVER = 1,
	PROTO_NOTIFY_SUCCESS = 2,
	PROTO_NOTIFY_FAILURE = 4,
	PROTO_NOTIFY_DELAY = 8,
	/* with NEVER: somebody else's address stands as its sender; what fails
	   is held */
	PROTO_NOTIFY_HOLD = 16,
	/* It came from outside and was read by an opener: the next hop is told
	   NEVER, and no notice tells what was found. The rest is what the
	   sender asked of us. */
	PROTO_NOTIFY_OUTSIDE = 32,
};

struct proto_rcpt {
	const char *addr;  /* struct mime_addr.text */
	const char *key;   /* struct mime_addr.key */
	const char *orcpt; /* as it came, xtext; "" if none */
	uint8_t notify;
};

struct proto_envelope {
	const char *from; /* mime_addr.text; "" is the null sender */
	const char *from_key;
	const char *envid; /* xtext, "" if none */
	bool ret_hdrs;	   /* RET=HDRS */
	bool smtputf8;
	bool body_8bit;		 /* BODY=8BITMIME was said */
	bool body_binary;	 /* BODY=BINARYMIME was (RFC 3030) */
	bool requiretls;	 /* REQUIRETLS was (RFC 8689) */
	const char *client;	 /* address of the SMTP client, text */
	const char *origin;	 /* the same, as it is told: struct entry */
	const char *client_name; /* its name as a proxy said, "" if none */
	const char *helo;
	const char *auth_id;   /* who has signed in, "" if nobody */
	const char *auth_from; /* what that one may write as: struct entry */
	const char *tls;      /* "TLSv1.3 TLS_AES_256_GCM_SHA384", "" if none */
	uint64_t received_ms; /* Unix time */
	struct proto_rcpt *rcpt;
	uint32_t n_rcpt;
};

void proto_envelope_pack(struct packer *p, const struct proto_envelope *e);
void proto_envelope_unpack(
    struct unpacker *u, struct arena *a, struct proto_envelope *out);

/* --- listener and worker --- */

struct proto_rcpt_check {
	const char *from_key;
	const char *rcpt_key;
	const char *client;  /* address, text */
	const char *auth_id; /* as in struct proto_envelope */
	const char *auth_from;
};

enum err proto_rcpt_check_pack(
    const struct proto_rcpt_check *m, struct buf *out) MUST_CHECK;
enum err proto_rcpt_check_unpack(
    struct span in, struct arena *a, struct proto_rcpt_check *out) MUST_CHECK;

/* An SMTP reply: 550, "5.7.1", one line without code and status. */
struct proto_reply {
	uint16_t code;
	const char *status;
	const char *text;
};

enum err proto_reply_pack(
    const struct proto_reply *m, struct buf *out) MUST_CHECK;
enum err proto_reply_unpack(
    struct span in, struct arena *a, struct proto_reply *out) MUST_CHECK;

struct proto_message {
	uint32_t attempt; /* counts from 1; names this try in store's eyes */
	bool inbound;	  /* it came by `listen inbound` */
	bool lmtp;	  /* by LMTP: each recipient gets its own answer */
	bool unparsed;	  /* it killed workers: put it aside as pending, without
			     looking into it */
	struct proto_envelope envelope;
	struct proto_answers *answers; /* one for each recipient */
	uint32_t n_answers;
	const char *trace; /* the whole Received field, CRLF included */
};

enum err proto_message_pack(
    const struct proto_message *m, struct buf *out) MUST_CHECK;
enum err proto_message_unpack(
    struct span in, struct arena *a, struct proto_message *out) MUST_CHECK;

struct proto_done {
	uint32_t attempt;
	bool submitted; /* wait for PROTO_COMMITTED, then this reply */
	struct proto_reply reply;
	/* By LMTP, where not all fared alike: in the envelope's order. */
	struct proto_reply *each;
	uint32_t n_each;
};

enum err proto_done_pack(
    const struct proto_done *m, struct buf *out) MUST_CHECK;
enum err proto_done_unpack(
    struct span in, struct arena *a, struct proto_done *out) MUST_CHECK;

/* --- store and listener --- */

struct proto_committed {
	uint32_t attempt;
	enum err result;
	bool waits; /* durable, and its next hop has yet to say something */
	/* What that said of all recipients alike; code 0: nothing, what the
	   worker said counts. */
	struct proto_reply reply;
};

enum err proto_committed_pack(
    const struct proto_committed *m, struct buf *out) MUST_CHECK;
enum err proto_committed_unpack(
    struct span in, struct arena *a, struct proto_committed *out) MUST_CHECK;

/* --- worker and store --- */

/* An escrow object that the worker wrote and synced. */
struct proto_object {
	const char *name; /* file name in the escrow directory */
	uint64_t size;
	uint64_t expires_s; /* Unix time */
	/* of common/object_header.h */
	enum object_factor factor;
	enum object_door door;
	const char **answer_to; /* canonical: whom an answer may go to */
	uint32_t n_answer_to;
	/* to store alone: its keys, sealed for recovery; empty for none */
	struct span recovery;
};

void proto_object_pack(struct packer *p, const struct proto_object *m);
void proto_object_unpack(
    struct unpacker *u, struct arena *a, struct proto_object *out);

/* Why a recipient of a pending entry that is decided gets nothing more. */
enum proto_close {
	PROTO_CLOSE_REFUSED = 1, /* the sender hears of it */
	PROTO_CLOSE_DROPPED,
	PROTO_CLOSE_GIVEN_UP, /* too old; the sender hears of it, too */
};

struct proto_closed {
	const char *key; /* canonical address */
	uint8_t how;	 /* enum proto_close */
};

struct proto_submit {
	uint32_t attempt;  /* of PROTO_MESSAGE; 0 when it replaces an entry */
	uint64_t replaces; /* id of the pending entry this decides, or 0 */
	bool waits;	   /* one entry: what its next hop says is the answer */
	/* Of a new message and its envelope, the same whoever works on it. */
	uint8_t digest[DIGEST_SIZE];
	struct entry *entry; /* new entries */
	uint32_t n_entries;
	struct proto_object *object;
	uint32_t n_objects;
	/* Of who gets nothing; of a replaced entry its own sender is told. */
	struct dsn dsn;
	/* Recipients of the replaced entry that are in none of the new ones. */
	struct proto_closed *closed;
	uint32_t n_closed;
	struct proto_order order;
	/* Of the address for answers about its objects (gateway/pickup_word.h);
	   empty: there is none. */
	struct span reply_mac;
	const char **audit; /* JSON objects, without the chain's fields */
	uint32_t n_audit;
	struct proto_measures measures;
};

enum err proto_submit_pack(
    const struct proto_submit *m, struct buf *out) MUST_CHECK;
enum err proto_submit_unpack(
    struct span in, struct arena *a, struct proto_submit *out) MUST_CHECK;

struct proto_decide {
	struct entry entry; /* pending; body inline or in the descriptor */
	uint32_t *open;	    /* positions of the recipients to decide for;
			       rising, at least one */
	uint32_t n_open;
	uint64_t age_ms; /* since it was accepted */
	bool give_up;	 /* too old: tell the sender, end it */
	bool released;	 /* an administrator let a held entry go on */
};

enum err proto_decide_pack(
    const struct proto_decide *m, struct buf *out) MUST_CHECK;
enum err proto_decide_unpack(
    struct span in, struct arena *a, struct proto_decide *out) MUST_CHECK;

/* --- store and relay --- */

struct proto_deliver {
	struct entry entry; /* ready, whole: its recipients are part of what
			       the body is sealed beside */
	uint32_t *open;	    /* positions of the recipients to deliver to now;
			       rising, at least one */
	uint32_t n_open;
	uint32_t tries; /* before this one */
	uint64_t age_ms;
	bool warn;    /* late: make a delay notice if it fails again */
	bool give_up; /* last try: what fails now has failed for good */
};

enum err proto_deliver_pack(
    const struct proto_deliver *m, struct buf *out) MUST_CHECK;
enum err proto_deliver_unpack(
    struct span in, struct arena *a, struct proto_deliver *out) MUST_CHECK;

enum proto_outcome {
	PROTO_DEFERRED = 0,
	PROTO_DELIVERED,
	PROTO_FAILED,
	PROTO_DROPPED, /* TLS was not to be had, and its rule says drop */
};

struct proto_rcpt_result {
	uint32_t rcpt;	 /* position in the entry's list */
	uint8_t outcome; /* enum proto_outcome */
	bool tls;	 /* for want of the TLS that the entry demands */
	uint16_t code;	 /* of the peer's reply; 0 if there was none */
	uint32_t hop;	 /* of the result's, where it was tried last */
	bool quiet;	 /* the peer took over to tell the sender */
	bool final;	 /* it is in the mailbox: the peer speaks LMTP */
	const char *status;
	const char *text;
};

struct proto_result {
	bool more; /* others of this attempt are not settled yet: their result
		      comes, with these once more */
	struct proto_rcpt_result *rcpt; /* every recipient of the attempt */
	uint32_t n_rcpt;
	struct proto_hop *hop; /* none: nothing was tried */
	uint32_t n_hop;
	struct span outer; /* the header that a notification quotes,
			      dsn_outer_seal(); may be empty */
};

/* Where it was tried for that recipient; never NULL. */
const struct proto_hop *proto_result_hop(
    const struct proto_result *m, const struct proto_rcpt_result *r);

/* Store wants a notification made of these facts; the first is number `first`
   of its message. Relay answers what it made, with the id of the message. */
struct proto_notify {
	uint32_t first;
	struct dsn dsn;
};

enum err proto_notify_pack(
    const struct proto_notify *m, struct buf *out) MUST_CHECK;
enum err proto_notify_unpack(
    struct span in, struct arena *a, struct proto_notify *out) MUST_CHECK;

struct proto_notified {
	uint32_t first;
	uint32_t n; /* so many of them it tells of; 0: it could not be made */
	struct entry entry; /* ready, null sender; only with n > 0 */
};

enum err proto_notified_pack(
    const struct proto_notified *m, struct buf *out) MUST_CHECK;
enum err proto_notified_unpack(
    struct span in, struct arena *a, struct proto_notified *out) MUST_CHECK;

enum err proto_result_pack(
    const struct proto_result *m, struct buf *out) MUST_CHECK;
enum err proto_result_unpack(
    struct span in, struct arena *a, struct proto_result *out) MUST_CHECK;

#endif
