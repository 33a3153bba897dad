/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Any octets as signed data, with a content beside it and without. Everybody is
 * believed, so that all that is read from a signature is read.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/arena.h"
#include "crypto/cms_verify.h"
#include "crypto/verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static enum err
believe(void *ctx, struct crypto_cert *leaf, struct crypto_cert *const *pool,
    size_t n_pool, int64_t made, struct err_why *why)
{
	if (ctx != NULL || leaf == NULL || (n_pool > 0 && pool[0] == NULL))
		abort();
	return made < 0 ? err_why(why, ERR_KEY_EXPIRED, "long ago") : ERR_OK;
}

/* What is said can be printed. */
static void
check_verdict(struct crypto_verdict *v)
{
	struct buf b;

	for (size_t i = 0; i < v->n_sigs; i++)
		if (v->sigs[i].status == CRYPTO_SIGNED_NONE)
			abort();
	crypto_verdict_bind(v, NULL, 0);
	if (v->signature == CRYPTO_SIGNED_GOOD)
		abort();
	buf_init(&b, 1 << 20);
	if (crypto_verdict_text(v, &b) != ERR_OK ||
	    (b.data != NULL && memchr(b.data, '\n', b.len) != NULL))
		abort();
	buf_reset(&b);
	if (crypto_verdict_json(v, &b) != ERR_OK)
		abort();
	buf_clear(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char mail[] = "Content-Type: text/plain\r\n\r\nhello\r\n";
	const struct span content = SPAN_LIT(mail), in = SPAN(data, len);
	const struct crypto_cms_verifier verifier = {
	    .judge = believe, .now = 1800000000};
	struct arena *a = arena_new(8 << 20);
	struct crypto_verdict v;
	int fd = -1;

	if (a == NULL)
		abort();
	for (int detached = 0; detached < 2; detached++) {
		arena_reset(a);
		crypto_verdict_init(&v, a);
		if (crypto_cms_verify(in, detached ? &content : NULL, &verifier,
			&v, NULL) == ERR_OK)
			check_verdict(&v);
	}
	if (crypto_cms_content(in, 1 << 20, &fd, NULL) == ERR_OK)
		close(fd);
	arena_free(a);
	return 0;
}
