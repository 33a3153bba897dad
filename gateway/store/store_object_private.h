/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of store share of mail for pick-up: its objects, who opened
 * them, what their senders are told and say, accounts, and answers.
 */
#ifndef GATEWAY_STORE_STORE_OBJECT_PRIVATE_H
#define GATEWAY_STORE_STORE_OBJECT_PRIVATE_H

#include "gateway/store/store_private.h"

/* --- object.c --- */

store_apply_fn store_apply_have, store_apply_opened, store_apply_expired,
    store_apply_dropped, store_apply_locked;
/* One of those that a submission brings, with its notices. */
enum err store_add_object(struct store *s, struct db_txn *txn,
    const struct proto_object *o, const struct proto_submit *m) MUST_CHECK;
/* Tell the portal of what this submission brought. */
void store_offer_submitted(struct store *s, struct span submission);
/* It was not committed: have the portal delete the files of its objects. */
void store_drop_submitted(struct store *s, struct span submission);
/* Tell it of every object that it does not have yet, and of what has changed
   since it was told. */
void store_offer_objects(struct store *s);
/* Those that the last commit has changed. */
void store_offer_changed(struct store *s);

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
/* The object is one more, or one less: also of its message. */
enum err store_usage_count(struct db_txn *txn, const char *name,
    const struct store_object *o, bool more) MUST_CHECK;
/* Names of the objects of a message, in the arena: so many at most. */
enum err store_objects_of(struct db_txn *txn, struct arena *a,
    uint64_t message_id, const char **out, size_t max,
    size_t *n_out) MUST_CHECK;
/* May there be this one, too? ERR_QUOTA. */
enum err store_usage_permits(const struct store *s, struct db_txn *txn,
    const struct store_object *o) MUST_CHECK;
store_apply_fn store_apply_recount;
/* Delete the rows of the table state whose keys begin so. */
enum err store_state_drop(struct db_txn *txn, const char *prefix) MUST_CHECK;

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
/* A mail of ours to the sender, whatever the configuration says; reply_to: the
   address for answers, or NULL. ERR_BUSY: not now. */
enum err store_object_mail(struct store *s, struct db_txn *txn, const char *to,
    const char *to_key, const char *subject, const char *reply_to,
    struct span body) MUST_CHECK;
/* The address for answers about it, in the arena; *out is NULL where there is
   none. */
enum err store_object_reply_to(
    struct store *s, const struct store_object *o, const char **out) MUST_CHECK;
/* Begin the record of an object that the portal has and store does not know, as
   after a restore: all of them may be unknown then, so that it is said once a
   day. False, and no record: it was. */
bool store_object_unknown(
    struct store *s, const char *name, struct store_rec *rec) MUST_CHECK;
store_apply_fn store_apply_code, store_apply_dmz;
void store_after_dmz(struct store *s, struct store_op *op);
void store_dmz_link(
    struct store *s, struct store_peer *portal, struct ipc_msg *m);
/* Readers go to a machine that is not reached: what was changed is not so there
   yet. */
bool store_dmz_is_away(const struct store *s);

/* --- object_unread.c: what expires soon and was not opened --- */

/* This one may be to be told of: look at it when it is its time. */
enum err store_unread_expect(struct store *s, struct db_txn *txn,
    const char *name, const struct store_object *o) MUST_CHECK;
/* Look whether it is for any. */
void store_unread_tick(struct store *s);
store_apply_fn store_apply_unread;
/* They are expected anew: at a start. */
enum err store_unread_forget_all(struct db_txn *txn) MUST_CHECK;

/* --- pickup_account.c: accounts of those who pick up mail --- */

/* Digits of our own for the object's recipient, STORE_ACCOUNT_DIGITS + 1
   octets. Those that were made for it before are over. */
enum { STORE_ACCOUNT_DIGITS = 6 };
void store_account_digits(struct store *s, const char *object, char *out);
/* PROTO_ACCOUNT_SET, and what is in it: checked now, written and answered
   soon. */
void store_account_came(
    struct store *s, struct store_peer *portal, struct ipc_msg *m);
void store_account_take(struct store *s, struct span payload);
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
/* resend.c: the original of an object again, to be decided; the object goes.
 */
enum err store_resend(struct store *s, struct db_txn *txn,
    const struct json_t *request) MUST_CHECK;
/* recovery.c: record that somebody is about to open it; the answer, which is
   his once that is committed, has what he needs for it. */
enum err store_recovery_ask(struct store *s, struct db_txn *txn,
    const struct json_t *request, struct json_t *answer) MUST_CHECK;
enum err store_object_extend(struct store *s, struct db_txn *txn,
    const struct json_t *request) MUST_CHECK;

/* Its notices that are not delivered yet go. */
enum err store_object_unsay(struct store *s, struct db_txn *txn,
    const struct store_object *o) MUST_CHECK;
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

#endif
