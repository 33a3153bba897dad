/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Mail that goes in circles through this gateway: our own Received fields are
 * the marker (RFC 5321 6.3). Fields of others are counted by mime/scan.c.
 */
#include <string.h>

#include "common/limits.h"
#include "gateway/worker/worker_private.h"
#include "mime/header.h"

/* "by HOST" between blanks, as listener_message_trace() writes it. */
static bool
is_own(struct span value, const char *host)
{
	size_t len = strlen(host), at = 0;
	struct span by = SPAN_LIT("\tby "), rest;

	while ((at = span_find(value, at, by)) < value.len) {
		at += by.len;
		rest = SPAN(value.data + at, value.len - at);
		if (rest.len > len && rest.data[len] == ' ' &&
		    span_starts_caseeq(rest, host))
			return true;
	}
	return false;
}

enum err
job_check_hops(struct job *j, struct err_why *why)
{
	const struct mime_field *f = NULL;
	struct mime_header h;
	unsigned n = 0;
	enum err e = mime_header_parse(j->map.data, j->arena, &h, why);

	if (e != ERR_OK)
		return e;
	while ((f = mime_header_find(&h, "Received", f)) != NULL)
		n += is_own(f->value, j->conf->hostname) ? 1 : 0;
	j->own_hops = n;
	/* what was let in is not asked again */
	return n <= LIMIT_OWN_HOPS || j->replaces != 0
		   ? ERR_OK
		   : err_why(why, ERR_LOOP, "it was here %u times before", n);
}
