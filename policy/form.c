/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What rules ask for beside the ladder: signature, header protection, the
 * least form of S/MIME, Autocrypt, how mail is picked up. Raising never takes
 * any of it away.
 */
#include "policy/policy_private.h"

#include <string.h>

const char *
policy_hp_name(enum policy_hp h)
{
	switch (h) {
	case POLICY_HP_NONE:
		return "none";
	case POLICY_HP_UNSET:
	case POLICY_HP_BASELINE:
		return "baseline";
	case POLICY_HP_SHY:
		return "shy";
	}
	return "?";
}

bool
policy_signs(const struct policy *p)
{
	for (size_t i = 0; i < p->n_rules; i++)
		if (p->rules[i].form.sign != POLICY_SIGN_NO)
			return true;
	return false;
}

bool
policy_notifies(const struct policy *p)
{
	for (size_t i = 0; i < p->n_rules; i++)
		if (p->rules[i].extra.notify)
			return true;
	return false;
}

void
policy_form_raise(struct policy_form *a, const struct policy_form *b)
{
	if (b->sign > a->sign)
		a->sign = b->sign;
	if (b->hp > a->hp)
		a->hp = b->hp;
	if (b->cipher > a->cipher)
		a->cipher = b->cipher;
	if (b->padding > a->padding)
		a->padding = b->padding;
	if (b->signature > a->signature)
		a->signature = b->signature;
	if (b->signed_as > a->signed_as)
		a->signed_as = b->signed_as;
	if (b->sealed > a->sealed)
		a->sealed = b->sealed;
	a->sign_as_domain = a->sign_as_domain || b->sign_as_domain;
	a->auto_issue = a->auto_issue || b->auto_issue;
	a->no_autocrypt = a->no_autocrypt || b->no_autocrypt;
}

static const char *const factor_names[POLICY_FACTORS] = {
    [POLICY_FACTOR_NONE] = "none",
    [POLICY_FACTOR_CODE] = "code",
    [POLICY_FACTOR_ANSWER] = "answer",
    [POLICY_FACTOR_PASSPHRASE] = "passphrase",
    [POLICY_FACTOR_GENERATED] = "generated",
    [POLICY_FACTOR_ACCOUNT] = "account",
};

const char *
policy_factor_name(enum policy_factor f)
{
	return (unsigned)f < POLICY_FACTORS ? factor_names[f] : "?";
}

enum err
policy_factor_by_name(const char *name, enum policy_factor *out)
{
	for (unsigned f = 0; f < POLICY_FACTORS; f++)
		if (strcmp(factor_names[f], name) == 0) {
			*out = (enum policy_factor)f;
			return ERR_OK;
		}
	return ERR_NOT_FOUND;
}

bool
policy_factor_is_in_key(enum policy_factor f)
{
	switch (f) {
	case POLICY_FACTOR_ANSWER:
	case POLICY_FACTOR_PASSPHRASE:
	case POLICY_FACTOR_GENERATED:
	case POLICY_FACTOR_ACCOUNT:
		return true;
	case POLICY_FACTOR_NONE:
	case POLICY_FACTOR_CODE:
	case POLICY_FACTORS:
		break;
	}
	return false;
}

bool
policy_pickup_is_attached(const struct policy_pickup *k)
{
	return k->delivery == POLICY_DELIVERY_ATTACHMENT;
}

enum policy_escrow
policy_pickup_escrow(const struct policy_pickup *k)
{
	if (policy_factor_is_in_key(k->factor) || policy_pickup_is_attached(k))
		return POLICY_ESCROW_FACTOR;
	return k->notice_tls ? POLICY_ESCROW_NOTICE_TLS : POLICY_ESCROW_LINK;
}

void
policy_pickup_raise(struct policy_pickup *a, const struct policy_pickup *b)
{
	a->notice_tls = a->notice_tls || b->notice_tls;
	if (b->delivery > a->delivery)
		a->delivery = b->delivery;
	if (b->factor > a->factor)
		a->factor = b->factor;
	a->account = a->account || b->account;
	if (a->passphrase_tag == NULL)
		a->passphrase_tag = b->passphrase_tag;
}
