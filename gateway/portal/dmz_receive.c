/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Objects on their way into the DMZ: a file that grows beside the others until
 * it is whole, synced, and in the index; only then is the gateway told that it
 * is there, and only then does the notice with its link go. What breaks off
 * goes on where it was, as long as this process lives; a crash begins anew.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/limits.h"
#include "common/log.h"
#include "gateway/portal/dmz_private.h"

#define PART ".part"

enum { NAME = OBJECT_ID_TEXT_SIZE + sizeof(PART) };

struct portal_receiver {
	int dir;
	struct portal_objects *objects;
	uint64_t reserve;
	int fd; /* of the one that comes; -1: none */
	struct object_header header;
	uint64_t got;
};

static void
part_name(const uint8_t *id, char out[NAME])
{
	char name[OBJECT_ID_TEXT_SIZE];

	object_id_format(id, name);
	snprintf(out, NAME, "%s" PART, name);
}

/* What was written before a crash may not be what was sent. */
static void
sweep(int at)
{
	int fd = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *d;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((d = readdir(dir)) != NULL) {
		size_t len = strlen(d->d_name);

		if (len == NAME - 2 &&
		    strcmp(d->d_name + len - strlen(PART), PART) == 0)
			(void)!unlinkat(at, d->d_name, 0);
	}
	closedir(dir);
}

struct portal_receiver *
portal_receiver_open(
    const char *dir, struct portal_objects *objects, uint64_t reserve)
{
	struct portal_receiver *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->objects = objects;
	r->reserve = reserve;
	r->fd = -1;
	r->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->dir < 0) {
		free(r);
		return NULL;
	}
	sweep(r->dir);
	return r;
}

static void
let_go(struct portal_receiver *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}

void
portal_receiver_close(struct portal_receiver *r)
{
	if (r == NULL)
		return;
	let_go(r);
	close(r->dir);
	free(r);
}

/* Are they one and the same, but for the expiry? */
static bool
is_same(const struct object_header *a, const struct object_header *b)
{
	uint8_t x[OBJECT_HEADER_SIZE], y[OBJECT_HEADER_SIZE];

	object_header_format(a, x);
	object_header_format(b, y);
	return memcmp(x, y, OBJECT_HEADER_AD_SIZE) == 0;
}

/* Of an object that is there; ERR_NOT_FOUND: it is not. */
static enum err
have(struct portal_receiver *r, const struct object_header *h)
{
	struct object_header ours;
	int fd;
	enum err e = portal_objects_find(r->objects, h->id, 0, &ours);

	/* a crash between its name and the index leaves the file alone */
	if (e == ERR_NOT_FOUND) {
		e = portal_objects_add(r->objects, h->id);
		if (e == ERR_OK)
			e = portal_objects_find(r->objects, h->id, 0, &ours);
	}
	if (e == ERR_OK && !is_same(h, &ours))
		return ERR_EXISTS;
	if (e == ERR_OK)
		e = portal_objects_file(r->objects, &ours, &fd);
	if (e == ERR_BAD_SEAL || e == ERR_MALFORMED)
		return ERR_NOT_FOUND;
	if (e != ERR_OK)
		return e;
	close(fd);
	return ours.expires_s == h->expires_s
		   ? ERR_OK
		   : portal_objects_until(r->objects, h->id, h->expires_s);
}

/* What there is of it may be another's that had its name. */
static bool
begins_as(int fd, const uint8_t *header)
{
	uint8_t is[OBJECT_HEADER_SIZE];

	return pread(fd, is, sizeof(is), 0) == (ssize_t)sizeof(is) &&
	       memcmp(is, header, OBJECT_HEADER_AD_SIZE) == 0;
}

static enum err
has_room(const struct portal_receiver *r, uint64_t more)
{
	uint64_t space;
	enum err e = file_space(r->dir, &space);

	if (e == ERR_OK && (space < r->reserve || space - r->reserve < more))
		e = ERR_DISK_FULL;
	return e;
}

static enum err
open_part(struct portal_receiver *r, const uint8_t *header, uint64_t *from_out)
{
	char name[NAME];
	struct stat st;
	uint64_t total = object_total_size(&r->header);
	enum err e;

	part_name(r->header.id, name);
	r->fd = openat(
	    r->dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (r->fd < 0 || fstat(r->fd, &st) != 0)
		return err_from_errno(errno);
	r->got = (uint64_t)st.st_size;
	/* the whole of it would have been ended */
	if ((r->got > 0 && !begins_as(r->fd, header)) || r->got >= total) {
		if (ftruncate(r->fd, 0) != 0)
			return err_from_errno(errno);
		r->got = 0;
	}
	e = has_room(r, total - r->got);
	if (e == ERR_OK && lseek(r->fd, (off_t)r->got, SEEK_SET) < 0)
		e = ERR_IO;
	if (e == ERR_OK)
		*from_out = r->got;
	return e;
}

enum err
portal_receiver_offer(
    struct portal_receiver *r, const uint8_t *header, uint64_t *from_out)
{
	enum err e =
	    object_header_parse(SPAN(header, OBJECT_HEADER_SIZE), &r->header);

	let_go(r);
	if (e == ERR_OK)
		e = have(r, &r->header);
	if (e != ERR_NOT_FOUND)
		return e;
	e = open_part(r, header, from_out);
	if (e == ERR_OK)
		return ERR_AGAIN;
	let_go(r);
	return e;
}

static enum err
finish(struct portal_receiver *r)
{
	char part[NAME], name[OBJECT_ID_TEXT_SIZE];
	enum err e = file_sync(r->fd);

	part_name(r->header.id, part);
	object_id_format(r->header.id, name);
	if (e == ERR_OK && renameat(r->dir, part, r->dir, name) != 0)
		e = err_from_errno(errno);
	if (e == ERR_OK)
		e = file_sync_dir(r->dir);
	/* reads it again: what came must be what was announced */
	if (e == ERR_OK)
		e = portal_objects_add(r->objects, r->header.id);
	if (e == ERR_MALFORMED || e == ERR_UNSUPPORTED)
		(void)!unlinkat(r->dir, name, 0);
	let_go(r);
	return e;
}

enum err
portal_receiver_put(struct portal_receiver *r, const uint8_t *id,
    uint64_t offset, struct span piece)
{
	uint64_t total = object_total_size(&r->header);
	enum err e;

	/* of one that was given up */
	if (r->fd < 0 || memcmp(id, r->header.id, OBJECT_ID_SIZE) != 0)
		return ERR_AGAIN;
	if (offset != r->got || piece.len > total - r->got) {
		let_go(r);
		return ERR_IPC;
	}
	e = file_write_all(r->fd, piece);
	if (e != ERR_OK) {
		char name[NAME];

		/* room for others, while this one cannot go on */
		part_name(r->header.id, name);
		(void)!unlinkat(r->dir, name, 0);
		let_go(r);
		return e;
	}
	r->got += piece.len;
	return r->got == total ? finish(r) : ERR_AGAIN;
}
