/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The index of mail that arrived encrypted, as openers note it: keyed digests
 * that say nothing to store. What came together is written together, and
 * answered when it is durable.
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "gateway/store/store_keys_private.h"
#include "gateway/store/store_private.h"
#include "keystore/reply.h"

enum {
	NOTES_MAX = 256, /* digests of one message */
	SWEEP = 64,	 /* old ones looked at with each batch */
};

struct store_note {
	struct store_note *next;
	struct store_peer *from; /* NULL once it is gone */
	uint64_t id;
	size_t n;
	uint8_t digest[][KS_REPLY_ID];
};

static void
answer(const struct store_note *t, enum err result)
{
	struct packer p;
	struct buf b;

	if (t->from == NULL)
		return;
	buf_init(&b, 16);
	pack_begin(&p, &b);
	pack_u32(&p, (uint32_t)result);
	if (pack_end(&p) == ERR_OK)
		(void)!ipc_post(t->from->ch, PROTO_REPLY_NOTED, t->id,
		    buf_span(&b), NULL, 0);
	buf_clear(&b);
}

void
store_replies_note(struct store *s, struct store_peer *from, struct ipc_msg *m)
{
	size_t n = m->payload.len / KS_REPLY_ID;
	struct store_note *t =
	    calloc(1, sizeof(*t) + (n + 1) * sizeof(t->digest[0]));
	struct store_note **last = &s->notes;

	if (t == NULL)
		fatal("out of memory");
	t->from = from;
	t->id = m->id;
	if (n == 0 || n > NOTES_MAX || m->payload.len % KS_REPLY_ID != 0) {
		answer(t, ERR_IPC);
		free(t);
		return;
	}
	t->n = n;
	memcpy(t->digest, m->payload.data, m->payload.len);
	while (*last != NULL)
		last = &(*last)->next;
	*last = t;
}

void
store_replies_peer_gone(struct store *s, const struct store_peer *peer)
{
	for (struct store_note *t = s->notes; t != NULL; t = t->next)
		if (t->from == peer)
			t->from = NULL;
}

static enum err
put_all(struct store *s, struct ks_store *ks, int64_t now_s)
{
	enum err e = ks_begin(ks);

	if (e != ERR_OK)
		return e;
	for (struct store_note *t = s->notes; e == ERR_OK && t != NULL;
	     t = t->next)
		for (size_t i = 0; e == ERR_OK && i < t->n; i++)
			e = ks_reply_add(ks, t->digest[i], now_s);
	if (e == ERR_OK)
		e = ks_reply_sweep(ks, &s->notes_swept, SWEEP, now_s);
	if (e == ERR_OK)
		return ks_commit(ks);
	ks_rollback(ks);
	return e;
}

void
store_replies_drop(struct store *s, enum err result)
{
	struct store_note *t;

	while ((t = s->notes) != NULL) {
		s->notes = t->next;
		answer(t, result);
		free(t);
	}
}

enum err
store_replies_write(struct store *s, struct ks_store *ks)
{
	enum err e;

	if (s->notes == NULL)
		return ERR_OK;
	e = put_all(s, ks, (int64_t)(clock_unix_ms() / 1000));
	/* another program writes: a moment later */
	if (e == ERR_BUSY)
		return e;
	if (e != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "reply-index", KV_ERR(e));
	store_replies_drop(s, e);
	return ERR_OK;
}
