/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * TLS as a server, on sockets that never block: TLS 1.2 with forward secrecy
 * and AEAD, or 1.3 (RFC 9325). Client certificates where a CA is given, no
 * session tickets, no renegotiation. What to do with a step's result is the
 * caller's business.
 */
#ifndef NET_TLS_SERVER_H
#define NET_TLS_SERVER_H

#include <stdbool.h>

#include "common/buf.h"
#include "net/io.h"

struct net_tls_server;
struct net_tls_server_conn;

/* Read a certificate with its chain and its private key, both PEM, from the
   beginning of descriptors that stay the caller's. ERR_TLS with the reason.
   Caller frees with net_tls_server_unref(). */
enum err net_tls_server_new(int cert_fd, int key_fd,
    struct net_tls_server **out, struct err_why *why) MUST_CHECK;
/* Ask clients for a certificate, and believe those that the CA certificates in
   the descriptor (PEM) vouch for and the revocation lists there, if any, do
   not name: with one, each CA of a chain must have a current one. A client
   without one, or with another one, is as welcome. ERR_TLS with the reason. */
enum err net_tls_server_believe(
    struct net_tls_server *s, int ca_fd, struct err_why *why) MUST_CHECK;
/* Could net_tls_server_believe() read it? *old: a list in it has expired, and
   nobody would be believed. ERR_TLS with the reason. */
enum err net_tls_server_check_ca(
    int ca_fd, bool *old, struct err_why *why) MUST_CHECK;
/* One more owner: a session outlives a change of certificates. */
struct net_tls_server *net_tls_server_ref(struct net_tls_server *s);
/* NULL is fine. */
void net_tls_server_unref(struct net_tls_server *s);

/* A connection on a connected socket, which stays the caller's. ERR_NOMEM. */
enum err net_tls_server_conn_new(struct net_tls_server *s, int fd,
    struct net_tls_server_conn **out) MUST_CHECK;
/* Says goodbye if that is possible without waiting. NULL is fine. */
void net_tls_server_conn_free(struct net_tls_server_conn *c);

enum net_io net_tls_server_handshake(struct net_tls_server_conn *c) MUST_CHECK;
/* NET_IO_DONE: *n octets, at least one. */
enum net_io net_tls_server_read(struct net_tls_server_conn *c, uint8_t *out,
    size_t out_size, size_t *n) MUST_CHECK;
/* NET_IO_DONE: the first *n octets of s are on their way. */
enum net_io net_tls_server_write(
    struct net_tls_server_conn *c, struct span s, size_t *n) MUST_CHECK;
/* Octets have been taken from the socket that no poll will report. */
bool net_tls_server_has_pending(const struct net_tls_server_conn *c);
/* The mail addresses in the client's certificate, appended as they stand there
   with line feeds between; none unless it is one to be believed. */
enum err net_tls_server_client_addrs(
    const struct net_tls_server_conn *c, struct buf *out) MUST_CHECK;
/* "TLSv1.3 TLS_AES_256_GCM_SHA384" once the handshake is done. */
void net_tls_server_describe(
    const struct net_tls_server_conn *c, char *out, size_t out_size);

#endif
