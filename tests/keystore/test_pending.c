/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What an administrator's word does to a key that the store knows already, as
 * something else: nobody's mail is sealed to a key that was approved for
 * somebody else.
 */
#include "keystore/pending.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "keystore/history.h"
#include "tests/keystore/records.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

enum { NOW = 1500 };

static char dir[64];
static struct ks_store *store;
static struct arena *arena;

static void
open_store(void)
{
	store = records_open(dir);
	arena = arena_new(8 << 20);
}

static void
close_store(void)
{
	records_close(store, dir);
	arena_free(arena);
}

TestSuite(pending, .init = open_store, .fini = close_store);

#define OK(call)                                                               \
	do {                                                                   \
		enum err e_ = (call);                                          \
		cr_assert_eq(e_, ERR_OK, "%s: %s", #call, err_name(e_));       \
	} while (0)

static struct span
fpr_of(uint8_t id)
{
	static uint8_t fpr[32];

	memset(fpr, id, sizeof(fpr));
	return SPAN(fpr, sizeof(fpr));
}

/* All that a record stands for, "a@x b@y @domain 3" with its level. */
static const char *
told(uint8_t id)
{
	static char text[512];
	struct ks_record *r = NULL;
	size_t n = 0;

	if (ks_get(store, fpr_of(id), arena, &r) != ERR_OK)
		return "none";
	for (size_t i = 0; i < r->n_addrs; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%.*s ",
		    (int)r->addrs[i].len, (const char *)r->addrs[i].data);
	if (r->domain.len > 0)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "@%.*s ",
		    (int)r->domain.len, (const char *)r->domain.data);
	snprintf(text + n, sizeof(text) - n, "%s", ks_trust_name(r->trust));
	return text;
}

/* One that waits for a name; its record says what it was told when it came. */
static struct ks_pending
waits(struct sample *s, uint8_t id, const char *name, const char *addr,
    const char *domain, enum ks_trust trust)
{
	struct ks_pending p = {.name = span_str(name),
	    .at = NOW,
	    .why = SPAN_LIT("another key is in use")};

	sample_init(s, id, addr == NULL ? name : addr);
	s->r.kind = KS_OPENPGP;
	s->r.source = KS_SOURCE_WKD;
	s->r.trust = trust;
	if (addr == NULL && name[0] == '@')
		s->r.n_addrs = 0;
	if (addr != NULL) {
		s->addr[1] = span_str(name);
		s->r.n_addrs = 2;
	}
	if (domain != NULL)
		s->r.domain = span_str(domain);
	p.record = s->r;
	return p;
}

static enum err
approve(const struct ks_pending *p, enum ks_trust level)
{
	bool known;
	enum err e;

	OK(ks_begin(store));
	OK(ks_pending_put(store, p, &known));
	e = ks_pending_approve(
	    store, p, level, false, SPAN_LIT("user 0"), NOW, arena);
	if (e == ERR_OK)
		OK(ks_commit(store));
	else
		ks_rollback(store);
	return e;
}

/* The store's record of key K before, what waits, what is there after. */
Test(pending, a_level_is_given_to_nobody_who_did_not_have_it)
{
	static const struct {
		const char *what;
		const char *has; /* address of the record; NULL: none */
		const char *has_domain;
		enum ks_trust trust;
		const char *name, *with, *domain;
		enum ks_trust proposed, level;
		const char *after;
	} rows[] = {
	    {"a new key", NULL, NULL, 0, "a@x.example", NULL, NULL,
		KS_DISCOVERED, KS_DISTRUSTED, "a@x.example discovered"},
	    {"at a level that is named", NULL, NULL, 0, "a@x.example", NULL,
		NULL, KS_DISCOVERED, KS_PINNED, "a@x.example pinned"},
	    {"known and as good", "b@y.example", NULL, KS_DISCOVERED,
		"a@x.example", NULL, NULL, KS_DISCOVERED, KS_DISTRUSTED,
		"a@x.example b@y.example discovered"},
	    {"known and better", "b@y.example", NULL, KS_TRUSTED, "a@x.example",
		NULL, NULL, KS_DISCOVERED, KS_DISTRUSTED,
		"a@x.example b@y.example trusted"},
	    /* anybody can have brought it to a key server */
	    {"a candidate for another", "b@y.example", NULL, KS_CANDIDATE,
		"a@x.example", NULL, NULL, KS_DISCOVERED, KS_DISTRUSTED,
		"a@x.example discovered"},
	    {"a candidate, at a level that is named", "b@y.example", NULL,
		KS_CANDIDATE, "a@x.example", NULL, NULL, KS_CANDIDATE,
		KS_TRUSTED, "a@x.example trusted"},
	    {"distrusted for another", "b@y.example", NULL, KS_DISTRUSTED,
		"a@x.example", NULL, NULL, KS_DISCOVERED, KS_DISTRUSTED,
		"a@x.example discovered"},
	    {"distrusted since it was proposed", "b@y.example", NULL,
		KS_DISTRUSTED, "a@x.example", "b@y.example", NULL,
		KS_DISCOVERED, KS_DISTRUSTED, "a@x.example discovered"},
	    {"deleted since it was proposed", NULL, NULL, 0, "a@x.example",
		"b@y.example", "y.example", KS_DISCOVERED, KS_DISTRUSTED,
		"a@x.example discovered"},
	    {"a candidate for a domain", NULL, "y.example", KS_CANDIDATE,
		"a@x.example", NULL, NULL, KS_DISCOVERED, KS_DISTRUSTED,
		"a@x.example discovered"},
	    {"good for a domain", NULL, "y.example", KS_DISCOVERED,
		"a@x.example", NULL, NULL, KS_DISCOVERED, KS_DISTRUSTED,
		"a@x.example @y.example discovered"},
	    {"for a domain", "b@y.example", NULL, KS_DISCOVERED, "@x.example",
		NULL, "x.example", KS_DISCOVERED, KS_DISTRUSTED,
		"b@y.example @x.example discovered"},
	    {"for a domain by its address", "b@y.example", NULL, KS_CANDIDATE,
		"_domain@x.example", NULL, "x.example", KS_DISCOVERED,
		KS_DISTRUSTED, "_domain@x.example @x.example discovered"},
	    {"the candidate itself", "a@x.example", NULL, KS_CANDIDATE,
		"a@x.example", NULL, NULL, KS_DISCOVERED, KS_DISTRUSTED,
		"a@x.example discovered"},
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct sample old, s;
		struct ks_pending p = waits(&s, 'K', rows[i].name, rows[i].with,
		    rows[i].domain, rows[i].proposed);

		if (rows[i].has != NULL || rows[i].has_domain != NULL) {
			sample_init(
			    &old, 'K', rows[i].has != NULL ? rows[i].has : "");
			old.r.kind = KS_OPENPGP;
			old.r.trust = rows[i].trust;
			old.r.n_addrs = rows[i].has != NULL;
			if (rows[i].has_domain != NULL)
				old.r.domain = span_str(rows[i].has_domain);
			OK(ks_put(store, &old.r));
		}
		OK(approve(&p, rows[i].level));
		cr_expect_str_eq(told('K'), rows[i].after, "%s: %s",
		    rows[i].what, told('K'));
		OK(ks_delete(store, fpr_of('K')));
	}
}

Test(pending, what_was_revoked_meanwhile_is_not_approved)
{
	struct sample old, s;
	struct ks_pending p =
	    waits(&s, 'K', "a@x.example", NULL, NULL, KS_DISCOVERED);

	sample_init(&old, 'K', "a@x.example");
	old.r.kind = KS_OPENPGP;
	old.r.trust = KS_DISCOVERED;
	old.r.flaw = KS_FLAW_REVOKED;
	OK(ks_put(store, &old.r));
	cr_expect_eq(approve(&p, KS_TRUSTED), ERR_KEY_REVOKED);
	cr_expect_str_eq(told('K'), "a@x.example discovered");
}

Test(pending, the_key_of_a_domain_steps_down_for_another)
{
	struct sample old, other, s;
	struct ks_pending p =
	    waits(&s, 'K', "@x.example", NULL, "x.example", KS_DISCOVERED);

	sample_init(&old, 'O', "");
	old.r.kind = KS_OPENPGP;
	old.r.n_addrs = 0;
	old.r.domain = SPAN_LIT("x.example");
	OK(ks_put(store, &old.r));
	/* a certificate is another matter, and so is another domain */
	sample_init(&other, 'C', "");
	other.r.n_addrs = 0;
	other.r.domain = SPAN_LIT("x.example");
	OK(ks_put(store, &other.r));
	sample_init(&other, 'Y', "");
	other.r.kind = KS_OPENPGP;
	other.r.n_addrs = 0;
	other.r.domain = SPAN_LIT("y.example");
	OK(ks_put(store, &other.r));
	OK(approve(&p, KS_DISTRUSTED));
	cr_expect_str_eq(told('K'), "@x.example trusted");
	cr_expect_str_eq(told('O'), "@x.example candidate");
	cr_expect_str_eq(told('C'), "@x.example trusted");
	cr_expect_str_eq(told('Y'), "@y.example trusted");
}

static enum err
refuse(const struct ks_pending *p)
{
	enum err e;

	OK(ks_begin(store));
	e = ks_pending_refuse(store, p, SPAN_LIT("user 0"), NOW, arena);
	if (e == ERR_OK)
		OK(ks_commit(store));
	else
		ks_rollback(store);
	return e;
}

/* A candidate certificate can be made good by its chain: not for the address
   that was refused. */
Test(pending, a_refusal_takes_back_one_address)
{
	static const struct {
		const char *what;
		enum ks_kind kind;
		enum ks_trust trust;
		size_t n;
		const char *after;
	} rows[] = {
	    {"one of two", KS_SMIME, KS_CANDIDATE, 2, "b@y.example candidate"},
	    {"the only one", KS_SMIME, KS_CANDIDATE, 1,
		"a@x.example distrusted"},
	    {"more than a candidate", KS_SMIME, KS_DISCOVERED, 2,
		"a@x.example b@y.example discovered"},
	    {"an OpenPGP key", KS_OPENPGP, KS_CANDIDATE, 2,
		"a@x.example b@y.example candidate"},
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct sample s;
		struct ks_pending p = {.name = SPAN_LIT("a@x.example"),
		    .at = NOW,
		    .why = SPAN_LIT("why")};

		sample_init(&s, 'K', "a@x.example");
		s.addr[1] = SPAN_LIT("b@y.example");
		s.r.n_addrs = rows[i].n;
		s.r.kind = rows[i].kind;
		s.r.trust = rows[i].trust;
		OK(ks_put(store, &s.r));
		p.record = s.r;
		OK(refuse(&p));
		cr_expect_str_eq(told('K'), rows[i].after, "%s: %s",
		    rows[i].what, told('K'));
		OK(ks_delete(store, fpr_of('K')));
	}
}

Test(pending, nothing_is_kept_that_cannot_be_read_again)
{
	static char text[KS_TEXT_MAX + 1];
	struct sample s;
	const struct ks_pending good =
	    waits(&s, 'K', "a@x.example", NULL, NULL, KS_DISCOVERED);
	struct ks_pending bad[4];
	bool known;

	for (size_t i = 0; i < N(bad); i++)
		bad[i] = good;
	bad[0].name = SPAN(NULL, 0);
	bad[1].name = SPAN(text, KS_ADDR_MAX + 1);
	bad[2].old = SPAN(text, KS_FPR_MAX + 1);
	bad[3].why = SPAN(text, KS_TEXT_MAX + 1);
	OK(ks_begin(store));
	for (size_t i = 0; i < N(bad); i++)
		cr_expect_eq(ks_pending_put(store, &bad[i], &known),
		    ERR_MALFORMED, "row %zu", i);
	OK(ks_pending_put(store, &good, &known));
	cr_expect(!known);
	OK(ks_pending_put(store, &good, &known));
	cr_expect(known);
	cr_expect_eq(
	    ks_pending_delete(store, SPAN_LIT("b@x.example"), good.record.fpr),
	    ERR_NOT_FOUND);
	OK(ks_pending_delete(store, good.name, good.record.fpr));
	OK(ks_commit(store));
}
