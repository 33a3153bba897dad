/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Keys as tables, as lines and as JSON. What is in a key was written by
 * strangers: it goes out through cli_put_text() and libsmartcols, which escape.
 */
#include "gateway/cli/key_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <libsmartcols/libsmartcols.h>

#include "common/text.h"
#include "gateway/cli/cli.h"

enum {
	FPR_SHOWN = 16, /* digits in a table: enough to name a key by */
	HEX_SIZE = 2 * KS_FPR_MAX + 1,
	CELL_SIZE = 512,
};

struct key_table {
	struct libscols_table *table;
};

enum {
	COL_FPR,
	COL_KIND,
	COL_PRIVATE,
	COL_TRUST,
	COL_UNTIL,
	COL_STATE,
	COL_ALG,
	COL_ADDRS,
	COL_COUNT
};

static const struct {
	const char *name;
	int flags;
} columns[COL_COUNT] = {
    [COL_FPR] = {"FINGERPRINT", 0},
    [COL_KIND] = {"KIND", 0},
    [COL_PRIVATE] = {"PRIVATE", 0},
    [COL_TRUST] = {"TRUST", 0},
    [COL_UNTIL] = {"UNTIL", 0},
    [COL_STATE] = {"STATE", 0},
    [COL_ALG] = {"ALGORITHM", 0},
    [COL_ADDRS] = {"ADDRESSES", SCOLS_FL_TRUNC},
};

struct key_table *
key_table_new(void)
{
	struct key_table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		fatal("out of memory");
	t->table = scols_new_table();
	if (t->table == NULL)
		fatal("out of memory");
	for (size_t i = 0; i < COL_COUNT; i++)
		if (scols_table_new_column(
			t->table, columns[i].name, 0, columns[i].flags) == NULL)
			fatal("out of memory");
	return t;
}

static void
hex_of(struct span fpr, char out[HEX_SIZE])
{
	out[0] = '\0';
	if (fpr.len <= KS_FPR_MAX)
		text_hex(fpr, out);
}

/* The addresses, or for a CA its name. */
static void
put_addrs(const struct ks_record *r, struct buf *out)
{
	enum err e = ERR_OK;

	for (size_t i = 0; i < r->n_addrs && e == ERR_OK; i++) {
		if (i > 0)
			e = buf_puts(out, ", ");
		if (e == ERR_OK)
			e = buf_put(out, r->addrs[i]);
	}
	if (r->n_addrs == 0 && e == ERR_OK)
		e = buf_put(out, r->subject);
	/* What does not fit would not fit a terminal either. */
	if (e != ERR_OK && out->len + 3 <= out->max)
		(void)!buf_puts(out, "...");
}

static const char *
trust_text(const struct ks_record *r)
{
	if (r->trust >= KS_TRUSTED && (r->good_for & KS_GOOD_ISSUE))
		return "anchor";
	return ks_trust_name(r->trust);
}

static int
set_cell(struct libscols_line *line, size_t col, struct span text)
{
	char *copy = calloc(1, text.len + 1);

	if (copy == NULL)
		return -1;
	if (text.len > 0)
		memcpy(copy, text.data, text.len);
	return scols_line_refer_data(line, col, copy);
}

enum err
key_table_add(struct key_table *t, const struct ks_record *r, bool has_private,
    const char *state)
{
	struct libscols_line *line = scols_table_new_line(t->table, NULL);
	char hex[HEX_SIZE], date[CLI_DATE_SIZE];
	struct buf addrs;
	int rc;

	if (line == NULL)
		return ERR_NOMEM;
	hex_of(r->fpr, hex);
	cli_date(r->not_after, date);
	buf_init(&addrs, CELL_SIZE);
	put_addrs(r, &addrs);
	rc = set_cell(line, COL_FPR, SPAN(hex, FPR_SHOWN));
	rc |= set_cell(line, COL_KIND, span_str(ks_kind_name(r->kind)));
	rc |= set_cell(
	    line, COL_PRIVATE, has_private ? SPAN_LIT("yes") : SPAN(NULL, 0));
	rc |= set_cell(line, COL_TRUST, span_str(trust_text(r)));
	rc |= set_cell(line, COL_UNTIL, span_str(date));
	rc |= set_cell(line, COL_STATE, span_str(state));
	rc |= set_cell(line, COL_ALG, r->alg);
	rc |= set_cell(line, COL_ADDRS, buf_span(&addrs));
	buf_clear(&addrs);
	return rc == 0 ? ERR_OK : ERR_NOMEM;
}

void
key_table_print(struct key_table *t)
{
	scols_print_table(t->table);
}

void
key_table_free(struct key_table *t)
{
	if (t == NULL)
		return;
	scols_unref_table(t->table);
	free(t);
}

static void
put_line(const char *name, struct span text)
{
	if (text.len == 0)
		return;
	printf("%-12s ", name);
	cli_put_text(text);
	putchar('\n');
}

static const char *
use_text(const struct ks_record *r)
{
	if (r->good_for & KS_GOOD_SEAL)
		return (r->good_for & KS_GOOD_ISSUE)
			   ? "sealing, issuing certificates"
			   : "sealing";
	return (r->good_for & KS_GOOD_ISSUE) ? "issuing certificates"
					     : "nothing";
}

/* Everybody who brought it: agreement is worth seeing. */
static void
put_sources(const struct ks_record *r)
{
	const char *gap = "";

	printf("%-12s ", "brought by");
	for (int i = KS_SOURCE_MANUAL; i <= KS_SOURCE_HARVEST; i++) {
		if ((r->sources & ks_source_bit((enum ks_source)i)) == 0)
			continue;
		printf("%s%s", gap, ks_source_name((enum ks_source)i));
		gap = ", ";
	}
	putchar('\n');
}

void
key_print(const struct ks_record *r, bool has_private)
{
	char hex[HEX_SIZE], date[CLI_DATE_SIZE];

	hex_of(r->fpr, hex);
	printf("%-12s %s\n", "fingerprint", hex);
	printf("%-12s %s\n", "kind", ks_kind_name(r->kind));
	printf("%-12s %s\n", "trust", trust_text(r));
	printf("%-12s %s\n", "source", ks_source_name(r->source));
	if ((r->sources & ~ks_source_bit(r->source)) != 0)
		put_sources(r);
	put_line("url", r->url);
	for (size_t i = 0; i < r->n_addrs; i++)
		put_line("address", r->addrs[i]);
	put_line("domain", r->domain);
	put_line("subject", r->subject);
	put_line("issuer", r->issuer_text);
	put_line("algorithm", r->alg);
	printf("%-12s %s\n", "good for", use_text(r));
	if (has_private)
		printf("%-12s %s\n", "private key", "sealed, in the keystore");
	put_line(r->flaw == KS_FLAW_REVOKED ? "revoked" : "note", r->flaw_text);
	cli_date(r->not_before, date);
	printf("%-12s %s\n", "from", date);
	cli_date(r->not_after, date);
	printf("%-12s %s\n", "until", date);
	cli_date(r->added, date);
	printf("%-12s %s\n", "added", date);
}

struct json_t *
key_to_json(const struct ks_record *r, bool has_private)
{
	json_t *addrs = json_array(), *sources = json_array(), *j;
	char hex[HEX_SIZE];

	hex_of(r->fpr, hex);
	for (size_t i = 0; i < r->n_addrs; i++)
		json_array_append_new(addrs, cli_json_text(r->addrs[i]));
	j = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, "
		      "s:b, s:b, s:b, s:b, s:o, s:I, s:I, s:I}",
	    "fingerprint", hex, "kind", ks_kind_name(r->kind), "trust",
	    ks_trust_name(r->trust), "source", ks_source_name(r->source), "url",
	    cli_json_text(r->url), "addresses", addrs, "domain",
	    cli_json_text(r->domain), "subject", cli_json_text(r->subject),
	    "issuer", cli_json_text(r->issuer_text), "algorithm",
	    cli_json_text(r->alg), "seals", (r->good_for & KS_GOOD_SEAL) != 0,
	    "issues", (r->good_for & KS_GOOD_ISSUE) != 0, "revoked",
	    r->flaw == KS_FLAW_REVOKED, "private", has_private, "note",
	    cli_json_text(r->flaw_text), "not_before",
	    (json_int_t)r->not_before, "not_after", (json_int_t)r->not_after,
	    "added", (json_int_t)r->added);
	for (int k = KS_SOURCE_MANUAL; k <= KS_SOURCE_HARVEST; k++)
		if ((r->sources & ks_source_bit((enum ks_source)k)) != 0)
			json_array_append_new(sources,
			    json_string(ks_source_name((enum ks_source)k)));
	json_object_set_new(j, "sources", sources);
	return j;
}

void
key_result_print(const char *addr, enum ks_kind kind, const struct ks_result *r)
{
	char hex[HEX_SIZE], date[CLI_DATE_SIZE];

	printf("%s %s: %s%s%s\n", addr, ks_kind_name(kind),
	    ks_state_name(r->state), r->err == ERR_OK ? "" : ", ",
	    r->err == ERR_OK ? "" : err_text(r->err));
	for (size_t i = 0; i < r->n; i++) {
		const struct ks_candidate *c = &r->candidate[i];

		hex_of(c->record->fpr, hex);
		cli_date(c->record->not_after, date);
		printf("  %c %.*s %s, %s, until %s: ",
		    c->record == r->chosen ? '*' : '-', FPR_SHOWN, hex,
		    ks_trust_name(c->record->trust),
		    ks_source_name(c->record->source), date);
		cli_put_text(
		    span_str(c->record == r->chosen ? "chosen" : c->why));
		putchar('\n');
	}
	if (r->n_more > 0)
		printf("  and %zu more\n", r->n_more);
}

struct json_t *
key_result_json(const char *addr, enum ks_kind kind, const struct ks_result *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->n; i++) {
		const struct ks_candidate *c = &r->candidate[i];
		json_t *j = key_to_json(c->record, false);

		json_object_set_new(
		    j, "chosen", json_boolean(c->record == r->chosen));
		json_object_set_new(
		    j, "verdict", json_string(err_name(c->verdict)));
		json_object_set_new(j, "why", json_string(c->why));
		json_array_append_new(list, j);
	}
	return json_pack("{s:o, s:s, s:s, s:s, s:o, s:I}", "address",
	    cli_json_text(span_str(addr)), "kind", ks_kind_name(kind), "state",
	    ks_state_name(r->state), "error", err_name(r->err), "candidates",
	    list, "more", (json_int_t)r->n_more);
}

void
key_print_json(struct json_t *json)
{
	if (json == NULL)
		fatal("out of memory");
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(json);
}
