/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the options of listen, relay and route must fulfil together: who hands
 * in mail, where it goes, and by which TLS.
 */
#include <arpa/inet.h>
#include <string.h>

#include "common/limits.h"
#include "gateway/conf.h"
#include "gateway/config_check_private.h"

enum { SMTP_PORT = 25 };

/* Passwords and identities are taken inside TLS alone. */
static void
check_listen_tls(const struct config_check *b, const struct conf_listen *l)
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
check_listen_lmtp(const struct config_check *b, const struct conf_listen *l)
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

void
config_check_listen(const struct config_check *b)
{
	const struct conf *c = b->conf;

	if (c->n_listen == 0)
		conf_find(b->f, CONF_ERROR, 0,
		    "sections listen outbound and listen inbound are missing: "
		    "nothing could hand in mail");
	for (size_t i = 0; i < c->n_listen; i++) {
		struct conf_listen *l = &c->listen[i];

		config_check_tls_pair(b, l->line, l->tls_cert, l->tls_key);
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

void
config_check_inbound(const struct config_check *b)
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
check_tls_names(const struct config_check *b, const struct conf_relay *r)
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
check_client_told(const struct config_check *b, const struct conf_relay *r)
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
check_verifiable(const struct config_check *b, const struct conf_relay *r)
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
check_login(const struct config_check *b, const struct conf_relay *r)
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
check_one_relay(const struct config_check *b, struct conf_relay *out)
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
check_dkim(const struct config_check *b)
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

void
config_check_relay(const struct config_check *b)
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
