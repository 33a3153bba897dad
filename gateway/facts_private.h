/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of facts.h share: conditions made ready.
 */
#ifndef GATEWAY_FACTS_PRIVATE_H
#define GATEWAY_FACTS_PRIVATE_H

#include "common/buf.h"
#include "gateway/conf.h"
#include "gateway/facts.h"

struct detector;
struct mime_part;
struct regex;
struct words;

struct matcher {
	enum policy_kind kind;
	const char *text;  /* behind "user:", "Name:"; else all of it */
	size_t phrase_len; /* of a text of words */
	/* client */
	bool is_user;
	struct conf_net net;
	/* time */
	unsigned days; /* bits, Sunday is 1 */
	unsigned from_min, to_min;
	/* header */
	size_t header; /* place in header[] */
	bool any;      /* it is enough that it is there */
	/* size; content: how often */
	uint64_t number;
	/* attachment */
	bool is_type;
	/* header, content: one of these, or its words are in a set */
	struct regex *regex;
	const struct detector *detector;
};

/* A header field that conditions name, and the phrases they look for in it. */
struct facts_header {
	char *name;
	struct words *words;
	size_t *regex; /* matchers with a regex, or for any value */
	size_t n_regex;
};

struct facts_matchers {
	struct matcher *list; /* for each of policy_conditions() */
	size_t n;
	struct facts_header *header;
	size_t n_headers;
	struct words *content; /* phrases of all content conditions */
	size_t *slow;	       /* content conditions that are no phrases */
	size_t n_slow;
	bool has[POLICY_KINDS];
};

/* What is being found out. */
struct facts {
	const struct facts_matchers *m;
	const struct facts_in *in;
	struct arena *arena;
	enum policy_truth *truth;
	enum err err;
};

/* Free what is in it. */
void facts_matcher_clear(struct matcher *m);
/* Has a decoded value encoded words that are in no known charset, or octets
   that are not of theirs? */
bool facts_is_unread(struct span text);
/* --- facts_parse.c: the text of a condition. Phrases stay in text. */
enum err facts_parse(const struct policy_condition *c, struct matcher *out,
    char **header, struct err_why *why) MUST_CHECK;

/* --- facts_parts.c */

/* A message in a message: it has parts of its own and is one itself. */
bool facts_is_message(const struct mime_part *p);
/* Call one for each leaf and each attached message. Depth is limited by the
   parser. */
void facts_each_part(struct facts *f, const struct mime_part *p,
    void (*one)(struct facts *, const struct mime_part *, void *), void *arg);
/* Names are compared without case, types too. NULL fits nothing. */
bool facts_fits(const char *pattern, const char *text);
void facts_find_attachments(struct facts *f);
void facts_find_content(struct facts *f);
void facts_find_calendar(struct facts *f);

#endif
