/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Blocks of the index: a head, then the entries in the order of their hashes.
 * Numbers are little-endian. A block that is cut off or altered ends the
 * index; it is not synced, because it can be made again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/log.h"
#include "gateway/store/audit_index_private.h"
#include "gateway/store/audit_line.h"
#include "gateway/store/audit_reader.h"

enum {
	BLOCK_ENTRIES = 65536,
	BLOCK_OCTETS = 4 * 1024 * 1024, /* of the log */
};

void
store_index_name(uint64_t first, char *out, size_t size)
{
	snprintf(out, size, "audit-%016llu.idx", (unsigned long long)first);
}

/* --- numbers --- */

uint8_t *
index_put(uint8_t *p, uint64_t v, int octets)
{
	for (int i = 0; i < octets; i++, v >>= 8)
		*p++ = (uint8_t)v;
	return p;
}

/* FNV-1a over eight octets at a time: it finds what a crash left. */
uint64_t
index_checksum(uint64_t h, const uint8_t *p, size_t n)
{
	for (; n >= 8; n -= 8, p += 8)
		h = (h ^ index_le(p, 8)) * 0x100000001b3u;
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

uint8_t *
index_put_head(
    uint8_t *p, const char magic[8], const struct store_index_view *v, size_t n)
{
	memcpy(p, magic, 8);
	p = index_put(p + 8, v->from, 8);
	p = index_put(p, v->to, 8);
	p = index_put(p, v->first_seq, 8);
	p = index_put(p, v->n_lines, 8);
	memcpy(p, v->first_time.data, STORE_INDEX_TIME);
	memcpy(p + STORE_INDEX_TIME, v->last_time.data, STORE_INDEX_TIME);
	p = index_put(p + 2 * STORE_INDEX_TIME, n, 8);
	return index_put(p, 0, 8);
}

static uint8_t *
encode(struct store_index_block *b, size_t *len_out)
{
	const struct store_index_view head = {.from = b->from,
	    .to = b->to,
	    .first_seq = b->first_seq,
	    .n_lines = b->n_lines,
	    .first_time = SPAN(b->first_time, STORE_INDEX_TIME),
	    .last_time = SPAN(b->last_time, STORE_INDEX_TIME)};
	size_t n = sort(b), len = INDEX_HEAD + n * INDEX_ENTRY;
	uint8_t *block = malloc(len), *p;

	if (block == NULL)
		return NULL;
	p = index_put_head(block, index_magic, &head, n);
	for (size_t i = 0; i < n; i++) {
		p = index_put(p, b->entry[i].hash, 8);
		p = index_put(p, b->entry[i].at, 4);
	}
	index_put(block + INDEX_SUM_AT,
	    index_checksum(INDEX_SUM_START, block, len), 8);
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
	char name[INDEX_NAME];
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
	char name[INDEX_NAME];
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
	return e != ERR_OK ? e : store_index_join(dir_fd, first);
}
