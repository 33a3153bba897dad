/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a store has to bring: one table of operations, each as its namesake in
 * store.h says. tests/keystore/test_store.c is the contract of all of them.
 */
#ifndef KEYSTORE_STORE_PRIVATE_H
#define KEYSTORE_STORE_PRIVATE_H

#include "keystore/change.h"
#include "keystore/store.h"

/* Tables of rows. */
enum ks_row {
	KS_ROW_PRIVATE,	   /* private.c; ks_delete() of the record removes it */
	KS_ROW_PENDING,	   /* pending.c */
	KS_ROW_HISTORY,	   /* history.c */
	KS_ROW_SETTING,	   /* setting.c */
	KS_ROW_ANSWER,	   /* answers.c */
	KS_ROW_REVOCATION, /* store_revocation.c */
	KS_ROW_OWN,	   /* own.c */
	KS_ROW_REPLY,	   /* reply.c */
	KS_ROW_DELETED,	   /* deleted.c */
	KS_ROW_REFUSED,	   /* refused.c */
	KS_ROW_ACCOUNT,	   /* account.c */
	KS_ROW_COUNT
};

enum { KS_ROW_KEY_MAX = 400 };

/* Borrowed for the call. Anything but ERR_OK ends the search and is what it
   returns. */
typedef enum err ks_row_visit(void *ctx, struct span key, struct span octets);

struct ks_store_ops {
	void (*close)(struct ks_store *s);
	enum err (*begin)(struct ks_store *s);
	/* All searches see one state until rollback(); no change is possible.
	 */
	enum err (*begin_read)(struct ks_store *s);
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
	uint64_t (*generation)(struct ks_store *s);
	/* Rows: octets under a key of 1 to KS_ROW_KEY_MAX octets, in tables
	   whose meaning is that of the file named beside each. put replaces;
	   get and del: ERR_NOT_FOUND. each visits those whose key begins with
	   prefix, from the key `from` on (empty: from the first), in ascending
	   order of keys; the store must not be changed meanwhile. */
	enum err (*row_put)(struct ks_store *s, enum ks_row row,
	    struct span key, struct span octets);
	enum err (*row_get)(struct ks_store *s, enum ks_row row,
	    struct span key, ks_row_visit *visit, void *ctx);
	enum err (*row_del)(
	    struct ks_store *s, enum ks_row row, struct span key);
	enum err (*row_each)(struct ks_store *s, enum ks_row row,
	    struct span prefix, struct span from, ks_row_visit *visit,
	    void *ctx);
	/* The last one; ERR_NOT_FOUND when there is none. */
	enum err (*row_last)(struct ks_store *s, enum ks_row row,
	    ks_row_visit *visit, void *ctx);
	/* Look at up to max rows from the key in *from on, in their order;
	   *from becomes the last one's key, and empty at the end. Those that
	   are to be dropped are deleted. */
	enum err (*row_sweep)(struct ks_store *s, enum ks_row row,
	    struct buf *from, unsigned max,
	    enum err (*look)(
		void *ctx, struct span key, struct span value, bool *drop),
	    void *ctx);
};

/* The first member of every store. */
struct ks_store {
	const struct ks_store_ops *ops;
	struct ks_rules rules;	      /* ks_use_rules() */
	const struct ks_judge *judge; /* lookup.h; NULL: none */
};

/* --- store_lmdb.c --- */

/* map: db_options.map_first. */
enum err ks_lmdb_open(const char *dir, unsigned flags, size_t map,
    struct ks_store **out, struct err_why *why) MUST_CHECK;

#endif
