/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Which mail server this machine has, and what its files say of names and of
 * the way out. Only lines that mean what they say are believed: a value with a
 * variable in it is left to the administrator.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/limits.h"
#include "gateway/cli/setup.h"

enum { PATH_SIZE = 1024, FILE_MAX = 1 << 20 };

const char *
setup_server_name(enum setup_server server)
{
	switch (server) {
	case SETUP_POSTFIX:
		return "Postfix";
	case SETUP_EXIM:
		return "Exim";
	case SETUP_OPENSMTPD:
		return "OpenSMTPD";
	case SETUP_OTHER:
		break;
	}
	return "";
}

/* The file below etc; false when it is not there or cannot be read. */
static bool
read_below(const char *etc, const char *name, struct buf *out)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/%s", etc, name);
	buf_reset(out);
	return file_read_path(AT_FDCWD, path, out) == ERR_OK;
}

static bool
is_there(const char *etc, const char *name)
{
	char path[PATH_SIZE];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", etc, name);
	return stat(path, &st) == 0;
}

/* Only what stands for itself, and can stand in quotes. */
static bool
is_plain(struct span v)
{
	for (size_t i = 0; i < v.len; i++)
		if (v.data[i] <= ' ' || v.data[i] > '~' ||
		    strchr("$\"\\{},", v.data[i]) != NULL)
			return false;
	return v.len > 0 && v.len < SETUP_VALUE;
}

static void
set_if_unset(char *to, struct span v)
{
	if (to[0] == '\0' && is_plain(v))
		snprintf(
		    to, SETUP_VALUE, "%.*s", (int)v.len, (const char *)v.data);
}

/* The value of the last "name = value" line, as Postfix takes it; empty if
   there is none. */
static struct span
setting(struct span text, const char *name)
{
	struct span found = {NULL, 0};

	while (text.len > 0) {
		size_t end = span_find_chr(text, 0, '\n');
		struct span line = SPAN(text.data, end);
		size_t eq = span_find_chr(line, 0, '=');

		if (eq < line.len &&
		    span_eq_str(span_trim(SPAN(line.data, eq)), name))
			found = span_trim(
			    SPAN(line.data + eq + 1, line.len - eq - 1));
		if (end < text.len)
			end++;
		text = SPAN(text.data + end, text.len - end);
	}
	return found;
}

/* "[smtp.provider.example]:587" is "smtp.provider.example:587" here; without
   brackets Postfix means the MX hosts of the name, and so we leave it. */
static void
take_relayhost(struct setup *s, struct span v)
{
	size_t end = span_find_chr(v, 0, ']');
	char text[SETUP_VALUE];

	if (!is_plain(v) || v.data[0] != '[' || end == v.len ||
	    memchr(v.data, ':', end) != NULL)
		return;
	if (end + 1 == v.len)
		snprintf(text, sizeof(text), "%.*s:25", (int)end - 1,
		    (const char *)v.data + 1);
	else
		snprintf(text, sizeof(text), "%.*s%.*s", (int)end - 1,
		    (const char *)v.data + 1, (int)(v.len - end - 1),
		    (const char *)v.data + end + 1);
	set_if_unset(s->next_hop, span_str(text));
}

static void
find_postfix(struct setup *s, struct span text)
{
	struct span domain = setting(text, "mydomain");

	s->server = SETUP_POSTFIX;
	take_relayhost(s, setting(text, "relayhost"));
	if (s->n_domain == 0 && is_plain(domain)) {
		set_if_unset(s->domain[0], domain);
		s->n_domain = 1;
	}
	set_if_unset(s->hostname, setting(text, "myhostname"));
}

/* The domain that this machine's own mail is from. */
static void
find_mailname(struct setup *s, struct span text)
{
	struct span name =
	    span_trim(SPAN(text.data, span_find_chr(text, 0, '\n')));

	if (s->n_domain > 0 || !is_plain(name) ||
	    memchr(name.data, '.', name.len) == NULL)
		return;
	set_if_unset(s->domain[0], name);
	s->n_domain = 1;
}

void
setup_find(struct setup *s, const char *etc)
{
	char name[SETUP_VALUE];
	struct buf b;

	buf_init(&b, FILE_MAX);
	if (read_below(etc, "postfix/main.cf", &b))
		find_postfix(s, buf_span(&b));
	else if (is_there(etc, "exim4") || is_there(etc, "exim"))
		s->server = SETUP_EXIM;
	else if (is_there(etc, "smtpd.conf"))
		s->server = SETUP_OPENSMTPD;
	if (read_below(etc, "mailname", &b))
		find_mailname(s, buf_span(&b));
	buf_clear(&b);
	if (gethostname(name, sizeof(name)) == 0 && strchr(name, '.') != NULL)
		set_if_unset(s->hostname, span_str(name));
}
