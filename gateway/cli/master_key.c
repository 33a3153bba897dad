/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate master-key rotate`: another master key for the same state. The
 * purpose keys are wrapped anew (docs/format-keys.md); mail, private keys and
 * the audit log stay as they are. The new key waits beside the old one under
 * the name FILE.new until everything is wrapped by it, so that whatever
 * interrupts this it is done by doing it again.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/file.h"
#include "common/secret.h"
#include "gateway/cli/cli.h"
#include "gateway/conf.h"
#include "gateway/keys/purpose.h"
#include "gateway/state.h"

enum { PATH_SIZE = 4096 };

struct rotation {
	const struct conf *conf;
	const char *path; /* of the master key */
	char dir[PATH_SIZE];
	const char *name; /* in dir */
	char next[PATH_SIZE];
	int dir_fd;
	struct stat st; /* of the old key */
	struct secret *old_key, *new_key;
};

static enum err
read_key(const struct rotation *r, const char *name, struct secret **out,
    struct stat *st)
{
	int fd = openat(r->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct secret *key;
	struct stat now;

	if (fd < 0)
		return err_from_errno(errno);
	key = secret_new(KEYS_MASTER);
	if (key == NULL) {
		close(fd);
		return ERR_NOMEM;
	}
	if (fstat(fd, &now) != 0 || now.st_size != KEYS_MASTER ||
	    pread(fd, key->data, KEYS_MASTER, 0) != KEYS_MASTER) {
		secret_free(key);
		close(fd);
		return ERR_MALFORMED;
	}
	close(fd);
	if (st != NULL)
		*st = now;
	*out = key;
	return ERR_OK;
}

/* The key that waits: of an earlier try, or made now. */
static enum err
make_next(struct rotation *r)
{
	enum err e = read_key(r, r->next, &r->new_key, NULL);

	if (e != ERR_NOT_FOUND)
		return e;
	r->new_key = secret_random(KEYS_MASTER);
	if (r->new_key == NULL)
		return ERR_NOMEM;
	return file_create_synced(
	    r->dir_fd, r->next, secret_span(r->new_key), 0400, false);
}

static int
rewrap(const struct rotation *r)
{
	struct err_why why = {""};
	int dir;
	enum err e = cli_give_up_root(r->conf->paths.keys);

	if (e != ERR_OK)
		return cli_status(e);
	dir = open(r->conf->paths.keys, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		cli_say("%s: %s", r->conf->paths.keys, strerror(errno));
		return CLI_FAILED;
	}
	e = keys_set_rewrap(dir, r->old_key, r->new_key, &why);
	if (e != ERR_OK)
		cli_say("%s", why.text);
	close(dir);
	return e == ERR_OK ? CLI_DONE : CLI_FAILED;
}

/* As their owner, in a process of its own: the key that root has beside them
   is put in place afterwards. */
static enum err
rewrap_as_owner(const struct rotation *r)
{
	int status = 0;
	pid_t pid = fork();

	if (pid < 0)
		return err_from_errno(errno);
	if (pid == 0)
		_exit(rewrap(r));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_from_errno(errno);
	return WIFEXITED(status) && WEXITSTATUS(status) == CLI_DONE
		   ? ERR_OK
		   : ERR_MASTER_KEY;
}

/* The new key becomes the key: from here on the gateway can start. */
static enum err
put_in_place(struct rotation *r)
{
	if (fchownat(r->dir_fd, r->next, r->st.st_uid, r->st.st_gid,
		AT_SYMLINK_NOFOLLOW) != 0 ||
	    renameat(r->dir_fd, r->next, r->dir_fd, r->name) != 0)
		return err_from_errno(errno);
	return file_sync_dir(r->dir_fd);
}

static enum err
fail(enum err e, const char *path)
{
	cli_say("%s: %s", path, err_text(e));
	return e;
}

static enum err
rotate(struct rotation *r)
{
	enum err e = read_key(r, r->name, &r->old_key, &r->st);

	if (e != ERR_OK)
		return fail(e, r->path);
	e = make_next(r);
	if (e != ERR_OK)
		return fail(e, r->next);
	e = rewrap_as_owner(r);
	if (e != ERR_OK) {
		cli_say("the master key is not changed; %s%s waits beside it "
			"for the next try",
		    r->path, STATE_KEY_NEXT);
		return e;
	}
	e = put_in_place(r);
	return e == ERR_OK ? e : fail(e, r->path);
}

static enum err
find_place(struct rotation *r)
{
	const char *slash = strrchr(r->path, '/');
	size_t len = slash == NULL ? 1 : (size_t)(slash - r->path) + 1;

	if (strlen(r->path) + sizeof(STATE_KEY_NEXT) > sizeof(r->dir))
		return fail(ERR_LIMIT, r->path);
	memcpy(r->dir, slash == NULL ? "." : r->path, len);
	r->dir[len] = '\0';
	r->name = slash == NULL ? r->path : slash + 1;
	snprintf(r->next, sizeof(r->next), "%s%s", r->name, STATE_KEY_NEXT);
	r->dir_fd = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return r->dir_fd >= 0 ? ERR_OK : fail(err_from_errno(errno), r->dir);
}

/* No gateway may read either while they do not fit together. */
static enum err
rotate_locked(struct rotation *r)
{
	struct err_why why = {""};
	int lock = -1;
	enum err e = state_lock(r->conf, &lock, &why);

	if (e != ERR_OK) {
		cli_say("%s%s", why.text,
		    e == ERR_BUSY ? ": stop it first, this takes a second"
				  : "");
		return e;
	}
	e = rotate(r);
	close(lock);
	return e;
}

static enum err
read_options(struct cli *cli, struct rotation *r, int argc, char **argv)
{
	static const struct option options[] = {
	    {"file", required_argument, NULL, 'f'}, {NULL, 0, NULL, 0}};
	enum err e;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'f')
			return ERR_USAGE;
		r->path = optarg;
	}
	if (optind != argc)
		return ERR_USAGE;
	e = cli_conf(cli, &r->conf);
	if (e != ERR_OK)
		return e;
	if (r->path == NULL)
		r->path = r->conf->master_key;
	if (r->path == NULL) {
		cli_say("master-key = credential: name the file that the "
			"service manager takes it from with --file");
		return ERR_USAGE;
	}
	return find_place(r);
}

int
cli_master_key_rotate(struct cli *cli, int argc, char **argv)
{
	struct rotation r = {.dir_fd = -1};
	enum err e = read_options(cli, &r, argc, argv);

	if (e == ERR_USAGE)
		return cli_usage(cli);
	if (e == ERR_OK)
		e = rotate_locked(&r);
	if (e == ERR_OK)
		fprintf(stderr,
		    "%s is a new master key. Copy it off this machine; keep "
		    "the old copy as long as backups of %s from before\n",
		    r.path, r.conf->state);
	secret_free(r.old_key);
	secret_free(r.new_key);
	if (r.dir_fd >= 0)
		close(r.dir_fd);
	return cli_status(e);
}
