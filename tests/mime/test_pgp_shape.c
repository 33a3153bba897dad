/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What of a message is OpenPGP, and whether it is all of it; what is written of
 * the parts that were opened.
 */
#include "mime/pgp_shape.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "mime/scan.h"
#include "mime/tree.h"

#define HEAD "From: a@b.example\r\nMIME-Version: 1.0\r\n"
#define ARMOR                                                                  \
	"-----BEGIN PGP MESSAGE-----\r\n\r\nhQ==\r\n=abcd\r\n"                 \
	"-----END PGP MESSAGE-----\r\n"
#define ENC                                                                    \
	"Content-Type: multipart/encrypted; boundary=x;\r\n"                   \
	" protocol=\"application/pgp-encrypted\"\r\n\r\n"
#define VERS                                                                   \
	"--x\r\nContent-Type: application/pgp-encrypted\r\n\r\n"               \
	"Version: 1\r\n"
#define DATA  "--x\r\nContent-Type: application/octet-stream\r\n\r\n"
#define END   "--x--\r\n"
#define MIXED HEAD "Content-Type: multipart/mixed; boundary=x\r\n\r\n"
#define TEXT  "--x\r\nContent-Type: text/plain\r\n\r\n"
#define HTML  "--x\r\nContent-Type: text/html\r\n\r\n"
#define FILE(name)                                                             \
	"--x\r\nContent-Type: application/octet-stream; name=\"" name          \
	"\"\r\n\r\n"
#define SIGNED                                                                 \
	"Content-Type: multipart/signed; boundary=s; micalg=m;\r\n"            \
	" protocol=\"application/pgp-signature\"\r\n\r\n"                      \
	"--s\r\nX: y\r\n\r\ntext\r\n\r\n--s\r\n"                               \
	"Content-Type: application/pgp-signature\r\n\r\nsig\r\n--s--\r\n"

static const struct {
	const char *what, *msg;
	enum mime_pgp_kind kind;
	size_t n;
	const char *first; /* decoded */
} rows[] = {
    {"PGP/MIME", HEAD ENC VERS DATA ARMOR END, MIME_PGP_ENCRYPTED, 1, ARMOR},
    {"from Exchange",
	MIXED TEXT "\r\n" VERS "--x\r\nContent-Type: application/octet-stream; "
		   "name=encrypted.asc\r\n\r\n" ARMOR END,
	MIME_PGP_ENCRYPTED, 1, ARMOR},
    {"from Exchange, encoded",
	MIXED "--x\r\nContent-Type: text/plain\r\n\r\n\r\n"
	      "--x\r\nContent-Type: application/pgp-encrypted\r\n"
	      "Content-Transfer-Encoding: base64\r\n\r\nVmVyc2lvbjogMQ0K\r\n"
	      "--x\r\nContent-Type: application/octet-stream\r\n"
	      "Content-Transfer-Encoding: base64\r\n\r\nhQEM\r\n" END,
	MIME_PGP_ENCRYPTED, 1, "\x85\x01\x0c"},
    {"wrapped by a list",
	HEAD "Content-Type: multipart/mixed; boundary=l\r\n\r\n--l\r\n" ENC VERS
	    DATA ARMOR END "\r\n--l--\r\n",
	MIME_PGP_ENCRYPTED, 1, ARMOR},
    {"inline", HEAD "\r\n" ARMOR, MIME_PGP_INLINE, 1, NULL},
    {"text and attachments",
	MIXED TEXT ARMOR "\r\n" FILE("a.pdf.pgp") ARMOR
	"\r\n" FILE("b.gpg") "\x85\x01\x0c\r\n" END,
	MIME_PGP_INLINE, 3, NULL},
    {"text and attachment", MIXED TEXT ARMOR "\r\n" FILE("a.pdf.pgp") ARMOR END,
	MIME_PGP_INLINE, 2, NULL},
    {"an attachment alone",
	HEAD "Content-Type: application/octet-stream; name=a.asc\r\n\r\n" ARMOR,
	MIME_PGP_INLINE, 1, NULL},
    {"an attachment under an empty text",
	MIXED TEXT "\r\n \r\n" FILE("a.pgp") ARMOR END, MIME_PGP_INLINE, 1,
	NULL},
    {"signed", HEAD SIGNED, MIME_PGP_SIGNED, 1, "sig"},
    {"signed, with a footer of a list",
	MIXED "--x\r\n" SIGNED "\r\n" TEXT "footer\r\n" END,
	MIME_PGP_SIGNED_PARTLY, 1, "sig"},
    {"signed, in a wrapper", MIXED "--x\r\n" SIGNED "\r\n" END, MIME_PGP_SIGNED,
	1, "sig"},
    /* not all of it */
    {"text beside PGP/MIME",
	HEAD "Content-Type: multipart/mixed; boundary=l\r\n\r\n"
	     "--l\r\n\r\nhello\r\n--l\r\n" ENC VERS DATA ARMOR END
	     "\r\n--l--\r\n",
	MIME_PGP_CLOSED, 0, NULL},
    {"HTML around it (EFAIL)",
	MIXED HTML "<img src=\"http://e/\r\n" DATA ARMOR "\r\n" HTML
		   "\">\r\n" END,
	MIME_PGP_NONE, 0, NULL},
    {"HTML around an attachment (EFAIL)",
	MIXED HTML "<img src=\"http://e/\r\n" FILE("a.asc") ARMOR "\r\n" HTML
								  "\">\r\n" END,
	MIME_PGP_CLOSED, 0, NULL},
    {"HTML beside inline text", MIXED TEXT ARMOR "\r\n" HTML "<b>\r\n" END,
	MIME_PGP_CLOSED, 0, NULL},
    {"alternatives",
	HEAD
	"Content-Type: multipart/alternative; boundary=x\r\n\r\n" TEXT ARMOR
	"\r\n" HTML "<b>\r\n" END,
	MIME_PGP_CLOSED, 0, NULL},
    {"text before inline armor", HEAD "\r\nhello\r\n" ARMOR, MIME_PGP_CLOSED, 0,
	NULL},
    {"text behind inline armor", HEAD "\r\n" ARMOR "hello\r\n", MIME_PGP_CLOSED,
	0, NULL},
    {"armor in HTML", HEAD "Content-Type: text/html\r\n\r\n" ARMOR,
	MIME_PGP_CLOSED, 0, NULL},
    {"text beside an attachment",
	MIXED TEXT "hello\r\n" FILE("a.pgp") ARMOR END, MIME_PGP_CLOSED, 0,
	NULL},
    {"from Exchange, with a text", MIXED TEXT "hello\r\n" VERS DATA ARMOR END,
	MIME_PGP_NONE, 0, NULL},
    {"a readable preamble",
	HEAD
	"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
	"0123456789012345678901234567890123456789012345678901234567\r\n"
	"0123456789012345678901234567890123456789012345678901234567\r\n"
	"0123456789012345678901234567890123456789012345678901234567\r\n"
	"0123456789012345678901234567890123456789012345678901234567\r\n"
	"0123456789012345678901234567890123456789012345678901234567\r\n" TEXT
	    ARMOR END,
	MIME_PGP_CLOSED, 0, NULL},
    {"a ciphertext in a message in it",
	MIXED "--x\r\nContent-Type: message/rfc822\r\n\r\n" HEAD "\r\n" ARMOR
	      "\r\n" END,
	MIME_PGP_CLOSED, 0, NULL},
    {"two signed parts", MIXED "--x\r\n" SIGNED "\r\n--x\r\n" SIGNED "\r\n" END,
	MIME_PGP_NONE, 0, NULL},
    {"signed deep inside",
	HEAD
	"Content-Type: multipart/mixed; boundary=l\r\n\r\n--l\r\n\r\nt\r\n"
	"--l\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n" SIGNED
	"\r\n" END "\r\n--l--\r\n",
	MIME_PGP_NONE, 0, NULL},
    {"nothing of it", HEAD "\r\nhello\r\n", MIME_PGP_NONE, 0, NULL},
    {"ambiguous",
	HEAD
	"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n" ARMOR,
	MIME_PGP_CLOSED, 0, NULL},
};

/* The caller frees the arena and the octets. */
static struct mime_tree *
parse(const char *msg, struct arena **a, char **octets)
{
	struct mime_tree *t = NULL;
	struct mime_scan scan;
	size_t len = strlen(msg);

	*a = arena_new(16u << 20);
	*octets = calloc(1, len + MIME_TREE_PADDING);
	cr_assert_not_null(*octets);
	memcpy(*octets, msg, len);
	cr_assert_eq(mime_scan(SPAN(*octets, len), &scan, NULL), ERR_OK);
	cr_assert_eq(
	    mime_tree_parse(SPAN(*octets, len), &scan, false, *a, &t, NULL),
	    ERR_OK);
	return t;
}

Test(pgp_shape, is_all_of_a_message_or_stays_closed)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mime_pgp found;
		struct mime_sink sink;
		struct arena *a;
		struct buf out;
		char *octets;
		struct mime_tree *t = parse(rows[i].msg, &a, &octets);

		mime_pgp_find(t, a, &found);
		cr_expect_eq(found.kind, rows[i].kind, "%s: %d %s",
		    rows[i].what, (int)found.kind,
		    found.reason == NULL ? "" : found.reason);
		cr_expect_eq(
		    found.n, rows[i].n, "%s: %zu", rows[i].what, found.n);
		cr_expect((found.kind != MIME_PGP_NONE &&
			      found.kind != MIME_PGP_CLOSED) ||
			      found.reason != NULL,
		    "%s", rows[i].what);
		if (rows[i].first != NULL && found.n == rows[i].n) {
			buf_init(&out, 1000);
			sink = mime_sink_buf(&out);
			cr_assert_eq(
			    mime_pgp_write_part(found.parts[0], &sink), ERR_OK);
			cr_expect(span_eq(span_trim(buf_span(&out)),
				      span_trim(span_str(rows[i].first))),
			    "%s: %.*s", rows[i].what, (int)out.len, out.data);
			buf_clear(&out);
		}
		if (found.kind == MIME_PGP_SIGNED ||
		    found.kind == MIME_PGP_SIGNED_PARTLY)
			cr_expect(span_eq_str(found.signed_entity,
				      "X: y\r\n\r\ntext\r\n"),
			    "%s", rows[i].what);
		arena_free(a);
		free(octets);
	}
}

Test(pgp_shape, opened_parts_are_text_and_files_and_nothing_that_is_shown)
{
	struct mime_pgp found;
	struct mime_pgp_piece pieces[3];
	struct mime_tree *again;
	struct mime_scan scan;
	struct mime_sink sink;
	const struct mime_part *root;
	struct arena *a;
	struct buf out;
	char *octets;
	struct mime_tree *t = parse(HEAD
	    "Content-Type: multipart/mixed; boundary=x\r\n\r\n" TEXT ARMOR
	    "\r\n--x\r\nContent-Type: text/html;\r\n"
	    " name*=utf-8''..%2Fx%2Fb%C3%A4%20%3Cd%3E.html.pgp\r\n\r\n" ARMOR
	    "\r\n" FILE("c.gpg") ARMOR END,
	    &a, &octets);

	mime_pgp_find(t, a, &found);
	cr_assert_eq(found.kind, MIME_PGP_INLINE);
	cr_assert_eq(found.n, 3);
	pieces[0] = (struct mime_pgp_piece){
	    found.parts[0], SPAN_LIT("h\xc3\xa4\n--=_u\n<b>")};
	pieces[1] =
	    (struct mime_pgp_piece){found.parts[1], SPAN_LIT("<img src=x>")};
	pieces[2] = (struct mime_pgp_piece){found.parts[2], SPAN_LIT("\0\xff")};
	buf_init(&out, 10000);
	sink = mime_sink_buf(&out);
	cr_assert_eq(
	    mime_pgp_write_pieces(pieces, 3, "uniqueword", &sink), ERR_OK);
	cr_assert_eq(buf_puts(&out, "0123456789abcdef"), ERR_OK);
	memset(out.data + out.len - 16, 0, 16);
	cr_assert_eq(
	    mime_scan(SPAN(out.data, out.len - 16), &scan, NULL), ERR_OK);
	cr_assert_eq(mime_tree_parse_entity(SPAN(out.data, out.len - 16), &scan,
			 false, a, &again, NULL),
	    ERR_OK);
	const char *reason = "";
	cr_expect(!mime_tree_is_ambiguous(again, &reason), "%s", reason);
	root = mime_tree_root(again);
	cr_assert_eq(mime_part_child_count(root), 3);
	cr_expect(mime_part_is(mime_part_child(root, 0), "text", "plain"));
	cr_expect_str_eq(
	    mime_part_param(mime_part_child(root, 0), "charset"), "utf-8");
	for (size_t i = 1; i < 3; i++)
		cr_expect(mime_part_is(
		    mime_part_child(root, i), "application", "octet-stream"));
	cr_expect_str_eq(
	    mime_part_filename(mime_part_child(root, 1)), "b\xc3\xa4 <d>.html");
	cr_expect_str_eq(mime_part_filename(mime_part_child(root, 2)), "c");
	cr_expect(span_eq_str(
	    mime_part_body(mime_part_child(root, 1)), "PGltZyBzcmM9eD4=\r\n"));
	buf_reset(&out);
	/* one text is an entity of its own */
	cr_assert_eq(
	    mime_pgp_write_pieces(pieces, 1, "uniqueword", &sink), ERR_OK);
	cr_expect(span_starts_caseeq(
	    buf_span(&out), "Content-Type: text/plain; charset=utf-8\r\n"));
	/* in no known charset */
	buf_reset(&out);
	pieces[0].text = SPAN_LIT("h\xe4");
	cr_assert_eq(
	    mime_pgp_write_pieces(pieces, 1, "uniqueword", &sink), ERR_OK);
	cr_expect(span_starts_caseeq(buf_span(&out),
	    "Content-Type: text/plain; charset=iso-8859-1\r\n"));
	buf_clear(&out);
	arena_free(a);
	free(octets);
}
