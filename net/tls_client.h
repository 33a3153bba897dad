/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * TLS towards servers, OpenSSL directly on a socket that does not block. TLS
 * 1.2 or better. Who the server is, is not verified here: what is said about
 * the session says so, too.
 */
#ifndef NET_TLS_CLIENT_H
#define NET_TLS_CLIENT_H

#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"
#include "net/io.h"

struct net_tls_clients;
struct net_tls_client;

enum {
	NET_TLS_TEXT_MAX = 96, /* "TLSv1.3 TLS_AES_256_GCM_SHA384 unverified" */
};

/* What all connections of a process share: settings, and sessions to resume.
   Loads what OpenSSL wants from files. ERR_TLS when it cannot be had. */
enum err net_tls_clients_new(struct net_tls_clients **out) MUST_CHECK;
/* All clients must have been freed. NULL is fine. */
void net_tls_clients_free(struct net_tls_clients *all);

/* Begin on a connected socket, which stays the caller's. name is sent as SNI
   unless it is NULL (an address); peer names the server for resumption: the
   same string, the same server. NULL when out of memory. */
struct net_tls_client *net_tls_client_new(
    struct net_tls_clients *all, int fd, const char *name, const char *peer);
void net_tls_client_free(struct net_tls_client *t);

/* The steps. why is filled on NET_IO_FAILED. A connection cut without a
   close_notify is NET_IO_FAILED, never a proper end. */
enum net_io net_tls_client_handshake(
    struct net_tls_client *t, struct err_why *why) MUST_CHECK;
enum net_io net_tls_client_read(struct net_tls_client *t, uint8_t *out,
    size_t size, size_t *n, struct err_why *why) MUST_CHECK;
/* May take a part. After NET_IO_WANT_… call again with the same octets. */
enum net_io net_tls_client_write(struct net_tls_client *t, struct span s,
    size_t *n, struct err_why *why) MUST_CHECK;
/* Tell the peer that it is over, if that can be done at once. */
void net_tls_client_bye(struct net_tls_client *t);

/* Protocol, cipher, "unverified", and " resumed" where it was. */
void net_tls_client_text(
    const struct net_tls_client *t, char out[NET_TLS_TEXT_MAX]);

#endif
