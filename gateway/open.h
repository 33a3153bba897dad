/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A message from outside as its reader gets it: taken out of its cryptographic
 * envelope if the whole of it is one (RFC 9787 section 4), verified, its
 * signer compared with From, the header that was protected put back (RFC 9788),
 * and one verdict in front of it. For the opener and for `sealgate open`: knows
 * nothing of processes, entries or recipients.
 */
#ifndef GATEWAY_OPEN_H
#define GATEWAY_OPEN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/memfd.h"
#include "crypto/verdict.h"
#include "mime/header.h"
#include "mime/sink.h"

struct arena;
struct mime_payload;
struct mime_tree;

/* How the verdict is written. */
struct open_form {
	const char *authserv_id; /* lower-case A-labels */
	bool subject_tags;
	bool attach_original; /* behind what was opened */
	bool by_portal;	      /* an answer to mail that was picked up */
};

/* What came off: an entity in a sealed memfd, which the caller closes, or, with
   -1, octets of what was given. */
struct open_layer {
	int fd;
	struct span entity;
};

/* Who takes layers off. Says in the verdict what it learned. ERR_OK: go on with
   out; ERR_NOT_FOUND: no layer comes off any more. Other errors are ours. */
struct open_engine {
	enum err (*peel)(void *arg, const struct mime_tree *t,
	    struct crypto_verdict *v, struct open_layer *out,
	    struct err_why *why);
	void *arg;
};

enum { OPEN_MAPS = CRYPTO_VERDICT_LAYERS + 1 };

struct open {
	struct arena *arena;
	struct open_form form;
	struct span raw; /* as received */
	struct crypto_verdict verdict;
	const struct mime_tree *tree; /* of raw */
	struct mime_header outer;     /* of raw */
	/* What is delivered instead of raw's body: the entity inside of the
	   last encryption, header included. Empty: raw itself. */
	struct span entity;
	const struct mime_tree *payload; /* of entity; NULL: a signature, or
					    nothing, is around it */
	/* The payload's fields, if they are protected; see has_fields. */
	struct mime_header inner;
	bool has_fields; /* the payload has protected fields (hp, RFC 9788) */
	bool use_fields; /* they are what the reader sees */
	bool use_from;	 /* From among them */
	/* To and Cc as protected, canonical; nobody unless has_fields. */
	const char **shown;
	size_t n_shown;
	/* The one address of From that the reader sees; NULL if it is not one
	   for sure. */
	const char *author;
	const char *ambiguous; /* why two parsers would disagree; NULL if not */
	struct memfd_map map[OPEN_MAPS]; /* of entities */
	size_t n_maps;
};

/* Read the message, which LIMIT_MESSAGE_PADDING zero octets follow and which
   must stay. smtputf8: it came so. Errors are ours, not the message's: what is
   wrong with that stands in the verdict. Clear it whatever is returned. */
enum err open_read(struct open *o, const struct open_form *form,
    const struct open_engine *engine, struct span raw, bool smtputf8,
    struct arena *a, struct err_why *why) MUST_CHECK;
void open_clear(struct open *o);

/* Was it taken out of an envelope: is what open_write() writes another message
   than the one received? */
bool open_is_opened(const struct open *o);
/* Does its protected header name this canonical address in To or Cc? */
bool open_shows(const struct open *o, const char *key);

/* Write the message for readers who may have it opened: trace, whole fields,
   in front, then the verdict, then the rest. */
enum err open_write(
    struct open *o, struct span trace, const struct mime_sink *to) MUST_CHECK;
/* The message as received, with the verdict of its opening in front: for an
   archive. */
enum err open_write_original(
    struct open *o, struct span trace, const struct mime_sink *to) MUST_CHECK;
/* The same for readers who may not: as received, and reason is what the
   verdict says. */
enum err open_write_closed(struct open *o, const char *reason,
    struct span trace, const struct mime_sink *to) MUST_CHECK;

#endif
