/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The index of mail that arrived encrypted: found while it is kept, forgotten
 * after that, and not taken for anything else.
 */
#include "keystore/reply.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[] = "/tmp/sgreply.XXXXXX";
static struct ks_store *store;

static void
set_up(void)
{
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(ks_open(dir, KS_WRITE, &store, NULL), ERR_OK);
}

static void
tear_down(void)
{
	static const char *const files[] = {"data.mdb", "lock.mdb", "writer"};
	char path[64];

	ks_close(store);
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
}

Test(reply, what_was_added_is_found, .init = set_up, .fini = tear_down)
{
	uint8_t a[KS_REPLY_ID] = {1}, b[KS_REPLY_ID] = {2};

	cr_expect_eq(ks_reply_has(store, a), ERR_NOT_FOUND);
	cr_assert_eq(ks_reply_add(store, a, 1000), ERR_OK);
	cr_assert_eq(ks_reply_add(store, a, 2000), ERR_OK);
	cr_expect_eq(ks_reply_has(store, a), ERR_OK);
	cr_expect_eq(ks_reply_has(store, b), ERR_NOT_FOUND);
}

Test(reply, what_is_old_is_forgotten, .init = set_up, .fini = tear_down)
{
	uint8_t id[KS_REPLY_ID] = {0};
	const int64_t now = 2 * (int64_t)KS_REPLY_KEEP_S;
	struct buf from;
	size_t left = 0;

	for (int i = 0; i < 20; i++) {
		id[0] = (uint8_t)i;
		cr_assert_eq(ks_reply_add(store, id,
				 i % 2 == 0 ? now - KS_REPLY_KEEP_S - 1
					    : now - KS_REPLY_KEEP_S + 1),
		    ERR_OK);
	}
	buf_init(&from, 64);
	for (int i = 0; i < 8; i++)
		cr_assert_eq(ks_reply_sweep(store, &from, 4, now), ERR_OK);
	for (int i = 0; i < 20; i++) {
		id[0] = (uint8_t)i;
		cr_expect_eq(ks_reply_has(store, id),
		    i % 2 == 0 ? ERR_NOT_FOUND : ERR_OK, "row %d", i);
		left += i % 2;
	}
	cr_expect_eq(left, 10);
	buf_clear(&from);
}
