/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate explain`: what would happen to a message, and why, before it is
 * sent. The same decision as the worker's (gateway/decide.h).
 */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/db.h"
#include "common/text.h"
#include "crypto/cert_cache.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/input.h"
#include "gateway/cli/key_private.h"
#include "gateway/cli/trace.h"
#include "gateway/conf.h"
#include "gateway/decide.h"
#include "gateway/facts.h"
#include "gateway/groups.h"
#include "gateway/proto.h"
#include "gateway/tls_state.h"
#include "keystore/answers.h"
#include "mime/header.h"

enum {
	ARENA_MAX = 256 << 20,
	CERTS = 64,
};

struct ask {
	const char *from;
	const char *file;
	const char **to;
	size_t n_to;
	bool ask; /* the sources, now */
	/* for each of to what they answered; NULL when nobody was asked */
	struct proto_answers *answers;
	json_t *asked; /* the same, told */
	struct arena *arena;
	struct cli_input in; /* open if a message was given */
	struct crypto_cert_cache *certs;
	struct groups *groups;
	struct decide_facts facts;
	struct decide_copies copies;
};

/* --- the verb --- */

static bool
protects_or_waits(const struct decision *d)
{
	return d->err == ERR_OK && (d->outcome.result == POLICY_DEFER ||
				       d->outcome.rung != RUNG_REJECT);
}

/* How it would be made for this recipient alone. */
static void
name_form(struct ask *a, struct decision *d)
{
	const struct ks_record *key;
	struct variant v = {.rung = d->outcome.rung,
	    .as_is = decide_passes(d),
	    .form = d->rules.form,
	    .signer = d->sign.key,
	    .key = &key,
	    .opens = &d->smime.opens,
	    .n_keys = 1,
	    .now_s = a->facts.now_s};

	if (d->err != ERR_OK || d->outcome.result != POLICY_CHOSEN)
		return;
	key = decide_key(d, v.rung);
	variant_name(&v, a->certs, a->arena, 0, &d->names);
}

/* Decide for all recipients; CLI_DONE, or the status to end with. */
static int
decide_all(struct ask *a, struct decision **d)
{
	struct err_why why = {""};
	const char *key;

	for (size_t i = 0; i < a->n_to; i++) {
		d[i] = arena_alloc(a->arena, sizeof(*d[i]));
		if (d[i] == NULL)
			return CLI_FAILED;
		if (cli_input_recipient(a->to[i], a->arena, &key, &why) !=
		    ERR_OK) {
			cli_say("%s: %s", a->to[i], why.text);
			return CLI_USAGE;
		}
		if (decide_rcpt(&a->facts, key,
			a->answers == NULL ? NULL : &a->answers[i], a->arena,
			d[i]) != ERR_OK)
			return CLI_FAILED;
	}
	decide_archive(&a->facts, &a->copies, d, a->n_to, a->arena);
	decide_together(&a->facts, d, a->n_to, a->arena);
	for (size_t i = 0; i < a->n_to; i++)
		name_form(a, d[i]);
	return CLI_DONE;
}

/* With what the sender would be told of a message that does not go out. */
static json_t *
trace_of(const struct ask *a, const struct decision *d)
{
	json_t *t = decide_json(d);

	if (d->err == ERR_OK && (d->outcome.result != POLICY_CHOSEN ||
				    !policy_rung_sends(d->outcome.rung)))
		json_object_set_new(
		    t, "reason", json_string(decide_reason(d, a->arena)));
	return t;
}

static int
explain_all(struct cli *cli, struct ask *a)
{
	struct decision **d = arena_array(a->arena, a->n_to, sizeof(*d));
	json_t *list = json_array();
	int status = d == NULL ? CLI_FAILED : decide_all(a, d);
	bool decided = status == CLI_DONE;

	for (size_t i = 0; decided && i < a->n_to; i++) {
		if (!protects_or_waits(d[i]))
			status = CLI_NO;
		json_array_append_new(list, trace_of(a, d[i]));
		if (a->asked != NULL && i < json_array_size(a->asked))
			json_object_set(json_array_get(list, i), "asked",
			    json_array_get(a->asked, i));
		if (!cli->json)
			cli_trace_print(json_array_get(list, i));
	}
	if (cli->json && decided) {
		json_dumpf(list, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(list);
	return status;
}

static int
take_options(struct cli *cli, int argc, char **argv, struct ask *a)
{
	static const struct option options[] = {
	    {"from", required_argument, NULL, 'a'},
	    {"to", required_argument, NULL, 'b'},
	    {"file", required_argument, NULL, 'm'},
	    {"ask", no_argument, NULL, 'q'},
	    {NULL, 0, NULL, 0},
	};
	int c;

	a->to = arena_array(a->arena, (size_t)argc, sizeof(*a->to));
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'a':
			a->from = optarg;
			break;
		case 'b':
			a->to[a->n_to++] = optarg;
			break;
		case 'm':
			a->file = optarg;
			break;
		case 'q':
			a->ask = true;
			break;
		default:
			return cli_usage(cli);
		}
	}
	if (a->from == NULL || a->n_to == 0 || optind != argc)
		return cli_usage(cli);
	return CLI_DONE;
}

/* As for a client that may sign. */
static void
find_signer(struct ask *a)
{
	const struct signer_facts f = {.keys = a->facts.keys,
	    .certs = a->certs,
	    .now_s = a->facts.now_s,
	    .from_key = a->facts.from_key,
	    .may_sign = true,
	    .message = a->facts.message};

	/* without a keystore there are no keys at all */
	if (f.keys != NULL)
		signer_find(&f, a->arena, &a->facts.signer);
	a->facts.signer.issue = SIGNER_WOULD_ISSUE;
}

/* Who would hand it in is not known, nor what it answers. */
static enum err
find_facts(struct ask *a, const struct conf *conf)
{
	const struct facts_in in = {.message = a->facts.message,
	    .extract = {.pdf = conf->extract.pdf != NULL,
		.office = conf->extract.office},
	    .client = "",
	    .user = "",
	    .now_s = a->facts.now_s};

	return facts_find(conf->matchers, &in, a->arena, &a->facts.truth);
}

/* As discovery would have told the worker. */
static enum err
take_answers(struct ask *a, const struct ks_remote *remote, size_t n,
    struct proto_answers *out)
{
	out->key = "";
	out->complete = true;
	out->n = (uint32_t)n;
	out->answer = arena_array(a->arena, n, sizeof(*out->answer));
	for (size_t i = 0; out->answer != NULL && i < n; i++)
		out->answer[i] =
		    (struct proto_answer){.source = (uint8_t)remote[i].source,
			.status = remote[i].answer == KS_ANSWER_FOUND
				      ? PROTO_ANSWER_FOUND
				  : remote[i].answer == KS_ANSWER_ABSENT
				      ? PROTO_ANSWER_ABSENT
				      : PROTO_ANSWER_FAILED,
			.reached = remote[i].answer != KS_ANSWER_FAILED};
	return out->answer == NULL ? ERR_NOMEM : ERR_OK;
}

/* Before root is given up: the socket is the gateway's. */
static int
ask_sources(struct cli *cli, struct ask *a, const struct conf *conf)
{
	struct ks_remote remote[KS_ANSWERS_MAX];
	size_t n = conf->discovery.n_source < KS_ANSWERS_MAX
		       ? conf->discovery.n_source
		       : KS_ANSWERS_MAX;
	int status;

	if (!a->ask || n == 0)
		return CLI_DONE;
	a->answers = arena_array(a->arena, a->n_to, sizeof(*a->answers));
	a->asked = cli->json ? json_array() : NULL;
	if (a->answers == NULL)
		return CLI_FAILED;
	for (size_t i = 0; i < a->n_to; i++) {
		for (size_t k = 0; k < n; k++)
			remote[k] = (struct ks_remote){
			    .source =
				(enum ks_source)conf->discovery.source[k]};
		status = key_ask_sources(cli, a->to[i], a->asked, remote, n);
		if (status != CLI_DONE)
			return status;
		if (take_answers(a, remote, n, &a->answers[i]) != ERR_OK)
			return CLI_FAILED;
	}
	return CLI_DONE;
}

static int
explain(struct cli *cli, struct ask *a)
{
	const struct conf *conf;
	struct err_why why = {""};
	struct ks_store *keys = NULL;
	struct db *tls = NULL;
	int status;
	enum err e = cli_conf(cli, &conf);

	if (e != ERR_OK)
		return CLI_FAILED;
	status = ask_sources(cli, a, conf);
	if (status != CLI_DONE)
		return status;
	a->groups = groups_new();
	groups_load(a->groups, conf->policy, NULL, NULL);
	a->facts.groups = a->groups;
	e = cli_keystore(cli, false, &keys);
	if (e != ERR_OK && e != ERR_NOT_FOUND)
		return CLI_FAILED;
	/* without it nothing is known of any domain, which is what is told */
	if (tls_state_open(conf->paths.tls, false, &tls, &why) == ERR_OK)
		a->facts.tls = tls;
	a->facts.policy = conf->policy;
	a->facts.keys = keys;
	a->facts.now_s = (int64_t)(clock_unix_ms() / 1000);
	groups_look(a->groups, conf, keys, a->facts.now_s);
	a->facts.have_portal = conf->portal.present;
	a->facts.attach_max = conf->escrow.attachment_size;
	a->facts.sources = conf->discovery.source;
	a->facts.n_sources = conf->discovery.n_source;
	e = cli_input_sender(a->from, a->arena, &a->facts.from_key, &why);
	if (e == ERR_OK && a->file != NULL)
		e = cli_input_open(
		    &a->in, a->file, conf->policy, a->arena, &why);
	if (a->in.is_open)
		a->facts.message = &a->in.message;
	if (e != ERR_OK) {
		cli_say("%s", why.text[0] != 0 ? why.text : err_text(e));
		ks_close(keys);
		db_close(tls);
		return cli_status(e);
	}
	find_signer(a);
	status =
	    find_facts(a, conf) == ERR_OK ? explain_all(cli, a) : CLI_FAILED;
	ks_close(keys);
	db_close(tls);
	return status;
}

int
cli_explain(struct cli *cli, int argc, char **argv)
{
	struct ask a = {.arena = arena_new(ARENA_MAX),
	    .certs = crypto_cert_cache_new(CERTS)};
	int status;

	mime_charsets_open();
	status = take_options(cli, argc, argv, &a);
	if (status == CLI_DONE)
		status = explain(cli, &a);
	json_decref(a.asked);
	cli_input_close(&a.in);
	groups_free(a.groups);
	crypto_cert_cache_free(a.certs);
	mime_charsets_close();
	arena_free(a.arena);
	return status;
}
