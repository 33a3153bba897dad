/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include <criterion/criterion.h>
#include <string.h>

#include "gateway/notice_words.h"

static const struct notice_values values = {
    .from = "a@b.example",
    .link = {(const uint8_t *)"https://p.example/m/x#y", 23},
    .until = "2026-12-24",
    .url = "https://p.example",
    .owner = "B {from} Ltd",
};

static void
expect(const char *text, const char *want)
{
	struct buf out;

	buf_init(&out, 4096);
	cr_expect_eq(notice_words_put(&out, text, &values), ERR_OK, "%s", text);
	cr_expect(span_eq(buf_span(&out), span_str(want)), "%s: %.*s", text,
	    (int)out.len, (const char *)out.data);
	buf_clear(&out);
}

Test(notice_words, values_are_filled_in_once)
{
	expect("", "");
	expect("plain", "plain");
	expect("{from}", "a@b.example");
	expect("x {link}\n{url}/{until}.",
	    "x https://p.example/m/x#y\nhttps://p.example/2026-12-24.");
	expect("{owner}!", "B {from} Ltd!");
}

Test(notice_words, other_braces_are_refused)
{
	static const char *const rows[] = {
	    "{", "{}", "{from", "{fro}", "{fromm}", "a {FROM}", "{{from}}"};
	struct buf out;

	buf_init(&out, 4096);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		cr_expect_eq(notice_words_put(&out, rows[i], &values),
		    ERR_USAGE, "%s", rows[i]);
	buf_clear(&out);
}

/* Every text of every language is there and says what it has to. */
Test(notice_words, every_language_says_who_until_when_and_how_to_tell)
{
	size_t n = 0;

	for (const struct notice_words *w; (w = notice_words_at(n)) != NULL;
	     n++) {
		const char *const texts[] = {w->subject, w->intro,
		    w->passphrase, w->question, w->account, w->code, w->alone,
		    w->until, w->check, w->attached, w->attached_check,
		    w->signature};
		struct buf out;

		cr_expect_eq(notice_words_find(w->language), w);
		for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
			cr_assert_not_null(texts[i], "%s", w->language);
			buf_init(&out, 4096);
			cr_expect_eq(notice_words_put(&out, texts[i], &values),
			    ERR_OK, "%s: %s", w->language, texts[i]);
			buf_clear(&out);
		}
		cr_expect_not_null(strstr(w->subject, "{from}"));
		cr_expect_not_null(strstr(w->intro, "{from}"));
		cr_expect_not_null(strstr(w->intro, "\n{link}\n"));
		cr_expect_not_null(strstr(w->until, "{until}"));
		cr_expect_not_null(strstr(w->check, "{url}/"));
		cr_expect_not_null(strstr(w->attached, "{from}"));
		cr_expect_not_null(strstr(w->attached, "message.html"));
		cr_expect_null(strstr(w->attached, "{link}"));
		cr_expect_not_null(strstr(w->signature, "{owner}"));
	}
	cr_expect_eq(n, 6);
	cr_expect_null(notice_words_find("pl"));
	cr_expect_null(notice_words_find(""));
}
