/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One question for MX, then two for each host at once, then one for the TLSA
 * records of each host whose answers were proven so far. A host that cannot be
 * looked up is a failure only if there is no other.
 */
#include "gateway/relay/route.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/loop.h"
#include "common/secret.h"
#include "gateway/relay/sts.h"

enum {
	MX_READ_MAX = 32, /* records that are looked at */
	TIMEOUT_MS = 60000,
	TTL_MAX_S = 300,
	TTL_MIN_S = 5,
	FAMILIES = 2,
};

struct mx {
	uint16_t preference;
	uint32_t shuffle; /* hosts of one preference in random order */
	char host[NET_DNS_NAME_MAX];
};

struct lookup {
	struct relay_route *route;
	enum net_dns_type type;
	struct net_dns_query *query;
	struct sockaddr_storage sa[RELAY_HOSTS_MAX];
	socklen_t sa_len[RELAY_HOSTS_MAX];
	unsigned n;
};

/* One host's TLSA records: looked for where its alias leads, then at its own
   name (RFC 7672 2.2.3). */
struct tlsa_lookup {
	struct relay_route *route;
	struct net_dns_query *query;
	bool insecure; /* an address without proof */
	bool failed;   /* an address could not be looked up */
	char canonical[NET_DNS_NAME_MAX];
	char base[NET_DNS_NAME_MAX]; /* where it is being looked for */
	enum relay_dane dane;
};

struct relay_route {
	struct net_dns *dns;
	struct relay_target target;
	char self[NET_DNS_NAME_MAX];
	void (*cb)(void *arg, const struct relay_route_answer *a);
	void *arg;
	struct loop_timer *timer;
	struct relay_sts *sts;
	struct relay_sts_query *sts_query; /* while it is open */
	bool sts_last;			   /* all else is there */
	struct net_dns_query *mx_query;
	struct mx mx[MX_READ_MAX];
	unsigned n_mx;
	bool mx_is_proven;
	struct lookup lookup[RELAY_MX_MAX][FAMILIES];
	struct tlsa_lookup tlsa[RELAY_MX_MAX];
	unsigned pending;
	enum err dns_err; /* of a look-up that failed */
	struct relay_sts_answer sts_answer;
	struct relay_route_answer answer;
};

void
relay_route_cancel(struct relay_route *r)
{
	if (r == NULL)
		return;
	net_dns_cancel(r->mx_query);
	for (unsigned i = 0; i < RELAY_MX_MAX; i++) {
		for (unsigned f = 0; f < FAMILIES; f++)
			net_dns_cancel(r->lookup[i][f].query);
		net_dns_cancel(r->tlsa[i].query);
	}
	relay_sts_cancel(r->sts_query);
	loop_timer_free(r->timer);
	free(r);
}

static void all_looked_up(struct relay_route *r);

static void
answer(struct relay_route *r, enum err e, const char *text)
{
	void (*cb)(void *, const struct relay_route_answer *) = r->cb;
	void *arg = r->arg;
	struct relay_route_answer a = r->answer;

	a.err = e;
	snprintf(a.text, sizeof(a.text), "%s", text);
	if (a.ttl_s > TTL_MAX_S)
		a.ttl_s = TTL_MAX_S;
	if (a.ttl_s < TTL_MIN_S)
		a.ttl_s = TTL_MIN_S;
	relay_route_cancel(r);
	cb(arg, &a);
}

/* What does not exist is final for the domain of a recipient; for a next hop
   that the administrator wrote it is a fault that will be put right. */
static void
answer_failure(struct relay_route *r, enum err e, const char *text)
{
	char full[200];

	snprintf(full, sizeof(full), "%.80s: %s%s", r->target.host, text,
	    e == ERR_DNS_BOGUS ? ": forged answers, or name servers that "
				 "strip signatures (see dnssec-anchors)"
			       : "");
	if (!r->target.mx)
		e = ERR_DNS;
	answer(r, e, full);
}

void
relay_address_text(
    const struct sockaddr_storage *sa, char out[INET6_ADDRSTRLEN])
{
	const struct sockaddr_in *in4 = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;

	snprintf(out, INET6_ADDRSTRLEN, "?");
	if (sa->ss_family == AF_INET)
		inet_ntop(AF_INET, &in4->sin_addr, out, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, &in6->sin6_addr, out, INET6_ADDRSTRLEN);
}

/* NULL when there is no place for it. */
static struct relay_host *
add_host(struct relay_route *r, const char *name,
    const struct sockaddr_storage *sa, socklen_t sa_len)
{
	struct relay_host *h = &r->answer.host[r->answer.n];
	char text[INET6_ADDRSTRLEN];

	if (r->answer.n == RELAY_HOSTS_MAX)
		return NULL;
	r->answer.n++;
	memset(h, 0, sizeof(*h));
	h->dane = RELAY_DANE_ABSENT;
	h->name_is_proven = !r->target.mx || r->mx_is_proven;
	h->sa = *sa;
	h->sa_len = sa_len;
	snprintf(h->name, sizeof(h->name), "%s", name);
	relay_address_text(sa, text);
	snprintf(h->peer, sizeof(h->peer), "%s%s[%s]:%u", name,
	    name[0] == '\0' ? "" : " ", text, (unsigned)r->target.port);
	return h;
}

static void
add_looked_up(
    struct relay_route *r, unsigned i, const struct lookup *l, unsigned k)
{
	struct relay_host *h;

	if (k >= l->n)
		return;
	h = add_host(r, r->mx[i].host, &l->sa[k], l->sa_len[k]);
	if (h == NULL)
		return;
	h->dane = r->tlsa[i].dane;
	h->mx = i;
	snprintf(h->tlsa_base, sizeof(h->tlsa_base), "%s", r->tlsa[i].base);
}

/* The addresses of one host, the families in turn, IPv6 first (RFC 6724):
   neither can use up the places of the other. */
static void
add_addresses(struct relay_route *r, unsigned i)
{
	for (unsigned k = 0; k < RELAY_HOSTS_MAX; k++) {
		add_looked_up(r, i, &r->lookup[i][0], k);
		add_looked_up(r, i, &r->lookup[i][1], k);
	}
}

/* --- MTA-STS */

static void
heed_policy(struct relay_host *h, const struct relay_sts_answer *a)
{
	snprintf(h->sts_id, sizeof(h->sts_id), "%s", a->id);
	h->sts_names = net_sts_names(&a->policy, h->name);
	switch (a->policy.mode) {
	case NET_STS_NONE:
		h->sts = RELAY_STS_NOTHING;
		return;
	case NET_STS_TESTING:
		h->sts = RELAY_STS_TESTING;
		return;
	case NET_STS_ENFORCE:
		break;
	}
	h->sts = h->sts_names ? RELAY_STS_NAMED : RELAY_STS_FOREIGN;
}

static void
on_sts(void *arg, const struct relay_sts_answer *a)
{
	struct relay_route *r = arg;

	r->sts_query = NULL;
	r->sts_answer = *a;
	if (r->sts_last)
		all_looked_up(r);
}

/* Whoever keeps an answer from us would see the mail of those who take that for
   a no. */
static void
note_uncertain(struct relay_route *r)
{
	char *out = r->answer.uncertain;
	size_t size = sizeof(r->answer.uncertain);

	if (r->sts_answer.err != ERR_OK)
		snprintf(out, size, "%s",
		    r->sts_answer.why[0] != '\0'
			? r->sts_answer.why
			: "its MTA-STS policy cannot be looked up");
	for (unsigned i = 0; i < r->n_mx && out[0] == '\0'; i++)
		if (r->tlsa[i].dane == RELAY_DANE_FAILED ||
		    (r->tlsa[i].failed && r->lookup[i][0].n == 0 &&
			r->lookup[i][1].n == 0))
			snprintf(out, size,
			    "a mail server of the domain cannot be looked up: "
			    "%.100s",
			    r->mx[i].host);
}

/* A host whose TLSA records could not be looked up is as good as down (RFC
   7672 2.1.1): whoever keeps them from us would see the mail. */
static void
all_looked_up(struct relay_route *r)
{
	r->sts_last = r->sts_query != NULL;
	if (r->sts_last)
		return;
	for (unsigned i = 0; i < r->n_mx; i++)
		if (r->tlsa[i].dane != RELAY_DANE_FAILED)
			add_addresses(r, i);
	for (unsigned i = 0; i < r->answer.n; i++)
		if (r->sts_answer.err == ERR_OK)
			heed_policy(&r->answer.host[i], &r->sts_answer);
	if (r->answer.n > 0)
		note_uncertain(r);
	if (r->answer.n > 0)
		answer(r, ERR_OK, "");
	else if (r->dns_err != ERR_OK)
		answer_failure(r, r->dns_err, err_text(r->dns_err));
	else
		answer_failure(r, ERR_NO_HOST, "no mail server has an address");
}

static void
note_ttl(struct relay_route *r, const struct net_dns_answer *a)
{
	if (a->ttl_s < r->answer.ttl_s)
		r->answer.ttl_s = a->ttl_s;
}

/* --- TLSA */

static void on_tlsa(void *arg, const struct net_dns_answer *a);

static bool
ask_tlsa(struct tlsa_lookup *t, const char *host)
{
	struct relay_route *r = t->route;
	char name[NET_DNS_NAME_MAX];

	snprintf(t->base, sizeof(t->base), "%s", host);
	if (snprintf(name, sizeof(name), "_%u._tcp.%s",
		(unsigned)r->target.port, host) >= (int)sizeof(name))
		return false;
	t->query = net_dns_ask(r->dns, name, NET_DNS_TLSA, on_tlsa, t);
	return t->query != NULL;
}

static void
on_tlsa(void *arg, const struct net_dns_answer *a)
{
	struct tlsa_lookup *t = arg;
	struct relay_route *r = t->route;
	size_t i = (size_t)(t - r->tlsa);

	t->query = NULL;
	if (a->err == ERR_OK && a->secure) {
		note_ttl(r, a);
		t->dane = net_tlsa_collect(a->rdata, a->n, &r->answer.tlsa[i])
			      ? RELAY_DANE_VERIFY
			      : RELAY_DANE_ENCRYPT;
	} else if (a->err == ERR_DNS || a->err == ERR_DNS_BOGUS) {
		t->dane = RELAY_DANE_FAILED;
		r->dns_err = a->err;
	} else {
		t->dane = RELAY_DANE_ABSENT;
		if (strcmp(t->base, r->mx[i].host) != 0) {
			if (ask_tlsa(t, r->mx[i].host))
				return;
			t->dane = RELAY_DANE_FAILED;
			r->dns_err = ERR_DNS;
		}
	}
	if (--r->pending == 0)
		all_looked_up(r);
}

/* Only behind answers that are all proven do TLSA records mean anything (RFC
   7672 2.2.1): whoever forges an address would leave them out as well. */
static bool
wants_tlsa(const struct relay_route *r, unsigned i)
{
	bool found = r->lookup[i][0].n > 0 || r->lookup[i][1].n > 0;

	return found && !r->tlsa[i].insecure &&
	       (!r->target.mx || r->mx_is_proven);
}

static void
look_up_tlsa(struct relay_route *r)
{
	struct tlsa_lookup *t;
	unsigned asked = 0;

	for (unsigned i = 0; i < r->n_mx; i++) {
		t = &r->tlsa[i];
		t->route = r;
		t->dane = RELAY_DANE_ABSENT;
		if (!wants_tlsa(r, i))
			continue;
		if (ask_tlsa(t, t->canonical[0] == '\0' ? r->mx[i].host
							: t->canonical)) {
			asked++;
		} else {
			t->dane = RELAY_DANE_FAILED;
			r->dns_err = ERR_DNS;
		}
	}
	r->pending = asked;
	if (asked == 0)
		all_looked_up(r);
}

static void
on_address(void *arg, const struct net_dns_answer *a)
{
	struct lookup *l = arg;
	struct relay_route *r = l->route;
	struct tlsa_lookup *t =
	    &r->tlsa[(size_t)(l - &r->lookup[0][0]) / FAMILIES];

	l->query = NULL;
	if (a->err == ERR_DNS || a->err == ERR_DNS_BOGUS) {
		r->dns_err = a->err;
		t->failed = true;
	}
	if (a->err == ERR_OK) {
		note_ttl(r, a);
		t->insecure |= !a->secure;
		if (a->canonical != NULL)
			snprintf(t->canonical, sizeof(t->canonical), "%s",
			    a->canonical);
	}
	for (size_t i = 0; i < a->n && l->n < RELAY_HOSTS_MAX; i++)
		if (net_dns_address(l->type, a->rdata[i], r->target.port,
			&l->sa[l->n], &l->sa_len[l->n]) == ERR_OK)
			l->n++;
	if (--r->pending == 0)
		look_up_tlsa(r);
}

static void
look_up_hosts(struct relay_route *r)
{
	static const enum net_dns_type types[FAMILIES] = {
	    NET_DNS_AAAA, NET_DNS_A};
	struct lookup *l;

	if (r->n_mx > RELAY_MX_MAX)
		r->n_mx = RELAY_MX_MAX;
	r->sts_answer.err = r->target.mx ? ERR_DNS : ERR_OK;
	if (r->target.mx && r->sts != NULL)
		r->sts_query =
		    relay_sts_find(r->sts, r->target.host, on_sts, r);
	for (unsigned i = 0; i < r->n_mx; i++) {
		for (unsigned f = 0; f < FAMILIES; f++) {
			l = &r->lookup[i][f];
			l->route = r;
			l->type = types[f];
			l->query = net_dns_ask(
			    r->dns, r->mx[i].host, l->type, on_address, l);
			if (l->query != NULL) {
				r->pending++;
			} else {
				r->dns_err = ERR_DNS;
				r->tlsa[i].failed = true;
			}
		}
	}
	/* nothing could be asked: the timer answers, so that cb is never
	   called before relay_route_find() has returned */
	if (r->pending == 0)
		loop_timer_start(r->timer, 0, 0);
}

static int
by_preference(const void *a, const void *b)
{
	const struct mx *x = a, *y = b;

	if (x->preference != y->preference)
		return x->preference < y->preference ? -1 : 1;
	return x->shuffle < y->shuffle ? -1 : x->shuffle > y->shuffle;
}

/* RFC 5321 5.1: where we stand in the list ourselves, only better hosts can be
   nearer to the recipient. */
static void
drop_self(struct relay_route *r)
{
	unsigned keep = r->n_mx;

	for (unsigned i = 0; i < r->n_mx; i++)
		if (strcasecmp(r->mx[i].host, r->self) == 0) {
			keep = i;
			while (keep > 0 && r->mx[keep - 1].preference ==
					       r->mx[i].preference)
				keep--;
			break;
		}
	r->n_mx = keep;
}

static void
use_mx(struct relay_route *r, const struct net_dns_answer *a)
{
	struct mx *m;

	for (size_t i = 0; i < a->n && r->n_mx < MX_READ_MAX; i++) {
		m = &r->mx[r->n_mx];
		if (net_dns_mx(a->rdata[i], &m->preference, m->host) != ERR_OK)
			continue;
		if (m->host[0] == '\0' && a->n == 1) {
			answer_failure(r, ERR_NULL_MX, err_text(ERR_NULL_MX));
			return;
		}
		if (m->host[0] == '\0')
			continue;
		random_octets(&m->shuffle, sizeof(m->shuffle));
		r->n_mx++;
	}
	if (r->n_mx == 0) {
		answer_failure(r, ERR_NO_HOST, "its MX records name no host");
		return;
	}
	qsort(r->mx, r->n_mx, sizeof(r->mx[0]), by_preference);
	drop_self(r);
	if (r->n_mx == 0)
		answer_failure(
		    r, ERR_LOOP, "its mail comes here, and ends nowhere");
	else
		look_up_hosts(r);
}

static void
use_host(struct relay_route *r)
{
	r->n_mx = 1;
	snprintf(r->mx[0].host, sizeof(r->mx[0].host), "%s", r->target.host);
	look_up_hosts(r);
}

static void
on_mx(void *arg, const struct net_dns_answer *a)
{
	struct relay_route *r = arg;

	r->mx_query = NULL;
	r->mx_is_proven = a->secure;
	switch (a->err) {
	case ERR_OK:
		note_ttl(r, a);
		use_mx(r, a);
		return;
	case ERR_NOT_FOUND:
		use_host(r); /* the implicit MX */
		return;
	case ERR_NO_HOST:
		answer_failure(r, ERR_NO_HOST, err_text(ERR_NO_HOST));
		return;
	default:
		answer_failure(r, a->err, err_text(a->err));
		return;
	}
}

/* "192.0.2.1", "2001:db8::1", and both as RFC 5321 4.1.3 writes them. */
static bool
use_literal(struct relay_route *r)
{
	char text[NET_DNS_NAME_MAX];
	struct sockaddr_storage sa = {0};
	struct sockaddr_in *in4 = (void *)&sa;
	struct sockaddr_in6 *in6 = (void *)&sa;
	const char *t = text;
	size_t len;

	snprintf(text, sizeof(text), "%s", r->target.host);
	len = strlen(text);
	if (text[0] == '[' && text[len - 1] == ']') {
		text[len - 1] = '\0';
		t++;
		if (strncasecmp(t, "IPv6:", 5) == 0)
			t += 5;
	}
	if (inet_pton(AF_INET, t, &in4->sin_addr) == 1) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(r->target.port);
		(void)add_host(r, "", &sa, sizeof(*in4));
		return true;
	}
	if (inet_pton(AF_INET6, t, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(r->target.port);
		(void)add_host(r, "", &sa, sizeof(*in6));
		return true;
	}
	return false;
}

static void
on_timer(void *arg)
{
	struct relay_route *r = arg;

	if (r->answer.n > 0)
		answer(r, ERR_OK, "");
	else
		answer_failure(r, ERR_DNS, "the name servers do not answer");
}

struct relay_route *
relay_route_find(struct loop *loop, struct net_dns *dns, struct relay_sts *sts,
    const struct relay_target *t, const char *self,
    void (*cb)(void *arg, const struct relay_route_answer *a), void *arg)
{
	struct relay_route *r = calloc(1, sizeof(*r));

	if (r == NULL)
		fatal("out of memory");
	r->dns = dns;
	r->sts = sts;
	r->target = *t;
	r->cb = cb;
	r->arg = arg;
	r->answer.ttl_s = TTL_MAX_S;
	snprintf(r->self, sizeof(r->self), "%s", self);
	r->timer = loop_timer_new(loop, on_timer, r);
	if (use_literal(r)) {
		loop_timer_start(r->timer, 0, 0);
		return r;
	}
	loop_timer_start(r->timer, TIMEOUT_MS, 0);
	if (!t->mx) {
		use_host(r);
		return r;
	}
	r->mx_query = net_dns_ask(dns, t->host, NET_DNS_MX, on_mx, r);
	if (r->mx_query == NULL)
		loop_timer_start(r->timer, 0, 0);
	return r;
}
