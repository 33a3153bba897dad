/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include "mime/part_text.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "mime/header.h"
#include "mime/scan.h"
#include "mime/tree.h"

Test(part_text, html_is_what_a_reader_sees)
{
	static const struct {
		const char *html;
		const char *want;
		bool whole;
	} rows[] = {
	    {"plain", "plain", true},
	    {"con<b>fid</b>ential", "confidential", true},
	    {"<p>one</p><p>two</p>", " one  two ", true},
	    {"one<br>two", "one two", true},
	    {"a<!-- hidden --> b", "a b", true},
	    {"a<!-- open", "a", false},
	    {"<script>if (a<b) x()</script>c", " c", true},
	    {"<STYLE type='a>b'>p{}</style >c", " c", true},
	    {"<style>never closed", " ", false},
	    {"x &lt;y&gt; &amp;z", "x <y> &z", true},
	    {"M&uuml;ller &#252; &#xFC;", "M\xc3\xbcller \xc3\xbc \xc3\xbc",
		true},
	    {"a&nbsp;b", "a b", true},
	    {"se&shy;cret", "secret", true},
	    {"se&#8203;cret", "secret", true},
	    {"&nosuch; &#; &#x; & b", "&nosuch; &#; &#x; & b", true},
	    {"&ampx", "&ampx", true},
	    {"&lt", "<", true},
	    {"&#1114112;&#0;", " &#0;", true},
	    {"1 < 2", "1 < 2", true},
	    {"<a href=\"x>y\">link</a>", "link", true},
	    {"<a href=\"open>link</a>", "link", false},
	    {"<!DOCTYPE html>x", " x", true},
	    {"<", "<", true},
	    {"&", "&", true},
	    {"<a", "", false},
	    {"</", "</", true},
	    {"a<!-->b<!-- c -->d", "abd", true},
	    {"a<!--->b<!-- c -->d", "abd", true},
	    {"a<!---->b", "ab", true},
	    {"a<!-- c --!>b<!-- d -->", "ab", true},
	    {"a<!--!>b-->c", "ac", true},
	    {"a<!--", "a", false},
	    {"a<!--x-", "a", false},
	    {"<! x=\">a\">b", " a\">b", true},
	    {"<!", " ", false},
	    {"<i x=y=\">a<b z=\"\">b", "ab", true},
	    {"<i \"=\">\">a", "a", true},
	    {"<i=\">a<b z=\"\">b", "ab", true},
	    {"<i x = '>'>a", "a", true},
	    {"<i/x='>'/>a", "a", true},
	    /* nothing but its own end ends them */
	    {"<title><!--</title>a<!-- b -->", " <!-- a", true},
	    {"<title></titlex><!-- </title>a -->", " </titlex><!--  a -->",
		true},
	    {"<TITLE>a &lt;&#66;</Title >c", " a <B c", true},
	    {"<textarea><b>a</textarea>b", " <b>a b", true},
	    {"<xmp>&amp;<!--</xmp>b", " &amp;<!-- b", true},
	    {"<iframe><p></iframe>b", " <p> b", true},
	    {"<title>a", " a ", false},
	    {"<title/>a</title>", " a ", true},
	    {"a</title>b", "a b", true},
	    {"<script></scripts>a</script>b", " b", true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out;
		bool whole = !rows[i].whole;

		buf_init(&out, 4096);
		cr_assert_eq(
		    mime_html_text(span_str(rows[i].html), &out, &whole),
		    ERR_OK);
		cr_expect_eq(whole, rows[i].whole, "%s", rows[i].html);
		cr_expect(span_eq_str(buf_span(&out), rows[i].want),
		    "%s: \"%.*s\"", rows[i].html, (int)out.len,
		    (const char *)out.data);
		buf_clear(&out);
	}
}

/* The text of the only part of a message; whole as it says. */
static void
text_of(const char *fields, const char *body, struct buf *out, bool *whole)
{
	struct arena *a = arena_new(1 << 20);
	struct mime_scan scan;
	struct mime_tree *t;
	char msg[1024] = {0};
	int n = snprintf(msg, sizeof(msg),
	    "From: a@b.example\r\nMIME-Version: 1.0\r\n%s\r\n%s", fields, body);

	cr_assert_eq(mime_scan(SPAN(msg, n), &scan, NULL), ERR_OK);
	cr_assert_eq(
	    mime_tree_parse(SPAN(msg, n), &scan, false, a, &t, NULL), ERR_OK);
	cr_assert_eq(strstr(fields, "text/html") != NULL
			 ? mime_part_html(mime_tree_root(t), out, whole)
			 : mime_part_text(mime_tree_root(t), out, whole),
	    ERR_OK);
	arena_free(a);
}

#define HTML "Content-Type: text/html"
#define TEXT "Content-Type: text/plain; charset="
#define QP   "Content-Transfer-Encoding: quoted-printable\r\n"
#define B64  "Content-Transfer-Encoding: base64\r\n"

Test(part_text, says_what_it_could_not_read)
{
	static const struct {
		const char *fields;
		const char *body;
		const char *want;
		bool whole;
	} rows[] = {
	    {"", "abc\r\n", "abc  ", true},
	    {TEXT "utf-8\r\n" QP, "M=C3=BCller", "M\xc3\xbcller", true},
	    {TEXT "iso-8859-1\r\n" QP, "M=FCller", "M\xc3\xbcller", true},
	    {TEXT "utf-8\r\n" B64, "YWJj\r\n", "abc", true},
	    {TEXT "utf-16\r\n" B64, "//5hAGIA\r\n", "ab", true},
	    {TEXT "utf-16\r\n" B64, "YQBiAA==\r\n", "ab", false},
	    {TEXT "utf-16\r\n" B64, "\r\n", "", true},
	    {TEXT "utf-8\r\n" B64, "YQBi\r\n", "a b", false},
	    {TEXT "utf-8\r\n" B64, "YW!Jj", "", false},
	    {TEXT "utf-8\r\n" QP, "M=FCller", "M\xef\xbf\xbdller", false},
	    {TEXT "x-unheard-of\r\n", "abc", "abc", false},
	    {"Content-Transfer-Encoding: x-uuencode\r\n", "abc", "abc", false},
	    {QP, "=FC", "\xef\xbf\xbd", false},
	    {HTML "\r\n" QP, "<meta charset=3Diso-8859-1>=FC",
		"<meta charset=iso-8859-1>\xc3\xbc", true},
	    {HTML "\r\n" QP, "<META content=3D\"a; charset=3DUTF-8\">=C3=BC",
		"<META content=\"a; charset=UTF-8\">\xc3\xbc", true},
	    {HTML "; charset=utf-8\r\n" QP, "<meta charset=3Diso-8859-1>=FC",
		"<meta charset=iso-8859-1>\xef\xbf\xbd", false},
	    {HTML "\r\n", "<meta charset=x-nope>a", "<meta charset=x-nope>a",
		false},
	    {HTML "\r\n", "<meta charset=utf-16>a", "<meta charset=utf-16>a",
		true},
	    {HTML "\r\n", "<meta charset=>a", "<meta charset=>a", true},
	    {HTML "\r\n", "<meta charset", "<meta charset", true},
	    {HTML "\r\n" QP, "<p>=FC", "<p>\xef\xbf\xbd", false},
	};

	mime_charsets_open();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out;
		bool whole = !rows[i].whole;

		buf_init(&out, 4096);
		text_of(rows[i].fields, rows[i].body, &out, &whole);
		cr_expect_eq(whole, rows[i].whole, "row %zu", i);
		cr_expect(span_eq_str(buf_span(&out), rows[i].want),
		    "row %zu: \"%.*s\"", i, (int)out.len,
		    (const char *)out.data);
		buf_clear(&out);
	}
	mime_charsets_close();
}
