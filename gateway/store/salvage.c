/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The scan. A record is contiguous in the file, whatever became of the pages
 * around it: LMDB keeps small ones within a page and large ones in pages that
 * follow each other. Its start is looked for backwards from the body.
 */
#include "gateway/store/salvage.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/sealed.h"
#include "common/text.h"

enum {
	/* octets before the body: an envelope with a thousand recipients */
	HEAD_MAX = 1024 * 1024,
	ID_AT = 1,
	KIND_AT = 17,
	ROUTE_AT = 18,
	HEAD_MIN = 80,
};

/* Can an entry begin here? Cheap, for most places cannot be. */
static bool
may_begin(struct span s)
{
	return s.len >= HEAD_MIN && entry_format_is_known(s.data[0]) &&
	       s.data[KIND_AT] <= ENTRY_READY &&
	       s.data[ROUTE_AT] <= ENTRY_INBOUND;
}

/* The entry that begins here, whatever follows it. */
static bool
read_at(struct span s, struct arena *a, struct entry *out, struct span *record)
{
	struct unpacker u;

	if (!may_begin(s))
		return false;
	if (s.len > LIMIT_IPC_PAYLOAD)
		s.len = LIMIT_IPC_PAYLOAD;
	arena_reset(a);
	unpack_begin(&u, s);
	entry_unpack(&u, a, out);
	if (u.err != ERR_OK || out->id == 0 || out->n_rcpt == 0 ||
	    (out->kind == ENTRY_READY) != (out->why == ENTRY_WHY_NONE))
		return false;
	*record = SPAN(s.data, s.len - u.rest.len);
	return true;
}

static bool
has_that_body(const struct entry *e, const uint8_t *body)
{
	uint64_t size;

	return e->file[0] == '\0' && e->body.data == body &&
	       sealed_text_size(e->body, &size) == ERR_OK &&
	       size == e->body_size;
}

/* A sealed body begins at this place: what is it the body of? */
static void
look_back(struct span data, size_t at, struct arena *a, store_salvage_fn *found,
    void *arg)
{
	size_t end = at > HEAD_MAX ? at - HEAD_MAX : 0;
	struct span record;
	struct entry e;

	for (size_t i = at; i-- > end;)
		if (read_at(
			SPAN(data.data + i, data.len - i), a, &e, &record) &&
		    has_that_body(&e, data.data + at)) {
			found(arg, &e, record);
			return;
		}
}

static void
scan_bodies(
    struct span data, struct arena *a, store_salvage_fn *found, void *arg)
{
	struct span magic = SPAN_LIT("SGSB");
	size_t at = 0;

	while ((at = span_find(data, at, magic)) < data.len) {
		look_back(data, at, a, found, arg);
		at += magic.len;
	}
}

static int
by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static uint64_t
id_at(const uint8_t *p)
{
	uint64_t id = 0;

	for (int i = 0; i < 8; i++)
		id = id << 8 | p[ID_AT + i];
	return id;
}

static void
scan_ids(struct span data, const uint64_t *ids, size_t n_ids, struct arena *a,
    store_salvage_fn *found, void *arg)
{
	char name[TEXT_ID_SIZE];
	struct span record;
	struct entry e;
	uint64_t id;

	for (size_t at = 0; n_ids > 0 && at + HEAD_MIN < data.len; at++) {
		if (!entry_format_is_known(data.data[at]))
			continue;
		id = id_at(data.data + at);
		if (bsearch(&id, ids, n_ids, sizeof(id), by_number) == NULL ||
		    !read_at(
			SPAN(data.data + at, data.len - at), a, &e, &record))
			continue;
		text_id(e.id, name);
		if (e.body.len == 0 && strcmp(e.file, name) == 0)
			found(arg, &e, record);
	}
}

void
store_salvage_scan(struct span data, const uint64_t *ids, size_t n_ids,
    struct arena *a, store_salvage_fn *found, void *arg)
{
	scan_bodies(data, a, found, arg);
	scan_ids(data, ids, n_ids, a, found, arg);
}

/* --- pages --- */

/* LMDB's page: its number (8 octets), 2 that say nothing here, flags (2), in a
   leaf the end of the places of its nodes (2) and the begin of the nodes (2),
   in what is too large for a leaf how many pages it has (4); in the machine's
   order. Then in a leaf the places, 2 octets each. A node: the size of its data
   (4), flags (2), the size of its key (2), the key, the data. */
enum {
	PAGE_HEAD = 16,
	PAGE_FLAGS = 10,
	PAGE_PLACES_END = 12,
	LEAF = 2,
	OVERFLOW = 4,
	NODE_HEAD = 8,
};

uint64_t
store_salvage_number(const uint8_t *p, unsigned n)
{
	uint16_t two;
	uint32_t four;
	uint64_t eight;

	switch (n) {
	case sizeof(two):
		memcpy(&two, p, n);
		return two;
	case sizeof(four):
		memcpy(&four, p, n);
		return four;
	}
	memcpy(&eight, p, sizeof(eight));
	return eight;
}

static uint64_t
number_at(struct span data, size_t at, unsigned n)
{
	return store_salvage_number(data.data + at, n);
}

/* at: of the record, in the page that begins there. */
static bool
is_in_leaf(struct span data, size_t page, size_t at, size_t size)
{
	size_t end = (size_t)number_at(data, page + PAGE_PLACES_END, 2);

	for (size_t i = PAGE_HEAD; i + 2 <= end && page + i + 2 <= at; i += 2) {
		size_t node = page + (size_t)number_at(data, page + i, 2);
		size_t key;

		if (node + NODE_HEAD > at)
			continue;
		key = (size_t)number_at(data, node + 6, 2);
		if (node + NODE_HEAD + key == at &&
		    number_at(data, node, 4) == size &&
		    number_at(data, node + 4, 2) == 0)
			return true;
	}
	return false;
}

/* A page behind the first that was used again begins with its own number. */
static bool
is_in_pages(struct span data, size_t first, size_t size, size_t page_size)
{
	size_t n = (PAGE_HEAD + size + page_size - 1) / page_size;

	if (number_at(data, first + PAGE_PLACES_END, 4) < n)
		return false;
	for (size_t i = 1; i < n; i++) {
		size_t at = first + i * page_size;

		if (data.len - at >= 8 &&
		    number_at(data, at, 8) == at / page_size)
			return false;
	}
	return true;
}

bool
store_salvage_is_whole(struct span data, struct span record)
{
	size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
	size_t at = (size_t)(record.data - data.data);
	size_t page = at - at % page_size;

	if (at - page < PAGE_HEAD)
		return false;
	switch (number_at(data, page + PAGE_FLAGS, 2)) {
	case LEAF:
		return is_in_leaf(data, page, at, record.len);
	case OVERFLOW:
		return at - page == PAGE_HEAD &&
		       is_in_pages(data, page, record.len, page_size);
	}
	return false;
}

/* --- what is handed to store --- */

enum err
store_salvage_pack(struct span record, struct span done, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_span(&p, done);
	pack_span(&p, record);
	return pack_end(&p);
}

enum err
store_salvage_unpack(
    struct span in, struct arena *a, struct entry *out, struct span *done_out)
{
	struct unpacker u, inner;
	struct span done, record;
	struct entry e;

	unpack_begin(&u, in);
	done = unpack_span(&u);
	record = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK)
		return ERR_IPC;
	unpack_begin(&inner, record);
	entry_unpack(&inner, a, &e);
	if (unpack_end(&inner) != ERR_OK || done.len != e.n_rcpt)
		return ERR_IPC;
	*out = e;
	*done_out = done;
	return ERR_OK;
}
