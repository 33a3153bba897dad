/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Options whose value is a list: what one element may be, by the option's type,
 * and where the whole goes. Single values are in config_value.c.
 */
#include "gateway/config_value.h"

#include <string.h>

#include "common/arena.h"
#include "common/text.h"
#include "gateway/config_private.h"
#include "mime/addr.h"
#include "policy/policy.h"

static bool
one_domain(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v, void *out)
{
	struct err_why why = {""};
	const char *name, *text = v->text;
	bool wild;

	if (v->kind != CONFIG_STRING || *text == '[')
		return config_bad(t, v, e, "a domain in double quotes");
	wild = strncmp(text, "*.", 2) == 0;
	if (mime_domain_parse(span_str(text + (wild ? 2 : 0)), t->conf->arena,
		&name, &why) != ERR_OK) {
		conf_find(t->f, CONF_ERROR, v->line,
		    "%s: \"%.60s\" is not a domain: %s", e->name, text,
		    why.text);
		return false;
	}
	if (wild)
		name = arena_printf(t->conf->arena, "*.%s", name);
	*(const char **)out = name;
	return name != NULL;
}

/* [!]local@domain, [!]@domain, [!]@*.domain, [!]<>: with the address part in
   its canonical form. */
static bool
one_pattern(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v, void *out)
{
	struct arena *a = t->conf->arena;
	struct err_why why = {""};
	struct mime_addr addr;
	const char *text = v->text, *not, *domain;
	enum err err = ERR_OK;
	bool wild;

	if (v->kind != CONFIG_STRING)
		return config_bad(
		    t, v, e, "an address pattern in double quotes");
	not = *text == '!' ? "!" : "";
	text += *text == '!';
	if (strcmp(text, "<>") == 0) {
		*(const char **)out = v->text;
		return true;
	}
	if (strncmp(text, "file:", 5) == 0) {
		if (!config_is_path(text + 5))
			return config_bad(t, v, e,
			    "\"file:\" with an absolute path, without . or "
			    "..");
		*(const char **)out = v->text;
		return true;
	}
	/* whether there is such a group is checked when all are known */
	if (strncmp(text, "ldap:", 5) == 0) {
		*(const char **)out = v->text;
		return true;
	}
	if (*text == '@') {
		wild = strncmp(text, "@*.", 3) == 0;
		text += wild ? 3 : 1;
		err = mime_domain_parse(span_str(text), a, &domain, &why);
		if (err == ERR_OK)
			text = arena_printf(
			    a, "%s@%s%s", not, wild ? "*." : "", domain);
	} else {
		err = mime_addr_parse(
		    span_str(text), MIME_ADDR_UTF8, a, &addr, &why);
		if (err == ERR_OK)
			text = arena_printf(a, "%s%s", not, addr.key);
	}
	if (err != ERR_OK) {
		conf_find(t->f, CONF_ERROR, v->line,
		    "%s: \"%.60s\" is not an address pattern: %s", e->name,
		    v->text, why.text);
		return false;
	}
	*(const char **)out = text;
	return text != NULL;
}

static bool
one_tag(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v, void *out)
{
	if (v->kind != CONFIG_STRING || *v->text == '\0')
		return config_bad(t, v, e, "a word in double quotes");
	*(const char **)out = v->text;
	return true;
}

static bool
one_signer(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v, void *out)
{
	size_t len = strlen(v->text);

	/* of an OpenPGP key 40 or 64 digits, of a certificate 64 */
	if (v->kind != CONFIG_STRING || (len != 40 && len != 64) ||
	    strspn(v->text, "0123456789abcdefABCDEF") != len)
		return config_bad(t, v, e,
		    "a fingerprint of 40 or 64 hexadecimal digits in double "
		    "quotes");
	*(const char **)out = v->text;
	return true;
}

static bool
one_rung(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v, void *out)
{
	enum rung r;

	if (v->kind != CONFIG_WORD ||
	    policy_rung_by_name(v->text, &r) != ERR_OK)
		return config_bad(t, v, e,
		    "smime, pgp, tls, tls-encrypt, escrow, hold, reject, drop "
		    "or clear");
	*(int *)out = (int)r;
	return true;
}

/* Two to thirty numbers with dots between them; the first is 0, 1 or 2. */
static bool
is_oid(const char *p)
{
	size_t n = 1, digits = 0;

	if (p[0] < '0' || p[0] > '2' || p[1] != '.')
		return false;
	for (p += 2; *p != '\0'; p++) {
		if (*p == '.') {
			if (digits == 0)
				return false;
			digits = 0;
			n++;
		} else if (*p < '0' || *p > '9' || ++digits > 9) {
			return false;
		}
	}
	return digits > 0 && n < 30;
}

static bool
one_oid(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v, void *out)
{
	if (v->kind != CONFIG_STRING || !is_oid(v->text))
		return config_bad(t, v, e,
		    "an object identifier in double quotes, as in "
		    "\"2.23.140.1.5.1.2\"");
	*(const char **)out = v->text;
	return true;
}

/* 64 digits, with a colon behind each two or none, as openssl writes them. */
static bool
without_colons(const char *text, char out[65])
{
	bool colons = text[0] != '\0' && text[1] != '\0' && text[2] == ':';
	size_t n = 0;

	for (; *text != '\0'; text++) {
		if (colons && n > 0 && n % 2 == 0 && n < 64) {
			if (*text++ != ':')
				return false;
		}
		if (n == 64 || *text == '\0')
			return false;
		out[n++] = *text;
	}
	out[n] = '\0';
	return true;
}

static bool
one_fpr(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v, void *out)
{
	char plain[65];

	if (v->kind != CONFIG_STRING || !without_colons(v->text, plain) ||
	    text_unhex(span_str(plain), out, 32) != ERR_OK)
		return config_bad(t, v, e,
		    "a SHA-256 fingerprint: 64 hexadecimal digits in double "
		    "quotes");
	return true;
}

static const struct {
	bool (*one)(const struct config_target *, const struct config_entry *,
	    const struct config_value *, void *);
	size_t size;
} list_kind[] = {
    [CONFIG_T_DOMAINS] = {one_domain, sizeof(const char *)},
    [CONFIG_T_ADDRS] = {config_one_addr, sizeof(struct conf_addr)},
    [CONFIG_T_SIGNERS] = {one_signer, sizeof(const char *)},
    [CONFIG_T_NETS] = {config_one_net, sizeof(struct conf_net)},
    [CONFIG_T_PATTERNS] = {one_pattern, sizeof(const char *)},
    [CONFIG_T_SOURCES] = {config_one_source, sizeof(uint8_t)},
    [CONFIG_T_URLS] = {config_one_url, sizeof(const char *)},
    [CONFIG_T_LADDER] = {one_rung, sizeof(int)},
    [CONFIG_T_OIDS] = {one_oid, sizeof(const char *)},
    [CONFIG_T_FPRS] = {one_fpr, 32},
    [CONFIG_T_TEXTS] = {config_one_text, sizeof(const char *)},
};

/* Read a list, or one value that stands for a list of one. The number of
   elements goes to *n, the elements to the arena. */
static void *
read_elements(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v, size_t *n)
{
	const struct config_value *item = v->kind == CONFIG_LIST ? v->item : v;
	size_t count = v->kind == CONFIG_LIST ? v->n_item : 1;
	size_t size = list_kind[e->type].size;
	char *list = arena_array(t->conf->arena, count + 1, size);
	bool ok = list != NULL;

	for (size_t i = 0; list != NULL && i < count; i++) {
		void *out = list + i * size;

		if (e->type == CONFIG_T_PATTERNS &&
		    strcmp(e->name, "subject-tag") == 0)
			ok &= one_tag(t, e, &item[i], out);
		else
			ok &= list_kind[e->type].one(t, e, &item[i], out);
	}
	*n = count;
	return ok ? list : NULL;
}

static bool
set_rule_list(const struct config_target *t, const struct config_entry *e,
    void *list, size_t n)
{
	struct config_rule *rule = t->rule;

	if (strcmp(e->name, "try") == 0) {
		rule->ladder = list;
		rule->n_ladder = n;
	} else if (strcmp(e->name, "from") == 0) {
		rule->from = list;
		rule->n_from = n;
	} else if (strcmp(e->name, "to") == 0) {
		rule->to = list;
		rule->n_to = n;
	} else {
		rule->subject_tag = list;
		rule->n_subject_tag = n;
	}
	return true;
}

bool
config_set_list(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v)
{
	size_t n;
	void *list = read_elements(t, e, v, &n);

	if (list == NULL)
		return false;
	/* an empty condition reads as "matches nothing" and means the
	   opposite, an empty ladder means nothing */
	if (n == 0 && (e->required || e->def == NULL || t->rule != NULL ||
			  e->type == CONFIG_T_NETS)) {
		conf_find(t->f, CONF_ERROR, v->line,
		    "%s: the list is empty, expected at least one entry",
		    e->name);
		return false;
	}
	if (t->rule != NULL)
		return set_rule_list(t, e, list, n);
	/* the member's type is another for every kind of list */
	memcpy((char *)t->part + e->offset, &list, sizeof(list));
	memcpy((char *)t->part + e->count_offset, &n, sizeof(n));
	return true;
}
