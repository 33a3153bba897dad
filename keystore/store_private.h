/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a store has to bring: one table of operations, each as its namesake in
 * store.h says. tests/keystore/test_store.c is the contract of all of them.
 */
#ifndef KEYSTORE_STORE_PRIVATE_H
#define KEYSTORE_STORE_PRIVATE_H

#include "keystore/store.h"

struct ks_store_ops {
	void (*close)(struct ks_store *s);
	enum err (*begin)(struct ks_store *s);
	enum err (*commit)(struct ks_store *s);
	void (*rollback)(struct ks_store *s);
	enum err (*put)(struct ks_store *s, const struct ks_record *r);
	enum err (*del)(struct ks_store *s, struct span fpr);
	enum err (*set_trust)(
	    struct ks_store *s, struct span fpr, enum ks_trust trust);
	enum err (*get)(
	    struct ks_store *s, struct span fpr, ks_visit *visit, void *ctx);
	enum err (*find)(struct ks_store *s, enum ks_index index,
	    struct span key, ks_visit *visit, void *ctx);
	enum err (*each)(
	    struct ks_store *s, struct span prefix, ks_visit *visit, void *ctx);
	enum err (*count)(struct ks_store *s, size_t *out);
	/* Private keys as octets (private.c); del removes them, too. */
	enum err (*private_put)(
	    struct ks_store *s, struct span fpr, struct span octets);
	enum err (*private_get)(struct ks_store *s, struct span fpr,
	    enum err (*visit)(void *ctx, struct span octets), void *ctx);
	enum err (*private_del)(struct ks_store *s, struct span fpr);
	/* Rows of answers.c. */
	enum err (*answer_put)(
	    struct ks_store *s, struct span key, struct span value);
	enum err (*answer_get)(struct ks_store *s, struct span key,
	    enum err (*visit)(void *ctx, struct span value), void *ctx);
	/* Look at up to max rows from the key in *from on, in their order;
	   *from becomes the last one's key, and empty at the end. Those that
	   are to be dropped are deleted. */
	enum err (*answer_sweep)(struct ks_store *s, struct buf *from,
	    unsigned max,
	    enum err (*look)(
		void *ctx, struct span key, struct span value, bool *drop),
	    void *ctx);
};

/* The first member of every store. */
struct ks_store {
	const struct ks_store_ops *ops;
};

/* --- store_lmdb.c --- */

enum err ks_lmdb_open(const char *dir, unsigned flags, struct ks_store **out,
    struct err_why *why) MUST_CHECK;

#endif
