/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Escrow: the sealed object, one for each recipient. What goes into its key
 * beside the link is chosen in pickup_factor.c, the mail with the link is
 * pickup_notice.c's, the mail with all of it pickup_attach.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/object_header.h"
#include "common/secret.h"
#include "crypto/escrow.h"
#include "gateway/worker/worker_private.h"
#include "keystore/record.h"
#include "mime/header.h"
#include "mime/tree.h"

struct parts {
	struct crypto_escrow_part *part;
	size_t n;
	size_t max;
	const uint8_t *start; /* of the message the offsets count in */
	unsigned alternatives;
	struct arena *arena;
};

static struct span
param(const struct mime_part *p, const char *name)
{
	return span_str(mime_part_param(p, name));
}

/* The value of a field of the part, without what follows a semicolon. */
static struct span
part_field(const struct mime_part *p, const char *name, struct arena *arena)
{
	struct mime_header h;
	const struct mime_field *f;
	struct span v;

	if (mime_header_parse(mime_part_header(p), arena, &h, NULL) != ERR_OK)
		return SPAN(NULL, 0);
	f = mime_header_find(&h, name, NULL);
	if (f == NULL)
		return SPAN(NULL, 0);
	v = f->value;
	v.len = span_find_chr(v, 0, ';');
	return span_trim(v);
}

static struct span
content_id(const struct mime_part *p, struct arena *arena)
{
	struct span v = part_field(p, "Content-ID", arena);

	if (v.len >= 2 && v.data[0] == '<' && v.data[v.len - 1] == '>')
		v = SPAN(v.data + 1, v.len - 2);
	return v;
}

static enum err
add_part(struct parts *ps, const struct mime_part *p, unsigned alternative)
{
	struct crypto_escrow_part *out;
	struct span body = mime_part_body(p);
	const char *type;

	if (ps->n == ps->max)
		return ERR_LIMIT;
	type = arena_printf(
	    ps->arena, "%s/%s", mime_part_type(p), mime_part_subtype(p));
	if (type == NULL)
		return ERR_NOMEM;
	out = &ps->part[ps->n++];
	*out = (struct crypto_escrow_part){
	    .offset = body.len == 0 ? 0 : (uint64_t)(body.data - ps->start),
	    .length = body.len,
	    .type = span_str(type),
	    .charset = param(p, "charset"),
	    .format = param(p, "format"),
	    .delsp = param(p, "delsp"),
	    .encoding = span_str(mime_part_encoding(p)),
	    .name = span_str(mime_part_filename(p)),
	    .disposition = part_field(p, "Content-Disposition", ps->arena),
	    .content_id = content_id(p, ps->arena),
	    .alternative = alternative};
	return ERR_OK;
}

static enum err
add_parts(struct parts *ps, const struct mime_part *p, unsigned alternative)
{
	size_t n = mime_part_child_count(p);
	enum err e = ERR_OK;

	/* an attached message is shown as one part */
	if (n == 0 || !span_eq_str(span_str(mime_part_type(p)), "multipart"))
		return add_part(ps, p, alternative);
	if (mime_part_is(p, "multipart", "alternative"))
		alternative = ++ps->alternatives;
	for (size_t i = 0; e == ERR_OK && i < n; i++)
		e = add_parts(ps, mime_part_child(p, i), alternative);
	return e;
}

/* Parse the message as it is put into the object: offsets must fit. */
static enum err
find_parts(struct job *j, struct span msg, struct parts *ps)
{
	struct mime_scan scan;
	struct mime_tree *tree;
	enum err e = mime_scan(msg, &scan, NULL);

	if (e == ERR_OK)
		e = mime_tree_parse(
		    msg, &scan, j->envelope.smtputf8, j->arena, &tree, NULL);
	if (e != ERR_OK)
		return e;
	*ps = (struct parts){.max = mime_tree_part_count(tree) + 1,
	    .start = msg.data,
	    .arena = j->arena};
	ps->part = arena_array(j->arena, ps->max, sizeof(*ps->part));
	if (ps->part == NULL)
		return ERR_NOMEM;
	return add_parts(ps, mime_tree_root(tree), 0);
}

/* Write and sync the object's file; its name is job_sync()'s. The portal, in
   whose group it is, changes the expiry in its header. */
static enum err
write_object(struct job *j, const struct crypto_escrow *esc, const char *name,
    struct object_header *header, struct secret **link)
{
	int fd = openat(
	    j->w->escrow_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
	uint64_t since_us = clock_steady_us();
	enum err e;

	if (fd < 0)
		return job_disk_failed(
		    j, j->conf->paths.escrow, err_from_errno(errno));
	e = crypto_escrow_seal(esc, fd, header, link);
	if (e == ERR_OK)
		e = file_sync(fd);
	if (close(fd) != 0 && e == ERR_OK)
		e = err_from_errno(errno);
	j->made_objects = true;
	measure_work(j, PROTO_MEASURE_ESCROW_SEAL, since_us, e);
	if (e == ERR_OK)
		return ERR_OK;
	unlinkat(j->w->escrow_fd, name, 0);
	return job_disk_failed(j, j->conf->paths.escrow, e);
}

/* The object of a file: in memory, until the notice is around it. */
static enum err
write_attached(const struct crypto_escrow *esc, struct object_header *header,
    struct pickup *p)
{
	int fd;
	enum err e = memfd_new(&fd);

	if (e != ERR_OK)
		return e;
	e = crypto_escrow_seal(esc, fd, header, &p->link);
	if (e == ERR_OK)
		e = memfd_seal(fd);
	if (e == ERR_OK)
		e = memfd_map(
		    fd, (size_t)object_total_size(header), &p->object);
	close(fd);
	return e;
}

/* Answers go to the sender, and to those of our people whom everybody sees: a
   hidden recipient stays hidden. */
static enum err
offer_answers(
    struct job *j, struct crypto_escrow *esc, struct proto_object *obj)
{
	const struct sealed_pub *pub = &j->w->pubs.pub[SEALED_ANSWER];
	const char **to;
	uint32_t n = 0;

	if (!j->conf->inbound.present || j->conf->portal.answer_size == 0 ||
	    pub->purpose != SEALED_ANSWER ||
	    !conf_domain_is_ours(
		j->conf, ks_addr_domain(span_str(j->envelope.from_key))))
		return ERR_OK;
	to = arena_array(j->arena, LIMIT_ANSWER_RCPTS, sizeof(*to));
	if (to == NULL)
		return ERR_NOMEM;
	to[n++] = j->envelope.from_key;
	for (uint32_t i = 0; i < j->n_rcpt && n < LIMIT_ANSWER_RCPTS; i++) {
		const char *key = j->rcpt[i].rcpt->key;

		if (j->msg.shown_known && message_shows(&j->msg, key) &&
		    strcmp(key, to[0]) != 0 &&
		    conf_domain_is_ours(j->conf, ks_addr_domain(span_str(key))))
			to[n++] = key;
	}
	esc->reply_key = SPAN(pub->octets, sizeof(pub->octets));
	esc->reply_to = to;
	esc->n_reply_to = n;
	esc->reply_max = j->conf->portal.answer_size;
	obj->answer_to = to;
	obj->n_answer_to = n;
	return ERR_OK;
}

/* When it is over: what is attached is never. */
static uint64_t
expires(const struct job *j, const struct job_rcpt *rcpt, uint64_t now_s)
{
	const struct policy_decision *d = &rcpt->d.rules;

	if (policy_pickup_is_attached(&d->pickup))
		return OBJECT_EXPIRES_NEVER;
	return now_s +
	       (d->expires_s != 0 ? d->expires_s : j->conf->portal.expires_s);
}

/* What is sealed, of the message as it was written for this recipient. */
static enum err
describe(struct job *j, struct job_rcpt *rcpt, const struct pickup *p,
    struct span msg, struct crypto_escrow *esc)
{
	struct parts parts;
	enum err e = find_parts(j, msg, &parts);

	if (e != ERR_OK)
		return e;
	crypto_escrow_new_id(esc->id);
	esc->message = msg;
	esc->from = span_str(message_field(&j->msg, "From", j->arena));
	esc->to = span_str(rcpt->rcpt->addr);
	esc->subject = span_str(message_field(&j->msg, "Subject", j->arena));
	esc->date_s = (int64_t)(j->envelope.accepted_ms / 1000);
	esc->created_s = clock_unix_ms() / 1000;
	esc->expires_s = expires(j, rcpt, esc->created_s);
	esc->factor = p->factor;
	esc->door = p->door;
	esc->passphrase = p->spelled;
	esc->parts = parts.part;
	esc->n_parts = parts.n;
	return ERR_OK;
}

static enum err
seal_object(struct job *j, struct job_rcpt *rcpt, struct crypto_escrow *esc,
    struct pickup *p, struct proto_object *obj)
{
	bool attached = policy_pickup_is_attached(&rcpt->d.rules.pickup);
	struct object_header header;
	char name[OBJECT_ID_TEXT_SIZE];
	enum err e = ERR_OK;

	object_id_format(esc->id, name);
	obj->name = arena_strdup(j->arena, name);
	if (obj->name == NULL)
		return ERR_NOMEM;
	buf_init(&p->recovery, LIMIT_OBJECT_RECOVERY);
	if (!attached) {
		esc->recovery = j->w->recovery;
		esc->recovery_out = &p->recovery;
		e = offer_answers(j, esc, obj);
	}
	if (e == ERR_OK && p->account != NULL)
		e = crypto_escrow_account(
		    p->account, esc->id, p->point, &p->shared);
	esc->account = p->account;
	esc->shared = p->shared;
	if (e == ERR_OK)
		e = attached ? write_attached(esc, &header, p)
			     : write_object(j, esc, name, &header, &p->link);
	if (e == ERR_OK)
		e = arena_span(
		    j->arena, buf_span(&p->recovery), &obj->recovery);
	buf_clear(&p->recovery);
	if (e != ERR_OK)
		return e;
	obj->size = object_total_size(&header);
	obj->expires_s = esc->expires_s;
	obj->factor = p->factor;
	obj->door = p->door;
	if (!attached)
		j->octets += obj->size;
	return ERR_OK;
}

static enum err
make_object(struct job *j, struct job_rcpt *rcpt, struct pickup *p,
    struct proto_object *obj)
{
	struct mime_edit edit = message_edit(&j->msg, j->envelope.trace);
	struct crypto_escrow esc = {0};
	struct mime_sink sink;
	struct spill text;
	struct span msg;
	enum err e;

	spill_init(&text, LIMIT_MESSAGE_SIZE_MAX + LIMIT_HEADER_SIZE);
	sink = spill_sink(&text);
	e = message_edit_by(&j->msg, &rcpt->d.rules, j->arena, &edit);
	if (e == ERR_OK)
		e = mime_write_plain(j->msg.raw, &edit, &sink, NULL);
	if (e == ERR_OK)
		e = spill_finish(&text, &msg);
	if (e == ERR_OK)
		e = describe(j, rcpt, p, msg, &esc);
	if (e == ERR_OK)
		e = seal_object(j, rcpt, &esc, p, obj);
	spill_clear(&text);
	return e;
}

/* The object is a file of the portal's, and the notice waits for it. */
static enum err
notify_of_object(struct job *j, struct job_rcpt *rcpt, const struct pickup *p,
    const struct proto_object *obj)
{
	enum err e;

	j->out.object[j->out.n_objects++] = *obj;
	e = pickup_notice(j, rcpt, p, obj);
	if (e != ERR_OK) {
		unlinkat(j->w->escrow_fd, obj->name, 0);
		j->out.n_objects--;
	}
	return e;
}

enum err
pickup_make(struct job *j, struct job_rcpt *rcpt)
{
	bool attached = policy_pickup_is_attached(&rcpt->d.rules.pickup);
	struct proto_object obj = {0};
	struct pickup p = {.link = NULL};
	enum err e = pickup_choose(j, rcpt, &p);

	if (e == ERR_OK)
		e = make_object(j, rcpt, &p, &obj);
	if (e == ERR_OK)
		e = attached ? pickup_attach(j, rcpt, &p)
			     : notify_of_object(j, rcpt, &p, &obj);
	if (e == ERR_OK) {
		secret_free(rcpt->code);
		rcpt->code = p.code;
		p.code = NULL;
		rcpt->factor = p.factor;
		rcpt->object = obj.name;
		rcpt->expires_s = obj.expires_s;
	}
	pickup_clear(&p);
	return e;
}
