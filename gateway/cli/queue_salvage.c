/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate queue salvage`: entries out of an environment that was moved
 * aside, back into the queue, held. What the audit log calls delivered is left
 * out. A child does the reading, as the user of store; who asks the gateway
 * reads nothing that strangers wrote.
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
#include <sys/wait.h>
#include <unistd.h>

#include "common/file.h"
#include "common/limits.h"
#include "common/text.h"
#include "gateway/cli/ask.h"
#include "gateway/cli/queue_private.h"
#include "gateway/conf.h"
#include "gateway/proto.h"
#include "gateway/store/audit_line.h"
#include "gateway/store/audit_reader.h"
#include "gateway/store/salvage.h"

enum { PATH_SIZE = 1200, MEMORY = 256 * 1024 * 1024, BUCKETS = 1 << 16 };

/* One entry that was found. */
struct find {
	uint64_t id;
	uint64_t message_id;
	enum entry_kind kind;
	bool in_file;
	bool gone; /* deleted, or nobody is left */
	uint32_t n_rcpt;
	const char **rcpt;
	uint8_t *done;
	struct span record; /* in the mapped file */
	/* places in the list, from 1, of the next with the same hash */
	size_t next_id, next_message;
};

/* The child's work. */
struct salvage {
	const struct conf *conf;
	const char
	    *name; /* of the directory, the same below spool and bodies */
	struct arena *scan;
	struct arena *arena;
	struct find *find;
	size_t n, cap;
	size_t by_id[BUCKETS], by_message[BUCKETS]; /* places, from 1 */
	uint64_t *ids;				    /* of body files */
	size_t n_ids;
};

/* What the child tells: the ids to ask for, then a zero and the number of
   those that the log calls delivered or deleted. */

static void *
must(void *p)
{
	if (p == NULL)
		fatal("out of memory");
	return p;
}

/* --- finding --- */

static size_t
bucket_of(uint64_t id)
{
	return (size_t)(id * 0x9e3779b97f4a7c15u >> 48) % BUCKETS;
}

static struct find *
find_id(struct salvage *w, uint64_t id)
{
	size_t i = w->by_id[bucket_of(id)];

	while (i > 0 && w->find[i - 1].id != id)
		i = w->find[i - 1].next_id;
	return i > 0 ? &w->find[i - 1] : NULL;
}

static void
hash_in(struct salvage *w, struct find *f)
{
	size_t *id = &w->by_id[bucket_of(f->id)];
	size_t *message = &w->by_message[bucket_of(f->message_id)];

	f->next_id = *id;
	f->next_message = *message;
	*id = *message = w->n;
}

static void
on_found(void *arg, const struct entry *e, struct span record)
{
	struct salvage *w = arg;
	struct find *f;

	if (find_id(w, e->id) != NULL)
		return;
	if (w->n == w->cap) {
		w->cap = w->cap == 0 ? 256 : 2 * w->cap;
		w->find = must(realloc(w->find, w->cap * sizeof(*w->find)));
	}
	f = &w->find[w->n++];
	*f = (struct find){.id = e->id,
	    .message_id = e->message_id,
	    .kind = e->kind,
	    .in_file = e->file[0] != '\0',
	    .n_rcpt = e->n_rcpt,
	    .record = record};
	f->rcpt = must(arena_array(w->arena, e->n_rcpt, sizeof(*f->rcpt)));
	f->done = must(arena_alloc(w->arena, e->n_rcpt));
	for (uint32_t i = 0; i < e->n_rcpt; i++)
		f->rcpt[i] = must(arena_strdup(w->arena, e->rcpt[i].addr));
	hash_in(w, f);
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
	char path[PATH_SIZE];
	struct dirent *e;
	uint64_t id;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", w->conf->paths.bodies, w->name);
	d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (text_unid(e->d_name, &id) != ERR_OK)
			continue;
		w->ids =
		    must(realloc(w->ids, (w->n_ids + 1) * sizeof(*w->ids)));
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
	char path[PATH_SIZE];
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
	if (p != NULL)
		store_salvage_scan(SPAN(p, (size_t)st.st_size), w->ids,
		    w->n_ids, w->scan, on_found, w);
	return true;
}

/* --- what the log says --- */

/* A recipient of a pending entry is done when any entry of its message was
   delivered to him: the decision has replaced it. */
static void
note_outcome(struct salvage *w, uint64_t entry, uint64_t message,
    const char *rcpt, uint8_t outcome)
{
	struct find *f;

	for (size_t i = w->by_message[bucket_of(message)]; i > 0;
	     i = f->next_message) {
		f = &w->find[i - 1];
		if (f->message_id != message ||
		    (f->id != entry && f->kind != ENTRY_PENDING))
			continue;
		for (uint32_t k = 0; k < f->n_rcpt; k++)
			if (strcmp(f->rcpt[k], rcpt) == 0)
				f->done[k] = outcome;
	}
}

static void
note_record(struct salvage *w, const json_t *rec)
{
	const char *type = cli_member(rec, "type");
	uint64_t entry, message;
	struct find *f;

	if (text_unid(cli_member(rec, "entry"), &entry) != ERR_OK)
		return;
	f = find_id(w, entry);
	if (strcmp(type, "admin-delete") == 0 && f != NULL)
		f->gone = true;
	else if (text_unid(cli_member(rec, "id"), &message) != ERR_OK)
		return;
	else if (strcmp(type, "sent") == 0)
		note_outcome(w, entry, message, cli_member(rec, "rcpt"),
		    PROTO_DELIVERED);
	else if (strcmp(type, "bounced") == 0)
		note_outcome(
		    w, entry, message, cli_member(rec, "rcpt"), PROTO_FAILED);
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
		note_record(w, rec);
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
	for (size_t i = 0; i < n; i++)
		read_log_file(w, fd, first[i]);
	free(first);
	close(fd);
	return true;
}

/* A ready entry has replaced its recipients in a pending one. */
static void
drop_replaced(struct salvage *w)
{
	for (size_t i = 0; i < w->n; i++) {
		struct find *f = &w->find[i];

		if (f->kind != ENTRY_READY || f->gone)
			continue;
		for (uint32_t k = 0; k < f->n_rcpt; k++)
			note_outcome(
			    w, 0, f->message_id, f->rcpt[k], PROTO_DELIVERED);
	}
	for (size_t i = 0; i < w->n; i++) {
		struct find *f = &w->find[i];
		bool open = false;

		for (uint32_t k = 0; k < f->n_rcpt; k++)
			open = open || f->done[k] == PROTO_DEFERRED;
		f->gone = f->gone || !open;
	}
}

/* --- handing over --- */

static bool
put_file(const char *path, struct span octets)
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
	char from[PATH_SIZE], to[PATH_SIZE], part[PATH_SIZE + 8];
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

static void
leave_path(const struct salvage *w, uint64_t id, char out[PATH_SIZE])
{
	char name[TEXT_ID_SIZE];

	text_id(id, name);
	snprintf(out, PATH_SIZE, "%s/" STORE_SALVAGE_DIR "/%s",
	    w->conf->paths.spool, name);
}

static bool
leave(const struct salvage *w, const struct find *f)
{
	char path[PATH_SIZE];
	struct buf b;
	bool good;

	leave_path(w, f->id, path);
	buf_init(&b, 2 * LIMIT_IPC_PAYLOAD);
	good = store_salvage_pack(f->record, SPAN(f->done, f->n_rcpt), &b) ==
		   ERR_OK &&
	       (!f->in_file || copy_body(w, f->id)) &&
	       put_file(path, buf_span(&b));
	buf_clear(&b);
	if (!good)
		cli_say("%s: %s", path, strerror(errno));
	return good;
}

static bool
tell(int fd, uint64_t n)
{
	return send(fd, &n, sizeof(n), MSG_NOSIGNAL) == (ssize_t)sizeof(n);
}

/* Whatever is left when the parent is done, or gone. */
static void
clean_up(const struct salvage *w)
{
	char path[PATH_SIZE];

	for (size_t i = 0; i < w->n; i++) {
		leave_path(w, w->find[i].id, path);
		(void)unlink(path);
	}
	snprintf(
	    path, sizeof(path), "%s/" STORE_SALVAGE_DIR, w->conf->paths.spool);
	(void)rmdir(path);
}

static int
run_child(struct salvage *w, int fd)
{
	char path[PATH_SIZE];
	uint64_t gone = 0, word;
	int status = CLI_FAILED;

	if (cli_give_up_root(w->conf->paths.spool) != ERR_OK)
		return CLI_FAILED;
	w->scan = must(arena_new(MEMORY));
	w->arena = must(arena_new(MEMORY));
	snprintf(
	    path, sizeof(path), "%s/" STORE_SALVAGE_DIR, w->conf->paths.spool);
	if (mkdir(path, 0700) != 0 && errno != EEXIST) {
		cli_say("%s: %s", path, strerror(errno));
		return CLI_FAILED;
	}
	list_bodies(w);
	if (scan_file(w) && read_log(w)) {
		drop_replaced(w);
		status = CLI_DONE;
	}
	for (size_t i = 0; status == CLI_DONE && i < w->n; i++) {
		gone += w->find[i].gone ? 1 : 0;
		if (!w->find[i].gone &&
		    (!leave(w, &w->find[i]) || !tell(fd, w->find[i].id)))
			status = CLI_FAILED;
	}
	if (status == CLI_DONE && tell(fd, 0) && tell(fd, gone))
		(void)!recv(fd, &word, sizeof(word), 0);
	clean_up(w);
	return status;
}

/* --- the parent --- */

struct tally {
	json_int_t taken, present, done, refused;
};

static void
ask_one(struct cli *cli, const char *name, uint64_t id, struct tally *t)
{
	json_t *answer = NULL, *bad = NULL;
	char text[TEXT_ID_SIZE];
	int status;

	text_id(id, text);
	status = cli_ask(cli,
	    json_pack("{s:s, s:s, s:s}", "verb", "queue-salvage", "id", text,
		"directory", name),
	    &answer, &bad);
	if (status == CLI_DONE) {
		t->taken++;
	} else if (strcmp(cli_member(bad, "err"), err_name(ERR_EXISTS)) == 0) {
		t->present++;
	} else {
		t->refused++;
		cli_say("%s: %s", text, cli_member(bad, "text"));
	}
	json_decref(answer);
	json_decref(bad);
}

/* True when the child has told everything. */
static bool
ask_all(struct cli *cli, const char *name, int fd, struct tally *t)
{
	uint64_t id = 0;

	while (recv(fd, &id, sizeof(id), MSG_WAITALL) == (ssize_t)sizeof(id)) {
		if (id != 0) {
			ask_one(cli, name, id, t);
			continue;
		}
		if (recv(fd, &id, sizeof(id), MSG_WAITALL) !=
		    (ssize_t)sizeof(id))
			return false;
		t->done = (json_int_t)id;
		return true;
	}
	return false;
}

static void
put_tally(struct cli *cli, const char *name, const struct tally *t)
{
	if (cli->json) {
		cli_put_json(json_pack("{s:s, s:I, s:I, s:I, s:I}", "directory",
		    name, "taken", t->taken, "present", t->present, "done",
		    t->done, "refused", t->refused));
		return;
	}
	printf("%s: %lld taken into the queue, held; %lld are there already, "
	       "%lld were delivered or deleted, %lld refused\n",
	    name, (long long)t->taken, (long long)t->present,
	    (long long)t->done, (long long)t->refused);
}

static int
salvage(struct cli *cli, const struct conf *conf, const char *name)
{
	static struct salvage w; /* large, and the child's alone */
	struct tally t = {0};
	bool whole;
	int fd[2], status = 0;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) != 0) {
		cli_say("%s", strerror(errno));
		return CLI_FAILED;
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(fd[0]);
		w.conf = conf;
		w.name = name;
		_exit(run_child(&w, fd[1]));
	}
	close(fd[1]);
	whole = pid > 0 && ask_all(cli, name, fd[0], &t);
	close(fd[0]);
	if (pid > 0 && waitpid(pid, &status, 0) != pid)
		whole = false;
	if (!whole || t.taken + t.present + t.done + t.refused > 0)
		put_tally(cli, name, &t);
	else if (!cli->json)
		printf("%s: nothing found\n", name);
	else
		put_tally(cli, name, &t);
	return whole && WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
		       t.refused == 0
		   ? CLI_DONE
		   : CLI_FAILED;
}

/* A name as store gives it, and nothing that leads elsewhere. */
static bool
is_aside(const char *name)
{
	uint64_t when;

	return strncmp(name, "broken-", 7) == 0 &&
	       text_number(span_str(name + 7), 0, UINT64_MAX, &when) == ERR_OK;
}

/* All that were moved aside. */
static int
salvage_all(struct cli *cli, const struct conf *conf)
{
	DIR *d = opendir(conf->paths.spool);
	struct dirent *e;
	int status = CLI_NO, s;

	if (d == NULL) {
		cli_say("%s: %s", conf->paths.spool, strerror(errno));
		return CLI_FAILED;
	}
	while ((e = readdir(d)) != NULL) {
		if (!is_aside(e->d_name))
			continue;
		s = salvage(cli, conf, e->d_name);
		status = status == CLI_NO || s > status ? s : status;
	}
	closedir(d);
	if (status == CLI_NO)
		cli_say("nothing was moved aside");
	return status;
}

int
cli_queue_salvage(struct cli *cli, int argc, char **argv)
{
	const struct conf *conf;
	int status = CLI_DONE, s;

	if (cli_conf(cli, &conf) != ERR_OK)
		return CLI_FAILED;
	if (argc == 1)
		return salvage_all(cli, conf);
	for (int i = 1; i < argc; i++) {
		if (!is_aside(argv[i]))
			return cli_usage(cli);
		s = salvage(cli, conf, argv[i]);
		status = s > status ? s : status;
	}
	return status;
}
