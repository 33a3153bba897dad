/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The Content-* fields of a part that is changed: parameters of Content-Type
 * put in, taken out where they were there already, everything else the same
 * octets (RFC 2045 section 5.1, RFC 9788 section 2.1).
 */
#include <string.h>

#include "mime/payload_private.h"

static bool
is_content(const struct mime_field *f)
{
	return span_starts_caseeq(f->name, "Content-");
}

/* Behind blanks and folds. */
static size_t
skip_blanks(struct span s, size_t i)
{
	while (i < s.len && strchr(" \t\r\n", s.data[i]) != NULL)
		i++;
	return i;
}

static size_t
skip_value(struct span s, size_t i)
{
	if (i < s.len && s.data[i] == '"') {
		for (i++; i < s.len && s.data[i] != '"'; i++)
			i += s.data[i] == '\\';
		return i < s.len ? i + 1 : s.len;
	}
	while (i < s.len && s.data[i] != ';' && s.data[i] != ' ' &&
	       s.data[i] != '\t' && s.data[i] != '\r')
		i++;
	return i;
}

/* The parameter whose ";" is at or behind at: its name, and where it ends. A
   field that is not of this form gives its rest as one piece without a name. */
static struct span
next_param(struct span s, size_t at, size_t *end)
{
	size_t i = skip_blanks(s, at), name;

	*end = s.len;
	if (i == s.len || s.data[i] != ';')
		return SPAN(NULL, 0);
	name = i = skip_blanks(s, i + 1);
	while (i < s.len && s.data[i] > ' ' && s.data[i] != '=' &&
	       s.data[i] != ';' && s.data[i] != '"')
		i++;
	if (i == s.len || s.data[i] != '=')
		return SPAN(NULL, 0);
	*end = skip_value(s, i + 1);
	return SPAN(s.data + name, i - name);
}

/* It is put anew at the end. */
static bool
is_replaced(struct span name, const struct part_change *c)
{
	return (c->hp != NULL &&
		   (span_caseeq_str(name, "hp") ||
		       span_caseeq_str(name, "protected-headers"))) ||
	       ((c->legacy || c->bare) &&
		   span_caseeq_str(name, "hp-legacy-display")) ||
	       (c->utf8 && span_caseeq_str(name, "charset"));
}

static enum err
put_type_value(struct span value, const struct part_change *c, struct buf *out)
{
	size_t at = span_find_chr(value, 0, ';'), end;
	struct span name;
	enum err e = buf_put(out, SPAN(value.data, at));

	for (; at < value.len && e == ERR_OK; at = end) {
		name = next_param(value, at, &end);
		if (!is_replaced(name, c))
			e = buf_put(out, SPAN(value.data + at, end - at));
	}
	while (out->len > 0 && strchr("; \t\r\n", out->data[out->len - 1]))
		out->len--;
	if (e == ERR_OK && c->utf8)
		e = buf_puts(out, "; charset=\"utf-8\"");
	if (e == ERR_OK && c->legacy)
		e = buf_puts(out, "; hp-legacy-display=\"1\"");
	if (e == ERR_OK && c->hp != NULL)
		e = buf_printf(out, ";\r\n hp=\"%s\"", c->hp);
	/* what mail programs from before the RFC look for, Thunderbird among
	   them (draft-autocrypt-lamps-protected-headers) */
	if (e == ERR_OK && c->hp != NULL && strcmp(c->hp, "cipher") == 0)
		e = buf_puts(out, "; protected-headers=\"v1\"");
	return e == ERR_OK ? buf_puts(out, "\r\n") : e;
}

static enum err
put_whole(const struct mime_field *f, struct buf *out)
{
	enum err e = buf_put(out, f->whole);

	/* a message that ends in its header, without a line end */
	if (e == ERR_OK && f->whole.data[f->whole.len - 1] != '\n')
		e = buf_puts(out, "\r\n");
	return e;
}

static enum err
put_field(
    const struct mime_field *f, const struct part_change *c, struct buf *out)
{
	bool new_type = c->hp != NULL || c->legacy || c->bare || c->utf8;
	enum err e;

	if (new_type && span_caseeq_str(f->name, "Content-Type")) {
		e = buf_put(out, SPAN(f->whole.data,
				     (size_t)(f->value.data - f->whole.data)));
		return e == ERR_OK ? put_type_value(f->value, c, out) : e;
	}
	if (c->encoding != NULL &&
	    span_caseeq_str(f->name, "Content-Transfer-Encoding"))
		return buf_printf(out, "%.*s: %s\r\n", (int)f->name.len,
		    (const char *)f->name.data, c->encoding);
	/* it was made of the body as it was (RFC 1864) */
	if ((c->legacy || c->bare) && span_caseeq_str(f->name, "Content-MD5"))
		return ERR_OK;
	return put_whole(f, out);
}

enum err
part_put_fields(const struct mime_header *h, const struct part_change *c,
    bool root, struct buf *out)
{
	bool typed = mime_header_find(h, "Content-Type", NULL) != NULL;
	bool encoded =
	    mime_header_find(h, "Content-Transfer-Encoding", NULL) != NULL;
	bool new_type = c->hp != NULL || c->legacy || c->bare || c->utf8;
	enum err e = ERR_OK;

	if (!typed && (root || new_type)) {
		e = buf_puts(out, "Content-Type: ");
		if (e == ERR_OK)
			e = put_type_value(SPAN_LIT("text/plain"), c, out);
	}
	for (size_t i = 0; i < h->n && e == ERR_OK; i++)
		if (!root || is_content(&h->fields[i]))
			e = put_field(&h->fields[i], c, out);
	if (e == ERR_OK && !encoded && c->encoding != NULL)
		e = buf_printf(
		    out, "Content-Transfer-Encoding: %s\r\n", c->encoding);
	return e;
}
