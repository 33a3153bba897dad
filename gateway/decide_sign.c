/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Whether a recipient's copy is signed and with which key, once its rung
 * stands: the format of the rung says which kind of key it takes.
 */
#include "gateway/decide_private.h"
#include "gateway/message.h"

/* The sender's own key, or its domain's where that may stand in. */
static const struct signer_key *
pick(const struct signer_key *own, const struct signer_key *domain,
    bool domain_may, struct decide_sign *out)
{
	out->of_domain = own->record == NULL && domain_may;
	return out->of_domain ? domain : own;
}

static bool
take(const struct signer_key *k, struct decide_sign *out)
{
	out->key = k->record;
	if (k->record == NULL) {
		out->of_domain = false;
		out->why = k->why;
	}
	return k->record != NULL;
}

/* What is readable is signed in the format that more software knows. */
static void
find_key(
    const struct signer *s, const struct decision *d, struct decide_sign *out)
{
	enum rung rung = d->outcome.rung;
	bool domain = d->rules.form.sign_as_domain;

	if (rung != RUNG_PGP && d->cannot_sign[KS_SMIME] == NULL &&
	    take(pick(&s->smime, &s->domain_smime, domain, out), out))
		return;
	if (rung != RUNG_SMIME && d->cannot_sign[KS_OPENPGP] == NULL &&
	    take(pick(&s->pgp, &s->domain_pgp, domain, out), out))
		return;
	for (int kind = KS_OPENPGP; kind >= KS_SMIME; kind--)
		if (d->cannot_sign[kind] != NULL)
			out->why = d->cannot_sign[kind];
}

static void
find_signature(const struct decide_facts *f, const struct decision *d,
    struct decide_sign *out)
{
	if (f->signer.why != NULL)
		out->why = f->signer.why;
	else if (d->outcome.rung == RUNG_ESCROW)
		out->why = "mail for pick-up is not signed";
	else
		find_key(&f->signer, d, out);
	if (out->key == NULL && out->why == NULL)
		out->why = "there is no key for it";
}

/* A certificate could be issued for the sender. */
static bool
may_issue(const struct decide_facts *f, const struct decision *d)
{
	return d->rules.form.auto_issue && f->signer.why == NULL &&
	       d->outcome.rung != RUNG_ESCROW && d->outcome.rung != RUNG_PGP &&
	       d->cannot_sign[KS_SMIME] == NULL;
}

/* What that means for this message; false: it is as without. */
static bool
issue(const struct decide_facts *f, struct decision *d, struct decide_sign *s)
{
	if (f->signer.issue_why != NULL)
		s->why = f->signer.issue_why;
	switch (f->signer.issue) {
	case SIGNER_NOT_ISSUED:
		return false;
	case SIGNER_WOULD_ISSUE:
		s->why = "its certificate is issued when it is sent";
		return true;
	case SIGNER_ISSUE_FAILED:
		if (d->rules.form.sign != POLICY_SIGN_REQUIRED)
			return true;
		d->outcome.result = POLICY_DEFER;
		d->outcome.rung = RUNG_HOLD;
		return true;
	}
	return false;
}

bool
decide_wants_certificate(const struct decide_facts *f, const struct decision *d)
{
	const struct signer *s = &f->signer;

	return d->err == ERR_OK && d->outcome.result == POLICY_CHOSEN &&
	       d->sign.key == NULL && d->rules.form.auto_issue &&
	       d->rules.form.sign != POLICY_SIGN_NO && s->why == NULL &&
	       s->err == ERR_OK && s->issue == SIGNER_NOT_ISSUED &&
	       s->issue_why == NULL && !f->message->is_signed &&
	       !decide_passes(d) &&
	       (d->sign.refused ||
		   (policy_rung_sends(d->outcome.rung) && may_issue(f, d)));
}

void
decide_signature(const struct decide_facts *f, struct decision *d)
{
	struct decide_sign s = {0};

	d->sign = s;
	if (d->err != ERR_OK || d->outcome.result != POLICY_CHOSEN ||
	    !policy_rung_sends(d->outcome.rung) ||
	    d->rules.form.sign == POLICY_SIGN_NO)
		return;
	if (f->message != NULL && f->message->is_signed) {
		s.why = "it is signed already";
		d->sign = s;
		return;
	}
	if (decide_passes(d)) {
		s.why = "it is encrypted already";
		d->sign = s;
		return;
	}
	if (f->signer.err != ERR_OK) {
		s.why = "the keystore cannot tell the key of the sender";
		d->outcome.result = POLICY_DEFER;
		d->outcome.rung = RUNG_HOLD;
	} else {
		find_signature(f, d, &s);
	}
	if (d->outcome.result == POLICY_CHOSEN && s.key == NULL &&
	    may_issue(f, d) && issue(f, d, &s)) {
		d->sign = s;
		return;
	}
	if (d->outcome.result == POLICY_CHOSEN && s.key == NULL &&
	    d->rules.form.sign == POLICY_SIGN_REQUIRED) {
		s.refused = true;
		d->outcome.rung = RUNG_REJECT;
		d->outcome.strength = POLICY_STRENGTH_SENDS_NOTHING;
	}
	d->sign = s;
}

bool
decide_is_unsigned_by(const struct decision *d, enum err e)
{
	if (d->sign.key == NULL)
		return false;
	return e == ERR_CANNOT_SIGN ||
	       (d->outcome.rung == RUNG_PGP &&
		   (e == ERR_NO_KEY || e == ERR_KEY_EXPIRED ||
		       e == ERR_KEY_REVOKED || e == ERR_KEY_UNUSABLE));
}

void
decide_unsigned(
    const struct decide_facts *f, struct decision *d, const char *why)
{
	d->cannot_sign[d->sign.key->kind] = why;
	decide_signature(f, d);
}

bool
decide_is_unsignable(const struct decide_facts *f)
{
	const struct signer *s = &f->signer;

	if (s->why != NULL)
		return true;
	return s->err == ERR_OK && s->smime.record == NULL &&
	       s->pgp.record == NULL && s->domain_smime.record == NULL &&
	       s->domain_pgp.record == NULL;
}
