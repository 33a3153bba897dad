/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What to do once the first configuration is there: what is to be brought to
 * which machine, in which order, and the lines for the mail server, which are
 * the same in the guide and in the recipes.
 */
#include <string.h>

#include "gateway/cli/setup.h"

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

/* --- a portal on another machine */

static void
say_web_server(const struct setup *s, FILE *out)
{
	if (s->portal_cert[0] == '\0')
		fprintf(out,
		    "\nLet the web server of %s pass all paths on to "
		    "http://%s unchanged.\n",
		    s->portal, s->portal_address);
}

/* What was made here for it has to get there, and must not stay. */
static void
say_bundle(const struct setup *s, const char *conf, FILE *out)
{
	char host[SETUP_VALUE];
	int len = dir_len(conf);

	setup_url_host(s->dmz, host);
	fprintf(out,
	    "\nThe portal in the DMZ has its configuration, certificate and "
	    "key in\n%.*s%s. Install the same package there; then, from "
	    "here:\n\n"
	    "    scp -p %.*s%s/* root@%s:%s\n"
	    "    ssh root@%s 'cd %s && chgrp sealgate-portal %s && chmod 0440 "
	    "%s'\n"
	    "    rm -r %.*s%s\n\n"
	    "and there:\n\n",
	    len, conf, SETUP_DMZ_DIR, len, conf, SETUP_DMZ_DIR, host, SETUP_DIR,
	    host, SETUP_DIR, SETUP_LINK_KEY, SETUP_LINK_KEY, len, conf,
	    SETUP_DMZ_DIR);
	fprintf(out,
	    "    sealgated -n -f %s%s\n"
	    "    systemctl enable --now sealgate-portal\n",
	    SETUP_DIR, SETUP_PORTAL_CONF);
	if (s->portal_cert[0] != '\0')
		fprintf(out,
		    "\nThe group sealgate-portal must be able to read %s "
		    "there.\n",
		    s->portal_key);
	else
		say_web_server(s, out);
}

static void
say_dmz(const struct setup *s, const struct setup_link *l, const char *conf,
    FILE *out)
{
	if (l->bundle)
		say_bundle(s, conf, out);
	else
		fprintf(out,
		    "\nOn the machine in the DMZ, which gets its configuration "
		    "by that (with the options\n--portal-address, "
		    "--portal-cert and --portal-key that it had):\n\n"
		    "    sealgate setup --role portal --portal %s --portal-dmz "
		    "%s --peer %s\n",
		    s->portal, s->dmz, l->ours.fpr);
	fprintf(out,
	    "\nThe firewall lets this machine reach %s there, the world what "
	    "%s stands for,\nand nothing begin there.\n",
	    s->dmz, s->portal);
}

/* The machine in the DMZ, before and after it knows its gateway. */
static void
say_alone(const struct setup *s, const struct setup_link *l, const char *conf,
    FILE *out)
{
	bool ours = strcmp(conf, SETUP_DIR SETUP_PORTAL_CONF) == 0;

	if (s->peer[0] == '\0') {
		fprintf(out,
		    "%s is this machine's certificate for the gateway, and\n"
		    "%s its key. There is no configuration yet: on the gateway "
		    "say\n\n"
		    "    sealgate setup --portal %s --portal-dmz %s --peer %s\n"
		    "\n(with the options that it needs besides), which tells "
		    "what to say here then.\n",
		    s->link_cert, s->link_key, s->portal, s->dmz, l->ours.fpr);
		return;
	}
	fprintf(out, "\n1. Look at it:\n\n    sealgated -n -f %s\n\n", conf);
	fputs("2. Start it:\n\n", out);
	if (s->users[0] != '\0' && ours)
		fputs("    systemctl enable --now sealgate-portal\n", out);
	else
		fprintf(out, "    sealgated -f %s --role portal &\n", conf);
	if (s->portal_cert[0] != '\0' && s->users[0] != '\0')
		fprintf(out,
		    "\nIts user, sealgate-portal, must be able to read %s: "
		    "give "
		    "it the group, or hand it\nover as a credential "
		    "(sealgated(8)).\n",
		    s->portal_key);
	say_web_server(s, out);
	fprintf(out,
	    "\nThe firewall lets the gateway, and nobody else, reach %s, the "
	    "world what %s stands\nfor, and nothing begin here. The gateway's "
	    "sealgate doctor says whether it gets through.\n",
	    s->dmz, s->portal);
}

/* --- all of it */

static void
say_gateway(const struct setup *s, const struct setup_link *l, const char *conf,
    FILE *out)
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
	if (l->present)
		say_dmz(s, l, conf, out);
	else if (s->portal[0] != '\0')
		say_web_server(s, out);
	fputs("\n4. Test it:\n\n", out);
	if (!ours)
		fprintf(out, "    export SEALGATE_CONF=%s\n", conf);
	fprintf(out,
	    "    sealgate key import colleague.crt\n"
	    "    sealgate explain --from you@%s --to somebody@partner.example\n"
	    "    sealgate queue list\n    sealgate audit list --last 5\n",
	    s->domain[0]);
}

void
setup_next_steps(const struct setup *s, const struct setup_link *l,
    const char *conf, FILE *out)
{
	if (s->alone)
		say_alone(s, l, conf, out);
	else
		say_gateway(s, l, conf, out);
}
