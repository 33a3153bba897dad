/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Certificates whose own signatures gpg has checked once. Checking them is a
 * good part of what sealing to a key of Curve25519 costs, and gpg does it anew
 * in each run, unless its keyring says that it has: a note behind each
 * signature (doc/DETAILS of GnuPG, "ring trust"). So a certificate that is
 * sealed to again is imported into a keyring of its own, and what gpg wrote
 * there is kept. Whether it has expired or is revoked gpg looks at each time.
 * There is nothing secret here; it goes with the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/digest.h"
#include "common/file.h"
#include "common/text.h"
#include "crypto/openpgp_packet.h"
#include "crypto/openpgp_private.h"

enum {
	SLOTS = 1024,
	OCTETS_MAX = 4096, /* of one; this process is forked for each message */
	RING_MAX = 2 * OCTETS_MAX, /* with the notes */
	WORTH_MAX = 8,
	REFUSED_FOR = 100, /* times that it is asked for */
};

struct pgp_checked {
	uint8_t digest[32]; /* of the certificate as it comes */
	struct buf ring;    /* empty: gpg was not asked, or did not take it */
	char fpr[2 * 20 + 1];
	unsigned refused; /* so often gpg is not asked: it did not take it */
	unsigned worth;	  /* others with its place it outlasts; 0: free */
};

static struct pgp_checked *
slot_of(struct crypto_pgp *pgp, const uint8_t digest[32])
{
	if (pgp->checked == NULL)
		pgp->checked = calloc(SLOTS, sizeof(*pgp->checked));
	if (pgp->checked == NULL)
		return NULL;
	return &pgp->checked[(digest[0] << 8 | digest[1]) % SLOTS];
}

static void
drop(struct pgp_checked *slot)
{
	buf_clear(&slot->ring);
	*slot = (struct pgp_checked){0};
}

/* Seen for the first time: it gets the place unless another one is worth more
   than that. */
static void
note_seen(struct pgp_checked *slot, const uint8_t digest[32])
{
	if (slot->worth > 1) {
		slot->worth--;
		return;
	}
	drop(slot);
	memcpy(slot->digest, digest, sizeof(slot->digest));
	slot->worth = 1;
}

/* What gpg made of it: this one key, or nothing. */
static enum err
read_ring(struct crypto_pgp *pgp, struct span cert, struct pgp_checked *slot)
{
	struct crypto_pgp_piece piece, own;
	uint8_t fpr[CRYPTO_PGP_FPR_MAX];
	size_t n = 0, len = 0;
	int fd = openat(
	    pgp->open.dir, PGP_KEYRING, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	enum err e;

	if (fd < 0)
		return err_from_errno(errno);
	buf_init(&slot->ring, RING_MAX);
	e = file_read_all(fd, &slot->ring);
	close(fd);
	if (e == ERR_OK)
		e = crypto_pgp_split(
		    buf_span(&slot->ring), &piece, 1, &n, NULL);
	if (e == ERR_OK)
		e = crypto_pgp_split(cert, &own, 1, &n, NULL);
	if (e == ERR_OK && !span_eq(piece.key, own.key))
		e = ERR_MALFORMED;
	if (e == ERR_OK)
		e = crypto_pgp_fpr(piece.key, fpr, &len);
	if (e == ERR_OK && len != 20)
		e = ERR_UNSUPPORTED;
	if (e == ERR_OK)
		text_hex(SPAN(fpr, len), slot->fpr);
	return e;
}

/* The opening side has no key in its reach now, secret or other. */
static enum err
ask_gpg(struct crypto_pgp *pgp, struct span cert, struct pgp_checked *slot,
    struct err_why *why)
{
	enum err e = crypto_pgp_keyring_write(pgp, NULL, 0, NULL, 0, why);

	if (e == ERR_OK)
		e = crypto_pgp_ring_import(
		    &pgp->open, pgp->timeout_ms, cert, why);
	crypto_pgp_run_clear(&pgp->open.run);
	if (e == ERR_OK)
		e = read_ring(pgp, cert, slot);
	return e;
}

enum err
crypto_pgp_checked_find(struct crypto_pgp *pgp, struct span cert,
    struct pgp_found *out, struct err_why *why)
{
	uint8_t digest[32];
	struct pgp_checked *slot;
	struct err_why other = {""};
	enum err e;

	*out = (struct pgp_found){.fpr = NULL};
	digest_sha256(&cert, 1, digest);
	slot = slot_of(pgp, digest);
	if (slot == NULL || cert.len > OCTETS_MAX)
		return ERR_OK;
	if (slot->worth == 0 ||
	    memcmp(slot->digest, digest, sizeof(digest)) != 0) {
		note_seen(slot, digest);
		return ERR_OK;
	}
	if (slot->worth < WORTH_MAX)
		slot->worth++;
	if (slot->refused > 0) {
		/* it may not have been the certificate's fault */
		slot->refused--;
	} else if (slot->ring.len == 0) {
		e = ask_gpg(pgp, cert, slot, &other);
		if (e != ERR_OK) {
			buf_clear(&slot->ring);
			slot->refused = REFUSED_FOR;
		}
		/* gpg may be at it still: the process ends */
		if (e == ERR_TIMEOUT)
			return err_why(why, e, "%s", other.text);
	}
	if (slot->ring.len > 0)
		*out = (struct pgp_found){
		    .fpr = slot->fpr, .ring = buf_span(&slot->ring)};
	return ERR_OK;
}

void
crypto_pgp_checked_refuse(struct crypto_pgp *pgp, struct span cert)
{
	uint8_t digest[32];
	struct pgp_checked *slot;

	digest_sha256(&cert, 1, digest);
	slot = slot_of(pgp, digest);
	if (slot == NULL || memcmp(slot->digest, digest, sizeof(digest)) != 0)
		return;
	buf_clear(&slot->ring);
	slot->refused = REFUSED_FOR;
}

void
crypto_pgp_checked_clear(struct crypto_pgp *pgp)
{
	for (size_t i = 0; pgp->checked != NULL && i < SLOTS; i++)
		buf_clear(&pgp->checked[i].ring);
	free(pgp->checked);
	pgp->checked = NULL;
}
