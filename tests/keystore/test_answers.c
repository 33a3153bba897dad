/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What sources said, as every process takes it; part of the contract of stores.
 */
#include "keystore/answers.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "keystore/store_private.h"
#include "tests/keystore/records.h"

static char dir[64];
static struct ks_store *store;

static void
open_store(void)
{
	store = records_open(dir);
}

static void
close_store(void)
{
	records_close(store, dir);
}

TestSuite(answers, .init = open_store, .fini = close_store);

enum { T0 = 1800000000, HOUR = 3600 };

static void
put_note(const char *addr, const struct ks_answer_note *n)
{
	cr_assert_eq(ks_begin(store), ERR_OK);
	cr_assert_eq(ks_answer_put(store, span_str(addr), n, 1), ERR_OK);
	cr_assert_eq(ks_commit(store), ERR_OK);
}

static void
put(const char *addr, enum ks_source source, enum ks_answer answer,
    bool reached, int64_t at, int64_t ttl)
{
	put_note(addr, &(struct ks_answer_note){.source = source,
			   .answer = answer,
			   .reached = reached,
			   .at = at,
			   .until = at + ttl});
}

static enum ks_answer
at(const char *addr, enum ks_source source, int64_t now)
{
	struct ks_remote out = {0};

	cr_assert_eq(
	    ks_answers_at(store, span_str(addr), now, &source, 1, &out),
	    ERR_OK);
	cr_assert_eq(out.source, source);
	return out.answer;
}

Test(answers, hold_as_long_as_they_may_be_believed)
{
	static const struct {
		const char *name;
		enum ks_answer said;
		int64_t now;
		enum ks_answer want;
	} rows[] = {
	    {"found, at once", KS_ANSWER_FOUND, T0, KS_ANSWER_FOUND},
	    {"absent, last second", KS_ANSWER_ABSENT, T0 + 59,
		KS_ANSWER_ABSENT},
	    {"found, over", KS_ANSWER_FOUND, T0 + 60, KS_ANSWER_FAILED},
	    {"absent, over", KS_ANSWER_ABSENT, T0 + 60, KS_ANSWER_FAILED},
	    {"from the future", KS_ANSWER_ABSENT, T0 - 1, KS_ANSWER_FAILED},
	    {"failed", KS_ANSWER_FAILED, T0, KS_ANSWER_FAILED},
	};
	char addr[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(addr, sizeof(addr), "a%zu@b.example", i);
		put(addr, KS_SOURCE_WKD, rows[i].said, true, T0, 60);
		cr_expect_eq(at(addr, KS_SOURCE_WKD, rows[i].now), rows[i].want,
		    "%s", rows[i].name);
		cr_expect_eq(at(addr, KS_SOURCE_DANE, rows[i].now),
		    KS_ANSWER_FAILED, "%s: of a source that was not asked",
		    rows[i].name);
	}
	cr_expect_eq(
	    at("nobody@b.example", KS_SOURCE_WKD, T0), KS_ANSWER_FAILED);
}

Test(answers, of_sources_stand_side_by_side)
{
	struct ks_answer_note got[KS_ANSWERS_MAX];
	size_t n = 0;

	put("a@b.example", KS_SOURCE_WKD, KS_ANSWER_FOUND, true, T0, 60);
	put("a@b.example", KS_SOURCE_VKS, KS_ANSWER_ABSENT, true, T0, 60);
	put("a@b.example", KS_SOURCE_WKD, KS_ANSWER_ABSENT, true, T0 + 1, 60);
	cr_assert_eq(
	    ks_answer_get(store, SPAN("a@b.example", 11), got, &n), ERR_OK);
	cr_assert_eq(n, 2);
	cr_expect_eq(
	    at("a@b.example", KS_SOURCE_WKD, T0 + 1), KS_ANSWER_ABSENT);
	cr_expect_eq(
	    at("a@b.example", KS_SOURCE_VKS, T0 + 1), KS_ANSWER_ABSENT);
	cr_expect_eq(ks_answer_get(store, SPAN("x@b.example", 11), got, &n),
	    ERR_NOT_FOUND);
}

/* DESIGN: a source that has never answered for a domain and fails three times
   over an hour counts as absent there. */
Test(answers, a_source_that_never_came_is_absent_after_an_hour)
{
	static const struct {
		const char *name;
		struct {
			int64_t after;
			bool reached;
		} did[4];
		size_t n;
		enum ks_answer want;
	} rows[] = {
	    {"one", {{0, false}}, 1, KS_ANSWER_FAILED},
	    {"three at once", {{0, false}, {1, false}, {2, false}}, 3,
		KS_ANSWER_FAILED},
	    {"two over an hour", {{0, false}, {HOUR, false}}, 2,
		KS_ANSWER_FAILED},
	    {"three, a second short",
		{{0, false}, {60, false}, {HOUR - 1, false}}, 3,
		KS_ANSWER_FAILED},
	    {"three over an hour", {{0, false}, {60, false}, {HOUR, false}}, 3,
		KS_ANSWER_ABSENT},
	    {"answered before",
		{{0, true}, {60, false}, {120, false}, {HOUR + 120, false}}, 4,
		KS_ANSWER_FAILED},
	    {"answered since",
		{{0, false}, {60, false}, {HOUR, false}, {HOUR + 1, true}}, 4,
		KS_ANSWER_FAILED},
	};
	char addr[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t k = 0; k < rows[i].n; k++) {
			/* each of another address of the domain */
			snprintf(addr, sizeof(addr), "a%zu@d%zu.example", k, i);
			put(addr, KS_SOURCE_WKD, KS_ANSWER_FAILED,
			    rows[i].did[k].reached, T0 + rows[i].did[k].after,
			    60);
		}
		snprintf(addr, sizeof(addr), "new@d%zu.example", i);
		cr_expect_eq(at(addr, KS_SOURCE_WKD, T0 + 2 * HOUR),
		    rows[i].want, "%s", rows[i].name);
		cr_expect_eq(at(addr, KS_SOURCE_DANE, T0 + 2 * HOUR),
		    KS_ANSWER_FAILED, "%s: another source", rows[i].name);
	}
}

/* A web server that says 404 for users and 500 for "_domain". */
Test(answers, a_domain_that_is_never_answered_for_holds_up_no_user)
{
	static const struct {
		const char *name;
		bool reached[3]; /* the question for the domain */
		int64_t apart;
		enum ks_answer want;
	} rows[] = {
	    {"never, over hours", {false, false, false}, HOUR,
		KS_ANSWER_ABSENT},
	    {"never, all at once", {false, false, false}, 1, KS_ANSWER_FAILED},
	    {"answered before", {true, false, false}, HOUR, KS_ANSWER_FAILED},
	    {"answered since", {false, false, true}, HOUR, KS_ANSWER_FAILED},
	};
	char user[64], domain[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ks_answer_note n = {.source = KS_SOURCE_WKD,
		    .answer = KS_ANSWER_ABSENT,
		    .reached = true,
		    .domain_failed = true,
		    .at = T0,
		    .until = T0 + 9 * HOUR};

		snprintf(user, sizeof(user), "a@d%zu.example", i);
		snprintf(domain, sizeof(domain), "_domain@d%zu.example", i);
		cr_expect_not(ks_answer_domain_never_came(
				  store, span_str(user), KS_SOURCE_WKD),
		    "%s", rows[i].name);
		for (int k = 0; k < 3; k++) {
			int64_t t = T0 + k * rows[i].apart;

			put(domain, KS_SOURCE_WKD,
			    rows[i].reached[k] ? KS_ANSWER_ABSENT
					       : KS_ANSWER_FAILED,
			    rows[i].reached[k], t, 60);
			put_note(user, &n);
		}
		cr_expect_eq(at(user, KS_SOURCE_WKD, T0 + 4 * HOUR),
		    rows[i].want, "%s", rows[i].name);
		cr_expect_eq(ks_answer_domain_never_came(
				 store, span_str(user), KS_SOURCE_WKD),
		    rows[i].want == KS_ANSWER_ABSENT, "%s", rows[i].name);
		/* what the source fails for itself, it fails */
		n.answer = KS_ANSWER_FAILED;
		put_note(user, &n);
		cr_expect_eq(at(user, KS_SOURCE_WKD, T0 + 4 * HOUR),
		    KS_ANSWER_FAILED, "%s", rows[i].name);
	}
}

Test(answers, a_row_of_the_first_version_is_read)
{
	static const char old[] =
	    "\1\1\3\1\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\144";
	struct span key = SPAN("aa@b.example", 12);

	cr_assert_eq(ks_begin(store), ERR_OK);
	cr_assert_eq(store->ops->row_put(
			 store, KS_ROW_ANSWER, key, SPAN(old, sizeof(old) - 1)),
	    ERR_OK);
	cr_assert_eq(ks_commit(store), ERR_OK);
	cr_expect_eq(at("a@b.example", KS_SOURCE_WKD, 50), KS_ANSWER_ABSENT);
	cr_expect_eq(at("a@b.example", KS_SOURCE_WKD, 100), KS_ANSWER_FAILED);
}

Test(answers, a_damaged_row_is_no_answer)
{
	static const char *const bad[] = {"", "\3\0", "\1\1", "\1\021",
	    "\1\1\3\3\1aaaaaaaabbbbbbbb", "\1\1\11\1\1aaaaaaaabbbbbbbb",
	    "\1\1\3\1\1aaaaaaaabbbbbbbbb"};
	enum ks_source wkd = KS_SOURCE_WKD;
	struct ks_remote out;
	size_t n;
	struct ks_answer_note notes[KS_ANSWERS_MAX];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size_t len = i == 1 ? 2 : strlen(bad[i]);

		cr_assert_eq(store->ops->row_put(store, KS_ROW_ANSWER,
				 SPAN("aa@b.example", 12), SPAN(bad[i], len)),
		    ERR_OK);
		out.answer = KS_ANSWER_FOUND;
		cr_expect_eq(ks_answers_at(store, SPAN("a@b.example", 11), T0,
				 &wkd, 1, &out),
		    ERR_DB_BROKEN, "row %zu", i);
		cr_expect_eq(out.answer, KS_ANSWER_FAILED, "row %zu", i);
		cr_expect_eq(
		    ks_answer_get(store, SPAN("a@b.example", 11), notes, &n),
		    ERR_DB_BROKEN, "row %zu", i);
	}
}

Test(answers, old_ones_are_forgotten_and_domains_are_not)
{
	struct buf from;
	struct ks_answer_note notes[KS_ANSWERS_MAX];
	char addr[64];
	int64_t later = T0 + KS_ANSWERS_KEEP_S + 61;
	unsigned rounds = 0;
	size_t n;

	for (int i = 0; i < 10; i++) {
		snprintf(addr, sizeof(addr), "a%d@b.example", i);
		put(addr, KS_SOURCE_WKD, KS_ANSWER_ABSENT, true,
		    i % 2 ? T0 : later, 60);
	}
	buf_init(&from, 512);
	do {
		cr_assert_eq(ks_begin(store), ERR_OK);
		cr_assert_eq(ks_answers_forget(store, later, 3, &from), ERR_OK);
		cr_assert_eq(ks_commit(store), ERR_OK);
		cr_assert_lt(rounds++, 20);
	} while (from.len > 0);
	buf_clear(&from);
	for (int i = 0; i < 10; i++) {
		snprintf(addr, sizeof(addr), "a%d@b.example", i);
		cr_expect_eq(ks_answer_get(store, span_str(addr), notes, &n),
		    i % 2 ? ERR_NOT_FOUND : ERR_OK, "%s", addr);
	}
	put("x@b.example", KS_SOURCE_WKD, KS_ANSWER_FAILED, false, later, 60);
	put("x@b.example", KS_SOURCE_WKD, KS_ANSWER_FAILED, false, later + HOUR,
	    60);
	put("x@b.example", KS_SOURCE_WKD, KS_ANSWER_FAILED, false,
	    later + 2 * HOUR, 60);
	cr_expect_eq(at("x@b.example", KS_SOURCE_WKD, later + 3 * HOUR),
	    KS_ANSWER_FAILED, "the domain has answered before");
}
