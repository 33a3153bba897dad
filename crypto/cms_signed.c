/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A signed-data taken apart. Attributes are read strictly: what decides must
 * stand there once, with one value (RFC 5652 §11), or the signature has more
 * than one meaning.
 */
#include "common/arena.h"
#include "crypto/cms_verify_private.h"
#include "crypto/der_check.h"

#define OID(s)                                                                 \
	{                                                                      \
		(const uint8_t *)(s), sizeof(s) - 1                            \
	}
#define OID_PKCS9 "\x2a\x86\x48\x86\xf7\x0d\x01\x09"

static const struct span id_signed =
    OID("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02");
static const struct span id_data = OID("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01");

static const struct span attr_type = OID(OID_PKCS9 "\x03");
static const struct span attr_digest = OID(OID_PKCS9 "\x04");
static const struct span attr_time = OID(OID_PKCS9 "\x05");
static const struct span attr_caps = OID(OID_PKCS9 "\x0f");
static const struct span attr_pref = OID(OID_PKCS9 "\x10\x02\x0b");
static const struct span attr_outlook =
    OID("\x2b\x06\x01\x04\x01\x82\x37\x10\x04");

bool
cms_signed_is_data(const struct cms_signed *s)
{
	return span_eq(s->type, id_data);
}

/* --- attributes --- */

/* Take the value of an attribute that may stand there once. */
static const char *
take(struct ber values, unsigned tag, bool *seen, struct ber *out)
{
	struct ber value;

	if (*seen)
		return "an attribute stands there twice";
	*seen = true;
	if (ber_next(&values.body, &value) != ERR_OK || values.body.len > 0)
		return "an attribute with another number of values";
	if (tag != 0 && value.tag != tag)
		return "an attribute of another type";
	*out = value;
	return NULL;
}

struct seen {
	bool type, digest, time, caps, pref, outlook;
};

static const char *
read_attr(
    struct span oid, struct ber values, struct seen *seen, struct cms_signer *s)
{
	struct ber v = {0};
	const char *fault = NULL;

	if (span_eq(oid, attr_type)) {
		fault = take(values, BER_OID, &seen->type, &v);
		s->content_type = v.body;
	} else if (span_eq(oid, attr_digest)) {
		fault = take(values, BER_OCTETS, &seen->digest, &v);
		s->digest = v.body;
	} else if (span_eq(oid, attr_time)) {
		fault = take(values, 0, &seen->time, &s->time);
	} else if (span_eq(oid, attr_caps)) {
		fault = take(values, BER_SEQUENCE, &seen->caps, &v);
		s->caps = v.all;
	} else if (span_eq(oid, attr_pref)) {
		fault = take(values, 0, &seen->pref, &v);
		s->encrypt_pref = v.all;
	} else if (span_eq(oid, attr_outlook)) {
		fault = take(values, BER_SEQUENCE, &seen->outlook, &v);
		s->encrypt_ias = v.body;
	}
	return fault;
}

static const char *
read_attrs(struct span in, struct cms_signer *s)
{
	struct seen seen = {0};
	struct ber attr, oid, values;
	const char *fault = NULL;

	while (in.len > 0 && fault == NULL) {
		if (ber_expect(&in, BER_SEQUENCE, &attr) != ERR_OK ||
		    ber_expect(&attr.body, BER_OID, &oid) != ERR_OK ||
		    ber_expect(&attr.body, BER_SET, &values) != ERR_OK ||
		    attr.body.len > 0)
			return "malformed attributes";
		fault = read_attr(oid.body, values, &seen, s);
	}
	/* RFC 5652 §5.3: with attributes these two are among them */
	if (fault == NULL && (!seen.type || !seen.digest))
		fault = "attributes without a digest and a type";
	return fault;
}

/* --- signers --- */

static const char *
read_signer(struct span in, struct cms_signer *s)
{
	struct ber b, attrs = {0};

	if (ber_expect(&in, BER_INTEGER, &b) != ERR_OK ||
	    ber_next(&in, &b) != ERR_OK)
		return "malformed";
	if (b.tag == BER_OPTION && b.body.len > 0)
		s->sid.ski = b.body;
	else if (b.tag != BER_SEQUENCE ||
		 crypto_cms_rid_parse(b.body, &s->sid) != ERR_OK)
		return "malformed";
	if (ber_expect(&in, BER_SEQUENCE, &b) != ERR_OK)
		return "malformed";
	s->digest_alg = b.body;
	if (in.len > 0 && in.data[0] == BER_OPTION_CONSTRUCTED &&
	    ber_next(&in, &attrs) != ERR_OK)
		return "malformed";
	s->attrs = attrs.all;
	if (ber_expect(&in, BER_SEQUENCE, &b) != ERR_OK)
		return "malformed";
	s->sig_alg = b.body;
	if (ber_expect(&in, BER_OCTETS, &b) != ERR_OK)
		return "malformed";
	s->sig = b.body;
	if (in.len > 0 &&
	    (ber_expect(&in, BER_OPTION_CONSTRUCTED + 1, &b) != ERR_OK ||
		in.len > 0))
		return "malformed";
	return s->attrs.len == 0 ? NULL : read_attrs(attrs.body, s);
}

static enum err
read_signers(struct span in, struct cms_signed *s)
{
	struct ber b;

	while (in.len > 0) {
		if (ber_expect(&in, BER_SEQUENCE, &b) != ERR_OK)
			return ERR_MALFORMED;
		if (s->n_signers == CRYPTO_VERDICT_SIGS)
			return ERR_LIMIT;
		s->signers[s->n_signers].fault =
		    read_signer(b.body, &s->signers[s->n_signers]);
		s->n_signers++;
	}
	return ERR_OK;
}

/* EncapsulatedContentInfo */
static enum err
read_content(struct span in, struct cms_signed *s)
{
	struct ber oid, outer;

	if (ber_expect(&in, BER_OID, &oid) != ERR_OK)
		return ERR_MALFORMED;
	s->type = oid.body;
	if (in.len == 0)
		return ERR_OK;
	if (ber_expect(&in, BER_OPTION_CONSTRUCTED, &outer) != ERR_OK ||
	    in.len > 0 || ber_next(&outer.body, &s->content) != ERR_OK ||
	    outer.body.len > 0 || (s->content.tag & ~0x20u) != BER_OCTETS)
		return ERR_MALFORMED;
	return ERR_OK;
}

enum err
cms_signed_parse(struct span in, struct cms_signed *out)
{
	struct ber outer, oid, b, data, encap;
	struct cms_signed s = {0};
	enum err e = crypto_der_check(in, NULL);

	if (e != ERR_OK)
		return e;
	if (ber_expect(&in, BER_SEQUENCE, &outer) != ERR_OK ||
	    ber_expect(&outer.body, BER_OID, &oid) != ERR_OK ||
	    !span_eq(oid.body, id_signed) ||
	    ber_expect(&outer.body, BER_OPTION_CONSTRUCTED, &b) != ERR_OK ||
	    outer.body.len > 0 ||
	    ber_expect(&b.body, BER_SEQUENCE, &data) != ERR_OK ||
	    b.body.len > 0)
		return ERR_MALFORMED;
	if (ber_expect(&data.body, BER_INTEGER, &b) != ERR_OK ||
	    ber_expect(&data.body, BER_SET, &b) != ERR_OK ||
	    ber_expect(&data.body, BER_SEQUENCE, &encap) != ERR_OK ||
	    read_content(encap.body, &s) != ERR_OK)
		return ERR_MALFORMED;
	for (unsigned tag = BER_OPTION_CONSTRUCTED;
	     tag <= BER_OPTION_CONSTRUCTED + 1; tag++) {
		if (data.body.len == 0 || data.body.data[0] != tag)
			continue;
		if (ber_next(&data.body, &b) != ERR_OK)
			return ERR_MALFORMED;
		if (tag == BER_OPTION_CONSTRUCTED)
			s.certs = b.body;
	}
	if (ber_expect(&data.body, BER_SET, &b) != ERR_OK || data.body.len > 0)
		return ERR_MALFORMED;
	e = read_signers(b.body, &s);
	if (e == ERR_OK)
		*out = s;
	return e;
}
