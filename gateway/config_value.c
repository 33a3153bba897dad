/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Check one value by its type and put it where its entry says. Addresses and
 * domains are read by mime/addr.h alone, so that the configuration and mail
 * mean the same by them. What options must fulfil together is in config.c.
 */
#include "gateway/config_value.h"

#include <inttypes.h>
#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "gateway/config_private.h"
#include "mime/addr.h"
#include "policy/policy.h"

bool
config_bad(const struct config_target *t, const struct config_value *v,
    const struct config_entry *e, const char *expected)
{
	if (v->kind == CONFIG_LIST)
		conf_find(t->f, CONF_ERROR, v->line,
		    "%s: found a list, expected %s", e->name, expected);
	else
		conf_find(t->f, CONF_ERROR, v->line,
		    "%s: found \"%.60s\", expected %s", e->name, v->text,
		    expected);
	return false;
}

static void *
member(const struct config_target *t, size_t offset)
{
	return (char *)t->part + offset;
}

static void
set_text(const struct config_target *t, const struct config_entry *e,
    const char *text)
{
	*(const char **)member(t, e->offset) = text;
}

/* --- numbers */

static const struct {
	const char *expected;
	const char *unit;
	uint64_t factor;
} number_kind[] = {
    [CONFIG_NUMBER] = {"a number", "", 1},
    [CONFIG_DURATION] = {"a time such as 8s, 5min, 4h, 5d", " ms", 1},
    [CONFIG_SIZE] = {"a size such as 50M", " octets", 1},
};

/* A size may be written without a unit, in octets. */
static bool
number(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v, enum config_kind kind, uint64_t *out)
{
	const char *unit = number_kind[kind].unit;

	if (v->kind != kind &&
	    !(kind == CONFIG_SIZE && v->kind == CONFIG_NUMBER))
		return config_bad(t, v, e, number_kind[kind].expected);
	if (v->number < e->min || v->number > e->max) {
		conf_find(t->f, CONF_ERROR, v->line,
		    "%s: found %s, expected from %" PRIu64 "%s to %" PRIu64
		    "%s",
		    e->name, v->text, e->min, unit, e->max, unit);
		return false;
	}
	*out = v->number;
	return true;
}

static bool
set_number(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v)
{
	uint64_t n;

	switch (e->type) {
	case CONFIG_T_NUMBER:
		if (!number(t, e, v, CONFIG_NUMBER, &n))
			return false;
		*(unsigned *)member(t, e->offset) = (unsigned)n;
		return true;
	case CONFIG_T_SIZE:
		if (!number(t, e, v, CONFIG_SIZE, &n))
			return false;
		break;
	case CONFIG_T_S:
		if (!number(t, e, v, CONFIG_DURATION, &n))
			return false;
		n /= 1000;
		break;
	default:
		if (!number(t, e, v, CONFIG_DURATION, &n))
			return false;
		break;
	}
	*(uint64_t *)member(t, e->offset) = n;
	return true;
}

/* --- words */

/* The place of the word in a list of words that ends with NULL, -1 if it is
   none of them. */
static int
word(const struct config_value *v, const char *const *list)
{
	for (int i = 0; v->kind == CONFIG_WORD && list[i] != NULL; i++)
		if (strcmp(v->text, list[i]) == 0)
			return i;
	return -1;
}

/* The place of a word is the value that it stands for. */
static const struct {
	const char *const *words;
	const char *expected;
} word_kind[] = {
    [CONFIG_T_LOG] = {(const char *const[]){"info", "debug", NULL},
	"info or debug"},
    [CONFIG_T_BOOL] = {(const char *const[]){"false", "true", NULL},
	"true or false"},
    [CONFIG_T_OPTOUT] = {(const char *const[]){"true", "false", NULL},
	"true or false"},
    [CONFIG_T_INBOUND] = {(const char *const[]){"outbound", "inbound", NULL},
	"outbound or inbound"},
    [CONFIG_T_REQUIRE] = {(const char *const[]){
			      "", "protected", "signed", "encrypted", NULL},
	"protected, signed or encrypted"},
    [CONFIG_T_DELIVERS] = {(const char *const[]){"no", "tls", NULL},
	"no or tls"},
    [CONFIG_T_NOTICE] = {(const char *const[]){"any", "tls", NULL},
	"any or tls"},
    [CONFIG_T_HOLD] = {(const char *const[]){"deliver", "hold", NULL},
	"deliver or hold"},
    [CONFIG_T_REVOKED] = {(const char *const[]){"hard", "soft", "off", NULL},
	"hard, soft or off"},
    [CONFIG_T_OWNALG] = {(const char *const[]){"p256", "p384", "rsa3072", NULL},
	"p256, p384 or rsa3072"},
    [CONFIG_T_ONERROR] = {(const char *const[]){"hold", "weaker", NULL},
	"hold or weaker"},
    [CONFIG_T_SIGN] = {(const char *const[]){
			   "no", "if-possible", "required", NULL},
	"no, if-possible or required"},
    [CONFIG_T_HP] = {(const char *const[]){"", "none", "baseline", "shy", NULL},
	"baseline, shy or none"},
    [CONFIG_T_CIPHER] = {(const char *const[]){"", "aes128-cbc", "aes256-cbc",
			     "aes128-gcm", "aes256-gcm", NULL},
	"aes128-cbc, aes256-cbc, aes128-gcm or aes256-gcm"},
    [CONFIG_T_PADDING] = {(const char *const[]){"pkcs1", "oaep", NULL},
	"pkcs1 or oaep"},
    [CONFIG_T_RSASIGN] = {(const char *const[]){"pkcs1", "pss", NULL},
	"pkcs1 or pss"},
    [CONFIG_T_SHAPE] = {(const char *const[]){"detached", "opaque", NULL},
	"detached or opaque"},
    [CONFIG_T_LEVEL] = {(const char *const[]){
			    "", "candidate", "harvested", "discovered", NULL},
	"candidate, harvested or discovered"},
    [CONFIG_T_SEALFROM] = {(const char *const[]){"", "candidate", "harvested",
			       "discovered", "trusted", "pinned", NULL},
	"candidate, harvested, discovered, trusted or pinned"},
    [CONFIG_T_SEALED] = {(const char *const[]){"", "pass", "ladder", NULL},
	"pass or ladder"},
    [CONFIG_T_DELIVERY] =
	{(const char *const[]){"", "attachment", "portal", NULL},
	    "portal or attachment"},
    [CONFIG_T_IMPLICIT] = {(const char *const[]){"starttls", "implicit", NULL},
	"starttls or implicit"},
    [CONFIG_T_VERIFY] = {(const char *const[]){"none", "server", "ldap", NULL},
	"none, server or ldap"},
    [CONFIG_T_TLS] = {(const char *const[]){"opportunistic", "encrypt",
			  "verify", "mta-sts", "dane", NULL},
	"opportunistic, encrypt, verify, mta-sts or dane"},
    [CONFIG_T_FLOOR] = {(const char *const[]){"opportunistic", "encrypt",
			    "verify", "mta-sts", "dane", NULL},
	"opportunistic, encrypt, verify, mta-sts or dane"},
};

static bool
set_word(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v)
{
	int i = word(v, word_kind[e->type].words);
	void *out = member(t, e->offset);

	if (i < 0)
		return config_bad(t, v, e, word_kind[e->type].expected);
	switch (e->type) {
	case CONFIG_T_REVOKED:
	case CONFIG_T_OWNALG:
		*(unsigned *)out = (unsigned)i;
		break;
	case CONFIG_T_SIGN:
		*(enum policy_sign *)out = (enum policy_sign)i;
		break;
	case CONFIG_T_REQUIRE:
		*(int *)out = i;
		break;
	case CONFIG_T_HP:
		*(enum policy_hp *)out = (enum policy_hp)i;
		break;
	case CONFIG_T_CIPHER:
		*(enum policy_cipher *)out = (enum policy_cipher)i;
		break;
	case CONFIG_T_PADDING:
		*(enum policy_padding *)out = (enum policy_padding)i;
		break;
	case CONFIG_T_RSASIGN:
		*(enum policy_signature *)out = (enum policy_signature)i;
		break;
	case CONFIG_T_SHAPE:
		*(enum policy_signed *)out = (enum policy_signed)i;
		break;
	case CONFIG_T_LEVEL:
	case CONFIG_T_SEALFROM:
		*(unsigned *)out = (unsigned)i;
		break;
	case CONFIG_T_SEALED:
		*(enum policy_sealed *)out = (enum policy_sealed)i;
		break;
	case CONFIG_T_DELIVERY:
		*(enum policy_delivery *)out = (enum policy_delivery)i;
		break;
	case CONFIG_T_TLS:
		*(enum conf_tls *)out = (enum conf_tls)i;
		break;
	case CONFIG_T_FLOOR:
		*(enum policy_tls *)out = (enum policy_tls)i;
		break;
	case CONFIG_T_VERIFY:
		*(enum conf_verify *)out = (enum conf_verify)i;
		break;
	default:
		*(bool *)out = i == 1;
		break;
	}
	return true;
}

static bool
set_auto(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v)
{
	enum rung r;

	if (v->kind != CONFIG_WORD ||
	    policy_rung_by_name(v->text, &r) != ERR_OK ||
	    policy_set_auto_rung(t->conf->policy, r) != ERR_OK)
		return config_bad(t, v, e, "hold, reject or drop");
	return true;
}

/* --- strings */

static bool
set_host(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v)
{
	struct err_why why = {""};
	const char *name;

	if (v->kind != CONFIG_STRING || *v->text == '[')
		return config_bad(t, v, e, "a host name in double quotes");
	if (mime_domain_parse(span_str(v->text), t->conf->arena, &name, &why) !=
	    ERR_OK) {
		conf_find(t->f, CONF_ERROR, v->line,
		    "%s: \"%.60s\" is not a host name: %s", e->name, v->text,
		    why.text);
		return false;
	}
	set_text(t, e, name);
	return true;
}

static bool
set_mailbox(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v)
{
	struct err_why why = {""};
	struct mime_addr addr;

	if (v->kind != CONFIG_STRING)
		return config_bad(t, v, e, "a mail address in double quotes");
	if (mime_addr_parse(
		span_str(v->text), 0, t->conf->arena, &addr, &why) != ERR_OK) {
		conf_find(t->f, CONF_ERROR, v->line,
		    "%s: \"%.60s\" is not a mail address: %s", e->name, v->text,
		    why.text);
		return false;
	}
	set_text(t, e, addr.text);
	return true;
}

static bool
set_user(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v)
{
	const char *name;
	size_t len = v->kind == CONFIG_STRING ? strlen(v->text) : 0;

	if (len == 0 || len > LIMIT_LOGIN_USER)
		return config_bad(
		    t, v, e, "a user of 1 to 255 octets in double quotes");
	for (const char *p = v->text; *p != '\0'; p++)
		if ((uint8_t)*p < ' ' || *p == 0x7f)
			return config_bad(t, v, e, "no control characters");
	name = arena_strdup(t->conf->arena, v->text);
	if (name == NULL)
		return false;
	set_text(t, e, name);
	return true;
}

/* So that what is inside the state directory can be told from the text. */
bool
config_is_path(const char *p)
{
	size_t len = strlen(p);

	if (*p != '/' || len > LIMIT_CONFIG_PATH)
		return false;
	for (; (p = strchr(p, '/')) != NULL; p++)
		if (strncmp(p, "/../", 4) == 0 || strncmp(p, "/./", 3) == 0 ||
		    strncmp(p, "//", 2) == 0 || strcmp(p, "/..") == 0 ||
		    strcmp(p, "/.") == 0)
			return false;
	return true;
}

/* "credential:NAME", the name of a file that the service manager gives us. */
static bool
is_credential(const char *p)
{
	size_t len;

	if (strncmp(p, CONF_CREDENTIAL, strlen(CONF_CREDENTIAL)) != 0)
		return false;
	p += strlen(CONF_CREDENTIAL);
	len = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			"0123456789._-");
	return len > 0 && len < 128 && p[len] == '\0' && p[0] != '.';
}

static bool
set_path(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v)
{
	size_t len;
	char *path;

	if (e->type == CONFIG_T_MASTER && v->kind == CONFIG_WORD &&
	    strcmp(v->text, "credential") == 0) {
		set_text(t, e, NULL);
		return true;
	}
	if (e->type == CONFIG_T_ANCHORS && v->kind == CONFIG_WORD &&
	    strcmp(v->text, "none") == 0) {
		set_text(t, e, "");
		return true;
	}
	if (v->kind != CONFIG_STRING ||
	    (!config_is_path(v->text) &&
		!(e->type == CONFIG_T_TLSKEY && is_credential(v->text))))
		return config_bad(t, v, e,
		    e->type == CONFIG_T_TLSKEY
			? "an absolute path or credential:NAME in double "
			  "quotes"
		    : e->type == CONFIG_T_MASTER
			? "an absolute path in double quotes, or credential"
		    : e->type == CONFIG_T_ANCHORS
			? "an absolute path in double quotes, or none"
			: "an absolute path in double quotes, without . or ..");
	path = arena_strdup(t->conf->arena, v->text);
	if (path == NULL)
		return false;
	len = strlen(path);
	if (len > 1 && path[len - 1] == '/')
		path[len - 1] = '\0';
	set_text(t, e, path);
	return true;
}

static bool
set_keystore(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v)
{
	if (v->kind != CONFIG_STRING || strncmp(v->text, "lmdb:", 5) != 0 ||
	    !config_is_path(v->text + 5))
		return config_bad(t, v, e, "\"lmdb:\" with an absolute path");
	set_text(t, e, v->text + 5);
	return true;
}

static bool
set_users(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v)
{
	uint64_t n;

	if (v->kind == CONFIG_NUMBER) {
		if (!number(t, e, v, CONFIG_NUMBER, &n))
			return false;
		t->conf->users_base = (uid_t)n;
		return true;
	}
	if (v->kind != CONFIG_STRING || *v->text == '\0' ||
	    strlen(v->text) > 20 ||
	    strspn(v->text, "abcdefghijklmnopqrstuvwxyz0123456789-_") !=
		strlen(v->text))
		return config_bad(t, v, e,
		    "the prefix of user names in double quotes, or a number");
	set_text(t, e, v->text);
	return true;
}

/* scheme://host[:port][/path]; no query, no fragment, no user. */
static bool
set_url(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v)
{
	const char *p = v->text;
	char *url;
	size_t len;

	if (v->kind != CONFIG_STRING)
		return config_bad(t, v, e, "a URL in double quotes");
	if (strncmp(p, "https://", 8) == 0)
		p += 8;
	else if (strncmp(p, "http://", 7) == 0)
		p += 7;
	else
		return config_bad(t, v, e, "https:// and a host");
	len = strlen(p);
	if (len == 0 || *p == '/' || *p == ':' || len > LIMIT_CONFIG_URL ||
	    strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		      "0123456789-._~:/[]") != len)
		return config_bad(
		    t, v, e, "https://, a host, and perhaps a port and a path");
	url = arena_strdup(t->conf->arena, v->text);
	if (url == NULL)
		return false;
	for (len = strlen(url); url[len - 1] == '/'; len--)
		url[len - 1] = '\0';
	set_text(t, e, url);
	return true;
}

bool
config_set(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v)
{
	switch (e->type) {
	case CONFIG_T_NUMBER:
	case CONFIG_T_SIZE:
	case CONFIG_T_MS:
	case CONFIG_T_S:
		return set_number(t, e, v);
	case CONFIG_T_HOST:
		return set_host(t, e, v);
	case CONFIG_T_PATH:
	case CONFIG_T_MASTER:
	case CONFIG_T_TLSKEY:
	case CONFIG_T_ANCHORS:
		return set_path(t, e, v);
	case CONFIG_T_MAILBOX:
		return set_mailbox(t, e, v);
	case CONFIG_T_USER:
		return set_user(t, e, v);
	case CONFIG_T_LOG:
	case CONFIG_T_BOOL:
	case CONFIG_T_OPTOUT:
	case CONFIG_T_HOLD:
	case CONFIG_T_DELIVERS:
	case CONFIG_T_NOTICE:
	case CONFIG_T_INBOUND:
	case CONFIG_T_REQUIRE:
	case CONFIG_T_ONERROR:
	case CONFIG_T_REVOKED:
	case CONFIG_T_OWNALG:
	case CONFIG_T_SIGN:
	case CONFIG_T_HP:
	case CONFIG_T_CIPHER:
	case CONFIG_T_PADDING:
	case CONFIG_T_RSASIGN:
	case CONFIG_T_SHAPE:
	case CONFIG_T_SEALED:
	case CONFIG_T_DELIVERY:
	case CONFIG_T_LEVEL:
	case CONFIG_T_SEALFROM:
	case CONFIG_T_TLS:
	case CONFIG_T_FLOOR:
	case CONFIG_T_IMPLICIT:
	case CONFIG_T_VERIFY:
		return set_word(t, e, v);
	case CONFIG_T_USERS:
		return set_users(t, e, v);
	case CONFIG_T_AUTO:
		return set_auto(t, e, v);
	case CONFIG_T_DOMAINS:
	case CONFIG_T_ADDRS:
	case CONFIG_T_NETS:
	case CONFIG_T_SIGNERS:
	case CONFIG_T_PATTERNS:
	case CONFIG_T_LADDER:
	case CONFIG_T_OIDS:
	case CONFIG_T_FPRS:
	case CONFIG_T_SOURCES:
	case CONFIG_T_URLS:
	case CONFIG_T_TEXTS:
		return config_set_list(t, e, v);
	case CONFIG_T_VIA:
		return config_set_via(t, e, v);
	case CONFIG_T_KEYSTORE:
		return set_keystore(t, e, v);
	case CONFIG_T_STRING:
		return config_set_string(t, e, v);
	case CONFIG_T_URL:
		return set_url(t, e, v);
	case CONFIG_T_WHEN:
		return config_set_when(t, e, v);
	case CONFIG_T_LABEL:
		return config_set_label(t, e, v);
	case CONFIG_T_FACTOR:
		return config_set_factor(t, e, v);
	case CONFIG_T_FIRST_FACTOR:
		return config_set_first_factor(t, e, v);
	case CONFIG_T_RUNGS:
		return config_set_rungs(t, e, v);
	case CONFIG_T_EXPECT:
		return config_set_expect(t, e, v);
	}
	return false;
}
