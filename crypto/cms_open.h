/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Open what was sealed as CMS: EnvelopedData (RFC 5652 §6), AuthEnvelopedData
 * (RFC 5083), and unpack CompressedData (RFC 3274). One layer at a time; the
 * MIME around and inside is smime_open.h's. Private keys are somewhere else:
 * key_delegate.h.
 */
#ifndef CRYPTO_CMS_OPEN_H
#define CRYPTO_CMS_OPEN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"
#include "crypto/key_delegate.h"

struct crypto_cert;

/* A key that may be tried: by its certificate. */
struct crypto_cms_key {
	const struct crypto_cert *cert;
	const char *addr; /* the address or domain it is kept for, for verdicts
			   */
	bool domain;	  /* it is kept for the whole domain */
};

/* With what to open. Everything is borrowed for the call. */
struct crypto_cms_opener {
	const struct crypto_cms_key *keys; /* in the order they are tried */
	size_t n_keys;
	crypto_delegate_decrypt *decrypt;
	void *ctx;
	bool legacy; /* 3DES and RC2, too: policy says so */
	size_t max;  /* octets that may come out */
};

struct crypto_cms_opened {
	size_t key;	    /* index of the key that opened it */
	const char *cipher; /* "aes256-gcm", static */
	/* false: CBC. Anybody on the way can have changed what is in it, and
	   aimed (EFAIL); only a signature inside says more. */
	bool authenticated;
};

/* Once per process, before the walls: what OpenSSL would load later. legacy:
   get RC2 from its legacy provider; without that, RC2 is unsupported. */
enum err crypto_cms_open_init(bool legacy, struct err_why *why) MUST_CHECK;

/* Open in, a ContentInfo in BER, into a new memfd, sealed (common/memfd.h); the
   caller closes. Nothing of it is to be had before the tag or the padding of
   the whole was checked, and an unauthenticated text must begin as mail does.
   Of the keys those are tried that the message names, up to
   LIMIT_DECRYPT_TRIES. Streams: the message is mapped, the text is written in
   pieces.
   Known without a private key: ERR_MALFORMED, ERR_LIMIT, ERR_UNSUPPORTED (the
   algorithms), ERR_KEY_UNUSABLE (a cipher that policy does not allow),
   ERR_NO_KEY (sealed to nobody of ours), ERR_TOO_BIG.
   ERR_CRYPTO: it does not open, for whatever reason; *why says the same each
   time. Errors of decrypt that are not about the key (ERR_CLOSED, ERR_TIMEOUT,
   ERR_IPC, ...), ERR_NOMEM, ERR_IO: try again later. */
enum err crypto_cms_open(struct span in, const struct crypto_cms_opener *o,
    int *fd_out, struct crypto_cms_opened *out, struct err_why *why) MUST_CHECK;

/* Unpack a CompressedData into a new memfd, sealed; the caller closes. ERR_TOO_
   BIG: more than max octets, or more than LIMIT_INFLATE times what was packed.
   ERR_MALFORMED, ERR_UNSUPPORTED, ERR_NOMEM, ERR_IO. */
enum err crypto_cms_inflate(
    struct span in, size_t max, int *fd_out, struct err_why *why) MUST_CHECK;

#endif
