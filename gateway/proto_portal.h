/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a gateway and its portal in a DMZ say to each other, inside mutual TLS:
 * frames, each a length (4 octets), a type and its fields (docs/format-dmz.md).
 * No keys and no text of anybody's go by here, but sealed.
 */
#ifndef GATEWAY_PROTO_PORTAL_H
#define GATEWAY_PROTO_PORTAL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/object_header.h"

enum { PROTO_PORTAL_VERSION = 1, PROTO_PORTAL_INSTANCE = 16 };

/* What a DMZ can do beyond the first of its version, in the size of its hello:
   frames that it does not know would end the connection. */
enum proto_portal_can {
	PROTO_PORTAL_PUBLISHED = 1, /* FRAME_PUBLISHED and its like */
};

enum proto_frame_type {
	/* both, first of all: the DMZ speaks first */
	FRAME_HELLO = 1, /* number: version; offset: seconds since 1970; size:
			    octets of the largest answer, from a DMZ bits of
			    enum proto_portal_can; raw: instance, zero for a
			    gateway */
	FRAME_PING = 2,
	FRAME_PONG = 3,
	/* gateway → DMZ */
	FRAME_OBJECT = 16,	 /* header: have it; FRAME_HAVE, _WANT or
				    _NOT_NOW */
	FRAME_DATA = 17,	 /* raw: object; offset; octets */
	FRAME_TELL = 18,	 /* number: type; octets: a message as store
				    sends it to the portal */
	FRAME_NOTED = 19,	 /* id: of an event, which is durable inside */
	FRAME_ANSWER_GET = 20,	 /* id: of an answer */
	FRAME_ANSWER_TAKEN = 21, /* id: it can go */
	FRAME_PUBLISHED = 22,	 /* size; octets: name of a file for everybody,
				    which follows in pieces */
	FRAME_PUBLISHED_DATA = 23, /* offset; octets */
	FRAME_PUBLISHED_LIST = 24, /* number: 1 all of them follow, 0 these were
				      all: what is not among them goes */
	FRAME_WITHDRAWN = 25,	   /* octets: name of one that goes */
	/* DMZ → gateway */
	FRAME_WANT = 32,	/* raw: object; offset: send it from there */
	FRAME_HAVE = 33,	/* raw: object, which is on disk */
	FRAME_GONE = 34,	/* raw: object, which is not there any more */
	FRAME_NOT_NOW = 35,	/* raw: object, or zero of what is published;
				   number: enum err */
	FRAME_EVENT = 36,	/* id: ascending; number: type; octets: a
				   message as the portal sends it to store */
	FRAME_ANSWER = 37,	/* id; raw: object; size: octets of the file */
	FRAME_ANSWER_DATA = 38, /* id; offset; octets; none: it is gone */
};

/* One frame. Only the fields that its type has count; octets are borrowed. */
struct proto_frame {
	uint8_t type;
	uint64_t id;
	uint32_t number;
	uint64_t offset;
	uint64_t size;
	uint8_t raw[16];
	uint8_t header[OBJECT_HEADER_SIZE];
	struct span octets;
};

/* "object"; "?" for an unknown one. */
const char *proto_frame_name(uint8_t type);
/* May a DMZ say this, or a gateway? */
bool proto_frame_is_of(uint8_t type, bool dmz);
enum err proto_frame_put(
    const struct proto_frame *f, struct buf *out) MUST_CHECK;
/* The frame at the beginning of s, and its octets with the length. ERR_AGAIN:
   there is more to come; ERR_TOO_BIG, ERR_IPC: there never will be one. */
enum err proto_frame_get(
    struct span s, struct proto_frame *out, size_t *used) MUST_CHECK;

#endif
