/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Counters. The list of clients is short (one entry for each that is
 * connected) and is searched from its beginning.
 */
#include "gateway/listener/limits.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"

struct listener_count {
	struct listener_client client;
	unsigned n;
};

void
listener_limits_init(struct listener_limits *l)
{
	memset(l, 0, sizeof(*l));
}

void
listener_limits_clear(struct listener_limits *l)
{
	free(l->clients);
	listener_limits_init(l);
}

struct listener_client
listener_client_of(const struct sockaddr *sa)
{
	struct listener_client c = {0};

	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;

		c.addr[10] = c.addr[11] = 0xff;
		memcpy(c.addr + 12, &in->sin_addr, 4);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;
		bool mapped = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);

		memcpy(c.addr, &in6->sin6_addr, mapped ? 16 : 8);
	}
	return c;
}

static struct listener_count *
find(const struct listener_limits *l, const struct listener_client *c)
{
	for (size_t i = 0; i < l->n_clients; i++)
		if (memcmp(&l->clients[i].client, c, sizeof(*c)) == 0)
			return &l->clients[i];
	return NULL;
}

static struct listener_count *
add(struct listener_limits *l, const struct listener_client *c)
{
	struct listener_count *p;
	size_t cap;

	if (l->n_clients == l->cap_clients) {
		cap = l->cap_clients == 0 ? 16 : l->cap_clients * 2;
		p = realloc(l->clients, cap * sizeof(*p));
		if (p == NULL)
			return NULL;
		l->clients = p;
		l->cap_clients = cap;
	}
	p = &l->clients[l->n_clients++];
	*p = (struct listener_count){.client = *c};
	return p;
}

bool
listener_limits_enter(struct listener_limits *l,
    const struct listener_client *c, unsigned max, unsigned max_client)
{
	struct listener_count *p = find(l, c);

	if (l->connections >= max || (p != NULL && p->n >= max_client))
		return false;
	if (p == NULL)
		p = add(l, c);
	if (p == NULL)
		return false;
	p->n++;
	l->connections++;
	return true;
}

void
listener_limits_leave(
    struct listener_limits *l, const struct listener_client *c)
{
	struct listener_count *p = find(l, c);

	if (p == NULL)
		fatal("a client leaves that never came");
	l->connections--;
	if (--p->n == 0)
		*p = l->clients[--l->n_clients];
}

bool
listener_limits_reserve(struct listener_limits *l, uint64_t max, uint64_t size)
{
	if (size > max || l->reserved > max - size)
		return false;
	l->reserved += size;
	return true;
}

void
listener_limits_release(struct listener_limits *l, uint64_t size)
{
	if (size > l->reserved)
		fatal("more memory is released than was reserved");
	l->reserved -= size;
}

static unsigned
find_crash(const struct listener_limits *l, const uint8_t hash[DIGEST_SIZE])
{
	unsigned i;

	for (i = 0; i < l->n_crashes; i++)
		if (memcmp(l->crash[i].hash, hash, DIGEST_SIZE) == 0)
			break;
	return i;
}

unsigned
listener_limits_crashed(
    struct listener_limits *l, const uint8_t hash[DIGEST_SIZE])
{
	unsigned i = find_crash(l, hash);

	if (i == l->n_crashes) {
		i = l->next_crash;
		l->next_crash = (i + 1) % LISTENER_CRASHES;
		if (l->n_crashes < LISTENER_CRASHES)
			l->n_crashes++;
		memcpy(l->crash[i].hash, hash, DIGEST_SIZE);
		l->crash[i].count = 0;
	}
	return ++l->crash[i].count;
}

unsigned
listener_limits_crashes(
    const struct listener_limits *l, const uint8_t hash[DIGEST_SIZE])
{
	unsigned i = find_crash(l, hash);

	return i == l->n_crashes ? 0 : l->crash[i].count;
}
