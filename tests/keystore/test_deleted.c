/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Deleted keys: kept whole, put back whole, and gone for good when purged.
 */
#include "keystore/deleted.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/arena.h"
#include "common/sealed.h"
#include "common/stream.h"
#include "keystore/dump.h"
#include "keystore/private.h"
#include "tests/keystore/records.h"

#define ADDR "a@b.example"

static char dir[64];
static struct ks_store *store;
static struct arena *arena;
static struct sealed_pub pub;
static struct secret *priv;

static void
open_store(void)
{
	secret_init();
	stream_init();
	store = records_open(dir);
	arena = arena_new(32 << 20);
	cr_assert_eq(sealed_keypair(SEALED_PRIVATE, &pub, &priv), ERR_OK);
}

static void
close_store(void)
{
	records_close(store, dir);
	arena_free(arena);
	secret_free(priv);
}

TestSuite(deleted, .init = open_store, .fini = close_store);

#define OK(call)                                                               \
	do {                                                                   \
		enum err e_ = (call);                                          \
		cr_assert_eq(e_, ERR_OK, "%s: %s", #call, err_name(e_));       \
	} while (0)

/* A transaction around it. */
#define IN(call)                                                               \
	do {                                                                   \
		OK(ks_begin(store));                                           \
		OK(call);                                                      \
		OK(ks_commit(store));                                          \
	} while (0)

static struct span
fpr_of(uint8_t id)
{
	static uint8_t fpr[32];

	memset(fpr, id, sizeof(fpr));
	return SPAN(fpr, sizeof(fpr));
}

static void
put(uint8_t id, enum ks_trust trust, bool with_private)
{
	struct sample s;
	struct ks_private p;

	sample_init(&s, id, ADDR);
	s.r.trust = trust;
	p = (struct ks_private){
	    .kind = KS_SMIME, .fpr = s.r.fpr, .n_addrs = 1, .addrs = s.addr};
	OK(ks_begin(store));
	OK(ks_put(store, &s.r));
	if (with_private)
		OK(ks_private_put(store, &p, &pub, SPAN_LIT("the key")));
	OK(ks_commit(store));
}

static void delete (uint8_t id)
{
	IN(ks_deleted_keep(store, fpr_of(id), SPAN_LIT("user 0"), 77, arena));
}

static struct ks_record *
get(uint8_t id)
{
	struct ks_record *r = NULL;
	enum err e = ks_get(store, fpr_of(id), arena, &r);

	cr_assert(e == ERR_OK || e == ERR_NOT_FOUND, "%s", err_name(e));
	return r;
}

static enum err
count(void *ctx, const struct ks_deleted *d)
{
	size_t *n = ctx;

	cr_expect_eq(d->at, 77);
	cr_expect(span_eq_str(d->who, "user 0"));
	cr_expect(span_eq_str(d->record.key, "the octets of a key"));
	*n += d->has_private ? 100 : 1;
	return ERR_OK;
}

static size_t
deleted(void)
{
	size_t n = 0;

	OK(ks_deleted_each(store, SPAN(NULL, 0), count, &n));
	return n;
}

static bool
opens(uint8_t id)
{
	struct ks_private *p = NULL;
	struct secret *key = NULL;
	bool same;

	if (ks_private_get(store, fpr_of(id), arena, &p) != ERR_OK)
		return false;
	OK(ks_private_open(p, &pub, priv, &key));
	same = span_eq_str(secret_span(key), "the key");
	secret_free(key);
	return same;
}

Test(deleted, a_key_comes_back_with_its_private_half)
{
	struct ks_record *r = NULL;

	put('A', KS_PINNED, true);
	put('B', KS_TRUSTED, false);
	delete ('A');
	delete ('B');
	cr_expect_null(get('A'));
	cr_expect_eq(ks_private_has(store, fpr_of('A')), ERR_NOT_FOUND);
	cr_expect_eq(deleted(), 101);
	IN(ks_deleted_undo(store, fpr_of('A'), arena, &r));
	cr_expect_eq(r->trust, KS_PINNED);
	cr_assert_not_null(get('A'));
	cr_expect_eq(get('A')->trust, KS_PINNED);
	cr_expect_eq(get('A')->n_addrs, 1);
	cr_expect(opens('A'));
	cr_expect_eq(deleted(), 1);
	OK(ks_begin(store));
	cr_expect_eq(
	    ks_deleted_undo(store, fpr_of('A'), arena, &r), ERR_NOT_FOUND);
	cr_expect_eq(
	    ks_deleted_keep(store, fpr_of('Z'), SPAN_LIT("user 0"), 1, arena),
	    ERR_NOT_FOUND);
	ks_rollback(store);
}

Test(deleted, what_came_again_meanwhile_stays_as_it_is)
{
	struct ks_record *r = NULL;

	put('A', KS_PINNED, true);
	delete ('A');
	put('A', KS_DISTRUSTED, false);
	IN(ks_deleted_undo(store, fpr_of('A'), arena, &r));
	cr_expect_eq(get('A')->trust, KS_DISTRUSTED);
	cr_expect(opens('A'), "its private half is there again");
}

Test(deleted, a_second_deletion_loses_no_private_half)
{
	struct ks_record *r = NULL;

	put('A', KS_TRUSTED, true);
	delete ('A');
	put('A', KS_CANDIDATE, false);
	delete ('A');
	cr_expect_eq(deleted(), 100);
	IN(ks_deleted_undo(store, fpr_of('A'), arena, &r));
	cr_expect(opens('A'));
}

Test(deleted, purged_it_is_gone)
{
	struct ks_record *r = NULL;

	put('A', KS_TRUSTED, true);
	delete ('A');
	IN(ks_deleted_purge(store, fpr_of('A')));
	cr_expect_eq(deleted(), 0);
	OK(ks_begin(store));
	cr_expect_eq(ks_deleted_purge(store, fpr_of('A')), ERR_NOT_FOUND);
	cr_expect_eq(
	    ks_deleted_undo(store, fpr_of('A'), arena, &r), ERR_NOT_FOUND);
	ks_rollback(store);
}

Test(deleted, nothing_is_half_done_without_a_commit)
{
	put('A', KS_TRUSTED, true);
	OK(ks_begin(store));
	OK(ks_deleted_keep(store, fpr_of('A'), SPAN_LIT("user 0"), 77, arena));
	ks_rollback(store);
	cr_expect_eq(deleted(), 0);
	cr_expect(opens('A'));
}

static enum err
take(void *ctx, enum ks_item item, struct span octets)
{
	return ks_undump(ctx, item, octets);
}

/* A backup seals private keys by themselves; these are not among them, and no
   octet of them is in what another machine gets. */
Test(deleted, a_backup_has_the_record_alone)
{
	char second[64];
	struct ks_store *to = records_open(second), *from = store;

	put('A', KS_TRUSTED, true);
	delete ('A');
	OK(ks_begin(to));
	OK(ks_dump(from, take, to));
	OK(ks_commit(to));
	store = to;
	cr_expect_eq(deleted(), 1);
	store = from;
	cr_expect_eq(deleted(), 100);
	records_close(to, second);
}

Test(deleted, octets_that_are_none_are_refused)
{
	static const struct {
		const char *what;
		struct span octets;
	} rows[] = {
	    {"nothing", {(const uint8_t *)"", 0}},
	    {"another version", {(const uint8_t *)"\x02", 1}},
	    {"cut", {(const uint8_t *)"\x01\0\0\0\0\0\0\0\1\0\0\0\1", 13}},
	    {"something behind it",
		{(const uint8_t *)"\x01\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0"
				  "\0x",
		    22}},
	};
	struct buf b;

	buf_init(&b, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(ks_deleted_public(rows[i].octets, &b),
		    ERR_MALFORMED, "%s", rows[i].what);
	cr_expect_eq(b.len, 0);
	buf_clear(&b);
}
