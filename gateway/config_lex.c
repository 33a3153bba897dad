/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Cut the text of a configuration into words, numbers, strings and signs.
 * Comments go from # to the end of the line. UTF-8 is checked as RFC 3629 says.
 */
#include "gateway/config_lex.h"

#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "gateway/config_private.h"

/* Length of the UTF-8 sequence at p, 0 if it is none (RFC 3629: no overlong
   form, no surrogate, nothing above U+10FFFF). */
static size_t
utf8_len(const uint8_t *p, size_t left)
{
	static const struct {
		uint8_t lo, hi, second_lo, second_hi;
		size_t len;
	} row[] = {
	    {0x00, 0x7f, 0x00, 0x00, 1},
	    {0xc2, 0xdf, 0x80, 0xbf, 2},
	    {0xe0, 0xe0, 0xa0, 0xbf, 3},
	    {0xe1, 0xec, 0x80, 0xbf, 3},
	    {0xed, 0xed, 0x80, 0x9f, 3},
	    {0xee, 0xef, 0x80, 0xbf, 3},
	    {0xf0, 0xf0, 0x90, 0xbf, 4},
	    {0xf1, 0xf3, 0x80, 0xbf, 4},
	    {0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		if (p[0] < row[i].lo || p[0] > row[i].hi)
			continue;
		if (row[i].len > left)
			return 0;
		for (size_t k = 1; k < row[i].len; k++) {
			uint8_t lo = k == 1 ? row[i].second_lo : 0x80;
			uint8_t hi = k == 1 ? row[i].second_hi : 0xbf;

			if (p[k] < lo || p[k] > hi)
				return 0;
		}
		return row[i].len;
	}
	return 0;
}

/* Say where octets stand that no configuration has, once a line. */
bool
config_text_is_clean(struct span in, struct conf_findings *f)
{
	unsigned line = 1, told = 0;
	bool clean = true;

	for (size_t i = 0; i < in.len;) {
		uint8_t c = in.data[i];
		size_t len = utf8_len(in.data + i, in.len - i);
		const char *what = NULL;

		if (len == 0)
			what = "this is not UTF-8";
		else if (c == 0)
			what = "NUL in the text";
		else if (c == '\r' &&
			 (i + 1 == in.len || in.data[i + 1] != '\n'))
			what = "carriage return without a line feed";
		else if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') ||
			 c == 0x7f)
			what = "control character in the text";
		else if (i == 0 && len == 3 &&
			 memcmp(in.data, "\xef\xbb\xbf", 3) == 0)
			what = "byte order mark, expected plain UTF-8";
		if (what != NULL) {
			if (told != line)
				conf_find(f, CONF_ERROR, line, "%s", what);
			told = line;
			clean = false;
		}
		if (c == '\n')
			line++;
		i += len == 0 ? 1 : len;
	}
	return clean;
}

static bool
is_word_chr(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

static void
skip_blanks(struct config_lexer *r)
{
	while (r->pos < r->in.len) {
		uint8_t c = r->in.data[r->pos];

		if (c == '#') {
			r->pos = span_find_chr(r->in, r->pos, '\n');
			continue;
		}
		if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
			return;
		if (c == '\n')
			r->line++;
		r->pos++;
	}
}

static void
next_word(struct config_lexer *r)
{
	size_t start = r->pos;
	bool digit = r->in.data[start] >= '0' && r->in.data[start] <= '9';

	while (r->pos < r->in.len && is_word_chr(r->in.data[r->pos]))
		r->pos++;
	r->tok.raw = SPAN(r->in.data + start, r->pos - start);
	if (r->tok.raw.len > LIMIT_CONFIG_WORD) {
		conf_find(r->f, CONF_ERROR, r->line,
		    "word of %zu octets, expected at most %u", r->tok.raw.len,
		    LIMIT_CONFIG_WORD);
		r->tok.kind = TOKEN_BAD;
		return;
	}
	r->tok.kind = digit ? TOKEN_NUMBER : TOKEN_WORD;
	r->tok.text = arena_span_str(r->arena, r->tok.raw);
	r->nomem |= r->tok.text == NULL;
}

/* The end of the string that starts at from: the closing quote, or the end of
   the line. */
static size_t
string_end(struct span in, size_t from)
{
	size_t i = from;

	while (i < in.len && in.data[i] != '"' && in.data[i] != '\n') {
		if (in.data[i] == '\\' && i + 1 < in.len &&
		    in.data[i + 1] != '\n')
			i++;
		i++;
	}
	return i;
}

/* Copy the string without its escapes; NULL when one is unknown. */
static char *
string_text(struct config_lexer *r, struct span raw)
{
	char *out = arena_alloc(r->arena, raw.len + 1);
	size_t n = 0;

	if (out == NULL) {
		r->nomem = true;
		return NULL;
	}
	for (size_t i = 0; i < raw.len; i++) {
		if (raw.data[i] == '\\') {
			i++;
			if (raw.data[i] != '"' && raw.data[i] != '\\')
				return NULL;
		}
		out[n++] = (char)raw.data[i];
	}
	return out;
}

static void
next_string(struct config_lexer *r)
{
	size_t start = r->pos + 1;
	size_t end = string_end(r->in, start);

	r->tok.kind = TOKEN_BAD;
	r->tok.raw = SPAN(r->in.data + start, end - start);
	r->pos = end;
	if (end == r->in.len || r->in.data[end] != '"') {
		conf_find(r->f, CONF_ERROR, r->line,
		    "string is not closed, expected \" on the same line");
		return;
	}
	r->pos++;
	if (r->tok.raw.len > LIMIT_CONFIG_STRING) {
		conf_find(r->f, CONF_ERROR, r->line,
		    "string of %zu octets, expected at most %u", r->tok.raw.len,
		    LIMIT_CONFIG_STRING);
		return;
	}
	r->tok.text = string_text(r, r->tok.raw);
	if (r->tok.text != NULL)
		r->tok.kind = TOKEN_STRING;
	else if (!r->nomem)
		conf_find(r->f, CONF_ERROR, r->line,
		    "unknown escape, expected \\\" or \\\\");
}

void
config_lex_next(struct config_lexer *r)
{
	uint8_t c;

	skip_blanks(r);
	r->tok = (struct config_token){.kind = TOKEN_END, .line = r->line};
	if (r->pos == r->in.len || r->nomem)
		return;
	c = r->in.data[r->pos];
	if (is_word_chr(c)) {
		next_word(r);
		return;
	}
	if (c == '"') {
		next_string(r);
		return;
	}
	r->tok.raw = SPAN(r->in.data + r->pos,
	    utf8_len(r->in.data + r->pos, r->in.len - r->pos));
	r->pos += r->tok.raw.len;
	switch (c) {
	case '{':
		r->tok.kind = TOKEN_OPEN;
		return;
	case '}':
		r->tok.kind = TOKEN_CLOSE;
		return;
	case '=':
		r->tok.kind = TOKEN_EQUALS;
		return;
	case ',':
		r->tok.kind = TOKEN_COMMA;
		return;
	}
	r->tok.kind = TOKEN_BAD;
	if (r->told == r->line)
		return;
	r->told = r->line;
	conf_find(r->f, CONF_ERROR, r->line,
	    "unexpected \"%.*s\"; text with such characters is written in "
	    "double quotes",
	    (int)r->tok.raw.len, (const char *)r->tok.raw.data);
}
