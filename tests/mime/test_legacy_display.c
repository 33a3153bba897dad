/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Where the legacy display element goes, in which characters, and where it
 * never does. The two whole messages are of the kind RFC 9788 shows.
 */
#include "mime/header.h"
#include "tests/mime/payload_case.h"

#define HEAD                                                                   \
	"From: a@b.example\r\nSubject: Dinner plans\r\nMIME-Version: 1.0\r\n"
#define UHEAD                                                                  \
	"From: a@b.example\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n"        \
	"MIME-Version: 1.0\r\n"
#define DIV                                                                    \
	"\r\n<div class=\"header-protection-legacy-display\">\r\n"             \
	"<pre>Subject: Dinner plans</pre>\r\n</div>\r\n"

/* body: what is behind HP-Outer in the payload. */
static const struct {
	const char *what, *msg, *content;
} rows[] = {
    {"plain text",
	HEAD "Content-Type: text/plain; charset=\"us-ascii\"\r\n\r\nLet's\r\n",
	"Content-Type: text/plain; charset=\"us-ascii\"; "
	"hp-legacy-display=\"1\";\r\n hp=\"cipher\"; "
	"protected-headers=\"v1\"\r\n\r\n"
	"Subject: Dinner plans\r\n\r\nLet's\r\n"},
    {"a message without MIME",
	"From: a@b.example\r\nSubject: Dinner plans\r\n"
	"\r\nLet's\r\n",
	"Content-Type: text/plain; hp-legacy-display=\"1\";\r\n"
	" hp=\"cipher\"; protected-headers=\"v1\"\r\n\r\nSubject: Dinner "
	"plans\r\n\r\nLet's\r\n"},
    {"no text at all", HEAD "\r\n",
	"Content-Type: text/plain; hp-legacy-display=\"1\";\r\n"
	" hp=\"cipher\"; protected-headers=\"v1\"\r\n\r\nSubject: Dinner "
	"plans\r\n\r\n"},
    {"HTML",
	HEAD "Content-Type: text/html\r\n\r\n"
	     "<html><body class=\"a>b\">\r\n<p>x</p></body></html>\r\n",
	"Content-Type: text/html; hp-legacy-display=\"1\";\r\n"
	" hp=\"cipher\"; protected-headers=\"v1\"\r\n\r\n<html><body "
	"class=\"a>b\">" DIV "\r\n<p>x</p></body></html>\r\n"},
    {"HTML, not in a comment, a style or a title",
	HEAD "Content-Type: text/html\r\n\r\n<!DOCTYPE html><html><head>"
	     "<!-- <body> --><style>/*<body>*/</style><title><body></title>"
	     "</head><BODY><p>x\r\n",
	"Content-Type: text/html; hp-legacy-display=\"1\";\r\n"
	" hp=\"cipher\"; protected-headers=\"v1\"\r\n\r\n<!DOCTYPE "
	"html><html><head>"
	"<!-- <body> --><style>/*<body>*/</style><title><body></title>"
	"</head><BODY>" DIV "<p>x\r\n"},
    {"HTML without a body tag",
	HEAD "Content-Type: text/html\r\n\r\n<!doctype html><p>x\r\n",
	"Content-Type: text/html; hp-legacy-display=\"1\";\r\n"
	" hp=\"cipher\"; protected-headers=\"v1\"\r\n\r\n<!doctype html>" DIV
	"<p>x\r\n"},
    {"quoted-printable HTML",
	HEAD "Content-Type: text/html\r\n"
	     "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
	     "<bo=\r\ndy cl=\r\nass=3D\"x\">=C3=A4\r\n",
	"Content-Type: text/html; hp-legacy-display=\"1\";\r\n"
	" hp=\"cipher\"; "
	"protected-headers=\"v1\"\r\nContent-Transfer-Encoding: "
	"quoted-printable\r\n\r\n"
	"<body class=3D\"x\">\r\n<div class=3D\"header-protection-legacy-"
	"display\">\r\n<pre>Subject: Dinner plans</pre>\r\n</div>\r\n"
	"=C3=A4\r\n"},
    {"base64",
	HEAD "Content-Type: text/plain; charset=utf-8\r\n"
	     "Content-Transfer-Encoding: base64\r\n\r\naGVs\r\nbG8=\r\n",
	"Content-Type: text/plain; charset=utf-8; hp-legacy-display=\"1\";\r\n"
	" hp=\"cipher\"; "
	"protected-headers=\"v1\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	"U3ViamVjdDogRGlubmVyIHBsYW5zDQoNCmhlbGxv\r\n"},
    {"beyond ASCII in UTF-8 text",
	UHEAD "Content-Type: text/plain; charset=utf-8\r\n"
	      "Content-Transfer-Encoding: 8bit\r\n\r\nh\xc3\xa4\r\n",
	"Content-Type: text/plain; charset=utf-8; hp-legacy-display=\"1\";\r\n"
	" hp=\"cipher\"; "
	"protected-headers=\"v1\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
	"Subject: Gr\xc3\xbc\xc3\x9f"
	"e\r\n\r\nh\xc3\xa4\r\n"},
    {"beyond ASCII in ASCII text",
	UHEAD "Content-Type: text/plain; charset=us-ascii; format=flowed\r\n"
	      "\r\na = b\r\n",
	"Content-Type: text/plain; format=flowed; charset=\"utf-8\"; "
	"hp-legacy-display=\"1\";\r\n hp=\"cipher\"; "
	"protected-headers=\"v1\"\r\n"
	"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
	"Subject: Gr=C3=BC=C3=9Fe\r\n\r\na =3D b\r\n"},
    {"beyond ASCII in Latin-1",
	UHEAD "Content-Type: text/plain; charset=iso-8859-1\r\n"
	      "Content-Transfer-Encoding: 8bit\r\n\r\nh\xe4\r\n",
	"Content-Type: text/plain; charset=iso-8859-1; "
	"hp-legacy-display=\"1\";\r\n hp=\"cipher\"; "
	"protected-headers=\"v1\"\r\n"
	"Content-Transfer-Encoding: 8bit\r\n\r\n"
	"Subject: Gr\xfc\xdf"
	"e\r\n\r\nh\xe4\r\n"},
    {"beyond ASCII in another charset",
	UHEAD "Content-Type: text/plain; charset=windows-1252\r\n"
	      "Content-Transfer-Encoding: quoted-printable\r\n\r\n=80\r\n",
	"Content-Type: text/plain; charset=windows-1252; "
	"hp-legacy-display=\"1\";\r\n hp=\"cipher\"; "
	"protected-headers=\"v1\"\r\n"
	"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
	"Subject: Gr=FC=DFe\r\n\r\n=80\r\n"},
    {"a charset that has no such character",
	"From: a@b.example\r\nSubject: =?utf-8?Q?=C3=BC?=\r\n"
	"MIME-Version: 1.0\r\n"
	"Content-Type: text/plain; charset=koi8-r\r\n"
	"Content-Transfer-Encoding: 8bit\r\n\r\n\xe4\r\n",
	"Content-Type: text/plain; charset=koi8-r; "
	"hp-legacy-display=\"1\";\r\n hp=\"cipher\"; "
	"protected-headers=\"v1\"\r\n"
	"Content-Transfer-Encoding: 8bit\r\n\r\n"
	"Subject: =?UTF-8?B?w7w=?=\r\n\r\n\xe4\r\n"},
    {"HTML has references for all of it",
	"From: a@b.example\r\nSubject: <b> & =?utf-8?Q?=C3=BC=F0=9F=94=92?=\r\n"
	"MIME-Version: 1.0\r\n"
	"Content-Type: text/html; charset=koi8-r\r\n\r\n<body>x\r\n",
	"Content-Type: text/html; charset=koi8-r; "
	"hp-legacy-display=\"1\";\r\n hp=\"cipher\"; "
	"protected-headers=\"v1\"\r\n\r\n<body>\r\n"
	"<div class=\"header-protection-legacy-display\">\r\n"
	"<pre>Subject: &lt;b&gt; &amp; &#252;&#128274;</pre>\r\n"
	"</div>\r\nx\r\n"},
    {"a charset that has no ASCII is left alone",
	HEAD "Content-Type: text/plain; charset=utf-16\r\n"
	     "Content-Transfer-Encoding: base64\r\n\r\nAEE=\r\n",
	"Content-Type: text/plain; charset=utf-16;\r\n hp=\"cipher\"; "
	"protected-headers=\"v1\"\r\n"
	"Content-Transfer-Encoding: base64\r\n\r\nAEE=\r\n"},
    {"a long subject is folded",
	"From: a@b.example\r\nSubject: 1234567890 1234567890 1234567890\r\n"
	" 1234567890 1234567890 1234567890 1234567890\r\n\r\nx\r\n",
	"Content-Type: text/plain; hp-legacy-display=\"1\";\r\n"
	" hp=\"cipher\"; protected-headers=\"v1\"\r\n\r\n"
	"Subject: 1234567890 1234567890 1234567890 1234567890 1234567890 "
	"1234567890\r\n 1234567890\r\n\r\nx\r\n"},
    {"all alternatives",
	HEAD "Content-Type: multipart/alternative; boundary=x\r\n\r\n"
	     "--x\r\n\r\ntext\r\n--x\r\nContent-Type: text/html\r\n"
	     "Content-MD5: x\r\nX-Other: y\r\n\r\n"
	     "<body>html\r\n--x\r\nContent-Type: text/calendar\r\n\r\nBEGIN\r\n"
	     "--x--\r\n",
	"Content-Type: multipart/alternative; boundary=x;\r\n"
	" hp=\"cipher\"; protected-headers=\"v1\"\r\n\r\n"
	"--x\r\nContent-Type: text/plain; hp-legacy-display=\"1\"\r\n\r\n"
	"Subject: Dinner plans\r\n\r\ntext\r\n"
	"--x\r\nContent-Type: text/html; hp-legacy-display=\"1\"\r\n"
	"X-Other: y\r\n\r\n<body>" DIV "html\r\n"
	"--x\r\nContent-Type: text/calendar\r\n\r\nBEGIN\r\n--x--\r\n"},
    {"the first of mixed and related only, deep inside",
	HEAD "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"
	     "Content-Type: multipart/related; boundary=y\r\n\r\n--y\r\n"
	     "Content-Type: text/plain; hp-legacy-display=0\r\n\r\none\r\n"
	     "--y\r\n\r\ntwo\r\n--y--\r\n--x\r\n\r\nthree\r\n--x--\r\n",
	"Content-Type: multipart/mixed; boundary=x;\r\n hp=\"cipher\"; "
	"protected-headers=\"v1\"\r\n\r\n"
	"--x\r\nContent-Type: multipart/related; boundary=y\r\n\r\n--y\r\n"
	"Content-Type: text/plain; hp-legacy-display=\"1\"\r\n\r\n"
	"Subject: Dinner plans\r\n\r\none\r\n"
	"--y\r\n\r\ntwo\r\n--y--\r\n--x\r\n\r\nthree\r\n--x--\r\n"},
    {"not an attachment",
	HEAD "Content-Type: text/plain\r\n"
	     "Content-Disposition: Attachment; filename=x\r\n\r\nx\r\n",
	"Content-Type: text/plain;\r\n hp=\"cipher\"; "
	"protected-headers=\"v1\"\r\n"
	"Content-Disposition: Attachment; filename=x\r\n\r\nx\r\n"},
    {"not a signed part",
	HEAD "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"
	     "Content-Type: multipart/signed; boundary=y\r\n\r\n--y\r\n\r\n"
	     "text\r\n--y\r\nContent-Type: application/pgp-signature\r\n\r\n"
	     "s\r\n--y--\r\n--x--\r\n",
	"Content-Type: multipart/mixed; boundary=x;\r\n hp=\"cipher\"; "
	"protected-headers=\"v1\"\r\n\r\n"
	"--x\r\nContent-Type: multipart/signed; boundary=y\r\n\r\n--y\r\n\r\n"
	"text\r\n--y\r\nContent-Type: application/pgp-signature\r\n\r\n"
	"s\r\n--y--\r\n--x--\r\n"},
    {"not a message in the message",
	HEAD "Content-Type: message/rfc822\r\n\r\nFrom: c@d\r\n\r\ntext\r\n",
	"Content-Type: message/rfc822;\r\n hp=\"cipher\"; "
	"protected-headers=\"v1\"\r\n\r\n"
	"From: c@d\r\n\r\ntext\r\n"},
    {"not a report",
	HEAD "Content-Type: multipart/report; boundary=x\r\n\r\n"
	     "--x\r\n\r\ntext\r\n--x--\r\n",
	"Content-Type: multipart/report; boundary=x;\r\n hp=\"cipher\"; "
	"protected-headers=\"v1\"\r\n\r\n"
	"--x\r\n\r\ntext\r\n--x--\r\n"},
    {"nothing in doubt is touched",
	HEAD "Content-Type: multipart/mixed; boundary=x\r\n\r\n"
	     "--x\r\n\r\ntext without an end\r\n",
	"Content-Type: multipart/mixed; boundary=x;\r\n hp=\"cipher\"; "
	"protected-headers=\"v1\"\r\n\r\n"
	"--x\r\n\r\ntext without an end\r\n"},
    {"no element for an empty subject",
	"From: a@b.example\r\nSubject: \r\n\r\nx\r\n",
	"Content-Type: text/plain;\r\n hp=\"cipher\"; "
	"protected-headers=\"v1\"\r\n\r\nx\r\n"},
    {"no element where nothing is hidden", "From: a@b.example\r\n\r\nx\r\n",
	"Content-Type: text/plain;\r\n hp=\"cipher\"; "
	"protected-headers=\"v1\"\r\n\r\nx\r\n"},
};

/* Behind the protected fields and their record. */
static struct span
content_of(struct span inner)
{
	size_t at = span_find(inner, 0, SPAN_LIT("Content-Type:"));

	return SPAN(inner.data + at, inner.len - at);
}

Test(legacy_display, where_and_how)
{
	struct mime_payload_form form = {.sealed = true};

	mime_charsets_open();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct made m;

		made_init(&m, span_str(rows[i].msg), &form);
		cr_assert(span_eq_str(
			      content_of(buf_span(&m.inner)), rows[i].content),
		    "%s:\n%s", rows[i].what, buf_cstr(&m.inner));
		made_clear(&m);
	}
	mime_charsets_close();
}

Test(legacy_display, only_in_what_is_sealed)
{
	static const enum mime_hp hps[] = {MIME_HP_NONE, MIME_HP_BASELINE};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t k = 0; k < 2; k++) {
			struct mime_payload_form form = {
			    .hp = hps[k], .sealed = k == 0};
			struct made m;

			made_init(&m, span_str(rows[i].msg), &form);
			cr_assert(span_find(buf_span(&m.inner), 0,
				      SPAN_LIT("legacy-display=\"1\"")) ==
				      m.inner.len,
			    "%s", rows[i].what);
			made_clear(&m);
		}
	}
}

Test(legacy_display, shy_shows_all_that_it_hid)
{
	struct mime_payload_form form = {.hp = MIME_HP_SHY, .sealed = true};
	struct made m;

	made_init(&m,
	    SPAN_LIT("From: =?utf-8?Q?J=C3=B6rg?= <j@b.example>\r\n"
		     "To: x@y.example\r\nSubject: s\r\nKeywords: k\r\n"
		     "Date: Sat, 20 Feb 2021 10:09:02 -0500\r\n"
		     "MIME-Version: 1.0\r\n"
		     "Content-Type: text/plain; charset=utf-8\r\n"
		     "Content-Transfer-Encoding: 8bit\r\n\r\nx\r\n"),
	    &form);
	cr_assert(span_find(buf_span(&m.inner), 0,
		      SPAN_LIT("\r\n\r\nFrom: J\xc3\xb6rg <j@b.example>\r\n"
			       "Subject: s\r\nKeywords: k\r\n"
			       "Date: Sat, 20 Feb 2021 10:09:02 -0500\r\n"
			       "\r\nx\r\n")) < m.inner.len,
	    "%s", buf_cstr(&m.inner));
	made_clear(&m);
}

/* --- and taken out again --- */

#define PLAIN(param) "Content-Type: text/plain; hp=\"cipher\"" param "\r\n"
#define SAYS	     "; hp-legacy-display=\"1\""
#define ELEMENT	     "Subject: Dinner\r\n plans\r\nTo: c@d.example\r\n\r\n"
#define WEB	     "Content-Type: text/html; hp=\"cipher\"" SAYS "\r\n\r\n"

static const struct {
	const char *what, *entity;
	const char *body; /* behind the empty line; NULL: there is none */
} away[] = {
    {"plain text", PLAIN(SAYS) "\r\n" ELEMENT "Let's\r\n\r\neat\r\n",
	"Let's\r\n\r\neat\r\n"},
    {"nothing behind it", PLAIN(SAYS) "\r\n" ELEMENT, ""},
    {"a blank in the empty line",
	PLAIN(SAYS) "\r\nSubject: x\r\n \r\nLet's\r\n", "Let's\r\n"},
    {"quoted-printable",
	PLAIN(SAYS) "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
		    "Subject: D=\r\ninner\r\n\r\nLet=27s =E4\r\n",
	"Let's =E4\r\n"},
    {"base64",
	PLAIN(SAYS) "Content-Transfer-Encoding: base64\r\n\r\n"
		    "U3ViamVjdDogeAoKTGV0J3MK\r\n",
	"TGV0J3MK\r\n"},
    {"HTML", WEB "<html><body>" DIV "\r\n<p>x</p></body></html>\r\n",
	"<html><body>\r\n<p>x</p></body></html>\r\n"},
    {"HTML of others, a div in it",
	WEB "<body><div class='header-protection-legacy-display' id=a>"
	    "<div>Subject: x</div></div><p>x\r\n",
	"<body><p>x\r\n"},
    {"alternatives, and what is attached stays",
	"Content-Type: multipart/mixed; boundary=m; hp=\"cipher\"\r\n\r\n"
	"--m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n"
	"--a\r\nContent-Type: text/plain" SAYS "\r\n\r\nSubject: x\r\n\r\n"
	"one\r\n--a\r\nContent-Type: text/html" SAYS "\r\n\r\n<body>" DIV
	"two\r\n--a--\r\n--m\r\nContent-Type: text/plain" SAYS "\r\n\r\n"
	"Subject: x\r\n\r\nthree\r\n--m--\r\n",
	"--m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n"
	"--a\r\nContent-Type: text/plain\r\n\r\n"
	"one\r\n--a\r\nContent-Type: text/html\r\n\r\n<body>"
	"two\r\n--a--\r\n--m\r\nContent-Type: text/plain" SAYS "\r\n\r\n"
	"Subject: x\r\n\r\nthree\r\n--m--\r\n"},
    {"it does not say so", PLAIN("") "\r\n" ELEMENT "Let's\r\n", NULL},
    {"another value",
	PLAIN("; hp-legacy-display=\"0\"") "\r\n" ELEMENT "Let's\r\n", NULL},
    {"not encrypted",
	"Content-Type: text/plain; hp=\"clear\"" SAYS "\r\n\r\n" ELEMENT
	"Let's\r\n",
	NULL},
    {"no fields", PLAIN(SAYS) "\r\nLet's\r\n\r\neat\r\n", NULL},
    {"a text among them", PLAIN(SAYS) "\r\nSubject: x\r\nLet's\r\n\r\neat\r\n",
	NULL},
    {"folded from nothing", PLAIN(SAYS) "\r\n x: y\r\n\r\neat\r\n", NULL},
    {"an empty line first", PLAIN(SAYS) "\r\n\r\n" ELEMENT, NULL},
    {"no empty line", PLAIN(SAYS) "\r\nSubject: x\r\nTo: y\r\n", NULL},
    {"no base64",
	PLAIN(SAYS) "Content-Transfer-Encoding: base64\r\n\r\n!!!!\r\n", NULL},
    {"letters that are not ASCII",
	PLAIN(SAYS "; charset=utf-16") "\r\n" ELEMENT "Let's\r\n", NULL},
    {"HTML, another div", WEB "<body><div class=a>x</div>\r\n", NULL},
    {"HTML, not the first", WEB "<body>x" DIV "y\r\n", NULL},
    {"HTML, not closed",
	WEB "<body><div class=\"header-protection-legacy-display\">x\r\n",
	NULL},
    {"signed",
	"Content-Type: multipart/signed; boundary=s; hp=\"cipher\"\r\n"
	"\r\n--s\r\nContent-Type: text/plain" SAYS "\r\n\r\n" ELEMENT
	"x\r\n--s--\r\n",
	NULL},
};

Test(legacy_display, is_taken_out_of_what_was_opened)
{
	for (size_t i = 0; i < sizeof(away) / sizeof(away[0]); i++) {
		struct mime_payload *bare = NULL;
		struct mime_sink sink;
		struct parsed p;
		struct buf in, out;

		buf_init(&in, 65536);
		cr_assert_eq(buf_printf(&in,
				 "From: a@b.example\r\n"
				 "MIME-Version: 1.0\r\n%s",
				 away[i].entity),
		    ERR_OK);
		parsed_init(&p, buf_span(&in));
		buf_clear(&in);
		buf_init(&out, 65536);
		sink = mime_sink_buf(&out);
		cr_assert_eq(mime_payload_bare(p.tree, p.arena, &bare), ERR_OK,
		    "%s", away[i].what);
		cr_expect_eq(
		    bare == NULL, away[i].body == NULL, "%s", away[i].what);
		if (bare != NULL) {
			struct span head = mime_payload_head(bare);

			cr_expect_eq(mime_payload_write_body(bare, &sink),
			    ERR_OK, "%s", away[i].what);
			cr_expect(span_eq_str(buf_span(&out), away[i].body),
			    "%s: \"%.*s\"", away[i].what, (int)out.len,
			    (const char *)out.data);
			cr_expect_eq(
			    span_find(head, 0, SPAN_LIT("hp-legacy-display")),
			    head.len, "%s", away[i].what);
			cr_expect(span_starts_caseeq(head, "Content-Type: "),
			    "%s", away[i].what);
		}
		buf_clear(&out);
		parsed_clear(&p);
	}
}
