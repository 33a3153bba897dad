/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The HTTP server for a monitoring system: GET of /metrics, /healthz and
 * /readyz, one request a connection. RFC 9112, as little of it as there must
 * be.
 */
#ifndef GATEWAY_CONTROL_SCRAPE_H
#define GATEWAY_CONTROL_SCRAPE_H

#include <stdint.h>

#include "common/buf.h"

struct loop;
struct scrapes;

/* ask: put a question by its verb, returning the id that its answer will have,
   or 0 when nobody is there. */
struct scrapes *scrapes_new(
    struct loop *loop, uint64_t (*ask)(void *arg, const char *verb), void *arg);
/* NULL is fine. */
void scrapes_free(struct scrapes *s);
/* Take connections of a listening socket, taken over. */
void scrapes_listen(struct scrapes *s, int fd);
/* The answer to a question, if it is one of these. s may be NULL. */
void scrapes_answer(struct scrapes *s, uint64_t id, struct span answer);

/* What a request asks for; SCRAPE_MORE: its head is not complete. */
enum scrape_kind {
	SCRAPE_BAD, /* not HTTP, or too long */
	SCRAPE_MORE,
	SCRAPE_METHOD, /* neither GET nor HEAD */
	SCRAPE_NOTHING,
	SCRAPE_METRICS,
	SCRAPE_HEALTH,
	SCRAPE_READY,
};

enum scrape_kind scrape_parse(struct span request);

#endif
