/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What others and we sealed opens; what was changed, cut or aimed at the opener
 * yields no octet.
 */
#include "crypto/cms_open.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/memfd.h"
#include "common/secret.h"
#include "crypto/ber.h"
#include "crypto/cert.h"
#include "crypto/cms_form.h"
#include "crypto/cms_open_private.h"
#include "crypto/cms_seal.h"
#include "crypto/verdict.h"
#include "mime/sink.h"
#include "tests/crypto/keyring.h"
#include "tests/crypto/peer.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define NOW  INT64_C(1800000000)
#define MAIL "Content-Type: text/plain\r\n\r\nto be or not to be\r\n"

static const char *const everybody[] = {
    "rsa2048", "rsa3072", "p256", "p384", "p521"};

static void
init(void)
{
	secret_init();
}

TestSuite(cms_open, .init = init);

/* A message of len octets that begins like one. */
static struct buf
mail(size_t len)
{
	struct buf body = peer_octets(len), b;

	buf_init(&b, len + 1024);
	cr_assert_eq(buf_puts(&b, MAIL), ERR_OK);
	cr_assert_eq(buf_put(&b, buf_span(&body)), ERR_OK);
	buf_clear(&body);
	return b;
}

/* Open, and give back what came out; empty if nothing did. */
static enum err
open_it(struct span in, const struct crypto_cms_opener *o, struct buf *out,
    struct crypto_cms_opened *opened, struct err_why *why)
{
	struct memfd_map map = {0};
	int fd = -1;
	enum err e = crypto_cms_open(in, o, &fd, opened, why);

	buf_reset(out);
	cr_assert_eq(e == ERR_OK, fd >= 0);
	if (e != ERR_OK)
		return e;
	cr_assert_eq(memfd_map(fd, 200 << 20, &map), ERR_OK);
	cr_assert_eq(buf_put(out, map.data), ERR_OK);
	memfd_unmap(&map);
	close(fd);
	return ERR_OK;
}

static struct buf
seal(struct keyring *k, struct span in, enum crypto_cms_cipher cipher,
    enum crypto_cms_rsa rsa)
{
	struct crypto_cms_form form = {cipher, rsa};
	struct crypto_cert *certs[KEYRING_MAX];
	struct buf out;

	buf_init(&out, in.len + in.len / 2 + 65536);
	for (size_t i = 0; i < k->n; i++)
		certs[i] = (struct crypto_cert *)(uintptr_t)k->keys[i].cert;
	cr_assert_eq(
	    crypto_cms_seal_buf(certs, k->n, &form, NOW, in, &out, NULL),
	    ERR_OK);
	return out;
}

Test(cms_open, what_we_seal_opens_for_each)
{
	static const enum crypto_cms_cipher ciphers[] = {CRYPTO_CMS_AES256_CBC,
	    CRYPTO_CMS_AES256_GCM, CRYPTO_CMS_AES128_CBC,
	    CRYPTO_CMS_AES128_GCM};
	struct buf in = mail(100000), out, got;
	struct keyring all = {0};

	buf_init(&got, 1 << 20);
	for (size_t i = 0; i < N(everybody); i++)
		keyring_add(&all, everybody[i]);
	for (size_t c = 0; c < 2 * N(ciphers); c++) {
		enum crypto_cms_cipher cipher = ciphers[c / 2];

		out = seal(&all, buf_span(&in), cipher,
		    c % 2 == 0 ? CRYPTO_CMS_RSA_PKCS1 : CRYPTO_CMS_RSA_OAEP);
		for (size_t i = 0; i < N(everybody); i++) {
			struct crypto_cms_opener o = keyring_opener(&all);
			struct crypto_cms_opened opened;
			struct err_why why = {""};

			o.keys = &all.keys[i];
			o.n_keys = 1;
			cr_assert_eq(
			    open_it(buf_span(&out), &o, &got, &opened, &why),
			    ERR_OK, "%s %s: %s", everybody[i],
			    crypto_cms_cipher_name(cipher), why.text);
			cr_expect(span_eq(buf_span(&got), buf_span(&in)));
			cr_expect_eq(opened.key, 0);
			cr_expect_str_eq(
			    opened.cipher, crypto_cms_cipher_name(cipher));
			cr_expect_eq(opened.authenticated,
			    cipher == CRYPTO_CMS_AES256_GCM ||
				cipher == CRYPTO_CMS_AES128_GCM);
		}
		buf_clear(&out);
	}
	keyring_clear(&all);
	buf_clear(&in);
	buf_clear(&got);
}

/* What openssl makes, with its options. */
struct made {
	const char *name;
	const char *who;
	const char *args[12];
	bool legacy;
	const char *cipher;
};

static const struct made made[] = {
    {"rsa cbc", "rsa2048", {"-aes-256-cbc"}, false, "aes256-cbc"},
    {"rsa aes192", "rsa3072", {"-aes-192-cbc"}, false, "aes192-cbc"},
    {"aes192-gcm", "rsa3072", {"-aes-192-gcm"}, false, "aes192-gcm"},
    {"key id", "rsa2048", {"-aes-128-gcm", "-keyid"}, false, "aes128-gcm"},
    {"streamed", "rsa2048", {"-aes-128-gcm", "-stream"}, false, "aes128-gcm"},
    {"oaep sha1", "rsa2048",
	{"-aes-256-cbc", "-keyopt", "rsa_padding_mode:oaep"}, false,
	"aes256-cbc"},
    {"oaep sha512", "rsa3072",
	{"-aes-256-cbc", "-keyopt", "rsa_padding_mode:oaep", "-keyopt",
	    "rsa_oaep_md:sha512", "-keyopt", "rsa_mgf1_md:sha512"},
	false, "aes256-cbc"},
    {"oaep mask by another hash", "rsa3072",
	{"-aes-256-cbc", "-keyopt", "rsa_padding_mode:oaep", "-keyopt",
	    "rsa_oaep_md:sha256", "-keyopt", "rsa_mgf1_md:sha1"},
	false, "aes256-cbc"},
    {"ecdh sha1", "p256", {"-aes-256-gcm"}, false, "aes256-gcm"},
    {"ecdh sha224", "p256", {"-aes-128-cbc", "-keyopt", "ecdh_kdf_md:sha224"},
	false, "aes128-cbc"},
    {"ecdh sha512", "p384", {"-aes-128-cbc", "-keyopt", "ecdh_kdf_md:sha512"},
	false, "aes128-cbc"},
    {"ecdh cofactor", "p521",
	{"-aes-256-cbc", "-keyopt", "ecdh_cofactor_mode:1"}, false,
	"aes256-cbc"},
    {"3des", "rsa2048", {"-des3"}, true, "3des-cbc"},
    {"3des on a curve", "p256", {"-des3"}, true, "3des-cbc"},
    {"rc2-40", "rsa2048",
	{"-rc2-40-cbc", "-provider", "legacy", "-provider", "default"}, true,
	"rc2-cbc"},
    {"rc2-64", "rsa2048",
	{"-rc2-64-cbc", "-provider", "legacy", "-provider", "default"}, true,
	"rc2-cbc"},
    {"rc2-128", "rsa2048",
	{"-rc2", "-provider", "legacy", "-provider", "default"}, true,
	"rc2-cbc"},
};

static void
make(const char *dir, const struct made *m)
{
	char pem[32];

	snprintf(pem, sizeof(pem), "%s.pem", m->who);
	cr_assert_eq(
	    peer_run(NULL, NULL, "openssl", "cms", "-encrypt", "-binary", "-in",
		peer_path(dir, "in"), "-out", peer_path(dir, "cms"), "-outform",
		"DER", m->args[0], "-recip", peer_data(pem),
		/* what comes behind the certificate is for its recipient */
		m->args[1] != NULL ? m->args[1] : "-noattr",
		m->args[2] != NULL ? m->args[2] : "-noattr",
		m->args[3] != NULL ? m->args[3] : "-noattr",
		m->args[4] != NULL ? m->args[4] : "-noattr",
		m->args[5] != NULL ? m->args[5] : "-noattr",
		m->args[6] != NULL ? m->args[6] : "-noattr", NULL),
	    0, "%s", m->name);
}

Test(cms_open, what_openssl_seals_opens)
{
	struct buf in = mail(5000), cms, got;
	struct crypto_cms_opened opened;
	struct keyring all = {0};
	struct err_why why;
	char dir[64];

	cr_assert_eq(crypto_cms_open_init(true, NULL), ERR_OK);
	buf_init(&got, 1 << 20);
	peer_dir_make(dir);
	peer_write(peer_path(dir, "in"), buf_span(&in));
	for (size_t i = 0; i < N(everybody); i++)
		keyring_add(&all, everybody[i]);
	for (size_t i = 0; i < N(made); i++) {
		struct crypto_cms_opener o = keyring_opener(&all);

		make(dir, &made[i]);
		cms = peer_read(peer_path(dir, "cms"));
		why.text[0] = '\0';
		if (made[i].legacy) {
			cr_expect_eq(
			    open_it(buf_span(&cms), &o, &got, &opened, &why),
			    ERR_KEY_UNUSABLE, "%s", made[i].name);
			o.legacy = true;
		}
		cr_assert_eq(open_it(buf_span(&cms), &o, &got, &opened, &why),
		    ERR_OK, "%s: %s", made[i].name, why.text);
		cr_expect(
		    span_eq(buf_span(&got), buf_span(&in)), "%s", made[i].name);
		cr_expect_str_eq(
		    opened.cipher, made[i].cipher, "%s", made[i].name);
		cr_expect_str_eq(all.keys[opened.key].addr, made[i].who);
		buf_clear(&cms);
	}
	peer_dir_remove(dir);
	keyring_clear(&all);
	buf_clear(&in);
	buf_clear(&got);
}

/* Whatever is changed behind the recipients: the same words, and no octet. CBC
   cannot know of all changes, which is why it says so; what it opens to then
   still begins as mail. */
Test(cms_open, what_was_changed_or_cut_yields_nothing)
{
	static const enum crypto_cms_cipher ciphers[] = {
	    CRYPTO_CMS_AES256_GCM, CRYPTO_CMS_AES256_CBC};
	struct buf in = mail(3000), out, got;
	struct crypto_cms_opened opened;
	struct keyring k = {0};
	struct crypto_cms_opener o;

	buf_init(&got, 1 << 20);
	keyring_add(&k, "p256");
	o = keyring_opener(&k);
	for (size_t c = 0; c < N(ciphers); c++) {
		out = seal(&k, buf_span(&in), ciphers[c], CRYPTO_CMS_RSA_PKCS1);
		cr_assert_eq(
		    open_it(buf_span(&out), &o, &got, &opened, NULL), ERR_OK);
		for (size_t at = 0; at < out.len; at++) {
			struct err_why why = {""};
			enum err e;

			out.data[at] ^= 1;
			e = open_it(buf_span(&out), &o, &got, &opened, &why);
			out.data[at] ^= 1;
			if (e == ERR_CRYPTO)
				cr_expect_str_eq(
				    why.text, CRYPTO_REASON_CLOSED);
			if (ciphers[c] == CRYPTO_CMS_AES256_GCM && e == ERR_OK)
				/* not what is protected: version numbers,
				   parameters of an identifier */
				cr_expect(
				    span_eq(buf_span(&got), buf_span(&in)),
				    "octet %zu", at);
			if (e == ERR_OK)
				cr_expect_eq(opened.authenticated,
				    ciphers[c] == CRYPTO_CMS_AES256_GCM);
		}
		/* the last octet of the text and of the tag */
		for (size_t n = out.len - 40; n < out.len; n++)
			cr_expect_neq(
			    open_it(SPAN(out.data, n), &o, &got, &opened, NULL),
			    ERR_OK, "%zu", n);
		buf_clear(&out);
	}
	keyring_clear(&k);
	buf_clear(&in);
	buf_clear(&got);
}

/* Where the octets are in what, or the test fails. */
static size_t
find_in(const struct buf *what, struct span octets)
{
	size_t at = span_find(buf_span(what), 0, octets);

	cr_assert_lt(at, what->len);
	return at;
}

/* id-aes256-GCM { nonce of 12, icvlen 16 } */
#define GCM  "\x60\x86\x48\x01\x65\x03\x04\x01\x2e\x30\x11\x04\x0c"
#define DATA "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"

/* A tag of one octet can be guessed; OpenSSL took it (CVE-2026-34182). */
Test(cms_open, a_short_tag_is_refused)
{
	struct buf in = mail(100), out, got;
	struct crypto_cms_opened opened;
	struct err_why why = {""};
	struct keyring k = {0};
	struct crypto_cms_opener o;
	size_t at, tag;

	buf_init(&got, 1 << 20);
	keyring_add(&k, "rsa2048");
	o = keyring_opener(&k);
	out = seal(
	    &k, buf_span(&in), CRYPTO_CMS_AES256_GCM, CRYPTO_CMS_RSA_PKCS1);
	at = find_in(&out, SPAN_LIT(GCM)) + sizeof(GCM) - 1 + 12;
	cr_assert_eq(memcmp(out.data + at, "\x02\x01\x10", 3), 0);
	for (tag = 0; tag < 256; tag++) {
		if (tag == 16)
			continue;
		out.data[at + 2] = (uint8_t)tag;
		cr_expect_eq(open_it(buf_span(&out), &o, &got, &opened, &why),
		    ERR_MALFORMED, "icvlen %zu", tag);
		cr_expect_not_null(strstr(why.text, "tag"), "%s", why.text);
	}
	cr_expect_eq(k.asked, 0, "a private key was asked");
	buf_clear(&out);
	buf_clear(&in);
	buf_clear(&got);
	keyring_clear(&k);
}

/* AuthEnvelopedData rewritten as EnvelopedData: the blocks of the one are those
   of the other under the same key (RFC 9709 §1). */
Test(cms_open, a_tag_cannot_be_taken_off)
{
	static const char cbc[] = "\x60\x86\x48\x01\x65\x03\x04\x01\x2a";
	struct buf in = mail(100), out, got, forged;
	struct crypto_cms_opened opened;
	struct err_why why = {""};
	struct keyring k = {0};
	struct crypto_cms_opener o;
	size_t at;

	buf_init(&got, 1 << 20);
	keyring_add(&k, "rsa2048");
	o = keyring_opener(&k);
	out = seal(
	    &k, buf_span(&in), CRYPTO_CMS_AES256_GCM, CRYPTO_CMS_RSA_PKCS1);
	/* the name alone */
	at = find_in(&out, SPAN_LIT(GCM)) + 8;
	out.data[at] = (uint8_t)cbc[8];
	cr_expect_eq(
	    open_it(buf_span(&out), &o, &got, &opened, &why), ERR_MALFORMED);
	out.data[at] = 0x2e;
	/* and the type: what is inside is GCM still */
	at = find_in(
	    &out, SPAN_LIT("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17"));
	buf_init(&forged, 1 << 16);
	cr_assert_eq(
	    buf_put(&forged, SPAN_LIT("\x30\x80\x06\x09" DATA)), ERR_OK);
	forged.data[forged.len - 1] = 3;
	cr_assert_eq(
	    buf_put(&forged, SPAN(out.data + at + 11, out.len - at - 11)),
	    ERR_OK);
	cr_expect_eq(open_it(buf_span(&forged), &o, &got, &opened, &why),
	    ERR_MALFORMED, "%s", why.text);
	cr_expect_eq(k.asked, 0);
	buf_clear(&out);
	buf_clear(&in);
	buf_clear(&got);
	buf_clear(&forged);
	keyring_clear(&k);
}

static struct span
der(struct buf *b, uint8_t tag, struct span body)
{
	struct buf all;

	buf_init(&all, 1 << 20);
	if (body.len > 0xffff) {
		cr_assert_eq(buf_putc(&all, tag), ERR_OK);
		cr_assert_eq(buf_putc(&all, 0x83), ERR_OK);
		cr_assert_eq(buf_putc(&all, (uint8_t)(body.len >> 16)), ERR_OK);
		cr_assert_eq(buf_putc(&all, (uint8_t)(body.len >> 8)), ERR_OK);
		cr_assert_eq(buf_putc(&all, (uint8_t)body.len), ERR_OK);
	} else {
		cr_assert_eq(ber_put_head(&all, tag, body.len), ERR_OK);
	}
	cr_assert_eq(buf_put(&all, body), ERR_OK);
	buf_clear(b);
	*b = all;
	return buf_span(b);
}

/* An EnvelopedData with AES-256-CBC: n recipients of the certificate with these
   octets as the encrypted key, and this ciphertext. */
static struct buf
forge(
    const struct crypto_cert *cert, size_t n, struct span key, struct span text)
{
	const struct crypto_cert_info *info = crypto_cert_info(cert);
	struct buf ias, one, set, all;

	buf_init(&ias, 1 << 16);
	buf_init(&one, 1 << 16);
	buf_init(&set, 1 << 20);
	buf_init(&all, 1 << 20);
	cr_assert_eq(buf_put(&ias, info->issuer_der), ERR_OK);
	cr_assert_eq(
	    ber_put_head(&ias, BER_INTEGER, info->serial_raw.len + 1), ERR_OK);
	cr_assert_eq(buf_putc(&ias, 0), ERR_OK);
	cr_assert_eq(buf_put(&ias, info->serial_raw), ERR_OK);
	der(&ias, BER_SEQUENCE, buf_span(&ias));
	cr_assert_eq(buf_put(&one, SPAN_LIT("\x02\x01\x00")), ERR_OK);
	cr_assert_eq(buf_put(&one, buf_span(&ias)), ERR_OK);
	cr_assert_eq(
	    buf_put(&one, SPAN_LIT("\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d"
				   "\x01\x01\x01\x05\x00")),
	    ERR_OK);
	cr_assert_eq(ber_put_head(&one, BER_OCTETS, key.len), ERR_OK);
	cr_assert_eq(buf_put(&one, key), ERR_OK);
	der(&one, BER_SEQUENCE, buf_span(&one));
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(buf_put(&set, buf_span(&one)), ERR_OK);
	der(&set, BER_SET, buf_span(&set));
	cr_assert_eq(buf_put(&all, SPAN_LIT("\x06\x09" DATA)), ERR_OK);
	cr_assert_eq(
	    buf_put(&all, SPAN_LIT("\x30\x1d\x06\x09\x60\x86\x48\x01\x65\x03"
				   "\x04\x01\x2a\x04\x10"
				   "0123456789abcdef")),
	    ERR_OK);
	cr_assert_eq(ber_put_head(&all, BER_OPTION, text.len), ERR_OK);
	cr_assert_eq(buf_put(&all, text), ERR_OK);
	der(&all, BER_SEQUENCE, buf_span(&all));
	cr_assert_eq(buf_put(&set, buf_span(&all)), ERR_OK);
	buf_reset(&all);
	cr_assert_eq(buf_put(&all, SPAN_LIT("\x02\x01\x00")), ERR_OK);
	cr_assert_eq(buf_put(&all, buf_span(&set)), ERR_OK);
	der(&all, BER_SEQUENCE, buf_span(&all));
	der(&all, BER_OPTION_CONSTRUCTED, buf_span(&all));
	buf_reset(&set);
	cr_assert_eq(buf_put(&set, SPAN_LIT("\x06\x09" DATA)), ERR_OK);
	set.data[set.len - 1] = 3;
	cr_assert_eq(buf_put(&set, buf_span(&all)), ERR_OK);
	der(&set, BER_SEQUENCE, buf_span(&set));
	buf_clear(&ias);
	buf_clear(&one);
	buf_clear(&all);
	return set;
}

/* The million messages: whatever the RSA block holds, the answer is the same
   (RFC 3218). The blocks are made with the public key by numbers. */
Test(cms_open, no_answer_says_how_the_padding_looked)
{
	static const uint8_t blocks[][4] = {
	    {0, 2, 0xff, 0},	/* right, with a key of another length */
	    {0, 1, 0xff, 0xff}, /* a signature's */
	    {1, 2, 0xff, 0xff}, {0, 0, 0, 0},
	    {0xff, 0xff, 0xff, 0xff}, /* over the modulus */
	};
	struct buf text = peer_octets(64), got, msg;
	struct crypto_cms_opened opened;
	struct keyring k = {0};
	struct crypto_cms_opener o;
	uint8_t block[256];

	buf_init(&got, 1 << 20);
	keyring_add(&k, "rsa2048");
	o = keyring_opener(&k);
	for (size_t i = 0; i < N(blocks); i++)
		for (size_t n = 0; n < 40; n++) {
			struct err_why why = {""};
			enum err e;

			memset(block, blocks[i][2], sizeof(block));
			memcpy(block, blocks[i], 2);
			block[sizeof(block) - 1 - n] = blocks[i][3];
			msg = forge(k.keys[0].cert, 1,
			    SPAN(block, sizeof(block)), buf_span(&text));
			e = open_it(buf_span(&msg), &o, &got, &opened, &why);
			cr_expect_eq(e, ERR_CRYPTO, "block %zu, %zu: %s", i, n,
			    err_name(e));
			cr_expect_str_eq(why.text, CRYPTO_REASON_CLOSED);
			buf_clear(&msg);
		}
	buf_clear(&text);
	buf_clear(&got);
	keyring_clear(&k);
}

Test(cms_open, tries_and_recipients_have_an_end)
{
	struct buf text = peer_octets(64), got, msg;
	struct crypto_cms_opened opened;
	struct err_why why = {""};
	struct keyring k = {0};
	struct crypto_cms_opener o;
	uint8_t block[256] = {1};

	buf_init(&got, 1 << 20);
	keyring_add(&k, "rsa2048");
	o = keyring_opener(&k);
	msg = forge(
	    k.keys[0].cert, 500, SPAN(block, sizeof(block)), buf_span(&text));
	cr_expect_eq(open_it(buf_span(&msg), &o, &got, &opened, &why),
	    ERR_CRYPTO, "%s", why.text);
	cr_expect_eq(k.asked, LIMIT_DECRYPT_TRIES);
	buf_clear(&msg);
	k.asked = 0;
	msg = forge(
	    k.keys[0].cert, 1001, SPAN(block, sizeof(block)), buf_span(&text));
	cr_expect_eq(open_it(buf_span(&msg), &o, &got, &opened, &why),
	    ERR_LIMIT, "%s", why.text);
	cr_expect_eq(k.asked, 0);
	buf_clear(&msg);
	buf_clear(&text);
	buf_clear(&got);
	keyring_clear(&k);
}

static enum err
give(void *ctx, struct span fpr, const struct crypto_decrypt *what,
    struct secret **out)
{
	const struct span *key = ctx;

	cr_assert_eq(what->len, key->len);
	cr_assert_eq(fpr.len, CRYPTO_CERT_FPR_SIZE);
	*out = secret_from(*key);
	return ERR_OK;
}

/* RFC 9709 appendix A.1: AES-128-GCM under a derived key. */
Test(cms_open, a_derived_key_is_the_one_of_the_rfc)
{
	static const uint8_t cek[] = {0xc7, 0x02, 0xe7, 0xd0, 0xa9, 0xe0, 0x64,
	    0xb0, 0x9b, 0xa5, 0x52, 0x45, 0xfb, 0x73, 0x3c, 0xf3};
	static const uint8_t want[] = {0x21, 0x24, 0xff, 0xb2, 0x9f, 0xac, 0x4e,
	    0x0f, 0xbb, 0xc7, 0xd5, 0xd8, 0x74, 0x92, 0xbf, 0xf3};
	static const char alg[] =
	    "\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x03\x1f"
	    "\x30\x1b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x01\x06"
	    "\x30\x0e\x04\x0c\x5c\x79\x05\x8b\xa2\xf4\x34\x47\x63\x9d"
	    "\x29\xe2";
	struct span key = SPAN(cek, sizeof(cek));
	struct cms_sealed s = {.kind = CRYPTO_CMS_AUTH_ENVELOPED};
	struct cms_try t = {0};
	struct keyring k = {0};
	struct crypto_cms_opener o;
	struct secret *got = NULL;

	keyring_add(&k, "rsa2048");
	o = keyring_opener(&k);
	o.decrypt = give;
	o.ctx = &key;
	t.rid.alg =
	    SPAN_LIT("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00");
	cr_assert_eq(
	    cms_cipher_parse(SPAN_LIT(alg), s.kind, &s.cipher, NULL), ERR_OK);
	cr_expect_str_eq(s.cipher.name, "aes128-gcm");
	cr_assert_eq(cms_content_key(&s, &t, &o, &got), ERR_OK);
	cr_expect(span_eq(secret_span(got), SPAN(want, sizeof(want))));
	secret_free(got);
	keyring_clear(&k);
}

/* The process that has the keys is away: later, not never. */
Test(cms_open, an_outage_is_not_a_wrong_key)
{
	static const struct {
		enum err answer, want;
	} rows[] = {
	    {ERR_CLOSED, ERR_CLOSED},
	    {ERR_TIMEOUT, ERR_TIMEOUT},
	    {ERR_NOMEM, ERR_NOMEM},
	    {ERR_NO_KEY, ERR_CRYPTO},
	    {ERR_PERMISSION, ERR_CRYPTO},
	    {ERR_BAD_SEAL, ERR_CRYPTO},
	    {ERR_UNSUPPORTED, ERR_CRYPTO},
	};
	struct buf in = mail(1000), out, got;
	struct crypto_cms_opened opened;
	struct keyring k = {0};
	struct crypto_cms_opener o;

	buf_init(&got, 1 << 20);
	for (size_t w = 0; w < 2; w++) {
		keyring_add(&k, w == 0 ? "rsa2048" : "p384");
		o = keyring_opener(&k);
		out = seal(&k, buf_span(&in), CRYPTO_CMS_AES256_GCM,
		    CRYPTO_CMS_RSA_OAEP);
		for (size_t i = 0; i < N(rows); i++) {
			k.fail = rows[i].answer;
			cr_expect_eq(
			    open_it(buf_span(&out), &o, &got, &opened, NULL),
			    rows[i].want, "%s", err_name(rows[i].answer));
		}
		buf_clear(&out);
		keyring_clear(&k);
	}
	buf_clear(&in);
	buf_clear(&got);
}

Test(cms_open, what_is_known_without_a_key)
{
	struct buf in = mail(1000), out, got;
	struct crypto_cms_opened opened;
	struct keyring k = {0}, other = {0};
	struct crypto_cms_opener o;

	buf_init(&got, 1 << 20);
	keyring_add(&k, "rsa2048");
	keyring_add(&other, "rsa3072");
	out = seal(
	    &k, buf_span(&in), CRYPTO_CMS_AES256_CBC, CRYPTO_CMS_RSA_PKCS1);
	o = keyring_opener(&other);
	cr_expect_eq(
	    open_it(buf_span(&out), &o, &got, &opened, NULL), ERR_NO_KEY);
	o = keyring_opener(&k);
	o.max = 1000;
	cr_expect_eq(
	    open_it(buf_span(&out), &o, &got, &opened, NULL), ERR_TOO_BIG);
	cr_expect_eq(
	    open_it(SPAN_LIT("hello"), &o, &got, &opened, NULL), ERR_MALFORMED);
	cr_expect_eq(
	    open_it(SPAN(NULL, 0), &o, &got, &opened, NULL), ERR_MALFORMED);
	buf_clear(&in);
	buf_clear(&out);
	buf_clear(&got);
	keyring_clear(&k);
	keyring_clear(&other);
}

/* CBC that opens to something that is no mail is the work of somebody else. */
Test(cms_open, unauthenticated_text_begins_as_mail)
{
	static const struct {
		const char *text;
		bool mail;
	} rows[] = {
	    {MAIL, true},
	    {"\r\nno header\r\n", true},
	    {"MIME-Version: 1.0\nContent-Type: text/plain\n\nx", true},
	    {"hello world\r\n", false},
	    {": x\r\n", false},
	    {"\x01\x02\x03: x\r\n", false},
	    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	     "aaaaaaaaaaaaaaaaaaaaaaaa: x\r\n",
		false},
	};
	struct crypto_cms_opened opened;
	struct keyring k = {0};
	struct crypto_cms_opener o;
	struct buf out, got;

	buf_init(&got, 1 << 20);
	keyring_add(&k, "rsa2048");
	o = keyring_opener(&k);
	for (size_t i = 0; i < N(rows); i++)
		for (int gcm = 0; gcm < 2; gcm++) {
			out = seal(&k, span_str(rows[i].text),
			    gcm ? CRYPTO_CMS_AES256_GCM : CRYPTO_CMS_AES256_CBC,
			    CRYPTO_CMS_RSA_PKCS1);
			cr_expect_eq(open_it(buf_span(&out), &o, &got, &opened,
					 NULL) == ERR_OK,
			    gcm || rows[i].mail, "%s", rows[i].text);
			buf_clear(&out);
		}
	buf_clear(&got);
	keyring_clear(&k);
}

/* --- size --- */

static enum err
put_fd(void *ctx, struct span s)
{
	return memfd_write(*(int *)ctx, s);
}

/* KiB of this process that are no file in memory. */
static long
anonymous(void)
{
	char line[128];
	long kib = -1;
	FILE *f = fopen("/proc/self/status", "r");

	cr_assert_not_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "RssAnon:", 8) == 0)
			kib = strtol(line + 8, NULL, 10);
	fclose(f);
	return kib;
}

/* A large message is in memory as two files, and nowhere else. */
Test(cms_open, a_large_message_is_not_on_the_heap)
{
	const struct crypto_cms_form form = {.cipher = CRYPTO_CMS_AES256_GCM};
	const size_t size = 64 << 20;
	struct memfd_map in = {0}, cms = {0}, got = {0};
	struct crypto_cms_opened opened;
	struct keyring k = {0};
	struct crypto_cms_opener o;
	struct crypto_cert *cert;
	struct mime_sink to;
	int fd = -1, sealed = -1;
	uint8_t piece[4096];
	long before;

	keyring_add(&k, "p256");
	cert = (struct crypto_cert *)(uintptr_t)k.keys[0].cert;
	o = keyring_opener(&k);
	memset(piece, 'x', sizeof(piece));
	cr_assert_eq(memfd_new(&fd), ERR_OK);
	for (size_t i = 0; i < size / sizeof(piece); i++)
		cr_assert_eq(
		    memfd_write(fd, SPAN(piece, sizeof(piece))), ERR_OK);
	cr_assert_eq(memfd_seal(fd), ERR_OK);
	cr_assert_eq(memfd_map(fd, size, &in), ERR_OK);
	close(fd);
	cr_assert_eq(memfd_new(&sealed), ERR_OK);
	to = (struct mime_sink){put_fd, &sealed};
	cr_assert_eq(
	    crypto_cms_seal(&cert, 1, &form, NOW, in.data, &to, NULL), ERR_OK);
	cr_assert_eq(memfd_seal(sealed), ERR_OK);
	cr_assert_eq(memfd_map(sealed, 2 * size, &cms), ERR_OK);
	close(sealed);
	before = anonymous();
	cr_assert_eq(crypto_cms_open(cms.data, &o, &fd, &opened, NULL), ERR_OK);
#ifndef WITH_SANITIZERS
	cr_expect_lt(
	    anonymous() - before, 4096, "%ld KiB", anonymous() - before);
#else
	cr_expect_gt(before, 0);
#endif
	cr_assert_eq(memfd_map(fd, size, &got), ERR_OK);
	cr_expect(span_eq(got.data, in.data));
	close(fd);
	memfd_unmap(&in);
	memfd_unmap(&got);
	/* cut by one octet, all of it is nothing */
	fd = -1;
	cr_expect_neq(crypto_cms_open(SPAN(cms.data.data, cms.data.len - 1), &o,
			  &fd, &opened, NULL),
	    ERR_OK);
	cr_expect_eq(fd, -1);
	memfd_unmap(&cms);
	keyring_clear(&k);
}

/* --- CompressedData --- */

static enum err
inflate_it(struct span in, size_t max, struct buf *out)
{
	struct memfd_map map = {0};
	int fd = -1;
	enum err e = crypto_cms_inflate(in, max, &fd, NULL);

	buf_reset(out);
	cr_assert_eq(e == ERR_OK, fd >= 0);
	if (e != ERR_OK)
		return e;
	cr_assert_eq(memfd_map(fd, 200 << 20, &map), ERR_OK);
	cr_assert_eq(buf_put(out, map.data), ERR_OK);
	memfd_unmap(&map);
	close(fd);
	return ERR_OK;
}

/* CompressedData around these octets of zlib (RFC 1950). */
static struct buf
compressed(struct span packed)
{
	struct buf b, d;

	buf_init(&b, 1 << 20);
	buf_init(&d, 1 << 20);
	cr_assert_eq(buf_put(&b, packed), ERR_OK);
	der(&b, BER_OCTETS, buf_span(&b));
	der(&b, BER_OPTION_CONSTRUCTED, buf_span(&b));
	cr_assert_eq(buf_put(&d, SPAN_LIT("\x06\x09" DATA)), ERR_OK);
	cr_assert_eq(buf_put(&d, buf_span(&b)), ERR_OK);
	der(&d, BER_SEQUENCE, buf_span(&d));
	buf_reset(&b);
	cr_assert_eq(
	    buf_put(&b, SPAN_LIT("\x02\x01\x00\x30\x0d\x06\x0b\x2a\x86\x48\x86"
				 "\xf7\x0d\x01\x09\x10\x03\x08")),
	    ERR_OK);
	cr_assert_eq(buf_put(&b, buf_span(&d)), ERR_OK);
	der(&b, BER_SEQUENCE, buf_span(&b));
	der(&b, BER_OPTION_CONSTRUCTED, buf_span(&b));
	buf_reset(&d);
	cr_assert_eq(
	    buf_put(&d, SPAN_LIT("\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10"
				 "\x01\x09")),
	    ERR_OK);
	cr_assert_eq(buf_put(&d, buf_span(&b)), ERR_OK);
	der(&d, BER_SEQUENCE, buf_span(&d));
	buf_clear(&b);
	return d;
}

/* zlib's octets of a file, by Python. */
static struct buf
packed(const char *dir, const char *program)
{
	cr_assert_eq(peer_run(NULL, peer_path(dir, "z"), "/usr/bin/python3",
			 "-c", program, NULL),
	    0);
	return peer_read(peer_path(dir, "z"));
}

Test(cms_open, compressed_data_is_unpacked_within_limits)
{
	static const char hello[] =
	    "import sys,zlib,os\n"
	    "d=b'Content-Type: text/plain\\r\\n\\r\\n'+bytes(range(256))*40\n"
	    "sys.stdout.buffer.write(zlib.compress(d))";
	static const char bomb[] =
	    "import sys,zlib\n"
	    "sys.stdout.buffer.write(zlib.compress(bytes(20<<20)))";
	struct buf z, cms, got, whole;
	char dir[64];

	buf_init(&got, 32 << 20);
	peer_dir_make(dir);
	z = packed(dir, hello);
	cms = compressed(buf_span(&z));
	cr_expect_eq(inflate_it(buf_span(&cms), 1 << 20, &got), ERR_OK);
	cr_expect_eq(got.len, 28 + 256 * 40);
	buf_init(&whole, 1 << 20);
	cr_assert_eq(buf_put(&whole, buf_span(&got)), ERR_OK);
	cr_expect_eq(inflate_it(buf_span(&cms), 10000, &got), ERR_TOO_BIG);
	/* changed, cut, followed by something */
	for (size_t i = 0; i < z.len; i++) {
		struct buf changed;

		z.data[i] ^= 0x10;
		changed = compressed(buf_span(&z));
		/* there are bits of padding in front of the check value */
		cr_expect(
		    inflate_it(buf_span(&changed), 1 << 20, &got) != ERR_OK ||
			span_eq(buf_span(&got), buf_span(&whole)),
		    "%zu", i);
		buf_clear(&changed);
		z.data[i] ^= 0x10;
		changed = compressed(SPAN(z.data, i));
		cr_expect_neq(inflate_it(buf_span(&changed), 1 << 20, &got),
		    ERR_OK, "%zu", i);
		buf_clear(&changed);
	}
	buf_clear(&cms);
	cr_assert_eq(buf_putc(&z, 0), ERR_OK);
	cms = compressed(buf_span(&z));
	cr_expect_eq(inflate_it(buf_span(&cms), 1 << 20, &got), ERR_MALFORMED);
	buf_clear(&cms);
	buf_clear(&z);
	/* 20 MiB in 20 KiB: a thousand times, and no more than a hundred */
	z = packed(dir, bomb);
	cms = compressed(buf_span(&z));
	cr_expect_eq(inflate_it(buf_span(&cms), 100 << 20, &got), ERR_TOO_BIG);
	buf_clear(&cms);
	buf_clear(&z);
	buf_clear(&got);
	buf_clear(&whole);
	peer_dir_remove(dir);
}
