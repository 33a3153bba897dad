/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate open`: a message on standard input, on standard output what the
 * gateway would hand to the internal server for this recipient, and with
 * --json its verdict on standard error. For who has the master key. Layers,
 * header and verdict are gateway/open.h's, the same as the opener's.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/memfd.h"
#include "crypto/cert.h"
#include "crypto/cert_cache.h"
#include "crypto/cms_open.h"
#include "crypto/private_key.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/gpg.h"
#include "gateway/cli/input.h"
#include "gateway/cli/unseal.h"
#include "gateway/conf.h"
#include "gateway/open_engine.h"
#include "gateway/spill.h"
#include "mime/header.h"

enum {
	ARENA_MAX = 256 << 20,
	CERTS = 64,
};

struct opening {
	struct cli *cli;
	const struct conf *conf;
	const char *to;
	const char *to_key;
	struct arena *arena;
	struct ks_store *keys;
	struct crypto_cert_cache *certs;
	struct cli_gpg gpg;
	struct cli_unseal unseal;
	struct memfd_map message;
	struct open_engine_both tools;
	struct open o;
};

/* --- private keys --- */

static enum err
unseal(struct opening *x, struct span fpr, struct secret **out)
{
	struct ks_private *row;

	return cli_unseal_key(
	    &x->unseal, x->keys, fpr, x->arena, &row, out, NULL);
}

static enum err
decrypt(void *ctx, struct span fpr, const struct crypto_decrypt *what,
    struct secret **out)
{
	struct secret *pkcs8 = NULL;
	struct crypto_private *key = NULL;
	enum err e = unseal(ctx, fpr, &pkcs8);

	if (e == ERR_OK)
		e = crypto_private_parse(secret_span(pkcs8), &key);
	if (e == ERR_OK)
		e = crypto_private_decrypt(key, what, out);
	crypto_private_free(key);
	secret_free(pkcs8);
	return e;
}

/* --- gpg --- */

static enum err
take_secrets(struct opening *x, const struct open_pgp_ask *ask,
    struct secret **secret, struct crypto_pgp_open_ask *out)
{
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < ask->n_fprs &&
			   out->n_secrets < CRYPTO_PGP_OPEN_KEYS;
	     i++) {
		size_t n = out->n_secrets;

		e = unseal(x, ask->fprs[i], &secret[n]);
		if (e == ERR_OK)
			out->secret[out->n_secrets++] = secret_span(secret[n]);
	}
	return e;
}

static enum err
pgp_open(void *arg, const struct open_pgp_ask *ask, int fd,
    struct memfd_map *out, struct crypto_pgp_opened *result,
    struct err_why *why)
{
	struct opening *x = arg;
	struct secret *secret[CRYPTO_PGP_OPEN_KEYS] = {NULL};
	struct crypto_pgp_open_ask a = {
	    .certs = ask->certs, .n_certs = ask->n_certs, .max = ask->max};
	struct memfd_map in = {0};
	int text = -1;
	enum err e =
	    x->gpg.engine != NULL ? ERR_OK : cli_gpg_open(&x->gpg, why);

	if (e == ERR_OK)
		e = memfd_map(fd, LIMIT_IPC_PAYLOAD, &in);
	if (e == ERR_OK)
		e = take_secrets(x, ask, secret, &a);
	a.in = in.data;
	if (e == ERR_OK)
		e = crypto_pgp_open_message(
		    x->gpg.engine, &a, &text, result, why);
	if (e == ERR_OK)
		e = memfd_map(text, LIMIT_MESSAGE_SIZE_MAX, out);
	if (text >= 0)
		close(text);
	for (size_t i = 0; i < CRYPTO_PGP_OPEN_KEYS; i++)
		secret_free(secret[i]);
	memfd_unmap(&in);
	return e;
}

static enum err
pgp_verify(void *arg, struct span signatures, int fd, const struct span *certs,
    size_t n_certs, struct crypto_pgp_sigs *out, struct err_why *why)
{
	struct opening *x = arg;
	struct memfd_map in = {0};
	enum err e =
	    x->gpg.engine != NULL ? ERR_OK : cli_gpg_open(&x->gpg, why);

	if (e == ERR_OK)
		e = memfd_map(fd, LIMIT_IPC_PAYLOAD, &in);
	if (e == ERR_OK)
		e = crypto_pgp_verify(x->gpg.engine, signatures, in.data, certs,
		    n_certs, out, why);
	memfd_unmap(&in);
	return e;
}

/* --- the message --- */

/* As the gateway has it: in a sealed file in memory, CRLF line ends. */
static enum err
read_message(struct opening *x, struct err_why *why)
{
	struct cli_input in = {.is_open = false};
	int fd = -1;
	enum err e = cli_input_open(&in, "-", x->conf->policy, x->arena, why);

	if (e == ERR_OK && in.raw.len > x->conf->limits.message_size)
		e = ERR_TOO_BIG;
	if (e == ERR_OK)
		e = memfd_from(in.message.raw, &fd);
	if (e == ERR_OK)
		e = memfd_map(fd, LIMIT_MESSAGE_SIZE_MAX, &x->message);
	if (fd >= 0)
		close(fd);
	cli_input_close(&in);
	return e;
}

static enum err
put_out(struct opening *x)
{
	struct mime_sink sink;
	struct spill text;
	struct span octets;
	enum err e;

	spill_init(&text, x->conf->limits.message_size * LIMIT_VARIANTS_FACTOR);
	sink = spill_sink(&text);
	e = open_write(&x->o, SPAN(NULL, 0), &sink);
	if (e == ERR_OK)
		e = spill_finish(&text, &octets);
	if (e == ERR_OK)
		e = file_write_all(STDOUT_FILENO, octets);
	spill_clear(&text);
	return e;
}

static enum err
put_json(struct opening *x)
{
	struct buf text;
	enum err e;

	buf_init(&text, 1024 * 1024);
	e = crypto_verdict_json(&x->o.verdict, &text);
	if (e == ERR_OK)
		e = buf_putc(&text, '\n');
	if (e == ERR_OK)
		e = file_write_all(STDERR_FILENO, buf_span(&text));
	buf_clear(&text);
	return e;
}

static enum err
open_it(struct opening *x, struct err_why *why)
{
	const struct open_form form = {
	    .authserv_id = x->conf->opening.authserv_id,
	    .subject_tags = x->conf->opening.subject_tags,
	    .attach_original = x->conf->opening.attach_original};
	const struct open_engine engine = open_engine_both(&x->tools);
	enum err e;

	x->tools = (struct open_engine_both){
	    .smime = {.store = x->keys,
		.certs = x->certs,
		.arena = x->arena,
		.judge = x->cli->certs,
		.decrypt = decrypt,
		.ctx = x,
		.now_s = (int64_t)(clock_unix_ms() / 1000),
		.legacy = x->conf->opening.weak_ciphers,
		.max = x->conf->limits.message_size},
	    .pgp = {pgp_open, pgp_verify, x}};
	e = open_engine_add_keys(&x->tools, &x->to_key, 1);
	if (e == ERR_OK)
		e = open_read(&x->o, &form, &engine, x->message.data, true,
		    x->arena, why);
	if (e == ERR_OK)
		e = put_out(x);
	if (e == ERR_OK && x->cli->json)
		e = put_json(x);
	return e;
}

/* Whether it is worth something is the exit status, too. */
static int
status_of(const struct crypto_verdict *v)
{
	bool bad = v->sealed == CRYPTO_SEALED_CLOSED ||
		   (v->signature != CRYPTO_SIGNED_NONE &&
		       v->signature != CRYPTO_SIGNED_GOOD);

	return bad ? CLI_NO : CLI_DONE;
}

/* Root is given up before the message is read. */
static enum err
open_all(struct opening *x, struct err_why *why)
{
	enum err e = cli_conf(x->cli, &x->conf);

	if (e == ERR_OK)
		e = cli_unseal_open(x->cli, &x->unseal, why);
	if (e == ERR_OK)
		e = cli_keystore(x->cli, false, &x->keys);
	if (e == ERR_OK)
		e = crypto_check_library(why);
	if (e == ERR_OK)
		e = crypto_private_init();
	if (e == ERR_OK)
		e = crypto_cms_open_init(x->conf->opening.weak_ciphers, why);
	return e;
}

static int
run(struct opening *x)
{
	struct err_why why = {""};
	enum err e = open_all(x, &why);

	if (e == ERR_OK)
		e = cli_input_recipient(x->to, x->arena, &x->to_key, &why);
	if (e == ERR_OK)
		e = read_message(x, &why);
	if (e == ERR_OK)
		e = open_it(x, &why);
	if (e == ERR_OK)
		return status_of(&x->o.verdict);
	cli_say("%s", why.text[0] != 0 ? why.text : err_text(e));
	return cli_status(e);
}

static int
take_options(struct opening *x, int argc, char **argv)
{
	static const struct option options[] = {
	    {"to", required_argument, NULL, 't'},
	    {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 't' || x->to != NULL)
			return cli_usage(x->cli);
		x->to = optarg;
	}
	return x->to == NULL || optind != argc ? cli_usage(x->cli) : CLI_DONE;
}

int
cli_open(struct cli *cli, int argc, char **argv)
{
	struct opening x = {.cli = cli,
	    .arena = arena_new(ARENA_MAX),
	    .certs = crypto_cert_cache_new(CERTS),
	    .unseal = CLI_UNSEAL_INIT};
	int status = take_options(&x, argc, argv);

	mime_charsets_open();
	if (status == CLI_DONE)
		status = run(&x);
	open_clear(&x.o);
	open_engine_clear(&x.tools);
	memfd_unmap(&x.message);
	cli_gpg_close(&x.gpg);
	cli_unseal_close(&x.unseal);
	ks_close(x.keys);
	crypto_cert_cache_free(x.certs);
	mime_charsets_close();
	arena_free(x.arena);
	return status;
}
