/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The parameters of MAIL and RCPT are two tables; the address itself is
 * mime/addr.c's.
 */
#include "gateway/listener/command.h"

#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "common/text.h"
#include "gateway/proto.h"

enum {
	MAX_HELO = 255,	 /* octets of a domain (RFC 5321 4.5.3.1.2) */
	MAX_ENVID = 100, /* RFC 3461 4.4 */
	MAX_ORCPT = 500, /* RFC 3461 4.2 */
};

enum err
listener_reply_set(struct listener_reply *r, int code, const char *status,
    const char *fmt, ...)
{
	va_list ap;

	r->code = code;
	snprintf(r->status, sizeof(r->status), "%s", status);
	va_start(ap, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
	for (char *c = r->text; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return ERR_USAGE;
}

static bool
is_graph(uint8_t c)
{
	return c > ' ' && c < 0x7f;
}

static bool
has_8bit(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] >= 0x80)
			return true;
	return false;
}

enum err
listener_command_split(struct span line, struct span *verb, struct span *args,
    struct listener_reply *why)
{
	size_t end;

	for (size_t i = 0; i < line.len; i++)
		if ((line.data[i] < ' ' && line.data[i] != '\t') ||
		    line.data[i] == 0x7f)
			return listener_reply_set(why, 500, "5.5.2",
			    "Control characters are not allowed in commands");
	end = span_find_chr(line, 0, ' ');
	*verb = SPAN(line.data, end);
	*args = span_trim(SPAN(line.data + end, line.len - end));
	return ERR_OK;
}

/* --- parameters --- */

struct param {
	struct span name;
	struct span value;
	bool has_value;
};

struct parse {
	struct arena *a;
	bool utf8;
	struct listener_mail *mail;
	struct listener_rcpt *rcpt;
	struct listener_reply *why;
};

struct param_row {
	const char *name;
	enum err (*take)(struct parse *p, const struct param *in);
};

static enum err
bad_param(struct parse *p, const struct param *in, const char *expected)
{
	return listener_reply_set(p->why, 501, "5.5.4",
	    "Parameter %.*s: expected %s",
	    in->name.len > 40 ? 40 : (int)in->name.len,
	    (const char *)in->name.data, expected);
}

/* RFC 3461 4: printable but "+" and "=", others as +XX in upper case. */
static bool
is_xtext(struct span s, bool utf8)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] >= 0x80 && utf8)
			continue; /* RFC 6533 3, unitext */
		if (!is_graph(s.data[i]) || s.data[i] == '=')
			return false;
		if (s.data[i] != '+')
			continue;
		if (s.len - i < 3 ||
		    memchr(hex, s.data[i + 1], sizeof(hex) - 1) == NULL ||
		    memchr(hex, s.data[i + 2], sizeof(hex) - 1) == NULL)
			return false;
		i += 2;
	}
	return s.len > 0;
}

static enum err
keep(struct parse *p, struct span s, const char **out)
{
	const char *copy = arena_span_str(p->a, s);

	if (copy == NULL)
		return listener_reply_set(
		    p->why, 452, "4.3.1", "Not enough memory");
	*out = copy;
	return ERR_OK;
}

static enum err
take_size(struct parse *p, const struct param *in)
{
	/* RFC 1870 3: up to twenty digits */
	if (text_number(in->value, 0, UINT64_MAX, &p->mail->size) != ERR_OK)
		return bad_param(p, in, "a number of octets");
	p->mail->size_given = true;
	return ERR_OK;
}

static enum err
take_body(struct parse *p, const struct param *in)
{
	if (span_caseeq_str(in->value, "8BITMIME"))
		p->mail->body_8bit = true;
	else if (span_caseeq_str(in->value, "BINARYMIME"))
		p->mail->body_8bit = p->mail->body_binary = true;
	else if (!span_caseeq_str(in->value, "7BIT"))
		return bad_param(p, in, "7BIT, 8BITMIME or BINARYMIME");
	return ERR_OK;
}

static enum err
take_smtputf8(struct parse *p, const struct param *in)
{
	if (in->has_value)
		return bad_param(p, in, "no value");
	p->mail->smtputf8 = true;
	return ERR_OK;
}

static enum err
take_requiretls(struct parse *p, const struct param *in)
{
	if (in->has_value)
		return bad_param(p, in, "no value");
	p->mail->requiretls = true;
	return ERR_OK;
}

static enum err
take_ret(struct parse *p, const struct param *in)
{
	if (span_caseeq_str(in->value, "HDRS"))
		p->mail->ret_hdrs = true;
	else if (!span_caseeq_str(in->value, "FULL"))
		return bad_param(p, in, "FULL or HDRS");
	return ERR_OK;
}

static enum err
take_envid(struct parse *p, const struct param *in)
{
	if (in->value.len > MAX_ENVID || !is_xtext(in->value, false))
		return bad_param(p, in, "at most 100 octets of xtext");
	return keep(p, in->value, &p->mail->envid);
}

/* RFC 4954 5: who is said to have handed it in first. Nobody is believed
   that. */
static enum err
take_auth(struct parse *p, const struct param *in)
{
	if (!span_eq_str(in->value, "<>") && !is_xtext(in->value, p->utf8))
		return bad_param(p, in, "xtext or <>");
	return ERR_OK;
}

static enum err
take_notify(struct parse *p, const struct param *in)
{
	static const struct {
		const char *word;
		uint8_t bit;
	} words[] = {
	    {"NEVER", PROTO_NOTIFY_NEVER},
	    {"SUCCESS", PROTO_NOTIFY_SUCCESS},
	    {"FAILURE", PROTO_NOTIFY_FAILURE},
	    {"DELAY", PROTO_NOTIFY_DELAY},
	};
	size_t at = 0, end;
	unsigned bits = 0, bit;

	do {
		end = span_find_chr(in->value, at, ',');
		bit = 0;
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (span_caseeq_str(SPAN(in->value.data + at, end - at),
				words[i].word))
				bit = words[i].bit;
		if (bit == 0 || (bits & bit) != 0)
			return bad_param(p, in,
			    "NEVER or a list of SUCCESS, FAILURE and DELAY");
		bits |= bit;
		at = end + 1;
	} while (end < in->value.len);
	/* RFC 3461 4.1: NEVER stands alone */
	if ((bits & PROTO_NOTIFY_NEVER) != 0 && bits != PROTO_NOTIFY_NEVER)
		return bad_param(p, in, "NEVER without other words");
	p->rcpt->notify = (uint8_t)bits;
	return ERR_OK;
}

static enum err
take_orcpt(struct parse *p, const struct param *in)
{
	size_t semi = span_find_chr(in->value, 0, ';');

	if (in->value.len > MAX_ORCPT || semi == 0 || semi == in->value.len ||
	    !is_xtext(SPAN(in->value.data, semi), false) ||
	    !is_xtext(SPAN(in->value.data + semi + 1, in->value.len - semi - 1),
		p->utf8))
		return bad_param(p, in, "a type, a semicolon and xtext");
	return keep(p, in->value, &p->rcpt->orcpt);
}

static const struct param_row mail_params[] = {
    {"SIZE", take_size},
    {"BODY", take_body},
    {"SMTPUTF8", take_smtputf8},
    {"REQUIRETLS", take_requiretls},
    {"RET", take_ret},
    {"ENVID", take_envid},
    {"AUTH", take_auth},
    {NULL, NULL},
};

static const struct param_row rcpt_params[] = {
    {"NOTIFY", take_notify},
    {"ORCPT", take_orcpt},
    {NULL, NULL},
};

static enum err
take_param(struct parse *p, const struct param_row *rows,
    const struct param *in, unsigned *seen)
{
	for (unsigned i = 0; rows[i].name != NULL; i++) {
		if (!span_caseeq_str(in->name, rows[i].name))
			continue;
		if ((*seen & 1u << i) != 0)
			return listener_reply_set(p->why, 501, "5.5.4",
			    "Parameter %s is given twice", rows[i].name);
		*seen |= 1u << i;
		return rows[i].take(p, in);
	}
	return listener_reply_set(p->why, 555, "5.5.4",
	    "Parameter %.*s is not supported here",
	    in->name.len > 40 ? 40 : (int)in->name.len,
	    (const char *)in->name.data);
}

static enum err
take_params(struct parse *p, const struct param_row *rows, struct span rest)
{
	unsigned seen = 0;
	size_t end, eq;
	struct param in;
	enum err e;

	if (rest.len > 0 && rest.data[0] != ' ')
		return listener_reply_set(p->why, 501, "5.5.4",
		    "Expected a space between the address and parameters");
	for (rest = span_trim(rest); rest.len > 0; rest = span_trim(rest)) {
		end = span_find_chr(rest, 0, ' ');
		eq = span_find_chr(SPAN(rest.data, end), 0, '=');
		in.name = SPAN(rest.data, eq);
		in.has_value = eq < end;
		in.value = in.has_value ? SPAN(rest.data + eq + 1, end - eq - 1)
					: SPAN(rest.data + end, 0);
		e = take_param(p, rows, &in, &seen);
		if (e != ERR_OK)
			return e;
		rest = SPAN(rest.data + end, rest.len - end);
	}
	return ERR_OK;
}

/* --- paths --- */

/* "FROM:" or "TO:", then a path. Blanks between them are against RFC 5321
   4.1.1.2 and harmless. */
static enum err
take_path(struct parse *p, struct span args, const char *keyword,
    unsigned flags, struct mime_addr *out, struct span *rest)
{
	struct err_why why = {.text = "not an address in angle brackets"};
	size_t n = strlen(keyword);
	enum err e;

	if (!span_starts_caseeq(args, keyword))
		return listener_reply_set(p->why, 501, "5.5.4",
		    "Expected %s and an address in angle brackets", keyword);
	args = span_trim(SPAN(args.data + n, args.len - n));
	e = mime_addr_parse_path(
	    args, flags | MIME_ADDR_UTF8, p->a, out, rest, &why);
	if (e == ERR_NOMEM)
		return listener_reply_set(
		    p->why, 452, "4.3.1", "Not enough memory");
	if (e != ERR_OK)
		return listener_reply_set(p->why, 501,
		    strcmp(keyword, "FROM:") == 0 ? "5.1.7" : "5.1.3",
		    "Address: %s", why.text);
	return ERR_OK;
}

/* RFC 6531 3.5 */
static enum err
check_utf8(struct parse *p, struct span args)
{
	if (p->utf8 || !has_8bit(args))
		return ERR_OK;
	return listener_reply_set(p->why, 553, "5.6.7",
	    "Addresses beyond ASCII need the parameter SMTPUTF8 of MAIL");
}

enum err
listener_parse_mail(struct span args, struct arena *a,
    struct listener_mail *out, struct listener_reply *why)
{
	struct listener_mail m = {.envid = ""};
	struct parse p = {.a = a, .mail = &m, .why = why};
	struct span rest;
	enum err e;

	e = take_path(&p, args, "FROM:", MIME_ADDR_NULL, &m.from, &rest);
	if (e == ERR_OK)
		e = take_params(&p, mail_params, rest);
	if (e != ERR_OK)
		return e;
	p.utf8 = m.smtputf8;
	e = check_utf8(&p, args);
	if (e != ERR_OK)
		return e;
	*out = m;
	return ERR_OK;
}

enum err
listener_parse_rcpt(struct span args, bool smtputf8, struct arena *a,
    struct listener_rcpt *out, struct listener_reply *why)
{
	struct listener_rcpt r = {.orcpt = ""};
	struct parse p = {.a = a, .utf8 = smtputf8, .rcpt = &r, .why = why};
	struct span rest;
	enum err e;

	e = take_path(&p, args, "TO:", MIME_ADDR_POSTMASTER, &r.to, &rest);
	if (e == ERR_OK)
		e = take_params(&p, rcpt_params, rest);
	if (e == ERR_OK)
		e = check_utf8(&p, args);
	if (e != ERR_OK)
		return e;
	*out = r;
	return ERR_OK;
}

/* --- others --- */

enum err
listener_parse_bdat(
    struct span args, struct listener_bdat *out, struct listener_reply *why)
{
	size_t end = span_find_chr(args, 0, ' ');
	struct span rest = span_trim(SPAN(args.data + end, args.len - end));
	struct listener_bdat b = {.last = rest.len > 0};

	if (text_number(SPAN(args.data, end), 0, UINT64_MAX, &b.size) !=
		ERR_OK ||
	    (rest.len > 0 && !span_caseeq_str(rest, "LAST")))
		return listener_reply_set(why, 501, "5.5.4",
		    "Expected BDAT, a number of octets and perhaps LAST");
	*out = b;
	return ERR_OK;
}

/* Names that are not quite domains are common and harmless; characters that
   mean something in a Received field are not. */
enum err
listener_parse_helo(struct span args, struct arena *a, const char **out,
    struct listener_reply *why)
{
	const char *copy;

	for (size_t i = 0; i < args.len; i++)
		if (!is_graph(args.data[i]) ||
		    strchr("()<>\"\\;,@", args.data[i]) != NULL)
			return listener_reply_set(why, 501, "5.5.4",
			    "Expected a host name or an address literal");
	if (args.len == 0 || args.len > MAX_HELO)
		return listener_reply_set(why, 501, "5.5.4",
		    "Expected a host name of at most 255 octets");
	copy = arena_span_str(a, args);
	if (copy == NULL)
		return listener_reply_set(
		    why, 452, "4.3.1", "Not enough memory");
	*out = copy;
	return ERR_OK;
}
