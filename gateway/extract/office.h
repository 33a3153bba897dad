/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The text of an office document: OOXML (ECMA-376) and OpenDocument (OASIS), by
 * what is in the archive, whatever it is called.
 */
#ifndef GATEWAY_EXTRACT_OFFICE_H
#define GATEWAY_EXTRACT_OFFICE_H

#include "common/buf.h"

/* Append all its text, that of documents in it too. Any error: it cannot be
   read in full. */
enum err extract_office_text(struct span document, struct buf *out) MUST_CHECK;

#endif
