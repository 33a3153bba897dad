/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The portal as a whole, between its start (start.c), its loop (portal.c) and
 * what it is told (told.c).
 */
#ifndef GATEWAY_PORTAL_MAIN_PRIVATE_H
#define GATEWAY_PORTAL_MAIN_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/object_header.h"
#include "gateway/role.h"

struct conf;
struct conf_dmz;
struct ipc;
struct loop;
struct loop_io;
struct loop_timer;
struct net_tls_peers;
struct portal_accounts;
struct portal_answers;
struct portal_assets;
struct portal_http;
struct portal_inside;
struct portal_objects;
struct portal_outside;
struct portal_reports;
struct portal_throttle;

enum {
	PORTAL_LISTEN_MAX = 16,
	PORTAL_PEM_MAX = 256 * 1024,
};

struct portal {
	struct role *role;
	struct loop *loop;
	struct loop_timer *tick; /* deadlines and expiry */
	struct loop_timer *wait; /* what libmicrohttpd waits for */
	struct loop_io *io[PORTAL_LISTEN_MAX];
	int listen_fd[PORTAL_LISTEN_MAX];
	size_t n_listen;
	struct buf cert;
	struct buf key;
	struct portal_assets *assets;
	struct portal_objects *objects;
	struct portal_throttle *throttle;
	struct portal_answers *answers;
	struct portal_accounts *accounts;
	uint64_t show_at_ms; /* answers that store has not taken */
	struct portal_http *http;
	struct ipc *store; /* NULL while there is none */
	struct portal_reports *reports;
	/* of a portal in a DMZ: at most one of the two is there */
	struct portal_inside *inside;
	struct portal_outside *outside;
	struct net_tls_peers *tls;
	uint64_t stop_by_ms;
	uint8_t (*late)[OBJECT_ID_SIZE]; /* objects to take in later */
	size_t n_late;
	uint64_t late_at_ms;
};

/* --- start.c: each refuses the role with a reason when it cannot */

/* The sockets readers come to, those of the gateway behind them. */
void portal_take_sockets(struct portal *p);
/* The certificate by which the two machines know each other. */
void portal_read_link(struct portal *p, const struct conf_dmz *c);
/* What lies outside of the portal's own directories: its certificate with the
   key, the page. */
void portal_read_files(struct portal *p, const struct conf *c);
/* The server, with what was read; afterwards the key is wiped. */
void portal_start_http(struct portal *p, const struct conf *c);
/* Objects, attempts and answers, for the server, too, if there is one. Behind
   the walls: the index belongs to the portal's user. */
void portal_open_objects(struct portal *p, const struct conf *c);
/* The gateway, whose readers go to another machine. */
void portal_start_inside(struct portal *p, const struct conf *c);
/* That machine; reports go to the gateway from then on. */
void portal_start_outside(struct portal *p, const struct conf *c);

/* --- told.c */

/* Try again what add could not take in; what fails again stays for later. */
void portal_retry_late(struct portal *p);
/* What the portal is told, whoever brings it; arg is the struct portal. What is
   unexpected or malformed is logged and has no effect. */
void portal_told(void *arg, uint16_t type, uint64_t id, struct span payload);
/* portal_report_fn; arg is the struct portal. */
bool portal_tell_store(
    void *arg, uint16_t type, uint64_t id, struct span payload);
/* Write down the wrong attempts and tell of each object they have locked. */
void portal_settle(struct portal *p);
/* Tell of each object that is locked: one that was not told before a crash is
   told now. */
void portal_tell_locked(struct portal *p);
/* role_events.on_peer: store is there, or is there anew, and hears what it may
   have lost. arg is the struct portal, ch taken. */
void portal_on_peer(void *arg, enum role_id id, unsigned index, struct ipc *ch);

#endif
