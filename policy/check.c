/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What is wrong with the rules of a configuration, and what an administrator
 * should know about them. Nothing here decides about a message.
 */
#include "policy/policy_private.h"

#include "common/arena.h"
#include "common/strtab.h"

enum {
	FINDINGS_PER_RULE = 19, /* each check below says at most one thing */
};

struct check {
	const struct policy *policy;
	bool have_portal;
	struct arena *arena;
	struct policy_finding *list;
	size_t n;
	size_t max;
	struct strtab *names;	    /* places of rules */
	struct policy_reach *reach; /* of those that decide, so far */
	enum err err;
};

static void
found(struct check *c, unsigned line, bool fatal, const char *text)
{
	if (text == NULL) {
		c->err = ERR_NOMEM;
		return;
	}
	if (c->n < c->max)
		c->list[c->n++] = (struct policy_finding){
		    .line = line, .fatal = fatal, .text = text};
}

static void
check_name(struct check *c, size_t at)
{
	const struct policy_rule *r = &c->policy->rules[at];
	size_t before;

	if (!strtab_find(c->names, 0, span_str(r->name), &before)) {
		if (strtab_put(c->names, 0, span_str(r->name), at) != ERR_OK)
			c->err = ERR_NOMEM;
		return;
	}
	found(c, r->line, true,
	    arena_printf(c->arena,
		"rule \"%s\": there is a rule of this name in line %u "
		"already",
		r->name, c->policy->rules[before].line));
}

/* A ladder ends in a rung that always holds and has none behind such. */
/* What is too large for a mail is not attached: the rung may not hold. */
static bool
may_end(const struct policy_rule *r, enum rung rung)
{
	return policy_rung_ends(rung) &&
	       !(rung == RUNG_ESCROW && policy_pickup_is_attached(&r->pickup));
}

static void
check_end(struct check *c, const struct policy_rule *r)
{
	const struct policy_ladder *l = &r->ladder;

	for (size_t i = 0; i + 1 < l->n; i++) {
		if (!may_end(r, l->rung[i]))
			continue;
		found(c, r->line, true,
		    arena_printf(c->arena,
			"rule \"%s\": the rung %s is never reached, because %s "
			"before it always holds",
			r->name, policy_rung_name(l->rung[i + 1]),
			policy_rung_name(l->rung[i])));
		return;
	}
	if (l->rung[l->n - 1] == RUNG_ESCROW &&
	    policy_pickup_is_attached(&r->pickup))
		found(c, r->line, true,
		    arena_printf(c->arena,
			"rule \"%s\": with escrow = attachment the ladder must "
			"go on behind escrow, with hold, reject or drop: a "
			"message may be too large for a mail",
			r->name));
	else if (!policy_rung_ends(l->rung[l->n - 1]))
		found(c, r->line, true,
		    arena_printf(c->arena,
			"rule \"%s\": the ladder must end in a rung that "
			"always holds: escrow, hold, reject, drop or clear",
			r->name));
}

static void
check_repeated(struct check *c, const struct policy_rule *r)
{
	unsigned seen = 0;

	for (size_t i = 0; i < r->ladder.n; i++) {
		unsigned bit = 1u << r->ladder.rung[i];

		if (seen & bit) {
			found(c, r->line, true,
			    arena_printf(c->arena,
				"rule \"%s\": the rung %s stands twice in the "
				"ladder",
				r->name, policy_rung_name(r->ladder.rung[i])));
			return;
		}
		seen |= bit;
	}
}

static bool
has_rung(const struct policy_rule *r, enum rung rung)
{
	for (size_t i = 0; i < r->ladder.n; i++)
		if (r->ladder.rung[i] == rung)
			return true;
	return false;
}

/* What is too large to be attached goes on behind escrow, and must not go out
   there with less. */
static bool
check_behind_attached(struct check *c, const struct policy_rule *r)
{
	bool behind = false;

	for (size_t i = 0; i < r->ladder.n; i++) {
		enum rung rung = r->ladder.rung[i];

		if (behind && policy_rung_sends(rung)) {
			found(c, r->line, true,
			    arena_printf(c->arena,
				"rule \"%s\": with escrow = attachment only "
				"hold, reject or drop may stand behind escrow, "
				"not %s: a message too large for a mail would "
				"be sent by it",
				r->name, policy_rung_name(rung)));
			return false;
		}
		behind = behind || rung == RUNG_ESCROW;
	}
	return true;
}

/* Whoever has the file may try for as long as he likes what opens it: nobody
   counts, nobody locks. False if what it says cannot be. */
static bool
check_delivery(struct check *c, const struct policy_rule *r)
{
	if (policy_pickup_is_attached(&r->pickup)) {
		if (r->pickup.factor == POLICY_FACTOR_GENERATED)
			return check_behind_attached(c, r);
		found(c, r->line, true,
		    arena_printf(c->arena,
			"rule \"%s\": escrow = attachment needs second-factor "
			"= "
			"generated, not %s: whoever gets hold of the mail can "
			"try anything weaker without end",
			r->name, policy_factor_name(r->pickup.factor)));
		return false;
	}
	if (r->pickup.delivery == POLICY_DELIVERY_PORTAL && !c->have_portal) {
		found(c, r->line, true,
		    arena_printf(c->arena,
			"rule \"%s\": escrow = portal needs a `portal` section",
			r->name));
		return false;
	}
	return true;
}

/* A link that travels by a hop that could not be protected gives away what the
   tls rung was to protect. */
static void
check_escrow(struct check *c, const struct policy_rule *r)
{
	bool after_tls = false;

	if (!check_delivery(c, r) || !has_rung(r, RUNG_ESCROW))
		return;
	for (size_t i = 0; i < r->ladder.n; i++) {
		if (r->ladder.rung[i] == RUNG_ESCROW)
			break;
		after_tls = after_tls || r->ladder.rung[i] == RUNG_TLS ||
			    r->ladder.rung[i] == RUNG_TLS_ENCRYPT;
	}
	if (!c->have_portal && !policy_pickup_is_attached(&r->pickup))
		found(c, r->line, true,
		    arena_printf(c->arena,
			"rule \"%s\": the rung escrow needs a `portal` "
			"section, "
			"or escrow = attachment",
			r->name));
	if (r->ladder.escrow != POLICY_ESCROW_LINK)
		return;
	if (r->pickup.account)
		found(c, r->line, after_tls,
		    arena_printf(c->arena,
			"rule \"%s\": the first message to a recipient without "
			"an account is opened by the link and a code by mail: "
			"as strong as by link alone%s",
			r->name,
			after_tls ? ", weaker than the tls before it; say "
				    "notice = tls or first-factor = generated"
				  : " (first-factor says otherwise)"));
	else if (r->pickup.factor != POLICY_FACTOR_NONE)
		found(c, r->line, after_tls,
		    arena_printf(c->arena,
			"rule \"%s\": a code at the door does not keep out who "
			"reads the mailbox or has the portal: escrow is as "
			"strong as by link alone%s",
			r->name,
			after_tls ? ", weaker than the tls before it" : ""));
	else if (after_tls)
		found(c, r->line, true,
		    arena_printf(c->arena,
			"rule \"%s\": escrow by link alone is weaker than the "
			"tls before it",
			r->name));
	else
		found(c, r->line, false,
		    arena_printf(c->arena,
			"rule \"%s\": escrow by link alone is as strong as the "
			"hop that carries the notice",
			r->name));
}

static void
check_options(struct check *c, const struct policy_rule *r)
{
	if (r->on_error_weaker)
		found(c, r->line, false,
		    arena_printf(c->arena,
			"rule \"%s\": on-error = weaker lets a failure lead to "
			"a weaker rung (never to clear)",
			r->name));
	if (r->may_lower)
		found(c, r->line, !r->on_message,
		    arena_printf(c->arena,
			!r->on_message
			    ? "rule \"%s\": may-lower needs a condition on the "
			      "message"
			    : "rule \"%s\": may-lower lets a sender choose a "
			      "weaker ladder",
			r->name));
}

/* A tag with a passphrase is of use where a rule asks for one. */
static void
check_passphrase(struct check *c, const struct policy_rule *r)
{
	if (r->pickup.passphrase_tag != NULL &&
	    r->pickup.factor != POLICY_FACTOR_PASSPHRASE)
		found(c, r->line, false,
		    arena_printf(c->arena,
			"rule \"%s\": passphrase-tag does nothing unless a "
			"rule "
			"says second-factor = passphrase",
			r->name));
}

static bool
only_sends_nothing(const struct policy_rule *r)
{
	for (size_t i = 0; i < r->ladder.n; i++)
		if (policy_rung_sends(r->ladder.rung[i]))
			return false;
	return true;
}

static void
check_form(struct check *c, const struct policy_rule *r)
{
	if (r->form.sign == POLICY_SIGN_NO && r->form.sign_as_domain)
		found(c, r->line, false,
		    arena_printf(c->arena,
			"rule \"%s\": sign-as-domain does nothing unless a "
			"rule signs",
			r->name));
	if (r->form.sign == POLICY_SIGN_NO && r->form.auto_issue)
		found(c, r->line, false,
		    arena_printf(c->arena,
			"rule \"%s\": auto-issue does nothing unless a rule "
			"signs",
			r->name));
	if (r->form.sign == POLICY_SIGN_REQUIRED && has_rung(r, RUNG_ESCROW))
		found(c, r->line, false,
		    arena_printf(c->arena,
			"rule \"%s\": mail for pick-up is not signed: with "
			"sign = required it is refused instead",
			r->name));
	if (r->form.sign != POLICY_SIGN_NO && only_sends_nothing(r))
		found(c, r->line, false,
		    arena_printf(c->arena,
			"rule \"%s\" signs, but its ladder sends nothing",
			r->name));
}

static void
check_reachable(struct check *c, size_t at)
{
	const struct policy_rule *r = &c->policy->rules[at], *o;
	size_t before;

	if (policy_rule_raises(r))
		return;
	if (policy_reach_find(c->reach, at, &before)) {
		o = &c->policy->rules[before];
		found(c, r->line, true,
		    arena_printf(c->arena,
			"rule \"%s\" is never reached: rule \"%s\" in line %u "
			"decides everything it matches",
			r->name, o->name, o->line));
	}
	if (policy_reach_add(c->reach, at) != ERR_OK)
		c->err = ERR_NOMEM;
}

static void
check_matches(struct check *c, const struct policy_rule *r)
{
	const char *where = policy_list_is_empty(&r->from) ? "from"
			    : policy_list_is_empty(&r->to) ? "to"
							   : NULL;

	if (where != NULL)
		found(c, r->line, true,
		    arena_printf(c->arena,
			"rule \"%s\" can never match: `%s` excludes all that "
			"it names",
			r->name, where));
}

/* Ties are the decider's, so a ladder that goes as low as any raises none. */
static void
check_raises(struct check *c, const struct policy_rule *r)
{
	if (policy_rule_raises(r) && has_rung(r, RUNG_CLEAR))
		found(c, r->line, false,
		    arena_printf(c->arena,
			"rule \"%s\": its ladder has the rung clear, so it "
			"raises nothing; to let it ask for less it needs "
			"may-lower",
			r->name));
}

bool
policy_attaches(const struct policy *p)
{
	for (size_t i = 0; i < p->n_rules; i++)
		if (policy_pickup_is_attached(&p->rules[i].pickup))
			return true;
	return false;
}

static void
check_default(struct check *c)
{
	for (size_t i = 0; i < c->policy->n_rules; i++) {
		const struct policy_rule *r = &c->policy->rules[i];

		if (!r->on_message && r->from.n == 0 && r->to.n == 0 &&
		    r->n_when == 0)
			return;
	}
	found(c, 0, false,
	    "no rule decides for every recipient: mail that none decides is "
	    "refused");
}

enum err
policy_check(const struct policy *p, bool have_portal, struct arena *arena,
    struct policy_finding **out, size_t *n_out)
{
	struct check c = {.policy = p,
	    .have_portal = have_portal,
	    .arena = arena,
	    .max = p->n_rules * FINDINGS_PER_RULE + 1};

	c.list = arena_array(arena, c.max, sizeof(c.list[0]));
	if (c.list == NULL)
		return ERR_NOMEM;
	c.names = strtab_new();
	c.reach = policy_reach_new(p);
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct policy_rule *r = &p->rules[i];

		check_name(&c, i);
		check_end(&c, r);
		check_repeated(&c, r);
		check_escrow(&c, r);
		check_options(&c, r);
		check_passphrase(&c, r);
		check_form(&c, r);
		check_reachable(&c, i);
		check_matches(&c, r);
		check_raises(&c, r);
	}
	check_default(&c);
	strtab_free(c.names);
	policy_reach_free(c.reach);
	if (c.err != ERR_OK)
		return c.err;
	*out = c.list;
	*n_out = c.n;
	return ERR_OK;
}
