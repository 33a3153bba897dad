/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Has the sender's own software signed the message? By the structure of the
 * whole of it and by what the octets of the signature are, not by what a
 * Content-Type says. Whether the signature is good is not looked at.
 */
#include <unistd.h>

#include "common/arena.h"
#include "common/limits.h"
#include "common/memfd.h"
#include "crypto/cms_kind.h"
#include "crypto/openpgp_kind.h"
#include "gateway/message_private.h"
#include "mime/protected.h"

static bool
is_cms_signature(struct span octets, bool detached, struct arena *arena)
{
	struct crypto_cms_shape shape;

	return crypto_cms_look(octets, arena, &shape) == ERR_OK &&
	       shape.kind == CRYPTO_CMS_SIGNED && shape.n_signers > 0 &&
	       shape.has_content != detached;
}

static bool
is_pgp(struct span octets, enum crypto_pgp_kind kind)
{
	struct crypto_pgp_structure s;

	crypto_pgp_structure(octets, &s);
	return s.kind == kind;
}

static bool
is_signature(
    enum mime_protected_kind kind, struct span octets, struct arena *arena)
{
	switch (kind) {
	case MIME_PROTECTED_CMS:
		return is_cms_signature(octets, false, arena);
	case MIME_PROTECTED_CMS_SIGNED:
		return is_cms_signature(octets, true, arena);
	case MIME_PROTECTED_PGP_SIGNED:
		return is_pgp(octets, CRYPTO_PGP_KIND_SIGNATURE);
	case MIME_PROTECTED_PGP_INLINE:
		return is_pgp(octets, CRYPTO_PGP_KIND_CLEARTEXT);
	case MIME_PROTECTED_PGP:
	case MIME_PROTECTED_NOT:
		break;
	}
	return false;
}

static enum err
put_memfd(void *arg, struct span octets)
{
	return memfd_write(*(int *)arg, octets);
}

enum err
message_find_signed(
    const struct mime_tree *tree, struct arena *arena, bool *out)
{
	struct mime_protected p;
	struct memfd_map map = {0};
	int fd;
	struct mime_sink sink = {put_memfd, &fd};
	enum err e;

	mime_protected_find(tree, &p);
	if (p.kind == MIME_PROTECTED_NOT || p.kind == MIME_PROTECTED_PGP) {
		*out = false;
		return ERR_OK;
	}
	e = memfd_new(&fd);
	if (e != ERR_OK)
		return e;
	e = mime_protected_write(&p, &sink);
	if (e == ERR_OK)
		e = memfd_seal(fd);
	if (e == ERR_OK)
		e = memfd_map(fd, LIMIT_MESSAGE_SIZE_MAX, &map);
	if (e == ERR_OK)
		*out = is_signature(p.kind, map.data, arena);
	close(fd);
	memfd_unmap(&map);
	return e;
}
