/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What store says to postmaster and what else it writes by itself: alarms,
 * checkpoints of the audit log, mail from nobody.
 */
#ifndef GATEWAY_STORE_STORE_ALARM_PRIVATE_H
#define GATEWAY_STORE_STORE_ALARM_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

struct db_txn;
struct entry;
struct store;
struct store_audit_head;
struct store_op;

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
