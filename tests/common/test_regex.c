/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include "common/regex.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

enum { NEVER_MS = 1u << 30 };

static uint64_t
later(void)
{
	return clock_cpu_ms() + NEVER_MS;
}

Test(regex, counts_what_matches)
{
	static const struct {
		const char *pattern;
		unsigned flags;
		const char *text;
		size_t enough;
		size_t want;
	} rows[] = {
	    {"abc", 0, "abc abc xabcx", 10, 3},
	    {"abc", 0, "abc abc abc", 2, 2},
	    {"ABC", 0, "abc", 10, 0},
	    {"ABC", REGEX_CASELESS, "abc", 10, 1},
	    {"\\bcat\\b", 0, "cat concat cat", 10, 2},
	    {"\\d{4}", 0, "1234 12 12345678", 10, 3},
	    {"^a", 0, "aaa", 10, 1},
	    {"a$", 0, "aaa", 10, 1},
	    {"x*", 0, "aaa", 10, 3},
	    {"ÄRGER", REGEX_CASELESS, "\xc3\xa4rger", 10, 1},
	    {"\\w+", 0, "\xc3\xa4\xc3\xb6 b", 10, 2},
	    {"(?=a)", 0, "aba", 10, 2},
	    {"(?<=b)a", 0, "ba", 10, 1},
	    {"a", 0, "", 10, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct regex *r = NULL;
		struct err_why why = {""};
		size_t n = 99;

		cr_assert_eq(regex_new(span_str(rows[i].pattern), rows[i].flags,
				 &r, &why),
		    ERR_OK, "%s: %s", rows[i].pattern, why.text);
		cr_expect_eq(regex_count(r, span_str(rows[i].text),
				 rows[i].enough, later(), &n),
		    ERR_OK, "%s", rows[i].pattern);
		cr_expect_eq(n, rows[i].want, "/%s/ in \"%s\": %zu",
		    rows[i].pattern, rows[i].text, n);
		regex_free(r);
	}
}

Test(regex, malformed_patterns_are_refused_with_a_reason)
{
	static const char *const rows[] = {"(", "[a", "a{2,1}", "*a", "\\",
	    "(?<n>a)(?<n>b)", "\\C", "(?z)", "[[:nope:]]", "\xff", "\\g{9}",
	    "((((((((((((((((((((((((((((((((((((((((((((((((((((((a)))))))))))"
	    ")"
	    "))))))))))))))))))))))))))))))))))))))))))"};
	char longer[REGEX_PATTERN_MAX + 2];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct regex *r = NULL;
		struct err_why why = {""};

		cr_expect_eq(regex_new(span_str(rows[i]), 0, &r, &why),
		    ERR_CONFIG, "/%s/ was taken", rows[i]);
		cr_expect_neq(why.text[0], '\0', "/%s/", rows[i]);
		cr_expect_null(r);
	}
	memset(longer, 'a', sizeof(longer));
	cr_expect_eq(regex_new(SPAN(longer, REGEX_PATTERN_MAX + 1), 0,
			 &(struct regex *){NULL}, NULL),
	    ERR_CONFIG);
}

/* The text is looked at in windows; where one ends must not matter. */
Test(regex, finds_what_lies_across_windows)
{
	const size_t len = 100000;
	char *text = malloc(len);
	struct regex *r = NULL;

	cr_assert_eq(
	    regex_new(SPAN_LIT("\\bneedle in hay\\b"), 0, &r, NULL), ERR_OK);
	for (size_t at = 15000; at < 18000; at += 7) {
		size_t n = 0;

		memset(text, '.', len);
		memcpy(text + at, "needle in hay", 13);
		memcpy(text + len - 13, "needle in hay", 13);
		cr_assert_eq(
		    regex_count(r, SPAN(text, len), 9, later(), &n), ERR_OK);
		cr_assert_eq(n, 2, "at %zu: %zu", at, n);
	}
	regex_free(r);
	free(text);
}

/* With letters of two octets a window never begins or ends inside of one. */
Test(regex, windows_do_not_cut_letters)
{
	const size_t len = 60001;
	char *text = malloc(len);
	struct regex *r = NULL;
	size_t n = 0;

	cr_assert_eq(regex_new(SPAN_LIT("\xc3\xa4"), 0, &r, NULL), ERR_OK);
	text[0] = 'a';
	for (size_t i = 1; i < len; i += 2)
		memcpy(text + i, "\xc3\xa4", 2);
	cr_assert_eq(
	    regex_count(r, SPAN(text, len), 50000, later(), &n), ERR_OK);
	cr_assert_eq(n, 30000, "%zu", n);
	regex_free(r);
	free(text);
}

/* Patterns that are known to take exponential or cubic time. Each ends, one way
   or another, long before anybody notices. */
Test(regex, no_pattern_stalls)
{
	static const char *const rows[] = {"(a+)+$", "(a*)*b", "(a|aa)+$",
	    "(.*)*x", "^(([a-z])+.)+[A-Z]([a-z])+$", "(x+x+)+y",
	    ".*.*.*.*.*.*.*=!", "(?:a|a|a|a)*b", "((a{1,50}){1,50}){1,20}b",
	    "(\\w+\\s?)*:$", "^(?:(?:a?){30}a{30})$", "((a*)*)*b"};
	const size_t len = 1000 * 1000;
	char *text = malloc(len);

	memset(text, 'a', len);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct regex *r = NULL;
		struct err_why why = {""};
		uint64_t start = clock_cpu_ms(), took;
		size_t n = 0;
		enum err e;

		cr_assert_eq(regex_new(span_str(rows[i]), 0, &r, &why), ERR_OK,
		    "/%s/: %s", rows[i], why.text);
		e = regex_count(
		    r, SPAN(text, len), 1, clock_cpu_ms() + 200, &n);
		took = clock_cpu_ms() - start;
		cr_expect(e == ERR_OK || e == ERR_LIMIT, "/%s/: %s", rows[i],
		    err_name(e));
		cr_expect_lt(took, 20000, "/%s/ took %llu ms", rows[i],
		    (unsigned long long)took);
		regex_free(r);
	}
	free(text);
}

Test(regex, what_is_no_text_is_said)
{
	struct regex *r = NULL;
	size_t n = 7;

	cr_assert_eq(regex_new(SPAN_LIT("a"), 0, &r, NULL), ERR_OK);
	cr_expect_eq(regex_count(r, SPAN_LIT("\xff\xfe"), 1, later(), &n),
	    ERR_MALFORMED);
	cr_expect_eq(n, 7);
	cr_expect_eq(regex_count(r, SPAN_LIT("a"), 1, 0, &n), ERR_LIMIT);
	regex_free(r);
}
