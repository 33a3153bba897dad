/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The gateway's side of a portal in a DMZ: it calls, and calls again. Every
 * object that is here is brought there, in turn and one at a time, and what has
 * changed before that; events go on to store one after the other; answers are
 * fetched into a file of ours before store sees them. Whoever answers may be in
 * the hands of a stranger: what it says is checked against what is here,
 * counted and slowed down.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/answer.h"
#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/pack.h"
#include "common/secret.h"
#include "gateway/conf.h"
#include "gateway/portal/dmz_private.h"
#include "gateway/proto.h"

enum {
	STALL_MS = 60000, /* without a reply to what was sent */
	TELL_MS = 60000,  /* between two words on the same trouble */
	BAD = 64,	  /* answers that are not fetched again */
	CODE_DIGITS = 6,
	ARENA = 16 * 1024,
};

struct change {
	uint16_t type;
	uint8_t id[OBJECT_ID_SIZE];
	bool asked; /* store waits for the report */
};

enum push_state {
	PUSH_IDLE = 0,
	PUSH_OFFERED, /* or sent: what does it say? */
	PUSH_SENDING,
	PUSH_TOLD, /* of a change */
};

struct announced {
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
	uint64_t told_ms;
	struct err_why told; /* what was said then */
	struct err_why why;  /* it is not up */
	uint64_t skew_s;

	/* what is to be brought there: a queue, then all that is here */
	struct change *queue;
	size_t first, n, room;
	bool synced;
	bool started; /* the cursor has a value */
	uint8_t cursor[OBJECT_ID_SIZE];
	uint64_t pause_until_ms;

	enum push_state state;
	struct change now;
	struct object_header header;
	int fd; /* of what is sent; -1 */
	uint64_t offset;
	uint64_t moved_ms;

	/* the event that store has not noted; 0: none */
	uint64_t event_id;
	bool event_sent;
	struct buf event;
	unsigned tokens;

	struct announced answer[LIMIT_DMZ_ANSWERS];
	size_t n_answers;
	struct portal_upload *upload;
	struct announced coming;
	uint64_t got;
	uint64_t bad[BAD];
	size_t n_bad;
};

/* Is it worth a line, or was the same said a moment ago? */
static bool
is_news(struct portal_inside *in, const char *why)
{
	uint64_t now = clock_steady_ms();

	if (in->told_ms != 0 && now - in->told_ms < TELL_MS &&
	    strcmp(in->told.text, why) == 0)
		return false;
	in->told_ms = now;
	snprintf(in->told.text, sizeof(in->told.text), "%s", why);
	return true;
}

static void
complain(struct portal_inside *in, const char *what, const char *why)
{
	if (!is_news(in, why))
		return;
	log_event(LOG_LVL_WARN, NULL, "dmz-refused", KV_STR("what", what),
	    KV_STR("reason", why));
}

static void
send_simple(struct portal_inside *in, uint8_t type, uint64_t id)
{
	if (in->up)
		portal_wire_send(
		    in->wire, &(struct proto_frame){.type = type, .id = id});
}

/* --- what is to be brought there */

static void
put_back(struct portal_inside *in, const struct change *c)
{
	if (in->n == in->room) {
		size_t room = in->room == 0 ? 64 : 2 * in->room;
		struct change *grown = calloc(room, sizeof(*grown));

		if (grown == NULL)
			fatal("portal: out of memory");
		for (size_t i = 0; i < in->n; i++)
			grown[i] = in->queue[(in->first + i) % in->room];
		free(in->queue);
		in->queue = grown;
		in->first = 0;
		in->room = room;
	}
	in->queue[(in->first + in->n++) % in->room] = *c;
}

/* What comes next: what was asked for, then what may be missing there. */
static bool
take_next(struct portal_inside *in)
{
	struct object_header h;
	enum err e;

	if (in->n > 0) {
		in->now = in->queue[in->first];
		in->first = (in->first + 1) % in->room;
		in->n--;
		return true;
	}
	if (in->synced)
		return false;
	e = portal_objects_next(
	    in->opt.objects, in->started ? in->cursor : NULL, &h);
	if (e != ERR_OK) {
		in->synced = e == ERR_NOT_FOUND;
		if (in->synced)
			log_event(LOG_LVL_INFO, NULL, "dmz-synced",
			    KV_STR("address", in->opt.at->text));
		return false;
	}
	in->started = true;
	memcpy(in->cursor, h.id, sizeof(in->cursor));
	in->now = (struct change){.type = PROTO_OBJECT_ADD};
	memcpy(in->now.id, h.id, sizeof(in->now.id));
	return true;
}

static void
let_file_go(struct portal_inside *in)
{
	if (in->fd >= 0)
		close(in->fd);
	in->fd = -1;
}

static void
tell_change(struct portal_inside *in)
{
	char name[OBJECT_ID_TEXT_SIZE];
	struct proto_object m = {.name = name,
	    .size = object_total_size(&in->header),
	    .expires_s = in->header.expires_s,
	    .factor = in->header.factor,
	    .door = in->header.door};
	struct packer p;
	struct buf b;

	object_id_format(in->now.id, name);
	buf_init(&b, LIMIT_DMZ_EVENT);
	pack_begin(&p, &b);
	proto_object_pack(&p, &m);
	if (pack_end(&p) != ERR_OK)
		fatal("portal: out of memory");
	portal_wire_send(in->wire, &(struct proto_frame){.type = FRAME_TELL,
				       .number = in->now.type,
				       .octets = buf_span(&b)});
	buf_clear(&b);
}

/* Begin with it; false: there is nothing to do for it. */
static bool
begin(struct portal_inside *in)
{
	struct proto_frame f = {.type = FRAME_OBJECT};

	in->moved_ms = clock_steady_ms();
	if (in->now.type == PROTO_OBJECT_DROP) {
		in->header = (struct object_header){.expires_s = 0};
		tell_change(in);
		in->state = PUSH_TOLD;
		return true;
	}
	/* it is over here, and soon there */
	if (portal_objects_find(in->opt.objects, in->now.id, 0, &in->header) !=
	    ERR_OK)
		return false;
	object_header_format(&in->header, f.header);
	portal_wire_send(in->wire, &f);
	in->state = PUSH_OFFERED;
	return true;
}

static void
go_on(struct portal_inside *in)
{
	while (in->up && in->state == PUSH_IDLE &&
	       clock_steady_ms() >= in->pause_until_ms && take_next(in))
		if (begin(in))
			return;
}

static void
done(struct portal_inside *in)
{
	in->state = PUSH_IDLE;
	let_file_go(in);
	if (in->now.asked && in->now.type != PROTO_OBJECT_LOCK)
		portal_report_object(in->opt.reports,
		    in->now.type == PROTO_OBJECT_DROP ? PROTO_OBJECT_DROPPED
						      : PROTO_OBJECT_HAVE,
		    in->now.id);
	go_on(in);
}

static void
send_pieces(struct portal_inside *in)
{
	static uint8_t piece[LIMIT_DMZ_PIECE];
	uint64_t total = object_total_size(&in->header);

	while (in->state == PUSH_SENDING && portal_wire_has_room(in->wire)) {
		uint64_t left = total - in->offset;
		size_t want =
		    left < sizeof(piece) ? (size_t)left : sizeof(piece);
		ssize_t n = pread(in->fd, piece, want, (off_t)in->offset);
		struct proto_frame f = {
		    .type = FRAME_DATA, .offset = in->offset};

		if (n < 0 && errno == EINTR)
			continue;
		/* it is offered again, and found to be what it is */
		if (n <= 0) {
			portal_wire_cut(in->wire, "an object cannot be read");
			return;
		}
		memcpy(f.raw, in->now.id, sizeof(f.raw));
		f.octets = SPAN(piece, (size_t)n);
		portal_wire_send(in->wire, &f);
		in->offset += (uint64_t)n;
		in->moved_ms = clock_steady_ms();
		if (in->offset == total)
			in->state = PUSH_OFFERED;
	}
}

static bool
is_current(const struct portal_inside *in, const struct proto_frame *f)
{
	return in->state != PUSH_IDLE &&
	       memcmp(in->now.id, f->raw, sizeof(in->now.id)) == 0;
}

static void
on_want(struct portal_inside *in, const struct proto_frame *f)
{
	if (!is_current(in, f) || in->state != PUSH_OFFERED)
		return;
	if (f->offset >= object_total_size(&in->header)) {
		portal_wire_cut(in->wire, "it wants what there is not");
		return;
	}
	let_file_go(in);
	if (portal_objects_file(in->opt.objects, &in->header, &in->fd) !=
	    ERR_OK) {
		in->fd = -1;
		in->state = PUSH_IDLE;
		go_on(in);
		return;
	}
	in->offset = f->offset;
	in->state = PUSH_SENDING;
	send_pieces(in);
}

static void
on_have(struct portal_inside *in, const struct proto_frame *f)
{
	if (!is_current(in, f) || in->state == PUSH_SENDING ||
	    in->now.type == PROTO_OBJECT_DROP)
		return;
	if (in->state == PUSH_OFFERED && in->now.type != PROTO_OBJECT_ADD)
		tell_change(in);
	if (in->state == PUSH_OFFERED && in->now.type == PROTO_OBJECT_UNTIL)
		in->state = PUSH_TOLD;
	else
		done(in);
}

static void
on_not_now(struct portal_inside *in, const struct proto_frame *f)
{
	char name[OBJECT_ID_TEXT_SIZE];

	if (!is_current(in, f))
		return;
	object_id_format(in->now.id, name);
	log_event(LOG_LVL_ERR, NULL, "dmz-not-now", KV_STR("object", name),
	    KV_STR("reason", err_text((enum err)f->number)));
	put_back(in, &in->now);
	let_file_go(in);
	in->state = PUSH_IDLE;
	in->pause_until_ms = clock_steady_ms() + LIMIT_DMZ_RETRY_MS;
}

void
portal_inside_change(
    struct portal_inside *in, uint16_t type, const uint8_t *object_id)
{
	struct change c = {.type = type, .asked = true};

	memcpy(c.id, object_id, sizeof(c.id));
	put_back(in, &c);
	go_on(in);
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
	pack_str(&p, in->up ? "" : in->why.text);
	/* a store that is gone is told when it is back */
	if (pack_end(&p) == ERR_OK)
		(void)in->opt.event(
		    in->opt.arg, PROTO_DMZ_LINK, 0, buf_span(&b));
	buf_clear(&b);
}

/* --- events */

static bool
is_known(struct portal_inside *in, const char *name)
{
	uint8_t id[OBJECT_ID_SIZE];
	struct object_header h;

	return object_id_parse(span_str(name), id) &&
	       portal_objects_find(in->opt.objects, id, 0, &h) == ERR_OK;
}

static bool
is_address(const char *text)
{
	uint8_t raw[16];

	return text[0] == '\0' || inet_pton(AF_INET, text, raw) == 1 ||
	       inet_pton(AF_INET6, text, raw) == 1;
}

/* Of an object that is here, by an address, not in time to come. */
static enum err
clean_opened(struct portal_inside *in, struct arena *a, struct span payload,
    struct buf *out)
{
	struct proto_opened m;
	uint64_t now = clock_unix_ms();
	enum err e = proto_opened_unpack(payload, a, &m);

	if (e != ERR_OK)
		return e;
	if (!is_address(m.client) || strlen(m.agent) > 200)
		return ERR_MALFORMED;
	if (!is_known(in, m.name))
		return ERR_NOT_FOUND;
	if (m.at_ms > now)
		m.at_ms = now;
	return proto_opened_pack(&m, out);
}

static enum err
clean_code(struct portal_inside *in, struct arena *a, struct span payload,
    struct buf *out)
{
	struct unpacker u;
	const char *name, *code;
	enum err e;

	unpack_begin(&u, payload);
	name = unpack_str(&u, a);
	code = unpack_str(&u, a);
	e = unpack_end(&u);
	if (e != ERR_OK)
		return e;
	if (strlen(code) != CODE_DIGITS)
		return ERR_MALFORMED;
	return is_known(in, name) ? buf_put(out, payload) : ERR_NOT_FOUND;
}

/* Whatever a portal tells store by itself has its row here, or does not get
   from a DMZ to store. */
static const struct {
	uint16_t type;
	enum err (*clean)(struct portal_inside *in, struct arena *a,
	    struct span payload, struct buf *out);
} event_types[] = {
    {PROTO_OBJECT_OPENED, clean_opened},
    {PROTO_OBJECT_LOCKED, clean_opened},
    {PROTO_OBJECT_CODE, clean_code},
};

static void
forget_event(struct portal_inside *in)
{
	if (in->event.data != NULL)
		secret_wipe(in->event.data, in->event.cap);
	buf_clear(&in->event);
	in->event_id = 0;
	in->event_sent = false;
}

/* As store takes it: which portal said it, and what. */
static enum err
keep_event(struct portal_inside *in, const struct proto_frame *f)
{
	enum err e = ERR_UNSUPPORTED;
	struct arena *a = arena_new(ARENA);
	struct packer p;
	struct buf clean;

	buf_init(&clean, 2 * LIMIT_DMZ_EVENT);
	for (size_t i = 0; i < sizeof(event_types) / sizeof(event_types[0]);
	     i++)
		if (event_types[i].type == f->number)
			e = event_types[i].clean(in, a, f->octets, &clean);
	if (e == ERR_OK) {
		buf_init(&in->event, 4 * LIMIT_DMZ_EVENT);
		pack_begin(&p, &in->event);
		pack_raw(&p, in->instance, sizeof(in->instance));
		pack_u16(&p, (uint16_t)f->number);
		pack_span(&p, buf_span(&clean));
		e = pack_end(&p);
	}
	if (clean.data != NULL)
		secret_wipe(clean.data, clean.cap);
	buf_clear(&clean);
	arena_free(a);
	return e;
}

static void
forward_event(struct portal_inside *in)
{
	if (in->event_id == 0 || in->event_sent || in->tokens == 0)
		return;
	if (!in->opt.event(in->opt.arg, PROTO_OBJECT_EVENT, in->event_id,
		buf_span(&in->event)))
		return;
	in->event_sent = true;
	in->tokens--;
}

static void
on_event(struct portal_inside *in, const struct proto_frame *f)
{
	enum err e;

	if (in->event_id != 0 || f->id == 0) {
		portal_wire_cut(
		    in->wire, "it says more than one thing at once");
		return;
	}
	e = f->octets.len > LIMIT_DMZ_EVENT ? ERR_TOO_BIG : keep_event(in, f);
	if (e != ERR_OK) {
		/* an object that has just gone is nobody's fault; it is not to
		   be said again in any case */
		if (e != ERR_NOT_FOUND)
			complain(in, "event", err_text(e));
		send_simple(in, FRAME_NOTED, f->id);
		return;
	}
	in->event_id = f->id;
	forward_event(in);
}

void
portal_inside_noted(struct portal_inside *in, uint64_t id)
{
	if (in->event_id == 0 || in->event_id != id)
		return;
	forget_event(in);
	send_simple(in, FRAME_NOTED, id);
}

void
portal_inside_store(struct portal_inside *in)
{
	in->event_sent = false;
	forward_event(in);
	tell_link(in);
}

/* --- answers */

static bool
is_bad(const struct portal_inside *in, uint64_t id)
{
	for (size_t i = 0; i < BAD; i++)
		if (in->bad[i] == id)
			return true;
	return false;
}

static void
refuse_answer(struct portal_inside *in, const struct announced *a, enum err e)
{
	/* it stays where it is: nobody has another */
	in->bad[in->n_bad++ % BAD] = a->id;
	complain(in, "answer", err_text(e));
}

static bool
is_here(struct portal_inside *in, uint64_t id)
{
	int fd = portal_answers_file(in->opt.answers, id);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static enum err
begin_answer(struct portal_inside *in, const struct announced *a)
{
	static const struct portal_client nobody = {.text = ""};
	struct object_header h;
	enum err e;

	if (a->size > answer_total_size(in->opt.answer_size))
		return ERR_TOO_BIG;
	e = portal_objects_find(in->opt.objects, a->object, 0, &h);
	if (e == ERR_OK)
		e = portal_objects_may_answer(in->opt.objects, a->object);
	return e != ERR_OK ? e
			   : portal_upload_begin_as(in->opt.answers, a->id,
				 a->object, &nobody, a->size, &in->upload);
}

static void
fetch_next(struct portal_inside *in)
{
	while (in->up && in->upload == NULL && in->n_answers > 0) {
		enum err e;

		in->coming = in->answer[0];
		memmove(in->answer, in->answer + 1,
		    --in->n_answers * sizeof(in->answer[0]));
		if (is_here(in, in->coming.id))
			continue;
		e = begin_answer(in, &in->coming);
		if (e == ERR_OK) {
			in->got = 0;
			in->moved_ms = clock_steady_ms();
			send_simple(in, FRAME_ANSWER_GET, in->coming.id);
		} else if (e == ERR_TOO_BIG || e == ERR_LIMIT ||
			   e == ERR_MALFORMED || e == ERR_NOT_FOUND) {
			refuse_answer(in, &in->coming, e);
		} else {
			complain(in, "answer", err_text(e));
		}
	}
}

static void
on_answer(struct portal_inside *in, const struct proto_frame *f)
{
	struct announced *a = &in->answer[in->n_answers];

	if (f->id == 0 || is_bad(in, f->id) ||
	    (in->upload != NULL && in->coming.id == f->id))
		return;
	for (size_t i = 0; i < in->n_answers; i++)
		if (in->answer[i].id == f->id)
			return;
	/* it is announced again */
	if (in->n_answers == LIMIT_DMZ_ANSWERS)
		return;
	*a = (struct announced){.id = f->id, .size = f->size};
	memcpy(a->object, f->raw, sizeof(a->object));
	in->n_answers++;
	fetch_next(in);
}

static void
give_up_answer(struct portal_inside *in)
{
	portal_upload_free(in->upload);
	in->upload = NULL;
}

static void
end_answer(struct portal_inside *in)
{
	uint64_t id = 0;
	enum err e = portal_upload_check(in->upload);

	if (e == ERR_OK)
		e = portal_objects_note_answer(
		    in->opt.objects, in->coming.object);
	if (e == ERR_OK)
		e = portal_upload_end(in->upload, &id);
	give_up_answer(in);
	if (e == ERR_OK)
		in->opt.answered(in->opt.arg, id);
	else if (e == ERR_MALFORMED || e == ERR_UNSUPPORTED || e == ERR_LIMIT)
		refuse_answer(in, &in->coming, e);
	else
		complain(in, "answer", err_text(e));
}

static void
on_answer_data(struct portal_inside *in, const struct proto_frame *f)
{
	enum err e;

	/* of one that was given up, or the end behind a whole one */
	if (in->upload == NULL || f->id != in->coming.id)
		return;
	if (f->octets.len == 0 || f->offset != in->got) {
		give_up_answer(in);
		fetch_next(in);
		return;
	}
	e = portal_upload_put(in->upload, f->octets);
	in->got += f->octets.len;
	in->moved_ms = clock_steady_ms();
	if (e == ERR_TOO_BIG) {
		give_up_answer(in);
		refuse_answer(in, &in->coming, e);
	} else if (e != ERR_OK) {
		give_up_answer(in);
		complain(in, "answer", err_text(e));
	} else if (in->got == in->coming.size) {
		end_answer(in);
	} else {
		return;
	}
	fetch_next(in);
}

void
portal_inside_taken(struct portal_inside *in, uint64_t id)
{
	send_simple(in, FRAME_ANSWER_TAKEN, id);
}

/* --- the connection */

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
	in->told_ms = 0;
	in->synced = in->started = false;
	in->skew_s = skew;
	tell_link(in);
	log_event(LOG_LVL_NOTICE, NULL, "dmz-up",
	    KV_STR("address", in->opt.at->text), KV_NUM("skew_s", skew));
	if (skew > LIMIT_DMZ_SKEW_S)
		log_event(
		    LOG_LVL_WARN, NULL, "dmz-clock", KV_NUM("skew_s", skew));
	portal_wire_send(in->wire, &(struct proto_frame){.type = FRAME_HELLO,
				       .number = PROTO_PORTAL_VERSION,
				       .offset = now_s,
				       .size = in->opt.answer_size});
	go_on(in);
}

static void
on_frame(void *arg, struct portal_wire *w, const struct proto_frame *f)
{
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
	case FRAME_WANT:
		on_want(in, f);
		return;
	case FRAME_HAVE:
		on_have(in, f);
		return;
	case FRAME_GONE:
		if (is_current(in, f) && in->state == PUSH_TOLD &&
		    in->now.type == PROTO_OBJECT_DROP)
			done(in);
		return;
	case FRAME_NOT_NOW:
		on_not_now(in, f);
		return;
	case FRAME_EVENT:
		on_event(in, f);
		return;
	case FRAME_ANSWER:
		on_answer(in, f);
		return;
	case FRAME_ANSWER_DATA:
		on_answer_data(in, f);
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
	send_pieces(arg);
}

static void
on_down(void *arg, struct portal_wire *w, const char *why)
{
	struct portal_inside *in = arg;
	uint64_t now = clock_steady_ms();

	if (is_news(in, why) || in->up)
		log_event(LOG_LVL_ERR, NULL, "dmz-down",
		    KV_STR("address", in->opt.at->text), KV_STR("reason", why));
	/* what was begun is begun again */
	if (in->state != PUSH_IDLE)
		put_back(in, &in->now);
	in->state = PUSH_IDLE;
	let_file_go(in);
	give_up_answer(in);
	forget_event(in);
	in->n_answers = 0;
	in->wire = NULL;
	/* at once if it stood: its machine may only have begun anew */
	in->call_at_ms = in->up ? 0 : now + LIMIT_DMZ_RETRY_MS;
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
		complain(in, "connection", strerror(errno));
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
	forward_event(in);
	go_on(in);
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
	call(in);
	return in;
}

void
portal_inside_free(struct portal_inside *in)
{
	if (in == NULL)
		return;
	portal_wire_free(in->wire);
	let_file_go(in);
	give_up_answer(in);
	forget_event(in);
	free(in->queue);
	free(in);
}
