/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Cut a certificate down to what fits a header. Autocrypt Level 1 §2.1.1.
 */
#include "crypto/autocrypt.h"

#include <string.h>

#include "common/arena.h"
#include "crypto/openpgp_component.h"
#include "crypto/openpgp_packet.h"
#include "mime/addr.h"

enum {
	FIELD_MAX = 10 * 1024, /* octets of base64 that the standard allows */
	ADDR_ARENA = 64 * 1024,
};

struct cut {
	const char *addr;
	int64_t now;
	struct arena *arena;
	struct crypto_pgp_component primary, uid, subkey;
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

/* Is it one to keep? */
static void
choose(void *ctx, const struct crypto_pgp_component *c)
{
	struct cut *cut = ctx;

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
		if (crypto_pgp_subkey_seals(c, cut->now) &&
		    (cut->subkey.octets.len == 0 ||
			crypto_pgp_key_created(c) >
			    crypto_pgp_key_created(&cut->subkey)))
			cut->subkey = *c;
		return;
	}
}

static enum err
put(struct buf *out, const struct crypto_pgp_component *c)
{
	enum err e = buf_put(out, c->octets);

	return e == ERR_OK ? buf_put(out, c->sig.octets) : e;
}

/* What is left has to do. */
static enum err
check(const struct cut *cut, struct err_why *why)
{
	const struct crypto_pgp_component *primary = &cut->primary;
	const struct crypto_pgp_component *uid = &cut->uid;

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
	    !crypto_pgp_key_lives(primary, uid->sig.key_expires, cut->now) ||
	    !crypto_pgp_key_lives(primary, primary->sig.key_expires, cut->now))
		return err_why(
		    why, ERR_NO_KEY, "the key is revoked or has expired");
	if (cut->subkey.octets.len == 0 &&
	    (uid->sig.flags & CRYPTO_PGP_FLAGS_SEAL) == 0)
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
	e = crypto_pgp_components(cert, choose, &cut, why);
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
