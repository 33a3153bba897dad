/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Any octets as the header of a proxy, however they are cut, and any line as
 * the attributes of a client.
 */
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "gateway/listener/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must_be_a_word(const char *s)
{
	for (; s != NULL && *s != '\0'; s++)
		if (*s <= ' ' || *s >= 0x7f || *s == '<' || *s == '(')
			abort();
}

/* Read as the session does: nothing behind the header, and the same result. */
static void
read_slowly(struct span all, enum listener_proxy want, size_t want_used)
{
	enum listener_proxy got = LISTENER_PROXY_MORE;
	struct sockaddr_storage ss;
	size_t used = 0, n = 0, room;

	while (got == LISTENER_PROXY_MORE && n < all.len) {
		room = listener_proxy_room(SPAN(all.data, n));
		n += room < all.len - n ? room : all.len - n;
		got = listener_proxy_parse(SPAN(all.data, n), &used, &ss);
	}
	if (want == LISTENER_PROXY_BAD)
		return; /* seen sooner or later */
	if (got != want || used != want_used || (used > 0 && used != n))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(1024 * 1024);
	struct sockaddr_storage ss;
	struct listener_attrs at;
	struct listener_reply why;
	size_t used = 0;
	enum listener_proxy got =
	    listener_proxy_parse(SPAN(data, size), &used, &ss);

	if (used > size || used > LISTENER_PROXY_MAX)
		abort();
	read_slowly(SPAN(data, size), got, used);
	if (listener_parse_attrs(SPAN(data, size), a, &at, &why) == ERR_OK) {
		must_be_a_word(at.addr);
		must_be_a_word(at.name);
		must_be_a_word(at.helo);
	}
	arena_free(a);
	return 0;
}
