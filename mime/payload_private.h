/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files that make a payload share: payload.c has the plan,
 * header_protect.c the fields, legacy_display.c and seven_bit.c what happens
 * to a part, part_fields.c its Content-* fields.
 */
#ifndef MIME_PAYLOAD_PRIVATE_H
#define MIME_PAYLOAD_PRIVATE_H

#include "mime/payload.h"
#include "mime/recode.h"
#include "mime/tree_private.h"

/* What becomes of a part. Zero: nothing. */
struct part_change {
	bool rewritten; /* body says how */
	struct recode body;
	const char *encoding; /* a new Content-Transfer-Encoding, or NULL */
	bool legacy;	      /* hp-legacy-display="1" */
	bool bare;	      /* no hp-legacy-display any more */
	bool utf8;	      /* its charset becomes utf-8 */
	const char *hp;	      /* "clear", "cipher" or NULL */
};

/* A cryptographic layer: nothing in it is ever changed, and a payload around
   it is not where a reader looks for protected fields. */
bool part_is_crypto(const struct mime_part *p);

/* The fields of a header, sorted by where they go. All are whole fields. */
struct header_parts {
	struct buf outer;
	struct buf inner;  /* protected copies */
	struct buf record; /* HP-Outer fields */
	struct buf legacy; /* "Name: text\n" in UTF-8, of what was hidden */
};

/* Sort. Content-* fields and MIME-Version are in none of them. hp is what is
   done, whatever the form asks for. */
enum err header_protect(const struct mime_header *h,
    const struct mime_payload_form *form, enum mime_hp hp, struct arena *a,
    struct header_parts *out) MUST_CHECK;

/* Could it show the legacy display element (RFC 9788 section 5.2.2)? */
bool legacy_is_main(const struct mime_part *p);
/* May the i-th child of p, which is on the way to a main part, be one? */
bool legacy_leads_to(const struct mime_part *p, size_t i);
/* Plan the element for the hidden fields in a main part. A charset that is no
   superset of ASCII is left alone. */
enum err legacy_plan(const struct mime_part *p, struct span hidden,
    struct arena *a, struct part_change *c) MUST_CHECK;

/* Plan to take the element out of a main part that says it has one. One that
   does not look like it stays. */
enum err legacy_away(
    const struct mime_part *p, struct part_change *c) MUST_CHECK;

/* Append the Content-* fields of h, changed; those of the root only, all other
   parts keep their other fields. No empty line. */
enum err part_put_fields(const struct mime_header *h,
    const struct part_change *c, bool root, struct buf *out) MUST_CHECK;

#endif
