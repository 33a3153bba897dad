/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The index of an object as JSON (RFC 8259). Written by hand, because its
 * strings come from mail: what is not UTF-8 is replaced instead of refused.
 */
#include <inttypes.h>

#include "common/text.h"
#include "crypto/escrow_private.h"

/* Octets of the UTF-8 character at p, 0 if there is none (RFC 3629 §4: no
   overlong forms, no surrogates, nothing above U+10FFFF). */
static size_t
utf8_len(const uint8_t *p, size_t left)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4 || left < n)
		return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

static enum err
put_char(struct buf *out, const uint8_t *p, size_t n)
{
	if (n == 0)
		return buf_put(out, SPAN_LIT("\xef\xbf\xbd"));
	if (p[0] == '"' || p[0] == '\\')
		return buf_printf(out, "\\%c", p[0]);
	if (p[0] < 0x20 || p[0] == 0x7f)
		return buf_printf(out, "\\u%04x", p[0]);
	return buf_put(out, SPAN(p, n));
}

static enum err
put_string(struct buf *out, struct span s)
{
	enum err e = buf_putc(out, '"');

	for (size_t i = 0; e == ERR_OK && i < s.len;) {
		size_t n = utf8_len(s.data + i, s.len - i);

		e = put_char(out, s.data + i, n);
		i += n > 0 ? n : 1;
	}
	return e != ERR_OK ? e : buf_putc(out, '"');
}

/* ,"name":"value"; nothing for an empty value */
static enum err
put_member(struct buf *out, const char *name, struct span value)
{
	enum err e;

	if (value.len == 0)
		return ERR_OK;
	e = buf_printf(out, ",\"%s\":", name);
	return e != ERR_OK ? e : put_string(out, value);
}

static enum err
put_part(struct buf *out, const struct crypto_escrow_part *p)
{
	const struct {
		const char *name;
		struct span value;
	} members[] = {
	    {"type", p->type.len > 0 ? p->type : SPAN_LIT("text/plain")},
	    {"charset", p->charset},
	    {"format", p->format},
	    {"delsp", p->delsp},
	    {"encoding", p->encoding.len > 0 ? p->encoding : SPAN_LIT("7bit")},
	    {"name", p->name},
	    {"disposition", p->disposition},
	    {"content_id", p->content_id},
	};
	enum err e =
	    buf_printf(out, "{\"offset\":%" PRIu64 ",\"length\":%" PRIu64,
		p->offset, p->length);

	for (size_t i = 0;
	     e == ERR_OK && i < sizeof(members) / sizeof(*members); i++)
		e = put_member(out, members[i].name, members[i].value);
	if (e == ERR_OK && p->alternative > 0)
		e = buf_printf(out, ",\"alternative\":%u", p->alternative);
	return e != ERR_OK ? e : buf_putc(out, '}');
}

static enum err
put_reply_key(struct buf *out, struct span key)
{
	char text[4 * CRYPTO_ESCROW_REPLY_KEY_MAX / 3 + 3];

	if (key.len > CRYPTO_ESCROW_REPLY_KEY_MAX)
		return ERR_TOO_BIG;
	text_base64url(key, text);
	return put_member(out, "reply_key", span_str(text));
}

/* Whom an answer may go to, and how large it may be. */
static enum err
put_reply(struct buf *out, const struct crypto_escrow *e)
{
	enum err err;

	if (e->reply_key.len == 0)
		return ERR_OK;
	err = put_reply_key(out, e->reply_key);
	if (err == ERR_OK)
		err = buf_printf(out,
		    ",\"reply_max\":%" PRIu64 ",\"reply_to\":[", e->reply_max);
	for (size_t i = 0; err == ERR_OK && i < e->n_reply_to; i++) {
		if (i > 0)
			err = buf_putc(out, ',');
		if (err == ERR_OK)
			err = put_string(out, span_str(e->reply_to[i]));
	}
	return err == ERR_OK ? buf_putc(out, ']') : err;
}

enum err
crypto_escrow_index(const struct crypto_escrow *e, struct buf *out)
{
	enum err err = buf_printf(out,
	    "{\"version\":%d,\"date\":%" PRId64 ",\"created\":%" PRIu64
	    ",\"expires\":%" PRIu64 ",\"from\":",
	    OBJECT_HEADER_VERSION, e->date_s, e->created_s, e->expires_s);

	if (err == ERR_OK)
		err = put_string(out, e->from);
	if (err == ERR_OK)
		err = put_member(out, "to", e->to);
	if (err == ERR_OK)
		err = put_member(out, "subject", e->subject);
	if (err == ERR_OK)
		err = put_reply(out, e);
	if (err == ERR_OK)
		err = buf_puts(out, ",\"parts\":[");
	for (size_t i = 0; err == ERR_OK && i < e->n_parts; i++) {
		if (i > 0)
			err = buf_putc(out, ',');
		if (err == ERR_OK)
			err = put_part(out, &e->parts[i]);
	}
	return err != ERR_OK ? err : buf_puts(out, "]}");
}
