/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of a message share.
 */
#ifndef GATEWAY_MESSAGE_PRIVATE_H
#define GATEWAY_MESSAGE_PRIVATE_H

#include "common/err.h"

struct arena;
struct message;
struct message_factor;
struct mime_header;
struct policy;

/* Is all of m->tree signed or sealed already? ERR_NOMEM and its like. */
enum err message_find_protected(
    struct message *m, struct arena *arena) MUST_CHECK;

/* What the sender chose for pick-up, into m->factor; m->subject loses its tag.
   What cannot be understood is m->factor.flaw. */
enum err message_find_factor(struct message *m, const struct policy *policy,
    const struct mime_header *h, struct arena *arena) MUST_CHECK;
void message_clear_factor(struct message_factor *f);

#endif
