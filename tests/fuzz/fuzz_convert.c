/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Any message to 7 bits: what has a plan becomes ASCII of the size that was
 * said, however it is cut, and its parts have the content that they had. The
 * first octet says how it is cut.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/err.h"
#include "mime/convert.h"
#include "mime/recode.h"
#include "mime/scan.h"
#include "mime/tree.h"
#include "mime/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
follow(const struct mime_convert_plan *plan, struct span msg, size_t piece,
    struct buf *out)
{
	struct mime_sink sink = mime_sink_buf(out);
	struct mime_convert *c = mime_convert_new(plan, &sink);
	size_t n;

	for (size_t at = 0; at < msg.len; at += n) {
		n = msg.len - at < piece ? msg.len - at : piece;
		if (mime_convert_put(c, SPAN(msg.data + at, n)) != ERR_OK)
			fatal("a plan that cannot be followed");
	}
	if (mime_convert_finish(c) != ERR_OK)
		fatal("a plan that is not finished");
	mime_convert_free(c);
}

static const struct mime_part *
parse(struct buf *b, struct arena *a)
{
	static const uint8_t zeros[MIME_TREE_PADDING];
	struct span msg = buf_span(b);
	struct mime_scan scan;
	struct mime_tree *tree;

	if (buf_put(b, SPAN(zeros, sizeof(zeros))) != ERR_OK)
		fatal("no room");
	msg.data = b->data;
	if (mime_scan(msg, &scan, NULL) != ERR_OK ||
	    mime_tree_parse(msg, &scan, false, a, &tree, NULL) != ERR_OK)
		fatal("what was converted cannot be parsed");
	return mime_tree_root(tree);
}

static void
put_content(const struct mime_part *p, struct buf *out)
{
	struct mime_sink sink = mime_sink_buf(out);
	enum recode_form form;

	buf_reset(out);
	/* an encoding nobody knows is left alone */
	if (recode_form_of(mime_part_encoding(p), &form) != ERR_OK ||
	    recode_decode(form, mime_part_body(p), &sink) != ERR_OK)
		(void)!buf_put(out, mime_part_body(p));
}

static void
check_same(const struct mime_part *a, const struct mime_part *b)
{
	size_t n = mime_part_child_count(a);
	struct buf x, y;

	if (n != mime_part_child_count(b))
		fatal("other parts");
	for (size_t i = 0; i < n; i++)
		check_same(mime_part_child(a, i), mime_part_child(b, i));
	if (n > 0)
		return;
	buf_init(&x, 1 << 22);
	buf_init(&y, 1 << 22);
	put_content(a, &x);
	put_content(b, &y);
	if (!span_eq(buf_span(&x), buf_span(&y)))
		fatal("another content");
	buf_clear(&x);
	buf_clear(&y);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct arena *a = arena_new(64 * 1024 * 1024);
	struct mime_convert_plan plan;
	struct buf from, to;
	struct span msg;

	buf_init(&from, 1 << 21);
	buf_init(&to, 1 << 22);
	if (len > 1 && len < 1 << 20 &&
	    buf_put(&from, SPAN(data + 1, len - 1)) == ERR_OK) {
		const struct mime_part *root = NULL;
		struct mime_scan scan;

		msg = buf_span(&from);
		if (mime_scan(msg, &scan, NULL) == ERR_OK)
			root = parse(&from, a);
		msg = SPAN(from.data, len - 1);
		if (mime_convert_plan(msg, a, &plan) != ERR_OK)
			fatal("no memory");
		if (plan.n > 0) {
			if (!mime_convert_is_sound(&plan, msg.len))
				fatal("an unsound plan");
			follow(&plan, msg, (size_t)data[0] + 1, &to);
			if (to.len != plan.size ||
			    !mime_is_ascii(buf_span(&to)))
				fatal("not what was planned");
			check_same(root, parse(&to, a));
		}
	}
	buf_clear(&from);
	buf_clear(&to);
	arena_free(a);
	return 0;
}
