/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The thread owns the query until it has written its result; then a counter
 * tells the loop, or, where nobody waits any more, the thread frees it.
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

#define SYSTEM_CA "/etc/ssl/certs/ca-certificates.crt"

enum {
	ENTRIES_MAX = 16, /* that a directory may answer with */
	PAGE = 500,	  /* entries of an answer in pages (RFC 2696) */
	DN_MAX = 4096,
	STACK = 1024 * 1024,
};

struct net_ldap {
	char host[NET_LDAP_TEXT], base[NET_LDAP_TEXT], filter[NET_LDAP_TEXT];
	char bind_dn[NET_LDAP_TEXT]; /* "": anonymous */
	struct secret *password;
	char ca_file[NET_LDAP_TEXT];
	char attr[NET_LDAP_ATTRS][64];
	size_t n_attrs;
	struct net_host at;
	uint16_t port;
	enum net_ldap_tls tls;
	size_t max;
	uint64_t until_ms; /* steady clock */
	/* the result */
	struct net_ldap_result result;
	struct net_ldap_value *value; /* room for that many values */
	size_t *end;
	size_t room;
	struct buf octets; /* of all values */
	size_t all;
	char member[64];
	struct buf dns; /* of members, each with its NUL */
	/* the loop's */
	struct loop_io *io;
	int done_fd;
	void (*cb)(void *arg, const struct net_ldap_result *r);
	void *arg;
	/* both sides' */
	pthread_mutex_t lock;
	bool finished, abandoned;
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

static int
left_ms(const struct net_ldap *q)
{
	uint64_t now = clock_steady_ms();

	return now >= q->until_ms ? 0 : (int)(q->until_ms - now);
}

/* --- in the thread --- */

static enum err
said(struct net_ldap *q, enum err e, const char *what)
{
	return err_why(&q->result.why, e, "%s: %s", q->host, what);
}

static enum err
ldap_err(struct net_ldap *q, int rc)
{
	switch (rc) {
	case LDAP_SUCCESS:
	case LDAP_SIZELIMIT_EXCEEDED: /* what came counts */
	case LDAP_NO_SUCH_OBJECT:
		return ERR_OK;
	case LDAP_TIMEOUT:
	case LDAP_TIMELIMIT_EXCEEDED:
		return said(q, ERR_TIMEOUT, ldap_err2string(rc));
	case LDAP_CONNECT_ERROR: /* also a certificate that does not fit */
		return said(q, ERR_TLS, ldap_err2string(rc));
	case LDAP_SERVER_DOWN:
		return said(q, ERR_CLOSED, ldap_err2string(rc));
	case LDAP_INSUFFICIENT_ACCESS:
	case LDAP_INAPPROPRIATE_AUTH:
	case LDAP_STRONG_AUTH_REQUIRED:
	case LDAP_INVALID_CREDENTIALS:
	case LDAP_CONFIDENTIALITY_REQUIRED:
		return said(q, ERR_PERMISSION, ldap_err2string(rc));
	default:
		return said(q, ERR_IO, ldap_err2string(rc));
	}
}

static bool
is_connected(const struct net_ldap *q, int fd, const struct net_host_addr *a)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int error = 0;
	socklen_t len = sizeof(error);

	if (connect(fd, (const void *)&a->sa, a->len) == 0)
		return true;
	return errno == EINPROGRESS && poll(&p, 1, left_ms(q)) == 1 &&
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

static struct timeval
left_tv(const struct net_ldap *q)
{
	int ms = left_ms(q);
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
	struct timeval tv = left_tv(q);

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
		return said(q, ERR_PERMISSION,
		    "the password would be readable on the way");
	fd = connect_any(q);
	if (fd < 0)
		return said(q, left_ms(q) == 0 ? ERR_TIMEOUT : ERR_CLOSED,
		    "no connection");
	/* the name is for the certificate, the connection is there already */
	snprintf(url, sizeof(url), "ldap://%s%s%s:%u", v6 ? "[" : "", q->host,
	    v6 ? "]" : "", (unsigned)q->port);
	rc = ldap_init_fd(fd, LDAP_PROTO_TCP, url, out);
	if (rc != LDAP_SUCCESS) {
		close(fd);
		return ldap_err(q, rc);
	}
	set_options(q, *out);
	set_max(q, *out);
	if (q->tls == NET_LDAP_TLS)
		rc = ldap_install_tls(*out);
	else if (q->tls == NET_LDAP_STARTTLS)
		rc = ldap_start_tls_s(*out, NULL, NULL);
	/* whatever it is, without TLS nothing is asked */
	if (rc != LDAP_SUCCESS && ldap_err(q, rc) == ERR_OK)
		return said(q, ERR_TLS, "no TLS");
	return rc == LDAP_SUCCESS ? ERR_OK
	       : left_ms(q) == 0  ? ERR_TIMEOUT
				  : ldap_err(q, rc);
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
		return said(q, ERR_PERMISSION, "there is no password");
	cred.bv_len = q->password->len;
	cred.bv_val = (char *)q->password->data;
	rc = ldap_sasl_bind_s(
	    ld, q->bind_dn, LDAP_SASL_SIMPLE, &cred, NULL, NULL, NULL);
	/* nothing that a search may say counts as a login */
	if (rc != LDAP_SUCCESS && ldap_err(q, rc) == ERR_OK)
		return said(q, ERR_PERMISSION, ldap_err2string(rc));
	return ldap_err(q, rc);
}

static enum err
add_value(struct net_ldap *q, size_t attr, const struct berval *v)
{
	enum err e;

	if (q->result.n == q->room)
		return said(q, ERR_TOO_BIG, "its answer has too many values");
	if (v->bv_len > q->max - q->octets.len)
		return said(q, ERR_TOO_BIG, "its answer is too large");
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
		if (q->all == 0 && q->result.n == q->room)
			break;
		e = add_value(q, attr, v[i]);
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
			if (e == ERR_OK && q->all == 0 &&
			    q->result.n == q->room)
				return ERR_OK;
		}
	return e;
}

/* --- all there is */

/* An answer that lacks something is none. */
static enum err
whole(struct net_ldap *q, int rc)
{
	enum err e = ldap_err(q, rc);

	return rc == LDAP_SUCCESS || e != ERR_OK
		   ? e
		   : said(q, ERR_IO, ldap_err2string(rc));
}

/* Some directories give many values in parts, under names of their own. */
static bool
is_in_parts(struct net_ldap *q, LDAP *ld, LDAPMessage *entry)
{
	BerElement *at = NULL;
	char *name = ldap_first_attribute(ld, entry, &at);
	bool is = false;

	for (; name != NULL; name = ldap_next_attribute(ld, entry, at)) {
		is = is || strcasestr(name, ";range=") != NULL;
		ldap_memfree(name);
	}
	ber_free(at, 0);
	return is;
}

static enum err
take_members(struct net_ldap *q, LDAP *ld, LDAPMessage *all)
{
	struct berval **v;
	enum err e = ERR_OK;

	for (LDAPMessage *m = ldap_first_entry(ld, all);
	     m != NULL && e == ERR_OK; m = ldap_next_entry(ld, m)) {
		if (is_in_parts(q, ld, m))
			return said(q, ERR_UNSUPPORTED,
			    "it gives the members in parts: search for those "
			    "who name the group instead (memberOf)");
		v = ldap_get_values_len(ld, m, q->member);
		for (size_t i = 0; v != NULL && v[i] != NULL && e == ERR_OK;
		     i++) {
			if (v[i]->bv_len > DN_MAX ||
			    memchr(v[i]->bv_val, 0, v[i]->bv_len) != NULL)
				e = said(
				    q, ERR_MALFORMED, "a name of a member");
			else
				e = buf_put(
				    &q->dns, SPAN(v[i]->bv_val, v[i]->bv_len));
			if (e == ERR_OK)
				e = buf_put(&q->dns, SPAN("", 1));
		}
		ldap_value_free_len(v);
	}
	return e;
}

/* The cookie of the next page; empty behind the last. */
static enum err
next_page(struct net_ldap *q, LDAP *ld, LDAPMessage *all, struct berval *cookie)
{
	LDAPControl **back = NULL, *page;
	ber_int_t about = 0;
	int code = LDAP_SUCCESS, rc;
	enum err e = ERR_OK;

	ber_memfree(cookie->bv_val);
	*cookie = (struct berval){0, NULL};
	rc = ldap_parse_result(ld, all, &code, NULL, NULL, NULL, &back, 0);
	if (rc == LDAP_SUCCESS)
		rc = code;
	page = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, back, NULL);
	if (rc == LDAP_SUCCESS && page != NULL)
		rc = ldap_parse_pageresponse_control(ld, page, &about, cookie);
	if (rc != LDAP_SUCCESS)
		e = whole(q, rc);
	ldap_controls_free(back);
	return e;
}

static enum err
one_page(struct net_ldap *q, LDAP *ld, struct berval *cookie)
{
	bool members = q->member[0] != '\0';
	struct timeval tv = left_tv(q);
	char *attrs[NET_LDAP_ATTRS + 1] = {NULL};
	LDAPControl *page = NULL;
	LDAPMessage *all = NULL;
	enum err e;
	int rc;

	for (size_t i = 0; i < q->n_attrs; i++)
		attrs[i] = members ? (i == 0 ? q->member : NULL) : q->attr[i];
	rc = ldap_create_page_control(ld, PAGE, cookie, 0, &page);
	if (rc == LDAP_SUCCESS) {
		LDAPControl *ask[] = {page, NULL};

		rc = ldap_search_ext_s(ld, q->base, LDAP_SCOPE_SUBTREE,
		    q->filter, attrs, 0, ask, NULL, &tv, LDAP_NO_LIMIT, &all);
		ldap_control_free(page);
	}
	e = whole(q, rc);
	if (e == ERR_OK && all == NULL)
		e = said(q, ERR_IO, "no answer");
	if (e == ERR_OK)
		e = members ? take_members(q, ld, all)
			    : take_entries(q, ld, all);
	if (e == ERR_OK)
		e = next_page(q, ld, all, cookie);
	ldap_msgfree(all);
	return e;
}

/* A member that is no more, or has no such attribute, has no value. */
static enum err
look_up_member(struct net_ldap *q, LDAP *ld, const char *dn)
{
	struct timeval tv = left_tv(q);
	char *attrs[NET_LDAP_ATTRS + 1] = {NULL};
	LDAPMessage *all = NULL;
	enum err e;
	int rc;

	for (size_t i = 0; i < q->n_attrs; i++)
		attrs[i] = q->attr[i];
	rc = ldap_search_ext_s(ld, dn, LDAP_SCOPE_BASE, "(objectClass=*)",
	    attrs, 0, NULL, NULL, &tv, 1, &all);
	e = rc == LDAP_NO_SUCH_OBJECT ? ERR_OK : whole(q, rc);
	if (e == ERR_OK && all != NULL)
		e = take_entries(q, ld, all);
	ldap_msgfree(all);
	return e;
}

static enum err
search_all(struct net_ldap *q, LDAP *ld)
{
	struct berval cookie = {0, NULL};
	enum err e;

	do
		e = left_ms(q) == 0 ? said(q, ERR_TIMEOUT, "it took too long")
				    : one_page(q, ld, &cookie);
	while (e == ERR_OK && cookie.bv_len > 0);
	ber_memfree(cookie.bv_val);
	for (size_t at = 0; e == ERR_OK && at < q->dns.len;) {
		const char *dn = (const char *)q->dns.data + at;

		e = left_ms(q) == 0 ? said(q, ERR_TIMEOUT, "it took too long")
				    : look_up_member(q, ld, dn);
		at += strlen(dn) + 1;
	}
	if (e == ERR_OK && q->result.n == 0)
		e = said(q, ERR_NOT_FOUND, "nobody is in it");
	return e;
}

static enum err
search(struct net_ldap *q, LDAP *ld)
{
	struct timeval tv = left_tv(q);
	char *attrs[NET_LDAP_ATTRS + 1] = {NULL};
	LDAPMessage *all = NULL;
	enum err e;
	int rc;

	for (size_t i = 0; i < q->n_attrs; i++)
		attrs[i] = q->attr[i];
	rc = ldap_search_ext_s(ld, q->base, LDAP_SCOPE_SUBTREE, q->filter,
	    attrs, 0, NULL, NULL, &tv, ENTRIES_MAX, &all);
	e = ldap_err(q, rc);
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
	buf_clear(&q->dns);
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
		q->result.err = q->all > 0 ? search_all(q, ld) : search(q, ld);
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
	buf_init(&q->dns, req->max);
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
