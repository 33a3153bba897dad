/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Records as octets. The format is docs/format-keystore.md: fields in a fixed
 * order, nothing left over; what does not fit exactly is not read at all.
 */
#include "keystore/record.h"

#include <string.h>

#include "common/arena.h"
#include "common/pack.h"

enum {
	RECORD_VERSION = 2,
	RECORD_V1 = 1, /* without the set of sources */
	ALL_SOURCES = (1 << KS_SOURCE_HARVEST) - 1,
};

static const char *const trust_names[KS_TRUST_COUNT] = {
    [KS_DISTRUSTED] = "distrusted",
    [KS_CANDIDATE] = "candidate",
    [KS_HARVESTED] = "harvested",
    [KS_DISCOVERED] = "discovered",
    [KS_TRUSTED] = "trusted",
    [KS_PINNED] = "pinned",
};

static const char *const source_names[] = {
    [KS_SOURCE_MANUAL] = "manual",
    [KS_SOURCE_CA] = "ca",
    [KS_SOURCE_WKD] = "wkd",
    [KS_SOURCE_DANE] = "dane",
    [KS_SOURCE_VKS] = "vks",
    [KS_SOURCE_HKP] = "hkp",
    [KS_SOURCE_LDAP] = "ldap",
    [KS_SOURCE_HARVEST] = "harvested",
};

const char *
ks_kind_name(enum ks_kind k)
{
	switch (k) {
	case KS_SMIME:
		return "smime";
	case KS_OPENPGP:
		return "openpgp";
	}
	return "?";
}

const char *
ks_trust_name(enum ks_trust t)
{
	return (unsigned)t < KS_TRUST_COUNT ? trust_names[t] : "?";
}

const char *
ks_source_name(enum ks_source s)
{
	if (s < KS_SOURCE_MANUAL || s > KS_SOURCE_HARVEST)
		return "?";
	return source_names[s];
}

enum err
ks_trust_by_name(const char *name, enum ks_trust *out)
{
	for (unsigned t = 0; t < KS_TRUST_COUNT; t++)
		if (strcmp(trust_names[t], name) == 0) {
			*out = (enum ks_trust)t;
			return ERR_OK;
		}
	return ERR_NOT_FOUND;
}

enum err
ks_source_by_name(const char *name, enum ks_source *out)
{
	for (unsigned s = KS_SOURCE_MANUAL; s <= KS_SOURCE_HARVEST; s++)
		if (strcmp(source_names[s], name) == 0) {
			*out = (enum ks_source)s;
			return ERR_OK;
		}
	return ERR_NOT_FOUND;
}

uint32_t
ks_source_bit(enum ks_source s)
{
	if (s < KS_SOURCE_MANUAL || s > KS_SOURCE_HARVEST)
		return 0;
	return UINT32_C(1) << (s - KS_SOURCE_MANUAL);
}

struct span
ks_addr_domain(struct span addr)
{
	size_t i = addr.len;

	while (i > 0 && addr.data[i - 1] != '@')
		i--;
	return i == 0 ? SPAN(NULL, 0) : SPAN(addr.data + i, addr.len - i);
}

static bool
enums_are_known(const struct ks_record *r)
{
	return (r->kind == KS_SMIME || r->kind == KS_OPENPGP) &&
	       (unsigned)r->trust < KS_TRUST_COUNT &&
	       r->source >= KS_SOURCE_MANUAL &&
	       r->source <= KS_SOURCE_HARVEST &&
	       (r->sources & ~(uint32_t)ALL_SOURCES) == 0 &&
	       (unsigned)r->flaw <= KS_FLAW_REVOKED &&
	       (r->good_for & ~(uint32_t)(KS_GOOD_SEAL | KS_GOOD_ISSUE)) == 0;
}

static bool
lists_are_sound(const struct ks_record *r)
{
	if (r->n_addrs > KS_ADDRS_MAX || r->n_key_ids > KS_KEY_IDS_MAX ||
	    r->n_caps > KS_CAPS_MAX)
		return false;
	for (size_t i = 0; i < r->n_addrs; i++)
		if (r->addrs[i].len == 0 || r->addrs[i].len > KS_ADDR_MAX)
			return false;
	for (size_t i = 0; i < r->n_key_ids; i++)
		if (r->key_ids[i].len == 0 || r->key_ids[i].len > KS_ID_MAX)
			return false;
	for (size_t i = 0; i < r->n_caps; i++)
		if (r->caps[i].value.len > KS_TEXT_MAX)
			return false;
	return true;
}

/* The same for what is written and what was read. */
static bool
is_sound(const struct ks_record *r)
{
	const struct span *texts[] = {&r->url, &r->subject, &r->alg,
	    &r->issuer_text, &r->flaw_text, &r->issuer};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i]->len > KS_TEXT_MAX)
			return false;
	return enums_are_known(r) && lists_are_sound(r) &&
	       r->fpr.len >= KS_FPR_MIN && r->fpr.len <= KS_FPR_MAX &&
	       r->domain.len <= KS_ADDR_MAX && r->ski.len <= KS_ID_MAX &&
	       r->serial.len <= KS_ID_MAX && r->key.len > 0 &&
	       r->key.len <= KS_KEY_MAX;
}

enum err
ks_record_encode(const struct ks_record *r, struct buf *out)
{
	struct packer p;

	if (!is_sound(r))
		return ERR_MALFORMED;
	pack_begin(&p, out);
	pack_u8(&p, RECORD_VERSION);
	pack_u8(&p, (uint8_t)r->kind);
	pack_u8(&p, (uint8_t)r->trust);
	pack_u8(&p, (uint8_t)r->source);
	pack_u8(&p, (uint8_t)r->flaw);
	pack_u32(&p, r->good_for);
	pack_u64(&p, (uint64_t)r->not_before);
	pack_u64(&p, (uint64_t)r->not_after);
	pack_u64(&p, (uint64_t)r->added);
	pack_u32(&p, r->sources | ks_source_bit(r->source));
	pack_span(&p, r->fpr);
	pack_span(&p, r->flaw_text);
	pack_span(&p, r->url);
	pack_span(&p, r->domain);
	pack_span(&p, r->subject);
	pack_span(&p, r->alg);
	pack_span(&p, r->issuer_text);
	pack_span(&p, r->ski);
	pack_span(&p, r->issuer);
	pack_span(&p, r->serial);
	pack_u16(&p, (uint16_t)r->n_addrs);
	for (size_t i = 0; i < r->n_addrs; i++)
		pack_span(&p, r->addrs[i]);
	pack_u16(&p, (uint16_t)r->n_key_ids);
	for (size_t i = 0; i < r->n_key_ids; i++)
		pack_span(&p, r->key_ids[i]);
	pack_u16(&p, (uint16_t)r->n_caps);
	for (size_t i = 0; i < r->n_caps; i++) {
		pack_u16(&p, r->caps[i].tag);
		pack_span(&p, r->caps[i].value);
	}
	pack_span(&p, r->key);
	return pack_end(&p);
}

/* A list's length, refused beyond max. */
static size_t
get_count(struct unpacker *u, size_t max)
{
	size_t n = unpack_u16(u);

	if (n > max) {
		u->err = ERR_DB_BROKEN;
		return 0;
	}
	return n;
}

static void
get_lists(struct unpacker *u, struct ks_room *room, struct ks_record *r)
{
	r->addrs = room->addrs;
	r->n_addrs = get_count(u, KS_ADDRS_MAX);
	for (size_t i = 0; i < r->n_addrs; i++)
		r->addrs[i] = unpack_span(u);
	r->key_ids = room->key_ids;
	r->n_key_ids = get_count(u, KS_KEY_IDS_MAX);
	for (size_t i = 0; i < r->n_key_ids; i++)
		r->key_ids[i] = unpack_span(u);
	r->caps = room->caps;
	r->n_caps = get_count(u, KS_CAPS_MAX);
	for (size_t i = 0; i < r->n_caps; i++) {
		r->caps[i].tag = unpack_u16(u);
		r->caps[i].value = unpack_span(u);
	}
}

enum err
ks_record_decode(struct span in, struct ks_room *room, struct ks_record *out)
{
	struct ks_record r = {0};
	struct unpacker u;
	uint8_t version;

	unpack_begin(&u, in);
	version = unpack_u8(&u);
	r.kind = (enum ks_kind)unpack_u8(&u);
	r.trust = (enum ks_trust)unpack_u8(&u);
	r.source = (enum ks_source)unpack_u8(&u);
	r.flaw = (enum ks_flaw)unpack_u8(&u);
	r.good_for = unpack_u32(&u);
	r.not_before = (int64_t)unpack_u64(&u);
	r.not_after = (int64_t)unpack_u64(&u);
	r.added = (int64_t)unpack_u64(&u);
	r.sources =
	    version == RECORD_V1 ? ks_source_bit(r.source) : unpack_u32(&u);
	r.fpr = unpack_span(&u);
	r.flaw_text = unpack_span(&u);
	r.url = unpack_span(&u);
	r.domain = unpack_span(&u);
	r.subject = unpack_span(&u);
	r.alg = unpack_span(&u);
	r.issuer_text = unpack_span(&u);
	r.ski = unpack_span(&u);
	r.issuer = unpack_span(&u);
	r.serial = unpack_span(&u);
	get_lists(&u, room, &r);
	r.key = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK || version < RECORD_V1 ||
	    version > RECORD_VERSION || !is_sound(&r))
		return ERR_DB_BROKEN;
	*out = r;
	return ERR_OK;
}

static enum err
copy_list(struct span **list, size_t n, struct arena *arena)
{
	struct span *copy = arena_array(arena, n + 1, sizeof(*copy));

	if (copy == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++)
		if (arena_span(arena, (*list)[i], &copy[i]) != ERR_OK)
			return ERR_NOMEM;
	*list = copy;
	return ERR_OK;
}

static enum err
copy_caps(struct ks_record *r, struct arena *arena)
{
	struct ks_cap *copy = arena_array(arena, r->n_caps + 1, sizeof(*copy));

	if (copy == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < r->n_caps; i++) {
		copy[i].tag = r->caps[i].tag;
		if (arena_span(arena, r->caps[i].value, &copy[i].value) !=
		    ERR_OK)
			return ERR_NOMEM;
	}
	r->caps = copy;
	return ERR_OK;
}

enum err
ks_record_copy(const struct ks_record *r, bool with_key, struct arena *arena,
    struct ks_record **out)
{
	struct ks_record *c = arena_alloc(arena, sizeof(*c));

	if (c == NULL)
		return ERR_NOMEM;
	*c = *r;
	if (!with_key)
		c->key = SPAN(NULL, 0);
	struct span *texts[] = {&c->fpr, &c->key, &c->flaw_text, &c->url,
	    &c->domain, &c->subject, &c->alg, &c->issuer_text, &c->ski,
	    &c->issuer, &c->serial};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (arena_span(arena, *texts[i], texts[i]) != ERR_OK)
			return ERR_NOMEM;
	if (copy_list(&c->addrs, c->n_addrs, arena) != ERR_OK ||
	    copy_list(&c->key_ids, c->n_key_ids, arena) != ERR_OK ||
	    copy_caps(c, arena) != ERR_OK)
		return ERR_NOMEM;
	*out = c;
	return ERR_OK;
}
