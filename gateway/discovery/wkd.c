/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Web Key Directory (draft-koch-openpgp-webkey-service-21): the advanced method
 * on openpgpkey.DOMAIN and, only where that host does not exist, the direct one
 * on DOMAIN itself. A host that exists and fails is a failure: whoever could
 * silence it would else choose where keys come from.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "common/limits.h"
#include "common/text.h"
#include "gateway/discovery/source.h"
#include "net/fetch.h"

struct question {
	struct discovery_env *env;
	const struct discovery_addr *addr;
	bool direct;
	struct net_fetch *fetch;
	discovery_done *done;
	void *arg;
	struct discovery_outcome out;
};

enum err
discovery_wkd_url(const struct discovery_addr *addr, unsigned port,
    bool advanced, char *out, size_t out_size)
{
	uint8_t digest[DIGEST_SHA1_SIZE];
	char hash[8 * DIGEST_SHA1_SIZE / 5 + 2], local[3 * 256];
	char at[16] = "";
	int n;

	/* ASCII letters are in lower case already (section 3.1) */
	digest_sha1(span_str(addr->local), digest);
	text_zbase32(SPAN(digest, sizeof(digest)), hash);
	if (text_url_escape(span_str(addr->local), local, sizeof(local)) !=
	    ERR_OK)
		return ERR_TOO_BIG;
	if (port != 443)
		snprintf(at, sizeof(at), ":%u", port);
	if (advanced)
		n = snprintf(out, out_size,
		    "https://openpgpkey.%s%s/.well-known/openpgpkey/%s/hu/%s"
		    "?l=%s",
		    addr->domain, at, addr->domain, hash, local);
	else
		n = snprintf(out, out_size,
		    "https://%s%s/.well-known/openpgpkey/hu/%s?l=%s",
		    addr->domain, at, hash, local);
	return n < 0 || (size_t)n >= out_size ? ERR_TOO_BIG : ERR_OK;
}

enum proto_answer_status
discovery_http_status(long status)
{
	if (status == 200)
		return PROTO_ANSWER_FOUND;
	/* 408, 425, 429 ask to come again */
	if (status / 100 == 4 && status != 408 && status != 425 &&
	    status != 429)
		return PROTO_ANSWER_ABSENT;
	return PROTO_ANSWER_FAILED;
}

static enum err fetch(struct question *q);

static void
finish(struct question *q)
{
	q->done(q->arg, &q->out);
	free(q);
}

static void
take(struct question *q, const struct net_fetch_result *r)
{
	struct discovery_outcome *o = &q->out;

	snprintf(o->url, sizeof(o->url), "%s", r->url);
	o->why = r->why;
	if (r->err == ERR_NO_HOST) {
		/* proven or not, the name servers say that nobody is there */
		o->status = PROTO_ANSWER_ABSENT;
		o->reached = true;
		return;
	}
	if (r->err != ERR_OK)
		return;
	o->status = discovery_http_status(r->status);
	o->reached = o->status != PROTO_ANSWER_FAILED;
	if (o->status == PROTO_ANSWER_FOUND) {
		o->found[0] = (struct discovery_found){
		    .octets = r->body, .openpgp = true};
		o->n = 1;
	} else {
		(void)!err_why(
		    &o->why, ERR_NO_KEY, "the web server says %ld", r->status);
	}
}

static void
on_fetched(void *arg, const struct net_fetch_result *r)
{
	struct question *q = arg;

	q->fetch = NULL;
	if (r->err == ERR_NO_HOST && !q->direct) {
		q->direct = true;
		if (fetch(q) == ERR_OK)
			return;
		(void)!err_why(
		    &q->out.why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	} else {
		take(q, r);
	}
	finish(q);
}

static enum err
fetch(struct question *q)
{
	const struct conf_source *c = &q->env->conf->discovery.wkd;
	char url[DISCOVERY_URL_MAX];
	struct net_fetch_request req = {.url = url,
	    .site = q->addr->domain,
	    .max = LIMIT_KEY_SIZE,
	    .timeout_ms = (unsigned)c->timeout_ms};
	enum err e =
	    discovery_wkd_url(q->addr, c->port, !q->direct, url, sizeof(url));

	if (e == ERR_OK)
		q->fetch =
		    net_fetch_start(q->env->fetcher, &req, on_fetched, q);
	return e == ERR_OK && q->fetch == NULL ? ERR_NOMEM : e;
}

static void *
start(struct discovery_env *env, const struct discovery_addr *addr,
    discovery_done *done, void *arg)
{
	struct question *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	*q = (struct question){
	    .env = env, .addr = addr, .done = done, .arg = arg};
	if (fetch(q) == ERR_OK)
		return q;
	free(q);
	return NULL;
}

static void
cancel(void *question)
{
	struct question *q = question;

	net_fetch_cancel(q->fetch);
	free(q);
}

const struct discovery_source discovery_wkd = {KS_SOURCE_WKD, start, cancel};
