/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "crypto/openpgp_component.h"

#include <criterion/criterion.h>
#include <string.h>

#include "crypto/openpgp_packet.h"
#include "tests/crypto/peer.h"

#define NOW 1790000000 /* in 2026 */

enum { KEYS_MAX = 8 };

struct ids {
	uint8_t id[KEYS_MAX][CRYPTO_PGP_KEY_ID];
	unsigned tag[KEYS_MAX];
	size_t n;
};

static void
collect(void *ctx, const struct crypto_pgp_component *c)
{
	struct ids *ids = ctx;
	uint8_t fpr[32];
	size_t len;

	if (c->tag != CRYPTO_PGP_TAG_PUBLIC_KEY &&
	    c->tag != CRYPTO_PGP_TAG_PUBLIC_SUBKEY)
		return;
	cr_assert_eq(crypto_pgp_fpr(c->body, fpr, &len), ERR_OK);
	cr_assert_eq(len, 20);
	cr_assert_lt(ids->n, (size_t)KEYS_MAX);
	memcpy(ids->id[ids->n], fpr + 12, CRYPTO_PGP_KEY_ID);
	ids->tag[ids->n++] = c->tag;
}

static void
read_ids(const char *file, struct buf *cert, struct ids *out)
{
	struct err_why why = {""};

	*cert = peer_read(peer_data(file));
	*out = (struct ids){.n = 0};
	cr_assert_eq(crypto_pgp_components(buf_span(cert), collect, out, &why),
	    ERR_OK, "%s: %s", file, why.text);
	cr_assert_gt(out->n, 0u);
}

Test(openpgp_component, only_keys_that_may_be_sealed_to_count)
{
	static const struct {
		const char *file;
		int64_t now;
		size_t n; /* of its keys that may be sealed to */
	} rows[] = {
	    {"bob.pgp", NOW, 1},
	    {"rita.pgp", NOW, 1},
	    {"sign/sam.pgp", NOW, 1},
	    {"sign/sub.pgp", NOW, 1},
	    {"sign/certonly.pgp", NOW, 0},
	    {"sign/revoked.pgp", NOW, 0},
	    {"subexpired.pgp", NOW, 0},
	    {"subrevoked.pgp", NOW, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = 0;
		struct ids ids;
		struct buf cert;

		read_ids(rows[i].file, &cert, &ids);
		for (size_t k = 0; k < ids.n; k++)
			n += crypto_pgp_seals_to(
			    buf_span(&cert), ids.id[k], rows[i].now);
		cr_expect_eq(n, rows[i].n, "%s: %zu", rows[i].file, n);
		buf_clear(&cert);
	}
}

Test(openpgp_component, another_key_and_a_hidden_one_do_not_count)
{
	static const uint8_t hidden[CRYPTO_PGP_KEY_ID];
	struct ids bob, rita;
	struct buf cert, other;

	read_ids("bob.pgp", &cert, &bob);
	read_ids("rita.pgp", &other, &rita);
	cr_expect_not(crypto_pgp_seals_to(buf_span(&cert), hidden, NOW));
	for (size_t k = 0; k < rita.n; k++)
		cr_expect_not(
		    crypto_pgp_seals_to(buf_span(&cert), rita.id[k], NOW));
	buf_clear(&cert);
	buf_clear(&other);
}

Test(openpgp_component, what_is_damaged_counts_for_nothing)
{
	struct ids ids;
	struct buf cert;
	struct span whole;

	read_ids("bob.pgp", &cert, &ids);
	whole = buf_span(&cert);
	for (size_t k = 0; k < ids.n; k++) {
		struct span cut = SPAN(whole.data, whole.len - 1);
		struct span two = SPAN(whole.data + 1, whole.len - 1);

		cr_expect_not(crypto_pgp_seals_to(cut, ids.id[k], NOW));
		cr_expect_not(crypto_pgp_seals_to(two, ids.id[k], NOW));
		cr_expect_not(
		    crypto_pgp_seals_to(SPAN(NULL, 0), ids.id[k], NOW));
	}
	buf_clear(&cert);
}
