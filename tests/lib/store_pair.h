/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A store for tests of one message with two recipients that meet a different
 * fate.
 */
#ifndef TESTS_LIB_STORE_PAIR_H
#define TESTS_LIB_STORE_PAIR_H

#include "tests/lib/store_rig.h"

extern struct rig rig;
extern struct entry_rcpt both[2];

/* A running store before each test, and nothing of it after. */
void pair_set_up(void);
void pair_tear_down(void);
/* An entry for both. */
struct entry pair_entry(uint64_t id, uint64_t message_id, enum entry_kind kind);
/* What relay says of the entry. */
void pair_report(uint64_t entry_id, const struct proto_result *r);

#endif
