/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Messages between processes about keys of strangers: what sources answered,
 * what was found, what became of it. For proto.h.
 */
#ifndef GATEWAY_PROTO_DISCOVERY_H
#define GATEWAY_PROTO_DISCOVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/pack.h"

enum proto_answer_status {
	PROTO_ANSWER_FAILED = 0,
	PROTO_ANSWER_ABSENT,
	PROTO_ANSWER_FOUND,
};

struct proto_answer {
	uint8_t source; /* enum ks_source */
	uint8_t status; /* enum proto_answer_status */
	bool reached;	/* the source itself answered, whatever came of it */
	bool domain_failed; /* ... and did not for the domain as a whole */
	uint32_t ttl_s;	    /* how long it may be believed */
};

/* What the sources said of one address. complete false: the process died or
   did not answer in time; sources that are missing count as failed. */
struct proto_answers {
	const char *key; /* canonical address */
	bool complete;
	struct proto_answer *answer;
	uint32_t n;
};

void proto_answers_pack(struct packer *p, const struct proto_answers *m);
void proto_answers_unpack(
    struct unpacker *u, struct arena *a, struct proto_answers *out);

/* Who is in a group of the directory. */
struct proto_group {
	const char *name;
	struct span text; /* an address a line */
};

enum err proto_group_pack(
    const struct proto_group *m, struct buf *out) MUST_CHECK;
enum err proto_group_unpack(
    struct span in, struct arena *a, struct proto_group *out) MUST_CHECK;

enum {
	PROTO_BLOBS_MAX = 64, /* of one proposal, and keys told of */
};

/* Octets from outside that may be keys or certificates. */
struct proto_propose {
	uint8_t source;	  /* enum ks_source */
	uint8_t trust;	  /* enum ks_trust: what its source is worth */
	bool asserted;	  /* DNSSEC vouches for the certificate itself (RFC 6698
			     usage 3): no chain is asked for */
	bool openpgp;	  /* else X.509; a blob of unknown kind is proposed as
			     what its first octets say */
	const char *key;  /* canonical address it must carry; "@domain": for
			     the domain as a whole */
	const char *url;  /* where it was found */
	struct span caps; /* SMIMECapabilities of its mail, DER; or empty */
	struct span *blob; /* each: one or more, armored or binary */
	uint32_t n;
};

enum err proto_propose_pack(
    const struct proto_propose *m, struct buf *out) MUST_CHECK;
enum err proto_propose_unpack(
    struct span in, struct arena *a, struct proto_propose *out) MUST_CHECK;

/* What became of a key. The zero value claims least. */
enum proto_fate {
	PROTO_FATE_REFUSED = 0, /* why says why; it is not in the keystore */
	PROTO_FATE_WAITS,	/* for an administrator's approval */
	PROTO_FATE_KEPT,	/* in the keystore: new, renewed or as it was */
	PROTO_FATE_FAILED,	/* not judged, or could not be written */
};

struct proto_fate_of {
	uint8_t fate;	  /* enum proto_fate */
	int64_t ends;	  /* Unix seconds; 0: it does not */
	struct span fpr;  /* empty if it has none */
	const char *what; /* "OpenPGP Ed25519 alice@example.org" */
	const char *why;  /* one sentence; "" when kept without remarks */
};

struct proto_proposed {
	struct proto_fate_of *key; /* at most PROTO_BLOBS_MAX */
	uint32_t n;
	const char *why; /* of the whole when there is no key: why not */
	bool failed;	 /* nothing can be said: the process had trouble */
};

enum err proto_proposed_pack(
    const struct proto_proposed *m, struct buf *out) MUST_CHECK;
enum err proto_proposed_unpack(
    struct span in, struct arena *a, struct proto_proposed *out) MUST_CHECK;

#endif
