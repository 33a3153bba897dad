/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Sealed octets at rest (docs/format-sealed.md): to the holder of an X25519
 * private key, so that whoever writes cannot read back, or under a symmetric
 * secret (the master key). The text follows in chunks (stream.h), and the
 * associated data ties it to what it belongs to: it does not open beside
 * other data.
 */
#ifndef COMMON_SEALED_H
#define COMMON_SEALED_H

#include "common/buf.h"
#include "common/secret.h"

enum {
	SEALED_HEADER = 88, /* octets before the first chunk */
	SEALED_KEY = 32,
};

/* What a key is for; a header that says something else does not open. */
enum sealed_purpose {
	SEALED_NONE,
	SEALED_READY,	/* entries that may be delivered: relay */
	SEALED_PENDING, /* entries that must be decided again: keys */
	SEALED_AUDIT,	/* audit signing keys: keys */
	SEALED_WRAP,	/* the above, under the master key */
	SEALED_PRIVATE, /* private keys of senders: keys */
	SEALED_ANSWER,	/* answers from the portal: keys; common/answer.h */
	SEALED_PURPOSES,
};

struct sealed_pub {
	enum sealed_purpose purpose;
	uint8_t octets[SEALED_KEY];
};

/* A fresh X25519 pair. Caller frees priv. */
enum err sealed_keypair(enum sealed_purpose purpose, struct sealed_pub *pub,
    struct secret **priv) MUST_CHECK;

/* Octets that text_len octets take when sealed, header included. */
uint64_t sealed_size(uint64_t text_len);

/* Seal to the holder of the private half. Appends to out. The ephemeral pair
   serves for a second's texts, each of which has a key of its own: one thread
   of a process seals. */
enum err sealed_seal(const struct sealed_pub *pub, struct span ad,
    struct span text, struct buf *out) MUST_CHECK;
/* The same into a file, from its current position. */
enum err sealed_seal_fd(const struct sealed_pub *pub, struct span ad,
    struct span text, int fd) MUST_CHECK;

/* Forget what could open the texts of more than a second ago. Whoever seals
   calls this before it reads what a stranger wrote. */
void sealed_forget_old(void);

/* The key of one sealed object from its header (at least SEALED_HEADER
   octets): the only step that needs the private half. Caller frees.
   ERR_BAD_SEAL for another purpose or another key pair. */
enum err sealed_content_key(const struct sealed_pub *pub,
    const struct secret *priv, struct span header,
    struct secret **out) MUST_CHECK;

/* Octets of text in it; ERR_BAD_SEAL when header and size disagree. */
enum err sealed_text_size(struct span sealed, uint64_t *out) MUST_CHECK;
/* Open the whole of it with its content key. Appends to out; nothing is
   appended on failure. */
enum err sealed_open(const struct secret *content_key, struct span ad,
    struct span sealed, struct buf *out) MUST_CHECK;
/* The same into a new sealed memfd: nothing readable touches the heap. The
   caller closes it. is_file: as for sealed_reader_give_back(). */
enum err sealed_open_memfd(const struct secret *content_key, struct span ad,
    struct span sealed, bool is_file, int *fd_out) MUST_CHECK;

/* Chunk by chunk, for what is too large to hold. */
struct sealed_reader;
struct sealed_reader *sealed_reader_new(
    const struct secret *content_key, struct span ad, struct span sealed);
void sealed_reader_free(struct sealed_reader *r);
/* What is read is the mapping of a file, private and never written to: pages
   that were read need not stay in memory. */
void sealed_reader_give_back(struct sealed_reader *r);
/* The next chunk into out[STREAM_CHUNK]; *len 0 after the last one. */
enum err sealed_reader_next(
    struct sealed_reader *r, uint8_t *out, size_t *len) MUST_CHECK;

/* Under a symmetric secret of SEALED_KEY octets. */
enum err sealed_wrap(const struct secret *key, struct span ad, struct span text,
    struct buf *out) MUST_CHECK;
/* Caller frees the secret. ERR_BAD_SEAL for a wrong key or altered octets. */
enum err sealed_unwrap(const struct secret *key, struct span ad,
    struct span sealed, struct secret **out) MUST_CHECK;

#endif
