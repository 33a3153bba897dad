/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Which formats the state directory is written in: one number for all that is
 * in it (docs/format-state.md). It is written before any process of a build
 * writes what an older one could not read, and an older one stops at it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/file.h"
#include "gateway/state.h"

enum {
	FORMAT_SIZE = 64, /* octets of the line */
	FORMAT_MAX = 1000000,
};

static const char format_file[] = "format";

/* A line: the number, and the version that wrote it, for people. 0: none is
   written. */
static enum err
read_format(int dir, unsigned *out)
{
	struct buf b;
	enum err err;
	char *end;

	buf_init(&b, FORMAT_SIZE);
	*out = 0;
	err = file_read_path(dir, format_file, &b);
	if (err == ERR_OK)
		err = buf_put(&b, SPAN("", 1));
	if (err == ERR_OK) {
		unsigned long n = strtoul((const char *)b.data, &end, 10);

		if (n == 0 || n > FORMAT_MAX || (*end != ' ' && *end != '\n') ||
		    b.data[0] < '0' || b.data[0] > '9')
			err = ERR_MALFORMED;
		else
			*out = (unsigned)n;
	}
	buf_clear(&b);
	return err == ERR_NOT_FOUND ? ERR_OK
	       : err == ERR_TOO_BIG ? ERR_MALFORMED
				    : err;
}

static enum err
check_format(
    const struct conf *c, int dir, unsigned *found, struct err_why *why)
{
	enum err err = read_format(dir, found);

	if (err == ERR_MALFORMED)
		return err_why(why, ERR_STATE_FORMAT,
		    "%s/%s is damaged: it is one line that begins with the "
		    "number of the format, %d for this version",
		    c->state, format_file, STATE_FORMAT);
	if (err != ERR_OK)
		return err_why(why, err, "%s/%s: %s", c->state, format_file,
		    err_text(err));
	if (*found > STATE_FORMAT)
		return err_why(why, ERR_STATE_FORMAT,
		    "a later version of Sealgate wrote %s (format %u, this one "
		    "knows %d): install that version again; going back takes "
		    "a backup from before",
		    c->state, *found, STATE_FORMAT);
	return ERR_OK;
}

enum err
state_format_check(const struct conf *c, struct err_why *why)
{
	int dir = open(c->state, O_PATH | O_DIRECTORY | O_CLOEXEC);
	unsigned found;
	enum err err;

	/* not there yet, or not for whoever asks to look into */
	if (dir < 0)
		return ERR_OK;
	err = check_format(c, dir, &found, why);
	close(dir);
	return err;
}

enum err
state_format_write(const struct conf *c, struct err_why *why)
{
	int dir = open(c->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char line[FORMAT_SIZE];
	unsigned found;
	enum err err;

	if (dir < 0)
		return err_why(why, err_from_errno(errno), "%s: %s", c->state,
		    strerror(errno));
	err = check_format(c, dir, &found, why);
	if (err == ERR_OK && found < STATE_FORMAT) {
		snprintf(line, sizeof(line), "%d %s\n", STATE_FORMAT,
		    PACKAGE_VERSION);
		err = file_create_synced(
		    dir, format_file, span_str(line), 0444, true);
		if (err != ERR_OK)
			err = err_why(why, err, "cannot write %s/%s: %s",
			    c->state, format_file, err_text(err));
	}
	close(dir);
	return err;
}
