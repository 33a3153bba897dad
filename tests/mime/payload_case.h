/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A message on its way to a payload and back, for the tests of what payload.c
 * is made of.
 */
#ifndef TESTS_MIME_PAYLOAD_CASE_H
#define TESTS_MIME_PAYLOAD_CASE_H

#include <criterion/criterion.h>
#include <string.h>

#include "common/arena.h"
#include "mime/payload.h"
#include "mime/scan.h"
#include "mime/tree.h"

/* A message and its tree. */
struct parsed {
	struct arena *arena;
	struct buf text;
	struct span msg;
	struct mime_tree *tree;
};

static inline void
parsed_init(struct parsed *p, struct span msg)
{
	static const uint8_t zeros[MIME_TREE_PADDING];
	struct mime_scan scan;

	p->arena = arena_new(64 * 1024 * 1024);
	buf_init(&p->text, 64 * 1024 * 1024);
	cr_assert(buf_put(&p->text, msg) == ERR_OK);
	cr_assert(buf_put(&p->text, SPAN(zeros, sizeof(zeros))) == ERR_OK);
	p->msg = SPAN(p->text.data, msg.len);
	cr_assert(mime_scan(p->msg, &scan, NULL) == ERR_OK);
	cr_assert(mime_tree_parse(p->msg, &scan, false, p->arena, &p->tree,
		      NULL) == ERR_OK);
}

static inline void
parsed_clear(struct parsed *p)
{
	buf_clear(&p->text);
	arena_free(p->arena);
}

/* A payload and what it writes. */
struct made {
	struct parsed from;
	struct mime_payload *payload;
	struct buf inner;
	const char *unfit; /* NULL if it fits */
};

static inline void
made_init(struct made *m, struct span msg, const struct mime_payload_form *form)
{
	struct mime_sink sink;

	parsed_init(&m->from, msg);
	buf_init(&m->inner, 128 * 1024 * 1024);
	m->unfit = NULL;
	sink = mime_sink_buf(&m->inner);
	cr_assert(mime_payload_make(m->from.tree, form, m->from.arena,
		      &m->payload, NULL) == ERR_OK);
	cr_assert(mime_payload_write(m->payload, &sink) == ERR_OK);
	cr_assert(
	    mime_payload_is_fit(m->payload, &m->unfit) == (m->unfit == NULL));
}

static inline void
made_clear(struct made *m)
{
	buf_clear(&m->inner);
	parsed_clear(&m->from);
}

#endif
