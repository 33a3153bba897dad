/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Answers to mail that arrived encrypted: an opener notes what it opened, a
 * worker looks up what a message answers. The key of the digests is keys'.
 */
#include <string.h>

#include "gateway/reply.h"
#include "gateway/worker/worker_private.h"
#include "keystore/reply.h"
#include "mime/tree.h"

/* The keyed digests of all ids, one after another. */
static enum err
key_ids(struct worker *w, const struct reply_ids *ids, struct buf *out)
{
	struct ipc_msg m;
	enum err e = peers_ask_keys(w, PROTO_REPLY_MAC, 0,
	    SPAN(ids->digest, ids->n * DIGEST_SIZE), PROTO_REPLY_MAC_IS, &m);

	if (e != ERR_OK)
		return e;
	e = m.payload.len == ids->n * KS_REPLY_ID ? buf_put(out, m.payload)
						  : ERR_IPC;
	ipc_msg_clear(&m);
	return e;
}

enum err
job_find_answered(struct job *j)
{
	const struct mime_header *h = mime_tree_header(j->msg.tree);
	struct reply_ids ids = {.n = 0};
	struct buf keyed;
	enum err e;

	reply_ids_add(&ids, h, "References");
	reply_ids_add(&ids, h, "In-Reply-To");
	if (ids.n == 0 || (!j->conf->opening.protect_replies &&
			      !policy_has_kind(j->conf->policy, POLICY_REPLY)))
		return ERR_OK;
	buf_init(&keyed, sizeof(ids.digest));
	e = key_ids(j->w, &ids, &keyed);
	for (size_t i = 0; e == ERR_OK && i < ids.n; i++) {
		e = ks_reply_has(j->w->keys, keyed.data + i * KS_REPLY_ID);
		if (e == ERR_OK)
			j->facts.answers_sealed = true;
		if (e == ERR_NOT_FOUND)
			e = ERR_OK;
	}
	buf_clear(&keyed);
	if (j->facts.answers_sealed && j->conf->opening.protect_replies &&
	    j->facts.min_strength < POLICY_STRENGTH_LINK)
		j->facts.min_strength = POLICY_STRENGTH_LINK;
	return e;
}

enum err
job_note_opened(struct job *j, const struct mime_header *outer,
    const struct mime_header *inner)
{
	struct reply_ids ids = {.n = 0};
	struct buf keyed;
	enum err e;

	reply_ids_add(&ids, outer, "Message-ID");
	if (inner != NULL)
		reply_ids_add(&ids, inner, "Message-ID");
	if (ids.n == 0)
		return ERR_OK;
	buf_init(&keyed, sizeof(ids.digest));
	e = key_ids(j->w, &ids, &keyed);
	if (e == ERR_OK)
		e = peers_note_replies(j->w, buf_span(&keyed));
	buf_clear(&keyed);
	return e;
}
