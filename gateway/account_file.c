/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A file is read whole or not at all: half a list of recipients would refuse
 * the others' mail, and half a list of users their passwords.
 */
#include "gateway/account_file.h"

#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "gateway/password_hash.h"
#include "mime/addr.h"

struct reader {
	struct span text;
	size_t at;
	unsigned line;
	struct arena *a;
	struct err_why *why;
};

enum err
account_file_is_whole(struct span text, struct err_why *why)
{
	if (text.len > 0 && text.data[text.len - 1] == '\n')
		return ERR_OK;
	return err_why(why, ERR_MALFORMED,
	    "the file is empty, or its last line does not end");
}

static enum err
bad_line(struct reader *r, const char *what)
{
	return err_why(r->why, ERR_MALFORMED, "line %u: %s", r->line, what);
}

/* false: there are no more. */
static bool
next_line(struct reader *r, struct span *out)
{
	while (r->at < r->text.len) {
		size_t end = span_find_chr(r->text, r->at, '\n');
		struct span s =
		    span_trim(SPAN(r->text.data + r->at, end - r->at));

		r->at = end + 1;
		r->line++;
		if (s.len > 0 && s.data[s.len - 1] == '\r')
			s = span_trim(SPAN(s.data, s.len - 1));
		if (s.len == 0 || s.data[0] == '#')
			continue;
		*out = s;
		return true;
	}
	return false;
}

static size_t
count_lines(struct span text)
{
	size_t n = 1;

	for (size_t i = 0; i < text.len; i++)
		n += text.data[i] == '\n';
	return n;
}

static bool
is_gap(uint8_t c)
{
	return c == ' ' || c == '\t' || c == ',';
}

/* The canonical form of an address or of "@domain", in the arena. */
static enum err
take_address(struct reader *r, struct span word, const char **out)
{
	struct err_why why = {.text = "no address"};
	bool domain = word.len > 0 && word.data[0] == '@';
	struct mime_addr addr;
	struct buf b;
	enum err e;

	buf_init(&b, LIMIT_COMMAND_LINE);
	e = domain ? buf_printf(&b, "x") : ERR_OK; /* a mailbox there */
	if (e == ERR_OK)
		e = buf_put(&b, word);
	if (e == ERR_OK)
		e = mime_addr_parse(
		    buf_span(&b), MIME_ADDR_UTF8, r->a, &addr, &why);
	buf_clear(&b);
	if (e == ERR_NOMEM)
		return e;
	if (e != ERR_OK)
		return err_why(r->why, ERR_MALFORMED, "line %u: %.*s: %s",
		    r->line, word.len > 80 ? 80 : (int)word.len,
		    (const char *)word.data, why.text);
	*out = domain ? addr.key + 1 : addr.key;
	return ERR_OK;
}

/* --- users --- */

static enum err
take_from(struct reader *r, struct span list, struct account_user *u)
{
	const char *one;
	struct buf all;
	enum err e = ERR_OK;

	buf_init(&all, LIMIT_ACCOUNT_LINE);
	for (size_t i = 0, end; e == ERR_OK && i < list.len; i = end + 1) {
		end = i;
		while (end < list.len && !is_gap(list.data[end]))
			end++;
		if (end == i)
			continue;
		e = take_address(r, SPAN(list.data + i, end - i), &one);
		if (e == ERR_OK)
			e = buf_printf(
			    &all, "%s%s", all.len > 0 ? " " : "", one);
	}
	if (e == ERR_OK && all.len == 0)
		e = bad_line(r, "the user may write as nobody: expected "
				"NAME:HASH:ADDRESS");
	if (e == ERR_OK) {
		u->from = arena_span_str(r->a, buf_span(&all));
		e = u->from == NULL ? ERR_NOMEM : ERR_OK;
	}
	buf_clear(&all);
	return e;
}

static bool
name_is_sound(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.data[i] < ' ' || name.data[i] == 0x7f)
			return false;
	return name.len > 0 && name.len <= LIMIT_ACCOUNT_NAME;
}

static enum err
take_user(struct reader *r, struct span s, struct account_user *u)
{
	size_t one = span_find_chr(s, 0, ':');
	size_t two = one < s.len ? span_find_chr(s, one + 1, ':') : s.len;
	struct span name = SPAN(s.data, one), from;
	enum err e;

	if (one == s.len)
		return bad_line(r, "expected NAME:HASH or NAME:HASH:ADDRESS");
	if (!name_is_sound(name))
		return bad_line(r, "expected a name of printable characters");
	u->name = arena_span_str(r->a, name);
	u->hash = arena_span_str(r->a, SPAN(s.data + one + 1, two - one - 1));
	if (u->name == NULL || u->hash == NULL)
		return ERR_NOMEM;
	if (u->hash[0] == '!' || u->hash[0] == '*')
		u->hash = "";
	else if (password_hash_check(u->hash) != ERR_OK)
		return bad_line(r,
		    "expected a hash as \"sealgate user hash\" makes it: "
		    "unknown, weak or no hash");
	from = two < s.len ? SPAN(s.data + two + 1, s.len - two - 1) : name;
	e = take_from(r, from, u);
	return e;
}

static int
by_name(const void *a, const void *b)
{
	const struct account_user *x = a, *y = b;

	return strcmp(x->name, y->name);
}

enum err
account_users_parse(struct span text, struct arena *a,
    struct account_users *out, struct err_why *why)
{
	struct reader r = {.text = text, .a = a, .why = why};
	struct account_users u = {0};
	struct span line;
	enum err e;

	if (memchr(text.data, '\0', text.len) != NULL)
		return err_why(why, ERR_MALFORMED, "there is a NUL in it");
	u.user = arena_array(a, count_lines(text), sizeof(*u.user));
	if (u.user == NULL)
		return ERR_NOMEM;
	while (next_line(&r, &line)) {
		e = take_user(&r, line, &u.user[u.n++]);
		if (e != ERR_OK)
			return e;
	}
	qsort(u.user, u.n, sizeof(*u.user), by_name);
	for (size_t i = 1; i < u.n; i++)
		if (strcmp(u.user[i - 1].name, u.user[i].name) == 0)
			return err_why(why, ERR_MALFORMED,
			    "user %s stands there twice", u.user[i].name);
	*out = u;
	return ERR_OK;
}

const struct account_user *
account_users_find(const struct account_users *u, const char *name)
{
	struct account_user key = {.name = name};

	return u->n == 0
		   ? NULL
		   : bsearch(&key, u->user, u->n, sizeof(*u->user), by_name);
}

/* --- a list --- */

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

enum err
account_list_parse(struct span text, struct arena *a, struct account_list *out,
    struct err_why *why)
{
	struct reader r = {.text = text, .a = a, .why = why};
	struct account_list l = {0};
	struct span line;
	size_t end;
	enum err e;

	if (memchr(text.data, '\0', text.len) != NULL)
		return err_why(why, ERR_MALFORMED, "there is a NUL in it");
	l.key = arena_array(a, count_lines(text), sizeof(*l.key));
	if (l.key == NULL)
		return ERR_NOMEM;
	while (next_line(&r, &line)) {
		for (end = 0; end < line.len && !is_gap(line.data[end]);)
			end++;
		e = take_address(&r, SPAN(line.data, end), &l.key[l.n++]);
		if (e != ERR_OK)
			return e;
	}
	if (l.n == 0)
		return err_why(why, ERR_MALFORMED, "there is no address in it");
	qsort(l.key, l.n, sizeof(*l.key), by_text);
	*out = l;
	return ERR_OK;
}

static bool
has(const struct account_list *l, const char *text)
{
	return l->n > 0 &&
	       bsearch(&text, l->key, l->n, sizeof(*l->key), by_text) != NULL;
}

bool
account_list_has(const struct account_list *l, const char *key)
{
	const char *at = strrchr(key, '@');

	return has(l, key) || (at != NULL && has(l, at));
}
