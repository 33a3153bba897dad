/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Recursive descent over the text of a configuration:
 *     file    = { option | section }
 *     section = word [ word | string ] "{" { option } "}"
 *     option  = word "=" value [ "," ]
 *     value   = scalar | "{" [ scalar { "," scalar } [ "," ] ] "}"
 *     scalar  = string | word | number [ unit ]
 * After an error reading goes on at the next line or closing brace, so that
 * one run says as much as possible.
 */
#include "gateway/config_read.h"

#include <stdbool.h>
#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "common/strtab.h"
#include "gateway/config_lex.h"
#include "gateway/config_private.h"

/* Say that the token is not what had to come here. */
static void
unexpected(struct config_lexer *r, const char *expected)
{
	if (r->tok.kind == TOKEN_BAD)
		return;
	if (r->tok.kind == TOKEN_END)
		conf_find(r->f, CONF_ERROR, r->tok.line,
		    "the file ends here, expected %s", expected);
	else
		conf_find(r->f, CONF_ERROR, r->tok.line,
		    "found \"%.*s\", expected %s",
		    r->tok.raw.len > 40 ? 40 : (int)r->tok.raw.len,
		    (const char *)r->tok.raw.data, expected);
}

/* Go on at the next line, or at a closing brace if that comes first. The
   token that was wrong may itself be on a later line than the mistake. */
static void
recover(struct config_lexer *r, unsigned line)
{
	while (r->tok.kind != TOKEN_END && r->tok.kind != TOKEN_CLOSE &&
	       (r->tok.line <= line || r->tok.kind == TOKEN_BAD))
		config_lex_next(r);
}

/* --- values */

static const struct {
	const char *unit;
	enum config_kind kind;
	uint64_t factor;
} units[] = {
    {"ms", CONFIG_DURATION, 1},
    {"s", CONFIG_DURATION, 1000},
    {"min", CONFIG_DURATION, 60000},
    {"h", CONFIG_DURATION, 3600000},
    {"d", CONFIG_DURATION, 86400000},
    {"K", CONFIG_SIZE, UINT64_C(1) << 10},
    {"M", CONFIG_SIZE, UINT64_C(1) << 20},
    {"G", CONFIG_SIZE, UINT64_C(1) << 30},
    {"T", CONFIG_SIZE, UINT64_C(1) << 40},
};

static bool
apply_unit(const char *unit, struct config_value *v)
{
	if (*unit == '\0') {
		v->kind = CONFIG_NUMBER;
		return true;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(unit, units[i].unit) != 0)
			continue;
		if (v->number > UINT64_MAX / units[i].factor)
			return false;
		v->kind = units[i].kind;
		v->number *= units[i].factor;
		return true;
	}
	return false;
}

static bool
read_number(struct config_lexer *r, struct config_value *v)
{
	const char *p = r->tok.text;

	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (v->number > (UINT64_MAX - digit) / 10)
			break;
		v->number = v->number * 10 + digit;
	}
	if (apply_unit(p, v))
		return true;
	conf_find(r->f, CONF_ERROR, r->tok.line,
	    "\"%s\" is not a number; expected digits, then nothing or one of "
	    "ms s min h d (time), K M G T (size); text is written in double "
	    "quotes",
	    r->tok.text);
	return false;
}

static bool
read_scalar(struct config_lexer *r, struct config_value *out)
{
	struct config_value v = {.line = r->tok.line, .text = r->tok.text};

	switch (r->tok.kind) {
	case TOKEN_STRING:
		v.kind = CONFIG_STRING;
		break;
	case TOKEN_WORD:
		v.kind = CONFIG_WORD;
		break;
	case TOKEN_NUMBER:
		if (!read_number(r, &v))
			return false;
		break;
	case TOKEN_END:
	case TOKEN_OPEN:
	case TOKEN_CLOSE:
	case TOKEN_EQUALS:
	case TOKEN_COMMA:
	case TOKEN_BAD:
		unexpected(r, "a value");
		return false;
	}
	*out = v;
	config_lex_next(r);
	return true;
}

/* Make room for one more element; arrays double, the old one stays in the
   arena. Returns the array to use, NULL out of memory. */
static void *
room_for_one(struct config_lexer *r, void *list, size_t n, size_t size)
{
	void *bigger;

	if (n != 0 && (n & (n - 1)) != 0)
		return list;
	bigger = arena_array(r->arena, n == 0 ? 1 : 2 * n, size);
	if (bigger == NULL) {
		r->nomem = true;
		return NULL;
	}
	if (n != 0)
		memcpy(bigger, list, n * size);
	return bigger;
}

static bool
add_item(struct config_lexer *r, struct config_value *list)
{
	struct config_value item = {0}, *grown;

	if (!read_scalar(r, &item))
		return false;
	if (list->n_item == LIMIT_CONFIG_LIST) {
		conf_find(r->f, CONF_ERROR, item.line,
		    "list is too long, expected at most %u entries",
		    LIMIT_CONFIG_LIST);
		return false;
	}
	grown = room_for_one(r, list->item, list->n_item, sizeof(item));
	if (grown == NULL)
		return false;
	list->item = grown;
	list->item[list->n_item++] = item;
	return true;
}

static bool
read_list(struct config_lexer *r, struct config_value *out)
{
	struct config_value list = {.kind = CONFIG_LIST, .line = r->tok.line};

	config_lex_next(r);
	while (r->tok.kind != TOKEN_CLOSE) {
		if (r->tok.kind == TOKEN_END) {
			conf_find(r->f, CONF_ERROR, list.line,
			    "list is not closed, expected \"}\"");
			return false;
		}
		if (!add_item(r, &list))
			return false;
		if (r->tok.kind == TOKEN_COMMA) {
			config_lex_next(r);
			continue;
		}
		if (r->tok.kind != TOKEN_CLOSE) {
			unexpected(r, "\",\" or \"}\" in the list");
			return false;
		}
	}
	config_lex_next(r);
	*out = list;
	return true;
}

/* --- options and sections */

static void
add_option(struct config_lexer *r, struct config_section *s,
    const struct config_option *o)
{
	struct config_option *grown;

	for (size_t i = 0; i < s->n_option; i++) {
		if (strcmp(s->option[i].name, o->name) != 0)
			continue;
		conf_find(r->f, CONF_ERROR, o->line,
		    "\"%s\" is given a second time, first in line %u", o->name,
		    s->option[i].line);
		return;
	}
	if (s->n_option == LIMIT_CONFIG_OPTIONS) {
		conf_find(r->f, CONF_ERROR, o->line,
		    "too many options in one section, expected at most %u",
		    LIMIT_CONFIG_OPTIONS);
		return;
	}
	grown = room_for_one(r, s->option, s->n_option, sizeof(*o));
	if (grown == NULL)
		return;
	s->option = grown;
	s->option[s->n_option++] = *o;
}

/* The token is the "=" behind the name. A list that breaks off is skipped to
   its end, so that what is left of it is not taken for options. */
static void
read_option(struct config_lexer *r, struct config_section *s, const char *name,
    unsigned line)
{
	struct config_option o = {.name = name, .line = line};
	bool list, ok;

	line = r->tok.line;
	config_lex_next(r);
	if (r->tok.line != line && r->tok.kind != TOKEN_BAD) {
		conf_find(r->f, CONF_ERROR, line,
		    "expected a value behind \"=\" on the same line");
		return;
	}
	list = r->tok.kind == TOKEN_OPEN;
	ok = list ? read_list(r, &o.value) : read_scalar(r, &o.value);
	if (!ok) {
		recover(r, r->tok.line);
		if (list && r->tok.kind == TOKEN_CLOSE)
			config_lex_next(r);
		return;
	}
	add_option(r, s, &o);
	if (r->tok.kind == TOKEN_COMMA)
		config_lex_next(r);
}

/* Name and title as one text; a name has no blank. */
static struct span
section_key(struct config_lexer *r, const struct config_section *s)
{
	const char *key = s->title == NULL ? s->name
					   : arena_printf(r->arena, "%s %s",
						 s->name, s->title);

	return key == NULL ? SPAN(NULL, 0) : span_str(key);
}

static void
add_section(struct config_lexer *r, struct config_file *file,
    const struct config_section *s)
{
	struct span key = section_key(r, s);
	struct config_section *grown;
	size_t before;

	if (strtab_find(r->sections, 0, key, &before)) {
		conf_find(r->f, CONF_ERROR, s->line,
		    "section %s%s%s is given a second time, first in line %u",
		    s->name, s->title == NULL ? "" : " ",
		    s->title == NULL ? "" : s->title,
		    file->section[before].line);
		return;
	}
	if (file->n_section == LIMIT_CONFIG_SECTIONS) {
		conf_find(r->f, CONF_ERROR, s->line,
		    "too many sections, expected at most %u",
		    LIMIT_CONFIG_SECTIONS);
		return;
	}
	grown = room_for_one(r, file->section, file->n_section, sizeof(*s));
	if (grown == NULL)
		return;
	if (key.len == 0 ||
	    strtab_put(r->sections, 0, key, file->n_section) != ERR_OK) {
		r->nomem = true;
		return;
	}
	file->section = grown;
	file->section[file->n_section++] = *s;
}

/* One option of a section. False when what stands here begins a section: the
   closing brace of this one was forgotten. On false the name is in *name. */
static bool
read_member(struct config_lexer *r, struct config_section *s, const char **name,
    unsigned *line)
{
	*line = r->tok.line;
	*name = r->tok.text;
	if (r->tok.kind != TOKEN_WORD) {
		unexpected(r, "an option or \"}\"");
		config_lex_next(r);
		recover(r, *line);
		return true;
	}
	config_lex_next(r);
	if (r->tok.kind == TOKEN_EQUALS) {
		read_option(r, s, *name, *line);
		return true;
	}
	if (r->tok.kind == TOKEN_OPEN ||
	    (r->tok.line == *line &&
		(r->tok.kind == TOKEN_STRING || r->tok.kind == TOKEN_WORD)))
		return false;
	unexpected(r, "\"=\" behind the name of an option");
	recover(r, *line);
	return true;
}

/* The token is what follows the name of a section: its title or "{". Returns
   true when the section ended at its brace; false at the end of the file, or
   with *name set when another section begins instead. */
static bool
read_section(struct config_lexer *r, struct config_file *file,
    const char **name, unsigned *line)
{
	struct config_section s = {.name = *name, .line = *line};
	bool closed = false;

	*name = NULL;
	if (r->tok.kind == TOKEN_STRING || r->tok.kind == TOKEN_WORD) {
		s.title = r->tok.text;
		config_lex_next(r);
	}
	if (r->tok.kind != TOKEN_OPEN) {
		unexpected(r, "\"=\" or \"{\"");
		recover(r, s.line);
		return true;
	}
	config_lex_next(r);
	while (r->tok.kind != TOKEN_END && !closed) {
		if (r->tok.kind == TOKEN_CLOSE) {
			closed = true;
			config_lex_next(r);
		} else if (!read_member(r, &s, name, line)) {
			break;
		} else {
			*name = NULL;
		}
	}
	if (!closed && !r->nomem)
		conf_find(r->f, CONF_ERROR, s.line,
		    "section %s is not closed, expected \"}\"", s.name);
	add_section(r, file, &s);
	return closed;
}

/* Something outside of sections. */
static void
read_top(struct config_lexer *r, struct config_file *file)
{
	const char *name = r->tok.text;
	unsigned line = r->tok.line;

	if (r->tok.kind != TOKEN_WORD) {
		unexpected(r, "the name of an option or a section");
		config_lex_next(r);
		recover(r, line);
		return;
	}
	config_lex_next(r);
	if (r->tok.kind == TOKEN_EQUALS) {
		read_option(r, &file->section[0], name, line);
		return;
	}
	while (name != NULL)
		if (read_section(r, file, &name, &line))
			break;
}

enum err
config_read(struct span text, struct arena *arena, struct conf_findings *f,
    struct config_file *out)
{
	struct config_lexer r = {.in = text, .line = 1, .arena = arena, .f = f};
	struct config_file file = {.n_section = 1};
	size_t before = f->n_errors;

	if (text.len > LIMIT_CONFIG_FILE) {
		conf_find(f, CONF_ERROR, 0,
		    "the file has %zu octets, expected at most %u", text.len,
		    LIMIT_CONFIG_FILE);
		return ERR_TOO_BIG;
	}
	if (!config_text_is_clean(text, f))
		return ERR_CONFIG;
	file.section = arena_array(arena, 1, sizeof(*file.section));
	if (file.section == NULL)
		return ERR_NOMEM;
	r.sections = strtab_new();
	config_lex_next(&r);
	while (r.tok.kind != TOKEN_END)
		read_top(&r, &file);
	strtab_free(r.sections);
	if (r.nomem)
		return ERR_NOMEM;
	*out = file;
	return f->n_errors == before ? ERR_OK : ERR_CONFIG;
}
