/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Messages between processes about the TLS of domains: looks at their mail
 * servers, policies of MTA-STS. For proto.h.
 */
#ifndef GATEWAY_PROTO_TLS_H
#define GATEWAY_PROTO_TLS_H

#include "gateway/tls_report.h"
#include "gateway/tls_state.h"

/* PROTO_TLS_ASK, PROTO_TLS_PROBE: a domain. */
enum err proto_domain_pack(const char *domain, struct buf *out) MUST_CHECK;
enum err proto_domain_unpack(
    struct span in, struct arena *a, const char **out) MUST_CHECK;

/* PROTO_TLS_SEEN. */
enum err proto_tls_seen_pack(
    const struct tls_seen *m, struct buf *out) MUST_CHECK;
enum err proto_tls_seen_unpack(
    struct span in, struct arena *a, struct tls_seen *out) MUST_CHECK;

/* PROTO_STS_WANT, PROTO_STS_FETCH. */
struct proto_sts_want {
	const char *domain;
	bool known;	/* the record could be looked up */
	const char *id; /* that it announces; "" if there is none */
};

enum err proto_sts_want_pack(
    const struct proto_sts_want *m, struct buf *out) MUST_CHECK;
enum err proto_sts_want_unpack(
    struct span in, struct arena *a, struct proto_sts_want *out) MUST_CHECK;

/* PROTO_STS_IS, PROTO_STS_FETCHED. */
struct proto_sts {
	const char *domain;
	/* ERR_OK; FETCHED: why there is no policy, ERR_NOT_FOUND or ERR_TOO_BIG
	   if its own server says so; IS: that it cannot be known whether there
	   is one */
	enum err err;
	const char *why;
	struct tls_policy policy;
};

enum err proto_sts_pack(const struct proto_sts *m, struct buf *out) MUST_CHECK;
enum err proto_sts_unpack(
    struct span in, struct arena *a, struct proto_sts *out) MUST_CHECK;

/* PROTO_TLS_RESULT. */
enum err proto_tls_result_pack(
    const struct tls_result *m, struct buf *out) MUST_CHECK;
enum err proto_tls_result_unpack(
    struct span in, struct arena *a, struct tls_result *out) MUST_CHECK;

enum { PROTO_RUA_MAX = 4 };

/* PROTO_TLS_RUA_IS. */
struct proto_rua {
	enum err err; /* ERR_NOT_FOUND: it wants none; else nobody knows */
	const char *uri[PROTO_RUA_MAX]; /* "mailto:…", "https://…" */
	uint32_t n;
};

enum err proto_rua_pack(const struct proto_rua *m, struct buf *out) MUST_CHECK;
enum err proto_rua_unpack(
    struct span in, struct arena *a, struct proto_rua *out) MUST_CHECK;

/* PROTO_TLS_POST. */
struct proto_report {
	const char *url;
	struct span body; /* gzip; borrowed from the message */
};

enum err proto_report_pack(
    const struct proto_report *m, struct buf *out) MUST_CHECK;
enum err proto_report_unpack(
    struct span in, struct arena *a, struct proto_report *out) MUST_CHECK;

#endif
