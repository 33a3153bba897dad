/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Signatures. gpg chooses the subkey; which one that must be was worked out
 * when the key came, and a signature by another one is thrown away. The keys
 * themselves are openpgp_ring.c's.
 */
#include "crypto/openpgp_sign.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "common/limits.h"
#include "crypto/openpgp_kind.h"
#include "crypto/openpgp_private.h"

/* RFC 3156 §5: "pgp-" and the name of the hash. Only those that every reader
   has and nobody can forge. */
static const struct {
	gpgme_hash_algo_t algo;
	const char *micalg;
} hashes[] = {
    {GPGME_MD_SHA256, "pgp-sha256"},
    {GPGME_MD_SHA384, "pgp-sha384"},
    {GPGME_MD_SHA512, "pgp-sha512"},
};

static const char *
micalg_of(gpgme_hash_algo_t algo)
{
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
		if (hashes[i].algo == algo)
			return hashes[i].micalg;
	return NULL;
}

/* One signature, of the kind and by the subkey that was meant? */
static enum err
check_result(struct crypto_pgp *pgp, const struct pgp_secret *secret,
    gpgme_sig_mode_t type, const char **micalg_out, struct err_why *why)
{
	gpgme_sign_result_t result = gpgme_op_sign_result(pgp->sign.ctx);
	gpgme_new_signature_t sig = result == NULL ? NULL : result->signatures;

	if (sig == NULL || sig->next != NULL ||
	    result->invalid_signers != NULL || sig->type != type ||
	    sig->sig_class != 0)
		return err_why(why, ERR_ENGINE, "gpg did not sign");
	if (sig->fpr == NULL || strcmp(sig->fpr, secret->sub) != 0)
		return err_why(why, ERR_ENGINE, "gpg signed with another key");
	*micalg_out = micalg_of(sig->hash_algo);
	if (*micalg_out == NULL)
		return err_why(why, ERR_ENGINE, "gpg signed with a weak hash");
	return ERR_OK;
}

/* Is what was written one armored signature? It is small. */
static enum err
check_signature(const struct pgp_output *out, struct err_why *why)
{
	struct crypto_pgp_structure s;
	struct buf b;
	enum err e =
	    crypto_pgp_output_is(out, "-----BEGIN PGP SIGNATURE-----\n",
		"\n-----END PGP SIGNATURE-----\n");

	buf_init(&b, LIMIT_KEY_SIZE);
	if (e == ERR_OK)
		e = crypto_pgp_output_read(out, 0, LIMIT_KEY_SIZE, &b);
	if (e == ERR_OK) {
		crypto_pgp_structure(buf_span(&b), &s);
		if (s.kind != CRYPTO_PGP_KIND_SIGNATURE)
			e = ERR_ENGINE;
	}
	buf_clear(&b);
	if (e != ERR_OK)
		return err_why(
		    why, ERR_ENGINE, "gpg ended without a whole signature");
	return ERR_OK;
}

static enum err
choose_signer(struct crypto_pgp *pgp, const struct crypto_pgp_signer *signer,
    struct pgp_secret **out, struct err_why *why)
{
	gpgme_error_t err;
	enum err e = crypto_pgp_secret_use(pgp, signer, out, why);

	if (e != ERR_OK)
		return e;
	gpgme_signers_clear(pgp->sign.ctx);
	err = gpgme_signers_add(pgp->sign.ctx, (*out)->key);
	return err == 0 ? ERR_OK : crypto_pgp_engine_why(why, err, "no signer");
}

static enum err
run_sign(struct crypto_pgp *pgp, struct span in, struct pgp_output *out,
    struct err_why *why)
{
	struct pgp_side *side = &pgp->sign;
	gpgme_data_t from = NULL, to = NULL;
	gpgme_error_t err;
	enum err e = crypto_pgp_data(in, out, &from, &to, why);

	if (e != ERR_OK)
		return e;
	crypto_pgp_run_clear(&side->run);
	err = gpgme_op_sign_start(side->ctx, from, to, GPGME_SIG_MODE_DETACH);
	e = crypto_pgp_run(side, err, pgp->timeout_ms, &err, why);
	if (e == ERR_OK && out->e != ERR_OK)
		e = err_why(why, out->e, "%s", err_text(out->e));
	else if (e == ERR_OK && err != 0)
		e = crypto_pgp_engine_why(why, err, "gpg could not sign");
	gpgme_data_release(from);
	gpgme_data_release(to);
	return e;
}

/* A key that failed is not kept: the next request brings it anew. */
static enum err
done(struct crypto_pgp *pgp, struct pgp_output *out, enum err e)
{
	gpgme_signers_clear(pgp->sign.ctx);
	if (e != ERR_OK && e != ERR_TIMEOUT)
		crypto_pgp_forget_secrets(pgp);
	return crypto_pgp_output_end(out, e);
}

enum err
crypto_pgp_sign(struct crypto_pgp *pgp, const struct crypto_pgp_signer *signer,
    struct span in, int out, char micalg[CRYPTO_PGP_MICALG],
    struct err_why *why)
{
	struct pgp_output output;
	struct pgp_secret *secret;
	const char *hash = NULL;
	/* a signature is small whatever it signs */
	enum err e = crypto_pgp_output_begin(&output, out, 0, 0, why);

	if (e != ERR_OK)
		return e;
	e = choose_signer(pgp, signer, &secret, why);
	if (e == ERR_OK)
		e = run_sign(pgp, in, &output, why);
	if (e == ERR_OK)
		e = check_result(
		    pgp, secret, GPGME_SIG_MODE_DETACH, &hash, why);
	if (e == ERR_OK)
		e = check_signature(&output, why);
	e = done(pgp, &output, e);
	if (e == ERR_OK)
		snprintf(micalg, CRYPTO_PGP_MICALG, "%s", hash);
	return e;
}

enum err
crypto_pgp_seal_sign(struct crypto_pgp *pgp, const struct span *certs, size_t n,
    const struct crypto_pgp_signer *signer, struct span in, int out,
    struct err_why *why)
{
	struct pgp_output output;
	struct pgp_secret *secret;
	const char *hash;
	enum err e = crypto_pgp_output_begin(&output, out, in.len, n, why);

	if (e != ERR_OK)
		return e;
	e = choose_signer(pgp, signer, &secret, why);
	if (e == ERR_OK)
		e = crypto_pgp_seal_with(
		    pgp, &pgp->sign, certs, n, in, &output, why);
	if (e == ERR_OK)
		e = check_result(
		    pgp, secret, GPGME_SIG_MODE_NORMAL, &hash, why);
	return done(pgp, &output, e);
}
