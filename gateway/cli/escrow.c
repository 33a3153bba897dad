/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate escrow`: what waits for pick-up, for whom and until when, and an
 * administrator's word on it. Who opened it is in the audit log; what is in it
 * nobody here can know.
 */
#include <getopt.h>
#include <jansson.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <string.h>

#include "gateway/cli/ask.h"
#include "gateway/cli/queue_private.h"

/* --- looking --- */

static long long
number(const json_t *o, const char *name)
{
	return (long long)json_integer_value(json_object_get(o, name));
}

static void
put_line(const char *name, const char *text)
{
	if (text[0] == '\0')
		return;
	printf("  %-10s ", name);
	cli_put_text(span_str(text));
	putchar('\n');
}

static void
put_object(const json_t *o)
{
	printf("%s\n", cli_member(o, "object"));
	put_line("message", cli_member(o, "id"));
	put_line("state", cli_member(o, "state"));
	put_line("from", cli_member(o, "from"));
	put_line("to", cli_member(o, "rcpt"));
	put_line("factor", cli_member(o, "factor"));
	put_line("door", cli_member(o, "door"));
	printf("  %-10s %lld octets\n", "size", number(o, "size"));
	put_line("created", cli_member(o, "created"));
	put_line("expires", cli_member(o, "expires"));
	printf("  %-10s %lld times\n", "opened", number(o, "views"));
	put_line("first", cli_member(o, "first"));
	put_line("last", cli_member(o, "last"));
	put_line("from", cli_member(o, "client"));
}

static const struct {
	const char *name;
	const char *member;
	int flags;
} columns[] = {
    {"OBJECT", "object", 0},
    {"STATE", "state", 0},
    {"FROM", "from", SCOLS_FL_TRUNC},
    {"TO", "rcpt", SCOLS_FL_TRUNC},
    {"FACTOR", "factor", 0},
    {"EXPIRES", "expires", SCOLS_FL_TRUNC},
};

enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

static void
put_table(const json_t *all)
{
	struct libscols_table *t = scols_new_table();
	int rc = t == NULL;

	for (size_t i = 0; rc == 0 && i < COLUMNS; i++)
		rc = scols_table_new_column(
			 t, columns[i].name, 0, columns[i].flags) == NULL;
	for (size_t i = 0; rc == 0 && i < json_array_size(all); i++) {
		struct libscols_line *line = scols_table_new_line(t, NULL);

		rc = line == NULL;
		for (size_t k = 0; rc == 0 && k < COLUMNS; k++)
			rc = scols_line_set_data(line, k,
			    cli_member(
				json_array_get(all, i), columns[k].member));
	}
	if (rc != 0)
		fatal("out of memory");
	scols_print_table(t);
	scols_unref_table(t);
}

void
cli_escrow_usage(long long objects, long long octets, long long quota,
    long long quota_objects, char out[CLI_USAGE_SIZE])
{
	size_t len;

	snprintf(out, CLI_USAGE_SIZE, "%lld", objects);
	len = strlen(out);
	if (quota_objects > 0)
		snprintf(
		    out + len, CLI_USAGE_SIZE - len, " of %lld", quota_objects);
	len = strlen(out);
	snprintf(out + len, CLI_USAGE_SIZE - len, " messages, %lld", octets);
	len = strlen(out);
	if (quota > 0)
		snprintf(out + len, CLI_USAGE_SIZE - len, " of %lld", quota);
	len = strlen(out);
	snprintf(out + len, CLI_USAGE_SIZE - len, " octets");
}

static void
put_usage(const json_t *usage)
{
	char used[CLI_USAGE_SIZE];

	cli_escrow_usage(number(usage, "objects"), number(usage, "octets"),
	    number(usage, "quota"), number(usage, "quota_objects"), used);
	printf("%s\n", used);
}

/* All of them, page by page, and how much that is. */
static int
read_all(struct cli *cli, json_t *all, json_t **usage)
{
	char after[64] = "";
	bool more = true;
	int status = CLI_DONE;

	while (more && status == CLI_DONE) {
		json_t *answer = NULL, *page;
		size_t n;

		status = cli_ask(cli,
		    json_pack(
			"{s:s, s:s}", "verb", "escrow-list", "after", after),
		    &answer, NULL);
		if (status != CLI_DONE)
			break;
		page = json_object_get(answer, "objects");
		n = json_array_size(page);
		more = n > 0 && json_is_true(json_object_get(answer, "more"));
		if (n > 0)
			snprintf(after, sizeof(after), "%s",
			    cli_member(json_array_get(page, n - 1), "object"));
		json_array_extend(all, page);
		json_decref(*usage);
		*usage = json_incref(json_object_get(answer, "usage"));
		json_decref(answer);
	}
	return status;
}

int
cli_escrow_list(struct cli *cli, int argc, char **argv)
{
	json_t *all, *usage = NULL;
	int status;

	(void)argv;
	if (argc != 1)
		return cli_usage(cli);
	all = json_array();
	status = read_all(cli, all, &usage);
	if (status == CLI_DONE && cli->json)
		cli_put_json(json_incref(all));
	else if (status == CLI_DONE && json_array_size(all) > 0)
		put_table(all);
	else if (status == CLI_DONE)
		puts("Nothing waits for pick-up.");
	if (status == CLI_DONE && !cli->json && json_array_size(all) > 0)
		put_usage(usage);
	json_decref(usage);
	json_decref(all);
	return status;
}

int
cli_escrow_show(struct cli *cli, int argc, char **argv)
{
	json_t *answer = NULL, *all;
	int status;

	if (argc != 2)
		return cli_usage(cli);
	status = cli_ask(cli,
	    json_pack("{s:s, s:s}", "verb", "escrow-show", "id", argv[1]),
	    &answer, NULL);
	if (status != CLI_DONE)
		return status;
	all = json_object_get(answer, "objects");
	if (cli->json) {
		cli_put_json(json_incref(all));
	} else {
		for (size_t i = 0; i < json_array_size(all); i++)
			put_object(json_array_get(all, i));
	}
	json_decref(answer);
	return CLI_DONE;
}

/* --- changing --- */

/* The objects of that name or message. *away is set where the portal that
   readers go to hears of it later. */
static int
change_each(struct cli *cli, const char *id, const char *verb, json_int_t for_s,
    json_int_t *n, bool *away)
{
	json_t *answer = NULL, *all;
	int status = cli_ask(cli,
	    json_pack("{s:s, s:s}", "verb", "escrow-show", "id", id), &answer,
	    NULL);

	if (status != CLI_DONE)
		return status;
	all = json_object_get(answer, "objects");
	*away |= json_is_true(json_object_get(answer, "dmz_away"));
	for (size_t i = 0; status == CLI_DONE && i < json_array_size(all);
	     i++) {
		json_t *changed = NULL;

		status = cli_ask(cli,
		    json_pack("{s:s, s:s, s:I}", "verb", verb, "object",
			cli_member(json_array_get(all, i), "object"), "for_s",
			for_s),
		    &changed, NULL);
		*n += status == CLI_DONE ? 1 : 0;
		json_decref(changed);
	}
	json_decref(answer);
	return status;
}

static int
change(struct cli *cli, int n_ids, char **ids, const char *verb,
    const char *done, json_int_t for_s)
{
	json_int_t n = 0;
	int status = CLI_DONE, s;
	bool away = false;

	if (n_ids < 1)
		return cli_usage(cli);
	for (int i = 0; i < n_ids; i++) {
		s = change_each(cli, ids[i], verb, for_s, &n, &away);
		status = s > status ? s : status;
	}
	if (cli->json && (status == CLI_DONE || n > 0))
		cli_put_json(json_pack("{s:b, s:I, s:b}", "ok",
		    status == CLI_DONE, "changed", n, "dmz_away", away));
	else if (status == CLI_DONE || n > 0)
		printf("%lld %s%s\n", (long long)n, done,
		    away ? ", as soon as the portal in the DMZ is reached"
			 : "");
	return status;
}

int
cli_escrow_revoke(struct cli *cli, int argc, char **argv)
{
	return change(cli, argc - 1, argv + 1, "escrow-revoke", "revoked", 0);
}

int
cli_escrow_unlock(struct cli *cli, int argc, char **argv)
{
	return change(cli, argc - 1, argv + 1, "escrow-extend", "unlocked", 0);
}

int
cli_escrow_extend(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
	    {"for", required_argument, NULL, 'f'}, {NULL, 0, NULL, 0}};
	json_int_t for_s = 0;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'f')
			return cli_usage(cli);
		for_s = cli_queue_seconds(optarg);
		if (for_s == 0) {
			cli_say("\"%s\" is not understood here", optarg);
			return CLI_USAGE;
		}
	}
	if (for_s == 0)
		return cli_usage(cli);
	return change(cli, argc - optind, argv + optind, "escrow-extend",
	    "extended", for_s);
}
