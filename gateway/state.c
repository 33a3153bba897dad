/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Directories, master key and sockets. Every directory has one owner; where
 * the worker leaves files for another role, that role's group may write and
 * the sticky bit keeps a worker from removing what it did not write.
 */
#include "gateway/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/file.h"
#include "common/log.h"
#include "common/secret.h"
#include "gateway/users.h"

enum {
	MASTER_KEY = 32, /* octets */
	BACKLOG = 511,
};

/* --- directories */

static const struct {
	size_t offset; /* in struct conf_paths */
	enum role_id owner;
	mode_t mode;
} dirs[] = {
    /* others read one file in it: docs/format-keys.md */
    {offsetof(struct conf_paths, keys), ROLE_KEYS, 0711},
    {offsetof(struct conf_paths, spool), ROLE_STORE, 0700},
    {offsetof(struct conf_paths, bodies), ROLE_STORE, 03770},
    {offsetof(struct conf_paths, escrow), ROLE_PORTAL, 03770},
    {offsetof(struct conf_paths, portal), ROLE_PORTAL, 0700},
    {offsetof(struct conf_paths, audit), ROLE_STORE, 0750},
    {offsetof(struct conf_paths, keystore), ROLE_STORE, 02750},
    {offsetof(struct conf_paths, tls), ROLE_STORE, 02750},
    {offsetof(struct conf_paths, publish), ROLE_STORE, 02775},
    {offsetof(struct conf_paths, pgp), ROLE_PGP, 0700},
    {offsetof(struct conf_paths, admission), ROLE_ADMISSION, 0700},
};

static const char *
path_at(const struct conf *c, size_t offset)
{
	return *(const char *const *)(const void *)((const char *)&c->paths +
						    offset);
}

/* Others must be able to pass every directory above: the roles are others. */
static enum err
check_reachable(const char *path, struct err_why *why)
{
	char part[4096];
	struct stat st;

	for (const char *p = path + 1; (p = strchr(p, '/')) != NULL; p++) {
		snprintf(part, sizeof(part), "%.*s", (int)(p - path), path);
		if (stat(part, &st) != 0)
			return err_why(why, err_from_errno(errno), "%s: %s",
			    part, strerror(errno));
		if ((st.st_mode & S_IXOTH) == 0)
			return err_why(why, ERR_PERMISSION,
			    "%s: the users of the gateway cannot pass it to "
			    "reach %s: chmod o+x, or choose another place",
			    part, path);
	}
	return ERR_OK;
}

static enum err
make_dir(const char *path, mode_t mode, const struct users_id *owner,
    struct err_why *why)
{
	struct stat st;

	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return err_why(why, err_from_errno(errno),
		    "cannot make the directory %s: %s", path, strerror(errno));
	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return err_why(why, ERR_IO, "%s is not a directory", path);
	/* the service manager may have made it, and forbid us the set-group bit
	 */
	if ((st.st_mode & 07777) == mode && st.st_uid == owner->uid &&
	    st.st_gid == owner->gid)
		return ERR_OK;
	if (users_change() && chown(path, owner->uid, owner->gid) != 0)
		return err_why(why, err_from_errno(errno), "chown %s: %s", path,
		    strerror(errno));
	/* after chown, which clears the set-group bit */
	if (chmod(path, mode) != 0)
		return err_why(why, err_from_errno(errno), "chmod %s: %s%s",
		    path, strerror(errno),
		    errno == EPERM && (mode & S_ISGID) != 0
			? "; the unit has RestrictSUIDSGID=yes: let tmpfiles.d "
			  "make this directory, as it does below "
			  "/var/lib/sealgate, or set that to no"
			: "");
	return ERR_OK;
}

/* Give one file of the directory to its user. The directory belongs to that
   user: a link put in the file's place must not lead root elsewhere. */
static enum err
adopt_file(int dir, const char *name, mode_t mode, const struct users_id *owner)
{
	int fd =
	    openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	enum err err = ERR_OK;

	if (fd < 0)
		return errno == ENOENT ? ERR_OK : err_from_errno(errno);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1)
		err = ERR_PERMISSION;
	else if (fchown(fd, owner->uid, owner->gid) != 0 ||
		 fchmod(fd, mode) != 0)
		err = err_from_errno(errno);
	close(fd);
	return err;
}

/* Keys that root imported before the first start belong to store, too. */
static enum err
adopt_keystore(const struct conf *c, struct err_why *why)
{
	struct users_id store;
	enum err err;
	int dir;

	if (!users_change())
		return ERR_OK;
	err = users_find(c, ROLE_STORE, &store, why);
	if (err != ERR_OK)
		return err;
	dir = open(
	    c->paths.keystore, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return err_why(why, err_from_errno(errno), "%s: %s",
		    c->paths.keystore, strerror(errno));
	err = adopt_file(dir, "data.mdb", 0640, &store);
	if (err == ERR_OK)
		err = adopt_file(dir, "lock.mdb", 0660, &store);
	if (err == ERR_OK)
		err = adopt_file(dir, "write.lock", 0600, &store);
	close(dir);
	if (err != ERR_OK)
		return err_why(why, err,
		    "data.mdb and lock.mdb in %s must be plain files without "
		    "other names: %s",
		    c->paths.keystore, err_text(err));
	return ERR_OK;
}

/* A backup that came back in part: new keys would be made beside mail that
   they do not open. */
static enum err
check_keys_are_there(const struct conf *c, struct err_why *why)
{
	char data[4096];

	snprintf(data, sizeof(data), "%s/data.mdb", c->paths.spool);
	if (access(data, F_OK) != 0 || access(c->paths.keys, F_OK) == 0 ||
	    errno != ENOENT)
		return ERR_OK;
	return err_why(why, ERR_MASTER_KEY,
	    "%s is missing, and the mail in %s is sealed with the keys that "
	    "were in it: bring it back from the backup, or move %s away to "
	    "start without that mail",
	    c->paths.keys, c->paths.spool, c->paths.spool);
}

enum err
state_prepare(const struct conf *c, struct err_why *why)
{
	const char *const roots[] = {c->state, c->runtime};
	const struct users_id ourselves = {.uid = geteuid(), .gid = getegid()};
	bool alone = c->portal_gateway.present;
	enum err err = state_format_check(c, why);

	if (err == ERR_OK)
		err = check_keys_are_there(c, why);
	/* a portal in a DMZ has no socket for the command line */
	for (size_t i = 0; err == ERR_OK && i < (alone ? 1 : 2); i++) {
		if (users_change())
			err = check_reachable(roots[i], why);
		if (err == ERR_OK)
			err = make_dir(roots[i], 0711, &ourselves, why);
	}
	for (size_t i = 0; err == ERR_OK && i < sizeof(dirs) / sizeof(dirs[0]);
	     i++) {
		const char *path = path_at(c, dirs[i].offset);
		struct users_id owner;

		if (alone && dirs[i].owner != ROLE_PORTAL)
			continue;
		err = users_find(c, dirs[i].owner, &owner, why);
		if (err == ERR_OK && users_change())
			err = check_reachable(path, why);
		if (err == ERR_OK)
			err = make_dir(
			    path, alone ? 0700 : dirs[i].mode, &owner, why);
	}
	if (err == ERR_OK && !alone)
		err = adopt_keystore(c, why);
	return err == ERR_OK ? state_format_write(c, why) : err;
}

enum err
state_lock(const struct conf *c, int *fd_out, struct err_why *why)
{
	int fd = open(c->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1)
		return err_why(why, err_from_errno(errno), "%s: %s", c->state,
		    strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		close(fd);
		return err_why(
		    why, ERR_BUSY, "another sealgated is using %s", c->state);
	}
	*fd_out = fd;
	return ERR_OK;
}

/* --- the master key */

/* Something was sealed here, so a key for it must have been. */
static bool
state_in_use(const struct conf *c)
{
	static const char *const files[] = {"keys/ready.sealed",
	    "keys/pending.sealed", "keys/audit.sealed", "keys/private.sealed",
	    "keys/complete", "spool/data.mdb"};
	char path[4096];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", c->state, files[i]);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

static enum err
make_master_key(const char *path, struct err_why *why)
{
	const char *slash = strrchr(path, '/');
	char dir[4096];
	uint8_t key[MASTER_KEY];
	enum err err;
	int fd;

	snprintf(dir, sizeof(dir), "%.*s",
	    slash == NULL ? 1 : (int)(slash - path + 1),
	    slash == NULL ? "." : path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return err_why(why, err_from_errno(errno),
		    "cannot make the master key: %s: %s", dir, strerror(errno));
	random_octets(key, sizeof(key));
	err = file_create_synced(fd, slash == NULL ? path : slash + 1,
	    SPAN(key, sizeof(key)), 0400, false);
	secret_wipe(key, sizeof(key));
	close(fd);
	if (err != ERR_OK)
		return err_why(why, err, "cannot make the master key %s: %s",
		    path, err_text(err));
	log_event(LOG_LVL_NOTICE, NULL, "master-key", KV_STR("path", path),
	    KV_STR("text",
		"made; keep a copy of it off this machine: without it nothing "
		"in the state directory can be read"));
	return ERR_OK;
}

static enum err
master_key_path(
    const struct conf *c, char *out, size_t size, struct err_why *why)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");

	if (c->master_key != NULL) {
		snprintf(out, size, "%s", c->master_key);
		return ERR_OK;
	}
	if (dir == NULL)
		return err_why(why, ERR_MASTER_KEY,
		    "master-key = credential, but the service manager gave no "
		    "credentials (LoadCredential=master-key:FILE)");
	snprintf(out, size, "%s/master-key", dir);
	return ERR_OK;
}

/* Between two master keys neither opens everything. */
static enum err
check_no_rotation(const char *path, struct err_why *why)
{
	char next[4096 + sizeof(STATE_KEY_NEXT)];

	snprintf(next, sizeof(next), "%s%s", path, STATE_KEY_NEXT);
	if (access(next, F_OK) != 0)
		return ERR_OK;
	return err_why(why, ERR_MASTER_KEY,
	    "%s is there: a change of the master key was interrupted. Run "
	    "sealgate master-key rotate again, which ends it",
	    next);
}

enum err
state_master_key(const struct conf *c, int *fd_out, struct err_why *why)
{
	char path[4096];
	struct stat st;
	enum err err = master_key_path(c, path, sizeof(path), why);
	int fd;

	if (err != ERR_OK)
		return err;
	err = check_no_rotation(path, why);
	if (err != ERR_OK)
		return err;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1 && errno == ENOENT) {
		if (c->master_key == NULL || state_in_use(c))
			return err_why(why, ERR_MASTER_KEY,
			    "the master key %s is missing, and %s is sealed "
			    "with it: bring it back from its copy",
			    path, c->state);
		err = make_master_key(path, why);
		if (err != ERR_OK)
			return err;
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (fd == -1)
		return err_why(why, err_from_errno(errno),
		    "cannot read the master key %s: %s", path, strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
	    (c->master_key != NULL && (st.st_mode & 077) != 0)) {
		close(fd);
		return err_why(why, ERR_MASTER_KEY,
		    "the master key %s can be read by others, or is no file: "
		    "expected mode 0400",
		    path);
	}
	*fd_out = fd;
	return ERR_OK;
}

/* --- sockets */

static const char *
listen_hint(int no)
{
	if (no == EADDRINUSE)
		return "; stop the program that has it (ss -ltnp shows which) "
		       "or choose another port";
	if (no == EACCES)
		return "; ports below 1024 are for root and for "
		       "CAP_NET_BIND_SERVICE";
	if (no == EADDRNOTAVAIL)
		return "; this machine has no such address (ip address shows "
		       "which it has)";
	return "";
}

enum err
state_listen(const struct conf_addr *addr, int *fd_out, struct err_why *why)
{
	const int one = 1;
	int fd = socket(
	    addr->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	    (addr->sa.ss_family == AF_INET6 &&
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) !=
		    0) ||
	    bind(fd, (const struct sockaddr *)(const void *)&addr->sa,
		addr->sa_len) != 0 ||
	    listen(fd, BACKLOG) != 0) {
		int no = errno;

		if (fd != -1)
			close(fd);
		return err_why(why, err_from_errno(no),
		    "cannot listen on %s: %s%s", addr->text, strerror(no),
		    listen_hint(no));
	}
	*fd_out = fd;
	return ERR_OK;
}

enum err
state_listen_control(const struct conf *c, int *fd_out, struct err_why *why)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct users_id control;
	enum err err = users_find(c, ROLE_CONTROL, &control, why);
	int fd = -1;

	if (err != ERR_OK)
		return err;
	if (strlen(c->paths.control) >= sizeof(sun.sun_path))
		return err_why(why, ERR_CONFIG, "%s: the path is too long",
		    c->paths.control);
	memcpy(sun.sun_path, c->paths.control, strlen(c->paths.control));
	/* of a gateway that was killed: state_lock() says that none runs */
	unlink(c->paths.control);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1 ||
	    bind(fd, (const struct sockaddr *)(const void *)&sun,
		sizeof(sun)) != 0 ||
	    (users_change() &&
		chown(c->paths.control, control.uid, control.gid) != 0) ||
	    chmod(c->paths.control, 0660) != 0 || listen(fd, BACKLOG) != 0) {
		int no = errno;

		if (fd != -1)
			close(fd);
		return err_why(why, err_from_errno(no),
		    "cannot listen on %s: %s", c->paths.control, strerror(no));
	}
	*fd_out = fd;
	return ERR_OK;
}
