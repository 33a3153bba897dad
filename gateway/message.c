/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Facts of a message. Whatever cannot be told for sure counts on the side of
 * more protection.
 */
#include "gateway/message.h"

#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "gateway/message_private.h"
#include "mime/addr.h"
#include "mime/anonymise.h"
#include "mime/header.h"
#include "mime/subject_tag.h"
#include "mime/tree.h"
#include "policy/policy.h"

static enum err
find_tags(const struct policy *policy, const struct mime_header *h,
    struct arena *arena, struct message *m)
{
	size_t n;
	const char *const *tags = policy_tags(policy, &n);
	enum err e;

	m->has_tag = arena_array(arena, n, sizeof(*m->has_tag));
	if (m->has_tag == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++) {
		e = mime_subject_has_tag(h, tags[i], &m->has_tag[i]);
		if (e != ERR_OK)
			return e;
	}
	return mime_subject_strip(h, tags, n, &m->subject);
}

static bool
is_automatic(const struct message *m, const struct mime_header *h)
{
	const struct mime_field *f =
	    mime_header_find(h, "Auto-Submitted", NULL);
	const struct mime_part *root = mime_tree_root(m->tree);
	const char *report;

	/* RFC 3834 5: anything but "no" */
	if (f != NULL && !span_caseeq_str(span_trim(f->value), "no"))
		return true;
	if (!mime_part_is(root, "multipart", "report"))
		return false;
	report = mime_part_param(root, "report-type");
	return report != NULL &&
	       span_caseeq_str(span_str(report), "disposition-notification");
}

/* The one address in the one From field. */
static const char *
find_author(const struct mime_header *h, struct arena *arena)
{
	const struct mime_field *f;
	struct mime_addr_list list;

	if (mime_header_unique(h, "From", &f) != ERR_OK ||
	    mime_addr_parse_list(
		f->value, MIME_ADDR_UTF8, arena, &list, NULL) != ERR_OK ||
	    list.n != 1)
		return NULL;
	return list.addrs[0].key;
}

static bool
add_shown(struct message *m, const struct mime_header *h, const char *name,
    size_t max, struct arena *arena)
{
	const struct mime_field *f = NULL;
	struct mime_addr_list list;

	while ((f = mime_header_find(h, name, f)) != NULL) {
		if (mime_addr_parse_list(
			f->value, MIME_ADDR_UTF8, arena, &list, NULL) != ERR_OK)
			return false;
		for (size_t i = 0; i < list.n; i++) {
			if (m->n_shown == max)
				return false;
			m->shown[m->n_shown++] = list.addrs[i].key;
		}
	}
	return true;
}

static enum err
find_shown(struct message *m, const struct mime_header *h, struct arena *arena)
{
	size_t max = LIMIT_RECIPIENTS;

	m->shown = arena_array(arena, max, sizeof(*m->shown));
	if (m->shown == NULL)
		return ERR_NOMEM;
	m->shown_known = add_shown(m, h, "To", max, arena) &&
			 add_shown(m, h, "Cc", max, arena);
	return ERR_OK;
}

enum err
message_parse(const struct policy *policy, struct span raw, bool smtputf8,
    struct arena *arena, struct message *out, struct err_why *why)
{
	struct message m = {.raw = raw};
	const struct mime_header *h;
	enum err e = mime_scan(raw, &m.scan, why);

	if (e != ERR_OK)
		return e;
	buf_init(&m.subject, LIMIT_FIELD_SIZE * 2);
	e = mime_tree_parse(raw, &m.scan, smtputf8, arena, &m.tree, why);
	if (e != ERR_OK)
		goto out;
	h = mime_tree_header(m.tree);
	m.ambiguous = mime_tree_is_ambiguous(m.tree, &m.ambiguous_why);
	m.automatic = is_automatic(&m, h);
	m.author = m.ambiguous ? NULL : find_author(h, arena);
	e = message_find_protected(&m, arena);
	if (e != ERR_OK)
		goto out;
	e = find_tags(policy, h, arena, &m);
	if (e != ERR_OK)
		goto out;
	e = message_find_factor(&m, policy, h, arena);
	if (e != ERR_OK)
		goto out;
	e = find_shown(&m, h, arena);
	if (e != ERR_OK)
		goto out;
	*out = m;
	m = (struct message){0};
out:
	message_clear(&m);
	return e;
}

void
message_clear(struct message *m)
{
	if (m == NULL)
		return;
	buf_clear(&m->subject);
	message_clear_factor(&m->factor);
}

struct mime_edit
message_edit(const struct message *m, const char *trace)
{
	return (struct mime_edit){
	    .trace = span_str(trace), .subject = buf_span(&m->subject)};
}

/* Does the message say so itself? */
static bool
is_labelled(const struct mime_header *h, const char *label)
{
	const struct mime_field *f = NULL;

	while ((f = mime_header_find(h, "X-Classification", f)) != NULL)
		if (span_eq_str(span_trim(f->value), label))
			return true;
	return false;
}

static enum err
put_labels(
    const struct message *m, const struct policy_decision *d, struct buf *out)
{
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < d->n_labels; i++)
		if (!is_labelled(mime_tree_header(m->tree), d->label[i]))
			e = mime_header_put(
			    out, "X-Classification", span_str(d->label[i]));
	return e;
}

/* Our own trace tells of the client, too. */
static enum err
shorten_trace(struct span *trace, struct arena *arena)
{
	struct mime_header h;
	struct buf text;
	enum err e;

	if (trace->len == 0)
		return ERR_OK;
	buf_init(&text, LIMIT_FIELD_SIZE);
	e = mime_header_parse(*trace, arena, &h, NULL);
	if (e == ERR_OK && h.n != 1)
		e = ERR_INTERNAL;
	if (e == ERR_OK)
		e = mime_received_short(&h.fields[0], &text);
	if (e == ERR_OK)
		e = arena_span(arena, buf_span(&text), trace);
	buf_clear(&text);
	return e;
}

enum err
message_edit_by(const struct message *m, const struct policy_decision *d,
    struct arena *arena, struct mime_edit *edit)
{
	struct buf labels;
	enum err e = ERR_OK;

	edit->anonymise = d->extra.anonymise;
	if (edit->anonymise)
		e = shorten_trace(&edit->trace, arena);
	if (e != ERR_OK || d->n_labels == 0)
		return e;
	buf_init(&labels, LIMIT_FIELD_SIZE);
	e = put_labels(m, d, &labels);
	if (e == ERR_OK)
		e = arena_span(arena, buf_span(&labels), &edit->add);
	buf_clear(&labels);
	return e;
}

bool
message_shows(const struct message *m, const char *key)
{
	if (!m->shown_known)
		return false;
	for (size_t i = 0; i < m->n_shown; i++)
		if (strcmp(m->shown[i], key) == 0)
			return true;
	return false;
}

const char *
message_field(const struct message *m, const char *name, struct arena *arena)
{
	struct mime_header edited;
	const struct mime_header *h = mime_tree_header(m->tree);
	const struct mime_field *f;
	struct buf text;
	const char *out = NULL;

	/* a Subject whose tags were taken out is what everybody sees */
	if (m->subject.len > 0 && strcmp(name, "Subject") == 0) {
		if (mime_header_parse(
			buf_span(&m->subject), arena, &edited, NULL) != ERR_OK)
			return "";
		h = &edited;
	}
	f = mime_header_find(h, name, NULL);
	if (f == NULL)
		return "";
	buf_init(&text, LIMIT_FIELD_SIZE * 4);
	if (mime_header_decode(f->value, &text) == ERR_OK)
		out = arena_span_str(arena, buf_span(&text));
	buf_clear(&text);
	return out == NULL ? "" : out;
}
