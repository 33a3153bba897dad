/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Payloads of any message, in every form: written twice they are the same
 * octets, what is said to fit a transport does, no hidden recipient's field
 * gets in, and the content of every part is what it was. The first octet says
 * which form.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/limits.h"
#include "mime/header.h"
#include "mime/payload.h"
#include "mime/protected.h"
#include "mime/recode.h"
#include "mime/scan.h"
#include "mime/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
write_to(const struct mime_payload *p, struct buf *out)
{
	struct mime_sink sink = mime_sink_buf(out);

	buf_reset(out);
	if (mime_payload_write(p, &sink) != ERR_OK)
		fatal("no payload");
}

static void
check_lines(struct span s)
{
	struct span body = s;
	size_t at = span_find(s, 0, SPAN_LIT("\r\n\r\n")), column = 0;

	if (at < s.len)
		body = SPAN(s.data + at, s.len - at);
	for (size_t i = 0; i < s.len; i++) {
		column = s.data[i] == '\n' ? 0 : column + 1;
		if (column > LIMIT_LINE_OUT + 1)
			fatal("a long line");
	}
	for (size_t i = 0; i < body.len; i++)
		if (body.data[i] >= 0x80)
			fatal("8-bit characters");
}

static void
check_header(struct span inner, struct arena *a)
{
	struct mime_header h;

	if (mime_header_parse(inner, a, &h, NULL) != ERR_OK)
		return; /* more fields than a message may have */
	if (mime_header_find(&h, "Bcc", NULL) != NULL ||
	    mime_header_find(&h, "Resent-Bcc", NULL) != NULL)
		fatal("a hidden recipient");
	if (h.no_end)
		fatal("a header that does not end");
}

/* Append the content of the part without its transfer encoding. */
static void
put_content(const struct mime_part *p, struct buf *out)
{
	struct mime_sink sink = mime_sink_buf(out);
	enum recode_form form;

	if (recode_form_of(mime_part_encoding(p), &form) != ERR_OK ||
	    recode_decode(form, mime_part_body(p), &sink) != ERR_OK)
		fatal("a part without doubt that cannot be decoded");
}

static void
check_same(const struct mime_part *a, const struct mime_part *b)
{
	size_t n = mime_part_child_count(a);
	struct buf x, y;

	if (n != mime_part_child_count(b) ||
	    strcmp(mime_part_type(a), mime_part_type(b)) != 0 ||
	    strcmp(mime_part_subtype(a), mime_part_subtype(b)) != 0)
		fatal("another structure");
	for (size_t i = 0; i < n; i++)
		check_same(mime_part_child(a, i), mime_part_child(b, i));
	if (n > 0)
		return;
	buf_init(&x, 64 * 1024 * 1024);
	buf_init(&y, 64 * 1024 * 1024);
	put_content(a, &x);
	put_content(b, &y);
	/* the legacy display element stands before or in it */
	if (mime_part_param(b, "hp-legacy-display") == NULL &&
	    !span_eq(buf_span(&x), buf_span(&y)))
		fatal("another content");
	if (y.len < x.len)
		fatal("content is lost");
	buf_clear(&x);
	buf_clear(&y);
}

/* Parsed again as a message. */
static void
check_content(const struct mime_tree *was, struct span inner)
{
	static const char head[] = "From: a@b.example\r\nMIME-Version: 1.0\r\n";
	struct arena *a = arena_new(64 * 1024 * 1024);
	struct mime_header h;
	struct mime_scan scan;
	struct mime_tree *tree;
	struct buf msg;
	size_t from;

	if (mime_header_parse(inner, a, &h, NULL) != ERR_OK)
		goto out;
	/* protected copies come first, Content-* fields last */
	for (from = h.n; from > 0; from--)
		if (!span_starts_caseeq(h.fields[from - 1].name, "Content-"))
			break;
	buf_init(&msg, 64 * 1024 * 1024);
	if (from < h.n && buf_puts(&msg, head) == ERR_OK &&
	    buf_put(&msg, SPAN(h.fields[from].whole.data,
			      inner.len - (size_t)(h.fields[from].whole.data -
						   inner.data))) == ERR_OK &&
	    buf_put(&msg, SPAN("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16)) ==
		ERR_OK) {
		msg.len -= MIME_TREE_PADDING;
		if (mime_scan(buf_span(&msg), &scan, NULL) == ERR_OK &&
		    mime_tree_parse(buf_span(&msg), &scan, true, a, &tree,
			NULL) == ERR_OK &&
		    !mime_tree_is_ambiguous(tree, NULL))
			check_same(mime_tree_root(was), mime_tree_root(tree));
	}
	buf_clear(&msg);
out:
	arena_free(a);
}

static void
check_payload(const struct mime_tree *tree, uint8_t how, struct arena *a)
{
	struct mime_payload_form form = {.hp = (enum mime_hp)(how % 3),
	    .sealed = (how & 0x80) != 0,
	    .transport = (enum mime_transport)(how / 3 % 3),
	    .edit = {.trace = SPAN_LIT("Received: x\r\n")}};
	struct mime_payload *p;
	struct buf once, twice;

	if (mime_payload_make(tree, &form, a, &p, NULL) != ERR_OK)
		return;
	buf_init(&once, 256 * 1024 * 1024);
	buf_init(&twice, 256 * 1024 * 1024);
	write_to(p, &once);
	write_to(p, &twice);
	if (!span_eq(buf_span(&once), buf_span(&twice)))
		fatal("not the same octets");
	check_header(buf_span(&once), a);
	check_header(mime_payload_outer(p), a);
	if (form.transport != MIME_TRANSPORT_ANY &&
	    mime_payload_is_fit(p, NULL))
		check_lines(buf_span(&once));
	if (!mime_tree_is_ambiguous(tree, NULL))
		check_content(tree, buf_span(&once));
	buf_clear(&once);
	buf_clear(&twice);
}

/* What is taken out of an opened message leaves all that is no element. */
static void
check_bare(const struct mime_tree *tree, struct arena *a)
{
	struct mime_payload *p = NULL;
	struct mime_sink sink;
	struct buf body;

	if (mime_payload_bare(tree, a, &p) != ERR_OK || p == NULL)
		return;
	buf_init(&body, 64 * 1024 * 1024);
	sink = mime_sink_buf(&body);
	if (mime_payload_write_body(p, &sink) != ERR_OK)
		fatal("no body");
	check_header(mime_payload_head(p), a);
	buf_clear(&body);
}

static enum err
put_nothing(void *ctx, struct span s)
{
	*(size_t *)ctx += s.len;
	return ERR_OK;
}

static void
check_protected(const struct mime_tree *tree)
{
	struct mime_protected p;
	size_t n = 0;
	struct mime_sink sink = {put_nothing, &n};

	mime_protected_find(tree, &p);
	if ((p.kind == MIME_PROTECTED_NOT) != (p.reason != NULL))
		fatal("a reason too many or too few");
	if (p.kind == MIME_PROTECTED_NOT)
		return;
	if (mime_tree_is_ambiguous(tree, NULL))
		fatal("protected beyond doubt, in doubt");
	if (mime_protected_write(&p, &sink) != ERR_OK)
		fatal("a protected part that cannot be decoded");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct arena *a = arena_new(64 * 1024 * 1024);
	uint8_t *copy = calloc(1, len + MIME_TREE_PADDING);
	struct mime_tree *tree;
	struct mime_scan scan;
	struct span msg;

	if (copy == NULL)
		fatal("out of memory");
	if (len > 0)
		memcpy(copy, data + 1, len - 1);
	msg = SPAN(copy, len > 0 ? len - 1 : 0);
	if (len > 0 && mime_scan(msg, &scan, NULL) == ERR_OK &&
	    mime_tree_parse(msg, &scan, true, a, &tree, NULL) == ERR_OK) {
		check_payload(tree, data[0], a);
		check_bare(tree, a);
		check_protected(tree);
	}
	free(copy);
	arena_free(a);
	return 0;
}
