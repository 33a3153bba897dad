/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The client side of gateway/control. unix(7).
 */
#include "gateway/cli/ask.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/file.h"
#include "common/limits.h"
#include "gateway/conf.h"

enum { ANSWER_S = 60, QUIET_S = 5, PIECE = 16 * 1024 };

/* -1 with errno. */
static int
connect_within(const char *path, unsigned seconds)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	const struct timeval patience = {.tv_sec = seconds};
	int fd, error;

	if (strlen(path) >= sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sun.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	(void)!setsockopt(
	    fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	(void)!setsockopt(
	    fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)(const void *)&sun,
		sizeof(sun)) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int
connect_to(const char *path)
{
	int fd = connect_within(path, ANSWER_S);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == ECONNREFUSED)
		cli_say("the gateway is not running (%s)", path);
	else
		cli_say("cannot reach the gateway at %s: %s", path,
		    strerror(errno));
	return -1;
}

static enum err
send_line(int fd, const json_t *question)
{
	char *text = json_dumps(question, JSON_COMPACT);
	enum err e =
	    text == NULL ? ERR_NOMEM : file_write_all(fd, span_str(text));

	free(text);
	return e == ERR_OK ? file_write_all(fd, SPAN_LIT("\n")) : e;
}

static enum err
read_line(int fd, struct buf *out)
{
	uint8_t *to;
	ssize_t n;
	enum err e;

	for (;;) {
		e = buf_reserve(out, PIECE, &to);
		if (e != ERR_OK)
			return e;
		n = recv(fd, to, PIECE, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? ERR_CLOSED : err_from_errno(errno);
		buf_grow(out, (size_t)n);
		if (to[n - 1] == '\n')
			return ERR_OK;
	}
}

static enum err
exchange(int fd, const json_t *question, json_t **out)
{
	struct buf b;
	json_t *answer = NULL;
	enum err e = send_line(fd, question);

	buf_init(&b, LIMIT_IPC_PAYLOAD);
	if (e == ERR_OK)
		e = read_line(fd, &b);
	if (e == ERR_OK) {
		answer = json_loadb((const char *)b.data, b.len, 0, NULL);
		e = json_is_object(answer) ? ERR_OK : ERR_IPC;
	}
	buf_clear(&b);
	if (e != ERR_OK) {
		json_decref(answer);
		return e;
	}
	*out = answer;
	return ERR_OK;
}

const char *
cli_member(const json_t *j, const char *name)
{
	const char *text = json_string_value(json_object_get(j, name));

	return text == NULL ? "" : text;
}

static int
judge(json_t *answer, json_t **out, json_t **bad_out)
{
	const char *name = cli_member(answer, "err");
	const char *text = cli_member(answer, "text");
	int status;

	if (json_is_true(json_object_get(answer, "ok"))) {
		*out = answer;
		return CLI_DONE;
	}
	status = name[0] == '\0' ? CLI_FAILED : cli_status(err_by_name(name));
	if (bad_out != NULL) {
		*bad_out = answer;
		return status;
	}
	cli_say("%s", text[0] != '\0' ? text : cli_member(answer, "error"));
	json_decref(answer);
	return status;
}

enum err
cli_ask_at(
    const char *control, json_t *question, unsigned seconds, json_t **out)
{
	json_t *answer = NULL;
	int fd = question == NULL ? -1 : connect_within(control, seconds);
	enum err e = question == NULL	     ? ERR_NOMEM
		     : fd >= 0		     ? exchange(fd, question, &answer)
		     : errno == ECONNREFUSED ? ERR_NOT_FOUND
					     : err_from_errno(errno);

	if (fd >= 0)
		close(fd);
	json_decref(question);
	if (e == ERR_OK && !json_is_true(json_object_get(answer, "ok"))) {
		json_decref(answer);
		e = ERR_CRASHED;
	}
	if (e == ERR_OK)
		*out = answer;
	return e;
}

int
cli_ask(struct cli *cli, json_t *question, json_t **out, json_t **bad_out)
{
	const struct conf *conf;
	json_t *answer = NULL;
	int status = CLI_FAILED, fd = -1;
	enum err e = question == NULL ? ERR_NOMEM : cli_conf(cli, &conf);

	if (e == ERR_OK)
		fd = connect_to(conf->paths.control);
	if (fd >= 0) {
		e = exchange(fd, question, &answer);
		close(fd);
		if (e == ERR_CLOSED)
			cli_say("the gateway does not answer this user");
		else if (e != ERR_OK)
			cli_say("no answer of the gateway: %s", err_text(e));
		if (e == ERR_OK)
			status = judge(answer, out, bad_out);
	}
	json_decref(question);
	return status;
}

void
cli_ask_quietly(struct cli *cli, const char *verb)
{
	const struct conf *conf;
	json_t *question = json_pack("{s:s}", "verb", verb), *answer = NULL;
	int fd = -1;

	if (question != NULL && cli_conf(cli, &conf) == ERR_OK)
		fd = connect_within(conf->paths.control, QUIET_S);
	if (fd >= 0) {
		(void)!exchange(fd, question, &answer);
		close(fd);
	}
	json_decref(answer);
	json_decref(question);
}

void
cli_put_json(json_t *json)
{
	if (json == NULL)
		fatal("out of memory");
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(json);
}

void
cli_span(uint64_t s, char out[CLI_SPAN_SIZE])
{
	unsigned long long v = s;

	if (v < 60)
		snprintf(out, CLI_SPAN_SIZE, "%llus", v);
	else if (v < 3600)
		snprintf(out, CLI_SPAN_SIZE, "%llum", v / 60);
	else if (v < 86400)
		snprintf(
		    out, CLI_SPAN_SIZE, "%lluh %llum", v / 3600, v % 3600 / 60);
	else
		snprintf(out, CLI_SPAN_SIZE, "%llud %lluh", v / 86400,
		    v % 86400 / 3600);
}
