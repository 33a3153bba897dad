/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What `sealgate setup` asks at a terminal: all that options and the files of
 * this machine have not said. What an answer may be is checked here as far as
 * it has to stand in quotes; what it means, by the configuration's own reader.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/cli/setup.h"

/* Can it stand in quotes, as one word? */
bool
setup_set(char *to, const char *value)
{
	size_t len = strlen(value);

	for (size_t i = 0; i < len; i++)
		if (value[i] <= ' ' || value[i] > '~' || value[i] == '"' ||
		    value[i] == '\\')
			return false;
	if (len == 0 || len >= SETUP_VALUE)
		return false;
	memcpy(to, value, len + 1);
	return true;
}

/* Ask until the answer can be used; an empty one takes what is there. */
static enum err
ask(const char *question, const char *hint, char *to)
{
	char line[SETUP_VALUE + 2];

	for (;;) {
		fprintf(stderr, "%s%s%s%s: ", question,
		    to[0] == '\0' && hint[0] == '\0' ? "" : " [",
		    to[0] == '\0' ? hint : to,
		    to[0] == '\0' && hint[0] == '\0' ? "" : "]");
		if (fgets(line, sizeof(line), stdin) == NULL)
			return ERR_CLOSED;
		line[strcspn(line, "\r\n")] = '\0';
		if (line[0] == '\0' && (to[0] != '\0' || hint[0] != '\0'))
			return ERR_OK;
		if (setup_set(to, line))
			return ERR_OK;
		fputs("One word, without quotes.\n", stderr);
	}
}

/* Nothing but yes is one. */
static enum err
ask_yes(const char *question, bool *out)
{
	char answer[SETUP_VALUE] = "";
	enum err e = ERR_OK;

	if (*out)
		return ERR_OK;
	do {
		answer[0] = '\0';
		e = ask(question, "no", answer);
	} while (e == ERR_OK && answer[0] != '\0' &&
		 strcmp(answer, "yes") != 0 && strcmp(answer, "no") != 0);
	if (e == ERR_OK)
		*out = strcmp(answer, "yes") == 0;
	return e;
}

/* Where the portal is, and what knows it there. */
static enum err
ask_portal(struct setup *s)
{
	enum err e = ERR_OK;

	if (s->dmz[0] == '\0')
		e = ask("If the portal runs on another machine, in a DMZ: "
			"where it waits for\nthis gateway there, ADDRESS:PORT",
		    "it runs here", s->dmz);
	if (e == ERR_OK && s->dmz[0] != '\0' && s->peer[0] == '\0')
		e = ask("Fingerprint that sealgate setup --role portal has "
			"told there",
		    "what it needs is made here", s->peer);
	return e;
}

/* The portal of another machine. */
static enum err
ask_alone(struct setup *s)
{
	enum err e =
	    ask("Where recipients pick mail up, https://HOST", "", s->portal);

	if (e == ERR_OK)
		e = ask(
		    "Where it waits for the gateway, ADDRESS:PORT", "", s->dmz);
	if (e == ERR_OK && s->portal_cert[0] == '\0')
		e = ask("Certificate for the readers' browsers, a file",
		    "a web server in front has one", s->portal_cert);
	if (e == ERR_OK && s->portal_cert[0] != '\0')
		e = ask("Its private key, a file", "", s->portal_key);
	if (e == ERR_OK && s->peer[0] == '\0')
		e = ask("Fingerprint of the gateway's certificate",
		    "not known yet", s->peer);
	return e;
}

static enum err
ask_gateway(struct setup *s, bool no_portal)
{
	enum err e;

	e = ask("Name of this gateway in the DNS", "", s->hostname);
	if (e == ERR_OK)
		e = ask("Your mail domain (more of them with --domain)", "",
		    s->domain[0]);
	if (e == ERR_OK && s->n_domain == 0)
		s->n_domain = 1;
	if (e == ERR_OK)
		e = ask("Your mail server, HOST:PORT", "", s->mail_server);
	if (e == ERR_OK)
		e = ask("Where it hands mail in, ADDRESS:PORT", "", s->listen);
	if (e == ERR_OK)
		e = ask("Where mail goes, mx or HOST:PORT", "", s->next_hop);
	if (e == ERR_OK && s->inbound[0] == '\0')
		e = ask("Where mail from outside comes in, ADDRESS:PORT",
		    "not here", s->inbound);
	if (e == ERR_OK && s->portal[0] == '\0' && !no_portal)
		e = ask("Where recipients without keys pick mail up, "
			"https://HOST",
		    "nowhere: such mail is held", s->portal);
	if (e == ERR_OK && s->portal[0] != '\0')
		e = ask_portal(s);
	if (e == ERR_OK)
		e = ask_yes("Sign what leaves, with certificates of a CA that "
			    "is made here, yes or no",
		    &s->sign);
	if (e == ERR_OK)
		e = ask_yes("Make keys of your domains, for partners whose "
			    "gateway seals to all of you, yes or no",
		    &s->domain_keys);
	return e;
}

enum err
setup_ask(struct setup *s, bool no_portal)
{
	fputs("An empty answer takes what stands in brackets.\n", stderr);
	return s->alone ? ask_alone(s) : ask_gateway(s, no_portal);
}
