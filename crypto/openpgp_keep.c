/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Secret keys to open with. gpg imports each once; its files then lie in the
 * home under names that gpg-agent does not look at, and get their own back for
 * the one request that may use them: gpg tries whatever secret key it finds.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/digest.h"
#include "common/file.h"
#include "common/limits.h"
#include "crypto/openpgp_packet.h"
#include "crypto/openpgp_private.h"

#define SECRET_DIR "private-keys-v1.d"

enum {
	GRIPS_MAX = 64, /* of a key: primary and subkeys */
	KEY_NAME = 64,
	/* what is kept of a certificate, with gpg's own packets */
	PUB_MAX = LIMIT_KEY_SIZE,
};

static void
drop(struct pgp_kept *kept)
{
	buf_clear(&kept->pub);
	free(kept->grips);
	free(kept->ids);
	*kept = (struct pgp_kept){0};
}

void
crypto_pgp_keep_forget(struct crypto_pgp *pgp)
{
	struct err_why why;

	for (size_t i = 0; i < CRYPTO_PGP_SECRETS; i++)
		drop(&pgp->kept[i]);
	/* a process that cannot rid itself of keys must not go on */
	if (pgp->open.dir >= 0 &&
	    crypto_pgp_home_forget(&pgp->open, true, &why) != ERR_OK)
		fatal("secret keys stay in the home of GnuPG: %s", why.text);
}

/* --- names of files --- */

/* As gpg-agent knows it. */
static void
name_in_use(const char *grip, char out[KEY_NAME])
{
	snprintf(out, KEY_NAME, SECRET_DIR "/%s.key", grip);
}

/* As nobody but we know it. */
static void
name_put_by(const struct crypto_pgp *pgp, const struct pgp_kept *kept,
    const char *grip, char out[KEY_NAME])
{
	snprintf(out, KEY_NAME, SECRET_DIR "/%02u.%s",
	    (unsigned)(kept - pgp->kept), grip);
}

static bool
is_key_file(const char *name)
{
	return strlen(name) == PGP_GRIP + 4 &&
	       strspn(name, "0123456789ABCDEF") == PGP_GRIP &&
	       strcmp(name + PGP_GRIP, ".key") == 0;
}

/* The keys that gpg-agent has in use: those that were just imported. */
static enum err
list_grips(struct crypto_pgp *pgp, struct pgp_kept *kept)
{
	int fd = openat(pgp->open.dir, SECRET_DIR,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	enum err e = ERR_OK;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return ERR_IO;
	}
	while (e == ERR_OK && (entry = readdir(dir)) != NULL) {
		if (!is_key_file(entry->d_name))
			continue;
		if (kept->n_grips == GRIPS_MAX) {
			e = ERR_LIMIT;
			break;
		}
		memcpy(kept->grips[kept->n_grips], entry->d_name, PGP_GRIP);
		kept->grips[kept->n_grips++][PGP_GRIP] = '\0';
	}
	closedir(dir);
	return e;
}

static enum err
put_by(struct crypto_pgp *pgp, const struct pgp_kept *kept)
{
	char from[KEY_NAME], to[KEY_NAME];

	for (size_t i = 0; i < kept->n_grips; i++) {
		name_in_use(kept->grips[i], from);
		name_put_by(pgp, kept, kept->grips[i], to);
		if (renameat(pgp->open.dir, from, pgp->open.dir, to) != 0)
			return err_from_errno(errno);
	}
	return ERR_OK;
}

/* --- importing one --- */

static enum err
read_ids(struct pgp_kept *kept, struct span key)
{
	uint8_t fpr[CRYPTO_PGP_FPR_MAX];
	size_t len = 0;

	if (crypto_pgp_fpr(key, fpr, &len) != ERR_OK ||
	    len != sizeof(kept->fpr))
		return ERR_MALFORMED;
	memcpy(kept->fpr, fpr, sizeof(kept->fpr));
	kept->n_ids =
	    crypto_pgp_key_ids(buf_span(&kept->pub), kept->ids, GRIPS_MAX);
	return kept->n_ids > 0 ? ERR_OK : ERR_MALFORMED;
}

/* What gpg has written of it, its own notes included. */
static enum err
read_public(struct crypto_pgp *pgp, struct pgp_kept *kept)
{
	struct crypto_pgp_piece piece;
	size_t n = 0;
	int fd = openat(
	    pgp->open.dir, PGP_KEYRING, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	enum err e;

	if (fd < 0)
		return err_from_errno(errno);
	e = file_read_all(fd, &kept->pub);
	close(fd);
	if (e != ERR_OK && e != ERR_TOO_BIG)
		return e;
	/* one key, or it is not what was asked for */
	if (e == ERR_OK)
		e = crypto_pgp_split(buf_span(&kept->pub), &piece, 1, &n, NULL);
	return e == ERR_OK ? read_ids(kept, piece.key) : ERR_MALFORMED;
}

/* Did gpg come to the end of it? It breaks off where its agent fails. */
static enum err
check_import(struct crypto_pgp *pgp, struct err_why *why)
{
	gpgme_import_result_t r = gpgme_op_import_result(pgp->open.ctx);

	return r != NULL && r->secret_read <= r->considered
		   ? ERR_OK
		   : err_why(why, ERR_ENGINE, "gpg broke off an import");
}

/* The errors that the key's own octets lead to are ERR_MALFORMED. */
static enum err
import(struct crypto_pgp *pgp, struct span secret, struct pgp_kept *kept,
    struct err_why *why)
{
	enum err e;

	if (secret.len == 0)
		return ERR_MALFORMED;
	if (secret.len > LIMIT_KEY_SIZE)
		return err_why(why, ERR_TOO_BIG, "a key of more than %u octets",
		    LIMIT_KEY_SIZE);
	buf_init(&kept->pub, PUB_MAX);
	kept->grips = calloc(GRIPS_MAX, sizeof(*kept->grips));
	kept->ids = calloc(GRIPS_MAX, sizeof(*kept->ids));
	if (kept->grips == NULL || kept->ids == NULL)
		return err_why(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	e = crypto_pgp_keyring_write(pgp, NULL, 0, NULL, 0, why);
	if (e == ERR_OK)
		e = crypto_pgp_ring_import(
		    &pgp->open, pgp->timeout_ms, secret, why);
	if (e == ERR_OK)
		e = check_import(pgp, why);
	crypto_pgp_run_clear(&pgp->open.run);
	if (e != ERR_OK)
		return e;
	e = list_grips(pgp, kept);
	if (e == ERR_OK && kept->n_grips == 0)
		e = ERR_MALFORMED;
	if (e == ERR_OK)
		e = read_public(pgp, kept);
	if (e == ERR_OK)
		e = put_by(pgp, kept);
	if (e == ERR_OK)
		return e;
	return e == ERR_MALFORMED ? e : err_why(why, e, "%s", err_text(e));
}

/* --- all that were asked for --- */

static struct pgp_kept *
find(struct crypto_pgp *pgp, const uint8_t digest[32])
{
	for (size_t i = 0; i < CRYPTO_PGP_SECRETS; i++)
		if (pgp->kept[i].pub.len > 0 &&
		    memcmp(pgp->kept[i].digest, digest, 32) == 0)
			return &pgp->kept[i];
	return NULL;
}

/* An empty place. Of those that are kept the one goes that was not used for
   longest: never one of this request, of which there are fewer. */
static struct pgp_kept *
make_room(struct crypto_pgp *pgp)
{
	struct pgp_kept *oldest = &pgp->kept[0];
	char name[KEY_NAME];

	for (size_t i = 0; i < CRYPTO_PGP_SECRETS; i++) {
		if (pgp->kept[i].pub.len == 0)
			return &pgp->kept[i];
		if (pgp->kept[i].used < oldest->used)
			oldest = &pgp->kept[i];
	}
	for (size_t i = 0; i < oldest->n_grips; i++) {
		name_put_by(pgp, oldest, oldest->grips[i], name);
		if (unlinkat(pgp->open.dir, name, 0) != 0 && errno != ENOENT)
			fatal("a secret key stays in the home of GnuPG");
	}
	drop(oldest);
	return oldest;
}

static enum err
keep_one(struct crypto_pgp *pgp, struct span secret, struct pgp_kept **out,
    struct err_why *why)
{
	uint8_t digest[32];
	struct pgp_kept *kept;
	enum err e;

	digest_sha256(&secret, 1, digest);
	kept = find(pgp, digest);
	if (kept == NULL) {
		kept = make_room(pgp);
		e = import(pgp, secret, kept, why);
		if (e != ERR_OK) {
			drop(kept);
			return e;
		}
		memcpy(kept->digest, digest, sizeof(digest));
	}
	kept->used = ++pgp->secrets_used;
	*out = kept;
	return ERR_OK;
}

enum err
crypto_pgp_keep(struct crypto_pgp *pgp, const struct span *secret, size_t n,
    struct pgp_kept **out, struct err_why *why)
{
	for (size_t i = 0; i < n; i++) {
		enum err e;

		out[i] = NULL;
		e = keep_one(pgp, secret[i], &out[i], why);
		if (e == ERR_OK)
			continue;
		/* what is left of it, and with it the others, must go */
		if (e != ERR_TIMEOUT)
			crypto_pgp_keep_forget(pgp);
		if (e != ERR_MALFORMED && e != ERR_LIMIT)
			return e;
		for (size_t k = 0; k < i; k++)
			if (out[k] != NULL) {
				e = keep_one(pgp, secret[k], &out[k], why);
				if (e != ERR_OK)
					return e;
			}
	}
	return ERR_OK;
}

enum err
crypto_pgp_keep_permit(struct crypto_pgp *pgp, struct pgp_kept *const *kept,
    size_t n, struct err_why *why)
{
	char from[KEY_NAME], to[KEY_NAME];

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; kept[i] != NULL && k < kept[i]->n_grips;
		     k++) {
			const char *grip = kept[i]->grips[k];

			name_put_by(pgp, kept[i], grip, from);
			name_in_use(grip, to);
			if (renameat(pgp->open.dir, from, pgp->open.dir, to) !=
				0 &&
			    errno != ENOENT)
				return err_why(why, err_from_errno(errno),
				    "a secret key cannot be used: %s",
				    strerror(errno));
		}
	}
	return ERR_OK;
}

void
crypto_pgp_keep_withdraw(
    struct crypto_pgp *pgp, struct pgp_kept *const *kept, size_t n)
{
	enum err e = ERR_OK;

	for (size_t i = 0; i < n && e == ERR_OK; i++)
		if (kept[i] != NULL)
			e = put_by(pgp, kept[i]);
	/* the next request must not find one; two keys with a subkey in common
	   have lost it to each other, and come anew */
	if (e != ERR_OK)
		crypto_pgp_keep_forget(pgp);
}
