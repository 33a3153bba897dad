/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Who the client is, as hosts say that are trusted to know: the header of the
 * PROXY protocol, versions 1 and 2, and the attributes of XCLIENT and XFORWARD.
 * Pure: whom to believe is session.c's and commands.c's.
 */
#ifndef GATEWAY_LISTENER_PROXY_H
#define GATEWAY_LISTENER_PROXY_H

#include <stdbool.h>
#include <sys/socket.h>

#include "common/buf.h"
#include "gateway/listener/command.h"

enum listener_proxy {
	LISTENER_PROXY_BAD = 0, /* no header, or one of something else */
	LISTENER_PROXY_MORE,	/* not all of it is there */
	LISTENER_PROXY_LOCAL,	/* the proxy speaks for itself */
	LISTENER_PROXY_CLIENT,	/* for whom *client names */
};

enum { LISTENER_PROXY_MAX = 2048 }; /* octets of a header with what it adds */

/* The header at the start of in; *used octets of it with LOCAL and CLIENT. */
enum listener_proxy listener_proxy_parse(
    struct span in, size_t *used, struct sockaddr_storage *client);

/* How many octets may be read behind in (the beginning of a header) without
   reading what comes behind the header, which may be TLS. At least one. */
size_t listener_proxy_room(struct span in);

/* What was said; NULL: nothing of it, "" that it is not known. Strings are the
   arena's. */
struct listener_attrs {
	const char *addr; /* as inet_ntop(3) writes it */
	const char *name;
	const char *helo;
};

/* "ADDR=192.0.2.1 NAME=[UNAVAILABLE] HELO=x" with xtext; attributes that are
   known and of no use here are skipped. ERR_USAGE with the answer. */
enum err listener_parse_attrs(struct span args, struct arena *a,
    struct listener_attrs *out, struct listener_reply *why) MUST_CHECK;

#endif
