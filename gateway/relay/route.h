/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * From a next hop to the addresses to try, in their order: MX (RFC 5321 5.1,
 * RFC 7505), a host, an address; and what each host's TLSA records demand
 * (RFC 7672). Nothing here connects.
 */
#ifndef GATEWAY_RELAY_ROUTE_H
#define GATEWAY_RELAY_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include <netinet/in.h>
#include <sys/socket.h>

#include "common/limits.h"
#include "net/dns.h"
#include "net/sts.h"
#include "net/tlsa.h"

struct conf_relay;
struct loop;
struct relay_route;
struct relay_sts;

enum {
	RELAY_HOSTS_MAX = 8, /* addresses that are tried */
	RELAY_MX_MAX = 5,    /* hosts that are looked up */
	RELAY_NAMES_MAX = LIMIT_TLS_NAMES_SIZE + 1,
	RELAY_USER_MAX = LIMIT_LOGIN_USER + 1,
	RELAY_PEER_MAX = NET_DNS_NAME_MAX + 64,
	RELAY_HELO_MAX = 128, /* of a name that is reported */
};

struct relay_target {
	bool mx; /* host is the domain of recipients */
	bool lmtp;
	char host[NET_DNS_NAME_MAX]; /* a name, an address, "[192.0.2.1]" */
	uint16_t port;
	uint8_t tls; /* enum entry_tls: what a session must have */
	bool dane;   /* nothing but DANE counts as authenticated */
	bool sts;    /* nothing but DANE and MTA-STS does */
	/* It must promise to go on as safely (RFC 8689): a next hop that does
	   not deliver itself. */
	bool require;
	/* TLS-Required: No (RFC 8689): what the domain has published is not
	   demanded, only what we ask for ourselves. */
	bool lax;
	/* Names that the administrator wrote for its certificate, separated by
	   blanks. "": the domain of the recipients, the name of the host. */
	char names[RELAY_NAMES_MAX];
	char user[RELAY_USER_MAX]; /* to log in as; "": nobody */
};

/* What the TLSA records of a host demand. The zero value is never used. */
enum relay_dane {
	RELAY_DANE_FAILED = 0, /* they could not be looked up */
	RELAY_DANE_ABSENT,     /* nothing: none, or nobody proves them */
	RELAY_DANE_ENCRYPT,    /* TLS with whomever: none of them is usable */
	RELAY_DANE_VERIFY,     /* TLS with who they say */
};

/* What the domain's MTA-STS policy says of a host (RFC 8461). */
enum relay_sts_says {
	RELAY_STS_UNKNOWN = 0, /* whether there is one cannot be known */
	RELAY_STS_NOTHING,     /* there is none, or it demands nothing */
	RELAY_STS_TESTING,
	RELAY_STS_NAMED,   /* TLS with a certificate for its name */
	RELAY_STS_FOREIGN, /* it is none of the domain's */
};

struct relay_host {
	char name[NET_DNS_NAME_MAX]; /* "" when an address was given */
	char peer[RELAY_PEER_MAX];   /* "mx.example.org [192.0.2.1]:25" */
	struct sockaddr_storage sa;
	socklen_t sa_len;
	bool name_is_proven; /* by DNSSEC, or the administrator wrote it */
	enum relay_dane dane;
	unsigned mx;			  /* its place in the answer's tlsa */
	char tlsa_base[NET_DNS_NAME_MAX]; /* where the records were found */
	enum relay_sts_says sts;
	bool sts_names;		     /* the policy does, enforced or not */
	char sts_id[NET_STS_ID_MAX]; /* of the policy; "" if there is none */
	uint64_t bad_until_ms;	     /* steady: others first */
	uint64_t plain_until_ms;     /* its TLS has just failed */
};

struct relay_route_answer {
	/* ERR_NO_HOST, ERR_NULL_MX and ERR_LOOP are final and come for MX
	   only; everything else may go away */
	enum err err;
	char text[200]; /* why */
	/* ERR_OK: "", or what could not be looked up although it may promise
	   TLS (MTA-STS, DANE): less than that is no definite answer then */
	char uncertain[200];
	struct relay_host host[RELAY_HOSTS_MAX];
	unsigned n;
	struct net_tlsa tlsa[RELAY_MX_MAX]; /* of hosts with
					       RELAY_DANE_VERIFY */
	uint32_t ttl_s;
};

/* The next hop of mail for a domain, as c says; tls: enum entry_tls that is
   asked of the way of this mail; goes_on: the next hop is not its last, for all
   that is known. */
void relay_target_fill(const struct conf_relay *c, const char *domain,
    uint8_t tls, bool goes_on, struct relay_target *out);

/* Find the addresses of t; cb is called later, once, with an answer borrowed
   for the call; the route is gone then. self is our own name: MX records that
   lead back to us or to worse are left out. dns may be NULL when t is an
   address. sts: who knows the policies of domains; NULL: nobody does. */
struct relay_route *relay_route_find(struct loop *loop, struct net_dns *dns,
    struct relay_sts *sts, const struct relay_target *t, const char *self,
    void (*cb)(void *arg, const struct relay_route_answer *a), void *arg);
/* An address as text. */
void relay_address_text(
    const struct sockaddr_storage *sa, char out[INET6_ADDRSTRLEN]);
/* cb will not be called. NULL is fine. */
void relay_route_cancel(struct relay_route *r);

#endif
