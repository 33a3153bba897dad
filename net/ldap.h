/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Questions to directories (libldap), each in a thread of its own because the
 * library blocks. Only to an address that was checked; no referral is followed.
 * What the values are is the caller's. RFC 4511, RFC 4515.
 */
#ifndef NET_LDAP_H
#define NET_LDAP_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"
#include "net/host.h"

struct loop;
struct net_ldap;
struct secret;

enum {
	NET_LDAP_VALUES = 64, /* that are handed over, unless more are asked */
	NET_LDAP_ATTRS = 8,
	NET_LDAP_TEXT = 1024, /* octets of host, base and filter each */
	NET_LDAP_THREADS = 16,
};

enum net_ldap_tls {
	NET_LDAP_STARTTLS = 0,
	NET_LDAP_TLS, /* ldaps:// */
	NET_LDAP_PLAIN,
};

/* Everything is copied. */
struct net_ldap_request {
	const char *host; /* that the certificate must name */
	uint16_t port;
	const struct net_host *at; /* where it is */
	enum net_ldap_tls tls;
	const char *ca_file; /* PEM; NULL: the system's */
	const char *bind_dn; /* NULL: anonymous; never without TLS but on
				loopback */
	const struct secret *password;
	const char *base;
	const char *filter;
	const char *attrs[NET_LDAP_ATTRS + 1]; /* ends with NULL */
	size_t max;			       /* octets of all values */
	/* 0: some values are enough. Else all there are, so many at most, or
	   an error: ERR_TOO_BIG, and ERR_NOT_FOUND when there is none. */
	size_t all;
	/* With all: the attribute of the entries found that names the entries
	   which have attrs; NULL: they have them themselves. */
	const char *member;
	/* With member: an entry that it names may name others by it, too; those
	   count, each once. */
	bool nested;
	unsigned timeout_ms;
};

struct net_ldap_value {
	size_t attr; /* place among attrs */
	struct span octets;
};

struct net_ldap_result {
	/* ERR_OK: the directory answered, be it without a value. ERR_CLOSED: no
	   connection; ERR_TLS, ERR_TIMEOUT, ERR_TOO_BIG, ERR_BUSY: too many at
	   once, ERR_PERMISSION: it wants more than an anonymous question, or
	   does not take the password, or must not be shown it; ERR_IO: it says
	   that it failed; ERR_NOT_FOUND: see above. */
	enum err err;
	const struct net_ldap_value *value;
	size_t n;
	size_t entries; /* that were found, whatever they have */
	bool no_base;	/* there is not even where to search */
	struct err_why why;
};

/* Before the walls, once in a process: the library reads no file of its own. */
void net_ldap_init(void);

/* Ask; cb is called later from the loop, once, with a result borrowed for the
   call. NULL when it could not be begun. */
struct net_ldap *net_ldap_start(struct loop *loop,
    const struct net_ldap_request *req,
    void (*cb)(void *arg, const struct net_ldap_result *r), void *arg);
/* cb will not be called; the thread ends by itself. NULL is fine. */
void net_ldap_cancel(struct net_ldap *q);

/* Append value as it must stand in a filter (RFC 4515 section 3). ERR_NOMEM. */
enum err net_ldap_escape(struct span value, struct buf *out) MUST_CHECK;

#endif
