/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate key list|show|lookup`. How keys come in is key_import.c's, how they
 * are changed key_change.c's, how they are printed key_print.c's.
 */
#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "common/arena.h"
#include "common/text.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/key_private.h"
#include "keystore/deleted.h"
#include "keystore/private.h"
#include "mime/addr.h"

enum {
	MEMORY = 64 << 20, /* octets of records looked at, one key at a time */
	MIN_DIGITS = 8,	   /* of a fingerprint that is given in part */
	MAX_DIGITS = 2 * KS_FPR_MAX,
};

/* Ends the visiting of records without being an error. */
#define STOP ERR_AGAIN

/* --- naming keys --- */

enum err
key_digits(const char *text, char out[MAX_DIGITS + 1])
{
	size_t n = 0;

	if (strncmp(text, "0x", 2) == 0)
		text += 2;
	for (; *text != '\0'; text++) {
		if (*text == ' ' || *text == ':')
			continue;
		if (!isxdigit((unsigned char)*text) || n == MAX_DIGITS)
			return ERR_USAGE;
		out[n++] = (char)tolower((unsigned char)*text);
	}
	out[n] = '\0';
	return n < MIN_DIGITS ? ERR_USAGE : ERR_OK;
}

/* Where a key is looked for. */
enum where { IN_STORE, IN_DELETED };

struct pick {
	const char *digits;
	size_t n;
	uint8_t fpr[KS_FPR_MAX];
	size_t fpr_len;
};

/* Odd digits: the prefix that was sought is one digit short. */
static enum err
pick_one(void *ctx, const struct ks_record *r)
{
	struct pick *p = ctx;
	char hex[MAX_DIGITS + 1];

	text_hex(r->fpr, hex);
	if (strncmp(hex, p->digits, strlen(p->digits)) != 0)
		return ERR_OK;
	memcpy(p->fpr, r->fpr.data, r->fpr.len);
	p->fpr_len = r->fpr.len;
	return ++p->n > 1 ? STOP : ERR_OK;
}

static enum err
pick_id(void *ctx, const struct ks_record *r)
{
	struct pick *p = ctx;

	memcpy(p->fpr, r->fpr.data, r->fpr.len);
	p->fpr_len = r->fpr.len;
	return ++p->n > 1 ? STOP : ERR_OK;
}

static enum err
pick_deleted(void *ctx, const struct ks_deleted *d)
{
	return pick_one(ctx, &d->record);
}

/* The one key that text names: its fingerprint, the beginning of it, or a key
   ID of 16 digits, which is not taken where two keys have it. Says why when it
   is not exactly one. */
static enum err
find_in(
    struct ks_store *s, const char *text, enum where where, struct pick *out)
{
	char digits[MAX_DIGITS + 1];
	uint8_t prefix[KS_FPR_MAX];
	struct pick p = {.digits = digits};
	size_t half;
	enum err e;

	if (key_digits(text, digits) != ERR_OK) {
		cli_say("\"%s\" is no fingerprint: at least %d hexadecimal "
			"digits of it",
		    text, MIN_DIGITS);
		return ERR_USAGE;
	}
	half = strlen(digits) / 2;
	e = text_unhex(SPAN(digits, 2 * half), prefix, half);
	if (e == ERR_OK)
		e = where == IN_DELETED
			? ks_deleted_each(
			      s, SPAN(prefix, half), pick_deleted, &p)
			: ks_each(s, SPAN(prefix, half), pick_one, &p);
	if (e == ERR_OK && where == IN_STORE && p.n == 0 &&
	    strlen(digits) == 16)
		e = ks_find(s, KS_BY_KEY_ID, SPAN(prefix, half), pick_id, &p);
	if (e != ERR_OK && e != STOP) {
		cli_say("keystore: %s", err_text(e));
		return e;
	}
	if (p.n != 1) {
		cli_say(p.n > 0 ? "%s: more than one key begins so, or has "
				  "this key ID: give more digits of its "
				  "fingerprint"
			: where == IN_DELETED ? "%s: no such deleted key"
					      : "%s: no such key",
		    text);
		return ERR_NOT_FOUND;
	}
	p.digits = NULL;
	*out = p;
	return ERR_OK;
}

static enum err
find_one(struct ks_store *s, const char *text, struct pick *out)
{
	return find_in(s, text, IN_STORE, out);
}

static enum err
find_fpr(struct ks_store *s, const char *text, enum where where,
    uint8_t fpr[KS_FPR_MAX], size_t *len)
{
	struct pick p;
	enum err e = find_in(s, text, where, &p);

	if (e != ERR_OK)
		return e;
	memcpy(fpr, p.fpr, p.fpr_len);
	*len = p.fpr_len;
	return ERR_OK;
}

enum err
key_find(
    struct ks_store *s, const char *text, uint8_t fpr[KS_FPR_MAX], size_t *len)
{
	return find_fpr(s, text, IN_STORE, fpr, len);
}

enum err
key_find_deleted(
    struct ks_store *s, const char *text, uint8_t fpr[KS_FPR_MAX], size_t *len)
{
	return find_fpr(s, text, IN_DELETED, fpr, len);
}

int
key_no_options(int argc, char **argv)
{
	static const struct option none[] = {{NULL, 0, NULL, 0}};

	return getopt_long(argc, argv, "", none, NULL) == -1 ? optind : -1;
}

int
key_worse(int a, int b)
{
	return a > b ? a : b;
}

/* --- list, show --- */

struct listing {
	struct cli *cli;
	struct key_filter filter;
	struct key_table *table;
	json_t *json;
	struct ks_store *store;
	size_t n;
};

/* What cannot be told is not claimed. */
static bool
has_private(struct ks_store *s, const struct ks_record *r)
{
	return ks_private_has(s, r->fpr) == ERR_OK;
}

static enum err
list_as(struct listing *l, const struct ks_record *r, bool private,
    const char *state)
{
	json_t *j;

	l->n++;
	if (l->json == NULL)
		return key_table_add(l->table, r, private, state);
	j = key_to_json(r, private);
	json_object_set_new(j, "state", json_string(state));
	return json_array_append_new(l->json, j) == 0 ? ERR_OK : ERR_NOMEM;
}

static enum err
list_one(void *ctx, const struct ks_record *r)
{
	struct listing *l = ctx;

	if (!key_filter_fits(&l->filter, r))
		return ERR_OK;
	return list_as(l, r, has_private(l->store, r), key_state(l->cli, r));
}

static enum err
list_deleted(void *ctx, const struct ks_deleted *d)
{
	struct listing *l = ctx;
	char date[CLI_DATE_SIZE], state[CLI_DATE_SIZE + 16];

	if (!key_filter_fits(&l->filter, &d->record))
		return ERR_OK;
	cli_date(d->at, date);
	snprintf(state, sizeof(state), "deleted %s", date);
	return list_as(l, &d->record, d->has_private, state);
}

int
cli_key_list(struct cli *cli, int argc, char **argv)
{
	struct ks_store *s = NULL;
	struct listing l = {.cli = cli};
	int at = key_filter_read(&l.filter, argc, argv);
	enum err e;

	if (at < 0 || argc - at > 1) {
		key_filter_clear(&l.filter);
		return cli_usage(cli);
	}
	l.filter.word = argc > at ? argv[at] : NULL;
	e = cli_keystore(cli, false, &s);
	if (e != ERR_OK) {
		key_filter_clear(&l.filter);
		return cli_status(e);
	}
	l.store = s;
	l.json = cli->json ? json_array() : NULL;
	l.table = cli->json ? NULL : key_table_new();
	e = l.filter.deleted
		? ks_deleted_each(s, SPAN(NULL, 0), list_deleted, &l)
		: ks_each(s, SPAN(NULL, 0), list_one, &l);
	if (e != ERR_OK)
		cli_say("keystore: %s", err_text(e));
	else if (cli->json)
		key_print_json(json_incref(l.json));
	else if (l.n > 0)
		key_table_print(l.table);
	json_decref(l.json);
	key_table_free(l.table);
	key_filter_clear(&l.filter);
	ks_close(s);
	return e != ERR_OK	      ? CLI_FAILED
	       : argc > 1 && l.n == 0 ? CLI_NO
				      : CLI_DONE;
}

static enum err
add_twin(void *ctx, const struct ks_record *r)
{
	char hex[MAX_DIGITS + 1];

	text_hex(r->fpr, hex);
	return json_array_append_new(ctx, json_string(hex)) == 0 ? ERR_OK
								 : ERR_NOMEM;
}

/* The fingerprints of other keys with the same key ID. */
static json_t *
twins_of(struct ks_store *s, const struct ks_record *r)
{
	json_t *list = json_array();

	if (ks_same_key_id(s, r, add_twin, list) != ERR_OK)
		json_array_clear(list);
	return list;
}

static void
print_twins(struct ks_store *s, const struct ks_record *r)
{
	json_t *list = twins_of(s, r);

	for (size_t i = 0; i < json_array_size(list); i++)
		printf("%-12s its key ID is that of %s, too: go by the whole "
		       "fingerprint\n",
		    "note", json_string_value(json_array_get(list, i)));
	json_decref(list);
}

static enum err
show_one(void *ctx, const struct ks_record *r)
{
	struct listing *l = ctx;
	json_t *j;

	l->n++;
	if (l->json != NULL) {
		j = key_to_json(r, has_private(l->store, r));
		json_object_set_new(
		    j, "state", json_string(key_state(l->cli, r)));
		json_object_set_new(j, "same_key_id", twins_of(l->store, r));
		json_object_set_new(
		    j, "chain", key_chain_json(l->cli, l->store, r));
		return json_array_append_new(l->json, j) == 0 ? ERR_OK
							      : ERR_NOMEM;
	}
	if (l->n > 1)
		putchar('\n');
	key_print(r, has_private(l->store, r));
	print_twins(l->store, r);
	key_chain_print(l->cli, l->store, r);
	return ERR_OK;
}

enum err
key_addr(const char *text, struct arena *arena, struct span *out)
{
	struct mime_addr addr;
	struct err_why why = {""};
	enum err e =
	    mime_addr_parse(span_str(text), MIME_ADDR_UTF8, arena, &addr, &why);

	if (e != ERR_OK) {
		cli_say("\"%s\" is no mail address: %s", text, why.text);
		return e;
	}
	*out = span_str(addr.key);
	return ERR_OK;
}

enum err
key_domain(const char *text, struct arena *arena, struct span *out)
{
	struct mime_addr addr;
	struct err_why why = {""};
	const char *whole = arena_printf(arena, "postmaster@%s", text);
	enum err e = whole == NULL ? ERR_NOMEM
				   : mime_addr_parse(span_str(whole),
					 MIME_ADDR_UTF8, arena, &addr, &why);

	if (e != ERR_OK) {
		cli_say("\"%s\" is no domain: %s", text, why.text);
		return ERR_USAGE;
	}
	*out = ks_addr_domain(span_str(addr.key));
	return ERR_OK;
}

static int
show_named(struct ks_store *s, const char *name, struct arena *arena,
    struct listing *l)
{
	struct ks_record *r;
	struct span addr;
	size_t before = l->n;
	struct pick p;
	enum err e;

	if (strchr(name, '@') == NULL) {
		e = find_one(s, name, &p);
		if (e == ERR_OK)
			e = ks_get(s, SPAN(p.fpr, p.fpr_len), arena, &r);
		if (e == ERR_OK)
			e = show_one(l, r);
		else if (e == ERR_NOT_FOUND)
			(void)key_refused_show(s, SPAN(NULL, 0), name, l->json);
		return e == ERR_USAGE ? CLI_USAGE : cli_status(e);
	}
	if (key_addr(name, arena, &addr) != ERR_OK)
		return CLI_USAGE;
	e = ks_find(s, KS_BY_ADDR, addr, show_one, l);
	if (e != ERR_OK) {
		cli_say("keystore: %s", err_text(e));
		return CLI_FAILED;
	}
	if (l->n == before)
		cli_say("%s: no key", name);
	(void)key_refused_show(s, addr, NULL, l->json);
	return l->n == before ? CLI_NO : CLI_DONE;
}

int
cli_key_show(struct cli *cli, int argc, char **argv)
{
	struct ks_store *s = NULL;
	struct listing l = {.cli = cli};
	int at = key_no_options(argc, argv), status = CLI_DONE;
	struct arena *arena;
	enum err e;

	if (at < 0 || at == argc)
		return cli_usage(cli);
	e = cli_keystore(cli, false, &s);
	if (e != ERR_OK)
		return cli_status(e);
	arena = arena_new(MEMORY);
	l.store = s;
	l.json = cli->json ? json_array() : NULL;
	for (int i = at; i < argc; i++) {
		status = key_worse(status, show_named(s, argv[i], arena, &l));
		arena_reset(arena);
	}
	if (cli->json)
		key_print_json(l.json);
	arena_free(arena);
	ks_close(s);
	return status;
}
