/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Questions to the DNS that do not block (libunbound, which validates with
 * DNSSEC in a thread of its own). What an answer means for mail is decided by
 * who asks: a failure is never taken for an answer here. RFC 1035, RFC 4035.
 */
#ifndef NET_DNS_H
#define NET_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/buf.h"
#include "common/err.h"

struct loop;
struct net_dns;
struct net_dns_query;

enum net_dns_type {
	NET_DNS_A = 1,
	NET_DNS_MX = 15,
	NET_DNS_TXT = 16,
	NET_DNS_AAAA = 28,
	NET_DNS_TLSA = 52,
	NET_DNS_SMIMEA = 53,	 /* RFC 8162 */
	NET_DNS_OPENPGPKEY = 61, /* RFC 7929 */
};

struct net_dns_answer {
	/* ERR_OK: at least one record. ERR_NO_HOST: the name does not exist.
	   ERR_NOT_FOUND: it does, without such records. ERR_DNS: no usable
	   answer. ERR_DNS_BOGUS: forged, or wrongly signed. */
	enum err err;
	bool secure; /* proven by DNSSEC, absence included */
	const struct span *rdata;
	size_t n;
	uint32_t ttl_s;
	const char *canonical; /* where aliases (CNAME) led, without the last
				  dot; NULL unless they led elsewhere */
};

enum {
	NET_DNS_NAME_MAX = 256, /* text of a name with its NUL */
};

/* Ask these name servers, or the system's if n is 0, and believe what is signed
   below the trust anchors in a file (DS or DNSKEY records, one a line), or the
   root's if that is NULL; with "" nothing is proven. All is read now: no file
   is opened later. ERR_CONFIG with the reason when that cannot be set up. */
enum err net_dns_new(struct loop *loop, const struct sockaddr *const *servers,
    size_t n, const char *anchors_file, struct net_dns **out,
    struct err_why *why) MUST_CHECK;
/* Open queries are dropped without a callback. NULL is fine. */
void net_dns_free(struct net_dns *dns);

/* Ask; cb is called later from the loop, once, with an answer borrowed for
   the call; the query is gone then. NULL when it could not be asked. */
struct net_dns_query *net_dns_ask(struct net_dns *dns, const char *name,
    enum net_dns_type type,
    void (*cb)(void *arg, const struct net_dns_answer *a), void *arg);
/* cb will not be called. NULL is fine. */
void net_dns_cancel(struct net_dns_query *q);

/* Read the data of an MX record: a host name in lower case without the last
   dot, "" for the null MX (RFC 7505). ERR_MALFORMED when it is not well-formed
   or names what cannot be a host. */
enum err net_dns_mx(struct span rdata, uint16_t *preference,
    char host[NET_DNS_NAME_MAX]) MUST_CHECK;
/* Read the data of an A or AAAA record as a socket address. */
enum err net_dns_address(enum net_dns_type type, struct span rdata,
    uint16_t port, struct sockaddr_storage *out, socklen_t *out_len) MUST_CHECK;

#endif
