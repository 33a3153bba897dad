/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the parts of a message are: attachments by name and by what their octets
 * begin with, invitations. A part that cannot be read in full may be whatever
 * is looked for. What they say is facts_content.c's.
 */
#include <fnmatch.h>
#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "gateway/facts_private.h"
#include "gateway/message.h"
#include "gateway/sniff.h"
#include "mime/part_text.h"
#include "mime/tree.h"

bool
facts_is_message(const struct mime_part *p)
{
	return mime_part_is(p, "message", "rfc822") ||
	       mime_part_is(p, "message", "global");
}

void
facts_each_part(struct facts *f, const struct mime_part *p,
    void (*one)(struct facts *, const struct mime_part *, void *), void *arg)
{
	size_t n = mime_part_child_count(p);

	for (size_t i = 0; i < n; i++)
		facts_each_part(f, mime_part_child(p, i), one, arg);
	if (n == 0 || facts_is_message(p))
		one(f, p, arg);
}

/* --- invitations --- */

static void
is_calendar(struct facts *f, const struct mime_part *p, void *found)
{
	if (mime_part_is(p, "text", "calendar"))
		*(bool *)found = true;
}

void
facts_find_calendar(struct facts *f)
{
	bool found = false;

	facts_each_part(
	    f, mime_tree_root(f->in->message->tree), is_calendar, &found);
	for (size_t i = 0; i < f->m->n; i++)
		if (f->m->list[i].kind == POLICY_CALENDAR)
			f->truth[i] = found ? POLICY_YES : POLICY_NO;
}

/* --- attachments --- */

bool
facts_fits(const char *pattern, const char *text)
{
	return text != NULL && fnmatch(pattern, text, FNM_CASEFOLD) == 0;
}

static const char *
declared_type(struct facts *f, const struct mime_part *p)
{
	return arena_printf(
	    f->arena, "%s/%s", mime_part_type(p), mime_part_subtype(p));
}

/* Text without a name is the message itself. */
static bool
is_body(const struct mime_part *p)
{
	return mime_part_filename(p) == NULL && !mime_part_filename_unread(p) &&
	       (mime_part_is(p, "text", "plain") ||
		   mime_part_is(p, "text", "html"));
}

static void
match_attachment(struct facts *f, const struct mime_part *p, void *unused)
{
	struct sniffed s = {.n = 0};
	const char *declared, *name = mime_part_filename(p);
	struct buf octets;
	bool whole = true, named;

	(void)unused;
	if (is_body(p))
		return;
	named = !mime_part_filename_unread(p) &&
		(name == NULL || !facts_is_unread(span_str(name)));
	/* mail programs give it a name */
	if (name == NULL && facts_is_message(p))
		name = "message.eml";
	declared = declared_type(f, p);
	buf_init(&octets, LIMIT_MESSAGE_SIZE_MAX);
	if (declared == NULL || mime_part_octets(p, &octets, &whole) != ERR_OK)
		whole = false;
	sniff(buf_span(&octets), &s);
	buf_clear(&octets);
	for (size_t i = 0; i < f->m->n; i++) {
		const struct matcher *m = &f->m->list[i];
		bool hit;

		if (m->kind != POLICY_ATTACHMENT || f->truth[i] == POLICY_YES)
			continue;
		/* of two names programs differ in which they show */
		hit = m->is_type
			  ? facts_fits(m->text, declared)
			  : facts_fits(m->text, name) ||
				facts_fits(m->text, mime_part_param(p, "name"));
		for (size_t k = 0; m->is_type && k < s.n; k++)
			hit = hit || facts_fits(m->text, s.type[k]);
		if (hit)
			f->truth[i] = POLICY_YES;
		else if (m->is_type ? !whole : !named)
			f->truth[i] = POLICY_UNSURE;
	}
}

void
facts_find_attachments(struct facts *f)
{
	facts_each_part(
	    f, mime_tree_root(f->in->message->tree), match_attachment, NULL);
}
