/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * CR LF is one line end, and so is either alone.
 */
#include "gateway/listener/mend.h"

#include <string.h>
#include <unistd.h>

#include "common/memfd.h"

enum { OUT = 16 * 1024 };

struct writer {
	int fd;
	uint64_t size, max;
	uint64_t header_at; /* 0: not known yet */
	bool empty;	    /* the line so far */
	size_t n;
	enum err err;
	uint8_t out[OUT];
};

static void
flush(struct writer *w)
{
	if (w->err == ERR_OK && w->n > 0)
		w->err = memfd_write(w->fd, SPAN(w->out, w->n));
	w->n = 0;
}

static void
put(struct writer *w, struct span s)
{
	if (s.len > w->max - w->size)
		w->err = ERR_TOO_BIG;
	for (size_t at = 0, n; w->err == ERR_OK && at < s.len; at += n) {
		if (w->n == OUT)
			flush(w);
		n = s.len - at < OUT - w->n ? s.len - at : OUT - w->n;
		memcpy(w->out + w->n, s.data + at, n);
		w->n += n;
	}
	if (w->err == ERR_OK)
		w->size += s.len;
}

static void
end_line(struct writer *w)
{
	put(w, SPAN_LIT("\r\n"));
	if (w->empty && w->header_at == 0)
		w->header_at = w->size;
	w->empty = true;
}

static void
copy(struct writer *w, struct span in)
{
	size_t end;

	for (size_t at = 0; w->err == ERR_OK && at < in.len; at = end + 1) {
		end = at;
		while (end < in.len && in.data[end] != '\r' &&
		       in.data[end] != '\n')
			end++;
		put(w, SPAN(in.data + at, end - at));
		if (end > at)
			w->empty = false;
		if (end == in.len)
			break;
		end_line(w);
		if (in.data[end] == '\r' && end + 1 < in.len &&
		    in.data[end + 1] == '\n')
			end++;
	}
	flush(w);
}

enum err
listener_mend(int fd, uint64_t size, uint64_t max, struct listener_mended *out)
{
	struct writer w = {.fd = -1, .max = max, .empty = true};
	struct memfd_map map = {0};
	enum err e = memfd_map(fd, size, &map);

	if (e == ERR_OK)
		e = memfd_new(&w.fd);
	if (e == ERR_OK) {
		copy(&w, map.data);
		e = w.err;
	}
	memfd_unmap(&map);
	if (e == ERR_OK)
		e = memfd_seal(w.fd);
	if (e != ERR_OK) {
		if (w.fd >= 0)
			close(w.fd);
		return e;
	}
	*out = (struct listener_mended){.fd = w.fd,
	    .size = w.size,
	    .header_at = w.header_at == 0 ? w.size : w.header_at};
	return ERR_OK;
}
