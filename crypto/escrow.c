/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The writer of docs/format-escrow.md: keys from the link secret (RFC 5869,
 * RFC 8018), header, sealed index, sealed message. The index as text is in
 * escrow_index.c.
 */
#include "crypto/escrow.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/secret.h"
#include "common/stream.h"
#include "common/text.h"
#include "crypto/escrow_private.h"
#include "crypto/escrow_recovery.h"

enum { FACTOR_SIZE = 32, PBKDF2_ROUNDS = 600000 };

static const uint8_t prefix_index[STREAM_PREFIX] = {0, 0, 0, 0, 0, 0, 1};
const uint8_t crypto_escrow_prefix_body[STREAM_PREFIX] = {0, 0, 0, 0, 0, 0, 2};

void
crypto_escrow_new_id(uint8_t *id_out)
{
	random_octets(id_out, OBJECT_ID_SIZE);
}

enum err
crypto_escrow_hkdf(const struct secret *input, const uint8_t *id,
    struct span info, struct secret **out)
{
	enum err e = ERR_CRYPTO;
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
	struct secret *key = secret_new(STREAM_KEY);
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(
		OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t) "SHA256", 0),
	    OSSL_PARAM_construct_octet_string(
		OSSL_KDF_PARAM_KEY, input->data, input->len),
	    OSSL_PARAM_construct_octet_string(
		OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)id, OBJECT_ID_SIZE),
	    OSSL_PARAM_construct_octet_string(
		OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)info.data, info.len),
	    OSSL_PARAM_construct_end(),
	};

	if (key == NULL) {
		e = ERR_NOMEM;
		goto out;
	}
	if (ctx == NULL ||
	    EVP_KDF_derive(ctx, key->data, key->len, params) <= 0)
		goto out;
	*out = key;
	key = NULL;
	e = ERR_OK;
out:
	secret_free(key);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return e;
}

/* link secret || factor, which is made from a passphrase or comes from an
   account. */
static enum err
kdf_input(const struct secret *link, const struct secret *passphrase,
    const struct secret *shared, const uint8_t *id, struct secret **out)
{
	size_t factor = passphrase != NULL || shared != NULL ? FACTOR_SIZE : 0;
	struct secret *input = secret_new(link->len + factor);

	if (input == NULL)
		return ERR_NOMEM;
	memcpy(input->data, link->data, link->len);
	if (shared != NULL)
		memcpy(input->data + link->len, shared->data, FACTOR_SIZE);
	if (passphrase != NULL &&
	    !PKCS5_PBKDF2_HMAC((const char *)passphrase->data,
		(int)passphrase->len, id, OBJECT_ID_SIZE, PBKDF2_ROUNDS,
		EVP_sha256(), FACTOR_SIZE, input->data + link->len)) {
		secret_free(input);
		return ERR_CRYPTO;
	}
	*out = input;
	return ERR_OK;
}

static enum err
derive(const struct secret *link, const struct secret *passphrase,
    const struct secret *shared, const uint8_t *id, struct secret **proof_out,
    struct secret **content_out)
{
	struct secret *input = NULL, *proof = NULL;
	enum err e;

	if (link->len != CRYPTO_ESCROW_SECRET_SIZE ||
	    (passphrase != NULL &&
		(passphrase->len == 0 || passphrase->len > INT32_MAX)) ||
	    (shared != NULL &&
		(passphrase != NULL || shared->len != FACTOR_SIZE)))
		return ERR_USAGE;
	e = kdf_input(link, passphrase, shared, id, &input);
	if (e == ERR_OK)
		e = crypto_escrow_hkdf(
		    input, id, SPAN_LIT("sealgate escrow v1 proof"), &proof);
	if (e == ERR_OK)
		e = crypto_escrow_hkdf(input, id,
		    SPAN_LIT("sealgate escrow v1 content"), content_out);
	if (e == ERR_OK) {
		*proof_out = proof;
		proof = NULL;
	}
	secret_free(proof);
	secret_free(input);
	return e;
}

enum err
crypto_escrow_derive(const struct secret *link, const struct secret *passphrase,
    const uint8_t *id, struct secret **proof_out, struct secret **content_out)
{
	return derive(link, passphrase, NULL, id, proof_out, content_out);
}

/* One sealed section behind the other; chunk by chunk, so that memory does
   not depend on the message. */
static enum err
seal_section(const struct secret *key, const uint8_t *prefix, struct span ad,
    struct span text, int fd)
{
	struct stream *s = stream_new(key, prefix, ad);
	uint8_t *sealed = malloc(STREAM_CHUNK + STREAM_TAG);
	uint64_t n = stream_chunks(text.len);
	enum err e = s != NULL && sealed != NULL ? ERR_OK : ERR_NOMEM;

	for (uint64_t i = 0; e == ERR_OK && i < n; i++) {
		bool last = i + 1 == n;
		size_t at = (size_t)i * STREAM_CHUNK;
		struct span chunk =
		    SPAN(text.data + at, last ? text.len - at : STREAM_CHUNK);

		e = stream_seal(s, (uint32_t)i, last, chunk, sealed);
		if (e == ERR_OK)
			e = file_write_all(
			    fd, SPAN(sealed, chunk.len + STREAM_TAG));
	}
	stream_free(s);
	free(sealed);
	return e;
}

static enum err
check_parts(const struct crypto_escrow *e)
{
	for (size_t i = 0; i < e->n_parts; i++) {
		const struct crypto_escrow_part *p = &e->parts[i];

		if (p->offset > e->message.len ||
		    p->length > e->message.len - p->offset)
			return ERR_MALFORMED;
	}
	return ERR_OK;
}

static enum err
make_header(const struct crypto_escrow *e, const struct secret *proof,
    size_t index_size, struct object_header *out)
{
	struct object_header h = {
	    .factor = e->factor,
	    .door = e->door,
	    .index_size = index_size,
	    .body_size = e->message.len,
	    .created_s = e->created_s,
	    .expires_s = e->expires_s,
	};

	if (h.created_s >= h.expires_s ||
	    (e->factor != OBJECT_FACTOR_NONE) !=
		(e->passphrase != NULL || e->shared != NULL) ||
	    (e->factor == OBJECT_FACTOR_ACCOUNT) != (e->shared != NULL) ||
	    (e->shared != NULL && e->account == NULL))
		return ERR_USAGE;
	memcpy(h.id, e->id, sizeof(h.id));
	if (e->shared != NULL) {
		uint8_t account[PICKUP_ACCOUNT_ID];

		pickup_account_id(e->account, account);
		memcpy(h.account, account, sizeof(h.account));
	}
	digest_sha256(&(struct span){proof->data, proof->len}, 1, h.proof_hash);
	*out = h;
	return ERR_OK;
}

static enum err
write_object(const struct object_header *h, const struct secret *content,
    struct span index, struct span message, int fd)
{
	uint8_t octets[OBJECT_HEADER_SIZE];
	struct span ad = SPAN(octets, OBJECT_HEADER_AD_SIZE);
	enum err e;

	object_header_format(h, octets);
	e = file_write_all(fd, SPAN(octets, sizeof(octets)));
	if (e == ERR_OK)
		e = seal_section(content, prefix_index, ad, index, fd);
	if (e == ERR_OK)
		e = seal_section(
		    content, crypto_escrow_prefix_body, ad, message, fd);
	return e;
}

enum err
crypto_escrow_seal_with(const struct crypto_escrow *e,
    const struct secret *link, int fd, struct object_header *header_out)
{
	struct secret *proof = NULL, *content = NULL;
	struct object_header h;
	struct buf index;
	enum err err = check_parts(e);

	buf_init(&index, LIMIT_OBJECT_INDEX);
	if (err == ERR_OK && e->message.len > LIMIT_OBJECT_BODY)
		err = ERR_TOO_BIG;
	if (err == ERR_OK)
		err = crypto_escrow_index(e, &index);
	if (err == ERR_OK)
		err = derive(
		    link, e->passphrase, e->shared, e->id, &proof, &content);
	if (err == ERR_OK && e->recovery != NULL)
		err = crypto_recovery_seal(
		    e->recovery, e->id, proof, content, e->recovery_out);
	if (err == ERR_OK)
		err = make_header(e, proof, index.len, &h);
	if (err == ERR_OK)
		err =
		    write_object(&h, content, buf_span(&index), e->message, fd);
	if (err == ERR_OK)
		*header_out = h;
	buf_clear(&index);
	secret_free(proof);
	secret_free(content);
	return err;
}

enum err
crypto_escrow_seal(const struct crypto_escrow *e, int fd,
    struct object_header *header_out, struct secret **link_out)
{
	struct secret *link = secret_random(CRYPTO_ESCROW_SECRET_SIZE);
	enum err err;

	if (link == NULL)
		return ERR_NOMEM;
	err = crypto_escrow_seal_with(e, link, fd, header_out);
	if (err != ERR_OK) {
		secret_free(link);
		return err;
	}
	*link_out = link;
	return ERR_OK;
}

void
crypto_escrow_link_text(
    const struct secret *link, enum object_factor factor, char *out)
{
	uint8_t raw[1 + CRYPTO_ESCROW_SECRET_SIZE];
	char text[CRYPTO_ESCROW_LINK_SIZE + 1];

	raw[0] = (uint8_t)(OBJECT_HEADER_VERSION << 4 | factor);
	memcpy(raw + 1, link->data, CRYPTO_ESCROW_SECRET_SIZE);
	text_base64url(SPAN(raw, sizeof(raw)), text);
	memcpy(out, text, CRYPTO_ESCROW_LINK_SIZE);
	secret_wipe(raw, sizeof(raw));
	secret_wipe(text, sizeof(text));
}
