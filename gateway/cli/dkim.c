/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate dkim`: the keys that sign mail of a domain when it leaves
 * (gateway/dkim.h). They are sealed like all private keys; what others need of
 * one is its record, printed as a zone file has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/arena.h"
#include "crypto/own_key.h"
#include "crypto/private_key.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/unseal.h"
#include "gateway/dkim.h"
#include "keystore/private.h"
#include "mime/addr.h"
#include "mime/dkim.h"

enum { MEMORY = 1 << 20, FILE_MAX = 64 * 1024, LABEL_MAX = 63 };

struct dkim {
	struct cli *cli;
	struct arena *arena;
	char name[DKIM_NAME_SIZE];
	uint8_t id[DIGEST_SIZE];
	bool ed25519; /* such a key is made */
	struct sealed_pub pub;
	struct ks_store *store;
};

/* RFC 6376 3.1: labels of letters, digits and hyphens. */
static bool
is_selector(const char *s)
{
	size_t label = 0;

	for (; *s != '\0'; s++) {
		if (*s == '.'
			? label == 0
			: strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN"
				 "OPQRSTUVWXYZ0123456789-",
			      *s) == NULL)
			return false;
		label = *s == '.' ? 0 : label + 1;
		if (label > LABEL_MAX)
			return false;
	}
	return label > 0;
}

static enum err
take_names(struct dkim *d, int argc, char **argv, int n)
{
	struct err_why why = {""};
	const char *domain;

	if (argc != n)
		return ERR_USAGE;
	if (mime_domain_parse(span_str(argv[1]), d->arena, &domain, &why) !=
	    ERR_OK) {
		cli_say("%s: %s", argv[1], why.text);
		return ERR_USAGE;
	}
	if (!is_selector(argv[2]) ||
	    strlen(argv[2]) + strlen(domain) + sizeof("._domainkey.") >
		DKIM_NAME_SIZE) {
		cli_say("%s: expected a selector of letters, digits and "
			"hyphens",
		    argv[2]);
		return ERR_USAGE;
	}
	dkim_name(argv[2], domain, d->name);
	for (char *c = d->name; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	dkim_key_id(d->name, d->id);
	return ERR_OK;
}

static enum err
print_record(
    struct dkim *d, const struct crypto_private *key, struct err_why *why)
{
	struct buf public, record;
	json_t *j;
	enum err e;

	buf_init(&public, CRYPTO_SPKI_MAX);
	buf_init(&record, 4 * CRYPTO_SPKI_MAX);
	e = crypto_own_mail_public(key, &public);
	if (e == ERR_OK)
		e = mime_dkim_record(crypto_own_is_ed25519(key)
					 ? MIME_DKIM_ED25519
					 : MIME_DKIM_RSA,
		    buf_span(&public), &record);
	if (e == ERR_OK && d->cli->json) {
		j = json_pack("{s:s, s:s%}", "name", d->name, "record",
		    (const char *)record.data, record.len);
		json_dumpf(j, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(j);
	} else if (e == ERR_OK) {
		printf("%s. IN TXT ( %.*s )\n", d->name, (int)record.len,
		    (const char *)record.data);
	}
	buf_clear(&public);
	buf_clear(&record);
	return e == ERR_OK ? e : err_why(why, e, "%s", err_text(e));
}

/* A key that is there is not written over: mail is signed with it. */
static enum err
keep(struct dkim *d, struct secret *octets, struct err_why *why)
{
	const struct ks_private row = {.kind = KS_SMIME,
	    .fpr = SPAN(d->id, sizeof(d->id)),
	    .added = (int64_t)time(NULL),
	    .domain = span_str(d->name)};
	struct crypto_private *key = NULL;
	enum err e = crypto_private_parse_mail(secret_span(octets), &key);

	if (e == ERR_OK && ks_private_has(d->store, row.fpr) == ERR_OK)
		e = err_why(why, ERR_EXISTS,
		    "%s has a key: use another selector, or sealgate dkim "
		    "delete",
		    d->name);
	if (e == ERR_OK)
		e = ks_private_put(
		    d->store, &row, &d->pub, secret_span(octets));
	if (e == ERR_OK)
		e = print_record(d, key, why);
	crypto_private_free(key);
	return e;
}

static enum err
read_file(const char *path, struct secret **out, struct err_why *why)
{
	struct secret *text = secret_new(FILE_MAX);
	ssize_t n = -1;
	enum err e;
	int fd;

	if (text == NULL)
		return err_why(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = read(fd, text->data, FILE_MAX);
	e = n < 0 ? err_from_errno(errno)
		  : crypto_own_mail_read(SPAN(text->data, (size_t)n), out);
	if (n < 0)
		err_why(why, e, "%s: %s", path, strerror(errno));
	else if (e != ERR_OK)
		err_why(why, e,
		    "%s: expected one key, PEM without a passphrase: RSA of "
		    "2048 bits or more, or Ed25519",
		    path);
	if (fd >= 0)
		close(fd);
	secret_free(text);
	return e;
}

static int
run(struct cli *cli, int argc, char **argv, int n, bool makes, bool ed25519,
    enum err (*work)(
	struct dkim *d, struct secret **octets, struct err_why *why))
{
	struct dkim d = {
	    .cli = cli, .arena = arena_new(MEMORY), .ed25519 = ed25519};
	struct secret *octets = NULL;
	struct err_why why = {""};
	enum err e =
	    d.arena == NULL ? ERR_NOMEM : take_names(&d, argc, argv, n);

	/* with the caller's rights */
	if (e == ERR_OK && n == 4)
		e = read_file(argv[3], &octets, &why);
	if (e == ERR_OK && makes)
		e = cli_seal_public(cli, &d.pub, &why);
	if (e == ERR_OK)
		e = work(&d, &octets, &why);
	if (e != ERR_OK && e != ERR_USAGE)
		cli_say("%s", why.text[0] != '\0' ? why.text : err_text(e));
	secret_free(octets);
	ks_close(d.store);
	arena_free(d.arena);
	return e == ERR_USAGE ? cli_usage(cli) : cli_status(e);
}

static enum err
store_key(struct dkim *d, struct secret **octets, struct err_why *why)
{
	enum err e = cli_keystore(d->cli, true, &d->store);

	if (e == ERR_OK)
		e = crypto_private_init();
	if (e == ERR_OK && *octets == NULL)
		e = crypto_own_key_new(
		    d->ed25519 ? CRYPTO_OWN_ED25519 : CRYPTO_OWN_RSA2048,
		    octets);
	return e == ERR_OK ? keep(d, *octets, why) : e;
}

static enum err
show_key(struct dkim *d, struct secret **octets, struct err_why *why)
{
	struct cli_unseal u = CLI_UNSEAL_INIT;
	struct crypto_private *key = NULL;
	struct ks_private *row;
	enum err e = cli_unseal_open(d->cli, &u, why);

	if (e == ERR_OK)
		e = cli_keystore(d->cli, false, &d->store);
	if (e == ERR_OK)
		e = crypto_private_init();
	if (e == ERR_OK)
		e = cli_unseal_read(&u, why);
	if (e == ERR_OK)
		e = cli_unseal_key(&u, d->store, SPAN(d->id, sizeof(d->id)),
		    d->arena, &row, octets, why);
	if (e == ERR_OK)
		e = crypto_private_parse_mail(secret_span(*octets), &key);
	if (e == ERR_OK)
		e = print_record(d, key, why);
	if (e == ERR_NOT_FOUND)
		e = err_why(why, e, "%s: there is no such key", d->name);
	crypto_private_free(key);
	cli_unseal_close(&u);
	return e;
}

static enum err
delete_key(struct dkim *d, struct secret **octets, struct err_why *why)
{
	enum err e = cli_keystore(d->cli, true, &d->store);

	(void)octets;
	if (e == ERR_OK)
		e = ks_private_delete(d->store, SPAN(d->id, sizeof(d->id)));
	return e == ERR_NOT_FOUND
		   ? err_why(why, e, "%s: there is no such key", d->name)
		   : e;
}

int
cli_dkim_generate(struct cli *cli, int argc, char **argv)
{
	bool ed25519 = argc > 1 && strcmp(argv[1], "--ed25519") == 0;

	argc -= ed25519;
	argv += ed25519;
	return run(cli, argc, argv, 3, true, ed25519, store_key);
}

int
cli_dkim_import(struct cli *cli, int argc, char **argv)
{
	return run(cli, argc, argv, 4, true, false, store_key);
}

int
cli_dkim_show(struct cli *cli, int argc, char **argv)
{
	return run(cli, argc, argv, 3, false, false, show_key);
}

int
cli_dkim_delete(struct cli *cli, int argc, char **argv)
{
	return run(cli, argc, argv, 3, false, false, delete_key);
}
