/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include <criterion/criterion.h>
#include <string.h>

#include "gateway/password_hash.h"

Test(password_hash, what_was_hashed_matches_and_nothing_else_does)
{
	char hash[PASSWORD_HASH_SIZE], other[PASSWORD_HASH_SIZE];

	cr_assert_eq(password_hash("correct horse", hash), ERR_OK);
	cr_assert_eq(password_hash("correct horse", other), ERR_OK);
	cr_expect_str_neq(hash, other); /* salted */
	cr_expect_eq(password_hash_check(hash), ERR_OK);
	cr_expect(password_matches(hash, "correct horse"));
	cr_expect(!password_matches(hash, "correct horsf"));
	cr_expect(!password_matches(hash, "correct hors"));
	cr_expect(!password_matches(hash, ""));
}

Test(password_hash, hashes_of_other_programs_match)
{
	/* made with openssl passwd */
	static const char *const hashes[] = {
	    /* made with htpasswd -B */
	    "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
	    "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/j"
	    "ctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/",
	};

	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
		cr_expect_eq(
		    password_hash_check(hashes[i]), ERR_OK, "%s", hashes[i]);
		cr_expect(
		    password_matches(hashes[i], i == 0 ? "U*U" : "password"),
		    "%s", hashes[i]);
		cr_expect(
		    !password_matches(hashes[i], "Password"), "%s", hashes[i]);
	}
}

Test(password_hash, what_is_weak_or_no_hash_is_refused)
{
	static const char *const bad[] = {
	    "",
	    "password",
	    "ab",
	    "abJnggxhB/yWI",			    /* DES */
	    "_J9..CCCCXBrJUJV154M",		    /* extended DES */
	    "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/",   /* MD5 */
	    "$3$$8846f7eaee8fb117ad06bdd830b7586c", /* NT */
	    "$99$salt$hash",
	    "$5$saltsalt$gOjOtoMpVhru2uyjeJSEc/JaLQWOXMNmlOnj6T4AtC.",
	    "{SSHA}abcdef",
	    "$5",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(
		    password_hash_check(bad[i]), ERR_UNSUPPORTED, "%s", bad[i]);
}
