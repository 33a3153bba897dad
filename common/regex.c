/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * PCRE2 with limits. Its limit of steps counts anew for every place where a
 * match could begin, and it cannot be interrupted: so the text is looked at in
 * windows, and the time between two of them.
 */
#include "common/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#include "common/clock.h"

enum {
	WINDOW = 16 * 1024, /* octets looked at in one go */
	OVERLAP = 1024,	    /* a match begins before the last of them */
	BEHIND = 64,	    /* octets before the start, for \b and (?<=) */
	/* of one place where a match could begin */
	STEPS = 10000,
	DEPTH = 1000,
	HEAP_KIB = 1024,
	PARENS = 50,
};

struct regex {
	pcre2_code *code;
	pcre2_match_context *context;
	pcre2_match_data *data;
};

static pcre2_code *
compile(struct span pattern, unsigned flags, struct err_why *why)
{
	pcre2_compile_context *c = pcre2_compile_context_create(NULL);
	pcre2_code *code = NULL;
	PCRE2_UCHAR text[128];
	PCRE2_SIZE at = 0;
	int error = 0;

	if (c == NULL)
		return NULL;
	pcre2_set_max_pattern_length(c, REGEX_PATTERN_MAX);
	pcre2_set_parens_nest_limit(c, PARENS);
	code = pcre2_compile(pattern.data, pattern.len,
	    PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C |
		(flags & REGEX_CASELESS ? PCRE2_CASELESS : 0),
	    &error, &at, c);
	if (code == NULL) {
		text[0] = '\0';
		pcre2_get_error_message(error, text, sizeof(text));
		err_why(why, ERR_CONFIG, "octet %zu: %s", (size_t)at,
		    (const char *)text);
	}
	pcre2_compile_context_free(c);
	return code;
}

enum err
regex_new(struct span pattern, unsigned flags, struct regex **out,
    struct err_why *why)
{
	struct regex *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return ERR_NOMEM;
	r->code = compile(pattern, flags, why);
	if (r->code == NULL) {
		free(r);
		return ERR_CONFIG;
	}
	r->context = pcre2_match_context_create(NULL);
	r->data = pcre2_match_data_create(1, NULL);
	if (r->context == NULL || r->data == NULL) {
		regex_free(r);
		return ERR_NOMEM;
	}
	pcre2_set_match_limit(r->context, STEPS);
	pcre2_set_depth_limit(r->context, DEPTH);
	pcre2_set_heap_limit(r->context, HEAP_KIB);
	*out = r;
	return ERR_OK;
}

void
regex_free(struct regex *r)
{
	if (r == NULL)
		return;
	pcre2_code_free(r->code);
	pcre2_match_context_free(r->context);
	pcre2_match_data_free(r->data);
	free(r);
}

/* The start of the character that octet at is in. */
static size_t
align(struct span text, size_t at)
{
	while (at > 0 && at < text.len && (text.data[at] & 0xc0) == 0x80)
		at--;
	return at;
}

/* What its failure means for who asked. */
static enum err
match_error(int rc)
{
	switch (rc) {
	case PCRE2_ERROR_MATCHLIMIT:
	case PCRE2_ERROR_DEPTHLIMIT:
	case PCRE2_ERROR_HEAPLIMIT:
		return ERR_LIMIT;
	case PCRE2_ERROR_NOMEMORY:
		return ERR_NOMEM;
	default:
		return ERR_MALFORMED;
	}
}

/* Look for the next match that begins at or behind *at, in the window there.
 *at becomes where to go on, *found whether there is one. */
static enum err
next_match(struct regex *r, struct span text, size_t *at, bool *found)
{
	size_t from = align(text, *at > BEHIND ? *at - BEHIND : 0);
	size_t end =
	    text.len - *at > WINDOW ? align(text, *at + WINDOW) : text.len;
	size_t last = end < text.len ? align(text, end - OVERLAP) : text.len;
	const PCRE2_SIZE *v = pcre2_get_ovector_pointer(r->data);
	size_t start, stop;
	int rc = pcre2_match(r->code, text.data + from, end - from, *at - from,
	    (from > 0 ? PCRE2_NOTBOL : 0) | (end < text.len ? PCRE2_NOTEOL : 0),
	    r->data, r->context);

	*found = false;
	if (rc == PCRE2_ERROR_NOMATCH) {
		*at = last;
		return ERR_OK;
	}
	if (rc < 0)
		return match_error(rc);
	start = from + v[0];
	stop = from + v[1];
	/* begun too late: the next window has all of it */
	if (start >= last && last < text.len && start > *at) {
		*at = start;
		return ERR_OK;
	}
	/* an empty match, or \K in a look-around, does not move on */
	if (stop <= *at || stop <= start)
		for (stop = (start > *at ? start : *at) + 1;
		     stop < text.len && (text.data[stop] & 0xc0) == 0x80;)
			stop++;
	*at = stop;
	*found = true;
	return ERR_OK;
}

enum err
regex_count(struct regex *r, struct span text, size_t enough,
    uint64_t deadline_ms, size_t *out)
{
	size_t at = 0, n = 0;
	bool found;
	enum err e;

	while (n < enough && at < text.len) {
		if (clock_cpu_ms() >= deadline_ms)
			return ERR_LIMIT;
		e = next_match(r, text, &at, &found);
		if (e != ERR_OK)
			return e;
		n += found;
	}
	*out = n;
	return ERR_OK;
}
