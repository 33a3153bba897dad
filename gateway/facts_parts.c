/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the parts of a message are and say: attachments by name and by what
 * their octets begin with, words, patterns and numbers in decoded text. A part
 * that cannot be read in full may hold whatever is looked for.
 */
#include <fnmatch.h>
#include <string.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/limits.h"
#include "common/regex.h"
#include "gateway/detect.h"
#include "gateway/facts_private.h"
#include "gateway/message.h"
#include "gateway/sniff.h"
#include "mime/header.h"
#include "mime/part_text.h"
#include "mime/tree.h"
#include "mime/words.h"

/* A message in a message: it has parts of its own and is one itself. */
static bool
is_message(const struct mime_part *p)
{
	return mime_part_is(p, "message", "rfc822") ||
	       mime_part_is(p, "message", "global");
}

/* Call one for each leaf and each attached message. Depth is limited by the
   parser. */
static void
each_part(struct facts *f, const struct mime_part *p,
    void (*one)(struct facts *, const struct mime_part *, void *), void *arg)
{
	size_t n = mime_part_child_count(p);

	for (size_t i = 0; i < n; i++)
		each_part(f, mime_part_child(p, i), one, arg);
	if (n == 0 || is_message(p))
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

	each_part(f, mime_tree_root(f->in->message->tree), is_calendar, &found);
	for (size_t i = 0; i < f->m->n; i++)
		if (f->m->list[i].kind == POLICY_CALENDAR)
			f->truth[i] = found ? POLICY_YES : POLICY_NO;
}

/* --- attachments --- */

/* Names are compared without case, types too. */
static bool
fits(const char *pattern, const char *text)
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
	if (name == NULL && is_message(p))
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
			  ? fits(m->text, declared)
			  : fits(m->text, name) ||
				fits(m->text, mime_part_param(p, "name"));
		for (size_t k = 0; m->is_type && k < s.n; k++)
			hit = hit || fits(m->text, s.type[k]);
		if (hit)
			f->truth[i] = POLICY_YES;
		else if (m->is_type ? !whole : !named)
			f->truth[i] = POLICY_UNSURE;
	}
}

void
facts_find_attachments(struct facts *f)
{
	each_part(
	    f, mime_tree_root(f->in->message->tree), match_attachment, NULL);
}

/* --- content --- */

struct content {
	struct facts *f;
	uint64_t *count;      /* for each condition */
	uint64_t deadline_ms; /* of clock_cpu_ms() */
	bool unsure;	      /* some of it could not be read */
};

static void
count_phrase(void *arg, size_t id)
{
	struct content *c = arg;

	c->count[id]++;
}

static void
count_slow(struct content *c, struct span text)
{
	for (size_t i = 0; i < c->f->m->n_slow; i++) {
		size_t id = c->f->m->slow[i], n = 0;
		const struct matcher *m = &c->f->m->list[id];

		if (c->count[id] >= m->number)
			continue;
		if (m->detector != NULL)
			n = detector_count(m->detector, text,
			    (size_t)(m->number - c->count[id]));
		else if (regex_count(m->regex, text,
			     (size_t)(m->number - c->count[id]), c->deadline_ms,
			     &n) != ERR_OK)
			c->f->truth[id] = POLICY_UNSURE;
		c->count[id] += n;
	}
}

static void
look_at(struct content *c, struct span text)
{
	words_scan(c->f->m->content, text, count_phrase, c);
	count_slow(c, text);
}

/* No octet that text does not have, whatever its charset; UTF-16 has. */
static bool
looks_like_text(struct span octets)
{
	for (size_t i = 0; i < octets.len; i++)
		if ((octets.data[i] < ' ' &&
			strchr("\t\n\v\f\r\x1b", octets.data[i]) == NULL) ||
		    octets.data[i] == 0)
			return false;
	return true;
}

/* Protected: opened elsewhere, or not for us. */
static bool
is_sealed(const struct mime_part *p)
{
	const char *sub = mime_part_subtype(p);

	return strcmp(mime_part_type(p), "application") == 0 &&
	       (strncmp(sub, "pkcs7-", 6) == 0 ||
		   strncmp(sub, "x-pkcs7-", 8) == 0 ||
		   strncmp(sub, "pgp-", 4) == 0);
}

/* Is a part that is not declared text to be searched as such? Text is often
   sent as application/octet-stream. Sets c->unsure for what is neither text
   nor of a known format. */
static bool
is_text_by_octets(struct content *c, const struct mime_part *p)
{
	struct sniffed s = {.n = 0};
	struct buf octets;
	bool whole = true, text;

	/* a message that was not taken apart, or is not all there */
	if (is_message(p) || mime_part_is(p, "message", "partial"))
		c->unsure = true;
	buf_init(&octets, LIMIT_MESSAGE_SIZE_MAX);
	if (mime_part_octets(p, &octets, &whole) != ERR_OK)
		whole = false;
	text = looks_like_text(buf_span(&octets));
	sniff(buf_span(&octets), &s);
	buf_clear(&octets);
	if (!whole || (!text && s.n == 0 && !is_sealed(p)))
		c->unsure = true;
	return text;
}

static bool
is_html(const struct mime_part *p)
{
	const char *name = mime_part_filename(p);

	return mime_part_is(p, "text", "html") ||
	       mime_part_is(p, "application", "xhtml+xml") ||
	       fits("*.htm", name) || fits("*.html", name) ||
	       fits("*.xhtml", name);
}

static void
look_at_part(struct facts *f, const struct mime_part *p, void *arg)
{
	struct content *c = arg;
	struct buf text, plain;
	bool whole = true, closed = true;

	(void)f;
	if (mime_part_child_count(p) > 0 ||
	    (!mime_part_is_text(p) && !is_text_by_octets(c, p)))
		return;
	buf_init(&text, LIMIT_CONTENT_PART);
	buf_init(&plain, LIMIT_CONTENT_PART);
	if (mime_part_text(p, &text, &whole) != ERR_OK)
		whole = false;
	if (is_html(p)) {
		if (mime_html_text(buf_span(&text), &plain, &closed) != ERR_OK)
			whole = false;
		look_at(c, buf_span(&plain));
	} else {
		look_at(c, buf_span(&text));
	}
	if (!whole || !closed)
		c->unsure = true;
	buf_clear(&plain);
	buf_clear(&text);
}

/* Mail programs show the first of several, or the last: look at all. */
static void
look_at_subject(struct content *c)
{
	const struct mime_header *all =
	    mime_tree_header(c->f->in->message->tree);
	const struct mime_field *s = NULL;
	struct buf text;

	buf_init(&text, LIMIT_FIELD_SIZE * 4);
	while ((s = mime_header_find(all, "Subject", s)) != NULL) {
		buf_reset(&text);
		if (mime_header_decode(s->value, &text) != ERR_OK ||
		    facts_is_unread(buf_span(&text)))
			c->unsure = true;
		look_at(c, buf_span(&text));
	}
	buf_clear(&text);
}

void
facts_find_content(struct facts *f)
{
	struct content c = {
	    .f = f, .deadline_ms = clock_cpu_ms() + LIMIT_CONTENT_MS};

	c.count = arena_array(f->arena, f->m->n + 1, sizeof(*c.count));
	if (c.count == NULL) {
		f->err = ERR_NOMEM;
		return;
	}
	look_at_subject(&c);
	each_part(f, mime_tree_root(f->in->message->tree), look_at_part, &c);
	for (size_t i = 0; i < f->m->n; i++) {
		if (f->m->list[i].kind != POLICY_CONTENT)
			continue;
		if (c.count[i] >= f->m->list[i].number)
			f->truth[i] = POLICY_YES;
		else if (c.unsure)
			f->truth[i] = POLICY_UNSURE;
	}
}
