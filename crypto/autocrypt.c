/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Cut a certificate down. Which signatures are good was GnuPG's to find out
 * when the certificate was admitted; here the newest of each kind is taken by
 * what is in its hashed part. Autocrypt Level 1 §2.1.1, RFC 9580 §5.2.3.
 */
#include "crypto/autocrypt.h"

#include <string.h>

#include "common/arena.h"
#include "crypto/openpgp_packet.h"
#include "mime/addr.h"

enum {
	FIELD_MAX = 10 * 1024, /* octets of base64 that the standard allows */
	ADDR_ARENA = 64 * 1024,

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
	FLAGS_ENCRYPT = 0x04 | 0x08,
};

/* What the hashed part of a signature says. */
struct sig {
	struct span octets; /* the whole packet; empty: there is none */
	unsigned type;
	uint32_t created;
	uint32_t key_expires; /* seconds after the key's creation; 0: never */
	unsigned flags;
};

/* A packet with the newest signature on it. */
struct component {
	unsigned tag;
	struct span octets, body;
	struct sig sig;
	bool revoked;
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
read_sig(const struct crypto_pgp_packet *p, struct span octets, struct sig *out)
{
	struct sig sig = {.octets = octets};
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
add_sig(struct component *c, const struct sig *sig)
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

/* When a key was made: version, then four octets. */
static uint32_t
key_created(const struct component *c)
{
	return c->body.len < 5 ? 0 : number(SPAN(c->body.data + 1, 4));
}

static bool
is_alive(const struct component *key, uint32_t expires, int64_t now)
{
	return expires == 0 || (int64_t)key_created(key) + expires > now;
}

struct cut {
	const char *addr;
	int64_t now;
	struct arena *arena;
	struct component primary, uid, subkey;
};

static bool
is_of_addr(struct cut *cut, struct span uid)
{
	struct mime_addr addr;

	arena_reset(cut->arena);
	return mime_addr_parse(crypto_pgp_uid_addr(uid), MIME_ADDR_UTF8,
		   cut->arena, &addr, NULL) == ERR_OK &&
	       strcmp(addr.key, cut->addr) == 0;
}

/* A component has come to its end: is it one to keep? */
static void
choose(struct cut *cut, const struct component *c)
{
	switch (c->tag) {
	case CRYPTO_PGP_TAG_PUBLIC_KEY:
		cut->primary = *c;
		return;
	case CRYPTO_PGP_TAG_USER_ID:
		if (!c->revoked && c->sig.octets.len > 0 &&
		    is_of_addr(cut, c->body) &&
		    (cut->uid.octets.len == 0 ||
			c->sig.created > cut->uid.sig.created))
			cut->uid = *c;
		return;
	case CRYPTO_PGP_TAG_PUBLIC_SUBKEY:
		if (!c->revoked && c->sig.octets.len > 0 &&
		    (c->sig.flags & FLAGS_ENCRYPT) != 0 &&
		    is_alive(c, c->sig.key_expires, cut->now) &&
		    (cut->subkey.octets.len == 0 ||
			key_created(c) > key_created(&cut->subkey)))
			cut->subkey = *c;
		return;
	}
}

static enum err
walk(struct cut *cut, struct span cert, struct err_why *why)
{
	struct component c = {0};
	struct crypto_pgp_packet p;
	struct sig sig;

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
		choose(cut, &c);
		c = (struct component){.tag = p.tag,
		    .octets = SPAN(rest.data, p.size),
		    .body = p.body};
	}
	choose(cut, &c);
	return ERR_OK;
}

static enum err
put(struct buf *out, const struct component *c)
{
	enum err e = buf_put(out, c->octets);

	return e == ERR_OK ? buf_put(out, c->sig.octets) : e;
}

/* What is left has to do. */
static enum err
check(const struct cut *cut, struct err_why *why)
{
	const struct component *primary = &cut->primary, *uid = &cut->uid;

	if (primary->octets.len == 0 || primary->body.len < 6)
		return err_why(why, ERR_MALFORMED, "not a certificate");
	if (primary->body.data[0] != 4)
		return err_why(why, ERR_UNSUPPORTED,
		    "keys of version %u are not supported",
		    primary->body.data[0]);
	if (uid->octets.len == 0)
		return err_why(
		    why, ERR_NO_KEY, "no user ID for %s in it", cut->addr);
	if (primary->revoked ||
	    !is_alive(primary, uid->sig.key_expires, cut->now) ||
	    !is_alive(primary, primary->sig.key_expires, cut->now))
		return err_why(
		    why, ERR_NO_KEY, "the key is revoked or has expired");
	if (cut->subkey.octets.len == 0 &&
	    (uid->sig.flags & FLAGS_ENCRYPT) == 0)
		return err_why(why, ERR_NO_KEY, "it has no key for encryption");
	return ERR_OK;
}

enum err
crypto_autocrypt_keydata(struct span cert, const char *addr, int64_t now,
    struct buf *out, struct err_why *why)
{
	struct cut cut = {
	    .addr = addr, .now = now, .arena = arena_new(ADDR_ARENA)};
	size_t before = out->len;
	enum err e;

	if (cut.arena == NULL)
		return err_why(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	e = walk(&cut, cert, why);
	if (e == ERR_OK)
		e = check(&cut, why);
	if (e != ERR_OK)
		goto out;
	e = put(out, &cut.primary);
	if (e == ERR_OK)
		e = put(out, &cut.uid);
	if (e == ERR_OK && cut.subkey.octets.len > 0)
		e = put(out, &cut.subkey);
	if (e == ERR_OK && (out->len - before + 2) / 3 * 4 > FIELD_MAX)
		e = ERR_TOO_BIG;
	if (e != ERR_OK)
		err_why(why, e, "the key for Autocrypt: %s", err_text(e));
out:
	if (e != ERR_OK)
		out->len = before;
	arena_free(cut.arena);
	return e;
}
