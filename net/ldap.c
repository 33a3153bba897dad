/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Connections and questions for a few values; all values of a group are
 * ldap_group.c's. The thread owns the query until it has written its result;
 * then a counter tells the loop, or, where nobody waits any more, the thread
 * frees it.
 */
#include "net/ldap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#include <lber.h>
#include <ldap.h>
#include <openldap.h>

#include "common/clock.h"
#include "common/loop.h"
#include "common/secret.h"
#include "net/ldap_private.h"

#define SYSTEM_CA "/etc/ssl/certs/ca-certificates.crt"

enum {
	ENTRIES_MAX = 16, /* that a directory may answer with */
	STACK = 1024 * 1024,
};

static pthread_mutex_t count_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned threads;

void
net_ldap_init(void)
{
	/* neither ldap.conf nor .ldaprc: the configuration says it all */
	setenv("LDAPNOINIT", "1", 1);
	(void)ldap_set_option(NULL, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
}

int
net_ldap_left_ms(const struct net_ldap *q)
{
	uint64_t now = clock_steady_ms();

	return now >= q->until_ms ? 0 : (int)(q->until_ms - now);
}

/* --- in the thread --- */

enum err
net_ldap_said(struct net_ldap *q, enum err e, const char *what)
{
	return err_why(&q->result.why, e, "%s: %s", q->host, what);
}

enum err
net_ldap_err(struct net_ldap *q, int rc)
{
	switch (rc) {
	case LDAP_SUCCESS:
	case LDAP_SIZELIMIT_EXCEEDED: /* what came counts */
	case LDAP_NO_SUCH_OBJECT:
		return ERR_OK;
	case LDAP_TIMEOUT:
	case LDAP_TIMELIMIT_EXCEEDED:
		return net_ldap_said(q, ERR_TIMEOUT, ldap_err2string(rc));
	case LDAP_CONNECT_ERROR: /* also a certificate that does not fit */
		return net_ldap_said(q, ERR_TLS, ldap_err2string(rc));
	case LDAP_SERVER_DOWN:
		return net_ldap_said(q, ERR_CLOSED, ldap_err2string(rc));
	case LDAP_INSUFFICIENT_ACCESS:
	case LDAP_INAPPROPRIATE_AUTH:
	case LDAP_STRONG_AUTH_REQUIRED:
	case LDAP_INVALID_CREDENTIALS:
	case LDAP_CONFIDENTIALITY_REQUIRED:
		return net_ldap_said(q, ERR_PERMISSION, ldap_err2string(rc));
	default:
		return net_ldap_said(q, ERR_IO, ldap_err2string(rc));
	}
}

enum err
net_ldap_whole(struct net_ldap *q, int rc)
{
	enum err e = net_ldap_err(q, rc);

	return rc == LDAP_SUCCESS || e != ERR_OK
		   ? e
		   : net_ldap_said(q, ERR_IO, ldap_err2string(rc));
}

static bool
is_connected(const struct net_ldap *q, int fd, const struct net_host_addr *a)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int error = 0;
	socklen_t len = sizeof(error);

	if (connect(fd, (const void *)&a->sa, a->len) == 0)
		return true;
	return errno == EINPROGRESS && poll(&p, 1, net_ldap_left_ms(q)) == 1 &&
	       getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 &&
	       error == 0;
}

/* One of the addresses, connected; -1. */
static int
connect_one(const struct net_ldap *q, const struct net_host_addr *a)
{
	int fd = socket(
	    a->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || is_connected(q, fd, a))
		return fd;
	close(fd);
	return -1;
}

static int
connect_any(struct net_ldap *q)
{
	for (size_t i = 0; i < q->at.n; i++) {
		int fd = connect_one(q, &q->at.addr[i]);

		if (fd >= 0)
			return fd;
	}
	return -1;
}

struct timeval
net_ldap_left_tv(const struct net_ldap *q)
{
	int ms = net_ldap_left_ms(q);
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	if (ms == 0)
		tv.tv_usec = 1000; /* zero would mean for ever */
	return tv;
}

static void
set_options(struct net_ldap *q, LDAP *ld)
{
	int version = LDAP_VERSION3, hard = LDAP_OPT_X_TLS_HARD, client = 0;
	int deref = LDAP_DEREF_NEVER;
	struct timeval tv = net_ldap_left_tv(q);

	ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version);
	ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
	ldap_set_option(ld, LDAP_OPT_DEREF, &deref);
	ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &tv);
	ldap_set_option(ld, LDAP_OPT_TIMEOUT, &tv);
	ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &hard);
	ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTFILE, q->ca_file);
	ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &client);
}

/* A directory that answers without end is cut. */
static void
set_max(struct net_ldap *q, LDAP *ld)
{
	Sockbuf *sb = NULL;
	ber_len_t max = (ber_len_t)q->max;

	if (ldap_get_option(ld, LDAP_OPT_SOCKBUF, &sb) == LDAP_OPT_SUCCESS &&
	    sb != NULL)
		ber_sockbuf_ctrl(sb, LBER_SB_OPT_SET_MAX_INCOMING, &max);
}

static bool
is_loopback(const struct net_host_addr *a)
{
	const struct sockaddr_in *v4 = (const void *)&a->sa;
	const struct sockaddr_in6 *v6 = (const void *)&a->sa;

	if (a->sa.ss_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	return a->sa.ss_family == AF_INET6 &&
	       IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static bool
is_here(const struct net_ldap *q)
{
	for (size_t i = 0; i < q->at.n; i++)
		if (!is_loopback(&q->at.addr[i]))
			return false;
	return true;
}

static enum err
open_session(struct net_ldap *q, LDAP **out)
{
	char url[NET_LDAP_TEXT + 32];
	bool v6 = strchr(q->host, ':') != NULL;
	int fd, rc;

	/* also when a name came to lead elsewhere */
	if (q->tls == NET_LDAP_PLAIN && q->bind_dn[0] != '\0' && !is_here(q))
		return net_ldap_said(q, ERR_PERMISSION,
		    "the password would be readable on the way");
	fd = connect_any(q);
	if (fd < 0)
		return net_ldap_said(q,
		    net_ldap_left_ms(q) == 0 ? ERR_TIMEOUT : ERR_CLOSED,
		    "no connection");
	/* the name is for the certificate, the connection is there already */
	snprintf(url, sizeof(url), "ldap://%s%s%s:%u", v6 ? "[" : "", q->host,
	    v6 ? "]" : "", (unsigned)q->port);
	rc = ldap_init_fd(fd, LDAP_PROTO_TCP, url, out);
	if (rc != LDAP_SUCCESS) {
		close(fd);
		return net_ldap_err(q, rc);
	}
	set_options(q, *out);
	set_max(q, *out);
	if (q->tls == NET_LDAP_TLS)
		rc = ldap_install_tls(*out);
	else if (q->tls == NET_LDAP_STARTTLS)
		rc = ldap_start_tls_s(*out, NULL, NULL);
	/* whatever it is, without TLS nothing is asked */
	if (rc != LDAP_SUCCESS && net_ldap_err(q, rc) == ERR_OK)
		return net_ldap_said(q, ERR_TLS, "no TLS");
	return rc == LDAP_SUCCESS	  ? ERR_OK
	       : net_ldap_left_ms(q) == 0 ? ERR_TIMEOUT
					  : net_ldap_err(q, rc);
}

/* RFC 4513 section 5.1.3; not 5.1.2: an empty password would be taken for
   nobody's and everybody's */
static enum err
log_in(struct net_ldap *q, LDAP *ld)
{
	struct berval cred;
	int rc;

	if (q->bind_dn[0] == '\0')
		return ERR_OK;
	if (q->password == NULL || q->password->len == 0)
		return net_ldap_said(q, ERR_PERMISSION, "there is no password");
	cred.bv_len = q->password->len;
	cred.bv_val = (char *)q->password->data;
	rc = ldap_sasl_bind_s(
	    ld, q->bind_dn, LDAP_SASL_SIMPLE, &cred, NULL, NULL, NULL);
	/* nothing that a search may say counts as a login */
	if (rc != LDAP_SUCCESS && net_ldap_err(q, rc) == ERR_OK)
		return net_ldap_said(q, ERR_PERMISSION, ldap_err2string(rc));
	return net_ldap_err(q, rc);
}

enum err
net_ldap_add_value(struct net_ldap *q, size_t attr, const struct berval *v)
{
	enum err e;

	if (q->result.n == q->room)
		return net_ldap_said(
		    q, ERR_TOO_BIG, "its answer has too many values");
	if (v->bv_len > q->max - q->octets.len)
		return net_ldap_said(q, ERR_TOO_BIG, "its answer is too large");
	e = buf_put(&q->octets, SPAN(v->bv_val, v->bv_len));
	if (e != ERR_OK)
		return e;
	q->value[q->result.n].attr = attr;
	q->end[q->result.n++] = q->octets.len;
	return ERR_OK;
}

static enum err
take_values(struct net_ldap *q, LDAP *ld, LDAPMessage *entry, size_t attr)
{
	struct berval **v = ldap_get_values_len(ld, entry, q->attr[attr]);
	enum err e = ERR_OK;

	for (size_t i = 0; v != NULL && v[i] != NULL && e == ERR_OK; i++) {
		if (q->result.n == q->room)
			break;
		e = net_ldap_add_value(q, attr, v[i]);
	}
	ldap_value_free_len(v);
	return e;
}

static enum err
take_entries(struct net_ldap *q, LDAP *ld, LDAPMessage *all)
{
	enum err e = ERR_OK;

	for (LDAPMessage *m = ldap_first_entry(ld, all); m != NULL;
	     m = ldap_next_entry(ld, m))
		for (size_t i = 0; i < q->n_attrs && e == ERR_OK; i++) {
			e = take_values(q, ld, m, i);
			if (e == ERR_OK && q->result.n == q->room)
				return ERR_OK;
		}
	return e;
}

static enum err
search(struct net_ldap *q, LDAP *ld)
{
	struct timeval tv = net_ldap_left_tv(q);
	char *attrs[NET_LDAP_ATTRS + 1] = {NULL};
	LDAPMessage *all = NULL;
	enum err e;
	int rc;

	for (size_t i = 0; i < q->n_attrs; i++)
		attrs[i] = q->attr[i];
	rc = ldap_search_ext_s(ld, q->base, LDAP_SCOPE_SUBTREE, q->filter,
	    attrs, 0, NULL, NULL, &tv, ENTRIES_MAX, &all);
	e = net_ldap_err(q, rc);
	q->result.no_base = rc == LDAP_NO_SUCH_OBJECT;
	if (e == ERR_OK && all != NULL) {
		int n = ldap_count_entries(ld, all);

		q->result.entries = n > 0 ? (size_t)n : 0;
		e = take_entries(q, ld, all);
	}
	ldap_msgfree(all);
	return e;
}

static void
free_query(struct net_ldap *q)
{
	loop_io_free(q->io);
	if (q->done_fd >= 0)
		close(q->done_fd);
	buf_clear(&q->octets);
	free(q->value);
	free(q->end);
	secret_free(q->password);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

/* The values once nothing moves any more. */
static void
set_values(struct net_ldap *q)
{
	size_t begin = 0;

	for (size_t i = 0; i < q->result.n; i++) {
		q->value[i].octets =
		    SPAN(q->octets.data + begin, q->end[i] - begin);
		begin = q->end[i];
	}
	q->result.value = q->value;
	if (q->result.err != ERR_OK)
		q->result.n = 0;
}

static void *
run(void *arg)
{
	static const uint64_t one = 1;
	struct net_ldap *q = arg;
	LDAP *ld = NULL;
	bool alone;

	q->result.err = open_session(q, &ld);
	if (q->result.err == ERR_OK)
		q->result.err = log_in(q, ld);
	if (q->result.err == ERR_OK)
		q->result.err =
		    q->all > 0 ? net_ldap_search_all(q, ld) : search(q, ld);
	if (ld != NULL)
		ldap_unbind_ext(ld, NULL, NULL);
	set_values(q);
	pthread_mutex_lock(&count_lock);
	threads--;
	pthread_mutex_unlock(&count_lock);
	pthread_mutex_lock(&q->lock);
	q->finished = true;
	alone = q->abandoned;
	if (!alone && write(q->done_fd, &one, sizeof(one)) < 0)
		q->result.err = ERR_IO;
	pthread_mutex_unlock(&q->lock);
	if (alone)
		free_query(q);
	return NULL;
}

/* --- in the loop --- */

void
net_ldap_cancel(struct net_ldap *q)
{
	bool finished;

	if (q == NULL)
		return;
	loop_io_free(q->io);
	q->io = NULL;
	pthread_mutex_lock(&q->lock);
	q->abandoned = true;
	finished = q->finished;
	pthread_mutex_unlock(&q->lock);
	if (finished)
		free_query(q);
}

static void
on_done(void *arg, unsigned events)
{
	struct net_ldap *q = arg;

	(void)events;
	q->cb(q->arg, &q->result);
	net_ldap_cancel(q);
}

static enum err
start_thread(struct net_ldap *q)
{
	pthread_attr_t attr;
	pthread_t thread;
	bool room;
	int rc;

	pthread_mutex_lock(&count_lock);
	room = threads < NET_LDAP_THREADS;
	threads += room;
	pthread_mutex_unlock(&count_lock);
	if (!room)
		return ERR_BUSY;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK);
	rc = pthread_create(&thread, &attr, run, q);
	pthread_attr_destroy(&attr);
	if (rc == 0)
		return ERR_OK;
	pthread_mutex_lock(&count_lock);
	threads--;
	pthread_mutex_unlock(&count_lock);
	return ERR_BUSY;
}

static bool
copy(char *out, size_t size, const char *text)
{
	return (size_t)snprintf(out, size, "%s", text == NULL ? "" : text) <
	       size;
}

static bool
copy_request(struct net_ldap *q, const struct net_ldap_request *req)
{
	bool ok = copy(q->host, sizeof(q->host), req->host) &&
		  copy(q->base, sizeof(q->base), req->base) &&
		  copy(q->bind_dn, sizeof(q->bind_dn), req->bind_dn) &&
		  copy(q->filter, sizeof(q->filter), req->filter) &&
		  copy(q->ca_file, sizeof(q->ca_file),
		      req->ca_file == NULL ? SYSTEM_CA : req->ca_file);

	for (; ok && q->n_attrs < NET_LDAP_ATTRS &&
	       req->attrs[q->n_attrs] != NULL;
	     q->n_attrs++)
		ok = copy(q->attr[q->n_attrs], sizeof(q->attr[0]),
		    req->attrs[q->n_attrs]);
	if (ok && req->bind_dn != NULL && req->password != NULL)
		q->password = secret_from(secret_span(req->password));
	ok = ok && copy(q->member, sizeof(q->member), req->member);
	q->all = req->all;
	q->nested = req->nested;
	q->room = req->all > 0 ? req->all : NET_LDAP_VALUES;
	q->value = calloc(q->room, sizeof(*q->value));
	q->end = calloc(q->room, sizeof(*q->end));
	ok = ok && q->value != NULL && q->end != NULL;
	q->at = *req->at;
	q->port = req->port;
	q->tls = req->tls;
	q->max = req->max;
	q->until_ms = clock_steady_ms() + req->timeout_ms;
	return ok;
}

struct net_ldap *
net_ldap_start(struct loop *loop, const struct net_ldap_request *req,
    void (*cb)(void *arg, const struct net_ldap_result *r), void *arg)
{
	struct net_ldap *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	pthread_mutex_init(&q->lock, NULL);
	q->cb = cb;
	q->arg = arg;
	q->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	buf_init(&q->octets, req->max);
	if (q->done_fd < 0 || !copy_request(q, req)) {
		free_query(q);
		return NULL;
	}
	q->io = loop_io_new(loop, q->done_fd, on_done, q);
	loop_io_set(q->io, LOOP_READ);
	if (start_thread(q) != ERR_OK) {
		free_query(q);
		return NULL;
	}
	return q;
}

enum err
net_ldap_escape(struct span value, struct buf *out)
{
	char text[4];
	enum err e = ERR_OK;

	for (size_t i = 0; i < value.len && e == ERR_OK; i++) {
		uint8_t c = value.data[i];

		if (c >= 0x20 && c < 0x7f && c != '*' && c != '(' && c != ')' &&
		    c != '\\') {
			e = buf_put(out, SPAN(value.data + i, 1));
			continue;
		}
		snprintf(text, sizeof(text), "\\%02x", c);
		e = buf_put(out, SPAN(text, 3));
	}
	return e;
}
