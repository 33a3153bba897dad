/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate ca init|issue`: for who may read the master key, with or
 * without a gateway that runs. What belongs together is one commit: a
 * certificate with its private key and the row that can revoke it.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "common/arena.h"
#include "common/file.h"
#include "common/secret.h"
#include "common/text.h"
#include "crypto/cert.h"
#include "crypto/private_key.h"
#include "gateway/cli/ca_private.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/key_private.h"
#include "gateway/conf.h"
#include "keystore/admit.h"
#include "keystore/private.h"

enum { CA_YEARS = 10 };

/* --- keys --- */

static enum err
new_key(enum crypto_own_alg alg, struct secret **octets,
    struct crypto_private **key, struct buf *spki, struct err_why *why)
{
	enum err e = crypto_own_key_new(alg, octets);

	if (e == ERR_OK)
		e = crypto_private_parse(secret_span(*octets), key);
	if (e == ERR_OK)
		e = crypto_own_key_public(*key, spki);
	return e == ERR_OK
		   ? e
		   : err_why(why, e, "no key could be made: %s", err_text(e));
}

static enum err
keep_key(struct ca_run *r, const struct ks_record *record,
    const struct secret *octets)
{
	const struct ks_private row = {.kind = KS_SMIME,
	    .fpr = record->fpr,
	    .added = r->now,
	    .domain = record->domain,
	    .addrs = record->addrs,
	    .n_addrs = record->n_addrs};

	return ks_private_put(
	    r->store, &row, &r->unseal.pub, secret_span(octets));
}

/* What was made, and its certificate where the caller wants it. */
static enum err
tell_record(struct ca_run *r, const char *what, const struct ks_record *record,
    bool has_key)
{
	char hex[2 * KS_FPR_MAX + 1], until[CLI_DATE_SIZE];

	text_hex(record->fpr, hex);
	cli_date(record->not_after, until);
	if (r->cli->json) {
		key_print_json(json_pack("{s:s, s:o}", "result", what, "key",
		    key_to_json(record, has_key)));
	} else {
		printf("%s %s ", what, hex);
		cli_put_text(
		    record->n_addrs > 0 ? record->addrs[0] : record->subject);
		printf(" until %s\n", until);
	}
	return r->out.fd < 0 ? ERR_OK
			     : ca_run_write_pem(r, "CERTIFICATE", record->key);
}

/* --- ca init --- */

/* The certificate of a new CA, its key, and an empty list. */
static enum err
put_ca(struct ca_run *r, const struct secret *octets, struct span der,
    struct ks_record **out, struct err_why *why)
{
	const struct ks_origin origin = {
	    .source = KS_SOURCE_CA, .trust = KS_TRUSTED, .now = r->now};
	struct ks_ca row = {.added = r->now};
	struct ks_record *record;
	enum ks_admitted what;
	struct ks_ca list;
	enum err e = crypto_cert_parse(der, &r->issuer.cert, why);

	if (e == ERR_OK)
		e = ks_admit_cert(
		    r->issuer.cert, &origin, r->arena, &record, why);
	if (e != ERR_OK)
		return e;
	row.fpr = record->fpr;
	r->issuer.record = record;
	e = ks_admit(r->store, record, r->arena, &what);
	if (e == ERR_OK)
		e = keep_key(r, record, octets);
	if (e == ERR_OK)
		e = ks_ca_put(r->store, &row);
	if (e == ERR_OK)
		e = ca_run_put_list(r, &list, why);
	if (e == ERR_OK)
		e = cli_tell_own(r->cli, r->store, KS_EVENT_ADDED, record,
		    SPAN_LIT("a CA of our own was made"));
	if (e == ERR_OK)
		*out = record;
	return e;
}

static enum err
make_ca(struct ca_run *r, struct err_why *why)
{
	struct crypto_issue what = {.profile = CRYPTO_PROFILE_CA,
	    .name = r->name,
	    .not_before = r->now,
	    .not_after = r->now + r->valid_s};
	struct crypto_issuer self = {0};
	struct ks_record *record = NULL;
	struct secret *octets = NULL;
	struct buf spki, der;
	enum err e;

	buf_init(&spki, CRYPTO_SPKI_MAX);
	buf_init(&der, CRYPTO_ISSUED_MAX);
	if (what.name == NULL)
		what.name = arena_printf(r->arena, "%s CA", r->conf->hostname);
	e = what.name == NULL || strlen(what.name) > CRYPTO_CN_MAX
		? err_why(why, ERR_TOO_BIG,
		      "the name of a CA has at most %d octets: --name",
		      CRYPTO_CN_MAX)
		: new_key(r->alg, &octets, &r->key, &spki, why);
	if (e == ERR_OK) {
		self.key = crypto_private_pkey(r->key);
		what.spki = buf_span(&spki);
		e = crypto_issue_cert(&what, &self, &der, why);
	}
	if (e == ERR_OK)
		e = ks_begin(r->store);
	if (e == ERR_OK)
		e = ca_run_finish(
		    r, put_ca(r, octets, buf_span(&der), &record, why), why);
	if (e == ERR_OK)
		e = tell_record(r, "made", record, true);
	secret_free(octets);
	buf_clear(&spki);
	buf_clear(&der);
	return e;
}

/* --- ca issue --- */

static enum err
read_request(struct ca_run *r, struct buf *spki, struct err_why *why)
{
	struct buf in;
	enum err e;

	buf_init(&in, CRYPTO_CSR_MAX);
	e = file_read_all(r->csr_fd, &in);
	if (e == ERR_OK)
		e = crypto_csr_read(buf_span(&in), spki, why);
	else
		err_why(why, e, "%s: %s", r->csr, err_text(e));
	buf_clear(&in);
	return e;
}

static enum err
put_issued(
    struct ca_run *r, const struct ca_made *made, const struct secret *octets)
{
	enum err e = ca_keep(r->store, made, r->arena);

	if (e == ERR_OK && octets != NULL)
		e = keep_key(r, made->record, octets);
	return e == ERR_OK ? cli_tell_own(r->cli, r->store, KS_EVENT_ADDED,
				 made->record, SPAN_LIT("issued"))
			   : e;
}

static enum err
issue(struct ca_run *r, const struct cli_whom *whom, struct err_why *why)
{
	struct ca_request ask = {.profile = r->profile,
	    .name = r->name,
	    .addrs = whom->addrs,
	    .n_addrs = whom->n_addrs,
	    .domain = whom->domain,
	    .now = r->now,
	    .automatic = r->csr == NULL && r->profile == CRYPTO_PROFILE_BOTH &&
			 (r->renew || whom->domain.len > 0),
	    .valid_s =
		r->valid_s > 0 ? r->valid_s : (int64_t)r->conf->ca.validity_s};
	struct crypto_private *key = NULL;
	struct secret *octets = NULL;
	struct ca_made made = {0};
	struct buf spki;
	enum err e = ca_run_find_named_issuer(r, why);

	buf_init(&spki, CRYPTO_SPKI_MAX);
	if (e == ERR_OK)
		e = r->csr != NULL ? read_request(r, &spki, why)
				   : new_key(r->alg, &octets, &key, &spki, why);
	ask.spki = buf_span(&spki);
	if (e == ERR_OK)
		e = ca_make(r->conf, &r->issuer, crypto_private_pkey(r->key),
		    &ask, r->arena, &made, why);
	if (e == ERR_OK)
		e = ks_begin(r->store);
	if (e == ERR_OK)
		e = ca_run_finish(r, put_issued(r, &made, octets), why);
	if (e == ERR_OK)
		e = tell_record(r, "issued", made.record, octets != NULL);
	ca_made_clear(&made);
	crypto_private_free(key);
	secret_free(octets);
	buf_clear(&spki);
	return e;
}

/* --- the verbs --- */

int
cli_ca_init(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
	    {"name", required_argument, NULL, 'n'},
	    {"alg", required_argument, NULL, 'a'},
	    {"valid", required_argument, NULL, 'v'},
	    {"out", required_argument, NULL, 'o'}, {NULL, 0, NULL, 0}};
	struct ca_run r = CA_RUN_INIT(cli);
	struct err_why why = {""};
	enum err e = ca_run_options(&r, argc, argv, options);
	int status;

	if (e == ERR_OK && optind < argc)
		e = ERR_USAGE;
	if (e != ERR_OK)
		return ca_run_wrong(&r, e);
	if (r.valid_s == 0)
		r.valid_s = CA_YEARS * INT64_C(365) * 86400;
	e = ca_run_begin(&r, &why);
	if (e == ERR_OK)
		e = make_ca(&r, &why);
	status = ca_run_tell(e, &why);
	ca_run_end(&r);
	return status;
}

int
cli_ca_issue(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
	    {"ca", required_argument, NULL, 'c'},
	    {"profile", required_argument, NULL, 'p'},
	    {"alg", required_argument, NULL, 'a'},
	    {"name", required_argument, NULL, 'n'},
	    {"domain", required_argument, NULL, 'D'},
	    {"csr", required_argument, NULL, 'R'},
	    {"renew", no_argument, NULL, 'N'},
	    {"valid", required_argument, NULL, 'v'},
	    {"out", required_argument, NULL, 'o'}, {NULL, 0, NULL, 0}};
	struct ca_run r = CA_RUN_INIT(cli);
	struct cli_whom whom = {0};
	struct err_why why = {""};
	enum err e = ca_run_options(&r, argc, argv, options);
	int status;

	if (e == ERR_OK)
		e = cli_whom_read(
		    r.domain, argc - optind, argv + optind, r.arena, &whom);
	/* a new key is made for it then, for one address or one domain */
	if (e == ERR_OK && r.renew &&
	    (r.csr != NULL || whom.n_addrs != 1 ||
		r.profile != CRYPTO_PROFILE_BOTH))
		e = ERR_USAGE;
	if (e != ERR_OK)
		return ca_run_wrong(&r, e);
	e = ca_run_begin(&r, &why);
	if (e == ERR_OK)
		e = issue(&r, &whom, &why);
	status = ca_run_tell(e, &why);
	ca_run_end(&r);
	return status;
}
