/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The facts as octets (docs/format-spool.md), and who wants them.
 */
#include "gateway/dsn.h"

#include "common/limits.h"
#include "gateway/proto_mail.h"

enum {
	MIN_RCPT = 45, /* octets of a recipient of whom nothing is said */
	AD_MAX = 64 * 1024,
};

bool
dsn_is_wanted(uint8_t notify, enum mime_dsn_action action)
{
	/* what was opened here could be told apart by what is told */
	if ((notify & (PROTO_NOTIFY_NEVER | PROTO_NOTIFY_OUTSIDE)) != 0)
		return false;
	switch (action) {
	case MIME_DSN_FAILED: /* RFC 3461 4.1: the default */
		return notify == 0 || (notify & PROTO_NOTIFY_FAILURE) != 0;
	case MIME_DSN_DELAYED:
		return notify == 0 || (notify & PROTO_NOTIFY_DELAY) != 0;
	case MIME_DSN_RELAYED:
	case MIME_DSN_DELIVERED:
		return (notify & PROTO_NOTIFY_SUCCESS) != 0;
	}
	return false;
}

bool
dsn_must_hold(uint8_t notify)
{
	if ((notify & PROTO_NOTIFY_HOLD) != 0)
		return true;
	return (notify & PROTO_NOTIFY_OUTSIDE) != 0 &&
	       (notify & PROTO_NOTIFY_NEVER) == 0;
}

void
dsn_rcpt_pack(struct packer *p, const struct dsn_rcpt *r)
{
	pack_str(p, r->addr);
	pack_str(p, r->orcpt);
	pack_u8(p, r->action);
	pack_str(p, r->status);
	pack_str(p, r->reason);
	pack_str(p, r->advice);
	pack_str(p, r->peer);
	pack_u16(p, r->code);
	pack_str(p, r->text);
	pack_u64(p, r->at_ms);
	pack_u64(p, r->until_ms);
}

void
dsn_rcpt_unpack(struct unpacker *u, struct arena *a, struct dsn_rcpt *out)
{
	struct dsn_rcpt r;

	r.addr = unpack_str(u, a);
	r.orcpt = unpack_str(u, a);
	r.action = unpack_u8(u);
	r.status = unpack_str(u, a);
	r.reason = unpack_str(u, a);
	r.advice = unpack_str(u, a);
	r.peer = unpack_str(u, a);
	r.code = unpack_u16(u);
	r.text = unpack_str(u, a);
	r.at_ms = unpack_u64(u);
	r.until_ms = unpack_u64(u);
	if (u->err == ERR_OK &&
	    (r.action > MIME_DSN_DELIVERED || r.addr[0] == '\0'))
		u->err = ERR_IPC;
	*out = r;
}

void
dsn_pack(struct packer *p, const struct dsn *d)
{
	pack_u64(p, d->message_id);
	pack_str(p, d->from == NULL ? "" : d->from);
	pack_str(p, d->from_key == NULL ? "" : d->from_key);
	pack_str(p, d->envid == NULL ? "" : d->envid);
	pack_u64(p, d->accepted_ms);
	pack_span(p, d->outer);
	pack_u32(p, d->n_rcpt);
	for (uint32_t i = 0; i < d->n_rcpt; i++)
		dsn_rcpt_pack(p, &d->rcpt[i]);
}

void
dsn_unpack(struct unpacker *u, struct arena *a, struct dsn *out)
{
	struct dsn d = {0};
	uint32_t n;

	d.message_id = unpack_u64(u);
	d.from = unpack_str(u, a);
	d.from_key = unpack_str(u, a);
	d.envid = unpack_str(u, a);
	d.accepted_ms = unpack_u64(u);
	d.outer = unpack_span(u);
	n = unpack_count(u, MIN_RCPT);
	if (u->err == ERR_OK && n > 0) {
		d.rcpt = arena_array(a, n, sizeof(*d.rcpt));
		if (d.rcpt == NULL)
			u->err = ERR_NOMEM;
	}
	for (; u->err == ERR_OK && d.n_rcpt < n; d.n_rcpt++)
		dsn_rcpt_unpack(u, a, &d.rcpt[d.n_rcpt]);
	*out = d;
}

/* No header can be attached to what is told of another message, or to
   somebody else. */
static enum err
pack_ad(uint64_t message_id, const char *from_key, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_str(&p, "notification");
	pack_u64(&p, message_id);
	pack_str(&p, from_key);
	return pack_end(&p);
}

enum err
dsn_outer_seal(const struct sealed_pub *pub, uint64_t message_id,
    const char *from_key, struct span header, struct arena *a, struct span *out)
{
	struct buf ad, sealed;
	enum err e;

	buf_init(&ad, AD_MAX);
	buf_init(&sealed, LIMIT_BODY_INLINE);
	e = pack_ad(message_id, from_key, &ad);
	if (e == ERR_OK)
		e = sealed_seal(pub, buf_span(&ad), header, &sealed);
	if (e == ERR_OK)
		e = arena_span(a, buf_span(&sealed), out);
	buf_clear(&ad);
	buf_clear(&sealed);
	return e;
}

enum err
dsn_outer_open(const struct sealed_pub *pub, const struct secret *priv,
    const struct dsn *d, struct buf *out)
{
	struct secret *key = NULL;
	struct buf ad;
	enum err e;

	if (d->outer.len == 0)
		return ERR_OK;
	if (d->outer.len < SEALED_HEADER)
		return ERR_BAD_SEAL;
	buf_init(&ad, AD_MAX);
	e = pack_ad(d->message_id, d->from_key, &ad);
	if (e == ERR_OK)
		e = sealed_content_key(pub, priv, d->outer, &key);
	if (e == ERR_OK)
		e = sealed_open(key, buf_span(&ad), d->outer, out);
	secret_free(key);
	buf_clear(&ad);
	return e;
}
