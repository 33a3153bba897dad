/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Certificates as who connects sees them: the file may be right, and what is
 * served still be the one before it.
 */
#include <stdio.h>
#include <time.h>

#include "gateway/cli/doctor.h"
#include "gateway/cli/probe.h"
#include "gateway/conf.h"

enum { LINE_SIZE = 128, END_SOON_S = 14 * 86400 };

/* Returns whether there was something to say. */
static bool
say_time(struct doctor *d, const char *where, const struct net_tls_shown *s)
{
	int64_t now = time(NULL);
	char date[CLI_DATE_SIZE], remedy[LINE_SIZE];

	snprintf(remedy, sizeof(remedy),
	    "renew the file that tls-cert names, then: %s",
	    d->conf->portal_gateway.present
		? "systemctl restart sealgate-portal"
		: "sealgate reload");
	cli_date(now < s->begin_s ? s->begin_s : s->end_s, date);
	if (now < s->begin_s)
		doctor_say(d, DOCTOR_BAD, "TLS",
		    "is the clock of this machine right? else use the one "
		    "before it until then",
		    "%s: the certificate is not valid before %s", where, date);
	else if (now > s->end_s)
		doctor_say(d, DOCTOR_BAD, "TLS", remedy,
		    "%s: the certificate ended on %s, who verifies it does "
		    "not connect",
		    where, date);
	else if (s->end_s - now < END_SOON_S)
		doctor_say(d, DOCTOR_WARN, "TLS", remedy,
		    "%s: the certificate ends on %s", where, date);
	else
		return false;
	return true;
}

static bool
say_name(struct doctor *d, const char *where, const struct probe *p,
    enum doctor_level doubt)
{
	if (p->shown.named)
		return false;
	doctor_say(d, doubt, "TLS",
	    doubt == DOCTOR_BAD
		? "browsers refuse it: get one for the host in url"
		: "get one for that name, unless all who connect here use "
		  "another",
	    "%s: the certificate is for %s and not for %s", where,
	    p->shown.names[0] == '\0' ? "no host" : p->shown.names,
	    p->names[0]);
	return true;
}

static bool
say_chain(struct doctor *d, const char *where, const struct net_tls_shown *s,
    enum doctor_level doubt)
{
	int64_t now = time(NULL);

	if (s->chain == NET_TLS_FAULT_NONE ||
	    (s->chain == NET_TLS_FAULT_EXPIRED &&
		(now < s->begin_s || now > s->end_s)))
		return false; /* nothing, or told as its own time */
	doctor_say(d, doubt, "TLS",
	    "write the certificates of its issuers behind it into the file of "
	    "tls-cert; who verifies knows public CAs, and no certificate that "
	    "signs itself",
	    "%s: others do not know who issued the certificate: %s", where,
	    s->reason);
	return true;
}

void
doctor_certificate(struct doctor *d, const char *where, const struct probe *p,
    enum doctor_level doubt)
{
	char date[CLI_DATE_SIZE];
	bool told = say_time(d, where, &p->shown);

	told = say_name(d, where, p, doubt) || told;
	told = say_chain(d, where, &p->shown, doubt) || told;
	if (told)
		return;
	cli_date(p->shown.end_s, date);
	doctor_say(d, DOCTOR_OK, "TLS", NULL,
	    "%s: %s, for %s, issued by who is known, until %s", where,
	    p->protocol, p->names[0], date);
}

const char *
doctor_not_known(const struct probe *p, char *out, size_t size)
{
	int64_t now = time(NULL);

	out[0] = '\0';
	if (p->shown.chain != NET_TLS_FAULT_NONE)
		snprintf(out, size, "%s", p->shown.reason);
	else if (now < p->shown.begin_s || now > p->shown.end_s)
		snprintf(out, size, "it is not valid now");
	else if (!p->shown.named)
		snprintf(out, size, "it is for %s and not for %s",
		    p->shown.names, p->names[0]);
	return out;
}
