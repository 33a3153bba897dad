/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Read leniently: an identifier that some mail program wrote oddly is still the
 * one that came.
 */
#include "gateway/reply.h"

#include <string.h>

#include "common/limits.h"
#include "mime/header.h"

static void
add_one(struct reply_ids *ids, struct span id)
{
	struct buf text;
	struct span s;

	buf_init(&text, LIMIT_FIELD_SIZE);
	for (size_t i = 0; i < id.len; i++)
		if (id.data[i] > ' ' && buf_putc(&text, id.data[i]) != ERR_OK)
			break;
	s = buf_span(&text);
	if (s.len > 0) {
		/* of a long list the newest stand last */
		if (ids->n == REPLY_IDS) {
			memmove(ids->digest[0], ids->digest[1],
			    (REPLY_IDS - 1) * DIGEST_SIZE);
			ids->n--;
		}
		digest_sha256(&s, 1, ids->digest[ids->n++]);
	}
	buf_clear(&text);
}

void
reply_ids_add(
    struct reply_ids *ids, const struct mime_header *h, const char *name)
{
	const struct mime_field *f = NULL;

	while ((f = mime_header_find(h, name, f)) != NULL) {
		struct span v = f->value;
		size_t start, end = 0;

		while ((start = span_find_chr(v, end, '<')) < v.len) {
			end = span_find_chr(v, start, '>');
			if (end == v.len)
				break;
			add_one(ids, SPAN(v.data + start + 1, end - start - 1));
		}
	}
}
