/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A list of certificates comes back as it was, and nothing else is one.
 */
#include "crypto/openpgp_pack.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/pack.h"
#include "crypto/openpgp.h"
#include "tests/crypto/peer.h"

static char text[] = "Bob <bob@example.org>", addr[] = "bob@example.org";

static void
pack_two(struct buf *out)
{
	struct crypto_pgp_uid uids[2] = {
	    {.text = text, .addr = addr},
	    {.text = text, .revoked = true},
	};
	struct crypto_pgp_cert certs[2] = {
	    {.version = 4,
		.fpr = {1, 2, 3},
		.fpr_len = 20,
		.uids = uids,
		.n_uids = 2,
		.created = 5,
		.expires = 6,
		.revoked = true,
		.alg = "RSA",
		.bits = 3072,
		.seal_alg = "Cv25519",
		.seal_bits = 255,
		.seal_until = 7,
		.seal_err = ERR_KEY_REVOKED,
		.seal_why = {"revoked"}},
	    {.version = 3},
	};
	struct crypto_pgp_list list = {certs, 2};
	struct packer p;

	buf_init(&certs[0].minimal, 100);
	cr_assert_eq(buf_puts(&certs[0].minimal, "octets"), ERR_OK);
	buf_init(out, 10000);
	pack_begin(&p, out);
	crypto_pgp_list_pack(&p, &list);
	cr_assert_eq(pack_end(&p), ERR_OK);
	buf_clear(&certs[0].minimal);
}

static enum err
unpack(struct span in, struct crypto_pgp_list *out)
{
	struct unpacker u;
	enum err e;

	unpack_begin(&u, in);
	e = crypto_pgp_list_unpack(&u, out);
	if (e == ERR_OK)
		e = unpack_end(&u);
	return e;
}

Test(openpgp_pack, a_list_comes_back_as_it_was)
{
	struct crypto_pgp_list list = {0};
	const struct crypto_pgp_cert *c;
	struct buf b;

	pack_two(&b);
	cr_assert_eq(unpack(buf_span(&b), &list), ERR_OK);
	cr_assert_eq(list.n, 2);
	c = &list.certs[0];
	cr_expect_eq(c->version, 4);
	cr_expect_eq(c->fpr_len, 20);
	cr_expect_eq(c->fpr[2], 3);
	cr_expect_eq(strlen(c->fpr_hex), 40);
	cr_assert_eq(c->n_uids, 2);
	cr_expect_str_eq(c->uids[0].text, text);
	cr_expect_str_eq(c->uids[0].addr, addr);
	cr_expect_null(c->uids[1].addr);
	cr_expect(c->uids[1].revoked);
	cr_expect_eq(c->created, 5);
	cr_expect_eq(c->expires, 6);
	cr_expect(c->revoked);
	cr_expect_str_eq(c->alg, "RSA");
	cr_expect_eq(c->bits, 3072);
	cr_expect_str_eq(c->seal_alg, "Cv25519");
	cr_expect_eq(c->seal_bits, 255);
	cr_expect_eq(c->seal_until, 7);
	cr_expect_eq(c->seal_err, ERR_KEY_REVOKED);
	cr_expect_str_eq(c->seal_why.text, "revoked");
	cr_expect(span_eq_str(buf_span(&c->minimal), "octets"));
	cr_expect_eq(list.certs[1].version, 3);
	cr_expect_eq(list.certs[1].n_uids, 0);
	crypto_pgp_list_clear(&list);
	buf_clear(&b);
}

Test(openpgp_pack, what_is_cut_or_altered_does_not_crash)
{
	struct buf b;

	pack_two(&b);
	for (size_t len = 0; len < b.len; len++) {
		struct crypto_pgp_list list = {0};

		cr_expect_eq(unpack(SPAN(b.data, len), &list), ERR_IPC,
		    "%zu octets", len);
		cr_expect_null(list.certs, "%zu octets", len);
	}
	for (size_t i = 0; i < b.len; i++) {
		struct crypto_pgp_list list = {0};

		/* an altered octet of a text is no error; a length is */
		b.data[i] ^= 0xff;
		(void)!unpack(buf_span(&b), &list);
		crypto_pgp_list_clear(&list);
		b.data[i] ^= 0xff;
	}
	buf_clear(&b);
}
