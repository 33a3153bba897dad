/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The trust rules, row by row: what is there, what comes, what becomes of it.
 */
#include "keystore/change.h"

#include <criterion/criterion.h>
#include <string.h>

#include "tests/keystore/records.h"

enum { NOW = 1500, OTHERS = 3 };

#define ADDR "a@b.example"
#define ELSE "c@d.example"

/* A key in short: the octet of its fingerprint, source, level. */
struct key {
	uint8_t id; /* 0: none */
	enum ks_source source;
	enum ks_trust trust;
	enum {
		CARRIES = 0,   /* ADDR */
		ELSEWHERE = 1, /* ELSE instead of ADDR */
		BOTH = 2,
		OVER = 4, /* expired */
		REVOKED = 8,
		WEAK = 16,
		ISSUER_2 = 32,
		NEWER = 64, /* other octets of the key */
	} is;
};

struct row {
	const char *name;
	enum ks_kind kind;
	struct key same;
	struct key others[OTHERS];
	struct key comes;
	enum ks_change want;
	enum ks_trust trust;
	const char *why; /* is in the reason */
	enum err err;
};

static void
make(struct sample *s, enum ks_kind kind, const struct key *k)
{
	sample_init(s, k->id, k->is & ELSEWHERE ? ELSE : ADDR);
	s->r.kind = kind;
	s->r.source = k->source;
	s->r.sources = ks_source_bit(k->source);
	s->r.trust = k->trust;
	s->r.issuer = k->is & ISSUER_2 ? SPAN_LIT("two") : SPAN_LIT("one");
	if (k->is & BOTH) {
		s->addr[1] = SPAN_LIT(ELSE);
		s->r.n_addrs = 2;
	}
	if (k->is & OVER)
		s->r.not_after = NOW - 1;
	if (k->is & REVOKED)
		s->r.flaw = KS_FLAW_REVOKED;
	if (k->is & WEAK)
		s->r.flaw = KS_FLAW_UNSUITABLE;
	if (k->is & NEWER)
		s->r.key = SPAN_LIT("newer octets");
}

#define WKD  KS_SOURCE_WKD
#define VKS  KS_SOURCE_VKS
#define HKP  KS_SOURCE_HKP
#define MAN  KS_SOURCE_MANUAL
#define HAR  KS_SOURCE_HARVEST
#define LDAP KS_SOURCE_LDAP
#define DANE KS_SOURCE_DANE
#define DISC KS_DISCOVERED
#define CAND KS_CANDIDATE

static const struct row rows[] = {
    /* who may bring what */
    {.name = "nobody but an administrator brings by hand",
	.kind = KS_OPENPGP,
	.comes = {'A', MAN, KS_TRUSTED, 0},
	.want = KS_CHANGE_REFUSE,
	.err = ERR_PERMISSION},
    {.name = "nor as our own CA",
	.kind = KS_SMIME,
	.comes = {'A', KS_SOURCE_CA, KS_TRUSTED, 0},
	.want = KS_CHANGE_REFUSE,
	.err = ERR_PERMISSION},
    {.name = "nor distrusts",
	.kind = KS_SMIME,
	.comes = {'A', WKD, KS_DISTRUSTED, 0},
	.want = KS_CHANGE_REFUSE,
	.err = ERR_PERMISSION},
    {.name = "another address",
	.kind = KS_OPENPGP,
	.comes = {'A', WKD, DISC, ELSEWHERE},
	.want = KS_CHANGE_REFUSE,
	.err = ERR_KEY_ADDR},
    /* levels */
    {.name = "WKD gives discovered, whatever is claimed",
	.kind = KS_OPENPGP,
	.comes = {'A', WKD, KS_PINNED, 0},
	.want = KS_CHANGE_ADD,
	.trust = DISC},
    {.name = "HKP gives candidate",
	.kind = KS_OPENPGP,
	.comes = {'A', HKP, KS_TRUSTED, 0},
	.want = KS_CHANGE_ADD,
	.trust = CAND,
	.why = "not for sealing"},
    {.name = "LDAP gives candidate",
	.kind = KS_OPENPGP,
	.comes = {'A', LDAP, DISC, 0},
	.want = KS_CHANGE_ADD,
	.trust = CAND},
    {.name = "harvest gives harvested",
	.kind = KS_OPENPGP,
	.comes = {'A', HAR, DISC, 0},
	.want = KS_CHANGE_ADD,
	.trust = KS_HARVESTED},
    {.name = "Autocrypt claims less than harvest may give",
	.kind = KS_OPENPGP,
	.comes = {'A', HAR, CAND, 0},
	.want = KS_CHANGE_ADD,
	.trust = CAND},
    {.name = "a checked certificate is discovered, whoever brings it",
	.kind = KS_SMIME,
	.comes = {'A', HAR, KS_TRUSTED, 0},
	.want = KS_CHANGE_ADD,
	.trust = DISC},
    /* OpenPGP: change */
    {.name = "another key waits",
	.kind = KS_OPENPGP,
	.others = {{'A', WKD, DISC, 0}},
	.comes = {'B', WKD, DISC, 0},
	.want = KS_CHANGE_WAIT,
	.trust = DISC,
	.why = "another key than the one in use"},
    {.name = "sources disagree",
	.kind = KS_OPENPGP,
	.others = {{'A', WKD, DISC, 0}},
	.comes = {'B', VKS, DISC, 0},
	.want = KS_CHANGE_WAIT,
	.trust = DISC,
	.why = "disagree"},
    {.name = "a stronger source disagrees",
	.kind = KS_OPENPGP,
	.others = {{'A', VKS, DISC, 0}},
	.comes = {'B', WKD, DISC, 0},
	.want = KS_CHANGE_WAIT,
	.trust = DISC,
	.why = "disagree"},
    {.name = "the same source replaces an expired one",
	.kind = KS_OPENPGP,
	.others = {{'A', WKD, DISC, OVER}},
	.comes = {'B', WKD, DISC, 0},
	.want = KS_CHANGE_RENEW,
	.trust = DISC},
    {.name = "and a revoked one",
	.kind = KS_OPENPGP,
	.others = {{'A', WKD, DISC, REVOKED}},
	.comes = {'B', WKD, DISC, 0},
	.want = KS_CHANGE_RENEW,
	.trust = DISC},
    {.name = "another source does not",
	.kind = KS_OPENPGP,
	.others = {{'A', VKS, DISC, OVER}},
	.comes = {'B', WKD, DISC, 0},
	.want = KS_CHANGE_WAIT,
	.trust = DISC,
	.why = "another source"},
    {.name = "one that is over beside one in use",
	.kind = KS_OPENPGP,
	.others = {{'A', WKD, DISC, OVER}, {'C', WKD, DISC, 0}},
	.comes = {'B', WKD, DISC, 0},
	.want = KS_CHANGE_WAIT,
	.trust = DISC},
    {.name = "a candidate stands in nobody's way",
	.kind = KS_OPENPGP,
	.others = {{'A', HKP, CAND, 0}},
	.comes = {'B', WKD, DISC, 0},
	.want = KS_CHANGE_ADD,
	.trust = DISC},
    {.name = "nor does a distrusted one",
	.kind = KS_OPENPGP,
	.others = {{'A', WKD, KS_DISTRUSTED, 0}},
	.comes = {'B', WKD, DISC, 0},
	.want = KS_CHANGE_ADD,
	.trust = DISC},
    {.name = "a candidate comes beside the key in use",
	.kind = KS_OPENPGP,
	.others = {{'A', WKD, DISC, 0}},
	.comes = {'B', HKP, CAND, 0},
	.want = KS_CHANGE_ADD,
	.trust = CAND},
    {.name = "a weak key cannot replace",
	.kind = KS_OPENPGP,
	.others = {{'A', WKD, DISC, OVER}},
	.comes = {'B', WKD, DISC, WEAK},
	.want = KS_CHANGE_ADD,
	.trust = DISC,
	.why = "not for sealing"},
    {.name = "an expired one is not taken",
	.kind = KS_OPENPGP,
	.comes = {'B', WKD, DISC, OVER},
	.want = KS_CHANGE_REFUSE,
	.err = ERR_KEY_EXPIRED},
    {.name = "pinned: every other waits",
	.kind = KS_OPENPGP,
	.others = {{'A', MAN, KS_PINNED, OVER}},
	.comes = {'B', MAN + 2, DISC, 0},
	.want = KS_CHANGE_WAIT,
	.trust = DISC,
	.why = "pinned"},
    /* certificates */
    {.name = "the same issuer renews",
	.kind = KS_SMIME,
	.others = {{'A', MAN, KS_TRUSTED, 0}},
	.comes = {'B', LDAP, DISC, 0},
	.want = KS_CHANGE_RENEW,
	.trust = DISC,
	.why = "same issuer"},
    {.name = "another issuer waits",
	.kind = KS_SMIME,
	.others = {{'A', MAN, KS_TRUSTED, 0}},
	.comes = {'B', DANE, DISC, ISSUER_2},
	.want = KS_CHANGE_WAIT,
	.trust = DISC,
	.why = "another issuer"},
    {.name = "an unchecked certificate is a candidate",
	.kind = KS_SMIME,
	.others = {{'A', MAN, KS_TRUSTED, 0}},
	.comes = {'B', HAR, CAND, 0},
	.want = KS_CHANGE_ADD,
	.trust = CAND},
    {.name = "pinned certificate: a renewal waits, too",
	.kind = KS_SMIME,
	.others = {{'A', MAN, KS_PINNED, 0}},
	.comes = {'B', LDAP, DISC, 0},
	.want = KS_CHANGE_WAIT,
	.trust = DISC,
	.why = "pinned"},
    /* the same fingerprint */
    {.name = "nothing new",
	.kind = KS_OPENPGP,
	.same = {'A', WKD, DISC, 0},
	.comes = {'A', WKD, DISC, 0},
	.want = KS_CHANGE_NOTHING,
	.trust = DISC},
    {.name = "a newer copy",
	.kind = KS_OPENPGP,
	.same = {'A', WKD, DISC, 0},
	.comes = {'A', WKD, DISC, NEWER},
	.want = KS_CHANGE_UPDATE,
	.trust = DISC},
    {.name = "a lower level takes nothing away",
	.kind = KS_OPENPGP,
	.same = {'A', MAN, KS_TRUSTED, 0},
	.comes = {'A', HKP, CAND, NEWER},
	.want = KS_CHANGE_NOTHING,
	.trust = CAND,
	.why = "vouches for less"},
    {.name = "nor what comes with mail, from what a directory gave",
	.kind = KS_OPENPGP,
	.same = {'A', WKD, DISC, 0},
	.comes = {'A', HAR, KS_HARVESTED, NEWER | WEAK},
	.want = KS_CHANGE_NOTHING,
	.trust = KS_HARVESTED},
    {.name = "nor another source of the same level",
	.kind = KS_OPENPGP,
	.same = {'A', WKD, DISC, 0},
	.comes = {'A', VKS, DISC, NEWER},
	.want = KS_CHANGE_NOTHING,
	.trust = DISC},
    {.name = "a pinned key is not gutted",
	.kind = KS_OPENPGP,
	.same = {'A', MAN, KS_PINNED, 0},
	.comes = {'A', WKD, DISC, NEWER | WEAK},
	.want = KS_CHANGE_NOTHING,
	.trust = DISC},
    {.name = "its own source changes it",
	.kind = KS_OPENPGP,
	.same = {'A', WKD, KS_TRUSTED, 0},
	.comes = {'A', WKD, DISC, NEWER},
	.want = KS_CHANGE_UPDATE,
	.trust = KS_TRUSTED},
    {.name = "a revocation is believed of everybody",
	.kind = KS_OPENPGP,
	.same = {'A', MAN, KS_PINNED, 0},
	.comes = {'A', HKP, CAND, NEWER | REVOKED},
	.want = KS_CHANGE_UPDATE,
	.trust = KS_PINNED},
    {.name = "what was extended comes from everybody",
	.kind = KS_OPENPGP,
	.same = {'A', MAN, KS_TRUSTED, OVER},
	.comes = {'A', WKD, DISC, NEWER},
	.want = KS_CHANGE_UPDATE,
	.trust = KS_TRUSTED},
    {.name = "another source agrees",
	.kind = KS_OPENPGP,
	.same = {'A', WKD, DISC, 0},
	.comes = {'A', DANE, DISC, 0},
	.want = KS_CHANGE_UPDATE,
	.trust = DISC},
    {.name = "distrust stays",
	.kind = KS_OPENPGP,
	.same = {'A', WKD, KS_DISTRUSTED, 0},
	.comes = {'A', WKD, DISC, NEWER},
	.want = KS_CHANGE_UPDATE,
	.trust = KS_DISTRUSTED},
    {.name = "revocation stays",
	.kind = KS_OPENPGP,
	.same = {'A', WKD, DISC, REVOKED},
	.comes = {'A', WKD, DISC, NEWER},
	.want = KS_CHANGE_NOTHING,
	.trust = DISC},
    {.name = "revocation comes from anywhere",
	.kind = KS_OPENPGP,
	.same = {'A', MAN, KS_TRUSTED, 0},
	.comes = {'A', HKP, CAND, REVOKED},
	.want = KS_CHANGE_UPDATE,
	.trust = KS_TRUSTED},
    {.name = "another address by as good a source",
	.kind = KS_OPENPGP,
	.same = {'A', WKD, DISC, ELSEWHERE},
	.comes = {'A', WKD, DISC, BOTH},
	.want = KS_CHANGE_UPDATE,
	.trust = DISC,
	.why = "another address"},
    {.name = "another address, but that has a key",
	.kind = KS_OPENPGP,
	.same = {'A', WKD, DISC, ELSEWHERE},
	.others = {{'B', WKD, DISC, 0}},
	.comes = {'A', WKD, DISC, BOTH},
	.want = KS_CHANGE_WAIT,
	.trust = DISC},
    {.name = "another address of a trusted key",
	.kind = KS_OPENPGP,
	.same = {'A', MAN, KS_TRUSTED, ELSEWHERE},
	.comes = {'A', WKD, DISC, BOTH},
	.want = KS_CHANGE_WAIT,
	.trust = DISC},
    {.name = "another address by a weak source",
	.kind = KS_OPENPGP,
	.same = {'A', WKD, DISC, ELSEWHERE},
	.comes = {'A', HKP, CAND, BOTH},
	.want = KS_CHANGE_REFUSE,
	.err = ERR_KEY_UNTRUSTED},
    {.name = "a level that rises, alone",
	.kind = KS_OPENPGP,
	.same = {'A', HKP, CAND, 0},
	.comes = {'A', WKD, DISC, 0},
	.want = KS_CHANGE_UPDATE,
	.trust = DISC,
	.why = "rises"},
    {.name = "a level that would rise beside the key in use",
	.kind = KS_OPENPGP,
	.same = {'A', HKP, CAND, 0},
	.others = {{'B', WKD, DISC, 0}},
	.comes = {'A', VKS, DISC, 0},
	.want = KS_CHANGE_WAIT,
	.trust = DISC},
};

struct scene {
	struct sample same, comes, others[OTHERS];
	const struct ks_record *list[OTHERS];
	struct ks_known known;
	struct ks_proposal p;
};

static void
set(struct scene *s, const struct row *row)
{
	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < OTHERS && row->others[i].id != 0; i++) {
		make(&s->others[i], row->kind, &row->others[i]);
		s->list[s->known.n_others++] = &s->others[i].r;
	}
	s->known.others = s->list;
	if (row->same.id != 0) {
		make(&s->same, row->kind, &row->same);
		s->known.same = &s->same.r;
	}
	make(&s->comes, row->kind, &row->comes);
	s->p = (struct ks_proposal){.maker = KS_MAKER_ADMISSION,
	    .record = &s->comes.r,
	    .addr = SPAN_LIT(ADDR),
	    .now = NOW};
}

Test(change, follows_the_rules)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct ks_decision d;
		struct scene s;

		set(&s, row);
		ks_change_decide(&ks_rules_default, &s.known, &s.p, &d);
		cr_expect_eq(d.change, row->want, "%s: %s (%s)", row->name,
		    ks_change_name(d.change), d.why.text);
		cr_expect_eq(
		    d.err, row->err, "%s: %s", row->name, err_name(d.err));
		if (row->want != KS_CHANGE_REFUSE)
			cr_expect_eq(d.trust, row->trust, "%s: %s", row->name,
			    ks_trust_name(d.trust));
		if (row->why != NULL)
			cr_expect_not_null(strstr(d.why.text, row->why),
			    "%s: %s", row->name, d.why.text);
		cr_expect(d.why.text[0] != '\0', "%s: no reason", row->name);
	}
}

/* Whatever stands there, nobody but an administrator makes a key trusted, and
   nothing but UPDATE touches a record that is there. */
Test(change, never_above_the_level_of_the_source)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (unsigned t = 0; t < KS_TRUST_COUNT; t++) {
			const struct row *row = &rows[i];
			enum ks_trust was, most;
			struct ks_decision d;
			struct scene s;

			set(&s, row);
			s.comes.r.trust = (enum ks_trust)t;
			ks_change_decide(&ks_rules_default, &s.known, &s.p, &d);
			if (d.change <= KS_CHANGE_NOTHING)
				continue;
			was =
			    row->same.id != 0 ? row->same.trust : KS_DISTRUSTED;
			most = ks_source_level(
			    &ks_rules_default, row->comes.source, row->kind);
			cr_expect_leq(d.trust, was > most ? was : most,
			    "%s as %s: %s", row->name,
			    ks_trust_name((enum ks_trust)t),
			    ks_trust_name(d.trust));
			cr_expect(
			    d.change != KS_CHANGE_ADD || row->same.id == 0,
			    "%s", row->name);
		}
}

static void
merge(struct scene *s, struct span *addrs, struct ks_record *out)
{
	struct ks_decision d;

	ks_change_decide(&ks_rules_default, &s->known, &s->p, &d);
	cr_assert_gt(d.change, KS_CHANGE_NOTHING, "%s", d.why.text);
	ks_change_merge(&s->known, &s->p, &d, addrs, out);
}

/* Mallory's key says that it is somebody else's, too. */
Test(change, a_source_vouches_for_the_address_that_was_asked)
{
	const struct row row = {
	    .kind = KS_OPENPGP, .comes = {'A', WKD, DISC, BOTH}};
	struct span addrs[KS_ADDRS_MAX];
	struct ks_record r;
	struct scene s;

	set(&s, &row);
	merge(&s, addrs, &r);
	cr_assert_eq(r.n_addrs, 1);
	cr_expect(span_eq(r.addrs[0], SPAN_LIT(ADDR)));
	/* an administrator for all of them */
	s.p.maker = KS_MAKER_ADMIN;
	merge(&s, addrs, &r);
	cr_expect_eq(r.n_addrs, 2);
}

Test(change, a_level_that_rises_takes_no_other_address_along)
{
	const struct row row = {.kind = KS_OPENPGP,
	    .same = {'A', HKP, CAND, BOTH},
	    .comes = {'A', WKD, DISC, BOTH}};
	struct span addrs[KS_ADDRS_MAX];
	struct ks_record r;
	struct scene s;

	set(&s, &row);
	s.same.r.domain = SPAN_LIT("else.example");
	merge(&s, addrs, &r);
	cr_assert_eq(r.n_addrs, 1);
	cr_expect(span_eq(r.addrs[0], SPAN_LIT(ADDR)));
	cr_expect_eq(r.domain.len, 0, "nor a domain");
	cr_expect_eq(r.source, WKD);
	cr_expect_eq(r.sources, ks_source_bit(WKD) | ks_source_bit(HKP));
	/* and of as good a source it is one more */
	s.same.r.trust = DISC;
	s.same.r.source = WKD;
	s.same.r.addrs[0] = SPAN_LIT(ELSE);
	s.same.r.n_addrs = 1;
	merge(&s, addrs, &r);
	cr_expect_eq(r.n_addrs, 2);
	cr_expect(span_eq(r.domain, SPAN_LIT("else.example")));
}

Test(change, an_update_keeps_what_the_source_does_not_know)
{
	const struct row row = {.kind = KS_OPENPGP,
	    .same = {'A', MAN, KS_TRUSTED, 0},
	    .comes = {'A', WKD, DISC, NEWER}};
	struct span addrs[KS_ADDRS_MAX];
	struct ks_record r;
	struct scene s;

	set(&s, &row);
	s.same.r.added = 7;
	s.same.r.url = SPAN_LIT("by hand");
	s.same.cap[0] = (struct ks_cap){.tag = 1, .value = SPAN_LIT("x")};
	s.same.r.n_caps = 1;
	s.same.r.not_after = NOW + 100;
	s.comes.r.not_after = NOW + 1000;
	merge(&s, addrs, &r);
	cr_expect_eq(r.added, 7);
	cr_expect_eq(r.trust, KS_TRUSTED);
	cr_expect_eq(r.source, MAN);
	cr_expect(span_eq(r.url, SPAN_LIT("by hand")));
	cr_expect_eq(r.n_caps, 1);
	cr_expect(span_eq(r.key, SPAN_LIT("newer octets")));
}

/* A revocation that a key server tells of gives the key no new address. */
Test(change, who_tells_of_a_revocation_vouches_for_nobody)
{
	const struct row row = {.kind = KS_OPENPGP,
	    .same = {'A', MAN, KS_TRUSTED, ELSEWHERE},
	    .comes = {'A', HKP, CAND, BOTH | REVOKED}};
	struct span addrs[KS_ADDRS_MAX];
	struct ks_record r;
	struct scene s;

	set(&s, &row);
	merge(&s, addrs, &r);
	cr_expect_eq(r.flaw, KS_FLAW_REVOKED);
	cr_assert_eq(r.n_addrs, 1);
	cr_expect(span_eq(r.addrs[0], SPAN_LIT(ELSE)));
}

Test(change, agreement_raises_where_policy_says_so)
{
	const struct row row = {.kind = KS_OPENPGP,
	    .same = {'A', HKP, CAND, 0},
	    .comes = {'A', LDAP, CAND, 0}};
	struct ks_rules rules = ks_rules_default;
	struct ks_decision d;
	struct scene s;

	set(&s, &row);
	ks_change_decide(&rules, &s.known, &s.p, &d);
	cr_expect_eq(d.trust, CAND);
	rules.agree = 2;
	ks_change_decide(&rules, &s.known, &s.p, &d);
	cr_expect_eq(d.change, KS_CHANGE_UPDATE);
	cr_expect_eq(d.trust, DISC);
	rules.agree = 3;
	ks_change_decide(&rules, &s.known, &s.p, &d);
	cr_expect_eq(d.trust, CAND);
	/* who brought which of two addresses is not known */
	rules.agree = 2;
	s.same.addr[1] = SPAN_LIT(ELSE);
	s.same.r.n_addrs = 2;
	ks_change_decide(&rules, &s.known, &s.p, &d);
	cr_expect_eq(d.trust, CAND);
}

Test(change, an_address_may_be_closed_to_sources)
{
	const struct row row = {
	    .kind = KS_OPENPGP, .comes = {'A', WKD, DISC, 0}};
	const struct ks_setting closed = {.by_hand = true};
	struct ks_decision d;
	struct scene s;

	set(&s, &row);
	s.known.setting = &closed;
	ks_change_decide(&ks_rules_default, &s.known, &s.p, &d);
	cr_expect_eq(d.change, KS_CHANGE_REFUSE);
	cr_expect_eq(d.err, ERR_POLICY_REJECT);
	s.p.maker = KS_MAKER_ADMIN;
	ks_change_decide(&ks_rules_default, &s.known, &s.p, &d);
	cr_expect_eq(d.change, KS_CHANGE_ADD);
}

Test(change, an_address_takes_only_so_many)
{
	const struct ks_record *list[KS_PER_ADDR_MAX];
	struct sample others[KS_PER_ADDR_MAX];
	const struct row row = {
	    .kind = KS_OPENPGP, .comes = {'Z', HKP, CAND, 0}};
	struct ks_decision d;
	struct scene s;

	set(&s, &row);
	for (size_t i = 0; i < KS_PER_ADDR_MAX; i++) {
		const struct key k = {(uint8_t)(i + 1), HKP, CAND, 0};

		make(&others[i], KS_OPENPGP, &k);
		list[i] = &others[i].r;
	}
	s.known.others = list;
	s.known.n_others = KS_PER_ADDR_MAX - 1;
	ks_change_decide(&ks_rules_default, &s.known, &s.p, &d);
	cr_expect_eq(d.change, KS_CHANGE_ADD);
	s.known.n_others = KS_PER_ADDR_MAX;
	ks_change_decide(&ks_rules_default, &s.known, &s.p, &d);
	cr_expect_eq(d.change, KS_CHANGE_REFUSE);
	cr_expect_eq(d.err, ERR_LIMIT);
	/* and what is worth more finds its place among them */
	s.comes.r.source = WKD;
	s.comes.r.trust = DISC;
	ks_change_decide(&ks_rules_default, &s.known, &s.p, &d);
	cr_expect_eq(d.change, KS_CHANGE_ADD, "%s", d.why.text);
}

/* Anybody may have the mailbox _domain somewhere. */
Test(change, a_mailbox_is_no_domain)
{
	static const struct {
		enum ks_source source;
		bool speaks;
	} sources[] = {{WKD, true}, {DANE, true}, {LDAP, true}, {VKS, false},
	    {HKP, false}, {HAR, false}};

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		const struct row row = {.kind = KS_OPENPGP,
		    .comes = {'A', sources[i].source, DISC, 0}};
		struct span addrs[KS_ADDRS_MAX];
		struct ks_record r;
		struct scene s;

		set(&s, &row);
		s.comes.r.addrs[0] = SPAN_LIT("_domain@b.example");
		s.p.addr = SPAN_LIT("_domain@b.example");
		merge(&s, addrs, &r);
		cr_expect_eq(r.domain.len > 0, sources[i].speaks, "%s",
		    ks_source_name(sources[i].source));
	}
}

Test(change, a_domain_key_is_judged_beside_its_like)
{
	const struct row row = {.kind = KS_OPENPGP,
	    .others = {{'B', WKD, DISC, 0}},
	    .comes = {'A', WKD, DISC, ELSEWHERE}};
	struct span addrs[KS_ADDRS_MAX];
	struct ks_decision d;
	struct ks_record r;
	struct scene s;

	set(&s, &row);
	s.p.addr = SPAN(NULL, 0);
	ks_change_decide(&ks_rules_default, &s.known, &s.p, &d);
	cr_expect_eq(d.err, ERR_KEY_ADDR);
	s.comes.r.domain = SPAN_LIT("b.example");
	ks_change_decide(&ks_rules_default, &s.known, &s.p, &d);
	cr_expect_eq(d.change, KS_CHANGE_WAIT);
	s.known.n_others = 0;
	merge(&s, addrs, &r);
	cr_expect(span_eq(r.domain, SPAN_LIT("b.example")));
	cr_expect_eq(r.n_addrs, 0);
}

/* What no row above can say: who asks, another kind, another domain. */
Test(change, a_fingerprint_that_is_taken_is_not_given_away)
{
	const struct row row = {.kind = KS_OPENPGP,
	    .same = {'A', WKD, DISC, ELSEWHERE},
	    .comes = {'A', WKD, DISC, 0}};
	struct ks_decision d;
	struct scene s;

	set(&s, &row);
	s.p.maker = (enum ks_maker)(KS_MAKER_ADMIN + 1);
	ks_change_decide(&ks_rules_default, &s.known, &s.p, &d);
	cr_expect_eq(d.change, KS_CHANGE_REFUSE);
	cr_expect_eq(d.err, ERR_PERMISSION);
	set(&s, &row);
	s.same.r.kind = KS_SMIME;
	ks_change_decide(&ks_rules_default, &s.known, &s.p, &d);
	cr_expect_eq(d.change, KS_CHANGE_REFUSE);
	cr_expect_eq(d.err, ERR_EXISTS);
	set(&s, &row);
	s.p.addr = SPAN(NULL, 0);
	s.comes.r.domain = SPAN_LIT("b.example");
	s.same.r.domain = SPAN_LIT("else.example");
	ks_change_decide(&ks_rules_default, &s.known, &s.p, &d);
	cr_expect_eq(d.change, KS_CHANGE_REFUSE);
	cr_expect_eq(d.err, ERR_EXISTS);
}
