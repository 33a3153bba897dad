/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The HTTP server around libmicrohttpd: sockets, TLS, limits, and a deadline
 * for every connection, because the library's own time-out only notices who
 * says nothing at all. Requests are answered in request.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "gateway/portal/http_private.h"

/* TLS 1.3, and of 1.2 only what has forward secrecy and AEAD (RFC 9325). */
#define PRIORITIES                                                             \
	"SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:"  \
	"+ECDHE-RSA:-CIPHER-ALL:+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:" \
	"-MAC-ALL:+AEAD:%SERVER_PRECEDENCE"

/* --- connections */

static void
conn_begin(struct portal_http *h, struct MHD_Connection *mhd, void **context)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	const union MHD_ConnectionInfo *from =
	    MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct portal_conn *c = calloc(1, sizeof(*c));

	*context = c;
	if (c == NULL || info == NULL || from == NULL) {
		free(c);
		*context = NULL;
		return;
	}
	c->http = h;
	c->fd = info->connect_fd;
	portal_client_of_socket(from->client_addr, &c->client);
	c->from_proxy = portal_client_is_proxy(h, from->client_addr);
	c->deadline_ms = clock_steady_ms() + h->opt.request_ms;
	c->next = h->conns;
	if (c->next != NULL)
		c->next->prev = c;
	h->conns = c;
	h->n_conns++;
}

static void
conn_end(struct portal_http *h, struct portal_conn *c)
{
	if (c == NULL)
		return;
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		h->conns = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	h->n_conns--;
	free(c);
}

/* Nobody gets all the places; a proxy speaks for many. */
static enum MHD_Result
on_accept(void *cls, const struct sockaddr *sa, socklen_t len)
{
	const struct portal_http *h = cls;
	struct portal_client client;
	unsigned n = 0;

	if (portal_client_is_proxy(h, sa))
		return MHD_YES;
	portal_client_of_socket(sa, &client);
	for (const struct portal_conn *c = h->conns; c != NULL; c = c->next)
		if (c->client.net_len == client.net_len &&
		    memcmp(c->client.net, client.net, client.net_len) == 0)
			n++;
	return n < h->opt.connections_client ? MHD_YES : MHD_NO;
}

static void
on_connection(void *cls, struct MHD_Connection *mhd, void **context,
    enum MHD_ConnectionNotificationCode what)
{
	switch (what) {
	case MHD_CONNECTION_NOTIFY_STARTED:
		conn_begin(cls, mhd, context);
		return;
	case MHD_CONNECTION_NOTIFY_CLOSED:
		conn_end(cls, *context);
		*context = NULL;
		return;
	}
}

static void
on_completed(void *cls, struct MHD_Connection *mhd, void **req_ptr,
    enum MHD_RequestTerminationCode how)
{
	struct portal_request *req = *req_ptr;

	if (req == NULL)
		return;
	req->conn->busy = false;
	req->conn->deadline_ms =
	    req->http->stopping ? 0
				: clock_steady_ms() + req->http->opt.request_ms;
	portal_upload_free(req->upload);
	free(req);
	*req_ptr = NULL;
}

/* No path of ours has anything to decode, and "%00" would end it early. */
static size_t
keep_as_it_is(void *cls, struct MHD_Connection *mhd, char *s)
{
	return strlen(s);
}

static void on_library_log(void *cls, const char *fmt, va_list ap)
    PRINTF_LIKE(2, 0);

/* Strangers can make the library complain as often as they like. */
static void
on_library_log(void *cls, const char *fmt, va_list ap)
{
	char text[256];

	vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\r\n")] = '\0';
	log_event(LOG_LVL_DEBUG, NULL, "portal-http", KV_STR("text", text));
}

void
portal_http_enforce(struct portal_http *h)
{
	uint64_t now = clock_steady_ms();

	for (struct portal_conn *c = h->conns; c != NULL; c = c->next)
		if (c->deadline_ms <= now) {
			/* the library sees the end and closes it */
			shutdown(c->fd, SHUT_RDWR);
			c->deadline_ms = UINT64_MAX;
		}
}

size_t
portal_http_connections(const struct portal_http *h)
{
	return h->n_conns;
}

/* --- start and stop */

static enum err
make_page(struct portal_http *h)
{
	static const enum portal_reply_kind kinds[] = {
	    [PORTAL_ASSET_FILE] = PORTAL_REPLY_ASSET,
	    [PORTAL_ASSET_SHELL] = PORTAL_REPLY_SHELL,
	    [PORTAL_ASSET_FRAME] = PORTAL_REPLY_FRAME,
	    [PORTAL_ASSET_FRAME_IMAGES] = PORTAL_REPLY_FRAME_IMAGES,
	};
	size_t n = portal_assets_count(h->opt.assets);

	h->page = calloc(n, sizeof(*h->page));
	if (h->page == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct portal_asset *a =
		    portal_asset_at(h->opt.assets, i);
		struct MHD_Response *r = MHD_create_response_from_buffer(
		    a->len, a->data, MHD_RESPMEM_PERSISTENT);

		if (r == NULL)
			return ERR_NOMEM;
		h->page[i] = r;
		portal_reply_headers(h, kinds[a->kind], r);
		if (MHD_add_response_header(r, "Content-Type", a->type) !=
		    MHD_YES)
			return ERR_NOMEM;
		if (a->kind == PORTAL_ASSET_FILE &&
		    MHD_add_response_header(r, "ETag", a->etag) != MHD_YES)
			return ERR_NOMEM;
	}
	return ERR_OK;
}

static struct MHD_Daemon *
start_daemon(struct portal_http *h, int fd)
{
	bool tls = h->opt.tls_cert != NULL;
	struct MHD_OptionItem tls_options[] = {
	    {MHD_OPTION_HTTPS_CERT_CALLBACK, 0,
		(void *)(uintptr_t)portal_certificate_give},
	    {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)PRIORITIES},
	    {MHD_OPTION_END, 0, NULL},
	};

	/* the logger must come first to see what the others complain of */
	return MHD_start_daemon(
	    MHD_USE_EPOLL | MHD_USE_ERROR_LOG | (tls ? MHD_USE_TLS : 0), 0,
	    on_accept, h, portal_request_step, h, MHD_OPTION_EXTERNAL_LOGGER,
	    on_library_log, h, MHD_OPTION_LISTEN_SOCKET, fd,
	    MHD_OPTION_CONNECTION_LIMIT, h->opt.connections,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)LIMIT_PORTAL_MEMORY,
	    MHD_OPTION_CONNECTION_TIMEOUT,
	    (unsigned)(portal_reply_ms(h) / 1000), MHD_OPTION_STRICT_FOR_CLIENT,
	    1, MHD_OPTION_UNESCAPE_CALLBACK, keep_as_it_is, h,
	    MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
	    MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_ARRAY,
	    tls ? tls_options : tls_options + 2, MHD_OPTION_END);
}

static enum err
split_url(struct portal_http *h, struct err_why *why)
{
	const char *url = h->opt.url;

	h->https = strncasecmp(url, "https://", 8) == 0;
	if (!h->https && strncasecmp(url, "http://", 7) != 0)
		return err_why(
		    why, ERR_CONFIG, "url of the portal: expected https://");
	h->authority = url + (h->https ? 8 : 7);
	h->authority_len = strcspn(h->authority, "/");
	h->base = h->authority + h->authority_len;
	return ERR_OK;
}

static enum err
start_daemons(struct portal_http *h, struct err_why *why)
{
	h->daemon = calloc(h->opt.n_listen_fd, sizeof(struct MHD_Daemon *));
	if (h->daemon == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < h->opt.n_listen_fd; i++) {
		int fd = h->opt.listen_fd[i];
		int flags = fcntl(fd, F_GETFL);

		if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
			return err_from_errno(errno);
		h->daemon[i] = start_daemon(h, fd);
		if (h->daemon[i] == NULL)
			return err_why(
			    why, ERR_INTERNAL, "the HTTP server did not start");
	}
	return ERR_OK;
}

enum err
portal_http_new(const struct portal_http_options *opt, struct portal_http **out,
    struct err_why *why)
{
	struct portal_http *h = calloc(1, sizeof(*h));
	enum err e;

	if (h == NULL)
		return ERR_NOMEM;
	h->opt = *opt;
	h->door = portal_door_new();
	e = h->door != NULL ? split_url(h, why) : ERR_NOMEM;
	if (e == ERR_OK)
		e = opt->tls_cert == NULL
			? ERR_OK
			: portal_certificate_show(
			      opt->tls_cert, opt->tls_key, why);
	if (e == ERR_OK)
		e = make_page(h);
	if (e == ERR_OK)
		e = start_daemons(h, why);
	if (e != ERR_OK) {
		portal_http_free(h);
		return e;
	}
	*out = h;
	return ERR_OK;
}

void
portal_http_free(struct portal_http *h)
{
	if (h == NULL)
		return;
	for (size_t i = 0; h->daemon != NULL && i < h->opt.n_listen_fd; i++)
		if (h->daemon[i] != NULL)
			MHD_stop_daemon(h->daemon[i]);
	for (size_t i = 0;
	     h->page != NULL && i < portal_assets_count(h->opt.assets); i++)
		if (h->page[i] != NULL)
			MHD_destroy_response(h->page[i]);
	portal_certificate_forget();
	portal_door_free(h->door);
	free(h->daemon);
	free(h->page);
	free(h);
}

void
portal_http_serve(struct portal_http *h, struct portal_objects *objects,
    struct portal_throttle *throttle, struct portal_answers *answers,
    struct portal_accounts *accounts)
{
	h->answers = answers;
	h->accounts = accounts;
	h->objects = objects;
	h->throttle = throttle;
}

int
portal_http_fd(const struct portal_http *h, size_t i)
{
	return MHD_get_daemon_info(h->daemon[i], MHD_DAEMON_INFO_EPOLL_FD)
	    ->epoll_fd;
}

void
portal_http_run(struct portal_http *h)
{
	for (size_t i = 0; i < h->opt.n_listen_fd; i++)
		MHD_run(h->daemon[i]);
}

uint64_t
portal_http_wait_ms(struct portal_http *h)
{
	uint64_t min = UINT64_MAX;

	for (size_t i = 0; i < h->opt.n_listen_fd; i++) {
		unsigned long long ms;

		if (MHD_get_timeout(h->daemon[i], &ms) == MHD_YES && ms < min)
			min = ms;
	}
	return min;
}

void
portal_http_quiesce(struct portal_http *h)
{
	for (size_t i = 0; i < h->opt.n_listen_fd; i++) {
		int fd = MHD_quiesce_daemon(h->daemon[i]);

		if (fd >= 0)
			close(fd);
	}
	h->stopping = true;
	for (struct portal_conn *c = h->conns; c != NULL; c = c->next)
		if (!c->busy)
			c->deadline_ms = 0;
	portal_http_enforce(h);
}
