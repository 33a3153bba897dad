/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One pass over the octets. Elements are told by their names without prefix:
 * those of a paragraph, a cell or a line separate words, all others (runs of
 * one format) do not.
 */
#include "gateway/extract/xml_text.h"

#include <string.h>

#include "mime/utf8.h"

/* WordprocessingML, SpreadsheetML, DrawingML; OpenDocument. */
static const char *const breaks[] = {
    "p",
    "br",
    "cr",
    "tab",
    "tc",
    "tr",
    "si",
    "c",
    "row",
    "h",
    "line-break",
    "table-cell",
    "table-row",
    "list-item",
    "s",
    "endnote",
    "footnote",
    "comment",
    "title",
    "subject",
    "creator",
    "keyword",
    "keywords",
    "description",
    "category",
    "txbxContent",
    "noBreakHyphen",
};

struct reader {
	struct span in;
	size_t at;
	struct buf *out;
};

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
starts(const struct reader *r, const char *text)
{
	size_t n = strlen(text);

	return r->in.len - r->at >= n &&
	       memcmp(r->in.data + r->at, text, n) == 0;
}

/* Move behind the next end; ERR_MALFORMED if there is none. */
static enum err
skip_to(struct reader *r, const char *end)
{
	size_t at = span_find(r->in, r->at, span_str(end));

	if (at >= r->in.len)
		return ERR_MALFORMED;
	r->at = at + strlen(end);
	return ERR_OK;
}

static enum err
separate(struct reader *r)
{
	if (r->out->len == 0 || r->out->data[r->out->len - 1] == '\n')
		return ERR_OK;
	return buf_puts(r->out, "\n");
}

static bool
is_break(struct span name)
{
	for (size_t i = name.len; i > 0; i--)
		if (name.data[i - 1] == ':') {
			name = SPAN(name.data + i, name.len - i);
			break;
		}
	for (size_t i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++)
		if (span_eq_str(name, breaks[i]))
			return true;
	return false;
}

/* "<name ...>", "</name>"; a ">" in a quoted value ends nothing. */
static enum err
take_tag(struct reader *r)
{
	struct span name;
	size_t begin = ++r->at;
	uint8_t quote = 0, c;

	if (begin < r->in.len && r->in.data[begin] == '/')
		begin = ++r->at;
	while (r->at < r->in.len && !is_blank(r->in.data[r->at]) &&
	       strchr("/><\"'=", r->in.data[r->at]) == NULL)
		r->at++;
	name = SPAN(r->in.data + begin, r->at - begin);
	if (name.len == 0)
		return ERR_MALFORMED;
	for (; r->at < r->in.len; r->at++) {
		c = r->in.data[r->at];
		if (quote == 0 && c == '>') {
			r->at++;
			return is_break(name) ? separate(r) : ERR_OK;
		}
		if (c == '<')
			return ERR_MALFORMED;
		if (quote == 0 && (c == '"' || c == '\''))
			quote = c;
		else if (c == quote)
			quote = 0;
	}
	return ERR_MALFORMED;
}

static enum err
put_char(struct reader *r, uint32_t c)
{
	uint8_t utf8[4];
	size_t n = 0;

	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return ERR_MALFORMED;
	if (c < 0x80) {
		utf8[n++] = (uint8_t)c;
	} else if (c < 0x800) {
		utf8[n++] = (uint8_t)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		utf8[n++] = (uint8_t)(0xe0 | c >> 12);
		utf8[n++] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	} else {
		utf8[n++] = (uint8_t)(0xf0 | c >> 18);
		utf8[n++] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
		utf8[n++] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	}
	if (c >= 0x80)
		utf8[n++] = (uint8_t)(0x80 | (c & 0x3f));
	return buf_put(r->out, SPAN(utf8, n));
}

/* The number of "#38" or "#x26"; 0 if it is none. */
static uint32_t
number(struct span s)
{
	bool hex = s.len > 1 && s.data[1] == 'x';
	uint32_t n = 0;

	if (s.len < 2 || s.len > 10)
		return 0;
	for (size_t i = hex ? 2 : 1; i < s.len; i++) {
		uint8_t c = s.data[i];
		uint32_t digit = 99;

		if (c >= '0' && c <= '9')
			digit = (uint32_t)(c - '0');
		else if (hex && c >= 'a' && c <= 'f')
			digit = (uint32_t)(c - 'a') + 10;
		else if (hex && c >= 'A' && c <= 'F')
			digit = (uint32_t)(c - 'A') + 10;

		if (digit == 99 || n > 0x10ffff)
			return 0;
		n = n * (hex ? 16 : 10) + digit;
	}
	return n;
}

static enum err
take_entity(struct reader *r)
{
	static const struct {
		const char *name;
		char c;
	} known[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'},
	    {"apos", '\''}};
	size_t end = span_find_chr(r->in, r->at, ';');
	struct span name;

	if (end >= r->in.len)
		return ERR_MALFORMED;
	name = SPAN(r->in.data + r->at + 1, end - r->at - 1);
	r->at = end + 1;
	if (name.len > 0 && name.data[0] == '#')
		return put_char(r, number(name));
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (span_eq_str(name, known[i].name))
			return buf_put(r->out, SPAN(&known[i].c, 1));
	return ERR_UNSUPPORTED;
}

static enum err
take_cdata(struct reader *r)
{
	size_t begin = r->at + strlen("<![CDATA[");
	enum err e;

	r->at = begin;
	e = skip_to(r, "]]>");
	return e != ERR_OK
		   ? e
		   : buf_put(r->out, SPAN(r->in.data + begin,
					 r->at - strlen("]]>") - begin));
}

static enum err
take_markup(struct reader *r)
{
	if (starts(r, "<!--"))
		return skip_to(r, "-->");
	if (starts(r, "<![CDATA["))
		return take_cdata(r);
	if (starts(r, "<?"))
		return skip_to(r, "?>");
	return starts(r, "<!") ? ERR_UNSUPPORTED : take_tag(r);
}

static enum err
take_text(struct reader *r)
{
	size_t begin = r->at;

	while (r->at < r->in.len && r->in.data[r->at] != '<' &&
	       r->in.data[r->at] != '&')
		r->at++;
	return buf_put(r->out, SPAN(r->in.data + begin, r->at - begin));
}

/* What the declaration says, if there is one. */
static bool
is_utf8_by_its_word(struct span xml)
{
	size_t end, at;
	struct span head;

	if (xml.len < 5 || memcmp(xml.data, "<?xml", 5) != 0)
		return true;
	end = span_find(xml, 0, SPAN_LIT("?>"));
	head = SPAN(xml.data, end < xml.len ? end : xml.len);
	at = span_find(head, 0, SPAN_LIT("encoding"));
	if (at >= head.len)
		return true;
	at += strlen("encoding");
	while (
	    at < head.len && (is_blank(head.data[at]) || head.data[at] == '=' ||
				 head.data[at] == '"' || head.data[at] == '\''))
		at++;
	head = SPAN(head.data + at, head.len - at);
	return span_starts_caseeq(head, "utf-8") ||
	       span_starts_caseeq(head, "us-ascii");
}

enum err
extract_xml_text(struct span xml, struct buf *out)
{
	struct reader r = {.in = xml, .out = out};
	enum err e = ERR_OK;

	if (xml.len >= 3 && memcmp(xml.data, "\xef\xbb\xbf", 3) == 0)
		r.in = SPAN(xml.data + 3, xml.len - 3);
	if (!mime_utf8_is_valid(r.in) || !is_utf8_by_its_word(r.in) ||
	    memchr(xml.data, 0, xml.len) != NULL)
		return ERR_UNSUPPORTED;
	while (r.at < r.in.len && is_blank(r.in.data[r.at]))
		r.at++;
	/* what was encrypted begins with anything */
	if (r.at == r.in.len || r.in.data[r.at] != '<')
		return ERR_MALFORMED;
	while (e == ERR_OK && r.at < r.in.len)
		e = r.in.data[r.at] == '<'   ? take_markup(&r)
		    : r.in.data[r.at] == '&' ? take_entity(&r)
					     : take_text(&r);
	return e == ERR_OK ? separate(&r) : e;
}
