/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The other ends: who may send what, and what a new or a lost channel means.
 * A message that a process has no business to send is refused and logged.
 */
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/secret.h"
#include "gateway/store/store_entry_private.h"
#include "gateway/store/store_keys_private.h"
#include "gateway/store/store_object_private.h"
#include "gateway/store/store_private.h"
#include "gateway/store/tls.h"
#include "gateway/store/tls_report.h"
#include "gateway/store/wait.h"

/* --- the keys of the audit log --- */

/* What an answer is about, in the id of the question. */
enum { OF_SIGNING, OF_PSEUDONYMS };

enum { KEYS_AGAIN_MS = 10 * 1000 };

void
store_ask_keys(struct store *s)
{
	struct store_peer *keys = store_find_peer(s, ROLE_KEYS, 0);

	if (keys != NULL && (!store_audit_has_key(s->audit) ||
				store_audit_wants_pseudonyms(s->audit)))
		(void)!ipc_post(
		    keys->ch, PROTO_KEYS_GET, 0, SPAN(NULL, 0), NULL, 0);
}

/* Says it that the key does not open, and not that it could not be asked for
   or looked at now? */
static bool
is_for_good(enum err e)
{
	switch (err_class(e)) {
	case ERR_CLASS_INTERNAL:
	case ERR_CLASS_TEMP:
		return false;
	case ERR_CLASS_PERM:
	case ERR_CLASS_MALFORMED:
	case ERR_CLASS_POLICY:
	case ERR_CLASS_CRYPTO:
		break;
	}
	return true;
}

/* A new key in place of one that is only out of reach would break what vouches
   for the log: it is asked for again. */
static void
put_off(struct store *s, enum err e)
{
	log_event(LOG_LVL_WARN, NULL, "audit-key", KV_ERR(e));
	s->keys_again_ms = clock_steady_ms() + KEYS_AGAIN_MS;
}

void
store_keys_tick(struct store *s)
{
	if (s->keys_again_ms == 0 || clock_steady_ms() < s->keys_again_ms)
		return;
	s->keys_again_ms = 0;
	store_ask_keys(s);
}

static void
lost_key(struct store *s, enum err e)
{
	if (!is_for_good(e)) {
		put_off(s, e);
		return;
	}
	/* the log goes on, and says that nobody vouches for the new key */
	if (e != ERR_NOT_FOUND)
		log_event(LOG_LVL_CRIT, NULL, "audit-key-lost", KV_ERR(e));
	if (e != ERR_NOT_FOUND)
		store_alarm_tell(s, STORE_ALARM_AUDIT_KEY);
	store_audit_renew_key(s->audit);
}

/* Who was who in the records that there are is lost; new ones get new
   pseudonyms. */
static void
lost_pseudonyms(struct store *s, enum err e)
{
	if (!is_for_good(e)) {
		put_off(s, e);
		return;
	}
	log_event(LOG_LVL_CRIT, NULL, "audit-pseudonyms-lost", KV_ERR(e));
	store_alarm_tell(s, STORE_ALARM_AUDIT_KEY);
	if (e == ERR_BAD_SEAL &&
	    store_audit_renew_pseudonyms(s->audit) == ERR_OK)
		store_ask_keys(s);
}

/* ERR_CLOSED when there is nobody to ask, who asks again. */
static enum err
ask_content_key(struct store_peer *keys, uint64_t of, struct span header)
{
	struct packer p;
	struct buf b;
	enum err e;

	buf_init(&b, 256);
	pack_begin(&p, &b);
	pack_u8(&p, SEALED_AUDIT);
	pack_raw(&p, header.data, header.len);
	e = pack_end(&p);
	if (e == ERR_OK)
		e = ipc_post(
		    keys->ch, PROTO_CONTENT_KEY, of, buf_span(&b), NULL, 0);
	buf_clear(&b);
	return e;
}

static void
want_signing(struct store *s, struct store_peer *keys)
{
	struct buf header;
	enum err e;

	buf_init(&header, 256);
	e = store_audit_key_header(s->audit, &header);
	if (e == ERR_OK)
		e = ask_content_key(keys, OF_SIGNING, buf_span(&header));
	if (e != ERR_OK && e != ERR_CLOSED)
		lost_key(s, e);
	buf_clear(&header);
}

static void
want_pseudonyms(struct store *s, struct store_peer *keys)
{
	struct buf header;
	enum err e;

	buf_init(&header, 256);
	e = store_audit_pseudonym_header(s->audit, &header);
	if (e == ERR_OK)
		e = ask_content_key(keys, OF_PSEUDONYMS, buf_span(&header));
	if (e != ERR_OK && e != ERR_CLOSED)
		lost_pseudonyms(s, e);
	buf_clear(&header);
}

static void
on_keys(struct store *s, struct store_peer *keys, struct ipc_msg *m)
{
	struct proto_keys k;
	enum err e = proto_keys_unpack(m->payload, &k);

	if (e != ERR_OK || k.pub[SEALED_AUDIT].purpose != SEALED_AUDIT) {
		log_event(LOG_LVL_ERR, NULL, "keys", KV_ERR(ERR_IPC));
		return;
	}
	store_audit_set_pub(s->audit, &k.pub[SEALED_AUDIT]);
	s->ready_pub = k.pub[SEALED_READY];
	if (!store_audit_has_key(s->audit))
		want_signing(s, keys);
	if (store_audit_wants_pseudonyms(s->audit))
		want_pseudonyms(s, keys);
}

static void
on_content_key(struct store *s, struct store_peer *keys, struct ipc_msg *m)
{
	struct unpacker u;
	struct secret *key = NULL;
	struct span octets;
	uint32_t said;
	enum err e;

	(void)keys;
	unpack_begin(&u, m->payload);
	said = unpack_u32(&u);
	octets = unpack_span(&u);
	e = unpack_end(&u);
	if (e == ERR_OK && said != ERR_OK)
		e = (enum err)said;
	else if (e == ERR_OK && octets.len != SEALED_KEY)
		e = ERR_BAD_SEAL;
	if (e == ERR_OK) {
		key = secret_from(octets);
		e = key == NULL ? ERR_NOMEM : ERR_OK;
	}
	/* the octets still lie in the channel's buffer */
	if (octets.len > 0)
		secret_wipe((void *)(uintptr_t)octets.data, octets.len);
	if (e == ERR_OK)
		e = m->id == OF_PSEUDONYMS
			? store_audit_open_pseudonyms(s->audit, key)
			: store_audit_open_key(s->audit, key);
	secret_free(key);
	if (e != ERR_OK && m->id == OF_PSEUDONYMS)
		lost_pseudonyms(s, e);
	else if (e != ERR_OK)
		lost_key(s, e);
}

/* --- messages --- */

static void
on_request(struct store *s, struct store_peer *control, struct ipc_msg *m)
{
	store_request(s, control, m);
}

static void
on_note(struct store *s, struct store_peer *discovery, struct ipc_msg *m)
{
	(void)discovery;
	store_lookups_note(s, m);
}

static void
on_answers(struct store *s, struct store_peer *discovery, struct ipc_msg *m)
{
	(void)discovery;
	store_lookups_answer(s, m);
}

static const struct {
	enum role_id from;
	uint16_t type;
	enum store_op_kind op; /* queued, or handled here */
	void (*handle)(
	    struct store *s, struct store_peer *p, struct ipc_msg *m);
} inputs[] = {
    {ROLE_WORKER, PROTO_SUBMIT, STORE_OP_SUBMIT, NULL},
    {ROLE_WORKER, PROTO_UNDECIDED, STORE_OP_UNDECIDED, NULL},
    {ROLE_OPENER, PROTO_SUBMIT, STORE_OP_SUBMIT, NULL},
    {ROLE_OPENER, PROTO_UNDECIDED, STORE_OP_UNDECIDED, NULL},
    {ROLE_OPENER, PROTO_REPLY_NOTE, STORE_OP_KINDS, store_replies_note},
    {ROLE_LISTENER, PROTO_FENCE, STORE_OP_FENCE, NULL},
    {ROLE_LISTENER, PROTO_VERIFIED, STORE_OP_VERIFIED, NULL},
    {ROLE_LISTENER, PROTO_WAIT_END, STORE_OP_KINDS, store_wait_end},
    {ROLE_RELAY, PROTO_RESULT, STORE_OP_RESULT, NULL},
    {ROLE_RELAY, PROTO_NOTIFIED, STORE_OP_NOTIFIED, NULL},
    {ROLE_PORTAL, PROTO_OBJECT_HAVE, STORE_OP_HAVE, NULL},
    {ROLE_PORTAL, PROTO_OBJECT_OPENED, STORE_OP_OPENED, NULL},
    {ROLE_PORTAL, PROTO_OBJECT_EXPIRED, STORE_OP_EXPIRED, NULL},
    {ROLE_PORTAL, PROTO_OBJECT_DROPPED, STORE_OP_DROPPED, NULL},
    {ROLE_PORTAL, PROTO_OBJECT_LOCKED, STORE_OP_LOCKED, NULL},
    {ROLE_PORTAL, PROTO_OBJECT_CODE, STORE_OP_CODE, NULL},
    {ROLE_PORTAL, PROTO_OBJECT_FOUND, STORE_OP_FOUND, NULL},
    {ROLE_PORTAL, PROTO_OBJECT_EVENT, STORE_OP_DMZ, NULL},
    {ROLE_PORTAL, PROTO_DMZ_LINK, STORE_OP_KINDS, store_dmz_link},
    {ROLE_PORTAL, PROTO_ANSWER_CAME, STORE_OP_KINDS, store_answer_came},
    {ROLE_PORTAL, PROTO_ACCOUNT_SET, STORE_OP_KINDS, store_account_came},
    {ROLE_WORKER, PROTO_ANSWER_BAD, STORE_OP_KINDS, store_answer_failed},
    {ROLE_KEYS, PROTO_KEYS, STORE_OP_KINDS, on_keys},
    {ROLE_KEYS, PROTO_CONTENT_KEY_IS, STORE_OP_KINDS, on_content_key},
    {ROLE_WORKER, PROTO_REVOCATION_WANT, STORE_OP_KINDS, store_revocation_note},
    {ROLE_OPENER, PROTO_REVOCATION_WANT, STORE_OP_KINDS, store_revocation_note},
    {ROLE_ADMISSION, PROTO_REVOCATION_SAID, STORE_OP_KINDS,
	store_revocation_note},
    {ROLE_DISCOVERY, PROTO_REVOCATION_SAID, STORE_OP_KINDS,
	store_revocation_note},
    {ROLE_CONTROL, PROTO_REQUEST, STORE_OP_KINDS, on_request},
    {ROLE_ADMISSION, PROTO_ADMIT, STORE_OP_KINDS, store_keys_admit},
    {ROLE_ADMISSION, PROTO_KEY_REFUSED, STORE_OP_KINDS, store_keys_admit},
    {ROLE_DISCOVERY, PROTO_ANSWER_NOTE, STORE_OP_KINDS, on_note},
    {ROLE_DISCOVERY, PROTO_GROUP, STORE_OP_KINDS, on_note},
    {ROLE_DISCOVERY, PROTO_ANSWERS, STORE_OP_KINDS, on_answers},
    {ROLE_LISTENER, PROTO_TLS_ASK, STORE_OP_KINDS, store_tls_ask},
    {ROLE_RELAY, PROTO_TLS_SEEN, STORE_OP_KINDS, store_tls_seen},
    {ROLE_RELAY, PROTO_STS_WANT, STORE_OP_KINDS, store_sts_want},
    {ROLE_RELAY, PROTO_TLS_RESULT, STORE_OP_KINDS, store_reports_result},
    {ROLE_RELAY, PROTO_TLS_RUA_IS, STORE_OP_KINDS, store_reports_rua},
    {ROLE_DISCOVERY, PROTO_TLS_POSTED, STORE_OP_KINDS, store_reports_posted},
    {ROLE_DISCOVERY, PROTO_STS_FETCHED, STORE_OP_KINDS, store_sts_fetched},
    {ROLE_ISSUER, PROTO_CA_KEEP, STORE_OP_KINDS, store_issued},
    {ROLE_ISSUER, PROTO_CA_LIST, STORE_OP_KINDS, store_issued},
};

static void
on_msg(void *arg, struct ipc_msg *m)
{
	struct store_peer *p = arg;
	struct store *s = p->store;

	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		if (inputs[i].from != p->id || inputs[i].type != m->type)
			continue;
		if (inputs[i].handle != NULL)
			inputs[i].handle(s, p, m);
		else if (inputs[i].op == STORE_OP_UNDECIDED &&
			 (p->deciding == 0 || p->deciding != m->id))
			break;
		else
			store_queue_msg(s, inputs[i].op, p, m);
		return;
	}
	log_event(LOG_LVL_ERR, NULL, "unexpected-message",
	    KV_STR("from", role_name(p->id)),
	    KV_STR("type", proto_name(m->type)));
}

/* --- channels --- */

struct store_peer *
store_find_peer(const struct store *s, enum role_id id, unsigned index)
{
	struct store_peer *p = s->peers;

	while (p != NULL && (p->id != id || p->index != index))
		p = p->next;
	return p;
}

struct store_peer *
store_idle_worker(const struct store *s, enum role_id role)
{
	struct store_peer *p = s->peers;

	while (p != NULL && (p->id != role || p->deciding != 0))
		p = p->next;
	return p;
}

static void
drop(struct store_peer *p)
{
	struct store *s = p->store;
	struct store_peer **q = &s->peers;

	while (*q != p)
		q = &(*q)->next;
	*q = p->next;
	for (struct store_op *op = s->first; op != NULL; op = op->next)
		if (op->from == p)
			op->from = NULL;
	store_keys_peer_gone(s, p);
	store_replies_peer_gone(s, p);
	ipc_free(p->ch);
	free(p);
}

/* What a worker submitted before it died counts: only when that did not decide
   its entry has it died of it. */
static bool
has_answered(const struct store *s, const struct store_peer *worker)
{
	for (const struct store_op *op = s->first; op != NULL; op = op->next)
		if (op->from == worker && (op->kind == STORE_OP_UNDECIDED ||
					      op->kind == STORE_OP_SUBMIT))
			return true;
	return false;
}

static void
lose(struct store_peer *p)
{
	struct store *s = p->store;

	bool decides = p->id == ROLE_WORKER || p->id == ROLE_OPENER;

	/* while its operations still say whose they are */
	if (decides && has_answered(s, p))
		store_commit(s);
	if (decides)
		store_worker_gone(s, p);
	if (p->id == ROLE_WORKER)
		store_answer_worker_gone(s, p);
	if (p->id == ROLE_RELAY && s->first != NULL)
		store_commit(s);
	if (p->id == ROLE_RELAY)
		store_relay_gone(s);
	if (p->id == ROLE_LISTENER)
		store_waits_listener(s, false);
	drop(p);
}

static void
on_close(void *arg)
{
	lose(arg);
}

void
store_drop_peers(struct store *s)
{
	while (s->peers != NULL)
		drop(s->peers);
}

void
store_tell_intake(struct store *s)
{
	struct store_peer *listener = store_find_peer(s, ROLE_LISTENER, 0);
	struct packer p;
	struct buf b;

	if (listener == NULL)
		return;
	buf_init(&b, 16);
	pack_begin(&p, &b);
	pack_u32(&p, s->intake);
	if (pack_end(&p) == ERR_OK)
		(void)!ipc_post(
		    listener->ch, PROTO_INTAKE, 0, buf_span(&b), NULL, 0);
	buf_clear(&b);
}

void
store_add_peer(struct store *s, enum role_id id, unsigned index, struct ipc *ch)
{
	static const struct ipc_events events = {on_msg, on_close};
	struct store_peer *p = store_find_peer(s, id, index);

	if (p != NULL)
		lose(p);
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		fatal("out of memory");
	*p = (struct store_peer){
	    .next = s->peers, .store = s, .id = id, .index = index, .ch = ch};
	s->peers = p;
	ipc_attach(ch, s->loop, &events, p);
	if (id == ROLE_LISTENER) {
		store_waits_listener(s, true);
		store_tell_intake(s);
		store_tell_verified(s, p);
	}
	if (id == ROLE_KEYS) {
		store_ask_keys(s);
		store_register_all(s, p);
	}
	if (id == ROLE_PORTAL) {
		store_offer_objects(s);
		store_offer_accounts(s);
	}
}
