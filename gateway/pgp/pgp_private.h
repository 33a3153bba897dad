/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of the pgp process share, and the part of it that runs behind
 * the walls, for its test.
 */
#ifndef GATEWAY_PGP_PGP_PRIVATE_H
#define GATEWAY_PGP_PGP_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/ipc.h"
#include "common/memfd.h"

struct crypto_pgp;
struct role;

struct pgp {
	struct role *role;
	struct crypto_pgp *engine;
	bool hung;  /* a gpg may still be there: end, and begin anew */
	bool renew; /* keys lives and was cut off: begin anew, for nobody
		       brings another channel */
};

/* The octets of a request, mapped, and a file in memory for the result. */
struct pgp_work {
	struct memfd_map in;
	int out; /* -1 until there is one */
};

/* Take the octets out of the request and make the file. */
enum err pgp_work_begin(
    struct pgp_work *w, struct ipc_msg *m, struct err_why *why) MUST_CHECK;
void pgp_log_result(const struct ipc_msg *m, enum err e, const char *why);
/* Send the answer with the file, which is closed. */
enum err pgp_send_answer(struct ipc *to, uint16_t type, uint64_t id,
    struct span payload, struct pgp_work *w) MUST_CHECK;
/* Ask keys for the secret key, for this message. Asked each time, also when
   the key is in the home still: keys decides. The caller unmaps. */
enum err pgp_fetch_secret(struct pgp *p, uint16_t type, uint64_t message,
    struct span fpr, struct memfd_map *out, struct err_why *why) MUST_CHECK;

/* open.c: the two requests of an opener. The result is that of the channel. */
enum err pgp_on_open(
    struct pgp *p, struct ipc *to, struct ipc_msg *m) MUST_CHECK;
enum err pgp_on_verify(
    struct pgp *p, struct ipc *to, struct ipc_msg *m) MUST_CHECK;

/* Open the home, report ready, serve until told to stop: the exit status. gpg
   and timeout_ms are those of crypto_pgp_open(). After a time-out the whole
   process group is killed, this process included. */
int pgp_serve(struct role *r, const char *gpg, unsigned timeout_ms);

#endif
