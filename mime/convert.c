/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Planning is what seven_bit.c says of each part, as places in the message;
 * the plan is trusted no further than what comes of it. Following it is a walk
 * over the places with one encoder at a time.
 */
#include "mime/convert.h"

#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/err.h"
#include "mime/scan.h"
#include "mime/seven_bit.h"
#include "mime/utf8.h"

/* --- following a plan */

struct mime_convert {
	const struct mime_convert_plan *plan;
	struct mime_sink to;
	uint64_t at;   /* octets so far */
	uint32_t next; /* edit that is begun, or comes next */
	bool begun;
	struct recode_encoder *encoder; /* of a body */
};

struct mime_convert *
mime_convert_new(const struct mime_convert_plan *p, const struct mime_sink *to)
{
	struct mime_convert *c = calloc(1, sizeof(*c));

	if (c == NULL)
		fatal("out of memory");
	c->plan = p;
	c->to = *to;
	return c;
}

void
mime_convert_free(struct mime_convert *c)
{
	if (c == NULL)
		return;
	recode_encoder_free(c->encoder);
	free(c);
}

static enum err
say(const struct mime_convert *c, const char *encoding)
{
	enum err e = mime_puts(&c->to, "Content-Transfer-Encoding: ");

	if (e == ERR_OK)
		e = mime_puts(&c->to, encoding);
	return e == ERR_OK ? mime_puts(&c->to, "\r\n") : e;
}

static enum err
begin(struct mime_convert *c, enum mime_convert_how how)
{
	c->begun = true;
	switch (how) {
	case MIME_CONVERT_SAY_7BIT:
		return say(c, "7bit");
	case MIME_CONVERT_SAY_QP:
		return say(c, "quoted-printable");
	case MIME_CONVERT_SAY_BASE64:
		return say(c, "base64");
	case MIME_CONVERT_TO_QP:
		c->encoder = recode_encoder_new(RECODE_QP, &c->to);
		return ERR_OK;
	case MIME_CONVERT_TO_BASE64:
		c->encoder = recode_encoder_new(RECODE_BASE64, &c->to);
		return ERR_OK;
	case MIME_CONVERT_HOWS:
		break;
	}
	return ERR_INTERNAL;
}

static enum err
end(struct mime_convert *c)
{
	enum err e =
	    c->encoder == NULL ? ERR_OK : recode_encoder_finish(c->encoder);

	recode_encoder_free(c->encoder);
	c->encoder = NULL;
	c->begun = false;
	c->next++;
	return e;
}

/* Begin and end what begins or ends here. */
static enum err
turn(struct mime_convert *c)
{
	const struct mime_convert_edit *x;
	enum err e = ERR_OK;

	while (e == ERR_OK && c->next < c->plan->n) {
		x = &c->plan->edit[c->next];
		if (!c->begun && c->at == x->at)
			e = begin(c, x->how);
		else if (c->begun && c->at == x->at + x->len)
			e = end(c);
		else
			break;
	}
	return e;
}

/* Octets until something begins or ends. */
static uint64_t
room(const struct mime_convert *c)
{
	const struct mime_convert_edit *x;

	if (c->next == c->plan->n)
		return UINT64_MAX;
	x = &c->plan->edit[c->next];
	return (c->begun ? x->at + x->len : x->at) - c->at;
}

enum err
mime_convert_put(struct mime_convert *c, struct span s)
{
	struct span piece;
	uint64_t n;
	enum err e = ERR_OK;

	while (e == ERR_OK && s.len > 0) {
		e = turn(c);
		n = room(c);
		piece = SPAN(s.data, n < s.len ? (size_t)n : s.len);
		if (e == ERR_OK && !c->begun)
			e = mime_put(&c->to, piece);
		else if (e == ERR_OK && c->encoder != NULL)
			e = recode_encoder_put(c->encoder, piece);
		c->at += piece.len;
		s = SPAN(s.data + piece.len, s.len - piece.len);
	}
	return e;
}

enum err
mime_convert_finish(struct mime_convert *c)
{
	enum err e = turn(c);

	return e == ERR_OK && c->next < c->plan->n ? ERR_MALFORMED : e;
}

bool
mime_convert_is_sound(const struct mime_convert_plan *p, uint64_t size)
{
	uint64_t at = 0;

	for (uint32_t i = 0; i < p->n; i++) {
		const struct mime_convert_edit *x = &p->edit[i];

		if (x->at < at || x->at > size || x->len > size - x->at ||
		    (unsigned)x->how >= MIME_CONVERT_HOWS)
			return false;
		at = x->at + x->len;
	}
	return true;
}

/* --- planning */

struct planning {
	struct span msg;
	struct arena *arena;
	struct mime_convert_plan plan;
	uint32_t room;
};

static enum err
add(struct planning *p, const uint8_t *at, size_t len,
    enum mime_convert_how how)
{
	struct mime_convert_edit *grown;

	if (p->plan.n == p->room) {
		p->room = p->room == 0 ? 8 : 2 * p->room;
		grown = arena_array(p->arena, p->room, sizeof(*grown));
		if (grown == NULL)
			return ERR_NOMEM;
		if (p->plan.n > 0)
			memcpy(grown, p->plan.edit, p->plan.n * sizeof(*grown));
		p->plan.edit = grown;
	}
	p->plan.edit[p->plan.n++] = (struct mime_convert_edit){
	    .at = (uint64_t)(at - p->msg.data), .len = len, .how = how};
	return ERR_OK;
}

/* In place of the field that is there, else behind all of them. The tree is
   beyond doubt: there are not two. */
static enum err
add_label(
    struct planning *p, const struct mime_header *h, enum mime_convert_how how)
{
	const struct mime_field *f =
	    mime_header_find(h, "Content-Transfer-Encoding", NULL);

	if (f != NULL)
		return add(p, f->whole.data, f->whole.len, how);
	/* a part may begin with its empty line: then nothing is before it */
	return h->whole.data == NULL
		   ? ERR_UNSUPPORTED
		   : add(p, h->whole.data + h->whole.len, 0, how);
}

static enum err
add_part(struct planning *p, const struct mime_part *part,
    const struct mime_header *h)
{
	struct part_change c = {0};
	enum mime_convert_how label = MIME_CONVERT_SAY_7BIT;
	enum err e;

	seven_bit_plan(part, MIME_TRANSPORT_7BIT, &c);
	if (c.encoding == NULL && !c.rewritten)
		return ERR_OK;
	/* 8-bit characters in what says that it is encoded */
	if (c.rewritten && c.body.from != RECODE_PLAIN)
		return ERR_UNSUPPORTED;
	if (c.rewritten)
		label = c.body.to == RECODE_QP ? MIME_CONVERT_SAY_QP
					       : MIME_CONVERT_SAY_BASE64;
	e = add_label(p, h, label);
	if (e == ERR_OK && c.rewritten)
		e = add(p, part->body.data, part->body.len,
		    c.body.to == RECODE_QP ? MIME_CONVERT_TO_QP
					   : MIME_CONVERT_TO_BASE64);
	return e;
}

/* Is what follows a message of its own, with MIME? */
static bool
is_mime(const struct mime_header *h)
{
	return mime_header_find(h, "MIME-Version", NULL) != NULL;
}

static enum err
walk(struct planning *p, const struct mime_part *part,
    const struct mime_header *h, bool message)
{
	bool inner = strcmp(part->type, "message") == 0;
	enum err e;

	/* a signature stands for these very octets */
	if (part_is_crypto(part) || (message && !is_mime(h)))
		return ERR_OK;
	e = add_part(p, part, h);
	for (size_t i = 0; i < part->n_children && e == ERR_OK; i++)
		e = walk(
		    p, part->children[i], &part->children[i]->fields, inner);
	return e;
}

/* What comes of a plan. */
struct outcome {
	bool is_7bit;
	uint64_t size;
};

static enum err
look(void *ctx, struct span s)
{
	struct outcome *o = ctx;

	o->is_7bit = o->is_7bit && mime_is_ascii(s);
	o->size += s.len;
	return ERR_OK;
}

static enum err
try_plan(const struct planning *p, struct outcome *o)
{
	struct mime_sink sink = {look, o};
	struct mime_convert *c = mime_convert_new(&p->plan, &sink);
	enum err e = mime_convert_put(c, p->msg);

	if (e == ERR_OK)
		e = mime_convert_finish(c);
	mime_convert_free(c);
	return e;
}

static enum err
plan_tree(struct planning *p, const struct mime_tree *tree)
{
	struct outcome o = {.is_7bit = true};
	enum err e = ERR_UNSUPPORTED;

	if (tree->ambiguous == NULL)
		e = walk(p, tree->root, &tree->header, true);
	if (e == ERR_OK && !mime_convert_is_sound(&p->plan, p->msg.len))
		e = ERR_UNSUPPORTED;
	if (e == ERR_OK)
		e = try_plan(p, &o);
	p->plan.size = o.size;
	return e == ERR_OK && !o.is_7bit ? ERR_UNSUPPORTED : e;
}

enum err
mime_convert_plan(
    struct span msg, struct arena *a, struct mime_convert_plan *out)
{
	struct planning p = {.msg = msg, .arena = a};
	struct mime_tree *tree;
	struct mime_scan scan;
	enum err e = mime_scan(msg, &scan, NULL);

	*out = (struct mime_convert_plan){0};
	if (e != ERR_OK || scan.header_8bit || !scan.body_8bit)
		return ERR_OK;
	e = mime_tree_parse(msg, &scan, false, a, &tree, NULL);
	if (e == ERR_OK)
		e = plan_tree(&p, tree);
	if (e == ERR_OK)
		*out = p.plan;
	return e == ERR_NOMEM ? e : ERR_OK;
}
