/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One pass over the packets; nothing is copied but what is kept, and the work
 * for each packet is bounded whatever is in it.
 */
#include "crypto/openpgp_strip.h"

#include <stdbool.h>
#include <string.h>

#include "common/arena.h"
#include "crypto/openpgp_packet.h"
#include "mime/addr.h"

enum {
	ADDR_ARENA = 64 * 1024,
	KEY_ID = 8,
	SUB_ISSUER = 16,     /* RFC 9580 §5.2.3.12 */
	SUB_ISSUER_FPR = 33, /* §5.2.3.35 */
};

/* Types of signatures (RFC 9580 §5.2.1). */
enum {
	SIG_REVOKES_KEY = 0x20,
	SIG_REVOKES_SUBKEY = 0x28,
	SIG_REVOKES_CERT = 0x30,
};

struct strip {
	struct span addr;
	struct arena *arena;
	struct buf *out;
	struct crypto_pgp_stripped *counts;
	struct err_why *why;
	/* of the certificate in hand */
	size_t begin;	    /* where it begins in out */
	uint8_t id[KEY_ID]; /* key ID of the primary key */
	unsigned version;   /* 0: none in hand */
	bool has_uid;
	size_t n_parts;
	/* of the user ID, key or subkey in hand */
	bool keep;
	size_t n_sigs;
	uint8_t seen[CRYPTO_PGP_STRIP_CERTS][KEY_ID];
	size_t n_seen;
};

/* --- signatures --- */

/* Does one of the subpackets name the primary key as issuer, or, if none names
   any, *named stays as it is. */
static bool
issuer_among(struct span subs, const uint8_t *id, bool *named)
{
	while (subs.len > 0) {
		size_t len = subs.data[0], head = 1;
		const uint8_t *p;

		if (len >= 192 && len < 255 && subs.len >= 2) {
			len = ((len - 192) << 8) + subs.data[1] + 192;
			head = 2;
		} else if (len == 255 && subs.len >= 5) {
			len = (size_t)subs.data[1] << 24 |
			      (size_t)subs.data[2] << 16 |
			      (size_t)subs.data[3] << 8 | subs.data[4];
			head = 5;
		}
		if (len == 0 || len > subs.len - head)
			return false;
		p = subs.data + head;
		if ((p[0] & 0x7f) == SUB_ISSUER && len == 1 + KEY_ID) {
			*named = true;
			if (memcmp(p + 1, id, KEY_ID) == 0)
				return true;
		}
		/* version 4: the key ID is the end of the fingerprint */
		if ((p[0] & 0x7f) == SUB_ISSUER_FPR && len == 22 && p[1] == 4) {
			*named = true;
			if (memcmp(p + len - KEY_ID, id, KEY_ID) == 0)
				return true;
		}
		subs = SPAN(p + len, subs.len - head - len);
	}
	return false;
}

static bool
is_revocation(uint8_t type)
{
	return type == SIG_REVOKES_KEY || type == SIG_REVOKES_SUBKEY ||
	       type == SIG_REVOKES_CERT;
}

/* MD5, SHA-1, RIPEMD-160 */
static bool
is_weak(uint8_t digest)
{
	return digest >= 1 && digest <= 3;
}

/* A version 4 signature by the primary key, with a digest that still says
   something; a revocation counts whatever its digest. */
static bool
is_own(struct strip *s, struct span sig)
{
	struct span hashed, rest, unhashed;
	bool named = false;
	size_t len;

	if (sig.len < 6 || sig.data[0] != 4)
		return false;
	len = (size_t)sig.data[4] << 8 | sig.data[5];
	if (len + 2 > sig.len - 6)
		return false;
	hashed = SPAN(sig.data + 6, len);
	rest = SPAN(hashed.data + len, sig.len - 6 - len);
	len = (size_t)rest.data[0] << 8 | rest.data[1];
	if (len > rest.len - 2)
		return false;
	unhashed = SPAN(rest.data + 2, len);
	if (!issuer_among(hashed, s->id, &named) &&
	    !issuer_among(unhashed, s->id, &named) && named)
		return false;
	if (is_weak(sig.data[3]) && !is_revocation(sig.data[1])) {
		s->counts->n_weak++;
		return false;
	}
	return true;
}

/* --- keys --- */

/* An RSA public exponent that is none: even, 1, or a number of no use. */
static enum err
check_rsa(struct strip *s, struct span key)
{
	size_t bits, len, at = 6;
	uint64_t e = 0;

	if (key.len < 8 || key.data[0] != 4 || key.data[5] < 1 ||
	    key.data[5] > 3)
		return ERR_OK;
	bits = (size_t)key.data[at] << 8 | key.data[at + 1];
	len = (bits + 7) / 8;
	at += 2;
	if (len + 2 > key.len - at)
		return err_why(s->why, ERR_MALFORMED, "an RSA key cut short");
	at += len;
	bits = (size_t)key.data[at] << 8 | key.data[at + 1];
	len = (bits + 7) / 8;
	at += 2;
	if (len > key.len - at)
		return err_why(s->why, ERR_MALFORMED, "an RSA key cut short");
	if (len > sizeof(e))
		return err_why(s->why, ERR_KEY_UNUSABLE,
		    "its RSA exponent is absurdly large");
	for (size_t i = 0; i < len; i++)
		e = e << 8 | key.data[at + i];
	if (e % 2 == 0 || e == 1)
		return err_why(
		    s->why, ERR_KEY_UNUSABLE, "its RSA exponent is even or 1");
	return ERR_OK;
}

static enum err
put(struct strip *s, struct span packet)
{
	enum err e = buf_put(s->out, packet);

	return e == ERR_OK
		   ? e
		   : err_why(s->why, e, "what is left of it is too large");
}

/* The certificate in hand is complete: one without the address goes. */
static void
end_cert(struct strip *s)
{
	if (s->version == 0)
		return;
	s->version = 0;
	if (s->has_uid) {
		s->counts->n_certs++;
		return;
	}
	s->counts->n_foreign++;
	s->out->len = s->begin;
}

static enum err
begin_cert(struct strip *s, struct span packet, struct span key)
{
	uint8_t fpr[32];
	size_t len = 0;
	enum err e;

	end_cert(s);
	if (key.len == 0 || key.len > CRYPTO_PGP_STRIP_PACKET)
		return err_why(s->why, ERR_TOO_BIG,
		    "a primary key of %zu octets", key.len);
	if (s->n_seen == CRYPTO_PGP_STRIP_CERTS)
		return err_why(s->why, ERR_LIMIT, "more than %d keys",
		    CRYPTO_PGP_STRIP_CERTS);
	e = crypto_pgp_fpr(key, fpr, &len);
	if (e == ERR_OK)
		e = check_rsa(s, key);
	if (e != ERR_OK)
		return e;
	memset(s->id, 0, sizeof(s->id));
	if (len >= KEY_ID)
		memcpy(
		    s->id, key.data[0] <= 4 ? fpr + len - KEY_ID : fpr, KEY_ID);
	for (size_t i = 0; i < s->n_seen; i++)
		if (memcmp(s->seen[i], s->id, KEY_ID) == 0)
			return err_why(s->why, ERR_KEY_UNUSABLE,
			    "two keys with the same key ID");
	memcpy(s->seen[s->n_seen++], s->id, KEY_ID);
	s->begin = s->out->len;
	s->version = key.data[0];
	s->has_uid = false;
	s->n_parts = 0;
	s->n_sigs = 0;
	s->keep = true;
	return put(s, packet);
}

static enum err
carries(struct strip *s, struct span uid, bool *out)
{
	struct mime_addr addr;
	struct span key;
	enum err e;

	arena_reset(s->arena);
	*out = false;
	e = mime_addr_parse(
	    crypto_pgp_uid_addr(uid), MIME_ADDR_UTF8, s->arena, &addr, NULL);
	if (e != ERR_OK)
		return e == ERR_NOMEM ? e : ERR_OK;
	key = span_str(addr.key);
	if (s->addr.len > 0 && s->addr.data[0] == '@')
		*out = key.len > s->addr.len &&
		       memcmp(key.data + key.len - s->addr.len, s->addr.data,
			   s->addr.len) == 0;
	else
		*out = span_eq(key, s->addr);
	return ERR_OK;
}

/* A user ID or subkey: kept or not, and what follows with it. */
static enum err
begin_part(struct strip *s, const struct crypto_pgp_packet *p,
    struct span packet, bool is_uid)
{
	bool wanted = p->body.len <= CRYPTO_PGP_STRIP_PACKET &&
		      s->n_parts < CRYPTO_PGP_STRIP_PARTS;
	enum err e = ERR_OK;

	s->n_sigs = 0;
	s->keep = false;
	if (wanted && is_uid)
		e = carries(s, p->body, &wanted);
	if (e == ERR_OK && wanted && !is_uid)
		e = check_rsa(s, p->body);
	if (e != ERR_OK)
		return e;
	if (!wanted) {
		s->counts->n_dropped++;
		return ERR_OK;
	}
	s->keep = true;
	s->n_parts++;
	s->has_uid = s->has_uid || is_uid;
	return put(s, packet);
}

static enum err
take_signature(struct strip *s, struct span body, struct span packet)
{
	size_t weak = s->counts->n_weak;

	if (s->keep && body.len <= CRYPTO_PGP_STRIP_PACKET &&
	    s->n_sigs < CRYPTO_PGP_STRIP_SIGS && is_own(s, body)) {
		s->n_sigs++;
		return put(s, packet);
	}
	if (s->counts->n_weak == weak)
		s->counts->n_dropped++;
	return ERR_OK;
}

static enum err
take(struct strip *s, const struct crypto_pgp_packet *p, struct span packet)
{
	switch (p->tag) {
	case CRYPTO_PGP_TAG_SECRET_KEY:
	case CRYPTO_PGP_TAG_SECRET_SUBKEY:
		return err_why(s->why, ERR_PERMISSION,
		    "it is a private key, which nobody should publish");
	case CRYPTO_PGP_TAG_PUBLIC_KEY:
		return begin_cert(s, packet, p->body);
	case CRYPTO_PGP_TAG_MARKER:
	case CRYPTO_PGP_TAG_PADDING:
	case CRYPTO_PGP_TAG_TRUST:
		return ERR_OK;
	}
	if (s->version == 0)
		return err_why(s->why, ERR_MALFORMED,
		    "a packet of type %u without a key before it", p->tag);
	switch (p->tag) {
	case CRYPTO_PGP_TAG_USER_ID:
		return begin_part(s, p, packet, true);
	case CRYPTO_PGP_TAG_PUBLIC_SUBKEY:
		return begin_part(s, p, packet, false);
	case CRYPTO_PGP_TAG_SIGNATURE:
		return take_signature(s, p->body, packet);
	}
	/* a photo, or something yet unknown: with what is signed over it */
	s->keep = false;
	s->counts->n_dropped++;
	return ERR_OK;
}

enum err
crypto_pgp_strip(struct span in, struct span addr, struct buf *out,
    struct crypto_pgp_stripped *counts, struct err_why *why)
{
	struct crypto_pgp_stripped none = {0};
	struct strip s = {.addr = addr,
	    .out = out,
	    .counts = counts,
	    .why = why,
	    .arena = arena_new(ADDR_ARENA)};
	struct crypto_pgp_packet p;
	enum err e = s.arena == NULL ? ERR_NOMEM : ERR_OK;

	*counts = none;
	while (e == ERR_OK && in.len > 0) {
		e = crypto_pgp_packet_next(in, &p);
		if (e != ERR_OK) {
			err_why(why, e, "not a sequence of OpenPGP packets");
			break;
		}
		e = take(&s, &p, SPAN(in.data, p.size));
		in = SPAN(in.data + p.size, in.len - p.size);
	}
	if (e == ERR_OK)
		end_cert(&s);
	if (e == ERR_OK && counts->n_certs == 0)
		e = err_why(why, ERR_NO_KEY,
		    counts->n_foreign > 0
			? "no user ID with the address that was asked for"
			: "there is no key in it");
	arena_free(s.arena);
	return e;
}
