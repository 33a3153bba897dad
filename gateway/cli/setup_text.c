/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The text of the first configuration: only what was decided, each part with a
 * word on why it is there and where it is described.
 */
#include <string.h>

#include "gateway/cli/setup.h"

/* The first error stays; nothing is appended behind it. */
struct draft {
	struct buf *out;
	enum err err;
};

static void put(struct draft *d, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void
put(struct draft *d, const char *fmt, ...)
{
	char text[4 * SETUP_VALUE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (d->err == ERR_OK)
		d->err = buf_puts(d->out, text);
}

static void
put_domains(struct draft *d, const struct setup *s, const char *prefix)
{
	for (size_t i = 0; i < s->n_domain; i++)
		put(d, "%s\"%s%s\"", i == 0 ? " " : ", ", prefix, s->domain[i]);
}

/* The host of "HOST:PORT" is who may hand in mail. */
static void
put_client(struct draft *d, const char *server)
{
	const char *colon = strrchr(server, ':');
	int len = colon == NULL ? (int)strlen(server) : (int)(colon - server);

	if (strncmp(server, "127.", 4) == 0)
		put(d, "\"127.0.0.0/8\"");
	else
		put(d, "\"127.0.0.0/8\", \"%.*s\"", len, server);
}

static void
put_ways(struct draft *d, const struct setup *s)
{
	put(d,
	    "\n# The mail server hands in what its users send. Whoever is in "
	    "clients can write as\n# anybody: keep it short.\nlisten outbound "
	    "{\n\taddress  = \"%s\"\n\tclients  = { ",
	    s->listen);
	put_client(d, s->mail_server);
	put(d, " }\n");
	if (s->sign) {
		put(d,
		    "\t# it checks who its senders are, so their mail may be "
		    "signed\n\tmay-sign = { ");
		put_client(d, s->mail_server);
		put(d, " }\n");
	}
	put(d, "}\n");
	if (s->inbound[0] != '\0') {
		put(d,
		    "# The world hands in the rest: point the MX record here. "
		    "Who is unknown to the\n# mail server is refused at "
		    "once.\nlisten inbound {\n\taddress  = "
		    "\"%s\"\n\tverify-recipients = server\n",
		    s->inbound);
		if (s->tls_cert[0] != '\0')
			put(d, "\ttls-cert = \"%s\"\n\ttls-key  = \"%s\"\n",
			    s->tls_cert, s->tls_key);
		put(d, "}\n");
	}
	put(d,
	    "# Where mail goes: to the world%s, and what is for own users to "
	    "the mail server.\nrelay outbound { via = \"%s\" }\nrelay inbound  "
	    "{ via = \"%s\" }\n",
	    strcmp(s->next_hop, "mx") == 0 ? ", by MX records" : "",
	    s->next_hop, s->mail_server);
}

/* Two addresses, for two kinds of callers: readers, and the gateway. */
static void
put_page(struct draft *d, const struct setup *s)
{
	put(d, "portal {\n\taddress  = \"%s\"\n\turl      = \"%s\"\n",
	    s->portal_address, s->portal);
	if (s->portal_cert[0] != '\0')
		put(d, "\ttls-cert = \"%s\"\n\ttls-key  = \"%s\"\n",
		    s->portal_cert, s->portal_key);
	put(d, "}\n");
}

static void
put_link(struct draft *d, const struct setup *s)
{
	put(d, "portal %s {\n\t%s = \"%s\"\n", s->alone ? "gateway" : "dmz",
	    s->alone ? "address " : "at      ", s->dmz);
	put(d, "\ttls-cert = \"%s\"\n\ttls-key  = \"%s\"\n", s->link_cert,
	    s->link_key);
	put(d, "\t# the certificate of the %s\n\tpeer     = \"%s\"\n}\n",
	    s->alone ? "gateway" : "portal", s->peer);
}

static void
put_portal(struct draft *d, const struct setup *s)
{
	if (s->portal[0] == '\0')
		return;
	put(d, "\n# Who has no key gets a link, and picks the message up %s.\n",
	    s->dmz[0] == '\0' ? "here" : "on another machine");
	if (s->dmz[0] == '\0') {
		put_page(d, s);
		return;
	}
	put(d, "portal     { url = \"%s\" }\n", s->portal);
	put(d,
	    "# This gateway connects to it there, and nothing from there to "
	    "here. Each knows the\n# other by the SHA-256 fingerprint of its "
	    "certificate.\n");
	put_link(d, s);
}

static void
put_rules(struct draft *d, const struct setup *s)
{
	const char *last = s->portal[0] != '\0' ? "escrow" : "hold";

	put(d,
	    "\n# Keys of strangers, from where recipients publish them.\n"
	    "discovery { sources = { \"wkd\", \"dane\", \"vks\" } }\n"
	    "\n# Colleagues among themselves. Everything else is encrypted%s.\n"
	    "# Further policies to copy: the administrator's guide, chapter "
	    "3.\nrule \"inside\"  { to = {",
	    s->portal[0] != '\0' ? ", or picked up"
				 : "; what no key is found for waits for you");
	put_domains(d, s, "@");
	put(d,
	    " }  try = { clear } }\nrule \"default\" { try = { smime, pgp, %s "
	    "}",
	    last);
	if (s->sign)
		put(d, "  sign = if-possible  auto-issue = true");
	put(d,
	    " }\n\n# What is meant by that; sealgated -n refuses a "
	    "configuration that does otherwise.\n"
	    "test \"a published key\" { from = \"a@%s\"  to = "
	    "\"b@partner.example\"  has = pgp  expect = pgp }\n"
	    "test \"no key\"          { from = \"a@%s\"  to = "
	    "\"b@partner.example\"  expect = %s }\n"
	    "test \"colleagues\"      { from = \"a@%s\"  to = \"b@%s\"  expect "
	    "= clear }\n",
	    s->domain[0], s->domain[0], last, s->domain[0], s->domain[0]);
}

static void
put_users(struct draft *d, const struct setup *s, const char *which)
{
	if (s->users[0] == '\0')
		return;
	if (strspn(s->users, "0123456789") == strlen(s->users))
		put(d, "users    = %s\n", s->users);
	else
		put(d, "users    = \"%s\"       # %s\n", s->users, which);
}

static void
put_gateway(struct draft *d, const struct setup *s)
{
	put(d,
	    "# Written by sealgate setup. The options are described in "
	    "sealgate.conf(5);\n# after every change: sealgated -n, then "
	    "sealgate reload.\n\n"
	    "hostname = \"%s\"\nstate    = \"%s\"\n",
	    s->hostname, s->state);
	if (s->runtime[0] != '\0')
		put(d, "runtime  = \"%s\"\n", s->runtime);
	put_users(d, s, "sealgate-listener, sealgate-worker, ...");
	put(d, "domains  = {");
	put_domains(d, s, "");
	put(d, " }\n");
	put_ways(d, s);
	put_portal(d, s);
	put_rules(d, s);
}

static void
put_alone(struct draft *d, const struct setup *s)
{
	put(d,
	    "# Written by sealgate setup: the portal of a gateway on another "
	    "machine, and nothing\n# else. The options are described in "
	    "sealgate.conf(5); after every change:\n# sealgated -n -f with "
	    "this file, then systemctl restart sealgate-portal.\n\n"
	    "hostname = \"%s\"\nstate    = \"%s\"\n",
	    s->hostname, s->state);
	put_users(d, s, "sealgate-portal, and no other");
	put(d, "\n# Readers come here.\n");
	put_page(d, s);
	put(d, "# The gateway alone may reach this address, and nothing begins "
	       "here: let a firewall see\n# to it. Each knows the other by the "
	       "SHA-256 fingerprint of its certificate.\n");
	put_link(d, s);
}

enum err
setup_text(const struct setup *s, struct buf *out)
{
	struct draft d = {.out = out, .err = ERR_OK};

	if (s->alone)
		put_alone(&d, s);
	else
		put_gateway(&d, s);
	return d.err;
}

void
setup_url_host(const char *url, char out[SETUP_VALUE])
{
	const char *host = strstr(url, "://");
	int len;

	host = host == NULL ? url : host + 3;
	len = (int)(host[0] == '[' ? strcspn(host, "]") + 1
				   : strcspn(host, ":/?#"));
	snprintf(out, SETUP_VALUE, "%.*s", len, host);
}

void
setup_url_name(const char *url, char out[SETUP_VALUE])
{
	setup_url_host(url, out);
	if (out[0] == '[' || strspn(out, "0123456789.") == strlen(out))
		snprintf(out, SETUP_VALUE, "localhost");
}
