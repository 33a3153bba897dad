/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "keystore/private.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/arena.h"
#include "common/sealed.h"
#include "common/stream.h"
#include "keystore/store_private.h"
#include "tests/keystore/records.h"

static char dir[64];
static struct ks_store *store;
static struct arena *arena;
static struct sealed_pub pub;
static struct secret *priv;
static uint8_t fpr[32];

static void
open_store(void)
{
	secret_init();
	stream_init();
	store = records_open(dir);
	arena = arena_new(8 << 20);
	memset(fpr, 7, sizeof(fpr));
	cr_assert_eq(sealed_keypair(SEALED_PRIVATE, &pub, &priv), ERR_OK);
}

static void
close_store(void)
{
	records_close(store, dir);
	arena_free(arena);
	secret_free(priv);
}

TestSuite(private, .init = open_store, .fini = close_store);

static struct span addrs[] = {
    {(const uint8_t *)"a@example.com", 13},
    {(const uint8_t *)"b@example.org", 13},
};

static struct ks_private
sample(void)
{
	return (struct ks_private){.kind = KS_SMIME,
	    .fpr = SPAN(fpr, sizeof(fpr)),
	    .added = -5,
	    .domain = SPAN_LIT("example.net"),
	    .n_addrs = 2,
	    .addrs = addrs};
}

static enum err
open_key(const struct ks_private *p, struct buf *out)
{
	struct secret *key = NULL;
	struct buf ad;
	enum err e;

	buf_init(&ad, 100000);
	cr_assert_eq(ks_private_ad(p, &ad), ERR_OK);
	e = sealed_content_key(&pub, priv, p->sealed, &key);
	if (e == ERR_OK)
		e = sealed_open(key, buf_span(&ad), p->sealed, out);
	secret_free(key);
	buf_clear(&ad);
	return e;
}

Test(private, comes_back_sealed_and_opens_beside_its_addresses)
{
	struct ks_private p = sample(), *got = NULL;
	struct buf text;

	buf_init(&text, 1000);
	cr_expect_eq(ks_private_has(store, p.fpr), ERR_NOT_FOUND);
	cr_expect_eq(ks_private_get(store, p.fpr, arena, &got), ERR_NOT_FOUND);
	cr_assert_eq(
	    ks_private_put(store, &p, &pub, SPAN_LIT("the key")), ERR_OK);
	cr_expect_eq(ks_private_has(store, p.fpr), ERR_OK);
	cr_assert_eq(ks_private_get(store, p.fpr, arena, &got), ERR_OK);
	cr_expect_eq(got->kind, KS_SMIME);
	cr_expect_eq(got->added, -5);
	cr_expect(span_eq(got->fpr, p.fpr));
	cr_expect(span_eq_str(got->domain, "example.net"));
	cr_assert_eq(got->n_addrs, 2);
	cr_expect(span_eq_str(got->addrs[1], "b@example.org"));
	cr_expect_eq(
	    span_find(got->sealed, 0, SPAN_LIT("the key")), got->sealed.len);
	cr_assert_eq(open_key(got, &text), ERR_OK);
	cr_expect(span_eq_str(buf_span(&text), "the key"));
	/* nobody else's address can be put in its place */
	got->addrs[0] = SPAN_LIT("x@example.com");
	cr_expect_eq(open_key(got, &text), ERR_BAD_SEAL);
	got->addrs[0] = addrs[0];
	got->domain = SPAN_LIT("example.com");
	cr_expect_eq(open_key(got, &text), ERR_BAD_SEAL);
	buf_clear(&text);
}

Test(private, a_newer_one_takes_its_place)
{
	struct ks_private p = sample(), *got = NULL;
	struct buf text;

	buf_init(&text, 1000);
	cr_assert_eq(ks_private_put(store, &p, &pub, SPAN_LIT("one")), ERR_OK);
	cr_assert_eq(ks_private_put(store, &p, &pub, SPAN_LIT("two")), ERR_OK);
	cr_assert_eq(ks_private_get(store, p.fpr, arena, &got), ERR_OK);
	cr_assert_eq(open_key(got, &text), ERR_OK);
	cr_expect(span_eq_str(buf_span(&text), "two"));
	buf_clear(&text);
}

Test(private, goes_with_its_record_and_alone)
{
	struct ks_private p = sample();
	struct sample s;

	sample_init(&s, 7, "a@example.com");
	cr_assert_eq(ks_put(store, &s.r), ERR_OK);
	cr_assert(span_eq(s.r.fpr, p.fpr));
	cr_expect_eq(ks_delete(store, s.r.fpr), ERR_OK);
	cr_expect_eq(ks_delete(store, s.r.fpr), ERR_NOT_FOUND);
	cr_assert_eq(ks_put(store, &s.r), ERR_OK);
	cr_assert_eq(ks_private_put(store, &p, &pub, SPAN_LIT("k")), ERR_OK);
	/* a record that is written anew keeps it */
	cr_assert_eq(ks_put(store, &s.r), ERR_OK);
	cr_expect_eq(ks_private_has(store, p.fpr), ERR_OK);
	cr_expect_eq(ks_delete(store, s.r.fpr), ERR_OK);
	cr_expect_eq(ks_private_has(store, p.fpr), ERR_NOT_FOUND);
	cr_assert_eq(ks_private_put(store, &p, &pub, SPAN_LIT("k")), ERR_OK);
	cr_expect_eq(ks_private_delete(store, p.fpr), ERR_OK);
	cr_expect_eq(ks_private_delete(store, p.fpr), ERR_NOT_FOUND);
}

Test(private, is_part_of_a_batch)
{
	struct ks_private p = sample();

	cr_assert_eq(ks_begin(store), ERR_OK);
	cr_assert_eq(ks_private_put(store, &p, &pub, SPAN_LIT("k")), ERR_OK);
	cr_expect_eq(ks_private_has(store, p.fpr), ERR_OK);
	ks_rollback(store);
	cr_expect_eq(ks_private_has(store, p.fpr), ERR_NOT_FOUND);
}

Test(private, what_is_not_fit_is_not_put)
{
	struct sealed_pub other = pub;
	struct ks_private p = sample();
	struct span empty = SPAN(NULL, 0);

	other.purpose = SEALED_READY;
	cr_expect_eq(
	    ks_private_put(store, &p, &other, SPAN_LIT("k")), ERR_MALFORMED);
	cr_expect_eq(ks_private_put(store, &p, &pub, empty), ERR_MALFORMED);
	p.kind = (enum ks_kind)3;
	cr_expect_eq(
	    ks_private_put(store, &p, &pub, SPAN_LIT("k")), ERR_MALFORMED);
	p = sample();
	p.fpr.len = 15;
	cr_expect_eq(
	    ks_private_put(store, &p, &pub, SPAN_LIT("k")), ERR_MALFORMED);
	p = sample();
	p.addrs = &empty;
	p.n_addrs = 1;
	cr_expect_eq(
	    ks_private_put(store, &p, &pub, SPAN_LIT("k")), ERR_MALFORMED);
	p = sample();
	p.n_addrs = KS_ADDRS_MAX + 1;
	cr_expect_eq(
	    ks_private_put(store, &p, &pub, SPAN_LIT("k")), ERR_MALFORMED);
	cr_expect_eq(ks_private_has(store, SPAN(fpr, 32)), ERR_NOT_FOUND);
}

static enum err
keep(void *ctx, struct span key, struct span octets)
{
	(void)key;
	return buf_put(ctx, octets);
}

Test(private, a_damaged_row_is_not_read)
{
	struct ks_private p = sample(), *got = NULL;
	struct buf row;

	buf_init(&row, 10000);
	cr_assert_eq(ks_private_put(store, &p, &pub, SPAN_LIT("k")), ERR_OK);
	cr_assert_eq(
	    store->ops->row_get(store, KS_ROW_PRIVATE, p.fpr, keep, &row),
	    ERR_OK);
	for (size_t n = 1; n < row.len; n++) {
		cr_assert_eq(store->ops->row_put(store, KS_ROW_PRIVATE, p.fpr,
				 SPAN(row.data, n)),
		    ERR_OK);
		cr_expect_eq(ks_private_get(store, p.fpr, arena, &got),
		    ERR_DB_BROKEN, "%zu octets", n);
		arena_reset(arena);
	}
	/* under another fingerprint */
	fpr[0] = 8;
	cr_assert_eq(
	    store->ops->row_put(store, KS_ROW_PRIVATE, p.fpr, buf_span(&row)),
	    ERR_OK);
	cr_expect_eq(ks_private_get(store, p.fpr, arena, &got), ERR_DB_BROKEN);
	buf_clear(&row);
}

Test(private, speaks_for_its_addresses_and_domain_only)
{
	static const struct {
		const char *addr;
		bool speaks;
	} rows[] = {
	    {"a@example.com", true},
	    {"b@example.org", true},
	    {"anybody@example.net", true},
	    {"b@example.com", false},
	    {"a@sub.example.net", false},
	    {"a@xexample.net", false},
	    {"a@example.com ", false},
	    {"example.net", false},
	    {"@", false},
	    {"", false},
	};
	struct ks_private p = sample();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(ks_private_speaks_for(&p, span_str(rows[i].addr)),
		    rows[i].speaks, "%s", rows[i].addr);
	p.domain = SPAN(NULL, 0);
	cr_expect_not(ks_private_speaks_for(&p, SPAN_LIT("a@")));
	cr_expect_not(ks_private_speaks_for(&p, SPAN_LIT("x@example.net")));
}
