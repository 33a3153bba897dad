/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The process that runs gpg. It knows no keys of its own: what is sealed to
 * comes with the request and leaves with it. One request at a time; a gpg that
 * hangs costs the request, and this process with it.
 *
 * User: users.pgp. Behind its walls it can execute gpg, gpgconf, gpgsm and
 * gpg-agent, write to its home, and open sockets to nobody but them
 * (gateway/sandbox_table.c). Kept small: GPGME forks it twice per request.
 *
 * Takes PROTO_PGP_SEAL and PROTO_PGP_INSPECT, from any peer.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/log.h"
#include "common/memfd.h"
#include "common/pack.h"
#include "crypto/openpgp.h"
#include "crypto/openpgp_pack.h"
#include "gateway/conf.h"
#include "gateway/pgp/pgp_private.h"
#include "gateway/proto.h"
#include "gateway/role.h"

struct pgp {
	struct role *role;
	struct crypto_pgp *engine;
	bool hung; /* a gpg may still be there: end, and begin anew */
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

/* Seal what the request's descriptor holds; *fd_out is a sealed memfd. */
static enum err
seal(struct pgp *p, struct ipc_msg *m, int *fd_out, struct err_why *why)
{
	struct memfd_map in = {0};
	struct span *certs = NULL;
	struct buf out;
	size_t n = 0;
	int fd = ipc_msg_take_fd(m, 0);
	enum err e;

	buf_init(&out, LIMIT_IPC_PAYLOAD);
	e = fd < 0 ? err_why(why, ERR_IPC, "a request without a message")
		   : memfd_map(fd, LIMIT_IPC_PAYLOAD, &in);
	if (fd >= 0)
		close(fd);
	if (e == ERR_OK)
		e = unpack_certs(m->payload, &certs, &n, why);
	if (e == ERR_OK)
		e = crypto_pgp_seal(p->engine, certs, n, in.data, &out, why);
	if (e == ERR_OK)
		e = memfd_from(buf_span(&out), fd_out);
	if (e != ERR_OK && why->text[0] == '\0')
		err_why(why, e, "%s", err_text(e));
	free(certs);
	memfd_unmap(&in);
	buf_clear(&out);
	return e;
}

static void
log_result(const struct ipc_msg *m, enum err e, const char *why)
{
	if (e == ERR_OK)
		log_event(LOG_LVL_DEBUG, NULL, proto_name(m->type),
		    KV_NUM("request", m->id));
	else
		log_event(LOG_LVL_ERR, NULL, proto_name(m->type),
		    KV_NUM("request", m->id), KV_ERR(e), KV_STR("why", why));
}

static enum err
on_seal(struct pgp *p, struct ipc *to, struct ipc_msg *m)
{
	struct err_why why = {""};
	struct buf payload;
	int fd = -1;
	enum err result = seal(p, m, &fd, &why), e;

	log_result(m, result, why.text);
	p->hung = result == ERR_TIMEOUT;
	buf_init(&payload, LIMIT_IPC_INLINE);
	e = proto_failure_pack(result, why.text, &payload);
	if (e == ERR_OK)
		e = ipc_send(to, PROTO_PGP_SEALED, m->id, buf_span(&payload),
		    &fd, fd >= 0 ? 1 : 0);
	if (fd >= 0)
		close(fd);
	buf_clear(&payload);
	return e;
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

	log_result(m, result, why.text);
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

static enum err
serve(struct pgp *p, struct role_peer *from, struct ipc_msg *m)
{
	switch (m->type) {
	case PROTO_PGP_SEAL:
		return on_seal(p, from->ch, m);
	case PROTO_PGP_INSPECT:
		return on_inspect(p, from->ch, m);
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

/* A gpg that hangs ignores that its pipes are closed. It is in our process
   group and in nobody else's; the supervisor starts us again. */
static void
end_group(void)
{
	log_event(LOG_LVL_WARN, NULL, "gpg-hangs",
	    KV_STR("action", "killed, this process starts anew"));
	if (getpgrp() == getpid())
		kill(0, SIGKILL);
}

int
pgp_serve(struct role *r, const char *gpg, unsigned timeout_ms)
{
	struct pgp p = {.role = r};
	struct role_peer from;
	struct ipc_msg m;

	p.engine = open_engine(r, gpg, timeout_ms);
	role_ready(r);
	while (!p.hung && role_next(r, &from, &m) == ERR_OK) {
		if (serve(&p, &from, &m) != ERR_OK)
			role_drop(r, from.ch);
		ipc_msg_clear(&m);
	}
	if (p.hung)
		end_group();
	crypto_pgp_close(p.engine);
	return EXIT_SUCCESS;
}

int
pgp_main(struct role *r)
{
	if (getpgrp() != getpid() && setpgid(0, 0) != 0)
		role_refuse(r, "no process group of its own");
	role_confine(r);
	return pgp_serve(r, NULL, LIMIT_PGP_MS);
}
