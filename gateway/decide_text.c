/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A decision for people and for the audit log: words and JSON.
 */
#include <jansson.h>
#include <string.h>

#include "common/arena.h"
#include "common/text.h"
#include "gateway/decide_private.h"
#include "gateway/decide_tls.h"

const char *
decide_result_name(const struct decision *d)
{
	if (d->err != ERR_OK)
		return "refused";
	if (d->outcome.result == POLICY_DEFER)
		return "deferred";
	switch (d->outcome.rung) {
	case RUNG_HOLD:
		return "held";
	case RUNG_REJECT:
		return "refused";
	case RUNG_DROP:
		return "dropped";
	case RUNG_SMIME:
	case RUNG_PGP:
		return "sealed";
	case RUNG_ESCROW:
		return "escrowed";
	case RUNG_TLS:
	case RUNG_TLS_ENCRYPT:
		return "tls";
	case RUNG_CLEAR:
		return "clear";
	case RUNG_COUNT:
		break;
	}
	return "held";
}

/* Why a key of that kind was not to be had. */
static const char *
key_reason(const struct decision *d, enum rung rung)
{
	const struct ks_result *r = rung == RUNG_SMIME ? &d->smime : &d->pgp;

	/* there is none here, and that proves nothing */
	if (d->state[rung] == RUNG_FAILED && r->state == KS_ABSENT)
		return "the search for keys did not answer in time";
	if (r->n > 0 && r->candidate[0].why != NULL &&
	    r->candidate[0].verdict != ERR_OK)
		return r->candidate[0].why;
	return err_text(r->err);
}

/* Neither who it was that the others share the fate of nor why: what another
   recipient gets is not for the sender, who is told this. The trace says it. */
static const char *
together_reason(const struct decision *d, struct arena *arena)
{
	const char *what = "that cannot be done for every one of them";
	const char *text;

	if (d->outcome.result == POLICY_DEFER)
		what = "that cannot be done for every one of them yet";
	else if (policy_rung_sends(d->outcome.rung))
		what = "this is what every one of them can get";
	text = arena_printf(arena,
	    "rule \"%s\" sends to all recipients together, and %s",
	    d->overruled_by, what);
	return text == NULL ? err_text(ERR_POLICY_REJECT) : text;
}

const char *
decide_reason(const struct decision *d, struct arena *arena)
{
	const char *text = NULL;
	const struct policy_outcome *o = &d->outcome;

	if (d->overruled != NULL)
		return together_reason(d, arena);
	if (d->err != ERR_OK)
		return err_text(d->err);
	if (d->archive_why != NULL)
		text = arena_printf(arena,
		    "rule \"%s\" asks for a copy for the archive, which cannot "
		    "be made at the moment",
		    d->archive_rule);
	if (d->sign.refused && text == NULL)
		text = arena_printf(arena,
		    "rule \"%s\" asks for a signature, and it cannot be made: "
		    "%s",
		    d->rules.sign_rule, d->sign.why);
	for (size_t i = 0; i < d->rules.ladder.n && text == NULL; i++) {
		enum rung r = d->rules.ladder.rung[i];

		/* what was tried says more than what was not there */
		if (d->failure[r] != ERR_OK)
			text = arena_printf(arena, "rule \"%s\": %s: %s",
			    d->rules.from_rule, policy_rung_name(r),
			    err_text(d->failure[r]));
	}
	for (size_t i = 0; i < o->n && text == NULL; i++) {
		enum rung r = o->trace[i].rung;

		if (o->trace[i].step != POLICY_STEP_ABSENT &&
		    o->trace[i].step != POLICY_STEP_FAILED)
			continue;
		if (decide_is_tls(r))
			text = arena_printf(arena,
			    "rule \"%s\" asks for %s: %s", d->rules.from_rule,
			    policy_rung_name(r), d->tls_why[r == RUNG_TLS]);
		if (r == RUNG_SMIME || r == RUNG_PGP)
			text = arena_printf(arena,
			    "rule \"%s\" asks for protection; %s: %s",
			    d->rules.from_rule, policy_rung_name(r),
			    key_reason(d, r));
	}
	if (text == NULL)
		text = arena_printf(arena, "rule \"%s\" says %s",
		    d->rules.from_rule, policy_rung_name(o->rung));
	return text == NULL ? err_text(ERR_POLICY_REJECT) : text;
}

static json_t *
ladder_json(const struct policy_ladder *l)
{
	json_t *a = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(
		    a, json_string(policy_rung_name(l->rung[i])));
	return a;
}

static json_t *
steps_json(const struct decision *d)
{
	const struct policy_outcome *o = &d->outcome;
	json_t *a = json_array(), *s;

	for (size_t i = 0; i < o->n; i++) {
		enum rung r = o->trace[i].rung;

		s = json_pack("{s:s, s:s, s:s}", "rung", policy_rung_name(r),
		    "state", rung_state_name(o->trace[i].state), "step",
		    policy_step_text(o->trace[i].step));
		if (d->failure[r] != ERR_OK)
			json_object_set_new(
			    s, "error", json_string(err_name(d->failure[r])));
		if (decide_is_tls(r) && d->tls_why[r == RUNG_TLS] != NULL)
			json_object_set_new(
			    s, "why", json_string(d->tls_why[r == RUNG_TLS]));
		json_array_append_new(a, s);
	}
	return a;
}

/* NULL when no rule asks for a signature, or nothing is sent. */
static json_t *
sign_json(const struct decision *d)
{
	const struct decide_sign *s = &d->sign;
	char fpr[2 * KS_FPR_MAX + 1];

	if (s->key == NULL)
		return s->why == NULL ? NULL
				      : json_pack("{s:s, s:s}", "rule",
					    d->rules.sign_rule, "none", s->why);
	text_hex(s->key->fpr, fpr);
	return json_pack("{s:s, s:s, s:s, s:b, s:s*, s:s*}", "rule",
	    d->rules.sign_rule, "kind",
	    s->key->kind == KS_SMIME ? "smime" : "openpgp", "key", fpr,
	    "of-domain", s->of_domain, "algorithm", d->names.signature, "shape",
	    d->names.shape);
}

/* NULL unless the sender's software has sealed the message. */
static json_t *
pass_json(const struct decision *d)
{
	char fpr[2 * KS_FPR_MAX + 1];

	if (d->pass.key == NULL)
		return d->pass.why == NULL ? NULL
					   : json_pack("{s:b, s:s}", "passes",
						 false, "why", d->pass.why);
	text_hex(d->pass.key->fpr, fpr);
	return json_pack("{s:b, s:s, s:s}", "passes", decide_passes(d),
	    "counts-as", policy_rung_name(d->pass.rung), "key", fpr);
}

/* How it is picked up; NULL unless it is. */
static json_t *
pickup_json(const struct decision *d)
{
	const struct policy_pickup *k = &d->rules.pickup;
	const char *where = "none";

	if (d->outcome.result != POLICY_CHOSEN ||
	    d->outcome.rung != RUNG_ESCROW)
		return NULL;
	if (policy_factor_is_in_key(k->factor))
		where = "in the key";
	else if (k->factor != POLICY_FACTOR_NONE)
		where = "at the door";
	return json_pack("{s:s, s:s, s:s}", "notice",
	    k->notice_tls ? "tls" : "any", "second-factor",
	    policy_factor_name(k->factor), "factor-is", where);
}

static void
add_archives(const struct decision *d, json_t *j)
{
	size_t n;
	const struct policy_archive *a = policy_archives(d->of->policy, &n);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		if (decide_is_copied(d, i))
			json_array_append_new(list, json_string(a[i].addr));
	if (json_array_size(list) > 0)
		json_object_set(j, "archive", list);
	json_decref(list);
	if (d->archive_why != NULL)
		json_object_set_new(
		    j, "archive-waits", json_string(d->archive_why));
	if (d->rules.extra.notify)
		json_object_set_new(j, "notify", json_true());
}

json_t *
decide_json(const struct decision *d)
{
	json_t *sign, *pass, *pickup, *j;

	if (d->err != ERR_OK)
		return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "rcpt",
		    d->to_key, "result", "refused", "error", err_name(d->err),
		    "reason", err_text(d->err), "facts", decide_facts_json(d),
		    "rules", decide_rules_json(d));
	j = json_pack("{s:s, s:s, s:s, s:{s:s, s:s, s:o}, s:o, s:o, s:o, s:o, "
		      "s:o}",
	    "rcpt", d->to_key, "result", decide_result_name(d), "rung",
	    d->outcome.result == POLICY_CHOSEN
		? policy_rung_name(d->outcome.rung)
		: "none",
	    "rule", "decider", d->rules.decider, "ladder", d->rules.from_rule,
	    "raising", decide_raising_json(d), "facts", decide_facts_json(d),
	    "rules", decide_rules_json(d), "ladder",
	    ladder_json(&d->rules.ladder), "steps", steps_json(d), "keys",
	    decide_keys_json(d));
	if (j == NULL)
		return NULL;
	pass = pass_json(d);
	if (pass != NULL)
		json_object_set_new(j, "already-encrypted", pass);
	if (d->outcome.result == POLICY_CHOSEN && !decide_passes(d) &&
	    decide_key(d, d->outcome.rung) != NULL)
		json_object_set_new(j, "header-protection",
		    json_string(policy_hp_name(d->rules.form.hp)));
	if (d->names.cipher != NULL)
		json_object_set_new(j, "smime",
		    json_pack("{s:s, s:s}", "cipher", d->names.cipher, "key",
			d->names.key));
	sign = sign_json(d);
	if (sign != NULL)
		json_object_set_new(j, "signature", sign);
	pickup = pickup_json(d);
	if (pickup != NULL)
		json_object_set_new(j, "pick-up", pickup);
	if (d->outcome.lapsed_escrow)
		json_object_set_new(j, "lapsed",
		    json_string("the key has expired: pick-up stands in until "
				"there is another"));
	if (d->overruled != NULL)
		json_object_set_new(j, "together", json_string(d->overruled));
	add_archives(d, j);
	return j;
}
