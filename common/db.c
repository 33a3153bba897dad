/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * LMDB behind db.h: the environment, its map and what its file system says.
 * Never MDB_WRITEMAP: on a full disk it kills the process with SIGBUS. What is
 * read and written in it is in db_access.c.
 */
#include "common/db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/db_private.h"

enum {
	READERS_MAX = 510,
	FILE_PATH_SIZE = DB_PATH_SIZE + 16,
};

/* The map must never be the limit, but has to fit into the address space. */
#define MAP_SIZE_MIN ((size_t)16 << 30)
#define MAP_SIZE_MAX ((size_t)16 << 40)

enum err
db_err(int rc)
{
	switch (rc) {
	case MDB_SUCCESS:
		return ERR_OK;
	case MDB_NOTFOUND:
		return ERR_NOT_FOUND;
	case MDB_KEYEXIST:
		return ERR_EXISTS;
	case MDB_MAP_FULL:
		return ERR_DB_FULL;
	case MDB_READERS_FULL:
		return ERR_BUSY;
	case MDB_TXN_FULL:
		return ERR_LIMIT;
	case MDB_BAD_VALSIZE:
		return ERR_TOO_BIG;
	case MDB_PANIC:
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
	case MDB_INCOMPATIBLE:
		return ERR_DB_BROKEN;
	case ENOENT: /* "not found" must only mean a missing entry */
		return ERR_DB;
	default:
		return rc > 0 ? err_from_errno(rc) : ERR_DB;
	}
}

static size_t
map_size(const struct db *db)
{
	struct statvfs fs;
	size_t size;

	if (db->map != 0) /* opened again */
		return db->map;
	if (db->opt.map_first != 0)
		return db->opt.map_first;
	if (db->opt.map_size != 0)
		return db->opt.map_size;
	if (statvfs(db->dir, &fs) != 0)
		return MAP_SIZE_MIN;
	if (fs.f_blocks > MAP_SIZE_MAX / 4 / fs.f_frsize)
		return MAP_SIZE_MAX;
	size = 4 * fs.f_blocks * fs.f_frsize;
	return size < MAP_SIZE_MIN ? MAP_SIZE_MIN : size;
}

static int
set_map(struct db *db, size_t size)
{
	int rc = mdb_env_set_mapsize(db->env, size);

	if (rc == 0)
		db->map = size;
	return rc;
}

static enum err
path_of(const struct db *db, const char *name, char out[FILE_PATH_SIZE])
{
	int n = snprintf(out, FILE_PATH_SIZE, "%s/%s", db->dir, name);

	return n < 0 || n >= FILE_PATH_SIZE ? ERR_LIMIT : ERR_OK;
}

/* Readers need the lock file writable, the data must stay the writer's. The
   lock file is made so before LMDB makes it otherwise: a reader that starts
   meanwhile would be refused. */
static void
make_lock_file(const struct db *db)
{
	char path[FILE_PATH_SIZE];
	int fd;

	if (path_of(db, "lock.mdb", path) != ERR_OK)
		return;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	(void)!fchmod(fd, 0660);
	close(fd);
}

/* For files that were there before. Those of another owner are left as they
   are: that owner sees to them. */
static void
set_modes(const struct db *db)
{
	char path[FILE_PATH_SIZE];

	if (path_of(db, "data.mdb", path) == ERR_OK)
		(void)!chmod(path, 0640);
}

static int
open_files(struct db *db, unsigned flags)
{
	mode_t old;
	int rc;

	if (!db->opt.group || db->opt.readonly)
		return mdb_env_open(db->env, db->dir, flags, 0600);
	make_lock_file(db);
	old = umask(0027);
	rc = mdb_env_open(db->env, db->dir, flags, 0640);
	(void)umask(old);
	if (rc == 0)
		set_modes(db);
	return rc;
}

static unsigned
table_flags(unsigned flags)
{
	return ((flags & DB_INTEGER_KEY) ? MDB_INTEGERKEY : 0) |
	       ((flags & DB_DUP) ? MDB_DUPSORT : 0);
}

static int
open_tables(struct db *db)
{
	MDB_txn *txn = NULL;
	unsigned create = db->opt.readonly ? 0 : MDB_CREATE;
	int rc;

	rc = mdb_txn_begin(
	    db->env, NULL, db->opt.readonly ? MDB_RDONLY : 0, &txn);
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < db->opt.n_tables && rc == 0; i++)
		rc = mdb_dbi_open(txn, db->opt.tables[i].name,
		    table_flags(db->opt.tables[i].flags) | create, &db->dbi[i]);
	if (rc != 0) {
		mdb_txn_abort(txn);
		return rc;
	}
	return mdb_txn_commit(txn);
}

/* A file that lost its end would be read beyond it, which is a SIGBUS. Zero
   pages there are damage that the library tells. Never shrinks the file:
   another process may be writing. Where that cannot be done nothing is worse.
 */
static void
restore_length(struct db *db)
{
	MDB_envinfo info;
	MDB_stat stat_of;
	struct stat st;
	uint64_t need;
	int fd;

	if (db->opt.readonly || mdb_env_info(db->env, &info) != 0 ||
	    mdb_env_stat(db->env, &stat_of) != 0 ||
	    mdb_env_get_fd(db->env, &fd) != 0 || fstat(fd, &st) != 0)
		return;
	need = (uint64_t)(info.me_last_pgno + 1) * stat_of.ms_psize;
	if ((uint64_t)st.st_size < need)
		(void)posix_fallocate(fd, (off_t)(need - stat_of.ms_psize),
		    (off_t)stat_of.ms_psize);
}

static int
open_env(struct db *db)
{
	unsigned flags = MDB_NOTLS | (db->opt.readonly ? MDB_RDONLY : 0) |
			 (db->opt.no_read_ahead ? MDB_NORDAHEAD : 0);
	int dead, rc;

	rc = mdb_env_create(&db->env);
	if (rc != 0)
		return rc;
	rc = mdb_env_set_maxdbs(db->env, DB_TABLES_MAX);
	if (rc == 0)
		rc = mdb_env_set_maxreaders(db->env, READERS_MAX);
	if (rc == 0)
		rc = set_map(db, map_size(db));
	if (rc == 0)
		rc = open_files(db, flags);
	if (rc == 0)
		restore_length(db);
	if (rc == 0)
		rc = mdb_reader_check(db->env, &dead);
	if (rc == 0)
		rc = open_tables(db);
	if (rc != 0) {
		mdb_env_close(db->env);
		db->env = NULL;
	}
	return rc;
}

static enum err
open_checked(struct db *db, struct err_why *why)
{
	int rc = open_env(db);
	enum err e = db_err(rc);

	if (rc == 0)
		return ERR_OK;
	if (rc == ENOENT)
		e = ERR_NOT_FOUND;
	return err_why(why, e, "cannot open the database %s: %s", db->dir,
	    mdb_strerror(rc));
}

enum err
db_open(const char *dir, const struct db_options *opt, struct db **out,
    struct err_why *why)
{
	struct db *db;
	enum err e;

	if (strlen(dir) >= DB_PATH_SIZE || opt->n_tables > DB_TABLES_MAX)
		return err_why(why, ERR_LIMIT, "the name is too long: %s", dir);
	if (!opt->readonly && mkdir(dir, opt->group ? 0750 : 0700) != 0 &&
	    errno != EEXIST)
		return err_why(why, err_from_errno(errno),
		    "cannot make the directory %s: %s", dir, strerror(errno));
	db = calloc(1, sizeof(*db));
	if (db == NULL)
		return ERR_NOMEM;
	memcpy(db->dir, dir, strlen(dir) + 1);
	db->opt = *opt;
	e = open_checked(db, why);
	if (e != ERR_OK) {
		free(db);
		return e;
	}
	*out = db;
	return ERR_OK;
}

enum err
db_copy(const char *dir, int fd, struct err_why *why)
{
	MDB_env *env = NULL;
	int rc = mdb_env_create(&env);

	if (rc == 0)
		rc = mdb_env_open(
		    env, dir, MDB_RDONLY | MDB_NOTLS | MDB_NORDAHEAD, 0600);
	if (rc == 0)
		rc = mdb_env_copyfd(env, fd);
	if (env != NULL)
		mdb_env_close(env);
	if (rc == 0)
		return ERR_OK;
	return err_why(why, rc == ENOENT ? ERR_NOT_FOUND : db_err(rc),
	    "cannot copy the database %s: %s", dir, mdb_strerror(rc));
}

static void
close_env(struct db *db)
{
	if (db->idle != NULL)
		mdb_txn_abort(db->idle);
	db->idle = NULL;
	if (db->env != NULL)
		mdb_env_close(db->env);
	db->env = NULL;
}

void
db_close(struct db *db)
{
	if (db == NULL)
		return;
	close_env(db);
	free(db);
}

enum err
db_reopen(struct db *db, struct err_why *why)
{
	enum err e;

	if (db->open > 0)
		return err_why(why, ERR_BUSY, "a transaction is still open");
	close_env(db);
	db->broken = true;
	e = open_checked(db, why);
	if (e == ERR_OK)
		db->broken = false;
	return e;
}

bool
db_is_broken(const struct db *db)
{
	return db->broken;
}

enum err
db_check_readers(struct db *db, unsigned *out)
{
	int dead = 0, rc;

	if (db->broken)
		return ERR_DB_BROKEN;
	rc = mdb_reader_check(db->env, &dead);
	if (rc != 0)
		return db_err(rc);
	*out = (unsigned)dead;
	return ERR_OK;
}

enum err
db_disk_free(const struct db *db, uint64_t *out)
{
	struct statvfs fs;

	if (statvfs(db->dir, &fs) != 0)
		return err_from_errno(errno);
	*out = (uint64_t)fs.f_bavail * fs.f_frsize;
	return ERR_OK;
}

uint64_t
db_generation(const struct db *db)
{
	MDB_envinfo info = {0};

	if (db->env == NULL || mdb_env_info(db->env, &info) != MDB_SUCCESS)
		return 0;
	return info.me_last_txnid;
}

enum err
db_reusable(struct db *db, uint64_t *out)
{
	MDB_txn *txn = NULL;
	MDB_cursor *c = NULL;
	MDB_val k, v;
	MDB_stat st;
	uint64_t pages = 0;
	size_t n;
	int rc;

	if (db->broken)
		return ERR_DB_BROKEN;
	rc = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &txn);
	if (rc != 0)
		return db_err(rc);
	/* table 0 lists free pages; each value begins with their number */
	rc = mdb_cursor_open(txn, 0, &c);
	while (rc == 0 && (rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0) {
		memcpy(&n, v.mv_data, sizeof(n));
		pages += n;
	}
	if (c != NULL)
		mdb_cursor_close(c);
	if (rc == MDB_NOTFOUND)
		rc = mdb_env_stat(db->env, &st);
	mdb_txn_abort(txn);
	if (rc != 0)
		return db_err(rc);
	*out = pages * st.ms_psize;
	return ERR_OK;
}

int
db_map_adopt(struct db *db)
{
	MDB_envinfo info;
	int rc = mdb_env_set_mapsize(db->env, 0);

	if (rc == 0)
		rc = mdb_env_info(db->env, &info);
	if (rc == 0)
		db->map = info.me_mapsize;
	return rc;
}

void
db_map_grow(struct db *db)
{
	size_t max =
	    db->opt.map_size != 0 ? db->opt.map_size : (size_t)MAP_SIZE_MAX;
	size_t next = db->map > max / 2 ? max : 2 * db->map;

	if (db->open > 0 || next <= db->map)
		return;
	if (db->idle != NULL)
		mdb_txn_abort(db->idle);
	db->idle = NULL;
	if (set_map(db, next) == 0)
		db->full = false;
}
