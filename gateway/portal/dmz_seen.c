/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Who has opened what in the last hour, in the DMZ. Whoever has the right proof
 * may open an object as often as they like, and what is told costs a write to
 * the disk and a place: it is told once an hour of a client, and of so many
 * clients of an object. After a restart it is told once more.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "gateway/portal/dmz_private.h"

enum { HOUR_MS = 3600 * 1000, NET = 8 };

struct sight {
	uint8_t object[OBJECT_ID_SIZE];
	uint8_t net[NET]; /* an IPv4 address, or an IPv6 network of 64 bits */
	uint64_t at_ms;	  /* 0: the place is free */
};

struct portal_seen {
	struct sight sight[LIMIT_DMZ_SEEN];
	size_t next; /* the oldest */
};

struct portal_seen *
portal_seen_new(void)
{
	return calloc(1, sizeof(struct portal_seen));
}

void
portal_seen_free(struct portal_seen *s)
{
	free(s);
}

/* All zero if it is none. */
static void
net_of(const char *client, uint8_t out[NET])
{
	uint8_t raw[16] = {0};

	/* the octets behind an IPv4 address are no network of IPv6 */
	if (inet_pton(AF_INET, client, raw) == 1)
		memset(raw + 4, 0xff, NET - 4);
	else
		(void)!inet_pton(AF_INET6, client, raw);
	memcpy(out, raw, NET);
}

enum portal_news
portal_seen_look(const struct portal_seen *s, const uint8_t *object,
    const char *client, uint64_t now_ms)
{
	uint8_t net[NET];
	unsigned n = 0;

	net_of(client, net);
	for (size_t i = 0; i < LIMIT_DMZ_SEEN; i++) {
		const struct sight *v = &s->sight[i];

		if (v->at_ms == 0 || now_ms - v->at_ms >= HOUR_MS ||
		    memcmp(v->object, object, sizeof(v->object)) != 0)
			continue;
		if (memcmp(v->net, net, sizeof(net)) == 0)
			return PORTAL_NEWS_NONE;
		n++;
	}
	if (n > LIMIT_DMZ_SEEN_CLIENTS)
		return PORTAL_NEWS_NONE;
	return n == LIMIT_DMZ_SEEN_CLIENTS ? PORTAL_NEWS_MORE
					   : PORTAL_NEWS_CLIENT;
}

void
portal_seen_note(struct portal_seen *s, const uint8_t *object,
    const char *client, uint64_t now_ms)
{
	struct sight *v = &s->sight[s->next];

	s->next = (s->next + 1) % LIMIT_DMZ_SEEN;
	memcpy(v->object, object, sizeof(v->object));
	net_of(client, v->net);
	v->at_ms = now_ms > 0 ? now_ms : 1;
}
