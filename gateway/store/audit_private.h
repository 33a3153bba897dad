/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of the audit log share: audit.c holds the chain, audit_file.c
 * the files, audit_key.c the key.
 */
#ifndef GATEWAY_STORE_AUDIT_PRIVATE_H
#define GATEWAY_STORE_AUDIT_PRIVATE_H

#include "gateway/store/audit.h"
#include "gateway/store/audit_index.h"

enum {
	/* lines and milliseconds after which a checkpoint is due */
	AUDIT_CHECKPOINT_LINES = 1000,
	AUDIT_CHECKPOINT_MS = 60 * 1000,
	/* octets of a file: what a person can still open */
	AUDIT_FILE_SIZE = 64 * 1024 * 1024,
	/* rows written to a file in one go */
	AUDIT_EXPORT_ROWS = 16384,
	DAY_MS = 24 * 3600 * 1000,
};

/* Where the files stand. Kept in the spool, too: what is behind it in the
   files is still in the rows. */
struct audit_files {
	uint64_t seq;	 /* last line that is in a synced file */
	uint64_t first;	 /* first line of the file it is in; 0: no file */
	uint64_t octets; /* of that file */
};

struct store_audit {
	int dir_fd;
	struct db *db;
	struct store_audit_head head;	 /* with what is not committed yet */
	struct store_audit_head durable; /* as committed */
	struct audit_files files;	 /* as written and synced */
	struct audit_files pruned;	 /* rows up to here are deleted */
	int fd;				 /* of files.first, -1 */
	struct store_index_block block;	 /* of the index, up to files.octets */
	struct err_why problem;		 /* with the files; "" for none */
	bool problem_told;		 /* in the log */
	bool pruning;			 /* in the transaction under way */
	bool signing;			 /* so does it */
	bool checkpoint_asked;
	void (*tell)(void *arg, const struct store_audit_head *h);
	void *tell_arg;
	uint64_t checkpoint_ms; /* steady clock, of the last one */
	unsigned every_lines;	/* a checkpoint is due */
	uint64_t every_ms;

	struct sealed_pub pub; /* purpose NONE: not known yet */
	struct secret *key;
	struct secret *next_key; /* of the transaction under way */
	uint8_t next_pub[SIGN_PUB];
	bool renew;

	bool pseudonyms; /* take the place of addresses */
	struct secret *pseudonym_key;
	bool pseudonyms_renewed;
	struct store_tally *tally; /* of what the files got */
};

/* One row: is it the first of a file, then the line. */
enum { ROW_FLAG = 1, ROW_FIRST = 'F', ROW_NEXT = 'N' };

/* --- audit.c --- */

enum err audit_append(struct store_audit *a, struct db_txn *txn,
    struct span rec, uint64_t now_ms, bool first_of_file) MUST_CHECK;

/* --- audit_file.c --- */

/* The last whole line of the files: number, digest, where it is; all zero when
   there is none. key: the last that a record of the newest file names. What
   follows it in that file is cut off. */
struct audit_tail {
	uint64_t seq;
	uint8_t hash[DIGEST_SIZE];
	uint8_t key[SIGN_PUB];
	struct audit_files at;
};
enum err audit_tail_read(
    struct store_audit *a, struct audit_tail *out) MUST_CHECK;
/* Begin the index where it ends, and go on to where the file does. */
void audit_index_resume(struct store_audit *a);
/* Make the files end where `to` says: everything behind is in the rows.
   ERR_NOT_FOUND when they end before. */
enum err audit_files_cut(
    struct store_audit *a, const struct audit_files *to) MUST_CHECK;

/* --- audit_key.c --- */

/* The secret of `size` octets that was sealed. The caller frees. */
enum err audit_unseal(const struct secret *content_key, struct span ad,
    struct span sealed, size_t size, struct secret **out) MUST_CHECK;

/* Make the next key and its sealed file. */
enum err audit_key_make(struct store_audit *a) MUST_CHECK;
/* Add the record of the next key, vouched for by the old one if there is one.
 */
enum err audit_key_record(
    struct store_audit *a, struct db_txn *txn, bool first_of_file) MUST_CHECK;
enum err audit_checkpoint_record(
    struct store_audit *a, struct db_txn *txn) MUST_CHECK;
/* The next key signs from now on, the old one is destroyed; or the other way
   round. */
void audit_key_settle(struct store_audit *a, bool good);
/* Destroy key files that are not the one in use. */
void audit_key_sweep(struct store_audit *a);

#endif
