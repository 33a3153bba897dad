/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Print one of the messages that mime/ makes, for test_shapes.py to read with
 * another parser: emit_shapes smime|pgp|signed|
 * protected|shy|plain|dsn|notice.
 */
#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "common/err.h"
#include "mime/compose.h"
#include "mime/dsn.h"
#include "mime/header.h"
#include "mime/payload.h"
#include "mime/scan.h"
#include "mime/tree.h"
#include "mime/write.h"

static const char msg[] =
    "From: =?utf-8?q?J=C3=B6rg?= <alice@example.com>\r\n"
    "To: Bob <bob@example.org>\r\nBcc: hidden@example.net\r\n"
    "Subject: [secure] s\r\nMessage-ID: <1@example.com>\r\n"
    "MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 8bit\r\n\r\n<p>gr\xc3\xbc\xc3\x9f"
    "e</p>\r\n";

static const struct mime_edit edit = {
    .trace = {(const uint8_t *)"Received: from a by b; now\r\n", 28},
    .subject = {(const uint8_t *)"Subject: s\r\n", 12},
};

/* A message with all that a payload has to take care of. */
static const char rich[] =
    "Received: from c by d; before\r\n"
    "From: =?utf-8?q?J=C3=B6rg?= <alice@example.com>\r\n"
    "To: Bob <bob@example.org>\r\nBcc: hidden@example.net\r\n"
    "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    "Date: Sat, 20 Feb 2021 10:09:02 -0500\r\n"
    "Message-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=out\r\n"
    "Content-Transfer-Encoding: 8bit\r\n\r\n"
    "--out\r\nContent-Type: multipart/alternative; boundary=alt\r\n\r\n"
    "--alt\r\nContent-Type: text/plain; charset=iso-8859-1; format=flowed\r\n"
    "Content-Transfer-Encoding: 8bit\r\n\r\nFrom gr\xfc\xdf"
    "e \r\nflowed\r\n-- \r\n"
    "--alt\r\nContent-Type: text/html; charset=utf-8\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\n"
    "PGh0bWw+PGJvZHkgY2xhc3M9Ing+Ij48cD5ncsO8w59lPC9wPg0K\r\n"
    "--alt\r\nContent-Type: text/calendar; method=REQUEST; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 8bit\r\n\r\nBEGIN:VCALENDAR\r\n"
    "SUMMARY:gr\xc3\xbc\xc3\x9f"
    "e\r\n--alt--\r\n"
    "--out\r\nContent-Type: application/ms-tnef; name=winmail.dat\r\n"
    "Content-Transfer-Encoding: binary\r\n\r\n\x78\x9f\x3e\x22\xff\r\n\r\n"
    "--out\r\nContent-Type: message/rfc822\r\n"
    "Content-Transfer-Encoding: 8bit\r\n\r\n"
    "From: carol@example.net\r\nSubject: inner\r\nMIME-Version: 1.0\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 8bit\r\n\r\ngr\xc3\xbc\xc3\x9f"
    "e\r\n--out--\r\n";

/* "Sealed" with nothing: the shape is looked at, and what is in it. */
static enum err
write_protected(
    const char *what, const struct mime_payload *p, const struct mime_sink *to)
{
	struct mime_boundary b = mime_boundary_make((const uint8_t *)msg);
	struct mime_signature sig = {
	    MIME_SIGNATURE_PGP, "pgp-sha512", SPAN_LIT("a signature\n")};
	struct span outer = mime_payload_outer(p);
	struct mime_sink sink;
	struct buf inner;
	enum err e;

	buf_init(&inner, 65536);
	sink = mime_sink_buf(&inner);
	e = mime_payload_is_fit(p, NULL) ? mime_payload_write(p, &sink)
					 : ERR_INTERNAL;
	if (e == ERR_OK && strcmp(what, "signed") == 0)
		e = mime_write_signed(outer, &b, buf_span(&inner), &sig, to);
	else if (e == ERR_OK && strcmp(what, "pgp") == 0)
		e = mime_write_pgp(outer, &b, buf_span(&inner), to);
	else if (e == ERR_OK)
		e = mime_write_smime(outer,
		    strcmp(what, "smime") == 0 ? MIME_SMIME_AUTH_ENVELOPED
					       : MIME_SMIME_ENVELOPED,
		    buf_span(&inner), to);
	buf_clear(&inner);
	return e;
}

/* smime and pgp: the small message without header protection. */
static enum err
emit_protected(const char *what, const struct mime_sink *to)
{
	bool bare = strcmp(what, "smime") == 0 || strcmp(what, "pgp") == 0;
	struct mime_payload_form form = {.edit.trace = edit.trace,
	    .hp = bare			     ? MIME_HP_NONE
		  : strcmp(what, "shy") == 0 ? MIME_HP_SHY
					     : MIME_HP_BASELINE,
	    .sealed = strcmp(what, "signed") != 0,
	    .transport = bare ? MIME_TRANSPORT_ANY : MIME_TRANSPORT_PGP};
	static uint8_t text[sizeof(rich) + sizeof(msg) + MIME_TREE_PADDING];
	struct span s = SPAN(text, bare ? sizeof(msg) - 1 : sizeof(rich) - 1);
	struct arena *a = arena_new(16 * 1024 * 1024);
	struct mime_payload *p;
	struct mime_tree *tree;
	struct mime_scan scan;
	enum err e;

	if (bare)
		form.edit.subject = edit.subject;
	memcpy(text, bare ? msg : rich, s.len);
	e = mime_scan(s, &scan, NULL);
	if (e == ERR_OK)
		e = mime_tree_parse(s, &scan, false, a, &tree, NULL);
	if (e == ERR_OK)
		e = mime_payload_make(tree, &form, a, &p, NULL);
	if (e == ERR_OK)
		e = write_protected(what, p, to);
	arena_free(a);
	return e;
}

static enum err
emit_dsn(const struct mime_sink *to)
{
	static const struct mime_dsn_rcpt rcpt = {.addr = "bob@example.org",
	    .action = MIME_DSN_FAILED,
	    .status = "5.1.1",
	    .diagnostic = "550 no such us\xc3\xa4r\r\n here",
	    .reason = "The other server does not know this address.",
	    .advice = "Check it."};
	struct mime_dsn d = {.host = "gw.example.com",
	    .to = "alice@example.com",
	    .queue_id = "4Kq1",
	    .now_s = 1795298280,
	    .rcpts = &rcpt,
	    .n = 1,
	    .boundary = mime_boundary_make((const uint8_t *)msg)};
	struct buf outer;
	enum err e;

	buf_init(&outer, 65536);
	e = mime_write_outer_header(
	    SPAN(msg, sizeof(msg) - 1), &edit, &outer, NULL);
	d.outer = buf_span(&outer);
	if (e == ERR_OK)
		e = mime_dsn_write(&d, to);
	buf_clear(&outer);
	return e;
}

static enum err
emit_notice(const struct mime_sink *to)
{
	static const struct mime_compose_field extra[] = {
	    {"Auto-Submitted", "auto-generated"}};
	struct mime_compose m = {.from_name = "J\xc3\xb6rg, \"the\" postmaster",
	    .from = "postmaster@example.com",
	    .to = "carol@example.org",
	    .subject = "Gr\xc3\xbc\xc3\x9f"
		       "e: a message of some length is waiting for you at our "
		       "portal, and this line has to be folded",
	    .message_id = "1@gw.example.com",
	    .date_s = 1795298280,
	    .extra = extra,
	    .n_extra = 1,
	    .body = SPAN_LIT("Gr\xc3\xbc\xc3\x9f"
			     "e\nhttps://post.example.com/m/abc#"
			     "0123456789012345678901234567890123456789"
			     "0123456789012345678901234567890123456789\n"
			     ".\nFrom here =3D\n")};

	return mime_compose_write(&m, to);
}

int
main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";
	struct mime_sink sink;
	struct buf out;
	enum err e = ERR_USAGE;

	buf_init(&out, 1024 * 1024);
	sink = mime_sink_buf(&out);
	if (strcmp(what, "smime") == 0 || strcmp(what, "pgp") == 0 ||
	    strcmp(what, "signed") == 0 || strcmp(what, "protected") == 0 ||
	    strcmp(what, "shy") == 0)
		e = emit_protected(what, &sink);
	else if (strcmp(what, "plain") == 0)
		e = mime_write_plain(
		    SPAN(msg, sizeof(msg) - 1), &edit, &sink, NULL);
	else if (strcmp(what, "dsn") == 0)
		e = emit_dsn(&sink);
	else if (strcmp(what, "notice") == 0)
		e = emit_notice(&sink);
	if (e == ERR_OK && fwrite(out.data, 1, out.len, stdout) != out.len)
		e = ERR_IO;
	buf_clear(&out);
	if (e != ERR_OK)
		fprintf(stderr, "%s: %s\n", what, err_name(e));
	return e != ERR_OK;
}
