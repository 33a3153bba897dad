/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate audit verify`: reads the files of the log, the gateway need not
 * run. Listing them is audit_list.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/text.h"
#include "gateway/cli/ask.h"
#include "gateway/cli/audit_private.h"
#include "gateway/conf.h"
#include "gateway/store/audit_verify.h"

/* Root reads nothing that strangers wrote into. */
enum err
audit_dir(struct cli *cli, const char **out)
{
	const struct conf *conf;
	enum err e = cli_conf(cli, &conf);

	if (e == ERR_OK)
		cli_ask_quietly(cli, "audit-flush");
	if (e == ERR_OK)
		e = cli_give_up_root(conf->paths.audit);
	if (e == ERR_OK)
		*out = conf->paths.audit;
	return e;
}

/* --- verify --- */

struct problems {
	json_t *list; /* NULL: they are printed */
};

static void
on_problem(void *arg, const char *file, uint64_t seq, const char *text)
{
	struct problems *p = arg;

	if (p->list == NULL)
		printf("%s: record %llu: %s\n", file[0] == '\0' ? "log" : file,
		    (unsigned long long)seq, text);
	else
		json_array_append_new(
		    p->list, json_pack("{s:s, s:I, s:s}", "file", file,
				 "number", (json_int_t)seq, "text", text));
}

static bool
read_head(const char *text, struct store_verify *v)
{
	const char *colon = strchr(text, ':');

	return colon != NULL &&
	       text_number(SPAN(text, (size_t)(colon - text)), 1, UINT64_MAX,
		   &v->head_seq) == ERR_OK &&
	       text_unhex(span_str(colon + 1), v->head_hash, DIGEST_SIZE) ==
		   ERR_OK;
}

static bool
take_option(const char *option, const char *value, struct store_verify *v,
    uint8_t key[SIGN_PUB], const char **dir)
{
	if (strcmp(option, "--head") == 0)
		return read_head(value, v);
	if (strcmp(option, "--from") == 0)
		return text_number(span_str(value), 1, UINT64_MAX, &v->from) ==
		       ERR_OK;
	if (strcmp(option, "--key") == 0) {
		v->key = key;
		return text_unhex(span_str(value), key, SIGN_PUB) == ERR_OK;
	}
	if (strcmp(option, "--dir") != 0)
		return false;
	*dir = value;
	return true;
}

static void
put_verified(const struct store_verified *d)
{
	char hex[2 * DIGEST_SIZE + 1];

	text_hex(SPAN(d->hash, DIGEST_SIZE), hex);
	printf("%llu records, %llu to %llu\n", (unsigned long long)d->lines,
	    (unsigned long long)d->first, (unsigned long long)d->last);
	printf("head %llu:%s\n", (unsigned long long)d->last, hex);
	if (d->signed_seq != 0)
		printf("last signature in record %llu, of %s; %llu records "
		       "after it\n",
		    (unsigned long long)d->signed_seq, d->signed_time,
		    (unsigned long long)(d->last - d->signed_seq));
	else
		puts("nothing is signed");
	text_hex(SPAN(d->first_key, SIGN_PUB), hex);
	if (d->has_key)
		printf("first key %s\n", hex);
	if (d->problems == 0)
		puts("The log is whole.");
	else
		printf("%llu problems.\n", (unsigned long long)d->problems);
}

static json_t *
verified_json(const struct store_verified *d, json_t *problems)
{
	char hash[2 * DIGEST_SIZE + 1], key[2 * SIGN_PUB + 1];

	text_hex(SPAN(d->hash, DIGEST_SIZE), hash);
	text_hex(SPAN(d->first_key, SIGN_PUB), key);
	return json_pack("{s:b, s:I, s:I, s:I, s:s, s:I, s:s, s:s, s:o}", "ok",
	    d->problems == 0, "records", (json_int_t)d->lines, "first",
	    (json_int_t)d->first, "last", (json_int_t)d->last, "hash", hash,
	    "signed", (json_int_t)d->signed_seq, "signed_time", d->signed_time,
	    "first_key", key, "problems", problems);
}

int
cli_audit_verify(struct cli *cli, int argc, char **argv)
{
	struct problems p = {NULL};
	struct store_verify v = {.on_problem = on_problem, .arg = &p};
	struct store_verified done;
	const char *dir = NULL;
	uint8_t key[SIGN_PUB];
	enum err e;

	for (int i = 1; i < argc; i += 2)
		if (i + 1 == argc ||
		    !take_option(argv[i], argv[i + 1], &v, key, &dir))
			return cli_usage(cli);
	e = dir != NULL ? cli_give_up_root(dir) : audit_dir(cli, &dir);
	if (e != ERR_OK)
		return CLI_FAILED;
	if (cli->json)
		p.list = json_array();
	e = store_audit_verify(dir, &v, &done);
	if (e != ERR_OK) {
		cli_say("cannot read the log in %s: %s", dir, err_text(e));
		json_decref(p.list);
		return CLI_FAILED;
	}
	if (cli->json)
		cli_put_json(verified_json(&done, p.list));
	else
		put_verified(&done);
	return done.problems == 0 ? CLI_DONE : CLI_NO;
}
