/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include <criterion/criterion.h>
#include <string.h>

#include "common/arena.h"
#include "gateway/account_file.h"

#define HASH                                                                   \
	"$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/"              \
	"jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/"

Test(account_file, users_are_found_with_what_they_may_write_as)
{
	static const char text[] =
	    "# who\r\n"
	    "\n"
	    "zoe:" HASH ":Zoe@Sender.Example, @other.example\t@B\xc3\xbc"
	    "cher.example\r\n"
	    "bob@sender.example:" HASH "\n"
	    "  off:!" HASH ":off@sender.example\n"
	    "star:*:star@sender.example";
	static const struct {
		const char *name, *from;
		bool locked;
	} row[] = {
	    {"zoe",
		"zoe@sender.example @other.example "
		"@xn--bcher-kva.example",
		false},
	    {"bob@sender.example", "bob@sender.example", false},
	    {"off", "off@sender.example", true},
	    {"star", "star@sender.example", true},
	};
	struct arena *a = arena_new(1 << 20);
	struct account_users u;
	struct err_why why = {""};

	cr_assert_eq(account_users_parse(span_str(text), a, &u, &why), ERR_OK,
	    "%s", why.text);
	cr_assert_eq(u.n, 4);
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		const struct account_user *one =
		    account_users_find(&u, row[i].name);

		cr_assert_not_null(one, "%s", row[i].name);
		cr_expect_str_eq(one->from, row[i].from, "%s", row[i].name);
		cr_expect_eq(
		    one->hash[0] == '\0', row[i].locked, "%s", row[i].name);
	}
	cr_expect_null(account_users_find(&u, "Zoe"));
	cr_expect_null(account_users_find(&u, ""));
	cr_assert_eq(
	    account_users_parse(SPAN_LIT("\n#\n"), a, &u, &why), ERR_OK);
	cr_expect_null(account_users_find(&u, "zoe"));
	arena_free(a);
}

Test(account_file, users_that_are_none_are_refused_with_their_line)
{
	static const struct {
		const char *text, *why;
	} row[] = {
	    {"alice\n", "line 1"},
	    {"\n\nalice:" HASH "\n", "line 3"}, /* may write as nobody */
	    {"alice:" HASH ":\n", "nobody"},
	    {"alice:" HASH ": , \n", "nobody"},
	    {":" HASH ":a@x.example\n", "name"},
	    {"a\x01:" HASH ":a@x.example\n", "name"},
	    {"alice:secret:a@x.example\n", "hash"},
	    {"alice::a@x.example\n", "hash"},
	    {"alice:$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/:a@x.example\n", "hash"},
	    {"alice:" HASH ":a@\n", "line 1"},
	    {"alice:" HASH ":@\n", "line 1"},
	    {"alice:" HASH ":a@x.example @@y.example\n", "@@y.example"},
	    {"a:" HASH ":a@x.example\nb:" HASH ":b@x.example\na:" HASH
	     ":c@x.example\n",
		"twice"},
	};
	struct arena *a = arena_new(1 << 20);

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct account_users u;
		struct err_why why = {""};

		cr_expect_eq(
		    account_users_parse(span_str(row[i].text), a, &u, &why),
		    ERR_MALFORMED, "%s", row[i].text);
		cr_expect_not_null(strstr(why.text, row[i].why), "%s: %s",
		    row[i].text, why.text);
	}
	cr_expect_eq(account_users_parse(SPAN("a\0b", 3), a,
			 &(struct account_users){0}, &(struct err_why){""}),
	    ERR_MALFORMED);
	arena_free(a);
}

Test(account_file, one_that_is_being_written_is_not_whole)
{
	static const struct {
		const char *text;
		enum err want;
	} row[] = {
	    {"", ERR_MALFORMED},
	    {"a@sender.example", ERR_MALFORMED},
	    {"a@sender.example\nb@sender.ex", ERR_MALFORMED},
	    {"a@sender.example\r", ERR_MALFORMED},
	    {"\n", ERR_OK},
	    {"a@sender.example\n", ERR_OK},
	    {"a@sender.example\r\n", ERR_OK},
	};
	struct arena *a = arena_new(1 << 20);
	struct account_list l;
	struct err_why why = {""};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		cr_expect_eq(account_file_is_whole(span_str(row[i].text), &why),
		    row[i].want, "%s", row[i].text);
	cr_expect_eq(account_list_parse(SPAN_LIT("\n# all\n"), a, &l, &why),
	    ERR_MALFORMED);
	arena_free(a);
}

Test(account_file, a_list_has_addresses_and_domains)
{
	static const char text[] =
	    "A@sender.example\n"
	    "b@sender.example\tOK and more\n"
	    "@whole.example REJECT\n# c@sender.example\n";
	static const struct {
		const char *key;
		bool has;
	} row[] = {
	    {"a@sender.example", true},
	    {"b@sender.example", true},
	    {"any@whole.example", true},
	    {"c@sender.example", false},
	    {"aa@sender.example", false},
	    {"a@sub.whole.example", false},
	    {"a@sender.example.org", false},
	    {"", false},
	};
	struct arena *a = arena_new(1 << 20);
	struct account_list l;
	struct err_why why = {""};

	cr_assert_eq(account_list_parse(span_str(text), a, &l, &why), ERR_OK,
	    "%s", why.text);
	cr_expect_eq(l.n, 3);
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		cr_expect_eq(account_list_has(&l, row[i].key), row[i].has, "%s",
		    row[i].key);
	cr_expect_eq(account_list_parse(
			 SPAN_LIT("a@x.example\nnonsense\n"), a, &l, &why),
	    ERR_MALFORMED);
	cr_expect_not_null(strstr(why.text, "line 2"), "%s", why.text);
	cr_expect_eq(l.n, 3); /* untouched */
	arena_free(a);
}
