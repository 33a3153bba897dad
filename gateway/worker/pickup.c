/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Escrow: the sealed object and the notice with its link. The link secret is
 * in the notice and nowhere else; the notice waits in the spool, sealed, until
 * the portal has the object.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/object_header.h"
#include "common/secret.h"
#include "common/text.h"
#include "crypto/escrow.h"
#include "gateway/worker/worker_private.h"
#include "mime/compose.h"
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

/* Write and sync the object's file. */
static enum err
write_object(struct job *j, const struct crypto_escrow *esc, const char *name,
    struct object_header *header, struct secret **link)
{
	int fd = openat(
	    j->w->escrow_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	enum err e;

	if (fd < 0)
		return job_disk_failed(
		    j, j->conf->paths.escrow, err_from_errno(errno));
	e = crypto_escrow_seal(esc, fd, header, link);
	if (e == ERR_OK)
		e = file_sync(fd);
	if (close(fd) != 0 && e == ERR_OK)
		e = err_from_errno(errno);
	if (e == ERR_OK)
		e = file_sync_dir(j->w->escrow_fd);
	if (e == ERR_OK)
		return ERR_OK;
	unlinkat(j->w->escrow_fd, name, 0);
	return job_disk_failed(j, j->conf->paths.escrow, e);
}

static enum err
make_object(struct job *j, struct job_rcpt *rcpt, struct proto_object *obj,
    struct secret **link)
{
	struct mime_edit edit = message_edit(&j->msg, j->envelope.trace);
	struct crypto_escrow esc = {0};
	struct object_header header;
	struct mime_sink sink;
	struct spill text;
	struct span msg;
	struct parts parts;
	char name[OBJECT_ID_TEXT_SIZE];
	uint64_t now_s = clock_unix_ms() / 1000;
	enum err e;

	spill_init(&text, LIMIT_MESSAGE_SIZE_MAX + LIMIT_HEADER_SIZE);
	sink = spill_sink(&text);
	e = message_edit_by(&j->msg, &rcpt->d.rules, j->arena, &edit);
	if (e == ERR_OK)
		e = mime_write_plain(j->msg.raw, &edit, &sink, NULL);
	if (e == ERR_OK)
		e = spill_finish(&text, &msg);
	if (e == ERR_OK)
		e = find_parts(j, msg, &parts);
	if (e != ERR_OK)
		goto out;
	crypto_escrow_new_id(esc.id);
	esc.message = msg;
	esc.from = span_str(message_field(&j->msg, "From", j->arena));
	esc.to = span_str(rcpt->rcpt->addr);
	esc.subject = span_str(message_field(&j->msg, "Subject", j->arena));
	esc.date_s = (int64_t)(j->envelope.accepted_ms / 1000);
	esc.created_s = now_s;
	esc.expires_s =
	    now_s + (rcpt->d.rules.expires_s != 0 ? rcpt->d.rules.expires_s
						  : j->conf->portal.expires_s);
	esc.parts = parts.part;
	esc.n_parts = parts.n;
	object_id_format(esc.id, name);
	obj->name = arena_strdup(j->arena, name);
	if (obj->name == NULL) {
		e = ERR_NOMEM;
		goto out;
	}
	e = write_object(j, &esc, name, &header, link);
	if (e != ERR_OK)
		goto out;
	obj->size = object_total_size(&header);
	obj->expires_s = esc.expires_s;
	j->octets += obj->size;
out:
	spill_clear(&text);
	return e;
}

static enum err
notice_text(struct job *j, const struct proto_object *obj,
    const struct secret *link, struct buf *out)
{
	char secret[CRYPTO_ESCROW_LINK_SIZE + 1];
	char until[TEXT_TIME_SIZE];
	enum err e;

	crypto_escrow_link_text(link, OBJECT_FACTOR_NONE, secret);
	secret[CRYPTO_ESCROW_LINK_SIZE] = 0;
	text_time_ms(obj->expires_s * 1000, until);
	e = buf_printf(out,
	    "Hello,\n"
	    "\n"
	    "%s has sent you a message that is too confidential for\n"
	    "ordinary mail. It is kept encrypted for you, and this link opens "
	    "it\nin any browser:\n"
	    "\n"
	    "%s/m/%s#%s\n"
	    "\n"
	    "The message can be read there until %.10s. Whoever has this link\n"
	    "can read it: please do not pass this mail on, and keep it if you "
	    "want\nto read the message again.\n"
	    "\n"
	    "If you did not expect anything from this sender, ask them before "
	    "you\nopen the link, and not by answering this mail.\n"
	    "\n"
	    "-- \n"
	    "Sent by the encryption gateway of %s\n",
	    j->envelope.from, j->conf->portal.url, obj->name, secret, until,
	    j->conf->hostname);
	secret_wipe(secret, sizeof(secret));
	return e;
}

static enum err
write_notice(struct job *j, struct job_rcpt *rcpt, const struct entry *entry,
    struct span body, const struct mime_sink *to)
{
	static const struct mime_compose_field extra[] = {
	    {"Auto-Submitted", "auto-generated"},
	};
	char id[TEXT_ID_SIZE];
	struct mime_compose m = {.from = j->envelope.from,
	    .to = rcpt->rcpt->addr,
	    .date_s = (int64_t)(clock_unix_ms() / 1000),
	    .extra = extra,
	    .n_extra = 1,
	    .body = body};

	text_id(entry->id, id);
	m.message_id = arena_printf(j->arena, "%s@%s", id, j->conf->hostname);
	m.subject = arena_printf(
	    j->arena, "Encrypted message from %s", j->envelope.from);
	if (m.message_id == NULL || m.subject == NULL)
		return ERR_NOMEM;
	return mime_compose_write(&m, to);
}

static enum err
make_notice(struct job *j, struct job_rcpt *rcpt,
    const struct proto_object *obj, const struct secret *link)
{
	struct entry *e = job_add_entry(j, 1);
	struct buf body, msg;
	struct mime_sink sink;
	enum err err;

	if (e == NULL)
		return ERR_NOMEM;
	e->kind = ENTRY_READY;
	e->rung = RUNG_ESCROW;
	e->strength = (uint8_t)rcpt->d.outcome.strength;
	/* `notice = tls`: the link goes as the rung tls does, and waits else */
	e->tls = rcpt->d.rules.pickup.notice_tls ? ENTRY_TLS_AUTHENTICATED
						 : ENTRY_TLS_OPPORTUNISTIC;
	e->body_8bit = false;
	e->rule = rcpt->d.rules.from_rule;
	e->wait_object = obj->name;
	entry_forget_origin(e);
	e->n_rcpt = 1;
	e->rcpt[0] = *rcpt->rcpt;
	buf_init(&body, 64 * 1024);
	buf_init(&msg, 128 * 1024);
	sink = mime_sink_buf(&msg);
	err = notice_text(j, obj, link, &body);
	if (err == ERR_OK)
		err = write_notice(j, rcpt, e, buf_span(&body), &sink);
	if (err == ERR_OK)
		err = seal_body(
		    j, e, &j->w->pubs.pub[SEALED_READY], buf_span(&msg));
	if (err != ERR_OK)
		j->out.n_entries--;
	/* both hold the link */
	if (body.len > 0)
		secret_wipe(body.data, body.len);
	if (msg.len > 0)
		secret_wipe(msg.data, msg.len);
	buf_clear(&body);
	buf_clear(&msg);
	return err;
}

enum err
pickup_make(struct job *j, struct job_rcpt *rcpt)
{
	struct proto_object *obj = &j->out.object[j->out.n_objects];
	struct secret *link = NULL;
	enum err e = make_object(j, rcpt, obj, &link);

	if (e != ERR_OK)
		return e;
	j->out.n_objects++;
	e = make_notice(j, rcpt, obj, link);
	if (e != ERR_OK) {
		unlinkat(j->w->escrow_fd, obj->name, 0);
		j->out.n_objects--;
	}
	secret_free(link);
	return e;
}
