/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a monitoring system reads, made of the answers of supervisor and store.
 */
#ifndef GATEWAY_CONTROL_EXPOSITION_H
#define GATEWAY_CONTROL_EXPOSITION_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"

struct json_t;

/* Append all metrics, in the text format 0.0.4 of Prometheus. status: the
   answer of the supervisor; store, discovery: those of these processes, NULL if
   there was none. ERR_TOO_BIG, ERR_NOMEM. */
enum err control_expose(const struct json_t *status, const struct json_t *store,
    const struct json_t *discovery, struct buf *out) MUST_CHECK;
/* Can it do its work: every process is ready and new mail is taken? Appends
   what is in the way, one a line. */
bool control_is_ready(
    const struct json_t *status, const struct json_t *store, struct buf *out);

#endif
