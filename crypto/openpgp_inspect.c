/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Admit OpenPGP certificates: GnuPG checks their self-signatures in a keyring
 * that lasts for one blob, we read its listing and take the minimal export.
 * Three runs of gpg, however many certificates. RFC 9580 §10.1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "common/text.h"
#include "crypto/openpgp.h"
#include "crypto/openpgp_packet.h"
#include "crypto/openpgp_private.h"
#include "mime/addr.h"

#define ADDR_ARENA ((size_t)64 * 1024) /* one address and its parts */

static enum err
no_memory(struct err_why *why)
{
	return err_why(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
}

void
crypto_pgp_list_clear(struct crypto_pgp_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		struct crypto_pgp_cert *cert = &list->certs[i];

		for (size_t k = 0; k < cert->n_uids; k++) {
			free(cert->uids[k].text);
			free(cert->uids[k].addr);
		}
		free(cert->uids);
		buf_clear(&cert->minimal);
	}
	free(list->certs);
	*list = (struct crypto_pgp_list){0};
}

static struct crypto_pgp_cert *
find_cert(struct crypto_pgp_list *list, const uint8_t *fpr, size_t fpr_len)
{
	for (size_t i = 0; i < list->n; i++)
		if (fpr_len > 0 && list->certs[i].fpr_len == fpr_len &&
		    memcmp(list->certs[i].fpr, fpr, fpr_len) == 0)
			return &list->certs[i];
	return NULL;
}

/* An element for each certificate of the input, once; what GnuPG does not say
   anything about stays refused. */
static enum err
list_pieces(const struct crypto_pgp_piece *pieces, size_t n,
    struct crypto_pgp_list *list, struct err_why *why)
{
	list->certs = calloc(n, sizeof(*list->certs));
	if (list->certs == NULL)
		return no_memory(why);
	for (size_t i = 0; i < n; i++) {
		struct crypto_pgp_cert *cert = &list->certs[list->n];
		enum err e =
		    crypto_pgp_fpr(pieces[i].key, cert->fpr, &cert->fpr_len);

		if (e != ERR_OK)
			return err_why(why, e, "no fingerprint");
		if (find_cert(list, cert->fpr, cert->fpr_len) != NULL)
			continue;
		list->n++;
		buf_init(&cert->minimal, LIMIT_KEY_SIZE);
		cert->version = pieces[i].key.data[0];
		text_hex(SPAN(cert->fpr, cert->fpr_len), cert->fpr_hex);
		if (cert->version == 4)
			cert->seal_err =
			    err_why(&cert->seal_why, ERR_KEY_UNUSABLE,
				"no user ID with a valid self-signature");
		else
			cert->seal_err =
			    err_why(&cert->seal_why, ERR_UNSUPPORTED,
				"keys of version %u are not supported",
				cert->version);
	}
	return ERR_OK;
}

void
crypto_pgp_alg_name(const gpgme_subkey_t key, char out[16])
{
	static const struct {
		const char *curve, *name;
	} curves[] = {
	    {"cv25519", "Cv25519"},
	    {"ed25519", "Ed25519"},
	    {"nistp256", "P-256"},
	    {"nistp384", "P-384"},
	    {"nistp521", "P-521"},
	};
	const char *name = key->curve;

	for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++)
		if (name != NULL && strcmp(name, curves[i].curve) == 0)
			name = curves[i].name;
	if (name == NULL)
		name = gpgme_pubkey_algo_name(key->pubkey_algo);
	snprintf(out, 16, "%s", name == NULL ? "unknown" : name);
}

static enum err
read_uid(
    const gpgme_user_id_t uid, struct arena *arena, struct crypto_pgp_uid *out)
{
	struct mime_addr addr;
	enum err e = mime_addr_parse(crypto_pgp_uid_addr(span_str(uid->uid)),
	    MIME_ADDR_UTF8, arena, &addr, NULL);

	if (e == ERR_OK) {
		out->addr = strdup(addr.key);
		if (out->addr == NULL)
			return ERR_NOMEM;
	} else if (e != ERR_ADDR_SYNTAX) {
		return e;
	}
	out->text = strdup(uid->uid);
	out->revoked = uid->revoked;
	return out->text == NULL ? ERR_NOMEM : ERR_OK;
}

static enum err
read_uids(
    const gpgme_key_t key, struct crypto_pgp_cert *cert, struct err_why *why)
{
	struct arena *arena = arena_new(ADDR_ARENA);
	size_t n = 0;
	enum err e = ERR_OK;

	for (gpgme_user_id_t uid = key->uids; uid != NULL; uid = uid->next)
		n++;
	cert->uids = calloc(n + 1, sizeof(*cert->uids));
	if (cert->uids == NULL || arena == NULL)
		e = ERR_NOMEM;
	for (gpgme_user_id_t uid = key->uids; uid != NULL && e == ERR_OK;
	     uid = uid->next) {
		if (uid->invalid)
			continue;
		arena_reset(arena);
		e = read_uid(uid, arena, &cert->uids[cert->n_uids++]);
	}
	arena_free(arena);
	return e == ERR_OK ? e : err_why(why, e, "%s", err_text(e));
}

static int64_t
expiry_of(const gpgme_subkey_t key)
{
	return key->expires > 0 ? (int64_t)key->expires : 0;
}

/* The earlier of two expiries, 0 being never. */
int64_t
crypto_pgp_earlier(int64_t a, int64_t b)
{
	if (a == 0 || b == 0)
		return a == 0 ? b : a;
	return a < b ? a : b;
}

static void
refuse(struct crypto_pgp_cert *cert, enum err e, const char *reason)
{
	cert->seal_err = err_why(&cert->seal_why, e, "%s", reason);
}

/* The subkey gpg would take, which is the newest usable; NULL if there is
   none, with the reason in cert. */
static gpgme_subkey_t
choose_subkey(const gpgme_key_t key, struct crypto_pgp_cert *cert)
{
	gpgme_subkey_t best = NULL;

	refuse(cert, ERR_KEY_UNUSABLE, "it has no key for encryption");
	for (gpgme_subkey_t sub = key->subkeys; sub != NULL; sub = sub->next) {
		if (!sub->can_encrypt)
			continue;
		if (sub->expired)
			refuse(cert, ERR_KEY_EXPIRED,
			    "its encryption key has expired");
		else if (sub->revoked)
			refuse(cert, ERR_KEY_REVOKED,
			    "its encryption key is revoked");
		else if (sub->invalid || sub->disabled)
			refuse(cert, ERR_KEY_UNUSABLE,
			    "its encryption key is not validly bound");
		else if (best == NULL || sub->timestamp > best->timestamp)
			best = sub;
	}
	return best;
}

bool
crypto_pgp_is_too_short(const gpgme_subkey_t key)
{
	switch (key->pubkey_algo) {
	case GPGME_PK_RSA:
	case GPGME_PK_RSA_E:
	case GPGME_PK_ELG:
	case GPGME_PK_ELG_E:
		return key->length < LIMIT_RSA_BITS_MIN;
	case GPGME_PK_RSA_S:
	case GPGME_PK_DSA:
	case GPGME_PK_ECC:
	case GPGME_PK_ECDSA:
	case GPGME_PK_ECDH:
	case GPGME_PK_EDDSA:
		break;
	}
	return false;
}

static void
judge(const gpgme_key_t key, struct crypto_pgp_cert *cert)
{
	gpgme_subkey_t sub;

	if (key->revoked) {
		refuse(cert, ERR_KEY_REVOKED, "the key is revoked");
		return;
	}
	if (key->expired) {
		refuse(cert, ERR_KEY_EXPIRED, "the key has expired");
		return;
	}
	if (key->invalid || key->disabled) {
		refuse(cert, ERR_KEY_UNUSABLE,
		    "no user ID with a valid self-signature");
		return;
	}
	sub = choose_subkey(key, cert);
	if (sub == NULL)
		return;
	crypto_pgp_alg_name(sub, cert->seal_alg);
	cert->seal_bits = sub->length;
	cert->seal_until = crypto_pgp_earlier(cert->expires, expiry_of(sub));
	if (crypto_pgp_is_too_short(sub)) {
		refuse(cert, ERR_KEY_UNUSABLE,
		    "its encryption key is shorter than 2048 bits");
		return;
	}
	cert->seal_err = ERR_OK;
	cert->seal_why.text[0] = '\0';
}

static enum err
read_key(
    const gpgme_key_t key, struct crypto_pgp_list *list, struct err_why *why)
{
	uint8_t fpr[20];
	struct crypto_pgp_cert *cert;
	enum err e;

	if (key->subkeys == NULL || key->subkeys->fpr == NULL ||
	    text_unhex(span_str(key->subkeys->fpr), fpr, sizeof(fpr)) != ERR_OK)
		return err_why(why, ERR_ENGINE, "an unreadable listing");
	cert = find_cert(list, fpr, sizeof(fpr));
	if (cert == NULL || cert->uids != NULL)
		return err_why(why, ERR_ENGINE, "gpg lists a foreign key");
	cert->created = key->subkeys->timestamp;
	cert->expires = expiry_of(key->subkeys);
	cert->revoked = key->revoked;
	crypto_pgp_alg_name(key->subkeys, cert->alg);
	cert->bits = key->subkeys->length;
	e = read_uids(key, cert, why);
	if (e == ERR_OK)
		judge(key, cert);
	return e;
}

static enum err
import(struct crypto_pgp *pgp, const struct crypto_pgp_piece *pieces, size_t n,
    bool *any_out, struct err_why *why)
{
	struct pgp_side *side = &pgp->admit;
	struct buf known;
	gpgme_data_t data = NULL;
	gpgme_error_t err;
	enum err e = ERR_OK;

	/* gpg need not see versions it would stumble over */
	buf_init(&known, LIMIT_KEYS_SIZE);
	for (size_t i = 0; i < n && e == ERR_OK; i++)
		if (pieces[i].key.data[0] == 4)
			e = buf_put(&known, pieces[i].octets);
	*any_out = known.len > 0;
	if (e != ERR_OK || known.len == 0)
		goto out;
	crypto_pgp_run_clear(&side->run);
	err = gpgme_data_new_from_mem(
	    &data, (const char *)known.data, known.len, 0);
	if (err == 0)
		err = gpgme_op_import_start(side->ctx, data);
	e = crypto_pgp_run(side, err, pgp->timeout_ms, &err, why);
	/* what gpg did not take is not in the listing then: no error here */
out:
	gpgme_data_release(data);
	buf_clear(&known);
	return e;
}

static enum err
list_keys(
    struct crypto_pgp *pgp, struct crypto_pgp_list *list, struct err_why *why)
{
	struct pgp_side *side = &pgp->admit;
	gpgme_error_t err;
	enum err e;

	crypto_pgp_run_clear(&side->run);
	err = gpgme_op_keylist_start(side->ctx, NULL, 0);
	e = crypto_pgp_run(side, err, pgp->timeout_ms, &err, why);
	if (e == ERR_OK && err != 0)
		e = crypto_pgp_engine_why(why, err, "gpg could not list");
	for (size_t i = 0; i < side->run.n_keys && e == ERR_OK; i++)
		e = read_key(side->run.keys[i], list, why);
	crypto_pgp_run_clear(&side->run);
	return e;
}

/* Give each certificate its part of what gpg exported. */
static enum err
share_out(
    struct span exported, struct crypto_pgp_list *list, struct err_why *why)
{
	struct crypto_pgp_piece *pieces = calloc(list->n, sizeof(*pieces));
	size_t n = 0;
	enum err e;

	if (pieces == NULL)
		return no_memory(why);
	e = crypto_pgp_split(exported, pieces, list->n, &n, why);
	for (size_t i = 0; i < n && e == ERR_OK; i++) {
		uint8_t fpr[CRYPTO_PGP_FPR_MAX];
		size_t len = 0;
		struct crypto_pgp_cert *cert;

		e = crypto_pgp_fpr(pieces[i].key, fpr, &len);
		cert = e == ERR_OK ? find_cert(list, fpr, len) : NULL;
		if (cert == NULL)
			e = err_why(
			    why, ERR_ENGINE, "gpg exports a foreign key");
		else
			e = buf_put(&cert->minimal, pieces[i].octets);
	}
	free(pieces);
	return e;
}

static enum err
take_export(
    struct crypto_pgp *pgp, struct crypto_pgp_list *list, struct err_why *why)
{
	struct pgp_side *side = &pgp->admit;
	gpgme_data_t data = NULL;
	gpgme_error_t err;
	char *octets = NULL;
	size_t len = 0;
	enum err e;

	crypto_pgp_run_clear(&side->run);
	err = gpgme_data_new(&data);
	if (err == 0)
		err = gpgme_op_export_start(
		    side->ctx, NULL, GPGME_EXPORT_MODE_MINIMAL, data);
	e = crypto_pgp_run(side, err, pgp->timeout_ms, &err, why);
	if (e == ERR_OK && err != 0)
		e = crypto_pgp_engine_why(why, err, "gpg could not export");
	if (e != ERR_OK) {
		gpgme_data_release(data);
		return e;
	}
	octets = gpgme_data_release_and_get_mem(data, &len);
	/* nothing is exported when nothing was taken */
	if (octets != NULL && len > 0)
		e = share_out(SPAN(octets, len), list, why);
	gpgme_free(octets);
	return e;
}

/* A certificate without octets to store cannot be used, whatever it says. */
static void
refuse_unexported(struct crypto_pgp_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->certs[i].seal_err == ERR_OK &&
		    list->certs[i].minimal.len == 0)
			refuse(&list->certs[i], ERR_KEY_UNUSABLE,
			    "gpg does not give it out");
}

enum err
crypto_pgp_inspect(struct crypto_pgp *pgp, struct span blob,
    struct crypto_pgp_list *out, struct err_why *why)
{
	struct crypto_pgp_piece *pieces = NULL;
	struct crypto_pgp_list list = {0};
	struct buf binary;
	bool any = false;
	size_t n = 0;
	enum err e;

	buf_init(&binary, LIMIT_KEYS_SIZE);
	pieces = calloc(LIMIT_KEYS, sizeof(*pieces));
	if (pieces == NULL) {
		e = no_memory(why);
		goto out;
	}
	e = crypto_pgp_dearmor(blob, &binary, why);
	if (e == ERR_OK)
		e = crypto_pgp_split(
		    buf_span(&binary), pieces, LIMIT_KEYS, &n, why);
	if (e == ERR_OK)
		e = list_pieces(pieces, n, &list, why);
	if (e == ERR_OK)
		e = crypto_pgp_home_sweep(&pgp->admit, why);
	if (e == ERR_OK)
		e = import(pgp, pieces, n, &any, why);
	if (e == ERR_OK && any)
		e = list_keys(pgp, &list, why);
	if (e == ERR_OK && any)
		e = take_export(pgp, &list, why);
	/* the next inspection must not see these keys */
	if (e == ERR_OK)
		e = crypto_pgp_home_sweep(&pgp->admit, why);
	if (e != ERR_OK)
		goto out;
	refuse_unexported(&list);
	*out = list;
	list = (struct crypto_pgp_list){0};
out:
	crypto_pgp_list_clear(&list);
	buf_clear(&binary);
	free(pieces);
	return e;
}
