/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What is sealed to the recovery certificate, and the reader of objects that
 * the gateway has beside the one in browsers.
 */
#include "crypto/escrow_recovery.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/memfd.h"
#include "common/object_header.h"
#include "common/secret.h"
#include "common/stream.h"
#include "crypto/cert.h"
#include "crypto/cms_form.h"
#include "crypto/cms_seal.h"
#include "crypto/cms_secret.h"
#include "crypto/escrow_private.h"

enum {
	MAGIC_SIZE = 8,
	ID_AT = MAGIC_SIZE,
	PROOF_AT = ID_AT + OBJECT_ID_SIZE,
	CONTENT_AT = PROOF_AT + OBJECT_PROOF_SIZE,
	RECOVERY_SIZE = CONTENT_AT + STREAM_KEY,
};

static const char magic[MAGIC_SIZE + 1] = "SGRECOV1";

enum err
crypto_recovery_check(const struct crypto_cert *cert, struct err_why *why)
{
	const struct crypto_cert_info *info = crypto_cert_info(cert);

	return info->can_seal
		   ? ERR_OK
		   : err_why(why, info->seal_err, "%s", info->seal_why);
}

/* In time, whatever the time is. */
static int64_t
within(const struct crypto_cert *cert)
{
	return crypto_cert_info(cert)->not_after - 1;
}

enum err
crypto_recovery_seal(struct crypto_cert *cert, const uint8_t *id,
    const struct secret *proof, const struct secret *content, struct buf *out)
{
	const struct crypto_cms_form form = {
	    .cipher = CRYPTO_CMS_AES256_GCM, .rsa = CRYPTO_CMS_RSA_OAEP};
	struct secret *s = secret_new(RECOVERY_SIZE);
	struct err_why why;
	enum err e;

	if (s == NULL)
		return ERR_NOMEM;
	memcpy(s->data, magic, MAGIC_SIZE);
	memcpy(s->data + ID_AT, id, OBJECT_ID_SIZE);
	memcpy(s->data + PROOF_AT, proof->data, OBJECT_PROOF_SIZE);
	memcpy(s->data + CONTENT_AT, content->data, STREAM_KEY);
	e = crypto_cms_seal_buf(
	    &cert, 1, &form, within(cert), secret_span(s), out, &why);
	secret_free(s);
	return e;
}

enum err
crypto_recovery_open(struct span cms, const struct crypto_bundle *bundle,
    const uint8_t *id, struct secret **content_out, struct err_why *why)
{
	struct secret *s = NULL, *content = NULL;
	enum err e =
	    crypto_cms_open_secret(cms, bundle, RECOVERY_SIZE, &s, why);

	if (e != ERR_OK)
		return e;
	if (memcmp(s->data, magic, MAGIC_SIZE) != 0 ||
	    memcmp(s->data + ID_AT, id, OBJECT_ID_SIZE) != 0)
		e = ERR_BAD_SEAL;
	else
		content = secret_from(SPAN(s->data + CONTENT_AT, STREAM_KEY));
	secret_free(s);
	if (e == ERR_OK && content == NULL)
		e = ERR_NOMEM;
	if (e == ERR_OK)
		*content_out = content;
	return e;
}

static enum err
open_body(const struct object_header *h, struct span object,
    const struct secret *content, int fd)
{
	struct stream *s = stream_new(content, crypto_escrow_prefix_body,
	    SPAN(object.data, OBJECT_HEADER_AD_SIZE));
	uint8_t *plain = malloc(STREAM_CHUNK);
	uint64_t n = stream_chunks(h->body_size);
	size_t at = (size_t)object_body_offset(h);
	enum err e = s != NULL && plain != NULL ? ERR_OK : ERR_NOMEM;

	for (uint64_t i = 0; e == ERR_OK && i < n; i++) {
		bool last = i + 1 == n;
		size_t len = last ? object.len - at : STREAM_CHUNK + STREAM_TAG;

		e = stream_open(
		    s, (uint32_t)i, last, SPAN(object.data + at, len), plain);
		if (e == ERR_OK)
			e = memfd_write(fd, SPAN(plain, len - STREAM_TAG));
		at += len;
	}
	if (plain != NULL)
		secret_wipe(plain, STREAM_CHUNK);
	free(plain);
	stream_free(s);
	return e;
}

enum err
crypto_escrow_open(
    struct span object, const struct secret *content, int *fd_out)
{
	struct object_header h;
	int fd = -1;
	enum err e = object_header_parse(object, &h);

	if (e == ERR_OK && object.len != object_total_size(&h))
		e = ERR_MALFORMED;
	if (e == ERR_OK)
		e = memfd_new(&fd);
	if (e == ERR_OK)
		e = open_body(&h, object, content, fd);
	if (e == ERR_OK)
		e = memfd_seal(fd);
	if (e == ERR_OK)
		*fd_out = fd;
	else if (fd >= 0)
		close(fd);
	return e;
}
