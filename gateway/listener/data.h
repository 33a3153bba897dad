/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The octets of one message on their way in: what DATA and BDAT bring (RFC
 * 5321 section 4.5.2, RFC 3030), into a memfd. Only CRLF "." CRLF ends DATA.
 * Bare CR, bare LF, NUL and what is over a limit spoil the message, which is
 * then swallowed to its proper end, so that the stream stays in step and
 * nothing behind a false end is ever taken for a command.
 */
#ifndef GATEWAY_LISTENER_DATA_H
#define GATEWAY_LISTENER_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct listener_limits;

enum listener_data_state {
	LISTENER_DATA_TEXT,
	LISTENER_DATA_LINE_START,
	LISTENER_DATA_DOT,    /* a dot at the start of a line */
	LISTENER_DATA_DOT_CR, /* and a CR behind it */
};

struct listener_data {
	int fd;	       /* memfd; -1 before the first octet and once spoilt */
	uint64_t size; /* octets kept */
	uint64_t received; /* octets seen */
	uint64_t max_size;
	struct listener_limits *limits;
	uint64_t max_memory;
	uint64_t reserved;
	enum listener_data_state state;
	bool cr;	    /* the last octet was a CR */
	uint64_t line_len;  /* of the line so far */
	uint64_t header_at; /* where the line so far began */
	bool header_ended;  /* header_at is behind the empty line */
	/* What is wrong, by weight: the same for every way of cutting the
	   stream. */
	bool binary;	/* RFC 3030: of what it is made shows later */
	bool normalise; /* what stands alone becomes CRLF at the end */
	bool bare;	/* and there is some */
	bool bad_line_end;
	bool long_line;
	bool too_big;
	bool no_memory;
	enum err failed; /* of the memfd */
};

/* Reserve declared octets (SIZE of MAIL; 0: not said, a first step is taken).
   ERR_TOO_BIG over max_size, ERR_NOMEM when there is no room: *d is cleared
   then. */
enum err listener_data_init(struct listener_data *d,
    struct listener_limits *limits, uint64_t max_memory, uint64_t max_size,
    uint64_t declared) MUST_CHECK;
/* Gives back what was reserved. Fine on a zeroed one with fd -1. */
void listener_data_clear(struct listener_data *d);

/* Take octets of DATA; in is altered. Returns how many belong to the message:
   all, unless *end was set by the line that ends it. */
size_t listener_data_dots(
    struct listener_data *d, uint8_t *in, size_t len, bool *end);
/* Take octets of BDAT; in may be altered. */
void listener_data_octets(struct listener_data *d, uint8_t *in, size_t len);

/* Is there so much behind the limit that swallowing on is pointless? */
bool listener_data_is_endless(const struct listener_data *d);

/* What has spoilt it so far: the errors of listener_data_finish() that need no
   look at the header. */
enum err listener_data_error(const struct listener_data *d) MUST_CHECK;

/* The message is complete: seal it and look at its header. ERR_LINE_END,
   ERR_LIMIT (a line or the header), ERR_TOO_BIG, ERR_NOMEM, ERR_LOOP, or
   what kept it from being stored. Memory not needed is given back. */
enum err listener_data_finish(
    struct listener_data *d, struct err_why *why) MUST_CHECK;

#endif
