/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The structure of the whole message, and the outermost octets of CMS or
 * OpenPGP in it.
 */
#include "gateway/open_shape.h"

#include <unistd.h>

#include "common/limits.h"
#include "common/memfd.h"
#include "crypto/cms_kind.h"
#include "crypto/openpgp_kind.h"
#include "mime/protected.h"
#include "mime/tree.h"

static void
look_at_cms(struct span octets, struct arena *a, struct open_shape *out)
{
	struct crypto_cms_shape s;

	if (crypto_cms_look(octets, a, &s) != ERR_OK)
		return;
	if (s.kind == CRYPTO_CMS_ENVELOPED ||
	    s.kind == CRYPTO_CMS_AUTH_ENVELOPED)
		out->sealed = CRYPTO_FORM_SMIME;
	else if (s.kind == CRYPTO_CMS_SIGNED && s.n_signers > 0)
		out->is_signed = CRYPTO_FORM_SMIME;
}

static void
look_at_pgp(struct span octets, enum crypto_form form, struct open_shape *out)
{
	struct crypto_pgp_structure s;

	crypto_pgp_structure(octets, &s);
	if (s.kind == CRYPTO_PGP_KIND_ENCRYPTED)
		out->sealed = form;
	else if (s.kind == CRYPTO_PGP_KIND_SIGNATURE)
		out->is_signed = form;
}

static void
look(enum mime_protected_kind kind, struct span octets, struct arena *a,
    struct open_shape *out)
{
	switch (kind) {
	case MIME_PROTECTED_CMS:
	case MIME_PROTECTED_CMS_SIGNED:
		look_at_cms(octets, a, out);
		return;
	case MIME_PROTECTED_PGP:
	case MIME_PROTECTED_PGP_SIGNED:
		look_at_pgp(octets, CRYPTO_FORM_PGP_MIME, out);
		return;
	case MIME_PROTECTED_PGP_INLINE:
		look_at_pgp(octets, CRYPTO_FORM_PGP_INLINE, out);
		return;
	case MIME_PROTECTED_NOT:
		return;
	}
}

static enum err
put_memfd(void *arg, struct span octets)
{
	return memfd_write(*(int *)arg, octets);
}

enum err
open_shape_find(
    const struct mime_tree *t, struct arena *a, struct open_shape *out)
{
	struct open_shape s = {CRYPTO_FORM_NONE, CRYPTO_FORM_NONE};
	struct mime_protected p;
	struct memfd_map map = {0};
	int fd;
	struct mime_sink sink = {put_memfd, &fd};
	enum err e;

	mime_protected_find(t, &p);
	if (p.kind == MIME_PROTECTED_NOT || mime_tree_is_ambiguous(t, NULL)) {
		*out = s;
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
		look(p.kind, map.data, a, &s);
	close(fd);
	memfd_unmap(&map);
	/* a transfer encoding that does not decode is no structure */
	if (err_class(e) == ERR_CLASS_MALFORMED)
		e = ERR_OK;
	if (e == ERR_OK)
		*out = s;
	return e;
}
