/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The two files of a `listen` section, read again when they have changed: in
 * place, or by a descriptor that the supervisor brought.
 */
#ifndef GATEWAY_ACCOUNTS_SOURCE_H
#define GATEWAY_ACCOUNTS_SOURCE_H

#include <sys/stat.h>

#include "gateway/account_file.h"

/* What is in a file; the arena holds it. */
struct accounts_content {
	struct arena *arena;
	struct account_users users;
	struct account_list list;
};

struct accounts_source {
	int fd; /* -1: there is none */
	bool is_list;
	bool read; /* it was read, be it in vain, as it was then: */
	struct stat seen;
	struct accounts_content content;
};

void accounts_source_init(struct accounts_source *s, bool is_list);
void accounts_source_clear(struct accounts_source *s);
/* Take over a descriptor of the file. */
void accounts_source_open(struct accounts_source *s, int fd);
/* Read it if it has changed. What was read before stays on failure: then the
   reason is in why. ERR_NOT_FOUND without a file. */
enum err accounts_source_refresh(
    struct accounts_source *s, struct err_why *why) MUST_CHECK;

#endif
