/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a destination and its sessions know of each other: destination.c
 * decides who gets which mail and what a failure means, connection.c drives
 * one session on the loop.
 */
#ifndef GATEWAY_RELAY_DESTINATION_PRIVATE_H
#define GATEWAY_RELAY_DESTINATION_PRIVATE_H

#include "gateway/relay/destination.h"
#include "gateway/relay/expect.h"

struct relay_dest {
	struct relay_dests *all;
	struct relay_dest *next; /* in its bucket */
	struct relay_target target;
	struct relay_route *route; /* being looked up */
	struct relay_host host[RELAY_HOSTS_MAX];
	unsigned n_host;
	struct net_tlsa tlsa[RELAY_MX_MAX]; /* as relay_host.mx says */
	uint64_t route_until_ms;
	struct relay_mail *first; /* waiting */
	struct relay_mail **last;
	unsigned n_waiting;
	struct relay_conn *conns;
	unsigned n_conns;
	unsigned n_opening; /* of them, not ready yet */
	unsigned limit;	    /* sessions it bears */
	unsigned good;	    /* messages taken since the limit changed */
	unsigned failures;  /* in a row */
	uint64_t dead_until_ms;
	struct relay_smtp_failure dead; /* why */
	uint64_t used_ms;
};

enum relay_conn_state {
	RELAY_CONN_OPENING = 0,
	RELAY_CONN_IDLE,
	RELAY_CONN_BUSY,
	RELAY_CONN_CLOSING, /* QUIT has been said */
};

struct relay_conn {
	struct relay_dest *dest;
	struct relay_conn *next; /* of the destination */
	enum relay_conn_state state;
	struct relay_smtp *smtp; /* NULL: no address could be tried */
	struct loop_io *io;
	struct loop_timer *timer;
	uint64_t progress;	    /* of smtp, when the timer was started */
	unsigned tried;		    /* bit i: host i has been tried */
	unsigned host;		    /* the present one */
	bool plain;		    /* STARTTLS is not tried again */
	bool no_starttls;	    /* nor was it in this session */
	struct relay_expect expect; /* of the present host */
	struct relay_mail *mail;
	unsigned n_mails;
	uint64_t since_ms;		   /* opened */
	uint64_t idle_ms;		   /* idle since */
	struct relay_smtp_failure failure; /* the last */
	/* The first for want of TLS, and whether another host answered and was
	   not even asked for it. */
	struct relay_smtp_failure no_tls;
	bool undecided;
	unsigned n_no_require; /* hosts without REQUIRETLS */
};

/* --- connection.c --- */

/* Begin a session with the best host; how it ends is told from the loop. */
struct relay_conn *relay_conn_new(struct relay_dest *d);
void relay_conn_free(struct relay_conn *c);
/* Hand a mail to an idle session. */
void relay_conn_send(struct relay_conn *c, struct relay_mail *m);
/* End a session that is ready properly: from relay_dest_next(), and from
   outside of it. */
void relay_conn_quit(struct relay_conn *c);
void relay_conn_quit_idle(struct relay_conn *c);
/* End it now; the mail it has is settled as deferred. */
void relay_conn_abort(struct relay_conn *c, const char *text);

/* --- destination.c, called by a session --- */

const struct relay_dests_setup *relay_dests_setup(
    const struct relay_dests *all);
/* It can take a mail: which? NULL: none, and maybe relay_conn_quit() was
   called. */
struct relay_mail *relay_dest_next(struct relay_dest *d, struct relay_conn *c);
/* It is over; frees it. c->failure says why. */
void relay_dest_down(struct relay_dest *d, struct relay_conn *c);
/* A mail was settled in a session. */
void relay_dest_settled(struct relay_dest *d, struct relay_mail *m);

#endif
