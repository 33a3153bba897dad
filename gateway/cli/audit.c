/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate audit`: reads the files of the log, the gateway need not run.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/text.h"
#include "gateway/cli/ask.h"
#include "gateway/conf.h"
#include "gateway/store/audit_reader.h"
#include "gateway/store/audit_verify.h"

/* Root reads nothing that strangers wrote into. */
static enum err
log_dir(struct cli *cli, const char **out)
{
	const struct conf *conf;
	enum err e = cli_conf(cli, &conf);

	if (e == ERR_OK)
		e = cli_give_up_root(conf->paths.audit);
	if (e == ERR_OK)
		*out = conf->paths.audit;
	return e;
}

/* --- list and show --- */

struct filter {
	uint64_t last;	  /* so many from the end; 0: all */
	uint64_t number;  /* this one only; 0: any */
	const char *id;	  /* of the message, NULL: any */
	const char *rcpt; /* NULL: any */
	const char *type; /* NULL: any */
	uint64_t newest;  /* of the log */
	uint64_t shown;
	bool json;
};

static bool
is_wanted(const struct filter *f, const struct store_line *l, const json_t *rec)
{
	if (f->number != 0)
		return l->seq == f->number;
	if (f->last != 0 && l->seq + f->last <= f->newest)
		return false;
	return (f->id == NULL || strcmp(cli_member(rec, "id"), f->id) == 0) &&
	       (f->rcpt == NULL ||
		   strcmp(cli_member(rec, "rcpt"), f->rcpt) == 0) &&
	       (f->type == NULL ||
		   strcmp(cli_member(rec, "type"), f->type) == 0);
}

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
put_record(const struct store_line *l, json_t *rec)
{
	const char *name;
	json_t *value;

	printf("%llu %.*s %s", (unsigned long long)l->seq, (int)l->time.len,
	    (const char *)l->time.data, cli_member(rec, "type"));
	json_object_foreach(rec, name, value)
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
look_at(struct filter *f, struct span line)
{
	struct store_line l;
	json_t *rec;

	if (store_line_parse(line, &l) != ERR_OK) {
		cli_say("a line that is none of this log: see audit verify");
		return;
	}
	rec = json_loadb((const char *)l.rec.data, l.rec.len, 0, NULL);
	if (is_wanted(f, &l, rec)) {
		f->shown++;
		if (f->json)
			printf(
			    "%.*s\n", (int)line.len, (const char *)line.data);
		else
			put_record(&l, rec);
	}
	json_decref(rec);
}

static enum err
look_through(struct filter *f, int dir_fd, uint64_t first)
{
	struct store_reader *r = NULL;
	struct span line;
	bool whole;
	enum err e = store_reader_open(dir_fd, first, &r);

	while (e == ERR_OK) {
		e = store_reader_next(r, &line, &whole);
		if (e == ERR_OK && whole)
			look_at(f, line);
	}
	store_reader_close(r);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err
newest_of(const char *dir, uint64_t *out)
{
	struct store_verify v = {0};
	struct store_verified done;
	enum err e = store_audit_verify(dir, &v, &done);

	if (e == ERR_OK)
		*out = done.last;
	return e;
}

static int
look(struct cli *cli, struct filter *f)
{
	const char *dir;
	uint64_t *first = NULL;
	size_t n = 0;
	int fd = -1;
	enum err e = log_dir(cli, &dir);

	if (e != ERR_OK)
		return CLI_FAILED;
	if (f->last != 0)
		e = newest_of(dir, &f->newest);
	if (e == ERR_OK) {
		fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		e = fd < 0 ? err_from_errno(errno)
			   : store_audit_files(fd, &first, &n);
	}
	for (size_t i = 0; e == ERR_OK && i < n; i++)
		e = look_through(f, fd, first[i]);
	free(first);
	if (fd >= 0)
		close(fd);
	if (e != ERR_OK) {
		cli_say("cannot read the log in %s: %s", dir, err_text(e));
		return CLI_FAILED;
	}
	return f->shown > 0 ? CLI_DONE : CLI_NO;
}

int
cli_audit_list(struct cli *cli, int argc, char **argv)
{
	struct filter f = {.json = cli->json};

	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc)
			return cli_usage(cli);
		if (strcmp(argv[i], "--id") == 0)
			f.id = argv[i + 1];
		else if (strcmp(argv[i], "--rcpt") == 0)
			f.rcpt = argv[i + 1];
		else if (strcmp(argv[i], "--type") == 0)
			f.type = argv[i + 1];
		else if (strcmp(argv[i], "--last") != 0 ||
			 text_number(span_str(argv[i + 1]), 1, UINT64_MAX,
			     &f.last) != ERR_OK)
			return cli_usage(cli);
	}
	return look(cli, &f);
}

int
cli_audit_show(struct cli *cli, int argc, char **argv)
{
	struct filter f = {.json = cli->json};
	int status;

	if (argc != 2 ||
	    text_number(span_str(argv[1]), 1, UINT64_MAX, &f.number) != ERR_OK)
		return cli_usage(cli);
	status = look(cli, &f);
	if (status == CLI_NO)
		cli_say("there is no record %s in the files", argv[1]);
	return status;
}

/* --- verify --- */

struct problems {
	json_t *list; /* NULL: they are printed */
};

static void
on_problem(void *arg, const char *file, uint64_t seq, const char *text)
{
	struct problems *p = arg;

	if (p->list == NULL)
		printf("%s: record %llu: %s\n", file[0] == '\0' ? "log" : file,
		    (unsigned long long)seq, text);
	else
		json_array_append_new(
		    p->list, json_pack("{s:s, s:I, s:s}", "file", file,
				 "number", (json_int_t)seq, "text", text));
}

static bool
read_head(const char *text, struct store_verify *v)
{
	const char *colon = strchr(text, ':');

	return colon != NULL &&
	       text_number(SPAN(text, (size_t)(colon - text)), 1, UINT64_MAX,
		   &v->head_seq) == ERR_OK &&
	       text_unhex(span_str(colon + 1), v->head_hash, DIGEST_SIZE) ==
		   ERR_OK;
}

static void
put_verified(const struct store_verified *d)
{
	char hex[2 * DIGEST_SIZE + 1];

	text_hex(SPAN(d->hash, DIGEST_SIZE), hex);
	printf("%llu records, %llu to %llu\n", (unsigned long long)d->lines,
	    (unsigned long long)d->first, (unsigned long long)d->last);
	printf("head %llu:%s\n", (unsigned long long)d->last, hex);
	if (d->signed_seq != 0)
		printf("last signature in record %llu, of %s; %llu records "
		       "after it\n",
		    (unsigned long long)d->signed_seq, d->signed_time,
		    (unsigned long long)(d->last - d->signed_seq));
	else
		puts("nothing is signed");
	text_hex(SPAN(d->first_key, SIGN_PUB), hex);
	if (d->has_key)
		printf("first key %s\n", hex);
	if (d->problems == 0)
		puts("The log is whole.");
	else
		printf("%llu problems.\n", (unsigned long long)d->problems);
}

static json_t *
verified_json(const struct store_verified *d, json_t *problems)
{
	char hash[2 * DIGEST_SIZE + 1], key[2 * SIGN_PUB + 1];

	text_hex(SPAN(d->hash, DIGEST_SIZE), hash);
	text_hex(SPAN(d->first_key, SIGN_PUB), key);
	return json_pack("{s:b, s:I, s:I, s:I, s:s, s:I, s:s, s:s, s:o}", "ok",
	    d->problems == 0, "records", (json_int_t)d->lines, "first",
	    (json_int_t)d->first, "last", (json_int_t)d->last, "hash", hash,
	    "signed", (json_int_t)d->signed_seq, "signed_time", d->signed_time,
	    "first_key", key, "problems", problems);
}

int
cli_audit_verify(struct cli *cli, int argc, char **argv)
{
	struct problems p = {NULL};
	struct store_verify v = {.on_problem = on_problem, .arg = &p};
	struct store_verified done;
	const char *dir;
	enum err e;

	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc)
			return cli_usage(cli);
		if (strcmp(argv[i], "--head") == 0
			? !read_head(argv[i + 1], &v)
			: strcmp(argv[i], "--from") != 0 ||
			      text_number(span_str(argv[i + 1]), 1, UINT64_MAX,
				  &v.from) != ERR_OK)
			return cli_usage(cli);
	}
	e = log_dir(cli, &dir);
	if (e != ERR_OK)
		return CLI_FAILED;
	if (cli->json)
		p.list = json_array();
	e = store_audit_verify(dir, &v, &done);
	if (e != ERR_OK) {
		cli_say("cannot read the log in %s: %s", dir, err_text(e));
		json_decref(p.list);
		return CLI_FAILED;
	}
	if (cli->json)
		cli_put_json(verified_json(&done, p.list));
	else
		put_verified(&done);
	return done.problems == 0 ? CLI_DONE : CLI_NO;
}
