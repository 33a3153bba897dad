/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Why a message does not leave as it was sent, for its sender: in the reply, in
 * a notification, in a word about how it went. People read it who have never
 * heard of rungs; what they can act on comes first. It speaks of the one
 * recipient alone, never of what another gets. The whole of it is the trace.
 */
#include <string.h>

#include "common/arena.h"
#include "gateway/decide_private.h"
#include "gateway/decide_tls.h"

/* What each rung is to somebody who only wants to write a letter. */
static const struct {
	const char *asks;  /* "the rule asks for ..." */
	const char *kind;  /* of key; NULL: it needs none */
	const char *doing; /* what failed, when it was made */
	const char *ends;  /* "the rule ...", where nothing was tried */
} words[RUNG_COUNT] = {
    [RUNG_SMIME] = {"encryption", "certificate", "encrypting it with S/MIME",
	"asks for encryption"},
    [RUNG_PGP] = {"encryption", "OpenPGP key", "encrypting it with OpenPGP",
	"asks for encryption"},
    [RUNG_TLS] = {"an encrypted and verified connection to the recipient's "
		  "mail server (tls)",
	NULL, "sending it by such a connection",
	"asks for an encrypted connection"},
    [RUNG_TLS_ENCRYPT] = {"an encrypted connection to the recipient's mail "
			  "server (tls-encrypt)",
	NULL, "sending it by such a connection",
	"asks for an encrypted connection"},
    [RUNG_ESCROW] = {"a message for pick-up", NULL, "storing it for pick-up",
	"lets it be picked up"},
    [RUNG_HOLD] = {"an administrator's decision", NULL, "holding it",
	"holds it until an administrator has decided"},
    [RUNG_REJECT] = {"nothing", NULL, "refusing it",
	"does not let this message leave"},
    [RUNG_DROP] = {"nothing", NULL, "not sending it",
	"lets this message leave encrypted or not at all"},
    [RUNG_CLEAR] = {"nothing", NULL, "sending it", "lets it leave as it is"},
};

static bool
is_key(enum rung r)
{
	return r == RUNG_SMIME || r == RUNG_PGP;
}

static const struct ks_result *
result_of(const struct decision *d, enum rung r)
{
	return r == RUNG_SMIME ? &d->smime : &d->pgp;
}

static bool
has_step(const struct decision *d, enum rung r, enum policy_step step)
{
	const struct policy_outcome *o = &d->outcome;

	for (size_t i = 0; i < o->n; i++)
		if (o->trace[i].rung == r && o->trace[i].step == step)
			return true;
	return false;
}

/* Is there no key of that kind at all, and that for certain? */
static bool
is_missing(const struct decision *d, enum rung r)
{
	return d->state[r] == RUNG_ABSENT && result_of(d, r)->n == 0 &&
	       has_step(d, r, POLICY_STEP_ABSENT);
}

/* The kind of key to speak of, that the ladder left in this way: one that is
   there and will not do rather than one that is not. RUNG_COUNT: none. */
static enum rung
key_left(const struct decision *d, enum policy_step step)
{
	enum rung first = RUNG_COUNT;

	for (size_t i = 0; i < d->outcome.n; i++) {
		enum rung r = d->outcome.trace[i].rung;

		if (!is_key(r) || d->outcome.trace[i].step != step)
			continue;
		if (result_of(d, r)->n > 0)
			return r;
		if (first == RUNG_COUNT)
			first = r;
	}
	return first;
}

static enum rung
tls_left(const struct decision *d, enum policy_step step)
{
	return has_step(d, RUNG_TLS, step)	     ? RUNG_TLS
	       : has_step(d, RUNG_TLS_ENCRYPT, step) ? RUNG_TLS_ENCRYPT
						     : RUNG_COUNT;
}

static const char *
key_text(const struct decision *d, enum rung r, struct arena *arena)
{
	const struct ks_result *k = result_of(d, r);
	const char *kind = words[r].kind, *why;

	/* there is none here, and that proves nothing */
	if (d->state[r] == RUNG_FAILED && k->state == KS_ABSENT)
		return arena_printf(arena,
		    "whether the recipient has a %s could not be found out in "
		    "time",
		    kind);
	if (is_missing(d, RUNG_SMIME) && is_missing(d, RUNG_PGP))
		return "no certificate and no OpenPGP key of the recipient is "
		       "known";
	if (k->n == 0 && k->err == ERR_NO_KEY)
		return arena_printf(
		    arena, "no %s of the recipient is known", kind);
	why = k->n > 0 && k->candidate[0].why != NULL &&
		      k->candidate[0].verdict != ERR_OK
		  ? k->candidate[0].why
		  : err_text(k->err);
	return arena_printf(
	    arena, "the recipient's %s cannot be used: %s", kind, why);
}

/* Neither who it was that the others share the fate of nor why: what another
   recipient gets is not for the sender, who is told this. The trace says it. */
static const char *
together_text(const struct decision *d, struct arena *arena)
{
	const char *what = "that cannot be done for every one of them";

	if (d->outcome.result == POLICY_DEFER)
		what = "that cannot be done for every one of them yet";
	else if (policy_rung_sends(d->outcome.rung))
		what = "this is what every one of them can get";
	return arena_printf(arena,
	    "rule \"%s\" sends to all recipients together, and %s",
	    d->overruled_by, what);
}

/* What was tried says more than what was not there. */
static const char *
failure_text(const struct decision *d, struct arena *arena)
{
	for (size_t i = 0; i < d->rules.ladder.n; i++) {
		enum rung r = d->rules.ladder.rung[i];

		if (d->failure[r] != ERR_OK)
			return arena_printf(arena,
			    "rule \"%s\" asks for %s, and %s failed: %s",
			    d->rules.from_rule, words[r].asks, words[r].doing,
			    err_text(d->failure[r]));
	}
	return NULL;
}

static const char *
missing_text(const struct decision *d, struct arena *arena)
{
	/* what may be there later comes before what is not there */
	static const enum policy_step order[] = {
	    POLICY_STEP_FAILED, POLICY_STEP_ABSENT};

	if (d->escrow_why != NULL &&
	    has_step(d, RUNG_ESCROW, POLICY_STEP_ABSENT))
		return arena_printf(arena, "rule \"%s\" asks for %s, and %s",
		    d->rules.from_rule, words[RUNG_ESCROW].asks, d->escrow_why);
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		enum rung key = key_left(d, order[i]);
		enum rung tls = tls_left(d, order[i]);

		if (key != RUNG_COUNT)
			return arena_printf(arena,
			    "rule \"%s\" asks for %s, and %s",
			    d->rules.from_rule, words[key].asks,
			    key_text(d, key, arena));
		if (tls != RUNG_COUNT)
			return arena_printf(arena,
			    "rule \"%s\" asks for %s: %s", d->rules.from_rule,
			    words[tls].asks, d->tls_why[tls == RUNG_TLS]);
	}
	return NULL;
}

static const char *
reason(const struct decision *d, struct arena *arena)
{
	const char *text;

	if (d->overruled != NULL)
		return together_text(d, arena);
	if (d->err != ERR_OK)
		return err_text(d->err);
	if (d->archive_why != NULL)
		return arena_printf(arena,
		    "rule \"%s\" asks for a copy for the archive, which cannot "
		    "be made at the moment",
		    d->archive_rule);
	if (d->sign.refused)
		return arena_printf(arena,
		    "rule \"%s\" asks for a signature, and it cannot be made: "
		    "%s",
		    d->rules.sign_rule, d->sign.why);
	text = failure_text(d, arena);
	if (text == NULL)
		text = missing_text(d, arena);
	return text != NULL
		   ? text
		   : arena_printf(arena, "rule \"%s\" %s", d->rules.from_rule,
			 words[d->outcome.rung].ends);
}

const char *
decide_reason(const struct decision *d, struct arena *arena)
{
	const char *text = reason(d, arena);

	return text == NULL ? err_text(ERR_POLICY_REJECT) : text;
}
