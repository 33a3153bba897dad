/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * With which key a message may be signed, if any: who hands it in, whose name
 * is on it, which private keys there are. Whether it is to be signed is for
 * the rules; the private half is never here.
 */
#ifndef GATEWAY_SIGNER_H
#define GATEWAY_SIGNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "keystore/record.h"

struct arena;
struct ks_store;
struct crypto_cert_cache;
struct message;

/* A key of the sender's, or of its domain. */
struct signer_key {
	const struct ks_record *record; /* with the public key; NULL: none */
	const char *why;		/* none: the reason, for a person */
};

/* Whether a certificate is issued for a sender who has none, where the rules
   say so. */
enum signer_issue {
	SIGNER_NOT_ISSUED = 0, /* not asked for yet, or definitely not */
	SIGNER_ISSUE_FAILED,   /* not now: later it may be */
	SIGNER_WOULD_ISSUE,    /* nothing is sent: it is only told */
};

/* Zeroed, nobody signs. */
struct signer {
	enum err err;	  /* the keystore could not tell: signing has failed */
	const char *why;  /* not allowed at all: the reason; NULL: allowed */
	const char *addr; /* whose keys these are: the author's; canonical */
	struct signer_key smime, pgp;		    /* the address's own */
	struct signer_key domain_smime, domain_pgp; /* its domain's */
	enum signer_issue issue;
	const char *issue_why; /* why none was issued; NULL: not asked for */
};

/* certificates of issuers that are sent along */
enum { SIGNER_CHAIN_MAX = 8 };

struct signer_facts {
	struct ks_store *keys;		 /* NULL: cannot be opened */
	struct crypto_cert_cache *certs; /* may be NULL */
	int64_t now_s;
	const char *from_key;  /* of the envelope; "" is the null sender */
	const char *auth_from; /* of struct entry; NULL or "": nobody's */
	bool may_sign;	       /* the client is listed */
	const struct message *message; /* NULL: not seen yet, at RCPT */
};

/* Find out. Everything in out is borrowed from the arena. Never fails: what
   cannot be told is err. */
void signer_find(
    const struct signer_facts *f, struct arena *arena, struct signer *out);

/* The issuers of the certificate in leaf, its own first, as far as the keystore
   has them and without the root: what others need to build the chain. Whether
   they are to be believed is for who verifies. Borrowed from the arena. ERR_OK
   with fewer or none; ERR_NOMEM, errors of the keystore. */
enum err signer_chain(struct ks_store *keys, struct crypto_cert_cache *certs,
    const struct ks_record *leaf, struct arena *arena,
    const struct ks_record *const **out, size_t *n_out) MUST_CHECK;

#endif
