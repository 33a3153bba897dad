/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Which result type a session is, by the policy that counts for its host:
 * usable TLSA records, else MTA-STS, else none.
 */
#include "gateway/relay/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ipc.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/text.h"
#include "gateway/entry.h"
#include "gateway/proto.h"
#include "gateway/proto_tls.h"
#include "net/tlsrpt.h"

/* --- results --- */

static enum tls_report_policy
policy_of(const struct relay_host *h)
{
	if (h->dane != RELAY_DANE_ABSENT)
		return TLS_REPORT_TLSA;
	switch (h->sts) {
	case RELAY_STS_UNKNOWN:
	case RELAY_STS_NOTHING:
		break;
	case RELAY_STS_TESTING:
	case RELAY_STS_NAMED:
	case RELAY_STS_FOREIGN:
		return TLS_REPORT_STS;
	}
	return TLS_REPORT_NO_POLICY;
}

static enum tls_report_type
type_of_fault(enum net_tls_fault fault)
{
	switch (fault) {
	case NET_TLS_FAULT_NONE:
		return TLS_REPORT_SUCCESS;
	case NET_TLS_FAULT_NAME:
		return TLS_REPORT_HOST_MISMATCH;
	case NET_TLS_FAULT_EXPIRED:
		return TLS_REPORT_EXPIRED;
	case NET_TLS_FAULT_TRUST:
		return TLS_REPORT_NOT_TRUSTED;
	case NET_TLS_FAULT_DANE:
		break;
	}
	return TLS_REPORT_VALIDATION_FAILURE;
}

/* A session that stands may still be less than what the domain has published:
   nothing usable, or nothing enforced. */
static enum tls_report_type
type_of_good(const struct relay_host *h, const struct relay_hop *hop)
{
	if (hop->tls.protocol[0] == '\0')
		return hop->begun ? TLS_REPORT_VALIDATION_FAILURE
				  : TLS_REPORT_STARTTLS_NOT_SUPPORTED;
	if (h->dane == RELAY_DANE_ENCRYPT)
		return TLS_REPORT_TLSA_INVALID;
	if (h->dane == RELAY_DANE_ABSENT && h->sts == RELAY_STS_TESTING)
		return h->sts_names ? type_of_fault(hop->fault)
				    : TLS_REPORT_VALIDATION_FAILURE;
	return TLS_REPORT_SUCCESS;
}

static enum tls_report_type
type_of_bad(const struct relay_target *t, const struct relay_host *h,
    const struct relay_hop *hop)
{
	enum tls_report_type type;

	if (hop->tls.protocol[0] == '\0')
		return hop->begun ? TLS_REPORT_VALIDATION_FAILURE
				  : TLS_REPORT_STARTTLS_NOT_SUPPORTED;
	if (t->dane && h->dane != RELAY_DANE_VERIFY)
		return TLS_REPORT_DANE_REQUIRED;
	type = type_of_fault(hop->fault);
	return type == TLS_REPORT_SUCCESS ? TLS_REPORT_VALIDATION_FAILURE
					  : type;
}

static void
put_records(const struct net_tlsa *tlsa, struct relay_report_texts *x,
    struct tls_result *out)
{
	for (size_t i = 0; i < tlsa->n && i < NET_TLSA_MAX; i++) {
		const struct net_tlsa_record *r = &tlsa->record[i];

		snprintf(x->line[i], sizeof(x->line[i]), "%d %d %d ",
		    r->usage % 10, r->selector % 10, r->matching % 10);
		text_hex(SPAN(r->data, r->len), x->line[i] + 6);
		x->lines[out->n_line++] = x->line[i];
	}
	out->line = x->lines;
}

/* Mail that waives what the domain has published says nothing of it; reports
   themselves do (RFC 8460 3). */
static bool
is_of_interest(const struct relay_target *t)
{
	return t->mx && !t->lax && !t->require;
}

bool
relay_report_make(const struct relay_target *t, const struct relay_host *h,
    const struct net_tlsa *tlsa, const struct relay_smtp *smtp,
    const struct relay_smtp_failure *f, struct relay_report_texts *x,
    struct tls_result *out)
{
	bool foreign = smtp == NULL;

	if (!is_of_interest(t) || (f != NULL && f->fault != RELAY_FAULT_TLS))
		return false;
	memset(x, 0, sizeof(*x));
	*out = (struct tls_result){.domain = t->host,
	    .policy = (uint8_t)policy_of(h),
	    .host = h->name,
	    .ip = x->ip,
	    .our = x->our,
	    .reason = x->reason,
	    .helo = x->helo};
	if (foreign)
		out->type = TLS_REPORT_VALIDATION_FAILURE;
	else
		out->type =
		    (uint8_t)(f == NULL
				  ? type_of_good(h, relay_smtp_hop(smtp))
				  : type_of_bad(t, h, relay_smtp_hop(smtp)));
	if (out->policy == TLS_REPORT_TLSA && h->dane == RELAY_DANE_VERIFY)
		put_records(tlsa, x, out);
	if (out->type == TLS_REPORT_SUCCESS) {
		out->host = "";
		return true;
	}
	relay_address_text(&h->sa, x->ip);
	if (smtp != NULL) {
		relay_smtp_our_address(smtp, x->our);
		snprintf(
		    x->helo, sizeof(x->helo), "%s", relay_smtp_hop(smtp)->helo);
	}
	if (f != NULL)
		snprintf(x->reason, sizeof(x->reason), "%.190s", f->text);
	else if (!h->sts_names && h->sts == RELAY_STS_TESTING)
		snprintf(x->reason, sizeof(x->reason),
		    "the MTA-STS policy does not name it");
	return true;
}

bool
relay_report_bogus(const struct relay_target *t, struct tls_result *out)
{
	*out = (struct tls_result){.domain = t->host,
	    .policy = TLS_REPORT_TLSA,
	    .type = TLS_REPORT_DNSSEC_INVALID,
	    .host = "",
	    .ip = "",
	    .our = "",
	    .reason = "",
	    .helo = ""};
	return is_of_interest(t);
}

/* --- where reports are wanted --- */

struct rua {
	struct relay_ruas *all;
	struct rua *next, **prev;
	struct net_dns_query *query;
	uint64_t id;
};

struct relay_ruas {
	struct loop *loop;
	struct net_dns *dns;
	struct ipc *store;
	struct rua *first;
};

struct relay_ruas *
relay_ruas_new(struct loop *loop, struct net_dns *dns)
{
	struct relay_ruas *all = calloc(1, sizeof(*all));

	if (all == NULL)
		fatal("out of memory");
	all->loop = loop;
	all->dns = dns;
	return all;
}

static void
end(struct rua *q)
{
	*q->prev = q->next;
	if (q->next != NULL)
		q->next->prev = q->prev;
	net_dns_cancel(q->query);
	free(q);
}

void
relay_ruas_free(struct relay_ruas *all)
{
	if (all == NULL)
		return;
	while (all->first != NULL)
		end(all->first);
	free(all);
}

void
relay_ruas_store(struct relay_ruas *all, struct ipc *store)
{
	all->store = store;
	while (store == NULL && all->first != NULL)
		end(all->first);
}

static void
answer(struct relay_ruas *all, uint64_t id, enum err e,
    const struct net_tlsrpt *found)
{
	struct proto_rua m = {.err = e};
	struct buf b;

	for (size_t i = 0; e == ERR_OK && i < found->n; i++)
		m.uri[m.n++] = found->uri[i];
	buf_init(&b, LIMIT_IPC_INLINE);
	if (all->store != NULL && proto_rua_pack(&m, &b) == ERR_OK)
		/* store asks again what it does not hear */
		(void)!ipc_post(
		    all->store, PROTO_TLS_RUA_IS, id, buf_span(&b), NULL, 0);
	buf_clear(&b);
}

static void
on_record(void *arg, const struct net_dns_answer *a)
{
	struct rua *q = arg;
	struct net_tlsrpt found = {0};
	enum err e = a->err;

	q->query = NULL;
	if (e == ERR_OK)
		e = net_tlsrpt_record(a->rdata, a->n, &found);
	else if (e != ERR_DNS && e != ERR_DNS_BOGUS)
		e = ERR_NOT_FOUND;
	answer(q->all, q->id, e, &found);
	end(q);
}

void
relay_rua_ask(struct relay_ruas *all, struct ipc_msg *m)
{
	struct arena *a = arena_new(2 * NET_DNS_NAME_MAX + 64);
	struct rua *q = calloc(1, sizeof(*q));
	char name[NET_DNS_NAME_MAX];
	const char *domain;

	if (a == NULL || q == NULL)
		fatal("out of memory");
	q->all = all;
	q->id = m->id;
	q->next = all->first;
	q->prev = &all->first;
	if (q->next != NULL)
		q->next->prev = &q->next;
	all->first = q;
	if (proto_domain_unpack(m->payload, a, &domain) == ERR_OK &&
	    snprintf(name, sizeof(name), "_smtp._tls.%s", domain) <
		(int)sizeof(name))
		q->query =
		    net_dns_ask(all->dns, name, NET_DNS_TXT, on_record, q);
	arena_free(a);
	if (q->query != NULL)
		return;
	answer(all, q->id, ERR_DNS, NULL);
	end(q);
}
