/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of the child of `sealgate queue salvage` share: what was
 * found in an environment that was moved aside, and what the audit log says
 * of it.
 */
#ifndef GATEWAY_CLI_QUEUE_SALVAGE_PRIVATE_H
#define GATEWAY_CLI_QUEUE_SALVAGE_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "gateway/cli/audit_private.h"
#include "gateway/entry.h"

struct dsn;
struct dsn_rcpt;
struct json_t;

enum { SALVAGE_PATH_SIZE = 1200, SALVAGE_BUCKETS = 1 << 16 };

/* What the log says of a recipient that failed; nobody has told the sender
   yet. */
struct salvage_owed {
	const char *status;
	const char *peer;
	const char *text;
	uint16_t code;
};

/* One entry that was found. */
struct salvage_find {
	uint64_t id;
	uint64_t message_id;
	enum entry_kind kind;
	bool in_file;
	bool gone;	  /* deleted, or nobody is left */
	bool noted;	  /* a notification, and the log has it */
	bool row;	  /* no entry: what a sender was to be told */
	const char *from; /* "" the null sender */
	const char *from_key;
	const char *envid;
	uint64_t accepted_ms;
	uint64_t twin;
	uint32_t n_rcpt;
	struct entry_rcpt *rcpt;
	uint8_t *done;
	const struct salvage_owed **owed; /* NULL: nothing */
	struct span record;		  /* in the mapped file */
	bool whole;			  /* it certainly is */
	/* places in the list, from 1, of the next with the same hash */
	size_t next_id, next_message;
};

/* The child's work. */
struct salvage {
	const struct conf *conf;
	struct audit_names names;
	const char
	    *name; /* of the directory, the same below spool and bodies */
	struct span data; /* the mapped file */
	struct arena *scan;
	struct arena *arena;
	struct salvage_find *find;
	size_t n, cap;
	size_t by_id[SALVAGE_BUCKETS]; /* places, from 1 */
	size_t by_message[SALVAGE_BUCKETS];
	uint64_t *ids; /* of body files */
	size_t n_ids;
};

/* --- queue_salvage_child.c --- */

/* What an allocation has given; there is no going on without it. */
void *cli_salvage_must(void *p);
/* A copy that stays. */
const char *cli_salvage_keep(struct salvage *w, const char *text);
/* One more, with room for so many recipients; its ids are set by then. */
struct salvage_find *cli_salvage_add(
    struct salvage *w, const struct salvage_find *new, uint32_t n_rcpt);
/* NULL when it was not found. */
struct salvage_find *cli_salvage_find(struct salvage *w, uint64_t id);
/* The first find of a message, and the next behind one; NULL: there is none. */
struct salvage_find *cli_salvage_first(struct salvage *w, uint64_t message);
struct salvage_find *cli_salvage_next(
    struct salvage *w, const struct salvage_find *f);
/* The place of a recipient, as the log writes him; n_rcpt when he is none or
   could be either of two. */
uint32_t cli_salvage_rcpt(
    const struct salvage *w, const struct salvage_find *f, const char *rcpt);
/* Where something is left for store: the id, and what is behind it. */
void cli_salvage_path(const struct salvage *w, uint64_t id, const char *suffix,
    char out[SALVAGE_PATH_SIZE]);
bool cli_salvage_put(const char *path, struct span octets);

/* --- queue_salvage_owed.c: what senders were not told yet --- */

/* What store had noted itself, a store_salvage_notice_fn: before the log is
   read, which says what senders were told of it. */
void cli_owed_row(void *arg, uint64_t message_id, const struct dsn *head,
    const struct dsn_rcpt *fact);
/* One record of the log, in its order. */
void cli_owed_note(struct salvage *w, const struct json_t *rec);
/* When all are noted: a notification that is there although the log does not
   have it yet was made in the last moment. */
void cli_owed_end(struct salvage *w);
/* Leave for store what the sender of this find's message is to be told; *left
   is false when that is nothing, or was left with another. False when it
   cannot be written, which is said. */
bool cli_owed_leave(
    struct salvage *w, const struct salvage_find *f, bool *left);

#endif
