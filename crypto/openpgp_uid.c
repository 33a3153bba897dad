/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Packets in their order: what follows a user ID or attribute belongs to it
 * until the next one or a subkey.
 */
#include "crypto/openpgp_uid.h"

#include <string.h>

#include "common/arena.h"
#include "crypto/openpgp_packet.h"
#include "mime/addr.h"

static bool
has_addr(struct span uid, struct span addr, struct arena *arena)
{
	struct mime_addr parsed;
	struct span text = crypto_pgp_uid_addr(uid);

	return text.len > 0 &&
	       mime_addr_parse(text, MIME_ADDR_UTF8, arena, &parsed, NULL) ==
		   ERR_OK &&
	       span_eq(span_str(parsed.key), addr);
}

enum err
crypto_pgp_only_addr(
    struct span cert, struct span addr, struct arena *arena, struct buf *out)
{
	size_t before = out->len;
	struct crypto_pgp_packet p;
	bool keep = true, found = false;
	enum err e = ERR_OK;

	while (cert.len > 0 && e == ERR_OK) {
		e = crypto_pgp_packet_next(cert, &p);
		if (e != ERR_OK)
			break;
		if (p.tag == CRYPTO_PGP_TAG_USER_ID) {
			keep = has_addr(p.body, addr, arena);
			found = found || keep;
		} else if (p.tag == CRYPTO_PGP_TAG_ATTRIBUTE) {
			keep = false;
		} else if (p.tag != CRYPTO_PGP_TAG_SIGNATURE) {
			keep = p.tag == CRYPTO_PGP_TAG_PUBLIC_KEY ||
			       p.tag == CRYPTO_PGP_TAG_PUBLIC_SUBKEY;
		}
		if (keep)
			e = buf_put(out, SPAN(cert.data, p.size));
		cert = SPAN(cert.data + p.size, cert.len - p.size);
	}
	if (e == ERR_OK && !found)
		e = ERR_KEY_ADDR;
	if (e != ERR_OK)
		out->len = before;
	return e;
}
