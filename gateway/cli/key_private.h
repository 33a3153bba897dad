/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of `sealgate key` share: records on the terminal and as JSON.
 */
#ifndef GATEWAY_CLI_KEY_PRIVATE_H
#define GATEWAY_CLI_KEY_PRIVATE_H

#include "keystore/lookup.h"

struct cli;
struct json_t;
struct key_table;

/* The one key that text names: its fingerprint, the beginning of it, or a key
   ID of 16 digits. What is wrong is said. ERR_USAGE, ERR_NOT_FOUND. */
enum err key_find(struct ks_store *s, const char *text, uint8_t fpr[KS_FPR_MAX],
    size_t *len) MUST_CHECK;

/* A table of records that fits the terminal. ERR_NOMEM. */
struct key_table *key_table_new(void);
enum err key_table_add(struct key_table *t, const struct ks_record *r,
    bool has_private) MUST_CHECK;
void key_table_print(struct key_table *t);
void key_table_free(struct key_table *t);

/* All there is to know of a record, one line each. has_private: we have its
   private half. */
void key_print(const struct ks_record *r, bool has_private);
struct json_t *key_to_json(const struct ks_record *r, bool has_private);

/* How the certificate of a record leads to an anchor, and what is known of
   revocation on the way; nothing, or null, for an OpenPGP key. */
void key_chain_print(
    struct cli *cli, struct ks_store *s, const struct ks_record *r);
struct json_t *key_chain_json(
    struct cli *cli, struct ks_store *s, const struct ks_record *r);

/* What a lookup found, candidate by candidate. */
void key_result_print(
    const char *addr, enum ks_kind kind, const struct ks_result *r);
struct json_t *key_result_json(
    const char *addr, enum ks_kind kind, const struct ks_result *r);

/* Print and release. */
void key_print_json(struct json_t *json);

#endif
