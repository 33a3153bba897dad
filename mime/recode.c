/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Decoder, insertion and encoder are sinks in a row; nothing is held but a few
 * octets between them. Quoted-printable is RFC 2045 section 6.7 with the rules
 * of RFC 3156 section 3 on top.
 */
#include "mime/recode.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/secret.h"
#include "mime/base64.h"

enum {
	QP_LINE = 76,
	CHUNK = 4096,
};

enum err
recode_form_of(const char *encoding, enum recode_form *out)
{
	static const struct {
		const char *name;
		enum recode_form form;
	} forms[] = {{"7bit", RECODE_PLAIN}, {"8bit", RECODE_PLAIN},
	    {"binary", RECODE_PLAIN}, {"quoted-printable", RECODE_QP},
	    {"base64", RECODE_BASE64}};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (strcmp(forms[i].name, encoding) == 0) {
			*out = forms[i].form;
			return ERR_OK;
		}
	}
	return ERR_UNSUPPORTED;
}

/* Small pieces on their way to a sink. */
struct chunk {
	const struct mime_sink *to;
	size_t n;
	uint8_t data[CHUNK];
};

static enum err
chunk_flush(struct chunk *c)
{
	size_t n = c->n;

	c->n = 0;
	return mime_put(c->to, SPAN(c->data, n));
}

static enum err
chunk_put(struct chunk *c, const uint8_t *data, size_t len)
{
	enum err e = ERR_OK;

	if (c->n + len > CHUNK)
		e = chunk_flush(c);
	if (e == ERR_OK && len > CHUNK)
		return mime_put(c->to, SPAN(data, len));
	if (e == ERR_OK && len > 0) {
		memcpy(c->data + c->n, data, len);
		c->n += len;
	}
	return e;
}

/* --- decoders */

static int
hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* A line without its end: blanks behind it are a relay's (RFC 2045 6.7 (3)). */
static enum err
decode_qp_line(struct span line, bool hard, struct chunk *c)
{
	enum err e = ERR_OK;
	uint8_t octet;
	size_t i = 0;

	while (line.len > 0 && is_blank(line.data[line.len - 1]))
		line.len--;
	if (line.len > 0 && line.data[line.len - 1] == '=') {
		line.len--;
		hard = false;
	}
	for (; i < line.len && e == ERR_OK; i++) {
		octet = line.data[i];
		if (octet == '=' && line.len - i > 2 &&
		    hex_value(line.data[i + 1]) >= 0 &&
		    hex_value(line.data[i + 2]) >= 0) {
			octet = (uint8_t)(hex_value(line.data[i + 1]) << 4 |
					  hex_value(line.data[i + 2]));
			i += 2;
		}
		e = chunk_put(c, &octet, 1);
	}
	return e == ERR_OK && hard ? chunk_put(c, (const uint8_t *)"\r\n", 2)
				   : e;
}

static enum err
decode_qp(struct span s, const struct mime_sink *to)
{
	struct chunk c = {.to = to};
	size_t at = 0, end, len;
	enum err e = ERR_OK;

	while (at < s.len && e == ERR_OK) {
		end = span_find_chr(s, at, '\n');
		len = end - at;
		if (end < s.len && len > 0 && s.data[end - 1] == '\r')
			len--;
		e = decode_qp_line(SPAN(s.data + at, len), end < s.len, &c);
		at = end + 1;
	}
	return e == ERR_OK ? chunk_flush(&c) : e;
}

/* Whole groups of digits at a time; padding may only be in the last. */
static enum err
decode_base64(struct span s, const struct mime_sink *to)
{
	uint8_t digits[CHUNK];
	size_t n = 0;
	bool padded = false;
	struct buf out;
	enum err e = ERR_OK;

	buf_init(&out, CHUNK);
	for (size_t i = 0; i <= s.len && e == ERR_OK; i++) {
		if (i < s.len && (is_blank(s.data[i]) || s.data[i] == '\r' ||
				     s.data[i] == '\n'))
			continue;
		if (n == CHUNK || i == s.len) {
			if (n > 0 && padded)
				e = ERR_MALFORMED;
			padded = span_find_chr(SPAN(digits, n), 0, '=') < n;
			buf_reset(&out);
			if (e == ERR_OK)
				e = mime_base64_decode(SPAN(digits, n), &out);
			if (e == ERR_OK)
				e = mime_put(to, buf_span(&out));
			n = 0;
		}
		if (i < s.len)
			digits[n++] = s.data[i];
	}
	buf_clear(&out);
	return e;
}

enum err
recode_decode(enum recode_form from, struct span s, const struct mime_sink *to)
{
	switch (from) {
	case RECODE_PLAIN:
		return mime_put(to, s);
	case RECODE_QP:
		return decode_qp(s, to);
	case RECODE_BASE64:
		return decode_base64(s, to);
	}
	return ERR_INTERNAL;
}

/* --- quoted-printable */

struct qp {
	struct chunk out;
	size_t column;
	size_t from;   /* octets of "From" that the line begins with */
	uint8_t blank; /* not written yet: a line end may follow */
	bool cr;       /* not written yet: a line feed may follow */
};

static enum err
qp_break(struct qp *q, const char *line_end)
{
	q->column = 0;
	q->from = 0;
	return chunk_put(&q->out, (const uint8_t *)line_end, strlen(line_end));
}

static enum err
qp_octet(struct qp *q, uint8_t c, bool plain)
{
	static const char hex[] = "0123456789ABCDEF";
	const uint8_t coded[3] = {
	    '=', (uint8_t)hex[c >> 4], (uint8_t)hex[c & 15]};
	enum err e = ERR_OK;

	if (q->column + (plain ? 1 : 3) > QP_LINE - 1)
		e = qp_break(q, "=\r\n");
	/* at the start of a line it could become a boundary */
	if (q->column == 0 && c == '-')
		plain = false;
	if (q->from == 4 && q->column == 4 && c == ' ')
		plain = false;
	if (q->from == q->column && q->column < 4 && c == "From"[q->column])
		q->from++;
	q->column += plain ? 1 : 3;
	if (e != ERR_OK)
		return e;
	return plain ? chunk_put(&q->out, &c, 1) : chunk_put(&q->out, coded, 3);
}

static enum err
qp_flush_blank(struct qp *q, bool plain)
{
	uint8_t c = q->blank;

	q->blank = 0;
	return c == 0 ? ERR_OK : qp_octet(q, c, plain);
}

static enum err
qp_step(struct qp *q, uint8_t c)
{
	enum err e = ERR_OK;

	if (q->cr && c == '\n') {
		q->cr = false;
		e = qp_flush_blank(q, false);
		return e == ERR_OK ? qp_break(q, "\r\n") : e;
	}
	if (q->cr || c != '\r')
		e = qp_flush_blank(q, true);
	if (e == ERR_OK && q->cr)
		e = qp_octet(q, '\r', false);
	q->cr = c == '\r';
	if (e != ERR_OK || q->cr)
		return e;
	if (is_blank(c)) {
		q->blank = c;
		return ERR_OK;
	}
	return qp_octet(q, c, c > ' ' && c < 0x7f && c != '=');
}

static enum err
qp_put(struct qp *q, struct span s)
{
	enum err e = ERR_OK;

	for (size_t i = 0; i < s.len && e == ERR_OK; i++)
		e = qp_step(q, s.data[i]);
	return e;
}

static enum err
qp_finish(struct qp *q)
{
	enum err e = qp_flush_blank(q, false);

	if (e == ERR_OK && q->cr)
		e = qp_octet(q, '\r', false);
	return e == ERR_OK ? chunk_flush(&q->out) : e;
}

/* --- a text put in between */

struct insertion {
	const struct mime_sink *to;
	size_t left; /* octets before it */
	struct span text;
	size_t skip; /* octets behind it that are left out */
};

static enum err
insertion_put(void *ctx, struct span s)
{
	struct insertion *i = ctx;
	size_t before = s.len < i->left ? s.len : i->left;
	enum err e = mime_put(i->to, SPAN(s.data, before));

	i->left -= before;
	if (e == ERR_OK && i->left == 0 && i->text.len > 0) {
		e = mime_put(i->to, i->text);
		i->text.len = 0;
	}
	s = SPAN(s.data + before, s.len - before);
	before = s.len < i->skip ? s.len : i->skip;
	i->skip -= before;
	return e == ERR_OK
		   ? mime_put(i->to, SPAN(s.data + before, s.len - before))
		   : e;
}

/* Decode, with the insertion; an empty body may have one, too. */
static enum err
put_octets(const struct recode *r, const struct mime_sink *to)
{
	struct insertion i = {
	    .to = to, .left = r->insert_at, .text = r->insert, .skip = r->skip};
	struct mime_sink sink = {insertion_put, &i};
	enum err e = recode_decode(r->from, r->in, &sink);

	return e == ERR_OK ? mime_put(to, i.text) : e;
}

/* --- encoders */

struct recode_encoder {
	enum recode_form form;
	struct mime_sink to;
	struct qp qp;
	struct mime_base64 b64;
};

static void
encoder_init(
    struct recode_encoder *x, enum recode_form form, const struct mime_sink *to)
{
	x->form = form;
	x->to = *to;
	x->qp = (struct qp){.out.to = &x->to};
	mime_base64_init(&x->b64, *to);
}

struct recode_encoder *
recode_encoder_new(enum recode_form form, const struct mime_sink *to)
{
	struct recode_encoder *x = malloc(sizeof(*x));

	if (x == NULL)
		fatal("out of memory");
	encoder_init(x, form, to);
	return x;
}

void
recode_encoder_free(struct recode_encoder *x)
{
	if (x != NULL)
		secret_wipe(x, sizeof(*x));
	free(x);
}

enum err
recode_encoder_put(struct recode_encoder *x, struct span s)
{
	switch (x->form) {
	case RECODE_PLAIN:
		return mime_put(&x->to, s);
	case RECODE_QP:
		return qp_put(&x->qp, s);
	case RECODE_BASE64:
		return mime_base64_put(&x->b64, s);
	}
	return ERR_INTERNAL;
}

enum err
recode_encoder_finish(struct recode_encoder *x)
{
	switch (x->form) {
	case RECODE_PLAIN:
		return ERR_OK;
	case RECODE_QP:
		return qp_finish(&x->qp);
	case RECODE_BASE64:
		return mime_base64_finish(&x->b64);
	}
	return ERR_INTERNAL;
}

static enum err
encoder_put(void *ctx, struct span s)
{
	return recode_encoder_put(ctx, s);
}

enum err
recode_write(const struct recode *r, const struct mime_sink *to)
{
	struct recode_encoder x;
	struct mime_sink sink = {encoder_put, &x};
	enum err e;

	encoder_init(&x, r->to, to);
	e = put_octets(r, &sink);
	return e == ERR_OK ? recode_encoder_finish(&x) : e;
}
