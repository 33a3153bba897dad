/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate key generate`: a private key with a request for its certificate, or
 * an OpenPGP key. What is secret is sealed to the process keys before it
 * reaches the store; the request is written once the key is there.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "common/arena.h"
#include "common/secret.h"
#include "common/text.h"
#include "crypto/openpgp_own.h"
#include "crypto/own_key.h"
#include "crypto/private_key.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/gpg.h"
#include "gateway/cli/key_private.h"
#include "gateway/cli/own.h"
#include "gateway/cli/unseal.h"
#include "keystore/admit.h"
#include "keystore/private.h"

enum {
	MEMORY = 4 << 20,
	UID_MAX = 512, /* octets */
	YEARS = 2,     /* an OpenPGP key is good for so long */
};

/* One run of it. */
struct generate {
	struct cli *cli;
	enum ks_kind kind;
	enum crypto_own_alg alg;
	const char *name;   /* NULL: none */
	const char *domain; /* NULL: addresses */
	int64_t expires_s;
	struct cli_out out;
	struct cli_whom whom;
	struct sealed_pub pub;
	struct ks_store *store;
	struct arena *arena;
};

static struct ks_private
row_of(const struct generate *g, struct span fpr)
{
	return (struct ks_private){.kind = g->kind,
	    .fpr = fpr,
	    .added = (int64_t)time(NULL),
	    .domain = g->whom.domain,
	    .addrs = g->whom.addrs,
	    .n_addrs = g->whom.n_addrs};
}

/* --- S/MIME --- */

static enum err
put_waiting(struct generate *g, const struct secret *octets,
    const struct crypto_private *key, struct err_why *why)
{
	uint8_t digest[CRYPTO_SPKI_SIZE];
	struct ks_private row;
	struct buf spki;
	enum err e;

	buf_init(&spki, CRYPTO_SPKI_MAX);
	e = crypto_own_key_public(key, &spki);
	if (e == ERR_OK) {
		crypto_spki_digest(buf_span(&spki), digest);
		row = row_of(g, SPAN(digest, sizeof(digest)));
		e = ks_private_put(
		    g->store, &row, &g->pub, secret_span(octets));
	}
	buf_clear(&spki);
	return e == ERR_OK ? e : err_why(why, e, "keystore: %s", err_text(e));
}

static enum err
make_smime(struct generate *g, struct err_why *why)
{
	struct crypto_private *key = NULL;
	struct secret *octets = NULL;
	struct buf der, pem;
	const char *name = g->name;
	enum err e;

	buf_init(&der, CRYPTO_CSR_MAX);
	buf_init(&pem, 2 * CRYPTO_CSR_MAX);
	if (name == NULL)
		name = arena_span_str(g->arena, g->whom.addrs[0]);
	e = crypto_own_key_new(g->alg, &octets);
	if (e == ERR_OK)
		e = crypto_private_parse(secret_span(octets), &key);
	if (e != ERR_OK)
		err_why(why, e, "no key could be made: %s", err_text(e));
	if (e == ERR_OK)
		e = crypto_csr_write(
		    key, name, g->whom.addrs, g->whom.n_addrs, &der, why);
	if (e == ERR_OK)
		e = crypto_pem_put("CERTIFICATE REQUEST", buf_span(&der), &pem);
	if (e == ERR_OK)
		e = put_waiting(g, octets, key, why);
	if (e == ERR_OK && g->cli->json)
		key_print_json(json_pack("{s:s, s:o}", "result", "generated",
		    "request", cli_json_text(buf_span(&pem))));
	if (e == ERR_OK && (!g->cli->json || g->out.fd >= 0))
		e = cli_out_write(&g->out, buf_span(&pem));
	crypto_private_free(key);
	secret_free(octets);
	buf_clear(&der);
	buf_clear(&pem);
	return e;
}

/* --- OpenPGP --- */

static enum err
user_id(const struct generate *g, char out[UID_MAX], struct err_why *why)
{
	struct span addr = g->whom.addrs[0];
	int n;

	if (g->whom.n_addrs != 1)
		return err_why(
		    why, ERR_USAGE, "an OpenPGP key is made for one address");
	if (g->name != NULL && strpbrk(g->name, "<>()") != NULL)
		return err_why(
		    why, ERR_USAGE, "the name must not have brackets in it");
	n = snprintf(out, UID_MAX, "%s%s<%.*s>", g->name ? g->name : "",
	    g->name ? " " : "", (int)addr.len, (const char *)addr.data);
	return n > 0 && n < UID_MAX
		   ? ERR_OK
		   : err_why(why, ERR_TOO_BIG, "the name is too long");
}

static enum err
keep_pgp(struct generate *g, const struct crypto_pgp_secrets *made,
    struct ks_record **out, struct err_why *why)
{
	const struct ks_origin origin = {.source = KS_SOURCE_MANUAL,
	    .trust = KS_TRUSTED,
	    .now = (int64_t)time(NULL)};
	struct ks_record *r = NULL;
	struct ks_private row;
	enum ks_admitted what;
	enum err e =
	    ks_admit_pgp(&made->certs.certs[0], &origin, g->arena, &r, why);

	if (e != ERR_OK)
		return e;
	r->domain = g->whom.domain;
	row = row_of(g, r->fpr);
	e = ks_begin(g->store);
	if (e == ERR_OK) {
		e = ks_admit(g->store, r, g->arena, &what);
		if (e == ERR_OK)
			e = ks_private_put(g->store, &row, &g->pub,
			    secret_span(made->keys[0].octets));
		if (e == ERR_OK)
			e = cli_tell_own(g->cli, g->store, KS_EVENT_ADDED, r,
			    SPAN_LIT("generated"));
		if (e == ERR_OK)
			e = ks_commit(g->store);
		else
			ks_rollback(g->store);
	}
	*out = r;
	return e == ERR_OK ? e : err_why(why, e, "keystore: %s", err_text(e));
}

static enum err
tell_pgp(struct generate *g, const struct ks_record *r)
{
	char hex[2 * KS_FPR_MAX + 1], until[CLI_DATE_SIZE];
	struct buf armor;
	enum err e = ERR_OK;

	text_hex(r->fpr, hex);
	cli_date(r->not_after, until);
	if (g->cli->json)
		key_print_json(json_pack("{s:s, s:o}", "result", "generated",
		    "key", key_to_json(r, true)));
	else
		printf("generated openpgp %s %.*s until %s\n", hex,
		    (int)r->addrs[0].len, (const char *)r->addrs[0].data,
		    until);
	if (g->out.fd < 0)
		return ERR_OK;
	buf_init(&armor, 2 * KS_KEY_MAX);
	e = crypto_pgp_armor("PUBLIC KEY BLOCK", r->key, &armor);
	if (e == ERR_OK)
		e = cli_out_write(&g->out, buf_span(&armor));
	buf_clear(&armor);
	return e;
}

static enum err
make_pgp(struct generate *g, struct err_why *why)
{
	struct crypto_pgp_secrets made = {0};
	struct ks_record *r = NULL;
	struct cli_gpg gpg = {0};
	char uid[UID_MAX];
	enum err e = user_id(g, uid, why);

	if (e == ERR_OK)
		e = cli_gpg_open(&gpg, why);
	if (e == ERR_OK)
		e = crypto_pgp_generate(
		    gpg.engine, uid, (uint32_t)g->expires_s, &made, why);
	if (e == ERR_OK)
		e = keep_pgp(g, &made, &r, why);
	if (e == ERR_OK)
		e = tell_pgp(g, r);
	crypto_pgp_secrets_clear(&made);
	cli_gpg_close(&gpg);
	return e;
}

/* --- the verb --- */

static int
generate(struct generate *g)
{
	struct err_why why = {""};
	enum err e = cli_keystore(g->cli, true, &g->store);

	if (e != ERR_OK)
		return cli_status(e);
	e = crypto_private_init();
	if (e == ERR_OK)
		e = cli_seal_public(g->cli, &g->pub, &why);
	if (e == ERR_OK)
		e = g->kind == KS_SMIME ? make_smime(g, &why)
					: make_pgp(g, &why);
	if (e != ERR_OK)
		cli_say("%s", why.text[0] != '\0' ? why.text : err_text(e));
	ks_close(g->store);
	return e == ERR_USAGE ? CLI_USAGE : cli_status(e);
}

static enum err
take_option(struct generate *g, int c)
{
	switch (c) {
	case 'k':
		if (strcmp(optarg, ks_kind_name(KS_OPENPGP)) == 0)
			g->kind = KS_OPENPGP;
		else if (strcmp(optarg, ks_kind_name(KS_SMIME)) != 0)
			return ERR_USAGE;
		return ERR_OK;
	case 'a':
		return crypto_own_alg_by_name(optarg, &g->alg) == ERR_OK
			   ? ERR_OK
			   : ERR_USAGE;
	case 'n':
		g->name = optarg;
		return ERR_OK;
	case 'D':
		g->domain = optarg;
		return ERR_OK;
	case 'e':
		if (strcmp(optarg, "never") == 0)
			g->expires_s = 0;
		else
			return cli_duration(optarg, &g->expires_s);
		return ERR_OK;
	case 'o':
		return cli_out_open(&g->out, optarg, 0644);
	}
	return ERR_USAGE;
}

int
cli_key_generate(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
	    {"kind", required_argument, NULL, 'k'},
	    {"alg", required_argument, NULL, 'a'},
	    {"name", required_argument, NULL, 'n'},
	    {"domain", required_argument, NULL, 'D'},
	    {"expires", required_argument, NULL, 'e'},
	    {"out", required_argument, NULL, 'o'}, {NULL, 0, NULL, 0}};
	struct generate g = {.cli = cli,
	    .kind = KS_SMIME,
	    .alg = CRYPTO_OWN_P256,
	    .expires_s = YEARS * INT64_C(365) * 86400,
	    .out = CLI_OUT_INIT,
	    .arena = arena_new(MEMORY)};
	enum err e = g.arena == NULL ? ERR_NOMEM : ERR_OK;
	int c, status;

	while (e == ERR_OK &&
	       (c = getopt_long(argc, argv, "", options, NULL)) != -1)
		e = take_option(&g, c);
	if (e == ERR_OK)
		e = cli_whom_read(
		    g.domain, argc - optind, argv + optind, g.arena, &g.whom);
	if (e == ERR_OK)
		status = generate(&g);
	else
		status = e == ERR_USAGE ? cli_usage(cli) : cli_status(e);
	cli_out_close(&g.out);
	arena_free(g.arena);
	return status;
}
