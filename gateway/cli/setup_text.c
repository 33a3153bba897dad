/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The text of the first configuration: only what was decided, each part with a
 * word on why it is there and where it is described. And the lines for the mail
 * server, which are the same in the guide.
 */
#include <string.h>

#include "gateway/cli/setup.h"

/* Where the unit of systemd looks. */
#define SETUP_CONF SYSCONFDIR "/sealgate/sealgate.conf"

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

static void
put_portal(struct draft *d, const struct setup *s)
{
	if (s->portal[0] == '\0')
		return;
	put(d,
	    "\n# Who has no key gets a link, and picks the message up "
	    "here.\nportal {\n\taddress  = \"%s\"\n\turl      = \"%s\"\n",
	    s->portal_address, s->portal);
	if (s->portal_cert[0] != '\0')
		put(d, "\ttls-cert = \"%s\"\n\ttls-key  = \"%s\"\n",
		    s->portal_cert, s->portal_key);
	put(d, "}\n");
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

enum err
setup_text(const struct setup *s, struct buf *out)
{
	struct draft d = {.out = out, .err = ERR_OK};

	put(&d,
	    "# Written by sealgate setup. The options are described in "
	    "sealgate.conf(5);\n# after every change: sealgated -n, then "
	    "sealgate reload.\n\n"
	    "hostname = \"%s\"\nstate    = \"%s\"\n",
	    s->hostname, s->state);
	if (s->runtime[0] != '\0')
		put(&d, "runtime  = \"%s\"\n", s->runtime);
	if (s->users[0] != '\0' &&
	    strspn(s->users, "0123456789") == strlen(s->users))
		put(&d, "users    = %s\n", s->users);
	else if (s->users[0] != '\0')
		put(&d,
		    "users    = \"%s\"       # sealgate-listener, "
		    "sealgate-worker, ...\n",
		    s->users);
	put(&d, "domains  = {");
	put_domains(&d, s, "");
	put(&d, " }\n");
	put_ways(&d, s);
	put_portal(&d, s);
	put_rules(&d, s);
	return d.err;
}

/* --- what to do now */

static void
say_mail_server(const struct setup *s, FILE *out)
{
	const char *colon = strrchr(s->listen, ':');
	int len = colon == NULL ? 0 : (int)(colon - s->listen);
	const char *port = colon == NULL ? "" : colon + 1;

	switch (s->server) {
	case SETUP_POSTFIX:
		fprintf(out,
		    "Let Postfix hand in what leaves:\n\n"
		    "    postconf -e 'relayhost = [%.*s]:%s'\n"
		    "    postfix reload\n",
		    len, s->listen, port);
		return;
	case SETUP_EXIM:
		fprintf(out,
		    "Let Exim hand in what leaves: this router, before the "
		    "one that looks up MX\nrecords (on Debian, with one file: "
		    "in the section routers of\n/etc/exim4/exim4.conf.template)"
		    ":\n\n"
		    "    sealgate:\n"
		    "      driver = manualroute\n"
		    "      domains = ! +local_domains\n"
		    "      transport = remote_smtp\n"
		    "      route_list = * %.*s::%s byname\n"
		    "      host_find_failed = defer\n"
		    "      self = send\n"
		    "      no_more\n",
		    len, s->listen, port);
		return;
	case SETUP_OPENSMTPD:
		fprintf(out,
		    "Let OpenSMTPD hand in what leaves, in smtpd.conf:\n\n"
		    "    action \"sealgate\" relay host smtp://%s\n"
		    "    match from local for any action \"sealgate\"\n",
		    s->listen);
		return;
	case SETUP_OTHER:
		break;
	}
	fprintf(out,
	    "Let your mail server hand all mail that leaves to %s (a relay "
	    "host or\nsmart host, without a login).\n",
	    s->listen);
}

/* The directory of the configuration, with its slash. */
static int
dir_len(const char *conf)
{
	const char *slash = strrchr(conf, '/');

	return slash == NULL ? 0 : (int)(slash - conf) + 1;
}

static void
say_start(const struct setup *s, const char *conf, FILE *out)
{
	if (s->users[0] != '\0' && strcmp(conf, SETUP_CONF) == 0)
		fputs("    systemctl enable --now sealgated\n"
		      "    sealgate doctor\n",
		    out);
	else
		fprintf(out,
		    "    sealgated -f %s &\n"
		    "    sealgate -f %s doctor\n",
		    conf, conf);
}

void
setup_next_steps(const struct setup *s, const char *conf, FILE *out)
{
	bool ours = strcmp(conf, SETUP_CONF) == 0;

	fprintf(out,
	    "\n1. Look at it, and at what -n says of ways by which mail can "
	    "leave readable:\n\n    sealgated -n -f %s\n\n"
	    "2. Start it:\n\n",
	    conf);
	say_start(s, conf, out);
	fputs("\n3. ", out);
	say_mail_server(s, out);
	if (s->sign || s->domain_keys)
		fprintf(out,
		    "\nGive partners the certificate of your CA, %.*s%s. "
		    "What it has issued:\n\n    sealgate%s%s key list\n",
		    dir_len(conf), conf, SETUP_CA_FILE, ours ? "" : " -f ",
		    ours ? "" : conf);
	if (s->inbound[0] != '\0')
		fprintf(out,
		    "\nWhen that works, let the MX record of %s point to %s.\n",
		    s->domain[0], s->hostname);
	if (s->portal[0] != '\0' && s->portal_cert[0] == '\0')
		fprintf(out,
		    "\nLet the web server of %s pass all paths on to "
		    "http://%s unchanged.\n",
		    s->portal, s->portal_address);
	fputs("\n4. Test it:\n\n", out);
	if (!ours)
		fprintf(out, "    export SEALGATE_CONF=%s\n", conf);
	fprintf(out,
	    "    sealgate key import colleague.crt\n"
	    "    sealgate explain --from you@%s --to somebody@partner.example\n"
	    "    sealgate queue list\n    sealgate audit list --last 5\n",
	    s->domain[0]);
}
