/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The header of a backup and its chunks (common/stream.h). The digest of the
 * header is the associated data of every chunk.
 */
#include "crypto/backup.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/digest.h"
#include "common/file.h"
#include "common/memfd.h"
#include "common/pack.h"
#include "common/secret.h"
#include "common/stream.h"
#include "crypto/cert.h"
#include "crypto/cms_form.h"
#include "crypto/cms_seal.h"
#include "crypto/cms_secret.h"
#include "crypto/pkcs12.h"

enum {
	MAGIC_SIZE = 16,
	SALT_SIZE = 16,
	ROUNDS = 600000,
	ROUNDS_MAX = 10000000,
	HEADER_MAX = 16384,
	BY_PASSPHRASE = 1,
	BY_CERTIFICATE = 2,
};

static const char magic[MAGIC_SIZE + 1] = "sealgate-backup\n";

struct crypto_backup {
	int fd;
	struct stream *stream;
	struct secret *key; /* which it borrows */
	uint32_t index;
	uint8_t text[STREAM_CHUNK];
	size_t len;   /* in text */
	size_t at;    /* handed out of it */
	bool last;    /* text is the last chunk */
	enum err bad; /* of a chunk: nothing comes after it, no end either */
	uint8_t sealed[STREAM_CHUNK + STREAM_TAG];
	/* reading is one octet ahead, to know which chunk is the last */
	uint8_t ahead;
	bool has_ahead;
};

static enum err
key_of_passphrase(const struct secret *pass, const uint8_t *salt,
    uint32_t rounds, struct secret **out)
{
	struct secret *key = secret_new(STREAM_KEY);

	if (key == NULL)
		return ERR_NOMEM;
	if (PKCS5_PBKDF2_HMAC((const char *)pass->data, (int)pass->len, salt,
		SALT_SIZE, (int)rounds, EVP_sha256(), STREAM_KEY,
		key->data) != 1) {
		secret_free(key);
		return ERR_CRYPTO;
	}
	*out = key;
	return ERR_OK;
}

/* Takes the key. */
static enum err
new_backup(int fd, struct secret **key, const uint8_t *prefix,
    struct span header, struct crypto_backup **out)
{
	struct crypto_backup *b = calloc(1, sizeof(*b));
	uint8_t digest[DIGEST_SIZE];

	if (b == NULL)
		return ERR_NOMEM;
	digest_sha256(&header, 1, digest);
	stream_init();
	b->fd = fd;
	b->stream = stream_new(*key, prefix, SPAN(digest, sizeof(digest)));
	if (b->stream == NULL) {
		free(b);
		return ERR_NOMEM;
	}
	b->key = *key;
	*key = NULL;
	*out = b;
	return ERR_OK;
}

void
crypto_backup_free(struct crypto_backup *b)
{
	if (b == NULL)
		return;
	stream_free(b->stream);
	secret_free(b->key);
	secret_wipe(b, sizeof(*b));
	free(b);
}

/* --- writing --- */

static enum err
seal_key(struct crypto_cert *cert, const struct secret *key, int64_t now,
    struct buf *out, struct err_why *why)
{
	const struct crypto_cms_form form = {
	    .cipher = CRYPTO_CMS_AES256_GCM, .rsa = CRYPTO_CMS_RSA_OAEP};

	return crypto_cms_seal_buf(
	    &cert, 1, &form, now, secret_span(key), out, why);
}

/* magic, kind, then what opens it, then the prefix of the nonces */
static enum err
make_header(const struct secret *passphrase, struct crypto_cert *cert,
    int64_t now, uint8_t prefix[STREAM_PREFIX], struct secret **key,
    struct buf *out, struct err_why *why)
{
	uint8_t salt[SALT_SIZE];
	struct packer p;
	struct buf cms;
	enum err e;

	random_octets(prefix, STREAM_PREFIX);
	random_octets(salt, sizeof(salt));
	buf_init(&cms, HEADER_MAX / 2);
	if (passphrase != NULL) {
		e = key_of_passphrase(passphrase, salt, ROUNDS, key);
	} else {
		*key = secret_random(STREAM_KEY);
		e = *key == NULL ? ERR_NOMEM
				 : seal_key(cert, *key, now, &cms, why);
	}
	pack_begin(&p, out);
	pack_u8(&p, passphrase != NULL ? BY_PASSPHRASE : BY_CERTIFICATE);
	if (passphrase != NULL) {
		pack_raw(&p, salt, sizeof(salt));
		pack_u32(&p, ROUNDS);
	} else {
		pack_span(&p, buf_span(&cms));
	}
	pack_raw(&p, prefix, STREAM_PREFIX);
	buf_clear(&cms);
	return e != ERR_OK ? e : pack_end(&p);
}

enum err
crypto_backup_create(int fd, const struct secret *passphrase,
    struct crypto_cert *cert, int64_t now, struct crypto_backup **out,
    struct err_why *why)
{
	uint8_t prefix[STREAM_PREFIX], len[4];
	struct secret *key = NULL;
	struct crypto_backup *b = NULL;
	struct buf header;
	enum err e;

	buf_init(&header, HEADER_MAX);
	e = make_header(passphrase, cert, now, prefix, &key, &header, why);
	if (e == ERR_OK)
		e = new_backup(fd, &key, prefix, buf_span(&header), &b);
	for (int i = 0; i < 4; i++)
		len[i] = (uint8_t)(header.len >> (24 - 8 * i));
	if (e == ERR_OK)
		e = file_write_all(fd, SPAN(magic, MAGIC_SIZE));
	if (e == ERR_OK)
		e = file_write_all(fd, SPAN(len, sizeof(len)));
	if (e == ERR_OK)
		e = file_write_all(fd, buf_span(&header));
	secret_free(key);
	buf_clear(&header);
	if (e != ERR_OK) {
		crypto_backup_free(b);
		return e;
	}
	*out = b;
	return ERR_OK;
}

static enum err
write_chunk(struct crypto_backup *b, bool last)
{
	enum err e = stream_seal(
	    b->stream, b->index, last, SPAN(b->text, b->len), b->sealed);

	if (e == ERR_OK)
		e = file_write_all(b->fd, SPAN(b->sealed, b->len + STREAM_TAG));
	b->index++;
	b->len = 0;
	return e;
}

enum err
crypto_backup_put(struct crypto_backup *b, struct span octets)
{
	enum err e = ERR_OK;

	while (octets.len > 0 && e == ERR_OK) {
		size_t n = STREAM_CHUNK - b->len;

		/* a full chunk is written when more comes: the last is not
		   empty */
		if (n == 0) {
			e = write_chunk(b, false);
			continue;
		}
		if (n > octets.len)
			n = octets.len;
		memcpy(b->text + b->len, octets.data, n);
		b->len += n;
		octets = SPAN(octets.data + n, octets.len - n);
	}
	return e;
}

enum err
crypto_backup_finish(struct crypto_backup *b)
{
	return write_chunk(b, true);
}

/* --- reading --- */

static enum err
read_exactly(int fd, void *out, size_t len, size_t *got)
{
	uint8_t *p = out;
	ssize_t n;

	*got = 0;
	while (*got < len) {
		n = read(fd, p + *got, len - *got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_from_errno(errno);
		if (n == 0)
			break;
		*got += (size_t)n;
	}
	return ERR_OK;
}

static enum err
read_header(int fd, struct buf *out)
{
	uint8_t head[MAGIC_SIZE + 4], *room;
	size_t got, len;
	enum err e = read_exactly(fd, head, sizeof(head), &got);

	if (e != ERR_OK)
		return e;
	if (got != sizeof(head) || memcmp(head, magic, MAGIC_SIZE) != 0)
		return ERR_MALFORMED;
	len = (size_t)head[MAGIC_SIZE] << 24 |
	      (size_t)head[MAGIC_SIZE + 1] << 16 |
	      (size_t)head[MAGIC_SIZE + 2] << 8 | head[MAGIC_SIZE + 3];
	if (len > HEADER_MAX)
		return ERR_MALFORMED;
	e = buf_reserve(out, len, &room);
	if (e == ERR_OK)
		e = read_exactly(fd, room, len, &got);
	if (e == ERR_OK && got != len)
		e = ERR_MALFORMED;
	if (e == ERR_OK)
		out->len += len;
	return e;
}

static enum err
find_key(struct span header, const struct secret *passphrase,
    const struct crypto_bundle *bundle, bool *needs_key, uint8_t *prefix,
    struct secret **key, struct err_why *why)
{
	uint8_t kind, salt[SALT_SIZE] = {0};
	struct span cms = {0};
	uint32_t rounds = 0;
	struct unpacker u;

	unpack_begin(&u, header);
	kind = unpack_u8(&u);
	if (kind == BY_PASSPHRASE) {
		unpack_raw(&u, salt, sizeof(salt));
		rounds = unpack_u32(&u);
	} else if (kind == BY_CERTIFICATE) {
		cms = unpack_span(&u);
	} else {
		return ERR_UNSUPPORTED;
	}
	unpack_raw(&u, prefix, STREAM_PREFIX);
	if (unpack_end(&u) != ERR_OK ||
	    (kind == BY_PASSPHRASE && (rounds == 0 || rounds > ROUNDS_MAX)))
		return ERR_MALFORMED;
	*needs_key = kind == BY_CERTIFICATE;
	if (*needs_key)
		return bundle == NULL ? err_why(why, ERR_NO_KEY,
					    "it is sealed to a certificate")
				      : crypto_cms_open_secret(
					    cms, bundle, STREAM_KEY, key, why);
	return passphrase == NULL
		   ? err_why(
			 why, ERR_PASSPHRASE, "it is sealed with a passphrase")
		   : key_of_passphrase(passphrase, salt, rounds, key);
}

enum err
crypto_backup_open(int fd, const struct secret *passphrase,
    const struct crypto_bundle *bundle, bool *needs_key,
    struct crypto_backup **out, struct err_why *why)
{
	uint8_t prefix[STREAM_PREFIX];
	struct secret *key = NULL;
	struct buf header;
	enum err e;

	buf_init(&header, HEADER_MAX);
	e = read_header(fd, &header);
	if (e == ERR_OK)
		e = find_key(buf_span(&header), passphrase, bundle, needs_key,
		    prefix, &key, why);
	if (e == ERR_OK)
		e = new_backup(fd, &key, prefix, buf_span(&header), out);
	secret_free(key);
	buf_clear(&header);
	return e;
}

/* One octet more than a chunk has: whether there is one says if it was the
   last. */
static enum err
open_next(struct crypto_backup *b)
{
	size_t have = b->has_ahead, got;
	uint8_t more;
	enum err e;

	b->sealed[0] = b->ahead;
	e = read_exactly(
	    b->fd, b->sealed + have, sizeof(b->sealed) - have, &got);
	if (e != ERR_OK)
		return e;
	have += got;
	if (have < STREAM_TAG)
		return ERR_BAD_SEAL;
	got = 0;
	if (have == sizeof(b->sealed))
		e = read_exactly(b->fd, &more, 1, &got);
	if (e != ERR_OK)
		return e;
	b->has_ahead = got == 1;
	b->ahead = got == 1 ? more : 0;
	b->last = !b->has_ahead;
	e = stream_open(
	    b->stream, b->index, b->last, SPAN(b->sealed, have), b->text);
	b->index++;
	b->len = e == ERR_OK ? have - STREAM_TAG : 0;
	b->at = 0;
	return e;
}

static enum err
read_chunk(struct crypto_backup *b)
{
	if (b->bad == ERR_OK)
		b->bad = open_next(b);
	return b->bad;
}

enum err
crypto_backup_get(struct crypto_backup *b, void *out, size_t len)
{
	uint8_t *p = out;
	size_t done = 0;
	enum err e;

	while (done < len) {
		size_t n = b->len - b->at;

		if (n == 0 && b->last && b->bad == ERR_OK) {
			if (done == 0)
				return ERR_NOT_FOUND;
			b->bad = ERR_BAD_SEAL;
		}
		if (n == 0) {
			e = read_chunk(b);
			if (e != ERR_OK)
				return e;
			continue;
		}
		if (n > len - done)
			n = len - done;
		memcpy(p + done, b->text + b->at, n);
		b->at += n;
		done += n;
	}
	return ERR_OK;
}
