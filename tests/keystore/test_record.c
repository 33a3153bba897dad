/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include "keystore/record.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/arena.h"
#include "tests/keystore/records.h"

static void
full_sample(struct sample *s)
{
	sample_init(s, 7, "a@b.example");
	s->addr[1] = SPAN_LIT("c@d.example");
	s->r.n_addrs = 2;
	s->key_id[0] = SPAN_LIT("12345678");
	s->r.n_key_ids = 1;
	s->cap[0] = (struct ks_cap){.tag = 513, .value = SPAN_LIT("\x01\x00")};
	s->r.n_caps = 1;
	s->r.not_before = -5;
	s->r.url = SPAN_LIT("https://b.example/key");
	s->r.domain = SPAN_LIT("b.example");
	s->r.issuer_text = SPAN_LIT("CN=CA");
	s->r.issuer = SPAN_LIT("\x30\x00");
	s->r.serial = SPAN_LIT("\x01");
	s->r.ski = SPAN_LIT("ski");
	s->r.flaw = KS_FLAW_REVOKED;
	s->r.flaw_text = SPAN_LIT("told so");
}

static void
expect_same(const struct ks_record *a, const struct ks_record *b, bool key)
{
	cr_expect_eq(a->kind, b->kind);
	cr_expect_eq(a->trust, b->trust);
	cr_expect_eq(a->source, b->source);
	cr_expect_eq(a->flaw, b->flaw);
	cr_expect_eq(a->good_for, b->good_for);
	cr_expect_eq(a->not_before, b->not_before);
	cr_expect_eq(a->not_after, b->not_after);
	cr_expect_eq(a->added, b->added);
	cr_expect(span_eq(a->fpr, b->fpr));
	cr_expect(!key || span_eq(a->key, b->key));
	cr_expect(span_eq(a->flaw_text, b->flaw_text));
	cr_expect(span_eq(a->url, b->url));
	cr_expect(span_eq(a->domain, b->domain));
	cr_expect(span_eq(a->subject, b->subject));
	cr_expect(span_eq(a->alg, b->alg));
	cr_expect(span_eq(a->issuer_text, b->issuer_text));
	cr_expect(span_eq(a->ski, b->ski));
	cr_expect(span_eq(a->issuer, b->issuer));
	cr_expect(span_eq(a->serial, b->serial));
	cr_assert_eq(a->n_addrs, b->n_addrs);
	for (size_t i = 0; i < a->n_addrs; i++)
		cr_expect(span_eq(a->addrs[i], b->addrs[i]));
	cr_assert_eq(a->n_key_ids, b->n_key_ids);
	for (size_t i = 0; i < a->n_key_ids; i++)
		cr_expect(span_eq(a->key_ids[i], b->key_ids[i]));
	cr_assert_eq(a->n_caps, b->n_caps);
	for (size_t i = 0; i < a->n_caps; i++) {
		cr_expect_eq(a->caps[i].tag, b->caps[i].tag);
		cr_expect(span_eq(a->caps[i].value, b->caps[i].value));
	}
}

Test(record, comes_back_as_it_was)
{
	static struct ks_room room;
	struct sample s;
	struct ks_record back, *copy;
	struct arena *arena = arena_new(1 << 20);
	struct buf b;

	full_sample(&s);
	buf_init(&b, KS_RECORD_MAX);
	cr_assert_eq(ks_record_encode(&s.r, &b), ERR_OK);
	cr_assert_eq(ks_record_decode(buf_span(&b), &room, &back), ERR_OK);
	expect_same(&s.r, &back, true);
	cr_assert_eq(ks_record_copy(&back, true, arena, &copy), ERR_OK);
	memset(b.data, 0xee, b.len);
	expect_same(&s.r, copy, true);
	cr_assert_eq(ks_record_copy(&s.r, false, arena, &copy), ERR_OK);
	expect_same(&s.r, copy, false);
	cr_expect_eq(copy->key.len, 0);
	buf_clear(&b);
	arena_free(arena);
}

/* Whatever is cut off, added or of another version is not read. */
Test(record, what_is_not_exactly_a_record_is_refused)
{
	static struct ks_room room;
	struct ks_record back;
	struct sample s;
	struct buf b;

	full_sample(&s);
	buf_init(&b, KS_RECORD_MAX);
	cr_assert_eq(ks_record_encode(&s.r, &b), ERR_OK);
	for (size_t n = 0; n < b.len; n++)
		cr_expect_eq(ks_record_decode(SPAN(b.data, n), &room, &back),
		    ERR_DB_BROKEN, "%zu octets", n);
	for (size_t i = 0; i < 9; i++) {
		uint8_t was = b.data[i];

		b.data[i] = 0x77;
		cr_expect_eq(ks_record_decode(buf_span(&b), &room, &back),
		    ERR_DB_BROKEN, "octet %zu", i);
		b.data[i] = was;
	}
	cr_assert_eq(buf_putc(&b, 0), ERR_OK);
	cr_expect_eq(ks_record_decode(buf_span(&b), &room, &back),
	    ERR_DB_BROKEN, "an octet too many");
	buf_clear(&b);
}

/* Version 1 had no set of sources: a record of it is its source's. */
Test(record, the_version_before_is_read)
{
	enum { SOURCES_AT = 9 + 3 * 8, SOURCES_SIZE = 4 };
	static struct ks_room room;
	struct ks_record back;
	struct sample s;
	struct buf b;

	full_sample(&s);
	s.r.sources = ks_source_bit(KS_SOURCE_WKD);
	buf_init(&b, KS_RECORD_MAX);
	cr_assert_eq(ks_record_encode(&s.r, &b), ERR_OK);
	cr_assert_eq(ks_record_decode(buf_span(&b), &room, &back), ERR_OK);
	cr_expect_eq(back.sources,
	    ks_source_bit(KS_SOURCE_WKD) | ks_source_bit(KS_SOURCE_MANUAL));
	memmove(b.data + SOURCES_AT, b.data + SOURCES_AT + SOURCES_SIZE,
	    b.len - SOURCES_AT - SOURCES_SIZE);
	b.len -= SOURCES_SIZE;
	b.data[0] = 1;
	cr_assert_eq(ks_record_decode(buf_span(&b), &room, &back), ERR_OK);
	expect_same(&s.r, &back, true);
	cr_expect_eq(back.sources, ks_source_bit(KS_SOURCE_MANUAL));
	buf_clear(&b);
}

Test(record, what_could_not_be_read_back_is_not_written)
{
	static uint8_t big[KS_KEY_MAX + 1];
	static struct span many[KS_ADDRS_MAX + 1];
	struct buf b;

	for (size_t i = 0; i <= KS_ADDRS_MAX; i++)
		many[i] = SPAN_LIT("a@b.example");
	buf_init(&b, KS_RECORD_MAX);
	for (size_t i = 0; i < 12; i++) {
		struct sample s;

		full_sample(&s);
		switch (i) {
		case 0:
			s.r.fpr.len = KS_FPR_MIN - 1;
			break;
		case 1:
			s.r.fpr = SPAN(big, KS_FPR_MAX + 1);
			break;
		case 2:
			s.r.key.len = 0;
			break;
		case 3:
			s.r.key = SPAN(big, sizeof(big));
			break;
		case 4:
			s.r.addrs = many;
			s.r.n_addrs = KS_ADDRS_MAX + 1;
			break;
		case 5:
			s.addr[0] = SPAN(NULL, 0);
			break;
		case 6:
			s.addr[0] = SPAN(big, KS_ADDR_MAX + 1);
			break;
		case 7:
			s.r.trust = KS_TRUST_COUNT;
			break;
		case 8:
			s.r.kind = (enum ks_kind)0;
			break;
		case 9:
			s.r.source = (enum ks_source)0;
			break;
		case 10:
			s.r.good_for = 1u << 31;
			break;
		case 11:
			s.r.url = SPAN(big, KS_TEXT_MAX + 1);
			break;
		}
		cr_expect_eq(
		    ks_record_encode(&s.r, &b), ERR_MALFORMED, "case %zu", i);
		cr_expect_eq(b.len, 0, "case %zu", i);
	}
	buf_clear(&b);
}

Test(record, levels_are_known_by_name)
{
	enum ks_trust t;

	for (unsigned i = 0; i < KS_TRUST_COUNT; i++) {
		cr_assert_eq(
		    ks_trust_by_name(ks_trust_name((enum ks_trust)i), &t),
		    ERR_OK);
		cr_expect_eq(t, (enum ks_trust)i);
	}
	cr_expect_eq(ks_trust_by_name("full", &t), ERR_NOT_FOUND);
	cr_expect_str_eq(ks_trust_name(KS_TRUST_COUNT), "?");
	cr_expect_str_eq(ks_source_name((enum ks_source)0), "?");
	cr_expect_str_eq(ks_kind_name((enum ks_kind)0), "?");
}
