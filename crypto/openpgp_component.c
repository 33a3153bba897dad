/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Walk over a certificate. Of the signatures of each kind the newest is taken,
 * by what is in its hashed part. RFC 9580 §5.2.3, §10.1.
 */
#include "crypto/openpgp_component.h"

#include <string.h>

#include "crypto/openpgp_packet.h"

enum {
	/* RFC 9580 §5.2.1 */
	TYPE_CERT_FIRST = 0x10,
	TYPE_CERT_LAST = 0x13,
	TYPE_BINDING = 0x18,
	TYPE_DIRECT = 0x1f,
	TYPE_KEY_REVOKED = 0x20,
	TYPE_SUBKEY_REVOKED = 0x28,
	TYPE_CERT_REVOKED = 0x30,

	SUB_CREATED = 2,
	SUB_KEY_EXPIRES = 9,
	SUB_KEY_FLAGS = 27,
};

static uint32_t
number(struct span s)
{
	uint32_t value = 0;

	for (size_t i = 0; i < s.len && i < 4; i++)
		value = value << 8 | s.data[i];
	return value;
}

/* RFC 9580 §5.2.3.7: the subpacket at the start of s, which moves behind. */
static bool
take_subpacket(struct span *s, unsigned *type_out, struct span *body_out)
{
	size_t head = 1, len;

	if (s->len == 0)
		return false;
	len = s->data[0];
	if (len == 255) {
		head = 5;
		if (s->len < head)
			return false;
		len = number(SPAN(s->data + 1, 4));
	} else if (len >= 192) {
		head = 2;
		if (s->len < head)
			return false;
		len = ((len - 192) << 8) + s->data[1] + 192;
	}
	if (len == 0 || len > s->len - head)
		return false;
	*type_out = s->data[head] & 0x7f;
	*body_out = SPAN(s->data + head + 1, len - 1);
	*s = SPAN(s->data + head + len, s->len - head - len);
	return true;
}

/* Version 4: version, type, two algorithms, length of the hashed part. */
static enum err
read_sig(const struct crypto_pgp_packet *p, struct span octets,
    struct crypto_pgp_sig *out)
{
	struct crypto_pgp_sig sig = {.octets = octets};
	struct span hashed, body;
	unsigned type;
	size_t len;

	if (p->body.len < 6 || p->body.data[0] != 4)
		return ERR_MALFORMED;
	sig.type = p->body.data[1];
	len = number(SPAN(p->body.data + 4, 2));
	if (len > p->body.len - 6)
		return ERR_MALFORMED;
	hashed = SPAN(p->body.data + 6, len);
	while (hashed.len > 0) {
		if (!take_subpacket(&hashed, &type, &body))
			return ERR_MALFORMED;
		if (type == SUB_CREATED)
			sig.created = number(body);
		else if (type == SUB_KEY_EXPIRES)
			sig.key_expires = number(body);
		else if (type == SUB_KEY_FLAGS && body.len > 0)
			sig.flags = body.data[0];
	}
	*out = sig;
	return ERR_OK;
}

static void
add_sig(struct crypto_pgp_component *c, const struct crypto_pgp_sig *sig)
{
	bool wanted = false;

	switch (c->tag) {
	case CRYPTO_PGP_TAG_PUBLIC_KEY:
		wanted = sig->type == TYPE_DIRECT;
		c->revoked |= sig->type == TYPE_KEY_REVOKED;
		break;
	case CRYPTO_PGP_TAG_USER_ID:
		wanted =
		    sig->type >= TYPE_CERT_FIRST && sig->type <= TYPE_CERT_LAST;
		c->revoked |= sig->type == TYPE_CERT_REVOKED;
		break;
	case CRYPTO_PGP_TAG_PUBLIC_SUBKEY:
		wanted = sig->type == TYPE_BINDING;
		c->revoked |= sig->type == TYPE_SUBKEY_REVOKED;
		break;
	}
	if (wanted &&
	    (c->sig.octets.len == 0 || sig->created >= c->sig.created))
		c->sig = *sig;
}

/* Version, then four octets. */
uint32_t
crypto_pgp_key_created(const struct crypto_pgp_component *key)
{
	return key->body.len < 5 ? 0 : number(SPAN(key->body.data + 1, 4));
}

bool
crypto_pgp_key_lives(
    const struct crypto_pgp_component *key, uint32_t expires, int64_t now)
{
	return expires == 0 ||
	       (int64_t)crypto_pgp_key_created(key) + expires > now;
}

bool
crypto_pgp_subkey_seals(const struct crypto_pgp_component *c, int64_t now)
{
	return !c->revoked && c->sig.octets.len > 0 &&
	       (c->sig.flags & CRYPTO_PGP_FLAGS_SEAL) != 0 &&
	       crypto_pgp_key_lives(c, c->sig.key_expires, now);
}

enum err
crypto_pgp_components(struct span cert, crypto_pgp_component_visit *visit,
    void *ctx, struct err_why *why)
{
	struct crypto_pgp_component c = {0};
	struct crypto_pgp_packet p;
	struct crypto_pgp_sig sig;

	for (size_t pos = 0; pos < cert.len; pos += p.size) {
		struct span rest = SPAN(cert.data + pos, cert.len - pos);

		if (crypto_pgp_packet_next(rest, &p) != ERR_OK)
			return err_why(
			    why, ERR_MALFORMED, "a damaged OpenPGP packet");
		if (p.tag == CRYPTO_PGP_TAG_SIGNATURE) {
			if (read_sig(&p, SPAN(rest.data, p.size), &sig) !=
			    ERR_OK)
				return err_why(why, ERR_MALFORMED,
				    "a damaged signature packet");
			add_sig(&c, &sig);
			continue;
		}
		if (pos > 0 && p.tag == CRYPTO_PGP_TAG_PUBLIC_KEY)
			return err_why(
			    why, ERR_MALFORMED, "more than one certificate");
		if (pos > 0)
			visit(ctx, &c);
		c = (struct crypto_pgp_component){.tag = p.tag,
		    .octets = SPAN(rest.data, p.size),
		    .body = p.body};
	}
	if (cert.len > 0)
		visit(ctx, &c);
	return ERR_OK;
}

/* --- whom a message is sealed to --- */

struct search {
	const uint8_t *key_id;
	int64_t now;
	bool found;
	bool dead; /* the certificate as a whole */
};

/* The end of a fingerprint of version 4 (RFC 9580 §5.5.4.2). */
static bool
has_id(const struct search *s, const struct crypto_pgp_component *c)
{
	uint8_t fpr[32];
	size_t len;

	return c->body.len > 0 && c->body.data[0] == 4 &&
	       crypto_pgp_fpr(c->body, fpr, &len) == ERR_OK &&
	       len >= CRYPTO_PGP_KEY_ID &&
	       memcmp(fpr + len - CRYPTO_PGP_KEY_ID, s->key_id,
		   CRYPTO_PGP_KEY_ID) == 0;
}

/* Whether the primary key lives by the word of its user IDs was looked at when
   the certificate was admitted, and is in its record. */
static void
look(void *ctx, const struct crypto_pgp_component *c)
{
	struct search *s = ctx;

	switch (c->tag) {
	case CRYPTO_PGP_TAG_PUBLIC_KEY:
		s->dead = c->revoked ||
			  !crypto_pgp_key_lives(c, c->sig.key_expires, s->now);
		return;
	case CRYPTO_PGP_TAG_PUBLIC_SUBKEY:
		if (crypto_pgp_subkey_seals(c, s->now) && has_id(s, c))
			s->found = true;
		return;
	}
}

bool
crypto_pgp_seals_to(
    struct span cert, const uint8_t key_id[CRYPTO_PGP_KEY_ID], int64_t now)
{
	struct search s = {.key_id = key_id, .now = now};

	return crypto_pgp_components(cert, look, &s, NULL) == ERR_OK &&
	       s.found && !s.dead;
}
