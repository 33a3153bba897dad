/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Address lists in header fields: RFC 5322 section 3.4 with comments and
 * groups, without the obsolete routes and local parts; empty list elements
 * are passed over. Recursion-free.
 */
#include "mime/addr.h"

#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "mime/addr_private.h"
#include "mime/header.h"

enum {
	COMMENT_DEPTH = 32,
	NAME_MAX_OCTETS = 4096,
};

struct parser {
	struct span in;
	size_t pos;
	unsigned flags;
	struct arena *arena;
	struct err_why *why;
	bool in_group;
	struct mime_addr_list list;
	size_t room;
	struct buf name; /* the phrase before an address, decoded */
};

static int
peek(const struct parser *p)
{
	return p->pos < p->in.len ? p->in.data[p->pos] : -1;
}

static enum err
fault(struct parser *p, const char *what)
{
	return err_why(p->why, ERR_ADDR_SYNTAX, "%s", what);
}

static enum err
skip_comment(struct parser *p)
{
	unsigned depth = 0;
	int c;

	do {
		c = peek(p);
		if (c == '(' && ++depth > COMMENT_DEPTH)
			return fault(p, "comments nested too deep");
		if (c == ')')
			depth--;
		if (c == '\\')
			p->pos++;
		if (c == -1 || p->pos >= p->in.len)
			return fault(p, "comment not closed");
		p->pos++;
	} while (depth > 0);
	return ERR_OK;
}

/* Comments and folding white space (RFC 5322 section 3.2.2). */
static enum err
skip_cfws(struct parser *p)
{
	enum err e;
	int c;

	for (;;) {
		c = peek(p);
		if (c == '(') {
			e = skip_comment(p);
			if (e != ERR_OK)
				return e;
			continue;
		}
		if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
			return ERR_OK;
		p->pos++;
	}
}

/* Decoding makes it clean UTF-8, too. Encoded words inside quotes are decoded
   although RFC 2047 section 5 forbids to write them there: readers do so. */
static enum err
name_add(struct parser *p, struct span s)
{
	enum err e = ERR_OK;

	if (p->name.len > 0)
		e = buf_putc(&p->name, ' ');
	if (e == ERR_OK)
		e = mime_header_decode(s, &p->name);
	return e == ERR_TOO_BIG ? fault(p, "display name too long") : e;
}

/* A quoted string in a phrase: its text goes to the name. */
static enum err
read_quoted_word(struct parser *p)
{
	struct buf text;
	enum err e = ERR_OK;
	int c;

	buf_init(&text, NAME_MAX_OCTETS);
	for (p->pos++; (c = peek(p)) != '"'; p->pos++) {
		if (c == '\\') {
			p->pos++;
			c = peek(p);
		}
		if (c == -1) {
			e = fault(p, "quote not closed");
			goto out;
		}
		if (c == '\r' || c == '\n')
			continue;
		e = buf_putc(&text, (uint8_t)c);
		if (e == ERR_TOO_BIG)
			e = fault(p, "display name too long");
		if (e != ERR_OK)
			goto out;
	}
	p->pos++;
	e = name_add(p, buf_span(&text));
out:
	buf_clear(&text);
	return e;
}

/* Atoms with blanks between them, decoded together so that neighbouring
   encoded words join (RFC 2047 section 6.2). Dots are the obs-phrase that
   everybody writes ("John Q. Public"). */
static enum err
read_atoms(struct parser *p)
{
	size_t start = p->pos, end = start;
	int c;

	for (; (c = peek(p)) != -1; p->pos++) {
		if (addr_is_atext((uint8_t)c) || c == '.')
			end = p->pos + 1;
		else if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
			break;
	}
	return name_add(p, SPAN(p->in.data + start, end - start));
}

/* Move over a phrase; *out tells whether there was one. */
static enum err
read_phrase(struct parser *p, bool *out)
{
	enum err e = ERR_OK;
	bool any = false;
	int c;

	buf_reset(&p->name);
	while (e == ERR_OK) {
		e = skip_cfws(p);
		if (e != ERR_OK)
			break;
		c = peek(p);
		if (c == '"')
			e = read_quoted_word(p);
		else if (c != -1 && (addr_is_atext((uint8_t)c) || c == '.'))
			e = read_atoms(p);
		else
			break;
		any = true;
	}
	if (e == ERR_OK)
		*out = any;
	return e;
}

static enum err
list_add(struct parser *p, const struct mime_addr *addr)
{
	struct mime_addr *grown;
	size_t room;

	if (p->list.n == LIMIT_ADDRESS_LIST)
		return err_why(p->why, ERR_LIMIT,
		    "more than %u addresses in one field", LIMIT_ADDRESS_LIST);
	if (p->list.n == p->room) {
		room = p->room == 0 ? 8 : 2 * p->room;
		grown = arena_array(p->arena, room, sizeof(*grown));
		if (grown == NULL)
			return ERR_NOMEM;
		if (p->list.n > 0)
			memcpy(
			    grown, p->list.addrs, p->list.n * sizeof(*grown));
		p->list.addrs = grown;
		p->room = room;
	}
	p->list.addrs[p->list.n++] = *addr;
	return ERR_OK;
}

/* local@domain with comments and blanks between its three pieces only. */
static enum err
read_addr_spec(struct parser *p, struct mime_addr *out)
{
	struct addr_local local;
	struct span domain;
	enum err e;

	e = skip_cfws(p);
	if (e == ERR_OK && peek(p) == '@')
		return fault(p, "no local part (routes are not accepted)");
	if (e == ERR_OK)
		e = addr_read_local(p->in, &p->pos, &local, p->why);
	if (e == ERR_OK)
		e = skip_cfws(p);
	if (e != ERR_OK)
		return e;
	if (peek(p) != '@')
		return fault(p, "no @ behind the local part");
	p->pos++;
	e = skip_cfws(p);
	if (e != ERR_OK)
		return e;
	domain = addr_read_domain(p->in, &p->pos);
	e = addr_make(&local, domain, p->flags, p->arena, out, p->why);
	return e == ERR_OK ? skip_cfws(p) : e;
}

/* At the "<" behind a phrase. */
static enum err
read_angle(struct parser *p)
{
	struct mime_addr addr;
	enum err e;

	p->pos++;
	e = read_addr_spec(p, &addr);
	if (e != ERR_OK)
		return e;
	if (peek(p) != '>')
		return fault(p, "no closing >");
	p->pos++;
	if (p->name.len > 0) {
		addr.name = arena_span_str(p->arena, buf_span(&p->name));
		if (addr.name == NULL)
			return ERR_NOMEM;
	}
	e = list_add(p, &addr);
	return e == ERR_OK ? skip_cfws(p) : e;
}

static enum err
read_bare(struct parser *p, size_t start)
{
	struct mime_addr addr;
	enum err e;

	p->pos = start;
	e = read_addr_spec(p, &addr);
	return e == ERR_OK ? list_add(p, &addr) : e;
}

/* One mailbox, or the head of a group. */
static enum err
read_element(struct parser *p)
{
	size_t start = p->pos;
	bool phrase;
	enum err e;

	e = read_phrase(p, &phrase);
	if (e != ERR_OK)
		return e;
	switch (peek(p)) {
	case '<':
		return read_angle(p);
	case '@':
		return read_bare(p, start);
	case ':':
		if (!phrase || p->in_group)
			return fault(p, "misplaced colon");
		p->in_group = true;
		p->pos++;
		return ERR_OK;
	default:
		return fault(p, "a name without an address");
	}
}

static enum err
read_list(struct parser *p)
{
	bool after_addr = false;
	enum err e = ERR_OK;
	size_t before;
	int c;

	while (e == ERR_OK) {
		e = skip_cfws(p);
		if (e != ERR_OK)
			break;
		c = peek(p);
		if (c == -1)
			return p->in_group ? fault(p, "group not closed")
					   : ERR_OK;
		if (c == ',') {
			p->pos++;
			after_addr = false;
		} else if (c == ';') {
			if (!p->in_group)
				return fault(p, "misplaced semicolon");
			p->in_group = false;
			p->pos++;
			after_addr = true;
		} else if (after_addr) {
			return fault(p, "no comma between two addresses");
		} else {
			before = p->list.n;
			e = read_element(p);
			after_addr = p->list.n > before;
		}
	}
	return e;
}

enum err
mime_addr_parse_list(struct span value, unsigned flags, struct arena *a,
    struct mime_addr_list *out, struct err_why *why)
{
	struct parser p = {.in = value, .flags = flags, .arena = a, .why = why};
	enum err e;

	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.data[i];

		if ((c < ' ' && c != '\t' && c != '\r' && c != '\n') ||
		    c == 0x7f)
			return err_why(why, ERR_ADDR_SYNTAX,
			    "control character in an address field");
	}
	buf_init(&p.name, NAME_MAX_OCTETS);
	e = read_list(&p);
	buf_clear(&p.name);
	if (e == ERR_OK)
		*out = p.list;
	return e;
}
