/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Answers to mail that was picked up on their way from the portal to a worker:
 * what has the only copy of one keeps it until it is mail, or refused.
 */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "common/memfd.h"
#include "tests/lib/store_rig.h"

#define OBJECT "AAAAAAAAAAAAAAAAAAAAAA"

static struct rig rig;

static void
set_up(void)
{
	rig_init(&rig);
	rig.conf.hostname = "gw.ours.example";
	rig.conf.alarm_to = "admin@elsewhere.example";
	rig.conf.alarm_ms = 15 * 60 * 1000;
	cr_assert_eq(rig_start(&rig), ERR_OK);
	rig_connect(&rig, ROLE_PORTAL, 0);
}

static void
tear_down(void)
{
	rig_clear(&rig);
}

TestSuite(store_answer, .init = set_up, .fini = tear_down);

/* The portal shows an answer. */
static void
show(uint64_t id, const char *object)
{
	const struct proto_answer_came came = {
	    .object = object, .client = "192.0.2.1"};
	struct buf b;
	int fd = -1;

	cr_assert_eq(memfd_from(SPAN_LIT("sealed"), &fd), ERR_OK);
	buf_init(&b, 4096);
	cr_assert_eq(proto_answer_came_pack(&came, &b), ERR_OK);
	cr_assert_eq(ipc_send(rig.far[ROLE_PORTAL][0], PROTO_ANSWER_CAME, id,
			 buf_span(&b), &fd, 1),
	    ERR_OK);
	buf_clear(&b);
	close(fd);
	rig_run(&rig, 30);
}

/* One mail to the administrator. */
static bool
alarm_comes(void)
{
	struct proto_deliver d;

	rig_advance(&rig, 30 * 60 * 1000);
	if (!rig_deliver(&rig, &d))
		return false;
	cr_assert_str_eq(d.entry.rcpt[0].addr, "admin@elsewhere.example");
	rig_result(&rig, d.entry.id, PROTO_DELIVERED);
	return true;
}

Test(store_answer, what_answers_the_unknown_stays_with_the_portal)
{
	show(1, OBJECT);
	show(2, OBJECT);
	cr_expect(rig_is_quiet(&rig, ROLE_PORTAL, 0), "nothing is taken off");
	cr_expect(rig_is_quiet(&rig, ROLE_WORKER, 0));
	cr_expect(alarm_comes());
	show(1, OBJECT);
	cr_expect(rig_is_quiet(&rig, ROLE_PORTAL, 0));
	cr_expect_not(alarm_comes(), "once");
}

Test(store_answer, a_code_for_the_unknown_is_an_alarm)
{
	struct packer p;
	struct buf b;

	buf_init(&b, 256);
	pack_begin(&p, &b);
	pack_str(&p, OBJECT);
	pack_str(&p, "123456");
	cr_assert_eq(pack_end(&p), ERR_OK);
	rig_send(&rig, ROLE_PORTAL, 0, PROTO_OBJECT_CODE, 0, buf_span(&b));
	rig_send(&rig, ROLE_PORTAL, 0, PROTO_OBJECT_CODE, 0, buf_span(&b));
	buf_clear(&b);
	rig_run(&rig, 30);
	cr_expect(alarm_comes());
	cr_expect_not(alarm_comes(), "once");
}
