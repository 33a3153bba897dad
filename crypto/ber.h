/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Elements of BER (X.690) one by one, where one wants to know what something is
 * without having OpenSSL parse it. Indefinite lengths, as CMS has them.
 */
#ifndef CRYPTO_BER_H
#define CRYPTO_BER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"

/* Identifier octets, class and "constructed" included. */
enum {
	BER_INTEGER = 0x02,
	BER_BITS = 0x03,
	BER_OCTETS = 0x04,
	BER_OID = 0x06,
	BER_SEQUENCE = 0x30,
	BER_SET = 0x31,
	BER_OPTION = 0x80,	       /* [n] with a value: BER_OPTION + n */
	BER_OPTION_CONSTRUCTED = 0xa0, /* [n] with elements in it */
};

enum {
	BER_DEPTH = 64, /* elements of indefinite length in each other */
};

struct ber {
	unsigned tag;	  /* the identifier octet */
	struct span body; /* without a closing end-of-contents */
	struct span all;  /* header, body and end-of-contents */
};

/* The element at the start of *in, borrowed; *in goes on behind it. Numbers of
   tags over 30 are refused, lengths that do not fit, and more than BER_DEPTH.
   ERR_MALFORMED. */
enum err ber_next(struct span *in, struct ber *out) MUST_CHECK;
/* The same; ERR_MALFORMED if it is another than tag. */
enum err ber_expect(struct span *in, unsigned tag, struct ber *out) MUST_CHECK;

/* Append the identifier octet and the length of a body of len octets, as DER
   wants it. ERR_TOO_BIG: 64 KiB or more. */
enum err ber_put_head(struct buf *out, unsigned tag, size_t len) MUST_CHECK;

/* Hand the octets of an octet string to put, in pieces as they are encoded: one
   if b is primitive, all of those in it if it is constructed (whatever its own
   tag is). The first error of put ends it. ERR_MALFORMED: something else than
   octet strings is in it, or they nest. */
enum err ber_octets_each(const struct ber *b,
    enum err (*put)(void *ctx, struct span piece), void *ctx) MUST_CHECK;

#endif
