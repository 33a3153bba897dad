/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The portal's side of the connection, in the DMZ. It is called and never
 * calls; it takes sealed objects, and gives what has happened and the answers
 * that were left here, which it keeps until the gateway has them. In the place
 * of store for the rest of the portal.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/pack.h"
#include "gateway/portal/dmz_private.h"
#include "gateway/proto.h"
#include "gateway/state.h"

enum {
	LISTEN_MAX = 16,
	ANNOUNCE_MS = 15000,
	TELL_MS = 60000,
	PATH_SIZE = 4096
};

struct portal_outside {
	struct portal_outside_options opt;
	struct loop_io *io[LISTEN_MAX];
	int fd[LISTEN_MAX];
	/* who has called and not said hello; and the gateway, once it has */
	struct portal_guest guest[LIMIT_DMZ_STRANGERS];
	struct portal_wire *gateway;
	struct portal_receiver *receiver;
	struct portal_published *published;
	struct portal_events *events;
	struct portal_seen *seen;
	uint64_t sent_id; /* of the event that is under way; 0: none */
	uint64_t announce_at_ms;
	uint64_t told_ms; /* when it was last logged who is refused; 0: never */
	uint64_t refused; /* since */
	/* the answer that goes in */
	int answer_fd; /* -1: none */
	uint64_t answer_id, answer_at;
};

/* For `sealgate doctor`: to its eyes whoever has called is connected. It shall
   rather say that nobody is than that a stranger is the gateway. */
static void
mark_connected(const struct portal_outside *o, bool connected)
{
	char path[PATH_SIZE];
	int fd;

	snprintf(path, sizeof(path), "%s/" STATE_DMZ_CONNECTED, o->opt.dir);
	if (!connected) {
		(void)!unlink(path);
		return;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
}

/* --- events */

static void
send_event(struct portal_outside *o)
{
	const struct portal_event *e;

	/* what is asked for is under way from then on */
	if (o->gateway == NULL)
		return;
	e = portal_events_first(o->events);
	if (e == NULL || o->sent_id == e->id)
		return;
	o->sent_id = e->id;
	portal_wire_send(o->gateway, &(struct proto_frame){.type = FRAME_EVENT,
					 .id = e->id,
					 .number = e->type,
					 .octets = buf_span(&e->payload)});
}

/* The id of an object by its name, which a report begins with. */
static bool
object_of(struct span payload, uint8_t *out)
{
	struct unpacker u;

	unpack_begin(&u, payload);
	return object_id_parse(unpack_span(&u), out);
}

/* How often it is told is not for whoever opens it to say. */
static void
add_opened(struct portal_outside *o, struct span payload)
{
	uint64_t now_ms = clock_steady_ms();
	struct arena *a = arena_new(LIMIT_DMZ_EVENT * 4);
	uint8_t id[OBJECT_ID_SIZE];
	struct proto_opened m;
	const char *client;
	struct buf b;

	buf_init(&b, LIMIT_DMZ_EVENT);
	if (a == NULL || proto_opened_unpack(payload, a, &m) != ERR_OK ||
	    !object_id_parse(span_str(m.name), id))
		fatal("portal: out of memory");
	client = m.client;
	switch (portal_seen_look(o->seen, id, client, now_ms)) {
	case PORTAL_NEWS_NONE:
		goto out;
	case PORTAL_NEWS_MORE:
		m.client = m.agent = "";
		break;
	case PORTAL_NEWS_CLIENT:
		break;
	}
	if (proto_opened_pack(&m, &b) == ERR_OK &&
	    portal_events_add(o->events, PROTO_OBJECT_OPENED, buf_span(&b)))
		portal_seen_note(o->seen, id, client, now_ms);
out:
	buf_clear(&b);
	arena_free(a);
}

bool
portal_outside_takes_code(struct portal_outside *o)
{
	return portal_events_has_room(o->events, PROTO_OBJECT_CODE);
}

bool
portal_outside_report(
    void *arg, uint16_t type, uint64_t id, struct span payload)
{
	struct portal_outside *o = arg;
	struct proto_frame f = {
	    .type = type == PROTO_OBJECT_HAVE ? FRAME_HAVE : FRAME_GONE};

	(void)id;
	switch (type) {
	case PROTO_OBJECT_HAVE:
	case PROTO_OBJECT_DROPPED:
		/* answers to what a gateway said: one that has gone asks again
		 */
		if (o->gateway != NULL && object_of(payload, f.raw))
			portal_wire_send(o->gateway, &f);
		return true;
	case PROTO_OBJECT_EXPIRED:
		/* the gateway has a clock of its own */
		return true;
	case PROTO_OBJECT_OPENED:
		add_opened(o, payload);
		break;
	default:
		/* what finds no place is logged; a code was not made then */
		(void)portal_events_add(o->events, type, payload);
	}
	send_event(o);
	return true;
}

/* --- answers */

static void
let_answer_go(struct portal_outside *o)
{
	if (o->answer_fd >= 0)
		close(o->answer_fd);
	o->answer_fd = -1;
}

static void
announce(void *arg, uint64_t id, const uint8_t *object, uint64_t size)
{
	struct portal_outside *o = arg;
	struct proto_frame f = {.type = FRAME_ANSWER, .id = id, .size = size};

	memcpy(f.raw, object, sizeof(f.raw));
	portal_wire_send(o->gateway, &f);
}

void
portal_outside_answered(struct portal_outside *o)
{
	if (o->gateway != NULL)
		portal_answers_each(o->opt.answers, announce, o);
}

/* As much of it as the connection takes now. */
static void
send_answer(struct portal_outside *o)
{
	static uint8_t piece[LIMIT_DMZ_PIECE];

	while (o->answer_fd >= 0 && portal_wire_has_room(o->gateway)) {
		ssize_t n = pread(
		    o->answer_fd, piece, sizeof(piece), (off_t)o->answer_at);
		struct proto_frame f = {.type = FRAME_ANSWER_DATA,
		    .id = o->answer_id,
		    .offset = o->answer_at};

		if (n < 0 && errno == EINTR)
			continue;
		f.octets = SPAN(piece, n > 0 ? (size_t)n : 0);
		portal_wire_send(o->gateway, &f);
		o->answer_at += f.octets.len;
		if (n <= 0)
			let_answer_go(o);
	}
}

static void
begin_answer(struct portal_outside *o, uint64_t id)
{
	let_answer_go(o);
	o->answer_id = id;
	o->answer_at = 0;
	o->answer_fd = portal_answers_file(o->opt.answers, id);
	if (o->answer_fd >= 0)
		send_answer(o);
	else
		portal_wire_send(o->gateway,
		    &(struct proto_frame){.type = FRAME_ANSWER_DATA, .id = id});
}

/* --- guests */

size_t
portal_guest_to_go(const struct portal_guest *guest)
{
	size_t best = LIMIT_DMZ_STRANGERS;
	unsigned most = 0;

	for (size_t i = 0; i < LIMIT_DMZ_STRANGERS; i++) {
		unsigned n = 0;

		if (guest[i].wire == NULL)
			return i;
		if (guest[i].up)
			continue;
		for (size_t j = 0; j < LIMIT_DMZ_STRANGERS; j++)
			if (!guest[j].up && guest[j].wire != NULL &&
			    guest[j].client.net_len ==
				guest[i].client.net_len &&
			    memcmp(guest[j].client.net, guest[i].client.net,
				guest[i].client.net_len) == 0)
				n++;
		if (n > most) {
			most = n;
			best = i;
		}
	}
	return best;
}

static struct portal_guest *
find_guest(struct portal_outside *o, const struct portal_wire *w)
{
	for (size_t i = 0; i < LIMIT_DMZ_STRANGERS; i++)
		if (o->guest[i].wire == w)
			return &o->guest[i];
	return NULL;
}

/* Anybody can be refused at any rate: that is said once a minute, of the last
   one, with their number. */
static void
note_refused(struct portal_outside *o, const char *client, const char *why)
{
	uint64_t now = clock_steady_ms();

	o->refused++;
	if (o->told_ms != 0 && now - o->told_ms < TELL_MS)
		return;
	log_event(LOG_LVL_INFO, NULL, "dmz-refused", KV_STR("client", client),
	    KV_STR("reason", why), KV_NUM("times", o->refused));
	o->told_ms = now;
	o->refused = 0;
}

/* --- what the gateway says */

static void
reply_object(struct portal_outside *o, const uint8_t *id, enum err e)
{
	struct proto_frame f = {.type = FRAME_HAVE};
	char name[OBJECT_ID_TEXT_SIZE];

	memcpy(f.raw, id, sizeof(f.raw));
	if (e != ERR_OK) {
		object_id_format(id, name);
		log_event(LOG_LVL_ERR, NULL, "portal-no-object",
		    KV_STR("object", name), KV_ERR(e));
		f.type = FRAME_NOT_NOW;
		f.number = (uint32_t)e;
	}
	portal_wire_send(o->gateway, &f);
}

static void
on_object(struct portal_outside *o, const struct proto_frame *f)
{
	struct proto_frame want = {.type = FRAME_WANT};
	struct object_header h;
	enum err e;

	if (object_header_parse(SPAN(f->header, sizeof(f->header)), &h) !=
	    ERR_OK) {
		portal_wire_cut(o->gateway, "it offers what is no object");
		return;
	}
	e = portal_receiver_offer(o->receiver, f->header, &want.offset);
	if (e != ERR_AGAIN) {
		reply_object(o, h.id, e);
		return;
	}
	memcpy(want.raw, h.id, sizeof(want.raw));
	portal_wire_send(o->gateway, &want);
}

static void
on_data(struct portal_outside *o, const struct proto_frame *f)
{
	enum err e =
	    portal_receiver_put(o->receiver, f->raw, f->offset, f->octets);

	if (e == ERR_IPC)
		portal_wire_cut(o->gateway, "its pieces do not fit together");
	else if (e != ERR_AGAIN)
		reply_object(o, f->raw, e);
}

static void
on_published(struct portal_outside *o, const struct proto_frame *f)
{
	/* of no object */
	struct proto_frame not_now = {.type = FRAME_NOT_NOW};
	enum err e = portal_published_take(o->published, f);

	if (e == ERR_IPC) {
		portal_wire_cut(
		    o->gateway, "what it publishes does not fit together");
	} else if (e != ERR_OK) {
		not_now.number = (uint32_t)e;
		portal_wire_send(o->gateway, &not_now);
	}
}

static void
on_hello(struct portal_outside *o, struct portal_wire *w,
    const struct proto_frame *f)
{
	struct portal_guest *guest;
	uint64_t now_s = clock_unix_ms() / 1000;
	uint64_t skew =
	    now_s > f->offset ? now_s - f->offset : f->offset - now_s;

	if (f->number != PROTO_PORTAL_VERSION) {
		portal_wire_cut(w, "it is of another version");
		return;
	}
	guest = find_guest(o, w);
	if (guest != NULL)
		guest->wire = NULL;
	/* it knows that the old connection is no good, maybe before we do */
	portal_wire_free(o->gateway);
	let_answer_go(o);
	o->gateway = w;
	mark_connected(o, true);
	o->sent_id = 0;
	portal_published_begin(o->published);
	portal_answers_limit(o->opt.answers, f->size);
	log_event(LOG_LVL_NOTICE, NULL, "dmz-up", KV_NUM("skew_s", skew));
	if (skew > LIMIT_DMZ_SKEW_S)
		log_event(
		    LOG_LVL_WARN, NULL, "dmz-clock", KV_NUM("skew_s", skew));
	send_event(o);
	portal_outside_answered(o);
}

static void
on_frame(void *arg, struct portal_wire *w, const struct proto_frame *f)
{
	struct portal_outside *o = arg;

	if (f->type == FRAME_HELLO && w != o->gateway) {
		on_hello(o, w, f);
		return;
	}
	if (w != o->gateway) {
		portal_wire_cut(w, "it has not said hello");
		return;
	}
	switch (f->type) {
	case FRAME_OBJECT:
		on_object(o, f);
		return;
	case FRAME_DATA:
		on_data(o, f);
		return;
	case FRAME_TELL:
		o->opt.tell(o->opt.arg, (uint16_t)f->number, f->id, f->octets);
		return;
	case FRAME_NOTED:
		portal_events_noted(o->events, f->id);
		send_event(o);
		return;
	case FRAME_ANSWER_GET:
		begin_answer(o, f->id);
		return;
	case FRAME_PUBLISHED:
	case FRAME_PUBLISHED_DATA:
	case FRAME_PUBLISHED_LIST:
	case FRAME_WITHDRAWN:
		on_published(o, f);
		return;
	case FRAME_ANSWER_TAKEN:
		o->opt.tell(
		    o->opt.arg, PROTO_ANSWER_TAKEN, f->id, SPAN(NULL, 0));
		return;
	}
	portal_wire_cut(w, "it says what is not expected");
}

/* --- connections */

static void
on_up(void *arg, struct portal_wire *w)
{
	struct portal_outside *o = arg;
	struct proto_frame f = {.type = FRAME_HELLO,
	    .number = PROTO_PORTAL_VERSION,
	    .offset = clock_unix_ms() / 1000,
	    .size = PROTO_PORTAL_PUBLISHED};

	/* the gateway has called once more: its call before is no good, so
	   that one place at most is kept by such */
	for (size_t i = 0; i < LIMIT_DMZ_STRANGERS; i++) {
		struct portal_guest *g = &o->guest[i];

		if (g->wire == w) {
			g->up = true;
		} else if (g->wire != NULL && g->up) {
			portal_wire_free(g->wire);
			g->wire = NULL;
		}
	}
	memcpy(f.raw, portal_events_instance(o->events), sizeof(f.raw));
	portal_wire_send(w, &f);
}

static void
on_room(void *arg, struct portal_wire *w)
{
	struct portal_outside *o = arg;

	if (w == o->gateway)
		send_answer(o);
}

static void
on_down(void *arg, struct portal_wire *w, const char *why)
{
	struct portal_outside *o = arg;
	struct portal_guest *guest = find_guest(o, w);

	if (w == o->gateway) {
		log_event(
		    LOG_LVL_WARN, NULL, "dmz-down", KV_STR("reason", why));
		o->gateway = NULL;
		mark_connected(o, false);
		let_answer_go(o);
	} else if (guest != NULL) {
		note_refused(o, guest->client.text, why);
		guest->wire = NULL;
	}
	portal_wire_free(w);
}

/* Whoever reaches the port can call as often as they like: that must keep
   neither the gateway out nor another network. */
static void
take_in(struct portal_outside *o, int fd, const struct sockaddr *from)
{
	static const struct portal_wire_events events = {
	    .on_up = on_up,
	    .on_frame = on_frame,
	    .on_room = on_room,
	    .on_down = on_down,
	};
	struct portal_guest *last = &o->guest[LIMIT_DMZ_STRANGERS - 1];
	size_t i = portal_guest_to_go(o->guest);

	if (i == LIMIT_DMZ_STRANGERS) {
		close(fd);
		return;
	}
	if (o->guest[i].wire != NULL) {
		note_refused(o, o->guest[i].client.text,
		    "too many call who do not say who they are");
		portal_wire_free(o->guest[i].wire);
	}
	memmove(&o->guest[i], &o->guest[i + 1],
	    (LIMIT_DMZ_STRANGERS - 1 - i) * sizeof(o->guest[0]));
	*last = (struct portal_guest){.up = false};
	portal_client_of_socket(from, &last->client);
	last->wire =
	    portal_wire_new(o->opt.loop, o->opt.tls, fd, true, &events, o);
}

static void
on_listen(void *arg, unsigned events)
{
	struct portal_outside *o = arg;

	for (size_t i = 0; i < o->opt.n_listen_fd; i++) {
		struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
		socklen_t len = sizeof(from);
		int fd = accept4(o->fd[i], (struct sockaddr *)&from, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0)
			take_in(o, fd, (struct sockaddr *)&from);
	}
}

void
portal_outside_tick(struct portal_outside *o)
{
	for (size_t i = 0; i < LIMIT_DMZ_STRANGERS; i++)
		if (o->guest[i].wire != NULL)
			portal_wire_tick(o->guest[i].wire);
	if (o->gateway == NULL)
		return;
	portal_wire_tick(o->gateway);
	send_event(o);
	if (clock_steady_ms() < o->announce_at_ms)
		return;
	o->announce_at_ms = clock_steady_ms() + ANNOUNCE_MS;
	portal_outside_answered(o);
}

struct portal_outside *
portal_outside_new(
    const struct portal_outside_options *opt, struct err_why *why)
{
	struct portal_outside *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return NULL;
	o->seen = portal_seen_new();
	if (o->seen == NULL)
		fatal("portal: out of memory");
	o->opt = *opt;
	o->answer_fd = -1;
	/* it is not known how the process before has ended */
	mark_connected(o, false);
	o->events = portal_events_open(opt->dir);
	if (o->events == NULL) {
		(void)!err_why(
		    why, ERR_IO, "%s/events: %s", opt->dir, strerror(errno));
		portal_seen_free(o->seen);
		free(o);
		return NULL;
	}
	o->published = portal_published_open(opt->dir, opt->reserve);
	o->receiver =
	    portal_receiver_open(opt->object_dir, opt->objects, opt->reserve);
	if (o->receiver == NULL || o->published == NULL) {
		(void)!err_why(why, ERR_IO, "%s: %s",
		    o->receiver == NULL ? opt->object_dir : opt->dir,
		    strerror(errno));
		portal_published_close(o->published);
		portal_receiver_close(o->receiver);
		portal_events_close(o->events);
		portal_seen_free(o->seen);
		free(o);
		return NULL;
	}
	for (size_t i = 0; i < opt->n_listen_fd; i++) {
		o->fd[i] = opt->listen_fd[i];
		o->io[i] = loop_io_new(opt->loop, o->fd[i], on_listen, o);
		loop_io_set(o->io[i], LOOP_READ);
	}
	return o;
}

void
portal_outside_free(struct portal_outside *o)
{
	if (o == NULL)
		return;
	for (size_t i = 0; i < o->opt.n_listen_fd; i++) {
		loop_io_free(o->io[i]);
		close(o->fd[i]);
	}
	for (size_t i = 0; i < LIMIT_DMZ_STRANGERS; i++)
		portal_wire_free(o->guest[i].wire);
	portal_wire_free(o->gateway);
	mark_connected(o, false);
	let_answer_go(o);
	portal_events_close(o->events);
	portal_seen_free(o->seen);
	portal_receiver_close(o->receiver);
	portal_published_close(o->published);
	free(o);
}
