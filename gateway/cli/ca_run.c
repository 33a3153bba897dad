/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What every verb of `sealgate ca` does: options, files first, then root is
 * given up, then all that is secret is read; one commit at the end. Output is
 * written after it.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/secret.h"
#include "crypto/private_key.h"
#include "gateway/cli/ca_private.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/key_private.h"
#include "gateway/conf.h"
#include "keystore/private.h"

/* --- beginning and end --- */

/* Files first, then root is given up, then all that is secret is read. */
enum err
ca_run_begin(struct ca_run *r, struct err_why *why)
{
	enum err e = cli_conf(r->cli, &r->conf);

	if (e != ERR_OK)
		return e;
	e = cli_unseal_open(r->cli, &r->unseal, why);
	if (e == ERR_OK)
		e = cli_keystore(r->cli, true, &r->store);
	if (e == ERR_OK)
		e = crypto_private_init();
	if (e == ERR_OK)
		e = cli_unseal_read(&r->unseal, why);
	r->now = (int64_t)time(NULL);
	return e;
}

void
ca_run_end(struct ca_run *r)
{
	crypto_private_free(r->key);
	ca_clear(&r->issuer);
	ks_close(r->store);
	cli_unseal_close(&r->unseal);
	cli_out_close(&r->out);
	if (r->csr_fd >= 0)
		close(r->csr_fd);
	arena_free(r->arena);
}

/* The CA that was named, or the one that issues now, with its key. */
enum err
ca_run_find_issuer(struct ca_run *r, struct span fpr, struct err_why *why)
{
	struct ks_private *row;
	struct secret *octets = NULL;
	enum err e = ca_find(r->store, fpr, r->now, r->arena, &r->issuer, why);

	if (e == ERR_OK)
		e = cli_unseal_key(&r->unseal, r->store, r->issuer.record->fpr,
		    r->arena, &row, &octets, why);
	if (e == ERR_OK)
		e = crypto_private_parse(secret_span(octets), &r->key);
	secret_free(octets);
	return e;
}

enum err
ca_run_find_named_issuer(struct ca_run *r, struct err_why *why)
{
	uint8_t fpr[KS_FPR_MAX];
	size_t len = 0;
	enum err e =
	    r->ca == NULL ? ERR_OK : key_find(r->store, r->ca, fpr, &len);

	return e == ERR_OK ? ca_run_find_issuer(r, SPAN(fpr, len), why) : e;
}

/* Commit, or give up all of it. */
enum err
ca_run_finish(struct ca_run *r, enum err e, struct err_why *why)
{
	if (e != ERR_OK) {
		ks_rollback(r->store);
		return e;
	}
	e = ks_commit(r->store);
	if (e != ERR_OK)
		return err_why(why, e, "keystore: %s", err_text(e));
	cli_publish(r->cli, r->store);
	return ERR_OK;
}

int
ca_run_tell(enum err e, const struct err_why *why)
{
	if (e != ERR_OK && why->text[0] != '\0')
		cli_say("%s", why->text);
	return e == ERR_USAGE ? CLI_USAGE : cli_status(e);
}

/* --- lists and files --- */

enum err
ca_run_write_pem(struct ca_run *r, const char *label, struct span der)
{
	struct buf pem;
	enum err e;

	buf_init(&pem, 2 * CRYPTO_CRL_MAX);
	e = crypto_pem_put(label, der, &pem);
	if (e == ERR_OK)
		e = cli_out_write(&r->out, buf_span(&pem));
	buf_clear(&pem);
	return e;
}

/* A new list of the issuer into the transaction. */
enum err
ca_run_put_list(struct ca_run *r, struct ks_ca *out, struct err_why *why)
{
	enum err e =
	    ca_make_list(r->store, &r->issuer, crypto_private_pkey(r->key),
		r->now, (int64_t)r->conf->ca.crl_s, r->arena, out, why);

	if (e == ERR_OK)
		e = ks_ca_put(r->store, out);
	return e;
}

/* --- options --- */

static enum err
open_request(struct ca_run *r)
{
	r->csr = optarg;
	r->csr_fd = open(optarg, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (r->csr_fd >= 0)
		return ERR_OK;
	cli_say("%s: %s", optarg, strerror(errno));
	return err_from_errno(errno);
}

static enum err
take_option(struct ca_run *r, int c)
{
	switch (c) {
	case 'c':
		r->ca = optarg;
		return ERR_OK;
	case 'n':
		r->name = optarg;
		return ERR_OK;
	case 'D':
		r->domain = optarg;
		return ERR_OK;
	case 'a':
		return crypto_own_alg_by_name(optarg, &r->alg) == ERR_OK
			   ? ERR_OK
			   : ERR_USAGE;
	case 'p':
		return crypto_profile_by_name(optarg, &r->profile) == ERR_OK
			   ? ERR_OK
			   : ERR_USAGE;
	case 'r':
		return crypto_reason_by_name(optarg, &r->reason) == ERR_OK
			   ? ERR_OK
			   : ERR_USAGE;
	case 'v':
		return cli_duration(optarg, &r->valid_s);
	case 'R':
		return open_request(r);
	case 'N':
		r->renew = true;
		return ERR_OK;
	case 'o':
		return cli_out_open(&r->out, optarg, 0644);
	}
	return ERR_USAGE;
}

enum err
ca_run_options(
    struct ca_run *r, int argc, char **argv, const struct option *options)
{
	enum err e = r->arena == NULL ? ERR_NOMEM : ERR_OK;
	int c;

	while (e == ERR_OK &&
	       (c = getopt_long(argc, argv, "", options, NULL)) != -1)
		e = take_option(r, c);
	return e;
}

int
ca_run_wrong(struct ca_run *r, enum err e)
{
	int status = e == ERR_USAGE ? cli_usage(r->cli) : cli_status(e);

	ca_run_end(r);
	return status;
}
