/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A line of the audit log: writing one into the chain, taking one apart, and
 * what is signed in it. docs/format-audit.md has every octet. Nothing here
 * looks beyond the line.
 */
#ifndef GATEWAY_STORE_AUDIT_LINE_H
#define GATEWAY_STORE_AUDIT_LINE_H

#include <stdint.h>

#include "common/buf.h"
#include "common/digest.h"
#include "common/limits.h"
#include "common/sign.h"

enum {
	/* octets around a record: numbers, time, two digests, names */
	STORE_LINE_FRAME = 256,
	STORE_LINE_MAX = LIMIT_AUDIT_RECORD + STORE_LINE_FRAME,
	STORE_AUDIT_NAME = 40,
};

struct store_line {
	uint64_t seq;
	struct span time; /* RFC 3339 */
	uint8_t prev[DIGEST_SIZE];
	struct span rec;
	uint8_t hash[DIGEST_SIZE]; /* as written; see store_line_hash() */
};

/* Append the line of a record, without a newline, and say its digest. */
enum err store_line_make(uint64_t seq, uint64_t now_ms,
    const uint8_t prev[DIGEST_SIZE], struct span rec, struct buf *out,
    uint8_t hash_out[DIGEST_SIZE]) MUST_CHECK;
/* Take apart a line without its newline. ERR_MALFORMED when it has not exactly
   the form. The spans point into it. */
enum err store_line_parse(struct span line, struct store_line *out) MUST_CHECK;
/* The digest that the line must carry. */
void store_line_hash(struct span line, uint8_t out[DIGEST_SIZE]);

/* What is signed by a checkpoint (new_key NULL) and by the record of a new
   key, which stand in the line with this number and time behind the line with
   the digest prev. */
enum { STORE_SIGNED_MAX = 512 };
struct span store_line_signed(uint64_t seq, struct span time,
    const uint8_t prev[DIGEST_SIZE], const uint8_t *new_key,
    char out[STORE_SIGNED_MAX]);

/* "audit-0000000000000001.jsonl": the file that begins with this line. */
void store_audit_file_name(uint64_t first_seq, char out[STORE_AUDIT_NAME]);
/* 0 when it is not such a name. */
uint64_t store_audit_file_seq(const char *name);

#endif
