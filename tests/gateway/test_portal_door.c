/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Whom the door lets in: the browser that asked, with the code of the mail,
 * for a while.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "common/limits.h"
#include "common/secret.h"
#include "gateway/portal/portal_private.h"

static const uint8_t one[OBJECT_ID_SIZE] = {1}, two[OBJECT_ID_SIZE] = {2};
static struct portal_door *door;
static char ticket[PORTAL_TICKET_SIZE], code[PORTAL_CODE_SIZE];

static void
start(void)
{
	secret_init();
	digest_init();
	door = portal_door_new();
	cr_assert_not_null(door);
	cr_assert(portal_door_ask(door, one, 1000, ticket, code));
}

static void
end(void)
{
	portal_door_free(door);
}

TestSuite(portal_door, .init = start, .fini = end);

static bool
admits(const uint8_t *object, const char *t, const char *c, uint64_t now_ms)
{
	return portal_door_admits(
	    door, object, span_str(t), span_str(c), now_ms);
}

/* Six digits that are not the code. */
static const char *
wrong(void)
{
	static char text[PORTAL_CODE_SIZE];

	memcpy(text, code, sizeof(text));
	text[0] = text[0] == '9' ? '0' : (char)(text[0] + 1);
	return text;
}

Test(portal_door, the_ticket_opens_by_its_code_and_then_by_itself)
{
	cr_expect_eq(strlen(ticket), 43u);
	cr_expect_eq(strspn(code, "0123456789"), 6u);
	cr_expect(!admits(one, ticket, "", 1000));
	cr_expect(admits(one, ticket, code, 2000));
	cr_expect(admits(one, ticket, "", 3000));
	cr_expect(admits(one, ticket, "", 2000 + LIMIT_DOOR_OPEN_MS - 1));
	cr_expect(!admits(one, ticket, "", 2000 + LIMIT_DOOR_OPEN_MS));
}

Test(portal_door, the_code_is_nothing_without_its_ticket_and_object)
{
	char other[PORTAL_TICKET_SIZE], other_code[PORTAL_CODE_SIZE];
	const char *const bad[] = {"", "x", "A", ticket + 1};

	cr_assert(portal_door_ask(door, two, 1000, other, other_code));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_expect(!admits(one, bad[i], code, 1000), "%zu", i);
	cr_expect(!admits(two, ticket, code, 1000));
	cr_expect(!admits(one, other, code, 1000));
	cr_expect(admits(one, ticket, code, 1000));
	cr_expect(!admits(two, ticket, "", 1000));
}

Test(portal_door, a_code_has_its_time_and_its_attempts)
{
	char t[PORTAL_TICKET_SIZE], c[PORTAL_CODE_SIZE];

	cr_expect(!admits(one, ticket, "12345", 1000));
	cr_expect(!admits(one, ticket, "1234567", 1000));
	for (unsigned i = 2; i < LIMIT_DOOR_TRIES; i++)
		cr_expect(!admits(one, ticket, wrong(), 1000));
	/* that was one less than all */
	cr_expect(!admits(one, ticket, wrong(), 1000));
	cr_expect(!admits(one, ticket, code, 1000), "after all attempts");
	cr_assert(portal_door_ask(door, one, 1000, t, c));
	cr_expect(!admits(one, t, c, 1000 + LIMIT_DOOR_CODE_MS));
	cr_expect(admits(one, t, c, 1000 + LIMIT_DOOR_CODE_MS - 1));
}

Test(portal_door, an_object_gives_so_many_codes_an_hour)
{
	char t[PORTAL_TICKET_SIZE], c[PORTAL_CODE_SIZE];

	for (unsigned i = 1; i < LIMIT_DOOR_CODES; i++)
		cr_assert(portal_door_ask(door, one, 1000 + i, t, c));
	cr_expect(!portal_door_ask(door, one, 2000, t, c));
	cr_expect(portal_door_ask(door, two, 2000, t, c));
	cr_expect(portal_door_ask(door, one, 1000 + 3600 * 1000, t, c));
}

Test(portal_door, the_oldest_makes_room)
{
	char t[PORTAL_TICKET_SIZE], c[PORTAL_CODE_SIZE];
	uint8_t object[OBJECT_ID_SIZE] = {3};

	for (unsigned i = 1; i < LIMIT_PORTAL_TICKETS; i++) {
		object[1] = (uint8_t)i;
		object[2] = (uint8_t)(i >> 8);
		cr_assert(portal_door_ask(door, object, 1000 + i, t, c));
	}
	cr_expect(admits(one, ticket, code, 9000));
	object[3] = 1;
	cr_assert(portal_door_ask(door, object, 9000, t, c));
	cr_expect(!admits(one, ticket, "", 9000));
	cr_expect(admits(object, t, c, 9000));
}
