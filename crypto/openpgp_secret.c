/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Taking in secret keys: all go into the home of the signing side, gpg-agent
 * takes the passphrase off each, gpg writes them down, and each has to sign
 * once. The home is emptied before and after. RFC 9580 §10.2.
 */
#include "crypto/openpgp_secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/memfd.h"
#include "common/secret.h"
#include "common/text.h"
#include "crypto/openpgp_packet.h"
#include "crypto/openpgp_private.h"

/* octets of one secret key as it is kept: with it no other's signatures */
#define SECRET_MAX (128u * 1024)

bool
crypto_pgp_has_secret(struct span blob)
{
	struct crypto_pgp_packet p;

	if (blob.len > 0 && (blob.data[0] & 0x80) != 0)
		return crypto_pgp_packet_next(blob, &p) == ERR_OK &&
		       p.tag == CRYPTO_PGP_TAG_SECRET_KEY;
	return span_find(
		   blob, 0, SPAN_LIT("-----BEGIN PGP PRIVATE KEY BLOCK-----")) <
	       blob.len;
}

void
crypto_pgp_secrets_clear(struct crypto_pgp_secrets *s)
{
	for (size_t i = 0; i < s->n; i++)
		secret_free(s->keys[i].octets);
	free(s->keys);
	crypto_pgp_list_clear(&s->certs);
	*s = (struct crypto_pgp_secrets){0};
}

/* --- export --- */

struct sink {
	struct secret *room;
	size_t len;
	bool full;
};

static ssize_t
write_secret(void *arg, const void *data, size_t len)
{
	struct sink *s = arg;

	if (len > s->room->len - s->len) {
		s->full = true;
		errno = ENOSPC;
		return -1;
	}
	memcpy(s->room->data + s->len, data, len);
	s->len += len;
	return (ssize_t)len;
}

static struct gpgme_data_cbs secret_calls = {.write = write_secret};

/* What gpg writes of a key, into locked memory. */
static enum err
write_out(struct crypto_pgp *pgp, const char *fpr, gpgme_export_mode_t mode,
    struct sink *s, struct err_why *why)
{
	struct pgp_side *side = &pgp->sign;
	gpgme_data_t data = NULL;
	gpgme_error_t err;
	enum err e;

	crypto_pgp_run_clear(&side->run);
	err = gpgme_data_new_from_cbs(&data, &secret_calls, s);
	if (err == 0)
		err = gpgme_op_export_start(side->ctx, fpr, mode, data);
	e = crypto_pgp_run(side, err, pgp->timeout_ms, &err, why);
	gpgme_data_release(data);
	if (e == ERR_OK && s->full)
		e = err_why(why, ERR_TOO_BIG, "a key of more than %u octets",
		    SECRET_MAX);
	if (e == ERR_OK && (err != 0 || s->len == 0))
		e = err_why(why, ERR_ENGINE, "gpg could not write the key");
	return e;
}

enum err
crypto_pgp_export_secret(struct crypto_pgp *pgp, const char *fpr,
    struct secret **out, struct err_why *why)
{
	struct sink s = {.room = secret_new(SECRET_MAX)};
	enum err e = ERR_NOMEM;

	if (s.room != NULL)
		e = write_out(pgp, fpr,
		    GPGME_EXPORT_MODE_SECRET | GPGME_EXPORT_MODE_MINIMAL, &s,
		    why);
	if (e == ERR_OK) {
		*out = secret_from(SPAN(s.room->data, s.len));
		e = *out == NULL ? ERR_NOMEM : ERR_OK;
	}
	secret_free(s.room);
	return e == ERR_NOMEM ? err_why(why, e, "%s", err_text(e)) : e;
}

/* The public half of one key, appended. */
static enum err
export_public(struct crypto_pgp *pgp, const char *fpr, struct buf *out,
    struct err_why *why)
{
	struct sink s = {.room = secret_new(SECRET_MAX)};
	enum err e = ERR_NOMEM;

	if (s.room != NULL)
		e = write_out(pgp, fpr, GPGME_EXPORT_MODE_MINIMAL, &s, why);
	if (e == ERR_OK)
		e = buf_put(out, SPAN(s.room->data, s.len));
	secret_free(s.room);
	return e;
}

/* --- one key --- */

static enum err
unlock_all(struct crypto_pgp *pgp, const gpgme_key_t key,
    const struct secret *passphrase, struct err_why *why)
{
	enum err e = ERR_OK;

	for (gpgme_subkey_t sub = key->subkeys; sub != NULL && e == ERR_OK;
	     sub = sub->next)
		if (sub->secret && !sub->is_cardkey && sub->keygrip != NULL)
			e = crypto_pgp_agent_unlock(
			    pgp, sub->keygrip, passphrase, why);
	return e;
}

/* Does what was written down sign? In a home that knows nothing else. */
static enum err
try_out(struct crypto_pgp *pgp, const struct crypto_pgp_secret *key,
    struct err_why *why)
{
	const struct crypto_pgp_signer signer = {
	    .fpr = SPAN(key->fpr, key->fpr_len),
	    .secret = secret_span(key->octets)};
	char micalg[CRYPTO_PGP_MICALG];
	int fd = -1;
	enum err e = memfd_new(&fd);

	if (e != ERR_OK)
		return err_why(why, e, "%s", err_text(e));
	crypto_pgp_forget_secrets(pgp);
	e = crypto_pgp_sign(
	    pgp, &signer, SPAN_LIT("test\r\n"), fd, micalg, why);
	crypto_pgp_forget_secrets(pgp);
	close(fd);
	return e;
}

/* Errors that are the key's own, and do not end the whole. */
static bool
is_of_key(enum err e)
{
	return e == ERR_NO_KEY || e == ERR_KEY_EXPIRED ||
	       e == ERR_KEY_REVOKED || e == ERR_KEY_UNUSABLE;
}

/* Has it opened mail, ever? Expired and revoked ones still do. */
static bool
has_opening_part(const gpgme_key_t key)
{
	for (gpgme_subkey_t sub = key->subkeys; sub != NULL; sub = sub->next)
		if (sub->can_encrypt && sub->secret && !sub->is_cardkey)
			return true;
	return false;
}

/* A key that is in the home: judge it, and write it down if it can sign or
   open. */
static enum err
take_one(struct crypto_pgp *pgp, struct crypto_pgp_secret *key,
    const struct secret *passphrase, struct err_why *why)
{
	struct pgp_secret secret = {0};
	enum err e;

	key->sign_err =
	    crypto_pgp_ring_judge(pgp, key->fpr_hex, &secret, &key->sign_why);
	e = is_of_key(key->sign_err) ? ERR_OK : key->sign_err;
	if (e != ERR_OK) {
		err_why(why, e, "%s", key->sign_why.text);
	} else if (key->sign_err == ERR_OK ||
		   (secret.key != NULL && has_opening_part(secret.key))) {
		memcpy(key->sign_alg, secret.sub_alg, sizeof(key->sign_alg));
		key->sign_until = secret.until;
		e = unlock_all(pgp, secret.key, passphrase, why);
		if (e == ERR_OK)
			e = crypto_pgp_export_secret(
			    pgp, key->fpr_hex, &key->octets, why);
	}
	if (secret.key != NULL)
		gpgme_key_unref(secret.key);
	return e;
}

/* --- all of them --- */

/* The fingerprints that gpg has imported secret keys for, and their public
   halves. */
static enum err
list_imported(struct crypto_pgp *pgp, struct crypto_pgp_secrets *out,
    size_t max, struct buf *certs, struct err_why *why)
{
	gpgme_import_result_t result = gpgme_op_import_result(pgp->sign.ctx);
	gpgme_import_status_t s = result == NULL ? NULL : result->imports;
	char hex[LIMIT_KEYS][2 * 20 + 1];
	size_t n = 0;
	enum err e = ERR_OK;

	for (; s != NULL; s = s->next) {
		bool known = s->fpr == NULL || strlen(s->fpr) != 40;

		for (size_t i = 0; i < n && !known; i++)
			known = strcmp(hex[i], s->fpr) == 0;
		if (!known && n < max)
			memcpy(hex[n++], s->fpr, sizeof(hex[0]));
	}
	/* exporting ends the result that was walked over */
	for (size_t i = 0; i < n && e == ERR_OK; i++) {
		struct crypto_pgp_secret *key = &out->keys[out->n++];

		key->fpr_len = 20;
		e = text_unhex(span_str(hex[i]), key->fpr, 20);
		text_hex(SPAN(key->fpr, 20), key->fpr_hex);
		if (e == ERR_OK)
			e = export_public(pgp, hex[i], certs, why);
	}
	return e;
}

/* Versions that gpg does not know are told of; the others go to known. */
static enum err
sort_out(const struct crypto_pgp_piece *pieces, size_t n, struct buf *known,
    struct crypto_pgp_secrets *out)
{
	size_t all = 0;
	uint8_t *room;
	enum err e;

	for (size_t i = 0; i < n; i++)
		all += pieces[i].octets.len;
	/* so that it never moves: what it held would lie about */
	e = buf_reserve(known, all, &room);
	for (size_t i = 0; i < n && e == ERR_OK; i++) {
		unsigned version = pieces[i].key.data[0];
		struct crypto_pgp_secret *key;

		if (version == 4) {
			e = buf_put(known, pieces[i].octets);
			continue;
		}
		key = &out->keys[out->n++];
		key->sign_err = err_why(&key->sign_why, ERR_UNSUPPORTED,
		    "keys of version %u are not supported", version);
	}
	return e;
}

static enum err
take_known(struct crypto_pgp *pgp, struct span known,
    const struct secret *passphrase, size_t max, struct crypto_pgp_secrets *out,
    struct err_why *why)
{
	size_t first = out->n;
	struct buf certs;
	enum err e;

	buf_init(&certs, LIMIT_KEYS_SIZE);
	e = crypto_pgp_ring_import(&pgp->sign, pgp->timeout_ms, known, why);
	if (e == ERR_OK)
		e = list_imported(pgp, out, max, &certs, why);
	if (e == ERR_OK && out->n == first)
		e = err_why(why, ERR_MALFORMED, "gpg takes no key of it");
	for (size_t i = first; i < out->n && e == ERR_OK; i++)
		e = take_one(pgp, &out->keys[i], passphrase, why);
	for (size_t i = first; i < out->n && e == ERR_OK; i++)
		if (out->keys[i].sign_err == ERR_OK)
			e = try_out(pgp, &out->keys[i], why);
	if (e == ERR_OK)
		e = crypto_pgp_inspect(pgp, buf_span(&certs), &out->certs, why);
	buf_clear(&certs);
	return e;
}

enum err
crypto_pgp_take_secrets(struct crypto_pgp *pgp, struct span blob,
    const struct secret *passphrase, struct crypto_pgp_secrets *out,
    struct err_why *why)
{
	struct crypto_pgp_piece *pieces = calloc(LIMIT_KEYS, sizeof(*pieces));
	struct crypto_pgp_secrets found = {0};
	struct buf binary, known;
	size_t n = 0;
	enum err e = ERR_NOMEM;

	buf_init(&binary, LIMIT_KEYS_SIZE);
	buf_init(&known, LIMIT_KEYS_SIZE);
	found.keys = calloc(LIMIT_KEYS, sizeof(*found.keys));
	if (pieces == NULL || found.keys == NULL)
		goto out;
	e = crypto_pgp_dearmor_secret(blob, &binary, why);
	if (e == ERR_OK)
		e = crypto_pgp_split_secret(
		    buf_span(&binary), pieces, LIMIT_KEYS, &n, why);
	if (e == ERR_OK)
		e = sort_out(pieces, n, &known, &found);
	crypto_pgp_forget_secrets(pgp);
	if (e == ERR_OK && known.len > 0)
		e = take_known(pgp, buf_span(&known), passphrase,
		    LIMIT_KEYS - found.n, &found, why);
	crypto_pgp_forget_secrets(pgp);
	if (e == ERR_OK) {
		*out = found;
		found = (struct crypto_pgp_secrets){0};
	}
out:
	if (e == ERR_NOMEM)
		err_why(why, e, "%s", err_text(e));
	secret_wipe(binary.data, binary.len);
	secret_wipe(known.data, known.len);
	buf_clear(&binary);
	buf_clear(&known);
	free(pieces);
	crypto_pgp_secrets_clear(&found);
	return e;
}
