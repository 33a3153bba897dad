/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The choice of a key. Every candidate gets a verdict; the best usable one is
 * taken. What is not definite is never told as an absence.
 */
#include "keystore/lookup.h"

#include "common/arena.h"
#include "keystore/setting.h"
#include "keystore/store_private.h"

struct search {
	struct ks_store *store;
	struct span addr;
	struct span domain; /* set while keys of the whole domain are sought */
	enum ks_kind kind;
	int64_t now;
	const struct ks_remote *remote;
	size_t n_remote;
	struct arena *arena;
	const struct ks_record *best;
	size_t best_at; /* its place in the trace; KS_TRACE_MAX: none */
	enum ks_trust seal_from;
	bool pinned; /* one is, usable or not */
	bool lapsed;
	bool waits;	 /* a usable one, but a stronger source is silent */
	enum err reason; /* of the candidate that came closest */
	struct ks_result *out;
};

const char *
ks_state_name(enum ks_state s)
{
	switch (s) {
	case KS_FAILED:
		return "failed";
	case KS_LAPSED:
		return "lapsed";
	case KS_ABSENT:
		return "absent";
	case KS_HOLDS:
		return "holds";
	}
	return "?";
}

static bool
carries_address(const struct search *s, const struct ks_record *r)
{
	if (s->domain.len > 0)
		return span_eq(r->domain, s->domain);
	for (size_t i = 0; i < r->n_addrs; i++)
		if (span_eq(r->addrs[i], s->addr))
			return true;
	return false;
}

/* A key that an administrator or a CA vouches for waits for nobody. */
static bool
stronger_is_silent(const struct search *s, const struct ks_record *r)
{
	if (r->trust >= KS_TRUSTED)
		return false;
	for (size_t i = 0; i < s->n_remote; i++)
		if (s->remote[i].answer == KS_ANSWER_FAILED &&
		    s->remote[i].source < r->source)
			return true;
	return false;
}

static enum err
verdict_by_flaw(enum ks_flaw flaw, const char **why)
{
	switch (flaw) {
	case KS_FLAW_NONE:
		return ERR_OK;
	case KS_FLAW_UNSUITABLE:
		*why = "not fit for sealing";
		return ERR_KEY_UNUSABLE;
	case KS_FLAW_UNSUPPORTED:
		*why = "algorithm not supported";
		return ERR_UNSUPPORTED;
	case KS_FLAW_REVOKED:
		*why = "revoked";
		return ERR_KEY_REVOKED;
	}
	*why = "not fit for sealing";
	return ERR_KEY_UNUSABLE;
}

static enum err
verdict_by_trust(enum ks_trust trust, enum ks_trust from, const char **why)
{
	static const char *const below[KS_TRUST_COUNT] = {
	    [KS_DISTRUSTED] = "distrusted by an administrator",
	    [KS_CANDIDATE] = "only a candidate, not trusted",
	    [KS_HARVESTED] = "only harvested, not trusted",
	    [KS_DISCOVERED] = "only discovered, and more is asked for here",
	    [KS_TRUSTED] = "trusted, but only pinned keys are used here",
	};

	if (trust != KS_DISTRUSTED && trust >= from)
		return ERR_OK;
	*why = below[trust];
	return ERR_KEY_UNTRUSTED;
}

static bool
is_absent_at(const struct search *s, enum ks_source source)
{
	for (size_t i = 0; i < s->n_remote; i++)
		if (s->remote[i].source == source)
			return s->remote[i].answer == KS_ANSWER_ABSENT;
	return false;
}

/* Nobody who brought it has it any more. A certificate is good by itself, and
   what an administrator trusts is his to take away. */
static bool
is_lost(const struct search *s, const struct ks_record *r)
{
	if (r->kind != KS_OPENPGP || r->trust >= KS_TRUSTED ||
	    r->source <= KS_SOURCE_CA || r->source == KS_SOURCE_HARVEST)
		return false;
	for (int i = KS_SOURCE_MANUAL; i <= KS_SOURCE_HARVEST; i++) {
		enum ks_source source = (enum ks_source)i;

		if ((r->sources & ks_source_bit(source)) != 0 &&
		    !is_absent_at(s, source))
			return false;
	}
	return r->sources != 0;
}

static enum err
verdict(const struct search *s, const struct ks_record *r, const char **why)
{
	enum err e;

	if (!carries_address(s, r)) {
		*why = "does not carry the address";
		return ERR_KEY_ADDR;
	}
	e = verdict_by_trust(r->trust, s->seal_from, why);
	if (e == ERR_OK)
		e = verdict_by_flaw(r->flaw, why);
	if (e != ERR_OK)
		return e;
	if (!(r->good_for & KS_GOOD_SEAL)) {
		*why = "not meant for sealing";
		return ERR_KEY_UNUSABLE;
	}
	if (s->now < r->not_before) {
		*why = "not valid yet";
		return ERR_KEY_EXPIRED;
	}
	if (ks_record_is_over(r, s->now)) {
		*why = "expired";
		return ERR_KEY_EXPIRED;
	}
	if (is_lost(s, r)) {
		*why = "its source has it no more";
		return ERR_KEY_LOST;
	}
	if (stronger_is_silent(s, r)) {
		*why = "a stronger source has not answered";
		return ERR_RUNG_FAILED;
	}
	*why = "usable";
	return ERR_OK;
}

/* The reason to tell when nothing can be used: what came closest. */
static int
closeness(enum err e)
{
	static const enum err order[] = {ERR_NO_KEY, ERR_KEY_ADDR,
	    ERR_KEY_UNTRUSTED, ERR_UNSUPPORTED, ERR_KEY_UNUSABLE,
	    ERR_KEY_REVOKED, ERR_KEY_LOST, ERR_KEY_EXPIRED, ERR_RUNG_FAILED};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (order[i] == e)
			return (int)i;
	return -1;
}

static bool
ends_later(const struct ks_record *a, const struct ks_record *b)
{
	if (a->not_after == 0 || b->not_after == 0)
		return a->not_after == 0 && b->not_after != 0;
	return a->not_after > b->not_after;
}

static bool
is_better(const struct ks_record *a, const struct ks_record *b)
{
	if (b == NULL)
		return true;
	if (a->trust != b->trust)
		return a->trust > b->trust;
	if (a->not_before != b->not_before)
		return a->not_before > b->not_before;
	/* by fingerprint otherwise: so they are found */
	return ends_later(a, b);
}

/* The best one so far comes with its key, wherever it stands in the trace. */
static enum err
take(struct search *s, const struct ks_record *r, size_t at)
{
	struct ks_record *copy;
	enum err e = ks_record_copy(r, true, s->arena, &copy);

	if (e != ERR_OK)
		return e;
	s->best = copy;
	s->best_at = at;
	if (at < KS_TRACE_MAX)
		s->out->candidate[at].record = copy;
	return ERR_OK;
}

static enum err
trace(struct search *s, const struct ks_record *r, enum err v, const char *why,
    size_t *at)
{
	struct ks_result *out = s->out;
	const char *general = "";
	struct ks_record *copy;
	enum err e;

	*at = KS_TRACE_MAX;
	if (out->n == KS_TRACE_MAX) {
		out->n_more++;
		return ERR_OK;
	}
	e = ks_record_copy(r, false, s->arena, &copy);
	if (e != ERR_OK)
		return e;
	/* What admission found says more; the copy ends in a NUL. */
	if (r->flaw != KS_FLAW_NONE && copy->flaw_text.len > 0 &&
	    v == verdict_by_flaw(r->flaw, &general))
		why = arena_printf(s->arena, "%s: %s", general,
		    (const char *)copy->flaw_text.data);
	if (why == NULL)
		return ERR_NOMEM;
	*at = out->n++;
	out->candidate[*at] =
	    (struct ks_candidate){.record = copy, .verdict = v, .why = why};
	return ERR_OK;
}

/* DESIGN section 6: a certificate whose chain, purpose and address check out is
   discovered, whoever brought it; and one that is revoked is of no use, whoever
   vouches for it. */
static enum err
judge_chain(struct search *s, struct ks_record *r, const char **why)
{
	const struct ks_judge *judge = s->store->judge;
	const char *said = "";
	enum err v, e;
	bool stops;

	if (judge == NULL || r->kind != KS_SMIME || r->trust == KS_DISTRUSTED ||
	    !carries_address(s, r))
		return verdict(s, r, why);
	e = judge->judge(judge->ctx, r,
	    s->domain.len > 0 ? SPAN(NULL, 0) : s->addr, s->now, s->arena,
	    &said);
	if (e == ERR_OK && r->trust < KS_DISCOVERED)
		r->trust = KS_DISCOVERED;
	v = verdict(s, r, why);
	/* a judge that failed has not said that it is not revoked */
	if (e != ERR_OK && (err_class(e) == ERR_CLASS_TEMP ||
			       err_class(e) == ERR_CLASS_INTERNAL))
		e = ERR_RUNG_FAILED;
	stops = e == ERR_KEY_REVOKED || e == ERR_RUNG_FAILED;
	if (e == ERR_OK || (v != ERR_OK && v != ERR_KEY_UNTRUSTED) ||
	    (v == ERR_OK && !stops))
		return v;
	/* it would be believed if its time, or its issuer's, were not over */
	stops = stops || e == ERR_KEY_EXPIRED;
	*why = stops ? said : arena_printf(s->arena, "%s: %s", *why, said);
	return stops ? e : v;
}

static enum err
visit(void *ctx, const struct ks_record *found)
{
	struct ks_record seen = *found;
	const struct ks_record *r = &seen;
	struct search *s = ctx;
	const char *why = "";
	size_t at;
	enum err v, e;

	if (r->kind != s->kind)
		return ERR_OK;
	/* an anchor for one domain is no key of that domain */
	if (s->domain.len > 0 && (r->good_for & KS_GOOD_ISSUE) != 0)
		return ERR_OK;
	v = judge_chain(s, &seen, &why);
	s->pinned =
	    s->pinned || (r->trust == KS_PINNED && carries_address(s, r));
	e = trace(s, r, v, why, &at);
	if (e != ERR_OK)
		return e;
	if (v == ERR_OK && is_better(r, s->best))
		return take(s, r, at);
	s->lapsed = s->lapsed || v == ERR_KEY_EXPIRED || v == ERR_KEY_LOST;
	s->waits = s->waits || v == ERR_RUNG_FAILED;
	if (v != ERR_OK && closeness(v) > closeness(s->reason))
		s->reason = v;
	return ERR_OK;
}

/* While one is pinned no other is used, whatever became of that one. */
static void
drop_all_but_pinned(struct search *s)
{
	if (s->best == NULL || s->best->trust == KS_PINNED)
		return;
	for (size_t i = 0; i < s->out->n; i++) {
		struct ks_candidate *c = &s->out->candidate[i];

		if (c->verdict != ERR_OK)
			continue;
		c->verdict = ERR_KEY_UNTRUSTED;
		c->why = "another key is pinned";
	}
	s->best = NULL;
	s->best_at = KS_TRACE_MAX;
}

static enum err
search_all(struct search *s, struct ks_store *store)
{
	enum err e = ks_find(store, KS_BY_ADDR, s->addr, visit, s);

	if (e == ERR_OK && s->pinned)
		drop_all_but_pinned(s);
	if (e != ERR_OK || s->best != NULL || s->pinned)
		return e;
	s->domain = ks_addr_domain(s->addr);
	e = ks_find(store, KS_BY_DOMAIN, s->domain, visit, s);
	if (e == ERR_OK && s->pinned)
		drop_all_but_pinned(s);
	return e;
}

static bool
some_source_failed(const struct search *s)
{
	for (size_t i = 0; i < s->n_remote; i++)
		if (s->remote[i].answer == KS_ANSWER_FAILED)
			return true;
	return false;
}

static void
fail(struct ks_result *out, enum err e)
{
	out->state = KS_FAILED;
	out->err = e;
}

/* The chosen one is in the trace, even when it came after its end. */
static void
choose(struct search *s)
{
	struct ks_result *out = s->out;

	out->state = KS_HOLDS;
	out->err = ERR_OK;
	out->chosen = s->best;
	if (s->best_at == KS_TRACE_MAX)
		out->candidate[KS_TRACE_MAX - 1] = (struct ks_candidate){
		    .record = s->best, .verdict = ERR_OK, .why = "usable"};
}

static void
conclude(struct search *s, enum err e)
{
	struct ks_result *out = s->out;

	if (e != ERR_OK) {
		fail(out, e);
	} else if (s->best != NULL) {
		choose(s);
	} else if (s->waits || some_source_failed(s)) {
		fail(out, ERR_RUNG_FAILED);
	} else {
		out->state = s->lapsed ? KS_LAPSED : KS_ABSENT;
		out->err = s->reason;
	}
}

void
ks_use_rules(struct ks_store *s, const struct ks_rules *rules)
{
	s->rules = *rules;
}

void
ks_use_judge(struct ks_store *s, const struct ks_judge *judge)
{
	s->judge = judge;
}

void
ks_lookup(struct ks_store *store, struct span addr, enum ks_kind kind,
    int64_t now, const struct ks_remote *remote, size_t n_remote,
    struct arena *arena, struct ks_result *out)
{
	struct search s = {
	    .store = store,
	    .addr = addr,
	    .kind = kind,
	    .now = now,
	    .remote = remote,
	    .n_remote = n_remote,
	    .arena = arena,
	    .reason = ERR_NO_KEY,
	    .out = out,
	};

	struct ks_setting setting;
	enum err e = ks_setting_for(store, addr, &setting);

	*out = (struct ks_result){.state = KS_FAILED, .err = ERR_DB};
	s.seal_from = e == ERR_OK && setting.seal_from != KS_DISTRUSTED
			  ? setting.seal_from
			  : store->rules.seal_from;
	if (e == ERR_OK && kind == KS_SMIME)
		out->opens = setting.opens;
	conclude(&s, e == ERR_OK ? search_all(&s, store) : e);
}
