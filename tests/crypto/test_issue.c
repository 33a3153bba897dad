/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "crypto/issue.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/secret.h"
#include "crypto/cert.h"
#include "crypto/key_delegate.h"
#include "crypto/own_key.h"
#include "crypto/private_key.h"
#include "tests/crypto/peer.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

enum { DAY = 86400 };

static char dir[64];
static int64_t now;

/* A key, its public half, and a CA's certificate for it. */
struct holder {
	struct crypto_private *key;
	struct buf spki;
	struct crypto_cert *cert;
};

static void
make_key(struct holder *h, enum crypto_own_alg alg)
{
	struct secret *octets = NULL;

	memset(h, 0, sizeof(*h));
	buf_init(&h->spki, CRYPTO_SPKI_MAX);
	cr_assert_eq(crypto_own_key_new(alg, &octets), ERR_OK);
	cr_assert_eq(
	    crypto_private_parse(secret_span(octets), &h->key), ERR_OK);
	cr_assert_eq(crypto_own_key_public(h->key, &h->spki), ERR_OK);
	secret_free(octets);
}

static void
end_key(struct holder *h)
{
	crypto_cert_unref(h->cert);
	crypto_private_free(h->key);
	buf_clear(&h->spki);
}

/* PEM of DER, where the peer reads it. */
static void
write_pem(const char *name, const char *label, struct span der)
{
	struct buf pem;

	buf_init(&pem, CRYPTO_CRL_MAX);
	cr_assert_eq(crypto_pem_put(label, der, &pem), ERR_OK);
	peer_write(peer_path(dir, name), buf_span(&pem));
	buf_clear(&pem);
}

static void
make_ca(struct holder *h, enum crypto_own_alg alg)
{
	struct crypto_issuer self;
	struct crypto_issue what = {.profile = CRYPTO_PROFILE_CA,
	    .name = "Test CA",
	    .not_before = now - DAY,
	    .not_after = now + 1000 * DAY};
	struct err_why why = {""};
	struct buf der;

	make_key(h, alg);
	self = (struct crypto_issuer){NULL, crypto_private_pkey(h->key)};
	what.spki = buf_span(&h->spki);
	buf_init(&der, CRYPTO_ISSUED_MAX);
	cr_assert_eq(crypto_issue_cert(&what, &self, &der, &why), ERR_OK, "%s",
	    why.text);
	cr_assert_eq(crypto_cert_parse(buf_span(&der), &h->cert, &why), ERR_OK);
	write_pem("ca.pem", "CERTIFICATE", buf_span(&der));
	buf_clear(&der);
}

static void
setup(void)
{
	now = (int64_t)time(NULL);
	secret_init();
	cr_assert_eq(crypto_private_init(), ERR_OK);
	peer_dir_make(dir);
}

static void
teardown(void)
{
	peer_dir_remove(dir);
}

TestSuite(issue, .init = setup, .fini = teardown);

static bool
says(const struct buf *text, const char *what)
{
	return span_find(buf_span(text), 0, span_str(what)) < text->len;
}

static struct buf
text_of(const char *kind, const char *name)
{
	cr_assert_eq(peer_run(NULL, peer_path(dir, "text"), "openssl", kind,
			 "-noout", "-text", "-in", peer_path(dir, name), NULL),
	    0);
	return peer_read(peer_path(dir, "text"));
}

static enum err
issue(const struct holder *ca, struct crypto_issue *what,
    const struct holder *whose, struct buf *der)
{
	const struct crypto_issuer by = {
	    ca->cert, crypto_private_pkey(ca->key)};

	what->spki = buf_span(&whose->spki);
	return crypto_issue_cert(what, &by, der, NULL);
}

static const struct {
	enum crypto_own_alg ca, key;
	enum crypto_profile profile;
	const char *usage, *not_usage;
	const char *purpose; /* smimeencrypt is for RSA alone */
} kinds[] = {
    {CRYPTO_OWN_P256, CRYPTO_OWN_P256, CRYPTO_PROFILE_BOTH,
	"Digital Signature, Key Agreement", "Key Encipherment", "smimesign"},
    {CRYPTO_OWN_P384, CRYPTO_OWN_P256, CRYPTO_PROFILE_SIGN,
	"Digital Signature\n", "Key Agreement", "smimesign"},
    {CRYPTO_OWN_P256, CRYPTO_OWN_P384, CRYPTO_PROFILE_ENCRYPT,
	"Key Agreement\n", "Digital Signature", "any"},
    {CRYPTO_OWN_RSA3072, CRYPTO_OWN_RSA3072, CRYPTO_PROFILE_BOTH,
	"Digital Signature, Key Encipherment", "Key Agreement", "smimesign"},
    {CRYPTO_OWN_P256, CRYPTO_OWN_RSA3072, CRYPTO_PROFILE_ENCRYPT,
	"Key Encipherment\n", "Digital Signature", "smimeencrypt"},
};

Test(issue, certificates_are_good_for_openssl_and_say_what_their_profile_says)
{
	struct span addr = SPAN_LIT("anna@example.com");

	for (size_t i = 0; i < N(kinds); i++) {
		struct crypto_issue what = {.profile = kinds[i].profile,
		    .addrs = &addr,
		    .n_addrs = 1,
		    .not_before = now - 60,
		    .not_after = now + 400 * DAY,
		    .crl_url = "http://crl.example.com/a,b.crl"};
		struct crypto_cert *cert = NULL;
		struct holder ca, leaf;
		struct buf der, text;

		buf_init(&der, CRYPTO_ISSUED_MAX);
		make_ca(&ca, kinds[i].ca);
		make_key(&leaf, kinds[i].key);
		cr_assert_eq(issue(&ca, &what, &leaf, &der), ERR_OK);
		write_pem("leaf.pem", "CERTIFICATE", buf_span(&der));
		cr_expect_eq(peer_run(NULL, NULL, "openssl", "verify",
				 "-x509_strict", "-purpose", kinds[i].purpose,
				 "-CAfile", peer_path(dir, "ca.pem"),
				 peer_path(dir, "leaf.pem"), NULL),
		    0, "row %zu", i);
		text = text_of("x509", "leaf.pem");
		cr_expect(says(&text, kinds[i].usage), "row %zu", i);
		cr_expect_not(says(&text, kinds[i].not_usage), "row %zu", i);
		cr_expect(says(&text, "email:anna@example.com"));
		cr_expect(says(&text, "E-mail Protection"));
		cr_expect(says(&text, "URI:http://crl.example.com/a,b.crl"));
		cr_expect_eq(says(&text, "S/MIME Capabilities"),
		    kinds[i].profile != CRYPTO_PROFILE_SIGN, "row %zu", i);
		cr_assert_eq(
		    crypto_cert_parse(buf_span(&der), &cert, NULL), ERR_OK);
		cr_expect_eq(crypto_cert_info(cert)->can_seal,
		    kinds[i].profile != CRYPTO_PROFILE_SIGN, "row %zu", i);
		cr_expect_eq(
		    crypto_cert_info(cert)->serial_raw.len, CRYPTO_SERIAL_SIZE);
		crypto_cert_unref(cert);
		buf_clear(&der);
		buf_clear(&text);
		end_key(&leaf);
		end_key(&ca);
	}
}

Test(issue, a_ca_may_issue_no_cas_and_signs_itself)
{
	struct holder ca;
	struct buf text;

	make_ca(&ca, CRYPTO_OWN_P256);
	text = text_of("x509", "ca.pem");
	cr_expect(crypto_cert_info(ca.cert)->is_ca);
	cr_expect(crypto_cert_info(ca.cert)->self_signed);
	cr_expect(says(&text, "CA:TRUE, pathlen:0"));
	cr_expect(says(&text, "Certificate Sign, CRL Sign"));
	cr_expect_not(says(&text, "E-mail Protection"));
	buf_clear(&text);
	end_key(&ca);
}

Test(issue, a_link_signs_itself_and_is_for_tls_alone)
{
	struct crypto_issue what = {.profile = CRYPTO_PROFILE_LINK,
	    .name = "gw.example.com",
	    .not_before = now - DAY,
	    .not_after = now + 3650 * DAY};
	struct span addr = SPAN_LIT("anna@example.com");
	struct crypto_issuer self, ca_key;
	struct err_why why = {""};
	struct holder link, ca;
	struct buf der, text;

	buf_init(&der, CRYPTO_ISSUED_MAX);
	make_ca(&ca, CRYPTO_OWN_P256);
	make_key(&link, CRYPTO_OWN_P256);
	self = (struct crypto_issuer){NULL, crypto_private_pkey(link.key)};
	ca_key = (struct crypto_issuer){ca.cert, crypto_private_pkey(ca.key)};
	what.spki = buf_span(&link.spki);
	cr_assert_eq(crypto_issue_cert(&what, &self, &der, &why), ERR_OK, "%s",
	    why.text);
	cr_assert_eq(
	    crypto_cert_parse(buf_span(&der), &link.cert, &why), ERR_OK);
	cr_expect(crypto_cert_info(link.cert)->self_signed);
	cr_expect_not(crypto_cert_info(link.cert)->is_ca);
	cr_expect_not(crypto_cert_info(link.cert)->can_seal);
	write_pem("link.pem", "CERTIFICATE", buf_span(&der));
	text = text_of("x509", "link.pem");
	cr_expect(says(&text, "TLS Web Server Authentication, TLS Web Client"));
	cr_expect(says(&text, "Digital Signature\n"));
	cr_expect_not(says(&text, "E-mail Protection"));
	/* nobody issues it, and it is for nobody's mail */
	cr_expect_eq(
	    crypto_issue_cert(&what, &ca_key, &der, &why), ERR_MALFORMED);
	what.addrs = &addr;
	what.n_addrs = 1;
	cr_expect_eq(
	    crypto_issue_cert(&what, &self, &der, &why), ERR_MALFORMED);
	what.n_addrs = 0;
	what.name = "";
	cr_expect_eq(
	    crypto_issue_cert(&what, &self, &der, &why), ERR_MALFORMED);
	buf_clear(&text);
	buf_clear(&der);
	end_key(&link);
	end_key(&ca);
}

Test(issue, addresses_that_are_no_ascii_or_no_name_have_their_place)
{
	struct span addr[] = {
	    SPAN_LIT("anna.with.a.very.long.local.part.that.fits.no.common."
		     "name@example.com"),
	    SPAN_LIT("j\xc3\xb6rg@example.com")};
	struct crypto_issue what = {.profile = CRYPTO_PROFILE_BOTH,
	    .addrs = addr,
	    .n_addrs = N(addr),
	    .not_before = now,
	    .not_after = now + DAY};
	struct crypto_cert *cert = NULL;
	struct holder ca, leaf;
	struct buf der, text;

	buf_init(&der, CRYPTO_ISSUED_MAX);
	make_ca(&ca, CRYPTO_OWN_P256);
	make_key(&leaf, CRYPTO_OWN_P256);
	cr_assert_eq(issue(&ca, &what, &leaf, &der), ERR_OK);
	cr_assert_eq(crypto_cert_parse(buf_span(&der), &cert, NULL), ERR_OK);
	cr_assert_eq(crypto_cert_info(cert)->n_addrs, 2);
	for (size_t i = 0; i < 2; i++)
		cr_expect(span_eq(
		    span_str(crypto_cert_info(cert)->addrs[i]), addr[i]));
	write_pem("leaf.pem", "CERTIFICATE", buf_span(&der));
	text = text_of("x509", "leaf.pem");
	cr_expect(says(&text, "Subject Alternative Name: critical"));
	cr_expect(says(&text, "SmtpUTF8Mailbox"));
	crypto_cert_unref(cert);
	buf_clear(&der);
	buf_clear(&text);
	end_key(&leaf);
	end_key(&ca);
}

Test(issue, nothing_outlives_its_issuer)
{
	struct span addr = SPAN_LIT("anna@example.com");
	struct crypto_issue what = {.profile = CRYPTO_PROFILE_BOTH,
	    .addrs = &addr,
	    .n_addrs = 1,
	    .not_before = now,
	    .not_after = now + 5000 * DAY};
	struct crypto_cert *cert = NULL;
	struct holder ca, leaf;
	struct buf der;

	buf_init(&der, CRYPTO_ISSUED_MAX);
	make_ca(&ca, CRYPTO_OWN_P256);
	make_key(&leaf, CRYPTO_OWN_P256);
	cr_assert_eq(issue(&ca, &what, &leaf, &der), ERR_OK);
	cr_assert_eq(crypto_cert_parse(buf_span(&der), &cert, NULL), ERR_OK);
	cr_expect_eq(crypto_cert_info(cert)->not_after,
	    crypto_cert_info(ca.cert)->not_after);
	what.not_before = now + 2000 * DAY;
	cr_expect_eq(issue(&ca, &what, &leaf, &der), ERR_KEY_EXPIRED);
	crypto_cert_unref(cert);
	buf_clear(&der);
	end_key(&leaf);
	end_key(&ca);
}

Test(issue, what_makes_no_certificate_is_refused)
{
	struct span addr = SPAN_LIT("anna@example.com");
	const struct crypto_issue good = {.profile = CRYPTO_PROFILE_BOTH,
	    .addrs = &addr,
	    .n_addrs = 1,
	    .not_before = now,
	    .not_after = now + DAY};
	struct crypto_issue what = good;
	struct holder ca, leaf, other;
	struct crypto_issuer by;
	struct buf der;

	buf_init(&der, CRYPTO_ISSUED_MAX);
	make_ca(&ca, CRYPTO_OWN_P256);
	make_key(&leaf, CRYPTO_OWN_P256);
	make_key(&other, CRYPTO_OWN_P256);
	what.n_addrs = 0;
	cr_expect_eq(issue(&ca, &what, &leaf, &der), ERR_MALFORMED);
	what = good;
	what.profile = CRYPTO_PROFILE_NONE;
	cr_expect_eq(issue(&ca, &what, &leaf, &der), ERR_MALFORMED);
	what = good;
	what.profile = CRYPTO_PROFILE_CA;
	what.n_addrs = 0;
	what.name = "another CA";
	cr_expect_eq(issue(&ca, &what, &leaf, &der), ERR_MALFORMED);
	/* a key that is not that of the CA's certificate */
	what = good;
	what.spki = buf_span(&leaf.spki);
	by = (struct crypto_issuer){ca.cert, crypto_private_pkey(other.key)};
	cr_expect_eq(crypto_issue_cert(&what, &by, &der, NULL), ERR_CRYPTO);
	what.spki = SPAN(leaf.spki.data, leaf.spki.len - 1);
	by.key = crypto_private_pkey(ca.key);
	cr_expect_eq(crypto_issue_cert(&what, &by, &der, NULL), ERR_MALFORMED);
	cr_expect_eq(der.len, 0);
	buf_clear(&der);
	end_key(&other);
	end_key(&leaf);
	end_key(&ca);
}

Test(issue, serial_numbers_differ)
{
	struct span addr = SPAN_LIT("anna@example.com");
	struct crypto_issue what = {.profile = CRYPTO_PROFILE_BOTH,
	    .addrs = &addr,
	    .n_addrs = 1,
	    .not_before = now,
	    .not_after = now + DAY};
	struct crypto_cert *cert[2] = {NULL};
	struct holder ca, leaf;
	struct buf der;

	make_ca(&ca, CRYPTO_OWN_P256);
	make_key(&leaf, CRYPTO_OWN_P256);
	for (size_t i = 0; i < 2; i++) {
		buf_init(&der, CRYPTO_ISSUED_MAX);
		cr_assert_eq(issue(&ca, &what, &leaf, &der), ERR_OK);
		cr_assert_eq(
		    crypto_cert_parse(buf_span(&der), &cert[i], NULL), ERR_OK);
		buf_clear(&der);
	}
	cr_expect_not(span_eq(crypto_cert_info(cert[0])->serial_raw,
	    crypto_cert_info(cert[1])->serial_raw));
	crypto_cert_unref(cert[0]);
	crypto_cert_unref(cert[1]);
	end_key(&leaf);
	end_key(&ca);
}

/* What key_delegate.h asks another process for. */
static enum err
sign_elsewhere(
    void *ctx, enum crypto_sign_alg alg, struct span in, struct buf *out)
{
	return crypto_private_sign(ctx, alg, in, out);
}

static enum err
sign_wrongly(
    void *ctx, enum crypto_sign_alg alg, struct span in, struct buf *out)
{
	uint8_t digest[64];

	memcpy(digest, in.data, in.len);
	digest[0] ^= 1;
	return crypto_private_sign(ctx, alg, SPAN(digest, in.len), out);
}

Test(issue, the_key_of_the_ca_may_be_in_another_process)
{
	static const enum crypto_own_alg algs[] = {
	    CRYPTO_OWN_P256, CRYPTO_OWN_P384, CRYPTO_OWN_RSA3072};
	struct span addr = SPAN_LIT("anna@example.com");

	for (size_t i = 0; i < N(algs); i++) {
		struct crypto_issue what = {.profile = CRYPTO_PROFILE_BOTH,
		    .addrs = &addr,
		    .n_addrs = 1,
		    .not_before = now,
		    .not_after = now + DAY};
		struct crypto_key_delegate *d = NULL;
		struct crypto_issuer by = {0};
		struct holder ca, leaf;
		struct buf der;

		buf_init(&der, CRYPTO_ISSUED_MAX);
		make_ca(&ca, algs[i]);
		make_key(&leaf, CRYPTO_OWN_P256);
		what.spki = buf_span(&leaf.spki);
		by.cert = ca.cert;
		cr_assert_eq(crypto_key_delegate_new(
				 ca.cert, sign_wrongly, ca.key, &d, NULL),
		    ERR_OK);
		by.key = crypto_key_delegate_pkey(d);
		cr_expect_eq(
		    crypto_issue_cert(&what, &by, &der, NULL), ERR_CRYPTO);
		crypto_key_delegate_free(d);
		cr_assert_eq(crypto_key_delegate_new(
				 ca.cert, sign_elsewhere, ca.key, &d, NULL),
		    ERR_OK);
		by.key = crypto_key_delegate_pkey(d);
		cr_expect_eq(crypto_issue_cert(&what, &by, &der, NULL), ERR_OK,
		    "row %zu", i);
		write_pem("leaf.pem", "CERTIFICATE", buf_span(&der));
		cr_expect_eq(peer_run(NULL, NULL, "openssl", "verify",
				 "-CAfile", peer_path(dir, "ca.pem"),
				 peer_path(dir, "leaf.pem"), NULL),
		    0, "row %zu", i);
		crypto_key_delegate_free(d);
		buf_clear(&der);
		end_key(&leaf);
		end_key(&ca);
	}
}

Test(issue, a_revoked_certificate_is_on_the_list_with_its_reason)
{
	struct span addr = SPAN_LIT("anna@example.com");
	struct crypto_issue what = {.profile = CRYPTO_PROFILE_BOTH,
	    .addrs = &addr,
	    .n_addrs = 1,
	    .not_before = now,
	    .not_after = now + DAY};
	struct crypto_revoked revoked[2] = {{.at = now}, {.at = now}};
	struct crypto_crl list = {.number = 7,
	    .this_update = now,
	    .next_update = now + 7 * DAY,
	    .revoked = revoked,
	    .n = 1};
	struct crypto_cert *cert = NULL;
	struct crypto_issuer by;
	struct holder ca, leaf;
	struct buf der, crl, text;

	buf_init(&der, CRYPTO_ISSUED_MAX);
	buf_init(&crl, CRYPTO_CRL_MAX);
	make_ca(&ca, CRYPTO_OWN_P256);
	make_key(&leaf, CRYPTO_OWN_P256);
	cr_assert_eq(issue(&ca, &what, &leaf, &der), ERR_OK);
	write_pem("leaf.pem", "CERTIFICATE", buf_span(&der));
	cr_assert_eq(crypto_cert_parse(buf_span(&der), &cert, NULL), ERR_OK);
	by = (struct crypto_issuer){ca.cert, crypto_private_pkey(ca.key)};
	revoked[0].serial = SPAN_LIT("\x01\x02\x03");
	for (int on = 0; on <= 1; on++) {
		list.n = on ? 2 : 1;
		revoked[1].serial = crypto_cert_info(cert)->serial_raw;
		revoked[1].reason = CRYPTO_REASON_KEY_COMPROMISE;
		buf_reset(&crl);
		cr_assert_eq(crypto_issue_crl(&list, &by, &crl, NULL), ERR_OK);
		write_pem("crl.pem", "X509 CRL", buf_span(&crl));
		cr_expect_eq(
		    peer_run(NULL, NULL, "openssl", "verify", "-crl_check",
			"-CRLfile", peer_path(dir, "crl.pem"), "-CAfile",
			peer_path(dir, "ca.pem"), peer_path(dir, "leaf.pem"),
			NULL) == 0,
		    !on, "revoked: %d", on);
	}
	text = text_of("crl", "crl.pem");
	cr_expect(says(&text, "Key Compromise"));
	cr_expect(says(&text, "X509v3 CRL Number: \n                7"));
	cr_expect(says(&text, "Serial Number: 010203"));
	cr_expect(says(&text, "Authority Key Identifier"));
	crypto_cert_unref(cert);
	buf_clear(&text);
	buf_clear(&der);
	buf_clear(&crl);
	end_key(&leaf);
	end_key(&ca);
}

Test(issue, words_lead_back_to_their_numbers)
{
	static const int profiles[] = {
	    CRYPTO_PROFILE_BOTH, CRYPTO_PROFILE_SIGN, CRYPTO_PROFILE_ENCRYPT};
	static const int reasons[] = {0, 1, 3, 4, 5, 9};
	enum crypto_profile p = CRYPTO_PROFILE_NONE;
	enum crypto_reason r = CRYPTO_REASON_UNSPECIFIED;

	for (size_t i = 0; i < N(profiles); i++) {
		cr_assert_eq(
		    crypto_profile_by_name(
			crypto_profile_name((enum crypto_profile)profiles[i]),
			&p),
		    ERR_OK);
		cr_expect_eq((int)p, profiles[i]);
	}
	for (size_t i = 0; i < N(reasons); i++) {
		cr_assert_eq(
		    crypto_reason_by_name(
			crypto_reason_name((enum crypto_reason)reasons[i]), &r),
		    ERR_OK);
		cr_expect_eq((int)r, reasons[i]);
	}
	cr_expect_eq(crypto_profile_by_name("ca", &p), ERR_NOT_FOUND);
	cr_expect_eq(crypto_reason_by_name("hold", &r), ERR_NOT_FOUND);
}
