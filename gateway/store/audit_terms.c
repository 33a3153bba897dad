/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One pass over the octets of a record, without a tree and without memory:
 * store does it for every line that it writes.
 */
#include "gateway/store/audit_terms.h"

#include <string.h>

#include "gateway/store/audit_rec.h"

/* Where a value has to stand: its member, and the member of the object that is
   in (NULL: the record itself). A list of values counts as each of them. */
static const struct place {
	const char *within;
	const char *member;
	enum store_term term[2];
	int n;
} places[] = {
    {NULL, "type", {STORE_TERM_TYPE}, 1},
    {NULL, "id", {STORE_TERM_ID}, 1},
    {NULL, "entry", {STORE_TERM_ENTRY}, 1},
    {NULL, "object", {STORE_TERM_OBJECT}, 1},
    {NULL, "message-id", {STORE_TERM_MESSAGE}, 1},
    {NULL, "from", {STORE_TERM_FROM, STORE_TERM_ADDR}, 2},
    {NULL, "rcpt", {STORE_TERM_RCPT, STORE_TERM_ADDR}, 2},
    {NULL, "rcpts", {STORE_TERM_RCPT, STORE_TERM_ADDR}, 2},
    {NULL, "addr", {STORE_TERM_ADDR}, 1},
    {NULL, "rule", {STORE_TERM_RULE}, 1},
    {"rule", "decider", {STORE_TERM_RULE}, 1},
    {"rule", "ladder", {STORE_TERM_RULE}, 1},
    {"rule", "raising", {STORE_TERM_RULE}, 1},
    {NULL, "rung", {STORE_TERM_RUNG}, 1},
    {NULL, "result", {STORE_TERM_RESULT}, 1},
    {NULL, "key", {STORE_TERM_KEY}, 1},
    {NULL, "fingerprint", {STORE_TERM_KEY}, 1},
};

const char *
store_term_name(enum store_term t)
{
	static const char *const name[STORE_TERM_COUNT] = {
	    [STORE_TERM_TYPE] = "type",
	    [STORE_TERM_ID] = "id",
	    [STORE_TERM_ENTRY] = "entry",
	    [STORE_TERM_OBJECT] = "object",
	    [STORE_TERM_MESSAGE] = "message-id",
	    [STORE_TERM_FROM] = "from",
	    [STORE_TERM_RCPT] = "rcpt",
	    [STORE_TERM_ADDR] = "address",
	    [STORE_TERM_RULE] = "rule",
	    [STORE_TERM_RUNG] = "rung",
	    [STORE_TERM_RESULT] = "result",
	    [STORE_TERM_KEY] = "key",
	};

	return t < STORE_TERM_COUNT ? name[t] : "?";
}

static uint8_t
lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

bool
store_term_eq(struct span a, struct span b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (lower(a.data[i]) != lower(b.data[i]))
			return false;
	return true;
}

/* FNV-1a: what collides is told apart by looking at the line. */
uint64_t
store_term_hash(enum store_term t, struct span value)
{
	uint64_t h = 0xcbf29ce484222325u;

	h = (h ^ (uint8_t)t) * 0x100000001b3u;
	for (size_t i = 0; i < value.len; i++)
		h = (h ^ lower(value.data[i])) * 0x100000001b3u;
	return h;
}

/* --- the pass --- */

struct walk {
	struct span s;
	size_t i;
	size_t depth;
	/* of the containers that are open: is it a list, and whose value */
	bool list[STORE_REC_DEPTH + 1];
	struct span member[STORE_REC_DEPTH + 1];
	void (*on_value)(void *arg, const struct store_value *v);
	void *arg;
};

static void
tell(const struct walk *w, struct span text)
{
	size_t d = w->depth;
	struct store_value v = {.member = w->member[d], .text = text};

	/* in a list the member is that of the list */
	if (d > 0 && w->list[d])
		v.member = w->member[--d];
	if (d == 2 && !w->list[1])
		v.within = w->member[1];
	v.deeper = d != 1 && v.within.len == 0;
	w->on_value(w->arg, &v);
}

/* The string at w->i; false when it does not end. */
static bool
take_string(struct walk *w, struct span *out)
{
	size_t from = ++w->i;

	for (; w->i < w->s.len; w->i++) {
		if (w->s.data[w->i] == '\\') {
			w->i++;
		} else if (w->s.data[w->i] == '"') {
			*out = SPAN(w->s.data + from, w->i - from);
			w->i++;
			return true;
		}
	}
	return false;
}

static bool
take_quoted(struct walk *w)
{
	struct span text;

	if (!take_string(w, &text))
		return false;
	if (w->i < w->s.len && w->s.data[w->i] == ':' && !w->list[w->depth]) {
		w->member[w->depth] = text;
		w->i++;
		return true;
	}
	tell(w, text);
	return true;
}

bool
store_values_each(struct span rec,
    void (*on_value)(void *arg, const struct store_value *v), void *arg)
{
	struct walk w = {.s = rec, .on_value = on_value, .arg = arg};

	while (w.i < rec.len) {
		uint8_t c = rec.data[w.i];

		if (c == '"') {
			if (!take_quoted(&w))
				return false;
			continue;
		}
		if (c == '{' || c == '[') {
			if (w.depth == STORE_REC_DEPTH)
				return false;
			w.depth++;
			w.list[w.depth] = c == '[';
			w.member[w.depth] = SPAN(NULL, 0);
		} else if (c == '}' || c == ']') {
			if (w.depth == 0)
				return false;
			w.depth--;
		}
		w.i++;
	}
	return w.depth == 0;
}

/* --- terms --- */

struct terms {
	void (*on_term)(void *arg, enum store_term t, struct span value);
	void *arg;
};

static void
look_for_term(void *arg, const struct store_value *v)
{
	const struct terms *t = arg;

	for (size_t k = 0; !v->deeper && k < sizeof(places) / sizeof(places[0]);
	     k++) {
		const struct place *p = &places[k];

		if (!span_eq_str(v->member, p->member) ||
		    !span_eq_str(v->within, p->within == NULL ? "" : p->within))
			continue;
		for (int n = 0; n < p->n; n++)
			t->on_term(t->arg, p->term[n], v->text);
		return;
	}
}

void
store_terms_each(struct span rec,
    void (*on_term)(void *arg, enum store_term t, struct span value), void *arg)
{
	struct terms t = {on_term, arg};

	(void)store_values_each(rec, look_for_term, &t);
}
