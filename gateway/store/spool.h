/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The spool's environment: its tables, the octets of what store keeps beside
 * an entry, opening it, and putting it aside when it cannot be used. Octets:
 * docs/format-spool.md. What changes them is submit.c, deliver.c, decide.c.
 */
#ifndef GATEWAY_STORE_SPOOL_H
#define GATEWAY_STORE_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/db.h"
#include "common/object_header.h"
#include "gateway/entry.h"

struct conf;

enum store_table {
	STORE_ENTRY,	/* id → entry as entry_pack() writes it */
	STORE_STATUS,	/* id → struct store_status */
	STORE_DONE,	/* message id → struct store_done */
	STORE_OBJECT,	/* name of an escrow object → struct store_object */
	STORE_AUDIT,	/* sequence number → line of the log */
	STORE_STATE,	/* name → value */
	STORE_NOTICE,	/* message id and number → what is to be told of it */
	STORE_RECOVERY, /* name of an escrow object → its keys, CMS */
	STORE_TABLES
};

/* The zero value is the one in which nothing goes out. */
enum store_state {
	STORE_HELD = 0, /* an administrator decides */
	STORE_WAITING,	/* for the portal to have the escrow object */
	STORE_QUEUED,	/* to be delivered or decided when due */
	STORE_PARKED,	/* until the TLS of its twin is given up */
};

/* What changes of an entry. Times are of the spool's clock. */
struct store_status {
	uint64_t message_id;
	enum entry_kind kind;
	enum store_state state;
	bool doomed;   /* deleted; ends when nothing is under way any more */
	bool warned;   /* the sender was told that it is late */
	bool released; /* an administrator let it go on */
	bool in_file;  /* the body is a file, named by the id as text */
	bool inbound;  /* its route: openers decide it, no worker */
	bool waits;    /* its client has not been answered: what the next hop
			  says of it decides whose it is */
	enum entry_why why;
	uint64_t born_ms; /* accepted */
	uint64_t due_ms;  /* next try */
	uint64_t hold_ms; /* held when undecided since then for too long, and
			     given up: accepted, released, or its object came */
	uint32_t tries;
	uint32_t crashes;   /* workers it killed while being decided */
	const char *object; /* escrow object it waits for, "" */
	const char *last;   /* what the last try said, "" */
	struct span done;   /* an octet a recipient: enum proto_outcome */
};

enum err store_status_get(struct db_txn *txn, struct arena *a, uint64_t id,
    struct store_status *out) MUST_CHECK;
enum err store_status_put(
    struct db_txn *txn, uint64_t id, const struct store_status *s) MUST_CHECK;
enum err store_status_unpack(
    struct span in, struct arena *a, struct store_status *out) MUST_CHECK;

/* The entry, borrowed from the transaction and the arena. */
enum err store_entry_get(struct db_txn *txn, struct arena *a, uint64_t id,
    struct entry *out) MUST_CHECK;
/* Add a new entry that was checked (submit.h). ERR_EXISTS. */
enum err store_entry_add(struct db_txn *txn, const struct entry *e,
    const struct store_status *s) MUST_CHECK;
/* Remove it with its status; a file stays until the change is durable. */
enum err store_entry_del(struct db_txn *txn, uint64_t id) MUST_CHECK;

/* What store remembers of a message's id. */
struct store_done {
	uint64_t when_ms; /* of the spool's clock */
	uint32_t attempt; /* committed, or the last that was fenced off */
	bool committed;
	uint8_t digest[DIGEST_SIZE]; /* of what was committed */
	/* What the next hop said while the client waited; code 0: nothing. */
	uint16_t code;
	const char *status;
	const char *text;
};

enum err store_done_get(struct db_txn *txn, struct arena *a, uint64_t id,
    struct store_done *out) MUST_CHECK;
enum err store_done_put(
    struct db_txn *txn, uint64_t id, const struct store_done *d) MUST_CHECK;
/* Forget what is older than before_ms, at most max messages and max answers.
 *at is how far it came with answers. */
enum err store_done_prune(struct db_txn *txn, uint64_t before_ms, unsigned max,
    uint64_t *at) MUST_CHECK;

/* What the portal is still to be told of an object. */
enum store_object_tell {
	STORE_OBJECT_TOLD = 0,
	STORE_OBJECT_TELL_UNTIL, /* its new expiry; not locked any more */
	STORE_OBJECT_TELL_DROP,	 /* it is revoked */
	STORE_OBJECT_TELLS
};

enum { STORE_OBJECT_NAME = 64 }; /* octets, at most */

struct store_object {
	uint64_t size;
	uint64_t expires_s;
	bool have;	  /* the portal said so */
	uint64_t *notice; /* entries with its link */
	uint32_t n_notices;
	uint64_t message_id;
	const char *from; /* who has sent it */
	const char *from_key;
	const char *rcpt; /* who may open it */
	const char *rcpt_key;
	enum object_factor factor;
	enum object_door door;
	const char **answer_to; /* canonical: whom an answer may go to */
	uint32_t n_answer_to;
	uint64_t created_s;
	enum store_object_tell tell;
	bool locked;
	bool warned;	   /* the sender was told that nobody has opened it */
	uint32_t views;	   /* how often it was opened */
	uint64_t first_ms; /* Unix time of the first and of the last */
	uint64_t last_ms;
	const char *last_client;
	uint32_t codes;	   /* mailed in the hour that began... */
	uint64_t codes_ms; /* ...at this time of the spool's clock */
	/* of the address for answers about it: PICKUP_WORD_MAC octets, or
	   none */
	struct span reply_mac;
};

enum err store_object_unpack(
    struct span in, struct arena *a, struct store_object *out) MUST_CHECK;
enum err store_object_get(struct db_txn *txn, struct arena *a, const char *name,
    struct store_object *out) MUST_CHECK;
enum err store_object_put(struct db_txn *txn, const char *name,
    const struct store_object *o) MUST_CHECK;

/* The clock mail ages by: steady while this machine runs, whoever sets the
   other one, and standing still while it is off. */
struct store_clock {
	uint64_t base_ms;   /* of the spool's clock, at... */
	uint64_t steady_ms; /* ...this moment of clock_steady_ms() */
	char boot[40];	    /* the running system's boot id */
	bool rebooted;	    /* since the spool was last written */
};

uint64_t store_clock_now(const struct store_clock *c);
enum err store_clock_load(
    struct db_txn *txn, struct store_clock *out) MUST_CHECK;
enum err store_clock_save(
    struct db_txn *txn, const struct store_clock *c) MUST_CHECK;

struct store_opened {
	struct db *db;
	/* The directory below spool and bodies that the files of an unusable
	   environment were moved to, "" */
	char aside[32];
};

/* Open the environment at conf->paths.spool and make the directories of spool
   and bodies. One that is no database any more, or that made this process
   fault twice (store_crash_watch()), is moved aside together with the bodies
   and a new one opened; out->aside says so. */
enum err store_spool_open(const struct conf *conf, struct store_opened *out,
    struct err_why *why) MUST_CHECK;
/* From here on a fault in this process is counted in spool/faults. Only
   what an environment can cause counts: faults and aborts, not kills. */
void store_crash_watch(const struct conf *conf);
/* It has run well for a while: forget the faults. */
void store_crash_forgive(void);

#endif
