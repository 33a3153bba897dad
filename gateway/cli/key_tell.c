/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What `sealgate key import` says: a line for each key, or a bar while there
 * are many, and at the end how many and everything that was refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/text.h"
#include "crypto/openpgp_secret.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/key_import.h"
#include "gateway/cli/key_private.h"
#include "keystore/history.h"

enum {
	BAR_WIDTH = 30,
	BAR_EVERY_MS = 100,
};

static const char *
admitted_text(enum ks_admitted a)
{
	switch (a) {
	case KS_REFUSED:
		return "refused";
	case KS_ADDED:
		return "imported";
	case KS_UPDATED:
		return "updated";
	case KS_STAYS_DISTRUSTED:
		return "updated, stays distrusted";
	case KS_STAYS_REVOKED:
		return "not changed, stays revoked";
	}
	return "refused";
}

/* What the administrator should know at once about a key taken in. */
static struct span
remark(const struct ks_record *r, int64_t now)
{
	if (r->flaw != KS_FLAW_NONE && !(r->good_for & KS_GOOD_ISSUE))
		return r->flaw_text;
	if (r->not_after != 0 && r->not_after <= now)
		return SPAN_LIT("expired");
	if (r->n_addrs == 0 && !(r->good_for & KS_GOOD_ISSUE))
		return SPAN_LIT("no mail address in it");
	return SPAN(NULL, 0);
}

void
key_import_tell(struct key_import *im, const char *file,
    const struct ks_record *r, enum ks_admitted what)
{
	struct span note = remark(r, im->origin.now);
	char hex[2 * KS_FPR_MAX + 1];

	im->n_kept++;
	im->n_new += what == KS_ADDED;
	if (im->bulk)
		return;
	if (im->cli->json) {
		json_t *j = key_to_json(r, im->with_private != NULL);

		json_object_set_new(j, "file", cli_json_text(span_str(file)));
		json_object_set_new(
		    j, "result", json_string(admitted_text(what)));
		json_object_set_new(j, "remark", cli_json_text(note));
		json_array_append_new(im->imported, j);
		return;
	}
	text_hex(r->fpr, hex);
	printf("%s %s %s ", admitted_text(what), ks_kind_name(r->kind), hex);
	cli_put_text(r->n_addrs > 0 ? r->addrs[0] : r->subject);
	if (r->n_addrs > 1)
		printf(" and %zu more", r->n_addrs - 1);
	if ((r->good_for & KS_GOOD_ISSUE) && r->trust >= KS_TRUSTED)
		printf(" (anchor)");
	if (im->with_private != NULL)
		printf(" (with its private key)");
	if (note.len > 0) {
		printf(" (");
		cli_put_text(note);
		putchar(')');
	}
	putchar('\n');
}

void
key_import_tell_secret(struct key_import *im, const char *file,
    const struct crypto_pgp_secret *key)
{
	bool signs = key->sign_err == ERR_OK;
	char until[CLI_DATE_SIZE];

	im->n_kept++;
	if (im->bulk)
		return;
	cli_date(key->sign_until, until);
	if (im->cli->json)
		json_array_append_new(im->imported,
		    json_pack("{s:o, s:s, s:s, s:s, s:b, s:s, s:I}", "file",
			cli_json_text(span_str(file)), "result", "imported",
			"secret", "openpgp", "fingerprint", key->fpr_hex,
			"signs", signs, "alg", key->sign_alg, "until",
			(json_int_t)key->sign_until));
	else if (signs)
		printf("imported secret openpgp %s (signs with %s, until %s)\n",
		    key->fpr_hex, key->sign_alg, until);
	else
		printf("imported secret openpgp %s (opens mail, does not sign: "
		       "%s)\n",
		    key->fpr_hex, key->sign_why.text);
}

void
key_import_refuse(
    struct key_import *im, const char *file, enum err e, const char *why)
{
	const char *text = why[0] != '\0' ? why : err_text(e);
	json_t *j =
	    json_pack("{s:o, s:s, s:o}", "file", cli_json_text(span_str(file)),
		"error", err_name(e), "why", cli_json_text(span_str(text)));

	json_array_append_new(im->refused, j);
	if (im->cli->json || im->bulk)
		return;
	printf("refused %s: ", file);
	cli_put_text(span_str(text));
	putchar('\n');
}

/* --- how far it is --- */

static void
draw(const struct key_import *im, uint64_t at)
{
	int full =
	    im->total == 0 ? BAR_WIDTH : (int)(at * BAR_WIDTH / im->total);

	if (full > BAR_WIDTH)
		full = BAR_WIDTH;
	fprintf(stderr, "\r[%.*s%.*s] %3d %%  %ju keys, %zu refused", full,
	    "##############################", BAR_WIDTH - full,
	    "                              ",
	    (int)(im->total == 0 ? 100 : at * 100 / im->total),
	    (uintmax_t)im->n_kept, json_array_size(im->refused));
	fflush(stderr);
}

void
key_import_at(struct key_import *im, uint64_t in_file)
{
	uint64_t now;

	if (!im->bar)
		return;
	now = clock_steady_ms();
	if (now - im->drawn_ms < BAR_EVERY_MS)
		return;
	im->drawn_ms = now;
	draw(im, im->done + in_file);
}

void
key_import_summary(struct key_import *im)
{
	size_t i;
	json_t *j;

	if (im->bar) {
		draw(im, im->total);
		fputc('\n', stderr);
	}
	if (im->cli->json) {
		key_print_json(json_pack("{s:O, s:O, s:I, s:I}", "imported",
		    im->imported, "refused", im->refused, "kept",
		    (json_int_t)im->n_kept, "new", (json_int_t)im->n_new));
		return;
	}
	if (!im->bulk)
		return;
	printf("%ju imported, %ju of them new; %zu refused%s\n",
	    (uintmax_t)im->n_kept, (uintmax_t)im->n_new,
	    json_array_size(im->refused),
	    json_array_size(im->refused) > 0 ? ":" : "");
	json_array_foreach(im->refused, i, j)
	{
		printf("  %s: ", json_string_value(json_object_get(j, "file")));
		cli_put_text(
		    span_str(json_string_value(json_object_get(j, "why"))));
		putchar('\n');
	}
}
