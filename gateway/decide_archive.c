/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `archive`: copies of what is sent, sealed to a key of the archive's own.
 * Mail whose copy cannot be made waits: no copy is missing without a word, and
 * none is readable.
 */
#include <string.h>

#include "common/arena.h"
#include "gateway/decide_private.h"

bool
decide_is_copied(const struct decision *d, size_t i)
{
	return d->err == ERR_OK && d->rules.archive_rule[i] != NULL &&
	       d->outcome.result == POLICY_CHOSEN &&
	       policy_rung_sends(d->outcome.rung);
}

bool
decide_copy_holds(const struct decide_copies *c, size_t i)
{
	const struct decision *d = &c->d[i];

	return c->looked[i] && d->outcome.result == POLICY_CHOSEN &&
	       decide_key(d, d->outcome.rung) != NULL;
}

/* It is no recipient: no rule is asked, and nothing but a key will do. */
static void
look(const struct decide_facts *f, struct decide_copies *c, size_t i,
    const char *rule, struct arena *arena)
{
	static const struct policy_ladder ladder = {
	    .rung = {RUNG_SMIME, RUNG_PGP}, .n = 2};
	struct decision *d = &c->d[i];
	size_t n;

	*d = (struct decision){.to_key = policy_archives(f->policy, &n)[i].key,
	    .of = f,
	    .rules = {.ladder = ladder,
		.auto_rung = RUNG_HOLD,
		.decider = rule,
		.from_rule = rule,
		.form = {.hp = POLICY_HP_BASELINE,
		    .cipher = POLICY_CIPHER_AES256_CBC,
		    .sealed = POLICY_SEALED_LADDER,
		    .no_autocrypt = true}}};
	d->facts.from = span_str(f->from_key);
	d->facts.to = span_str(d->to_key);
	decide_find_keys(f, NULL, arena, d);
	policy_walk(&d->rules, d->state, 0, &d->outcome);
	c->looked[i] = true;
}

void
decide_copy_again(struct decide_copies *c, size_t i, enum err failure)
{
	struct decision *d = &c->d[i];

	d->state[d->outcome.rung] = RUNG_FAILED;
	d->failure[d->outcome.rung] = failure;
	policy_walk(&d->rules, d->state, 0, &d->outcome);
}

static const char *
reason_of(const struct decide_copies *c, size_t i, struct arena *arena)
{
	const struct decision *d = &c->d[i];
	const char *text = arena_printf(arena,
	    "the copy for the archive %s cannot be made: %s", d->to_key,
	    decide_reason(d, arena));

	return text == NULL ? err_text(ERR_NO_KEY) : text;
}

void
decide_archive(const struct decide_facts *f, struct decide_copies *c,
    struct decision *const *d, size_t n, struct arena *arena)
{
	size_t n_archives;

	(void)policy_archives(f->policy, &n_archives);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n_archives; k++) {
			const char *rule = d[i]->rules.archive_rule[k];

			if (!decide_is_copied(d[i], k))
				continue;
			if (!c->looked[k])
				look(f, c, k, rule, arena);
			if (decide_copy_holds(c, k))
				continue;
			d[i]->archive_why = reason_of(c, k, arena);
			d[i]->archive_rule = rule;
			d[i]->outcome.result = POLICY_DEFER;
			d[i]->outcome.rung = RUNG_HOLD;
		}
}
