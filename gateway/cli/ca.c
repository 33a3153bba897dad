/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate ca init|issue|revoke|crl`: for who may read the master key, with or
 * without a gateway that runs. What belongs together is one commit: a
 * certificate with its private key and the row that can revoke it, a revocation
 * with the list that tells of it. Output is written after the commit.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "common/arena.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/secret.h"
#include "common/text.h"
#include "crypto/cert.h"
#include "crypto/own_key.h"
#include "crypto/private_key.h"
#include "gateway/ca.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/key_private.h"
#include "gateway/cli/own.h"
#include "gateway/cli/unseal.h"
#include "gateway/conf.h"
#include "keystore/admit.h"
#include "keystore/private.h"

enum {
	MEMORY = 128 << 20, /* octets: lists of revoked certificates */
	CA_YEARS = 10,
};

/* One run of a verb. */
struct run {
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
	int64_t valid_s; /* 0: as configured */
	int64_t now;
	struct cli_out out;
	struct cli_unseal unseal;
	struct ks_store *store;
	struct arena *arena;
	struct ca issuer;
	struct crypto_private *key; /* of the issuer */
};

/* --- beginning and end --- */

/* Files first, then root is given up, then all that is secret is read. */
static enum err
begin(struct run *r, struct err_why *why)
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

static void
end(struct run *r)
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
static enum err
find_issuer(struct run *r, struct span fpr, struct err_why *why)
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

static enum err
find_named_issuer(struct run *r, struct err_why *why)
{
	uint8_t fpr[KS_FPR_MAX];
	size_t len = 0;
	enum err e =
	    r->ca == NULL ? ERR_OK : key_find(r->store, r->ca, fpr, &len);

	return e == ERR_OK ? find_issuer(r, SPAN(fpr, len), why) : e;
}

/* Commit, or give up all of it. */
static enum err
finish(struct run *r, enum err e, struct err_why *why)
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

static int
tell_status(enum err e, const struct err_why *why)
{
	if (e != ERR_OK && why->text[0] != '\0')
		cli_say("%s", why->text);
	return e == ERR_USAGE ? CLI_USAGE : cli_status(e);
}

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
keep_key(
    struct run *r, const struct ks_record *record, const struct secret *octets)
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

static enum err
write_pem(struct run *r, const char *label, struct span der)
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

/* What was made, and its certificate where the caller wants it. */
static enum err
tell_record(struct run *r, const char *what, const struct ks_record *record,
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
			     : write_pem(r, "CERTIFICATE", record->key);
}

/* --- lists --- */

/* A new list of the issuer into the transaction. */
static enum err
put_list(struct run *r, struct ks_ca *out, struct err_why *why)
{
	enum err e =
	    ca_make_list(r->store, &r->issuer, crypto_private_pkey(r->key),
		r->now, (int64_t)r->conf->ca.crl_s, r->arena, out, why);

	if (e == ERR_OK)
		e = ks_ca_put(r->store, out);
	return e;
}

static enum err
make_list(struct run *r, struct err_why *why)
{
	struct ks_ca list;
	enum err e = find_named_issuer(r, why);

	if (e == ERR_OK)
		e = ks_begin(r->store);
	if (e == ERR_OK)
		e = finish(r, put_list(r, &list, why), why);
	return e == ERR_OK ? write_pem(r, "X509 CRL", list.crl) : e;
}

/* --- ca init --- */

/* The certificate of a new CA, its key, and an empty list. */
static enum err
put_ca(struct run *r, const struct secret *octets, struct span der,
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
		e = put_list(r, &list, why);
	if (e == ERR_OK)
		e = cli_tell_own(r->cli, r->store, KS_EVENT_ADDED, record,
		    SPAN_LIT("a CA of our own was made"));
	if (e == ERR_OK)
		*out = record;
	return e;
}

static enum err
make_ca(struct run *r, struct err_why *why)
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
		e = finish(
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
read_request(struct run *r, struct buf *spki, struct err_why *why)
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
    struct run *r, const struct ca_made *made, const struct secret *octets)
{
	enum err e = ca_keep(r->store, made, r->arena);

	if (e == ERR_OK && octets != NULL)
		e = keep_key(r, made->record, octets);
	return e == ERR_OK ? cli_tell_own(r->cli, r->store, KS_EVENT_ADDED,
				 made->record, SPAN_LIT("issued"))
			   : e;
}

static enum err
issue(struct run *r, const struct cli_whom *whom, struct err_why *why)
{
	struct ca_request ask = {.profile = r->profile,
	    .name = r->name,
	    .addrs = whom->addrs,
	    .n_addrs = whom->n_addrs,
	    .domain = whom->domain,
	    .now = r->now,
	    .valid_s =
		r->valid_s > 0 ? r->valid_s : (int64_t)r->conf->ca.validity_s};
	struct crypto_private *key = NULL;
	struct secret *octets = NULL;
	struct ca_made made = {0};
	struct buf spki;
	enum err e = find_named_issuer(r, why);

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
		e = finish(r, put_issued(r, &made, octets), why);
	if (e == ERR_OK)
		e = tell_record(r, "issued", made.record, octets != NULL);
	ca_made_clear(&made);
	crypto_private_free(key);
	secret_free(octets);
	buf_clear(&spki);
	return e;
}

/* --- ca revoke --- */

struct find {
	struct run *r;
	struct span fpr;
	struct span ca; /* the one whose certificates are looked through */
	struct ks_issued *found;
};

static enum err
is_it(void *ctx, const struct ks_issued *i)
{
	struct find *f = ctx;
	struct ks_issued *copy;
	enum err e;

	if (!span_eq(i->fpr, f->fpr))
		return ERR_OK;
	copy = arena_alloc(f->r->arena, sizeof(*copy));
	if (copy == NULL)
		return ERR_NOMEM;
	*copy = *i;
	e = arena_span(f->r->arena, i->ca, &copy->ca);
	if (e == ERR_OK)
		e = arena_span(f->r->arena, i->serial, &copy->serial);
	if (e == ERR_OK)
		e = arena_span(f->r->arena, i->fpr, &copy->fpr);
	if (e == ERR_OK)
		f->found = copy;
	return e;
}

static enum err
look_through(void *ctx, const struct ks_ca *ca)
{
	struct find *f = ctx;

	return f->found != NULL
		   ? ERR_OK
		   : ks_issued_each(f->r->store, ca->fpr, is_it, f);
}

/* Nobody seals to it or signs with it any more; its private key stays, there
   is mail to open. */
static enum err
mark_record(struct run *r, struct span fpr)
{
	struct ks_record *record;
	enum err e = ks_get(r->store, fpr, r->arena, &record);

	if (e != ERR_OK)
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	record->flaw = KS_FLAW_REVOKED;
	record->flaw_text = SPAN_LIT("revoked by its CA");
	e = ks_put(r->store, record);
	return e == ERR_OK
		   ? cli_tell_own(r->cli, r->store, KS_EVENT_UPDATED, record,
			 span_str(arena_printf(r->arena, "revoked: %s",
			     crypto_reason_name(r->reason))))
		   : e;
}

static enum err
put_revoked(struct run *r, struct ks_issued *i, struct err_why *why)
{
	struct ks_ca list;
	enum err e;

	i->revoked_at = r->now;
	i->reason = (uint8_t)r->reason;
	e = ks_issued_put(r->store, i);
	if (e == ERR_OK)
		e = mark_record(r, i->fpr);
	return e == ERR_OK ? put_list(r, &list, why) : e;
}

static enum err
revoke_one(struct run *r, const char *name, struct err_why *why)
{
	struct find f = {.r = r};
	uint8_t fpr[KS_FPR_MAX];
	size_t len = 0;
	enum err e = key_find(r->store, name, fpr, &len);

	f.fpr = SPAN(fpr, len);
	if (e == ERR_OK)
		e = ks_ca_each(r->store, look_through, &f);
	if (e == ERR_OK && f.found == NULL)
		e = err_why(why, ERR_NOT_FOUND,
		    "%s: no CA of this gateway issued it", name);
	if (e == ERR_OK && f.found->revoked_at != 0)
		e = err_why(why, ERR_EXISTS, "%s: it is revoked already", name);
	if (e == ERR_OK)
		e = find_issuer(r, f.found->ca, why);
	if (e == ERR_OK)
		e = ks_begin(r->store);
	if (e == ERR_OK)
		e = finish(r, put_revoked(r, f.found, why), why);
	if (e == ERR_OK && !r->cli->json)
		printf("revoked %s\n", name);
	crypto_private_free(r->key);
	r->key = NULL;
	ca_clear(&r->issuer);
	return e;
}

/* --- the verbs --- */

static enum err
open_request(struct run *r)
{
	r->csr = optarg;
	r->csr_fd = open(optarg, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (r->csr_fd >= 0)
		return ERR_OK;
	cli_say("%s: %s", optarg, strerror(errno));
	return err_from_errno(errno);
}

static enum err
take_option(struct run *r, int c)
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
	case 'o':
		return cli_out_open(&r->out, optarg, 0644);
	}
	return ERR_USAGE;
}

#define RUN_INIT(c)                                                            \
	{                                                                      \
		.cli = (c), .csr_fd = -1, .alg = CRYPTO_OWN_P256,              \
		.profile = CRYPTO_PROFILE_BOTH, .out = CLI_OUT_INIT,           \
		.unseal = CLI_UNSEAL_INIT, .arena = arena_new(MEMORY)          \
	}

static enum err
take_options(struct run *r, int argc, char **argv, const struct option *options)
{
	enum err e = r->arena == NULL ? ERR_NOMEM : ERR_OK;
	int c;

	while (e == ERR_OK &&
	       (c = getopt_long(argc, argv, "", options, NULL)) != -1)
		e = take_option(r, c);
	return e;
}

static int
wrong_options(struct run *r, enum err e)
{
	int status = e == ERR_USAGE ? cli_usage(r->cli) : cli_status(e);

	end(r);
	return status;
}

int
cli_ca_init(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
	    {"name", required_argument, NULL, 'n'},
	    {"alg", required_argument, NULL, 'a'},
	    {"valid", required_argument, NULL, 'v'},
	    {"out", required_argument, NULL, 'o'}, {NULL, 0, NULL, 0}};
	struct run r = RUN_INIT(cli);
	struct err_why why = {""};
	enum err e = take_options(&r, argc, argv, options);
	int status;

	if (e == ERR_OK && optind < argc)
		e = ERR_USAGE;
	if (e != ERR_OK)
		return wrong_options(&r, e);
	if (r.valid_s == 0)
		r.valid_s = CA_YEARS * INT64_C(365) * 86400;
	e = begin(&r, &why);
	if (e == ERR_OK)
		e = make_ca(&r, &why);
	status = tell_status(e, &why);
	end(&r);
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
	    {"valid", required_argument, NULL, 'v'},
	    {"out", required_argument, NULL, 'o'}, {NULL, 0, NULL, 0}};
	struct run r = RUN_INIT(cli);
	struct cli_whom whom = {0};
	struct err_why why = {""};
	enum err e = take_options(&r, argc, argv, options);
	int status;

	if (e == ERR_OK)
		e = cli_whom_read(
		    r.domain, argc - optind, argv + optind, r.arena, &whom);
	if (e != ERR_OK)
		return wrong_options(&r, e);
	e = begin(&r, &why);
	if (e == ERR_OK)
		e = issue(&r, &whom, &why);
	status = tell_status(e, &why);
	end(&r);
	return status;
}

int
cli_ca_revoke(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
	    {"reason", required_argument, NULL, 'r'}, {NULL, 0, NULL, 0}};
	struct run r = RUN_INIT(cli);
	struct err_why why = {""};
	enum err e = take_options(&r, argc, argv, options);
	int status;

	if (e == ERR_OK && optind == argc)
		e = ERR_USAGE;
	if (e != ERR_OK)
		return wrong_options(&r, e);
	e = begin(&r, &why);
	for (int i = optind; i < argc && e == ERR_OK; i++)
		e = revoke_one(&r, argv[i], &why);
	status = tell_status(e, &why);
	end(&r);
	return status;
}

int
cli_ca_crl(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
	    {"ca", required_argument, NULL, 'c'},
	    {"out", required_argument, NULL, 'o'}, {NULL, 0, NULL, 0}};
	struct run r = RUN_INIT(cli);
	struct err_why why = {""};
	enum err e = take_options(&r, argc, argv, options);
	int status;

	if (e == ERR_OK && optind < argc)
		e = ERR_USAGE;
	if (e != ERR_OK)
		return wrong_options(&r, e);
	e = begin(&r, &why);
	if (e == ERR_OK)
		e = make_list(&r, &why);
	status = tell_status(e, &why);
	end(&r);
	return status;
}
