/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Opening, in the order: apart (cms_sealed.c), key (cms_content_key.c), content
 * (here). The content is decrypted in pieces from the mapped message into a
 * memfd that nobody else has until its tag or padding was right. OpenSSL does
 * the ciphers only: its CMS would hold a second copy of the message, and has
 * given text away before the tag. RFC 5652 §6.3, RFC 5083 §2.2.
 */
#include "crypto/cms_open.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>

#include "common/arena.h"
#include "common/memfd.h"
#include "common/secret.h"
#include "crypto/cms_open_private.h"
#include "crypto/verdict.h"

enum {
	PIECE = 64 * 1024, /* octets decrypted at once */
	BLOCK = 16,
	FIELD_NAME_MAX = 76, /* octets; longer ones are no mail */
	ARENA_MAX = 4 << 20, /* octets of the list of recipients */
};

/* Where the text goes. */
struct text {
	EVP_CIPHER_CTX *ctx;
	int fd;
	size_t left;	/* octets that may still come */
	uint8_t *piece; /* PIECE + BLOCK octets */
	uint8_t head[FIELD_NAME_MAX + 1];
	size_t head_len;
};

static enum err
text_write(struct text *t, struct span s)
{
	size_t n = sizeof(t->head) - t->head_len;

	if (s.len > t->left)
		return ERR_TOO_BIG;
	t->left -= s.len;
	if (n > s.len)
		n = s.len;
	if (n > 0)
		memcpy(t->head + t->head_len, s.data, n);
	t->head_len += n;
	return memfd_write(t->fd, s);
}

static enum err
text_put(void *ctx, struct span in)
{
	struct text *t = ctx;
	enum err e = ERR_OK;
	size_t n;
	int len;

	while (in.len > 0 && e == ERR_OK) {
		n = in.len < PIECE ? in.len : PIECE;
		if (EVP_DecryptUpdate(
			t->ctx, t->piece, &len, in.data, (int)n) != 1)
			return ERR_CRYPTO;
		e = text_write(t, SPAN(t->piece, (size_t)len));
		in = SPAN(in.data + n, in.len - n);
	}
	return e;
}

/* The attributes that the tag covers, too: as a SET, whatever their place in
   the message makes of the tag (RFC 5083 §2.2). */
static bool
put_attrs(EVP_CIPHER_CTX *ctx, struct span attrs)
{
	static const uint8_t set = BER_SET;
	int len;

	if (attrs.len == 0)
		return true;
	return attrs.len < PIECE &&
	       EVP_DecryptUpdate(ctx, NULL, &len, &set, 1) == 1 &&
	       EVP_DecryptUpdate(
		   ctx, NULL, &len, attrs.data + 1, (int)attrs.len - 1) == 1;
}

static bool
begin(struct text *t, const struct cms_sealed *s, const struct secret *key)
{
	EVP_CIPHER *cipher = cms_cipher_fetch(&s->cipher);
	bool done = cipher != NULL && t->ctx != NULL;

	if (done && s->cipher.mode == CMS_MODE_GCM)
		done =
		    EVP_DecryptInit_ex(t->ctx, cipher, NULL, NULL, NULL) == 1 &&
		    EVP_CIPHER_CTX_ctrl(t->ctx, EVP_CTRL_AEAD_SET_IVLEN,
			(int)s->cipher.iv.len, NULL) == 1;
	done = done && EVP_DecryptInit_ex(t->ctx, cipher, NULL, key->data,
			   s->cipher.iv.data) == 1;
	if (done && s->cipher.mode == CMS_MODE_GCM)
		done =
		    EVP_CIPHER_CTX_ctrl(t->ctx, EVP_CTRL_AEAD_SET_TAG,
			(int)s->mac.len, (void *)(uintptr_t)s->mac.data) == 1 &&
		    put_attrs(t->ctx, s->attrs);
	EVP_CIPHER_free(cipher);
	return done;
}

/* Does it begin as an entity does: the name of a field and a colon, or the
   empty line? What comes out with a wrong key and a padding that happens to be
   right, or of a message whose cipher somebody exchanged, does not; it is not
   shown to anybody (RFC 9709 §1). */
static bool
is_entity(const struct text *t)
{
	size_t n = 0;

	if (t->head_len >= 2 && t->head[0] == '\r' && t->head[1] == '\n')
		return true;
	while (n < t->head_len && t->head[n] > ' ' && t->head[n] <= '~' &&
	       t->head[n] != ':')
		n++;
	return n > 0 && n < t->head_len && t->head[n] == ':';
}

static enum err
decrypt(struct text *t, const struct cms_sealed *s, const struct secret *key)
{
	int len = 0;
	enum err e;

	if (!begin(t, s, key))
		return ERR_CRYPTO;
	e = ber_octets_each(&s->text, text_put, t);
	if (e == ERR_OK && EVP_DecryptFinal_ex(t->ctx, t->piece, &len) != 1)
		e = ERR_CRYPTO;
	if (e == ERR_OK)
		e = text_write(t, SPAN(t->piece, (size_t)len));
	if (e == ERR_OK && s->cipher.mode == CMS_MODE_CBC && !is_entity(t))
		e = ERR_CRYPTO;
	return e;
}

/* One key, the whole content. Only what is right leaves a descriptor. */
static enum err
open_with(const struct cms_sealed *s, const struct crypto_cms_opener *o,
    const struct secret *key, uint8_t *piece, int *fd_out)
{
	struct text t = {.fd = -1, .left = o->max, .piece = piece};
	enum err e = memfd_new(&t.fd);

	if (e != ERR_OK)
		return e;
	t.ctx = EVP_CIPHER_CTX_new();
	e = t.ctx == NULL ? ERR_NOMEM : decrypt(&t, s, key);
	EVP_CIPHER_CTX_free(t.ctx);
	secret_wipe(t.head, sizeof(t.head));
	if (e == ERR_OK)
		e = memfd_seal(t.fd);
	if (e != ERR_OK) {
		close(t.fd);
		return e;
	}
	*fd_out = t.fd;
	return ERR_OK;
}

/* The tries, each with the whole content: how long it takes says nothing of
   why one failed. */
static enum err
open_tries(const struct cms_sealed *s, const struct crypto_cms_opener *o,
    uint8_t *piece, int *fd_out, struct crypto_cms_opened *out)
{
	struct secret *key;
	enum err e = ERR_CRYPTO;

	for (size_t i = 0; i < s->n_tries && e == ERR_CRYPTO; i++) {
		e = cms_content_key(s, &s->tries[i], o, &key);
		if (e != ERR_OK)
			break;
		e = open_with(s, o, key, piece, fd_out);
		secret_free(key);
		if (e != ERR_OK)
			continue;
		*out = (struct crypto_cms_opened){
		    .key = s->tries[i].key,
		    .cipher = s->cipher.name,
		    .authenticated = s->cipher.mode == CMS_MODE_GCM,
		};
	}
	return e;
}

enum err
crypto_cms_open(struct span in, const struct crypto_cms_opener *o, int *fd_out,
    struct crypto_cms_opened *out, struct err_why *why)
{
	struct arena *a = arena_new(ARENA_MAX);
	uint8_t *piece = malloc(PIECE + BLOCK);
	struct cms_sealed s;
	enum err e = ERR_NOMEM;

	if (a == NULL || piece == NULL) {
		err_why(why, e, "%s", err_text(e));
		goto out;
	}
	ERR_clear_error();
	e = cms_sealed_parse(in, o, a, &s, why);
	if (e != ERR_OK)
		goto out;
	e = open_tries(&s, o, piece, fd_out, out);
	if (e != ERR_OK)
		err_why(why, e, "%s",
		    e == ERR_CRYPTO ? CRYPTO_REASON_CLOSED : err_text(e));
	ERR_clear_error();
out:
	if (piece != NULL)
		secret_wipe(piece, PIECE + BLOCK);
	free(piece);
	arena_free(a);
	return e;
}
