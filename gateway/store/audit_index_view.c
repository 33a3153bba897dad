/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Looking into the index of the audit log. What is in the file was written by
 * store, but anybody may have changed it: nothing in it is followed out of
 * the file, and every line that it names is looked at.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/store/audit_index_private.h"

enum {
	STEP = 64, /* entries: a fifth of a page */
	/* where an entry is may be that far from where it should be: three
	   standard deviations with a million of them */
	AROUND = 36 * 1024,
};

/* The head of a block; n_out: its entries, which are in the file. */
static bool
read_head(const uint8_t *p, size_t left, uint64_t from,
    struct store_index_view *out, struct index_block *b)
{
	size_t head = INDEX_HEAD;
	uint64_t n, stretches = 1;

	if (left < INDEX_HEAD + INDEX_COUNT) /* no block is without entries */
		return false;
	if (memcmp(p, index_magic_joined, sizeof(index_magic_joined)) == 0) {
		stretches = index_le(p + INDEX_HEAD, INDEX_COUNT);
		if (stretches == 0 || stretches > left / INDEX_STRETCH)
			return false;
		head += INDEX_COUNT + stretches * INDEX_STRETCH;
	} else if (memcmp(p, index_magic, sizeof(index_magic)) != 0) {
		return false;
	}
	n = index_le(p + INDEX_SUM_AT - 8, 8);
	if (head > left || n > (left - head) / INDEX_ENTRY)
		return false;
	*b = (struct index_block){.data = p,
	    .len = head + n * INDEX_ENTRY,
	    .stretches = stretches,
	    .entries = p + head,
	    .n = n};
	*out = (struct store_index_view){.from = index_le(p + 8, 8),
	    .to = index_le(p + 16, 8),
	    .first_seq = index_le(p + 24, 8),
	    .n_lines = index_le(p + 32, 8),
	    .first_time = SPAN(p + 40, STORE_INDEX_TIME),
	    .last_time = SPAN(p + 40 + STORE_INDEX_TIME, STORE_INDEX_TIME),
	    .n = n,
	    .entries = b->entries};
	return out->from == from && out->to > from;
}

/* Stretch i of a joined block, which begins where the one before ended. */
static struct store_index_view
stretch(const struct index_block *b, size_t i, uint64_t from)
{
	const uint8_t *p =
	    b->data + INDEX_HEAD + INDEX_COUNT + i * INDEX_STRETCH;

	return (struct store_index_view){.from = from,
	    .to = index_le(p, 8),
	    .first_seq = index_le(p + 8, 8),
	    .n_lines = index_le(p + 16, 8),
	    .first_time = SPAN(p + 24, STORE_INDEX_TIME),
	    .last_time = SPAN(p + 24 + STORE_INDEX_TIME, STORE_INDEX_TIME),
	    .n = b->n,
	    .entries = b->entries};
}

static bool
is_joined(const struct index_block *b)
{
	return memcmp(b->data, index_magic_joined,
		   sizeof(index_magic_joined)) == 0;
}

/* Do its stretches follow one another from its start to its end? */
static bool
stretches_fit(const struct index_block *b, const struct store_index_view *whole)
{
	uint64_t from = whole->from;

	if (!is_joined(b))
		return true;
	for (size_t i = 0; i < b->stretches; i++) {
		struct store_index_view v = stretch(b, i, from);

		if (v.to <= from)
			return false;
		from = v.to;
	}
	return from == whole->to;
}

/* With room for them what they are, without only how many. */
static void
read_blocks(struct store_index_file *f, bool room)
{
	struct store_index_view whole;
	struct index_block b;
	uint64_t from = 0;
	size_t at = 0;

	f->n_blocks = f->n = 0;
	/* an empty file is mapped nowhere */
	while (f->len > at &&
	       read_head(f->map + at, f->len - at, from, &whole, &b) &&
	       stretches_fit(&b, &whole)) {
		if (room)
			f->block[f->n_blocks] = b;
		for (size_t i = 0; i < b.stretches; i++, f->n++) {
			struct store_index_view v =
			    is_joined(&b) ? stretch(&b, i, from) : whole;

			if (room)
				f->view[f->n] = v;
			from = v.to;
		}
		f->n_blocks++;
		at += b.len;
	}
}

static enum err
find_blocks(struct store_index_file *f)
{
	read_blocks(f, false);
	if (f->n_blocks == 0)
		return ERR_OK;
	f->block = calloc(f->n_blocks, sizeof(*f->block));
	f->view = calloc(f->n, sizeof(*f->view));
	if (f->block == NULL || f->view == NULL)
		return ERR_NOMEM;
	read_blocks(f, true);
	return ERR_OK;
}

/* Is it what was written? Reads all of it. */
static bool
is_sound(const struct index_block *b)
{
	static const uint8_t zeros[8];
	uint64_t h = index_checksum(INDEX_SUM_START, b->data, INDEX_SUM_AT);

	h = index_checksum(h, zeros, sizeof(zeros));
	h = index_checksum(h, b->data + INDEX_HEAD, b->len - INDEX_HEAD);
	return h == index_le(b->data + INDEX_SUM_AT, 8);
}

enum err
store_index_file_open(int dir_fd, uint64_t first, struct store_index_file **out)
{
	struct store_index_file *f = calloc(1, sizeof(*f));
	char name[INDEX_NAME];
	struct stat st;
	int fd;
	enum err e;

	if (f == NULL)
		return ERR_NOMEM;
	store_index_name(first, name, sizeof(name));
	fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0) {
		f->map = mmap(
		    NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
		if (f->map == MAP_FAILED)
			f->map = NULL;
		/* a page here and there: none beside it is wanted */
		if (f->map != NULL)
			(void)!madvise(f->map, (size_t)st.st_size, MADV_RANDOM);
		f->len = f->map == NULL ? 0 : (size_t)st.st_size;
	}
	if (fd >= 0)
		close(fd);
	e = find_blocks(f);
	if (e != ERR_OK) {
		store_index_file_close(f);
		return e;
	}
	*out = f;
	return ERR_OK;
}

void
store_index_prefetch(int dir_fd, uint64_t first, uint64_t hash)
{
	char name[INDEX_NAME];
	struct stat st;
	uint64_t at;
	int fd;

	store_index_name(first, name, sizeof(name));
	fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	/* its one block is nearly all of the file, and hashes are spread
	   evenly; of several blocks only the first is found here */
	if (fstat(fd, &st) == 0 && st.st_size > 0) {
		at = (hash >> 32) * ((uint64_t)st.st_size >> 8) >> 24;
		at -= at < AROUND / 2 ? at : AROUND / 2;
		(void)!posix_fadvise(
		    fd, 0, INDEX_HEAD + INDEX_COUNT, POSIX_FADV_WILLNEED);
		(void)!posix_fadvise(
		    fd, (off_t)at, AROUND, POSIX_FADV_WILLNEED);
	}
	close(fd);
}

void
store_index_file_close(struct store_index_file *f)
{
	if (f == NULL)
		return;
	if (f->map != NULL)
		munmap(f->map, f->len);
	free(f->view);
	free(f->block);
	free(f);
}

bool
store_index_file_view(
    const struct store_index_file *f, size_t i, struct store_index_view *out)
{
	if (i >= f->n)
		return false;
	*out = f->view[i];
	return true;
}

uint64_t
store_index_file_check(const struct store_index_file *f)
{
	for (size_t i = 0; i < f->n_blocks; i++)
		if (!is_sound(&f->block[i]))
			return UINT64_MAX;
	return f->n == 0 ? 0 : f->view[f->n - 1].to;
}

static uint64_t
hash_at(const struct store_index_view *v, size_t i)
{
	return index_le(v->entries + i * INDEX_ENTRY, 8);
}

/* Hashes are spread evenly: where one should be it nearly is, mostly on the
   same page. A step goes from there until it is between two; a file that was
   made up only takes longer. */
static void
narrow(const struct store_index_view *v, uint64_t hash, size_t *lo, size_t *hi)
{
	size_t at = (size_t)((hash >> 32) * v->n >> 32), step = STEP;

	if (v->n == 0)
		return;
	if (hash_at(v, at) < hash) {
		while (*lo = at + 1, v->n - at > step) {
			at += step;
			if (hash_at(v, at) >= hash) {
				*hi = at + 1;
				return;
			}
			step *= 2;
		}
		return;
	}
	while (*hi = at + 1, at >= step) {
		at -= step;
		if (hash_at(v, at) < hash) {
			*lo = at + 1;
			return;
		}
		step *= 2;
	}
}

/* The first entry whose hash is not below. */
static size_t
lower_bound(const struct store_index_view *v, uint64_t hash)
{
	size_t lo = 0, hi = v->n;

	narrow(v, hash, &lo, &hi);
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (hash_at(v, mid) < hash)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The first of entries [lo, hi), which rise, that is not of a line before. */
static size_t
first_at(const struct store_index_view *v, size_t lo, size_t hi, uint64_t at)
{
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (store_index_view_at(v, mid) < at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void
store_index_view_find(const struct store_index_view *v, uint64_t hash,
    size_t *first_out, size_t *end_out)
{
	size_t first = lower_bound(v, hash), end = first;

	/* mostly it is not there, and then no other page is looked at */
	if (first < v->n && hash_at(v, first) == hash) {
		end = hash == UINT64_MAX ? v->n : lower_bound(v, hash + 1);
		/* what somebody made up need not be in order */
		if (end < first)
			end = first;
		/* the block may have other stretches, too */
		first = first_at(v, first, end, v->from);
		end = first_at(v, first, end, v->to);
	}
	*first_out = first;
	*end_out = end;
}

uint64_t
store_index_view_at(const struct store_index_view *v, size_t i)
{
	return index_le(v->entries + i * INDEX_ENTRY + 8, 4);
}
