/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Any text as the file of users and as the list of recipients. Whoever is in
 * one is found in it, and may write as somebody.
 */
#include <stdlib.h>

#include "common/arena.h"
#include "gateway/account_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(64 * 1024 * 1024);
	struct err_why why = {""};
	struct account_users u;
	struct account_list l;

	if (account_users_parse(SPAN(data, size), a, &u, &why) == ERR_OK)
		for (size_t i = 0; i < u.n; i++)
			if (account_users_find(&u, u.user[i].name) !=
				&u.user[i] ||
			    u.user[i].from[0] == '\0')
				abort();
	if (account_list_parse(SPAN(data, size), a, &l, &why) == ERR_OK)
		for (size_t i = 0; i < l.n; i++)
			if (!account_list_has(&l, l.key[i]))
				abort();
	arena_free(a);
	return 0;
}
