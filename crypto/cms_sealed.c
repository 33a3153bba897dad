/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A sealed message taken apart as far as that needs no private key: what is
 * refused here may be told apart by anybody, since anybody can see it.
 * RFC 5652 §6, RFC 5083 §2.
 */
#include "common/arena.h"
#include "crypto/cert.h"
#include "crypto/cms_open_private.h"

static const struct span id_data = {
    (const uint8_t *)"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01", 9};

/* Add a try for each of our keys that the recipient names. What is over the
   limit is not tried: a message that needs more is an attack. */
static void
add_tries(struct cms_sealed *s, const struct crypto_cms_rid *rid,
    const struct crypto_cms_opener *o)
{
	for (size_t i = 0; i < o->n_keys; i++) {
		if (!crypto_cms_rid_is(rid, crypto_cert_info(o->keys[i].cert)))
			continue;
		if (s->n_tries == LIMIT_DECRYPT_TRIES)
			return;
		s->tries[s->n_tries++] =
		    (struct cms_try){.key = i, .rid = *rid};
	}
}

/* Room for the text, as far as the ciphertext says. */
static enum err
check_size(const struct crypto_cms_opener *o, const struct ber *text,
    struct err_why *why)
{
	/* in pieces it has headers, too: too large is found again later */
	if ((text->tag & 0x20) == 0 && text->body.len > o->max + 2 * 16)
		return err_why(why, ERR_TOO_BIG, "%s", err_text(ERR_TOO_BIG));
	return ERR_OK;
}

static enum err
check_cipher(const struct cms_sealed *s, const struct crypto_cms_shape *shape,
    const struct crypto_cms_opener *o, struct err_why *why)
{
	EVP_CIPHER *have;

	if (!span_eq(shape->inner, id_data))
		return err_why(why, ERR_UNSUPPORTED,
		    "what is sealed is no mail but another type");
	if (s->cipher.legacy && !o->legacy)
		return err_why(why, ERR_KEY_UNUSABLE,
		    "sealed with %s, which policy does not open",
		    s->cipher.name);
	/* RFC 5084 §3.2: the tag is as long as the parameters say */
	if (s->cipher.mode == CMS_MODE_GCM && s->mac.len != s->cipher.tag_len)
		return err_why(
		    why, ERR_MALFORMED, "GCM with a tag of another length");
	have = cms_cipher_fetch(&s->cipher);
	if (have == NULL)
		return err_why(why, ERR_UNSUPPORTED,
		    "sealed with %s, which this OpenSSL does not have",
		    s->cipher.name);
	EVP_CIPHER_free(have);
	return check_size(o, &s->text, why);
}

enum err
cms_sealed_parse(struct span in, const struct crypto_cms_opener *o,
    struct arena *a, struct cms_sealed *out, struct err_why *why)
{
	struct crypto_cms_shape shape;
	struct cms_sealed s = {0};
	enum err e = crypto_cms_look(in, a, &shape);

	if (e == ERR_OK && shape.kind != CRYPTO_CMS_ENVELOPED &&
	    shape.kind != CRYPTO_CMS_AUTH_ENVELOPED)
		e = ERR_MALFORMED;
	if (e != ERR_OK)
		return err_why(why, e,
		    e == ERR_LIMIT ? "too many recipients, or elements"
				   : "it is not a sealed CMS message");
	s.kind = shape.kind;
	s.text = shape.text;
	s.attrs = shape.attrs;
	s.mac = shape.mac;
	e = cms_cipher_parse(shape.alg, shape.kind, &s.cipher, why);
	if (e == ERR_OK)
		e = check_cipher(&s, &shape, o, why);
	if (e != ERR_OK)
		return e;
	for (size_t i = 0; i < shape.n_rids; i++)
		add_tries(&s, &shape.rids[i], o);
	if (s.n_tries == 0)
		return err_why(why, ERR_NO_KEY,
		    "it is sealed to none of the keys there are");
	*out = s;
	return ERR_OK;
}
