/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One slow next hop never blocks another: how many entries of each relay has,
 * in which order the rest follows, and that nothing stays parked.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "gateway/store/store_private.h"
#include "tests/lib/store_rig.h"

enum { BACKLOG = 120 };

static struct rig rig;

static void
set_up(void)
{
	rig_init(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
}

static void
tear_down(void)
{
	rig_clear(&rig);
}

TestSuite(share, .init = set_up, .fini = tear_down);

/* One message that became n entries for this address, with ids from first. */
static void
submit(uint64_t first, unsigned n, const char *addr)
{
	static struct entry e[BACKLOG];
	struct proto_submit m = {.attempt = 1, .entry = e, .n_entries = n};

	for (unsigned i = 0; i < n; i++) {
		e[i] = rig_entry(&rig, first + i, first, ENTRY_READY);
		e[i].rcpt[0].addr = e[i].rcpt[0].key = addr;
	}
	rig_submit(&rig, 0, first, &m);
	cr_assert_eq(rig_committed(&rig, first), ERR_OK);
}

Test(share, a_slow_next_hop_leaves_room_for_others)
{
	struct proto_deliver d;

	submit(1000, BACKLOG, "b@slow.example");
	for (int i = 0; i < STORE_SHARE_MIN; i++) {
		cr_assert(rig_deliver(&rig, &d));
		cr_assert_eq(d.entry.id, 1000u + (unsigned)i);
	}
	cr_assert(rig_is_quiet(&rig, ROLE_RELAY, 0), "no more of that one");
	submit(5000, 1, "b@fast.example");
	cr_assert(rig_deliver(&rig, &d));
	cr_assert_eq(d.entry.id, 5000);
	/* what it does not take makes room for one more, no faster */
	rig_result(&rig, 1000, PROTO_DEFERRED);
	cr_assert(rig_deliver(&rig, &d));
	cr_assert_eq(d.entry.id, 1000 + STORE_SHARE_MIN);
	cr_assert(rig_is_quiet(&rig, ROLE_RELAY, 0));
}

Test(share, one_that_takes_mail_gets_more_and_all_of_it_in_order)
{
	static uint64_t with[BACKLOG];
	struct proto_deliver d;
	unsigned n_with = 0, most = 0;

	submit(1000, BACKLOG, "b@fast.example");
	for (unsigned i = 0; i < BACKLOG; i++) {
		cr_assert(rig_deliver(&rig, &d), "%u", i);
		cr_assert_eq(d.entry.id, 1000u + i);
		with[n_with++] = d.entry.id;
		most = n_with > most ? n_with : most;
		if (n_with < STORE_SHARE_MIN)
			continue;
		for (; n_with > 0; n_with--)
			rig_result(&rig, with[n_with - 1], PROTO_DELIVERED);
	}
	cr_assert_leq(most, BACKLOG);
}

Test(share, what_is_parked_can_be_held_and_deleted_and_goes_on)
{
	struct proto_deliver d;
	char *answer;

	submit(1000, STORE_SHARE_MIN + 3, "b@slow.example");
	for (int i = 0; i < STORE_SHARE_MIN; i++)
		cr_assert(rig_deliver(&rig, &d));
	/* the first of the three is held, the second deleted */
	answer = rig_request(
	    &rig, "{\"verb\":\"queue-hold\",\"id\":\"00000000000ZJ\"}");
	cr_assert(strstr(answer, "\"ok\":true"), "%s", answer);
	free(answer);
	answer = rig_request(
	    &rig, "{\"verb\":\"queue-delete\",\"id\":\"00000000000ZK\"}");
	cr_assert(strstr(answer, "\"ok\":true"), "%s", answer);
	free(answer);
	rig_result(&rig, 1000, PROTO_DELIVERED);
	cr_assert(rig_deliver(&rig, &d));
	cr_assert_eq(d.entry.id, 1012);
	answer = rig_request(
	    &rig, "{\"verb\":\"queue-release\",\"id\":\"00000000000ZJ\"}");
	free(answer);
	rig_result(&rig, 1001, PROTO_DELIVERED);
	cr_assert(rig_deliver(&rig, &d));
	cr_assert_eq(d.entry.id, 1010);
}

Test(share, nothing_stays_parked_when_relay_dies)
{
	struct proto_deliver d;
	unsigned seen = 0;

	submit(1000, STORE_SHARE_MIN + 1, "b@slow.example");
	for (int i = 0; i < STORE_SHARE_MIN; i++)
		cr_assert(rig_deliver(&rig, &d));
	rig_disconnect(&rig, ROLE_RELAY, 0);
	rig_run(&rig, 10);
	rig_connect(&rig, ROLE_RELAY, 0);
	for (int i = 0; i <= STORE_SHARE_MIN; i++) {
		cr_assert(rig_deliver(&rig, &d));
		cr_assert_eq(seen & 1u << (d.entry.id - 1000), 0);
		seen |= 1u << (d.entry.id - 1000);
		if (i == STORE_SHARE_MIN - 1) {
			cr_assert(rig_is_quiet(&rig, ROLE_RELAY, 0));
			rig_result(&rig, d.entry.id, PROTO_DELIVERED);
		}
	}
}

Test(share, next_hops_are_told_apart_by_who_takes_the_mail)
{
	struct conf conf = {.outbound = {.kind = CONF_VIA_MX}};
	struct entry_rcpt r[4] = {{"a@x.example", "a@x.example", "", 0},
	    {"b@x.example", "b@x.example", "", 0},
	    {"a@y.example", "a@y.example", "", 0}, {"", "", "", 0}};
	struct entry e[4];
	uint32_t dest[4];

	memset(e, 0, sizeof(e));
	for (int i = 0; i < 4; i++) {
		e[i].rcpt = &r[i];
		e[i].n_rcpt = 1;
		dest[i] = store_share_dest(&conf, &e[i]);
		cr_assert_neq(dest[i], 0);
	}
	cr_assert_eq(dest[0], dest[1], "by MX: one domain");
	cr_assert_neq(dest[0], dest[2]);
	conf.outbound.kind = CONF_VIA_SMTP;
	conf.outbound.via = "hop.example:25";
	conf.inbound = conf.outbound;
	conf.inbound.via = "inside.example:25";
	e[2].route = ENTRY_INBOUND;
	cr_assert_eq(store_share_dest(&conf, &e[0]),
	    store_share_dest(&conf, &e[3]), "one smart host");
	cr_assert_neq(
	    store_share_dest(&conf, &e[0]), store_share_dest(&conf, &e[2]));
}
