/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate key lookup`: what the sources have for an address, asked through
 * the running gateway, and which key mail to it would be sealed to.
 */
#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/arena.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/key_private.h"
#include "gateway/conf.h"
#include "keystore/answers.h"
#include "keystore/store.h"
#include "mime/addr.h"

enum { LOOKUP_MEMORY = 64 << 20 };

struct lookup {
	struct cli *cli;
	const struct conf *conf;
	struct ks_store *store;
	struct arena *arena;
	json_t *json; /* NULL: text */
	int64_t now;
	unsigned kinds; /* bits by enum ks_kind */
	bool offline;
	enum ks_source source[KS_ANSWERS_MAX];
	size_t n;
};

/* What the sources said just now of one address. */
struct said {
	struct ks_remote remote[KS_ANSWERS_MAX];
};

static bool
look_up(const struct lookup *l, const char *name, struct span addr,
    enum ks_kind kind, const struct said *said)
{
	struct ks_remote remote[KS_ANSWERS_MAX];
	struct ks_result r;

	/* as a worker takes it; what cannot be read has failed, and is told as
	   that */
	(void)!ks_answers_at(l->store, addr, l->now, l->source, l->n, remote);
	for (size_t i = 0; i < l->n; i++)
		if (said->remote[i].answer != KS_ANSWER_FAILED)
			remote[i] = said->remote[i];
	ks_lookup(l->store, addr, kind, l->now, remote, l->n, l->arena, &r);
	if (l->json != NULL)
		json_array_append_new(l->json, key_result_json(name, kind, &r));
	else
		key_result_print(name, kind, &r);
	return r.state == KS_HOLDS;
}

static int
look_up_all(const struct lookup *l, const char *name, const struct said *said)
{
	static const enum ks_kind all[] = {KS_SMIME, KS_OPENPGP};
	struct err_why why = {""};
	struct mime_addr addr;
	bool holds = false;

	if (mime_addr_parse(span_str(name), MIME_ADDR_UTF8, l->arena, &addr,
		&why) != ERR_OK) {
		cli_say("%s: %s", name, why.text);
		return CLI_USAGE;
	}
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (l->kinds & (1u << all[i]))
			holds |=
			    look_up(l, name, span_str(addr.key), all[i], said);
	return holds ? CLI_DONE : CLI_NO;
}

static int
worse_of(int a, int b)
{
	return a > b ? a : b;
}

/* Before root is given up: the socket is the gateway's. */
static int
ask_all(const struct lookup *l, char **names, size_t n, struct said *said)
{
	int status = CLI_DONE;

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < l->n; k++)
			said[i].remote[k].source = l->source[k];
		if (!l->offline && l->n > 0)
			status = worse_of(
			    status, key_ask_sources(l->cli, names[i], l->json,
					said[i].remote, l->n));
	}
	return status;
}

static int
run_lookup(struct lookup *l, char **names, size_t n)
{
	struct said *said = calloc(n, sizeof(*said));
	int status;
	enum err e;

	if (said == NULL)
		return CLI_FAILED;
	status = ask_all(l, names, n, said);
	e = cli_keystore(l->cli, false, &l->store);
	if (e != ERR_OK) {
		free(said);
		return cli_status(e);
	}
	l->arena = arena_new(LOOKUP_MEMORY);
	for (size_t i = 0; i < n; i++) {
		status = worse_of(status, look_up_all(l, names[i], &said[i]));
		arena_reset(l->arena);
	}
	arena_free(l->arena);
	ks_close(l->store);
	free(said);
	return status;
}

static bool
read_kind(const char *text, unsigned *kinds)
{
	static const enum ks_kind all[] = {KS_SMIME, KS_OPENPGP};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(text, ks_kind_name(all[i])) == 0) {
			*kinds = 1u << all[i];
			return true;
		}
	return false;
}

int
cli_key_lookup(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
	    {"kind", required_argument, NULL, 'k'},
	    {"offline", no_argument, NULL, 'o'}, {NULL, 0, NULL, 0}};
	struct lookup l = {.cli = cli,
	    .now = (int64_t)time(NULL),
	    .kinds = 1u << KS_SMIME | 1u << KS_OPENPGP};
	int c, status;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (c == 'o')
			l.offline = true;
		else if (c != 'k' || !read_kind(optarg, &l.kinds))
			return cli_usage(cli);
	if (optind == argc)
		return cli_usage(cli);
	if (cli_conf(cli, &l.conf) != ERR_OK)
		return CLI_FAILED;
	for (; l.n < l.conf->discovery.n_source && l.n < KS_ANSWERS_MAX; l.n++)
		l.source[l.n] = (enum ks_source)l.conf->discovery.source[l.n];
	l.json = cli->json ? json_array() : NULL;
	status = run_lookup(&l, argv + optind, (size_t)(argc - optind));
	if (l.json != NULL)
		key_print_json(l.json);
	return status;
}
