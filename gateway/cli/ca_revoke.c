/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate ca revoke|crl`: a revocation and the list that tells of it are one
 * commit.
 */
#include <getopt.h>
#include <stdio.h>

#include "common/arena.h"
#include "crypto/private_key.h"
#include "gateway/cli/ca_private.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/key_private.h"

struct find {
	struct ca_run *r;
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
mark_record(struct ca_run *r, struct span fpr)
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
put_revoked(struct ca_run *r, struct ks_issued *i, struct err_why *why)
{
	struct ks_ca list;
	enum err e;

	i->revoked_at = r->now;
	i->reason = (uint8_t)r->reason;
	e = ks_issued_put(r->store, i);
	if (e == ERR_OK)
		e = mark_record(r, i->fpr);
	return e == ERR_OK ? ca_run_put_list(r, &list, why) : e;
}

static enum err
revoke_one(struct ca_run *r, const char *name, struct err_why *why)
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
		e = ca_run_find_issuer(r, f.found->ca, why);
	if (e == ERR_OK)
		e = ks_begin(r->store);
	if (e == ERR_OK)
		e = ca_run_finish(r, put_revoked(r, f.found, why), why);
	if (e == ERR_OK && !r->cli->json)
		printf("revoked %s\n", name);
	crypto_private_free(r->key);
	r->key = NULL;
	ca_clear(&r->issuer);
	return e;
}

static enum err
make_list(struct ca_run *r, struct err_why *why)
{
	struct ks_ca list;
	enum err e = ca_run_find_named_issuer(r, why);

	if (e == ERR_OK)
		e = ks_begin(r->store);
	if (e == ERR_OK)
		e = ca_run_finish(r, ca_run_put_list(r, &list, why), why);
	return e == ERR_OK ? ca_run_write_pem(r, "X509 CRL", list.crl) : e;
}

int
cli_ca_revoke(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
	    {"reason", required_argument, NULL, 'r'}, {NULL, 0, NULL, 0}};
	struct ca_run r = CA_RUN_INIT(cli);
	struct err_why why = {""};
	enum err e = ca_run_options(&r, argc, argv, options);
	int status;

	if (e == ERR_OK && optind == argc)
		e = ERR_USAGE;
	if (e != ERR_OK)
		return ca_run_wrong(&r, e);
	e = ca_run_begin(&r, &why);
	for (int i = optind; i < argc && e == ERR_OK; i++)
		e = revoke_one(&r, argv[i], &why);
	status = ca_run_tell(e, &why);
	ca_run_end(&r);
	return status;
}

int
cli_ca_crl(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
	    {"ca", required_argument, NULL, 'c'},
	    {"out", required_argument, NULL, 'o'}, {NULL, 0, NULL, 0}};
	struct ca_run r = CA_RUN_INIT(cli);
	struct err_why why = {""};
	enum err e = ca_run_options(&r, argc, argv, options);
	int status;

	if (e == ERR_OK && optind < argc)
		e = ERR_USAGE;
	if (e != ERR_OK)
		return ca_run_wrong(&r, e);
	e = ca_run_begin(&r, &why);
	if (e == ERR_OK)
		e = make_list(&r, &why);
	status = ca_run_tell(e, &why);
	ca_run_end(&r);
	return status;
}
