/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include "policy/policy.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/arena.h"
#include "tests/policy/rules.h"

Test(ladder, the_zero_of_every_decision_is_the_safest)
{
	struct policy_outcome o = {0};

	cr_expect_eq(o.result, POLICY_DEFER);
	cr_expect_eq(o.rung, RUNG_HOLD);
	cr_expect_eq((int)RUNG_FAILED, 0);
	cr_expect_eq((int)POLICY_NO_MATCH, 0);
	cr_expect_eq((int)POLICY_RCPT_GO_ON, 0);
	cr_expect_eq((int)POLICY_ESCROW_LINK, 0);
	cr_expect_eq((int)POLICY_STEP_NOT_REACHED, 0);
}

Test(ladder, strength_is_in_the_order_promised)
{
	const int clear = policy_strength(RUNG_CLEAR, POLICY_ESCROW_LINK);
	const int link = policy_strength(RUNG_ESCROW, POLICY_ESCROW_LINK);
	const int enc = policy_strength(RUNG_TLS_ENCRYPT, POLICY_ESCROW_LINK);
	const int tls = policy_strength(RUNG_TLS, POLICY_ESCROW_LINK);
	const int notice =
	    policy_strength(RUNG_ESCROW, POLICY_ESCROW_NOTICE_TLS);
	const int factor = policy_strength(RUNG_ESCROW, POLICY_ESCROW_FACTOR);
	const int smime = policy_strength(RUNG_SMIME, POLICY_ESCROW_LINK);
	const int pgp = policy_strength(RUNG_PGP, POLICY_ESCROW_LINK);

	cr_expect(clear < link && link < enc && enc < tls);
	cr_expect(tls == notice && notice < factor && factor < smime);
	cr_expect_eq(smime, pgp);
	for (unsigned r = 0; r < RUNG_COUNT; r++)
		if (!policy_rung_sends((enum rung)r))
			cr_expect_gt(
			    policy_strength((enum rung)r, POLICY_ESCROW_LINK),
			    smime);
	cr_expect_lt(policy_strength((enum rung)99, POLICY_ESCROW_LINK), clear);
	cr_expect_lt(policy_strength(RUNG_COUNT, POLICY_ESCROW_LINK), clear);
}

Test(ladder, rungs_are_known_by_name)
{
	enum rung r;

	for (unsigned i = 0; i < RUNG_COUNT; i++) {
		cr_assert_eq(
		    policy_rung_by_name(policy_rung_name((enum rung)i), &r),
		    ERR_OK);
		cr_expect_eq(r, (enum rung)i);
	}
	cr_expect_eq(policy_rung_by_name("plain", &r), ERR_NOT_FOUND);
	cr_expect_eq(policy_rung_by_name("", &r), ERR_NOT_FOUND);
	cr_expect_str_eq(policy_rung_name(RUNG_COUNT), "?");
}

/* --- deciding --- */

#define BANK                                                                   \
	{                                                                      \
		.name = "bank", .to = "@bank.example",                         \
		.ladder = "smime reject"                                       \
	}
#define REST                                                                   \
	{                                                                      \
		.name = "rest", .ladder = "smime pgp clear"                    \
	}
#define TAG                                                                    \
	{                                                                      \
		.name = "tag", .tags = "[s]", .ladder = "smime pgp escrow"     \
	}
#define LOW                                                                    \
	{                                                                      \
		.name = "low", .tags = "[low]", .ladder = "clear",             \
		.may_lower = true                                              \
	}

static const struct {
	const char *what;
	struct rule_text rules[4];
	size_t n;
	const char *to;
	const char *tags;
	bool ambiguous;
	const char *ladder; /* NULL: no rule */
	const char *decider;
	const char *from_rule;
} decisions[] = {
    {"the first that matches", {BANK, REST}, 2, "a@bank.example", "", false,
	"smime>reject", "bank", "bank"},
    {"the rest", {BANK, REST}, 2, "a@b.example", "", false, "smime>pgp>clear",
	"rest", "rest"},
    {"no rule", {BANK}, 1, "a@b.example", "", false, NULL, NULL, NULL},
    {"a raising rule alone decides nothing", {TAG}, 1, "a@b.example", "[s]",
	false, NULL, NULL, NULL},
    {"raised", {TAG, REST}, 2, "a@b.example", "[s]", false, "smime>pgp>escrow",
	"rest", "tag"},
    {"raised from behind", {REST, TAG}, 2, "a@b.example", "[s]", false,
	"smime>pgp>escrow", "rest", "tag"},
    {"not raised without the tag", {TAG, REST}, 2, "a@b.example", "", false,
	"smime>pgp>clear", "rest", "rest"},
    {"raising never lowers", {TAG, BANK}, 2, "a@bank.example", "[s]", false,
	"smime>reject", "bank", "bank"},
    {"the decider wins a tie",
	{{.name = "tag", .tags = "[s]", .ladder = "pgp reject"}, BANK}, 2,
	"a@bank.example", "[s]", false, "smime>reject", "bank", "bank"},
    {"file order breaks other ties",
	{{.name = "t1", .tags = "[s]", .ladder = "pgp reject"},
	    {.name = "t2", .tags = "[s]", .ladder = "smime reject"}, REST},
	3, "a@b.example", "[s]", false, "pgp>reject", "rest", "t1"},
    {"nothing leaves when one says so",
	{REST, {.name = "stop", .tags = "[s]", .ladder = "reject"}}, 2,
	"a@b.example", "[s]", false, "reject", "rest", "stop"},
    {"lowered by a rule that may", {LOW, BANK}, 2, "a@bank.example", "[low]",
	false, "clear", "low", "low"},
    {"and raised again", {LOW, TAG, BANK}, 3, "a@bank.example", "[low] [s]",
	false, "smime>pgp>escrow", "low", "tag"},
    {"ambiguity raises", {TAG, REST}, 2, "a@b.example", "", true,
	"smime>pgp>escrow", "rest", "tag"},
    {"ambiguity does not lower", {LOW, BANK}, 2, "a@bank.example", "[low]",
	true, "smime>reject", "bank", "bank"},
    {"a link with a factor is stronger",
	{{.name = "tag",
	     .tags = "[s]",
	     .ladder = "escrow",
	     .escrow = POLICY_ESCROW_FACTOR},
	    {.name = "rest", .ladder = "tls reject"}},
	2, "a@b.example", "[s]", false, "escrow", "rest", "tag"},
    {"a factor that one rule asks for makes the ladder of another stronger",
	{{.name = "tag",
	     .tags = "[s]",
	     .ladder = "clear",
	     .escrow = POLICY_ESCROW_FACTOR},
	    {.name = "t2", .tags = "[s]", .ladder = "tls reject"},
	    {.name = "rest", .ladder = "smime escrow"}},
	3, "a@b.example", "[s]", false, "smime>escrow", "rest", "rest"},
    {"and without it the other wins",
	{{.name = "t2", .tags = "[s]", .ladder = "tls reject"},
	    {.name = "rest", .ladder = "smime escrow"}},
	2, "a@b.example", "[s]", false, "tls>reject", "rest", "t2"},
};

/* Of pick-up the strongest of all that match counts. */
static const struct {
	const char *what;
	struct policy_pickup a, b, want;
	enum policy_escrow escrow;
} pickups[] = {
    {"nothing", {0}, {0}, {0}, POLICY_ESCROW_LINK},
    {"a code is no part of the key", {0}, {.factor = POLICY_FACTOR_CODE},
	{.factor = POLICY_FACTOR_CODE}, POLICY_ESCROW_LINK},
    {"a code and TLS", {.notice_tls = true}, {.factor = POLICY_FACTOR_CODE},
	{.notice_tls = true, .factor = POLICY_FACTOR_CODE},
	POLICY_ESCROW_NOTICE_TLS},
    {"an answer beats a code", {.factor = POLICY_FACTOR_CODE},
	{.factor = POLICY_FACTOR_ANSWER}, {.factor = POLICY_FACTOR_ANSWER},
	POLICY_ESCROW_FACTOR},
    {"a passphrase beats an answer", {.factor = POLICY_FACTOR_PASSPHRASE},
	{.factor = POLICY_FACTOR_ANSWER}, {.factor = POLICY_FACTOR_PASSPHRASE},
	POLICY_ESCROW_FACTOR},
    {"one that is made here beats one that is chosen",
	{.factor = POLICY_FACTOR_PASSPHRASE},
	{.factor = POLICY_FACTOR_GENERATED},
	{.factor = POLICY_FACTOR_GENERATED}, POLICY_ESCROW_FACTOR},
    {"without an account it is as strong as its code",
	{.factor = POLICY_FACTOR_CODE, .account = true}, {0},
	{.factor = POLICY_FACTOR_CODE, .account = true}, POLICY_ESCROW_LINK},
    {"one rule asks for an account, another for more without one",
	{.factor = POLICY_FACTOR_CODE, .account = true},
	{.factor = POLICY_FACTOR_GENERATED},
	{.factor = POLICY_FACTOR_GENERATED, .account = true},
	POLICY_ESCROW_FACTOR},
    {"an account beats all",
	{.factor = POLICY_FACTOR_ACCOUNT, .notice_tls = true},
	{.factor = POLICY_FACTOR_GENERATED},
	{.factor = POLICY_FACTOR_ACCOUNT, .notice_tls = true},
	POLICY_ESCROW_FACTOR},
    {"attached is as strong as what opens it",
	{.delivery = POLICY_DELIVERY_ATTACHMENT}, {0},
	{.delivery = POLICY_DELIVERY_ATTACHMENT}, POLICY_ESCROW_FACTOR},
    {"what can be recalled beats what cannot",
	{.delivery = POLICY_DELIVERY_PORTAL},
	{.delivery = POLICY_DELIVERY_ATTACHMENT},
	{.delivery = POLICY_DELIVERY_PORTAL}, POLICY_ESCROW_LINK},
    {"what is said beats what is not", {0},
	{.delivery = POLICY_DELIVERY_ATTACHMENT},
	{.delivery = POLICY_DELIVERY_ATTACHMENT}, POLICY_ESCROW_FACTOR},
    {"the first tag", {.passphrase_tag = "pw"}, {.passphrase_tag = "code"},
	{.passphrase_tag = "pw"}, POLICY_ESCROW_LINK},
    {"the only tag", {0}, {.passphrase_tag = "code"},
	{.passphrase_tag = "code"}, POLICY_ESCROW_LINK},
};

Test(ladder, raises_what_opens_mail_for_pick_up)
{
	for (size_t i = 0; i < sizeof(pickups) / sizeof(pickups[0]); i++) {
		struct policy_pickup a = pickups[i].a;
		const struct policy_pickup *w = &pickups[i].want;

		policy_pickup_raise(&a, &pickups[i].b);
		cr_expect_eq(a.factor, w->factor, "%s", pickups[i].what);
		cr_expect_eq(a.delivery, w->delivery, "%s", pickups[i].what);
		cr_expect_eq(a.account, w->account, "%s", pickups[i].what);
		cr_expect_eq(
		    a.notice_tls, w->notice_tls, "%s", pickups[i].what);
		cr_expect_eq(
		    a.passphrase_tag, w->passphrase_tag, "%s", pickups[i].what);
		cr_expect_eq(policy_pickup_escrow(&a), pickups[i].escrow, "%s",
		    pickups[i].what);
	}
}

/* Raised above a link, but not above what is sealed to an account. */
Test(ladder, an_account_is_weighed_before_a_ladder_is_chosen)
{
	static const enum rung link[] = {RUNG_ESCROW};
	static const enum rung tls[] = {RUNG_TLS_ENCRYPT};
	static const char *const tag = "[t]";
	const struct policy_spec decider = {.name = "d",
				     .ladder = link,
				     .n_ladder = 1,
				     .pickup = {.account = true}},
				 raising = {.name = "r",
				     .subject_tag = &tag,
				     .n_subject_tag = 1,
				     .ladder = tls,
				     .n_ladder = 1};
	struct policy *p = policy_new();
	struct arena *arena = arena_new(1 << 20);
	bool has = true;
	struct policy_facts f = {.from = SPAN_LIT("a@b.example"),
	    .to = SPAN_LIT("c@d.example"),
	    .has_tag = &has};
	struct policy_decision d;

	cr_assert_eq(policy_add_rule(p, &raising, NULL), ERR_OK);
	cr_assert_eq(policy_add_rule(p, &decider, NULL), ERR_OK);
	cr_assert_eq(policy_decide(p, &f, arena, &d), ERR_OK);
	cr_expect_str_eq(d.from_rule, "r");
	cr_expect_eq(d.ladder.rung[0], RUNG_TLS_ENCRYPT);
	policy_decision_use_account(&d);
	cr_expect_str_eq(d.from_rule, "d");
	cr_expect_eq(d.ladder.rung[0], RUNG_ESCROW);
	cr_expect_eq(d.ladder.escrow, POLICY_ESCROW_FACTOR);
	arena_free(arena);
	policy_free(p);
}

Test(ladder, knows_the_words_for_second_factors)
{
	enum policy_factor f = POLICY_FACTORS;

	for (unsigned i = 0; i < POLICY_FACTORS; i++) {
		cr_expect_eq(policy_factor_by_name(
				 policy_factor_name((enum policy_factor)i), &f),
		    ERR_OK);
		cr_expect_eq((unsigned)f, i);
	}
	cr_expect_eq(policy_factor_by_name("pin", &f), ERR_NOT_FOUND);
	cr_expect_eq((unsigned)f, POLICY_FACTORS - 1);
	cr_expect_str_eq(policy_factor_name((enum policy_factor)99), "?");
	cr_expect_not(policy_factor_is_in_key((enum policy_factor)99));
}

Test(ladder, decides_and_raises)
{
	for (size_t i = 0; i < sizeof(decisions) / sizeof(decisions[0]); i++) {
		struct policy *p =
		    rules_new(decisions[i].rules, decisions[i].n);
		struct arena *arena = arena_new(1 << 20);
		struct policy_decision d = {.decider = "untouched"};
		bool room[RULES_TAGS_MAX];
		char text[128] = "";
		struct policy_facts f = rules_facts(p, "s@own.example",
		    decisions[i].to, decisions[i].tags, room);
		enum err e;

		f.ambiguous = decisions[i].ambiguous;
		e = policy_decide(p, &f, arena, &d);
		if (decisions[i].ladder == NULL) {
			cr_expect_eq(e, ERR_NO_RULE, "%s", decisions[i].what);
			cr_expect_str_eq(d.decider, "untouched");
		} else {
			cr_assert_eq(e, ERR_OK, "%s", decisions[i].what);
			rules_ladder_text(&d.ladder, text, sizeof(text));
			cr_expect_str_eq(text, decisions[i].ladder, "%s: %s",
			    decisions[i].what, text);
			cr_expect_str_eq(d.decider, decisions[i].decider);
			cr_expect_str_eq(d.from_rule, decisions[i].from_rule,
			    "%s: %s", decisions[i].what, d.from_rule);
		}
		arena_free(arena);
		policy_free(p);
	}
}

Test(ladder, what_any_matching_rule_wants_together_goes_together)
{
	static const struct rule_text rules[] = {
	    {.name = "tag", .tags = "[s]", .ladder = "clear", .together = true},
	    {.name = "rest", .ladder = "smime hold", .weaker = true}};
	struct policy *p = rules_new(rules, 2);
	struct arena *arena = arena_new(1 << 20);
	struct policy_decision d;
	bool room[RULES_TAGS_MAX];
	struct policy_facts f =
	    rules_facts(p, "s@own.example", "a@b.example", "[s]", room);

	cr_assert_eq(policy_decide(p, &f, arena, &d), ERR_OK);
	cr_expect(d.together);
	cr_expect_not(d.on_error_weaker, "only if every rule says so");
	cr_assert_eq(d.n_raising, 1);
	cr_expect_str_eq(d.raising[0], "tag");
	room[0] = false;
	cr_assert_eq(policy_decide(p, &f, arena, &d), ERR_OK);
	cr_expect_not(d.together);
	cr_expect(d.on_error_weaker);
	cr_expect_eq(d.n_raising, 0);
	arena_free(arena);
	policy_free(p);
}

static const struct {
	const char *name;
	struct policy_form decider, raising, want;
} forms[] = {
    {"nothing said", {0}, {0},
	{.hp = POLICY_HP_BASELINE, .cipher = POLICY_CIPHER_AES256_CBC}},
    {"the decider alone",
	{.hp = POLICY_HP_NONE, .cipher = POLICY_CIPHER_AES128_CBC}, {0},
	{.hp = POLICY_HP_NONE, .cipher = POLICY_CIPHER_AES128_CBC}},
    {"more is asked for",
	{.hp = POLICY_HP_NONE, .cipher = POLICY_CIPHER_AES128_CBC},
	{.sign = POLICY_SIGN_REQUIRED,
	    .auto_issue = true,
	    .sign_as_domain = true,
	    .hp = POLICY_HP_SHY,
	    .cipher = POLICY_CIPHER_AES256_GCM,
	    .padding = POLICY_PADDING_OAEP,
	    .no_autocrypt = true},
	{.sign = POLICY_SIGN_REQUIRED,
	    .auto_issue = true,
	    .sign_as_domain = true,
	    .hp = POLICY_HP_SHY,
	    .cipher = POLICY_CIPHER_AES256_GCM,
	    .padding = POLICY_PADDING_OAEP,
	    .no_autocrypt = true}},
    {"less is asked for",
	{.sign = POLICY_SIGN_REQUIRED, .padding = POLICY_PADDING_OAEP},
	{.sign = POLICY_SIGN_IF_POSSIBLE,
	    .hp = POLICY_HP_NONE,
	    .cipher = POLICY_CIPHER_AES128_CBC},
	{.sign = POLICY_SIGN_REQUIRED,
	    .hp = POLICY_HP_BASELINE,
	    .cipher = POLICY_CIPHER_AES256_CBC,
	    .padding = POLICY_PADDING_OAEP}},
    {"signatures", {.signature = POLICY_SIGNATURE_PSS},
	{.signed_as = POLICY_SIGNED_OPAQUE},
	{.hp = POLICY_HP_BASELINE,
	    .cipher = POLICY_CIPHER_AES256_CBC,
	    .signature = POLICY_SIGNATURE_PSS,
	    .signed_as = POLICY_SIGNED_OPAQUE}},
    {"the decider lets pass", {.sealed = POLICY_SEALED_PASS}, {0},
	{.hp = POLICY_HP_BASELINE,
	    .cipher = POLICY_CIPHER_AES256_CBC,
	    .sealed = POLICY_SEALED_PASS}},
    {"another rule does not", {.sealed = POLICY_SEALED_PASS},
	{.sealed = POLICY_SEALED_LADDER},
	{.hp = POLICY_HP_BASELINE,
	    .cipher = POLICY_CIPHER_AES256_CBC,
	    .sealed = POLICY_SEALED_LADDER}},
    {"another rule alone cannot", {0}, {.sealed = POLICY_SEALED_PASS},
	{.hp = POLICY_HP_BASELINE,
	    .cipher = POLICY_CIPHER_AES256_CBC,
	    .sealed = POLICY_SEALED_LADDER}},
};

static void
expect_form(const char *name, const struct policy_decision *d,
    const struct policy_form *want)
{
	cr_expect_eq(d->form.sign, want->sign, "%s", name);
	cr_expect_eq(d->form.auto_issue, want->auto_issue, "%s", name);
	cr_expect_eq(d->form.sign_as_domain, want->sign_as_domain, "%s", name);
	cr_expect_eq(d->form.hp, want->hp, "%s", name);
	cr_expect_eq(d->form.cipher, want->cipher, "%s", name);
	cr_expect_eq(d->form.padding, want->padding, "%s", name);
	cr_expect_eq(d->form.signature, want->signature, "%s", name);
	cr_expect_eq(d->form.signed_as, want->signed_as, "%s", name);
	/* what nobody says means the ladder */
	cr_expect_eq(d->form.sealed == POLICY_SEALED_PASS,
	    want->sealed == POLICY_SEALED_PASS, "%s", name);
	cr_expect_neq(d->form.sealed, POLICY_SEALED_UNSET);
	cr_expect_eq(d->form.no_autocrypt, want->no_autocrypt, "%s", name);
	cr_expect_eq(
	    d->sign_rule == NULL, want->sign == POLICY_SIGN_NO, "%s", name);
}

Test(ladder, what_is_asked_for_is_raised_and_never_lowered)
{
	static const enum rung ladder[] = {RUNG_SMIME, RUNG_HOLD};
	static const char *const tag = "[t]";

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct policy *p = policy_new();
		struct arena *arena = arena_new(1 << 20);
		struct policy_spec decider = {.name = "d",
				       .ladder = ladder,
				       .n_ladder = 2,
				       .form = forms[i].decider},
				   raising = {.name = "r",
				       .subject_tag = &tag,
				       .n_subject_tag = 1,
				       .ladder = ladder,
				       .n_ladder = 2,
				       .form = forms[i].raising};
		bool has = true;
		struct policy_facts f = {.from = span_str("a@b.example"),
		    .to = span_str("c@d.example"),
		    .has_tag = &has};
		struct policy_decision d;

		cr_assert_eq(policy_add_rule(p, &raising, NULL), ERR_OK);
		cr_assert_eq(policy_add_rule(p, &decider, NULL), ERR_OK);
		cr_assert_eq(policy_decide(p, &f, arena, &d), ERR_OK);
		expect_form(forms[i].name, &d, &forms[i].want);
		arena_free(arena);
		policy_free(p);
	}
}

Test(ladder, a_rule_that_cannot_be_signed_for_refuses_at_once)
{
	static const enum rung ladder[] = {RUNG_SMIME, RUNG_CLEAR};
	static const enum rung_state none[RUNG_COUNT] = {
	    [RUNG_SMIME] = RUNG_ABSENT};
	static const struct {
		enum policy_sign sign;
		unsigned flags;
		enum policy_rcpt want;
		bool auto_issue;
	} rows[] = {
	    {POLICY_SIGN_REQUIRED, POLICY_UNSIGNABLE, POLICY_RCPT_UNSIGNED,
		false},
	    {POLICY_SIGN_REQUIRED, 0, POLICY_RCPT_GO_ON, false},
	    {POLICY_SIGN_IF_POSSIBLE, POLICY_UNSIGNABLE, POLICY_RCPT_GO_ON,
		false},
	    {POLICY_SIGN_NO, POLICY_UNSIGNABLE, POLICY_RCPT_GO_ON, false},
	    {POLICY_SIGN_REQUIRED, POLICY_KEYLESS, POLICY_RCPT_UNSIGNED, false},
	    {POLICY_SIGN_REQUIRED, POLICY_KEYLESS, POLICY_RCPT_GO_ON, true},
	    {POLICY_SIGN_REQUIRED, POLICY_UNSIGNABLE, POLICY_RCPT_UNSIGNED,
		true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct policy *p = policy_new();
		struct policy_spec spec = {.name = "d",
		    .ladder = ladder,
		    .n_ladder = 2,
		    .form = {.sign = rows[i].sign,
			.auto_issue = rows[i].auto_issue}};
		struct policy_facts f = {.from = span_str("a@b.example"),
		    .to = span_str("c@d.example")};

		cr_assert_eq(policy_add_rule(p, &spec, NULL), ERR_OK);
		cr_expect_eq(policy_could_leave(p, &f, none, rows[i].flags),
		    rows[i].want, "row %zu", i);
		policy_free(p);
	}
}

Test(ladder, a_pending_entry_keeps_its_floor)
{
	struct policy_decision d = {0};
	char text[64];

	d.ladder.n = rules_ladder(
	    "smime tls escrow clear", d.ladder.rung, POLICY_RUNGS_MAX);
	policy_decision_raise(&d, POLICY_STRENGTH_TLS);
	rules_ladder_text(&d.ladder, text, sizeof(text));
	cr_expect_str_eq(text, "smime>tls");
	d.ladder.n = rules_ladder("clear", d.ladder.rung, POLICY_RUNGS_MAX);
	policy_decision_raise(&d, POLICY_STRENGTH_LINK);
	rules_ladder_text(&d.ladder, text, sizeof(text));
	cr_expect_str_eq(text, "hold");
}

/* --- walking --- */

#define A RUNG_ABSENT
#define F RUNG_FAILED
#define L RUNG_LAPSED
#define H RUNG_HOLDS
#define S RUNG_SPENT

static const struct {
	const char *ladder;
	enum rung_state smime, pgp, tls, escrow;
	bool weaker, automatic;
	enum policy_escrow kind;
	const char *want; /* rung, "defer" */
} walks[] = {
    {"smime pgp escrow", H, H, A, H, .want = "smime"},
    {"smime pgp escrow", A, H, A, H, .want = "pgp"},
    {"smime pgp escrow", A, A, A, H, .want = "escrow"},
    {"smime pgp escrow", F, A, A, H, .want = "defer"},
    {"smime pgp escrow", F, H, A, H, .want = "pgp"},
    {"smime pgp escrow", F, L, A, H, .want = "defer"},
    {"smime pgp escrow", L, A, A, H, .want = "escrow"},
    {"smime pgp escrow", L, H, A, H, .want = "pgp"},
    {"smime pgp escrow", L, F, A, H, .want = "defer"},
    {"smime pgp escrow", L, A, A, F, .want = "defer"},
    {"smime pgp escrow", A, A, A, F, .want = "defer"},
    {"smime pgp clear", A, A, A, A, .want = "clear"},
    {"smime pgp clear", F, A, A, A, .want = "defer"},
    {"smime pgp clear", L, A, A, A, .want = "defer"},
    {"smime pgp clear", F, A, A, A, .weaker = true, .want = "defer"},
    {"smime pgp tls clear", F, A, H, A, .weaker = true, .want = "tls"},
    {"smime tls escrow", F, A, H, H, .weaker = true, .want = "tls"},
    {"smime tls escrow", F, A, A, H, .weaker = true, .want = "escrow"},
    {"smime tls escrow", L, A, H, H, .want = "escrow"},
    {"smime tls reject", L, A, H, H, .want = "defer"},
    {"smime reject", A, A, A, A, .want = "reject"},
    {"smime reject", F, A, A, A, .want = "defer"},
    {"smime drop", F, A, A, A, .want = "defer"},
    {"smime drop", A, A, A, A, .want = "drop"},
    {"smime hold", F, A, A, A, .want = "defer"},
    {"tls drop", A, A, F, A, .want = "defer"},
    {"tls escrow", A, A, F, H, .want = "defer"},
    {"tls escrow", A, A, F, H, .kind = POLICY_ESCROW_NOTICE_TLS,
	.want = "escrow"},
    {"tls escrow", A, A, F, H, .kind = POLICY_ESCROW_FACTOR, .want = "escrow"},
    {"tls smime reject", H, A, F, A, .want = "smime"},
    {"tls drop", A, A, S, A, .want = "drop"},
    {"tls reject", A, A, S, A, .want = "reject"},
    {"tls hold", A, A, S, A, .want = "hold"},
    {"tls clear", A, A, S, A, .want = "defer"},
    {"tls clear", A, A, S, A, .weaker = true, .want = "defer"},
    {"tls clear", A, A, A, A, .want = "clear"},
    {"tls tls-encrypt reject", A, A, S, A, .want = "reject"},
    {"tls escrow", A, A, S, H, .want = "defer"},
    {"tls escrow", A, A, S, H, .kind = POLICY_ESCROW_FACTOR, .want = "escrow"},
    {"tls smime reject", H, A, S, A, .want = "smime"},
    {"tls smime reject", F, A, S, A, .want = "defer"},
    {"tls smime drop", A, A, S, A, .want = "drop"},
    {"smime tls hold", F, A, S, A, .want = "defer"},
    {"smime escrow", F, A, A, H, .kind = POLICY_ESCROW_FACTOR, .want = "defer"},
    {"clear", F, F, F, F, .want = "clear"},
    {"hold", F, F, F, F, .want = "hold"},
    {"reject", F, F, F, F, .want = "reject"},
    {"drop", F, F, F, F, .want = "drop"},
    {"escrow", A, A, A, H, .automatic = true, .want = "drop"},
    {"smime escrow", H, A, A, H, .automatic = true, .want = "smime"},
    {"smime escrow", A, A, A, H, .automatic = true, .want = "drop"},
    {"smime escrow", F, A, A, H, .automatic = true, .want = "defer"},
    {"smime escrow", L, A, A, H, .automatic = true, .want = "defer"},
    {"smime clear", A, A, A, H, .automatic = true, .want = "clear"},
    {"smime", A, A, A, A, .want = "hold"},
    {"", A, A, A, A, .want = "hold"},
};

Test(ladder, walks_down_and_stops_at_a_failure)
{
	for (size_t i = 0; i < sizeof(walks) / sizeof(walks[0]); i++) {
		enum rung_state state[RUNG_COUNT] = {
		    [RUNG_SMIME] = walks[i].smime,
		    [RUNG_PGP] = walks[i].pgp,
		    [RUNG_TLS] = walks[i].tls,
		    [RUNG_ESCROW] = walks[i].escrow};
		struct policy_decision d = {
		    .auto_rung = RUNG_DROP, .on_error_weaker = walks[i].weaker};
		struct policy_outcome o;
		const char *got;

		d.ladder.n = rules_ladder(
		    walks[i].ladder, d.ladder.rung, POLICY_RUNGS_MAX);
		d.ladder.escrow = walks[i].kind;
		policy_walk(
		    &d, state, walks[i].automatic ? POLICY_AUTO_MAIL : 0, &o);
		got = o.result == POLICY_DEFER ? "defer"
					       : policy_rung_name(o.rung);
		cr_expect_str_eq(got, walks[i].want, "row %zu, { %s }: %s", i,
		    walks[i].ladder, got);
		cr_expect_geq(o.n, d.ladder.n, "row %zu", i);
		if (o.result == POLICY_DEFER)
			cr_expect_eq(o.rung, RUNG_HOLD);
	}
}

Test(ladder, escrow_instead_of_a_lapsed_key_is_told)
{
	enum rung_state state[RUNG_COUNT] = {
	    [RUNG_SMIME] = L, [RUNG_PGP] = A, [RUNG_ESCROW] = H};
	struct policy_decision d = {0};
	struct policy_outcome o;

	d.ladder.n =
	    rules_ladder("smime pgp escrow", d.ladder.rung, POLICY_RUNGS_MAX);
	policy_walk(&d, state, 0, &o);
	cr_expect(o.lapsed_escrow);
	cr_expect_eq(o.trace[0].step, POLICY_STEP_FAILED);
	cr_expect_eq(o.trace[1].step, POLICY_STEP_ABSENT);
	cr_expect_eq(o.trace[2].step, POLICY_STEP_CHOSEN);
	state[RUNG_SMIME] = A;
	policy_walk(&d, state, 0, &o);
	cr_expect_not(o.lapsed_escrow);
}

/* --- at RCPT --- */

static const struct {
	const char *what;
	struct rule_text rules[4];
	size_t n;
	enum rung_state smime;
	bool ambiguous;
	enum policy_rcpt want;
} rcpts[] = {
    {"no rule at all", {{.name = "a", .to = "@x.example", .ladder = "hold"}}, 1,
	A, false, POLICY_RCPT_NO_RULE},
    {"a raising rule is no decider", {TAG}, 1, A, false, POLICY_RCPT_NO_RULE},
    {"no key", {{.name = "a", .ladder = "smime reject"}}, 1, A, false,
	POLICY_RCPT_REJECT},
    {"a key", {{.name = "a", .ladder = "smime reject"}}, 1, H, false,
	POLICY_RCPT_GO_ON},
    {"not definite", {{.name = "a", .ladder = "smime reject"}}, 1, F, false,
	POLICY_RCPT_GO_ON},
    {"lapsed", {{.name = "a", .ladder = "smime reject"}}, 1, L, false,
	POLICY_RCPT_GO_ON},
    {"drop is no refusal", {{.name = "a", .ladder = "smime drop"}}, 1, A, false,
	POLICY_RCPT_GO_ON},
    {"hold is no refusal", {{.name = "a", .ladder = "smime hold"}}, 1, A, false,
	POLICY_RCPT_GO_ON},
    {"a tag may yet lower", {LOW, {.name = "a", .ladder = "smime reject"}}, 2,
	A, false, POLICY_RCPT_GO_ON},
    {"but not from behind", {{.name = "a", .ladder = "smime reject"}, LOW}, 2,
	A, false, POLICY_RCPT_REJECT},
    {"a weaker raising rule cannot help",
	{TAG, {.name = "a", .ladder = "smime reject"}}, 2, A, false,
	POLICY_RCPT_REJECT},
    {"a stronger one may",
	{{.name = "q", .tags = "[s]", .ladder = "hold"},
	    {.name = "a", .ladder = "smime reject"}},
	2, A, false, POLICY_RCPT_GO_ON},
    {"not one for others",
	{{.name = "q", .to = "@x.example", .tags = "[s]", .ladder = "hold"},
	    {.name = "a", .ladder = "smime reject"}},
	2, A, false, POLICY_RCPT_REJECT},
    {"a lowering one that refuses, too",
	{{.name = "l", .tags = "[l]", .ladder = "reject", .may_lower = true},
	    {.name = "a", .ladder = "reject"}},
	2, A, false, POLICY_RCPT_REJECT},
};

Test(ladder, a_recipient_is_refused_at_once_only_when_nothing_can_help)
{
	for (size_t i = 0; i < sizeof(rcpts) / sizeof(rcpts[0]); i++) {
		struct policy *p = rules_new(rcpts[i].rules, rcpts[i].n);
		enum rung_state state[RUNG_COUNT] = {
		    [RUNG_SMIME] = rcpts[i].smime,
		    [RUNG_PGP] = A,
		    [RUNG_ESCROW] = H};
		struct policy_facts f = {.from = SPAN_LIT("s@own.example"),
		    .to = SPAN_LIT("a@b.example")};

		cr_expect_eq(policy_could_leave(p, &f, state, 0), rcpts[i].want,
		    "%s", rcpts[i].what);
		policy_free(p);
	}
}
