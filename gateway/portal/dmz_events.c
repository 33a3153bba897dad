/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What has happened in the DMZ and the gateway does not know yet: who has
 * opened what, what is locked, whom to mail a code. It is in a file before it
 * is sent, so that neither an outage nor a crash forgets it, and leaves when
 * the gateway has it on its own disk. Codes are no file's business, nor are
 * keys of accounts and the digits that set them; they go first, because
 * somebody waits for them, and have places of their own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/digest.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/pack.h"
#include "common/secret.h"
#include "gateway/portal/dmz_private.h"
#include "gateway/proto.h"

static const char file_name[] = "events";
static const uint8_t magic[8] = "SGEVENTS";

enum {
	HEADER = sizeof(magic) + PROTO_PORTAL_INSTANCE,
	CHECK = 4, /* octets of a digest: was it written to its end? */
	/* ids between those of two events, for the codes that go before the
	   second */
	STEP = 1 << 16,
};

struct queue {
	struct portal_event *event;
	size_t size, first, n;
};

struct portal_events {
	int dir;
	int fd;
	uint8_t instance[PROTO_PORTAL_INSTANCE];
	uint64_t next_id; /* of the next event, but for codes */
	uint64_t
	    said_id;   /* none before is free: the gateway knows later ones */
	uint64_t size; /* of the file */
	struct queue events, codes;
	struct portal_event event[LIMIT_DMZ_EVENTS];
	struct portal_event code[LIMIT_DMZ_CODES];
};

static struct portal_event *
at(struct queue *q, size_t i)
{
	return &q->event[(q->first + i) % q->size];
}

static void
clear(struct portal_event *event)
{
	if (event->payload.data != NULL)
		secret_wipe(event->payload.data, event->payload.cap);
	buf_clear(&event->payload);
}

/* Takes nothing; false: there is no room. */
static bool
push(
    struct queue *q, uint64_t id, uint16_t type, struct span payload, bool kept)
{
	struct portal_event *event;

	if (q->n == q->size)
		return false;
	event = at(q, q->n);
	*event = (struct portal_event){
	    .id = id, .type = type, .kept = kept, .born_ms = clock_steady_ms()};
	buf_init(&event->payload, LIMIT_DMZ_EVENT);
	if (buf_put(&event->payload, payload) != ERR_OK) {
		buf_clear(&event->payload);
		return false;
	}
	q->n++;
	return true;
}

static void
forget_first(struct queue *q)
{
	clear(at(q, 0));
	q->first = (q->first + 1) % q->size;
	q->n--;
}

/* --- the file */

static void
check_of(struct span record, uint8_t out[CHECK])
{
	uint8_t digest[DIGEST_SIZE];

	digest_sha256(&record, 1, digest);
	memcpy(out, digest, CHECK);
}

/* One record from the beginning of s; 0: there is no whole one. */
static size_t
read_record(struct portal_events *e, struct span s)
{
	struct unpacker u;
	struct span record, payload;
	uint8_t is[CHECK], want[CHECK];
	uint64_t id;
	uint16_t type;

	unpack_begin(&u, s);
	record = unpack_span(&u);
	unpack_raw(&u, is, sizeof(is));
	if (u.err != ERR_OK || record.len == 0)
		return 0;
	check_of(record, want);
	if (memcmp(is, want, sizeof(is)) != 0)
		return 0;
	s = SPAN(s.data, s.len - u.rest.len);
	unpack_begin(&u, record);
	id = unpack_u64(&u);
	type = unpack_u16(&u);
	payload = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK)
		return 0;
	/* what is open was added last: the first of so many are noted */
	if (e->events.n == e->events.size)
		forget_first(&e->events);
	if (!push(&e->events, id, type, payload, true))
		return 0;
	/* ids that were in memory alone must not come again */
	e->said_id = id + (UINT64_C(1) << 40);
	e->next_id = e->said_id + STEP;
	return s.len;
}

static void
read_records(struct portal_events *e, struct span s)
{
	size_t used;

	if (s.len < HEADER || memcmp(s.data, magic, sizeof(magic)) != 0)
		return;
	memcpy(e->instance, s.data + sizeof(magic), sizeof(e->instance));
	e->size = HEADER;
	while ((used = read_record(
		    e, SPAN(s.data + e->size, s.len - (size_t)e->size))) > 0)
		e->size += used;
}

/* An empty file, under another instance. */
static enum err
begin_file(struct portal_events *e)
{
	uint8_t header[HEADER];
	enum err err;

	random_octets(e->instance, sizeof(e->instance));
	memcpy(header, magic, sizeof(magic));
	memcpy(header + sizeof(magic), e->instance, sizeof(e->instance));
	err = file_create_synced(
	    e->dir, file_name, SPAN(header, sizeof(header)), 0600, true);
	e->size = HEADER;
	e->next_id = STEP;
	return err;
}

static enum err
open_file(struct portal_events *e)
{
	struct buf b;
	enum err err;

	buf_init(&b, 2 * LIMIT_DMZ_EVENTS_SIZE);
	err = file_read_path(e->dir, file_name, &b);
	if (err == ERR_OK)
		read_records(e, buf_span(&b));
	buf_clear(&b);
	if (err != ERR_OK && err != ERR_NOT_FOUND && err != ERR_TOO_BIG)
		return err;
	err = e->events.n == 0 ? begin_file(e) : ERR_OK;
	if (err != ERR_OK)
		return err;
	e->fd = openat(e->dir, file_name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	/* what was not written to its end was told to nobody */
	if (e->fd < 0 || ftruncate(e->fd, (off_t)e->size) != 0)
		return err_from_errno(errno);
	return ERR_OK;
}

struct portal_events *
portal_events_open(const char *dir)
{
	struct portal_events *e = calloc(1, sizeof(*e));
	enum err err = ERR_IO;

	if (e == NULL)
		return NULL;
	e->events = (struct queue){.event = e->event, .size = LIMIT_DMZ_EVENTS};
	e->codes = (struct queue){.event = e->code, .size = LIMIT_DMZ_CODES};
	e->fd = -1;
	e->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	errno = 0;
	if (e->dir >= 0)
		err = open_file(e);
	if (err == ERR_OK)
		return e;
	if (errno == 0)
		errno = EIO;
	portal_events_close(e);
	return NULL;
}

void
portal_events_close(struct portal_events *e)
{
	int saved = errno;

	if (e == NULL)
		return;
	while (e->events.n > 0)
		forget_first(&e->events);
	while (e->codes.n > 0)
		forget_first(&e->codes);
	if (e->fd >= 0)
		close(e->fd);
	if (e->dir >= 0)
		close(e->dir);
	free(e);
	errno = saved;
}

const uint8_t *
portal_events_instance(const struct portal_events *e)
{
	return e->instance;
}

static enum err
pack_record(struct buf *out, uint64_t id, uint16_t type, struct span payload)
{
	uint8_t check[CHECK];
	struct packer p;
	struct buf record;
	enum err err;

	buf_init(&record, 2 * LIMIT_DMZ_EVENT);
	pack_begin(&p, &record);
	pack_u64(&p, id);
	pack_u16(&p, type);
	pack_span(&p, payload);
	err = pack_end(&p);
	if (err == ERR_OK) {
		check_of(buf_span(&record), check);
		pack_begin(&p, out);
		pack_span(&p, buf_span(&record));
		pack_raw(&p, check, sizeof(check));
		err = pack_end(&p);
	}
	buf_clear(&record);
	return err;
}

/* The file anew, with what is open alone: where it never comes to an end of
   that, the noted ones would fill it. */
static enum err
write_file(struct portal_events *e)
{
	struct buf b;
	enum err err;
	int fd;

	buf_init(&b, LIMIT_DMZ_EVENTS_SIZE);
	err = buf_put(&b, SPAN(magic, sizeof(magic)));
	if (err == ERR_OK)
		err = buf_put(&b, SPAN(e->instance, sizeof(e->instance)));
	for (size_t i = 0; err == ERR_OK && i < e->events.n; i++) {
		const struct portal_event *event = at(&e->events, i);

		if (event->kept)
			err = pack_record(&b, event->id, event->type,
			    buf_span(&event->payload));
	}
	/* not much would be gained, and soon it would be done again */
	if (err == ERR_OK && b.len > LIMIT_DMZ_EVENTS_SIZE / 2)
		err = ERR_LIMIT;
	if (err == ERR_OK)
		err = file_create_synced(
		    e->dir, file_name, buf_span(&b), 0600, true);
	if (err == ERR_OK) {
		fd = openat(e->dir, file_name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
		err = fd < 0 ? err_from_errno(errno) : ERR_OK;
		/* without it nothing is written: the old one has no name */
		close(e->fd);
		e->fd = fd;
		e->size = b.len;
	}
	buf_clear(&b);
	return err;
}

/* Durable, or it is as if it had not been tried. */
static enum err
write_record(struct portal_events *e, uint16_t type, struct span payload)
{
	struct buf b;
	enum err err = ERR_OK;

	if (e->size + 2 * LIMIT_DMZ_EVENT > LIMIT_DMZ_EVENTS_SIZE)
		err = write_file(e);
	if (err != ERR_OK)
		return err;
	buf_init(&b, 4 * LIMIT_DMZ_EVENT);
	err = pack_record(&b, e->next_id, type, payload);
	if (err == ERR_OK && lseek(e->fd, (off_t)e->size, SEEK_SET) < 0)
		err = ERR_IO;
	if (err == ERR_OK)
		err = file_write_all(e->fd, buf_span(&b));
	if (err == ERR_OK)
		err = file_sync(e->fd);
	if (err == ERR_OK)
		e->size += b.len;
	else
		(void)!ftruncate(e->fd, (off_t)e->size);
	buf_clear(&b);
	return err;
}

/* --- the queues */

static void
forget_old_codes(struct portal_events *e)
{
	uint64_t now = clock_steady_ms();

	while (e->codes.n > 0 &&
	       now - at(&e->codes, 0)->born_ms >= LIMIT_DOOR_CODE_MS)
		forget_first(&e->codes);
}

bool
portal_events_has_room(struct portal_events *e, uint16_t type)
{
	size_t reserved =
	    type == PROTO_OBJECT_OPENED ? LIMIT_DMZ_EVENTS_RESERVED : 0;

	if (type == PROTO_OBJECT_CODE) {
		forget_old_codes(e);
		return e->codes.n < e->codes.size;
	}
	return e->events.n < e->events.size - reserved;
}

static bool
add_event(struct portal_events *e, uint16_t type, struct span payload)
{
	enum err err = write_record(e, type, payload);

	/* what the disk does not take is told as long as this process lives */
	if (err != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "portal-event",
		    KV_STR("what", proto_name(type)), KV_ERR(err));
	if (!push(&e->events, e->next_id, type, payload, err == ERR_OK))
		return false;
	e->next_id += STEP;
	return true;
}

/* A reader may ask for any number of accounts as fast as they like: few wait,
   so that there is room for codes. */
static bool
add_account(struct portal_events *e, struct span payload)
{
	size_t n = 0;

	forget_old_codes(e);
	for (size_t i = 0; i < e->codes.n; i++) {
		const struct portal_event *event = at(&e->codes, i);

		if (event->type != PROTO_ACCOUNT_SET)
			continue;
		if (span_eq(buf_span(&event->payload), payload))
			return true;
		n++;
	}
	return n < LIMIT_DMZ_ACCOUNTS && payload.len <= LIMIT_DMZ_EVENT &&
	       push(&e->codes, 0, PROTO_ACCOUNT_SET, payload, false);
}

bool
portal_events_add(struct portal_events *e, uint16_t type, struct span payload)
{
	bool taken =
	    portal_events_has_room(e, type) && payload.len <= LIMIT_DMZ_EVENT;

	/* one for which there is no room is asked for again: it is not lost */
	if (type == PROTO_ACCOUNT_SET)
		return add_account(e, payload);
	if (taken && type == PROTO_OBJECT_CODE)
		taken = push(&e->codes, 0, type, payload, false);
	else if (taken)
		taken = add_event(e, type, payload);
	if (!taken)
		log_event(LOG_LVL_ERR, NULL, "portal-report-lost",
		    KV_STR("what", proto_name(type)));
	return taken;
}

/* Ids ascend in the order in which they are said: a code gets its own when it
   is its turn, out of those that are free before the next event. There are none
   before one that is under way, or was read from the file. */
const struct portal_event *
portal_events_first(struct portal_events *e)
{
	struct portal_event *event, *code;

	forget_old_codes(e);
	code = e->codes.n > 0 ? at(&e->codes, 0) : NULL;
	event = e->events.n > 0 ? at(&e->events, 0) : NULL;
	if (code != NULL && code->id == 0 &&
	    (event == NULL || e->said_id + 1 < event->id)) {
		code->id = ++e->said_id;
		if (e->next_id <= e->said_id)
			e->next_id = e->said_id + STEP;
	}
	if (code != NULL && code->id != 0)
		return code;
	if (event != NULL && event->id > e->said_id)
		e->said_id = event->id;
	return event;
}

void
portal_events_noted(struct portal_events *e, uint64_t id)
{
	if (e->codes.n > 0 && id != 0 && at(&e->codes, 0)->id == id) {
		forget_first(&e->codes);
		return;
	}
	if (e->events.n == 0 || at(&e->events, 0)->id != id)
		return;
	forget_first(&e->events);
	if (e->events.n > 0 || e->size <= HEADER)
		return;
	/* all that was in it is inside; if that fails it is said twice */
	if (ftruncate(e->fd, HEADER) == 0 && file_sync(e->fd) == ERR_OK)
		e->size = HEADER;
}
