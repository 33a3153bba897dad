/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The index of a file of the audit log, "audit-0000000000000001.idx" beside
 * it: blocks, each for a stretch of the file, with the hashes of the terms of
 * its lines and where these lines are. It proves nothing and can be made anew
 * at any time: what it says is looked up in the line, and what it does not
 * cover is read. docs/format-audit.md.
 */
#ifndef GATEWAY_STORE_AUDIT_INDEX_H
#define GATEWAY_STORE_AUDIT_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "gateway/store/audit_terms.h"

enum { STORE_INDEX_TIME = 24 }; /* octets of a time in a line */

/* --- writing --- */

struct store_index_entry {
	uint64_t hash;
	uint32_t at; /* of the line in the file */
};

/* A block in the making. Zeroed, but for `from`. */
struct store_index_block {
	struct store_index_entry *entry;
	size_t n, cap;
	uint64_t from, to; /* the stretch of the file */
	uint64_t first_seq, n_lines;
	char first_time[STORE_INDEX_TIME], last_time[STORE_INDEX_TIME];
};

void store_block_clear(struct store_index_block *b);
/* Add the line that begins at `to` of the block and ends with a newline there.
   What is no line of a log is passed over. */
void store_block_add(struct store_index_block *b, struct span line);
/* Has it grown to what is looked up fast? */
bool store_block_is_full(const struct store_index_block *b);
/* Append it to the index of the file that begins with this line and begin the
   next one behind it. An empty one is not written. */
enum err store_block_write(
    struct store_index_block *b, int dir_fd, uint64_t first) MUST_CHECK;

/* Its file will not change any more: make one block of all, so that a word is
   looked for once and not in each, and sync it. What cannot be joined stays as
   it is. */
enum err store_index_join(int dir_fd, uint64_t first) MUST_CHECK;
/* Make the index of one file anew, joined; of its first `octets` octets. */
enum err store_index_rebuild(
    int dir_fd, uint64_t first, uint64_t octets) MUST_CHECK;

/* --- reading --- */

struct store_index_file;

/* One stretch of the file in an open index. The entries are those of its block,
   which may have others beside it. */
struct store_index_view {
	uint64_t from, to;
	uint64_t first_seq, n_lines;
	struct span first_time, last_time; /* of any line in it */
	size_t n;
	const uint8_t *entries;
};

/* Open the index of that file. One that is not there, or cannot be read, has
   no blocks. ERR_NOMEM. */
enum err store_index_file_open(
    int dir_fd, uint64_t first, struct store_index_file **out) MUST_CHECK;
void store_index_file_close(struct store_index_file *f);
/* What looking for this hash will read of the index of that file is read from
   the disk while others are waited for. */
void store_index_prefetch(int dir_fd, uint64_t first, uint64_t hash);
/* Stretch number i: they follow one another from the start of the file. false
   behind the last that is whole. */
bool store_index_file_view(
    const struct store_index_file *f, size_t i, struct store_index_view *out);
/* How far it covers the file; UINT64_MAX when a block is not what was written.
   Reads all of it. */
uint64_t store_index_file_check(const struct store_index_file *f);
/* The lines that may have the term: entries [*first_out, *end_out). */
void store_index_view_find(const struct store_index_view *v, uint64_t hash,
    size_t *first_out, size_t *end_out);
/* Where the line of entry i is. */
uint64_t store_index_view_at(const struct store_index_view *v, size_t i);

/* "audit-0000000000000001.idx" */
void store_index_name(uint64_t first, char *out, size_t size);

#endif
