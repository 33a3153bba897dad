/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Directories: certificates (RFC 4523, RFC 2798 section 2.8) and OpenPGP keys
 * (the attribute pgpKey of key servers on LDAP). One server after the other is
 * asked until one answers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/loop.h"
#include "gateway/discovery/source.h"
#include "net/host.h"
#include "net/ldap.h"

enum { HOST_MAX = 256 };

static const struct {
	const char *name;
	bool openpgp;
} attrs[] = {
    {"userCertificate;binary", false},
    {"userCertificate", false},
    {"userSMIMECertificate;binary", false},
    {"userSMIMECertificate", false},
    {"pgpKey", true},
};

struct question {
	struct discovery_env *env;
	const struct conf_source *conf;
	char filter[NET_LDAP_TEXT];
	char host[HOST_MAX];
	uint16_t port;
	enum net_ldap_tls tls;
	size_t server; /* that is being asked */
	struct net_host_query *where;
	struct net_ldap *query;
	struct loop_timer *deadline; /* for finding the host */
	discovery_done *done;
	void *arg;
	struct discovery_outcome out;
};

static enum err ask(struct question *q);

static void
cancel(void *question)
{
	struct question *q = question;

	net_host_cancel(q->where);
	net_ldap_cancel(q->query);
	loop_timer_free(q->deadline);
	free(q);
}

/* This server has failed: the next one, or nobody. */
static void
failed(struct question *q, enum err e, const char *text)
{
	(void)!err_why(&q->out.why, e, "%s", text);
	while (++q->server < q->conf->n_url)
		if (ask(q) == ERR_OK)
			return;
	q->done(q->arg, &q->out);
	cancel(q);
}

static void
on_values(void *arg, const struct net_ldap_result *r)
{
	struct question *q = arg;
	struct discovery_outcome *o = &q->out;

	q->query = NULL;
	if (r->err != ERR_OK) {
		failed(q, r->err, r->why.text);
		return;
	}
	o->why.text[0] = '\0';
	o->reached = true;
	o->plain = q->tls == NET_LDAP_PLAIN;
	for (size_t i = 0; i < r->n && o->n < DISCOVERY_FOUND_MAX; i++)
		o->found[o->n++] =
		    (struct discovery_found){.octets = r->value[i].octets,
			.openpgp = attrs[r->value[i].attr].openpgp};
	o->status = o->n > 0 ? PROTO_ANSWER_FOUND : PROTO_ANSWER_ABSENT;
	q->done(q->arg, o);
	cancel(q);
}

static void
on_host(void *arg, const struct net_host *h)
{
	struct question *q = arg;
	struct net_ldap_request req = {.host = q->host,
	    .port = q->port,
	    .at = h,
	    .tls = q->tls,
	    .ca_file = q->env->conf->discovery.ca_file,
	    .bind_dn = q->conf->bind_dn,
	    .password = q->env->ldap_password,
	    .base = q->conf->base,
	    .filter = q->filter,
	    .max = LIMIT_KEY_SIZE,
	    .timeout_ms = (unsigned)q->conf->timeout_ms};

	q->where = NULL;
	loop_timer_stop(q->deadline);
	if (h->err != ERR_OK) {
		failed(q, h->err,
		    h->err == ERR_PERMISSION
			? "its address is not allowed (option allow)"
			: err_text(h->err));
		return;
	}
	for (size_t i = 0; i < sizeof(attrs) / sizeof(attrs[0]); i++)
		req.attrs[i] = attrs[i].name;
	q->query = net_ldap_start(q->env->loop, &req, on_values, q);
	if (q->query == NULL)
		failed(q, ERR_BUSY, "too many questions at once");
}

static void
on_deadline(void *arg)
{
	struct question *q = arg;

	net_host_cancel(q->where);
	q->where = NULL;
	failed(q, ERR_TIMEOUT, "the name servers did not answer in time");
}

/* "ldaps://host:port" as the configuration has checked it. */
static void
read_url(struct question *q)
{
	const char *p = q->conf->url[q->server], *end, *colon;
	bool tls = strncmp(p, "ldaps:", 6) == 0;

	q->tls = tls		     ? NET_LDAP_TLS
		 : q->conf->starttls ? NET_LDAP_STARTTLS
				     : NET_LDAP_PLAIN;
	q->port = tls ? 636 : 389;
	p = strstr(p, "://") + 3;
	if (*p == '[') {
		end = strchr(++p, ']');
		if (end == NULL)
			end = p + strlen(p);
		colon = *end == ']' ? end + 1 : end;
	} else {
		end = p + strcspn(p, ":");
		colon = end;
	}
	snprintf(q->host, sizeof(q->host), "%.*s", (int)(end - p), p);
	if (*colon == ':')
		q->port = (uint16_t)strtoul(colon + 1, NULL, 10);
}

static enum err
ask(struct question *q)
{
	snprintf(q->out.url, sizeof(q->out.url), "%s", q->conf->url[q->server]);
	read_url(q);
	loop_timer_start(q->deadline, q->conf->timeout_ms, 0);
	q->where = net_host_find(q->env->loop, q->env->dns, &q->env->guard,
	    q->host, q->port, on_host, q);
	return q->where == NULL ? ERR_NOMEM : ERR_OK;
}

/* The filter with the address in it, which cannot end its own place. */
static enum err
make_filter(struct question *q, const char *key)
{
	const char *place = strstr(q->conf->filter, "%s");
	struct buf b;
	enum err e;

	buf_init(&b, sizeof(q->filter) - 1);
	e = buf_put(
	    &b, SPAN(q->conf->filter, (size_t)(place - q->conf->filter)));
	if (e == ERR_OK)
		e = net_ldap_escape(span_str(key), &b);
	if (e == ERR_OK)
		e = buf_puts(&b, place + 2);
	if (e == ERR_OK)
		memcpy(q->filter, b.data, b.len);
	buf_clear(&b);
	return e;
}

static void *
start(struct discovery_env *env, const struct discovery_addr *addr,
    discovery_done *done, void *arg)
{
	struct question *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	*q = (struct question){.env = env,
	    .conf = &env->conf->discovery.ldap,
	    .done = done,
	    .arg = arg};
	q->deadline = loop_timer_new(env->loop, on_deadline, q);
	if (q->conf->n_url > 0 && make_filter(q, addr->key) == ERR_OK &&
	    ask(q) == ERR_OK)
		return q;
	cancel(q);
	return NULL;
}

const struct discovery_source discovery_ldap = {KS_SOURCE_LDAP, start, cancel};
