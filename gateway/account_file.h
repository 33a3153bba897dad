/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Two files that an administrator keeps: who may sign in with which password
 * and write as whom, and which addresses there are. A line each; blank ones and
 * those that begin with "#" are skipped.
 */
#ifndef GATEWAY_ACCOUNT_FILE_H
#define GATEWAY_ACCOUNT_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

struct arena;

/* ERR_MALFORMED for a file that is being written: it is empty, or ends in the
   middle of a line. */
enum err account_file_is_whole(
    struct span text, struct err_why *why) MUST_CHECK;

struct account_user {
	const char *name;
	const char *hash; /* of the password; "" nobody can sign in */
	const char *from; /* auth_from of struct entry */
};

struct account_users {
	struct account_user *user; /* sorted by name */
	size_t n;
};

/* "NAME:HASH[:ADDRESS...]": addresses and @domains the user may write as, with
   blanks or commas between; without them NAME must be an address, and is it.
   A HASH that begins with "!" or "*" is locked. ERR_MALFORMED with the line,
   ERR_LIMIT, ERR_NOMEM. Everything in out is the arena's. */
enum err account_users_parse(struct span text, struct arena *a,
    struct account_users *out, struct err_why *why) MUST_CHECK;
/* NULL: no such user. */
const struct account_user *account_users_find(
    const struct account_users *u, const char *name);

/* Addresses and @domains, canonical. */
struct account_list {
	const char **key; /* sorted */
	size_t n;
};

/* "ADDRESS" or "@DOMAIN"; whatever follows behind a blank does not matter, so
   that a lookup table of Postfix can be used. Errors as above; a list without
   an address is malformed, too. */
enum err account_list_parse(struct span text, struct arena *a,
    struct account_list *out, struct err_why *why) MUST_CHECK;
/* Is the address (canonical) in it, by itself or by its domain? */
bool account_list_has(const struct account_list *l, const char *key);

#endif
