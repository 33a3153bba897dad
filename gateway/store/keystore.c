/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The keystore's writer: what others bring is queued, decided and written in
 * one transaction for all that has come, and answered when that is durable.
 * Another program that writes (an import) is never waited for. What happened
 * to keys, whoever did it, is taken over into the audit log, each event once.
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/pack.h"
#include "common/text.h"
#include "gateway/conf.h"
#include "gateway/proto_keystore.h"
#include "gateway/store/store_keys_private.h"
#include "gateway/store/store_object_private.h"
#include "gateway/store/store_private.h"
#include "gateway/trust.h"
#include "keystore/history.h"
#include "keystore/issuer.h"
#include "keystore/propose.h"

enum {
	KEYS_BATCH = 64,       /* proposals in one transaction */
	KEYS_QUEUE_MAX = 4096, /* that wait; more is refused */
	KEYS_RETRY_MS = 50,    /* while another program writes */
	KEYS_ARENA = 16 * 1024 * 1024,
	EVENTS_AT_ONCE = 256,
};

static const struct span events_key = {(const uint8_t *)"key-events", 10};

struct proposal {
	struct proposal *next;
	struct store_peer *from; /* NULL once it is gone */
	uint64_t id;
	uint16_t type; /* PROTO_ADMIT, or PROTO_KEY_REFUSED: no answer */
	uint8_t *octets;
	size_t len;
	struct proto_admitted answer;
	struct err_why why; /* of the answer */
};

struct store_keys {
	struct ks_store *ks;
	struct arena *arena;
	struct loop_timer *timer;
	struct proposal *first, **last;
	size_t n;
	uint64_t told; /* the last event that the audit log has */
	bool loaded;   /* told is known */
	bool telling;  /* an operation is queued */
	bool accounts; /* the portal is to hear of them */
};

enum err
store_keys_open(
    const struct conf *conf, struct store_keys **out, struct err_why *why)
{
	struct store_keys *k = calloc(1, sizeof(*k));
	enum err e;

	if (k == NULL)
		return ERR_NOMEM;
	k->last = &k->first;
	k->arena = arena_new(KEYS_ARENA);
	e = k->arena == NULL
		? ERR_NOMEM
		: ks_open(conf->paths.keystore,
		      KS_WRITE | KS_GROUP | KS_NO_WAIT, &k->ks, why);
	if (e != ERR_OK) {
		store_keys_close(k);
		return e;
	}
	*out = k;
	return ERR_OK;
}

struct ks_store *
store_keys_db(const struct store *s)
{
	return s->keys == NULL ? NULL : s->keys->ks;
}

static void
free_proposal(struct proposal *p)
{
	free(p->octets);
	free(p);
}

void
store_keys_close(struct store_keys *k)
{
	if (k == NULL)
		return;
	while (k->first != NULL) {
		struct proposal *p = k->first;

		k->first = p->next;
		free_proposal(p);
	}
	loop_timer_free(k->timer);
	ks_close(k->ks);
	arena_free(k->arena);
	free(k);
}

static void
on_timer(void *arg)
{
	store_round(arg);
}

struct ks_store *
store_keystore(struct store *s)
{
	return s->keys->ks;
}

void
store_keys_start(struct store *s)
{
	s->keys->timer = loop_timer_new(s->loop, on_timer, s);
}

void
store_keys_peer_gone(struct store *s, const struct store_peer *peer)
{
	if (s->keys == NULL)
		return;
	for (struct proposal *p = s->keys->first; p != NULL; p = p->next)
		if (p->from == peer)
			p->from = NULL;
}

/* --- proposals --- */

static void
answer(const struct proposal *p)
{
	struct buf b;

	if (p->from == NULL || p->type == PROTO_KEY_REFUSED)
		return;
	buf_init(&b, sizeof(p->why) + 64);
	if (proto_admitted_pack(&p->answer, &b) == ERR_OK)
		(void)!ipc_post(
		    p->from->ch, PROTO_ADMITTED, p->id, buf_span(&b), NULL, 0);
	buf_clear(&b);
}

static void
refuse(struct proposal *p, enum err e, const char *why)
{
	p->answer = (struct proto_admitted){
	    .change = KS_CHANGE_REFUSE, .err = e, .why = why};
}

void
store_keys_admit(struct store *s, struct store_peer *from, struct ipc_msg *m)
{
	struct store_keys *k = s->keys;
	struct proposal *p = calloc(1, sizeof(*p));

	if (p == NULL)
		fatal("out of memory");
	p->from = from;
	p->id = m->id;
	p->type = m->type;
	p->len = m->payload.len;
	p->octets = malloc(p->len + 1);
	if (k->n >= KEYS_QUEUE_MAX || p->octets == NULL) {
		refuse(p, ERR_BUSY, "too many proposals at once");
		answer(p);
		free_proposal(p);
		return;
	}
	if (p->len > 0)
		memcpy(p->octets, m->payload.data, p->len);
	*k->last = p;
	k->last = &p->next;
	k->n++;
}

/* The certificate of a CA that came along with another. */
static enum err
keep_issuer(struct ks_store *ks, const struct ks_record *r, struct proposal *p)
{
	bool added = false;
	enum err e = ks_issuer_keep(ks, r, &added);

	if (e == ERR_LIMIT || e == ERR_PERMISSION) {
		refuse(p, e, "enough CA certificates of this name are here");
		return ERR_OK;
	}
	if (e == ERR_OK)
		p->answer = (struct proto_admitted){
		    .change = added ? KS_CHANGE_ADD : KS_CHANGE_NOTHING,
		    .trust = KS_CANDIDATE,
		    .why = ""};
	return e;
}

/* A key that admission did not let in. */
static enum err
keep_refusal(struct ks_store *ks, const struct proposal *p)
{
	struct ks_refusal r;
	enum err e = proto_key_refused_unpack(SPAN(p->octets, p->len), &r);

	r.at = (int64_t)(clock_unix_ms() / 1000);
	if (e == ERR_OK)
		e = ks_refused_put(ks, &r);
	if (e == ERR_IPC || e == ERR_MALFORMED) {
		log_event(LOG_LVL_ERR, NULL, "key-refused", KV_ERR(ERR_IPC));
		return ERR_OK;
	}
	return e;
}

/* What is malformed is refused; what the keystore cannot do is returned. */
static enum err
apply(struct store *s, const struct ks_rules *rules, struct proposal *p)
{
	struct ks_room room;
	struct ks_record r;
	struct proto_admit m;
	struct ks_decision d;
	struct ks_proposal ask = {.maker = KS_MAKER_ADMISSION, .record = &r};
	enum err e;

	if (p->type == PROTO_KEY_REFUSED)
		return keep_refusal(s->keys->ks, p);
	e = proto_admit_unpack(SPAN(p->octets, p->len), &m);
	if (e == ERR_OK)
		e = ks_record_decode(m.record, &room, &r);
	if (e != ERR_OK) {
		refuse(p, ERR_MALFORMED, "malformed proposal");
		log_event(LOG_LVL_ERR, NULL, "admit", KV_ERR(ERR_IPC));
		return ERR_OK;
	}
	if (!ks_record_is_itself(&r)) {
		refuse(p, ERR_MALFORMED, "its octets are another key's");
		log_event(LOG_LVL_ERR, NULL, "admit", KV_ERR(ERR_KEY_UNUSABLE));
		return ERR_OK;
	}
	ask.addr = m.addr;
	ask.now = (int64_t)(clock_unix_ms() / 1000);
	r.added = ask.now;
	if (ks_is_issuer(&r) && m.addr.len == 0)
		return keep_issuer(s->keys->ks, &r, p);
	arena_reset(s->keys->arena);
	e = ks_propose(s->keys->ks, rules, &ask, s->keys->arena, &d);
	if (e != ERR_OK)
		return e;
	p->why = d.why;
	p->answer = (struct proto_admitted){.change = d.change,
	    .trust = d.trust,
	    .err = d.err,
	    .why = p->why.text};
	if (d.change == KS_CHANGE_REFUSE || m.addr.len == 0)
		return ERR_OK;
	return ks_refused_drop(s->keys->ks, m.addr, r.source, r.fpr);
}

/* Up to n proposals in one transaction. One that the keystore fails on gives
   up all of it; *bad then counts those before it. */
static enum err
write_batch(struct store *s, size_t n, size_t *bad)
{
	struct proposal *p = s->keys->first;
	struct ks_rules rules;
	enum err e = ks_begin(s->keys->ks);

	*bad = n;
	if (e != ERR_OK)
		return e;
	trust_rules(s->conf, &rules);
	for (size_t i = 0; i < n && e == ERR_OK; i++, p = p->next) {
		e = apply(s, &rules, p);
		if (e != ERR_OK)
			*bad = i;
	}
	if (e == ERR_OK)
		return ks_commit(s->keys->ks);
	ks_rollback(s->keys->ks);
	return e;
}

static void
take_off(struct store_keys *k, size_t n)
{
	while (n-- > 0 && k->first != NULL) {
		struct proposal *p = k->first;

		k->first = p->next;
		if (k->first == NULL)
			k->last = &k->first;
		k->n--;
		answer(p);
		free_proposal(p);
	}
}

/* Whoever asked hears that it is not in, and asks again another time. */
static void
fail_first(struct store_keys *k, size_t n, enum err e)
{
	struct proposal *p = k->first;

	log_event(LOG_LVL_ERR, NULL, "keystore", KV_ERR(e));
	for (size_t i = 0; i < n && p != NULL; i++, p = p->next)
		refuse(p, e, err_text(e));
	take_off(k, n);
}

static void
write_proposals(struct store *s)
{
	struct store_keys *k = s->keys;

	while (k->n > 0) {
		size_t n = k->n < KEYS_BATCH ? k->n : KEYS_BATCH, bad;
		enum err e = write_batch(s, n, &bad);

		if (e == ERR_OK) {
			take_off(k, n);
		} else if (e == ERR_BUSY) {
			loop_timer_start(k->timer, KEYS_RETRY_MS, 0);
			return;
		} else if (bad == 0 || bad == n) {
			fail_first(k, bad == 0 ? 1 : n, e);
		} else if (write_batch(s, bad, &bad) == ERR_OK) {
			/* those before the one that fails */
			take_off(k, bad);
		} else {
			fail_first(k, n, e);
		}
	}
}

/* --- the audit log --- */

static const char *const event_type[] = {
    [KS_EVENT_ADDED] = "key-added",
    [KS_EVENT_UPDATED] = "key-changed",
    [KS_EVENT_RENEWED] = "key-renewed",
    [KS_EVENT_WAITS] = "key-waits",
    [KS_EVENT_APPROVED] = "key-approved",
    [KS_EVENT_REFUSED] = "key-refused",
    [KS_EVENT_TRUST] = "trust-changed",
    [KS_EVENT_DELETED] = "key-deleted",
    [KS_EVENT_IMPORTED] = "keys-imported",
    [KS_EVENT_EXPIRED] = "key-expired",
    [KS_EVENT_LOST] = "key-lost",
    [KS_EVENT_SETTING] = "key-setting",
    [KS_EVENT_RESTORED] = "keys-restored",
    [KS_EVENT_ACCOUNT_SET] = "account-set",
    [KS_EVENT_ACCOUNT_RESET] = "account-reset",
    [KS_EVENT_ACCOUNT_REMOVED] = "account-removed",
};

struct telling {
	struct store *s;
	struct db_txn *txn;
	uint64_t last;
	bool accounts; /* one was removed */
};

void
store_rec_text(struct store_rec *r, const char *name, struct span text)
{
	char room[KS_TEXT_MAX + 1];

	if (text.len == 0 || text.len > KS_TEXT_MAX)
		return;
	memcpy(room, text.data, text.len);
	room[text.len] = '\0';
	store_rec_str(r, name, room);
}

static enum err
tell_event(void *ctx, const struct ks_event *e)
{
	struct telling *t = ctx;
	struct store_rec r;

	if (e->what >= KS_EVENT_ACCOUNT_SET) {
		enum err err = store_account_event(t->s, t->txn, e);

		t->accounts =
		    t->accounts || e->what == KS_EVENT_ACCOUNT_REMOVED;
		if (err == ERR_OK)
			t->last = e->number;
		return err;
	}
	store_rec_begin(&r, event_type[e->what]);
	store_rec_num(&r, "event", e->number);
	store_rec_num(&r, "at", (uint64_t)e->at);
	store_rec_text(&r, "who", e->who);
	store_rec_text(&r, "addr", e->addr);
	if (e->fpr.len > 0) {
		store_rec_hex(&r, "fingerprint", e->fpr);
		store_rec_str(&r, "kind", ks_kind_name(e->kind));
		store_rec_str(&r, "source", ks_source_name(e->source));
		store_rec_str(&r, "trust", ks_trust_name(e->trust));
	}
	if (e->what == KS_EVENT_TRUST)
		store_rec_str(&r, "was", ks_trust_name(e->was));
	if (e->count > 0)
		store_rec_num(&r, "count", e->count);
	store_rec_text(&r, "reason", e->text);
	t->last = e->number;
	return store_add_record(t->s, t->txn, &r);
}

static enum err
save_told(struct db_txn *txn, uint64_t last)
{
	struct packer p;
	struct buf b;
	enum err e;

	buf_init(&b, 16);
	pack_begin(&p, &b);
	pack_u64(&p, last);
	e = pack_end(&p);
	if (e == ERR_OK)
		e = db_put(txn, STORE_STATE, events_key, buf_span(&b));
	buf_clear(&b);
	return e;
}

static enum err
load_told(struct db_txn *txn, uint64_t *out)
{
	struct unpacker u;
	struct span v;
	uint64_t last;
	enum err e = db_get(txn, STORE_STATE, events_key, &v);

	if (e == ERR_NOT_FOUND) {
		*out = 0;
		return ERR_OK;
	}
	if (e != ERR_OK)
		return e;
	unpack_begin(&u, v);
	last = unpack_u64(&u);
	if (unpack_end(&u) != ERR_OK)
		return ERR_DB_BROKEN;
	*out = last;
	return ERR_OK;
}

/* Its place in the keystore's history is saved in the same transaction as the
   records: each event is told once, whatever dies in between. */
enum err
store_apply_events(struct store *s, struct db_txn *txn, struct store_op *op)
{
	struct telling t = {.s = s, .txn = txn};
	uint64_t last;
	enum err e = load_told(txn, &t.last);

	(void)op;
	if (e == ERR_OK)
		e = ks_history_last(s->keys->ks, &last);
	/* an older keystore was put in its place */
	if (e == ERR_OK && last < t.last)
		t.last = last;
	if (e == ERR_OK)
		e = ks_history_from(
		    s->keys->ks, t.last, EVENTS_AT_ONCE, tell_event, &t);
	if (e == ERR_OK && t.accounts)
		s->keys->accounts = true;
	return e != ERR_OK ? e : save_told(txn, t.last);
}

void
store_after_events(struct store *s, struct store_op *op)
{
	struct db_txn *txn;

	s->keys->telling = false;
	if (s->keys->accounts)
		store_offer_accounts(s);
	s->keys->accounts = false;
	if (op->result != ERR_OK) {
		log_event(
		    LOG_LVL_WARN, NULL, "not-recorded", KV_ERR(op->result));
		return;
	}
	if (db_read(s->db, &txn) != ERR_OK)
		return;
	s->keys->loaded = load_told(txn, &s->keys->told) == ERR_OK;
	db_end(txn);
}

/* The command line writes events as well: look whether there are any. */
static void
tell_events(struct store *s)
{
	struct store_keys *k = s->keys;
	uint64_t last;

	if (k->telling || ks_history_last(k->ks, &last) != ERR_OK ||
	    (k->loaded && last == k->told))
		return;
	k->telling = true;
	store_queue(s, STORE_OP_EVENTS, 0, NULL, SPAN(NULL, 0));
}

void
store_keys_soon(struct store *s)
{
	loop_timer_start(s->keys->timer, 0, 0);
}

void
store_keys_round(struct store *s)
{
	if (s->keys == NULL || s->stopping)
		return;
	write_proposals(s);
	if (store_replies_write(s, s->keys->ks) == ERR_BUSY ||
	    store_accounts_write(s, s->keys->ks) == ERR_BUSY)
		loop_timer_start(s->keys->timer, KEYS_RETRY_MS, 0);
	tell_events(s);
}
