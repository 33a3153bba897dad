/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One pass over all lines. After a line that is wrong it goes on with what
 * that line says of itself, so that one change is one or two problems and not
 * all the rest of the log.
 */
#include "gateway/store/audit_verify.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/text.h"
#include "gateway/store/audit_reader.h"

/* How often, and after how long, a line that is cut off is read again. */
enum { AGAIN = 5, AGAIN_MS = 10 };

struct state {
	const struct store_verify *v;
	struct store_verified out;
	const char *file;
	uint8_t key[SIGN_PUB]; /* signs at this place */
	bool head_seen;
	bool key_seen; /* has signed something here */
};

static void
problem(struct state *s, uint64_t seq, const char *text)
{
	s->out.problems++;
	if (s->v->on_problem != NULL)
		s->v->on_problem(s->v->arg, s->file, seq, text);
}

static bool
starts_with(struct span s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.len >= n && memcmp(s.data, prefix, n) == 0;
}

static bool
hex_member(const json_t *rec, const char *name, uint8_t *out, size_t size)
{
	const char *text = json_string_value(json_object_get(rec, name));

	return text != NULL && text_unhex(span_str(text), out, size) == ERR_OK;
}

static void
note_signed(
    struct state *s, const struct store_line *l, const uint8_t by[SIGN_PUB])
{
	if (s->v->key != NULL && memcmp(by, s->v->key, SIGN_PUB) == 0)
		s->key_seen = true;
	s->out.signatures++;
	s->out.signed_seq = l->seq;
	snprintf(s->out.signed_time, sizeof(s->out.signed_time), "%.*s",
	    (int)l->time.len, (const char *)l->time.data);
}

static void
check_checkpoint(struct state *s, const struct store_line *l, const json_t *rec)
{
	uint8_t key[SIGN_PUB], sig[SIGN_SIZE];
	char text[STORE_SIGNED_MAX];

	if (!hex_member(rec, "key", key, sizeof(key)) ||
	    !hex_member(rec, "sig", sig, sizeof(sig)))
		problem(s, l->seq, "the checkpoint is malformed");
	else if (!s->out.has_key || memcmp(key, s->key, SIGN_PUB) != 0)
		problem(s, l->seq,
		    "the checkpoint is signed by a key nobody vouches for");
	else if (!sign_is_good(key,
		     store_line_signed(l->seq, l->time, l->prev, NULL, text),
		     sig))
		problem(s, l->seq, "the checkpoint's signature is wrong");
	else
		note_signed(s, l, key);
}

/* The first key of a log vouches for itself, and a log that does not begin at
   its beginning has to be taken at its word for the key, too. */
static void
check_key(struct state *s, const struct store_line *l, const json_t *rec)
{
	uint8_t key[SIGN_PUB], by[SIGN_PUB], sig[SIGN_SIZE];
	char text[STORE_SIGNED_MAX];

	if (!hex_member(rec, "key", key, sizeof(key)) ||
	    !hex_member(rec, "by", by, sizeof(by)) ||
	    !hex_member(rec, "sig", sig, sizeof(sig))) {
		problem(s, l->seq, "the record of the new key is malformed");
		return;
	}
	if (!sign_is_good(by,
		store_line_signed(l->seq, l->time, l->prev, key, text), sig)) {
		problem(s, l->seq, "the signature of the new key is wrong");
		return;
	}
	if (s->out.has_key && memcmp(by, s->key, SIGN_PUB) != 0)
		problem(
		    s, l->seq, "the key before does not vouch for this one");
	if (!s->out.has_key)
		memcpy(s->out.first_key, by, SIGN_PUB);
	memcpy(s->key, key, SIGN_PUB);
	s->out.has_key = true;
	note_signed(s, l, by);
}

static void
check_record(struct state *s, const struct store_line *l)
{
	bool key = starts_with(l->rec, "{\"type\":\"audit-key\",");
	json_t *rec;

	if (!key && !starts_with(l->rec, "{\"type\":\"audit-checkpoint\","))
		return;
	rec = json_loadb((const char *)l->rec.data, l->rec.len, 0, NULL);
	if (key)
		check_key(s, l, rec);
	else
		check_checkpoint(s, l, rec);
	json_decref(rec);
}

static void
check_place(struct state *s, const struct store_line *l)
{
	static const uint8_t nothing[DIGEST_SIZE];
	uint64_t first = s->v->from == 0 ? 1 : s->v->from;

	if (s->out.last == 0) {
		if (l->seq != first)
			problem(s, l->seq, "the log does not begin here");
		if (l->seq == 1 && memcmp(l->prev, nothing, DIGEST_SIZE) != 0)
			problem(s, l->seq, "something stood before this line");
		return;
	}
	if (l->seq <= s->out.last)
		problem(s, l->seq, "the line is out of order");
	else if (l->seq != s->out.last + 1)
		problem(s, l->seq, "lines before this one are missing");
	else if (memcmp(l->prev, s->out.hash, DIGEST_SIZE) != 0)
		problem(s, l->seq, "does not follow from the line before");
}

static void
check_line(struct state *s, struct span line)
{
	uint8_t hash[DIGEST_SIZE];
	struct store_line l;

	s->out.lines++;
	if (store_line_parse(line, &l) != ERR_OK) {
		problem(s, s->out.last + 1, "is no line of this log");
		return;
	}
	store_line_hash(line, hash);
	if (memcmp(hash, l.hash, DIGEST_SIZE) != 0)
		problem(s, l.seq, "the line was altered");
	check_place(s, &l);
	if (s->out.first == 0)
		s->out.first = l.seq;
	check_record(s, &l);
	if (l.seq == s->v->head_seq) {
		s->head_seen = true;
		if (memcmp(hash, s->v->head_hash, DIGEST_SIZE) != 0)
			problem(s, l.seq, "is not the line that was noted");
	}
	s->out.last = l.seq;
	memcpy(s->out.hash, hash, DIGEST_SIZE);
}

/* A gateway that runs may be in the middle of a line: what is cut off for so
   long stays so. */
static enum err
read_again(int dir_fd, uint64_t first, uint64_t at, struct store_reader **r)
{
	static const struct timespec pause = {0, AGAIN_MS * 1000000L};
	enum err e;

	nanosleep(&pause, NULL);
	store_reader_close(*r);
	*r = NULL;
	e = store_reader_open(dir_fd, first, r);
	return e == ERR_OK ? store_reader_seek(*r, at) : e;
}

static enum err
check_file(struct state *s, int dir_fd, uint64_t first)
{
	char name[STORE_AUDIT_NAME];
	struct store_reader *r = NULL;
	struct span line;
	bool whole = false;
	int again = 0;
	enum err e = store_reader_open(dir_fd, first, &r);

	store_audit_file_name(first, name);
	s->file = name;
	while (e == ERR_OK) {
		uint64_t at = store_reader_offset(r);

		e = store_reader_next(r, &line, &whole);
		if (e == ERR_OK && whole)
			check_line(s, line);
		else if (e == ERR_OK && again++ < AGAIN)
			e = read_again(dir_fd, first, at, &r);
		else if (e == ERR_OK)
			problem(s, s->out.last + 1, "the line is cut off");
		if (whole)
			again = 0;
	}
	store_reader_close(r);
	if (e == ERR_TOO_BIG) {
		problem(s, s->out.last + 1, "is no line of this log");
		e = ERR_NOT_FOUND;
	}
	s->file = "";
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err
store_audit_verify(
    const char *dir, const struct store_verify *v, struct store_verified *out)
{
	struct state s = {.v = v, .file = ""};
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t *first = NULL;
	size_t n = 0;
	enum err e;

	if (fd < 0)
		return err_from_errno(errno);
	e = store_audit_files(fd, &first, &n);
	for (size_t i = 0; e == ERR_OK && i < n; i++)
		e = check_file(&s, fd, first[i]);
	if (e == ERR_OK && v->head_seq > s.out.last)
		problem(&s, s.out.last + 1,
		    "the log ends before this line, and a later one was noted");
	else if (e == ERR_OK && v->head_seq != 0 && !s.head_seen)
		problem(&s, v->head_seq, "was noted, but is not here");
	if (e == ERR_OK && v->key != NULL && !s.key_seen)
		problem(&s, 0,
		    "nothing here is signed by the key that was "
		    "named");
	free(first);
	close(fd);
	if (e == ERR_OK)
		*out = s.out;
	return e;
}
