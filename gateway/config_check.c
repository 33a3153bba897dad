/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the options of a configuration must fulfil together, and what follows
 * from them: paths, master key, postmaster. No single option is looked at
 * here; that is config_value.c.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "gateway/conf.h"
#include "gateway/config_private.h"
#include "gateway/config_read.h"
#include "gateway/facts.h"
#include "gateway/notice_words.h"
#include "keystore/record.h"
#include "mime/addr.h"
#include "policy/policy.h"

enum {
	SMTP_PORT = 25,
	FILTER_MAX = 300, /* octets: room for an address in each place */
};

struct check {
	struct conf *conf;
	const struct config_file *file;
	struct conf_findings *f;
};

static void
check_tls_pair(
    const struct check *b, unsigned line, const char *cert, const char *key)
{
	if ((cert == NULL) != (key == NULL))
		conf_find(b->f, CONF_ERROR, line,
		    "tls-cert and tls-key belong together, expected %s, too",
		    cert == NULL ? "tls-cert" : "tls-key");
}

static bool
addr_is_loopback(const struct conf_addr *addr)
{
	static const struct conf_net loop[] = {
	    {AF_INET, 8, {127}},
	    {AF_INET6, 128, {[15] = 1}},
	};

	return conf_net_matches(
	    loop, 2, (const struct sockaddr *)(const void *)&addr->sa);
}

/* The host of a URL is this machine. */
static bool
url_is_loopback(const char *url)
{
	static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
	const char *host = strstr(url, "://") + 3;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t len = strlen(names[i]);

		if (strncmp(host, names[i], len) == 0 &&
		    (host[len] == '\0' || host[len] == ':' || host[len] == '/'))
			return true;
	}
	return false;
}

/* #rrggbb */
static bool
is_colour(const char *text)
{
	return text[0] == '#' && strlen(text) == 7 &&
	       strspn(text + 1, "0123456789abcdefABCDEF") == 6;
}

static void
check_colour(const struct check *b, unsigned line, const struct conf_brand *of)
{
	if (of->colour != NULL && !is_colour(of->colour))
		conf_find(b->f, CONF_ERROR, line,
		    "colour: expected # and six hexadecimal digits");
}

static void
check_languages(const struct check *b, unsigned line,
    const char *const *languages, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (notice_words_find(languages[i]) == NULL)
			conf_find(b->f, CONF_ERROR, line,
			    "languages: \"%s\", expected \"en\", \"de\", "
			    "\"fr\", \"es\", \"it\" or \"nl\"",
			    languages[i]);
}

static void
check_portal(const struct check *b)
{
	const struct conf_portal *p = &b->conf->portal;

	check_languages(
	    b, 0, b->conf->escrow.languages, b->conf->escrow.n_languages);
	check_colour(b, 0, &b->conf->escrow.brand);
	if (!p->present)
		return;
	if (p->n_address == 0 && !b->conf->portal_dmz.present)
		conf_find(b->f, CONF_ERROR, p->line,
		    "\"address\" is missing in section portal");
	check_tls_pair(b, p->line, p->tls_cert, p->tls_key);
	if (p->url != NULL && strncmp(p->url, "http:", 5) == 0 &&
	    !url_is_loopback(p->url))
		conf_find(b->f, CONF_ERROR, p->line,
		    "url: the secret of a link must not cross a network in the "
		    "clear, expected https://");
	check_languages(b, p->line, p->languages, p->n_languages);
	check_colour(b, p->line, &p->brand);
	for (size_t i = 0; p->tls_cert == NULL && i < p->n_address; i++)
		if (!addr_is_loopback(&p->address[i]))
			conf_find(b->f, CONF_ERROR, p->address[i].line,
			    "address: without tls-cert the portal speaks plain "
			    "HTTP, expected a loopback address");
}

/* The other machine needs the options of section portal, or this one does. */
static void
check_dmz(const struct check *b)
{
	const struct conf *c = b->conf;
	const struct conf_dmz *d =
	    c->portal_dmz.present ? &c->portal_dmz : &c->portal_gateway;

	if (!d->present)
		return;
	if (!c->portal.present)
		conf_find(b->f, CONF_ERROR, d->line,
		    "section portal is missing: expected it with url");
	if (c->portal_dmz.present && c->portal_gateway.present)
		conf_find(b->f, CONF_ERROR, d->line,
		    "expected one of portal dmz and portal gateway: a machine "
		    "is one or the other");
	else if (c->portal_dmz.present && c->portal.n_address > 0)
		conf_find(b->f, CONF_ERROR, c->portal.address[0].line,
		    "address: with portal dmz readers go to the other machine, "
		    "expected it there");
	if (c->portal_dmz.present && d->n_address > 1)
		conf_find(
		    b->f, CONF_ERROR, d->line, "at: expected one address");
	if (d->n_peer == 0)
		conf_find(
		    b->f, CONF_ERROR, d->line, "peer: expected a fingerprint");
}

/* A portal alone has no use for what is for mail: who writes it there has
   taken the machine for another. */
static void
check_alone(const struct check *b)
{
	const struct conf *c = b->conf;
	const struct {
		const char *what;
		bool there;
	} row[] = {
	    {"listen", c->n_listen > 0},
	    {"relay", c->outbound.present || c->inbound.present},
	    {"rule", policy_n_rules(c->policy) > 0},
	    {"metrics", c->metrics.present},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		if (row[i].there)
			conf_find(b->f, CONF_ERROR, c->portal_gateway.line,
			    "section portal gateway makes this machine a "
			    "portal and nothing else, expected no section %s",
			    row[i].what);
}

/* Nobody signs in there. */
static void
check_metrics(const struct check *b)
{
	const struct conf_metrics *m = &b->conf->metrics;

	for (size_t i = 0; i < m->n_address; i++)
		if (!addr_is_loopback(&m->address[i]))
			conf_find(b->f, CONF_WARN, m->address[i].line,
			    "address: whoever reaches it learns how much mail "
			    "there is; let a firewall keep others out");
}

/* Passwords and identities are taken inside TLS alone. */
static void
check_listen_tls(const struct check *b, const struct conf_listen *l)
{
	const char *what = NULL;

	if (l->tls_cert != NULL)
		return;
	if (l->implicit_tls)
		what = "tls = implicit";
	else if (l->users != NULL)
		what = "users";
	else if (l->client_ca != NULL)
		what = "client-ca";
	if (what != NULL)
		conf_find(b->f, CONF_ERROR, l->line,
		    "%s needs TLS: expected tls-cert and tls-key", what);
}

/* RFC 2033 5: who speaks SMTP there would be told nothing it understands. */
static void
check_listen_lmtp(const struct check *b, const struct conf_listen *l)
{
	const struct sockaddr_in *in;

	for (size_t i = 0; l->lmtp && i < l->n_address; i++) {
		/* the port is at the same place for both families */
		in = (const void *)&l->address[i].sa;
		if (in->sin_port == htons(SMTP_PORT))
			conf_find(b->f, CONF_ERROR, l->line,
			    "lmtp: expected another port than 25, which is "
			    "SMTP's");
	}
}

static void
check_listen(const struct check *b)
{
	const struct conf *c = b->conf;

	if (c->n_listen == 0)
		conf_find(b->f, CONF_ERROR, 0,
		    "sections listen outbound and listen inbound are missing: "
		    "nothing could hand in mail");
	for (size_t i = 0; i < c->n_listen; i++) {
		struct conf_listen *l = &c->listen[i];

		check_tls_pair(b, l->line, l->tls_cert, l->tls_key);
		check_listen_tls(b, l);
		check_listen_lmtp(b, l);
		if (l->verify == CONF_VERIFY_LDAP &&
		    c->discovery.ldap.n_url == 0)
			conf_find(b->f, CONF_ERROR, l->line,
			    "verify-recipients = ldap needs the url of "
			    "discovery ldap");
		if (l->verify != CONF_VERIFY_NONE && l->recipients != NULL)
			conf_find(b->f, CONF_ERROR, l->line,
			    "recipients: expected this or verify-recipients, "
			    "not both");
		if (l->message_size == 0)
			l->message_size = c->limits.message_size;
		if (l->message_size > c->limits.message_size)
			conf_find(b->f, CONF_ERROR, l->line,
			    "message-size is beyond that of section limits");
		for (size_t k = 0; k < l->n_clients; k++)
			if (!l->inbound && l->clients[k].prefix == 0)
				conf_find(b->f, CONF_WARN, l->line,
				    "clients: everybody may hand in mail for "
				    "any domain (open relay)");
	}
}

/* What comes in from outside goes on to the internal server, and nowhere
   else. */
static void
check_inbound(const struct check *b)
{
	struct conf *c = b->conf;
	unsigned line = 0;

	for (size_t i = 0; line == 0 && i < c->n_listen; i++)
		line = c->listen[i].inbound ? c->listen[i].line : 0;
	if (line == 0)
		c->limits.openers = 0;
	else if (!c->inbound.present)
		conf_find(b->f, CONF_ERROR, line,
		    "section relay inbound is missing: expected via = and the "
		    "internal mail server");
	if (c->opening.authserv_id == NULL)
		c->opening.authserv_id = c->hostname;
}

/* relay keeps them in one line of RELAY_NAMES_MAX octets. */
static void
check_tls_names(const struct check *b, const struct conf_relay *r)
{
	size_t len = 0;

	for (size_t i = 0; i < r->n_tls_names; i++) {
		len += strlen(r->tls_names[i]) + 1;
		if (r->tls_names[i][0] == '*')
			conf_find(b->f, CONF_ERROR, r->line,
			    "tls-names: \"%s\" is a pattern, expected a name",
			    r->tls_names[i]);
	}
	if (len > LIMIT_TLS_NAMES_SIZE || r->n_tls_names > LIMIT_TLS_NAMES)
		conf_find(b->f, CONF_ERROR, r->line,
		    "tls-names: too many, expected at most %u of %u octets in "
		    "all",
		    LIMIT_TLS_NAMES, LIMIT_TLS_NAMES_SIZE);
	if (r->kind != CONF_VIA_MX && r->tls == CONF_TLS_STS)
		conf_find(b->f, CONF_ERROR, r->line,
		    "tls: mta-sts is for the mail servers of a domain, "
		    "expected verify or dane for a next hop that is written");
	if (r->n_tls_names > 0 && r->tls >= CONF_TLS_STS)
		conf_find(b->f, CONF_ERROR, r->line,
		    "tls-names: tls = dane or mta-sts looks at no names, "
		    "expected "
		    "verify");
}

/* By XCLIENT the session is the client's, and a login before it forgotten. */
static void
check_client_told(const struct check *b, const struct conf_relay *r)
{
	if (r->kind == CONF_VIA_MX && (r->xforward || r->xclient))
		conf_find(b->f, CONF_ERROR, r->line,
		    "%s: who our clients are is told to no stranger, "
		    "expected a next hop that is written in via",
		    r->xclient ? "xclient" : "xforward");
	if (r->xclient && r->xforward)
		conf_find(b->f, CONF_ERROR, r->line,
		    "xclient: says what xforward says and more, expected one "
		    "of them");
	if (r->xclient && r->user != NULL)
		conf_find(b->f, CONF_ERROR, r->line,
		    "xclient: ends the login of user, expected one of them");
}

/* A literal address has no name that a certificate could be for. */
static void
check_verifiable(const struct check *b, const struct conf_relay *r)
{
	struct in6_addr any;

	check_tls_names(b, r);
	check_client_told(b, r);
	if (r->kind == CONF_VIA_MX || r->tls < CONF_TLS_VERIFY ||
	    (inet_pton(AF_INET, r->host, &any) != 1 &&
		inet_pton(AF_INET6, r->host, &any) != 1))
		return;
	if (r->tls == CONF_TLS_DANE)
		conf_find(b->f, CONF_ERROR, r->line,
		    "tls: an address has no TLSA records, expected a next hop "
		    "by name");
	else if (r->n_tls_names == 0)
		conf_find(b->f, CONF_ERROR, r->line,
		    "tls: verify needs tls-names when the next hop is an "
		    "address");
}

/* A password is never shown to somebody who might be anybody. */
static void
check_login(const struct check *b, const struct conf_relay *r)
{
	if ((r->user == NULL) != (r->password_file == NULL))
		conf_find(b->f, CONF_ERROR, r->line,
		    "%s is given, expected %s, too",
		    r->user == NULL ? "password-file" : "user",
		    r->user == NULL ? "user" : "password-file");
	if (r->user == NULL)
		return;
	if (r->kind != CONF_VIA_SMTP)
		conf_find(b->f, CONF_ERROR, r->line,
		    "user: expected via = \"HOST:PORT\"");
	if (r->tls < CONF_TLS_VERIFY)
		conf_find(b->f, CONF_ERROR, r->line,
		    "user: the password would go to whoever answers, expected "
		    "tls = verify or dane");
}

static void
check_one_relay(const struct check *b, struct conf_relay *out)
{
	if (out->kind == CONF_VIA_MX)
		out->port = out->mx_port != 0 ? (uint16_t)out->mx_port : 25;
	else if (out->mx_port != 0)
		conf_find(b->f, CONF_ERROR, out->line,
		    "port is for via = \"mx\"; expected it behind the next "
		    "hop");
	check_verifiable(b, out);
	check_login(b, out);
}

/* A domain of ours, or what stands below it. */
static const struct conf_dkim *
signs_for(const struct conf *c, const char *domain)
{
	return conf_dkim_for(
	    c, strncmp(domain, "*.", 2) == 0 ? domain + 2 : domain);
}

/* Many receivers take mail straight from a gateway for spam without it, and
   reports on TLS are believed with it alone (RFC 8460 3). */
static void
check_dkim(const struct check *b)
{
	const struct conf *c = b->conf;
	bool by_mx = c->outbound.kind == CONF_VIA_MX;

	for (size_t i = 0; i < c->n_route; i++)
		by_mx = by_mx || c->route[i].relay.kind == CONF_VIA_MX;
	for (size_t i = 0; by_mx && i < c->n_domains; i++)
		if (signs_for(c, c->domains[i]) == NULL)
			conf_find(b->f, CONF_WARN, c->outbound.line,
			    "mail of %s leaves by MX without a DKIM "
			    "signature: see dkim and sealgate dkim",
			    c->domains[i]);
	if (c->tls_reports.present && c->tls_reports.contact != NULL &&
	    signs_for(c, strrchr(c->tls_reports.contact, '@') + 1) == NULL)
		conf_find(b->f, CONF_WARN, c->tls_reports.line,
		    "reports on TLS from %s are believed only with a DKIM "
		    "signature: no section dkim names its domain",
		    c->tls_reports.contact);
}

static void
check_relay(const struct check *b)
{
	struct conf_relay *out = &b->conf->outbound;

	if (!out->present) {
		conf_find(b->f, CONF_ERROR, 0,
		    "section relay outbound is missing: expected via = \"mx\" "
		    "or a next hop");
		return;
	}
	check_one_relay(b, out);
	check_dkim(b);
	for (size_t i = 0; i < b->conf->n_route; i++)
		check_one_relay(b, &b->conf->route[i].relay);
	if (b->conf->inbound.present) {
		check_verifiable(b, &b->conf->inbound);
		check_login(b, &b->conf->inbound);
	}
	if (b->conf->inbound.present && b->conf->inbound.kind == CONF_VIA_MX)
		conf_find(b->f, CONF_ERROR, b->conf->inbound.line,
		    "via: MX records of own domains lead back here, expected "
		    "the internal mail server");
}

static void
check_limits(const struct check *b)
{
	struct conf_limits *l = &b->conf->limits;
	const struct conf_retry *r = &b->conf->retry;

	if (l->memory < 2 * l->message_size)
		conf_find(b->f, CONF_ERROR, 0,
		    "limits: memory is too small, expected at least twice "
		    "message-size");
	if (l->connections_per_client > l->connections)
		conf_find(b->f, CONF_ERROR, 0,
		    "limits: connections-per-client is beyond connections");
	/* which waits for several operations of gpg is at work */
	if (l->engine_ms > 2 * l->hang_ms)
		conf_find(b->f, CONF_ERROR, 0,
		    "limits: engine is %g s (60 s where it is not written) and "
		    "hang %g s: expected at most twice hang, that is engine = "
		    "%" PRIu64 "s or less, or a longer hang",
		    (double)l->engine_ms / 1000, (double)l->hang_ms / 1000,
		    2 * l->hang_ms / 1000);
	if (r->first_ms > r->max_ms)
		conf_find(
		    b->f, CONF_ERROR, 0, "retry: first is longer than max");
	if (r->warn_ms > r->expire_ms || r->hold_ms > r->expire_ms)
		conf_find(b->f, CONF_ERROR, 0,
		    "retry: warn and hold must not be longer than expire");
}

static void
check_ca(const struct check *b)
{
	const struct conf_ca *ca = &b->conf->ca;

	if (ca->renew_s >= ca->validity_s)
		conf_find(b->f, CONF_ERROR, 0,
		    "ca: renew is not shorter than validity: every certificate "
		    "would be replaced at once");
}

/* One place for the address, and nothing else that printf would read. */
static bool
is_filter(const char *f)
{
	const char *place = strstr(f, "%s");

	return place != NULL && strchr(f, '%') == place &&
	       strchr(place + 1, '%') == NULL && f[0] == '(' &&
	       f[strlen(f) - 1] == ')';
}

static bool
is_here(const char *url)
{
	const char *host = url + strlen("ldap://");
	size_t len = strcspn(host, ":");

	if (*host == '[')
		return strncmp(host, "[::1]", 5) == 0;
	/* and no name that begins so */
	if (strspn(host, "0123456789.") == len)
		return strncmp(host, "127.", 4) == 0;
	return len == 9 && strncmp(host, "localhost", 9) == 0;
}

/* Anybody on the way to this server can read and change what is said. */
static bool
is_open(const struct conf_source *c, size_t server)
{
	return !c->starttls && strncmp(c->url[server], "ldap:", 5) == 0 &&
	       !is_here(c->url[server]);
}

/* A password is not shown to who listens on the way. */
static void
check_directory(const struct check *b, const struct conf_source *c)
{
	if ((c->bind_dn == NULL) != (c->password_file == NULL))
		conf_find(b->f, CONF_ERROR, 0,
		    "discovery ldap: %s is given, expected %s, too",
		    c->bind_dn == NULL ? "password-file" : "bind-dn",
		    c->bind_dn == NULL ? "bind-dn" : "password-file");
	for (size_t i = 0; c->bind_dn != NULL && i < c->n_url; i++)
		if (is_open(c, i))
			conf_find(b->f, CONF_ERROR, 0,
			    "discovery ldap: bind-dn: the password would be "
			    "readable on the way to %s, expected \"ldaps://\" "
			    "or starttls = true",
			    c->url[i]);
}

/* "%s" once or more, and no other use of "%". */
static bool
has_place(const char *filter)
{
	unsigned n = 0;

	if (filter[0] != '(' || strlen(filter) > FILTER_MAX)
		return false;
	for (const char *p = filter; (p = strchr(p, '%')) != NULL; p += 2) {
		if (p[1] != 's')
			return false;
		n++;
	}
	return n > 0;
}

static void
check_discovery(const struct check *b)
{
	const struct conf_discovery *d = &b->conf->discovery;

	for (size_t i = 0; i < d->n_source; i++) {
		if (d->source[i] == KS_SOURCE_LDAP && d->ldap.n_url == 0)
			conf_find(b->f, CONF_ERROR, 0,
			    "discovery ldap: url is missing, expected "
			    "\"ldaps://HOST\"");
		for (size_t k = 0; k < i; k++)
			if (d->source[k] == d->source[i])
				conf_find(b->f, CONF_ERROR, 0,
				    "discovery: a source stands twice in "
				    "sources");
	}
	check_directory(b, &d->ldap);
	if (!is_filter(d->ldap.filter))
		conf_find(b->f, CONF_ERROR, 0,
		    "discovery ldap: filter: expected \"(...)\" with one %%s "
		    "where the address goes");
	if (!has_place(d->ldap.recipient_filter))
		conf_find(b->f, CONF_ERROR, 0,
		    "discovery ldap: recipient-filter: expected \"(...)\" "
		    "with %%s where the address goes");
}

/* --- what follows from other options */

static const char *
beneath(const struct check *b, const char *dir, const char *name)
{
	const char *path = arena_printf(
	    b->conf->arena, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, name);

	if (path == NULL)
		conf_find(b->f, CONF_ERROR, 0, "out of memory");
	return path;
}

static void
set_paths(const struct check *b)
{
	struct conf *c = b->conf;
	struct conf_paths *p = &c->paths;

	/* gpg's sockets must fit into sun_path, behind runtime/pgp/NN/ */
	if (strlen(c->runtime) > 60)
		conf_find(b->f, CONF_ERROR, 0,
		    "runtime: the path is too long, expected at most 60 "
		    "octets");
	p->keys = beneath(b, c->state, "keys");
	p->spool = beneath(b, c->state, "spool");
	p->bodies = beneath(b, c->state, "bodies");
	p->escrow = beneath(b, c->state, "escrow");
	p->portal = beneath(b, c->state, "portal");
	p->publish = beneath(b, c->state, "publish");
	p->audit = beneath(b, c->state, "audit");
	p->tls = beneath(b, c->state, "tls");
	if (p->keystore == NULL)
		p->keystore = beneath(b, c->state, "keystore");
	p->control = beneath(b, c->runtime, "control");
	p->pgp = beneath(b, c->runtime, "pgp");
	p->admission = beneath(b, c->runtime, "admission");
	p->ca_file = c->discovery.ca_file;
	p->pdftotext = c->extract.pdf;
}

static void
set_master_key(const struct check *b)
{
	struct conf *c = b->conf;
	const struct config_option *o =
	    config_find_option(&b->file->section[0], "master-key");
	size_t len = strlen(c->state);
	const char *slash;

	if (o == NULL) {
		slash = strrchr(c->file, '/');
		c->master_key = slash == NULL
				    ? "master.key"
				    : arena_printf(c->arena, "%.*smaster.key",
					  (int)(slash + 1 - c->file), c->file);
		return;
	}
	if (c->master_key != NULL &&
	    strncmp(c->master_key, c->state, len) == 0 &&
	    c->master_key[len] == '/')
		conf_find(b->f, CONF_WARN, o->line,
		    "master-key lies in the state directory: whoever copies "
		    "that can read everything in it");
}

static void
set_postmaster(const struct check *b)
{
	struct conf *c = b->conf;
	const char *domain = c->hostname;

	c->alarm_to = c->postmaster;
	for (size_t i = c->n_domains; i-- > 0;)
		if (c->domains[i][0] != '*')
			domain = c->domains[i];
	if (c->postmaster == NULL)
		c->postmaster = arena_printf(c->arena, "postmaster@%s", domain);
}

/* Its address is made canonical once; mail never leaves by it. */
static void
set_archive(const struct check *b)
{
	struct conf_opening *o = &b->conf->opening;
	struct mime_addr addr;

	if (o->archive_to == NULL)
		return;
	if (mime_addr_parse(span_str(o->archive_to), 0, b->conf->arena, &addr,
		NULL) != ERR_OK ||
	    !conf_domain_is_ours(
		b->conf, span_str(strrchr(addr.key, '@') + 1))) {
		conf_find(b->f, CONF_ERROR, 0,
		    "archive-to: \"%.60s\" is in none of the domains",
		    o->archive_to);
		return;
	}
	o->archive_key = addr.key;
}

/* Who is in a group decides what is protected. */
static void
check_group_servers(const struct check *b)
{
	const struct conf_source *ldap = &b->conf->discovery.ldap;
	const struct conf_group *g = b->conf->group;

	if (b->conf->n_group == 0)
		return;
	if (ldap->n_url == 0)
		conf_find(b->f, CONF_ERROR, g->line,
		    "group \"%s\" needs discovery ldap with a url", g->name);
	for (size_t i = 0; i < ldap->n_url; i++)
		if (is_open(ldap, i))
			conf_find(b->f, CONF_ERROR, g->line,
			    "group \"%s\": anybody on the way to %s could "
			    "change who is in it, expected \"ldaps://\" or "
			    "starttls = true",
			    g->name, ldap->url[i]);
}

/* `n_files` gets how many groups are in files. */
static void
check_groups(const struct check *b, size_t *n_files)
{
	size_t n;
	const char *const *names = policy_groups(b->conf->policy, &n);
	const struct conf *c = b->conf;

	*n_files = 0;
	for (size_t i = 0; i < n; i++) {
		if (strncmp(names[i], "ldap:", 5) != 0)
			++*n_files;
		else if (conf_group(c, names[i] + 5) == NULL)
			conf_find(b->f, CONF_ERROR, 0,
			    "a rule names \"%.80s\", and there is no section "
			    "group \"%.64s\"",
			    names[i], names[i] + 5);
	}
	check_group_servers(b);
	for (size_t i = 0; i < c->n_group; i++) {
		const struct conf_group *g = &c->group[i];
		size_t len = strlen(g->filter);

		if (len < 2 || g->filter[0] != '(' || g->filter[len - 1] != ')')
			conf_find(b->f, CONF_ERROR, g->line,
			    "group \"%s\": filter: expected \"(...)\"",
			    g->name);
		if (g->keep_s * 1000 < g->refresh_ms)
			conf_find(b->f, CONF_ERROR, g->line,
			    "group \"%s\": keep is shorter than refresh",
			    g->name);
	}
}

/* A worker that waits is at work, and must not be taken for one that hangs. */
static void
check_extract(const struct check *b)
{
	const struct conf *c = b->conf;

	if (c->extract.timeout_ms * 2 > c->limits.hang_ms &&
	    (c->extract.pdf != NULL || c->extract.office))
		conf_find(b->f, CONF_ERROR, 0,
		    "extract: timeout: expected at most half of hang in "
		    "section limits");
}

static bool
any_outbound(const struct conf *c)
{
	for (size_t i = 0; i < c->n_listen; i++)
		if (!c->listen[i].inbound)
			return true;
	return false;
}

static void
check_policy(const struct check *b)
{
	struct policy_finding *list = NULL;
	struct err_why why = {"out of memory"};
	size_t n = 0, n_groups;

	if (policy_check(b->conf->policy, b->conf->portal.present,
		b->conf->arena, &list, &n) != ERR_OK) {
		conf_find(b->f, CONF_ERROR, 0, "out of memory");
		return;
	}
	check_groups(b, &n_groups);
	if (n_groups > LIMIT_GROUP_FILES)
		conf_find(b->f, CONF_ERROR, 0,
		    "rules name %zu group files, expected at most %u", n_groups,
		    LIMIT_GROUP_FILES);
	if (policy_notifies(b->conf->policy) && !b->conf->inbound.present)
		conf_find(b->f, CONF_ERROR, 0,
		    "notify = true needs a section relay inbound: senders are "
		    "told inside alone");
	if (policy_n_rules(b->conf->policy) == 0 && any_outbound(b->conf))
		conf_find(b->f, CONF_ERROR, 0,
		    "there is no rule: all mail would be refused");
	if (facts_matchers_new(b->conf->policy, &b->conf->matchers, &why) !=
	    ERR_OK)
		conf_find(b->f, CONF_ERROR, 0, "rules: %s", why.text);
	for (size_t i = 0; i < n; i++)
		conf_find(b->f, list[i].fatal ? CONF_ERROR : CONF_WARN,
		    list[i].line, "%s", list[i].text);
}

void
config_check(
    struct conf *conf, const struct config_file *file, struct conf_findings *f)
{
	const struct check c = {conf, file, f}, *b = &c;

	check_dmz(b);
	if (conf->portal_gateway.present) {
		check_alone(b);
		check_portal(b);
		set_paths(b);
		return;
	}
	if (conf->n_domains == 0)
		conf_find(f, CONF_ERROR, 0, "\"domains\" is missing");
	check_listen(b);
	check_inbound(b);
	check_relay(b);
	check_portal(b);
	check_metrics(b);
	check_limits(b);
	check_discovery(b);
	check_ca(b);
	set_paths(b);
	set_master_key(b);
	set_postmaster(b);
	set_archive(b);
	check_extract(b);
	check_policy(b);
}
