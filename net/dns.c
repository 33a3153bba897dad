/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * libunbound behind a small face. Its thread starts with the first question:
 * behind the walls of the process, and everything it reads from files has
 * been read by then.
 */
#include "net/dns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <unbound.h>

#include "common/loop.h"

/* Debian's dns-root-data; without it nothing is validated. */
#define ROOT_KEY "/usr/share/dns/root.key"

enum { CLASS_IN = 1, RCODE_NXDOMAIN = 3, RECORDS_MAX = 64, LABEL_MAX = 63 };

struct net_dns {
	struct ub_ctx *ctx;
	struct loop_io *io;
	struct net_dns_query *queries;
};

struct net_dns_query {
	struct net_dns *dns;
	struct net_dns_query *next;
	struct net_dns_query **prev;
	int id;
	void (*cb)(void *arg, const struct net_dns_answer *a);
	void *arg;
};

static enum err
add_server(struct ub_ctx *ctx, const struct sockaddr *sa)
{
	char host[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 8];
	const struct sockaddr_in *in4 = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;
	bool v6 = sa->sa_family == AF_INET6;
	uint16_t port = v6 ? in6->sin6_port : in4->sin_port;

	if (inet_ntop(sa->sa_family,
		v6 ? (const void *)&in6->sin6_addr : &in4->sin_addr, host,
		sizeof(host)) == NULL)
		return ERR_CONFIG;
	snprintf(text, sizeof(text), "%s@%u", host,
	    port == 0 ? 53u : (unsigned)ntohs(port));
	return ub_ctx_set_fwd(ctx, text) == 0 ? ERR_OK : ERR_CONFIG;
}

/* Given line by line: ub_ctx_add_ta_file() would open the file at the first
   question, when the process can open none any more. Without the system's file
   nothing is proven; without one that was asked for, nothing starts. */
static enum err
add_anchors(struct ub_ctx *ctx, const char *file, struct err_why *why)
{
	char line[2048];
	enum err e = ERR_OK;
	FILE *f;

	if (file != NULL && file[0] == '\0')
		return ERR_OK;
	f = fopen(file == NULL ? ROOT_KEY : file, "re");
	if (f == NULL)
		return file == NULL ? ERR_OK
				    : err_why(why, ERR_CONFIG, "%s: %s", file,
					  strerror(errno));
	while (e == ERR_OK && fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\r\n;")] = '\0';
		if (line[0] != '\0' && ub_ctx_add_ta(ctx, line) != 0)
			e = err_why(why, ERR_CONFIG,
			    "%s: not a trust anchor: %.60s", file, line);
	}
	fclose(f);
	return file == NULL ? ERR_OK : e;
}

static enum err
configure(struct ub_ctx *ctx, const struct sockaddr *const *servers, size_t n)
{
	static const char *const options[][2] = {
	    {"do-not-query-localhost:", "no"},
	    /* who strips signatures is taken for who forges answers: else
	       whoever can do either could do away with DANE (RFC 7672) */
	    {"harden-dnssec-stripped:", "yes"},
	    {"verbosity:", "0"},
	};
	enum err e = ERR_OK;

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (ub_ctx_set_option(ctx, options[i][0], options[i][1]) != 0)
			return ERR_CONFIG;
	ub_ctx_debugout(ctx, NULL);
	for (size_t i = 0; e == ERR_OK && i < n; i++)
		e = add_server(ctx, servers[i]);
	/* without a resolv.conf it resolves from the root by itself */
	if (n == 0)
		(void)ub_ctx_resolvconf(ctx, NULL);
	if (e == ERR_OK && ub_ctx_async(ctx, 1) != 0)
		e = ERR_CONFIG;
	return e;
}

static void
on_readable(void *arg, unsigned events)
{
	struct net_dns *dns = arg;

	(void)events;
	(void)ub_process(dns->ctx);
}

enum err
net_dns_new(struct loop *loop, const struct sockaddr *const *servers, size_t n,
    const char *anchors_file, struct net_dns **out, struct err_why *why)
{
	struct net_dns *dns = calloc(1, sizeof(*dns));
	enum err e = ERR_NOMEM;

	if (dns == NULL)
		return err_why(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	(void)err_why(why, e, "the resolver cannot be set up");
	dns->ctx = ub_ctx_create();
	if (dns->ctx != NULL)
		e = configure(dns->ctx, servers, n);
	if (e == ERR_OK)
		e = add_anchors(dns->ctx, anchors_file, why);
	if (e != ERR_OK) {
		net_dns_free(dns);
		return e;
	}
	dns->io = loop_io_new(loop, ub_fd(dns->ctx), on_readable, dns);
	loop_io_set(dns->io, LOOP_READ);
	*out = dns;
	return ERR_OK;
}

static void
unlink_query(struct net_dns_query *q)
{
	*q->prev = q->next;
	if (q->next != NULL)
		q->next->prev = q->prev;
	free(q);
}

void
net_dns_free(struct net_dns *dns)
{
	if (dns == NULL)
		return;
	while (dns->queries != NULL)
		net_dns_cancel(dns->queries);
	loop_io_free(dns->io);
	if (dns->ctx != NULL)
		ub_ctx_delete(dns->ctx);
	free(dns);
}

/* The name that aliases led to. */
static const char *
canonical_name(const struct ub_result *r, char name[NET_DNS_NAME_MAX])
{
	size_t len;

	if (r->canonname == NULL)
		return NULL;
	len = strlen(r->canonname);
	if (len > 0 && r->canonname[len - 1] == '.')
		len--;
	if (len == 0 || len >= NET_DNS_NAME_MAX)
		return NULL;
	memcpy(name, r->canonname, len);
	name[len] = '\0';
	return strcasecmp(name, r->qname) == 0 ? NULL : name;
}

/* Fill rdata; the answer's error says what it all means. */
static void
translate(int err, const struct ub_result *r, struct span *rdata,
    char name[NET_DNS_NAME_MAX], struct net_dns_answer *a)
{
	a->err = ERR_DNS;
	a->rdata = rdata;
	if (err != 0 || r == NULL)
		return;
	a->secure = r->secure != 0;
	a->ttl_s = r->ttl > 0 ? (uint32_t)r->ttl : 0;
	if (r->bogus) {
		a->err = ERR_DNS_BOGUS;
	} else if (r->rcode == RCODE_NXDOMAIN) {
		a->err = ERR_NO_HOST;
	} else if (r->rcode == 0 && !r->havedata) {
		a->err = ERR_NOT_FOUND;
	} else if (r->rcode == 0) {
		for (; a->n < RECORDS_MAX && r->data[a->n] != NULL; a->n++)
			rdata[a->n] = SPAN(r->data[a->n], r->len[a->n]);
		a->canonical = canonical_name(r, name);
		a->err = ERR_OK;
	}
}

static void
on_result(void *arg, int err, struct ub_result *r)
{
	struct net_dns_query *q = arg;
	struct span rdata[RECORDS_MAX];
	char name[NET_DNS_NAME_MAX];
	struct net_dns_answer a = {.err = ERR_DNS};
	void (*cb)(void *, const struct net_dns_answer *) = q->cb;
	void *cb_arg = q->arg;

	translate(err, r, rdata, name, &a);
	unlink_query(q);
	cb(cb_arg, &a);
	ub_resolve_free(r);
}

struct net_dns_query *
net_dns_ask(struct net_dns *dns, const char *name, enum net_dns_type type,
    void (*cb)(void *arg, const struct net_dns_answer *a), void *arg)
{
	struct net_dns_query *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->dns = dns;
	q->cb = cb;
	q->arg = arg;
	if (ub_resolve_async(dns->ctx, name, (int)type, CLASS_IN, q, on_result,
		&q->id) != 0) {
		free(q);
		return NULL;
	}
	q->next = dns->queries;
	q->prev = &dns->queries;
	if (q->next != NULL)
		q->next->prev = &q->next;
	dns->queries = q;
	return q;
}

void
net_dns_cancel(struct net_dns_query *q)
{
	if (q == NULL)
		return;
	(void)ub_cancel(q->dns->ctx, q->id);
	unlink_query(q);
}

static bool
is_host_octet(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '_';
}

enum err
net_dns_mx(struct span rdata, uint16_t *preference, char host[NET_DNS_NAME_MAX])
{
	char name[NET_DNS_NAME_MAX];
	size_t at = 2, n = 0, len;
	uint8_t c;

	while (at < rdata.len && (len = rdata.data[at]) != 0) {
		at++;
		/* RFC 1035 3.1; a pointer (two high bits) cannot stand here */
		if (len > LABEL_MAX || len > rdata.len - at ||
		    n + len + 2 > sizeof(name))
			return ERR_MALFORMED;
		if (n > 0)
			name[n++] = '.';
		for (size_t i = 0; i < len; i++) {
			c = rdata.data[at + i];
			if (c >= 'A' && c <= 'Z')
				c = (uint8_t)(c + 'a' - 'A');
			if (!is_host_octet(c))
				return ERR_MALFORMED;
			name[n++] = (char)c;
		}
		at += len;
	}
	if (at + 1 != rdata.len)
		return ERR_MALFORMED;
	name[n] = '\0';
	*preference = (uint16_t)(rdata.data[0] << 8 | rdata.data[1]);
	memcpy(host, name, n + 1);
	return ERR_OK;
}

enum err
net_dns_address(enum net_dns_type type, struct span rdata, uint16_t port,
    struct sockaddr_storage *out, socklen_t *out_len)
{
	struct sockaddr_in in4 = {
	    .sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {
	    .sin6_family = AF_INET6, .sin6_port = htons(port)};

	memset(out, 0, sizeof(*out));
	if (type == NET_DNS_A && rdata.len == sizeof(in4.sin_addr)) {
		memcpy(&in4.sin_addr, rdata.data, rdata.len);
		memcpy(out, &in4, sizeof(in4));
		*out_len = sizeof(in4);
		return ERR_OK;
	}
	if (type == NET_DNS_AAAA && rdata.len == sizeof(in6.sin6_addr)) {
		memcpy(&in6.sin6_addr, rdata.data, rdata.len);
		memcpy(out, &in6, sizeof(in6));
		*out_len = sizeof(in6);
		return ERR_OK;
	}
	return ERR_MALFORMED;
}
