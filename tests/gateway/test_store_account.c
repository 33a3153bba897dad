/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a worker says of a message is checked: no recipient of a pending entry
 * gets lost, and no other message hides behind a committed id.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy.h"
#include "tests/lib/store_rig.h"

enum { HOUR_MS = 3600 * 1000, B = 1, C = 2 };

static struct rig rig;
static struct policy *policy;

static void
set_up(void)
{
	policy = policy_new();
	rig_init(&rig);
	rig.conf.policy = policy;
	cr_assert_eq(rig_start(&rig), ERR_OK);
}

static void
tear_down(void)
{
	rig_clear(&rig);
	policy_free(policy);
}

TestSuite(store_account, .init = set_up, .fini = tear_down);

static void
let_rules_drop(void)
{
	static const enum rung ladder[] = {RUNG_SMIME, RUNG_DROP};
	const struct policy_spec spec = {
	    .name = "bulk", .line = 1, .ladder = ladder, .n_ladder = 2};

	cr_assert_eq(policy_add_rule(policy, &spec, NULL), ERR_OK);
}

static bool
is_pending(void)
{
	char *answer = rig_request(&rig, "{\"verb\":\"store-status\"}");
	bool yes = strstr(answer, "\"pending\":1") != NULL;

	free(answer);
	return yes;
}

static void
set_rcpts(struct entry *e, unsigned who, uint8_t notify)
{
	static struct entry_rcpt both[2];
	uint32_t n = 0;

	e->rcpt = arena_array(rig.arena, 2, sizeof(*e->rcpt));
	cr_assert_not_null(e->rcpt);
	both[0] =
	    (struct entry_rcpt){"b@example.org", "b@example.org", "", notify};
	both[1] =
	    (struct entry_rcpt){"c@example.org", "c@example.org", "", notify};
	if (who & B)
		e->rcpt[n++] = both[0];
	if (who & C)
		e->rcpt[n++] = both[1];
	e->n_rcpt = n;
}

struct row {
	const char *name;
	unsigned sent;	     /* B, C: in an entry */
	unsigned closed;     /* B, C: and how */
	uint8_t how, notify; /* notify is of both */
	bool notice, no_sender, drops, old;
	bool good;
};

static const struct row rows[] = {
    {"both go on", B | C, 0, 0, 0, false, false, false, false, true},
    {"one is refused, the sender hears of it", B, C, PROTO_CLOSE_REFUSED, 0,
	true, false, false, false, true},
    {"refused, nobody wants to hear", B, C, PROTO_CLOSE_REFUSED,
	PROTO_NOTIFY_NEVER, false, false, false, false, true},
    {"both are refused", 0, B | C, PROTO_CLOSE_REFUSED, 0, true, false, false,
	false, true},
    {"a rule drops", B, C, PROTO_CLOSE_DROPPED, 0, false, false, true, false,
	true},
    {"given up in time", 0, B | C, PROTO_CLOSE_GIVEN_UP, 0, true, false, false,
	true, true},
    {"nothing at all", 0, 0, 0, 0, false, false, false, false, false},
    {"one is forgotten", B, 0, 0, 0, false, false, false, false, false},
    {"the other is forgotten", C, 0, 0, 0, true, false, false, false, false},
    {"refused in silence", B, C, PROTO_CLOSE_REFUSED, 0, false, false, false,
	false, false},
    {"refused from outside, where nobody may hear", B, C, PROTO_CLOSE_REFUSED,
	PROTO_NOTIFY_OUTSIDE, true, false, false, false, false},
    {"refused without a sender", B, C, PROTO_CLOSE_REFUSED, 0, false, true,
	false, false, false},
    {"dropped by no rule", B, C, PROTO_CLOSE_DROPPED, 0, true, false, false,
	false, false},
    {"given up too early", 0, B | C, PROTO_CLOSE_GIVEN_UP, 0, true, false,
	false, false, false},
    {"given up in silence", 0, B | C, PROTO_CLOSE_GIVEN_UP, 0, false, false,
	false, true, false},
    {"closed by nothing", B, C, 0, 0, true, false, true, false, false},
    {"closed by an unknown word", B, C, 99, 0, true, false, true, true, false},
};

static void
put_pending(const struct row *r)
{
	struct entry e = rig_entry(&rig, 1000, 100, ENTRY_PENDING);
	struct proto_submit m = {.attempt = 1, .entry = &e, .n_entries = 1};

	e.strength = 5;
	if (r->no_sender)
		e.from = e.from_key = "";
	set_rcpts(&e, B | C, r->notify);
	rig_submit(&rig, 0, 100, &m);
	cr_assert_eq(rig_committed(&rig, 100), ERR_OK);
}

static void
decide(const struct row *r)
{
	static struct proto_closed closed[2] = {
	    {.key = "b@example.org"}, {.key = "c@example.org"}};
	struct entry e[1];
	struct dsn_rcpt told[2];
	struct proto_submit m = {.replaces = 1000, .entry = e};

	if (r->sent != 0) {
		e[m.n_entries] = rig_entry(&rig, 2000, 100, ENTRY_READY);
		e[m.n_entries].strength = 5;
		set_rcpts(&e[m.n_entries++], r->sent, 0);
	}
	m.dsn.rcpt = told;
	for (unsigned who = B; r->notice && who <= C; who <<= 1)
		if ((r->closed & who) != 0)
			told[m.dsn.n_rcpt++] = (struct dsn_rcpt){
			    .addr =
				who == B ? "b@example.org" : "c@example.org",
			    .orcpt = "",
			    .status = "5.7.1",
			    .reason = "no",
			    .advice = "",
			    .peer = "",
			    .text = ""};
	closed[0].how = closed[1].how = r->how;
	m.closed = r->closed == C ? &closed[1] : closed;
	m.n_closed = r->closed == (B | C) ? 2 : r->closed != 0 ? 1 : 0;
	rig_submit(&rig, 0, 1000, &m);
	rig_run(&rig, 20);
}

Test(store_account, no_recipient_of_a_pending_entry_is_lost)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ipc_msg msg;

		tear_down();
		set_up();
		if (rows[i].drops)
			let_rules_drop();
		put_pending(&rows[i]);
		rig_advance(&rig, rows[i].old ? 121ull * HOUR_MS : 400 * 1000);
		cr_assert(
		    rig_recv(&rig, ROLE_WORKER, 0, &msg), "%s", rows[i].name);
		ipc_msg_clear(&msg);
		decide(&rows[i]);
		cr_expect_eq(is_pending(), !rows[i].good, "%s", rows[i].name);
		cr_expect_eq(!rig_is_quiet(&rig, ROLE_RELAY, 0),
		    rows[i].good && rows[i].sent != 0, "%s", rows[i].name);
	}
}

Test(store_account, another_message_behind_a_committed_id_is_refused)
{
	struct entry e = rig_entry(&rig, 1000, 100, ENTRY_READY);
	struct proto_submit m = {
	    .attempt = 1, .entry = &e, .n_entries = 1, .digest = {1}};

	rig_submit(&rig, 0, 100, &m);
	cr_assert_eq(rig_committed(&rig, 100), ERR_OK);
	e.id = 1001;
	m.attempt = 2;
	rig_submit(&rig, 0, 100, &m);
	cr_expect_eq(rig_committed(&rig, 100), ERR_OK, "said again");
	m.digest[31] = 1;
	rig_submit(&rig, 0, 100, &m);
	cr_expect_eq(rig_committed(&rig, 100), ERR_EXISTS, "another one");
	rig_kill(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	rig_submit(&rig, 0, 100, &m);
	cr_expect_eq(rig_committed(&rig, 100), ERR_EXISTS, "after a restart");
	m.digest[31] = 0;
	rig_submit(&rig, 0, 100, &m);
	cr_expect_eq(rig_committed(&rig, 100), ERR_OK);
}

/* A copy for an archive may go along, sealed and where a rule says; it is
   nobody's mail. */
Test(store_account, a_copy_for_an_archive_counts_for_no_recipient)
{
	static const enum rung ladder[] = {RUNG_SMIME, RUNG_HOLD};
	static const struct {
		const char *what, *to;
		enum rung rung;
		uint8_t notify;
		unsigned sent;
		bool good;
	} copies[] = {
	    {"beside both", "v@vault.example", RUNG_SMIME,
		PROTO_NOTIFY_NEVER | PROTO_NOTIFY_HOLD, B | C, true},
	    {"by OpenPGP", "v@vault.example", RUNG_PGP,
		PROTO_NOTIFY_NEVER | PROTO_NOTIFY_HOLD, B | C, true},
	    {"readable", "v@vault.example", RUNG_CLEAR,
		PROTO_NOTIFY_NEVER | PROTO_NOTIFY_HOLD, B | C, false},
	    {"by TLS", "v@vault.example", RUNG_TLS,
		PROTO_NOTIFY_NEVER | PROTO_NOTIFY_HOLD, B | C, false},
	    {"which bounces", "v@vault.example", RUNG_SMIME, PROTO_NOTIFY_NEVER,
		B | C, false},
	    {"to somebody else", "x@vault.example", RUNG_SMIME,
		PROTO_NOTIFY_NEVER | PROTO_NOTIFY_HOLD, B | C, false},
	    {"instead of mail for who is an archive as well", "b@example.org",
		RUNG_SMIME, PROTO_NOTIFY_NEVER | PROTO_NOTIFY_HOLD, C, false},
	};
	struct policy_spec spec = {
	    .name = "kept", .line = 1, .ladder = ladder, .n_ladder = 2};

	for (size_t i = 0; i < sizeof(copies) / sizeof(copies[0]); i++) {
		static const struct row both = {.sent = B | C};
		struct entry e[2];
		struct proto_submit m = {.replaces = 1000, .entry = e};
		struct ipc_msg msg;

		tear_down();
		set_up();
		spec.archive = "v@vault.example";
		cr_assert_eq(policy_add_rule(policy, &spec, NULL), ERR_OK);
		spec.archive = "b@example.org";
		cr_assert_eq(policy_add_rule(policy, &spec, NULL), ERR_OK);
		put_pending(&both);
		rig_advance(&rig, 400 * 1000);
		cr_assert(rig_recv(&rig, ROLE_WORKER, 0, &msg));
		ipc_msg_clear(&msg);
		for (size_t k = 0; k < 2; k++) {
			e[k] = rig_entry(&rig, 2000 + k, 100, ENTRY_READY);
			e[k].strength = 6;
		}
		set_rcpts(&e[0], copies[i].sent, 0);
		e[1].rung = (uint8_t)copies[i].rung;
		e[1].n_rcpt = 1;
		e[1].rcpt = &(struct entry_rcpt){
		    copies[i].to, copies[i].to, "", copies[i].notify};
		m.n_entries = 2;
		rig_submit(&rig, 0, 1000, &m);
		rig_run(&rig, 20);
		cr_expect_eq(
		    is_pending(), !copies[i].good, "%s", copies[i].what);
	}
}
