/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The structure is found by its own, strict walk, because the parser takes
 * lines only; headers are read by the parser. A message in which the two could
 * differ later is none of ours to mend: it is refused, or looked at as what
 * was written.
 */
#include "mime/binary.h"

#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "mime/header.h"
#include "mime/recode.h"
#include "mime/scan.h"
#include "mime/tree.h"

enum {
	HEADER_ARENA = 8 * 1024 * 1024,
	BOUNDARY_MAX = 70, /* RFC 2046 5.1.1 */
};

struct walk {
	const struct mime_sink *to;
	struct err_why *why;
	unsigned parts;
};

/* An entity as its header describes it. */
struct entity {
	struct arena *arena; /* of the following */
	uint8_t *copy;	     /* the header, with room behind it */
	struct mime_header header;
	const struct mime_part *part;
	struct span body;
	bool identity; /* its octets stand for themselves */
};

static enum err write_entity(
    struct walk *w, struct span in, unsigned depth, bool digest, bool top);

static enum err
refuse(struct walk *w, const char *what)
{
	return err_why(w->why, ERR_CONVERT, "%s", what);
}

/* Lines of at most max octets that end in CRLF, and no NUL. */
static bool
is_lines(struct span s, size_t max)
{
	size_t line = 0;

	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.data[i];

		if (c == '\0' ||
		    (c == '\n' && (i == 0 || s.data[i - 1] != '\r')) ||
		    (c == '\r' && (i + 1 == s.len || s.data[i + 1] != '\n')))
			return false;
		line = c == '\n' ? 0 : line + 1;
		if (line > max + 1) /* the CR counts here */
			return false;
	}
	return true;
}

/* --- the header --- */

/* Octets up to and with the line end of its last field; false: no empty line
   ends it. */
static bool
find_header(struct span in, size_t *len)
{
	*len = 0;
	if (in.len >= 2 && memcmp(in.data, "\r\n", 2) == 0)
		return true;
	for (size_t i = 0; i + 4 <= in.len; i++)
		if (memcmp(in.data + i, "\r\n\r\n", 4) == 0) {
			*len = i + 2;
			return true;
		}
	return false;
}

static enum err
parse_header(struct walk *w, struct span header, struct entity *e)
{
	static const char end[] = "\r\n";
	size_t len = header.len + sizeof(end) - 1;
	struct mime_scan scan;
	struct mime_tree *tree;
	enum err err;

	e->copy = calloc(1, len + MIME_TREE_PADDING);
	if (e->copy == NULL)
		return ERR_NOMEM;
	if (header.len > 0)
		memcpy(e->copy, header.data, header.len);
	memcpy(e->copy + header.len, end, sizeof(end) - 1);
	err = mime_scan(SPAN(e->copy, len), &scan, w->why);
	if (err == ERR_OK)
		err = mime_tree_parse_entity(
		    SPAN(e->copy, len), &scan, true, e->arena, &tree, w->why);
	if (err == ERR_OK)
		err = mime_header_parse(
		    SPAN(e->copy, len), e->arena, &e->header, w->why);
	if (err == ERR_OK)
		e->part = mime_tree_root(tree);
	return err;
}

static bool
is_unique(const struct mime_header *h, const char *name)
{
	return mime_header_count(h, name) <= 1;
}

static enum err
open_entity(struct walk *w, struct span in, size_t len, struct entity *e)
{
	size_t at = len + 2; /* behind the empty line */
	enum recode_form form;
	enum err err;

	*e = (struct entity){.arena = arena_new(HEADER_ARENA)};
	if (e->arena == NULL)
		return ERR_NOMEM;
	if (len > LIMIT_HEADER_SIZE)
		return err_why(w->why, ERR_LIMIT,
		    "a header is larger than %u octets", LIMIT_HEADER_SIZE);
	err = parse_header(w, SPAN(in.data, len), e);
	if (err != ERR_OK)
		return err;
	if (e->header.no_end || !is_unique(&e->header, "Content-Type") ||
	    !is_unique(&e->header, "Content-Transfer-Encoding"))
		return refuse(w, "a part's header can be read in two ways");
	e->body = SPAN(in.data + at, in.len - at);
	e->identity =
	    recode_form_of(mime_part_encoding(e->part), &form) == ERR_OK &&
	    form == RECODE_PLAIN;
	return ERR_OK;
}

static void
close_entity(struct entity *e)
{
	free(e->copy);
	arena_free(e->arena);
}

/* The fields, with this encoding if it is not NULL, and the empty line. */
static enum err
write_header(const struct walk *w, const struct entity *e, const char *encoding)
{
	static const char name[] = "Content-Transfer-Encoding";
	const struct mime_field *old = mime_header_find(&e->header, name, NULL);
	enum err err = ERR_OK;

	for (size_t i = 0; err == ERR_OK && i < e->header.n; i++)
		if (encoding == NULL || &e->header.fields[i] != old)
			err = mime_put(w->to, e->header.fields[i].whole);
	if (err == ERR_OK && encoding != NULL) {
		err = mime_puts(w->to, "Content-Transfer-Encoding: ");
		if (err == ERR_OK)
			err = mime_puts(w->to, encoding);
		if (err == ERR_OK)
			err = mime_puts(w->to, "\r\n");
	}
	return err == ERR_OK ? mime_puts(w->to, "\r\n") : err;
}

/* What was binary is 8-bit text now. */
static const char *
new_label(const struct entity *e)
{
	return strcmp(mime_part_encoding(e->part), "binary") == 0 ? "8bit"
								  : NULL;
}

/* --- leaves, and what is taken as it is --- */

static enum err
write_as_it_is(struct walk *w, const struct entity *e)
{
	enum err err = write_header(w, e, new_label(e));

	return err == ERR_OK ? mime_put(w->to, e->body) : err;
}

static enum err
write_base64(struct walk *w, const struct entity *e)
{
	const struct recode r = {
	    .in = e->body, .from = RECODE_PLAIN, .to = RECODE_BASE64};
	enum err err = write_header(w, e, "base64");

	return err == ERR_OK ? recode_write(&r, w->to) : err;
}

static enum err
write_leaf(struct walk *w, const struct entity *e, bool top)
{
	if (is_lines(e->body, LIMIT_LINE_OUT))
		return write_as_it_is(w, e);
	if (!e->identity)
		return is_lines(e->body, LIMIT_LINE_IN)
			   ? write_as_it_is(w, e)
			   : refuse(w, "an encoded part is not made of lines");
	/* without MIME nobody would know what it is */
	if (top && mime_header_count(&e->header, "MIME-Version") != 1)
		return refuse(w, "binary contents need MIME-Version");
	return write_base64(w, e);
}

static enum err
write_opaque(
    struct walk *w, const struct entity *e, enum err code, const char *what)
{
	if (!is_lines(e->body, LIMIT_LINE_IN))
		return err_why(w->why, code, "%s", what);
	return write_as_it_is(w, e);
}

/* --- multiparts --- */

struct delimiter {
	size_t at;   /* of its two dashes */
	size_t next; /* behind its line */
	bool last;
};

/* RFC 2046 5.1.1: dashes, boundary, perhaps dashes, blanks, CRLF or the end. */
static bool
is_delimiter(struct span s, size_t at, struct span b, struct delimiter *out)
{
	size_t i = at + 2 + b.len;

	if (s.len - at < 2 + b.len || memcmp(s.data + at, "--", 2) != 0 ||
	    memcmp(s.data + at + 2, b.data, b.len) != 0)
		return false;
	out->at = at;
	out->last = s.len - i >= 2 && memcmp(s.data + i, "--", 2) == 0;
	i += out->last ? 2 : 0;
	while (i < s.len && (s.data[i] == ' ' || s.data[i] == '\t'))
		i++;
	if (i < s.len && (s.len - i < 2 || memcmp(s.data + i, "\r\n", 2) != 0))
		return false;
	out->next = i < s.len ? i + 2 : i;
	return true;
}

/* The next one at or behind from, which is the start of a line. */
static bool
find_delimiter(struct span s, size_t from, struct span b, struct delimiter *out)
{
	const uint8_t *lf;

	for (size_t at = from; at < s.len;) {
		if (is_delimiter(s, at, b, out))
			return true;
		lf = memchr(s.data + at, '\n', s.len - at);
		while (lf != NULL && (lf == s.data + at || lf[-1] != '\r'))
			lf = memchr(
			    lf + 1, '\n', s.len - (size_t)(lf + 1 - s.data));
		if (lf == NULL)
			return false;
		at = (size_t)(lf - s.data) + 1;
	}
	return false;
}

/* The entity between two delimiters; the line end before the second belongs to
   that. */
static enum err
write_child(struct walk *w, struct span body, const struct delimiter *before,
    const struct delimiter *after, unsigned depth, bool digest)
{
	size_t end =
	    after->at >= before->next + 2 ? after->at - 2 : before->next;
	enum err e;

	e = mime_put(
	    w->to, SPAN(body.data + before->at, before->next - before->at));
	if (e == ERR_OK)
		e = write_entity(w,
		    SPAN(body.data + before->next, end - before->next), depth,
		    digest, false);
	return e == ERR_OK && after->at > end ? mime_puts(w->to, "\r\n") : e;
}

static enum err
write_children(struct walk *w, struct span body, struct span boundary,
    unsigned depth, bool digest)
{
	struct delimiter d, next;
	struct span rest;
	enum err e;

	if (!find_delimiter(body, 0, boundary, &d) || d.last)
		return refuse(w, "a multipart has no part");
	if (!is_lines(SPAN(body.data, d.at), LIMIT_LINE_IN))
		return refuse(w, "there is something before the first part");
	e = mime_put(w->to, SPAN(body.data, d.at));
	while (e == ERR_OK && !d.last) {
		if (!find_delimiter(body, d.next, boundary, &next))
			return refuse(w, "a multipart does not end");
		e = write_child(w, body, &d, &next, depth, digest);
		d = next;
	}
	rest = SPAN(body.data + d.next, body.len - d.next);
	if (e == ERR_OK && !is_lines(rest, LIMIT_LINE_IN))
		return refuse(w, "there is something behind the last part");
	return e == ERR_OK
		   ? mime_put(w->to, SPAN(body.data + d.at, body.len - d.at))
		   : e;
}

static enum err
write_multipart(struct walk *w, const struct entity *e, unsigned depth)
{
	const char *boundary = mime_part_param(e->part, "boundary");
	enum err err;

	/* not an octet of what is signed may change */
	if (mime_part_is(e->part, "multipart", "signed"))
		return write_opaque(w, e, ERR_CONVERT_SIGNED,
		    "binary contents are signed: they cannot be re-encoded");
	if (boundary == NULL || boundary[0] == '\0' ||
	    strlen(boundary) > BOUNDARY_MAX || !e->identity)
		return write_opaque(w, e, ERR_CONVERT,
		    "a multipart with binary contents has no sound boundary");
	err = write_header(w, e, new_label(e));
	return err == ERR_OK
		   ? write_children(w, e->body, span_str(boundary), depth + 1,
			 mime_part_is(e->part, "multipart", "digest"))
		   : err;
}

static enum err
write_message(struct walk *w, const struct entity *e, unsigned depth)
{
	enum err err;

	if (!e->identity)
		return write_opaque(w, e, ERR_CONVERT,
		    "a message in the message has an encoding of its own");
	err = write_header(w, e, new_label(e));
	return err == ERR_OK ? write_entity(w, e->body, depth + 1, false, true)
			     : err;
}

static enum err
write_by_type(struct walk *w, const struct entity *e, unsigned depth,
    bool digest, bool top)
{
	const char *type = mime_part_type(e->part);
	bool untyped = mime_header_count(&e->header, "Content-Type") == 0;

	if (strcmp(type, "multipart") == 0)
		return write_multipart(w, e, depth);
	/* RFC 2046 5.1.5 */
	if ((digest && untyped) || mime_part_is(e->part, "message", "rfc822") ||
	    mime_part_is(e->part, "message", "global"))
		return write_message(w, e, depth);
	if (strcmp(type, "message") == 0)
		return write_opaque(w, e, ERR_CONVERT,
		    "a part of type message has binary contents");
	return write_leaf(w, e, top);
}

static enum err
write_entity(
    struct walk *w, struct span in, unsigned depth, bool digest, bool top)
{
	struct entity e;
	size_t len;
	enum err err;

	if (depth > LIMIT_MIME_DEPTH || ++w->parts > LIMIT_MIME_PARTS)
		return err_why(
		    w->why, ERR_LIMIT, "too many parts within each other");
	if (!find_header(in, &len))
		return is_lines(in, LIMIT_LINE_IN)
			   ? mime_put(w->to, in)
			   : refuse(w, "a header does not end");
	err = open_entity(w, in, len, &e);
	if (err == ERR_OK)
		err = write_by_type(w, &e, depth, digest, top);
	close_entity(&e);
	return err;
}

enum err
mime_binary_write(
    struct span msg, const struct mime_sink *to, struct err_why *why)
{
	struct walk w = {.to = to, .why = why};

	return write_entity(&w, msg, 0, false, true);
}
