/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What an attachment is by its octets, whatever it is called: the formats that
 * rules are about. Looks at fixed places only and parses nothing.
 */
#ifndef GATEWAY_SNIFF_H
#define GATEWAY_SNIFF_H

#include "common/buf.h"

enum { SNIFF_TYPES = 4 };

/* Media types; an archive with a format of its own inside has two. Static. */
struct sniffed {
	const char *type[SNIFF_TYPES];
	size_t n;
};

void sniff(struct span octets, struct sniffed *out);

#endif
