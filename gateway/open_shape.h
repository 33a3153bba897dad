/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a message from outside is by its structure alone: all of it encrypted,
 * all of it signed. By what the octets are, not by what a Content-Type says;
 * no key is used, so a reply may depend on it.
 */
#ifndef GATEWAY_OPEN_SHAPE_H
#define GATEWAY_OPEN_SHAPE_H

#include "common/err.h"
#include "crypto/verdict.h"

struct arena;
struct mime_tree;

struct open_shape {
	enum crypto_form sealed; /* the whole is encrypted; NONE: it is not */
	enum crypto_form is_signed; /* the whole is signed, readable */
};

/* ERR_NOMEM, ERR_IO. */
enum err open_shape_find(const struct mime_tree *t, struct arena *a,
    struct open_shape *out) MUST_CHECK;

#endif
