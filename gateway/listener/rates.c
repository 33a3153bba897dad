/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Rows in sets: a client has its place in one of them, and takes there that of
 * the one that has been quiet longest. The seed keeps others from choosing
 * addresses that crowd one set.
 */
#include "gateway/listener/rates.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/secret.h"

enum { SETS = 512, WAYS = 8 };

struct listener_rate_row {
	struct listener_client client;
	uint64_t last_ms; /* 0: free */
	struct {
		uint64_t since_ms;
		unsigned n;
	} count[LISTENER_RATES];
};

static const uint64_t window_ms[LISTENER_RATES] = {
    [LISTENER_RATE_CONNECT] = 60 * 1000,
    [LISTENER_RATE_ERROR] = 60 * 1000,
    [LISTENER_RATE_AUTH] = 600 * 1000,
};

static uint64_t seed;

void
listener_rates_init(struct listener_rates *r)
{
	seed = random_u64();
	r->row = calloc(SETS * WAYS, sizeof(*r->row));
	if (r->row == NULL)
		fatal("out of memory");
}

void
listener_rates_clear(struct listener_rates *r)
{
	free(r->row);
	r->row = NULL;
}

static struct listener_rate_row *
set_of(const struct listener_rates *r, const struct listener_client *c)
{
	uint64_t h = seed;

	for (size_t i = 0; i < sizeof(c->addr); i++)
		h = (h ^ c->addr[i]) * 0x100000001b3ull;
	return r->row + ((h >> 20) % SETS) * WAYS;
}

static struct listener_rate_row *
find(const struct listener_rates *r, const struct listener_client *c)
{
	struct listener_rate_row *set = set_of(r, c);

	for (size_t i = 0; i < WAYS; i++)
		if (set[i].last_ms != 0 &&
		    memcmp(&set[i].client, c, sizeof(*c)) == 0)
			return &set[i];
	return NULL;
}

static struct listener_rate_row *
claim(struct listener_rates *r, const struct listener_client *c)
{
	struct listener_rate_row *set = set_of(r, c), *oldest = set;

	for (size_t i = 1; i < WAYS; i++)
		if (set[i].last_ms < oldest->last_ms)
			oldest = &set[i];
	*oldest = (struct listener_rate_row){.client = *c};
	return oldest;
}

unsigned
listener_rates_add(struct listener_rates *r, const struct listener_client *c,
    enum listener_rate what, uint64_t now_ms)
{
	struct listener_rate_row *row = find(r, c);

	if (row == NULL)
		row = claim(r, c);
	row->last_ms = now_ms == 0 ? 1 : now_ms;
	if (row->count[what].n == 0 ||
	    now_ms - row->count[what].since_ms >= window_ms[what]) {
		row->count[what].since_ms = now_ms;
		row->count[what].n = 0;
	}
	return ++row->count[what].n;
}

unsigned
listener_rates_get(const struct listener_rates *r,
    const struct listener_client *c, enum listener_rate what, uint64_t now_ms)
{
	const struct listener_rate_row *row = find(r, c);

	if (row == NULL ||
	    now_ms - row->count[what].since_ms >= window_ms[what])
		return 0;
	return row->count[what].n;
}
