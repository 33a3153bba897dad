/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The process that reads keys which strangers bring: it parses and judges them
 * behind its walls, without a key, without a network, unable to write anything
 * but gpg's home on tmpfs. What it lets through it gives to store, which
 * decides what it changes; who brought it hears what became of it.
 *
 * User: users.admission. Behind its walls it can execute what the pgp processes
 * can (gateway/sandbox_table.c). A gpg that hangs ends it with its group.
 *
 * Takes PROTO_PROPOSE from discovery and from workers.
 */
#include <poll.h>
#include <stdlib.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"
#include "crypto/openpgp.h"
#include "gateway/admission/judge.h"
#include "gateway/admission/revocation.h"
#include "gateway/conf.h"
#include "gateway/gpg_group.h"
#include "gateway/proto.h"
#include "gateway/proto_keystore.h"
#include "gateway/role.h"

enum {
	ARENA_MAX = 16 * 1024 * 1024, /* of one proposal */
	STORE_MS = 10000,	      /* for store's word on one record */
};

struct admission {
	struct role *role;
	struct crypto_pgp *engine;
	struct arena *arena;
	bool hung; /* a gpg may still be there: end, and begin anew */
};

/* --- store's word --- */

static enum err
send_record(
    struct ipc *store, const char *key, const struct ks_record *r, uint64_t id)
{
	struct proto_admit admit = {0};
	struct buf record, payload;
	enum err e;

	buf_init(&record, KS_RECORD_MAX);
	buf_init(&payload, LIMIT_IPC_PAYLOAD);
	e = ks_record_encode(r, &record);
	admit.addr = span_str(key);
	admit.record = buf_span(&record);
	if (e == ERR_OK)
		e = proto_admit_pack(&admit, &payload);
	if (e == ERR_OK)
		e = ipc_send(
		    store, PROTO_ADMIT, id, buf_span(&payload), NULL, 0);
	buf_clear(&payload);
	buf_clear(&record);
	return e;
}

static enum err
ask_store(struct admission *a, const char *key, const struct ks_record *r,
    struct proto_admitted *out)
{
	static uint64_t last_id;
	struct ipc *store = role_channel(a->role, ROLE_STORE, 0);
	struct pollfd wait = {.events = POLLIN};
	struct ipc_msg msg;
	enum err e;

	if (store == NULL &&
	    role_wait_peer(a->role, ROLE_STORE, 0, STORE_MS) == ERR_OK)
		store = role_channel(a->role, ROLE_STORE, 0);
	if (store == NULL)
		return ERR_CRASHED;
	e = send_record(store, key, r, ++last_id);
	wait.fd = ipc_fd(store);
	if (e == ERR_OK && poll(&wait, 1, STORE_MS) != 1)
		e = ERR_TIMEOUT;
	if (e == ERR_OK)
		e = ipc_recv(store, &msg);
	if (e != ERR_OK) {
		/* a late answer must not be taken for the next one */
		role_drop(a->role, store);
		return e;
	}
	e = msg.type == PROTO_ADMITTED && msg.id == last_id
		? proto_admitted_unpack(msg.payload, a->arena, out)
		: ERR_IPC;
	ipc_msg_clear(&msg);
	if (e != ERR_OK)
		role_drop(a->role, store);
	return e;
}

/* For people who look for the key later; nothing waits for it. */
static void
tell_refusal(struct admission *a, const struct proto_propose *m,
    struct span fpr, const char *what, const char *why)
{
	const struct ks_refusal r = {.source = (enum ks_source)m->source,
	    .addr = span_str(m->key),
	    .fpr = fpr,
	    .what = span_str(what),
	    .url = span_str(m->url),
	    .why = span_str(why)};
	struct ipc *store = role_channel(a->role, ROLE_STORE, 0);
	struct buf b;

	if (store == NULL || m->key[0] == '\0')
		return;
	buf_init(&b, LIMIT_IPC_PAYLOAD);
	if (proto_key_refused_pack(&r, &b) == ERR_OK &&
	    ipc_send(store, PROTO_KEY_REFUSED, 0, buf_span(&b), NULL, 0) !=
		ERR_OK)
		role_drop(a->role, store);
	buf_clear(&b);
}

static void
decide_fate(struct admission *a, const struct proto_propose *m,
    const struct judged *j, struct proto_fate_of *out)
{
	struct proto_admitted said = {0};
	enum err e;

	*out = (struct proto_fate_of){
	    .fpr = j->fpr, .what = j->what, .why = j->why.text};
	if (j->record == NULL)
		return;
	out->ends = j->record->not_after;
	e = ask_store(a, m->key, j->record, &said);
	if (e == ERR_OK && said.change == KS_CHANGE_REFUSE &&
	    err_class(said.err) != ERR_CLASS_POLICY &&
	    err_class(said.err) != ERR_CLASS_CRYPTO &&
	    (err_class(said.err) != ERR_CLASS_PERM || said.err == ERR_LIMIT))
		/* a key that is there and found no place is no absence */
		e = said.err;
	if (e != ERR_OK) {
		out->fate = PROTO_FATE_FAILED;
		out->why = err_text(e);
		return;
	}
	out->why = said.why;
	out->fate = said.change == KS_CHANGE_REFUSE ? PROTO_FATE_REFUSED
		    : said.change == KS_CHANGE_WAIT ? PROTO_FATE_WAITS
						    : PROTO_FATE_KEPT;
}

/* --- a proposal --- */

static void
log_fate(const struct proto_propose *m, const struct proto_fate_of *f)
{
	static const char *const name[] = {
	    [PROTO_FATE_REFUSED] = "refused",
	    [PROTO_FATE_WAITS] = "waits",
	    [PROTO_FATE_KEPT] = "kept",
	    [PROTO_FATE_FAILED] = "failed",
	};
	char fpr[2 * KS_FPR_MAX + 1];

	text_hex(
	    SPAN(f->fpr.data, f->fpr.len > KS_FPR_MAX ? 0 : f->fpr.len), fpr);
	log_event(f->fate == PROTO_FATE_KEPT	 ? LOG_LVL_INFO
		  : f->fate == PROTO_FATE_FAILED ? LOG_LVL_ERR
						 : LOG_LVL_NOTICE,
	    NULL, "key-proposed", KV_STR("addr", m->key),
	    KV_STR("source", ks_source_name((enum ks_source)m->source)),
	    KV_STR("url", m->url), KV_STR("key", f->what), KV_STR("fpr", fpr),
	    KV_STR("result", name[f->fate]), KV_STR("why", f->why));
}

static void
log_blob(const struct proto_propose *m, const struct judgement *j)
{
	if (j->secret)
		log_event(LOG_LVL_CRIT, NULL, "private-key-offered",
		    KV_STR("addr", m->key), KV_STR("url", m->url),
		    KV_STR("text", "somebody publishes a private key; it was "
				   "not taken, tell its owner"));
	else if (j->err != ERR_OK)
		log_event(LOG_LVL_NOTICE, NULL, "key-refused",
		    KV_STR("addr", m->key), KV_STR("url", m->url),
		    KV_ERR(j->err), KV_STR("why", j->why.text));
}

static enum err
judge_all(struct admission *a, const struct proto_propose *m,
    struct proto_proposed *out)
{
	struct proto_admitted said;
	struct judgement *j = arena_alloc(a->arena, sizeof(*j));
	struct err_why *why = arena_alloc(a->arena, sizeof(*why));
	enum err e;

	if (j == NULL || why == NULL)
		return ERR_NOMEM;
	e = judge(
	    a->engine, m, (int64_t)(clock_unix_ms() / 1000), a->arena, j, why);
	a->hung = e == ERR_TIMEOUT;
	if (e != ERR_OK) {
		log_event(LOG_LVL_ERR, NULL, "judge", KV_STR("addr", m->key),
		    KV_ERR(e), KV_STR("why", why->text));
		out->failed = true;
		out->why = why->text;
		return ERR_OK;
	}
	log_blob(m, j);
	if (j->err != ERR_OK)
		tell_refusal(a, m, j->fpr, "what was found", j->why.text);
	out->key = arena_array(a->arena, j->n + 1, sizeof(*out->key));
	if (out->key == NULL)
		return ERR_NOMEM;
	out->why = j->why.text;
	/* what is not kept of them is missed by nobody but a path */
	for (size_t i = 0; i < j->n_issuers; i++)
		if (ask_store(a, "", j->issuer[i], &said) != ERR_OK)
			break;
	for (; out->n < j->n; out->n++) {
		decide_fate(a, m, &j->key[out->n], &out->key[out->n]);
		log_fate(m, &out->key[out->n]);
		if (out->key[out->n].fate == PROTO_FATE_REFUSED &&
		    !j->key[out->n].issuer)
			tell_refusal(a, m, out->key[out->n].fpr,
			    out->key[out->n].what, out->key[out->n].why);
	}
	return ERR_OK;
}

static enum err
on_propose(struct admission *a, const struct role_peer *from, struct ipc_msg *m)
{
	struct proto_propose in;
	struct proto_proposed out = {.why = ""};
	struct buf payload;
	enum err e = proto_propose_unpack(m->payload, a->arena, &in);

	if (e != ERR_OK)
		return e;
	/* who reads strangers' mail harvests, and nobody else does */
	if ((from->id == ROLE_OPENER) != (in.source == KS_SOURCE_HARVEST))
		return ERR_PERMISSION;
	e = judge_all(a, &in, &out);
	if (e != ERR_OK)
		out =
		    (struct proto_proposed){.failed = true, .why = err_text(e)};
	buf_init(&payload, LIMIT_IPC_PAYLOAD);
	e = proto_proposed_pack(&out, &payload);
	if (e == ERR_OK)
		e = ipc_send(from->ch, PROTO_PROPOSED, m->id,
		    buf_span(&payload), NULL, 0);
	buf_clear(&payload);
	return e;
}

/* --- revocation --- */

/* Store asked for it; discovery hears no more of it. */
static enum err
on_revocation(struct admission *a, struct ipc_msg *m)
{
	struct ipc *store = role_channel(a->role, ROLE_STORE, 0);
	struct buf said;
	enum err e;

	if (store == NULL)
		return ERR_OK; /* it asks again */
	buf_init(&said, LIMIT_CRL_SIZE + LIMIT_IPC_INLINE);
	e = revocation_read(
	    m->payload, (int64_t)(clock_unix_ms() / 1000), &said);
	if (e == ERR_OK && ipc_send(store, PROTO_REVOCATION_SAID, 0,
			       buf_span(&said), NULL, 0) != ERR_OK)
		role_drop(a->role, store);
	buf_clear(&said);
	return e;
}

/* --- the process --- */

static void
serve(struct admission *a, const struct role_peer *from, struct ipc_msg *m)
{
	enum err e = ERR_IPC;

	if (m->type == PROTO_PROPOSE && from->id != ROLE_STORE)
		e = on_propose(a, from, m);
	else if (m->type == PROTO_REVOCATION_READ && from->id == ROLE_DISCOVERY)
		e = on_revocation(a, m);
	/* what store says too late was for a request that has failed */
	if (e == ERR_OK || from->id == ROLE_STORE)
		return;
	log_event(LOG_LVL_ERR, NULL, "message",
	    KV_STR("from", role_name(from->id)), KV_NUM("type", m->type),
	    KV_ERR(e));
	role_drop(a->role, from->ch);
}

static int
serve_all(struct role *r, const char *gpg, unsigned timeout_ms)
{
	struct admission a = {.role = r, .arena = arena_new(ARENA_MAX)};
	struct err_why why = {""};
	struct role_peer from;
	struct ipc_msg m;

	gpg_group_take_sigterm();
	if (a.arena == NULL || crypto_pgp_open(role_conf(r)->paths.admission,
				   gpg, timeout_ms, &a.engine, &why) != ERR_OK)
		role_refuse(r, "OpenPGP: %s", why.text);
	role_ready(r);
	while (!a.hung && role_next(r, &from, &m) == ERR_OK) {
		serve(&a, &from, &m);
		ipc_msg_clear(&m);
		arena_reset(a.arena);
	}
	if (a.hung)
		gpg_group_end();
	crypto_pgp_close(a.engine);
	arena_free(a.arena);
	return EXIT_SUCCESS;
}

int
admission_main(struct role *r)
{
	gpg_group_begin(r);
	role_confine(r);
	return serve_all(r, NULL, LIMIT_ADMIT_MS);
}
