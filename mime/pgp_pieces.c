/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The entity that is made of what was opened part by part. Each may have come
 * from somebody else: none is HTML, none can reach into another (EFAIL).
 */
#include <stdio.h>
#include <string.h>

#include "mime/base64.h"
#include "mime/pgp_shape.h"
#include "mime/text_part.h"
#include "mime/tree.h"
#include "mime/utf8.h"

enum {
	TEXT_MAX = 1024 * 1024, /* octets that are worth being readable */
	NAME_MAX_OUT = 200,	/* octets of a file name */
	HEAD_MAX = 4096,
};

static bool
is_text(const struct mime_part *p)
{
	return mime_part_is(p, "text", "plain");
}

/* RFC 2231 section 4: attr-char of RFC 5987. */
static bool
is_attr_char(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (c != 0 && strchr("-._", c) != NULL);
}

/* The name of the file inside: without ".pgp", and without a way somewhere. */
static enum err
put_name(const struct mime_part *p, struct buf *out)
{
	const char *name = mime_part_filename(p), *slash;
	struct span s;
	enum err e;

	if (name == NULL)
		name = "attachment";
	while ((slash = strpbrk(name, "/\\")) != NULL)
		name = slash + 1;
	s = span_str(name);
	if (s.len > 4 &&
	    (span_caseeq_str(SPAN(s.data + s.len - 4, 4), ".pgp") ||
		span_caseeq_str(SPAN(s.data + s.len - 4, 4), ".gpg") ||
		span_caseeq_str(SPAN(s.data + s.len - 4, 4), ".asc")))
		s.len -= 4;
	if (s.len > NAME_MAX_OUT)
		s.len = NAME_MAX_OUT;
	e = buf_puts(out, "Content-Disposition: attachment;\r\n"
			  " filename*=utf-8''");
	for (size_t i = 0; i < s.len && e == ERR_OK; i++)
		e = is_attr_char(s.data[i])
			? buf_putc(out, s.data[i])
			: buf_printf(out, "%%%02X", s.data[i]);
	return e == ERR_OK ? buf_puts(out, "\r\n") : e;
}

static enum err
put_base64(const struct mime_pgp_piece *piece, const struct mime_sink *to)
{
	struct mime_base64 b;
	enum err e;

	mime_base64_init(&b, *to);
	e = mime_base64_put(&b, piece->text);
	return e == ERR_OK ? mime_base64_finish(&b) : e;
}

/* In the charset that the part had around the armor, if it is no UTF-8. */
static enum err
put_odd_text(const struct mime_pgp_piece *piece, const struct mime_sink *to)
{
	const char *charset = mime_part_param(piece->part, "charset");
	struct buf head;
	enum err e;

	if (mime_utf8_is_valid(piece->text))
		charset = "utf-8";
	else if (charset == NULL || charset[0] == '\0' ||
		 strlen(charset) > 40 ||
		 strspn(charset, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP"
				 "QRSTUVWXYZ0123456789-_") != strlen(charset))
		charset = "iso-8859-1";
	buf_init(&head, HEAD_MAX);
	e = buf_printf(&head,
	    "Content-Type: text/plain; charset=%s\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n",
	    charset);
	if (e == ERR_OK)
		e = mime_put(to, buf_span(&head));
	buf_clear(&head);
	return e == ERR_OK ? put_base64(piece, to) : e;
}

static enum err
put_text(const struct mime_pgp_piece *piece, const struct mime_sink *to)
{
	struct buf text;
	enum err e;

	if (piece->text.len > TEXT_MAX || !mime_utf8_is_valid(piece->text))
		return put_odd_text(piece, to);
	buf_init(&text, 4 * TEXT_MAX);
	e = text_put_part(&text, piece->text);
	if (e == ERR_OK)
		e = mime_put(to, buf_span(&text));
	buf_clear(&text);
	return e;
}

static enum err
put_attachment(const struct mime_pgp_piece *piece, const struct mime_sink *to)
{
	struct buf head;
	enum err e;

	buf_init(&head, HEAD_MAX);
	e = buf_puts(&head, "Content-Type: application/octet-stream\r\n"
			    "Content-Transfer-Encoding: base64\r\n");
	if (e == ERR_OK)
		e = put_name(piece->part, &head);
	if (e == ERR_OK)
		e = buf_puts(&head, "\r\n");
	if (e == ERR_OK)
		e = mime_put(to, buf_span(&head));
	buf_clear(&head);
	return e == ERR_OK ? put_base64(piece, to) : e;
}

static enum err
put_piece(const struct mime_pgp_piece *piece, const struct mime_sink *to)
{
	return is_text(piece->part) ? put_text(piece, to)
				    : put_attachment(piece, to);
}

enum err
mime_pgp_write_pieces(const struct mime_pgp_piece *pieces, size_t n,
    const char *unique, const struct mime_sink *to)
{
	char mark[128];
	enum err e;

	if (n == 1)
		return put_piece(&pieces[0], to);
	snprintf(mark, sizeof(mark),
	    "Content-Type: multipart/mixed; boundary=\"=_%.60s\"\r\n", unique);
	e = mime_puts(to, mark);
	for (size_t i = 0; i < n && e == ERR_OK; i++) {
		snprintf(mark, sizeof(mark), "\r\n--=_%.60s\r\n", unique);
		e = mime_puts(to, mark);
		if (e == ERR_OK)
			e = put_piece(&pieces[i], to);
	}
	snprintf(mark, sizeof(mark), "\r\n--=_%.60s--\r\n", unique);
	return e == ERR_OK ? mime_puts(to, mark) : e;
}
