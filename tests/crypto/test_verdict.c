/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Verdicts: all signatures or none, who is in From, and how it is printed.
 */
#include "crypto/verdict.h"

#include <string.h>

#include <criterion/criterion.h>
#include <jansson.h>

#include "common/arena.h"

static const char *const alice[] = {"alice@example.org", "a@example.org"};
static const char *const bob[] = {"bob@example.org"};

static void
add(struct crypto_verdict *v, enum crypto_signed status,
    const char *const *addrs, size_t n)
{
	struct crypto_signature *sig;

	cr_assert_eq(
	    crypto_verdict_add_signature(v, CRYPTO_FORM_SMIME, &sig), ERR_OK);
	sig->status = status;
	sig->addrs = addrs;
	sig->n_addrs = n;
	sig->fpr = "00ff";
}

static char *
text_of(const struct crypto_verdict *v)
{
	struct buf b;
	char *s;

	buf_init(&b, 4096);
	cr_assert_eq(crypto_verdict_text(v, &b), ERR_OK);
	s = arena_span_str(v->arena, buf_span(&b));
	buf_clear(&b);
	return s;
}

Test(verdict, all_signatures_or_none)
{
	static const struct {
		const char *name;
		enum crypto_signed a, b; /* alice's; bob's unless NONE */
		size_t n_from;
		bool partial;
		enum crypto_signed want;
	} row[] = {
	    {"good", CRYPTO_SIGNED_GOOD, CRYPTO_SIGNED_NONE, 1, false,
		CRYPTO_SIGNED_GOOD},
	    {"good, not the whole", CRYPTO_SIGNED_GOOD, CRYPTO_SIGNED_NONE, 1,
		true, CRYPTO_SIGNED_PARTIAL},
	    {"two in From", CRYPTO_SIGNED_GOOD, CRYPTO_SIGNED_NONE, 2, false,
		CRYPTO_SIGNED_OTHER},
	    {"no From", CRYPTO_SIGNED_GOOD, CRYPTO_SIGNED_NONE, 0, false,
		CRYPTO_SIGNED_OTHER},
	    {"both good", CRYPTO_SIGNED_GOOD, CRYPTO_SIGNED_GOOD, 1, false,
		CRYPTO_SIGNED_GOOD},
	    {"the other's is bad", CRYPTO_SIGNED_GOOD, CRYPTO_SIGNED_BAD, 1,
		false, CRYPTO_SIGNED_BAD},
	    {"the author's is bad", CRYPTO_SIGNED_BAD, CRYPTO_SIGNED_GOOD, 1,
		false, CRYPTO_SIGNED_BAD},
	    {"the other's is unknown", CRYPTO_SIGNED_GOOD,
		CRYPTO_SIGNED_UNKNOWN_KEY, 1, false, CRYPTO_SIGNED_UNKNOWN_KEY},
	    {"unsupported beside expired", CRYPTO_SIGNED_KEY_EXPIRED,
		CRYPTO_SIGNED_UNSUPPORTED, 1, false, CRYPTO_SIGNED_UNSUPPORTED},
	    {"bad in part stays bad", CRYPTO_SIGNED_BAD, CRYPTO_SIGNED_NONE, 1,
		true, CRYPTO_SIGNED_BAD},
	};
	static const char *const from[] = {"a@example.org", "x@example.org"};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct arena *a = arena_new(1 << 16);
		struct crypto_verdict v;

		crypto_verdict_init(&v, a);
		add(&v, row[i].a, alice, 2);
		v.sigs[0].partial = row[i].partial;
		if (row[i].b != CRYPTO_SIGNED_NONE)
			add(&v, row[i].b, bob, 1);
		crypto_verdict_bind(&v, from, row[i].n_from);
		cr_expect_eq(v.signature, row[i].want, "%s: %s", row[i].name,
		    crypto_signed_word(v.signature));
		arena_free(a);
	}
}

Test(verdict, a_part_takes_nothing_from_the_whole)
{
	static const char *const from[] = {"a@example.org"};
	static const struct {
		enum crypto_signed part, whole, want;
	} row[] = {
	    {CRYPTO_SIGNED_GOOD, CRYPTO_SIGNED_GOOD, CRYPTO_SIGNED_GOOD},
	    {CRYPTO_SIGNED_PARTIAL, CRYPTO_SIGNED_GOOD, CRYPTO_SIGNED_GOOD},
	    {CRYPTO_SIGNED_BAD, CRYPTO_SIGNED_GOOD, CRYPTO_SIGNED_BAD},
	    {CRYPTO_SIGNED_GOOD, CRYPTO_SIGNED_BAD, CRYPTO_SIGNED_BAD},
	    {CRYPTO_SIGNED_GOOD, CRYPTO_SIGNED_UNKNOWN_KEY,
		CRYPTO_SIGNED_UNKNOWN_KEY},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct arena *a = arena_new(1 << 16);
		struct crypto_verdict v;

		crypto_verdict_init(&v, a);
		add(&v, row[i].part, alice, 2);
		v.sigs[0].partial = true;
		add(&v, row[i].whole, alice, 2);
		crypto_verdict_bind(&v, from, 1);
		cr_expect_eq(v.signature, row[i].want, "row %zu: %s", i,
		    crypto_signed_word(v.signature));
		arena_free(a);
	}
}

Test(verdict, nothing_is_none)
{
	static const char *const from[] = {"a@example.org"};
	struct arena *a = arena_new(1 << 16);
	struct crypto_verdict v;

	crypto_verdict_init(&v, a);
	crypto_verdict_bind(&v, from, 1);
	cr_expect_str_eq(text_of(&v), "none");
	/* whoever forgets to fill one in has said "bad" */
	add(&v, CRYPTO_SIGNED_NONE, alice, 2);
	crypto_verdict_bind(&v, from, 1);
	cr_expect_eq(v.signature, CRYPTO_SIGNED_BAD);
	arena_free(a);
}

Test(verdict, another_from_is_bound_anew)
{
	static const char *const outer[] = {"x@example.net"};
	struct arena *a = arena_new(1 << 16);
	struct crypto_verdict v;

	crypto_verdict_init(&v, a);
	add(&v, CRYPTO_SIGNED_GOOD, bob, 1);
	crypto_verdict_bind(&v, outer, 1);
	cr_expect_eq(v.signature, CRYPTO_SIGNED_OTHER);
	cr_expect_str_eq(v.signer, "bob@example.org");
	crypto_verdict_bind(&v, bob, 1);
	cr_expect_eq(v.signature, CRYPTO_SIGNED_GOOD);
	crypto_verdict_bind(&v, outer, 1);
	cr_expect_eq(v.signature, CRYPTO_SIGNED_OTHER);
	arena_free(a);
}

Test(verdict, what_strangers_wrote_cannot_leave_its_place)
{
	static const char *const odd[] = {
	    "\"a\r\nX: y; signer=b\"@example.org"};
	struct arena *a = arena_new(1 << 16);
	struct crypto_verdict v;
	struct buf b;
	json_t *j;

	buf_init(&b, 65536);
	crypto_verdict_init(&v, a);
	add(&v, CRYPTO_SIGNED_GOOD, odd, 1);
	v.sealed = CRYPTO_SEALED_OPENED;
	v.sealed_form = CRYPTO_FORM_SMIME;
	v.cipher = "aes256-gcm";
	v.headers = CRYPTO_HEADERS_BOTH;
	crypto_verdict_note(&v, "part \"%s\"", "\x1b[2J\n");
	crypto_verdict_bind(&v, odd, 1);
	cr_expect_str_eq(text_of(&v),
	    "encrypted, signed-good; form=smime; cipher=aes256-gcm; "
	    "signer=\"\\x22a\\x0d\\x0aX: y; signer=b\\x22@example.org\"; "
	    "fingerprint=00ff; protected-headers=signed-encrypted");
	cr_assert_eq(crypto_verdict_json(&v, &b), ERR_OK);
	j = json_loadb((const char *)b.data, b.len, 0, NULL);
	cr_assert_not_null(j);
	cr_expect_str_eq(
	    json_string_value(json_object_get(j, "signer")), odd[0]);
	cr_expect_null(memchr(b.data, '\n', b.len));
	json_decref(j);
	buf_clear(&b);
	arena_free(a);
}

Test(verdict, lists_have_an_end)
{
	struct arena *a = arena_new(1 << 16);
	struct crypto_signature *sig;
	struct crypto_verdict v;

	crypto_verdict_init(&v, a);
	for (int i = 0; i < CRYPTO_VERDICT_SIGS; i++)
		cr_assert_eq(crypto_verdict_add_signature(
				 &v, CRYPTO_FORM_PGP_MIME, &sig),
		    ERR_OK);
	cr_expect_eq(
	    crypto_verdict_add_signature(&v, CRYPTO_FORM_PGP_MIME, &sig),
	    ERR_LIMIT);
	for (int i = 0; i < CRYPTO_VERDICT_LAYERS; i++)
		cr_assert_eq(crypto_verdict_add_layer(
				 &v, CRYPTO_LAYER_ENCRYPTED, CRYPTO_FORM_SMIME),
		    ERR_OK);
	cr_expect_eq(crypto_verdict_add_layer(
			 &v, CRYPTO_LAYER_ENCRYPTED, CRYPTO_FORM_SMIME),
	    ERR_LIMIT);
	for (int i = 0; i < 2 * CRYPTO_VERDICT_NOTES; i++)
		crypto_verdict_note(&v, "note %d", i);
	cr_expect_eq(v.n_notes, (size_t)CRYPTO_VERDICT_NOTES);
	arena_free(a);
}

Test(verdict, every_value_has_a_word)
{
	for (int i = 1; i <= CRYPTO_SEALED_OPENED; i++)
		cr_expect_str_neq(
		    crypto_sealed_word((enum crypto_sealed)i), "none");
	for (int i = 1; i <= CRYPTO_SIGNED_GOOD; i++) {
		cr_expect_str_neq(
		    crypto_signed_word((enum crypto_signed)i), "none");
		cr_expect_str_neq(
		    crypto_signed_result((enum crypto_signed)i), "none");
		cr_expect_eq(strcmp(crypto_signed_result((enum crypto_signed)i),
				 "pass") == 0,
		    i == CRYPTO_SIGNED_GOOD);
	}
}
