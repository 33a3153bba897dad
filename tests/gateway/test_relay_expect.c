/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "gateway/relay/expect.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "gateway/entry.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

enum {
	ANY = ENTRY_TLS_OPPORTUNISTIC,
	ENCRYPT = ENTRY_TLS_ENCRYPT,
	AUTH = ENTRY_TLS_AUTHENTICATED,
};

static const struct {
	const char *name;
	/* the target */
	uint8_t tls;
	bool only_dane;
	const char *names;
	bool mx;
	/* the host */
	bool proven;
	enum relay_dane dane;
	/* what comes of it */
	uint8_t want_tls;
	bool want_dane;
	const char *want_names; /* all, each behind a blank */
	const char *want_sni;
} rows[] = {
    {"nothing is demanded", ANY, false, "", true, false, RELAY_DANE_ABSENT, ANY,
	false, " example.org", "mx.example.net"},
    {"DNSSEC proves the MX", ANY, false, "", true, true, RELAY_DANE_ABSENT, ANY,
	false, " example.org mx.example.net", "mx.example.net"},
    {"an unproven MX is no name", AUTH, false, "", true, false,
	RELAY_DANE_ABSENT, AUTH, false, " example.org", "mx.example.net"},
    {"names that were written", AUTH, false, "a.example b.example", true, true,
	RELAY_DANE_ABSENT, AUTH, false, " a.example b.example",
	"mx.example.net"},
    {"a next hop by name", AUTH, false, "", false, true, RELAY_DANE_ABSENT,
	AUTH, false, " mx.example.net", "mx.example.net"},
    {"unusable records demand TLS", ANY, false, "", true, true,
	RELAY_DANE_ENCRYPT, ENCRYPT, false, " example.org mx.example.net",
	"mx.example.net"},
    {"unusable records lower nothing", AUTH, false, "", true, true,
	RELAY_DANE_ENCRYPT, AUTH, false, " example.org mx.example.net",
	"mx.example.net"},
    {"usable records are demanded", ANY, false, "", true, true,
	RELAY_DANE_VERIFY, AUTH, true, " example.org mx.example.net",
	"base.example.net"},
    {"a name does not replace them", AUTH, false, "a.example", true, true,
	RELAY_DANE_VERIFY, AUTH, true, " a.example", "base.example.net"},
    {"DANE is demanded and not there", AUTH, true, "", true, true,
	RELAY_DANE_ABSENT, AUTH, true, " example.org mx.example.net",
	"mx.example.net"},
    {"records that could not be had", ANY, false, "", true, true,
	RELAY_DANE_FAILED, AUTH, true, " example.org mx.example.net",
	"base.example.net"},
};

static void
make(size_t i, struct relay_expect *x, struct relay_target *t,
    struct relay_host *h, const struct net_tlsa *tlsa)
{
	memset(t, 0, sizeof(*t));
	memset(h, 0, sizeof(*h));
	t->tls = rows[i].tls;
	t->dane = rows[i].only_dane;
	t->mx = rows[i].mx;
	snprintf(t->host, sizeof(t->host), "example.org");
	snprintf(t->names, sizeof(t->names), "%s", rows[i].names);
	snprintf(h->name, sizeof(h->name), "mx.example.net");
	snprintf(h->peer, sizeof(h->peer), "mx.example.net [192.0.2.1]:25");
	snprintf(h->tlsa_base, sizeof(h->tlsa_base), "base.example.net");
	h->name_is_proven = rows[i].proven;
	h->dane = rows[i].dane;
	relay_expect_make(x, t, h, tlsa);
}

Test(relay_expect, the_strictest_demand_counts)
{
	struct relay_expect x;
	struct relay_target t;
	struct relay_host h;
	struct net_tlsa tlsa = {.n = 1};
	char names[600];

	for (size_t i = 0; i < N(rows); i++) {
		make(i, &x, &t, &h, &tlsa);
		cr_expect_eq(x.tls, rows[i].want_tls, "%s", rows[i].name);
		cr_expect_eq(x.dane, rows[i].want_dane, "%s", rows[i].name);
		cr_expect_eq(x.peer.strict, x.tls == AUTH, "%s", rows[i].name);
		cr_expect_eq(x.peer.tlsa != NULL,
		    h.dane == RELAY_DANE_VERIFY || h.dane == RELAY_DANE_FAILED,
		    "%s", rows[i].name);
		cr_expect_str_eq(
		    x.peer.sni, rows[i].want_sni, "%s", rows[i].name);
		names[0] = '\0';
		for (size_t k = 0; k < x.peer.n_names; k++) {
			strncat(names, " ", sizeof(names) - strlen(names) - 1);
			strncat(names, x.peer.names[k],
			    sizeof(names) - strlen(names) - 1);
		}
		cr_expect_str_eq(names, rows[i].want_names, "%s", rows[i].name);
	}
}

/* An address has no name that could be verified. */
Test(relay_expect, an_address_is_nobody)
{
	struct relay_expect x;
	struct relay_target t = {.tls = AUTH, .host = "[192.0.2.1]"};
	struct relay_host h = {
	    .name_is_proven = true, .dane = RELAY_DANE_ABSENT};

	relay_expect_make(&x, &t, &h, NULL);
	cr_expect_eq(x.peer.n_names, 0);
	cr_expect_null(x.peer.sni);
}

static const struct {
	const char *name;
	uint8_t tls;
	bool dane;
	bool has_records;
	bool has_tls;
	enum net_tls_proof proof;
	const char *says; /* NULL: it will do */
} checks[] = {
    {"clear where clear will do", ANY, false, false, false, NET_TLS_UNVERIFIED,
	NULL},
    {"somebody where anybody will do", ENCRYPT, false, false, true,
	NET_TLS_UNVERIFIED, NULL},
    {"no TLS", ENCRYPT, false, false, false, NET_TLS_UNVERIFIED,
	"cannot be had"},
    {"no TLS, authentication", AUTH, false, false, false, NET_TLS_UNVERIFIED,
	"cannot be had"},
    {"somebody", AUTH, false, false, true, NET_TLS_UNVERIFIED,
	"not authenticated: because"},
    {"by name", AUTH, false, false, true, NET_TLS_NAME, NULL},
    {"by DANE", AUTH, false, true, true, NET_TLS_DANE, NULL},
    {"by DANE where it must be", AUTH, true, true, true, NET_TLS_DANE, NULL},
    {"by name where DANE must be", AUTH, true, true, true, NET_TLS_NAME,
	"not authenticated"},
    {"no records where DANE must be", AUTH, true, false, true, NET_TLS_NAME,
	"no TLSA records"},
};

Test(relay_expect, less_is_never_enough)
{
	struct net_tlsa tlsa = {.n = 1};
	struct err_why because = {"because"}, why;

	for (size_t i = 0; i < N(checks); i++) {
		struct relay_expect x = {.tls = checks[i].tls,
		    .dane = checks[i].dane,
		    .peer.tlsa = checks[i].has_records ? &tlsa : NULL};
		enum err e;

		why.text[0] = '\0';
		e = relay_expect_check(
		    &x, checks[i].has_tls, checks[i].proof, &because, &why);
		cr_expect_eq(e, checks[i].says == NULL ? ERR_OK : ERR_TLS, "%s",
		    checks[i].name);
		if (checks[i].says != NULL)
			cr_expect_not_null(strstr(why.text, checks[i].says),
			    "%s: %s", checks[i].name, why.text);
	}
}

/* --- MTA-STS, and who waives it */

static const struct {
	const char *name;
	enum relay_sts_says sts;
	enum relay_dane dane;
	uint8_t tls;
	bool lax;
	/* what comes of it */
	uint8_t want_tls;
	bool want_sts, want_foreign, want_promised;
} policies[] = {
    {"no policy", RELAY_STS_NOTHING, RELAY_DANE_ABSENT, ANY, false, ANY, false,
	false, false},
    {"nobody knows", RELAY_STS_UNKNOWN, RELAY_DANE_ABSENT, ANY, false, ANY,
	false, false, false},
    {"only tested", RELAY_STS_TESTING, RELAY_DANE_ABSENT, ANY, false, ANY,
	false, false, false},
    {"named", RELAY_STS_NAMED, RELAY_DANE_ABSENT, ANY, false, AUTH, true, false,
	true},
    {"named, beside unusable records", RELAY_STS_NAMED, RELAY_DANE_ENCRYPT, ANY,
	false, AUTH, true, false, true},
    {"not named", RELAY_STS_FOREIGN, RELAY_DANE_ABSENT, ANY, false, AUTH, false,
	true, true},
    {"DANE decides where it can", RELAY_STS_FOREIGN, RELAY_DANE_VERIFY, ANY,
	false, AUTH, false, false, true},
    {"a policy waived", RELAY_STS_NAMED, RELAY_DANE_ABSENT, ANY, true, ANY,
	true, false, true},
    {"a server that is not named, waived", RELAY_STS_FOREIGN, RELAY_DANE_ABSENT,
	ANY, true, ANY, false, false, true},
    {"DANE waived", RELAY_STS_NOTHING, RELAY_DANE_VERIFY, ANY, true, ANY, false,
	false, true},
    {"what we ask for is not waived", RELAY_STS_FOREIGN, RELAY_DANE_ABSENT,
	AUTH, true, AUTH, false, true, true},
    {"nor is a lower level", RELAY_STS_NAMED, RELAY_DANE_ABSENT, ENCRYPT, true,
	AUTH, true, false, true},
};

Test(relay_expect, a_policy_is_heeded_unless_the_sender_waives_it)
{
	struct relay_expect x;
	struct net_tlsa tlsa = {.n = 1};

	for (size_t i = 0; i < N(policies); i++) {
		struct relay_target t = {.mx = true,
		    .tls = policies[i].tls,
		    .lax = policies[i].lax,
		    .host = "example.org"};
		struct relay_host h = {.name = "mx.example.net",
		    .dane = policies[i].dane,
		    .sts = policies[i].sts,
		    .sts_id = "1"};

		relay_expect_make(&x, &t, &h, &tlsa);
		cr_expect_eq(
		    x.tls, policies[i].want_tls, "%s", policies[i].name);
		cr_expect_eq(
		    x.sts, policies[i].want_sts, "%s", policies[i].name);
		cr_expect_eq(x.foreign, policies[i].want_foreign, "%s",
		    policies[i].name);
		cr_expect_eq(x.promised, policies[i].want_promised, "%s",
		    policies[i].name);
		cr_expect_eq(
		    x.peer.strict, x.tls == AUTH, "%s", policies[i].name);
		/* the policy's name and no other is looked for */
		if (x.sts) {
			cr_assert_eq(x.peer.n_names, 1);
			cr_expect_str_eq(x.peer.names[0], "mx.example.net");
		}
	}
}

Test(relay_expect, a_level_of_mta_sts_takes_no_other_name)
{
	struct relay_target t = {
	    .mx = true, .tls = AUTH, .sts = true, .host = "example.org"};
	struct relay_host h = {.name = "mx.example.net",
	    .dane = RELAY_DANE_ABSENT,
	    .sts = RELAY_STS_NOTHING};
	struct err_why none = {""}, why = {""};
	struct relay_expect x;

	relay_expect_make(&x, &t, &h, NULL);
	cr_expect_eq(
	    relay_expect_check(&x, true, NET_TLS_NAME, &none, &why), ERR_TLS);
	h.sts = RELAY_STS_NAMED;
	relay_expect_make(&x, &t, &h, NULL);
	cr_expect_eq(relay_expect_check(&x, true, NET_TLS_NAME, &none, &why),
	    ERR_OK, "%s", why.text);
	cr_expect_eq(relay_expect_by(&x, NET_TLS_NAME), TLS_BY_STS);
	cr_expect_eq(
	    relay_expect_check(&x, true, NET_TLS_UNVERIFIED, &none, &why),
	    ERR_TLS);
}

/* What is asked of a session, and the floors of entries it is enough for. */
static const struct {
	uint8_t tls;
	bool dane, sts;
	bool enough[5]; /* by enum entry_tls */
} floors[] = {
    {ENTRY_TLS_OPPORTUNISTIC, false, false, {true}},
    {ENTRY_TLS_ENCRYPT, false, false, {true, true}},
    {AUTH, false, false, {true, true, true}},
    {AUTH, false, true, {true, true, true, true}},
    {AUTH, true, false, {true, true, true, true, true}},
    {ENTRY_TLS_ENCRYPT, true, true, {true, true}},
};

Test(relay_expect, no_entry_goes_below_its_floor)
{
	for (size_t i = 0; i < sizeof(floors) / sizeof(floors[0]); i++) {
		struct relay_expect x = {.tls = floors[i].tls,
		    .dane = floors[i].dane,
		    .only_sts = floors[i].sts};

		for (uint8_t tls = 0; tls <= ENTRY_TLS_DANE; tls++)
			cr_expect_eq(relay_expect_suffices(&x, tls),
			    floors[i].enough[tls], "row %zu, floor %u", i,
			    (unsigned)tls);
	}
}
