/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Signatures of ours and of openssl are good; what was changed, what has two
 * meanings, what was made with what can be forged, is not.
 */
#include "crypto/cms_verify.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/memfd.h"
#include "common/secret.h"
#include "crypto/cert.h"
#include "crypto/cms_form.h"
#include "crypto/cms_sign.h"
#include "crypto/cms_verify_private.h"
#include "mime/sink.h"
#include "tests/crypto/keyring.h"
#include "tests/crypto/peer.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define NOW  INT64_C(1800000000)
#define MAIL "Content-Type: text/plain\r\n\r\nto be or not to be\r\n"
#define P7   "\x2a\x86\x48\x86\xf7\x0d\x01\x07"
#define P9   "\x2a\x86\x48\x86\xf7\x0d\x01\x09"

static void
init(void)
{
	secret_init();
}

TestSuite(cms_verify, .init = init);

/* Who is asked whether a certificate is believed. */
struct court {
	enum err says;
	unsigned asked;
	size_t n_pool;
	int64_t made;
	struct crypto_cert *known; /* for find */
	struct crypto_cert *only;  /* nobody else is believed */
};

static enum err
judge(void *ctx, struct crypto_cert *leaf, struct crypto_cert *const *pool,
    size_t n_pool, int64_t made, struct err_why *why)
{
	struct court *c = ctx;

	cr_assert_not_null(leaf);
	cr_assert(n_pool == 0 || pool[0] != NULL);
	c->asked++;
	c->n_pool = n_pool;
	c->made = made;
	if (c->only != NULL &&
	    !span_eq(crypto_cert_der(c->only), crypto_cert_der(leaf)))
		return ERR_KEY_UNTRUSTED;
	return c->says == ERR_OK ? ERR_OK
				 : err_why(why, c->says, "the court says no");
}

static enum err
find(void *ctx, const struct crypto_cms_rid *rid, struct crypto_cert **out)
{
	struct court *c = ctx;

	if (c->known == NULL ||
	    !crypto_cms_rid_is(rid, crypto_cert_info(c->known)))
		return ERR_NOT_FOUND;
	*out = crypto_cert_ref(c->known);
	return ERR_OK;
}

/* What one test works with. */
struct bench {
	struct arena *a;
	struct crypto_verdict v;
	struct court court;
	struct crypto_cms_verifier verifier;
};

static void
bench_init(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	b->a = arena_new(1 << 20);
	b->verifier = (struct crypto_cms_verifier){
	    .ctx = &b->court, .judge = judge, .find = find, .now = NOW};
	crypto_verdict_init(&b->v, b->a);
}

static enum err
verify(struct bench *b, struct span cms, const struct span *detached)
{
	arena_reset(b->a);
	crypto_verdict_init(&b->v, b->a);
	return crypto_cms_verify(cms, detached, &b->verifier, &b->v, NULL);
}

static void
bench_clear(struct bench *b)
{
	arena_free(b->a);
}

static struct buf
sign(struct keyring *k, bool opaque, bool pss, struct crypto_cert *encrypt,
    struct span in)
{
	struct crypto_cms_signer s = {.now = NOW,
	    .sign = keyring_sign,
	    .ctx = k,
	    .pss = pss,
	    .encrypt = encrypt,
	    .cert = (struct crypto_cert *)(uintptr_t)k->keys[0].cert};
	struct mime_sink to;
	struct buf out;

	buf_init(&out, in.len + 65536);
	to = mime_sink_buf(&out);
	cr_assert_eq(opaque ? crypto_cms_sign_opaque(&s, in, &to, NULL)
			    : crypto_cms_sign_detached(&s, in, &out, NULL),
	    ERR_OK);
	return out;
}

Test(cms_verify, what_we_sign_is_good)
{
	static const struct {
		const char *who;
		bool pss;
		const char *alg;
		const char *addr;
	} rows[] = {
	    {"rsa2048", false, "RSA-2048 SHA-256", "alice@example.com"},
	    {"rsa2048", true, "RSA-2048 PSS SHA-256", "alice@example.com"},
	    {"sign256", false, "P-256 SHA-256", "sigrid@example.com"},
	    {"sign384", false, "P-384 SHA-384", "signe@example.com"},
	    {"p521", false, "P-521 SHA-512", "dana@example.com"},
	};
	struct span in = SPAN_LIT(MAIL);
	struct bench b;

	bench_init(&b);
	for (size_t i = 0; i < 2 * N(rows); i++) {
		bool opaque = i % 2 == 1;
		struct keyring k = {0};
		struct buf cms;
		int fd = -1;

		keyring_add(&k, rows[i / 2].who);
		cms = sign(&k, opaque, rows[i / 2].pss, NULL, in);
		cr_assert_eq(
		    verify(&b, buf_span(&cms), opaque ? NULL : &in), ERR_OK);
		cr_assert_eq(b.v.n_sigs, 1);
		cr_expect_eq(b.v.sigs[0].status, CRYPTO_SIGNED_GOOD, "%s: %s",
		    rows[i / 2].alg, b.v.sigs[0].reason);
		cr_expect_str_eq(b.v.sigs[0].alg, rows[i / 2].alg);
		cr_expect_str_eq(b.v.sigs[0].addrs[0], rows[i / 2].addr);
		cr_expect_eq(strlen(b.v.sigs[0].fpr), 64);
		cr_expect_eq(b.v.sigs[0].made, NOW);
		cr_expect_eq(b.court.made, NOW);
		cr_expect(b.v.sigs[0].caps_known);
		cr_expect_gt(b.v.sigs[0].caps_der.len, 0);
		cr_expect_eq(b.v.sigs[0].caps,
		    CRYPTO_CAP_AES128_CBC | CRYPTO_CAP_AES256_CBC |
			CRYPTO_CAP_AES128_GCM | CRYPTO_CAP_AES256_GCM);
		cr_expect(
		    span_eq(b.v.sigs[0].cert, crypto_cert_der(k.keys[0].cert)));
		cr_expect_eq(b.v.n_layers, 1);
		crypto_verdict_bind(&b.v, &rows[i / 2].addr, 1);
		cr_expect_eq(b.v.signature, CRYPTO_SIGNED_GOOD);
		cr_expect_eq(
		    crypto_cms_content(buf_span(&cms), 1 << 20, &fd, NULL),
		    opaque ? ERR_OK : ERR_NOT_FOUND);
		if (opaque) {
			struct memfd_map map;

			cr_assert_eq(memfd_map(fd, 1 << 20, &map), ERR_OK);
			cr_expect(span_eq(map.data, in));
			memfd_unmap(&map);
			close(fd);
			cr_expect_eq(crypto_cms_content(
					 buf_span(&cms), in.len - 1, &fd, NULL),
			    ERR_TOO_BIG);
		}
		buf_clear(&cms);
		keyring_clear(&k);
	}
	bench_clear(&b);
}

/* --- what openssl makes --- */

struct made {
	const char *name;
	const char *args[8];
	bool opaque;
	enum crypto_signed want; /* of the last signature */
	size_t n;
};

static const struct made made[] = {
    {"plain", {"-signer", "rsa2048", NULL}, false, CRYPTO_SIGNED_GOOD, 1},
    {"opaque", {"-signer", "rsa2048", "-nodetach"}, true, CRYPTO_SIGNED_GOOD,
	1},
    {"streamed", {"-signer", "rsa2048", "-nodetach", "-stream"}, true,
	CRYPTO_SIGNED_GOOD, 1},
    {"key id", {"-signer", "rsa2048", "-keyid"}, false, CRYPTO_SIGNED_GOOD, 1},
    {"without attributes", {"-signer", "rsa2048", "-noattr"}, false,
	CRYPTO_SIGNED_GOOD, 1},
    {"sha512", {"-signer", "sign256", "-md", "sha512"}, false,
	CRYPTO_SIGNED_GOOD, 1},
    {"sha384", {"-signer", "rsa3072", "-md", "sha384"}, false,
	CRYPTO_SIGNED_GOOD, 1},
    {"pss", {"-signer", "rsa2048", "-keyopt", "rsa_padding_mode:pss"}, false,
	CRYPTO_SIGNED_GOOD, 1},
    {"pss with a long salt",
	{"-signer", "rsa2048", "-keyopt", "rsa_padding_mode:pss", "-keyopt",
	    "rsa_pss_saltlen:48"},
	false, CRYPTO_SIGNED_GOOD, 1},
    {"two", {"-signer", "rsa2048", "-signer", "sign384"}, false,
	CRYPTO_SIGNED_GOOD, 2},
    {"sha1", {"-signer", "rsa2048", "-md", "sha1"}, false,
	CRYPTO_SIGNED_UNSUPPORTED, 1},
    {"sha1 on a curve", {"-signer", "sign256", "-md", "sha1"}, false,
	CRYPTO_SIGNED_UNSUPPORTED, 1},
    {"md5", {"-signer", "rsa2048", "-md", "md5"}, false,
	CRYPTO_SIGNED_UNSUPPORTED, 1},
    {"without its certificate", {"-signer", "rsa3072", "-nocerts"}, false,
	CRYPTO_SIGNED_UNKNOWN_KEY, 1},
    {"of another type",
	{"-signer", "rsa2048", "-nodetach", "-econtent_type", "1.2.3.4"}, true,
	CRYPTO_SIGNED_BAD, 1},
};

static struct buf
make(const char *dir, const struct made *m)
{
	char arg[12][160] = {{0}};
	const char *a[12];
	size_t n = 0;

	for (size_t i = 0; i < N(m->args) && m->args[i] != NULL; i++) {
		bool who = i > 0 && strcmp(m->args[i - 1], "-signer") == 0;

		snprintf(arg[n], sizeof(arg[n]), "%s", m->args[i]);
		if (who) {
			char name[32];

			snprintf(name, sizeof(name), "%s.pem", m->args[i]);
			snprintf(arg[n], sizeof(arg[n]), "%s", peer_data(name));
			snprintf(arg[++n], sizeof(arg[n]), "-inkey");
			snprintf(name, sizeof(name), "%s.key", m->args[i]);
			snprintf(
			    arg[++n], sizeof(arg[n]), "%s", peer_data(name));
		}
		n++;
	}
	for (size_t i = 0; i < N(a); i++)
		a[i] = i < n ? arg[i] : "-binary";
	cr_assert_eq(peer_run(NULL, NULL, "openssl", "cms", "-sign", "-in",
			 peer_path(dir, "in"), "-out", peer_path(dir, "cms"),
			 "-outform", "DER", a[0], a[1], a[2], a[3], a[4], a[5],
			 a[6], a[7], a[8], a[9], "-binary", NULL),
	    0, "%s", m->name);
	return peer_read(peer_path(dir, "cms"));
}

Test(cms_verify, what_openssl_signs)
{
	struct span in = SPAN_LIT(MAIL);
	struct bench b;
	char dir[64];

	bench_init(&b);
	peer_dir_make(dir);
	peer_write(peer_path(dir, "in"), in);
	for (size_t i = 0; i < N(made); i++) {
		struct buf cms = make(dir, &made[i]);

		cr_assert_eq(
		    verify(&b, buf_span(&cms), made[i].opaque ? NULL : &in),
		    ERR_OK, "%s", made[i].name);
		cr_assert_eq(b.v.n_sigs, made[i].n, "%s", made[i].name);
		cr_expect_eq(b.v.sigs[b.v.n_sigs - 1].status, made[i].want,
		    "%s: %s %s", made[i].name,
		    crypto_signed_word(b.v.sigs[0].status), b.v.sigs[0].reason);
		cr_expect_eq(b.v.sigs[0].reason[0] != '\0',
		    made[i].want != CRYPTO_SIGNED_GOOD);
		/* another content: none of them is good */
		if (!made[i].opaque) {
			struct span other = SPAN(in.data, in.len - 1);

			cr_assert_eq(
			    verify(&b, buf_span(&cms), &other), ERR_OK);
			for (size_t s = 0; s < b.v.n_sigs; s++)
				cr_expect_neq(b.v.sigs[s].status,
				    CRYPTO_SIGNED_GOOD, "%s", made[i].name);
		}
		buf_clear(&cms);
	}
	peer_dir_remove(dir);
	bench_clear(&b);
}

Test(cms_verify, a_certificate_that_is_not_sent_is_looked_up)
{
	static const struct made m = {"", {"-signer", "rsa3072", "-nocerts"},
	    false, CRYPTO_SIGNED_GOOD, 1};
	struct span in = SPAN_LIT(MAIL);
	struct keyring k = {0};
	struct bench b;
	struct buf cms;
	char dir[64];

	bench_init(&b);
	peer_dir_make(dir);
	peer_write(peer_path(dir, "in"), in);
	keyring_add(&k, "rsa3072");
	cms = make(dir, &m);
	b.court.known = (struct crypto_cert *)(uintptr_t)k.keys[0].cert;
	cr_assert_eq(verify(&b, buf_span(&cms), &in), ERR_OK);
	cr_expect_eq(b.v.sigs[0].status, CRYPTO_SIGNED_GOOD);
	buf_clear(&cms);
	keyring_clear(&k);
	peer_dir_remove(dir);
	bench_clear(&b);
}

Test(cms_verify, one_signer_of_several_is_wrong)
{
	static const char *const from[] = {"alice@example.com"};
	static const struct made m = {"",
	    {"-signer", "rsa2048", "-signer", "sign384"}, false,
	    CRYPTO_SIGNED_GOOD, 2};
	struct span in = SPAN_LIT(MAIL);
	struct cms_signed s;
	struct bench b;
	struct buf cms;
	char dir[64];

	bench_init(&b);
	peer_dir_make(dir);
	peer_write(peer_path(dir, "in"), in);
	cms = make(dir, &m);
	for (size_t i = 0; i < 2; i++) {
		cr_assert_eq(cms_signed_parse(buf_span(&cms), &s), ERR_OK);
		size_t at = (size_t)(s.signers[i].sig.data - cms.data) +
			    s.signers[i].sig.len - 1;

		cms.data[at] ^= 1;
		cr_assert_eq(verify(&b, buf_span(&cms), &in), ERR_OK);
		crypto_verdict_bind(&b.v, from, 1);
		cr_expect_eq(b.v.signature, CRYPTO_SIGNED_BAD, "%zu", i);
		cms.data[at] ^= 1;
	}
	cr_assert_eq(verify(&b, buf_span(&cms), &in), ERR_OK);
	crypto_verdict_bind(&b.v, from, 1);
	cr_expect_eq(b.v.signature, CRYPTO_SIGNED_GOOD);
	buf_clear(&cms);
	peer_dir_remove(dir);
	bench_clear(&b);
}

/* Any octet changed: bad, or unknown, or good with the same certificate, where
   it is none that is signed. */
Test(cms_verify, no_octet_can_be_changed_to_another_signer)
{
	struct span in = SPAN_LIT(MAIL);
	struct keyring k = {0};
	struct bench b;
	struct buf cms;
	char fpr[80];
	size_t good = 0;

	bench_init(&b);
	keyring_add(&k, "sign256");
	cms = sign(&k, false, false, NULL, in);
	cr_assert_eq(verify(&b, buf_span(&cms), &in), ERR_OK);
	snprintf(fpr, sizeof(fpr), "%s", b.v.sigs[0].fpr);
	b.court.only = (struct crypto_cert *)(uintptr_t)k.keys[0].cert;
	for (size_t i = 0; i < cms.len; i++) {
		cms.data[i] ^= 1;
		if (verify(&b, buf_span(&cms), &in) == ERR_OK &&
		    b.v.sigs[0].status == CRYPTO_SIGNED_GOOD) {
			cr_expect_str_eq(b.v.sigs[0].fpr, fpr, "%zu", i);
			cr_expect_eq(b.v.sigs[0].made, NOW);
			good++;
		}
		cms.data[i] ^= 1;
	}
	/* versions, and the list of digests, which decides nothing */
	cr_expect_lt(good, 30, "%zu", good);
	buf_clear(&cms);
	keyring_clear(&k);
	bench_clear(&b);
}

/* --- what has no meaning, or two --- */

Test(cms_verify, one_content_and_no_other)
{
	struct span in = SPAN_LIT(MAIL);
	struct keyring k = {0};
	struct buf opaque, detached;
	struct bench b;

	bench_init(&b);
	keyring_add(&k, "rsa2048");
	opaque = sign(&k, true, false, NULL, in);
	detached = sign(&k, false, false, NULL, in);
	/* eContent and another one beside it, be it the same */
	cr_assert_eq(verify(&b, buf_span(&opaque), &in), ERR_OK);
	cr_expect_eq(b.v.sigs[0].status, CRYPTO_SIGNED_BAD);
	cr_assert_eq(verify(&b, buf_span(&detached), NULL), ERR_OK);
	cr_expect_eq(b.v.sigs[0].status, CRYPTO_SIGNED_BAD);
	cr_expect_eq(b.court.asked, 0);
	buf_clear(&opaque);
	buf_clear(&detached);
	keyring_clear(&k);
	bench_clear(&b);
}

static void
put(struct buf *out, unsigned tag, struct span body)
{
	cr_assert_eq(ber_put_head(out, tag, body.len), ERR_OK);
	cr_assert_eq(buf_put(out, body), ERR_OK);
}

/* The innermost that was put becomes the content of one more element. */
static void
wrap(struct buf *b, unsigned tag)
{
	struct buf all;

	buf_init(&all, 1 << 20);
	put(&all, tag, buf_span(b));
	buf_clear(b);
	*b = all;
}

/* A SignedData with n times these octets of a SignerInfo, certificates, and no
   content (or this one). */
static struct buf
signed_data(
    struct span signer, size_t n, struct span certs, const struct span *content)
{
	struct buf b, c;

	buf_init(&b, 1 << 20);
	buf_init(&c, 1 << 20);
	if (content != NULL) {
		put(&c, BER_OCTETS, *content);
		wrap(&c, BER_OPTION_CONSTRUCTED);
	}
	put(&b, BER_INTEGER, SPAN_LIT("\x01"));
	put(&b, BER_SET, SPAN(NULL, 0));
	{
		struct buf e;

		buf_init(&e, 1 << 20);
		put(&e, BER_OID, SPAN_LIT(P7 "\x01"));
		cr_assert_eq(buf_put(&e, buf_span(&c)), ERR_OK);
		put(&b, BER_SEQUENCE, buf_span(&e));
		buf_clear(&e);
	}
	if (certs.len > 0)
		put(&b, BER_OPTION_CONSTRUCTED, certs);
	buf_reset(&c);
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(buf_put(&c, signer), ERR_OK);
	put(&b, BER_SET, buf_span(&c));
	buf_clear(&c);
	wrap(&b, BER_SEQUENCE);
	wrap(&b, BER_OPTION_CONSTRUCTED);
	buf_init(&c, 1 << 20);
	put(&c, BER_OID, SPAN_LIT(P7 "\x02"));
	cr_assert_eq(buf_put(&c, buf_span(&b)), ERR_OK);
	buf_clear(&b);
	wrap(&c, BER_SEQUENCE);
	return c;
}

/* The attributes of a signature, given as the content of another one that has
   none: the same octets are signed. */
Test(cms_verify, attributes_are_no_content)
{
	struct span in = SPAN_LIT(MAIL);
	struct keyring k = {0};
	struct buf cms, attrs, si, ias, forged;
	struct cms_signed s;
	struct bench b;
	struct span content;
	const struct crypto_cert_info *info;

	bench_init(&b);
	keyring_add(&k, "rsa2048");
	info = crypto_cert_info(k.keys[0].cert);
	cms = sign(&k, false, false, NULL, in);
	cr_assert_eq(cms_signed_parse(buf_span(&cms), &s), ERR_OK);
	buf_init(&attrs, 1 << 16);
	cr_assert_eq(buf_put(&attrs, s.signers[0].attrs), ERR_OK);
	attrs.data[0] = BER_SET;
	content = buf_span(&attrs);
	buf_init(&si, 1 << 16);
	buf_init(&ias, 1 << 16);
	put(&si, BER_INTEGER, SPAN_LIT("\x01"));
	cr_assert_eq(buf_put(&ias, info->issuer_der), ERR_OK);
	put(&ias, BER_INTEGER, info->serial_raw);
	put(&si, BER_SEQUENCE, buf_span(&ias));
	put(&si, BER_SEQUENCE, s.signers[0].digest_alg);
	put(&si, BER_SEQUENCE, s.signers[0].sig_alg);
	put(&si, BER_OCTETS, s.signers[0].sig);
	wrap(&si, BER_SEQUENCE);
	forged = signed_data(
	    buf_span(&si), 1, crypto_cert_der(k.keys[0].cert), NULL);
	cr_assert_eq(verify(&b, buf_span(&forged), &content), ERR_OK);
	cr_expect_eq(b.v.sigs[0].status, CRYPTO_SIGNED_BAD);
	cr_expect_not_null(
	    strstr(b.v.sigs[0].reason, "attributes"), "%s", b.v.sigs[0].reason);
	buf_clear(&forged);
	/* the same as content of its own */
	forged = signed_data(
	    buf_span(&si), 1, crypto_cert_der(k.keys[0].cert), &content);
	cr_assert_eq(verify(&b, buf_span(&forged), NULL), ERR_OK);
	cr_expect_eq(b.v.sigs[0].status, CRYPTO_SIGNED_BAD);
	buf_clear(&forged);
	buf_clear(&cms);
	buf_clear(&attrs);
	buf_clear(&si);
	buf_clear(&ias);
	keyring_clear(&k);
	bench_clear(&b);
}

#define TYPE   "\x30\x18\x06\x09" P9 "\x03\x31\x0b\x06\x09" P7 "\x01"
#define DIGEST "\x30\x0f\x06\x09" P9 "\x04\x31\x02\x04\x00"
#define TIME                                                                   \
	"\x30\x1c\x06\x09" P9 "\x05\x31\x0f\x17\x0d"                           \
	"260101000000Z"

Test(cms_verify, attributes_have_one_meaning)
{
	static const struct {
		const char *name;
		struct span attrs;
		bool good;
	} rows[] = {
#define ROW(n, s, g) {n, {(const uint8_t *)(s), sizeof(s) - 1}, g}
	    ROW("both", TYPE DIGEST, true),
	    ROW("with a time", TYPE DIGEST TIME, true),
	    ROW("unknown beside", TYPE DIGEST "\x30\x05\x06\x01\x2a\x31\x00",
		true),
	    ROW("none", "", false),
	    ROW("no digest", TYPE, false),
	    ROW("no type", DIGEST, false),
	    ROW("two types", TYPE DIGEST TYPE, false),
	    ROW("two digests", DIGEST TYPE DIGEST, false),
	    ROW("two times", TYPE DIGEST TIME TIME, false),
	    ROW("a digest of no value",
		TYPE "\x30\x0d\x06\x09" P9 "\x04\x31\x00", false),
	    ROW("a digest of two values",
		TYPE "\x30\x11\x06\x09" P9 "\x04\x31\x04\x04\x00\x04\x00",
		false),
	    ROW("a digest of another type",
		TYPE "\x30\x10\x06\x09" P9 "\x04\x31\x03\x02\x01\x00", false),
	    ROW("no set", TYPE "\x30\x0d\x06\x09" P9 "\x04\x30\x00", false),
	    ROW("something behind", TYPE DIGEST "\x05\x00", false),
#undef ROW
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct cms_signed s;
		struct buf si, cms;

		buf_init(&si, 1 << 16);
		put(&si, BER_INTEGER, SPAN_LIT("\x03"));
		put(&si, BER_OPTION, SPAN_LIT("key id"));
		put(&si, BER_SEQUENCE, SPAN(NULL, 0));
		put(&si, BER_OPTION_CONSTRUCTED, rows[i].attrs);
		put(&si, BER_SEQUENCE, SPAN(NULL, 0));
		put(&si, BER_OCTETS, SPAN_LIT("x"));
		wrap(&si, BER_SEQUENCE);
		cms = signed_data(buf_span(&si), 1, SPAN(NULL, 0), NULL);
		cr_assert_eq(cms_signed_parse(buf_span(&cms), &s), ERR_OK, "%s",
		    rows[i].name);
		cr_expect_eq(s.signers[0].fault == NULL, rows[i].good, "%s: %s",
		    rows[i].name, s.signers[0].fault);
		buf_clear(&cms);
		buf_clear(&si);
	}
}

Test(cms_verify, signers_have_an_end_and_a_beginning)
{
	struct span in = SPAN_LIT(MAIL);
	struct keyring k = {0};
	struct bench b;
	struct buf cms;

	bench_init(&b);
	keyring_add(&k, "rsa2048");
	cms = signed_data(
	    SPAN(NULL, 0), 0, crypto_cert_der(k.keys[0].cert), NULL);
	cr_expect_eq(verify(&b, buf_span(&cms), &in), ERR_NOT_FOUND);
	cr_expect_eq(b.v.n_layers, 0);
	buf_clear(&cms);
	cms = signed_data(
	    SPAN_LIT("\x30\x00"), CRYPTO_VERDICT_SIGS, SPAN(NULL, 0), NULL);
	cr_expect_eq(verify(&b, buf_span(&cms), &in), ERR_OK);
	cr_expect_eq(b.v.n_sigs, (size_t)CRYPTO_VERDICT_SIGS);
	cr_expect_eq(b.v.sigs[3].status, CRYPTO_SIGNED_BAD);
	buf_clear(&cms);
	cms = signed_data(SPAN_LIT("\x30\x00"), 10000, SPAN(NULL, 0), NULL);
	cr_expect_eq(verify(&b, buf_span(&cms), &in), ERR_LIMIT);
	cr_expect_eq(b.v.n_sigs, 0);
	cr_expect_eq(b.v.n_layers, 0);
	buf_clear(&cms);
	keyring_clear(&k);
	bench_clear(&b);
}

Test(cms_verify, what_is_no_signed_data)
{
	static const struct {
		const char *name;
		struct span in;
	} rows[] = {
	    {"nothing", {(const uint8_t *)"", 0}},
	    {"text", {(const uint8_t *)"hello", 5}},
	    {"data", {(const uint8_t *)"\x30\x0f\x06\x09" P7 "\x01\xa0\x02\x04"
				       "\x00",
			 17}},
	};
	struct span in = SPAN_LIT(MAIL);
	struct bench b;

	bench_init(&b);
	for (size_t i = 0; i < N(rows); i++) {
		cr_expect_eq(verify(&b, rows[i].in, &in), ERR_MALFORMED, "%s",
		    rows[i].name);
		cr_expect_eq(b.v.n_sigs, 0);
	}
	bench_clear(&b);
}

/* --- algorithms --- */

#define SHA256 "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01"
#define SHA512 "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03"
#define SHA1   "\x06\x05\x2b\x0e\x03\x02\x1a"
#define RSA(n) "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01" n
#define PSS(h, m, s)                                                           \
	RSA("\x0a")                                                            \
	"\x30\x30\xa0\x0d\x30\x0b" h                                           \
	"\xa1\x1a\x30\x18" RSA("\x08") "\x30\x0b" m "\xa2\x03\x02\x01" s

Test(cms_verify, algorithms)
{
	static const struct {
		const char *name;
		struct span digest, sig;
		enum err want;
		bool forgeable;
	} rows[] = {
#define ROW(n, d, s, e, f)                                                     \
	{n, {(const uint8_t *)(d), sizeof(d) - 1},                             \
	    {(const uint8_t *)(s), sizeof(s) - 1}, e, f}
	    ROW("rsa", SHA256, RSA("\x01"), ERR_OK, false),
	    ROW("rsa with its hash", SHA256, RSA("\x0b"), ERR_OK, false),
	    ROW("pss", SHA256, PSS(SHA256, SHA256, "\x20"), ERR_OK, false),
	    ROW("pss, mask by another hash", SHA256,
		PSS(SHA256, SHA512, "\x20"), ERR_OK, false),
	    ROW("ecdsa", SHA512, "\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04",
		ERR_OK, false),
	    ROW("two hashes", SHA512, RSA("\x0b"), ERR_MALFORMED, false),
	    ROW("two hashes in pss", SHA512, PSS(SHA256, SHA256, "\x20"),
		ERR_MALFORMED, false),
	    ROW("two hashes on a curve", SHA256,
		"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04", ERR_MALFORMED,
		false),
	    ROW("pss without parameters", SHA256, RSA("\x0a"), ERR_MALFORMED,
		false),
	    ROW("pss with a negative salt", SHA256, PSS(SHA256, SHA256, "\x81"),
		ERR_UNSUPPORTED, false),
	    ROW("sha1", SHA1, RSA("\x01"), ERR_UNSUPPORTED, true),
	    ROW("sha1 in the signature", SHA256, RSA("\x05"), ERR_UNSUPPORTED,
		true),
	    ROW("ed25519", SHA512, "\x06\x03\x2b\x65\x70", ERR_UNSUPPORTED,
		false),
	    ROW("ed448", SHA512, "\x06\x03\x2b\x65\x71", ERR_UNSUPPORTED,
		false),
	    ROW("dsa", SHA256, "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x02",
		ERR_UNSUPPORTED, false),
	    ROW("nothing", SHA256, "", ERR_MALFORMED, false),
#undef ROW
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct cms_signer s = {
		    .digest_alg = rows[i].digest, .sig_alg = rows[i].sig};
		struct cms_sig_alg alg;
		const char *why = "";

		cr_expect_eq(cms_sig_alg_parse(&s, &alg, &why), rows[i].want,
		    "%s", rows[i].name);
		cr_expect_eq(strstr(why, "forged") != NULL, rows[i].forgeable,
		    "%s: %s", rows[i].name, why);
	}
}

/* --- belief --- */

Test(cms_verify, what_the_court_says_is_what_is_said)
{
	static const struct {
		enum err says;
		enum crypto_signed want;
	} rows[] = {
	    {ERR_OK, CRYPTO_SIGNED_GOOD},
	    {ERR_KEY_UNTRUSTED, CRYPTO_SIGNED_UNKNOWN_KEY},
	    {ERR_RUNG_FAILED, CRYPTO_SIGNED_UNKNOWN_KEY},
	    {ERR_KEY_EXPIRED, CRYPTO_SIGNED_KEY_EXPIRED},
	    {ERR_KEY_REVOKED, CRYPTO_SIGNED_KEY_REVOKED},
	    {ERR_KEY_UNUSABLE, CRYPTO_SIGNED_KEY_UNUSABLE},
	    {ERR_UNSUPPORTED, CRYPTO_SIGNED_UNSUPPORTED},
	};
	struct span in = SPAN_LIT(MAIL);
	struct keyring k = {0};
	struct bench b;
	struct buf cms;

	bench_init(&b);
	keyring_add(&k, "rsa2048");
	cms = sign(&k, false, false, NULL, in);
	for (size_t i = 0; i < N(rows); i++) {
		b.court.says = rows[i].says;
		cr_assert_eq(verify(&b, buf_span(&cms), &in), ERR_OK);
		cr_expect_eq(b.v.sigs[0].status, rows[i].want, "%s",
		    err_name(rows[i].says));
		cr_expect_str_eq(b.v.sigs[0].reason,
		    rows[i].says == ERR_OK ? "" : "the court says no");
		/* of whom nothing is believed, nothing is learned */
		cr_expect_eq(
		    b.v.sigs[0].encrypt_cert.len > 0, rows[i].says == ERR_OK);
	}
	b.court.says = ERR_IO;
	cr_expect_eq(verify(&b, buf_span(&cms), &in), ERR_IO);
	buf_clear(&cms);
	keyring_clear(&k);
	bench_clear(&b);
}

Test(cms_verify, the_certificate_to_answer_with)
{
	struct span in = SPAN_LIT(MAIL);
	struct keyring k = {0}, other = {0};
	struct crypto_cert *answer;
	struct bench b;
	struct buf cms;

	bench_init(&b);
	keyring_add(&k, "sign384");
	keyring_add(&other, "p256");
	answer = (struct crypto_cert *)(uintptr_t)other.keys[0].cert;
	cms = sign(&k, false, false, answer, in);
	cr_assert_eq(verify(&b, buf_span(&cms), &in), ERR_OK);
	cr_expect_eq(b.v.sigs[0].status, CRYPTO_SIGNED_GOOD);
	cr_expect(span_eq(b.v.sigs[0].encrypt_cert, crypto_cert_der(answer)));
	cr_expect_eq(b.court.n_pool, 2);
	buf_clear(&cms);
	/* one that cannot be sealed to, and no other: none */
	cms = sign(&k, false, false, NULL, in);
	cr_assert_eq(verify(&b, buf_span(&cms), &in), ERR_OK);
	cr_expect_eq(b.v.sigs[0].encrypt_cert.len, 0);
	buf_clear(&cms);
	keyring_clear(&k);
	keyring_clear(&other);
	bench_clear(&b);
}
