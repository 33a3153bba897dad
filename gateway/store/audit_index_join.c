/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One block out of all that the index of a whole file has: a word that is not
 * in the file costs a page or two then, and not as many for every stretch. The
 * stretches stay, so that a span of time or a page of results is still found
 * without the rest of the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "gateway/store/audit_index_private.h"

/* Where the merge has come to in one block. */
struct run {
	const uint8_t *next, *end;
};

/* In the order of their hashes; those of one hash in the order of the file,
   which is that of the blocks. */
static uint8_t *
merge(struct run *run, size_t n, uint8_t *p)
{
	for (;;) {
		struct run *least = NULL;
		uint64_t least_hash = 0;

		for (size_t i = 0; i < n; i++) {
			uint64_t hash;

			if (run[i].next == run[i].end)
				continue;
			hash = index_le(run[i].next, 8);
			if (least == NULL || hash < least_hash) {
				least = &run[i];
				least_hash = hash;
			}
		}
		if (least == NULL)
			return p;
		memcpy(p, least->next, INDEX_ENTRY);
		p += INDEX_ENTRY;
		least->next += INDEX_ENTRY;
	}
}

/* First and last of all of them. */
static struct store_index_view
whole_of(const struct store_index_file *f)
{
	struct store_index_view v = f->view[0];

	for (size_t i = 1; i < f->n; i++) {
		const struct store_index_view *w = &f->view[i];

		if (memcmp(w->first_time.data, v.first_time.data,
			STORE_INDEX_TIME) < 0)
			v.first_time = w->first_time;
		if (memcmp(w->last_time.data, v.last_time.data,
			STORE_INDEX_TIME) > 0)
			v.last_time = w->last_time;
		v.n_lines += w->n_lines;
		v.to = w->to;
	}
	return v;
}

static uint8_t *
put_stretches(uint8_t *p, const struct store_index_file *f)
{
	p = index_put(p, f->n, INDEX_COUNT);
	for (size_t i = 0; i < f->n; i++) {
		const struct store_index_view *v = &f->view[i];

		p = index_put(p, v->to, 8);
		p = index_put(p, v->first_seq, 8);
		p = index_put(p, v->n_lines, 8);
		memcpy(p, v->first_time.data, STORE_INDEX_TIME);
		memcpy(
		    p + STORE_INDEX_TIME, v->last_time.data, STORE_INDEX_TIME);
		p += 2 * STORE_INDEX_TIME;
	}
	return p;
}

static enum err
join(const struct store_index_file *f, uint8_t **out, size_t *len_out)
{
	const struct store_index_view whole = whole_of(f);
	struct run *run = calloc(f->n_blocks, sizeof(*run));
	size_t n = 0, len;
	uint8_t *block = NULL, *p;

	for (size_t i = 0; run != NULL && i < f->n_blocks; i++) {
		const struct index_block *b = &f->block[i];

		run[i] =
		    (struct run){b->entries, b->entries + b->n * INDEX_ENTRY};
		n += b->n;
	}
	len = INDEX_HEAD + INDEX_COUNT + f->n * INDEX_STRETCH + n * INDEX_ENTRY;
	if (run != NULL)
		block = malloc(len);
	if (block == NULL) {
		free(run);
		return ERR_NOMEM;
	}
	p = index_put_head(block, index_magic_joined, &whole, n);
	p = put_stretches(p, f);
	merge(run, f->n_blocks, p);
	free(run);
	index_put(block + INDEX_SUM_AT,
	    index_checksum(INDEX_SUM_START, block, len), 8);
	*out = block;
	*len_out = len;
	return ERR_OK;
}

/* In its place, or nothing: who reads has the one or the other. */
static enum err
replace(int dir_fd, const char *name, struct span block)
{
	char made[INDEX_NAME + sizeof(".new")];
	enum err e;
	int fd;

	snprintf(made, sizeof(made), "%s.new", name);
	fd = openat(
	    dir_fd, made, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_from_errno(errno);
	e = file_write_all(fd, block);
	if (e == ERR_OK)
		e = file_sync(fd);
	close(fd);
	if (e == ERR_OK && renameat(dir_fd, made, dir_fd, name) != 0)
		e = err_from_errno(errno);
	if (e != ERR_OK)
		unlinkat(dir_fd, made, 0);
	return e;
}

static enum err
sync_one(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC);
	enum err e;

	if (fd < 0)
		return errno == ENOENT ? ERR_OK : err_from_errno(errno);
	e = file_sync(fd);
	close(fd);
	return e;
}

static enum err
join_in(int dir_fd, const char *name, const struct store_index_file *f)
{
	uint8_t *block = NULL;
	size_t len = 0;
	enum err e;

	/* what is not as it was written is not made to look sound */
	if (store_index_file_check(f) == UINT64_MAX)
		return ERR_MALFORMED;
	e = join(f, &block, &len);
	if (e == ERR_OK)
		e = replace(dir_fd, name, SPAN(block, len));
	free(block);
	return e;
}

enum err
store_index_join(int dir_fd, uint64_t first)
{
	struct store_index_file *f = NULL;
	char name[INDEX_NAME];
	enum err e = store_index_file_open(dir_fd, first, &f), synced;

	store_index_name(first, name, sizeof(name));
	if (e == ERR_OK && f->n_blocks > 1)
		e = join_in(dir_fd, name, f);
	store_index_file_close(f);
	/* readers do not look whether it is sound: nothing may be missing of
	   it after a crash, also of one that could not be joined */
	synced = sync_one(dir_fd, name);
	if (synced == ERR_OK)
		synced = file_sync_dir(dir_fd);
	if (synced != ERR_OK)
		unlinkat(dir_fd, name, 0);
	return e != ERR_OK ? e : synced;
}
