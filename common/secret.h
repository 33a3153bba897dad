/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Secrets: locked into memory, between guard pages, cleared when freed. There
 * is no way to copy or to print one. Random octets come from here, too.
 */
#ifndef COMMON_SECRET_H
#define COMMON_SECRET_H

#include <stdbool.h>

#include "common/buf.h"

struct secret {
	uint8_t *data;
	size_t len;
};

/* Once per process, before anything else of this file. Fatal on failure. */
void secret_init(void);

/* len zero octets; NULL when no memory can be had or locked. */
struct secret *secret_new(size_t len);
struct secret *secret_random(size_t len);
/* Take over octets from elsewhere; the caller wipes the source. */
struct secret *secret_from(struct span s);
void secret_free(struct secret *s);
/* In constant time; lengths are public. */
bool secret_eq(const struct secret *a, const struct secret *b);
/* Borrowed for feeding into a cipher or a channel; never for a log. */
struct span secret_span(const struct secret *s);

/* For memory that held a secret for a moment. */
void secret_wipe(void *p, size_t len);
/* Constant-time comparison of octets that are not in a struct secret. */
bool secret_eq_span(struct span a, struct span b);

/* From the kernel's generator; cannot fail once the process has started. */
void random_octets(void *out, size_t len);
uint64_t random_u64(void);

#endif
