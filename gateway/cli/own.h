/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the verbs share that make keys and certificates: whom they are for,
 * where their output goes, and a certificate that came for a key made here.
 */
#ifndef GATEWAY_CLI_OWN_H
#define GATEWAY_CLI_OWN_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"
#include "keystore/history.h"

struct arena;
struct cli;
struct crypto_cert;
struct key_import;
struct ks_record;
struct ks_store;
struct secret;

/* A file of the caller's, opened with the caller's rights, that gets its octets
   when the work has been committed. */
struct cli_out {
	const char *name; /* NULL: standard output */
	int fd;		  /* -1: not open */
};

#define CLI_OUT_INIT                                                           \
	{                                                                      \
		.name = NULL, .fd = -1                                         \
	}

/* A file that is there is not written over: it may be a key. mode is that of
   the new file. What is wrong is said. */
enum err cli_out_open(
    struct cli_out *o, const char *name, unsigned mode) MUST_CHECK;
/* Said, too. */
enum err cli_out_write(struct cli_out *o, struct span octets) MUST_CHECK;
void cli_out_close(struct cli_out *o);

/* Whom a key is for: canonical addresses, or a whole domain, whose key has the
   address _domain@DOMAIN. What is wrong is said. ERR_USAGE. */
struct cli_whom {
	struct span *addrs;
	size_t n_addrs;
	struct span domain; /* empty: addresses */
};

enum err cli_whom_read(const char *domain, int n, char **addrs,
    struct arena *arena, struct cli_whom *out) MUST_CHECK;

/* "30d", "2y", "12h" in seconds; ERR_USAGE, which is said. */
enum err cli_duration(const char *text, int64_t *out) MUST_CHECK;

/* What happened to a record of ours, for its history and the audit log. In one
   commit with it. */
enum err cli_tell_own(struct cli *cli, struct ks_store *s,
    enum ks_event_what what, const struct ks_record *r,
    struct span why) MUST_CHECK;

/* What has changed in the store reaches the files that anybody may have (key
   publish); said if it does not: the change itself stands. */
void cli_publish(struct cli *cli, struct ks_store *s);

/* If the private key of the certificate waits in the store, made by `key
   generate`: open it, so that what is imported next has it. *out is NULL if
   none waits. The caller frees. */
enum err key_claim(struct key_import *im, const struct crypto_cert *cert,
    struct ks_record *r, struct arena *arena, struct secret **out,
    struct err_why *why) MUST_CHECK;
/* It is beside its certificate now: it waits no more. In one commit with that.
 */
enum err key_claimed(
    struct key_import *im, const struct crypto_cert *cert) MUST_CHECK;

#endif
