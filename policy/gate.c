/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * With thousands of rules nearly all are of no concern to a message. A few
 * octets of each, side by side, tell most of those that cannot match without
 * looking at the rule itself. What a gate lets pass is looked at in full.
 */
#include "policy/policy_private.h"

static uint32_t
hash(struct span s)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ s.data[i]) * 16777619u;
	return h;
}

/* The only positive pattern of a list that names a domain, or NULL. */
static const struct pattern *
only_pattern(const struct pattern_list *l)
{
	const struct pattern *one = NULL;

	for (size_t i = 0; i < l->n; i++) {
		if (l->list[i].excludes)
			continue;
		if (one != NULL || (l->list[i].kind != PATTERN_ADDR &&
				       l->list[i].kind != PATTERN_EXACT))
			return NULL;
		one = &l->list[i];
	}
	return one;
}

/* The only condition of its kind, one that does not exclude. */
static const struct when *
only_condition(const struct policy_rule *r)
{
	for (size_t i = 0; i < r->n_when; i++) {
		const struct when *w = &r->when[i];
		bool alone = (i == 0 || w[-1].kind != w->kind) &&
			     (i + 1 == r->n_when || w[1].kind != w->kind);

		if (alone && !w->excludes)
			return w;
	}
	return NULL;
}

struct gate
policy_gate_of(const struct policy_rule *r)
{
	const struct pattern *to = only_pattern(&r->to);
	const struct when *w = only_condition(r);

	if (to != NULL)
		return (struct gate){GATE_DOMAIN,
		    hash(to->kind == PATTERN_ADDR ? policy_domain_of(to->text)
						  : to->text)};
	if (w != NULL)
		return (struct gate){policy_kind_is_envelope(w->kind)
					 ? GATE_ENVELOPE
					 : GATE_MESSAGE,
		    (uint32_t)w->at};
	return (struct gate){GATE_OPEN, 0};
}

struct gate_key
policy_gate_key(const struct policy_facts *f)
{
	return (struct gate_key){.domain = hash(policy_domain_of(f->to)),
	    .truth = f->truth,
	    .ambiguous = f->ambiguous};
}

bool
policy_gate_shut(const struct gate *g, const struct gate_key *k)
{
	switch (g->kind) {
	case GATE_OPEN:
		return false;
	case GATE_DOMAIN:
		return g->value != k->domain;
	case GATE_MESSAGE:
		if (k->ambiguous)
			return false;
		break;
	case GATE_ENVELOPE:
		break;
	}
	return k->truth != NULL && k->truth[g->value] == POLICY_NO;
}
