/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * From the URLs of `discovery ldap` to a question on a connection: the host is
 * found, its address checked, the next server asked when one fails.
 */
#include "gateway/discovery/directory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/loop.h"
#include "gateway/discovery/source.h"
#include "net/host.h"

enum { HOST_MAX = 256 };

struct discovery_directory {
	struct discovery_env *env;
	const struct conf_source *conf;
	struct net_ldap_request ask;
	char host[HOST_MAX];
	size_t server; /* that is being asked */
	struct net_host_query *where;
	struct net_ldap *query;
	struct loop_timer *deadline; /* for finding the host */
	discovery_directory_done *done;
	void *arg;
};

static enum err ask(struct discovery_directory *q);

void
discovery_directory_cancel(struct discovery_directory *q)
{
	if (q == NULL)
		return;
	net_host_cancel(q->where);
	net_ldap_cancel(q->query);
	loop_timer_free(q->deadline);
	free(q);
}

static void
end(struct discovery_directory *q, size_t server,
    const struct net_ldap_result *r)
{
	q->done(q->arg, r, q->conf->url[server], q->ask.tls == NET_LDAP_PLAIN);
	discovery_directory_cancel(q);
}

/* This server has failed: the next one, or nobody. */
static void
failed(struct discovery_directory *q, enum err e, const char *text)
{
	struct net_ldap_result r = {.err = e};

	(void)!err_why(&r.why, e, "%s", text);
	while (++q->server < q->conf->n_url)
		if (ask(q) == ERR_OK)
			return;
	end(q, q->conf->n_url - 1, &r);
}

static void
on_values(void *arg, const struct net_ldap_result *r)
{
	struct discovery_directory *q = arg;

	q->query = NULL;
	if (r->err != ERR_OK)
		failed(q, r->err, r->why.text);
	else
		end(q, q->server, r);
}

static void
on_host(void *arg, const struct net_host *h)
{
	struct discovery_directory *q = arg;

	q->where = NULL;
	loop_timer_stop(q->deadline);
	if (h->err != ERR_OK) {
		failed(q, h->err,
		    h->err == ERR_PERMISSION
			? "its address is not allowed (option allow)"
			: err_text(h->err));
		return;
	}
	q->ask.at = h;
	q->query = net_ldap_start(q->env->loop, &q->ask, on_values, q);
	if (q->query == NULL)
		failed(q, ERR_BUSY, "too many questions at once");
}

static void
on_deadline(void *arg)
{
	struct discovery_directory *q = arg;

	net_host_cancel(q->where);
	q->where = NULL;
	failed(q, ERR_TIMEOUT, "the name servers did not answer in time");
}

/* "ldaps://host:port" as the configuration has checked it. */
static void
read_url(struct discovery_directory *q)
{
	const char *p = q->conf->url[q->server], *host_end, *colon;
	bool tls = strncmp(p, "ldaps:", 6) == 0;

	q->ask.tls = tls		 ? NET_LDAP_TLS
		     : q->conf->starttls ? NET_LDAP_STARTTLS
					 : NET_LDAP_PLAIN;
	q->ask.port = tls ? 636 : 389;
	p = strstr(p, "://") + 3;
	if (*p == '[') {
		host_end = strchr(++p, ']');
		if (host_end == NULL)
			host_end = p + strlen(p);
		colon = *host_end == ']' ? host_end + 1 : host_end;
	} else {
		host_end = p + strcspn(p, ":");
		colon = host_end;
	}
	snprintf(q->host, sizeof(q->host), "%.*s", (int)(host_end - p), p);
	if (*colon == ':')
		q->ask.port = (uint16_t)strtoul(colon + 1, NULL, 10);
}

static enum err
ask(struct discovery_directory *q)
{
	read_url(q);
	loop_timer_start(q->deadline, q->conf->timeout_ms, 0);
	q->where = net_host_find(q->env->loop, q->env->dns, &q->env->guard,
	    q->host, q->ask.port, on_host, q);
	return q->where == NULL ? ERR_NOMEM : ERR_OK;
}

struct discovery_directory *
discovery_directory_ask(struct discovery_env *env,
    const struct net_ldap_request *what, discovery_directory_done *done,
    void *arg)
{
	struct discovery_directory *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	*q = (struct discovery_directory){.env = env,
	    .conf = &env->conf->discovery.ldap,
	    .ask = *what,
	    .done = done,
	    .arg = arg};
	q->ask.host = q->host;
	q->ask.ca_file = env->conf->discovery.ca_file;
	q->ask.bind_dn = q->conf->bind_dn;
	q->ask.password = env->ldap_password;
	q->deadline = loop_timer_new(env->loop, on_deadline, q);
	if (q->conf->n_url > 0 && ask(q) == ERR_OK)
		return q;
	discovery_directory_cancel(q);
	return NULL;
}
