/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate status`, `reload` and `check`: how the gateway is, and its
 * configuration.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "gateway/cli/ask.h"
#include "gateway/conf.h"
#include "gateway/proof.h"

static long long
number(const json_t *j, const char *name)
{
	return (long long)json_integer_value(json_object_get(j, name));
}

/* --- status --- */

static void
put_processes(const json_t *list)
{
	char up[CLI_SPAN_SIZE];

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *p = json_array_get(list, i);

		cli_span((uint64_t)number(p, "up_s"), up);
		printf("%-12s %-3lld %-9s pid %-8lld up %-8s restarts %lld\n",
		    cli_member(p, "process"), number(p, "index"),
		    cli_member(p, "state"), number(p, "pid"), up,
		    number(p, "restarts"));
	}
}

static void
put_store(const json_t *s)
{
	printf(
	    "queue        %lld to deliver, %lld undecided; of these %lld held, "
	    "%lld waiting for the portal, %lld under way\n",
	    number(s, "ready"), number(s, "pending"), number(s, "held"),
	    number(s, "waiting"), number(s, "under_way"));
	printf("new mail     %s, %lld MiB free\n", cli_member(s, "intake"),
	    number(s, "free_octets") / (1024 * 1024));
	printf("audit log    record %lld, %lld since the last signature%s\n",
	    number(s, "audit_number"), number(s, "audit_unsigned"),
	    json_is_true(json_object_get(s, "audit_signs"))
		? ""
		: ", NO KEY TO SIGN WITH");
}

/* All processes up and mail taken: otherwise the answer is no. */
static bool
is_well(const json_t *status, const json_t *store)
{
	const json_t *list = json_object_get(status, "processes");

	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(cli_member(json_array_get(list, i), "state"),
			"ready") != 0)
			return false;
	return strcmp(cli_member(store, "intake"), "open") == 0;
}

int
cli_status_show(struct cli *cli, int argc, char **argv)
{
	json_t *status = NULL, *store = NULL;
	bool well;
	int rc;

	(void)argv;
	if (argc != 1)
		return cli_usage(cli);
	rc = cli_ask(cli, json_pack("{s:s}", "verb", "status"), &status, NULL);
	if (rc != CLI_DONE)
		return rc;
	rc = cli_ask(
	    cli, json_pack("{s:s}", "verb", "store-status"), &store, NULL);
	well = rc == CLI_DONE && is_well(status, store);
	if (cli->json) {
		json_object_set_new(status, "well", json_boolean(well));
		json_object_set(status, "store", store);
		cli_put_json(json_incref(status));
	} else {
		printf("%s\n", cli_member(status, "hostname"));
		put_processes(json_object_get(status, "processes"));
		if (store != NULL)
			put_store(store);
	}
	json_decref(status);
	json_decref(store);
	return rc != CLI_DONE ? rc : well ? CLI_DONE : CLI_NO;
}

/* --- configuration --- */

static void
put_findings(const json_t *answer)
{
	const json_t *list = json_object_get(answer, "findings");

	for (size_t i = 0; i < json_array_size(list); i++)
		fprintf(
		    stderr, "%s\n", json_string_value(json_array_get(list, i)));
}

int
cli_reload(struct cli *cli, int argc, char **argv)
{
	json_t *answer = NULL, *bad = NULL;
	int rc;

	(void)argv;
	if (argc != 1)
		return cli_usage(cli);
	rc = cli_ask(cli, json_pack("{s:s}", "verb", "reload"), &answer, &bad);
	if (rc != CLI_DONE && bad == NULL)
		return rc;
	if (cli->json) {
		cli_put_json(json_incref(bad == NULL ? answer : bad));
	} else {
		put_findings(bad == NULL ? answer : bad);
		puts(bad == NULL ? "The new configuration is in use."
				 : "The old configuration stays in use.");
	}
	json_decref(answer);
	json_decref(bad);
	return bad == NULL ? CLI_DONE : CLI_NO;
}

int
cli_check(struct cli *cli, int argc, char **argv)
{
	struct conf_findings f;
	struct conf *conf = NULL;
	char line[2048];
	json_t *list = json_array();
	size_t tests = 0;
	enum err e;

	(void)argv;
	if (argc != 1) {
		json_decref(list);
		return cli_usage(cli);
	}
	conf_findings_init(&f);
	e = conf_load(cli->conf_path, &f, &conf);
	if (e == ERR_OK) {
		proof_run_tests(conf, &f, &tests);
		e = f.n_errors == 0 ? ERR_OK : ERR_CONFIG;
	}
	for (size_t i = 0; i < f.n; i++)
		json_array_append_new(list,
		    json_string(conf_finding_text(&f, i, line, sizeof(line))));
	if (cli->json) {
		cli_put_json(json_pack("{s:b, s:O, s:i, s:o*}", "ok",
		    e == ERR_OK, "findings", list, "tests", (int)tests, "paths",
		    conf == NULL ? NULL : proof_json(conf)));
	} else {
		for (size_t i = 0; i < json_array_size(list); i++)
			puts(json_string_value(json_array_get(list, i)));
		if (conf != NULL)
			proof_print(conf, stdout);
		if (e == ERR_OK)
			printf("%s: good, %zu tests passed\n", cli->conf_path,
			    tests);
	}
	json_decref(list);
	conf_findings_clear(&f);
	conf_free(conf);
	return e == ERR_OK ? CLI_DONE : e == ERR_CONFIG ? CLI_NO : CLI_FAILED;
}
