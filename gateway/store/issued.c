/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the process issuer has made, into the keystore: a certificate with its
 * private key and the row that can revoke it, or a list of those revoked. Each
 * is one commit. What is more than a user's certificate is refused: no anchor
 * and no key of anybody else comes in this way.
 */
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "gateway/proto.h"
#include "gateway/store/store_keys_private.h"
#include "gateway/store/store_private.h"
#include "keystore/history.h"
#include "keystore/own.h"
#include "keystore/private.h"

enum { ARENA = 32 << 20 };

static void
reply(struct store_peer *p, uint64_t id, enum err result)
{
	struct buf b;

	if (result != ERR_OK && result != ERR_BUSY)
		log_event(LOG_LVL_ERR, NULL, "issued", KV_ERR(result));
	buf_init(&b, LIMIT_IPC_INLINE);
	if (proto_failure_pack(
		result, result == ERR_OK ? "" : err_text(result), &b) == ERR_OK)
		(void)!ipc_post(
		    p->ch, PROTO_CA_KEPT, id, buf_span(&b), NULL, 0);
	buf_clear(&b);
}

static enum err
is_ours(void *ctx, const struct ks_record *r)
{
	bool *ours = ctx;

	if (r->kind == KS_SMIME && r->source == KS_SOURCE_CA &&
	    r->trust >= KS_TRUSTED && r->flaw == KS_FLAW_NONE &&
	    (r->good_for & KS_GOOD_ISSUE) == 0)
		*ours = true;
	return ERR_OK;
}

/* For a whole domain only an administrator asks: by itself a certificate of
   ours that is there is renewed. */
static enum err
check_domain(struct ks_store *ks, const struct ks_record *r)
{
	bool ours = r->domain.len == 0;
	enum err e = ours
			 ? ERR_OK
			 : ks_find(ks, KS_BY_DOMAIN, r->domain, is_ours, &ours);

	return e == ERR_OK && !ours ? ERR_PERMISSION : e;
}

/* ERR_PERMISSION: it is not what a CA of ours gives its users. */
static enum err
check(struct ks_store *ks, const struct proto_ca_keep *m,
    const struct ks_record *r, struct arena *arena)
{
	struct ks_ca *ca;
	enum err e;

	if (r->kind != KS_SMIME || r->source != KS_SOURCE_CA ||
	    r->trust != KS_TRUSTED || (r->good_for & KS_GOOD_ISSUE) != 0 ||
	    r->n_addrs != 1)
		return ERR_PERMISSION;
	e = check_domain(ks, r);
	if (e != ERR_OK)
		return e;
	e = ks_private_has(ks, r->fpr);
	if (e != ERR_NOT_FOUND)
		return e == ERR_OK ? ERR_EXISTS : e;
	e = ks_ca_get(ks, m->ca, arena, &ca);
	return e == ERR_NOT_FOUND ? ERR_PERMISSION : e;
}

static enum err
write_cert(struct ks_store *ks, const struct proto_ca_keep *m,
    const struct ks_record *r)
{
	const struct ks_issued row = {.ca = m->ca,
	    .serial = r->serial,
	    .fpr = r->fpr,
	    .not_after = r->not_after,
	    .automatic = m->automatic};
	const struct ks_event event = {.what = KS_EVENT_ADDED,
	    .at = (int64_t)(clock_unix_ms() / 1000),
	    .who = SPAN_LIT("issuer")};
	enum err e = ks_put(ks, r);

	if (e == ERR_OK)
		e = ks_private_put_octets(ks, r->fpr, m->private);
	if (e == ERR_OK)
		e = ks_issued_put(ks, &row);
	return e == ERR_OK ? ks_history_of(ks, &event, r) : e;
}

/* Nothing of it stays unless all of it does. */
static enum err
end(struct ks_store *ks, enum err e)
{
	if (e == ERR_OK)
		return ks_commit(ks);
	ks_rollback(ks);
	return e;
}

static enum err
keep(struct ks_store *ks, const struct ipc_msg *m, struct arena *arena)
{
	struct proto_ca_keep in;
	struct ks_room room;
	struct ks_record r;
	enum err e = proto_ca_keep_unpack(m->payload, &in);

	if (e == ERR_OK)
		e = ks_record_decode(in.record, &room, &r);
	if (e != ERR_OK)
		return ERR_MALFORMED;
	e = ks_begin(ks);
	if (e != ERR_OK)
		return e;
	e = check(ks, &in, &r, arena);
	return end(ks, e == ERR_OK ? write_cert(ks, &in, &r) : e);
}

static enum err
keep_list(struct ks_store *ks, const struct ipc_msg *m, struct arena *arena)
{
	struct proto_ca_list in;
	struct ks_ca *old, next;
	enum err e = proto_ca_list_unpack(m->payload, &in);

	if (e != ERR_OK)
		return ERR_MALFORMED;
	e = ks_begin(ks);
	if (e != ERR_OK)
		return e;
	e = ks_ca_get(ks, in.ca, arena, &old);
	/* revoked in between: that list is newer than what this one knows */
	if (e == ERR_OK && in.number != old->crl_number + 1)
		e = ERR_EXISTS;
	if (e == ERR_OK) {
		next = *old;
		next.crl_number = in.number;
		next.this_update = in.this_update;
		next.next_update = in.next_update;
		next.crl = in.crl;
		e = ks_ca_put(ks, &next);
	}
	return end(ks, e);
}

void
store_issued(struct store *s, struct store_peer *from, struct ipc_msg *m)
{
	struct ks_store *ks = store_keys_db(s);
	struct arena *arena = arena_new(ARENA);
	enum err e = ERR_DB;

	if (arena == NULL)
		e = ERR_NOMEM;
	else if (ks != NULL)
		e = m->type == PROTO_CA_KEEP ? keep(ks, m, arena)
					     : keep_list(ks, m, arena);
	reply(from, m->id, e);
	arena_free(arena);
	/* the audit log hears of it */
	store_round(s);
}
