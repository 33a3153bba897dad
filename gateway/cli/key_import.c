/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate key import`: files and directories are opened, root is given up,
 * then they are read. What is in them is key_bulk.c's and key_take.c's. What
 * was committed stays, whatever ends this: a second run brings the rest.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "common/arena.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/secret.h"
#include "common/text.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/key_import.h"
#include "gateway/cli/key_private.h"
#include "gateway/conf.h"
#include "keystore/history.h"

enum {
	OPTIONS_MEMORY = 64 * 1024,
	COMMIT_KEYS = 500,	 /* in one transaction of many */
	BULK_SIZE = 1024 * 1024, /* octets; a larger file is many keys */
	DEPTH_MAX = 8,		 /* of directories */
	PATH_SIZE = 4096,
};

/* --- transactions --- */

/* What was imported is told in the transaction that has it. */
static enum err
tell_history(struct key_import *im)
{
	char who[CLI_WHO_SIZE];
	const struct ks_event e = {.what = KS_EVENT_IMPORTED,
	    .at = im->origin.now,
	    .who = cli_who(im->cli, who),
	    .trust = im->origin.trust,
	    .count = im->n_open,
	    .text = span_str(im->file)};
	struct ks_event cut = e;

	if (im->n_open == 0)
		return ERR_OK;
	if (cut.text.len > KS_TEXT_MAX)
		cut.text.len = KS_TEXT_MAX;
	return ks_history_add(im->store, &cut, NULL, 0);
}

static enum err
commit(struct key_import *im)
{
	enum err e = tell_history(im);

	if (e == ERR_OK)
		e = ks_commit(im->store);
	else
		ks_rollback(im->store);
	im->n_open = 0;
	if (e != ERR_OK)
		cli_say("keystore: %s; the last keys of %s were not kept",
		    err_text(e), im->file);
	return e;
}

/* The writer's lock is let go in between: the gateway has to write, too. */
enum err
key_import_step(struct key_import *im, const struct ks_record *r)
{
	enum err e;

	(void)r;
	im->n_open++;
	if (!im->bulk || im->n_open < COMMIT_KEYS)
		return ERR_OK;
	e = commit(im);
	if (e == ERR_OK)
		e = ks_begin(im->store);
	im->broken = e != ERR_OK;
	return e;
}

/* --- files --- */

/* Room for the whole file at once: what is moved leaves a copy behind. */
static enum err
reserve_for(int fd, struct buf *in)
{
	struct stat st;
	uint8_t *room;

	if (fstat(fd, &st) != 0)
		return err_from_errno(errno);
	if (!S_ISREG(st.st_mode))
		return buf_reserve(in, 64 * 1024, &room);
	if (st.st_size > (off_t)LIMIT_IMPORT_SIZE)
		return ERR_TOO_BIG;
	return buf_reserve(in, (size_t)st.st_size, &room);
}

static enum err
import_file(struct key_import *im, const char *file, int fd)
{
	struct buf in;
	enum err e;

	buf_init(&in, LIMIT_IMPORT_SIZE);
	e = reserve_for(fd, &in);
	if (e == ERR_OK)
		e = file_read_all(fd, &in);
	if (e != ERR_OK)
		key_import_refuse(im, file, e, "");
	else
		e = key_import_bulk(im, file, buf_span(&in));
	im->done += in.len;
	key_import_at(im, 0);
	/* it may have been a secret */
	secret_wipe(in.data, in.len);
	buf_clear(&in);
	return e;
}

static enum err import_dir(
    struct key_import *im, const char *path, int fd, int depth);

static enum err
import_one(struct key_import *im, const char *path, int fd, int depth)
{
	struct stat st;
	enum err e;

	im->file = path;
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		return import_dir(im, path, fd, depth);
	e = import_file(im, path, fd);
	/* one commit for each file that was named */
	return e;
}

static bool
is_hidden(const char *name)
{
	return name[0] == '.';
}

/* Links are not followed, and what is no file is passed over. */
static enum err
import_entry(struct key_import *im, const char *dir, int dir_fd,
    const char *name, int depth)
{
	char path[PATH_SIZE];
	struct stat st;
	enum err e;
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >=
	    (int)sizeof(path))
		return ERR_LIMIT;
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
		return ERR_OK;
	fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW);
	if (fd < 0) {
		e = err_from_errno(errno);
		key_import_refuse(im, path, e, "");
		return e;
	}
	e = import_one(im, path, fd, depth);
	close(fd);
	return e;
}

static enum err
import_dir(struct key_import *im, const char *path, int fd, int depth)
{
	enum err e, result = ERR_OK;
	struct dirent *entry;
	int copy = dup(fd);
	DIR *d = copy < 0 || depth == DEPTH_MAX ? NULL : fdopendir(copy);

	if (d == NULL) {
		if (copy >= 0)
			close(copy);
		key_import_refuse(
		    im, path, ERR_LIMIT, "too many directories in each other");
		return ERR_LIMIT;
	}
	rewinddir(d);
	while (!im->broken && (entry = readdir(d)) != NULL) {
		if (is_hidden(entry->d_name))
			continue;
		e = import_entry(im, path, fd, entry->d_name, depth + 1);
		result = result != ERR_OK ? result : e;
	}
	closedir(d);
	im->file = path;
	return result;
}

static int
import_files(struct key_import *im, int n, char **names, const int *fds)
{
	int status = CLI_DONE;
	enum err e;

	for (int i = 0; i < n; i++) {
		if (fds[i] < 0) {
			key_import_refuse(
			    im, names[i], err_from_errno(-fds[i]), "");
			status = CLI_NO;
			continue;
		}
		e = ks_begin(im->store);
		if (e != ERR_OK) {
			cli_say("keystore: %s", err_text(e));
			return CLI_FAILED;
		}
		if (import_one(im, names[i], fds[i], 0) != ERR_OK)
			status = CLI_NO;
		if (im->broken || commit(im) != ERR_OK)
			return CLI_FAILED;
	}
	return status;
}

/* How much there is, for the bar; whatever is large is many keys. */
static uint64_t
weigh(struct key_import *im, int fd, int depth)
{
	struct dirent *entry;
	uint64_t sum = 0;
	struct stat st;
	DIR *d;
	int copy;

	if (fstat(fd, &st) != 0)
		return 0;
	if (!S_ISDIR(st.st_mode)) {
		im->bulk = im->bulk || st.st_size > BULK_SIZE;
		return (uint64_t)st.st_size;
	}
	im->bulk = true;
	copy = dup(fd);
	d = copy < 0 ? NULL : fdopendir(copy);
	while (d != NULL && depth < DEPTH_MAX && (entry = readdir(d)) != NULL) {
		int sub;

		if (is_hidden(entry->d_name) ||
		    fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		if (S_ISREG(st.st_mode))
			sum += (uint64_t)st.st_size;
		if (!S_ISDIR(st.st_mode))
			continue;
		sub = openat(fd, entry->d_name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub < 0)
			continue;
		sum += weigh(im, sub, depth + 1);
		close(sub);
	}
	if (d != NULL)
		closedir(d);
	return sum;
}

/* Open while the caller's rights are still there; -errno when it fails. */
static int *
open_files(int n, char **names)
{
	int *fds = calloc((size_t)n + 1, sizeof(*fds));

	if (fds == NULL)
		fatal("out of memory");
	for (int i = 0; i < n; i++) {
		fds[i] = strcmp(names[i], "-") == 0
			     ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
			     : open(names[i], O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (fds[i] < 0)
			fds[i] = -errno;
	}
	return fds;
}

static int
import_all(struct cli *cli, const struct key_import *given, int n, char **names)
{
	struct key_import im = *given;
	int *fds = open_files(n, names);
	struct err_why why = {""};
	int status = CLI_FAILED;

	im.cli = cli;
	/* who may not only misses what key_claim() would do, which says so */
	if (cli_unseal_open(cli, &im.unseal, &why) != ERR_OK)
		cli_unseal_close(&im.unseal);
	im.imported = json_array();
	im.refused = json_array();
	im.origin.source = KS_SOURCE_MANUAL;
	im.origin.now = (int64_t)time(NULL);
	if (cli_keystore(cli, true, &im.store) == ERR_OK) {
		for (int i = 0; i < n; i++)
			im.total += fds[i] < 0 ? 0 : weigh(&im, fds[i], 0);
		im.bar = im.bulk && isatty(STDERR_FILENO) == 1;
		status = import_files(&im, n, names, fds);
		key_import_summary(&im);
	}
	cli_gpg_close(&im.gpg);
	cli_passphrase_clear(&im.passphrase);
	cli_unseal_close(&im.unseal);
	ks_close(im.store);
	json_decref(im.imported);
	json_decref(im.refused);
	for (int i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(fds);
	return status;
}

/* ERR_USAGE: it is none; else what is wrong with it is said already. */
static enum err
take_option(struct key_import *im, int c, struct arena *arena)
{
	switch (c) {
	case 'c':
		im->origin.trust = KS_CANDIDATE;
		return ERR_OK;
	case 'a':
		im->anchor = true;
		return ERR_OK;
	case 'D':
		return key_domain(optarg, arena, &im->domain);
	case 'A':
		return key_domain(optarg, arena, &im->anchor_for);
	case 'p':
		return cli_passphrase_file(&im->passphrase, optarg);
	case 'd':
		return cli_passphrase_fd(&im->passphrase, optarg);
	}
	return ERR_USAGE;
}

int
cli_key_import(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
	    {"candidate", no_argument, NULL, 'c'},
	    {"anchor", no_argument, NULL, 'a'},
	    {"domain", required_argument, NULL, 'D'},
	    {"anchor-for", required_argument, NULL, 'A'},
	    {"passphrase-file", required_argument, NULL, 'p'},
	    {"passphrase-fd", required_argument, NULL, 'd'},
	    {NULL, 0, NULL, 0}};
	struct key_import im = {.passphrase = {.fd = -1},
	    .unseal = CLI_UNSEAL_INIT,
	    .origin = {.trust = KS_TRUSTED}};
	struct arena *arena = arena_new(OPTIONS_MEMORY);
	enum err e = arena == NULL ? ERR_NOMEM : ERR_OK;
	int c, status;

	while (e == ERR_OK &&
	       (c = getopt_long(argc, argv, "", options, NULL)) != -1)
		e = take_option(&im, c, arena);
	if (e == ERR_OK && optind < argc)
		status = import_all(cli, &im, argc - optind, argv + optind);
	else
		status =
		    e == ERR_OK || e == ERR_USAGE ? cli_usage(cli) : CLI_USAGE;
	arena_free(arena);
	return status;
}
