/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of store share. A change of the spool is an operation: it is
 * queued when a message arrives, applied in a nested transaction with all
 * others of the round, and settled when the commit has succeeded or failed
 * (batch.c). Which file applies what stands in the table there.
 */
#ifndef GATEWAY_STORE_STORE_PRIVATE_H
#define GATEWAY_STORE_STORE_PRIVATE_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/ipc.h"
#include "gateway/proto.h"
#include "gateway/store/audit.h"
#include "gateway/store/audit_rec.h"
#include "gateway/store/census.h"
#include "gateway/store/index.h"
#include "gateway/store/measures.h"
#include "gateway/store/share.h"
#include "gateway/store/spool.h"
#include "gateway/store/store.h"

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
	bool excused; /* the worker said that it cannot work now */
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

/* What is told to postmaster. */
enum store_alarm {
	STORE_ALARM_HELD,
	STORE_ALARM_WAITING,
	STORE_ALARM_TLS,
	STORE_ALARM_KEY_EXPIRED,
	STORE_ALARM_KEY_LOST,
	STORE_ALARM_KEY_WAITS,
	STORE_ALARM_SPOOL,
	STORE_ALARM_AUDIT,
	STORE_ALARM_AUDIT_KEY,
	STORE_ALARM_INTAKE,
	STORE_ALARM_UNKNOWN,
	STORE_ALARM_KINDS
};

enum { STORE_ALARMS_MAX = 20 * STORE_ALARM_KINDS };

/* Alarms since the last mail: the first of each kind with the numbers of their
   records. */
struct store_alarms {
	uint8_t kind[STORE_ALARMS_MAX];
	uint64_t number[STORE_ALARMS_MAX]; /* 0: it has no record */
	size_t n;
	unsigned count[STORE_ALARM_KINDS];
	uint64_t first_ms;  /* steady clock; 0: there is none */
	uint64_t mailed_ms; /* steady clock, the last mail; 0: none yet */
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
	bool tell_portal; /* of objects that were changed */
	uint64_t pruned;  /* store_done_prune() */
	struct store_answering answering[LIMIT_ANSWER_UPLOADS];
	uint64_t answer_turn; /* of the last one that was handed out */
	bool wants_commit;    /* although nothing is in the batch */

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

/* --- submit.c --- */

store_apply_fn store_apply_submit, store_apply_fence;
void store_after_submit(struct store *s, struct store_op *op);
void store_after_fence(struct store *s, struct store_op *op);
/* Tell the listener of a message, with what its next hop said; attempt 0:
   whichever was committed. */
void store_tell_committed(struct store *s, uint64_t id, uint32_t attempt,
    enum err result, bool waits);
/* Is it whole, with its body? ERR_IPC, ERR_NOT_FOUND. */
enum err store_check_entry(
    const struct store *s, const struct entry *e) MUST_CHECK;
/* Check and add one new entry, which counts as accepted at born_ms. */
enum err store_add_entry(struct store *s, struct db_txn *txn,
    const struct entry *e, uint64_t born_ms) MUST_CHECK;

/* --- account.c --- */

bool store_is_rcpt_of(const char *key, const struct entry *pending);
/* A notification of what became of it, to the sender and nobody else. */
bool store_is_notice(const struct entry *e, const struct entry *pending);
/* Does the decision account for every recipient of the pending entry? Records
   who gets nothing more. ERR_PERMISSION. */
enum err store_account(struct store *s, struct db_txn *txn,
    const struct proto_submit *m, const struct entry *pending,
    const struct store_status *st) MUST_CHECK;

/* --- deliver.c --- */

store_apply_fn store_apply_result, store_apply_overdue, store_apply_broken,
    store_apply_doomed;
void store_after_result(struct store *s, struct store_op *op);
void store_deliver_due(struct store *s);
void store_relay_gone(struct store *s);
/* Ask relay for it back. */
void store_recall(struct store *s, uint64_t id);
/* When to try again after so many tries. */
uint64_t store_next_try(const struct store *s, uint32_t tries);
/* Is it time to give it up? */
bool store_is_too_old(const struct store *s, const struct store_status *st);
/* Open the file of an entry's body: -1 when it is not there. */
int store_open_body(const struct store *s, uint64_t id);

/* --- decide.c --- */

store_apply_fn store_apply_undecided, store_apply_crashed;
void store_after_decision(struct store *s, struct store_op *op);
void store_decide_due(struct store *s);
/* Tell a new keys process for which senders entries are decided just now. */
void store_register_all(struct store *s, struct store_peer *keys);
void store_worker_gone(struct store *s, struct store_peer *worker);

/* --- lookups.c --- */

struct store_lookups;

/* With the loop; before the first round. */
void store_lookups_start(struct store *s);
void store_lookups_free(struct store_lookups *l);
/* Messages of discovery: PROTO_ANSWER_NOTE, PROTO_ANSWERS. */
void store_lookups_note(struct store *s, struct ipc_msg *m);
void store_lookups_answer(struct store *s, struct ipc_msg *m);
/* The same of a domain's TLS: store_tls_look(). */
void store_lookups_known(struct store *s, uint64_t id);
/* Ask discovery for the recipients of a pending entry that is due. False: it
   may be offered as it is. */
bool store_lookups_ask(
    struct store *s, const struct entry *e, struct store_item *item);
/* Write what was noted, let go on what was asked for. */
void store_lookups_round(struct store *s);
/* Let discovery ask for it again, if what it knows is old; nobody waits. */
void store_lookups_refresh(struct store *s, const char *key);

/* --- twin.c --- */

/* Has every entry that goes by TLS its original beside it, and the other way
   round, where one says so? ERR_IPC. */
enum err store_twins_check(const struct proto_submit *m) MUST_CHECK;
/* One of two that were found again: if the other is there, too, the original is
   parked once more, else it stays as it is. */
enum err store_twins_park(
    struct store *s, struct db_txn *txn, const struct entry *e) MUST_CHECK;
/* The id of the original that is parked for an entry and goes with it, 0 when
   none is. */
uint64_t store_parked_for(struct store *s, struct db_txn *txn, uint64_t id);
/* Take an entry out, with the original that is parked for it. */
enum err store_remove(
    struct store *s, struct db_txn *txn, uint64_t id, bool in_file) MUST_CHECK;
/* If the TLS of all that is open was not to be had for long enough: let the
   parked original be decided in place of the entry, which is gone then. */
enum err store_twin_wake(struct store *s, struct db_txn *txn,
    const struct entry *entry, const struct proto_result *m,
    struct store_status *st, const uint8_t *done, bool *woken) MUST_CHECK;
/* Positions of the recipients that are not done, in the arena. */
enum err store_open_rcpts(struct store *s, const struct store_status *st,
    uint32_t n, uint32_t **open_out, uint32_t *n_out) MUST_CHECK;
/* Leave only those in e. */
enum err store_narrow(
    struct store *s, const struct store_status *st, struct entry *e) MUST_CHECK;

/* --- object.c --- */

store_apply_fn store_apply_have, store_apply_opened, store_apply_expired,
    store_apply_dropped, store_apply_locked;
enum err store_add_object(struct store *s, struct db_txn *txn,
    const struct proto_object *o, const struct entry *e,
    uint32_t n_entries) MUST_CHECK;
/* Tell the portal of what this submission brought. */
void store_offer_submitted(struct store *s, struct span submission);
/* It was not committed: have the portal delete the files of its objects. */
void store_drop_submitted(struct store *s, struct span submission);
/* Tell it of every object that it does not have yet, and of what has changed
   since it was told. */
void store_offer_objects(struct store *s);

/* It is gone: out of the table, with all that is kept beside it. */
enum err store_object_forget(struct store *s, struct db_txn *txn,
    const char *name, const struct store_object *o) MUST_CHECK;

/* --- object_usage.c: how much there is --- */

struct store_usage {
	uint64_t octets;
	uint64_t objects;
};

/* Of this sender (canonical), or with "" of all. */
enum err store_usage_get(
    struct db_txn *txn, const char *sender, struct store_usage *out) MUST_CHECK;
/* The object is one more, or one less. */
enum err store_usage_count(
    struct db_txn *txn, const struct store_object *o, bool more) MUST_CHECK;
/* May there be this one, too? ERR_QUOTA. */
enum err store_usage_permits(const struct store *s, struct db_txn *txn,
    const struct store_object *o) MUST_CHECK;
store_apply_fn store_apply_recount;

/* --- object_found.c: objects that only their files tell of --- */

store_apply_fn store_apply_found;
/* Is it one of these? Nobody knows its sender. */
bool store_object_is_found(const struct store_object *o);
/* An entry that was salvaged may have its link, and so know. */
enum err store_object_claim(
    struct store *s, struct db_txn *txn, const struct entry *e) MUST_CHECK;

/* --- object_seen.c: who has opened one of late --- */

enum {
	STORE_VIEWS = 16, /* that are kept of an object */
	/* clients of an hour whose first opening stands in the audit log at
	   once and by itself */
	STORE_VIEW_ROWS = 10,
};

/* How often one client has opened it within an hour. */
struct store_view {
	uint64_t hour_ms;	    /* the hour's begin */
	uint64_t first_ms, last_ms; /* Unix time */
	uint32_t times;
	uint32_t unsaid;	    /* of these are not in the audit log yet */
	const char *client, *agent; /* "": all that came after too many */
};

struct store_seen {
	uint64_t hour_ms; /* of the spool's clock; the hour that runs */
	uint32_t rows;	  /* of the audit log in it */
	uint32_t answers; /* that were committed, whatever the portal knows */
	struct store_view view[STORE_VIEWS]; /* the oldest first */
	uint32_t n;
};

/* All zero when nobody has. */
enum err store_seen_get(struct db_txn *txn, struct arena *a, const char *name,
    struct store_seen *out) MUST_CHECK;
/* It was opened, or answered. */
enum err store_seen_note(struct store *s, struct db_txn *txn,
    const struct proto_opened *m) MUST_CHECK;
enum err store_seen_answered(
    struct store *s, struct db_txn *txn, const char *name) MUST_CHECK;
/* It is gone: what was only counted goes to the audit log. */
enum err store_seen_forget(
    struct store *s, struct db_txn *txn, const char *name) MUST_CHECK;
void store_seen_tick(struct store *s);
store_apply_fn store_apply_seen;

/* --- object_tell.c: words to the sender of mail for pick-up --- */

enum store_object_event {
	STORE_OBJECT_OPENED,
	STORE_OBJECT_UNREAD, /* and about to expire */
	STORE_OBJECT_EXPIRED,
	STORE_OBJECT_LOCKED,
};

/* As an entry of its own, unless the configuration says that nobody is told.
   client and agent are of what was opened; else "". */
enum err store_object_tell(struct store *s, struct db_txn *txn,
    const struct store_object *o, enum store_object_event what,
    const char *client, const char *agent) MUST_CHECK;
/* A mail of ours to the sender, whatever the configuration says. ERR_BUSY: not
   now. */
enum err store_object_mail(struct store *s, struct db_txn *txn, const char *to,
    const char *to_key, const char *subject, struct span body) MUST_CHECK;
/* Begin the record of an object that the portal has and store does not know, as
   after a restore: all of them may be unknown then, so that it is said once a
   day. False, and no record: it was. */
bool store_object_unknown(
    struct store *s, const char *name, struct store_rec *rec) MUST_CHECK;
/* Look now and then for what expires soon and was not opened. */
void store_unread_tick(struct store *s);
store_apply_fn store_apply_unread, store_apply_code, store_apply_dmz;
void store_after_dmz(struct store *s, struct store_op *op);
void store_dmz_link(
    struct store *s, struct store_peer *portal, struct ipc_msg *m);

/* --- pickup_account.c: accounts of those who pick up mail --- */

/* Digits of our own for the object's recipient, STORE_ACCOUNT_DIGITS + 1
   octets. Those that were made for it before are over. */
enum { STORE_ACCOUNT_DIGITS = 6 };
void store_account_digits(struct store *s, const char *object, char *out);
/* PROTO_ACCOUNT_SET. */
void store_account_came(
    struct store *s, struct store_peer *portal, struct ipc_msg *m);
/* Write those that have come. ERR_BUSY: not now. */
enum err store_accounts_write(struct store *s, struct ks_store *ks) MUST_CHECK;
/* Tell the portal of all there are. */
void store_offer_accounts(struct store *s);
/* What an event of an account means: a record, and a mail to whose it is. */
enum err store_account_event(
    struct store *s, struct db_txn *txn, const struct ks_event *e) MUST_CHECK;
void store_accounts_free(struct store *s);

/* --- answer.c: answers to mail that was picked up --- */

/* PROTO_ANSWER_CAME, PROTO_ANSWER_BAD. */
void store_answer_came(
    struct store *s, struct store_peer *portal, struct ipc_msg *m);
void store_answer_failed(
    struct store *s, struct store_peer *worker, struct ipc_msg *m);
/* A message was submitted that an answer may have become: committed or not. */
void store_answer_submitted(struct store *s, uint64_t id, enum err result);
/* The object that it answers, NULL if no worker was given it. */
const char *store_answer_object(const struct store *s, uint64_t id);
/* Called when its operations are committed, before it is freed. */
void store_answer_worker_gone(struct store *s, const struct store_peer *worker);

/* --- object_request.c: `sealgate escrow` --- */

enum err store_object_list(struct store *s, struct db_txn *txn,
    const struct json_t *request, struct json_t *answer) MUST_CHECK;
enum err store_object_show(struct store *s, struct db_txn *txn,
    const struct json_t *request, struct json_t *answer) MUST_CHECK;
enum err store_object_revoke(struct store *s, struct db_txn *txn,
    const struct json_t *request) MUST_CHECK;
/* salvaged.c: what the command line left for store under this id. */
enum err store_salvage_read(
    const struct store *s, uint64_t id, struct buf *out) MUST_CHECK;
/* resend.c: the original of an object again, to be decided; the object goes.
 */
enum err store_resend(struct store *s, struct db_txn *txn,
    const struct json_t *request) MUST_CHECK;
/* recovery.c: that somebody is about to open it, and what he needs for that. */
enum err store_recovery_ask(struct store *s, struct db_txn *txn,
    const struct json_t *request) MUST_CHECK;
enum err store_recovery_show(struct store *s, struct db_txn *txn,
    const struct json_t *request, struct json_t *answer) MUST_CHECK;
enum err store_object_extend(struct store *s, struct db_txn *txn,
    const struct json_t *request) MUST_CHECK;

/* Revoke it; let it expire then and be locked no more. o is as it is read, and
   written. */
enum err store_object_drop(struct store *s, struct db_txn *txn,
    const char *name, struct store_object *o) MUST_CHECK;
enum err store_object_until(struct store *s, struct db_txn *txn,
    const char *name, struct store_object *o, uint64_t expires_s) MUST_CHECK;

/* --- object_order.c: what senders say by mail --- */

/* Do it and answer. id: of the message that says so. */
enum err store_object_order(struct store *s, struct db_txn *txn,
    const struct proto_order *m, uint64_t id) MUST_CHECK;

/* --- watch.c --- */

struct store_watch;

struct store_watch *store_watch_new(void);
void store_watch_free(struct store_watch *w);
/* Every second: look at the keys whose turn it is. */
void store_watch_tick(struct store *s);

/* --- keystore.c --- */

/* A member of text that is not too long; none if it is empty. */
void store_rec_text(struct store_rec *r, const char *name, struct span text);

struct ks_store;
struct store_revocation;
struct store_keys;

store_apply_fn store_apply_events;
void store_after_events(struct store *s, struct store_op *op);
enum err store_keys_open(const struct conf *conf, struct store_keys **out,
    struct err_why *why) MUST_CHECK;
void store_keys_close(struct store_keys *k);
/* Borrowed; ks_begin() is ERR_BUSY while another program writes. */
struct ks_store *store_keys_db(const struct store *s);
void store_keys_start(struct store *s);
/* A proposal of admission: PROTO_ADMIT. */
void store_keys_admit(
    struct store *s, struct store_peer *from, struct ipc_msg *m);
/* Write what was proposed; see what is new for the audit log. */
void store_keys_round(struct store *s);
/* For others that write into it between rounds; borrowed. */
struct ks_store *store_keystore(struct store *s);
void store_keys_peer_gone(struct store *s, const struct store_peer *peer);

/* --- issued.c --- */

/* What issuer made: PROTO_CA_KEEP, PROTO_CA_LIST. */
void store_issued(struct store *s, struct store_peer *from, struct ipc_msg *m);

/* --- metrics.c --- */

struct json_t;
/* Seconds since the oldest entry of the queue was made, 0 if there is none. */
enum err store_oldest(
    struct store *s, struct db_txn *txn, uint64_t *out) MUST_CHECK;
/* For a monitoring system: "text" of the answer. */
enum err store_metrics(struct store *s, struct db_txn *txn,
    const struct json_t *request, struct json_t *answer) MUST_CHECK;

/* --- files.c --- */

/* A file of this entry with these octets of sealed body. */
bool store_has_body(const struct store *s, uint64_t id, uint64_t size);
void store_unlink_body(const struct store *s, uint64_t id);
/* Remove files without an entry. */
void store_sweep(struct store *s);

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

/* --- verified.c --- */

store_apply_fn store_apply_verified;
/* Give a new listener what the last one remembered. */
void store_tell_verified(struct store *s, struct store_peer *listener);

/* --- replies.c --- */

struct ks_store;
void store_replies_note(
    struct store *s, struct store_peer *from, struct ipc_msg *m);
void store_replies_peer_gone(struct store *s, const struct store_peer *peer);
/* Write what is noted and answer. ERR_BUSY: not now. */
enum err store_replies_write(struct store *s, struct ks_store *ks) MUST_CHECK;
/* Answer all that is noted, unwritten. */
void store_replies_drop(struct store *s, enum err result);

/* --- request.c --- */

store_apply_fn store_apply_request;
void store_after_request(struct store *s, struct store_op *op);
/* Ask relay for what an administrator held or deleted. */
void store_recall_changed(struct store *s);
/* A request of the command line: answered at once, or queued. */
void store_request(struct store *s, struct store_peer *from, struct ipc_msg *m);

/* --- salvaged.c --- */

struct json_t;

/* Take in the entry of this request: ERR_EXISTS when it is there. */
enum err store_salvage(struct store *s, struct db_txn *txn,
    const struct json_t *request) MUST_CHECK;
/* Tell the sender of the message of this request what the command line has left
   for him: ERR_EXISTS when that was done. */
enum err store_salvage_owed(struct store *s, struct db_txn *txn,
    const struct json_t *request) MUST_CHECK;

/* --- revocation.c: what is known of it, and what is fetched --- */

void store_revocation_start(struct store *s);
void store_revocation_end(struct store *s);
/* Keep PROTO_REVOCATION_WANT or _SAID. */
void store_revocation_note(
    struct store *s, struct store_peer *from, struct ipc_msg *m);

/* --- checkpoint.c: checkpoints of the audit log elsewhere --- */

void store_checkpoint_open(struct store *s);
void store_checkpoint_close(struct store *s);
/* Mail the last checkpoint if that is due. */
void store_checkpoint_tick(struct store *s);
/* arg is the store. */
void store_on_checkpoint(void *arg, const struct store_audit_head *h);
enum err store_apply_mail(
    struct store *s, struct db_txn *txn, struct store_op *op) MUST_CHECK;
/* A message that the gateway writes itself, from nobody. */
struct store_own_mail {
	const char *to, *to_key;
	/* of the entry, NULL for none: or one of those below */
	const char *reason;
	uint8_t require; /* enum entry_require */
	struct span text;
};
#define STORE_OWN_ALARM	  "alarm"
#define STORE_OWN_CODE	  "code"
#define STORE_OWN_RECEIPT "receipt"
#define STORE_OWN_REPORT  "tls-report"
/* Is it own mail with one of these reasons? When it fails it goes: it is never
   held, and raises no alarm. */
bool store_own_mail_may_fail(const struct entry *e);
enum err store_add_own_mail(struct store *s, struct db_txn *txn,
    const struct store_own_mail *m) MUST_CHECK;

/* --- alarm.c: alarms by mail --- */

/* Is it one? Then raise it once the record is added. */
void store_alarm_look(struct store *s, struct span rec);
/* Raise one that has no record. */
void store_alarm_tell(struct store *s, enum store_alarm kind);
/* Mail what was collected if that is due. */
void store_alarm_tick(struct store *s);
enum err store_apply_alarm(
    struct store *s, struct db_txn *txn, struct store_op *op) MUST_CHECK;

#endif
