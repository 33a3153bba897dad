/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The message as one group of recipients gets it: what is signed and sealed,
 * with which keys, in which shape. For the worker and for `sealgate seal`:
 * knows nothing of processes, entries or what becomes of the octets.
 */
#ifndef GATEWAY_VARIANT_H
#define GATEWAY_VARIANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "crypto/cms_form.h"
#include "crypto/key_delegate.h"
#include "crypto/openpgp_sign.h"
#include "mime/write.h"
#include "policy/policy.h"

struct arena;
struct crypto_cert_cache;
struct ks_record;
struct ks_result;
struct memfd_map;
struct mime_tree;

/* What the OpenPGP engine is asked for: the pgp process for a worker, gpg in
   a scratch home for the command line. fd is a sealed memfd; out is armor,
   mapped. Errors are those of crypto_pgp_seal() and crypto_pgp_sign(), and
   ERR_CRASHED. */
struct variant_pgp {
	/* Seal to the n certificates. */
	enum err (*seal)(void *arg, const struct span *certs, size_t n, int fd,
	    struct memfd_map *out, struct err_why *why);
	/* The same, signed inside by the key. */
	enum err (*seal_sign)(void *arg, struct span fpr,
	    const struct span *certs, size_t n, int fd, struct memfd_map *out,
	    struct err_why *why);
	/* A detached signature by the key. */
	enum err (*sign)(void *arg, struct span fpr, int fd,
	    struct memfd_map *out, char micalg[CRYPTO_PGP_MICALG],
	    struct err_why *why);
	void *arg;
};

/* Who has the private key of a certificate: one operation with it. */
struct variant_cms {
	enum err (*sign)(void *arg, struct span fpr, enum crypto_sign_alg alg,
	    struct span in, struct buf *out);
	void *arg;
};

/* Who seals and signs. Members for signing are looked at only when a variant
   has a signer. */
struct variant_engines {
	struct crypto_cert_cache *certs;
	struct variant_pgp pgp;
	struct variant_cms cms;
};

/* What to make. */
struct variant {
	enum rung rung;	 /* smime, pgp; clear leaves it readable */
	bool as_is;	 /* it is sealed already: nothing is done to it */
	struct span raw; /* LIMIT_MESSAGE_PADDING zero octets stand behind it */
	const struct mime_tree *tree; /* of raw */
	struct mime_edit edit;
	struct policy_form form; /* zeroed: as if no rule said anything */
	const struct ks_record *signer; /* NULL: not signed */
	/* the certificates of its issuers, sent along */
	const struct ks_record *const *chain;
	size_t n_chain;
	const struct ks_record *const *key; /* of each recipient, for rung */
	/* what is set of the recipients' software, CRYPTO_CAP_*, 0 for nothing;
	   NULL: nothing for anybody */
	const uint32_t *opens;
	size_t n_keys;
	int64_t now_s;
};

/* Write the variant to the sink. Scratch memory comes from the arena. On
   failure what the sink got is a fragment to be thrown away; there is never
   readable text in it unless the rung leaves the message readable.
   ERR_KEY_UNUSABLE for a key that is missing or damaged, ERR_UNSUPPORTED for
   another rung; errors of the engines, of mime_payload_make(), the sink's.
   ERR_CANNOT_SIGN, if it is readable and signed: parts of it cannot be made
   fit for transport without breaking them. */
enum err variant_write(const struct variant *v,
    const struct variant_engines *engines, struct arena *arena,
    const struct mime_sink *to, struct err_why *why) MUST_CHECK;

/* How S/MIME seals and signs a variant, in words for the audit log and for
   `sealgate explain`; NULL for what it does not do. */
struct variant_names {
	const char *cipher;    /* "aes256-gcm" */
	const char *key;       /* "rsa-oaep-sha256": the content key */
	const char *signature; /* "rsa-pss-sha256" */
	const char *shape;     /* of the signature: "detached", "opaque" */
};

/* What variant_write() does for recipient number i. A key that cannot be used
   is named by nothing. */
void variant_name(const struct variant *v, struct crypto_cert_cache *certs,
    struct arena *arena, size_t i, struct variant_names *out);

/* Is the cipher of a message as good as a rule asks for? */
bool variant_cipher_holds(enum crypto_cms_cipher c, enum policy_cipher floor);

/* May recipients with these keys, and that set of them, be in one S/MIME
   variant? */
bool variant_may_share(struct crypto_cert_cache *certs,
    const struct ks_result *a, const struct ks_result *b);

/* Is it the rung that failed, so that the walk goes on, or are we out of
   something, so that all of the message waits? */
bool variant_is_rung_failure(enum err e);

#endif
