/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Alarms by mail: collected, now and then, without what they are about.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/sealed.h"
#include "tests/lib/store_rig.h"

enum { MAIL_MAX = 65536, INTERVAL_MS = 15 * 60 * 1000 };

static struct rig rig;
static struct buf mail;

static void
set_up(void)
{
	rig_init(&rig);
	rig.conf.hostname = "gw.ours.example";
	rig.conf.alarm_to = "admin@elsewhere.example";
	rig.conf.alarm_ms = INTERVAL_MS;
	buf_init(&mail, MAIL_MAX);
	cr_assert_eq(rig_start(&rig), ERR_OK);
}

static void
tear_down(void)
{
	rig_clear(&rig);
	buf_clear(&mail);
}

TestSuite(store_alarm, .init = set_up, .fini = tear_down);

/* Records of that type; the entry goes to nobody in this test. */
static enum err
raise_alarms(uint64_t id, const char *type, unsigned n)
{
	struct entry e = rig_entry(&rig, id + 1000, id, ENTRY_PENDING);
	const char *recs[64];
	char text[128];
	struct proto_submit m = {.attempt = 1,
	    .entry = &e,
	    .n_entries = 1,
	    .audit = recs,
	    .n_audit = n};

	snprintf(text, sizeof(text),
	    "{\"type\":\"%s\",\"reason\":\"b@example.org canary\"}", type);
	for (unsigned i = 0; i < n; i++)
		recs[i] = text;
	rig_submit(&rig, 0, id, &m);
	return rig_committed(&rig, id);
}

/* The next mail that relay is given; false when none comes. */
static bool
next_mail(void)
{
	struct proto_deliver d;

	if (!rig_own_mail(&rig, &d, &mail))
		return false;
	cr_assert_str_eq(d.entry.from, "");
	cr_assert_str_eq(d.entry.rcpt[0].addr, "admin@elsewhere.example");
	return true;
}

static bool
says(const char *words)
{
	return strstr(buf_cstr(&mail), words) != NULL;
}

Test(store_alarm, what_comes_together_is_one_mail)
{
	cr_assert_eq(raise_alarms(1, "held", 30), ERR_OK);
	cr_assert_eq(raise_alarms(2, "key-waits", 1), ERR_OK);
	cr_assert_eq(raise_alarms(3, "sealed", 1), ERR_OK);
	cr_assert(rig_is_quiet(&rig, ROLE_RELAY, 0), "it collects first");
	rig_advance(&rig, 3000);
	cr_assert(next_mail());
	cr_assert(says("Subject: 31 alarms of gw.ours.example\r\n"));
	cr_assert(says("held: 30\r\n"));
	cr_assert(says("  and 10 more: sealgate audit list --type held\r\n"));
	cr_assert(says("key-waits: 1\r\n"));
	cr_assert_not(says("sealed:"));
	cr_assert_not(says("canary"), "nothing of the record");
	cr_assert_not(says("example.org"));
}

Test(store_alarm, there_is_a_mail_now_and_then_only)
{
	cr_assert_eq(raise_alarms(1, "held", 1), ERR_OK);
	rig_advance(&rig, 3000);
	cr_assert(next_mail());
	cr_assert_eq(raise_alarms(2, "held", 1), ERR_OK);
	cr_assert_eq(raise_alarms(3, "held", 1), ERR_OK);
	rig_advance(&rig, 60 * 1000);
	rig_run(&rig, 1200);
	cr_assert(rig_is_quiet(&rig, ROLE_RELAY, 0));
	rig_advance(&rig, INTERVAL_MS);
	cr_assert(next_mail());
	cr_assert(says("held: 2\r\n"));
	rig_advance(&rig, 2 * INTERVAL_MS);
	rig_run(&rig, 1200);
	cr_assert(
	    rig_is_quiet(&rig, ROLE_RELAY, 0), "there is nothing to tell");
}

Test(store_alarm, what_was_not_committed_raises_none)
{
	/* the second record of the submission is none */
	cr_assert_neq(raise_alarms(1, "no-such-type", 2), ERR_OK);
	cr_assert_eq(raise_alarms(2, "held", 1), ERR_OK);
	rig_advance(&rig, 3000);
	cr_assert(next_mail());
	cr_assert(says("Subject: 1 alarm of "));
}

Test(store_alarm, nobody_is_told_unless_it_is_said_whom)
{
	rig.conf.alarm_to = NULL;
	cr_assert_eq(raise_alarms(1, "held", 1), ERR_OK);
	rig_advance(&rig, 3000);
	rig_run(&rig, 1200);
	cr_assert(rig_is_quiet(&rig, ROLE_RELAY, 0));
}
