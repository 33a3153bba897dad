/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What comes out of gpg: into a file in memory, so that nothing of a message
 * lies on the heap.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/limits.h"
#include "crypto/openpgp_private.h"

enum {
	RECIPIENT_ROOM = 4096,	/* octets of a session key, generously */
	FIXED_ROOM = 64 * 1024, /* armor, signature */
};

enum err
crypto_pgp_output_begin(struct pgp_output *o, int fd, size_t in_len,
    size_t n_certs, struct err_why *why)
{
	off_t start = lseek(fd, 0, SEEK_END);

	if (start < 0)
		return err_why(why, ERR_IO, "no file for the output");
	/* base64 and its lines make three octets out of two at most; a gpg that
	   writes without end is cut off */
	*o = (struct pgp_output){.fd = fd,
	    .start = start,
	    .max = (uint64_t)in_len / 2 * 3 + n_certs * RECIPIENT_ROOM +
		   FIXED_ROOM};
	return ERR_OK;
}

static void
take_back(const struct pgp_output *o)
{
	if (ftruncate(o->fd, o->start) != 0 ||
	    lseek(o->fd, o->start, SEEK_SET) < 0)
		fatal("cannot take back what gpg wrote: %s", strerror(errno));
}

void
crypto_pgp_output_again(struct pgp_output *o)
{
	take_back(o);
	o->len = 0;
	o->e = ERR_OK;
}

enum err
crypto_pgp_output_end(struct pgp_output *o, enum err e)
{
	/* nothing of a failed operation is left, whatever the caller does */
	if (e != ERR_OK)
		take_back(o);
	return e;
}

enum err
crypto_pgp_output_add(struct pgp_output *o, struct span octets)
{
	if (o->e == ERR_OK && octets.len > o->max - o->len)
		o->e = ERR_TOO_BIG;
	if (o->e == ERR_OK)
		o->e = file_write_all(o->fd, octets);
	if (o->e == ERR_OK)
		o->len += octets.len;
	return o->e;
}

enum err
crypto_pgp_output_read(
    const struct pgp_output *o, uint64_t from, size_t max, struct buf *out)
{
	uint8_t *room;
	size_t len = max;
	ssize_t n = 1;
	enum err e;

	if (from > o->len)
		return ERR_IO;
	if (len > o->len - from)
		len = (size_t)(o->len - from);
	e = buf_reserve(out, len, &room);
	if (e != ERR_OK)
		return e;
	for (size_t got = 0; got < len && n > 0; got += (size_t)n) {
		n = pread(o->fd, room + got, len - got,
		    o->start + (off_t)(from + got));
		if (n <= 0)
			return ERR_IO;
	}
	buf_grow(out, len);
	return ERR_OK;
}

enum err
crypto_pgp_output_is(
    const struct pgp_output *o, const char *first, const char *last)
{
	size_t n_first = strlen(first), n_last = strlen(last);
	struct buf b;
	enum err e;

	if (o->len < n_first + n_last)
		return ERR_ENGINE;
	buf_init(&b, n_first + n_last);
	e = crypto_pgp_output_read(o, 0, n_first, &b);
	if (e == ERR_OK)
		e = crypto_pgp_output_read(o, o->len - n_last, n_last, &b);
	if (e == ERR_OK && (memcmp(b.data, first, n_first) != 0 ||
			       memcmp(b.data + n_first, last, n_last) != 0))
		e = ERR_ENGINE;
	buf_clear(&b);
	return e;
}
