/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What anybody may have of our keys, as files: the lists of our CAs and a Web
 * Key Directory for our domains. They are made from the keystore, which the
 * portal does not have; it reads this directory and nothing else of ours
 * (docs/format-keystore.md).
 */
#ifndef GATEWAY_PUBLISH_H
#define GATEWAY_PUBLISH_H

#include "common/buf.h"
#include "common/err.h"

struct arena;
struct conf;
struct ks_record;
struct ks_store;

enum {
	PUBLISH_HASH = 32 + 1, /* z-base-32 of SHA-1, with a NUL */
};

/* Bring the directory (paths.publish) in line with the store: write what has
   changed, remove what is published no more. One at a time, and by the newest
   state: safe from several processes, and to be repeated after a kill. Reads
   the time now for what has expired. ERR_IO, ERR_DB_BROKEN and the like. */
enum err publish_sync(const struct conf *conf, struct ks_store *s, int64_t now,
    struct err_why *why) MUST_CHECK;

/* The file of an address: the name of its local part. */
void publish_hash(struct span addr, char out[PUBLISH_HASH]);

/* Append the DNS records of the key for those of its addresses whose domains
   are ours, a line each: OPENPGPKEY (RFC 7929) or SMIMEA (RFC 8162), absolute
   names. n_out counts them. */
enum err publish_dns(const struct conf *conf, const struct ks_record *r,
    struct arena *arena, struct buf *out, size_t *n_out) MUST_CHECK;

#endif
