/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A few questions at once, for each is a thread; the rest wait in their order
 * for as long as the listener does. A base that is not there says nothing of
 * anybody: somebody has misspelt it, or the directory is empty.
 */
#include "gateway/discovery/recipients.h"

#include <stdlib.h>
#include <string.h>

#include "common/ipc.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/pack.h"
#include "gateway/discovery/directory.h"
#include "gateway/discovery/source.h"
#include "gateway/proto.h"

enum {
	AT_ONCE = 8,	/* threads; the rest of them are for keys */
	WAITING = 1000, /* recipients of one message */
	VALUES_MAX = 64 * 1024,
};

struct question {
	struct discovery_recipients *all;
	struct question *next;
	struct ipc *to;
	uint64_t id;
	struct discovery_directory *asked; /* NULL: it waits */
	char key[LIMIT_ADDRESS + 1];
	char filter[NET_LDAP_TEXT];
};

struct discovery_recipients {
	struct discovery_env *env;
	struct question *first, **last;
	unsigned n, n_asked;
};

struct discovery_recipients *
discovery_recipients_new(struct discovery_env *env)
{
	struct discovery_recipients *r = calloc(1, sizeof(*r));

	if (r == NULL)
		fatal("out of memory");
	r->env = env;
	r->last = &r->first;
	return r;
}

static void
drop(struct question *q)
{
	struct discovery_recipients *r = q->all;
	struct question **at = &r->first;

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	if (r->last == &q->next)
		r->last = at;
	r->n--;
	free(q);
}

void
discovery_recipients_reset(struct discovery_recipients *r)
{
	while (r->first != NULL) {
		discovery_directory_cancel(r->first->asked);
		drop(r->first);
	}
	r->n_asked = 0;
}

void
discovery_recipients_free(struct discovery_recipients *r)
{
	if (r != NULL)
		discovery_recipients_reset(r);
	free(r);
}

static void
say(struct ipc *to, uint64_t id, enum proto_verdict verdict)
{
	uint8_t octet = (uint8_t)verdict;

	/* who does not hear it asks somebody else, or says 451 */
	(void)!ipc_post(to, PROTO_DIRECTORY_IS, id, SPAN(&octet, 1), NULL, 0);
}

static void ask_next(struct discovery_recipients *r);

static void
on_values(
    void *arg, const struct net_ldap_result *res, const char *url, bool plain)
{
	struct question *q = arg;
	struct discovery_recipients *r = q->all;
	enum proto_verdict verdict = PROTO_UNKNOWN;

	(void)plain;
	if (res->err == ERR_OK && !res->no_base)
		verdict = res->entries > 0 ? PROTO_YES : PROTO_NO;
	else
		log_event(LOG_LVL_WARN, NULL, "recipient-unknown",
		    KV_STR("url", url),
		    KV_STR("why",
			res->no_base ? "there is no such base" : res->why.text),
		    KV_ERR(res->err));
	say(q->to, q->id, verdict);
	r->n_asked--;
	drop(q);
	ask_next(r);
}

enum err
discovery_recipients_filter(
    const char *filter, const char *key, struct buf *out)
{
	const char *place;
	enum err e = ERR_OK;

	while (e == ERR_OK && (place = strstr(filter, "%s")) != NULL) {
		e = buf_put(out, SPAN(filter, (size_t)(place - filter)));
		if (e == ERR_OK)
			e = net_ldap_escape(span_str(key), out);
		filter = place + 2;
	}
	return e == ERR_OK ? buf_puts(out, filter) : e;
}

static enum err
fill(struct question *q, const struct conf_source *c)
{
	struct buf b;
	enum err e;

	buf_init(&b, sizeof(q->filter) - 1);
	e = discovery_recipients_filter(c->recipient_filter, q->key, &b);
	if (e == ERR_OK)
		memcpy(q->filter, b.data, b.len);
	buf_clear(&b);
	return e;
}

/* Attributes are not asked for: that it is found is the answer. */
static bool
ask(struct question *q)
{
	const struct conf_source *c = &q->all->env->conf->discovery.ldap;
	const struct net_ldap_request what = {.base = c->base,
	    .filter = q->filter,
	    .attrs = {"1.1"},
	    .max = VALUES_MAX,
	    .timeout_ms = (unsigned)c->timeout_ms};

	if (fill(q, c) == ERR_OK)
		q->asked =
		    discovery_directory_ask(q->all->env, &what, on_values, q);
	return q->asked != NULL;
}

static struct question *
find_waiting(const struct discovery_recipients *r)
{
	struct question *q = r->first;

	while (q != NULL && q->asked != NULL)
		q = q->next;
	return q;
}

static void
ask_next(struct discovery_recipients *r)
{
	struct question *q;

	while (r->n_asked < AT_ONCE && (q = find_waiting(r)) != NULL) {
		if (ask(q)) {
			r->n_asked++;
			continue;
		}
		say(q->to, q->id, PROTO_UNKNOWN);
		drop(q);
	}
}

void
discovery_recipients_ask(struct discovery_recipients *r, struct ipc *to,
    uint64_t id, const char *key)
{
	struct question *q;

	if (r->n >= WAITING || strlen(key) > LIMIT_ADDRESS ||
	    r->env->conf->discovery.ldap.n_url == 0) {
		say(to, id, PROTO_UNKNOWN);
		return;
	}
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		fatal("out of memory");
	*q = (struct question){.all = r, .to = to, .id = id};
	memcpy(q->key, key, strlen(key));
	*r->last = q;
	r->last = &q->next;
	r->n++;
	ask_next(r);
}
