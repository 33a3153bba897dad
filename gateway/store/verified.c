/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the listener remembers of recipients, kept for its next start as it
 * came: one value, replaced as a whole.
 */
#include "common/limits.h"
#include "common/log.h"
#include "gateway/store/store_keys_private.h"
#include "gateway/store/store_private.h"

static const struct span key = {(const uint8_t *)"verified", 8};

enum err
store_apply_verified(struct store *s, struct db_txn *txn, struct store_op *op)
{
	(void)s;
	if (op->payload.len == 0 || op->payload.len > LIMIT_VERIFIED_OCTETS)
		return ERR_IPC;
	return db_put(txn, STORE_STATE, key, op->payload);
}

void
store_tell_verified(struct store *s, struct store_peer *listener)
{
	struct db_txn *txn = NULL;
	struct span v;
	enum err e = db_read(s->db, &txn);

	if (e != ERR_OK)
		return;
	e = db_get(txn, STORE_STATE, key, &v);
	if (e == ERR_OK)
		e = ipc_post(listener->ch, PROTO_VERIFIED, 0, v, NULL, 0);
	if (e != ERR_OK && e != ERR_NOT_FOUND)
		log_event(LOG_LVL_WARN, NULL, "verified", KV_ERR(e));
	db_end(txn);
}
