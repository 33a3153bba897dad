/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The CA of this gateway at work: find it, make a certificate with all that the
 * keystore must know of it, make the list of those revoked. For `sealgate ca`
 * and for the process issuer, which differ in where the CA's key is.
 */
#ifndef GATEWAY_CA_H
#define GATEWAY_CA_H

#include <stdbool.h>

#include "crypto/issue.h"
#include "keystore/own.h"

struct arena;
struct conf;
struct crypto_cert;
struct evp_pkey_st;

/* Local part of the address that a domain's own key or certificate has: who
   looks for the key of a whole domain asks for the key of this address. */
#define CA_DOMAIN_LOCAL "_domain"

struct ca {
	struct ks_record *record; /* of its certificate */
	struct crypto_cert *cert; /* owned */
};

/* The CA with this fingerprint; without one (empty) that whose certificate is
   valid at now and began last. Not one that is distrusted or revoked. Clear it.
   ERR_NOT_FOUND, ERR_KEY_EXPIRED, ERR_KEY_UNTRUSTED. */
enum err ca_find(struct ks_store *s, struct span fpr, int64_t now,
    struct arena *arena, struct ca *out, struct err_why *why) MUST_CHECK;
void ca_clear(struct ca *ca);

/* A certificate that is asked for. */
struct ca_request {
	enum crypto_profile profile;
	struct span spki;
	const char *name;   /* NULL: the address */
	struct span *addrs; /* canonical */
	size_t n_addrs;
	struct span domain; /* it stands for the whole domain; else empty */
	int64_t now;
	int64_t valid_s;
	bool automatic;
};

/* What has to be put into the store, in one commit, before anybody sees it. */
struct ca_made {
	struct crypto_cert *cert; /* owned */
	struct ks_record *record; /* borrows from cert and arena */
	struct ks_issued issued;  /* the same */
};

/* Make it; conf says where the list of the CA is. Clear it on success. Errors
   of crypto_issue_cert() and ks_admit_cert(). */
enum err ca_make(const struct conf *conf, const struct ca *ca,
    struct evp_pkey_st *key, const struct ca_request *r, struct arena *arena,
    struct ca_made *out, struct err_why *why) MUST_CHECK;
void ca_made_clear(struct ca_made *m);
/* Record and row into the store, between ks_begin() and ks_commit(). */
enum err ca_keep(struct ks_store *s, const struct ca_made *m,
    struct arena *arena) MUST_CHECK;

/* A new list of all that the CA has revoked, numbered after the one that the
   store has, in the arena. */
enum err ca_make_list(struct ks_store *s, const struct ca *ca,
    struct evp_pkey_st *key, int64_t now, int64_t next_s, struct arena *arena,
    struct ks_ca *out, struct err_why *why) MUST_CHECK;

/* Name of the file of a CA's list below "/crl/", and its URL; NULL where
   nothing publishes it. */
enum { CA_LIST_NAME = 2 * KS_FPR_MAX + 5 };
void ca_list_name(struct span fpr, char out[CA_LIST_NAME]);
const char *ca_list_url(
    const struct conf *conf, struct span fpr, struct arena *arena);

#endif
