/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Store, the loop and the test are one thread, and its time passes while there
 * is nothing else to do: what a test waits for takes no time of the machine.
 */
#include "tests/lib/store_rig.h"

#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"
#include "common/secret.h"
#include "policy/policy.h"
#include "tests/lib/still_loop.h"

enum { WAIT_MS = 60000, QUIET_MS = 60, STEP_MS = 2 };

static const char *
path(struct rig *r, int i, const char *name)
{
	snprintf(r->path[i], sizeof(r->path[i]), "%s/%s", r->dir, name);
	return r->path[i];
}

void
rig_init(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	secret_init();
	log_init("store", 0, LOG_LVL_CRIT, false);
	snprintf(r->dir, sizeof(r->dir), "/tmp/test-store-XXXXXX");
	if (mkdtemp(r->dir) == NULL)
		abort();
	r->conf.paths = (struct conf_paths){.spool = path(r, 0, "spool"),
	    .bodies = path(r, 1, "bodies"),
	    .audit = path(r, 2, "audit"),
	    .tls = path(r, 6, "tls"),
	    .keystore = path(r, 5, "keystore")};
	r->policy = policy_new();
	r->conf.policy = r->policy;
	r->conf.retry = (struct conf_retry){.first_ms = 300 * 1000,
	    .max_ms = 4 * 3600 * 1000,
	    .warn_ms = 4 * 3600 * 1000,
	    .hold_ms = 4 * 3600 * 1000,
	    .tls_ms = 3600 * 1000,
	    .expire_ms = 5ull * 24 * 3600 * 1000};
	/* who hands in the entries may have them signed */
	r->listen =
	    (struct conf_listen){.may_sign = &r->may_sign, .n_may_sign = 1};
	r->may_sign = (struct conf_net){AF_INET, 8, {127}};
	r->conf.listen = &r->listen;
	r->conf.n_listen = 1;
	r->conf.limits.stop_ms = 300;
	r->conf.trust = (struct conf_trust){.seal_from = 3,
	    .wkd = 3,
	    .dane = 3,
	    .vks = 3,
	    .hkp = 1,
	    .ldap = 1,
	    .harvest = 2};
	r->arena = arena_new(64 * 1024 * 1024);
	if (r->arena == NULL ||
	    sealed_keypair(SEALED_AUDIT, &r->pub, &r->priv) != ERR_OK ||
	    sealed_keypair(SEALED_READY, &r->ready_pub, &r->ready_priv) !=
		ERR_OK)
		abort();
}

static int
remove_one(const char *name, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(name);
}

void
rig_clear(struct rig *r)
{
	rig_kill(r);
	policy_free(r->policy);
	secret_free(r->priv);
	secret_free(r->ready_priv);
	arena_free(r->arena);
	nftw(r->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
on_end(void *arg, bool failed)
{
	struct rig *r = arg;

	r->ended = true;
	r->failed = failed;
}

enum err
rig_start_without_keys(struct rig *r)
{
	struct err_why why = {""};
	enum err e = store_open(&r->conf, &r->store, &why);

	if (e != ERR_OK)
		return e;
	r->ended = r->failed = false;
	still_set(STILL_JUMPS);
	r->loop = loop_new();
	store_start(r->store, r->loop, on_end, r);
	rig_connect(r, ROLE_LISTENER, 0);
	rig_connect(r, ROLE_WORKER, 0);
	rig_connect(r, ROLE_RELAY, 0);
	rig_run(r, 10);
	return ERR_OK;
}

enum err
rig_start(struct rig *r)
{
	enum err e = rig_start_without_keys(r);

	if (e == ERR_OK) {
		rig_connect(r, ROLE_KEYS, 0);
		rig_run(r, 10);
	}
	return e;
}

void
rig_kill(struct rig *r)
{
	if (r->store == NULL)
		return;
	store_close(r->store);
	r->store = NULL;
	for (int i = 0; i < ROLE_COUNT; i++)
		for (int k = 0; k < RIG_INDEXES; k++) {
			ipc_free(r->far[i][k]);
			r->far[i][k] = NULL;
		}
	loop_free(r->loop);
	r->loop = NULL;
}

void
rig_stop(struct rig *r)
{
	store_stop(r->store);
	rig_disconnect(r, ROLE_LISTENER, 0);
	rig_disconnect(r, ROLE_RELAY, 0);
	for (unsigned k = 0; k < RIG_INDEXES; k++)
		rig_disconnect(r, ROLE_WORKER, k);
	for (int i = 0; i < WAIT_MS / STEP_MS && !r->ended; i++)
		rig_run(r, STEP_MS);
	rig_kill(r);
}

void
rig_connect(struct rig *r, enum role_id id, unsigned index)
{
	int ours, theirs;

	if (ipc_pair(&ours, &theirs) != ERR_OK)
		abort();
	ipc_free(r->far[id][index]);
	r->far[id][index] = ipc_new(ours);
	store_add_peer(r->store, id, index, ipc_new(theirs));
}

void
rig_disconnect(struct rig *r, enum role_id id, unsigned index)
{
	ipc_free(r->far[id][index]);
	r->far[id][index] = NULL;
}

static void
stop_loop(void *arg)
{
	loop_stop(arg);
}

static bool
is_readable(const struct ipc *ch)
{
	struct pollfd p = {.fd = ipc_fd(ch), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

/* What was registered; true if the message was about that. */
static bool
note_registered(struct rig *r, const struct ipc_msg *m)
{
	struct arena *a;
	struct proto_register reg;

	if (m->type == PROTO_UNREGISTER && m->id == r->registered)
		r->registered = 0;
	if (m->type != PROTO_REGISTER)
		return m->type == PROTO_UNREGISTER;
	a = arena_new(65536);
	if (proto_register_unpack(m->payload, a, &reg) != ERR_OK ||
	    (m->id != 0) != (reg.n_addr > 0))
		abort();
	r->registered_open = reg.open;
	r->registered_addrs = reg.n_addr;
	r->registered = m->id;
	snprintf(r->registered_addr, sizeof(r->registered_addr), "%s",
	    reg.n_addr > 0 ? reg.addr[0] : "");
	arena_free(a);
	return true;
}

void
rig_play_keys(struct rig *r)
{
	struct ipc *ch = r->far[ROLE_KEYS][0];
	struct proto_keys k = {0};
	struct secret *key = NULL;
	struct packer p;
	struct ipc_msg m;
	struct buf b;
	enum err e = ERR_OK;

	if (ch == NULL || !is_readable(ch) || ipc_recv(ch, &m) != ERR_OK)
		return;
	buf_init(&b, 4096);
	k.pub[SEALED_AUDIT] = r->pub;
	k.pub[SEALED_READY] = r->ready_pub;
	if (note_registered(r, &m)) {
		e = ERR_OK;
	} else if (m.type == PROTO_KEYS_GET) {
		e = proto_keys_pack(&k, &b);
		if (e == ERR_OK)
			e = ipc_send(
			    ch, PROTO_KEYS, m.id, buf_span(&b), NULL, 0);
	} else {
		e = r->keys_fail;
		if (r->n_keys_fail > 0)
			r->n_keys_fail--;
		else
			e = sealed_content_key(&r->pub, r->priv,
			    SPAN(m.payload.data + 1, m.payload.len - 1), &key);
		pack_begin(&p, &b);
		pack_u32(&p, e);
		pack_span(&p, e == ERR_OK ? secret_span(key) : SPAN(NULL, 0));
		e = pack_end(&p);
		if (e == ERR_OK)
			e = ipc_send(ch, PROTO_CONTENT_KEY_IS, m.id,
			    buf_span(&b), NULL, 0);
		secret_free(key);
	}
	if (e != ERR_OK && e != ERR_CLOSED)
		abort();
	buf_clear(&b);
	ipc_msg_clear(&m);
}

void
rig_run(struct rig *r, unsigned ms)
{
	struct loop_timer *t = loop_timer_new(r->loop, stop_loop, r->loop);

	for (unsigned done = 0; done < ms; done += STEP_MS) {
		loop_timer_start(t, STEP_MS, 0);
		loop_run(r->loop);
		rig_play_keys(r);
	}
	loop_timer_free(t);
}

void
rig_advance(struct rig *r, uint64_t ms)
{
	still_ahead_ms += ms;
	rig_run(r, 2 * STEP_MS);
}

void
rig_send(struct rig *r, enum role_id id, unsigned index, uint16_t type,
    uint64_t msg_id, struct span payload)
{
	if (ipc_send(r->far[id][index], type, msg_id, payload, NULL, 0) !=
	    ERR_OK)
		abort();
}

void
rig_send_dmz(struct rig *r, const char *instance, uint64_t id, uint16_t type,
    struct span payload)
{
	struct packer p;
	struct buf b;

	buf_init(&b, 4096);
	pack_begin(&p, &b);
	pack_raw(&p, instance, 16);
	pack_u16(&p, type);
	pack_span(&p, payload);
	if (pack_end(&p) != ERR_OK)
		abort();
	rig_send(r, ROLE_PORTAL, 0, PROTO_OBJECT_EVENT, id, buf_span(&b));
	buf_clear(&b);
}

/* Notifications that relay is to make come when a second is over: they are set
   aside, for no test to meet one in the place of something else. */
static bool
is_notify(struct rig *r, struct ipc_msg *m)
{
	struct span copy;

	if (m->type != PROTO_NOTIFY)
		return false;
	if (arena_span(r->arena, m->payload, &copy) != ERR_OK ||
	    proto_notify_unpack(copy, r->arena, &r->notify) != ERR_OK)
		abort();
	r->n_notify++;
	ipc_msg_clear(m);
	return true;
}

static bool
recv_within(struct rig *r, enum role_id id, unsigned index, struct ipc_msg *m,
    unsigned ms)
{
	struct ipc *ch = r->far[id][index];

	for (unsigned done = 0; done <= ms; done += STEP_MS) {
		if (!is_readable(ch))
			rig_run(r, STEP_MS);
		else if (ipc_recv(ch, m) != ERR_OK)
			return false;
		else if (!is_notify(r, m))
			return true;
	}
	return false;
}

bool
rig_recv(struct rig *r, enum role_id id, unsigned index, struct ipc_msg *m)
{
	return recv_within(r, id, index, m, WAIT_MS);
}

bool
rig_notify(struct rig *r, struct proto_notify *out)
{
	unsigned seen = r->n_notify_seen;
	struct ipc_msg m;

	for (unsigned i = 0; i < WAIT_MS / QUIET_MS && r->n_notify == seen; i++)
		if (recv_within(r, ROLE_RELAY, 0, &m, QUIET_MS))
			ipc_msg_clear(&m);
	if (r->n_notify == seen)
		return false;
	r->n_notify_seen = r->n_notify;
	*out = r->notify;
	return true;
}

bool
rig_is_quiet(struct rig *r, enum role_id id, unsigned index)
{
	struct ipc_msg m;

	if (!recv_within(r, id, index, &m, QUIET_MS))
		return true;
	ipc_msg_clear(&m);
	return false;
}

struct entry
rig_entry(struct rig *r, uint64_t id, uint64_t message_id, enum entry_kind kind)
{
	struct entry e = {.id = id,
	    .message_id = message_id,
	    .kind = kind,
	    .from = "a@ours.example",
	    .from_key = "a@ours.example",
	    .envid = "",
	    .client = "127.0.0.1",
	    .origin = "127.0.0.1",
	    .trace = "",
	    .n_rcpt = 1,
	    .body_size = 1000,
	    .why = kind == ENTRY_READY ? ENTRY_WHY_NONE : ENTRY_WHY_UNDECIDED,
	    .reason = "",
	    .rule = "default",
	    .wait_object = "",
	    .file = ""};
	uint8_t *body = arena_alloc(r->arena, sealed_size(e.body_size));

	e.rcpt = arena_array(r->arena, 1, sizeof(*e.rcpt));
	if (body == NULL || e.rcpt == NULL)
		abort();
	e.rcpt[0] = (struct entry_rcpt){
	    .addr = "b@example.org", .key = "b@example.org", .orcpt = ""};
	e.body = SPAN(body, sealed_size(e.body_size));
	return e;
}

static void
submit(struct rig *r, enum role_id role, unsigned index, uint64_t message_id,
    const struct proto_submit *m)
{
	struct buf b;

	buf_init(&b, LIMIT_IPC_PAYLOAD);
	if (proto_submit_pack(m, &b) != ERR_OK)
		abort();
	rig_send(r, role, index, PROTO_SUBMIT, message_id, buf_span(&b));
	buf_clear(&b);
}

void
rig_submit_as(struct rig *r, enum role_id role, uint64_t message_id,
    const struct proto_submit *m)
{
	submit(r, role, 0, message_id, m);
}

void
rig_submit(struct rig *r, unsigned worker, uint64_t message_id,
    const struct proto_submit *m)
{
	submit(r, ROLE_WORKER, worker, message_id, m);
}

bool
rig_committed_as(
    struct rig *r, uint64_t message_id, struct proto_committed *out)
{
	struct ipc_msg m;
	bool found = false;

	while (!found && rig_recv(r, ROLE_LISTENER, 0, &m)) {
		found = m.type == PROTO_COMMITTED && m.id == message_id;
		if (found)
			found = proto_committed_unpack(
				    m.payload, r->arena, out) == ERR_OK;
		ipc_msg_clear(&m);
	}
	return found;
}

enum err
rig_committed(struct rig *r, uint64_t message_id)
{
	struct proto_committed c;

	return rig_committed_as(r, message_id, &c) ? c.result : ERR_COUNT;
}

bool
rig_deliver(struct rig *r, struct proto_deliver *out)
{
	struct ipc_msg m;
	bool good;

	if (!rig_recv(r, ROLE_RELAY, 0, &m))
		return false;
	good = m.type == PROTO_DELIVER &&
	       proto_deliver_unpack(m.payload, r->arena, out) == ERR_OK;
	if (good) {
		out->entry.body = SPAN(NULL, out->entry.body.len);
	}
	ipc_msg_clear(&m);
	return good;
}

bool
rig_own_mail(struct rig *r, struct proto_deliver *out, struct buf *text)
{
	struct secret *key = NULL;
	struct ipc_msg m;
	struct buf ad;
	bool good;

	buf_reset(text);
	if (!rig_recv(r, ROLE_RELAY, 0, &m))
		return false;
	buf_init(&ad, 65536);
	good = m.type == PROTO_DELIVER &&
	       proto_deliver_unpack(m.payload, r->arena, out) == ERR_OK &&
	       entry_pack_fixed(&out->entry, &ad) == ERR_OK &&
	       sealed_content_key(&r->ready_pub, r->ready_priv,
		   SPAN(out->entry.body.data, SEALED_HEADER), &key) == ERR_OK &&
	       sealed_open(key, buf_span(&ad), out->entry.body, text) == ERR_OK;
	out->entry.body = SPAN(NULL, 0);
	secret_free(key);
	buf_clear(&ad);
	ipc_msg_clear(&m);
	if (good)
		rig_result(r, out->entry.id, PROTO_DELIVERED);
	return good;
}

void
rig_result(struct rig *r, uint64_t entry_id, enum proto_outcome outcome)
{
	struct proto_rcpt_result rcpt = {.outcome = (uint8_t)outcome,
	    .code = outcome == PROTO_DELIVERED ? 250 : 451,
	    .status = "2.0.0",
	    .text = "said so"};
	struct proto_hop hop = proto_hop_none;
	struct proto_result m = {
	    .rcpt = &rcpt, .n_rcpt = 1, .hop = &hop, .n_hop = 1};
	struct buf b;

	hop.peer = "mx.example.org [192.0.2.1]:25";
	hop.protocol = "TLSv1.3";
	buf_init(&b, 4096);
	if (proto_result_pack(&m, &b) != ERR_OK)
		abort();
	rig_send(r, ROLE_RELAY, 0, PROTO_RESULT, entry_id, buf_span(&b));
	buf_clear(&b);
}

char *
rig_request(struct rig *r, const char *json)
{
	struct ipc_msg m;
	char *answer = NULL;

	if (r->far[ROLE_CONTROL][0] == NULL)
		rig_connect(r, ROLE_CONTROL, 0);
	rig_send(r, ROLE_CONTROL, 0, PROTO_REQUEST, 7, span_str(json));
	if (!rig_recv(r, ROLE_CONTROL, 0, &m))
		return NULL;
	if (m.type == PROTO_ANSWER && m.id == 7)
		answer = strndup((const char *)m.payload.data, m.payload.len);
	ipc_msg_clear(&m);
	return answer;
}
