/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Entries as octets (docs/format-spool.md).
 */
#include "gateway/entry.h"

#include <string.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/secret.h"

static void
pack_convert(struct packer *p, const struct mime_convert_plan *c)
{
	pack_u64(p, c->size);
	pack_u32(p, c->n);
	for (uint32_t i = 0; i < c->n; i++) {
		pack_u64(p, c->edit[i].at);
		pack_u64(p, c->edit[i].len);
		pack_u8(p, (uint8_t)c->edit[i].how);
	}
}

static void
pack_fixed(struct packer *p, const struct entry *e)
{
	uint8_t format = e->format == 0 ? ENTRY_FORMAT : e->format;

	pack_u8(p, format);
	pack_u64(p, e->id);
	pack_u64(p, e->message_id);
	pack_u8(p, (uint8_t)e->kind);
	pack_u8(p, (uint8_t)e->route);
	pack_u8(p, e->rung);
	pack_u8(p, e->strength);
	pack_u8(p, e->tls);
	pack_u8(p, e->after);
	pack_u8(p, e->require);
	pack_str(p, e->from);
	pack_str(p, e->from_key);
	pack_str(p, e->envid);
	pack_bool(p, e->ret_hdrs);
	pack_bool(p, e->smtputf8);
	pack_bool(p, e->body_8bit);
	pack_u64(p, e->accepted_ms);
	pack_str(p, e->client);
	pack_str(p, e->client_name);
	pack_str(p, e->helo);
	if (format > ENTRY_FORMAT_2)
		pack_str(p, e->origin);
	pack_str(p, e->auth_id);
	pack_str(p, e->auth_from);
	pack_str(p, e->trace);
	pack_u32(p, e->n_rcpt);
	for (uint32_t i = 0; i < e->n_rcpt; i++) {
		pack_str(p, e->rcpt[i].addr);
		pack_str(p, e->rcpt[i].key);
		pack_str(p, e->rcpt[i].orcpt);
		pack_u8(p, e->rcpt[i].notify);
	}
	pack_u64(p, e->body_size);
	pack_raw(p, e->body_hash, sizeof(e->body_hash));
	if (format > ENTRY_FORMAT_3)
		pack_convert(p, &e->convert);
}

enum err
entry_pack_fixed(const struct entry *e, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_fixed(&p, e);
	return pack_end(&p);
}

enum err
entry_seal(struct entry *e, const struct sealed_pub *pub, struct span text,
    struct arena *arena)
{
	struct buf ad, sealed;
	enum err err;

	e->body_size = text.len;
	digest_sha256(&text, 1, e->body_hash);
	buf_init(&ad, LIMIT_IPC_PAYLOAD);
	buf_init(&sealed, LIMIT_BODY_INLINE);
	err = entry_pack_fixed(e, &ad);
	if (err == ERR_OK)
		err = sealed_seal(pub, buf_span(&ad), text, &sealed);
	if (err == ERR_OK)
		err = arena_span(arena, buf_span(&sealed), &e->body);
	buf_clear(&ad);
	buf_clear(&sealed);
	return err;
}

bool
entry_is_own(const struct entry *e)
{
	return e->kind == ENTRY_READY && e->rung == 0 && e->from[0] == '\0';
}

bool
entry_format_is_known(uint8_t format)
{
	return format >= ENTRY_FORMAT_2 && format <= ENTRY_FORMAT;
}

void
entry_forget_origin(struct entry *e)
{
	e->client = e->client_name = e->helo = e->origin = "";
	e->auth_id = e->auth_from = "";
	e->trace = "";
}

bool
entry_auth_may_use(const char *auth_from, const char *key, bool by_domain)
{
	struct span all = span_str(auth_from), word;
	const char *at = strrchr(key, '@');

	for (size_t i = 0, end; i < all.len; i = end + 1) {
		end = span_find_chr(all, i, ' ');
		word = SPAN(all.data + i, end - i);
		if (word.len == 0)
			continue;
		if (word.data[0] != '@' && span_eq_str(word, key))
			return true;
		if (word.data[0] == '@' && by_domain && at != NULL &&
		    span_eq_str(word, at))
			return true;
	}
	return false;
}

void
entry_pack(struct packer *p, const struct entry *e)
{
	pack_fixed(p, e);
	pack_u8(p, (uint8_t)e->why);
	pack_str(p, e->reason);
	pack_str(p, e->rule);
	pack_str(p, e->wait_object);
	pack_u64(p, e->twin);
	pack_span(p, e->body);
	pack_str(p, e->file);
}

static void
unpack_rcpts(struct unpacker *u, struct arena *a, struct entry *e)
{
	/* three strings of four octets of length, and one octet */
	uint32_t n = unpack_count(u, 13);

	if (n > LIMIT_RECIPIENTS)
		u->err = ERR_IPC;
	if (u->err != ERR_OK)
		return;
	e->rcpt = arena_array(a, n, sizeof(*e->rcpt));
	if (e->rcpt == NULL) {
		u->err = ERR_NOMEM;
		return;
	}
	e->n_rcpt = n;
	for (uint32_t i = 0; i < n; i++) {
		e->rcpt[i].addr = unpack_str(u, a);
		e->rcpt[i].key = unpack_str(u, a);
		e->rcpt[i].orcpt = unpack_str(u, a);
		e->rcpt[i].notify = unpack_u8(u);
	}
}

/* A number of an enumeration with n members. */
static uint8_t
unpack_enum(struct unpacker *u, uint8_t n)
{
	uint8_t v = unpack_u8(u);

	if (v >= n)
		u->err = ERR_IPC;
	return v < n ? v : 0;
}

static void
unpack_convert(struct unpacker *u, struct arena *a, struct entry *e)
{
	struct mime_convert_plan c = {.size = unpack_u64(u)};
	uint32_t n = unpack_count(u, 17);

	c.edit = u->err == ERR_OK && n > 0 ? arena_array(a, n, sizeof(*c.edit))
					   : NULL;
	if (u->err == ERR_OK && n > 0 && c.edit == NULL)
		u->err = ERR_NOMEM;
	for (; u->err == ERR_OK && c.n < n; c.n++) {
		c.edit[c.n].at = unpack_u64(u);
		c.edit[c.n].len = unpack_u64(u);
		c.edit[c.n].how =
		    (enum mime_convert_how)unpack_enum(u, MIME_CONVERT_HOWS);
	}
	if (u->err == ERR_OK && !mime_convert_is_sound(&c, e->body_size))
		u->err = ERR_IPC;
	e->convert = c;
}

void
entry_unpack(struct unpacker *u, struct arena *a, struct entry *out)
{
	struct entry e = {0};

	e.format = unpack_u8(u);
	if (!entry_format_is_known(e.format))
		u->err = ERR_IPC;
	e.id = unpack_u64(u);
	e.message_id = unpack_u64(u);
	e.kind = (enum entry_kind)unpack_enum(u, 2);
	e.route = (enum entry_route)unpack_enum(u, 2);
	e.rung = unpack_u8(u);
	e.strength = unpack_u8(u);
	e.tls = unpack_enum(u, 5);
	e.after = unpack_enum(u, 3);
	e.require = unpack_enum(u, 3);
	e.from = unpack_str(u, a);
	e.from_key = unpack_str(u, a);
	e.envid = unpack_str(u, a);
	e.ret_hdrs = unpack_bool(u);
	e.smtputf8 = unpack_bool(u);
	e.body_8bit = unpack_bool(u);
	e.accepted_ms = unpack_u64(u);
	e.client = unpack_str(u, a);
	e.client_name = unpack_str(u, a);
	e.helo = unpack_str(u, a);
	/* it was one and the same then */
	e.origin = e.format == ENTRY_FORMAT_2 ? e.client : unpack_str(u, a);
	e.auth_id = unpack_str(u, a);
	e.auth_from = unpack_str(u, a);
	e.trace = unpack_str(u, a);
	unpack_rcpts(u, a, &e);
	e.body_size = unpack_u64(u);
	unpack_raw(u, e.body_hash, sizeof(e.body_hash));
	if (e.format > ENTRY_FORMAT_3)
		unpack_convert(u, a, &e);
	e.why = (enum entry_why)unpack_enum(u, 6);
	e.reason = unpack_str(u, a);
	e.rule = unpack_str(u, a);
	e.wait_object = unpack_str(u, a);
	e.twin = unpack_u64(u);
	e.body = unpack_span(u);
	e.file = unpack_str(u, a);
	*out = e;
}

static uint32_t next_id;

/* The random start keeps processes apart. */
static void
start_ids(void)
{
	static bool started;

	if (!started)
		next_id = (uint32_t)random_u64();
	started = true;
}

uint64_t
entry_new_id(void)
{
	uint64_t id;

	/* Counted, not drawn: of numbers drawn at random two are the same far
	   sooner than one thinks, and a message with the id of another would
	   be taken for committed. */
	start_ids();
	id = clock_unix_ms() / 1000 << 32 | next_id++;
	id &= ~ENTRY_ID_ANSWER;
	return id == 0 ? 1 : id;
}

void
entry_skip_ids(uint32_t n)
{
	start_ids();
	next_id += n;
}

const char *
entry_kind_name(enum entry_kind k)
{
	switch (k) {
	case ENTRY_PENDING:
		return "pending";
	case ENTRY_READY:
		return "ready";
	}
	return "?";
}

const char *
entry_why_name(enum entry_why w)
{
	switch (w) {
	case ENTRY_WHY_NONE:
		return "-";
	case ENTRY_WHY_UNDECIDED:
		return "undecided";
	case ENTRY_WHY_HELD:
		return "held";
	case ENTRY_WHY_CRASHED:
		return "crashed";
	case ENTRY_WHY_RECEIVED:
		return "received";
	case ENTRY_WHY_TLS:
		return "tls";
	}
	return "?";
}
