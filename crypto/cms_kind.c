/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The outer structure of CMS, element by element (crypto/ber.h): RFC 5652 §3,
 * §5.1, §6; RFC 5083 §2.1. A type that is only claimed is ERR_MALFORMED: what
 * decides whether mail counts as protected looks here.
 */
#include "crypto/cms_kind.h"

#include "common/arena.h"
#include "common/limits.h"
#include "crypto/ber.h"
#include "crypto/cert.h"
#include "crypto/der_check.h"

#define OID_PKCS7 "\x2a\x86\x48\x86\xf7\x0d\x01\x07"
#define OID_CT	  "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01"

static const struct {
	struct span oid;
	enum crypto_cms_kind kind;
} kinds[] = {
    {{(const uint8_t *)OID_PKCS7 "\x01", 9}, CRYPTO_CMS_DATA},
    {{(const uint8_t *)OID_PKCS7 "\x02", 9}, CRYPTO_CMS_SIGNED},
    {{(const uint8_t *)OID_PKCS7 "\x03", 9}, CRYPTO_CMS_ENVELOPED},
    {{(const uint8_t *)OID_CT "\x17", 11}, CRYPTO_CMS_AUTH_ENVELOPED},
    {{(const uint8_t *)OID_CT "\x09", 11}, CRYPTO_CMS_COMPRESSED},
};

static enum crypto_cms_kind
kind_of(struct span oid)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (span_eq(oid, kinds[i].oid))
			return kinds[i].kind;
	return CRYPTO_CMS_NONE;
}

/* Pass over the element if it is the one with this tag. */
static enum err
skip_option(struct span *in, unsigned tag)
{
	struct ber b;

	if (in->len == 0 || in->data[0] != tag)
		return ERR_OK;
	return ber_next(in, &b);
}

/* --- signed-data --- */

static enum err
count(struct span in, size_t *out)
{
	struct ber b;
	size_t n = 0;

	while (in.len > 0) {
		if (ber_expect(&in, BER_SEQUENCE, &b) != ERR_OK)
			return ERR_MALFORMED;
		if (++n > LIMIT_RECIPIENTS)
			return ERR_LIMIT;
	}
	*out = n;
	return ERR_OK;
}

/* RFC 5652 §5.1 */
static enum err
look_signed(struct span in, struct crypto_cms_shape *shape)
{
	struct ber b, encap, oid;

	if (ber_expect(&in, BER_INTEGER, &b) != ERR_OK ||
	    ber_expect(&in, BER_SET, &b) != ERR_OK ||
	    ber_expect(&in, BER_SEQUENCE, &encap) != ERR_OK ||
	    ber_expect(&encap.body, BER_OID, &oid) != ERR_OK)
		return ERR_MALFORMED;
	if (encap.body.len > 0) {
		if (ber_expect(&encap.body, BER_OPTION_CONSTRUCTED, &b) !=
			ERR_OK ||
		    encap.body.len > 0)
			return ERR_MALFORMED;
		shape->has_content = true;
	}
	if (skip_option(&in, BER_OPTION_CONSTRUCTED) != ERR_OK ||
	    skip_option(&in, BER_OPTION_CONSTRUCTED + 1) != ERR_OK ||
	    ber_expect(&in, BER_SET, &b) != ERR_OK || in.len > 0)
		return ERR_MALFORMED;
	return count(b.body, &shape->n_signers);
}

/* --- enveloped-data --- */

struct rids {
	struct arena *arena;
	struct crypto_cms_shape *shape;
	size_t room;
};

static enum err
add_rid(struct rids *r, const struct crypto_cms_rid *rid)
{
	struct crypto_cms_shape *s = r->shape;
	struct crypto_cms_rid *grown;
	size_t room = r->room == 0 ? 8 : 2 * r->room;

	if (s->n_rids == LIMIT_RECIPIENTS)
		return ERR_LIMIT;
	if (s->n_rids == r->room) {
		grown = arena_array(r->arena, room, sizeof(*grown));
		if (grown == NULL)
			return ERR_NOMEM;
		for (size_t i = 0; i < s->n_rids; i++)
			grown[i] = s->rids[i];
		s->rids = grown;
		r->room = room;
	}
	s->rids[s->n_rids++] = *rid;
	return ERR_OK;
}

/* KeyTransRecipientInfo (RFC 5652 §6.2.1) */
static enum err
look_transport(struct rids *r, struct span in)
{
	struct crypto_cms_rid rid = {0};
	struct ber b, alg, key;

	if (ber_expect(&in, BER_INTEGER, &b) != ERR_OK ||
	    ber_next(&in, &b) != ERR_OK)
		return ERR_MALFORMED;
	if (b.tag == BER_OPTION && b.body.len > 0)
		rid.ski = b.body;
	else if (b.tag != BER_SEQUENCE ||
		 crypto_cms_rid_parse(b.body, &rid) != ERR_OK)
		return ERR_MALFORMED;
	if (ber_expect(&in, BER_SEQUENCE, &alg) != ERR_OK ||
	    ber_expect(&in, BER_OCTETS, &key) != ERR_OK || in.len > 0)
		return ERR_MALFORMED;
	rid.alg = alg.body;
	rid.key = key.body;
	return add_rid(r, &rid);
}

/* One RecipientEncryptedKey of a KeyAgreeRecipientInfo. */
static enum err
look_agreed_key(
    struct rids *r, struct span in, const struct crypto_cms_rid *common)
{
	struct crypto_cms_rid rid = *common;
	struct ber b, ski, key;

	if (ber_next(&in, &b) != ERR_OK)
		return ERR_MALFORMED;
	if (b.tag == BER_OPTION_CONSTRUCTED) {
		if (ber_expect(&b.body, BER_OCTETS, &ski) != ERR_OK ||
		    ski.body.len == 0)
			return ERR_MALFORMED;
		rid.ski = ski.body;
	} else if (b.tag != BER_SEQUENCE ||
		   crypto_cms_rid_parse(b.body, &rid) != ERR_OK) {
		return ERR_MALFORMED;
	}
	if (ber_expect(&in, BER_OCTETS, &key) != ERR_OK || in.len > 0)
		return ERR_MALFORMED;
	rid.key = key.body;
	return add_rid(r, &rid);
}

/* The element [tag] if it is next; *out stays empty if it is not. */
static enum err
take_option(struct span *in, unsigned tag, struct ber *out)
{
	if (in->len == 0 || in->data[0] != tag)
		return ERR_OK;
	return ber_next(in, out);
}

/* KeyAgreeRecipientInfo (RFC 5652 §6.2.2) */
static enum err
look_agreement(struct rids *r, struct span in)
{
	struct crypto_cms_rid common = {.agree = true};
	struct ber b, ukm = {0}, octets, keys;
	enum err e = ERR_OK;

	if (ber_expect(&in, BER_INTEGER, &b) != ERR_OK ||
	    ber_expect(&in, BER_OPTION_CONSTRUCTED, &b) != ERR_OK)
		return ERR_MALFORMED;
	common.point = b.body;
	if (take_option(&in, BER_OPTION_CONSTRUCTED + 1, &ukm) != ERR_OK ||
	    ber_expect(&in, BER_SEQUENCE, &b) != ERR_OK ||
	    ber_expect(&in, BER_SEQUENCE, &keys) != ERR_OK || in.len > 0 ||
	    keys.body.len == 0)
		return ERR_MALFORMED;
	common.alg = b.body;
	if (ukm.body.len > 0) {
		if (ber_expect(&ukm.body, BER_OCTETS, &octets) != ERR_OK)
			return ERR_MALFORMED;
		common.ukm = octets.body;
	}
	while (keys.body.len > 0 && e == ERR_OK) {
		e = ber_expect(&keys.body, BER_SEQUENCE, &b);
		if (e == ERR_OK)
			e = look_agreed_key(r, b.body, &common);
	}
	return e;
}

static enum err
look_recipients(struct rids *r, struct span in)
{
	struct ber b;
	enum err e = ERR_OK;

	while (in.len > 0 && e == ERR_OK) {
		e = ber_next(&in, &b);
		if (e != ERR_OK)
			return e;
		if (b.tag == BER_SEQUENCE)
			e = look_transport(r, b.body);
		else if (b.tag == BER_OPTION_CONSTRUCTED + 1)
			e = look_agreement(r, b.body);
		else if (b.tag < BER_OPTION_CONSTRUCTED + 2 ||
			 b.tag > BER_OPTION_CONSTRUCTED + 4)
			e = ERR_MALFORMED;
		else if (++r->shape->n_others > LIMIT_RECIPIENTS)
			e = ERR_LIMIT;
	}
	return e;
}

/* EncryptedContentInfo: there must be ciphertext. */
static enum err
look_ciphertext(struct span in, struct crypto_cms_shape *shape)
{
	struct ber oid, alg, cipher, text;

	if (ber_expect(&in, BER_OID, &oid) != ERR_OK ||
	    ber_expect(&in, BER_SEQUENCE, &alg) != ERR_OK)
		return ERR_MALFORMED;
	shape->inner = oid.body;
	shape->alg = alg.body;
	if (ber_expect(&alg.body, BER_OID, &cipher) != ERR_OK ||
	    ber_next(&in, &text) != ERR_OK || in.len > 0 || text.body.len == 0)
		return ERR_MALFORMED;
	if (text.tag != BER_OPTION && text.tag != BER_OPTION_CONSTRUCTED)
		return ERR_MALFORMED;
	shape->text = text;
	shape->cipher = cipher.body;
	shape->has_content = true;
	return ERR_OK;
}

/* RFC 5652 §6.1, RFC 5083 §2.1. What follows the ciphertext are attributes and,
   in the authenticated form, the code that says it is whole. */
static enum err
look_enveloped(struct span in, struct arena *a, struct crypto_cms_shape *shape)
{
	struct rids rids = {.arena = a, .shape = shape};
	struct ber b, recipients, content, attrs = {0};
	enum err e;

	if (ber_expect(&in, BER_INTEGER, &b) != ERR_OK ||
	    skip_option(&in, BER_OPTION_CONSTRUCTED) != ERR_OK ||
	    ber_expect(&in, BER_SET, &recipients) != ERR_OK ||
	    ber_expect(&in, BER_SEQUENCE, &content) != ERR_OK)
		return ERR_MALFORMED;
	e = look_recipients(&rids, recipients.body);
	if (e == ERR_OK && shape->n_rids + shape->n_others == 0)
		e = ERR_MALFORMED;
	if (e == ERR_OK)
		e = look_ciphertext(content.body, shape);
	if (e == ERR_OK)
		e = take_option(&in, BER_OPTION_CONSTRUCTED + 1, &attrs);
	if (e == ERR_OK && shape->kind == CRYPTO_CMS_AUTH_ENVELOPED) {
		shape->attrs = attrs.all;
		e = ber_expect(&in, BER_OCTETS, &b);
		if (e == ERR_OK) {
			shape->mac = b.body;
			e = skip_option(&in, BER_OPTION_CONSTRUCTED + 2);
		}
	}
	return e == ERR_OK && in.len > 0 ? ERR_MALFORMED : e;
}

/* --- all --- */

static enum err
look_inside(struct span in, struct arena *a, struct crypto_cms_shape *shape)
{
	struct ber b;

	switch (shape->kind) {
	case CRYPTO_CMS_NONE:
		return ERR_OK;
	case CRYPTO_CMS_DATA:
		shape->has_content = true;
		return ERR_OK;
	case CRYPTO_CMS_SIGNED:
	case CRYPTO_CMS_ENVELOPED:
	case CRYPTO_CMS_AUTH_ENVELOPED:
	case CRYPTO_CMS_COMPRESSED:
		break;
	}
	if (ber_expect(&in, BER_SEQUENCE, &b) != ERR_OK || in.len > 0)
		return ERR_MALFORMED;
	if (shape->kind == CRYPTO_CMS_SIGNED)
		return look_signed(b.body, shape);
	if (shape->kind != CRYPTO_CMS_COMPRESSED)
		return look_enveloped(b.body, a, shape);
	shape->has_content = true;
	return ERR_OK;
}

enum err
crypto_cms_rid_parse(struct span in, struct crypto_cms_rid *out)
{
	struct ber issuer, serial;

	if (ber_expect(&in, BER_SEQUENCE, &issuer) != ERR_OK ||
	    ber_expect(&in, BER_INTEGER, &serial) != ERR_OK || in.len > 0 ||
	    serial.body.len == 0)
		return ERR_MALFORMED;
	while (serial.body.len > 1 && serial.body.data[0] == 0)
		serial.body = SPAN(serial.body.data + 1, serial.body.len - 1);
	out->issuer = issuer.all;
	out->serial = serial.body;
	return ERR_OK;
}

enum crypto_cms_kind
crypto_cms_claims(struct span in)
{
	size_t head = 2;
	struct ber oid;

	/* behind the header of the sequence, whatever its length says */
	if (in.len < 2 || in.data[0] != BER_SEQUENCE)
		return CRYPTO_CMS_NONE;
	if (in.data[1] > 0x80)
		head += in.data[1] & 0x7f;
	if (head > in.len)
		return CRYPTO_CMS_NONE;
	in = SPAN(in.data + head, in.len - head);
	return ber_expect(&in, BER_OID, &oid) == ERR_OK ? kind_of(oid.body)
							: CRYPTO_CMS_NONE;
}

bool
crypto_cms_rid_is(
    const struct crypto_cms_rid *rid, const struct crypto_cert_info *cert)
{
	if (rid->ski.len > 0)
		return span_eq(rid->ski, cert->ski);
	return span_eq(rid->issuer, cert->issuer_der) &&
	       span_eq(rid->serial, cert->serial_raw);
}

enum err
crypto_cms_look(struct span in, struct arena *a, struct crypto_cms_shape *out)
{
	struct crypto_cms_shape shape = {0};
	struct ber outer, oid, content;
	enum err e = crypto_der_check(in, NULL);

	if (e != ERR_OK)
		return e;
	if (ber_expect(&in, BER_SEQUENCE, &outer) != ERR_OK || in.len > 0 ||
	    ber_expect(&outer.body, BER_OID, &oid) != ERR_OK ||
	    ber_expect(&outer.body, BER_OPTION_CONSTRUCTED, &content) !=
		ERR_OK ||
	    outer.body.len > 0)
		return ERR_MALFORMED;
	shape.kind = kind_of(oid.body);
	e = look_inside(content.body, a, &shape);
	if (e == ERR_OK)
		*out = shape;
	return e;
}
