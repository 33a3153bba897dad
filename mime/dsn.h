/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Delivery status notifications: multipart/report (RFC 6522) with a part for
 * people, one for machines (RFC 3464, RFC 6533 for UTF-8 addresses) and the
 * outer header of the message. Never a body.
 */
#ifndef MIME_DSN_H
#define MIME_DSN_H

#include "mime/write.h"

/* RFC 3464 section 2.3.3. */
enum mime_dsn_action {
	MIME_DSN_FAILED,
	MIME_DSN_DELAYED,
	MIME_DSN_RELAYED,   /* to who sends no notifications */
	MIME_DSN_DELIVERED, /* to the mailbox */
};

/* All strings may come from strangers: they are made safe here. NULL where
   there is nothing to say, unless noted. */
struct mime_dsn_rcpt {
	const char *addr; /* mime_addr.text of the recipient; needed */
	const char
	    *orcpt; /* ORCPT as it came, "rfc822;..." decoded from xtext */
	enum mime_dsn_action action;
	const char *status; /* "5.1.1"; needed */
	const char *remote_mta;
	const char
	    *diagnostic;    /* what the remote server answered, with its code */
	const char *reason; /* a sentence for the sender; needed */
	const char *advice; /* what the sender can do about it */
	int64_t last_attempt_s; /* 0: none */
	int64_t retry_until_s;	/* for MIME_DSN_DELAYED */
};

struct mime_dsn {
	const char *host;  /* the reporting host; needed */
	const char *to;	   /* mime_addr.text of the sender; needed, never "" */
	const char *envid; /* ENVID decoded from xtext */
	const char *queue_id; /* needed: goes into Message-ID and text */
	int64_t now_s;
	int64_t arrival_s;
	const struct mime_dsn_rcpt *rcpts;
	size_t n;
	struct span outer; /* header fields of the message, CRLF line ends, as
			      mime_write_outer_header() makes them */
	struct mime_boundary boundary;
};

/* Write the notification as a whole message. To be sent with a null sender,
   and with SMTPUTF8 if mime_dsn_needs_utf8(). ERR_USAGE without recipients or
   without a sender. */
enum err mime_dsn_write(
    const struct mime_dsn *d, const struct mime_sink *to) MUST_CHECK;
bool mime_dsn_needs_utf8(const struct mime_dsn *d);

#endif
