/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the parts of a message say: words, patterns and numbers in decoded text,
 * in documents and in mail that was attached as a file. A part that cannot be
 * read in full may hold whatever is looked for.
 */
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
#include "mime/scan.h"
#include "mime/tree.h"
#include "mime/words.h"

enum { DEPTH_MAX = 3 }; /* of mail in files in one another */

struct content {
	struct facts *f;
	uint64_t *count;      /* for each condition, of the text in hand */
	uint64_t *apart;      /* of each part by itself, in all */
	uint64_t deadline_ms; /* of clock_cpu_ms() */
	bool unsure;	      /* some of it could not be read */
	unsigned documents;   /* that were looked into */
	unsigned depth;	      /* of messages that are no part of the tree */
	/* Text that stands in the message itself, one part behind another as
	   readers show it. */
	struct buf joined;
	unsigned n_joined;
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

static bool
is_of(const struct sniffed *s, const char *type)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->type[i], type) == 0)
			return true;
	return false;
}

/* Each format has something that no document of it lacks, wherever its parts
   are. */
static bool
is_office(struct span octets, const struct sniffed *s)
{
	return is_of(s, "application/zip") &&
	       (span_find(octets, 0, SPAN_LIT("[Content_Types].xml")) <
		       octets.len ||
		   span_find(octets, 0, SPAN_LIT("content.xml")) < octets.len);
}

/* A document that rules look into: its text, or that it could not be had. Those
   of older office programs, and encrypted ones, are in an OLE storage. */
static void
look_into(struct content *c, struct span octets, const struct sniffed *s)
{
	const struct facts_extract *x = &c->f->in->extract;
	bool pdf = x->pdf && is_of(s, "application/pdf");
	bool office = x->office && is_office(octets, s);
	struct buf text;

	if (x->office && is_of(s, "application/x-ole-storage"))
		c->unsure = true;
	if (!pdf && !office)
		return;
	buf_init(&text, LIMIT_CONTENT_PART);
	if (x->text == NULL || c->documents++ == LIMIT_EXTRACT_DOCUMENTS ||
	    x->text(x->arg, pdf ? FACTS_PDF : FACTS_OFFICE, octets, &text) !=
		ERR_OK)
		c->unsure = true;
	look_at(c, buf_span(&text));
	buf_clear(&text);
}

/* Is a part to be searched as text, whatever it says that it is? Text is often
   sent as application/octet-stream. A document is looked into here. Sets
   c->unsure for what is neither text, by its word or its octets, nor of a known
   format. */
static bool
is_text_by_octets(struct content *c, const struct mime_part *p)
{
	struct sniffed s = {.n = 0};
	struct buf octets;
	bool whole = true, text;

	/* a message that was not taken apart, or is not all there */
	if (facts_is_message(p) || mime_part_is(p, "message", "partial"))
		c->unsure = true;
	buf_init(&octets, LIMIT_MESSAGE_SIZE_MAX);
	if (mime_part_octets(p, &octets, &whole) != ERR_OK)
		whole = false;
	text = looks_like_text(buf_span(&octets));
	sniff(buf_span(&octets), &s);
	look_into(c, buf_span(&octets), &s);
	buf_clear(&octets);
	if (!mime_part_is_text(p) &&
	    (!whole || (!text && s.n == 0 && !is_sealed(p))))
		c->unsure = true;
	return text;
}

static bool
is_html(const struct mime_part *p)
{
	const char *name = mime_part_filename(p);

	return mime_part_is(p, "text", "html") ||
	       mime_part_is(p, "application", "xhtml+xml") ||
	       facts_fits("*.htm", name) || facts_fits("*.html", name) ||
	       facts_fits("*.xhtml", name);
}

/* Words may go on in the next part. */
static void
join(struct content *c, struct span text)
{
	if (c->n_joined++ > 0 && buf_puts(&c->joined, " ") != ERR_OK)
		c->unsure = true;
	if (buf_put(&c->joined, text) != ERR_OK)
		c->unsure = true;
}

static void
look_at_text(struct content *c, const struct mime_part *p)
{
	bool html = is_html(p), whole = true, closed = true;
	struct buf text, plain;

	buf_init(&text, LIMIT_CONTENT_PART);
	buf_init(&plain, LIMIT_CONTENT_PART);
	if ((html ? mime_part_html(p, &text, &whole)
		  : mime_part_text(p, &text, &whole)) != ERR_OK)
		whole = false;
	if (html && mime_html_text(buf_span(&text), &plain, &closed) != ERR_OK)
		whole = false;
	look_at(c, buf_span(html ? &plain : &text));
	if (mime_part_filename(p) == NULL)
		join(c, buf_span(html ? &plain : &text));
	if (!whole || !closed)
		c->unsure = true;
	buf_clear(&plain);
	buf_clear(&text);
}

/* Mail that was attached as a file: a header begins it, and says that it is
   MIME or how its text is encoded. */
static bool
is_mail_file(const struct mime_part *p, struct span octets)
{
	size_t end = span_find(octets, 0, SPAN_LIT("\n\r\n")), other;
	struct span head;

	if (facts_fits("*.eml", mime_part_filename(p)))
		return true;
	other = span_find(octets, 0, SPAN_LIT("\n\n"));
	head = SPAN(octets.data, other < end ? other : end);
	for (size_t at = 0; at < head.len;
	     at = span_find_chr(head, at, '\n') + 1) {
		struct span line = SPAN(head.data + at, head.len - at);

		if (span_starts_caseeq(line, "Content-Transfer-Encoding:") ||
		    span_starts_caseeq(line, "MIME-Version:"))
			return true;
	}
	return false;
}

/* With line ends as they are in mail, and what the parser wants behind it. */
static enum err
as_mail(struct content *c, struct span octets, struct span *out)
{
	static const uint8_t padding[MIME_TREE_PADDING];
	struct buf b;
	enum err e = ERR_OK;

	buf_init(&b, 2 * LIMIT_CONTENT_PART);
	for (size_t at = 0, end; e == ERR_OK && at < octets.len; at = end + 1) {
		end = span_find_chr(octets, at, '\n');
		e = buf_put(&b,
		    SPAN(octets.data + at,
			end - at - (end > at && octets.data[end - 1] == '\r')));
		if (e == ERR_OK && end < octets.len)
			e = buf_puts(&b, "\r\n");
	}
	if (e == ERR_OK)
		e = buf_put(&b, SPAN(padding, sizeof(padding)));
	if (e == ERR_OK)
		e = arena_span(c->f->arena, buf_span(&b), out);
	if (e == ERR_OK)
		out->len -= sizeof(padding);
	buf_clear(&b);
	return e;
}

static void look_at_part(struct facts *f, const struct mime_part *p, void *arg);

/* Its parts are looked at as if they were the message's. */
static void
look_at_mail_file(struct content *c, struct span octets)
{
	struct mime_tree *tree = NULL;
	struct mime_scan scan;
	struct span mail = {NULL, 0};
	enum err e = ERR_LIMIT;

	if (c->depth < DEPTH_MAX)
		e = as_mail(c, octets, &mail);
	if (e == ERR_OK)
		e = mime_scan(mail, &scan, NULL);
	if (e == ERR_OK && scan.complex != NULL)
		e = ERR_LIMIT;
	if (e == ERR_OK)
		e = mime_tree_parse_entity(
		    mail, &scan, true, c->f->arena, &tree, NULL);
	if (e != ERR_OK || mime_tree_is_ambiguous(tree, NULL)) {
		c->unsure = true;
		return;
	}
	c->depth++;
	facts_each_part(c->f, mime_tree_root(tree), look_at_part, c);
	c->depth--;
}

static void
look_at_part(struct facts *f, const struct mime_part *p, void *arg)
{
	struct content *c = arg;
	struct buf octets;
	bool whole = true;

	(void)f;
	if (mime_part_child_count(p) > 0 ||
	    (!is_text_by_octets(c, p) && !mime_part_is_text(p)))
		return;
	look_at_text(c, p);
	if (mime_part_filename(p) == NULL &&
	    strcmp(mime_part_type(p), "text") == 0)
		return;
	buf_init(&octets, LIMIT_MESSAGE_SIZE_MAX);
	if (mime_part_octets(p, &octets, &whole) == ERR_OK &&
	    is_mail_file(p, buf_span(&octets)))
		look_at_mail_file(c, buf_span(&octets));
	buf_clear(&octets);
}

/* What goes on from one part to the next is found in all of them together; how
   often, whichever is more. */
static enum err
look_at_joined(struct content *c)
{
	size_t n = c->f->m->n;
	enum err e = ERR_OK;

	c->apart = c->count;
	if (c->n_joined > 1) {
		c->count = arena_array(c->f->arena, n + 1, sizeof(*c->count));
		e = c->count == NULL ? ERR_NOMEM : ERR_OK;
	}
	if (c->n_joined > 1 && e == ERR_OK)
		look_at(c, buf_span(&c->joined));
	for (size_t i = 0; e == ERR_OK && i < n; i++)
		if (c->count[i] > c->apart[i])
			c->apart[i] = c->count[i];
	return e;
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
	buf_init(&c.joined, LIMIT_CONTENT_PART);
	look_at_subject(&c);
	facts_each_part(
	    f, mime_tree_root(f->in->message->tree), look_at_part, &c);
	f->err = look_at_joined(&c);
	buf_clear(&c.joined);
	if (f->err != ERR_OK)
		return;
	for (size_t i = 0; i < f->m->n; i++) {
		if (f->m->list[i].kind != POLICY_CONTENT)
			continue;
		if (c.apart[i] >= f->m->list[i].number)
			f->truth[i] = POLICY_YES;
		else if (c.unsure)
			f->truth[i] = POLICY_UNSURE;
	}
}
