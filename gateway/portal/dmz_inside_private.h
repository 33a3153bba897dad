/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Between the files of the gateway's side: the connection (dmz_inside.c), what
 * is brought there (dmz_push.c, dmz_accounts.c), what has happened there
 * (dmz_hear.c), and answers (dmz_fetch.c).
 */
#ifndef GATEWAY_PORTAL_DMZ_INSIDE_PRIVATE_H
#define GATEWAY_PORTAL_DMZ_INSIDE_PRIVATE_H

#include "common/limits.h"
#include "gateway/portal/dmz_private.h"

enum { DMZ_BAD = 64 }; /* answers that are not fetched again */

struct dmz_change {
	uint16_t type;
	uint8_t id[OBJECT_ID_SIZE];
	bool asked; /* store waits for the report */
};

/* dmz_queue.c: those that wait; zeroed it is empty */
struct dmz_queue {
	struct dmz_place *place;
	size_t first, n, room;
};

/* Behind the others, unless the same waits already; fatal when out of
   memory. */
void portal_queue_put(struct dmz_queue *q, const struct dmz_change *c);
/* The first; false: there is none. */
bool portal_queue_take(struct dmz_queue *q, struct dmz_change *out);
bool portal_queue_has(struct dmz_queue *q, uint16_t type, const uint8_t *id);
void portal_queue_clear(struct dmz_queue *q);

enum dmz_push {
	PUSH_IDLE = 0,
	PUSH_OFFERED, /* or sent: what does it say? */
	PUSH_SENDING,
	PUSH_TOLD, /* of a change */
};

/* What is said in the log of what the other side does: of each kind so many
   lines a minute, whatever it makes of them. */
enum dmz_trouble {
	TROUBLE_LINK, /* it stands, or not any more */
	TROUBLE_CALL, /* it does not come to stand */
	TROUBLE_EVENT,
	TROUBLE_ANSWER,
	TROUBLE_FULL, /* it takes no object */
	TROUBLE_PUBLISHED,
	DMZ_TROUBLES,
};

enum { DMZ_LINES = 6 };

struct dmz_told {
	uint64_t since_ms; /* of this minute; 0: nothing was said */
	size_t n;
	uint64_t unsaid;
	struct err_why why[DMZ_LINES];
};

struct dmz_answer {
	uint64_t id;
	uint64_t size;
	uint8_t object[OBJECT_ID_SIZE];
};

struct portal_inside {
	struct portal_inside_options opt;
	struct portal_wire *wire; /* NULL: there is none */
	bool up;		  /* it has said hello */
	bool was_up;
	uint8_t instance[PROTO_PORTAL_INSTANCE];
	uint64_t call_at_ms;
	struct dmz_told told[DMZ_TROUBLES];
	uint64_t up_ms;
	struct err_why why;  /* it is not up */
	struct err_why full; /* it is, and takes no object; "": it does */
	uint64_t skew_s;

	/* what is to be brought there: a queue, then all that is here */
	struct dmz_queue queue;
	bool synced;
	bool started; /* the cursor has a value */
	uint8_t cursor[OBJECT_ID_SIZE];
	uint64_t pause_until_ms;

	/* accounts: the next part of the list, which is told to its end or not;
	   whether store had told all when it last told some */
	size_t accounts_at;
	bool accounts_told;
	bool accounts_whole;

	struct portal_publisher *publisher; /* NULL: nothing is published */
	bool publishes;			    /* it takes what is */

	enum dmz_push state;
	struct dmz_change now;
	struct object_header header;
	int fd; /* of what is sent; -1 */
	uint64_t offset;
	uint64_t moved_ms;

	/* the event that store has not noted; 0: none */
	uint64_t event_id;
	bool event_sent;
	bool event_refused; /* store hears nothing of it */
	/* it says that this object is locked there */
	bool event_locks;
	uint8_t event_object[OBJECT_ID_SIZE];
	struct buf event;
	unsigned tokens;

	struct dmz_answer answer[LIMIT_DMZ_ANSWERS];
	size_t n_answers;
	struct portal_upload *upload;
	struct dmz_answer coming;
	uint64_t got;
	uint64_t bad[DMZ_BAD];
	size_t n_bad;
};

/* dmz_inside.c: say it, unless the same or too much was said a moment ago. */
void portal_inside_complain(
    struct portal_inside *in, enum dmz_trouble kind, const char *why);
/* It cannot take an object, for this reason; "": it has taken one. */
void portal_inside_not_now(struct portal_inside *in, const char *why);
/* A frame that has an id and nothing else, if there is somebody to send it
   to. */
void portal_inside_send(struct portal_inside *in, uint8_t type, uint64_t id);

/* dmz_push.c: go on with what is to be brought there. */
void portal_push_go_on(struct portal_inside *in);
/* As much of an object as the connection takes now. */
void portal_push_pieces(struct portal_inside *in);
/* FRAME_WANT, FRAME_HAVE, FRAME_GONE, FRAME_NOT_NOW. */
void portal_push_reply(struct portal_inside *in, const struct proto_frame *f);
/* Is this change on its way there? */
bool portal_push_has(
    struct portal_inside *in, uint16_t type, const uint8_t *object_id);
/* The connection is gone: what was begun is begun again. */
void portal_push_stop(struct portal_inside *in);

/* dmz_accounts.c: all of them from the beginning, after a hello. */
void portal_accounts_anew(struct portal_inside *in);
/* As much of it as the connection takes now. */
void portal_accounts_go_on(struct portal_inside *in);

/* dmz_publish.c: what anybody may have, from a directory that it takes. */
struct portal_publisher *portal_publisher_new(int dir);
void portal_publisher_free(struct portal_publisher *p);
/* All of it from the beginning, after a hello. */
void portal_publish_anew(struct portal_inside *in);
/* As much of it as the connection takes now, and what has changed since. */
void portal_publish_go_on(struct portal_inside *in);
/* It could not keep all of it: it is told all anew, later. */
void portal_publish_not_now(struct portal_inside *in, enum err e);

/* dmz_hear.c: FRAME_EVENT. */
void portal_hear_event(struct portal_inside *in, const struct proto_frame *f);
/* Give it to store, if it is its turn. */
void portal_hear_forward(struct portal_inside *in);
void portal_hear_forget(struct portal_inside *in);

/* dmz_fetch.c: FRAME_ANSWER, FRAME_ANSWER_DATA. */
void portal_fetch_announced(
    struct portal_inside *in, const struct proto_frame *f);
void portal_fetch_piece(struct portal_inside *in, const struct proto_frame *f);
/* The connection is gone. */
void portal_fetch_stop(struct portal_inside *in);

#endif
