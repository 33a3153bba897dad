/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include "gateway/store/census.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/sealed.h"
#include "common/secret.h"
#include "common/stream.h"
#include "keystore/own.h"
#include "keystore/private.h"
#include "keystore/store_revocation.h"
#include "tests/keystore/records.h"

enum { HOUR = 3600, DAY = 24 * HOUR };

static char dir[64];
static struct ks_store *ks;
static struct store_census *c;
static int64_t now;
static time_t ahead_s; /* of the steady clock */

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	int result = (int)syscall(SYS_clock_gettime, id, ts);

	if (id == CLOCK_MONOTONIC)
		ts->tv_sec += ahead_s;
	return result;
}

static void
begin(void)
{
	secret_init();
	stream_init();
	ks = records_open(dir);
	c = store_census_new();
	now = (int64_t)(clock_unix_ms() / 1000);
}

static void
end(void)
{
	store_census_free(c);
	store_census_free(NULL);
	records_close(ks, dir);
}

TestSuite(census, .init = begin, .fini = end);

static bool
says(const char *line)
{
	struct buf b;
	bool found;

	buf_init(&b, 1 << 20);
	cr_assert_eq(store_census_print(c, ks, &b), ERR_OK);
	found = strstr(buf_cstr(&b), line) != NULL;
	if (!found)
		fprintf(stderr, "not there: %s%s", line, buf_cstr(&b));
	buf_clear(&b);
	return found;
}

static void
put(unsigned id, enum ks_kind kind, int64_t not_after, uint32_t good_for)
{
	struct sample s;

	sample_init(&s, (uint8_t)id, "a@b.example");
	/* spread as fingerprints are */
	s.fpr[0] = (uint8_t)(id * 37);
	s.fpr[1] = (uint8_t)(id >> 3);
	s.fpr[2] = (uint8_t)(id >> 8);
	s.fpr[3] = (uint8_t)id;
	s.r.kind = kind;
	s.r.not_before = 1;
	s.r.not_after = not_after;
	s.r.good_for = good_for;
	cr_assert_eq(ks_put(ks, &s.r), ERR_OK);
}

Test(census, keys_are_counted_by_what_they_are)
{
	static const char none[] =
	    "sealgate_keystore_keys{owner=\"others\",kind=\"pgp\","
	    "state=\"good\"} 0\n";
	struct sample s;

	store_census_tick(c, ks);
	cr_expect(says(none));
	put(1, KS_OPENPGP, 0, KS_GOOD_SEAL);
	put(2, KS_SMIME, now + 100 * DAY, KS_GOOD_SEAL);
	put(3, KS_SMIME, now + 3 * DAY, KS_GOOD_SEAL);
	put(4, KS_SMIME, now - DAY, KS_GOOD_SEAL);
	put(5, KS_SMIME, now + 3 * DAY, KS_GOOD_ISSUE);
	sample_init(&s, 6, "c@d.example");
	s.r.flaw = KS_FLAW_REVOKED;
	s.r.flaw_text = SPAN_LIT("revoked");
	cr_assert_eq(ks_put(ks, &s.r), ERR_OK);
	sample_init(&s, 7, "c@d.example");
	s.r.trust = KS_DISTRUSTED;
	cr_assert_eq(ks_put(ks, &s.r), ERR_OK);
	/* a small one is counted as soon as it has changed */
	store_census_tick(c, ks);
	cr_expect(says("sealgate_keystore_keys{owner=\"others\",kind=\"pgp\","
		       "state=\"good\"} 1\n"));
	cr_expect(says("sealgate_keystore_keys{owner=\"others\",kind=\"smime\","
		       "state=\"good\"} 1\n"));
	cr_expect(says("sealgate_keystore_keys{owner=\"others\",kind=\"smime\","
		       "state=\"ends\"} 1\n"));
	cr_expect(says("sealgate_keystore_keys{owner=\"others\",kind=\"smime\","
		       "state=\"over\"} 1\n"));
	cr_expect(says("sealgate_keystore_keys{owner=\"others\",kind=\"ca\","
		       "state=\"ends\"} 1\n"));
}

Test(census, what_has_its_private_half_here_is_ours)
{
	struct secret *priv = NULL;
	struct sealed_pub pub;
	struct sample s;
	struct ks_private p;

	sample_init(&s, 1, "a@b.example");
	s.r.not_after = now + 100 * DAY;
	cr_assert_eq(ks_put(ks, &s.r), ERR_OK);
	cr_assert_eq(sealed_keypair(SEALED_PRIVATE, &pub, &priv), ERR_OK);
	p = (struct ks_private){
	    .kind = KS_SMIME, .fpr = s.r.fpr, .n_addrs = 1, .addrs = s.r.addrs};
	cr_assert_eq(
	    ks_private_put(ks, &p, &pub, SPAN_LIT("a private key")), ERR_OK);
	store_census_tick(c, ks);
	cr_expect(says("sealgate_keystore_keys{owner=\"ours\",kind=\"smime\","
		       "state=\"good\"} 1\n"));
	cr_expect(says("sealgate_keystore_keys{owner=\"others\",kind=\"smime\","
		       "state=\"good\"} 0\n"));
	secret_free(priv);
}

/* How many ticks it takes until it says this. */
static unsigned
ticks_until(const char *line)
{
	unsigned ticks = 0;
	struct buf b;
	bool found;

	buf_init(&b, 1 << 20);
	do {
		store_census_tick(c, ks);
		buf_reset(&b);
		cr_assert_eq(store_census_print(c, ks, &b), ERR_OK);
		found = strstr(buf_cstr(&b), line) != NULL;
	} while (++ticks < 1000 && !found);
	buf_clear(&b);
	cr_expect(found, "%s", line);
	return ticks;
}

Test(census, a_large_keystore_is_counted_bit_by_bit)
{
	unsigned ticks;

	cr_assert_eq(ks_begin(ks), ERR_OK);
	for (unsigned i = 0; i < 1500; i++)
		put(i, KS_OPENPGP, 0, KS_GOOD_SEAL);
	cr_assert_eq(ks_commit(ks), ERR_OK);
	ticks = ticks_until("sealgate_keystore_keys{owner=\"others\","
			    "kind=\"pgp\",state=\"good\"} 1500\n");
	cr_expect_gt(ticks, 5, "not all of it in one tick");
	cr_expect_lt(ticks, 100);
	/* nor in the next round, which is as long */
	put(1500, KS_OPENPGP, 0, KS_GOOD_SEAL);
	ahead_s = HOUR;
	cr_expect_eq(ticks_until("sealgate_keystore_keys{owner=\"others\","
				 "kind=\"pgp\",state=\"good\"} 1501\n"),
	    ticks);
}

Test(census, our_lists_and_those_of_others)
{
	struct sample s;
	struct ks_ca ca = {.crl_number = 1,
	    .this_update = 5,
	    .next_update = 1900000000,
	    .crl = SPAN_LIT("list")};
	struct ks_want want = {.kind = KS_WANT_LIST,
	    .issuer = SPAN_LIT("issuer"),
	    .url = SPAN_LIT("http://crl.example/a"),
	    .until = now + DAY};
	struct ks_said said = {.from = 1, .until = now + 3600, .at = now};
	uint8_t id[KS_WANT_ID];
	bool is_new;

	cr_expect(says("sealgate_revocation_known{kind=\"list\",state=\"none\"}"
		       " 0\n"));
	sample_init(&s, 0xab, "ca@b.example");
	s.r.not_after = 2000000000;
	cr_assert_eq(ks_put(ks, &s.r), ERR_OK);
	ca.fpr = s.r.fpr;
	cr_assert_eq(ks_ca_put(ks, &ca), ERR_OK);
	cr_expect(
	    says("sealgate_ca_end_seconds{ca=\"abababababababab\"} 2000000000"
		 "\n"));
	cr_expect(says("sealgate_ca_list_end_seconds{ca=\"abababababababab\"} "
		       "1900000000\n"));
	cr_assert_eq(ks_begin(ks), ERR_OK);
	cr_assert_eq(ks_want_add(ks, &want, now, &is_new), ERR_OK);
	want.url = SPAN_LIT("http://crl.example/b");
	cr_assert_eq(ks_want_add(ks, &want, now, &is_new), ERR_OK);
	ks_want_id(want.kind, want.issuer, want.url, want.serial, id);
	cr_assert_eq(ks_want_done(ks, id, now, &said, SPAN(NULL, 0)), ERR_OK);
	cr_assert_eq(ks_commit(ks), ERR_OK);
	cr_expect(says("sealgate_revocation_known{kind=\"list\",state=\"none\"}"
		       " 1\n"));
	cr_expect(says("sealgate_revocation_known{kind=\"list\",state=\"good\"}"
		       " 1\n"));
	cr_expect(says("sealgate_revocation_known{kind=\"answer\",state="
		       "\"good\"} 0\n"));
	cr_expect(says("\nsealgate_revocation_list_end_seconds "));
}
