/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A table of iconv descriptors. glibc loads a converter's module at
 * iconv_open(): in a sandbox that fails, or worse, converts to nothing.
 */
#include "mime/charset.h"

#include <errno.h>
#include <iconv.h>

#include "mime/header.h"
#include "mime/utf8.h"

static struct {
	const char *name;
	const char *iconv_name;
	iconv_t cd;
	iconv_t back; /* from UTF-8 */
	bool open;
	bool back_open;
} table[] = {
    {.name = "iso-8859-2", .iconv_name = "ISO-8859-2"},
    {.name = "iso-8859-3", .iconv_name = "ISO-8859-3"},
    {.name = "iso-8859-4", .iconv_name = "ISO-8859-4"},
    {.name = "iso-8859-5", .iconv_name = "ISO-8859-5"},
    {.name = "iso-8859-6", .iconv_name = "ISO-8859-6"},
    {.name = "iso-8859-7", .iconv_name = "ISO-8859-7"},
    {.name = "iso-8859-8", .iconv_name = "ISO-8859-8"},
    {.name = "iso-8859-8-i", .iconv_name = "ISO-8859-8"},
    {.name = "iso-8859-9", .iconv_name = "ISO-8859-9"},
    {.name = "iso-8859-13", .iconv_name = "ISO-8859-13"},
    {.name = "iso-8859-15", .iconv_name = "ISO-8859-15"},
    {.name = "iso-8859-16", .iconv_name = "ISO-8859-16"},
    {.name = "windows-1250", .iconv_name = "CP1250"},
    {.name = "windows-1251", .iconv_name = "CP1251"},
    {.name = "windows-1252", .iconv_name = "CP1252"},
    {.name = "windows-1253", .iconv_name = "CP1253"},
    {.name = "windows-1254", .iconv_name = "CP1254"},
    {.name = "windows-1255", .iconv_name = "CP1255"},
    {.name = "windows-1256", .iconv_name = "CP1256"},
    {.name = "windows-1257", .iconv_name = "CP1257"},
    {.name = "windows-1258", .iconv_name = "CP1258"},
    {.name = "cp1252", .iconv_name = "CP1252"},
    {.name = "koi8-r", .iconv_name = "KOI8-R"},
    {.name = "koi8-u", .iconv_name = "KOI8-U"},
    {.name = "iso-2022-jp", .iconv_name = "ISO-2022-JP"},
    {.name = "shift_jis", .iconv_name = "CP932"},
    {.name = "euc-jp", .iconv_name = "EUC-JP"},
    {.name = "euc-kr", .iconv_name = "CP949"},
    {.name = "ks_c_5601-1987", .iconv_name = "CP949"},
    {.name = "gb2312", .iconv_name = "GB18030"},
    {.name = "gbk", .iconv_name = "GB18030"},
    {.name = "gb18030", .iconv_name = "GB18030"},
    {.name = "big5", .iconv_name = "BIG5-HKSCS"},
    {.name = "utf-16", .iconv_name = "UTF-16"},
    {.name = "utf-7", .iconv_name = "UTF-7"},
    {.name = "macintosh", .iconv_name = "MACINTOSH"},
};

enum { TABLE_LEN = sizeof(table) / sizeof(table[0]) };

void
mime_charsets_open(void)
{
	for (int i = 0; i < TABLE_LEN; i++) {
		if (table[i].open)
			continue;
		table[i].cd = iconv_open("UTF-8", table[i].iconv_name);
		/* a system without that converter reads that much less */
		table[i].open = table[i].cd != (iconv_t)-1;
		table[i].back = iconv_open(table[i].iconv_name, "UTF-8");
		table[i].back_open = table[i].back != (iconv_t)-1;
	}
}

void
mime_charsets_close(void)
{
	for (int i = 0; i < TABLE_LEN; i++) {
		if (table[i].open)
			iconv_close(table[i].cd);
		if (table[i].back_open)
			iconv_close(table[i].back);
		table[i].open = table[i].back_open = false;
	}
}

static enum err
put_latin1(struct span s, struct buf *out)
{
	uint8_t two[2];
	enum err e = ERR_OK;

	for (size_t i = 0; i < s.len && e == ERR_OK; i++) {
		if (s.data[i] < 0x80) {
			e = mime_utf8_put_clean(out, SPAN(s.data + i, 1));
			continue;
		}
		two[0] = (uint8_t)(0xc0 | s.data[i] >> 6);
		two[1] = (uint8_t)(0x80 | (s.data[i] & 0x3f));
		e = mime_utf8_put_clean(out, SPAN(two, 2));
	}
	return e;
}

/* Convert in steps; an octet that is no text becomes U+FFFD. */
static enum err
put_iconv(iconv_t cd, struct span s, struct buf *out)
{
	char *in = (char *)s.data, *to;
	char text[512];
	size_t in_left = s.len, to_left, rc;
	enum err e = ERR_OK;

	iconv(cd, NULL, NULL, NULL, NULL);
	while (in_left > 0 && e == ERR_OK) {
		to = text;
		to_left = sizeof(text);
		rc = iconv(cd, &in, &in_left, &to, &to_left);
		e = mime_utf8_put_clean(
		    out, SPAN(text, sizeof(text) - to_left));
		if (e != ERR_OK || rc != (size_t)-1 || errno == E2BIG)
			continue;
		e = buf_puts(out, "\xef\xbf\xbd");
		in++;
		in_left--;
		iconv(cd, NULL, NULL, NULL, NULL);
	}
	return e;
}

enum err
mime_charset_put(struct span charset, struct span s, struct buf *out)
{
	if (span_caseeq_str(charset, "utf-8") ||
	    span_caseeq_str(charset, "us-ascii") ||
	    span_caseeq_str(charset, "utf8") ||
	    span_caseeq_str(charset, "ascii"))
		return mime_utf8_put_clean(out, s);
	if (span_caseeq_str(charset, "iso-8859-1") ||
	    span_caseeq_str(charset, "latin1"))
		return put_latin1(s, out);
	for (int i = 0; i < TABLE_LEN; i++)
		if (table[i].open && span_caseeq_str(charset, table[i].name))
			return put_iconv(table[i].cd, s, out);
	return ERR_UNSUPPORTED;
}

static enum err
from_utf8_below(uint32_t limit, struct span s, struct buf *out)
{
	enum err e = ERR_OK;
	uint32_t c;
	size_t n;

	for (size_t i = 0; i < s.len && e == ERR_OK; i += n) {
		n = mime_utf8_next(SPAN(s.data + i, s.len - i), &c);
		if (n == 0 || c >= limit)
			return ERR_UNSUPPORTED;
		e = buf_putc(out, (uint8_t)c);
	}
	return e;
}

static enum err
from_utf8_iconv(iconv_t cd, struct span s, struct buf *out)
{
	char *in = (char *)s.data, *to;
	char text[512];
	size_t in_left = s.len, to_left, rc;
	bool done = false;
	enum err e = ERR_OK;

	iconv(cd, NULL, NULL, NULL, NULL);
	while (!done && e == ERR_OK) {
		to = text;
		to_left = sizeof(text);
		/* at the end: back to the first state of the charset */
		done = in_left == 0;
		rc = done ? iconv(cd, NULL, NULL, &to, &to_left)
			  : iconv(cd, &in, &in_left, &to, &to_left);
		if (rc != 0 && (rc != (size_t)-1 || errno != E2BIG))
			return ERR_UNSUPPORTED;
		e = buf_put(out, SPAN(text, sizeof(text) - to_left));
	}
	return e;
}

static enum err
from_utf8(struct span charset, struct span s, struct buf *out)
{
	if (span_caseeq_str(charset, "utf-8") ||
	    span_caseeq_str(charset, "utf8"))
		return mime_utf8_is_valid(s) ? buf_put(out, s)
					     : ERR_UNSUPPORTED;
	if (mime_is_ascii(s))
		return buf_put(out, s);
	if (span_caseeq_str(charset, "iso-8859-1") ||
	    span_caseeq_str(charset, "latin1"))
		return from_utf8_below(0x100, s, out);
	for (int i = 0; i < TABLE_LEN; i++)
		if (table[i].back_open &&
		    span_caseeq_str(charset, table[i].name))
			return from_utf8_iconv(table[i].back, s, out);
	return ERR_UNSUPPORTED;
}

enum err
mime_charset_from_utf8(struct span charset, struct span s, struct buf *out)
{
	size_t mark = out->len;
	enum err e = from_utf8(charset, s, out);

	if (e != ERR_OK)
		out->len = mark;
	return e;
}
