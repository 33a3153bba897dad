/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Regular expressions of administrators over text of strangers: PCRE2's
 * interpreter (never its JIT: who reads mail may not have executable memory),
 * with limits on steps, depth, heap and time, so that no pair of pattern and
 * text stalls a process. A match is at most a kilobyte long.
 */
#ifndef COMMON_REGEX_H
#define COMMON_REGEX_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

struct regex;

enum {
	REGEX_PATTERN_MAX = 1024, /* octets */
	REGEX_CASELESS = 1,
};

/* The pattern is UTF-8 and is applied to UTF-8. The caller frees. ERR_CONFIG
   with the reason; ERR_NOMEM. */
enum err regex_new(struct span pattern, unsigned flags, struct regex **out,
    struct err_why *why) MUST_CHECK;
void regex_free(struct regex *r);

/* Count what matches in text, at most enough. deadline_ms is of
   clock_cpu_ms(). ERR_LIMIT when a limit was reached before enough was
   found, ERR_MALFORMED when the text is not UTF-8: then nothing is known. */
enum err regex_count(struct regex *r, struct span text, size_t enough,
    uint64_t deadline_ms, size_t *out) MUST_CHECK;

#endif
