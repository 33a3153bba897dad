/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "common/err.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(err, every_code_maps_to_a_reply_of_its_class)
{
	for (int i = 1; i < ERR_COUNT; i++) {
		enum err e = (enum err)i;
		const char *status = err_status(e);

		cr_assert_neq(err_text(e)[0], 0, "%s has no text", err_name(e));
		cr_assert_eq(err_by_name(err_name(e)), e, "%s", err_name(e));
		cr_assert(
		    err_smtp(e) >= 400 && err_smtp(e) < 600, "%s", err_name(e));
		cr_assert_eq(status[0], '0' + err_smtp(e) / 100,
		    "%s: reply %d and status %s disagree", err_name(e),
		    err_smtp(e), status);
		if (err_class(e) == ERR_CLASS_TEMP)
			cr_assert_eq(err_smtp(e) / 100, 4, "%s", err_name(e));
		if (err_class(e) == ERR_CLASS_INTERNAL)
			cr_assert_eq(err_smtp(e) / 100, 4,
			    "%s: our own fault must never refuse for good",
			    err_name(e));
	}
}

Test(err, an_unknown_code_holds)
{
	enum err e = (enum err)(ERR_COUNT + 7);

	cr_assert_eq(err_smtp(e), 451);
	cr_assert_str_eq(err_status(e), "4.3.0");
	cr_assert_eq(err_class(e), ERR_CLASS_INTERNAL);
	cr_assert_eq(err_by_name("ERR_SUCH_A_THING"), ERR_INTERNAL);
}

Test(err, full_disk_is_told_apart)
{
	cr_assert_eq(err_from_errno(ENOSPC), ERR_DISK_FULL);
	cr_assert_eq(err_from_errno(EDQUOT), ERR_DISK_FULL);
	cr_assert_eq(err_from_errno(EIO), ERR_IO);
}

Test(err, the_reason_is_cut_not_overrun)
{
	struct err_why why;
	char big[1000];

	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = 0;
	cr_assert_eq(err_why(&why, ERR_IO, "%s", big), ERR_IO);
	cr_assert_eq(strlen(why.text), sizeof(why.text) - 1);
	cr_assert_eq(err_why(NULL, ERR_IO, "%s", big), ERR_IO);
}
