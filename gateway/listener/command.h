/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * SMTP command lines as structures (RFC 5321 section 4.1, RFC 1870, 3030,
 * 3461, 6152, 6531). Pure: no session, no socket. What is allowed when, and
 * what a command does, is in commands.c.
 */
#ifndef GATEWAY_LISTENER_COMMAND_H
#define GATEWAY_LISTENER_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "mime/addr.h"

struct arena;

enum { LISTENER_REPLY_TEXT = 400 };

/* One line of answer. status is "" where RFC 2034 has none; text is printable
   ASCII, whatever was put into it. */
struct listener_reply {
	int code;
	char status[12];
	char text[LISTENER_REPLY_TEXT];
};

/* Always returns ERR_USAGE, so that a refusal is said and returned in one
   line. */
enum err listener_reply_set(struct listener_reply *r, int code,
    const char *status, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* The verb of a line without its CRLF, and what stands behind it without
   blanks around. ERR_USAGE with the answer for control characters. */
enum err listener_command_split(struct span line, struct span *verb,
    struct span *args, struct listener_reply *why) MUST_CHECK;

/* Strings of the following are in the arena, never NULL. All fail with
   ERR_USAGE and the answer. */

struct listener_mail {
	struct mime_addr from;
	bool size_given;
	uint64_t size;
	bool body_8bit;
	bool body_binary; /* RFC 3030 section 3 */
	bool smtputf8;
	bool requiretls; /* RFC 8689 */
	bool ret_hdrs;
	const char *envid; /* xtext, "" if none */
};

/* "FROM:<a@b> SIZE=10 …" */
enum err listener_parse_mail(struct span args, struct arena *a,
    struct listener_mail *out, struct listener_reply *why) MUST_CHECK;

struct listener_rcpt {
	struct mime_addr to; /* domain "" for postmaster alone */
	uint8_t notify;	     /* PROTO_NOTIFY_… */
	const char *orcpt;   /* "rfc822;xtext", "" if none */
};

/* "TO:<a@b> NOTIFY=…"; smtputf8: what MAIL said. */
enum err listener_parse_rcpt(struct span args, bool smtputf8, struct arena *a,
    struct listener_rcpt *out, struct listener_reply *why) MUST_CHECK;

struct listener_bdat {
	uint64_t size;
	bool last;
};

/* "1000 LAST" */
enum err listener_parse_bdat(struct span args, struct listener_bdat *out,
    struct listener_reply *why) MUST_CHECK;

/* The name of EHLO and HELO: what may stand in a Received field. */
enum err listener_parse_helo(struct span args, struct arena *a,
    const char **out, struct listener_reply *why) MUST_CHECK;

#endif
