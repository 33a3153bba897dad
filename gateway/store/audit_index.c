/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Blocks of the index: a head, then the entries in the order of their hashes.
 * Numbers are little-endian. A block that is cut off or altered ends the
 * index; it is not synced, because it can be made again.
 */
#include "gateway/store/audit_index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/log.h"
#include "gateway/store/audit_line.h"
#include "gateway/store/audit_reader.h"

enum {
	BLOCK_ENTRIES = 131072,
	BLOCK_OCTETS = 8 * 1024 * 1024, /* of the log */
	HEAD = 8 + 4 * 8 + 2 * STORE_INDEX_TIME + 8 + 8,
	ENTRY = 12,
	NAME = 40,
	STEP = 64, /* entries: a fifth of a page */
};

#define SUM_START 0xcbf29ce484222325u

static const char magic[8] = {'S', 'G', 'A', 'X', '0', '0', '0', '1'};

void
store_index_name(uint64_t first, char *out, size_t size)
{
	snprintf(out, size, "audit-%016llu.idx", (unsigned long long)first);
}

/* --- numbers --- */

static uint8_t *
put_le(uint8_t *p, uint64_t v, int octets)
{
	for (int i = 0; i < octets; i++, v >>= 8)
		*p++ = (uint8_t)v;
	return p;
}

static uint64_t
get_le(const uint8_t *p, int octets)
{
	uint64_t v = 0;

	for (int i = octets - 1; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

/* FNV-1a over eight octets at a time: it finds what a crash left. */
static uint64_t
checksum(uint64_t h, const uint8_t *p, size_t n)
{
	for (; n >= 8; n -= 8, p += 8)
		h = (h ^ get_le(p, 8)) * 0x100000001b3u;
	for (; n > 0; n--, p++)
		h = (h ^ *p) * 0x100000001b3u;
	return h;
}

/* --- writing --- */

void
store_block_clear(struct store_index_block *b)
{
	free(b->entry);
	*b = (struct store_index_block){0};
}

static void
add_term(void *arg, enum store_term t, struct span value)
{
	struct store_index_block *b = arg;

	if (b->n == b->cap) {
		size_t cap = b->cap == 0 ? 1024 : 2 * b->cap;
		struct store_index_entry *more =
		    realloc(b->entry, cap * sizeof(*more));

		if (more == NULL)
			fatal("out of memory");
		b->entry = more;
		b->cap = cap;
	}
	b->entry[b->n++] = (struct store_index_entry){
	    store_term_hash(t, value), (uint32_t)b->to};
}

void
store_block_add(struct store_index_block *b, struct span line)
{
	struct store_line l;

	if (store_line_parse(line, &l) == ERR_OK &&
	    l.time.len == STORE_INDEX_TIME) {
		if (b->n_lines == 0)
			b->first_seq = l.seq;
		/* the clock may have been set back */
		if (b->n_lines == 0 ||
		    memcmp(l.time.data, b->first_time, STORE_INDEX_TIME) < 0)
			memcpy(b->first_time, l.time.data, STORE_INDEX_TIME);
		if (b->n_lines == 0 ||
		    memcmp(l.time.data, b->last_time, STORE_INDEX_TIME) > 0)
			memcpy(b->last_time, l.time.data, STORE_INDEX_TIME);
		b->n_lines++;
		store_terms_each(l.rec, add_term, b);
	}
	b->to += line.len + 1;
}

bool
store_block_is_full(const struct store_index_block *b)
{
	return b->n >= BLOCK_ENTRIES || b->to - b->from >= BLOCK_OCTETS;
}

static int
by_hash(const void *a, const void *b)
{
	const struct store_index_entry *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* A term that a line has twice counts once. */
static size_t
sort(struct store_index_block *b)
{
	size_t n = 0;

	qsort(b->entry, b->n, sizeof(b->entry[0]), by_hash);
	for (size_t i = 0; i < b->n; i++)
		if (n == 0 || by_hash(&b->entry[n - 1], &b->entry[i]) != 0)
			b->entry[n++] = b->entry[i];
	return n;
}

static uint8_t *
encode(struct store_index_block *b, size_t *len_out)
{
	size_t n = sort(b), len = HEAD + n * ENTRY;
	uint8_t *block = malloc(len), *p = block;

	if (block == NULL)
		return NULL;
	memcpy(p, magic, sizeof(magic));
	p = put_le(p + sizeof(magic), b->from, 8);
	p = put_le(p, b->to, 8);
	p = put_le(p, b->first_seq, 8);
	p = put_le(p, b->n_lines, 8);
	memcpy(p, b->first_time, STORE_INDEX_TIME);
	memcpy(p + STORE_INDEX_TIME, b->last_time, STORE_INDEX_TIME);
	p = put_le(p + 2 * STORE_INDEX_TIME, n, 8);
	p = put_le(p, 0, 8);
	for (size_t i = 0; i < n; i++) {
		p = put_le(p, b->entry[i].hash, 8);
		p = put_le(p, b->entry[i].at, 4);
	}
	put_le(block + HEAD - 8, checksum(SUM_START, block, len), 8);
	*len_out = len;
	return block;
}

static void
begin_next(struct store_index_block *b)
{
	b->n = 0;
	b->from = b->to;
	b->n_lines = b->first_seq = 0;
}

enum err
store_block_write(struct store_index_block *b, int dir_fd, uint64_t first)
{
	char name[NAME];
	struct stat st;
	uint8_t *block;
	size_t len = 0;
	int fd;
	enum err e;

	if (b->from == b->to || b->n == 0)
		return ERR_OK;
	block = encode(b, &len);
	if (block == NULL)
		return ERR_NOMEM;
	store_index_name(first, name, sizeof(name));
	fd = openat(
	    dir_fd, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	e = fd < 0 || fstat(fd, &st) != 0
		? err_from_errno(errno)
		: file_write_all(fd, SPAN(block, len));
	/* half a block would hide all that come behind it */
	if (e != ERR_OK && fd >= 0 && ftruncate(fd, st.st_size) != 0)
		unlinkat(dir_fd, name, 0);
	if (fd >= 0 && close(fd) != 0 && e == ERR_OK)
		e = err_from_errno(errno);
	free(block);
	begin_next(b);
	return e;
}

enum err
store_index_rebuild(int dir_fd, uint64_t first, uint64_t octets)
{
	struct store_index_block b = {0};
	struct store_reader *r = NULL;
	struct span line;
	char name[NAME];
	bool whole = true;
	enum err e = store_reader_open(dir_fd, first, &r);

	store_index_name(first, name, sizeof(name));
	if (e == ERR_OK && unlinkat(dir_fd, name, 0) != 0 && errno != ENOENT)
		e = err_from_errno(errno);
	while (e == ERR_OK && b.to < octets) {
		e = store_reader_next(r, &line, &whole);
		if (e != ERR_OK || !whole)
			break;
		store_block_add(&b, line);
		if (store_block_is_full(&b))
			e = store_block_write(&b, dir_fd, first);
	}
	if (e == ERR_OK || e == ERR_NOT_FOUND || e == ERR_TOO_BIG)
		e = store_block_write(&b, dir_fd, first);
	store_reader_close(r);
	store_block_clear(&b);
	return e;
}

enum err
store_index_sync(int dir_fd, uint64_t first)
{
	char name[NAME];
	int fd;
	enum err e;

	store_index_name(first, name, sizeof(name));
	fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? ERR_OK : err_from_errno(errno);
	e = file_sync(fd);
	close(fd);
	return e;
}

/* --- reading --- */

struct store_index_file {
	uint8_t *map;
	size_t len;
	struct store_index_view *view;
	size_t n;
};

static bool
read_block(const struct store_index_file *f, size_t at, uint64_t from,
    struct store_index_view *out, size_t *end_out)
{
	struct store_index_view v;
	const uint8_t *p;
	uint64_t n;

	if (f->len - at < HEAD) /* an empty file is not mapped */
		return false;
	p = f->map + at;
	if (memcmp(p, magic, sizeof(magic)) != 0)
		return false;
	n = get_le(p + HEAD - 16, 8);
	if (n > (f->len - at - HEAD) / ENTRY)
		return false;
	v = (struct store_index_view){.from = get_le(p + 8, 8),
	    .to = get_le(p + 16, 8),
	    .first_seq = get_le(p + 24, 8),
	    .n_lines = get_le(p + 32, 8),
	    .first_time = SPAN(p + 40, STORE_INDEX_TIME),
	    .last_time = SPAN(p + 40 + STORE_INDEX_TIME, STORE_INDEX_TIME),
	    .n = n,
	    .entries = p + HEAD};
	if (v.from != from || v.to <= v.from)
		return false;
	*out = v;
	*end_out = at + HEAD + n * ENTRY;
	return true;
}

/* Is it what was written? Reads all of it. */
static bool
is_sound(const uint8_t *block, size_t n)
{
	static const uint8_t zeros[8];
	uint64_t h = checksum(SUM_START, block, HEAD - 8);

	h = checksum(h, zeros, sizeof(zeros));
	h = checksum(h, block + HEAD, n * ENTRY);
	return h == get_le(block + HEAD - 8, 8);
}

static enum err
find_blocks(struct store_index_file *f)
{
	struct store_index_view v;
	size_t at = 0, cap = 0;
	uint64_t from = 0;

	while (read_block(f, at, from, &v, &at)) {
		if (f->n == cap) {
			struct store_index_view *more;

			cap = cap == 0 ? 16 : 2 * cap;
			more = realloc(f->view, cap * sizeof(*more));
			if (more == NULL)
				return ERR_NOMEM;
			f->view = more;
		}
		f->view[f->n++] = v;
		from = v.to;
	}
	return ERR_OK;
}

enum err
store_index_file_open(int dir_fd, uint64_t first, struct store_index_file **out)
{
	struct store_index_file *f = calloc(1, sizeof(*f));
	char name[NAME];
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
store_index_file_close(struct store_index_file *f)
{
	if (f == NULL)
		return;
	if (f->map != NULL)
		munmap(f->map, f->len);
	free(f->view);
	free(f);
}

bool
store_index_file_block(
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
	uint64_t to = 0;

	for (size_t i = 0; i < f->n; i++) {
		if (!is_sound(f->view[i].entries - HEAD, f->view[i].n))
			return UINT64_MAX;
		to = f->view[i].to;
	}
	return to;
}

static uint64_t
hash_at(const struct store_index_view *v, size_t i)
{
	return get_le(v->entries + i * ENTRY, 8);
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

void
store_index_view_find(const struct store_index_view *v, uint64_t hash,
    size_t *first_out, size_t *end_out)
{
	*first_out = lower_bound(v, hash);
	*end_out = *first_out;
	/* mostly it is not there, and then no other page is looked at */
	if (*first_out == v->n || hash_at(v, *first_out) != hash)
		return;
	*end_out = hash == UINT64_MAX ? v->n : lower_bound(v, hash + 1);
	/* what somebody made up need not be in order */
	if (*end_out < *first_out)
		*end_out = *first_out;
}

uint64_t
store_index_view_at(const struct store_index_view *v, size_t i)
{
	return get_le(v->entries + i * ENTRY + 8, 4);
}
