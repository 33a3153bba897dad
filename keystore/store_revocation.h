/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What is known of revocation, kept between processes: which lists and answers
 * are wanted and when they are fetched again, and what was in those that were
 * verified. No certificate is parsed here; revocation.h does that.
 * docs/format-keystore.md.
 */
#ifndef KEYSTORE_STORE_REVOCATION_H
#define KEYSTORE_STORE_REVOCATION_H

#include <stdbool.h>
#include <stdint.h>

#include "keystore/store.h"

struct arena;

enum { KS_WANT_ID = 32 };

enum ks_want_kind {
	KS_WANT_LIST = 1,   /* a revocation list of an issuer */
	KS_WANT_ANSWER = 2, /* an answer about one certificate */
};

/* Something that is to be fetched, again and again. The spans are borrowed. */
struct ks_want {
	enum ks_want_kind kind;
	struct span issuer; /* certificate, DER */
	struct span url;
	struct span serial;  /* of an answer; else empty */
	struct span request; /* of an answer: ends in room for a nonce */
	int64_t until;	   /* the last certificate that needs it ends, Unix s */
	int64_t due;	   /* fetch it at this time */
	int64_t good;	   /* what is known holds until then; 0: nothing is */
	int64_t tried;	   /* last; 0: never */
	uint32_t failures; /* since it was last fetched */
	struct span trouble; /* of the last try; empty if it went well */
};

/* What was said. For a list entries is the table of crypto_list_find(). */
struct ks_said {
	int64_t from, until;
	uint8_t state, reason; /* of an answer: enum crypto_revoked */
	int64_t at;
	uint8_t scope; /* of a list */
	struct span entries;
};

/* What it is known by: of an answer the URL plays no part. */
void ks_want_id(enum ks_want_kind kind, struct span issuer, struct span url,
    struct span serial, uint8_t out[KS_WANT_ID]);

/* Each reads and then writes: call them between ks_begin() and ks_commit().
   Want it from now on, or longer. *is_new: it was not wanted before.
   ERR_MALFORMED. */
enum err ks_want_add(struct ks_store *s, const struct ks_want *w, int64_t now,
    bool *is_new) MUST_CHECK;
/* It was fetched and verified (said), or not (NULL, and why). Sets the next
   time. ERR_NOT_FOUND: it is not wanted any more, nothing is kept. */
enum err ks_want_done(struct ks_store *s, const uint8_t id[KS_WANT_ID],
    int64_t now, const struct ks_said *said, struct span why) MUST_CHECK;
/* A verified list that an administrator brings, for the certificates of this
   issuer that name url, or (empty) for all of them. ERR_EXISTS: a newer one is
   here. */
enum err ks_said_import(struct ks_store *s, struct span issuer, struct span url,
    int64_t now, const struct ks_said *said) MUST_CHECK;
/* Try again in a while without counting a failure: the one who was asked is
   gone. ERR_NOT_FOUND. */
enum err ks_want_put_off(
    struct ks_store *s, const uint8_t id[KS_WANT_ID], int64_t due) MUST_CHECK;
/* Forget what nobody wants any more, at most max of those that are due. */
enum err ks_want_forget(
    struct ks_store *s, int64_t now, unsigned max) MUST_CHECK;

/* Called for each; borrowed for the call, in which the store must not be
   changed. Anything but ERR_OK ends it and is what is returned. */
typedef enum err ks_want_visit(
    void *ctx, const uint8_t id[KS_WANT_ID], const struct ks_want *w);
/* Those that are due at now, the longest waiting first. */
enum err ks_want_due(struct ks_store *s, int64_t now, ks_want_visit *visit,
    void *ctx) MUST_CHECK;
/* One. ERR_NOT_FOUND, ERR_DB_BROKEN. */
enum err ks_want_get(struct ks_store *s, const uint8_t id[KS_WANT_ID],
    ks_want_visit *visit, void *ctx) MUST_CHECK;

typedef enum err ks_said_visit(void *ctx, const struct ks_said *said);
/* What was said, be it out of date. ERR_NOT_FOUND, ERR_DB_BROKEN. */
enum err ks_said_get(struct ks_store *s, const uint8_t id[KS_WANT_ID],
    ks_said_visit *visit, void *ctx) MUST_CHECK;

#endif
