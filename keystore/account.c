/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Accounts as rows. docs/format-keystore.md.
 */
#include "keystore/account.h"

#include "common/pack.h"
#include "keystore/store_private.h"

enum { ACCOUNT_VERSION = 1, ACCOUNT_MAX = 256 };

enum err
ks_account_put(struct ks_store *s, struct span addr, const struct ks_account *a)
{
	struct buf octets;
	struct packer p;
	enum err e;

	if (addr.len == 0 || addr.len > KS_ADDR_MAX ||
	    ks_addr_domain(addr).len == 0)
		return ERR_MALFORMED;
	buf_init(&octets, ACCOUNT_MAX);
	pack_begin(&p, &octets);
	pack_u8(&p, ACCOUNT_VERSION);
	pack_u64(&p, (uint64_t)a->at);
	pack_u32(&p, a->resets);
	pickup_account_pack(&p, &a->key);
	e = pack_end(&p);
	if (e == ERR_OK)
		e = s->ops->row_put(s, KS_ROW_ACCOUNT, addr, buf_span(&octets));
	buf_clear(&octets);
	return e;
}

static enum err
decode(void *ctx, struct span key, struct span octets)
{
	struct ks_account a, *out = ctx;
	struct unpacker u;
	uint8_t version;

	(void)key;
	unpack_begin(&u, octets);
	version = unpack_u8(&u);
	a.at = (int64_t)unpack_u64(&u);
	a.resets = unpack_u32(&u);
	pickup_account_unpack(&u, &a.key);
	if (unpack_end(&u) != ERR_OK || version != ACCOUNT_VERSION)
		return ERR_DB_BROKEN;
	*out = a;
	return ERR_OK;
}

enum err
ks_account_get(struct ks_store *s, struct span addr, struct ks_account *out)
{
	if (addr.len == 0 || addr.len > KS_ADDR_MAX)
		return ERR_NOT_FOUND;
	return s->ops->row_get(s, KS_ROW_ACCOUNT, addr, decode, out);
}

enum err
ks_account_del(struct ks_store *s, struct span addr)
{
	if (addr.len == 0 || addr.len > KS_ADDR_MAX)
		return ERR_NOT_FOUND;
	return s->ops->row_del(s, KS_ROW_ACCOUNT, addr);
}

struct walk {
	ks_account_visit *visit;
	void *ctx;
};

static enum err
show(void *ctx, struct span key, struct span octets)
{
	struct walk *w = ctx;
	struct ks_account a;
	enum err e = decode(&a, key, octets);

	return e != ERR_OK ? e : w->visit(w->ctx, key, &a);
}

enum err
ks_account_each(struct ks_store *s, ks_account_visit *visit, void *ctx)
{
	struct walk w = {.visit = visit, .ctx = ctx};

	return s->ops->row_each(
	    s, KS_ROW_ACCOUNT, SPAN(NULL, 0), SPAN(NULL, 0), show, &w);
}
