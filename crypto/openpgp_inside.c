/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Twice at most: a compressed packet is unpacked into memory and looked at in
 * the same way, and there must be no other in it. The grammar is checked by
 * crypto_pgp_structure() beforehand; here the packets are taken apart.
 */
#include "crypto/openpgp_inside.h"

#include <unistd.h>

#include "common/file.h"
#include "common/limits.h"
#include "common/memfd.h"
#include "crypto/openpgp_inflate.h"
#include "crypto/openpgp_kind.h"
#include "crypto/openpgp_open.h"
#include "crypto/openpgp_packet.h"

enum {
	TAG_COMPRESSED = 8,
	TAG_LITERAL = 11,
	ROOM = 256 * 1024, /* octets beside the text */
};

/* --- bodies whose length comes in parts --- */

struct body {
	struct span rest; /* behind the current part */
	struct span part;
	bool more; /* another length follows */
};

/* RFC 9580 §4.2.1.4 */
static bool
next_length(struct body *b)
{
	const uint8_t *p = b->rest.data;
	size_t n = b->rest.len, head = 1, len;

	if (n == 0)
		return false;
	b->more = p[0] >= 224 && p[0] < 255;
	if (p[0] < 192) {
		len = p[0];
	} else if (p[0] < 224 && n >= 2) {
		head = 2;
		len = ((size_t)(p[0] - 192) << 8) + p[1] + 192;
	} else if (b->more) {
		len = (size_t)1 << (p[0] & 31);
	} else if (p[0] == 255 && n >= 5) {
		head = 5;
		len = (size_t)p[1] << 24 | (size_t)p[2] << 16 |
		      (size_t)p[3] << 8 | p[4];
	} else {
		return false;
	}
	if (len > n - head)
		return false;
	b->part = SPAN(p + head, len);
	b->rest = SPAN(p + head + len, n - head - len);
	return true;
}

/* The packet at the start of in; true if it can be read. */
static bool
body_begin(struct body *b, struct span in)
{
	struct crypto_pgp_packet p;

	if (crypto_pgp_packet_next(in, &p) == ERR_OK) {
		*b = (struct body){.part = p.body,
		    .rest = SPAN(in.data + p.size, in.len - p.size)};
		return true;
	}
	/* RFC 9580 §4.2.2: to the end, in the old format */
	if (in.len > 0 && (in.data[0] & 0xc3) == 0x83) {
		*b = (struct body){.part = SPAN(in.data + 1, in.len - 1),
		    .rest = SPAN(in.data + in.len, 0)};
		return true;
	}
	if (in.len == 0 || (in.data[0] & 0xc0) != 0xc0)
		return false;
	*b = (struct body){.rest = SPAN(in.data + 1, in.len - 1)};
	return next_length(b);
}

static unsigned
tag_of(struct span in)
{
	if (in.len == 0)
		return 0;
	return (in.data[0] & 0x40) != 0 ? in.data[0] & 0x3fu
					: (in.data[0] >> 2) & 0x0fu;
}

/* --- text --- */

/* RFC 9580 §5.9: format, name, date, then the text. Neither format nor name
   mean anything to us. */
static enum err
take_literal(struct body *b, uint64_t max, int fd)
{
	size_t head;
	enum err e = ERR_OK;

	if (b->part.len < 2)
		return ERR_MALFORMED;
	head = (size_t)2 + b->part.data[1] + 4;
	if (b->part.len < head)
		return ERR_MALFORMED;
	b->part = SPAN(b->part.data + head, b->part.len - head);
	for (;;) {
		if (b->part.len > max)
			return ERR_TOO_BIG;
		max -= b->part.len;
		e = file_write_all(fd, b->part);
		if (e != ERR_OK || !b->more)
			return e;
		if (!next_length(b))
			return ERR_MALFORMED;
	}
}

static enum err
unpack_all(struct body *b, struct crypto_pgp_inflate *u)
{
	enum err e;

	for (;;) {
		e = crypto_pgp_inflate_put(u, b->part);
		if (e != ERR_OK || !b->more)
			break;
		if (!next_length(b))
			return ERR_MALFORMED;
	}
	return e == ERR_OK ? crypto_pgp_inflate_end(u) : e;
}

/* What a compressed packet holds, mapped. */
static enum err
unpack(struct body *b, uint64_t max, struct memfd_map *out)
{
	struct crypto_pgp_inflate *u = NULL;
	int fd = -1;
	enum err e;

	if (b->part.len == 0)
		return ERR_MALFORMED;
	e = memfd_new(&fd);
	if (e != ERR_OK)
		return e;
	e = crypto_pgp_inflate_new(b->part.data[0], max + ROOM, fd, &u);
	b->part = SPAN(b->part.data + 1, b->part.len - 1);
	if (e == ERR_UNSUPPORTED)
		e = ERR_MALFORMED;
	if (e == ERR_OK)
		e = unpack_all(b, u);
	if (e == ERR_OK)
		e = memfd_seal(fd);
	if (e == ERR_OK)
		e = memfd_map(fd, LIMIT_IPC_PAYLOAD, out);
	crypto_pgp_inflate_free(u);
	close(fd);
	return e;
}

/* --- all of it --- */

struct inside {
	uint64_t max;
	int fd;
	struct crypto_pgp_inside *out;
};

static enum err
take_signature(const struct inside *in, struct span whole)
{
	if (in->out->n_signatures == CRYPTO_PGP_SIGS)
		return ERR_LIMIT;
	in->out->n_signatures++;
	return buf_put(&in->out->signatures, whole) == ERR_NOMEM ? ERR_NOMEM
								 : ERR_OK;
}

static enum err take_packets(
    const struct inside *in, struct span packets, bool packed);

static enum err
take_compressed(const struct inside *in, struct body *b)
{
	struct memfd_map map = {0};
	enum err e = unpack(b, in->max, &map);

	if (e == ERR_OK)
		e = take_packets(in, map.data, true);
	memfd_unmap(&map);
	return e;
}

static enum err
take_packets(const struct inside *in, struct span packets, bool packed)
{
	struct crypto_pgp_structure s;
	enum err e = ERR_OK;

	crypto_pgp_structure(packets, &s);
	/* armor is no packet */
	if ((s.kind != CRYPTO_PGP_KIND_LITERAL &&
		s.kind != CRYPTO_PGP_KIND_SIGNED) ||
	    (packets.data[0] & 0x80) == 0)
		return ERR_MALFORMED;
	while (e == ERR_OK && packets.len > 0) {
		unsigned tag = tag_of(packets);
		struct body b;

		if (!body_begin(&b, packets))
			return ERR_MALFORMED;
		if (tag == TAG_LITERAL)
			e = take_literal(&b, in->max, in->fd);
		else if (tag == TAG_COMPRESSED)
			e = packed ? ERR_MALFORMED : take_compressed(in, &b);
		else if (tag == CRYPTO_PGP_TAG_SIGNATURE)
			e = take_signature(
			    in, SPAN(packets.data,
				    (size_t)(b.rest.data - packets.data)));
		packets = b.rest;
	}
	return e;
}

enum err
crypto_pgp_inside_write(
    struct span packets, uint64_t max, int fd, struct crypto_pgp_inside *out)
{
	const struct inside in = {.max = max, .fd = fd, .out = out};

	out->n_signatures = 0;
	return take_packets(&in, packets, false);
}
