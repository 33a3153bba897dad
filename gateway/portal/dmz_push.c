/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a portal in a DMZ is to have: changes in the order in which store wants
 * them, and after each hello every object that is here. One at a time; store
 * hears of it when the other side says that it is so there.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/pack.h"
#include "gateway/conf.h"
#include "gateway/portal/dmz_inside_private.h"
#include "gateway/proto.h"

/* What comes next: what was asked for, then what may be missing there. */
static bool
take_next(struct portal_inside *in)
{
	struct object_header h;
	enum err e;

	if (portal_queue_take(&in->queue, &in->now))
		return true;
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
	in->now = (struct dmz_change){.type = PROTO_OBJECT_ADD};
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
tell_change(struct portal_inside *in, uint16_t type)
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
	portal_wire_send(in->wire,
	    &(struct proto_frame){
		.type = FRAME_TELL, .number = type, .octets = buf_span(&b)});
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
		tell_change(in, in->now.type);
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

void
portal_push_go_on(struct portal_inside *in)
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
	portal_inside_not_now(in, "");
	if (in->now.asked && in->now.type != PROTO_OBJECT_LOCK)
		portal_report_object(in->opt.reports,
		    in->now.type == PROTO_OBJECT_DROP ? PROTO_OBJECT_DROPPED
						      : PROTO_OBJECT_HAVE,
		    in->now.id);
	portal_push_go_on(in);
}

/* What cannot be read here is one object's trouble, not the connection's: it is
   offered again after the next hello. */
static void
pass_over(struct portal_inside *in, enum err e)
{
	char name[OBJECT_ID_TEXT_SIZE];

	object_id_format(in->now.id, name);
	log_event(LOG_LVL_ERR, NULL, "portal-no-object", KV_STR("object", name),
	    KV_ERR(e));
	let_file_go(in);
	in->state = PUSH_IDLE;
	portal_push_go_on(in);
}

void
portal_push_pieces(struct portal_inside *in)
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
		if (n <= 0) {
			pass_over(
			    in, n < 0 ? err_from_errno(errno) : ERR_BAD_SEAL);
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
	enum err e;

	if (!is_current(in, f) || in->state != PUSH_OFFERED)
		return;
	if (f->offset >= object_total_size(&in->header)) {
		portal_wire_cut(in->wire, "it wants what there is not");
		return;
	}
	let_file_go(in);
	e = portal_objects_file(in->opt.objects, &in->header, &in->fd);
	if (e != ERR_OK) {
		pass_over(in, e);
		return;
	}
	in->offset = f->offset;
	in->state = PUSH_SENDING;
	portal_push_pieces(in);
}

static void
on_have(struct portal_inside *in, const struct proto_frame *f)
{
	if (!is_current(in, f) || in->state == PUSH_SENDING ||
	    in->now.type == PROTO_OBJECT_DROP)
		return;
	if (in->state == PUSH_OFFERED && in->now.type != PROTO_OBJECT_ADD)
		tell_change(in, in->now.type);
	/* a machine that was replaced has counted no wrong proof of it */
	else if (in->state == PUSH_OFFERED &&
		 portal_objects_is_locked(in->opt.objects, in->now.id))
		tell_change(in, PROTO_OBJECT_LOCK);
	if (in->state == PUSH_OFFERED && in->now.type == PROTO_OBJECT_UNTIL)
		in->state = PUSH_TOLD;
	else
		done(in);
}

static void
on_not_now(struct portal_inside *in, const struct proto_frame *f)
{
	if (!is_current(in, f))
		return;
	portal_inside_not_now(in, err_text((enum err)f->number));
	portal_queue_put(&in->queue, &in->now);
	let_file_go(in);
	in->state = PUSH_IDLE;
	in->pause_until_ms = clock_steady_ms() + LIMIT_DMZ_RETRY_MS;
}

void
portal_push_reply(struct portal_inside *in, const struct proto_frame *f)
{
	switch (f->type) {
	case FRAME_WANT:
		on_want(in, f);
		return;
	case FRAME_HAVE:
		on_have(in, f);
		return;
	case FRAME_NOT_NOW:
		on_not_now(in, f);
		return;
	}
	if (is_current(in, f) && in->state == PUSH_TOLD &&
	    in->now.type == PROTO_OBJECT_DROP)
		done(in);
}

bool
portal_push_has(
    struct portal_inside *in, uint16_t type, const uint8_t *object_id)
{
	return (in->state != PUSH_IDLE && in->now.type == type &&
		   memcmp(in->now.id, object_id, sizeof(in->now.id)) == 0) ||
	       portal_queue_has(&in->queue, type, object_id);
}

void
portal_push_stop(struct portal_inside *in)
{
	if (in->state != PUSH_IDLE)
		portal_queue_put(&in->queue, &in->now);
	in->state = PUSH_IDLE;
	let_file_go(in);
}

void
portal_inside_change(
    struct portal_inside *in, uint16_t type, const uint8_t *object_id)
{
	struct dmz_change c = {.type = type, .asked = true};

	memcpy(c.id, object_id, sizeof(c.id));
	/* store says again what it has not heard of */
	portal_queue_put(&in->queue, &c);
	portal_push_go_on(in);
}
