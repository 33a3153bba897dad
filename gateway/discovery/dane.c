/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * OPENPGPKEY (RFC 7929) and SMIMEA (RFC 8162), asked together. Only what DNSSEC
 * proves is taken; forged or unreachable answers are failures.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "common/limits.h"
#include "common/loop.h"
#include "common/text.h"
#include "gateway/discovery/source.h"
#include "net/dns.h"

enum { NAME_OCTETS = 28 };

/* Usages (RFC 6698 §2.1.1), selectors, matching types. */
enum {
	PKIX_EE = 1,
	DANE_EE = 3,
	WHOLE_CERT = 0,
	EXACT = 0,
};

struct question {
	struct net_dns_query *pgp, *smime;
	struct loop_timer *deadline;
	discovery_done *done;
	void *arg;
	bool failed;
	struct buf octets; /* of all records */
	size_t end[DISCOVERY_FOUND_MAX];
	struct discovery_outcome out;
};

enum err
discovery_dane_name(const struct discovery_addr *addr, const char *label,
    char *out, size_t out_size)
{
	uint8_t digest[DIGEST_SIZE];
	char hex[2 * NAME_OCTETS + 1];
	struct span local = span_str(addr->local);
	int n;

	digest_sha256(&local, 1, digest);
	text_hex(SPAN(digest, NAME_OCTETS), hex);
	n = snprintf(out, out_size, "%s.%s.%s", hex, label, addr->domain);
	return n < 0 || (size_t)n >= out_size ? ERR_TOO_BIG : ERR_OK;
}

enum err
discovery_smimea(struct span rdata, struct span *cert, bool *asserted)
{
	if (rdata.len < 4)
		return ERR_MALFORMED;
	/* a digest or a bare key proves a certificate that one has already; a
	   CA is no certificate of the address */
	if ((rdata.data[0] != DANE_EE && rdata.data[0] != PKIX_EE) ||
	    rdata.data[1] != WHOLE_CERT || rdata.data[2] != EXACT)
		return ERR_UNSUPPORTED;
	*cert = SPAN(rdata.data + 3, rdata.len - 3);
	*asserted = rdata.data[0] == DANE_EE;
	return ERR_OK;
}

static void
cancel(void *question)
{
	struct question *q = question;

	net_dns_cancel(q->pgp);
	net_dns_cancel(q->smime);
	loop_timer_free(q->deadline);
	buf_clear(&q->octets);
	free(q);
}

static void
finish(struct question *q)
{
	struct discovery_outcome *o = &q->out;
	size_t begin = 0;

	for (size_t i = 0; i < o->n; i++) {
		o->found[i].octets =
		    SPAN(q->octets.data + begin, q->end[i] - begin);
		begin = q->end[i];
	}
	o->status = q->failed  ? PROTO_ANSWER_FAILED
		    : o->n > 0 ? PROTO_ANSWER_FOUND
			       : PROTO_ANSWER_ABSENT;
	o->reached = !q->failed;
	q->done(q->arg, o);
	cancel(q);
}

static void
add(struct question *q, struct span octets, bool openpgp, bool asserted)
{
	struct discovery_outcome *o = &q->out;

	if (o->n == DISCOVERY_FOUND_MAX || octets.len == 0)
		return;
	if (buf_put(&q->octets, octets) != ERR_OK) {
		q->failed = true;
		return;
	}
	q->end[o->n] = q->octets.len;
	o->found[o->n++] =
	    (struct discovery_found){.openpgp = openpgp, .asserted = asserted};
}

static void
take(struct question *q, const struct net_dns_answer *a, bool openpgp)
{
	struct discovery_outcome *o = &q->out;
	struct span cert;
	bool asserted;

	switch (a->err) {
	case ERR_OK:
		break;
	case ERR_NO_HOST:
	case ERR_NOT_FOUND:
		return;
	default:
		q->failed = true;
		(void)!err_why(&o->why, a->err, "%s: %s",
		    openpgp ? "OPENPGPKEY" : "SMIMEA", err_text(a->err));
		return;
	}
	if (!a->secure) {
		(void)!err_why(&o->why, ERR_NO_KEY,
		    "%s: there is a record, and DNSSEC does not prove it",
		    openpgp ? "OPENPGPKEY" : "SMIMEA");
		return;
	}
	for (size_t i = 0; i < a->n; i++) {
		if (openpgp)
			add(q, a->rdata[i], true, false);
		else if (discovery_smimea(a->rdata[i], &cert, &asserted) ==
			 ERR_OK)
			add(q, cert, false, asserted);
	}
}

static void
on_pgp(void *arg, const struct net_dns_answer *a)
{
	struct question *q = arg;

	q->pgp = NULL;
	take(q, a, true);
	if (q->smime == NULL)
		finish(q);
}

static void
on_smime(void *arg, const struct net_dns_answer *a)
{
	struct question *q = arg;

	q->smime = NULL;
	take(q, a, false);
	if (q->pgp == NULL)
		finish(q);
}

static void
on_deadline(void *arg)
{
	struct question *q = arg;

	q->failed = true;
	(void)!err_why(&q->out.why, ERR_TIMEOUT,
	    "the name servers did not answer in time");
	net_dns_cancel(q->pgp);
	net_dns_cancel(q->smime);
	q->pgp = q->smime = NULL;
	finish(q);
}

static void *
start(struct discovery_env *env, const struct discovery_addr *addr,
    discovery_done *done, void *arg)
{
	struct question *q = calloc(1, sizeof(*q));
	char pgp[NET_DNS_NAME_MAX], smime[NET_DNS_NAME_MAX];

	if (q == NULL)
		return NULL;
	q->done = done;
	q->arg = arg;
	buf_init(&q->octets, LIMIT_KEY_SIZE);
	q->deadline = loop_timer_new(env->loop, on_deadline, q);
	loop_timer_start(q->deadline, env->conf->discovery.dane.timeout_ms, 0);
	if (discovery_dane_name(addr, "_openpgpkey", pgp, sizeof(pgp)) ==
		ERR_OK &&
	    discovery_dane_name(addr, "_smimecert", smime, sizeof(smime)) ==
		ERR_OK) {
		q->pgp =
		    net_dns_ask(env->dns, pgp, NET_DNS_OPENPGPKEY, on_pgp, q);
		q->smime =
		    net_dns_ask(env->dns, smime, NET_DNS_SMIMEA, on_smime, q);
		snprintf(q->out.url, sizeof(q->out.url), "dns:%s", pgp);
	}
	if (q->pgp != NULL && q->smime != NULL)
		return q;
	cancel(q);
	return NULL;
}

const struct discovery_source discovery_dane = {KS_SOURCE_DANE, start, cancel};
