/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What changes an object that is there: another expiry, removal before its
 * time, the answers to it, and the wrong proofs that were shown for it. Those
 * are counted in memory first and written by the clock, so that the answer to a
 * wrong proof takes no longer for an object that exists.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/db.h"
#include "common/file.h"
#include "common/log.h"
#include "gateway/portal/objects_private.h"

/* The header in the file: what the index is made from when it is lost. */
static enum err
rewrite_header(struct portal_objects *o, const struct object_header *h)
{
	uint8_t raw[OBJECT_HEADER_SIZE];
	char name[OBJECT_ID_TEXT_SIZE];
	enum err e = ERR_OK;
	int fd;

	object_id_format(h->id, name);
	object_header_format(h, raw);
	fd = openat(o->dir, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_from_errno(errno);
	/* all but the expiry is what it was, and associated data */
	if (pwrite(fd, raw + OBJECT_HEADER_AD_SIZE,
		sizeof(raw) - OBJECT_HEADER_AD_SIZE, OBJECT_HEADER_AD_SIZE) !=
	    (ssize_t)(sizeof(raw) - OBJECT_HEADER_AD_SIZE))
		e = ERR_IO;
	if (e == ERR_OK)
		e = file_sync(fd);
	close(fd);
	return e;
}

enum err
portal_objects_until(
    struct portal_objects *o, const uint8_t *id, uint64_t expires_s)
{
	struct object_header h, now;
	struct db_txn *txn;
	enum err e = portal_index_write(o, &txn);

	if (e != ERR_OK)
		return e;
	e = portal_index_get(txn, id, &h);
	now = h;
	now.expires_s = expires_s;
	if (e == ERR_OK && (expires_s <= h.created_s || expires_s > INT64_MAX))
		e = ERR_USAGE;
	if (e == ERR_OK && expires_s != h.expires_s)
		e = rewrite_header(o, &now);
	/* who gives it more time forgives the wrong proofs, too */
	if (e == ERR_OK)
		e = portal_index_del(txn, &h);
	if (e == ERR_OK)
		e = portal_index_put(txn, &now);
	for (size_t i = 0; e == ERR_OK && i < o->n_wrong; i++)
		if (memcmp(o->wrong[i].id, id, OBJECT_ID_SIZE) == 0)
			o->wrong[i].n = 0;
	return portal_index_end(txn, e);
}

enum err
portal_objects_drop(struct portal_objects *o, const uint8_t *id)
{
	char name[OBJECT_ID_TEXT_SIZE];
	struct object_header h;
	struct db_txn *txn;
	enum err e = portal_index_write(o, &txn);

	if (e != ERR_OK)
		return e;
	/* the file first, as when it expires */
	object_id_format(id, name);
	if (unlinkat(o->dir, name, 0) != 0 && errno != ENOENT)
		return portal_index_end(txn, err_from_errno(errno));
	e = portal_index_get(txn, id, &h);
	if (e == ERR_OK)
		e = portal_index_forget(txn, &h);
	return portal_index_end(txn, e == ERR_NOT_FOUND ? ERR_OK : e);
}

/* --- counts */

static enum err
get_count(struct db_txn *txn, unsigned table, const uint8_t *id, uint32_t *out)
{
	struct span v;
	uint32_t n = 0;
	enum err e = db_get(txn, table, SPAN(id, OBJECT_ID_SIZE), &v);

	if (e == ERR_NOT_FOUND) {
		*out = 0;
		return ERR_OK;
	}
	if (e != ERR_OK)
		return e;
	if (v.len != 4)
		return ERR_DB;
	for (unsigned i = 0; i < 4; i++)
		n = n << 8 | v.data[i];
	*out = n;
	return ERR_OK;
}

static enum err
put_count(struct db_txn *txn, unsigned table, const uint8_t *id, uint32_t n)
{
	uint8_t raw[4];

	for (unsigned i = 0; i < 4; i++)
		raw[i] = (uint8_t)(n >> (24 - 8 * i));
	return db_put(
	    txn, table, SPAN(id, OBJECT_ID_SIZE), SPAN(raw, sizeof(raw)));
}

/* --- answers */

enum err
portal_objects_may_answer(struct portal_objects *o, const uint8_t *id)
{
	uint32_t n = 0;
	struct db_txn *txn;
	enum err e = portal_index_read(o, &txn);

	if (e != ERR_OK)
		return e;
	e = get_count(txn, TABLE_ANSWERS, id, &n);
	db_end(txn);
	return e == ERR_OK && n >= LIMIT_ANSWERS ? ERR_LIMIT : e;
}

enum err
portal_objects_note_answer(struct portal_objects *o, const uint8_t *id)
{
	uint32_t n = 0;
	struct db_txn *txn;
	enum err e = portal_index_write(o, &txn);

	if (e != ERR_OK)
		return e;
	e = get_count(txn, TABLE_ANSWERS, id, &n);
	if (e == ERR_OK && n >= LIMIT_ANSWERS)
		e = ERR_LIMIT;
	if (e == ERR_OK)
		e = put_count(txn, TABLE_ANSWERS, id, n + 1);
	return portal_index_end(txn, e);
}

/* --- wrong proofs */

bool
portal_objects_is_locked(struct portal_objects *o, const uint8_t *id)
{
	uint32_t n = 0;
	struct db_txn *txn;
	enum err e = portal_index_read(o, &txn);

	if (e == ERR_OK) {
		e = get_count(txn, TABLE_WRONG, id, &n);
		db_end(txn);
	}
	for (size_t i = 0; i < o->n_wrong; i++)
		if (memcmp(o->wrong[i].id, id, OBJECT_ID_SIZE) == 0)
			n += o->wrong[i].n;
	/* nobody gets in because the count cannot be read */
	return e != ERR_OK || n >= LIMIT_PROOF_LOCK;
}

void
portal_objects_note_wrong(
    struct portal_objects *o, const uint8_t *id, const char *client)
{
	struct portal_wrong *w = NULL;

	for (size_t i = 0; i < o->n_wrong && w == NULL; i++)
		if (memcmp(o->wrong[i].id, id, OBJECT_ID_SIZE) == 0)
			w = &o->wrong[i];
	/* so many objects at a time are guessed at by many: each of them is
	   slowed down for itself, and the count of this one waits */
	if (w == NULL && o->n_wrong == LIMIT_PORTAL_WRONG)
		return;
	if (w == NULL) {
		w = &o->wrong[o->n_wrong++];
		*w = (struct portal_wrong){.n = 0};
		memcpy(w->id, id, OBJECT_ID_SIZE);
	}
	w->n++;
	snprintf(w->client, sizeof(w->client), "%s", client);
}

static enum err
settle_one(struct db_txn *txn, const struct portal_wrong *w, bool *locks)
{
	uint32_t before, after;
	enum err e = get_count(txn, TABLE_WRONG, w->id, &before);

	if (e != ERR_OK)
		return e;
	after = before + w->n;
	*locks = before < LIMIT_PROOF_LOCK && after >= LIMIT_PROOF_LOCK;
	return put_count(txn, TABLE_WRONG, w->id, after);
}

enum err
portal_objects_settle(
    struct portal_objects *o, portal_locked_fn *locked, void *arg)
{
	bool locks[LIMIT_PORTAL_WRONG] = {false};
	struct db_txn *txn;
	enum err e;

	if (o->n_wrong == 0)
		return ERR_OK;
	e = portal_index_write(o, &txn);
	if (e != ERR_OK)
		return e;
	for (size_t i = 0; e == ERR_OK && i < o->n_wrong; i++)
		e = settle_one(txn, &o->wrong[i], &locks[i]);
	e = portal_index_end(txn, e);
	if (e != ERR_OK)
		return e;
	for (size_t i = 0; i < o->n_wrong; i++)
		if (locks[i])
			locked(arg, o->wrong[i].id, o->wrong[i].client);
	o->n_wrong = 0;
	return ERR_OK;
}

enum err
portal_objects_lock(struct portal_objects *o, const uint8_t *id)
{
	struct object_header h;
	struct db_txn *txn;
	uint32_t n = 0;
	enum err e = portal_index_write(o, &txn);

	if (e != ERR_OK)
		return e;
	e = portal_index_get(txn, id, &h);
	if (e == ERR_OK)
		e = get_count(txn, TABLE_WRONG, id, &n);
	if (e == ERR_OK && n < LIMIT_PROOF_LOCK)
		e = put_count(txn, TABLE_WRONG, id, LIMIT_PROOF_LOCK);
	return portal_index_end(txn, e);
}

enum err
portal_objects_each_locked(
    struct portal_objects *o, portal_locked_fn *locked, void *arg)
{
	struct db_cursor *c;
	struct db_txn *txn;
	struct span key, val;
	enum err e = portal_index_read(o, &txn);

	if (e != ERR_OK)
		return e;
	e = db_cursor_open(txn, TABLE_WRONG, &c);
	if (e != ERR_OK) {
		db_end(txn);
		return e;
	}
	while ((e = db_cursor_move(c, DB_NEXT, &key, &val)) == ERR_OK) {
		uint32_t n = 0;

		if (key.len == OBJECT_ID_SIZE &&
		    get_count(txn, TABLE_WRONG, key.data, &n) == ERR_OK &&
		    n >= LIMIT_PROOF_LOCK)
			locked(arg, key.data, "");
	}
	db_cursor_close(c);
	db_end(txn);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}
