/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * An entry that `sealgate queue salvage` found in an environment that was
 * moved aside: into the spool again, held, for an administrator to look at.
 * Everybody who was done, as far as the audit log knew, stays done; what its
 * sender had not been told of them he is told, once.
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/limits.h"
#include "common/text.h"
#include "gateway/conf.h"
#include "gateway/dsn.h"
#include "gateway/store/notice.h"
#include "gateway/store/salvage.h"
#include "gateway/store/store_entry_private.h"
#include "gateway/store/store_object_private.h"
#include "gateway/store/store_private.h"

/* In the table state, with the id of a message behind it: recipients whose
   failure was told by what was salvaged. It stays as long as the spool, for
   what was moved aside stays, too. */
#define TOLD "told/"

enum { TOLD_FORMAT = 1, MIN_ADDR = 4 };

static enum err
read_left(
    const struct store *s, uint64_t id, const char *suffix, struct buf *out)
{
	char path[1200], name[TEXT_ID_SIZE];
	int fd;
	enum err e;

	text_id(id, name);
	snprintf(path, sizeof(path), "%s/" STORE_SALVAGE_DIR "/%s%s",
	    s->conf->paths.spool, name, suffix);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return ERR_NOT_FOUND;
	e = file_read_all(fd, out);
	close(fd);
	return e;
}

enum err
store_salvage_read(const struct store *s, uint64_t id, struct buf *out)
{
	return read_left(s, id, "", out);
}

static enum err
add(struct store *s, struct db_txn *txn, const struct entry *e,
    struct span done, const char *from)
{
	struct store_status st = {.message_id = e->message_id,
	    .kind = e->kind,
	    .why = e->why,
	    .state = STORE_HELD,
	    .born_ms = store_now(s),
	    .due_ms = store_now(s),
	    .hold_ms = store_now(s),
	    .in_file = e->file[0] != '\0',
	    .inbound = e->route == ENTRY_INBOUND,
	    /* what the portal was told of its object is lost: whoever
	       releases it says that it is there */
	    .object = "",
	    .done = done};
	enum err err = store_check_entry(s, e);

	if (err != ERR_OK)
		return err;
	st.last = arena_printf(s->arena, "salvaged from %.60s", from);
	if (st.last == NULL)
		return ERR_NOMEM;
	err = store_entry_add(txn, e, &st);
	if (err == ERR_OK)
		err = store_object_claim(s, txn, e);
	if (err == ERR_OK)
		store_touch(s, e->id);
	return err == ERR_OK && e->twin != 0 ? store_twins_park(s, txn, e)
					     : err;
}

/* entry: 0 for none. */
static enum err
record(struct store *s, struct db_txn *txn, const struct json_t *request,
    uint64_t message, uint64_t entry)
{
	json_int_t uid = json_integer_value(json_object_get(request, "uid"));
	struct store_rec rec;

	store_rec_begin(&rec, "salvaged");
	store_rec_id(&rec, "id", message);
	if (entry != 0)
		store_rec_id(&rec, "entry", entry);
	store_rec_str(&rec, "from",
	    json_string_value(json_object_get(request, "directory")));
	store_rec_num(&rec, "uid", (uint64_t)uid);
	return store_add_record(s, txn, &rec);
}

enum err
store_salvage(struct store *s, struct db_txn *txn, const struct json_t *request)
{
	const char *id = json_string_value(json_object_get(request, "id"));
	const char *from =
	    json_string_value(json_object_get(request, "directory"));
	struct span done;
	struct entry e;
	struct buf b;
	uint64_t number = 0;
	enum err err = ERR_USAGE;

	buf_init(&b, 2 * LIMIT_IPC_PAYLOAD);
	if (id != NULL && from != NULL && text_unid(id, &number) == ERR_OK)
		err = store_salvage_read(s, number, &b);
	if (err == ERR_OK)
		err = store_salvage_unpack(buf_span(&b), s->arena, &e, &done);
	if (err == ERR_OK && e.id != number)
		err = ERR_IPC;
	if (err == ERR_OK)
		err = add(s, txn, &e, done, from);
	if (err == ERR_OK)
		err = record(s, txn, request, e.message_id, e.id);
	buf_clear(&b);
	return err;
}

/* --- what senders are owed --- */

static struct span
told_key(uint64_t id, char out[sizeof(TOLD) + TEXT_ID_SIZE])
{
	char name[TEXT_ID_SIZE];

	text_id(id, name);
	snprintf(out, sizeof(TOLD) + TEXT_ID_SIZE, TOLD "%s", name);
	return span_str(out);
}

static bool
is_in(const char *const *list, uint32_t n, const char *addr)
{
	for (uint32_t i = 0; i < n; i++)
		if (strcmp(list[i], addr) == 0)
			return true;
	return false;
}

/* Who was told of, with room for so many more. */
static enum err
get_told(struct store *s, struct db_txn *txn, uint64_t id, uint32_t more,
    const char ***list_out, uint32_t *n_out)
{
	char key[sizeof(TOLD) + TEXT_ID_SIZE];
	const char **list;
	struct unpacker u;
	struct span v;
	uint32_t n = 0;
	enum err e = db_get(txn, STORE_STATE, told_key(id, key), &v);

	if (e != ERR_OK && e != ERR_NOT_FOUND)
		return e;
	if (e == ERR_OK) {
		unpack_begin(&u, v);
		if (unpack_u8(&u) != TOLD_FORMAT)
			return ERR_DB_BROKEN;
		n = unpack_count(&u, MIN_ADDR);
		if (u.err != ERR_OK)
			return ERR_DB_BROKEN;
	}
	list = arena_array(s->arena, (size_t)n + more, sizeof(*list));
	if (list == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < n; i++)
		list[i] = unpack_str(&u, s->arena);
	if (n > 0 && unpack_end(&u) != ERR_OK)
		return u.err == ERR_NOMEM ? ERR_NOMEM : ERR_DB_BROKEN;
	*list_out = list;
	*n_out = n;
	return ERR_OK;
}

static enum err
put_told(struct db_txn *txn, uint64_t id, const char *const *list, uint32_t n)
{
	char key[sizeof(TOLD) + TEXT_ID_SIZE];
	struct packer p;
	struct buf b;
	enum err e;

	buf_init(&b, LIMIT_IPC_PAYLOAD);
	pack_begin(&p, &b);
	pack_u8(&p, TOLD_FORMAT);
	pack_u32(&p, n);
	for (uint32_t i = 0; i < n; i++)
		pack_str(&p, list[i]);
	e = pack_end(&p);
	if (e == ERR_OK)
		e = db_put(txn, STORE_STATE, told_key(id, key), buf_span(&b));
	buf_clear(&b);
	return e;
}

/* Note what is new of it, in the transaction that says that it was. */
static enum err
add_owed(struct store *s, struct db_txn *txn, struct dsn *d)
{
	const char **told;
	uint32_t n_told, n = 0;
	enum err e = get_told(s, txn, d->message_id, d->n_rcpt, &told, &n_told);

	if (e != ERR_OK)
		return e;
	for (uint32_t i = 0; i < d->n_rcpt; i++) {
		if (is_in(told, n_told, d->rcpt[i].addr))
			continue;
		told[n_told++] = d->rcpt[i].addr;
		d->rcpt[n++] = d->rcpt[i];
	}
	d->n_rcpt = n;
	if (n == 0)
		return ERR_EXISTS;
	e = store_notice_add(s, txn, d);
	return e == ERR_OK ? put_told(txn, d->message_id, told, n_told) : e;
}

enum err
store_salvage_owed(
    struct store *s, struct db_txn *txn, const struct json_t *request)
{
	const char *id = json_string_value(json_object_get(request, "id"));
	const char *from =
	    json_string_value(json_object_get(request, "directory"));
	struct unpacker u;
	struct dsn d;
	struct buf b;
	uint64_t number = 0;
	enum err err = ERR_USAGE;

	buf_init(&b, 2 * LIMIT_IPC_PAYLOAD);
	if (id != NULL && from != NULL && text_unid(id, &number) == ERR_OK)
		err = read_left(s, number, STORE_SALVAGE_OWED, &b);
	if (err == ERR_OK) {
		unpack_begin(&u, buf_span(&b));
		dsn_unpack(&u, s->arena, &d);
		err = unpack_end(&u);
	}
	if (err == ERR_OK && (d.message_id != number || d.n_rcpt == 0))
		err = ERR_IPC;
	if (err == ERR_OK)
		err = add_owed(s, txn, &d);
	if (err == ERR_OK)
		err = record(s, txn, request, number, 0);
	buf_clear(&b);
	return err;
}
