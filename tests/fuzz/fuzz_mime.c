/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Whole messages: pre-scan, libetpan behind it, the checks for ambiguity, the
 * shapes around it. All spans lie in the message. What is sealed of it is
 * fuzz_payload.c's business.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/err.h"
#include "mime/header.h"
#include "mime/scan.h"
#include "mime/tree.h"
#include "mime/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check_span(struct span in, struct span s)
{
	if (s.len > 0 &&
	    (s.data < in.data || s.data + s.len > in.data + in.len))
		fatal("a part outside the message");
}

static void
check_part(struct span msg, const struct mime_part *p)
{
	check_span(msg, mime_part_header(p));
	check_span(msg, mime_part_body(p));
	if (mime_part_type(p) == NULL || mime_part_subtype(p) == NULL ||
	    mime_part_encoding(p) == NULL)
		fatal("a part without a type");
	for (size_t i = 0; i < mime_part_child_count(p); i++)
		check_part(msg, mime_part_child(p, i));
}

static void
check_shapes(struct span msg)
{
	static const char outer[] = "From: a@b.example\r\n";
	struct mime_edit edit = {0};
	struct mime_boundary b = mime_boundary_make((const uint8_t[16]){0});
	struct mime_sink sink;
	struct buf out;
	enum err e;

	buf_init(&out, 16 * 1024 * 1024);
	sink = mime_sink_buf(&out);
	if (mime_write_smime(
		span_str(outer), MIME_SMIME_ENVELOPED, msg, &sink) != ERR_OK)
		fatal("no S/MIME");
	if (mime_write_pgp(span_str(outer), &b, SPAN_LIT("x\n"), &sink) !=
	    ERR_OK)
		fatal("no PGP/MIME");
	buf_reset(&out);
	e = mime_write_plain(msg, &edit, &sink, NULL);
	if (e != ERR_OK && e != ERR_AMBIGUOUS && e != ERR_LIMIT)
		fatal("no plain message");
	if (out.len > msg.len + 2)
		fatal("the plain message grew");
	buf_clear(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct arena *a = arena_new(64 * 1024 * 1024);
	uint8_t *copy = calloc(1, len + MIME_TREE_PADDING);
	struct span msg = SPAN(copy, len);
	struct mime_tree *tree;
	struct mime_scan scan;

	if (copy == NULL)
		fatal("out of memory");
	if (len > 0)
		memcpy(copy, data, len);
	if (mime_scan(msg, &scan, NULL) == ERR_OK) {
		if (mime_tree_parse(msg, &scan, len % 2 == 0, a, &tree, NULL) ==
		    ERR_OK)
			check_part(msg, mime_tree_root(tree));
		check_shapes(msg);
	}
	free(copy);
	arena_free(a);
	return 0;
}
