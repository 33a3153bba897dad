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
#include "gateway/cli/running.h"
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
	char age[CLI_SPAN_SIZE];

	cli_span((uint64_t)number(s, "oldest_s"), age);
	if (number(s, "ready") + number(s, "pending") == 0)
		puts("queue        empty");
	else
		printf("queue        %lld to deliver, %lld undecided; of these "
		       "%lld held, %lld waiting for the portal, %lld under "
		       "way; the oldest is there for %s\n",
		    number(s, "ready"), number(s, "pending"), number(s, "held"),
		    number(s, "waiting"), number(s, "under_way"), age);
	printf("new mail     %s, %lld MiB free\n", cli_member(s, "intake"),
	    number(s, "free_octets") / (1024 * 1024));
	if (json_object_get(s, "escrow_objects") != NULL) {
		char used[CLI_USAGE_SIZE];

		cli_escrow_usage(number(s, "escrow_objects"),
		    number(s, "escrow_octets"), number(s, "escrow_quota"),
		    number(s, "escrow_quota_objects"), used);
		printf("for pick-up  %s\n", used);
	}
	printf("audit log    record %lld, %lld since the last signature%s\n",
	    number(s, "audit_number"), number(s, "audit_unsigned"),
	    json_is_true(json_object_get(s, "audit_signs"))
		? ""
		: ", NO KEY TO SIGN WITH");
}

/* The verdict, and what to do, before all else. */
static void
put_troubles(const struct running *r)
{
	const struct troubles *t = &r->troubles;
	const char *name = cli_member(r->status, "hostname");

	printf("%s%s%s\n", name, name[0] == '\0' ? "" : ": ",
	    r->status == NULL && r->asked == ERR_NOT_FOUND ? "NOT RUNNING"
	    : t->n_bad > 0				   ? "NOT WELL"
	    : t->n > 0 ? "well, but look at this"
		       : "well");
	for (size_t i = 0; i < t->n; i++) {
		printf(
		    "%-5s ", t->list[i].level == TROUBLE_BAD ? "bad" : "warn");
		cli_put_text(span_str(t->list[i].text));
		printf("\n      -> %s\n", t->list[i].remedy);
	}
}

static void
put_all_json(const struct running *r)
{
	json_t *j = r->status == NULL ? json_object() : json_incref(r->status);

	json_object_set_new(j, "running", json_boolean(r->status != NULL));
	json_object_set_new(j, "well", json_boolean(r->troubles.n_bad == 0));
	json_object_set_new(j, "troubles", trouble_json(&r->troubles));
	json_object_set_new(
	    j, "store", r->store == NULL ? json_null() : json_incref(r->store));
	cli_put_json(j);
}

int
cli_status_show(struct cli *cli, int argc, char **argv)
{
	struct running r;
	int rc;

	(void)argv;
	if (argc != 1)
		return cli_usage(cli);
	running_look(cli, &r);
	if (cli->conf != NULL && cli->conf->portal_gateway.present) {
		running_clear(&r);
		cli_say("%s is of a portal in a DMZ, which answers nobody but "
			"its gateway: sealgate -f %s doctor looks at it",
		    cli->conf_path, cli->conf_path);
		return CLI_FAILED;
	}
	if (cli->json) {
		put_all_json(&r);
	} else {
		put_troubles(&r);
		put_processes(json_object_get(r.status, "processes"));
		if (r.store != NULL)
			put_store(r.store);
	}
	if (r.status == NULL && r.asked == ERR_NOT_FOUND)
		cli_say("the gateway is not running (%s)", r.control);
	else if (r.status == NULL)
		cli_say("no answer of the gateway at %s", r.control);
	rc = r.status == NULL	    ? CLI_FAILED
	     : r.troubles.n_bad > 0 ? CLI_NO
				    : CLI_DONE;
	running_clear(&r);
	return rc;
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
