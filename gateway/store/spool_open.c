/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Opening the spool so that one broken environment cannot stop mail for good:
 * an environment that is no database any more, or that made store fault
 * twice, is moved aside with the bodies it names. Nothing is ever deleted.
 */
#include "gateway/store/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "gateway/conf.h"

enum {
	FAULTS_MAX = 2,
	PATH_SIZE = 1200,
};

#define FAULTS "faults"

static const struct db_table tables[STORE_TABLES] = {
    [STORE_ENTRY] = {"entry", DB_INTEGER_KEY},
    [STORE_STATUS] = {"status", DB_INTEGER_KEY},
    [STORE_DONE] = {"done", DB_INTEGER_KEY},
    [STORE_OBJECT] = {"object", 0},
    [STORE_AUDIT] = {"audit", DB_INTEGER_KEY},
    [STORE_STATE] = {"state", 0},
    [STORE_NOTICE] = {"notice", 0},
    [STORE_RECOVERY] = {"recovery", 0},
};

/* One octet for each fault. Written by a signal handler. */
static int faults_fd = -1;

static void
on_fault(int signo)
{
	/* SA_RESETHAND: the same signal then ends the process */
	if (faults_fd >= 0 && write(faults_fd, "!", 1) == 1)
		fsync(faults_fd);
	raise(signo);
}

static int
open_faults(const struct conf *conf)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/" FAULTS, conf->paths.spool);
	return open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

void
store_crash_watch(const struct conf *conf)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
	struct sigaction act = {
	    .sa_handler = on_fault, .sa_flags = (int)SA_RESETHAND};

	if (faults_fd < 0)
		faults_fd = open_faults(conf);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &act, NULL);
}

void
store_crash_forgive(void)
{
	if (faults_fd >= 0 && ftruncate(faults_fd, 0) != 0)
		log_event(LOG_LVL_WARN, NULL, "faults-kept",
		    KV_STR("reason", strerror(errno)));
}

static bool
has_faulted(const struct conf *conf)
{
	struct stat st;
	int fd = open_faults(conf);
	bool yes = fd >= 0 && fstat(fd, &st) == 0 && st.st_size >= FAULTS_MAX;

	/* the new environment starts without them */
	if (yes && ftruncate(fd, 0) != 0)
		yes = false;
	if (fd >= 0)
		close(fd);
	return yes;
}

static enum err
make_dir(const char *path, struct err_why *why)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return ERR_OK;
	return err_why(why, err_from_errno(errno),
	    "cannot make the directory %s: %s", path, strerror(errno));
}

/* Move the regular files of a directory into a new one below it: what is
   above need not be ours to write. */
static enum err
move_files(const char *dir, const char *name, struct err_why *why)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), to = -1;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	bool good = d != NULL && mkdirat(fd, name, 0700) == 0;

	if (good)
		to = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	good = to >= 0;
	while (good && (entry = readdir(d)) != NULL)
		if (entry->d_type == DT_REG &&
		    strcmp(entry->d_name, FAULTS) != 0)
			good =
			    renameat(fd, entry->d_name, to, entry->d_name) == 0;
	good = good && fsync(to) == 0 && fsync(fd) == 0;
	if (!good)
		(void)err_why(why, err_from_errno(errno),
		    "cannot move the files of %s aside: %s", dir,
		    strerror(errno));
	if (to >= 0)
		close(to);
	if (d != NULL)
		closedir(d);
	else if (fd >= 0)
		close(fd);
	return good ? ERR_OK : ERR_IO;
}

/* The bodies first: were the environment gone and they still here, the sweep
   would take them for left-overs. */
static enum err
move_aside(
    const struct conf *conf, struct store_opened *out, struct err_why *why)
{
	enum err e;

	snprintf(out->aside, sizeof(out->aside), "broken-%llu",
	    (unsigned long long)clock_unix_ms());
	e = move_files(conf->paths.bodies, out->aside, why);
	return e == ERR_OK ? move_files(conf->paths.spool, out->aside, why) : e;
}

enum err
store_spool_open(
    const struct conf *conf, struct store_opened *out, struct err_why *why)
{
	struct db_options opt = {
	    .tables = tables, .n_tables = STORE_TABLES, .no_read_ahead = true};
	struct store_opened o = {0};
	struct err_why broken = {""};
	enum err e = make_dir(conf->paths.bodies, why);

	if (e == ERR_OK)
		e = make_dir(conf->paths.spool, why);
	if (e != ERR_OK)
		return e;
	e = has_faulted(conf)
		? err_why(&broken, ERR_DB_BROKEN,
		      "it made store fault %d times", FAULTS_MAX)
		: db_open(conf->paths.spool, &opt, &o.db, &broken);
	if (e == ERR_DB_BROKEN) {
		e = move_aside(conf, &o, why);
		if (e != ERR_OK)
			return e;
		log_event(LOG_LVL_CRIT, NULL, "spool-moved-aside",
		    KV_STR("dir", conf->paths.spool), KV_STR("to", o.aside),
		    KV_STR("reason", broken.text));
		e = db_open(conf->paths.spool, &opt, &o.db, &broken);
	}
	if (e != ERR_OK)
		return err_why(why, e, "%s", broken.text);
	*out = o;
	return ERR_OK;
}
