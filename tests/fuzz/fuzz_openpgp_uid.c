/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A certificate cut down to one address: it never grows, and what is left is
 * cut down no further.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/arena.h"
#include "crypto/openpgp_uid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span addr = SPAN_LIT("bob@example.org");
	struct arena *arena = arena_new(16 << 20);
	struct buf once, twice;

	buf_init(&once, size + 1);
	buf_init(&twice, size + 1);
	if (crypto_pgp_only_addr(SPAN(data, size), addr, arena, &once) ==
		ERR_OK &&
	    (crypto_pgp_only_addr(buf_span(&once), addr, arena, &twice) !=
		    ERR_OK ||
		!span_eq(buf_span(&once), buf_span(&twice))))
		abort();
	buf_clear(&once);
	buf_clear(&twice);
	arena_free(arena);
	return 0;
}
