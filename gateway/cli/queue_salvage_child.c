/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The child of `sealgate queue salvage`, as the user of store: it finds the
 * entries of an environment that was moved aside and takes away what the audit
 * log calls done. In doubt an entry stays: a second copy that an administrator
 * sees is better than none. What senders are owed is in queue_salvage_owed.c.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/limits.h"
#include "common/text.h"
#include "gateway/cli/ask.h"
#include "gateway/cli/queue_private.h"
#include "gateway/cli/queue_salvage_private.h"
#include "gateway/conf.h"
#include "gateway/dsn.h"
#include "gateway/proto.h"
#include "gateway/store/audit_line.h"
#include "gateway/store/audit_reader.h"
#include "gateway/store/audit_terms.h"
#include "gateway/store/salvage.h"

enum { MEMORY = 256 * 1024 * 1024 };

void *
cli_salvage_must(void *p)
{
	if (p == NULL)
		fatal("out of memory");
	return p;
}

/* --- finding --- */

static size_t
bucket_of(uint64_t id)
{
	return (size_t)(id * 0x9e3779b97f4a7c15u >> 48) % SALVAGE_BUCKETS;
}

struct salvage_find *
cli_salvage_find(struct salvage *w, uint64_t id)
{
	size_t i = w->by_id[bucket_of(id)];

	while (i > 0 && w->find[i - 1].id != id)
		i = w->find[i - 1].next_id;
	return i > 0 ? &w->find[i - 1] : NULL;
}

struct salvage_find *
cli_salvage_next(struct salvage *w, const struct salvage_find *f)
{
	size_t i = f->next_message;

	while (i > 0 && w->find[i - 1].message_id != f->message_id)
		i = w->find[i - 1].next_message;
	return i > 0 ? &w->find[i - 1] : NULL;
}

struct salvage_find *
cli_salvage_first(struct salvage *w, uint64_t message)
{
	struct salvage_find before = {.message_id = message,
	    .next_message = w->by_message[bucket_of(message)]};

	return cli_salvage_next(w, &before);
}

static void
hash_in(struct salvage *w, struct salvage_find *f)
{
	size_t *id = &w->by_id[bucket_of(f->id)];
	size_t *message = &w->by_message[bucket_of(f->message_id)];

	f->next_id = *id;
	f->next_message = *message;
	*id = *message = w->n;
}

const char *
cli_salvage_keep(struct salvage *w, const char *text)
{
	return cli_salvage_must(arena_strdup(w->arena, text));
}

struct salvage_find *
cli_salvage_add(
    struct salvage *w, const struct salvage_find *new, uint32_t n_rcpt)
{
	struct salvage_find *f;

	if (w->n == w->cap) {
		w->cap = w->cap == 0 ? 256 : 2 * w->cap;
		w->find = cli_salvage_must(
		    realloc(w->find, w->cap * sizeof(*w->find)));
	}
	f = &w->find[w->n++];
	*f = *new;
	f->rcpt =
	    cli_salvage_must(arena_array(w->arena, n_rcpt, sizeof(*f->rcpt)));
	f->done = cli_salvage_must(arena_alloc(w->arena, n_rcpt));
	f->owed =
	    cli_salvage_must(arena_array(w->arena, n_rcpt, sizeof(*f->owed)));
	hash_in(w, f);
	return f;
}

static void
on_found(void *arg, const struct entry *e, struct span record)
{
	struct salvage *w = arg;
	struct salvage_find *f;

	bool whole = store_salvage_is_whole(w->data, record);

	f = cli_salvage_find(w, e->id);
	if (f != NULL) {
		/* one of its copies may be a part with something behind it */
		if (whole && !f->whole) {
			f->record = record;
			f->whole = true;
		}
		return;
	}
	f = cli_salvage_add(w,
	    &(struct salvage_find){.id = e->id,
		.message_id = e->message_id,
		.kind = e->kind,
		.in_file = e->file[0] != '\0',
		.from = cli_salvage_keep(w, e->from),
		.from_key = cli_salvage_keep(w, e->from_key),
		.envid = cli_salvage_keep(w, e->envid),
		.accepted_ms = e->accepted_ms,
		.twin = e->twin,
		.n_rcpt = e->n_rcpt,
		.record = record,
		.whole = whole},
	    e->n_rcpt);
	for (uint32_t i = 0; i < e->n_rcpt; i++)
		f->rcpt[i] = (struct entry_rcpt){
		    .addr = cli_salvage_keep(w, e->rcpt[i].addr),
		    .key = "",
		    .orcpt = cli_salvage_keep(w, e->rcpt[i].orcpt),
		    .notify = e->rcpt[i].notify,
		};
}

static int
by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The ids of the bodies that were moved aside with it. */
static void
list_bodies(struct salvage *w)
{
	char path[SALVAGE_PATH_SIZE];
	struct dirent *e;
	uint64_t id;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", w->conf->paths.bodies, w->name);
	d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (text_unid(e->d_name, &id) != ERR_OK)
			continue;
		w->ids = cli_salvage_must(
		    realloc(w->ids, (w->n_ids + 1) * sizeof(*w->ids)));
		w->ids[w->n_ids++] = id;
	}
	if (d != NULL)
		closedir(d);
	if (w->n_ids > 0)
		qsort(w->ids, w->n_ids, sizeof(*w->ids), by_number);
}

static bool
scan_file(struct salvage *w)
{
	char path[SALVAGE_PATH_SIZE];
	struct stat st;
	void *p;
	int fd;

	snprintf(path, sizeof(path), "%s/%s/data.mdb", w->conf->paths.spool,
	    w->name);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0) {
		cli_say("%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	p = st.st_size > 0
		? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0)
		: NULL;
	close(fd);
	if (p == MAP_FAILED) {
		cli_say("%s: %s", path, strerror(errno));
		return false;
	}
	/* mapped to the end of the process: records point into it */
	if (p == NULL)
		return true;
	w->data = SPAN(p, (size_t)st.st_size);
	store_salvage_scan(w->data, w->ids, w->n_ids, w->scan, on_found, w);
	store_salvage_notices(w->data, w->scan, cli_owed_row, w);
	return true;
}

/* --- what the log says --- */

/* May a record of this entry, which may be NULL, be about a notification of
   the message that p belongs to? Those go to its sender from the null sender,
   and say nothing of a copy of the message that he sent himself. */
static bool
may_be_notice(const struct salvage_find *entry, const struct salvage_find *p,
    const char *rcpt)
{
	if (p->from[0] == '\0')
		return false; /* nobody is told */
	return entry != NULL ? entry->from[0] == '\0'
			     : strcmp(p->from, rcpt) == 0;
}

/* A ready entry beside it goes first; this one is for when that fails. */
static bool
is_parked(struct salvage *w, const struct salvage_find *p)
{
	const struct salvage_find *twin =
	    p->twin != 0 ? cli_salvage_find(w, p->twin) : NULL;

	return twin != NULL && twin->kind == ENTRY_READY &&
	       twin->message_id == p->message_id && !twin->gone;
}

/* A pseudonym knows no upper case: where it could be either of two, it is
   neither. */
uint32_t
cli_salvage_rcpt(
    const struct salvage *w, const struct salvage_find *f, const char *rcpt)
{
	uint32_t at = 0, alike = 0;

	for (uint32_t k = 0; k < f->n_rcpt; k++)
		if (strcmp(f->rcpt[k].addr, rcpt) == 0) {
			return k;
		} else if (store_term_eq(
			       span_str(f->rcpt[k].addr), span_str(rcpt))) {
			at = k;
			alike++;
		}
	return w->names.key != NULL && alike == 1 ? at : f->n_rcpt;
}

static void
note_done(struct salvage *w, struct salvage_find *f, const char *rcpt,
    uint8_t outcome)
{
	uint32_t at = cli_salvage_rcpt(w, f, rcpt);

	if (at < f->n_rcpt)
		f->done[at] = outcome;
}

/* A recipient of a pending entry is done when any entry of its message was
   delivered to him: the decision has replaced it. */
static void
note_outcome(struct salvage *w, uint64_t entry, uint64_t message,
    const char *rcpt, uint8_t outcome)
{
	const struct salvage_find *of = cli_salvage_find(w, entry);
	struct salvage_find *f;

	for (f = cli_salvage_first(w, message); f != NULL;
	     f = cli_salvage_next(w, f))
		if (f->id == entry ||
		    (f->kind == ENTRY_PENDING && !may_be_notice(of, f, rcpt)))
			note_done(w, f, rcpt, outcome);
}

static const struct {
	const char *type;
	uint8_t outcome;
} outcomes[] = {
    {"sent", PROTO_DELIVERED}, {"bounced", PROTO_FAILED},
    {"dropped", PROTO_DROPPED}, {"closed", PROTO_FAILED}, /* by a decision */
};

static void
note_gone(struct salvage *w, const json_t *rec, const char *member)
{
	struct salvage_find *f = NULL;
	uint64_t id;

	if (text_unid(cli_member(rec, member), &id) == ERR_OK)
		f = cli_salvage_find(w, id);
	if (f != NULL)
		f->gone = true;
}

/* What failed and may not be bounced is held instead: it is open again. */
static void
note_held(struct salvage *w, const json_t *rec)
{
	struct salvage_find *f = NULL;
	uint64_t id;

	if (text_unid(cli_member(rec, "entry"), &id) == ERR_OK)
		f = cli_salvage_find(w, id);
	for (uint32_t k = 0; f != NULL && k < f->n_rcpt; k++)
		if (f->done[k] == PROTO_FAILED &&
		    (f->from[0] == '\0' || dsn_must_hold(f->rcpt[k].notify)))
			f->done[k] = PROTO_DEFERRED;
}

static void
note_record(struct salvage *w, const json_t *rec)
{
	const char *type = cli_member(rec, "type");
	uint64_t entry, message;

	if (strcmp(type, "admin-delete") == 0) {
		note_gone(w, rec, "entry");
		note_gone(w, rec, "twin");
	} else if (strcmp(type, "held") == 0) {
		note_held(w, rec);
	} else if (strcmp(type, "tls-spent") == 0 ||
		   strcmp(type, "answered") == 0 ||
		   strcmp(type, "abandoned") == 0) {
		/* its original goes on; or it was never ours */
		note_gone(w, rec, "entry");
	}
	if (text_unid(cli_member(rec, "entry"), &entry) != ERR_OK ||
	    text_unid(cli_member(rec, "id"), &message) != ERR_OK)
		return;
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++)
		if (strcmp(type, outcomes[i].type) == 0)
			note_outcome(w, entry, message, cli_member(rec, "rcpt"),
			    outcomes[i].outcome);
}

static void
read_log_file(struct salvage *w, int dir_fd, uint64_t first)
{
	struct store_reader *r;
	struct store_line l;
	struct span line;
	bool whole;
	json_t *rec;

	if (store_reader_open(dir_fd, first, &r) != ERR_OK)
		return;
	while (store_reader_next(r, &line, &whole) == ERR_OK) {
		if (store_line_parse(line, &l) != ERR_OK)
			continue;
		rec = json_loadb((const char *)l.rec.data, l.rec.len, 0, NULL);
		audit_names_put_back(&w->names, rec);
		note_record(w, rec);
		cli_owed_note(w, rec);
		json_decref(rec);
	}
	store_reader_close(r);
}

static bool
read_log(struct salvage *w)
{
	int fd = open(w->conf->paths.audit, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t *first = NULL;
	size_t n = 0;

	if (fd < 0 || store_audit_files(fd, &first, &n) != ERR_OK) {
		cli_say("%s: cannot read the audit log, which says what was "
			"delivered",
		    w->conf->paths.audit);
		if (fd >= 0)
			close(fd);
		return false;
	}
	audit_names_read(&w->names, fd);
	for (size_t i = 0; i < n; i++)
		read_log_file(w, fd, first[i]);
	audit_names_close(&w->names);
	free(first);
	close(fd);
	return true;
}

/* A ready entry has replaced its recipients in the pending ones of its
   message, but for an original that is parked. */
static void
drop_replaced_by(struct salvage *w, const struct salvage_find *ready)
{
	struct salvage_find *f;

	for (f = cli_salvage_first(w, ready->message_id); f != NULL;
	     f = cli_salvage_next(w, f)) {
		if (f->kind != ENTRY_PENDING || is_parked(w, f))
			continue;
		for (uint32_t k = 0; k < ready->n_rcpt; k++)
			if (!may_be_notice(ready, f, ready->rcpt[k].addr))
				note_done(
				    w, f, ready->rcpt[k].addr, PROTO_DELIVERED);
	}
}

static void
drop_replaced(struct salvage *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->find[i].kind == ENTRY_READY && !w->find[i].gone)
			drop_replaced_by(w, &w->find[i]);
	for (size_t i = 0; i < w->n; i++) {
		struct salvage_find *f = &w->find[i];
		bool open = false;

		for (uint32_t k = 0; k < f->n_rcpt; k++)
			open = open || f->done[k] == PROTO_DEFERRED;
		f->gone = f->gone || !open;
	}
}

/* --- handing over --- */

bool
cli_salvage_put(const char *path, struct span octets)
{
	int fd = open(
	    path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool good = fd >= 0 && file_write_all(fd, octets) == ERR_OK;

	if (fd >= 0)
		good = close(fd) == 0 && good;
	return good;
}

static bool
copy(int from, int to)
{
	static uint8_t part[65536];
	ssize_t n;

	while ((n = read(from, part, sizeof(part))) > 0)
		if (file_write_all(to, SPAN(part, (size_t)n)) != ERR_OK)
			return false;
	return n == 0 && fsync(to) == 0;
}

/* The body beside the others, whole and durable. A copy, for the file may
   belong to a worker. */
static bool
copy_body(const struct salvage *w, uint64_t id)
{
	char from[SALVAGE_PATH_SIZE], to[SALVAGE_PATH_SIZE],
	    part[SALVAGE_PATH_SIZE + 8];
	char name[TEXT_ID_SIZE];
	int in, out, dir;
	bool good;

	text_id(id, name);
	snprintf(from, sizeof(from), "%s/%s/%s", w->conf->paths.bodies, w->name,
	    name);
	snprintf(to, sizeof(to), "%s/%s", w->conf->paths.bodies, name);
	snprintf(part, sizeof(part), "%s.part", to);
	if (access(to, F_OK) == 0)
		return true;
	in = open(from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	out = open(
	    part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	dir = open(w->conf->paths.bodies, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	good = in >= 0 && out >= 0 && dir >= 0 && copy(in, out) &&
	       rename(part, to) == 0 && fsync(dir) == 0;
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	if (dir >= 0)
		close(dir);
	return good;
}

void
cli_salvage_path(const struct salvage *w, uint64_t id, const char *suffix,
    char out[SALVAGE_PATH_SIZE])
{
	char name[TEXT_ID_SIZE];

	text_id(id, name);
	snprintf(out, SALVAGE_PATH_SIZE, "%s/" STORE_SALVAGE_DIR "/%s%s",
	    w->conf->paths.spool, name, suffix);
}

static bool
leave(const struct salvage *w, const struct salvage_find *f)
{
	char path[SALVAGE_PATH_SIZE];
	struct buf b;
	bool good;

	cli_salvage_path(w, f->id, "", path);
	buf_init(&b, 2 * LIMIT_IPC_PAYLOAD);
	good = store_salvage_pack(f->record, SPAN(f->done, f->n_rcpt), &b) ==
		   ERR_OK &&
	       (!f->in_file || copy_body(w, f->id)) &&
	       cli_salvage_put(path, buf_span(&b));
	buf_clear(&b);
	if (!good)
		cli_say("%s: %s", path, strerror(errno));
	return good;
}

static bool
tell(int fd, enum cli_salvaged_kind kind, uint64_t n)
{
	struct cli_salvaged word = {.kind = kind, .n = n};

	return send(fd, &word, sizeof(word), MSG_NOSIGNAL) ==
	       (ssize_t)sizeof(word);
}

/* Store asks nobody what it knows: each is taken once, in any order. */
static bool
leave_all(struct salvage *w, int fd, uint64_t *gone)
{
	bool left;

	for (size_t i = 0; i < w->n; i++) {
		const struct salvage_find *f = &w->find[i];

		if (!cli_owed_leave(w, f, &left) ||
		    (left && !tell(fd, CLI_SALVAGED_OWED, f->message_id)))
			return false;
		*gone += f->gone && !f->row ? 1 : 0;
		if (!f->gone &&
		    (!leave(w, f) || !tell(fd, CLI_SALVAGED_ENTRY, f->id)))
			return false;
	}
	return true;
}

/* Whatever is left when the parent is done, or gone. */
static void
clean_up(const struct salvage *w)
{
	char path[SALVAGE_PATH_SIZE];

	for (size_t i = 0; i < w->n; i++) {
		cli_salvage_path(w, w->find[i].id, "", path);
		(void)unlink(path);
		cli_salvage_path(
		    w, w->find[i].message_id, STORE_SALVAGE_OWED, path);
		(void)unlink(path);
	}
	snprintf(
	    path, sizeof(path), "%s/" STORE_SALVAGE_DIR, w->conf->paths.spool);
	(void)rmdir(path);
}

int
cli_salvage_child(
    struct cli *cli, const struct conf *conf, const char *name, int fd)
{
	static struct salvage work; /* large */
	struct salvage *w = &work;
	char path[SALVAGE_PATH_SIZE];
	uint64_t gone = 0;
	uint8_t word;
	int status = CLI_FAILED;

	w->conf = conf;
	w->name = name;
	audit_names_open(cli, &w->names);
	if (cli_give_up_root(w->conf->paths.spool) != ERR_OK)
		return CLI_FAILED;
	w->scan = cli_salvage_must(arena_new(MEMORY));
	w->arena = cli_salvage_must(arena_new(MEMORY));
	snprintf(
	    path, sizeof(path), "%s/" STORE_SALVAGE_DIR, w->conf->paths.spool);
	if (mkdir(path, 0700) != 0 && errno != EEXIST) {
		cli_say("%s: %s", path, strerror(errno));
		return CLI_FAILED;
	}
	list_bodies(w);
	if (scan_file(w) && read_log(w)) {
		drop_replaced(w);
		cli_owed_end(w);
		status =
		    leave_all(w, fd, &gone) && tell(fd, CLI_SALVAGED_END, gone)
			? CLI_DONE
			: CLI_FAILED;
	}
	if (status == CLI_DONE)
		(void)!recv(fd, &word, sizeof(word), 0);
	clean_up(w);
	return status;
}
