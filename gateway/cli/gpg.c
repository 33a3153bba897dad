/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A scratch home for gpg: made in memory, and removed with the agent that gpg
 * leaves behind.
 */
#include "gateway/cli/gpg.h"

#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/limits.h"

enum { HOME_SIZE = CRYPTO_PGP_HOME_MAX + 1 };

extern char **environ;

/* In memory, never on a disk; short enough for the sockets in it. */
static enum err
make_home(char out[HOME_SIZE])
{
	const char *dirs[] = {getenv("XDG_RUNTIME_DIR"), "/dev/shm"};
	char path[HOME_SIZE];

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		int n;

		if (dirs[i] == NULL || dirs[i][0] != '/')
			continue;
		n = snprintf(path, sizeof(path), "%s/sealgate-XXXXXX", dirs[i]);
		if (n < 0 || (size_t)n >= sizeof(path) || mkdtemp(path) == NULL)
			continue;
		memcpy(out, path, sizeof(path));
		return ERR_OK;
	}
	return ERR_IO;
}

static void
remove_tree(int parent, const char *name)
{
	int fd = openat(
	    parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		(void)unlinkat(parent, name, 0);
		return;
	}
	while ((d = readdir(dir)) != NULL)
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			remove_tree(dirfd(dir), d->d_name);
	closedir(dir);
	(void)unlinkat(parent, name, AT_REMOVEDIR);
}

/* gpg leaves an agent behind that would live as long as the home. */
static void
end_agent(char *home)
{
	char *const argv[] = {(char[]){"gpgconf"}, (char[]){"--homedir"}, home,
	    (char[]){"--kill"}, (char[]){"all"}, NULL};
	pid_t pid;

	if (posix_spawnp(&pid, "gpgconf", NULL, NULL, argv, environ) == 0)
		(void)waitpid(pid, NULL, 0);
}

enum err
cli_gpg_open(struct cli_gpg *gpg, struct err_why *why)
{
	enum err e = make_home(gpg->home);

	if (e != ERR_OK)
		return err_why(why, e,
		    "no directory in memory for gpg: neither XDG_RUNTIME_DIR "
		    "nor /dev/shm can be written");
	return crypto_pgp_open(
	    gpg->home, NULL, LIMIT_PGP_MS, &gpg->engine, why);
}

void
cli_gpg_close(struct cli_gpg *gpg)
{
	crypto_pgp_close(gpg->engine);
	gpg->engine = NULL;
	if (gpg->home[0] == '\0')
		return;
	end_agent(gpg->home);
	remove_tree(AT_FDCWD, gpg->home);
	gpg->home[0] = '\0';
}
