/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What an answer to a sent-notice says: the word alone, in six languages and as
 * mail programs wrap it; what is unclear says nothing.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "gateway/conf.h"
#include "gateway/pickup_word.h"

static struct arena *arena;

static void
set_up(void)
{
	arena = arena_new(1024 * 1024);
}

static void
tear_down(void)
{
	arena_free(arena);
}

TestSuite(pickup_word, .init = set_up, .fini = tear_down);

enum { NONE, RECALL, EXTEND, REPORT };

struct row {
	const char *text;
	int word;
	const char *only; /* separated by blanks */
};

static void
check(const struct row *row, bool html)
{
	struct pickup_order o;
	char only[512] = "";
	enum err e =
	    html ? pickup_order_read_html(span_str(row->text), arena, &o)
		 : pickup_order_read(span_str(row->text), arena, &o);

	cr_expect_eq(e, ERR_OK, "%s", row->text);
	cr_expect_eq((int)o.word, row->word, "%s: %d", row->text, (int)o.word);
	for (uint32_t i = 0; e == ERR_OK && i < o.n_only; i++) {
		strncat(only, i == 0 ? "" : " ", 2);
		strncat(only, o.only[i], 100);
	}
	cr_expect_str_eq(
	    only, row->only == NULL ? "" : row->only, "%s", row->text);
}

Test(pickup_word, one_word_is_understood)
{
	static const struct row rows[] = {
	    {"recall\n", RECALL, NULL},
	    {"recall", RECALL, NULL},
	    {"\r\n\r\n  Recall. \r\n", RECALL, NULL},
	    {"*RECALL!*\n", RECALL, NULL},
	    {"\"extend\"\n", EXTEND, NULL},
	    {"\xef\xbb\xbfreport\n", REPORT, NULL},
	    {"report\xc2\xa0\n", REPORT, NULL},
	    {"zurückrufen\n", RECALL, NULL},
	    {"ZURÜCKRUFEN\n", RECALL, NULL},
	    {"Zurueckrufen\n", RECALL, NULL},
	    {"verlängern\n", EXTEND, NULL},
	    {"bericht\n", REPORT, NULL},
	    {"rappeler\n", RECALL, NULL},
	    {"prolonger\n", EXTEND, NULL},
	    {"Rapport\n", REPORT, NULL},
	    {"retirar\n", RECALL, NULL},
	    {"prorrogar\n", EXTEND, NULL},
	    {"informe\n", REPORT, NULL},
	    {"richiamare\n", RECALL, NULL},
	    {"prolungare\n", EXTEND, NULL},
	    {"rapporto\n", REPORT, NULL},
	    {"intrekken\n", RECALL, NULL},
	    {"verlengen\n", EXTEND, NULL},
	    {"recall\n\nBest regards\nAlice\n+49 30 1234\n", RECALL, NULL},
	    {"recall\n-- \nextend\n", RECALL, NULL},
	    {"recall\n\n> extend\n>> report\n", RECALL, NULL},
	    {"> report\n\nrecall\n", RECALL, NULL},
	    {"recall\n-----Original Message-----\nextend\n", RECALL, NULL},
	    {"recall\n________________________________\nextend\n", RECALL,
		NULL},
	    {"recall\n\nOn Monday the gateway wrote:\n    recall   nobody can "
	     "open it any more\n    extend   it can be opened for longer\n",
		RECALL, NULL},
	    {"recall\nRecall.\n", RECALL, NULL},
	    {"recall Bob@Example.NET\n", RECALL, "bob@example.net"},
	    {"recall, bob@example.net, <eve@example.net>;\n", RECALL,
		"bob@example.net eve@example.net"},
	    {"recall,bob@example.net\n", RECALL, "bob@example.net"},
	    {"report: (bob@example.net)\n", REPORT, "bob@example.net"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check(&rows[i], false);
}

Test(pickup_word, what_is_unclear_says_nothing)
{
	static const struct row rows[] = {
	    {"", NONE, NULL},
	    {"\n\n\n", NONE, NULL},
	    {"recal\n", NONE, NULL},
	    {"recalled\n", NONE, NULL},
	    {"recall it\n", NONE, NULL},
	    {"please recall\n", NONE, NULL},
	    {"do not recall\n", NONE, NULL},
	    {"recall or extend?\n", NONE, NULL},
	    {"recall extend\n", NONE, NULL},
	    {"recall\nextend\n", NONE, NULL},
	    {"recall bob@example.net\nrecall eve@example.net\n", NONE, NULL},
	    {"recall bob@example.net\nrecall\n", NONE, NULL},
	    {"recall bob\n", NONE, NULL},
	    {"recall @\n", NONE, NULL},
	    {"recall bob@example.net now\n", NONE, NULL},
	    {"Hello,\nrecall\n", NONE, NULL},
	    {"-- \nrecall\n", NONE, NULL},
	    {"> recall\n", NONE, NULL},
	    {"-----Original Message-----\nrecall\n", NONE, NULL},
	    {"  recall   nobody can open it any more\n", NONE, NULL},
	    {"re\xc3\n", NONE, NULL},
	    {"\xc3\x9c\n", NONE, NULL},
	    {"recall\xe2\x80\xa6\n", NONE, NULL},
	    {"recallrecallrecallrecallrecallrecallrecallrecall\n", NONE, NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check(&rows[i], false);
}

Test(pickup_word, html_is_read_as_far_as_its_first_line)
{
	static const struct row rows[] = {
	    {"<html><head><style>p{}</style></head><body><div dir=\"ltr\">"
	     "Recall</div><br><div class=\"gmail_quote\">extend<br></div>",
		RECALL, NULL},
	    {"<p>report</p><p>recall</p>", REPORT, NULL},
	    {"extend<br>\n", EXTEND, NULL},
	    {"recall", RECALL, NULL},
	    {"<div>recall bob@example.net</div>", RECALL, "bob@example.net"},
	    {"<div>please</div><div>recall</div>", NONE, NULL},
	    {"<!-- recall -->hello<br>", NONE, NULL},
	    {"", NONE, NULL},
	    {"<br><br><br>", NONE, NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check(&rows[i], true);
}

Test(pickup_word, every_language_has_every_word)
{
	static const char *const languages[] = {
	    "en", "de", "fr", "es", "it", "nl"};

	for (size_t i = 0; i < sizeof(languages) / sizeof(languages[0]); i++)
		for (int w = RECALL; w <= REPORT; w++) {
			const char *text =
			    pickup_word_in((enum pickup_word)w, languages[i]);
			const struct row row = {text, w, NULL};

			cr_assert(text != NULL, "%s %d", languages[i], w);
			check(&row, false);
		}
	cr_expect_null(pickup_word_in(PICKUP_WORD_RECALL, "xx"));
	cr_expect_str_eq(pickup_word_name(PICKUP_WORD_NONE), "?");
}

Test(pickup_word, an_address_is_read_as_it_was_made)
{
	static const uint8_t mac[PICKUP_WORD_MAC] = {1, 2, 0xff};
	static const char *const bad[] = {"", "@", "gw.example.com",
	    "pickup-@gw.example.com", "postmaster@gw.example.com",
	    "pickup-0123456789abcdef@gw.example.com",
	    "pickup-000000000000000701000000000000000000000000000000x"
	    "@gw.example.com",
	    "pickup-00000000000000070102ff0000000000000000000000000000"
	    "@gw.example.com",
	    "xickup-00000000000000070102ff00000000000000000000000000"
	    "@gw.example.com",
	    "pickup-00000000000000070102ff00000000000000000000000000"
	    "@example.com"};
	struct conf conf = {.hostname = "gw.example.com"};
	uint8_t got[PICKUP_WORD_MAC];
	uint64_t id = 0;
	const char *addr = pickup_reply_address(&conf, 7, mac, arena);

	cr_assert_str_eq(addr,
	    "pickup-00000000000000070102ff00000000000000000000000000"
	    "@gw.example.com");
	cr_assert(pickup_reply_read(&conf, addr, &id, got));
	cr_expect_eq(id, 7);
	cr_expect_arr_eq(got, mac, sizeof(mac));
	cr_expect(pickup_reply_is(&conf,
	    "PICKUP-00000000000000070102FF00000000000000000000000000"
	    "@GW.example.com"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_not(pickup_reply_is(&conf, bad[i]), "%s", bad[i]);
}

Test(pickup_word, another_message_or_sender_has_another_digest)
{
	uint8_t a[DIGEST_SIZE], b[DIGEST_SIZE];

	pickup_reply_digest(1, "a@example.org", a);
	pickup_reply_digest(1, "a@example.org", b);
	cr_expect_arr_eq(a, b, sizeof(a));
	pickup_reply_digest(2, "a@example.org", b);
	cr_expect_arr_neq(a, b, sizeof(a));
	pickup_reply_digest(1, "b@example.org", b);
	cr_expect_arr_neq(a, b, sizeof(a));
}
