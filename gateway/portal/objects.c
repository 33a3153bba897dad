/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The sealed objects: one file each, named by its id, and an index of their
 * headers in LMDB. The files are the truth; the index is brought in line with
 * them at every start and made anew when it is damaged.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/db.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/log.h"
#include "gateway/portal/objects_private.h"

enum { EXPIRY_KEY = 8 + OBJECT_ID_SIZE };

static const struct db_table tables[TABLES] = {
    [TABLE_OBJECTS] = {.name = "objects"},
    [TABLE_EXPIRY] = {.name = "expiry"},
    [TABLE_WRONG] = {.name = "wrong"},
    [TABLE_ANSWERS] = {.name = "answers"},
    [TABLE_GONE] = {.name = "gone"},
};

static void
expiry_key(const struct object_header *h, uint8_t *out)
{
	for (unsigned i = 0; i < 8; i++)
		out[i] = (uint8_t)(h->expires_s >> (56 - 8 * i));
	memcpy(out + 8, h->id, OBJECT_ID_SIZE);
}

/* --- files */

/* A complete object of this name, or an error. */
static enum err
read_file(int dir, const char *name, struct object_header *out)
{
	struct object_header h;
	uint8_t raw[OBJECT_HEADER_SIZE], id[OBJECT_ID_SIZE];
	struct stat st;
	enum err e = ERR_MALFORMED;
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_from_errno(errno);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
	    pread(fd, raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		goto out;
	e = object_header_parse(SPAN(raw, sizeof(raw)), &h);
	if (e != ERR_OK)
		goto out;
	e = ERR_MALFORMED;
	if (!object_id_parse(span_str(name), id) ||
	    memcmp(id, h.id, sizeof(id)) != 0 ||
	    (uint64_t)st.st_size != object_total_size(&h))
		goto out;
	*out = h;
	e = ERR_OK;
out:
	close(fd);
	return e;
}

/* Remove what a worker left unfinished, once it cannot be at it any more. */
static void
sweep_file(int dir, const char *name)
{
	uint64_t now_s = clock_unix_ms() / 1000;
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_mtime + LIMIT_OBJECT_UNFINISHED_S > now_s)
		return;
	if (unlinkat(dir, name, 0) == 0)
		log_event(
		    LOG_LVL_WARN, NULL, "portal-swept", KV_STR("object", name));
}

/* --- index */

enum err
portal_index_put(struct db_txn *txn, const struct object_header *h)
{
	uint8_t raw[OBJECT_HEADER_SIZE], key[EXPIRY_KEY];
	enum err e;

	object_header_format(h, raw);
	expiry_key(h, key);
	e = db_put(txn, TABLE_OBJECTS, SPAN(h->id, sizeof(h->id)),
	    SPAN(raw, sizeof(raw)));
	if (e == ERR_OK)
		e = db_put(
		    txn, TABLE_EXPIRY, SPAN(key, sizeof(key)), SPAN(NULL, 0));
	return e;
}

enum err
portal_index_get(
    struct db_txn *txn, const uint8_t *id, struct object_header *out)
{
	struct span raw;
	enum err e = db_get(txn, TABLE_OBJECTS, SPAN(id, OBJECT_ID_SIZE), &raw);

	return e != ERR_OK ? e : object_header_parse(raw, out);
}

/* Its rows; any may be gone already. */
enum err
portal_index_del(struct db_txn *txn, const struct object_header *h)
{
	uint8_t key[EXPIRY_KEY];
	enum err e;

	expiry_key(h, key);
	e = db_del(txn, TABLE_WRONG, SPAN(h->id, sizeof(h->id)));
	if (e == ERR_OK || e == ERR_NOT_FOUND)
		e = db_del(txn, TABLE_OBJECTS, SPAN(h->id, sizeof(h->id)));
	if (e == ERR_OK || e == ERR_NOT_FOUND)
		e = db_del(txn, TABLE_EXPIRY, SPAN(key, sizeof(key)));
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err
portal_index_forget(struct db_txn *txn, const struct object_header *h)
{
	enum err e = db_del(txn, TABLE_ANSWERS, SPAN(h->id, sizeof(h->id)));

	if (e == ERR_OK || e == ERR_NOT_FOUND)
		e = portal_index_del(txn, h);
	return e == ERR_OK ? portal_gone_note(txn, h->id) : e;
}

static enum err
add_unknown_file(struct portal_objects *o, struct db_txn *txn, const char *name)
{
	struct object_header h;
	uint8_t id[OBJECT_ID_SIZE];

	if (!object_id_parse(span_str(name), id))
		return ERR_OK;
	if (portal_index_get(txn, id, &h) == ERR_OK)
		return ERR_OK;
	if (read_file(o->dir, name, &h) == ERR_OK)
		return portal_index_put(txn, &h);
	sweep_file(o->dir, name);
	return ERR_OK;
}

/* What the index does not know is read from the files. */
static enum err
add_unknown_files(struct portal_objects *o, struct db_txn *txn)
{
	struct dirent *d;
	enum err e = ERR_OK;
	int fd = openat(o->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (dir == NULL) {
		e = err_from_errno(errno);
		if (fd >= 0)
			close(fd);
		return e;
	}
	while (e == ERR_OK && (d = readdir(dir)) != NULL)
		e = add_unknown_file(o, txn, d->d_name);
	closedir(dir);
	return e;
}

static bool
file_exists(const struct portal_objects *o, const uint8_t *id)
{
	char name[OBJECT_ID_TEXT_SIZE];

	object_id_format(id, name);
	return faccessat(o->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* An entry whose key or value is not ours, or whose file is gone. */
static bool
is_stale(const struct portal_objects *o, struct span key, struct span val,
    struct object_header *h)
{
	return key.len != OBJECT_ID_SIZE ||
	       object_header_parse(val, h) != ERR_OK ||
	       memcmp(key.data, h->id, OBJECT_ID_SIZE) != 0 ||
	       !file_exists(o, h->id);
}

static enum err
forget_lost_files(struct portal_objects *o, struct db_txn *txn)
{
	struct db_cursor *c;
	struct object_header h;
	struct span key, val;
	uint8_t id[OBJECT_ID_SIZE] = {0};
	enum err e = db_cursor_open(txn, TABLE_OBJECTS, &c);

	if (e != ERR_OK)
		return e;
	while ((e = db_cursor_move(c, DB_NEXT, &key, &val)) == ERR_OK) {
		if (!is_stale(o, key, val, &h))
			continue;
		memcpy(
		    id, key.data, key.len < sizeof(id) ? key.len : sizeof(id));
		e = db_cursor_del(c);
		/* a crash came when its file was gone and this was not */
		if (e == ERR_OK)
			e = portal_gone_note(txn, id);
		if (e != ERR_OK)
			break;
	}
	db_cursor_close(c);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err
reconcile(struct portal_objects *o)
{
	struct db_txn *txn;
	enum err e = db_write(o->db, &txn);

	if (e != ERR_OK)
		return e;
	e = forget_lost_files(o, txn);
	if (e == ERR_OK)
		e = add_unknown_files(o, txn);
	if (e != ERR_OK) {
		db_end(txn);
		return e;
	}
	return db_commit(txn);
}

static enum err
open_index(struct portal_objects *o, const char *index_dir, struct err_why *why)
{
	const struct db_options opt = {.tables = tables, .n_tables = TABLES};
	enum err e = db_open(index_dir, &opt, &o->db, why);

	if (e == ERR_OK)
		e = reconcile(o);
	if (e != ERR_OK) {
		db_close(o->db);
		o->db = NULL;
	}
	return e;
}

/* Everything in it is also in the files. */
static enum err
discard_index(const char *index_dir)
{
	static const char *const names[] = {"data.mdb", "lock.mdb"};
	int dir = open(index_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_from_errno(errno);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (unlinkat(dir, names[i], 0) != 0 && errno != ENOENT) {
			enum err e = err_from_errno(errno);

			close(dir);
			return e;
		}
	close(dir);
	return ERR_OK;
}

enum err
portal_objects_open(const char *dir, const char *index_dir,
    struct portal_objects **out, struct err_why *why)
{
	struct portal_objects *o = calloc(1, sizeof(*o));
	enum err e;

	if (o == NULL)
		return ERR_NOMEM;
	o->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (o->dir < 0) {
		e = err_why(
		    why, err_from_errno(errno), "%s: %s", dir, strerror(errno));
		goto out;
	}
	e = open_index(o, index_dir, why);
	if (e == ERR_DB_BROKEN || e == ERR_DB || e == ERR_MALFORMED) {
		log_event(LOG_LVL_WARN, NULL, "portal-index-rebuilt",
		    KV_STR("directory", index_dir), KV_ERR(e));
		e = discard_index(index_dir);
		if (e == ERR_OK)
			e = open_index(o, index_dir, why);
	}
	if (e != ERR_OK)
		goto out;
	*out = o;
	o = NULL;
out:
	portal_objects_close(o);
	return e;
}

void
portal_objects_close(struct portal_objects *o)
{
	if (o == NULL)
		return;
	db_close(o->db);
	if (o->dir >= 0)
		close(o->dir);
	free(o);
}

/* A commit that failed leaves the environment unusable until it is opened
   again (LMDB itself would go on). */
static enum err
mend(struct portal_objects *o)
{
	struct err_why why = {""};
	enum err e;

	if (!db_is_broken(o->db))
		return ERR_OK;
	e = db_reopen(o->db, &why);
	if (e != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "portal-index", KV_ERR(e),
		    KV_STR("why", why.text));
	return e;
}

enum err
portal_index_read(struct portal_objects *o, struct db_txn **out)
{
	enum err e = mend(o);

	return e != ERR_OK ? e : db_read(o->db, out);
}

enum err
portal_index_write(struct portal_objects *o, struct db_txn **out)
{
	enum err e = mend(o);

	return e != ERR_OK ? e : db_write(o->db, out);
}

enum err
portal_index_end(struct db_txn *txn, enum err e)
{
	if (e == ERR_OK)
		return db_commit(txn);
	db_end(txn);
	return e;
}

/* Does the index say the same as the file? */
static bool
is_indexed(struct portal_objects *o, const struct object_header *h)
{
	uint8_t raw[OBJECT_HEADER_SIZE];
	struct db_txn *txn;
	struct span row;
	bool same;

	if (portal_index_read(o, &txn) != ERR_OK)
		return false;
	object_header_format(h, raw);
	same = db_get(txn, TABLE_OBJECTS, SPAN(h->id, sizeof(h->id)), &row) ==
		   ERR_OK &&
	       span_eq(row, SPAN(raw, sizeof(raw)));
	db_end(txn);
	return same;
}

enum err
portal_objects_add(struct portal_objects *o, const uint8_t *id)
{
	char name[OBJECT_ID_TEXT_SIZE];
	struct object_header h;
	struct db_txn *txn;
	enum err e;

	object_id_format(id, name);
	e = read_file(o->dir, name, &h);
	/* what store says again costs no write to the disk */
	if (e != ERR_OK || is_indexed(o, &h))
		return e;
	e = portal_index_write(o, &txn);
	if (e != ERR_OK)
		return e;
	return portal_index_end(txn, portal_index_put(txn, &h));
}

enum err
portal_objects_find(struct portal_objects *o, const uint8_t *id, uint64_t now_s,
    struct object_header *out)
{
	struct object_header h;
	struct db_txn *txn;
	enum err e = portal_index_read(o, &txn);

	if (e != ERR_OK)
		return e;
	e = portal_index_get(txn, id, &h);
	db_end(txn);
	if (e == ERR_OK && h.expires_s <= now_s)
		e = ERR_NOT_FOUND;
	if (e == ERR_OK)
		*out = h;
	return e;
}

enum err
portal_objects_file(
    struct portal_objects *o, const struct object_header *h, int *fd_out)
{
	char name[OBJECT_ID_TEXT_SIZE];
	struct stat st;
	int fd;

	object_id_format(h->id, name);
	fd = openat(o->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_from_errno(errno);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size != object_total_size(h)) {
		close(fd);
		return ERR_BAD_SEAL;
	}
	*fd_out = fd;
	return ERR_OK;
}

/* The header that expires first. */
static enum err
first_to_expire(struct db_txn *txn, struct object_header *out)
{
	struct db_cursor *c;
	struct span key, val;
	enum err e = db_cursor_open(txn, TABLE_EXPIRY, &c);

	if (e != ERR_OK)
		return e;
	e = db_cursor_move(c, DB_FIRST, &key, &val);
	if (e == ERR_OK && key.len != EXPIRY_KEY)
		e = ERR_DB;
	if (e == ERR_OK) {
		/* all that is needed to delete it, also when the header is
		   gone because its file was */
		memcpy(out->id, key.data + 8, OBJECT_ID_SIZE);
		out->expires_s = 0;
		for (unsigned i = 0; i < 8; i++)
			out->expires_s = out->expires_s << 8 | key.data[i];
	}
	db_cursor_close(c);
	return e;
}

enum err
portal_objects_expire(struct portal_objects *o, uint64_t now_s, uint8_t *id_out)
{
	struct object_header h = {.expires_s = 0};
	char name[OBJECT_ID_TEXT_SIZE];
	struct db_txn *txn;
	enum err e = portal_index_write(o, &txn);

	if (e != ERR_OK)
		return e;
	e = first_to_expire(txn, &h);
	if (e == ERR_OK && h.expires_s > now_s)
		e = ERR_NOT_FOUND;
	if (e != ERR_OK)
		return portal_index_end(txn, e);
	/* The file first: an entry without one is forgotten at the next start,
	   a file without an entry would come back. */
	object_id_format(h.id, name);
	if (unlinkat(o->dir, name, 0) != 0 && errno != ENOENT)
		return portal_index_end(txn, err_from_errno(errno));
	e = portal_index_end(txn, portal_index_forget(txn, &h));
	if (e == ERR_OK)
		memcpy(id_out, h.id, sizeof(h.id));
	return e;
}

uint64_t
portal_objects_next_expiry(struct portal_objects *o)
{
	struct object_header h;
	struct db_txn *txn;
	enum err e = portal_index_read(o, &txn);

	if (e != ERR_OK)
		return UINT64_MAX;
	e = first_to_expire(txn, &h);
	db_end(txn);
	return e == ERR_OK ? h.expires_s : UINT64_MAX;
}

enum err
portal_objects_next(
    struct portal_objects *o, const uint8_t *after, struct object_header *out)
{
	struct db_cursor *c;
	struct db_txn *txn;
	struct span key = SPAN(after, OBJECT_ID_SIZE), val;
	enum err e = portal_index_read(o, &txn);

	if (e != ERR_OK)
		return e;
	e = db_cursor_open(txn, TABLE_OBJECTS, &c);
	if (e != ERR_OK) {
		db_end(txn);
		return e;
	}
	e = db_cursor_move(c, after != NULL ? DB_SEEK : DB_FIRST, &key, &val);
	if (e == ERR_OK && after != NULL &&
	    span_eq(key, SPAN(after, OBJECT_ID_SIZE)))
		e = db_cursor_move(c, DB_NEXT, &key, &val);
	if (e == ERR_OK)
		e = object_header_parse(val, out);
	db_cursor_close(c);
	db_end(txn);
	return e;
}

enum err
portal_objects_each(struct portal_objects *o, portal_object_fn *fn, void *arg)
{
	struct object_header h;
	struct db_cursor *c = NULL;
	struct db_txn *txn = NULL;
	struct span key, val;
	enum err e = portal_index_read(o, &txn);

	if (e != ERR_OK)
		return e;
	e = db_cursor_open(txn, TABLE_OBJECTS, &c);
	while (e == ERR_OK) {
		e = db_cursor_move(c, DB_NEXT, &key, &val);
		if (e == ERR_OK && object_header_parse(val, &h) == ERR_OK)
			fn(arg, &h);
	}
	db_cursor_close(c);
	db_end(txn);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}
