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
#include "gateway/cli/queue_private.h"
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

int
cli_queue_each(
    struct cli *cli, const json_t *filter, cli_queue_page_fn *page, void *arg)
{
	char after[32] = "";
	bool more = true;
	int status = CLI_DONE;

	while (more && status == CLI_DONE) {
		json_t *question = json_pack("{s:s, s:i, s:s}", "verb",
		    "queue-list", "max", PAGE, "after", after);
		json_t *answer = NULL;

		if (json_object_size(filter) > 0)
			json_object_set(
			    question, "filter", (json_t *)(uintptr_t)filter);
		status = cli_ask(cli, question, &answer, NULL);
		if (status != CLI_DONE)
			break;
		more = json_is_true(json_object_get(answer, "more"));
		snprintf(
		    after, sizeof(after), "%s", cli_member(answer, "after"));
		status = page(cli, json_object_get(answer, "entries"), arg);
		json_decref(answer);
	}
	return status;
}

static int
keep_page(struct cli *cli, json_t *entries, void *arg)
{
	(void)cli;
	json_array_extend(arg, entries);
	return CLI_DONE;
}

static void
put_table(const json_t *all)
{
	struct libscols_table *t = new_table();

	for (size_t i = 0; i < json_array_size(all); i++)
		add_row(t, json_array_get(all, i));
	scols_print_table(t);
	scols_unref_table(t);
}

int
cli_queue_list(struct cli *cli, int argc, char **argv)
{
	json_t *filter = json_object(), *all = json_array();
	int rest = cli_queue_filter(filter, argc, argv), status = CLI_USAGE;

	if (rest != argc)
		cli_usage(cli);
	else
		status = cli_queue_each(cli, filter, keep_page, all);
	if (status == CLI_DONE && cli->json)
		cli_put_json(json_incref(all));
	else if (status == CLI_DONE && json_array_size(all) > 0)
		put_table(all);
	else if (status == CLI_DONE)
		puts(json_object_size(filter) > 0 ? "Nothing fits."
						  : "The queue is empty.");
	json_decref(filter);
	json_decref(all);
	return status;
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

/* What is done to which entries. */
struct change {
	const char *verb;
	const char *done; /* "held" */
	const json_t *filter;
	long long n;
};

static int
say_changed(struct cli *cli, const struct change *c)
{
	if (cli->json)
		cli_put_json(json_pack(
		    "{s:b, s:I}", "ok", 1, "changed", (json_int_t)c->n));
	else
		printf("%lld %s\n", c->n, c->done);
	return CLI_DONE;
}

/* Takes the question. */
static int
ask_change(struct cli *cli, json_t *question, struct change *c)
{
	json_t *answer = NULL;
	int status = cli_ask(cli, question, &answer, NULL);

	if (status == CLI_DONE)
		c->n += (long long)number(answer, "changed");
	json_decref(answer);
	return status;
}

/* The filter goes along: what does not fit any more stays as it is. */
static int
change_page(struct cli *cli, json_t *entries, void *arg)
{
	struct change *c = arg;
	json_t *ids = json_array();

	for (size_t i = 0; i < json_array_size(entries); i++)
		json_array_append_new(
		    ids, json_string(
			     cli_member(json_array_get(entries, i), "entry")));
	if (json_array_size(ids) == 0) {
		json_decref(ids);
		return CLI_DONE;
	}
	return ask_change(cli,
	    json_pack("{s:s, s:o, s:O}", "verb", c->verb, "ids", ids, "filter",
		c->filter),
	    c);
}

/* By filter or by ids; everything only where that does no harm. */
static int
change(struct cli *cli, int argc, char **argv, const char *verb,
    const char *done, bool all)
{
	json_t *filter = json_object();
	struct change c = {.verb = verb, .done = done, .filter = filter};
	int rest = cli_queue_filter(filter, argc, argv), status = CLI_DONE, s;
	bool by_filter = json_object_size(filter) > 0;

	if (rest < 0 || (by_filter && rest < argc) ||
	    (!by_filter && rest == argc && !all)) {
		json_decref(filter);
		return cli_usage(cli);
	}
	if (by_filter)
		status = cli_queue_each(cli, filter, change_page, &c);
	else if (rest == argc)
		status = ask_change(cli, json_pack("{s:s}", "verb", verb), &c);
	for (int i = rest; i < argc; i++) {
		s = ask_change(cli,
		    json_pack("{s:s, s:s}", "verb", verb, "id", argv[i]), &c);
		status = s > status ? s : status;
	}
	json_decref(filter);
	if (status == CLI_DONE || c.n > 0)
		(void)say_changed(cli, &c);
	return status;
}

int
cli_queue_flush(struct cli *cli, int argc, char **argv)
{
	return change(cli, argc, argv, "queue-flush", "due at once", true);
}

int
cli_queue_hold(struct cli *cli, int argc, char **argv)
{
	return change(cli, argc, argv, "queue-hold", "held", false);
}

int
cli_queue_release(struct cli *cli, int argc, char **argv)
{
	return change(cli, argc, argv, "queue-release", "released", false);
}

int
cli_queue_delete(struct cli *cli, int argc, char **argv)
{
	return change(cli, argc, argv, "queue-delete", "deleted", false);
}
