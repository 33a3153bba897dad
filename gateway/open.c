/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * From the message as received to the one that is delivered. Layers come off
 * one after another, as long as each is all of what the one before it held
 * (RFC 9787 section 4.1); what is left is the payload, and nothing in that is
 * opened (EFAIL). Forged verdicts are taken out first.
 */
#include "gateway/open.h"

#include <string.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/limits.h"
#include "common/secret.h"
#include "gateway/open_private.h"
#include "mime/payload.h"
#include "mime/scan.h"
#include "mime/tree.h"
#include "mime/verdict_fields.h"
#include "mime/write.h"

enum { HEAD_MAX = 4 * LIMIT_HEADER_SIZE };

static enum err
parse(struct open *o, struct span entity, bool inside, bool smtputf8,
    struct mime_tree **out, struct err_why *why)
{
	struct mime_scan scan;
	enum err e = mime_scan(entity, &scan, why);

	if (e == ERR_OK)
		e = (inside ? mime_tree_parse_entity : mime_tree_parse)(
		    entity, &scan, smtputf8, o->arena, out, why);
	return e;
}

/* Is the error one of the message's making? */
static bool
is_malformed(enum err e)
{
	return err_class(e) == ERR_CLASS_MALFORMED || e == ERR_LIMIT ||
	       e == ERR_LOOP || e == ERR_TOO_BIG;
}

/* --- layers --- */

static enum err
put_memfd(void *arg, struct span octets)
{
	return memfd_write(*(int *)arg, octets);
}

/* Line ends as mail has them: what is opened is never sent on with a bare CR
   or LF, which the next server could take for the end of the message. */
static enum err
copy_lines(struct span in, int *fd_out)
{
	int fd;
	struct mime_sink sink = {put_memfd, &fd};
	enum err e;

	if (span_find_chr(in, 0, '\0') < in.len)
		return ERR_LINE_END;
	e = memfd_new(&fd);
	if (e != ERR_OK)
		return e;
	e = mime_put_crlf(&sink, in);
	if (e == ERR_OK)
		e = memfd_seal(fd);
	if (e == ERR_OK)
		*fd_out = fd;
	else
		close(fd);
	return e;
}

static bool
has_bare_line_end(struct span in)
{
	for (size_t i = 0; i < in.len; i++) {
		if (in.data[i] == '\r' &&
		    (i + 1 == in.len || in.data[i + 1] != '\n'))
			return true;
		if (in.data[i] == '\n' && (i == 0 || in.data[i - 1] != '\r'))
			return true;
	}
	return false;
}

/* Map what came off, with the padding that parsing needs. */
static enum err
map_layer(struct open *o, struct open_layer *l, struct span *out)
{
	struct memfd_map *map = &o->map[o->n_maps];
	int fd = l->fd;
	enum err e = fd < 0 ? memfd_from(l->entity, &fd) : ERR_OK;

	if (e == ERR_OK)
		e = memfd_map(fd, LIMIT_MESSAGE_SIZE_MAX, map);
	if (e == ERR_OK && has_bare_line_end(map->data)) {
		close(fd);
		fd = -1;
		e = copy_lines(map->data, &fd);
		memfd_unmap(map);
		if (e == ERR_OK)
			e = memfd_map(fd, 2 * LIMIT_MESSAGE_SIZE_MAX, map);
	}
	if (fd >= 0)
		close(fd);
	if (e == ERR_OK) {
		o->n_maps++;
		*out = map->data;
	}
	return e;
}

/* A signature around what is encrypted says nothing of the text: whoever saw
   the ciphertext can have made it. */
static void
discount_outer(struct crypto_verdict *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		v->sigs[i].partial = true;
	if (n > 0)
		crypto_verdict_note(
		    v, "a signature stands around the encryption");
}

/* It cannot be shown as it would be: it stays as it came. Nobody learns why
   from outside; see CRYPTO_REASON_CLOSED. */
static void
stay_closed(struct open *o)
{
	o->entity = SPAN(NULL, 0);
	if (o->verdict.sealed == CRYPTO_SEALED_NONE)
		return;
	o->verdict.sealed = CRYPTO_SEALED_CLOSED;
	o->verdict.sealed_reason = CRYPTO_REASON_CLOSED;
	o->verdict.n_sigs = 0;
}

/* Take one layer off *tree, which becomes what was inside. ERR_NOT_FOUND: no
   layer comes off any more. */
static enum err
peel(struct open *o, const struct open_engine *engine, bool smtputf8,
    struct mime_tree **tree, struct err_why *why)
{
	struct crypto_verdict *v = &o->verdict;
	struct open_layer layer = {.fd = -1};
	size_t n_sigs = v->n_sigs;
	enum crypto_layer_kind kind;
	struct span entity = {0};
	enum err e = engine->peel(engine->arg, *tree, v, &layer, why);

	if (e != ERR_OK)
		return e;
	kind = v->n_layers == 0 ? CRYPTO_LAYER_NONE
				: v->layer[v->n_layers - 1].kind;
	e = map_layer(o, &layer, &entity);
	if (e == ERR_OK)
		e = parse(o, entity, true, smtputf8, tree, why);
	if (kind == CRYPTO_LAYER_SIGNED)
		return is_malformed(e) ? ERR_NOT_FOUND : e;
	if (is_malformed(e)) {
		stay_closed(o);
		return ERR_NOT_FOUND;
	}
	if (kind == CRYPTO_LAYER_ENCRYPTED)
		discount_outer(v, n_sigs);
	o->entity = entity;
	return e;
}

/* The tree of the payload in *tree. */
static enum err
peel_all(struct open *o, const struct open_engine *engine, bool smtputf8,
    struct mime_tree **tree, struct err_why *why)
{
	enum err e = ERR_OK;

	while (e == ERR_OK && o->n_maps < OPEN_MAPS &&
	       !mime_tree_is_ambiguous(*tree, NULL))
		e = peel(o, engine, smtputf8, tree, why);
	if (e != ERR_OK && e != ERR_NOT_FOUND)
		return e;
	/* an inner layer that does not open: as it came */
	if (o->verdict.sealed == CRYPTO_SEALED_CLOSED)
		o->entity = SPAN(NULL, 0);
	return ERR_OK;
}

enum err
open_read(struct open *o, const struct open_form *form,
    const struct open_engine *engine, struct span raw, bool smtputf8,
    struct arena *a, struct err_why *why)
{
	struct mime_tree *tree = NULL;
	enum err e;

	*o = (struct open){.arena = a, .form = *form, .raw = raw};
	crypto_verdict_init(&o->verdict, a);
	e = parse(o, raw, false, smtputf8, &tree, why);
	if (e != ERR_OK)
		return e;
	o->tree = tree;
	o->outer = *mime_tree_header(tree);
	if (mime_tree_is_ambiguous(tree, &o->ambiguous)) {
		if (o->ambiguous == NULL)
			o->ambiguous = "malformed";
		crypto_verdict_note(&o->verdict, "ambiguous: %s", o->ambiguous);
	}
	e = peel_all(o, engine, smtputf8, &tree, why);
	return e == ERR_OK ? open_bind(o, tree) : e;
}

void
open_clear(struct open *o)
{
	for (size_t i = 0; i < o->n_maps; i++)
		memfd_unmap(&o->map[i]);
	o->n_maps = 0;
}

bool
open_is_opened(const struct open *o)
{
	return o->entity.len > 0;
}

/* --- writing --- */

/* The fields behind the verdict: stripped of forged ones as a last step, in
   whatever they were put together from. */
static enum err
put_rest_of_header(struct open *o, const struct crypto_verdict *v,
    struct span msg, struct buf *out, struct span *rest)
{
	const struct mime_verdict_own own = {.authserv_id = o->form.authserv_id,
	    .tags = open_tags,
	    .n_tags = o->form.subject_tags ? open_n_tags : 0};
	unsigned removed = 0;
	struct buf head;
	enum err e;

	buf_init(&head, HEAD_MAX);
	e = mime_verdict_strip(msg, &own, &head, rest, &removed);
	if (e == ERR_OK && o->form.subject_tags)
		e = open_put_tag(v, &head);
	if (e == ERR_OK)
		e = buf_put(out, buf_span(&head));
	buf_clear(&head);
	return e;
}

static enum err
write_message(struct open *o, const struct crypto_verdict *v, struct span trace,
    struct span msg, struct span body, const struct mime_sink *to)
{
	struct span rest;
	struct buf out;
	enum err e;

	buf_init(&out, 2 * HEAD_MAX);
	e = buf_put(&out, trace);
	if (e == ERR_OK)
		e = open_put_verdict(o, v, &out);
	if (e == ERR_OK)
		e = put_rest_of_header(o, v, msg, &out, &rest);
	if (e == ERR_OK)
		e = mime_put(to, buf_span(&out));
	if (e == ERR_OK)
		e = mime_put(to, rest);
	if (e == ERR_OK)
		e = mime_put(to, body);
	buf_clear(&out);
	return e;
}

/* The body in two parts: what was opened, and the message as it came. */
static enum err
write_with_original(
    struct open *o, const struct mime_boundary *b, const struct mime_sink *to)
{
	enum err e = mime_puts(to, "\r\n--");

	if (e == ERR_OK)
		e = mime_puts(to, b->text);
	if (e == ERR_OK)
		e = mime_puts(to, "\r\n");
	if (e == ERR_OK)
		e = mime_put(to, o->entity);
	if (e == ERR_OK)
		e = mime_puts(to, "\r\n--");
	if (e == ERR_OK)
		e = mime_puts(to, b->text);
	if (e == ERR_OK)
		e = mime_puts(to, "\r\nContent-Type: message/rfc822\r\n"
				  "Content-Disposition: attachment; "
				  "filename=\"original.eml\"\r\n\r\n");
	if (e == ERR_OK)
		e = mime_put(to, o->raw);
	return e == ERR_OK ? mime_write_pgp_tail(b, to) : e;
}

/* The legacy display element says again what is in the header now. */
static enum err
find_bare(struct open *o, struct mime_payload **out)
{
	*out = NULL;
	return o->payload != NULL && o->use_fields && o->use_from
		   ? mime_payload_bare(o->payload, o->arena, out)
		   : ERR_OK;
}

static enum err
write_opened(struct open *o, struct span trace, const struct mime_sink *to)
{
	struct mime_boundary boundary;
	struct span body;
	struct buf head;
	struct mime_payload *bare = NULL;
	uint8_t seed[16];
	bool attach = o->form.attach_original && o->entity.len > 0;
	enum err e;

	random_octets(seed, sizeof(seed));
	boundary = mime_boundary_make(seed);
	buf_init(&head, HEAD_MAX);
	e = attach ? ERR_OK : find_bare(o, &bare);
	if (e == ERR_OK)
		e = open_put_fields(
		    o, attach ? &boundary : NULL, bare, &head, &body);
	if (e == ERR_OK)
		e = write_message(
		    o, &o->verdict, trace, buf_span(&head), body, to);
	if (e == ERR_OK && bare != NULL)
		e = mime_payload_write_body(bare, to);
	if (e == ERR_OK && attach)
		e = write_with_original(o, &boundary, to);
	buf_clear(&head);
	return e;
}

enum err
open_write(struct open *o, struct span trace, const struct mime_sink *to)
{
	return o->entity.len == 0 && !o->use_fields
		   ? write_message(
			 o, &o->verdict, trace, o->raw, SPAN(NULL, 0), to)
		   : write_opened(o, trace, to);
}

enum err
open_write_original(
    struct open *o, struct span trace, const struct mime_sink *to)
{
	return write_message(o, &o->verdict, trace, o->raw, SPAN(NULL, 0), to);
}

enum err
open_write_closed(struct open *o, const char *reason, struct span trace,
    const struct mime_sink *to)
{
	struct crypto_verdict v;

	crypto_verdict_init(&v, o->arena);
	/* of what was only signed, nothing is said */
	if (o->verdict.sealed != CRYPTO_SEALED_NONE) {
		v.sealed = CRYPTO_SEALED_CLOSED;
		v.sealed_form = o->verdict.sealed_form;
		v.sealed_reason = reason;
	}
	return write_message(o, &v, trace, o->raw, SPAN(NULL, 0), to);
}
