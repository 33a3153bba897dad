/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * From rows to files. A row goes only when its line is in a synced file; what
 * is in the files beyond the last synced place is written again from the rows
 * after a crash.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/log.h"
#include "common/text.h"
#include "gateway/store/audit_private.h"
#include "gateway/store/audit_reader.h"
#include "gateway/store/spool.h"
#include "gateway/store/tally.h"

enum { WRITE_SIZE = 1024 * 1024 };

/* --- where the files end --- */

static void
note_key(struct span rec, uint8_t key[SIGN_PUB])
{
	static const char begin[] = "{\"type\":\"audit-key\",\"key\":\"";
	size_t n = sizeof(begin) - 1;

	if (rec.len > n + 2 * SIGN_PUB && memcmp(rec.data, begin, n) == 0 &&
	    text_unhex(SPAN(rec.data + n, 2 * SIGN_PUB), key, SIGN_PUB) !=
		ERR_OK)
		memset(key, 0, SIGN_PUB);
}

static enum err
tail_of_file(struct store_audit *a, uint64_t first, struct audit_tail *out)
{
	struct store_reader *r = NULL;
	struct store_line l;
	struct span line;
	bool whole;
	enum err e = store_reader_open(a->dir_fd, first, &r);

	while (e == ERR_OK) {
		e = store_reader_next(r, &line, &whole);
		if (e != ERR_OK || !whole ||
		    store_line_parse(line, &l) != ERR_OK)
			break;
		out->seq = l.seq;
		memcpy(out->hash, l.hash, DIGEST_SIZE);
		note_key(l.rec, out->key);
		out->at =
		    (struct audit_files){l.seq, first, store_reader_offset(r)};
	}
	store_reader_close(r);
	return e == ERR_NOT_FOUND || e == ERR_TOO_BIG ? ERR_OK : e;
}

enum err
audit_tail_read(struct store_audit *a, struct audit_tail *out)
{
	struct audit_tail tail = {0};
	uint64_t *first = NULL;
	size_t n = 0;
	enum err e = store_audit_files(a->dir_fd, &first, &n);

	/* the newest may have been begun only */
	while (e == ERR_OK && n > 0 && tail.seq == 0)
		e = tail_of_file(a, first[--n], &tail);
	free(first);
	if (e == ERR_OK)
		*out = tail;
	return e;
}

/* Files that were begun behind the last synced place. */
static void
remove_files_behind(struct store_audit *a, uint64_t first)
{
	char name[STORE_AUDIT_NAME];
	uint64_t *list = NULL;
	size_t n = 0;

	if (store_audit_files(a->dir_fd, &list, &n) != ERR_OK)
		return;
	while (n > 0 && list[n - 1] > first) {
		store_audit_file_name(list[--n], name);
		unlinkat(a->dir_fd, name, 0);
	}
	free(list);
}

static enum err
open_file(struct store_audit *a, uint64_t first)
{
	char name[STORE_AUDIT_NAME];

	if (a->fd >= 0)
		close(a->fd);
	store_audit_file_name(first, name);
	a->fd = openat(
	    a->dir_fd, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	return a->fd < 0 ? err_from_errno(errno) : file_sync_dir(a->dir_fd);
}

enum err
audit_files_cut(struct store_audit *a, const struct audit_files *to)
{
	struct stat st;
	enum err e;

	remove_files_behind(a, to->first);
	a->files = *to;
	if (to->first == 0)
		return ERR_OK;
	e = open_file(a, to->first);
	if (e == ERR_OK && fstat(a->fd, &st) != 0)
		e = err_from_errno(errno);
	if (e != ERR_OK)
		return e;
	if ((uint64_t)st.st_size < to->octets) {
		a->files.octets = (uint64_t)st.st_size;
		return ERR_NOT_FOUND;
	}
	if (ftruncate(a->fd, (off_t)to->octets) != 0)
		return err_from_errno(errno);
	return file_sync(a->fd);
}

/* --- the index --- */

static void
index_failed(enum err e)
{
	/* what has no index is read instead */
	log_event(LOG_LVL_WARN, NULL, "audit-index", KV_ERR(e));
}

/* How far the index covers the file; one that is not what was written is
   removed. */
static uint64_t
index_covers(const struct store_audit *a)
{
	struct store_index_file *f = NULL;
	char name[STORE_AUDIT_NAME];
	uint64_t to;

	if (store_index_file_open(a->dir_fd, a->files.first, &f) != ERR_OK)
		return 0;
	to = store_index_file_check(f);
	store_index_file_close(f);
	if (to <= a->files.octets)
		return to;
	store_index_name(a->files.first, name, sizeof(name));
	unlinkat(a->dir_fd, name, 0);
	return 0;
}

static void
index_line(struct store_audit *a, struct span line, uint64_t first)
{
	enum err e;

	store_block_add(&a->block, line);
	if (!store_block_is_full(&a->block))
		return;
	e = store_block_write(&a->block, a->dir_fd, first);
	if (e != ERR_OK)
		index_failed(e);
}

/* Counted as it is written; one whose file cannot be synced comes again. */
static void
tally_line(struct store_audit *a, struct span line)
{
	struct store_line l;

	if (store_line_parse(line, &l) == ERR_OK)
		store_tally_add(a->tally, l.rec);
}

/* The file that it is of is whole. */
static void
index_end_file(struct store_audit *a, uint64_t first)
{
	enum err e = store_block_write(&a->block, a->dir_fd, first);

	if (e == ERR_OK)
		e = store_index_join(a->dir_fd, first);
	if (e != ERR_OK)
		index_failed(e);
	store_block_clear(&a->block);
}

void
audit_index_resume(struct store_audit *a)
{
	struct store_reader *r = NULL;
	struct span line;
	bool whole = true;
	enum err e;

	store_block_clear(&a->block);
	if (a->files.first == 0)
		return;
	a->block.from = a->block.to = index_covers(a);
	e = store_reader_open(a->dir_fd, a->files.first, &r);
	if (e == ERR_OK)
		e = store_reader_seek(r, a->block.to);
	while (e == ERR_OK && whole && a->block.to < a->files.octets) {
		e = store_reader_next(r, &line, &whole);
		if (e == ERR_OK && whole)
			index_line(a, line, a->files.first);
	}
	store_reader_close(r);
	if (e != ERR_OK && e != ERR_NOT_FOUND)
		index_failed(e);
}

/* --- what others do to the file --- */

static enum err
look_at_file(struct store_audit *a)
{
	char name[STORE_AUDIT_NAME];
	struct stat open_one, named;

	if (a->fd < 0 || a->files.first == 0)
		return ERR_OK;
	store_audit_file_name(a->files.first, name);
	if (fstat(a->fd, &open_one) != 0)
		return err_from_errno(errno);
	if (fstatat(a->dir_fd, name, &named, AT_SYMLINK_NOFOLLOW) != 0 ||
	    named.st_ino != open_one.st_ino || named.st_dev != open_one.st_dev)
		return err_why(&a->problem, ERR_NOT_FOUND,
		    "somebody moved the file %s away", name);
	if ((uint64_t)open_one.st_size < a->files.octets)
		return err_why(&a->problem, ERR_NOT_FOUND,
		    "somebody shortened the file %s", name);
	if ((uint64_t)open_one.st_size == a->files.octets)
		return ERR_OK;
	(void)err_why(&a->problem, ERR_MALFORMED,
	    "somebody wrote into the file %s", name);
	return ftruncate(a->fd, (off_t)a->files.octets) != 0
		   ? err_from_errno(errno)
		   : ERR_OK;
}

/* What is gone is gone; the chain goes on in a file of its own. */
static enum err
leave_file(struct store_audit *a)
{
	enum err e = look_at_file(a);

	if (a->problem.text[0] != '\0' && !a->problem_told) {
		a->problem_told = true;
		log_event(LOG_LVL_CRIT, NULL, "audit-damaged",
		    KV_STR("reason", a->problem.text));
	}
	if (e != ERR_NOT_FOUND)
		return e;
	close(a->fd);
	a->fd = -1;
	a->files.first = a->files.octets = 0;
	store_block_clear(&a->block);
	return ERR_OK;
}

bool
store_audit_take_problem(struct store_audit *a, struct err_why *out)
{
	if (a->problem.text[0] == '\0')
		return false;
	*out = a->problem;
	a->problem.text[0] = '\0';
	a->problem_told = false;
	return true;
}

/* --- writing --- */

uint64_t
store_audit_lines_behind(const struct store_audit *a)
{
	return a->files.seq < a->durable.seq ? a->durable.seq - a->files.seq
					     : 0;
}

static enum err
flush(struct store_audit *a, struct buf *b, struct audit_files *at)
{
	enum err e = b->len == 0 ? ERR_OK : file_write_all(a->fd, buf_span(b));

	at->octets += b->len;
	buf_reset(b);
	return e;
}

static enum err
put_row(struct store_audit *a, struct span row, uint64_t seq, struct buf *b,
    struct audit_files *at)
{
	enum err e = ERR_OK;

	if (row.len < ROW_FLAG)
		return ERR_DB_BROKEN;
	if (row.data[0] == ROW_FIRST || at->first == 0) {
		e = flush(a, b, at);
		if (e == ERR_OK && a->fd >= 0)
			e = file_sync(a->fd);
		if (at->first != 0)
			index_end_file(a, at->first);
		if (e == ERR_OK)
			e = open_file(a, seq);
		at->first = seq;
		at->octets = 0;
	} else if (b->len + row.len > WRITE_SIZE) {
		e = flush(a, b, at);
	}
	if (e == ERR_OK)
		e = buf_put(b, SPAN(row.data + ROW_FLAG, row.len - ROW_FLAG));
	if (e == ERR_OK)
		e = buf_putc(b, '\n');
	if (e == ERR_OK)
		index_line(a, SPAN(row.data + ROW_FLAG, row.len - ROW_FLAG),
		    at->first);
	if (e == ERR_OK)
		tally_line(a, SPAN(row.data + ROW_FLAG, row.len - ROW_FLAG));
	at->seq = seq;
	return e;
}

static enum err
copy_rows(struct store_audit *a, struct db_txn *txn, struct audit_files *at)
{
	struct db_cursor *c = NULL;
	struct buf b;
	uint64_t seq = at->seq + 1;
	struct span key = db_u64(&seq), val;
	enum err e = db_cursor_open(txn, STORE_AUDIT, &c);

	buf_init(&b, WRITE_SIZE + STORE_LINE_MAX);
	if (e == ERR_OK)
		e = db_cursor_move(c, DB_SEEK, &key, &val);
	for (int i = 0; e == ERR_OK && i < AUDIT_EXPORT_ROWS; i++) {
		e = put_row(a, val, db_u64_of(key), &b, at);
		if (e == ERR_OK)
			e = db_cursor_move(c, DB_NEXT, &key, &val);
	}
	db_cursor_close(c);
	if (e == ERR_OK || e == ERR_NOT_FOUND)
		e = flush(a, &b, at);
	buf_clear(&b);
	return e;
}

enum err
store_audit_export(struct store_audit *a)
{
	struct audit_files at;
	struct db_txn *txn;
	enum err e;

	if (store_audit_lines_behind(a) == 0)
		return ERR_OK;
	e = leave_file(a);
	at = a->files;
	if (e == ERR_OK)
		e = db_read(a->db, &txn);
	if (e != ERR_OK)
		return e;
	e = copy_rows(a, txn, &at);
	db_end(txn);
	if (e == ERR_OK && a->fd >= 0)
		e = file_sync(a->fd);
	if (e == ERR_OK) {
		a->files = at;
		return ERR_OK;
	}
	log_event(LOG_LVL_ERR, NULL, "audit-file", KV_ERR(e));
	/* what was written half is written again */
	if (audit_files_cut(a, &a->files) != ERR_OK)
		log_event(LOG_LVL_WARN, NULL, "audit-file-cut", KV_ERR(e));
	audit_index_resume(a);
	return e;
}
