/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What an opener asks of keys and of its pgp process: to open, and to verify.
 * The id is that of the pending entry, for whose recipients alone private keys
 * are used.
 */
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "gateway/proto_open.h"
#include "gateway/worker/open_private.h"

static enum err
take_opened(struct job *j, struct ipc_msg *m, struct memfd_map *out,
    struct crypto_pgp_opened *result, struct err_why *why)
{
	struct proto_pgp_opened answer;
	int fd = ipc_msg_take_fd(m, 0);
	enum err e = proto_pgp_opened_unpack(m->payload, j->arena, &answer);

	if (e != ERR_OK)
		e = ERR_ENGINE;
	else if (answer.err != ERR_OK)
		e = err_why(why, answer.err, "%s", answer.why);
	else
		e = fd < 0 ? ERR_ENGINE
			   : memfd_map(fd, LIMIT_MESSAGE_SIZE_MAX, out);
	if (e == ERR_OK)
		*result = answer.result;
	if (fd >= 0)
		close(fd);
	return e;
}

enum err
peers_pgp_open(struct job *j, const struct open_pgp_ask *ask, int fd,
    struct memfd_map *out, struct crypto_pgp_opened *result,
    struct err_why *why)
{
	const struct proto_pgp_open m = {
	    .fpr = (struct span *)(uintptr_t)ask->fprs,
	    .n_fprs = (uint32_t)ask->n_fprs,
	    .cert = (struct span *)(uintptr_t)ask->certs,
	    .n_certs = (uint32_t)ask->n_certs,
	    .max = ask->max};
	struct ipc_msg in;
	struct buf b;
	enum err e;

	buf_init(&b, LIMIT_IPC_PAYLOAD);
	e = proto_pgp_open_pack(&m, &b);
	if (e == ERR_OK)
		e = peers_ask_pgp(j->w, PROTO_PGP_OPEN, j->replaces,
		    buf_span(&b), fd, PROTO_PGP_OPENED, &in);
	buf_clear(&b);
	if (e != ERR_OK)
		return e;
	e = take_opened(j, &in, out, result, why);
	ipc_msg_clear(&in);
	return e;
}

enum err
peers_pgp_verify(struct job *j, struct span signatures, int fd,
    const struct span *certs, size_t n_certs, struct crypto_pgp_sigs *out,
    struct err_why *why)
{
	const struct proto_pgp_verify m = {.signatures = signatures,
	    .cert = (struct span *)(uintptr_t)certs,
	    .n_certs = (uint32_t)n_certs};
	struct proto_pgp_verified answer;
	struct ipc_msg in;
	struct buf b;
	enum err e;

	buf_init(&b, LIMIT_IPC_PAYLOAD);
	e = proto_pgp_verify_pack(&m, &b);
	if (e == ERR_OK)
		e = peers_ask_pgp(j->w, PROTO_PGP_VERIFY, j->replaces,
		    buf_span(&b), fd, PROTO_PGP_VERIFIED, &in);
	buf_clear(&b);
	if (e != ERR_OK)
		return e;
	e = proto_pgp_verified_unpack(in.payload, j->arena, &answer);
	if (e != ERR_OK)
		e = ERR_ENGINE;
	else if (answer.err != ERR_OK)
		e = err_why(why, answer.err, "%s", answer.why);
	else
		*out = answer.sigs;
	ipc_msg_clear(&in);
	return e;
}
