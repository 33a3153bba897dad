/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Whose page it is: name, logo, colour, imprint and words of help of the page
 * of a portal, and of the file that a message comes as.
 */
#ifndef GATEWAY_BRAND_H
#define GATEWAY_BRAND_H

#include "common/buf.h"
#include "common/err.h"

struct conf;
struct conf_brand;

/* Append it as JSON, escaped for an attribute between quotes; logo is the URL
   of one, NULL if there is none. ERR_MALFORMED if something is not UTF-8. */
enum err brand_put(
    const struct conf_brand *b, const char *logo, struct buf *out) MUST_CHECK;
/* Append the shell with that in its place. ERR_MALFORMED also if it has
   none. */
enum err brand_write(struct span shell, const struct conf_brand *b,
    const char *logo, struct buf *out) MUST_CHECK;
/* What is said of the file, or else of the portal's page. Borrows of c. */
struct conf_brand brand_of_file(const struct conf *c);
/* The media type of a logo by its ending; NULL if it is none of an image. */
const char *brand_logo_type(const char *path);

#endif
