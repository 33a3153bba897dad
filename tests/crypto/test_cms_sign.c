/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Signatures made with a key that is elsewhere are verified by other programs:
 * openssl, NSS, gpgsm.
 */
#include "crypto/cms_sign.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "crypto/cert.h"
#include "mime/sink.h"
#include "tests/crypto/peer.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define NOW  INT64_C(1800000000)

static struct crypto_cert *
load(const char *name)
{
	struct buf b = peer_read(peer_data(name));
	struct crypto_cert *cert = NULL;

	cr_assert_eq(
	    crypto_cert_parse(buf_span(&b), &cert, NULL), ERR_OK, "%s", name);
	buf_clear(&b);
	return cert;
}

/* The process that has the key, played. */
struct holder {
	struct crypto_private *key;
	unsigned asked;
	enum crypto_sign_alg alg;
	enum err says; /* instead of signing */
	bool nothing;  /* signs, and gives nothing back */
};

static enum err
hold(void *ctx, enum crypto_sign_alg alg, struct span in, struct buf *out)
{
	struct holder *h = ctx;

	h->asked++;
	h->alg = alg;
	if (h->says != ERR_OK || h->nothing)
		return h->says;
	return crypto_private_sign(h->key, alg, in, out);
}

static void
holder_load(struct holder *h, const char *dir, const char *key)
{
	struct buf b;

	memset(h, 0, sizeof(*h));
	cr_assert_eq(peer_run(NULL, NULL, "openssl", "pkcs8", "-topk8",
			 "-nocrypt", "-in", peer_data(key), "-outform", "DER",
			 "-out", peer_path(dir, "p8"), NULL),
	    0);
	b = peer_read(peer_path(dir, "p8"));
	cr_assert_eq(crypto_private_parse(buf_span(&b), &h->key), ERR_OK);
	buf_clear(&b);
}

static const struct {
	const char *cert, *key, *pem;
	bool pss;
	const char *micalg;
	enum crypto_sign_alg alg;
	const char *shows;
	const char *name;
} who[] = {
    {"rsa2048.der", "rsa2048.key", "rsa2048.pem", false, "sha-256",
	CRYPTO_SIGN_RSA_SHA256, "rsaEncryption", "rsa-pkcs1-sha256"},
    {"rsa2048.der", "rsa2048.key", "rsa2048.pem", true, "sha-256",
	CRYPTO_SIGN_PSS_SHA256, "rsassaPss", "rsa-pss-sha256"},
    {"rsa3072.der", "rsa3072.key", "rsa3072.pem", false, "sha-256",
	CRYPTO_SIGN_RSA_SHA256, "rsaEncryption", "rsa-pkcs1-sha256"},
    {"rsa3072.der", "rsa3072.key", "rsa3072.pem", true, "sha-256",
	CRYPTO_SIGN_PSS_SHA256, "rsassaPss", "rsa-pss-sha256"},
    {"sign256.der", "sign256.key", "sign256.pem", false, "sha-256",
	CRYPTO_SIGN_ECDSA_SHA256, "ecdsa-with-SHA256", "ecdsa-p256-sha256"},
    {"sign384.der", "sign384.key", "sign384.pem", false, "sha-384",
	CRYPTO_SIGN_ECDSA_SHA384, "ecdsa-with-SHA384", "ecdsa-p384-sha384"},
    {"p521.der", "p521.key", "p521.pem", false, "sha-512",
	CRYPTO_SIGN_ECDSA_SHA512, "ecdsa-with-SHA512", "ecdsa-p521-sha512"},
};

/* Sign in: with opaque, dir/signed has it inside, else it is in dir/in. */
static void
sign(const char *dir, size_t i, bool opaque, struct span in)
{
	struct crypto_cms_signer s = {.now = NOW, .sign = hold};
	struct mime_sink to;
	struct err_why why = {""};
	struct holder h;
	struct buf out;
	enum err e;

	holder_load(&h, dir, who[i].key);
	buf_init(&out, in.len + 65536);
	s.cert = load(who[i].cert);
	s.ctx = &h;
	s.pss = who[i].pss;
	to = mime_sink_buf(&out);
	e = opaque ? crypto_cms_sign_opaque(&s, in, &to, &why)
		   : crypto_cms_sign_detached(&s, in, &out, &why);
	cr_assert_eq(e, ERR_OK, "row %zu: %s", i, why.text);
	cr_expect_eq(h.asked, 1, "row %zu", i);
	cr_expect_eq(h.alg, who[i].alg, "row %zu", i);
	cr_expect_str_eq(crypto_cms_micalg(s.cert), who[i].micalg);
	cr_expect_str_eq(
	    crypto_cms_signature_name(s.cert, who[i].pss), who[i].name);
	peer_write(peer_path(dir, "signed"), buf_span(&out));
	peer_write(peer_path(dir, "in"), in);
	buf_clear(&out);
	crypto_cert_unref(s.cert);
	crypto_private_free(h.key);
}

static bool
openssl_verifies(const char *dir, const char *pem, bool opaque)
{
	return peer_run(NULL, NULL, "openssl", "cms", "-verify", "-binary",
		   "-no_check_time", "-purpose", "any", "-CAfile",
		   peer_data(pem), "-inform", "DER", "-in",
		   peer_path(dir, "signed"), "-out", peer_path(dir, "out"),
		   opaque ? NULL : "-content", peer_path(dir, "in"), NULL) == 0;
}

static bool
same_file(const char *a, const char *b)
{
	struct buf x = peer_read(a), y = peer_read(b);
	bool same = span_eq(buf_span(&x), buf_span(&y));

	buf_clear(&x);
	buf_clear(&y);
	return same;
}

Test(cms_sign, openssl_verifies_every_form)
{
	struct buf in = peer_octets(10240);
	char dir[64];

	peer_dir_make(dir);
	for (size_t i = 0; i < N(who); i++) {
		for (int opaque = 0; opaque < 2; opaque++) {
			sign(dir, i, opaque, buf_span(&in));
			cr_expect(openssl_verifies(dir, who[i].pem, opaque),
			    "row %zu, opaque %d", i, opaque);
			cr_expect(same_file(peer_path(dir, "out"),
				      peer_path(dir, "in")),
			    "row %zu, opaque %d", i, opaque);
		}
		/* it can fail */
		peer_write(peer_path(dir, "in"), SPAN_LIT("other"));
		sign(dir, i, false, SPAN_LIT("this"));
		peer_write(peer_path(dir, "in"), SPAN_LIT("that"));
		cr_expect_not(
		    openssl_verifies(dir, who[i].pem, false), "row %zu", i);
	}
	buf_clear(&in);
	peer_dir_remove(dir);
}

static bool
shows(const char *dir, const char *text)
{
	struct buf b;
	bool found;

	cr_assert_eq(peer_run(NULL, peer_path(dir, "dump"), "openssl", "cms",
			 "-cmsout", "-print", "-noout", "-inform", "DER", "-in",
			 peer_path(dir, "signed"), NULL),
	    0);
	b = peer_read(peer_path(dir, "dump"));
	found = span_find(buf_span(&b), 0, span_str(text)) < b.len;
	buf_clear(&b);
	return found;
}

Test(cms_sign, attributes_are_there)
{
	char dir[64];

	peer_dir_make(dir);
	for (size_t i = 0; i < N(who); i++) {
		sign(dir, i, false, SPAN_LIT("text"));
		cr_expect(shows(dir, who[i].shows), "row %zu", i);
		cr_expect(shows(dir, "Jan 15 08:00:00 2027 GMT"), "row %zu", i);
		cr_expect(shows(dir, "S/MIME Capabilities"), "row %zu", i);
		cr_expect(shows(dir, "aes-256-gcm") ||
			      shows(dir, "2.16.840.1.101.3.4.1.46"),
		    "row %zu", i);
		/* a certificate that nothing can be sealed to is not preferred
		 */
		cr_expect_eq(shows(dir, "id-smime-aa-encrypKeyPref"),
		    strcmp(who[i].cert, "sign384.der") != 0, "row %zu", i);
		cr_expect(shows(dir, "messageDigest"), "row %zu", i);
		cr_expect_not(shows(dir, "des-ede3"), "row %zu", i);
	}
	peer_dir_remove(dir);
}

Test(cms_sign, the_chain_goes_along_without_roots_and_once)
{
	static const char *const names[] = {
	    "issued.der", "ca.der", "rsa2048.der", "issued.der", "p256.der"};
	struct crypto_cms_signer s = {.now = NOW, .sign = hold};
	struct crypto_cert *chain[N(names)];
	struct holder h;
	struct buf out;
	size_t n = 0, at = 0;
	char dir[64];

	peer_dir_make(dir);
	for (size_t i = 0; i < N(names); i++)
		chain[i] = load(names[i]);
	holder_load(&h, dir, "rsa2048.key");
	buf_init(&out, 65536);
	s.cert = chain[2];
	s.encrypt = chain[4];
	s.chain = chain;
	s.n_chain = N(names);
	s.ctx = &h;
	cr_assert_eq(
	    crypto_cms_sign_detached(&s, SPAN_LIT("text"), &out, NULL), ERR_OK);
	/* the signer's, what to seal to, and one of the issuers' */
	for (size_t i = 0; i < N(names); i++) {
		struct span der = crypto_cert_der(chain[i]);
		bool there = span_find(buf_span(&out), 0, der) < out.len;

		cr_expect_eq(
		    there, strcmp(names[i], "ca.der") != 0, "%s", names[i]);
	}
	while ((at = span_find(buf_span(&out), at, crypto_cert_der(chain[0]))) <
	       out.len) {
		n++;
		at++;
	}
	cr_expect_eq(n, 1);
	for (size_t i = 0; i < N(names); i++)
		crypto_cert_unref(chain[i]);
	crypto_private_free(h.key);
	buf_clear(&out);
	peer_dir_remove(dir);
}

Test(cms_sign, who_may_not_sign_does_not)
{
	static const struct {
		const char *cert;
		int64_t now;
		enum err e;
	} rows[] = {
	    {"p256.der", NOW, ERR_KEY_UNUSABLE}, /* keyAgreement only */
	    {"rsa1024.der", NOW, ERR_KEY_UNUSABLE},
	    {"server.der", NOW, ERR_KEY_UNUSABLE},
	    {"critical.der", NOW, ERR_KEY_UNUSABLE},
	    {"ed25519.der", NOW, ERR_UNSUPPORTED},
	    {"x25519.der", NOW, ERR_UNSUPPORTED},
	    {"rsapss.der", NOW, ERR_UNSUPPORTED},
	    {"k256.der", NOW, ERR_UNSUPPORTED},
	    {"rsa2048.der", INT64_C(9000000000), ERR_KEY_EXPIRED},
	    {"rsa2048.der", 0, ERR_KEY_EXPIRED},
	    {"signonly.der", NOW, ERR_OK},
	    {"ecsign.der", NOW, ERR_OK},
	};
	struct crypto_cms_signer s = {.now = NOW, .sign = hold};
	struct holder h = {.says = ERR_INTERNAL};
	struct buf out;

	buf_init(&out, 65536);
	s.ctx = &h;
	for (size_t i = 0; i < N(rows); i++) {
		struct err_why why = {""};

		s.cert = load(rows[i].cert);
		cr_expect_eq(crypto_cms_can_sign(s.cert, rows[i].now, &why),
		    rows[i].e, "%s: %s", rows[i].cert, why.text);
		cr_expect_eq(why.text[0] == '\0', rows[i].e == ERR_OK, "%s",
		    rows[i].cert);
		s.now = rows[i].now;
		if (rows[i].e != ERR_OK)
			cr_expect_eq(crypto_cms_sign_detached(
					 &s, SPAN_LIT("x"), &out, &why),
			    rows[i].e, "%s", rows[i].cert);
		crypto_cert_unref(s.cert);
	}
	cr_expect_eq(h.asked, 0);
	cr_expect_eq(out.len, 0);
}

Test(cms_sign, what_the_holder_says_is_what_comes_back)
{
	static const struct {
		enum err says;
		bool nothing;
		enum err e;
	} rows[] = {
	    {ERR_PERMISSION, false, ERR_PERMISSION},
	    {ERR_TIMEOUT, false, ERR_TIMEOUT},
	    {ERR_OK, true, ERR_CRYPTO},
	};
	struct buf in = peer_octets(100000), out;
	char dir[64];

	peer_dir_make(dir);
	buf_init(&out, 200000);
	for (size_t i = 0; i < N(who); i++) {
		struct crypto_cms_signer s = {.now = NOW, .sign = hold};
		struct mime_sink to = mime_sink_buf(&out);
		struct holder h;

		holder_load(&h, dir, who[i].key);
		s.cert = load(who[i].cert);
		s.ctx = &h;
		s.pss = who[i].pss;
		for (size_t k = 0; k < N(rows); k++) {
			struct err_why why = {""};

			h.says = rows[k].says;
			h.nothing = rows[k].nothing;
			buf_reset(&out);
			cr_expect_eq(crypto_cms_sign_detached(
					 &s, buf_span(&in), &out, &why),
			    rows[k].e, "row %zu, %zu: %s", i, k, why.text);
			cr_expect_eq(out.len, 0, "row %zu, %zu", i, k);
			cr_expect_eq(crypto_cms_sign_opaque(
					 &s, buf_span(&in), &to, &why),
			    rows[k].e, "row %zu, %zu: %s", i, k, why.text);
		}
		crypto_cert_unref(s.cert);
		crypto_private_free(h.key);
	}
	buf_clear(&in);
	buf_clear(&out);
	peer_dir_remove(dir);
}

Test(cms_sign, nss_verifies_every_form)
{
	char dir[64], db[80];

	if (!peer_has("cmsutil") || !peer_has("certutil"))
		cr_skip_test("libnss3-tools is not installed");
	peer_dir_make(dir);
	snprintf(db, sizeof(db), "sql:%s", dir);
	cr_assert_eq(peer_run(NULL, NULL, "certutil", "-N", "-d", db,
			 "--empty-password", NULL),
	    0);
	for (size_t i = 0; i < N(who); i++) {
		/* the second of the same certificate is refused: no matter */
		(void)peer_run(NULL, NULL, "certutil", "-A", "-d", db, "-n",
		    who[i].pem, "-t", ",P,", "-a", "-i", peer_data(who[i].pem),
		    NULL);
		for (int opaque = 0; opaque < 2; opaque++) {
			sign(dir, i, opaque, SPAN_LIT("some text\r\n"));
			cr_expect_eq(
			    peer_run(NULL, NULL, "cmsutil", "-D", "-d", db,
				"-u", "4", "-i", peer_path(dir, "signed"), "-o",
				peer_path(dir, "out"), opaque ? NULL : "-c",
				peer_path(dir, "in"), NULL),
			    0, "row %zu, opaque %d", i, opaque);
		}
	}
	peer_dir_remove(dir);
}

Test(cms_sign, gpgsm_verifies_all_it_knows)
{
	char dir[64];

	if (!peer_has("gpgsm"))
		cr_skip_test("gpgsm is not installed");
	peer_dir_make(dir);
	for (size_t i = 0; i < N(who); i++) {
		/* gpgsm 2.2.40 aborts, and takes no certificate whose own hash
		   is shorter than its curve */
		if (who[i].pss || who[i].alg == CRYPTO_SIGN_ECDSA_SHA384 ||
		    who[i].alg == CRYPTO_SIGN_ECDSA_SHA512)
			continue;
		cr_assert_eq(peer_run(NULL, NULL, "gpgsm", "--homedir", dir,
				 "--batch", "--disable-crl-checks", "--import",
				 peer_data(who[i].pem), NULL),
		    0);
		sign(dir, i, false, SPAN_LIT("some text\r\n"));
		/* who is to be trusted is another question than whether the
		   signature is good: its status says the latter */
		(void)peer_run(NULL, peer_path(dir, "status"), "gpgsm",
		    "--homedir", dir, "--batch", "--disable-crl-checks",
		    "--status-fd", "1", "--verify", peer_path(dir, "signed"),
		    peer_path(dir, "in"), NULL);
		{
			struct buf b = peer_read(peer_path(dir, "status"));

			cr_expect_lt(span_find(buf_span(&b), 0,
					 SPAN_LIT("[GNUPG:] VALIDSIG")),
			    b.len, "row %zu: %.*s", i, (int)b.len,
			    (const char *)b.data);
			buf_clear(&b);
		}
	}
	peer_dir_remove(dir);
}
