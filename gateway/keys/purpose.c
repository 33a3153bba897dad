/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The files of the purpose keys. Each is written beside, synced and renamed;
 * the files "complete" and "public" are made last. Before its one is there a
 * missing pair was never used and is made; after that a missing pair is lost,
 * and making another would bury what was sealed to it.
 */
#include "gateway/keys/purpose.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/answer.h"
#include "common/file.h"

enum {
	HEAD = 6, /* "SGPK" version[1] purpose[1], then the public half */
	HEAD_PUB = HEAD + SEALED_KEY,
	FILE_MAX = 1024,
	FORMAT_VERSION = 1,
};

static const char complete[] = "complete";
/* Nobody can seal a private key before this is there. */
static const char public[] = "public";

static const struct {
	enum sealed_purpose purpose;
	const char *file;
	const char *mark; /* once it is there, the file must be, too */
} files[] = {
    {SEALED_READY, "ready.sealed", complete},
    {SEALED_PENDING, "pending.sealed", complete},
    {SEALED_AUDIT, "audit.sealed", complete},
    {SEALED_PRIVATE, "private.sealed", public},
};

enum { FILES = sizeof(files) / sizeof(files[0]) };

void
keys_set_clear(struct keys_set *s)
{
	if (s == NULL)
		return;
	for (int i = 0; i < SEALED_PURPOSES; i++)
		secret_free(s->priv[i]);
	memset(s, 0, sizeof(*s));
}

/* What stands before the wrapped half, and is its associated data. */
static void
put_head(uint8_t *out, const struct sealed_pub *pub)
{
	memcpy(out, "SGPK", 4);
	out[4] = FORMAT_VERSION;
	out[5] = (uint8_t)pub->purpose;
	memcpy(out + HEAD, pub->octets, SEALED_KEY);
}

static enum err
parse(struct span in, enum sealed_purpose purpose, const struct secret *master,
    struct sealed_pub *pub, struct secret **priv)
{
	struct sealed_pub p = {.purpose = purpose};
	uint8_t head[HEAD_PUB];
	enum err err;

	if (in.len < HEAD_PUB)
		return ERR_MALFORMED;
	memcpy(p.octets, in.data + HEAD, SEALED_KEY);
	put_head(head, &p);
	if (memcmp(head, in.data, HEAD_PUB) != 0)
		return ERR_MALFORMED;
	if (in.len != HEAD_PUB + sealed_size(SEALED_KEY))
		return ERR_MALFORMED;
	err = sealed_unwrap(master, SPAN(head, sizeof(head)),
	    SPAN(in.data + HEAD_PUB, in.len - HEAD_PUB), priv);
	if (err == ERR_OK)
		*pub = p;
	return err;
}

/* What is wrong with a pair, in words; ERR_NOT_FOUND is handed on. */
static enum err
explain(enum err err, size_t i, struct err_why *why)
{
	if (err == ERR_BAD_SEAL)
		return err_why(why, ERR_MASTER_KEY,
		    "keys/%s does not open: this is not the master key of "
		    "this state directory, or the file was altered",
		    files[i].file);
	if (err == ERR_MALFORMED || err == ERR_TOO_BIG)
		return err_why(why, ERR_MALFORMED,
		    "keys/%s is damaged: bring it back from a backup",
		    files[i].file);
	if (err != ERR_OK && err != ERR_NOT_FOUND)
		return err_why(
		    why, err, "keys/%s: %s", files[i].file, err_text(err));
	return err;
}

static enum err
load(int dir_fd, size_t i, const struct secret *master, struct keys_set *s,
    struct err_why *why)
{
	enum sealed_purpose purpose = files[i].purpose;
	struct buf b;
	enum err err;

	buf_init(&b, FILE_MAX);
	err = file_read_path(dir_fd, files[i].file, &b);
	if (err == ERR_OK)
		err = parse(buf_span(&b), purpose, master, &s->pub[purpose],
		    &s->priv[purpose]);
	buf_clear(&b);
	return explain(err, i, why);
}

static size_t
place_of(enum sealed_purpose purpose)
{
	size_t i = 0;

	while (i + 1 < FILES && files[i].purpose != purpose)
		i++;
	return i;
}

const char *
keys_pair_file(enum sealed_purpose purpose)
{
	return files[place_of(purpose)].file;
}

enum err
keys_pair_read(int fd, enum sealed_purpose purpose, const struct secret *master,
    struct sealed_pub *pub, struct secret **priv, struct err_why *why)
{
	size_t i = place_of(purpose);
	struct buf b;
	enum err err;

	buf_init(&b, FILE_MAX);
	err = file_read_all(fd, &b);
	if (err == ERR_OK)
		err = parse(buf_span(&b), purpose, master, pub, priv);
	buf_clear(&b);
	return explain(err, i, why);
}

/* Write a pair, its private half wrapped by the master key. */
static enum err
write_pair(int dir_fd, size_t i, const struct secret *master,
    const struct sealed_pub *pub, const struct secret *priv, bool replace)
{
	uint8_t head[HEAD_PUB];
	struct buf b;
	enum err err;

	buf_init(&b, FILE_MAX);
	put_head(head, pub);
	err = buf_put(&b, SPAN(head, sizeof(head)));
	if (err == ERR_OK)
		err = sealed_wrap(
		    master, SPAN(head, sizeof(head)), secret_span(priv), &b);
	if (err == ERR_OK)
		err = file_create_synced(
		    dir_fd, files[i].file, buf_span(&b), 0400, replace);
	buf_clear(&b);
	return err;
}

static enum err
create(int dir_fd, size_t i, const struct secret *master, struct keys_set *s)
{
	enum sealed_purpose purpose = files[i].purpose;
	struct sealed_pub pub;
	struct secret *priv = NULL;
	enum err err = sealed_keypair(purpose, &pub, &priv);

	if (err == ERR_OK)
		err = write_pair(dir_fd, i, master, &pub, priv, false);
	if (err != ERR_OK) {
		secret_free(priv);
		return err;
	}
	s->pub[purpose] = pub;
	s->priv[purpose] = priv;
	return ERR_OK;
}

/* What an interrupted write left. It holds nothing that is in use. */
static void
sweep(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (d == NULL) {
		if (fd != -1)
			close(fd);
		return;
	}
	while ((e = readdir(d)) != NULL)
		if (strncmp(e->d_name, ".tmp.", 5) == 0)
			unlinkat(dir_fd, e->d_name, 0);
	closedir(d);
}

/* The public half that others need, where they can read it. */
static enum err
publish(int dir_fd, const struct sealed_pub *pub, struct err_why *why)
{
	uint8_t head[HEAD_PUB];
	enum err err;

	put_head(head, pub);
	err = file_create_synced(
	    dir_fd, public, SPAN(head, sizeof(head)), 0444, true);
	if (err != ERR_OK)
		return err_why(why, err, "cannot write keys/%s: %s", public,
		    err_text(err));
	return ERR_OK;
}

enum err
keys_pair_public(int fd, enum sealed_purpose purpose, struct sealed_pub *pub,
    struct err_why *why)
{
	struct sealed_pub p = {.purpose = purpose};
	uint8_t head[HEAD_PUB];
	struct buf b;
	enum err err;

	buf_init(&b, FILE_MAX);
	err = file_read_all(fd, &b);
	if (err == ERR_OK && b.len < HEAD_PUB)
		err = ERR_MALFORMED;
	if (err == ERR_OK) {
		memcpy(p.octets, b.data + HEAD, SEALED_KEY);
		put_head(head, &p);
		if (memcmp(head, b.data, HEAD_PUB) != 0)
			err = ERR_MALFORMED;
	}
	buf_clear(&b);
	if (err != ERR_OK)
		return err_why(why, err, "keys/%s: %s", keys_pair_file(purpose),
		    err_text(err));
	*pub = p;
	return ERR_OK;
}

enum err
keys_public_read(int dir_fd, struct sealed_pub *out, struct err_why *why)
{
	struct sealed_pub pub = {.purpose = SEALED_PRIVATE};
	uint8_t head[HEAD_PUB];
	struct buf b;
	enum err err;

	buf_init(&b, FILE_MAX);
	err = file_read_path(dir_fd, public, &b);
	if (err == ERR_OK && b.len != HEAD_PUB)
		err = ERR_MALFORMED;
	if (err == ERR_OK) {
		memcpy(pub.octets, b.data + HEAD, SEALED_KEY);
		put_head(head, &pub);
		if (memcmp(head, b.data, HEAD_PUB) != 0)
			err = ERR_MALFORMED;
	}
	buf_clear(&b);
	if (err != ERR_OK)
		return err_why(why, err, "keys/%s: %s", public, err_text(err));
	*out = pub;
	return ERR_OK;
}

/* The file that others read must say what the pair says, and be readable
   whatever the umask made of it. */
static enum err
check_public(int dir_fd, const struct keys_set *s, struct err_why *why)
{
	struct sealed_pub pub;
	enum err err = keys_public_read(dir_fd, &pub, why);

	if (err == ERR_NOT_FOUND) {
		pub = s->pub[SEALED_PRIVATE];
		err = publish(dir_fd, &pub, why);
	}
	if (err != ERR_OK)
		return err;
	if (memcmp(pub.octets, s->pub[SEALED_PRIVATE].octets, SEALED_KEY) != 0)
		return err_why(why, ERR_MALFORMED,
		    "keys/%s is not the public half of keys/private.sealed: "
		    "bring both back from a backup",
		    public);
	if (fchmodat(dir_fd, public, 0444, 0) != 0)
		return err_why(why, err_from_errno(errno), "chmod keys/%s: %s",
		    public, strerror(errno));
	return ERR_OK;
}

enum err
keys_set_open(int dir_fd, const struct secret *master, struct keys_set *out,
    struct err_why *why)
{
	bool is_complete = faccessat(dir_fd, complete, F_OK, 0) == 0;
	enum err err = ERR_OK;

	memset(out, 0, sizeof(*out));
	sweep(dir_fd);
	for (size_t i = 0; i < FILES; i++) {
		err = load(dir_fd, i, master, out, why);
		if (err != ERR_NOT_FOUND && err != ERR_OK)
			return err;
		if (err == ERR_OK)
			continue;
		if (faccessat(dir_fd, files[i].mark, F_OK, 0) == 0)
			return err_why(why, ERR_NOT_FOUND,
			    "keys/%s is missing: bring it back from a backup",
			    files[i].file);
		err = create(dir_fd, i, master, out);
		if (err != ERR_OK)
			return err_why(why, err, "cannot write keys/%s: %s",
			    files[i].file, err_text(err));
	}
	err = answer_pair(out->priv[SEALED_PENDING], &out->pub[SEALED_ANSWER],
	    &out->priv[SEALED_ANSWER]);
	if (err != ERR_OK)
		return err;
	err = check_public(dir_fd, out, why);
	if (err != ERR_OK || is_complete)
		return err;
	err = file_create_synced(dir_fd, complete, SPAN("\n", 1), 0400, true);
	if (err != ERR_OK)
		return err_why(why, err, "cannot write keys/%s: %s", complete,
		    err_text(err));
	return ERR_OK;
}

/* Every pair, by the old key or, where an earlier try came so far, by the new
   one; is_new says which. */
static enum err
load_either(int dir_fd, const struct secret *old_key,
    const struct secret *new_key, struct keys_set *s, bool is_new[FILES],
    struct err_why *why)
{
	for (size_t i = 0; i < FILES; i++) {
		enum err err = load(dir_fd, i, new_key, s, why);

		is_new[i] = err == ERR_OK;
		if (err == ERR_MASTER_KEY)
			err = load(dir_fd, i, old_key, s, why);
		if (err == ERR_NOT_FOUND)
			return err_why(why, err,
			    "keys/%s is missing: start sealgated once, which "
			    "makes it, or bring it back from a backup",
			    files[i].file);
		if (err != ERR_OK)
			return err;
	}
	return ERR_OK;
}

enum err
keys_set_rewrap(int dir_fd, const struct secret *old_key,
    const struct secret *new_key, struct err_why *why)
{
	struct keys_set s = {0};
	bool is_new[FILES] = {false};
	enum err err;

	sweep(dir_fd);
	err = load_either(dir_fd, old_key, new_key, &s, is_new, why);
	for (size_t i = 0; err == ERR_OK && i < FILES; i++) {
		enum sealed_purpose purpose = files[i].purpose;

		if (is_new[i])
			continue;
		err = write_pair(
		    dir_fd, i, new_key, &s.pub[purpose], s.priv[purpose], true);
		if (err != ERR_OK)
			err = err_why(why, err, "cannot write keys/%s: %s",
			    files[i].file, err_text(err));
	}
	keys_set_clear(&s);
	return err;
}
