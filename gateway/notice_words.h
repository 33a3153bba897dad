/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the notice of mail for pick-up says, in the languages of the page.
 */
#ifndef GATEWAY_NOTICE_WORDS_H
#define GATEWAY_NOTICE_WORDS_H

#include "common/buf.h"
#include "common/err.h"

/* Texts in UTF-8, lines in LF. A word in braces is a value. */
struct notice_words {
	const char *language; /* "en" */
	const char *subject;
	const char *intro;	/* who, and the link */
	const char *passphrase; /* what else is needed, or whom to keep out */
	const char *question;
	const char *account;
	const char *code;
	const char *alone;
	const char *until;
	const char *check; /* how to tell that it is genuine */
	/* in the place of intro, until and check where the message comes with
	   the notice */
	const char *attached;
	const char *attached_check;
	const char *signature;
};

struct notice_values {
	const char *from;
	struct span link; /* with what is behind "#" */
	const char *until;
	const char *url;
	const char *owner; /* whose gateway it is */
};

/* The texts of a language, NULL if there are none. Static. */
const struct notice_words *notice_words_find(const char *language);
/* The languages there are, by number; NULL behind the last. */
const struct notice_words *notice_words_at(size_t i);
/* Append a text with its values filled in. ERR_USAGE for a word in braces that
   is none of them. */
enum err notice_words_put(struct buf *out, const char *text,
    const struct notice_values *values) MUST_CHECK;

#endif
