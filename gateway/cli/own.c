/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Names, durations and files for the verbs that make keys.
 */
#include "gateway/cli/own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/file.h"
#include "common/secret.h"
#include "crypto/own_key.h"
#include "gateway/ca.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/input.h"
#include "gateway/cli/key_import.h"
#include "gateway/cli/unseal.h"
#include "keystore/private.h"

enum err
cli_out_open(struct cli_out *o, const char *name, unsigned mode)
{
	if (strcmp(name, "-") == 0)
		return ERR_OK;
	o->fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY,
	    (mode_t)mode);
	if (o->fd >= 0) {
		o->name = name;
		return ERR_OK;
	}
	cli_say("%s: %s", name, strerror(errno));
	return err_from_errno(errno);
}

enum err
cli_out_write(struct cli_out *o, struct span octets)
{
	int fd = o->fd >= 0 ? o->fd : STDOUT_FILENO;
	enum err e = file_write_all(fd, octets);

	if (e == ERR_OK && o->fd >= 0)
		e = file_sync(o->fd);
	if (e != ERR_OK)
		cli_say("%s: %s", o->name == NULL ? "output" : o->name,
		    err_text(e));
	return e;
}

void
cli_out_close(struct cli_out *o)
{
	if (o->fd >= 0)
		close(o->fd);
	o->fd = -1;
}

static enum err
read_one(const char *text, struct arena *arena, struct span *out)
{
	struct err_why why = {""};
	const char *key = NULL;
	enum err e = cli_input_recipient(text, arena, &key, &why);

	if (e != ERR_OK) {
		cli_say("\"%s\" is no mail address: %s", text, why.text);
		return ERR_USAGE;
	}
	*out = span_str(key);
	return ERR_OK;
}

enum err
cli_whom_read(const char *domain, int n, char **addrs, struct arena *arena,
    struct cli_whom *out)
{
	struct cli_whom w = {.n_addrs = domain != NULL ? 1 : (size_t)n};
	const char *of_domain;
	enum err e = ERR_OK;

	if ((domain != NULL) == (n > 0))
		return ERR_USAGE;
	w.addrs = arena_array(arena, w.n_addrs, sizeof(*w.addrs));
	if (w.addrs == NULL || n > KS_ADDRS_MAX)
		return ERR_LIMIT;
	if (domain != NULL) {
		of_domain =
		    arena_printf(arena, "%s@%s", CA_DOMAIN_LOCAL, domain);
		if (of_domain == NULL)
			return ERR_NOMEM;
		e = read_one(of_domain, arena, &w.addrs[0]);
		if (e == ERR_OK)
			w.domain = ks_addr_domain(w.addrs[0]);
	}
	for (int i = 0; i < n && e == ERR_OK; i++)
		e = read_one(addrs[i], arena, &w.addrs[i]);
	if (e == ERR_OK)
		*out = w;
	return e;
}

enum err
cli_duration(const char *text, int64_t *out)
{
	static const struct {
		char unit;
		int64_t s;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400},
	    {'w', 7 * 86400}, {'y', 365 * 86400}};
	char *end;
	long n = strtol(text, &end, 10);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (end != text && n > 0 && n < 1000000 &&
		    *end == units[i].unit && end[1] == '\0') {
			*out = n * units[i].s;
			return ERR_OK;
		}
	cli_say("\"%s\" is no duration, expected a number with s, m, h, d, w "
		"or y behind it",
	    text);
	return ERR_USAGE;
}

enum err
cli_tell_own(struct cli *cli, struct ks_store *s, enum ks_event_what what,
    const struct ks_record *r, struct span why)
{
	char who[CLI_WHO_SIZE];
	const struct ks_event e = {.what = what,
	    .at = (int64_t)time(NULL),
	    .who = cli_who(cli, who),
	    .was = r->trust,
	    .text = why};

	return ks_history_of(s, &e, r);
}

/* --- a certificate for a key that was made here --- */

enum err
key_claim(struct key_import *im, const struct crypto_cert *cert,
    struct ks_record *r, struct arena *arena, struct secret **out,
    struct err_why *why)
{
	struct secret *key = NULL;
	struct ks_private *row;
	uint8_t digest[CRYPTO_SPKI_SIZE];
	struct span waits = SPAN(digest, sizeof(digest));
	enum err e;

	*out = NULL;
	if (crypto_cert_spki_digest(cert, digest) != ERR_OK)
		return ERR_OK;
	e = ks_private_has(im->store, waits);
	if (e != ERR_OK)
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	if (im->unseal.master < 0)
		return err_why(why, ERR_PERMISSION,
		    "its private key waits here, and only who may read the "
		    "master key can put the two together: import it as root");
	e = cli_unseal_key(
	    &im->unseal, im->store, waits, arena, &row, &key, why);
	if (e != ERR_OK)
		return e;
	im->pub = im->unseal.pub;
	if (r->domain.len == 0)
		r->domain = row->domain;
	*out = key;
	return ERR_OK;
}

enum err
key_claimed(struct key_import *im, const struct crypto_cert *cert)
{
	uint8_t digest[CRYPTO_SPKI_SIZE];
	enum err e = crypto_cert_spki_digest(cert, digest);

	return e == ERR_OK
		   ? ks_private_delete(im->store, SPAN(digest, sizeof(digest)))
		   : e;
}
