/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Rows of the table notice in the octets of an environment that cannot be used.
 * They have no magic: found is what LMDB writes before a row with a key of
 * twelve octets, and a row is what can be read to its end as one. A head names
 * its message twice.
 */
#include <string.h>
#include <unistd.h>

#include "gateway/dsn.h"
#include "gateway/store/salvage.h"

enum {
	FORMAT = 1, /* as notice.c writes them */
	KEY = 12,
	/* before the key: the size of the data (4 octets), flags (2), the size
	   of the key (2), in the machine's order */
	BEFORE = 8,
	BIG = 1,	/* flag: the data are pages of their own, whose number
			   stands in their place */
	PAGE_HEAD = 16, /* octets before data in such a page */
	ROW_MAX = 64 * 1024,
	HEAD = 0,
	FACTS = 2,
};

struct row {
	uint64_t id;
	uint32_t number;
	struct span data;
};

static uint64_t
key_of(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

/* The row whose key begins here, if one does. */
static bool
read_row(struct span data, size_t key, struct row *out)
{
	size_t size = (size_t)store_salvage_number(data.data + key - BEFORE, 4);
	bool big = store_salvage_number(data.data + key - 4, 2) == BIG;
	size_t at = key + KEY, page = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t pages = data.len / page, at_page;

	if (size == 0 || size > ROW_MAX || data.len - key < KEY + 8)
		return false;
	if (big) {
		at_page = store_salvage_number(data.data + at, 8);
		if (at_page >= pages)
			return false;
		at = (size_t)at_page * page + PAGE_HEAD;
	}
	if (at > data.len || data.len - at < size)
		return false;
	*out = (struct row){.id = key_of(data.data + key, 8),
	    .number = (uint32_t)key_of(data.data + key + 8, 4),
	    .data = SPAN(data.data + at, size)};
	return out->id != 0;
}

static bool
read_head(const struct row *r, struct arena *a, struct dsn *out)
{
	struct unpacker u;
	uint8_t format;

	unpack_begin(&u, r->data);
	format = unpack_u8(&u);
	(void)unpack_u64(&u);
	(void)unpack_u32(&u);
	(void)unpack_u32(&u);
	dsn_unpack(&u, a, out);
	return unpack_end(&u) == ERR_OK && format == FORMAT &&
	       out->message_id == r->id && out->n_rcpt == 0 &&
	       out->from[0] != '\0' && out->from_key[0] != '\0';
}

static bool
read_fact(const struct row *r, struct arena *a, struct dsn_rcpt *out)
{
	struct unpacker u;
	uint8_t format;

	unpack_begin(&u, r->data);
	format = unpack_u8(&u);
	dsn_rcpt_unpack(&u, a, out);
	return unpack_end(&u) == ERR_OK && format == FORMAT;
}

static void
scan(struct span data, bool heads, struct arena *a,
    store_salvage_notice_fn *found, void *arg)
{
	const uint16_t size = KEY;
	struct span mark = SPAN(&size, sizeof(size));
	size_t at = BEFORE - mark.len;
	struct dsn_rcpt fact;
	struct dsn head;
	struct row r;

	for (; (at = span_find(data, at, mark)) < data.len; at++) {
		size_t key = at + mark.len;

		if (store_salvage_number(data.data + key - 4, 2) > BIG ||
		    !read_row(data, key, &r))
			continue;
		arena_reset(a);
		if (heads && r.number == HEAD && read_head(&r, a, &head))
			found(arg, r.id, &head, NULL);
		else if (!heads && r.number >= FACTS && read_fact(&r, a, &fact))
			found(arg, r.id, NULL, &fact);
	}
}

void
store_salvage_notices(struct span data, struct arena *a,
    store_salvage_notice_fn *found, void *arg)
{
	scan(data, true, a, found, arg);
	scan(data, false, a, found, arg);
}
