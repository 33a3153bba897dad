/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The conditions of rules beside addresses and tags: what their texts mean,
 * and what is true of a message. policy/ keeps and combines them.
 */
#ifndef GATEWAY_FACTS_H
#define GATEWAY_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "policy/policy.h"

struct arena;
struct conf;
struct facts_matchers;
struct message;

/* What may be said in a rule, by its kind: client "10.0.0.0/8" or "user:NAME";
   time "mon-fri 08:00-18:00"; header "Name", "Name: words", "Name: /regex/i";
   sensitivity and classification a value, or "*"; size octets; attachment a
   pattern of names, or a type as "image/" and an asterisk; content "words",
   "/regex/i", "@cards", each with " >= NUMBER" behind it; the others "true".
   ERR_CONFIG with what was expected. */
enum err facts_check(
    enum policy_kind kind, const char *text, struct err_why *why) MUST_CHECK;

/* Make everything ready that the conditions of the policy need. Borrows from
   the policy; the caller frees. ERR_CONFIG, ERR_NOMEM. */
enum err facts_matchers_new(const struct policy *p, struct facts_matchers **out,
    struct err_why *why) MUST_CHECK;
void facts_matchers_free(struct facts_matchers *m);

/* Takes the text out of a document, appended to out. Any error: it cannot be
   read in full. */
enum facts_document {
	FACTS_PDF,
	FACTS_OFFICE,
};
struct facts_extract {
	bool pdf, office; /* that rules look into */
	/* NULL: nobody is there to do it */
	enum err (*text)(void *arg, enum facts_document kind,
	    struct span document, struct buf *out);
	void *arg;
};

struct facts_in {
	const struct message *message; /* NULL: only the envelope is known */
	const char *client;	       /* address; "" is not known */
	const char *user;	       /* who signed in; "" is nobody */
	int64_t now_s;
	enum policy_truth answers_sealed;
	struct facts_extract extract;
};

/* The truth of each of policy_conditions(), in the arena. Without a message
   its conditions do not hold. ERR_NOMEM. */
enum err facts_find(const struct facts_matchers *m, const struct facts_in *in,
    struct arena *arena, const enum policy_truth **out) MUST_CHECK;

#endif
