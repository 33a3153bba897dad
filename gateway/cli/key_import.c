/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate key import`: files are opened, root is given up, then they are
 * read. Certificates go through OpenSSL, OpenPGP keys through gpg in a scratch
 * home of its own; both only describe, what is kept is keystore/admit.c's.
 * Secret parts are sealed to the process keys before they reach the store.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "common/arena.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/secret.h"
#include "common/text.h"
#include "crypto/cert.h"
#include "crypto/openpgp.h"
#include "crypto/openpgp_secret.h"
#include "crypto/pkcs12.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/key_import.h"
#include "gateway/cli/key_private.h"
#include "gateway/cli/own.h"
#include "gateway/conf.h"
#include "keystore/admit.h"
#include "keystore/private.h"
#include "mime/addr.h"

enum {
	CERTS_MAX = 1000,
	MEMORY = 256 << 20, /* octets of records made from one file */
	OPTIONS_MEMORY = 64 * 1024,
};

static enum err
open_pgp(struct key_import *im, struct err_why *why)
{
	return im->gpg.engine != NULL ? ERR_OK : cli_gpg_open(&im->gpg, why);
}

/* --- telling --- */

static const char *
admitted_text(enum ks_admitted a)
{
	switch (a) {
	case KS_REFUSED:
		return "refused";
	case KS_ADDED:
		return "imported";
	case KS_UPDATED:
		return "updated";
	case KS_STAYS_DISTRUSTED:
		return "updated, stays distrusted";
	case KS_STAYS_REVOKED:
		return "not changed, stays revoked";
	}
	return "refused";
}

/* What the administrator should know at once about a key taken in. */
static struct span
remark(const struct ks_record *r, int64_t now)
{
	if (r->flaw != KS_FLAW_NONE && !(r->good_for & KS_GOOD_ISSUE))
		return r->flaw_text;
	if (r->not_after != 0 && r->not_after <= now)
		return SPAN_LIT("expired");
	if (r->n_addrs == 0 && !(r->good_for & KS_GOOD_ISSUE))
		return SPAN_LIT("no mail address in it");
	return SPAN(NULL, 0);
}

static void
tell(struct key_import *im, const char *file, const struct ks_record *r,
    enum ks_admitted what)
{
	struct span note = remark(r, im->origin.now);
	char hex[2 * KS_FPR_MAX + 1];

	if (im->cli->json) {
		json_t *j = key_to_json(r, im->with_private != NULL);

		json_object_set_new(j, "file", cli_json_text(span_str(file)));
		json_object_set_new(
		    j, "result", json_string(admitted_text(what)));
		json_object_set_new(j, "remark", cli_json_text(note));
		json_array_append_new(im->imported, j);
		return;
	}
	text_hex(r->fpr, hex);
	printf("%s %s %s ", admitted_text(what), ks_kind_name(r->kind), hex);
	cli_put_text(r->n_addrs > 0 ? r->addrs[0] : r->subject);
	if (r->n_addrs > 1)
		printf(" and %zu more", r->n_addrs - 1);
	if ((r->good_for & KS_GOOD_ISSUE) && r->trust >= KS_TRUSTED)
		printf(" (anchor)");
	if (im->with_private != NULL)
		printf(" (with its private key)");
	if (note.len > 0) {
		printf(" (");
		cli_put_text(note);
		putchar(')');
	}
	putchar('\n');
}

static void
tell_secret(struct key_import *im, const char *file,
    const struct crypto_pgp_secret *key)
{
	char until[CLI_DATE_SIZE];

	cli_date(key->sign_until, until);
	if (im->cli->json)
		json_array_append_new(im->imported,
		    json_pack("{s:o, s:s, s:s, s:s, s:s, s:I}", "file",
			cli_json_text(span_str(file)), "result", "imported",
			"secret", "openpgp", "fingerprint", key->fpr_hex, "alg",
			key->sign_alg, "until", (json_int_t)key->sign_until));
	else
		printf("imported secret openpgp %s (signs with %s, until %s)\n",
		    key->fpr_hex, key->sign_alg, until);
}

void
key_import_refuse(
    struct key_import *im, const char *file, enum err e, const char *why)
{
	const char *text = why[0] != '\0' ? why : err_text(e);
	json_t *j =
	    json_pack("{s:o, s:s, s:o}", "file", cli_json_text(span_str(file)),
		"error", err_name(e), "why", cli_json_text(span_str(text)));

	json_array_append_new(im->refused, j);
	if (im->cli->json)
		return;
	printf("refused %s: ", file);
	cli_put_text(span_str(text));
	putchar('\n');
}

/* --- taking in --- */

enum err
key_import_keep(struct key_import *im, const char *file,
    const struct ks_record *r, enum err e, struct err_why *why,
    struct arena *arena)
{
	enum ks_admitted what;

	if (e == ERR_OK)
		e = ks_admit(im->store, r, arena, &what);
	if (e == ERR_OK && im->with_private != NULL)
		e = key_import_private(im, r, why);
	if (e == ERR_OK)
		tell(im, file, r, what);
	else
		key_import_refuse(im, file, e, why->text);
	return e;
}

/* A key stands for its domain; a CA is believed for it. */
static enum err
set_domain(
    const struct key_import *im, struct ks_record *r, struct err_why *why)
{
	if (r->good_for & KS_GOOD_ISSUE)
		r->domain = im->anchor_for;
	else if (im->anchor_for.len > 0)
		return err_why(why, ERR_USAGE,
		    "no CA certificate, and only one can be an anchor");
	else
		r->domain = im->domain;
	return ERR_OK;
}

/* Some error of a file, ERR_OK when all of it is in. */
static enum err
import_certs(struct key_import *im, const char *file, struct span in,
    struct arena *arena, struct err_why *why)
{
	struct crypto_cert **certs =
	    calloc(CERTS_MAX, sizeof(struct crypto_cert *));
	enum err e, result;
	size_t n = 0;

	if (certs == NULL)
		return ERR_NOMEM;
	result = crypto_cert_parse_all(in, certs, CERTS_MAX, &n, why);
	if (result != ERR_OK)
		key_import_refuse(im, file, result, why->text);
	for (size_t i = 0; i < n; i++) {
		struct err_why own = {""};
		struct ks_record *r = NULL;
		struct secret *key = NULL;

		e = ks_admit_cert(certs[i], &im->origin, arena, &r, &own);
		if (e == ERR_OK)
			e = set_domain(im, r, &own);
		if (e == ERR_OK)
			e = key_claim(im, certs[i], r, arena, &key, &own);
		im->with_private = key;
		e = key_import_keep(im, file, r, e, &own, arena);
		im->with_private = NULL;
		if (e == ERR_OK && key != NULL)
			e = key_claimed(im, certs[i]);
		secret_free(key);
		result = result != ERR_OK ? result : e;
		crypto_cert_unref(certs[i]);
	}
	free(certs);
	return result;
}

/* Append what the store has of the key already. */
static enum err
put_known(struct key_import *im, const struct crypto_pgp_cert *cert,
    struct arena *arena, struct buf *out)
{
	struct ks_record *old;
	enum err e;

	if (cert->fpr_len == 0)
		return ERR_OK;
	e = ks_get(im->store, SPAN(cert->fpr, cert->fpr_len), arena, &old);
	if (e != ERR_OK)
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	return old->kind == KS_OPENPGP ? buf_put(out, old->key) : ERR_OK;
}

/* Let gpg put together what we have and what comes, so that an older copy
   takes back neither a revocation nor a later expiry. */
static enum err
merge_known(struct key_import *im, struct crypto_pgp_list *list,
    struct arena *arena, struct err_why *why)
{
	struct crypto_pgp_list merged = {0};
	enum err e = ERR_OK;
	struct buf both;
	size_t known;

	buf_init(&both, 2 * LIMIT_KEYS_SIZE);
	for (size_t i = 0; i < list->n && e == ERR_OK; i++)
		e = put_known(im, &list->certs[i], arena, &both);
	known = both.len;
	for (size_t i = 0; i < list->n && e == ERR_OK; i++)
		e = buf_put(&both, buf_span(&list->certs[i].minimal));
	if (e == ERR_OK && known > 0)
		e = crypto_pgp_inspect(
		    im->gpg.engine, buf_span(&both), &merged, why);
	if (e == ERR_OK && known > 0) {
		crypto_pgp_list_clear(list);
		*list = merged;
	}
	buf_clear(&both);
	return e;
}

/* Keep what was found; some error, ERR_OK when all is in. */
static enum err
keep_pgp(struct key_import *im, const char *file, struct crypto_pgp_list *list,
    struct arena *arena)
{
	enum err e, result = ERR_OK;

	for (size_t i = 0; i < list->n; i++) {
		struct err_why own = {""};
		struct ks_record *r = NULL;

		e = ks_admit_pgp(&list->certs[i], &im->origin, arena, &r, &own);
		if (e == ERR_OK)
			r->domain = im->domain;
		e = key_import_keep(im, file, r, e, &own, arena);
		result = result != ERR_OK ? result : e;
	}
	return result;
}

static enum err
import_pgp(struct key_import *im, const char *file, struct span in,
    struct arena *arena, struct err_why *why)
{
	struct crypto_pgp_list list = {0};
	enum err result = open_pgp(im, why);

	if (result == ERR_OK)
		result = crypto_pgp_inspect(im->gpg.engine, in, &list, why);
	if (result == ERR_OK)
		result = merge_known(im, &list, arena, why);
	if (result == ERR_OK)
		result = keep_pgp(im, file, &list, arena);
	else
		key_import_refuse(im, file, result, why->text);
	crypto_pgp_list_clear(&list);
	return result;
}

/* --- secret keys --- */

enum err
key_import_public(
    struct key_import *im, struct sealed_pub *out, struct err_why *why)
{
	return cli_seal_public(im->cli, out, why);
}

/* Open the keys, asking for a passphrase only if they have one. */
static enum err
take_secrets(struct key_import *im, const char *file, struct span in,
    struct crypto_pgp_secrets *out, struct err_why *why)
{
	const struct secret *passphrase;
	enum err e =
	    crypto_pgp_take_secrets(im->gpg.engine, in, NULL, out, why);

	if (e != ERR_PASSPHRASE)
		return e;
	e = cli_passphrase_get(&im->passphrase, file, &passphrase, why);
	if (e == ERR_OK)
		e = crypto_pgp_take_secrets(
		    im->gpg.engine, in, passphrase, out, why);
	cli_passphrase_forget(&im->passphrase);
	return e;
}

/* Seal the secret part beside the addresses of the key's record. */
static enum err
keep_secret(struct key_import *im, const struct crypto_pgp_secret *key,
    const struct sealed_pub *pub, struct arena *arena, struct err_why *why)
{
	struct ks_private private = {.kind = KS_OPENPGP,
	    .fpr = SPAN(key->fpr, key->fpr_len),
	    .added = im->origin.now};
	struct ks_record *record;
	enum err e = key->sign_err;

	if (e != ERR_OK)
		return err_why(why, e, "key %s does not sign: %s", key->fpr_hex,
		    key->sign_why.text);
	e = ks_get(im->store, private.fpr, arena, &record);
	if (e == ERR_OK && record->n_addrs == 0)
		return err_why(why, ERR_KEY_ADDR,
		    "key %s has no mail address: nobody can sign with it",
		    key->fpr_hex);
	if (e == ERR_OK) {
		private.domain = record->domain;
		private.n_addrs = record->n_addrs;
		private.addrs = record->addrs;
		e = ks_private_put(
		    im->store, &private, pub, secret_span(key->octets));
	}
	return e == ERR_OK ? e
			   : err_why(why, e, "the secret part of key %s: %s",
				 key->fpr_hex, err_text(e));
}

static enum err
keep_secrets(struct key_import *im, const char *file,
    const struct crypto_pgp_secrets *secrets, const struct sealed_pub *pub,
    struct arena *arena)
{
	enum err e, result = ERR_OK;

	for (size_t i = 0; i < secrets->n; i++) {
		struct err_why own = {""};

		e = keep_secret(im, &secrets->keys[i], pub, arena, &own);
		if (e != ERR_OK)
			key_import_refuse(im, file, e, own.text);
		else
			tell_secret(im, file, &secrets->keys[i]);
		result = result != ERR_OK ? result : e;
	}
	return result;
}

static enum err
import_secret(struct key_import *im, const char *file, struct span in,
    struct arena *arena, struct err_why *why)
{
	struct crypto_pgp_secrets secrets = {0};
	struct sealed_pub pub;
	enum err e, result = key_import_public(im, &pub, why);

	if (result == ERR_OK)
		result = open_pgp(im, why);
	if (result == ERR_OK)
		result = take_secrets(im, file, in, &secrets, why);
	if (result == ERR_OK)
		result = merge_known(im, &secrets.certs, arena, why);
	if (result == ERR_OK) {
		result = keep_pgp(im, file, &secrets.certs, arena);
		e = keep_secrets(im, file, &secrets, &pub, arena);
		result = result != ERR_OK ? result : e;
	} else {
		key_import_refuse(im, file, result, why->text);
	}
	crypto_pgp_secrets_clear(&secrets);
	return result;
}

/* OpenPGP: its armor, or binary, where every packet begins with the high bit
   set (RFC 9580 section 4.2). All else is for the certificate parser. */
static bool
is_pgp(struct span in)
{
	struct span begin = SPAN_LIT("-----BEGIN ");
	struct span pgp = SPAN_LIT("-----BEGIN PGP ");
	size_t at = span_find(in, 0, begin);

	if (in.len > 0 && (in.data[0] & 0x80))
		return true;
	return at < in.len && span_find(in, at, pgp) == at;
}

/* Room for the whole file at once: what is moved leaves a copy behind. */
static enum err
reserve_for(int fd, struct buf *in)
{
	struct stat st;
	uint8_t *room;

	if (fstat(fd, &st) != 0)
		return err_from_errno(errno);
	if (!S_ISREG(st.st_mode))
		return buf_reserve(in, 64 * 1024, &room);
	if (st.st_size > (off_t)LIMIT_KEYS_SIZE)
		return ERR_TOO_BIG;
	return buf_reserve(in, (size_t)st.st_size, &room);
}

static enum err
import_file(struct key_import *im, const char *file, int fd)
{
	struct arena *arena = arena_new(MEMORY);
	struct err_why why = {""};
	struct buf in;
	enum err e;

	buf_init(&in, LIMIT_KEYS_SIZE);
	e = reserve_for(fd, &in);
	if (e == ERR_OK)
		e = file_read_all(fd, &in);
	if (e != ERR_OK)
		key_import_refuse(im, file, e, "");
	else if (is_pgp(buf_span(&in)) && crypto_pgp_has_secret(buf_span(&in)))
		e = import_secret(im, file, buf_span(&in), arena, &why);
	else if (is_pgp(buf_span(&in)))
		e = import_pgp(im, file, buf_span(&in), arena, &why);
	else if (crypto_is_pkcs12(buf_span(&in)) ||
		 crypto_is_private_pem(buf_span(&in)))
		e = key_import_bundle(im, file, buf_span(&in), arena, &why);
	else
		e = import_certs(im, file, buf_span(&in), arena, &why);
	/* it may have been a secret */
	secret_wipe(in.data, in.len);
	buf_clear(&in);
	arena_free(arena);
	return e;
}

/* One commit for each file: what it holds is in or not as a whole where the
   database fails. */
static int
import_files(struct key_import *im, int n, char **names, const int *fds)
{
	int status = CLI_DONE;
	enum err e;

	for (int i = 0; i < n; i++) {
		if (fds[i] < 0) {
			key_import_refuse(
			    im, names[i], err_from_errno(-fds[i]), "");
			status = CLI_NO;
			continue;
		}
		e = ks_begin(im->store);
		if (e != ERR_OK) {
			cli_say("keystore: %s", err_text(e));
			return CLI_FAILED;
		}
		if (import_file(im, names[i], fds[i]) != ERR_OK)
			status = CLI_NO;
		e = ks_commit(im->store);
		if (e != ERR_OK) {
			cli_say("keystore: %s; nothing of %s was kept",
			    err_text(e), names[i]);
			return CLI_FAILED;
		}
	}
	return status;
}

/* Open while the caller's rights are still there; -errno when it fails. */
static int *
open_files(int n, char **names)
{
	int *fds = calloc((size_t)n + 1, sizeof(*fds));

	if (fds == NULL)
		fatal("out of memory");
	for (int i = 0; i < n; i++) {
		fds[i] = strcmp(names[i], "-") == 0
			     ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
			     : open(names[i], O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (fds[i] < 0)
			fds[i] = -errno;
	}
	return fds;
}

/* The domain as the keystore has it. Says what is wrong. */
static enum err
read_domain(const char *text, struct arena *arena, struct span *out)
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
import_all(struct cli *cli, const struct key_import *given, int n, char **names)
{
	struct key_import im = *given;
	int *fds = open_files(n, names);
	struct err_why why = {""};
	int status = CLI_FAILED;

	im.cli = cli;
	/* who may not only misses what key_claim() would do, which says so */
	if (cli_unseal_open(cli, &im.unseal, &why) != ERR_OK)
		cli_unseal_close(&im.unseal);
	im.imported = json_array();
	im.refused = json_array();
	im.origin.source = KS_SOURCE_MANUAL;
	im.origin.now = (int64_t)time(NULL);
	if (cli_keystore(cli, true, &im.store) == ERR_OK) {
		status = import_files(&im, n, names, fds);
		if (cli->json)
			key_print_json(json_pack("{s:O, s:O}", "imported",
			    im.imported, "refused", im.refused));
	}
	cli_gpg_close(&im.gpg);
	cli_passphrase_clear(&im.passphrase);
	cli_unseal_close(&im.unseal);
	ks_close(im.store);
	json_decref(im.imported);
	json_decref(im.refused);
	for (int i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(fds);
	return status;
}

/* ERR_USAGE: it is none; else what is wrong with it is said already. */
static enum err
take_option(struct key_import *im, int c, struct arena *arena)
{
	switch (c) {
	case 'c':
		im->origin.trust = KS_CANDIDATE;
		return ERR_OK;
	case 'a':
		im->anchor = true;
		return ERR_OK;
	case 'D':
		return read_domain(optarg, arena, &im->domain);
	case 'A':
		return read_domain(optarg, arena, &im->anchor_for);
	case 'p':
		return cli_passphrase_file(&im->passphrase, optarg);
	case 'd':
		return cli_passphrase_fd(&im->passphrase, optarg);
	}
	return ERR_USAGE;
}

int
cli_key_import(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
	    {"candidate", no_argument, NULL, 'c'},
	    {"anchor", no_argument, NULL, 'a'},
	    {"domain", required_argument, NULL, 'D'},
	    {"anchor-for", required_argument, NULL, 'A'},
	    {"passphrase-file", required_argument, NULL, 'p'},
	    {"passphrase-fd", required_argument, NULL, 'd'},
	    {NULL, 0, NULL, 0}};
	struct key_import im = {.passphrase = {.fd = -1},
	    .unseal = CLI_UNSEAL_INIT,
	    .origin = {.trust = KS_TRUSTED}};
	struct arena *arena = arena_new(OPTIONS_MEMORY);
	enum err e = arena == NULL ? ERR_NOMEM : ERR_OK;
	int c, status;

	while (e == ERR_OK &&
	       (c = getopt_long(argc, argv, "", options, NULL)) != -1)
		e = take_option(&im, c, arena);
	if (e == ERR_OK && optind < argc)
		status = import_all(cli, &im, argc - optind, argv + optind);
	else
		status =
		    e == ERR_OK || e == ERR_USAGE ? cli_usage(cli) : CLI_USAGE;
	arena_free(arena);
	return status;
}
