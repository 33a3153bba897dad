/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The engines of gateway/variant.h as a worker has them: gpg is the pgp
 * process's, private keys are the keys process's.
 */
#include "gateway/worker/worker_private.h"

static enum err
pgp_seal(void *arg, const struct span *certs, size_t n, int fd,
    struct memfd_map *out, struct err_why *why)
{
	struct job *j = arg;

	return peers_pgp_seal(j->w, certs, (uint32_t)n, fd, out, why);
}

static enum err
pgp_seal_sign(void *arg, struct span fpr, const struct span *certs, size_t n,
    int fd, struct memfd_map *out, struct err_why *why)
{
	const struct proto_pgp_sign m = {.fpr = fpr,
	    .cert = (struct span *)(uintptr_t)certs,
	    .n_certs = (uint32_t)n};

	return peers_pgp_seal_sign(arg, &m, fd, out, why);
}

static enum err
pgp_sign(void *arg, struct span fpr, int fd, struct memfd_map *out,
    char micalg[CRYPTO_PGP_MICALG], struct err_why *why)
{
	const struct proto_pgp_sign m = {.fpr = fpr};

	return peers_pgp_sign(arg, &m, fd, out, micalg, why);
}

static enum err
cms_sign(void *arg, struct span fpr, enum crypto_sign_alg alg, struct span in,
    struct buf *out)
{
	const struct proto_sign m = {.fpr = fpr, .alg = (uint8_t)alg, .in = in};

	return peers_sign(arg, &m, out);
}

struct variant_engines
job_engines(struct job *j)
{
	return (struct variant_engines){.certs = j->w->certs,
	    .pgp = {pgp_seal, pgp_seal_sign, pgp_sign, j},
	    .cms = {cms_sign, j}};
}
