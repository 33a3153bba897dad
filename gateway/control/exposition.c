/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Processes and certificates by the supervisor; the rest is the text of store
 * and of discovery.
 */
#include "gateway/control/exposition.h"

#include <jansson.h>
#include <string.h>

#include "gateway/histogram.h"

static long long
number(const json_t *j, const char *name)
{
	return (long long)json_integer_value(json_object_get(j, name));
}

static const char *
word(const json_t *j, const char *name)
{
	const char *text = json_string_value(json_object_get(j, name));

	return text == NULL ? "" : text;
}

/* One line for each process. */
static enum err
put_each(const json_t *list, const char *name, const char *type,
    const char *help, long long (*value)(const json_t *p), struct buf *out)
{
	enum err e = histogram_head(name, type, help, out);

	for (size_t i = 0; e == ERR_OK && i < json_array_size(list); i++) {
		const json_t *p = json_array_get(list, i);

		e = buf_printf(out, "%s{process=\"%s\",index=\"%lld\"} %lld\n",
		    name, word(p, "process"), number(p, "index"), value(p));
	}
	return e;
}

static long long
is_up(const json_t *p)
{
	return strcmp(word(p, "state"), "ready") == 0;
}

static long long
restarts(const json_t *p)
{
	return number(p, "restarts");
}

/* A path in quotes: its backslashes and quotes are escaped. */
static enum err
put_path(const char *path, struct buf *out)
{
	enum err e = ERR_OK;

	for (; e == ERR_OK && *path != '\0'; path++) {
		if (*path == '"' || *path == '\\')
			e = buf_putc(out, '\\');
		if (e == ERR_OK)
			e = buf_putc(out, (uint8_t)*path);
	}
	return e;
}

static enum err
put_certificates(const json_t *list, struct buf *out)
{
	static const char name[] = "sealgate_certificate_end_seconds";
	enum err e = histogram_head(name, "gauge",
	    "When a TLS certificate of ours ends (Unix time).", out);

	for (size_t i = 0; e == ERR_OK && i < json_array_size(list); i++) {
		const json_t *c = json_array_get(list, i);
		bool twice = false;

		/* several sections may have one file */
		for (size_t k = 0; k < i; k++)
			twice |= strcmp(word(json_array_get(list, k), "path"),
				     word(c, "path")) == 0;
		if (twice)
			continue;
		e = buf_printf(out, "%s{path=\"", name);
		if (e == ERR_OK)
			e = put_path(word(c, "path"), out);
		if (e == ERR_OK)
			e = buf_printf(out, "\"} %lld\n", number(c, "end"));
	}
	return e;
}

/* Whether a process has answered, and what. */
static enum err
put_answer(
    const json_t *answer, const char *name, const char *help, struct buf *out)
{
	enum err e = histogram_head(name, "gauge", help, out);

	if (e == ERR_OK)
		e = buf_printf(out, "%s %d\n", name, answer != NULL);
	return e == ERR_OK ? buf_puts(out, word(answer, "text")) : e;
}

static enum err
put_version(struct buf *out)
{
	enum err e = histogram_head("sealgate_build_info", "gauge",
	    "The version that runs, in a label.", out);

	return e == ERR_OK
		   ? buf_puts(out,
			 "sealgate_build_info{version=\"" PACKAGE_VERSION
			 "\"} 1\n")
		   : e;
}

enum err
control_expose(const struct json_t *status, const struct json_t *store,
    const struct json_t *discovery, struct buf *out)
{
	const json_t *list = json_object_get(status, "processes");
	enum err e = put_version(out);

	if (e == ERR_OK)
		e = put_each(list, "sealgate_process_up", "gauge",
		    "1 while the process is ready.", is_up, out);
	if (e == ERR_OK)
		e = put_each(list, "sealgate_process_restarts_total", "counter",
		    "How often the process was started anew.", restarts, out);
	if (e == ERR_OK)
		e = put_certificates(
		    json_object_get(status, "certificates"), out);
	if (e == ERR_OK)
		e = put_answer(store, "sealgate_store_answers",
		    "1 when store has answered; without it most metrics are "
		    "missing.",
		    out);
	if (e == ERR_OK)
		e = put_answer(discovery, "sealgate_discovery_answers",
		    "1 when discovery has answered; without it those of "
		    "look-ups are missing.",
		    out);
	return e;
}

bool
control_is_ready(
    const struct json_t *status, const struct json_t *store, struct buf *out)
{
	const json_t *list = json_object_get(status, "processes");
	bool ready = json_array_size(list) > 0;
	enum err e = ERR_OK;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *p = json_array_get(list, i);

		if (is_up(p))
			continue;
		ready = false;
		if (e == ERR_OK)
			e = buf_printf(out, "%s %lld is %s\n",
			    word(p, "process"), number(p, "index"),
			    word(p, "state"));
	}
	if (strcmp(word(store, "intake"), "open") == 0)
		return ready;
	if (e == ERR_OK)
		e = buf_printf(out, "new mail is not taken: %s\n",
		    store == NULL ? "store does not answer"
				  : word(store, "intake"));
	return false;
}
