/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Any octets as a CMS message and as S/MIME capabilities: what is said of them
 * lies within them.
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/arena.h"
#include "common/limits.h"
#include "crypto/cms_form.h"
#include "crypto/cms_kind.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check_inside(struct span all, struct span s)
{
	if (s.len > 0 &&
	    (s.data < all.data || s.data + s.len > all.data + all.len))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span in = SPAN(data, len);
	struct arena *a = arena_new(1 << 20);
	struct crypto_cms_shape s;
	unsigned caps;

	if (a == NULL)
		abort();
	if (crypto_cms_look(in, a, &s) == ERR_OK) {
		if (s.n_rids > LIMIT_RECIPIENTS ||
		    s.n_signers > LIMIT_RECIPIENTS)
			abort();
		check_inside(in, s.cipher);
		for (size_t i = 0; i < s.n_rids; i++) {
			const struct crypto_cms_rid *r = &s.rids[i];

			if ((r->ski.len > 0) == (r->serial.len > 0))
				abort();
			check_inside(in, r->issuer);
			check_inside(in, r->serial);
			check_inside(in, r->ski);
		}
		if ((s.kind == CRYPTO_CMS_ENVELOPED ||
			s.kind == CRYPTO_CMS_AUTH_ENVELOPED) &&
		    s.n_rids + s.n_others == 0)
			abort();
	}
	if (crypto_cms_caps_parse(in, &caps) == ERR_OK && caps > 31)
		abort();
	arena_free(a);
	return 0;
}
