/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A report on its way: the domain is asked where it wants it, mail becomes an
 * entry of the spool, discovery posts the rest. The results are forgotten once
 * every address has it, or a day later; until then those that have it are
 * marked. What is sent twice after a crash has the same id. Failures to deliver
 * a report are in no report: it goes without what the domain has published (RFC
 * 8460 3), and such sessions do not count.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/gzip.h"
#include "common/log.h"
#include "common/text.h"
#include "gateway/conf.h"
#include "gateway/store/tls_report_private.h"
#include "mime/addr.h"
#include "mime/base64.h"
#include "mime/date.h"

enum {
	JOBS_MAX = 16,
	SCAN = 16, /* domains looked at in a second */
	ASK_MS = 30 * 1000,
	RETRY_MS = 3600 * 1000,
	GIVE_UP_S = REPORT_DAY_S, /* after it was due */
	BODY_MAX = 32 << 20,
	ID_MAX = 2 * NET_DNS_NAME_MAX + 32,
};

#define MAILTO "mailto:"

struct report_job {
	struct report_job *next;
	uint64_t id;
	uint32_t day;
	char domain[NET_DNS_NAME_MAX];
	uint64_t next_ms; /* steady: gives up waiting, or tries again */
	bool asking;	  /* relay, where reports are wanted */
	unsigned open;	  /* addresses that have no answer yet */
	bool failed;	  /* one of them did not get it */
	struct {
		char uri[NET_DNS_NAME_MAX * 2 + 32];
		bool is_open, done;
	} to[PROTO_RUA_MAX];
	unsigned n_to;
};

static void
remove_job(struct store *s, struct report_job *j)
{
	struct report_job **at = &s->tls->reports->jobs;

	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
	s->tls->reports->n_jobs--;
	free(j);
}

static struct report_job *
find_job(struct store *s, uint64_t id)
{
	struct report_job *j = s->tls->reports->jobs;

	while (j != NULL && j->id != id)
		j = j->next;
	return j;
}

/* When the report of a day may leave, Unix seconds. */
static uint64_t
due_s(const struct store *s, uint32_t day, const char *domain)
{
	uint64_t spread = s->conf->tls_reports.delay_ms / 1000;
	uint64_t h = 1469598103934665603u; /* FNV-1a */

	for (; *domain != '\0'; domain++)
		h = (h ^ (uint8_t)*domain) * 1099511628211u;
	return ((uint64_t)day + 1) * REPORT_DAY_S +
	       (spread == 0 ? 0 : h % spread);
}

static void
forget(struct store *s, struct report_job *j)
{
	store_reports_delete(s, j->day, j->domain);
	remove_job(s, j);
}

static void
try_later(struct report_job *j)
{
	j->asking = false;
	j->open = 0;
	j->next_ms = clock_steady_ms() + RETRY_MS;
}

/* One address has its answer. */
static void
settle(struct store *s, struct report_job *j, unsigned i, bool good,
    const char *why)
{
	if (!j->to[i].is_open)
		return;
	j->to[i].is_open = false;
	j->to[i].done = good;
	j->failed = j->failed || !good;
	log_event(good ? LOG_LVL_INFO : LOG_LVL_WARN, NULL, "tls-report",
	    KV_STR("domain", j->domain), KV_STR("to", j->to[i].uri),
	    KV_STR("result", good ? "sent" : "failed"), KV_STR("why", why));
	/* a restart must not send it once more because of the others */
	if (good && (j->open > 1 || j->failed))
		store_reports_mark(s, j->day, j->domain, j->to[i].uri);
	if (--j->open > 0)
		return;
	if (j->failed)
		try_later(j);
	else
		forget(s, j);
}

/* --- its octets --- */

struct names {
	char id[ID_MAX];
	char file[ID_MAX + 64];
};

static void
name_it(const struct store *s, const struct report_job *j, struct names *out)
{
	char date[TEXT_TIME_SIZE];
	unsigned long long begin = (unsigned long long)j->day * REPORT_DAY_S;

	text_time_ms(begin * 1000, date);
	snprintf(out->id, sizeof(out->id), "%.10s.%s@%s", date, j->domain,
	    s->conf->hostname);
	snprintf(out->file, sizeof(out->file), "%s!%s!%llu!%llu.json.gz",
	    s->conf->hostname, j->domain, begin, begin + REPORT_DAY_S - 1);
}

static enum err
make_body(
    struct store *s, struct report_job *j, const char *id, struct buf *out)
{
	struct tls_report r = {.domain = j->domain,
	    .organization = s->conf->tls_reports.organization,
	    .contact = s->conf->tls_reports.contact,
	    .id = id,
	    .day = j->day};
	enum err e = store_reports_read(s, j->day, j->domain, &r);
	char *json;

	if (e != ERR_OK)
		return e;
	json = tls_report_json(&r);
	e = json == NULL ? ERR_NOMEM : gzip_write(span_str(json), out);
	free(json);
	return e;
}

/* RFC 8460 5.3. */
static enum err
write_mail(struct store *s, const struct report_job *j, const char *to,
    struct span body, struct buf *out)
{
	const char *host = s->conf->hostname;
	struct names n;
	enum err e;

	name_it(s, j, &n);
	e = buf_printf(out,
	    "From: <%s>\r\nTo: <%s>\r\nDate: %s\r\n"
	    "Message-ID: <%s>\r\nAuto-Submitted: auto-generated\r\n"
	    "TLS-Required: No\r\n"
	    "Subject: Report Domain: %s\r\n Submitter: %s\r\n"
	    " Report-ID: <%s>\r\n"
	    "TLS-Report-Domain: %s\r\nTLS-Report-Submitter: %s\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n"
	    "\tboundary=\"=_%s\"\r\n\r\n",
	    s->conf->tls_reports.contact, to,
	    mime_date((int64_t)(clock_unix_ms() / 1000)).text, n.id, j->domain,
	    host, n.id, j->domain, host, "report");
	if (e == ERR_OK)
		e = buf_printf(out,
		    "--=_report\r\nContent-Type: text/plain; charset=us-ascii"
		    "\r\n\r\n"
		    "This is a report on TLS between %s\r\n"
		    "and the mail servers of %s (RFC 8460).\r\n\r\n"
		    "--=_report\r\nContent-Type: application/tlsrpt+gzip\r\n"
		    "Content-Transfer-Encoding: base64\r\n"
		    "Content-Disposition: attachment;\r\n"
		    "\tfilename=\"%s\"\r\n\r\n",
		    host, j->domain, n.file);
	if (e == ERR_OK)
		e = mime_base64_encode(body, out);
	return e == ERR_OK ? buf_printf(out, "--=_report--\r\n") : e;
}

/* --- sending --- */

static enum err
send_mail(
    struct store *s, const struct report_job *j, unsigned i, struct span body)
{
	struct mime_addr to;
	struct err_why why = {""};
	struct buf text, op;
	struct packer p;
	enum err e =
	    mime_addr_parse(span_str(j->to[i].uri + sizeof(MAILTO) - 1), 0,
		s->tls->arena, &to, &why);

	if (e != ERR_OK || to.domain[0] == '\0')
		return ERR_ADDR_SYNTAX;
	buf_init(&text, BODY_MAX);
	buf_init(&op, BODY_MAX + 4096);
	e = write_mail(s, j, to.text, body, &text);
	pack_begin(&p, &op);
	pack_u32(&p, i);
	pack_str(&p, to.text);
	pack_str(&p, to.key);
	pack_span(&p, buf_span(&text));
	if (e == ERR_OK)
		e = pack_end(&p);
	if (e == ERR_OK)
		store_queue(s, STORE_OP_REPORT, j->id, NULL, buf_span(&op));
	buf_clear(&text);
	buf_clear(&op);
	return e;
}

static enum err
send_post(
    struct store *s, const struct report_job *j, unsigned i, struct span body)
{
	struct store_peer *discovery = store_find_peer(s, ROLE_DISCOVERY, 0);
	const struct proto_report m = {.url = j->to[i].uri, .body = body};
	struct buf b;
	enum err e;

	if (discovery == NULL)
		return ERR_CLOSED;
	buf_init(&b, BODY_MAX + 4096);
	e = proto_report_pack(&m, &b);
	/* the place of the address is in the low bits */
	if (e == ERR_OK)
		e = ipc_post(discovery->ch, PROTO_TLS_POST,
		    j->id * PROTO_RUA_MAX + i, buf_span(&b), NULL, 0);
	buf_clear(&b);
	return e;
}

static void
send_to(struct store *s, struct report_job *j, struct span body)
{
	uint64_t id = j->id;
	unsigned n = j->n_to;
	enum err e;

	j->failed = false;
	j->open = 0;
	for (unsigned i = 0; i < n; i++) {
		j->to[i].is_open = !j->to[i].done;
		j->open += j->to[i].is_open;
	}
	if (j->open == 0) {
		forget(s, j);
		return;
	}
	/* with the last answer the job may be gone */
	for (unsigned i = 0; i < n && (j = find_job(s, id)) != NULL; i++) {
		if (!j->to[i].is_open)
			continue;
		e = strncmp(j->to[i].uri, MAILTO, sizeof(MAILTO) - 1) == 0
			? send_mail(s, j, i, body)
			: send_post(s, j, i, body);
		if (e == ERR_ADDR_SYNTAX)
			settle(s, j, i, true, "no address; left out");
		else if (e != ERR_OK)
			settle(s, j, i, false, err_text(e));
	}
}

static bool
is_done(const struct report_job *j, const char *uri)
{
	for (unsigned i = 0; i < j->n_to; i++)
		if (j->to[i].done && strcmp(j->to[i].uri, uri) == 0)
			return true;
	return false;
}

/* What has it already keeps its mark. */
static void
take_addresses(struct store *s, struct report_job *j, const struct proto_rua *m)
{
	bool done[PROTO_RUA_MAX];

	for (uint32_t i = 0; i < m->n; i++)
		done[i] =
		    is_done(j, m->uri[i]) ||
		    store_reports_is_marked(s, j->day, j->domain, m->uri[i]);
	j->n_to = 0;
	for (uint32_t i = 0; i < m->n; i++) {
		if (strlen(m->uri[i]) >= sizeof(j->to[0].uri))
			continue;
		snprintf(
		    j->to[j->n_to].uri, sizeof(j->to[0].uri), "%s", m->uri[i]);
		j->to[j->n_to++].done = done[i];
	}
}

void
store_reports_rua(struct store *s, struct store_peer *from, struct ipc_msg *m)
{
	struct report_job *j = find_job(s, m->id);
	struct proto_rua rua;
	struct names n;
	struct buf body;
	enum err e;

	(void)from;
	if (j == NULL || !j->asking)
		return;
	j->asking = false;
	if (proto_rua_unpack(m->payload, s->tls->arena, &rua) != ERR_OK ||
	    (rua.err != ERR_OK && rua.err != ERR_NOT_FOUND)) {
		try_later(j);
	} else if (rua.err == ERR_NOT_FOUND) {
		log_event(LOG_LVL_INFO, NULL, "tls-report",
		    KV_STR("domain", j->domain),
		    KV_STR("result", "nobody wants it"));
		forget(s, j);
	} else {
		take_addresses(s, j, &rua);
		name_it(s, j, &n);
		buf_init(&body, BODY_MAX);
		e = make_body(s, j, n.id, &body);
		j->next_ms = clock_steady_ms() + RETRY_MS;
		if (e == ERR_OK)
			send_to(s, j, buf_span(&body));
		else if (e == ERR_NOT_FOUND)
			forget(s, j);
		else
			try_later(j);
		buf_clear(&body);
	}
	arena_reset(s->tls->arena);
}

void
store_reports_posted(
    struct store *s, struct store_peer *from, struct ipc_msg *m)
{
	struct report_job *j = find_job(s, m->id / PROTO_RUA_MAX);
	unsigned i = (unsigned)(m->id % PROTO_RUA_MAX);
	struct unpacker u;
	const char *why;
	enum err e;

	(void)from;
	unpack_begin(&u, m->payload);
	e = (enum err)unpack_u32(&u);
	why = unpack_str(&u, s->tls->arena);
	if (unpack_end(&u) != ERR_OK)
		e = ERR_IPC;
	if (j != NULL && i < j->n_to)
		settle(s, j, i, e == ERR_OK, why);
	arena_reset(s->tls->arena);
}

/* --- as mail --- */

enum err
store_apply_report(struct store *s, struct db_txn *txn, struct store_op *op)
{
	struct store_own_mail mail = {
	    .require = ENTRY_REQUIRE_NO_TLS, .reason = STORE_OWN_REPORT};
	struct unpacker u;

	unpack_begin(&u, op->payload);
	(void)unpack_u32(&u);
	mail.to = unpack_str(&u, s->arena);
	mail.to_key = unpack_str(&u, s->arena);
	mail.text = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK)
		return ERR_OK; /* ours, and broken: never again */
	return store_add_own_mail(s, txn, &mail);
}

void
store_after_report(struct store *s, struct store_op *op)
{
	struct report_job *j;
	struct unpacker u;
	unsigned i;

	if (s->tls == NULL || s->tls->reports == NULL)
		return;
	j = find_job(s, op->id);
	unpack_begin(&u, op->payload);
	i = unpack_u32(&u);
	if (j != NULL && i < j->n_to)
		settle(s, j, i, op->result == ERR_OK,
		    op->result == ERR_OK ? "" : err_text(op->result));
}

/* --- in time --- */

static void
ask(struct store *s, struct report_job *j)
{
	struct store_peer *relay = store_find_peer(s, ROLE_RELAY, 0);
	struct buf b;

	j->next_ms = clock_steady_ms() + ASK_MS;
	j->asking = true;
	buf_init(&b, LIMIT_IPC_INLINE);
	/* without an answer it is asked again */
	if (relay != NULL && proto_domain_pack(j->domain, &b) == ERR_OK)
		(void)!ipc_post(
		    relay->ch, PROTO_TLS_RUA, j->id, buf_span(&b), NULL, 0);
	buf_clear(&b);
}

static bool
is_under_way(const struct store *s, uint32_t day, const char *domain)
{
	for (const struct report_job *j = s->tls->reports->jobs; j != NULL;
	     j = j->next)
		if (j->day == day && strcmp(j->domain, domain) == 0)
			return true;
	return false;
}

static void
begin(struct store *s, uint32_t day, const char *domain)
{
	struct report_job *j = calloc(1, sizeof(*j));

	if (j == NULL)
		fatal("out of memory");
	j->id = ++s->tls->reports->last_id;
	j->day = day;
	snprintf(j->domain, sizeof(j->domain), "%s", domain);
	j->next = s->tls->reports->jobs;
	s->tls->reports->jobs = j;
	s->tls->reports->n_jobs++;
	ask(s, j);
}

static void
go_on(struct store *s)
{
	struct report_job *j = s->tls->reports->jobs, *next;
	uint64_t now_s = store_tls_now_s();

	for (; j != NULL; j = next) {
		next = j->next;
		if (now_s > due_s(s, j->day, j->domain) + GIVE_UP_S) {
			log_event(LOG_LVL_WARN, NULL, "tls-report",
			    KV_STR("domain", j->domain),
			    KV_STR("result", "given up"));
			forget(s, j);
		} else if (clock_steady_ms() >= j->next_ms) {
			ask(s, j);
		}
	}
}

/* What waited longer than that, because the gateway was off, is of no use to
   anybody. */
static bool
is_too_old(const struct store *s, uint32_t day, const char *domain)
{
	return !s->conf->tls_reports.present ||
	       store_tls_now_s() > due_s(s, day, domain) + 2 * GIVE_UP_S;
}

void
store_reports_send(struct store *s)
{
	struct store_reports *r = s->tls->reports;

	go_on(s);
	for (int i = 0; i < SCAN && r->n_jobs < JOBS_MAX; i++) {
		if (store_reports_next(s, &r->day, r->domain) != ERR_OK) {
			r->day = 0;
			r->domain[0] = '\0';
			return;
		}
		if (is_too_old(s, r->day, r->domain))
			store_reports_delete(s, r->day, r->domain);
		else if (due_s(s, r->day, r->domain) <= store_tls_now_s() &&
			 !is_under_way(s, r->day, r->domain))
			begin(s, r->day, r->domain);
	}
}

void
store_reports_send_end(struct store *s)
{
	while (s->tls->reports->jobs != NULL)
		remove_job(s, s->tls->reports->jobs);
}
