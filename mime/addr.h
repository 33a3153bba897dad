/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The one address parser of the program: SMTP paths and mailboxes (RFC 5321
 * section 4.1.2, RFC 6531), header address lists (RFC 5322 section 3.4, RFC
 * 6532). Whoever compares, looks up or prints an address uses what stands
 * here; what a recipient may be sent is policy's business.
 */
#ifndef MIME_ADDR_H
#define MIME_ADDR_H

#include "common/buf.h"

struct arena;

/* All strings are in the arena, never NULL, without control characters. */
struct mime_addr {
	const char *local;  /* unquoted, case as it came */
	const char *domain; /* lower-case A-labels, "[192.0.2.1]",
			       "[IPv6:2001:db8::1]"; "" for postmaster alone and
			       for the null path */
	const char *text; /* to be written in SMTP and in header fields: quoted
			     where it must be; "" for the null path */
	const char *key;  /* text with ASCII letters in lower case: what
			     keystore and policy compare and look up */
	const char *name; /* display name in UTF-8, "" if none */
	bool needs_utf8;  /* the local part is not ASCII: SMTPUTF8 */
};

/* What is allowed beside local@domain. */
enum {
	MIME_ADDR_NULL = 1 << 0,       /* "<>" */
	MIME_ADDR_POSTMASTER = 1 << 1, /* postmaster without a domain */
	MIME_ADDR_UTF8 = 1 << 2,       /* a local part beyond ASCII; a domain in
					  UTF-8 is allowed always */
};

/* Parse the whole of in as local@domain, without brackets: configuration,
   command line, certificates. ERR_ADDR_SYNTAX with the reason. */
enum err mime_addr_parse(struct span in, unsigned flags, struct arena *a,
    struct mime_addr *out, struct err_why *why) MUST_CHECK;

/* Parse the path "<...>" at the start of in and tell what stands behind its
   bracket: the argument of MAIL FROM: and RCPT TO:. Source routes are
   refused. ERR_ADDR_SYNTAX with the reason. */
enum err mime_addr_parse_path(struct span in, unsigned flags, struct arena *a,
    struct mime_addr *out, struct span *rest, struct err_why *why) MUST_CHECK;

struct mime_addr_list {
	struct mime_addr *addrs; /* in the arena */
	size_t n;
};

/* Parse the raw value of a From, To, Cc, Sender or Reply-To field. Members of
   groups are listed, routes and obsolete local parts refused. An empty list
   (empty groups) is no error. ERR_ADDR_SYNTAX with the reason, ERR_LIMIT. */
enum err mime_addr_parse_list(struct span value, unsigned flags,
    struct arena *a, struct mime_addr_list *out,
    struct err_why *why) MUST_CHECK;

/* The canonical form of a domain name (A-labels, lower case) or of an address
   literal in brackets. ERR_ADDR_SYNTAX with the reason. */
enum err mime_domain_parse(struct span in, struct arena *a, const char **out,
    struct err_why *why) MUST_CHECK;

bool mime_addr_is_null(const struct mime_addr *addr);

#endif
