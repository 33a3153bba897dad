/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Accounts of those who pick up mail: a key that a browser made becomes that of
 * an address because of digits that were made here and mailed there. The
 * portal brings both and is not believed without them. What follows, a record
 * and a mail to whose account it is, hangs on the keystore's event, so that
 * no account changes in silence.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/secret.h"
#include "gateway/conf.h"
#include "gateway/store/store_keys_private.h"
#include "gateway/store/store_object_private.h"
#include "gateway/store/store_private.h"
#include "keystore/account.h"
#include "keystore/history.h"

enum {
	DIGITS_MAX = 256,   /* objects whose digits are remembered */
	WAITING_MAX = 64,   /* accounts that are to be written */
	OFFER_BATCH = 1000, /* accounts in one message */
	MAIL_MAX = 8192,
};

/* Made with a code by mail; all zero: a free place. */
struct digits {
	char object[OBJECT_ID_TEXT_SIZE];
	char text[STORE_ACCOUNT_DIGITS + 1];
	unsigned tries;
	uint64_t made_ms; /* steady clock */
};

/* One that may be written. */
struct waiting {
	char object[OBJECT_ID_TEXT_SIZE];
	char addr[KS_ADDR_MAX + 1];
	char client[64];
	struct pickup_account account;
};

struct store_accounts {
	struct digits digits[DIGITS_MAX];
	struct waiting waiting[WAITING_MAX];
	size_t n_waiting;
};

static struct store_accounts *
accounts(struct store *s)
{
	if (s->accounts == NULL)
		s->accounts = calloc(1, sizeof(*s->accounts));
	if (s->accounts == NULL)
		fatal("out of memory");
	return s->accounts;
}

void
store_accounts_free(struct store *s)
{
	if (s->accounts != NULL)
		secret_wipe(s->accounts, sizeof(*s->accounts));
	free(s->accounts);
	s->accounts = NULL;
}

/* --- digits --- */

static struct digits *
find_digits(struct store *s, const char *object)
{
	struct store_accounts *a = accounts(s);

	for (size_t i = 0; i < DIGITS_MAX; i++)
		if (a->digits[i].made_ms != 0 &&
		    strcmp(a->digits[i].object, object) == 0)
			return &a->digits[i];
	return NULL;
}

/* Its own place, or that of the oldest. */
static struct digits *
place_for(struct store *s, const char *object)
{
	struct store_accounts *a = accounts(s);
	struct digits *best = find_digits(s, object);

	if (best != NULL)
		return best;
	best = &a->digits[0];
	for (size_t i = 1; i < DIGITS_MAX; i++)
		if (a->digits[i].made_ms < best->made_ms)
			best = &a->digits[i];
	return best;
}

void
store_account_digits(struct store *s, const char *object, char *out)
{
	struct digits *d = place_for(s, object);
	uint64_t number;

	/* each number is as likely as any other */
	do
		number = random_u64();
	while (number >= UINT64_MAX - UINT64_MAX % 1000000);
	secret_wipe(d, sizeof(*d));
	snprintf(d->object, sizeof(d->object), "%s", object);
	snprintf(
	    d->text, sizeof(d->text), "%06u", (unsigned)(number % 1000000));
	d->made_ms = clock_steady_ms();
	memcpy(out, d->text, sizeof(d->text));
}

/* NULL: they are right. */
static const char *
digits_flaw(struct store *s, const char *object, const char *said, bool *mailed)
{
	struct digits *d = find_digits(s, object);

	if (d != NULL && clock_steady_ms() - d->made_ms >= LIMIT_DOOR_OPEN_MS) {
		secret_wipe(d, sizeof(*d));
		d = NULL;
	}
	*mailed = d != NULL;
	if (d == NULL)
		return "no code was mailed for it";
	if (secret_eq_span(span_str(said), span_str(d->text)))
		return NULL;
	if (++d->tries >= LIMIT_DOOR_TRIES)
		secret_wipe(d, sizeof(*d));
	return "the digits are not those that were mailed";
}

/* --- to the portal --- */

static void
say(struct store *s, const struct pickup_account *a, enum err result)
{
	struct store_peer *portal = store_find_peer(s, ROLE_PORTAL, 0);
	struct proto_account_said m = {.result = result};
	struct buf b;

	if (portal == NULL)
		return;
	pickup_account_id(a, m.id);
	buf_init(&b, 64);
	if (proto_account_said_pack(&m, &b) == ERR_OK)
		(void)!ipc_post(
		    portal->ch, PROTO_ACCOUNT_SAID, 0, buf_span(&b), NULL, 0);
	buf_clear(&b);
}

struct offer {
	struct store_peer *portal;
	struct proto_accounts m;
};

static enum err
send_offer(struct offer *o)
{
	struct buf b;
	enum err e;

	buf_init(&b, LIMIT_IPC_PAYLOAD);
	e = proto_accounts_pack(&o->m, &b);
	if (e == ERR_OK)
		e = ipc_post(
		    o->portal->ch, PROTO_ACCOUNTS, 0, buf_span(&b), NULL, 0);
	buf_clear(&b);
	o->m.first = false;
	o->m.n = 0;
	return e;
}

static enum err
offer_one(void *ctx, struct span addr, const struct ks_account *a)
{
	struct offer *o = ctx;

	(void)addr;
	o->m.account[o->m.n++] = a->key;
	return o->m.n == OFFER_BATCH ? send_offer(o) : ERR_OK;
}

void
store_offer_accounts(struct store *s)
{
	struct offer o = {.portal = store_find_peer(s, ROLE_PORTAL, 0)};
	enum err e;

	if (o.portal == NULL || s->keys == NULL)
		return;
	o.m.first = true;
	o.m.account = calloc(OFFER_BATCH, sizeof(*o.m.account));
	if (o.m.account == NULL)
		fatal("out of memory");
	e = ks_account_each(store_keystore(s), offer_one, &o);
	/* a list that is cut short is not called whole: the portal waits */
	o.m.last = true;
	if (e == ERR_OK)
		e = send_offer(&o);
	if (e != ERR_OK && e != ERR_CLOSED)
		log_event(LOG_LVL_ERR, NULL, "accounts", KV_ERR(e));
	free(o.m.account);
}

/* One that is new, in the place of another with the same address. */
static void
offer_new(struct store *s, const struct pickup_account *new,
    const struct pickup_account *old)
{
	struct store_peer *portal = store_find_peer(s, ROLE_PORTAL, 0);
	struct pickup_account a = *new;
	struct offer o = {
	    .portal = portal, .m = {.last = true, .account = &a, .n = 1}};
	uint8_t gone[PICKUP_ACCOUNT_ID];

	if (portal == NULL)
		return;
	(void)!send_offer(&o);
	if (old == NULL)
		return;
	pickup_account_id(old, gone);
	(void)!ipc_post(portal->ch, PROTO_ACCOUNT_DROP, 0,
	    SPAN(gone, sizeof(gone)), NULL, 0);
}

/* --- what the portal brings --- */

/* What nobody was mailed a code for is in the log alone: the portal could fill
   the disk with it. */
static void
refuse(struct store *s, const struct proto_account_set *m, const char *why,
    bool mailed)
{
	struct store_rec rec;
	struct span text;

	log_event(LOG_LVL_WARN, NULL, "account-refused",
	    KV_STR("object", m->object), KV_STR("client", m->client),
	    KV_STR("reason", why));
	if (!mailed)
		return;
	store_rec_begin(&rec, "account-refused");
	store_rec_str(&rec, "object", m->object);
	store_rec_str(&rec, "client", m->client);
	store_rec_str(&rec, "reason", why);
	if (store_rec_end(&rec, &text) == ERR_OK)
		store_queue(s, STORE_OP_RECORD, 0, NULL, text);
	store_rec_clear(&rec);
}

static enum err
find_object(struct store *s, const char *name, struct store_object *out)
{
	struct db_txn *txn = NULL;
	uint8_t id[OBJECT_ID_SIZE];
	enum err e;

	if (!object_id_parse(span_str(name), id))
		return ERR_NOT_FOUND;
	e = db_read(s->db, &txn);
	if (e != ERR_OK)
		return e;
	e = store_object_get(txn, s->arena, name, out);
	db_end(txn);
	if (e == ERR_OK && (out->tell == STORE_OBJECT_TELL_DROP ||
			       out->expires_s <= clock_unix_ms() / 1000))
		e = ERR_NOT_FOUND;
	return e;
}

static bool
is_same(const struct pickup_account *a, const struct pickup_account *b)
{
	return memcmp(a->public, b->public, sizeof(a->public)) == 0 &&
	       memcmp(a->proof_hash, b->proof_hash, sizeof(a->proof_hash)) ==
		   0 &&
	       memcmp(a->wrapped, b->wrapped, sizeof(a->wrapped)) == 0;
}

/* May it be written? ERR_AGAIN: it is there already. A first message sets an
   account where there is none; one that is sealed to an account sets it
   anew. */
static enum err
check(
    struct store *s, const struct proto_account_set *m, struct store_object *o)
{
	struct ks_account now;
	const char *flaw;
	enum err e = find_object(s, m->object, o);
	bool resets = e == ERR_OK && o->factor == OBJECT_FACTOR_ACCOUNT;
	bool there, mailed = false;

	if (e == ERR_OK && !resets && o->door != OBJECT_DOOR_ACCOUNT)
		e = ERR_NOT_FOUND;
	if (e != ERR_OK)
		return e;
	e = ks_account_get(store_keystore(s), span_str(o->rcpt_key), &now);
	if (e != ERR_OK && e != ERR_NOT_FOUND)
		return e;
	there = e == ERR_OK;
	if (there && is_same(&now.key, &m->account))
		return ERR_AGAIN;
	flaw = digits_flaw(s, m->object, m->digits, &mailed);
	if (flaw == NULL && !pickup_account_is_sound(&m->account))
		flaw = "the key is none";
	if (flaw != NULL) {
		refuse(s, m, flaw, mailed);
		return ERR_PERMISSION;
	}
	return there && !resets ? ERR_EXISTS : ERR_OK;
}

void
store_account_take(struct store *s, struct span payload)
{
	struct store_accounts *a = accounts(s);
	struct proto_account_set set;
	struct store_object o = {0};
	struct waiting *w;
	enum err e;

	arena_reset(s->arena);
	e = proto_account_set_unpack(payload, s->arena, &set);
	if (e != ERR_OK) {
		log_event(LOG_LVL_ERR, NULL, "account-set", KV_ERR(e));
		return;
	}
	/* without room, or an answer, the portal says it again */
	if (s->stopping || s->keys == NULL || a->n_waiting == WAITING_MAX)
		return;
	e = check(s, &set, &o);
	if (e != ERR_OK) {
		say(s, &set.account, e == ERR_AGAIN ? ERR_OK : e);
		return;
	}
	w = &a->waiting[a->n_waiting++];
	*w = (struct waiting){.account = set.account};
	snprintf(w->object, sizeof(w->object), "%s", set.object);
	snprintf(w->addr, sizeof(w->addr), "%s", o.rcpt_key);
	snprintf(w->client, sizeof(w->client), "%s", set.client);
	store_keys_soon(s);
}

void
store_account_came(
    struct store *s, struct store_peer *portal, struct ipc_msg *m)
{
	(void)portal;
	store_account_take(s, m->payload);
}

/* --- writing --- */

/* What happened is an event of the same commit. */
static enum err
put_one(struct ks_store *ks, const struct waiting *w, struct ks_account *old,
    bool *had)
{
	struct ks_account a = {
	    .key = w->account, .at = (int64_t)(clock_unix_ms() / 1000)};
	struct span addr = span_str(w->addr);
	char text[160];
	uint8_t id[PICKUP_ACCOUNT_ID];
	struct ks_event event = {.what = KS_EVENT_ACCOUNT_SET,
	    .at = a.at,
	    .who = SPAN_LIT("portal"),
	    .fpr = SPAN(id, sizeof(id)),
	    .addr = addr};
	enum err e = ks_account_get(ks, addr, old);

	if (e != ERR_OK && e != ERR_NOT_FOUND)
		return e;
	*had = e == ERR_OK;
	/* the same once more is nothing new */
	if (*had && is_same(&old->key, &w->account))
		return ERR_OK;
	if (*had) {
		a.resets = old->resets + 1;
		event.what = KS_EVENT_ACCOUNT_RESET;
	}
	pickup_account_id(&w->account, id);
	snprintf(text, sizeof(text), "by the message %s, from %s", w->object,
	    w->client);
	event.text = span_str(text);
	e = ks_account_put(ks, addr, &a);
	return e == ERR_OK ? ks_history_add(ks, &event, &addr, 1) : e;
}

/* One by one: what fails takes no other with it. */
static enum err
write_one(struct store *s, struct ks_store *ks, const struct waiting *w)
{
	struct ks_account old;
	struct digits *d;
	bool had = false;
	enum err e = ks_begin(ks);

	if (e == ERR_BUSY)
		return e;
	if (e == ERR_OK) {
		e = put_one(ks, w, &old, &had);
		if (e == ERR_OK)
			e = ks_commit(ks);
		else
			ks_rollback(ks);
	}
	if (e != ERR_OK) {
		log_event(LOG_LVL_ERR, NULL, "account", KV_ERR(e));
		return ERR_OK; /* the portal says it again */
	}
	/* the digits were good for one */
	d = find_digits(s, w->object);
	if (d != NULL)
		secret_wipe(d, sizeof(*d));
	offer_new(s, &w->account,
	    had && !is_same(&old.key, &w->account) ? &old.key : NULL);
	say(s, &w->account, ERR_OK);
	return ERR_OK;
}

enum err
store_accounts_write(struct store *s, struct ks_store *ks)
{
	struct store_accounts *a = s->accounts;
	size_t n = 0;
	enum err e = ERR_OK;

	while (a != NULL && n < a->n_waiting && e == ERR_OK) {
		e = write_one(s, ks, &a->waiting[n]);
		if (e == ERR_OK)
			n++;
	}
	if (n > 0) {
		memmove(a->waiting, a->waiting + n,
		    (a->n_waiting - n) * sizeof(a->waiting[0]));
		a->n_waiting -= n;
	}
	return e;
}

/* --- what follows --- */

/* Whoever reads the mailbox must not be able to set it in silence. */
static enum err
tell_owner(struct store *s, struct db_txn *txn, const struct ks_event *e)
{
	bool again = e->what == KS_EVENT_ACCOUNT_RESET;
	const char *to = arena_span_str(s->arena, e->addr);
	struct buf body;
	enum err err;

	if (to == NULL)
		return ERR_NOMEM;
	buf_init(&body, MAIL_MAX);
	err = buf_printf(&body,
	    "Hello,\n\n"
	    "%s passphrase was chosen for encrypted messages that this "
	    "gateway\nsends to\n\n    %s\n\n"
	    "(%.*s)\n\n%s"
	    "If that was not you, somebody else can read your mailbox: "
	    "change its password,\nopen the link of a message that "
	    "asks for the passphrase, and choose a new one\nthere by "
	    "\"forgotten\". You may also ask the sender.\n"
	    "\n-- \nSent by the encryption gateway of %s\n",
	    again ? "A new" : "A", to, (int)e->text.len,
	    (const char *)e->text.data,
	    again ? "Messages that were sent before cannot be opened "
		    "any more; their senders can\nsend them again.\n\n"
		  : "",
	    s->conf->hostname);
	if (err == ERR_OK)
		err = store_object_mail(s, txn, to, to,
		    again ? "A new passphrase was chosen for your messages"
			  : "A passphrase was chosen for your messages",
		    NULL, buf_span(&body));
	buf_clear(&body);
	return err;
}

enum err
store_account_event(
    struct store *s, struct db_txn *txn, const struct ks_event *e)
{
	struct store_rec r;
	const char *type = "account-set";
	enum err err;

	if (e->what == KS_EVENT_ACCOUNT_RESET)
		type = "account-reset";
	else if (e->what == KS_EVENT_ACCOUNT_REMOVED)
		type = "account-removed";
	store_rec_begin(&r, type);
	store_rec_num(&r, "event", e->number);
	store_rec_num(&r, "at", (uint64_t)e->at);
	store_rec_text(&r, "who", e->who);
	store_rec_text(&r, "addr", e->addr);
	store_rec_hex(&r, "account", e->fpr);
	store_rec_text(&r, "reason", e->text);
	err = store_add_record(s, txn, &r);
	return err == ERR_OK && e->what != KS_EVENT_ACCOUNT_REMOVED
		   ? tell_owner(s, txn, e)
		   : err;
}
