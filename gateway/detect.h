/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Numbers that rules look for: cards, accounts, what states give their people.
 * Their check digits are verified, so that an order number is none of them.
 */
#ifndef GATEWAY_DETECT_H
#define GATEWAY_DETECT_H

#include "common/buf.h"

struct detector;

/* "cards", "iban", ...; NULL for an unknown name. Static. */
const struct detector *detector_by_name(struct span name);
/* Number i's name; NULL behind the last. */
const char *detector_name(size_t i);
/* How many there are in the text, at most enough. Digits may stand in groups,
   with one blank, dash, dot or slash between two. */
size_t detector_count(
    const struct detector *d, struct span text, size_t enough);

#endif
