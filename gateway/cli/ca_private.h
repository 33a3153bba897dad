/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of `sealgate ca` share.
 */
#ifndef GATEWAY_CLI_CA_PRIVATE_H
#define GATEWAY_CLI_CA_PRIVATE_H

#include <stdbool.h>

#include "crypto/own_key.h"
#include "gateway/ca.h"
#include "gateway/cli/own.h"
#include "gateway/cli/unseal.h"

struct arena;
struct cli;
struct conf;
struct crypto_private;
struct option;

enum { CA_MEMORY = 128 << 20 }; /* octets: lists of revoked certificates */

/* One run of a verb. */
struct ca_run {
	struct cli *cli;
	const struct conf *conf;
	const char *ca;	    /* fingerprint as given; NULL: the newest */
	const char *name;   /* NULL: not given */
	const char *domain; /* NULL: addresses */
	const char *csr;    /* NULL: the key is made here */
	int csr_fd;
	enum crypto_own_alg alg;
	enum crypto_profile profile;
	enum crypto_reason reason;
	bool renew;	 /* by itself, before its end */
	int64_t valid_s; /* 0: as configured */
	int64_t now;
	struct cli_out out;
	struct cli_unseal unseal;
	struct ks_store *store;
	struct arena *arena;
	struct ca issuer;
	struct crypto_private *key; /* of the issuer */
};

#define CA_RUN_INIT(c)                                                         \
	{                                                                      \
		.cli = (c), .csr_fd = -1, .alg = CRYPTO_OWN_P256,              \
		.profile = CRYPTO_PROFILE_BOTH, .out = CLI_OUT_INIT,           \
		.unseal = CLI_UNSEAL_INIT, .arena = arena_new(CA_MEMORY)       \
	}

/* Files first, then root is given up, then all that is secret is read. */
enum err ca_run_begin(struct ca_run *r, struct err_why *why) MUST_CHECK;
void ca_run_end(struct ca_run *r);
/* The CA with that fingerprint, or that was named, or the one that issues now,
   with its key. */
enum err ca_run_find_issuer(
    struct ca_run *r, struct span fpr, struct err_why *why) MUST_CHECK;
enum err ca_run_find_named_issuer(
    struct ca_run *r, struct err_why *why) MUST_CHECK;
/* Commit, or give up all of it. */
enum err ca_run_finish(
    struct ca_run *r, enum err e, struct err_why *why) MUST_CHECK;
/* Say why, and the status that this is. */
int ca_run_tell(enum err e, const struct err_why *why);

enum err ca_run_write_pem(
    struct ca_run *r, const char *label, struct span der) MUST_CHECK;
/* A new list of the issuer into the transaction. */
enum err ca_run_put_list(
    struct ca_run *r, struct ks_ca *out, struct err_why *why) MUST_CHECK;

/* Take the options that the verb has. */
enum err ca_run_options(struct ca_run *r, int argc, char **argv,
    const struct option *options) MUST_CHECK;
/* The status of options that are wrong; ends the run. */
int ca_run_wrong(struct ca_run *r, enum err e);

#endif
