/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The record by which a domain asks for reports on TLS (RFC 8460 3). Asking
 * for it is relay's, what is sent there is in gateway/tls_report.h.
 */
#ifndef NET_TLSRPT_H
#define NET_TLSRPT_H

#include "common/buf.h"
#include "common/err.h"

enum {
	NET_TLSRPT_URI_MAX = 512, /* octets of an address that is heeded */
	NET_TLSRPT_URIS = 4,	  /* of them; what follows is left out */
};

struct net_tlsrpt {
	size_t n;
	/* "mailto:ADDRESS" without "?…", percent-decoded, or "https://…" */
	char uri[NET_TLSRPT_URIS][NET_TLSRPT_URI_MAX];
};

/* Read the data of all TXT records of _smtp._tls.DOMAIN. ERR_NOT_FOUND when
   nobody wants a report, or more than one record says who does. Addresses of
   other schemes are left out. */
enum err net_tlsrpt_record(
    const struct span *rdata, size_t n, struct net_tlsrpt *out) MUST_CHECK;

#endif
