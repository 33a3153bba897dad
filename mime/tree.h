/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The parts of a message, parsed once through libetpan, and whether another
 * parser might see them differently. Parts are spans into the message.
 */
#ifndef MIME_TREE_H
#define MIME_TREE_H

#include "common/buf.h"

struct arena;
struct mime_header;
struct mime_part;
struct mime_scan;
struct mime_tree;

enum {
	MIME_TREE_PADDING =
	    16, /* zero octets that must stand behind a message */
};

/* Parse a message that mime_scan() accepted. MIME_TREE_PADDING readable zero
   octets must follow it. smtputf8: it came with SMTPUTF8 (RFC 6532). The tree
   lives in the arena and points into msg. A message that is malformed, too
   complex to parse or too large for the arena gives a tree that is ambiguous,
   of one part at worst; 16 MiB are enough for every honest one. ERR_NOMEM if
   the arena has not even room for the header, ERR_LIMIT for its fields. */
enum err mime_tree_parse(struct span msg, const struct mime_scan *scan,
    bool smtputf8, struct arena *a, struct mime_tree **out,
    struct err_why *why) MUST_CHECK;

/* The same for what stood in a signature or an encryption: an entity is no
   message, it needs neither From nor MIME-Version (RFC 8551 section 3.1). */
enum err mime_tree_parse_entity(struct span entity,
    const struct mime_scan *scan, bool smtputf8, struct arena *a,
    struct mime_tree **out, struct err_why *why) MUST_CHECK;

/* Would two parsers disagree? reason (may be NULL) gets why, a phrase for a
   person; untouched when not. */
bool mime_tree_is_ambiguous(const struct mime_tree *t, const char **reason);
const struct mime_header *mime_tree_header(const struct mime_tree *t);
const struct mime_part *mime_tree_root(const struct mime_tree *t);
size_t mime_tree_part_count(const struct mime_tree *t);

/* Lower case. */
const char *mime_part_type(const struct mime_part *p);
const char *mime_part_subtype(const struct mime_part *p);
bool mime_part_is(
    const struct mime_part *p, const char *type, const char *subtype);
/* A parameter of Content-Type, or NULL. The name in lower case. */
const char *mime_part_param(const struct mime_part *p, const char *name);
/* Content-Transfer-Encoding in lower case; "7bit" if there is none. */
const char *mime_part_encoding(const struct mime_part *p);
/* filename of Content-Disposition, else name of Content-Type, else NULL; in
   UTF-8 as far as it can be decoded. */
const char *mime_part_filename(const struct mime_part *p);
/* Has it a file name that could not be made out, or not all of it? */
bool mime_part_filename_unread(const struct mime_part *p);
/* The fields before the empty line; what follows it. */
struct span mime_part_header(const struct mime_part *p);
struct span mime_part_body(const struct mime_part *p);
size_t mime_part_child_count(const struct mime_part *p);
/* A message/rfc822 part has one child: the root of the message in it. */
const struct mime_part *mime_part_child(const struct mime_part *p, size_t i);

#endif
