/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * S/MIME and OpenPGP together as the one engine of open.h. Where private keys
 * and gpg are the caller says: other processes for an opener, this one for the
 * command line.
 */
#ifndef GATEWAY_OPEN_ENGINE_H
#define GATEWAY_OPEN_ENGINE_H

#include "gateway/open.h"
#include "gateway/open_pgp.h"
#include "gateway/open_smime.h"

/* Which keys that speak for a recipient are tried. */
enum open_engine_keys {
	OPEN_KEYS_ALL = 0,
	OPEN_KEYS_OWN,	  /* those of the address alone */
	OPEN_KEYS_DOMAIN, /* those of its domain alone */
};

/* The caller fills in smime as open_smime.h says, and pgp. */
struct open_engine_both {
	struct open_smime smime;
	struct open_pgp_engine pgp;
	const char *only; /* only this recipient's keys are tried; NULL: all */
	enum open_engine_keys which; /* of them, with only */
	/* ours */
	struct span autocrypt; /* what the mail brought; empty: nothing */
	struct open_pgp_key *pgp_keys;
	size_t n_pgp_keys;
};

/* Let the keys be tried that speak for these canonical addresses or for their
   domains. ERR_NOMEM, errors of the store. */
enum err open_engine_add_keys(
    struct open_engine_both *t, const char *const *addrs, size_t n) MUST_CHECK;
void open_engine_clear(struct open_engine_both *t);
/* Borrows it. */
struct open_engine open_engine_both(struct open_engine_both *t);

#endif
