/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The octets of one variant, opened chunk by chunk from its sealed body. What
 * is handed out last is handed out only when all of it has been found to be
 * what was committed: hash, size, and line ends that no peer can take for
 * something else (RFC 5321 2.3.8).
 */
#ifndef GATEWAY_RELAY_BODY_H
#define GATEWAY_RELAY_BODY_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/sealed.h"

struct entry;
struct relay_body;

/* Begin to read the sealed octets of e, which stay the caller's, as e does.
   ERR_BAD_SEAL when they are not the body of this envelope. */
enum err relay_body_open(const struct sealed_pub *pub,
    const struct secret *priv, const struct entry *e, struct span sealed,
    struct relay_body **out) MUST_CHECK;
/* Wipes what was readable. NULL is fine. */
void relay_body_free(struct relay_body *b);

/* The next octets, borrowed until the next call; *last with the last of them,
   which may be empty. ERR_BAD_SEAL when they do not open or the whole does not
   match, ERR_LINE_END for a bare CR, a bare LF or NUL. */
enum err relay_body_next(
    struct relay_body *b, struct span *out, bool *last) MUST_CHECK;

/* Of the octets handed out so far. */
bool relay_body_has_8bit(const struct relay_body *b);

#endif
