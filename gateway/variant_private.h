/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of a variant share.
 */
#ifndef GATEWAY_VARIANT_PRIVATE_H
#define GATEWAY_VARIANT_PRIVATE_H

#include "crypto/cms_form.h"
#include "gateway/variant.h"

struct crypto_cert;

/* One call's worth of what all its steps need. */
struct making {
	const struct variant *v;
	const struct variant_engines *engines;
	struct arena *arena;
	const struct mime_sink *to;
	struct err_why *why;
};

/* --- variant_form.c --- */

/* The certificates of all recipients; the caller unrefs those that are not
   NULL, after a failure, too. */
enum err variant_certs(const struct variant *v, struct crypto_cert_cache *cache,
    struct crypto_cert **certs, struct err_why *why) MUST_CHECK;
/* The form of S/MIME for all recipients; certs are of v->key. */
enum err variant_form(const struct variant *v, struct crypto_cert *const *certs,
    struct arena *arena, struct crypto_cms_form *out) MUST_CHECK;
/* A record of the keystore that is damaged is no fault of the message: its
   rung has failed. */
enum err variant_of_key(enum err e);
enum mime_smime_type variant_smime_type(const struct crypto_cms_form *form);

/* --- variant_sign.c --- */

/* Is the signature a signed-data with the entity inside? */
bool variant_is_opaque(const struct variant *v);

/* Write entity, whose octets are what is signed, with its signature: as
   multipart/signed or, by S/MIME where the form says so, inside of it. */
enum err variant_put_signed(const struct making *m, struct span outer,
    struct span entity, const struct mime_sink *to) MUST_CHECK;

#endif
