/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Has the sender's own software signed or sealed the message? By the structure
 * of the whole of it and by what the octets inside are, not by what a
 * Content-Type says. Whether a signature is good, or who can open it, is not
 * looked at here.
 */
#include <string.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/limits.h"
#include "common/memfd.h"
#include "gateway/message.h"
#include "gateway/message_private.h"
#include "mime/protected.h"

/* --- CMS --- */

/* What a password opens is as strong as the password, which nobody knows. */
static const char *
flaw_of_cms(
    const struct crypto_cms_shape *shape, enum crypto_cms_cipher *cipher)
{
	bool tagged;

	if (shape->n_others > 0)
		return "a password or a shared key opens it, too";
	if (crypto_cms_cipher_by_oid(shape->cipher, cipher) != ERR_OK)
		return "its cipher is not good enough";
	tagged = crypto_cms_cipher_holds(*cipher, CRYPTO_CMS_AES128_GCM);
	/* RFC 5084 section 1.5: GCM has its own content type */
	return tagged == (shape->kind == CRYPTO_CMS_AUTH_ENVELOPED)
		   ? NULL
		   : "its cipher is not one of its content type";
}

static enum err
copy_rid(const struct crypto_cms_rid *in, struct arena *arena,
    struct crypto_cms_rid *out)
{
	enum err e = arena_span(arena, in->issuer, &out->issuer);

	if (e == ERR_OK)
		e = arena_span(arena, in->serial, &out->serial);
	return e == ERR_OK ? arena_span(arena, in->ski, &out->ski) : e;
}

static enum err
take_sealed_cms(const struct crypto_cms_shape *shape, struct arena *arena,
    struct message_sealed *out)
{
	struct message_sealed s = {
	    .kind = MESSAGE_SEALED_CMS, .n_rids = shape->n_rids};
	struct crypto_cms_rid *rid =
	    arena_array(arena, shape->n_rids, sizeof(*rid));
	enum err e = rid == NULL ? ERR_NOMEM : ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < shape->n_rids; i++)
		e = copy_rid(&shape->rids[i], arena, &rid[i]);
	if (e != ERR_OK)
		return e;
	s.flaw = flaw_of_cms(shape, &s.cipher);
	s.rid = rid;
	*out = s;
	return ERR_OK;
}

static enum err
look_cms(
    struct span octets, bool detached, struct arena *arena, struct message *m)
{
	struct crypto_cms_shape shape;
	enum err e = crypto_cms_look(octets, arena, &shape);

	if (e == ERR_NOMEM)
		return e;
	if (e != ERR_OK)
		return ERR_OK;
	switch (shape.kind) {
	case CRYPTO_CMS_SIGNED:
		m->is_signed =
		    shape.n_signers > 0 && shape.has_content != detached;
		break;
	case CRYPTO_CMS_ENVELOPED:
	case CRYPTO_CMS_AUTH_ENVELOPED:
		return detached ? ERR_OK
				: take_sealed_cms(&shape, arena, &m->sealed);
	case CRYPTO_CMS_NONE:
	case CRYPTO_CMS_DATA:
	case CRYPTO_CMS_COMPRESSED:
		break;
	}
	return ERR_OK;
}

/* --- OpenPGP --- */

static enum err
take_sealed_pgp(const struct crypto_pgp_structure *s, struct arena *arena,
    struct message_sealed *out)
{
	uint8_t(*ids)[CRYPTO_PGP_KEY_ID] =
	    arena_array(arena, s->n_key_ids, sizeof(*ids));

	if (ids == NULL)
		return ERR_NOMEM;
	memcpy(ids, s->key_id, s->n_key_ids * sizeof(*ids));
	*out = (struct message_sealed){.kind = MESSAGE_SEALED_PGP,
	    .flaw = s->password		? "a password opens it, too"
		    : !s->authenticated ? "it has no integrity check"
					: NULL,
	    .key_id = (const uint8_t(*)[CRYPTO_PGP_KEY_ID])ids,
	    .n_key_ids = s->n_key_ids};
	return ERR_OK;
}

static enum err
look_pgp(enum mime_protected_kind kind, struct span octets, struct arena *arena,
    struct message *m)
{
	struct crypto_pgp_structure s;

	crypto_pgp_structure(octets, &s);
	if (kind == MIME_PROTECTED_PGP_SIGNED)
		m->is_signed = s.kind == CRYPTO_PGP_KIND_SIGNATURE;
	else if (s.kind == CRYPTO_PGP_KIND_ENCRYPTED)
		return take_sealed_pgp(&s, arena, &m->sealed);
	else if (kind == MIME_PROTECTED_PGP_INLINE)
		m->is_signed = s.kind == CRYPTO_PGP_KIND_CLEARTEXT;
	return ERR_OK;
}

/* --- */

static enum err
look(enum mime_protected_kind kind, struct span octets, struct arena *arena,
    struct message *m)
{
	switch (kind) {
	case MIME_PROTECTED_CMS:
	case MIME_PROTECTED_CMS_SIGNED:
		return look_cms(
		    octets, kind == MIME_PROTECTED_CMS_SIGNED, arena, m);
	case MIME_PROTECTED_PGP:
	case MIME_PROTECTED_PGP_INLINE:
	case MIME_PROTECTED_PGP_SIGNED:
		return look_pgp(kind, octets, arena, m);
	case MIME_PROTECTED_NOT:
		break;
	}
	return ERR_OK;
}

static enum err
put_memfd(void *arg, struct span octets)
{
	return memfd_write(*(int *)arg, octets);
}

enum err
message_find_protected(struct message *m, struct arena *arena)
{
	struct mime_protected p;
	struct memfd_map map = {0};
	int fd;
	struct mime_sink sink = {put_memfd, &fd};
	enum err e;

	mime_protected_find(m->tree, &p);
	if (p.kind == MIME_PROTECTED_NOT)
		return ERR_OK;
	e = memfd_new(&fd);
	if (e != ERR_OK)
		return e;
	e = mime_protected_write(&p, &sink);
	/* a transfer encoding that nobody can undo protects nothing */
	if (err_class(e) == ERR_CLASS_MALFORMED || e == ERR_UNSUPPORTED) {
		close(fd);
		return ERR_OK;
	}
	if (e == ERR_OK)
		e = memfd_seal(fd);
	if (e == ERR_OK)
		e = memfd_map(fd, LIMIT_MESSAGE_SIZE_MAX, &map);
	if (e == ERR_OK)
		e = look(p.kind, map.data, arena, m);
	close(fd);
	memfd_unmap(&map);
	return e;
}
