/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The body of a part read in one transfer encoding and written in another
 * (RFC 2045 section 6), in pieces: bodies may be as large as a message.
 * Internal to mime/.
 */
#ifndef MIME_RECODE_H
#define MIME_RECODE_H

#include "mime/sink.h"

enum recode_form {
	RECODE_PLAIN, /* 7bit, 8bit, binary: the octets themselves */
	RECODE_QP,
	RECODE_BASE64,
};

/* The form of a Content-Transfer-Encoding. ERR_UNSUPPORTED. */
enum err recode_form_of(const char *encoding, enum recode_form *out) MUST_CHECK;

struct recode {
	struct span in;
	enum recode_form from, to;
	size_t insert_at; /* among the octets, without encoding */
	struct span insert;
	size_t skip; /* octets from there on that are left out */
};

/* Write the octets that s encodes. ERR_MALFORMED for base64 that is none; of
   quoted-printable, what is malformed stands for itself. */
enum err recode_decode(enum recode_form from, struct span s,
    const struct mime_sink *to) MUST_CHECK;
/* Write the body in its new form. Quoted-printable and base64 have lines of
   at most 76 octets, no blank at a line's end, no line that begins with "From "
   or could be taken for a boundary; decoded again they are the same octets. */
enum err recode_write(
    const struct recode *r, const struct mime_sink *to) MUST_CHECK;

/* The same encoding a piece at a time, of octets that are never there as a
   whole. The sink is borrowed until free; NULL is fine there. */
struct recode_encoder;
struct recode_encoder *recode_encoder_new(
    enum recode_form form, const struct mime_sink *to);
void recode_encoder_free(struct recode_encoder *x);
enum err recode_encoder_put(struct recode_encoder *x, struct span s) MUST_CHECK;
/* No more octets; nothing but free may follow. */
enum err recode_encoder_finish(struct recode_encoder *x) MUST_CHECK;

#endif
