/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate domain list|show --tls` and `domain check`: what the mail servers
 * of domains had, and a look at what they have now.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "gateway/cli/ask.h"
#include "gateway/cli/cli.h"
#include "mime/addr.h"

enum { MEMORY = 64 * 1024 };

static bool
wants_tls(int argc, char **argv)
{
	return argc > 1 && strcmp(argv[1], "--tls") == 0;
}

static void
put_row(const json_t *j)
{
	bool dropped = json_is_true(json_object_get(j, "dropped"));
	const char *why = cli_member(j, "why");

	printf("%-32s %-13s %-8s %s%s%s%s%s\n", cli_member(j, "domain"),
	    cli_member(j, "level"), cli_member(j, "by"), cli_member(j, "seen"),
	    dropped ? ", HAD " : "", dropped ? cli_member(j, "best") : "",
	    why[0] == '\0' ? "" : ": ", why);
}

static void
put_whole(const json_t *j)
{
	static const char *const members[] = {"domain", "level", "by", "seen",
	    "peer", "tls", "why", "failed", "failed-why", "best", "best-by",
	    "best-seen", "policy", "policy-id"};

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (cli_member(j, members[i])[0] != '\0')
			printf("%-12s %s\n", members[i],
			    cli_member(j, members[i]));
	for (size_t i = 0; i < json_array_size(json_object_get(j, "policy-mx"));
	     i++)
		printf("%-12s %s\n", "policy-mx",
		    json_string_value(
			json_array_get(json_object_get(j, "policy-mx"), i)));
	if (json_is_true(json_object_get(j, "dropped")))
		puts("It has less than it had: no rung tls holds.");
}

/* Page by page, as store hands them out. */
static int
list_tls(struct cli *cli)
{
	json_t *all = json_array(), *answer, *page;
	char after[512] = "";
	int rc = CLI_DONE;

	for (bool more = true; rc == CLI_DONE && more;) {
		answer = NULL;
		rc = cli_ask(cli,
		    json_pack(
			"{s:s, s:s}", "verb", "domain-list", "after", after),
		    &answer, NULL);
		page = json_object_get(answer, "domains");
		more = json_is_true(json_object_get(answer, "more")) &&
		       json_array_size(page) > 0;
		if (json_array_size(page) > 0)
			snprintf(after, sizeof(after), "%s",
			    cli_member(
				json_array_get(page, json_array_size(page) - 1),
				"domain"));
		json_array_extend(all, page);
		json_decref(answer);
	}
	if (rc == CLI_DONE && cli->json)
		cli_put_json(json_incref(all));
	for (size_t i = 0;
	     rc == CLI_DONE && !cli->json && i < json_array_size(all); i++)
		put_row(json_array_get(all, i));
	json_decref(all);
	return rc;
}

/* The domain as it is kept; NULL, which is said. */
static const char *
read_domain(const char *text, struct arena *arena)
{
	const char *domain;
	struct err_why why = {""};

	if (mime_domain_parse(span_str(text), arena, &domain, &why) == ERR_OK)
		return domain;
	cli_say("%s: %s", text, why.text);
	return NULL;
}

static int
ask_one(struct cli *cli, const char *verb, const char *text, json_t **out)
{
	struct arena *arena = arena_new(MEMORY);
	const char *domain = read_domain(text, arena);
	int rc = CLI_USAGE;

	if (domain != NULL)
		rc = cli_ask(cli,
		    json_pack("{s:s, s:s}", "verb", verb, "domain", domain),
		    out, NULL);
	arena_free(arena);
	return rc;
}

int
cli_domain_list(struct cli *cli, int argc, char **argv)
{
	if (!wants_tls(argc, argv))
		return cli_setting_list(cli, argc, argv);
	return argc == 2 ? list_tls(cli) : cli_usage(cli);
}

int
cli_domain_show(struct cli *cli, int argc, char **argv)
{
	json_t *answer = NULL;
	int rc;

	if (!wants_tls(argc, argv))
		return cli_setting_show(cli, argc, argv);
	if (argc != 3)
		return cli_usage(cli);
	rc = ask_one(cli, "domain-show", argv[2], &answer);
	if (rc == CLI_DONE && cli->json)
		cli_put_json(json_incref(json_object_get(answer, "row")));
	else if (rc == CLI_DONE)
		put_whole(json_object_get(answer, "row"));
	json_decref(answer);
	return rc;
}

int
cli_domain_check(struct cli *cli, int argc, char **argv)
{
	int worst = CLI_DONE, rc;

	if (argc < 2 || argv[1][0] == '-')
		return cli_usage(cli);
	for (int i = 1; i < argc; i++) {
		json_t *j = NULL;

		rc = ask_one(cli, "domain-check", argv[i], &j);
		if (rc == CLI_DONE && cli->json)
			cli_put_json(json_incref(j));
		else if (rc == CLI_DONE)
			put_whole(j);
		if (rc == CLI_DONE &&
		    !json_is_true(json_object_get(j, "definite")))
			rc = CLI_FAILED;
		else if (rc == CLI_DONE &&
			 strcmp(cli_member(j, "level"), "authenticated") != 0)
			rc = CLI_NO;
		worst = rc > worst ? rc : worst;
		json_decref(j);
	}
	return worst;
}
