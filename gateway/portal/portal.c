/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The portal: hands sealed objects to whoever shows the proof, and the page
 * that opens them. It has no key but that of its TLS certificate, reads no
 * message, and tells store what it has, what was opened and what expired.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/secret.h"
#include "gateway/conf.h"
#include "gateway/portal/dmz_private.h"
#include "gateway/proto.h"
#include "gateway/role.h"
#include "net/tls_peer.h"

enum {
	LISTEN_MAX = 16,
	TICK_MS = 1000,
	LATE_MS = 10000,
	FOUND_BATCH = 256, /* objects in one report */
	SHOW_MS = 15000,
	PEM_MAX = 256 * 1024,
	ACCOUNTS_ARENA = 4 * 1024 * 1024,
};

struct portal {
	struct role *role;
	struct loop *loop;
	struct loop_timer *tick; /* deadlines and expiry */
	struct loop_timer *wait; /* what libmicrohttpd waits for */
	struct loop_io *io[LISTEN_MAX];
	int listen_fd[LISTEN_MAX];
	size_t n_listen;
	struct buf cert;
	struct buf key;
	struct portal_assets *assets;
	struct portal_objects *objects;
	struct portal_throttle *throttle;
	struct portal_answers *answers;
	struct portal_accounts *accounts;
	uint64_t show_at_ms; /* answers that store has not taken */
	struct portal_http *http;
	struct ipc *store; /* NULL while there is none */
	struct portal_reports *reports;
	/* of a portal in a DMZ: at most one of the two is there */
	struct portal_inside *inside;
	struct portal_outside *outside;
	struct net_tls_peers *tls;
	uint64_t stop_by_ms;
	uint8_t (*late)[OBJECT_ID_SIZE]; /* objects to take in later */
	size_t n_late;
	uint64_t late_at_ms;
};

/* --- store */

static void
on_opened(void *arg, const struct object_header *h, const char *client,
    struct span user_agent)
{
	struct portal *p = arg;

	portal_report_event(
	    p->reports, PROTO_OBJECT_OPENED, h->id, client, user_agent);
}

static bool
takes_code(void *arg)
{
	struct portal *p = arg;

	return p->outside == NULL || portal_outside_takes_code(p->outside);
}

static void
on_code(void *arg, const struct object_header *h, const char *code)
{
	struct portal *p = arg;

	portal_report_code(p->reports, h->id, code);
}

static void
on_account(void *arg, const struct object_header *h, const char *digits,
    const char *client, const struct pickup_account *account)
{
	struct portal *p = arg;
	char name[OBJECT_ID_TEXT_SIZE];
	const struct proto_account_set m = {.object = name,
	    .digits = digits,
	    .client = client,
	    .account = *account};
	struct buf b;

	object_id_format(h->id, name);
	buf_init(&b, 1024);
	if (proto_account_set_pack(&m, &b) != ERR_OK)
		fatal("portal: out of memory");
	/* what does not arrive is asked for again by the page */
	if (p->outside != NULL)
		(void)portal_outside_report(
		    p->outside, PROTO_ACCOUNT_SET, 0, buf_span(&b));
	else if (p->store != NULL)
		(void)!ipc_post(
		    p->store, PROTO_ACCOUNT_SET, 0, buf_span(&b), NULL, 0);
	if (b.data != NULL)
		secret_wipe(b.data, b.cap);
	buf_clear(&b);
}

static void
on_answered(void *arg, uint64_t id)
{
	struct portal *p = arg;

	if (p->outside != NULL)
		portal_outside_answered(p->outside);
	else
		portal_answers_show(p->answers, p->store, id);
}

/* It is so here. Where readers go to another machine it is to be so there, too,
   before store hears of it. */
static void
changed(struct portal *p, uint16_t type, const uint8_t *id)
{
	if (p->inside != NULL)
		portal_inside_change(p->inside, type, id);
	/* a lock has no answer: store says it again to the next */
	else if (type != PROTO_OBJECT_LOCK)
		portal_report_object(p->reports,
		    type == PROTO_OBJECT_DROP ? PROTO_OBJECT_DROPPED
					      : PROTO_OBJECT_HAVE,
		    id);
}

/* Take in an object that store has announced. What may work later, as when
   the disk is full, is tried again: the notice waits for it. */
static void
add_object(struct portal *p, const uint8_t *id)
{
	char name[OBJECT_ID_TEXT_SIZE];
	enum err e = portal_objects_add(p->objects, id);

	if (e == ERR_OK) {
		changed(p, PROTO_OBJECT_ADD, id);
		return;
	}
	object_id_format(id, name);
	log_event(LOG_LVL_ERR, NULL, "portal-no-object", KV_STR("object", name),
	    KV_ERR(e));
	if (e != ERR_NOT_FOUND && e != ERR_MALFORMED && e != ERR_UNSUPPORTED &&
	    p->n_late < LIMIT_PORTAL_REPORTS)
		memcpy(p->late[p->n_late++], id, OBJECT_ID_SIZE);
}

static void
retry_late(struct portal *p)
{
	size_t n = p->n_late;

	p->n_late = 0;
	/* what fails again goes back to a place that has been read */
	for (size_t i = 0; i < n; i++) {
		uint8_t id[OBJECT_ID_SIZE];

		memcpy(id, p->late[i], sizeof(id));
		add_object(p, id);
	}
}

/* Store repeats what is not done yet whenever the portal is new to it. */
static void
change_object(
    struct portal *p, uint16_t type, const uint8_t *id, uint64_t expires_s)
{
	char name[OBJECT_ID_TEXT_SIZE];
	enum err e;

	if (type == PROTO_OBJECT_ADD) {
		add_object(p, id);
		return;
	}
	if (type == PROTO_OBJECT_LOCK)
		e = portal_objects_lock(p->objects, id);
	else
		e = type == PROTO_OBJECT_UNTIL
			? portal_objects_until(p->objects, id, expires_s)
			: portal_objects_drop(p->objects, id);
	if (e == ERR_OK) {
		changed(p, type, id);
		return;
	}
	object_id_format(id, name);
	log_event(LOG_LVL_ERR, NULL, "portal-not-changed",
	    KV_STR("object", name), KV_STR("message", proto_name(type)),
	    KV_ERR(e));
}

/* False: it is about something else, or malformed. */
static bool
take_account(struct portal *p, uint16_t type, struct span payload)
{
	struct proto_account_said said;
	struct proto_accounts all;
	struct arena *a;
	enum err e;

	switch (type) {
	case PROTO_ACCOUNT_SAID:
		e = proto_account_said_unpack(payload, &said);
		if (e != ERR_OK)
			return false;
		portal_accounts_said(p->accounts, said.id, said.result);
		if (p->inside != NULL)
			portal_inside_account(p->inside, type, payload);
		return true;
	case PROTO_ACCOUNT_DROP:
		if (payload.len != PICKUP_ACCOUNT_ID)
			return false;
		portal_accounts_drop(p->accounts, payload.data);
		if (p->inside != NULL)
			portal_inside_account(p->inside, type, payload);
		return true;
	case PROTO_ACCOUNTS:
		a = arena_new(ACCOUNTS_ARENA);
		e = a == NULL ? ERR_NOMEM
			      : proto_accounts_unpack(payload, a, &all);
		if (e == ERR_OK)
			portal_accounts_take(p->accounts, &all);
		if (e == ERR_OK && p->inside != NULL)
			portal_inside_accounts(p->inside, &all);
		arena_free(a);
		return e == ERR_OK;
	default:
		return false;
	}
}

/* What the portal is told, whoever brings it: all but descriptors. */
static void
take(struct portal *p, uint16_t type, uint64_t id, struct span payload)
{
	struct proto_object object;
	uint8_t object_id[OBJECT_ID_SIZE];
	struct unpacker u;
	struct arena *a;

	if (type == PROTO_ANSWER_TAKEN) {
		portal_answers_taken(p->answers, id);
		if (p->inside != NULL)
			portal_inside_taken(p->inside, id);
		return;
	}
	if (type == PROTO_OBJECT_NOTED && p->inside != NULL) {
		portal_inside_noted(p->inside, id);
		return;
	}
	if (take_account(p, type, payload))
		return;
	if (type != PROTO_OBJECT_ADD && type != PROTO_OBJECT_UNTIL &&
	    type != PROTO_OBJECT_DROP && type != PROTO_OBJECT_LOCK) {
		log_event(LOG_LVL_ERR, NULL, "portal-unexpected",
		    KV_STR("message", proto_name(type)));
		return;
	}
	a = arena_new(4096);
	unpack_begin(&u, payload);
	proto_object_unpack(&u, a, &object);
	if (unpack_end(&u) == ERR_OK &&
	    object_id_parse(span_str(object.name), object_id))
		change_object(p, type, object_id, object.expires_s);
	else
		log_event(LOG_LVL_ERR, NULL, "portal-malformed",
		    KV_STR("message", proto_name(type)));
	arena_free(a);
}

static void
on_told(void *arg, uint16_t type, uint64_t id, struct span payload)
{
	take(arg, type, id, payload);
}

static void
on_store_msg(void *arg, struct ipc_msg *m)
{
	take(arg, m->type, m->id, m->payload);
}

static bool
tell_store(void *arg, uint16_t type, uint64_t id, struct span payload)
{
	struct portal *p = arg;

	return p->store != NULL &&
	       ipc_post(p->store, type, id, payload, NULL, 0) == ERR_OK;
}

static void
on_store_close(void *arg)
{
	struct portal *p = arg;

	portal_reports_to(p->reports, NULL, NULL);
	ipc_free(p->store);
	p->store = NULL;
}

/* --- loop */

static void on_wait(void *arg);

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
on_locked(void *arg, const uint8_t *id, const char *client)
{
	struct portal *p = arg;

	portal_report_event(
	    p->reports, PROTO_OBJECT_LOCKED, id, client, SPAN_LIT(""));
}

static void
settle(struct portal *p)
{
	enum err e = portal_objects_settle(p->objects, on_locked, p);

	if (e != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "portal-attempts", KV_ERR(e));
}

static void
on_tick(void *arg)
{
	struct portal *p = arg;

	settle(p);
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
		retry_late(p);
	}
	if (p->stop_by_ms != 0 &&
	    (p->http == NULL || portal_http_connections(p->http) == 0 ||
		clock_steady_ms() >= p->stop_by_ms))
		loop_stop(p->loop);
	run_http(p);
}

/* One that was not told before a crash is told now. */
static void
tell_locked(struct portal *p)
{
	enum err e = portal_objects_each_locked(p->objects, on_locked, p);

	if (e != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "portal-attempts", KV_ERR(e));
}

/* What it has store may have lost. */
struct found {
	struct portal_reports *reports;
	struct object_header list[FOUND_BATCH];
	uint32_t n;
};

static void
on_found(void *arg, const struct object_header *h)
{
	struct found *f = arg;

	f->list[f->n++] = *h;
	if (f->n < FOUND_BATCH)
		return;
	portal_report_found(f->reports, f->list, f->n);
	f->n = 0;
}

static void
tell_found(struct portal *p)
{
	struct found *f = calloc(1, sizeof(*f));
	enum err e;

	if (f == NULL)
		fatal("portal: out of memory");
	f->reports = p->reports;
	e = portal_objects_each(p->objects, on_found, f);
	if (f->n > 0)
		portal_report_found(f->reports, f->list, f->n);
	if (e != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "portal-index", KV_ERR(e));
	free(f);
}

static void
on_peer(void *arg, enum role_id id, unsigned index, struct ipc *ch)
{
	static const struct ipc_events events = {
	    .on_msg = on_store_msg,
	    .on_close = on_store_close,
	};
	struct portal *p = arg;

	if (id != ROLE_STORE) {
		ipc_free(ch);
		return;
	}
	ipc_free(p->store);
	p->store = ch;
	ipc_attach(ch, p->loop, &events, p);
	portal_reports_to(p->reports, tell_store, p);
	if (p->inside != NULL)
		portal_inside_store(p->inside);
	tell_locked(p);
	tell_found(p);
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

	buf_init(&cert, PEM_MAX);
	buf_init(&key, PEM_MAX);
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

/* --- start */

/* The PEM text behind a descriptor, as a string. */
static void
read_pem(struct portal *p, enum role_fd kind, const char *what, struct buf *out)
{
	int fd = role_take_fd(p->role, kind, 0);
	enum err e;

	if (fd < 0)
		role_refuse(p->role, "%s of the portal is missing", what);
	e = file_read_all(fd, out);
	close(fd);
	if (e != ERR_OK || buf_cstr(out) == NULL)
		role_refuse(p->role, "%s of the portal: %s", what, err_text(e));
}

static void
take_sockets(struct portal *p)
{
	while (p->n_listen < LISTEN_MAX) {
		int fd = role_take_fd(
		    p->role, ROLE_FD_LISTEN, (unsigned)p->n_listen);

		if (fd < 0)
			break;
		p->listen_fd[p->n_listen++] = fd;
	}
	p->n_listen -= role_conf(p->role)->portal_gateway.n_address;
	if (p->n_listen == 0 && !role_conf(p->role)->portal_dmz.present)
		role_refuse(p->role, "the portal has no address");
}

/* What lies outside of the portal's own directories. */
static void
read_files(struct portal *p, const struct conf *c)
{
	struct err_why why = {""};
	enum err e;

	if (c->portal.tls_cert != NULL) {
		read_pem(p, ROLE_FD_TLS_CERT, "tls-cert", &p->cert);
		read_pem(p, ROLE_FD_TLS_KEY, "tls-key", &p->key);
	}
	e = portal_assets_load(
	    c->portal.page != NULL ? c->portal.page : PKGDATADIR "/portal",
	    &c->portal.brand, &p->assets, &why);
	if (e != ERR_OK)
		role_refuse(p->role, "page of the portal: %s",
		    why.text[0] != '\0' ? why.text : err_text(e));
}

/* Behind the walls: the index belongs to the portal's user. */
static void
open_objects(struct portal *p, const struct conf *c)
{
	struct err_why why = {""};
	enum err e = portal_objects_open(
	    c->paths.escrow, c->paths.portal, &p->objects, &why);

	if (e != ERR_OK)
		role_refuse(p->role, "objects of the portal: %s",
		    why.text[0] != '\0' ? why.text : err_text(e));
	p->throttle = portal_throttle_new(c->paths.portal);
	if (p->throttle == NULL)
		role_refuse(p->role, "attempts of the portal: %s: %s",
		    c->paths.portal, strerror(errno));
	p->answers = portal_answers_open(
	    c->paths.portal, c->portal.answer_size, c->limits.free_space);
	if (p->answers == NULL)
		role_refuse(p->role, "answers of the portal: %s: %s",
		    c->paths.portal, strerror(errno));
	if (p->http != NULL)
		portal_http_serve(
		    p->http, p->objects, p->throttle, p->answers, p->accounts);
}

static int
open_directory(const char *path)
{
	return path == NULL ? -1
			    : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void
start_http(struct portal *p, const struct conf *c)
{
	const struct portal_http_options opt = {
	    .url = c->portal.url,
	    .tls_cert = p->cert.len > 0 ? buf_cstr(&p->cert) : NULL,
	    .tls_key = p->key.len > 0 ? buf_cstr(&p->key) : NULL,
	    .listen_fd = p->listen_fd,
	    .n_listen_fd = p->n_listen,
	    .connections = c->portal.connections,
	    .connections_client = c->portal.connections_per_client,
	    .request_ms = c->portal.request_ms,
	    .proxies = c->portal.proxies,
	    .n_proxies = c->portal.n_proxies,
	    .assets = p->assets,
	    .publish_fd = open_directory(
		c->portal_gateway.present ? c->paths.portal : c->paths.publish),
	    .publish_flat = c->portal_gateway.present,
	    .opened = on_opened,
	    .takes_code = takes_code,
	    .code = on_code,
	    .account = on_account,
	    .answered = on_answered,
	    .arg = p,
	};
	struct err_why why = {""};
	enum err e = portal_http_new(&opt, &p->http, &why);

	if (e != ERR_OK)
		role_refuse(p->role, "%s",
		    why.text[0] != '\0' ? why.text : err_text(e));
	/* the library has parsed it */
	if (p->key.len > 0)
		secret_wipe(p->key.data, p->key.len);
}

/* The certificate by which the two machines know each other. */
static void
read_link(struct portal *p, const struct conf_dmz *c)
{
	int cert = role_take_fd(p->role, ROLE_FD_TLS_CERT, 1);
	int key = role_take_fd(p->role, ROLE_FD_TLS_KEY, 1);
	struct err_why why = {""};
	enum err e = ERR_IO;

	if (cert >= 0 && key >= 0)
		e = net_tls_peers_new(cert, key,
		    (const uint8_t(*)[DIGEST_SIZE])c->peer, c->n_peer, &p->tls,
		    &why);
	if (cert >= 0)
		close(cert);
	if (key >= 0)
		close(key);
	if (e != ERR_OK)
		role_refuse(p->role, "certificate for the other machine: %s",
		    why.text[0] != '\0' ? why.text : err_text(e));
}

/* The gateway, whose readers go to another machine. */
static void
start_inside(struct portal *p, const struct conf *c)
{
	const struct portal_inside_options opt = {
	    .loop = p->loop,
	    .tls = p->tls,
	    .at = &c->portal_dmz.address[0],
	    .answer_size = c->portal.answer_size,
	    .objects = p->objects,
	    .answers = p->answers,
	    .accounts = p->accounts,
	    .reports = p->reports,
	    .publish_fd = open_directory(c->paths.publish),
	    .event = tell_store,
	    .answered = on_answered,
	    .arg = p,
	};

	p->inside = portal_inside_new(&opt);
}

/* That machine: the sockets behind those for readers are for the gateway. */
static void
start_outside(struct portal *p, const struct conf *c)
{
	size_t n = c->portal_gateway.n_address;
	const struct portal_outside_options opt = {
	    .loop = p->loop,
	    .tls = p->tls,
	    .listen_fd = p->listen_fd + p->n_listen,
	    .n_listen_fd = n,
	    .object_dir = c->paths.escrow,
	    .dir = c->paths.portal,
	    .reserve = c->limits.free_space,
	    .objects = p->objects,
	    .answers = p->answers,
	    .tell = on_told,
	    .arg = p,
	};
	struct err_why why = {"out of memory"};

	p->outside = portal_outside_new(&opt, &why);
	if (p->outside == NULL)
		role_refuse(p->role, "%s", why.text);
	portal_reports_to(p->reports, portal_outside_report, p->outside);
	tell_locked(p);
}

static void
start_loop(struct portal *p)
{
	static const struct role_events events = {
	    .on_peer = on_peer,
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
		settle(p);
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

	buf_init(&p.cert, PEM_MAX);
	buf_init(&p.key, PEM_MAX);
	take_sockets(&p);
	if (c->portal_dmz.present)
		read_link(&p, &c->portal_dmz);
	if (c->portal_gateway.present)
		read_link(&p, &c->portal_gateway);
	if (!c->portal_dmz.present) {
		read_files(&p, c);
		start_http(&p, c);
	}
	role_confine(role);
	open_objects(&p, c);
	start_loop(&p);
	if (c->portal_dmz.present)
		start_inside(&p, c);
	if (c->portal_gateway.present)
		start_outside(&p, c);
	role_ready(role);
	loop_run(p.loop);
	stop(&p);
	return 0;
}
