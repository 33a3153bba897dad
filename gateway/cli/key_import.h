/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of `sealgate key import` share: one run of it.
 */
#ifndef GATEWAY_CLI_KEY_IMPORT_H
#define GATEWAY_CLI_KEY_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/sealed.h"
#include "gateway/cli/gpg.h"
#include "gateway/cli/passphrase.h"
#include "gateway/cli/unseal.h"
#include "keystore/admit.h"

struct arena;
struct cli;
struct crypto_cert;
struct crypto_pgp_list;
struct crypto_pgp_secret;
struct json_t;
struct sealed_pub;
struct secret;

struct key_import {
	struct cli *cli;
	struct ks_store *store;
	struct ks_origin origin;
	struct cli_gpg gpg; /* opened when an OpenPGP key comes */
	struct cli_passphrase passphrase;
	bool anchor;	    /* CA certificates beside a private key are one */
	struct span domain; /* the keys stand for it; empty: for none */
	struct span anchor_for; /* CAs count for it; empty: for all */
	/* The private half of the record that comes next; borrowed. */
	const struct secret *with_private;
	struct sealed_pub pub;	  /* what private keys are sealed to */
	struct cli_unseal unseal; /* for certificates of keys made here */
	struct json_t *imported;
	struct json_t *refused;
	/* Many keys: no line for each, commits in between. */
	bool bulk;
	bool bar;			/* how far it is, at the terminal */
	uint64_t total, done, drawn_ms; /* octets; of the last drawing */
	uint64_t n_kept, n_new;
	/* Not committed yet, and the file that is told of in the history. */
	uint32_t n_open;
	bool broken; /* the keystore failed: nothing more is tried */
	const char *file;
};

/* Keep the record, and its private half if there is one, unless making it has
   failed already; tell of it, or why not. */
enum err key_import_keep(struct key_import *im, const char *file,
    const struct ks_record *r, enum err e, struct err_why *why,
    struct arena *arena) MUST_CHECK;

/* --- key_tell.c --- */

void key_import_tell(struct key_import *im, const char *file,
    const struct ks_record *r, enum ks_admitted what);
void key_import_tell_secret(struct key_import *im, const char *file,
    const struct crypto_pgp_secret *key);
void key_import_refuse(
    struct key_import *im, const char *file, enum err e, const char *why);
/* So many octets of the file are done: draws at times. */
void key_import_at(struct key_import *im, uint64_t in_file);
void key_import_summary(struct key_import *im);

/* --- key_import.c --- */

/* One more record is in the transaction; in bulk it may end here. */
enum err key_import_step(
    struct key_import *im, const struct ks_record *r) MUST_CHECK;

/* --- key_bulk.c --- */

/* All that is in a file, whatever it is; what is wrong is told piece by piece.
   Some error of it, ERR_OK when all of it is in. */
enum err key_import_bulk(
    struct key_import *im, const char *file, struct span in) MUST_CHECK;

/* --- key_take.c --- */

/* OpenPGP, armored or binary? */
bool key_import_is_pgp(struct span in);
/* Does it hold private keys? */
bool key_import_is_bundle(struct span in);
/* One piece: certificates, OpenPGP keys, or private keys. */
enum err key_import_octets(
    struct key_import *im, const char *file, struct span in) MUST_CHECK;
/* n binary OpenPGP keys at once, as they were inspected, or e and why not.
   ERR_AGAIN: one of several is bad, and nothing was taken or told. */
enum err key_import_listed(struct key_import *im, const char *file,
    struct crypto_pgp_list *list, enum err e, struct err_why *why,
    size_t n) MUST_CHECK;
/* The certificates are unreferenced. */
enum err key_import_certs(struct key_import *im, const char *file,
    struct crypto_cert **certs, size_t n, struct arena *arena) MUST_CHECK;

/* What private keys are sealed to. */
enum err key_import_public(struct key_import *im, struct sealed_pub *out,
    struct err_why *why) MUST_CHECK;

/* --- key_bundle.c --- */

/* A PKCS#12 file, or PEM with a private key. Some error of it, ERR_OK when all
   of it is in. */
enum err key_import_bundle(struct key_import *im, const char *file,
    struct span in, struct arena *arena, struct err_why *why) MUST_CHECK;
/* Seal im->with_private as the private half of the record. */
enum err key_import_private(struct key_import *im, const struct ks_record *r,
    struct err_why *why) MUST_CHECK;

#endif
