/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of a message share.
 */
#ifndef GATEWAY_MESSAGE_PRIVATE_H
#define GATEWAY_MESSAGE_PRIVATE_H

#include <stdbool.h>

#include "common/err.h"

struct arena;
struct mime_tree;

/* Is all of the message signed already? ERR_NOMEM and its like. */
enum err message_find_signed(
    const struct mime_tree *tree, struct arena *arena, bool *out) MUST_CHECK;

#endif
