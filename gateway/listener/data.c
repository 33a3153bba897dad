/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A line at a time, with memchr(3) as the only look at single octets. Kept
 * octets move to the front of the caller's buffer when a dot was dropped
 * before them, and go into the memfd with one write.
 */
#include "gateway/listener/data.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/memfd.h"
#include "gateway/listener/limits.h"
#include "gateway/listener/mend.h"
#include "mime/scan.h"

enum {
	/* octets reserved when SIZE was not said, and each time more */
	STEP_FIRST = 64 * 1024,
	STEP_MORE = 1024 * 1024,
};

enum err
listener_data_init(struct listener_data *d, struct listener_limits *limits,
    uint64_t max_memory, uint64_t max_size, uint64_t declared)
{
	uint64_t size = declared == 0 ? STEP_FIRST : declared;

	*d = (struct listener_data){.fd = -1,
	    .max_size = max_size,
	    .limits = limits,
	    .max_memory = max_memory,
	    .state = LISTENER_DATA_LINE_START};
	if (declared > max_size)
		return ERR_TOO_BIG;
	if (!listener_limits_reserve(limits, max_memory, size))
		return ERR_NOMEM;
	d->reserved = size;
	return ERR_OK;
}

static void
drop_contents(struct listener_data *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
	if (d->reserved > 0)
		listener_limits_release(d->limits, d->reserved);
	d->reserved = 0;
}

void
listener_data_clear(struct listener_data *d)
{
	drop_contents(d);
}

static bool
is_spoilt(const struct listener_data *d)
{
	return d->bad_line_end || d->long_line || d->too_big || d->no_memory ||
	       d->failed != ERR_OK;
}

/* Reserve until size octets fit. */
static bool
have_room(struct listener_data *d, uint64_t size)
{
	uint64_t more;

	if (size <= d->reserved)
		return true;
	more = size - d->reserved;
	if (more < STEP_MORE)
		more = STEP_MORE;
	if (!listener_limits_reserve(d->limits, d->max_memory, more))
		return false;
	d->reserved += more;
	return true;
}

static void
store(struct listener_data *d, const uint8_t *in, size_t len)
{
	if (len > d->max_size - d->size)
		d->too_big = true;
	else
		d->size += len;
	if (!is_spoilt(d) && !have_room(d, d->size))
		d->no_memory = true;
	if (!is_spoilt(d) && d->fd < 0)
		d->failed = memfd_new(&d->fd);
	if (!is_spoilt(d))
		d->failed = memfd_write(d->fd, SPAN(in, len));
	if (is_spoilt(d))
		drop_contents(d);
}

/* The line so far got n octets more, and its line feed if ended. */
static void
count_line(struct listener_data *d, size_t n, bool ended)
{
	d->line_len += n;
	if (d->line_len > LIMIT_LINE_IN + 1 && !d->binary) /* with the CR */
		d->long_line = true;
	if (!d->header_ended)
		d->header_at += n + ended;
	if (!ended)
		return;
	if (d->line_len == 1)
		d->header_ended = true;
	d->line_len = 0;
}

/* A CR or LF that stands alone. */
static void
note_bare(struct listener_data *d)
{
	if (d->binary)
		return;
	if (d->normalise)
		d->bare = true;
	else
		d->bad_line_end = true;
}

/* Octets of a line, up to and with its line feed if that is there. Returns
   how many; what is kept of them goes to in + *kept. */
static size_t
take_text(struct listener_data *d, uint8_t *in, size_t len, uint8_t *keep)
{
	const uint8_t *lf = memchr(in, '\n', len);
	size_t n = lf == NULL ? len : (size_t)(lf - in);
	size_t all = n + (lf != NULL);
	const uint8_t *cr = memchr(in, '\r', n);
	bool was_cr = d->cr;

	if (n > 0) {
		if (was_cr || (cr != NULL && cr != in + n - 1))
			note_bare(d);
		if (!d->binary && memchr(in, '\0', n) != NULL)
			d->bad_line_end = true;
		d->cr = in[n - 1] == '\r';
	}
	d->state = LISTENER_DATA_TEXT;
	if (lf != NULL && d->cr)
		d->state = LISTENER_DATA_LINE_START;
	else if (lf != NULL)
		note_bare(d);
	if (lf != NULL)
		d->cr = false;
	count_line(d, n, lf != NULL);
	if (keep != in)
		memmove(keep, in, all);
	return all;
}

size_t
listener_data_dots(struct listener_data *d, uint8_t *in, size_t len, bool *end)
{
	size_t at = 0, kept = 0, n;

	while (at < len && !*end) {
		switch (d->state) {
		case LISTENER_DATA_LINE_START:
			d->state = LISTENER_DATA_TEXT;
			if (in[at] == '.') {
				d->state = LISTENER_DATA_DOT;
				at++;
			}
			break;
		case LISTENER_DATA_DOT:
			d->state = LISTENER_DATA_TEXT;
			if (in[at] == '\r') {
				d->state = LISTENER_DATA_DOT_CR;
				at++;
			}
			break;
		case LISTENER_DATA_DOT_CR:
			if (in[at] == '\n') {
				*end = true;
				at++;
				break;
			}
			d->bad_line_end = true;
			d->state = LISTENER_DATA_TEXT;
			break;
		case LISTENER_DATA_TEXT:
			n = take_text(d, in + at, len - at, in + kept);
			at += n;
			kept += n;
			break;
		}
	}
	d->received += at;
	store(d, in, kept);
	return at;
}

void
listener_data_octets(struct listener_data *d, uint8_t *in, size_t len)
{
	size_t at = 0;

	while (at < len)
		at += take_text(d, in + at, len - at, in + at);
	d->received += len;
	store(d, in, len);
}

bool
listener_data_is_endless(const struct listener_data *d)
{
	return d->received > d->max_size &&
	       d->received - d->max_size > d->max_size + STEP_MORE;
}

enum err
listener_data_error(const struct listener_data *d)
{
	if (d->bad_line_end)
		return ERR_LINE_END;
	if (d->long_line)
		return ERR_LIMIT;
	if (d->too_big)
		return ERR_TOO_BIG;
	return d->no_memory ? ERR_NOMEM : d->failed;
}

/* Hops and size of the header. The body needs no second look: its lines were
   seen on the way in. */
static enum err
scan_header(struct listener_data *d, struct err_why *why)
{
	size_t len = d->header_at, got = 0;
	struct mime_scan scan;
	uint8_t *header;
	ssize_t n;
	enum err e;

	if (len > LIMIT_HEADER_SIZE + 2)
		return err_why(why, ERR_LIMIT,
		    "the header is larger than %u octets", LIMIT_HEADER_SIZE);
	header = calloc(1, len + LIMIT_MESSAGE_PADDING);
	if (header == NULL)
		return ERR_NOMEM;
	while (got < len) {
		n = pread(d->fd, header + got, len - got, (off_t)got);
		if (n <= 0 && errno != EINTR)
			break;
		got += n < 0 ? 0 : (size_t)n;
	}
	e = got == len ? mime_scan(SPAN(header, len), &scan, why) : ERR_IO;
	free(header);
	return e;
}

/* Put CRLF in the place of what stood alone: a second memfd, and the first one
   is gone. */
static enum err
mend(struct listener_data *d)
{
	struct listener_mended m;
	enum err e = listener_mend(d->fd, d->size, d->max_size, &m);

	if (e != ERR_OK)
		return e;
	close(d->fd);
	d->fd = m.fd;
	d->size = m.size;
	d->header_at = m.header_at;
	return have_room(d, m.size) ? ERR_OK : ERR_NOMEM;
}

enum err
listener_data_finish(struct listener_data *d, struct err_why *why)
{
	enum err e;

	if (d->cr) /* the last octet of the last chunk */
		note_bare(d);
	e = listener_data_error(d);
	if (e == ERR_OK && d->fd < 0) /* not an octet came */
		e = memfd_new(&d->fd);
	if (e == ERR_OK)
		e = memfd_seal(d->fd);
	if (e == ERR_OK && d->bare)
		e = mend(d);
	if (e == ERR_OK)
		e = scan_header(d, why);
	if (e != ERR_OK) {
		drop_contents(d);
		return e;
	}
	if (d->reserved > d->size) {
		listener_limits_release(d->limits, d->reserved - d->size);
		d->reserved = d->size;
	}
	return ERR_OK;
}
