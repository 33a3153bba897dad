/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * From the octets that somebody found to records, or the reason why not. No
 * process, no keystore: what becomes of a record is store's to decide.
 */
#ifndef GATEWAY_ADMISSION_JUDGE_H
#define GATEWAY_ADMISSION_JUDGE_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/proto_discovery.h"
#include "keystore/record.h"

struct crypto_pgp;
struct crypto_cert;

enum { JUDGE_ISSUERS = 4 };

/* One key that was in the octets. */
struct judged {
	struct ks_record *record; /* NULL: refused, why says why */
	struct span fpr;
	const char *what; /* "OpenPGP Ed25519 alice@example.org" */
	struct err_why why;
	bool issuer; /* refused as a key, and kept for paths */
};

struct judgement {
	struct judged key[PROTO_BLOBS_MAX];
	size_t n;
	/* CA certificates that came along: for paths, believed in nothing. */
	struct ks_record *issuer[JUDGE_ISSUERS];
	size_t n_issuers;
	/* Of octets that hold no key that can be told apart. */
	enum err err;
	struct err_why why;
	struct span fpr; /* of the first of them, where that can be told */
	bool secret;	 /* a private key was among them */
};

/* Judge everything in the proposal. What is told is in the arena. ERR_OK also
   when all of it is refused; else the judge failed (a gpg that hangs, no
   memory) and nothing is known. */
enum err judge(struct crypto_pgp *pgp, const struct proto_propose *m,
    int64_t now, struct arena *arena, struct judgement *out,
    struct err_why *why) MUST_CHECK;

#endif
