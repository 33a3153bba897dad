/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Demands on a session. Which names count is DESIGN's: the domain of the
 * recipients or what the administrator wrote; the name of an MX host only where
 * DNSSEC proves that it is one.
 */
#include "gateway/relay/expect.h"

#include <stdio.h>
#include <string.h>

#include "gateway/entry.h"

static void
add_name(struct relay_expect *x, const char *name)
{
	if (name[0] != '\0' && name[0] != '[' &&
	    x->peer.n_names < NET_TLS_NAMES_MAX)
		x->peer.names[x->peer.n_names++] = name;
}

static void
add_names(struct relay_expect *x, const struct relay_target *t,
    const struct relay_host *h)
{
	char *n, *blank;

	if (t->names[0] != '\0') {
		memcpy(x->names, t->names, sizeof(x->names));
		for (n = x->names; n != NULL; n = blank) {
			blank = strchr(n, ' ');
			if (blank != NULL)
				*blank++ = '\0';
			add_name(x, n);
		}
		return;
	}
	if (t->mx)
		add_name(x, t->host);
	if (h->name_is_proven)
		add_name(x, h->name);
}

static void
at_least(struct relay_expect *x, enum entry_tls tls)
{
	if (x->tls < tls)
		x->tls = (uint8_t)tls;
}

/* RFC 8461 2 and 4.1: below usable DANE records, and with the name that the
   policy means. */
static void
heed_policy(struct relay_expect *x, const struct relay_host *h)
{
	switch (h->sts) {
	case RELAY_STS_UNKNOWN:
	case RELAY_STS_NOTHING:
		return;
	case RELAY_STS_TESTING:
		x->testing = true;
		return;
	case RELAY_STS_NAMED:
		x->sts = true;
		x->peer.n_names = 0;
		add_name(x, h->name);
		break;
	case RELAY_STS_FOREIGN:
		x->foreign = true;
		break;
	}
	x->sts_id = h->sts_id;
	x->promised = true;
	at_least(x, ENTRY_TLS_AUTHENTICATED);
}

void
relay_expect_make(struct relay_expect *x, const struct relay_target *t,
    const struct relay_host *h, const struct net_tlsa *tlsa)
{
	memset(x, 0, sizeof(*x));
	x->tls = t->tls;
	x->dane = t->dane;
	x->only_sts = t->sts;
	x->require = t->require;
	x->sts_id = "";
	x->peer.peer = h->peer;
	x->peer.sni = h->name[0] == '\0' ? NULL : h->name;
	add_names(x, t, h);
	switch (h->dane) {
	case RELAY_DANE_ABSENT:
		heed_policy(x, h);
		break;
	case RELAY_DANE_ENCRYPT:
		x->promised = true;
		at_least(x, ENTRY_TLS_ENCRYPT);
		heed_policy(x, h);
		break;
	case RELAY_DANE_FAILED:
	case RELAY_DANE_VERIFY:
		at_least(x, ENTRY_TLS_AUTHENTICATED);
		x->dane = true;
		x->promised = true;
		x->peer.tlsa = tlsa;
		x->peer.base = h->tlsa_base;
		x->peer.sni = h->tlsa_base; /* RFC 7672 8.1 */
		break;
	}
	if (t->lax && t->tls == ENTRY_TLS_OPPORTUNISTIC) {
		x->tls = ENTRY_TLS_OPPORTUNISTIC;
		x->foreign = false;
	}
	x->peer.strict = x->tls == ENTRY_TLS_AUTHENTICATED;
}

enum err
relay_expect_check(const struct relay_expect *x, bool has_tls,
    enum net_tls_proof proof, const struct err_why *proof_why,
    struct err_why *why)
{
	if (x->tls == ENTRY_TLS_OPPORTUNISTIC)
		return ERR_OK;
	if (!has_tls)
		return err_why(why, ERR_TLS,
		    "TLS is required and cannot be had from the next hop");
	if (x->tls == ENTRY_TLS_ENCRYPT)
		return ERR_OK;
	if (x->dane && x->peer.tlsa == NULL)
		return err_why(why, ERR_TLS,
		    "DANE is required, and DNSSEC proves no TLSA records of "
		    "the next hop");
	if (x->only_sts && !x->sts && x->peer.tlsa == NULL)
		return err_why(why, ERR_TLS,
		    "MTA-STS is required, and the domain has no policy that "
		    "names the next hop and is enforced");
	if (proof == NET_TLS_DANE || (proof == NET_TLS_NAME && !x->dane))
		return ERR_OK;
	return err_why(why, ERR_TLS,
	    "who the next hop is was not authenticated: %.160s",
	    proof_why->text[0] == '\0' ? "it proves nothing" : proof_why->text);
}

bool
relay_expect_suffices(const struct relay_expect *x, uint8_t tls)
{
	switch ((enum entry_tls)tls) {
	case ENTRY_TLS_OPPORTUNISTIC:
	case ENTRY_TLS_ENCRYPT:
	case ENTRY_TLS_AUTHENTICATED:
		return x->tls >= tls;
	case ENTRY_TLS_STS:
		return x->tls == ENTRY_TLS_AUTHENTICATED &&
		       (x->only_sts || x->dane);
	case ENTRY_TLS_DANE:
		break;
	}
	return x->tls == ENTRY_TLS_AUTHENTICATED && x->dane;
}

enum tls_by
relay_expect_by(const struct relay_expect *x, enum net_tls_proof proof)
{
	switch (proof) {
	case NET_TLS_UNVERIFIED:
		break;
	case NET_TLS_NAME:
		return x->sts ? TLS_BY_STS : TLS_BY_NAME;
	case NET_TLS_DANE:
		return TLS_BY_DANE;
	}
	return TLS_BY_NOTHING;
}

const char *
relay_expect_demand(const struct relay_expect *x)
{
	switch ((enum entry_tls)x->tls) {
	case ENTRY_TLS_OPPORTUNISTIC:
		return "opportunistic";
	case ENTRY_TLS_ENCRYPT:
		return "encrypt";
	case ENTRY_TLS_AUTHENTICATED:
	case ENTRY_TLS_STS:
	case ENTRY_TLS_DANE:
		break;
	}
	if (x->dane || x->peer.tlsa != NULL)
		return "dane";
	return x->sts || x->only_sts ? "mta-sts" : "verify";
}

void
relay_hop_begin(const struct relay_expect *x, struct relay_hop *out)
{
	memset(out, 0, sizeof(*out));
	snprintf(out->peer, sizeof(out->peer), "%s", x->peer.peer);
	snprintf(out->sts, sizeof(out->sts), "%s", x->sts_id);
	out->demanded = relay_expect_demand(x);
	out->had = "none";
}

void
relay_hop_has_tls(struct relay_hop *h, const struct relay_expect *x,
    const struct net_tls_client *t)
{
	net_tls_client_facts(t, &h->tls);
	h->fault = x->testing && x->peer.sni != NULL
		       ? net_tls_client_fault(t, x->peer.sni)
		       : h->tls.fault;
	switch (relay_expect_by(x, h->tls.proof)) {
	case TLS_BY_DANE:
		h->had = "dane";
		return;
	case TLS_BY_STS:
		h->had = "mta-sts";
		return;
	case TLS_BY_NAME:
		h->had = "verify";
		return;
	case TLS_BY_NOTHING:
	case TLS_BY_COUNT:
		break;
	}
	h->had = "encrypt";
}
