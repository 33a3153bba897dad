/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "gateway/password.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/secret.h"

static char path[] = "/tmp/test_password.XXXXXX";

static int
holds(const char *text, size_t len)
{
	int fd;

	memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
	fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	unlink(path);
	cr_assert_eq(write(fd, text, len), (ssize_t)len);
	return fd;
}

Test(password, is_the_first_line_without_its_end)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
	    {"secret", "secret"},
	    {"secret\n", "secret"},
	    {"secret\r\n", "secret"},
	    {"two words\nanother line\n", "two words"},
	    {" p\xc3\xa4ss ", " p\xc3\xa4ss "},
	};
	struct err_why why = {""};
	struct secret *s;

	secret_init();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = holds(rows[i].text, strlen(rows[i].text));

		cr_assert_eq(password_read(fd, "file", &s, &why), ERR_OK,
		    "row %zu: %s", i, why.text);
		cr_expect(
		    span_eq_str(secret_span(s), rows[i].want), "row %zu", i);
		secret_free(s);
		close(fd);
	}
}

Test(password, none_or_one_that_is_too_long_is_refused)
{
	static char full[PASSWORD_MAX + 1];
	static const struct {
		const char *text;
		size_t len;
		const char *why;
	} rows[] = {
	    {"", 0, "no password"},
	    {"\nsecret\n", 8, "no password"},
	    {"\r\n", 2, "no password"},
	    {"\0secret", 7, "no password"},
	    {full, PASSWORD_MAX + 1, "at most 255"},
	};
	struct secret *s = NULL;
	struct err_why why;

	secret_init();
	memset(full, 'a', sizeof(full));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = holds(rows[i].text, rows[i].len);

		cr_expect_eq(password_read(fd, "file", &s, &why), ERR_CONFIG,
		    "row %zu", i);
		cr_expect_not_null(
		    strstr(why.text, rows[i].why), "row %zu: %s", i, why.text);
		cr_expect_null(s, "row %zu", i);
		close(fd);
	}
	cr_expect_eq(password_read(-1, "file", &s, &why), ERR_CONFIG);
	cr_expect_not_null(strstr(why.text, "cannot be read"));
}
