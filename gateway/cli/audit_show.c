/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate audit show`: one record, or all that happened to a message, with
 * the traces of its decisions as `sealgate explain` prints them.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/text.h"
#include "gateway/cli/ask.h"
#include "gateway/cli/audit_private.h"
#include "gateway/cli/trace.h"
#include "gateway/store/audit_rec.h"
#include "gateway/store/audit_search.h"

enum { OBJECTS_MAX = 1024, TERM_MAX = 4096, IDS_MAX = 64 };

struct show {
	int fd;
	json_t *records; /* {"number", "time", "record"}, in order */
	struct audit_names names;
};

/* --- collecting --- */

static void
keep(void *arg, struct span line, const struct store_line *l)
{
	struct show *s = arg;
	json_t *rec =
	    json_loadb((const char *)l->rec.data, l->rec.len, 0, NULL);

	(void)line;
	if (rec == NULL)
		return; /* audit verify tells of it */
	json_array_append_new(s->records,
	    json_pack("{s:I, s:s%, s:o}", "number", (json_int_t)l->seq, "time",
		(const char *)l->time.data, l->time.len, "record", rec));
}

static enum err
find(struct show *s, enum store_term t, const char *value, uint64_t number)
{
	struct store_search q = {.number = number, .on_line = keep, .arg = s};
	struct store_searched done;
	struct buf quoted;
	enum err e = ERR_OK;

	buf_init(&quoted, TERM_MAX);
	if (value != NULL) {
		e = store_rec_quote(span_str(value), &quoted);
		q.term[t] = buf_span(&quoted);
	}
	if (e == ERR_OK)
		e = store_audit_search(s->fd, &q, &done);
	buf_clear(&quoted);
	return e;
}

static bool
has(const json_t *list, const char *text)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		if (strcmp(json_string_value(v), text) == 0)
			return true;
	}
	return false;
}

/* What is kept for pick-up goes by its own name from then on. */
static json_t *
objects_of(const json_t *records)
{
	json_t *list = json_array();
	const json_t *r;
	size_t i;

	json_array_foreach(records, i, r)
	{
		const char *name =
		    cli_member(json_object_get(r, "record"), "object");

		if (name[0] != '\0' && !has(list, name) &&
		    json_array_size(list) < OBJECTS_MAX)
			json_array_append_new(list, json_string(name));
	}
	return list;
}

static enum err
find_message(struct show *s, const char *id)
{
	json_t *objects;
	enum err e = find(s, STORE_TERM_ID, id, 0);
	size_t n = json_array_size(s->records);

	objects = objects_of(s->records);
	for (size_t i = 0; e == ERR_OK && i < json_array_size(objects); i++)
		e = find(s, STORE_TERM_OBJECT,
		    json_string_value(json_array_get(objects, i)), 0);
	/* those that name the message, too, are here already */
	for (size_t i = json_array_size(s->records); i-- > n;) {
		const json_t *rec =
		    json_object_get(json_array_get(s->records, i), "record");

		if (strcmp(cli_member(rec, "id"), id) == 0)
			json_array_remove(s->records, i);
	}
	json_decref(objects);
	return e;
}

/* The messages that came with that Message-ID. */
static enum err
find_by_message_id(struct show *s, const char *message_id)
{
	const json_t *r;
	json_t *ids = json_array();
	size_t i;
	enum err e = find(s, STORE_TERM_MESSAGE, message_id, 0);

	json_array_foreach(s->records, i, r)
	{
		const char *id = cli_member(json_object_get(r, "record"), "id");

		if (!has(ids, id) && json_array_size(ids) < IDS_MAX)
			json_array_append_new(ids, json_string(id));
	}
	json_array_clear(s->records);
	for (i = 0; e == ERR_OK && i < json_array_size(ids); i++)
		e = find_message(s, json_string_value(json_array_get(ids, i)));
	json_decref(ids);
	return e;
}

static enum err
collect(struct show *s, const char *what)
{
	uint64_t number, id;

	if (strchr(what, '@') != NULL)
		return find_by_message_id(s, what);
	if (strlen(what) == TEXT_ID_SIZE - 1 && text_unid(what, &id) == ERR_OK)
		return find_message(s, what);
	if (text_number(span_str(what), 1, UINT64_MAX, &number) != ERR_OK)
		return ERR_USAGE;
	return find(s, STORE_TERM_TYPE, NULL, number);
}

/* --- printing --- */

static void
put(const char *text)
{
	cli_put_text(span_str(text));
}

static void
put_if(const char *before, const char *text)
{
	if (text[0] == '\0')
		return;
	fputs(before, stdout);
	put(text);
}

static void
put_accepted(const json_t *rec)
{
	const json_t *rcpt;
	size_t i;

	printf("message %s accepted from ", cli_member(rec, "id"));
	put(cli_member(rec, "from")[0] == '\0' ? "<>"
					       : cli_member(rec, "from"));
	put_if(" by client ", cli_member(rec, "client"));
	put_if(" as user ", cli_member(rec, "user"));
	put_if(", ", cli_member(rec, "tls"));
	printf(", %lld octets\n",
	    (long long)json_integer_value(json_object_get(rec, "size")));
	json_array_foreach(json_object_get(rec, "rcpts"), i, rcpt)
	{
		put_if(i == 0 ? "  to " : ", ",
		    json_is_string(rcpt) ? json_string_value(rcpt) : "");
	}
	if (i > 0)
		putchar('\n');
	if (cli_member(rec, "message-id")[0] != '\0') {
		put_if("  Message-ID ", cli_member(rec, "message-id"));
		putchar('\n');
	}
	if (cli_member(rec, "subject")[0] != '\0') {
		put_if("  Subject ", cli_member(rec, "subject"));
		putchar('\n');
	}
}

/* What a peer said. */
static void
put_hop(const json_t *rec)
{
	json_int_t code = json_integer_value(json_object_get(rec, "code"));

	put(cli_member(rec, "rcpt"));
	put_if(" ", cli_member(rec, "type"));
	put_if(" by ", cli_member(rec, "peer"));
	cli_trace_put_tls(rec);
	printf(": ");
	if (code != 0)
		printf("%lld ", (long long)code);
	put(cli_member(rec, "status"));
	put_if(" ", cli_member(rec, "reply"));
	putchar('\n');
}

static void
put_other(const json_t *rec)
{
	const char *name;
	json_t *value;

	put(cli_member(rec, "type"));
	json_object_foreach((json_t *)rec, name, value)
	{
		char *text;

		if (strcmp(name, "type") == 0 || strcmp(name, "id") == 0)
			continue;
		putchar(' ');
		put(name);
		putchar('=');
		text = json_is_string(value)
			   ? NULL
			   : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		put(text != NULL ? text : cli_member(rec, name));
		free(text);
	}
	putchar('\n');
}

static void
put_record(const json_t *r)
{
	static const char *const hops[] = {"sent", "deferred", "bounced"};
	const json_t *rec = json_object_get(r, "record");
	const char *type = cli_member(rec, "type");

	printf("%lld %s ",
	    (long long)json_integer_value(json_object_get(r, "number")),
	    cli_member(r, "time"));
	if (strcmp(type, "accepted") == 0) {
		put_accepted(rec);
		return;
	}
	if (strcmp(type, "decided") == 0) {
		cli_trace_print(rec);
		put_if("  configuration ", cli_member(rec, "config"));
		putchar('\n');
		return;
	}
	for (size_t i = 0; i < sizeof(hops) / sizeof(hops[0]); i++)
		if (strcmp(type, hops[i]) == 0) {
			put_hop(rec);
			return;
		}
	put_other(rec);
}

int
cli_audit_show(struct cli *cli, int argc, char **argv)
{
	struct show s = {.fd = -1, .names = {.unseal = CLI_UNSEAL_INIT}};
	const json_t *r;
	size_t i;
	int status;
	enum err e;

	if (argc != 2)
		return cli_usage(cli);
	audit_names_open(cli, &s.names);
	if (audit_dir_open(cli, &s.fd) != ERR_OK) {
		audit_names_close(&s.names);
		return CLI_FAILED;
	}
	audit_names_read(&s.names, s.fd);
	s.records = json_array();
	e = collect(&s, argv[1]);
	close(s.fd);
	audit_names_put_back(&s.names, s.records);
	audit_names_close(&s.names);
	if (e == ERR_USAGE) {
		status = cli_usage(cli);
	} else if (e != ERR_OK) {
		cli_say("cannot read the log: %s", err_text(e));
		status = CLI_FAILED;
	} else if (json_array_size(s.records) == 0) {
		cli_say("there is no record of %s in the files", argv[1]);
		status = CLI_NO;
	} else {
		status = CLI_DONE;
		json_array_foreach(s.records, i, r)
		{
			if (!cli->json)
				put_record(r);
		}
	}
	if (cli->json && status == CLI_DONE)
		cli_put_json(json_incref(s.records));
	json_decref(s.records);
	return status;
}
