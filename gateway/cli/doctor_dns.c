/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the DNS says of us, whether it can be believed, and whether the portal
 * opens by the address that stands in every link. All questions are asked at
 * once; those that have no answer in time are told as such.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/loop.h"
#include "gateway/cli/doctor.h"
#include "gateway/conf.h"
#include "net/dns.h"
#include "net/fetch.h"
#include "net/guard.h"

enum {
	QUESTIONS_MAX = 64,
	PATIENCE_MS = 10000,
	FETCH_MS = 8000,
	PAGE_MAX = 1 << 20,
};

static const struct net_range everywhere[] = {
    {.family = AF_INET}, {.family = AF_INET6}};
const struct net_guard doctor_anywhere = {everywhere, 2};

struct names;

struct question {
	struct names *n;
	const char *name;
	enum net_dns_type type;
	void (*tell)(struct question *q, const struct net_dns_answer *a);
	struct net_dns_query *query; /* NULL once it is answered */
};

struct names {
	struct doctor *d;
	struct loop *loop;
	struct net_dns *dns;
	struct net_fetcher *fetcher;
	struct net_fetch *fetch;
	struct loop_timer *timer;
	struct question q[QUESTIONS_MAX];
	size_t n;
	size_t open;
};

static void
one_less(struct names *n)
{
	if (--n->open == 0)
		loop_stop(n->loop);
}

static void
on_answer(void *arg, const struct net_dns_answer *a)
{
	struct question *q = arg;

	q->query = NULL;
	q->tell(q, a);
	one_less(q->n);
}

static void
on_timer(void *arg)
{
	struct names *n = arg;

	for (size_t i = 0; i < n->n; i++)
		if (n->q[i].query != NULL)
			doctor_say(n->d, DOCTOR_BAD, "DNS",
			    "check /etc/resolv.conf, or the option resolver",
			    "no answer about %s", n->q[i].name);
	if (n->fetch != NULL)
		doctor_say(n->d, DOCTOR_BAD, "portal",
		    "open the address in a browser from outside",
		    "%s does not answer", n->d->conf->portal.url);
	loop_stop(n->loop);
}

/* --- what is asked */

/* Nobody knows whether there is such a thing. */
static bool
is_no_answer(enum err e)
{
	return e == ERR_DNS || e == ERR_DNS_BOGUS;
}

static void
say_no_answer(struct question *q, const char *what, enum err e)
{
	doctor_say(q->n->d, DOCTOR_BAD, what,
	    e == ERR_DNS ? "check /etc/resolv.conf, or the option resolver"
			 : "look at the line DNSSEC; if that works, at the "
			   "signatures of the zone",
	    "%s: %s", q->name, err_text(e));
}

static void
tell_proof(struct question *q, const struct net_dns_answer *a)
{
	if (is_no_answer(a->err))
		doctor_say(q->n->d, DOCTOR_BAD, "DNSSEC",
		    "ask name servers that hand signatures on (option "
		    "resolver), or say dnssec-anchors = none",
		    "%s", err_text(a->err));
	else if (!a->secure)
		doctor_say(q->n->d, DOCTOR_WARN, "DNSSEC",
		    "with dnssec-anchors = none that is so on purpose: no DANE",
		    "answers are not proven");
	else
		doctor_say(q->n->d, DOCTOR_OK, "DNSSEC", NULL, "works");
}

static void
tell_host(struct question *q, const struct net_dns_answer *a)
{
	if (a->err == ERR_OK)
		doctor_say(q->n->d, DOCTOR_OK, "DNS", NULL, "%s has an address",
		    q->name);
	else if (is_no_answer(a->err))
		say_no_answer(q, "DNS", a->err);
	else
		doctor_say(q->n->d, DOCTOR_WARN, "DNS",
		    q->n->d->conf->portal_gateway.present
			? "publish it: links lead to a name that everybody "
			  "finds"
			: "publish it, with a reverse record: other servers "
			  "refuse mail from a name without an address",
		    "%s: %s", q->name, err_text(a->err));
}

static bool
takes_from_outside(const struct conf *c)
{
	for (size_t i = 0; i < c->n_listen; i++)
		if (c->listen[i].inbound)
			return true;
	return false;
}

static void
tell_mx(struct question *q, const struct net_dns_answer *a)
{
	const struct conf *c = q->n->d->conf;
	char host[NET_DNS_NAME_MAX];
	uint16_t pref;
	bool ours = false;

	for (size_t i = 0; a->err == ERR_OK && i < a->n; i++)
		if (net_dns_mx(a->rdata[i], &pref, host) == ERR_OK &&
		    strcmp(host, c->hostname) == 0)
			ours = true;
	if (is_no_answer(a->err))
		say_no_answer(q, "MX", a->err);
	else if (a->err != ERR_OK)
		doctor_say(q->n->d, DOCTOR_WARN, "MX",
		    "without MX records nobody can answer your mail", "%s: %s",
		    q->name, err_text(a->err));
	else if (takes_from_outside(c) && !ours)
		doctor_say(q->n->d, DOCTOR_WARN, "MX",
		    "right if a spam filter stands in front; else point it "
		    "here",
		    "%s: none of %zu leads to %s", q->name, a->n, c->hostname);
	else
		doctor_say(q->n->d, DOCTOR_OK, "MX", NULL, "%s: %zu of them%s",
		    q->name, a->n, ours ? ", here among them" : "");
}

static void
ask(struct names *n, const char *name, enum net_dns_type type,
    void (*tell)(struct question *q, const struct net_dns_answer *a))
{
	struct question *q = &n->q[n->n];

	if (n->n == QUESTIONS_MAX)
		return;
	*q = (struct question){n, name, type, tell, NULL};
	q->query = net_dns_ask(n->dns, name, type, on_answer, q);
	if (q->query == NULL)
		return;
	n->n++;
	n->open++;
}

static void
ask_all(struct names *n)
{
	const struct conf *c = n->d->conf;

	/* a portal alone delivers no mail, and relies on no proof */
	if (!c->portal_gateway.present &&
	    (c->dnssec_anchors == NULL || c->dnssec_anchors[0] != '\0'))
		ask(n, c->dnssec_anchors == NULL ? "org" : c->domains[0],
		    NET_DNS_TXT, tell_proof);
	ask(n, c->hostname, NET_DNS_A, tell_host);
	for (size_t i = 0; i < c->n_domains; i++)
		if (c->domains[i][0] != '*')
			ask(n, c->domains[i], NET_DNS_MX, tell_mx);
}

/* --- the portal */

static void
on_page(void *arg, const struct net_fetch_result *r)
{
	struct names *n = arg;
	const char *url = n->d->conf->portal.url;

	n->fetch = NULL;
	if (r->err != ERR_OK)
		doctor_say(n->d, DOCTOR_BAD, "portal",
		    "links lead nowhere: its name, its certificate, the web "
		    "server in front, the firewall",
		    "%s: %s", url,
		    r->why.text[0] != '\0' ? r->why.text : err_text(r->err));
	else if (r->status != 200)
		doctor_say(n->d, DOCTOR_BAD, "portal",
		    "the web server in front must pass all paths on unchanged",
		    "%s: status %ld", url, r->status);
	else
		doctor_say(n->d, DOCTOR_OK, "portal", NULL, "%s opens", url);
	one_less(n);
}

static void
fetch_portal(struct names *n, const char *url)
{
	const struct conf *c = n->d->conf;
	struct net_fetch_request req = {
	    .url = url,
	    .max = PAGE_MAX,
	    .timeout_ms = FETCH_MS,
	    .http = true,
	};

	if (!c->portal.present ||
	    net_fetcher_new(
		n->loop, n->dns, &doctor_anywhere, NULL, &n->fetcher) != ERR_OK)
		return;
	n->fetch = net_fetch_start(n->fetcher, &req, on_page, n);
	if (n->fetch != NULL)
		n->open++;
}

bool
doctor_url_host(const char *url, char *out, size_t size)
{
	const char *host = url == NULL ? NULL : strstr(url, "://");
	size_t len;

	if (host == NULL)
		return false;
	host += 3;
	if (host[0] == '[')
		host++;
	len = strcspn(host, host[-1] == '[' ? "]" : ":/");
	if (len == 0 || len >= size)
		return false;
	snprintf(out, size, "%.*s", (int)len, host);
	return true;
}

enum err
doctor_dns(const struct conf *c, struct loop *loop, struct net_dns **out,
    struct err_why *why)
{
	const struct sockaddr **servers =
	    calloc(c->n_resolver + 1, sizeof(*servers));
	enum err e = ERR_NOMEM;

	for (size_t i = 0; servers != NULL && i < c->n_resolver; i++)
		servers[i] = (const void *)&c->resolver[i].sa;
	if (servers != NULL)
		e = net_dns_new(
		    loop, servers, c->n_resolver, c->dnssec_anchors, out, why);
	free(servers);
	return e;
}

void
doctor_names(struct doctor *d)
{
	struct names n = {.d = d, .loop = loop_new()};
	char url[NET_FETCH_URL_MAX];
	struct err_why why = {""};

	if (doctor_dns(d->conf, n.loop, &n.dns, &why) != ERR_OK) {
		doctor_say(d, DOCTOR_BAD, "DNS",
		    "see resolver and dnssec-anchors in sealgate.conf(5)", "%s",
		    why.text);
		loop_free(n.loop);
		return;
	}
	/* a page that needs no message */
	snprintf(url, sizeof(url), "%s/frame",
	    d->conf->portal.url == NULL ? "" : d->conf->portal.url);
	ask_all(&n);
	fetch_portal(&n, url);
	n.timer = loop_timer_new(n.loop, on_timer, &n);
	loop_timer_start(n.timer, PATIENCE_MS, 0);
	if (n.open > 0)
		loop_run(n.loop);
	net_fetch_cancel(n.fetch);
	for (size_t i = 0; i < n.n; i++)
		net_dns_cancel(n.q[i].query);
	net_fetcher_free(n.fetcher);
	net_dns_free(n.dns);
	loop_timer_free(n.timer);
	loop_free(n.loop);
}
