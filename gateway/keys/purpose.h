/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One X25519 pair per purpose, its private half wrapped by the master key, in
 * state/keys (docs/format-keys.md). Made at the first start, never again.
 */
#ifndef GATEWAY_KEYS_PURPOSE_H
#define GATEWAY_KEYS_PURPOSE_H

#include "common/sealed.h"

enum {
	KEYS_MASTER = SEALED_KEY, /* octets of a master key */
};

struct keys_set {
	/* by purpose; purpose SEALED_NONE where there is none */
	struct sealed_pub pub[SEALED_PURPOSES];
	struct secret *priv[SEALED_PURPOSES];
};

/* Read the pairs of the directory, and make those that the first start did not
   come to make. Clear with keys_set_clear() on failure, too. ERR_MASTER_KEY: a
   pair does not open with this master key, ERR_MALFORMED: a file is damaged,
   ERR_NOT_FOUND: one that must be there is not. */
enum err keys_set_open(int dir_fd, const struct secret *master,
    struct keys_set *out, struct err_why *why) MUST_CHECK;
void keys_set_clear(struct keys_set *s);

/* Wrap what is in the directory with another master key: the pairs stay what
   they are. Nothing is written unless every file opens with the old or the new
   one; each is replaced by itself, so that what was interrupted can be done
   again. Nobody may use the directory meanwhile. ERR_MASTER_KEY: a file opens
   with neither, ERR_MALFORMED: it is damaged, ERR_NOT_FOUND: there are none. */
enum err keys_set_rewrap(int dir_fd, const struct secret *old_key,
    const struct secret *new_key, struct err_why *why) MUST_CHECK;

/* A pair from its file alone, open for reading: for the command line of who has
   the master key. The caller frees priv. ERR_MASTER_KEY, ERR_MALFORMED,
   ERR_IO. */
enum err keys_pair_read(int fd, enum sealed_purpose purpose,
    const struct secret *master, struct sealed_pub *pub, struct secret **priv,
    struct err_why *why) MUST_CHECK;
/* The public half alone, without a master key: for who may read the file. */
enum err keys_pair_public(int fd, enum sealed_purpose purpose,
    struct sealed_pub *pub, struct err_why *why) MUST_CHECK;
/* The name of that file in the directory of the keys. */
const char *keys_pair_file(enum sealed_purpose purpose);
/* The public half of SEALED_PRIVATE from the directory, for those who import
   private keys; needs no master key. ERR_NOT_FOUND: the gateway has never been
   started. ERR_MALFORMED, ERR_PERMISSION. */
enum err keys_public_read(
    int dir_fd, struct sealed_pub *out, struct err_why *why) MUST_CHECK;

#endif
