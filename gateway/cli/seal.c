/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate seal`: a message on standard input, on standard output the one
 * that the gateway would send to this recipient. Rules, keys and the making of
 * the message are the worker's (gateway/decide.h, gateway/variant.h); what the
 * gateway would not send at once is not written.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/memfd.h"
#include "common/text.h"
#include "crypto/cert.h"
#include "crypto/cert_cache.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/engines.h"
#include "gateway/cli/input.h"
#include "gateway/conf.h"
#include "gateway/decide.h"
#include "gateway/decide_tls.h"
#include "gateway/facts.h"
#include "gateway/groups.h"
#include "gateway/spill.h"
#include "gateway/tls_state.h"
#include "gateway/variant.h"
#include "mime/header.h"

enum {
	ARENA_MAX = 256 << 20,
	CERTS = 16, /* of the recipient, the sender and its issuers */
	WHY_SIZE = 1024,
};

struct seal {
	struct cli *cli;
	const char *from;
	const char *to;
	const char *to_key;
	struct arena *arena;
	struct cli_input in;
	struct cli_engines engines;
	struct groups *groups;
	struct decide_facts facts;
	struct decision d;
	struct db *tls;
};

/* --- the message --- */

/* Write it whole: nothing goes out before everything is made. */
static enum err
put_out(struct spill *text)
{
	struct span octets;
	enum err e = spill_finish(text, &octets);

	if (e == ERR_OK)
		e = file_write_all(STDOUT_FILENO, octets);
	return e;
}

static enum err
make(struct seal *s, struct err_why *why)
{
	enum rung rung = s->d.outcome.rung;
	const struct ks_record *key = decide_key(&s->d, rung);
	const struct variant_engines engines = cli_engines_of(&s->engines);
	struct variant v = {.rung = rung,
	    .as_is = decide_passes(&s->d),
	    .raw = s->in.message.raw,
	    .tree = s->in.message.tree,
	    .form = s->d.rules.form,
	    .edit = message_edit(&s->in.message, ""),
	    .signer = s->d.sign.key,
	    .key = &key,
	    .opens = &s->d.smime.opens,
	    .n_keys = 1,
	    .now_s = s->facts.now_s};
	struct mime_sink sink;
	struct spill text;
	enum err e = ERR_OK;

	if (v.signer != NULL && v.signer->kind == KS_SMIME)
		e = signer_chain(s->facts.keys, s->engines.certs, v.signer,
		    s->arena, &v.chain, &v.n_chain);
	if (e == ERR_OK)
		e = message_edit_by(
		    &s->in.message, &s->d.rules, s->arena, &v.edit);
	if (e != ERR_OK)
		return e;

	spill_init(
	    &text, s->cli->conf->limits.message_size * LIMIT_VARIANTS_FACTOR);
	sink = spill_sink(&text);
	e = variant_write(&v, &engines, s->arena, &sink, why);
	if (e == ERR_OK)
		e = put_out(&text);
	spill_clear(&text);
	if (e == ERR_OK)
		variant_name(&v, s->engines.certs, s->arena, 0, &s->d.names);
	return e;
}

static bool
is_written(const struct decision *d)
{
	if (d->err != ERR_OK || d->outcome.result != POLICY_CHOSEN)
		return false;
	return d->outcome.rung == RUNG_SMIME || d->outcome.rung == RUNG_PGP ||
	       d->outcome.rung == RUNG_CLEAR;
}

static void
say(const struct seal *s, const char *what, const char *why)
{
	char to[WHY_SIZE], text[WHY_SIZE];

	if (s->cli->json)
		return;
	text_escape(span_str(s->to_key), to, sizeof(to));
	text_escape(span_str(why), text, sizeof(text));
	cli_say("%s: %s: %s", to, what, text);
}

/* Why nothing is written. What goes by the TLS of its hop is readable here, and
   who gets it from this program may send it any other way. */
static const char *
reason_of(const struct seal *s)
{
	if (s->d.err == ERR_OK && s->d.outcome.result == POLICY_CHOSEN &&
	    decide_is_tls(s->d.outcome.rung))
		return "it leaves readable, by a hop whose TLS only the "
		       "gateway can see to";
	return decide_reason(&s->d, s->arena);
}

/* Rung by rung as the worker does, until one is made or none is left that
   sends. */
static enum err
walk(struct seal *s)
{
	while (is_written(&s->d)) {
		struct err_why why = {""};
		enum err e = make(s, &why);

		if (e == ERR_OK) {
			if (s->d.sign.why != NULL)
				say(s, "not signed", s->d.sign.why);
			return ERR_OK;
		}
		say(s, policy_rung_name(s->d.outcome.rung),
		    why.text[0] != 0 ? why.text : err_text(e));
		if (!variant_is_rung_failure(e))
			return e;
		if (decide_is_unsigned_by(&s->d, e))
			decide_unsigned(
			    &s->facts, &s->d, "the key cannot sign it");
		else
			decide_again(&s->facts, &s->d, e);
	}
	say(s, decide_result_name(&s->d), reason_of(s));
	return s->d.err == ERR_OK && s->d.outcome.result == POLICY_DEFER
		   ? ERR_RUNG_FAILED
		   : ERR_POLICY_REJECT;
}

/* As for a client that may sign, for who has the master key. */
static void
find_signer(struct seal *s)
{
	const struct signer_facts f = {.keys = s->facts.keys,
	    .certs = s->engines.certs,
	    .now_s = s->facts.now_s,
	    .from_key = s->facts.from_key,
	    .may_sign = true,
	    .message = s->facts.message};

	if (s->engines.unseal.master < 0)
		s->facts.signer.why = "only who may read the master key can";
	else if (f.keys != NULL)
		signer_find(&f, s->arena, &s->facts.signer);
}

static enum err
decide(struct seal *s, struct err_why *why)
{
	enum err e =
	    cli_input_sender(s->from, s->arena, &s->facts.from_key, why);

	if (e == ERR_OK)
		e = cli_input_recipient(s->to, s->arena, &s->to_key, why);
	if (e == ERR_OK)
		e = cli_input_open(&s->in, "-", s->facts.policy, s->arena, why);
	if (e != ERR_OK)
		return e;
	if (s->in.raw.len > s->cli->conf->limits.message_size)
		return ERR_TOO_BIG;
	s->facts.message = &s->in.message;
	find_signer(s);
	e = facts_find(s->cli->conf->matchers,
	    &(const struct facts_in){.message = s->facts.message,
		.client = "",
		.user = "",
		.now_s = s->facts.now_s},
	    s->arena, &s->facts.truth);
	if (e != ERR_OK)
		return e;
	return decide_rcpt(&s->facts, s->to_key, NULL, s->arena, &s->d);
}

static void
put_json(const struct seal *s)
{
	json_t *j = decide_json(&s->d);

	if (!is_written(&s->d))
		json_object_set_new(
		    j, "reason", cli_json_text(span_str(reason_of(s))));
	json_dumpf(j, stderr, JSON_INDENT(2));
	fputc('\n', stderr);
	json_decref(j);
}

/* Root is given up before the message is read. */
static enum err
open_all(struct seal *s, struct err_why *why)
{
	struct err_why ignored = {""};
	const struct conf *conf;
	enum err e = cli_conf(s->cli, &conf);

	if (e != ERR_OK)
		return e;
	s->groups = groups_new();
	groups_load(s->groups, conf->policy, NULL, NULL);
	s->facts.groups = s->groups;
	if (policy_signs(conf->policy) &&
	    cli_unseal_open(s->cli, &s->engines.unseal, why) != ERR_OK)
		cli_unseal_close(&s->engines.unseal);
	why->text[0] = 0;
	e = cli_keystore(s->cli, false, &s->facts.keys);
	if (e != ERR_OK && e != ERR_NOT_FOUND)
		return e;
	s->engines.keys = s->facts.keys;
	/* without it nothing is known of any domain, and no rung tls holds */
	if (tls_state_open(conf->paths.tls, false, &s->tls, &ignored) == ERR_OK)
		s->facts.tls = s->tls;
	s->facts.policy = conf->policy;
	s->facts.now_s = (int64_t)(clock_unix_ms() / 1000);
	groups_look(s->groups, conf, s->facts.keys, s->facts.now_s);
	s->facts.have_portal = conf->portal.present;
	s->facts.attach_max = conf->escrow.attachment_size;
	s->facts.sources = conf->discovery.source;
	s->facts.n_sources = conf->discovery.n_source;
	return crypto_check_library(why);
}

static int
seal(struct seal *s)
{
	struct err_why why = {""};
	enum err e = open_all(s, &why);
	bool said = e != ERR_OK && why.text[0] == 0;

	if (e == ERR_OK)
		e = decide(s, &why);
	if (e == ERR_OK) {
		said = true;
		e = walk(s);
		if (s->cli->json)
			put_json(s);
	}
	if (!said)
		cli_say("%s", why.text[0] != 0 ? why.text : err_text(e));
	return cli_status(e);
}

static int
take_options(struct seal *s, int argc, char **argv)
{
	static const struct option options[] = {
	    {"from", required_argument, NULL, 'a'},
	    {"to", required_argument, NULL, 'b'},
	    {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'a' && s->from == NULL)
			s->from = optarg;
		else if (c == 'b' && s->to == NULL)
			s->to = optarg;
		else
			return cli_usage(s->cli);
	}
	if (s->from == NULL || s->to == NULL || optind != argc)
		return cli_usage(s->cli);
	return CLI_DONE;
}

int
cli_seal(struct cli *cli, int argc, char **argv)
{
	struct seal s = {.cli = cli,
	    .arena = arena_new(ARENA_MAX),
	    .engines = CLI_ENGINES_INIT};
	int status = take_options(&s, argc, argv);

	s.engines.certs = crypto_cert_cache_new(CERTS);
	s.engines.arena = s.arena;
	mime_charsets_open();
	if (status == CLI_DONE)
		status = seal(&s);
	cli_engines_close(&s.engines);
	cli_input_close(&s.in);
	groups_free(s.groups);
	db_close(s.tls);
	ks_close(s.facts.keys);
	crypto_cert_cache_free(s.engines.certs);
	mime_charsets_close();
	arena_free(s.arena);
	return status;
}
