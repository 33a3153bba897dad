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
		if (r == RUNG_ESCROW && d->escrow_why != NULL)
			json_object_set_new(
			    s, "why", json_string(d->escrow_why));
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
	json_t *j;

	if (d->outcome.result != POLICY_CHOSEN ||
	    d->outcome.rung != RUNG_ESCROW)
		return NULL;
	if (policy_pickup_is_attached(k))
		return json_pack("{s:s, s:s, s:s, s:b}", "notice",
		    k->notice_tls ? "tls" : "any", "second-factor",
		    policy_factor_name(POLICY_FACTOR_GENERATED), "factor-is",
		    "in the key", "attached", true);
	if (policy_factor_is_in_key(k->factor))
		where = "in the key";
	else if (k->factor != POLICY_FACTOR_NONE)
		where = "at the door";
	j = json_pack("{s:s, s:s, s:s}", "notice",
	    k->notice_tls ? "tls" : "any", "second-factor",
	    policy_factor_name(k->factor), "factor-is", where);
	if (k->account)
		json_object_set_new(j, "account",
		    json_string(d->has_account
				    ? "set"
				    : "first message: code by mail"));
	return j;
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
	if (d->rules.extra.tls > POLICY_TLS_OPPORTUNISTIC)
		json_object_set_new(
		    j, "tls", json_string(policy_tls_name(d->rules.extra.tls)));
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
