/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What stays outside, what goes inside, and the shapes around it; parsed back
 * by the tree.
 */
#include "mime/write.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/arena.h"
#include "mime/base64.h"
#include "mime/scan.h"
#include "mime/tree.h"
#include "tests/mime/payload_case.h"

#define TRACE "Received: from x by gw; Sat, 21 Nov 2026 21:58:00 +0000\r\n"

static const struct {
	const char *what, *msg, *trace, *subject;
	const char *outer, *inner_head, *inner_body, *plain;
} rows[] = {
    {"plain text without MIME", "From: a@b\r\nSubject: s\r\n\r\nhello\r\n", "",
	"", "From: a@b\r\nSubject: s\r\n", "Content-Type: text/plain\r\n\r\n",
	"hello\r\n", "From: a@b\r\nSubject: s\r\n\r\nhello\r\n"},
    {"MIME fields go inside as they came",
	"From: a@b\r\ncontent-TYPE:  text/html;\r\n\tcharset=utf-8\r\n"
	"MIME-Version: 1.0\r\nTo: c@d\r\nContent-Transfer-Encoding: 8bit\r\n"
	"Content-Language: de\r\n\r\nh\xc3\xa4\r\n",
	"", "", "From: a@b\r\nTo: c@d\r\n",
	"content-TYPE:  text/html;\r\n\tcharset=utf-8\r\n"
	"Content-Transfer-Encoding: 8bit\r\nContent-Language: de\r\n\r\n",
	"h\xc3\xa4\r\n",
	"From: a@b\r\ncontent-TYPE:  text/html;\r\n\tcharset=utf-8\r\n"
	"MIME-Version: 1.0\r\nTo: c@d\r\nContent-Transfer-Encoding: 8bit\r\n"
	"Content-Language: de\r\n\r\nh\xc3\xa4\r\n"},
    {"hidden recipients leave no trace",
	"From: a@b\r\nBCC: x@y,\r\n z@y\r\nResent-Bcc: q@y\r\nBcc : w@y\r\n"
	"To: c@d\r\n\r\nhello\r\n",
	"", "", "From: a@b\r\nTo: c@d\r\n", "Content-Type: text/plain\r\n\r\n",
	"hello\r\n", "From: a@b\r\nTo: c@d\r\n\r\nhello\r\n"},
    {"trace first, subject replaced, a second one dropped",
	"From: a@b\r\nSubject: [secure]\r\n x\r\nSubject: [secure] y\r\n"
	"To: c@d\r\n\r\nhello\r\n",
	TRACE, "Subject: x\r\n", TRACE "From: a@b\r\nSubject: x\r\nTo: c@d\r\n",
	"Content-Type: text/plain\r\n\r\n", "hello\r\n",
	TRACE "From: a@b\r\nSubject: x\r\nTo: c@d\r\n\r\nhello\r\n"},
    {"a subject that was not there is not added", "From: a@b\r\n\r\nhello\r\n",
	"", "Subject: x\r\n", "From: a@b\r\n",
	"Content-Type: text/plain\r\n\r\n", "hello\r\n",
	"From: a@b\r\n\r\nhello\r\n"},
    {"text in the place of a field never stays outside",
	"From: a@b\r\nthe secret\r\nTo: c@d\r\nBcc: x@y\r\n\r\nhello\r\n", "",
	"", "From: a@b\r\n", "Content-Type: text/plain\r\n\r\n",
	"the secret\r\nTo: c@d\r\nBcc: x@y\r\n\r\nhello\r\n", NULL},
    {"a colon with nothing before it ends a header",
	"From: a@b\r\n: x\r\nBcc: x@y\r\n\r\nhello\r\n", "", "",
	"From: a@b\r\n", "Content-Type: text/plain\r\n\r\n",
	": x\r\nBcc: x@y\r\n\r\nhello\r\n", NULL},
    {"a name that is not ASCII ends a header",
	"From: a@b\r\nT\xc3\xb6: x\r\nResent-Bcc: x@y\r\n\r\nhello\r\n", "", "",
	"From: a@b\r\n", "Content-Type: text/plain\r\n\r\n",
	"T\xc3\xb6: x\r\nResent-Bcc: x@y\r\n\r\nhello\r\n", NULL},
    {"a folded line at the very start", " x\r\nBcc: x@y\r\n\r\nhello\r\n", "",
	"", "", "Content-Type: text/plain\r\n\r\n",
	" x\r\nBcc: x@y\r\n\r\nhello\r\n", NULL},
    {"an mbox line", "From a@b Sat Nov 21\r\nBcc: x@y\r\n\r\nhello\r\n", "", "",
	"", "Content-Type: text/plain\r\n\r\n",
	"From a@b Sat Nov 21\r\nBcc: x@y\r\n\r\nhello\r\n", NULL},
    {"no header", "\r\nhello\r\n", TRACE, "", TRACE,
	"Content-Type: text/plain\r\n\r\n", "hello\r\n", TRACE "\r\nhello\r\n"},
    {"no body", "From: a@b\r\n", "", "", "From: a@b\r\n",
	"Content-Type: text/plain\r\n\r\n", "", "From: a@b\r\n"},
    {"no line end", "From: a@b", "", "", "From: a@b\r\n",
	"Content-Type: text/plain\r\n\r\n", "", "From: a@b\r\n"},
    {"empty", "", "", "", "", "Content-Type: text/plain\r\n\r\n", "", ""},
    {"body that looks like fields",
	"From: a@b\r\n\r\nContent-Type: x/y\r\nBcc: q@r\r\n\r\nz", "", "",
	"From: a@b\r\n", "Content-Type: text/plain\r\n\r\n",
	"Content-Type: x/y\r\nBcc: q@r\r\n\r\nz",
	"From: a@b\r\n\r\nContent-Type: x/y\r\nBcc: q@r\r\n\r\nz"},
    {"encoding without a type",
	"From: a@b\r\nContent-Transfer-Encoding: base64\r\n\r\nZm9v\r\n", "",
	"", "From: a@b\r\n",
	"Content-Type: text/plain\r\n"
	"Content-Transfer-Encoding: base64\r\n\r\n",
	"Zm9v\r\n",
	"From: a@b\r\nContent-Transfer-Encoding: base64\r\n\r\nZm9v\r\n"},
};

static struct mime_edit
edit_of(size_t i)
{
	return (struct mime_edit){.trace = span_str(rows[i].trace),
	    .subject = span_str(rows[i].subject)};
}

Test(write, the_cut)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mime_payload_form form = {
		    .edit = edit_of(i), .hp = MIME_HP_NONE, .sealed = true};
		struct span outer, head = span_str(rows[i].inner_head);
		struct made m;

		made_init(&m, span_str(rows[i].msg), &form);
		outer = mime_payload_outer(m.payload);
		cr_assert(span_eq_str(outer, rows[i].outer), "%s: %.*s",
		    rows[i].what, (int)outer.len, (const char *)outer.data);
		cr_assert(m.inner.len >= head.len);
		cr_assert(span_eq(SPAN(m.inner.data, head.len), head), "%s: %s",
		    rows[i].what, buf_cstr(&m.inner));
		cr_assert(span_eq_str(SPAN(m.inner.data + head.len,
					  m.inner.len - head.len),
			      rows[i].inner_body),
		    "%s: %s", rows[i].what, buf_cstr(&m.inner));
		made_clear(&m);
	}
}

Test(write, plain_relay_and_outer_header)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mime_edit edit = edit_of(i);
		struct mime_sink sink;
		struct buf out;

		buf_init(&out, 65536);
		sink = mime_sink_buf(&out);
		/* a hidden recipient must not get out behind a broken line */
		cr_assert(mime_write_plain(span_str(rows[i].msg), &edit, &sink,
			      NULL) == (rows[i].plain ? ERR_OK : ERR_AMBIGUOUS),
		    "%s", rows[i].what);
		cr_assert(span_eq_str(buf_span(&out),
			      rows[i].plain ? rows[i].plain : ""),
		    "%s: %s", rows[i].what, buf_cstr(&out));
		buf_reset(&out);
		cr_assert(mime_write_outer_header(span_str(rows[i].msg), &edit,
			      &out, NULL) == ERR_OK);
		cr_assert(span_find(buf_span(&out), 0, SPAN_LIT("\r\n\r\n")) ==
			      out.len,
		    "%s", rows[i].what);
		cr_assert(
		    span_find(buf_span(&out), 0, SPAN_LIT("hello")) == out.len,
		    "%s", rows[i].what);
		cr_assert(
		    span_find(buf_span(&out), 0, SPAN_LIT("secret")) == out.len,
		    "%s", rows[i].what);
		buf_clear(&out);
	}
}

static const char msg[] = "From: a@b.example\r\n\r\nsecret\r\n";
static const char outer[] = "From: a@b.example\r\nTo: c@d.example\r\n"
			    "Subject: s\r\n";

struct shape {
	struct buf text;
	struct arena *arena;
	struct mime_tree *tree;
};

static void
parse_shape(struct shape *s)
{
	static const uint8_t zeros[MIME_TREE_PADDING];
	size_t len = s->text.len;
	struct mime_scan scan;
	const char *why = "";

	s->arena = arena_new(1024 * 1024);
	cr_assert(buf_put(&s->text, SPAN(zeros, sizeof(zeros))) == ERR_OK);
	cr_assert(mime_scan(SPAN(s->text.data, len), &scan, NULL) == ERR_OK);
	cr_assert(scan.longest_line <= 78);
	cr_assert(scan.ends_in_crlf);
	cr_assert(mime_tree_parse(SPAN(s->text.data, len), &scan, false,
		      s->arena, &s->tree, NULL) == ERR_OK);
	cr_assert(!mime_tree_is_ambiguous(s->tree, &why), "%s", why);
}

Test(write, smime_shape)
{
	static const char *const types[] = {
	    [MIME_SMIME_ENVELOPED] = "enveloped-data",
	    [MIME_SMIME_AUTH_ENVELOPED] = "authEnveloped-data",
	    [MIME_SMIME_SIGNED] = "signed-data",
	};
	uint8_t der[300];

	for (size_t i = 0; i < sizeof(der); i++)
		der[i] = (uint8_t)i;
	for (int t = 0; t < 3; t++) {
		const struct mime_part *root;
		struct mime_sink sink;
		struct shape shape;
		struct buf back;

		buf_init(&shape.text, 65536);
		buf_init(&back, 65536);
		sink = mime_sink_buf(&shape.text);
		cr_assert(
		    mime_write_smime(span_str(outer), (enum mime_smime_type)t,
			SPAN(der, sizeof(der)), &sink) == ERR_OK);
		cr_assert(span_starts_caseeq(
		    buf_span(&shape.text), "From: a@b.example\r\nTo: "));
		parse_shape(&shape);
		root = mime_tree_root(shape.tree);
		cr_assert(mime_part_is(root, "application", "pkcs7-mime"));
		cr_assert_str_eq(mime_part_param(root, "smime-type"), types[t]);
		cr_assert_str_eq(mime_part_filename(root), "smime.p7m");
		cr_assert_str_eq(mime_part_encoding(root), "base64");
		cr_assert(
		    mime_base64_decode(mime_part_body(root), &back) == ERR_OK);
		cr_assert(span_eq(buf_span(&back), SPAN(der, sizeof(der))));
		buf_clear(&shape.text);
		buf_clear(&back);
		arena_free(shape.arena);
	}
}

Test(write, pgp_shape)
{
	static const char armor[] = "-----BEGIN PGP MESSAGE-----\n\nabcd\n=xy\n"
				    "-----END PGP MESSAGE-----\n";
	static const char armor_crlf[] =
	    "-----BEGIN PGP MESSAGE-----\r\n\r\nabcd\r\n=xy\r\n"
	    "-----END PGP MESSAGE-----\r\n";
	struct mime_boundary b = mime_boundary_make((const uint8_t *)armor);
	const struct mime_part *root, *part;
	struct mime_sink sink;
	struct shape shape;

	buf_init(&shape.text, 65536);
	sink = mime_sink_buf(&shape.text);
	cr_assert(mime_write_pgp(span_str(outer), &b, span_str(armor), &sink) ==
		  ERR_OK);
	parse_shape(&shape);
	root = mime_tree_root(shape.tree);
	cr_assert(mime_part_is(root, "multipart", "encrypted"));
	cr_assert_str_eq(
	    mime_part_param(root, "protocol"), "application/pgp-encrypted");
	cr_assert(mime_part_child_count(root) == 2);
	part = mime_part_child(root, 0);
	cr_assert(mime_part_is(part, "application", "pgp-encrypted"));
	cr_assert(span_eq_str(mime_part_body(part), "Version: 1\r\n"));
	part = mime_part_child(root, 1);
	cr_assert(mime_part_is(part, "application", "octet-stream"));
	cr_assert_str_eq(mime_part_filename(part), "encrypted.asc");
	cr_assert(span_eq_str(mime_part_body(part), armor_crlf));
	cr_assert(mime_write_pgp(span_str(outer), &b, span_str(b.text),
		      &sink) == ERR_AMBIGUOUS);
	buf_clear(&shape.text);
	arena_free(shape.arena);
}

static const char entity[] = "Content-Type: multipart/mixed; boundary=x\r\n\r\n"
			     "--x\r\n\r\nhello\r\n--x--\r\n";

static const struct {
	enum mime_signature_format format;
	const char *micalg, *octets, *protocol, *subtype, *name, *body;
} signatures[] = {
    {MIME_SIGNATURE_CMS, "sha-256", "der", "application/pkcs7-signature",
	"pkcs7-signature", "smime.p7s", "ZGVy\r\n"},
    {MIME_SIGNATURE_PGP, "pgp-sha512",
	"-----BEGIN PGP SIGNATURE-----\n\nab\n-----END PGP SIGNATURE-----\n",
	"application/pgp-signature", "pgp-signature", "signature.asc",
	"-----BEGIN PGP SIGNATURE-----\r\n\r\nab\r\n"
	"-----END PGP SIGNATURE-----\r\n"},
};

Test(write, signed_shape_holds_the_octets_that_were_signed)
{
	struct mime_boundary b = mime_boundary_make((const uint8_t *)entity);

	for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]);
	     i++) {
		struct mime_signature sig = {signatures[i].format,
		    signatures[i].micalg, span_str(signatures[i].octets)};
		const struct mime_part *root, *part;
		struct mime_sink sink;
		struct shape shape;

		buf_init(&shape.text, 65536);
		sink = mime_sink_buf(&shape.text);
		cr_assert(mime_write_signed(SPAN_LIT("From: a@b.example\r\n"),
			      &b, span_str(entity), &sig, &sink) == ERR_OK);
		parse_shape(&shape);
		root = mime_tree_root(shape.tree);
		cr_assert(mime_part_is(root, "multipart", "signed"));
		cr_assert_str_eq(
		    mime_part_param(root, "protocol"), signatures[i].protocol);
		cr_assert_str_eq(
		    mime_part_param(root, "micalg"), signatures[i].micalg);
		cr_assert(mime_part_child_count(root) == 2);
		part = mime_part_child(root, 0);
		cr_assert(span_eq_str(
		    SPAN(mime_part_header(part).data,
			mime_part_header(part).len + mime_part_body(part).len),
		    entity));
		part = mime_part_child(root, 1);
		cr_assert(
		    mime_part_is(part, "application", signatures[i].subtype));
		cr_assert_str_eq(mime_part_filename(part), signatures[i].name);
		cr_assert(
		    span_eq_str(mime_part_body(part), signatures[i].body));
		buf_clear(&shape.text);
		arena_free(shape.arena);
	}
}

Test(write, signed_shape_says_when_it_is_8bit)
{
	struct mime_boundary b = mime_boundary_make((const uint8_t *)entity);
	struct mime_signature sig = {
	    MIME_SIGNATURE_PGP, "pgp-sha256", SPAN_LIT("x\n")};
	struct mime_sink sink;
	struct buf out;

	buf_init(&out, 65536);
	sink = mime_sink_buf(&out);
	for (int i = 0; i < 2; i++) {
		struct span text =
		    i ? SPAN_LIT("Subject: h\xc3\xa4\r\n\r\nx\r\n")
		      : SPAN_LIT("Subject: h\r\n\r\nx\r\n");

		buf_reset(&out);
		cr_assert(mime_write_signed(
			      SPAN(NULL, 0), &b, text, &sig, &sink) == ERR_OK);
		cr_assert(
		    (span_find(buf_span(&out), 0,
			 SPAN_LIT("\r\nContent-Transfer-Encoding: "
				  "8bit\r\n\r\n")) < out.len) == (i == 1));
	}
	buf_clear(&out);
}

Test(write, signed_shape_refuses_what_would_not_verify)
{
	struct mime_boundary b = mime_boundary_make((const uint8_t *)entity);
	static const char *const bad[] = {
	    "", "sha 256", "sha-256;x", "a\r\nb", "\"x\"", "a=b", "\xc3\xa4"};
	struct mime_signature sig = {
	    MIME_SIGNATURE_PGP, "pgp-sha256", SPAN_LIT("x\n")};
	struct mime_sink sink;
	struct buf out;

	buf_init(&out, 65536);
	sink = mime_sink_buf(&out);
	cr_assert(mime_write_signed(SPAN(NULL, 0), &b, span_str(b.text), &sig,
		      &sink) == ERR_AMBIGUOUS);
	sig.octets = span_str(b.text);
	cr_assert(mime_write_signed(SPAN(NULL, 0), &b, span_str(entity), &sig,
		      &sink) == ERR_AMBIGUOUS);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		sig.micalg = bad[i];
		cr_assert(mime_write_signed(SPAN(NULL, 0), &b, span_str(entity),
			      &sig, &sink) == ERR_USAGE,
		    "%s", bad[i]);
	}
	cr_assert(out.len == 0);
	buf_clear(&out);
}

Test(write, a_shape_to_be_wrapped_has_no_header_of_a_message)
{
	struct mime_boundary b = mime_boundary_make((const uint8_t *)entity);
	struct mime_signature sig = {
	    MIME_SIGNATURE_CMS, "sha-256", SPAN_LIT("x")};
	struct mime_sink sink;
	struct buf out;

	buf_init(&out, 65536);
	sink = mime_sink_buf(&out);
	cr_assert(mime_write_signed(SPAN(NULL, 0), &b, span_str(entity), &sig,
		      &sink) == ERR_OK);
	cr_assert(span_starts_caseeq(
	    buf_span(&out), "Content-Type: multipart/signed;"));
	buf_reset(&out);
	cr_assert(mime_write_smime(SPAN(NULL, 0), MIME_SMIME_SIGNED,
		      SPAN_LIT("x"), &sink) == ERR_OK);
	cr_assert(span_starts_caseeq(
	    buf_span(&out), "Content-Type: application/pkcs7-mime;"));
	buf_clear(&out);
}

static enum err
broken_put(void *ctx, struct span s)
{
	int *left = ctx;

	return s.len > 0 && (*left)-- > 0 ? ERR_OK : ERR_DISK_FULL;
}

Test(write, a_sink_that_fails_is_reported)
{
	struct mime_boundary b = mime_boundary_make((const uint8_t *)msg);
	struct mime_edit edit = {0};
	struct mime_signature sig = {
	    MIME_SIGNATURE_CMS, "sha-256", SPAN_LIT("x")};

	for (int ok = 0; ok < 2; ok++) {
		int left = ok;
		struct mime_sink sink = {broken_put, &left};

		cr_assert(
		    mime_write_smime(span_str(outer), MIME_SMIME_ENVELOPED,
			SPAN(msg, sizeof(msg)), &sink) == ERR_DISK_FULL);
		left = ok;
		cr_assert(mime_write_pgp(span_str(outer), &b, SPAN_LIT("x"),
			      &sink) == ERR_DISK_FULL);
		left = ok;
		cr_assert(mime_write_signed(span_str(outer), &b, SPAN_LIT("x"),
			      &sig, &sink) == ERR_DISK_FULL);
		left = ok;
		cr_assert(mime_write_plain(SPAN(msg, sizeof(msg) - 1), &edit,
			      &sink, NULL) == ERR_DISK_FULL);
	}
}

Test(write, boundaries_differ_with_the_random_octets)
{
	uint8_t r[16] = {0};
	struct mime_boundary a = mime_boundary_make(r), b;

	r[15] = 1;
	b = mime_boundary_make(r);
	cr_assert_str_neq(a.text, b.text);
	cr_assert(strlen(a.text) == 36);
	cr_assert(strncmp(a.text, "=_", 2) == 0);
}
