/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Any octets as DATA and as BDAT, whole and cut in pieces whose sizes the
 * input chooses: both must come to the same, and what is accepted has no bare
 * CR, bare LF or NUL.
 */
#include <stdlib.h>
#include <string.h>

#include "common/memfd.h"
#include "gateway/listener/data.h"
#include "gateway/listener/limits.h"

enum { MAX = 512 * 1024, MEMORY = 4 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	enum err err;
	size_t used;
	bool end;
	struct memfd_map map;
};

static struct listener_limits limits;

static void
feed(struct span in, bool dots, unsigned pieces, struct outcome *o)
{
	struct listener_data d;
	struct err_why why;
	uint8_t *copy = malloc(in.len + 1);
	size_t at = 0, n;

	memset(o, 0, sizeof(*o));
	if (copy == NULL ||
	    listener_data_init(&d, &limits, MEMORY, MAX, 0) != ERR_OK)
		abort();
	while (at < in.len && !o->end) {
		n = in.len - at;
		if (pieces != 0 && n > 1 + at % pieces)
			n = 1 + at % pieces;
		memcpy(copy, in.data + at, n);
		if (dots)
			n = listener_data_dots(&d, copy, n, &o->end);
		else
			listener_data_octets(&d, copy, n);
		at += n;
	}
	o->used = at;
	o->err = listener_data_finish(&d, &why);
	if (o->err == ERR_OK && memfd_map(d.fd, MAX, &o->map) != ERR_OK)
		abort();
	listener_data_clear(&d);
	if (limits.reserved != 0)
		abort();
	free(copy);
}

static void
must_be_clean(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		bool cr = i > 0 && s.data[i - 1] == '\r';

		if (s.data[i] == '\0' || (s.data[i] == '\n') != cr)
			abort();
	}
	if (s.len > 0 && s.data[s.len - 1] == '\r')
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole, cut;
	unsigned pieces;

	if (size < 1 || size > MAX)
		return 0;
	pieces = 1 + data[0] % 7;
	for (int dots = 0; dots < 2; dots++) {
		feed(SPAN(data + 1, size - 1), dots, 0, &whole);
		feed(SPAN(data + 1, size - 1), dots, pieces, &cut);
		if (whole.err != cut.err || whole.used != cut.used ||
		    whole.end != cut.end ||
		    !span_eq(whole.map.data, cut.map.data))
			abort();
		must_be_clean(whole.map.data);
		memfd_unmap(&whole.map);
		memfd_unmap(&cut.map);
	}
	return 0;
}
