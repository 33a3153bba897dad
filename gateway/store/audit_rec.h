/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One record of the audit log: a compact JSON object on one line, written
 * directly, because there are several for every message. What it may say is
 * in docs/format-audit.md.
 */
#ifndef GATEWAY_STORE_AUDIT_REC_H
#define GATEWAY_STORE_AUDIT_REC_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/limits.h"

enum {
	STORE_REC_MAX = LIMIT_AUDIT_RECORD,
	STORE_REC_DEPTH = 16,
};

struct store_rec {
	struct buf b;
	enum err err; /* of the first call that failed */
};

/* {"type":"…" */
void store_rec_begin(struct store_rec *r, const char *type);
/* ,"name":"text". What is not UTF-8 becomes U+FFFD. */
void store_rec_str(struct store_rec *r, const char *name, const char *text);
void store_rec_num(struct store_rec *r, const char *name, uint64_t n);
/* An id as text. */
void store_rec_id(struct store_rec *r, const char *name, uint64_t id);
void store_rec_hex(struct store_rec *r, const char *name, struct span octets);
/* Text as store_rec_str() writes it, without quotes. */
enum err store_rec_quote(struct span text, struct buf *out) MUST_CHECK;
/* Close the object; borrowed until store_rec_clear(). */
enum err store_rec_end(struct store_rec *r, struct span *out) MUST_CHECK;
void store_rec_clear(struct store_rec *r);

/* Is it the type of a record, and may a record of it have that member? */
bool store_rec_is_type(struct span type);
bool store_rec_has_member(struct span type, struct span member);
/* Type number i with its members; NULL behind the last. Both are words of a
   fixed list (audit_types.def). */
const char *store_rec_type_at(size_t i, const char **members_out);

/* Is what another process wrote one object on one line, of sane size and
   depth, of a type that there is and that is not one of the log's own? */
bool store_rec_is_sound(struct span rec);

#endif
