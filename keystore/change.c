/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The trust rules, DESIGN section 6. A proposal is judged by itself first, then
 * beside the record of its own fingerprint, then beside the other keys of its
 * address. Whatever no rule lets in is refused.
 */
#include "keystore/change.h"

#include <stdio.h>
#include <string.h>

#include "common/text.h"

enum { FPR_SHOWN = 16 }; /* digits that name a key in a sentence */

const struct ks_rules ks_rules_default = {
    .seal_from = KS_DISCOVERED,
    .level =
	{
	    [KS_SOURCE_MANUAL] = KS_TRUSTED,
	    [KS_SOURCE_CA] = KS_TRUSTED,
	    [KS_SOURCE_WKD] = KS_DISCOVERED,
	    [KS_SOURCE_DANE] = KS_DISCOVERED,
	    [KS_SOURCE_VKS] = KS_DISCOVERED,
	    [KS_SOURCE_HKP] = KS_CANDIDATE,
	    [KS_SOURCE_LDAP] = KS_CANDIDATE,
	    [KS_SOURCE_HARVEST] = KS_HARVESTED,
	},
};

const char *
ks_change_name(enum ks_change c)
{
	switch (c) {
	case KS_CHANGE_REFUSE:
		return "refuse";
	case KS_CHANGE_NOTHING:
		return "nothing";
	case KS_CHANGE_WAIT:
		return "wait";
	case KS_CHANGE_ADD:
		return "add";
	case KS_CHANGE_UPDATE:
		return "update";
	case KS_CHANGE_RENEW:
		return "renew";
	case KS_CHANGE_COUNT:
		break;
	}
	return "?";
}

bool
ks_record_is_over(const struct ks_record *r, int64_t now)
{
	if (r->not_after == 0)
		return false;
	return r->kind == KS_SMIME ? now > r->not_after : now >= r->not_after;
}

/* A certificate carries its own proof, so the source does not limit it below
   KS_DISCOVERED; only who may vouch makes it more. */
enum ks_trust
ks_source_level(
    const struct ks_rules *rules, enum ks_source source, enum ks_kind kind)
{
	if (ks_source_bit(source) == 0)
		return KS_CANDIDATE;
	if (kind == KS_SMIME && source > KS_SOURCE_CA)
		return KS_DISCOVERED;
	return rules->level[source];
}

static void
refuse(struct ks_decision *d, enum err e, const char *why)
{
	d->change = KS_CHANGE_REFUSE;
	d->err = err_why(&d->why, e, "%s", why);
}

/* Why, with the key it is about. */
static void
decide(struct ks_decision *d, enum ks_change change, const char *why,
    const struct ks_record *old)
{
	char hex[2 * KS_FPR_MAX + 1] = "";

	d->change = change;
	d->err = ERR_OK;
	d->old = old;
	if (old == NULL || old->fpr.len > KS_FPR_MAX) {
		snprintf(d->why.text, sizeof(d->why.text), "%s", why);
		return;
	}
	text_hex(old->fpr, hex);
	snprintf(d->why.text, sizeof(d->why.text), "%s (%.*s, %s, from %s)",
	    why, FPR_SHOWN, hex, ks_trust_name(old->trust),
	    ks_source_name(old->source));
}

static bool
has_addr(const struct ks_record *r, struct span addr)
{
	for (size_t i = 0; i < r->n_addrs; i++)
		if (span_eq(r->addrs[i], addr))
			return true;
	return false;
}

/* Does the record stand for whom the proposal is about? */
static bool
covers(const struct ks_record *r, const struct ks_proposal *p)
{
	if (p->maker == KS_MAKER_ADMIN)
		return true;
	return p->addr.len > 0 ? has_addr(r, p->addr)
			       : span_eq(r->domain, p->record->domain);
}

/* What the proposal claims by itself. False: refused. */
static bool
may_be_proposed(const struct ks_proposal *p, const struct ks_known *known,
    struct ks_decision *d)
{
	const struct ks_record *r = p->record;
	/* a revocation of what is there is always welcome */
	bool by_hand = known->setting != NULL && known->setting->by_hand &&
		       (known->same == NULL || r->flaw != KS_FLAW_REVOKED);

	if (p->maker != KS_MAKER_ADMISSION && p->maker != KS_MAKER_ADMIN) {
		refuse(d, ERR_PERMISSION, "nobody may ask for this");
	} else if (p->maker == KS_MAKER_ADMIN) {
		return true;
	} else if (r->source <= KS_SOURCE_CA || ks_source_bit(r->source) == 0) {
		refuse(d, ERR_PERMISSION,
		    "only an administrator brings keys by hand");
	} else if (r->trust == KS_DISTRUSTED) {
		refuse(d, ERR_PERMISSION, "only an administrator distrusts");
	} else if (by_hand) {
		refuse(
		    d, ERR_POLICY_REJECT, "keys here are only taken by hand");
	} else if (p->addr.len > 0 && !has_addr(r, p->addr)) {
		refuse(d, ERR_KEY_ADDR, "it does not carry the address");
	} else if (p->addr.len == 0 && r->domain.len == 0) {
		refuse(d, ERR_KEY_ADDR, "it is proposed for nobody");
	} else {
		return true;
	}
	return false;
}

static unsigned
count_bits(uint32_t set)
{
	unsigned n = 0;

	for (; set != 0; set &= set - 1)
		n++;
	return n;
}

/* Never above the level of the source; where independent sources bring the
   same key and policy says so, that is worth KS_DISCOVERED. */
static enum ks_trust
level_of(const struct ks_rules *rules, const struct ks_known *known,
    const struct ks_proposal *p)
{
	const struct ks_record *r = p->record;
	enum ks_trust level = ks_source_level(rules, r->source, r->kind);
	uint32_t sources = ks_source_bit(r->source);

	if (p->maker == KS_MAKER_ADMIN)
		return r->trust;
	if (r->trust < level)
		level = r->trust;
	if (known->same != NULL)
		sources |= known->same->sources;
	/* a record of several addresses does not tell who brought which */
	if (rules->agree > 1 && level < KS_DISCOVERED && known->same != NULL &&
	    known->same->n_addrs == 1 && covers(known->same, p) &&
	    count_bits(sources) >= rules->agree)
		level = KS_DISCOVERED;
	return level;
}

static bool
says_the_same(const struct ks_record *a, const struct ks_record *b)
{
	return span_eq(a->key, b->key) && a->flaw == b->flaw &&
	       a->not_after == b->not_after && a->not_before == b->not_before &&
	       a->good_for == b->good_for;
}

/* --- other keys of the address --- */

struct others {
	const struct ks_record *pinned;
	const struct ks_record *current;     /* can be used now */
	const struct ks_record *over;	     /* expired or revoked */
	const struct ks_record *over_same;   /* that one's source is ours */
	const struct ks_record *same_issuer; /* a certificate of our issuer */
	size_t n_found; /* of sources, of the new one's level or better */
	enum ks_trust level;
};

static void
look_at(
    struct others *o, const struct ks_record *r, const struct ks_proposal *p)
{
	bool over = r->flaw == KS_FLAW_REVOKED || ks_record_is_over(r, p->now);

	if (r->kind != p->record->kind || span_eq(r->fpr, p->record->fpr))
		return;
	/* what strangers can have brought by the dozen leaves room for what
	   is worth more */
	if (r->source > KS_SOURCE_CA && r->trust >= o->level)
		o->n_found++;
	if (r->trust == KS_PINNED)
		o->pinned = r;
	if (r->trust < KS_DISCOVERED)
		return;
	if (over) {
		o->over = r;
		if (r->source == p->record->source)
			o->over_same = r;
	} else if (r->flaw == KS_FLAW_NONE && (r->good_for & KS_GOOD_SEAL)) {
		o->current = r;
	}
	if (r->kind == KS_SMIME && r->issuer.len > 0 &&
	    span_eq(r->issuer, p->record->issuer))
		o->same_issuer = r;
}

/* DESIGN section 6: a certificate for the same address from the same issuer or
   a configured anchor is a renewal. Who issued it is only a name here: whether
   a chain leads to an anchor is not for who brings it to say, nor for who
   writes it down, but is checked whenever it is used. */
static void
beside_certificates(
    const struct others *o, const struct ks_proposal *p, struct ks_decision *d)
{
	const struct ks_record *old = o->current != NULL ? o->current : o->over;

	if (old == NULL)
		decide(d, KS_CHANGE_ADD, "the first of its address", NULL);
	else if (o->same_issuer != NULL)
		decide(d, KS_CHANGE_RENEW, "a certificate of the same issuer",
		    o->same_issuer);
	else if (o->current == NULL && o->over_same != NULL)
		decide(d, KS_CHANGE_RENEW,
		    "its source replaces one that is over", o->over_same);
	else {
		d->by_chain = true;
		decide(d, KS_CHANGE_WAIT,
		    "another issuer than that of the certificate in use: until "
		    "it is approved, only its chain can make it good",
		    old);
	}
}

/* Another OpenPGP key waits for approval, unless the old one has expired or is
   revoked and the same source brings the new. */
static void
beside_keys(
    const struct others *o, const struct ks_proposal *p, struct ks_decision *d)
{
	if (o->current != NULL)
		decide(d, KS_CHANGE_WAIT,
		    o->current->source == p->record->source
			? "another key than the one in use"
			: "sources disagree: another key is in use",
		    o->current);
	else if (o->over_same != NULL)
		decide(d, KS_CHANGE_RENEW,
		    "its source replaces one that is over", o->over_same);
	else if (o->over != NULL)
		decide(d, KS_CHANGE_WAIT,
		    "the key before came from another source", o->over);
	else
		decide(d, KS_CHANGE_ADD, "the first of its address", NULL);
}

static void
beside_others(const struct ks_known *known, const struct ks_proposal *p,
    struct ks_decision *d)
{
	const struct ks_record *r = p->record;
	struct others o = {.level = d->trust};

	for (size_t i = 0; i < known->n_others; i++)
		look_at(&o, known->others[i], p);
	d->only_addr = p->addr.len > 0;
	if (ks_record_is_over(r, p->now))
		refuse(d, ERR_KEY_EXPIRED, "it has expired");
	else if (o.n_found >= KS_PER_ADDR_MAX)
		refuse(d, ERR_LIMIT,
		    "sources have brought too many keys for "
		    "this address already");
	else if (d->trust < KS_DISCOVERED || r->flaw != KS_FLAW_NONE)
		/* never sealed to, so it stands in nobody's way */
		decide(d, KS_CHANGE_ADD, "kept, but not for sealing", NULL);
	else if (o.pinned != NULL)
		decide(d, KS_CHANGE_WAIT, "another key is pinned", o.pinned);
	else if (r->kind == KS_SMIME)
		beside_certificates(&o, p, d);
	else
		beside_keys(&o, p, d);
}

/* --- the same fingerprint --- */

/* The record has one level for all its addresses: one that is vouched for less
   than the others must not get theirs, and one that is new to it is judged
   beside the other keys of that address. */
static void
give_address(const struct ks_known *known, const struct ks_proposal *p,
    struct ks_decision *d)
{
	const struct ks_record *same = known->same;

	if (p->addr.len == 0 && same->domain.len > 0 &&
	    !span_eq(same->domain, p->record->domain)) {
		refuse(d, ERR_EXISTS, "the key stands for another domain");
		return;
	}
	if (same->trust != KS_DISTRUSTED && d->trust < same->trust) {
		if (d->trust < KS_DISCOVERED)
			refuse(d, ERR_KEY_UNTRUSTED,
			    "the key is known, and this source is not good "
			    "enough to give it another address");
		else
			decide(d, KS_CHANGE_WAIT,
			    "a key that is trusted more would get another "
			    "address",
			    same);
		return;
	}
	beside_others(known, p, d);
	if (d->change == KS_CHANGE_ADD || d->change == KS_CHANGE_RENEW)
		decide(d, KS_CHANGE_UPDATE,
		    covers(same, p) ? "its level rises"
				    : "it gets another address",
		    same);
}

/* 0 is never, and the latest. */
static bool
is_later(int64_t a, int64_t b)
{
	return b != 0 && (a == 0 || a > b);
}

static bool
can_seal(const struct ks_record *r, int64_t now)
{
	return r->flaw == KS_FLAW_NONE && (r->good_for & KS_GOOD_SEAL) != 0 &&
	       !ks_record_is_over(r, now);
}

/* May these octets replace those there? Anybody can bring an old copy, or one
   with parts taken off: its signatures are right, and it is not the key that
   was trusted. Who stands behind the record may; others only with what was
   extended, or what can be used where nothing could. */
static bool
may_replace(const struct ks_record *same, const struct ks_record *r,
    const struct ks_proposal *p, enum ks_trust level)
{
	if (p->maker == KS_MAKER_ADMIN || r->flaw == KS_FLAW_REVOKED)
		return true;
	if (level >= KS_DISCOVERED && r->source == same->source)
		return true;
	if (level >= same->trust && r->source <= same->source)
		return true;
	return can_seal(r, p->now) &&
	       (!can_seal(same, p->now) ||
		   is_later(r->not_after, same->not_after));
}

static void
beside_itself(const struct ks_known *known, const struct ks_proposal *p,
    struct ks_decision *d)
{
	const struct ks_record *same = known->same, *r = p->record;
	bool carries = covers(same, p);
	bool raises = d->trust > same->trust && same->trust != KS_DISTRUSTED;
	bool new_source = (same->sources & ks_source_bit(r->source)) == 0;
	/* what makes it usable is judged beside the keys that are */
	bool opens = raises && same->trust < KS_DISCOVERED &&
		     p->maker == KS_MAKER_ADMISSION;

	if (same->kind != r->kind) {
		refuse(d, ERR_EXISTS,
		    "a key of another kind has this "
		    "fingerprint");
		return;
	}
	if (same->flaw == KS_FLAW_REVOKED && r->flaw != KS_FLAW_REVOKED)
		decide(d, KS_CHANGE_NOTHING,
		    "an older copy does not undo a revocation", same);
	else if ((!carries || opens) && r->flaw != KS_FLAW_REVOKED)
		give_address(known, p, d);
	else if (says_the_same(same, r) && !raises && !new_source)
		decide(d, KS_CHANGE_NOTHING, "it is there already", same);
	else if (!says_the_same(same, r) && !may_replace(same, r, p, d->trust))
		decide(d, KS_CHANGE_NOTHING,
		    "a copy of who vouches for less changes nothing", same);
	else
		decide(d, KS_CHANGE_UPDATE, "a newer copy", same);
	/* the others were vouched for less */
	d->only_addr = raises && p->maker == KS_MAKER_ADMISSION;
	if (d->change == KS_CHANGE_UPDATE &&
	    (same->trust == KS_DISTRUSTED || same->trust > d->trust))
		d->trust = same->trust;
}

void
ks_change_decide(const struct ks_rules *rules, const struct ks_known *known,
    const struct ks_proposal *p, struct ks_decision *out)
{
	struct ks_decision d = {.err = ERR_INTERNAL};

	if (may_be_proposed(p, known, &d)) {
		d.trust = level_of(rules, known, p);
		if (known->same != NULL)
			beside_itself(known, p, &d);
		else if (p->maker == KS_MAKER_ADMIN)
			decide(&d, KS_CHANGE_ADD, "by an administrator", NULL);
		else
			beside_others(known, p, &d);
	}
	*out = d;
}

/* --- what is written --- */

/* By convention the key of a whole domain is found as that of this address. */
static bool
is_of_domain(struct span addr)
{
	return span_starts_caseeq(addr, "_domain@");
}

/* That of others proves a mailbox, and anybody may have that one. */
static bool
speaks_for_domains(enum ks_source s)
{
	return s <= KS_SOURCE_DANE || s == KS_SOURCE_LDAP;
}

static void
add_addr(struct ks_record *r, struct span addr)
{
	if (r->n_addrs < KS_ADDRS_MAX && !has_addr(r, addr))
		r->addrs[r->n_addrs++] = addr;
}

void
ks_change_merge(const struct ks_known *known, const struct ks_proposal *p,
    const struct ks_decision *d, struct span *addrs, struct ks_record *out)
{
	const struct ks_record *old = known->same, *r = p->record;
	bool all = p->maker == KS_MAKER_ADMIN;

	*out = *r;
	out->trust = d->trust;
	out->sources = ks_source_bit(r->source);
	out->addrs = addrs;
	out->n_addrs = 0;
	if (p->maker == KS_MAKER_ADMISSION && p->addr.len > 0)
		out->domain = SPAN(NULL, 0);
	if (old != NULL && !d->only_addr)
		for (size_t i = 0; i < old->n_addrs; i++)
			add_addr(out, old->addrs[i]);
	for (size_t i = 0; all && i < r->n_addrs; i++)
		add_addr(out, r->addrs[i]);
	/* who tells of a revocation vouches for nobody */
	if (!all && p->addr.len > 0 &&
	    (old == NULL || r->flaw != KS_FLAW_REVOKED))
		add_addr(out, p->addr);
	if (!all && is_of_domain(p->addr) && speaks_for_domains(r->source))
		out->domain = ks_addr_domain(p->addr);
	if (old == NULL)
		return;
	out->sources |= old->sources;
	out->added = old->added;
	/* Whoever vouches for it most is named as its source. */
	if (old->source < r->source && !d->only_addr) {
		out->source = old->source;
		out->url = old->url;
	}
	if (old->domain.len > 0 && !d->only_addr)
		out->domain = old->domain;
	if (r->n_caps == 0) {
		out->n_caps = old->n_caps;
		out->caps = old->caps;
	}
}
