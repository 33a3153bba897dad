/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The process around the deliveries: its channels to store and keys, the key
 * of ready entries, results that wait for store to come back, the end.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "gateway/relay/relay_private.h"

enum {
	RESULT_MAX = 64 * 1024 * 1024,
	STOP_CHECK_MS = 20,
	LOOK_ARENA = 4096, /* octets of a domain's name, and more */
};

static void
set_names(struct relay *r, const struct conf *conf)
{
	r->conf = conf;
	snprintf(r->helo, sizeof(r->helo), "%s", conf->hostname);
}

static void on_stop_timer(void *arg);
static void make_looks(struct relay *r);

enum err
relay_new(
    const struct relay_setup *setup, struct relay **out, struct err_why *why)
{
	struct relay *r = calloc(1, sizeof(*r));
	const struct sockaddr **servers;
	enum err e;

	servers = calloc(setup->conf->n_resolver + 1, sizeof(*servers));
	if (r == NULL || servers == NULL)
		fatal("out of memory");
	signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
	r->setup = *setup;
	r->kept_last = &r->kept;
	set_names(r, setup->conf);
	for (size_t i = 0; i < setup->conf->n_resolver; i++)
		servers[i] =
		    (const struct sockaddr *)&setup->conf->resolver[i].sa;
	e = net_dns_new(setup->loop, servers, setup->conf->n_resolver,
	    setup->conf->dnssec_anchors, &r->dns, why);
	if (e == ERR_OK)
		e = net_tls_clients_new(
		    setup->conf->tls_anchors, &r->tls_clients, why);
	if (e == ERR_OK)
		e = relay_logins_new(setup->conf, setup->take_password,
		    setup->arg, &r->logins, why);
	free(servers);
	if (e != ERR_OK) {
		relay_free(r);
		return e;
	}
	r->stop_timer = loop_timer_new(setup->loop, on_stop_timer, r);
	r->sts = relay_sts_new(setup->loop, r->dns);
	r->ruas = relay_ruas_new(setup->loop, r->dns);
	make_looks(r);
	*out = r;
	return ERR_OK;
}

static void
free_jobs(struct relay *r)
{
	struct relay_job *j;

	for (unsigned b = 0; b < RELAY_JOB_BUCKETS; b++)
		while ((j = r->jobs[b]) != NULL) {
			r->jobs[b] = j->next;
			relay_job_free(j);
		}
}

static void
forget(struct relay_kept **list)
{
	struct relay_kept *k;

	while ((k = *list) != NULL) {
		*list = k->next;
		free(k);
	}
}

void
relay_free(struct relay *r)
{
	if (r == NULL)
		return;
	relay_probes_end(r);
	relay_dests_free(r->dests);
	relay_looks_free(r->looks);
	free_jobs(r);
	forget(&r->kept);
	forget(&r->told);
	ipc_free(r->store);
	ipc_free(r->keys);
	ipc_free(r->listener);
	relay_sts_free(r->sts);
	relay_ruas_free(r->ruas);
	net_dns_free(r->dns);
	net_tls_clients_free(r->tls_clients);
	relay_logins_free(r->logins);
	secret_free(r->priv);
	loop_timer_free(r->stop_timer);
	free(r);
}

/* --- results --- */

static void
keep(struct relay *r, uint64_t id, struct span payload)
{
	struct relay_kept *k = malloc(sizeof(*k) + payload.len);

	if (k == NULL)
		fatal("out of memory");
	k->next = NULL;
	k->id = id;
	k->len = payload.len;
	memcpy(k->payload, payload.data, payload.len);
	*r->kept_last = k;
	r->kept_last = &k->next;
}

static void
tell_kept(struct relay *r)
{
	struct relay_kept *k;

	while (r->store != NULL && (k = r->kept) != NULL) {
		if (ipc_post(r->store, PROTO_RESULT, k->id,
			SPAN(k->payload, k->len), NULL, 0) != ERR_OK)
			return;
		r->kept = k->next;
		if (r->kept == NULL)
			r->kept_last = &r->kept;
		k->next = r->told;
		r->told = k;
	}
}

/* A new store may ask for what is in its spool before it reads the results
   that were kept for it. Once it has read one, it never asks for a recipient
   that is done there: so who does has not read it yet, and it will land what
   was asked for. To deliver now would be to deliver twice. */
bool
relay_was_told(const struct relay *r, const struct relay_job *j)
{
	struct proto_result res;

	for (const struct relay_kept *k = r->told; k != NULL; k = k->next) {
		if (k->id != j->id ||
		    proto_result_unpack(
			SPAN(k->payload, k->len), j->arena, &res) != ERR_OK)
			continue;
		for (uint32_t i = 0; i < res.n_rcpt; i++)
			for (uint32_t o = 0; o < j->deliver.n_open; o++)
				if (res.rcpt[i].rcpt == j->deliver.open[o] &&
				    res.rcpt[i].outcome != PROTO_DEFERRED)
					return true;
	}
	return false;
}

void
relay_tell_result(struct relay *r, uint64_t id, const struct proto_result *res)
{
	struct buf b;

	buf_init(&b, RESULT_MAX);
	if (proto_result_pack(res, &b) != ERR_OK)
		fatal("out of memory");
	if (r->store == NULL || r->kept != NULL ||
	    ipc_post(r->store, PROTO_RESULT, id, buf_span(&b), NULL, 0) !=
		ERR_OK)
		keep(r, id, buf_span(&b));
	buf_clear(&b);
}

/* --- TLS of domains --- */

static void
tell_seen(struct relay *r, uint64_t id, const struct tls_seen *seen)
{
	struct buf b;

	buf_init(&b, LIMIT_IPC_INLINE);
	/* what store does not hear it asks for again */
	if (r->store != NULL && proto_tls_seen_pack(seen, &b) == ERR_OK)
		(void)!ipc_post(
		    r->store, PROTO_TLS_SEEN, id, buf_span(&b), NULL, 0);
	buf_clear(&b);
}

static void
on_seen(void *arg, uint64_t id, const struct tls_seen *seen)
{
	tell_seen(arg, id, seen);
}

static void
on_tls(void *arg, const struct tls_seen *seen)
{
	tell_seen(arg, 0, seen);
}

/* For the reports; what store does not hear is not counted. */
static void
on_result(void *arg, const struct tls_result *result)
{
	struct relay *r = arg;
	struct buf b;

	if (r->store == NULL || !r->conf->tls_reports.present)
		return;
	buf_init(&b, LIMIT_IPC_PAYLOAD);
	if (proto_tls_result_pack(result, &b) == ERR_OK)
		(void)!ipc_post(
		    r->store, PROTO_TLS_RESULT, 0, buf_span(&b), NULL, 0);
	buf_clear(&b);
}

static void
make_looks(struct relay *r)
{
	const struct relay_looks_setup setup = {
	    .loop = r->setup.loop,
	    .dns = r->dns,
	    .sts = r->sts,
	    .tls_clients = r->tls_clients,
	    .helo = r->helo,
	    .conf = &r->conf,
	    .timeout_ms = r->setup.timeout_ms,
	    .on_seen = on_seen,
	    .arg = r,
	};

	r->looks = relay_looks_new(&setup);
}

static void
look(struct relay *r, struct ipc_msg *m)
{
	struct arena *a = arena_new(LOOK_ARENA);
	const char *domain;

	if (a == NULL)
		fatal("out of memory");
	if (proto_domain_unpack(m->payload, a, &domain) == ERR_OK)
		relay_look(r->looks, m->id, domain);
	else
		log_event(LOG_LVL_ERR, NULL, "tls-probe", KV_ERR(ERR_IPC));
	arena_free(a);
}

/* --- store --- */

static void
on_store(void *arg, struct ipc_msg *m)
{
	struct relay *r = arg;

	switch (m->type) {
	case PROTO_DELIVER:
		relay_job_take(r, m);
		return;
	case PROTO_RECALL:
		relay_job_recall(r, m->id);
		return;
	case PROTO_NOTIFY:
		relay_notify(r, m);
		return;
	case PROTO_STS_IS:
		relay_sts_is(r->sts, m->id, m->payload);
		return;
	case PROTO_TLS_RUA:
		relay_rua_ask(r->ruas, m);
		return;
	case PROTO_TLS_PROBE:
		look(r, m);
		return;
	}
	log_event(LOG_LVL_ERR, NULL, "unexpected",
	    KV_STR("message", proto_name(m->type)), KV_STR("from", "store"));
}

/* Without store nothing can be noted: what has not been sent is not sent
   now. It asks again when it is back. */
static void
on_store_close(void *arg)
{
	struct relay *r = arg;

	ipc_free(r->store);
	r->store = NULL;
	relay_sts_store(r->sts, NULL);
	relay_ruas_store(r->ruas, NULL);
	forget(&r->told);
	if (r->dests != NULL)
		relay_dests_abandon(r->dests, "the spool was not there");
}

/* --- keys --- */

static void
make_dests(struct relay *r)
{
	const struct relay_dests_setup setup = {
	    .loop = r->setup.loop,
	    .dns = r->dns,
	    .sts = r->sts,
	    .tls_clients = r->tls_clients,
	    .logins = &r->logins,
	    .helo = r->helo,
	    .pub = &r->pub,
	    .priv = r->priv,
	    .timeout_ms = r->setup.timeout_ms,
	    .on_settled = relay_on_settled,
	    .on_tls = on_tls,
	    .on_result = on_result,
	    .arg = r,
	};

	r->dests = relay_dests_new(&setup);
}

static void
start_jobs(struct relay *r)
{
	struct relay_job *j, *next;

	for (unsigned b = 0; b < RELAY_JOB_BUCKETS; b++)
		for (j = r->jobs[b]; j != NULL; j = next) {
			next = j->next;
			if (!j->started)
				relay_job_start(j);
		}
}

static void
take_keys(struct relay *r, struct ipc_msg *m)
{
	struct proto_keys k;
	uint8_t *payload = (uint8_t *)(uintptr_t)m->payload.data;

	if (proto_keys_unpack(m->payload, &k) != ERR_OK ||
	    k.pub[SEALED_READY].purpose != SEALED_READY ||
	    k.ready_private.len != SEALED_KEY) {
		log_event(LOG_LVL_ERR, NULL, "bad-keys", KV_ERR(ERR_IPC));
		return;
	}
	if (r->priv == NULL) {
		r->pub = k.pub[SEALED_READY];
		r->priv = secret_from(k.ready_private);
		if (r->priv == NULL)
			fatal("no locked memory for the key");
		make_dests(r);
	}
	/* a small message lies in the channel's own buffer */
	if (m->map.base == NULL)
		secret_wipe(payload, m->payload.len);
	start_jobs(r);
	relay_probes_start(r);
}

static void
on_keys(void *arg, struct ipc_msg *m)
{
	if (m->type == PROTO_KEYS)
		take_keys(arg, m);
	else if (m->type == PROTO_SIGNED)
		relay_job_signed(arg, m);
}

static void
on_keys_close(void *arg)
{
	struct relay *r = arg;

	ipc_free(r->keys);
	r->keys = NULL;
	relay_jobs_unsigned(r);
}

/* --- listener --- */

static void
on_listener(void *arg, struct ipc_msg *m)
{
	if (m->type == PROTO_PROBE)
		relay_probe_take(arg, m);
	else
		log_event(LOG_LVL_ERR, NULL, "unexpected",
		    KV_STR("message", proto_name(m->type)),
		    KV_STR("from", "listener"));
}

static void
on_listener_close(void *arg)
{
	struct relay *r = arg;

	ipc_free(r->listener);
	r->listener = NULL;
}

/* --- peers --- */

static void
new_listener(struct relay *r, struct ipc *ch)
{
	static const struct ipc_events events = {
	    on_listener, on_listener_close};

	ipc_free(r->listener);
	r->listener = ch;
	ipc_attach(ch, r->setup.loop, &events, r);
}

static void
new_store(struct relay *r, struct ipc *ch)
{
	static const struct ipc_events events = {on_store, on_store_close};

	if (r->store != NULL)
		on_store_close(r);
	r->store = ch;
	ipc_attach(ch, r->setup.loop, &events, r);
	relay_sts_store(r->sts, ch);
	relay_ruas_store(r->ruas, ch);
	tell_kept(r);
}

static void
new_keys(struct relay *r, struct ipc *ch)
{
	static const struct ipc_events events = {on_keys, on_keys_close};

	ipc_free(r->keys);
	r->keys = ch;
	ipc_attach(ch, r->setup.loop, &events, r);
	if (r->priv == NULL &&
	    ipc_post(ch, PROTO_KEYS_GET, 0, SPAN(NULL, 0), NULL, 0) != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "keys-get", KV_ERR(ERR_CLOSED));
}

void
relay_on_peer(struct relay *r, enum role_id id, unsigned index, struct ipc *ch)
{
	(void)index;
	if (id == ROLE_STORE)
		new_store(r, ch);
	else if (id == ROLE_KEYS)
		new_keys(r, ch);
	else if (id == ROLE_LISTENER)
		new_listener(r, ch);
	else
		ipc_free(ch);
}

void
relay_on_conf(struct relay *r, const struct conf *conf)
{
	struct relay_logins *logins;
	struct err_why why = {""};

	set_names(r, conf);
	/* without its password a next hop is not asked: its mail waits */
	if (relay_logins_new(conf, r->setup.take_password, r->setup.arg,
		&logins, &why) != ERR_OK) {
		log_event(
		    LOG_LVL_ERR, NULL, "password", KV_STR("why", why.text));
		logins = NULL;
	}
	relay_logins_free(r->logins);
	r->logins = logins;
}

/* --- the end --- */

/* Everything is told, or nobody is there to be told, or time is up. */
static void
on_stop_timer(void *arg)
{
	struct relay *r = arg;
	bool told = r->store == NULL || ipc_queued(r->store) == 0;

	if ((r->n_jobs > 0 || !told) && clock_steady_ms() < r->stop_until_ms)
		return;
	loop_timer_stop(r->stop_timer);
	r->setup.on_stopped(r->setup.arg);
}

void
relay_stop(struct relay *r)
{
	if (r->stopping)
		return;
	r->stopping = true;
	r->stop_until_ms = clock_steady_ms() + r->conf->limits.stop_ms;
	start_jobs(r); /* those without a key are given back */
	relay_probes_end(r);
	if (r->dests != NULL)
		relay_dests_abandon(r->dests, "shutting down");
	loop_timer_start(r->stop_timer, 0, STOP_CHECK_MS);
}
