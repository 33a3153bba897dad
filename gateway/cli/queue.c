/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate queue`: what waits, why, and an administrator's word on it. Shows
 * envelopes, reasons and results; nothing here can show content.
 */
#include <jansson.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <string.h>

#include "gateway/cli/ask.h"
#include "policy/policy.h"

enum { PAGE = 500, CELL_SIZE = 256 };

/* --- one entry --- */

static json_int_t
number(const json_t *e, const char *name)
{
	return json_integer_value(json_object_get(e, name));
}

static const char *
state_of(const json_t *e)
{
	if (json_is_true(json_object_get(e, "deleted")))
		return "deleted";
	if (json_is_true(json_object_get(e, "under_way")))
		return "under way";
	if (strcmp(cli_member(e, "kind"), "pending") == 0 &&
	    strcmp(cli_member(e, "state"), "queued") == 0)
		return "undecided";
	return cli_member(e, "state");
}

/* The first recipient that is open, and how many more. */
static void
rcpts_text(const json_t *e, char out[CELL_SIZE])
{
	const json_t *rcpts = json_object_get(e, "rcpts");
	const char *first = "";
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(rcpts); i++) {
		const json_t *r = json_array_get(rcpts, i);

		if (strcmp(cli_member(r, "state"), "open") != 0)
			continue;
		if (n++ == 0)
			first = cli_member(r, "addr");
	}
	if (n > 1)
		snprintf(out, CELL_SIZE, "%.200s +%zu", first, n - 1);
	else
		snprintf(out, CELL_SIZE, "%.200s", first);
}

static void
put_line(const char *name, const char *text)
{
	if (text[0] == '\0')
		return;
	printf("  %-11s ", name);
	cli_put_text(span_str(text));
	putchar('\n');
}

static void
put_rcpts(const json_t *e)
{
	const json_t *rcpts = json_object_get(e, "rcpts");

	for (size_t i = 0; i < json_array_size(rcpts); i++) {
		const json_t *r = json_array_get(rcpts, i);

		printf("  %-11s ", "to");
		cli_put_text(span_str(cli_member(r, "addr")));
		printf(" (%s)\n", cli_member(r, "state"));
	}
}

static void
put_entry(const json_t *e)
{
	char age[CLI_SPAN_SIZE], next[CLI_SPAN_SIZE];
	const char *from = cli_member(e, "from");
	bool ready = strcmp(cli_member(e, "kind"), "ready") == 0;

	cli_span((uint64_t)number(e, "age_s"), age);
	cli_span((uint64_t)number(e, "next_s"), next);
	printf("%s\n", cli_member(e, "entry"));
	put_line("message", cli_member(e, "id"));
	put_line("state", state_of(e));
	put_line("from", from[0] == '\0' ? "<>" : from);
	put_rcpts(e);
	put_line("accepted", cli_member(e, "accepted"));
	printf("  %-11s %s\n", "age", age);
	printf("  %-11s %lld octets\n", "size", (long long)number(e, "size"));
	put_line("rule", cli_member(e, "rule"));
	if (ready)
		put_line(
		    "rung", policy_rung_name((enum rung)number(e, "rung")));
	else
		put_line("why", cli_member(e, "why"));
	put_line("reason", cli_member(e, "reason"));
	printf("  %-11s %lld\n", "tries", (long long)number(e, "tries"));
	if (strcmp(cli_member(e, "state"), "queued") == 0)
		printf("  %-11s in %s\n", "next", next);
	put_line("waits for", cli_member(e, "object"));
	put_line("last", cli_member(e, "last"));
}

/* --- the list --- */

static const struct {
	const char *name;
	int flags;
} columns[] = {
    {"ENTRY", 0},
    {"STATE", 0},
    {"AGE", SCOLS_FL_RIGHT},
    {"TRIES", SCOLS_FL_RIGHT},
    {"FROM", SCOLS_FL_TRUNC},
    {"TO", SCOLS_FL_TRUNC},
    {"LAST", SCOLS_FL_TRUNC},
};

static struct libscols_table *
new_table(void)
{
	struct libscols_table *t = scols_new_table();

	if (t == NULL)
		fatal("out of memory");
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		if (scols_table_new_column(
			t, columns[i].name, 0, columns[i].flags) == NULL)
			fatal("out of memory");
	return t;
}

static void
add_row(struct libscols_table *t, const json_t *e)
{
	struct libscols_line *line = scols_table_new_line(t, NULL);
	char age[CLI_SPAN_SIZE], tries[24], to[CELL_SIZE];
	const char *from = cli_member(e, "from");
	int rc;

	if (line == NULL)
		fatal("out of memory");
	cli_span((uint64_t)number(e, "age_s"), age);
	snprintf(tries, sizeof(tries), "%lld", (long long)number(e, "tries"));
	rcpts_text(e, to);
	rc = scols_line_set_data(line, 0, cli_member(e, "entry"));
	rc |= scols_line_set_data(line, 1, state_of(e));
	rc |= scols_line_set_data(line, 2, age);
	rc |= scols_line_set_data(line, 3, tries);
	rc |= scols_line_set_data(line, 4, from[0] == '\0' ? "<>" : from);
	rc |= scols_line_set_data(line, 5, to);
	rc |= scols_line_set_data(line, 6, cli_member(e, "last"));
	if (rc != 0)
		fatal("out of memory");
}

/* All entries, page by page. */
static int
fetch_all(struct cli *cli, json_t *all)
{
	char after[32] = "";
	bool more = true;
	int status = CLI_DONE;

	while (more && status == CLI_DONE) {
		json_t *page, *list, *answer = NULL;

		page = json_pack("{s:s, s:i, s:s}", "verb", "queue-list", "max",
		    PAGE, "after", after);
		status = cli_ask(cli, page, &answer, NULL);
		if (status != CLI_DONE)
			break;
		list = json_object_get(answer, "entries");
		more = json_is_true(json_object_get(answer, "more")) &&
		       json_array_size(list) > 0;
		if (json_array_size(list) > 0)
			snprintf(after, sizeof(after), "%s",
			    cli_member(
				json_array_get(list, json_array_size(list) - 1),
				"entry"));
		json_array_extend(all, list);
		json_decref(answer);
	}
	return status;
}

int
cli_queue_list(struct cli *cli, int argc, char **argv)
{
	struct libscols_table *t;
	json_t *all;
	int status;

	(void)argv;
	if (argc != 1)
		return cli_usage(cli);
	all = json_array();
	status = fetch_all(cli, all);
	if (status != CLI_DONE) {
		json_decref(all);
		return status;
	}
	if (cli->json) {
		cli_put_json(all);
		return CLI_DONE;
	}
	t = new_table();
	for (size_t i = 0; i < json_array_size(all); i++)
		add_row(t, json_array_get(all, i));
	if (json_array_size(all) > 0)
		scols_print_table(t);
	else
		puts("The queue is empty.");
	scols_unref_table(t);
	json_decref(all);
	return CLI_DONE;
}

int
cli_queue_show(struct cli *cli, int argc, char **argv)
{
	json_t *answer = NULL, *list;
	int status;

	if (argc != 2)
		return cli_usage(cli);
	status = cli_ask(cli,
	    json_pack("{s:s, s:s}", "verb", "queue-show", "id", argv[1]),
	    &answer, NULL);
	if (status != CLI_DONE)
		return status;
	list = json_object_get(answer, "entries");
	if (cli->json) {
		cli_put_json(json_incref(list));
	} else {
		for (size_t i = 0; i < json_array_size(list); i++)
			put_entry(json_array_get(list, i));
	}
	json_decref(answer);
	return CLI_DONE;
}

/* --- changes --- */

static int
change(struct cli *cli, const char *verb, const char *id, const char *done)
{
	json_t *question = json_pack("{s:s}", "verb", verb), *answer = NULL;
	int status;

	if (id != NULL)
		json_object_set_new(question, "id", json_string(id));
	status = cli_ask(cli, question, &answer, NULL);
	if (status != CLI_DONE)
		return status;
	if (cli->json) {
		cli_put_json(answer);
		return CLI_DONE;
	}
	printf("%lld %s\n", (long long)number(answer, "changed"), done);
	json_decref(answer);
	return CLI_DONE;
}

static int
change_each(
    struct cli *cli, int argc, char **argv, const char *verb, const char *done)
{
	int status = CLI_DONE, s;

	if (argc < 2)
		return cli_usage(cli);
	for (int i = 1; i < argc; i++) {
		s = change(cli, verb, argv[i], done);
		if (s > status)
			status = s;
	}
	return status;
}

int
cli_queue_flush(struct cli *cli, int argc, char **argv)
{
	return argc > 1
		   ? change_each(cli, argc, argv, "queue-flush", "due at once")
		   : change(cli, "queue-flush", NULL, "due at once");
}

int
cli_queue_hold(struct cli *cli, int argc, char **argv)
{
	return change_each(cli, argc, argv, "queue-hold", "held");
}

int
cli_queue_release(struct cli *cli, int argc, char **argv)
{
	return change_each(cli, argc, argv, "queue-release", "released");
}

int
cli_queue_delete(struct cli *cli, int argc, char **argv)
{
	return change_each(cli, argc, argv, "queue-delete", "deleted");
}
