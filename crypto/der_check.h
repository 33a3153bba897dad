/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What is looked at before any parser gets what a stranger encoded in BER or
 * DER: that all lengths fit, how deep and how much it is, and the sizes of the
 * keys in certificates. Linear in the input, no memory. X.690 §8.1.
 */
#ifndef CRYPTO_DER_CHECK_H
#define CRYPTO_DER_CHECK_H

#include "common/buf.h"
#include "common/err.h"

/* Walk all of in, which must be exactly one element. Elements of indefinite
   length are closed, primitive ones of a known type have a length and a value
   that the type can have. ERR_MALFORMED. ERR_LIMIT: deeper than LIMIT_DER_DEPTH
   or more than LIMIT_DER_ELEMENTS. */
enum err crypto_der_check(struct span in, struct err_why *why) MUST_CHECK;

/* The same for one certificate, which must be definite throughout, and the key
   in it: RSA up to LIMIT_RSA_BITS_MAX with a public exponent of at most 64
   bits, elliptic curves by their name only (explicit parameters can be made to
   keep a processor busy), other numbers of no more than 16384 bits.
   ERR_MALFORMED, ERR_LIMIT, ERR_UNSUPPORTED. */
enum err crypto_der_check_cert(struct span in, struct err_why *why) MUST_CHECK;

#endif
