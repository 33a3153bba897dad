/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The three parts of a notification. Whatever a stranger wrote (addresses,
 * answers of other servers) is cleaned of control characters and kept on one
 * line, so that it can imitate neither a field nor our own words. RFC 3464,
 * RFC 6522, RFC 6533, RFC 3834 (Auto-Submitted).
 */
#include "mime/dsn.h"

#include <string.h>

#include "common/limits.h"
#include "mime/date.h"
#include "mime/header.h"
#include "mime/text_part.h"
#include "mime/utf8.h"

/* Outer header, quoted-printable at worst, and what we say per recipient. */
enum { DSN_MAX = 16 * 1024 * 1024 };

static const char *const action_name[] = {
    [MIME_DSN_FAILED] = "failed",
    [MIME_DSN_DELAYED] = "delayed",
    [MIME_DSN_RELAYED] = "relayed",
    [MIME_DSN_DELIVERED] = "delivered",
};

static bool
has_action(const struct mime_dsn *d, enum mime_dsn_action action)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->rcpts[i].action == action)
			return true;
	return false;
}

static const char *
subject(const struct mime_dsn *d)
{
	if (has_action(d, MIME_DSN_FAILED))
		return "Your message was not delivered";
	if (has_action(d, MIME_DSN_DELAYED))
		return "Your message is delayed (no need to send it again)";
	if (has_action(d, MIME_DSN_RELAYED))
		return "Your message was handed on";
	return "Your message was delivered";
}

static enum err
put_head(const struct mime_dsn *d, struct buf *out)
{
	enum err e;

	e = buf_printf(out,
	    "Date: %s\r\nFrom: \"Mail Delivery System\" "
	    "<MAILER-DAEMON@%s>\r\n",
	    mime_date(d->now_s).text, d->host);
	if (e == ERR_OK)
		e = mime_header_put_mailbox(out, "To", NULL, d->to);
	if (e == ERR_OK)
		e = mime_header_put(out, "Subject", span_str(subject(d)));
	if (e != ERR_OK)
		return e;
	return buf_printf(out,
	    "Message-ID: <dsn.%s.%s@%s>\r\n"
	    "Auto-Submitted: auto-replied\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\r\n"
	    " boundary=\"%s\"\r\n"
	    "\r\n"
	    "This is a delivery status notification (RFC 3464).\r\n",
	    d->queue_id, d->boundary.text + 4, d->host, d->boundary.text);
}

/* One line of the text for people; control characters become blanks. */
static enum err
put_line(struct buf *out, const char *lead, const char *text)
{
	enum err e;

	if (text == NULL || text[0] == '\0')
		return ERR_OK;
	e = buf_puts(out, lead);
	if (e == ERR_OK)
		e = mime_utf8_put_clean(out, span_str(text));
	return e == ERR_OK ? buf_puts(out, "\n") : e;
}

static enum err
explain_rcpt(const struct mime_dsn_rcpt *r, struct buf *out)
{
	enum err e;

	e = put_line(out, "\n  ", r->addr);
	if (e == ERR_OK)
		e = put_line(out, "    ", r->reason);
	if (e == ERR_OK)
		e = put_line(out, "    The other server was: ", r->remote_mta);
	if (e == ERR_OK)
		e = put_line(out, "    It answered: ", r->diagnostic);
	if (e == ERR_OK && r->action == MIME_DSN_DELAYED &&
	    r->retry_until_s > 0)
		e = put_line(out, "    It will be tried again until: ",
		    mime_date(r->retry_until_s).text);
	if (e == ERR_OK)
		e = put_line(out, "    What you can do: ", r->advice);
	return e;
}

static const char *
section_title(enum mime_dsn_action action)
{
	switch (action) {
	case MIME_DSN_FAILED:
		return "\nYour message was NOT delivered to:\n";
	case MIME_DSN_DELAYED:
		return "\nYour message is not delivered yet, and will be tried "
		       "again. You need\nnot send it again. It waits for:\n";
	case MIME_DSN_RELAYED:
		return "\nYour message was handed on to a server that sends no "
		       "notifications, for:\n";
	case MIME_DSN_DELIVERED:
		return "\nYour message was delivered to:\n";
	}
	return "\n";
}

static enum err
explain(const struct mime_dsn *d, struct buf *out)
{
	static const enum mime_dsn_action order[] = {MIME_DSN_FAILED,
	    MIME_DSN_DELAYED, MIME_DSN_RELAYED, MIME_DSN_DELIVERED};
	enum err e;

	e = buf_printf(out, "This is the mail gateway at %s.\n", d->host);
	for (size_t k = 0; k < sizeof(order) / sizeof(order[0]) && e == ERR_OK;
	     k++) {
		if (!has_action(d, order[k]))
			continue;
		e = buf_puts(out, section_title(order[k]));
		for (size_t i = 0; i < d->n && e == ERR_OK; i++)
			if (d->rcpts[i].action == order[k])
				e = explain_rcpt(&d->rcpts[i], out);
	}
	if (e != ERR_OK)
		return e;
	return buf_printf(out,
	    "\nIf you ask your administrator about it, give this number: %s\n"
	    "%s its text is not repeated here.\n",
	    d->queue_id,
	    d->outer.len > 0 ? "The header of your message follows;"
			     : "The header of your message is left out, and");
}

static enum err
put_text(const struct mime_dsn *d, struct buf *out)
{
	struct buf text;
	enum err e;

	buf_init(&text, DSN_MAX);
	e = explain(d, &text);
	if (e == ERR_OK)
		e = buf_puts(out, "Content-Description: Notification\r\n");
	if (e == ERR_OK)
		e = text_put_part(out, buf_span(&text));
	buf_clear(&text);
	return e;
}

/* "Name: type; value" in ASCII on one line. RFC 6533 section 3: a character
   beyond ASCII is written \x{HEX} outside message/global-delivery-status. */
static enum err
put_status_field(
    struct buf *out, const char *name, const char *type, const char *value)
{
	struct span s = span_str(value);
	uint32_t c = 0;
	size_t n;
	enum err e;

	if (value == NULL || value[0] == '\0')
		return ERR_OK;
	e = buf_printf(out, "%s: %s", name, type);
	for (; s.len > 0 && e == ERR_OK; s.data += n, s.len -= n) {
		n = mime_utf8_next(s, &c);
		if (n == 0) {
			n = 1;
			e = buf_putc(out, '?');
		} else if (mime_utf8_is_control(c)) {
			e = buf_putc(out, ' ');
		} else if (c >= 0x80) {
			e = buf_printf(out, "\\x{%02X}", (unsigned)c);
		} else {
			e = buf_putc(out, (uint8_t)c);
		}
	}
	return e == ERR_OK ? buf_puts(out, "\r\n") : e;
}

static enum err
put_status_date(struct buf *out, const char *name, int64_t when)
{
	return when > 0
		   ? buf_printf(out, "%s: %s\r\n", name, mime_date(when).text)
		   : ERR_OK;
}

static enum err
put_status_rcpt(const struct mime_dsn_rcpt *r, struct buf *out)
{
	bool ascii = mime_is_ascii(span_str(r->addr));
	enum err e;

	e = buf_puts(out, "\r\n");
	if (e == ERR_OK)
		e = put_status_field(out, "Original-Recipient", "", r->orcpt);
	if (e == ERR_OK)
		e = put_status_field(out, "Final-Recipient",
		    ascii ? "rfc822; " : "utf-8; ", r->addr);
	if (e == ERR_OK)
		e = put_status_field(out, "Action", "", action_name[r->action]);
	if (e == ERR_OK)
		e = put_status_field(out, "Status", "", r->status);
	if (e == ERR_OK)
		e = put_status_field(out, "Remote-MTA", "dns; ", r->remote_mta);
	if (e == ERR_OK)
		e = put_status_field(
		    out, "Diagnostic-Code", "smtp; ", r->diagnostic);
	if (e == ERR_OK)
		e = put_status_date(
		    out, "Last-Attempt-Date", r->last_attempt_s);
	if (e == ERR_OK && r->action == MIME_DSN_DELAYED)
		e = put_status_date(out, "Will-Retry-Until", r->retry_until_s);
	return e;
}

static enum err
put_status(const struct mime_dsn *d, struct buf *out)
{
	enum err e;

	e = buf_puts(out, "Content-Description: Delivery report\r\n"
			  "Content-Type: message/delivery-status\r\n\r\n");
	if (e == ERR_OK)
		e = put_status_field(out, "Original-Envelope-Id", "", d->envid);
	if (e == ERR_OK)
		e = put_status_field(out, "Reporting-MTA", "dns; ", d->host);
	if (e == ERR_OK)
		e = put_status_date(out, "Arrival-Date", d->arrival_s);
	for (size_t i = 0; i < d->n && e == ERR_OK; i++)
		e = put_status_rcpt(&d->rcpts[i], out);
	return e;
}

/* RFC 6522 section 4; RFC 6533 section 5 for headers in UTF-8. */
static enum err
put_outer(const struct mime_dsn *d, struct buf *out)
{
	bool global = !mime_is_ascii(d->outer) && mime_utf8_is_valid(d->outer);
	enum err e;

	e = buf_printf(out,
	    "Content-Description: Header of the message\r\n"
	    "Content-Type: %s\r\n"
	    "Content-Transfer-Encoding: %s\r\n\r\n",
	    global ? "message/global-headers" : "text/rfc822-headers",
	    text_is_7bit(d->outer) ? "7bit" : "quoted-printable");
	return e == ERR_OK ? text_put_body(out, d->outer) : e;
}

static enum err
put_delimiter(const struct mime_dsn *d, const char *tail, struct buf *out)
{
	return buf_printf(out, "\r\n--%s%s\r\n", d->boundary.text, tail);
}

/* Host and queue id are our own, but go between brackets and quotes. */
static bool
is_plain(const char *s)
{
	return s != NULL && s[0] != '\0' &&
	       strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			 "0123456789.-_") == strlen(s);
}

static bool
is_complete(const struct mime_dsn *d)
{
	if (!is_plain(d->host) || !is_plain(d->queue_id) || d->to == NULL ||
	    d->to[0] == '\0' || d->n == 0 || strlen(d->boundary.text) < 5)
		return false;
	for (size_t i = 0; i < d->n; i++)
		if (d->rcpts[i].addr == NULL || d->rcpts[i].status == NULL ||
		    d->rcpts[i].reason == NULL)
			return false;
	return span_find(d->outer, 0, span_str(d->boundary.text)) ==
	       d->outer.len;
}

enum err
mime_dsn_write(const struct mime_dsn *d, const struct mime_sink *to)
{
	struct buf out;
	enum err e;

	if (!is_complete(d))
		return ERR_USAGE;
	buf_init(&out, DSN_MAX);
	e = put_head(d, &out);
	if (e == ERR_OK)
		e = put_delimiter(d, "", &out);
	if (e == ERR_OK)
		e = put_text(d, &out);
	if (e == ERR_OK)
		e = put_delimiter(d, "", &out);
	if (e == ERR_OK)
		e = put_status(d, &out);
	/* RFC 6522 section 3: the third part may be missing */
	if (e == ERR_OK && d->outer.len > 0)
		e = put_delimiter(d, "", &out);
	if (e == ERR_OK && d->outer.len > 0)
		e = put_outer(d, &out);
	if (e == ERR_OK)
		e = put_delimiter(d, "--", &out);
	if (e == ERR_OK)
		e = mime_put(to, buf_span(&out));
	buf_clear(&out);
	return e;
}

bool
mime_dsn_needs_utf8(const struct mime_dsn *d)
{
	return !mime_is_ascii(span_str(d->to));
}
