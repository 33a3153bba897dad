/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * MTA-STS (RFC 8461) as octets: the TXT record that announces a policy, the
 * policy that a domain's web server hands out, which mail servers it names.
 * Fetching it is discovery's, keeping it store's, heeding it relay's.
 */
#ifndef NET_STS_H
#define NET_STS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "net/dns.h"

enum {
	NET_STS_MX_MAX = 64,		/* patterns of one policy */
	NET_STS_ID_MAX = 33,		/* text of an id with its NUL */
	NET_STS_POLICY_MAX = 64 * 1024, /* octets (RFC 8461 3.3) */
	NET_STS_AGE_MAX_S = 31557600,	/* a year (3.2) */
	NET_STS_PATTERN_MAX = NET_DNS_NAME_MAX + 2,
};

/* The zero value asks for nothing. */
enum net_sts_mode {
	NET_STS_NONE = 0,
	NET_STS_TESTING, /* failures are reported, mail goes all the same */
	NET_STS_ENFORCE,
};

struct net_sts {
	enum net_sts_mode mode;
	uint32_t max_age_s;
	size_t n;
	/* lower-case A-labels; "*.example.org" stands for one label */
	char mx[NET_STS_MX_MAX][NET_STS_PATTERN_MAX];
};

/* "none", "testing", "enforce" */
const char *net_sts_mode_name(enum net_sts_mode m);

/* Read a policy. ERR_MALFORMED with the reason, which names nothing of it. */
enum err net_sts_parse(
    struct span text, struct net_sts *out, struct err_why *why) MUST_CHECK;

/* Read the data of all TXT records of _mta-sts.DOMAIN: the id of the policy.
   ERR_NOT_FOUND when they announce none, or more than one. */
enum err net_sts_record(
    const struct span *rdata, size_t n, char id[NET_STS_ID_MAX]) MUST_CHECK;

/* Is the host (lower-case A-labels) one of those that a pattern means? A star
   stands for exactly one label (RFC 8461 4.1). */
bool net_sts_pattern_matches(const char *pattern, const char *host);
bool net_sts_names(const struct net_sts *p, const char *host);

/* The character strings of one TXT record, joined (RFC 1035 3.3.14), as text
   with its NUL. ERR_MALFORMED, also for a NUL inside; ERR_TOO_BIG. */
enum err net_txt_join(struct span rdata, char *out, size_t size) MUST_CHECK;

#endif
