/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "gateway/keys/issue.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/secret.h"
#include "crypto/own_key.h"
#include "crypto/private_key.h"
#include "gateway/keys/private.h"
#include "gateway/keys/purpose.h"
#include "gateway/keys/registered.h"
#include "gateway/proto.h"
#include "keystore/private.h"
#include "tests/crypto/peer.h"

static char dir[64];
static struct ks_store *store;
static struct keys_set set;
static struct keys_registered *registered;
static struct keys_private *private;
static struct keys_issue *issue;
static uint8_t fpr[32], ca_fpr[32];

static void
setup(void)
{
	struct err_why why = {""};

	secret_init();
	cr_assert_eq(crypto_private_init(), ERR_OK);
	peer_dir_make(dir);
	cr_assert_eq(ks_open(dir, KS_WRITE, &store, &why), ERR_OK);
	cr_assert_eq(sealed_keypair(SEALED_PRIVATE, &set.pub[SEALED_PRIVATE],
			 &set.priv[SEALED_PRIVATE]),
	    ERR_OK);
	registered = keys_registered_new();
	private = keys_private_new(store, &set, registered);
	issue = keys_issue_new(store, &set, registered);
	memset(fpr, 1, sizeof(fpr));
	memset(ca_fpr, 2, sizeof(ca_fpr));
}

static void
teardown(void)
{
	keys_issue_free(issue);
	keys_private_free(private);
	keys_registered_free(registered);
	keys_set_clear(&set);
	ks_close(store);
	peer_dir_remove(dir);
}

TestSuite(keys_issue, .init = setup, .fini = teardown);

#define FPR(a) SPAN((a), 32)

static void
say_registered(uint64_t id, const char *addr)
{
	const struct proto_register m = {.addr = &addr, .n_addr = 1};

	cr_assert_eq(
	    keys_registered_put(registered, ROLE_LISTENER, id, &m), ERR_OK);
}

static enum err
make(uint64_t id, const char *addr, struct span old, uint64_t *handle)
{
	const struct proto_key_new ask = {
	    .alg = CRYPTO_OWN_P256, .addr = span_str(addr), .old = old};
	struct proto_key_made made = {ERR_OK, 0, SPAN(NULL, 0)};
	enum err e = keys_issue_make(issue, id, &ask, &made);

	if (e == ERR_OK)
		cr_assert_gt(made.spki.len, 0);
	*handle = made.handle;
	return e;
}

/* Seal it under fpr and put the row into the store. */
static enum err
keep(uint64_t handle)
{
	const struct proto_key_seal seal = {handle, FPR(fpr), 7};
	struct buf row;
	enum err e;

	buf_init(&row, KS_PRIVATE_MAX);
	e = keys_issue_seal(issue, &seal, &row);
	if (e == ERR_OK)
		e = ks_private_put_octets(store, FPR(fpr), buf_span(&row));
	buf_clear(&row);
	return e;
}

Test(keys_issue, a_key_is_made_for_an_address_that_is_registered_only)
{
	uint64_t handle = 0;

	cr_expect_eq(
	    make(5, "sam@b.example", SPAN(NULL, 0), &handle), ERR_PERMISSION);
	say_registered(5, "sam@b.example");
	cr_expect_eq(
	    make(6, "sam@b.example", SPAN(NULL, 0), &handle), ERR_PERMISSION);
	cr_expect_eq(
	    make(5, "ceo@b.example", SPAN(NULL, 0), &handle), ERR_PERMISSION);
	cr_expect_eq(make(5, "", SPAN(NULL, 0), &handle), ERR_PERMISSION);
	cr_expect_eq(make(5, "sam@b.example", SPAN(NULL, 0), &handle), ERR_OK);
	cr_expect_neq(handle, 0);
}

Test(keys_issue, it_is_sealed_beside_that_address_once)
{
	struct arena *arena = arena_new(1 << 20);
	struct ks_private *row = NULL;
	struct secret *octets = NULL;
	struct crypto_private *key = NULL;
	uint64_t handle = 0;

	say_registered(5, "sam@b.example");
	cr_assert_eq(make(5, "sam@b.example", SPAN(NULL, 0), &handle), ERR_OK);
	cr_expect_eq(keep(handle + 1), ERR_NOT_FOUND);
	cr_expect_eq(keep(0), ERR_NOT_FOUND);
	cr_assert_eq(keep(handle), ERR_OK);
	cr_expect_eq(keep(handle), ERR_NOT_FOUND);
	cr_assert_eq(ks_private_get(store, FPR(fpr), arena, &row), ERR_OK);
	cr_expect_eq(row->n_addrs, 1);
	cr_expect(ks_private_speaks_for(row, SPAN_LIT("sam@b.example")));
	cr_expect_not(ks_private_speaks_for(row, SPAN_LIT("ceo@b.example")));
	cr_expect_eq(row->domain.len, 0);
	cr_assert_eq(ks_private_open(row, &set.pub[SEALED_PRIVATE],
			 set.priv[SEALED_PRIVATE], &octets),
	    ERR_OK);
	cr_expect_eq(crypto_private_parse(secret_span(octets), &key), ERR_OK);
	crypto_private_free(key);
	secret_free(octets);
	arena_free(arena);
}

Test(keys_issue, one_in_place_of_another_is_for_whom_that_speaks)
{
	uint64_t handle = 0;

	say_registered(5, "sam@b.example");
	cr_assert_eq(make(5, "sam@b.example", SPAN(NULL, 0), &handle), ERR_OK);
	cr_assert_eq(keep(handle), ERR_OK);
	cr_expect_eq(make(0, "sam@b.example", FPR(fpr), &handle), ERR_OK);
	cr_expect_eq(
	    make(0, "ceo@b.example", FPR(fpr), &handle), ERR_PERMISSION);
	cr_expect_eq(
	    make(0, "sam@b.example", FPR(ca_fpr), &handle), ERR_PERMISSION);
}

/* A domain's certificate is renewed as such, a person's key that a domain's
   takes the place of is the person's alone. */
Test(keys_issue, what_takes_the_place_of_a_domains_key_stands_for_the_domain)
{
	struct span a = SPAN_LIT("_domain@b.example");
	const struct ks_private old = {.kind = KS_SMIME,
	    .fpr = FPR(ca_fpr),
	    .domain = SPAN_LIT("b.example"),
	    .addrs = &a,
	    .n_addrs = 1};
	static const struct {
		const char *addr;
		const char *domain;
	} rows[] = {{"_domain@b.example", "b.example"}, {"sam@b.example", ""}};
	struct arena *arena = arena_new(4 << 20);
	struct ks_private *row = NULL;
	uint64_t handle = 0;

	cr_assert_eq(ks_private_put(store, &old, &set.pub[SEALED_PRIVATE],
			 SPAN_LIT("a key")),
	    ERR_OK);
	for (size_t i = 0; i < 2; i++) {
		cr_assert_eq(make(0, rows[i].addr, FPR(ca_fpr), &handle),
		    ERR_OK, "%s", rows[i].addr);
		cr_assert_eq(keep(handle), ERR_OK);
		cr_assert_eq(
		    ks_private_get(store, FPR(fpr), arena, &row), ERR_OK);
		cr_expect(span_eq_str(row->domain, rows[i].domain), "%s",
		    rows[i].addr);
		cr_expect_eq(row->n_addrs, 1);
	}
	cr_expect_eq(
	    make(0, "sam@c.example", FPR(ca_fpr), &handle), ERR_PERMISSION);
	arena_free(arena);
}

Test(keys_issue, those_that_wait_too_long_are_forgotten)
{
	uint64_t first = 0, last = 0;

	say_registered(5, "sam@b.example");
	cr_assert_eq(make(5, "sam@b.example", SPAN(NULL, 0), &first), ERR_OK);
	for (int i = 0; i < 8; i++)
		cr_assert_eq(
		    make(5, "sam@b.example", SPAN(NULL, 0), &last), ERR_OK);
	cr_expect_eq(keep(first), ERR_NOT_FOUND);
	cr_expect_eq(keep(last), ERR_OK);
}

/* A private key under a fingerprint, for an address or (NULL) for none. */
static void
put_key(const uint8_t *under, const char *addr)
{
	struct span a = span_str(addr == NULL ? "" : addr);
	const struct ks_private row = {.kind = KS_SMIME,
	    .fpr = FPR(under),
	    .addrs = &a,
	    .n_addrs = addr != NULL};
	struct secret *octets = NULL;

	cr_assert_eq(crypto_own_key_new(CRYPTO_OWN_P256, &octets), ERR_OK);
	cr_assert_eq(ks_private_put(store, &row, &set.pub[SEALED_PRIVATE],
			 secret_span(octets)),
	    ERR_OK);
	secret_free(octets);
}

Test(keys_issue, the_key_of_a_ca_and_those_of_users_are_not_mixed_up)
{
	uint8_t digest[32] = {1};
	struct buf sig;

	buf_init(&sig, CRYPTO_SIGN_MAX);
	put_key(fpr, "sam@b.example");
	put_key(ca_fpr, NULL);
	say_registered(5, "sam@b.example");
	cr_expect_eq(keys_private_sign_as_ca(private, FPR(fpr),
			 CRYPTO_SIGN_ECDSA_SHA256, SPAN(digest, 32), &sig),
	    ERR_PERMISSION);
	cr_expect_eq(keys_private_sign(private, 5, FPR(ca_fpr),
			 CRYPTO_SIGN_ECDSA_SHA256, SPAN(digest, 32), &sig),
	    ERR_PERMISSION);
	cr_expect_eq(keys_private_sign_as_ca(private, FPR(ca_fpr),
			 CRYPTO_SIGN_ECDSA_SHA256, SPAN(digest, 31), &sig),
	    ERR_MALFORMED);
	cr_expect_eq(sig.len, 0);
	cr_expect_eq(keys_private_sign_as_ca(private, FPR(ca_fpr),
			 CRYPTO_SIGN_ECDSA_SHA256, SPAN(digest, 32), &sig),
	    ERR_OK);
	cr_expect_eq(keys_private_sign(private, 5, FPR(fpr),
			 CRYPTO_SIGN_ECDSA_SHA256, SPAN(digest, 32), &sig),
	    ERR_OK);
	buf_clear(&sig);
}

Test(keys_issue, a_row_of_another_fingerprint_or_of_nothing_is_refused)
{
	cr_expect_eq(ks_private_put_octets(store, FPR(fpr), SPAN_LIT("no row")),
	    ERR_MALFORMED);
	cr_expect_eq(ks_private_put_octets(store, FPR(fpr), SPAN(NULL, 0)),
	    ERR_MALFORMED);
	cr_expect_eq(ks_private_has(store, FPR(fpr)), ERR_NOT_FOUND);
}
