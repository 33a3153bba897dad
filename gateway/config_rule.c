/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Values that only rules have: conditions and labels. What a condition's text
 * may be is gateway/facts.h's.
 */
#include <inttypes.h>
#include <string.h>

#include "common/arena.h"
#include "gateway/config_private.h"
#include "gateway/config_value.h"
#include "gateway/facts.h"
#include "policy/policy.h"

static enum policy_kind
kind_of(const struct config_entry *e)
{
	unsigned k = 0;

	while (k < POLICY_KINDS &&
	       strcmp(policy_kind_name((enum policy_kind)k), e->name) != 0)
		k++;
	return (enum policy_kind)k;
}

/* A condition as policy/ keeps it: "!" is taken off, true and false become
   one text and whether it excludes. */
static bool
one_condition(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v, struct policy_condition *out)
{
	struct policy_condition c = {.kind = kind_of(e), .text = v->text};
	struct err_why why = {""};

	switch (c.kind) {
	case POLICY_SIZE:
		if (v->kind != CONFIG_SIZE && v->kind != CONFIG_NUMBER)
			return config_bad(t, v, e, "a size such as 10M");
		c.text = arena_printf(t->conf->arena, "%" PRIu64, v->number);
		break;
	case POLICY_REPLY:
	case POLICY_AUTOMATIC:
	case POLICY_CALENDAR:
		if (v->kind != CONFIG_WORD ||
		    (strcmp(v->text, "true") != 0 &&
			strcmp(v->text, "false") != 0))
			return config_bad(t, v, e, "true or false");
		c.excludes = strcmp(v->text, "false") == 0;
		c.text = "true";
		break;
	default:
		if (v->kind != CONFIG_STRING)
			return config_bad(t, v, e, "a text in double quotes");
		c.excludes = *c.text == '!';
		c.text += c.excludes;
		break;
	}
	if (c.text == NULL)
		return false;
	if (facts_check(c.kind, c.text, &why) != ERR_OK) {
		conf_find(t->f, CONF_ERROR, v->line, "%s: \"%.60s\": %s",
		    e->name, v->text, why.text);
		return false;
	}
	*out = c;
	return true;
}

bool
config_set_when(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v)
{
	const struct config_value *item = v->kind == CONFIG_LIST ? v->item : v;
	size_t n = v->kind == CONFIG_LIST ? v->n_item : 1,
	       old = t->rule->n_when;
	struct policy_condition *all =
	    arena_array(t->conf->arena, old + n + 1, sizeof(*all));
	bool ok = all != NULL;

	if (n == 0) {
		conf_find(t->f, CONF_ERROR, v->line,
		    "%s: the list is empty, expected at least one entry",
		    e->name);
		return false;
	}
	for (size_t i = 0; ok && i < old; i++)
		all[i] = t->rule->when[i];
	for (size_t i = 0; all != NULL && i < n; i++)
		ok &= one_condition(t, e, &item[i], &all[old + i]);
	if (!ok)
		return false;
	t->rule->when = all;
	t->rule->n_when = old + n;
	return true;
}

/* What is put into a header field as it is written. */
bool
config_set_label(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v)
{
	size_t len = v->kind == CONFIG_STRING ? strlen(v->text) : 0;

	if (len == 0 || len > 64)
		return config_bad(
		    t, v, e, "a label of 1 to 64 octets in double quotes");
	for (const char *p = v->text; *p != '\0'; p++)
		if ((uint8_t)*p < ' ' || *p == 0x7f)
			return config_bad(t, v, e, "no control characters");
	t->rule->label = v->text;
	return true;
}

/* What a recipient without an account needs; the order of the two options does
   not matter. */
static void
settle_account(struct config_rule *r)
{
	if (r->pickup.account)
		r->pickup.factor = r->first_factor != POLICY_FACTOR_NONE
				       ? r->first_factor
				       : POLICY_FACTOR_CODE;
}

bool
config_set_factor(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v)
{
	enum policy_factor f;

	if (v->kind != CONFIG_WORD ||
	    policy_factor_by_name(v->text, &f) != ERR_OK)
		return config_bad(t, v, e,
		    "none, code, answer, passphrase, generated or account");
	t->rule->pickup.account = f == POLICY_FACTOR_ACCOUNT;
	t->rule->pickup.factor = f;
	settle_account(t->rule);
	return true;
}

bool
config_set_first_factor(const struct config_target *t,
    const struct config_entry *e, const struct config_value *v)
{
	enum policy_factor f;

	if (v->kind != CONFIG_WORD ||
	    policy_factor_by_name(v->text, &f) != ERR_OK ||
	    f == POLICY_FACTOR_NONE || f == POLICY_FACTOR_ACCOUNT)
		return config_bad(
		    t, v, e, "code, answer, passphrase or generated");
	t->rule->first_factor = f;
	settle_account(t->rule);
	return true;
}

/* --- of tests */

static bool
one_rung(const struct config_value *v, enum rung *out)
{
	return v->kind == CONFIG_WORD &&
	       policy_rung_by_name(v->text, out) == ERR_OK;
}

bool
config_set_rungs(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v)
{
	const struct config_value *item = v->kind == CONFIG_LIST ? v->item : v;
	size_t n = v->kind == CONFIG_LIST ? v->n_item : 1;
	unsigned bits = 0;
	enum rung r;

	for (size_t i = 0; i < n; i++) {
		if (!one_rung(&item[i], &r))
			return config_bad(t, &item[i], e,
			    "rungs such as smime, pgp or escrow");
		bits |= 1u << r;
	}
	*(unsigned *)(void *)((char *)t->part + e->offset) = bits;
	return true;
}

bool
config_set_expect(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v)
{
	enum rung r;

	if (!one_rung(v, &r) &&
	    (v->kind != CONFIG_WORD || (strcmp(v->text, "refused") != 0 &&
					   strcmp(v->text, "wait") != 0)))
		return config_bad(t, v, e, "a rung, refused or wait");
	*(const char **)(void *)((char *)t->part + e->offset) = v->text;
	return true;
}

/* Without anything that could begin another line. */
bool
config_one_text(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v, void *out)
{
	if (v->kind != CONFIG_STRING || v->text[strcspn(v->text, "\r\n")] != 0)
		return config_bad(t, v, e, "text of one line in double quotes");
	*(const char **)out = v->text;
	return true;
}
