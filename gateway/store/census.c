/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Fingerprints are spread evenly, so a place among them is all that is to be
 * remembered from one tick to the next. A small keystore is counted in one tick
 * as soon as it has changed; of a large one a round takes about an hour.
 */
#include "gateway/store/census.h"

#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"
#include "gateway/histogram.h"
#include "keystore/own.h"
#include "keystore/private.h"
#include "keystore/store_revocation.h"

enum {
	BUCKETS = 65536,	/* by the first two octets */
	BUCKETS_AT_ONCE = 2048, /* of a tick */
	KEYS_AT_ONCE = 256,	/* after which a tick ends with its bucket */
	SMALL = KEYS_AT_ONCE,	/* this many are counted in one tick */
	PAUSE_MS = 60 * 1000,	/* between rounds, if nothing changes */
	SOON_S = 30 * 24 * 3600,
	CAS_MAX = 16,	  /* that are told of */
	WANTS_MAX = 5000, /* revocation lists that are looked at */
	FPR_SHOWN = 8,	  /* octets of a fingerprint in a label */
};

enum kind { KIND_SMIME, KIND_PGP, KIND_CA, KINDS };
enum ends { ENDS_LATER, ENDS_SOON, ENDS_OVER, ENDS };

static const char *const kind_name[KINDS] = {
    [KIND_SMIME] = "smime", [KIND_PGP] = "pgp", [KIND_CA] = "ca"};
static const char *const ends_name[ENDS] = {
    [ENDS_LATER] = "good", [ENDS_SOON] = "ends", [ENDS_OVER] = "over"};

struct counts {
	uint64_t n[2][KINDS][ENDS]; /* first: is it ours? */
};

struct store_census {
	bool known; /* one round is complete */
	bool under_way;
	uint32_t at;	     /* the bucket that comes next */
	uint64_t next_ms;    /* steady clock: the next round */
	uint64_t generation; /* of the keystore, when the last one began */
	struct counts last, now;
};

struct store_census *
store_census_new(void)
{
	struct store_census *c = calloc(1, sizeof(*c));

	if (c == NULL)
		fatal("out of memory");
	return c;
}

void
store_census_free(struct store_census *c)
{
	free(c);
}

/* --- keys and certificates --- */

struct look {
	struct ks_store *ks;
	struct counts *to;
	int64_t now_s;
	unsigned n;
};

static enum err
count_one(void *ctx, const struct ks_record *r)
{
	struct look *l = ctx;
	enum kind kind = (r->good_for & KS_GOOD_ISSUE) != 0 ? KIND_CA
			 : r->kind == KS_OPENPGP	    ? KIND_PGP
							    : KIND_SMIME;
	enum ends ends = r->not_after == 0		    ? ENDS_LATER
			 : r->not_after < l->now_s	    ? ENDS_OVER
			 : r->not_after < l->now_s + SOON_S ? ENDS_SOON
							    : ENDS_LATER;
	bool ours = ks_private_has(l->ks, r->fpr) == ERR_OK;

	l->n++;
	if (r->trust != KS_DISTRUSTED && r->flaw != KS_FLAW_REVOKED)
		l->to->n[ours][kind][ends]++;
	return ERR_OK;
}

static void
begin(struct store_census *c, struct ks_store *ks)
{
	memset(&c->now, 0, sizeof(c->now));
	c->at = 0;
	c->under_way = true;
	c->generation = ks_generation(ks);
}

static void
finish(struct store_census *c)
{
	c->last = c->now;
	c->known = true;
	c->under_way = false;
	c->next_ms = clock_steady_ms() + PAUSE_MS;
}

/* A keystore that cannot be read tells so elsewhere; the last count stays. */
static void
give_up(struct store_census *c)
{
	c->under_way = false;
	c->next_ms = clock_steady_ms() + PAUSE_MS;
}

void
store_census_tick(struct store_census *c, struct ks_store *ks)
{
	struct look l = {.ks = ks,
	    .to = &c->now,
	    .now_s = (int64_t)(clock_unix_ms() / 1000)};
	uint32_t end;
	size_t n = 0;
	enum err e = ks_count(ks, &n);
	bool small = e == ERR_OK && n <= SMALL;

	if (!c->under_way && clock_steady_ms() < c->next_ms &&
	    !(small && ks_generation(ks) != c->generation))
		return;
	if (!c->under_way || small)
		begin(c, ks);
	end = c->at + BUCKETS_AT_ONCE;
	if (e == ERR_OK && small) {
		e = ks_each(ks, SPAN(NULL, 0), count_one, &l);
		c->at = BUCKETS;
	}
	while (e == ERR_OK && !small && c->at < BUCKETS && c->at < end &&
	       l.n < KEYS_AT_ONCE) {
		uint8_t prefix[2] = {
		    (uint8_t)(c->at >> 8), (uint8_t)(c->at & 0xff)};

		e = ks_each(ks, SPAN(prefix, 2), count_one, &l);
		c->at++;
	}
	if (e != ERR_OK)
		give_up(c);
	else if (c->at == BUCKETS)
		finish(c);
}

static enum err
print_counts(const struct counts *c, struct buf *out)
{
	static const char name[] = "sealgate_keystore_keys";
	enum err e = histogram_head(name, "gauge",
	    "Keys and certificates by whose they are and when they end.", out);

	for (unsigned ours = 0; ours < 2; ours++)
		for (unsigned k = 0; k < KINDS; k++)
			for (unsigned s = 0; e == ERR_OK && s < ENDS; s++)
				e = buf_printf(out,
				    "%s{owner=\"%s\",kind=\"%s\","
				    "state=\"%s\"} %llu\n",
				    name, ours ? "ours" : "others",
				    kind_name[k], ends_name[s],
				    (unsigned long long)c->n[ours][k][s]);
	return e;
}

/* --- our CAs --- */

struct cas {
	struct ks_store *ks;
	struct buf certs, lists; /* lines */
	unsigned n;
};

static enum err
add_ca(void *ctx, const struct ks_ca *ca)
{
	struct cas *c = ctx;
	char fpr[2 * FPR_SHOWN + 1];
	struct arena *arena;
	struct ks_record *r = NULL;
	enum err e = ERR_OK;

	if (c->n++ == CAS_MAX || ca->fpr.len < FPR_SHOWN)
		return c->n > CAS_MAX ? ERR_LIMIT : ERR_OK;
	text_hex(SPAN(ca->fpr.data, FPR_SHOWN), fpr);
	arena = arena_new(2 * KS_RECORD_MAX);
	if (arena == NULL)
		return ERR_NOMEM;
	if (ks_get(c->ks, ca->fpr, arena, &r) == ERR_OK)
		e = buf_printf(&c->certs,
		    "sealgate_ca_end_seconds{ca=\"%s\"} %lld\n", fpr,
		    (long long)r->not_after);
	if (e == ERR_OK && ca->next_update != 0)
		e = buf_printf(&c->lists,
		    "sealgate_ca_list_end_seconds{ca=\"%s\"} %lld\n", fpr,
		    (long long)ca->next_update);
	arena_free(arena);
	return e;
}

static enum err
print_cas(struct ks_store *ks, struct buf *out)
{
	struct cas c = {.ks = ks};
	enum err e;

	buf_init(&c.certs, LIMIT_IPC_INLINE);
	buf_init(&c.lists, LIMIT_IPC_INLINE);
	e = ks_ca_each(ks, add_ca, &c);
	if (e == ERR_LIMIT)
		e = ERR_OK;
	if (e == ERR_OK)
		e = histogram_head("sealgate_ca_end_seconds", "gauge",
		    "When the certificate of our CA ends (Unix time).", out);
	if (e == ERR_OK)
		e = buf_put(out, buf_span(&c.certs));
	if (e == ERR_OK)
		e = histogram_head("sealgate_ca_list_end_seconds", "gauge",
		    "When the last list of our CA ends (Unix time).", out);
	if (e == ERR_OK)
		e = buf_put(out, buf_span(&c.lists));
	buf_clear(&c.certs);
	buf_clear(&c.lists);
	return e;
}

/* --- what is known of revocation --- */

enum known { KNOWN_GOOD, KNOWN_OVER, KNOWN_NOT, KNOWN };

struct wants {
	int64_t now_s;
	uint64_t n[2][KNOWN]; /* first: is it a list? */
	int64_t first_end;    /* of the lists that hold; 0: there is none */
	unsigned looked;
};

static enum err
count_want(void *ctx, const uint8_t id[KS_WANT_ID], const struct ks_want *w)
{
	struct wants *c = ctx;
	bool list = w->kind == KS_WANT_LIST;
	enum known known = w->good == 0		? KNOWN_NOT
			   : w->good < c->now_s ? KNOWN_OVER
						: KNOWN_GOOD;

	(void)id;
	if (c->looked++ == WANTS_MAX)
		return ERR_LIMIT;
	/* no certificate needs it any more */
	if (w->until < c->now_s)
		return ERR_OK;
	c->n[list][known]++;
	if (list && known == KNOWN_GOOD &&
	    (c->first_end == 0 || w->good < c->first_end))
		c->first_end = w->good;
	return ERR_OK;
}

static enum err
print_revocation(struct ks_store *ks, struct buf *out)
{
	static const char *const names[KNOWN] = {
	    [KNOWN_GOOD] = "good", [KNOWN_OVER] = "over", [KNOWN_NOT] = "none"};
	static const char name[] = "sealgate_revocation_known";
	struct wants c = {.now_s = (int64_t)(clock_unix_ms() / 1000)};
	enum err e = ks_want_due(ks, INT64_MAX, count_want, &c);

	if (e == ERR_LIMIT)
		e = ERR_OK;
	if (e == ERR_OK)
		e = histogram_head(name, "gauge",
		    "Revocation lists and answers that are wanted, by what is "
		    "known.",
		    out);
	for (unsigned list = 0; list < 2; list++)
		for (unsigned k = 0; e == ERR_OK && k < KNOWN; k++)
			e = buf_printf(out,
			    "%s{kind=\"%s\",state=\"%s\"} %llu\n", name,
			    list ? "list" : "answer", names[k],
			    (unsigned long long)c.n[list][k]);
	if (e == ERR_OK)
		e = histogram_head("sealgate_revocation_list_end_seconds",
		    "gauge",
		    "When the first of the revocation lists that hold ends "
		    "(Unix time).",
		    out);
	if (e == ERR_OK && c.first_end != 0)
		e = buf_printf(out,
		    "sealgate_revocation_list_end_seconds %lld\n",
		    (long long)c.first_end);
	return e;
}

enum err
store_census_print(
    const struct store_census *c, struct ks_store *ks, struct buf *out)
{
	enum err e = c->known ? print_counts(&c->last, out) : ERR_OK;

	if (e == ERR_OK)
		e = print_cas(ks, out);
	return e == ERR_OK ? print_revocation(ks, out) : e;
}
