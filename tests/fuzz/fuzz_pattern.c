/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Address patterns of rules: a pattern matches what it covers, itself.
 */
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "policy/policy_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(1 << 20);
	char *text = arena_span_str(arena, SPAN(data, size));
	struct pattern p;
	struct err_why why;

	if (text != NULL &&
	    policy_pattern_parse(text, arena, &p, &why) == ERR_OK) {
		struct pattern_list l = {.list = &p, .n = 1};
		const struct policy_facts none = {.ambiguous = false};

		if (!policy_list_covers(&l, &l))
			abort();
		if (p.kind == PATTERN_ADDR &&
		    policy_list_truth(&l, p.text, &none) !=
			(p.excludes ? POLICY_NO : POLICY_YES))
			abort();
	}
	arena_free(arena);
	return 0;
}
