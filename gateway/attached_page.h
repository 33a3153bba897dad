/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The file that comes with a notice where rules say escrow = attachment: the
 * page that `make page` makes, with a sealed object in it
 * (docs/format-escrow.md, The file).
 */
#ifndef GATEWAY_ATTACHED_PAGE_H
#define GATEWAY_ATTACHED_PAGE_H

#include "common/buf.h"
#include "common/err.h"
#include "mime/sink.h"

struct conf;
struct attached_page;

/* What stands in its place in the page is another in each file. */
enum { ATTACHED_PAGE_NONCE = 22 }; /* characters of base64url */

/* Read the page of a configuration, and the logo that shows in it. Anything but
   ERR_OK: there is none, it is of another version, or the logo is none or too
   large; why names the file. The caller frees it. */
enum err attached_page_load(const struct conf *c, struct attached_page **out,
    struct err_why *why) MUST_CHECK;
/* The same of octets; brand says whose file it is, as brand_put() puts it.
   ERR_MALFORMED. */
enum err attached_page_take(
    struct span text, struct span brand, struct attached_page **out) MUST_CHECK;
void attached_page_free(struct attached_page *p);

/* Write the file, lines in CRLF: link is what would stand behind "#", object
   the octets of a sealed object, nonce fresh random text. */
enum err attached_page_write(const struct attached_page *p, const char *nonce,
    struct span link, struct span object,
    const struct mime_sink *to) MUST_CHECK;

#endif
