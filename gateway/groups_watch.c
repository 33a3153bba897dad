/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Whether a file of a group, of users or of recipients has changed: the
 * supervisor looks every other second, and hands the files to who reads them
 * anew, opened by it. A rename over a file is seen by nobody else.
 */
#include <string.h>
#include <sys/stat.h>

#include "common/file.h"
#include "common/log.h"
#include "common/loop.h"
#include "gateway/conf.h"
#include "gateway/state.h"
#include "gateway/supervisor_private.h"

enum { EVERY_MS = 2000 };

static const enum role_id readers[] = {ROLE_WORKER, ROLE_ACCOUNTS};

struct look {
	struct stat *seen;
	size_t n;
	bool changed;
};

/* A file that is not there looks like any other such. */
static void
look_at(void *arg, enum role_fd kind, unsigned which, const char *path)
{
	struct look *l = arg;
	struct stat st;

	if (l->n == LIMIT_IPC_FDS)
		return; /* no more are handed over */
	if (stat(path, &st) != 0)
		memset(&st, 0, sizeof(st));
	l->changed = l->changed || !file_is_as_before(&st, &l->seen[l->n]);
	l->seen[l->n++] = st;
}

static bool
has_changed(struct supervisor *s, size_t reader)
{
	struct look l = {.seen = s->watched[reader]};

	state_each_file(s->conf, readers[reader], look_at, &l);
	return l.changed;
}

static void
on_timer(void *arg)
{
	struct supervisor *s = arg;

	for (size_t r = 0; r < sizeof(readers) / sizeof(readers[0]); r++) {
		if (s->stopping || !has_changed(s, r))
			continue;
		log_event(LOG_LVL_INFO, NULL, "files-changed",
		    KV_STR("process", role_name(readers[r])));
		for (size_t i = 0; i < s->n_proc; i++)
			if (s->proc[i].role == readers[r])
				supervisor_tell_conf(s, &s->proc[i]);
	}
}

void
groups_watch(struct supervisor *s)
{
	for (size_t r = 0; r < sizeof(readers) / sizeof(readers[0]); r++)
		(void)has_changed(s, r);
	s->groups = loop_timer_new(s->loop, on_timer, s);
	loop_timer_start(s->groups, EVERY_MS, EVERY_MS);
}
