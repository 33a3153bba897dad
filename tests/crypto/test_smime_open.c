/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Messages, layer by layer: what comes off, what stays on, and what is said of
 * it.
 */
#include "crypto/smime_open.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/memfd.h"
#include "common/secret.h"
#include "crypto/cert.h"
#include "crypto/cms_seal.h"
#include "crypto/cms_sign.h"
#include "crypto/verdict.h"
#include "mime/base64.h"
#include "mime/scan.h"
#include "mime/sink.h"
#include "mime/tree.h"
#include "tests/crypto/keyring.h"
#include "tests/crypto/peer.h"

#define N(a)  (sizeof(a) / sizeof((a)[0]))
#define NOW   INT64_C(1800000000)
#define INNER "Content-Type: text/plain\r\n\r\nto be or not to be\r\n"
#define HEAD  "From: Alice <alice@example.com>\r\nMIME-Version: 1.0\r\n"

static void
init(void)
{
	secret_init();
}

TestSuite(smime_open, .init = init);

static enum err
judge(void *ctx, struct crypto_cert *leaf, struct crypto_cert *const *pool,
    size_t n_pool, int64_t made, struct err_why *why)
{
	cr_assert(ctx != NULL && leaf != NULL && pool != NULL && n_pool > 0);
	return made == NOW ? ERR_OK : err_why(why, ERR_KEY_EXPIRED, "when?");
}

/* --- making --- */

static struct buf
entity(const char *head, struct span cms)
{
	struct buf b;

	buf_init(&b, 2 * cms.len + 4096);
	cr_assert_eq(buf_puts(&b, head), ERR_OK);
	cr_assert_eq(
	    buf_puts(&b, "Content-Transfer-Encoding: base64\r\n\r\n"), ERR_OK);
	cr_assert_eq(mime_base64_encode(cms, &b), ERR_OK);
	return b;
}

static struct crypto_cert *
cert_of(const struct keyring *k)
{
	return (struct crypto_cert *)(uintptr_t)k->keys[0].cert;
}

static struct buf
sealed(struct keyring *k, enum crypto_cms_cipher cipher, struct span in)
{
	struct crypto_cms_form form = {.cipher = cipher};
	struct crypto_cert *cert = cert_of(k);
	struct buf cms, b;

	buf_init(&cms, in.len + 65536);
	cr_assert_eq(
	    crypto_cms_seal_buf(&cert, 1, &form, NOW, in, &cms, NULL), ERR_OK);
	b = entity("Content-Type: application/pkcs7-mime; "
		   "smime-type=enveloped-data; name=smime.p7m\r\n",
	    buf_span(&cms));
	buf_clear(&cms);
	return b;
}

static struct buf
signature(struct keyring *k, bool opaque, struct span in)
{
	struct crypto_cms_signer s = {
	    .now = NOW, .sign = keyring_sign, .ctx = k, .cert = cert_of(k)};
	struct mime_sink to;
	struct buf cms;

	buf_init(&cms, in.len + 65536);
	to = mime_sink_buf(&cms);
	cr_assert_eq(opaque ? crypto_cms_sign_opaque(&s, in, &to, NULL)
			    : crypto_cms_sign_detached(&s, in, &cms, NULL),
	    ERR_OK);
	return cms;
}

static struct buf
opaque(struct keyring *k, struct span in)
{
	struct buf cms = signature(k, true, in);
	struct buf b = entity("Content-Type: application/x-pkcs7-mime; "
			      "smime-type=signed-data; name=smime.p7m\r\n",
	    buf_span(&cms));

	buf_clear(&cms);
	return b;
}

static struct buf
detached(struct keyring *k, struct span in, const char *footer)
{
	struct buf cms = signature(k, false, in);
	struct buf sig = entity(
	    "Content-Type: application/pkcs7-signature; name=smime.p7s\r\n",
	    buf_span(&cms));
	struct buf b;

	buf_init(&b, in.len + sig.len + 4096);
	cr_assert_eq(
	    buf_puts(&b,
		"Content-Type: multipart/signed; micalg=sha-256; "
		"protocol=\"application/pkcs7-signature\"; boundary=\"b\"\r\n"
		"\r\n--b\r\n"),
	    ERR_OK);
	cr_assert_eq(buf_put(&b, in), ERR_OK);
	cr_assert_eq(buf_puts(&b, "\r\n--b\r\n"), ERR_OK);
	cr_assert_eq(buf_put(&b, buf_span(&sig)), ERR_OK);
	cr_assert_eq(buf_puts(&b, "\r\n--b--\r\n"), ERR_OK);
	cr_assert_eq(buf_puts(&b, footer), ERR_OK);
	buf_clear(&cms);
	buf_clear(&sig);
	return b;
}

/* --- taking apart --- */

struct bench {
	struct arena *a;
	struct keyring k;
	struct crypto_smime s;
	struct crypto_verdict v;
	struct buf now; /* the entity that is reached */
	bool inside;	/* of a layer */
};

static void
bench_init(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	b->a = arena_new(32 << 20);
	keyring_add(&b->k, "rsa2048");
	b->s.opener = keyring_opener(&b->k);
	b->s.verifier =
	    (struct crypto_cms_verifier){.ctx = b, .judge = judge, .now = NOW};
	b->s.max_inflated = 1 << 20;
	crypto_verdict_init(&b->v, b->a);
	buf_init(&b->now, 4 << 20);
}

static void
bench_clear(struct bench *b)
{
	keyring_clear(&b->k);
	buf_clear(&b->now);
	arena_free(b->a);
}

/* The message, with the header of one; what it was is forgotten. */
static void
begin(struct bench *b, struct buf *in)
{
	arena_reset(b->a);
	crypto_verdict_init(&b->v, b->a);
	buf_reset(&b->now);
	cr_assert_eq(buf_puts(&b->now, HEAD), ERR_OK);
	cr_assert_eq(buf_put(&b->now, buf_span(in)), ERR_OK);
	buf_clear(in);
	b->inside = false;
}

static enum err
peel(struct bench *b, struct err_why *why)
{
	static const uint8_t zero[MIME_TREE_PADDING];
	struct crypto_smime_layer layer = {.fd = -2};
	struct memfd_map map = {0};
	struct mime_tree *tree;
	struct mime_scan scan;
	struct span msg;
	struct buf next;
	enum err e;

	cr_assert_eq(buf_put(&b->now, SPAN(zero, sizeof(zero))), ERR_OK);
	b->now.len -= sizeof(zero);
	msg = buf_span(&b->now);
	cr_assert_eq(mime_scan(msg, &scan, NULL), ERR_OK);
	cr_assert_eq((b->inside ? mime_tree_parse_entity : mime_tree_parse)(
			 msg, &scan, false, b->a, &tree, NULL),
	    ERR_OK);
	e = crypto_smime_peel(tree, &b->s, &b->v, &layer, why);
	cr_assert_eq(e == ERR_OK, layer.fd != -2);
	if (e != ERR_OK)
		return e;
	buf_init(&next, 4 << 20);
	if (layer.fd >= 0) {
		cr_assert_eq(memfd_map(layer.fd, 4 << 20, &map), ERR_OK);
		cr_assert_eq(buf_put(&next, map.data), ERR_OK);
		memfd_unmap(&map);
		close(layer.fd);
	} else {
		cr_assert_eq(buf_put(&next, layer.entity), ERR_OK);
	}
	buf_clear(&b->now);
	b->now = next;
	b->inside = true;
	return ERR_OK;
}

static const char *
verdict(struct bench *b)
{
	static const char *const from[] = {"alice@example.com"};
	static char text[1024];
	struct buf t;

	buf_init(&t, sizeof(text) - 1);
	crypto_verdict_bind(&b->v, from, 1);
	cr_assert_eq(crypto_verdict_text(&b->v, &t), ERR_OK);
	memset(text, 0, sizeof(text));
	memcpy(text, t.data, t.len);
	if (strchr(text, ';') != NULL)
		*strchr(text, ';') = '\0';
	buf_clear(&t);
	return text;
}

Test(smime_open, layers_come_off_one_by_one)
{
	struct span in = SPAN_LIT(INNER);
	struct buf a, m;
	struct bench b;

	bench_init(&b);
	/* signed, sealed, signed again */
	a = detached(&b.k, in, "");
	m = sealed(&b.k, CRYPTO_CMS_AES256_GCM, buf_span(&a));
	buf_clear(&a);
	a = opaque(&b.k, buf_span(&m));
	buf_clear(&m);
	begin(&b, &a);
	cr_assert_eq(peel(&b, NULL), ERR_OK);
	cr_expect_str_eq(verdict(&b), "signed-good");
	cr_assert_eq(peel(&b, NULL), ERR_OK);
	cr_expect_str_eq(verdict(&b), "encrypted, signed-good");
	cr_assert_eq(peel(&b, NULL), ERR_OK);
	cr_expect(span_eq(buf_span(&b.now), in));
	cr_expect_eq(peel(&b, NULL), ERR_NOT_FOUND);
	cr_expect_str_eq(verdict(&b), "encrypted, signed-good");
	cr_expect_eq(b.v.n_layers, 3);
	cr_expect_eq(b.v.layer[0].kind, CRYPTO_LAYER_SIGNED);
	cr_expect_eq(b.v.layer[1].kind, CRYPTO_LAYER_ENCRYPTED);
	cr_expect_eq(b.v.layer[2].kind, CRYPTO_LAYER_SIGNED);
	cr_expect_str_eq(b.v.cipher, "aes256-gcm");
	cr_expect_str_eq(b.v.opened_for, "rsa2048");
	cr_expect_eq(strlen(b.v.opened_fpr), 64);
	bench_clear(&b);
}

Test(smime_open, cbc_is_said_to_be_unauthenticated)
{
	struct span in = SPAN_LIT(INNER);
	struct buf m;
	struct bench b;

	bench_init(&b);
	m = sealed(&b.k, CRYPTO_CMS_AES256_CBC, in);
	begin(&b, &m);
	cr_assert_eq(peel(&b, NULL), ERR_OK);
	cr_expect_str_eq(verdict(&b), "encrypted-unauthenticated");
	/* a shell around it says nothing: anybody can make one */
	m = sealed(&b.k, CRYPTO_CMS_AES256_CBC, in);
	{
		struct buf outer =
		    sealed(&b.k, CRYPTO_CMS_AES256_GCM, buf_span(&m));

		buf_clear(&m);
		begin(&b, &outer);
	}
	cr_assert_eq(peel(&b, NULL), ERR_OK);
	cr_assert_eq(peel(&b, NULL), ERR_OK);
	cr_expect_str_eq(verdict(&b), "encrypted-unauthenticated");
	cr_expect_not(b.v.several_keys);
	bench_clear(&b);
}

Test(smime_open, what_does_not_open_is_closed_in_the_same_words)
{
	struct span in = SPAN_LIT(INNER);
	struct keyring other = {0};
	struct err_why why = {""};
	struct buf m;
	struct bench b;

	bench_init(&b);
	keyring_add(&other, "rsa3072");
	m = sealed(&other, CRYPTO_CMS_AES256_GCM, in);
	begin(&b, &m);
	cr_expect_eq(peel(&b, &why), ERR_NO_KEY);
	cr_expect_str_eq(verdict(&b), "undecryptable");
	cr_expect_neq(b.v.sealed_reason[0], '\0');
	/* ours, and its last octet changed */
	m = sealed(&b.k, CRYPTO_CMS_AES256_GCM, in);
	begin(&b, &m);
	b.s.opener.decrypt = b.s.opener.decrypt;
	b.k.fail = ERR_BAD_SEAL;
	cr_expect_eq(peel(&b, &why), ERR_CRYPTO);
	cr_expect_str_eq(verdict(&b), "undecryptable");
	cr_expect_str_eq(b.v.sealed_reason, CRYPTO_REASON_CLOSED);
	cr_expect_str_eq(why.text, CRYPTO_REASON_CLOSED);
	/* an outage says nothing of the message */
	b.k.fail = ERR_TIMEOUT;
	cr_expect_eq(peel(&b, &why), ERR_TIMEOUT);
	keyring_clear(&other);
	bench_clear(&b);
}

/* EFAIL and its kin: what is not the whole message stays closed. */
Test(smime_open, only_the_whole_message_is_opened)
{
	static const struct {
		const char *name, *before, *after, *words;
	} rows[] = {
	    {"between two parts of HTML",
		"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"
		"Content-Type: text/html\r\n\r\n<img src=\"http://e/\r\n"
		"--x\r\n",
		"\r\n--x\r\nContent-Type: text/html\r\n\r\n\">\r\n"
		"--x--\r\n",
		"partial"},
	    {"the only part of a multipart",
		"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n",
		"\r\n--x--\r\n", "partial"},
	    {"attached to text",
		"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n"
		"hello\r\n--x\r\n",
		"\r\n--x--\r\n", "partial"},
	    {"in a forwarded message",
		"Content-Type: message/rfc822\r\n\r\nFrom: a@example.org\r\n",
		"", "partial"},
	    {"two types", "Content-Type: text/plain\r\n", "", "none"},
	};
	struct span in = SPAN_LIT(INNER);
	struct bench b;

	bench_init(&b);
	for (size_t i = 0; i < N(rows); i++) {
		struct buf part = sealed(&b.k, CRYPTO_CMS_AES256_GCM, in), m;

		buf_init(&m, 1 << 20);
		cr_assert_eq(buf_puts(&m, rows[i].before), ERR_OK);
		cr_assert_eq(buf_put(&m, buf_span(&part)), ERR_OK);
		cr_assert_eq(buf_puts(&m, rows[i].after), ERR_OK);
		buf_clear(&part);
		begin(&b, &m);
		cr_expect_eq(peel(&b, NULL), ERR_NOT_FOUND, "%s", rows[i].name);
		cr_expect_str_eq(
		    verdict(&b), rows[i].words, "%s", rows[i].name);
		cr_expect_eq(b.k.asked, 0, "%s", rows[i].name);
	}
	bench_clear(&b);
}

Test(smime_open, text_behind_a_signature_is_not_signed)
{
	struct span in = SPAN_LIT(INNER);
	struct buf m;
	struct bench b;

	bench_init(&b);
	m = detached(&b.k, in, "-- \r\nsent through a list\r\n");
	begin(&b, &m);
	cr_expect_eq(peel(&b, NULL), ERR_NOT_FOUND);
	cr_expect_str_eq(verdict(&b), "partial");
	/* changed, it is bad, and still to be read */
	m = detached(&b.k, in, "");
	begin(&b, &m);
	{
		size_t at =
		    span_find(buf_span(&b.now), 0, SPAN_LIT("to be or"));

		b.now.data[at] = 'T';
	}
	cr_assert_eq(peel(&b, NULL), ERR_OK);
	cr_expect_str_eq(verdict(&b), "signed-bad");
	cr_expect_not_null(strstr(b.v.sigs[0].reason, "changed"));
	bench_clear(&b);
}

/* A multipart/signed whose signature has a text of its own, as content: what
   one program shows, the other has not verified. */
Test(smime_open, a_signature_with_another_content_is_bad)
{
	struct span in = SPAN_LIT(INNER);
	struct buf cms, sig, m;
	struct bench b;

	bench_init(&b);
	cms = signature(&b.k, true, in);
	sig = entity(
	    "Content-Type: application/pkcs7-signature\r\n", buf_span(&cms));
	buf_init(&m, 1 << 20);
	cr_assert_eq(
	    buf_puts(&m,
		"Content-Type: multipart/signed; micalg=sha-256; "
		"protocol=\"application/pkcs7-signature\"; boundary=\"b\"\r\n"
		"\r\n--b\r\nContent-Type: text/plain\r\n\r\nforged\r\n--b\r\n"),
	    ERR_OK);
	cr_assert_eq(buf_put(&m, buf_span(&sig)), ERR_OK);
	cr_assert_eq(buf_puts(&m, "\r\n--b--\r\n"), ERR_OK);
	begin(&b, &m);
	cr_assert_eq(peel(&b, NULL), ERR_OK);
	cr_expect_str_eq(verdict(&b), "signed-bad");
	buf_clear(&cms);
	buf_clear(&sig);
	/* and one that is none at all */
	m = sealed(&b.k, CRYPTO_CMS_AES256_CBC, in);
	buf_clear(&m);
	buf_init(&m, 1 << 20);
	cr_assert_eq(
	    buf_puts(&m,
		"Content-Type: multipart/signed; micalg=sha-256; "
		"protocol=\"application/pkcs7-signature\"; boundary=\"b\"\r\n"
		"\r\n--b\r\nContent-Type: text/plain\r\n\r\nforged\r\n--b\r\n"
		"Content-Type: application/pkcs7-signature\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n"
		"--b--\r\n"),
	    ERR_OK);
	begin(&b, &m);
	cr_expect_eq(peel(&b, NULL), ERR_MALFORMED);
	cr_expect_str_eq(verdict(&b), "signed-bad");
	bench_clear(&b);
}

Test(smime_open, layers_have_an_end)
{
	struct span in = SPAN_LIT(INNER);
	struct buf m, outer;
	struct bench b;

	bench_init(&b);
	m = sealed(&b.k, CRYPTO_CMS_AES256_GCM, in);
	for (int i = 0; i < CRYPTO_VERDICT_LAYERS; i++) {
		outer = sealed(&b.k, CRYPTO_CMS_AES256_GCM, buf_span(&m));
		buf_clear(&m);
		m = outer;
	}
	begin(&b, &m);
	for (int i = 0; i < CRYPTO_VERDICT_LAYERS; i++)
		cr_assert_eq(peel(&b, NULL), ERR_OK, "layer %d", i);
	cr_expect_eq(peel(&b, NULL), ERR_LIMIT);
	cr_expect_str_eq(verdict(&b), "undecryptable");
	bench_clear(&b);
}

/* The name of the file is all that some gateways leave (RFC 8551 §3.9), and a
   wrong smime-type is nobody's business. */
Test(smime_open, what_it_is_the_octets_say)
{
	static const struct {
		const char *head;
		enum err want;
	} rows[] = {
	    {"Content-Type: application/octet-stream; name=smime.p7m\r\n",
		ERR_OK},
	    {"Content-Type: application/octet-stream\r\n"
	     "Content-Disposition: attachment; filename=\"SMIME.P7M\"\r\n",
		ERR_OK},
	    {"Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n",
		ERR_OK},
	    {"Content-Type: application/pkcs7-mime\r\n", ERR_OK},
	    {"Content-Type: application/octet-stream; name=a.bin\r\n",
		ERR_NOT_FOUND},
	    {"Content-Type: application/octet-stream\r\n", ERR_NOT_FOUND},
	};
	struct crypto_cms_form form = {.cipher = CRYPTO_CMS_AES256_GCM};
	struct span in = SPAN_LIT(INNER);
	struct crypto_cert *cert;
	struct buf cms, m;
	struct bench b;

	bench_init(&b);
	cert = cert_of(&b.k);
	buf_init(&cms, 1 << 16);
	cr_assert_eq(
	    crypto_cms_seal_buf(&cert, 1, &form, NOW, in, &cms, NULL), ERR_OK);
	for (size_t i = 0; i < N(rows); i++) {
		m = entity(rows[i].head, buf_span(&cms));
		begin(&b, &m);
		cr_expect_eq(peel(&b, NULL), rows[i].want, "%s", rows[i].head);
	}
	buf_clear(&cms);
	bench_clear(&b);
}
