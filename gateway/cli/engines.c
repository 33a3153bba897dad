/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What is handed to gpg and what comes back are memfds, as in the gateway. A
 * private key is unsealed for the one operation and wiped.
 */
#include "gateway/cli/engines.h"

#include <unistd.h>

#include "common/limits.h"
#include "common/memfd.h"
#include "common/secret.h"
#include "crypto/private_key.h"

/* --- OpenPGP --- */

/* One call of gpg. */
struct call {
	const struct span *certs;
	size_t n;
	const struct crypto_pgp_signer *signer; /* NULL: seals only */
	char *micalg;				/* NULL: it seals */
};

static enum err
call_gpg(struct crypto_pgp *pgp, const struct call *c, struct span in, int out,
    struct err_why *why)
{
	if (c->micalg != NULL)
		return crypto_pgp_sign(pgp, c->signer, in, out, c->micalg, why);
	if (c->signer != NULL)
		return crypto_pgp_seal_sign(
		    pgp, c->certs, c->n, c->signer, in, out, why);
	return crypto_pgp_seal(pgp, c->certs, c->n, in, out, why);
}

static enum err
run(struct cli_engines *g, const struct call *c, int fd, struct memfd_map *out,
    struct err_why *why)
{
	struct memfd_map in = {0};
	int made = -1;
	enum err e =
	    g->gpg.engine != NULL ? ERR_OK : cli_gpg_open(&g->gpg, why);

	if (e == ERR_OK)
		e = memfd_map(fd, LIMIT_IPC_PAYLOAD, &in);
	if (e == ERR_OK)
		e = memfd_new(&made);
	if (e == ERR_OK)
		e = call_gpg(g->gpg.engine, c, in.data, made, why);
	if (e == ERR_OK)
		e = memfd_seal(made);
	if (e == ERR_OK)
		e = memfd_map(made, LIMIT_IPC_PAYLOAD, out);
	if (made >= 0)
		close(made);
	memfd_unmap(&in);
	return e;
}

static enum err
unseal(struct cli_engines *g, struct span fpr, struct secret **out,
    struct err_why *why)
{
	struct ks_private *row;

	return cli_unseal_key(
	    &g->unseal, g->keys, fpr, g->arena, &row, out, why);
}

static enum err
seal(void *arg, const struct span *certs, size_t n, int fd,
    struct memfd_map *out, struct err_why *why)
{
	const struct call c = {.certs = certs, .n = n};

	return run(arg, &c, fd, out, why);
}

static enum err
with_secret(struct cli_engines *g, struct call c, struct span fpr, int fd,
    struct memfd_map *out, struct err_why *why)
{
	struct crypto_pgp_signer signer = {.fpr = fpr};
	struct secret *key = NULL;
	enum err e = unseal(g, fpr, &key, why);

	if (e == ERR_OK) {
		signer.secret = secret_span(key);
		c.signer = &signer;
		e = run(g, &c, fd, out, why);
	}
	secret_free(key);
	return e;
}

static enum err
seal_sign(void *arg, struct span fpr, const struct span *certs, size_t n,
    int fd, struct memfd_map *out, struct err_why *why)
{
	const struct call c = {.certs = certs, .n = n};

	return with_secret(arg, c, fpr, fd, out, why);
}

static enum err
sign(void *arg, struct span fpr, int fd, struct memfd_map *out,
    char micalg[CRYPTO_PGP_MICALG], struct err_why *why)
{
	const struct call c = {.micalg = micalg};

	return with_secret(arg, c, fpr, fd, out, why);
}

/* --- S/MIME --- */

static enum err
cms_sign(void *arg, struct span fpr, enum crypto_sign_alg alg, struct span in,
    struct buf *out)
{
	struct crypto_private *key = NULL;
	struct secret *octets = NULL;
	struct err_why why;
	enum err e = crypto_private_init();

	if (e == ERR_OK)
		e = unseal(arg, fpr, &octets, &why);
	if (e == ERR_OK)
		e = crypto_private_parse(secret_span(octets), &key);
	if (e == ERR_OK)
		e = crypto_private_sign(key, alg, in, out);
	crypto_private_free(key);
	secret_free(octets);
	return e;
}

/* --- */

struct variant_engines
cli_engines_of(struct cli_engines *e)
{
	return (struct variant_engines){.certs = e->certs,
	    .pgp = {seal, seal_sign, sign, e},
	    .cms = {cms_sign, e}};
}

void
cli_engines_close(struct cli_engines *e)
{
	cli_gpg_close(&e->gpg);
	cli_unseal_close(&e->unseal);
}
