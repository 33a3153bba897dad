/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate key export`: certificates and keys for others, and, for who may
 * read the master key, secret keys under a passphrase. Nothing secret is
 * written without one.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/secret.h"
#include "crypto/cert.h"
#include "crypto/openpgp_own.h"
#include "crypto/own_key.h"
#include "crypto/private_key.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/gpg.h"
#include "gateway/cli/key_private.h"
#include "gateway/cli/own.h"
#include "gateway/cli/passphrase.h"
#include "gateway/cli/unseal.h"
#include "keystore/own.h"

enum {
	MEMORY = 64 << 20,
	CHAIN = 8, /* certificates above one that is handed out */
};

/* One run of it. */
struct export
{
	struct cli *cli;
	bool secret;
	struct cli_out out;
	struct cli_passphrase passphrase;
	struct cli_unseal unseal;
	struct ks_store *store;
	struct arena *arena;
	struct buf octets;
};

/* --- public --- */

static enum err
put_public(struct export *x, const struct ks_record *r)
{
	return r->kind == KS_SMIME
		   ? crypto_pem_put("CERTIFICATE", r->key, &x->octets)
		   : crypto_pgp_armor("PUBLIC KEY BLOCK", r->key, &x->octets);
}

/* --- secret --- */

struct chain {
	struct export *x;
	struct span issuer; /* name, DER */
	struct crypto_cert *cert[CHAIN];
	size_t n;
};

static enum err
add_issuer(void *ctx, const struct ks_ca *ca)
{
	struct chain *c = ctx;
	struct ks_record *r;
	enum err e = ks_get(c->x->store, ca->fpr, c->x->arena, &r);

	/* our CAs sign themselves: their issuer is their name */
	if (e != ERR_OK || c->n == CHAIN || !span_eq(r->issuer, c->issuer))
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	e = crypto_cert_parse(r->key, &c->cert[c->n], NULL);
	c->n += e == ERR_OK;
	return e;
}

/* Whoever gets the key wants the CA's certificate, too, if it is ours. */
static enum err
put_p12(struct export *x, const struct ks_record *r, const struct secret *key,
    const struct secret *pass, struct err_why *why)
{
	struct crypto_cert *cert = NULL;
	struct chain c = {.x = x, .issuer = r->issuer};
	enum err e = crypto_cert_parse(r->key, &cert, why);

	if (e == ERR_OK)
		e = ks_ca_each(x->store, add_issuer, &c);
	if (e == ERR_OK)
		e = crypto_pkcs12_write(
		    key, cert, c.cert, c.n, pass, &x->octets, why);
	for (size_t i = 0; i < c.n; i++)
		crypto_cert_unref(c.cert[i]);
	crypto_cert_unref(cert);
	return e;
}

static enum err
put_armor(struct export *x, const struct ks_record *r, const struct secret *key,
    const struct secret *pass, struct err_why *why)
{
	const struct crypto_pgp_signer signer = {r->fpr, secret_span(key)};
	struct cli_gpg gpg = {0};
	enum err e = cli_gpg_open(&gpg, why);

	if (e == ERR_OK)
		e = crypto_pgp_secret_armor(
		    gpg.engine, &signer, pass, &x->octets, why);
	cli_gpg_close(&gpg);
	return e;
}

static enum err
put_secret(struct export *x, const struct ks_record *r, const char *name,
    struct err_why *why)
{
	const struct secret *pass = NULL;
	struct secret *key = NULL;
	struct ks_private *row;
	enum err e = cli_passphrase_get(&x->passphrase, name, &pass, why);

	if (e == ERR_OK)
		e = cli_unseal_key(
		    &x->unseal, x->store, r->fpr, x->arena, &row, &key, why);
	if (e == ERR_OK)
		e = r->kind == KS_SMIME ? put_p12(x, r, key, pass, why)
					: put_armor(x, r, key, pass, why);
	secret_free(key);
	return e;
}

/* --- the verb --- */

static enum err
put_named(struct export *x, const char *name)
{
	struct err_why why = {""};
	uint8_t fpr[KS_FPR_MAX];
	struct ks_record *r;
	size_t len = 0;
	enum err e = key_find(x->store, name, fpr, &len);

	if (e != ERR_OK)
		return e;
	e = ks_get(x->store, SPAN(fpr, len), x->arena, &r);
	if (e == ERR_OK)
		e = x->secret ? put_secret(x, r, name, &why) : put_public(x, r);
	if (e != ERR_OK)
		cli_say("%s: %s", name,
		    why.text[0] != '\0' ? why.text : err_text(e));
	return e;
}

static int
export_all(struct export *x, int n, char **names)
{
	struct err_why why = {""};
	enum err e = ERR_OK;

	if (x->secret && x->out.fd < 0 && isatty(STDOUT_FILENO)) {
		cli_say("a secret key is for a file: --out FILE");
		return CLI_USAGE;
	}
	if (x->secret && n > 1) {
		cli_say("one secret key at a time");
		return CLI_USAGE;
	}
	if (x->secret)
		e = cli_unseal_open(x->cli, &x->unseal, &why);
	if (e != ERR_OK) {
		cli_say("%s", why.text);
		return cli_status(e);
	}
	e = cli_keystore(x->cli, false, &x->store);
	if (e == ERR_OK)
		e = crypto_private_init();
	for (int i = 0; i < n && e == ERR_OK; i++)
		e = put_named(x, names[i]);
	if (e == ERR_OK)
		e = cli_out_write(&x->out, buf_span(&x->octets));
	ks_close(x->store);
	return e == ERR_USAGE ? CLI_USAGE : cli_status(e);
}

static enum err
take_option(struct export *x, int c)
{
	switch (c) {
	case 's':
		x->secret = true;
		return ERR_OK;
	case 'o':
		return cli_out_open(&x->out, optarg, 0600);
	case 'p':
		return cli_passphrase_file(&x->passphrase, optarg);
	case 'd':
		return cli_passphrase_fd(&x->passphrase, optarg);
	}
	return ERR_USAGE;
}

int
cli_key_export(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
	    {"secret", no_argument, NULL, 's'},
	    {"out", required_argument, NULL, 'o'},
	    {"passphrase-file", required_argument, NULL, 'p'},
	    {"passphrase-fd", required_argument, NULL, 'd'},
	    {NULL, 0, NULL, 0}};
	struct export x = {.cli = cli,
	    .out = CLI_OUT_INIT,
	    .passphrase = {.fd = -1},
	    .unseal = CLI_UNSEAL_INIT,
	    .arena = arena_new(MEMORY)};
	enum err e = x.arena == NULL ? ERR_NOMEM : ERR_OK;
	int c, status;

	buf_init(&x.octets, MEMORY);
	while (e == ERR_OK &&
	       (c = getopt_long(argc, argv, "", options, NULL)) != -1)
		e = take_option(&x, c);
	if (e == ERR_OK && optind < argc)
		status = export_all(&x, argc - optind, argv + optind);
	else
		status = e == ERR_OK || e == ERR_USAGE ? cli_usage(cli)
						       : cli_status(e);
	secret_wipe(x.octets.data, x.octets.len);
	buf_clear(&x.octets);
	cli_passphrase_clear(&x.passphrase);
	cli_unseal_close(&x.unseal);
	cli_out_close(&x.out);
	arena_free(x.arena);
	return status;
}
