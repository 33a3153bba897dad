/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What has happened at a portal in a DMZ, on its way to store: one event at a
 * time, in the form it must have, of an object that is here, and not more often
 * than people open mail.
 */
#include <arpa/inet.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/pack.h"
#include "common/secret.h"
#include "gateway/portal/dmz_inside_private.h"
#include "gateway/proto.h"

enum { CODE_DIGITS = 6, ACCOUNT_DIGITS_MAX = 16, ARENA = 16 * 1024 };

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

/* It was opened there before that had heard that it is over, and its sender may
   have been told that nobody has. */
static bool
was_known(struct portal_inside *in, const char *name)
{
	uint8_t id[OBJECT_ID_SIZE];

	return object_id_parse(span_str(name), id) &&
	       portal_objects_was_here(in->opt.objects, id);
}

/* By an address, not in time to come; of an object that is here, or was. */
static enum err
clean_view(struct portal_inside *in, struct arena *a, struct span payload,
    bool may_be_gone, struct buf *out)
{
	struct proto_opened m;
	uint64_t now = clock_unix_ms();
	enum err e = proto_opened_unpack(payload, a, &m);

	if (e != ERR_OK)
		return e;
	if (!is_address(m.client) || strlen(m.agent) > 200)
		return ERR_MALFORMED;
	if (!is_known(in, m.name) && !(may_be_gone && was_known(in, m.name)))
		return ERR_NOT_FOUND;
	if (m.at_ms > now)
		m.at_ms = now;
	return proto_opened_pack(&m, out);
}

static enum err
clean_opened(struct portal_inside *in, struct arena *a, struct span payload,
    struct buf *out)
{
	return clean_view(in, a, payload, true, out);
}

/* Since it was locked it was unlocked here: store takes no notice either. */
static bool
is_unlocked(struct portal_inside *in)
{
	return portal_push_has(in, PROTO_OBJECT_UNTIL, in->event_object);
}

static enum err
clean_locked(struct portal_inside *in, struct arena *a, struct span payload,
    struct buf *out)
{
	struct unpacker u;
	enum err e = clean_view(in, a, payload, false, out);

	if (e != ERR_OK)
		return e;
	unpack_begin(&u, payload);
	in->event_locks = object_id_parse(unpack_span(&u), in->event_object) &&
			  !is_unlocked(in);
	return ERR_OK;
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

/* Whether the digits are right store knows, and counts the wrong ones; whose
   address it says stands in a mail to the account's owner. */
static enum err
clean_account(struct portal_inside *in, struct arena *a, struct span payload,
    struct buf *out)
{
	struct proto_account_set m;
	enum err e = proto_account_set_unpack(payload, a, &m);

	if (e != ERR_OK)
		return e;
	if (!is_address(m.client) || strlen(m.digits) > ACCOUNT_DIGITS_MAX)
		return ERR_MALFORMED;
	return is_known(in, m.object) ? buf_put(out, payload) : ERR_NOT_FOUND;
}

/* Whatever a portal tells store by itself has its row here, or does not get
   from a DMZ to store. */
static const struct {
	uint16_t type;
	enum err (*clean)(struct portal_inside *in, struct arena *a,
	    struct span payload, struct buf *out);
} event_types[] = {
    {PROTO_OBJECT_OPENED, clean_opened},
    {PROTO_OBJECT_LOCKED, clean_locked},
    {PROTO_OBJECT_CODE, clean_code},
    {PROTO_ACCOUNT_SET, clean_account},
};

void
portal_hear_forget(struct portal_inside *in)
{
	if (in->event.data != NULL)
		secret_wipe(in->event.data, in->event.cap);
	buf_clear(&in->event);
	in->event_id = 0;
	in->event_sent = false;
	in->event_locks = false;
	in->event_refused = false;
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

void
portal_hear_forward(struct portal_inside *in)
{
	uint64_t id = in->event_id;

	if (id == 0 || in->event_sent || in->tokens == 0)
		return;
	/* who says what is refused is slowed down as well */
	if (in->event_refused) {
		in->tokens--;
		portal_hear_forget(in);
		portal_inside_send(in, FRAME_NOTED, id);
		return;
	}
	if (!in->opt.event(in->opt.arg, PROTO_OBJECT_EVENT, in->event_id,
		buf_span(&in->event)))
		return;
	in->event_sent = true;
	in->tokens--;
}

void
portal_hear_event(struct portal_inside *in, const struct proto_frame *f)
{
	enum err e;

	if (in->event_id != 0 || f->id == 0) {
		portal_wire_cut(
		    in->wire, "it says more than one thing at once");
		return;
	}
	e = f->octets.len > LIMIT_DMZ_EVENT ? ERR_TOO_BIG : keep_event(in, f);
	if (e != ERR_OK)
		portal_inside_complain(in, TROUBLE_EVENT, err_text(e));
	/* it is not to be said again in any case */
	in->event_refused = e != ERR_OK;
	in->event_id = f->id;
	portal_hear_forward(in);
}

void
portal_inside_noted(struct portal_inside *in, uint64_t id)
{
	enum err e = ERR_OK;

	if (in->event_id == 0 || in->event_id != id)
		return;
	/* so that it is locked on the next machine, too */
	if (in->event_locks && !is_unlocked(in))
		e = portal_objects_lock(in->opt.objects, in->event_object);
	if (e != ERR_OK && e != ERR_NOT_FOUND)
		log_event(LOG_LVL_ERR, NULL, "portal-attempts", KV_ERR(e));
	portal_hear_forget(in);
	portal_inside_send(in, FRAME_NOTED, id);
}
