/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include "gateway/control/scrape.h"

#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "gateway/control/exposition.h"

#include <jansson.h>

#define END "\r\n\r\n"

Test(control_scrape, a_request_is_what_it_says)
{
	static const struct {
		const char *text;
		enum scrape_kind want;
	} rows[] = {
	    {"GET /metrics HTTP/1.1" END, SCRAPE_METRICS},
	    {"GET /metrics HTTP/1.0\r\nHost: x\r\nAccept: */*" END,
		SCRAPE_METRICS},
	    {"HEAD /metrics HTTP/1.1" END, SCRAPE_METRICS},
	    {"GET /metrics?a=b HTTP/1.1" END, SCRAPE_METRICS},
	    {"GET /healthz HTTP/1.1" END, SCRAPE_HEALTH},
	    {"GET /readyz HTTP/1.1" END, SCRAPE_READY},
	    {"GET / HTTP/1.1" END, SCRAPE_NOTHING},
	    {"GET /metrics/ HTTP/1.1" END, SCRAPE_NOTHING},
	    {"GET /Metrics HTTP/1.1" END, SCRAPE_NOTHING},
	    {"GET /metricsx HTTP/1.1" END, SCRAPE_NOTHING},
	    {"GET /%6detrics HTTP/1.1" END, SCRAPE_NOTHING},
	    {"GET  HTTP/1.1" END, SCRAPE_NOTHING},
	    {"POST /metrics HTTP/1.1" END, SCRAPE_METHOD},
	    {"get /metrics HTTP/1.1" END, SCRAPE_METHOD},
	    {" /metrics HTTP/1.1" END, SCRAPE_METHOD},
	    {"", SCRAPE_MORE},
	    {"GET /metrics HTTP/1.1", SCRAPE_MORE},
	    {"GET /metrics HTTP/1.1\r\n", SCRAPE_MORE},
	    {"GET /metrics HTTP/1.1\n\n", SCRAPE_MORE},
	    {END, SCRAPE_BAD},
	    {"GET" END, SCRAPE_BAD},
	    {"GET /metrics" END, SCRAPE_BAD},
	    {"GET /metrics HTTP/2" END, SCRAPE_BAD},
	    {"GET /metrics HTTP/1.1 " END, SCRAPE_BAD},
	    {"GET /metrics x HTTP/1.1" END, SCRAPE_BAD},
	    {"\x16\x03\x01" END, SCRAPE_BAD},
	    {"EHLO x\r\nMAIL FROM:<>" END, SCRAPE_BAD},
	};
	char big[9000];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(scrape_parse(span_str(rows[i].text)), rows[i].want,
		    "row %zu", i);
	memset(big, 'a', sizeof(big));
	cr_expect_eq(scrape_parse(SPAN(big, sizeof(big))), SCRAPE_BAD);
	cr_expect_eq(scrape_parse(SPAN(big, 100)), SCRAPE_MORE);
	cr_expect_eq(scrape_parse(SPAN_LIT("GET \0 HTTP/1.1" END)), SCRAPE_BAD);
}

static json_t *
status(const char *state)
{
	return json_pack("{s:[{s:s,s:i,s:s,s:i}], s:[{s:s,s:I},{s:s,s:I}]}",
	    "processes", "process", "relay", "index", 0, "state", state,
	    "restarts", 3, "certificates", "path", "/a\"b\\c", "end",
	    (json_int_t)1800000000, "path", "/a\"b\\c", "end",
	    (json_int_t)1800000000);
}

Test(control_scrape, what_is_told_is_well_formed)
{
	json_t *up = status("ready"),
	       *store = json_pack("{s:s}", "text", "sealgate_x 1\n"),
	       *lookups = json_pack("{s:s}", "text", "sealgate_y 1\n");
	struct buf b;
	const char *text;

	buf_init(&b, 65536);
	cr_assert_eq(control_expose(up, store, lookups, &b), ERR_OK);
	text = buf_cstr(&b);
	cr_expect(strstr(text, "sealgate_process_up{process=\"relay\",index="
			       "\"0\"} 1\n") != NULL);
	cr_expect(strstr(text, "restarts_total{process=\"relay\",index=\"0\"} "
			       "3\n") != NULL);
	cr_expect(strstr(text, "{path=\"/a\\\"b\\\\c\"} 1800000000\n") != NULL);
	cr_expect_null(strstr(strstr(text, "1800000000") + 1, "1800000000"),
	    "one line for a file that is named twice");
	cr_expect(strstr(text, "store_answers 1\nsealgate_x 1\n") != NULL);
	cr_expect(strstr(text, "discovery_answers 1\nsealgate_y 1\n") != NULL);
	buf_reset(&b);
	cr_assert_eq(control_expose(up, NULL, NULL, &b), ERR_OK);
	cr_expect(strstr(buf_cstr(&b), "store_answers 0\n") != NULL);
	cr_expect(strstr(buf_cstr(&b), "discovery_answers 0\n") != NULL);
	buf_clear(&b);
	json_decref(up);
	json_decref(store);
	json_decref(lookups);
}

Test(control_scrape, ready_is_who_can_take_mail)
{
	json_t *up = status("ready"), *down = status("down"),
	       *open = json_pack("{s:s}", "intake", "open"),
	       *full = json_pack("{s:s}", "intake", "disk full"),
	       *none = json_object();
	const struct {
		json_t *status, *store;
		const char *why;
	} rows[] = {
	    {up, open, NULL},
	    {down, open, "relay 0 is down\n"},
	    {up, full, "new mail is not taken: disk full\n"},
	    {up, NULL, "new mail is not taken: store does not answer\n"},
	    {none, open, ""},
	};
	struct buf b;

	buf_init(&b, 65536);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_reset(&b);
		cr_expect_eq(
		    control_is_ready(rows[i].status, rows[i].store, &b),
		    rows[i].why == NULL, "row %zu", i);
		cr_expect_str_eq(buf_cstr(&b),
		    rows[i].why == NULL ? "" : rows[i].why, "row %zu", i);
	}
	buf_clear(&b);
	json_decref(up);
	json_decref(down);
	json_decref(open);
	json_decref(full);
	json_decref(none);
}
