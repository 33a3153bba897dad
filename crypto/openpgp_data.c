/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What goes into gpg and what comes out of it: from memory that is mapped to a
 * file in memory, so that nothing of a message lies on the heap.
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

/* A larger block than GPGME's own: fewer calls for a large message. */
#define BLOCK "65536"

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

enum err
crypto_pgp_output_end(struct pgp_output *o, enum err e)
{
	if (e == ERR_OK)
		return e;
	/* nothing of a failed operation is left, whatever the caller does */
	if (ftruncate(o->fd, o->start) != 0 ||
	    lseek(o->fd, o->start, SEEK_SET) < 0)
		fatal("cannot take back what gpg wrote: %s", strerror(errno));
	return e;
}

static ssize_t
write_output(void *arg, const void *data, size_t len)
{
	struct pgp_output *o = arg;

	if (o->e == ERR_OK && len > o->max - o->len)
		o->e = ERR_TOO_BIG;
	if (o->e == ERR_OK)
		o->e = file_write_all(o->fd, SPAN(data, len));
	if (o->e != ERR_OK) {
		errno = ENOSPC;
		return -1;
	}
	o->len += len;
	return (ssize_t)len;
}

static struct gpgme_data_cbs output_calls = {.write = write_output};

enum err
crypto_pgp_data(struct span in, struct pgp_output *o, gpgme_data_t *in_out,
    gpgme_data_t *out_out, struct err_why *why)
{
	gpgme_data_t from = NULL, to = NULL;
	gpgme_error_t err;

	/* 0: borrowed, not copied */
	err = gpgme_data_new_from_mem(
	    &from, in.len == 0 ? "" : (const char *)in.data, in.len, 0);
	if (err == 0)
		err = gpgme_data_new_from_cbs(&to, &output_calls, o);
	if (err == 0)
		err = gpgme_data_set_flag(from, "io-buffer-size", BLOCK);
	if (err == 0)
		err = gpgme_data_set_flag(to, "io-buffer-size", BLOCK);
	if (err != 0) {
		gpgme_data_release(from);
		gpgme_data_release(to);
		return crypto_pgp_engine_why(why, err, "no data");
	}
	*in_out = from;
	*out_out = to;
	return ERR_OK;
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
