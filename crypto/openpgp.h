/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * OpenPGP through GnuPG: seal octets to certificates, admit certificates. Each
 * operation starts gpg, so this lives in small processes of its own. Which key
 * may be used for whom is decided in keystore/; PGP/MIME is mime/'s. RFC 9580.
 */
#ifndef CRYPTO_OPENPGP_H
#define CRYPTO_OPENPGP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

#define CRYPTO_PGP_FPR_MAX  32 /* octets: 20 in v4, 32 in v5 and v6 */
#define CRYPTO_PGP_HOME_MAX 80 /* octets of the home's path */

/* GnuPG bound to a home directory; for one thread. */
struct crypto_pgp;

/* Bind to home, a directory that belongs to this alone: it is made 0700 if it
   is not there, its configuration is written, and keys of requests are put
   there for the time of the request. home should be on tmpfs; its path is at
   most CRYPTO_PGP_HOME_MAX octets (agent sockets, --file). gpg is the program
   to run, NULL for the installed one; timeout_ms limits each of its runs.
   Costs several program starts: do it once. The caller closes. */
enum err crypto_pgp_open(const char *home, const char *gpg, unsigned timeout_ms,
    struct crypto_pgp **out, struct err_why *why) MUST_CHECK;
/* The home's files that were written here are removed, the home stays. */
void crypto_pgp_close(struct crypto_pgp *pgp);

/* Seal in to every one of the n certificates (binary, one in each span) as an
   armored message with LF line ends, to the end of the file out (a memfd, open
   for reading and writing). One that is expired, revoked or cannot be sealed to
   fails the whole; out is as long as it was then.
   ERR_NO_KEY when n is 0, ERR_KEY_EXPIRED, ERR_KEY_REVOKED, ERR_KEY_UNUSABLE,
   ERR_TIMEOUT (gpg may still run: the process should end its process group),
   ERR_TOO_BIG, ERR_IO, ERR_ENGINE. */
enum err crypto_pgp_seal(struct crypto_pgp *pgp, const struct span *certs,
    size_t n, struct span in, int out, struct err_why *why) MUST_CHECK;

struct crypto_pgp_uid {
	char *text; /* UTF-8, as it stands; escape before showing */
	char *addr; /* mime_addr.key; NULL if it names none, or two */
	bool revoked;
};

/* One certificate. The zero value of seal_err would be ERR_OK: it is set in
   every element that crypto_pgp_inspect() hands out. */
struct crypto_pgp_cert {
	unsigned version;
	uint8_t fpr[CRYPTO_PGP_FPR_MAX]; /* of the primary key */
	size_t fpr_len;			 /* 0 when the version has none */
	char fpr_hex[2 * CRYPTO_PGP_FPR_MAX + 1];
	struct crypto_pgp_uid *uids; /* self-signed ones only */
	size_t n_uids;
	int64_t created; /* Unix seconds */
	int64_t expires; /* 0: never */
	bool revoked;
	char alg[16]; /* of the primary key: "RSA", "Ed25519", ... */
	unsigned bits;
	/* The subkey that would be sealed to. */
	char seal_alg[16];
	unsigned seal_bits;
	int64_t seal_until; /* Unix seconds, 0: no end in sight */
	/* ERR_OK: can be sealed to now. Else ERR_KEY_EXPIRED, ERR_KEY_REVOKED,
	   ERR_KEY_UNUSABLE, ERR_UNSUPPORTED, and seal_why says it in words. */
	enum err seal_err;
	struct err_why seal_why;
	struct buf minimal; /* binary, self-signatures only: what to store;
			       empty if GnuPG would not take it */
};

struct crypto_pgp_list {
	struct crypto_pgp_cert *certs;
	size_t n;
};

/* Describe the certificates of an armored or binary blob, in its order, each
   once. Text around armor is passed over.
   Secret keys are refused: ERR_PERMISSION. Key versions that GnuPG 2.2 does not
   know are listed with ERR_UNSUPPORTED. ERR_NO_KEY if there is none,
   ERR_MALFORMED, ERR_TOO_BIG (LIMIT_KEY_SIZE each, LIMIT_KEYS_SIZE together),
   ERR_LIMIT (LIMIT_KEYS), ERR_TIMEOUT, ERR_IO, ERR_ENGINE. The caller
   clears out. */
enum err crypto_pgp_inspect(struct crypto_pgp *pgp, struct span blob,
    struct crypto_pgp_list *out, struct err_why *why) MUST_CHECK;
void crypto_pgp_list_clear(struct crypto_pgp_list *list);

#endif
