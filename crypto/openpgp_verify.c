/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What gpg says of signatures, and what is made of it: a good one is one by a
 * certificate that came with the request, found again by its fingerprint.
 * Names that gpg prints are not looked at. RFC 9580 §5.2, RFC 3156 §5.
 */
#include "crypto/openpgp_open.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/limits.h"
#include "common/text.h"
#include "crypto/openpgp_message.h"
#include "crypto/openpgp_packet.h"
#include "crypto/openpgp_private.h"

enum {
	CLOCK_SLACK_S = 24 * 3600,   /* of who signs */
	SIGNATURES_MAX = 256 * 1024, /* octets */
};

/* Without notes (GnuPG's "ring trust"): in a keyring gpg takes them for its
   own, and does not check the signatures that they call checked. What is no
   certificate would end the ring for gpg: it is left out. */
static enum err
put_cert(struct buf *ring, struct span cert)
{
	struct crypto_pgp_piece piece;
	struct crypto_pgp_packet p;
	size_t one = 0;
	enum err e;

	if (crypto_pgp_split(cert, &piece, 1, &one, NULL) != ERR_OK)
		return ERR_OK;
	for (size_t pos = 0; pos < cert.len; pos += p.size) {
		struct span rest = SPAN(cert.data + pos, cert.len - pos);

		e = crypto_pgp_packet_next(rest, &p);
		if (e == ERR_OK && p.tag != CRYPTO_PGP_TAG_TRUST)
			e = buf_put(ring, SPAN(rest.data, p.size));
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

enum err
crypto_pgp_keyring_write(struct crypto_pgp *pgp, struct pgp_kept *const *kept,
    size_t n, const struct span *certs, size_t n_certs, struct err_why *why)
{
	struct buf ring;
	enum err e = ERR_OK;

	if (n_certs > CRYPTO_PGP_OPEN_CERTS)
		return err_why(why, ERR_LIMIT, "more than %d certificates",
		    CRYPTO_PGP_OPEN_CERTS);
	buf_init(
	    &ring, LIMIT_KEYS_SIZE + CRYPTO_PGP_OPEN_KEYS * LIMIT_KEY_SIZE);
	for (size_t i = 0; i < n && e == ERR_OK; i++)
		if (kept[i] != NULL)
			e = buf_put(&ring, buf_span(&kept[i]->pub));
	for (size_t i = 0; i < n_certs && e == ERR_OK; i++)
		e = put_cert(&ring, certs[i]);
	if (e != ERR_OK)
		err_why(why, e, "%s", err_text(e));
	else
		e = crypto_pgp_file_write(
		    &pgp->open, PGP_KEYRING, buf_span(&ring), why);
	buf_clear(&ring);
	return e;
}

/* --- one signature --- */

static void
say(struct crypto_pgp_sig *out, enum crypto_signed status, const char *reason)
{
	out->status = status;
	snprintf(out->reason, sizeof(out->reason), "%s", reason);
}

/* Is this the fingerprint of the primary key or a subkey? */
static bool
has_key(struct span cert, const uint8_t fpr[20], uint8_t primary_out[20])
{
	struct crypto_pgp_packet p;
	bool first = true;

	for (size_t pos = 0;
	     pos < cert.len &&
	     crypto_pgp_packet_next(
		 SPAN(cert.data + pos, cert.len - pos), &p) == ERR_OK;
	     pos += p.size) {
		uint8_t own[CRYPTO_PGP_FPR_MAX];
		size_t len = 0;

		if ((p.tag != CRYPTO_PGP_TAG_PUBLIC_KEY &&
			p.tag != CRYPTO_PGP_TAG_PUBLIC_SUBKEY) ||
		    p.body.len == 0)
			continue;
		if (crypto_pgp_fpr(p.body, own, &len) != ERR_OK || len != 20)
			return false;
		if (first)
			memcpy(primary_out, own, 20);
		first = false;
		if (memcmp(own, fpr, 20) == 0)
			return true;
	}
	return false;
}

static void
find_cert(const char *hex, const struct span *certs, size_t n_certs,
    struct crypto_pgp_sig *out)
{
	uint8_t fpr[20], primary[20];
	size_t digits = hex == NULL ? 0 : strlen(hex);

	out->cert = CRYPTO_PGP_NO_CERT;
	if (digits % 2 != 0 || digits > 2 * sizeof(out->fpr) ||
	    text_unhex(SPAN(hex, digits), out->fpr, digits / 2) != ERR_OK)
		return;
	out->fpr_len = (uint32_t)(digits / 2);
	if (digits != 40)
		return;
	memcpy(fpr, out->fpr, sizeof(fpr));
	for (size_t i = 0; i < n_certs; i++)
		if (has_key(certs[i], fpr, primary)) {
			out->cert = (uint32_t)i;
			memcpy(out->fpr, primary, sizeof(primary));
			return;
		}
}

/* Anybody can make two texts with the same hash of these. */
static bool
is_weak(gpgme_hash_algo_t hash)
{
	return hash == GPGME_MD_MD5 || hash == GPGME_MD_SHA1 ||
	       hash == GPGME_MD_RMD160 || hash == GPGME_MD_MD2 ||
	       hash == GPGME_MD_MD4;
}

static void
judge_good(const gpgme_signature_t sig, struct crypto_pgp_sig *out)
{
	if (sig->wrong_key_usage)
		say(out, CRYPTO_SIGNED_KEY_UNUSABLE,
		    "the key is not for signing");
	else if (is_weak(sig->hash_algo))
		say(out, CRYPTO_SIGNED_UNSUPPORTED,
		    "its hash can be forged, which proves nothing");
	else if (out->made > (int64_t)time(NULL) + CLOCK_SLACK_S)
		say(out, CRYPTO_SIGNED_BAD, "it was made in the future");
	else
		say(out, CRYPTO_SIGNED_GOOD, "");
}

static void
judge(const gpgme_signature_t sig, struct crypto_pgp_sig *out)
{
	switch (gpgme_err_code(sig->status)) {
	case GPG_ERR_NO_ERROR:
		judge_good(sig, out);
		break;
	case GPG_ERR_KEY_EXPIRED:
		say(out, CRYPTO_SIGNED_KEY_EXPIRED, "the key has expired");
		break;
	case GPG_ERR_SIG_EXPIRED:
		say(out, CRYPTO_SIGNED_KEY_EXPIRED,
		    "the signature has expired");
		break;
	case GPG_ERR_CERT_REVOKED:
		say(out, CRYPTO_SIGNED_KEY_REVOKED, "the key is revoked");
		break;
	case GPG_ERR_NO_PUBKEY:
		say(out, CRYPTO_SIGNED_UNKNOWN_KEY,
		    "the key that signed is not known");
		break;
	case GPG_ERR_UNSUPPORTED_ALGORITHM:
	case GPG_ERR_PUBKEY_ALGO:
	case GPG_ERR_DIGEST_ALGO:
		say(out, CRYPTO_SIGNED_UNSUPPORTED,
		    "an algorithm that is not supported");
		break;
	default:
		say(out, CRYPTO_SIGNED_BAD, "it is not over this text");
		break;
	}
	/* whatever gpg makes of it, it is by nobody we were told of */
	if (out->cert == CRYPTO_PGP_NO_CERT &&
	    out->status > CRYPTO_SIGNED_UNKNOWN_KEY)
		say(out, CRYPTO_SIGNED_UNKNOWN_KEY,
		    "the key that signed is not known");
}

static void
read_one(const gpgme_signature_t sig, const struct span *certs, size_t n_certs,
    struct crypto_pgp_sig *out)
{
	const char *key = gpgme_pubkey_algo_name(sig->pubkey_algo);
	const char *hash = gpgme_hash_algo_name(sig->hash_algo);

	*out = (struct crypto_pgp_sig){.status = CRYPTO_SIGNED_BAD};
	find_cert(sig->fpr, certs, n_certs, out);
	out->made = (int64_t)sig->timestamp;
	if (key != NULL && hash != NULL)
		snprintf(out->alg, sizeof(out->alg), "%s %s", key, hash);
	judge(sig, out);
}

enum err
crypto_pgp_signatures_read(struct pgp_side *side, const struct span *certs,
    size_t n_certs, size_t n, struct crypto_pgp_sigs *out, struct err_why *why)
{
	gpgme_verify_result_t result = gpgme_op_verify_result(side->ctx);

	out->n = 0;
	if (result == NULL)
		return err_why(why, ERR_ENGINE, "gpg says nothing");
	for (gpgme_signature_t sig = result->signatures; sig != NULL;
	     sig = sig->next) {
		if (sig->status == 0 &&
		    (sig->fpr == NULL || strlen(sig->fpr) != 40))
			return err_why(why, ERR_ENGINE,
			    "gpg does not say whose signature is good");
		if (out->n == CRYPTO_PGP_SIGS)
			return err_why(why, ERR_LIMIT,
			    "more than %d signatures", CRYPTO_PGP_SIGS);
		read_one(sig, certs, n_certs, &out->sig[out->n++]);
	}
	/* each counts: one that gpg passed over is not good */
	while (out->n < n) {
		struct crypto_pgp_sig *sig = &out->sig[out->n++];

		*sig = (struct crypto_pgp_sig){.cert = CRYPTO_PGP_NO_CERT};
		say(sig, CRYPTO_SIGNED_BAD, "it cannot be read");
	}
	return ERR_OK;
}

/* --- detached --- */

static gpgme_error_t
count_line(void *arg, const char *keyword, const char *args)
{
	unsigned *lines = arg;

	(void)args;
	/* the end comes as a line without a word */
	*lines += keyword[0] != '\0';
	return 0;
}

enum err
crypto_pgp_verify_run(struct crypto_pgp *pgp, struct span packets,
    struct span text, struct err_why *why)
{
	struct pgp_side *side = &pgp->open;
	gpgme_data_t sig = NULL, over = NULL;
	gpgme_error_t err;
	unsigned lines = 0;
	enum err e;

	err = gpgme_data_new_from_mem(
	    &sig, (const char *)packets.data, packets.len, 0);
	if (err == 0)
		err = gpgme_data_new_from_mem(&over,
		    text.len == 0 ? "" : (const char *)text.data, text.len, 0);
	if (err == 0)
		err = gpgme_data_set_flag(over, "io-buffer-size", "65536");
	crypto_pgp_run_clear(&side->run);
	gpgme_set_status_cb(side->ctx, count_line, &lines);
	if (err == 0)
		err = gpgme_set_ctx_flag(side->ctx, "full-status", "1");
	if (err == 0)
		err = gpgme_op_verify_start(side->ctx, sig, over, NULL);
	e = crypto_pgp_run(side, err, pgp->timeout_ms, &err, why);
	gpgme_set_status_cb(side->ctx, NULL, NULL);
	/* what is wrong with a signature gpg says of it; one that says nothing
	   at all did not work */
	if (e == ERR_OK && lines == 0)
		e = crypto_pgp_engine_why(why,
		    err != 0 ? err : gpgme_error(GPG_ERR_GENERAL),
		    "gpg could not verify");
	gpgme_data_release(sig);
	gpgme_data_release(over);
	return e;
}

enum err
crypto_pgp_verify(struct crypto_pgp *pgp, struct span signatures,
    struct span text, const struct span *certs, size_t n_certs,
    struct crypto_pgp_sigs *out, struct err_why *why)
{
	struct crypto_pgp_sigs found;
	struct buf packets;
	size_t n = 0;
	enum err e;

	buf_init(&packets, SIGNATURES_MAX);
	e = crypto_pgp_signatures(signatures, &packets, &n, why);
	if (e == ERR_OK && n > CRYPTO_PGP_SIGS)
		e = err_why(
		    why, ERR_LIMIT, "more than %d signatures", CRYPTO_PGP_SIGS);
	if (e == ERR_OK)
		e = crypto_pgp_keyring_write(pgp, NULL, 0, certs, n_certs, why);
	if (e == ERR_OK)
		e = crypto_pgp_verify_run(pgp, buf_span(&packets), text, why);
	if (e == ERR_OK)
		e = crypto_pgp_signatures_read(
		    &pgp->open, certs, n_certs, n, &found, why);
	if (e == ERR_OK)
		*out = found;
	buf_clear(&packets);
	return e;
}
