/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * From an entry to attempts at its destinations, and from their results back
 * to one result for store. An entry that is not ready never gets that far.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "gateway/relay/relay_private.h"

enum {
	ARENA_MAX = 16 * 1024 * 1024,
	RCPT_MAX = 100, /* in a transaction: RFC 5321 4.5.3.1.8 */
};

static struct relay_job **
find(struct relay *r, uint64_t id)
{
	struct relay_job **at = &r->jobs[id % RELAY_JOB_BUCKETS];

	while (*at != NULL && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

void
relay_job_free(struct relay_job *j)
{
	relay_sign_cancel(j->sign);
	if (j->file != NULL)
		munmap(j->file, j->file_size);
	memfd_unmap(&j->map);
	free(j->copy);
	arena_free(j->arena);
	free(j);
}

static void
remove_job(struct relay_job *j)
{
	struct relay *r = j->relay;
	struct relay_job **at = find(r, j->id);

	*at = j->next;
	r->n_jobs--;
	relay_job_free(j);
}

static void *
must(void *p)
{
	if (p == NULL)
		fatal("out of memory");
	return p;
}

/* --- results --- */

static const char *const outcome_names[] = {
    [PROTO_DEFERRED] = "deferred",
    [PROTO_DELIVERED] = "delivered",
    [PROTO_FAILED] = "failed",
    [PROTO_DROPPED] = "dropped",
};

static void
log_result(const struct relay_job *j, const struct relay_mail *m)
{
	const struct proto_rcpt_result *r;

	for (uint32_t i = 0; i < m->n_rcpt; i++) {
		r = &m->result[i];
		log_event(LOG_LVL_INFO, j->id_text, "deliver",
		    KV_STR("rcpt", relay_mail_rcpt(m, i)->addr),
		    KV_STR("result", outcome_names[r->outcome]),
		    KV_STR("peer", m->hop.peer), KV_STR("tls", m->hop.had),
		    KV_STR("protocol", m->hop.protocol),
		    KV_STR("cipher", m->hop.cipher), KV_NUM("code", r->code),
		    KV_STR("status", r->status), KV_STR("reply", r->text));
	}
}

static void
collect(const struct relay_job *j, struct proto_result *res)
{
	for (uint32_t i = 0; i < j->n_mails; i++) {
		const struct relay_mail *m = j->mail[i];

		for (uint32_t k = 0; k < m->n_rcpt; k++) {
			res->rcpt[res->n_rcpt] = m->result[k];
			res->rcpt[res->n_rcpt++].hop = i;
		}
		res->hop[res->n_hop++] = m->hop;
	}
}

/* What TLS was not to be had for, and is not to be told to the sender: it is
   dropped, or its twin goes on. */
static bool
give_up_tls(const struct relay_job *j, struct proto_rcpt_result *r)
{
	if (!r->tls || j->deliver.entry.after == ENTRY_AFTER_BOUNCE)
		return false;
	if (j->deliver.entry.after == ENTRY_AFTER_DROP)
		r->outcome = PROTO_DROPPED;
	return true;
}

/* The last try is over: what is only deferred has failed (RFC 3463 4.4.7). */
static void
give_up(const struct relay_job *j, struct proto_result *res)
{
	struct proto_rcpt_result *r;
	const char *text;

	for (uint32_t i = 0; j->deliver.give_up && i < res->n_rcpt; i++) {
		r = &res->rcpt[i];
		if (r->outcome != PROTO_DEFERRED || give_up_tls(j, r))
			continue;
		text = arena_printf(j->arena, "given up; last: %s", r->text);
		r->outcome = PROTO_FAILED;
		r->status = !r->tls ? "5.4.7"
			    : j->deliver.entry.require == ENTRY_REQUIRE_TLS
				? "5.7.30"
				: "5.7.5";
		r->text = text == NULL ? r->text : text;
	}
}

static void
tell(struct relay_job *j, struct proto_result *res)
{
	relay_bounce_quote(j, res);
	relay_tell_result(j->relay, j->id, res);
}

/* A transaction is over and others of the entry are not, which may take long:
   who has the message must not get it again whatever happens meanwhile. */
static void
tell_delivered(struct relay_job *j, const struct relay_mail *m)
{
	struct proto_result res = {.more = true};
	struct proto_hop hop = m->hop;

	res.rcpt = must(arena_array(j->arena, m->n_rcpt, sizeof(*res.rcpt)));
	for (uint32_t i = 0; i < m->n_rcpt; i++)
		if (m->result[i].outcome == PROTO_DELIVERED)
			res.rcpt[res.n_rcpt++] = m->result[i];
	res.hop = &hop;
	res.n_hop = 1;
	if (res.n_rcpt > 0)
		tell(j, &res);
}

static void
finish(struct relay_job *j)
{
	struct proto_result res = {0};

	res.rcpt =
	    must(arena_array(j->arena, j->deliver.n_open, sizeof(*res.rcpt)));
	res.hop = must(arena_array(j->arena, j->n_mails, sizeof(*res.hop)));
	collect(j, &res);
	give_up(j, &res);
	tell(j, &res);
	remove_job(j);
}

void
relay_on_settled(void *arg, struct relay_mail *m)
{
	struct relay_job *j = m->job;

	(void)arg;
	if (m->probe != NULL) {
		relay_probe_settled(m);
		return;
	}
	log_result(j, m);
	if (--j->pending == 0)
		finish(j);
	else
		tell_delivered(j, m);
}

/* --- from recipients to mails --- */

static struct relay_mail *
new_mail(struct relay_job *j)
{
	struct relay_mail *m = must(arena_alloc(j->arena, sizeof(*m)));

	m->job = j;
	m->id = j->id_text;
	m->entry = &j->deliver.entry;
	m->sealed = j->sealed;
	m->arena = j->arena;
	m->hop = proto_hop_none;
	m->result = must(arena_array(j->arena, RCPT_MAX, sizeof(*m->result)));
	m->settled = must(arena_array(j->arena, RCPT_MAX, sizeof(*m->settled)));
	m->by_rcpt = must(arena_array(j->arena, RCPT_MAX, sizeof(*m->by_rcpt)));
	j->mail[j->n_mails++] = m;
	return m;
}

static const char *
domain_of(const char *key)
{
	const char *at = strrchr(key, '@');

	return at == NULL ? "" : at + 1;
}

/* How the entry's recipient at this place leaves. */
static const struct conf_relay *
relay_conf(const struct relay_job *j, const struct entry_rcpt *rcpt)
{
	return j->deliver.entry.route == ENTRY_INBOUND
		   ? &j->relay->conf->inbound
		   : conf_relay_for(j->relay->conf, domain_of(rcpt->key));
}

static bool
same_hop(const struct relay_job *j, const struct relay_mail *m, uint32_t pos)
{
	const struct entry_rcpt *first = relay_mail_rcpt(m, 0);
	const struct entry_rcpt *r = &m->entry->rcpt[pos];
	const struct conf_relay *c = relay_conf(j, r);

	return m->n_rcpt < RCPT_MAX && relay_conf(j, first) == c &&
	       (c->kind != CONF_VIA_MX ||
		   strcmp(domain_of(first->key), domain_of(r->key)) == 0);
}

/* Recipients that share a next hop share a transaction. */
static void
group(struct relay_job *j)
{
	struct relay_mail *m;
	uint32_t pos;

	j->mail =
	    must(arena_array(j->arena, j->deliver.n_open, sizeof(*j->mail)));
	for (uint32_t i = 0; i < j->deliver.n_open; i++) {
		pos = j->deliver.open[i];
		m = NULL;
		for (uint32_t k = j->n_mails; k > 0 && m == NULL; k--)
			if (same_hop(j, j->mail[k - 1], pos))
				m = j->mail[k - 1];
		if (m == NULL)
			m = new_mail(j);
		m->result[m->n_rcpt++] = (struct proto_rcpt_result){
		    .rcpt = pos, .status = "", .text = ""};
	}
	j->pending = j->n_mails;
}

static void
target_of(const struct relay_job *j, const struct relay_mail *m,
    struct relay_target *out)
{
	const struct entry_rcpt *first = relay_mail_rcpt(m, 0);
	const struct entry *e = &j->deliver.entry;

	relay_target_fill(relay_conf(j, first), domain_of(first->key), e->tls,
	    e->route == ENTRY_OUTBOUND, out);
	/* RFC 8689 4.2.1: authenticated, to who promises the same */
	if (e->require == ENTRY_REQUIRE_TLS && e->route == ENTRY_OUTBOUND) {
		out->tls = ENTRY_TLS_AUTHENTICATED;
		out->require = true;
	}
	out->lax = e->require == ENTRY_REQUIRE_NO_TLS;
}

/* --- what cannot be begun --- */

static void
settle_all(struct relay_job *j, const char *status, const char *text)
{
	for (uint32_t i = 0; i < j->n_mails; i++)
		relay_mail_settle_rest(
		    j->mail[i], PROTO_DEFERRED, 0, status, text);
	for (uint32_t i = 0, n = j->n_mails; i < n; i++)
		relay_on_settled(NULL, j->mail[i]);
}

/* The reason why the entry must not be tried, with its status; NULL if it
   may. */
static const char *
obstacle(struct relay_job *j, const char **status)
{
	const struct entry *e = &j->deliver.entry;

	*status = "4.3.0";
	if (e->kind != ENTRY_READY) {
		log_event(LOG_LVL_CRIT, j->id_text, "not-ready",
		    KV_STR("kind", entry_kind_name(e->kind)));
		return "this entry is not ready for delivery";
	}
	if (j->sealed.len == 0) {
		log_event(LOG_LVL_CRIT, j->id_text, "no-body",
		    KV_STR("file", e->file));
		return "the stored message cannot be opened";
	}
	*status = "4.3.5";
	if (e->route == ENTRY_INBOUND && !j->relay->conf->inbound.present)
		return "no relay is configured for this direction";
	*status = "4.3.2";
	return j->relay->stopping ? "shutting down" : NULL;
}

static void
submit(struct relay_job *j)
{
	struct relay_target t;
	const struct conf_relay *c;
	struct relay_mail **mail;
	uint32_t n;

	/* the job may be gone after its last mail */
	mail = j->mail;
	n = j->n_mails;
	for (uint32_t i = 0; i < n; i++) {
		struct relay *r = j->relay;

		memcpy(mail[i]->dkim, j->dkim, sizeof(j->dkim));
		c = relay_conf(j, relay_mail_rcpt(mail[i], 0));
		mail[i]->xforward = c->xforward;
		mail[i]->xclient = c->xclient;
		target_of(j, mail[i], &t);
		relay_dests_submit(r->dests, &t, mail[i]);
	}
}

/* Without the signature that was asked for nothing leaves. */
static void
on_signed(struct relay_job *j, enum err e, const char *why)
{
	const char *status, *now = obstacle(j, &status);

	j->sign = NULL;
	if (e != ERR_OK)
		settle_all(j, "4.7.0", why);
	else if (now != NULL)
		settle_all(j, status, now);
	else if (j->relay->store == NULL)
		settle_all(j, "4.3.0", "the spool was not there");
	else
		submit(j);
}

void
relay_job_start(struct relay_job *j)
{
	const char *status, *why = obstacle(j, &status);

	j->started = true;
	group(j);
	if (why != NULL)
		settle_all(j, status, why);
	else if (relay_sign_wanted(j))
		j->sign = relay_sign_begin(j, on_signed);
	else
		submit(j);
}

void
relay_job_signed(struct relay *r, struct ipc_msg *m)
{
	struct relay_job *j = *find(r, m->id);

	if (j != NULL && j->sign != NULL)
		relay_sign_answer(j->sign, m->payload);
}

void
relay_jobs_unsigned(struct relay *r)
{
	for (unsigned b = 0; b < RELAY_JOB_BUCKETS; b++)
		for (struct relay_job *j = r->jobs[b]; j != NULL; j = j->next)
			if (j->sign != NULL)
				relay_sign_lost(j->sign);
}

/* --- taking it --- */

/* Keep the octets of the message: its map if it has one, else a copy. */
static struct span
keep_payload(struct relay_job *j, struct ipc_msg *m)
{
	if (m->map.base != NULL) {
		j->map = m->map;
		memset(&m->map, 0, sizeof(m->map));
		return m->payload;
	}
	j->copy = malloc(m->payload.len + 1);
	if (j->copy == NULL)
		fatal("out of memory");
	memcpy(j->copy, m->payload.data, m->payload.len);
	return SPAN(j->copy, m->payload.len);
}

static void
map_file(struct relay_job *j, int fd)
{
	struct stat st;
	void *p;

	if (fd < 0 || fstat(fd, &st) != 0 || st.st_size <= 0)
		return;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return;
	(void)madvise(p, (size_t)st.st_size, MADV_SEQUENTIAL);
	j->file = p;
	j->file_size = (size_t)st.st_size;
	j->sealed = SPAN(p, j->file_size);
}

static enum err
read_job(struct relay_job *j, struct ipc_msg *m)
{
	int fd = ipc_msg_take_fd(m, 0);
	enum err e =
	    proto_deliver_unpack(keep_payload(j, m), j->arena, &j->deliver);

	if (e == ERR_OK && j->deliver.entry.body.len > 0)
		j->sealed = j->deliver.entry.body;
	else if (e == ERR_OK)
		map_file(j, fd);
	if (fd >= 0)
		close(fd);
	return e;
}

void
relay_job_take(struct relay *r, struct ipc_msg *m)
{
	struct relay_job **at = find(r, m->id), *j;
	enum err e;

	if (*at != NULL)
		return;
	j = calloc(1, sizeof(*j));
	if (j == NULL)
		fatal("out of memory");
	j->relay = r;
	j->id = m->id;
	text_id(m->id, j->id_text);
	j->arena = arena_new(ARENA_MAX);
	e = read_job(j, m);
	if (e != ERR_OK) {
		log_event(LOG_LVL_CRIT, j->id_text, "bad-delivery", KV_ERR(e));
		relay_job_free(j);
		return;
	}
	if (relay_was_told(r, j)) {
		relay_job_free(j);
		return;
	}
	*at = j;
	r->n_jobs++;
	if (r->priv != NULL || r->stopping)
		relay_job_start(j);
}

void
relay_job_recall(struct relay *r, uint64_t id)
{
	struct relay_job *j = *find(r, id);

	if (j == NULL)
		return;
	if (j->sign != NULL) {
		relay_sign_cancel(j->sign);
		j->sign = NULL;
		settle_all(j, "4.3.2", "recalled");
		return;
	}
	if (j->started) {
		relay_dests_give_back(r->dests, j, "recalled");
		return;
	}
	j->started = true;
	group(j);
	settle_all(j, "4.3.2", "recalled");
}
