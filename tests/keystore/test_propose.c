/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Proposals written to a store: records, what waits, history, settings.
 */
#include "keystore/propose.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "common/digest.h"
#include "crypto/openpgp_packet.h"
#include "keystore/dump.h"
#include "keystore/history.h"
#include "keystore/pending.h"
#include "keystore/setting.h"
#include "tests/keystore/records.h"

enum { NOW = 1500 };

#define ADDR "a@b.example"

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

TestSuite(propose, .init = open_store, .fini = close_store);

#define OK(call)                                                               \
	do {                                                                   \
		enum err e_ = (call);                                          \
		cr_assert_eq(e_, ERR_OK, "%s: %s", #call, err_name(e_));       \
	} while (0)

static struct ks_decision
propose_from(uint8_t id, enum ks_source source)
{
	struct ks_decision d = {0};
	struct sample s;
	const struct ks_proposal p = {.maker = KS_MAKER_ADMISSION,
	    .record = &s.r,
	    .addr = SPAN_LIT(ADDR),
	    .now = NOW};

	sample_init(&s, id, ADDR);
	s.r.kind = KS_OPENPGP;
	s.r.source = source;
	s.r.trust = KS_DISCOVERED;
	OK(ks_begin(store));
	OK(ks_propose(store, &ks_rules_default, &p, arena, &d));
	OK(ks_commit(store));
	return d;
}

static struct ks_decision
propose(uint8_t id)
{
	return propose_from(id, KS_SOURCE_WKD);
}

static struct ks_record *
get(uint8_t id)
{
	struct ks_record *r = NULL;
	uint8_t fpr[32];
	enum err e;

	memset(fpr, id, sizeof(fpr));
	e = ks_get(store, SPAN(fpr, sizeof(fpr)), arena, &r);
	cr_assert(e == ERR_OK || e == ERR_NOT_FOUND, "%s", err_name(e));
	return r;
}

/* "added A, waits B, " */
static enum err
tell(void *ctx, const struct ks_event *e)
{
	struct buf *b = ctx;
	char text[64];

	snprintf(text, sizeof(text), "%s %c, ", ks_event_name(e->what),
	    e->fpr.len > 0 ? e->fpr.data[0] : '-');
	return buf_puts(b, text);
}

static void
expect_history(const char *addr, const char *want)
{
	struct buf b;

	buf_init(&b, 4096);
	OK(ks_history_each(store, span_str(addr), tell, &b));
	OK(buf_putc(&b, 0));
	cr_expect_str_eq((const char *)b.data, want, "%s: \"%s\"", addr,
	    (const char *)b.data);
	buf_clear(&b);
}

struct waiting {
	struct ks_pending *list[KS_PENDING_MAX + 1];
	size_t n;
};

static enum err
collect(void *ctx, const struct ks_pending *p)
{
	struct waiting *w = ctx;

	return ks_pending_copy(p, arena, &w->list[w->n++]);
}

static struct waiting
waiting(void)
{
	struct waiting w = {0};

	OK(ks_pending_each(store, SPAN_LIT(ADDR), collect, &w));
	return w;
}

Test(propose, the_first_key_is_added_with_its_event)
{
	cr_expect_eq(propose('A').change, KS_CHANGE_ADD);
	cr_assert_not_null(get('A'));
	cr_expect_eq(get('A')->trust, KS_DISCOVERED);
	expect_history(ADDR, "added A, ");
	expect_history("a@b.exampl", "");
	/* and brought again it is no news */
	cr_expect_eq(propose('A').change, KS_CHANGE_NOTHING);
	expect_history(ADDR, "added A, ");
	/* agreement of another source is in the record, not a line */
	cr_expect_eq(
	    propose_from('A', KS_SOURCE_DANE).change, KS_CHANGE_UPDATE);
	cr_expect_eq(get('A')->sources,
	    ks_source_bit(KS_SOURCE_WKD) | ks_source_bit(KS_SOURCE_DANE));
	expect_history(ADDR, "added A, ");
}

Test(propose, what_waits_is_no_record_and_is_told_once)
{
	struct waiting w;

	(void)propose('A');
	cr_expect_eq(propose('B').change, KS_CHANGE_WAIT);
	cr_expect_eq(propose('B').change, KS_CHANGE_WAIT);
	cr_expect_null(get('B'));
	expect_history(ADDR, "added A, waits B, ");
	w = waiting();
	cr_assert_eq(w.n, 1);
	cr_expect_eq(w.list[0]->old.data[0], 'A');
	cr_expect_eq(w.list[0]->record.fpr.data[0], 'B');
	cr_expect_eq(w.list[0]->at, NOW);
	cr_expect(!w.list[0]->refused);
}

Test(propose, approval_puts_the_old_key_aside)
{
	struct waiting w;

	(void)propose('A');
	(void)propose('B');
	w = waiting();
	OK(ks_begin(store));
	OK(ks_pending_approve(store, w.list[0], KS_DISTRUSTED, false,
	    SPAN_LIT("user 0"), NOW, arena));
	OK(ks_commit(store));
	cr_expect_eq(waiting().n, 0);
	cr_expect_eq(get('A')->trust, KS_CANDIDATE);
	cr_expect_eq(get('B')->trust, KS_DISCOVERED);
	expect_history(ADDR, "added A, waits B, trust A, approved B, ");
}

Test(propose, approval_beside_leaves_it_and_takes_a_level)
{
	struct waiting w;

	(void)propose('A');
	(void)propose('B');
	w = waiting();
	OK(ks_begin(store));
	OK(ks_pending_approve(store, w.list[0], KS_TRUSTED, true,
	    SPAN_LIT("user 0"), NOW, arena));
	OK(ks_commit(store));
	cr_expect_eq(get('A')->trust, KS_DISCOVERED);
	cr_expect_eq(get('B')->trust, KS_TRUSTED);
}

Test(propose, approval_gives_no_less_than_what_it_replaces)
{
	struct waiting w;
	struct sample s;

	sample_init(&s, 'P', ADDR);
	s.r.kind = KS_OPENPGP;
	s.r.trust = KS_PINNED;
	OK(ks_put(store, &s.r));
	cr_expect_eq(propose('B').change, KS_CHANGE_WAIT);
	w = waiting();
	OK(ks_begin(store));
	cr_expect_eq(ks_pending_approve(store, w.list[0], KS_DISTRUSTED, false,
			 SPAN_LIT("user 0"), 9999, arena),
	    ERR_KEY_EXPIRED);
	ks_rollback(store);
	cr_expect_eq(get('P')->trust, KS_PINNED);
	OK(ks_begin(store));
	OK(ks_pending_approve(store, w.list[0], KS_DISTRUSTED, false,
	    SPAN_LIT("user 0"), NOW, arena));
	OK(ks_commit(store));
	cr_expect_eq(get('P')->trust, KS_CANDIDATE);
	cr_expect_eq(get('B')->trust, KS_PINNED);
}

Test(propose, a_refusal_is_remembered)
{
	struct waiting w;

	(void)propose('A');
	(void)propose('B');
	w = waiting();
	OK(ks_begin(store));
	OK(ks_pending_refuse(store, w.list[0], SPAN_LIT("user 0"), NOW, arena));
	OK(ks_commit(store));
	cr_expect_eq(propose('B').change, KS_CHANGE_REFUSE);
	cr_expect_eq(propose('B').err, ERR_PERMISSION);
	cr_expect_null(get('B'));
	cr_expect(waiting().list[0]->refused);
	expect_history(ADDR, "added A, waits B, refused B, ");
}

/* A certificate that DNSSEC asserts, of another issuer than the one in use. */
static struct ks_decision
propose_cert(uint8_t id, const char *issuer)
{
	struct ks_decision d = {0};
	struct sample s;
	const struct ks_proposal p = {.maker = KS_MAKER_ADMISSION,
	    .record = &s.r,
	    .addr = SPAN_LIT(ADDR),
	    .now = NOW};

	sample_init(&s, id, ADDR);
	s.r.source = KS_SOURCE_DANE;
	s.r.trust = KS_DISCOVERED;
	s.r.issuer = span_str(issuer);
	OK(ks_begin(store));
	OK(ks_propose(store, &ks_rules_default, &p, arena, &d));
	OK(ks_commit(store));
	return d;
}

/* Whether its chain leads to an anchor is decided with every look-up, so a
   renewal by another CA is used beside the old one without anybody's word; and
   nobody who brings it can say that it does. */
Test(propose, a_certificate_that_waits_is_a_candidate_meanwhile)
{
	struct waiting w;

	(void)propose_cert('A', "CA 1");
	cr_expect_eq(propose_cert('B', "CA 2").change, KS_CHANGE_WAIT);
	cr_assert_not_null(get('B'));
	cr_expect_eq(get('B')->trust, KS_CANDIDATE);
	cr_expect_eq(get('A')->trust, KS_DISCOVERED);
	/* brought again: nothing new */
	cr_expect_eq(propose_cert('B', "CA 2").change, KS_CHANGE_WAIT);
	expect_history(ADDR, "added A, waits B, ");
	/* refused, not even its chain makes it good */
	w = waiting();
	cr_assert_eq(w.n, 1);
	OK(ks_begin(store));
	OK(ks_pending_refuse(store, w.list[0], SPAN_LIT("user 0"), NOW, arena));
	OK(ks_commit(store));
	cr_expect_eq(get('B')->trust, KS_DISTRUSTED);
	cr_expect_leq(propose_cert('B', "CA 2").change, KS_CHANGE_NOTHING);
	cr_expect_eq(get('B')->trust, KS_DISTRUSTED);
	/* an OpenPGP key has no chain: it is not kept meanwhile */
	OK(ks_begin(store));
	OK(ks_delete(store, get('A')->fpr));
	OK(ks_commit(store));
	(void)propose('X');
	cr_expect_eq(propose('Y').change, KS_CHANGE_WAIT);
	cr_expect_null(get('Y'));
}

Test(propose, only_so_many_wait)
{
	struct ks_decision d;

	(void)propose('A');
	for (int i = 0; i < KS_PENDING_MAX; i++)
		cr_expect_eq(propose((uint8_t)('B' + i)).change, KS_CHANGE_WAIT,
		    "%d", i);
	d = propose('Z');
	cr_expect_eq(d.change, KS_CHANGE_REFUSE);
	cr_expect_eq(d.err, ERR_LIMIT);
	cr_expect_eq(waiting().n, KS_PENDING_MAX);
}

Test(propose, nothing_of_it_stays_without_a_commit)
{
	struct ks_decision d;
	struct sample s;
	const struct ks_proposal p = {
	    .record = &s.r, .addr = SPAN_LIT(ADDR), .now = NOW};

	sample_init(&s, 'A', ADDR);
	s.r.kind = KS_OPENPGP;
	s.r.source = KS_SOURCE_WKD;
	OK(ks_begin(store));
	OK(ks_propose(store, &ks_rules_default, &p, arena, &d));
	cr_expect_eq(d.change, KS_CHANGE_ADD);
	ks_rollback(store);
	cr_expect_null(get('A'));
	expect_history(ADDR, "");
}

Test(propose, a_domain_may_be_closed_to_sources)
{
	const struct ks_setting closed = {.by_hand = true};

	OK(ks_setting_put(store, SPAN_LIT("@b.example"), &closed));
	cr_expect_eq(propose('A').err, ERR_POLICY_REJECT);
	OK(ks_setting_put(
	    store, SPAN_LIT("@b.example"), &(struct ks_setting){0}));
	cr_expect_eq(propose('A').change, KS_CHANGE_ADD);
}

/* --- history --- */

Test(propose, events_have_numbers_without_a_gap)
{
	struct ks_event e = {.what = KS_EVENT_IMPORTED, .count = 7};
	uint64_t last = 9;
	struct buf b;

	OK(ks_history_last(store, &last));
	cr_expect_eq(last, 0);
	(void)propose('A');
	OK(ks_history_add(store, &e, NULL, 0));
	(void)propose('B');
	OK(ks_history_last(store, &last));
	cr_expect_eq(last, 3);
	buf_init(&b, 1000);
	OK(ks_history_from(store, 0, 2, tell, &b));
	OK(ks_history_from(store, 2, 9, tell, &b));
	OK(ks_history_from(store, 3, 9, tell, &b));
	OK(buf_putc(&b, 0));
	cr_expect_str_eq(
	    (const char *)b.data, "added A, imported -, waits B, ");
	buf_clear(&b);
	e.what = (enum ks_event_what)0;
	cr_expect_eq(ks_history_add(store, &e, NULL, 0), ERR_MALFORMED);
	e.what = (enum ks_event_what)99;
	cr_expect_eq(ks_history_add(store, &e, NULL, 0), ERR_MALFORMED);
}

Test(propose, an_event_is_found_by_each_address_and_by_its_domain)
{
	struct ks_event e = {.what = KS_EVENT_DELETED, .at = NOW};
	struct sample s;

	sample_init(&s, 'A', ADDR);
	s.addr[1] = SPAN_LIT("c@d.example");
	s.r.n_addrs = 2;
	OK(ks_history_of(store, &e, &s.r));
	s.r.n_addrs = 0;
	s.r.domain = SPAN_LIT("b.example");
	OK(ks_history_of(store, &e, &s.r));
	expect_history(ADDR, "deleted A, ");
	expect_history("c@d.example", "deleted A, ");
	expect_history("@b.example", "deleted A, ");
	expect_history("@d.example", "");
}

/* --- settings --- */

static enum err
tell_setting(void *ctx, struct span name, const struct ks_setting *t)
{
	struct buf *b = ctx;
	char text[32];

	snprintf(text, sizeof(text), " %d%d%u ", (int)t->seal_from, t->by_hand,
	    (unsigned)t->opens);
	OK(buf_put(b, name));
	return buf_puts(b, text);
}

Test(propose, an_address_takes_from_its_domain_what_it_does_not_say)
{
	const struct ks_setting wide = {
	    .seal_from = KS_TRUSTED, .by_hand = true, .opens = 8};
	const struct ks_setting own = {.seal_from = KS_HARVESTED};
	const struct ks_setting wrong = {.seal_from = KS_TRUST_COUNT};
	const struct ks_setting bad = {.opens = 32}, only = {.opens = 18};
	struct ks_setting got;
	struct buf b;

	OK(ks_setting_for(store, SPAN_LIT(ADDR), &got));
	cr_expect(got.seal_from == KS_DISTRUSTED && !got.by_hand);
	OK(ks_setting_put(store, SPAN_LIT("@b.example"), &wide));
	OK(ks_setting_for(store, SPAN_LIT(ADDR), &got));
	cr_expect(got.seal_from == KS_TRUSTED && got.by_hand);
	OK(ks_setting_put(store, SPAN_LIT(ADDR), &own));
	OK(ks_setting_for(store, SPAN_LIT(ADDR), &got));
	cr_expect(got.seal_from == KS_HARVESTED && got.by_hand);
	cr_expect_eq(got.opens, 8u);
	OK(ks_setting_for(store, SPAN_LIT("@b.example"), &got));
	cr_expect(got.seal_from == KS_TRUSTED && got.by_hand);
	OK(ks_setting_for(store, SPAN_LIT("a@c.example"), &got));
	cr_expect(got.seal_from == KS_DISTRUSTED && !got.by_hand);
	cr_expect_eq(
	    ks_setting_put(store, SPAN_LIT(ADDR), &wrong), ERR_MALFORMED);
	cr_expect_eq(
	    ks_setting_put(store, SPAN_LIT(ADDR), &bad), ERR_MALFORMED);
	OK(ks_setting_put(store, SPAN_LIT("c@b.example"), &only));
	OK(ks_setting_for(store, SPAN_LIT("c@b.example"), &got));
	cr_expect(got.opens == 18 && got.seal_from == KS_TRUSTED);
	buf_init(&b, 200);
	OK(ks_setting_each(store, tell_setting, &b));
	OK(buf_putc(&b, 0));
	cr_expect_str_eq((const char *)b.data,
	    "@b.example 418 a@b.example 200 c@b.example 0018 ");
	buf_clear(&b);
}

/* --- dump --- */

struct copy {
	struct ks_store *to;
	size_t records, rows;
};

static enum err
take_over(void *ctx, enum ks_item item, struct span octets)
{
	struct copy *c = ctx;

	c->records += item == KS_ITEM_RECORD;
	c->rows += item == KS_ITEM_ROW;
	return ks_undump(c->to, item, octets);
}

static enum err
no_item(void *ctx, enum ks_item item, struct span octets)
{
	cr_assert_fail("an item of nothing");
	return ERR_OK;
}

Test(propose, a_dump_makes_the_same_store_again)
{
	const struct ks_setting set = {.seal_from = KS_TRUSTED};
	struct copy c = {0};
	char other[64];
	struct ks_store *first = store;

	(void)propose('A');
	(void)propose('B');
	OK(ks_setting_put(store, SPAN_LIT("@b.example"), &set));
	c.to = records_open(other);
	OK(ks_begin_read(first));
	/* what comes meanwhile is not in it, and nothing can be changed */
	cr_expect_neq(ks_begin(first), ERR_OK);
	OK(ks_begin(c.to));
	OK(ks_dump(first, take_over, &c));
	OK(ks_dump_private(first, no_item, NULL));
	OK(ks_commit(c.to));
	ks_end_read(first);
	cr_expect_eq(c.records, 1);
	store = c.to;
	cr_expect_not_null(get('A'));
	cr_expect_null(get('B'));
	expect_history(ADDR, "added A, waits B, ");
	cr_expect_eq(waiting().n, 1);
	cr_expect_eq(propose('B').change, KS_CHANGE_WAIT);
	store = first;
	OK(ks_begin(first));
	ks_rollback(first);
	records_close(c.to, other);
}

Test(propose, what_is_no_item_is_not_taken)
{
	static const struct {
		unsigned item;
		struct span octets;
	} rows[] = {
	    {KS_ITEM_RECORD, SPAN_LIT("")},
	    {KS_ITEM_RECORD, SPAN_LIT("\x02 no record")},
	    {KS_ITEM_ROW, SPAN_LIT("")},
	    /* a private key does not come this way */
	    {KS_ITEM_ROW, SPAN_LIT("\0\0\0\0\1k\0\0\0\1v")},
	    {KS_ITEM_ROW, SPAN_LIT("\x63\0\0\0\1k\0\0\0\1v")},
	    {KS_ITEM_ROW, SPAN_LIT("\x03\0\0\0\0\0\0\0\1v")},
	    {KS_ITEM_ROW, SPAN_LIT("\x03\0\0\0\1k\0\0\0\1vx")},
	    {99, SPAN_LIT("x")},
	};

	OK(ks_begin(store));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(ks_undump(store, (enum ks_item)rows[i].item,
				 rows[i].octets),
		    ERR_MALFORMED, "row %zu", i);
	ks_rollback(store);
}

/* Whoever hands over a record may have written anything into it. */
Test(propose, octets_of_another_key_are_noticed)
{
	static const uint8_t packet[] = {
	    0xc6, 12, 4, 1, 2, 3, 4, 22, 0, 9, 1, 2, 3, 4, 0xce, 2, 4, 0};
	static const struct {
		const char *what;
		struct span key;
		size_t off; /* octet of the fingerprint that is changed + 1 */
		bool is;
	} rows[] = {
	    {"the key", {packet, 14}, 0, true},
	    {"with what follows it", {packet, sizeof(packet)}, 0, true},
	    {"another fingerprint", {packet, 14}, 1, false},
	    {"its last octet", {packet, 14}, 20, false},
	    {"cut", {packet, 13}, 0, false},
	    {"another packet first", {packet + 14, 4}, 0, false},
	    {"nothing", {NULL, 0}, 0, false},
	};
	uint8_t fpr[32];
	size_t len = 0;
	struct sample s;

	cr_assert_eq(crypto_pgp_fpr(SPAN(packet + 2, 12), fpr, &len), ERR_OK);
	cr_assert_eq(len, 20);
	sample_init(&s, 7, "a@b.example");
	s.r.kind = KS_OPENPGP;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t other[32];

		memcpy(other, fpr, len);
		if (rows[i].off > 0)
			other[rows[i].off - 1] ^= 1;
		s.r.fpr = SPAN(other, len);
		s.r.key = rows[i].key;
		cr_expect_eq(
		    ks_record_is_itself(&s.r), rows[i].is, "%s", rows[i].what);
	}
	/* a certificate is named by all of its octets */
	s.r.kind = KS_SMIME;
	s.r.key = SPAN_LIT("der");
	digest_sha256(&s.r.key, 1, fpr);
	s.r.fpr = SPAN(fpr, 32);
	cr_expect(ks_record_is_itself(&s.r));
	s.r.key = SPAN_LIT("dex");
	cr_expect_not(ks_record_is_itself(&s.r));
	s.r.kind = (enum ks_kind)0;
	cr_expect_not(ks_record_is_itself(&s.r));
}
