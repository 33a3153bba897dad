/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The header is kept until it is whole, the body is digested as it passes.
 */
#include "mime/dkim.h"

#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/log.h"
#include "mime/addr.h"
#include "mime/base64.h"
#include "mime/header.h"

enum {
	OUT = 4096,
	LINE = 72,
	STRING = 250,
	HEAD_MAX = LIMIT_HEADER_SIZE + 16384
};

/* RFC 6376 5.4.1. With one name more than fields nobody can add one. */
static const struct {
	const char *name;
	bool once_more;
} signed_fields[] = {
    {"from", true},
    {"sender", true},
    {"reply-to", true},
    {"to", true},
    {"cc", true},
    {"subject", true},
    {"date", true},
    {"message-id", true},
    {"in-reply-to", true},
    {"references", true},
    {"mime-version", true},
    {"content-type", true},
    {"content-transfer-encoding", true},
    {"content-disposition", false},
    {"auto-submitted", false},
    {"list-id", false},
    {"list-unsubscribe", false},
    {"list-unsubscribe-post", false},
    {"autocrypt", false},
    {"tls-required", false},
    {"tls-report-domain", false},
    {"tls-report-submitter", false},
};

enum { FIELDS = sizeof(signed_fields) / sizeof(signed_fields[0]) };

struct mime_dkim {
	struct buf head;
	size_t looked; /* octets of it that were searched for the end */
	bool in_body;
	struct mime_header header;
	/* --- the body, RFC 6376 3.4.4 --- */
	struct digest *digest;
	uint8_t hash[DIGEST_SIZE];
	uint8_t out[OUT];
	size_t n_out;
	uint64_t ends; /* of lines, not written yet */
	bool blank;    /* blanks, not written yet */
	bool any;
};

struct mime_dkim *
mime_dkim_new(void)
{
	struct mime_dkim *d = calloc(1, sizeof(*d));

	if (d == NULL || (d->digest = digest_new()) == NULL)
		fatal("out of memory");
	buf_init(&d->head, HEAD_MAX);
	return d;
}

void
mime_dkim_free(struct mime_dkim *d)
{
	if (d == NULL)
		return;
	buf_clear(&d->head);
	digest_free(d->digest);
	free(d);
}

/* --- the body --- */

static void
flush(struct mime_dkim *d)
{
	digest_add(d->digest, SPAN(d->out, d->n_out));
	d->n_out = 0;
}

static void
put_octet(struct mime_dkim *d, uint8_t c)
{
	if (d->n_out == OUT)
		flush(d);
	d->out[d->n_out++] = c;
}

/* Lines that are empty at the end do not count, so that ends of lines wait for
   what follows them. */
static void
put_text(struct mime_dkim *d, uint8_t c)
{
	for (; d->ends > 0; d->ends--) {
		put_octet(d, '\r');
		put_octet(d, '\n');
	}
	if (d->blank)
		put_octet(d, ' ');
	d->blank = false;
	d->any = true;
	put_octet(d, c);
}

static void
put_body(struct mime_dkim *d, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.data[i];

		if (c == '\n') {
			d->blank = false;
			d->ends++;
		} else if (c == ' ' || c == '\t') {
			d->blank = true;
		} else if (c != '\r') {
			put_text(d, c);
		}
	}
}

/* The octets of the header, its empty line included, that are in the first
   len; 0: it does not end there. */
static size_t
head_end(const struct mime_dkim *d)
{
	struct span all = buf_span(&d->head);
	size_t end;

	if (all.len >= 2 && memcmp(all.data, "\r\n", 2) == 0)
		return 2;
	end = span_find(all, d->looked, SPAN_LIT("\r\n\r\n"));
	return end == all.len ? 0 : end + 4;
}

enum err
mime_dkim_put(struct mime_dkim *d, struct span s)
{
	size_t before = d->head.len, room = HEAD_MAX - before, end;
	enum err e;

	if (d->in_body) {
		put_body(d, s);
		return ERR_OK;
	}
	e = buf_put(&d->head, SPAN(s.data, s.len < room ? s.len : room));
	if (e != ERR_OK)
		return e;
	end = head_end(d);
	if (end == 0) {
		d->looked = d->head.len < 3 ? 0 : d->head.len - 3;
		return s.len < room ? ERR_OK : ERR_TOO_BIG;
	}
	d->in_body = true;
	d->head.len = end;
	put_body(d, SPAN(s.data + (end - before), s.len - (end - before)));
	return ERR_OK;
}

enum err
mime_dkim_finish(struct mime_dkim *d, struct arena *a)
{
	struct err_why why = {""};

	if (d->any) {
		put_octet(d, '\r');
		put_octet(d, '\n');
	}
	flush(d);
	digest_end(d->digest, d->hash);
	return mime_header_parse(buf_span(&d->head), a, &d->header, &why);
}

const char *
mime_dkim_domain(struct mime_dkim *d, struct arena *a)
{
	const struct mime_field *from =
	    mime_header_find(&d->header, "from", NULL);
	struct mime_addr_list list = {0};
	struct err_why why = {""};

	if (from == NULL ||
	    mime_addr_parse_list(from->value, MIME_ADDR_UTF8, a, &list, &why) !=
		ERR_OK ||
	    list.n == 0)
		return "";
	return list.addrs[0].domain;
}

/* --- the header, RFC 6376 3.4.2 --- */

/* Append unfolded, runs of blanks as one, none at the ends. */
static enum err
relaxed(struct span value, struct buf *out)
{
	bool blank = false, any = false;
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < value.len; i++) {
		uint8_t c = value.data[i];

		if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			blank = any;
			continue;
		}
		if (blank)
			e = buf_put(out, SPAN_LIT(" "));
		blank = false;
		any = true;
		if (e == ERR_OK)
			e = buf_put(out, SPAN(&c, 1));
	}
	return e;
}

static enum err
add_field(struct digest *h, const char *name, struct span value, bool last)
{
	struct buf b;
	enum err e;

	buf_init(&b, LIMIT_HEADER_SIZE + 1024);
	e = buf_printf(&b, "%s:", name);
	if (e == ERR_OK)
		e = relaxed(value, &b);
	if (e == ERR_OK && !last)
		e = buf_put(&b, SPAN_LIT("\r\n"));
	if (e == ERR_OK)
		digest_add(h, buf_span(&b));
	buf_clear(&b);
	return e;
}

/* From the last field upwards (RFC 6376 5.4.2). */
static enum err
add_fields(const struct mime_header *hd, struct digest *h, const char *name)
{
	enum err e = ERR_OK;

	for (size_t i = hd->n; e == ERR_OK && i > 0; i--)
		if (span_caseeq_str(hd->fields[i - 1].name, name))
			e = add_field(h, name, hd->fields[i - 1].value, false);
	return e;
}

/* "from:from:to", folded. */
static enum err
put_names(const struct mime_header *hd, struct buf *out)
{
	size_t line = LINE, n;
	const char *before = "";
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < FIELDS; i++) {
		const char *name = signed_fields[i].name;

		n = mime_header_count(hd, name) + signed_fields[i].once_more;
		for (; e == ERR_OK && n > 0; n--) {
			line += strlen(name) + 1;
			e = buf_printf(out, "%s%s%s", before,
			    line > LINE ? "\r\n\t " : "", name);
			if (line > LINE)
				line = strlen(name) + 3;
			before = ":";
		}
	}
	return e;
}

/* Without line ends: a digest, or a part of a signature. */
static enum err
put_base64(struct span in, struct buf *out)
{
	struct buf text;
	enum err e;

	buf_init(&text, MIME_DKIM_FIELD_MAX);
	e = mime_base64_encode(in, &text);
	for (size_t i = 0; e == ERR_OK && i < text.len; i++)
		if (text.data[i] != '\r' && text.data[i] != '\n')
			e = buf_put(out, SPAN(text.data + i, 1));
	buf_clear(&text);
	return e;
}

static const char *
key_type(enum mime_dkim_alg alg)
{
	switch (alg) {
	case MIME_DKIM_RSA:
		break;
	case MIME_DKIM_ED25519:
		return "ed25519";
	}
	return "rsa";
}

enum err
mime_dkim_begin(struct mime_dkim *d, enum mime_dkim_alg alg, const char *domain,
    const char *selector, uint64_t unix_s, struct buf *out,
    uint8_t digest[DIGEST_SIZE])
{
	struct digest *h = digest_new();
	size_t start = out->len + sizeof("DKIM-Signature:") - 1;
	enum err e = h == NULL ? ERR_NOMEM : ERR_OK;

	if (e == ERR_OK)
		e = buf_printf(out,
		    "DKIM-Signature: v=1; a=%s-sha256; c=relaxed/relaxed;"
		    "\r\n\td=%s; s=%s;\r\n\tt=%llu; h=",
		    key_type(alg), domain, selector,
		    (unsigned long long)unix_s);
	if (e == ERR_OK)
		e = put_names(&d->header, out);
	if (e == ERR_OK)
		e = buf_printf(out, ";\r\n\tbh=");
	if (e == ERR_OK)
		e = put_base64(SPAN(d->hash, DIGEST_SIZE), out);
	if (e == ERR_OK)
		e = buf_printf(out, ";\r\n\tb=");
	for (size_t i = 0; e == ERR_OK && i < FIELDS; i++)
		e = add_fields(&d->header, h, signed_fields[i].name);
	if (e == ERR_OK)
		e = add_field(h, "dkim-signature",
		    SPAN(out->data + start, out->len - start), true);
	if (e == ERR_OK)
		digest_end(h, digest);
	digest_free(h);
	return e;
}

enum err
mime_dkim_end(struct buf *out, struct span signature)
{
	struct buf text;
	enum err e;

	buf_init(&text, MIME_DKIM_FIELD_MAX);
	e = put_base64(signature, &text);
	for (size_t i = 0; e == ERR_OK && i < text.len; i += LINE)
		e = buf_printf(out, "%s%.*s", i == 0 ? "" : "\r\n\t ",
		    (int)(text.len - i < LINE ? text.len - i : LINE),
		    (const char *)text.data + i);
	buf_clear(&text);
	return e == ERR_OK ? buf_put(out, SPAN_LIT("\r\n")) : e;
}

enum err
mime_dkim_record(enum mime_dkim_alg alg, struct span key, struct buf *out)
{
	struct buf text;
	enum err e;

	buf_init(&text, MIME_DKIM_FIELD_MAX);
	e = buf_printf(&text, "v=DKIM1; k=%s; p=", key_type(alg));
	if (e == ERR_OK)
		e = put_base64(key, &text);
	for (size_t i = 0; e == ERR_OK && i < text.len; i += STRING)
		e = buf_printf(out, "%s\"%.*s\"", i == 0 ? "" : " ",
		    (int)(text.len - i < STRING ? text.len - i : STRING),
		    (const char *)text.data + i);
	buf_clear(&text);
	return e;
}
