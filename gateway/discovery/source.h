/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a source of keys is to the rest of discovery: a question about one
 * address, an outcome, octets that may be keys. Each source is a file of its
 * own; none looks into what it fetched.
 */
#ifndef GATEWAY_DISCOVERY_SOURCE_H
#define GATEWAY_DISCOVERY_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "gateway/conf.h"
#include "gateway/proto_discovery.h"
#include "keystore/record.h"
#include "net/guard.h"

struct discovery_source;
struct loop;
struct net_dns;
struct net_fetcher;
struct secret;

enum {
	DISCOVERY_URL_MAX = 1024,
	DISCOVERY_FOUND_MAX = 32, /* pieces of one outcome */
};

/* What the sources work with. */
struct discovery_env {
	struct loop *loop;
	struct net_dns *dns;
	struct net_fetcher *fetcher;
	struct net_guard guard;
	const struct conf *conf;
	struct secret *ldap_password; /* NULL: none, or it cannot be read */
	/* all that there are; NULL at the end */
	const struct discovery_source *const *sources;
};

/* The address that is asked for. */
struct discovery_addr {
	const char *key;    /* canonical: mime_addr.key */
	const char *local;  /* unquoted, ASCII letters in lower case */
	const char *domain; /* A-labels; never an address literal */
};

/* Octets that may be keys. */
struct discovery_found {
	struct span octets;
	bool openpgp;  /* else X.509 */
	bool asserted; /* DNSSEC vouches for the certificate */
};

/* The zero value says that nothing is known. */
struct discovery_outcome {
	/* FOUND when there are octets, unless a part of the question failed */
	enum proto_answer_status status;
	bool reached; /* the source itself answered */
	bool plain;   /* nobody vouches for who answered */
	char url[DISCOVERY_URL_MAX];
	struct err_why why; /* of a failure or an absence; or "" */
	struct discovery_found found[DISCOVERY_FOUND_MAX];
	size_t n;
};

/* Called later from the loop, once, with an outcome borrowed for the call; the
   question is gone when it returns. */
typedef void discovery_done(void *arg, const struct discovery_outcome *o);

struct discovery_source {
	enum ks_source source;
	/* Ask; what is returned is for cancel. NULL: out of memory. addr is
	   borrowed until done is called. */
	void *(*start)(struct discovery_env *env,
	    const struct discovery_addr *addr, discovery_done *done, void *arg);
	/* done will not be called. */
	void (*cancel)(void *question);
};

extern const struct discovery_source discovery_wkd, discovery_dane,
    discovery_vks, discovery_hkp, discovery_ldap;

/* keyserver.c: key servers that answer a GET with keys or 404, of which one
   after the other is asked until one answers. path: appended to each URL. */
void *discovery_keyserver_ask(struct discovery_env *env,
    const struct conf_source *conf, const char *path, discovery_done *done,
    void *arg);
void discovery_keyserver_cancel(void *question);

/* What an HTTP status says about a key: FOUND for 200, ABSENT for what says
   that there is none, FAILED for the rest. */
enum proto_answer_status discovery_http_status(long status);

/* The owner name of a key in the DNS: 28 octets of SHA-256 of the local part in
   hexadecimal, label, domain (RFC 7929 section 3, RFC 8162 section 3).
   ERR_TOO_BIG. */
enum err discovery_dane_name(const struct discovery_addr *addr,
    const char *label, char *out, size_t out_size) MUST_CHECK;
/* The URLs of the Web Key Directory. ERR_TOO_BIG. */
enum err discovery_wkd_url(const struct discovery_addr *addr, unsigned port,
    bool advanced, char *out, size_t out_size) MUST_CHECK;
/* The data of an SMIMEA record (RFC 8162 section 2): a whole certificate that
   may be proposed, and whether DNSSEC vouches for it alone. ERR_MALFORMED;
   ERR_UNSUPPORTED: it has no certificate of the address in it. */
enum err discovery_smimea(
    struct span rdata, struct span *cert, bool *asserted) MUST_CHECK;

#endif
