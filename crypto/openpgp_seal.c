/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Sealing, with and without a signature inside. The keystore is the only key
 * store: keys of a request are files in the home while it lasts, or its
 * keyring. What gpg wrote is looked at before it counts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/limits.h"
#include "crypto/openpgp_packet.h"
#include "crypto/openpgp_private.h"
#include "mime/base64.h"

enum {
	RING_KEYS = 64, /* of a request, at most, by their fingerprints */
	OWN_KEYS = 256, /* of a certificate */
	ARGS_FIXED = 8,
	ARENA_FIXED = 4096, /* octets, and for each key beside the path */
	ARENA_EACH = 64,
};

/* Who is sealed to, as gpg takes it. */
struct recipients {
	const struct span *certs;
	size_t n;
	size_t n_names;	     /* of them by their fingerprints */
	struct arena *arena; /* what args point to */
	struct buf ring;     /* the keys of these */
	struct pgp_args args;
};

static enum err
recipients_begin(struct recipients *r, const struct pgp_side *side,
    const struct span *certs, size_t n)
{
	*r = (struct recipients){.certs = certs, .n = n};
	buf_init(&r->ring, RING_KEYS * LIMIT_KEY_SIZE);
	r->arena =
	    arena_new(ARENA_FIXED + n * (sizeof(side->home) + ARENA_EACH));
	return r->arena == NULL
		   ? ERR_NOMEM
		   : crypto_pgp_args_begin(&r->args, side, ARGS_FIXED + 2 * n);
}

static void
recipients_clear(struct recipients *r)
{
	crypto_pgp_args_clear(&r->args);
	arena_free(r->arena);
	buf_clear(&r->ring);
}

static void
key_name(size_t i, char out[32])
{
	snprintf(out, 32, "k%zu", i);
}

static enum err
add_recipient(struct recipients *r, const char *option, const char *name)
{
	if (name == NULL)
		return ERR_NOMEM;
	crypto_pgp_args_add(&r->args, option);
	crypto_pgp_args_add(&r->args, name);
	return ERR_OK;
}

/* gpg takes only the first key of a file: one file for each. */
static enum err
add_file(const struct pgp_side *side, struct recipients *r, size_t i,
    struct err_why *why)
{
	char name[32];
	enum err e;

	key_name(i, name);
	e = crypto_pgp_file_write(side, name, r->certs[i], why);
	return e != ERR_OK
		   ? e
		   : add_recipient(r, "--recipient-file",
			 arena_printf(r->arena, "%s/%s", side->home, name));
}

static enum err
add_name(struct recipients *r, const struct pgp_found *found)
{
	enum err e = buf_put(&r->ring, found->ring);

	r->n_names++;
	return e != ERR_OK ? e
			   : add_recipient(r, "--recipient",
				 arena_strdup(r->arena, found->fpr));
}

static enum err
add_key(struct crypto_pgp *pgp, const struct pgp_side *side,
    struct recipients *r, size_t i, bool quick, struct err_why *why)
{
	struct pgp_found found = {.fpr = NULL};
	enum err e = ERR_OK;

	if (r->certs[i].len == 0)
		return err_why(why, ERR_MALFORMED, "an empty key");
	if (r->certs[i].len > LIMIT_KEY_SIZE)
		return err_why(why, ERR_TOO_BIG, "a key of more than %u octets",
		    LIMIT_KEY_SIZE);
	if (quick)
		e = crypto_pgp_checked_find(pgp, r->certs[i], &found, why);
	if (e != ERR_OK)
		return e;
	return found.fpr != NULL ? add_name(r, &found)
				 : add_file(side, r, i, why);
}

/* quick: without having gpg check again what it has checked. */
static enum err
add_keys(struct crypto_pgp *pgp, const struct pgp_side *side,
    struct recipients *r, bool quick, struct err_why *why)
{
	enum err e = ERR_OK;

	why->text[0] = '\0';
	for (size_t i = 0; i < r->n && e == ERR_OK; i++)
		e = add_key(pgp, side, r, i, quick, why);
	if (e == ERR_OK && r->n_names > 0)
		e = crypto_pgp_file_write(
		    side, PGP_KEYRING, buf_span(&r->ring), why);
	return e == ERR_OK || why->text[0] != '\0'
		   ? e
		   : err_why(why, e, "%s", err_text(e));
}

/* Whatever there is of them: a request finds its own keys alone. */
static enum err
remove_keys(const struct pgp_side *side, const struct recipients *r,
    struct err_why *why)
{
	char name[32];

	for (size_t i = 0; i < r->n; i++) {
		key_name(i, name);
		unlinkat(side->dir, name, 0);
	}
	return r->n_names == 0 ? ERR_OK
			       : crypto_pgp_file_write(
				     side, PGP_KEYRING, SPAN(NULL, 0), why);
}

struct sealed_report {
	struct pgp_created created;
	unsigned bad; /* keys that cannot be sealed to */
	unsigned end;
	gpgme_error_t error; /* 0: it names none */
};

static void
take_status(void *arg, const char *keyword, const char *args)
{
	struct sealed_report *r = arg;

	if (strcmp(keyword, "INV_RECP") == 0)
		r->bad++;
	else if (strcmp(keyword, "END_ENCRYPTION") == 0)
		r->end++;
	else if (strcmp(keyword, "SIG_CREATED") == 0)
		crypto_pgp_created_take(&r->created, args);
	else if (strcmp(keyword, "FAILURE") == 0)
		r->error = crypto_pgp_status_error(args);
}

/* Run gpg once over in. *bad_out tells that it named a key it cannot use. */
static enum err
encrypt(struct crypto_pgp *pgp, struct pgp_side *side,
    const struct recipients *r, struct span in, struct pgp_output *out,
    struct pgp_created *created, bool *bad_out, struct err_why *why)
{
	struct sealed_report report = {.error = 0};
	const struct pgp_job job = {.argv = r->args.argv,
	    .in = in,
	    .out = out,
	    .status = take_status,
	    .arg = &report};
	struct pgp_end end = {.status = -1};
	enum err e = crypto_pgp_spawn(side, &job, pgp->timeout_ms, &end, why);

	if (e != ERR_OK)
		return e;
	if (out->e != ERR_OK)
		return err_why(why, out->e, "%s", err_text(out->e));
	*bad_out = report.bad > 0 ||
		   gpgme_err_code(report.error) == GPG_ERR_UNUSABLE_PUBKEY;
	if (!*bad_out && (end.status != 0 || report.end != 1))
		return crypto_pgp_engine_why(why,
		    report.error != 0 ? report.error
				      : gpgme_error(GPG_ERR_GENERAL),
		    "gpg could not seal");
	*created = report.created;
	return ERR_OK;
}

/* gpg only says "unusable": find the first such key and its reason. */
static enum err
say_unusable(struct crypto_pgp *pgp, const struct span *certs, size_t n,
    struct err_why *why)
{
	for (size_t i = 0; i < n; i++) {
		struct crypto_pgp_list list = {0};
		enum err e = crypto_pgp_inspect(pgp, certs[i], &list, why);

		if (e != ERR_OK)
			return e;
		e = list.certs[0].seal_err;
		if (e != ERR_OK)
			err_why(why, e, "key %s: %s", list.certs[0].fpr_hex,
			    list.certs[0].seal_why.text);
		crypto_pgp_list_clear(&list);
		if (e != ERR_OK)
			return e;
	}
	return err_why(why, ERR_ENGINE, "gpg refuses a key without a reason");
}

/* Characters enough for n session keys of the longest RSA, as armor. */
static size_t
head_size(size_t n)
{
	return n * (LIMIT_RSA_BITS_MAX / 8 + 64) * 4 / 3 + 256;
}

/* The octets of the first packets, without the armor around them. */
static enum err
dearmor_head(struct span armored, struct buf *out)
{
	size_t start = span_find(armored, 0, SPAN_LIT("\n\n"));
	struct span head;

	if (start == armored.len)
		return ERR_MALFORMED;
	head = SPAN(armored.data + start + 2, armored.len - start - 2);
	/* lines are whole groups of base64; the last one may be cut */
	while (head.len > 0 && head.data[head.len - 1] != '\n')
		head.len--;
	head.len = span_find(head, 0, SPAN_LIT("\n="));
	return mime_base64_decode(head, out);
}

/* How many session keys there are, and the key IDs of the first max of them. */
static size_t
read_session_keys(
    struct span packets, uint8_t (*ids)[CRYPTO_PGP_KEY_ID], size_t max)
{
	struct crypto_pgp_packet p;
	size_t found = 0, pos = 0;

	while (pos < packets.len &&
	       crypto_pgp_packet_next(
		   SPAN(packets.data + pos, packets.len - pos), &p) == ERR_OK &&
	       p.tag == CRYPTO_PGP_TAG_PKESK) {
		/* version 3 begins with its number (RFC 9580 §5.1.1) */
		if (found < max && p.body.len > CRYPTO_PGP_KEY_ID)
			memcpy(ids[found], p.body.data + 1, CRYPTO_PGP_KEY_ID);
		found++;
		pos += p.size;
	}
	return found;
}

/* Is one of the session keys for a key of this certificate? */
static bool
is_sealed_to(
    struct span cert, const uint8_t (*ids)[CRYPTO_PGP_KEY_ID], size_t n)
{
	uint8_t own[OWN_KEYS][CRYPTO_PGP_KEY_ID];
	size_t n_own = crypto_pgp_key_ids(cert, own, OWN_KEYS);

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n_own; k++)
			if (memcmp(ids[i], own[k], CRYPTO_PGP_KEY_ID) == 0)
				return true;
	return false;
}

/* A session key for each recipient, and none for anybody else? */
static enum err
check_session_keys(struct span packets, const struct span *certs, size_t n,
    struct err_why *why)
{
	uint8_t(*ids)[CRYPTO_PGP_KEY_ID] = calloc(n, sizeof(*ids));
	size_t found, good = 0;

	if (ids == NULL)
		return err_why(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	found = read_session_keys(packets, ids, n);
	for (size_t i = 0; i < n && found <= n; i++)
		good += is_sealed_to(
		    certs[i], (const uint8_t(*)[CRYPTO_PGP_KEY_ID])ids, found);
	free(ids);
	if (found != n)
		return err_why(
		    why, ERR_ENGINE, "gpg sealed to %zu of %zu keys", found, n);
	return good == n
		   ? ERR_OK
		   : err_why(why, ERR_ENGINE, "gpg sealed to another key");
}

/* Is the message whole, and who can open it? Looked at because a gpg that left
   one out, or took another key, would be believed. */
static enum err
check_sealed(const struct pgp_output *out, const struct span *certs, size_t n,
    struct err_why *why)
{
	struct buf armor, head;
	enum err e;

	buf_init(&armor, head_size(n));
	buf_init(&head, head_size(n));
	e = crypto_pgp_output_is(out, "-----BEGIN PGP MESSAGE-----\n",
	    "\n-----END PGP MESSAGE-----\n");
	if (e == ERR_OK)
		e = crypto_pgp_output_read(out, 0, head_size(n), &armor);
	if (e == ERR_OK)
		e = dearmor_head(buf_span(&armor), &head);
	if (e == ERR_ENGINE)
		err_why(why, e, "gpg ended without a whole message");
	else if (e != ERR_OK)
		e = err_why(why, ERR_ENGINE, "gpg sealed to 0 of %zu keys", n);
	else
		e = check_session_keys(buf_span(&head), certs, n, why);
	buf_clear(&armor);
	buf_clear(&head);
	return e;
}

/* What is sealed, and with what. */
struct sealing {
	const struct span *certs;
	size_t n;
	const struct pgp_secret *secret; /* NULL: it is not signed */
	struct span in;
	struct pgp_output *out;
	struct pgp_created *created;
};

static void
add_options(struct recipients *r, const char *signer)
{
	crypto_pgp_args_add(&r->args, "--armor");
	crypto_pgp_args_add(&r->args, "--compress-algo");
	crypto_pgp_args_add(&r->args, "none");
	if (signer != NULL) {
		crypto_pgp_args_add(&r->args, "--sign");
		crypto_pgp_args_add(&r->args, "--local-user");
		crypto_pgp_args_add(&r->args, signer);
	}
	crypto_pgp_args_add(&r->args, "--encrypt");
}

static enum err
seal_once(struct crypto_pgp *pgp, const struct sealing *s, bool *quick,
    struct err_why *why)
{
	struct pgp_side *side = s->secret == NULL ? &pgp->seal : &pgp->sign;
	struct err_why other = {""};
	struct recipients r;
	char signer[2 * 20 + 1];
	bool bad = false;
	enum err e = recipients_begin(&r, side, s->certs, s->n), gone;

	if (e != ERR_OK) {
		recipients_clear(&r);
		return err_why(why, e, "%s", err_text(e));
	}
	if (s->secret != NULL)
		crypto_pgp_secret_name(s->secret, signer);
	add_options(&r, s->secret != NULL ? signer : NULL);
	e = add_keys(pgp, side, &r, *quick, why);
	if (e == ERR_OK)
		e = encrypt(
		    pgp, side, &r, s->in, s->out, s->created, &bad, why);
	gone = remove_keys(side, &r, &other);
	*quick = r.n_names > 0;
	recipients_clear(&r);
	if (e == ERR_OK && gone != ERR_OK)
		e = err_why(why, gone, "%s", other.text);
	/* by notes of its own gpg does not judge a key */
	if (e == ERR_OK && bad)
		e = *quick ? ERR_KEY_UNUSABLE
			   : say_unusable(pgp, s->certs, s->n, why);
	if (e == ERR_OK)
		e = check_sealed(s->out, s->certs, s->n, why);
	return e;
}

enum err
crypto_pgp_seal_with(struct crypto_pgp *pgp, const struct span *certs, size_t n,
    const struct pgp_secret *secret, struct span in, struct pgp_output *out,
    struct pgp_created *created, struct err_why *why)
{
	const struct sealing s = {certs, n, secret, in, out, created};
	/* the keyring of the signing side is that of its secret keys; and in a
	   keyring gpg searches from the start for each name */
	bool quick = secret == NULL && n <= RING_KEYS;
	enum err e;

	if (n == 0)
		return err_why(why, ERR_NO_KEY, "no key to seal to");
	if (n > LIMIT_RECIPIENTS)
		return err_why(
		    why, ERR_LIMIT, "more than %u keys", LIMIT_RECIPIENTS);
	e = seal_once(pgp, &s, &quick, why);
	if (!quick || (e != ERR_KEY_UNUSABLE && e != ERR_ENGINE))
		return e;
	/* whatever is wrong with what was kept of these keys, gpg says what is
	   wrong with them as they came */
	crypto_pgp_output_again(out);
	quick = false;
	e = seal_once(pgp, &s, &quick, why);
	/* where that fails, too, it may be one of them, or gpg: the others have
	   nothing to do with it */
	for (size_t i = 0; i < n && (e == ERR_OK || n == 1); i++)
		crypto_pgp_checked_refuse(pgp, certs[i]);
	return e;
}

enum err
crypto_pgp_seal(struct crypto_pgp *pgp, const struct span *certs, size_t n,
    struct span in, int out, struct err_why *why)
{
	struct pgp_created created = {0};
	struct pgp_output output;
	enum err e = crypto_pgp_output_begin(&output, out, in.len, n, why);

	if (e == ERR_OK)
		e = crypto_pgp_output_end(
		    &output, crypto_pgp_seal_with(pgp, certs, n, NULL, in,
				 &output, &created, why));
	return e;
}
