/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of store share. A change of the spool is an operation: it is
 * queued when a message arrives, applied in a nested transaction with all
 * others of the round, and settled when the commit has succeeded or failed
 * (batch.c). Which file applies what stands in the table there. Of entries,
 * objects and keys the rest is in headers of their own.
 */
#ifndef GATEWAY_STORE_STORE_PRIVATE_H
#define GATEWAY_STORE_STORE_PRIVATE_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/ipc.h"
#include "common/object_header.h"
#include "gateway/proto.h"
#include "gateway/store/audit.h"
#include "gateway/store/audit_rec.h"
#include "gateway/store/census.h"
#include "gateway/store/index.h"
#include "gateway/store/measures.h"
#include "gateway/store/share.h"
#include "gateway/store/spool.h"
#include "gateway/store/store.h"
#include "gateway/store/store_alarm_private.h"

struct json_t;
struct ks_event;
struct ks_store;

enum {
	/* entries that relay has at a time, and those of one next hop: at
	   least, and however fast it takes them */
	STORE_WINDOW = 512,
	STORE_SHARE_MIN = 10,
	STORE_SHARE_MAX = 256,
	/* entries that are looked at in one round for who is due */
	STORE_LOOK_MAX = 1024,
	/* objects of one commit that the portal hears of by name */
	STORE_CHANGED = 64,
	/* milliseconds a message's id is remembered after its commit */
	STORE_DONE_MS = 15 * 60 * 1000,
	/* milliseconds until a failed commit is tried again */
	STORE_RETRY_MS = 1000,
	/* milliseconds without a commit after which the clock is saved */
	STORE_CLOCK_MS = 60 * 1000,
	/* milliseconds of good work after which faults are forgiven */
	STORE_FORGIVE_MS = 10 * 60 * 1000,
	/* milliseconds between looks for files without an entry, and how old
	   such a file must be: a worker may be about to submit it */
	STORE_SWEEP_MS = 3600 * 1000,
	STORE_SWEEP_AGE_S = 15 * 60,
	/* octets of strings and arrays of one operation */
	STORE_ARENA = 64 * 1024 * 1024,
};

struct store_peer {
	struct store_peer *next;
	struct store *store;
	enum role_id id;
	unsigned index;
	struct ipc *ch;
	uint64_t deciding; /* the pending entry this worker has, or 0 */
};

/* An answer to mail that was picked up that a worker has, or had when it died;
   all zero: a free place. */
struct store_answering {
	uint64_t id;
	const struct store_peer *worker; /* NULL: it died */
	uint64_t turn;			 /* order in which workers got them */
	bool excused;  /* the worker said that it cannot work now */
	bool counted;  /* among the strays */
	bool stray;    /* nobody knows whom it must be from: it will be held */
	uint64_t size; /* octets of a stray */
	unsigned deaths;
	char object[65]; /* that it answers */
};

enum store_op_kind {
	STORE_OP_SUBMIT,
	STORE_OP_FENCE,
	STORE_OP_RESULT,
	STORE_OP_UNDECIDED,
	STORE_OP_CRASHED, /* a worker died that had this entry */
	STORE_OP_OVERDUE, /* the object it waits for does not come */
	STORE_OP_BROKEN,  /* its body is not there */
	STORE_OP_DOOMED,  /* deleted, and nothing is under way any more */
	STORE_OP_HAVE,
	STORE_OP_OPENED,
	STORE_OP_EXPIRED,
	STORE_OP_DROPPED,
	STORE_OP_LOCKED,
	STORE_OP_CODE,	   /* for the recipient of an object */
	STORE_OP_DMZ,	   /* an event of a portal in a DMZ: object_dmz.c */
	STORE_OP_UNREAD,   /* look for what nobody has opened */
	STORE_OP_REQUEST,  /* of an administrator */
	STORE_OP_RECORD,   /* the payload is a record for the audit log */
	STORE_OP_EVENTS,   /* what happened to keys goes to the audit log */
	STORE_OP_MAIL,	   /* the payload is a message of our own */
	STORE_OP_ALARM,	   /* the same for postmaster: alarm.c */
	STORE_OP_VERIFIED, /* verified.c */
	STORE_OP_UNWAIT,   /* wait.h: the client is answered now, */
	STORE_OP_ABANDON,  /* or it is gone */
	STORE_OP_REPORT,   /* a report on TLS, as tls_report_send.c packs it */
	STORE_OP_NOTIFIED,
	STORE_OP_FOUND,	  /* what the portal has */
	STORE_OP_SEEN,	  /* say how often objects were opened */
	STORE_OP_RECOUNT, /* mail for pick-up, at the start */
	STORE_OP_KINDS
};

struct store_tls;
struct store_wait;

/* A notification that relay makes. */
struct store_asked {
	uint64_t message_id;
	uint64_t ms; /* steady clock */
};

struct store_op {
	struct store_op *next;
	enum store_op_kind kind;
	uint64_t id;
	struct store_peer *from; /* NULL once it is gone */
	bool of_opener;
	struct span payload;
	uint8_t *copy; /* owned, of the payload; or it is in the map */
	struct memfd_map map;
	enum err result;
	uint32_t n_objects; /* that a submission brought */
	bool took;	    /* a result: the next hop had its say */
	bool waits;	    /* a submission: its client is not answered yet */
	bool more;	    /* a result: others of the attempt come */
	bool told;	    /* a notification: it is stored */
	bool fresh;	    /* of a DMZ: it was not said before */
	struct buf answer;  /* of a request */
};

/* What the portal has said of its other machine. */
struct store_dmz {
	bool up;
	uint64_t skew_s; /* between the clocks */
	char why[256];	 /* it is not up; "": nothing is known */
};

struct store {
	const struct conf *conf;
	struct loop *loop;
	struct loop_hook *hook;
	struct loop_timer *due_timer;
	struct loop_timer *tick_timer;
	void (*on_end)(void *arg, bool failed);
	void *arg;

	struct db *db;
	struct store_lookups *lookups;
	struct store_index *index;
	struct store_audit *audit;
	struct store_clock clock;
	int bodies_fd;
	struct arena *arena;	 /* of one operation */
	struct store_keys *keys; /* the keystore */
	struct store_revocation *revocation;
	struct store_watch *watch;
	struct store_tls *tls;
	struct store_peer *peers;
	size_t with_relay; /* entries */
	struct store_shares *shares;
	struct store_measures *measures;
	struct store_census *census;
	bool looks_on; /* there may be more that is due and has room */

	/* the batch */
	struct store_op *first, **last;
	bool urgent;	    /* somebody waits for one of them */
	uint64_t queued_ms; /* steady clock: the first of them */
	uint64_t *touched;  /* entries to look at again after the commit */
	size_t n_touched, cap_touched;
	uint64_t *orphan; /* entries whose body files go after the commit */
	size_t n_orphans, cap_orphans;
	unsigned n_batch; /* operations of the last commit */
	bool recall;	  /* relay has what was held or deleted */
	/* objects that the portal hears of after the commit; when there are
	   more, of all that it has not confirmed */
	char changed[STORE_CHANGED][OBJECT_ID_TEXT_SIZE];
	size_t n_changed;
	uint64_t pruned; /* store_done_prune() */
	struct store_answering answering[LIMIT_ANSWER_UPLOADS];
	uint64_t answer_turn; /* of the last one that was handed out */
	/* answers to what nothing is known of, in the hour that began then */
	uint32_t strays;
	uint64_t strays_ms;
	uint64_t full_ms;  /* steady clock: no more are held; 0: they are */
	bool wants_commit; /* although nothing is in the batch */

	uint64_t unknown_ms; /* steady clock: object-unknown was said; 0: not */
	uint64_t seen_ms;    /* when to look at how often they were, of the
				spool's clock */
	uint64_t unread_s;   /* when to look for objects nobody has opened */
	uint64_t started_ms, committed_ms, swept_ms; /* steady clock */
	/* checkpoint.c */
	int syslog_fd;
	struct store_audit_head checkpoint; /* the last one */
	uint64_t mailed_seq;
	uint64_t mailed_ms; /* steady clock; 0: not yet */
	struct store_alarms alarms;
	struct sealed_pub ready_pub;
	struct store_wait *waits;  /* wait.c */
	struct store_asked *asked; /* notice.c */
	size_t n_asked;
	uint64_t listener_ms; /* steady clock: it came; 0: it is not there */
	uint64_t retry_ms;    /* not before; 0: now */
	enum err intake;      /* ERR_OK: new mail may come */
	struct store_dmz dmz;
	struct store_note *notes;	 /* replies.c */
	struct store_accounts *accounts; /* pickup_account.c */
	struct buf notes_swept; /* up to which old ones were looked at */
	bool forgiven;
	bool stopping;
	bool ended;
	bool failed;
	uint64_t stop_ms;	/* when waiting ends */
	uint64_t keys_again_ms; /* steady clock; 0: they have answered */
};

/* --- batch.c --- */

/* Queue an operation; the payload is copied, or taken from the message. from
   may be NULL. */
void store_queue(struct store *s, enum store_op_kind kind, uint64_t id,
    struct store_peer *from, struct span payload);
void store_queue_msg(struct store *s, enum store_op_kind kind,
    struct store_peer *from, struct ipc_msg *m);
void store_commit(struct store *s);
/* Commit what is queued, then hand out what is due. */
void store_round(struct store *s);
/* For the functions that apply: the entry's status changed. */
void store_touch(struct store *s, uint64_t id);
/* For them: this entry is gone and had a file. */
void store_orphan(struct store *s, uint64_t id);
void store_drop_ops(struct store *s);
/* Nothing can go on; end with this status. */
void store_end(struct store *s, bool failed);
uint64_t store_now(const struct store *s);
/* Add a record to the audit log, and raise the alarm that it is. */
enum err store_add_record_text(
    struct store *s, struct db_txn *txn, struct span rec) MUST_CHECK;
/* The same, which is cleared. */
enum err store_add_record(
    struct store *s, struct db_txn *txn, struct store_rec *r) MUST_CHECK;

/* Each applies one kind of operation within its own nested transaction; what
   it returns other than ERR_OK gives that up. */
typedef enum err store_apply_fn(
    struct store *s, struct db_txn *txn, struct store_op *op);

/* --- metrics.c --- */

/* Seconds since the oldest entry of the queue was made, 0 if there is none. */
enum err store_oldest(
    struct store *s, struct db_txn *txn, uint64_t *out) MUST_CHECK;
/* For a monitoring system: "text" of the answer. */
enum err store_metrics(struct store *s, struct db_txn *txn,
    const struct json_t *request, struct json_t *answer) MUST_CHECK;

/* --- store.c --- */

/* Below the reserve no new mail is taken. */
void store_look_at_space(struct store *s);

/* --- peers.c --- */

struct store_peer *store_find_peer(
    const struct store *s, enum role_id id, unsigned index);
/* A worker or opener that decides nothing; NULL if there is none. */
struct store_peer *store_idle_worker(const struct store *s, enum role_id role);
void store_drop_peers(struct store *s);
/* Ask for the keys of the audit log that are wanted. */
void store_ask_keys(struct store *s);
/* Ask again once a while has passed after a failure that may go away. */
void store_keys_tick(struct store *s);
/* Tell the listener whether new mail may come. */
void store_tell_intake(struct store *s);

/* --- request.c --- */

store_apply_fn store_apply_request;
void store_after_request(struct store *s, struct store_op *op);
/* Ask relay for what an administrator held or deleted. */
void store_recall_changed(struct store *s);
/* A request of the command line: answered at once, or queued. */
void store_request(struct store *s, struct store_peer *from, struct ipc_msg *m);

#endif
