/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One pass with a stack of fixed size: what nests without end, or says that it
 * is longer than there is, ends here. Certificates: RFC 5280 §4.1, RFC 3279
 * §2.3.
 */
#include "crypto/der_check.h"

#include <stdint.h>

#include "common/limits.h"
#include "crypto/ber.h"

enum {
	CLASS = 0xc0, /* of an identifier octet; 0 is universal */
	CONSTRUCTED = 0x20,
	TAG_LONG = 0x1f, /* a number over 30 follows */
	INDEFINITE = 0x80,
	LENGTH_OCTETS_MAX = 4,
	EXPONENT_MAX = 8, /* octets of RSA's public exponent */
};

/* Universal types, X.680 table 1. */
enum {
	TYPE_EOC = 0,
	TYPE_BOOLEAN = 1,
	TYPE_INTEGER = 2,
	TYPE_BITS = 3,
	TYPE_NULL = 5,
	TYPE_OID = 6,
	TYPE_ENUMERATED = 10,
	TYPE_SEQUENCE = 16,
	TYPE_SET = 17,
};

struct walk {
	struct span in;
	size_t at;
	/* where the open elements end; SIZE_MAX: with an end-of-contents */
	size_t end[LIMIT_DER_DEPTH];
	unsigned depth;
	unsigned n;
	bool definite; /* and nothing else */
};

static enum err
malformed(struct err_why *why, const char *what)
{
	return err_why(why, ERR_MALFORMED, "%s", what);
}

/* The innermost end that is known. */
static size_t
room_end(const struct walk *w)
{
	for (unsigned i = w->depth; i > 0; i--)
		if (w->end[i - 1] != SIZE_MAX)
			return w->end[i - 1];
	return w->in.len;
}

/* Identifier and length of the element at w->at; len is SIZE_MAX if it is
   indefinite. */
static enum err
read_head(struct walk *w, unsigned *tag, size_t *len, struct err_why *why)
{
	size_t end = room_end(w), at = w->at, n = 0, count;
	const uint8_t *p = w->in.data;

	if (end - at < 2)
		return malformed(why, "an element is cut off");
	*tag = p[at++];
	if ((*tag & TAG_LONG) == TAG_LONG)
		return malformed(why, "an element of an unknown type");
	count = p[at++];
	if (count == INDEFINITE) {
		n = SIZE_MAX;
	} else if (count < INDEFINITE) {
		n = count;
	} else {
		count &= 0x7f;
		if (count > LENGTH_OCTETS_MAX || count > end - at)
			return malformed(why, "a length that cannot be");
		while (count-- > 0)
			n = n << 8 | p[at++];
	}
	if (n != SIZE_MAX && n > end - at)
		return malformed(why, "an element is longer than its place");
	w->at = at;
	*len = n;
	return ERR_OK;
}

/* The last octet ends a number, and none begins with padding. X.690 §8.19.2 */
static bool
is_oid(const uint8_t *p, size_t len)
{
	bool first = true;

	if (len == 0 || (p[len - 1] & 0x80) != 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (first && p[i] == 0x80)
			return false;
		first = (p[i] & 0x80) == 0;
	}
	return true;
}

static bool
is_primitive_ok(unsigned tag, const uint8_t *p, size_t len)
{
	if ((tag & CLASS) != 0)
		return true;
	switch (tag) {
	case TYPE_BOOLEAN:
		return len == 1;
	case TYPE_INTEGER:
	case TYPE_ENUMERATED:
		return len > 0;
	case TYPE_BITS:
		return len > 0 && p[0] < 8 && (len > 1 || p[0] == 0);
	case TYPE_NULL:
		return len == 0;
	case TYPE_OID:
		return is_oid(p, len);
	case TYPE_SEQUENCE:
	case TYPE_SET:
		return false;
	}
	return true;
}

static enum err
enter(struct walk *w, unsigned tag, size_t len, struct err_why *why)
{
	if (len == SIZE_MAX && (w->definite || (tag & CONSTRUCTED) == 0))
		return malformed(why, "a length that is not definite");
	if ((tag & CONSTRUCTED) == 0) {
		if (!is_primitive_ok(tag, w->in.data + w->at, len))
			return malformed(why, "a value its type cannot have");
		w->at += len;
		return ERR_OK;
	}
	if (w->depth == LIMIT_DER_DEPTH)
		return err_why(why, ERR_LIMIT, "elements nested deeper than %u",
		    LIMIT_DER_DEPTH);
	w->end[w->depth++] = len == SIZE_MAX ? SIZE_MAX : w->at + len;
	return ERR_OK;
}

/* Close what ends here. */
static void
leave(struct walk *w)
{
	while (w->depth > 0 && w->end[w->depth - 1] == w->at)
		w->depth--;
}

static enum err
walk_one(struct walk *w, struct err_why *why)
{
	unsigned tag = 0;
	size_t len = 0, start = w->at;
	enum err e;

	if (++w->n > LIMIT_DER_ELEMENTS)
		return err_why(why, ERR_LIMIT, "more than %u elements",
		    LIMIT_DER_ELEMENTS);
	e = read_head(w, &tag, &len, why);
	if (e != ERR_OK)
		return e;
	if (tag == TYPE_EOC) {
		/* two octets of zero, not a length of zero in a longer form */
		if (len != 0 || w->at != start + 2 || w->depth == 0 ||
		    w->end[w->depth - 1] != SIZE_MAX)
			return malformed(why, "an end where nothing ends");
		w->depth--;
	} else {
		e = enter(w, tag, len, why);
	}
	if (e == ERR_OK)
		leave(w);
	return e;
}

static enum err
check(struct span in, bool definite, struct err_why *why)
{
	struct walk w = {.in = in, .definite = definite};
	enum err e;

	do {
		e = walk_one(&w, why);
	} while (e == ERR_OK && w.depth > 0);
	if (e == ERR_OK && w.at != in.len)
		return malformed(why, "something follows the element");
	return e;
}

enum err
crypto_der_check(struct span in, struct err_why *why)
{
	return check(in, false, why);
}

/* --- certificates --- */

/* Bits of the number, without its leading zeros. */
static size_t
bits_of(struct span number)
{
	while (number.len > 0 && number.data[0] == 0)
		number = SPAN(number.data + 1, number.len - 1);
	return number.len * 8;
}

/* RSAPublicKey; of other kinds what is in the bit string is one element (DSA)
   or none (curves), and no number in it is too large either. */
static enum err
check_numbers(struct span key, bool rsa, struct err_why *why)
{
	struct ber seq, n, e;

	if (!rsa) {
		if (ber_expect(&key, BER_INTEGER, &n) == ERR_OK &&
		    bits_of(n.body) > LIMIT_RSA_BITS_MAX)
			return err_why(why, ERR_LIMIT, "an oversized key");
		return ERR_OK;
	}
	if (ber_expect(&key, BER_SEQUENCE, &seq) != ERR_OK ||
	    ber_expect(&seq.body, BER_INTEGER, &n) != ERR_OK ||
	    ber_expect(&seq.body, BER_INTEGER, &e) != ERR_OK)
		return malformed(why, "no RSA key where there should be one");
	if (bits_of(n.body) > LIMIT_RSA_BITS_MAX)
		return err_why(why, ERR_LIMIT,
		    "an RSA key of more than %u bits", LIMIT_RSA_BITS_MAX);
	if (bits_of(e.body) > 8 * EXPONENT_MAX)
		return err_why(
		    why, ERR_LIMIT, "an RSA key with an oversized exponent");
	return ERR_OK;
}

/* Parameters: of a curve its name; p, q and g of DSA and DH. */
static enum err
check_parameters(struct span params, bool ec, struct err_why *why)
{
	struct ber b, number;

	if (params.len == 0)
		return ERR_OK;
	if (ec)
		return ber_expect(&params, BER_OID, &b) == ERR_OK
			   ? ERR_OK
			   : err_why(why, ERR_UNSUPPORTED,
				 "a curve that is not given by its name");
	if (ber_expect(&params, BER_SEQUENCE, &b) != ERR_OK)
		return ERR_OK;
	while (ber_expect(&b.body, BER_INTEGER, &number) == ERR_OK)
		if (bits_of(number.body) > LIMIT_RSA_BITS_MAX)
			return err_why(why, ERR_LIMIT, "an oversized key");
	return ERR_OK;
}

/* SubjectPublicKeyInfo */
static enum err
check_key(struct span spki, struct err_why *why)
{
	static const struct span rsa_arc = {
	    (const uint8_t *)"\x2a\x86\x48\x86\xf7\x0d\x01\x01", 8};
	static const struct span ec = {
	    (const uint8_t *)"\x2a\x86\x48\xce\x3d\x02\x01", 7};
	struct ber alg, oid, key;
	bool rsa;
	enum err e;

	if (ber_expect(&spki, BER_SEQUENCE, &alg) != ERR_OK ||
	    ber_expect(&alg.body, BER_OID, &oid) != ERR_OK ||
	    ber_expect(&spki, TYPE_BITS, &key) != ERR_OK || spki.len > 0)
		return malformed(why, "no public key in the certificate");
	rsa = oid.body.len == rsa_arc.len + 1 &&
	      span_eq(SPAN(oid.body.data, rsa_arc.len), rsa_arc);
	e = check_parameters(alg.body, span_eq(oid.body, ec), why);
	if (e == ERR_OK)
		e = check_numbers(
		    SPAN(key.body.data + 1, key.body.len - 1), rsa, why);
	return e;
}

enum err
crypto_der_check_cert(struct span in, struct err_why *why)
{
	struct ber cert, tbs, b;
	enum err e;

	if (in.len > LIMIT_CERT_SIZE)
		return err_why(why, ERR_LIMIT,
		    "a certificate of more than %u octets", LIMIT_CERT_SIZE);
	e = check(in, true, why);
	if (e != ERR_OK)
		return e;
	if (ber_expect(&in, BER_SEQUENCE, &cert) != ERR_OK ||
	    ber_expect(&cert.body, BER_SEQUENCE, &tbs) != ERR_OK)
		return malformed(why, "not an X.509 certificate");
	if (tbs.body.len > 0 && tbs.body.data[0] == BER_OPTION_CONSTRUCTED &&
	    ber_next(&tbs.body, &b) != ERR_OK)
		return malformed(why, "not an X.509 certificate");
	/* serial number, algorithm, issuer, validity, subject */
	if (ber_expect(&tbs.body, BER_INTEGER, &b) != ERR_OK ||
	    ber_expect(&tbs.body, BER_SEQUENCE, &b) != ERR_OK ||
	    ber_expect(&tbs.body, BER_SEQUENCE, &b) != ERR_OK ||
	    ber_expect(&tbs.body, BER_SEQUENCE, &b) != ERR_OK ||
	    ber_expect(&tbs.body, BER_SEQUENCE, &b) != ERR_OK ||
	    ber_expect(&tbs.body, BER_SEQUENCE, &b) != ERR_OK)
		return malformed(why, "not an X.509 certificate");
	return check_key(b.body, why);
}
