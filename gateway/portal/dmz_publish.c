/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the gateway publishes (gateway/publish.h), on its way to a portal in a
 * DMZ: all of it after each hello, and what has changed since. Files are
 * replaced and never written to, so that what stat(2) says of one tells whether
 * it is another.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "gateway/portal/dmz_inside_private.h"

enum {
	PATH_MAX_OCTETS = 512,
	DEPTH = 3, /* wkd/DOMAIN/hu/FILE */
};

struct file {
	char *name; /* below the directory */
	struct stat st;
	bool told;
};

struct files {
	struct file *list;
	size_t n, max;
};

struct portal_publisher {
	int dir;
	struct files files; /* sorted; as they were at the last look */
	size_t at;	    /* the next to be told */
	bool whole;	    /* all were, since the hello */
	bool broken;	    /* since the last look not all could be read */
	int fd;		    /* of the one that goes; -1 */
	uint64_t left, offset;
	uint64_t look_at_ms;
	uint64_t again_at_ms; /* from the beginning; 0: no need */
};

struct portal_publisher *
portal_publisher_new(int dir)
{
	struct portal_publisher *p = calloc(1, sizeof(*p));

	if (p == NULL)
		fatal("portal: out of memory");
	p->dir = dir;
	p->fd = -1;
	return p;
}

static void
clear(struct files *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->list[i].name);
	free(f->list);
	*f = (struct files){.n = 0};
}

static void
let_go(struct portal_publisher *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

void
portal_publisher_free(struct portal_publisher *p)
{
	if (p == NULL)
		return;
	let_go(p);
	clear(&p->files);
	close(p->dir);
	free(p);
}

/* --- what there is */

static void
add(struct files *f, const char *name, const struct stat *st)
{
	if (!portal_published_is_path(name) ||
	    (uint64_t)st->st_size > LIMIT_DMZ_PUBLISHED ||
	    f->n == LIMIT_DMZ_PUBLISHED_FILES)
		return;
	if (f->n == f->max) {
		f->max = 2 * f->max + 64;
		f->list = reallocarray(f->list, f->max, sizeof(*f->list));
		if (f->list == NULL)
			fatal("portal: out of memory");
	}
	f->list[f->n] = (struct file){.name = strdup(name), .st = *st};
	if (f->list[f->n++].name == NULL)
		fatal("portal: out of memory");
}

static enum err walk(
    int at, const char *below, unsigned depth, struct files *out);

/* What has gone meanwhile is not there. */
static enum err
visit(int at, const char *name, unsigned depth, struct files *out)
{
	struct stat st;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? ERR_OK : err_from_errno(errno);
	if (S_ISDIR(st.st_mode) && depth < DEPTH)
		return walk(at, name, depth + 1, out);
	if (S_ISREG(st.st_mode))
		add(out, name, &st);
	return ERR_OK;
}

/* All there is, or an error: what a list lacks is withdrawn. */
static enum err
walk(int at, const char *below, unsigned depth, struct files *out)
{
	int fd = openat(at, below[0] == '\0' ? "." : below,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	char name[PATH_MAX_OCTETS];
	struct dirent *entry;
	enum err e = ERR_OK;

	if (d == NULL) {
		if (errno != ENOENT || depth == 0)
			e = err_from_errno(errno);
		if (fd >= 0)
			close(fd);
		return e;
	}
	/* the end and an error look the same but for this */
	while (e == ERR_OK && (errno = 0, entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.' &&
		    snprintf(name, sizeof(name), "%s%s%s", below,
			below[0] == '\0' ? "" : "/",
			entry->d_name) < (int)sizeof(name))
			e = visit(at, name, depth, out);
	if (e == ERR_OK && errno != 0)
		e = err_from_errno(errno);
	closedir(d);
	return e;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(
	    ((const struct file *)a)->name, ((const struct file *)b)->name);
}

/* Whether it has it or not: what could not be read may be there as it was. */
static void
withdraw(struct portal_inside *in, const struct file *f)
{
	portal_wire_send(
	    in->wire, &(struct proto_frame){.type = FRAME_WITHDRAWN,
			  .octets = span_str(f->name)});
}

/* What is there stays there, and it is looked again; a list has no end until
   all of it was read. */
static void
could_not_read(struct portal_inside *in, enum err e)
{
	struct err_why why;

	in->publisher->broken = true;
	(void)!err_why(
	    &why, e, "what is published cannot be read: %s", err_text(e));
	portal_inside_complain(in, TROUBLE_PUBLISHED, why.text);
}

/* The list anew. What the other side has of it, and is the same, it has. */
static void
look(struct portal_inside *in)
{
	struct portal_publisher *p = in->publisher;
	struct files now = {.n = 0};
	size_t old = 0;
	enum err e = walk(p->dir, "", 0, &now);

	p->look_at_ms = clock_steady_ms() + LIMIT_DMZ_PUBLISHED_MS;
	p->broken = false;
	p->at = 0;
	if (e != ERR_OK) {
		clear(&now);
		could_not_read(in, e);
		return;
	}
	if (now.n > 0)
		qsort(now.list, now.n, sizeof(*now.list), by_name);
	for (size_t i = 0; i <= now.n; i++) {
		int order = 1;

		/* those between this one and the one before are gone */
		while (old < p->files.n &&
		       (order = i == now.n ? -1
					   : strcmp(p->files.list[old].name,
						 now.list[i].name)) < 0)
			withdraw(in, &p->files.list[old++]);
		if (i < now.n && old < p->files.n && order == 0) {
			now.list[i].told =
			    p->files.list[old].told &&
			    file_is_as_before(
				&p->files.list[old].st, &now.list[i].st);
			old++;
		}
	}
	clear(&p->files);
	p->files = now;
}

/* --- on its way */

static void
say_list(struct portal_inside *in, uint32_t number)
{
	portal_wire_send(
	    in->wire, &(struct proto_frame){
			  .type = FRAME_PUBLISHED_LIST, .number = number});
}

static void
begin(struct portal_inside *in, struct file *f)
{
	struct portal_publisher *p = in->publisher;

	p->fd = openat(p->dir, f->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (p->fd < 0) {
		/* that it has gone, the next look finds */
		if (errno != ENOENT)
			could_not_read(in, err_from_errno(errno));
		return;
	}
	if (fstat(p->fd, &f->st) != 0) {
		could_not_read(in, err_from_errno(errno));
		let_go(p);
		return;
	}
	if ((uint64_t)f->st.st_size > LIMIT_DMZ_PUBLISHED) {
		let_go(p);
		return;
	}
	p->left = (uint64_t)f->st.st_size;
	p->offset = 0;
	f->told = true;
	portal_wire_send(
	    in->wire, &(struct proto_frame){.type = FRAME_PUBLISHED,
			  .size = p->left,
			  .octets = span_str(f->name)});
	if (p->left == 0)
		let_go(p);
}

static void
send_piece(struct portal_inside *in)
{
	static uint8_t piece[LIMIT_DMZ_PIECE];
	struct portal_publisher *p = in->publisher;
	size_t want = p->left < sizeof(piece) ? (size_t)p->left : sizeof(piece);
	ssize_t n = pread(p->fd, piece, want, (off_t)p->offset);

	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) {
		/* the next one makes it void there */
		p->files.list[p->at - 1].told = false;
		could_not_read(in, n < 0 ? err_from_errno(errno) : ERR_IO);
		let_go(p);
		return;
	}
	portal_wire_send(
	    in->wire, &(struct proto_frame){.type = FRAME_PUBLISHED_DATA,
			  .offset = p->offset,
			  .octets = SPAN(piece, (size_t)n)});
	p->offset += (uint64_t)n;
	p->left -= (uint64_t)n;
	/* what was offered before waits behind it */
	in->moved_ms = clock_steady_ms();
	if (p->left == 0)
		let_go(p);
}

/* False: there is nothing to be told. */
static bool
step(struct portal_inside *in)
{
	struct portal_publisher *p = in->publisher;

	if (p->fd >= 0) {
		send_piece(in);
	} else if (p->at < p->files.n) {
		struct file *f = &p->files.list[p->at++];

		if (!f->told)
			begin(in, f);
	} else if (!p->whole && !p->broken) {
		p->whole = true;
		say_list(in, 0);
	} else {
		return false;
	}
	return true;
}

/* From the beginning. */
static void
start(struct portal_inside *in)
{
	struct portal_publisher *p = in->publisher;

	let_go(p);
	clear(&p->files);
	p->whole = false;
	p->again_at_ms = 0;
	say_list(in, 1);
	look(in);
}

void
portal_publish_go_on(struct portal_inside *in)
{
	struct portal_publisher *p = in->publisher;
	uint64_t now = clock_steady_ms();

	if (!in->up || p == NULL || !in->publishes)
		return;
	if (p->fd < 0 && p->at == p->files.n) {
		if (p->again_at_ms != 0 && now >= p->again_at_ms)
			start(in);
		else if (now >= p->look_at_ms)
			look(in);
	}
	while (portal_wire_has_room(in->wire) && step(in))
		continue;
}

void
portal_publish_anew(struct portal_inside *in)
{
	if (in->publisher == NULL)
		return;
	if (!in->publishes) {
		portal_inside_complain(in, TROUBLE_PUBLISHED,
		    "its version takes nothing that is published");
		return;
	}
	start(in);
	portal_publish_go_on(in);
}

void
portal_publish_not_now(struct portal_inside *in, enum err e)
{
	struct portal_publisher *p = in->publisher;

	if (p == NULL || !in->publishes)
		return;
	portal_inside_complain(in, TROUBLE_PUBLISHED, err_text(e));
	if (p->again_at_ms == 0)
		p->again_at_ms = clock_steady_ms() + LIMIT_DMZ_PUBLISHED_AGAIN;
}
