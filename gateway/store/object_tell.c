/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Mail for pick-up belongs to its sender: who hears when it was opened for the
 * first time and from where, that nobody has opened it and its time is nearly
 * over or over, and that it is locked. "Opened", never "read by": who it was
 * nobody here can know.
 */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/object_header.h"
#include "common/pack.h"
#include "common/secret.h"
#include "common/text.h"
#include "gateway/conf.h"
#include "gateway/pickup_word.h"
#include "gateway/store/store_object_private.h"
#include "gateway/store/store_private.h"
#include "mime/compose.h"

enum {
	MAIL_MAX = 64 * 1024,
	CODE_DIGITS = 6,
	HOUR_MS = 3600 * 1000,
	UNKNOWN_MS = 24 * HOUR_MS,
};

struct words {
	const char *subject;
	const char *text; /* what comes behind "your message to RCPT" */
};

static const struct words words[] = {
    [STORE_OBJECT_OPENED] = {"Opened: your message to ",
	"was opened for the first time."},
    [STORE_OBJECT_UNREAD] = {"Not opened yet: your message to ",
	"has not been opened, and its time is nearly over."},
    [STORE_OBJECT_EXPIRED] = {"Expired: your message to ",
	"has expired. Nobody has opened it, and nobody can any more."},
    [STORE_OBJECT_LOCKED] = {"Locked: your message to ",
	"is locked, because wrong passphrases were tried too often.\n"
	"Nobody can open it now. Your administrator can lift that."},
};

static enum err
put_text(const struct store *s, const struct store_object *o,
    enum store_object_event what, const char *client, const char *agent,
    bool may_reply, struct buf *out)
{
	char sent[TEXT_TIME_SIZE], until[TEXT_TIME_SIZE], plain[512];
	enum err e;

	text_time_ms(o->created_s * 1000, sent);
	text_time_ms(o->expires_s * 1000, until);
	e = buf_printf(out,
	    "Hello,\n\nyour message of %s to\n\n    %s\n\n%s\n\n", sent,
	    o->rcpt, words[what].text);
	if (e == ERR_OK && client[0] != '\0') {
		text_escape(span_str(agent), plain, sizeof(plain));
		e = buf_printf(out, "From the address  %s\n%s%s%s", client,
		    agent[0] != '\0' ? "With              " : "",
		    agent[0] != '\0' ? plain : "",
		    agent[0] != '\0' ? "\n" : "");
	}
	if (e == ERR_OK && o->tell == STORE_OBJECT_TELL_DROP)
		e = buf_puts(out, "It is recalled since.\n");
	else if (e == ERR_OK && what != STORE_OBJECT_EXPIRED)
		e = buf_printf(out, "It can be opened until %s.\n", until);
	if (e == ERR_OK && what == STORE_OBJECT_OPENED)
		e = buf_puts(out,
		    "Programs that look for malware may open links, too: the "
		    "above says from where.\n");
	if (e == ERR_OK && may_reply)
		e = pickup_word_help(s->conf, out);
	return e != ERR_OK ? e
			   : buf_printf(out,
				 "\n-- \nSent by the encryption gateway of "
				 "%s\n",
				 s->conf->hostname);
}

static enum err
write_mail(struct store *s, const char *to, const char *subject,
    const char *reply_to, struct span body, struct buf *out)
{
	static const struct mime_compose_field extra[] = {
	    {"Auto-Submitted", "auto-generated"},
	};
	struct mime_sink sink = mime_sink_buf(out);
	char id[TEXT_ID_SIZE];
	struct mime_compose m = {.from_name = "Encryption gateway",
	    .from = arena_printf(s->arena, "postmaster@%s", s->conf->hostname),
	    .to = to,
	    .reply_to = reply_to,
	    .subject = subject,
	    .date_s = (int64_t)(clock_unix_ms() / 1000),
	    .extra = extra,
	    .n_extra = 1,
	    .body = body};

	text_id(entry_new_id(), id);
	m.message_id =
	    arena_printf(s->arena, "pickup.%s@%s", id, s->conf->hostname);
	if (m.from == NULL || m.subject == NULL || m.message_id == NULL)
		return ERR_NOMEM;
	return mime_compose_write(&m, &sink);
}

enum err
store_object_mail(struct store *s, struct db_txn *txn, const char *to,
    const char *to_key, const char *subject, const char *reply_to,
    struct span body)
{
	struct store_own_mail own = {
	    .to = to, .to_key = to_key, .reason = STORE_OWN_RECEIPT};
	struct buf msg;
	enum err e;

	/* keys tells in a moment what to seal it to: it is tried again */
	if (s->ready_pub.purpose != SEALED_READY)
		return ERR_BUSY;
	buf_init(&msg, 4 * body.len + MAIL_MAX);
	e = write_mail(s, to, subject, reply_to, body, &msg);
	own.text = buf_span(&msg);
	if (e == ERR_OK)
		e = store_add_own_mail(s, txn, &own);
	buf_clear(&msg);
	return e;
}

enum err
store_object_reply_to(
    struct store *s, const struct store_object *o, const char **out)
{
	const char *addr = NULL;

	if (o->reply_mac.len == PICKUP_WORD_MAC) {
		addr = pickup_reply_address(
		    s->conf, o->message_id, o->reply_mac.data, s->arena);
		if (addr == NULL)
			return ERR_NOMEM;
	}
	*out = addr;
	return ERR_OK;
}

enum err
store_object_tell(struct store *s, struct db_txn *txn,
    const struct store_object *o, enum store_object_event what,
    const char *client, const char *agent)
{
	const char *reply_to = NULL;
	struct buf body;
	enum err e;

	if (!s->conf->portal.receipts || o->from[0] == '\0')
		return ERR_OK;
	/* of what has expired nothing can be said any more */
	if (what != STORE_OBJECT_EXPIRED) {
		e = store_object_reply_to(s, o, &reply_to);
		if (e != ERR_OK)
			return e;
	}
	buf_init(&body, MAIL_MAX);
	e = put_text(s, o, what, client, agent, reply_to != NULL, &body);
	if (e == ERR_OK)
		e = store_object_mail(s, txn, o->from, o->from_key,
		    arena_printf(
			s->arena, "%s%s", words[what].subject, o->rcpt),
		    reply_to, buf_span(&body));
	buf_clear(&body);
	return e;
}

/* --- what the portal has and store has not --- */

bool
store_object_unknown(struct store *s, const char *name, struct store_rec *rec)
{
	uint64_t now = clock_steady_ms();

	if (s->unknown_ms != 0 && now - s->unknown_ms < UNKNOWN_MS)
		return false;
	s->unknown_ms = now;
	log_event(LOG_LVL_ERR, NULL, "object-unknown", KV_STR("object", name));
	store_rec_begin(rec, "object-unknown");
	store_rec_str(rec, "object", name);
	return true;
}

/* --- the code at the door --- */

/* What the code is for, and how it is written: where it may set an account,
   digits that the portal does not know are behind those that it made. */
static enum err
put_code(struct store *s, const char *name, const struct store_object *o,
    const char *code, struct buf *out)
{
	bool reset = o->factor == OBJECT_FACTOR_ACCOUNT;
	char more[STORE_ACCOUNT_DIGITS + 1] = "";
	enum err e;

	if (reset || o->door == OBJECT_DOOR_ACCOUNT)
		store_account_digits(s, name, more);
	e = buf_printf(out,
	    "Hello,\n\n"
	    "somebody with your link to a message of %s wants to %s.\n"
	    "This code lets them, within ten minutes and in the browser "
	    "that asked for it:\n\n    ",
	    o->from, reset ? "choose a new passphrase" : "open it");
	if (e == ERR_OK)
		e = more[0] == '\0' ? buf_puts(out, code)
				    : buf_printf(out, "%.3s %.3s %.3s %.3s",
					  code, code + 3, more, more + 3);
	secret_wipe(more, sizeof(more));
	return e;
}

static enum err
send_code(struct store *s, struct db_txn *txn, const char *name,
    const struct store_object *o, const char *code)
{
	struct store_own_mail own = {
	    .to = o->rcpt, .to_key = o->rcpt_key, .reason = STORE_OWN_CODE};
	struct buf body, msg;
	enum err e;

	buf_init(&body, MAIL_MAX);
	buf_init(&msg, 4 * MAIL_MAX);
	e = put_code(s, name, o, code, &body);
	if (e == ERR_OK)
		e = buf_printf(&body,
		    "\n\nIf that is not you, do nothing, and tell nobody the "
		    "code.\n"
		    "\n-- \nSent by the encryption gateway of %s\n",
		    s->conf->hostname);
	if (e == ERR_OK)
		e = write_mail(s, o->rcpt, "Your code to open a message", NULL,
		    buf_span(&body), &msg);
	own.text = buf_span(&msg);
	if (e == ERR_OK)
		e = store_add_own_mail(s, txn, &own);
	if (body.data != NULL)
		secret_wipe(body.data, body.cap);
	if (msg.data != NULL)
		secret_wipe(msg.data, msg.cap);
	buf_clear(&body);
	buf_clear(&msg);
	return e;
}

static bool
is_code(const char *code)
{
	return strlen(code) == CODE_DIGITS &&
	       strspn(code, "0123456789") == CODE_DIGITS;
}

/* The portal faces strangers: what it says must not make this gateway write
   their words to the recipient, nor mail to them as often as they like. NULL:
   the code may go, and is counted. */
static const char *
code_flaw(const struct store *s, struct store_object *o, const char *code)
{
	uint64_t now_ms = store_now(s);

	if (!object_door_has_code(o->door) &&
	    o->factor != OBJECT_FACTOR_ACCOUNT)
		return "nobody is asked for a code there";
	if (o->tell == STORE_OBJECT_TELL_DROP)
		return "the object is revoked";
	if (o->expires_s <= clock_unix_ms() / 1000)
		return "the object is expired";
	if (!is_code(code))
		return "it is no code";
	if (now_ms < o->codes_ms || now_ms - o->codes_ms >= HOUR_MS)
		o->codes = 0;
	if (o->codes >= LIMIT_DOOR_CODES)
		return "too many within an hour";
	if (o->codes++ == 0)
		o->codes_ms = now_ms;
	return NULL;
}

enum err
store_apply_code(struct store *s, struct db_txn *txn, struct store_op *op)
{
	struct store_object o = {0};
	struct store_rec rec;
	struct unpacker u;
	const char *name, *code, *flaw = NULL;
	enum err e;

	unpack_begin(&u, op->payload);
	name = unpack_str(&u, s->arena);
	code = unpack_str(&u, s->arena);
	e = unpack_end(&u);
	if (e == ERR_OK && s->ready_pub.purpose != SEALED_READY)
		return ERR_BUSY;
	if (e == ERR_OK)
		e = store_object_get(txn, s->arena, name, &o);
	if (e == ERR_OK && store_object_is_found(&o))
		e = ERR_NOT_FOUND;
	if (e == ERR_OK)
		flaw = code_flaw(s, &o, code);
	if (flaw != NULL) {
		log_event(LOG_LVL_WARN, NULL, "code-refused",
		    KV_STR("object", name), KV_STR("reason", flaw));
		return ERR_OK;
	}
	if (e == ERR_OK)
		e = send_code(s, txn, name, &o, code);
	if (e == ERR_OK)
		e = store_object_put(txn, name, &o);
	if (e == ERR_NOT_FOUND)
		return store_object_unknown(s, name, &rec)
			   ? store_add_record(s, txn, &rec)
			   : ERR_OK;
	if (e != ERR_OK)
		return e;
	store_rec_begin(&rec, "code-sent");
	store_rec_str(&rec, "object", name);
	return store_add_record(s, txn, &rec);
}
