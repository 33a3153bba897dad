/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The process that holds the master key and the private keys of the purposes.
 * It hands out public halves, the private half of ready entries to relay, and
 * the content key of one sealed object to whoever may open that kind, signs
 * with the private keys of senders and of our CA, opens content keys with those
 * of recipients, makes new ones, and gives OpenPGP keys to pgp. It parses
 * nothing from outside: what it is given is a purpose and a header of fixed
 * length, a digest, or a block as long as the key.
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/answer.h"
#include "common/arena.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/memfd.h"
#include "common/pack.h"
#include "common/stream.h"
#include "common/text.h"
#include "crypto/private_key.h"
#include "gateway/conf.h"
#include "gateway/keys/issue.h"
#include "gateway/keys/private.h"
#include "gateway/keys/purpose.h"
#include "gateway/keys/registered.h"
#include "gateway/proto.h"
#include "gateway/reply.h"
#include "gateway/role.h"
#include "keystore/reply.h"

enum {
	KEYSTORE_TRIES = 100,	 /* of a tenth of a second: store makes it */
	ARENA_MAX = 1024 * 1024, /* octets of what one peer registers */
};

struct keys {
	struct role *role;
	struct keys_set set;
	struct ks_store *store;
	struct keys_registered *registered;
	struct keys_private *private;
	struct keys_issue *issue;
	struct arena *arena; /* of one message */
};

static enum err
answer_keys(
    struct keys *k, const struct role_peer *peer, const struct ipc_msg *m)
{
	const struct keys_set *keys = &k->set;
	struct proto_keys answer = {0};
	struct buf b;
	enum err err;

	memcpy(answer.pub, keys->pub, sizeof(answer.pub));
	if (peer->id == ROLE_RELAY)
		answer.ready_private = secret_span(keys->priv[SEALED_READY]);
	buf_init(&b, LIMIT_IPC_INLINE);
	err = proto_keys_pack(&answer, &b);
	if (err == ERR_OK)
		err = ipc_send(
		    peer->ch, PROTO_KEYS, m->id, buf_span(&b), NULL, 0);
	secret_wipe(b.data, b.len);
	buf_clear(&b);
	return err;
}

/* Who may open what. */
static bool
may_open(enum role_id role, enum sealed_purpose purpose)
{
	static const struct {
		enum role_id role;
		enum sealed_purpose purpose;
	} row[] = {
	    {ROLE_WORKER, SEALED_PENDING},
	    {ROLE_OPENER, SEALED_PENDING},
	    {ROLE_STORE, SEALED_AUDIT},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		if (row[i].role == role && row[i].purpose == purpose)
			return true;
	return false;
}

static enum err
content_key(const struct keys_set *keys, enum role_id asks, struct span payload,
    struct secret **out)
{
	struct unpacker u;
	enum sealed_purpose purpose;
	uint8_t header[SEALED_HEADER];

	unpack_begin(&u, payload);
	purpose = (enum sealed_purpose)unpack_u8(&u);
	unpack_raw(&u, header, sizeof(header));
	if (unpack_end(&u) != ERR_OK)
		return ERR_IPC;
	if (!may_open(asks, purpose))
		return ERR_PERMISSION;
	return sealed_content_key(&keys->pub[purpose], keys->priv[purpose],
	    SPAN(header, sizeof(header)), out);
}

/* The key that was asked for, or why there is none; key is wiped. */
static enum err
send_key(const struct role_peer *peer, uint16_t type, uint64_t id,
    enum err result, struct secret *key)
{
	struct packer p;
	struct buf b;
	enum err err;

	buf_init(&b, LIMIT_IPC_INLINE);
	pack_begin(&p, &b);
	pack_u32(&p, (uint32_t)result);
	pack_span(&p, key == NULL ? SPAN(NULL, 0) : secret_span(key));
	err = pack_end(&p);
	if (err == ERR_OK)
		err = ipc_send(peer->ch, type, id, buf_span(&b), NULL, 0);
	secret_wipe(b.data, b.len);
	buf_clear(&b);
	secret_free(key);
	return err;
}

static enum err
answer_content_key(
    struct keys *k, const struct role_peer *peer, const struct ipc_msg *m)
{
	struct secret *key = NULL;
	enum err result;

	result = content_key(&k->set, peer->id, m->payload, &key);
	if (result != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "content-key",
		    KV_STR("peer", role_name(peer->id)),
		    KV_NUM("index", peer->index), KV_ERR(result));
	return send_key(peer, PROTO_CONTENT_KEY_IS, m->id, result, key);
}

static enum err
answer_answer_key(
    struct keys *k, const struct role_peer *peer, const struct ipc_msg *m)
{
	struct secret *key = NULL;
	enum err result = ERR_MALFORMED;

	if (m->payload.len == ANSWER_HEADER_SIZE)
		result = answer_key(&k->set.pub[SEALED_ANSWER],
		    k->set.priv[SEALED_ANSWER], m->payload, &key);
	return send_key(peer, PROTO_ANSWER_KEY_IS, m->id, result, key);
}

/* --- for whom we sign --- */

static enum err
take_register(
    struct keys *k, const struct role_peer *peer, const struct ipc_msg *m)
{
	struct proto_register reg;
	enum err err;

	arena_reset(k->arena);
	err = proto_register_unpack(m->payload, k->arena, &reg);
	if (err == ERR_OK)
		err = keys_registered_put(k->registered, peer->id, m->id, &reg);
	/* without it nothing is signed for the message, which its worker
	   learns: no reason to cut anybody off */
	if (err == ERR_LIMIT) {
		log_event(LOG_LVL_ERR, NULL, "register",
		    KV_STR("peer", role_name(peer->id)), KV_ERR(err));
		err = ERR_OK;
	}
	return err;
}

static enum err
take_unregister(
    struct keys *k, const struct role_peer *peer, const struct ipc_msg *m)
{
	if (m->payload.len != 0)
		return ERR_IPC;
	keys_registered_drop(k->registered, peer->id, m->id);
	return ERR_OK;
}

static void serve(
    struct keys *k, const struct role_peer *peer, const struct ipc_msg *m);

/* Who has the message registered it before the worker got it, but the two do
   not share a channel: hear first what has been said already. */
static void
hear_registrars(struct keys *k)
{
	static const enum role_id from[] = {ROLE_LISTENER, ROLE_STORE};

	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
		struct role_peer peer = {.id = from[i]};
		struct pollfd p = {.events = POLLIN};
		struct ipc_msg m;

		for (unsigned n = 0; n < LIMIT_REGISTERED; n++) {
			peer.ch = role_channel(k->role, from[i], 0);
			if (peer.ch == NULL)
				break;
			p.fd = ipc_fd(peer.ch);
			if (poll(&p, 1, 0) != 1)
				break;
			if (ipc_recv(peer.ch, &m) != ERR_OK) {
				role_drop(k->role, peer.ch);
				break;
			}
			serve(k, &peer, &m);
			ipc_msg_clear(&m);
		}
	}
}

/* Who may sign by what: a worker for a sender who is registered, issuer as our
   CA, relay mail that leaves. */
static enum err
sign_for(struct keys *k, enum role_id asks, uint64_t id,
    const struct proto_sign *ask, struct buf *sig)
{
	if (asks == ROLE_ISSUER)
		return keys_private_sign_as_ca(
		    k->private, ask->fpr, ask->alg, ask->in, sig);
	if (asks == ROLE_RELAY)
		return keys_private_sign_mail(
		    k->private, ask->fpr, ask->alg, ask->in, sig);
	return keys_private_sign(
	    k->private, id, ask->fpr, ask->alg, ask->in, sig);
}

static enum err
answer_sign(
    struct keys *k, const struct role_peer *peer, const struct ipc_msg *m)
{
	struct proto_signed answer = {ERR_OK, SPAN(NULL, 0)};
	struct proto_sign ask;
	struct buf sig, b;
	enum err err = proto_sign_unpack(m->payload, &ask);
	char id[TEXT_ID_SIZE];

	if (err != ERR_OK)
		return err;
	if (peer->id == ROLE_WORKER &&
	    !keys_registered_has(k->registered, m->id))
		hear_registrars(k);
	buf_init(&sig, CRYPTO_SIGN_MAX);
	buf_init(&b, LIMIT_IPC_INLINE);
	answer.result = sign_for(k, peer->id, m->id, &ask, &sig);
	if (answer.result == ERR_OK)
		answer.signature = buf_span(&sig);
	if (answer.result != ERR_OK) {
		text_id(m->id, id);
		log_event(LOG_LVL_ERR, id, "sign-refused",
		    KV_STR("peer", role_name(peer->id)),
		    KV_NUM("index", peer->index), KV_ERR(answer.result));
	}
	err = proto_signed_pack(&answer, &b);
	if (err == ERR_OK)
		err = ipc_send(
		    peer->ch, PROTO_SIGNED, m->id, buf_span(&b), NULL, 0);
	buf_clear(&sig);
	buf_clear(&b);
	return err;
}

/* --- what we open --- */

/* Errors that follow from what a stranger wrote, and are no event. */
static bool
is_strangers(enum err e)
{
	return e == ERR_OK || e == ERR_MALFORMED || e == ERR_UNSUPPORTED;
}

static enum err
open_key(struct keys *k, uint64_t id, const struct proto_decrypt *ask,
    struct secret **out)
{
	const struct crypto_decrypt what = {
	    .op = (enum crypto_decrypt_op)ask->op,
	    .hash = (enum crypto_hash)ask->hash,
	    .mgf = (enum crypto_hash)ask->mgf,
	    .len = ask->len,
	    .in = ask->in,
	};
	enum err e = keys_registered_try(k->registered, id);

	return e == ERR_OK
		   ? keys_private_decrypt(k->private, id, ask->fpr, &what, out)
		   : e;
}

static enum err
answer_decrypt(
    struct keys *k, const struct role_peer *peer, const struct ipc_msg *m)
{
	struct proto_decrypted answer = {ERR_OK, SPAN(NULL, 0)};
	struct secret *key = NULL;
	struct proto_decrypt ask;
	char id[TEXT_ID_SIZE];
	struct buf b;
	enum err err = proto_decrypt_unpack(m->payload, &ask);

	if (err != ERR_OK)
		return err;
	if (!keys_registered_has(k->registered, m->id))
		hear_registrars(k);
	answer.result = open_key(k, m->id, &ask, &key);
	if (answer.result == ERR_OK)
		answer.key = secret_span(key);
	if (!is_strangers(answer.result)) {
		text_id(m->id, id);
		log_event(LOG_LVL_ERR, id, "decrypt-refused",
		    KV_NUM("opener", peer->index), KV_ERR(answer.result));
	}
	buf_init(&b, LIMIT_IPC_INLINE);
	err = proto_decrypted_pack(&answer, &b);
	if (err == ERR_OK)
		err = ipc_send(
		    peer->ch, PROTO_DECRYPTED, m->id, buf_span(&b), NULL, 0);
	secret_wipe(b.data, b.len);
	buf_clear(&b);
	secret_free(key);
	return err;
}

/* --- OpenPGP --- */

/* An OpenPGP key as it is, in a file in memory: gpg can do nothing with one
   that is elsewhere. */
static enum err
secret_file(
    struct keys *k, uint64_t id, bool open, struct span fpr, int *fd_out)
{
	struct secret *secret = NULL;
	enum err err = open ? keys_registered_try(k->registered, id) : ERR_OK;

	if (err == ERR_OK)
		err = keys_private_get(
		    k->private, id, open, fpr, KS_OPENPGP, &secret);

	if (err == ERR_OK)
		err = memfd_from(secret_span(secret), fd_out);
	secret_free(secret);
	return err;
}

static enum err
answer_pgp_secret(
    struct keys *k, const struct role_peer *peer, const struct ipc_msg *m)
{
	struct unpacker u;
	struct span fpr;
	struct buf b;
	char id[TEXT_ID_SIZE];
	int fd = -1;
	enum err err, result;

	unpack_begin(&u, m->payload);
	fpr = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK)
		return ERR_IPC;
	if (!keys_registered_has(k->registered, m->id))
		hear_registrars(k);
	result = secret_file(
	    k, m->id, m->type == PROTO_PGP_OPEN_SECRET_GET, fpr, &fd);
	if (result != ERR_OK) {
		text_id(m->id, id);
		log_event(LOG_LVL_ERR, id, "secret-refused",
		    KV_NUM("pgp", peer->index), KV_ERR(result));
	}
	buf_init(&b, LIMIT_IPC_INLINE);
	err = proto_failure_pack(
	    result, result == ERR_OK ? "" : err_text(result), &b);
	if (err == ERR_OK)
		err = ipc_send(peer->ch, PROTO_PGP_SECRET, m->id, buf_span(&b),
		    &fd, fd >= 0 ? 1 : 0);
	if (fd >= 0)
		close(fd);
	buf_clear(&b);
	return err;
}

/* --- the index of mail that arrived encrypted --- */

/* HMAC-SHA-256 (RFC 2104), cut to its half. Its key follows from that of
   pending entries: it lasts as long, and needs no file of its own. */
static void
reply_mac(const struct keys_set *keys, const uint8_t *in, uint8_t *out)
{
	static const char label[] = "sealgate: index of replies";
	const struct span from[] = {SPAN(label, sizeof(label) - 1),
	    secret_span(keys->priv[SEALED_PENDING])};
	uint8_t pad[2][64] = {{0}}, inner[DIGEST_SIZE], full[DIGEST_SIZE];

	digest_sha256(from, 2, pad[0]);
	memcpy(pad[1], pad[0], sizeof(pad[1]));
	for (size_t i = 0; i < sizeof(pad[0]); i++) {
		pad[0][i] ^= 0x36;
		pad[1][i] ^= 0x5c;
	}
	digest_sha256((const struct span[]){SPAN(pad[0], sizeof(pad[0])),
			  SPAN(in, DIGEST_SIZE)},
	    2, inner);
	digest_sha256((const struct span[]){SPAN(pad[1], sizeof(pad[1])),
			  SPAN(inner, sizeof(inner))},
	    2, full);
	memcpy(out, full, KS_REPLY_ID);
	secret_wipe(pad, sizeof(pad));
}

static enum err
answer_reply_mac(
    struct keys *k, const struct role_peer *peer, const struct ipc_msg *m)
{
	size_t n = m->payload.len / DIGEST_SIZE;
	uint8_t out[2 * REPLY_IDS][KS_REPLY_ID];

	if (n == 0 || n > 2 * REPLY_IDS || m->payload.len % DIGEST_SIZE != 0)
		return ERR_IPC;
	for (size_t i = 0; i < n; i++)
		reply_mac(&k->set, m->payload.data + i * DIGEST_SIZE, out[i]);
	return ipc_send(peer->ch, PROTO_REPLY_MAC_IS, m->id,
	    SPAN(out, n * KS_REPLY_ID), NULL, 0);
}

/* --- certificates that we issue --- */

static enum err
answer_key_new(
    struct keys *k, const struct role_peer *peer, const struct ipc_msg *m)
{
	struct proto_key_made made = {ERR_OK, 0, SPAN(NULL, 0)};
	struct proto_key_new ask;
	struct buf b;
	char id[TEXT_ID_SIZE];
	enum err err = proto_key_new_unpack(m->payload, &ask);

	if (err != ERR_OK)
		return err;
	if (ask.old.len == 0 && !keys_registered_has(k->registered, m->id))
		hear_registrars(k);
	made.result = keys_issue_make(k->issue, m->id, &ask, &made);
	if (made.result != ERR_OK) {
		text_id(m->id, id);
		log_event(LOG_LVL_ERR, id, "key-refused", KV_ERR(made.result));
	}
	buf_init(&b, LIMIT_IPC_INLINE);
	err = proto_key_made_pack(&made, &b);
	if (err == ERR_OK)
		err = ipc_send(
		    peer->ch, PROTO_KEY_MADE, m->id, buf_span(&b), NULL, 0);
	buf_clear(&b);
	return err;
}

static enum err
answer_key_seal(
    struct keys *k, const struct role_peer *peer, const struct ipc_msg *m)
{
	struct proto_key_seal ask;
	struct buf row, b;
	enum err result, err = proto_key_seal_unpack(m->payload, &ask);

	if (err != ERR_OK)
		return err;
	buf_init(&row, KS_PRIVATE_MAX);
	buf_init(&b, KS_PRIVATE_MAX + LIMIT_IPC_INLINE);
	result = keys_issue_seal(k->issue, &ask, &row);
	err = proto_octets_pack(
	    result, result == ERR_OK ? buf_span(&row) : SPAN(NULL, 0), &b);
	if (err == ERR_OK)
		err = ipc_send(
		    peer->ch, PROTO_KEY_SEALED, m->id, buf_span(&b), NULL, 0);
	buf_clear(&row);
	buf_clear(&b);
	return err;
}

/* The messages this process accepts. */
static const struct {
	uint16_t type;
	enum role_id from;
	enum err (*answer)(
	    struct keys *, const struct role_peer *, const struct ipc_msg *);
} requests[] = {
    {PROTO_KEYS_GET, ROLE_WORKER, answer_keys},
    {PROTO_KEYS_GET, ROLE_OPENER, answer_keys},
    {PROTO_KEYS_GET, ROLE_RELAY, answer_keys},
    {PROTO_KEYS_GET, ROLE_STORE, answer_keys},
    {PROTO_CONTENT_KEY, ROLE_WORKER, answer_content_key},
    {PROTO_CONTENT_KEY, ROLE_OPENER, answer_content_key},
    {PROTO_CONTENT_KEY, ROLE_STORE, answer_content_key},
    {PROTO_ANSWER_KEY, ROLE_WORKER, answer_answer_key},
    {PROTO_REGISTER, ROLE_LISTENER, take_register},
    {PROTO_REGISTER, ROLE_STORE, take_register},
    {PROTO_UNREGISTER, ROLE_LISTENER, take_unregister},
    {PROTO_UNREGISTER, ROLE_STORE, take_unregister},
    {PROTO_REPLY_MAC, ROLE_WORKER, answer_reply_mac},
    {PROTO_REPLY_MAC, ROLE_OPENER, answer_reply_mac},
    {PROTO_SIGN, ROLE_WORKER, answer_sign},
    {PROTO_SIGN, ROLE_ISSUER, answer_sign},
    {PROTO_SIGN, ROLE_RELAY, answer_sign},
    {PROTO_KEY_NEW, ROLE_ISSUER, answer_key_new},
    {PROTO_KEY_SEAL, ROLE_ISSUER, answer_key_seal},
    {PROTO_PGP_SECRET_GET, ROLE_PGP, answer_pgp_secret},
    {PROTO_PGP_OPEN_SECRET_GET, ROLE_PGP, answer_pgp_secret},
    {PROTO_DECRYPT, ROLE_OPENER, answer_decrypt},
};

/* Whoever asks waits for the answer, so there is room for it; a peer that asks
   and never reads must not keep the others waiting. */
static bool
reads_answers(const struct role_peer *peer)
{
	struct pollfd p = {.fd = ipc_fd(peer->ch), .events = POLLOUT};

	return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0;
}

/* A peer that asks what it may not is not ours any more: it is cut off. */
static void
serve(struct keys *k, const struct role_peer *peer, const struct ipc_msg *m)
{
	enum err err = ERR_PERMISSION;

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		if (requests[i].type == m->type &&
		    requests[i].from == peer->id && reads_answers(peer))
			err = requests[i].answer(k, peer, m);
	if (err == ERR_OK)
		return;
	log_event(LOG_LVL_ERR, NULL, "refused",
	    KV_STR("peer", role_name(peer->id)), KV_NUM("index", peer->index),
	    KV_STR("message", proto_name(m->type)), KV_ERR(err));
	role_drop(k->role, peer->ch);
}

static struct secret *
read_master(struct role *r)
{
	int fd = role_take_fd(r, ROLE_FD_MASTER_KEY, 0);
	struct secret *master = secret_new(KEYS_MASTER);
	uint8_t more;

	if (fd == -1 || master == NULL)
		role_refuse(r, "no master key was handed over");
	if (pread(fd, master->data, KEYS_MASTER, 0) != KEYS_MASTER ||
	    pread(fd, &more, 1, KEYS_MASTER) != 0)
		role_refuse(r,
		    "the master key is damaged: its file must have %d octets",
		    KEYS_MASTER);
	close(fd);
	return master;
}

static void
open_keys(struct role *r, const struct secret *master, struct keys_set *keys)
{
	struct err_why why = {""};
	int dir =
	    open(role_conf(r)->paths.keys, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir == -1)
		role_refuse(r, "cannot open %s", role_conf(r)->paths.keys);
	if (keys_set_open(dir, master, keys, &why) != ERR_OK)
		role_refuse(r, "%s", why.text);
	close(dir);
}

/* Read only; whatever is in it is sealed or public. */
static struct ks_store *
open_keystore(struct role *r)
{
	static const struct timespec pause = {0, 100 * 1000 * 1000};
	const char *dir = role_conf(r)->paths.keystore;
	struct ks_store *s = NULL;
	struct err_why why = {""};
	enum err err = ERR_NOT_FOUND;

	for (int i = 0; i < KEYSTORE_TRIES && err == ERR_NOT_FOUND; i++) {
		err = ks_open(dir, 0, &s, &why);
		if (err == ERR_NOT_FOUND)
			nanosleep(&pause, NULL);
	}
	if (err != ERR_OK)
		role_refuse(r, "cannot open the keystore %s: %s", dir,
		    why.text[0] != '\0' ? why.text : err_text(err));
	return s;
}

/* Everything that cannot be had behind the walls. */
static void
open_all(struct keys *k, const struct secret *master)
{
	if (crypto_private_init() != ERR_OK)
		role_refuse(k->role, "no memory for private keys");
	stream_init();
	open_keys(k->role, master, &k->set);
	k->store = open_keystore(k->role);
	k->registered = keys_registered_new();
	k->private = keys_private_new(k->store, &k->set, k->registered);
	k->issue = keys_issue_new(k->store, &k->set, k->registered);
	k->arena = arena_new(ARENA_MAX);
	if (k->arena == NULL)
		fatal("out of memory");
}

static void
close_all(struct keys *k)
{
	arena_free(k->arena);
	keys_issue_free(k->issue);
	keys_private_free(k->private);
	keys_registered_free(k->registered);
	ks_close(k->store);
	keys_set_clear(&k->set);
}

int
keys_main(struct role *r)
{
	struct secret *master = read_master(r);
	struct keys k = {.role = r};
	struct role_peer peer;
	struct ipc_msg m;

	open_all(&k, master);
	role_confine(r);
	role_ready(r);
	while (role_next(r, &peer, &m) == ERR_OK) {
		serve(&k, &peer, &m);
		ipc_msg_clear(&m);
	}
	close_all(&k);
	secret_free(master);
	return 0;
}
