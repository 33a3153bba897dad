/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Many phrases looked for in one pass over a text: words one behind another,
 * whatever stands between them, letters of either case. However many phrases
 * there are, a text costs the same.
 */
#ifndef MIME_WORDS_H
#define MIME_WORDS_H

#include <stdint.h>

#include "common/buf.h"

struct words;

enum { WORDS_PHRASE_MAX = 16 /* words of a phrase */ };

/* Aborts when out of memory, as does adding. */
struct words *words_new(void);
void words_free(struct words *w);
/* Add a phrase in UTF-8; id is the caller's. ERR_CONFIG if it has no word, or
   too many. */
enum err words_add(struct words *w, struct span phrase, size_t id) MUST_CHECK;
/* Call found for each place where a phrase stands in the text. */
void words_scan(const struct words *w, struct span text,
    void (*found)(void *arg, size_t id), void *arg);

#endif
