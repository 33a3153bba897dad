/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Store and mail for pick-up: what worker and portal say of it is a claim of
 * theirs, and is checked. The other ends are played.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/lib/store_rig.h"

static struct rig rig;

#define OBJECT "AAAAAAAAAAAAAAAAAAAAAA"

static void
set_up(void)
{
	rig_init(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	rig_connect(&rig, ROLE_PORTAL, 0);
}

static void
tear_down(void)
{
	rig_clear(&rig);
}

TestSuite(store_object, .init = set_up, .fini = tear_down);

/* Submit the message 100, whose notice waits for the object. */
static enum err
submit_object(struct proto_object *o, struct entry *notice)
{
	struct proto_submit m = {.attempt = 1,
	    .entry = notice,
	    .n_entries = 1,
	    .object = o,
	    .n_objects = 1};

	o->name = OBJECT;
	o->size = 5000;
	notice->wait_object = o->name;
	rig_submit(&rig, 0, 100, &m);
	return rig_committed(&rig, 100);
}

Test(store_object, a_notice_without_a_recipient_is_refused)
{
	struct entry e = rig_entry(&rig, 1000, 100, ENTRY_READY);
	struct proto_object o = {.expires_s = 99};

	e.n_rcpt = 0;
	cr_expect_eq(submit_object(&o, &e), ERR_IPC);
	e.n_rcpt = 1;
	cr_expect_eq(submit_object(&o, &e), ERR_OK);
}
