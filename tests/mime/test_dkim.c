/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Canonical forms and the field; that others verify the whole is shown by
 * tests/e2e/test_dkim.py. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mime/dkim.h"

#undef N
#define N(a) (sizeof(a) / sizeof((a)[0]))

#define HEAD "From: A <a@B.example>\r\nSubject: x\r\n\r\n"

/* The field of a message that is put in pieces, with its digest. */
static enum err
field_of(const char *text, size_t piece, struct buf *out, uint8_t digest[32])
{
	struct arena *a = arena_new(1 << 20);
	struct mime_dkim *d = mime_dkim_new();
	size_t len = strlen(text), n;
	enum err e = ERR_OK;

	for (size_t at = 0; e == ERR_OK && at < len; at += n) {
		n = len - at < piece ? len - at : piece;
		e = mime_dkim_put(d, SPAN(text + at, n));
	}
	if (e == ERR_OK)
		e = mime_dkim_finish(d, a);
	if (e == ERR_OK)
		e = mime_dkim_begin(
		    d, MIME_DKIM_RSA, "b.example", "s1", 1000, out, digest);
	mime_dkim_free(d);
	arena_free(a);
	return e;
}

/* What stands behind bh= */
static const char *
body_hash(const char *body, char out[64])
{
	char text[2048];
	uint8_t digest[32];
	struct buf b;
	size_t at;

	snprintf(text, sizeof(text), HEAD "%s", body);
	buf_init(&b, MIME_DKIM_FIELD_MAX);
	cr_assert_eq(field_of(text, 7, &b, digest), ERR_OK);
	at = span_find(buf_span(&b), 0, SPAN_LIT("bh="));
	snprintf(out, 64, "%.44s", (const char *)b.data + at + 3);
	buf_clear(&b);
	return out;
}

#define NOTHING "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

static const struct {
	const char *body, *same; /* as this one; NULL: as none */
} bodies[] = {
    {"", NULL},
    {"\r\n", NULL},
    {" \t\r\n\r\n", NULL},
    /* RFC 6376 3.4.5 */
    {" C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n"},
    {"a", "a\r\n"},
    {"a\r\n\r\n\r\n \r\n", "a\r\n"},
    {"a\t\t b", "a b\r\n"},
    {"a\r\n\r\nb\r\n", "a \r\n  \r\nb"},
};

Test(dkim, a_body_is_relaxed)
{
	char one[64], other[64];

	for (size_t i = 0; i < N(bodies); i++)
		cr_expect_str_eq(body_hash(bodies[i].body, one),
		    bodies[i].same == NULL ? NOTHING
					   : body_hash(bodies[i].same, other),
		    "%s", bodies[i].body);
	cr_expect_str_neq(body_hash("a\r\nb", one), body_hash("a b", other));
	cr_expect_str_neq(body_hash(" a", one), body_hash("a", other));
	cr_expect_str_neq(body_hash("\r\na", one), body_hash("a", other));
}

/* Messages with the same relaxed header have the same digest, and others have
   not. */
static const struct {
	const char *a, *b;
	bool same;
} heads[] = {
    {"From: a@b.example\r\nSubject:  x  y \r\n\r\n",
	"FROM:a@b.example\r\nsubject : x\r\n\ty\r\n\r\n", true},
    {"From: a@b.example\r\nX-Other: 1\r\n\r\n", "From: a@b.example\r\n\r\n",
	true},
    {"From: a@b.example\r\nSubject: x\r\n\r\n",
	"From: a@b.example\r\nSubject: X\r\n\r\n", false},
    {"From: a@b.example\r\nSubject: x\r\n\r\n",
	"From: a@b.example\r\nSubject: x\r\nSubject: y\r\n\r\n", false},
    {"To: 1@c\r\nTo: 2@c\r\nFrom: a@b.example\r\n\r\n",
	"To: 2@c\r\nTo: 1@c\r\nFrom: a@b.example\r\n\r\n", false},
};

Test(dkim, a_header_is_relaxed)
{
	for (size_t i = 0; i < N(heads); i++) {
		uint8_t a[32], b[32];
		struct buf f, g;

		buf_init(&f, MIME_DKIM_FIELD_MAX);
		buf_init(&g, MIME_DKIM_FIELD_MAX);
		cr_assert_eq(field_of(heads[i].a, 1000, &f, a), ERR_OK);
		cr_assert_eq(field_of(heads[i].b, 1000, &g, b), ERR_OK);
		cr_expect_eq(
		    memcmp(a, b, 32) == 0, heads[i].same, "%s", heads[i].a);
		buf_clear(&f);
		buf_clear(&g);
	}
}

Test(dkim, pieces_make_no_difference)
{
	const char *text = HEAD " C \r\nD \t E\r\n\r\n\r\n..\r\n";
	uint8_t whole[32], digest[32];
	struct buf all, b;

	buf_init(&all, MIME_DKIM_FIELD_MAX);
	cr_assert_eq(field_of(text, 1000, &all, whole), ERR_OK);
	for (size_t piece = 1; piece < strlen(text); piece++) {
		buf_init(&b, MIME_DKIM_FIELD_MAX);
		cr_assert_eq(field_of(text, piece, &b, digest), ERR_OK);
		cr_expect(span_eq(buf_span(&b), buf_span(&all)), "%zu", piece);
		cr_expect_eq(memcmp(digest, whole, 32), 0, "%zu", piece);
		buf_clear(&b);
	}
	buf_clear(&all);
}

Test(dkim, from_is_signed_once_more_than_it_is_there)
{
	uint8_t digest[32];
	struct buf b;

	buf_init(&b, MIME_DKIM_FIELD_MAX);
	cr_assert_eq(field_of(HEAD, 1000, &b, digest), ERR_OK);
	cr_expect_lt(span_find(buf_span(&b), 0, SPAN_LIT("from:from:")), b.len);
	cr_expect_lt(
	    span_find(buf_span(&b), 0, SPAN_LIT("subject:subject")), b.len);
	cr_expect_eq(span_find(buf_span(&b), 0, SPAN_LIT("l=")), b.len);
	cr_expect_lt(
	    span_find(buf_span(&b), 0, SPAN_LIT("d=b.example; s=s1;")), b.len);
	cr_assert_eq(mime_dkim_end(&b, SPAN("0123456789", 10)), ERR_OK);
	cr_expect_lt(
	    span_find(buf_span(&b), 0, SPAN_LIT("b=MDEyMzQ1Njc4OQ==\r\n")),
	    b.len);
	buf_clear(&b);
}

static const struct {
	const char *head, *domain;
} froms[] = {
    {"From: A <a@B.example>\r\n\r\n", "b.example"},
    {"From: a@b.example, c@d.example\r\n\r\n", "b.example"},
    {"From: \xc3\xa4@b\xc3\xbc.example\r\n\r\n", "xn--b-eha.example"},
    {"Subject: x\r\n\r\n", ""},
    {"From: nobody\r\n\r\n", ""},
    {"\r\nbody", ""},
};

Test(dkim, whose_mail_it_is)
{
	for (size_t i = 0; i < N(froms); i++) {
		struct arena *a = arena_new(1 << 20);
		struct mime_dkim *d = mime_dkim_new();

		cr_assert_eq(mime_dkim_put(d, span_str(froms[i].head)), ERR_OK);
		cr_assert_eq(mime_dkim_finish(d, a), ERR_OK);
		cr_expect_str_eq(mime_dkim_domain(d, a), froms[i].domain, "%s",
		    froms[i].head);
		mime_dkim_free(d);
		arena_free(a);
	}
}

Test(dkim, each_kind_of_key_has_its_name)
{
	static const struct {
		enum mime_dkim_alg alg;
		const char *field, *record;
	} rows[] = {
	    {MIME_DKIM_RSA, "a=rsa-sha256;", "\"v=DKIM1; k=rsa; p=AQI=\""},
	    {MIME_DKIM_ED25519, "a=ed25519-sha256;",
		"\"v=DKIM1; k=ed25519; p=AQI=\""},
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct arena *a = arena_new(1 << 20);
		struct mime_dkim *d = mime_dkim_new();
		uint8_t digest[32];
		struct buf b;

		buf_init(&b, MIME_DKIM_FIELD_MAX);
		cr_assert_eq(mime_dkim_put(d, SPAN_LIT(HEAD)), ERR_OK);
		cr_assert_eq(mime_dkim_finish(d, a), ERR_OK);
		cr_assert_eq(mime_dkim_begin(d, rows[i].alg, "b.example", "s1",
				 1000, &b, digest),
		    ERR_OK);
		cr_expect_lt(
		    span_find(buf_span(&b), 0, span_str(rows[i].field)), b.len);
		buf_reset(&b);
		cr_assert_eq(
		    mime_dkim_record(rows[i].alg, SPAN("\1\2", 2), &b), ERR_OK);
		cr_expect(span_eq(buf_span(&b), span_str(rows[i].record)),
		    "%.*s", (int)b.len, (const char *)b.data);
		buf_clear(&b);
		mime_dkim_free(d);
		arena_free(a);
	}
}

Test(dkim, a_header_without_end_is_refused)
{
	struct mime_dkim *d = mime_dkim_new();
	char line[1024];
	enum err e = ERR_OK;

	memset(line, 'a', sizeof(line));
	for (int i = 0; e == ERR_OK && i < 1024; i++)
		e = mime_dkim_put(d, SPAN(line, sizeof(line)));
	cr_expect_eq(e, ERR_TOO_BIG);
	mime_dkim_free(d);
}
