/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The parse tree and what makes it ambiguous. A tree is written here as
 * "type/subtype[encoding](children)"; messages stand in the tables without
 * their From and MIME-Version.
 */
#include "mime/tree.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "mime/header.h"
#include "mime/scan.h"

#define HEAD  "From: a@b.example\r\nMIME-Version: 1.0\r\n"
#define MIXED HEAD "Content-Type: multipart/mixed; boundary=b1\r\n\r\n"

struct parsed {
	struct buf text;
	struct arena *arena;
	struct mime_tree *tree;
};

static void
parse(struct span msg, bool smtputf8, struct parsed *out)
{
	static const uint8_t zeros[MIME_TREE_PADDING];
	struct mime_scan scan;
	struct err_why why = {""};

	out->arena = arena_new(64 * 1024 * 1024);
	buf_init(&out->text, 64 * 1024 * 1024);
	cr_assert(buf_put(&out->text, msg) == ERR_OK);
	cr_assert(buf_put(&out->text, SPAN(zeros, sizeof(zeros))) == ERR_OK);
	cr_assert(
	    mime_scan(SPAN(out->text.data, msg.len), &scan, &why) == ERR_OK,
	    "%s", why.text);
	cr_assert(mime_tree_parse(SPAN(out->text.data, msg.len), &scan,
		      smtputf8, out->arena, &out->tree, &why) == ERR_OK,
	    "%s", why.text);
}

static void
clear(struct parsed *p)
{
	buf_clear(&p->text);
	arena_free(p->arena);
}

static void
describe(const struct mime_part *p, struct buf *out)
{
	cr_assert(buf_printf(out, "%s/%s[%s]", mime_part_type(p),
		      mime_part_subtype(p), mime_part_encoding(p)) == ERR_OK);
	if (mime_part_child_count(p) == 0)
		return;
	cr_assert(buf_puts(out, "(") == ERR_OK);
	for (size_t i = 0; i < mime_part_child_count(p); i++) {
		if (i > 0)
			cr_assert(buf_puts(out, " ") == ERR_OK);
		describe(mime_part_child(p, i), out);
	}
	cr_assert(buf_puts(out, ")") == ERR_OK);
}

static const struct {
	const char *msg, *tree;
} clear_cut[] = {
    {"From: a@b.example\r\n\r\nhi\r\n", "text/plain[7bit]"},
    {"From: a@b.example\r\n\r\n", "text/plain[7bit]"},
    {"From: a@b.example\r\n", "text/plain[7bit]"},
    {"From: A <a@b.example>, c@d.example\r\n\r\nhi\r\n", "text/plain[7bit]"},
    {HEAD "Content-Type: text/html; charset=utf-8\r\n"
	  "Content-Transfer-Encoding: 8bit\r\n\r\nh\xc3\xa4\r\n",
	"text/html[8bit]"},
    {HEAD "Content-Type: TEXT/Plain; Charset=\"utf-8\";\r\n\r\nh\r\n",
	"text/plain[7bit]"},
    {HEAD "Content-Type: text/plain\r\n"
	  "Content-Transfer-Encoding: Quoted-Printable\r\n\r\n"
	  "a=20=\r\nb=3D= \r\n",
	"text/plain[quoted-printable]"},
    {HEAD "Content-Type: application/pdf; name=\"a b.pdf\"\r\n"
	  "Content-Transfer-Encoding: base64\r\n\r\nZm9v\r\nZg==\r\n",
	"application/pdf[base64]"},
    {HEAD "Content-Type: application/x-y+z;\r\n a=b; c=\"d;e\"\r\n\r\nx",
	"application/x-y+z[7bit]"},
    {MIXED "--b1\r\nContent-Type: text/plain\r\n\r\nx\r\n--b1--\r\n",
	"multipart/mixed[7bit](text/plain[7bit])"},
    {MIXED "pre\r\n--b1\r\nContent-Type: text/plain\r\n\r\nx\r\n"
	   "--b1 \t\r\nContent-Type: image/png\r\n\r\ny\r\n--b1-- \r\nepi\r\n",
	"multipart/mixed[7bit](text/plain[7bit] image/png[7bit])"},
    /* a part without a header of its own, first and later */
    {MIXED "--b1\r\n\r\nx\r\n--b1\r\n\r\ny\r\n--b1--\r\n",
	"multipart/mixed[7bit](text/plain[7bit] text/plain[7bit])"},
    {MIXED "--b1\r\n\r\n\r\nx\r\n--b1--\r\n",
	"multipart/mixed[7bit](text/plain[7bit])"},
    {MIXED "--b1\r\nContent-Type: multipart/alternative; boundary=\"c 2\"\r\n"
	   "\r\n--c 2\r\nContent-Type: text/plain\r\n\r\nx\r\n"
	   "--c 2\r\nContent-Type: text/html\r\n\r\ny\r\n--c 2--\r\n"
	   "--b1--\r\n",
	"multipart/mixed[7bit](multipart/alternative[7bit]"
	"(text/plain[7bit] text/html[7bit]))"},
    {MIXED "--b1\r\nContent-Type: message/rfc822\r\n\r\n"
	   "From: x\r\nSubject: y\r\nContent-Type: text/html\r\n\r\nz\r\n"
	   "--b1--\r\n",
	"multipart/mixed[7bit](message/rfc822[7bit](text/html[7bit]))"},
    {HEAD "Content-Type: multipart/signed; protocol=\"application/pgp-sig"
	  "nature\";\r\n micalg=pgp-sha256; boundary=\"=_a(b)'+_,-./:?=x\"\r\n"
	  "\r\n--=_a(b)'+_,-./:?=x\r\nContent-Type: text/plain\r\n\r\nx\r\n"
	  "--=_a(b)'+_,-./:?=x\r\n"
	  "Content-Type: application/pgp-signature\r\n\r\ny\r\n"
	  "--=_a(b)'+_,-./:?=x--\r\n",
	"multipart/signed[7bit](text/plain[7bit] "
	"application/pgp-signature[7bit])"},
    {HEAD "Content-Type: message/delivery-status\r\n\r\nA: b\r\n",
	"message/delivery-status[7bit]"},
    /* "--" lines that are no delimiters */
    {MIXED "--b1\r\nContent-Type: text/plain\r\n\r\n--\r\n-- \r\n--b\r\n"
	   "--B1\r\n- --b1\r\n --b1\r\n--b1--\r\n",
	"multipart/mixed[7bit](text/plain[7bit])"},
};

static const struct {
	const char *what, *msg;
} ambiguous[] = {
    {"empty", ""},
    {"no From", "To: a@b.example\r\n\r\nx\r\n"},
    {"two From", "From: a@b.example\r\nFrom: c@d.example\r\n\r\nx\r\n"},
    {"two Subject", HEAD "Subject: a\r\nSubject: b\r\n\r\nx\r\n"},
    {"two To", HEAD "To: a@b.example\r\nTo: c@d.example\r\n\r\nx\r\n"},
    {"two Content-Type", HEAD "Content-Type: text/plain\r\n"
			      "Content-Type: text/html\r\n\r\nx\r\n"},
    {"two encodings", HEAD "Content-Transfer-Encoding: 7bit\r\n"
			   "Content-Transfer-Encoding: base64\r\n\r\nZm9v\r\n"},
    {"From without address", "From: Bob\r\n\r\nx\r\n"},
    {"From that is two", "From: a@b.example <c@d.example>\r\n\r\nx\r\n"},
    {"From with route", "From: <@x:a@b.example>\r\n\r\nx\r\n"},
    {"empty From", "From:\r\n\r\nx\r\n"},
    {"blank before colon", HEAD "Subject : a\r\n\r\nx\r\n"},
    {"blank before colon of Content-Type",
	HEAD "Content-Type : text/html\r\n\r\nx\r\n"},
    {"header without end", HEAD "no field\r\nTo: c@d.example\r\n\r\nx\r\n"},
    {"header that begins folded", " From: a@b.example\r\n\r\nx\r\n"},
    {"mbox line", "From a@b Mon\r\n" HEAD "\r\nx\r\n"},
    {"blank fold", HEAD "Subject: a\r\n \r\nTo: c@d.example\r\n\r\nx\r\n"},
    {"8-bit header", HEAD "Subject: h\xc3\xa4\r\n\r\nx\r\n"},
    {"no MIME-Version",
	"From: a@b.example\r\nContent-Type: text/html\r\n\r\nx\r\n"},
    {"MIME-Version 2", "From: a@b.example\r\nMIME-Version: 2.0\r\n"
		       "Content-Type: text/html\r\n\r\nx\r\n"},
    {"Content-Type without slash", HEAD "Content-Type: text\r\n\r\nx\r\n"},
    {"empty Content-Type", HEAD "Content-Type:\r\n\r\nx\r\n"},
    {"comment in Content-Type",
	HEAD "Content-Type: text/plain (x)\r\n\r\nx\r\n"},
    {"comment in type", HEAD "Content-Type: text(x)/plain\r\n\r\nx\r\n"},
    {"blank in type", HEAD "Content-Type: text /plain\r\n\r\nx\r\n"},
    {"parameter without value",
	HEAD "Content-Type: text/plain; charset\r\n\r\nx\r\n"},
    {"parameter twice", HEAD "Content-Type: text/plain; charset=a; "
			     "CHARSET=b\r\n\r\nx\r\n"},
    {"value not quoted",
	HEAD "Content-Type: text/plain; name=a b\r\n\r\nx\r\n"},
    {"value half quoted",
	HEAD "Content-Type: text/plain; name=\"a\"b\r\n\r\nx\r\n"},
    {"quoted pair in value",
	HEAD "Content-Type: text/plain; name=\"a\\\"b\"\r\n\r\nx\r\n"},
    {"two semicolons",
	HEAD "Content-Type: text/plain;; charset=a\r\n\r\nx\r\n"},
    {"no boundary", HEAD "Content-Type: multipart/mixed\r\n\r\n"
			 "--b1\r\n\r\nx\r\n--b1--\r\n"},
    {"empty boundary", HEAD "Content-Type: multipart/mixed; boundary=\"\"\r\n"
			    "\r\n--\r\n\r\nx\r\n----\r\n"},
    {"boundary that is a quote",
	HEAD "Content-Type: multipart/mixed; boundary=\"\\\"\"\r\n\r\n"
	     "--\"\r\n\r\nx\r\n--\"--\r\n"},
    {"boundary twice",
	HEAD "Content-Type: multipart/mixed; boundary=b1; boundary=b2\r\n\r\n"
	     "--b1\r\n\r\nx\r\n--b1--\r\n"},
    {"boundary in pieces",
	HEAD "Content-Type: multipart/mixed; boundary*0=b; boundary*1=1\r\n"
	     "\r\n--b1\r\n\r\nx\r\n--b1--\r\n"},
    {"boundary encoded", HEAD "Content-Type: multipart/mixed; "
			      "boundary*=us-ascii''b1; boundary=b2\r\n"
			      "\r\n--b1\r\n\r\nx\r\n--b1--\r\n"},
    {"boundary that ends in a blank",
	HEAD "Content-Type: multipart/mixed; boundary=\"b1 \"\r\n\r\n"
	     "--b1 \r\n\r\nx\r\n--b1 --\r\n"},
    {"boundary with an equals sign and no quotes",
	HEAD "Content-Type: multipart/mixed; boundary=b=1\r\n\r\n"
	     "--b=1\r\n\r\nx\r\n--b=1--\r\n"},
    {"multipart without parts", MIXED "x\r\n"},
    {"multipart with an end only", MIXED "--b1--\r\n"},
    {"multipart without end", MIXED "--b1\r\n\r\nx\r\n"},
    {"inner multipart without end",
	MIXED "--b1\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"
	      "--c\r\n\r\nx\r\n--b1--\r\n"},
    {"delimiter behind the end",
	MIXED "--b1\r\n\r\nx\r\n--b1--\r\n--b1\r\n\r\ny\r\n--b1--\r\n"},
    {"longer line that begins like a delimiter",
	MIXED "--b1\r\n\r\nx\r\n--b1x\r\ny\r\n--b1--\r\n"},
    {"end with something behind it",
	MIXED "--b1\r\n\r\nx\r\n--b1--x\r\n--b1--\r\n"},
    {"outer boundary that begins like the inner",
	HEAD "Content-Type: multipart/mixed; boundary=b12\r\n\r\n--b12\r\n"
	     "Content-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\n\r\n"
	     "x\r\n--b1--\r\n--b12--\r\n"},
    {"inner boundary that begins like the outer",
	MIXED "--b1\r\nContent-Type: multipart/mixed; boundary=b12\r\n\r\n"
	      "--b12\r\n\r\nx\r\n--b12--\r\n--b1--\r\n"},
    {"inner boundary that is the outer",
	MIXED "--b1\r\nContent-Type: multipart/mixed; boundary=b1\r\n\r\n"
	      "--b1\r\n\r\nx\r\n--b1--\r\n--b1--\r\n"},
    {"empty part", MIXED "--b1\r\n--b1--\r\n"},
    {"part header without end",
	MIXED "--b1\r\nContent-Type: text/plain\r\nx\r\n--b1--\r\n"},
    {"two types in a part",
	MIXED "--b1\r\nContent-Type: text/plain\r\n"
	      "Content-Type: text/html\r\n\r\nx\r\n--b1--\r\n"},
    {"first line of a part that looks like a header",
	MIXED "--b1\r\n\r\n\r\nContent-Type: text/html\r\n\r\nx\r\n--b1--\r\n"},
    /* libetpan takes the header of the message for that of the part */
    {"digest whose parts have no header",
	HEAD "Content-Type: multipart/digest; boundary=b1\r\n\r\n"
	     "--b1\r\n\r\nSubject: y\r\n\r\nz\r\n--b1--\r\n"},
    {"encoded multipart", HEAD "Content-Type: multipart/mixed; boundary=b1\r\n"
			       "Content-Transfer-Encoding: base64\r\n\r\n"
			       "--b1\r\n\r\nx\r\n--b1--\r\n"},
    {"encoded message", HEAD "Content-Type: message/rfc822\r\n"
			     "Content-Transfer-Encoding: base64\r\n\r\n"
			     "U3ViamVjdDogeA0KDQo=\r\n"},
    {"unknown encoding",
	HEAD "Content-Transfer-Encoding: uuencode\r\n\r\nx\r\n"},
    {"encoding with a comment",
	HEAD "Content-Transfer-Encoding: base64 (x)\r\n\r\nZm9v\r\n"},
    {"base64 with foreign characters",
	HEAD "Content-Transfer-Encoding: base64\r\n\r\nZm.9v\r\n"},
    {"base64 with padding inside",
	HEAD "Content-Transfer-Encoding: base64\r\n\r\nZg==Zm9v\r\n"},
    {"base64 cut", HEAD "Content-Transfer-Encoding: base64\r\n\r\nZm9\r\n"},
    {"quoted-printable with a wrong pair",
	HEAD "Content-Transfer-Encoding: quoted-printable\r\n\r\na=ZZ\r\n"},
    {"message/partial", HEAD "Content-Type: message/partial; id=a; number=1;"
			     " total=2\r\n\r\nx\r\n"},
    {"message/external-body",
	HEAD "Content-Type: message/external-body; access-type=x\r\n\r\nx\r\n"},
    {"message/global", HEAD "Content-Type: message/global\r\n\r\n"
			    "From: a@b.example\r\n\r\nx\r\n"},
    {"message/ of no known kind",
	HEAD "Content-Type: message/--rfc822\r\n\r\nx\r\n"},
    /* the 97 octets that make libetpan 1.9.4 write out of bounds */
    {"boundary of one quote",
	"From: a@b.c\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; "
	"boundary=\"\\\"\"\r\n\r\n--\"\r\n\r\nx\r\n--\"--\r\n"},
};

Test(tree, clear_cut_messages)
{
	for (size_t i = 0; i < sizeof(clear_cut) / sizeof(clear_cut[0]); i++) {
		struct parsed p;
		struct buf text;
		const char *why = "";

		buf_init(&text, 65536);
		parse(span_str(clear_cut[i].msg), false, &p);
		describe(mime_tree_root(p.tree), &text);
		cr_assert(span_eq_str(buf_span(&text), clear_cut[i].tree),
		    "row %zu: %s", i, buf_cstr(&text));
		cr_assert(!mime_tree_is_ambiguous(p.tree, &why), "row %zu: %s",
		    i, why);
		buf_clear(&text);
		clear(&p);
	}
}

Test(tree, ambiguous_messages)
{
	cr_assert(sizeof(ambiguous) / sizeof(ambiguous[0]) >=
		  sizeof(clear_cut) / sizeof(clear_cut[0]));
	for (size_t i = 0; i < sizeof(ambiguous) / sizeof(ambiguous[0]); i++) {
		struct parsed p;
		const char *why = "";

		parse(span_str(ambiguous[i].msg), false, &p);
		cr_assert(mime_tree_is_ambiguous(p.tree, &why), "%s",
		    ambiguous[i].what);
		cr_assert(why[0] != '\0', "%s", ambiguous[i].what);
		cr_assert(mime_tree_root(p.tree) != NULL);
		clear(&p);
	}
}

/* What stood in a signature has no From; what it has is read as strictly. */
/* Behind the padding nobody looks: there is no room for a second message. */
Test(tree, base64_that_goes_on_behind_its_end_is_ambiguous)
{
	static const struct {
		size_t blanks;
		bool ambiguous;
	} rows[] = {{0, false}, {1000, false}, {40000, true}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct parsed p;
		struct buf msg;

		buf_init(&msg, 1 << 20);
		cr_assert_eq(
		    buf_puts(&msg,
			HEAD "Content-Type: application/pdf\r\n"
			     "Content-Transfer-Encoding: base64\r\n\r\nZg=="),
		    ERR_OK);
		for (size_t k = 0; k < rows[i].blanks; k += 100)
			cr_assert_eq(buf_printf(&msg, "%98s\r\n", ""), ERR_OK);
		parse(buf_span(&msg), false, &p);
		cr_expect_eq(mime_tree_is_ambiguous(p.tree, NULL),
		    rows[i].ambiguous, "%zu blanks", rows[i].blanks);
		clear(&p);
		buf_clear(&msg);
	}
}

Test(tree, an_entity_is_no_message)
{
	static const struct {
		const char *text;
		bool entity, message;
	} rows[] = {
	    {"Content-Type: text/plain\r\n\r\nhello\r\n", true, false},
	    {"\r\nhello\r\n", true, false},
	    {HEAD "Content-Type: text/plain\r\n\r\nhello\r\n", true, true},
	    {"From: a@b.example\r\n\r\nhello\r\n", true, true},
	    {"From: a@b.example, <\r\n\r\nhello\r\n", false, false},
	    {"From: a@b.example\r\nFrom: c@b.example\r\n\r\n", false, false},
	    {"MIME-Version: 2.0\r\n\r\nhello\r\n", false, false},
	    {"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n",
		false, false},
	    {"Content-Type: multipart/mixed; boundary=b\r\n\r\nhello\r\n",
		false, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct span msg = span_str(rows[i].text);
		struct mime_tree *inside;
		struct mime_scan scan;
		struct parsed p;

		parse(msg, false, &p);
		cr_expect_eq(!mime_tree_is_ambiguous(p.tree, NULL),
		    rows[i].message, "%s", rows[i].text);
		msg.data = p.text.data;
		cr_assert_eq(mime_scan(msg, &scan, NULL), ERR_OK);
		cr_assert_eq(mime_tree_parse_entity(
				 msg, &scan, false, p.arena, &inside, NULL),
		    ERR_OK);
		cr_expect_eq(!mime_tree_is_ambiguous(inside, NULL),
		    rows[i].entity, "%s", rows[i].text);
		clear(&p);
	}
}

Test(tree, utf8_header_needs_smtputf8)
{
	struct parsed p;

	parse(SPAN_LIT(HEAD "Subject: h\xc3\xa4\r\n\r\nx\r\n"), true, &p);
	cr_assert(!mime_tree_is_ambiguous(p.tree, NULL));
	clear(&p);
	parse(SPAN_LIT(HEAD "Subject: h\xe4\r\n\r\nx\r\n"), true, &p);
	cr_assert(mime_tree_is_ambiguous(p.tree, NULL));
	clear(&p);
}

Test(tree, spans_are_the_octets_of_the_message)
{
	const struct mime_part *p, *q;
	struct parsed m;

	parse(SPAN_LIT(MIXED "pre\r\n--b1\r\nContent-Type: text/plain\r\n\r\n"
			     "one\r\n\r\n--b1\r\n\r\ntwo\r\n--b1\r\n"
			     "Content-Type: message/rfc822\r\n\r\n"
			     "Subject: s\r\n\r\nthree\r\n--b1--\r\nepi\r\n"),
	    false, &m);
	cr_assert(!mime_tree_is_ambiguous(m.tree, NULL));
	cr_assert(mime_tree_part_count(m.tree) == 5);
	cr_assert(mime_tree_header(m.tree)->n == 3);
	p = mime_tree_root(m.tree);
	cr_assert(span_eq_str(mime_part_header(p), MIXED));
	p = mime_part_child(mime_tree_root(m.tree), 0);
	cr_assert(span_eq_str(
	    mime_part_header(p), "Content-Type: text/plain\r\n\r\n"));
	cr_assert(span_eq_str(mime_part_body(p), "one\r\n"));
	p = mime_part_child(mime_tree_root(m.tree), 1);
	cr_assert(span_eq_str(mime_part_header(p), "\r\n"));
	cr_assert(span_eq_str(mime_part_body(p), "two"));
	p = mime_part_child(mime_tree_root(m.tree), 2);
	cr_assert(span_eq_str(mime_part_body(p), "Subject: s\r\n\r\nthree"));
	q = mime_part_child(p, 0);
	cr_assert(span_eq_str(mime_part_header(q), "Subject: s\r\n\r\n"));
	cr_assert(span_eq_str(mime_part_body(q), "three"));
	cr_assert(mime_part_child(p, 1) == NULL);
	clear(&m);
}

Test(tree, parameters_and_file_names)
{
	static const struct {
		const char *fields, *name;
	} rows[] = {
	    {"Content-Type: a/b; name=x.txt\r\n", "x.txt"},
	    {"Content-Type: a/b; name=\"x y.txt\"\r\n", "x y.txt"},
	    {"Content-Type: a/b; name=x\r\n"
	     "Content-Disposition: attachment; filename=y\r\n",
		"y"},
	    {"Content-Disposition: attachment; "
	     "filename*=utf-8''h%C3%A4.txt\r\n",
		"h\xc3\xa4.txt"},
	    {"Content-Disposition: attachment; "
	     "filename*=iso-8859-1'de'h%E4.txt\r\n",
		"h\xc3\xa4.txt"},
	    {"Content-Disposition: attachment; filename*0=\"a b\"; "
	     "filename*1=c\r\n",
		"a bc"},
	    {"Content-Disposition: attachment; filename*0*=utf-8''%C3; "
	     "filename*1*=%A4; filename*2=x\r\n",
		"\xc3\xa4x"},
	    {"Content-Type: a/b; name=\"=?utf-8?q?h=C3=A4?=\"\r\n",
		"h\xc3\xa4"},
	    {"Content-Disposition: attachment; filename*=utf-8''a%0D%0Ab\r\n",
		"a  b"},
	    {"Content-Disposition: attachment\r\n", NULL},
	    {"Content-Type: a/b\r\n", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct parsed p;
		struct buf msg;
		const char *name;

		buf_init(&msg, 65536);
		cr_assert(buf_printf(&msg, HEAD "%s\r\nx\r\n",
			      rows[i].fields) == ERR_OK);
		parse(buf_span(&msg), false, &p);
		name = mime_part_filename(mime_tree_root(p.tree));
		if (rows[i].name == NULL)
			cr_assert(name == NULL, "row %zu", i);
		else
			cr_assert_str_eq(name, rows[i].name, "row %zu", i);
		buf_clear(&msg);
		clear(&p);
	}
}

Test(tree, type_and_parameter_lookups)
{
	struct parsed p;
	const struct mime_part *root;

	parse(SPAN_LIT(HEAD "Content-Type: Multipart/Encrypted; "
			    "PROTOCOL=\"application/pgp-encrypted\"; "
			    "boundary=b1\r\n\r\n--b1\r\n\r\nx\r\n--b1--\r\n"),
	    false, &p);
	root = mime_tree_root(p.tree);
	cr_assert(mime_part_is(root, "multipart", "encrypted"));
	cr_assert(!mime_part_is(root, "multipart", "mixed"));
	cr_assert_str_eq(
	    mime_part_param(root, "protocol"), "application/pgp-encrypted");
	cr_assert(mime_part_param(root, "charset") == NULL);
	clear(&p);
}

/* n multiparts in each other, closed */
static void
nest(struct buf *b, int n)
{
	cr_assert(buf_puts(b, HEAD) == ERR_OK);
	for (int i = 0; i < n; i++)
		cr_assert(buf_printf(b,
			      "Content-Type: multipart/mixed; boundary=x%dx\r\n"
			      "\r\n--x%dx\r\n",
			      i, i) == ERR_OK);
	cr_assert(buf_puts(b, "\r\ny\r\n") == ERR_OK);
	for (int i = n - 1; i >= 0; i--)
		cr_assert(buf_printf(b, "--x%dx--\r\n", i) == ERR_OK);
}

Test(tree, depth_and_parts_are_limited)
{
	struct parsed p;
	struct buf b;
	const char *why = "";

	buf_init(&b, 16 * 1024 * 1024);
	nest(&b, LIMIT_MIME_DEPTH - 1);
	parse(buf_span(&b), false, &p);
	cr_assert(!mime_tree_is_ambiguous(p.tree, &why), "%s", why);
	cr_assert(mime_tree_part_count(p.tree) == LIMIT_MIME_DEPTH);
	clear(&p);
	buf_reset(&b);
	nest(&b, LIMIT_MIME_DEPTH);
	parse(buf_span(&b), false, &p);
	cr_assert(mime_tree_is_ambiguous(p.tree, &why));
	cr_assert_str_eq(why, "parts nested too deep");
	cr_assert(mime_tree_part_count(p.tree) == 1);
	clear(&p);
	buf_reset(&b);
	nest(&b, 5000);
	parse(buf_span(&b), false, &p);
	cr_assert(mime_tree_is_ambiguous(p.tree, NULL));
	clear(&p);
	buf_reset(&b);
	cr_assert(buf_puts(&b, MIXED) == ERR_OK);
	for (unsigned i = 0; i < LIMIT_MIME_PARTS; i++)
		cr_assert(buf_puts(&b, "--b1\r\nX: y\r\n\r\nz\r\n") == ERR_OK);
	cr_assert(buf_puts(&b, "--b1--\r\n") == ERR_OK);
	parse(buf_span(&b), false, &p);
	cr_assert(mime_tree_is_ambiguous(p.tree, &why));
	cr_assert_str_eq(why, "too many parts");
	clear(&p);
	buf_clear(&b);
}

Test(tree, hostile_sizes_cost_neither_stack_nor_time)
{
	static const struct {
		const char *head, *row;
		size_t n;
	} rows[] = {
	    {HEAD, "Content-Type: message/rfc822\r\n\r\n", 100000},
	    {HEAD "Content-Type: message/rfc822\r\n\r\nFrom: ",
		"((((((((((((\r\n ", 100000},
	    {HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
		"--b\r\n\r\n", 500000},
	    {HEAD "Content-Type: multipart/digest; boundary=b\r\n\r\n",
		"--b\r\n\r\nContent-Type: multipart/digest; boundary=b\r\n\r\n",
		100000},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct parsed p;
		struct buf b;

		buf_init(&b, 64 * 1024 * 1024);
		cr_assert(buf_puts(&b, rows[i].head) == ERR_OK);
		for (size_t k = 0; k < rows[i].n; k++)
			cr_assert(buf_puts(&b, rows[i].row) == ERR_OK);
		cr_assert(buf_puts(&b, "\r\n") == ERR_OK);
		parse(buf_span(&b), false, &p);
		cr_assert(mime_tree_is_ambiguous(p.tree, NULL), "row %zu", i);
		clear(&p);
		buf_clear(&b);
	}
}

Test(tree, an_arena_that_is_too_small_makes_it_ambiguous)
{
	static const uint8_t zeros[MIME_TREE_PADDING];
	struct arena *a = arena_new(65536);
	struct mime_tree *tree;
	struct mime_scan scan;
	struct buf b;
	size_t len;

	buf_init(&b, 1024 * 1024);
	cr_assert(buf_puts(&b, MIXED) == ERR_OK);
	for (int i = 0; i < 100; i++)
		cr_assert(buf_puts(&b, "--b1\r\nX: y\r\n\r\nz\r\n") == ERR_OK);
	cr_assert(buf_puts(&b, "--b1--\r\n") == ERR_OK);
	len = b.len;
	cr_assert(buf_put(&b, SPAN(zeros, sizeof(zeros))) == ERR_OK);
	cr_assert(mime_scan(SPAN(b.data, len), &scan, NULL) == ERR_OK);
	cr_assert(mime_tree_parse(SPAN(b.data, len), &scan, false, a, &tree,
		      NULL) == ERR_OK);
	cr_assert(mime_tree_is_ambiguous(tree, NULL));
	cr_assert(mime_tree_part_count(tree) == 1);
	buf_clear(&b);
	arena_free(a);
}
