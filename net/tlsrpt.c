/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A stranger's text: what is not understood is left out, what is ambiguous
 * asks for nothing.
 */
#include "net/tlsrpt.h"

#include <string.h>

#include "net/sts.h"

enum { TXT_MAX = 1024 };

#define RECORD_VERSION "v=TLSRPTv1"
#define MAILTO	       "mailto:"
#define HTTPS	       "https://"

static int
hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 6068 2: octets of an address may be written as %40. Nothing that could
   end a line or a header field stays. */
static bool
take_mailto(struct span in, char out[NET_TLSRPT_URI_MAX])
{
	size_t n = sizeof(MAILTO) - 1, query = span_find_chr(in, 0, '?');
	int high, low;
	uint8_t c;

	memcpy(out, MAILTO, n);
	for (size_t i = n; i < query; i++) {
		c = in.data[i];
		if (c == '%') {
			high = i + 2 < query ? hex(in.data[i + 1]) : -1;
			low = i + 2 < query ? hex(in.data[i + 2]) : -1;
			if (high < 0 || low < 0)
				return false;
			c = (uint8_t)(high << 4 | low);
			i += 2;
		}
		if (c <= ' ' || c >= 0x7f)
			return false;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return n > sizeof(MAILTO) - 1;
}

static bool
starts(struct span s, const char *with)
{
	size_t n = strlen(with);

	return s.len > n && span_caseeq_str(SPAN(s.data, n), with);
}

static bool
take_uri(struct span in, char out[NET_TLSRPT_URI_MAX])
{
	if (in.len >= NET_TLSRPT_URI_MAX)
		return false;
	for (size_t i = 0; i < in.len; i++)
		if (in.data[i] <= ' ' || in.data[i] >= 0x7f)
			return false;
	if (starts(in, MAILTO))
		return take_mailto(in, out);
	if (!starts(in, HTTPS))
		return false;
	memcpy(out, HTTPS, sizeof(HTTPS) - 1);
	memcpy(out + sizeof(HTTPS) - 1, in.data + sizeof(HTTPS) - 1,
	    in.len - (sizeof(HTTPS) - 1));
	out[in.len] = '\0';
	return true;
}

/* Up to the separator, trimmed; *rest goes on behind it. */
static struct span
next(struct span *rest, char separator)
{
	size_t end = span_find_chr(*rest, 0, separator);
	struct span s = span_trim(SPAN(rest->data, end));

	end += end < rest->len;
	*rest = SPAN(rest->data + end, rest->len - end);
	return s;
}

static void
read_uris(struct span list, struct net_tlsrpt *out)
{
	while (list.len > 0 && out->n < NET_TLSRPT_URIS)
		if (take_uri(next(&list, ','), out->uri[out->n]))
			out->n++;
}

/* The version first, then fields of which only rua means anything. */
static bool
read_record(const char *text, struct net_tlsrpt *out)
{
	struct span rest = span_str(text), field;
	bool found = false;
	size_t eq;

	if (!span_eq_str(next(&rest, ';'), RECORD_VERSION))
		return false;
	while (rest.len > 0) {
		field = next(&rest, ';');
		eq = span_find_chr(field, 0, '=');
		if (eq == field.len ||
		    !span_eq_str(span_trim(SPAN(field.data, eq)), "rua"))
			continue;
		if (found)
			return false;
		found = true;
		read_uris(SPAN(field.data + eq + 1, field.len - eq - 1), out);
	}
	return found;
}

enum err
net_tlsrpt_record(const struct span *rdata, size_t n, struct net_tlsrpt *out)
{
	struct net_tlsrpt found = {0};
	char text[TXT_MAX];
	size_t records = 0;
	bool good = false;

	for (size_t i = 0; i < n; i++) {
		if (net_txt_join(rdata[i], text, sizeof(text)) != ERR_OK ||
		    strncmp(text, RECORD_VERSION, sizeof(RECORD_VERSION) - 1) !=
			0)
			continue;
		records++;
		good = read_record(text, &found);
	}
	if (records != 1 || !good || found.n == 0)
		return ERR_NOT_FOUND;
	*out = found;
	return ERR_OK;
}
