/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * libcurl driven by the loop. Names are resolved here, not by curl: it gets
 * the checked addresses (CURLOPT_RESOLVE) and asks once more before each
 * socket. Redirects are followed here, so that each passes the same checks.
 */
#include "net/fetch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <curl/curl.h>

#include "common/clock.h"
#include "common/loop.h"
#include "net/guard.h"
#include "net/host.h"

enum {
	HEADER_MAX = 64 * 1024, /* octets of all header lines of an answer */
	CONNECT_MS = 5000,
	CONNECTIONS_KEPT = 32,
	HOST_MAX = 256,
	/* "+host:port:" and addresses of 45 octets with brackets and comma */
	RESOLVE_MAX = HOST_MAX + 16 + NET_HOST_ADDRS * 48,
};

struct net_fetcher {
	struct loop *loop;
	struct net_dns *dns;
	const struct net_guard *guard;
	char *ca_file;
	CURLM *multi;
	struct loop_timer *timer;
	struct net_fetch *all;
};

struct net_fetch {
	struct net_fetcher *f;
	struct net_fetch *next, **prev;
	struct net_fetch_request req;
	char url[NET_FETCH_URL_MAX];
	char site[HOST_MAX];
	char post_type[64];
	char host[HOST_MAX]; /* of the URL, without brackets */
	uint16_t port;
	unsigned redirects;
	uint64_t until_ms; /* steady clock */
	struct net_host_query *query;
	struct loop_timer *deadline; /* while names are resolved */
	CURL *easy;
	struct curl_slist *resolve, *header;
	struct buf body;
	size_t header_size;
	bool too_big;
	bool forbidden; /* an address was refused at the socket */
	void (*cb)(void *arg, const struct net_fetch_result *r);
	void *arg;
};

static void begin(struct net_fetch *t);

/* --- the end of a fetch --- */

static void
drop_easy(struct net_fetch *t)
{
	if (t->easy != NULL) {
		curl_multi_remove_handle(t->f->multi, t->easy);
		curl_easy_cleanup(t->easy);
	}
	curl_slist_free_all(t->resolve);
	curl_slist_free_all(t->header);
	t->easy = NULL;
	t->resolve = NULL;
	t->header = NULL;
}

void
net_fetch_cancel(struct net_fetch *t)
{
	if (t == NULL)
		return;
	drop_easy(t);
	net_host_cancel(t->query);
	loop_timer_free(t->deadline);
	*t->prev = t->next;
	if (t->next != NULL)
		t->next->prev = t->prev;
	buf_clear(&t->body);
	free(t);
}

static void
answer(struct net_fetch *t, struct net_fetch_result *r)
{
	r->url = t->url;
	t->cb(t->arg, r);
	net_fetch_cancel(t);
}

static void
fail(struct net_fetch *t, enum err e, const char *text)
{
	struct net_fetch_result r = {.status = 0, .type = ""};

	r.err = err_why(&r.why, e, "%s: %s", t->host, text);
	answer(t, &r);
}

/* --- what curl asks while it works --- */

static size_t
on_body(char *data, size_t size, size_t n, void *arg)
{
	struct net_fetch *t = arg;

	(void)size;
	if (n > t->req.max - t->body.len) {
		t->too_big = true;
		return 0;
	}
	return buf_put(&t->body, SPAN(data, n)) == ERR_OK ? n : 0;
}

static size_t
on_header(char *data, size_t size, size_t n, void *arg)
{
	struct net_fetch *t = arg;

	(void)data;
	(void)size;
	t->header_size += n;
	t->too_big = t->header_size > HEADER_MAX;
	return t->too_big ? 0 : n;
}

/* Whatever way curl came to this address. */
static curl_socket_t
on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
	struct net_fetch *t = arg;

	(void)purpose;
	if (!net_guard_permits(t->f->guard, &addr->addr)) {
		t->forbidden = true;
		return CURL_SOCKET_BAD;
	}
	return socket(
	    addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
}

static enum err
translate(const struct net_fetch *t, CURLcode code)
{
	if (t->too_big)
		return ERR_TOO_BIG;
	if (t->forbidden)
		return ERR_PERMISSION;
	switch (code) {
	case CURLE_OK:
		return ERR_OK;
	case CURLE_OPERATION_TIMEDOUT:
		return ERR_TIMEOUT;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CIPHER:
		return ERR_TLS;
	case CURLE_FILESIZE_EXCEEDED:
		return ERR_TOO_BIG;
	case CURLE_URL_MALFORMAT:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_BAD_CONTENT_ENCODING:
		return ERR_MALFORMED;
	case CURLE_OUT_OF_MEMORY:
		return ERR_NOMEM;
	default:
		return ERR_CLOSED;
	}
}

/* --- URLs --- */

static bool
is_below(const char *host, const char *domain)
{
	size_t h = strlen(host), d = strlen(domain);

	if (h < d || strcasecmp(host + h - d, domain) != 0)
		return false;
	return h == d || host[h - d - 1] == '.';
}

static enum err
read_part(CURLU *u, CURLUPart part, char *out, size_t size)
{
	char *text = NULL;
	enum err e = ERR_MALFORMED;

	if (curl_url_get(u, part, &text, CURLU_DEFAULT_PORT) == CURLUE_OK &&
	    strlen(text) < size) {
		memcpy(out, text, strlen(text) + 1);
		e = ERR_OK;
	}
	curl_free(text);
	return e;
}

/* Host and port of the URL. ERR_PERMISSION: a scheme that will not do. */
static enum err
read_url(struct net_fetch *t)
{
	char scheme[16] = "", port[16] = "", host[HOST_MAX] = "";
	CURLU *u = curl_url();
	size_t len;
	enum err e = ERR_NOMEM;

	if (u == NULL)
		return ERR_NOMEM;
	/* "https://a@b/": nobody sends us anywhere with a password */
	e = curl_url_set(u, CURLUPART_URL, t->url, CURLU_DISALLOW_USER) ==
		    CURLUE_OK
		? ERR_OK
		: ERR_MALFORMED;
	if (e == ERR_OK)
		e = read_part(u, CURLUPART_SCHEME, scheme, sizeof(scheme));
	if (e == ERR_OK)
		e = read_part(u, CURLUPART_PORT, port, sizeof(port));
	if (e == ERR_OK)
		e = read_part(u, CURLUPART_HOST, host, sizeof(host));
	curl_url_cleanup(u);
	if (e == ERR_OK && strcmp(scheme, "https") != 0 &&
	    !(t->req.http && strcmp(scheme, "http") == 0))
		e = ERR_PERMISSION;
	if (e != ERR_OK)
		return e;
	len = strlen(host);
	if (len > 2 && host[0] == '[') {
		memmove(host, host + 1, len - 2);
		host[len - 2] = '\0';
	}
	memcpy(t->host, host, sizeof(host));
	t->port = (uint16_t)strtoul(port, NULL, 10);
	return ERR_OK;
}

/* A redirect of the answer in hand. Returns false when there is none. */
static bool
follow(struct net_fetch *t)
{
	char old[HOST_MAX];
	uint16_t old_port = t->port;
	char *to = NULL;
	enum err e;

	curl_easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &to);
	if (to == NULL)
		return false;
	memcpy(old, t->host, sizeof(old));
	if (++t->redirects > NET_FETCH_REDIRECTS ||
	    strlen(to) >= sizeof(t->url)) {
		drop_easy(t);
		fail(t, ERR_PERMISSION, "too many redirects");
		return true;
	}
	memcpy(t->url, to, strlen(to) + 1);
	drop_easy(t);
	e = read_url(t);
	if (e != ERR_OK)
		fail(t, ERR_PERMISSION, "redirect to no HTTPS URL");
	else if (strcasecmp(t->host, old) != 0 &&
		 (t->site[0] == '\0' || !is_below(t->host, t->site)))
		fail(t, ERR_PERMISSION, "redirect to another site");
	else if (t->port != old_port)
		fail(t, ERR_PERMISSION, "redirect to another port");
	else
		begin(t);
	return true;
}

static void
finished(struct net_fetch *t, CURLcode code)
{
	struct net_fetch_result r = {.err = translate(t, code)};
	const char *type = NULL;

	if (r.err != ERR_OK) {
		fail(t, r.err,
		    r.err == ERR_PERMISSION ? "its address is not allowed"
		    : r.err == ERR_TOO_BIG  ? "its answer is too large"
					    : curl_easy_strerror(code));
		return;
	}
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &r.status);
	if (r.status / 100 == 3 && !t->req.direct && follow(t))
		return;
	if (curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type) !=
		CURLE_OK ||
	    type == NULL)
		type = "";
	r.type = type;
	r.body = buf_span(&t->body);
	answer(t, &r);
}

/* --- curl and the loop --- */

static void
take_finished(struct net_fetcher *f)
{
	struct net_fetch *t;
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(f->multi, &left)) != NULL) {
		char *private = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
		t = (void *)private;
		finished(t, m->data.result);
	}
}

static void
on_timer(void *arg)
{
	struct net_fetcher *f = arg;
	int running;

	curl_multi_socket_action(f->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	take_finished(f);
}

static int
on_multi_timer(CURLM *multi, long ms, void *arg)
{
	struct net_fetcher *f = arg;

	(void)multi;
	if (ms < 0)
		loop_timer_stop(f->timer);
	else
		loop_timer_start(f->timer, (uint64_t)ms, 0);
	return 0;
}

/* A socket of curl's that is watched. */
struct watch {
	struct net_fetcher *f;
	struct loop_io *io;
	curl_socket_t fd;
};

static void
on_io(void *arg, unsigned events)
{
	struct watch *w = arg;
	struct net_fetcher *f = w->f;
	int running;

	/* the watch may be gone when it returns */
	curl_multi_socket_action(f->multi, w->fd,
	    (events & LOOP_READ ? CURL_CSELECT_IN : 0) |
		(events & LOOP_WRITE ? CURL_CSELECT_OUT : 0),
	    &running);
	take_finished(f);
}

static int
on_multi_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket)
{
	struct net_fetcher *f = arg;
	struct watch *w = socket;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (w != NULL)
			loop_io_free(w->io);
		free(w);
		curl_multi_assign(f->multi, fd, NULL);
		return 0;
	}
	if (w == NULL) {
		w = calloc(1, sizeof(*w));
		if (w == NULL)
			return -1;
		w->f = f;
		w->fd = fd;
		w->io = loop_io_new(f->loop, fd, on_io, w);
		curl_multi_assign(f->multi, fd, w);
	}
	loop_io_set(w->io, (what & CURL_POLL_IN ? LOOP_READ : 0) |
			       (what & CURL_POLL_OUT ? LOOP_WRITE : 0));
	return 0;
}

/* --- the beginning --- */

static enum err
say_addresses(struct net_fetch *t, const struct net_host *h)
{
	char text[RESOLVE_MAX], one[INET6_ADDRSTRLEN];
	size_t len;

	/* "+": forgotten in time, as if curl had asked itself */
	len = (size_t)snprintf(
	    text, sizeof(text), "+%s:%u:", t->host, (unsigned)t->port);
	for (size_t i = 0; i < h->n; i++) {
		const struct sockaddr_in *in4 = (const void *)&h->addr[i].sa;
		const struct sockaddr_in6 *in6 = (const void *)&h->addr[i].sa;
		bool v6 = h->addr[i].sa.ss_family == AF_INET6;

		if (inet_ntop(h->addr[i].sa.ss_family,
			v6 ? (const void *)&in6->sin6_addr : &in4->sin_addr,
			one, sizeof(one)) == NULL)
			return ERR_INTERNAL;
		len +=
		    (size_t)snprintf(text + len, sizeof(text) - len, "%s%s%s%s",
			i > 0 ? "," : "", v6 ? "[" : "", one, v6 ? "]" : "");
		if (len >= sizeof(text))
			return ERR_INTERNAL;
	}
	t->resolve = curl_slist_append(NULL, text);
	return t->resolve == NULL ? ERR_NOMEM : ERR_OK;
}

#define SET(option, value)                                                     \
	do {                                                                   \
		if (curl_easy_setopt(t->easy, option, value) != CURLE_OK)      \
			return ERR_NOMEM;                                      \
	} while (0)

/* Who is given more time than usual may need more for the handshake, too. */
static enum err
set_limits(struct net_fetch *t, long left_ms)
{
	long connect_ms =
	    left_ms / 2 > CONNECT_MS ? left_ms / 2 : (long)CONNECT_MS;

	SET(CURLOPT_TIMEOUT_MS, left_ms);
	SET(CURLOPT_CONNECTTIMEOUT_MS,
	    left_ms < connect_ms ? left_ms : connect_ms);
	SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)t->req.max);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, t);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, t);
	return ERR_OK;
}

static enum err
set_walls(struct net_fetch *t)
{
	SET(CURLOPT_PROTOCOLS_STR, t->req.http ? "https,http" : "https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	if (t->f->ca_file != NULL)
		SET(CURLOPT_CAINFO, t->f->ca_file);
	SET(CURLOPT_RESOLVE, t->resolve);
	SET(CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	SET(CURLOPT_OPENSOCKETDATA, t);
	return ERR_OK;
}

static enum err
set_request(struct net_fetch *t)
{
	char line[96];

	SET(CURLOPT_URL, t->url);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_PRIVATE, t);
	SET(CURLOPT_USERAGENT, "sealgate");
	if (t->req.post.len == 0)
		return ERR_OK;
	snprintf(line, sizeof(line), "Content-Type: %s", t->post_type);
	t->header = curl_slist_append(NULL, line);
	if (t->header == NULL)
		return ERR_NOMEM;
	SET(CURLOPT_HTTPHEADER, t->header);
	SET(CURLOPT_POSTFIELDS, (const char *)t->req.post.data);
	SET(CURLOPT_POSTFIELDSIZE, (long)t->req.post.len);
	return ERR_OK;
}

/* Its host is known: hand it to curl. */
static enum err
connect_to(struct net_fetch *t, const struct net_host *h)
{
	uint64_t now = clock_steady_ms();
	enum err e = say_addresses(t, h);

	if (e != ERR_OK)
		return e;
	if (now >= t->until_ms)
		return ERR_TIMEOUT;
	t->easy = curl_easy_init();
	if (t->easy == NULL)
		return ERR_NOMEM;
	buf_reset(&t->body);
	t->header_size = 0;
	e = set_limits(t, (long)(t->until_ms - now));
	if (e == ERR_OK)
		e = set_walls(t);
	if (e == ERR_OK)
		e = set_request(t);
	if (e == ERR_OK &&
	    curl_multi_add_handle(t->f->multi, t->easy) != CURLM_OK) {
		curl_easy_cleanup(t->easy);
		t->easy = NULL;
		e = ERR_NOMEM;
	}
	return e;
}

static void
on_host(void *arg, const struct net_host *h)
{
	struct net_fetch *t = arg;
	enum err e = h->err;

	t->query = NULL;
	loop_timer_stop(t->deadline);
	if (e == ERR_OK)
		e = connect_to(t, h);
	if (e != ERR_OK)
		fail(t, e,
		    e == ERR_PERMISSION ? "its address is not allowed"
					: err_text(e));
}

static void
on_deadline(void *arg)
{
	fail(arg, ERR_TIMEOUT, "the name servers did not answer in time");
}

/* Resolve the host of t->url and go on. */
static void
begin(struct net_fetch *t)
{
	uint64_t now = clock_steady_ms();

	loop_timer_start(
	    t->deadline, now < t->until_ms ? t->until_ms - now : 0, 0);
	t->query = net_host_find(
	    t->f->loop, t->f->dns, t->f->guard, t->host, t->port, on_host, t);
}

static void
copy(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text == NULL ? "" : text);
}

static void
on_bad_url(void *arg)
{
	struct net_fetch *t = arg;

	fail(t, ERR_MALFORMED, "not a URL that may be fetched");
}

struct net_fetch *
net_fetch_start(struct net_fetcher *f, const struct net_fetch_request *req,
    void (*cb)(void *arg, const struct net_fetch_result *r), void *arg)
{
	struct net_fetch *t = calloc(1, sizeof(*t));
	enum err e = ERR_MALFORMED;

	if (t == NULL)
		return NULL;
	t->f = f;
	t->req = *req;
	copy(t->url, sizeof(t->url), req->url);
	copy(t->site, sizeof(t->site), req->site);
	copy(t->post_type, sizeof(t->post_type), req->post_type);
	t->cb = cb;
	t->arg = arg;
	t->until_ms = clock_steady_ms() + req->timeout_ms;
	buf_init(&t->body, req->max);
	t->next = f->all;
	t->prev = &f->all;
	if (t->next != NULL)
		t->next->prev = &t->next;
	f->all = t;
	if (strlen(req->url) < sizeof(t->url))
		e = read_url(t);
	t->deadline =
	    loop_timer_new(f->loop, e == ERR_OK ? on_deadline : on_bad_url, t);
	if (e == ERR_OK)
		begin(t);
	else
		loop_timer_start(t->deadline, 0, 0);
	return t;
}

/* --- the fetcher --- */

void
net_fetcher_free(struct net_fetcher *f)
{
	if (f == NULL)
		return;
	while (f->all != NULL)
		net_fetch_cancel(f->all);
	if (f->multi != NULL)
		curl_multi_cleanup(f->multi);
	loop_timer_free(f->timer);
	free(f->ca_file);
	free(f);
}

enum err
net_fetcher_new(struct loop *loop, struct net_dns *dns,
    const struct net_guard *guard, const char *ca_file,
    struct net_fetcher **out)
{
	struct net_fetcher *f;

	if (curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK)
		return ERR_TLS;
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return ERR_NOMEM;
	f->loop = loop;
	f->dns = dns;
	f->guard = guard;
	f->ca_file = ca_file == NULL ? NULL : strdup(ca_file);
	f->multi = curl_multi_init();
	f->timer = loop_timer_new(loop, on_timer, f);
	if (f->multi == NULL || (ca_file != NULL && f->ca_file == NULL)) {
		net_fetcher_free(f);
		return ERR_NOMEM;
	}
	curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, on_multi_socket);
	curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f);
	curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, on_multi_timer);
	curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f);
	curl_multi_setopt(
	    f->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
	*out = f;
	return ERR_OK;
}
