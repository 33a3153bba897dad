/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Several gpg at once, one for each processor, for imports of many keys: pieces
 * go in and come out in the same order.
 */
#ifndef GATEWAY_CLI_KEY_POOL_H
#define GATEWAY_CLI_KEY_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"

struct crypto_pgp_list;
struct key_pool;

enum { KEY_POOL_MAX = 16 }; /* pieces at a time, at most */

/* Make the homes and start the threads. Root is given up before. */
enum err key_pool_open(struct key_pool **out, struct err_why *why) MUST_CHECK;
/* What has not been taken is dropped. NULL is fine. */
void key_pool_close(struct key_pool *p);

/* Is there room for one more piece? */
bool key_pool_has_room(const struct key_pool *p);
/* Inspect the piece, which is borrowed until it is taken. */
void key_pool_put(struct key_pool *p, struct span piece);
/* Pieces that have been put and not taken. */
size_t key_pool_count(const struct key_pool *p);
/* Wait for the oldest piece: its keys, or what crypto_pgp_inspect() says. */
enum err key_pool_take(struct key_pool *p, struct crypto_pgp_list *out,
    struct err_why *why) MUST_CHECK;

#endif
