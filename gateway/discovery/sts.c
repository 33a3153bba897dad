/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * RFC 8461 3.3: over HTTPS with a certificate for mta-sts.DOMAIN, no redirect,
 * as text/plain, 64 KiB at most. Everything else is no policy, and says so;
 * ERR_NOT_FOUND and ERR_TOO_BIG when the domain's own server did.
 */
#include "gateway/discovery/sts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ipc.h"
#include "common/log.h"
#include "gateway/discovery/source.h"
#include "gateway/proto.h"
#include "gateway/proto_tls.h"
#include "net/fetch.h"
#include "net/sts.h"

enum { AT_ONCE = 64 };

struct fetch {
	struct discovery_policies *all;
	struct fetch *next, **prev;
	struct net_fetch *under_way;
	uint64_t id;
	char domain[NET_DNS_NAME_MAX];
};

struct discovery_policies {
	struct discovery_env *env;
	struct ipc *store;
	struct fetch *first;
	size_t n;
};

struct discovery_policies *
discovery_policies_new(struct discovery_env *env)
{
	struct discovery_policies *p = calloc(1, sizeof(*p));

	if (p == NULL)
		fatal("out of memory");
	p->env = env;
	return p;
}

static void
end(struct fetch *f)
{
	*f->prev = f->next;
	if (f->next != NULL)
		f->next->prev = f->prev;
	f->all->n--;
	free(f);
}

void
discovery_policies_reset(struct discovery_policies *p)
{
	while (p->first != NULL) {
		net_fetch_cancel(p->first->under_way);
		end(p->first);
	}
}

void
discovery_policies_free(struct discovery_policies *p)
{
	if (p == NULL)
		return;
	discovery_policies_reset(p);
	free(p);
}

void
discovery_policies_store(struct discovery_policies *p, struct ipc *store)
{
	p->store = store;
}

static void
tell(struct discovery_policies *p, uint64_t id, const struct proto_sts *m)
{
	struct buf b;

	if (m->err != ERR_OK)
		log_event(LOG_LVL_NOTICE, NULL, "sts-not-fetched",
		    KV_STR("domain", m->domain), KV_STR("why", m->why));
	if (p->store == NULL)
		return;
	buf_init(&b, LIMIT_IPC_PAYLOAD);
	if (proto_sts_pack(m, &b) != ERR_OK ||
	    ipc_post(p->store, PROTO_STS_FETCHED, id, buf_span(&b), NULL, 0) !=
		ERR_OK)
		log_event(
		    LOG_LVL_ERR, NULL, "sts-lost", KV_STR("domain", m->domain));
	buf_clear(&b);
}

static void
tell_failure(struct discovery_policies *p, uint64_t id, const char *domain,
    enum err e, const char *why)
{
	const struct proto_sts m = {
	    .domain = domain, .err = e, .why = why, .policy = {.id = ""}};

	tell(p, id, &m);
}

static void
tell_policy(struct fetch *f, const struct net_sts *sts)
{
	const char *mx[NET_STS_MX_MAX];
	const struct proto_sts m = {.domain = f->domain,
	    .err = ERR_OK,
	    .why = "",
	    .policy = {.mode = (uint8_t)sts->mode,
		.id = "",
		.max_age_s = sts->max_age_s,
		.mx = mx,
		.n_mx = (uint32_t)sts->n}};

	for (size_t i = 0; i < sts->n; i++)
		mx[i] = sts->mx[i];
	tell(f->all, f->id, &m);
}

/* "text/plain", with or without parameters. */
static bool
is_plain(const char *type)
{
	struct span all = span_str(type);
	size_t end = span_find_chr(all, 0, ';');

	return span_caseeq_str(span_trim(SPAN(all.data, end)), "text/plain");
}

/* RFC 9110 15.5.9, 15.6, RFC 6585 4, RFC 8470 5.2: another time it may be
   there. */
static bool
is_passing(long status)
{
	return status >= 500 || status == 408 || status == 425 || status == 429;
}

static enum err
read_answer(
    const struct net_fetch_result *r, struct net_sts *sts, struct err_why *why)
{
	if (r->err != ERR_OK)
		return err_why(why, r->err, "%s",
		    r->why.text[0] != '\0' ? r->why.text : err_text(r->err));
	if (r->status != 200)
		return err_why(why,
		    is_passing(r->status) ? ERR_AGAIN : ERR_NOT_FOUND,
		    "the web server of the policy answered %ld", r->status);
	if (!is_plain(r->type))
		return err_why(why, ERR_NOT_FOUND,
		    "the policy is not of the type text/plain");
	return net_sts_parse(r->body, sts, why);
}

static void
on_fetched(void *arg, const struct net_fetch_result *r)
{
	struct fetch *f = arg;
	struct net_sts *sts = calloc(1, sizeof(*sts));
	struct err_why why = {""};
	enum err e = sts == NULL ? ERR_NOMEM : read_answer(r, sts, &why);

	f->under_way = NULL;
	if (e == ERR_OK)
		tell_policy(f, sts);
	else
		tell_failure(f->all, f->id, f->domain, e,
		    why.text[0] != '\0' ? why.text : err_text(e));
	free(sts);
	end(f);
}

static void
start(struct discovery_policies *p, uint64_t id, const char *domain)
{
	const struct conf_source *c = &p->env->conf->discovery.sts;
	char url[NET_FETCH_URL_MAX];
	const struct net_fetch_request req = {.url = url,
	    .max = NET_STS_POLICY_MAX,
	    .timeout_ms = (unsigned)c->timeout_ms,
	    .direct = true};
	struct fetch *f = calloc(1, sizeof(*f));

	if (f == NULL)
		fatal("out of memory");
	f->all = p;
	f->id = id;
	f->next = p->first;
	f->prev = &p->first;
	if (f->next != NULL)
		f->next->prev = &f->next;
	p->first = f;
	p->n++;
	snprintf(f->domain, sizeof(f->domain), "%s", domain);
	snprintf(url, sizeof(url),
	    "https://mta-sts.%s:%u/.well-known/mta-sts.txt", f->domain,
	    c->port);
	f->under_way = net_fetch_start(p->env->fetcher, &req, on_fetched, f);
	if (f->under_way != NULL)
		return;
	tell_failure(p, id, f->domain, ERR_NOMEM, "too little memory");
	end(f);
}

void
discovery_policies_fetch(struct discovery_policies *p, uint64_t id,
    struct span payload, struct arena *a)
{
	struct proto_sts_want m;

	if (proto_sts_want_unpack(payload, a, &m) != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "sts-fetch", KV_ERR(ERR_IPC));
	else if (p->n >= AT_ONCE)
		tell_failure(
		    p, id, m.domain, ERR_AGAIN, "too many are fetched now");
	else
		start(p, id, m.domain);
}
