/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a reader sees of HTML, closely enough to find words in it: no tree is
 * built and nothing is interpreted. Linear in the length.
 */
#include <string.h>

#include "mime/part_text.h"
#include "mime/utf8.h"

struct html {
	struct span in;
	size_t at;
	struct buf *out;
	bool open; /* a comment, tag or element goes to the end */
};

/* Tags inside of a line: nothing stands where they were. */
static const char *const inline_tags[] = {"a", "abbr", "b", "bdi", "bdo", "big",
    "cite", "code", "del", "dfn", "em", "font", "i", "ins", "kbd", "label",
    "mark", "o:p", "q", "s", "samp", "small", "span", "strike", "strong", "sub",
    "sup", "tt", "u", "var", "wbr"};

static const struct {
	const char *name;
	uint32_t c;
} entities[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'},
    {"apos", '\''}, {"nbsp", ' '}, {"shy", 0}, {"zwj", 0}, {"zwnj", 0},
    {"ndash", 0x2013}, {"mdash", 0x2014}, {"hellip", 0x2026}, {"lsquo", 0x2018},
    {"rsquo", 0x2019}, {"ldquo", 0x201c}, {"rdquo", 0x201d}, {"bdquo", 0x201e},
    {"euro", 0x20ac}, {"sect", 0xa7}, {"copy", 0xa9}, {"reg", 0xae},
    {"auml", 0xe4}, {"ouml", 0xf6}, {"uuml", 0xfc}, {"Auml", 0xc4},
    {"Ouml", 0xd6}, {"Uuml", 0xdc}, {"szlig", 0xdf}, {"agrave", 0xe0},
    {"aacute", 0xe1}, {"acirc", 0xe2}, {"atilde", 0xe3}, {"aring", 0xe5},
    {"aelig", 0xe6}, {"ccedil", 0xe7}, {"egrave", 0xe8}, {"eacute", 0xe9},
    {"ecirc", 0xea}, {"euml", 0xeb}, {"igrave", 0xec}, {"iacute", 0xed},
    {"icirc", 0xee}, {"iuml", 0xef}, {"ntilde", 0xf1}, {"ograve", 0xf2},
    {"oacute", 0xf3}, {"ocirc", 0xf4}, {"otilde", 0xf5}, {"oslash", 0xf8},
    {"ugrave", 0xf9}, {"uacute", 0xfa}, {"ucirc", 0xfb}, {"yacute", 0xfd},
    {"yuml", 0xff}, {"Agrave", 0xc0}, {"Aacute", 0xc1}, {"Aring", 0xc5},
    {"Ccedil", 0xc7}, {"Egrave", 0xc8}, {"Eacute", 0xc9}, {"Ntilde", 0xd1},
    {"Oslash", 0xd8}};

static enum err
put_char(struct buf *out, uint32_t c)
{
	uint8_t o[4];

	if (c == 0)
		return ERR_OK;
	if (c < 0x20 || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
		return buf_putc(out, ' ');
	if (c < 0x80)
		return buf_putc(out, (uint8_t)c);
	o[0] = (uint8_t)(c < 0x800     ? 0xc0 | c >> 6
			 : c < 0x10000 ? 0xe0 | c >> 12
				       : 0xf0 | c >> 18);
	o[1] = (uint8_t)(0x80 | (c >> (c < 0x800	? 0
					  : c < 0x10000 ? 6
							: 12) &
				    0x3f));
	o[2] = (uint8_t)(0x80 | (c >> (c < 0x10000 ? 0 : 6) & 0x3f));
	o[3] = (uint8_t)(0x80 | (c & 0x3f));
	return buf_put(out, SPAN(o, c < 0x800 ? 2 : c < 0x10000 ? 3 : 4));
}

static bool
is_name_char(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == ':' || c == '-';
}

static struct span
name_at(const struct html *h, size_t at)
{
	size_t end = at;

	while (end < h->in.len && is_name_char(h->in.data[end]))
		end++;
	return SPAN(h->in.data + at, end - at);
}

static bool
is_inline(struct span name)
{
	for (size_t i = 0; i < sizeof(inline_tags) / sizeof(inline_tags[0]);
	     i++)
		if (span_caseeq_str(name, inline_tags[i]))
			return true;
	return false;
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* Behind the ">" of a tag whose name begins at from, as WHATWG HTML 13.2.5
   reads it: only quotes that begin a value may hold one. */
static size_t
tag_end(struct html *h, size_t from)
{
	enum { TAG, BEFORE, NAME, EQUALS, VALUE } state = TAG;
	struct span in = h->in;
	uint8_t quote = 0;

	for (size_t i = from; i < in.len; i++) {
		uint8_t c = in.data[i];

		if (quote != 0) {
			quote = c == quote ? 0 : quote;
		} else if (c == '>') {
			return i + 1;
		} else if (state == EQUALS && !is_blank(c)) {
			quote = c == '"' || c == '\'' ? c : 0;
			state = quote != 0 ? BEFORE : VALUE;
		} else if ((is_blank(c) && (state == TAG || state == VALUE)) ||
			   (c == '/' && (state == TAG || state == NAME))) {
			state = BEFORE;
		} else if (c == '=' && state == NAME) {
			state = EQUALS;
		} else if (state == BEFORE && !is_blank(c) && c != '/') {
			state = NAME;
		}
	}
	/* an open quote: the first ">" then */
	h->open = true;
	from = span_find_chr(in, from, '>');
	return from < in.len ? from + 1 : in.len;
}

/* Behind a comment whose "<!--" is at from: "<!-->" is one, too, and "--!>"
   ends it as "-->" does (WHATWG HTML 13.2.5.43 to 13.2.5.51). */
static size_t
comment_end(struct html *h, size_t from)
{
	struct span in = h->in;
	size_t i = from + 2;

	for (; (i = span_find(in, i, SPAN_LIT("--"))) < in.len; i++) {
		struct span rest = SPAN(in.data + i + 2, in.len - i - 2);

		if (rest.len > 0 && rest.data[0] == '>')
			return i + 3;
		if (i >= from + 4 && rest.len > 1 && rest.data[0] == '!' &&
		    rest.data[1] == '>')
			return i + 4;
	}
	h->open = true;
	return in.len;
}

/* The end tag of an element in which no other tag is one: nothing that only
   begins like it. */
static size_t
element_close(struct html *h, size_t from, const char *name)
{
	struct span in = h->in;
	size_t len = strlen(name);

	for (; (from = span_find(in, from, SPAN_LIT("</"))) < in.len; from++) {
		size_t end = from + 2 + len;

		if (end < in.len &&
		    span_caseeq_str(SPAN(in.data + from + 2, len), name) &&
		    (is_blank(in.data[end]) || in.data[end] == '/' ||
			in.data[end] == '>'))
			return from;
	}
	h->open = true;
	return in.len;
}

/* Behind the end tag of an element whose contents are no text. */
static size_t
element_end(struct html *h, size_t from, const char *name)
{
	from = element_close(h, from, name);
	return from < h->in.len ? tag_end(h, from + 2) : from;
}

static enum err take_reference(struct html *h);

/* Elements in which nothing is a tag or a comment but their own end (WHATWG
   HTML 13.1.2). What they hold is shown somewhere: in a title, a field, by a
   program that does not know them. */
static const struct {
	const char *name;
	bool references; /* are characters in it */
} raw_tags[] = {{"title", true}, {"textarea", true}, {"xmp", false},
    {"noembed", false}, {"noframes", false}, {"iframe", false}};

static enum err
put_raw(struct html *h, size_t end, bool references)
{
	struct html part = {
	    .in = SPAN(h->in.data, end), .at = h->at, .out = h->out};
	enum err e = ERR_OK;

	while (e == ERR_OK && part.at < end) {
		if (references && part.in.data[part.at] == '&')
			e = take_reference(&part);
		else
			e = buf_putc(h->out, part.in.data[part.at++]);
	}
	return e;
}

/* The contents of the element whose start tag ends at h->at, and its end. */
static enum err
take_raw(struct html *h, const char *name, bool references)
{
	size_t end = element_close(h, h->at, name);
	enum err e = put_raw(h, end, references);

	h->at = end < h->in.len ? tag_end(h, end + 2) : end;
	return e == ERR_OK ? buf_putc(h->out, ' ') : e;
}

static enum err
take_tag(struct html *h)
{
	static const char *const silent[] = {"script", "style"};
	struct span in = h->in, name;
	bool closes = h->at + 1 < in.len && in.data[h->at + 1] == '/';
	size_t from = h->at + 1;
	enum err e;

	if (in.len - h->at >= 4 && memcmp(in.data + h->at, "<!--", 4) == 0) {
		h->at = comment_end(h, h->at);
		return ERR_OK;
	}
	name = name_at(h, from + (closes ? 1 : 0));
	if (name.len == 0 && (from >= in.len || in.data[from] != '!')) {
		h->at++;
		return buf_putc(h->out, '<');
	}
	if (in.data[from] == '!') {
		/* no attributes: quotes hold nothing in it */
		h->at = span_find_chr(in, from, '>') + 1;
		h->open = h->open || h->at > in.len;
		h->at = h->at > in.len ? in.len : h->at;
		return buf_putc(h->out, ' ');
	}
	h->at = tag_end(h, from);
	for (size_t i = 0; !closes && i < 2; i++)
		if (span_caseeq_str(name, silent[i]))
			h->at = element_end(h, h->at, silent[i]);
	e = is_inline(name) ? ERR_OK : buf_putc(h->out, ' ');
	for (size_t i = 0; e == ERR_OK && !closes &&
			   i < sizeof(raw_tags) / sizeof(raw_tags[0]);
	     i++)
		if (span_caseeq_str(name, raw_tags[i].name))
			return take_raw(
			    h, raw_tags[i].name, raw_tags[i].references);
	return e;
}

/* The number of &#...; or &#x...;, 0 if it is none. */
static uint32_t
numeric(struct span s)
{
	bool hex = s.len > 1 && (s.data[1] == 'x' || s.data[1] == 'X');
	uint32_t n = 0;

	for (size_t i = hex ? 2 : 1; i < s.len; i++) {
		uint8_t c = s.data[i];
		uint32_t digit = c >= '0' && c <= '9' ? (uint32_t)(c - '0')
				 : hex && (c | 32) >= 'a' && (c | 32) <= 'f'
				     ? (uint32_t)(c | 32) - 'a' + 10
				     : 99;

		if (digit == 99 || n > 0x10ffff)
			return 0;
		n = n * (hex ? 16 : 10) + digit;
	}
	return n;
}

static enum err
take_reference(struct html *h)
{
	size_t end = h->at + 1;
	struct span s;
	uint32_t c = 0;

	while (end < h->in.len && end - h->at < 12 &&
	       (is_name_char(h->in.data[end]) || h->in.data[end] == '#'))
		end++;
	s = SPAN(h->in.data + h->at + 1, end - h->at - 1);
	if (s.len > 1 && s.data[0] == '#')
		c = numeric(s);
	for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++)
		if (span_eq_str(s, entities[i].name)) {
			h->at =
			    end + (end < h->in.len && h->in.data[end] == ';');
			return put_char(h->out, entities[i].c);
		}
	if (c == 0) {
		h->at++;
		return buf_putc(h->out, '&');
	}
	h->at = end + (end < h->in.len && h->in.data[end] == ';');
	return mime_utf8_is_trick(c) ? ERR_OK : put_char(h->out, c);
}

enum err
mime_html_text(struct span html, struct buf *out, bool *whole)
{
	struct html h = {.in = html, .out = out};
	enum err e = ERR_OK;

	while (e == ERR_OK && h.at < html.len) {
		size_t from = h.at;

		while (h.at < html.len && html.data[h.at] != '<' &&
		       html.data[h.at] != '&')
			h.at++;
		e = buf_put(out, SPAN(html.data + from, h.at - from));
		if (e != ERR_OK || h.at == html.len)
			break;
		e = html.data[h.at] == '<' ? take_tag(&h) : take_reference(&h);
	}
	*whole = !h.open;
	return e;
}
