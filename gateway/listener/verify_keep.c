/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What is remembered of recipients outlives a restart: store keeps it, and
 * reads nothing of it. Hashes of addresses, never addresses; who was asked
 * goes along, and what another server said counts for nothing.
 */
#include <string.h>

#include "common/clock.h"
#include "common/ipc.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/pack.h"
#include "gateway/conf.h"
#include "gateway/listener/verify.h"

enum {
	FORMAT = 1,
	ROW = 16 + 8 + 1,			/* octets */
	KEEP_MS = LIMIT_VERIFIED_KEEP_S * 1000, /* between two times */
};

static void
digest_of_source(const struct listener *l, uint8_t out[DIGEST_SIZE])
{
	const struct conf *c = listener_conf(l);
	const struct conf_source *d = &c->discovery.ldap;
	const char *via = c->inbound.present ? c->inbound.via : "";
	const struct span parts[] = {span_str(via), SPAN("\n", 1),
	    span_str(d->n_url > 0 ? d->url[0] : ""), SPAN("\n", 1),
	    span_str(d->base), SPAN("\n", 1), span_str(d->recipient_filter)};

	digest_sha256(parts, sizeof(parts) / sizeof(parts[0]), out);
}

/* --- to store --- */

static bool
is_worth_it(const struct listener_verified *v, uint64_t now_ms)
{
	return v->until_ms > now_ms;
}

static uint32_t
count_rows(const struct listener *l, uint64_t now_ms)
{
	uint32_t n = 0;

	for (size_t i = 0; i < LIMIT_VERIFIED && n < LIMIT_VERIFIED_KEPT; i++)
		n += is_worth_it(&l->verified[i], now_ms);
	return n;
}

static enum err
pack_all(struct listener *l, struct buf *out)
{
	uint64_t now_ms = clock_steady_ms(), unix_ms = clock_unix_ms();
	uint8_t source[DIGEST_SIZE];
	uint32_t n = count_rows(l, now_ms);
	struct packer p;

	digest_of_source(l, source);
	pack_begin(&p, out);
	pack_u8(&p, FORMAT);
	pack_raw(&p, l->verify_seed, sizeof(l->verify_seed));
	pack_raw(&p, source, sizeof(source));
	pack_u32(&p, n);
	for (size_t i = 0; n > 0; i++) {
		const struct listener_verified *v = &l->verified[i];

		if (!is_worth_it(v, now_ms))
			continue;
		pack_raw(&p, v->hash, sizeof(v->hash));
		pack_u64(&p, unix_ms + (v->until_ms - now_ms));
		pack_bool(&p, v->yes);
		n--;
	}
	return pack_end(&p);
}

void
listener_verify_keep(struct listener *l, bool now)
{
	uint64_t ms = clock_steady_ms();
	struct buf b;
	enum err e;

	if (!l->verify_changed || l->store == NULL ||
	    (!now && ms - l->verify_kept_ms < KEEP_MS))
		return;
	buf_init(&b, 256 + LIMIT_VERIFIED_KEPT * ROW);
	e = pack_all(l, &b);
	if (e == ERR_OK)
		e = ipc_post(
		    l->store, PROTO_VERIFIED, 0, buf_span(&b), NULL, 0);
	buf_clear(&b);
	if (e != ERR_OK)
		return; /* and again after a while */
	l->verify_changed = false;
	l->verify_kept_ms = ms;
}

/* --- from store --- */

/* A clock that was set back must not make an answer hold for longer. */
static bool
take_row(
    struct listener *l, struct unpacker *u, uint64_t now_ms, uint64_t unix_ms)
{
	struct listener_verified v = {0};
	uint64_t until, most;

	unpack_raw(u, (uint8_t *)v.hash, sizeof(v.hash));
	until = unpack_u64(u);
	v.yes = unpack_bool(u);
	if (u->err != ERR_OK)
		return false;
	if (until <= unix_ms)
		return true;
	most = (v.yes ? LIMIT_VERIFIED_YES_S : LIMIT_VERIFIED_NO_S) * 1000ull;
	v.until_ms = now_ms + (until - unix_ms < most ? until - unix_ms : most);
	listener_verify_put(l, &v);
	return true;
}

void
listener_verify_recall(struct listener *l, struct span said)
{
	uint8_t source[DIGEST_SIZE], theirs[DIGEST_SIZE];
	uint8_t seed[sizeof(l->verify_seed)];
	struct unpacker u;
	uint8_t format;
	uint32_t n;

	/* what was asked since then has another seed, and is newer */
	if (l->verify_known)
		return;
	unpack_begin(&u, said);
	format = unpack_u8(&u);
	unpack_raw(&u, seed, sizeof(seed));
	unpack_raw(&u, theirs, sizeof(theirs));
	n = unpack_u32(&u);
	digest_of_source(l, source);
	if (u.err != ERR_OK || format != FORMAT || n > LIMIT_VERIFIED_KEPT ||
	    said.len != 1 + sizeof(seed) + sizeof(theirs) + 4 + (size_t)n * ROW)
		return;
	if (memcmp(source, theirs, sizeof(source)) != 0)
		return;
	memcpy(l->verify_seed, seed, sizeof(seed));
	while (n > 0 && take_row(l, &u, clock_steady_ms(), clock_unix_ms()))
		n--;
}
