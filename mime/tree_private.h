/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of the parse tree share: tree.c asks libetpan, ambiguity.c
 * looks for what another parser would see differently, content_type.c checks
 * the field that decides most.
 */
#ifndef MIME_TREE_PRIVATE_H
#define MIME_TREE_PRIVATE_H

#include "mime/header.h"
#include "mime/protected.h"
#include "mime/tree.h"

struct mime_param {
	const char *name; /* lower case */
	const char *value;
};

struct mime_part {
	const char *type;
	const char *subtype;
	const char *encoding;
	const char *filename;
	bool filename_unread; /* it could not be made out, or not all of it */
	struct mime_param *params;
	size_t n_params;
	struct mime_header fields; /* by our own splitter */
	struct span header;	   /* as libetpan saw them */
	struct span body;
	struct mime_part **children;
	size_t n_children;
};

struct mime_tree {
	struct mime_header header; /* of the message */
	struct mime_part *root;
	struct mime_part whole; /* the root of what was not parsed */
	size_t n_parts;
	const char *ambiguous; /* the first reason, or NULL */
};

/* Is this a boundary that all parsers read alike? RFC 2046 section 5.1.1. */
bool content_type_boundary_ok(const char *boundary);
/* Check a Content-Type value by the letter of RFC 2045 section 5.1 and compare
   it with what libetpan made of it. NULL, or the reason. */
const char *content_type_fault(struct span value, const struct mime_part *part);

/* A file name from parameters: name, name* and name*0... (RFC 2231), decoded;
   NULL if there is none. *unread becomes true when it is there and some of it
   could not be decoded, is missing or is too long. */
const char *param_filename(const struct mime_param *params, size_t n,
    const char *name, struct arena *a, bool *unread);

/* --- protected.c --- */

/* Is there nothing readable around the parts of a multipart but a line or two
   for old mail programs? The tree is not ambiguous: it ends in its closing
   line. */
bool protected_is_all_in_parts(const struct mime_part *p);
/* Is the body, decoded, one block of armor? */
bool protected_is_armor(const struct mime_part *p);
/* OpenPGP packets without armor: the first octet has its top bit set (RFC 9580
   section 4.2). */
bool protected_is_packets(const struct mime_part *p);
/* multipart/signed and multipart/encrypted of RFC 1847, by the letter. */
enum mime_protected_kind protected_find_signed(
    const struct mime_part *p, struct mime_protected *out);
enum mime_protected_kind protected_find_encrypted(
    const struct mime_part *p, struct mime_protected *out);

/* Why two parsers could disagree about the message, or NULL. entity: it is one
   inside of a message, with a header of its own fields only. */
const char *ambiguity_find(const struct mime_tree *t,
    const struct mime_scan *scan, bool smtputf8, bool entity, struct arena *a);

#endif
