/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What is made of a message with OpenPGP in it, with a test as the engine: when
 * it is asked, for what, and what the verdict says of its answers.
 */
#include "gateway/open_pgp.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/memfd.h"
#include "keystore/record.h"
#include "mime/pgp_shape.h"
#include "mime/scan.h"
#include "mime/tree.h"

/* PKESK for the key ID 3132333435363738, then SEIPD: packets alone. */
#define B64                                                                    \
	"wQ4DMTIzNDU2NzgBAAj/"                                                 \
	"gNIoAYCBgoOEhYaHAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="
/* the same, for somebody who is hidden */
#define B64_HIDDEN                                                             \
	"wQ4DAAAAAAAAAAABAAj/"                                                 \
	"gNIoAYCBgoOEhYaHAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="
#define ARMOR                                                                  \
	"-----BEGIN PGP MESSAGE-----\r\n\r\n" B64                              \
	"\r\n-----END PGP MESSAGE-----\r\n"
/* a literal packet */
#define READABLE                                                               \
	"-----BEGIN PGP MESSAGE-----\r\n\r\nywtiAAAAAAB0ZXh0Cg==\r\n"          \
	"-----END PGP MESSAGE-----\r\n"
/* armor around none, and around half of a message */
#define DAMAGED                                                                \
	"-----BEGIN PGP MESSAGE-----\r\n\r\nAAECAwQFBgcICQ==\r\n"              \
	"-----END PGP MESSAGE-----\r\n"
#define CUT                                                                    \
	"-----BEGIN PGP MESSAGE-----\r\n\r\nwQ4DMTIzNDU2NzgBAAj/\r\n"          \
	"-----END PGP MESSAGE-----\r\n"
#define HEAD "From: a@b.example\r\nMIME-Version: 1.0\r\n"
#define ENC(type, body)                                                        \
	HEAD "Content-Type: multipart/encrypted; boundary=x;\r\n"              \
	     " protocol=\"application/pgp-encrypted\"\r\n\r\n"                 \
	     "--x\r\nContent-Type: application/pgp-encrypted\r\n\r\n"          \
	     "Version: 1\r\n--x\r\nContent-Type: "                             \
	     "application/octet-stream\r\n" type "\r\n" body "--x--\r\n"
#define MIXED HEAD "Content-Type: multipart/mixed; boundary=x\r\n\r\n"
#define TEXT  "--x\r\nContent-Type: text/plain\r\n\r\n"
#define FILE(name)                                                             \
	"\r\n--x\r\nContent-Type: application/octet-stream; name=\"" name      \
	"\"\r\n\r\n"
#define SIGNED                                                                 \
	HEAD "Content-Type: multipart/signed; boundary=s; micalg=m;\r\n"       \
	     " protocol=\"application/pgp-signature\"\r\n\r\n"                 \
	     "--s\r\nX: y\r\n\r\ntext\r\n\r\n--s\r\n"                          \
	     "Content-Type: application/pgp-signature\r\n\r\nsig\r\n--s--\r\n"

/* One message, two keys of ours, one of the sender's. */
struct desk {
	struct arena *arena;
	char *octets;
	struct mime_pgp shape;
	struct ks_record ours[2], theirs;
	struct span ids[2];
	struct span addr;
	struct open_pgp_key keys[2];
	const struct ks_record *senders[1];
	struct span brought[1];
	struct open_pgp o;
	struct crypto_verdict v;
	struct open_pgp_layer out;
	struct err_why why;
	/* what the engine answers, and what it was asked */
	enum err answer;
	struct crypto_pgp_sigs sigs;
	unsigned asked;
	size_t n_fprs, n_certs;
	struct span fpr[16];
	char text[256];
	char before[256]; /* what it was given: the last */
};

static void
keep_given(struct desk *d, int fd)
{
	struct memfd_map map;

	cr_assert_eq(memfd_map(fd, 10000, &map), ERR_OK);
	snprintf(d->before, sizeof(d->before), "%.*s", (int)map.data.len,
	    (const char *)map.data.data);
	memfd_unmap(&map);
}

static enum err
fake_open(void *arg, const struct open_pgp_ask *ask, int fd,
    struct memfd_map *out, struct crypto_pgp_opened *result,
    struct err_why *why)
{
	struct desk *d = arg;
	int text = -1;

	d->asked++;
	d->n_fprs = ask->n_fprs;
	d->n_certs = ask->n_certs;
	memcpy(d->fpr, ask->fprs, ask->n_fprs * sizeof(d->fpr[0]));
	keep_given(d, fd);
	if (d->answer != ERR_OK)
		return err_why(why, d->answer, "the reason");
	cr_assert_eq(memfd_from(span_str(d->text), &text), ERR_OK);
	cr_assert_eq(memfd_map(text, 1000, out), ERR_OK);
	close(text);
	*result =
	    (struct crypto_pgp_opened){.cipher = "aes256", .sigs = d->sigs};
	return ERR_OK;
}

static enum err
fake_verify(void *arg, struct span signatures, int fd, const struct span *certs,
    size_t n_certs, struct crypto_pgp_sigs *out, struct err_why *why)
{
	struct desk *d = arg;

	(void)certs;
	d->asked++;
	d->n_certs = n_certs;
	keep_given(d, fd);
	cr_expect(span_eq_str(span_trim(signatures), "sig"));
	if (d->answer != ERR_OK)
		return err_why(why, d->answer, "the reason");
	*out = d->sigs;
	return ERR_OK;
}

static void
desk_make(struct desk *d, const char *msg)
{
	struct mime_tree *t = NULL;
	struct mime_scan scan;
	size_t len = strlen(msg);

	*d = (struct desk){.text = "Content-Type: text/plain\n\nhi\n"};
	d->arena = arena_new(16u << 20);
	d->octets = calloc(1, len + MIME_TREE_PADDING);
	cr_assert_not_null(d->octets);
	memcpy(d->octets, msg, len);
	cr_assert_eq(mime_scan(SPAN(d->octets, len), &scan, NULL), ERR_OK);
	cr_assert_eq(mime_tree_parse(SPAN(d->octets, len), &scan, false,
			 d->arena, &t, NULL),
	    ERR_OK);
	mime_pgp_find(t, d->arena, &d->shape);
	d->ids[0] = SPAN_LIT("12345678");
	d->ids[1] = SPAN_LIT("abcdefgh");
	for (size_t i = 0; i < 2; i++) {
		d->ours[i] = (struct ks_record){.kind = KS_OPENPGP,
		    .fpr = i == 0 ? SPAN_LIT("00000000000000000000")
				  : SPAN_LIT("11111111111111111111"),
		    .n_key_ids = 1,
		    .key_ids = &d->ids[i]};
		d->keys[i] = (struct open_pgp_key){&d->ours[i],
		    i == 0 ? "me@here.example" : "here.example", i == 1};
	}
	d->addr = SPAN_LIT("a@b.example");
	d->theirs = (struct ks_record){.kind = KS_OPENPGP,
	    .fpr = SPAN_LIT("22222222222222222222"),
	    .key = SPAN_LIT("key"),
	    .trust = KS_DISCOVERED,
	    .subject = SPAN_LIT("A \x01"),
	    .n_addrs = 1,
	    .addrs = &d->addr};
	d->senders[0] = &d->theirs;
	d->brought[0] = SPAN_LIT("brought");
	d->o = (struct open_pgp){.engine = {fake_open, fake_verify, d},
	    .keys = d->keys,
	    .n_keys = 2,
	    .senders = d->senders,
	    .n_senders = 1,
	    .brought = d->brought,
	    .n_brought = 1,
	    .max = 1000,
	    .arena = d->arena};
	d->sigs.n = 0;
	crypto_verdict_init(&d->v, d->arena);
}

static enum err
peel(struct desk *d)
{
	d->out = (struct open_pgp_layer){.fd = -1};
	return open_pgp_peel(&d->shape, &d->o, &d->v, &d->out, &d->why);
}

static void
desk_clear(struct desk *d)
{
	if (d->out.fd >= 0)
		close(d->out.fd);
	arena_free(d->arena);
	free(d->octets);
}

static void
expect_out(struct desk *d, const char *begins, const char *what)
{
	struct memfd_map map;

	cr_assert_geq(d->out.fd, 0, "%s", what);
	cr_assert_eq(memfd_map(d->out.fd, 10000, &map), ERR_OK, "%s", what);
	cr_expect(span_starts_caseeq(map.data, begins), "%s: %.*s", what,
	    (int)map.data.len, (const char *)map.data.data);
	memfd_unmap(&map);
}

Test(open_pgp, messages_are_opened_when_they_are_all_of_it)
{
	static const struct {
		const char *what, *msg;
		unsigned asked;
		enum crypto_sealed sealed;
		enum crypto_form form;
		const char *begins; /* NULL: stays on */
	} rows[] = {
	    {"PGP/MIME", ENC("", ARMOR), 1, CRYPTO_SEALED_OPENED,
		CRYPTO_FORM_PGP_MIME, "Content-Type: text/plain\n\nhi"},
	    {"PGP/MIME in base64",
		ENC("Content-Transfer-Encoding: base64\r\n", B64 "\r\n"), 1,
		CRYPTO_SEALED_OPENED, CRYPTO_FORM_PGP_MIME,
		"Content-Type: text/plain\n\nhi"},
	    {"inline", HEAD "\r\n" ARMOR, 1, CRYPTO_SEALED_OPENED,
		CRYPTO_FORM_PGP_INLINE,
		"Content-Type: text/plain; charset=us-ascii\r\n"},
	    {"text and attachment",
		MIXED TEXT ARMOR FILE("a.pgp") ARMOR "--x--\r\n", 2,
		CRYPTO_SEALED_OPENED, CRYPTO_FORM_PGP_INLINE,
		"Content-Type: multipart/mixed"},
	    {"readable packets", ENC("", READABLE), 0, CRYPTO_SEALED_NONE,
		CRYPTO_FORM_NONE, NULL},
	    {"one that is readable",
		MIXED TEXT ARMOR FILE("a.pgp") READABLE "--x--\r\n", 0,
		CRYPTO_SEALED_PARTIAL, CRYPTO_FORM_PGP_MIME, NULL},
	    {"text beside it", HEAD "\r\nhello\r\n" ARMOR, 0,
		CRYPTO_SEALED_PARTIAL, CRYPTO_FORM_PGP_MIME, NULL},
	    /* what it says it is, it is not: judged without any key */
	    {"garbage in PGP/MIME", ENC("", DAMAGED), 0, CRYPTO_SEALED_CLOSED,
		CRYPTO_FORM_PGP_MIME, NULL},
	    {"a cut message in PGP/MIME", ENC("", CUT), 0, CRYPTO_SEALED_CLOSED,
		CRYPTO_FORM_PGP_MIME, NULL},
	    {"no base64",
		ENC("Content-Transfer-Encoding: base64\r\n", B64 "!\r\n"), 0,
		CRYPTO_SEALED_CLOSED, CRYPTO_FORM_PGP_MIME, NULL},
	    {"no armor, no packets", ENC("", "hello\r\n"), 0,
		CRYPTO_SEALED_CLOSED, CRYPTO_FORM_PGP_MIME, NULL},
	    {"nothing in PGP/MIME",
		HEAD "Content-Type: multipart/encrypted; boundary=x\r\n\r\n"
		     "--x\r\n\r\n--x--\r\n",
		0, CRYPTO_SEALED_CLOSED, CRYPTO_FORM_PGP_MIME, NULL},
	    {"garbage inline", HEAD "\r\n" DAMAGED, 0, CRYPTO_SEALED_CLOSED,
		CRYPTO_FORM_PGP_INLINE, NULL},
	    {"a cut message inline", HEAD "\r\n" CUT, 0, CRYPTO_SEALED_CLOSED,
		CRYPTO_FORM_PGP_INLINE, NULL},
	    {"garbage beside a message",
		MIXED TEXT ARMOR FILE("a.pgp") DAMAGED "--x--\r\n", 0,
		CRYPTO_SEALED_PARTIAL, CRYPTO_FORM_PGP_MIME, NULL},
	    {"nothing", HEAD "\r\nhello\r\n", 0, CRYPTO_SEALED_NONE,
		CRYPTO_FORM_NONE, NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct desk d;
		enum err e;

		desk_make(&d, rows[i].msg);
		e = peel(&d);
		cr_expect_eq(e, rows[i].begins == NULL ? ERR_NOT_FOUND : ERR_OK,
		    "%s: %s %s", rows[i].what, err_name(e), d.why.text);
		cr_expect_eq(
		    d.asked, rows[i].asked, "%s: %u", rows[i].what, d.asked);
		cr_expect_eq(d.v.sealed, rows[i].sealed, "%s: %d", rows[i].what,
		    (int)d.v.sealed);
		cr_expect_eq(d.v.sealed_form, rows[i].form, "%s", rows[i].what);
		cr_expect_eq(
		    d.v.n_layers, rows[i].begins != NULL, "%s", rows[i].what);
		if (rows[i].begins != NULL) {
			expect_out(&d, rows[i].begins, rows[i].what);
			cr_expect_str_eq(d.v.opened_for, "me@here.example");
			cr_expect_str_eq(d.v.cipher, "aes256");
		}
		desk_clear(&d);
	}
}

Test(open_pgp, keys_that_are_named_are_asked_for_first)
{
	struct desk d;

	desk_make(&d, ENC("", ARMOR));
	d.ids[0] = SPAN_LIT("zzzzzzzz");
	d.ids[1] = SPAN_LIT("12345678");
	cr_assert_eq(peel(&d), ERR_OK);
	cr_assert_eq(d.n_fprs, 2);
	cr_expect(span_eq(d.fpr[0], d.ours[1].fpr), "the one that is named");
	cr_expect_eq(d.n_certs, 2);
	cr_expect_str_eq(d.v.opened_for, "here.example");
	cr_expect(d.v.domain_key);
	desk_clear(&d);
	/* without a key nobody is asked */
	desk_make(&d, ENC("", ARMOR));
	d.o.n_keys = 0;
	cr_expect_eq(peel(&d), ERR_NOT_FOUND);
	cr_expect_eq(d.asked, 0);
	cr_expect_eq(d.v.sealed, CRYPTO_SEALED_CLOSED);
	desk_clear(&d);
	desk_make(&d,
	    ENC("Content-Transfer-Encoding: base64\r\n", B64_HIDDEN "\r\n"));
	cr_assert_eq(peel(&d), ERR_OK, "%s", d.why.text);
	cr_expect_eq(d.n_fprs, 2);
	desk_clear(&d);
}

Test(open_pgp, what_does_not_open_says_what_anybody_may_know)
{
	static const struct {
		enum err answer, e;
		const char *reason;
	} rows[] = {
	    {ERR_CRYPTO, ERR_NOT_FOUND, CRYPTO_REASON_CLOSED},
	    {ERR_TOO_BIG, ERR_NOT_FOUND, CRYPTO_REASON_CLOSED},
	    {ERR_NO_KEY, ERR_NOT_FOUND,
		"it is encrypted to none of the keys here"},
	    {ERR_PERMISSION, ERR_NOT_FOUND,
		"it is encrypted to none of the keys here"},
	    {ERR_UNSUPPORTED, ERR_NOT_FOUND, "the reason"},
	    {ERR_LIMIT, ERR_NOT_FOUND, "the reason"},
	    /* ours: it comes again */
	    {ERR_ENGINE, ERR_ENGINE, NULL},
	    {ERR_NOT_FOUND, ERR_ENGINE, NULL},
	    {ERR_TIMEOUT, ERR_TIMEOUT, NULL},
	    {ERR_CRASHED, ERR_CRASHED, NULL},
	    {ERR_NOMEM, ERR_NOMEM, NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct desk d;

		desk_make(&d, ENC("", ARMOR));
		d.answer = rows[i].answer;
		cr_expect_eq(peel(&d), rows[i].e, "row %zu", i);
		cr_expect_eq(d.out.fd, -1, "row %zu", i);
		cr_expect_eq(d.v.n_layers, 0, "row %zu", i);
		if (rows[i].reason != NULL) {
			cr_expect_eq(
			    d.v.sealed, CRYPTO_SEALED_CLOSED, "row %zu", i);
			cr_expect_str_eq(d.v.sealed_reason, rows[i].reason,
			    "row %zu: %s", i, d.v.sealed_reason);
		}
		desk_clear(&d);
	}
}

Test(open_pgp, a_signature_counts_for_what_its_key_is_worth)
{
	static const struct {
		const char *what;
		enum crypto_signed status;
		uint32_t cert;
		enum ks_trust trust;
		const char *from;
		enum crypto_signed e;
	} rows[] = {
	    {"good", CRYPTO_SIGNED_GOOD, 0, KS_DISCOVERED, "a@b.example",
		CRYPTO_SIGNED_GOOD},
	    {"another's", CRYPTO_SIGNED_GOOD, 0, KS_DISCOVERED, "x@b.example",
		CRYPTO_SIGNED_OTHER},
	    {"only harvested", CRYPTO_SIGNED_GOOD, 0, KS_HARVESTED,
		"a@b.example", CRYPTO_SIGNED_UNKNOWN_KEY},
	    {"a candidate", CRYPTO_SIGNED_GOOD, 0, KS_CANDIDATE, "a@b.example",
		CRYPTO_SIGNED_UNKNOWN_KEY},
	    {"distrusted", CRYPTO_SIGNED_GOOD, 0, KS_DISTRUSTED, "a@b.example",
		CRYPTO_SIGNED_UNKNOWN_KEY},
	    {"came along", CRYPTO_SIGNED_GOOD, 1, KS_DISCOVERED, "a@b.example",
		CRYPTO_SIGNED_UNKNOWN_KEY},
	    {"came along, bad", CRYPTO_SIGNED_BAD, 1, KS_DISCOVERED,
		"a@b.example", CRYPTO_SIGNED_BAD},
	    {"nobody's", CRYPTO_SIGNED_UNKNOWN_KEY, CRYPTO_PGP_NO_CERT,
		KS_DISCOVERED, "a@b.example", CRYPTO_SIGNED_UNKNOWN_KEY},
	    {"not asked about", CRYPTO_SIGNED_GOOD, 2, KS_DISCOVERED,
		"a@b.example", CRYPTO_SIGNED_BAD},
	    {"revoked", CRYPTO_SIGNED_KEY_REVOKED, 0, KS_DISCOVERED,
		"a@b.example", CRYPTO_SIGNED_KEY_REVOKED},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int sealed = 0; sealed < 2; sealed++) {
			struct desk d;

			desk_make(&d, sealed ? ENC("", ARMOR) : SIGNED);
			d.theirs.trust = rows[i].trust;
			d.sigs.n = 1;
			d.sigs.sig[0] =
			    (struct crypto_pgp_sig){.status = rows[i].status,
				.cert = rows[i].cert,
				.fpr_len = 20,
				.alg = "RSA SHA256"};
			cr_assert_eq(peel(&d), ERR_OK, "%s", rows[i].what);
			crypto_verdict_bind(&d.v, &rows[i].from, 1);
			cr_assert_eq(d.v.n_sigs, 1, "%s", rows[i].what);
			cr_expect_eq(d.v.signature, rows[i].e, "%s: %s",
			    rows[i].what, crypto_signed_word(d.v.signature));
			/* for harvest: what verified, and nothing else */
			cr_expect_eq(d.v.sigs[0].cert.len > 0,
			    rows[i].status == CRYPTO_SIGNED_GOOD &&
				(rows[i].cert == 1 ||
				    (rows[i].cert == 0 &&
					rows[i].trust != KS_DISTRUSTED &&
					rows[i].trust < KS_DISCOVERED)),
			    "%s", rows[i].what);
			if (rows[i].cert == 0)
				cr_expect_str_eq(d.v.sigs[0].name, "A  ");
			if (!sealed) {
				cr_expect(span_eq_str(
				    d.out.entity, "X: y\r\n\r\ntext\r\n"));
				cr_expect_str_eq(
				    d.before, "X: y\r\n\r\ntext\r\n");
			}
			desk_clear(&d);
		}
	}
}

Test(open_pgp, what_is_signed_in_part_is_partial)
{
	static const struct {
		const char *what, *msg;
		enum err e;
	} rows[] = {
	    {"a footer of a list",
		MIXED "--x\r\nContent-Type: multipart/signed; boundary=s;\r\n"
		      " protocol=\"application/pgp-signature\"\r\n\r\n"
		      "--s\r\nX: y\r\n\r\ntext\r\n\r\n--s\r\n"
		      "Content-Type: application/pgp-signature\r\n\r\nsig\r\n"
		      "--s--\r\n\r\n" TEXT "footer\r\n--x--\r\n",
		ERR_NOT_FOUND},
	    {"each part of its own",
		MIXED TEXT ARMOR FILE("a.pgp") ARMOR "--x--\r\n", ERR_OK},
	};
	const char *from = "a@b.example";

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct desk d;

		desk_make(&d, rows[i].msg);
		d.sigs.n = 1;
		d.sigs.sig[0] =
		    (struct crypto_pgp_sig){.status = CRYPTO_SIGNED_GOOD};
		cr_expect_eq(peel(&d), rows[i].e, "%s", rows[i].what);
		crypto_verdict_bind(&d.v, &from, 1);
		cr_expect_eq(d.v.signature, CRYPTO_SIGNED_PARTIAL, "%s: %s",
		    rows[i].what, crypto_signed_word(d.v.signature));
		desk_clear(&d);
	}
}

Test(open_pgp, a_signature_that_is_none_is_bad)
{
	static const enum err answers[] = {ERR_MALFORMED, ERR_LIMIT};

	for (size_t i = 0; i < 2; i++) {
		struct desk d;

		desk_make(&d, SIGNED);
		d.answer = answers[i];
		cr_assert_eq(peel(&d), ERR_OK);
		crypto_verdict_bind(&d.v, NULL, 0);
		cr_expect_eq(d.v.signature, CRYPTO_SIGNED_BAD);
		desk_clear(&d);
	}
}

Test(open_pgp, a_signature_that_could_not_be_looked_at_comes_again)
{
	static const struct {
		enum err answer, e;
	} rows[] = {
	    {ERR_ENGINE, ERR_ENGINE},
	    {ERR_NOT_FOUND, ERR_ENGINE},
	    {ERR_CRASHED, ERR_CRASHED},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct desk d;

		desk_make(&d, SIGNED);
		d.answer = rows[i].answer;
		cr_expect_eq(peel(&d), rows[i].e, "row %zu", i);
		cr_expect_eq(d.asked, 1, "row %zu", i);
		desk_clear(&d);
	}
}

Test(open_pgp, as_many_pieces_are_opened_as_keys_would_be_tried)
{
	struct desk d;
	char msg[64 * 1024] = MIXED;

	for (int i = 0; i < 17; i++) {
		size_t len = strlen(msg);

		snprintf(msg + len, sizeof(msg) - len, "%s%s", TEXT ARMOR,
		    i == 16 ? "--x--\r\n" : "");
	}
	desk_make(&d, msg);
	cr_assert_eq(d.shape.kind, MIME_PGP_INLINE);
	cr_expect_eq(peel(&d), ERR_NOT_FOUND);
	cr_expect_eq(d.asked, 0);
	cr_expect_eq(d.v.sealed, CRYPTO_SEALED_CLOSED);
	desk_clear(&d);
}

/* Openings for several recipients are compared octet for octet. */
Test(open_pgp, pieces_become_the_same_whenever_they_are_opened)
{
	static const char msg[] =
	    MIXED TEXT ARMOR FILE("a.pgp") ARMOR "--x--\r\n";
	struct memfd_map map[3];
	struct desk d[3];

	for (size_t i = 0; i < 3; i++) {
		desk_make(&d[i], msg);
		if (i == 2)
			snprintf(d[i].text, sizeof(d[i].text), "other\n");
		cr_assert_eq(peel(&d[i]), ERR_OK);
		cr_assert_eq(memfd_map(d[i].out.fd, 10000, &map[i]), ERR_OK);
	}
	cr_expect(span_eq(map[0].data, map[1].data));
	/* nobody knows the boundary who does not know the text */
	cr_expect_neq(memcmp(map[0].data.data, map[2].data.data, 70), 0, "%.*s",
	    70, (const char *)map[0].data.data);
	for (size_t i = 0; i < 3; i++) {
		memfd_unmap(&map[i]);
		desk_clear(&d[i]);
	}
}
