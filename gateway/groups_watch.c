/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Whether a group file has changed: the supervisor looks every other second,
 * and hands the files to the workers anew, opened by it.
 */
#include <string.h>
#include <sys/stat.h>

#include "common/log.h"
#include "common/loop.h"
#include "gateway/conf.h"
#include "gateway/groups.h"
#include "gateway/supervisor_private.h"

enum { EVERY_MS = 2000 };

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* A file that is not there looks like any other such. */
static bool
has_changed(struct supervisor *s)
{
	size_t n;
	const char *const *names = policy_groups(s->conf->policy, &n);
	bool changed = false;

	for (size_t i = 0; i < n && i < LIMIT_GROUP_FILES; i++) {
		const char *path = groups_path(names[i]);
		struct stat st;

		if (path == NULL || stat(path, &st) != 0)
			memset(&st, 0, sizeof(st));
		changed = changed || !same_file(&st, &s->group[i]);
		s->group[i] = st;
	}
	return changed;
}

static void
on_timer(void *arg)
{
	struct supervisor *s = arg;

	if (s->stopping || !has_changed(s))
		return;
	log_event(
	    LOG_LVL_INFO, NULL, "group-files", KV_STR("conf", s->conf->file));
	for (size_t i = 0; i < s->n_proc; i++)
		if (s->proc[i].role == ROLE_WORKER)
			supervisor_tell_conf(s, &s->proc[i]);
}

void
groups_watch(struct supervisor *s)
{
	has_changed(s);
	s->groups = loop_timer_new(s->loop, on_timer, s);
	loop_timer_start(s->groups, EVERY_MS, EVERY_MS);
}
