/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate backup --state`: a directory that can take the place of the state
 * directory, made while the gateway runs. Everything in it is sealed as it was;
 * the master key is not in it. Mail under way is put where mail is that was
 * moved aside, so that a gateway which starts on the copy sends none of it a
 * second time: `sealgate queue salvage` takes it in, held, without what the
 * audit log of the copy calls delivered. That is why the log comes last.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/db.h"
#include "common/file.h"
#include "gateway/cli/backup_private.h"
#include "gateway/cli/cli.h"
#include "gateway/conf.h"

enum { PATH_SIZE = 4096, BLOCK = 65536, NAME_SIZE = 64 };

struct copying {
	const struct conf *conf;
	int to;			/* the directory that is made */
	char aside[NAME_SIZE];	/* as store names what it moves aside */
	uintmax_t files, bytes; /* copied */
};

static enum err
fail(const char *dir, const char *name, enum err e)
{
	cli_say(
	    "%s%s%s: %s", dir, name[0] == '\0' ? "" : "/", name, err_text(e));
	return e;
}

/* As the original has it; only root gives things away. */
static enum err
copy_owner(int fd, const struct stat *st)
{
	if (geteuid() == 0 && fchown(fd, st->st_uid, st->st_gid) != 0)
		return err_from_errno(errno);
	return fchmod(fd, st->st_mode & 07777) == 0 ? ERR_OK
						    : err_from_errno(errno);
}

/* A directory of the copy, open; name is one or two deep. */
static enum err
make_dir(const struct copying *c, const char *name, const struct stat *like,
    int *out)
{
	int fd;
	enum err e;

	if (mkdirat(c->to, name, 0700) != 0 && errno != EEXIST)
		return err_from_errno(errno);
	fd = openat(
	    c->to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_from_errno(errno);
	e = copy_owner(fd, like);
	if (e != ERR_OK) {
		close(fd);
		return e;
	}
	*out = fd;
	return ERR_OK;
}

static enum err
open_dir(const char *path, int *out, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fstat(fd, st) != 0) {
		enum err e = err_from_errno(errno);

		if (fd >= 0)
			close(fd);
		return e;
	}
	*out = fd;
	return ERR_OK;
}

/* --- files */

static enum err
copy_octets(int from, int to, uintmax_t *bytes)
{
	uint8_t block[BLOCK];
	ssize_t n;
	enum err e = ERR_OK;

	while (e == ERR_OK && (n = read(from, block, sizeof(block))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_from_errno(errno);
		e = file_write_all(to, SPAN(block, (size_t)n));
		*bytes += (uintmax_t)n;
	}
	return e;
}

static enum err
copy_open_file(struct copying *c, int from, const struct stat *st, int dir,
    const char *name)
{
	int to =
	    openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	enum err e;

	if (to < 0)
		return err_from_errno(errno);
	e = copy_octets(from, to, &c->bytes);
	if (e == ERR_OK)
		e = copy_owner(to, st);
	if (e == ERR_OK)
		e = file_sync(to);
	if (close(to) != 0 && e == ERR_OK)
		e = err_from_errno(errno);
	c->files++;
	return e;
}

/* What is gone meanwhile was delivered, fetched or rotated. Root reads for
   others: only what belongs to the directory's owner or group. */
static enum err
copy_file(struct copying *c, int from_dir, const struct stat *dir_st,
    const char *name, int to_dir)
{
	int from = openat(from_dir, name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	enum err e;

	if (from < 0)
		return errno == ENOENT ? ERR_OK : err_from_errno(errno);
	if (fstat(from, &st) != 0)
		e = err_from_errno(errno);
	else if (!S_ISREG(st.st_mode) ||
		 (st.st_uid != dir_st->st_uid && st.st_gid != dir_st->st_gid))
		e = ERR_PERMISSION;
	else
		e = copy_open_file(c, from, &st, to_dir, name);
	close(from);
	return e;
}

/* Temporary files, and what lies in directories below, mean nothing; databases
   are copied otherwise. */
static bool
is_wanted(const struct dirent *entry)
{
	const char *end = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && entry->d_type == DT_REG &&
	       (end == NULL || strcmp(end, ".mdb") != 0);
}

/* The files of a directory, to one of this name in the copy. */
static enum err
copy_files(struct copying *c, const char *path, const char *name)
{
	struct stat st;
	int from = -1, to = -1;
	enum err e = open_dir(path, &from, &st);
	struct dirent *entry;
	DIR *d;

	if (e == ERR_NOT_FOUND)
		return ERR_OK;
	d = e == ERR_OK ? fdopendir(from) : NULL;
	if (d == NULL)
		return fail(path, "", e == ERR_OK ? ERR_NOMEM : e);
	e = make_dir(c, name, &st, &to);
	if (e != ERR_OK)
		(void)fail(name, "", e);
	while (e == ERR_OK && (entry = readdir(d)) != NULL) {
		if (!is_wanted(entry))
			continue;
		e = copy_file(c, from, &st, entry->d_name, to);
		if (e != ERR_OK)
			(void)fail(path, entry->d_name, e);
	}
	if (e == ERR_OK)
		e = file_sync_dir(to);
	if (to >= 0)
		close(to);
	closedir(d);
	return e;
}

/* --- databases */

/* As the owner of the database, in a process of its own: who opens it writes
   to its lock file. */
static enum err
copy_env_as_owner(const char *path, int to)
{
	struct err_why why = {""};
	int status = 0;
	pid_t pid = fork();

	if (pid < 0)
		return err_from_errno(errno);
	if (pid == 0) {
		if (cli_give_up_root(path) != ERR_OK)
			_exit(CLI_FAILED);
		if (db_copy(path, to, &why) != ERR_OK) {
			cli_say("%s", why.text);
			_exit(CLI_FAILED);
		}
		_exit(CLI_DONE);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_from_errno(errno);
	return WIFEXITED(status) && WEXITSTATUS(status) == CLI_DONE ? ERR_OK
								    : ERR_DB;
}

static enum err
copy_env_to(
    struct copying *c, const char *path, const struct stat *data, int dir)
{
	int to = openat(
	    dir, "data.mdb", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct stat st;
	enum err e;

	if (to < 0)
		return err_from_errno(errno);
	e = copy_env_as_owner(path, to);
	if (e == ERR_OK)
		e = copy_owner(to, data);
	if (e == ERR_OK)
		e = file_sync(to);
	if (e == ERR_OK)
		e = file_sync_dir(dir);
	if (e == ERR_OK && fstat(to, &st) == 0)
		c->bytes += (uintmax_t)st.st_size;
	c->files++;
	close(to);
	return e;
}

/* Empty, with the owner of the original: readers may write to it and not make
   it, and they start beside the writer. */
static enum err
make_lock_file(const struct stat *like, int dir)
{
	int fd = openat(
	    dir, "lock.mdb", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	enum err e;

	if (fd < 0)
		return err_from_errno(errno);
	e = copy_owner(fd, like);
	close(fd);
	return e;
}

/* An environment of LMDB as it is at one moment. */
static enum err
copy_env(
    struct copying *c, const char *path, const char *name, const char *below)
{
	char inner[2 * NAME_SIZE];
	struct stat st, data, lock;
	int from = -1, top = -1, to = -1;
	enum err e = open_dir(path, &from, &st);

	if (e == ERR_OK &&
	    (fstatat(from, "data.mdb", &data, AT_SYMLINK_NOFOLLOW) != 0 ||
		fstatat(from, "lock.mdb", &lock, AT_SYMLINK_NOFOLLOW) != 0))
		e = err_from_errno(errno);
	if (from >= 0)
		close(from);
	if (e == ERR_NOT_FOUND)
		return ERR_OK;
	if (e == ERR_OK)
		e = make_dir(c, name, &st, &top);
	snprintf(inner, sizeof(inner), "%s%s%s", name, below == NULL ? "" : "/",
	    below == NULL ? "" : below);
	if (e == ERR_OK && below != NULL)
		e = make_dir(c, inner, &st, &to);
	if (e == ERR_OK)
		e = copy_env_to(c, path, &data, below == NULL ? top : to);
	if (e == ERR_OK && below == NULL)
		e = make_lock_file(&lock, top);
	if (to >= 0)
		close(to);
	if (top >= 0)
		close(top);
	return e == ERR_OK ? e : fail(path, "", e);
}

/* --- all of it */

static enum err
copy_bodies(struct copying *c)
{
	char name[2 * NAME_SIZE];
	struct stat st;
	int fd = -1, made = -1;
	enum err e = open_dir(c->conf->paths.bodies, &fd, &st);

	if (e != ERR_OK)
		return e == ERR_NOT_FOUND ? ERR_OK
					  : fail(c->conf->paths.bodies, "", e);
	close(fd);
	e = make_dir(c, "bodies", &st, &made);
	if (e != ERR_OK)
		return fail("bodies", "", e);
	close(made);
	snprintf(name, sizeof(name), "bodies/%s", c->aside);
	return copy_files(c, c->conf->paths.bodies, name);
}

static enum err
copy_format(struct copying *c)
{
	struct stat st;
	int from = -1;
	enum err e = open_dir(c->conf->state, &from, &st);

	if (e == ERR_OK)
		e = copy_file(c, from, &st, "format", c->to);
	if (from >= 0)
		close(from);
	return e == ERR_OK ? e : fail(c->conf->state, "format", e);
}

static enum err
copy_all(struct copying *c)
{
	const struct conf_paths *p = &c->conf->paths;
	enum err e = copy_format(c);

	if (e == ERR_OK)
		e = copy_files(c, p->keys, "keys");
	if (e == ERR_OK)
		e = copy_env(c, p->spool, "spool", c->aside);
	if (e == ERR_OK)
		e = copy_bodies(c);
	if (e == ERR_OK)
		e = copy_files(c, p->escrow, "escrow");
	/* how often somebody guessed, and answers on their way inside */
	if (e == ERR_OK)
		e = copy_env(c, p->portal, "portal", NULL);
	if (e == ERR_OK)
		e = copy_files(c, p->portal, "portal");
	if (e == ERR_OK)
		e = copy_env(c, p->keystore, "keystore", NULL);
	if (e == ERR_OK)
		e = copy_env(c, p->tls, "tls", NULL);
	if (e == ERR_OK)
		e = copy_files(c, p->audit, "audit");
	return e;
}

/* Under its name it is whole: until then it is PATH.partial. */
static enum err
make_whole(struct copying *c, const char *partial, const char *path)
{
	struct stat st;
	int state = -1;
	enum err e = open_dir(c->conf->state, &state, &st);

	if (state >= 0)
		close(state);
	if (e != ERR_OK)
		return fail(c->conf->state, "", e);
	e = copy_all(c);
	if (e == ERR_OK)
		e = copy_owner(c->to, &st);
	if (e == ERR_OK)
		e = file_sync_dir(c->to);
	if (e == ERR_OK &&
	    renameat2(AT_FDCWD, partial, AT_FDCWD, path, RENAME_NOREPLACE) != 0)
		e = err_from_errno(errno);
	return e;
}

int
backup_state(struct cli *cli, const char *path)
{
	struct copying c = {.to = -1};
	char partial[PATH_SIZE];
	struct stat st;
	enum err e = cli_conf(cli, &c.conf);

	if (e != ERR_OK)
		return CLI_FAILED;
	if ((size_t)snprintf(partial, sizeof(partial), "%s.partial", path) >=
	    sizeof(partial))
		return cli_status(fail(path, "", ERR_LIMIT));
	if (lstat(path, &st) == 0)
		return cli_status(fail(path, "", ERR_EXISTS));
	if (mkdir(partial, 0700) != 0)
		return cli_status(fail(partial, "", err_from_errno(errno)));
	c.to = open(partial, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c.to < 0)
		return cli_status(fail(partial, "", err_from_errno(errno)));
	snprintf(
	    c.aside, sizeof(c.aside), "broken-%lld000", (long long)time(NULL));
	e = make_whole(&c, partial, path);
	close(c.to);
	if (e != ERR_OK) {
		cli_say("%s is not whole: remove it", partial);
		return CLI_FAILED;
	}
	fprintf(stderr,
	    "saved %ju files, %ju octets; the master key is not among them\n",
	    c.files, c.bytes);
	return CLI_DONE;
}
