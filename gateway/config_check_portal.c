/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the options of the portal, here or on another machine, must fulfil
 * together, and who may reach the metrics.
 */
#include <string.h>

#include "gateway/conf.h"
#include "gateway/config_check_private.h"
#include "gateway/notice_words.h"
#include "policy/policy.h"

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
check_colour(
    const struct config_check *b, unsigned line, const struct conf_brand *of)
{
	if (of->colour != NULL && !is_colour(of->colour))
		conf_find(b->f, CONF_ERROR, line,
		    "colour: expected # and six hexadecimal digits");
}

static void
check_languages(const struct config_check *b, unsigned line,
    const char *const *languages, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (notice_words_find(languages[i]) == NULL)
			conf_find(b->f, CONF_ERROR, line,
			    "languages: \"%s\", expected \"en\", \"de\", "
			    "\"fr\", \"es\", \"it\" or \"nl\"",
			    languages[i]);
}

void
config_check_portal(const struct config_check *b)
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
	config_check_tls_pair(b, p->line, p->tls_cert, p->tls_key);
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

void
config_check_dmz(const struct config_check *b)
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

void
config_check_alone(const struct config_check *b)
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

void
config_check_metrics(const struct config_check *b)
{
	const struct conf_metrics *m = &b->conf->metrics;

	for (size_t i = 0; i < m->n_address; i++)
		if (!addr_is_loopback(&m->address[i]))
			conf_find(b->f, CONF_WARN, m->address[i].line,
			    "address: whoever reaches it learns how much mail "
			    "there is; let a firewall keep others out");
}
