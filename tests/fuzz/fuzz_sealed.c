/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Sealed octets from a disk that somebody wrote to: headers with a key that
 * is known, chunks that do not open, lengths that lie.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/sealed.h"
#include "common/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* A fixed pair, so that an input keeps its meaning. */
static const uint8_t pub_octets[SEALED_KEY] = {0xa4, 0xe0, 0x92, 0x92, 0xb6,
    0x51, 0xc2, 0x78, 0xb9, 0x77, 0x2c, 0x56, 0x9f, 0x5f, 0xa9, 0xbb, 0x13,
    0xd9, 0x06, 0xb4, 0x6a, 0xb6, 0x8c, 0x9d, 0xf9, 0xdc, 0x2b, 0x44, 0x09,
    0xf8, 0xa2, 0x09};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct secret *priv, *master;
	struct sealed_pub pub = {.purpose = SEALED_READY};
	struct span sealed = SPAN(data, len);
	struct secret *key = NULL, *text = NULL;
	struct sealed_reader *r;
	struct buf out;
	uint8_t *chunk;
	uint64_t size;
	size_t n = 1;

	secret_init();
	if (priv == NULL) {
		priv = secret_new(SEALED_KEY);
		memset(priv->data, 1, SEALED_KEY);
		master = secret_new(SEALED_KEY);
	}
	memcpy(pub.octets, pub_octets, SEALED_KEY);
	if (sealed_text_size(sealed, &size) == ERR_OK &&
	    sealed_size(size) != len)
		abort();
	if (sealed_unwrap(master, SPAN_LIT("x"), sealed, &text) == ERR_OK)
		secret_free(text);
	if (sealed_content_key(&pub, priv, sealed, &key) != ERR_OK)
		return 0;
	buf_init(&out, 1 << 20);
	if (sealed_open(key, SPAN_LIT("ad"), sealed, &out) != ERR_OK &&
	    out.len != 0)
		abort();
	buf_clear(&out);
	r = sealed_reader_new(key, SPAN_LIT("ad"), sealed);
	chunk = malloc(STREAM_CHUNK);
	while (r != NULL && n > 0 && sealed_reader_next(r, chunk, &n) == ERR_OK)
		;
	free(chunk);
	sealed_reader_free(r);
	secret_free(key);
	return 0;
}
