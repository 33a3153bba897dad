/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What senders choose as a second factor, in any octets: each spelling of a
 * spelling is itself, and a tag that was taken out of a subject is not found
 * in what is left.
 */
#include <stdlib.h>

#include "common/arena.h"
#include "common/secret.h"
#include "mime/header.h"
#include "mime/spelling.h"
#include "mime/subject_tag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

typedef enum err spell_fn(struct span in, struct buf *out);

static void
check_spelling(spell_fn *spell, struct span in)
{
	struct buf one, two;

	buf_init(&one, 1 << 20);
	buf_init(&two, 1 << 20);
	if (spell(in, &one) == ERR_OK &&
	    (spell(buf_span(&one), &two) != ERR_OK ||
		!span_eq(buf_span(&one), buf_span(&two))))
		abort();
	buf_clear(&one);
	buf_clear(&two);
}

static void
check_subject(struct span in)
{
	static const char *const words[] = {"p", "pick-up"};
	enum mime_subject_value how = MIME_SUBJECT_NO_VALUE;
	struct arena *a = arena_new(1 << 22);
	struct buf field, value, again;
	struct mime_header h;
	size_t word;

	buf_init(&field, 1 << 20);
	buf_init(&value, 1 << 20);
	buf_init(&again, 1 << 20);
	if (mime_header_parse(in, a, &h, NULL) == ERR_OK &&
	    mime_subject_take_value(
		&h, words, 2, &field, &value, &word, &how) == ERR_OK &&
	    how != MIME_SUBJECT_NO_VALUE && field.len > 0 &&
	    mime_header_parse(buf_span(&field), a, &h, NULL) == ERR_OK &&
	    mime_subject_take_value(
		&h, words, 2, &again, &value, &word, &how) == ERR_OK &&
	    how != MIME_SUBJECT_NO_VALUE)
		abort();
	buf_clear(&field);
	buf_clear(&value);
	buf_clear(&again);
	arena_free(a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static bool started;

	if (!started)
		secret_init();
	started = true;
	if (len > 16384)
		return 0;
	check_spelling(mime_spell_passphrase, SPAN(data, len));
	check_spelling(mime_spell_code, SPAN(data, len));
	check_subject(SPAN(data, len));
	return 0;
}
