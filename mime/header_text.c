/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The text of header values: unfolding (RFC 5322 section 2.2.3), encoded
 * words read leniently and written strictly (RFC 2047).
 */
#include "mime/header.h"

#include <string.h>

#include "common/limits.h"
#include "mime/base64.h"
#include "mime/charset.h"
#include "mime/utf8.h"

enum {
	ENCODED_WORD_MAX = 4096, /* RFC 2047 allows 75; some write more */
	LINE_WANT = 76,	  /* where lines are folded: RFC 2047 section 2 */
	WORD_PLAIN = 200, /* a longer word is encoded, so that it can be cut */
	NAME_PLAIN = 60,  /* a longer display name is encoded, to be folded */
};

static const char word_head_q[] = "=?UTF-8?Q?";
static const char word_head_b[] = "=?UTF-8?B?";

enum err
mime_header_unfold(struct span value, struct buf *out)
{
	struct span v = span_trim(value);
	size_t start = 0, i;
	enum err e;

	if (v.len == 0)
		return ERR_OK;
	for (i = 0; i < v.len; i++) {
		if (v.data[i] != '\r' && v.data[i] != '\n')
			continue;
		e = buf_put(out, SPAN(v.data + start, i - start));
		if (e != ERR_OK)
			return e;
		start = i + 1;
	}
	return buf_put(out, SPAN(v.data + start, v.len - start));
}

/* An encoded word as it stands in a text. */
struct word {
	struct span charset; /* without the language of RFC 2231 section 5 */
	struct span text;
	bool base64;
	size_t end; /* position behind "?=" */
};

/* Is there an encoded word at pos? */
static bool
find_word(struct span s, size_t pos, struct word *out)
{
	struct word w;
	size_t cs_end, text_end;

	if (s.len - pos < 2 || s.data[pos] != '=' || s.data[pos + 1] != '?')
		return false;
	cs_end = span_find_chr(s, pos + 2, '?');
	if (s.len - cs_end < 3 || s.data[cs_end + 2] != '?')
		return false;
	w.charset = SPAN(s.data + pos + 2, cs_end - pos - 2);
	w.charset.len = span_find_chr(w.charset, 0, '*');
	if (w.charset.len == 0)
		return false;
	if ((s.data[cs_end + 1] | 0x20) == 'b')
		w.base64 = true;
	else if ((s.data[cs_end + 1] | 0x20) == 'q')
		w.base64 = false;
	else
		return false;
	/* bounded, or a line of "=?" would be searched again for each */
	if (s.len - cs_end > ENCODED_WORD_MAX)
		s.len = cs_end + ENCODED_WORD_MAX;
	text_end = span_find(s, cs_end + 3, SPAN_LIT("?="));
	if (text_end == s.len)
		return false;
	w.text = SPAN(s.data + cs_end + 3, text_end - cs_end - 3);
	w.end = text_end + 2;
	*out = w;
	return true;
}

static int
hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 2047 section 4.2; a "=" that starts no hex pair stays. */
static enum err
decode_q(struct span s, struct buf *out)
{
	enum err e = ERR_OK;
	uint8_t c;

	for (size_t i = 0; i < s.len && e == ERR_OK; i++) {
		c = s.data[i] == '_' ? ' ' : s.data[i];
		if (c == '=' && i + 2 < s.len &&
		    hex_value(s.data[i + 1]) >= 0 &&
		    hex_value(s.data[i + 2]) >= 0) {
			c = (uint8_t)(hex_value(s.data[i + 1]) << 4 |
				      hex_value(s.data[i + 2]));
			i += 2;
		}
		e = buf_putc(out, c);
	}
	return e;
}

static enum err
decode_word(const struct word *w, struct buf *octets)
{
	return w->base64 ? mime_base64_decode(w->text, octets)
			 : decode_q(w->text, octets);
}

/* Words with nothing but blanks between them join, and their octets before
   they are converted: some writers cut a character in two. Returns the
   position behind them; pos itself if they cannot be decoded. */
static enum err
put_words(struct span s, size_t pos, struct buf *out, size_t *end_out)
{
	struct buf octets;
	struct word w, first;
	size_t next = pos, end = pos;
	enum err e = ERR_OK;

	buf_init(&octets, LIMIT_HEADER_SIZE);
	if (!find_word(s, pos, &first))
		goto out;
	while (find_word(s, next, &w) && w.charset.len == first.charset.len &&
	       memcmp(w.charset.data, first.charset.data, w.charset.len) == 0) {
		e = decode_word(&w, &octets);
		if (e != ERR_OK)
			break;
		end = next = w.end;
		while (next < s.len &&
		       (s.data[next] == ' ' || s.data[next] == '\t'))
			next++;
	}
	if (e == ERR_OK || (e == ERR_MALFORMED && end > pos))
		e = mime_charset_put(first.charset, buf_span(&octets), out);
	if (e == ERR_UNSUPPORTED || e == ERR_MALFORMED) {
		end = pos;
		e = ERR_OK;
	}
out:
	buf_clear(&octets);
	if (e == ERR_OK)
		*end_out = end;
	return e;
}

static bool
is_all_blank(struct span s)
{
	return span_trim(s).len == 0;
}

/* Text up to the next encoded word, words, text, ... Blanks between two words
   are not text (RFC 2047 section 6.2). */
static enum err
decode_line(struct span s, struct buf *out)
{
	size_t start = 0, pos = 0, end;
	bool after_word = false;
	struct span text;
	enum err e;

	if (s.len == 0)
		return ERR_OK;
	while ((pos = span_find(s, pos, SPAN_LIT("=?"))) < s.len) {
		size_t mark = out->len;

		text = SPAN(s.data + start, pos - start);
		if (!after_word || !is_all_blank(text)) {
			e = mime_utf8_put_clean(out, text);
			if (e != ERR_OK)
				return e;
		}
		e = put_words(s, pos, out, &end);
		if (e != ERR_OK)
			return e;
		if (end == pos) {
			out->len = mark;
			pos += 2;
			continue;
		}
		start = pos = end;
		after_word = true;
	}
	return mime_utf8_put_clean(out, SPAN(s.data + start, s.len - start));
}

enum err
mime_header_decode(struct span value, struct buf *out)
{
	struct buf line;
	enum err e;

	buf_init(&line, value.len);
	e = mime_header_unfold(value, &line);
	if (e == ERR_OK)
		e = decode_line(buf_span(&line), out);
	buf_clear(&line);
	return e;
}

/* May stand in a Q word wherever it is, a display name included (RFC 2047
   section 5, rule 3). */
static bool
is_q_plain(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '!' || c == '*' || c == '+' ||
	       c == '-' || c == '/';
}

static enum err
put_q(struct buf *out, struct span s)
{
	enum err e = ERR_OK;

	for (size_t i = 0; i < s.len && e == ERR_OK; i++) {
		if (s.data[i] == ' ')
			e = buf_putc(out, '_');
		else if (is_q_plain(s.data[i]))
			e = buf_putc(out, s.data[i]);
		else
			e = buf_printf(out, "=%02X", s.data[i]);
	}
	return e;
}

static size_t
q_size(struct span s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += s.data[i] == ' ' || is_q_plain(s.data[i]) ? 1 : 3;
	return n;
}

/* As many whole characters of s as fit into room characters of a word. */
static size_t
chunk_size(struct span s, bool base64, size_t room)
{
	size_t len = 0, n, size;

	while (len < s.len) {
		n = mime_utf8_next(SPAN(s.data + len, s.len - len), NULL);
		size = base64 ? (len + n + 2) / 3 * 4
			      : q_size(SPAN(s.data, len + n));
		if (size > room && len > 0)
			break;
		len += n;
	}
	return len;
}

static enum err
put_word(struct buf *out, struct span s, bool base64)
{
	enum err e;

	e = buf_puts(out, base64 ? word_head_b : word_head_q);
	if (e != ERR_OK)
		return e;
	if (!base64) {
		e = put_q(out, s);
	} else {
		/* a chunk is shorter than a base64 line: drop its CRLF */
		e = mime_base64_encode(s, out);
		if (e == ERR_OK)
			out->len -= 2;
	}
	return e == ERR_OK ? buf_puts(out, "?=") : e;
}

/* clean is valid UTF-8 without controls. */
static enum err
put_encoded(struct buf *out, size_t column, struct span clean)
{
	bool base64 = q_size(clean) > (clean.len + 2) / 3 * 4;
	size_t n, used;
	enum err e;

	while (clean.len > 0) {
		used = column + sizeof(word_head_q) - 1 + 2;
		n = chunk_size(clean, base64,
		    used + 12 > LINE_WANT ? 12 : LINE_WANT - used);
		e = put_word(out, SPAN(clean.data, n), base64);
		clean.data += n;
		clean.len -= n;
		if (e == ERR_OK && clean.len > 0)
			e = buf_puts(out, "\r\n ");
		if (e != ERR_OK)
			return e;
		column = 1;
	}
	return ERR_OK;
}

static size_t
longest_word(struct span s)
{
	size_t longest = 0, n = 0;

	for (size_t i = 0; i < s.len; i++) {
		n = s.data[i] == ' ' ? 0 : n + 1;
		if (n > longest)
			longest = n;
	}
	return longest;
}

/* Fold before blanks; words are never empty lines' only content because the
   text begins and ends with none. */
static enum err
put_folded(struct buf *out, size_t column, struct span s)
{
	size_t start = 0, end;
	enum err e;

	while (start < s.len) {
		end = start;
		while (end < s.len && s.data[end] == ' ')
			end++;
		end = span_find_chr(s, end, ' ');
		if (start > 0 && column + end - start > LINE_WANT) {
			e = buf_puts(out, "\r\n");
			if (e != ERR_OK)
				return e;
			column = 0;
		}
		e = buf_put(out, SPAN(s.data + start, end - start));
		if (e != ERR_OK)
			return e;
		column += end - start;
		start = end;
	}
	return ERR_OK;
}

enum err
mime_header_encode(struct buf *out, size_t name_len, struct span value)
{
	struct buf clean;
	struct span s;
	enum err e;

	buf_init(&clean, LIMIT_HEADER_SIZE);
	e = mime_utf8_put_clean(&clean, value);
	s = span_trim(buf_span(&clean));
	if (e != ERR_OK)
		goto out;
	if (mime_is_ascii(s) && longest_word(s) <= WORD_PLAIN &&
	    span_find(s, 0, SPAN_LIT("=?")) == s.len)
		e = put_folded(out, name_len + 2, s);
	else
		e = put_encoded(out, name_len + 2, s);
out:
	buf_clear(&clean);
	return e;
}

static bool
is_field_name(const char *name)
{
	if (name[0] == '\0' || strlen(name) > LINE_WANT)
		return false;
	for (; *name != '\0'; name++)
		if (*name <= ' ' || *name >= 0x7f || *name == ':')
			return false;
	return true;
}

enum err
mime_header_put(struct buf *out, const char *name, struct span value)
{
	size_t mark = out->len;
	enum err e;

	if (!is_field_name(name))
		return ERR_USAGE;
	e = buf_printf(out, "%s: ", name);
	if (e == ERR_OK)
		e = mime_header_encode(out, strlen(name), value);
	if (e == ERR_OK)
		e = buf_puts(out, "\r\n");
	if (e != ERR_OK)
		out->len = mark;
	return e;
}

static bool
has_control(const char *s)
{
	struct span in = span_str(s);
	uint32_t c = 0;
	size_t n;

	for (; in.len > 0; in.data += n, in.len -= n) {
		n = mime_utf8_next(in, &c);
		if (n == 0 || mime_utf8_is_control(c))
			return true;
	}
	return false;
}

/* A display name: a quoted string if it is short and ASCII (RFC 5322 section
   3.2.4), else encoded words. */
static enum err
put_display(struct buf *out, size_t column, struct span clean)
{
	enum err e;

	if (!mime_is_ascii(clean) || clean.len > NAME_PLAIN ||
	    span_find(clean, 0, SPAN_LIT("=?")) < clean.len)
		return put_encoded(out, column, clean);
	e = buf_putc(out, '"');
	for (size_t i = 0; i < clean.len && e == ERR_OK; i++) {
		if (clean.data[i] == '"' || clean.data[i] == '\\')
			e = buf_putc(out, '\\');
		if (e == ERR_OK)
			e = buf_putc(out, clean.data[i]);
	}
	return e == ERR_OK ? buf_putc(out, '"') : e;
}

enum err
mime_header_put_mailbox(
    struct buf *out, const char *name, const char *display, const char *text)
{
	size_t mark = out->len;
	struct buf clean;
	struct span s;
	enum err e;

	if (!is_field_name(name) || text[0] == '\0' || has_control(text) ||
	    strpbrk(text, "<>") != NULL)
		return ERR_USAGE;
	buf_init(&clean, LIMIT_HEADER_SIZE);
	e = mime_utf8_put_clean(&clean, span_str(display));
	s = span_trim(buf_span(&clean));
	if (e == ERR_OK)
		e = buf_printf(out, "%s: ", name);
	if (e == ERR_OK && s.len > 0) {
		e = put_display(out, strlen(name) + 2, s);
		if (e == ERR_OK)
			e = buf_puts(out, "\r\n ");
	}
	if (e == ERR_OK)
		e = buf_printf(out, "<%s>\r\n", text);
	if (e != ERR_OK)
		out->len = mark;
	buf_clear(&clean);
	return e;
}
