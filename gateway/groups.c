/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Lists of addresses, sorted in memory. A new reading takes the place of the
 * old one as a whole.
 */
#include "gateway/groups.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/log.h"
#include "gateway/account_file.h"
#include "gateway/conf.h"
#include "gateway/role.h"
#include "keystore/group.h"

enum { SET_MEMORY = 256 << 20 /* octets of one group */ };

struct set {
	struct arena *arena; /* NULL: nothing is known */
	struct account_list list;
	/* of the directory: which text it is, of which group; else "" */
	char name[KS_GROUP_NAME_MAX + 1];
	uint8_t digest[DIGEST_SIZE];
	bool is_old; /* it counts no more */
};

struct groups {
	struct set set[POLICY_GROUPS_MAX];
};

struct groups *
groups_new(void)
{
	struct groups *g = calloc(1, sizeof(*g));

	if (g == NULL)
		fatal("out of memory");
	return g;
}

void
groups_free(struct groups *g)
{
	if (g == NULL)
		return;
	for (size_t i = 0; i < POLICY_GROUPS_MAX; i++)
		arena_free(g->set[i].arena);
	free(g);
}

const char *
groups_path(const char *name)
{
	return strncmp(name, "file:", 5) == 0 ? name + 5 : NULL;
}

const char *
groups_directory(const char *name)
{
	return strncmp(name, "ldap:", 5) == 0 ? name + 5 : NULL;
}

static void
forget(struct set *s)
{
	arena_free(s->arena);
	*s = (struct set){.arena = NULL};
}

/* A set that is not known if the text is none. */
static enum err
parse_set(struct span text, struct set *out, struct err_why *why)
{
	struct set s = {.arena = arena_new(SET_MEMORY)};
	enum err e;

	if (s.arena == NULL)
		fatal("out of memory");
	e = account_file_is_whole(text, why);
	if (e == ERR_OK)
		e = account_list_parse(text, s.arena, &s.list, why);
	forget(out);
	if (e == ERR_OK)
		*out = s;
	else
		arena_free(s.arena);
	return e;
}

/* Read one file whole. */
static enum err
read_set(int fd, struct set *out, struct err_why *why)
{
	struct buf text;
	enum err e;

	buf_init(&text, LIMIT_ACCOUNT_FILE);
	e = file_read_all(fd, &text);
	if (e == ERR_OK)
		e = parse_set(buf_span(&text), out, why);
	else
		forget(out);
	buf_clear(&text);
	return e;
}

void
groups_take(struct groups *g, struct role *r, const struct policy *p)
{
	size_t n;
	const char *const *names = policy_groups(p, &n);

	for (unsigned i = 0; i < n; i++) {
		struct err_why why = {""};
		int fd = role_take_fd(r, ROLE_FD_GROUP, i);
		enum err e;

		if (fd < 0)
			continue;
		e = read_set(fd, &g->set[i], &why);
		close(fd);
		if (e != ERR_OK)
			log_event(LOG_LVL_ERR, NULL, "group-file",
			    KV_STR("group", names[i]), KV_STR("why", why.text),
			    KV_ERR(e));
	}
}

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
			e = parse_set(buf_span(&text), s, why);
		else
			forget(s);
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
			forget(s);
	}
}

void
groups_load(struct groups *g, const struct policy *p,
    void (*bad)(void *arg, const char *path, const char *why), void *arg)
{
	size_t n;
	const char *const *names = policy_groups(p, &n);

	for (size_t i = 0; i < n; i++) {
		const char *path = groups_path(names[i]);
		struct err_why why = {""};
		enum err e = ERR_NOT_FOUND;
		int fd;

		if (path == NULL)
			continue;
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0) {
			e = read_set(fd, &g->set[i], &why);
			close(fd);
		}
		if (e != ERR_OK && bad != NULL)
			bad(arg, names[i],
			    why.text[0] != 0 ? why.text : err_text(e));
	}
}

enum policy_truth
groups_has(const void *groups, size_t group, struct span addr)
{
	const struct groups *g = groups;
	char key[LIMIT_ADDRESS + 64];

	if (group >= POLICY_GROUPS_MAX || g->set[group].arena == NULL ||
	    g->set[group].is_old || addr.len >= sizeof(key))
		return POLICY_UNSURE;
	if (addr.len == 0)
		return POLICY_NO;
	memcpy(key, addr.data, addr.len);
	key[addr.len] = '\0';
	return account_list_has(&g->set[group].list, key) ? POLICY_YES
							  : POLICY_NO;
}
