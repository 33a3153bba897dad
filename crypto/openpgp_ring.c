/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The secret keys that stay in the home of the signing side: put in when a
 * request brings one, judged, and removed when others need their place. Three
 * runs of gpg for a key that was not there.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/digest.h"
#include "common/limits.h"
#include "common/text.h"
#include "crypto/openpgp_private.h"

static void
drop(struct pgp_secret *secret)
{
	if (secret->key != NULL)
		gpgme_key_unref(secret->key);
	*secret = (struct pgp_secret){0};
}

void
crypto_pgp_forget_secrets(struct crypto_pgp *pgp)
{
	struct err_why why;

	for (size_t i = 0; i < CRYPTO_PGP_SECRETS; i++)
		drop(&pgp->secrets[i]);
	/* a process that cannot rid itself of keys must not go on */
	if (pgp->sign.dir >= 0 &&
	    crypto_pgp_home_forget(&pgp->sign, true, &why) != ERR_OK)
		fatal("secret keys stay in the home of GnuPG: %s", why.text);
}

static struct pgp_secret *
find(struct crypto_pgp *pgp, struct span fpr)
{
	for (size_t i = 0; i < CRYPTO_PGP_SECRETS; i++)
		if (pgp->secrets[i].key != NULL &&
		    span_eq(SPAN(pgp->secrets[i].fpr, 20), fpr))
			return &pgp->secrets[i];
	return NULL;
}

/* Take one key out of the home, or all if gpg does not want to. */
static enum err
evict(struct crypto_pgp *pgp, struct pgp_secret *secret, struct err_why *why)
{
	struct pgp_side *side = &pgp->sign;
	gpgme_error_t err;
	enum err e;

	crypto_pgp_run_clear(&side->run);
	err = gpgme_op_delete_ext_start(side->ctx, secret->key,
	    GPGME_DELETE_ALLOW_SECRET | GPGME_DELETE_FORCE);
	e = crypto_pgp_run(side, err, pgp->timeout_ms, &err, why);
	if (e == ERR_TIMEOUT)
		return e;
	if (e == ERR_OK && err == 0)
		drop(secret);
	else
		crypto_pgp_forget_secrets(pgp);
	return ERR_OK;
}

/* An empty place. */
static enum err
make_room(struct crypto_pgp *pgp, struct pgp_secret **out, struct err_why *why)
{
	struct pgp_secret *oldest = &pgp->secrets[0];
	enum err e = ERR_OK;

	for (size_t i = 0; i < CRYPTO_PGP_SECRETS; i++) {
		if (pgp->secrets[i].key == NULL) {
			*out = &pgp->secrets[i];
			return ERR_OK;
		}
		if (pgp->secrets[i].used < oldest->used)
			oldest = &pgp->secrets[i];
	}
	e = evict(pgp, oldest, why);
	if (e == ERR_OK)
		*out = oldest;
	return e;
}

/* Exactly the key that was asked for. */
static enum err
check_import(struct crypto_pgp *pgp, const char *fpr, struct err_why *why)
{
	gpgme_import_result_t result = gpgme_op_import_result(pgp->sign.ctx);

	if (result == NULL || result->imports == NULL)
		return err_why(why, ERR_MALFORMED, "gpg finds no key in it");
	for (gpgme_import_status_t s = result->imports; s != NULL; s = s->next)
		if (s->fpr == NULL || strcmp(s->fpr, fpr) != 0)
			return err_why(why, ERR_NO_KEY,
			    "the secret key is another one: %s",
			    s->fpr == NULL ? "?" : s->fpr);
	if (result->secret_read == 0)
		return err_why(
		    why, ERR_NO_KEY, "there is no secret part in the key");
	return ERR_OK;
}

/* It comes last, whatever gpg took or refused. */
static gpgme_error_t
note_result(void *arg, const char *keyword, const char *args)
{
	bool *ended = arg;

	(void)args;
	*ended = *ended || strcmp(keyword, "IMPORT_RES") == 0;
	return 0;
}

enum err
crypto_pgp_ring_import(struct pgp_side *side, unsigned timeout_ms,
    struct span octets, struct err_why *why)
{
	gpgme_data_t data = NULL;
	gpgme_error_t err;
	bool ended = false;
	enum err e;

	crypto_pgp_run_clear(&side->run);
	gpgme_set_status_cb(side->ctx, note_result, &ended);
	err = gpgme_data_new_from_mem(
	    &data, (const char *)octets.data, octets.len, 0);
	if (err == 0)
		err = gpgme_set_ctx_flag(side->ctx, "full-status", "1");
	if (err == 0)
		err = gpgme_op_import_start(side->ctx, data);
	e = crypto_pgp_run(side, err, timeout_ms, &err, why);
	gpgme_set_status_cb(side->ctx, NULL, NULL);
	/* what gpg did not take shows in its result; without one it says
	   nothing of the key */
	if (e == ERR_OK && !ended)
		e = crypto_pgp_engine_why(why,
		    err != 0 ? err : gpgme_error(GPG_ERR_GENERAL),
		    "gpg could not import");
	gpgme_data_release(data);
	return e;
}

/* Why a subkey does not sign; ERR_OK if it does. */
static enum err
judge_subkey(const gpgme_subkey_t sub, struct err_why *why)
{
	if (sub->expired)
		return err_why(
		    why, ERR_KEY_EXPIRED, "its signing key has expired");
	if (sub->revoked)
		return err_why(
		    why, ERR_KEY_REVOKED, "its signing key is revoked");
	if (sub->invalid || sub->disabled)
		return err_why(why, ERR_KEY_UNUSABLE,
		    "its signing key is not validly bound");
	if (crypto_pgp_is_too_short(sub))
		return err_why(why, ERR_KEY_UNUSABLE,
		    "its signing key is shorter than 2048 bits");
	if (!sub->secret || sub->is_cardkey)
		return err_why(why, ERR_NO_KEY,
		    "the secret part of its signing key is not there");
	return ERR_OK;
}

/* The newest subkey that signs, which is the one that gpg takes. */
static enum err
choose_subkey(const gpgme_key_t key, gpgme_subkey_t *out, struct err_why *why)
{
	gpgme_subkey_t best = NULL;
	enum err e = err_why(why, ERR_KEY_UNUSABLE, "it has no signing key");

	if (key->revoked)
		return err_why(why, ERR_KEY_REVOKED, "the key is revoked");
	if (key->expired)
		return err_why(why, ERR_KEY_EXPIRED, "the key has expired");
	if (key->invalid || key->disabled)
		return err_why(why, ERR_KEY_UNUSABLE,
		    "no user ID with a valid self-signature");
	for (gpgme_subkey_t sub = key->subkeys; sub != NULL; sub = sub->next) {
		enum err own;

		if (!sub->can_sign)
			continue;
		own = judge_subkey(sub, why);
		if (own != ERR_OK)
			e = own;
		else if (best == NULL || sub->timestamp > best->timestamp)
			best = sub;
	}
	if (best == NULL)
		return e;
	*out = best;
	return ERR_OK;
}

enum err
crypto_pgp_ring_judge(struct crypto_pgp *pgp, const char *fpr,
    struct pgp_secret *out, struct err_why *why)
{
	struct pgp_side *side = &pgp->sign;
	gpgme_subkey_t sub = NULL;
	gpgme_error_t err;
	enum err e;

	crypto_pgp_run_clear(&side->run);
	err = gpgme_op_keylist_start(side->ctx, fpr, 0);
	e = crypto_pgp_run(side, err, pgp->timeout_ms, &err, why);
	if (e != ERR_OK)
		return e;
	if (err != 0 || side->run.n_keys != 1)
		return err_why(why, ERR_NO_KEY,
		    "gpg does not take the secret key %s", fpr);
	gpgme_key_ref(side->run.keys[0]);
	out->key = side->run.keys[0];
	e = choose_subkey(out->key, &sub, why);
	if (e != ERR_OK || sub->fpr == NULL || strlen(sub->fpr) != 40)
		return e != ERR_OK
			   ? e
			   : err_why(why, ERR_ENGINE, "an unreadable listing");
	memcpy(out->sub, sub->fpr, sizeof(out->sub));
	crypto_pgp_alg_name(sub, out->sub_alg);
	out->until =
	    crypto_pgp_earlier(sub->expires, out->key->subkeys->expires);
	return ERR_OK;
}

static void
name_of(const uint8_t fpr[20], char out[2 * 20 + 1])
{
	for (size_t i = 0; i < 20; i++)
		snprintf(out + 2 * i, 3, "%02X", fpr[i]);
}

void
crypto_pgp_secret_name(const struct pgp_secret *secret, char out[2 * 20 + 1])
{
	name_of(secret->fpr, out);
}

static enum err
put_in(struct crypto_pgp *pgp, const struct crypto_pgp_signer *signer,
    struct pgp_secret **out, struct err_why *why)
{
	struct pgp_secret *place;
	struct pgp_secret secret = {0};
	char hex[2 * 20 + 1];
	enum err e = make_room(pgp, &place, why);

	if (e != ERR_OK)
		return e;
	name_of(signer->fpr.data, hex);
	e = crypto_pgp_ring_import(
	    &pgp->sign, pgp->timeout_ms, signer->secret, why);
	if (e == ERR_OK)
		e = check_import(pgp, hex, why);
	if (e == ERR_OK)
		e = crypto_pgp_ring_judge(pgp, hex, &secret, why);
	crypto_pgp_run_clear(&pgp->sign.run);
	if (e != ERR_OK) {
		drop(&secret);
		/* whatever came in is gone again */
		if (e != ERR_TIMEOUT)
			crypto_pgp_forget_secrets(pgp);
		return e;
	}
	memcpy(secret.fpr, signer->fpr.data, sizeof(secret.fpr));
	digest_sha256(&signer->secret, 1, secret.digest);
	*place = secret;
	*out = place;
	return ERR_OK;
}

enum err
crypto_pgp_secret_use(struct crypto_pgp *pgp,
    const struct crypto_pgp_signer *signer, struct pgp_secret **out,
    struct err_why *why)
{
	struct pgp_secret *secret;
	uint8_t digest[32];
	enum err e = ERR_OK;

	if (signer->fpr.len != 20)
		return err_why(
		    why, ERR_UNSUPPORTED, "only keys of version 4 can sign");
	if (signer->secret.len == 0)
		return err_why(why, ERR_NO_KEY, "no secret key came");
	if (signer->secret.len > LIMIT_KEY_SIZE)
		return err_why(why, ERR_TOO_BIG, "a key of more than %u octets",
		    LIMIT_KEY_SIZE);
	secret = find(pgp, signer->fpr);
	digest_sha256(&signer->secret, 1, digest);
	if (secret != NULL &&
	    (memcmp(secret->digest, digest, sizeof(digest)) != 0 ||
		(secret->until != 0 && secret->until <= time(NULL)))) {
		e = evict(pgp, secret, why);
		secret = NULL;
	}
	if (e == ERR_OK && secret == NULL)
		e = put_in(pgp, signer, &secret, why);
	if (e != ERR_OK)
		return e;
	secret->used = ++pgp->secrets_used;
	*out = secret;
	return ERR_OK;
}
