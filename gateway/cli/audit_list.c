/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate audit list` and `reindex`: records of the log by what is in them.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/text.h"
#include "gateway/cli/ask.h"
#include "gateway/cli/audit_private.h"
#include "gateway/store/audit_index.h"
#include "gateway/store/audit_reader.h"
#include "gateway/store/audit_rec.h"
#include "gateway/store/audit_search.h"

enum { TERM_MAX = 4096, UNINDEXED_MUCH = 256 << 20 };

enum err
audit_dir_open(struct cli *cli, int *fd_out)
{
	const char *dir;
	int fd;
	enum err e = audit_dir(cli, &dir);

	if (e != ERR_OK)
		return e;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		cli_say("cannot read the log in %s: %s", dir, strerror(errno));
		return err_from_errno(errno);
	}
	*fd_out = fd;
	return ERR_OK;
}

/* --- what is asked for --- */

struct ask {
	struct store_search q;
	struct audit_names names;
	struct buf term[STORE_TERM_COUNT];
	const char *asked[STORE_TERM_COUNT]; /* as it was written */
	struct buf alias[STORE_TERM_COUNT];
	char since[TEXT_TIME_SIZE], until[TEXT_TIME_SIZE];
	bool json;
};

/* "2h": that long ago; false when it is no such thing. */
static bool
read_ago(const char *text, char out[TEXT_TIME_SIZE])
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = {
	    {"s", 1000}, {"min", 60000}, {"h", 3600000}, {"d", 86400000}};
	size_t n = strspn(text, "0123456789");
	uint64_t count, now = clock_unix_ms();

	if (n == 0 ||
	    text_number(SPAN(text, n), 0, UINT32_MAX, &count) != ERR_OK)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(text + n, units[i].unit) == 0 &&
		    count * units[i].ms < now) {
			text_time_ms(now - count * units[i].ms, out);
			return true;
		}
	return false;
}

/* A time as in the log, or the beginning of one, or how long ago. */
static bool
read_time(const char *text, char out[TEXT_TIME_SIZE], struct span *span)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ";
	size_t n = strlen(text);

	if (!read_ago(text, out)) {
		if (n < 4 || n > sizeof(shape) - 1)
			return false;
		for (size_t i = 0; i < n; i++)
			if (shape[i] == 'd' ? text[i] < '0' || text[i] > '9'
					    : text[i] != shape[i])
				return false;
		memcpy(out, text, n + 1);
	}
	*span = span_str(out);
	return true;
}

static bool
take_term(struct ask *a, const char *option, const char *value)
{
	for (int t = 0; t < STORE_TERM_COUNT; t++) {
		if (strcmp(option, store_term_name((enum store_term)t)) != 0)
			continue;
		buf_clear(&a->term[t]);
		buf_init(&a->term[t], TERM_MAX);
		if (value[0] == '\0' ||
		    store_rec_quote(span_str(value), &a->term[t]) != ERR_OK)
			return false;
		a->q.term[t] = buf_span(&a->term[t]);
		a->asked[t] = value;
		return true;
	}
	return false;
}

static bool
take_option(struct ask *a, const char *option, const char *value)
{
	if (strncmp(option, "--", 2) != 0)
		return false;
	option += 2;
	if (strcmp(option, "since") == 0)
		return read_time(value, a->since, &a->q.since);
	if (strcmp(option, "until") == 0)
		return read_time(value, a->until, &a->q.until);
	if (strcmp(option, "last") == 0)
		return text_number(span_str(value), 1, UINT64_MAX,
			   &a->q.last) == ERR_OK;
	return take_term(a, option, value);
}

/* Addresses are looked for under their pseudonyms, too. */
static bool
add_aliases(struct ask *a)
{
	static const enum store_term of[] = {
	    STORE_TERM_FROM, STORE_TERM_RCPT, STORE_TERM_ADDR};

	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		enum store_term t = of[i];

		if (a->asked[t] == NULL)
			continue;
		buf_init(&a->alias[t], TERM_MAX);
		if (audit_names_alias(&a->names, a->asked[t], &a->alias[t]) !=
		    ERR_OK)
			return false;
		a->q.alias[t] = buf_span(&a->alias[t]);
	}
	return true;
}

/* --- printing --- */

static void
put_value(const json_t *v)
{
	char *text;

	if (json_is_string(v)) {
		cli_put_text(span_str(json_string_value(v)));
		return;
	}
	text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
	if (text != NULL)
		cli_put_text(span_str(text));
	free(text);
}

static void
put_record(uint64_t seq, struct span time, const json_t *rec)
{
	const char *name;
	json_t *value;

	printf("%llu %.*s ", (unsigned long long)seq, (int)time.len,
	    (const char *)time.data);
	cli_put_text(span_str(cli_member(rec, "type")));
	json_object_foreach((json_t *)rec, name, value)
	{
		if (strcmp(name, "type") == 0)
			continue;
		putchar(' ');
		cli_put_text(span_str(name));
		putchar('=');
		put_value(value);
	}
	putchar('\n');
}

static void
put_line(void *arg, struct span line, const struct store_line *l)
{
	const struct ask *a = arg;
	json_t *rec;

	if (a->json) {
		printf("%.*s\n", (int)line.len, (const char *)line.data);
		return;
	}
	rec = json_loadb((const char *)l->rec.data, l->rec.len, 0, NULL);
	audit_names_put_back(&a->names, rec);
	put_record(l->seq, l->time, rec);
	json_decref(rec);
}

static void
say_what_was_odd(const struct store_searched *done)
{
	if (done->malformed > 0)
		cli_say(
		    "%llu lines that are none of this log: see audit verify",
		    (unsigned long long)done->malformed);
	if (done->octets_unindexed > UNINDEXED_MUCH)
		cli_say("%llu octets have no index: sealgate audit reindex "
			"makes one",
		    (unsigned long long)done->octets_unindexed);
}

static int
list(struct cli *cli, struct ask *a)
{
	struct store_searched done = {0};
	int fd, status;
	enum err e;

	audit_names_open(cli, &a->names);
	if (audit_dir_open(cli, &fd) != ERR_OK)
		return CLI_FAILED;
	audit_names_read(&a->names, fd);
	e = add_aliases(a) ? store_audit_search(fd, &a->q, &done) : ERR_TOO_BIG;
	if (e != ERR_OK)
		cli_say("cannot read the log: %s", err_text(e));
	status = e != ERR_OK ? CLI_FAILED : done.found > 0 ? CLI_DONE : CLI_NO;
	say_what_was_odd(&done);
	close(fd);
	return status;
}

int
cli_audit_list(struct cli *cli, int argc, char **argv)
{
	struct ask a = {
	    .json = cli->json, .names = {.unseal = CLI_UNSEAL_INIT}};
	int status = CLI_DONE;

	a.q.on_line = put_line;
	a.q.arg = &a;
	for (int i = 1; i < argc && status == CLI_DONE; i += 2)
		if (i + 1 == argc || !take_option(&a, argv[i], argv[i + 1]))
			status = cli_usage(cli);
	if (status == CLI_DONE)
		status = list(cli, &a);
	audit_names_close(&a.names);
	for (int t = 0; t < STORE_TERM_COUNT; t++) {
		buf_clear(&a.term[t]);
		buf_clear(&a.alias[t]);
	}
	return status;
}

/* --- the index --- */

/* The file that is being written is store's, which makes its index itself. */
int
cli_audit_reindex(struct cli *cli, int argc, char **argv)
{
	uint64_t *first = NULL;
	size_t n = 0, i;
	int fd = -1;
	enum err e;

	(void)argv;
	if (argc != 1)
		return cli_usage(cli);
	if (audit_dir_open(cli, &fd) != ERR_OK)
		return CLI_FAILED;
	e = store_audit_files(fd, &first, &n);
	for (i = 0; e == ERR_OK && i + 1 < n; i++)
		e = store_index_rebuild(fd, first[i], UINT64_MAX);
	if (e != ERR_OK)
		cli_say("cannot write an index: %s", err_text(e));
	else if (cli->json)
		cli_put_json(json_pack("{s:I}", "files", (json_int_t)i));
	else
		printf("%zu files have a new index\n", i);
	free(first);
	close(fd);
	return e == ERR_OK ? CLI_DONE : CLI_FAILED;
}
