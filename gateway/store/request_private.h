/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Between the files of what an administrator asks: looking (request_look.c),
 * changes and the dialogue (request.c).
 */
#ifndef GATEWAY_STORE_REQUEST_PRIVATE_H
#define GATEWAY_STORE_REQUEST_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct db_txn;
struct json_t;
struct store;
struct store_item;

struct store_matches {
	uint64_t id; /* of an entry or a message; 0: all */
	uint64_t *list;
	size_t n;
	size_t cap;
};

/* The id in a member; false: there is none, or it is no id. */
bool store_request_id(
    const struct json_t *request, const char *name, uint64_t *out);
struct json_t *store_json_number(uint64_t n);
/* The list is freed by who has it. */
void store_matches_add(struct store_matches *m, uint64_t id);
/* For store_index_each(): those with the id. */
void store_match_one(void *arg, struct store_item *item);

/* queue-list, queue-show, store-status. */
enum err store_look_list(struct store *s, struct db_txn *txn,
    const struct json_t *request, struct json_t *answer) MUST_CHECK;
enum err store_look_show(struct store *s, struct db_txn *txn,
    const struct json_t *request, struct json_t *answer) MUST_CHECK;
enum err store_look_status(struct store *s, struct db_txn *txn,
    const struct json_t *request, struct json_t *answer) MUST_CHECK;

#endif
