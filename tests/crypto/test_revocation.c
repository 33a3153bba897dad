/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Revocation lists and answers of responders, made by OpenSSL's own functions:
 * what is taken, and what is wrong with the others.
 */
#include "crypto/revocation.h"

#include <criterion/criterion.h>
#include <string.h>

#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "common/arena.h"
#include "crypto/cert_private.h"
#include "tests/crypto/pki.h"

#define N(table) (sizeof(table) / sizeof(table[0]))
#define HOUR	 INT64_C(3600)
#define URL	 "http://crl.example/ca.crl"

enum { CA, OTHER, NO_CRL, RESPONDER, IMPOSTOR, ALICE, BOB, N_CERTS };

static const struct pki_spec specs[N_CERTS] = {
    [CA] = {"ca", .ext = PKI_CA},
    [OTHER] = {"other", .ext = PKI_CA},
    [NO_CRL] = {"no crl", .ext = "basicConstraints=critical,CA:TRUE\n"
				 "keyUsage=critical,keyCertSign\n"},
    [RESPONDER] = {"responder", "ca",
	.ext = "keyUsage=critical,digitalSignature\n"
	       "extendedKeyUsage=OCSPSigning\nnoCheck=ignored\n"},
    [IMPOSTOR] = {"impostor", "ca",
	.ext = "keyUsage=critical,digitalSignature\n"
	       "extendedKeyUsage=emailProtection\n"},
    [ALICE] = {"alice", "ca",
	.ext = PKI_LEAF "crlDistributionPoints=URI:http://crl.example/ca.crl\n"
			"authorityInfoAccess=OCSP;URI:http://ocsp.example/,"
			"caIssuers;URI:http://ca.example/ca.der\n"},
    [BOB] = {"bob", "ca",
	.ext = PKI_LEAF
	"crlDistributionPoints=two,ldap,partial\n"
	"authorityInfoAccess=OCSP;URI:ldap://x/,OCSP;URI:https://o.example/\n"
	"[two]\nfullname=URI:http://a.example/1,URI:https://b.example/2\n"
	"[ldap]\nfullname=URI:ldap://c.example/cn=x\n"
	"[partial]\nfullname=URI:http://d.example/3\nreasons=keyCompromise\n"},
};

static struct pki_cert certs[N_CERTS];

static void
setup(void)
{
	pki_make(specs, N_CERTS, certs);
}

static void
teardown(void)
{
	pki_clear(certs, N_CERTS);
}

TestSuite(revocation, .init = setup, .fini = teardown);

Test(revocation, a_certificate_says_where_to_ask)
{
	struct arena *arena = arena_new(65536);
	struct crypto_revocation_urls urls;

	crypto_revocation_urls(certs[ALICE].cert, arena, &urls);
	cr_assert_eq(urls.n_lists, 1);
	cr_expect_str_eq(urls.list[0], URL);
	cr_assert_eq(urls.n_ocsp, 1);
	cr_expect_str_eq(urls.ocsp[0], "http://ocsp.example/");
	crypto_revocation_urls(certs[BOB].cert, arena, &urls);
	cr_assert_eq(urls.n_lists, 2);
	cr_expect_str_eq(urls.list[0], "http://a.example/1");
	cr_expect_str_eq(urls.list[1], "https://b.example/2");
	cr_assert_eq(urls.n_ocsp, 1);
	cr_expect_str_eq(urls.ocsp[0], "https://o.example/");
	crypto_revocation_urls(certs[CA].cert, arena, &urls);
	cr_expect_eq(urls.n_lists + urls.n_ocsp, 0);
	arena_free(arena);
}

/* --- lists --- */

struct list_spec {
	const char *what;
	int signer;	     /* by default CA; its name is in it */
	int named;	     /* the name of this one instead; 0: the signer's */
	int64_t from, until; /* beside now; until 0: none */
	const char *ext, *entry_ext;
	const char *md;
	enum err err;
	unsigned scope; /* if taken; 0: all */
};

static X509_EXTENSION *
extension(const char *line)
{
	char name[64];
	const char *value = strchr(line, '=');
	X509_EXTENSION *ext;

	snprintf(name, sizeof(name), "%.*s", (int)(value - line), line);
	ext = X509V3_EXT_conf(NULL, NULL, name, value + 1);
	cr_assert_not_null(ext, "%s", line);
	return ext;
}

static void
revoke(X509_CRL *crl, int64_t serial, int reason, const char *ext)
{
	X509_REVOKED *rev = X509_REVOKED_new();
	ASN1_INTEGER *number = ASN1_INTEGER_new();
	ASN1_TIME *at = ASN1_TIME_set(NULL, PKI_NOW - HOUR);
	X509_EXTENSION *x;

	ASN1_INTEGER_set_int64(number, serial);
	X509_REVOKED_set_serialNumber(rev, number);
	X509_REVOKED_set_revocationDate(rev, at);
	if (reason > 0) {
		ASN1_ENUMERATED *code = ASN1_ENUMERATED_new();

		ASN1_ENUMERATED_set(code, reason);
		X509_REVOKED_add1_ext_i2d(rev, NID_crl_reason, code, 0, 0);
		ASN1_ENUMERATED_free(code);
	}
	if (ext != NULL) {
		x = extension(ext);
		X509_REVOKED_add_ext(rev, x, -1);
		X509_EXTENSION_free(x);
	}
	X509_CRL_add0_revoked(crl, rev);
	ASN1_INTEGER_free(number);
	ASN1_TIME_free(at);
}

static struct buf
make_list(const struct list_spec *s)
{
	X509_CRL *crl = X509_CRL_new();
	struct pki_cert *signer = &certs[s->signer];
	ASN1_TIME *t = ASN1_TIME_set(NULL, PKI_NOW + s->from);
	unsigned char *der = NULL;
	struct buf b;
	int len;

	X509_CRL_set_version(crl, 1);
	X509_CRL_set_issuer_name(
	    crl, X509_get_subject_name(
		     certs[s->named > 0 ? s->named : s->signer].x509));
	X509_CRL_set1_lastUpdate(crl, t);
	ASN1_TIME_free(t);
	if (s->until != 0) {
		t = ASN1_TIME_set(NULL, PKI_NOW + s->until);
		X509_CRL_set1_nextUpdate(crl, t);
		ASN1_TIME_free(t);
	}
	for (int64_t i = 100; i < 300; i += 2)
		revoke(crl, i, 0, NULL);
	revoke(crl, ALICE + 1, 1, s->entry_ext);
	if (s->ext != NULL) {
		X509_EXTENSION *x = extension(s->ext);

		X509_CRL_add_ext(crl, x, -1);
		X509_EXTENSION_free(x);
	}
	X509_CRL_sort(crl);
	cr_assert_gt(
	    X509_CRL_sign(crl, signer->key,
		EVP_get_digestbyname(s->md == NULL ? "SHA256" : s->md)),
	    0);
	len = i2d_X509_CRL(crl, &der);
	buf_init(&b, (size_t)len);
	cr_assert_eq(buf_put(&b, SPAN(der, (size_t)len)), ERR_OK);
	OPENSSL_free(der);
	X509_CRL_free(crl);
	return b;
}

static enum err
read_list(struct span in, int issuer, struct crypto_list *out)
{
	struct err_why why = {""};
	enum err e =
	    crypto_list_read(in, certs[issuer].cert, URL, PKI_NOW, out, &why);

	cr_expect_eq(e == ERR_OK, why.text[0] == '\0', "%s", why.text);
	return e;
}

#define IDP "issuingDistributionPoint=critical,DER:"

Test(revocation, a_list_names_its_issuer)
{
	static const char *const bad[] = {"", "0", "0\x82\xff\xff",
	    "-----BEGIN X509 CRL-----\n-----END X509 CRL-----\n", "nonsense"};
	const struct list_spec spec = {"plain", CA, .until = HOUR};
	struct buf list = make_list(&spec), name;
	struct err_why why;

	buf_init(&name, 4096);
	cr_assert_eq(crypto_list_issuer(buf_span(&list), &name, &why), ERR_OK);
	cr_expect(span_eq(
	    buf_span(&name), crypto_cert_info(certs[CA].cert)->subject_der));
	buf_reset(&name);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_expect_eq(crypto_list_issuer(span_str(bad[i]), &name, &why),
		    ERR_MALFORMED, "row %zu", i);
		cr_expect_eq(name.len, 0, "row %zu", i);
	}
	buf_clear(&name);
	buf_clear(&list);
}

Test(revocation, who_has_signed_a_certificate)
{
	cr_expect(crypto_cert_is_signed_by(certs[ALICE].cert, certs[CA].cert));
	cr_expect_not(
	    crypto_cert_is_signed_by(certs[CA].cert, certs[ALICE].cert));
	cr_expect_not(
	    crypto_cert_is_signed_by(certs[ALICE].cert, certs[OTHER].cert));
	cr_expect_not(
	    crypto_cert_is_signed_by(certs[ALICE].cert, certs[ALICE].cert));
}

Test(revocation, a_list_is_taken_or_refused)
{
	static const struct list_spec rows[] = {
	    {"plain", CA, .from = -HOUR, .until = HOUR},
	    {"one second old", CA, .until = 1},
	    {"a little ahead", CA, .from = 60, .until = HOUR},
	    {"SHA-512", CA, .until = HOUR, .md = "SHA512"},
	    {"number", CA, .until = HOUR, .ext = "2.5.29.20=DER:02:01:07"},
	    {"freshest", CA, .until = HOUR,
		.ext = "freshestCRL=URI:http://x.example/"},
	    {"not critical", CA, .until = HOUR, .ext = "1.2.3.4=ASN1:NULL"},
	    {"users only", CA, .until = HOUR, .ext = IDP "30:03:81:01:FF",
		.scope = CRYPTO_LIST_USERS},
	    {"CAs only", CA, .until = HOUR, .ext = IDP "30:03:82:01:FF",
		.scope = CRYPTO_LIST_CAS},
	    {"an entry's extension", CA, .until = HOUR,
		.entry_ext = "1.2.3.4=ASN1:NULL"},

	    {"out of date", CA, .from = -2 * HOUR, .until = -HOUR,
		.err = ERR_KEY_EXPIRED},
	    {"of this second", CA, .from = -HOUR, .until = -1,
		.err = ERR_KEY_EXPIRED},
	    {"of the future", CA, .from = HOUR, .until = 2 * HOUR,
		.err = ERR_KEY_EXPIRED},
	    {"without end", CA, .from = -HOUR, .err = ERR_MALFORMED},
	    {"of another CA", OTHER, .until = HOUR, .err = ERR_KEY_UNTRUSTED},
	    {"of another key", OTHER, CA, .until = HOUR,
		.err = ERR_KEY_UNTRUSTED},
	    {"of a leaf", ALICE, CA, .until = HOUR, .err = ERR_KEY_UNTRUSTED},
	    {"SHA-1", CA, .until = HOUR, .md = "SHA1", .err = ERR_CRYPTO},
	    {"delta", CA, .until = HOUR,
		.ext = "2.5.29.27=critical,DER:02:01:01",
		.err = ERR_UNSUPPORTED},
	    {"critical", CA, .until = HOUR, .ext = "1.2.3.4=critical,ASN1:NULL",
		.err = ERR_UNSUPPORTED},
	    {"indirect", CA, .until = HOUR, .ext = IDP "30:03:84:01:FF",
		.err = ERR_UNSUPPORTED},
	    {"attributes", CA, .until = HOUR, .ext = IDP "30:03:85:01:FF",
		.err = ERR_UNSUPPORTED},
	    {"some reasons", CA, .until = HOUR, .ext = IDP "30:04:83:02:06:40",
		.err = ERR_UNSUPPORTED},
	    {"for nobody", CA, .until = HOUR,
		.ext = IDP "30:06:81:01:FF:82:01:FF", .err = ERR_MALFORMED},
	    {"for another place", CA, .until = HOUR,
		.ext = IDP "30:0E:A0:0C:A0:0A:86:08:68:74:74:70:3a:2f:2f:78",
		.err = ERR_NOT_FOUND},
	    {"broken place", CA, .until = HOUR, .ext = IDP "30:05:81",
		.err = ERR_MALFORMED},
	    {"an entry's issuer", CA, .until = HOUR,
		.entry_ext = "1.2.3.4=critical,ASN1:NULL",
		.err = ERR_UNSUPPORTED},
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct buf b = make_list(&rows[i]);
		struct crypto_list list;
		enum err e = read_list(buf_span(&b), CA, &list);

		cr_expect_eq(
		    e, rows[i].err, "%s: %s", rows[i].what, err_name(e));
		if (e == ERR_OK) {
			cr_expect_eq(list.until, PKI_NOW + rows[i].until);
			cr_expect_eq(list.scope,
			    rows[i].scope == 0 ? 3 : rows[i].scope, "%s",
			    rows[i].what);
			crypto_list_clear(&list);
		}
		buf_clear(&b);
	}
}

Test(revocation, an_issuer_that_may_not_sign_lists_signs_none)
{
	static const struct list_spec spec = {
	    "no cRLSign", NO_CRL, .until = HOUR};
	struct buf b = make_list(&spec);
	struct crypto_list list;

	cr_expect_eq(read_list(buf_span(&b), NO_CRL, &list), ERR_KEY_UNTRUSTED);
	buf_clear(&b);
}

Test(revocation, a_list_is_searched_without_parsing)
{
	static const struct list_spec spec = {"plain", CA, .until = HOUR};
	struct buf b = make_list(&spec);
	struct crypto_list list;
	struct crypto_status s = {.state = CRYPTO_REVOKED_UNKNOWN};

	cr_assert_eq(read_list(buf_span(&b), CA, &list), ERR_OK);
	cr_expect_eq(list.entries.len, 101 * CRYPTO_LIST_ENTRY);
	crypto_list_find(buf_span(&list.entries),
	    crypto_cert_info(certs[ALICE].cert)->serial_raw, &s);
	cr_expect_eq(s.state, CRYPTO_REVOKED_YES);
	cr_expect_eq(s.at, PKI_NOW - HOUR);
	cr_expect_eq(s.reason, 1);
	for (int i = 90; i < 310; i++) {
		uint8_t serial[2] = {(uint8_t)(i >> 8), (uint8_t)i};
		bool wide = i > 255;
		struct span raw = SPAN(serial + !wide, wide ? 2 : 1);

		crypto_list_find(buf_span(&list.entries), raw, &s);
		cr_expect_eq(s.state,
		    i >= 100 && i < 300 && i % 2 == 0 ? CRYPTO_REVOKED_YES
						      : CRYPTO_REVOKED_NO,
		    "%d", i);
	}
	crypto_list_find(SPAN(NULL, 0), SPAN("\x01", 1), &s);
	cr_expect_eq(s.state, CRYPTO_REVOKED_NO);
	crypto_list_clear(&list);
	buf_clear(&b);
}

Test(revocation, a_damaged_list_is_none)
{
	static const struct list_spec spec = {"plain", CA, .until = HOUR};
	static const char *const texts[] = {"", "0", "hello", "0\x80",
	    "-----BEGIN X509 CRL-----\n", "-----BEGIN CERTIFICATE-----\n"};
	struct buf b = make_list(&spec);
	struct crypto_list list;
	uint8_t *room;

	for (size_t i = 0; i < N(texts); i++)
		cr_expect_eq(read_list(span_str(texts[i]), CA, &list),
		    ERR_MALFORMED, "%s", texts[i]);
	for (size_t len = 0; len < b.len; len += 97)
		cr_expect_eq(read_list(SPAN(b.data, len), CA, &list),
		    ERR_MALFORMED, "%zu", len);
	for (size_t i = 40; i < b.len; i += 61) {
		enum err e;

		b.data[i] ^= 0x10;
		e = read_list(buf_span(&b), CA, &list);
		cr_expect(e != ERR_OK, "octet %zu", i);
		b.data[i] ^= 0x10;
	}
	buf_clear(&b);
	buf_init(&b, LIMIT_CRL_SIZE + 1);
	cr_assert_eq(buf_reserve(&b, LIMIT_CRL_SIZE + 1, &room), ERR_OK);
	memset(room, 0, LIMIT_CRL_SIZE + 1);
	buf_grow(&b, LIMIT_CRL_SIZE + 1);
	cr_expect_eq(read_list(buf_span(&b), CA, &list), ERR_TOO_BIG);
	buf_clear(&b);
}

/* --- answers --- */

struct answer_spec {
	const char *what;
	int signer, about;
	int64_t from, until; /* beside now; until 0: none */
	int status, reason;
	bool nonce, other_nonce, no_certs;
	const char *md;
	int failure; /* a response without an answer */
	enum err err;
	enum crypto_revoked state;
};

static struct buf
make_request(void)
{
	struct buf b;

	buf_init(&b, 4096);
	cr_assert_eq(crypto_ocsp_request(certs[CA].cert,
			 crypto_cert_info(certs[ALICE].cert)->serial_raw, &b),
	    ERR_OK);
	for (size_t i = 0; i < CRYPTO_NONCE_SIZE; i++) {
		cr_assert_eq(b.data[b.len - 1 - i], 0);
		b.data[b.len - 1 - i] = (uint8_t)(i * 7 + 3);
	}
	return b;
}

static void
add_status(OCSP_BASICRESP *basic, const struct answer_spec *s)
{
	OCSP_CERTID *id =
	    OCSP_cert_to_id(EVP_sha1(), certs[s->about].x509, certs[CA].x509);
	ASN1_TIME *from = ASN1_GENERALIZEDTIME_set(NULL, PKI_NOW + s->from);
	ASN1_TIME *until =
	    s->until == 0 ? NULL
			  : ASN1_GENERALIZEDTIME_set(NULL, PKI_NOW + s->until);
	ASN1_TIME *revoked = ASN1_GENERALIZEDTIME_set(NULL, PKI_NOW - HOUR);

	cr_assert_not_null(OCSP_basic_add1_status(basic, id, s->status,
	    s->reason, s->status == V_OCSP_CERTSTATUS_REVOKED ? revoked : NULL,
	    from, until));
	OCSP_CERTID_free(id);
	ASN1_TIME_free(from);
	ASN1_TIME_free(until);
	ASN1_TIME_free(revoked);
}

static struct buf
make_answer(const struct answer_spec *s, struct span request)
{
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	const unsigned char *p = request.data;
	OCSP_REQUEST *req = d2i_OCSP_REQUEST(NULL, &p, (long)request.len);
	struct pki_cert *signer = &certs[s->signer];
	OCSP_RESPONSE *resp;
	unsigned char *der = NULL;
	struct buf b;
	int len;

	add_status(basic, s);
	if (s->nonce)
		OCSP_copy_nonce(basic, req);
	if (s->other_nonce)
		OCSP_basic_add1_nonce(basic, NULL, 16);
	cr_assert_eq(OCSP_basic_sign(basic, signer->x509, signer->key,
			 EVP_get_digestbyname(s->md == NULL ? "SHA256" : s->md),
			 NULL, s->no_certs ? OCSP_NOCERTS : 0),
	    1);
	resp = OCSP_response_create(s->failure, s->failure == 0 ? basic : NULL);
	len = i2d_OCSP_RESPONSE(resp, &der);
	buf_init(&b, (size_t)len);
	cr_assert_eq(buf_put(&b, SPAN(der, (size_t)len)), ERR_OK);
	OPENSSL_free(der);
	OCSP_RESPONSE_free(resp);
	OCSP_BASICRESP_free(basic);
	OCSP_REQUEST_free(req);
	return b;
}

static enum err
read_answer(struct span in, struct span request, struct crypto_status *out)
{
	struct err_why why = {""};
	int64_t from = 0;
	size_t n = request.len < 16 ? request.len : 16;
	enum err e = crypto_ocsp_read(in, certs[CA].cert,
	    crypto_cert_info(certs[ALICE].cert)->serial_raw,
	    SPAN(request.data + request.len - n, n), PKI_NOW, out, &from, &why);

	cr_expect_eq(e == ERR_OK, why.text[0] == '\0', "%s", why.text);
	cr_expect(e != ERR_OK || from != 0);
	return e;
}

#define GOOD   V_OCSP_CERTSTATUS_GOOD
#define TAKEN  V_OCSP_CERTSTATUS_REVOKED
#define LOST   V_OCSP_CERTSTATUS_UNKNOWN
#define BEFORE .from = -HOUR, .until = HOUR

Test(revocation, an_answer_is_taken_or_refused)
{
	static const struct answer_spec rows[] = {
	    {"of the issuer", CA, ALICE, BEFORE, .state = CRYPTO_REVOKED_NO},
	    {"of a responder", RESPONDER, ALICE, BEFORE,
		.state = CRYPTO_REVOKED_NO},
	    {"revoked", RESPONDER, ALICE, BEFORE, .status = TAKEN, .reason = 4,
		.state = CRYPTO_REVOKED_YES},
	    {"revoked without a reason", CA, ALICE, BEFORE, .status = TAKEN,
		.reason = -1, .state = CRYPTO_REVOKED_YES},
	    {"unknown", CA, ALICE, BEFORE, .status = LOST,
		.state = CRYPTO_REVOKED_UNKNOWN},
	    {"our nonce", CA, ALICE, BEFORE, .nonce = true,
		.state = CRYPTO_REVOKED_NO},
	    {"issuer without certificates", CA, ALICE, BEFORE, .no_certs = true,
		.state = CRYPTO_REVOKED_NO},
	    {"without end", CA, ALICE, .from = -HOUR,
		.state = CRYPTO_REVOKED_NO},
	    {"a little ahead", CA, ALICE, .from = 60, .until = HOUR,
		.state = CRYPTO_REVOKED_NO},

	    {"another nonce", CA, ALICE, BEFORE, .other_nonce = true,
		.err = ERR_BAD_SEAL},
	    {"about another", CA, BOB, BEFORE, .err = ERR_NOT_FOUND},
	    {"of another CA", OTHER, ALICE, BEFORE, .err = ERR_KEY_UNTRUSTED},
	    {"of itself", ALICE, ALICE, BEFORE, .err = ERR_KEY_UNTRUSTED},
	    {"not for this purpose", IMPOSTOR, ALICE, BEFORE,
		.err = ERR_KEY_UNTRUSTED},
	    {"responder without certificate", RESPONDER, ALICE, BEFORE,
		.no_certs = true, .err = ERR_KEY_UNTRUSTED},
	    {"out of date", CA, ALICE, .from = -2 * HOUR, .until = -HOUR,
		.err = ERR_KEY_EXPIRED},
	    {"old, without end", CA, ALICE, .from = -25 * HOUR,
		.err = ERR_KEY_EXPIRED},
	    {"of the future", CA, ALICE, .from = HOUR, .until = 2 * HOUR,
		.err = ERR_KEY_EXPIRED},
	    {"SHA-1", CA, ALICE, BEFORE, .md = "SHA1", .err = ERR_CRYPTO},
	    {"later", CA, ALICE, BEFORE,
		.failure = OCSP_RESPONSE_STATUS_TRYLATER, .err = ERR_AGAIN},
	    {"not for us", CA, ALICE, BEFORE,
		.failure = OCSP_RESPONSE_STATUS_UNAUTHORIZED, .err = ERR_AGAIN},
	};
	struct buf request = make_request();

	for (size_t i = 0; i < N(rows); i++) {
		struct buf b = make_answer(&rows[i], buf_span(&request));
		struct crypto_status s = {.state = CRYPTO_REVOKED_UNKNOWN};
		enum err e = read_answer(buf_span(&b), buf_span(&request), &s);

		cr_expect_eq(
		    e, rows[i].err, "%s: %s", rows[i].what, err_name(e));
		cr_expect_eq(s.state, rows[i].state, "%s", rows[i].what);
		if (e == ERR_OK)
			cr_expect_gt(s.until, PKI_NOW, "%s", rows[i].what);
		if (s.state == CRYPTO_REVOKED_YES) {
			cr_expect_eq(s.at, PKI_NOW - HOUR);
			cr_expect_eq(
			    s.reason, rows[i].reason > 0 ? rows[i].reason : 0);
		}
		buf_clear(&b);
	}
	buf_clear(&request);
}

Test(revocation, a_damaged_answer_is_none)
{
	static const struct answer_spec spec = {
	    "good", RESPONDER, ALICE, BEFORE, .nonce = true};
	struct buf request = make_request();
	struct buf b = make_answer(&spec, buf_span(&request));
	struct crypto_status s = {.state = CRYPTO_REVOKED_UNKNOWN};
	uint8_t *room;

	for (size_t len = 0; len < b.len; len += 13)
		cr_expect_eq(
		    read_answer(SPAN(b.data, len), buf_span(&request), &s),
		    ERR_MALFORMED, "%zu", len);
	cr_expect_eq(read_answer(buf_span(&b), SPAN("0", 1), &s), ERR_LIMIT);
	/* the signed part; what is behind the signature are certificates */
	for (size_t i = 20; i < 220; i += 3) {
		b.data[i] ^= 0x10;
		cr_expect(
		    read_answer(buf_span(&b), buf_span(&request), &s) != ERR_OK,
		    "octet %zu", i);
		b.data[i] ^= 0x10;
	}
	cr_expect_eq(read_answer(buf_span(&b), buf_span(&request), &s), ERR_OK);
	buf_clear(&b);
	buf_init(&b, LIMIT_OCSP_SIZE + 1);
	cr_assert_eq(buf_reserve(&b, LIMIT_OCSP_SIZE + 1, &room), ERR_OK);
	memset(room, 0, LIMIT_OCSP_SIZE + 1);
	buf_grow(&b, LIMIT_OCSP_SIZE + 1);
	cr_expect_eq(
	    read_answer(buf_span(&b), buf_span(&request), &s), ERR_TOO_BIG);
	buf_clear(&b);
	buf_clear(&request);
}
