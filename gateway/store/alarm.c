/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Alarms by mail: records of some types, and what has no record, are collected
 * and told to postmaster in one message now and then. It names numbers of
 * records, never a message, an address or what a peer said: the audit log says
 * the rest to who may read it. What becomes of such a mail raises no alarm.
 */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "gateway/conf.h"
#include "gateway/store/store_private.h"
#include "mime/addr.h"
#include "mime/date.h"

enum {
	GATHER_MS = 2000, /* what comes at once is told at once */
	NUMBERS = 20,	  /* records named of each type */
	TEXT = 16 * 1024,
};

static const struct {
	const char *type; /* of the record, or a word of the log */
	const char *text; /* what it is and what to do */
} kinds[STORE_ALARM_KINDS] = {
    [STORE_ALARM_HELD] = {"held",
	"Mail is held: nobody can be told that it failed, or it could not be "
	"protected in time. sealgate queue list --state held"},
    [STORE_ALARM_WAITING] = {"waiting",
	"The portal does not take what was stored for pick-up. sealgate queue "
	"list --state waiting"},
    [STORE_ALARM_TLS] = {"tls-dropped",
	"The mail servers of a domain have less TLS than they had. sealgate "
	"domain list --tls"},
    [STORE_ALARM_KEY_EXPIRED] = {"key-expired",
	"The last key of an address is over."},
    [STORE_ALARM_KEY_LOST] = {"key-lost",
	"A source no longer has the key of an address."},
    [STORE_ALARM_KEY_WAITS] = {"key-waits",
	"A key waits for approval. sealgate key pending"},
    [STORE_ALARM_SPOOL] = {"spool-moved-aside",
	"The spool could not be opened and was moved aside. sealgate queue "
	"salvage"},
    [STORE_ALARM_AUDIT] = {"audit-damaged",
	"The audit log is damaged. sealgate audit verify"},
    [STORE_ALARM_AUDIT_KEY] = {"audit-key-lost",
	"A key of the audit log does not open: it goes on with a new one."},
    [STORE_ALARM_INTAKE] = {"intake-closed",
	"New mail was refused: the disk is full, or fails. sealgate status"},
    [STORE_ALARM_UNKNOWN] = {"object-unknown",
	"The portal has objects that the spool does not know, as after a "
	"restore: answers to them are held. sealgate escrow list"},
};

/* --- collecting --- */

static void
collect(struct store *s, enum store_alarm kind, uint64_t number)
{
	struct store_alarms *a = &s->alarms;

	if (s->conf->alarm_to == NULL)
		return;
	if (a->count[kind] < NUMBERS && a->n < STORE_ALARMS_MAX) {
		a->kind[a->n] = (uint8_t)kind;
		a->number[a->n++] = number;
	}
	if (a->first_ms == 0)
		a->first_ms = clock_steady_ms();
	a->count[kind]++;
}

void
store_alarm_tell(struct store *s, enum store_alarm kind)
{
	collect(s, kind, 0);
}

void
store_alarm_look(struct store *s, struct span rec)
{
	static const char begin[] = "{\"type\":\"";
	size_t n = sizeof(begin) - 1, end;
	struct span type;

	if (rec.len < n || memcmp(rec.data, begin, n) != 0)
		return;
	end = span_find_chr(rec, n, '"');
	type = SPAN(rec.data + n, end - n);
	for (int k = 0; k < STORE_ALARM_KINDS; k++)
		if (span_eq_str(type, kinds[k].type))
			collect(s, (enum store_alarm)k,
			    store_audit_mark(s->audit).seq);
}

/* --- telling --- */

static void
put_kind(const struct store_alarms *a, int kind, struct buf *out)
{
	unsigned named = 0;
	enum err e;

	e = buf_printf(out, "%s: %u\r\n  %s\r\n", kinds[kind].type,
	    a->count[kind], kinds[kind].text);
	for (size_t i = 0; i < a->n && e == ERR_OK; i++)
		if (a->kind[i] == kind && a->number[i] != 0) {
			e = buf_printf(out, "  sealgate audit show %llu\r\n",
			    (unsigned long long)a->number[i]);
			named++;
		}
	if (e == ERR_OK && named > 0 && named < a->count[kind])
		e = buf_printf(out,
		    "  and %u more: sealgate audit list --type %s\r\n",
		    a->count[kind] - named, kinds[kind].type);
	if (e == ERR_OK)
		e = buf_puts(out, "\r\n");
	if (e != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "alarm-mail", KV_ERR(e));
}

static enum err
write_mail(struct store *s, struct buf *out)
{
	const struct store_alarms *a = &s->alarms;
	const char *host = s->conf->hostname;
	char time[TEXT_TIME_SIZE];
	unsigned all = 0;
	enum err e;

	for (int k = 0; k < STORE_ALARM_KINDS; k++)
		all += a->count[k];
	text_time_ms(clock_unix_ms(), time);
	e = buf_printf(out,
	    "From: <postmaster@%s>\r\n"
	    "To: <%s>\r\n"
	    "Subject: %u alarm%s of %s\r\n"
	    "Date: %s\r\n"
	    "Message-ID: <alarm.%llu.%llu@%s>\r\n"
	    "Auto-Submitted: auto-generated\r\n"
	    "\r\n"
	    "What the gateway %s raised an alarm for up to %s,\r\n"
	    "and where its audit log says more:\r\n\r\n",
	    host, s->conf->alarm_to, all, all == 1 ? "" : "s", host,
	    mime_date((int64_t)(clock_unix_ms() / 1000)).text,
	    (unsigned long long)clock_unix_ms(),
	    (unsigned long long)store_audit_mark(s->audit).seq, host, host,
	    time);
	if (e != ERR_OK)
		return e;
	for (int k = 0; k < STORE_ALARM_KINDS; k++)
		if (a->count[k] > 0)
			put_kind(a, k, out);
	return ERR_OK;
}

void
store_alarm_tick(struct store *s)
{
	struct store_alarms *a = &s->alarms;
	uint64_t now = clock_steady_ms();
	struct buf text;

	if (a->first_ms == 0 || now - a->first_ms < GATHER_MS || s->stopping ||
	    s->conf->alarm_to == NULL || s->ready_pub.purpose != SEALED_READY ||
	    (a->mailed_ms != 0 && now - a->mailed_ms < s->conf->alarm_ms))
		return;
	buf_init(&text, TEXT);
	if (write_mail(s, &text) == ERR_OK) {
		store_queue(s, STORE_OP_ALARM, 0, NULL, buf_span(&text));
		*a = (struct store_alarms){.mailed_ms = now};
	}
	buf_clear(&text);
}

enum err
store_apply_alarm(struct store *s, struct db_txn *txn, struct store_op *op)
{
	struct store_own_mail m = {.to = s->conf->alarm_to,
	    .text = op->payload,
	    .reason = STORE_OWN_ALARM};
	struct mime_addr addr;

	/* the configuration may have changed since */
	if (m.to == NULL)
		return ERR_OK;
	if (mime_addr_parse(span_str(m.to), MIME_ADDR_UTF8, s->arena, &addr,
		NULL) != ERR_OK)
		return ERR_OK;
	m.to_key = addr.key;
	return store_add_own_mail(s, txn, &m);
}
