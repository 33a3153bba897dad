/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Mail that its sender's own software has sealed: whether that counts as the
 * rung of its format for a recipient. It does only where a key of the recipient
 * that the rung itself could use is named in the message; whatever is not known
 * for sure goes down the ladder and is sealed by us.
 */
#include <string.h>

#include "common/arena.h"
#include "crypto/openpgp_component.h"
#include "gateway/decide_private.h"
#include "gateway/message.h"
#include "gateway/variant.h"

/* --- is it sealed to this key? --- */

static bool
names_certificate(const struct message_sealed *s, const struct ks_record *r)
{
	for (size_t i = 0; i < s->n_rids; i++) {
		const struct crypto_cms_rid *rid = &s->rid[i];

		if (rid->serial.len > 0
			? span_eq(rid->serial, r->serial) &&
			      span_eq(rid->issuer, r->issuer)
			: rid->ski.len > 0 && span_eq(rid->ski, r->ski))
			return true;
	}
	return false;
}

/* Candidates come without their octets. */
static enum err
names_key(const struct decide_facts *f, const struct message_sealed *s,
    const struct ks_record *r, struct arena *arena, bool *out)
{
	struct ks_record *whole;
	enum err e = ks_get(f->keys, r->fpr, arena, &whole);

	if (e != ERR_OK)
		return e;
	*out = false;
	for (size_t i = 0; i < s->n_key_ids && !*out; i++)
		*out = crypto_pgp_seals_to(whole->key, s->key_id[i], f->now_s);
	return ERR_OK;
}

static bool
is_sealed_to(const struct decide_facts *f, const struct message_sealed *s,
    const struct ks_record *r, struct arena *arena)
{
	bool is = false;

	if (s->kind == MESSAGE_SEALED_CMS)
		return names_certificate(s, r);
	return names_key(f, s, r, arena, &is) == ERR_OK && is;
}

/* --- what keeps it from passing, whoever it is for --- */

static const char *
objection(const struct policy_form *form, const struct message_sealed *s)
{
	if (form->sealed != POLICY_SEALED_PASS)
		return "the rules do not let it pass";
	/* whether it is signed inside nobody can see */
	if (form->sign == POLICY_SIGN_REQUIRED)
		return "it must be signed";
	if (s->flaw != NULL || s->kind != MESSAGE_SEALED_CMS)
		return s->flaw;
	if (!variant_cipher_holds(s->cipher, form->cipher))
		return "its cipher is weaker than the rules ask for";
	if (form->padding != POLICY_PADDING_PKCS1)
		return "its padding may be weaker than the rules ask for";
	return NULL;
}

static bool
has_rung(const struct policy_ladder *l, enum rung rung)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->rung[i] == rung)
			return true;
	return false;
}

void
decide_pass(
    const struct decide_facts *f, struct decision *d, struct arena *arena)
{
	const struct message_sealed *s;
	const struct ks_result *keys;
	struct decide_pass p = {0};

	if (f->message == NULL || f->message->sealed.kind == MESSAGE_SEALED_NOT)
		return;
	s = &f->message->sealed;
	p.rung = s->kind == MESSAGE_SEALED_CMS ? RUNG_SMIME : RUNG_PGP;
	keys = p.rung == RUNG_SMIME ? &d->smime : &d->pgp;
	p.why = objection(&d->rules.form, s);
	if (p.why == NULL && !has_rung(&d->rules.ladder, p.rung))
		p.why = "the rules do not let its format out";
	for (size_t i = 0; p.why == NULL && p.key == NULL && i < keys->n; i++)
		if (keys->candidate[i].verdict == ERR_OK &&
		    is_sealed_to(f, s, keys->candidate[i].record, arena))
			p.key = keys->candidate[i].record;
	if (p.why == NULL && p.key == NULL)
		p.why = "it names no usable key of this recipient";
	d->pass = p;
}

bool
decide_try_pass(struct decision *d)
{
	struct decide_pass *p = &d->pass;

	p->taken = p->key != NULL && d->failure[p->rung] == ERR_OK;
	if (!p->taken)
		return false;
	d->outcome = (struct policy_outcome){.result = POLICY_CHOSEN,
	    .rung = p->rung,
	    .strength = policy_strength(p->rung, d->rules.ladder.escrow),
	    .n = 1,
	    .trace = {{p->rung, d->state[p->rung], POLICY_STEP_CHOSEN}}};
	return true;
}

bool
decide_passes(const struct decision *d)
{
	return d->pass.taken && d->err == ERR_OK &&
	       d->outcome.result == POLICY_CHOSEN &&
	       d->outcome.rung == d->pass.rung;
}
