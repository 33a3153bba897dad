/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of the opener share.
 */
#ifndef GATEWAY_WORKER_OPEN_PRIVATE_H
#define GATEWAY_WORKER_OPEN_PRIVATE_H

#include "gateway/open.h"
#include "gateway/open_engine.h"
#include "gateway/worker/worker_private.h"

/* --- open_engine.c: with what --- */

/* What there is to open a message of these recipients with (n may be 0: only
   signatures are looked at). open_engine_clear() it whatever is returned. */
enum err open_tools_init(struct open_engine_both *t, struct job *j,
    const char *const *addrs, size_t n) MUST_CHECK;

/* --- open_peers.c: what the tools ask other processes --- */

/* As struct open_pgp_engine says. */
enum err peers_pgp_open(struct job *j, const struct open_pgp_ask *ask, int fd,
    struct memfd_map *out, struct crypto_pgp_opened *result,
    struct err_why *why) MUST_CHECK;
enum err peers_pgp_verify(struct job *j, struct span signatures, int fd,
    const struct span *certs, size_t n_certs, struct crypto_pgp_sigs *out,
    struct err_why *why) MUST_CHECK;

/* --- harvest.c --- */

/* Does a host that is trusted to know say that it is not from whom it says? */
bool open_is_forged(const struct job *j, const struct mime_header *h);
/* Propose what can be learned from the message; without waiting. */
void open_harvest(struct job *j, const struct open *o);

/* --- open.c --- */

/* Open the message of the job and fill in what is to be submitted: entries for
   the internal server, held ones, audit rows. released: an administrator lets
   it go on, whatever held it. Errors are ours: it stays pending. */
enum err open_message(
    struct job *j, bool released, struct err_why *why) MUST_CHECK;

#endif
