/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One pass over the octets of a part decides; a part without a fault stays as
 * it is, but for a label that would make a relay convert it.
 */
#include "mime/seven_bit.h"

#include <string.h>

#include "common/limits.h"
#include "mime/utf8.h"

static const char from_line[] = "From ";

void
seven_bit_init(struct seven_bit *s, enum mime_transport transport)
{
	*s = (struct seven_bit){.transport = transport};
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static enum err
fault(struct seven_bit *s, const char *text)
{
	s->fault = text;
	return ERR_MALFORMED;
}

static enum err
end_line(struct seven_bit *s)
{
	/* RFC 3156 section 5: relays cut blanks off */
	if (s->transport == MIME_TRANSPORT_PGP && is_blank(s->last))
		return fault(s, "a line that ends in a blank");
	s->column = 0;
	s->from = 0;
	s->last = 0;
	return ERR_OK;
}

/* How much of "From " the line begins with: *s is the next piece of it. */
static void
match_from(struct seven_bit *s, struct span piece)
{
	for (size_t i = 0; i < piece.len && s->from == s->column + i &&
			   s->from < sizeof(from_line) - 1 &&
			   piece.data[i] == (uint8_t)from_line[s->from];
	     i++)
		s->from++;
}

/* A line or a piece of one, its line feed not among it. */
static enum err
look_at(struct seven_bit *s, struct span piece)
{
	if (!s->utf8 && !mime_is_ascii(piece))
		return fault(s, "8-bit characters");
	if (piece.len > 0 && piece.data[piece.len - 1] == '\r')
		piece.len--;
	if (piece.len == 0)
		return ERR_OK;
	match_from(s, piece);
	if (s->from == sizeof(from_line) - 1 &&
	    s->transport == MIME_TRANSPORT_PGP)
		return fault(s, "a line that begins with \"From \"");
	s->last = piece.data[piece.len - 1];
	s->column += piece.len;
	if (s->column > LIMIT_LINE_OUT)
		return fault(s, "a line longer than 998 octets");
	return ERR_OK;
}

static enum err
look(void *ctx, struct span octets)
{
	struct seven_bit *s = ctx;
	enum err e = s->fault == NULL ? ERR_OK : ERR_MALFORMED;
	size_t at = 0, end;

	for (; at < octets.len && e == ERR_OK; at = end + 1) {
		end = span_find_chr(octets, at, '\n');
		e = look_at(s, SPAN(octets.data + at, end - at));
		if (e == ERR_OK && end < octets.len)
			e = end_line(s);
	}
	return e;
}

struct mime_sink
seven_bit_sink(struct seven_bit *s)
{
	return (struct mime_sink){look, s};
}

const char *
seven_bit_end(struct seven_bit *s)
{
	/* the last line may have no line feed, and a fault of its own */
	if (s->fault == NULL && end_line(s) == ERR_OK)
		return NULL;
	return s->fault;
}

static const char *
fault_of(struct span octets, enum mime_transport transport)
{
	struct seven_bit s;

	seven_bit_init(&s, transport);
	return look(&s, octets) == ERR_OK ? seven_bit_end(&s) : s.fault;
}

static bool
is_identity_8bit(const char *encoding)
{
	return strcmp(encoding, "8bit") == 0 || strcmp(encoding, "binary") == 0;
}

static const char *
form_name(enum recode_form form)
{
	switch (form) {
	case RECODE_PLAIN:
		return "7bit";
	case RECODE_QP:
		return "quoted-printable";
	case RECODE_BASE64:
		return "base64";
	}
	return "7bit";
}

/* The new form of a leaf, decided by its octets. */
static void
plan_leaf(const struct mime_part *p, enum mime_transport transport,
    struct part_change *c)
{
	bool text = strcmp(p->type, "text") == 0;
	enum recode_form from;

	if (recode_form_of(p->encoding, &from) != ERR_OK)
		return;
	if (c->rewritten && c->body.to != RECODE_PLAIN)
		return;
	if (fault_of(p->body, transport) == NULL &&
	    fault_of(c->body.insert, transport) == NULL)
		return;
	if (!c->rewritten)
		c->body = (struct recode){.in = p->body, .from = from};
	c->rewritten = true;
	c->body.to = from != RECODE_PLAIN ? from
		     : text		  ? RECODE_QP
					  : RECODE_BASE64;
}

void
seven_bit_plan(const struct mime_part *p, enum mime_transport transport,
    struct part_change *c)
{
	bool leaf = p->n_children == 0 && strcmp(p->type, "multipart") != 0 &&
		    strcmp(p->type, "message") != 0;

	if (transport == MIME_TRANSPORT_ANY)
		return;
	if (leaf)
		plan_leaf(p, transport, c);
	if (c->rewritten && c->body.to != c->body.from)
		c->encoding = form_name(c->body.to);
	else if (is_identity_8bit(p->encoding))
		/* a relay converts by the label, not by the octets */
		c->encoding = "7bit";
}
