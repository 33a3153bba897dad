/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The portal: hands sealed objects to whoever shows the proof, and the page
 * that opens them. It has no key but that of its TLS certificate, reads no
 * message, and tells store what it has, what was opened and what expired. Its
 * loop; how it starts is start.c, what it is told told.c.
 */
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/secret.h"
#include "gateway/conf.h"
#include "gateway/portal/dmz_private.h"
#include "gateway/portal/main_private.h"
#include "gateway/proto.h"
#include "gateway/role.h"
#include "net/tls_peer.h"

enum {
	TICK_MS = 1000,
	LATE_MS = 10000,
	SHOW_MS = 15000,
};

static void
run_http(struct portal *p)
{
	uint64_t ms;

	if (p->http == NULL)
		return;
	portal_http_run(p->http);
	ms = portal_http_wait_ms(p->http);
	loop_timer_start(p->wait, ms < TICK_MS ? ms : TICK_MS, 0);
}

static void
on_wait(void *arg)
{
	run_http(arg);
}

static void
on_readable(void *arg, unsigned events)
{
	run_http(arg);
}

static void
expire_objects(struct portal *p)
{
	uint64_t now_s = clock_unix_ms() / 1000;
	uint8_t id[OBJECT_ID_SIZE];
	enum err e = ERR_OK;

	/* a few at a time: nobody should wait for a thousand deletions */
	for (unsigned n = 0; n < 32 && e == ERR_OK; n++) {
		if (portal_objects_next_expiry(p->objects) > now_s)
			return;
		e = portal_objects_expire(p->objects, now_s, id);
		if (e == ERR_OK)
			portal_report_object(
			    p->reports, PROTO_OBJECT_EXPIRED, id);
	}
	if (e != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "portal-expire", KV_ERR(e));
}

static void
on_tick(void *arg)
{
	struct portal *p = arg;

	portal_settle(p);
	if (clock_steady_ms() >= p->show_at_ms) {
		p->show_at_ms = clock_steady_ms() + SHOW_MS;
		portal_answers_show(p->answers, p->store, 0);
	}

	if (p->inside != NULL)
		portal_inside_tick(p->inside);
	if (p->outside != NULL)
		portal_outside_tick(p->outside);
	if (p->http != NULL)
		portal_http_enforce(p->http);
	expire_objects(p);
	if (p->n_late > 0 && clock_steady_ms() >= p->late_at_ms) {
		p->late_at_ms = clock_steady_ms() + LATE_MS;
		portal_retry_late(p);
	}
	if (p->stop_by_ms != 0 &&
	    (p->http == NULL || portal_http_connections(p->http) == 0 ||
		clock_steady_ms() >= p->stop_by_ms))
		loop_stop(p->loop);
	run_http(p);
}

static void
on_stop(void *arg)
{
	struct portal *p = arg;

	p->stop_by_ms = clock_steady_ms() + role_conf(p->role)->limits.stop_ms;
	if (p->http != NULL)
		portal_http_quiesce(p->http);
	loop_timer_start(p->tick, 0, TICK_MS);
}

/* A certificate that was renewed: both files are read anew. What does not fit
   together is told, and the one before it is shown on. */
static void
on_files(void *arg)
{
	struct portal *p = arg;
	int cert_fd = role_take_fd(p->role, ROLE_FD_TLS_CERT, 0);
	int key_fd = role_take_fd(p->role, ROLE_FD_TLS_KEY, 0);
	struct err_why why = {"cannot be read"};
	struct buf cert, key;
	enum err e = ERR_OK;

	buf_init(&cert, PORTAL_PEM_MAX);
	buf_init(&key, PORTAL_PEM_MAX);
	/* who began without TLS goes on without it */
	if (p->cert.len == 0 || cert_fd < 0 || key_fd < 0)
		goto out;
	e = file_read_all(cert_fd, &cert);
	if (e == ERR_OK)
		e = file_read_all(key_fd, &key);
	if (e == ERR_OK && (buf_cstr(&cert) == NULL || buf_cstr(&key) == NULL))
		e = ERR_NOMEM;
	if (e == ERR_OK)
		e = portal_certificate_show(
		    buf_cstr(&cert), buf_cstr(&key), &why);
	if (e != ERR_OK)
		log_event(
		    LOG_LVL_ERR, NULL, "certificate", KV_STR("why", why.text));
out:
	if (key.len > 0)
		secret_wipe(key.data, key.len);
	buf_clear(&cert);
	buf_clear(&key);
	if (cert_fd >= 0)
		close(cert_fd);
	if (key_fd >= 0)
		close(key_fd);
}

static void
start_loop(struct portal *p)
{
	static const struct role_events events = {
	    .on_peer = portal_on_peer,
	    .on_stop = on_stop,
	    .on_files = on_files,
	};

	p->tick = loop_timer_new(p->loop, on_tick, p);
	p->wait = loop_timer_new(p->loop, on_wait, p);
	loop_timer_start(p->tick, TICK_MS, TICK_MS);
	for (size_t i = 0; i < p->n_listen; i++) {
		p->io[i] = loop_io_new(
		    p->loop, portal_http_fd(p->http, i), on_readable, p);
		loop_io_set(p->io[i], LOOP_READ);
	}
	role_attach(p->role, p->loop, &events, p);
}

static void
stop(struct portal *p)
{
	for (size_t i = 0; i < p->n_listen; i++)
		loop_io_free(p->io[i]);
	loop_timer_free(p->tick);
	loop_timer_free(p->wait);
	portal_http_free(p->http);
	if (p->objects != NULL)
		portal_settle(p);
	portal_inside_free(p->inside);
	portal_outside_free(p->outside);
	net_tls_peers_free(p->tls);
	portal_reports_free(p->reports);
	ipc_free(p->store);
	portal_objects_close(p->objects);
	portal_throttle_free(p->throttle);
	portal_answers_close(p->answers);
	portal_accounts_free(p->accounts);
	portal_assets_free(p->assets);
	free(p->late);
	buf_clear(&p->cert);
	buf_clear(&p->key);
}

int
portal_main(struct role *role)
{
	struct portal p = {
	    .role = role,
	    .loop = loop_new(),
	    .reports = portal_reports_new(),
	    .accounts = portal_accounts_new(),
	    .late = calloc(LIMIT_PORTAL_REPORTS, OBJECT_ID_SIZE),
	};
	const struct conf *c = role_conf(role);

	if (p.reports == NULL || p.late == NULL || p.accounts == NULL)
		fatal("portal: out of memory");

	buf_init(&p.cert, PORTAL_PEM_MAX);
	buf_init(&p.key, PORTAL_PEM_MAX);
	portal_take_sockets(&p);
	if (c->portal_dmz.present)
		portal_read_link(&p, &c->portal_dmz);
	if (c->portal_gateway.present)
		portal_read_link(&p, &c->portal_gateway);
	if (!c->portal_dmz.present) {
		portal_read_files(&p, c);
		portal_start_http(&p, c);
	}
	role_confine(role);
	portal_open_objects(&p, c);
	start_loop(&p);
	if (c->portal_dmz.present)
		portal_start_inside(&p, c);
	if (c->portal_gateway.present)
		portal_start_outside(&p, c);
	role_ready(role);
	loop_run(p.loop);
	stop(&p);
	return 0;
}
