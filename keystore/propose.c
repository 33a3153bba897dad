/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Reading what is known, writing what was decided. No rule of its own.
 */
#include "keystore/propose.h"

#include <string.h>

#include "common/arena.h"
#include "common/digest.h"
#include "crypto/openpgp_packet.h"
#include "keystore/history.h"
#include "keystore/pending.h"
#include "keystore/setting.h"

enum { OTHERS_MAX = 64 }; /* beyond this an address takes nothing more */

bool
ks_record_is_itself(const struct ks_record *r)
{
	struct crypto_pgp_packet first;
	uint8_t fpr[KS_FPR_MAX];
	size_t len = DIGEST_SIZE;

	switch (r->kind) {
	case KS_SMIME:
		digest_sha256(&r->key, 1, fpr);
		return span_eq(r->fpr, SPAN(fpr, len));
	case KS_OPENPGP:
		return crypto_pgp_packet_next(r->key, &first) == ERR_OK &&
		       first.tag == CRYPTO_PGP_TAG_PUBLIC_KEY &&
		       crypto_pgp_fpr(first.body, fpr, &len) == ERR_OK &&
		       len > 0 && span_eq(r->fpr, SPAN(fpr, len));
	}
	return false;
}

struct gather {
	const struct ks_proposal *p;
	struct arena *arena;
	const struct ks_record *list[OTHERS_MAX];
	size_t n;
};

static enum err
collect(void *ctx, const struct ks_record *r)
{
	struct gather *g = ctx;
	struct ks_record *copy;
	enum err e;

	if (r->kind != g->p->record->kind || span_eq(r->fpr, g->p->record->fpr))
		return ERR_OK;
	if (g->n == OTHERS_MAX)
		return ERR_LIMIT;
	e = ks_record_copy(r, false, g->arena, &copy);
	if (e == ERR_OK)
		g->list[g->n++] = copy;
	return e;
}

/* The address, or "@domain"; room has KS_ADDR_MAX + 1 octets. */
static struct span
name_of(const struct ks_proposal *p, uint8_t *room)
{
	struct span domain = p->record->domain;

	if (p->addr.len > 0)
		return p->addr;
	if (domain.len == 0 || domain.len >= KS_ADDR_MAX)
		return SPAN(NULL, 0);
	room[0] = '@';
	memcpy(room + 1, domain.data, domain.len);
	return SPAN(room, domain.len + 1);
}

/* The zero value of an event's kind changes nothing and is not told. */
static enum ks_event_what
event_of(const struct ks_known *known, const struct ks_record *r,
    const struct ks_decision *d)
{
	switch (d->change) {
	case KS_CHANGE_ADD:
		return KS_EVENT_ADDED;
	case KS_CHANGE_RENEW:
		return KS_EVENT_RENEWED;
	case KS_CHANGE_UPDATE:
		/* what changes nothing for sealing is not worth a line */
		if (known->same != NULL && known->same->trust == r->trust &&
		    known->same->not_after == r->not_after &&
		    known->same->flaw == r->flaw &&
		    known->same->n_addrs == r->n_addrs)
			return (enum ks_event_what)0;
		return KS_EVENT_UPDATED;
	case KS_CHANGE_WAIT:
		return KS_EVENT_WAITS;
	case KS_CHANGE_REFUSE:
	case KS_CHANGE_NOTHING:
	case KS_CHANGE_COUNT:
		break;
	}
	return (enum ks_event_what)0;
}

/* Kept aside, or refused after all: too many wait, or the answer is known. */
static enum err
wait_for_word(struct ks_store *s, const struct ks_proposal *p, struct span name,
    const struct ks_record *r, struct ks_decision *d, bool *known)
{
	const struct ks_pending wait = {.name = name,
	    .at = p->now,
	    .old = d->old != NULL ? d->old->fpr : SPAN(NULL, 0),
	    .why = span_str(d->why.text),
	    .record = *r};
	enum err e = ks_pending_put(s, &wait, known);

	if (e != ERR_LIMIT && e != ERR_PERMISSION)
		return e;
	d->change = KS_CHANGE_REFUSE;
	d->err = err_why(&d->why, e, "%s",
	    e == ERR_LIMIT ? "too many keys wait for approval already"
			   : "an administrator has refused it");
	return ERR_OK;
}

static enum err
put_candidate(struct ks_store *s, const struct ks_record *r)
{
	struct ks_record candidate = *r;

	candidate.trust = KS_CANDIDATE;
	return ks_put(s, &candidate);
}

static enum err
apply(struct ks_store *s, const struct ks_known *known,
    const struct ks_proposal *p, struct span name, struct ks_decision *d)
{
	struct span addrs[KS_ADDRS_MAX];
	struct ks_event event = {.at = p->now, .who = SPAN_LIT("admission")};
	bool told = false;
	struct ks_record r;
	enum err e;

	if (d->change <= KS_CHANGE_NOTHING)
		return ERR_OK;
	ks_change_merge(known, p, d, addrs, &r);
	if (d->change == KS_CHANGE_WAIT)
		e = wait_for_word(s, p, name, &r, d, &told);
	else
		e = ks_put(s, &r);
	if (e == ERR_OK && d->change == KS_CHANGE_WAIT && d->by_chain &&
	    known->same == NULL)
		e = put_candidate(s, &r);
	event.what = event_of(known, &r, d);
	if (e != ERR_OK || (int)event.what == 0 || told)
		return e;
	event.addr = name;
	event.was = known->same != NULL ? known->same->trust : KS_DISTRUSTED;
	event.text = span_str(d->why.text);
	return ks_history_of(s, &event, &r);
}

static enum err
gather(struct ks_store *s, struct gather *g, struct span name)
{
	if (name.len == 0)
		return ERR_OK;
	if (name.data[0] == '@')
		return ks_find(s, KS_BY_DOMAIN,
		    SPAN(name.data + 1, name.len - 1), collect, g);
	return ks_find(s, KS_BY_ADDR, name, collect, g);
}

enum err
ks_propose(struct ks_store *s, const struct ks_rules *rules,
    const struct ks_proposal *p, struct arena *arena, struct ks_decision *out)
{
	struct gather g = {.p = p, .arena = arena};
	struct ks_setting setting = {0};
	uint8_t room[KS_ADDR_MAX + 1];
	struct span name = name_of(p, room);
	struct ks_known known = {.others = g.list, .setting = &setting};
	struct ks_record *same = NULL;
	struct ks_decision d;
	enum err e = ks_get(s, p->record->fpr, arena, &same);

	if (e == ERR_OK || e == ERR_NOT_FOUND)
		e = gather(s, &g, name);
	if (e == ERR_LIMIT) {
		d = (struct ks_decision){0};
		d.err = err_why(
		    &d.why, ERR_LIMIT, "too many keys for this address");
		*out = d;
		return ERR_OK;
	}
	if (e == ERR_OK && name.len > 0)
		e = ks_setting_for(s, name, &setting);
	if (e != ERR_OK)
		return e;
	known.same = same;
	known.n_others = g.n;
	ks_change_decide(rules, &known, p, &d);
	e = apply(s, &known, p, name, &d);
	if (e == ERR_OK)
		*out = d;
	return e;
}
