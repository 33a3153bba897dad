/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The process that runs gpg. It starts without keys: what is sealed to comes
 * with the request and leaves with it; a secret key comes from keys, which
 * decides for each message whether it may be used, and the last few stay in the
 * home, in memory. One request at a time; a gpg that hangs costs the request,
 * and this process with it.
 *
 * User: users.pgp. Behind its walls it can execute gpg, gpgconf, gpgsm and
 * gpg-agent, write to its home, and open sockets to nobody but them
 * (gateway/sandbox_table.c). Kept small: GPGME forks it twice where it is used.
 *
 * Takes PROTO_PGP_SEAL, PROTO_PGP_SIGN, PROTO_PGP_SEAL_SIGN, PROTO_PGP_INSPECT,
 * PROTO_PGP_OPEN and PROTO_PGP_VERIFY from any peer, and from keys what it
 * asked for.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/memfd.h"
#include "common/pack.h"
#include "crypto/openpgp.h"
#include "crypto/openpgp_pack.h"
#include "crypto/openpgp_sign.h"
#include "gateway/conf.h"
#include "gateway/gpg_group.h"
#include "gateway/pgp/pgp_private.h"
#include "gateway/proto.h"
#include "gateway/role.h"

enum {
	KEYS_MS = 10000, /* for an answer of keys */
	ANSWER_MEMORY = 64 * 1024,
	REQUEST_MEMORY = 256 * 1024, /* certificates stay in the message */
};

/* The certificates of a request, borrowed from it; the caller frees. */
static enum err
unpack_certs(
    struct span payload, struct span **out, size_t *n_out, struct err_why *why)
{
	struct unpacker u;
	struct span *certs;
	uint32_t n;

	unpack_begin(&u, payload);
	n = unpack_count(&u, sizeof(uint32_t));
	if (n > LIMIT_RECIPIENTS)
		return err_why(
		    why, ERR_LIMIT, "more than %u keys", LIMIT_RECIPIENTS);
	certs = calloc((size_t)n + 1, sizeof(*certs));
	if (certs == NULL)
		return err_why(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	for (uint32_t i = 0; i < n; i++)
		certs[i] = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK) {
		free(certs);
		return err_why(why, ERR_IPC, "malformed request to seal");
	}
	*out = certs;
	*n_out = n;
	return ERR_OK;
}

enum err
pgp_work_begin(struct pgp_work *w, struct ipc_msg *m, struct err_why *why)
{
	int fd = ipc_msg_take_fd(m, 0);
	enum err e;

	*w = (struct pgp_work){.out = -1};
	if (fd < 0)
		return err_why(why, ERR_IPC, "a request without a message");
	e = memfd_map(fd, LIMIT_IPC_PAYLOAD, &w->in);
	close(fd);
	if (e == ERR_OK)
		e = memfd_new(&w->out);
	return e == ERR_OK ? e : err_why(why, e, "%s", err_text(e));
}

/* Seal the result; without one there is no file. */
static enum err
work_end(struct pgp_work *w, enum err e, struct err_why *why)
{
	memfd_unmap(&w->in);
	if (e == ERR_OK)
		e = memfd_seal(w->out);
	if (e == ERR_OK)
		return e;
	if (w->out >= 0)
		close(w->out);
	w->out = -1;
	return why->text[0] != '\0' ? e : err_why(why, e, "%s", err_text(e));
}

void
pgp_log_result(const struct ipc_msg *m, enum err e, const char *why)
{
	if (e == ERR_OK)
		log_event(LOG_LVL_DEBUG, NULL, proto_name(m->type),
		    KV_NUM("request", m->id));
	else
		log_event(LOG_LVL_ERR, NULL, proto_name(m->type),
		    KV_NUM("request", m->id), KV_ERR(e), KV_STR("why", why));
}

enum err
pgp_send_answer(struct ipc *to, uint16_t type, uint64_t id, struct span payload,
    struct pgp_work *w)
{
	enum err e =
	    ipc_send(to, type, id, payload, &w->out, w->out >= 0 ? 1 : 0);

	if (w->out >= 0)
		close(w->out);
	w->out = -1;
	return e;
}

static enum err
send_sealed(struct ipc *to, const struct ipc_msg *m, enum err result,
    const char *why, struct pgp_work *w)
{
	struct buf payload;
	enum err e;

	pgp_log_result(m, result, why);
	buf_init(&payload, LIMIT_IPC_INLINE);
	e = proto_failure_pack(result, why, &payload);
	if (e == ERR_OK)
		e = pgp_send_answer(
		    to, PROTO_PGP_SEALED, m->id, buf_span(&payload), w);
	buf_clear(&payload);
	return e;
}

static enum err
on_seal(struct pgp *p, struct ipc *to, struct ipc_msg *m)
{
	struct err_why why = {""};
	struct span *certs = NULL;
	struct pgp_work w;
	size_t n = 0;
	enum err result = pgp_work_begin(&w, m, &why);

	if (result == ERR_OK)
		result = unpack_certs(m->payload, &certs, &n, &why);
	if (result == ERR_OK)
		result = crypto_pgp_seal(
		    p->engine, certs, n, w.in.data, w.out, &why);
	p->hung = result == ERR_TIMEOUT;
	result = work_end(&w, result, &why);
	free(certs);
	return send_sealed(to, m, result, why.text, &w);
}

static enum err
on_inspect(struct pgp *p, struct ipc *to, struct ipc_msg *m)
{
	struct crypto_pgp_list list = {0};
	struct err_why why = {""};
	struct packer pack;
	struct buf payload;
	enum err result =
	    crypto_pgp_inspect(p->engine, m->payload, &list, &why);
	enum err e;

	pgp_log_result(m, result, why.text);
	p->hung = result == ERR_TIMEOUT;
	buf_init(&payload, LIMIT_IPC_PAYLOAD);
	pack_begin(&pack, &payload);
	pack_u32(&pack, result);
	pack_str(&pack, why.text);
	crypto_pgp_list_pack(&pack, &list);
	e = pack_end(&pack);
	if (e == ERR_OK)
		e = ipc_send(to, PROTO_PGP_INSPECTED, m->id, buf_span(&payload),
		    NULL, 0);
	buf_clear(&payload);
	crypto_pgp_list_clear(&list);
	return e;
}

/* --- with a secret key --- */

/* Read keys' answer: the secret key, mapped, or why it may not be had. */
static enum err
read_secret(
    const struct ipc_msg *m, int fd, struct memfd_map *out, struct err_why *why)
{
	struct arena *arena = arena_new(ANSWER_MEMORY);
	enum err result = ERR_IPC, e;
	const char *text;

	e = proto_failure_unpack(m->payload, arena, &result, &text);
	if (e == ERR_OK && result != ERR_OK)
		e = err_why(why, result, "%s", text);
	if (e == ERR_OK)
		e = fd < 0 ? ERR_IPC : memfd_map(fd, LIMIT_KEY_SIZE, out);
	arena_free(arena);
	return e;
}

enum err
pgp_fetch_secret(struct pgp *p, uint16_t type, uint64_t message,
    struct span fpr, struct memfd_map *out, struct err_why *why)
{
	struct ipc *ch = role_channel(p->role, ROLE_KEYS, 0);
	struct pollfd wait = {.events = POLLIN};
	struct packer pack;
	struct ipc_msg m;
	struct buf b;
	int fd;
	enum err e;

	if (ch == NULL &&
	    role_wait_peer(p->role, ROLE_KEYS, 0, KEYS_MS) == ERR_OK)
		ch = role_channel(p->role, ROLE_KEYS, 0);
	if (ch == NULL) {
		p->renew = true;
		return err_why(why, ERR_CRASHED, "keys is not there");
	}
	buf_init(&b, LIMIT_IPC_INLINE);
	pack_begin(&pack, &b);
	pack_span(&pack, fpr);
	e = pack_end(&pack);
	if (e == ERR_OK)
		e = ipc_send(ch, type, message, buf_span(&b), NULL, 0);
	buf_clear(&b);
	wait.fd = ipc_fd(ch);
	if (e == ERR_OK && poll(&wait, 1, KEYS_MS) != 1)
		e = ERR_BUSY;
	if (e == ERR_OK)
		e = ipc_recv(ch, &m);
	if (e != ERR_OK) {
		/* a late answer must not be taken for the next one; of a peer
		   that lives there is another channel only for who begins
		   anew */
		role_drop(p->role, ch);
		p->renew = e != ERR_CLOSED;
		return err_why(why, ERR_CRASHED, "keys did not answer");
	}
	fd = ipc_msg_take_fd(&m, 0);
	e = m.type == PROTO_PGP_SECRET && m.id == message
		? read_secret(&m, fd, out, why)
		: ERR_IPC;
	if (fd >= 0)
		close(fd);
	ipc_msg_clear(&m);
	if (e == ERR_IPC) {
		role_drop(p->role, ch);
		p->renew = true;
	}
	return e;
}

/* What a request with a secret key is about. */
struct signing {
	struct pgp_work w;
	struct arena *arena;
	struct proto_pgp_sign request;
	struct memfd_map secret;
	struct crypto_pgp_signer signer;
};

static enum err
signing_begin(
    struct pgp *p, struct signing *s, struct ipc_msg *m, struct err_why *why)
{
	enum err e = pgp_work_begin(&s->w, m, why);

	s->arena = arena_new(REQUEST_MEMORY);
	s->secret = (struct memfd_map){0};
	if (e == ERR_OK)
		e = proto_pgp_sign_unpack(m->payload, s->arena, &s->request);
	if (e == ERR_OK)
		e = pgp_fetch_secret(p, PROTO_PGP_SECRET_GET, m->id,
		    s->request.fpr, &s->secret, why);
	s->signer = (struct crypto_pgp_signer){
	    .fpr = s->request.fpr, .secret = s->secret.data};
	return e;
}

static enum err
signing_end(struct signing *s, enum err e, struct err_why *why)
{
	/* the last reference to it: the pages are the kernel's again */
	memfd_unmap(&s->secret);
	arena_free(s->arena);
	return work_end(&s->w, e, why);
}

static enum err
on_sign(struct pgp *p, struct ipc *to, struct ipc_msg *m)
{
	char micalg[CRYPTO_PGP_MICALG] = "";
	struct err_why why = {""};
	struct signing s = {0};
	struct proto_pgp_signed answer;
	struct buf payload;
	enum err result = signing_begin(p, &s, m, &why), e;

	if (result == ERR_OK && s.request.n_certs != 0)
		result = ERR_IPC;
	if (result == ERR_OK)
		result = crypto_pgp_sign(
		    p->engine, &s.signer, s.w.in.data, s.w.out, micalg, &why);
	p->hung = result == ERR_TIMEOUT;
	result = signing_end(&s, result, &why);
	pgp_log_result(m, result, why.text);
	answer = (struct proto_pgp_signed){
	    result, why.text, result == ERR_OK ? micalg : ""};
	buf_init(&payload, LIMIT_IPC_INLINE);
	e = proto_pgp_signed_pack(&answer, &payload);
	if (e == ERR_OK)
		e = pgp_send_answer(
		    to, PROTO_PGP_SIGNED, m->id, buf_span(&payload), &s.w);
	buf_clear(&payload);
	return e;
}

static enum err
on_seal_sign(struct pgp *p, struct ipc *to, struct ipc_msg *m)
{
	struct err_why why = {""};
	struct signing s = {0};
	enum err result = signing_begin(p, &s, m, &why);

	if (result == ERR_OK)
		result = crypto_pgp_seal_sign(p->engine, s.request.cert,
		    s.request.n_certs, &s.signer, s.w.in.data, s.w.out, &why);
	p->hung = result == ERR_TIMEOUT;
	result = signing_end(&s, result, &why);
	return send_sealed(to, m, result, why.text, &s.w);
}

static enum err
serve(struct pgp *p, struct role_peer *from, struct ipc_msg *m)
{
	switch (m->type) {
	case PROTO_PGP_SEAL:
		return on_seal(p, from->ch, m);
	case PROTO_PGP_SIGN:
		return on_sign(p, from->ch, m);
	case PROTO_PGP_SEAL_SIGN:
		return on_seal_sign(p, from->ch, m);
	case PROTO_PGP_INSPECT:
		return on_inspect(p, from->ch, m);
	case PROTO_PGP_OPEN:
		return pgp_on_open(p, from->ch, m);
	case PROTO_PGP_VERIFY:
		return pgp_on_verify(p, from->ch, m);
	}
	log_event(LOG_LVL_ERR, NULL, "message",
	    KV_STR("from", role_name(from->id)), KV_NUM("type", m->type),
	    KV_ERR(ERR_IPC));
	return ERR_IPC;
}

static struct crypto_pgp *
open_engine(struct role *r, const char *gpg, unsigned timeout_ms)
{
	struct crypto_pgp *engine = NULL;
	struct err_why why = {""};
	char home[512];

	snprintf(home, sizeof(home), "%s/%u", role_conf(r)->paths.pgp,
	    role_index(r));
	if (crypto_pgp_open(home, gpg, timeout_ms, &engine, &why) != ERR_OK)
		role_refuse(r, "OpenPGP: %s", why.text);
	return engine;
}

int
pgp_serve(struct role *r, const char *gpg, unsigned timeout_ms)
{
	struct pgp p = {.role = r};
	struct role_peer from;
	struct ipc_msg m;

	gpg_group_take_sigterm();
	p.engine = open_engine(r, gpg, timeout_ms);
	role_ready(r);
	while (!p.hung && !p.renew && role_next(r, &from, &m) == ERR_OK) {
		if (serve(&p, &from, &m) != ERR_OK)
			role_drop(r, from.ch);
		ipc_msg_clear(&m);
	}
	if (p.hung)
		gpg_group_end();
	crypto_pgp_close(p.engine);
	return EXIT_SUCCESS;
}

int
pgp_main(struct role *r)
{
	gpg_group_begin(r);
	role_confine(r);
	return pgp_serve(r, NULL, role_conf(r)->limits.engine_ms);
}
