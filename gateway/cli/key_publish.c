/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate key publish`: which keys anybody may have, the files they have them
 * from, and the records for the name servers.
 */
#include <getopt.h>
#include <stdio.h>
#include <time.h>

#include <jansson.h>

#include "common/arena.h"
#include "common/text.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/key_private.h"
#include "gateway/cli/own.h"
#include "gateway/publish.h"
#include "keystore/own.h"
#include "keystore/private.h"

enum { MEMORY = 256 << 20, RECORDS_MAX = 256 << 20 };

/* One run of it. */
struct publish {
	struct cli *cli;
	const struct conf *conf;
	bool off, dns;
	struct ks_store *store;
	struct arena *arena;
	struct buf records;
	size_t n_records;
	json_t *list;
};

void
cli_publish(struct cli *cli, struct ks_store *s)
{
	struct err_why why = {""};
	const struct conf *conf;

	if (cli_conf(cli, &conf) == ERR_OK &&
	    publish_sync(conf, s, (int64_t)time(NULL), &why) != ERR_OK)
		cli_say("not published: %s; sealgate key publish tries again",
		    why.text);
}

/* --- on and off --- */

/* Only what is ours: whoever publishes another's key speaks for them. */
static enum err
check(struct publish *p, struct span fpr, const char *name)
{
	enum err e = ks_private_has(p->store, fpr);

	if (e == ERR_NOT_FOUND)
		cli_say("%s: its private key is not here; only own keys are "
			"published",
		    name);
	else if (e != ERR_OK)
		cli_say("keystore: %s", err_text(e));
	return e;
}

static enum err
switch_one(struct publish *p, const char *name)
{
	uint8_t fpr[KS_FPR_MAX];
	char hex[2 * KS_FPR_MAX + 1];
	size_t len = 0;
	enum err e = key_find(p->store, name, fpr, &len);

	if (e != ERR_OK)
		return e;
	if (!p->off)
		e = check(p, SPAN(fpr, len), name);
	if (e == ERR_OK)
		e = p->off ? ks_published_delete(p->store, SPAN(fpr, len))
			   : ks_published_put(p->store, SPAN(fpr, len));
	if (e != ERR_OK) {
		if (p->off)
			cli_say("%s: %s", name,
			    e == ERR_NOT_FOUND ? "it is not published"
					       : err_text(e));
		return e;
	}
	text_hex(SPAN(fpr, len), hex);
	json_array_append_new(p->list, json_string(hex));
	if (!p->cli->json)
		printf("%s %s\n", hex, p->off ? "withdrawn" : "published");
	return ERR_OK;
}

static int
switch_all(struct publish *p, int n, char **names)
{
	struct err_why why = {""};
	int status = CLI_DONE, one;
	enum err e;

	for (int i = 0; i < n; i++) {
		e = switch_one(p, names[i]);
		one = e == ERR_USAGE ? CLI_USAGE : cli_status(e);
		status = one > status ? one : status;
	}
	e = publish_sync(p->conf, p->store, (int64_t)time(NULL), &why);
	if (e != ERR_OK) {
		cli_say("not published: %s", why.text);
		return CLI_FAILED;
	}
	if (p->cli->json)
		key_print_json(json_pack("{s:s, s:O}", "result",
		    p->off ? "withdrawn" : "published", "fingerprints",
		    p->list));
	return status;
}

/* --- records --- */

static enum err
put_records(void *ctx, struct span fpr)
{
	struct publish *p = ctx;
	struct ks_record *r;
	size_t n = 0;
	enum err e = ks_get(p->store, fpr, p->arena, &r);

	if (e == ERR_OK)
		e = publish_dns(p->conf, r, p->arena, &p->records, &n);
	p->n_records += n;
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static int
print_records(struct publish *p, int n, char **names)
{
	struct cli_out out = CLI_OUT_INIT;
	uint8_t fpr[KS_FPR_MAX];
	size_t len = 0;
	enum err e = ERR_OK;

	for (int i = 0; i < n && e == ERR_OK; i++) {
		e = key_find(p->store, names[i], fpr, &len);
		if (e == ERR_OK)
			e = check(p, SPAN(fpr, len), names[i]);
		if (e == ERR_OK)
			e = put_records(p, SPAN(fpr, len));
	}
	if (n == 0)
		e = ks_published_each(p->store, put_records, p);
	if (e == ERR_OK && p->n_records == 0) {
		cli_say("no published key has an address in a domain of ours");
		e = ERR_NOT_FOUND;
	}
	if (e == ERR_OK && p->cli->json)
		key_print_json(json_pack(
		    "{s:o}", "records", cli_json_text(buf_span(&p->records))));
	else if (e == ERR_OK)
		e = cli_out_write(&out, buf_span(&p->records));
	return e == ERR_USAGE ? CLI_USAGE : cli_status(e);
}

/* --- the verb --- */

int
cli_key_publish(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {{"off", no_argument, NULL, 'x'},
	    {"dns", no_argument, NULL, 'd'}, {NULL, 0, NULL, 0}};
	struct publish p = {.cli = cli};
	int c, status;
	enum err e;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'x' && c != 'd')
			return cli_usage(cli);
		p.off = p.off || c == 'x';
		p.dns = p.dns || c == 'd';
	}
	if (p.off && (p.dns || optind == argc))
		return cli_usage(cli);
	e = cli_conf(cli, &p.conf);
	if (e == ERR_OK)
		e = cli_keystore(cli, !p.dns, &p.store);
	if (e != ERR_OK)
		return cli_status(e);
	p.arena = arena_new(MEMORY);
	p.list = json_array();
	buf_init(&p.records, RECORDS_MAX);
	status = p.dns ? print_records(&p, argc - optind, argv + optind)
		       : switch_all(&p, argc - optind, argv + optind);
	buf_clear(&p.records);
	json_decref(p.list);
	arena_free(p.arena);
	ks_close(p.store);
	return status;
}
