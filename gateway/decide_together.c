/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `together`: nobody gets what another recipient of the message does not get.
 * The weakest-placed recipient decides for all, or all are refused.
 */
#include "common/arena.h"
#include "gateway/decide.h"

enum placing {
	PLACED_REFUSED,
	PLACED_WAITING,
	PLACED_DROPPED,
	PLACED_HELD,
	PLACED_SENT,
};

static enum placing
placing_of(const struct decision *d)
{
	if (d->err != ERR_OK)
		return PLACED_REFUSED;
	if (d->outcome.result == POLICY_DEFER)
		return PLACED_WAITING;
	if (policy_rung_sends(d->outcome.rung))
		return PLACED_SENT;
	if (d->outcome.rung == RUNG_DROP)
		return PLACED_DROPPED;
	return d->outcome.rung == RUNG_HOLD ? PLACED_HELD : PLACED_REFUSED;
}

static const struct decision *
find(struct decision *const *d, size_t n, enum placing p)
{
	for (size_t i = 0; i < n; i++)
		if (placing_of(d[i]) == p)
			return d[i];
	return NULL;
}

static const char *
name_of_rule(struct decision *const *d, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (d[i]->err == ERR_OK && d[i]->rules.together)
			return d[i]->rules.together_rule;
	return NULL;
}

/* Everybody's outcome is that of one. */
static void
all_get(struct decision *const *d, size_t n, enum policy_result result,
    enum rung rung, const char *rule, const char *because)
{
	for (size_t i = 0; i < n; i++) {
		d[i]->outcome.result = result;
		d[i]->outcome.rung = rung;
		d[i]->overruled = because;
		d[i]->overruled_by = rule;
	}
}

static const char *
because_of(const char *rule, const struct decision *one, const char *what,
    struct arena *arena)
{
	const char *text = arena_printf(arena,
	    "rule \"%s\" sends to all recipients together, and %s %s: %s", rule,
	    one->to_key, what, decide_reason(one, arena));

	return text == NULL ? err_text(ERR_POLICY_REJECT) : text;
}

static const struct decision *
weakest(struct decision *const *d, size_t n)
{
	const struct decision *w = d[0];

	for (size_t i = 1; i < n; i++)
		if (d[i]->outcome.strength < w->outcome.strength)
			w = d[i];
	return w;
}

/* Who is placed better takes the rung of the weakest instead; where somebody
   cannot, nobody gets anything. */
static void
by_the_weakest(const struct decide_facts *f, struct decision *const *d,
    size_t n, const char *rule, struct arena *arena)
{
	const struct decision w = *weakest(d, n);
	const char *rung = policy_rung_name(w.outcome.rung);
	const char *because = arena_printf(arena,
	    "rule \"%s\" sends to all recipients together, and %s gets %s",
	    rule, w.to_key, rung);

	for (size_t i = 0; i < n; i++) {
		if (d[i]->outcome.strength == w.outcome.strength)
			continue;
		switch (decide_instead(f, d[i], w.outcome.rung)) {
		case DECIDE_TAKEN:
			d[i]->overruled = because;
			d[i]->overruled_by = rule;
			continue;
		case DECIDE_LATER:
			all_get(d, n, POLICY_DEFER, RUNG_HOLD, rule, because);
			return;
		case DECIDE_NEVER:
			break;
		}
		because = arena_printf(arena,
		    "rule \"%s\" sends to all recipients together, but %s can "
		    "only get %s, which the rules do not allow for %s",
		    rule, w.to_key, rung, d[i]->to_key);
		all_get(d, n, POLICY_CHOSEN, RUNG_REJECT, rule, because);
		return;
	}
}

void
decide_together(const struct decide_facts *f, struct decision *const *d,
    size_t n, struct arena *arena)
{
	const char *rule = name_of_rule(d, n);
	const struct decision *one;

	if (n < 2 || rule == NULL)
		return;
	if ((one = find(d, n, PLACED_REFUSED)) != NULL)
		all_get(d, n, POLICY_CHOSEN, RUNG_REJECT, rule,
		    because_of(rule, one, "is refused", arena));
	else if ((one = find(d, n, PLACED_WAITING)) != NULL)
		all_get(d, n, POLICY_DEFER, RUNG_HOLD, rule,
		    because_of(rule, one, "has to wait", arena));
	else if ((one = find(d, n, PLACED_DROPPED)) != NULL) {
		/* it need not arrive, but then nobody may get it alone */
		if (find(d, n, PLACED_HELD) != NULL ||
		    find(d, n, PLACED_SENT) != NULL)
			all_get(d, n, POLICY_CHOSEN, RUNG_REJECT, rule,
			    because_of(rule, one, "gets nothing", arena));
	} else if ((one = find(d, n, PLACED_HELD)) != NULL)
		all_get(d, n, POLICY_CHOSEN, RUNG_HOLD, rule,
		    because_of(rule, one, "is held", arena));
	else
		by_the_weakest(f, d, n, rule, arena);
}
