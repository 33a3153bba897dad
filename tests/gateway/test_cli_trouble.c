/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include "gateway/cli/trouble.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "gateway/conf.h"

enum { NOW = 1800000000 };

#define PROCESS(state, restarts, up)                                           \
	"{\"process\":\"relay\",\"index\":0,\"state\":\"" state                \
	"\",\"restarts\":" restarts ",\"up_s\":" up "}"
#define STATUS(process, more)                                                  \
	"{\"config\":\"aa\",\"processes\":[" process "]" more "}"
#define WELL_PROCESS PROCESS("ready", "0", "9000")
#define STORE(intake, space, held, oldest, signs, unsigned_)                   \
	"{\"intake\":\"" intake "\",\"free_octets\":" space ",\"held\":" held  \
	",\"oldest_s\":" oldest ",\"audit_signs\":" signs                      \
	",\"audit_unsigned\":" unsigned_ ",\"waiting\":2}"
#define WELL_STORE STORE("open", "100000000000", "0", "10", "true", "7")

static struct troubles
find(const char *status, const char *store, const char *digest, enum err asked)
{
	struct trouble_facts f = {
	    .asked = asked, .digest = digest, .reserve = 1 << 30, .now_s = NOW};
	json_t *a = status == NULL ? NULL : json_loads(status, 0, NULL);
	json_t *b = store == NULL ? NULL : json_loads(store, 0, NULL);
	struct troubles t;

	cr_assert(status == NULL || a != NULL, "%s", status);
	cr_assert(store == NULL || b != NULL, "%s", store);
	f.status = a;
	f.store = b;
	trouble_find(&f, &t);
	json_decref(a);
	json_decref(b);
	return t;
}

Test(cli_trouble, each_is_told_with_what_to_do)
{
	static const struct {
		const char *status, *store, *digest;
		enum err asked;
		enum trouble_level level;
		const char *text, *remedy;
	} rows[] = {
	    {NULL, NULL, NULL, ERR_NOT_FOUND, TROUBLE_BAD, "not running",
		"systemctl start"},
	    {NULL, NULL, NULL, ERR_CLOSED, TROUBLE_BAD, "this user", "root"},
	    {NULL, NULL, NULL, ERR_AGAIN, TROUBLE_BAD, "does not answer",
		"restart"},
	    {STATUS(PROCESS("down", "7", "0"), ""), WELL_STORE, "aa", ERR_OK,
		TROUBLE_BAD, "process relay 0 is down, started anew 7 times",
		"relay\\[0\\]"},
	    {STATUS(PROCESS("ready", "3", "10"), ""), WELL_STORE, "aa", ERR_OK,
		TROUBLE_WARN, "ends again and again", "event=ended"},
	    {STATUS(WELL_PROCESS, ""), NULL, "aa", ERR_OK, TROUBLE_BAD,
		"store does not answer", "store\\["},
	    {STATUS(WELL_PROCESS,
		 ",\"certificates\":[{\"path\":\"/c\",\"end\":1799999999}]"),
		WELL_STORE, "aa", ERR_OK, TROUBLE_BAD, "/c is over", "reload"},
	    {STATUS(WELL_PROCESS,
		 ",\"certificates\":[{\"path\":\"/c\",\"end\":1800200000}]"),
		WELL_STORE, "aa", ERR_OK, TROUBLE_WARN, "/c ends in 2 days",
		"reload"},
	    {STATUS(WELL_PROCESS, ""), WELL_STORE, "bb", ERR_OK, TROUBLE_WARN,
		"not in use yet", "sealgate reload"},
	    {STATUS(WELL_PROCESS, ""),
		STORE("the disk is full", "1048576", "0", "10", "true", "7"),
		"aa", ERR_OK, TROUBLE_BAD,
		"refused: the disk is full, 1 MiB free", "df -h"},
	    {STATUS(WELL_PROCESS, ""),
		STORE("open", "2147483648", "0", "10", "true", "7"), "aa",
		ERR_OK, TROUBLE_WARN, "refused below 1024", "room"},
	    {STATUS(WELL_PROCESS, ""),
		STORE("open", "100000000000", "1", "10", "true", "7"), "aa",
		ERR_OK, TROUBLE_WARN, "1 entry waits", "--state held"},
	    {STATUS(WELL_PROCESS, ""),
		STORE("open", "100000000000", "0", "14401", "true", "7"), "aa",
		ERR_OK, TROUBLE_WARN, "4h", "--older 4h"},
	    {STATUS(WELL_PROCESS, ""),
		STORE("open", "100000000000", "0", "10", "false", "7"), "aa",
		ERR_OK, TROUBLE_WARN, "no key to sign", "event=audit"},
	    {STATUS(WELL_PROCESS, ""),
		STORE("open", "100000000000", "0", "10", "true", "5001"), "aa",
		ERR_OK, TROUBLE_WARN, "5001 records", "event=audit"},
	    {STATUS(WELL_PROCESS, ""),
		"{\"intake\":\"open\",\"free_octets\":100000000000,"
		"\"audit_signs\":true,\"dmz_up\":false,\"dmz_skew_s\":0,"
		"\"dmz_why\":\"Connection refused\"}",
		"aa", ERR_OK, TROUBLE_BAD, "DMZ: Connection refused",
		"fingerprint"},
	    {STATUS(WELL_PROCESS, ""),
		"{\"intake\":\"open\",\"free_octets\":100000000000,"
		"\"audit_signs\":true,\"dmz_up\":true,\"dmz_skew_s\":0,"
		"\"dmz_why\":\"not enough disk space\"}",
		"aa", ERR_OK, TROUBLE_BAD, "takes no message: not enough",
		"df -h"},
	    {STATUS(WELL_PROCESS, ""),
		"{\"intake\":\"open\",\"free_octets\":100000000000,"
		"\"audit_signs\":true,\"dmz_up\":true,\"dmz_skew_s\":61,"
		"\"dmz_why\":\"\"}",
		"aa", ERR_OK, TROUBLE_WARN, "differs by 61", "clocks"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct troubles t = find(rows[i].status, rows[i].store,
		    rows[i].digest, rows[i].asked);

		cr_assert_geq(t.n, 1, "row %zu", i);
		cr_expect_eq(t.list[0].level, rows[i].level, "row %zu", i);
		cr_expect(strstr(t.list[0].text, rows[i].text) != NULL,
		    "row %zu: %s", i, t.list[0].text);
		cr_expect(strstr(t.list[0].remedy, rows[i].remedy) != NULL,
		    "row %zu: %s", i, t.list[0].remedy);
		cr_expect_eq(
		    t.n_bad, rows[i].level == TROUBLE_BAD, "row %zu", i);
	}
}

Test(cli_trouble, a_gateway_that_is_well_has_none)
{
	struct troubles t =
	    find(STATUS(WELL_PROCESS, ""), WELL_STORE, "aa", ERR_OK);

	cr_expect_eq(t.n, 0, "%s", t.n > 0 ? t.list[0].text : "");
	/* restarts of long ago, and a file that is not looked at */
	t = find(STATUS(PROCESS("ready", "9", "90000"), ""), WELL_STORE, NULL,
	    ERR_OK);
	cr_expect_eq(t.n, 0, "%s", t.n > 0 ? t.list[0].text : "");
}

Test(cli_trouble, why_it_cannot_start_comes_first)
{
	struct trouble_facts f = {.asked = ERR_NOT_FOUND};
	struct conf_findings found;
	struct troubles t;
	struct conf *c = NULL;
	json_t *j;

	conf_findings_init(&found);
	cr_assert_eq(conf_parse(SPAN_LIT("hostname = \"a.example\"\nx = 1\n"),
			 "/etc/f", &found, &c),
	    ERR_CONFIG);
	f.findings = &found;
	trouble_find(&f, &t);
	cr_assert_geq(t.n, 2);
	cr_expect(t.list[0].of_file);
	cr_expect(strstr(t.list[0].text, "/etc/f:") != NULL);
	cr_expect(strstr(t.list[t.n - 1].text, "not running") != NULL);
	cr_expect_not(t.list[t.n - 1].of_file);
	/* while it runs the file is no more than something to look at */
	f.status = j = json_loads(STATUS(WELL_PROCESS, ""), 0, NULL);
	trouble_find(&f, &t);
	cr_expect_eq(t.n_bad, 1, "store");
	cr_expect(strstr(t.list[1].remedy, "not in use yet") != NULL);
	json_decref(j);
	conf_findings_clear(&found);
}

Test(cli_trouble, the_worst_are_told_however_many_there_are)
{
	struct trouble_facts f = {.now_s = NOW};
	json_t *list = json_array(), *certs = json_array();
	json_t *status =
	    json_pack("{s:o, s:o}", "processes", list, "certificates", certs);
	struct troubles t;
	json_t *j;

	for (int i = 0; i < 40; i++)
		json_array_append_new(
		    list, json_pack("{s:s,s:i,s:s,s:i,s:i}", "process",
			      "worker", "index", i, "state", "ready",
			      "restarts", 5, "up_s", 1));
	json_array_append_new(
	    certs, json_pack("{s:s,s:i}", "path", "/over", "end", 1));
	f.status = status;
	trouble_find(&f, &t);
	cr_expect_eq(t.n, TROUBLES_MAX);
	cr_expect_eq(t.n_bad, 2);
	cr_expect(strstr(t.list[0].text, "/over") != NULL);
	cr_expect(strstr(t.list[1].text, "store") != NULL);
	for (size_t i = 2; i < t.n; i++)
		cr_expect_eq(t.list[i].level, TROUBLE_WARN);
	j = trouble_json(&t);
	cr_expect_eq(json_array_size(j), TROUBLES_MAX);
	json_decref(j);
	json_decref(status);
}
