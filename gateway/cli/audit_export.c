/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate audit export`: lines of the log for other programs, as they stand
 * or as messages of syslog (RFC 5424) or the journal, to standard output, a
 * socket, or a server. The line itself is in each message, so that what was
 * kept there verifies when it is put together again.
 */
#include <errno.h>
#include <jansson.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/file.h"
#include "common/text.h"
#include "gateway/cli/ask.h"
#include "gateway/cli/audit_private.h"
#include "gateway/conf.h"
#include "gateway/store/audit_search.h"

enum {
	PRIORITY = 10 * 8 + 6, /* RFC 5424 6.2.1: authpriv, informational */
	MESSAGE_MAX = STORE_LINE_MAX + 4096,
	POLL_MS = 500,
	NAME_MAX_LEN = 256,
};

static const char journal_socket[] = "/run/systemd/journal/socket";

struct export
{
	enum { AS_LINES, AS_SYSLOG, AS_JOURNAL } form;
	const char *to;	  /* NULL: standard output */
	const char *host; /* of the gateway */
	bool follow;
	bool counted;  /* RFC 6587 3.4.1: on a stream each has its length */
	uint64_t from; /* next line */
	int fd;
	struct buf message;
	enum err err;
};

/* --- where to --- */

static int
connect_unix(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(to.sun_path))
		return -1;
	memcpy(to.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 &&
	    connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* "192.0.2.1:514", "[2001:db8::1]:514", "log.example:514" */
static int
connect_inet(const char *where, int type)
{
	const struct addrinfo hints = {.ai_socktype = type};
	struct addrinfo *found = NULL;
	const char *colon = strrchr(where, ':');
	char name[NAME_MAX_LEN];
	size_t len;
	int fd = -1;

	if (colon == NULL || colon == where ||
	    (size_t)(colon - where) >= sizeof(name))
		return -1;
	len = (size_t)(colon - where);
	if (where[0] == '[' && where[len - 1] == ']') {
		where++;
		len -= 2;
	}
	memcpy(name, where, len);
	name[len] = '\0';
	if (getaddrinfo(name, colon + 1, &hints, &found) != 0)
		return -1;
	for (struct addrinfo *a = found; a != NULL && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, type | SOCK_CLOEXEC, 0);
		if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(found);
	return fd;
}

static enum err
open_target(struct export *x)
{
	x->fd = STDOUT_FILENO;
	if (x->to == NULL && x->form != AS_JOURNAL)
		return ERR_OK;
	if (x->to == NULL)
		x->to = journal_socket;
	errno = 0;
	if (strncmp(x->to, "udp:", 4) == 0) {
		x->fd = connect_inet(x->to + 4, SOCK_DGRAM);
	} else if (strncmp(x->to, "tcp:", 4) == 0) {
		x->fd = connect_inet(x->to + 4, SOCK_STREAM);
		x->counted = true;
	} else {
		x->fd = connect_unix(x->to);
	}
	if (x->fd >= 0)
		return ERR_OK;
	cli_say("cannot connect to %s: %s", x->to,
	    errno != 0 ? strerror(errno) : "no such place");
	return ERR_IO;
}

/* --- one message --- */

/* RFC 5424 6: the message is the line of the log. */
static enum err
as_syslog(struct export *x, struct span line, const struct store_line *l)
{
	return buf_printf(&x->message, "<%d>1 %.*s %s sealgate - audit - %.*s",
	    PRIORITY, (int)l->time.len, (const char *)l->time.data, x->host,
	    (int)line.len, (const char *)line.data);
}

/* A field whose value has no line end in it. */
static enum err
as_journal(struct export *x, struct span line, const struct store_line *l)
{
	json_t *rec =
	    json_loadb((const char *)l->rec.data, l->rec.len, 0, NULL);
	enum err e = buf_printf(&x->message,
	    "MESSAGE=%.*s\nPRIORITY=6\nSYSLOG_IDENTIFIER=sealgate-audit\n"
	    "SEALGATE_NUMBER=%llu\nSEALGATE_TYPE=%s\nSEALGATE_ID=%s\n",
	    (int)line.len, (const char *)line.data, (unsigned long long)l->seq,
	    cli_member(rec, "type"), cli_member(rec, "id"));

	json_decref(rec);
	return e;
}

static enum err
send_message(struct export *x)
{
	char count[24];
	ssize_t n;

	if (x->fd == STDOUT_FILENO || x->counted) {
		snprintf(count, sizeof(count), "%zu ", x->message.len);
		if (x->counted &&
		    file_write_all(x->fd, span_str(count)) != ERR_OK)
			return ERR_IO;
		return file_write_all(x->fd, buf_span(&x->message));
	}
	do
		n = send(x->fd, x->message.data, x->message.len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? err_from_errno(errno) : ERR_OK;
}

static void
on_line(void *arg, struct span line, const struct store_line *l)
{
	struct export *x = arg;

	if (x->err != ERR_OK)
		return;
	buf_reset(&x->message);
	switch (x->form) {
	case AS_LINES:
		x->err = buf_put(&x->message, line);
		break;
	case AS_SYSLOG:
		x->err = as_syslog(x, line, l);
		break;
	case AS_JOURNAL:
		x->err = as_journal(x, line, l);
		break;
	}
	if (x->err == ERR_OK && x->fd == STDOUT_FILENO)
		x->err = buf_putc(&x->message, '\n');
	if (x->err == ERR_OK)
		x->err = send_message(x);
	if (x->err == ERR_OK)
		x->from = l->seq + 1;
}

/* --- the verb --- */

static bool
take_form(struct export *x, const char *word)
{
	static const char *const words[] = {[AS_LINES] = "json",
	    [AS_SYSLOG] = "syslog",
	    [AS_JOURNAL] = "journal"};

	for (int i = AS_LINES; i <= AS_JOURNAL; i++)
		if (strcmp(words[i], word) == 0) {
			x->form = i;
			return true;
		}
	return false;
}

static bool
take_options(struct export *x, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--follow") == 0) {
			x->follow = true;
			continue;
		}
		if (i + 1 == argc)
			return false;
		if (strcmp(argv[i], "--to") == 0)
			x->to = argv[++i];
		else if (strcmp(argv[i], "--format") == 0) {
			if (!take_form(x, argv[++i]))
				return false;
		} else if (strcmp(argv[i], "--from") != 0 ||
			   text_number(span_str(argv[++i]), 1, UINT64_MAX,
			       &x->from) != ERR_OK)
			return false;
	}
	return true;
}

static enum err
export_new(struct export *x, int dir_fd)
{
	struct store_search q = {.from = x->from, .on_line = on_line, .arg = x};
	struct store_searched done;
	enum err e = store_audit_search(dir_fd, &q, &done);

	return e == ERR_OK ? x->err : e;
}

int
cli_audit_export(struct cli *cli, int argc, char **argv)
{
	static const struct timespec poll = {0, POLL_MS * 1000000L};
	struct export x = {.fd = -1, .from = 1};
	const struct conf *conf;
	int dir_fd = -1;
	enum err e;

	if (!take_options(&x, argc, argv))
		return cli_usage(cli);
	if (cli_conf(cli, &conf) != ERR_OK ||
	    audit_dir_open(cli, &dir_fd) != ERR_OK)
		return CLI_FAILED;
	x.host = conf->hostname;
	signal(SIGPIPE, SIG_IGN);
	buf_init(&x.message, MESSAGE_MAX);
	e = open_target(&x);
	if (e == ERR_OK)
		e = export_new(&x, dir_fd);
	while (e == ERR_OK && x.follow) {
		nanosleep(&poll, NULL);
		e = export_new(&x, dir_fd);
	}
	if (e != ERR_OK)
		cli_say("stopped before record %llu: %s",
		    (unsigned long long)x.from, err_text(e));
	if (x.fd > STDERR_FILENO)
		close(x.fd);
	close(dir_fd);
	buf_clear(&x.message);
	return e == ERR_OK ? CLI_DONE : CLI_FAILED;
}
