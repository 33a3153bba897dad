/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * How a second factor is spelled before it is hashed, so that gateway and
 * browser hash the same octets (docs/format-escrow.md): Unicode normalisation
 * (UAX #15), case, and what of an answer counts.
 */
#ifndef MIME_SPELLING_H
#define MIME_SPELLING_H

#include "common/buf.h"

/* Characters of a generated passphrase without its hyphens, and with them. */
#define MIME_SPELLING_CODE	20
#define MIME_SPELLING_CODE_TEXT 24

/* Each appends to out, which the caller wipes. ERR_MALFORMED: no UTF-8, or
   nothing that counts remains. ERR_TOO_BIG beyond out's maximum. */

/* A passphrase of the sender's: NFC. */
enum err mime_spell_passphrase(struct span in, struct buf *out) MUST_CHECK;
/* An answer: NFKC, lower case, letters, marks and numbers alone. */
enum err mime_spell_answer(struct span in, struct buf *out) MUST_CHECK;
/* A generated passphrase as somebody typed it: MIME_SPELLING_CODE characters
   or ERR_MALFORMED. */
enum err mime_spell_code(struct span in, struct buf *out) MUST_CHECK;

/* The text of a new one from MIME_SPELLING_CODE random octets:
   MIME_SPELLING_CODE_TEXT characters, no NUL. */
void mime_spelling_make(const uint8_t *random, char *out);

#endif
