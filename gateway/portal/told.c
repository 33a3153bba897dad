/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What store and the portal say to each other: objects and accounts that store
 * tells of, or the gateway where this is a DMZ; what store may have missed
 * while there was none. How a report travels is report.c.
 */
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/log.h"
#include "gateway/portal/dmz_private.h"
#include "gateway/portal/main_private.h"
#include "gateway/proto.h"
#include "gateway/role.h"

enum {
	FOUND_BATCH = 256, /* objects in one report */
	ACCOUNTS_ARENA = 4 * 1024 * 1024,
};

/* It is so here. Where readers go to another machine it is to be so there, too,
   before store hears of it. */
static void
changed(struct portal *p, uint16_t type, const uint8_t *id)
{
	if (p->inside != NULL)
		portal_inside_change(p->inside, type, id);
	/* a lock has no answer: store says it again to the next */
	else if (type != PROTO_OBJECT_LOCK)
		portal_report_object(p->reports,
		    type == PROTO_OBJECT_DROP ? PROTO_OBJECT_DROPPED
					      : PROTO_OBJECT_HAVE,
		    id);
}

/* Take in an object that store has announced. What may work later, as when
   the disk is full, is tried again: the notice waits for it. */
static void
add_object(struct portal *p, const uint8_t *id)
{
	char name[OBJECT_ID_TEXT_SIZE];
	enum err e = portal_objects_add(p->objects, id);

	if (e == ERR_OK) {
		changed(p, PROTO_OBJECT_ADD, id);
		return;
	}
	object_id_format(id, name);
	log_event(LOG_LVL_ERR, NULL, "portal-no-object", KV_STR("object", name),
	    KV_ERR(e));
	if (e != ERR_NOT_FOUND && e != ERR_MALFORMED && e != ERR_UNSUPPORTED &&
	    p->n_late < LIMIT_PORTAL_REPORTS)
		memcpy(p->late[p->n_late++], id, OBJECT_ID_SIZE);
}

void
portal_retry_late(struct portal *p)
{
	size_t n = p->n_late;

	p->n_late = 0;
	/* what fails again goes back to a place that has been read */
	for (size_t i = 0; i < n; i++) {
		uint8_t id[OBJECT_ID_SIZE];

		memcpy(id, p->late[i], sizeof(id));
		add_object(p, id);
	}
}

/* Store repeats what is not done yet whenever the portal is new to it. */
static void
change_object(
    struct portal *p, uint16_t type, const uint8_t *id, uint64_t expires_s)
{
	char name[OBJECT_ID_TEXT_SIZE];
	enum err e;

	if (type == PROTO_OBJECT_ADD) {
		add_object(p, id);
		return;
	}
	if (type == PROTO_OBJECT_LOCK)
		e = portal_objects_lock(p->objects, id);
	else
		e = type == PROTO_OBJECT_UNTIL
			? portal_objects_until(p->objects, id, expires_s)
			: portal_objects_drop(p->objects, id);
	if (e == ERR_OK) {
		changed(p, type, id);
		return;
	}
	object_id_format(id, name);
	log_event(LOG_LVL_ERR, NULL, "portal-not-changed",
	    KV_STR("object", name), KV_STR("message", proto_name(type)),
	    KV_ERR(e));
}

/* False: it is about something else, or malformed. */
static bool
take_account(struct portal *p, uint16_t type, struct span payload)
{
	struct proto_account_said said;
	struct proto_accounts all;
	struct arena *a;
	enum err e;

	switch (type) {
	case PROTO_ACCOUNT_SAID:
		e = proto_account_said_unpack(payload, &said);
		if (e != ERR_OK)
			return false;
		portal_accounts_said(p->accounts, said.id, said.result);
		if (p->inside != NULL)
			portal_inside_account(p->inside, type, payload);
		return true;
	case PROTO_ACCOUNT_DROP:
		if (payload.len != PICKUP_ACCOUNT_ID)
			return false;
		portal_accounts_drop(p->accounts, payload.data);
		if (p->inside != NULL)
			portal_inside_account(p->inside, type, payload);
		return true;
	case PROTO_ACCOUNTS:
		a = arena_new(ACCOUNTS_ARENA);
		e = a == NULL ? ERR_NOMEM
			      : proto_accounts_unpack(payload, a, &all);
		if (e == ERR_OK)
			portal_accounts_take(p->accounts, &all);
		if (e == ERR_OK && p->inside != NULL)
			portal_inside_accounts(p->inside, &all);
		arena_free(a);
		return e == ERR_OK;
	default:
		return false;
	}
}

/* What the portal is told, whoever brings it: all but descriptors. */
static void
take(struct portal *p, uint16_t type, uint64_t id, struct span payload)
{
	struct proto_object object;
	uint8_t object_id[OBJECT_ID_SIZE];
	struct unpacker u;
	struct arena *a;

	if (type == PROTO_ANSWER_TAKEN) {
		portal_answers_taken(p->answers, id);
		if (p->inside != NULL)
			portal_inside_taken(p->inside, id);
		return;
	}
	if (type == PROTO_OBJECT_NOTED && p->inside != NULL) {
		portal_inside_noted(p->inside, id);
		return;
	}
	if (take_account(p, type, payload))
		return;
	if (type != PROTO_OBJECT_ADD && type != PROTO_OBJECT_UNTIL &&
	    type != PROTO_OBJECT_DROP && type != PROTO_OBJECT_LOCK) {
		log_event(LOG_LVL_ERR, NULL, "portal-unexpected",
		    KV_STR("message", proto_name(type)));
		return;
	}
	a = arena_new(4096);
	unpack_begin(&u, payload);
	proto_object_unpack(&u, a, &object);
	if (unpack_end(&u) == ERR_OK &&
	    object_id_parse(span_str(object.name), object_id))
		change_object(p, type, object_id, object.expires_s);
	else
		log_event(LOG_LVL_ERR, NULL, "portal-malformed",
		    KV_STR("message", proto_name(type)));
	arena_free(a);
}

void
portal_told(void *arg, uint16_t type, uint64_t id, struct span payload)
{
	take(arg, type, id, payload);
}

static void
on_store_msg(void *arg, struct ipc_msg *m)
{
	take(arg, m->type, m->id, m->payload);
}

bool
portal_tell_store(void *arg, uint16_t type, uint64_t id, struct span payload)
{
	struct portal *p = arg;

	return p->store != NULL &&
	       ipc_post(p->store, type, id, payload, NULL, 0) == ERR_OK;
}

static void
on_store_close(void *arg)
{
	struct portal *p = arg;

	portal_reports_to(p->reports, NULL, NULL);
	ipc_free(p->store);
	p->store = NULL;
}

static void
on_locked(void *arg, const uint8_t *id, const char *client)
{
	struct portal *p = arg;

	portal_report_event(
	    p->reports, PROTO_OBJECT_LOCKED, id, client, SPAN_LIT(""));
}

void
portal_settle(struct portal *p)
{
	enum err e = portal_objects_settle(p->objects, on_locked, p);

	if (e != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "portal-attempts", KV_ERR(e));
}

void
portal_tell_locked(struct portal *p)
{
	enum err e = portal_objects_each_locked(p->objects, on_locked, p);

	if (e != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "portal-attempts", KV_ERR(e));
}

/* What it has store may have lost. */
struct found {
	struct portal_reports *reports;
	struct object_header list[FOUND_BATCH];
	uint32_t n;
};

static void
on_found(void *arg, const struct object_header *h)
{
	struct found *f = arg;

	f->list[f->n++] = *h;
	if (f->n < FOUND_BATCH)
		return;
	portal_report_found(f->reports, f->list, f->n);
	f->n = 0;
}

static void
tell_found(struct portal *p)
{
	struct found *f = calloc(1, sizeof(*f));
	enum err e;

	if (f == NULL)
		fatal("portal: out of memory");
	f->reports = p->reports;
	e = portal_objects_each(p->objects, on_found, f);
	if (f->n > 0)
		portal_report_found(f->reports, f->list, f->n);
	if (e != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "portal-index", KV_ERR(e));
	free(f);
}

void
portal_on_peer(void *arg, enum role_id id, unsigned index, struct ipc *ch)
{
	static const struct ipc_events events = {
	    .on_msg = on_store_msg,
	    .on_close = on_store_close,
	};
	struct portal *p = arg;

	if (id != ROLE_STORE) {
		ipc_free(ch);
		return;
	}
	ipc_free(p->store);
	p->store = ch;
	ipc_attach(ch, p->loop, &events, p);
	portal_reports_to(p->reports, portal_tell_store, p);
	if (p->inside != NULL)
		portal_inside_store(p->inside);
	portal_tell_locked(p);
	tell_found(p);
}
