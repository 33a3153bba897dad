/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The gateway's side of a portal in a DMZ: it calls, and calls again. Whoever
 * answers may be in the hands of a stranger: what it says is checked against
 * what is here, counted and slowed down.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/pack.h"
#include "gateway/conf.h"
#include "gateway/portal/dmz_inside_private.h"
#include "gateway/proto.h"

enum {
	STALL_MS = 60000, /* without a reply to what was sent */
	TELL_MS = 60000,  /* the lines of each kind are counted in */
};

/* Is it worth a line, or was the same or enough said within this minute?
 *unsaid: how often it was not, since the last line. */
static bool
is_news(struct portal_inside *in, enum dmz_trouble kind, const char *why,
    uint64_t *unsaid)
{
	struct dmz_told *t = &in->told[kind];
	uint64_t now = clock_steady_ms();
	bool same = false;

	if (t->since_ms == 0 || now - t->since_ms >= TELL_MS) {
		t->since_ms = now;
		t->n = 0;
	}
	/* each end of a connection that stood is one of its own */
	for (size_t i = 0; i < t->n && kind != TROUBLE_LINK; i++)
		same = same || strcmp(t->why[i].text, why) == 0;
	if (same || t->n == DMZ_LINES) {
		t->unsaid++;
		return false;
	}
	snprintf(t->why[t->n].text, sizeof(t->why[t->n].text), "%s", why);
	t->n++;
	*unsaid = t->unsaid;
	t->unsaid = 0;
	return true;
}

void
portal_inside_complain(
    struct portal_inside *in, enum dmz_trouble kind, const char *why)
{
	static const char *const what[DMZ_TROUBLES] = {
	    [TROUBLE_LINK] = "connection",
	    [TROUBLE_CALL] = "connection",
	    [TROUBLE_EVENT] = "event",
	    [TROUBLE_ANSWER] = "answer",
	    [TROUBLE_FULL] = "object",
	    [TROUBLE_PUBLISHED] = "published",
	};
	uint64_t unsaid;

	if (is_news(in, kind, why, &unsaid))
		log_event(LOG_LVL_WARN, NULL, "dmz-refused",
		    KV_STR("what", what[kind]), KV_STR("reason", why),
		    KV_NUM("unsaid", unsaid));
}

void
portal_inside_send(struct portal_inside *in, uint8_t type, uint64_t id)
{
	if (in->up)
		portal_wire_send(
		    in->wire, &(struct proto_frame){.type = type, .id = id});
}

/* --- for status and doctor */

static void
tell_link(struct portal_inside *in)
{
	struct packer p;
	struct buf b;

	buf_init(&b, LIMIT_DMZ_EVENT);
	pack_begin(&p, &b);
	pack_bool(&p, in->up);
	pack_u64(&p, in->skew_s);
	pack_str(&p, in->up ? in->full.text : in->why.text);
	/* a store that is gone is told when it is back */
	if (pack_end(&p) == ERR_OK)
		(void)in->opt.event(
		    in->opt.arg, PROTO_DMZ_LINK, 0, buf_span(&b));
	buf_clear(&b);
}

void
portal_inside_not_now(struct portal_inside *in, const char *why)
{
	uint64_t unsaid;

	if (strcmp(in->full.text, why) == 0)
		return;
	snprintf(in->full.text, sizeof(in->full.text), "%s", why);
	tell_link(in);
	if (why[0] != '\0' && is_news(in, TROUBLE_FULL, why, &unsaid))
		log_event(LOG_LVL_ERR, NULL, "dmz-not-now",
		    KV_STR("reason", why), KV_NUM("unsaid", unsaid));
}

void
portal_inside_store(struct portal_inside *in)
{
	in->event_sent = false;
	portal_hear_forward(in);
	tell_link(in);
}

/* --- the connection */

static void
say_up(struct portal_inside *in)
{
	uint64_t unsaid;

	if (!is_news(in, TROUBLE_LINK, "", &unsaid))
		return;
	log_event(LOG_LVL_NOTICE, NULL, "dmz-up",
	    KV_STR("address", in->opt.at->text), KV_NUM("skew_s", in->skew_s),
	    KV_NUM("unsaid", unsaid));
	if (in->skew_s > LIMIT_DMZ_SKEW_S)
		log_event(LOG_LVL_WARN, NULL, "dmz-clock",
		    KV_NUM("skew_s", in->skew_s));
}

static void
on_hello(struct portal_inside *in, const struct proto_frame *f)
{
	uint64_t now_s = clock_unix_ms() / 1000;
	uint64_t skew =
	    now_s > f->offset ? now_s - f->offset : f->offset - now_s;

	if (in->up || f->number != PROTO_PORTAL_VERSION) {
		portal_wire_cut(in->wire, in->up ? "it says hello again"
						 : "it is of another version");
		return;
	}
	memcpy(in->instance, f->raw, sizeof(in->instance));
	in->up = in->was_up = true;
	in->up_ms = clock_steady_ms();
	in->synced = in->started = false;
	in->skew_s = skew;
	in->publishes = (f->size & PROTO_PORTAL_PUBLISHED) != 0;
	in->full.text[0] = '\0';
	tell_link(in);
	say_up(in);
	portal_wire_send(in->wire, &(struct proto_frame){.type = FRAME_HELLO,
				       .number = PROTO_PORTAL_VERSION,
				       .offset = now_s,
				       .size = in->opt.answer_size});
	portal_accounts_anew(in);
	portal_push_go_on(in);
	portal_publish_anew(in);
}

static void
on_frame(void *arg, struct portal_wire *w, const struct proto_frame *f)
{
	static const uint8_t no_object[sizeof(f->raw)];
	struct portal_inside *in = arg;

	if (f->type == FRAME_HELLO) {
		on_hello(in, f);
		return;
	}
	if (!in->up) {
		portal_wire_cut(w, "it has not said hello");
		return;
	}
	switch (f->type) {
	case FRAME_NOT_NOW:
		if (memcmp(f->raw, no_object, sizeof(no_object)) == 0) {
			portal_publish_not_now(in, (enum err)f->number);
			return;
		}
		portal_push_reply(in, f);
		return;
	case FRAME_WANT:
	case FRAME_HAVE:
	case FRAME_GONE:
		portal_push_reply(in, f);
		return;
	case FRAME_EVENT:
		portal_hear_event(in, f);
		return;
	case FRAME_ANSWER:
		portal_fetch_announced(in, f);
		return;
	case FRAME_ANSWER_DATA:
		portal_fetch_piece(in, f);
		return;
	}
	portal_wire_cut(w, "it says what is not expected");
}

static void
on_up(void *arg, struct portal_wire *w)
{
	/* it speaks first */
	(void)arg;
	(void)w;
}

static void
on_room(void *arg, struct portal_wire *w)
{
	(void)w;
	portal_accounts_go_on(arg);
	portal_push_pieces(arg);
	portal_publish_go_on(arg);
}

static void
on_down(void *arg, struct portal_wire *w, const char *why)
{
	struct portal_inside *in = arg;
	uint64_t now = clock_steady_ms(), unsaid;

	if (is_news(in, in->up ? TROUBLE_LINK : TROUBLE_CALL, why, &unsaid))
		log_event(LOG_LVL_ERR, NULL, "dmz-down",
		    KV_STR("address", in->opt.at->text), KV_STR("reason", why),
		    KV_NUM("unsaid", unsaid));
	portal_push_stop(in);
	portal_fetch_stop(in);
	portal_hear_forget(in);
	in->wire = NULL;
	/* at once if it stood: its machine may only have begun anew */
	in->call_at_ms = in->up && now - in->up_ms >= LIMIT_DMZ_RETRY_MS
			     ? 0
			     : now + LIMIT_DMZ_RETRY_MS;
	if (in->up || strcmp(in->why.text, why) != 0) {
		snprintf(in->why.text, sizeof(in->why.text), "%s", why);
		in->up = false;
		tell_link(in);
	}
	portal_wire_free(w);
}

static void
call(struct portal_inside *in)
{
	static const struct portal_wire_events events = {
	    .on_up = on_up,
	    .on_frame = on_frame,
	    .on_room = on_room,
	    .on_down = on_down,
	};
	const struct conf_addr *at = in->opt.at;
	int fd = socket(
	    at->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	in->call_at_ms = clock_steady_ms() + LIMIT_DMZ_RETRY_MS;
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)(const void *)&at->sa,
		at->sa_len) != 0 &&
	    errno != EINPROGRESS) {
		portal_inside_complain(in, TROUBLE_CALL, strerror(errno));
		close(fd);
		return;
	}
	in->wire =
	    portal_wire_new(in->opt.loop, in->opt.tls, fd, false, &events, in);
}

/* Is something under way that does not get on? */
static bool
is_stalled(const struct portal_inside *in)
{
	return (in->state != PUSH_IDLE || in->upload != NULL) &&
	       clock_steady_ms() - in->moved_ms >= STALL_MS;
}

void
portal_inside_tick(struct portal_inside *in)
{
	in->tokens += LIMIT_DMZ_EVENTS_RATE;
	if (in->tokens > LIMIT_DMZ_EVENTS_BURST)
		in->tokens = LIMIT_DMZ_EVENTS_BURST;
	if (in->wire == NULL) {
		if (clock_steady_ms() >= in->call_at_ms)
			call(in);
		return;
	}
	portal_wire_tick(in->wire);
	if (in->up && is_stalled(in))
		portal_wire_cut(in->wire, "it does not get on");
	portal_hear_forward(in);
	portal_accounts_go_on(in);
	portal_push_go_on(in);
	portal_publish_go_on(in);
}

struct portal_inside *
portal_inside_new(const struct portal_inside_options *opt)
{
	struct portal_inside *in = calloc(1, sizeof(*in));

	if (in == NULL)
		fatal("portal: out of memory");
	in->opt = *opt;
	in->fd = -1;
	in->tokens = LIMIT_DMZ_EVENTS_BURST;
	if (opt->publish_fd >= 0)
		in->publisher = portal_publisher_new(opt->publish_fd);
	call(in);
	return in;
}

void
portal_inside_free(struct portal_inside *in)
{
	if (in == NULL)
		return;
	portal_wire_free(in->wire);
	portal_push_stop(in);
	portal_fetch_stop(in);
	portal_hear_forget(in);
	portal_queue_clear(&in->queue);
	portal_publisher_free(in->publisher);
	free(in);
}
