/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Opening: gpg takes off the encryption, and writes before it knows whether the
 * message is whole, so its output stays in a file in memory that goes unless
 * everything it said fits one message whose integrity was verified. That is
 * read from its status descriptor, which our gpg alone writes. What was inside
 * gpg does not get to interpret: openpgp_inside.c does.
 */
#include "crypto/openpgp_open.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/memfd.h"
#include "common/text.h"
#include "crypto/openpgp_inside.h"
#include "crypto/openpgp_message.h"
#include "crypto/openpgp_private.h"

/* What gpg reported, by its keywords (gnupg doc/DETAILS). */
struct report {
	unsigned begin, okay, good_mdc, failed;
	unsigned no_key;	 /* one of several session keys, or all */
	char opened[2 * 20 + 1]; /* fingerprint of the primary key */
	unsigned cipher;
	gpgme_error_t error; /* 0: it names none */
};

static void
take_opened(struct report *r, const char *args)
{
	struct span fpr = crypto_pgp_status_word(args, 1);

	if (fpr.len == sizeof(r->opened) - 1)
		memcpy(r->opened, fpr.data, fpr.len);
}

static void
take_info(struct report *r, const char *args)
{
	uint64_t cipher;

	if (text_number(crypto_pgp_status_word(args, 1), 0, 255, &cipher) ==
	    ERR_OK)
		r->cipher = (unsigned)cipher;
}

static void
take_status(void *arg, const char *keyword, const char *args)
{
	struct report *r = arg;

	if (strcmp(keyword, "BEGIN_DECRYPTION") == 0)
		r->begin++;
	else if (strcmp(keyword, "DECRYPTION_OKAY") == 0)
		r->okay++;
	else if (strcmp(keyword, "GOODMDC") == 0)
		r->good_mdc++;
	else if (strcmp(keyword, "DECRYPTION_FAILED") == 0 ||
		 strcmp(keyword, "NODATA") == 0 ||
		 strcmp(keyword, "UNEXPECTED") == 0 ||
		 strcmp(keyword, "BADMDC") == 0)
		r->failed++;
	else if (strcmp(keyword, "NO_SECKEY") == 0)
		r->no_key++;
	else if (strcmp(keyword, "DECRYPTION_KEY") == 0)
		take_opened(r, args);
	else if (strcmp(keyword, "DECRYPTION_INFO") == 0)
		take_info(r, args);
	else if (strcmp(keyword, "FAILURE") == 0)
		r->error = crypto_pgp_status_error(args);
}

/* RFC 9580 §9.3 */
static const char *
cipher_name(unsigned n)
{
	static const char *const names[] = {[1] = "idea",
	    [2] = "3des",
	    [3] = "cast5",
	    [4] = "blowfish",
	    [7] = "aes128",
	    [8] = "aes192",
	    [9] = "aes256",
	    [10] = "twofish",
	    [11] = "camellia128",
	    [12] = "camellia192",
	    [13] = "camellia256"};

	return n < sizeof(names) / sizeof(names[0]) && names[n] != NULL
		   ? names[n]
		   : "unknown";
}

/* The words are the same whatever it was. */
static enum err
closed(struct err_why *why)
{
	return err_why(why, ERR_CRYPTO, "%s", CRYPTO_REASON_CLOSED);
}

/* One message, opened whole? One without an integrity check has no GOODMDC. */
static bool
is_whole(const struct report *r)
{
	return r->failed == 0 && r->begin == 1 && r->okay == 1 &&
	       r->good_mdc == 1;
}

static enum err
check(const struct report *r, const struct pgp_end *end, struct err_why *why)
{
	/* killed: the message may have nothing to do with it */
	if (end->status < 0)
		return err_why(why, ERR_ENGINE, "gpg was killed");
	/* its status is 2 when one of several keys did not do */
	if ((end->status == 0 || end->status == 2) && r->error == 0 &&
	    is_whole(r))
		return end->cut ? err_why(why, ERR_ENGINE,
				      "gpg did not read all of it")
				: ERR_OK;
	/* a gpg that said nothing of the message did not work */
	if (r->failed == 0 && r->okay == 0 && r->no_key == 0)
		return crypto_pgp_engine_why(why,
		    r->error != 0 ? r->error : gpgme_error(GPG_ERR_GENERAL),
		    "gpg could not open");
	return closed(why);
}

/* Take off the encryption alone (GnuPG's --unwrap): what is inside goes to the
   output as packets. */
static enum err
unwrap(struct crypto_pgp *pgp, struct span in, struct pgp_output *out,
    struct report *report, struct err_why *why)
{
	struct pgp_job job = {
	    .in = in, .out = out, .status = take_status, .arg = report};
	struct pgp_args args;
	struct pgp_end end = {.status = -1};
	enum err e = crypto_pgp_args_begin(&args, &pgp->open, 2);

	if (e != ERR_OK)
		return err_why(why, e, "%s", err_text(e));
	crypto_pgp_args_add(&args, "--decrypt");
	crypto_pgp_args_add(&args, "--unwrap");
	job.argv = args.argv;
	e = crypto_pgp_spawn(&pgp->open, &job, pgp->timeout_ms, &end, why);
	crypto_pgp_args_clear(&args);
	/* gpg was broken off because of us */
	if ((e == ERR_OK || e == ERR_ENGINE) && out->e != ERR_OK)
		return err_why(why, out->e, "%s", err_text(out->e));
	return e == ERR_OK ? check(report, &end, why) : e;
}

/* --- the request --- */

enum {
	PACKETS_ROOM = 256 * 1024,   /* octets beside the text */
	SIGNATURES_MAX = 128 * 1024, /* octets */
};

static uint64_t
most_of(const struct crypto_pgp_open_ask *ask)
{
	uint64_t most = (uint64_t)ask->in.len * LIMIT_INFLATE;

	return most < ask->max ? most : ask->max;
}

struct opening {
	const struct crypto_pgp_open_ask *ask;
	struct pgp_kept *kept[CRYPTO_PGP_OPEN_KEYS];
	struct memfd_map in; /* what gpg gets */
	struct report report;
	uint64_t max; /* octets that may come out */
};

/* Cut the message down to what the secret keys can open. */
static enum err
prepare(struct opening *o, struct err_why *why)
{
	enum { MAX = CRYPTO_PGP_OPEN_KEYS * 64 };
	struct crypto_pgp_ids ids = {0};
	int fd = -1;
	enum err e;

	ids.id = calloc(MAX, sizeof(*ids.id));
	e = ids.id == NULL ? ERR_NOMEM : memfd_new(&fd);
	for (size_t i = 0; e == ERR_OK && i < o->ask->n_secrets; i++) {
		const struct pgp_kept *kept = o->kept[i];

		ids.n_keys += kept != NULL;
		for (size_t k = 0;
		     kept != NULL && k < kept->n_ids && ids.n < MAX; k++)
			memcpy(
			    ids.id[ids.n++], kept->ids[k], CRYPTO_PGP_KEY_ID);
	}
	if (e != ERR_OK)
		e = err_why(why, e, "%s", err_text(e));
	else
		e = crypto_pgp_message_prepare(o->ask->in, &ids, fd, why);
	if (e == ERR_OK) {
		e = memfd_seal(fd);
		if (e == ERR_OK)
			e = memfd_map(fd, LIMIT_IPC_PAYLOAD, &o->in);
		if (e != ERR_OK)
			err_why(why, e, "%s", err_text(e));
	}
	if (fd >= 0)
		close(fd);
	free(ids.id);
	return e;
}

/* Unseal what gpg gets to what it says is inside, mapped. */
static enum err
unwrap_with(struct crypto_pgp *pgp, struct opening *o, struct memfd_map *out,
    struct err_why *why)
{
	const struct crypto_pgp_open_ask *ask = o->ask;
	struct pgp_output output;
	int fd = -1;
	enum err e = memfd_new(&fd);

	if (e == ERR_OK)
		e = crypto_pgp_output_begin(&output, fd, 0, 0, why);
	if (e != ERR_OK)
		goto out;
	/* what is packed is never much longer than what it becomes */
	output.max = o->max + PACKETS_ROOM;
	e = crypto_pgp_keyring_write(
	    pgp, o->kept, ask->n_secrets, NULL, 0, why);
	if (e == ERR_OK)
		e = crypto_pgp_keep_permit(pgp, o->kept, ask->n_secrets, why);
	if (e == ERR_OK)
		e = unwrap(pgp, o->in.data, &output, &o->report, why);
	/* gpg may still be at it: the whole process group ends */
	if (e != ERR_TIMEOUT)
		crypto_pgp_keep_withdraw(pgp, o->kept, ask->n_secrets);
	if (e == ERR_OK)
		e = memfd_seal(fd);
	if (e == ERR_OK)
		e = memfd_map(fd, LIMIT_IPC_PAYLOAD, out);
out:
	if (fd >= 0)
		close(fd);
	return why->text[0] != '\0' || e == ERR_OK
		   ? e
		   : err_why(why, e, "%s", err_text(e));
}

/* Which of the keys it was. */
static enum err
read_key(
    const struct opening *o, struct crypto_pgp_opened *out, struct err_why *why)
{
	uint8_t fpr[20];

	snprintf(out->cipher, sizeof(out->cipher), "%s",
	    cipher_name(o->report.cipher));
	if (text_unhex(span_str(o->report.opened), fpr, sizeof(fpr)) == ERR_OK)
		for (uint32_t i = 0; i < o->ask->n_secrets; i++)
			if (o->kept[i] != NULL &&
			    memcmp(o->kept[i]->fpr, fpr, 20) == 0) {
				out->secret = i;
				return ERR_OK;
			}
	return err_why(why, ERR_ENGINE, "gpg does not say which key opened it");
}

/* Verify over the text what stood beside it. */
static enum err
verify_inside(struct crypto_pgp *pgp, const struct opening *o, int text,
    const struct crypto_pgp_inside *inside, struct crypto_pgp_sigs *out,
    struct err_why *why)
{
	struct memfd_map map;
	enum err e;

	if (inside->n_signatures == 0)
		return ERR_OK;
	e = memfd_map(text, LIMIT_IPC_PAYLOAD, &map);
	if (e != ERR_OK)
		return err_why(why, e, "%s", err_text(e));
	/* certificates may be strangers': gpg reads them when no secret key is
	   in its reach any more */
	e = crypto_pgp_keyring_write(
	    pgp, NULL, 0, o->ask->certs, o->ask->n_certs, why);
	if (e == ERR_OK)
		e = crypto_pgp_verify_run(
		    pgp, buf_span(&inside->signatures), map.data, why);
	if (e == ERR_OK)
		e = crypto_pgp_signatures_read(&pgp->open, o->ask->certs,
		    o->ask->n_certs, inside->n_signatures, out, why);
	memfd_unmap(&map);
	return e;
}

/* From packets to the text. */
static enum err
read_inside(struct crypto_pgp *pgp, const struct opening *o,
    struct span packets, int *fd_out, struct crypto_pgp_sigs *sigs,
    struct err_why *why)
{
	struct crypto_pgp_inside inside;
	int fd = -1;
	enum err e = memfd_new(&fd);

	buf_init(&inside.signatures, SIGNATURES_MAX);
	if (e == ERR_OK)
		e = crypto_pgp_inside_write(packets, o->max, fd, &inside);
	if (e == ERR_OK)
		e = memfd_seal(fd);
	if (e == ERR_MALFORMED || e == ERR_LIMIT)
		e = closed(why);
	else if (e != ERR_OK)
		err_why(why, e, "%s", err_text(e));
	else
		e = verify_inside(pgp, o, fd, &inside, sigs, why);
	buf_clear(&inside.signatures);
	if (e == ERR_OK)
		*fd_out = fd;
	else if (fd >= 0)
		close(fd);
	return e;
}

enum err
crypto_pgp_open_message(struct crypto_pgp *pgp,
    const struct crypto_pgp_open_ask *ask, int *fd_out,
    struct crypto_pgp_opened *result, struct err_why *why)
{
	struct opening o = {.ask = ask, .max = most_of(ask)};
	struct crypto_pgp_opened found = {0};
	struct memfd_map packets = {0};
	enum err e;

	why->text[0] = '\0';
	if (ask->n_secrets > CRYPTO_PGP_OPEN_KEYS)
		return err_why(why, ERR_LIMIT, "more than %d secret keys",
		    CRYPTO_PGP_OPEN_KEYS);
	e = crypto_pgp_keep(pgp, ask->secret, ask->n_secrets, o.kept, why);
	if (e == ERR_OK)
		e = prepare(&o, why);
	if (e == ERR_OK)
		e = unwrap_with(pgp, &o, &packets, why);
	if (e == ERR_OK)
		e = read_key(&o, &found, why);
	if (e == ERR_OK)
		e = read_inside(
		    pgp, &o, packets.data, fd_out, &found.sigs, why);
	memfd_unmap(&o.in);
	memfd_unmap(&packets);
	/* of a file of ours: nobody here refuses a key, or misses one */
	if (e == ERR_PERMISSION || e == ERR_NOT_FOUND)
		e = ERR_ENGINE;
	if (e == ERR_OK)
		*result = found;
	return e;
}
