/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate ca import-crl`: a revocation list that nobody could fetch, because
 * its place cannot be reached from here or because its certificates name none.
 * It is verified by the CA certificates in the keystore, or by one in a file;
 * whoever brings it is not believed. RFC 5280 section 6.3.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "common/arena.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/text.h"
#include "crypto/cert.h"
#include "crypto/revocation.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/key_private.h"
#include "keystore/admit.h"
#include "keystore/history.h"
#include "keystore/store_revocation.h"

enum { CAS_MAX = 16, FILES_MAX = 64 };

/* One run of it. */
struct import {
	struct cli *cli;
	const char *url; /* the place it is of; "": for all of its issuer */
	struct ks_store *store;
	struct crypto_cert *given; /* the issuer, by --issuer */
	int64_t now;
	json_t *done;
};

/* The CA certificates that have the issuer's name. */
struct cas {
	struct crypto_cert *cert[CAS_MAX];
	size_t n;
};

static enum err
collect(void *ctx, const struct ks_record *r)
{
	struct cas *c = ctx;

	/* strangers may have left some with this name: what such a key signs
	   counts for what it issued, and for nothing else */
	if (c->n < CAS_MAX && (r->good_for & KS_GOOD_ISSUE) != 0 &&
	    r->trust != KS_DISTRUSTED &&
	    crypto_cert_parse(r->key, &c->cert[c->n], NULL) == ERR_OK)
		c->n++;
	return ERR_OK;
}

static enum err
find_cas(
    struct import *im, struct span list, struct cas *out, struct err_why *why)
{
	uint8_t digest[KS_NAME_SIZE];
	struct buf name;
	enum err e;

	if (im->given != NULL) {
		out->cert[out->n++] = crypto_cert_ref(im->given);
		return ERR_OK;
	}
	buf_init(&name, LIMIT_CRL_SIZE);
	e = crypto_list_issuer(list, &name, why);
	if (e == ERR_OK) {
		ks_admit_name(buf_span(&name), digest);
		e = ks_find(im->store, KS_BY_KEY_ID, SPAN(digest, KS_NAME_SIZE),
		    collect, out);
	}
	if (e == ERR_OK && out->n == 0)
		e = err_why(why, ERR_NOT_FOUND,
		    "no CA certificate of its issuer is in the keystore; "
		    "--issuer FILE names one");
	buf_clear(&name);
	return e;
}

static void
tell(struct import *im, const char *file, const struct crypto_cert *ca)
{
	const struct crypto_cert_info *info = crypto_cert_info(ca);
	char hex[2 * CRYPTO_CERT_FPR_SIZE + 1];
	json_t *j;

	text_hex(SPAN(info->fpr, CRYPTO_CERT_FPR_SIZE), hex);
	if (im->done != NULL) {
		j = json_object();
		json_object_set_new(j, "file", cli_json_text(span_str(file)));
		json_object_set_new(j, "issuer", json_string(hex));
		json_array_append_new(im->done, j);
		return;
	}
	printf("%s: counts for what was issued by %s ", file, hex);
	cli_put_text(span_str(info->subject));
	putchar('\n');
}

/* RFC 5280 section 6.3.3 (f): a CA that has changed its key signs lists with
   the new one for what it issued with the old. One of its two certificates
   then vouches for the other. */
static bool
is_same_ca(const struct crypto_cert *a, const struct crypto_cert *b)
{
	return a == b || crypto_cert_is_signed_by(a, b) ||
	       crypto_cert_is_signed_by(b, a);
}

static enum err
keep(struct import *im, const char *file, const struct cas *cas,
    const struct crypto_cert *signer, const struct ks_said *said,
    struct err_why *why)
{
	enum err e = ERR_OK;

	for (size_t i = 0; i < cas->n && e == ERR_OK; i++) {
		if (!is_same_ca(cas->cert[i], signer))
			continue;
		e = ks_said_import(im->store, crypto_cert_der(cas->cert[i]),
		    span_str(im->url), im->now, said);
		if (e == ERR_OK)
			tell(im, file, cas->cert[i]);
	}
	if (e == ERR_EXISTS)
		return err_why(why, e, "a newer list of its issuer is here");
	return e == ERR_OK ? e : err_why(why, e, "%s", err_text(e));
}

/* The reason of the last certificate is told when none has signed it. */
static enum err
import_list(
    struct import *im, const char *file, struct span in, struct err_why *why)
{
	struct crypto_list list = {.scope = 0};
	struct cas cas = {.n = 0};
	enum err e = find_cas(im, in, &cas, why);
	size_t at = 0;

	for (; e == ERR_OK && at < cas.n; at++) {
		e = crypto_list_read(
		    in, cas.cert[at], im->url, im->now, &list, why);
		if (e == ERR_OK)
			break;
		if (at + 1 < cas.n)
			e = ERR_OK;
	}
	if (e == ERR_OK) {
		const struct ks_said said = {.from = list.from,
		    .until = list.until,
		    .scope = (uint8_t)list.scope,
		    .entries = buf_span(&list.entries)};

		e = keep(im, file, &cas, cas.cert[at], &said, why);
		crypto_list_clear(&list);
	}
	for (size_t i = 0; i < cas.n; i++)
		crypto_cert_unref(cas.cert[i]);
	return e;
}

/* --- the run --- */

static enum err
read_file(int fd, size_t max, struct buf *out, struct err_why *why)
{
	enum err e;

	buf_init(out, max);
	e = fd < 0 ? ERR_NOT_FOUND : file_read_all(fd, out);
	return e == ERR_OK
		   ? e
		   : err_why(why, e, "it cannot be read: %s", err_text(e));
}

static enum err
import_file(struct import *im, const char *file, int fd)
{
	char who[CLI_WHO_SIZE];
	const struct ks_event event = {.what = KS_EVENT_IMPORTED,
	    .at = im->now,
	    .who = cli_who(im->cli, who),
	    .count = 1,
	    .text = SPAN(file, strnlen(file, KS_TEXT_MAX))};
	struct err_why why = {""};
	struct buf in;
	enum err e = read_file(fd, LIMIT_CRL_SIZE, &in, &why);

	if (e == ERR_OK)
		e = ks_begin(im->store);
	if (e == ERR_OK) {
		e = import_list(im, file, buf_span(&in), &why);
		if (e == ERR_OK)
			e = ks_history_add(im->store, &event, NULL, 0);
		if (e == ERR_OK)
			e = ks_commit(im->store);
		else
			ks_rollback(im->store);
	}
	if (e != ERR_OK)
		cli_say("%s: %s", file,
		    why.text[0] != '\0' ? why.text : err_text(e));
	buf_clear(&in);
	return e;
}

static enum err
read_issuer(struct import *im, const char *file, int fd)
{
	struct err_why why = {""};
	struct buf in;
	enum err e = read_file(fd, LIMIT_CERT_SIZE, &in, &why);

	if (e == ERR_OK)
		e = crypto_cert_parse(buf_span(&in), &im->given, &why);
	if (e != ERR_OK)
		cli_say("%s: %s", file,
		    why.text[0] != '\0' ? why.text : err_text(e));
	buf_clear(&in);
	return e;
}

static int
open_file(const char *name)
{
	return strcmp(name, "-") == 0
		   ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
		   : open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

/* fds: of the issuer, then of the files. */
static int
run(struct import *im, const char *issuer, int n, char **names, const int *fds)
{
	int status = CLI_DONE;
	enum err e = cli_keystore(im->cli, true, &im->store);

	if (e != ERR_OK)
		return cli_status(e);
	if (issuer != NULL && read_issuer(im, issuer, fds[0]) != ERR_OK)
		status = CLI_NO;
	for (int i = 0; (issuer == NULL || im->given != NULL) && i < n; i++) {
		e = import_file(im, names[i], fds[i + 1]);
		if (e != ERR_OK)
			status = key_worse(
			    status, err_class(e) == ERR_CLASS_TEMP ||
					    err_class(e) == ERR_CLASS_INTERNAL
					? CLI_FAILED
					: CLI_NO);
	}
	crypto_cert_unref(im->given);
	ks_close(im->store);
	return status;
}

int
cli_ca_import_crl(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
	    {"url", required_argument, NULL, 'u'},
	    {"issuer", required_argument, NULL, 'i'}, {NULL, 0, NULL, 0}};
	struct import im = {.cli = cli, .url = "", .now = (int64_t)time(NULL)};
	const char *issuer = NULL;
	int fds[FILES_MAX + 1], c, n, status;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (c == 'u' && strlen(optarg) <= LIMIT_REVOCATION_URL)
			im.url = optarg;
		else if (c == 'i')
			issuer = optarg;
		else
			return cli_usage(cli);
	n = argc - optind;
	if (n == 0 || n > FILES_MAX)
		return cli_usage(cli);
	/* while the caller's rights are still there */
	fds[0] = issuer == NULL ? -1 : open_file(issuer);
	for (int i = 0; i < n; i++)
		fds[i + 1] = open_file(argv[optind + i]);
	im.done = cli->json ? json_array() : NULL;
	status = run(&im, issuer, n, argv + optind, fds);
	for (int i = 0; i <= n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (im.done != NULL)
		key_print_json(im.done);
	return status;
}
