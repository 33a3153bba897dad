/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * TLS 1.3 between two machines that know each other by the fingerprints of
 * their certificates, on sockets that never block. Whoever has no such
 * certificate does not get past the handshake, on either side. No names, no
 * chains, no dates are looked at: the fingerprint says it all.
 */
#ifndef NET_TLS_PEER_H
#define NET_TLS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/digest.h"
#include "common/err.h"
#include "net/io.h"

struct net_tls_peers;
struct net_tls_peer;

/* Our certificate and key, PEM, from descriptors that stay the caller's, and
   the SHA-256 fingerprints of the certificates that the other side may have,
   borrowed. ERR_TLS with the reason. */
enum err net_tls_peers_new(int cert_fd, int key_fd,
    const uint8_t (*known)[DIGEST_SIZE], size_t n_known,
    struct net_tls_peers **out, struct err_why *why) MUST_CHECK;
/* All peers must have been freed. NULL is fine. */
void net_tls_peers_free(struct net_tls_peers *all);

/* A connection on a connected socket, which stays the caller's: as who was
   called, or as who calls. ERR_NOMEM. */
enum err net_tls_peer_new(struct net_tls_peers *all, int fd, bool called,
    struct net_tls_peer **out) MUST_CHECK;
/* Says goodbye if that is possible without waiting. NULL is fine. */
void net_tls_peer_free(struct net_tls_peer *t);

/* The steps. why is filled on NET_IO_FAILED. To the caller a handshake can
   seem done although the other side refuses its certificate: the first read
   tells (RFC 8446 4.4.2.4). */
enum net_io net_tls_peer_handshake(
    struct net_tls_peer *t, struct err_why *why) MUST_CHECK;
/* NET_IO_DONE: *n octets, at least one. */
enum net_io net_tls_peer_read(struct net_tls_peer *t, uint8_t *out, size_t size,
    size_t *n, struct err_why *why) MUST_CHECK;
/* NET_IO_DONE: the first *n octets of s are on their way. */
enum net_io net_tls_peer_write(struct net_tls_peer *t, struct span s, size_t *n,
    struct err_why *why) MUST_CHECK;

#endif
