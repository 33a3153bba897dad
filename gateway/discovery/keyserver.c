/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What VKS and HKP have in common: a list of servers, one GET, keys or 404.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/limits.h"
#include "gateway/discovery/source.h"
#include "net/fetch.h"

struct question {
	struct discovery_env *env;
	const struct conf_source *conf;
	char path[DISCOVERY_URL_MAX];
	size_t server; /* that is being asked */
	struct net_fetch *fetch;
	discovery_done *done;
	void *arg;
	struct discovery_outcome out;
};

static enum err fetch(struct question *q);

static void
on_fetched(void *arg, const struct net_fetch_result *r)
{
	struct question *q = arg;
	struct discovery_outcome *o = &q->out;

	q->fetch = NULL;
	snprintf(o->url, sizeof(o->url), "%s", r->url);
	o->why = r->why;
	if (r->err == ERR_OK) {
		o->status = discovery_http_status(r->status);
		(void)!err_why(
		    &o->why, ERR_NO_KEY, "the key server says %ld", r->status);
	}
	if (o->status == PROTO_ANSWER_FAILED && ++q->server < q->conf->n_url &&
	    fetch(q) == ERR_OK)
		return;
	o->reached = o->status != PROTO_ANSWER_FAILED;
	if (o->status == PROTO_ANSWER_FOUND) {
		o->why.text[0] = '\0';
		o->found[0] = (struct discovery_found){
		    .octets = r->body, .openpgp = true};
		o->n = 1;
	}
	q->done(q->arg, o);
	free(q);
}

static enum err
fetch(struct question *q)
{
	char url[DISCOVERY_URL_MAX];
	struct net_fetch_request req = {.url = url,
	    .max = LIMIT_KEY_SIZE,
	    .timeout_ms = (unsigned)q->conf->timeout_ms};
	int n = snprintf(
	    url, sizeof(url), "%s%s", q->conf->url[q->server], q->path);

	if (n < 0 || (size_t)n >= sizeof(url))
		return ERR_TOO_BIG;
	q->fetch = net_fetch_start(q->env->fetcher, &req, on_fetched, q);
	return q->fetch == NULL ? ERR_NOMEM : ERR_OK;
}

void *
discovery_keyserver_ask(struct discovery_env *env,
    const struct conf_source *conf, const char *path, discovery_done *done,
    void *arg)
{
	struct question *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	*q = (struct question){
	    .env = env, .conf = conf, .done = done, .arg = arg};
	snprintf(q->path, sizeof(q->path), "%s", path);
	if (conf->n_url > 0 && fetch(q) == ERR_OK)
		return q;
	free(q);
	return NULL;
}

void
discovery_keyserver_cancel(void *question)
{
	struct question *q = question;

	net_fetch_cancel(q->fetch);
	free(q);
}
