/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Answers are remembered in a table of fixed size by a keyed hash of the
 * address: two addresses with one hash do not happen, and a newer one takes the
 * place of an older one. What could not be told is not remembered.
 */
#include "gateway/listener/verify.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/secret.h"
#include "gateway/conf.h"
#include "gateway/listener/session.h"

enum {
	PATIENCE_MS = 20000, /* for the server and the way to it */
	WAYS = 4,
};

void
listener_verify_init(struct listener *l)
{
	l->verified = calloc(LIMIT_VERIFIED, sizeof(*l->verified));
	if (l->verified == NULL)
		fatal("out of memory");
	random_octets(l->verify_seed, sizeof(l->verify_seed));
}

void
listener_verify_clear(struct listener *l)
{
	ipc_free(l->relay);
	l->relay = NULL;
	free(l->verified);
	l->verified = NULL;
}

void
listener_verify_forget(struct listener *l)
{
	memset(l->verified, 0, LIMIT_VERIFIED * sizeof(*l->verified));
	l->verify_changed = l->verify_known = true;
}

/* --- what is remembered --- */

static void
hash_of(
    const struct listener *l, const struct listener_slot *slot, uint64_t out[2])
{
	const uint8_t whom = (uint8_t)slot->whom;
	const struct span parts[3] = {
	    SPAN(l->verify_seed, sizeof(l->verify_seed)), SPAN(&whom, 1),
	    span_str(slot->rcpt.to.key)};
	uint8_t digest[DIGEST_SIZE];

	digest_sha256(parts, 3, digest);
	memcpy(out, digest, 2 * sizeof(*out));
}

static struct listener_verified *
set_of(const struct listener *l, const uint64_t hash[2])
{
	return l->verified + hash[0] % (LIMIT_VERIFIED / WAYS) * WAYS;
}

static bool
is_of(const struct listener_verified *v, const uint64_t hash[2])
{
	return v->until_ms != 0 && v->hash[0] == hash[0] &&
	       v->hash[1] == hash[1];
}

static enum proto_verdict
recall(
    const struct listener *l, const struct listener_slot *slot, uint64_t now_ms)
{
	const struct listener_verified *set;
	uint64_t hash[2];

	hash_of(l, slot, hash);
	set = set_of(l, hash);
	for (unsigned i = 0; i < WAYS; i++)
		if (is_of(&set[i], hash) && now_ms < set[i].until_ms)
			return set[i].yes ? PROTO_YES : PROTO_NO;
	return PROTO_UNKNOWN;
}

void
listener_verify_put(struct listener *l, const struct listener_verified *v)
{
	struct listener_verified *set = set_of(l, v->hash), *at = set;

	for (unsigned i = 0; i < WAYS; i++) {
		if (is_of(&set[i], v->hash)) {
			at = &set[i];
			break;
		}
		if (set[i].until_ms < at->until_ms)
			at = &set[i];
	}
	*at = *v;
}

static void
remember(struct listener *l, const struct listener_slot *slot,
    enum proto_verdict verdict, uint64_t now_ms)
{
	bool yes = verdict == PROTO_YES;
	struct listener_verified v = {.yes = yes};

	if (verdict == PROTO_UNKNOWN)
		return;
	v.until_ms =
	    now_ms +
	    (yes ? LIMIT_VERIFIED_YES_S : LIMIT_VERIFIED_NO_S) * 1000ull;
	hash_of(l, slot, v.hash);
	listener_verify_put(l, &v);
	l->verify_changed = l->verify_known = true;
	listener_wake_tick(l);
}

/* --- asking --- */

static void
tell(struct listener_slot *slot, enum proto_verdict verdict)
{
	struct listener_session *s = slot->session;
	struct listener_reply r;

	switch (verdict) {
	case PROTO_YES:
		listener_reply_set(&r, 250, "2.1.5", "Recipient accepted");
		break;
	case PROTO_NO:
		log_event(LOG_LVL_NOTICE, s->id, "unknown-recipient",
		    KV_STR("client", s->peer),
		    KV_STR("rcpt", slot->rcpt.to.text));
		listener_reply_set(
		    &r, 550, "5.1.1", "There is no such recipient here");
		slot->is_error = true;
		break;
	case PROTO_UNKNOWN:
		listener_reply_set(&r, 451, "4.4.3",
		    "The recipient cannot be verified now, try again later");
		break;
	}
	listener_session_verdict(slot, &r);
}

static enum err
ask_list(struct listener *l, const struct listener_slot *slot, uint64_t id)
{
	const struct proto_listed m = {
	    slot->session->section, slot->rcpt.to.key};
	enum err e;

	if (l->accounts == NULL)
		return ERR_CLOSED;
	buf_reset(&l->scratch);
	e = proto_listed_pack(&m, &l->scratch);
	return e == ERR_OK ? ipc_post(l->accounts, PROTO_LISTED, id,
				 buf_span(&l->scratch), NULL, 0)
			   : e;
}

static enum err
ask_server(struct listener *l, const struct listener_slot *slot, uint64_t id)
{
	struct packer p;

	if (l->relay == NULL)
		return ERR_CLOSED;
	buf_reset(&l->scratch);
	pack_begin(&p, &l->scratch);
	pack_str(&p, slot->rcpt.to.text);
	return pack_end(&p) == ERR_OK ? ipc_post(l->relay, PROTO_PROBE, id,
					    buf_span(&l->scratch), NULL, 0)
				      : p.err;
}

static enum err
ask_directory(struct listener *l, const struct listener_slot *slot, uint64_t id)
{
	struct packer p;

	if (l->discovery == NULL)
		return ERR_CLOSED;
	buf_reset(&l->scratch);
	pack_begin(&p, &l->scratch);
	pack_str(&p, slot->rcpt.to.key);
	return pack_end(&p) == ERR_OK
		   ? ipc_post(l->discovery, PROTO_DIRECTORY_ASK, id,
			 buf_span(&l->scratch), NULL, 0)
		   : p.err;
}

static enum err
ask(struct listener *l, const struct listener_slot *slot, uint64_t id)
{
	switch (slot->whom) {
	case LISTENER_WHOM_SERVER:
		return ask_server(l, slot, id);
	case LISTENER_WHOM_LIST:
		return ask_list(l, slot, id);
	case LISTENER_WHOM_LDAP:
		return ask_directory(l, slot, id);
	}
	return ERR_INTERNAL;
}

void
listener_verify_start(struct listener *l, struct listener_slot *slot)
{
	const struct conf_listen *at =
	    &listener_conf(l)->listen[slot->session->section];
	uint64_t now_ms = clock_steady_ms();
	enum proto_verdict known = PROTO_UNKNOWN;

	slot->whom = at->recipients != NULL	      ? LISTENER_WHOM_LIST
		     : at->verify == CONF_VERIFY_LDAP ? LISTENER_WHOM_LDAP
						      : LISTENER_WHOM_SERVER;
	if (at->recipients == NULL && at->verify == CONF_VERIFY_NONE)
		known = PROTO_YES;
	else if (slot->whom != LISTENER_WHOM_LIST)
		known = recall(l, slot, now_ms);
	if (known != PROTO_UNKNOWN) {
		tell(slot, known);
		return;
	}
	slot->until_ms = now_ms + PATIENCE_MS;
	if (ask(l, slot, l->next_id + 1) != ERR_OK) {
		tell(slot, PROTO_UNKNOWN);
		return;
	}
	slot->verifying = true;
	listener_table_put(&l->verifying, &slot->node, ++l->next_id);
}

void
listener_verify_cancel(struct listener *l, struct listener_slot *slot)
{
	if (slot->verifying)
		listener_table_remove(&l->verifying, &slot->node);
	slot->verifying = false;
}

void
listener_verify_answer(
    struct listener *l, uint64_t id, enum proto_verdict verdict)
{
	struct listener_slot *slot = listener_table_find(&l->verifying, id);

	if (slot == NULL)
		return; /* nobody wants to know any more */
	listener_verify_cancel(l, slot);
	if (slot->whom != LISTENER_WHOM_LIST)
		remember(l, slot, verdict, clock_steady_ms());
	tell(slot, verdict);
}

/* The next one that waits for the process that has gone; sessions may go with
   each that is told. */
static struct listener_slot *
find_waiting(const struct listener *l, enum listener_whom whom)
{
	struct listener_session *s;
	struct listener_slot *slot;

	TAILQ_FOREACH(s, &l->sessions, link)
	TAILQ_FOREACH(slot, &s->slots, link)
	if (slot->verifying && slot->whom == whom)
		return slot;
	return NULL;
}

void
listener_verify_lost(struct listener *l, enum listener_whom whom)
{
	struct listener_slot *slot;

	while ((slot = find_waiting(l, whom)) != NULL) {
		listener_verify_cancel(l, slot);
		tell(slot, PROTO_UNKNOWN);
	}
}

/* --- relay --- */

static void
on_msg(void *arg, struct ipc_msg *msg)
{
	uint8_t verdict;

	if (msg->type == PROTO_PROBED &&
	    proto_verdict_unpack(msg->payload, &verdict) == ERR_OK)
		listener_verify_answer(
		    arg, msg->id, (enum proto_verdict)verdict);
	else
		log_event(LOG_LVL_WARN, NULL, "relay-nonsense",
		    KV_NUM("type", msg->type));
}

static void
on_close(void *arg)
{
	struct listener *l = arg;

	ipc_free(l->relay);
	l->relay = NULL;
	listener_verify_lost(l, LISTENER_WHOM_SERVER);
}

void
listener_relay_attach(struct listener *l, struct ipc *ch)
{
	static const struct ipc_events events = {on_msg, on_close};

	if (l->relay != NULL)
		on_close(l);
	l->relay = ch;
	ipc_attach(ch, l->loop, &events, l);
}
