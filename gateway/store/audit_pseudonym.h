/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Pseudonyms in the audit log: an address sealed under a key that is kept
 * beside the log, the same octets each time (common/siv.h), so that a record
 * can be found by an address and read by who has the key, and by nobody else.
 * Everything that looks like an address is replaced, wherever in a record it
 * stands. docs/format-audit.md.
 */
#ifndef GATEWAY_STORE_AUDIT_PSEUDONYM_H
#define GATEWAY_STORE_AUDIT_PSEUDONYM_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/sealed.h"
#include "common/secret.h"

/* Beside the files of the log; sealed to SEALED_AUDIT. */
#define STORE_PSEUDONYM_FILE "pseudonyms.key"

/* Append the pseudonym of an address; case of ASCII does not count. */
enum err store_pseudonym_of(
    const struct secret *key, struct span addr, struct buf *out) MUST_CHECK;
/* Append the text with every pseudonym of this key put back; what is none of
   this key stays. */
enum err store_pseudonym_resolve(
    const struct secret *key, struct span text, struct buf *out) MUST_CHECK;
/* Append the record with pseudonyms for its addresses. key NULL: ERR_BUSY if
   it has any. ERR_MALFORMED. */
enum err store_pseudonym_rewrite(
    const struct secret *key, struct span rec, struct buf *out) MUST_CHECK;

/* --- the key (audit_pseudonym_key.c) --- */

/* Make the file with a fresh key. */
enum err store_pseudonym_key_make(
    int dir_fd, const struct sealed_pub *pub) MUST_CHECK;
/* Append what its content key is asked for with. ERR_NOT_FOUND. */
enum err store_pseudonym_key_header(int dir_fd, struct buf *out) MUST_CHECK;
/* The caller frees. ERR_NOT_FOUND, ERR_BAD_SEAL. */
enum err store_pseudonym_key_open(int dir_fd, const struct secret *content_key,
    struct secret **out) MUST_CHECK;
/* One that does not open is put aside under another name. */
enum err store_pseudonym_key_aside(int dir_fd) MUST_CHECK;

#endif
