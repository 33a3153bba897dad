/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One try at a next hop as the records tell of it: where, what TLS was asked
 * of it, and what it had. A part of messages between processes.
 */
#ifndef GATEWAY_PROTO_HOP_H
#define GATEWAY_PROTO_HOP_H

#include "common/arena.h"
#include "common/pack.h"

/* Texts, "" where nothing is known. */
struct proto_hop {
	bool resumed;	  /* its TLS was that of an earlier session */
	const char *peer; /* "mx.example.org [192.0.2.1]:25" */
	/* "opportunistic", "encrypt", "verify", "dane", "mta-sts" */
	const char *demanded;
	const char *had; /* "none", else by what the peer was recognised */
	const char *protocol;
	const char *cipher;
	const char *cert; /* SHA-256 of its certificate, hex */
	const char *name; /* that was found in it */
	const char *tlsa; /* the record that matched: "3 1 1 0123…" */
	const char *sts;  /* the id of the policy that was heeded */
};

/* No try at all. */
extern const struct proto_hop proto_hop_none;

void proto_hop_pack(struct packer *p, const struct proto_hop *h);
void proto_hop_unpack(
    struct unpacker *u, struct arena *a, struct proto_hop *out);

#endif
