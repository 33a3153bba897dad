/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The chain in the spool. A row is the line as it will stand in the file, so
 * that writing a file is copying rows.
 */
#include "gateway/store/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/pack.h"
#include "common/text.h"
#include "gateway/store/audit_private.h"
#include "gateway/store/audit_pseudonym.h"
#include "gateway/store/audit_rec.h"
#include "gateway/store/spool.h"
#include "gateway/store/tally.h"

enum { FORMAT = 1, STATE_SIZE = 256 };

static const struct span state_key = {(const uint8_t *)"audit", 5};

/* --- the state in the spool --- */

static enum err
state_save(struct db_txn *txn, const struct store_audit_head *h,
    const struct audit_files *f)
{
	struct packer p;
	struct buf b;
	enum err e;

	buf_init(&b, STATE_SIZE);
	pack_begin(&p, &b);
	pack_u8(&p, FORMAT);
	pack_u64(&p, h->seq);
	pack_raw(&p, h->hash, sizeof(h->hash));
	pack_raw(&p, h->key, sizeof(h->key));
	pack_u32(&p, h->since);
	pack_u64(&p, h->file_octets);
	pack_u32(&p, h->day);
	pack_u64(&p, f->seq);
	pack_u64(&p, f->first);
	pack_u64(&p, f->octets);
	e = pack_end(&p);
	if (e == ERR_OK)
		e = db_put(txn, STORE_STATE, state_key, buf_span(&b));
	buf_clear(&b);
	return e;
}

/* ERR_NOT_FOUND in a new spool. */
static enum err
state_load(struct db_txn *txn, struct store_audit_head *h_out,
    struct audit_files *f_out)
{
	struct store_audit_head h = {0};
	struct audit_files f;
	struct unpacker u;
	struct span v;
	uint8_t format;
	enum err e = db_get(txn, STORE_STATE, state_key, &v);

	if (e != ERR_OK)
		return e;
	unpack_begin(&u, v);
	format = unpack_u8(&u);
	h.seq = unpack_u64(&u);
	unpack_raw(&u, h.hash, sizeof(h.hash));
	unpack_raw(&u, h.key, sizeof(h.key));
	h.since = unpack_u32(&u);
	h.file_octets = unpack_u64(&u);
	h.day = unpack_u32(&u);
	f.seq = unpack_u64(&u);
	f.first = unpack_u64(&u);
	f.octets = unpack_u64(&u);
	if (unpack_end(&u) != ERR_OK || format != FORMAT)
		return ERR_DB_BROKEN;
	*h_out = h;
	*f_out = f;
	return ERR_OK;
}

/* --- opening --- */

/* The files know more than the spool, which is new or was put back from a
   copy: the chain goes on behind the files. */
static void
go_on_from_files(struct store_audit *a, const struct audit_tail *tail)
{
	a->head = (struct store_audit_head){.seq = tail->seq,
	    .file_octets = tail->at.octets,
	    .day = (uint32_t)(clock_unix_ms() / DAY_MS)};
	memcpy(a->head.hash, tail->hash, DIGEST_SIZE);
	memcpy(a->head.key, tail->key, SIGN_PUB);
	a->files = a->pruned = tail->at;
}

/* Rows of a spool that is behind the files are in those already. */
static enum err
drop_rows(struct store_audit *a)
{
	struct db_cursor *c = NULL;
	struct db_txn *txn;
	struct span key, val;
	enum err e = db_write(a->db, &txn);

	if (e != ERR_OK)
		return e;
	e = db_cursor_open(txn, STORE_AUDIT, &c);
	while (e == ERR_OK) {
		e = db_cursor_move(c, DB_FIRST, &key, &val);
		if (e == ERR_OK)
			e = db_cursor_del(c);
	}
	db_cursor_close(c);
	if (e == ERR_NOT_FOUND)
		e = state_save(txn, &a->head, &a->pruned);
	if (e != ERR_OK) {
		db_end(txn);
		return e;
	}
	return db_commit(txn);
}

static enum err
load(struct store_audit *a, struct err_why *problem)
{
	struct audit_tail tail = {0};
	struct db_txn *txn;
	enum err e, loaded;

	e = audit_tail_read(a, &tail);
	if (e == ERR_OK)
		e = db_read(a->db, &txn);
	if (e != ERR_OK)
		return e;
	loaded = state_load(txn, &a->head, &a->files);
	db_end(txn);
	if (loaded == ERR_OK && tail.seq <= a->head.seq) {
		a->pruned = a->files;
		if (a->files.seq == tail.seq && tail.seq == a->head.seq &&
		    memcmp(tail.hash, a->head.hash, DIGEST_SIZE) != 0)
			(void)err_why(problem, ERR_MALFORMED,
			    "line %llu is not the one that was written",
			    (unsigned long long)tail.seq);
		if (audit_files_cut(a, &a->files) != ERR_OK)
			(void)err_why(problem, ERR_NOT_FOUND,
			    "the files end before line %llu",
			    (unsigned long long)a->files.seq);
		return ERR_OK;
	}
	if (loaded != ERR_OK && loaded != ERR_NOT_FOUND)
		return loaded;
	if (loaded == ERR_OK)
		(void)err_why(problem, ERR_MALFORMED,
		    "the files go up to line %llu, the spool to %llu only",
		    (unsigned long long)tail.seq,
		    (unsigned long long)a->head.seq);
	go_on_from_files(a, &tail);
	e = tail.seq == 0 ? ERR_OK : audit_files_cut(a, &a->files);
	return e != ERR_OK ? e : drop_rows(a);
}

enum err
store_audit_open(const char *dir, struct db *db, struct store_audit **out,
    struct err_why *problem, struct err_why *why)
{
	struct store_audit *a = calloc(1, sizeof(*a));
	enum err e;

	if (a == NULL)
		return ERR_NOMEM;
	*a = (struct store_audit){.db = db,
	    .fd = -1,
	    .dir_fd = -1,
	    .checkpoint_ms = clock_steady_ms(),
	    .every_lines = AUDIT_CHECKPOINT_LINES,
	    .every_ms = AUDIT_CHECKPOINT_MS,
	    .tally = store_tally_new()};
	problem->text[0] = '\0';
	if (mkdir(dir, 0700) == 0 || errno == EEXIST)
		a->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (a->dir_fd < 0)
		e = err_why(why, err_from_errno(errno),
		    "cannot open the directory %s: %s", dir, strerror(errno));
	else
		e = load(a, problem);
	if (e != ERR_OK) {
		store_audit_close(a);
		return e;
	}
	a->durable = a->head;
	audit_index_resume(a);
	audit_key_sweep(a);
	*out = a;
	return ERR_OK;
}

void
store_audit_close(struct store_audit *a)
{
	if (a == NULL)
		return;
	secret_free(a->key);
	secret_free(a->next_key);
	secret_free(a->pseudonym_key);
	store_tally_free(a->tally);
	store_block_clear(&a->block);
	if (a->fd >= 0)
		close(a->fd);
	if (a->dir_fd >= 0)
		close(a->dir_fd);
	free(a);
}

/* --- adding --- */

enum err
audit_append(struct store_audit *a, struct db_txn *txn, struct span rec,
    uint64_t now, bool first_of_file)
{
	struct store_audit_head h = a->head;
	struct buf row;
	enum err e;

	buf_init(&row, ROW_FLAG + STORE_LINE_MAX);
	/* the very first line begins a file, too */
	first_of_file = first_of_file || h.seq == 0;
	h.seq++;
	e = buf_putc(&row, first_of_file ? ROW_FIRST : ROW_NEXT);
	if (e == ERR_OK)
		e = store_line_make(
		    h.seq, now, a->head.hash, rec, &row, h.hash);
	if (e == ERR_OK)
		e = db_add(txn, STORE_AUDIT, db_u64(&h.seq), buf_span(&row));
	if (first_of_file) {
		h.file_octets = 0;
		h.day = (uint32_t)(now / DAY_MS);
	}
	h.file_octets += row.len; /* the flag is as long as the newline */
	h.since++;
	buf_clear(&row);
	if (e == ERR_OK)
		a->head = h;
	return e;
}

enum err
store_audit_add(struct store_audit *a, struct db_txn *txn, struct span rec)
{
	struct buf b;
	enum err e;

	if (!a->pseudonyms)
		return audit_append(a, txn, rec, clock_unix_ms(), false);
	buf_init(&b, STORE_REC_MAX);
	e = store_pseudonym_rewrite(a->pseudonym_key, rec, &b);
	if (e == ERR_OK)
		e = audit_append(a, txn, buf_span(&b), clock_unix_ms(), false);
	buf_clear(&b);
	return e;
}

struct store_audit_head
store_audit_mark(const struct store_audit *a)
{
	return a->head;
}

void
store_audit_rewind(struct store_audit *a, const struct store_audit_head *mark)
{
	a->head = *mark;
}

const struct store_tally *
store_audit_tally(const struct store_audit *a)
{
	return a->tally;
}

struct store_audit_head
store_audit_durable_head(const struct store_audit *a)
{
	return a->durable;
}

/* --- with every transaction --- */

static bool
checkpoint_is_due(const struct store_audit *a)
{
	if (a->key == NULL || a->head.since == 0)
		return false;
	return a->checkpoint_asked || a->head.since >= a->every_lines ||
	       clock_steady_ms() - a->checkpoint_ms >= a->every_ms;
}

static bool
new_key_is_due(const struct store_audit *a)
{
	return a->renew && a->pub.purpose == SEALED_AUDIT;
}

bool
store_audit_is_due(const struct store_audit *a)
{
	return checkpoint_is_due(a) || new_key_is_due(a) ||
	       a->pruned.seq < a->files.seq;
}

static bool
rotation_is_due(const struct store_audit *a)
{
	return a->head.file_octets >= AUDIT_FILE_SIZE ||
	       a->head.day != (uint32_t)(clock_unix_ms() / DAY_MS);
}

/* Lines of our own. When there can be no new key, the old one goes on. */
static enum err
add_own(struct store_audit *a, struct db_txn *txn)
{
	bool rotate;
	enum err e = ERR_OK;

	if (new_key_is_due(a)) {
		e = audit_key_make(a);
		return e != ERR_OK ? e : audit_key_record(a, txn, false);
	}
	if (!checkpoint_is_due(a))
		return ERR_OK;
	rotate = rotation_is_due(a) && audit_key_make(a) == ERR_OK;
	e = audit_checkpoint_record(a, txn);
	if (e == ERR_OK && rotate)
		e = audit_key_record(a, txn, true);
	return e;
}

static enum err
prune(struct store_audit *a, struct db_txn *txn)
{
	enum err e = ERR_OK;

	for (uint64_t seq = a->pruned.seq + 1;
	     e == ERR_OK && seq <= a->files.seq; seq++)
		e = db_del(txn, STORE_AUDIT, db_u64(&seq));
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err
store_audit_finish(struct store_audit *a, struct db_txn *txn)
{
	enum err e = add_own(a, txn);

	a->pruning = a->pruned.seq < a->files.seq;
	if (e == ERR_OK)
		e = prune(a, txn);
	if (e == ERR_OK && (a->pruning || a->head.seq != a->durable.seq))
		e = state_save(txn, &a->head, &a->files);
	return e;
}

void
store_audit_committed(struct store_audit *a, bool good)
{
	char hex[2 * DIGEST_SIZE + 1];
	bool signed_now = good && a->signing;

	if (a->next_key != NULL)
		audit_key_settle(a, good);
	if (!good)
		a->head = a->durable;
	a->durable = a->head;
	if (good && a->pruning)
		a->pruned = a->files;
	a->pruning = false;
	a->signing = false;
	if (!signed_now)
		return;
	a->checkpoint_ms = clock_steady_ms();
	a->checkpoint_asked = false;
	text_hex(SPAN(a->head.hash, DIGEST_SIZE), hex);
	/* a copy of this line elsewhere is what the tail is checked against */
	log_event(LOG_LVL_NOTICE, NULL, "audit-checkpoint",
	    KV_NUM("number", a->head.seq), KV_STR("hash", hex));
	if (a->tell != NULL)
		a->tell(a->tell_arg, &a->head);
}

void
store_audit_on_checkpoint(struct store_audit *a,
    void (*tell)(void *arg, const struct store_audit_head *h), void *arg)
{
	a->tell = tell;
	a->tell_arg = arg;
}

void
store_audit_set_checkpoints(struct store_audit *a, unsigned lines, uint64_t ms)
{
	a->every_lines = lines == 0 ? AUDIT_CHECKPOINT_LINES : lines;
	a->every_ms = ms == 0 ? AUDIT_CHECKPOINT_MS : ms;
}

void
store_audit_ask_checkpoint(struct store_audit *a)
{
	a->checkpoint_asked = true;
}
