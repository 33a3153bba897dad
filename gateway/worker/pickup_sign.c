/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A notice is signed where a key of the sender's is here, S/MIME or OpenPGP,
 * and its client may sign with it: the recipient's program then says that the
 * mail is the sender's, whatever the rules say of the message. The notice does
 * not depend on it.
 */
#include <string.h>

#include "gateway/variant.h"
#include "gateway/worker/worker_private.h"
#include "keystore/record.h"
#include "mime/scan.h"
#include "mime/tree.h"

/* The notice is from the address on the envelope; a signature of another one
   would look like a forgery, unless a rule says that the domain's stands for
   its people. More software verifies S/MIME. */
static const struct ks_record *
signer_of(const struct job *j, const struct job_rcpt *rcpt)
{
	const struct signer *s = &j->facts.signer;
	const struct ks_record *own;

	if (s->err != ERR_OK || s->why != NULL || s->addr == NULL ||
	    strcmp(s->addr, j->facts.from_key) != 0)
		return NULL;
	own = s->smime.record != NULL ? s->smime.record : s->pgp.record;
	if (own != NULL || !rcpt->d.rules.form.sign_as_domain)
		return own;
	return s->domain_smime.record != NULL ? s->domain_smime.record
					      : s->domain_pgp.record;
}

enum err
pickup_sign(struct job *j, const struct job_rcpt *rcpt, struct span notice,
    const struct mime_sink *to)
{
	const struct variant_engines engines = job_engines(j);
	struct variant v = {.rung = RUNG_CLEAR,
	    .raw = notice,
	    .signer = signer_of(j, rcpt),
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
	if (e == ERR_OK && v.signer->kind == KS_SMIME)
		e = signer_chain(j->w->keys, j->w->certs, v.signer, j->arena,
		    &v.chain, &v.n_chain);
	if (e != ERR_OK)
		return e;
	v.tree = tree;
	return variant_write(&v, &engines, j->arena, to, NULL);
}
