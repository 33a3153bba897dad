/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Certificates cut down for Autocrypt: what is left seals, and is small.
 */
#include "crypto/autocrypt.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crypto/openpgp.h"
#include "tests/crypto/homes.h"
#include "tests/crypto/out.h"
#include "tests/crypto/peer.h"

#define NOW 1790000000 /* in 2026 */

static enum err
cut(const char *name, const char *addr, int64_t now, struct buf *out,
    struct err_why *why)
{
	struct buf cert = peer_read(peer_data(name));
	enum err e;

	cr_assert_eq(buf_puts(out, "before"), ERR_OK);
	e = crypto_autocrypt_keydata(buf_span(&cert), addr, now, out, why);
	if (e != ERR_OK)
		cr_expect(span_eq_str(buf_span(out), "before"));
	else
		buf_drop(out, 6);
	buf_clear(&cert);
	return e;
}

Test(autocrypt, what_is_left_has_one_address_and_seals)
{
	static const struct {
		const char *file, *addr;
	} rows[] = {
	    {"sign/sam.pgp", "sam@example.com"},
	    {"sign/sub.pgp", "sub@example.com"},
	    {"sign/sam2.pgp", "sam@example.com"},
	    {"bob.pgp", "bob@example.org"},
	    {"bob.pgp", "bob@work.example"},
	    {"rita.pgp", "rita@example.org"},
	};
	struct homes h;

	homes_make(&h);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct crypto_pgp_list list = {0};
		struct err_why why = {""};
		struct span span;
		struct buf out;
		int fd = out_new("");

		buf_init(&out, 100000);
		cr_assert_eq(cut(rows[i].file, rows[i].addr, NOW, &out, &why),
		    ERR_OK, "%s: %s", rows[i].file, why.text);
		span = buf_span(&out);
		cr_assert_eq(crypto_pgp_inspect(h.pgp, span, &list, &why),
		    ERR_OK, "%s: %s", rows[i].file, why.text);
		cr_assert_eq(list.n, 1);
		cr_expect_eq(list.certs[0].seal_err, ERR_OK, "%s: %s",
		    rows[i].file, list.certs[0].seal_why.text);
		cr_assert_eq(list.certs[0].n_uids, 1, "%s", rows[i].file);
		cr_expect_str_eq(list.certs[0].uids[0].addr, rows[i].addr);
		/* nothing is left out that gpg would not leave out, too */
		cr_expect_eq(list.certs[0].minimal.len, span.len, "%s: %zu",
		    rows[i].file, span.len);
		cr_expect_eq(
		    crypto_pgp_seal(h.pgp, &span, 1, SPAN_LIT("x"), fd, &why),
		    ERR_OK, "%s: %s", rows[i].file, why.text);
		crypto_pgp_list_clear(&list);
		buf_clear(&out);
		close(fd);
	}
	homes_remove(&h);
}

Test(autocrypt, what_does_not_seal_is_not_offered)
{
	static const struct {
		const char *file, *addr;
		enum err e;
		const char *why;
	} rows[] = {
	    {"sign/sam.pgp", "other@example.com", ERR_NO_KEY, "no user ID"},
	    {"sign/sam.pgp", "", ERR_NO_KEY, "no user ID"},
	    {"bob.pgp", "old@example.org", ERR_NO_KEY, "no user ID"},
	    {"sign/certonly.pgp", "certonly@example.com", ERR_NO_KEY,
		"no key for encryption"},
	    {"sign/revoked.pgp", "revoked@example.com", ERR_NO_KEY, "revoked"},
	    {"sign/expired.pgp", "expired@example.com", ERR_NO_KEY, "expired"},
	    {"subexpired.pgp", "half@example.org", ERR_NO_KEY, "encryption"},
	    {"subrevoked.pgp", "sub@example.org", ERR_NO_KEY, "encryption"},
	    {"three.pgp", "bob@example.org", ERR_MALFORMED, "more than one"},
	    {"bob.asc", "bob@example.org", ERR_MALFORMED, "damaged"},
	    {"sign/v6.sec.pgp", "a@b.example", ERR_MALFORMED, "not a"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err_why why = {""};
		struct buf out;
		enum err e;

		buf_init(&out, 100000);
		e = cut(rows[i].file, rows[i].addr, NOW, &out, &why);
		cr_expect_eq(e, rows[i].e, "%s: %s %s", rows[i].file,
		    err_name(e), why.text);
		cr_expect_not_null(strstr(why.text, rows[i].why), "%s: %s",
		    rows[i].file, why.text);
		buf_clear(&out);
	}
}

Test(autocrypt, no_cut_of_a_certificate_is_read_beyond_its_end)
{
	struct buf cert = peer_read(peer_data("bob.pgp")), out;
	struct err_why why;

	buf_init(&out, 100000);
	for (size_t n = 0; n < cert.len; n++) {
		struct buf part;

		/* on the heap, so that a tool sees it */
		buf_init(&part, cert.len);
		cr_assert_eq(buf_put(&part, SPAN(cert.data, n)), ERR_OK);
		buf_reset(&out);
		if (crypto_autocrypt_keydata(buf_span(&part), "bob@example.org",
			NOW, &out, &why) == ERR_OK)
			cr_expect_gt(n, 300, "%zu", n);
		buf_clear(&part);
	}
	buf_clear(&cert);
	buf_clear(&out);
}
