/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A question to a directory, as ldap.c (connections, threads, a few values) and
 * ldap_group.c (all values there are, of groups) share it.
 */
#ifndef NET_LDAP_PRIVATE_H
#define NET_LDAP_PRIVATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>

#include <ldap.h>

#include "net/ldap.h"

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
	bool nested;
	/* the loop's */
	struct loop_io *io;
	int done_fd;
	void (*cb)(void *arg, const struct net_ldap_result *r);
	void *arg;
	/* both sides' */
	pthread_mutex_t lock;
	bool finished, abandoned;
};

/* Milliseconds until it must have ended; 0: none. */
int net_ldap_left_ms(const struct net_ldap *q);
struct timeval net_ldap_left_tv(const struct net_ldap *q);
/* Note what went wrong; returns e. */
enum err net_ldap_said(struct net_ldap *q, enum err e, const char *what);
/* What a code of the library means. */
enum err net_ldap_err(struct net_ldap *q, int rc);
/* The same where an answer that lacks something is none. */
enum err net_ldap_whole(struct net_ldap *q, int rc);
/* Keep one value of attribute number attr. ERR_TOO_BIG, ERR_NOMEM. */
enum err net_ldap_add_value(
    struct net_ldap *q, size_t attr, const struct berval *v) MUST_CHECK;

/* All values, of entries or of their members. ERR_NOT_FOUND: there is none. */
enum err net_ldap_search_all(struct net_ldap *q, LDAP *ld) MUST_CHECK;
/* "member;range=0-1499" of "member": the first and last number, *last SIZE_MAX
   for "*". false: it is none of that attribute. */
bool net_ldap_range(
    const char *name, const char *of, size_t *first, size_t *last);

#endif
