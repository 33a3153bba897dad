/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The part of the pgp process that runs behind the walls, for its test.
 */
#ifndef GATEWAY_PGP_PGP_PRIVATE_H
#define GATEWAY_PGP_PGP_PRIVATE_H

struct role;

/* Open the home, report ready, serve until told to stop: the exit status. gpg
   and timeout_ms are those of crypto_pgp_open(). After a time-out the whole
   process group is killed, this process included. */
int pgp_serve(struct role *r, const char *gpg, unsigned timeout_ms);

#endif
