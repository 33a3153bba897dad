/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Values that say where keys of strangers are looked for.
 */
#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "gateway/conf.h"
#include "gateway/config_value.h"
#include "keystore/record.h"

static const struct {
	const char *name;
	enum ks_source source;
} sources[] = {
    {"wkd", KS_SOURCE_WKD},
    {"dane", KS_SOURCE_DANE},
    {"vks", KS_SOURCE_VKS},
    {"hkp", KS_SOURCE_HKP},
    {"ldap", KS_SOURCE_LDAP},
};

const struct conf_source *
conf_source(const struct conf *c, unsigned source)
{
	switch (source) {
	case KS_SOURCE_WKD:
		return &c->discovery.wkd;
	case KS_SOURCE_DANE:
		return &c->discovery.dane;
	case KS_SOURCE_VKS:
		return &c->discovery.vks;
	case KS_SOURCE_HKP:
		return &c->discovery.hkp;
	case KS_SOURCE_LDAP:
		return &c->discovery.ldap;
	}
	return NULL;
}

uint64_t
conf_found_s(const struct conf *c, unsigned source)
{
	const struct conf_source *s = conf_source(c, source);

	return s != NULL && s->refresh_s > 0 ? s->refresh_s
					     : c->discovery.found_s;
}

bool
config_one_source(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v, void *out)
{
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		if (v->kind == CONFIG_STRING &&
		    strcmp(v->text, sources[i].name) == 0) {
			*(uint8_t *)out = (uint8_t)sources[i].source;
			return true;
		}
	return config_bad(
	    t, v, e, "\"wkd\", \"dane\", \"vks\", \"hkp\" or \"ldap\"");
}

/* scheme://host[:port], for web servers with a path; no query, no user. */
bool
config_one_url(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v, void *out)
{
	bool ldap = strcmp(e->group, "discovery ldap") == 0;
	const char *p = v->text;
	size_t len;
	char *url;

	if (v->kind == CONFIG_STRING && !ldap && strncmp(p, "https://", 8) == 0)
		p += 8;
	else if (v->kind == CONFIG_STRING && ldap &&
		 strncmp(p, "ldaps://", 8) == 0)
		p += 8;
	else if (v->kind == CONFIG_STRING && ldap &&
		 strncmp(p, "ldap://", 7) == 0)
		p += 7;
	else
		return config_bad(t, v, e,
		    ldap ? "\"ldaps://HOST\" or \"ldap://HOST\""
			 : "\"https://HOST\"");
	len = strlen(p);
	if (len == 0 || *p == '/' || *p == ':' || len > LIMIT_CONFIG_URL ||
	    strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		      "0123456789-._~:/[]") != len ||
	    (ldap && strchr(p, '/') != NULL))
		return config_bad(t, v, e, "a host and perhaps a port");
	url = arena_strdup(t->conf->arena, v->text);
	if (url == NULL)
		return false;
	for (len = strlen(url); url[len - 1] == '/'; len--)
		url[len - 1] = '\0';
	*(const char **)out = url;
	return true;
}

bool
config_set_string(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v)
{
	if (v->kind != CONFIG_STRING)
		return config_bad(t, v, e, "text in double quotes");
	*(const char **)(void *)((char *)t->part + e->offset) = v->text;
	return true;
}
