/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What sessions with the mail servers of a domain had of TLS, for the reports
 * that it asks for (RFC 8460): one result as relay tells it and store counts
 * it, and the report of a day as JSON. When reports are made and where they go
 * is in store/tls_report.c.
 */
#ifndef GATEWAY_TLS_REPORT_H
#define GATEWAY_TLS_REPORT_H

#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/pack.h"

enum tls_report_policy {
	TLS_REPORT_NO_POLICY = 0,
	TLS_REPORT_TLSA,
	TLS_REPORT_STS,
	TLS_REPORT_POLICIES
};

/* RFC 8460 4.3. */
enum tls_report_type {
	TLS_REPORT_SUCCESS = 0,
	TLS_REPORT_STARTTLS_NOT_SUPPORTED,
	TLS_REPORT_HOST_MISMATCH,
	TLS_REPORT_EXPIRED,
	TLS_REPORT_NOT_TRUSTED,
	TLS_REPORT_VALIDATION_FAILURE,
	TLS_REPORT_TLSA_INVALID,
	TLS_REPORT_DNSSEC_INVALID,
	TLS_REPORT_DANE_REQUIRED,
	TLS_REPORT_STS_FETCH_ERROR,
	TLS_REPORT_STS_INVALID,
	TLS_REPORT_STS_WEBPKI_INVALID,
	TLS_REPORT_TYPES
};
/* "certificate-expired"; "success" */
const char *tls_report_type_name(enum tls_report_type t);

enum { TLS_REPORT_LINES_MAX = 70 }; /* of a policy, and its mail servers */

/* One session, or many of the same kind. Texts are "" when not known. */
struct tls_result {
	const char *domain; /* lower-case A-labels */
	uint8_t policy;	    /* enum tls_report_policy that counts for it */
	uint8_t type;	    /* enum tls_report_type */
	const char **line;  /* the policy */
	uint32_t n_line;
	const char **mx; /* of MTA-STS: whom it means */
	uint32_t n_mx;
	const char *host; /* the mail server */
	const char *ip;	  /* its address */
	const char *our;  /* ours */
	const char *reason;
	const char *helo; /* the name by which the mail server greets */
};

void tls_result_pack(struct packer *p, const struct tls_result *r);
/* In the arena; the reader's error is set for numbers that mean nothing. What
   an earlier release has written ends before helo. */
void tls_result_unpack(
    struct unpacker *u, struct arena *a, struct tls_result *out);

/* A report: counted results of one domain and one day. */
struct tls_report_row {
	struct tls_result result;
	uint64_t sessions;
};

struct tls_report {
	const char *domain;
	const char *organization, *contact;
	const char *id;
	uint32_t day; /* since 1970, UTC */
	const struct tls_report_row *row;
	size_t n_row;
};

/* As JSON (RFC 8460 4.4), to be freed by the caller. NULL: out of memory. */
char *tls_report_json(const struct tls_report *r);

#endif
