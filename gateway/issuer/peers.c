/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Questions to keys and store, one at a time. A peer that is silent too long is
 * cut off.
 */
#include <time.h>

#include "common/clock.h"
#include "common/ipc.h"
#include "common/limits.h"
#include "crypto/key_delegate.h"
#include "gateway/ca.h"
#include "gateway/issuer/issuer_private.h"
#include "gateway/proto.h"
#include "gateway/role.h"

enum {
	PEER_MS = 2000, /* until a peer is connected */
	/* less than a worker waits for us (ISSUER_MS); a new RSA key takes a
	   while */
	ANSWER_MS = 7000,
	BUSY_MS = 3000, /* another program writes */
	PAUSE_MS = 50,
	PAYLOAD_MAX = 32 << 20, /* a list of revoked certificates */
};

static enum err
ask(struct issuer *i, enum role_id whom, uint16_t type, uint64_t id,
    struct span payload, uint16_t answer_type, struct ipc_msg *out)
{
	struct ipc *ch;
	enum err e = role_wait_peer(i->role, whom, 0, PEER_MS);

	if (e != ERR_OK)
		return ERR_CRASHED;
	ch = role_channel(i->role, whom, 0);
	e = ipc_send(ch, type, id, payload, NULL, 0);
	if (e == ERR_OK)
		e = ipc_await(ch, answer_type, id, ANSWER_MS, out);
	if (e == ERR_OK)
		return ERR_OK;
	role_drop(i->role, ch);
	/* nobody brings another channel while the peer lives */
	i->renew = i->renew || e != ERR_CLOSED;
	return e == ERR_CLOSED ? ERR_CRASHED : e;
}

enum err
issuer_key_new(struct issuer *i, uint64_t id, const struct proto_key_new *m,
    uint64_t *handle, struct buf *spki)
{
	struct proto_key_made made;
	struct ipc_msg in;
	struct buf b;
	enum err e;

	buf_init(&b, LIMIT_IPC_INLINE);
	e = proto_key_new_pack(m, &b);
	if (e == ERR_OK)
		e = ask(i, ROLE_KEYS, PROTO_KEY_NEW, id, buf_span(&b),
		    PROTO_KEY_MADE, &in);
	buf_clear(&b);
	if (e != ERR_OK)
		return e;
	e = proto_key_made_unpack(in.payload, &made);
	if (e == ERR_OK)
		e = made.result;
	if (e == ERR_OK)
		e = buf_put(spki, made.spki);
	if (e == ERR_OK)
		*handle = made.handle;
	ipc_msg_clear(&in);
	return e;
}

enum err
issuer_key_seal(
    struct issuer *i, const struct proto_key_seal *m, struct buf *row)
{
	struct ipc_msg in;
	struct span octets;
	struct buf b;
	enum err e, result;

	buf_init(&b, LIMIT_IPC_INLINE);
	e = proto_key_seal_pack(m, &b);
	if (e == ERR_OK)
		e = ask(i, ROLE_KEYS, PROTO_KEY_SEAL, 0, buf_span(&b),
		    PROTO_KEY_SEALED, &in);
	buf_clear(&b);
	if (e != ERR_OK)
		return e;
	e = proto_octets_unpack(in.payload, &result, &octets);
	if (e == ERR_OK)
		e = result;
	if (e == ERR_OK)
		e = buf_put(row, octets);
	ipc_msg_clear(&in);
	return e;
}

/* --- the key of the CA --- */

static enum err
sign(void *arg, enum crypto_sign_alg alg, struct span in, struct buf *out)
{
	struct issuer_ca_key *k = arg;
	const struct proto_sign m = {
	    .fpr = k->fpr, .alg = (uint8_t)alg, .in = in};
	struct proto_signed answer;
	struct ipc_msg got;
	struct buf b;
	enum err e;

	buf_init(&b, LIMIT_IPC_INLINE);
	e = proto_sign_pack(&m, &b);
	if (e == ERR_OK)
		e = ask(k->issuer, ROLE_KEYS, PROTO_SIGN, 0, buf_span(&b),
		    PROTO_SIGNED, &got);
	buf_clear(&b);
	if (e != ERR_OK)
		return e;
	e = proto_signed_unpack(got.payload, &answer);
	if (e == ERR_OK)
		e = answer.result;
	if (e == ERR_OK)
		e = buf_put(out, answer.signature);
	ipc_msg_clear(&got);
	return e;
}

enum err
issuer_ca_key_new(const struct ca *ca, struct issuer_ca_key *ctx,
    struct crypto_key_delegate **out, struct err_why *why)
{
	return crypto_key_delegate_new(ca->cert, sign, ctx, out, why);
}

/* --- store --- */

static enum err
store_once(
    struct issuer *i, uint16_t type, struct span payload, struct err_why *why)
{
	const char *text = "";
	struct ipc_msg in;
	enum err e, result = ERR_INTERNAL;

	e = ask(i, ROLE_STORE, type, 0, payload, PROTO_CA_KEPT, &in);
	if (e != ERR_OK)
		return err_why(why, e, "store: %s", err_text(e));
	e = proto_failure_unpack(in.payload, i->arena, &result, &text);
	ipc_msg_clear(&in);
	if (e == ERR_OK)
		e = result;
	return e == ERR_OK ? e
			   : err_why(why, e, "keystore: %s",
				 text[0] != '\0' ? text : err_text(e));
}

enum err
issuer_store(
    struct issuer *i, uint16_t type, struct span payload, struct err_why *why)
{
	static const struct timespec pause = {0, PAUSE_MS * 1000000L};
	uint64_t until = clock_steady_ms() + BUSY_MS;
	enum err e;

	if (payload.len > PAYLOAD_MAX)
		return err_why(why, ERR_TOO_BIG, "%s", err_text(ERR_TOO_BIG));
	for (;;) {
		e = store_once(i, type, payload, why);
		if (e != ERR_BUSY || clock_steady_ms() >= until)
			return e;
		nanosleep(&pause, NULL);
	}
}
