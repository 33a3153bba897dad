/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Which certificates this gateway believes, by its configuration and its
 * keystore: for look-ups in every process that makes them, and for whoever
 * verifies a signature. What was decided is remembered until the keystore
 * changes.
 */
#ifndef GATEWAY_CERTS_H
#define GATEWAY_CERTS_H

#include "keystore/path.h"

struct conf;
struct certs;

/* Read what has to be read before the walls go up: the file of anchors. The
   caller frees. ERR_NOT_FOUND, ERR_MALFORMED and the like with the reason. */
enum err certs_new(const struct conf *conf, struct certs **out,
    struct err_why *why) MUST_CHECK;
void certs_free(struct certs *c);

/* From now on go by this configuration, which is borrowed, and let look-ups in
   the store ask here. Both until the next call; the store must not be closed
   before ks_use_judge() took it away or certs_free(). */
void certs_use(struct certs *c, const struct conf *conf, struct ks_store *s);

/* Decide about a certificate by what is used; the caller clears out. q gives
   leaf, more, purpose, addr and times. */
enum err certs_check(struct certs *c, const struct ks_path_query *q,
    struct crypto_path *out) MUST_CHECK;

/* Called for each path of whose revocation too little is known, so that it can
   be asked for (ks_path_wants()); borrowed for the call. NULL: nobody is
   told. */
typedef void certs_unknown(void *arg, const struct crypto_path *path);
void certs_on_unknown(struct certs *c, certs_unknown *cb, void *arg);

#endif
