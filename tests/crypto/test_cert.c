/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What certificates say and whether they may be sealed to, on the files of
 * tests/crypto/data; cert_info.c is tested here, too.
 */
#include "crypto/cert.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/digest.h"
#include "common/limits.h"
#include "common/text.h"
#include "crypto/cert_private.h"
#include "tests/crypto/peer.h"
#include "tests/crypto/pki.h"

#define NOW INT64_C(1800000000) /* 2027; the test certificates hold to 2098 */

static struct crypto_cert *
load(const char *name)
{
	struct buf b = peer_read(peer_data(name));
	struct crypto_cert *cert = NULL;
	struct err_why why = {""};

	cr_assert_eq(crypto_cert_parse(buf_span(&b), &cert, &why), ERR_OK,
	    "%s: %s", name, why.text);
	buf_clear(&b);
	return cert;
}

/* Addresses joined by blanks. */
static void
join_addrs(const struct crypto_cert_info *info, char *out, size_t size)
{
	out[0] = '\0';
	for (size_t i = 0; i < info->n_addrs; i++) {
		size_t len = strlen(out);

		snprintf(out + len, size - len, "%s%s", i == 0 ? "" : " ",
		    info->addrs[i]);
	}
}

Test(cert, says_what_is_in_it)
{
	static const struct {
		const char *file, *subject, *alg;
		unsigned bits;
		const char *addrs;
		size_t bad;
	} rows[] = {
	    {"rsa2048.der", "O=Example,CN=Alice", "RSA", 2048,
		"alice@example.com", 0},
	    {"rsa2048.pem", "O=Example,CN=Alice", "RSA", 2048,
		"alice@example.com", 0},
	    {"rsa3072.der", "emailAddress=juergen@example.com,CN=Jürgen", "RSA",
		3072, "juergen@example.com", 0},
	    {"p256.der", "CN=Bella", "P-256", 256,
		"bella@example.com b@example.org bé@example.com", 0},
	    {"p384.der", "CN=Cara", "P-384", 384, "cara@example.com", 0},
	    {"p521.der", "CN=Dana", "P-521", 521, "dana@example.com", 0},
	    {"ca.der", "CN=Test CA", "P-256", 256, "", 0},
	    {"ed25519.der", "CN=Edwards", "Ed25519", 256, "ed@example.com", 0},
	    {"x25519.der", "CN=Montgomery", "X25519", 253, "x@example.com", 0},
	    {"rsapss.der", "CN=PSS", "RSA-PSS", 2048, "pss@example.com", 0},
	    {"k256.der", "CN=Koblitz", "EC on another curve", 256,
		"k@example.com", 0},
	    {"explicit.der", "CN=Explicit", "EC with explicit parameters", 256,
		"x@example.com", 0},
	    /* the subject's address is not asked where another was given */
	    {"blankaddr.der", "emailAddress=blank@example.com,CN=Blank",
		"P-256", 256, "", 1},
	    {"nuladdr.der", "CN=Nul", "P-256", 256, "good@x.org", 2},
	    /* U+202E turned into '?' */
	    {"oddname.der", "CN=a?b", "P-256", 256, "", 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct crypto_cert *cert = load(rows[i].file);
		const struct crypto_cert_info *info = crypto_cert_info(cert);
		char addrs[256];

		join_addrs(info, addrs, sizeof(addrs));
		cr_expect_str_eq(info->subject, rows[i].subject, "%s: %s",
		    rows[i].file, info->subject);
		cr_expect_str_eq(
		    info->alg, rows[i].alg, "%s: %s", rows[i].file, info->alg);
		cr_expect_eq(info->bits, rows[i].bits, "%s: %u", rows[i].file,
		    info->bits);
		cr_expect_str_eq(
		    addrs, rows[i].addrs, "%s: %s", rows[i].file, addrs);
		cr_expect_eq(info->n_bad_addrs, rows[i].bad, "%s: %zu",
		    rows[i].file, info->n_bad_addrs);
		crypto_cert_unref(cert);
	}
}

Test(cert, is_known_by_its_fingerprint_issuer_and_key_id)
{
	struct crypto_cert *issued = load("issued.der"), *ca = load("ca.der");
	const struct crypto_cert_info *info = crypto_cert_info(issued);
	struct buf der = peer_read(peer_data("issued.der"));
	uint8_t fpr[CRYPTO_CERT_FPR_SIZE];

	digest_sha256(&(struct span){der.data, der.len}, 1, fpr);
	cr_expect_arr_eq(info->fpr, fpr, sizeof(fpr));
	cr_expect(span_eq(crypto_cert_der(issued), buf_span(&der)));
	cr_expect_str_eq(info->serial, "1267");
	cr_expect_eq(info->serial_raw.len, 2);
	cr_expect_str_eq(info->issuer, "CN=Test CA");
	cr_expect(span_eq(info->issuer_der, crypto_cert_info(ca)->issuer_der));
	cr_expect_eq(info->ski.len, 20);
	cr_expect(span_eq(info->issuer_der, crypto_cert_info(ca)->subject_der));
	cr_expect_eq(info->aki.len, 20);
	cr_expect(span_eq(info->aki, crypto_cert_info(ca)->ski));
	cr_expect_not(info->self_signed);
	cr_expect_not(info->is_ca);
	cr_expect(crypto_cert_info(ca)->self_signed);
	cr_expect(crypto_cert_info(ca)->is_ca);
	buf_clear(&der);
	crypto_cert_unref(issued);
	crypto_cert_unref(ca);
}

Test(cert, says_why_it_is_not_sealed_to)
{
	static const struct {
		const char *file;
		enum err e;
		const char *why; /* a part of the reason */
	} rows[] = {
	    {"rsa2048.der", ERR_OK, ""},
	    {"rsa3072.der", ERR_OK, ""},
	    {"p256.der", ERR_OK, ""},
	    {"p384.der", ERR_OK, ""},
	    {"p521.der", ERR_OK, ""},
	    {"issued.der", ERR_OK, ""},
	    {"rsa1024.der", ERR_KEY_UNUSABLE, "shorter than 2048"},
	    {"even.der", ERR_KEY_UNUSABLE, "exponent"},
	    {"signonly.der", ERR_KEY_UNUSABLE, "keyEncipherment"},
	    {"ecsign.der", ERR_KEY_UNUSABLE, "keyAgreement"},
	    {"server.der", ERR_KEY_UNUSABLE, "emailProtection"},
	    {"critical.der", ERR_KEY_UNUSABLE, "critical extension"},
	    {"ed25519.der", ERR_UNSUPPORTED, "only sign"},
	    {"rsapss.der", ERR_UNSUPPORTED, "only sign"},
	    {"x25519.der", ERR_UNSUPPORTED, "X25519"},
	    {"k256.der", ERR_UNSUPPORTED, "algorithm"},
	    {"explicit.der", ERR_UNSUPPORTED, "algorithm"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct crypto_cert *cert = load(rows[i].file);
		struct err_why why = {""};

		cr_expect_eq(crypto_cert_usable_at(cert, NOW, &why), rows[i].e,
		    "%s: %s", rows[i].file, why.text);
		cr_expect_not_null(strstr(why.text, rows[i].why), "%s: %s",
		    rows[i].file, why.text);
		cr_expect_eq(crypto_cert_info(cert)->can_seal,
		    rows[i].e == ERR_OK, "%s", rows[i].file);
		crypto_cert_unref(cert);
	}
}

Test(cert, is_usable_from_its_first_to_its_last_second)
{
	struct crypto_cert *cert = load("p256.der");
	const struct crypto_cert_info *info = crypto_cert_info(cert);
	struct err_why why = {""};

	cr_expect_eq(
	    crypto_cert_usable_at(cert, info->not_before, &why), ERR_OK);
	cr_expect_eq(
	    crypto_cert_usable_at(cert, info->not_after, &why), ERR_OK);
	cr_expect_eq(crypto_cert_usable_at(cert, info->not_before - 1, &why),
	    ERR_KEY_EXPIRED);
	cr_expect_not_null(strstr(why.text, "not valid yet"));
	cr_expect_eq(crypto_cert_usable_at(cert, info->not_after + 1, &why),
	    ERR_KEY_EXPIRED);
	cr_expect_not_null(strstr(why.text, "expired"));
	cr_expect_eq(
	    info->not_after - info->not_before, INT64_C(26000) * 86400);
	crypto_cert_unref(cert);
}

Test(cert, reads_a_chain_in_its_order)
{
	struct buf b = peer_read(peer_data("chain.pem"));
	struct crypto_cert *certs[2] = {NULL};
	size_t n = 0;
	struct err_why why = {""};

	cr_assert_eq(crypto_cert_parse_all(buf_span(&b), certs, 2, &n, &why),
	    ERR_OK, "%s", why.text);
	cr_assert_eq(n, 2);
	cr_expect_str_eq(crypto_cert_info(certs[0])->subject, "CN=Issued");
	cr_expect_str_eq(crypto_cert_info(certs[1])->subject, "CN=Test CA");
	crypto_cert_unref(certs[0]);
	crypto_cert_unref(certs[1]);
	n = 7;
	cr_expect_eq(
	    crypto_cert_parse_all(buf_span(&b), certs, 1, &n, &why), ERR_LIMIT);
	cr_expect_eq(n, 7);
	certs[0] = NULL;
	cr_expect_eq(
	    crypto_cert_parse(buf_span(&b), certs, &why), ERR_MALFORMED);
	cr_expect_null(certs[0]);
	buf_clear(&b);
}

static void
refuses(const char *what, struct span in, enum err wanted)
{
	struct crypto_cert *cert = NULL;
	struct err_why why = {""};
	enum err e = crypto_cert_parse(in, &cert, &why);

	cr_expect_eq(e, wanted, "%s: %s %s", what, err_name(e), why.text);
	cr_expect_null(cert, "%s", what);
	cr_expect_neq(why.text[0], '\0', "%s: no reason", what);
}

Test(cert, refuses_what_is_no_certificate)
{
	static const struct {
		const char *file;
		enum err e;
	} files[] = {
	    {"trailing.pem", ERR_MALFORMED},
	    {"withkey.pem", ERR_PERMISSION},
	    {"twice.der", ERR_MALFORMED},
	    {"badsan.der", ERR_MALFORMED},
	    {"p256.key", ERR_PERMISSION},
	    {"bob.pgp", ERR_MALFORMED},
	    {"bob.asc", ERR_MALFORMED},
	};
	static const struct {
		const char *text;
	} texts[] = {
	    {""},
	    {"0"},
	    {"hello"},
	    {"-----BEGIN CERTIFICATE-----\n"},
	    {"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"},
	    {"-----BEGIN CERTIFICATE-----\nAAAA\n"
	     "-----END CERTIFICATE-----\n"},
	    {"-----BEGIN CERTIFICATE-----\nMIIB????\n"
	     "-----END CERTIFICATE-----\n"},
	    {"-----BEGIN PKCS7-----\nMAA=\n-----END PKCS7-----\n"},
	    {"0\x80"},
	    {"0\x82\xff\xff"},
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct buf b = peer_read(peer_data(files[i].file));

		refuses(files[i].file, buf_span(&b), files[i].e);
		buf_clear(&b);
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		refuses(texts[i].text, span_str(texts[i].text), ERR_MALFORMED);
}

Test(cert, refuses_a_damaged_one)
{
	struct buf der = peer_read(peer_data("rsa2048.der"));
	struct buf pem = peer_read(peer_data("rsa2048.pem"));

	for (size_t len = 0; len < der.len; len += 7)
		refuses("cut", SPAN(der.data, len), ERR_MALFORMED);
	cr_assert_eq(buf_putc(&der, 0), ERR_OK);
	refuses("an octet behind it", buf_span(&der), ERR_MALFORMED);
	/* a length written longer than it must be: BER, not DER */
	der.len--;
	cr_assert_eq(buf_putc(&der, 0), ERR_OK);
	memmove(der.data + 2, der.data + 1, der.len - 2);
	der.data[1] = 0x83;
	der.data[2] = 0;
	refuses("BER", buf_span(&der), ERR_MALFORMED);
	cr_assert_eq(buf_putc(&pem, 0), ERR_OK);
	refuses("NUL in PEM", buf_span(&pem), ERR_MALFORMED);
	buf_clear(&der);
	buf_clear(&pem);
}

Test(cert, refuses_what_is_too_big)
{
	struct buf b;
	uint8_t *at;
	static const uint8_t head[] = {0x30, 0x83, 0x02, 0x00, 0x00};

	buf_init(&b, LIMIT_KEYS_SIZE + 1);
	cr_assert_eq(buf_put(&b, SPAN(head, sizeof(head))), ERR_OK);
	cr_assert_eq(
	    buf_reserve(&b, LIMIT_KEYS_SIZE - sizeof(head) + 1, &at), ERR_OK);
	memset(at, ' ', LIMIT_KEYS_SIZE - sizeof(head) + 1);
	buf_grow(&b, LIMIT_CERT_SIZE);
	refuses("a large certificate", buf_span(&b), ERR_TOO_BIG);
	buf_grow(&b, LIMIT_KEYS_SIZE + 1 - b.len);
	refuses("a large input", buf_span(&b), ERR_TOO_BIG);
	buf_clear(&b);
}

Test(cert, an_old_library_is_refused_with_the_package_to_install)
{
	struct err_why why = {""};

	cr_expect_eq(crypto_check_library(&why), ERR_OK, "%s", why.text);
	cr_expect_eq(crypto_check_library_num(0x30000160UL, "x", &why), ERR_OK);
	cr_expect_eq(crypto_check_library_num(0x30500000UL, "x", &why), ERR_OK);
	cr_expect_eq(
	    crypto_check_library_num(0x30000150UL, "OpenSSL 3.0.21", &why),
	    ERR_UNSUPPORTED);
	cr_expect_not_null(strstr(why.text, "OpenSSL 3.0.21"));
	cr_expect_not_null(strstr(why.text, "3.0.22-1~deb12u1"));
}

/* RFC 5280 §4.2.1.6, RFC 9598 §3: what another parser would read differently is
   no address at all. */
Test(cert, an_address_is_exactly_the_one_or_none)
{
	static const struct {
		bool other;		 /* SmtpUTF8Mailbox, not rfc822Name */
		const char *text, *addr; /* addr NULL: none, counted as bad */
	} rows[] = {
	    {false, "alice@example.com", "alice@example.com"},
	    {false, "Alice@Example.COM", "alice@example.com"},
	    {false, "a.b+c@example.com", "a.b+c@example.com"},
	    {false, "a@xn--bcher-kva.example", "a@xn--bcher-kva.example"},
	    {true, "\xc3\xa9va@example.com", "\xc3\xa9va@example.com"},
	    {true, "\xc3\xa9@xn--bcher-kva.example",
		"\xc3\xa9@xn--bcher-kva.example"},
	    {false, " alice@example.com", NULL},
	    {false, "alice@example.com ", NULL},
	    {false, "alice @example.com", NULL},
	    {false, "alice@example.com(x)", NULL},
	    {false, "<alice@example.com>", NULL},
	    {false, "Alice <alice@example.com>", NULL},
	    {false, "mailto:alice@example.com", NULL},
	    {false, "alice@example.com,bob@example.com", NULL},
	    {false, "alice@example.com;bob@example.com", NULL},
	    {false, "alice", NULL},
	    {false, "@example.com", NULL},
	    {false, "alice@", NULL},
	    {false,
		"a@b\xc3\xbc"
		"cher.example",
		NULL},
	    {false, "\xc3\xa9va@example.com", NULL},
	    {true, "alice@example.com", NULL},
	    {true, "\xc3\xa9va@Example.com", NULL},
	    {true,
		"\xc3\xa9@b\xc3\xbc"
		"cher.example",
		NULL},
	    {true, "\xef\xbb\xbf\xc3\xa9va@example.com ", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char ext[256];
		struct pki_spec spec = {"leaf", .ext = ext};
		const struct crypto_cert_info *info;
		struct pki_cert made;

		snprintf(ext, sizeof(ext),
		    "subjectAltName=@alt\n[alt]\n%s%s\"\n",
		    rows[i].other ? "otherName.1=1.3.6.1.5.5.7.8.9;"
				    "FORMAT:UTF8,UTF8:\""
				  : "email.1=\"",
		    rows[i].text);
		pki_make(&spec, 1, &made);
		info = crypto_cert_info(made.cert);
		cr_expect_eq(info->n_addrs, rows[i].addr != NULL, "row %zu", i);
		cr_expect_eq(
		    info->n_bad_addrs, rows[i].addr == NULL, "row %zu", i);
		if (rows[i].addr != NULL && info->n_addrs == 1)
			cr_expect_str_eq(info->addrs[0], rows[i].addr);
		pki_clear(&made, 1);
	}
}
