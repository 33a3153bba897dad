/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What is known of the TLS of a domain's mail servers: what they had when they
 * were looked at last, the best they ever had, and the MTA-STS policy that the
 * domain has published (RFC 8461). Store alone writes (store/tls.c); workers
 * and the command line read. What it means for a rung is in decide_tls.c, the
 * octets are in docs/format-tls.md.
 */
#ifndef GATEWAY_TLS_STATE_H
#define GATEWAY_TLS_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/db.h"
#include "common/pack.h"

enum {
	/* seconds that a look counts: one that found what a rung wants (it is
	   enforced again at delivery), the same until it is looked at again,
	   one that did not find it */
	TLS_STATE_HOLDS_S = 7 * 24 * 3600,
	TLS_STATE_FRESH_S = 24 * 3600,
	TLS_STATE_ABSENT_S = 3600,
	/* after which a domain without mail is forgotten */
	TLS_STATE_FORGET_S = 60 * 24 * 3600,
};

/* What has shown who the server is. */
enum tls_by {
	TLS_BY_NOTHING = 0,
	TLS_BY_NAME, /* a certificate for the domain, or for names that the
			administrator wrote */
	TLS_BY_STS,  /* for a server that the domain's policy names */
	TLS_BY_DANE,
	TLS_BY_COUNT
};
/* "dane", "mta-sts", "name", "-" */
const char *tls_by_name(enum tls_by by);
/* "authenticated", "encrypted", "none": of an enum entry_tls */
const char *tls_level_name(uint8_t level);

/* One look at the mail servers of a domain. */
struct tls_seen {
	const char *domain; /* lower case A-labels */
	bool definite;	    /* false: nobody could be asked; why says why */
	uint8_t level;	    /* enum entry_tls that was had */
	uint8_t by;	    /* enum tls_by */
	bool broken; /* they promise more (DANE, MTA-STS) and have it not */
	const char *peer;
	const char *tls; /* net_tls_client_text() */
	const char *why;
};

void tls_seen_pack(struct packer *p, const struct tls_seen *s);
void tls_seen_unpack(struct unpacker *u, struct arena *a, struct tls_seen *out);

/* A policy of MTA-STS that is kept. */
struct tls_policy {
	uint8_t mode;	/* enum net_sts_mode; 0 with an empty id: none */
	const char *id; /* "" if there is none */
	uint32_t max_age_s;
	uint64_t fetched_ms; /* of the spool's clock */
	const char **mx;
	uint32_t n_mx;
};

void tls_policy_pack(struct packer *p, const struct tls_policy *m);
void tls_policy_unpack(
    struct unpacker *u, struct arena *a, struct tls_policy *out);

/* All that is known of a domain; seen is the last definite look. */
struct tls_state {
	struct tls_seen seen;
	uint64_t seen_s;    /* Unix time of it; 0: never */
	uint64_t failed_s;  /* of a look since that was not definite; 0 */
	const char *failed; /* its reason */
	uint8_t best;	    /* enum entry_tls, ever */
	uint8_t best_by;
	uint64_t best_s; /* when it was had last */
	bool dropped;	 /* it has less than that now, and somebody was told */
	uint64_t used_s; /* when mail asked for it last */
	struct tls_policy policy;
};

/* Did it happen less than span_s ago? What is in the future did not: a clock
   that was set back makes nothing young again. */
bool tls_state_is_within(uint64_t then_s, uint64_t now_s, uint64_t span_s);
/* Is it to be looked at before a message is decided? */
bool tls_state_is_stale(const struct tls_state *t, uint64_t now_s);

/* Take a look over into the row. True when the domain has dropped below what
   it had, just now: an alarm. Borrows from s. */
bool tls_state_take(
    struct tls_state *t, const struct tls_seen *s, uint64_t now_s);

/* Tables of the environment. */
enum { TLS_STATE_DOMAINS = 0, TLS_STATE_REPORTS };

/* Open the table in a directory; write: make it. Errors as db_open(). */
enum err tls_state_open(const char *dir, bool write, struct db **out,
    struct err_why *why) MUST_CHECK;
/* In the arena. ERR_NOT_FOUND; ERR_DB_BROKEN for a row that is none. */
enum err tls_state_get(struct db_txn *txn, struct arena *a, const char *domain,
    struct tls_state *out) MUST_CHECK;
enum err tls_state_put(
    struct db_txn *txn, const struct tls_state *t) MUST_CHECK;
enum err tls_state_del(struct db_txn *txn, const char *domain) MUST_CHECK;
/* The first row behind a domain ("": of all), in order. ERR_NOT_FOUND. */
enum err tls_state_next(struct db_txn *txn, struct arena *a, const char *behind,
    struct tls_state *out) MUST_CHECK;

#endif
