/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Find the lines of armor and decode what is between them. Strict, since form
 * feeds, NUL and text around a block are read differently by others.
 */
#include "crypto/openpgp_armor.h"

#include <string.h>

#include "common/file.h"
#include "mime/base64.h"

enum { DIGITS = 16 * 1024 }; /* decoded at once; whole groups */

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
starts_with(struct span s, const char *text)
{
	return s.len >= strlen(text) && memcmp(s.data, text, strlen(text)) == 0;
}

/* The line that s begins with, without blanks at its end; s moves behind. */
static struct span
take_line(struct span *s)
{
	size_t end = span_find_chr(*s, 0, '\n');
	struct span line = SPAN(s->data, end);
	size_t used = end < s->len ? end + 1 : end;

	*s = SPAN(s->data + used, s->len - used);
	while (line.len > 0 && is_blank(line.data[line.len - 1]))
		line.len--;
	return line;
}

static const char *const labels[] = {
    "MESSAGE", "SIGNATURE", "PUBLIC KEY BLOCK", "PRIVATE KEY BLOCK"};

/* "-----WORD LABEL-----" */
static bool
is_mark(struct span line, const char *word, const char *label)
{
	size_t n = strlen(word), m = strlen(label);

	return line.len == n + m + 10 && starts_with(line, "-----") &&
	       memcmp(line.data + 5, word, n) == 0 &&
	       memcmp(line.data + 5 + n, label, m) == 0 &&
	       memcmp(line.data + 5 + n + m, "-----", 5) == 0;
}

/* The last line of s, which is trimmed; s loses it. */
static struct span
take_last_line(struct span *s)
{
	size_t start = s->len;
	struct span line;

	while (start > 0 && s->data[start - 1] != '\n')
		start--;
	line = SPAN(s->data + start, s->len - start);
	s->len = start;
	return line;
}

bool
crypto_pgp_armor_is(struct span s)
{
	return starts_with(span_trim(s), "-----");
}

bool
crypto_pgp_armor_body(struct span s, struct span *out)
{
	struct span first, last, line;
	bool known = false;

	s = span_trim(s);
	first = take_line(&s);
	last = take_last_line(&s);
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		if (is_mark(first, "BEGIN PGP ", labels[i]) &&
		    is_mark(last, "END PGP ", labels[i]))
			known = true;
	/* RFC 9580 §6.2: headers, then an empty line */
	while (known && s.len > 0) {
		line = take_line(&s);
		if (line.len == 0) {
			*out = s;
			return true;
		}
		known = span_find(line, 0, SPAN_LIT(":")) < line.len;
	}
	return false;
}

bool
crypto_pgp_armor_is_cleartext(struct span s)
{
	return starts_with(span_trim(s), "-----BEGIN PGP SIGNED MESSAGE");
}

/* RFC 9580 §7: text, in which no line begins with "-" but for "- ", then the
   signature as the rest. */
bool
crypto_pgp_armor_cleartext(struct span s, struct span *signature_out)
{
	size_t at;

	s = span_trim(s);
	if (!is_mark(take_line(&s), "BEGIN PGP ", "SIGNED MESSAGE"))
		return false;
	at = span_find(s, 0, SPAN_LIT("\n-----"));
	if (at == s.len)
		return false;
	*signature_out = SPAN(s.data + at + 1, s.len - at - 1);
	return true;
}

static enum err
decode_digits(struct buf *digits, struct buf *octets, int fd)
{
	enum err e;

	buf_reset(octets);
	e = mime_base64_decode(buf_span(digits), octets);
	buf_reset(digits);
	return e == ERR_OK ? file_write_all(fd, buf_span(octets)) : e;
}

enum err
crypto_pgp_armor_decode(struct span body, int fd)
{
	struct buf digits, octets;
	enum err e = ERR_OK;

	buf_init(&digits, DIGITS);
	buf_init(&octets, DIGITS);
	/* the first "=" pads the last group, or begins the checksum */
	for (size_t i = 0; i < body.len && body.data[i] != '=' && e == ERR_OK;
	     i++) {
		if (is_blank(body.data[i]))
			continue;
		e = buf_putc(&digits, body.data[i]);
		if (e == ERR_OK && digits.len == DIGITS)
			e = decode_digits(&digits, &octets, fd);
	}
	while (e == ERR_OK && digits.len % 4 != 0)
		e = buf_putc(&digits, '=');
	if (e == ERR_OK && digits.len > 0)
		e = decode_digits(&digits, &octets, fd);
	buf_clear(&digits);
	buf_clear(&octets);
	return e;
}
