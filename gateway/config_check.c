/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the options of a configuration must fulfil together, and what follows
 * from them: paths, master key, postmaster. Listeners and relays are in
 * config_check_mail.c, the portal is in config_check_portal.c. No single option
 * is looked at here; that is config_value.c.
 */
#include <inttypes.h>
#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "gateway/conf.h"
#include "gateway/config_check_private.h"
#include "gateway/config_private.h"
#include "gateway/config_read.h"
#include "gateway/facts.h"
#include "keystore/record.h"
#include "mime/addr.h"
#include "policy/policy.h"

enum {
	FILTER_MAX = 300, /* octets: room for an address in each place */
};

void
config_check_tls_pair(const struct config_check *b, unsigned line,
    const char *cert, const char *key)
{
	if ((cert == NULL) != (key == NULL))
		conf_find(b->f, CONF_ERROR, line,
		    "tls-cert and tls-key belong together, expected %s, too",
		    cert == NULL ? "tls-cert" : "tls-key");
}

static void
check_limits(const struct config_check *b)
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
check_ca(const struct config_check *b)
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
check_directory(const struct config_check *b, const struct conf_source *c)
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
check_discovery(const struct config_check *b)
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
beneath(const struct config_check *b, const char *dir, const char *name)
{
	const char *path = arena_printf(
	    b->conf->arena, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, name);

	if (path == NULL)
		conf_find(b->f, CONF_ERROR, 0, "out of memory");
	return path;
}

static void
set_paths(const struct config_check *b)
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
set_master_key(const struct config_check *b)
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
set_postmaster(const struct config_check *b)
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
set_archive(const struct config_check *b)
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
check_group_servers(const struct config_check *b)
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
check_groups(const struct config_check *b, size_t *n_files)
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
check_extract(const struct config_check *b)
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
check_policy(const struct config_check *b)
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
	const struct config_check c = {conf, file, f}, *b = &c;

	config_check_dmz(b);
	if (conf->portal_gateway.present) {
		config_check_alone(b);
		config_check_portal(b);
		set_paths(b);
		return;
	}
	if (conf->n_domains == 0)
		conf_find(f, CONF_ERROR, 0, "\"domains\" is missing");
	config_check_listen(b);
	config_check_inbound(b);
	config_check_relay(b);
	config_check_portal(b);
	config_check_metrics(b);
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
