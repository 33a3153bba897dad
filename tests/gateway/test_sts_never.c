/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * When a policy that is only announced counts as none. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

#include "gateway/store/sts_never.h"

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE };

Test(sts_never, three_times_and_an_hour)
{
	struct sts_never *list = NULL;

	cr_expect_not(sts_never_failed(&list, "a.example", 5));
	cr_expect_not(sts_never_failed(&list, "a.example", MINUTE));
	/* often is not enough */
	for (int i = 2; i < 59; i++)
		cr_expect_not(
		    sts_never_failed(&list, "a.example", (uint64_t)i * MINUTE));
	cr_expect_not(sts_never_failed(&list, "a.example", HOUR + 4));
	cr_expect(sts_never_failed(&list, "a.example", HOUR + 5));
	cr_expect(sts_never_failed(&list, "a.example", HOUR + 6));
	sts_never_free(&list);
	cr_expect_null(list);
}

Test(sts_never, twice_in_a_day_is_not_enough)
{
	struct sts_never *list = NULL;

	cr_expect_not(sts_never_failed(&list, "a.example", 0));
	cr_expect_not(sts_never_failed(&list, "a.example", 24 * HOUR));
	cr_expect(sts_never_failed(&list, "a.example", 25 * HOUR));
	sts_never_free(&list);
}

Test(sts_never, an_answer_begins_anew)
{
	struct sts_never *list = NULL;

	for (int i = 0; i < 3; i++)
		(void)sts_never_failed(&list, "a.example", 0);
	(void)sts_never_failed(&list, "b.example", 0);
	sts_never_answered(&list, "a.example");
	sts_never_answered(&list, "c.example");
	cr_expect_not(sts_never_failed(&list, "a.example", 2 * HOUR));
	cr_expect_not(sts_never_failed(&list, "b.example", HOUR));
	cr_expect(sts_never_failed(&list, "b.example", HOUR));
	sts_never_free(&list);
}

Test(sts_never, what_is_beyond_the_limit_waits)
{
	struct sts_never *list = NULL;
	char name[32];

	for (int i = 0; i < 1024; i++) {
		snprintf(name, sizeof(name), "d%d.example", i);
		cr_assert_not(sts_never_failed(&list, name, 0));
	}
	for (int i = 0; i < 5; i++)
		cr_expect_not(sts_never_failed(&list, "new.example", 2 * HOUR));
	sts_never_free(&list);
}
