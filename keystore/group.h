/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Who is in a group of a directory, as it last answered: text, one address a
 * line, that discovery fetched, store keeps and every process that decides
 * reads. Nothing here looks into the text.
 */
#ifndef KEYSTORE_GROUP_H
#define KEYSTORE_GROUP_H

#include "common/digest.h"
#include "keystore/store.h"

enum {
	KS_GROUP_NAME_MAX = 64,		      /* octets */
	KS_GROUP_TEXT_MAX = 16 * 1024 * 1024, /* octets */
};

struct ks_group {
	int64_t at; /* Unix seconds: when the directory said so */
	uint32_t size;
	uint8_t digest[DIGEST_SIZE]; /* SHA-256 of the text */
};

/* Keep the answer in place of the one before. It reads and then writes: call it
   between ks_begin() and ks_commit(). ERR_MALFORMED, ERR_TOO_BIG,
   ERR_DB_BROKEN. */
enum err ks_group_put(struct ks_store *s, struct span name, int64_t at,
    struct span text) MUST_CHECK;
/* What is known without the text. ERR_NOT_FOUND, ERR_DB_BROKEN. */
enum err ks_group_get(
    struct ks_store *s, struct span name, struct ks_group *out) MUST_CHECK;
/* Append the text that g is of. ERR_DB_BROKEN: it is not that text, perhaps no
   more. */
enum err ks_group_text(struct ks_store *s, struct span name,
    const struct ks_group *g, struct buf *out) MUST_CHECK;

#endif
