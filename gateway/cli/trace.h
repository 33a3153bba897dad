/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A trace for a person, from its JSON (docs/format-trace.md): `sealgate
 * explain` and `sealgate audit show` print the same.
 */
#ifndef GATEWAY_CLI_TRACE_H
#define GATEWAY_CLI_TRACE_H

struct json_t;

/* "b@example.org: sealed (smime)" and, indented below it, why. */
void cli_trace_print(const struct json_t *trace);

/* The TLS of a hop, from a record of its delivery: ", TLSv1.3 … (dane, …)". */
void cli_trace_put_tls(const struct json_t *rec);

#endif
