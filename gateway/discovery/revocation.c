/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One fetch for each thing that store asks for. Plain HTTP is allowed here and
 * nowhere else: lists and answers are signed, and asking for them over TLS
 * would need certificates to check certificates. Nothing is parsed.
 */
#include "gateway/discovery/revocation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ipc.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/secret.h"
#include "gateway/discovery/source.h"
#include "gateway/proto.h"
#include "gateway/proto_revocation.h"
#include "net/fetch.h"

enum {
	CERTS_ROOM = (1 + PROTO_REVOCATION_OTHERS) * LIMIT_CERT_SIZE,
	NONCE = 16,
	AT_ONCE = 32,	    /* store asks for fewer */
	TIMEOUT_MS = 60000, /* of a list, which may be large */
	ANSWER_MS = 15000,  /* of an answer about one certificate */
	WHY_MAX = 256,
};

struct fetch {
	struct discovery_revocations *all;
	struct fetch *next, **prev;
	struct net_fetch *under_way;
	struct proto_revocation m; /* borrows from octets */
	struct buf octets;
	struct buf request; /* as it is sent, with its nonce */
	char url[LIMIT_REVOCATION_URL + 1];
};

struct discovery_revocations {
	struct discovery_env *env;
	struct ipc *store, *admission;
	struct fetch *first;
	size_t n;
};

struct discovery_revocations *
discovery_revocations_new(struct discovery_env *env)
{
	struct discovery_revocations *r = calloc(1, sizeof(*r));

	if (r == NULL)
		fatal("out of memory");
	r->env = env;
	return r;
}

static void
end(struct fetch *f)
{
	*f->prev = f->next;
	if (f->next != NULL)
		f->next->prev = f->prev;
	f->all->n--;
	buf_clear(&f->octets);
	buf_clear(&f->request);
	free(f);
}

void
discovery_revocations_reset(struct discovery_revocations *r)
{
	while (r->first != NULL) {
		net_fetch_cancel(r->first->under_way);
		end(r->first);
	}
}

void
discovery_revocations_free(struct discovery_revocations *r)
{
	if (r == NULL)
		return;
	discovery_revocations_reset(r);
	free(r);
}

void
discovery_revocations_admission(
    struct discovery_revocations *r, struct ipc *admission)
{
	r->admission = admission;
}

void
discovery_revocations_store(struct discovery_revocations *r, struct ipc *store)
{
	r->store = store;
}

/* Nothing came: store tries again later. */
static void
tell_failure(struct fetch *f, const char *why)
{
	struct proto_revocation_said said = {.good = false, .why = why};
	const struct ks_want *w = &f->m.want;
	struct buf b;

	log_event(LOG_LVL_NOTICE, NULL, "revocation-not-fetched",
	    KV_STR("url", f->url), KV_STR("why", why));
	if (f->all->store == NULL)
		return;
	ks_want_id(w->kind, w->issuer, w->url, w->serial, said.id);
	buf_init(&b, LIMIT_IPC_INLINE);
	if (proto_revocation_said_pack(&said, &b) == ERR_OK)
		(void)!ipc_post(f->all->store, PROTO_REVOCATION_SAID, 0,
		    buf_span(&b), NULL, 0);
	buf_clear(&b);
}

static enum err
pass_on(struct fetch *f, struct span body)
{
	struct ipc *admission = f->all->admission;
	struct buf b;
	enum err e;

	if (admission == NULL)
		return ERR_CRASHED;
	f->m.octets = body;
	if (f->request.len >= NONCE)
		f->m.nonce =
		    SPAN(f->request.data + f->request.len - NONCE, NONCE);
	buf_init(&b, LIMIT_CRL_SIZE + CERTS_ROOM + LIMIT_IPC_INLINE);
	e = proto_revocation_pack(&f->m, &b);
	if (e == ERR_OK)
		e = ipc_post(
		    admission, PROTO_REVOCATION_READ, 0, buf_span(&b), NULL, 0);
	buf_clear(&b);
	return e;
}

static void
on_fetched(void *arg, const struct net_fetch_result *r)
{
	struct fetch *f = arg;
	char why[WHY_MAX];
	enum err e = r->err;

	f->under_way = NULL;
	if (e != ERR_OK)
		snprintf(why, sizeof(why), "%s",
		    r->why.text[0] != '\0' ? r->why.text : err_text(e));
	else if (r->status != 200)
		snprintf(
		    why, sizeof(why), "the server answered %ld", r->status);
	else if ((e = pass_on(f, r->body)) != ERR_OK)
		snprintf(why, sizeof(why), "%s", err_text(e));
	if (e != ERR_OK || r->status != 200)
		tell_failure(f, why);
	end(f);
}

/* A fresh nonce at the end of the request, as who made it left room for. */
static enum err
make_request(struct fetch *f)
{
	struct span request = f->m.want.request;
	enum err e;

	if (f->m.want.kind != KS_WANT_ANSWER)
		return ERR_OK;
	if (request.len < NONCE)
		return ERR_IPC;
	e = buf_put(&f->request, request);
	if (e == ERR_OK)
		random_octets(f->request.data + request.len - NONCE, NONCE);
	return e;
}

static void
start(struct fetch *f)
{
	bool answer = f->m.want.kind == KS_WANT_ANSWER;
	struct net_fetch_request req = {.url = f->url,
	    .max = answer ? LIMIT_OCSP_SIZE : LIMIT_CRL_SIZE,
	    .timeout_ms = answer ? ANSWER_MS : TIMEOUT_MS,
	    .http = true,
	    .post = buf_span(&f->request),
	    .post_type = answer ? "application/ocsp-request" : NULL};

	f->under_way =
	    net_fetch_start(f->all->env->fetcher, &req, on_fetched, f);
	if (f->under_way != NULL)
		return;
	tell_failure(f, "too little memory");
	end(f);
}

void
discovery_revocations_fetch(
    struct discovery_revocations *r, struct span payload)
{
	struct fetch *f;
	enum err e;

	if (r->n >= AT_ONCE)
		return; /* store asks again */
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		fatal("out of memory");
	f->all = r;
	f->next = r->first;
	f->prev = &r->first;
	if (f->next != NULL)
		f->next->prev = &f->next;
	r->first = f;
	r->n++;
	buf_init(&f->octets, CERTS_ROOM + LIMIT_IPC_INLINE);
	buf_init(&f->request, LIMIT_IPC_INLINE);
	e = buf_put(&f->octets, payload);
	if (e == ERR_OK)
		e = proto_revocation_unpack(buf_span(&f->octets), &f->m);
	if (e == ERR_OK)
		e = make_request(f);
	if (e != ERR_OK) {
		log_event(LOG_LVL_ERR, NULL, "revocation", KV_ERR(e));
		end(f);
		return;
	}
	memcpy(f->url, f->m.want.url.data, f->m.want.url.len);
	f->url[f->m.want.url.len] = '\0';
	start(f);
}
