/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The message as one group of recipients gets it: what is sealed, with which
 * keys, in which shape. For the worker and for `sealgate seal`: knows nothing
 * of processes, entries or what becomes of the octets.
 */
#ifndef GATEWAY_VARIANT_H
#define GATEWAY_VARIANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "mime/write.h"
#include "policy/policy.h"

struct arena;
struct crypto_cert_cache;
struct ks_record;
struct memfd_map;

/* What the OpenPGP engine is asked for: the pgp process for a worker, gpg in
   a scratch home for the command line. */
struct variant_pgp {
	/* Seal what the sealed memfd holds to the n certificates; out is the
	   armor, mapped. Errors of crypto_pgp_seal(), ERR_CRASHED. */
	enum err (*seal)(void *arg, const struct span *certs, size_t n, int fd,
	    struct memfd_map *out, struct err_why *why);
	void *arg;
};

/* Who seals. */
struct variant_engines {
	struct crypto_cert_cache *certs;
	struct variant_pgp pgp;
};

/* What to make. */
struct variant {
	enum rung rung;	 /* smime, pgp; clear leaves it readable */
	struct span raw; /* LIMIT_MESSAGE_PADDING zero octets stand behind it */
	struct mime_edit edit;
	const struct ks_record *const *key; /* of each recipient, for rung */
	size_t n_keys;
	int64_t now_s;
};

/* Write the variant to the sink. Scratch memory comes from the arena. On
   failure what the sink got is a fragment to be thrown away; there is never
   readable text in it unless the rung leaves the message readable.
   ERR_KEY_UNUSABLE for a key that is missing, ERR_UNSUPPORTED for another
   rung; errors of the engines, of mime_split_for_sealing(), the sink's. */
enum err variant_write(const struct variant *v,
    const struct variant_engines *engines, struct arena *arena,
    const struct mime_sink *to, struct err_why *why) MUST_CHECK;

/* Is it the rung that failed, so that the walk goes on, or are we out of
   something, so that all of the message waits? */
bool variant_is_rung_failure(enum err e);

#endif
