/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the gateway publishes, in the DMZ: files of a directory below the
 * portal's, each replaced in one step. They are served while there is no
 * gateway, too; what a whole list does not name goes with its end.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/limits.h"
#include "common/log.h"
#include "gateway/portal/dmz_private.h"

enum {
	PATH_MAX_OCTETS = 512,
	PREFIX = sizeof(PORTAL_PUBLISHED) - 1,
};

/* In the directory, which has no others but what a kill has left. */
struct named {
	char text[PORTAL_PUBLISHED_NAME - PREFIX];
};

struct portal_published {
	int dir;
	uint64_t reserve;
	bool failed; /* since the list began: it was said */
	bool coming; /* pieces of this one: */
	struct named file;
	uint64_t size;
	struct buf octets;
	bool listing; /* these were named so far: */
	struct named *seen;
	size_t n_seen, max_seen;
};

/* Made if it is not there; -1: errno says why. */
static int
open_directory(const char *above)
{
	int fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC), dir = -1;
	int no;

	if (fd < 0)
		return -1;
	if (mkdirat(fd, PORTAL_PUBLISHED, 0700) == 0 || errno == EEXIST)
		dir = openat(
		    fd, PORTAL_PUBLISHED, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	no = errno;
	close(fd);
	errno = no;
	return dir;
}

struct portal_published *
portal_published_open(const char *dir, uint64_t reserve)
{
	struct portal_published *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->reserve = reserve;
	buf_init(&p->octets, LIMIT_DMZ_PUBLISHED);
	p->dir = open_directory(dir);
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
	p->failed = p->listing = false;
	p->n_seen = 0;
}

/* Say it, once until it is all told anew. */
static enum err
could_not(struct portal_published *p, const char *file, enum err e)
{
	if (e == ERR_OK || p->failed)
		return ERR_OK;
	p->failed = true;
	log_event(
	    LOG_LVL_ERR, NULL, "dmz-publish", KV_STR("file", file), KV_ERR(e));
	return e;
}

/* --- one */

/* Of what anybody may ask for; false: it is something else. */
static bool
read_name(struct span path, struct named *out)
{
	char text[PATH_MAX_OCTETS], name[PORTAL_PUBLISHED_NAME];

	if (path.len >= sizeof(text) ||
	    memchr(path.data, '\0', path.len) != NULL)
		return false;
	memcpy(text, path.data, path.len);
	text[path.len] = '\0';
	if (!portal_published_is_path(text))
		return false;
	portal_published_name(text, name);
	memcpy(out->text, name + PREFIX, sizeof(out->text));
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
	/* a name that a crash takes back comes anew with the next list */
	return e == ERR_OK ? file_replace(p->dir, p->file.text,
				 buf_span(&p->octets), 0600)
			   : e;
}

/* All of it is here. */
static enum err
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
	let_go(p);
	return could_not(p, p->file.text, e);
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
	return p->size == 0 ? finish(p) : ERR_OK;
}

static enum err
take_piece(struct portal_published *p, const struct proto_frame *f)
{
	if (!p->coming || f->offset != p->octets.len || f->octets.len == 0 ||
	    f->octets.len > p->size - p->octets.len)
		return ERR_IPC;
	/* out of memory: all of it comes anew on the next connection */
	if (buf_put(&p->octets, f->octets) != ERR_OK)
		return ERR_IPC;
	return p->octets.len == p->size ? finish(p) : ERR_OK;
}

static enum err
remove_file(const struct portal_published *p, const char *name)
{
	return unlinkat(p->dir, name, 0) == 0 || errno == ENOENT
		   ? ERR_OK
		   : err_from_errno(errno);
}

static enum err
withdraw(struct portal_published *p, struct span path)
{
	struct named n;

	if (!read_name(path, &n))
		return ERR_IPC;
	return could_not(p, n.text, remove_file(p, n.text));
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

/* What does not go is still handed out: it is tried again. */
static enum err
sweep(struct portal_published *p)
{
	int fd = openat(p->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	enum err e = ERR_OK, one;

	if (d == NULL) {
		e = err_from_errno(errno);
		if (fd >= 0)
			close(fd);
		return could_not(p, ".", e);
	}
	if (p->n_seen > 0)
		qsort(p->seen, p->n_seen, sizeof(*p->seen), compare);
	/* the end and an error look the same but for this */
	while (errno = 0, (entry = readdir(d)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0 ||
		    is_seen(p, entry->d_name))
			continue;
		one = remove_file(p, entry->d_name);
		e = e == ERR_OK ? one : e;
	}
	if (errno != 0)
		e = err_from_errno(errno);
	closedir(d);
	/* once for all of them: nothing else goes on meanwhile */
	if (e == ERR_OK)
		e = file_sync_dir(p->dir);
	return could_not(p, ".", e);
}

enum err
portal_published_take(struct portal_published *p, const struct proto_frame *f)
{
	enum err e = ERR_OK;

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
		e = sweep(p);
	p->listing = f->number != 0;
	p->failed = p->failed && !p->listing;
	p->n_seen = 0;
	return e;
}
