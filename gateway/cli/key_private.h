/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of `sealgate key` share: records on the terminal and as JSON.
 */
#ifndef GATEWAY_CLI_KEY_PRIVATE_H
#define GATEWAY_CLI_KEY_PRIVATE_H

#include "keystore/lookup.h"

struct arena;
struct cli;
struct json_t;
struct ks_remote;
struct key_table;

/* The one key that text names: its fingerprint, the beginning of it, or a key
   ID of 16 digits. What is wrong is said. ERR_USAGE, ERR_NOT_FOUND. */
enum err key_find(struct ks_store *s, const char *text, uint8_t fpr[KS_FPR_MAX],
    size_t *len) MUST_CHECK;
/* The same among those that were deleted. */
enum err key_find_deleted(struct ks_store *s, const char *text,
    uint8_t fpr[KS_FPR_MAX], size_t *len) MUST_CHECK;

/* The digits of a fingerprint or of its beginning, without the blanks and
   colons people write. ERR_USAGE if it is none. */
enum err key_digits(const char *text, char out[2 * KS_FPR_MAX + 1]) MUST_CHECK;
/* The key of an address as keystore and policy compare it, in the arena. Says
   what is wrong. */
enum err key_addr(
    const char *text, struct arena *arena, struct span *out) MUST_CHECK;
/* A domain as the keystore has it; the octet in front of it is "@". Says what
   is wrong: ERR_USAGE. */
enum err key_domain(
    const char *text, struct arena *arena, struct span *out) MUST_CHECK;
/* No option but those of the verb: where arguments begin, -1 when there are
   others. */
int key_no_options(int argc, char **argv);
/* The worse of two exit statuses. */
int key_worse(int a, int b);

/* --- key_refused.c --- */

/* Print keys that were not let in, or add them to json: of the address (empty:
   all), whose fingerprint begins with the digits in text (NULL: any). How
   many. */
size_t key_refused_show(struct ks_store *s, struct span addr, const char *text,
    struct json_t *json);

/* --- key_filter.c --- */

/* Which records are asked for. All that is set must fit; zeroed: every one. */
struct key_filter {
	const char *word;   /* in address, subject or fingerprint */
	struct span domain; /* of an address, or that it stands for */
	bool by_trust, by_source, by_kind, by_end;
	bool deleted; /* those that were; key_filter_fits() does not look */
	enum ks_trust trust;
	enum ks_source source;
	enum ks_kind kind;
	int64_t ends_before; /* Unix seconds; what is over already, too */
	struct arena *arena; /* of domain */
};
/* Read the options of a verb; where its arguments begin, -1 for a wrong one,
   which has been said. The caller clears. */
int key_filter_read(struct key_filter *f, int argc, char **argv);
void key_filter_clear(struct key_filter *f);
bool key_filter_fits(const struct key_filter *f, const struct ks_record *r);

/* A table of records that fits the terminal. ERR_NOMEM. */
struct key_table *key_table_new(void);
enum err key_table_add(struct key_table *t, const struct ks_record *r,
    bool has_private, const char *state) MUST_CHECK;
void key_table_print(struct key_table *t);
void key_table_free(struct key_table *t);

/* All there is to know of a record, one line each. has_private: we have its
   private half. */
void key_print(const struct ks_record *r, bool has_private);
struct json_t *key_to_json(const struct ks_record *r, bool has_private);

/* "revoked", "expired", "not yet", "unfit" (for sealing); "" if it is good for
   what it is for. What lists and answers say of certificates is in it. */
const char *key_state(struct cli *cli, const struct ks_record *r);
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

/* Ask the sources for keys of the address through the running gateway, and
   print what each answered or append it to json. What is definite is set in
   the n places of remote. The exit status. */
int key_ask_sources(struct cli *cli, const char *address, struct json_t *json,
    struct ks_remote *remote, size_t n);

#endif
