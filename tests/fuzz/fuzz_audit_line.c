/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A line of the audit log that anybody may have written: its frame, its words,
 * and what is taken for a record of another process.
 */
#include <stdlib.h>
#include <string.h>

#include "common/secret.h"
#include "common/siv.h"
#include "gateway/store/audit_line.h"
#include "gateway/store/audit_pseudonym.h"
#include "gateway/store/audit_rec.h"
#include "gateway/store/audit_terms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
on_term(void *arg, enum store_term t, struct span value)
{
	const struct span *in = arg;

	/* a word lies within the record */
	if (value.data < in->data ||
	    value.data + value.len > in->data + in->len ||
	    t >= STORE_TERM_COUNT)
		abort();
	if (!store_term_eq(value, value))
		abort();
}

/* What is sound stays so with pseudonyms, and these can be put back. */
static void
rewrite(struct span in)
{
	static struct secret *key;
	struct buf out, back;
	enum err e;

	if (key == NULL) {
		secret_init();
		key = secret_new(SIV_KEY);
	}
	buf_init(&out, STORE_REC_MAX);
	buf_init(&back, 4 * STORE_REC_MAX);
	e = store_pseudonym_rewrite(key, in, &out);
	if (e == ERR_OK && !store_rec_is_sound(buf_span(&out)))
		abort();
	if (e != ERR_OK && out.len != 0)
		abort();
	if (store_pseudonym_resolve(key, buf_span(&out), &back) != ERR_OK)
		abort();
	buf_clear(&out);
	buf_clear(&back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = SPAN(data, size);
	uint8_t hash[DIGEST_SIZE];
	struct store_line l;
	struct buf again;

	store_terms_each(in, on_term, &in);
	if (store_line_parse(in, &l) == ERR_OK)
		store_line_hash(in, hash);
	if (!store_rec_is_sound(in))
		return 0;
	rewrite(in);
	/* what is sound makes a line that is one */
	buf_init(&again, STORE_LINE_MAX);
	memset(hash, 0, sizeof(hash));
	if (store_line_make(1, 0, hash, in, &again, hash) != ERR_OK ||
	    store_line_parse(buf_span(&again), &l) != ERR_OK ||
	    !span_eq(l.rec, in))
		abort();
	buf_clear(&again);
	return 0;
}
