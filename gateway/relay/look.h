/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A look at the mail servers of a domain: what their TLS is worth, as a
 * delivery would see it. Says EHLO and QUIT, and nothing of anybody's mail.
 */
#ifndef GATEWAY_RELAY_LOOK_H
#define GATEWAY_RELAY_LOOK_H

#include <stdint.h>

#include "gateway/tls_state.h"

struct conf;
struct loop;
struct net_dns;
struct net_tls_clients;
struct relay_looks;
struct relay_sts;

/* Borrowed for the life of the looks. */
struct relay_looks_setup {
	struct loop *loop;
	struct net_dns *dns;
	struct relay_sts *sts;
	struct net_tls_clients *tls_clients;
	const char *helo;
	const struct conf *const *conf; /* that of now */
	uint64_t timeout_ms;		/* caps every wait; 0: the default */
	/* It has ended; seen is borrowed for the call. */
	void (*on_seen)(void *arg, uint64_t id, const struct tls_seen *seen);
	void *arg;
};

struct relay_looks *relay_looks_new(const struct relay_looks_setup *setup);
/* Looks under way are dropped. NULL is fine. */
void relay_looks_free(struct relay_looks *p);
/* Begin one; when there are too many it is told at once that nobody knows. */
void relay_look(struct relay_looks *p, uint64_t id, const char *domain);

#endif
