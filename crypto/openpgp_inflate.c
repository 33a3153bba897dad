/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * ZIP and ZLIB by zlib, BZIP2 by libbz2, into a file with a limit.
 */
#include "crypto/openpgp_inflate.h"

#include <stdbool.h>
#include <stdlib.h>

#include <bzlib.h>
#include <zlib.h>

#include "common/file.h"

enum {
	PLAIN = 0,
	ZIP = 1,
	ZLIB = 2,
	BZIP2 = 3,

	RAW_DEFLATE = -15, /* zlib's window bits: no header */
	PIECE = 64 * 1024,
};

struct crypto_pgp_inflate {
	unsigned algorithm;
	int fd;
	uint64_t left; /* octets that may still come */
	bool ended;
	z_stream z;
	bz_stream bz;
	uint8_t out[PIECE];
};

enum err
crypto_pgp_inflate_new(
    unsigned algorithm, uint64_t max, int fd, struct crypto_pgp_inflate **out)
{
	struct crypto_pgp_inflate *u = calloc(1, sizeof(*u));
	bool ok = true;

	if (u == NULL)
		return ERR_NOMEM;
	u->algorithm = algorithm;
	u->fd = fd;
	u->left = max;
	if (algorithm == ZIP)
		ok = inflateInit2(&u->z, RAW_DEFLATE) == Z_OK;
	else if (algorithm == ZLIB)
		ok = inflateInit(&u->z) == Z_OK;
	else if (algorithm == BZIP2)
		ok = BZ2_bzDecompressInit(&u->bz, 0, 0) == BZ_OK;
	if (ok && algorithm <= BZIP2) {
		*out = u;
		return ERR_OK;
	}
	free(u);
	return ok ? ERR_UNSUPPORTED : ERR_NOMEM;
}

void
crypto_pgp_inflate_free(struct crypto_pgp_inflate *u)
{
	if (u == NULL)
		return;
	if (u->algorithm == BZIP2)
		BZ2_bzDecompressEnd(&u->bz);
	else if (u->algorithm != PLAIN)
		inflateEnd(&u->z);
	free(u);
}

static enum err
write_out(struct crypto_pgp_inflate *u, struct span s)
{
	if (s.len > u->left)
		return ERR_TOO_BIG;
	u->left -= s.len;
	return file_write_all(u->fd, s);
}

/* Fill the piece from what is left of in, which moves on. */
static enum err
step_zlib(struct crypto_pgp_inflate *u, struct span *in, size_t *n_out)
{
	int rc;

	/* zlib does not write to what it reads */
	u->z.next_in = (Bytef *)(uintptr_t)in->data;
	u->z.avail_in = (uInt)in->len;
	u->z.next_out = u->out;
	u->z.avail_out = PIECE;
	rc = inflate(&u->z, Z_NO_FLUSH);
	if (rc == Z_MEM_ERROR)
		return ERR_NOMEM;
	if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
		return ERR_MALFORMED;
	u->ended = rc == Z_STREAM_END;
	*n_out = PIECE - u->z.avail_out;
	*in = SPAN(in->data + (in->len - u->z.avail_in), u->z.avail_in);
	return ERR_OK;
}

static enum err
step_bzip2(struct crypto_pgp_inflate *u, struct span *in, size_t *n_out)
{
	int rc;

	u->bz.next_in = (char *)(uintptr_t)in->data;
	u->bz.avail_in = (unsigned)in->len;
	u->bz.next_out = (char *)u->out;
	u->bz.avail_out = PIECE;
	rc = BZ2_bzDecompress(&u->bz);
	if (rc == BZ_MEM_ERROR)
		return ERR_NOMEM;
	if (rc != BZ_OK && rc != BZ_STREAM_END)
		return ERR_MALFORMED;
	u->ended = rc == BZ_STREAM_END;
	*n_out = PIECE - u->bz.avail_out;
	*in = SPAN(in->data + (in->len - u->bz.avail_in), u->bz.avail_in);
	return ERR_OK;
}

enum err
crypto_pgp_inflate_put(struct crypto_pgp_inflate *u, struct span in)
{
	size_t n = PIECE;

	if (u->algorithm == PLAIN)
		return write_out(u, in);
	/* a full piece: there may be more without more input */
	while (!u->ended && (in.len > 0 || n == PIECE)) {
		enum err e = u->algorithm == BZIP2 ? step_bzip2(u, &in, &n)
						   : step_zlib(u, &in, &n);

		if (e == ERR_OK)
			e = write_out(u, SPAN(u->out, n));
		if (e != ERR_OK)
			return e;
	}
	/* what is behind the end is padding that some add: it is nothing */
	return ERR_OK;
}

enum err
crypto_pgp_inflate_end(const struct crypto_pgp_inflate *u)
{
	return u->ended || u->algorithm == PLAIN ? ERR_OK : ERR_MALFORMED;
}
