/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of groups share: groups.c reads those in files,
 * groups_directory.c those of the directory.
 */
#ifndef GATEWAY_GROUPS_PRIVATE_H
#define GATEWAY_GROUPS_PRIVATE_H

#include "common/digest.h"
#include "gateway/account_file.h"
#include "gateway/groups.h"

enum { GROUPS_NAME_MAX = 64 }; /* octets, of a group of the directory */

struct set {
	struct arena *arena; /* NULL: nothing is known */
	struct account_list list;
	/* of the directory: which text it is, of which group; else "" */
	char name[GROUPS_NAME_MAX + 1];
	uint8_t digest[DIGEST_SIZE];
	bool is_old; /* it counts no more */
};

struct groups {
	struct set set[POLICY_GROUPS_MAX];
};

/* Nobody is known to be in it or not. */
void groups_forget(struct set *s);
/* A set that is not known if the text is none. */
enum err groups_parse(
    struct span text, struct set *out, struct err_why *why) MUST_CHECK;

#endif
