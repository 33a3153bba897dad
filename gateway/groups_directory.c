/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Groups of the directory, as store keeps what discovery fetched.
 */
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "gateway/conf.h"
#include "gateway/groups_private.h"
#include "keystore/group.h"

/* A group of a name that it had before stays; only what is newer is read. */
static enum err
look_at(struct set *s, const char *name, const struct conf_group *conf,
    struct ks_store *keys, int64_t now_s, struct err_why *why)
{
	struct ks_group g;
	struct buf text;
	enum err e;

	if (conf == NULL || keys == NULL)
		return ERR_NOT_FOUND;
	e = ks_group_get(keys, span_str(name), &g);
	if (e != ERR_OK)
		return e;
	if (strcmp(s->name, name) != 0 ||
	    memcmp(s->digest, g.digest, DIGEST_SIZE) != 0) {
		buf_init(&text, KS_GROUP_TEXT_MAX);
		e = ks_group_text(keys, span_str(name), &g, &text);
		if (e == ERR_OK)
			e = groups_parse(buf_span(&text), s, why);
		else
			groups_forget(s);
		buf_clear(&text);
		if (e == ERR_DB_BROKEN)
			return e; /* perhaps changed just now: read again */
		snprintf(s->name, sizeof(s->name), "%s", name);
		memcpy(s->digest, g.digest, DIGEST_SIZE);
		if (e != ERR_OK)
			return e;
	}
	/* one from the future says that the clock was set back */
	s->is_old = g.at > now_s + (int64_t)conf->keep_s ||
		    now_s - g.at > (int64_t)conf->keep_s;
	return ERR_OK;
}

void
groups_look(struct groups *g, const struct conf *c, struct ks_store *keys,
    int64_t now_s)
{
	size_t n;
	const char *const *names = policy_groups(c->policy, &n);

	for (size_t i = 0; i < n; i++) {
		const char *name = groups_directory(names[i]);
		struct set *s = &g->set[i];
		struct err_why why = {""};
		enum err e;

		if (name == NULL)
			continue;
		e = look_at(s, name, conf_group(c, name), keys, now_s, &why);
		if (e == ERR_OK)
			continue;
		/* said once for a text, whatever asks */
		if (why.text[0] != '\0')
			log_event(LOG_LVL_ERR, NULL, "group",
			    KV_STR("group", names[i]), KV_STR("why", why.text),
			    KV_ERR(e));
		else
			groups_forget(s);
	}
}
