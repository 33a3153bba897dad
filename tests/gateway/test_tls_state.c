/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a row says of the rungs tls and tls-encrypt, and how looks change it.
 */
#include "gateway/tls_state.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/decide_tls.h"

enum { NOW = 1800000000, HOUR = 3600, DAY = 24 * HOUR };

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define NONE ENTRY_TLS_OPPORTUNISTIC
#define ENC  ENTRY_TLS_ENCRYPT
#define AUTH ENTRY_TLS_AUTHENTICATED

static struct tls_state
row(uint8_t level, uint8_t best, int64_t age, bool broken)
{
	return (struct tls_state){.seen = {.domain = "partner.example",
				      .definite = true,
				      .level = level,
				      .broken = broken,
				      .peer = "",
				      .tls = "",
				      .why = "as it was seen"},
	    .seen_s = (uint64_t)(NOW - age),
	    .failed = "",
	    .best = best,
	    .policy = {.id = ""}};
}

static const struct {
	const char *name;
	uint8_t level, best;
	int64_t age;
	bool broken;
	enum rung_state tls, encrypt;
} rows[] = {
    {"authenticated", AUTH, AUTH, 0, false, RUNG_HOLDS, RUNG_HOLDS},
    {"a week ago, nearly", AUTH, AUTH, 7 * DAY - 1, false, RUNG_HOLDS,
	RUNG_HOLDS},
    {"a week ago", AUTH, AUTH, 7 * DAY, false, RUNG_FAILED, RUNG_FAILED},
    {"in the future", AUTH, AUTH, -DAY, false, RUNG_FAILED, RUNG_FAILED},
    {"encrypted", ENC, ENC, 0, false, RUNG_ABSENT, RUNG_HOLDS},
    {"none", NONE, NONE, 0, false, RUNG_ABSENT, RUNG_ABSENT},
    {"none, a while ago", NONE, NONE, 3 * HOUR, false, RUNG_FAILED,
	RUNG_FAILED},
    {"none, in the future", NONE, NONE, -DAY, false, RUNG_FAILED, RUNG_FAILED},
    {"none, where there was some", NONE, AUTH, 0, false, RUNG_FAILED,
	RUNG_FAILED},
    {"none, where there was encryption", NONE, ENC, 0, false, RUNG_ABSENT,
	RUNG_FAILED},
    {"a promise that is broken", ENC, ENC, 0, true, RUNG_FAILED, RUNG_HOLDS},
    {"a promise that is broken, without TLS", NONE, NONE, 0, true, RUNG_FAILED,
	RUNG_FAILED},
};

Test(tls_state, what_was_promised_is_never_absent)
{
	struct tls_state t;
	const char *why;

	for (size_t i = 0; i < N(rows); i++) {
		t = row(
		    rows[i].level, rows[i].best, rows[i].age, rows[i].broken);
		cr_expect_eq(decide_tls_rung(&t, RUNG_TLS, NOW, &why),
		    rows[i].tls, "%s", rows[i].name);
		cr_expect_eq(decide_tls_rung(&t, RUNG_TLS_ENCRYPT, NOW, &why),
		    rows[i].encrypt, "%s", rows[i].name);
	}
	cr_expect_eq(decide_tls_rung(NULL, RUNG_TLS, NOW, &why), RUNG_FAILED);
	t = row(NONE, NONE, 0, false);
	t.seen_s = 0;
	t.failed_s = NOW;
	t.failed = "nobody answers";
	cr_expect_eq(decide_tls_rung(&t, RUNG_TLS, NOW, &why), RUNG_FAILED);
	cr_expect_str_eq(why, "nobody answers");
}

Test(tls_state, a_drop_is_told_once)
{
	struct tls_state t = row(NONE, NONE, 0, false);
	struct tls_seen good = t.seen, bad = t.seen, lost = t.seen;

	t.seen_s = 0;
	good.level = AUTH;
	good.by = TLS_BY_STS;
	lost.definite = false;
	lost.why = "no answer";
	cr_expect_not(tls_state_take(&t, &bad, NOW));
	cr_expect_not(tls_state_take(&t, &good, NOW + 1));
	cr_expect_eq(t.best, AUTH);
	cr_expect_eq(t.best_by, TLS_BY_STS);
	/* who does not answer has not dropped */
	cr_expect_not(tls_state_take(&t, &lost, NOW + 2));
	cr_expect_eq(t.seen.level, AUTH);
	cr_expect_eq(t.seen_s, NOW + 1);
	cr_expect(tls_state_take(&t, &bad, NOW + 3));
	cr_expect(t.dropped);
	cr_expect_not(tls_state_take(&t, &bad, NOW + 4));
	cr_expect_eq(t.best, AUTH);
	cr_expect_eq(t.best_s, NOW + 1);
	cr_expect_not(tls_state_take(&t, &good, NOW + 5));
	cr_expect_not(t.dropped);
	cr_expect(tls_state_take(&t, &bad, NOW + 6));
}

Test(tls_state, what_is_known_is_looked_at_again_in_time)
{
	struct tls_state t = row(AUTH, AUTH, DAY - 1, false);

	cr_expect(tls_state_is_stale(NULL, NOW));
	cr_expect_not(tls_state_is_stale(&t, NOW));
	t = row(AUTH, AUTH, DAY, false);
	cr_expect(tls_state_is_stale(&t, NOW));
	t = row(ENC, ENC, HOUR - 1, false);
	cr_expect_not(tls_state_is_stale(&t, NOW));
	t = row(ENC, ENC, HOUR, false);
	cr_expect(tls_state_is_stale(&t, NOW));
	t = row(ENC, ENC, -1, false);
	cr_expect(tls_state_is_stale(&t, NOW));
}

Test(tls_state, rows_are_kept_in_order)
{
	static const char *const names[] = {
	    "b.example", "a.example", "c.example"};
	static const char *mx[] = {"mx.a.example", "*.a.example"};
	char dir[] = "/tmp/test-tls-XXXXXX", cmd[64];
	struct arena *a = arena_new(1 << 20);
	struct tls_state t, out;
	struct err_why why;
	struct db_txn *txn;
	struct db *db;

	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(tls_state_open(dir, true, &db, &why), ERR_OK);
	cr_assert_eq(db_write(db, &txn), ERR_OK);
	for (size_t i = 0; i < N(names); i++) {
		t = row(AUTH, AUTH, 0, false);
		t.seen.domain = names[i];
		t.policy = (struct tls_policy){.mode = 2,
		    .id = "7",
		    .max_age_s = 5,
		    .fetched_ms = 9,
		    .mx = mx,
		    .n_mx = 2};
		cr_assert_eq(tls_state_put(txn, &t), ERR_OK);
	}
	cr_assert_eq(db_commit(txn), ERR_OK);
	cr_assert_eq(db_read(db, &txn), ERR_OK);
	cr_assert_eq(tls_state_next(txn, a, "", &out), ERR_OK);
	cr_expect_str_eq(out.seen.domain, "a.example");
	cr_expect_str_eq(out.policy.mx[1], "*.a.example");
	cr_assert_eq(tls_state_next(txn, a, "a.example", &out), ERR_OK);
	cr_expect_str_eq(out.seen.domain, "b.example");
	/* one that was taken out meanwhile */
	cr_assert_eq(tls_state_next(txn, a, "b.zzz", &out), ERR_OK);
	cr_expect_str_eq(out.seen.domain, "c.example");
	cr_expect_eq(tls_state_next(txn, a, "c.example", &out), ERR_NOT_FOUND);
	cr_expect_eq(tls_state_get(txn, a, "d.example", &out), ERR_NOT_FOUND);
	cr_expect_eq(tls_state_get(txn, a, "", &out), ERR_NOT_FOUND);
	db_end(txn);
	db_close(db);
	arena_free(a);
	snprintf(cmd, sizeof(cmd), "%s/data.mdb", dir);
	unlink(cmd);
	snprintf(cmd, sizeof(cmd), "%s/lock.mdb", dir);
	unlink(cmd);
	cr_expect_eq(rmdir(dir), 0);
}
