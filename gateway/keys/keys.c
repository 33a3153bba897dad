/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The process that holds the master key and the private keys of the purposes.
 * It hands out public halves, the private half of ready entries to relay, and
 * the content key of one sealed object to whoever may open that kind. It parses
 * nothing from outside: what it is given is a purpose and a header of fixed
 * length.
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/log.h"
#include "common/pack.h"
#include "gateway/conf.h"
#include "gateway/keys/purpose.h"
#include "gateway/proto.h"
#include "gateway/role.h"

static enum err
answer_keys(const struct keys_set *keys, const struct role_peer *peer,
    const struct ipc_msg *m)
{
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

static enum err
answer_content_key(const struct keys_set *keys, const struct role_peer *peer,
    const struct ipc_msg *m)
{
	struct secret *key = NULL;
	struct packer p;
	struct buf b;
	enum err err, result;

	result = content_key(keys, peer->id, m->payload, &key);
	if (result != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "content-key",
		    KV_STR("peer", role_name(peer->id)),
		    KV_NUM("index", peer->index), KV_ERR(result));
	buf_init(&b, LIMIT_IPC_INLINE);
	pack_begin(&p, &b);
	pack_u32(&p, (uint32_t)result);
	pack_span(&p, key == NULL ? SPAN(NULL, 0) : secret_span(key));
	err = pack_end(&p);
	if (err == ERR_OK)
		err = ipc_send(peer->ch, PROTO_CONTENT_KEY_IS, m->id,
		    buf_span(&b), NULL, 0);
	secret_wipe(b.data, b.len);
	buf_clear(&b);
	secret_free(key);
	return err;
}

/* The messages this process accepts. */
static const struct {
	uint16_t type;
	enum role_id from;
	enum err (*answer)(const struct keys_set *, const struct role_peer *,
	    const struct ipc_msg *);
} requests[] = {
    {PROTO_KEYS_GET, ROLE_WORKER, answer_keys},
    {PROTO_KEYS_GET, ROLE_RELAY, answer_keys},
    {PROTO_KEYS_GET, ROLE_STORE, answer_keys},
    {PROTO_CONTENT_KEY, ROLE_WORKER, answer_content_key},
    {PROTO_CONTENT_KEY, ROLE_STORE, answer_content_key},
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
serve(struct role *r, const struct keys_set *keys, const struct role_peer *peer,
    const struct ipc_msg *m)
{
	enum err err = ERR_PERMISSION;

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		if (requests[i].type == m->type &&
		    requests[i].from == peer->id && reads_answers(peer))
			err = requests[i].answer(keys, peer, m);
	if (err == ERR_OK)
		return;
	log_event(LOG_LVL_ERR, NULL, "refused",
	    KV_STR("peer", role_name(peer->id)), KV_NUM("index", peer->index),
	    KV_STR("message", proto_name(m->type)), KV_ERR(err));
	role_drop(r, peer->ch);
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

int
keys_main(struct role *r)
{
	struct secret *master = read_master(r);
	struct keys_set keys;
	struct role_peer peer;
	struct ipc_msg m;

	open_keys(r, master, &keys);
	role_confine(r);
	role_ready(r);
	while (role_next(r, &peer, &m) == ERR_OK) {
		serve(r, &keys, &peer, &m);
		ipc_msg_clear(&m);
	}
	keys_set_clear(&keys);
	secret_free(master);
	return 0;
}
