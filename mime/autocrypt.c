/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Write the Autocrypt field: attributes, keydata last, folded between the
 * lines of its base64. Autocrypt Level 1 §2.1.
 */
#include "mime/autocrypt.h"

#include <string.h>

#include "mime/base64.h"

enum { FIELD_MAX = 10 * 1024 }; /* octets, as the standard allows */

static bool
is_plain_addr(const char *addr)
{
	for (const char *p = addr; *p != '\0'; p++)
		if (*p <= ' ' || *p >= 0x7f || strchr(";\"\\()<>,", *p) != NULL)
			return false;
	return strchr(addr, '@') != NULL;
}

/* Lines of base64, each folded. */
static enum err
put_folded(struct span text, struct buf *out)
{
	enum err e = ERR_OK;

	while (e == ERR_OK && text.len > 0) {
		size_t end = span_find(text, 0, SPAN_LIT("\r\n"));
		size_t used = end < text.len ? end + 2 : end;

		e = buf_puts(out, "\r\n ");
		if (e == ERR_OK)
			e = buf_put(out, SPAN(text.data, end));
		text = SPAN(text.data + used, text.len - used);
	}
	return e == ERR_OK ? buf_puts(out, "\r\n") : e;
}

enum err
mime_autocrypt_field(
    const char *addr, bool mutual, struct span keydata, struct buf *out)
{
	size_t before = out->len;
	struct buf text;
	enum err e;

	if (!is_plain_addr(addr) || keydata.len == 0)
		return ERR_UNSUPPORTED;
	buf_init(&text, FIELD_MAX);
	e = mime_base64_encode(keydata, &text);
	if (e == ERR_OK)
		e = buf_printf(out, "Autocrypt: addr=%s; %skeydata=", addr,
		    mutual ? "prefer-encrypt=mutual; " : "");
	if (e == ERR_OK)
		e = put_folded(buf_span(&text), out);
	if (e == ERR_OK && out->len - before > FIELD_MAX)
		e = ERR_TOO_BIG;
	if (e != ERR_OK)
		out->len = before;
	buf_clear(&text);
	return e;
}
