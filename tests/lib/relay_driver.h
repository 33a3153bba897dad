/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The relay with a store and a keys process that are played by the test, all
 * on one loop in one thread.
 */
#ifndef TESTS_LIB_RELAY_DRIVER_H
#define TESTS_LIB_RELAY_DRIVER_H

#include "common/arena.h"
#include "gateway/conf.h"
#include "gateway/proto.h"

struct relay_driver;

struct relay_driver_result {
	uint64_t id;
	struct proto_result result;
};

/* Set what a test wants different before the first delivery. */
struct conf *relay_driver_conf(struct relay_driver *d);

/* A relay whose outbound next hop is 127.0.0.1:port, inbound the same. Waits
   for peers are cut to timeout_ms. */
struct relay_driver *relay_driver_new(uint16_t port, uint64_t timeout_ms);
void relay_driver_free(struct relay_driver *d);
/* For MX: answer through this name server. Before relay_driver_start(). */
void relay_driver_resolver(struct relay_driver *d, uint16_t port);
/* Make the relay and its peers. */
void relay_driver_start(struct relay_driver *d);

/* Fill hash and size of e from text, seal it, and have all of its recipients
   delivered (m->entry is *e; m->open is filled in when empty). Returns the
   id. */
uint64_t relay_driver_deliver(struct relay_driver *d, struct proto_deliver *m,
    const struct entry *e, struct span text);
/* The same with the sealed octets changed first: octet at is turned over. */
uint64_t relay_driver_deliver_broken(
    struct relay_driver *d, const struct entry *e, struct span text, size_t at);
/* The same with the body in a file. */
uint64_t relay_driver_deliver_file(
    struct relay_driver *d, const struct entry *e, struct span text);

/* Run until n results have come, ms at most. Returns how many there are. */
unsigned relay_driver_wait(struct relay_driver *d, unsigned n, unsigned ms);
/* The result for that id, NULL if there is none. */
const struct proto_result *relay_driver_result(
    struct relay_driver *d, uint64_t id);

/* How many results said that more would come; the others are the results. */
unsigned relay_driver_partial(const struct relay_driver *d);
/* Have a notification made: the answer, NULL if none comes within ms. */
const struct proto_notified *relay_driver_notify(
    struct relay_driver *d, const struct proto_notify *m, unsigned ms);
/* Ask as the listener does whether the recipient is known, once for a driver:
   the PROTO_ verdict, -1 if none comes within ms. */
int relay_driver_probe(struct relay_driver *d, const char *addr, unsigned ms);
/* Open the header that a result brought, or that goes into a notification. */
enum err relay_driver_open_outer(
    struct relay_driver *d, const struct dsn *dsn, struct buf *out);
/* Seal one. */
struct span relay_driver_seal_outer(
    struct relay_driver *d, const struct dsn *dsn, struct span header);

void relay_driver_recall(struct relay_driver *d, uint64_t id);
/* The store goes away, and comes back. */
void relay_driver_cut_store(struct relay_driver *d);
void relay_driver_new_store(struct relay_driver *d);
/* Stop; returns false if it has not stopped within ms. */
bool relay_driver_stop(struct relay_driver *d, unsigned ms);

/* Open the body of a notification with the driver's key. */
void relay_driver_open(
    struct relay_driver *d, const struct entry *e, struct buf *out);

#endif
