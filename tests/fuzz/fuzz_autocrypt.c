/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The value of an Autocrypt field: what is read has an address and a key, and
 * written again reads the same.
 */
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "mime/autocrypt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
write_again(const struct mime_autocrypt *first, struct arena *a)
{
	struct mime_autocrypt again;
	struct buf b;

	buf_init(&b, 64 * 1024);
	/* addresses that need quotes are not written */
	if (mime_autocrypt_field(
		first->addr, first->mutual, first->keydata, &b) == ERR_OK &&
	    (mime_autocrypt_parse(SPAN(b.data + 10, b.len - 10), a, &again) !=
		    ERR_OK ||
		strcmp(again.addr, first->addr) != 0 ||
		again.mutual != first->mutual ||
		!span_eq(again.keydata, first->keydata)))
		abort();
	buf_clear(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct arena *a = arena_new(1 << 20);
	struct mime_autocrypt out;

	if (mime_autocrypt_parse(SPAN(data, len), a, &out) == ERR_OK) {
		if (out.addr[0] == '\0' || out.keydata.len == 0)
			abort();
		write_again(&out, a);
	}
	arena_free(a);
	return 0;
}
