/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One request each; every answer of the class 2xx is a receipt.
 */
#include "gateway/discovery/report.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/ipc.h"
#include "common/log.h"
#include "common/pack.h"
#include "gateway/discovery/source.h"
#include "gateway/proto.h"
#include "gateway/proto_tls.h"
#include "net/fetch.h"

enum { AT_ONCE = 16, TIMEOUT_MS = 30 * 1000, ANSWER_MAX = 64 * 1024 };

struct post {
	struct discovery_reports *all;
	struct post *next, **prev;
	struct net_fetch *under_way;
	uint64_t id;
	struct buf body;
};

struct discovery_reports {
	struct discovery_env *env;
	struct ipc *store;
	struct post *first;
	size_t n;
};

struct discovery_reports *
discovery_reports_new(struct discovery_env *env)
{
	struct discovery_reports *p = calloc(1, sizeof(*p));

	if (p == NULL)
		fatal("out of memory");
	p->env = env;
	return p;
}

static void
end(struct post *q)
{
	*q->prev = q->next;
	if (q->next != NULL)
		q->next->prev = q->prev;
	q->all->n--;
	buf_clear(&q->body);
	free(q);
}

void
discovery_reports_reset(struct discovery_reports *p)
{
	while (p->first != NULL) {
		net_fetch_cancel(p->first->under_way);
		end(p->first);
	}
}

void
discovery_reports_free(struct discovery_reports *p)
{
	if (p == NULL)
		return;
	discovery_reports_reset(p);
	free(p);
}

void
discovery_reports_store(struct discovery_reports *p, struct ipc *store)
{
	p->store = store;
}

static void
tell(struct discovery_reports *p, uint64_t id, enum err e, const char *why)
{
	struct packer k;
	struct buf b;

	if (p->store == NULL)
		return;
	buf_init(&b, LIMIT_IPC_INLINE);
	pack_begin(&k, &b);
	pack_u32(&k, (uint32_t)e);
	pack_str(&k, why);
	if (pack_end(&k) == ERR_OK)
		/* store tries again what it does not hear */
		(void)!ipc_post(
		    p->store, PROTO_TLS_POSTED, id, buf_span(&b), NULL, 0);
	buf_clear(&b);
}

static void
on_answer(void *arg, const struct net_fetch_result *r)
{
	struct post *q = arg;
	char text[80];

	q->under_way = NULL;
	snprintf(text, sizeof(text), "the web server answered %ld", r->status);
	if (r->err != ERR_OK)
		tell(q->all, q->id, r->err,
		    r->why.text[0] != '\0' ? r->why.text : err_text(r->err));
	else
		tell(q->all, q->id,
		    r->status / 100 == 2 ? ERR_OK : ERR_PERMISSION, text);
	end(q);
}

static void
start(struct discovery_reports *p, uint64_t id, const struct proto_report *m)
{
	struct post *q = calloc(1, sizeof(*q));
	struct net_fetch_request req = {.url = m->url,
	    .max = ANSWER_MAX,
	    .timeout_ms = TIMEOUT_MS,
	    .direct = true,
	    .post_type = "application/tlsrpt+gzip"};

	if (q == NULL)
		fatal("out of memory");
	q->all = p;
	q->id = id;
	q->next = p->first;
	q->prev = &p->first;
	if (q->next != NULL)
		q->next->prev = &q->next;
	p->first = q;
	p->n++;
	buf_init(&q->body, LIMIT_IPC_PAYLOAD);
	if (buf_put(&q->body, m->body) == ERR_OK) {
		req.post = buf_span(&q->body);
		q->under_way =
		    net_fetch_start(p->env->fetcher, &req, on_answer, q);
	}
	if (q->under_way != NULL)
		return;
	tell(p, id, ERR_NOMEM, "too little memory");
	end(q);
}

void
discovery_reports_post(struct discovery_reports *p, uint64_t id,
    struct span payload, struct arena *a)
{
	struct proto_report m;

	if (proto_report_unpack(payload, a, &m) != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "tls-post", KV_ERR(ERR_IPC));
	else if (p->n >= AT_ONCE)
		tell(p, id, ERR_AGAIN, "too many are under way");
	else
		start(p, id, &m);
}
