/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include "keystore/lookup.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/arena.h"
#include "keystore/setting.h"
#include "keystore/store_private.h"
#include "tests/keystore/records.h"

enum { NOW = 1500 };

static char dir[64];
static struct ks_store *store;
static struct arena *arena;

static void
open_store(void)
{
	store = records_open(dir);
	arena = arena_new(64 << 20);
}

static void
close_store(void)
{
	records_close(store, dir);
	arena_free(arena);
}

TestSuite(lookup, .init = open_store, .fini = close_store);

static void
put(const struct sample *s)
{
	enum err e = ks_put(store, &s->r);

	cr_assert_eq(e, ERR_OK, "%s", err_name(e));
}

static struct ks_result
look(const struct ks_remote *remote, size_t n)
{
	struct ks_result r;

	ks_lookup(store, SPAN_LIT("a@b.example"), KS_SMIME, NOW, remote, n,
	    arena, &r);
	return r;
}

/* One record, changed in one way: state, verdict. */
static const struct {
	const char *what;
	enum ks_trust trust;
	enum ks_flaw flaw;
	uint32_t good_for;
	int64_t not_before, not_after;
	enum ks_state state;
	enum err verdict;
} ones[] = {
    {"usable", KS_TRUSTED, KS_FLAW_NONE, 1, 1000, 2000, KS_HOLDS, ERR_OK},
    {"pinned", KS_PINNED, KS_FLAW_NONE, 1, 1000, 2000, KS_HOLDS, ERR_OK},
    {"discovered", KS_DISCOVERED, KS_FLAW_NONE, 1, 1000, 2000, KS_HOLDS,
	ERR_OK},
    {"harvested", KS_HARVESTED, KS_FLAW_NONE, 1, 1000, 2000, KS_ABSENT,
	ERR_KEY_UNTRUSTED},
    {"candidate", KS_CANDIDATE, KS_FLAW_NONE, 1, 1000, 2000, KS_ABSENT,
	ERR_KEY_UNTRUSTED},
    {"distrusted", KS_DISTRUSTED, KS_FLAW_NONE, 1, 1000, 2000, KS_ABSENT,
	ERR_KEY_UNTRUSTED},
    {"never ends", KS_TRUSTED, KS_FLAW_NONE, 1, 1000, 0, KS_HOLDS, ERR_OK},
    {"last second", KS_TRUSTED, KS_FLAW_NONE, 1, 1000, NOW, KS_HOLDS, ERR_OK},
    {"just over", KS_TRUSTED, KS_FLAW_NONE, 1, 1000, NOW - 1, KS_LAPSED,
	ERR_KEY_EXPIRED},
    {"first second", KS_TRUSTED, KS_FLAW_NONE, 1, NOW, 2000, KS_HOLDS, ERR_OK},
    {"not yet", KS_TRUSTED, KS_FLAW_NONE, 1, NOW + 1, 2000, KS_LAPSED,
	ERR_KEY_EXPIRED},
    {"revoked", KS_TRUSTED, KS_FLAW_REVOKED, 1, 1000, 2000, KS_ABSENT,
	ERR_KEY_REVOKED},
    {"revoked and over", KS_TRUSTED, KS_FLAW_REVOKED, 1, 1000, 1100, KS_ABSENT,
	ERR_KEY_REVOKED},
    {"unsupported", KS_TRUSTED, KS_FLAW_UNSUPPORTED, 1, 1000, 2000, KS_ABSENT,
	ERR_UNSUPPORTED},
    {"unsuitable", KS_TRUSTED, KS_FLAW_UNSUITABLE, 0, 1000, 2000, KS_ABSENT,
	ERR_KEY_UNUSABLE},
    {"issues only", KS_TRUSTED, KS_FLAW_NONE, KS_GOOD_ISSUE, 1000, 2000,
	KS_ABSENT, ERR_KEY_UNUSABLE},
    {"candidate and over", KS_CANDIDATE, KS_FLAW_NONE, 1, 1000, 1100, KS_ABSENT,
	ERR_KEY_UNTRUSTED},
};

Test(lookup, every_candidate_has_its_verdict)
{
	for (size_t i = 0; i < sizeof(ones) / sizeof(ones[0]); i++) {
		struct ks_result r;
		struct sample s;

		sample_init(&s, 'A', "a@b.example");
		s.r.trust = ones[i].trust;
		s.r.flaw = ones[i].flaw;
		s.r.good_for = ones[i].good_for;
		s.r.not_before = ones[i].not_before;
		s.r.not_after = ones[i].not_after;
		put(&s);
		r = look(NULL, 0);
		cr_expect_eq(r.state, ones[i].state, "%s: %s", ones[i].what,
		    ks_state_name(r.state));
		cr_assert_eq(r.n, 1, "%s", ones[i].what);
		cr_expect_eq(r.candidate[0].verdict, ones[i].verdict, "%s: %s",
		    ones[i].what, err_name(r.candidate[0].verdict));
		cr_expect_eq(r.err, ones[i].verdict, "%s: %s", ones[i].what,
		    err_name(r.err));
		cr_expect_gt(strlen(r.candidate[0].why), 3);
		cr_expect_eq(r.chosen != NULL, r.state == KS_HOLDS);
		if (r.chosen != NULL)
			cr_expect(span_eq(r.chosen->key, s.r.key));
	}
}

Test(lookup, the_last_second_of_an_openpgp_key_is_over)
{
	struct ks_result r;
	struct sample s;

	sample_init(&s, 'A', "a@b.example");
	s.r.kind = KS_OPENPGP;
	s.r.not_after = NOW;
	put(&s);
	ks_lookup(store, SPAN_LIT("a@b.example"), KS_OPENPGP, NOW, NULL, 0,
	    arena, &r);
	cr_expect_eq(r.state, KS_LAPSED);
	ks_lookup(store, SPAN_LIT("a@b.example"), KS_OPENPGP, NOW - 1, NULL, 0,
	    arena, &r);
	cr_expect_eq(r.state, KS_HOLDS);
	cr_expect_eq(look(NULL, 0).state, KS_ABSENT, "it is no certificate");
}

Test(lookup, nothing_is_absent)
{
	struct ks_result r = look(NULL, 0);

	cr_expect_eq(r.state, KS_ABSENT);
	cr_expect_eq(r.err, ERR_NO_KEY);
	cr_expect_eq(r.n, 0);
}

Test(lookup, the_best_trust_wins_then_the_newer_then_the_later_end)
{
	struct ks_result r;
	struct sample s;

	sample_init(&s, 'A', "a@b.example");
	s.r.trust = KS_DISCOVERED;
	s.r.not_after = 0;
	put(&s);
	sample_init(&s, 'B', "a@b.example");
	s.r.not_after = 1700;
	put(&s);
	sample_init(&s, 'C', "a@b.example");
	s.r.not_after = 1800;
	put(&s);
	sample_init(&s, 'D', "a@b.example");
	s.r.not_after = 1600;
	put(&s);
	r = look(NULL, 0);
	cr_assert_eq(r.state, KS_HOLDS);
	cr_expect_eq(r.chosen->fpr.data[0], 'C');
	cr_expect_eq(r.n, 4);
	sample_init(&s, 'F', "a@b.example");
	s.r.not_after = 0;
	put(&s);
	cr_expect_eq(look(NULL, 0).chosen->fpr.data[0], 'F');
	sample_init(&s, 'G', "a@b.example");
	s.r.not_before = 1001;
	s.r.not_after = 1600;
	put(&s);
	cr_expect_eq(look(NULL, 0).chosen->fpr.data[0], 'G');
	sample_init(&s, 'B', "a@b.example");
	s.r.not_before = 1001;
	s.r.not_after = 1600;
	put(&s);
	cr_expect_eq(look(NULL, 0).chosen->fpr.data[0], 'B');
}

Test(lookup, while_one_is_pinned_no_other_is_used)
{
	struct ks_result r;
	struct sample s;

	sample_init(&s, 'A', "a@b.example");
	put(&s);
	sample_init(&s, 'P', "a@b.example");
	s.r.trust = KS_PINNED;
	put(&s);
	cr_expect_eq(look(NULL, 0).chosen->fpr.data[0], 'P');
	s.r.not_after = NOW - 1;
	put(&s);
	r = look(NULL, 0);
	cr_expect_eq(r.state, KS_LAPSED);
	cr_expect_null(r.chosen);
	cr_assert_eq(r.n, 2);
	cr_expect_eq(r.candidate[0].verdict, ERR_KEY_UNTRUSTED);
	cr_expect_str_eq(r.candidate[0].why, "another key is pinned");
	/* nor one of the domain */
	sample_init(&s, 'D', "x@b.example");
	s.r.domain = SPAN_LIT("b.example");
	put(&s);
	cr_expect_eq(look(NULL, 0).state, KS_LAPSED);
}

Test(lookup, what_is_sealed_to_is_policy)
{
	static const struct {
		enum ks_trust rules, domain, addr, key;
		bool holds;
	} rows[] = {
	    {KS_DISCOVERED, 0, 0, KS_HARVESTED, false},
	    {KS_HARVESTED, 0, 0, KS_HARVESTED, true},
	    {KS_CANDIDATE, 0, 0, KS_CANDIDATE, true},
	    {KS_CANDIDATE, 0, 0, KS_DISTRUSTED, false},
	    {KS_TRUSTED, 0, 0, KS_DISCOVERED, false},
	    {KS_DISCOVERED, KS_TRUSTED, 0, KS_DISCOVERED, false},
	    {KS_DISCOVERED, KS_TRUSTED, KS_HARVESTED, KS_HARVESTED, true},
	    {KS_PINNED, 0, 0, KS_TRUSTED, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct ks_setting domain = {.seal_from = rows[i].domain};
		const struct ks_setting addr = {.seal_from = rows[i].addr};
		struct ks_rules rules = ks_rules_default;
		struct sample s;

		sample_init(&s, 'A', "a@b.example");
		s.r.trust = rows[i].key;
		put(&s);
		rules.seal_from = rows[i].rules;
		ks_use_rules(store, &rules);
		cr_assert_eq(
		    ks_setting_put(store, SPAN_LIT("@b.example"), &domain),
		    ERR_OK);
		cr_assert_eq(
		    ks_setting_put(store, SPAN_LIT("a@b.example"), &addr),
		    ERR_OK);
		cr_expect_eq(look(NULL, 0).state,
		    rows[i].holds ? KS_HOLDS : KS_ABSENT, "row %zu", i);
	}
}

/* It is not an absence: what was there is gone. */
Test(lookup, a_key_that_its_sources_have_no_more_has_lapsed)
{
	static const struct {
		enum ks_source source;
		uint32_t more;
		enum ks_trust trust;
		enum ks_kind kind;
		enum ks_answer wkd, vks;
		enum ks_state state;
	} rows[] = {
	    {KS_SOURCE_WKD, 0, KS_DISCOVERED, KS_OPENPGP, KS_ANSWER_ABSENT,
		KS_ANSWER_ABSENT, KS_LAPSED},
	    {KS_SOURCE_WKD, 0, KS_DISCOVERED, KS_OPENPGP, KS_ANSWER_FOUND,
		KS_ANSWER_ABSENT, KS_HOLDS},
	    {KS_SOURCE_WKD, 0, KS_DISCOVERED, KS_OPENPGP, KS_ANSWER_FAILED,
		KS_ANSWER_ABSENT, KS_HOLDS},
	    {KS_SOURCE_WKD, 1 << (KS_SOURCE_VKS - 1), KS_DISCOVERED, KS_OPENPGP,
		KS_ANSWER_ABSENT, KS_ANSWER_FOUND, KS_HOLDS},
	    {KS_SOURCE_WKD, 1 << (KS_SOURCE_VKS - 1), KS_DISCOVERED, KS_OPENPGP,
		KS_ANSWER_ABSENT, KS_ANSWER_ABSENT, KS_LAPSED},
	    {KS_SOURCE_WKD, 1 << (KS_SOURCE_HKP - 1), KS_DISCOVERED, KS_OPENPGP,
		KS_ANSWER_ABSENT, KS_ANSWER_ABSENT, KS_HOLDS},
	    {KS_SOURCE_WKD, 0, KS_TRUSTED, KS_OPENPGP, KS_ANSWER_ABSENT,
		KS_ANSWER_ABSENT, KS_HOLDS},
	    {KS_SOURCE_WKD, 0, KS_DISCOVERED, KS_SMIME, KS_ANSWER_ABSENT,
		KS_ANSWER_ABSENT, KS_HOLDS},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct ks_remote remote[] = {
		    {KS_SOURCE_WKD, rows[i].wkd},
		    {KS_SOURCE_VKS, rows[i].vks},
		};
		struct ks_result r;
		struct sample s;

		sample_init(&s, 'A', "a@b.example");
		s.r.kind = rows[i].kind;
		s.r.source = rows[i].source;
		s.r.sources = ks_source_bit(rows[i].source) | rows[i].more;
		s.r.trust = rows[i].trust;
		put(&s);
		ks_lookup(store, SPAN_LIT("a@b.example"), rows[i].kind, NOW,
		    remote, 2, arena, &r);
		cr_expect_eq(r.state, rows[i].state, "row %zu: %s", i,
		    ks_state_name(r.state));
	}
}

/* A flood of candidates hides neither the key nor how many there are. */
Test(lookup, the_chosen_one_is_in_the_trace_however_many_there_are)
{
	struct ks_result r;
	struct sample s;

	for (uint8_t id = 1; id <= 40; id++) {
		sample_init(&s, id, "a@b.example");
		s.r.trust = id == 40 ? KS_TRUSTED : KS_CANDIDATE;
		put(&s);
	}
	r = look(NULL, 0);
	cr_assert_eq(r.state, KS_HOLDS);
	cr_expect_eq(r.chosen->fpr.data[0], 40);
	cr_expect_eq(r.n, KS_TRACE_MAX);
	cr_expect_eq(r.n_more, 40 - KS_TRACE_MAX);
	cr_expect_eq(r.candidate[KS_TRACE_MAX - 1].record, r.chosen);
}

Test(lookup, a_key_of_the_domain_serves_who_has_none)
{
	struct ks_result r;
	struct sample s;

	sample_init(&s, 'D', "gateway@b.example");
	s.r.domain = SPAN_LIT("b.example");
	put(&s);
	r = look(NULL, 0);
	cr_assert_eq(r.state, KS_HOLDS);
	cr_expect_eq(r.chosen->fpr.data[0], 'D');
	sample_init(&s, 'A', "a@b.example");
	put(&s);
	cr_expect_eq(look(NULL, 0).chosen->fpr.data[0], 'A');
}

Test(lookup, what_is_not_definite_is_a_failure)
{
	static const struct {
		const char *what;
		enum ks_source source; /* of the record; 0: no record */
		enum ks_trust trust;
		int64_t not_after;
		struct ks_remote remote[2];
		size_t n;
		enum ks_state want;
	} rows[] = {
	    {"all say no", 0, 0, 0,
		{{KS_SOURCE_WKD, KS_ANSWER_ABSENT},
		    {KS_SOURCE_DANE, KS_ANSWER_ABSENT}},
		2, KS_ABSENT},
	    {"one is silent", 0, 0, 0,
		{{KS_SOURCE_WKD, KS_ANSWER_ABSENT},
		    {KS_SOURCE_DANE, KS_ANSWER_FAILED}},
		2, KS_FAILED},
	    {"a trusted key waits for nobody", KS_SOURCE_MANUAL, KS_TRUSTED,
		2000, {{KS_SOURCE_WKD, KS_ANSWER_FAILED}}, 1, KS_HOLDS},
	    {"a weaker source waits", KS_SOURCE_VKS, KS_DISCOVERED, 2000,
		{{KS_SOURCE_WKD, KS_ANSWER_FAILED}}, 1, KS_FAILED},
	    {"a stronger source need not", KS_SOURCE_WKD, KS_DISCOVERED, 2000,
		{{KS_SOURCE_VKS, KS_ANSWER_FAILED}}, 1, KS_HOLDS},
	    {"nor the same", KS_SOURCE_WKD, KS_DISCOVERED, 2000,
		{{KS_SOURCE_WKD, KS_ANSWER_FAILED}}, 1, KS_HOLDS},
	    {"expired and silent", KS_SOURCE_MANUAL, KS_TRUSTED, 1400,
		{{KS_SOURCE_WKD, KS_ANSWER_FAILED}}, 1, KS_FAILED},
	    {"expired and no", KS_SOURCE_MANUAL, KS_TRUSTED, 1400,
		{{KS_SOURCE_WKD, KS_ANSWER_ABSENT}}, 1, KS_LAPSED},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ks_result r;
		struct sample s;

		sample_init(&s, 'A', "a@b.example");
		s.r.source = rows[i].source;
		s.r.trust = rows[i].trust;
		s.r.not_after = rows[i].not_after;
		if (rows[i].source != 0)
			put(&s);
		r = look(rows[i].remote, rows[i].n);
		cr_expect_eq(r.state, rows[i].want, "%s: %s", rows[i].what,
		    ks_state_name(r.state));
		if (rows[i].source != 0)
			cr_assert_eq(ks_delete(store, s.r.fpr), ERR_OK);
	}
}

static enum err
fail_find(struct ks_store *s, enum ks_index index, struct span key,
    ks_visit *visit, void *ctx)
{
	return ERR_IO;
}

static enum err
no_row(struct ks_store *s, enum ks_row row, struct span key,
    ks_row_visit *visit, void *ctx)
{
	return ERR_NOT_FOUND;
}

static enum err
fail_row(struct ks_store *s, enum ks_row row, struct span key,
    ks_row_visit *visit, void *ctx)
{
	return ERR_IO;
}

Test(lookup, a_database_error_is_a_failure)
{
	static const struct ks_store_ops ops = {
	    .find = fail_find, .row_get = no_row};
	static const struct ks_store_ops rows = {
	    .find = fail_find, .row_get = fail_row};
	struct ks_store broken = {.ops = &ops};
	struct ks_result r;

	ks_lookup(&broken, SPAN_LIT("a@b.example"), KS_SMIME, NOW, NULL, 0,
	    arena, &r);
	cr_expect_eq(r.state, KS_FAILED);
	cr_expect_eq(r.err, ERR_IO);
	cr_expect_null(r.chosen);
	broken.ops = &rows;
	ks_lookup(&broken, SPAN_LIT("a@b.example"), KS_SMIME, NOW, NULL, 0,
	    arena, &r);
	cr_expect_eq(r.state, KS_FAILED);
	cr_expect_eq(r.err, ERR_IO);
}

Test(lookup, too_little_memory_is_a_failure)
{
	struct arena *small = arena_new(64);
	struct ks_result r;
	struct sample s;

	sample_init(&s, 'A', "a@b.example");
	put(&s);
	ks_lookup(
	    store, SPAN_LIT("a@b.example"), KS_SMIME, NOW, NULL, 0, small, &r);
	cr_expect_eq(r.state, KS_FAILED);
	cr_expect_eq(r.err, ERR_NOMEM);
	cr_expect_null(r.chosen);
	arena_free(small);
}

/* A store that answers with what was not asked for. */
static enum err
lying_find(struct ks_store *s, enum ks_index index, struct span key,
    ks_visit *visit, void *ctx)
{
	struct sample other;

	if (index != KS_BY_ADDR)
		return ERR_OK;
	sample_init(&other, 'X', "mallory@b.example");
	return visit(ctx, &other.r);
}

Test(lookup, a_key_that_does_not_carry_the_address_is_not_taken)
{
	static const struct ks_store_ops ops = {
	    .find = lying_find, .row_get = no_row};
	struct ks_store liar = {.ops = &ops};
	struct ks_result r;

	ks_lookup(
	    &liar, SPAN_LIT("a@b.example"), KS_SMIME, NOW, NULL, 0, arena, &r);
	cr_expect_eq(r.state, KS_ABSENT);
	cr_expect_eq(r.err, ERR_KEY_ADDR);
}

Test(lookup, is_fast)
{
	enum { KEYS = 2000, ROUNDS = 20000 };
	static uint8_t key[1500];
	char addr[64];
	struct timespec a, b;
	double us;

	cr_assert_eq(ks_begin(store), ERR_OK);
	for (uint32_t i = 0; i < KEYS; i++) {
		struct sample s;

		snprintf(addr, sizeof(addr), "user%u@b.example", i);
		sample_init(&s, 'A', addr);
		memcpy(s.fpr, &i, sizeof(i));
		s.r.key = SPAN(key, sizeof(key));
		put(&s);
	}
	cr_assert_eq(ks_commit(store), ERR_OK);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		struct ks_result r;

		snprintf(
		    addr, sizeof(addr), "user%u@b.example", i * 7919 % KEYS);
		ks_lookup(
		    store, span_str(addr), KS_SMIME, NOW, NULL, 0, arena, &r);
		cr_assert(r.state == KS_HOLDS);
		arena_reset(arena);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	us = ((double)(b.tv_sec - a.tv_sec) * 1e6 +
		 (double)(b.tv_nsec - a.tv_nsec) / 1e3) /
	     ROUNDS;
	fprintf(stderr, "%.2f microseconds a lookup\n", us);
	/* 20 promised; sanitizers and busy machines are slower. */
	cr_expect_lt(us, 200, "%.2f", us);
}

/* A judge that says the same of every certificate. */
struct verdict_of {
	enum err err;
	struct span addr;
	unsigned asked;
};

static enum err
say(void *ctx, const struct ks_record *r, struct span addr, int64_t now,
    struct arena *a, const char **why)
{
	struct verdict_of *v = ctx;

	(void)a;
	cr_expect_gt(r->key.len, 0);
	cr_expect_eq(now, NOW);
	v->addr = addr;
	v->asked++;
	*why = v->err == ERR_OK ? "" : "said the judge";
	return v->err;
}

Test(lookup, a_chain_makes_discovered_and_revocation_beats_all_trust)
{
	static const struct {
		enum ks_trust trust;
		enum err said;
		enum ks_state state;
		enum err verdict;
	} rows[] = {
	    {KS_CANDIDATE, ERR_OK, KS_HOLDS, ERR_OK},
	    {KS_HARVESTED, ERR_OK, KS_HOLDS, ERR_OK},
	    {KS_DISCOVERED, ERR_OK, KS_HOLDS, ERR_OK},
	    {KS_TRUSTED, ERR_KEY_UNTRUSTED, KS_HOLDS, ERR_OK},
	    {KS_DISCOVERED, ERR_KEY_UNTRUSTED, KS_HOLDS, ERR_OK},
	    {KS_PINNED, ERR_KEY_UNUSABLE, KS_HOLDS, ERR_OK},
	    {KS_CANDIDATE, ERR_KEY_UNTRUSTED, KS_ABSENT, ERR_KEY_UNTRUSTED},
	    {KS_CANDIDATE, ERR_KEY_EXPIRED, KS_LAPSED, ERR_KEY_EXPIRED},
	    {KS_CANDIDATE, ERR_KEY_REVOKED, KS_ABSENT, ERR_KEY_REVOKED},
	    {KS_TRUSTED, ERR_KEY_REVOKED, KS_ABSENT, ERR_KEY_REVOKED},
	    {KS_PINNED, ERR_KEY_REVOKED, KS_ABSENT, ERR_KEY_REVOKED},
	    {KS_CANDIDATE, ERR_RUNG_FAILED, KS_FAILED, ERR_RUNG_FAILED},
	    {KS_TRUSTED, ERR_RUNG_FAILED, KS_FAILED, ERR_RUNG_FAILED},
	    /* the judge itself is in trouble */
	    {KS_TRUSTED, ERR_NOMEM, KS_FAILED, ERR_RUNG_FAILED},
	    {KS_TRUSTED, ERR_DB, KS_FAILED, ERR_RUNG_FAILED},
	    {KS_DISTRUSTED, ERR_OK, KS_ABSENT, ERR_KEY_UNTRUSTED},
	};
	struct verdict_of v = {.err = ERR_OK};
	struct ks_judge judge = {&v, say};

	ks_use_judge(store, &judge);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sample one;
		struct ks_result r;

		sample_init(&one, 1, "a@b.example");
		one.r.trust = rows[i].trust;
		put(&one);
		v = (struct verdict_of){.err = rows[i].said};
		r = look(NULL, 0);
		cr_expect_eq(r.state, rows[i].state, "row %zu: %s", i,
		    ks_state_name(r.state));
		cr_assert_eq(r.n, 1);
		cr_expect_eq(r.candidate[0].verdict, rows[i].verdict,
		    "row %zu: %s", i, r.candidate[0].why);
		cr_expect_eq(
		    v.asked, rows[i].trust != KS_DISTRUSTED, "row %zu", i);
		if (v.asked > 0)
			cr_expect(span_eq(v.addr, SPAN_LIT("a@b.example")));
		if (rows[i].verdict != ERR_OK && v.asked > 0)
			cr_expect_not_null(
			    strstr(r.candidate[0].why, "said the judge"),
			    "row %zu: %s", i, r.candidate[0].why);
	}
	ks_use_judge(store, NULL);
}

Test(lookup, a_ca_that_is_an_anchor_for_a_domain_is_no_key_of_it)
{
	struct sample ca;
	struct ks_result r;

	sample_init(&ca, 1, "x@other.example");
	ca.r.n_addrs = 0;
	ca.r.domain = SPAN_LIT("b.example");
	put(&ca);
	r = look(NULL, 0);
	cr_expect_eq(r.state, KS_HOLDS);
	ca.r.good_for = KS_GOOD_SEAL | KS_GOOD_ISSUE;
	put(&ca);
	r = look(NULL, 0);
	cr_expect_eq(r.state, KS_ABSENT);
}
