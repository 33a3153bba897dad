/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of opening share.
 */
#ifndef GATEWAY_OPEN_PRIVATE_H
#define GATEWAY_OPEN_PRIVATE_H

#include "gateway/open.h"

struct mime_boundary;
struct mime_payload;
struct mime_tree;

/* --- open_header.c --- */

/* Look at the header of the payload and decide which fields the reader sees,
   who the author is and what the signatures are worth. */
enum err open_bind(struct open *o, const struct mime_tree *payload) MUST_CHECK;
/* Append the fields between the verdict and the empty line. rest: what follows
   them in the message that is delivered, empty line first. mixed: they are
   those of a multipart/mixed, and rest is its empty line alone; may be NULL.
   bare: the body is its, and rest the empty line; may be NULL. */
enum err open_put_fields(struct open *o, const struct mime_boundary *mixed,
    const struct mime_payload *bare, struct buf *out,
    struct span *rest) MUST_CHECK;

/* --- open_verdict.c --- */

/* The tags that may stand in a subject only if we put them there. */
extern const char *const open_tags[];
extern const size_t open_n_tags;

/* Append the fields that say the verdict. */
enum err open_put_verdict(const struct open *o, const struct crypto_verdict *v,
    struct buf *out) MUST_CHECK;
/* Put the tag of the verdict into the first Subject of the fields in *head. */
enum err open_put_tag(
    const struct crypto_verdict *v, struct buf *head) MUST_CHECK;

#endif
