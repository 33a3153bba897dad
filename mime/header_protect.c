/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Where each field of a header goes: outside, inside, both, nowhere. The
 * confidentiality policies are RFC 9788 section 3.2, the order and the record
 * of the outer fields section 5.2.
 */
#include <string.h>
#include <strings.h>

#include "common/arena.h"
#include "common/limits.h"
#include "mime/addr.h"
#include "mime/anonymise.h"
#include "mime/date.h"
#include "mime/payload_private.h"

static const char crlf[] = "\r\n";

static bool
is_one_of(struct span name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (span_caseeq_str(name, names[i]))
			return true;
	return false;
}

/* Nothing tells of hidden recipients; nobody but us says what stood outside
   (RFC 9788 section 2.2). */
static bool
is_dropped(const struct mime_field *f, enum mime_hp hp)
{
	if (hp != MIME_HP_NONE && span_caseeq_str(f->name, "HP-Outer"))
		return true;
	return mime_field_is_private(f);
}

/* Of the entity, not of the message. */
static bool
is_structural(const struct mime_field *f)
{
	return span_starts_caseeq(f->name, "Content-") ||
	       span_caseeq_str(f->name, "MIME-Version");
}

/* Written on the way: means nothing inside, and may be written again. */
static bool
is_transport(const struct mime_field *f)
{
	static const char *const names[] = {"Return-Path", "Received",
	    "Received-SPF", "Delivered-To", "X-Original-To", "Envelope-To",
	    "DKIM-Signature", "DomainKey-Signature", "X-Google-DKIM-Signature",
	    "Authentication-Results", "X-Envelope-From", "X-Envelope-To"};

	return span_starts_caseeq(f->name, "ARC-") ||
	       is_one_of(f->name, names, sizeof(names) / sizeof(names[0]));
}

static enum err
put_whole(const struct mime_field *f, struct buf *out)
{
	enum err e = buf_put(out, f->whole);

	/* a message that ends in its header, without a line end */
	if (e == ERR_OK && f->whole.data[f->whole.len - 1] != '\n')
		e = buf_puts(out, crlf);
	return e;
}

/* --- the policies */

enum hcp {
	HCP_REMOVE,
	HCP_REPLACE,
	HCP_KEEP,
};

/* The addresses without names, one a line. */
static enum hcp
bare_addresses(const struct mime_field *f, struct arena *a, struct buf *value)
{
	struct mime_addr_list list;
	enum err e =
	    mime_addr_parse_list(f->value, MIME_ADDR_UTF8, a, &list, NULL);

	/* no address list: as it stands, it is what the RFC says */
	if (e != ERR_OK || list.n == 0)
		return HCP_KEEP;
	for (size_t i = 0; i < list.n && e == ERR_OK; i++) {
		if (i > 0)
			e = buf_puts(value, ",\r\n ");
		if (e == ERR_OK)
			e = buf_puts(value, list.addrs[i].text);
	}
	return e == ERR_OK ? HCP_REPLACE : HCP_REMOVE;
}

/* hcp_shy: RFC 9788 section 3.2.2. */
static enum hcp
shy(const struct mime_field *f, struct arena *a, struct buf *value)
{
	static const char *const addresses[] = {"From", "To", "Cc"};
	int64_t t;

	if (is_one_of(f->name, addresses, 3))
		return bare_addresses(f, a, value);
	if (!span_caseeq_str(f->name, "Date") ||
	    mime_date_parse(f->value, &t) != ERR_OK)
		return HCP_KEEP;
	return buf_puts(value, mime_date(t).text) == ERR_OK ? HCP_REPLACE
							    : HCP_REMOVE;
}

/* What stays outside of a field: *value if HCP_REPLACE. RFC 9788 section
   3.2.1; out of memory a field goes rather than that it stays. */
static enum hcp
confide(const struct mime_field *f, enum mime_hp hp, struct arena *a,
    struct buf *value)
{
	static const char *const removed[] = {"Keywords", "Comments"};
	enum hcp result = HCP_KEEP;

	if (hp == MIME_HP_NONE)
		return HCP_KEEP;
	if (is_one_of(f->name, removed, 2))
		return HCP_REMOVE;
	if (span_caseeq_str(f->name, "Subject"))
		result = buf_puts(value, "[...]") == ERR_OK ? HCP_REPLACE
							    : HCP_REMOVE;
	else if (hp == MIME_HP_SHY)
		result = shy(f, a, value);
	if (result == HCP_REPLACE &&
	    span_eq(buf_span(value), span_trim(f->value)))
		return HCP_KEEP;
	return result;
}

/* --- where they go */

static enum err
put_replaced(const struct mime_field *f, struct span value, struct buf *out)
{
	enum err e = buf_put(out, f->name);

	if (e == ERR_OK)
		e = buf_puts(out, ": ");
	if (e == ERR_OK)
		e = buf_put(out, value);
	return e == ERR_OK ? buf_puts(out, crlf) : e;
}

/* What stands outside, said inside. A first line that would get too long is
   folded at the blank behind its colon. */
static enum err
put_record(struct span outer, struct buf *out)
{
	static const char name[] = "HP-Outer: ";
	size_t line = span_find_chr(outer, 0, '\n') - 1;
	size_t fold = span_find_chr(outer, 0, ':') + 1;
	enum err e = buf_puts(out, name);

	if (line + sizeof(name) - 1 <= LIMIT_LINE_OUT || fold >= line ||
	    outer.data[fold] != ' ')
		fold = 0;
	if (e == ERR_OK)
		e = buf_put(out, SPAN(outer.data, fold));
	if (e == ERR_OK && fold > 0)
		e = buf_puts(out, crlf);
	return e == ERR_OK
		   ? buf_put(out, SPAN(outer.data + fold, outer.len - fold))
		   : e;
}

/* "Name: text" for those who will not see the protected field. */
static enum err
put_legacy(const struct mime_field *f, struct buf *out)
{
	struct buf text;
	enum err e;

	buf_init(&text, 4 * LIMIT_HEADER_SIZE);
	e = mime_header_decode(span_trim(f->value), &text);
	if (e == ERR_OK && span_trim(buf_span(&text)).len > 0) {
		e = buf_put(out, f->name);
		if (e == ERR_OK)
			e = buf_puts(out, ": ");
		if (e == ERR_OK)
			e = buf_put(out, span_trim(buf_span(&text)));
		if (e == ERR_OK)
			e = buf_puts(out, "\n");
	}
	buf_clear(&text);
	return e;
}

static enum err
put_sealed(const struct mime_field *f, enum mime_hp hp, struct arena *a,
    struct header_parts *out)
{
	size_t mark = out->outer.len;
	struct buf value;
	enum hcp kept;
	enum err e = put_whole(f, &out->inner);

	buf_init(&value, LIMIT_HEADER_SIZE);
	kept = confide(f, hp, a, &value);
	if (e == ERR_OK && kept == HCP_KEEP)
		e = put_whole(f, &out->outer);
	else if (e == ERR_OK && kept == HCP_REPLACE)
		e = put_replaced(f, buf_span(&value), &out->outer);
	if (e == ERR_OK && kept != HCP_REMOVE)
		e = put_record(
		    SPAN(out->outer.data + mark, out->outer.len - mark),
		    &out->record);
	if (e == ERR_OK && kept != HCP_KEEP)
		e = put_legacy(f, &out->legacy);
	buf_clear(&value);
	return e;
}

static enum err
put_field(const struct mime_field *f, const struct mime_payload_form *form,
    enum mime_hp hp, struct arena *a, struct header_parts *out)
{
	enum err e;

	if (is_dropped(f, hp) || is_structural(f))
		return ERR_OK;
	if (hp == MIME_HP_NONE || is_transport(f))
		return put_whole(f, &out->outer);
	if (form->sealed)
		return put_sealed(f, hp, a, out);
	e = put_whole(f, &out->outer);
	return e == ERR_OK ? put_whole(f, &out->inner) : e;
}

/* The subject that the edit puts in the place of the first. */
static enum err
edited_subject(struct span whole, struct arena *a, struct mime_field *out)
{
	struct mime_header h;
	enum err e = mime_header_parse(whole, a, &h, NULL);

	if (e == ERR_OK && h.n != 1)
		e = ERR_USAGE;
	if (e == ERR_OK)
		*out = h.fields[0];
	return e;
}

static enum err
put_added(const struct mime_payload_form *form, enum mime_hp hp,
    struct arena *a, struct header_parts *out)
{
	struct mime_header h = {.n = 0};
	enum err e = ERR_OK;

	if (form->edit.add.len > 0)
		e = mime_header_parse(form->edit.add, a, &h, NULL);
	for (size_t i = 0; e == ERR_OK && i < h.n; i++)
		e = put_field(&h.fields[i], form, hp, a, out);
	return e;
}

enum err
header_protect(const struct mime_header *h,
    const struct mime_payload_form *form, enum mime_hp hp, struct arena *a,
    struct header_parts *out)
{
	struct mime_field subject = {0};
	bool edited = form->edit.subject.len > 0, done = false;
	enum err e = buf_put(&out->outer, form->edit.trace);

	if (e == ERR_OK && edited)
		e = edited_subject(form->edit.subject, a, &subject);
	for (size_t i = 0; i < h->n && e == ERR_OK; i++) {
		const struct mime_field *f = &h->fields[i];

		if (form->edit.anonymise && mime_field_tells(f))
			continue;
		/* it repeats the subject with its tags */
		if (edited && span_caseeq_str(f->name, "Thread-Topic"))
			continue;
		if (form->edit.anonymise &&
		    span_caseeq_str(f->name, "Received")) {
			e = mime_received_short(f, &out->outer);
			continue;
		}
		if (edited && span_caseeq_str(f->name, "Subject")) {
			if (!done)
				e = put_field(&subject, form, hp, a, out);
			done = true;
			continue;
		}
		e = put_field(f, form, hp, a, out);
	}
	return e == ERR_OK ? put_added(form, hp, a, out) : e;
}
