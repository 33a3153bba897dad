/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Channels in pairs: one end is the relay's, the other is attached here.
 */
#include "tests/lib/relay_driver.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/digest.h"
#include "common/log.h"
#include "gateway/relay/relay_private.h"

enum { RESULTS_MAX = 4096, ARENA_MAX = 256 * 1024 * 1024 };

struct relay_driver {
	struct loop *loop;
	struct conf conf;
	struct conf_addr resolver;
	struct relay *relay;
	struct ipc *store;
	struct ipc *keys;
	struct ipc *listener; /* NULL until it asks */
	int verdict;	      /* -1: none yet */
	struct sealed_pub pub;
	struct secret *priv;
	struct arena *arena;
	struct relay_driver_result result[RESULTS_MAX];
	unsigned n_results;
	unsigned n_partial;
	struct proto_notified notified;
	bool was_notified;
	unsigned wanted;
	bool stopped;
	bool timed_out;
	uint64_t timeout_ms;
};

static void
must(bool ok, const char *what)
{
	if (!ok)
		fatal("relay_driver: %s", what);
}

static void
on_store(void *arg, struct ipc_msg *m)
{
	struct relay_driver *d = arg;
	struct relay_driver_result *r = &d->result[d->n_results];
	struct span copy;

	must(arena_span(d->arena, m->payload, &copy) == ERR_OK, "copy");
	if (m->type == PROTO_NOTIFIED) {
		must(proto_notified_unpack(copy, d->arena, &d->notified) ==
			 ERR_OK,
		    "notification does not unpack");
		d->was_notified = true;
		loop_stop(d->loop);
		return;
	}
	must(m->type == PROTO_RESULT && d->n_results < RESULTS_MAX, "result");
	r->id = m->id;
	must(proto_result_unpack(copy, d->arena, &r->result) == ERR_OK,
	    "result does not unpack");
	if (r->result.more) {
		d->n_partial++;
		return;
	}
	d->n_results++;
	if (d->n_results >= d->wanted)
		loop_stop(d->loop);
}

static void
on_keys(void *arg, struct ipc_msg *m)
{
	struct relay_driver *d = arg;
	struct proto_keys k = {0};
	struct buf b;

	must(m->type == PROTO_KEYS_GET, "keys");
	k.pub[SEALED_READY] = d->pub;
	k.ready_private = secret_span(d->priv);
	buf_init(&b, 4096);
	must(proto_keys_pack(&k, &b) == ERR_OK &&
		 ipc_post(d->keys, PROTO_KEYS, m->id, buf_span(&b), NULL, 0) ==
		     ERR_OK,
	    "keys");
	buf_clear(&b);
}

static void
on_close(void *arg)
{
	(void)arg;
}

struct relay_driver *
relay_driver_new(uint16_t port, uint64_t timeout_ms)
{
	struct relay_driver *d = calloc(1, sizeof(*d));

	must(d != NULL, "memory");
	secret_init();
	log_init("relay", 0, LOG_LVL_CRIT, false);
	d->loop = loop_new();
	d->arena = arena_new(ARENA_MAX);
	d->timeout_ms = timeout_ms;
	d->conf.hostname = "gw.example.com";
	d->conf.outbound = (struct conf_relay){.present = true,
	    .kind = CONF_VIA_SMTP,
	    .via = "127.0.0.1",
	    .host = "127.0.0.1",
	    .delivers = true,
	    .port = port};
	d->conf.inbound = d->conf.outbound;
	d->conf.limits.stop_ms = 2000;
	d->conf.retry.expire_ms = 5ull * 24 * 3600 * 1000;
	must(sealed_keypair(SEALED_READY, &d->pub, &d->priv) == ERR_OK, "key");
	return d;
}

struct conf *
relay_driver_conf(struct relay_driver *d)
{
	return &d->conf;
}

void
relay_driver_resolver(struct relay_driver *d, uint16_t port)
{
	struct sockaddr_in *in4 = (void *)&d->resolver.sa;

	in4->sin_family = AF_INET;
	in4->sin_port = htons(port);
	in4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	d->resolver.sa_len = sizeof(*in4);
	d->conf.resolver = &d->resolver;
	d->conf.n_resolver = 1;
	d->conf.dnssec_anchors = "";
}

static void
on_stopped(void *arg)
{
	struct relay_driver *d = arg;

	d->stopped = true;
	loop_stop(d->loop);
}

void
relay_driver_new_store(struct relay_driver *d)
{
	static const struct ipc_events events = {on_store, on_close};
	int a, b;

	must(ipc_pair(&a, &b) == ERR_OK, "pair");
	d->store = ipc_new(a);
	ipc_attach(d->store, d->loop, &events, d);
	relay_on_peer(d->relay, ROLE_STORE, 0, ipc_new(b));
}

void
relay_driver_cut_store(struct relay_driver *d)
{
	ipc_free(d->store);
	d->store = NULL;
}

void
relay_driver_start(struct relay_driver *d)
{
	static const struct ipc_events events = {on_keys, on_close};
	struct relay_setup setup = {.loop = d->loop,
	    .conf = &d->conf,
	    .timeout_ms = d->timeout_ms,
	    .on_stopped = on_stopped,
	    .arg = d};
	struct err_why why = {""};
	int a, b;

	must(relay_new(&setup, &d->relay, &why) == ERR_OK, "relay");
	relay_driver_new_store(d);
	must(ipc_pair(&a, &b) == ERR_OK, "pair");
	d->keys = ipc_new(a);
	ipc_attach(d->keys, d->loop, &events, d);
	relay_on_peer(d->relay, ROLE_KEYS, 0, ipc_new(b));
}

void
relay_driver_free(struct relay_driver *d)
{
	if (d == NULL)
		return;
	relay_free(d->relay);
	ipc_free(d->store);
	ipc_free(d->keys);
	ipc_free(d->listener);
	loop_free(d->loop);
	secret_free(d->priv);
	arena_free(d->arena);
	free(d);
}

/* --- deliveries --- */

static void
seal(struct relay_driver *d, struct entry *e, struct span text, struct buf *out)
{
	struct buf ad;

	e->body_size = text.len;
	digest_sha256(&text, 1, e->body_hash);
	buf_init(&ad, 1024 * 1024);
	must(entry_pack_fixed(e, &ad) == ERR_OK &&
		 sealed_seal(&d->pub, buf_span(&ad), text, out) == ERR_OK,
	    "seal");
	buf_clear(&ad);
}

static void
post(struct relay_driver *d, struct proto_deliver *m, const int *fds, size_t n)
{
	uint32_t all[1000];
	struct buf b;

	must(m->entry.n_rcpt <= 1000, "too many recipients");
	if (m->n_open == 0) {
		for (uint32_t i = 0; i < m->entry.n_rcpt; i++)
			all[i] = i;
		m->open = all;
		m->n_open = m->entry.n_rcpt;
	}
	buf_init(&b, LIMIT_IPC_PAYLOAD);
	must(proto_deliver_pack(m, &b) == ERR_OK &&
		 ipc_post(d->store, PROTO_DELIVER, m->entry.id, buf_span(&b),
		     fds, n) == ERR_OK,
	    "deliver");
	buf_clear(&b);
}

uint64_t
relay_driver_deliver(struct relay_driver *d, struct proto_deliver *m,
    const struct entry *e, struct span text)
{
	struct buf sealed;

	buf_init(&sealed, LIMIT_IPC_PAYLOAD);
	m->entry = *e;
	if (m->entry.id == 0)
		m->entry.id = entry_new_id();
	seal(d, &m->entry, text, &sealed);
	m->entry.body = buf_span(&sealed);
	post(d, m, NULL, 0);
	buf_clear(&sealed);
	return m->entry.id;
}

uint64_t
relay_driver_deliver_broken(
    struct relay_driver *d, const struct entry *e, struct span text, size_t at)
{
	struct proto_deliver m = {.entry = *e};
	struct buf sealed;

	buf_init(&sealed, LIMIT_IPC_PAYLOAD);
	m.entry.id = entry_new_id();
	seal(d, &m.entry, text, &sealed);
	sealed.data[at < sealed.len ? at : sealed.len - 1] ^= 1;
	m.entry.body = buf_span(&sealed);
	post(d, &m, NULL, 0);
	buf_clear(&sealed);
	return m.entry.id;
}

uint64_t
relay_driver_deliver_file(
    struct relay_driver *d, const struct entry *e, struct span text)
{
	struct proto_deliver m = {.entry = *e};
	struct buf sealed;
	int fd = memfd_create("body", MFD_CLOEXEC);

	buf_init(&sealed, LIMIT_IPC_PAYLOAD);
	m.entry.id = entry_new_id();
	m.entry.file = "body";
	seal(d, &m.entry, text, &sealed);
	must(fd >= 0 && memfd_write(fd, buf_span(&sealed)) == ERR_OK, "file");
	post(d, &m, &fd, 1);
	close(fd);
	buf_clear(&sealed);
	return m.entry.id;
}

/* --- running --- */

static void
on_time(void *arg, unsigned events)
{
	struct relay_driver *d = arg;

	(void)events;
	d->timed_out = true;
	loop_stop(d->loop);
}

/* Patience is the machine's time, whatever the loop's is. */
static void
run(struct relay_driver *d, unsigned ms)
{
	struct itimerspec end = {
	    .it_value = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	struct loop_io *io;

	must(fd >= 0 && timerfd_settime(fd, 0, &end, NULL) == 0, "timer");
	io = loop_io_new(d->loop, fd, on_time, d);
	loop_io_set(io, LOOP_READ);
	d->timed_out = false;
	loop_run(d->loop);
	loop_io_free(io);
	close(fd);
}

unsigned
relay_driver_wait(struct relay_driver *d, unsigned n, unsigned ms)
{
	d->wanted = n;
	d->timed_out = false;
	while (d->n_results < n && !d->timed_out)
		run(d, ms);
	return d->n_results;
}

const struct proto_result *
relay_driver_result(struct relay_driver *d, uint64_t id)
{
	for (unsigned i = 0; i < d->n_results; i++)
		if (d->result[i].id == id)
			return &d->result[i].result;
	return NULL;
}

unsigned
relay_driver_partial(const struct relay_driver *d)
{
	return d->n_partial;
}

const struct proto_notified *
relay_driver_notify(
    struct relay_driver *d, const struct proto_notify *m, unsigned ms)
{
	struct buf b;

	buf_init(&b, LIMIT_IPC_PAYLOAD);
	must(proto_notify_pack(m, &b) == ERR_OK &&
		 ipc_post(d->store, PROTO_NOTIFY, m->dsn.message_id,
		     buf_span(&b), NULL, 0) == ERR_OK,
	    "notify");
	buf_clear(&b);
	d->was_notified = false;
	d->timed_out = false;
	while (!d->was_notified && !d->timed_out)
		run(d, ms);
	return d->was_notified ? &d->notified : NULL;
}

static void
on_listener(void *arg, struct ipc_msg *m)
{
	struct relay_driver *d = arg;
	uint8_t verdict = PROTO_UNKNOWN;

	must(m->type == PROTO_PROBED &&
		 proto_verdict_unpack(m->payload, &verdict) == ERR_OK,
	    "verdict");
	d->verdict = verdict;
	loop_stop(d->loop);
}

int
relay_driver_probe(struct relay_driver *d, const char *addr, unsigned ms)
{
	static const struct ipc_events events = {on_listener, on_close};
	struct packer p;
	struct buf b;
	int a = -1, other = -1;

	must(d->listener == NULL && ipc_pair(&a, &other) == ERR_OK, "pair");
	d->listener = ipc_new(a);
	ipc_attach(d->listener, d->loop, &events, d);
	relay_on_peer(d->relay, ROLE_LISTENER, 0, ipc_new(other));
	buf_init(&b, 4096);
	pack_begin(&p, &b);
	pack_str(&p, addr);
	must(pack_end(&p) == ERR_OK && ipc_post(d->listener, PROTO_PROBE, 1,
					   buf_span(&b), NULL, 0) == ERR_OK,
	    "probe");
	buf_clear(&b);
	d->verdict = -1;
	d->timed_out = false;
	while (d->verdict < 0 && !d->timed_out)
		run(d, ms);
	return d->verdict;
}

enum err
relay_driver_open_outer(
    struct relay_driver *d, const struct dsn *dsn, struct buf *out)
{
	return dsn_outer_open(&d->pub, d->priv, dsn, out);
}

struct span
relay_driver_seal_outer(
    struct relay_driver *d, const struct dsn *dsn, struct span header)
{
	struct span out = {0};

	must(dsn_outer_seal(&d->pub, dsn->message_id, dsn->from_key, header,
		 d->arena, &out) == ERR_OK,
	    "seal");
	return out;
}

void
relay_driver_recall(struct relay_driver *d, uint64_t id)
{
	must(ipc_post(d->store, PROTO_RECALL, id, SPAN(NULL, 0), NULL, 0) ==
		 ERR_OK,
	    "recall");
}

bool
relay_driver_stop(struct relay_driver *d, unsigned ms)
{
	relay_stop(d->relay);
	d->wanted = RESULTS_MAX;
	d->timed_out = false;
	while (!d->stopped && !d->timed_out)
		run(d, ms);
	return d->stopped;
}

void
relay_driver_open(
    struct relay_driver *d, const struct entry *e, struct buf *out)
{
	struct secret *key = NULL;
	struct buf ad;

	buf_init(&ad, 1024 * 1024);
	must(
	    entry_pack_fixed(e, &ad) == ERR_OK &&
		sealed_content_key(&d->pub, d->priv, e->body, &key) == ERR_OK &&
		sealed_open(key, buf_span(&ad), e->body, out) == ERR_OK,
	    "open");
	secret_free(key);
	buf_clear(&ad);
}
