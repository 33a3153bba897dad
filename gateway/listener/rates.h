/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * How often a client did something of late: connections, errors, failures to
 * sign in. A table of fixed size; who has been quiet longest is forgotten.
 */
#ifndef GATEWAY_LISTENER_RATES_H
#define GATEWAY_LISTENER_RATES_H

#include "gateway/listener/limits.h"

enum listener_rate {
	LISTENER_RATE_CONNECT, /* in a minute */
	LISTENER_RATE_ERROR,   /* in a minute */
	LISTENER_RATE_AUTH,    /* failures, in ten minutes */
	LISTENER_RATES
};

struct listener_rate_row;

struct listener_rates {
	struct listener_rate_row *row;
};

void listener_rates_init(struct listener_rates *r);
void listener_rates_clear(struct listener_rates *r);
/* It happened once more; returns how often within the time that counts. */
unsigned listener_rates_add(struct listener_rates *r,
    const struct listener_client *c, enum listener_rate what, uint64_t now_ms);
/* The same without counting. */
unsigned listener_rates_get(const struct listener_rates *r,
    const struct listener_client *c, enum listener_rate what, uint64_t now_ms);

#endif
