/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Which messages arrived encrypted, so that an answer to one is known when it
 * leaves (RFC 9788 section 6.1). What is kept of a message is a keyed digest
 * of its Message-ID: who has the table and not the key learns nothing from it.
 */
#ifndef KEYSTORE_REPLY_H
#define KEYSTORE_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "keystore/store.h"

enum {
	KS_REPLY_ID = 16, /* octets of the keyed digest */
	/* seconds that a message is remembered after it was last seen */
	KS_REPLY_KEEP_S = 2 * 366 * 24 * 3600,
};

enum err ks_reply_add(struct ks_store *s, const uint8_t id[KS_REPLY_ID],
    int64_t now_s) MUST_CHECK;
/* ERR_OK or ERR_NOT_FOUND: did it arrive encrypted? */
enum err ks_reply_has(
    struct ks_store *s, const uint8_t id[KS_REPLY_ID]) MUST_CHECK;
/* Look at up to max rows from *from on (empty: from the first; it becomes the
   last one's key, and empty at the end) and forget what is too old. */
enum err ks_reply_sweep(struct ks_store *s, struct buf *from, unsigned max,
    int64_t now_s) MUST_CHECK;

#endif
