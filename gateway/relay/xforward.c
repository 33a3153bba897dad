/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Values are xtext (RFC 3461 section 4): whatever a client said, it ends no
 * line here.
 */
#include "gateway/relay/xforward.h"

#include <string.h>

#include "common/text.h"

unsigned
relay_xforward_offer(struct span words)
{
	static const struct {
		const char *word;
		unsigned bit;
	} row[] = {
	    {"ADDR", RELAY_XFORWARD_ADDR},
	    {"NAME", RELAY_XFORWARD_NAME},
	    {"HELO", RELAY_XFORWARD_HELO},
	    {"IDENT", RELAY_XFORWARD_IDENT},
	    {"SOURCE", RELAY_XFORWARD_SOURCE},
	    {"LOGIN", RELAY_XFORWARD_LOGIN},
	};
	unsigned got = 0;

	for (size_t at = 0, end; at < words.len; at = end + 1) {
		end = span_find_chr(words, at, ' ');
		for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
			if (span_caseeq_str(
				SPAN(words.data + at, end - at), row[i].word))
				got |= row[i].bit;
	}
	return got;
}

static enum err
put_value(
    struct buf *out, const char *name, const char *prefix, const char *value)
{
	enum err e = buf_printf(out, " %s=%s", name, prefix);

	if (e == ERR_OK && value[0] == '\0')
		e = buf_printf(out, "[UNAVAILABLE]");
	for (; e == ERR_OK && *value != '\0'; value++) {
		uint8_t c = (uint8_t)*value;

		if (c > ' ' && c < 0x7f && c != '+' && c != '=')
			e = buf_printf(out, "%c", c);
		else
			e = buf_printf(out, "+%02X", c);
	}
	return e;
}

/* The verb, and what both commands say alike. */
static enum err
put_client(
    const struct entry *e, const char *verb, unsigned offer, struct buf *out)
{
	bool v6 = strchr(e->origin, ':') != NULL;
	bool known = v6 || strchr(e->origin, '.') != NULL;
	enum err err = buf_printf(out, "%s", verb);

	if (err == ERR_OK && (offer & RELAY_XFORWARD_NAME) != 0)
		err = put_value(out, "NAME", "", e->client_name);
	if (err == ERR_OK && (offer & RELAY_XFORWARD_ADDR) != 0)
		err = put_value(
		    out, "ADDR", v6 ? "IPV6:" : "", known ? e->origin : "");
	if (err == ERR_OK && (offer & RELAY_XFORWARD_HELO) != 0)
		err = put_value(out, "HELO", "", e->helo);
	return err;
}

enum err
relay_xforward_line(const struct entry *e, unsigned offer, struct buf *out)
{
	char id[TEXT_ID_SIZE];
	enum err err;

	if (offer == 0 || e->origin[0] == '\0')
		return ERR_OK;
	err = put_client(e, "XFORWARD", offer, out);
	text_id(e->message_id, id);
	if (err == ERR_OK && (offer & RELAY_XFORWARD_IDENT) != 0)
		err = put_value(out, "IDENT", "", id);
	if (err == ERR_OK && (offer & RELAY_XFORWARD_SOURCE) != 0)
		err = put_value(out, "SOURCE", "", "REMOTE");
	return err == ERR_OK ? buf_printf(out, "\r\n") : err;
}

enum err
relay_xclient_line(const struct entry *e, unsigned offer, struct buf *out)
{
	const unsigned known = RELAY_XFORWARD_NAME | RELAY_XFORWARD_ADDR |
			       RELAY_XFORWARD_HELO | RELAY_XFORWARD_LOGIN;
	enum err err;

	if ((offer & known) == 0 || e->origin[0] == '\0')
		return ERR_OK;
	err = put_client(e, "XCLIENT", offer, out);
	if (err == ERR_OK && (offer & RELAY_XFORWARD_LOGIN) != 0)
		err = put_value(out, "LOGIN", "", e->auth_id);
	return err == ERR_OK ? buf_printf(out, "\r\n") : err;
}
