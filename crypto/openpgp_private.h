/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of crypto/openpgp*.c share: the handle, one run of gpg under
 * a deadline, the files of the home.
 */
#ifndef CRYPTO_OPENPGP_PRIVATE_H
#define CRYPTO_OPENPGP_PRIVATE_H

#include <gpgme.h>

#include "crypto/openpgp.h"

#define PGP_FDS_MAX                                                            \
	16 /* descriptors GPGME waits for in one run; it needs six */

struct pgp_fd {
	int fd;
	bool used, for_reading;
	gpgme_io_cb_t call;
	void *arg;
};

/* GPGME's descriptors, waited for here: its own wait has no time limit. */
struct pgp_run {
	struct pgp_fd fds[PGP_FDS_MAX];
	bool started, done;
	gpgme_error_t err;
	gpgme_key_t *keys; /* what a listing found, referenced */
	size_t n_keys, max_keys;
	bool failed; /* a key did not fit */
};

/* One GPGME context, bound to one home. */
struct pgp_side {
	char home[CRYPTO_PGP_HOME_MAX + 8];
	int dir; /* descriptor of home */
	gpgme_ctx_t ctx;
	struct pgp_run run;
};

struct crypto_pgp {
	struct pgp_side seal;  /* no keyring: keys come as files */
	struct pgp_side admit; /* a keyring that lasts for one inspection */
	unsigned timeout_ms;
};

/* Make the context of a side, whose home and dir are set. */
enum err crypto_pgp_run_init(
    struct pgp_side *side, const char *gpg, struct err_why *why) MUST_CHECK;
/* Forget the last run and its keys; call it before gpgme_op_*_start(). */
void crypto_pgp_run_clear(struct pgp_run *run);
/* Drive the operation that a gpgme_op_*_start() call began; started is what
   that returned. ERR_OK also when gpg ended with an error: that is *out.
   ERR_TIMEOUT, ERR_ENGINE. */
enum err crypto_pgp_run(struct pgp_side *side, gpgme_error_t started,
    unsigned timeout_ms, gpgme_error_t *out, struct err_why *why) MUST_CHECK;
/* "what: text of err", as an ERR_ENGINE (ERR_NOMEM if it is that). */
enum err crypto_pgp_engine_why(
    struct err_why *why, gpgme_error_t err, const char *what);

/* Write a file of a home, 0600; an existing one is replaced. */
enum err crypto_pgp_file_write(const struct pgp_side *side, const char *name,
    struct span octets, struct err_why *why) MUST_CHECK;
/* Remove every file of a home but its configuration. */
enum err crypto_pgp_home_sweep(
    const struct pgp_side *side, struct err_why *why) MUST_CHECK;

#endif
