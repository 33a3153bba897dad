/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Sealed messages are opened by other programs: openssl, NSS, gpgsm; and what
 * cannot be sealed to everybody is not sealed to anybody.
 */
#include "crypto/cms_seal.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/limits.h"
#include "crypto/cert.h"
#include "mime/sink.h"
#include "tests/crypto/peer.h"

#define NOW INT64_C(1800000000)

static const struct crypto_cms_form plain_form;

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

/* Seal in to the certificates named, to dir/sealed. */
static void
seal(const char *dir, const char *const *names, size_t n,
    const struct crypto_cms_form *form, struct span in)
{
	struct crypto_cert *certs[4];
	struct err_why why = {""};
	struct buf out;

	buf_init(&out, in.len * 2 + 65536);
	for (size_t i = 0; i < n; i++)
		certs[i] = load(names[i]);
	cr_assert_eq(crypto_cms_seal_buf(certs, n, form, NOW, in, &out, &why),
	    ERR_OK, "%s: %s", names[0], why.text);
	peer_write(peer_path(dir, "sealed"), buf_span(&out));
	for (size_t i = 0; i < n; i++)
		crypto_cert_unref(certs[i]);
	buf_clear(&out);
}

static bool
file_is(const char *path, struct span wanted)
{
	struct buf b = peer_read(path);
	bool same = span_eq(buf_span(&b), wanted);

	buf_clear(&b);
	return same;
}

/* Open dir/sealed with the private half of who; "x" for x.pem and x.key. */
static bool
openssl_opens(const char *dir, const char *who, struct span wanted)
{
	char pem[32], key[32];

	snprintf(pem, sizeof(pem), "%s.pem", who);
	snprintf(key, sizeof(key), "%s.key", who);
	return peer_run(NULL, NULL, "openssl", "cms", "-decrypt", "-binary",
		   "-inform", "DER", "-in", peer_path(dir, "sealed"), "-out",
		   peer_path(dir, "opened"), "-recip", peer_data(pem), "-inkey",
		   peer_data(key), NULL) == 0 &&
	       file_is(peer_path(dir, "opened"), wanted);
}

Test(cms_seal, openssl_opens_every_form)
{
	static const char *const who[] = {
	    "rsa2048", "rsa3072", "p256", "p384", "p521"};
	static const struct crypto_cms_form forms[] = {
	    {CRYPTO_CMS_AES256_CBC, CRYPTO_CMS_RSA_PKCS1},
	    {CRYPTO_CMS_AES256_GCM, CRYPTO_CMS_RSA_PKCS1},
	    {CRYPTO_CMS_AES256_CBC, CRYPTO_CMS_RSA_OAEP},
	    {CRYPTO_CMS_AES256_GCM, CRYPTO_CMS_RSA_OAEP},
	};
	struct buf in = peer_octets(10240);
	char dir[64], name[32];

	peer_dir_make(dir);
	for (size_t i = 0; i < sizeof(who) / sizeof(who[0]); i++) {
		for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
			const char *one = name;

			snprintf(name, sizeof(name), "%s.der", who[i]);
			seal(dir, &one, 1, &forms[f], buf_span(&in));
			cr_expect(openssl_opens(dir, who[i], buf_span(&in)),
			    "%s, form %zu", who[i], f);
		}
	}
	buf_clear(&in);
	peer_dir_remove(dir);
}

Test(cms_seal, sizes_come_back_as_they_were)
{
	static const size_t sizes[] = {
	    1, 15, 16, 17, 4095, 4096, 4097, 16384, 1000003};
	static const char *const who[] = {"p256.der"};
	struct crypto_cms_form form = {0};
	char dir[64];

	peer_dir_make(dir);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct buf in = peer_octets(sizes[i]);

		form.cipher = CRYPTO_CMS_AES256_CBC;
		seal(dir, who, 1, &form, buf_span(&in));
		cr_expect(openssl_opens(dir, "p256", buf_span(&in)),
		    "CBC, %zu octets", sizes[i]);
		form.cipher = CRYPTO_CMS_AES256_GCM;
		seal(dir, who, 1, &form, buf_span(&in));
		cr_expect(openssl_opens(dir, "p256", buf_span(&in)),
		    "GCM, %zu octets", sizes[i]);
		buf_clear(&in);
	}
	peer_dir_remove(dir);
}

Test(cms_seal, every_recipient_opens_it_and_line_ends_stay)
{
	static const char *const who[] = {
	    "rsa2048.der", "p256.der", "p384.der"};
	struct span in = SPAN_LIT("a\nb\r\nc\rd\n\n.\n");
	char dir[64];

	peer_dir_make(dir);
	seal(dir, who, 3, &plain_form, in);
	cr_expect(openssl_opens(dir, "rsa2048", in));
	cr_expect(openssl_opens(dir, "p256", in));
	cr_expect(openssl_opens(dir, "p384", in));
	cr_expect_not(openssl_opens(dir, "rsa3072", in));
	peer_dir_remove(dir);
}

/* Does "openssl asn1parse" of dir/sealed show the text? */
static bool
shows(const char *dir, const char *text)
{
	struct buf b;
	bool found;

	cr_assert_eq(peer_run(NULL, peer_path(dir, "dump"), "openssl", "cms",
			 "-cmsout", "-print", "-noout", "-inform", "DER", "-in",
			 peer_path(dir, "sealed"), NULL),
	    0);
	b = peer_read(peer_path(dir, "dump"));
	found = span_find(buf_span(&b), 0, span_str(text)) < b.len;
	buf_clear(&b);
	return found;
}

Test(cms_seal, algorithms_are_the_ones_asked_for)
{
	static const char *const ec256[] = {"p256.der"};
	static const char *const ec384[] = {"p384.der"};
	static const char *const ec521[] = {"p521.der"};
	static const char *const rsa[] = {"rsa2048.der"};
	struct crypto_cms_form form = {
	    CRYPTO_CMS_AES256_GCM, CRYPTO_CMS_RSA_OAEP};
	struct span in = SPAN_LIT("x");
	char dir[64];

	peer_dir_make(dir);
	seal(dir, ec256, 1, &plain_form, in);
	cr_expect(shows(dir, "pkcs7-envelopedData"));
	cr_expect(shows(dir, "aes-256-cbc"));
	cr_expect(shows(dir, "dhSinglePass-stdDH-sha256kdf-scheme"));
	cr_expect(shows(dir, "id-aes256-wrap"));
	seal(dir, ec384, 1, &plain_form, in);
	cr_expect(shows(dir, "dhSinglePass-stdDH-sha384kdf-scheme"));
	seal(dir, ec521, 1, &plain_form, in);
	cr_expect(shows(dir, "dhSinglePass-stdDH-sha512kdf-scheme"));
	seal(dir, rsa, 1, &plain_form, in);
	cr_expect(shows(dir, "rsaEncryption"));
	seal(dir, rsa, 1, &form, in);
	cr_expect(shows(dir, "id-smime-ct-authEnvelopedData"));
	cr_expect(shows(dir, "aes-256-gcm"));
	cr_expect(shows(dir, "rsaesOaep"));
	peer_dir_remove(dir);
}

Test(cms_seal, nss_opens_the_plain_form)
{
	static const char *const who[] = {"rsa2048.der"};
	struct buf in = peer_octets(5000);
	char dir[64], db[80];

	if (!peer_has("cmsutil") || !peer_has("pk12util"))
		cr_skip_test("libnss3-tools is not installed");
	peer_dir_make(dir);
	snprintf(db, sizeof(db), "sql:%s", dir);
	cr_assert_eq(
	    peer_run(NULL, NULL, "openssl", "pkcs12", "-export", "-inkey",
		peer_data("rsa2048.key"), "-in", peer_data("rsa2048.pem"),
		"-out", peer_path(dir, "p12"), "-passout", "pass:x", NULL),
	    0);
	cr_assert_eq(peer_run(NULL, NULL, "certutil", "-N", "-d", db,
			 "--empty-password", NULL),
	    0);
	cr_assert_eq(peer_run(NULL, NULL, "pk12util", "-i",
			 peer_path(dir, "p12"), "-d", db, "-W", "x", NULL),
	    0);
	seal(dir, who, 1, &plain_form, buf_span(&in));
	cr_expect_eq(
	    peer_run(NULL, NULL, "cmsutil", "-D", "-d", db, "-i",
		peer_path(dir, "sealed"), "-o", peer_path(dir, "opened"), NULL),
	    0);
	cr_expect(file_is(peer_path(dir, "opened"), buf_span(&in)));
	buf_clear(&in);
	peer_dir_remove(dir);
}

/* It reads the oldest PKCS#12 only, and derives another key than everybody else
   from about one salt in fifty (2.2.40): until it has one that it can read. */
static bool
gpgsm_takes_key(const char *dir)
{
	for (int i = 0; i < 8; i++) {
		cr_assert_eq(
		    peer_run(NULL, NULL, "openssl", "pkcs12", "-export",
			"-certpbe", "PBE-SHA1-3DES", "-keypbe", "PBE-SHA1-3DES",
			"-macalg", "sha1", "-inkey", peer_data("rsa2048.key"),
			"-in", peer_data("rsa2048.pem"), "-out",
			peer_path(dir, "p12"), "-passout", "pass:x", NULL),
		    0);
		if (peer_run(peer_path(dir, "pass"), NULL, "gpgsm", "--homedir",
			dir, "--batch", "--pinentry-mode", "loopback",
			"--passphrase-fd", "0", "--disable-crl-checks",
			"--import", peer_path(dir, "p12"), NULL) == 0)
			return true;
	}
	return false;
}

Test(cms_seal, gpgsm_opens_the_plain_form)
{
	static const char *const who[] = {"rsa2048.der"};
	struct buf in = peer_octets(5000);
	char dir[64];

	if (!peer_has("gpgsm"))
		cr_skip_test("gpgsm is not installed");
	peer_dir_make(dir);
	peer_write(peer_path(dir, "pass"), SPAN_LIT("x\n"));
	peer_write(peer_path(dir, "none"), SPAN_LIT("\n"));
	peer_write(peer_path(dir, "gpg-agent.conf"),
	    SPAN_LIT("allow-loopback-pinentry\n"));
	cr_assert(gpgsm_takes_key(dir));
	seal(dir, who, 1, &plain_form, buf_span(&in));
	cr_expect_eq(
	    peer_run(peer_path(dir, "pass"), NULL, "gpgsm", "--homedir", dir,
		"--batch", "--yes", "--pinentry-mode", "loopback",
		"--passphrase-fd", "0", "--disable-crl-checks", "--output",
		peer_path(dir, "opened"), "--decrypt", peer_path(dir, "sealed"),
		NULL),
	    0);
	cr_expect(file_is(peer_path(dir, "opened"), buf_span(&in)));
	buf_clear(&in);
	peer_dir_remove(dir);
}

Test(cms_seal, one_unusable_certificate_fails_the_whole)
{
	static const struct {
		const char *bad;
		int64_t now;
		enum err e;
	} rows[] = {
	    {"rsa1024.der", NOW, ERR_KEY_UNUSABLE},
	    {"signonly.der", NOW, ERR_KEY_UNUSABLE},
	    {"server.der", NOW, ERR_KEY_UNUSABLE},
	    {"x25519.der", NOW, ERR_UNSUPPORTED},
	    {"ed25519.der", NOW, ERR_UNSUPPORTED},
	    {"k256.der", NOW, ERR_UNSUPPORTED},
	    {"p384.der", INT64_C(9000000000), ERR_KEY_EXPIRED},
	    {"p384.der", 0, ERR_KEY_EXPIRED},
	};
	struct crypto_cert *certs[3];
	struct buf out;

	certs[0] = load("rsa2048.der");
	certs[2] = load("p256.der");
	buf_init(&out, 100000);
	cr_assert_eq(buf_puts(&out, "before"), ERR_OK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err_why why = {""};

		certs[1] = load(rows[i].bad);
		cr_expect_eq(crypto_cms_seal_buf(certs, 3, &plain_form,
				 rows[i].now, SPAN_LIT("secret"), &out, &why),
		    rows[i].e, "%s: %s", rows[i].bad, why.text);
		cr_expect(
		    span_eq_str(buf_span(&out), "before"), "%s", rows[i].bad);
		cr_expect_neq(why.text[0], '\0', "%s", rows[i].bad);
		crypto_cert_unref(certs[1]);
	}
	crypto_cert_unref(certs[0]);
	crypto_cert_unref(certs[2]);
	buf_clear(&out);
}

Test(cms_seal, no_recipient_and_no_content_are_errors)
{
	struct crypto_cert *cert = load("p256.der");
	struct err_why why = {""};
	struct buf out;

	buf_init(&out, 100000);
	cr_expect_eq(crypto_cms_seal_buf(NULL, 0, &plain_form, NOW,
			 SPAN_LIT("secret"), &out, &why),
	    ERR_NO_KEY);
	cr_expect_eq(crypto_cms_seal_buf(NULL, LIMIT_RECIPIENTS + 1,
			 &plain_form, NOW, SPAN_LIT("secret"), &out, &why),
	    ERR_LIMIT);
	cr_expect_eq(crypto_cms_seal_buf(
			 &cert, 1, &plain_form, NOW, SPAN(NULL, 0), &out, &why),
	    ERR_MALFORMED);
	cr_expect_eq(out.len, 0);
	crypto_cert_unref(cert);
	buf_clear(&out);
}

/* A sink that takes so many octets and then fails with an error of its own. */
struct small {
	size_t left;
	size_t after; /* calls after it had failed */
	bool failed;
};

static enum err
put_small(void *ctx, struct span s)
{
	struct small *small = ctx;

	if (small->failed)
		small->after++;
	if (s.len > small->left) {
		small->failed = true;
		return ERR_DISK_FULL;
	}
	small->left -= s.len;
	return ERR_OK;
}

Test(cms_seal, the_first_error_of_the_sink_ends_it)
{
	static const size_t rooms[] = {0, 100, 16384, 20000, 99000, 100200};
	struct crypto_cert *cert = load("rsa2048.der");
	struct buf in = peer_octets(100000), out;
	struct err_why why = {""};

	for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
		struct small small = {.left = rooms[i]};
		struct mime_sink to = {put_small, &small};

		cr_expect_eq(crypto_cms_seal(&cert, 1, &plain_form, NOW,
				 buf_span(&in), &to, &why),
		    ERR_DISK_FULL, "room for %zu", rooms[i]);
		cr_expect_eq(small.after, 0, "room for %zu", rooms[i]);
	}
	buf_init(&out, 50000);
	cr_expect_eq(crypto_cms_seal_buf(
			 &cert, 1, &plain_form, NOW, buf_span(&in), &out, &why),
	    ERR_TOO_BIG);
	cr_expect_eq(out.len, 0);
	buf_clear(&out);
	buf_clear(&in);
	crypto_cert_unref(cert);
}
