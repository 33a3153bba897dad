/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * For whom private keys may be used: for nobody that was not named under the
 * very message, and no oftener than its layers need.
 */
#include "gateway/keys/registered.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/limits.h"
#include "crypto/verdict.h"
#include "gateway/proto.h"

enum {
	ID = 7,
	BESIDE = 7 + 1024, /* in the same bucket */
	TRIES = LIMIT_DECRYPT_TRIES * 2 * CRYPTO_VERDICT_LAYERS,
};

static struct keys_registered *all;

static void
setup(void)
{
	all = keys_registered_new();
}

static void
teardown(void)
{
	keys_registered_free(all);
}

TestSuite(registered, .init = setup, .fini = teardown);

static enum err
put(enum role_id by, uint64_t id, bool open, const char **addr, uint32_t n)
{
	const struct proto_register m = {
	    .open = open, .addr = addr, .n_addr = n};

	return keys_registered_put(all, by, id, &m);
}

static void
put_one(enum role_id by, uint64_t id, bool open, const char *addr)
{
	const char *list[] = {addr};

	cr_assert_eq(put(by, id, open, list, 1), ERR_OK);
}

static bool
is_it(const void *ctx, const char *addr)
{
	return strcmp(ctx, addr) == 0;
}

static bool
found(uint64_t id, bool open, const char *addr)
{
	const char *got = keys_registered_find(all, id, open, is_it, addr);

	cr_assert(got == NULL || strcmp(got, addr) == 0);
	return got != NULL;
}

Test(registered, an_address_counts_under_its_message_and_for_its_purpose)
{
	put_one(ROLE_LISTENER, ID, false, "sam@own.example");
	put_one(ROLE_STORE, ID, true, "ann@own.example");
	put_one(ROLE_LISTENER, BESIDE, false, "eve@own.example");
	cr_expect(found(ID, false, "sam@own.example"));
	cr_expect(found(ID, true, "ann@own.example"));
	cr_expect(found(BESIDE, false, "eve@own.example"));
	cr_expect(!found(ID, true, "sam@own.example"));
	cr_expect(!found(ID, false, "ann@own.example"));
	cr_expect(!found(ID, false, "eve@own.example"));
	cr_expect(!found(BESIDE, false, "sam@own.example"));
	cr_expect(!found(0, false, "sam@own.example"));
	cr_expect(keys_registered_has(all, ID));
	cr_expect(!keys_registered_has(all, ID + 1));
}

Test(registered, what_is_taken_back_counts_no_more)
{
	put_one(ROLE_LISTENER, ID, false, "sam@own.example");
	put_one(ROLE_LISTENER, BESIDE, false, "eve@own.example");
	put_one(ROLE_STORE, ID, false, "ann@own.example");
	/* only by who said it */
	keys_registered_drop(all, ROLE_STORE, BESIDE);
	cr_expect(found(BESIDE, false, "eve@own.example"));
	keys_registered_drop(all, ROLE_LISTENER, ID);
	cr_expect(!found(ID, false, "sam@own.example"));
	cr_expect(found(ID, false, "ann@own.example"));
	cr_expect(found(BESIDE, false, "eve@own.example"));
	/* said again it is another list */
	put_one(ROLE_STORE, ID, false, "bob@own.example");
	cr_expect(!found(ID, false, "ann@own.example"));
	cr_expect(found(ID, false, "bob@own.example"));
	/* who has started anew knows of no message */
	cr_expect_eq(put(ROLE_LISTENER, 0, false, NULL, 0), ERR_OK);
	cr_expect(!keys_registered_has(all, BESIDE));
	cr_expect(found(ID, false, "bob@own.example"));
}

Test(registered, nothing_is_registered_under_no_message)
{
	const char *list[] = {"sam@own.example"};

	cr_expect_eq(put(ROLE_LISTENER, 0, false, list, 1), ERR_IPC);
	cr_expect(!found(0, false, "sam@own.example"));
}

Test(registered, who_opens_may_try_as_often_as_a_message_has_layers)
{
	put_one(ROLE_LISTENER, ID, false, "sam@own.example");
	cr_expect_eq(
	    keys_registered_try(all, ID), ERR_PERMISSION, "it is for signing");
	cr_expect_eq(
	    keys_registered_try(all, BESIDE), ERR_PERMISSION, "nobody said so");
	put_one(ROLE_STORE, ID, true, "ann@own.example");
	for (unsigned i = 0; i < TRIES; i++)
		cr_assert_eq(keys_registered_try(all, ID), ERR_OK, "%u", i);
	for (unsigned i = 0; i < 3; i++)
		cr_expect_eq(keys_registered_try(all, ID), ERR_PERMISSION);
}

Test(registered, there_is_a_limit_to_messages)
{
	for (uint64_t i = 1; i <= LIMIT_REGISTERED; i++)
		put_one(ROLE_LISTENER, i, false, "sam@own.example");
	cr_expect_eq(put(ROLE_LISTENER, LIMIT_REGISTERED + 1, false, NULL, 0),
	    ERR_LIMIT);
	cr_expect(!keys_registered_has(all, LIMIT_REGISTERED + 1));
	/* one that is replaced takes its own place */
	put_one(ROLE_LISTENER, 1, false, "ann@own.example");
	keys_registered_drop(all, ROLE_LISTENER, 1);
	put_one(ROLE_LISTENER, LIMIT_REGISTERED + 1, false, "eve@own.example");
}

Test(registered, there_is_a_limit_to_addresses)
{
	static const char *list[LIMIT_REGISTERED_ADDRS];
	const uint32_t n = LIMIT_REGISTERED_ADDRS;

	for (size_t i = 0; i < n; i++)
		list[i] = "sam@own.example";
	cr_expect_eq(put(ROLE_STORE, ID, true, list, n), ERR_OK);
	cr_expect_eq(put(ROLE_STORE, BESIDE, true, list, 1), ERR_LIMIT);
	cr_expect(!keys_registered_has(all, BESIDE));
	/* too much instead of what was there leaves nothing */
	put_one(ROLE_STORE, ID, true, "ann@own.example");
	put_one(ROLE_STORE, BESIDE, true, "eve@own.example");
	cr_expect_eq(put(ROLE_STORE, ID, true, list, n), ERR_LIMIT);
	cr_expect(!keys_registered_has(all, ID));
	cr_expect(found(BESIDE, true, "eve@own.example"));
}
