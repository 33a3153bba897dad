/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Reading the log piece by piece: it may be larger than memory.
 */
#include "gateway/store/audit_reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/store/audit_line.h"

enum { PIECE = 64 * 1024 };

struct store_reader {
	int fd;
	struct buf b;
	size_t used; /* octets of b handed out */
	uint64_t offset;
	bool end;
};

static int
compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static enum err
add_file(uint64_t **list, size_t *n, uint64_t seq)
{
	uint64_t *more = realloc(*list, (*n + 1) * sizeof(**list));

	if (more == NULL)
		return ERR_NOMEM;
	more[(*n)++] = seq;
	*list = more;
	return ERR_OK;
}

enum err
store_audit_files(int dir_fd, uint64_t **out, size_t *n_out)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	uint64_t *list = NULL, seq;
	size_t n = 0;
	enum err e = ERR_OK;

	if (d == NULL) {
		e = err_from_errno(errno);
		if (fd >= 0)
			close(fd);
		return e;
	}
	while (e == ERR_OK && (entry = readdir(d)) != NULL) {
		seq = store_audit_file_seq(entry->d_name);
		if (seq != 0)
			e = add_file(&list, &n, seq);
	}
	closedir(d);
	if (e != ERR_OK) {
		free(list);
		return e;
	}
	if (n > 1)
		qsort(list, n, sizeof(*list), compare);
	*out = list;
	*n_out = n;
	return ERR_OK;
}

enum err
store_reader_open(int dir_fd, uint64_t first_seq, struct store_reader **out)
{
	char name[STORE_AUDIT_NAME];
	struct store_reader *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return ERR_NOMEM;
	store_audit_file_name(first_seq, name);
	r->fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	if (r->fd < 0) {
		free(r);
		return err_from_errno(errno);
	}
	buf_init(&r->b, STORE_LINE_MAX + PIECE);
	*out = r;
	return ERR_OK;
}

void
store_reader_close(struct store_reader *r)
{
	if (r == NULL)
		return;
	buf_clear(&r->b);
	close(r->fd);
	free(r);
}

static enum err
fill(struct store_reader *r)
{
	uint8_t *to;
	ssize_t n;
	enum err e;

	buf_drop(&r->b, r->used);
	r->used = 0;
	e = buf_reserve(&r->b, PIECE, &to);
	if (e != ERR_OK)
		return e;
	do
		n = read(r->fd, to, PIECE);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_from_errno(errno);
	buf_grow(&r->b, (size_t)n);
	r->end = n == 0;
	return ERR_OK;
}

enum err
store_reader_next(struct store_reader *r, struct span *line, bool *whole)
{
	struct span rest;
	size_t len, from = 0;
	enum err e;

	for (;;) {
		rest = buf_span(&r->b);
		if (r->used > 0)
			rest = SPAN(rest.data + r->used, rest.len - r->used);
		len = span_find_chr(rest, from, '\n');
		if (len < rest.len || r->end)
			break;
		from = rest.len;
		e = fill(r);
		if (e != ERR_OK)
			return e;
	}
	if (rest.len == 0)
		return ERR_NOT_FOUND;
	*whole = len < rest.len;
	r->used += len + (*whole ? 1 : 0);
	r->offset += len + (*whole ? 1 : 0);
	*line = SPAN(rest.data, len);
	return ERR_OK;
}

enum err
store_reader_seek(struct store_reader *r, uint64_t at)
{
	if (lseek(r->fd, (off_t)at, SEEK_SET) < 0)
		return err_from_errno(errno);
	r->offset = at;
	return ERR_OK;
}

uint64_t
store_reader_offset(const struct store_reader *r)
{
	return r->offset;
}
