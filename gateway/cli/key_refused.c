/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate key refused`, and what `key show` tells of a key that is not there:
 * which ones were brought and not let in, and why.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "common/arena.h"
#include "common/text.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/key_private.h"
#include "keystore/refused.h"

enum { MEMORY = 1 << 20, HEX_SIZE = 2 * KS_FPR_MAX + 1 };

struct listing {
	const char *digits; /* of a fingerprint; NULL: any */
	json_t *json;
	size_t n;
};

static enum err
put_json(json_t *list, const struct ks_refusal *r, const char *hex)
{
	json_t *j = json_object();

	json_object_set_new(j, "refused", json_true());
	json_object_set_new(j, "address", cli_json_text(r->addr));
	json_object_set_new(
	    j, "source", json_string(ks_source_name(r->source)));
	json_object_set_new(j, "at", json_integer((json_int_t)r->at));
	json_object_set_new(j, "fingerprint", json_string(hex));
	json_object_set_new(j, "what", cli_json_text(r->what));
	json_object_set_new(j, "url", cli_json_text(r->url));
	json_object_set_new(j, "why", cli_json_text(r->why));
	return json_array_append_new(list, j) == 0 ? ERR_OK : ERR_NOMEM;
}

static enum err
put(void *ctx, const struct ks_refusal *r)
{
	char hex[HEX_SIZE] = "", date[CLI_DATE_SIZE];
	struct listing *l = ctx;

	text_hex(r->fpr, hex);
	if (l->digits != NULL &&
	    (r->fpr.len == 0 ||
		strncmp(hex, l->digits, strlen(l->digits)) != 0))
		return ERR_OK;
	l->n++;
	if (l->json != NULL)
		return put_json(l->json, r, hex);
	cli_date(r->at, date);
	cli_put_text(r->addr);
	printf("\n  %s%srefused %s, from %s", hex, hex[0] == '\0' ? "" : " ",
	    date, ks_source_name(r->source));
	if (r->url.len > 0) {
		putchar(' ');
		cli_put_text(r->url);
	}
	printf("\n  ");
	cli_put_text(r->what);
	printf(": ");
	cli_put_text(r->why);
	putchar('\n');
	return ERR_OK;
}

size_t
key_refused_show(
    struct ks_store *s, struct span addr, const char *text, struct json_t *json)
{
	char digits[HEX_SIZE];
	struct listing l = {.json = json};
	enum err e;

	if (text != NULL && key_digits(text, digits) != ERR_OK)
		return 0;
	l.digits = text == NULL ? NULL : digits;
	e = ks_refused_each(s, addr, (int64_t)time(NULL), put, &l);
	if (e != ERR_OK)
		cli_say("keystore: %s", err_text(e));
	return l.n;
}

int
cli_key_refused(struct cli *cli, int argc, char **argv)
{
	int at = key_no_options(argc, argv), status = CLI_DONE;
	json_t *json = cli->json ? json_array() : NULL;
	struct ks_store *s = NULL;
	struct arena *arena;
	struct span addr;
	enum err e;

	if (at < 0) {
		json_decref(json);
		return cli_usage(cli);
	}
	e = cli_keystore(cli, false, &s);
	if (e != ERR_OK) {
		json_decref(json);
		return cli_status(e);
	}
	arena = arena_new(MEMORY);
	if (arena == NULL)
		fatal("out of memory");
	if (at == argc)
		(void)key_refused_show(s, SPAN(NULL, 0), NULL, json);
	for (int i = at; i < argc; i++) {
		if (key_addr(argv[i], arena, &addr) != ERR_OK)
			status = key_worse(status, CLI_USAGE);
		else
			(void)key_refused_show(s, addr, NULL, json);
		arena_reset(arena);
	}
	if (json != NULL)
		key_print_json(json);
	arena_free(arena);
	ks_close(s);
	return status;
}
