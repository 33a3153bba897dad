/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Keys made and handed out. gpg-agent locks each part of a secret key, gpg is
 * told the passphrase by GPGME when it writes it down: what leaves is never
 * open.
 */
#include "crypto/openpgp_own.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/secret.h"
#include "common/text.h"
#include "crypto/openpgp_private.h"
#include "mime/base64.h"

/* --- armor --- */

/* RFC 9580 §6.1.1. */
static uint32_t
crc24(struct span s)
{
	uint32_t crc = 0xb704ce;

	for (size_t i = 0; i < s.len; i++) {
		crc ^= (uint32_t)s.data[i] << 16;
		for (int k = 0; k < 8; k++) {
			crc <<= 1;
			if (crc & 0x1000000)
				crc ^= 0x1864cfb;
		}
	}
	return crc & 0xffffff;
}

/* Lines of base64 with LF line ends, as files have them. */
static enum err
put_lines(struct span octets, struct buf *out)
{
	struct buf lines;
	enum err e;

	buf_init(&lines, 2 * LIMIT_KEYS_SIZE);
	e = mime_base64_encode(octets, &lines);
	for (size_t i = 0; i < lines.len && e == ERR_OK; i++)
		if (lines.data[i] != '\r')
			e = buf_putc(out, lines.data[i]);
	secret_wipe(lines.data, lines.len);
	buf_clear(&lines);
	return e;
}

enum err
crypto_pgp_armor(const char *label, struct span octets, struct buf *out)
{
	uint32_t crc = crc24(octets);
	const uint8_t sum[3] = {
	    (uint8_t)(crc >> 16), (uint8_t)(crc >> 8), (uint8_t)crc};
	enum err e = buf_printf(out, "-----BEGIN PGP %s-----\n\n", label);

	if (e == ERR_OK)
		e = put_lines(octets, out);
	if (e == ERR_OK)
		e = buf_puts(out, "=");
	if (e == ERR_OK)
		e = put_lines(SPAN(sum, sizeof(sum)), out);
	return e == ERR_OK ? buf_printf(out, "-----END PGP %s-----\n", label)
			   : e;
}

/* --- making --- */

static enum err
create(struct crypto_pgp *pgp, const char *uid, uint32_t expires_s,
    struct secret **out, struct err_why *why)
{
	struct pgp_side *side = &pgp->sign;
	unsigned flags = GPGME_CREATE_NOPASSWD | GPGME_CREATE_FORCE;
	gpgme_genkey_result_t made;
	gpgme_error_t err;
	char fpr[2 * 20 + 1];
	enum err e;

	if (expires_s == 0)
		flags |= GPGME_CREATE_NOEXPIRE;
	crypto_pgp_run_clear(&side->run);
	/* Ed25519 with a Cv25519 subkey in GnuPG 2.2 and later */
	err = gpgme_op_createkey_start(
	    side->ctx, uid, "future-default", 0, expires_s, NULL, flags);
	e = crypto_pgp_run(side, err, pgp->timeout_ms, &err, why);
	if (e != ERR_OK)
		return e;
	made = gpgme_op_genkey_result(side->ctx);
	if (err != 0 || made == NULL || made->fpr == NULL ||
	    strlen(made->fpr) != sizeof(fpr) - 1)
		return err_why(why,
		    gpgme_err_code(err) == GPG_ERR_INV_USER_ID ? ERR_MALFORMED
							       : ERR_ENGINE,
		    "gpg made no key: %s", gpgme_strerror(err));
	memcpy(fpr, made->fpr, sizeof(fpr));
	return crypto_pgp_export_secret(pgp, fpr, out, why);
}

enum err
crypto_pgp_generate(struct crypto_pgp *pgp, const char *uid, uint32_t expires_s,
    struct crypto_pgp_secrets *out, struct err_why *why)
{
	struct crypto_pgp_secrets found = {0};
	struct secret *octets = NULL;
	enum err e;

	for (const char *c = uid; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return err_why(why, ERR_MALFORMED,
			    "control characters are no name");
	crypto_pgp_forget_secrets(pgp);
	e = create(pgp, uid, expires_s, &octets, why);
	if (e == ERR_OK)
		e = crypto_pgp_take_secrets(
		    pgp, secret_span(octets), NULL, &found, why);
	else
		crypto_pgp_forget_secrets(pgp);
	if (e == ERR_OK && (found.n != 1 || found.certs.n != 1 ||
			       found.keys[0].sign_err != ERR_OK))
		e = err_why(
		    why, ERR_ENGINE, "gpg made a key that does not sign");
	if (e == ERR_OK) {
		*out = found;
		found = (struct crypto_pgp_secrets){0};
	}
	crypto_pgp_secrets_clear(&found);
	secret_free(octets);
	return e;
}

/* --- handing out --- */

/* The agent asks gpg, gpg asks GPGME, GPGME this. */
static gpgme_error_t
tell_passphrase(
    void *ctx, const char *hint, const char *info, int was_bad, int fd)
{
	const struct secret *passphrase = ctx;

	(void)hint;
	(void)info;
	if (was_bad)
		return gpgme_error(GPG_ERR_CANCELED);
	if (gpgme_io_writen(fd, passphrase->data, passphrase->len) != 0 ||
	    gpgme_io_writen(fd, "\n", 1) != 0)
		return gpgme_error_from_errno(errno);
	return 0;
}

static enum err
lock_all(struct crypto_pgp *pgp, const gpgme_key_t key,
    const struct secret *passphrase, struct err_why *why)
{
	enum err e = ERR_OK;

	for (gpgme_subkey_t sub = key->subkeys; sub != NULL && e == ERR_OK;
	     sub = sub->next)
		if (sub->secret && sub->keygrip != NULL)
			e = crypto_pgp_agent_lock(
			    pgp, sub->keygrip, passphrase, why);
	return e;
}

static enum err
export_locked(struct crypto_pgp *pgp, const char *fpr,
    const struct secret *passphrase, struct secret **out, struct err_why *why)
{
	gpgme_ctx_t ctx = pgp->sign.ctx;
	/* GPGME does not write to it */
	void *arg = (void *)(uintptr_t)passphrase;
	enum err e;

	gpgme_set_passphrase_cb(ctx, tell_passphrase, arg);
	gpgme_set_pinentry_mode(ctx, GPGME_PINENTRY_MODE_LOOPBACK);
	e = crypto_pgp_export_secret(pgp, fpr, out, why);
	gpgme_set_pinentry_mode(ctx, GPGME_PINENTRY_MODE_DEFAULT);
	gpgme_set_passphrase_cb(ctx, NULL, NULL);
	return e;
}

enum err
crypto_pgp_secret_armor(struct crypto_pgp *pgp,
    const struct crypto_pgp_signer *key, const struct secret *passphrase,
    struct buf *out, struct err_why *why)
{
	struct crypto_pgp_secrets check = {0};
	struct pgp_secret in_home = {0};
	struct secret *locked = NULL;
	char fpr[2 * 20 + 1];
	enum err e;

	if (passphrase->len == 0 || key->fpr.len != 20)
		return err_why(why,
		    passphrase->len == 0 ? ERR_PASSPHRASE : ERR_UNSUPPORTED,
		    "a passphrase and a key of version 4 are needed");
	text_hex(key->fpr, fpr);
	crypto_pgp_forget_secrets(pgp);
	e = crypto_pgp_ring_import(
	    &pgp->sign, pgp->timeout_ms, key->secret, why);
	/* one that no longer signs has old mail to open: it is handed out */
	if (e == ERR_OK &&
	    crypto_pgp_ring_judge(pgp, fpr, &in_home, why) != ERR_OK &&
	    in_home.key == NULL)
		e = ERR_NO_KEY;
	if (e == ERR_OK)
		e = lock_all(pgp, in_home.key, passphrase, why);
	if (e == ERR_OK)
		e = export_locked(pgp, fpr, passphrase, &locked, why);
	crypto_pgp_forget_secrets(pgp);
	if (in_home.key != NULL)
		gpgme_key_unref(in_home.key);
	/* nothing leaves that opens without it */
	if (e == ERR_OK && crypto_pgp_take_secrets(pgp, secret_span(locked),
			       NULL, &check, why) != ERR_PASSPHRASE)
		e = err_why(why, ERR_ENGINE, "gpg did not lock the key");
	if (e == ERR_OK)
		e = crypto_pgp_armor(
		    "PRIVATE KEY BLOCK", secret_span(locked), out);
	crypto_pgp_secrets_clear(&check);
	secret_free(locked);
	return e;
}
