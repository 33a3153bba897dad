/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * When lists and answers about revocation are fetched, and where they are
 * kept. Workers say what they would have liked to know, discovery is asked to
 * fetch it, admission says what was in it; a failure is tried again. What an
 * answer is about follows from what admission has verified (ks_want_id()), so
 * that nobody on the way can pass one for another.
 */
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/log.h"
#include "common/loop.h"
#include "gateway/conf.h"
#include "gateway/proto_revocation.h"
#include "gateway/store/store_keys_private.h"
#include "gateway/store/store_private.h"
#include "keystore/store_revocation.h"

enum {
	LOOK_MS = 1000,	 /* between looks for what is due */
	BUSY_MS = 50,	 /* while another program writes */
	AT_ONCE = 8,	 /* fetches that are asked for at a time */
	QUEUE_MAX = 256, /* messages that wait to be written */
	QUEUE_OCTETS = 64 * 1024 * 1024,
	/* seconds after which one that was asked for is asked for again */
	PATIENCE_S = 120,
	FORGET_MAX = 32,
	OTHERS_MEMORY = 8 * 1024 * 1024,
	ASK_MAX =
	    (1 + PROTO_REVOCATION_OTHERS) * LIMIT_CERT_SIZE + LIMIT_IPC_INLINE,
};

/* A message that is to be written. */
struct note {
	struct note *next;
	uint16_t type;
	size_t len;
	uint8_t octets[];
};

struct store_revocation {
	struct loop_timer *timer;
	struct note *first, **last;
	size_t n, octets;
};

static int64_t
now_s(void)
{
	return (int64_t)(clock_unix_ms() / 1000);
}

/* --- what others say --- */

void
store_revocation_note(
    struct store *s, struct store_peer *from, struct ipc_msg *m)
{
	struct store_revocation *r = s->revocation;
	struct note *n;

	(void)from;
	/* what is dropped is asked for again */
	if (r->n >= QUEUE_MAX || m->payload.len > QUEUE_OCTETS - r->octets)
		return;
	n = malloc(sizeof(*n) + m->payload.len);
	if (n == NULL)
		return;
	n->next = NULL;
	n->type = m->type;
	n->len = m->payload.len;
	if (n->len > 0)
		memcpy(n->octets, m->payload.data, n->len);
	*r->last = n;
	r->last = &n->next;
	r->n++;
	r->octets += n->len;
	loop_timer_start(r->timer, 0, LOOK_MS);
}

static void
take_off(struct store_revocation *r)
{
	struct note *n = r->first;

	r->first = n->next;
	if (r->first == NULL)
		r->last = &r->first;
	r->n--;
	r->octets -= n->len;
	free(n);
}

static enum err
apply_want(struct ks_store *ks, struct span in)
{
	struct proto_revocation m;
	bool is_new = false;
	enum err e = proto_revocation_unpack(in, &m);

	if (e == ERR_OK)
		e = ks_want_add(ks, &m.want, now_s(), &is_new);
	if (e == ERR_OK && is_new)
		log_event(LOG_LVL_INFO, NULL, "revocation-wanted",
		    KV_SPAN("url", m.want.url));
	return e;
}

static enum err
apply_said(struct ks_store *ks, struct span in, struct arena *arena)
{
	struct proto_revocation_said m;
	enum err e = proto_revocation_said_unpack(in, arena, &m);

	if (e == ERR_OK)
		e = ks_want_done(ks, m.id, now_s(), m.good ? &m.said : NULL,
		    span_str(m.why));
	/* nobody wants it any more */
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* ERR_BUSY: another program writes. What makes no sense is dropped alone, any
   other error drops what came: it will be fetched again. */
static enum err
write_notes(struct store *s, struct ks_store *ks)
{
	struct store_revocation *r = s->revocation;
	enum err e;

	while (r->n > 0) {
		struct span in = SPAN(r->first->octets, r->first->len);

		e = ks_begin(ks);
		if (e == ERR_BUSY)
			return e;
		arena_reset(s->arena);
		if (e == ERR_OK)
			e = r->first->type == PROTO_REVOCATION_WANT
				? apply_want(ks, in)
				: apply_said(ks, in, s->arena);
		if (e == ERR_OK)
			e = ks_commit(ks);
		else
			ks_rollback(ks);
		if (e != ERR_OK)
			log_event(LOG_LVL_ERR, NULL, "revocation", KV_ERR(e));
		take_off(r);
	}
	return ERR_OK;
}

/* --- what is due --- */

struct due {
	unsigned n;
	uint8_t id[AT_ONCE][KS_WANT_ID];
	struct buf octets[AT_ONCE];
};

static enum err
take_due(void *ctx, const uint8_t id[KS_WANT_ID], const struct ks_want *w)
{
	struct due *d = ctx;
	struct proto_revocation m = {.want = *w};
	enum err e;

	if (d->n == AT_ONCE)
		return ERR_LIMIT;
	if (w->until < now_s()) /* ks_want_forget() */
		return ERR_OK;
	buf_init(&d->octets[d->n], LIMIT_CERT_SIZE + LIMIT_IPC_INLINE);
	e = proto_revocation_pack(&m, &d->octets[d->n]);
	memcpy(d->id[d->n], id, KS_WANT_ID);
	d->n++;
	return e;
}

struct others {
	struct proto_revocation *m;
	struct arena *arena;
};

static enum err
add_other(void *ctx, const struct ks_record *r)
{
	struct others *o = ctx;
	struct proto_revocation *m = o->m;

	if (m->n_others == PROTO_REVOCATION_OTHERS)
		return ERR_LIMIT;
	if ((r->good_for & KS_GOOD_ISSUE) == 0 || r->trust == KS_DISTRUSTED ||
	    r->key.len > LIMIT_CERT_SIZE || span_eq(r->key, m->want.issuer))
		return ERR_OK;
	return arena_span(o->arena, r->key, &m->other[m->n_others++]);
}

/* Beside the issuer of a list those of the same name: it may have changed its
   key. Admission looks who has made them. */
static enum err
ask_for(struct ks_store *ks, struct store_peer *discovery, struct span want)
{
	struct arena *arena = arena_new(OTHERS_MEMORY);
	struct ks_record *issuer = NULL;
	struct proto_revocation m;
	struct others o = {&m, arena};
	uint8_t fpr[DIGEST_SIZE];
	struct buf b;
	enum err e =
	    arena == NULL ? ERR_NOMEM : proto_revocation_unpack(want, &m);

	buf_init(&b, ASK_MAX);
	if (e == ERR_OK && m.want.kind == KS_WANT_LIST) {
		digest_sha256(&m.want.issuer, 1, fpr);
		/* what is not to be had only makes for fewer of them */
		if (ks_get(ks, SPAN(fpr, sizeof(fpr)), arena, &issuer) ==
			ERR_OK &&
		    issuer->n_key_ids > 0)
			(void)!ks_find(ks, KS_BY_KEY_ID, issuer->key_ids[0],
			    add_other, &o);
	}
	if (e == ERR_OK)
		e = proto_revocation_pack(&m, &b);
	if (e == ERR_OK)
		(void)!ipc_post(discovery->ch, PROTO_REVOCATION_FETCH, 0,
		    buf_span(&b), NULL, 0);
	buf_clear(&b);
	arena_free(arena);
	return e;
}

/* Whoever is asked has a while; then it is somebody's turn again. */
static enum err
put_off(struct ks_store *ks, const struct due *d)
{
	int64_t now = now_s();
	enum err e = ks_begin(ks);

	if (e != ERR_OK)
		return e;
	e = ks_want_forget(ks, now, FORGET_MAX);
	for (unsigned i = 0; i < d->n && e == ERR_OK; i++)
		e = ks_want_put_off(ks, d->id[i], now + PATIENCE_S);
	if (e == ERR_OK)
		return ks_commit(ks);
	ks_rollback(ks);
	return e;
}

static void
ask_for_due(struct store *s, struct ks_store *ks)
{
	struct store_peer *discovery = store_find_peer(s, ROLE_DISCOVERY, 0);
	struct due d = {.n = 0};
	enum err e;

	if (discovery == NULL ||
	    s->conf->certs.revocation == CONF_REVOCATION_OFF)
		return;
	e = ks_want_due(ks, now_s(), take_due, &d);
	if (e == ERR_LIMIT)
		e = ERR_OK;
	if (e == ERR_OK && d.n > 0)
		e = put_off(ks, &d);
	for (unsigned i = 0; i < d.n; i++) {
		if (e == ERR_OK)
			e = ask_for(ks, discovery, buf_span(&d.octets[i]));
		buf_clear(&d.octets[i]);
	}
	if (e != ERR_OK && e != ERR_BUSY)
		log_event(LOG_LVL_ERR, NULL, "revocation", KV_ERR(e));
}

static void
on_timer(void *arg)
{
	struct store *s = arg;
	struct ks_store *ks = store_keystore(s);
	enum err e = write_notes(s, ks);

	loop_timer_start(
	    s->revocation->timer, e == ERR_BUSY ? BUSY_MS : LOOK_MS, LOOK_MS);
	if (e == ERR_OK && !s->stopping)
		ask_for_due(s, ks);
}

/* --- beginning and end --- */

void
store_revocation_start(struct store *s)
{
	struct store_revocation *r = calloc(1, sizeof(*r));

	if (r == NULL)
		fatal("out of memory");
	r->last = &r->first;
	r->timer = loop_timer_new(s->loop, on_timer, s);
	loop_timer_start(r->timer, LOOK_MS, LOOK_MS);
	s->revocation = r;
}

void
store_revocation_end(struct store *s)
{
	struct store_revocation *r = s->revocation;

	if (r == NULL)
		return;
	while (r->n > 0)
		take_off(r);
	loop_timer_free(r->timer);
	free(r);
	s->revocation = NULL;
}
