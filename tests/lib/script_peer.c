/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Blocking code, a thread for each connection; what hangs is released when
 * the peer is freed.
 */
#include "tests/lib/script_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "common/buf.h"

enum {
	SEEN_MAX = 256 * 1024 * 1024,
	CONNS_MAX = 64,
	LINE_SIZE = 8192,
	ROOM = 65536, /* octets that come before they are read */
};

struct conn {
	struct script_peer *peer;
	pthread_t thread;
	const char *script;
	int fd;
	SSL *ssl;
	char in[LINE_SIZE];
	size_t at, n;
};

struct script_peer {
	int fd;
	uint16_t port;
	const char *const *scripts;
	unsigned n_scripts;
	pthread_t thread;
	pthread_mutex_t lock;
	struct conn conn[CONNS_MAX];
	unsigned n_conns;
	unsigned n_hanging; /* came so far, ever */
	bool open;
	pthread_cond_t opened;
	struct buf plain;
	struct buf secret;
	char complaint[256];
	SSL_CTX *ctx;
};

static void
must(bool ok, const char *what)
{
	if (!ok)
		fatal("script_peer: %s", what);
}

/* A certificate nobody has reason to trust. */
static SSL_CTX *
make_ctx(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();

	must(ctx != NULL && key != NULL && x != NULL, "certificate");
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
	    (const unsigned char *)"mx.example", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_set_pubkey(x, key);
	must(X509_sign(x, key, EVP_sha256()) > 0, "signature");
	must(SSL_CTX_use_certificate(ctx, x) == 1 &&
		 SSL_CTX_use_PrivateKey(ctx, key) == 1,
	    "key");
	X509_free(x);
	EVP_PKEY_free(key);
	return ctx;
}

static void
complain(struct conn *c, const char *step, const char *got)
{
	pthread_mutex_lock(&c->peer->lock);
	if (c->peer->complaint[0] == '\0')
		snprintf(c->peer->complaint, sizeof(c->peer->complaint),
		    "%.100s: %.100s", step, got);
	pthread_mutex_unlock(&c->peer->lock);
}

static bool
fill(struct conn *c)
{
	ssize_t n = c->ssl != NULL ? SSL_read(c->ssl, c->in, sizeof(c->in))
				   : recv(c->fd, c->in, sizeof(c->in), 0);
	struct buf *seen = c->ssl != NULL ? &c->peer->secret : &c->peer->plain;

	if (n <= 0)
		return false;
	pthread_mutex_lock(&c->peer->lock);
	must(buf_put(seen, SPAN(c->in, n)) == ERR_OK, "memory");
	pthread_mutex_unlock(&c->peer->lock);
	c->at = 0;
	c->n = (size_t)n;
	return true;
}

static bool
read_line(struct conn *c, char *out, size_t size)
{
	size_t len = 0;

	for (;;) {
		if (c->at == c->n && !fill(c))
			return false;
		if (c->in[c->at] == '\n') {
			c->at++;
			out[len > 0 && out[len - 1] == '\r' ? len - 1 : len] =
			    '\0';
			return true;
		}
		if (len + 1 < size)
			out[len++] = c->in[c->at];
		c->at++;
	}
}

static bool
say(struct conn *c, const char *text, size_t len)
{
	return c->ssl != NULL
		   ? SSL_write(c->ssl, text, (int)len) == (int)len
		   : send(c->fd, text, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* "$" is CRLF. */
static bool
say_raw(struct conn *c, const char *text)
{
	char raw[LINE_SIZE];
	size_t n = 0;

	for (; *text != '\0' && n + 2 < sizeof(raw); text++) {
		if (*text == '$') {
			raw[n++] = '\r';
			raw[n++] = '\n';
		} else {
			raw[n++] = *text;
		}
	}
	return say(c, raw, n);
}

static bool
read_body(struct conn *c)
{
	char line[LINE_SIZE];

	while (read_line(c, line, sizeof(line)))
		if (strcmp(line, ".") == 0)
			return true;
	return false;
}

static bool
read_bdat(struct conn *c)
{
	char line[LINE_SIZE];
	unsigned long left;
	size_t take;

	if (!read_line(c, line, sizeof(line)))
		return false;
	if (sscanf(line, "BDAT %lu", &left) != 1) {
		if (strcmp(line, "QUIT") != 0)
			complain(c, "bdat", line);
		return false;
	}
	while (left > 0) {
		if (c->at == c->n && !fill(c))
			return false;
		take = c->n - c->at < left ? c->n - c->at : left;
		c->at += take;
		left -= take;
	}
	return true;
}

static bool
start_tls(struct conn *c)
{
	c->ssl = SSL_new(c->peer->ctx);
	must(c->ssl != NULL && SSL_set_fd(c->ssl, c->fd) == 1, "SSL");
	c->at = c->n = 0;
	return SSL_accept(c->ssl) == 1;
}

static bool
send_long(struct conn *c)
{
	static const char x[] = "250-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
				"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

	for (int i = 0; i < 1000; i++)
		if (!say(c, x, sizeof(x) - 1))
			return false;
	return true;
}

static bool
hang(struct conn *c)
{
	pthread_mutex_lock(&c->peer->lock);
	c->peer->n_hanging++;
	pthread_mutex_unlock(&c->peer->lock);
	while (fill(c))
		continue;
	return false;
}

static bool
wait_at_gate(struct conn *c)
{
	pthread_mutex_lock(&c->peer->lock);
	while (!c->peer->open)
		pthread_cond_wait(&c->peer->opened, &c->peer->lock);
	pthread_mutex_unlock(&c->peer->lock);
	return true;
}

/* One step; false ends the connection. */
static bool
do_step(struct conn *c, const char *step)
{
	char line[LINE_SIZE];

	if (strncmp(step, "<- ", 3) == 0)
		return say_raw(c, step + 3);
	if (strncmp(step, "< ", 2) == 0) {
		snprintf(line, sizeof(line), "%s\r\n", step + 2);
		return say(c, line, strlen(line));
	}
	if (strncmp(step, "> ", 2) == 0) {
		if (!read_line(c, line, sizeof(line)))
			return false;
		if (strncmp(line, step + 2, strlen(step + 2)) == 0)
			return true;
		/* QUIT may come whenever nothing is left to do */
		if (strcmp(line, "QUIT") != 0)
			complain(c, step, line);
		return false;
	}
	if (strcmp(step, "body") == 0)
		return read_body(c);
	if (strcmp(step, "bdat") == 0)
		return read_bdat(c);
	if (strcmp(step, "tls") == 0)
		return start_tls(c);
	if (strcmp(step, "junk") == 0)
		return say(c, "this is no TLS at all\r\n", 23);
	if (strcmp(step, "long") == 0)
		return send_long(c);
	if (strcmp(step, "gate") == 0)
		return wait_at_gate(c);
	if (strcmp(step, "hang") == 0)
		return hang(c);
	fatal("script_peer: unknown step: %s", step);
}

static void
play(struct conn *c)
{
	const char *at = c->script, *mark = c->script, *end;
	char step[1024];
	size_t len;

	while (*at != '\0') {
		end = strchr(at, '\n');
		len = end == NULL ? strlen(at) : (size_t)(end - at);
		must(len < sizeof(step), "long step");
		memcpy(step, at, len);
		step[len] = '\0';
		at += len + (end != NULL ? 1 : 0);
		if (strcmp(step, "mark") == 0)
			mark = at;
		else if (strcmp(step, "again") == 0)
			at = mark;
		else if (!do_step(c, step))
			return;
	}
}

static void *
serve(void *arg)
{
	struct conn *c = arg;

	play(c);
	if (c->ssl != NULL)
		SSL_free(c->ssl);
	shutdown(c->fd, SHUT_RDWR);
	return NULL;
}

static void *
accept_all(void *arg)
{
	struct script_peer *p = arg;
	struct conn *c;
	unsigned k;
	int fd;

	while ((fd = accept(p->fd, NULL, NULL)) >= 0) {
		pthread_mutex_lock(&p->lock);
		must(p->n_conns < CONNS_MAX, "too many connections");
		c = &p->conn[p->n_conns];
		k = p->n_conns < p->n_scripts ? p->n_conns : p->n_scripts - 1;
		c->peer = p;
		c->script = p->scripts[k];
		c->fd = fd;
		must(pthread_create(&c->thread, NULL, serve, c) == 0, "thread");
		p->n_conns++;
		pthread_mutex_unlock(&p->lock);
	}
	return NULL;
}

struct script_peer *
script_peer_new(const char *const *scripts, unsigned n)
{
	struct script_peer *p = calloc(1, sizeof(*p));
	struct sockaddr_in sa = {.sin_family = AF_INET};
	socklen_t len = sizeof(sa);
	int room = ROOM;

	must(p != NULL, "memory");
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* its connections have it from here: the kernel takes no message for
	   a peer that does not read */
	must(p->fd >= 0 &&
		 setsockopt(
		     p->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)) == 0 &&
		 bind(p->fd, (void *)&sa, sizeof(sa)) == 0 &&
		 listen(p->fd, 64) == 0 &&
		 getsockname(p->fd, (void *)&sa, &len) == 0,
	    "socket");
	p->port = ntohs(sa.sin_port);
	p->scripts = scripts;
	p->n_scripts = n;
	p->ctx = make_ctx();
	buf_init(&p->plain, SEEN_MAX);
	buf_init(&p->secret, SEEN_MAX);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->opened, NULL);
	must(pthread_create(&p->thread, NULL, accept_all, p) == 0, "thread");
	return p;
}

void
script_peer_free(struct script_peer *p)
{
	if (p == NULL)
		return;
	shutdown(p->fd, SHUT_RDWR);
	pthread_join(p->thread, NULL);
	script_peer_open(p);
	for (unsigned i = 0; i < p->n_conns; i++) {
		shutdown(p->conn[i].fd, SHUT_RDWR);
		pthread_join(p->conn[i].thread, NULL);
		close(p->conn[i].fd);
	}
	close(p->fd);
	SSL_CTX_free(p->ctx);
	buf_clear(&p->plain);
	buf_clear(&p->secret);
	pthread_cond_destroy(&p->opened);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

uint16_t
script_peer_port(const struct script_peer *p)
{
	return p->port;
}

unsigned
script_peer_connections(struct script_peer *p)
{
	unsigned n;

	pthread_mutex_lock(&p->lock);
	n = p->n_conns;
	pthread_mutex_unlock(&p->lock);
	return n;
}

unsigned
script_peer_hanging(struct script_peer *p)
{
	unsigned n;

	pthread_mutex_lock(&p->lock);
	n = p->n_hanging;
	pthread_mutex_unlock(&p->lock);
	return n;
}

void
script_peer_open(struct script_peer *p)
{
	pthread_mutex_lock(&p->lock);
	p->open = true;
	pthread_cond_broadcast(&p->opened);
	pthread_mutex_unlock(&p->lock);
}

static unsigned
count(struct script_peer *p, const struct buf *b, const char *what)
{
	size_t len = strlen(what);
	unsigned n = 0;
	struct span s;

	pthread_mutex_lock(&p->lock);
	s = buf_span(b);
	/* by its first octet: memmem() under AddressSanitizer looks at all that
	   is left each time */
	for (size_t at = 0; (at = span_find_chr(s, at, what[0])) < s.len; at++)
		n += s.len - at >= len && memcmp(s.data + at, what, len) == 0;
	pthread_mutex_unlock(&p->lock);
	return n;
}

bool
script_peer_saw_plain(struct script_peer *p, const char *what)
{
	return count(p, &p->plain, what) > 0;
}

bool
script_peer_saw_secret(struct script_peer *p, const char *what)
{
	return count(p, &p->secret, what) > 0;
}

unsigned
script_peer_count(struct script_peer *p, const char *what)
{
	return count(p, &p->plain, what) + count(p, &p->secret, what);
}

const char *
script_peer_complaint(struct script_peer *p)
{
	return p->complaint;
}
