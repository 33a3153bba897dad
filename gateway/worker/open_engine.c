/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What an opener opens with: private keys in the keys process, gpg in its own
 * pgp process.
 */
#include "gateway/worker/open_private.h"

static enum err
decrypt(void *ctx, struct span fpr, const struct crypto_decrypt *what,
    struct secret **out)
{
	return peers_decrypt(ctx, fpr, what, out);
}

static enum err
pgp_open(void *arg, const struct open_pgp_ask *ask, int fd,
    struct memfd_map *out, struct crypto_pgp_opened *result,
    struct err_why *why)
{
	return peers_pgp_open(arg, ask, fd, out, result, why);
}

static enum err
pgp_verify(void *arg, struct span signatures, int fd, const struct span *certs,
    size_t n_certs, struct crypto_pgp_sigs *out, struct err_why *why)
{
	return peers_pgp_verify(arg, signatures, fd, certs, n_certs, out, why);
}

enum err
open_tools_init(struct open_engine_both *t, struct job *j,
    const char *const *addrs, size_t n)
{
	*t = (struct open_engine_both){
	    .smime = {.store = j->w->keys,
		.certs = j->w->certs,
		.arena = j->arena,
		.judge = j->w->judge,
		.decrypt = decrypt,
		.ctx = j,
		.now_s = (int64_t)(j->envelope.accepted_ms / 1000),
		.legacy = j->conf->opening.weak_ciphers,
		.max = j->conf->limits.message_size},
	    .pgp = {pgp_open, pgp_verify, j}};
	return n == 0 ? ERR_OK : open_engine_add_keys(t, addrs, n);
}
