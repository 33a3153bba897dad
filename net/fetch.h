/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Octets from a web server that a stranger may have chosen (libcurl): only to
 * addresses that were checked, only over HTTPS unless asked otherwise, bounded
 * in size and time, redirected only within a site. What the octets are is the
 * caller's. RFC 9110.
 */
#ifndef NET_FETCH_H
#define NET_FETCH_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"

struct loop;
struct net_dns;
struct net_fetch;
struct net_fetcher;
struct net_guard;

enum {
	NET_FETCH_URL_MAX = 2048,
	NET_FETCH_REDIRECTS = 3,
};

/* All strings are copied. */
struct net_fetch_request {
	const char *url;
	/* Redirects may lead to this domain and those below it; NULL: only to
	   the host of the URL itself. */
	const char *site;
	size_t max; /* octets of the body */
	unsigned timeout_ms;
	bool http;   /* http:// will do (revocation lists) */
	bool direct; /* a redirect is an answer like any other: not followed */
	struct span post;      /* borrowed until cb is called; empty: GET */
	const char *post_type; /* its Content-Type */
};

struct net_fetch_result {
	/* ERR_OK: the server answered, see status. ERR_NO_HOST, ERR_DNS,
	   ERR_DNS_BOGUS; ERR_PERMISSION: an address, scheme or redirect that is
	   not allowed; ERR_TLS; ERR_TIMEOUT; ERR_TOO_BIG; ERR_CLOSED: no
	   connection, or cut; ERR_MALFORMED: no URL, or no HTTP. */
	enum err err;
	long status;	  /* 200, 404, ... */
	struct span body; /* borrowed for the call */
	const char *url;  /* where it was found in the end */
	const char *type; /* its Content-Type, "" if it has none */
	struct err_why why;
};

/* dns and guard are borrowed. ca_file: PEM, instead of the system's; NULL. The
   certificates are read from it at each connection. ERR_NOMEM, ERR_TLS. */
enum err net_fetcher_new(struct loop *loop, struct net_dns *dns,
    const struct net_guard *guard, const char *ca_file,
    struct net_fetcher **out) MUST_CHECK;
/* Fetches under way are dropped without a callback. NULL is fine. */
void net_fetcher_free(struct net_fetcher *f);

/* Begin; cb is called later from the loop, once, and the fetch is gone then.
   NULL when out of memory. */
struct net_fetch *net_fetch_start(struct net_fetcher *f,
    const struct net_fetch_request *req,
    void (*cb)(void *arg, const struct net_fetch_result *r), void *arg);
/* cb will not be called. NULL is fine. */
void net_fetch_cancel(struct net_fetch *t);

#endif
