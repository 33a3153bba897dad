/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * An entry that `sealgate queue salvage` found in an environment that was
 * moved aside: into the spool again, held, for an administrator to look at.
 * Everybody who was done, as far as the audit log knew, stays done.
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#include "common/file.h"
#include "common/limits.h"
#include "common/text.h"
#include "gateway/conf.h"
#include "gateway/store/salvage.h"
#include "gateway/store/store_private.h"

enum err
store_salvage_read(const struct store *s, uint64_t id, struct buf *out)
{
	char path[1200], name[TEXT_ID_SIZE];
	int fd;
	enum err e;

	text_id(id, name);
	snprintf(path, sizeof(path), "%s/" STORE_SALVAGE_DIR "/%s",
	    s->conf->paths.spool, name);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return ERR_NOT_FOUND;
	e = file_read_all(fd, out);
	close(fd);
	return e;
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

enum err
store_salvage(struct store *s, struct db_txn *txn, const struct json_t *request)
{
	const char *id = json_string_value(json_object_get(request, "id"));
	const char *from =
	    json_string_value(json_object_get(request, "directory"));
	json_int_t uid = json_integer_value(json_object_get(request, "uid"));
	struct store_rec rec;
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
	if (err == ERR_OK) {
		store_rec_begin(&rec, "salvaged");
		store_rec_id(&rec, "id", e.message_id);
		store_rec_id(&rec, "entry", e.id);
		store_rec_str(&rec, "from", from);
		store_rec_num(&rec, "uid", (uint64_t)uid);
		err = store_add_record(s, txn, &rec);
	}
	buf_clear(&b);
	return err;
}
