/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The only place that calls libetpan: its tree is copied into ours and freed
 * at once. libetpan 1.9.4 writes out of bounds on boundary="\"" in
 * mailmime_extract_boundary(); it calls that function through the PLT, so the
 * one defined here takes its place. Whether the result can be trusted is for
 * ambiguity.c to say.
 */
#include "mime/tree.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <libetpan/mailmime.h>
#include <libetpan/mailmime_content.h>

#include "common/arena.h"
#include "common/limits.h"
#include "mime/scan.h"
#include "mime/tree_private.h"

/* For libetpan: the boundary of a multipart, to be freed; NULL makes it a
   single part. Only what every parser reads alike is a boundary. */
char *
mailmime_extract_boundary(struct mailmime_content *content_type)
{
	char name[] = "boundary";
	const char *value = mailmime_content_param_get(content_type, name);

	if (value == NULL || !content_type_boundary_ok(value))
		return NULL;
	return strdup(value);
}

struct builder {
	struct arena *arena;
	struct mime_tree *tree;
};

static char *
lower(const char *s, struct arena *a)
{
	char *out = arena_strdup(a, s == NULL ? "" : s);

	for (char *p = out; p != NULL && *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 32);
	return out;
}

static const char *
type_name(const struct mailmime_type *t)
{
	const struct mailmime_composite_type *c;
	const struct mailmime_discrete_type *d;

	if (t->tp_type == MAILMIME_TYPE_COMPOSITE_TYPE) {
		c = t->tp_data.tp_composite_type;
		if (c->ct_type == MAILMIME_COMPOSITE_TYPE_MULTIPART)
			return "multipart";
		if (c->ct_type == MAILMIME_COMPOSITE_TYPE_MESSAGE)
			return "message";
		return c->ct_token;
	}
	d = t->tp_data.tp_discrete_type;
	switch (d->dt_type) {
	case MAILMIME_DISCRETE_TYPE_TEXT:
		return "text";
	case MAILMIME_DISCRETE_TYPE_IMAGE:
		return "image";
	case MAILMIME_DISCRETE_TYPE_AUDIO:
		return "audio";
	case MAILMIME_DISCRETE_TYPE_VIDEO:
		return "video";
	case MAILMIME_DISCRETE_TYPE_APPLICATION:
		return "application";
	default: /* libetpan's list, not ours: extension and error */
		return d->dt_extension;
	}
}

static enum err
copy_params(
    const clist *list, struct arena *a, struct mime_param **out, size_t *n_out)
{
	const struct mailmime_parameter *from;
	struct mime_param *params;
	size_t n = 0;

	params = arena_array(a, (size_t)list->count, sizeof(*params));
	if (params == NULL)
		return ERR_NOMEM;
	for (clistiter *i = clist_begin(list); i != NULL; i = clist_next(i)) {
		from = clist_content(i);
		params[n].name = lower(from->pa_name, a);
		params[n].value = arena_strdup(a, from->pa_value);
		if (params[n].name == NULL || params[n].value == NULL)
			return ERR_NOMEM;
		n++;
	}
	*out = params;
	*n_out = n;
	return ERR_OK;
}

static enum err
copy_content(
    const struct mailmime_content *from, struct arena *a, struct mime_part *p)
{
	p->type = "text";
	p->subtype = "plain";
	if (from == NULL)
		return ERR_OK;
	p->type = lower(type_name(from->ct_type), a);
	p->subtype = lower(from->ct_subtype, a);
	if (p->type == NULL || p->subtype == NULL)
		return ERR_NOMEM;
	if (from->ct_parameters == NULL)
		return ERR_OK;
	return copy_params(from->ct_parameters, a, &p->params, &p->n_params);
}

static const char *
encoding_name(const struct mailmime_mechanism *m)
{
	switch (m->enc_type) {
	case MAILMIME_MECHANISM_7BIT:
		return "7bit";
	case MAILMIME_MECHANISM_8BIT:
		return "8bit";
	case MAILMIME_MECHANISM_BINARY:
		return "binary";
	case MAILMIME_MECHANISM_QUOTED_PRINTABLE:
		return "quoted-printable";
	case MAILMIME_MECHANISM_BASE64:
		return "base64";
	default: /* libetpan's list: token and error */
		return m->enc_token == NULL ? "unknown" : m->enc_token;
	}
}

/* The parameters of Content-Disposition, as far as a name may be in them. */
static enum err
disposition_name(
    const struct mailmime_disposition *d, struct arena *a, struct mime_part *p)
{
	const struct mailmime_disposition_parm *from;
	struct mime_param *params;
	size_t n = 0;

	params = arena_array(a, (size_t)d->dsp_parms->count, sizeof(*params));
	if (params == NULL)
		return ERR_NOMEM;
	for (clistiter *i = clist_begin(d->dsp_parms); i != NULL;
	     i = clist_next(i)) {
		from = clist_content(i);
		if (from->pa_type == MAILMIME_DISPOSITION_PARM_FILENAME) {
			params[n].name = "filename";
			params[n].value = from->pa_data.pa_filename;
		} else if (from->pa_type ==
			   MAILMIME_DISPOSITION_PARM_PARAMETER) {
			params[n].name =
			    lower(from->pa_data.pa_parameter->pa_name, a);
			params[n].value = from->pa_data.pa_parameter->pa_value;
		} else {
			continue;
		}
		if (params[n].name == NULL)
			return ERR_NOMEM;
		n++;
	}
	p->filename =
	    param_filename(params, n, "filename", a, &p->filename_unread);
	return ERR_OK;
}

static enum err
copy_fields(
    const struct mailmime_fields *from, struct arena *a, struct mime_part *p)
{
	const struct mailmime_field *f;
	enum err e = ERR_OK;

	p->encoding = "7bit";
	if (from == NULL)
		return ERR_OK;
	for (clistiter *i = clist_begin(from->fld_list);
	     i != NULL && e == ERR_OK; i = clist_next(i)) {
		f = clist_content(i);
		if (f->fld_type == MAILMIME_FIELD_TRANSFER_ENCODING) {
			p->encoding =
			    lower(encoding_name(f->fld_data.fld_encoding), a);
			if (p->encoding == NULL)
				e = ERR_NOMEM;
		} else if (f->fld_type == MAILMIME_FIELD_DISPOSITION &&
			   f->fld_data.fld_disposition->dsp_parms != NULL) {
			e = disposition_name(f->fld_data.fld_disposition, a, p);
		}
	}
	return e;
}

static enum err copy_part(struct builder *b, const struct mailmime *from,
    const uint8_t *start, unsigned depth, struct mime_part **out);

static enum err
copy_children(struct builder *b, const struct mailmime *from, unsigned depth,
    struct mime_part *p)
{
	const struct mailmime *one;
	const clist *list;
	const uint8_t *start;
	enum err e = ERR_OK;

	if (from->mm_type == MAILMIME_MESSAGE) {
		one = from->mm_data.mm_message.mm_msg_mime;
		p->children = arena_array(b->arena, 1, sizeof(*p->children));
		if (p->children == NULL)
			return ERR_NOMEM;
		if (one != NULL)
			e = copy_part(
			    b, one, p->body.data, depth + 1, p->children);
		p->n_children = one != NULL;
		return e;
	}
	if (from->mm_type != MAILMIME_MULTIPLE)
		return ERR_OK;
	list = from->mm_data.mm_multipart.mm_mp_list;
	p->children =
	    arena_array(b->arena, (size_t)list->count, sizeof(*p->children));
	if (p->children == NULL)
		return ERR_NOMEM;
	for (clistiter *i = clist_begin(list); i != NULL && e == ERR_OK;
	     i = clist_next(i)) {
		one = clist_content(i);
		start = (const uint8_t *)one->mm_mime_start;
		e = copy_part(
		    b, one, start, depth + 1, &p->children[p->n_children]);
		p->n_children++;
	}
	return e;
}

/* start: where the part's header begins. For the message in a message part
   libetpan gives the start of the outer part instead. ERR_LIMIT if the tree is
   deeper or larger than allowed. */
static enum err
copy_part(struct builder *b, const struct mailmime *from, const uint8_t *start,
    unsigned depth, struct mime_part **out)
{
	struct mime_part *p = arena_alloc(b->arena, sizeof(*p));
	enum err e;

	if (p == NULL)
		return ERR_NOMEM;
	if (depth > LIMIT_MIME_DEPTH) {
		b->tree->ambiguous = "parts nested too deep";
		return ERR_LIMIT;
	}
	if (++b->tree->n_parts > LIMIT_MIME_PARTS) {
		b->tree->ambiguous = "too many parts";
		return ERR_LIMIT;
	}
	p->body = SPAN(from->mm_body->dt_data.dt_text.dt_data,
	    from->mm_body->dt_data.dt_text.dt_length);
	p->header = SPAN(start, (size_t)(p->body.data - start));
	e = copy_content(from->mm_content_type, b->arena, p);
	if (e == ERR_OK)
		e = copy_fields(from->mm_mime_fields, b->arena, p);
	if (e == ERR_OK && p->filename == NULL)
		p->filename = param_filename(p->params, p->n_params, "name",
		    b->arena, &p->filename_unread);
	if (e == ERR_OK)
		e = mime_header_parse(SPAN(start, p->header.len + p->body.len),
		    b->arena, &p->fields, NULL);
	if (e == ERR_LIMIT)
		b->tree->ambiguous = "too many header fields in a part";
	if (e == ERR_OK)
		e = copy_children(b, from, depth, p);
	if (e == ERR_OK)
		*out = p;
	return e;
}

/* What stands for a message that was not parsed. Takes no memory: that may be
   what is missing. */
static void
one_part(struct mime_tree *t, struct span msg, const char *reason)
{
	t->whole = (struct mime_part){.type = "application",
	    .subtype = "octet-stream",
	    .encoding = "binary",
	    .fields = t->header,
	    .header = SPAN(msg.data, msg.len - t->header.body.len),
	    .body = t->header.body};
	t->root = &t->whole;
	t->n_parts = 1;
	t->ambiguous = reason;
}

/* Through libetpan. ERR_LIMIT and t->ambiguous set if it cannot be used. */
static enum err
parse_parts(struct mime_tree *t, struct span msg, struct arena *a)
{
	struct builder b = {.arena = a, .tree = t};
	const struct mailmime *root = NULL;
	struct mailmime *mime = NULL;
	size_t at = 0;
	enum err e = ERR_LIMIT;

	t->ambiguous = "the message cannot be parsed";
	if (mailmime_parse((const char *)msg.data, msg.len, &at, &mime) !=
	    MAILIMF_NO_ERROR)
		return ERR_LIMIT;
	if (mime->mm_type == MAILMIME_MESSAGE)
		root = mime->mm_data.mm_message.mm_msg_mime;
	if (root != NULL) {
		t->ambiguous = NULL;
		e = copy_part(&b, root, msg.data, 1, &t->root);
	}
	mailmime_free(mime);
	return e;
}

static enum err
parse(struct span msg, const struct mime_scan *scan, bool smtputf8, bool entity,
    struct arena *a, struct mime_tree **out, struct err_why *why)
{
	struct mime_tree *t = arena_alloc(a, sizeof(*t));
	enum err e;

	if (t == NULL)
		return err_why(why, ERR_NOMEM, "out of memory");
	e = mime_header_parse(msg, a, &t->header, why);
	if (e != ERR_OK)
		return e;
	if (msg.len == 0) {
		one_part(t, msg, "the message is empty");
	} else if (scan->complex != NULL) {
		one_part(t, msg, scan->complex);
	} else {
		e = parse_parts(t, msg, a);
		/* refused again and again, it would never leave */
		if (e == ERR_NOMEM)
			t->ambiguous = "too many fields in its parts";
		if (e != ERR_OK)
			one_part(t, msg, t->ambiguous);
	}
	if (t->ambiguous == NULL)
		t->ambiguous = ambiguity_find(t, scan, smtputf8, entity, a);
	*out = t;
	return ERR_OK;
}

enum err
mime_tree_parse(struct span msg, const struct mime_scan *scan, bool smtputf8,
    struct arena *a, struct mime_tree **out, struct err_why *why)
{
	return parse(msg, scan, smtputf8, false, a, out, why);
}

enum err
mime_tree_parse_entity(struct span entity, const struct mime_scan *scan,
    bool smtputf8, struct arena *a, struct mime_tree **out, struct err_why *why)
{
	return parse(entity, scan, smtputf8, true, a, out, why);
}

bool
mime_tree_is_ambiguous(const struct mime_tree *t, const char **reason)
{
	if (t->ambiguous != NULL && reason != NULL)
		*reason = t->ambiguous;
	return t->ambiguous != NULL;
}

const struct mime_header *
mime_tree_header(const struct mime_tree *t)
{
	return &t->header;
}

const struct mime_part *
mime_tree_root(const struct mime_tree *t)
{
	return t->root;
}

size_t
mime_tree_part_count(const struct mime_tree *t)
{
	return t->n_parts;
}

const char *
mime_part_type(const struct mime_part *p)
{
	return p->type;
}

const char *
mime_part_subtype(const struct mime_part *p)
{
	return p->subtype;
}

bool
mime_part_is(const struct mime_part *p, const char *type, const char *subtype)
{
	return strcasecmp(p->type, type) == 0 &&
	       strcasecmp(p->subtype, subtype) == 0;
}

const char *
mime_part_param(const struct mime_part *p, const char *name)
{
	for (size_t i = 0; i < p->n_params; i++)
		if (strcmp(p->params[i].name, name) == 0)
			return p->params[i].value;
	return NULL;
}

const char *
mime_part_encoding(const struct mime_part *p)
{
	return p->encoding;
}

const char *
mime_part_filename(const struct mime_part *p)
{
	return p->filename;
}

bool
mime_part_filename_unread(const struct mime_part *p)
{
	return p->filename_unread;
}

struct span
mime_part_header(const struct mime_part *p)
{
	return p->header;
}

struct span
mime_part_body(const struct mime_part *p)
{
	return p->body;
}

size_t
mime_part_child_count(const struct mime_part *p)
{
	return p->n_children;
}

const struct mime_part *
mime_part_child(const struct mime_part *p, size_t i)
{
	return i < p->n_children ? p->children[i] : NULL;
}
