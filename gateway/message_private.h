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

/* Is all of m->tree signed or sealed already? ERR_NOMEM and its like. */
enum err message_find_protected(
    struct message *m, struct arena *arena) MUST_CHECK;

#endif
