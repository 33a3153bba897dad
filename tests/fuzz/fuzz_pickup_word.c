/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Any text as an answer to a sent-notice, plain and as HTML: what it says is a
 * word of the list, with addresses, or nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "gateway/pickup_word.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check(const struct pickup_order *o)
{
	if (o->word >= PICKUP_WORDS)
		abort();
	if (o->word == PICKUP_WORD_NONE && o->n_only != 0)
		abort();
	for (uint32_t i = 0; i < o->n_only; i++)
		if (strchr(o->only[i], '@') == NULL)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct arena *a = arena_new(16 * 1024 * 1024);
	struct pickup_order o;

	if (a == NULL)
		abort();
	if (pickup_order_read(SPAN(data, len), a, &o) == ERR_OK)
		check(&o);
	if (pickup_order_read_html(SPAN(data, len), a, &o) == ERR_OK)
		check(&o);
	arena_free(a);
	return 0;
}
