/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Reports on TLS for who wants them by HTTPS (RFC 8460 5.4), asked for by
 * store.
 */
#ifndef GATEWAY_DISCOVERY_REPORT_H
#define GATEWAY_DISCOVERY_REPORT_H

#include <stdint.h>

#include "common/buf.h"

struct arena;
struct discovery_env;
struct discovery_reports;
struct ipc;

struct discovery_reports *discovery_reports_new(struct discovery_env *env);
void discovery_reports_free(struct discovery_reports *p);
/* Drop what is under way: nobody is told. */
void discovery_reports_reset(struct discovery_reports *p);
/* Where answers go; NULL: nowhere now. */
void discovery_reports_store(struct discovery_reports *p, struct ipc *store);
/* PROTO_TLS_POST; always answered. */
void discovery_reports_post(struct discovery_reports *p, uint64_t id,
    struct span payload, struct arena *a);

#endif
