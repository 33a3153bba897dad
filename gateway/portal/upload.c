/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Answers on their way in: octets that are sealed for the gateway, written to a
 * file as they come, whole and synced or not there at all, and shown to store
 * until that says that it has them. Nothing of them can be read here.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/answer.h"
#include "common/file.h"
#include "common/ipc.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/secret.h"
#include "common/text.h"
#include "gateway/portal/portal_private.h"
#include "gateway/proto.h"

/* "upload.ID" while it comes, "answer.OBJECT.ID" once it is whole. */
#define COMING "upload."
#define WHOLE  "answer."

enum { NAME = 64 };

struct portal_answers {
	int dir;
	uint64_t max;	  /* octets of one before sealing; 0: none is taken */
	uint64_t may;	  /* the same by our configuration alone */
	uint64_t reserve; /* octets of the disk that are left to others */
	struct portal_upload *coming; /* those under way */
};

struct portal_upload {
	struct portal_answers *answers;
	struct portal_upload *next;
	uint8_t object[OBJECT_ID_SIZE];
	struct portal_client client;
	uint64_t id;
	uint64_t want; /* octets of the file */
	uint64_t got;
	uint64_t mark; /* got, when it was last asked for */
	uint8_t head[ANSWER_HEADER_SIZE];
	int fd;
};

static void
coming_name(uint64_t id, char out[NAME])
{
	snprintf(out, NAME, COMING "%016llx", (unsigned long long)id);
}

static void
whole_name(const uint8_t *object, uint64_t id, char out[NAME])
{
	char name[OBJECT_ID_TEXT_SIZE];

	object_id_format(object, name);
	snprintf(out, NAME, WHOLE "%s.%016llx", name, (unsigned long long)id);
}

/* --- what is there */

static bool
parse_whole(const char *name, uint8_t *object_out, uint64_t *id_out)
{
	size_t at = sizeof(WHOLE) - 1;
	char *end;

	if (strncmp(name, WHOLE, at) != 0 ||
	    strlen(name) != at + OBJECT_ID_TEXT_SIZE - 1 + 1 + 16 ||
	    name[at + OBJECT_ID_TEXT_SIZE - 1] != '.' ||
	    !object_id_parse(
		SPAN(name + at, OBJECT_ID_TEXT_SIZE - 1), object_out))
		return false;
	*id_out = strtoull(name + at + OBJECT_ID_TEXT_SIZE, &end, 16);
	return *end == '\0' && *id_out != 0;
}

typedef void each_fn(void *arg, const char *name);

static enum err
for_each(const struct portal_answers *a, each_fn *fn, void *arg)
{
	struct dirent *d;
	int fd = openat(a->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	enum err e;

	if (dir == NULL) {
		e = err_from_errno(errno);
		if (fd >= 0)
			close(fd);
		return e;
	}
	/* the end and an error look the same but for this */
	while (errno = 0, (d = readdir(dir)) != NULL)
		fn(arg, d->d_name);
	e = errno == 0 ? ERR_OK : err_from_errno(errno);
	closedir(dir);
	return e;
}

static void
sweep(void *arg, const char *name)
{
	const struct portal_answers *a = arg;

	if (strncmp(name, COMING, sizeof(COMING) - 1) == 0)
		(void)!unlinkat(a->dir, name, 0);
}

struct portal_answers *
portal_answers_open(const char *dir, uint64_t max, uint64_t reserve)
{
	struct portal_answers *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->max = a->may = max;
	a->reserve = reserve;
	a->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (a->dir < 0) {
		free(a);
		return NULL;
	}
	/* what is not swept takes room, and is swept another time */
	(void)!for_each(a, sweep, a);
	return a;
}

void
portal_answers_close(struct portal_answers *a)
{
	if (a == NULL)
		return;
	close(a->dir);
	free(a);
}

struct sum {
	const struct portal_answers *a;
	const uint8_t *object;
	uint64_t octets; /* of all, with what is promised */
	uint64_t to_come;
	unsigned of_object;
	unsigned coming;
	unsigned coming_object;
	unsigned coming_client;
};

static void
add_up(void *arg, const char *name)
{
	struct sum *s = arg;
	uint8_t object[OBJECT_ID_SIZE];
	struct stat st;
	uint64_t id;

	if (!parse_whole(name, object, &id))
		return;
	if (fstatat(s->a->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		s->octets += (uint64_t)st.st_size;
	if (memcmp(object, s->object, sizeof(object)) == 0)
		s->of_object++;
}

static bool
is_same_client(const struct portal_client *a, const struct portal_client *b)
{
	return a->net_len == b->net_len &&
	       memcmp(a->net, b->net, a->net_len) == 0;
}

/* What is under way counts as if it were there. */
static void
add_coming(struct sum *s, const struct portal_client *client)
{
	for (const struct portal_upload *u = s->a->coming; u != NULL;
	     u = u->next) {
		s->coming++;
		s->octets += u->want;
		s->to_come += u->want - u->got;
		if (memcmp(u->object, s->object, sizeof(u->object)) == 0)
			s->coming_object++;
		if (is_same_client(&u->client, client))
			s->coming_client++;
	}
}

/* Does so much more fit on the disk, and leave what others need? */
static bool
has_space(const struct portal_answers *a, uint64_t len)
{
	uint64_t space;

	return file_space(a->dir, &space) == ERR_OK && space >= a->reserve &&
	       space - a->reserve >= len;
}

/* --- one upload */

static enum err
may_come(const struct portal_answers *a, const uint8_t *object,
    const struct portal_client *client, uint64_t len)
{
	struct sum sum = {.a = a, .object = object};

	if (a->max == 0)
		return ERR_NOT_FOUND;
	if (len <= ANSWER_HEADER_SIZE)
		return ERR_MALFORMED;
	if (len > answer_total_size(a->max))
		return ERR_TOO_BIG;
	/* what cannot be counted is not nothing */
	if (for_each(a, add_up, &sum) != ERR_OK)
		return ERR_BUSY;
	add_coming(&sum, client);
	/* one at a time for each object: who has one link has one place */
	if (sum.of_object >= LIMIT_ANSWERS || sum.coming_object > 0)
		return ERR_LIMIT;
	if (sum.octets + len > LIMIT_ANSWERS_SIZE ||
	    sum.coming >= LIMIT_ANSWER_UPLOADS ||
	    sum.coming_client >= LIMIT_ANSWER_UPLOADS_CLIENT ||
	    !has_space(a, sum.to_come + len))
		return ERR_BUSY;
	return ERR_OK;
}

enum err
portal_upload_begin(struct portal_answers *a, const uint8_t *object,
    const struct portal_client *client, uint64_t len,
    struct portal_upload **out)
{
	uint64_t id;

	do
		id = random_u64();
	while (id == 0);
	return portal_upload_begin_as(a, id, object, client, len, out);
}

enum err
portal_upload_begin_as(struct portal_answers *a, uint64_t id,
    const uint8_t *object, const struct portal_client *client, uint64_t len,
    struct portal_upload **out)
{
	struct portal_upload *u;
	char name[NAME];
	enum err e = may_come(a, object, client, len);

	if (e != ERR_OK)
		return e;
	u = calloc(1, sizeof(*u));
	if (u == NULL)
		return ERR_NOMEM;
	u->answers = a;
	u->want = len;
	u->client = *client;
	memcpy(u->object, object, sizeof(u->object));
	u->id = id;
	coming_name(u->id, name);
	u->fd = openat(a->dir, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (u->fd < 0) {
		e = err_from_errno(errno);
		free(u);
		return e;
	}
	u->next = a->coming;
	a->coming = u;
	*out = u;
	return ERR_OK;
}

/* The first octets say what it is. */
static void
keep_head(struct portal_upload *u, struct span s)
{
	size_t n;

	if (u->got >= sizeof(u->head))
		return;
	n = sizeof(u->head) - (size_t)u->got;
	memcpy(u->head + u->got, s.data, s.len < n ? s.len : n);
}

enum err
portal_upload_put(struct portal_upload *u, struct span s)
{
	enum err e;

	if (s.len > u->want - u->got)
		return ERR_TOO_BIG;
	keep_head(u, s);
	e = file_write_all(u->fd, s);
	u->got += s.len;
	return e;
}

bool
portal_upload_has_moved(struct portal_upload *u, uint64_t octets)
{
	if (u->got - u->mark < octets)
		return false;
	u->mark = u->got;
	return true;
}

static enum err
check_head(const struct portal_upload *u)
{
	struct answer_header h;
	enum err e = answer_header_parse(SPAN(u->head, sizeof(u->head)), &h);

	if (e != ERR_OK)
		return e;
	if (memcmp(h.object, u->object, sizeof(h.object)) != 0 ||
	    u->got != u->want || h.size > u->answers->max ||
	    u->want != answer_total_size(h.size))
		return ERR_MALFORMED;
	return ERR_OK;
}

enum err
portal_upload_check(struct portal_upload *u)
{
	enum err e = check_head(u);

	return e == ERR_OK ? file_sync(u->fd) : e;
}

const uint8_t *
portal_upload_object(const struct portal_upload *u)
{
	return u->object;
}

enum err
portal_upload_end(struct portal_upload *u, uint64_t *id_out)
{
	char from[NAME], to[NAME];
	int dir = u->answers->dir;
	enum err e;

	coming_name(u->id, from);
	whole_name(u->object, u->id, to);
	if (renameat(dir, from, dir, to) != 0)
		return err_from_errno(errno);
	e = file_sync_dir(dir);
	/* who is told that it failed sends it again: it must not be here twice
	 */
	if (e != ERR_OK)
		(void)!unlinkat(dir, to, 0);
	else
		*id_out = u->id;
	return e;
}

void
portal_upload_free(struct portal_upload *u)
{
	struct portal_upload **at;
	char name[NAME];

	if (u == NULL)
		return;
	/* nothing of this name is there once it is whole */
	coming_name(u->id, name);
	(void)!unlinkat(u->answers->dir, name, 0);
	close(u->fd);
	for (at = &u->answers->coming; *at != u; at = &(*at)->next)
		;
	*at = u->next;
	free(u);
}

/* --- for a gateway on another machine */

struct listing {
	const struct portal_answers *a;
	portal_answer_fn *fn;
	void *arg;
};

static void
list_one(void *arg, const char *name)
{
	struct listing *l = arg;
	uint8_t object[OBJECT_ID_SIZE];
	struct stat st;
	uint64_t id;

	if (parse_whole(name, object, &id) &&
	    fstatat(l->a->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		l->fn(l->arg, id, object, (uint64_t)st.st_size);
}

void
portal_answers_each(
    const struct portal_answers *a, portal_answer_fn *fn, void *arg)
{
	struct listing l = {.a = a, .fn = fn, .arg = arg};
	enum err e = for_each(a, list_one, &l);

	/* they are listed again */
	if (e != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "portal-answer", KV_ERR(e));
}

struct finding {
	const struct portal_answers *a;
	uint64_t id;
	int fd;
};

static void
find_one(void *arg, const char *name)
{
	struct finding *f = arg;
	uint8_t object[OBJECT_ID_SIZE];
	uint64_t id;

	if (f->fd < 0 && parse_whole(name, object, &id) && id == f->id)
		f->fd =
		    openat(f->a->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

int
portal_answers_file(const struct portal_answers *a, uint64_t id)
{
	struct finding f = {.a = a, .id = id, .fd = -1};

	(void)!for_each(a, find_one, &f);
	return f.fd;
}

void
portal_answers_limit(struct portal_answers *a, uint64_t max)
{
	a->max = max < a->may ? max : a->may;
}

/* --- to store */

struct showing {
	const struct portal_answers *a;
	struct ipc *store;
	uint64_t only; /* 0: all */
};

static void
show(void *arg, const char *name)
{
	struct showing *s = arg;
	char object[OBJECT_ID_TEXT_SIZE];
	struct proto_answer_came m = {.object = object, .client = ""};
	uint8_t raw[OBJECT_ID_SIZE];
	struct buf b;
	uint64_t id;
	int fd;

	if (!parse_whole(name, raw, &id) || (s->only != 0 && s->only != id))
		return;
	fd = openat(s->a->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	object_id_format(raw, object);
	buf_init(&b, LIMIT_IPC_INLINE);
	/* what does not get through is shown again */
	if (proto_answer_came_pack(&m, &b) == ERR_OK)
		(void)!ipc_post(
		    s->store, PROTO_ANSWER_CAME, id, buf_span(&b), &fd, 1);
	buf_clear(&b);
	close(fd);
}

void
portal_answers_show(
    const struct portal_answers *a, struct ipc *store, uint64_t only)
{
	struct showing s = {.a = a, .store = store, .only = only};

	enum err e = store != NULL ? for_each(a, show, &s) : ERR_OK;

	/* they are shown again */
	if (e != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "portal-answer", KV_ERR(e));
}

struct taking {
	const struct portal_answers *a;
	uint64_t id;
};

static void
take(void *arg, const char *name)
{
	struct taking *t = arg;
	uint8_t raw[OBJECT_ID_SIZE];
	uint64_t id;

	if (parse_whole(name, raw, &id) && id == t->id &&
	    unlinkat(t->a->dir, name, 0) != 0)
		log_event(LOG_LVL_ERR, NULL, "portal-answer",
		    KV_ERR(err_from_errno(errno)));
}

void
portal_answers_taken(const struct portal_answers *a, uint64_t id)
{
	struct taking t = {.a = a, .id = id};

	enum err e = for_each(a, take, &t);

	if (e != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "portal-answer", KV_ERR(e));
}
