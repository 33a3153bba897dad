/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Quoted-printable and the choice of an encoding for texts of our own.
 */
#include "mime/text_part.h"

#include "common/limits.h"
#include "mime/sink.h"
#include "mime/utf8.h"

enum { QP_LINE = 76 };

bool
text_is_7bit(struct span text)
{
	size_t column = 0;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];

		if (c == '\n') {
			column = 0;
			continue;
		}
		if (c >= 0x7f || (c < ' ' && c != '\t' && c != '\r'))
			return false;
		if (c == '\r' &&
		    (i + 1 == text.len || text.data[i + 1] != '\n'))
			return false;
		if (++column > LIMIT_LINE_OUT)
			return false;
	}
	return true;
}

static bool
at_line_end(struct span s, size_t i)
{
	return i == s.len || s.data[i] == '\n' ||
	       (s.data[i] == '\r' && i + 1 < s.len && s.data[i + 1] == '\n');
}

static bool
is_qp_plain(struct span s, size_t i)
{
	uint8_t c = s.data[i];

	/* a blank at the end of a line would be lost on the way */
	if (c == ' ' || c == '\t')
		return !at_line_end(s, i + 1);
	return c > ' ' && c < 0x7f && c != '=';
}

enum err
text_put_qp(struct buf *out, struct span s)
{
	size_t column = 0, size;
	enum err e = ERR_OK;
	bool plain;

	for (size_t i = 0; i < s.len && e == ERR_OK; i++) {
		if (at_line_end(s, i)) {
			i += s.data[i] == '\r';
			e = buf_puts(out, "\r\n");
			column = 0;
			continue;
		}
		plain = is_qp_plain(s, i);
		size = plain ? 1 : 3;
		if (column + size > QP_LINE - 1) {
			e = buf_puts(out, "=\r\n");
			column = 0;
		}
		if (e == ERR_OK)
			e = plain ? buf_putc(out, s.data[i])
				  : buf_printf(out, "=%02X", s.data[i]);
		column += size;
	}
	if (e == ERR_OK && column > 0)
		e = buf_puts(out, "\r\n");
	return e;
}

enum err
text_put_body(struct buf *out, struct span text)
{
	struct mime_sink to = mime_sink_buf(out);

	return text_is_7bit(text) ? mime_put_crlf(&to, text)
				  : text_put_qp(out, text);
}

enum err
text_put_part(struct buf *out, struct span text)
{
	enum err e;

	e = buf_printf(out,
	    "Content-Type: text/plain; charset=%s\r\n"
	    "Content-Transfer-Encoding: %s\r\n\r\n",
	    mime_is_ascii(text) ? "us-ascii" : "utf-8",
	    text_is_7bit(text) ? "7bit" : "quoted-printable");
	return e == ERR_OK ? text_put_body(out, text) : e;
}
