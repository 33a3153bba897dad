/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The portal on another machine: the connection between the two
 * (dmz_wire.c), what the one in the DMZ keeps until the gateway has it
 * (dmz_events.c, dmz_seen.c, dmz_receive.c), its side (dmz_outside.c), and that
 * of the gateway, which always calls (dmz_inside.c). docs/format-dmz.md.
 */
#ifndef GATEWAY_PORTAL_DMZ_PRIVATE_H
#define GATEWAY_PORTAL_DMZ_PRIVATE_H

#include "gateway/portal/portal_private.h"
#include "gateway/proto_portal.h"

struct conf_addr;
struct loop;
struct net_tls_peers;

/* --- dmz_wire.c: frames on a connection */

struct portal_wire;

struct portal_wire_events {
	/* Both know who the other is. */
	void (*on_up)(void *arg, struct portal_wire *w);
	/* One frame, of those the other side may say. */
	void (*on_frame)(
	    void *arg, struct portal_wire *w, const struct proto_frame *f);
	/* There is room for more pieces. May be NULL. */
	void (*on_room)(void *arg, struct portal_wire *w);
	/* It is over: free it. */
	void (*on_down)(void *arg, struct portal_wire *w, const char *why);
};

/* Takes fd, a connected socket or one whose connect(2) is under way. in_dmz: we
   are the portal, and were called. NULL when out of memory. */
struct portal_wire *portal_wire_new(struct loop *loop,
    struct net_tls_peers *tls, int fd, bool in_dmz,
    const struct portal_wire_events *events, void *arg);
/* From on_down, or from outside of any of the events. */
void portal_wire_free(struct portal_wire *w);
/* It is over soon, for this reason; on_down comes by the loop. */
void portal_wire_cut(struct portal_wire *w, const char *why);
/* Goes when it can; a connection that cannot take it is cut. */
void portal_wire_send(struct portal_wire *w, const struct proto_frame *f);
bool portal_wire_has_room(const struct portal_wire *w);
/* Every second: ask who is silent, cut who stays so. */
void portal_wire_tick(struct portal_wire *w);

/* --- dmz_events.c: what the gateway has to hear, in the DMZ */

struct portal_events;

struct portal_event {
	uint64_t id;
	uint16_t type;
	bool kept;	  /* in the file, too */
	uint64_t born_ms; /* steady clock */
	struct buf payload;
};

/* In this directory; what was not noted before is there again. NULL when it
   cannot be had, and errno says why. */
struct portal_events *portal_events_open(const char *dir);
void portal_events_close(struct portal_events *e);
/* PROTO_PORTAL_INSTANCE octets: ids ascend as long as this is the same. */
const uint8_t *portal_events_instance(const struct portal_events *e);
/* Is there a place? Openings leave some to what matters more. */
bool portal_events_has_room(struct portal_events *e, uint16_t type);
/* Codes, and accounts that are to be set, are kept in memory alone, as long as
   a code is worth something; an account once. False: it does not fit, is lost,
   and logged, but for an account, which the page asks for again. */
bool portal_events_add(
    struct portal_events *e, uint16_t type, struct span payload);
/* The next one to be said, which it is until it is noted; NULL: none. Codes
   come first. Borrowed until then. */
const struct portal_event *portal_events_first(struct portal_events *e);
void portal_events_noted(struct portal_events *e, uint64_t id);

/* --- dmz_seen.c: who has opened what of late, in the DMZ */

struct portal_seen;

enum portal_news {
	PORTAL_NEWS_NONE,   /* it is known, or lies beyond what is told */
	PORTAL_NEWS_CLIENT, /* the first opening by this client */
	PORTAL_NEWS_MORE,   /* by one after too many others: say no address */
};

struct portal_seen *portal_seen_new(void);
void portal_seen_free(struct portal_seen *s);
/* What an opening of this object is, in this hour, by this client, an address
   as text. Times are of the steady clock. */
enum portal_news portal_seen_look(const struct portal_seen *s,
    const uint8_t *object, const char *client, uint64_t now_ms);
/* It is told. */
void portal_seen_note(struct portal_seen *s, const uint8_t *object,
    const char *client, uint64_t now_ms);

/* --- dmz_receive.c: objects on their way in, in the DMZ */

struct portal_receiver;

/* Into this directory, but for reserve octets of its disk. NULL when it cannot
   be had, and errno says why. */
struct portal_receiver *portal_receiver_open(
    const char *dir, struct portal_objects *objects, uint64_t reserve);
void portal_receiver_close(struct portal_receiver *r);
/* The gateway has an object with this header. ERR_OK: so have we, on disk and
   in the index. ERR_AGAIN: send it from *from_out on. */
enum err portal_receiver_offer(struct portal_receiver *r, const uint8_t *header,
    uint64_t *from_out) MUST_CHECK;
/* ERR_AGAIN: there is more to come; ERR_OK: it is whole, as above. After any
   other error it is offered again. */
enum err portal_receiver_put(struct portal_receiver *r, const uint8_t *id,
    uint64_t offset, struct span piece) MUST_CHECK;

/* --- dmz_published.c: what anybody may have, in the DMZ */

struct portal_published;

/* In a directory of their own below this one, but for reserve octets of its
   disk. NULL when it cannot be had, and errno says why. */
struct portal_published *portal_published_open(
    const char *dir, uint64_t reserve);
void portal_published_close(struct portal_published *p);
/* Another connection: what was begun there is void. */
void portal_published_begin(struct portal_published *p);
/* FRAME_PUBLISHED, _PUBLISHED_DATA, _PUBLISHED_LIST, FRAME_WITHDRAWN. ERR_IPC:
   it does not fit together. Any other: not all of it could be kept, which is
   said and logged once until a list begins. */
enum err portal_published_take(
    struct portal_published *p, const struct proto_frame *f) MUST_CHECK;

/* --- dmz_outside.c: the portal in the DMZ */

struct portal_outside;

struct portal_outside_options {
	struct loop *loop;
	struct net_tls_peers *tls; /* borrowed */
	const int *listen_fd;	   /* bound and listening; taken */
	size_t n_listen_fd;
	const char *object_dir;
	const char *dir; /* of the portal */
	uint64_t reserve;
	struct portal_objects *objects; /* borrowed */
	struct portal_answers *answers; /* borrowed */
	/* What store would tell the portal. */
	void (*tell)(
	    void *arg, uint16_t type, uint64_t id, struct span payload);
	void *arg;
};

/* Who has called and not said hello. */
struct portal_guest {
	struct portal_wire *wire; /* NULL: the place is free */
	struct portal_client client;
	bool up; /* the handshake has shown that it is the gateway */
};

/* Which of LIMIT_DMZ_STRANGERS, the first to call first, makes room: a free
   place, else the first of the address that has most of those that are not up.
   LIMIT_DMZ_STRANGERS: all are. */
size_t portal_guest_to_go(const struct portal_guest *guest);

/* NULL: why says what is missing. */
struct portal_outside *portal_outside_new(
    const struct portal_outside_options *opt, struct err_why *why);
void portal_outside_free(struct portal_outside *o);
/* A portal_report_fn; arg is the struct portal_outside. Takes everything. */
bool portal_outside_report(
    void *arg, uint16_t type, uint64_t id, struct span payload);
/* Is there a place for one more code? */
bool portal_outside_takes_code(struct portal_outside *o);
/* An answer is there. */
void portal_outside_answered(struct portal_outside *o);
void portal_outside_tick(struct portal_outside *o);

/* --- dmz_inside.c: the gateway's side */

struct portal_inside;

struct portal_inside_options {
	struct loop *loop;
	struct net_tls_peers *tls;	  /* borrowed */
	const struct conf_addr *at;	  /* of the portal; borrowed */
	uint64_t answer_size;		  /* of the largest one */
	struct portal_objects *objects;	  /* borrowed */
	struct portal_answers *answers;	  /* borrowed */
	struct portal_accounts *accounts; /* borrowed: what store has told */
	struct portal_reports *reports;	  /* borrowed: to store */
	int publish_fd; /* directory of what anybody may have; -1: none; taken
			 */
	/* For store, which answers with PROTO_OBJECT_NOTED; false: there is no
	   store now. */
	portal_report_fn *event;
	/* An answer is there. */
	void (*answered)(void *arg, uint64_t id);
	void *arg;
};

struct portal_inside *portal_inside_new(
    const struct portal_inside_options *opt);
void portal_inside_free(struct portal_inside *in);
/* PROTO_OBJECT_ADD, _UNTIL, _LOCK, _DROP: it is so here, and is to be so there;
   then it is reported. */
void portal_inside_change(
    struct portal_inside *in, uint16_t type, const uint8_t *object_id);
/* Store has this event. */
void portal_inside_noted(struct portal_inside *in, uint64_t id);
/* Store has this answer. */
void portal_inside_taken(struct portal_inside *in, uint64_t id);
/* Accounts that store has told, and portal_accounts_take has taken. */
void portal_inside_accounts(
    struct portal_inside *in, const struct proto_accounts *m);
/* PROTO_ACCOUNT_SAID, PROTO_ACCOUNT_DROP, as store says it. */
void portal_inside_account(
    struct portal_inside *in, uint16_t type, struct span payload);
/* Store is new. */
void portal_inside_store(struct portal_inside *in);
void portal_inside_tick(struct portal_inside *in);

#endif
