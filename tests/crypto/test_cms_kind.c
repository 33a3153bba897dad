/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "crypto/cms_kind.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "crypto/cert.h"
#include "crypto/cms_seal.h"
#include "tests/crypto/peer.h"

#define N(a)   (sizeof(a) / sizeof((a)[0]))
#define NOW    INT64_C(1800000000)
#define P7     "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07"
#define DATA   P7 "\x01"
#define ENV    P7 "\x03"
#define SIGNED P7 "\x02"
#define CBC    "\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x01\x2a\x04\x00"

static struct crypto_cert *
load(const char *name)
{
	struct buf b = peer_read(peer_data(name));
	struct crypto_cert *cert = NULL;

	cr_assert_eq(crypto_cert_parse(buf_span(&b), &cert, NULL), ERR_OK);
	buf_clear(&b);
	return cert;
}

/* A set has no order of ours. */
static bool
names(const struct crypto_cms_shape *shape, const struct crypto_cert *cert)
{
	const struct crypto_cert_info *info = crypto_cert_info(cert);

	for (size_t i = 0; i < shape->n_rids; i++) {
		const struct crypto_cms_rid *rid = &shape->rids[i];

		if (span_eq(rid->issuer, info->issuer_der) &&
		    span_eq(rid->serial, info->serial_raw) && rid->ski.len == 0)
			return true;
	}
	return false;
}

Test(cms_kind, what_we_seal_is_sealed_to_whom_we_seal_it)
{
	static const char *const who[] = {"rsa2048.der", "p256.der",
	    "rsa3072.der", "p384.der", "p521.der", "issued.der"};
	static const enum crypto_cms_cipher ciphers[] = {CRYPTO_CMS_AES256_CBC,
	    CRYPTO_CMS_AES128_CBC, CRYPTO_CMS_AES256_GCM,
	    CRYPTO_CMS_AES128_GCM};
	struct arena *a = arena_new(1 << 20);
	struct buf in = peer_octets(20000), out;
	struct crypto_cert *certs[N(who)];

	buf_init(&out, 100000);
	for (size_t i = 0; i < N(who); i++)
		certs[i] = load(who[i]);
	for (size_t c = 0; c < N(ciphers); c++) {
		struct crypto_cms_form form = {.cipher = ciphers[c]};
		struct crypto_cms_shape shape;

		buf_reset(&out);
		cr_assert_eq(crypto_cms_seal_buf(certs, N(who), &form, NOW,
				 buf_span(&in), &out, NULL),
		    ERR_OK);
		cr_assert_eq(
		    crypto_cms_look(buf_span(&out), a, &shape), ERR_OK);
		cr_expect_eq(shape.kind,
		    c < 2 ? CRYPTO_CMS_ENVELOPED : CRYPTO_CMS_AUTH_ENVELOPED);
		cr_assert_eq(shape.n_rids, N(who));
		cr_expect_eq(shape.n_others, 0);
		for (size_t i = 0; i < N(who); i++)
			cr_expect(names(&shape, certs[i]), "%s", who[i]);
		cr_expect_eq(shape.cipher.len, 9);
		/* none of it may be missing, nothing follow */
		for (size_t n = 0; n < out.len; n += n < 3000 ? 1 : 97)
			cr_expect_eq(
			    crypto_cms_look(SPAN(out.data, n), a, &shape),
			    ERR_MALFORMED, "%zu octets", n);
		cr_assert_eq(buf_putc(&out, 0), ERR_OK);
		cr_expect_eq(
		    crypto_cms_look(buf_span(&out), a, &shape), ERR_MALFORMED);
		arena_reset(a);
	}
	for (size_t i = 0; i < N(who); i++)
		crypto_cert_unref(certs[i]);
	buf_clear(&in);
	buf_clear(&out);
	arena_free(a);
}

Test(cms_kind, what_openssl_makes)
{
	static const struct {
		const char *args[5];
		enum crypto_cms_kind kind;
		size_t signers;
		bool content;
		size_t ski;
		size_t others;
	} rows[] = {
	    {{"-sign", "-nodetach"}, CRYPTO_CMS_SIGNED, 1, true, 0, 0},
	    {{"-sign"}, CRYPTO_CMS_SIGNED, 1, false, 0, 0},
	    {{"-data_create"}, CRYPTO_CMS_DATA, 0, true, 0, 0},
	    {{"-encrypt", "-aes256", "-keyid"}, CRYPTO_CMS_ENVELOPED, 0, true,
		1, 0},
	    {{"-encrypt", "-aes256", "-pwri_password", "x"},
		CRYPTO_CMS_ENVELOPED, 0, true, 0, 1},
	    {{"-digest_create"}, CRYPTO_CMS_NONE, 0, false, 0, 0},
	};
	struct arena *a = arena_new(1 << 20);
	struct crypto_cert *cert = load("rsa2048.der");
	char dir[64];

	peer_dir_make(dir);
	peer_write(peer_path(dir, "in"), SPAN_LIT("text"));
	for (size_t i = 0; i < N(rows); i++) {
		bool seals = strcmp(rows[i].args[0], "-encrypt") == 0;
		bool signs = strcmp(rows[i].args[0], "-sign") == 0;
		const char *const *x = rows[i].args;
		const char *extra[4] = {x[1], x[2], x[3], NULL};
		const char *list[5] = {NULL, NULL, NULL, NULL, NULL};
		struct crypto_cms_shape shape;
		struct buf b;
		size_t n = 0;

		for (size_t k = 0; k < 3 && extra[k] != NULL; k++)
			list[n++] = extra[k];
		if (signs)
			cr_assert_eq(
			    peer_run(NULL, NULL, "openssl", "cms", x[0],
				"-binary", "-in", peer_path(dir, "in"),
				"-outform", "DER", "-out",
				peer_path(dir, "out"), "-signer",
				peer_data("rsa2048.pem"), "-inkey",
				peer_data("rsa2048.key"), list[0], NULL),
			    0);
		else if (seals)
			cr_assert_eq(peer_run(NULL, NULL, "openssl", "cms",
					 x[0], "-binary", "-in",
					 peer_path(dir, "in"), "-outform",
					 "DER", "-out", peer_path(dir, "out"),
					 "-recip", peer_data("rsa2048.pem"),
					 list[0], list[1], list[2], NULL),
			    0);
		else
			cr_assert_eq(
			    peer_run(NULL, NULL, "openssl", "cms", x[0],
				"-binary", "-in", peer_path(dir, "in"),
				"-outform", "DER", "-out",
				peer_path(dir, "out"), NULL),
			    0);
		b = peer_read(peer_path(dir, "out"));
		cr_assert_eq(crypto_cms_look(buf_span(&b), a, &shape), ERR_OK,
		    "row %zu", i);
		cr_expect_eq(shape.kind, rows[i].kind, "row %zu", i);
		cr_expect_eq(shape.n_signers, rows[i].signers, "row %zu", i);
		cr_expect_eq(shape.has_content, rows[i].content, "row %zu", i);
		cr_expect_eq(shape.n_others, rows[i].others, "row %zu", i);
		if (rows[i].ski > 0) {
			cr_assert_eq(shape.n_rids, 1, "row %zu", i);
			cr_expect(span_eq(shape.rids[0].ski,
				      crypto_cert_info(cert)->ski),
			    "row %zu", i);
		}
		buf_clear(&b);
	}
	crypto_cert_unref(cert);
	arena_free(a);
	peer_dir_remove(dir);
}

/* An element with these octets (fewer than 128) in it, appended. */
static void
put(struct buf *out, unsigned tag, struct span body)
{
	cr_assert_lt(body.len, 128);
	cr_assert_eq(buf_putc(out, (uint8_t)tag), ERR_OK);
	cr_assert_eq(buf_putc(out, (uint8_t)body.len), ERR_OK);
	cr_assert_eq(buf_put(out, body), ERR_OK);
}

/* Put the element around what is in the buffer, behind some octets. */
static void
wrap(struct buf *b, struct span before, unsigned tag)
{
	struct buf all;

	buf_init(&all, 1000);
	cr_assert_eq(buf_put(&all, before), ERR_OK);
	cr_assert_eq(buf_put(&all, buf_span(b)), ERR_OK);
	buf_reset(b);
	put(b, tag, buf_span(&all));
	buf_clear(&all);
}

/* An enveloped-data of these recipients and this encrypted contents. */
static void
enveloped(struct span recipients, struct span content, struct buf *out)
{
	struct buf set;

	buf_init(&set, 1000);
	buf_reset(out);
	put(&set, 0x31, recipients);
	put(out, 0x30, content);
	wrap(out, buf_span(&set), 0x30);
	buf_clear(&set);
}

static void
content_info(struct span type, struct span before, struct buf *b)
{
	struct buf inner;

	buf_init(&inner, 1000);
	cr_assert_eq(buf_put(&inner, before), ERR_OK);
	/* the version goes in front of what is in the sequence */
	cr_assert_eq(buf_put(&inner, SPAN(b->data + 2, b->len - 2)), ERR_OK);
	buf_reset(b);
	put(b, 0x30, buf_span(&inner));
	wrap(b, SPAN(NULL, 0), 0xa0);
	wrap(b, type, 0x30);
	buf_clear(&inner);
}

#define V	 SPAN_LIT("\x02\x01\x00")
#define PASSWORD "\xa3\x00"
#define NAME	 "\x30\x00"

Test(cms_kind, recipients_and_ciphertext_must_be_there)
{
	static const struct {
		struct span recipients, content;
		enum err e;
	} rows[] = {
#define R(r, c, e)                                                             \
	{{(const uint8_t *)(r), sizeof(r) - 1},                                \
	    {(const uint8_t *)(c), sizeof(c) - 1}, e}
	    R(PASSWORD, DATA CBC "\x80\x01x", ERR_OK),
	    R(PASSWORD, DATA CBC "\xa0\x03\x04\x01x", ERR_OK),
	    /* by issuer and serial number; by key identifier */
	    R("\x30\x10\x02\x01\x00\x30\x05" NAME
	      "\x02\x01\x07\x30\x00\x04\x02yz",
		DATA CBC "\x80\x01x", ERR_OK),
	    R("\x30\x0c\x02\x01\x02\x80\x01k\x30\x00\x04\x02yz",
		DATA CBC "\x80\x01x", ERR_OK),
	    /* agreed: one key in the list */
	    R("\xa1\x16\x02\x01\x03\xa0\x00\x30\x00\x30\x0d\x30\x0b\x30"
	      "\x05" NAME "\x02\x01\x07\x04\x02yz",
		DATA CBC "\x80\x01x", ERR_OK),
	    R("", DATA CBC "\x80\x01x", ERR_MALFORMED),
	    R("\x04\x00", DATA CBC "\x80\x01x", ERR_MALFORMED),
	    R("\xa5\x00", DATA CBC "\x80\x01x", ERR_MALFORMED),
	    R("\xa0\x00", DATA CBC "\x80\x01x", ERR_MALFORMED),
	    R("\x30\x00", DATA CBC "\x80\x01x", ERR_MALFORMED),
	    R("\xa1\x00", DATA CBC "\x80\x01x", ERR_MALFORMED),
	    /* a serial number without octets, a key identifier without */
	    R("\x30\x0f\x02\x01\x00\x30\x04" NAME "\x02\x00\x30\x00\x04\x02yz",
		DATA CBC "\x80\x01x", ERR_MALFORMED),
	    R("\x30\x0b\x02\x01\x02\x80\x00\x30\x00\x04\x02yz",
		DATA CBC "\x80\x01x", ERR_MALFORMED),
	    /* something behind the key; no key */
	    R("\x30\x0e\x02\x01\x02\x80\x01k\x30\x00\x04\x02yz\x05\x00",
		DATA CBC "\x80\x01x", ERR_MALFORMED),
	    R("\x30\x08\x02\x01\x02\x80\x01k\x30\x00", DATA CBC "\x80\x01x",
		ERR_MALFORMED),
	    /* an empty list of agreed keys */
	    R("\xa1\x09\x02\x01\x03\xa0\x00\x30\x00\x30\x00",
		DATA CBC "\x80\x01x", ERR_MALFORMED),
	    /* no ciphertext: missing, empty, something else, more than one */
	    R(PASSWORD, DATA CBC, ERR_MALFORMED),
	    R(PASSWORD, DATA CBC "\x80\x00", ERR_MALFORMED),
	    R(PASSWORD, DATA CBC "\x04\x01x", ERR_MALFORMED),
	    R(PASSWORD, DATA CBC "\x80\x01x\x80\x01x", ERR_MALFORMED),
	    R(PASSWORD, DATA "\x30\x00\x80\x01x", ERR_MALFORMED),
	    R(PASSWORD, CBC "\x80\x01x", ERR_MALFORMED),
#undef R
	};
	struct arena *a = arena_new(1 << 20);
	struct crypto_cms_shape shape;
	struct buf b;

	buf_init(&b, 1000);
	for (size_t i = 0; i < N(rows); i++) {
		enveloped(rows[i].recipients, rows[i].content, &b);
		content_info(SPAN_LIT(ENV), V, &b);
		cr_expect_eq(crypto_cms_look(buf_span(&b), a, &shape),
		    rows[i].e, "row %zu", i);
		if (rows[i].e != ERR_OK)
			continue;
		cr_expect_eq(shape.kind, CRYPTO_CMS_ENVELOPED, "row %zu", i);
		cr_expect_eq(shape.n_rids + shape.n_others, 1, "row %zu", i);
		/* the authenticated form wants its code behind it */
		enveloped(rows[i].recipients, rows[i].content, &b);
		content_info(SPAN_LIT("\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09"
				      "\x10\x01\x17"),
		    V, &b);
		cr_expect_eq(crypto_cms_look(buf_span(&b), a, &shape),
		    ERR_MALFORMED, "row %zu", i);
	}
	buf_clear(&b);
	arena_free(a);
}

Test(cms_kind, certificates_alone_are_signed_by_nobody)
{
	struct arena *a = arena_new(1 << 20);
	struct crypto_cms_shape shape;
	struct buf b;

	buf_init(&b, 1000);
	put(&b, 0x30, SPAN_LIT("\x31\x00\x30\x0b" DATA "\x31\x00"));
	content_info(SPAN_LIT(SIGNED), V, &b);
	cr_expect_eq(crypto_cms_look(buf_span(&b), a, &shape), ERR_OK);
	cr_expect_eq(shape.kind, CRYPTO_CMS_SIGNED);
	cr_expect_eq(shape.n_signers, 0);
	cr_expect_not(shape.has_content);
	buf_reset(&b);
	put(&b, 0x30, SPAN_LIT("\x31\x00\x30\x0b" DATA));
	content_info(SPAN_LIT(SIGNED), V, &b);
	cr_expect_eq(crypto_cms_look(buf_span(&b), a, &shape), ERR_MALFORMED);
	buf_reset(&b);
	put(&b, 0x30, SPAN_LIT("\x31\x00\x30\x0b" DATA "\x31\x02\x04\x00"));
	content_info(SPAN_LIT(SIGNED), V, &b);
	cr_expect_eq(crypto_cms_look(buf_span(&b), a, &shape), ERR_MALFORMED);
	buf_clear(&b);
	arena_free(a);
}

Test(cms_kind, a_type_that_is_only_claimed_is_none)
{
	const struct span rows[] = {
	    SPAN_LIT(""),
	    SPAN_LIT("Content-Type: text/plain\r\n\r\nhello"),
	    SPAN_LIT("0\x80 text that begins as a sequence does"),
	    SPAN_LIT("\x30\x00"),
	    SPAN_LIT("\x30\x0b" ENV),
	    SPAN_LIT("\x30\x0d" ENV "\xa0\x00"),
	    SPAN_LIT("\x30\x0f" ENV "\xa0\x02\x30\x00"),
	    SPAN_LIT("\x30\x0f" SIGNED "\xa0\x02\x30\x00"),
	    SPAN_LIT("\x30\x0f" ENV "\xa1\x02\x30\x00"),
	};
	struct arena *a = arena_new(1 << 20);
	struct crypto_cms_shape shape;

	for (size_t i = 0; i < N(rows); i++)
		cr_expect_eq(crypto_cms_look(rows[i], a, &shape), ERR_MALFORMED,
		    "row %zu", i);
	arena_free(a);
}
