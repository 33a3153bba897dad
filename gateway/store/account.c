/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Nobody is lost when a pending entry is decided: each of its recipients is in
 * an entry that takes its place, or the decision says why not, and what it says
 * is checked and written down. A worker parses what strangers wrote: its word
 * alone makes no mail vanish.
 */
#include <string.h>

#include "gateway/conf.h"
#include "gateway/store/store_entry_private.h"
#include "gateway/store/store_private.h"

bool
store_is_rcpt_of(const char *key, const struct entry *pending)
{
	for (uint32_t i = 0; i < pending->n_rcpt; i++)
		if (strcmp(pending->rcpt[i].key, key) == 0)
			return true;
	return false;
}

bool
store_is_notice(const struct entry *e, const struct entry *pending)
{
	/* what an opener has read does not go back to where it came from */
	return pending->route == ENTRY_OUTBOUND && e->kind == ENTRY_READY &&
	       e->from[0] == '\0' && e->n_rcpt == 1 &&
	       pending->from[0] != '\0' &&
	       strcmp(e->rcpt[0].key, pending->from_key) == 0;
}

/* A copy for an archive is nobody's mail. */
static bool
goes_on(const struct store *s, const struct proto_submit *m,
    const struct entry *pending, const char *key)
{
	for (uint32_t i = 0; i < m->n_entries; i++)
		if (!store_is_notice(&m->entry[i], pending) &&
		    !conf_is_archive_copy(s->conf, &m->entry[i]) &&
		    store_is_rcpt_of(key, &m->entry[i]))
			return true;
	return false;
}

/* The sender hears of it, or did not want to. Without a sender nobody would:
   then it is to be held. */
static bool
is_told(const struct proto_submit *m, const struct entry *pending,
    const struct entry_rcpt *r)
{
	if (pending->from[0] == '\0')
		return false;
	if (!dsn_is_wanted(r->notify, MIME_DSN_FAILED))
		return !dsn_must_hold(r->notify);
	for (uint32_t i = 0; i < m->dsn.n_rcpt; i++)
		if (strcmp(m->dsn.rcpt[i].addr, r->addr) == 0)
			return true;
	return false;
}

/* NULL: it must not be closed so. */
static const char *
name_of_close(const struct store *s, const struct proto_submit *m,
    const struct entry *pending, const struct store_status *st,
    const struct entry_rcpt *r, uint8_t how)
{
	switch ((enum proto_close)how) {
	case PROTO_CLOSE_REFUSED:
		return is_told(m, pending, r) ? "refused" : NULL;
	case PROTO_CLOSE_DROPPED:
		return conf_may_drop(s->conf) ? "dropped" : NULL;
	case PROTO_CLOSE_GIVEN_UP:
		return store_is_too_old(s, st) && is_told(m, pending, r)
			   ? "given-up"
			   : NULL;
	}
	return NULL;
}

static enum err
record(struct store *s, struct db_txn *txn, const struct entry *pending,
    const char *rcpt, const char *how)
{
	struct store_rec rec;

	store_rec_begin(&rec, "closed");
	store_rec_id(&rec, "id", pending->message_id);
	store_rec_id(&rec, "entry", pending->id);
	store_rec_str(&rec, "rcpt", rcpt);
	store_rec_str(&rec, "how", how);
	return store_add_record(s, txn, &rec);
}

static enum err
close_one(struct store *s, struct db_txn *txn, const struct proto_submit *m,
    const struct entry *pending, const struct store_status *st,
    const struct entry_rcpt *r)
{
	const char *how = NULL;

	for (uint32_t i = 0; how == NULL && i < m->n_closed; i++)
		if (strcmp(m->closed[i].key, r->key) == 0)
			how = name_of_close(
			    s, m, pending, st, r, m->closed[i].how);
	return how == NULL ? ERR_PERMISSION
			   : record(s, txn, pending, r->addr, how);
}

enum err
store_account(struct store *s, struct db_txn *txn, const struct proto_submit *m,
    const struct entry *pending, const struct store_status *st)
{
	enum err e = ERR_OK;

	for (uint32_t i = 0; e == ERR_OK && i < pending->n_rcpt; i++) {
		const struct entry_rcpt *r = &pending->rcpt[i];

		if (!goes_on(s, m, pending, r->key))
			e = close_one(s, txn, m, pending, st, r);
	}
	return e;
}
