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
#include "gateway/cli/gpg.h"
#include "gateway/cli/input.h"
#include "gateway/conf.h"
#include "gateway/decide.h"
#include "gateway/spill.h"
#include "gateway/variant.h"
#include "mime/header.h"

enum {
	ARENA_MAX = 256 << 20,
	CERTS = 4, /* one recipient has no more */
	WHY_SIZE = 1024,
};

struct seal {
	struct cli *cli;
	const char *from;
	const char *to;
	const char *to_key;
	struct arena *arena;
	struct cli_input in;
	struct crypto_cert_cache *certs;
	struct cli_gpg gpg;
	struct decide_facts facts;
	struct decision d;
};

/* --- OpenPGP --- */

static enum err
seal_with_gpg(void *arg, const struct span *certs, size_t n, int fd,
    struct memfd_map *out, struct err_why *why)
{
	struct cli_gpg *gpg = arg;
	struct memfd_map in = {0};
	int sealed = -1;
	enum err e = gpg->engine != NULL ? ERR_OK : cli_gpg_open(gpg, why);

	if (e == ERR_OK)
		e = memfd_map(fd, LIMIT_IPC_PAYLOAD, &in);
	if (e == ERR_OK)
		e = memfd_new(&sealed);
	if (e == ERR_OK)
		e = crypto_pgp_seal(
		    gpg->engine, certs, n, in.data, sealed, why);
	if (e == ERR_OK)
		e = memfd_seal(sealed);
	if (e == ERR_OK)
		e = memfd_map(sealed, LIMIT_IPC_PAYLOAD, out);
	if (sealed >= 0)
		close(sealed);
	memfd_unmap(&in);
	return e;
}

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
	const struct variant_engines engines = {
	    .certs = s->certs, .pgp = {.seal = seal_with_gpg, .arg = &s->gpg}};
	const struct variant v = {.rung = rung,
	    .as_is = decide_passes(&s->d),
	    .raw = s->in.message.raw,
	    .tree = s->in.message.tree,
	    .form = s->d.rules.form,
	    .edit = message_edit(&s->in.message, ""),
	    .key = &key,
	    .n_keys = 1,
	    .now_s = s->facts.now_s};
	struct mime_sink sink;
	struct spill text;
	enum err e;

	spill_init(
	    &text, s->cli->conf->limits.message_size * LIMIT_VARIANTS_FACTOR);
	sink = spill_sink(&text);
	e = variant_write(&v, &engines, s->arena, &sink, why);
	if (e == ERR_OK)
		e = put_out(&text);
	spill_clear(&text);
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
		decide_again(&s->facts, &s->d, e);
	}
	say(s, decide_result_name(&s->d), decide_reason(&s->d, s->arena));
	return s->d.err == ERR_OK && s->d.outcome.result == POLICY_DEFER
		   ? ERR_RUNG_FAILED
		   : ERR_POLICY_REJECT;
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
	s->facts.signer.why = "only the gateway itself signs";
	return decide_rcpt(&s->facts, s->to_key, NULL, s->arena, &s->d);
}

static void
put_json(const struct seal *s)
{
	json_t *j = decide_json(&s->d);

	if (!is_written(&s->d))
		json_object_set_new(j, "reason",
		    cli_json_text(span_str(decide_reason(&s->d, s->arena))));
	json_dumpf(j, stderr, JSON_INDENT(2));
	fputc('\n', stderr);
	json_decref(j);
}

/* Root is given up before the message is read. */
static enum err
open_all(struct seal *s, struct err_why *why)
{
	const struct conf *conf;
	enum err e = cli_conf(s->cli, &conf);

	if (e != ERR_OK)
		return e;
	e = cli_keystore(s->cli, false, &s->facts.keys);
	if (e != ERR_OK && e != ERR_NOT_FOUND)
		return e;
	s->facts.policy = conf->policy;
	s->facts.now_s = (int64_t)(clock_unix_ms() / 1000);
	s->facts.have_portal = conf->portal.present;
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
	    .certs = crypto_cert_cache_new(CERTS)};
	int status = take_options(&s, argc, argv);

	mime_charsets_open();
	if (status == CLI_DONE)
		status = seal(&s);
	cli_gpg_close(&s.gpg);
	cli_input_close(&s.in);
	ks_close(s.facts.keys);
	crypto_cert_cache_free(s.certs);
	mime_charsets_close();
	arena_free(s.arena);
	return status;
}
