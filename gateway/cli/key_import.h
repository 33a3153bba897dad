/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of `sealgate key import` share: one run of it.
 */
#ifndef GATEWAY_CLI_KEY_IMPORT_H
#define GATEWAY_CLI_KEY_IMPORT_H

#include <stdbool.h>

#include "common/sealed.h"
#include "gateway/cli/gpg.h"
#include "gateway/cli/passphrase.h"
#include "gateway/cli/unseal.h"
#include "keystore/admit.h"

struct arena;
struct cli;
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
};

/* Keep the record, and its private half if there is one, unless making it has
   failed already; tell of it, or why not. */
enum err key_import_keep(struct key_import *im, const char *file,
    const struct ks_record *r, enum err e, struct err_why *why,
    struct arena *arena) MUST_CHECK;
void key_import_refuse(
    struct key_import *im, const char *file, enum err e, const char *why);

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
