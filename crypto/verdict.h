/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What is known of the protection a message arrived with: one vocabulary for
 * S/MIME and OpenPGP. Who opens and who verifies fill it in; crypto_verdict_
 * bind() then says who signed for whom; printed as a header field (the value of
 * Sealgate-Verdict) and as JSON. Zero everywhere is "none": nothing was
 * encrypted, nothing is verified.
 */
#ifndef CRYPTO_VERDICT_H
#define CRYPTO_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct arena;

enum crypto_form {
	CRYPTO_FORM_NONE = 0,
	CRYPTO_FORM_SMIME,
	CRYPTO_FORM_PGP_MIME,
	CRYPTO_FORM_PGP_INLINE, /* in text parts and attachments */
};

/* Was the message encrypted to us? In parentheses the word that is printed. */
enum crypto_sealed {
	CRYPTO_SEALED_NONE = 0, /* "none" */
	/* "partial": an encrypted part among others, or inside of them. It
	   stays closed. */
	CRYPTO_SEALED_PARTIAL,
	/* "undecryptable": all of it, and it was not opened. The same for every
	   reason that depends on a private key: see CRYPTO_REASON_CLOSED. */
	CRYPTO_SEALED_CLOSED,
	/* "encrypted-unauthenticated": opened, and nothing but a signature
	   could say whether somebody on the way changed it (CBC of S/MIME). */
	CRYPTO_SEALED_UNAUTHENTICATED,
	/* "encrypted": opened, whole. */
	CRYPTO_SEALED_OPENED,
};

/* Is it signed? From the least that can be said to the most, none apart. */
enum crypto_signed {
	CRYPTO_SIGNED_NONE = 0, /* "none" */
	/* "signed-bad": wrong, malformed, or with more than one meaning */
	CRYPTO_SIGNED_BAD,
	/* "signed-unsupported": an algorithm we lack; neither good nor bad */
	CRYPTO_SIGNED_UNSUPPORTED,
	/* "signed-unknown-key": no key or certificate to verify it with, or
	   none that leads to an anchor or that the keystore trusts */
	CRYPTO_SIGNED_UNKNOWN_KEY,
	CRYPTO_SIGNED_KEY_REVOKED,  /* "signed-revoked-key" */
	CRYPTO_SIGNED_KEY_EXPIRED,  /* "signed-expired-key": when it was made */
	CRYPTO_SIGNED_KEY_UNUSABLE, /* "signed-unusable-key": not for mail */
	/* "partial": good, but it covers a part of the message only */
	CRYPTO_SIGNED_PARTIAL,
	/* "signed-by-other": good, by somebody who is not in From */
	CRYPTO_SIGNED_OTHER,
	CRYPTO_SIGNED_GOOD, /* "signed-good" */
};

/* Where the header fields that are shown come from (RFC 9788). */
enum crypto_headers {
	CRYPTO_HEADERS_NONE = 0,  /* "none": as any hop may have written them */
	CRYPTO_HEADERS_SIGNED,	  /* "signed" */
	CRYPTO_HEADERS_ENCRYPTED, /* "encrypted", to us, and not signed */
	CRYPTO_HEADERS_BOTH,	  /* "signed-encrypted" */
};

/* What is said of a message that did not open, whatever went wrong behind the
   private key: padding, tag, check value, form of what came out. */
#define CRYPTO_REASON_CLOSED "it does not open with the keys there are"

/* One signature. Strings are in the arena of the verdict, never NULL: "" is
   not known; they are printable UTF-8. */
enum { CRYPTO_SIG_ISSUERS = 4 }; /* that are kept of a signature */

struct crypto_signature {
	enum crypto_form form;
	/* GOOD until crypto_verdict_bind() looked at From. */
	enum crypto_signed status;
	const char *reason; /* a phrase for a person; "" if it is good */
	/* Lower-case hexadecimal: SHA-256 of the certificate, fingerprint of
	   the OpenPGP primary key. Key ID where there is no key. */
	const char *fpr;
	/* Whose key it is, as mime_addr.key: what the certificate or the
	   keystore (not the key's own user IDs alone) vouches for. */
	const char *const *addrs;
	size_t n_addrs;
	const char *name;   /* subject, or user ID */
	const char *issuer; /* S/MIME, with its serial number in hexadecimal */
	const char *serial;
	const char *alg; /* "RSA-3072 SHA-256" */
	int64_t made;	 /* Unix seconds as it says, 0 if it does not */
	bool partial;	 /* does not cover the whole message */
	/* For harvest; borrowed from the message or in the arena. The
	   certificate that signed; the one that the signer wants to be sealed
	   to (may be the same), empty if it said none; what it can
	   (CRYPTO_CAP_*). */
	struct span cert;
	struct span encrypt_cert;
	/* ... the certificates of CAs that came along and lead upwards from it,
	   in that order, without one that signs itself */
	struct span issuers[CRYPTO_SIG_ISSUERS];
	size_t n_issuers;
	struct span caps_der; /* S/MIME: as the signature has them; or empty */
	bool caps_known;
	unsigned caps;
};

enum {
	CRYPTO_VERDICT_LAYERS = 8, /* shells around the payload */
	CRYPTO_VERDICT_SIGS = 16,  /* signatures of one message */
	CRYPTO_VERDICT_NOTES = 16,
};

enum crypto_layer_kind {
	CRYPTO_LAYER_NONE = 0,
	CRYPTO_LAYER_ENCRYPTED,
	CRYPTO_LAYER_SIGNED,
	CRYPTO_LAYER_COMPRESSED,
};

/* Embedded in what works on a message: init, fill, bind, print. All it points
   to is in the arena given to init. */
struct crypto_verdict {
	struct arena *arena;

	/* The shells, the outermost first. */
	struct {
		enum crypto_layer_kind kind;
		enum crypto_form form;
	} layer[CRYPTO_VERDICT_LAYERS];
	size_t n_layers;

	enum crypto_sealed sealed;
	enum crypto_form sealed_form;
	const char *sealed_reason; /* why it stayed closed */
	const char *cipher;	   /* "aes256-gcm" */
	/* The key that opened it: fingerprint in lower-case hexadecimal, and
	   the address, or domain, it is kept for. */
	const char *opened_fpr;
	const char *opened_for;
	/* One of those that opened a shell or a piece is a domain's. */
	bool domain_key;
	/* Another key opened another shell or piece: none of them alone says
	   whom the message is for. */
	bool several_keys;

	/* Of all signatures together: see crypto_verdict_bind(). */
	enum crypto_signed signature;
	const char *signer; /* address that is in From, else the first known */
	struct crypto_signature sigs[CRYPTO_VERDICT_SIGS];
	size_t n_sigs;

	enum crypto_headers headers;
	/* Names of fields that stand outside with another value. */
	const char *const *differing;
	size_t n_differing;

	/* Inside of what is signed stands a verdict that somebody forged. */
	bool forged;

	const char *notes[CRYPTO_VERDICT_NOTES]; /* what else was seen */
	size_t n_notes;
};

void crypto_verdict_init(struct crypto_verdict *v, struct arena *a);

/* A shell, or one piece of several, was opened by that key. What could be
   changed on the way stays so whatever is wrapped around it: anybody can seal
   something anew. Strings must last as long as the arena. */
void crypto_verdict_opened(struct crypto_verdict *v, enum crypto_form form,
    bool authenticated, const char *cipher, const char *fpr, const char *addr,
    bool domain_key);

/* One more shell inside of those there are. ERR_LIMIT: there are
   CRYPTO_VERDICT_LAYERS. */
enum err crypto_verdict_add_layer(struct crypto_verdict *v,
    enum crypto_layer_kind kind, enum crypto_form form) MUST_CHECK;
/* A zeroed signature of the form, to be filled in: its status is BAD until
   somebody says otherwise. Lives in the verdict. ERR_LIMIT. */
enum err crypto_verdict_add_signature(struct crypto_verdict *v,
    enum crypto_form form, struct crypto_signature **out) MUST_CHECK;
/* A phrase about the message; what does not fit is dropped. The text is
   escaped: what strangers wrote may be in it. */
void crypto_verdict_note(struct crypto_verdict *v, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

/* Decide signature and signer. from: the addresses in the From field that the
   reader will see, as mime_addr.key. All signatures or none: the least of them
   counts. GOOD takes that From has exactly one address and that one signer's
   key is for it; else it is OTHER. A partial one is PARTIAL at best, and takes
   nothing from those that cover all. May be called again, with another From.
 */
void crypto_verdict_bind(
    struct crypto_verdict *v, const char *const *from, size_t n_from);

/* The words above; "none" for anything else. */
const char *crypto_sealed_word(enum crypto_sealed s);
const char *crypto_signed_word(enum crypto_signed s);
const char *crypto_headers_word(enum crypto_headers h);
const char *crypto_form_word(enum crypto_form f); /* "smime", "openpgp" */
/* The result of RFC 8601 that a signature has: "none", "pass", "fail",
   "policy" (good, by somebody else or in part), "neutral". */
const char *crypto_signed_result(enum crypto_signed s);

/* The value of the field: "encrypted, signed-good; form=smime; signer=a@b;
   fingerprint=...; protected-headers=signed", one line without CRLF, printable
   ASCII, appended to out. ERR_TOO_BIG, ERR_NOMEM. */
enum err crypto_verdict_text(
    const struct crypto_verdict *v, struct buf *out) MUST_CHECK;
/* One object of JSON with everything above, no line end. ERR_TOO_BIG,
   ERR_NOMEM. */
enum err crypto_verdict_json(
    const struct crypto_verdict *v, struct buf *out) MUST_CHECK;

#endif
