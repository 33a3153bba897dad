/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What tls_report.c (counting, rows) and tls_report_send.c (a report on its
 * way) share. The octets of rows are in docs/format-tls.md.
 */
#ifndef GATEWAY_STORE_TLS_REPORT_PRIVATE_H
#define GATEWAY_STORE_TLS_REPORT_PRIVATE_H

#include "gateway/store/tls_private.h"
#include "gateway/store/tls_report.h"
#include "gateway/tls_report.h"

enum {
	REPORT_DAY_S = 24 * 3600,
	REPORT_ROWS_MAX = 1000, /* kinds of sessions in one report */
};

struct report_count;
struct report_job;

struct store_reports {
	struct report_count *counts; /* not written yet */
	unsigned n_counts;
	uint64_t written_ms; /* steady clock */
	struct report_job *jobs;
	unsigned n_jobs;
	uint64_t last_id;
	/* where the search for what is due goes on */
	uint32_t day;
	char domain[NET_DNS_NAME_MAX];
};

/* The first day and domain behind those with results. ERR_NOT_FOUND. */
enum err store_reports_next(
    struct store *s, uint32_t *day, char domain[NET_DNS_NAME_MAX]) MUST_CHECK;
/* All of one domain and day, in the arena of s->tls. ERR_NOT_FOUND. */
enum err store_reports_read(struct store *s, uint32_t day, const char *domain,
    struct tls_report *out) MUST_CHECK;
/* Keep in mind that the address has the report, until that is forgotten. */
void store_reports_mark(
    struct store *s, uint32_t day, const char *domain, const char *uri);
bool store_reports_is_marked(
    struct store *s, uint32_t day, const char *domain, const char *uri);
/* Forget all of it. */
void store_reports_delete(struct store *s, uint32_t day, const char *domain);

/* Begin what is due, go on with what waits. */
void store_reports_send(struct store *s);
void store_reports_send_end(struct store *s);

#endif
