/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Reading LDIF, as directories export it: one attribute's value after the
 * other, whatever entry it belongs to. What is in a value is its attribute's
 * business. RFC 2849.
 */
#ifndef CRYPTO_LDIF_H
#define CRYPTO_LDIF_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"

enum {
	LDIF_LINE_MAX = 4 << 20, /* octets of a value with its name, encoded */
};

struct ldif {
	struct span rest;
	unsigned line; /* of what comes next */
	struct buf text, octets;
};

/* One value: everything is borrowed until the next call. */
struct ldif_value {
	unsigned line;	  /* where it begins, from 1 */
	struct span name; /* the attribute, without options (";binary") */
	struct span octets;
};

/* Does it begin as LDIF does: an entry's name or a version, after comments? */
bool ldif_is(struct span in);
/* in is borrowed until ldif_clear(). */
void ldif_init(struct ldif *l, struct span in);
void ldif_clear(struct ldif *l);
/* The next value. ERR_NOT_FOUND at the end; ERR_MALFORMED, ERR_TOO_BIG,
   ERR_PERMISSION (a value that names a file or an address): out->line says
   where, and the next call goes on behind it. ERR_NOMEM. */
enum err ldif_next(struct ldif *l, struct ldif_value *out) MUST_CHECK;

#endif
