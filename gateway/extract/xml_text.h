/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The text of an XML document (XML 1.0) as office programs write it: in UTF-8,
 * without a document type, so that no entity can mean anything of its own.
 */
#ifndef GATEWAY_EXTRACT_XML_TEXT_H
#define GATEWAY_EXTRACT_XML_TEXT_H

#include "common/buf.h"

/* Append what stands between tags, with a line end where a paragraph, a cell or
   a line ends. ERR_UNSUPPORTED for another encoding, a document type or an
   entity that is none of XML's; ERR_MALFORMED for what is not closed, or is no
   XML at all; ERR_TOO_BIG. */
enum err extract_xml_text(struct span xml, struct buf *out) MUST_CHECK;

#endif
