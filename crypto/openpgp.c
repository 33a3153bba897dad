/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The home directory and sealing. The keystore is the only key store: keys of
 * a request are files in the home while it lasts, and gpg has no keyring.
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
#include "crypto/openpgp_packet.h"
#include "crypto/openpgp_private.h"
#include "mime/base64.h"

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
	"no-autostart\n"                                                       \
	"lock-never\n"
static const char conf_seal[] = CONF_ALL "no-keyring\n"
					 "no-encrypt-to\n"
					 "no-throw-keyids\n"
					 "personal-cipher-preferences AES256 "
					 "AES192 AES\n";
static const char conf_admit[] =
    CONF_ALL "import-options self-sigs-only,import-minimal\n"
	     "export-options export-minimal,no-export-attributes\n";
/* parallel requests fail for lack of locked memory without it */
static const char conf_agent[] = "auto-expand-secmem\n";

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

enum err
crypto_pgp_home_sweep(const struct pgp_side *side, struct err_why *why)
{
	int fd = openat(side->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return err_why(why, err_from_errno(errno),
		    "cannot read the home of GnuPG: %s", strerror(errno));
	}
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, GPG_CONF) == 0 ||
		    strcmp(entry->d_name, GPG_AGENT_CONF) == 0)
			continue;
		/* directories stay: EISDIR */
		if (unlinkat(side->dir, entry->d_name, 0) != 0 &&
		    errno != EISDIR && errno != ENOENT && errno != EPERM) {
			enum err e = err_why(why, err_from_errno(errno),
			    "cannot remove %.60s: %s", entry->d_name,
			    strerror(errno));

			closedir(dir);
			return e;
		}
	}
	closedir(dir);
	return ERR_OK;
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

	if (e == ERR_OK)
		e = crypto_pgp_home_sweep(side, why);
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
	snprintf(pgp->seal.home, sizeof(pgp->seal.home), "%s", home);
	snprintf(pgp->admit.home, sizeof(pgp->admit.home), "%s/a", home);
	e = open_side(&pgp->seal, gpg, conf_seal, why);
	if (e == ERR_OK)
		e = open_side(&pgp->admit, gpg, conf_admit, why);
	if (e == ERR_OK) {
		gpgme_set_armor(pgp->seal.ctx, 1);
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
	if (crypto_pgp_home_sweep(side, NULL) == ERR_OK) {
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
	close_side(&pgp->admit);
	if (pgp->admit.dir >= 0)
		rmdir(pgp->admit.home);
	close_side(&pgp->seal);
	free(pgp);
}

static void
key_name(size_t i, char out[32])
{
	snprintf(out, 32, "k%zu", i);
}

/* gpg takes only the first key of a file: one file for each. The list of
   their paths goes to GPGME, one a line. */
static enum err
write_keys(struct crypto_pgp *pgp, const struct span *certs, size_t n,
    struct buf *list, struct err_why *why)
{
	enum err e = buf_puts(list, "--file\n");

	for (size_t i = 0; i < n && e == ERR_OK; i++) {
		char name[32];

		if (certs[i].len == 0)
			return err_why(why, ERR_MALFORMED, "an empty key");
		if (certs[i].len > LIMIT_KEY_SIZE)
			return err_why(why, ERR_TOO_BIG,
			    "a key of more than %u octets", LIMIT_KEY_SIZE);
		key_name(i, name);
		e = crypto_pgp_file_write(&pgp->seal, name, certs[i], why);
		if (e == ERR_OK)
			e = buf_printf(list, "%s/%s\n", pgp->seal.home, name);
	}
	if (e == ERR_OK && buf_cstr(list) == NULL)
		e = err_why(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	return e;
}

static void
remove_keys(struct crypto_pgp *pgp, size_t n)
{
	char name[32];

	for (size_t i = 0; i < n; i++) {
		key_name(i, name);
		unlinkat(pgp->seal.dir, name, 0);
	}
}

/* Where gpg's output goes, with the first thing that went wrong. */
struct output {
	struct buf *buf;
	enum err e;
};

static ssize_t
write_output(void *arg, const void *data, size_t len)
{
	struct output *output = arg;

	if (output->e == ERR_OK)
		output->e = buf_put(output->buf, SPAN(data, len));
	if (output->e != ERR_OK) {
		errno = ENOSPC;
		return -1;
	}
	return (ssize_t)len;
}

/* Run gpg once over in. *bad_out tells that it named a key it cannot use. */
static enum err
encrypt(struct crypto_pgp *pgp, const char *list, struct span in,
    struct buf *out, bool *bad_out, struct err_why *why)
{
	struct gpgme_data_cbs calls = {.write = write_output};
	struct output output = {.buf = out};
	gpgme_data_t from = NULL, to = NULL;
	gpgme_error_t err;
	gpgme_encrypt_result_t result;
	enum err e;

	err = gpgme_data_new_from_mem(
	    &from, in.len == 0 ? "" : (const char *)in.data, in.len, 0);
	if (err == 0)
		err = gpgme_data_new_from_cbs(&to, &calls, &output);
	if (err != 0) {
		e = crypto_pgp_engine_why(why, err, "no data");
		goto out;
	}
	crypto_pgp_run_clear(&pgp->seal.run);
	err = gpgme_op_encrypt_ext_start(pgp->seal.ctx, NULL, list,
	    GPGME_ENCRYPT_ALWAYS_TRUST | GPGME_ENCRYPT_NO_COMPRESS, from, to);
	e = crypto_pgp_run(&pgp->seal, err, pgp->timeout_ms, &err, why);
	if (e != ERR_OK)
		goto out;
	result = gpgme_op_encrypt_result(pgp->seal.ctx);
	if (output.e != ERR_OK)
		e = err_why(why, output.e, "%s", err_text(output.e));
	else if (result == NULL || result->invalid_recipients != NULL ||
		 gpgme_err_code(err) == GPG_ERR_UNUSABLE_PUBKEY)
		*bad_out = true;
	else if (err != 0)
		e = crypto_pgp_engine_why(why, err, "gpg could not seal");
out:
	gpgme_data_release(from);
	gpgme_data_release(to);
	return e;
}

/* gpg only says "unusable": find the first such key and its reason. */
static enum err
say_unusable(struct crypto_pgp *pgp, const struct span *certs, size_t n,
    struct err_why *why)
{
	for (size_t i = 0; i < n; i++) {
		struct crypto_pgp_list list = {0};
		enum err e = crypto_pgp_inspect(pgp, certs[i], &list, why);

		if (e != ERR_OK)
			return e;
		e = list.certs[0].seal_err;
		if (e != ERR_OK)
			err_why(why, e, "key %s: %s", list.certs[0].fpr_hex,
			    list.certs[0].seal_why.text);
		crypto_pgp_list_clear(&list);
		if (e != ERR_OK)
			return e;
	}
	return err_why(why, ERR_ENGINE, "gpg refuses a key without a reason");
}

/* The octets of the first packets, without the armor around them. */
static enum err
dearmor_head(struct span armored, size_t n, struct buf *out)
{
	/* characters enough for n session keys of the longest RSA, cut at a
	   line: lines are whole groups of base64 */
	size_t need = n * (LIMIT_RSA_BITS_MAX / 8 + 64) * 4 / 3;
	size_t start = span_find(armored, 0, SPAN_LIT("\n\n"));
	struct span head;

	if (start == armored.len)
		return ERR_MALFORMED;
	head = SPAN(armored.data + start + 2, armored.len - start - 2);
	if (head.len > need)
		head.len = span_find_chr(head, need, '\n');
	head.len = span_find(head, 0, SPAN_LIT("\n="));
	return mime_base64_decode(head, out);
}

/* Is the message whole, with a session key for each of n recipients? Looked at
   because a gpg that left one out would be believed. */
static enum err
check_sealed(struct span out, size_t n, struct err_why *why)
{
	static const char last[] = "\n-----END PGP MESSAGE-----\n";
	struct crypto_pgp_packet p;
	struct buf head;
	size_t pos = 0, found = 0;
	enum err e;

	if (!span_starts_caseeq(out, "-----BEGIN PGP MESSAGE-----\n") ||
	    !span_eq_str(
		SPAN(out.data + out.len - (sizeof(last) - 1), sizeof(last) - 1),
		last))
		return err_why(
		    why, ERR_ENGINE, "gpg ended without a whole message");
	buf_init(&head, out.len);
	e = dearmor_head(out, n, &head);
	while (e == ERR_OK && pos < head.len &&
	       crypto_pgp_packet_next(
		   SPAN(head.data + pos, head.len - pos), &p) == ERR_OK &&
	       p.tag == CRYPTO_PGP_TAG_PKESK) {
		found++;
		pos += p.size;
	}
	buf_clear(&head);
	if (e != ERR_OK || found != n)
		return err_why(
		    why, ERR_ENGINE, "gpg sealed to %zu of %zu keys", found, n);
	return ERR_OK;
}

enum err
crypto_pgp_seal(struct crypto_pgp *pgp, const struct span *certs, size_t n,
    struct span in, struct buf *out, struct err_why *why)
{
	size_t before = out->len;
	struct buf list;
	bool bad = false;
	enum err e;

	if (n == 0)
		return err_why(why, ERR_NO_KEY, "no key to seal to");
	if (n > LIMIT_RECIPIENTS)
		return err_why(
		    why, ERR_LIMIT, "more than %u keys", LIMIT_RECIPIENTS);
	buf_init(&list, n * sizeof(pgp->seal.home) + n * 32 + 64);
	e = write_keys(pgp, certs, n, &list, why);
	if (e == ERR_OK)
		e = encrypt(pgp, buf_cstr(&list), in, out, &bad, why);
	remove_keys(pgp, n);
	buf_clear(&list);
	if (e == ERR_OK && bad)
		e = say_unusable(pgp, certs, n, why);
	if (e == ERR_OK)
		e = check_sealed(
		    SPAN(out->data + before, out->len - before), n, why);
	if (e != ERR_OK)
		out->len = before;
	return e;
}
