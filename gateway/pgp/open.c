/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Opening and verifying for an opener. Secret keys come from keys, each for
 * this message alone; one that may not be had is no reason to give up: the
 * others may open it.
 */
#include <unistd.h>

#include "common/arena.h"
#include "common/limits.h"
#include "crypto/openpgp_open.h"
#include "gateway/pgp/pgp_private.h"
#include "gateway/proto.h"
#include "gateway/proto_open.h"

enum {
	REQUEST_MEMORY = 64 * 1024, /* certificates stay in the message */
	ANSWER_MAX = 32 * 1024,
};

struct opening {
	struct pgp_work w;
	struct arena *arena;
	struct proto_pgp_open request;
	struct memfd_map secret[CRYPTO_PGP_OPEN_KEYS];
	uint32_t place[CRYPTO_PGP_OPEN_KEYS]; /* among the fingerprints */
	struct crypto_pgp_open_ask ask;
};

/* Is it the key that keys refuses, or keys that does not answer? */
static bool
is_refusal(enum err e)
{
	return e == ERR_PERMISSION || e == ERR_NO_KEY || e == ERR_NOT_FOUND ||
	       e == ERR_BAD_SEAL;
}

static enum err
fetch_secrets(
    struct pgp *p, uint64_t message, struct opening *o, struct err_why *why)
{
	enum err refused = ERR_NO_KEY;

	for (uint32_t i = 0; i < o->request.n_fprs; i++) {
		size_t n = o->ask.n_secrets;
		enum err e = pgp_fetch_secret(p, PROTO_PGP_OPEN_SECRET_GET,
		    message, o->request.fpr[i], &o->secret[n], why);

		if (is_refusal(e)) {
			refused = e;
			continue;
		}
		if (e != ERR_OK)
			return e;
		o->ask.secret[n] = o->secret[n].data;
		o->place[n] = i;
		o->ask.n_secrets++;
	}
	return o->ask.n_secrets > 0
		   ? ERR_OK
		   : err_why(why, refused, "there is no key to open it with");
}

static enum err
open_begin(
    struct pgp *p, struct opening *o, struct ipc_msg *m, struct err_why *why)
{
	enum err e = pgp_work_begin(&o->w, m, why);

	if (e == ERR_OK)
		e = proto_pgp_open_unpack(m->payload, o->arena, &o->request);
	if (e == ERR_OK)
		e = fetch_secrets(p, m->id, o, why);
	o->ask.in = o->w.in.data;
	o->ask.certs = o->request.cert;
	o->ask.n_certs = o->request.n_certs;
	o->ask.max = o->request.max;
	return e;
}

/* What is wrong with a message is told to the opener, and to nobody's log; what
   is wrong here is. */
static void
log_ours(const struct ipc_msg *m, enum err e, const char *why)
{
	if (err_class(e) == ERR_CLASS_TEMP ||
	    err_class(e) == ERR_CLASS_INTERNAL || e == ERR_ENGINE)
		pgp_log_result(m, e, why);
}

static void
take_file(struct pgp_work *w, int fd)
{
	if (w->out >= 0)
		close(w->out);
	w->out = fd;
}

enum err
pgp_on_open(struct pgp *p, struct ipc *to, struct ipc_msg *m)
{
	struct opening o = {.arena = arena_new(REQUEST_MEMORY)};
	struct proto_pgp_opened answer = {0};
	struct err_why why = {""};
	struct buf payload;
	int fd = -1;
	enum err result = open_begin(p, &o, m, &why), e;

	if (result == ERR_OK)
		result = crypto_pgp_open_message(
		    p->engine, &o.ask, &fd, &answer.result, &why);
	if (result == ERR_OK)
		answer.result.secret = o.place[answer.result.secret];
	p->hung = result == ERR_TIMEOUT;
	/* the last references to them: the pages are the kernel's again */
	for (size_t i = 0; i < CRYPTO_PGP_OPEN_KEYS; i++)
		memfd_unmap(&o.secret[i]);
	memfd_unmap(&o.w.in);
	take_file(&o.w, fd);
	if (result != ERR_OK && why.text[0] == '\0')
		err_why(&why, result, "%s", err_text(result));
	log_ours(m, result, why.text);
	answer.err = result;
	answer.why = why.text;
	buf_init(&payload, ANSWER_MAX);
	e = proto_pgp_opened_pack(&answer, &payload);
	if (e == ERR_OK)
		e = pgp_send_answer(
		    to, PROTO_PGP_OPENED, m->id, buf_span(&payload), &o.w);
	buf_clear(&payload);
	arena_free(o.arena);
	return e;
}

enum err
pgp_on_verify(struct pgp *p, struct ipc *to, struct ipc_msg *m)
{
	struct arena *arena = arena_new(REQUEST_MEMORY);
	struct proto_pgp_verify request = {0};
	struct proto_pgp_verified answer = {0};
	struct err_why why = {""};
	struct pgp_work w;
	struct buf payload;
	enum err result = pgp_work_begin(&w, m, &why), e;

	if (result == ERR_OK)
		result = proto_pgp_verify_unpack(m->payload, arena, &request);
	if (result == ERR_OK)
		result =
		    crypto_pgp_verify(p->engine, request.signatures, w.in.data,
			request.cert, request.n_certs, &answer.sigs, &why);
	p->hung = result == ERR_TIMEOUT;
	memfd_unmap(&w.in);
	take_file(&w, -1);
	if (result != ERR_OK && why.text[0] == '\0')
		err_why(&why, result, "%s", err_text(result));
	log_ours(m, result, why.text);
	answer.err = result;
	answer.why = why.text;
	buf_init(&payload, ANSWER_MAX);
	e = proto_pgp_verified_pack(&answer, &payload);
	if (e == ERR_OK)
		e = pgp_send_answer(
		    to, PROTO_PGP_VERIFIED, m->id, buf_span(&payload), &w);
	buf_clear(&payload);
	arena_free(arena);
	return e;
}
