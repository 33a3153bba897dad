/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a sender reads: every sentence, in words that need no manual, and none
 * that tells of another recipient.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "common/arena.h"
#include "gateway/decide.h"

static struct arena *arena;
static struct decision d;

static void
set_up(void)
{
	arena = arena_new(1 << 20);
	memset(&d, 0, sizeof(d));
	d.to_key = "b@partner.example";
	d.rules.from_rule = "mail";
	d.outcome.result = POLICY_CHOSEN;
	d.outcome.rung = RUNG_REJECT;
	d.smime.err = d.pgp.err = ERR_NO_KEY;
	d.state[RUNG_SMIME] = d.state[RUNG_PGP] = RUNG_ABSENT;
}

static void
tear_down(void)
{
	arena_free(arena);
}

TestSuite(decide_reason, .init = set_up, .fini = tear_down);

static void
step(enum rung rung, enum policy_step how)
{
	d.outcome.trace[d.outcome.n].rung = rung;
	d.outcome.trace[d.outcome.n++].step = how;
}

static void
says(const char *want)
{
	const char *text = decide_reason(&d, arena);

	cr_expect_str_eq(text, want, "%s", text);
}

Test(decide_reason, neither_kind_of_key)
{
	step(RUNG_SMIME, POLICY_STEP_ABSENT);
	step(RUNG_PGP, POLICY_STEP_ABSENT);
	says("rule \"mail\" asks for encryption, and no certificate and no "
	     "OpenPGP key of the recipient is known");
}

Test(decide_reason, one_kind_of_key)
{
	/* the other one is not in the ladder */
	step(RUNG_SMIME, POLICY_STEP_ABSENT);
	says("rule \"mail\" asks for encryption, and no certificate of the "
	     "recipient is known");
	d.outcome.n = 0;
	step(RUNG_PGP, POLICY_STEP_ABSENT);
	says("rule \"mail\" asks for encryption, and no OpenPGP key of the "
	     "recipient is known");
}

Test(decide_reason, a_key_that_is_there_says_more_than_one_that_is_not)
{
	d.pgp.err = ERR_KEY_UNTRUSTED;
	d.pgp.n = 1;
	d.pgp.candidate[0].verdict = ERR_KEY_UNTRUSTED;
	d.pgp.candidate[0].why = "nobody vouches for it";
	step(RUNG_SMIME, POLICY_STEP_ABSENT);
	step(RUNG_PGP, POLICY_STEP_ABSENT);
	says("rule \"mail\" asks for encryption, and the recipient's OpenPGP "
	     "key cannot be used: nobody vouches for it");
}

Test(decide_reason, a_key_that_is_over_says_more_than_one_that_never_was)
{
	d.pgp.err = ERR_KEY_EXPIRED;
	d.pgp.n = 1;
	d.pgp.candidate[0].verdict = ERR_KEY_EXPIRED;
	d.pgp.candidate[0].why = "it ended on 2026-01-31";
	d.state[RUNG_PGP] = RUNG_LAPSED;
	step(RUNG_SMIME, POLICY_STEP_ABSENT);
	step(RUNG_PGP, POLICY_STEP_FAILED);
	says("rule \"mail\" asks for encryption, and the recipient's OpenPGP "
	     "key cannot be used: it ended on 2026-01-31");
	d.pgp.n = 0;
	says("rule \"mail\" asks for encryption, and the recipient's OpenPGP "
	     "key cannot be used: key has expired");
}

Test(decide_reason, what_could_not_be_found_out)
{
	d.outcome.result = POLICY_DEFER;
	d.outcome.rung = RUNG_HOLD;
	d.state[RUNG_SMIME] = RUNG_FAILED;
	d.smime.state = KS_ABSENT;
	step(RUNG_SMIME, POLICY_STEP_FAILED);
	says("rule \"mail\" asks for encryption, and whether the recipient has "
	     "a certificate could not be found out in time");
}

Test(decide_reason, connections)
{
	d.tls_why[0] = "its mail server offers none";
	d.tls_why[1] = "its certificate is for another name";
	step(RUNG_TLS, POLICY_STEP_ABSENT);
	says("rule \"mail\" asks for an encrypted and verified connection to "
	     "the recipient's mail server (tls): its certificate is for "
	     "another name");
	d.outcome.n = 0;
	step(RUNG_TLS_ENCRYPT, POLICY_STEP_ABSENT);
	says("rule \"mail\" asks for an encrypted connection to the "
	     "recipient's mail server (tls-encrypt): its mail server offers "
	     "none");
}

Test(decide_reason, what_failed_while_it_was_made)
{
	static const struct {
		enum rung rung;
		const char *says;
	} rows[] = {
	    {RUNG_SMIME,
		"rule \"mail\" asks for encryption, and encrypting it with "
		"S/MIME failed: the encryption engine failed"},
	    {RUNG_PGP,
		"rule \"mail\" asks for encryption, and encrypting it with "
		"OpenPGP failed: the encryption engine failed"},
	    {RUNG_ESCROW,
		"rule \"mail\" asks for a message for pick-up, and storing it "
		"for pick-up failed: the encryption engine failed"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		d.rules.ladder.n = 1;
		d.rules.ladder.rung[0] = rows[i].rung;
		d.failure[rows[i].rung] = ERR_ENGINE;
		says(rows[i].says);
	}
}

Test(decide_reason, where_nothing_was_tried)
{
	static const struct {
		enum rung rung;
		const char *says;
	} rows[] = {
	    {RUNG_REJECT, "rule \"mail\" does not let this message leave"},
	    {RUNG_HOLD,
		"rule \"mail\" holds it until an administrator has decided"},
	    {RUNG_DROP,
		"rule \"mail\" lets this message leave encrypted or not at "
		"all"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		d.outcome.rung = rows[i].rung;
		says(rows[i].says);
	}
}

Test(decide_reason, signatures_archives_and_rules)
{
	d.sign.refused = true;
	d.sign.why = "you have no key here";
	d.rules.sign_rule = "sign";
	says("rule \"sign\" asks for a signature, and it cannot be made: you "
	     "have no key here");
	d.archive_why = "v@vault.example has no key";
	d.archive_rule = "keep";
	says("rule \"keep\" asks for a copy for the archive, which cannot be "
	     "made at the moment");
	d.err = ERR_NO_RULE;
	says("no rule decides for this recipient");
}

/* Whose fate it is, and why, is for administrators. */
Test(decide_reason, another_recipient_is_never_named)
{
	static const struct {
		enum policy_result result;
		enum rung rung;
		const char *says;
	} rows[] = {
	    {POLICY_CHOSEN, RUNG_REJECT,
		"rule \"team\" sends to all recipients together, and that "
		"cannot be done for every one of them"},
	    {POLICY_DEFER, RUNG_HOLD,
		"rule \"team\" sends to all recipients together, and that "
		"cannot be done for every one of them yet"},
	    {POLICY_CHOSEN, RUNG_ESCROW,
		"rule \"team\" sends to all recipients together, and this is "
		"what every one of them can get"},
	};

	d.overruled = "carol@partner.example: no key";
	d.overruled_by = "team";
	step(RUNG_SMIME, POLICY_STEP_ABSENT);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		d.outcome.result = rows[i].result;
		d.outcome.rung = rows[i].rung;
		says(rows[i].says);
		cr_expect_null(strstr(decide_reason(&d, arena), "carol"));
	}
}
