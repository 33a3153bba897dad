/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The Autocrypt field: attributes, keydata last, folded between the lines of
 * its base64. Autocrypt Level 1 §2.1, §2.3.
 */
#include "mime/autocrypt.h"

#include <string.h>

#include "common/arena.h"
#include "mime/addr.h"
#include "mime/base64.h"
#include "mime/header.h"
#include "mime/tree.h"

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

/* --- reading --- */

/* "name=value" of an attribute; the rest of the field stays in *rest. */
static bool
next_attribute(struct span *rest, struct span *name, struct span *value)
{
	size_t end = span_find_chr(*rest, 0, ';');
	size_t used = end < rest->len ? end + 1 : end;
	struct span whole = SPAN(rest->data, end);
	size_t equals = span_find_chr(whole, 0, '=');

	*rest = SPAN(rest->data + used, rest->len - used);
	*name = span_trim(SPAN(whole.data, equals));
	*value = equals == whole.len ? SPAN(NULL, 0)
				     : span_trim(SPAN(whole.data + equals + 1,
					   whole.len - equals - 1));
	return equals < whole.len && name->len > 0;
}

static enum err
take_addr(struct span value, struct arena *a, struct mime_autocrypt *out)
{
	struct mime_addr addr;
	enum err e = mime_addr_parse(value, MIME_ADDR_UTF8, a, &addr, NULL);

	if (out->addr != NULL || e == ERR_ADDR_SYNTAX)
		return ERR_MALFORMED;
	if (e == ERR_OK)
		out->addr = addr.key;
	return e;
}

static enum err
take_keydata(struct span value, struct arena *a, struct mime_autocrypt *out)
{
	struct buf octets;
	enum err e;

	if (out->keydata.len > 0)
		return ERR_MALFORMED;
	buf_init(&octets, FIELD_MAX + 3);
	e = mime_base64_decode(value, &octets);
	if (e == ERR_OK && octets.len == 0)
		e = ERR_MALFORMED;
	if (e == ERR_OK)
		e = arena_span(a, buf_span(&octets), &out->keydata);
	buf_clear(&octets);
	return e;
}

static enum err
take_attribute(struct span name, struct span value, struct arena *a,
    struct mime_autocrypt *out)
{
	if (span_caseeq_str(name, "addr"))
		return take_addr(value, a, out);
	if (span_caseeq_str(name, "keydata"))
		return take_keydata(value, a, out);
	if (span_caseeq_str(name, "prefer-encrypt")) {
		/* anything else is "nopreference" */
		out->mutual = span_eq_str(value, "mutual");
		return ERR_OK;
	}
	/* §2.1: an unknown attribute makes the field invalid, but for these */
	return name.data[0] == '_' ? ERR_OK : ERR_MALFORMED;
}

enum err
mime_autocrypt_parse(
    struct span value, struct arena *a, struct mime_autocrypt *out)
{
	struct mime_autocrypt found = {0};
	struct span rest = span_trim(value), name, octets;
	enum err e = ERR_OK;

	if (value.len > FIELD_MAX)
		return ERR_TOO_BIG;
	while (e == ERR_OK && rest.len > 0) {
		if (!next_attribute(&rest, &name, &octets))
			return ERR_MALFORMED;
		e = take_attribute(name, octets, a, &found);
		rest = span_trim(rest);
	}
	if (e == ERR_OK && (found.addr == NULL || found.keydata.len == 0))
		e = ERR_MALFORMED;
	if (e == ERR_OK)
		*out = found;
	return e;
}

/* The canonical address of From, if it is one for certain. */
static enum err
find_from(const struct mime_header *h, struct arena *a, const char **out)
{
	const struct mime_field *f = NULL;
	struct mime_addr_list list;
	enum err e = mime_header_unique(h, "From", &f);

	if (e == ERR_OK)
		e = mime_addr_parse_list(
		    f->value, MIME_ADDR_UTF8, a, &list, NULL);
	if (e == ERR_NOMEM)
		return e;
	if (e != ERR_OK || list.n != 1)
		return ERR_NOT_FOUND;
	*out = list.addrs[0].key;
	return ERR_OK;
}

enum err
mime_autocrypt_find(
    const struct mime_tree *t, struct arena *a, struct mime_autocrypt *out)
{
	const struct mime_header *h = mime_tree_header(t);
	const struct mime_field *f = NULL;
	struct mime_autocrypt found = {0}, one;
	const char *from = NULL;
	size_t n = 0;
	enum err e = find_from(h, a, &from);

	if (e != ERR_OK)
		return e;
	if (mime_tree_is_ambiguous(t, NULL) ||
	    mime_part_is(mime_tree_root(t), "multipart", "report"))
		return ERR_NOT_FOUND;
	while ((f = mime_header_find(h, "Autocrypt", f)) != NULL) {
		e = mime_autocrypt_parse(f->value, a, &one);
		if (e == ERR_NOMEM)
			return e;
		if (e != ERR_OK || strcmp(one.addr, from) != 0)
			continue;
		found = one;
		n++;
	}
	/* §2.3: of several that are valid none is */
	if (n != 1)
		return ERR_NOT_FOUND;
	*out = found;
	return ERR_OK;
}
