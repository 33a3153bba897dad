/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates.
 */
#ifndef MIME_UTF8_H
#define MIME_UTF8_H

#include "common/buf.h"

/* Octets of the character at the start of s, its code point in *out (may be
   NULL); 0 if it is not UTF-8 or s is empty. */
size_t mime_utf8_next(struct span s, uint32_t *out);
/* C0, DEL, C1, line and paragraph separator. */
bool mime_utf8_is_control(uint32_t c);
/* A control, or a mark that turns text around or is not seen: direction marks
   and overrides, zero-width space, soft hyphen, variation selectors, tags.
   The two joiners are not among them: some scripts need them. */
bool mime_utf8_is_trick(uint32_t c);
/* Append s as valid UTF-8 without controls: those become blanks, what is no
   UTF-8 becomes U+FFFD. */
enum err mime_utf8_put_clean(struct buf *out, struct span s) MUST_CHECK;
/* Valid UTF-8 throughout. */
bool mime_utf8_is_valid(struct span s);
bool mime_is_ascii(struct span s);

#endif
