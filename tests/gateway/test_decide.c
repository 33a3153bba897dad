/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "gateway/decide.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

#include "common/arena.h"
#include "gateway/message.h"
#include "gateway/proto.h"
#include "keystore/answers.h"
#include "tests/keystore/records.h"

enum { NOW = 1500 };

static const enum rung opportunistic[] = {RUNG_SMIME, RUNG_PGP, RUNG_CLEAR};
static const enum rung mandatory[] = {RUNG_SMIME, RUNG_PGP, RUNG_ESCROW};

static char dir[64];
static struct ks_store *store;
static struct arena *arena;
static struct policy *policy;
static struct decide_facts facts;

static void
set_rule(const enum rung *ladder, size_t n)
{
	struct policy_spec spec = {
	    .name = "all", .line = 1, .ladder = ladder, .n_ladder = n};

	policy_free(policy);
	policy = policy_new();
	cr_assert_eq(policy_add_rule(policy, &spec, NULL), ERR_OK);
	facts.policy = policy;
}

static void
open_all(void)
{
	store = records_open(dir);
	arena = arena_new(64 << 20);
	facts = (struct decide_facts){.keys = store,
	    .now_s = NOW,
	    .have_portal = true,
	    .from_key = "s@sender.example"};
	set_rule(opportunistic, 3);
}

static void
close_all(void)
{
	policy_free(policy);
	arena_free(arena);
	records_close(store, dir);
}

TestSuite(decide, .init = open_all, .fini = close_all);

static const uint8_t wkd_only[] = {KS_SOURCE_WKD};

static struct decision
decide(const struct proto_answers *answers)
{
	struct decision d;

	cr_assert_eq(
	    decide_rcpt(&facts, "a@b.example", answers, arena, &d), ERR_OK);
	return d;
}

Test(decide, no_key_for_sure_goes_down_the_ladder)
{
	struct proto_answers all = {.key = "a@b.example", .complete = true};
	struct decision d = decide(&all);

	cr_assert_eq(d.outcome.result, POLICY_CHOSEN);
	cr_assert_eq(d.outcome.rung, RUNG_CLEAR);
}

Test(decide, a_discovery_that_did_not_answer_defers_and_never_clears)
{
	struct proto_answers none = {.key = "a@b.example", .complete = false};
	struct decision d = decide(&none);

	cr_assert_eq(d.outcome.result, POLICY_DEFER);
	cr_assert_eq(d.state[RUNG_SMIME], RUNG_FAILED);
	cr_assert_eq(d.state[RUNG_PGP], RUNG_FAILED);
	cr_assert_not_null(
	    strstr(decide_reason(&d, arena), "could not be found out"));
}

Test(decide, a_source_that_failed_defers)
{
	struct proto_answer failed = {
	    .source = KS_SOURCE_WKD, .status = PROTO_ANSWER_FAILED};
	struct proto_answers a = {
	    .key = "a@b.example", .complete = true, .answer = &failed, .n = 1};

	facts.sources = wkd_only;
	facts.n_sources = 1;
	cr_assert_eq(decide(&a).outcome.result, POLICY_DEFER);
}

static void
remember(enum ks_answer answer, int64_t at, int64_t until)
{
	struct ks_answer_note n = {.source = KS_SOURCE_WKD,
	    .answer = answer,
	    .reached = true,
	    .at = at,
	    .until = until};

	cr_assert_eq(ks_begin(store), ERR_OK);
	cr_assert_eq(
	    ks_answer_put(store, SPAN("a@b.example", 11), &n, 1), ERR_OK);
	cr_assert_eq(ks_commit(store), ERR_OK);
}

/* A pending entry, a check at RCPT, explain: nobody asks just now. */
Test(decide, what_nobody_asked_is_not_definite_unless_it_is_remembered)
{
	static const struct {
		const char *name;
		int64_t at, until;
		enum ks_answer said;
		bool definite;
	} rows[] = {
	    {"absent", NOW - 10, NOW + 10, KS_ANSWER_ABSENT, true},
	    {"absent, but long ago", NOW - 20, NOW, KS_ANSWER_ABSENT, false},
	    {"failed", NOW - 10, NOW + 10, KS_ANSWER_FAILED, false},
	    /* the key that was found is gone again */
	    {"found", NOW - 10, NOW + 10, KS_ANSWER_FOUND, true},
	};

	facts.sources = wkd_only;
	facts.n_sources = 1;
	cr_assert_eq(decide(NULL).outcome.result, POLICY_DEFER, "never asked");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		remember(rows[i].said, rows[i].at, rows[i].until);
		cr_expect_eq(decide(NULL).outcome.result,
		    rows[i].definite ? POLICY_CHOSEN : POLICY_DEFER, "%s",
		    rows[i].name);
	}
}

Test(decide, what_a_source_says_now_counts_before_what_it_said)
{
	struct proto_answer no = {
	    .source = KS_SOURCE_WKD, .status = PROTO_ANSWER_ABSENT};
	struct proto_answers now = {
	    .key = "a@b.example", .complete = true, .answer = &no, .n = 1};
	struct proto_answers late = {.key = "a@b.example"};

	facts.sources = wkd_only;
	facts.n_sources = 1;
	cr_assert_eq(decide(&now).outcome.result, POLICY_CHOSEN);
	cr_assert_eq(decide(&late).outcome.result, POLICY_DEFER);
	remember(KS_ANSWER_ABSENT, NOW - 10, NOW + 10);
	/* discovery is late, but the answer is known */
	cr_assert_eq(decide(&late).outcome.result, POLICY_CHOSEN);
}

/* It answers for users and fails for "_domain": an answer for the user is one
   once it is clear that there is none for the domain. */
Test(decide, a_source_that_fails_for_the_domain_defers_until_it_never_came)
{
	struct proto_answer no = {.source = KS_SOURCE_WKD,
	    .status = PROTO_ANSWER_ABSENT,
	    .reached = true,
	    .domain_failed = true};
	struct proto_answers now = {
	    .key = "a@b.example", .complete = true, .answer = &no, .n = 1};
	struct ks_answer_note failed = {.source = KS_SOURCE_WKD};

	facts.sources = wkd_only;
	facts.n_sources = 1;
	for (int i = 0; i < KS_ANSWER_FAILURES; i++) {
		cr_assert_eq(
		    decide(&now).outcome.result, POLICY_DEFER, "%d", i);
		failed.at = NOW - 4000 + i * KS_ANSWER_FAILURES_S;
		cr_assert_eq(ks_begin(store), ERR_OK);
		cr_assert_eq(ks_answer_put(store, SPAN("_domain@b.example", 17),
				 &failed, 1),
		    ERR_OK);
		cr_assert_eq(ks_commit(store), ERR_OK);
	}
	cr_assert_eq(decide(&now).outcome.result, POLICY_CHOSEN);
	no.status = PROTO_ANSWER_FAILED;
	remember(KS_ANSWER_FAILED, NOW - 10, NOW + 10);
	cr_assert_eq(decide(&now).outcome.result, POLICY_DEFER);
}

Test(decide, a_recipient_is_refused_at_once_only_on_definite_answers)
{
	static const enum rung only[] = {RUNG_SMIME, RUNG_PGP, RUNG_REJECT};
	struct err_why why;

	set_rule(only, 3);
	facts.sources = wkd_only;
	facts.n_sources = 1;
	cr_assert_eq(
	    decide_promise(&facts, "a@b.example", arena, &why), ERR_OK);
	remember(KS_ANSWER_ABSENT, NOW - 10, NOW + 10);
	cr_assert_eq(decide_promise(&facts, "a@b.example", arena, &why),
	    ERR_POLICY_REJECT);
}

Test(decide, a_keystore_that_cannot_be_opened_defers)
{
	facts.keys = NULL;
	cr_assert_eq(decide(NULL).outcome.result, POLICY_DEFER);
	set_rule(mandatory, 3);
	/* pick-up by link is weaker than what failed */
	cr_assert_eq(decide(NULL).outcome.result, POLICY_DEFER);
}

Test(decide, a_rung_that_fails_while_sealing_never_leads_to_a_weaker_one)
{
	struct sample s;
	struct decision d;

	sample_init(&s, 1, "a@b.example");
	s.r.not_before = 1000;
	s.r.not_after = 2000;
	cr_assert_eq(ks_put(store, &s.r), ERR_OK);
	d = decide(NULL);
	cr_assert_eq(d.outcome.rung, RUNG_SMIME);
	cr_assert_not_null(d.smime.chosen);
	decide_again(&facts, &d, ERR_ENGINE);
	cr_assert_eq(d.outcome.result, POLICY_DEFER);
	cr_assert_eq(d.failure[RUNG_SMIME], ERR_ENGINE);
	cr_assert(strstr(decide_reason(&d, arena), "engine") != NULL);
}

Test(decide, an_expired_key_lets_pick_up_stand_in_but_not_clear)
{
	struct sample s;
	struct decision d;

	sample_init(&s, 1, "a@b.example");
	s.r.not_before = 1000;
	s.r.not_after = NOW - 1;
	cr_assert_eq(ks_put(store, &s.r), ERR_OK);
	cr_assert_eq(decide(NULL).outcome.result, POLICY_DEFER);
	set_rule(mandatory, 3);
	d = decide(NULL);
	cr_assert_eq(d.outcome.result, POLICY_CHOSEN);
	cr_assert_eq(d.outcome.rung, RUNG_ESCROW);
	cr_assert(d.outcome.lapsed_escrow);
}

Test(decide, a_pending_entry_keeps_its_floor)
{
	facts.min_strength = POLICY_STRENGTH_SEALED;
	cr_assert_eq(decide(NULL).outcome.rung, RUNG_HOLD);
}

Test(decide, together_takes_only_rungs_of_the_ladder_that_hold)
{
	struct decision d = decide(NULL);

	cr_assert_eq(decide_instead(&facts, &d, RUNG_CLEAR), DECIDE_TAKEN);
	cr_assert_eq(decide_instead(&facts, &d, RUNG_SMIME), DECIDE_NEVER);
	cr_assert_eq(decide_instead(&facts, &d, RUNG_ESCROW), DECIDE_NEVER);
	cr_assert_eq(d.outcome.rung, RUNG_CLEAR);
}

/* A recipient of a message as rules and keys place it. */
struct placed {
	const char *ladder;
	const char *holds; /* keys: smime, pgp */
	const char *fails;
	bool together;
};

static struct decision
place(const struct placed *p, const char *to)
{
	struct decision d = {.to_key = to};
	const char *const names[] = {
	    "smime", "pgp", "escrow", "clear", "hold", "reject", "drop"};

	d.rules.from_rule = d.rules.decider = "r";
	d.rules.auto_rung = RUNG_HOLD;
	d.rules.together = p->together;
	d.rules.together_rule = p->together ? "t" : NULL;
	/* ladders of the table stand in the order of names */
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		enum rung r;

		if (strstr(p->ladder, names[i]) == NULL)
			continue;
		cr_assert_eq(policy_rung_by_name(names[i], &r), ERR_OK);
		d.rules.ladder.rung[d.rules.ladder.n++] = r;
		d.state[r] =
		    strstr(p->fails, names[i]) != NULL ? RUNG_FAILED
		    : strstr(p->holds, names[i]) != NULL || r == RUNG_ESCROW
			? RUNG_HOLDS
			: RUNG_ABSENT;
	}
	decide_alone(&facts, &d);
	return d;
}

Test(decide, together_the_weakest_placed_decides_for_all_or_all_are_refused)
{
	static const struct {
		const char *name;
		struct placed a, b;
		const char *results[2];
	} rows[] = {
	    {"without the word everybody goes alone",
		{"smime escrow", "smime", "", false},
		{"smime escrow", "", "", false}, {"sealed", "escrowed"}},
	    {"the weakest decides", {"smime escrow", "smime", "", false},
		{"smime escrow", "", "", true}, {"escrowed", "escrowed"}},
	    {"down to clear where both ladders say so",
		{"smime clear", "smime", "", true}, {"clear", "", "", false},
		{"clear", "clear"}},
	    {"equally strong ones keep their own",
		{"smime reject", "smime", "", true},
		{"pgp reject", "pgp", "", true}, {"sealed", "sealed"}},
	    {"a ladder without the rung of the weakest refuses all",
		{"smime reject", "smime", "", true},
		{"smime escrow", "", "", true}, {"refused", "refused"}},
	    {"one refused, all refused", {"smime reject", "smime", "", true},
		{"smime reject", "", "", false}, {"refused", "refused"}},
	    {"one has to wait, all wait", {"smime clear", "smime", "", true},
		{"smime clear", "", "smime", false}, {"deferred", "deferred"}},
	    {"refused goes before waiting", {"smime reject", "", "", true},
		{"smime clear", "", "smime", false}, {"refused", "refused"}},
	    {"one held, all held", {"smime hold", "smime", "", true},
		{"smime hold", "", "", false}, {"held", "held"}},
	    {"one dropped, all refused", {"smime drop", "smime", "", true},
		{"smime drop", "", "", false}, {"refused", "refused"}},
	    {"all dropped", {"smime drop", "", "", true},
		{"smime drop", "", "", false}, {"dropped", "dropped"}},
	    {"a rung that failed is not left for a weaker one by it",
		{"smime pgp clear", "pgp", "smime", true},
		{"clear", "", "", false}, {"deferred", "deferred"}},
	    {"nor for a weaker pick-up",
		{"smime pgp escrow", "pgp", "smime", true},
		{"smime escrow", "", "", false}, {"deferred", "deferred"}},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct decision a = place(&rows[i].a, "a@b.example"),
				b = place(&rows[i].b, "b@b.example");
		struct decision *const ab[] = {&a, &b}, *const ba[] = {&b, &a};

		decide_together(&facts, ab, 2, arena);
		cr_expect_str_eq(decide_result_name(&a), rows[i].results[0],
		    "%s: %s", rows[i].name, decide_result_name(&a));
		cr_expect_str_eq(decide_result_name(&b), rows[i].results[1],
		    "%s: %s", rows[i].name, decide_result_name(&b));
		/* the order of recipients makes no difference, nor does doing
		   it again */
		decide_alone(&facts, &a);
		decide_alone(&facts, &b);
		decide_together(&facts, ba, 2, arena);
		cr_expect_str_eq(decide_result_name(&a), rows[i].results[0],
		    "%s, turned", rows[i].name);
		cr_expect_str_eq(decide_result_name(&b), rows[i].results[1],
		    "%s, turned", rows[i].name);
	}
}

Test(decide, together_tells_the_log_whose_fate_it_is_and_nobody_else)
{
	struct placed pa = {"smime reject", "smime", "", true},
		      pb = {"smime reject", "", "", false};
	struct decision a = place(&pa, "a@b.example"),
			b = place(&pb, "b@b.example");
	struct decision *const all[] = {&a, &b};

	decide_together(&facts, all, 2, arena);
	for (int i = 0; i < 2; i++) {
		const char *said = decide_reason(all[i], arena);

		cr_assert_null(strchr(said, '@'), "%s", said);
		cr_assert_not_null(strstr(said, "rule \"t\""), "%s", said);
		cr_assert_not_null(strstr(all[i]->overruled, "b@b.example"));
	}
}

Test(decide, a_rung_that_always_holds_is_not_chosen_again_after_it_failed)
{
	struct decision d = decide(NULL);

	cr_assert_eq(d.outcome.rung, RUNG_CLEAR);
	decide_again(&facts, &d, ERR_ENGINE);
	cr_assert_eq(d.outcome.result, POLICY_DEFER);
	cr_assert_eq(decide_instead(&facts, &d, RUNG_CLEAR), DECIDE_NEVER);
}

Test(decide, a_message_that_cannot_be_written_is_refused_not_put_off)
{
	struct decision d = decide(NULL);

	cr_assert_eq(d.outcome.rung, RUNG_CLEAR);
	decide_again(&facts, &d, ERR_AMBIGUOUS);
	cr_assert_eq(d.outcome.result, POLICY_CHOSEN);
	cr_assert_eq(d.outcome.rung, RUNG_REJECT);
	cr_assert_not_null(strstr(decide_reason(&d, arena), "ambiguous"));
	/* while another rung may come back there is something to wait for */
	d = decide(NULL);
	d.state[RUNG_SMIME] = RUNG_FAILED;
	decide_again(&facts, &d, ERR_AMBIGUOUS);
	cr_assert_eq(d.outcome.result, POLICY_DEFER);
}

Test(decide, rcpt_refuses_on_definite_answers_only)
{
	static const enum rung must[] = {RUNG_SMIME, RUNG_REJECT};
	struct err_why why;

	set_rule(must, 2);
	cr_assert_eq(decide_promise(&facts, "a@b.example", arena, &why),
	    ERR_POLICY_REJECT);
	facts.keys = NULL;
	cr_assert_eq(
	    decide_promise(&facts, "a@b.example", arena, &why), ERR_OK);
}

Test(decide, without_a_rule_nothing_leaves)
{
	struct decision d;

	policy_free(policy);
	policy = policy_new();
	facts.policy = policy;
	d = decide(NULL);
	cr_assert_eq(d.err, ERR_NO_RULE);
	cr_assert_str_eq(decide_result_name(&d), "refused");
}

Test(decide, the_trace_says_which_keys_were_considered)
{
	struct sample s;
	struct decision d;
	json_t *j, *keys;

	sample_init(&s, 1, "a@b.example");
	s.r.trust = KS_CANDIDATE;
	cr_assert_eq(ks_put(store, &s.r), ERR_OK);
	d = decide(NULL);
	j = decide_json(&d);
	cr_assert_not_null(j);
	cr_assert_str_eq(
	    json_string_value(json_object_get(j, "result")), "clear");
	keys = json_object_get(j, "keys");
	cr_assert_str_eq(json_string_value(json_object_get(
			     json_array_get(keys, 0), "verdict")),
	    "ERR_KEY_UNTRUSTED");
	json_decref(j);
}

/* --- messages --- */

static struct message
parse(const char *text)
{
	static uint8_t octets[4096];
	struct message m;
	size_t n = strlen(text);

	memset(octets, 0, sizeof(octets));
	memcpy(octets, text, n);
	cr_assert_eq(
	    message_parse(policy, SPAN(octets, n), true, arena, &m, NULL),
	    ERR_OK);
	return m;
}

static void
add_tag_rule(void)
{
	static const char *const tag[] = {"[secure]"};
	struct policy_spec spec = {.name = "tagged",
	    .line = 2,
	    .subject_tag = tag,
	    .n_subject_tag = 1,
	    .ladder = mandatory,
	    .n_ladder = 3};

	cr_assert_eq(policy_add_rule(policy, &spec, NULL), ERR_OK);
}

Test(decide, a_tag_raises_and_so_does_a_message_that_cannot_be_told)
{
	static const struct {
		const char *name, *text;
		enum rung rung;
	} rows[] = {
	    {"plain", "From: s@x.example\r\nSubject: x\r\n\r\nb\r\n",
		RUNG_CLEAR},
	    {"tag", "Subject: [SECURE] x\r\n\r\nb\r\n", RUNG_ESCROW},
	    {"two subjects", "Subject: x\r\nSubject: y\r\n\r\nb\r\n",
		RUNG_ESCROW},
	    {"second subject has it",
		"Subject: x\r\nSubject: [secure]\r\n\r\nb\r\n", RUNG_ESCROW},
	};

	add_tag_rule();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct message m = parse(rows[i].text);

		facts.message = &m;
		cr_assert_eq(decide(NULL).outcome.rung, rows[i].rung, "%s",
		    rows[i].name);
		message_clear(&m);
	}
}

Test(decide, hidden_recipients_are_those_not_shown)
{
	struct message m =
	    parse("To: A <A@B.example>\r\nCc: g: c@d.example;\r\n"
		  "Subject: x\r\n\r\nb\r\n");

	cr_assert(message_shows(&m, "a@b.example"));
	cr_assert(message_shows(&m, "c@d.example"));
	cr_assert(!message_shows(&m, "e@f.example"));
	message_clear(&m);
	/* a field that does not parse hides everybody */
	m = parse("To: a@b.example, <<\r\nSubject: x\r\n\r\nb\r\n");
	cr_assert(!message_shows(&m, "a@b.example"));
	message_clear(&m);
}

Test(decide, automatic_mail_is_never_escrowed)
{
	struct message m =
	    parse("Auto-Submitted: auto-replied\r\nSubject: x\r\n\r\nb\r\n");

	set_rule(mandatory, 3);
	facts.message = &m;
	cr_assert_neq(decide(NULL).outcome.rung, RUNG_ESCROW);
	message_clear(&m);
	facts.message = NULL;
	facts.from_key = "";
	cr_assert_neq(decide(NULL).outcome.rung, RUNG_ESCROW);
}

/* --- mail that was sealed before --- */

struct passing {
	const char *name;
	struct message_sealed sealed;
	struct policy_form form;
	bool other_key; /* named in it instead of the recipient's */
	bool passes;
};

static struct decision
decide_sealed(const struct passing *p, const struct ks_record *key)
{
	const struct crypto_cms_rid rid = {.issuer = key->issuer,
	    .serial = p->other_key ? SPAN_LIT("other") : key->serial};
	struct policy_spec spec = {.name = "all",
	    .line = 1,
	    .ladder = opportunistic,
	    .n_ladder = 3,
	    .form = p->form};
	struct message m = {.sealed = p->sealed};
	struct decision d;

	m.sealed.rid = &rid;
	m.sealed.n_rids = 1;
	policy_free(policy);
	policy = policy_new();
	cr_assert_eq(policy_add_rule(policy, &spec, NULL), ERR_OK);
	facts.policy = policy;
	facts.message = &m;
	d = decide(NULL);
	facts.message = NULL;
	return d;
}

#define CBC256                                                                 \
	{                                                                      \
		.kind = MESSAGE_SEALED_CMS, .cipher = CRYPTO_CMS_AES256_CBC    \
	}

static const struct passing passing[] = {
    {"to its key", CBC256, {.sealed = POLICY_SEALED_PASS}, false, true},
    {"to another", CBC256, {.sealed = POLICY_SEALED_PASS}, true, false},
    {"no rule lets it", CBC256, {0}, false, false},
    {"must be signed", CBC256,
	{.sealed = POLICY_SEALED_PASS, .sign = POLICY_SIGN_REQUIRED}, false,
	false},
    {"below the floor", CBC256,
	{.sealed = POLICY_SEALED_PASS, .cipher = POLICY_CIPHER_AES128_GCM},
	false, false},
    {"with a flaw",
	{.kind = MESSAGE_SEALED_CMS,
	    .cipher = CRYPTO_CMS_AES256_GCM,
	    .flaw = "a password opens it, too"},
	{.sealed = POLICY_SEALED_PASS}, false, false},
    {"not sealed at all", {.kind = MESSAGE_SEALED_NOT},
	{.sealed = POLICY_SEALED_PASS}, false, false},
};

Test(decide, only_mail_sealed_to_a_usable_key_passes)
{
	struct sample s;
	struct decision d;

	sample_init(&s, 1, "a@b.example");
	s.r.issuer = SPAN_LIT("the issuer");
	s.r.serial = SPAN_LIT("1");
	cr_assert_eq(ks_put(store, &s.r), ERR_OK);
	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
		d = decide_sealed(&passing[i], &s.r);
		cr_expect_eq(decide_passes(&d), passing[i].passes, "%s",
		    passing[i].name);
		if (passing[i].passes)
			cr_expect_eq(
			    d.outcome.strength, POLICY_STRENGTH_SEALED);
	}
	/* one that may not be used any more is as none */
	cr_assert_eq(ks_set_trust(store, s.r.fpr, KS_CANDIDATE), ERR_OK);
	d = decide_sealed(&passing[0], &s.r);
	cr_expect_not(decide_passes(&d));
}

Test(decide, what_passes_and_fails_goes_to_nothing_weaker)
{
	struct sample s;
	struct decision d;

	sample_init(&s, 1, "a@b.example");
	s.r.issuer = SPAN_LIT("the issuer");
	s.r.serial = SPAN_LIT("1");
	cr_assert_eq(ks_put(store, &s.r), ERR_OK);
	d = decide_sealed(&passing[0], &s.r);
	cr_assert(decide_passes(&d));
	cr_assert(span_eq(decide_key(&d, RUNG_SMIME)->fpr, s.r.fpr));
	decide_again(&facts, &d, ERR_ENGINE);
	cr_expect_not(decide_passes(&d));
	cr_expect_eq(d.outcome.result, POLICY_DEFER);
}

/* A copy goes where its rule says, and nothing goes without it. */
Test(decide, mail_waits_for_the_copy_that_a_rule_asks_for)
{
	const struct policy_spec spec = {.name = "kept",
	    .line = 1,
	    .ladder = opportunistic,
	    .n_ladder = 3,
	    .archive = "Vault@Archive.example"};
	static const struct {
		const char *what;
		bool has_key, breaks, sends;
	} rows[] = {{"no key", false, false, false},
	    {"a key", true, false, true},
	    {"a key that cannot be used", true, true, false}};

	policy_free(policy);
	facts.policy = policy = policy_new();
	cr_assert_eq(policy_add_rule(policy, &spec, NULL), ERR_OK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct decide_copies c = {.looked = {false}};
		struct decision d = decide(NULL), *all[] = {&d};
		struct sample s;
		json_t *j;

		cr_assert_eq(d.outcome.rung, RUNG_CLEAR);
		if (rows[i].has_key) {
			sample_init(&s, 7, "vault@archive.example");
			s.r.not_before = 1000;
			s.r.not_after = 2000;
			cr_assert_eq(ks_put(store, &s.r), ERR_OK);
		}
		decide_archive(&facts, &c, all, 1, arena);
		if (rows[i].breaks) {
			cr_assert_eq(c.d[0].outcome.rung, RUNG_SMIME);
			decide_copy_again(&c, 0, ERR_ENGINE);
			decide_alone(&facts, &d);
			decide_archive(&facts, &c, all, 1, arena);
		}
		cr_expect_eq(decide_copy_holds(&c, 0), rows[i].sends, "%s",
		    rows[i].what);
		cr_expect_eq(
		    decide_is_copied(&d, 0), rows[i].sends, "%s", rows[i].what);
		cr_expect_eq(d.outcome.result,
		    rows[i].sends ? POLICY_CHOSEN : POLICY_DEFER, "%s",
		    rows[i].what);
		j = decide_json(&d);
		cr_expect_eq(json_object_get(j, "archive") != NULL,
		    rows[i].sends, "%s", rows[i].what);
		cr_expect_eq(json_object_get(j, "archive-waits") != NULL,
		    !rows[i].sends, "%s", rows[i].what);
		json_decref(j);
		cr_expect_eq(
		    strstr(decide_reason(&d, arena), "archive") != NULL,
		    !rows[i].sends);
		/* whom the sender wrote to is all the sender knows of */
		cr_expect_null(strstr(decide_reason(&d, arena), "ault@"));
	}
}

Test(decide, what_is_not_sent_has_no_copy)
{
	static const enum rung held[] = {RUNG_HOLD};
	const struct policy_spec spec = {.name = "kept",
	    .line = 1,
	    .ladder = held,
	    .n_ladder = 1,
	    .archive = "vault@archive.example"};
	struct decide_copies c = {.looked = {false}};
	struct decision d, *all[] = {&d};

	policy_free(policy);
	facts.policy = policy = policy_new();
	cr_assert_eq(policy_add_rule(policy, &spec, NULL), ERR_OK);
	d = decide(NULL);
	decide_archive(&facts, &c, all, 1, arena);
	cr_expect_eq(d.outcome.result, POLICY_CHOSEN);
	cr_expect_eq(d.outcome.rung, RUNG_HOLD);
	cr_expect_not(c.looked[0]);
}

/* What is too large for a mail goes down the ladder, for certain; where there
   is a portal nothing is too large. */
Test(decide, what_is_too_large_is_not_attached)
{
	static const enum rung ladder[] = {
	    RUNG_SMIME, RUNG_ESCROW, RUNG_REJECT};
	struct policy_spec spec = {.name = "all",
	    .line = 1,
	    .ladder = ladder,
	    .n_ladder = 3,
	    .pickup = {.delivery = POLICY_DELIVERY_ATTACHMENT,
		.factor = POLICY_FACTOR_GENERATED}};
	struct message m = parse("Subject: x\r\n\r\nbody\r\n");
	struct proto_answers none = {.key = "a@b.example", .complete = true};
	struct decision d;
	json_t *j;

	policy_free(policy);
	policy = policy_new();
	cr_assert_eq(policy_add_rule(policy, &spec, NULL), ERR_OK);
	facts.policy = policy;
	facts.have_portal = false;
	facts.attach_max = m.raw.len;
	cr_expect_eq(decide(&none).outcome.rung, RUNG_ESCROW, "before DATA");
	facts.message = &m;
	d = decide(&none);
	cr_expect_eq(d.outcome.rung, RUNG_ESCROW, "just fits");
	cr_expect_eq(d.outcome.strength, POLICY_STRENGTH_FACTOR);
	facts.attach_max--;
	d = decide(&none);
	cr_expect_eq(d.outcome.rung, RUNG_REJECT);
	cr_expect_not_null(strstr(decide_reason(&d, arena), "too large"), "%s",
	    decide_reason(&d, arena));
	j = decide_json(&d);
	cr_expect_not_null(
	    strstr(json_string_value(json_object_get(
		       json_array_get(json_object_get(j, "steps"), 1), "why")),
		"too large"));
	json_decref(j);
	message_clear(&m);
}
