/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The parts of a trace that say by what it was decided: facts, rules, keys.
 * How much of them is kept is bounded; docs/format-trace.md.
 */
#include <jansson.h>
#include <string.h>

#include "common/limits.h"
#include "common/text.h"
#include "gateway/decide_private.h"
#include "gateway/message.h"
#include "keystore/record.h"

enum {
	FACTS_MAX = 64,	 /* conditions that are named */
	FACT_TEXT = 200, /* octets of one */
	CANDIDATES_A = LIMIT_TRACE_CANDIDATES / 2,
};

/* --- facts --- */

static json_t *
tags_json(const struct decision *d)
{
	size_t n;
	const char *const *tag = policy_tags(d->of->policy, &n);
	json_t *a = json_array();

	for (size_t i = 0; d->facts.has_tag != NULL && i < n; i++)
		if (d->facts.has_tag[i])
			json_array_append_new(a, json_string(tag[i]));
	return a;
}

/* Who of the two is in a group that rules name, or may be. */
static void
add_groups(const struct decision *d, json_t *list, enum policy_truth which)
{
	const struct policy_facts *f = &d->facts;
	const struct {
		const char *who;
		struct span addr;
	} both[] = {{"from", f->from}, {"to", f->to}};
	size_t n;
	const char *const *names = policy_groups(d->of->policy, &n);

	for (size_t i = 0; f->in_group != NULL && i < n; i++)
		for (size_t k = 0; k < 2; k++)
			if (json_array_size(list) < FACTS_MAX &&
			    f->in_group(f->groups, i, both[k].addr) == which)
				json_array_append_new(list,
				    json_sprintf("%s in %.*s", both[k].who,
					FACT_TEXT, names[i]));
}

/* The conditions that hold, or may. */
static json_t *
conditions_json(const struct decision *d, enum policy_truth which)
{
	size_t n, kept = 0;
	const struct policy_condition *c = policy_conditions(d->of->policy, &n);
	json_t *a = json_array();

	for (size_t i = 0; d->facts.truth != NULL && i < n && kept < FACTS_MAX;
	     i++)
		if (d->facts.truth[i] == which) {
			json_array_append_new(
			    a, json_sprintf("%s = %.*s",
				   policy_kind_name(c[i].kind), FACT_TEXT,
				   c[i].text));
			kept++;
		}
	add_groups(d, a, which);
	return a;
}

static void
add_if_any(json_t *o, const char *name, json_t *list)
{
	if (json_array_size(list) > 0)
		json_object_set(o, name, list);
	json_decref(list);
}

json_t *
decide_facts_json(const struct decision *d)
{
	const struct message *m = d->of->message;
	json_t *o = json_pack("{s:s, s:s, s:b}", "from", d->of->from_key, "to",
	    d->to_key, "message", m != NULL);

	add_if_any(o, "tags", tags_json(d));
	add_if_any(o, "holds", conditions_json(d, POLICY_YES));
	add_if_any(o, "unsure", conditions_json(d, POLICY_UNSURE));
	if (m == NULL)
		return o;
	if (m->automatic)
		json_object_set_new(o, "automatic", json_true());
	if (m->ambiguous)
		json_object_set_new(o, "ambiguous",
		    json_string(m->ambiguous_why == NULL ? "malformed"
							 : m->ambiguous_why));
	if (!message_shows(m, d->to_key))
		json_object_set_new(o, "hidden", json_true());
	return o;
}

/* --- rules --- */

json_t *
decide_rules_json(const struct decision *d)
{
	json_t *a = json_array(), *r;

	for (size_t i = 0; i < d->n_trace; i++) {
		const struct policy_trace *t = &d->trace[i];

		r = json_pack("{s:s, s:i, s:s, s:s}", "name", t->name, "line",
		    (int)t->line, "role", policy_role_name(t->role), "why",
		    t->why);
		if (t->condition != NULL)
			json_object_set_new(
			    r, "condition", json_string(t->condition));
		json_array_append_new(a, r);
	}
	if (d->n_lost > 0)
		json_array_append_new(
		    a, json_pack("{s:I}", "more", (json_int_t)d->n_lost));
	return a;
}

json_t *
decide_raising_json(const struct decision *d)
{
	json_t *a = json_array();

	for (size_t i = 0; i < d->rules.n_raising && i < LIMIT_TRACE_RULES; i++)
		json_array_append_new(a, json_string(d->rules.raising[i]));
	return a;
}

/* --- keys --- */

/* Text of a record; what cannot stand in JSON is left out. */
static void
put_span(json_t *o, const char *name, struct span text)
{
	if (text.len > 0)
		json_object_set_new(
		    o, name, json_stringn((const char *)text.data, text.len));
}

static json_t *
candidate_json(const char *kind, const struct ks_candidate *c, bool chosen)
{
	char fpr[2 * KS_FPR_MAX + 1];
	json_t *j;

	text_hex(c->record->fpr, fpr);
	j = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s*, s:b}", "kind", kind,
	    "fingerprint", fpr, "source", ks_source_name(c->record->source),
	    "trust", ks_trust_name(c->record->trust), "verdict",
	    err_name(c->verdict), "why", c->why, "chosen", chosen);
	put_span(j, "url", c->record->url);
	put_span(j, "of-domain", c->record->domain);
	if (c->record->not_after != 0)
		json_object_set_new(
		    j, "until", json_integer((json_int_t)c->record->not_after));
	return j;
}

static bool
is_chosen(const struct ks_result *r, size_t i)
{
	return r->chosen != NULL &&
	       span_eq(r->chosen->fpr, r->candidate[i].record->fpr);
}

/* max at most, the chosen one among them. */
static void
add_candidates(
    json_t *list, const char *kind, const struct ks_result *r, size_t max)
{
	size_t room = max - (r->chosen != NULL ? 1 : 0), left = r->n_more;

	for (size_t i = 0; i < r->n; i++) {
		bool chosen = is_chosen(r, i);

		if (!chosen && room == 0) {
			left++;
			continue;
		}
		room -= chosen ? 0 : 1;
		json_array_append_new(
		    list, candidate_json(kind, &r->candidate[i], chosen));
	}
	if (left > 0)
		json_array_append_new(
		    list, json_pack("{s:s, s:I}", "kind", kind, "more",
			      (json_int_t)left));
	if (r->n == 0 && r->err != ERR_OK)
		json_array_append_new(
		    list, json_pack("{s:s, s:s}", "kind", kind, "verdict",
			      err_name(r->err)));
}

/* What one kind of key leaves free the other has. */
static size_t
share_of(size_t other)
{
	return LIMIT_TRACE_CANDIDATES -
	       (other < CANDIDATES_A ? other : CANDIDATES_A);
}

json_t *
decide_keys_json(const struct decision *d)
{
	json_t *list = json_array();

	add_candidates(list, "smime", &d->smime, share_of(d->pgp.n));
	add_candidates(list, "openpgp", &d->pgp, share_of(d->smime.n));
	return list;
}
