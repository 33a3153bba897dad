/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The legacy display element: hidden header fields, repeated at the start of
 * the main text for readers that know nothing of header protection; and taken
 * out of it again. RFC 9788 sections 2.1.2, 4.5.3 and 5.2.2 to 5.2.4.
 */
#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "mime/charset.h"
#include "mime/payload_private.h"
#include "mime/utf8.h"

enum {
	ELEMENT_MAX = 8 * LIMIT_HEADER_SIZE,
	/* octets of a text that are searched for its body tag */
	TAG_SEARCH = 1024 * 1024,
	FOLD_AT = 76,
};

static bool
is_attachment(const struct mime_part *p)
{
	const struct mime_field *f =
	    mime_header_find(&p->fields, "Content-Disposition", NULL);

	return f != NULL &&
	       span_starts_caseeq(span_trim(f->value), "attachment");
}

bool
legacy_is_main(const struct mime_part *p)
{
	return (mime_part_is(p, "text", "plain") ||
		   mime_part_is(p, "text", "html")) &&
	       !is_attachment(p);
}

bool
legacy_leads_to(const struct mime_part *p, size_t i)
{
	if (mime_part_is(p, "multipart", "alternative"))
		return true;
	return i == 0 && (mime_part_is(p, "multipart", "mixed") ||
			     mime_part_is(p, "multipart", "related"));
}

/* Is plain ASCII in it what it is everywhere? */
static bool
has_ascii(const char *charset)
{
	static const char *const without[] = {"utf-16", "utf-32", "utf-7",
	    "utf7", "utf16", "utf32", "ucs-", "iso-10646", "unicode", "hz",
	    "cp037", "ibm0", "ebcdic", "iso-2022-kr", "iso-2022-cn"};
	struct span s = span_str(charset);

	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++)
		if (span_starts_caseeq(s, without[i]))
			return false;
	return true;
}

/* One line of a header field: long ones are folded at blanks. */
static enum err
put_folded(struct span line, struct buf *out)
{
	size_t start = 0, at = 0, next;
	enum err e = ERR_OK;

	while (at < line.len && e == ERR_OK) {
		next = span_find_chr(line, at + 1, ' ');
		if (at > start && next - start > FOLD_AT) {
			e = buf_put(out, SPAN(line.data + start, at - start));
			if (e == ERR_OK)
				e = buf_puts(out, "\r\n");
			start = at;
		}
		at = next;
	}
	if (e == ERR_OK)
		e = buf_put(out, SPAN(line.data + start, line.len - start));
	return e == ERR_OK ? buf_puts(out, "\r\n") : e;
}

/* A line in the charset of the part, else in encoded words. */
static enum err
put_plain_line(struct span line, const char *charset, struct buf *out)
{
	size_t colon = span_find_chr(line, 0, ':') + 2;
	struct buf text;
	enum err e;

	buf_init(&text, ELEMENT_MAX);
	e = mime_charset_from_utf8(span_str(charset), line, &text);
	if (e == ERR_OK) {
		e = put_folded(buf_span(&text), out);
	} else if (e == ERR_UNSUPPORTED) {
		e = buf_put(out, SPAN(line.data, colon));
		if (e == ERR_OK)
			e = mime_header_encode(out, colon,
			    SPAN(line.data + colon, line.len - colon));
		if (e == ERR_OK)
			e = buf_puts(out, "\r\n");
	}
	buf_clear(&text);
	return e;
}

static enum err
put_html_line(struct span line, struct buf *out)
{
	enum err e = ERR_OK;
	uint32_t c;
	size_t n;

	for (size_t i = 0; i < line.len && e == ERR_OK; i += n) {
		n = mime_utf8_next(SPAN(line.data + i, line.len - i), &c);
		if (n == 0)
			return ERR_MALFORMED;
		if (c == '&')
			e = buf_puts(out, "&amp;");
		else if (c == '<')
			e = buf_puts(out, "&lt;");
		else if (c == '>')
			e = buf_puts(out, "&gt;");
		else if (c >= 0x80)
			e = buf_printf(out, "&#%u;", (unsigned)c);
		else
			e = buf_putc(out, (uint8_t)c);
	}
	return e;
}

static enum err
put_lines(struct span hidden, const char *charset, bool html, struct buf *out)
{
	size_t at = 0, end;
	struct span line;
	enum err e = ERR_OK;

	for (; at < hidden.len && e == ERR_OK; at = end + 1) {
		end = span_find_chr(hidden, at, '\n');
		line = SPAN(hidden.data + at, end - at);
		if (html && at > 0)
			e = buf_puts(out, "\r\n");
		if (e == ERR_OK)
			e = html ? put_html_line(line, out)
				 : put_plain_line(line, charset, out);
	}
	return e;
}

static enum err
put_element(struct span hidden, const char *charset, bool html, struct buf *out)
{
	enum err e = ERR_OK;

	if (html)
		e = buf_puts(out, "\r\n<div class=\"header-protection-"
				  "legacy-display\">\r\n<pre>");
	if (e == ERR_OK)
		e = put_lines(hidden, charset, html, out);
	if (e == ERR_OK)
		e = buf_puts(out, html ? "</pre>\r\n</div>\r\n" : "\r\n");
	return e;
}

/* --- where a text begins */

/* The position behind the needle, in any case; s.len if it is not there. */
static size_t
behind(struct span s, size_t at, const char *needle)
{
	for (; at < s.len; at++)
		if (span_starts_caseeq(SPAN(s.data + at, s.len - at), needle))
			return at + strlen(needle);
	return s.len;
}

/* Behind the ">" of the tag at at. */
static size_t
behind_tag(struct span s, size_t at)
{
	uint8_t quote = 0;

	for (; at < s.len; at++) {
		if (quote == 0 && s.data[at] == '>')
			return at + 1;
		if (s.data[at] == '"' || s.data[at] == '\'')
			quote = quote == 0	      ? s.data[at]
				: quote == s.data[at] ? 0
						      : quote;
	}
	return s.len;
}

static bool
is_tag(struct span s, const char *name)
{
	size_t len = strlen(name);

	return s.len > len && span_starts_caseeq(s, name) &&
	       strchr(" \t\r\n/>", s.data[len]) != NULL;
}

/* Behind <body>; in a text without one, behind what must come first. */
static size_t
find_html_start(struct span s)
{
	size_t best = 0, at = 0;
	struct span rest;

	while ((at = span_find_chr(s, at, '<')) < s.len) {
		rest = SPAN(s.data + at, s.len - at);
		if (is_tag(rest, "<body"))
			return behind_tag(s, at);
		if (span_starts_caseeq(rest, "<!--")) {
			at = behind(s, at, "-->");
		} else if (is_tag(rest, "<script")) {
			at = behind(s, at, "</script>");
		} else if (is_tag(rest, "<style")) {
			at = behind(s, at, "</style>");
		} else if (is_tag(rest, "<title")) {
			at = behind(s, at, "</title>");
		} else {
			bool first = is_tag(rest, "<html") ||
				     is_tag(rest, "</head") ||
				     span_starts_caseeq(rest, "<!doctype");

			at = behind_tag(s, at);
			if (first && at < s.len)
				best = at;
		}
	}
	return best;
}

static enum err
find_start(const struct mime_part *p, enum recode_form form, size_t *out)
{
	struct mime_sink sink;
	struct buf text;
	enum err e;

	if (!mime_part_is(p, "text", "html")) {
		*out = 0;
		return ERR_OK;
	}
	buf_init(&text, TAG_SEARCH);
	sink = mime_sink_buf(&text);
	e = recode_decode(form,
	    form == RECODE_PLAIN && p->body.len > TAG_SEARCH
		? SPAN(p->body.data, TAG_SEARCH)
		: p->body,
	    &sink);
	/* a text that is longer has its body tag before that */
	if (e == ERR_OK || e == ERR_TOO_BIG) {
		*out = find_html_start(buf_span(&text));
		e = ERR_OK;
	}
	buf_clear(&text);
	return e;
}

static bool
is_8bit_label(const char *encoding)
{
	return strcmp(encoding, "8bit") == 0 || strcmp(encoding, "binary") == 0;
}

enum err
legacy_plan(const struct mime_part *p, struct span hidden, struct arena *a,
    struct part_change *c)
{
	const char *charset = mime_part_param(p, "charset");
	bool html = mime_part_is(p, "text", "html");
	bool bare = charset == NULL || strcmp(charset, "") == 0 ||
		    span_caseeq_str(span_str(charset), "us-ascii");
	struct recode body = {.in = p->body};
	struct buf text;
	enum err e;

	if (recode_form_of(p->encoding, &body.from) != ERR_OK ||
	    (charset != NULL && !has_ascii(charset)))
		return ERR_OK;
	/* ASCII is UTF-8, too; undeclared 8-bit text is not known to be */
	if (bare && !html && !mime_is_ascii(hidden) &&
	    body.from == RECODE_PLAIN && mime_is_ascii(p->body))
		c->utf8 = true;
	buf_init(&text, ELEMENT_MAX);
	e = put_element(hidden,
	    c->utf8 ? "utf-8"
	    : bare  ? "us-ascii"
		    : charset,
	    html, &text);
	if (e == ERR_OK)
		e = find_start(p, body.from, &body.insert_at);
	if (e == ERR_OK)
		e = arena_span(a, buf_span(&text), &body.insert);
	buf_clear(&text);
	if (e != ERR_OK)
		return e;
	body.to = body.from;
	if (body.from == RECODE_PLAIN && !is_8bit_label(p->encoding) &&
	    !mime_is_ascii(body.insert)) {
		body.to = RECODE_QP;
		c->encoding = "quoted-printable";
	}
	c->body = body;
	c->rewritten = true;
	c->legacy = true;
	return ERR_OK;
}

/* --- and taken out again */

/* "Name: value", as a reader would tell it. */
static bool
is_field_line(struct span line)
{
	size_t i = 0;

	while (i < line.len && line.data[i] > ' ' && line.data[i] < 0x7f &&
	       line.data[i] != ':')
		i++;
	return i > 0 && i < line.len && line.data[i] == ':';
}

/* Octets of the element that a text begins with: fields, up to and with the
   first empty line (RFC 9788 section 4.5.3.1). 0: it does not look like it. */
static size_t
plain_element(struct span s)
{
	size_t at = 0, end;

	for (; at < s.len; at = end + 1) {
		bool folded = s.data[at] == ' ' || s.data[at] == '\t';
		struct span line;

		end = span_find_chr(s, at, '\n');
		if (end == s.len)
			return 0;
		line = span_trim(SPAN(s.data + at, end - at));
		if (line.len == 0)
			return at > 0 ? end + 1 : 0;
		if (folded ? at == 0 : !is_field_line(line))
			return 0;
	}
	return 0;
}

/* Behind the </div> that ends what is open at at; 0: none does. */
static size_t
behind_div(struct span s, size_t at)
{
	unsigned depth = 1;

	while ((at = span_find_chr(s, at, '<')) < s.len) {
		struct span rest = SPAN(s.data + at, s.len - at);

		if (is_tag(rest, "<div"))
			depth++;
		else if (is_tag(rest, "</div") && --depth == 0)
			return behind_tag(s, at);
		at = behind_tag(s, at);
	}
	return 0;
}

static bool
is_line_end(uint8_t c)
{
	return c == '\r' || c == '\n';
}

/* The first element of the body, if it is the one (section 4.5.3.2), with the
   line ends before it and the one behind it. */
static size_t
html_element(struct span s, size_t *start)
{
	size_t at, open, end;

	*start = find_html_start(s);
	for (at = *start; at < s.len && is_line_end(s.data[at]);)
		at++;
	if (!is_tag(SPAN(s.data + at, s.len - at), "<div"))
		return 0;
	open = behind_tag(s, at);
	if (span_find(SPAN(s.data + at, open - at), 0,
		SPAN_LIT("header-protection-legacy-display")) == open - at)
		return 0;
	end = behind_div(s, open);
	if (end == 0)
		return 0;
	/* one: those behind it were there before */
	if (end + 1 < s.len && s.data[end] == '\r' && s.data[end + 1] == '\n')
		end += 2;
	else if (end < s.len && s.data[end] == '\n')
		end++;
	return end - *start;
}

enum err
legacy_away(const struct mime_part *p, struct part_change *c)
{
	const char *says = mime_part_param(p, "hp-legacy-display");
	const char *charset = mime_part_param(p, "charset");
	struct recode body = {.in = p->body};
	struct mime_sink sink;
	struct buf text;
	enum err e;

	if (says == NULL || strcmp(says, "1") != 0 ||
	    (charset != NULL && !has_ascii(charset)) ||
	    recode_form_of(p->encoding, &body.from) != ERR_OK)
		return ERR_OK;
	body.to = body.from;
	buf_init(&text, TAG_SEARCH);
	sink = mime_sink_buf(&text);
	e = recode_decode(body.from,
	    body.from == RECODE_PLAIN && p->body.len > TAG_SEARCH
		? SPAN(p->body.data, TAG_SEARCH)
		: p->body,
	    &sink);
	/* it stands at the beginning */
	if (e == ERR_OK || e == ERR_TOO_BIG)
		body.skip = mime_part_is(p, "text", "html")
				? html_element(buf_span(&text), &body.insert_at)
				: plain_element(buf_span(&text));
	buf_clear(&text);
	if (e == ERR_NOMEM)
		return e;
	if (body.skip > 0) {
		c->body = body;
		c->rewritten = true;
		c->bare = true;
	}
	return ERR_OK;
}
