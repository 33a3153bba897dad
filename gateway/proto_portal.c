/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Frames between a gateway and its portal in a DMZ, by one table.
 */
#include "gateway/proto_portal.h"

#include <string.h>

#include "common/limits.h"
#include "common/pack.h"

enum { LENGTH = 4, HEAD = 64 };

enum { OF_GATEWAY = 1, OF_DMZ = 2, OF_BOTH = 3 };

/* The fields stand in the order of the bits. */
enum {
	HAS_ID = 1,
	HAS_NUMBER = 2,
	HAS_OFFSET = 4,
	HAS_SIZE = 8,
	HAS_RAW = 16,
	HAS_HEADER = 32,
	HAS_OCTETS = 64,
};

static const struct {
	uint8_t type;
	uint8_t of;
	uint8_t has;
	const char *name;
} types[] = {
    {FRAME_HELLO, OF_BOTH, HAS_NUMBER | HAS_OFFSET | HAS_SIZE | HAS_RAW,
	"hello"},
    {FRAME_PING, OF_BOTH, 0, "ping"},
    {FRAME_PONG, OF_BOTH, 0, "pong"},
    {FRAME_OBJECT, OF_GATEWAY, HAS_HEADER, "object"},
    {FRAME_DATA, OF_GATEWAY, HAS_RAW | HAS_OFFSET | HAS_OCTETS, "data"},
    {FRAME_TELL, OF_GATEWAY, HAS_NUMBER | HAS_OCTETS, "tell"},
    {FRAME_NOTED, OF_GATEWAY, HAS_ID, "noted"},
    {FRAME_ANSWER_GET, OF_GATEWAY, HAS_ID, "answer-get"},
    {FRAME_ANSWER_TAKEN, OF_GATEWAY, HAS_ID, "answer-taken"},
    {FRAME_PUBLISHED, OF_GATEWAY, HAS_SIZE | HAS_OCTETS, "published"},
    {FRAME_PUBLISHED_DATA, OF_GATEWAY, HAS_OFFSET | HAS_OCTETS,
	"published-data"},
    {FRAME_PUBLISHED_LIST, OF_GATEWAY, HAS_NUMBER, "published-list"},
    {FRAME_WITHDRAWN, OF_GATEWAY, HAS_OCTETS, "withdrawn"},
    {FRAME_WANT, OF_DMZ, HAS_RAW | HAS_OFFSET, "want"},
    {FRAME_HAVE, OF_DMZ, HAS_RAW, "have"},
    {FRAME_GONE, OF_DMZ, HAS_RAW, "gone"},
    {FRAME_NOT_NOW, OF_DMZ, HAS_RAW | HAS_NUMBER, "not-now"},
    {FRAME_EVENT, OF_DMZ, HAS_ID | HAS_NUMBER | HAS_OCTETS, "event"},
    {FRAME_ANSWER, OF_DMZ, HAS_ID | HAS_RAW | HAS_SIZE, "answer"},
    {FRAME_ANSWER_DATA, OF_DMZ, HAS_ID | HAS_OFFSET | HAS_OCTETS,
	"answer-data"},
};

enum { TYPES = sizeof(types) / sizeof(types[0]) };

/* TYPES if there is no such type. */
static size_t
find(uint8_t type)
{
	size_t i = 0;

	while (i < TYPES && types[i].type != type)
		i++;
	return i;
}

const char *
proto_frame_name(uint8_t type)
{
	size_t i = find(type);

	return i < TYPES ? types[i].name : "?";
}

bool
proto_frame_is_of(uint8_t type, bool dmz)
{
	size_t i = find(type);

	return i < TYPES && (types[i].of & (dmz ? OF_DMZ : OF_GATEWAY)) != 0;
}

static void
pack(struct packer *p, uint8_t has, const struct proto_frame *f)
{
	if (has & HAS_ID)
		pack_u64(p, f->id);
	if (has & HAS_NUMBER)
		pack_u32(p, f->number);
	if (has & HAS_OFFSET)
		pack_u64(p, f->offset);
	if (has & HAS_SIZE)
		pack_u64(p, f->size);
	if (has & HAS_RAW)
		pack_raw(p, f->raw, sizeof(f->raw));
	if (has & HAS_HEADER)
		pack_raw(p, f->header, sizeof(f->header));
	if (has & HAS_OCTETS)
		pack_span(p, f->octets);
}

enum err
proto_frame_put(const struct proto_frame *f, struct buf *out)
{
	size_t i = find(f->type), before = out->len, len;
	struct packer p;
	uint8_t *room;
	enum err e;

	if (i == TYPES)
		return ERR_USAGE;
	if (f->octets.len > LIMIT_DMZ_PIECE)
		return ERR_TOO_BIG;
	/* all or nothing: half a frame would spoil what follows */
	e = buf_reserve(out, HEAD + sizeof(f->header) + f->octets.len, &room);
	if (e != ERR_OK)
		return e;
	pack_begin(&p, out);
	pack_u32(&p, 0);
	pack_u8(&p, f->type);
	pack(&p, types[i].has, f);
	e = pack_end(&p);
	if (e != ERR_OK) {
		out->len = before;
		return e;
	}
	len = out->len - before - LENGTH;
	for (unsigned k = 0; k < LENGTH; k++)
		out->data[before + k] = (uint8_t)(len >> (24 - 8 * k));
	return ERR_OK;
}

enum err
proto_frame_get(struct span s, struct proto_frame *out, size_t *used)
{
	struct proto_frame f = {.type = 0};
	struct unpacker u;
	size_t i, len;
	enum err e;

	if (s.len < LENGTH)
		return ERR_AGAIN;
	len = (size_t)s.data[0] << 24 | (size_t)s.data[1] << 16 |
	      (size_t)s.data[2] << 8 | s.data[3];
	if (len > LIMIT_DMZ_FRAME)
		return ERR_TOO_BIG;
	if (s.len - LENGTH < len)
		return ERR_AGAIN;
	unpack_begin(&u, SPAN(s.data + LENGTH, len));
	f.type = unpack_u8(&u);
	i = find(f.type);
	if (i == TYPES)
		return ERR_IPC;
	if (types[i].has & HAS_ID)
		f.id = unpack_u64(&u);
	if (types[i].has & HAS_NUMBER)
		f.number = unpack_u32(&u);
	if (types[i].has & HAS_OFFSET)
		f.offset = unpack_u64(&u);
	if (types[i].has & HAS_SIZE)
		f.size = unpack_u64(&u);
	if (types[i].has & HAS_RAW)
		unpack_raw(&u, f.raw, sizeof(f.raw));
	if (types[i].has & HAS_HEADER)
		unpack_raw(&u, f.header, sizeof(f.header));
	if (types[i].has & HAS_OCTETS)
		f.octets = unpack_span(&u);
	e = unpack_end(&u);
	if (e == ERR_OK && f.octets.len > LIMIT_DMZ_PIECE)
		e = ERR_IPC;
	if (e != ERR_OK)
		return e;
	*used = LENGTH + len;
	*out = f;
	return ERR_OK;
}
