/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Sealing, with and without a signature inside. The keystore is the only key
 * store: keys of a request are files in the home while it lasts. What gpg
 * wrote is looked at before it counts.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/limits.h"
#include "crypto/openpgp_packet.h"
#include "crypto/openpgp_private.h"
#include "mime/base64.h"

static void
key_name(size_t i, char out[32])
{
	snprintf(out, 32, "k%zu", i);
}

/* gpg takes only the first key of a file: one file for each. The list of
   their paths goes to GPGME, one a line. */
static enum err
write_keys(const struct pgp_side *side, const struct span *certs, size_t n,
    struct buf *list, struct err_why *why)
{
	enum err e = buf_puts(list, "--file\n");

	for (size_t i = 0; i < n && e == ERR_OK; i++) {
		char name[32];

		if (certs[i].len == 0)
			return err_why(why, ERR_MALFORMED, "an empty key");
		if (certs[i].len > LIMIT_KEY_SIZE)
			return err_why(why, ERR_TOO_BIG,
			    "a key of more than %u octets", LIMIT_KEY_SIZE);
		key_name(i, name);
		e = crypto_pgp_file_write(side, name, certs[i], why);
		if (e == ERR_OK)
			e = buf_printf(list, "%s/%s\n", side->home, name);
	}
	if (e == ERR_OK && buf_cstr(list) == NULL)
		e = err_why(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	return e;
}

static void
remove_keys(const struct pgp_side *side, size_t n)
{
	char name[32];

	for (size_t i = 0; i < n; i++) {
		key_name(i, name);
		unlinkat(side->dir, name, 0);
	}
}

/* Run gpg once over in. *bad_out tells that it named a key it cannot use. */
static enum err
encrypt(struct crypto_pgp *pgp, struct pgp_side *side, const char *list,
    struct span in, struct pgp_output *out, bool *bad_out, struct err_why *why)
{
	const gpgme_encrypt_flags_t flags =
	    GPGME_ENCRYPT_ALWAYS_TRUST | GPGME_ENCRYPT_NO_COMPRESS;
	gpgme_data_t from = NULL, to = NULL;
	gpgme_error_t err;
	gpgme_encrypt_result_t result;
	enum err e = crypto_pgp_data(in, out, &from, &to, why);

	if (e != ERR_OK)
		return e;
	crypto_pgp_run_clear(&side->run);
	err = side == &pgp->sign ? gpgme_op_encrypt_sign_ext_start(
				       side->ctx, NULL, list, flags, from, to)
				 : gpgme_op_encrypt_ext_start(
				       side->ctx, NULL, list, flags, from, to);
	e = crypto_pgp_run(side, err, pgp->timeout_ms, &err, why);
	if (e != ERR_OK)
		goto out;
	result = gpgme_op_encrypt_result(side->ctx);
	if (out->e != ERR_OK)
		e = err_why(why, out->e, "%s", err_text(out->e));
	else if (result == NULL || result->invalid_recipients != NULL ||
		 gpgme_err_code(err) == GPG_ERR_UNUSABLE_PUBKEY)
		*bad_out = true;
	else if (err != 0)
		e = crypto_pgp_engine_why(why, err, "gpg could not seal");
out:
	gpgme_data_release(from);
	gpgme_data_release(to);
	return e;
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

static size_t
count_session_keys(struct span packets)
{
	struct crypto_pgp_packet p;
	size_t found = 0, pos = 0;

	while (pos < packets.len &&
	       crypto_pgp_packet_next(
		   SPAN(packets.data + pos, packets.len - pos), &p) == ERR_OK &&
	       p.tag == CRYPTO_PGP_TAG_PKESK) {
		found++;
		pos += p.size;
	}
	return found;
}

/* Is the message whole, with a session key for each of n recipients? Looked at
   because a gpg that left one out would be believed. */
static enum err
check_sealed(const struct pgp_output *out, size_t n, struct err_why *why)
{
	struct buf armor, head;
	size_t found = 0;
	enum err e;

	buf_init(&armor, head_size(n));
	buf_init(&head, head_size(n));
	e = crypto_pgp_output_is(out, "-----BEGIN PGP MESSAGE-----\n",
	    "\n-----END PGP MESSAGE-----\n");
	if (e == ERR_OK)
		e = crypto_pgp_output_read(out, 0, head_size(n), &armor);
	if (e == ERR_OK)
		e = dearmor_head(buf_span(&armor), &head);
	if (e == ERR_OK)
		found = count_session_keys(buf_span(&head));
	buf_clear(&armor);
	buf_clear(&head);
	if (e == ERR_ENGINE)
		return err_why(why, e, "gpg ended without a whole message");
	if (e != ERR_OK || found != n)
		return err_why(
		    why, ERR_ENGINE, "gpg sealed to %zu of %zu keys", found, n);
	return ERR_OK;
}

enum err
crypto_pgp_seal_with(struct crypto_pgp *pgp, struct pgp_side *side,
    const struct span *certs, size_t n, struct span in, struct pgp_output *out,
    struct err_why *why)
{
	struct buf list;
	bool bad = false;
	enum err e;

	if (n == 0)
		return err_why(why, ERR_NO_KEY, "no key to seal to");
	if (n > LIMIT_RECIPIENTS)
		return err_why(
		    why, ERR_LIMIT, "more than %u keys", LIMIT_RECIPIENTS);
	buf_init(&list, n * sizeof(side->home) + n * 32 + 64);
	e = write_keys(side, certs, n, &list, why);
	if (e == ERR_OK)
		e = encrypt(pgp, side, buf_cstr(&list), in, out, &bad, why);
	remove_keys(side, n);
	buf_clear(&list);
	if (e == ERR_OK && bad)
		e = say_unusable(pgp, certs, n, why);
	if (e == ERR_OK)
		e = check_sealed(out, n, why);
	return e;
}

enum err
crypto_pgp_seal(struct crypto_pgp *pgp, const struct span *certs, size_t n,
    struct span in, int out, struct err_why *why)
{
	struct pgp_output output;
	enum err e = crypto_pgp_output_begin(&output, out, in.len, n, why);

	if (e == ERR_OK)
		e = crypto_pgp_output_end(
		    &output, crypto_pgp_seal_with(
				 pgp, &pgp->seal, certs, n, in, &output, why));
	return e;
}
