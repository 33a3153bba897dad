/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Reading a filter and applying it. Addresses are compared without regard to
 * case: an administrator types what a table shows.
 */
#include "gateway/store/filter.h"

#include <jansson.h>
#include <string.h>
#include <strings.h>

#include "gateway/store/store_private.h"

static const char *const states[] = {
    "held", "waiting", "queued", "undecided", "parked", "under-way", "deleted"};

bool
store_is_state_word(const char *word)
{
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(word, states[i]) == 0)
			return true;
	return false;
}

/* --- reading --- */

static bool
read_text(const json_t *filter, const char *name, const char **out)
{
	const json_t *v = json_object_get(filter, name);

	*out = json_string_value(v);
	return v == NULL || (*out != NULL && (*out)[0] != '\0');
}

static bool
read_number(
    const json_t *filter, const char *name, uint64_t unit, uint64_t *out)
{
	const json_t *v = json_object_get(filter, name);
	json_int_t n = json_integer_value(v);

	if (v == NULL)
		return true;
	if (!json_is_integer(v) || n <= 0 ||
	    (uint64_t)n > (uint64_t)INT64_MAX / unit)
		return false;
	*out = (uint64_t)n * unit;
	return true;
}

bool
store_filter_read(const json_t *request, struct store_filter *out)
{
	const json_t *f = json_object_get(request, "filter");
	struct store_filter r = {0};

	if (f != NULL && !json_is_object(f))
		return false;
	if (!read_text(f, "from", &r.from) || !read_text(f, "to", &r.to) ||
	    !read_text(f, "domain", &r.domain) ||
	    !read_text(f, "reason", &r.reason) ||
	    !read_text(f, "state", &r.state) ||
	    !read_number(f, "older_s", 1000, &r.older_ms) ||
	    !read_number(f, "newer_s", 1000, &r.newer_ms) ||
	    !read_number(f, "larger", 1, &r.larger) ||
	    !read_number(f, "smaller", 1, &r.smaller) ||
	    (r.state != NULL && !store_is_state_word(r.state)))
		return false;
	*out = r;
	return true;
}

/* --- applying --- */

const char *
store_state_word(const struct store_status *st, const struct store_item *item)
{
	if (st->doomed)
		return "deleted";
	if (item != NULL && item->flight != STORE_FLIGHT_NONE)
		return "under-way";
	switch (st->state) {
	case STORE_HELD:
		return "held";
	case STORE_WAITING:
		return "waiting";
	case STORE_QUEUED:
		return st->kind == ENTRY_PENDING ? "undecided" : "queued";
	case STORE_PARKED:
		return "parked";
	}
	return "held";
}

static bool
has_domain(const char *addr, const char *domain)
{
	const char *at = strrchr(addr, '@');

	return at != NULL && strcasecmp(at + 1, domain) == 0;
}

static bool
is_addr(const char *addr, const char *key, const char *wanted)
{
	if (strcmp(wanted, "<>") == 0)
		return addr[0] == '\0';
	if (wanted[0] == '@')
		return has_domain(addr, wanted + 1) ||
		       has_domain(key, wanted + 1);
	return strcasecmp(addr, wanted) == 0 || strcasecmp(key, wanted) == 0;
}

static bool
has_rcpt(const struct store_filter *f, const struct entry *e,
    const struct store_status *st)
{
	const struct entry_rcpt *r;

	if (f->to == NULL && f->domain == NULL)
		return true;
	for (uint32_t i = 0; i < e->n_rcpt; i++) {
		r = &e->rcpt[i];
		if (i < st->done.len && st->done.data[i] != PROTO_DEFERRED)
			continue;
		if ((f->to == NULL || is_addr(r->addr, r->key, f->to)) &&
		    (f->domain == NULL || has_domain(r->addr, f->domain) ||
			has_domain(r->key, f->domain)))
			return true;
	}
	return false;
}

static bool
says(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (; *text != '\0'; text++)
		if (strncasecmp(text, word, n) == 0)
			return true;
	return false;
}

static bool
has_reason(const struct store_filter *f, const struct entry *e,
    const struct store_status *st)
{
	return f->reason == NULL || says(st->last, f->reason) ||
	       says(e->reason, f->reason) || says(e->rule, f->reason) ||
	       says(entry_why_name(st->why), f->reason);
}

bool
store_filter_fits(const struct store_filter *f, const struct entry *e,
    const struct store_status *st, const struct store_item *item,
    uint64_t age_ms)
{
	if (f->from != NULL && !is_addr(e->from, e->from_key, f->from))
		return false;
	if (f->state != NULL &&
	    strcmp(store_state_word(st, item), f->state) != 0)
		return false;
	if ((f->older_ms != 0 && age_ms < f->older_ms) ||
	    (f->newer_ms != 0 && age_ms > f->newer_ms) ||
	    (f->larger != 0 && e->body_size < f->larger) ||
	    (f->smaller != 0 && e->body_size > f->smaller))
		return false;
	return has_rcpt(f, e, st) && has_reason(f, e, st);
}
