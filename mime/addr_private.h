/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the address parser's files share: addr.c has the pieces of an address,
 * addr_list.c the header lists, addr_idna.c the domains.
 */
#ifndef MIME_ADDR_PRIVATE_H
#define MIME_ADDR_PRIVATE_H

#include "common/limits.h"
#include "mime/addr.h"

/* A local part while it is read, unquoted. */
struct addr_local {
	uint8_t data[LIMIT_ADDRESS];
	size_t len;
};

/* atext (RFC 5322 section 3.2.3) or an octet of UTF-8. */
bool addr_is_atext(uint8_t c);
/* Read a dot-atom or a quoted string at *pos. */
enum err addr_read_local(struct span in, size_t *pos, struct addr_local *out,
    struct err_why *why) MUST_CHECK;
/* Find the end of the domain at *pos, without looking into it. */
struct span addr_read_domain(struct span in, size_t *pos);
/* Check and build the canonical address. name is "". */
enum err addr_make(const struct addr_local *local, struct span domain,
    unsigned flags, struct arena *a, struct mime_addr *out,
    struct err_why *why) MUST_CHECK;

#endif
