/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include <criterion/criterion.h>
#include <string.h>

#include "common/ipc.h"
#include "common/limits.h"
#include "common/secret.h"
#include "gateway/portal/portal_private.h"
#include "gateway/proto.h"

/* The next message store gets: its type, and the object's name. */
static uint16_t
next(struct ipc *store, const char *name)
{
	struct ipc_msg m;
	struct unpacker u;
	struct span got;
	uint16_t type;

	cr_assert_eq(ipc_recv(store, &m), ERR_OK);
	unpack_begin(&u, m.payload);
	got = unpack_span(&u);
	cr_expect(span_eq_str(got, name), "%.*s", (int)got.len, got.data);
	type = m.type;
	ipc_msg_clear(&m);
	return type;
}

static bool
tell(void *arg, uint16_t type, uint64_t id, struct span payload)
{
	return ipc_post(arg, type, id, payload, NULL, 0) == ERR_OK;
}

Test(portal_report, what_happens_without_a_store_waits_for_the_next)
{
	struct portal_reports *r = portal_reports_new();
	struct object_header h = {.id = {0}};
	struct ipc *store, *ours;
	char agent[300];
	int a, b;

	secret_init();
	memset(agent, 'm', sizeof(agent));
	portal_report_object(r, PROTO_OBJECT_EXPIRED, h.id);
	portal_report_event(r, PROTO_OBJECT_OPENED, h.id, "192.0.2.1",
	    SPAN(agent, sizeof(agent)));
	cr_assert_eq(ipc_pair(&a, &b), ERR_OK);
	store = ipc_new(a);
	ours = ipc_new(b);
	portal_reports_to(r, tell, ours);
	portal_report_object(r, PROTO_OBJECT_HAVE, h.id);
	cr_expect_eq(
	    next(store, "AAAAAAAAAAAAAAAAAAAAAA"), PROTO_OBJECT_EXPIRED);
	cr_expect_eq(
	    next(store, "AAAAAAAAAAAAAAAAAAAAAA"), PROTO_OBJECT_OPENED);
	cr_expect_eq(next(store, "AAAAAAAAAAAAAAAAAAAAAA"), PROTO_OBJECT_HAVE);
	/* gone again, and more than is kept */
	portal_reports_to(r, NULL, NULL);
	for (unsigned i = 0; i < LIMIT_PORTAL_REPORTS + 10; i++)
		portal_report_object(r, PROTO_OBJECT_EXPIRED, h.id);
	portal_reports_free(r);
	ipc_free(ours);
	ipc_free(store);
}
