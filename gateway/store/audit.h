/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The audit log: rows of the same transaction as what they record, gapless and
 * chained; JSON-lines files written from the rows; checkpoints signed with a
 * key that is replaced at each rotation. docs/format-audit.md. Checking it is
 * audit_verify.h.
 */
#ifndef GATEWAY_STORE_AUDIT_H
#define GATEWAY_STORE_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/db.h"
#include "common/sealed.h"
#include "gateway/store/audit_line.h"

struct store_audit;

/* Where the chain stands. */
struct store_audit_head {
	uint64_t seq;		   /* of the last line; 0: none yet */
	uint8_t hash[DIGEST_SIZE]; /* of the last line */
	uint8_t key[SIGN_PUB];	   /* signs now; zero octets: none yet */
	uint32_t since;		   /* lines since the last checkpoint */
	uint64_t file_octets;	   /* of the file the last line belongs to */
	uint32_t day;		   /* days since 1970 when it was begun */
};

/* Open the log in directory dir beside the rows in db, which is borrowed. What
   a crash left half-written in the files is cut; it is still in the rows. What
   is wrong with the files beyond that is written to `problem` (empty if
   nothing), for an alarm: the chain goes on. */
enum err store_audit_open(const char *dir, struct db *db,
    struct store_audit **out, struct err_why *problem,
    struct err_why *why) MUST_CHECK;
void store_audit_close(struct store_audit *a);

/* Add a record within a write transaction. */
enum err store_audit_add(
    struct store_audit *a, struct db_txn *txn, struct span rec) MUST_CHECK;
/* The head, to go back to it when a nested transaction is given up. */
struct store_audit_head store_audit_mark(const struct store_audit *a);
void store_audit_rewind(
    struct store_audit *a, const struct store_audit_head *mark);
/* Before the outer transaction is committed: checkpoint and rotation when they
   are due, forget rows that are in synced files, save the head. */
enum err store_audit_finish(
    struct store_audit *a, struct db_txn *txn) MUST_CHECK;
/* What became of that transaction. */
void store_audit_committed(struct store_audit *a, bool good);

/* Something to do for store_audit_finish() although no record was added. */
bool store_audit_is_due(const struct store_audit *a);
/* Rows that are not in a file yet. */
uint64_t store_audit_lines_behind(const struct store_audit *a);
/* Write committed rows to the files and sync them. What somebody else did to
   the file is noticed; then it goes on in a new one. */
enum err store_audit_export(struct store_audit *a) MUST_CHECK;
/* Whom to tell of every checkpoint once it is committed. */
void store_audit_on_checkpoint(struct store_audit *a,
    void (*tell)(void *arg, const struct store_audit_head *h), void *arg);
/* After how many lines and how long a checkpoint is due; 0 is the default. */
void store_audit_set_checkpoints(
    struct store_audit *a, unsigned lines, uint64_t ms);
/* What was found wrong with the files since it was asked last, for an alarm. */
bool store_audit_take_problem(struct store_audit *a, struct err_why *out);
/* Sign a checkpoint with the next transaction, however few lines there are
   since the last. */
void store_audit_ask_checkpoint(struct store_audit *a);
struct store_audit_head store_audit_durable_head(const struct store_audit *a);
/* Of all records whose file was synced since it was opened; borrowed. */
struct store_tally;
const struct store_tally *store_audit_tally(const struct store_audit *a);

/* --- the signing key (audit_key.c) --- */

/* What new keys are sealed to. */
void store_audit_set_pub(struct store_audit *a, const struct sealed_pub *pub);
bool store_audit_has_key(const struct store_audit *a);
/* The sealed header of the key that signs: what its content key is asked for
   with. ERR_NOT_FOUND when there is none yet. */
enum err store_audit_key_header(
    struct store_audit *a, struct buf *out) MUST_CHECK;
enum err store_audit_open_key(
    struct store_audit *a, const struct secret *content_key) MUST_CHECK;
/* Whether records get pseudonyms for addresses (audit_pseudonym.h). Until their
   key is here a record that has an address is not taken: ERR_BUSY. */
void store_audit_set_pseudonyms(struct store_audit *a, bool on);
/* The key is wanted, and not here. */
bool store_audit_wants_pseudonyms(const struct store_audit *a);
/* What their key's content key is asked for with; the key is made first if
   there is none. Only when it is wanted. */
enum err store_audit_pseudonym_header(
    struct store_audit *a, struct buf *out) MUST_CHECK;
enum err store_audit_open_pseudonyms(
    struct store_audit *a, const struct secret *content_key) MUST_CHECK;
/* Their key does not open: go on with a new one. */
enum err store_audit_renew_pseudonyms(struct store_audit *a) MUST_CHECK;
/* Begin with a new key with the next transaction, signed by nobody: the first
   one, or the old one is lost. */
void store_audit_renew_key(struct store_audit *a);

#endif
