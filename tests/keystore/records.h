/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Records and a store to put them in, for the tests of keystore/.
 */
#ifndef TESTS_KEYSTORE_RECORDS_H
#define TESTS_KEYSTORE_RECORDS_H

#include "keystore/store.h"

/* A record with its own room; do not copy. */
struct sample {
	struct ks_record r;
	uint8_t fpr[32];
	struct span addr[4];
	struct span key_id[2];
	struct ks_cap cap[2];
};

/* A usable, trusted S/MIME record for the address, valid 1000 to 2000; its
   fingerprint is 32 times the octet id. */
void sample_init(struct sample *s, uint8_t id, const char *addr);

/* A directory for a store, and the store in it. */
struct ks_store *records_open(char dir[64]);
void records_close(struct ks_store *s, const char *dir);

#endif
