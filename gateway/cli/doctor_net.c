/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Do our own ports answer as a client expects, TLS included, and the servers
 * that mail is handed to? All of them are asked at once; probe.c says what is
 * sent. RFC 5321, RFC 3207.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/loop.h"
#include "gateway/cli/doctor.h"
#include "gateway/cli/probe.h"
#include "gateway/conf.h"
#include "net/dns.h"
#include "net/host.h"

enum { PATIENCE_MS = 10000, TEXT_SIZE = 512 };

/* In words, what a connection failed for. */
static const char *
no_connection(const struct probe *p)
{
	return strerror(p->hung ? ETIMEDOUT : p->no);
}

static bool
begins(const struct probe *p, const char *code)
{
	return strncmp(p->reply, code, 3) == 0;
}

/* Who verifies us knows the system's anchors, and those named for inside. */
static struct net_tls_clients *
open_anchors(const char *also)
{
	struct net_tls_clients *all = NULL;
	struct err_why why;

	if (net_tls_clients_new(NULL, &all, &why) != ERR_OK)
		return NULL;
	if (also != NULL)
		(void)!net_tls_clients_believe(all, also, &why);
	return all;
}

/* --- our own ports */

struct port {
	const struct conf_addr *addr;
	const struct conf_listen *listen; /* NULL: of the web */
	bool has_tls;
};

struct ports {
	struct doctor *d;
	struct port *port;
	struct probe *probe; /* as many, borrowed */
	size_t n;
	struct net_tls_clients *clients, *browsers;
	char web[NET_DNS_NAME_MAX]; /* the host in links */
	const char *names[2];	    /* ours: of mail, of the web */
};

static struct probe *
add_port(struct ports *all, const struct conf_addr *addr)
{
	struct probe *p = &all->probe[all->n];

	all->port[all->n++] = (struct port){.addr = addr};
	*p = (struct probe){.kind = PROBE_OPEN,
	    .ehlo = all->d->conf->hostname,
	    .n_addr = 1,
	    .n_names = 1};
	memcpy(&p->addr[0], &addr->sa, addr->sa_len);
	p->addr_len[0] = addr->sa_len;
	return p;
}

static void
add_listen(struct ports *all, const struct conf_listen *l)
{
	for (size_t k = 0; k < l->n_address; k++) {
		struct probe *p = add_port(all, &l->address[k]);

		all->port[all->n - 1].listen = l;
		all->port[all->n - 1].has_tls = l->tls_cert != NULL;
		p->kind = l->lmtp ? PROBE_LMTP : PROBE_SMTP;
		p->implicit_tls = l->implicit_tls;
		p->proxies = l->proxies;
		p->n_proxies = l->n_proxies;
		p->tls = l->tls_cert == NULL ? NULL : all->clients;
		p->host = all->names[0];
		p->names = &all->names[0];
	}
}

static void
add_web(struct ports *all, const struct conf_portal *portal)
{
	for (size_t k = 0; k < portal->n_address; k++) {
		struct probe *p = add_port(all, &portal->address[k]);

		all->port[all->n - 1].has_tls = portal->tls_cert != NULL;
		p->implicit_tls = portal->tls_cert != NULL;
		p->tls = portal->tls_cert == NULL ? NULL : all->browsers;
		p->host = all->names[1];
		p->names = &all->names[1];
	}
}

static void
add_ports(struct ports *all)
{
	const struct conf *c = all->d->conf;

	for (size_t i = 0; i < c->n_listen; i++)
		add_listen(all, &c->listen[i]);
	add_web(all, &c->portal);
	/* the other machine alone gets past the handshake of this one */
	for (size_t k = 0; k < c->portal_gateway.n_address; k++)
		(void)add_port(all, &c->portal_gateway.address[k]);
	for (size_t k = 0; k < c->metrics.n_address; k++)
		(void)add_port(all, &c->metrics.address[k]);
}

static size_t
count_ports(const struct conf *c)
{
	size_t n = c->portal.n_address + c->portal_gateway.n_address +
		   c->metrics.n_address;

	for (size_t i = 0; i < c->n_listen; i++)
		n += c->listen[i].n_address;
	return n;
}

/* Returns whether it is worth looking at TLS. */
static bool
say_answer(struct doctor *d, const char *where, const struct probe *p)
{
	bool alone = d->conf->portal_gateway.present;

	if (p->step == PROBE_CONNECT)
		doctor_say(d, DOCTOR_BAD, "port",
		    alone ? "is sealgate-portal running? ss -ltnp shows who "
			    "has the port"
			  : "is sealgated running? ss -ltnp shows who has the "
			    "port",
		    "%s: %s", where, no_connection(p));
	else if (p->step >= PROBE_STARTTLS)
		return true;
	else if (p->hung)
		doctor_say(d, DOCTOR_BAD, "port",
		    "sealgate status; journalctl -u sealgated: the process "
		    "listener, or another program on the port",
		    "%s: takes connections and says nothing for %d s", where,
		    PATIENCE_MS / 1000);
	else if (begins(p, "554") || begins(p, "550"))
		doctor_say(d, DOCTOR_OK, "port", NULL,
		    "%s answers, and does not take mail from this machine",
		    where);
	else
		doctor_say(d, DOCTOR_BAD, "port",
		    "journalctl -u sealgated: the process listener, or another "
		    "program on the port",
		    "%s: expected a greeting, got \"%.*s\"", where,
		    (int)probe_line(p).len, p->reply);
	return false;
}

/* TLS was tried: why there was none. */
static void
say_no_tls(struct doctor *d, const char *where, const struct probe *p)
{
	if (p->step == PROBE_DONE)
		doctor_say(d, DOCTOR_BAD, "TLS",
		    "another program has the port, or: systemctl restart "
		    "sealgated",
		    "%s: has a certificate, and offers no STARTTLS", where);
	else if (p->hung)
		doctor_say(d, DOCTOR_BAD, "TLS",
		    "another program has the port, or the process hangs: "
		    "sealgate status",
		    "%s: does not end the handshake within %d s", where,
		    PATIENCE_MS / 1000);
	else if (p->step == PROBE_STARTTLS)
		doctor_say(d, DOCTOR_BAD, "TLS",
		    "journalctl -u sealgated | grep 'listener\\[' says why",
		    "%s: STARTTLS is refused: \"%.*s\"", where,
		    (int)probe_line(p).len, p->reply);
	else
		doctor_say(d, DOCTOR_BAD, "TLS",
		    "look at tls-cert and tls-key: sealgate check", "%s: %s",
		    where,
		    p->why.text[0] == '\0' ? "the connection was cut"
					   : p->why.text);
}

static void
say_port(struct doctor *d, const struct port *port, const struct probe *p)
{
	const char *where = port->addr->text;

	if (p->step != PROBE_DONE && !say_answer(d, where, p))
		return;
	if (p->tls != NULL && !p->tls_up) {
		say_no_tls(d, where, p);
		return;
	}
	/* inside TLS there is a greeting, too */
	if (p->step == PROBE_INSIDE) {
		doctor_say(d, DOCTOR_BAD, "port",
		    "journalctl -u sealgated: the process listener, or another "
		    "program on the port",
		    "%s: no greeting inside TLS", where);
		return;
	}
	doctor_say(d, DOCTOR_OK, "port", NULL, "%s answers", where);
	if (p->tls_up)
		doctor_certificate(d, where, p,
		    port->listen == NULL ? DOCTOR_BAD : DOCTOR_WARN);
}

static bool
open_ports(struct ports *all)
{
	const struct conf *c = all->d->conf;

	all->clients = open_anchors(c->tls_anchors);
	all->browsers = open_anchors(NULL);
	all->port = calloc(count_ports(c) + 1, sizeof(*all->port));
	all->names[0] = c->hostname;
	all->names[1] =
	    doctor_url_host(c->portal.url, all->web, sizeof(all->web))
		? all->web
		: c->hostname;
	if (all->clients == NULL || all->browsers == NULL || all->port == NULL)
		return false;
	add_ports(all);
	return true;
}

static void
close_ports(struct ports *all)
{
	net_tls_clients_free(all->clients);
	net_tls_clients_free(all->browsers);
	free(all->port);
}

/* --- next hops */

struct hop {
	struct hops *all;
	const struct conf_relay *r;
	struct net_host_query *query;
	enum err found; /* what came of it */
};

struct hops {
	struct doctor *d;
	struct loop *loop;
	struct net_dns *dns;
	struct net_tls_clients *clients;
	struct hop *hop;
	struct probe *probe; /* as many, borrowed */
	size_t n, open;
};

static void
on_host(void *arg, const struct net_host *h)
{
	struct hop *hop = arg;
	struct hops *all = hop->all;
	struct probe *p = &all->probe[hop - all->hop];

	hop->query = NULL;
	hop->found = h->err;
	for (size_t i = 0;
	     h->err == ERR_OK && i < h->n && p->n_addr < PROBE_ADDRS; i++) {
		p->addr[p->n_addr] = h->addr[i].sa;
		p->addr_len[p->n_addr++] = h->addr[i].len;
	}
	if (--all->open == 0)
		loop_stop(all->loop);
}

static void
on_late(void *arg)
{
	struct hops *all = arg;

	loop_stop(all->loop);
}

/* As relay does: of the DNS, and no file of this machine. */
static void
find_hosts(struct hops *all)
{
	struct loop_timer *timer = loop_timer_new(all->loop, on_late, all);
	struct err_why why;
	enum err e = doctor_dns(all->d->conf, all->loop, &all->dns, &why);

	for (size_t i = 0; i < all->n; i++) {
		struct hop *h = &all->hop[i];

		h->found = e == ERR_OK ? ERR_DNS : e;
		if (e == ERR_OK)
			h->query =
			    net_host_find(all->loop, all->dns, &doctor_anywhere,
				h->r->host, h->r->port, on_host, h);
		all->open += h->query != NULL ? 1 : 0;
	}
	loop_timer_start(timer, PATIENCE_MS, 0);
	if (all->open > 0)
		loop_run(all->loop);
	for (size_t i = 0; i < all->n; i++)
		net_host_cancel(all->hop[i].query);
	net_dns_free(all->dns);
	loop_timer_free(timer);
}

static void
add_hop(struct hops *all, const struct conf_relay *r)
{
	struct probe *p = &all->probe[all->n];

	all->hop[all->n++] = (struct hop){.all = all, .r = r};
	p->kind = r->kind == CONF_VIA_LMTP ? PROBE_LMTP : PROBE_SMTP;
	p->ehlo = all->d->conf->hostname;
	p->tls = r->tls == CONF_TLS_OPPORTUNISTIC ? NULL : all->clients;
	p->host = r->host;
	p->names = r->n_tls_names > 0 ? r->tls_names : &r->host;
	p->n_names = r->n_tls_names > 0 ? r->n_tls_names : 1;
}

static const char *
hop_remedy(const struct probe *p)
{
	if (p->step == PROBE_CONNECT)
		return "mail waits until it answers: is it running, and no "
		       "firewall between?";
	if (p->hung)
		return "mail waits until it answers: look at that server";
	if (p->step == PROBE_GREETING || p->step == PROBE_EHLO)
		return "let that server take mail from this machine";
	return "give it a certificate that works, or change tls: mail waits "
	       "until then";
}

static void
say_broken(struct doctor *d, const char *via, const struct probe *p)
{
	char text[TEXT_SIZE];

	if (p->step == PROBE_CONNECT)
		snprintf(text, sizeof(text), "%s", no_connection(p));
	else if (p->hung)
		snprintf(text, sizeof(text),
		    "takes the connection and then says nothing for %d s",
		    PATIENCE_MS / 1000);
	else if (p->step == PROBE_HANDSHAKE)
		snprintf(text, sizeof(text), "TLS: %s", p->why.text);
	else
		snprintf(text, sizeof(text), "\"%.*s\"", (int)probe_line(p).len,
		    p->reply);
	doctor_say(
	    d, DOCTOR_BAD, "next hop", hop_remedy(p), "%s: %s", via, text);
}

static void
say_hop(struct doctor *d, const struct hop *h, const struct probe *p)
{
	const struct conf_relay *r = h->r;
	char fault[TEXT_SIZE];

	if (h->found != ERR_OK)
		doctor_say(d, DOCTOR_BAD, "next hop",
		    "write its address, or a name that the DNS has: "
		    "/etc/hosts does not count",
		    "%s: %s", r->via, err_text(h->found));
	else if (p->step != PROBE_DONE)
		say_broken(d, r->via, p);
	else if (!p->starttls && r->tls != CONF_TLS_OPPORTUNISTIC)
		doctor_say(d, DOCTOR_BAD, "next hop",
		    "give it a certificate, or change tls: mail waits until "
		    "then",
		    "%s: offers no STARTTLS, which tls demands", r->via);
	else if (r->tls == CONF_TLS_VERIFY &&
		 doctor_not_known(p, fault, sizeof(fault))[0] != '\0')
		doctor_say(d, DOCTOR_BAD, "next hop",
		    "another certificate there, or its name in tls-names, its "
		    "CA in tls-anchors: mail waits until then",
		    "%s: its certificate proves nothing: %s", r->via, fault);
	else
		doctor_say(d, DOCTOR_OK, "next hop", NULL, "%s answers%s",
		    r->via,
		    p->starttls ? ", with STARTTLS" : ", without STARTTLS");
}

static bool
is_asked(const struct conf_relay *r)
{
	return r->present && r->kind != CONF_VIA_MX && r->host != NULL;
}

static size_t
count_hops(const struct conf *c)
{
	const struct conf_relay *r;
	size_t n = 0;

	for (unsigned i = 0; (r = conf_relay_at(c, i)) != NULL; i++)
		n += is_asked(r) ? 1 : 0;
	return n;
}

/* As relay: these anchors, and no other. */
static bool
open_hops(struct hops *all, struct err_why *why)
{
	const struct conf *c = all->d->conf;
	const struct conf_relay *r;

	all->loop = loop_new();
	all->hop = calloc(count_hops(c) + 1, sizeof(*all->hop));
	if (net_tls_clients_new(c->tls_anchors, &all->clients, why) != ERR_OK ||
	    all->hop == NULL)
		return false;
	for (unsigned i = 0; (r = conf_relay_at(c, i)) != NULL; i++)
		if (is_asked(r))
			add_hop(all, r);
	if (all->n > 0)
		find_hosts(all);
	return true;
}

static void
close_hops(struct hops *all)
{
	net_tls_clients_free(all->clients);
	loop_free(all->loop);
	free(all->hop);
}

void
doctor_net(struct doctor *d)
{
	size_t n = count_ports(d->conf), n_hops = count_hops(d->conf);
	struct probe *probe = calloc(n + n_hops + 1, sizeof(*probe));
	struct ports ports = {.d = d, .probe = probe};
	struct hops hops = {.d = d, .probe = probe == NULL ? NULL : probe + n};
	struct err_why why = {""};

	if (probe == NULL || !open_ports(&ports) || !open_hops(&hops, &why)) {
		doctor_say(d, DOCTOR_BAD, "port",
		    "see tls-anchors in sealgate.conf(5)",
		    "neither ports nor next hops were looked at: %s",
		    why.text[0] != '\0' ? why.text : err_text(ERR_NOMEM));
	} else {
		probe_all(probe, n + n_hops, PATIENCE_MS);
		for (size_t i = 0; i < ports.n; i++)
			say_port(d, &ports.port[i], &ports.probe[i]);
		for (size_t i = 0; i < hops.n; i++)
			say_hop(d, &hops.hop[i], &hops.probe[i]);
	}
	close_ports(&ports);
	close_hops(&hops);
	free(probe);
}
