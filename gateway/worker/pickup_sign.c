/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A notice is signed where the sender's S/MIME key is here and its client may
 * sign with it: the recipient's program then says that the mail is the
 * sender's, whatever the rules say of the message. The notice does not depend
 * on it.
 */
#include <string.h>

#include "gateway/variant.h"
#include "gateway/worker/worker_private.h"
#include "mime/scan.h"
#include "mime/tree.h"

/* The notice is from the address on the envelope; a signature of another one
   would look like a forgery. */
static const struct ks_record *
signer_of(const struct job *j)
{
	const struct signer *s = &j->facts.signer;

	if (s->err != ERR_OK || s->why != NULL || s->addr == NULL ||
	    strcmp(s->addr, j->facts.from_key) != 0)
		return NULL;
	return s->smime.record;
}

enum err
pickup_sign(struct job *j, struct span notice, const struct mime_sink *to)
{
	const struct variant_engines engines = job_engines(j);
	struct variant v = {.rung = RUNG_CLEAR,
	    .raw = notice,
	    .signer = signer_of(j),
	    .now_s = j->facts.now_s};
	struct mime_tree *tree;
	struct mime_scan scan;
	enum err e;

	if (v.signer == NULL)
		return ERR_NOT_FOUND;
	e = mime_scan(notice, &scan, NULL);
	if (e == ERR_OK)
		e = mime_tree_parse(
		    notice, &scan, j->envelope.smtputf8, j->arena, &tree, NULL);
	if (e == ERR_OK)
		e = signer_chain(j->w->keys, j->w->certs, v.signer, j->arena,
		    &v.chain, &v.n_chain);
	if (e != ERR_OK)
		return e;
	v.tree = tree;
	return variant_write(&v, &engines, j->arena, to, NULL);
}
