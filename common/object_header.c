/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Reading and writing the 96 octets of docs/format-escrow.md. Strict: what no
 * writer of this version makes is refused, so that a file is either an object
 * or it is not.
 */
#include "common/object_header.h"

#include <string.h>

#include "common/limits.h"
#include "common/pack.h"
#include "common/stream.h"
#include "common/text.h"

static const uint8_t magic[8] = {'S', 'G', 'O', 'B', 'J', 'E', 'C', 'T'};

static uint8_t *
put_number(uint8_t *out, uint64_t v, unsigned octets)
{
	for (unsigned i = 0; i < octets; i++)
		out[i] = (uint8_t)(v >> (8 * (octets - 1 - i)));
	return out + octets;
}

void
object_header_format(const struct object_header *h, uint8_t *out)
{
	memset(out, 0, OBJECT_HEADER_SIZE);
	memcpy(out, magic, sizeof(magic));
	put_number(out + 8, OBJECT_HEADER_VERSION, 2);
	out[10] = (uint8_t)h->factor;
	out[11] = (uint8_t)h->door;
	memcpy(out + 12, h->account, OBJECT_ACCOUNT_TAG_SIZE);
	memcpy(out + 16, h->id, OBJECT_ID_SIZE);
	memcpy(out + 32, h->proof_hash, sizeof(h->proof_hash));
	out = put_number(out + 64, h->index_size, 8);
	out = put_number(out, h->body_size, 8);
	out = put_number(out, h->created_s, 8);
	put_number(out, h->expires_s, 8);
}

static bool
values_are_sane(const struct object_header *h)
{
	static const uint8_t none[OBJECT_ACCOUNT_TAG_SIZE];

	return (h->factor == OBJECT_FACTOR_ACCOUNT ||
		   memcmp(h->account, none, sizeof(none)) == 0) &&
	       h->factor < OBJECT_FACTORS && h->door < OBJECT_DOORS &&
	       h->index_size > 0 && h->index_size <= LIMIT_OBJECT_INDEX &&
	       h->body_size <= LIMIT_OBJECT_BODY &&
	       h->created_s < h->expires_s && h->expires_s <= INT64_MAX;
}

enum err
object_header_parse(struct span s, struct object_header *out)
{
	struct object_header h = {.factor = OBJECT_FACTOR_NONE};
	struct unpacker u;
	uint16_t version;

	if (s.len < OBJECT_HEADER_SIZE ||
	    memcmp(s.data, magic, sizeof(magic)) != 0)
		return ERR_MALFORMED;
	unpack_begin(&u, SPAN(s.data + 8, OBJECT_HEADER_SIZE - 8));
	version = unpack_u16(&u);
	if (version != OBJECT_HEADER_VERSION)
		return ERR_UNSUPPORTED;
	h.factor = unpack_u8(&u);
	h.door = unpack_u8(&u);
	unpack_raw(&u, h.account, sizeof(h.account));
	unpack_raw(&u, h.id, sizeof(h.id));
	unpack_raw(&u, h.proof_hash, sizeof(h.proof_hash));
	h.index_size = unpack_u64(&u);
	h.body_size = unpack_u64(&u);
	h.created_s = unpack_u64(&u);
	h.expires_s = unpack_u64(&u);
	if (unpack_end(&u) != ERR_OK || !values_are_sane(&h))
		return ERR_MALFORMED;
	*out = h;
	return ERR_OK;
}

uint64_t
object_body_offset(const struct object_header *h)
{
	return OBJECT_HEADER_SIZE + stream_sealed_size(h->index_size);
}

uint64_t
object_total_size(const struct object_header *h)
{
	return object_body_offset(h) + stream_sealed_size(h->body_size);
}

bool
object_door_has_code(enum object_door d)
{
	switch (d) {
	case OBJECT_DOOR_OPEN:
		return false;
	case OBJECT_DOOR_CODE:
	case OBJECT_DOOR_ACCOUNT:
	case OBJECT_DOORS:
		break;
	}
	return true;
}

void
object_id_format(const uint8_t *id, char *out)
{
	text_base64url(SPAN(id, OBJECT_ID_SIZE), out);
}

bool
object_id_parse(struct span s, uint8_t *out)
{
	uint8_t id[OBJECT_ID_SIZE];

	if (s.len != OBJECT_ID_TEXT_SIZE - 1 ||
	    text_unbase64url(s, id, sizeof(id)) != ERR_OK)
		return false;
	memcpy(out, id, sizeof(id));
	return true;
}
