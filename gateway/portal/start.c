/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The start of the portal: what it takes from the supervisor, reads and opens,
 * with a reason when it cannot; and what its server calls from then on.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/log.h"
#include "common/secret.h"
#include "gateway/conf.h"
#include "gateway/portal/dmz_private.h"
#include "gateway/portal/main_private.h"
#include "gateway/proto.h"
#include "gateway/role.h"
#include "net/tls_peer.h"

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

void
portal_take_sockets(struct portal *p)
{
	while (p->n_listen < PORTAL_LISTEN_MAX) {
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

void
portal_read_link(struct portal *p, const struct conf_dmz *c)
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

void
portal_read_files(struct portal *p, const struct conf *c)
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

static int
open_directory(const char *path)
{
	return path == NULL ? -1
			    : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void
portal_start_http(struct portal *p, const struct conf *c)
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

void
portal_open_objects(struct portal *p, const struct conf *c)
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

void
portal_start_inside(struct portal *p, const struct conf *c)
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
	    .event = portal_tell_store,
	    .answered = on_answered,
	    .arg = p,
	};

	p->inside = portal_inside_new(&opt);
}

void
portal_start_outside(struct portal *p, const struct conf *c)
{
	/* the sockets behind those for readers are for the gateway */
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
	    .tell = portal_told,
	    .arg = p,
	};
	struct err_why why = {"out of memory"};

	p->outside = portal_outside_new(&opt, &why);
	if (p->outside == NULL)
		role_refuse(p->role, "%s", why.text);
	portal_reports_to(p->reports, portal_outside_report, p->outside);
	portal_tell_locked(p);
}
