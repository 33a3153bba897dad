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

/* The form of S/MIME for all recipients; certs are of v->key. */
enum err variant_form(const struct making *m, struct crypto_cert *const *certs,
    struct crypto_cms_form *out) MUST_CHECK;
enum mime_smime_type variant_smime_type(const struct crypto_cms_form *form);

/* --- variant_sign.c --- */

/* Write entity, whose octets are what is signed, as multipart/signed. */
enum err variant_put_signed(const struct making *m, struct span outer,
    struct span entity, const struct mime_sink *to) MUST_CHECK;

#endif
