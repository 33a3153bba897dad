/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Seal a message into an object for pick-up (docs/format-escrow.md): the key
 * is in the link and nowhere else. Who keeps the object is not known here;
 * it is opened by gateway/portal/page/crypto.js, in the reader's browser.
 */
#ifndef CRYPTO_ESCROW_H
#define CRYPTO_ESCROW_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/object_header.h"
#include "common/pickup_account.h"

struct crypto_cert;
struct secret;

/* The link secret; as text, with the octet that says which kind of link. */
#define CRYPTO_ESCROW_SECRET_SIZE 32
#define CRYPTO_ESCROW_LINK_SIZE	  44

/* A leaf of the message. Text is UTF-8, decoded; what is not valid UTF-8 is
   replaced. type is lower case. Empty spans are left out of the index. */
struct crypto_escrow_part {
	uint64_t offset; /* of the encoded contents, from the message's start */
	uint64_t length;
	struct span type;    /* "text/plain"; empty stands for it */
	struct span charset; /* parameters of text parts, as they stand */
	struct span format;
	struct span delsp;
	struct span encoding;	 /* "base64", "7bit"; empty stands for it */
	struct span name;	 /* file name */
	struct span disposition; /* "inline", "attachment" */
	struct span content_id;	 /* without angle brackets */
	unsigned alternative; /* number of the innermost multipart/alternative
				 it is in, from 1; 0 if in none */
};

/* Everything that is sealed. Borrowed for the call. */
struct crypto_escrow {
	uint8_t id[OBJECT_ID_SIZE]; /* crypto_escrow_new_id() */
	struct span message;	    /* MIME, as received */
	struct span from;	    /* as shown to the reader, UTF-8 */
	struct span to;
	struct span subject;
	int64_t date_s; /* of the message */
	uint64_t created_s;
	uint64_t expires_s;
	struct span reply_key;	     /* public key for answers; empty if none */
	const char *const *reply_to; /* whom an answer may go to */
	size_t n_reply_to;
	uint64_t reply_max; /* octets of an answer */
	enum object_factor factor;
	enum object_door door;
	/* of the factor, as mime/spelling.h spells it; NULL for none */
	const struct secret *passphrase;
	/* of crypto_escrow_account(), with the account that it is of, where
	   that is the factor; else NULL */
	const struct secret *shared;
	const struct pickup_account *account;
	const struct crypto_escrow_part *parts;
	size_t n_parts;
	/* whom its keys are sealed to beside; NULL: nobody. The CMS is appended
	   to recovery_out, to be kept where the object is not. */
	struct crypto_cert *recovery;
	struct buf *recovery_out;
};

/* A random object id. The object's file is named by its text. */
void crypto_escrow_new_id(uint8_t *id_out);

/* Write the object to fd, from its present position, without syncing it.
   *link_out gets the link secret, which the caller frees; it is all that opens
   the object. ERR_TOO_BIG for an index or a message beyond the format,
   ERR_MALFORMED for a part outside the message, ERR_IO, ERR_DISK_FULL,
   ERR_CRYPTO. After an error the file is to be removed. */
enum err crypto_escrow_seal(const struct crypto_escrow *e, int fd,
    struct object_header *header_out, struct secret **link_out) MUST_CHECK;

/* The same with a link secret that the caller made: for test vectors. */
enum err crypto_escrow_seal_with(const struct crypto_escrow *e,
    const struct secret *link, int fd,
    struct object_header *header_out) MUST_CHECK;

/* What goes into the key of this object by the recipient's account, and the
   point by which the account's private half finds it out: for the link. The
   caller frees *out. ERR_CRYPTO, also for a public key that is none. */
enum err crypto_escrow_account(const struct pickup_account *account,
    const uint8_t *id, uint8_t point_out[PICKUP_ACCOUNT_PUBLIC],
    struct secret **out) MUST_CHECK;
/* The same with a private half of the gateway's that the caller chose, 32
   octets: for test vectors. */
enum err crypto_escrow_account_with(const struct pickup_account *account,
    const uint8_t *id, const struct secret *private,
    uint8_t point_out[PICKUP_ACCOUNT_PUBLIC], struct secret **out) MUST_CHECK;

/* What follows "#" in the link: CRYPTO_ESCROW_LINK_SIZE characters into out,
   without a NUL. Whoever has it can open the message. */
void crypto_escrow_link_text(
    const struct secret *link, enum object_factor factor, char *out);

/* Proof key and content key, as the browser derives them where the factor is a
   passphrase or none. The caller frees both. */
enum err crypto_escrow_derive(const struct secret *link,
    const struct secret *passphrase, const uint8_t *id,
    struct secret **proof_out, struct secret **content_out) MUST_CHECK;

#endif
