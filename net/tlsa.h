/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * TLSA records of mail servers (RFC 6698, RFC 7672): what a server's
 * certificate must be. Whether the answer that brought them was proven by
 * DNSSEC is for who asked to look at; without that they mean nothing.
 */
#ifndef NET_TLSA_H
#define NET_TLSA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

enum {
	NET_TLSA_MAX = 16,	/* records of one server that are kept */
	NET_TLSA_DATA_MAX = 64, /* octets of a SHA-512 */
};

struct net_tlsa_record {
	uint8_t usage;	  /* 2: DANE-TA, 3: DANE-EE */
	uint8_t selector; /* 0: the certificate, 1: its public key */
	uint8_t matching; /* 1: SHA-256, 2: SHA-512 */
	uint8_t len;
	uint8_t data[NET_TLSA_DATA_MAX];
};

/* The usable records of one server. */
struct net_tlsa {
	size_t n;
	struct net_tlsa_record record[NET_TLSA_MAX];
};

/* Read one record's data. A whole certificate or key (matching type 0) is
   kept as its SHA-256, which says the same of a chain that was sent whole, as
   RFC 7671 5.2.2 asks servers to do. ERR_MALFORMED; ERR_UNSUPPORTED for one
   that is unusable for mail: usages 0 and 1 (RFC 7672 3.1.3), unknown numbers,
   a digest of the wrong length. */
enum err net_tlsa_parse(
    struct span rdata, struct net_tlsa_record *out) MUST_CHECK;

/* Collect what can be used of n records; false when none can. Of several
   matching types for one usage and selector all are kept: any may match. */
bool net_tlsa_collect(const struct span *rdata, size_t n, struct net_tlsa *out);

#endif
