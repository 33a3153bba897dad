/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Large bodies: files named by the id of their entry. A worker writes and
 * syncs one before it submits the entry; store removes it when the entry is
 * durably gone, and sweeps up what a crash left between the two.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "gateway/store/store_entry_private.h"
#include "gateway/store/store_private.h"

bool
store_has_body(const struct store *s, uint64_t id, uint64_t size)
{
	char name[TEXT_ID_SIZE];
	struct stat st;

	text_id(id, name);
	return fstatat(s->bodies_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode) && (uint64_t)st.st_size == size;
}

int
store_open_body(const struct store *s, uint64_t id)
{
	char name[TEXT_ID_SIZE];

	text_id(id, name);
	return openat(s->bodies_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

void
store_unlink_body(const struct store *s, uint64_t id)
{
	char name[TEXT_ID_SIZE];

	text_id(id, name);
	unlinkat(s->bodies_fd, name, 0);
}

/* Whether the file is old by the clock it was made with. */
static bool
is_old(const struct stat *st)
{
	uint64_t now_s = clock_unix_ms() / 1000;

	return (uint64_t)st->st_mtime + STORE_SWEEP_AGE_S < now_s;
}

static bool
is_left_over(const struct store *s, const char *name)
{
	struct stat st;
	uint64_t id;

	if (text_unid(name, &id) == ERR_OK &&
	    store_index_find(s->index, id) != NULL)
		return false;
	return fstatat(s->bodies_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode) && is_old(&st);
}

void
store_sweep(struct store *s)
{
	int fd = openat(s->bodies_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	s->swept_ms = clock_steady_ms();
	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(d)) != NULL) {
		if (!is_left_over(s, e->d_name))
			continue;
		log_event(LOG_LVL_INFO, NULL, "body-swept",
		    KV_STR("file", e->d_name));
		unlinkat(s->bodies_fd, e->d_name, 0);
	}
	closedir(d);
}
