/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a listener shares among all its clients and must not run out of:
 * connections, memory for messages, and the patience with messages that kill
 * workers.
 */
#ifndef GATEWAY_LISTENER_LIMITS_H
#define GATEWAY_LISTENER_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/digest.h"

/* Who counts as one client: an IPv4 address, or an IPv6 network of 64 bits,
   of which anybody has one. */
struct listener_client {
	uint8_t addr[16];
};

enum { LISTENER_CRASHES = 256 };

struct listener_limits {
	struct listener_count *clients;
	size_t n_clients;
	size_t cap_clients;
	unsigned connections;
	uint64_t reserved; /* octets */
	struct {
		uint8_t hash[DIGEST_SIZE];
		unsigned count;
	} crash[LISTENER_CRASHES]; /* a ring: the oldest is forgotten */
	unsigned n_crashes;
	unsigned next_crash;
};

void listener_limits_init(struct listener_limits *l);
void listener_limits_clear(struct listener_limits *l);

struct listener_client listener_client_of(const struct sockaddr *sa);

/* One more connection of this client; false and no change if that were more
   than max together or max_client of the same client. */
bool listener_limits_enter(struct listener_limits *l,
    const struct listener_client *c, unsigned max, unsigned max_client);
void listener_limits_leave(
    struct listener_limits *l, const struct listener_client *c);

/* Reserve octets for a message; false and no change when max would be
   exceeded. */
bool listener_limits_reserve(
    struct listener_limits *l, uint64_t max, uint64_t size);
void listener_limits_release(struct listener_limits *l, uint64_t size);

/* A message with this hash killed a worker: how often that happened. */
unsigned listener_limits_crashed(
    struct listener_limits *l, const uint8_t hash[DIGEST_SIZE]);
/* The same without counting. */
unsigned listener_limits_crashes(
    const struct listener_limits *l, const uint8_t hash[DIGEST_SIZE]);

#endif
