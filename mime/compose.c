/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Notices and alarms. Every value goes through header_text.c: nothing that a
 * caller passes can become a field or a body of its own.
 */
#include "mime/compose.h"

#include "common/limits.h"
#include "mime/date.h"
#include "mime/header.h"
#include "mime/recode.h"
#include "mime/text_part.h"
#include "mime/utf8.h"
#include "mime/write.h"

enum { COMPOSE_MAX = 4 * 1024 * 1024 }; /* our own texts are small */

/* An id is used in brackets: no blank, bracket or control in it. */
static bool
is_id(const char *id)
{
	if (*id == '\0')
		return false;
	for (; *id != '\0'; id++)
		if (*id <= ' ' || *id >= 0x7f || *id == '<' || *id == '>')
			return false;
	return true;
}

static enum err
put_fields(const struct mime_compose *m, struct buf *out)
{
	enum err e;

	e = buf_printf(out, "Date: %s\r\n", mime_date(m->date_s).text);
	if (e == ERR_OK)
		e = mime_header_put_mailbox(out, "From", m->from_name, m->from);
	if (e == ERR_OK)
		e = mime_header_put_mailbox(out, "To", NULL, m->to);
	if (e == ERR_OK && m->reply_to != NULL)
		e = mime_header_put_mailbox(out, "Reply-To", NULL, m->reply_to);
	if (e == ERR_OK)
		e = mime_header_put(out, "Subject", span_str(m->subject));
	if (e == ERR_OK)
		e = buf_printf(out, "Message-ID: <%s>\r\n", m->message_id);
	for (size_t i = 0; i < m->n_extra && e == ERR_OK; i++)
		e = mime_header_put(
		    out, m->extra[i].name, span_str(m->extra[i].value));
	return e == ERR_OK ? buf_puts(out, "MIME-Version: 1.0\r\n") : e;
}

/* Everything up to the body of the message, and what stands between. */
static enum err
begin(const struct mime_compose *m, struct buf *out)
{
	if (m->from == NULL || m->to == NULL || m->subject == NULL ||
	    m->message_id == NULL || !is_id(m->message_id))
		return ERR_USAGE;
	if (!mime_utf8_is_valid(m->body))
		return ERR_MALFORMED;
	return put_fields(m, out);
}

enum err
mime_compose_write(const struct mime_compose *m, const struct mime_sink *to)
{
	struct buf out;
	enum err e;

	buf_init(&out, COMPOSE_MAX);
	e = begin(m, &out);
	if (e == ERR_OK)
		e = text_put_part(&out, m->body);
	if (e == ERR_OK)
		e = mime_put(to, buf_span(&out));
	buf_clear(&out);
	return e;
}

static enum err
encode(void *ctx, struct span s)
{
	return recode_encoder_put(ctx, s);
}

static enum err
put_file(const struct mime_compose_file *file, const struct mime_sink *to)
{
	struct recode_encoder *x = recode_encoder_new(RECODE_QP, to);
	const struct mime_sink sink = {.put = encode, .ctx = x};
	enum err e = x != NULL ? file->write(file->arg, &sink) : ERR_NOMEM;

	if (e == ERR_OK)
		e = recode_encoder_finish(x);
	recode_encoder_free(x);
	return e;
}

enum err
mime_compose_write_with(const struct mime_compose *m,
    const struct mime_compose_file *file, const struct mime_sink *to)
{
	const char *boundary = file->boundary->text;
	struct buf out;
	enum err e;

	buf_init(&out, COMPOSE_MAX);
	e = begin(m, &out);
	if (e == ERR_OK)
		e = buf_printf(&out,
		    "Content-Type: multipart/mixed; boundary=\"%s\"\r\n"
		    "\r\n--%s\r\n",
		    boundary, boundary);
	if (e == ERR_OK)
		e = text_put_part(&out, m->body);
	if (e == ERR_OK)
		e = buf_printf(&out,
		    "\r\n--%s\r\n"
		    "Content-Type: text/html; charset=utf-8; name=\"%s\"\r\n"
		    "Content-Disposition: attachment; filename=\"%s\"\r\n"
		    "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
		    boundary, file->name, file->name);
	if (e == ERR_OK)
		e = mime_put(to, buf_span(&out));
	buf_reset(&out);
	if (e == ERR_OK)
		e = put_file(file, to);
	if (e == ERR_OK)
		e = buf_printf(&out, "\r\n--%s--\r\n", boundary);
	if (e == ERR_OK)
		e = mime_put(to, buf_span(&out));
	buf_clear(&out);
	return e;
}
