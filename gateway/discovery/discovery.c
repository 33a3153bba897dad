/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The discovery process: asks the configured sources for keys of an address
 * and reports what each answered. It may reach the network, holds no key and
 * can write nothing; what it fetched is read by admission, and what an answer
 * means is keystore/'s.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/digest.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/pack.h"
#include "common/secret.h"
#include "common/text.h"
#include "gateway/conf.h"
#include "gateway/discovery/groups.h"
#include "gateway/discovery/lookup.h"
#include "gateway/discovery/measures.h"
#include "gateway/discovery/recipients.h"
#include "gateway/discovery/report.h"
#include "gateway/discovery/revocation.h"
#include "gateway/discovery/sts.h"
#include "gateway/password.h"
#include "gateway/proto.h"
#include "gateway/role.h"
#include "mime/addr.h"
#include "net/dns.h"
#include "net/fetch.h"
#include "net/ldap.h"

enum {
	ARENA_MAX = 1024 * 1024,
	ASKERS = 4, /* listener, store, control, admission */
	/* milliseconds that `sealgate key lookup` may take */
	SHOW_MS = 50000,
};

static const struct discovery_source *const sources[] = {
    &discovery_wkd,
    &discovery_dane,
    &discovery_vks,
    &discovery_hkp,
    &discovery_ldap,
    NULL,
};

struct discovery;

/* A process that asks. */
struct asker {
	struct discovery *d;
	enum role_id id;
	struct ipc *ch;
	struct question *questions;
};

/* One look-up for it. */
struct question {
	struct asker *asker;
	struct question *next, **prev;
	uint64_t id;
	struct discovery_waiter *waiter;
};

struct discovery {
	struct role *role;
	struct loop *loop;
	struct arena *arena;
	struct discovery_env env;
	struct net_range *allow;
	struct discovery_lookups *lookups;
	struct discovery_revocations *revocations;
	struct discovery_policies *policies;
	struct discovery_groups *groups;
	struct discovery_reports *reports;
	struct discovery_recipients *recipients;
	struct asker asker[ASKERS];
};

/* --- answers --- */

static void
end_question(struct question *q)
{
	*q->prev = q->next;
	if (q->next != NULL)
		q->next->prev = q->prev;
	free(q);
}

static void
answer(void *arg, const struct discovery_report *r)
{
	struct question *q = arg;
	struct proto_answer said[DISCOVERY_SOURCES];
	struct proto_answers m = {
	    .key = r->key, .complete = r->complete, .answer = said};
	struct packer p;
	struct buf b;

	for (; m.n < r->n; m.n++)
		said[m.n] = discovery_said(&r->answer[m.n]);
	buf_init(&b, LIMIT_IPC_INLINE);
	pack_begin(&p, &b);
	proto_answers_pack(&p, &m);
	if (pack_end(&p) != ERR_OK ||
	    ipc_post(q->asker->ch, PROTO_ANSWERS, q->id, buf_span(&b), NULL,
		0) != ERR_OK)
		log_event(
		    LOG_LVL_WARN, NULL, "answer-lost", KV_STR("rcpt", r->key));
	buf_clear(&b);
	end_question(q);
}

/* Text from outside; what is not UTF-8 is escaped first. */
static json_t *
text_json(const char *text)
{
	char plain[1024];
	json_t *j = json_string(text == NULL ? "" : text);

	if (j != NULL)
		return j;
	text_escape(span_str(text), plain, sizeof(plain));
	return json_string(plain);
}

static json_t *
told_json(const struct discovery_told *t)
{
	static const char *const fate[] = {
	    [PROTO_FATE_REFUSED] = "refused",
	    [PROTO_FATE_WAITS] = "waits for approval",
	    [PROTO_FATE_KEPT] = "kept",
	    [PROTO_FATE_FAILED] = "failed",
	};
	json_t *j = json_object();

	json_object_set_new(j, "fingerprint", text_json(t->fpr));
	json_object_set_new(j, "what", text_json(t->what));
	json_object_set_new(j, "result", json_string(fate[t->fate]));
	json_object_set_new(j, "why", text_json(t->why));
	return j;
}

static json_t *
answer_json(const struct discovery_answer *a)
{
	static const char *const status[] = {
	    [PROTO_ANSWER_FAILED] = "failed",
	    [PROTO_ANSWER_ABSENT] = "absent",
	    [PROTO_ANSWER_FOUND] = "found",
	};
	json_t *j = json_object(), *keys = json_array();

	json_object_set_new(
	    j, "source", json_string(ks_source_name(a->source)));
	json_object_set_new(j, "answer", json_string(status[a->status]));
	json_object_set_new(j, "url", text_json(a->url));
	json_object_set_new(j, "why", text_json(a->why));
	json_object_set_new(j, "cached", json_boolean(a->cached));
	json_object_set_new(j, "domain_failed", json_boolean(a->domain_failed));
	for (size_t i = 0; i < a->n_told; i++)
		json_array_append_new(keys, told_json(&a->told[i]));
	json_object_set_new(j, "keys", keys);
	return j;
}

static void
post_json(struct question *q, json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT);

	if (text == NULL || ipc_post(q->asker->ch, PROTO_ANSWER, q->id,
				span_str(text), NULL, 0) != ERR_OK)
		log_event(LOG_LVL_WARN, NULL, "answer-lost",
		    KV_NUM("request", q->id));
	free(text);
	json_decref(j);
	end_question(q);
}

static void
show(void *arg, const struct discovery_report *r)
{
	json_t *j = json_object(), *list = json_array();

	json_object_set_new(j, "ok", json_true());
	json_object_set_new(j, "address", text_json(r->key));
	json_object_set_new(j, "complete", json_boolean(r->complete));
	for (size_t i = 0; i < r->n; i++)
		json_array_append_new(list, answer_json(&r->answer[i]));
	json_object_set_new(j, "sources", list);
	post_json(arg, j);
}

/* --- questions --- */

static struct question *
new_question(struct asker *a, uint64_t id)
{
	struct question *q = calloc(1, sizeof(*q));

	if (q == NULL)
		fatal("out of memory");
	*q = (struct question){
	    .asker = a, .id = id, .next = a->questions, .prev = &a->questions};
	if (q->next != NULL)
		q->next->prev = &q->next;
	a->questions = q;
	return q;
}

static void
begin(struct question *q, const char *key, uint64_t budget_ms, bool fresh,
    discovery_report_fn *cb)
{
	struct discovery_lookups *l = q->asker->d->lookups;
	struct discovery_waiter *w =
	    discovery_lookup(l, key, budget_ms, fresh, cb, q);

	if (w != NULL) /* else it has been answered, and q is gone */
		q->waiter = w;
}

static void
on_lookup(struct asker *a, struct ipc_msg *m)
{
	struct unpacker u;
	uint32_t budget_ms;
	const char *key;

	unpack_begin(&u, m->payload);
	budget_ms = unpack_u32(&u);
	key = unpack_str(&u, a->d->arena);
	if (unpack_end(&u) != ERR_OK)
		return; /* the asker's own limit answers */
	begin(new_question(a, m->id), key, budget_ms, false, answer);
}

static void
on_recipient(struct asker *a, struct ipc_msg *m)
{
	struct unpacker u;
	const char *key;

	unpack_begin(&u, m->payload);
	key = unpack_str(&u, a->d->arena);
	if (unpack_end(&u) == ERR_OK)
		discovery_recipients_ask(a->d->recipients, a->ch, m->id, key);
}

static void
refuse(struct question *q, enum err e, const char *text)
{
	post_json(q, json_pack("{s:b, s:s, s:s}", "ok", false, "err",
			 err_name(e), "text", text));
}

/* {"verb": "discovery-metrics"}: {"ok": true, "text": "..."} */
static void
tell_metrics(struct question *q)
{
	const struct discovery *d = q->asker->d;
	struct buf text;
	enum err e;

	buf_init(&text, LIMIT_IPC_PAYLOAD / 2);
	e = discovery_measures_print(discovery_lookups_measures(d->lookups),
	    &d->env.conf->discovery, &text);
	if (e == ERR_OK)
		post_json(q, json_pack("{s:b, s:s%}", "ok", true, "text",
				 (const char *)text.data, text.len));
	else
		refuse(q, e, err_text(e));
	buf_clear(&text);
}

/* {"verb": "key lookup", "address": "..."} */
static void
on_request(struct asker *a, struct ipc_msg *m)
{
	struct question *q = new_question(a, m->id);
	json_t *j = json_loadb((const char *)m->payload.data, m->payload.len,
	    JSON_REJECT_DUPLICATES, NULL);
	const char *text = json_string_value(json_object_get(j, "address"));
	const char *verb = json_string_value(json_object_get(j, "verb"));
	struct err_why why = {""};
	struct mime_addr addr;

	if (verb != NULL && strcmp(verb, "discovery-metrics") == 0)
		tell_metrics(q);
	else if (text == NULL)
		refuse(q, ERR_USAGE, "no address");
	else if (mime_addr_parse(span_str(text), MIME_ADDR_UTF8, a->d->arena,
		     &addr, &why) != ERR_OK)
		refuse(q, ERR_ADDR_SYNTAX, why.text);
	else
		begin(q, addr.key, SHOW_MS, true, show);
	json_decref(j);
}

/* --- the other processes --- */

static void
on_msg(void *arg, struct ipc_msg *m)
{
	struct asker *a = arg;

	if (m->type == PROTO_LOOKUP &&
	    (a->id == ROLE_LISTENER || a->id == ROLE_STORE))
		on_lookup(a, m);
	else if (m->type == PROTO_DIRECTORY_ASK && a->id == ROLE_LISTENER)
		on_recipient(a, m);
	else if (m->type == PROTO_REQUEST && a->id == ROLE_CONTROL)
		on_request(a, m);
	else if (m->type == PROTO_REVOCATION_FETCH && a->id == ROLE_STORE)
		discovery_revocations_fetch(a->d->revocations, m->payload);
	else if (m->type == PROTO_STS_FETCH && a->id == ROLE_STORE)
		discovery_policies_fetch(
		    a->d->policies, m->id, m->payload, a->d->arena);
	else if (m->type == PROTO_TLS_POST && a->id == ROLE_STORE)
		discovery_reports_post(
		    a->d->reports, m->id, m->payload, a->d->arena);
	else if (m->type == PROTO_PROPOSED && a->id == ROLE_ADMISSION)
		discovery_lookups_proposed(a->d->lookups, m->id, m->payload);
	else
		log_event(LOG_LVL_ERR, NULL, "unexpected-message",
		    KV_STR("from", role_name(a->id)),
		    KV_STR("type", proto_name(m->type)));
	arena_reset(a->d->arena);
}

static void
tell_lookups(struct asker *a)
{
	struct discovery *d = a->d;

	if (a->id == ROLE_STORE) {
		discovery_lookups_store(d->lookups, a->ch);
		discovery_revocations_store(d->revocations, a->ch);
		discovery_policies_store(d->policies, a->ch);
		discovery_groups_store(d->groups, a->ch);
		discovery_reports_store(d->reports, a->ch);
	}
	if (a->id == ROLE_ADMISSION) {
		discovery_lookups_admission(d->lookups, a->ch);
		discovery_revocations_admission(d->revocations, a->ch);
	}
}

static void
on_close(void *arg)
{
	struct asker *a = arg;
	struct question *q;

	while ((q = a->questions) != NULL) {
		discovery_waiter_cancel(q->waiter);
		end_question(q);
	}
	if (a->id == ROLE_LISTENER)
		discovery_recipients_reset(a->d->recipients);
	ipc_free(a->ch);
	a->ch = NULL;
	tell_lookups(a);
}

static void
on_peer(void *arg, enum role_id id, unsigned index, struct ipc *ch)
{
	static const struct ipc_events events = {on_msg, on_close};
	struct discovery *d = arg;

	(void)index;
	for (size_t i = 0; i < ASKERS; i++) {
		struct asker *a = &d->asker[i];

		if (a->id != id)
			continue;
		if (a->ch != NULL)
			on_close(a);
		a->ch = ch;
		ipc_attach(ch, d->loop, &events, a);
		tell_lookups(a);
		return;
	}
	ipc_free(ch);
}

static void
on_stop(void *arg)
{
	struct discovery *d = arg;

	loop_stop(d->loop);
}

/* --- what it works with --- */

static enum err
set_guard(struct discovery *d)
{
	const struct conf_discovery *c = &role_conf(d->role)->discovery;

	free(d->allow);
	d->env.guard = (struct net_guard){NULL, 0};
	d->allow = calloc(c->n_allow + 1, sizeof(*d->allow));
	if (d->allow == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < c->n_allow; i++) {
		d->allow[i].family = c->allow[i].family;
		d->allow[i].prefix = c->allow[i].prefix;
		memcpy(d->allow[i].addr, c->allow[i].addr,
		    sizeof(d->allow[i].addr));
	}
	d->env.guard = (struct net_guard){d->allow, c->n_allow};
	return ERR_OK;
}

static enum err
open_dns(struct discovery *d, struct err_why *why)
{
	const struct conf *c = role_conf(d->role);
	const struct sockaddr **servers =
	    calloc(c->n_resolver + 1, sizeof(*servers));
	enum err e = ERR_NOMEM;

	for (size_t i = 0; servers != NULL && i < c->n_resolver; i++)
		servers[i] = (const void *)&c->resolver[i].sa;
	if (servers != NULL)
		e = net_dns_new(d->loop, servers, c->n_resolver,
		    c->dnssec_anchors, &d->env.dns, why);
	free(servers);
	return e;
}

/* Without it the directory is asked, and says that it wants one. */
static void
read_password_of_directory(struct discovery *d)
{
	const char *path = d->env.conf->discovery.ldap.password_file;
	int fd = role_take_fd(d->role, ROLE_FD_PASSWORD, 0);
	struct err_why why = {""};

	secret_free(d->env.ldap_password);
	d->env.ldap_password = NULL;
	if (path != NULL &&
	    password_read(fd, path, &d->env.ldap_password, &why) != ERR_OK)
		log_event(
		    LOG_LVL_ERR, NULL, "directory", KV_STR("why", why.text));
	if (fd >= 0)
		close(fd);
}

static void
on_conf(void *arg)
{
	struct discovery *d = arg;

	/* what is under way looks into the old configuration */
	discovery_lookups_reset(d->lookups);
	discovery_revocations_reset(d->revocations);
	discovery_policies_reset(d->policies);
	discovery_reports_reset(d->reports);
	d->env.conf = role_conf(d->role);
	if (set_guard(d) != ERR_OK)
		fatal("out of memory");
	read_password_of_directory(d);
	discovery_groups_reset(d->groups);
	discovery_recipients_reset(d->recipients);
}

static void
open_all(struct discovery *d)
{
	struct err_why why = {""};

	d->env.loop = d->loop;
	d->env.conf = role_conf(d->role);
	d->env.sources = sources;
	digest_init();
	net_ldap_init();
	if (open_dns(d, &why) != ERR_OK)
		role_refuse(d->role, "%s", why.text);
	if (set_guard(d) != ERR_OK ||
	    net_fetcher_new(d->loop, d->env.dns, &d->env.guard,
		d->env.conf->discovery.ca_file, &d->env.fetcher) != ERR_OK)
		role_refuse(d->role, "HTTPS cannot be set up");
	read_password_of_directory(d);
	d->arena = arena_new(ARENA_MAX);
	d->lookups = discovery_lookups_new(&d->env);
	d->revocations = discovery_revocations_new(&d->env);
	d->policies = discovery_policies_new(&d->env);
	d->groups = discovery_groups_new(&d->env);
	d->reports = discovery_reports_new(&d->env);
	d->recipients = discovery_recipients_new(&d->env);
	if (d->arena == NULL || d->lookups == NULL)
		fatal("out of memory");
}

int
discovery_main(struct role *r)
{
	static const struct role_events events = {
	    .on_peer = on_peer, .on_stop = on_stop, .on_conf = on_conf};
	struct discovery d = {.role = r,
	    .loop = loop_new(),
	    .asker = {{.id = ROLE_LISTENER}, {.id = ROLE_STORE},
		{.id = ROLE_CONTROL}, {.id = ROLE_ADMISSION}}};

	for (size_t i = 0; i < ASKERS; i++)
		d.asker[i].d = &d;
	open_all(&d);
	role_attach(r, d.loop, &events, &d);
	role_confine(r);
	role_ready(r);
	loop_run(d.loop);
	for (size_t i = 0; i < ASKERS; i++)
		if (d.asker[i].ch != NULL)
			on_close(&d.asker[i]);
	discovery_revocations_free(d.revocations);
	discovery_policies_free(d.policies);
	discovery_groups_free(d.groups);
	discovery_reports_free(d.reports);
	discovery_recipients_free(d.recipients);
	discovery_lookups_free(d.lookups);
	net_fetcher_free(d.env.fetcher);
	net_dns_free(d.env.dns);
	secret_free(d.env.ldap_password);
	free(d.allow);
	arena_free(d.arena);
	return 0;
}
