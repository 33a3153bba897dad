/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The plan of a payload: its own header, and the places of the body that are
 * written in another way. What is not in the plan is copied from the message,
 * never made anew from a parse.
 */
#include "mime/payload.h"

#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "mime/payload_private.h"
#include "mime/seven_bit.h"

enum {
	/* trace fields, and each field with its record */
	FIELDS_MAX = 4 * LIMIT_HEADER_SIZE,
	LEGACY_MAX = 8 * LIMIT_HEADER_SIZE,
};

/* A stretch of the body: other octets take its place. */
struct patch {
	const uint8_t *at;
	size_t len;
	struct span text;
	struct recode body; /* in.data is not NULL: this instead of text */
};

struct mime_payload {
	struct arena *arena;
	struct span outer;
	struct span head; /* with the empty line */
	struct span body;
	struct patch *patches; /* in the order of the message */
	size_t n, room;
	const char *unfit;
};

/* While it is made. */
struct plan {
	struct mime_payload *p;
	const struct mime_payload_form *form;
	struct span hidden; /* fields for the legacy display element */
	struct part_change root;
};

bool
part_is_crypto(const struct mime_part *p)
{
	static const struct {
		const char *type, *subtype;
	} types[] = {{"multipart", "signed"}, {"multipart", "encrypted"},
	    {"application", "pkcs7-mime"}, {"application", "x-pkcs7-mime"},
	    {"application", "pkcs7-signature"},
	    {"application", "x-pkcs7-signature"},
	    {"application", "pgp-encrypted"}, {"application", "pgp-signature"}};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (mime_part_is(p, types[i].type, types[i].subtype))
			return true;
	return false;
}

static enum err
add_patch(struct mime_payload *p, const struct patch *patch)
{
	struct patch *grown;

	if (p->n == p->room) {
		p->room = p->room == 0 ? 8 : 2 * p->room;
		grown = arena_array(p->arena, p->room, sizeof(*grown));
		if (grown == NULL)
			return ERR_NOMEM;
		if (p->n > 0)
			memcpy(grown, p->patches, p->n * sizeof(*grown));
		p->patches = grown;
	}
	p->patches[p->n++] = *patch;
	return ERR_OK;
}

/* The fields of an inner part, in the place of the old ones. */
static enum err
patch_fields(struct mime_payload *p, const struct mime_part *part,
    const struct part_change *c)
{
	struct patch patch = {
	    .at = part->fields.whole.data, .len = part->fields.whole.len};
	struct buf text;
	enum err e;

	buf_init(&text, FIELDS_MAX);
	e = part_put_fields(&part->fields, c, false, &text);
	if (e == ERR_OK)
		e = arena_span(p->arena, buf_span(&text), &patch.text);
	buf_clear(&text);
	return e == ERR_OK ? add_patch(p, &patch) : e;
}

static enum err
apply(struct plan *plan, const struct mime_part *part,
    const struct part_change *c, bool root)
{
	struct patch patch = {
	    .at = part->body.data, .len = part->body.len, .body = c->body};
	enum err e = ERR_OK;

	if (root)
		plan->root = *c;
	else if (c->encoding != NULL || c->legacy || c->bare || c->utf8)
		e = patch_fields(plan->p, part, c);
	if (e == ERR_OK && c->rewritten)
		e = add_patch(plan->p, &patch);
	return e;
}

static enum err
plan_part(struct plan *plan, const struct mime_part *part, bool main, bool root)
{
	struct part_change c = {0};
	enum err e = ERR_OK;

	/* a signature stands for these very octets */
	if (part_is_crypto(part))
		return ERR_OK;
	if (main && plan->hidden.len > 0 && legacy_is_main(part))
		e = legacy_plan(part, plan->hidden, plan->p->arena, &c);
	if (e == ERR_OK) {
		seven_bit_plan(part, plan->form->transport, &c);
		e = apply(plan, part, &c, root);
	}
	for (size_t i = 0; i < part->n_children && e == ERR_OK; i++)
		e = plan_part(plan, part->children[i],
		    main && legacy_leads_to(part, i), false);
	return e;
}

static enum err
put_head(const struct plan *plan, const struct mime_header *h,
    const struct header_parts *parts, struct buf *out)
{
	enum err e = buf_put(out, buf_span(&parts->inner));

	if (e == ERR_OK)
		e = buf_put(out, buf_span(&parts->record));
	if (e == ERR_OK)
		e = part_put_fields(h, &plan->root, true, out);
	return e == ERR_OK ? buf_puts(out, "\r\n") : e;
}

/* Header fields are sorted, parts planned, the head written. */
static enum err
make(struct mime_payload *p, const struct mime_tree *tree,
    const struct mime_payload_form *form, struct header_parts *parts,
    struct buf *head)
{
	const struct mime_header *h = &tree->header;
	struct plan plan = {.p = p, .form = form};
	enum mime_hp hp = mime_payload_hp(tree, form);
	enum err e = header_protect(h, form, hp, p->arena, parts);

	p->body = h->body;
	plan.hidden = buf_span(&parts->legacy);
	if (e == ERR_OK && tree->ambiguous == NULL)
		e = plan_part(&plan, tree->root, true, true);
	if (hp != MIME_HP_NONE)
		plan.root.hp = form->sealed ? "cipher" : "clear";
	if (e == ERR_OK)
		e = put_head(&plan, h, parts, head);
	if (e == ERR_OK)
		e = arena_span(p->arena, buf_span(&parts->outer), &p->outer);
	return e == ERR_OK ? arena_span(p->arena, buf_span(head), &p->head) : e;
}

/* The body, with what takes the place of its parts. */
static enum err
write_body(const struct mime_payload *p, const struct mime_sink *to)
{
	const uint8_t *at = p->body.data, *end;
	enum err e = ERR_OK;

	/* an empty message has no octets to point to */
	if (at == NULL)
		return ERR_OK;
	end = at + p->body.len;
	for (size_t i = 0; i < p->n && e == ERR_OK; i++) {
		const struct patch *patch = &p->patches[i];

		if (patch->at < at || patch->len > (size_t)(end - patch->at))
			return ERR_INTERNAL;
		e = mime_put(to, SPAN(at, (size_t)(patch->at - at)));
		if (e == ERR_OK)
			e = patch->body.in.data != NULL
				? recode_write(&patch->body, to)
				: mime_put(to, patch->text);
		at = patch->at + patch->len;
	}
	return e == ERR_OK ? mime_put(to, SPAN(at, (size_t)(end - at))) : e;
}

/* The plan is trusted no further than what it writes. A header in UTF-8 that
   is beyond doubt came with SMTPUTF8: its message goes no other way. */
static enum err
check_fit(struct mime_payload *p, bool utf8, enum mime_transport transport)
{
	struct seven_bit look;
	struct mime_sink sink = seven_bit_sink(&look);
	enum err e;

	if (transport == MIME_TRANSPORT_ANY)
		return ERR_OK;
	seven_bit_init(&look, transport);
	look.utf8 = utf8;
	e = mime_put(&sink, p->head);
	look.utf8 = false;
	if (e == ERR_OK)
		e = write_body(p, &sink);
	p->unfit = seven_bit_end(&look);
	return p->unfit != NULL ? ERR_OK : e;
}

enum err
mime_payload_make(const struct mime_tree *tree,
    const struct mime_payload_form *form, struct arena *a,
    struct mime_payload **out, struct err_why *why)
{
	struct mime_payload *p = arena_alloc(a, sizeof(*p));
	struct header_parts parts;
	struct buf head;
	enum err e = p == NULL ? ERR_NOMEM : ERR_OK;

	buf_init(&parts.outer, FIELDS_MAX);
	buf_init(&parts.inner, FIELDS_MAX);
	buf_init(&parts.record, FIELDS_MAX);
	buf_init(&parts.legacy, LEGACY_MAX);
	buf_init(&head, 2 * FIELDS_MAX);
	if (e == ERR_OK) {
		p->arena = a;
		e = make(p, tree, form, &parts, &head);
	}
	if (e == ERR_OK)
		e = check_fit(p, tree->ambiguous == NULL, form->transport);
	if (e == ERR_OK)
		*out = p;
	else
		err_why(why, e, "the payload cannot be made: %s", err_text(e));
	buf_clear(&parts.outer);
	buf_clear(&parts.inner);
	buf_clear(&parts.record);
	buf_clear(&parts.legacy);
	buf_clear(&head);
	return e;
}

enum mime_hp
mime_payload_hp(
    const struct mime_tree *tree, const struct mime_payload_form *form)
{
	/* RFC 9788 section 4.1: readers look for it inside all layers */
	return part_is_crypto(tree->root) ? MIME_HP_NONE : form->hp;
}

/* --- what was opened */

static enum err
plan_away(struct plan *plan, const struct mime_part *part, bool root)
{
	struct part_change c = {0};
	enum err e = ERR_OK;

	if (part_is_crypto(part))
		return ERR_OK;
	if (legacy_is_main(part))
		e = legacy_away(part, &c);
	if (e == ERR_OK && c.rewritten)
		e = apply(plan, part, &c, root);
	for (size_t i = 0; i < part->n_children && e == ERR_OK; i++)
		if (legacy_leads_to(part, i))
			e = plan_away(plan, part->children[i], false);
	return e;
}

enum err
mime_payload_bare(
    const struct mime_tree *tree, struct arena *a, struct mime_payload **out)
{
	struct mime_payload *p = arena_alloc(a, sizeof(*p));
	const char *hp = mime_part_param(tree->root, "hp");
	struct plan plan = {.p = p};
	struct buf head;
	enum err e;

	if (p == NULL)
		return ERR_NOMEM;
	*p = (struct mime_payload){.arena = a, .body = tree->header.body};
	*out = NULL;
	if (hp == NULL || !span_caseeq_str(span_str(hp), "cipher") ||
	    tree->ambiguous != NULL)
		return ERR_OK;
	buf_init(&head, FIELDS_MAX);
	e = plan_away(&plan, tree->root, true);
	if (e == ERR_OK && p->n > 0)
		e = part_put_fields(&tree->header, &plan.root, true, &head);
	if (e == ERR_OK)
		e = arena_span(a, buf_span(&head), &p->head);
	buf_clear(&head);
	if (e == ERR_OK && p->n > 0)
		*out = p;
	return e;
}

struct span
mime_payload_head(const struct mime_payload *p)
{
	return p->head;
}

enum err
mime_payload_write_body(
    const struct mime_payload *p, const struct mime_sink *to)
{
	return write_body(p, to);
}

struct span
mime_payload_outer(const struct mime_payload *p)
{
	return p->outer;
}

bool
mime_payload_is_fit(const struct mime_payload *p, const char **reason)
{
	if (p->unfit != NULL && reason != NULL)
		*reason = p->unfit;
	return p->unfit == NULL;
}

enum err
mime_payload_write(const struct mime_payload *p, const struct mime_sink *to)
{
	enum err e = mime_put(to, p->head);

	return e == ERR_OK ? write_body(p, to) : e;
}
