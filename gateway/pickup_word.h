/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the sender of mail for pick-up says by answering the mail that told of
 * it: the address that such an answer goes to, and the word in it. Whose the
 * address is its keyed digest says, which keys makes; what is done is store's.
 */
#ifndef GATEWAY_PICKUP_WORD_H
#define GATEWAY_PICKUP_WORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/digest.h"
#include "common/err.h"

struct conf;

/* NONE: nothing that is understood, or several things: who wrote it is told
   what can be said. */
enum pickup_word {
	PICKUP_WORD_NONE = 0,
	PICKUP_WORD_RECALL,
	PICKUP_WORD_EXTEND,
	PICKUP_WORD_REPORT,
	PICKUP_WORDS
};

/* "recall"; "?" for NONE. */
const char *pickup_word_name(enum pickup_word w);
/* The word in a language of the notices ("de"), NULL if there is none. */
const char *pickup_word_in(enum pickup_word w, const char *language);

/* Append what can be said by answering: the words, also in the languages of the
   notices, and what each does; and the same with how it is said. */
enum err pickup_word_list(const struct conf *conf, struct buf *out) MUST_CHECK;
enum err pickup_word_help(const struct conf *conf, struct buf *out) MUST_CHECK;

enum { PICKUP_WORD_MAC = 16 }; /* octets of the keyed digest */

/* Is this canonical address one that such answers go to? */
bool pickup_reply_is(const struct conf *conf, const char *key);
/* The same, and what is in it. */
bool pickup_reply_read(const struct conf *conf, const char *key,
    uint64_t *message_id, uint8_t mac[PICKUP_WORD_MAC]);
/* What is keyed: the message and its sender, canonical. */
void pickup_reply_digest(
    uint64_t message_id, const char *from_key, uint8_t out[DIGEST_SIZE]);
/* The address, in the arena; NULL: no memory. */
const char *pickup_reply_address(const struct conf *conf, uint64_t message_id,
    const uint8_t mac[PICKUP_WORD_MAC], struct arena *a);

struct pickup_order {
	enum pickup_word word;
	const char **only; /* canonical; none: every recipient */
	uint32_t n_only;
};

/* Read an answer: UTF-8, lines that end in LF. Its first line that says
   anything is the word, and what else is said there are addresses; quoted text
   and signatures say nothing. In the arena. ERR_NOMEM. */
enum err pickup_order_read(
    struct span text, struct arena *a, struct pickup_order *out) MUST_CHECK;
/* The same of HTML, of which the first line is what a reader sees there. */
enum err pickup_order_read_html(
    struct span html, struct arena *a, struct pickup_order *out) MUST_CHECK;

#endif
