/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Keys that were brought and did not become records, with the reason, so that
 * an administrator who looks for one learns why it is not there. Strangers fill
 * this: a row takes the place of the oldest of its kind, and goes by itself.
 */
#ifndef KEYSTORE_REFUSED_H
#define KEYSTORE_REFUSED_H

#include "keystore/record.h"
#include "keystore/store.h"

enum {
	KS_REFUSED_KEEP_S = 30 * 24 * 3600,
	/* Addresses share so many places by their digest; each place has so
	   many rows, and of these so many for what came with mail. */
	KS_REFUSED_PLACES = 1024,
	KS_REFUSED_ROWS = 16,
	KS_REFUSED_ROWS_MAIL = 4,
	KS_REFUSED_TEXT = 256, /* octets of a text; the rest is cut */
};

/* Every span is borrowed. */
struct ks_refusal {
	int64_t at; /* Unix seconds */
	enum ks_source source;
	struct span addr; /* canonical, or "@domain" */
	struct span fpr;  /* empty: it had none that could be read */
	struct span what; /* "OpenPGP Ed25519 alice@example.org" */
	struct span url;
	struct span why;
};

/* Keep it, in place of an older one of the same key, source and address.
   Within ks_begin(). ERR_MALFORMED. */
enum err ks_refused_put(
    struct ks_store *s, const struct ks_refusal *r) MUST_CHECK;
/* The source brought the key again, and it was let in. Within ks_begin(). */
enum err ks_refused_drop(struct ks_store *s, struct span addr,
    enum ks_source source, struct span fpr) MUST_CHECK;

typedef enum err ks_refused_visit(void *ctx, const struct ks_refusal *r);
/* Those of the address (empty: of all), not older than KS_REFUSED_KEEP_S at
   now. The visitor must not change the store; anything but ERR_OK ends it and
   is returned. */
enum err ks_refused_each(struct ks_store *s, struct span addr, int64_t now,
    ks_refused_visit *visit, void *ctx) MUST_CHECK;

/* Drop what is too old among max rows from *from on, as ks_answers_forget()
   does. Between ks_begin() and ks_commit(). */
enum err ks_refused_sweep(
    struct ks_store *s, struct buf *from, unsigned max, int64_t now) MUST_CHECK;

#endif
