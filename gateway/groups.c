/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Lists of addresses, sorted in memory. A new reading takes the place of the
 * old one as a whole.
 */
#include "gateway/groups_private.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/log.h"
#include "gateway/role.h"

enum { SET_MEMORY = 256 << 20 /* octets of one group */ };

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

void
groups_forget(struct set *s)
{
	arena_free(s->arena);
	*s = (struct set){.arena = NULL};
}

enum err
groups_parse(struct span text, struct set *out, struct err_why *why)
{
	struct set s = {.arena = arena_new(SET_MEMORY)};
	enum err e;

	if (s.arena == NULL)
		fatal("out of memory");
	e = account_file_is_whole(text, why);
	if (e == ERR_OK)
		e = account_list_parse(text, s.arena, &s.list, why);
	groups_forget(out);
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
		e = groups_parse(buf_span(&text), out, why);
	else
		groups_forget(out);
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
