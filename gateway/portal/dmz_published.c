/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the gateway publishes, in the DMZ: files of the portal's own directory,
 * each replaced in one step. They are served while there is no gateway, too;
 * what a whole list does not name goes with its end.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/limits.h"
#include "common/log.h"
#include "gateway/portal/dmz_private.h"

enum { PATH_MAX_OCTETS = 512 };

/* of file_create_synced(): a kill leaves one */
#define UNFINISHED ".tmp."

struct named {
	char text[PORTAL_PUBLISHED_NAME];
};

struct portal_published {
	int dir;
	uint64_t reserve;
	bool coming; /* pieces of this one: */
	struct named file;
	uint64_t size;
	struct buf octets;
	bool listing; /* these were named so far: */
	struct named *seen;
	size_t n_seen, max_seen;
};

struct portal_published *
portal_published_open(const char *dir, uint64_t reserve)
{
	struct portal_published *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->reserve = reserve;
	buf_init(&p->octets, LIMIT_DMZ_PUBLISHED);
	p->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->dir < 0) {
		free(p);
		return NULL;
	}
	return p;
}

void
portal_published_close(struct portal_published *p)
{
	if (p == NULL)
		return;
	buf_clear(&p->octets);
	free(p->seen);
	close(p->dir);
	free(p);
}

static void
let_go(struct portal_published *p)
{
	p->coming = false;
	buf_clear(&p->octets);
	buf_init(&p->octets, LIMIT_DMZ_PUBLISHED);
}

void
portal_published_begin(struct portal_published *p)
{
	let_go(p);
	p->listing = false;
	p->n_seen = 0;
}

/* --- one */

/* Of what anybody may ask for; false: it is something else. */
static bool
read_name(struct span path, struct named *out)
{
	char text[PATH_MAX_OCTETS];

	if (path.len >= sizeof(text) ||
	    memchr(path.data, '\0', path.len) != NULL)
		return false;
	memcpy(text, path.data, path.len);
	text[path.len] = '\0';
	if (!portal_published_is_path(text))
		return false;
	portal_published_name(text, out->text);
	return true;
}

static enum err
note_seen(struct portal_published *p)
{
	if (!p->listing)
		return ERR_OK;
	if (p->n_seen == LIMIT_DMZ_PUBLISHED_FILES)
		return ERR_IPC;
	if (p->n_seen == p->max_seen) {
		p->max_seen = 2 * p->max_seen + 64;
		p->seen = reallocarray(p->seen, p->max_seen, sizeof(*p->seen));
		if (p->seen == NULL)
			fatal("portal: out of memory");
	}
	p->seen[p->n_seen++] = p->file;
	return ERR_OK;
}

static enum err
write_file(const struct portal_published *p)
{
	uint64_t space;
	enum err e = file_space(p->dir, &space);

	if (e == ERR_OK &&
	    (space < p->reserve || space - p->reserve < p->octets.len))
		e = ERR_DISK_FULL;
	return e == ERR_OK ? file_create_synced(p->dir, p->file.text,
				 buf_span(&p->octets), 0600, true)
			   : e;
}

/* All of it is here. */
static void
finish(struct portal_published *p)
{
	struct buf old;
	bool same;
	enum err e = ERR_OK;

	buf_init(&old, LIMIT_DMZ_PUBLISHED);
	same = file_read_path(p->dir, p->file.text, &old) == ERR_OK &&
	       span_eq(buf_span(&old), buf_span(&p->octets));
	buf_clear(&old);
	if (!same)
		e = write_file(p);
	if (e != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "dmz-publish",
		    KV_STR("file", p->file.text), KV_ERR(e));
	let_go(p);
}

static enum err
begin(struct portal_published *p, const struct proto_frame *f)
{
	enum err e;

	let_go(p);
	if (f->size > LIMIT_DMZ_PUBLISHED || !read_name(f->octets, &p->file))
		return ERR_IPC;
	e = note_seen(p);
	if (e != ERR_OK)
		return e;
	p->size = f->size;
	p->coming = true;
	if (p->size == 0)
		finish(p);
	return ERR_OK;
}

static enum err
take_piece(struct portal_published *p, const struct proto_frame *f)
{
	enum err e;

	if (!p->coming || f->offset != p->octets.len || f->octets.len == 0 ||
	    f->octets.len > p->size - p->octets.len)
		return ERR_IPC;
	e = buf_put(&p->octets, f->octets);
	if (e == ERR_OK && p->octets.len == p->size)
		finish(p);
	return e;
}

static enum err
withdraw(struct portal_published *p, struct span path)
{
	struct named n;

	if (!read_name(path, &n))
		return ERR_IPC;
	if (unlinkat(p->dir, n.text, 0) != 0 && errno != ENOENT)
		log_event(LOG_LVL_ERR, NULL, "dmz-publish",
		    KV_STR("file", n.text), KV_ERR(err_from_errno(errno)));
	return ERR_OK;
}

/* --- all */

static int
compare(const void *a, const void *b)
{
	return strcmp(
	    ((const struct named *)a)->text, ((const struct named *)b)->text);
}

static bool
is_seen(const struct portal_published *p, const char *name)
{
	struct named n = {""};

	if (strlen(name) >= sizeof(n.text))
		return false;
	memcpy(n.text, name, strlen(name));
	return p->n_seen > 0 &&
	       bsearch(&n, p->seen, p->n_seen, sizeof(n), compare) != NULL;
}

static void
sweep(struct portal_published *p)
{
	int fd = openat(p->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	if (p->n_seen > 0)
		qsort(p->seen, p->n_seen, sizeof(*p->seen), compare);
	while ((e = readdir(d)) != NULL)
		if (strncmp(e->d_name, UNFINISHED, strlen(UNFINISHED)) == 0 ||
		    (strncmp(e->d_name, PORTAL_PUBLISHED,
			 strlen(PORTAL_PUBLISHED)) == 0 &&
			!is_seen(p, e->d_name)))
			(void)!unlinkat(p->dir, e->d_name, 0);
	closedir(d);
}

enum err
portal_published_take(struct portal_published *p, const struct proto_frame *f)
{
	switch (f->type) {
	case FRAME_PUBLISHED:
		return begin(p, f);
	case FRAME_PUBLISHED_DATA:
		return take_piece(p, f);
	case FRAME_WITHDRAWN:
		return withdraw(p, f->octets);
	}
	let_go(p);
	if (f->number == 0 && p->listing)
		sweep(p);
	p->listing = f->number != 0;
	p->n_seen = 0;
	return ERR_OK;
}
