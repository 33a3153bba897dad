/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * An entry of the spool: one variant of a message and where it goes, or the
 * sealed original of one that must be decided (again). Its immutable part is
 * the associated data of its body's seal, so that no body can be attached to
 * another envelope. docs/format-spool.md has the octets. What store keeps
 * beside it (tries, times, results) is in store/.
 */
#ifndef GATEWAY_ENTRY_H
#define GATEWAY_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/digest.h"
#include "common/pack.h"
#include "common/sealed.h"
#include "mime/convert.h"

/* The first octet of an entry. What an earlier release has written is read, and
   keeps its format: its body is sealed beside it. */
enum { ENTRY_FORMAT = 4, ENTRY_FORMAT_3 = 3, ENTRY_FORMAT_2 = 2 };

/* The zero value is the one that relay never receives. */
enum entry_kind {
	ENTRY_PENDING = 0, /* the sealed original; must be decided (again) */
	ENTRY_READY,	   /* may be delivered as it is */
};

enum entry_route {
	ENTRY_OUTBOUND = 0,
	ENTRY_INBOUND, /* towards our own mail server */
};

/* Why an entry is pending. */
enum entry_why {
	ENTRY_WHY_NONE = 0,  /* it is ready */
	ENTRY_WHY_UNDECIDED, /* a rung failed: decide again later */
	ENTRY_WHY_HELD,	   /* quarantined by a rule: an administrator decides */
	ENTRY_WHY_CRASHED, /* killed workers: an administrator decides */
	ENTRY_WHY_RECEIVED, /* inbound, as it came: to be opened */
	ENTRY_WHY_TLS, /* the original of a ready entry whose TLS may not come
			  about: parked until then */
};

/* What becomes of a ready entry whose TLS was not to be had for as long as it
   is tried. The zero value tells the sender. */
enum entry_after {
	ENTRY_AFTER_BOUNCE = 0,
	ENTRY_AFTER_DROP,
	ENTRY_AFTER_AGAIN, /* its twin is decided by the rest of the ladder */
};

/* What the sender said of TLS on the way (RFC 8689). */
enum entry_require {
	ENTRY_REQUIRE_NOTHING = 0,
	ENTRY_REQUIRE_TLS, /* REQUIRETLS: every hop authenticated, and told */
	ENTRY_REQUIRE_NO_TLS, /* TLS-Required: No: rather delivered than safe */
};

struct entry_rcpt {
	const char *addr; /* mime_addr.text */
	const char *key;
	const char *orcpt; /* xtext, "" if none */
	uint8_t notify;	   /* PROTO_NOTIFY_… */
};

struct entry {
	/* --- immutable: packed by entry_pack_fixed() --- */
	uint8_t format;	     /* of an earlier release, else the present one */
	uint64_t id;	     /* of this entry */
	uint64_t message_id; /* queue id of the message it came from */
	enum entry_kind kind;
	enum entry_route route;
	uint8_t rung;	  /* enum rung that was chosen, 0 of what is the
			     gateway's own; for pending: 0, or the rung tls
			     that did not come about */
	uint8_t strength; /* of the rung; pending: the least that may be
			     decided, which store checks */
	uint8_t tls;	  /* enum entry_tls: what the hop must have at least */
	uint8_t after;	  /* enum entry_after: when that is not to be had */
	uint8_t require;  /* enum entry_require */
	const char *from; /* mime_addr.text, "" the null sender */
	const char *from_key;
	const char *envid;
	bool ret_hdrs;
	bool smtputf8;
	bool body_8bit;
	uint64_t accepted_ms; /* Unix time of the message */
	/* Where it came from: what rules look at, and what our own server is
	   told; "" of a ready outbound entry. */
	const char *client;	 /* address of the SMTP client, for rules */
	const char *origin;	 /* the same, or what XFORWARD said: is told,
				    decides nothing */
	const char *client_name; /* its name as a proxy said, "" if none */
	const char *helo;
	const char *auth_id;   /* who had signed in, "" if nobody; of a ready
				  entry: who is told by XCLIENT */
	const char *auth_from; /* addresses and @domains that one may write as,
				  canonical, with blanks between; of a ready
				  entry without a sender: the @domain that may
				  be signed for, "" for none */
	const char *trace;     /* pending: the Received field */
	struct entry_rcpt *rcpt;
	uint32_t n_rcpt;
	uint64_t body_size; /* octets before sealing */
	uint8_t body_hash[DIGEST_SIZE];
	/* ready: how a body of 8-bit characters is converted for a next hop
	   without 8BITMIME; without edits it must not be */
	struct mime_convert_plan convert;

	/* --- the rest --- */
	enum entry_why why;
	const char *reason;	 /* for a person, "" if none */
	const char *rule;	 /* name of the deciding rule, "" if none */
	const char *wait_object; /* escrow object that portal must have before
				    this may be delivered, "" if none */
	uint64_t twin;	  /* ready: of its original that is parked; that one: of
			     the ready entry; else 0 */
	struct span body; /* sealed octets; empty when in a file */
	const char *file; /* name in the bodies directory, "" if inline */
};

/* The reasons of a pending entry that an administrator sends for pick-up again:
   what stood for it before had nothing in its key beside the link, or had. */
#define ENTRY_RESENT	    "sent again for pick-up"
#define ENTRY_RESENT_FACTOR "sent again for pick-up, with a second factor"

enum entry_tls {
	ENTRY_TLS_OPPORTUNISTIC = 0,
	ENTRY_TLS_ENCRYPT,
	ENTRY_TLS_AUTHENTICATED,
	/* of an entry alone: authenticated by no less than these */
	ENTRY_TLS_STS,
	ENTRY_TLS_DANE,
};

/* The immutable part: what a body is sealed beside. */
enum err entry_pack_fixed(const struct entry *e, struct buf *out) MUST_CHECK;
/* Seal a text of our own inline beside the immutable part of e, which is made
   complete: size and digest. In the arena. ERR_TOO_BIG. */
enum err entry_seal(struct entry *e, const struct sealed_pub *pub,
    struct span text, struct arena *arena) MUST_CHECK;
/* Has the gateway written what is ready, without a message that was sealed or
   passed on: a notification, an alarm, a report? No rung was chosen for it. */
bool entry_is_own(const struct entry *e);
/* Is the first octet of an entry that of a format that is read? */
bool entry_format_is_known(uint8_t format);
/* Leave nothing of where it came from, and no trace. */
/* The client of an answer that came by the portal: no address is written so. */
#define ENTRY_CLIENT_PORTAL "portal"
void entry_forget_origin(struct entry *e);
/* May who had signed in write as this address? Said by the address itself, or
   by_domain. key is canonical. */
bool entry_auth_may_use(const char *auth_from, const char *key, bool by_domain);
/* All of it, with the body when that is inline. */
void entry_pack(struct packer *p, const struct entry *e);
void entry_unpack(struct unpacker *u, struct arena *a, struct entry *out);

/* A new id: seconds, then a counter that starts anywhere in each process. Never
   0, never twice in a process, never with ENTRY_ID_ANSWER. */
uint64_t entry_new_id(void);
/* What the portal calls its answers must meet no id of ours: the message an
   answer becomes has the portal's id with this bit. */
#define ENTRY_ID_ANSWER (UINT64_C(1) << 63)
/* Leave out the next n: a process that was forked from this one has them. */
void entry_skip_ids(uint32_t n);

const char *entry_kind_name(enum entry_kind k);
const char *entry_why_name(enum entry_why w);

#endif
