/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The home directory and what is in it: gpg's configuration for each kind of
 * work, and the files that must not outlast it.
 */
#include "crypto/openpgp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/limits.h"
#include "crypto/openpgp_private.h"

#define GPG_CONF       "gpg.conf"
#define GPG_AGENT_CONF "gpg-agent.conf"

/* No locks, no seed file (its lock costs 250 ms), nothing from a network, no
   daemon that would be started for it. */
#define CONF_ALL                                                               \
	"no-random-seed-file\n"                                                \
	"no-auto-check-trustdb\n"                                              \
	"trust-model always\n"                                                 \
	"no-auto-key-locate\n"                                                 \
	"no-auto-key-import\n"                                                 \
	"no-auto-key-retrieve\n"                                               \
	"disable-dirmngr\n"                                                    \
	"lock-never\n"
static const char conf_seal[] = CONF_ALL "no-autostart\n"
					 "no-default-keyring\n"
					 "keyring " PGP_KEYRING "\n"
					 "no-encrypt-to\n"
					 "no-throw-keyids\n"
					 "personal-cipher-preferences AES256 "
					 "AES192 AES\n";
static const char conf_admit[] =
    CONF_ALL "no-autostart\n"
	     "import-options self-sigs-only,import-minimal\n"
	     "export-options export-minimal,no-export-attributes\n";
/* The secret keys have no passphrase: whoever is asked for one, fails. */
static const char conf_sign[] =
    CONF_ALL "no-encrypt-to\n"
	     "no-throw-keyids\n"
	     "personal-cipher-preferences AES256 AES192 AES\n"
	     "personal-digest-preferences SHA256 SHA384 SHA512\n"
	     "pinentry-mode error\n";
/* The same, and keys only from where they are written for the request. */
static const char conf_open[] = CONF_ALL "no-default-keyring\n"
					 "keyring " PGP_KEYRING "\n"
					 "pinentry-mode error\n";
/* parallel requests fail for lack of locked memory without the first */
static const char conf_agent[] = "auto-expand-secmem\n"
				 "disable-scdaemon\n"
				 "no-allow-external-cache\n"
				 "pinentry-program /bin/false\n";

enum err
crypto_pgp_file_write(const struct pgp_side *side, const char *name,
    struct span octets, struct err_why *why)
{
	int fd = openat(side->dir, name,
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	enum err e;

	if (fd < 0)
		return err_why(why, err_from_errno(errno),
		    "cannot create %s: %s", name, strerror(errno));
	e = file_write_all(fd, octets);
	if (close(fd) != 0 && e == ERR_OK)
		e = err_from_errno(errno);
	if (e != ERR_OK)
		err_why(why, e, "cannot write %s: %s", name, err_text(e));
	return e;
}

/* What stays in a home when it is swept. */
static bool
is_kept(const char *name, bool agent_stays)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	       strcmp(name, GPG_CONF) == 0 ||
	       strcmp(name, GPG_AGENT_CONF) == 0 ||
	       (agent_stays && strncmp(name, "S.", 2) == 0);
}

/* Remove the files of a directory, not those below it. */
static enum err
empty_dir(int parent, const char *name, bool agent_stays)
{
	int fd = openat(
	    parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	enum err e = ERR_OK;

	if (dir == NULL) {
		e = err_from_errno(errno);
		if (fd >= 0)
			close(fd);
		return e;
	}
	while ((entry = readdir(dir)) != NULL)
		/* directories stay: EISDIR */
		if (!is_kept(entry->d_name, agent_stays) &&
		    unlinkat(fd, entry->d_name, 0) != 0 && errno != EISDIR &&
		    errno != ENOENT && errno != EPERM)
			e = err_from_errno(errno);
	closedir(dir);
	return e;
}

enum err
crypto_pgp_home_sweep(const struct pgp_side *side, struct err_why *why)
{
	enum err e = empty_dir(side->dir, ".", false);

	return e == ERR_OK ? e
			   : err_why(why, e, "cannot sweep the home of GnuPG");
}

/* Where gpg-agent keeps secret keys, and what gpg makes beside them. */
static const char *const secret_dirs[] = {
    "private-keys-v1.d", "openpgp-revocs.d"};

enum err
crypto_pgp_home_forget(
    const struct pgp_side *side, bool agent_stays, struct err_why *why)
{
	for (size_t i = 0; i < sizeof(secret_dirs) / sizeof(secret_dirs[0]);
	     i++) {
		enum err e = empty_dir(side->dir, secret_dirs[i], false);

		if (e == ERR_OK && !agent_stays &&
		    unlinkat(side->dir, secret_dirs[i], AT_REMOVEDIR) != 0)
			e = err_from_errno(errno);
		if (e != ERR_OK && e != ERR_NOT_FOUND)
			return err_why(why, e, "cannot remove %s: %s",
			    secret_dirs[i], err_text(e));
	}
	return empty_dir(side->dir, ".", agent_stays) == ERR_OK
		   ? ERR_OK
		   : err_why(why, ERR_IO, "cannot sweep the home of GnuPG");
}

static enum err
make_dir(struct pgp_side *side, struct err_why *why)
{
	struct stat st;

	if (mkdir(side->home, 0700) != 0 && errno != EEXIST)
		return err_why(why, err_from_errno(errno), "cannot make %s: %s",
		    side->home, strerror(errno));
	side->dir =
	    open(side->home, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (side->dir < 0 || fstat(side->dir, &st) != 0)
		return err_why(why, err_from_errno(errno), "cannot open %s: %s",
		    side->home, strerror(errno));
	if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		return err_why(why, ERR_PERMISSION,
		    "%s must belong to this user alone (mode 0700)",
		    side->home);
	return ERR_OK;
}

static enum err
open_side(struct pgp_side *side, const char *gpg, const char *conf,
    struct err_why *why)
{
	enum err e = make_dir(side, why);

	if (e == ERR_OK) {
		crypto_pgp_agent_end(side);
		e = crypto_pgp_home_forget(side, false, why);
	}
	if (e == ERR_OK)
		e = crypto_pgp_file_write(side, GPG_CONF, span_str(conf), why);
	if (e == ERR_OK)
		e = crypto_pgp_file_write(
		    side, GPG_AGENT_CONF, span_str(conf_agent), why);
	if (e == ERR_OK)
		e = crypto_pgp_run_init(side, gpg, why);
	return e;
}

/* What --file and the sockets of an agent can name. */
static enum err
check_path(const char *home, struct err_why *why)
{
	size_t len = strlen(home);

	if (home[0] != '/')
		return err_why(why, ERR_CONFIG,
		    "the home of GnuPG must be an absolute path");
	if (len > CRYPTO_PGP_HOME_MAX)
		return err_why(why, ERR_CONFIG,
		    "the home of GnuPG has a path of more than %d octets",
		    CRYPTO_PGP_HOME_MAX);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)home[i] < ' ')
			return err_why(why, ERR_CONFIG,
			    "a control character in the home of GnuPG");
	return ERR_OK;
}

enum err
crypto_pgp_open(const char *home, const char *gpg, unsigned timeout_ms,
    struct crypto_pgp **out, struct err_why *why)
{
	struct crypto_pgp *pgp = NULL;
	enum err e = check_path(home, why);

	if (e != ERR_OK)
		return e;
	if (gpgme_check_version("1.18.0") == NULL)
		return err_why(why, ERR_UNSUPPORTED,
		    "GPGME 1.18 or later is needed (Debian package "
		    "libgpgme11)");
	pgp = calloc(1, sizeof(*pgp));
	if (pgp == NULL)
		return err_why(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	pgp->timeout_ms = timeout_ms;
	pgp->seal.dir = -1;
	pgp->admit.dir = -1;
	pgp->sign.dir = -1;
	pgp->open.dir = -1;
	pgp->seal.keylist_mode = GPGME_KEYLIST_MODE_LOCAL;
	pgp->admit.keylist_mode = GPGME_KEYLIST_MODE_LOCAL;
	/* and which secret parts are there */
	pgp->sign.keylist_mode = GPGME_KEYLIST_MODE_LOCAL |
				 GPGME_KEYLIST_MODE_WITH_SECRET |
				 GPGME_KEYLIST_MODE_WITH_KEYGRIP;
	snprintf(pgp->seal.home, sizeof(pgp->seal.home), "%s", home);
	snprintf(pgp->admit.home, sizeof(pgp->admit.home), "%s/a", home);
	snprintf(pgp->sign.home, sizeof(pgp->sign.home), "%s/s", home);
	snprintf(pgp->open.home, sizeof(pgp->open.home), "%s/o", home);
	e = open_side(&pgp->seal, gpg, conf_seal, why);
	if (e == ERR_OK)
		e = open_side(&pgp->admit, gpg, conf_admit, why);
	if (e == ERR_OK)
		e = open_side(&pgp->sign, gpg, conf_sign, why);
	if (e == ERR_OK)
		e = open_side(&pgp->open, gpg, conf_open, why);
	/* gpg would make one each time */
	if (e == ERR_OK)
		e = crypto_pgp_file_write(
		    &pgp->seal, PGP_KEYRING, SPAN(NULL, 0), why);
	if (e == ERR_OK) {
		*out = pgp;
		pgp = NULL;
	}
	crypto_pgp_close(pgp);
	return e;
}

static void
close_side(struct pgp_side *side)
{
	if (side->ctx != NULL)
		gpgme_release(side->ctx);
	crypto_pgp_run_clear(&side->run);
	if (side->dir < 0)
		return;
	if (crypto_pgp_home_forget(side, false, NULL) == ERR_OK) {
		unlinkat(side->dir, GPG_CONF, 0);
		unlinkat(side->dir, GPG_AGENT_CONF, 0);
	}
	close(side->dir);
}

void
crypto_pgp_close(struct crypto_pgp *pgp)
{
	if (pgp == NULL)
		return;
	crypto_pgp_forget_secrets(pgp);
	close_side(&pgp->sign);
	if (pgp->sign.dir >= 0)
		rmdir(pgp->sign.home);
	crypto_pgp_keep_forget(pgp);
	close_side(&pgp->open);
	if (pgp->open.dir >= 0)
		rmdir(pgp->open.home);
	close_side(&pgp->admit);
	if (pgp->admit.dir >= 0)
		rmdir(pgp->admit.home);
	close_side(&pgp->seal);
	crypto_pgp_checked_clear(pgp);
	free(pgp);
}
