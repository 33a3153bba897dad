/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a message says that rules and variants look at: parsed once, for the
 * worker that decides it and for `sealgate explain`.
 */
#ifndef GATEWAY_MESSAGE_H
#define GATEWAY_MESSAGE_H

#include <stdbool.h>

#include "common/buf.h"
#include "crypto/cms_form.h"
#include "crypto/cms_kind.h"
#include "crypto/openpgp_kind.h"
#include "mime/scan.h"
#include "mime/write.h"

struct arena;
struct mime_tree;
struct policy;
struct policy_decision;
struct secret;

/* That somebody has sealed all of the message, by its structure. */
struct message_sealed {
	enum message_sealed_kind {
		MESSAGE_SEALED_NOT = 0,
		MESSAGE_SEALED_CMS,
		MESSAGE_SEALED_PGP,
	} kind;
	const char *flaw; /* why it counts for nobody; NULL: none */
	/* CMS */
	enum crypto_cms_cipher cipher;
	const struct crypto_cms_rid *rid;
	size_t n_rids;
	/* OpenPGP: of subkeys, as a rule */
	const uint8_t (*key_id)[CRYPTO_PGP_KEY_ID];
	size_t n_key_ids;
};

/* What the sender chose for mail that is picked up: header fields, or a tag of
   the subject. All of it goes from every variant. */
struct message_factor {
	struct secret *passphrase; /* spelled; NULL: none */
	struct secret *answer;	   /* spelled; NULL: none */
	const char *question;	   /* with an answer */
	/* word of the subject tag that brought the passphrase; NULL: a field */
	const char *tag;
	const char *flaw; /* why it is refused; NULL: it is not */
};

struct message {
	struct span raw; /* LIMIT_MESSAGE_PADDING zero octets stand behind it */
	struct mime_scan scan;
	struct mime_tree *tree;
	bool *has_tag;		   /* for each of policy_tags() */
	bool ambiguous;		   /* two parsers would disagree about it */
	const char *ambiguous_why; /* NULL when not */
	const char *author; /* canonical address of From; NULL: not one */
	bool is_signed;	    /* by the sender's own software, whole */
	struct message_sealed sealed; /* by it, too */
	bool automatic;	    /* Auto-Submitted or an MDN: never escrowed */
	struct buf subject; /* the Subject field without tags; empty: keep */
	struct message_factor factor;
	/* To and Cc, canonical: whoever is not here is a hidden recipient. Not
	   known when a field does not parse: then everybody is hidden. */
	const char **shown;
	size_t n_shown;
	bool shown_known;
};

/* Parse raw, which must stay as it is while the message is used. Errors of
   mime_scan() (ERR_LINE_END, ERR_LIMIT, ERR_LOOP), ERR_NOMEM. Nothing to
   clear on failure. */
enum err message_parse(const struct policy *policy, struct span raw,
    bool smtputf8, struct arena *arena, struct message *out,
    struct err_why *why) MUST_CHECK;
void message_clear(struct message *m);

/* What is changed in every variant: the trace field goes first, tags go.
   Borrowed from both. */
struct mime_edit message_edit(const struct message *m, const char *trace);
/* What the rules change beside: labels, and what anonymises. The trace of the
   edit is one Received field. In the arena. ERR_NOMEM. */
enum err message_edit_by(const struct message *m,
    const struct policy_decision *d, struct arena *arena,
    struct mime_edit *edit) MUST_CHECK;

/* Do To or Cc name this canonical address? */
bool message_shows(const struct message *m, const char *key);
/* The decoded value of a field for showing to a person, or "". In the arena. */
const char *message_field(
    const struct message *m, const char *name, struct arena *arena);

#endif
