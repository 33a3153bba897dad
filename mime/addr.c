/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * SMTP paths and mailboxes (RFC 5321 section 4.1.2, RFC 6531 section 3.3) and
 * the canonical form of an address. Header lists are in addr_list.c, domains
 * in addr_idna.c.
 */
#include "mime/addr.h"

#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "mime/addr_private.h"
#include "mime/utf8.h"

bool
addr_is_atext(uint8_t c)
{
	if (c >= 0x80)
		return true;
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') ||
	       (c != 0 && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static enum err
local_put(struct addr_local *l, uint8_t c, struct err_why *why)
{
	if (l->len == sizeof(l->data))
		return err_why(why, ERR_ADDR_SYNTAX,
		    "the address is longer than %u octets", LIMIT_ADDRESS);
	l->data[l->len++] = c;
	return ERR_OK;
}

/* At the opening quote. qtextSMTP and quoted-pairSMTP: RFC 5321 section
   4.1.2 allows printable characters only. */
static enum err
read_quoted(
    struct span in, size_t *pos, struct addr_local *out, struct err_why *why)
{
	size_t i = *pos + 1;
	uint8_t c;
	enum err e;

	for (; i < in.len && in.data[i] != '"'; i++) {
		c = in.data[i];
		if (c == '\\') {
			if (++i == in.len)
				break;
			c = in.data[i];
			if (c >= 0x80)
				return err_why(why, ERR_ADDR_SYNTAX,
				    "backslash before a character that is not "
				    "ASCII");
		}
		if (c < ' ' || c == 0x7f)
			return err_why(why, ERR_ADDR_SYNTAX,
			    "control character in the local part");
		e = local_put(out, c, why);
		if (e != ERR_OK)
			return e;
	}
	if (i >= in.len)
		return err_why(why, ERR_ADDR_SYNTAX, "quote not closed");
	*pos = i + 1;
	return ERR_OK;
}

static enum err
read_dot_atom(
    struct span in, size_t *pos, struct addr_local *out, struct err_why *why)
{
	size_t i = *pos;
	enum err e;

	for (; i < in.len && (in.data[i] == '.' || addr_is_atext(in.data[i]));
	     i++) {
		if (in.data[i] == '.' &&
		    (out->len == 0 || out->data[out->len - 1] == '.'))
			return err_why(why, ERR_ADDR_SYNTAX,
			    "misplaced dot in the local part");
		e = local_put(out, in.data[i], why);
		if (e != ERR_OK)
			return e;
	}
	if (out->len > 0 && out->data[out->len - 1] == '.')
		return err_why(
		    why, ERR_ADDR_SYNTAX, "misplaced dot in the local part");
	*pos = i;
	return ERR_OK;
}

enum err
addr_read_local(
    struct span in, size_t *pos, struct addr_local *out, struct err_why *why)
{
	enum err e;

	out->len = 0;
	if (*pos < in.len && in.data[*pos] == '"')
		e = read_quoted(in, pos, out, why);
	else
		e = read_dot_atom(in, pos, out, why);
	if (e == ERR_OK && out->len == 0)
		e = err_why(why, ERR_ADDR_SYNTAX, "no local part");
	return e;
}

struct span
addr_read_domain(struct span in, size_t *pos)
{
	size_t start = *pos, i = start;
	uint8_t c;

	if (i < in.len && in.data[i] == '[') {
		i = span_find_chr(in, i, ']');
		i += i < in.len;
	} else {
		for (; i < in.len; i++) {
			c = in.data[i];
			if (c != '.' && !addr_is_atext(c))
				break;
		}
	}
	*pos = i;
	return SPAN(in.data + start, i - start);
}

/* RFC 6532 section 3.2 for what is beyond ASCII; marks that turn the text
   around would let an address look like another. */
static enum err
check_local(const struct addr_local *l, unsigned flags, struct err_why *why)
{
	struct span s = SPAN(l->data, l->len);
	uint32_t c = 0;
	size_t n;

	if (!mime_is_ascii(s) && (flags & MIME_ADDR_UTF8) == 0)
		return err_why(why, ERR_ADDR_SYNTAX,
		    "the local part is not ASCII and SMTPUTF8 was not asked "
		    "for");
	for (; s.len > 0; s.data += n, s.len -= n) {
		n = mime_utf8_next(s, &c);
		if (n == 0)
			return err_why(why, ERR_ADDR_SYNTAX,
			    "the local part is not UTF-8");
		if (mime_utf8_is_trick(c))
			return err_why(why, ERR_ADDR_SYNTAX,
			    "control character in the local part");
	}
	return ERR_OK;
}

static bool
needs_quotes(const struct addr_local *l)
{
	uint8_t before = '.';

	for (size_t i = 0; i < l->len; i++) {
		if (l->data[i] != '.' && !addr_is_atext(l->data[i]))
			return true;
		if (l->data[i] == '.' && before == '.')
			return true;
		before = l->data[i];
	}
	return before == '.';
}

/* The local part as it is written, in the arena; NULL without memory. */
static char *
quote_local(const struct addr_local *l, struct arena *a)
{
	char *out, *p;

	if (!needs_quotes(l))
		return arena_span_str(a, SPAN(l->data, l->len));
	p = out = arena_alloc(a, 2 * l->len + 3);
	if (out == NULL)
		return NULL;
	*p++ = '"';
	for (size_t i = 0; i < l->len; i++) {
		if (l->data[i] == '"' || l->data[i] == '\\')
			*p++ = '\\';
		*p++ = (char)l->data[i];
	}
	*p = '"';
	return out;
}

static char *
lower_ascii(const char *s, struct arena *a)
{
	char *out = arena_strdup(a, s);

	for (char *p = out; p != NULL && *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 32);
	return out;
}

enum err
addr_make(const struct addr_local *local, struct span domain, unsigned flags,
    struct arena *a, struct mime_addr *out, struct err_why *why)
{
	struct mime_addr made = {.name = ""};
	const char *quoted;
	enum err e;

	e = check_local(local, flags, why);
	if (e == ERR_OK)
		e = mime_domain_parse(domain, a, &made.domain, why);
	if (e != ERR_OK)
		return e;
	made.local = arena_span_str(a, SPAN(local->data, local->len));
	quoted = quote_local(local, a);
	if (made.local == NULL || quoted == NULL)
		return ERR_NOMEM;
	made.text = arena_printf(a, "%s@%s", quoted, made.domain);
	if (made.text == NULL)
		return ERR_NOMEM;
	if (strlen(made.text) > LIMIT_ADDRESS)
		return err_why(why, ERR_ADDR_SYNTAX,
		    "the address is longer than %u octets", LIMIT_ADDRESS);
	made.key = lower_ascii(made.text, a);
	if (made.key == NULL)
		return ERR_NOMEM;
	made.needs_utf8 = !mime_is_ascii(SPAN(local->data, local->len));
	*out = made;
	return ERR_OK;
}

/* RFC 5321 section 4.1.1.3: in any case, and it needs no domain. */
static bool
is_postmaster(const struct addr_local *l)
{
	return span_caseeq_str(SPAN(l->data, l->len), "postmaster");
}

/* local@domain, or postmaster, at *pos. */
static enum err
read_mailbox(struct span in, size_t *pos, unsigned flags, struct arena *a,
    struct mime_addr *out, struct err_why *why)
{
	struct addr_local local;
	struct span domain;
	enum err e;

	if (*pos < in.len && in.data[*pos] == '@')
		return err_why(why, ERR_ADDR_SYNTAX,
		    "no local part (source routes are not accepted)");
	e = addr_read_local(in, pos, &local, why);
	if (e != ERR_OK)
		return e;
	if (*pos == in.len || in.data[*pos] != '@') {
		if ((flags & MIME_ADDR_POSTMASTER) == 0 ||
		    !is_postmaster(&local))
			return err_why(
			    why, ERR_ADDR_SYNTAX, "no @ behind the local part");
		*out = (struct mime_addr){.local = "postmaster",
		    .domain = "",
		    .text = "postmaster",
		    .key = "postmaster",
		    .name = ""};
		return ERR_OK;
	}
	++*pos;
	domain = addr_read_domain(in, pos);
	return addr_make(&local, domain, flags, a, out, why);
}

static enum err
junk(uint8_t c, struct err_why *why)
{
	if (c == '@')
		return err_why(why, ERR_ADDR_SYNTAX, "a second @");
	return err_why(why, ERR_ADDR_SYNTAX,
	    "unexpected character (code %u) behind the address", c);
}

enum err
mime_addr_parse(struct span in, unsigned flags, struct arena *a,
    struct mime_addr *out, struct err_why *why)
{
	struct mime_addr made;
	size_t pos = 0;
	enum err e;

	if (in.len == 0 && (flags & MIME_ADDR_NULL) != 0) {
		*out = (struct mime_addr){"", "", "", "", "", false};
		return ERR_OK;
	}
	e = read_mailbox(in, &pos, flags, a, &made, why);
	if (e != ERR_OK)
		return e;
	if (pos < in.len)
		return junk(in.data[pos], why);
	*out = made;
	return ERR_OK;
}

enum err
mime_addr_parse_path(struct span in, unsigned flags, struct arena *a,
    struct mime_addr *out, struct span *rest, struct err_why *why)
{
	struct mime_addr made = {"", "", "", "", "", false};
	size_t pos = 1;
	enum err e;

	if (in.len == 0 || in.data[0] != '<')
		return err_why(
		    why, ERR_ADDR_SYNTAX, "the address must stand in < >");
	if (in.len > 1 && in.data[1] == '>') {
		if ((flags & MIME_ADDR_NULL) == 0)
			return err_why(
			    why, ERR_ADDR_SYNTAX, "no address in < >");
	} else {
		e = read_mailbox(in, &pos, flags, a, &made, why);
		if (e != ERR_OK)
			return e;
		if (pos == in.len)
			return err_why(why, ERR_ADDR_SYNTAX, "no closing >");
		if (in.data[pos] != '>')
			return junk(in.data[pos], why);
	}
	*out = made;
	*rest = SPAN(in.data + pos + 1, in.len - pos - 1);
	return ERR_OK;
}

bool
mime_addr_is_null(const struct mime_addr *addr)
{
	return addr->text[0] == '\0';
}
