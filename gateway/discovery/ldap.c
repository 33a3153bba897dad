/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Directories: certificates (RFC 4523, RFC 2798 section 2.8) and OpenPGP keys
 * (the attribute pgpKey of key servers on LDAP).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "gateway/discovery/directory.h"
#include "gateway/discovery/source.h"

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
	const struct conf_source *conf;
	char filter[NET_LDAP_TEXT];
	struct discovery_directory *asked;
	discovery_done *done;
	void *arg;
	struct discovery_outcome out;
};

static void
cancel(void *question)
{
	struct question *q = question;

	discovery_directory_cancel(q->asked);
	free(q);
}

static void
on_values(
    void *arg, const struct net_ldap_result *r, const char *url, bool plain)
{
	struct question *q = arg;
	struct discovery_outcome *o = &q->out;

	q->asked = NULL;
	snprintf(o->url, sizeof(o->url), "%s", url);
	if (r->err != ERR_OK) {
		(void)!err_why(&o->why, r->err, "%s", r->why.text);
	} else {
		o->reached = true;
		o->plain = plain;
		for (size_t i = 0; i < r->n && o->n < DISCOVERY_FOUND_MAX; i++)
			o->found[o->n++] = (struct discovery_found){
			    .octets = r->value[i].octets,
			    .openpgp = attrs[r->value[i].attr].openpgp};
		o->status = o->n > 0 ? PROTO_ANSWER_FOUND : PROTO_ANSWER_ABSENT;
	}
	q->done(q->arg, o);
	cancel(q);
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
	struct net_ldap_request ask = {.max = LIMIT_KEY_SIZE};

	if (q == NULL)
		return NULL;
	*q = (struct question){
	    .conf = &env->conf->discovery.ldap, .done = done, .arg = arg};
	ask.base = q->conf->base;
	ask.filter = q->filter;
	ask.timeout_ms = (unsigned)q->conf->timeout_ms;
	for (size_t i = 0; i < sizeof(attrs) / sizeof(attrs[0]); i++)
		ask.attrs[i] = attrs[i].name;
	if (make_filter(q, addr->key) == ERR_OK)
		q->asked = discovery_directory_ask(env, &ask, on_values, q);
	if (q->asked != NULL)
		return q;
	cancel(q);
	return NULL;
}

const struct discovery_source discovery_ldap = {KS_SOURCE_LDAP, start, cancel};
