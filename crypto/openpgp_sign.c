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
#include "common/text.h"
#include "crypto/openpgp_kind.h"
#include "crypto/openpgp_private.h"

/* RFC 3156 §5: "pgp-" and the name of the hash. Only those that every reader
   has and nobody can forge. */
static const struct {
	uint64_t algo; /* RFC 9580 §9.5 */
	const char *micalg;
} hashes[] = {
    {8, "pgp-sha256"},
    {9, "pgp-sha384"},
    {10, "pgp-sha512"},
};

static const char *
micalg_of(uint64_t algo)
{
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
		if (hashes[i].algo == algo)
			return hashes[i].micalg;
	return NULL;
}

void
crypto_pgp_created_take(struct pgp_created *c, const char *args)
{
	struct span type = crypto_pgp_status_word(args, 0);
	struct span fpr = crypto_pgp_status_word(args, 5);

	c->n++;
	if (type.len != 1 || fpr.len != sizeof(c->fpr) - 1 ||
	    text_number(crypto_pgp_status_word(args, 2), 0, 255, &c->hash) !=
		ERR_OK ||
	    text_number(crypto_pgp_status_word(args, 3), 0, 255, &c->class) !=
		ERR_OK)
		return;
	c->type = (char)type.data[0];
	memcpy(c->fpr, fpr.data, fpr.len);
}

/* One signature, of the kind and by the subkey that was meant? */
static enum err
check_created(const struct pgp_created *c, const struct pgp_secret *secret,
    char type, const char **micalg_out, struct err_why *why)
{
	/* class 0: of a binary text */
	if (c->n != 1 || c->type != type || c->class != 0)
		return err_why(why, ERR_ENGINE, "gpg did not sign");
	if (strcmp(c->fpr, secret->sub) != 0)
		return err_why(why, ERR_ENGINE, "gpg signed with another key");
	*micalg_out = micalg_of(c->hash);
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

struct signed_report {
	struct pgp_created created;
	gpgme_error_t error; /* 0: it names none */
};

static void
take_status(void *arg, const char *keyword, const char *args)
{
	struct signed_report *r = arg;

	if (strcmp(keyword, "SIG_CREATED") == 0)
		crypto_pgp_created_take(&r->created, args);
	else if (strcmp(keyword, "FAILURE") == 0)
		r->error = crypto_pgp_status_error(args);
}

static enum err
run_sign(struct crypto_pgp *pgp, const struct pgp_secret *secret,
    struct span in, struct pgp_output *out, struct pgp_created *created,
    struct err_why *why)
{
	struct signed_report report = {.error = 0};
	struct pgp_job job = {
	    .in = in, .out = out, .status = take_status, .arg = &report};
	struct pgp_args args;
	char name[2 * 20 + 1];
	struct pgp_end end = {.status = -1};
	enum err e = crypto_pgp_args_begin(&args, &pgp->sign, 4);

	if (e != ERR_OK)
		return err_why(why, e, "%s", err_text(e));
	crypto_pgp_secret_name(secret, name);
	crypto_pgp_args_add(&args, "--armor");
	crypto_pgp_args_add(&args, "--detach-sign");
	crypto_pgp_args_add(&args, "--local-user");
	crypto_pgp_args_add(&args, name);
	job.argv = args.argv;
	e = crypto_pgp_spawn(&pgp->sign, &job, pgp->timeout_ms, &end, why);
	crypto_pgp_args_clear(&args);
	if (e == ERR_OK && out->e != ERR_OK)
		e = err_why(why, out->e, "%s", err_text(out->e));
	else if (e == ERR_OK && end.status != 0)
		e = crypto_pgp_engine_why(why,
		    report.error != 0 ? report.error
				      : gpgme_error(GPG_ERR_GENERAL),
		    "gpg could not sign");
	*created = report.created;
	return e;
}

/* A key that failed is not kept: the next request brings it anew. */
static enum err
done(struct crypto_pgp *pgp, struct pgp_output *out, enum err e)
{
	if (e != ERR_OK && e != ERR_TIMEOUT)
		crypto_pgp_forget_secrets(pgp);
	return crypto_pgp_output_end(out, e);
}

enum err
crypto_pgp_sign(struct crypto_pgp *pgp, const struct crypto_pgp_signer *signer,
    struct span in, int out, char micalg[CRYPTO_PGP_MICALG],
    struct err_why *why)
{
	struct pgp_created created = {0};
	struct pgp_output output;
	struct pgp_secret *secret;
	const char *hash = NULL;
	/* a signature is small whatever it signs */
	enum err e = crypto_pgp_output_begin(&output, out, 0, 0, why);

	if (e != ERR_OK)
		return e;
	e = crypto_pgp_secret_use(pgp, signer, &secret, why);
	if (e == ERR_OK)
		e = run_sign(pgp, secret, in, &output, &created, why);
	if (e == ERR_OK)
		e = check_created(&created, secret, 'D', &hash, why);
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
	struct pgp_created created = {0};
	struct pgp_output output;
	struct pgp_secret *secret;
	const char *hash;
	enum err e = crypto_pgp_output_begin(&output, out, in.len, n, why);

	if (e != ERR_OK)
		return e;
	e = crypto_pgp_secret_use(pgp, signer, &secret, why);
	if (e == ERR_OK)
		e = crypto_pgp_seal_with(
		    pgp, certs, n, secret, in, &output, &created, why);
	if (e == ERR_OK)
		e = check_created(&created, secret, 'S', &hash, why);
	return done(pgp, &output, e);
}
