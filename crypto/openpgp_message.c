/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Everything that is said here is known without a secret key. gpg would ask for
 * passwords, try each of ten thousand hidden session keys, and open what has
 * no integrity protection with a warning: it never gets that far.
 */
#include "crypto/openpgp_message.h"

#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/limits.h"
#include "common/memfd.h"
#include "crypto/openpgp_armor.h"
#include "crypto/openpgp_packet.h"

/* Does GnuPG 2.2 open it, and only if all of it is as it was made? */
static enum err
check_structure(struct span blob, struct err_why *why)
{
	struct crypto_pgp_structure s;

	crypto_pgp_structure(blob, &s);
	if (s.kind != CRYPTO_PGP_KIND_ENCRYPTED)
		return err_why(
		    why, ERR_MALFORMED, "it is no encrypted OpenPGP message");
	if (s.n_recipients > LIMIT_PGP_SESSION_KEYS)
		return err_why(why, ERR_LIMIT, "more than %u session keys",
		    LIMIT_PGP_SESSION_KEYS);
	/* RFC 9580 §5.7, §13.7: anybody could have changed it */
	if (!s.authenticated)
		return err_why(why, ERR_UNSUPPORTED,
		    "it has no protection of its integrity");
	if (s.data_tag != CRYPTO_PGP_TAG_SEIPD || s.data_version != 1)
		return err_why(why, ERR_UNSUPPORTED,
		    "a kind of encryption that is not supported");
	return ERR_OK;
}

/* --- session keys --- */

enum whose {
	WHOSE_OTHER = 0,
	WHOSE_OURS,
	WHOSE_HIDDEN,
};

/* RFC 9580 §5.1.1: version 3, key ID. Those of version 6 are for keys that
   GnuPG 2.2 does not have. */
static enum whose
whose_key(const struct crypto_pgp_packet *p, const struct crypto_pgp_ids *ids)
{
	static const uint8_t hidden[CRYPTO_PGP_KEY_ID];
	const uint8_t *id = p->body.data + 1;

	if (p->tag != CRYPTO_PGP_TAG_PKESK ||
	    p->body.len < 2 + CRYPTO_PGP_KEY_ID || p->body.data[0] != 3)
		return WHOSE_OTHER;
	if (memcmp(id, hidden, sizeof(hidden)) == 0)
		return WHOSE_HIDDEN;
	for (size_t i = 0; i < ids->n; i++)
		if (memcmp(id, ids->id[i], CRYPTO_PGP_KEY_ID) == 0)
			return WHOSE_OURS;
	return WHOSE_OTHER;
}

/* Choose from the session keys at the start of in; *rest_out is what follows
   them. */
static enum err
copy_session_keys(struct span in, const struct crypto_pgp_ids *ids, int fd,
    struct span *rest_out, struct err_why *why)
{
	struct crypto_pgp_packet p = {0};
	size_t tries = LIMIT_DECRYPT_TRIES, n = 0, copied = 0;
	enum err e = ERR_OK;

	for (size_t pos = 0; e == ERR_OK; pos += p.size, n++) {
		struct span rest = SPAN(in.data + pos, in.len - pos);
		size_t cost = 0;

		/* the packet with the data may have a length in parts */
		if (crypto_pgp_packet_next(rest, &p) != ERR_OK ||
		    p.tag == CRYPTO_PGP_TAG_SEIPD) {
			*rest_out = rest;
			break;
		}
		if (n == LIMIT_PGP_SESSION_KEYS)
			return err_why(why, ERR_LIMIT,
			    "more than %u session keys",
			    LIMIT_PGP_SESSION_KEYS);
		switch (whose_key(&p, ids)) {
		case WHOSE_OTHER:
			continue;
		case WHOSE_OURS:
			cost = 1;
			break;
		case WHOSE_HIDDEN:
			cost = ids->n_keys;
			break;
		}
		if (cost == 0 || cost > tries)
			continue;
		tries -= cost;
		copied++;
		e = file_write_all(fd, SPAN(rest.data, p.size));
	}
	if (e != ERR_OK)
		return err_why(why, e, "%s", err_text(e));
	return copied > 0 ? ERR_OK
			  : err_why(why, ERR_NO_KEY,
				"it is encrypted to none of the keys here");
}

static enum err
prepare_binary(struct span in, const struct crypto_pgp_ids *ids, int fd,
    struct err_why *why)
{
	struct span rest = {0};
	enum err e = copy_session_keys(in, ids, fd, &rest, why);

	if (e != ERR_OK)
		return e;
	e = file_write_all(fd, rest);
	return e == ERR_OK ? e : err_why(why, e, "%s", err_text(e));
}

/* Without armor, in a file in memory that is mapped. */
static enum err
dearmor(struct span blob, struct memfd_map *out)
{
	struct span body;
	int fd = -1;
	enum err e;

	if (!crypto_pgp_armor_body(blob, &body))
		return ERR_MALFORMED;
	e = memfd_new(&fd);
	if (e != ERR_OK)
		return e;
	e = crypto_pgp_armor_decode(body, fd);
	if (e == ERR_OK)
		e = memfd_seal(fd);
	if (e == ERR_OK)
		e = memfd_map(fd, blob.len, out);
	close(fd);
	return e;
}

enum err
crypto_pgp_message_prepare(struct span blob, const struct crypto_pgp_ids *ids,
    int fd, struct err_why *why)
{
	struct memfd_map map = {0};
	enum err e = check_structure(blob, why);

	if (e != ERR_OK)
		return e;
	if (!crypto_pgp_armor_is(blob))
		return prepare_binary(blob, ids, fd, why);
	e = dearmor(blob, &map);
	e = e == ERR_OK ? prepare_binary(map.data, ids, fd, why)
			: err_why(why, e, "%s", err_text(e));
	memfd_unmap(&map);
	return e;
}

/* --- detached signatures --- */

static size_t
count_signatures(struct span in)
{
	struct crypto_pgp_packet p;
	size_t n = 0;

	for (size_t pos = 0;
	     pos < in.len &&
	     crypto_pgp_packet_next(SPAN(in.data + pos, in.len - pos), &p) ==
		 ERR_OK;
	     pos += p.size)
		n += p.tag == CRYPTO_PGP_TAG_SIGNATURE;
	return n;
}

enum err
crypto_pgp_signatures(
    struct span blob, struct buf *out, size_t *n_out, struct err_why *why)
{
	struct crypto_pgp_structure s;
	struct memfd_map map = {0};
	size_t before = out->len;
	enum err e;

	crypto_pgp_structure(blob, &s);
	if (s.kind != CRYPTO_PGP_KIND_SIGNATURE)
		return err_why(
		    why, ERR_MALFORMED, "it is no OpenPGP signature");
	if (!crypto_pgp_armor_is(blob)) {
		e = buf_put(out, blob);
	} else {
		e = dearmor(blob, &map);
		if (e == ERR_OK)
			e = buf_put(out, map.data);
		memfd_unmap(&map);
	}
	if (e != ERR_OK)
		return err_why(why, e, "%s", err_text(e));
	*n_out = count_signatures(SPAN(out->data + before, out->len - before));
	return ERR_OK;
}
