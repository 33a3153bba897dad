/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The text of a part. Whatever could not be made out is said, never guessed:
 * who looks for words has to take it for what he looks for.
 */
#include "mime/part_text.h"

#include <string.h>

#include "mime/charset.h"
#include "mime/recode.h"
#include "mime/tree.h"
#include "mime/utf8.h"

enum err
mime_part_octets(const struct mime_part *p, struct buf *out, bool *whole)
{
	struct mime_sink to = mime_sink_buf(out);
	enum recode_form form = RECODE_PLAIN;
	enum err e;

	*whole = recode_form_of(mime_part_encoding(p), &form) == ERR_OK;
	e = recode_decode(form, mime_part_body(p), &to);
	if (e != ERR_MALFORMED)
		return e;
	*whole = false;
	return ERR_OK;
}

static size_t
replaced(struct span s)
{
	size_t n = 0;

	for (size_t at = 0;
	     (at = span_find(s, at, SPAN_LIT("\xef\xbf\xbd"))) < s.len; at += 3)
		n++;
	return n;
}

/* UTF-16 without a mark of its order is read in either (RFC 2781 section 4.3);
   readers pass over a NUL within a word, or take it for UTF-16. */
static bool
is_doubtful(const char *charset, struct span octets)
{
	if (span_caseeq_str(span_str(charset), "utf-16"))
		return octets.len > 0 &&
		       (octets.len < 2 ||
			   (memcmp(octets.data, "\xff\xfe", 2) != 0 &&
			       memcmp(octets.data, "\xfe\xff", 2) != 0));
	return span_find_chr(octets, 0, 0) < octets.len;
}

/* Octets that are no text of the charset become U+FFFD; one that is there
   from the start counts as such, too. */
static enum err
to_utf8(const char *charset, struct span octets, struct buf *out, bool *whole)
{
	size_t before = out->len;
	enum err e;

	charset = charset == NULL ? "us-ascii" : charset;
	if (is_doubtful(charset, octets))
		*whole = false;
	e = mime_charset_put(span_str(charset), octets, out);
	if (e == ERR_UNSUPPORTED) {
		*whole = false;
		return mime_utf8_put_clean(out, octets);
	}
	if (e == ERR_OK && out->len > before &&
	    replaced(SPAN(out->data + before, out->len - before)) > 0)
		*whole = false;
	return e;
}

enum err
mime_part_text(const struct mime_part *p, struct buf *out, bool *whole)
{
	struct buf octets;
	enum err e;

	buf_init(&octets, out->max);
	e = mime_part_octets(p, &octets, whole);
	if (e == ERR_OK)
		e = to_utf8(mime_part_param(p, "charset"), buf_span(&octets),
		    out, whole);
	buf_clear(&octets);
	return e;
}

enum err
mime_part_lines(const struct mime_part *p, struct buf *out, bool *whole)
{
	struct buf octets;
	enum err e;

	buf_init(&octets, out->max);
	e = mime_part_octets(p, &octets, whole);
	for (size_t at = 0; e == ERR_OK && at < octets.len;) {
		size_t end = span_find_chr(buf_span(&octets), at, '\n');
		size_t len = end - at;

		if (len > 0 && octets.data[end - 1] == '\r')
			len--;
		e = to_utf8(mime_part_param(p, "charset"),
		    SPAN(octets.data + at, len), out, whole);
		if (e == ERR_OK)
			e = buf_putc(out, '\n');
		at = end + 1;
	}
	buf_clear(&octets);
	return e;
}

/* The first charset that a <meta> near the beginning names; "" for none. */
static void
meta_charset(struct span html, char *out, size_t out_size)
{
	struct span head = SPAN(html.data, html.len < 4096 ? html.len : 4096);
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i + 5 < head.len; i++) {
		struct span tag;
		size_t end, at;

		if (!span_starts_caseeq(
			SPAN(head.data + i, head.len - i), "<meta"))
			continue;
		end = span_find_chr(head, i, '>');
		tag = SPAN(head.data + i, end - i);
		for (at = 0; at < tag.len; at++)
			if (span_starts_caseeq(
				SPAN(tag.data + at, tag.len - at), "charset"))
				break;
		at += strlen("charset");
		while (at < tag.len && strchr(" \t\r\n=\"'", tag.data[at]))
			at++;
		while (at < tag.len && n + 1 < out_size &&
		       !strchr(" \t\r\n\"'/;>", tag.data[at]))
			out[n++] = (char)tag.data[at++];
		out[n] = '\0';
		if (n > 0)
			return;
	}
}

enum err
mime_part_html(const struct mime_part *p, struct buf *out, bool *whole)
{
	const char *charset = mime_part_param(p, "charset");
	struct buf octets;
	char said[64];
	enum err e;

	buf_init(&octets, out->max);
	e = mime_part_octets(p, &octets, whole);
	if (e == ERR_OK && charset == NULL) {
		meta_charset(buf_span(&octets), said, sizeof(said));
		/* it was read to find that: it is no UTF-16 */
		if (said[0] != '\0')
			charset = span_starts_caseeq(span_str(said), "utf-16")
				      ? "utf-8"
				      : said;
	}
	if (e == ERR_OK)
		e = to_utf8(charset, buf_span(&octets), out, whole);
	buf_clear(&octets);
	return e;
}

bool
mime_part_is_text(const struct mime_part *p)
{
	static const char *const formats[] = {"json", "xml", "xhtml+xml",
	    "javascript", "x-yaml", "yaml", "sql", "x-sh", "csv"};
	const char *sub = mime_part_subtype(p);
	size_t len = strlen(sub);

	if (strcmp(mime_part_type(p), "text") == 0)
		return true;
	if (strcmp(mime_part_type(p), "application") != 0)
		return false;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (strcmp(sub, formats[i]) == 0)
			return true;
	return (len > 4 && strcmp(sub + len - 4, "+xml") == 0) ||
	       (len > 5 && strcmp(sub + len - 5, "+json") == 0);
}
