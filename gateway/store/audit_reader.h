/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The files of the audit log, in order, and their lines one after another.
 */
#ifndef GATEWAY_STORE_AUDIT_READER_H
#define GATEWAY_STORE_AUDIT_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

struct store_reader;

/* The first lines of the files in the directory, rising. Caller frees. */
enum err store_audit_files(
    int dir_fd, uint64_t **out, size_t *n_out) MUST_CHECK;

/* Read the file that begins with this line. */
enum err store_reader_open(
    int dir_fd, uint64_t first_seq, struct store_reader **out) MUST_CHECK;
void store_reader_close(struct store_reader *r);
/* The next line without its newline, borrowed until the next call; whole is
   false for a last one that has none. ERR_NOT_FOUND at the end, ERR_TOO_BIG
   for a line that no writer makes. */
enum err store_reader_next(
    struct store_reader *r, struct span *line, bool *whole) MUST_CHECK;
/* Go on at that octet of the file, before anything was read. */
enum err store_reader_seek(struct store_reader *r, uint64_t at) MUST_CHECK;
/* Where the next line begins. */
uint64_t store_reader_offset(const struct store_reader *r);

#endif
