/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Who failed in an environment that was moved aside before a notification of
 * it was made: the audit log has the failure, or store's own row of it was
 * found, and the log has no notification. Store tells the sender once, however
 * often it is asked (salvaged.c there).
 */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "common/limits.h"
#include "common/text.h"
#include "gateway/cli/ask.h"
#include "gateway/cli/queue_salvage_private.h"
#include "gateway/dsn.h"
#include "gateway/proto.h"
#include "gateway/store/salvage.h"

/* --- what store had noted --- */

enum { ROOM = 4 }; /* recipients that a row has room for at first */

static struct salvage_find *
find_row(struct salvage *w, uint64_t message_id)
{
	struct salvage_find *f = cli_salvage_first(w, message_id);

	while (f != NULL && !f->row)
		f = cli_salvage_next(w, f);
	return f;
}

/* Twice as many, whenever there are as many as a power of two. */
static void
make_room(struct salvage *w, struct salvage_find *f)
{
	uint32_t n = f->n_rcpt;
	struct salvage_find more = *f;

	if (n < ROOM || (n & (n - 1)) != 0)
		return;
	more.rcpt = cli_salvage_must(
	    arena_array(w->arena, 2 * (size_t)n, sizeof(*more.rcpt)));
	more.done = cli_salvage_must(arena_alloc(w->arena, 2 * (size_t)n));
	more.owed = cli_salvage_must(
	    arena_array(w->arena, 2 * (size_t)n, sizeof(*more.owed)));
	memcpy(more.rcpt, f->rcpt, n * sizeof(*f->rcpt));
	memcpy(more.done, f->done, n);
	memcpy(more.owed, f->owed, n * sizeof(*f->owed));
	*f = more;
}

static void
add_fact(struct salvage *w, struct salvage_find *f, const struct dsn_rcpt *r)
{
	struct salvage_owed *o;

	for (uint32_t k = 0; k < f->n_rcpt; k++)
		if (strcmp(f->rcpt[k].addr, r->addr) == 0)
			return; /* another copy of its page */
	make_room(w, f);
	o = cli_salvage_must(arena_alloc(w->arena, sizeof(*o)));
	*o = (struct salvage_owed){.status = cli_salvage_keep(w, r->status),
	    .peer = cli_salvage_keep(w, r->peer),
	    .text = cli_salvage_keep(w, r->text),
	    .code = r->code};
	f->rcpt[f->n_rcpt] =
	    (struct entry_rcpt){.addr = cli_salvage_keep(w, r->addr),
		.key = "",
		.orcpt = cli_salvage_keep(w, r->orcpt)};
	f->owed[f->n_rcpt] = o;
	f->done[f->n_rcpt++] = PROTO_FAILED;
}

void
cli_owed_row(void *arg, uint64_t message_id, const struct dsn *head,
    const struct dsn_rcpt *fact)
{
	struct salvage *w = arg;
	struct salvage_find *f = find_row(w, message_id);

	if (head != NULL && f == NULL)
		(void)cli_salvage_add(w,
		    &(struct salvage_find){.message_id = message_id,
			.kind = ENTRY_PENDING,
			.gone = true,
			.row = true,
			.from = cli_salvage_keep(w, head->from),
			.from_key = cli_salvage_keep(w, head->from_key),
			.envid = cli_salvage_keep(w, head->envid),
			.accepted_ms = head->accepted_ms},
		    ROOM);
	/* without a head there is nobody to tell */
	else if (fact != NULL && f != NULL && fact->action == MIME_DSN_FAILED)
		add_fact(w, f, fact);
}

/* --- what the log says --- */

static const char *
keep(struct salvage *w, const json_t *rec, const char *member)
{
	return cli_salvage_keep(w, cli_member(rec, member));
}

/* What a decision has closed has only the reason's number here. NULL: nobody
   is told of this record. */
static const struct salvage_owed *
read_failure(struct salvage *w, const json_t *rec)
{
	static const struct salvage_owed refused = {"5.7.1", "", "", 0};
	static const struct salvage_owed given_up = {"5.4.7", "", "", 0};
	const char *type = cli_member(rec, "type");
	const char *how = cli_member(rec, "how");
	struct salvage_owed *o;

	if (strcmp(type, "closed") == 0)
		return strcmp(how, "refused") == 0    ? &refused
		       : strcmp(how, "given-up") == 0 ? &given_up
						      : NULL;
	if (strcmp(type, "bounced") != 0)
		return NULL;
	o = cli_salvage_must(arena_alloc(w->arena, sizeof(*o)));
	*o = (struct salvage_owed){.status = keep(w, rec, "status"),
	    .peer = keep(w, rec, "peer"),
	    .text = keep(w, rec, "reply"),
	    .code = (uint16_t)json_integer_value(json_object_get(rec, "code"))};
	return o;
}

/* The entry that failed may not be there any more: then it is said of those
   that it came from. But a notification that failed is nobody's failure. */
static void
note_failure(struct salvage *w, uint64_t entry, uint64_t message,
    const char *rcpt, const struct salvage_owed *owed)
{
	const struct salvage_find *of = cli_salvage_find(w, entry);
	struct salvage_find *f;
	uint32_t at;

	for (f = cli_salvage_first(w, message); f != NULL;
	     f = cli_salvage_next(w, f)) {
		if (of != NULL ? f != of : strcmp(f->from, rcpt) == 0)
			continue;
		at = cli_salvage_rcpt(w, f, rcpt);
		if (at < f->n_rcpt)
			f->owed[at] = owed;
	}
}

static void
forget_all(struct salvage *w, uint64_t message)
{
	struct salvage_find *f;

	for (f = cli_salvage_first(w, message); f != NULL;
	     f = cli_salvage_next(w, f))
		for (uint32_t k = 0; k < f->n_rcpt; k++)
			f->owed[k] = NULL;
}

static void
note_told(struct salvage *w, uint64_t entry, uint64_t message, const char *rcpt)
{
	struct salvage_find *f = cli_salvage_find(w, entry);
	uint32_t at;

	if (f != NULL)
		f->noted = true;
	for (f = cli_salvage_first(w, message); f != NULL;
	     f = cli_salvage_next(w, f)) {
		at = cli_salvage_rcpt(w, f, rcpt);
		if (at < f->n_rcpt)
			f->owed[at] = NULL;
	}
}

void
cli_owed_note(struct salvage *w, const json_t *rec)
{
	const char *type = cli_member(rec, "type");
	const struct salvage_owed *owed = read_failure(w, rec);
	uint64_t entry, message;

	if (text_unid(cli_member(rec, "entry"), &entry) != ERR_OK ||
	    text_unid(cli_member(rec, "id"), &message) != ERR_OK)
		return;
	if (owed != NULL)
		note_failure(w, entry, message, cli_member(rec, "rcpt"), owed);
	else if (strcmp(type, "notified") == 0)
		note_told(w, entry, message, cli_member(rec, "rcpt"));
	else if (strcmp(type, "answered") == 0 ||
		 strcmp(type, "abandoned") == 0)
		forget_all(w, message); /* its client knows, or asks again */
}

void
cli_owed_end(struct salvage *w)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct salvage_find *f = &w->find[i];

		if (f->from[0] == '\0' && f->kind == ENTRY_READY && !f->noted)
			forget_all(w, f->message_id);
	}
}

/* --- for store --- */

static bool
has(const struct dsn *d, const char *addr)
{
	for (uint32_t i = 0; i < d->n_rcpt; i++)
		if (strcmp(d->rcpt[i].addr, addr) == 0)
			return true;
	return false;
}

/* Takes what it adds from the find. d has room for all of it. */
static void
add_owed(struct salvage_find *f, struct dsn *d)
{
	for (uint32_t k = 0; k < f->n_rcpt; k++) {
		const struct salvage_owed *o = f->owed[k];

		f->owed[k] = NULL;
		if (o == NULL || f->from[0] == '\0' ||
		    !dsn_is_wanted(f->rcpt[k].notify, MIME_DSN_FAILED) ||
		    has(d, f->rcpt[k].addr))
			continue;
		d->from = f->from;
		d->from_key = f->from_key;
		d->envid = f->envid;
		d->accepted_ms = f->accepted_ms;
		d->rcpt[d->n_rcpt++] =
		    (struct dsn_rcpt){.addr = f->rcpt[k].addr,
			.orcpt = f->rcpt[k].orcpt,
			.action = MIME_DSN_FAILED,
			.status = o->status,
			.reason = "",
			.advice = "",
			.peer = o->peer,
			.code = o->code,
			.text = o->text};
	}
}

static void
gather(struct salvage *w, uint64_t message, struct dsn *d)
{
	struct salvage_find *f;
	uint32_t n = 0;

	for (f = cli_salvage_first(w, message); f != NULL;
	     f = cli_salvage_next(w, f))
		n += f->n_rcpt;
	*d = (struct dsn){.message_id = message,
	    .rcpt =
		cli_salvage_must(arena_array(w->scan, n, sizeof(*d->rcpt)))};
	for (f = cli_salvage_first(w, message); f != NULL;
	     f = cli_salvage_next(w, f))
		add_owed(f, d);
}

static bool
is_owed(const struct salvage_find *f)
{
	for (uint32_t k = 0; k < f->n_rcpt; k++)
		if (f->owed[k] != NULL)
			return true;
	return false;
}

bool
cli_owed_leave(struct salvage *w, const struct salvage_find *f, bool *left)
{
	char path[SALVAGE_PATH_SIZE];
	struct packer p;
	struct dsn d;
	struct buf b;
	bool good;

	*left = false;
	if (!is_owed(f))
		return true;
	arena_reset(w->scan);
	gather(w, f->message_id, &d);
	if (d.n_rcpt == 0)
		return true;
	cli_salvage_path(w, f->message_id, STORE_SALVAGE_OWED, path);
	buf_init(&b, 2 * LIMIT_IPC_PAYLOAD);
	pack_begin(&p, &b);
	dsn_pack(&p, &d);
	good = pack_end(&p) == ERR_OK && cli_salvage_put(path, buf_span(&b));
	buf_clear(&b);
	if (!good)
		cli_say("%s: %s", path, strerror(errno));
	*left = good;
	return good;
}
