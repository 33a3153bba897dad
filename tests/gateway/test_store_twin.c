/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What goes by TLS and the original that is parked beside it: one of them goes
 * on, never both, never none.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/store/store_private.h"
#include "policy/policy.h"
#include "tests/lib/store_pair.h"

enum { HOUR_MS = 3600 * 1000, READY = 1000, PARKED = 2000, MESSAGE = 100 };

TestSuite(store_twin, .init = pair_set_up, .fini = pair_tear_down);

static void
make(struct entry e[2])
{
	e[0] = pair_entry(READY, MESSAGE, ENTRY_READY);
	e[1] = pair_entry(PARKED, MESSAGE, ENTRY_PENDING);
	for (int i = 0; i < 2; i++) {
		e[i].rung = RUNG_TLS;
		e[i].strength = POLICY_STRENGTH_TLS;
	}
	e[0].tls = ENTRY_TLS_AUTHENTICATED;
	e[0].after = ENTRY_AFTER_AGAIN;
	e[0].twin = PARKED;
	e[1].why = ENTRY_WHY_TLS;
	e[1].twin = READY;
}

static enum err
submit(struct entry *e, uint32_t n)
{
	struct proto_submit m = {.attempt = 1, .entry = e, .n_entries = n};

	rig_submit(&rig, 0, MESSAGE, &m);
	return rig_committed(&rig, MESSAGE);
}

static void
report(const uint8_t outcome[2], bool tls)
{
	struct proto_rcpt_result results[2];
	struct proto_result r = {.rcpt = results, .n_rcpt = 0};

	for (uint32_t i = 0; i < 2; i++)
		if (outcome[i] != UINT8_MAX)
			results[r.n_rcpt++] =
			    (struct proto_rcpt_result){.rcpt = i,
				.outcome = outcome[i],
				.tls = tls && outcome[i] == PROTO_DEFERRED,
				.status = "4.7.5",
				.text = "no TLS"};
	pair_report(READY, &r);
	rig_run(&rig, 20);
}

static const uint8_t neither[2] = {PROTO_DEFERRED, PROTO_DEFERRED};
static const uint8_t first[2] = {PROTO_DELIVERED, PROTO_DEFERRED};
static const uint8_t all[2] = {PROTO_DELIVERED, PROTO_DELIVERED};
static const uint8_t second[2] = {UINT8_MAX, PROTO_DEFERRED};

static bool
is_decided(struct proto_decide *out)
{
	struct ipc_msg m;
	bool good = rig_recv(&rig, ROLE_WORKER, 0, &m) &&
		    m.type == PROTO_DECIDE &&
		    proto_decide_unpack(m.payload, rig.arena, out) == ERR_OK;

	if (good)
		ipc_msg_clear(&m);
	return good;
}

static bool
answer_has(const char *request, const char *part)
{
	char *answer = rig_request(&rig, request);
	bool yes = answer != NULL && strstr(answer, part) != NULL;

	free(answer);
	return yes;
}

static void
is_empty(void)
{
	cr_expect(answer_has("{\"verb\":\"store-status\"}", "\"ready\":0"));
	cr_expect(answer_has("{\"verb\":\"store-status\"}", "\"pending\":0"));
	/* nothing parked is left behind, either */
	rig_kill(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	cr_expect_not(
	    answer_has("{\"verb\":\"queue-show\",\"id\":\"0000000000034\"}",
		"\"ok\":true"));
}

Test(store_twin, what_is_delivered_leaves_nothing_parked)
{
	struct entry e[2];
	struct proto_deliver d;

	make(e);
	cr_assert_eq(submit(e, 2), ERR_OK);
	cr_assert(rig_deliver(&rig, &d));
	cr_expect_eq(d.entry.id, READY);
	rig_advance(&rig, 10 * HOUR_MS);
	cr_expect(rig_is_quiet(&rig, ROLE_WORKER, 0));
	report(all, false);
	cr_expect(rig_is_quiet(&rig, ROLE_WORKER, 0));
	is_empty();
}

Test(store_twin, the_original_is_decided_after_its_time_and_not_before)
{
	struct entry e[2];
	struct proto_deliver d;
	struct proto_decide dec;

	make(e);
	cr_assert_eq(submit(e, 2), ERR_OK);
	cr_assert(rig_deliver(&rig, &d));
	report(neither, true);
	cr_expect(rig_is_quiet(&rig, ROLE_WORKER, 0));
	/* a crash loses neither of them, and wakes neither */
	rig_kill(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	rig_advance(&rig, 2 * HOUR_MS);
	cr_assert(rig_deliver(&rig, &d));
	/* trouble of another kind is no reason */
	report(neither, false);
	cr_expect(rig_is_quiet(&rig, ROLE_WORKER, 0));
	rig_advance(&rig, HOUR_MS);
	cr_assert(rig_deliver(&rig, &d));
	report(neither, true);
	cr_assert(is_decided(&dec));
	cr_expect_eq(dec.entry.id, PARKED);
	cr_expect_eq(dec.entry.rung, RUNG_TLS);
	cr_expect_eq(dec.n_open, 2);
	rig_advance(&rig, HOUR_MS);
	cr_expect(rig_is_quiet(&rig, ROLE_RELAY, 0));
}

Test(store_twin, who_has_it_is_not_decided_for_again)
{
	struct entry e[2];
	struct proto_deliver d;
	struct proto_decide dec;
	struct entry again;
	struct proto_submit m = {
	    .replaces = PARKED, .entry = &again, .n_entries = 1};

	make(e);
	cr_assert_eq(submit(e, 2), ERR_OK);
	cr_assert(rig_deliver(&rig, &d));
	report(first, true);
	rig_advance(&rig, 2 * HOUR_MS);
	cr_assert(rig_deliver(&rig, &d));
	cr_expect_eq(d.n_open, 1);
	report(second, true);
	cr_assert(is_decided(&dec));
	cr_assert_eq(dec.n_open, 1);
	cr_expect_eq(dec.open[0], 1);
	/* a decision that accounts for the one who is left is enough; one that
	   sends it to the other once more is refused */
	again = rig_entry(&rig, 3000, MESSAGE, ENTRY_READY);
	again.strength = POLICY_STRENGTH_SEALED;
	again.rcpt = both;
	again.n_rcpt = 2;
	rig_submit(&rig, 0, 0, &m);
	rig_run(&rig, 20);
	cr_expect(rig_is_quiet(&rig, ROLE_RELAY, 0));
	rig_advance(&rig, HOUR_MS);
	cr_assert(is_decided(&dec));
	again.rcpt = &both[1];
	again.n_rcpt = 1;
	rig_submit(&rig, 0, 0, &m);
	rig_run(&rig, 20);
	cr_assert(rig_deliver(&rig, &d));
	cr_expect_eq(d.entry.id, 3000);
}

/* As no version leaves it: damage must neither lose the one that is there nor
   try it for ever. */
Test(store_twin, without_its_original_it_is_held_for_an_administrator)
{
	struct entry e[2];
	struct proto_deliver d;
	struct db_txn *txn = NULL;

	make(e);
	cr_assert_eq(submit(e, 2), ERR_OK);
	cr_assert(rig_deliver(&rig, &d));
	report(neither, true);
	cr_assert_eq(db_write(rig.store->db, &txn), ERR_OK);
	cr_assert_eq(store_entry_del(txn, PARKED), ERR_OK);
	cr_assert_eq(db_commit(txn), ERR_OK);
	rig_advance(&rig, 2 * HOUR_MS);
	cr_assert(rig_deliver(&rig, &d));
	cr_expect_eq(d.entry.id, READY);
	report(neither, true);
	cr_expect(
	    answer_has("{\"verb\":\"queue-list\"}", "\"state\":\"held\""));
	rig_advance(&rig, 10 * HOUR_MS);
	cr_expect(rig_is_quiet(&rig, ROLE_RELAY, 0));
	cr_expect(rig_is_quiet(&rig, ROLE_WORKER, 0));
}

static const struct {
	const char *name;
	int change;
} wrong[] = {
    {"the original alone", 0},
    {"the ready one alone", 1},
    {"names another twin", 2},
    {"is worth less", 3},
    {"of another message", 4},
    {"for somebody else", 5},
    {"waits for nothing", 6},
    {"not the original of anything", 7},
};

Test(store_twin, one_without_the_other_is_refused)
{
	static struct entry_rcpt other[2] = {
	    {"b@x.example", "b@x.example", "", 0},
	    {"d@x.example", "d@x.example", "", 0},
	};
	struct entry e[2];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		make(e);
		switch (wrong[i].change) {
		case 2:
			e[1].twin = 1;
			break;
		case 3:
			e[1].strength--;
			break;
		case 4:
			e[1].message_id++;
			break;
		case 5:
			e[1].rcpt = other;
			break;
		case 6:
			e[0].after = ENTRY_AFTER_BOUNCE;
			break;
		case 7:
			e[1].why = ENTRY_WHY_UNDECIDED;
			break;
		default:
			break;
		}
		cr_expect_eq(submit(wrong[i].change == 0 ? e + 1 : e,
				 wrong[i].change < 2 ? 1 : 2),
		    ERR_IPC, "%s", wrong[i].name);
	}
	cr_expect(rig_is_quiet(&rig, ROLE_RELAY, 0));
}

Test(store_twin, an_administrator_moves_both)
{
	struct entry e[2];
	struct proto_deliver d;

	make(e);
	cr_assert_eq(submit(e, 2), ERR_OK);
	cr_assert(rig_deliver(&rig, &d));
	report(neither, true);
	/* message 100 is 34 in base 32 */
	cr_expect(
	    answer_has("{\"verb\":\"queue-hold\",\"id\":\"0000000000034\"}",
		"\"ok\":true"));
	cr_expect(
	    answer_has("{\"verb\":\"queue-release\",\"id\":\"0000000000034\"}",
		"\"ok\":true"));
	rig_run(&rig, 20);
	cr_expect(rig_is_quiet(&rig, ROLE_WORKER, 0));
	cr_assert(rig_deliver(&rig, &d));
	report(neither, true);
	cr_expect(
	    answer_has("{\"verb\":\"queue-delete\",\"id\":\"0000000000034\"}",
		"\"ok\":true"));
	rig_run(&rig, 20);
	is_empty();
}

Test(store_twin, nothing_is_dropped_that_its_rule_does_not_drop)
{
	static const uint8_t dropped[2] = {PROTO_DROPPED, PROTO_DROPPED};
	struct entry e[2];
	struct proto_deliver d;

	make(e);
	cr_assert_eq(submit(e, 2), ERR_OK);
	cr_assert(rig_deliver(&rig, &d));
	report(dropped, false);
	rig_advance(&rig, HOUR_MS);
	cr_assert(rig_deliver(&rig, &d));
	cr_expect_eq(d.n_open, 2);
	report(all, false);
	make(e);
	e[0].after = ENTRY_AFTER_DROP;
	e[0].twin = 0;
	e[0].id = 4000;
	cr_expect_eq(d.entry.id, READY);
	is_empty();
}
