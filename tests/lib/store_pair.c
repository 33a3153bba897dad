/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The one store of the test's program.
 */
#include "tests/lib/store_pair.h"

#include <criterion/criterion.h>

struct rig rig;
struct entry_rcpt both[2] = {
    {"b@x.example", "b@x.example", "", 0},
    {"c@x.example", "c@x.example", "", 0},
};

void
pair_set_up(void)
{
	rig_init(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
}

void
pair_tear_down(void)
{
	rig_clear(&rig);
}

struct entry
pair_entry(uint64_t id, uint64_t message_id, enum entry_kind kind)
{
	struct entry e = rig_entry(&rig, id, message_id, kind);

	e.rcpt = both;
	e.n_rcpt = 2;
	return e;
}

void
pair_report(uint64_t entry_id, const struct proto_result *r)
{
	struct buf b;

	buf_init(&b, 8192);
	cr_assert_eq(proto_result_pack(r, &b), ERR_OK);
	rig_send(&rig, ROLE_RELAY, 0, PROTO_RESULT, entry_id, buf_span(&b));
	buf_clear(&b);
}
