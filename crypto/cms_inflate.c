/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * CompressedData (RFC 3274), with an eye on what comes out: a bomb is no
 * message.
 */
#include <stdlib.h>
#include <unistd.h>

#include <zlib.h>

#include "common/limits.h"
#include "common/memfd.h"
#include "crypto/ber.h"
#include "crypto/cms_open.h"
#include "crypto/der_check.h"

enum { PIECE = 64 * 1024 };

static const struct span id_zlib = {
    (const uint8_t *)"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x03\x08", 11};
static const struct span id_compressed = {
    (const uint8_t *)"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x09", 11};

struct unpack {
	z_stream z;
	int fd;
	size_t left; /* octets that may still come */
	bool ended;
	uint8_t out[PIECE];
};

static enum err
unpack_put(void *ctx, struct span in)
{
	struct unpack *u = ctx;
	int rc = Z_OK;
	size_t n;
	enum err e;

	if (in.len > 0 && u->ended)
		return ERR_MALFORMED;
	/* zlib does not write to what it reads */
	u->z.next_in = (Bytef *)(uintptr_t)in.data;
	u->z.avail_in = (uInt)in.len;
	do {
		u->z.next_out = u->out;
		u->z.avail_out = PIECE;
		rc = inflate(&u->z, Z_NO_FLUSH);
		if (rc == Z_MEM_ERROR)
			return ERR_NOMEM;
		if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
			return ERR_MALFORMED;
		n = PIECE - u->z.avail_out;
		if (n > u->left)
			return ERR_TOO_BIG;
		u->left -= n;
		e = memfd_write(u->fd, SPAN(u->out, n));
		if (e != ERR_OK)
			return e;
	} while (rc == Z_OK && (u->z.avail_in > 0 || u->z.avail_out == 0));
	u->ended = rc == Z_STREAM_END;
	return u->z.avail_in > 0 ? ERR_MALFORMED : ERR_OK;
}

/* The octet string with the packed content. */
static enum err
find_packed(struct span in, struct ber *out)
{
	struct ber outer, b, data, alg;

	if (ber_expect(&in, BER_SEQUENCE, &outer) != ERR_OK ||
	    ber_expect(&outer.body, BER_OID, &b) != ERR_OK ||
	    !span_eq(b.body, id_compressed) ||
	    ber_expect(&outer.body, BER_OPTION_CONSTRUCTED, &b) != ERR_OK ||
	    ber_expect(&b.body, BER_SEQUENCE, &data) != ERR_OK ||
	    ber_expect(&data.body, BER_INTEGER, &b) != ERR_OK ||
	    ber_expect(&data.body, BER_SEQUENCE, &alg) != ERR_OK ||
	    ber_expect(&alg.body, BER_OID, &b) != ERR_OK)
		return ERR_MALFORMED;
	if (!span_eq(b.body, id_zlib))
		return ERR_UNSUPPORTED;
	if (ber_expect(&data.body, BER_SEQUENCE, &alg) != ERR_OK ||
	    ber_expect(&alg.body, BER_OID, &b) != ERR_OK ||
	    ber_expect(&alg.body, BER_OPTION_CONSTRUCTED, &b) != ERR_OK ||
	    ber_next(&b.body, out) != ERR_OK || b.body.len > 0 ||
	    (out->tag & ~0x20u) != BER_OCTETS)
		return ERR_MALFORMED;
	return ERR_OK;
}

enum err
crypto_cms_inflate(struct span in, size_t max, int *fd_out, struct err_why *why)
{
	struct unpack *u = NULL;
	struct ber packed;
	bool begun = false;
	enum err e = crypto_der_check(in, why);

	if (e != ERR_OK)
		return e;
	e = find_packed(in, &packed);
	u = calloc(1, sizeof(*u));
	if (e == ERR_OK && u == NULL)
		e = ERR_NOMEM;
	if (e != ERR_OK)
		goto out;
	u->fd = -1;
	u->left = in.len < max / LIMIT_INFLATE ? in.len * LIMIT_INFLATE : max;
	begun = inflateInit(&u->z) == Z_OK;
	e = begun ? memfd_new(&u->fd) : ERR_NOMEM;
	if (e == ERR_OK)
		e = ber_octets_each(&packed, unpack_put, u);
	if (e == ERR_OK && !u->ended)
		e = ERR_MALFORMED;
	if (e == ERR_OK)
		e = memfd_seal(u->fd);
	if (e == ERR_OK)
		*fd_out = u->fd;
	else if (u->fd >= 0)
		close(u->fd);
out:
	if (begun)
		inflateEnd(&u->z);
	free(u);
	if (e != ERR_OK)
		err_why(why, e, "compressed data: %s", err_text(e));
	return e;
}
