/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What rules ask for beside the ladder: signature, header protection, the
 * least form of S/MIME, Autocrypt. Raising never takes any of it away.
 */
#include "policy/policy_private.h"

const char *
policy_sign_name(enum policy_sign s)
{
	switch (s) {
	case POLICY_SIGN_NO:
		return "no";
	case POLICY_SIGN_IF_POSSIBLE:
		return "if-possible";
	case POLICY_SIGN_REQUIRED:
		return "required";
	}
	return "?";
}

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
