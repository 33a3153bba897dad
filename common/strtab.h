/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A number for each text of a kind: what was put there is found again without
 * looking at all of it. For texts that an administrator wrote, thousands of
 * rules say; strangers could choose texts that meet.
 */
#ifndef COMMON_STRTAB_H
#define COMMON_STRTAB_H

#include <stdbool.h>

#include "common/buf.h"

struct strtab;

/* Aborts when out of memory. */
struct strtab *strtab_new(void);
void strtab_free(struct strtab *t);
/* false when nothing was put for it. */
bool strtab_find(const struct strtab *t, unsigned kind, struct span text,
    size_t *out) MUST_CHECK;
/* Put a number in place of the one that is there, if one is. The text is
   borrowed while the table lives. */
enum err strtab_put(struct strtab *t, unsigned kind, struct span text,
    size_t number) MUST_CHECK;

#endif
