/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Packing and unpacking of what carries mail, in the order of proto_mail.h.
 */
#include "gateway/proto.h"

#include "common/limits.h"
#include "gateway/proto_private.h"

/* --- envelope --- */

void
proto_envelope_pack(struct packer *p, const struct proto_envelope *e)
{
	pack_str(p, e->from);
	pack_str(p, e->from_key);
	pack_str(p, e->envid);
	pack_bool(p, e->ret_hdrs);
	pack_bool(p, e->smtputf8);
	pack_bool(p, e->body_8bit);
	pack_bool(p, e->body_binary);
	pack_bool(p, e->requiretls);
	pack_str(p, e->client);
	pack_str(p, e->origin);
	pack_str(p, e->client_name);
	pack_str(p, e->helo);
	pack_str(p, e->auth_id);
	pack_str(p, e->auth_from);
	pack_str(p, e->tls);
	pack_u64(p, e->received_ms);
	pack_u32(p, e->n_rcpt);
	for (uint32_t i = 0; i < e->n_rcpt; i++) {
		pack_str(p, e->rcpt[i].addr);
		pack_str(p, e->rcpt[i].key);
		pack_str(p, e->rcpt[i].orcpt);
		pack_u8(p, e->rcpt[i].notify);
	}
}

void
proto_envelope_unpack(
    struct unpacker *u, struct arena *a, struct proto_envelope *out)
{
	struct proto_envelope e = {0};

	e.from = unpack_str(u, a);
	e.from_key = unpack_str(u, a);
	e.envid = unpack_str(u, a);
	e.ret_hdrs = unpack_bool(u);
	e.smtputf8 = unpack_bool(u);
	e.body_8bit = unpack_bool(u);
	e.body_binary = unpack_bool(u);
	e.requiretls = unpack_bool(u);
	e.client = unpack_str(u, a);
	e.origin = unpack_str(u, a);
	e.client_name = unpack_str(u, a);
	e.helo = unpack_str(u, a);
	e.auth_id = unpack_str(u, a);
	e.auth_from = unpack_str(u, a);
	e.tls = unpack_str(u, a);
	e.received_ms = unpack_u64(u);
	e.rcpt = proto_unpack_array(u, a, 13, sizeof(*e.rcpt), &e.n_rcpt);
	for (uint32_t i = 0; i < e.n_rcpt; i++) {
		e.rcpt[i].addr = unpack_str(u, a);
		e.rcpt[i].key = unpack_str(u, a);
		e.rcpt[i].orcpt = unpack_str(u, a);
		e.rcpt[i].notify = unpack_u8(u);
	}
	*out = e;
}

/* --- listener and worker --- */

enum err
proto_rcpt_check_pack(const struct proto_rcpt_check *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_str(&p, m->from_key);
	pack_str(&p, m->rcpt_key);
	pack_str(&p, m->client);
	pack_str(&p, m->auth_id);
	pack_str(&p, m->auth_from);
	return pack_end(&p);
}

enum err
proto_rcpt_check_unpack(
    struct span in, struct arena *a, struct proto_rcpt_check *out)
{
	struct unpacker u;
	struct proto_rcpt_check m;

	unpack_begin(&u, in);
	m.from_key = unpack_str(&u, a);
	m.rcpt_key = unpack_str(&u, a);
	m.client = unpack_str(&u, a);
	m.auth_id = unpack_str(&u, a);
	m.auth_from = unpack_str(&u, a);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

static void
pack_reply(struct packer *p, const struct proto_reply *m)
{
	pack_u16(p, m->code);
	pack_str(p, m->status);
	pack_str(p, m->text);
}

static void
unpack_reply(struct unpacker *u, struct arena *a, struct proto_reply *out)
{
	out->code = unpack_u16(u);
	out->status = unpack_str(u, a);
	out->text = unpack_str(u, a);
	if (u->err == ERR_OK && (out->code < 200 || out->code > 599))
		u->err = ERR_IPC;
}

enum err
proto_reply_pack(const struct proto_reply *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_reply(&p, m);
	return pack_end(&p);
}

enum err
proto_reply_unpack(struct span in, struct arena *a, struct proto_reply *out)
{
	struct unpacker u;
	struct proto_reply m;

	unpack_begin(&u, in);
	unpack_reply(&u, a, &m);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_message_pack(const struct proto_message *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u32(&p, m->attempt);
	pack_bool(&p, m->inbound);
	pack_bool(&p, m->lmtp);
	pack_bool(&p, m->unparsed);
	proto_envelope_pack(&p, &m->envelope);
	pack_u32(&p, m->n_answers);
	for (uint32_t i = 0; i < m->n_answers; i++)
		proto_answers_pack(&p, &m->answers[i]);
	pack_str(&p, m->trace);
	return pack_end(&p);
}

enum err
proto_message_unpack(struct span in, struct arena *a, struct proto_message *out)
{
	struct unpacker u;
	struct proto_message m = {0};

	unpack_begin(&u, in);
	m.attempt = unpack_u32(&u);
	m.inbound = unpack_bool(&u);
	m.lmtp = unpack_bool(&u);
	m.unparsed = unpack_bool(&u);
	proto_envelope_unpack(&u, a, &m.envelope);
	m.answers =
	    proto_unpack_array(&u, a, 9, sizeof(*m.answers), &m.n_answers);
	for (uint32_t i = 0; i < m.n_answers; i++)
		proto_answers_unpack(&u, a, &m.answers[i]);
	m.trace = unpack_str(&u, a);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	if (m.n_answers != m.envelope.n_rcpt)
		return ERR_IPC;
	*out = m;
	return ERR_OK;
}

enum { MIN_REPLY = 10 /* octets of the smallest packed one */ };

enum err
proto_done_pack(const struct proto_done *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u32(&p, m->attempt);
	pack_bool(&p, m->submitted);
	pack_reply(&p, &m->reply);
	pack_u32(&p, m->n_each);
	for (uint32_t i = 0; i < m->n_each; i++)
		pack_reply(&p, &m->each[i]);
	return pack_end(&p);
}

enum err
proto_done_unpack(struct span in, struct arena *a, struct proto_done *out)
{
	struct unpacker u;
	struct proto_done m;

	unpack_begin(&u, in);
	m.attempt = unpack_u32(&u);
	m.submitted = unpack_bool(&u);
	unpack_reply(&u, a, &m.reply);
	m.each =
	    proto_unpack_array(&u, a, MIN_REPLY, sizeof(*m.each), &m.n_each);
	for (uint32_t i = 0; i < m.n_each; i++)
		unpack_reply(&u, a, &m.each[i]);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

/* --- store and listener --- */

enum err
proto_committed_pack(const struct proto_committed *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u32(&p, m->attempt);
	pack_u32(&p, m->result);
	pack_bool(&p, m->waits);
	pack_bool(&p, m->reply.code != 0);
	if (m->reply.code != 0)
		pack_reply(&p, &m->reply);
	return pack_end(&p);
}

enum err
proto_committed_unpack(
    struct span in, struct arena *a, struct proto_committed *out)
{
	struct unpacker u;
	struct proto_committed m = {.reply = {0, "", ""}};

	unpack_begin(&u, in);
	m.attempt = unpack_u32(&u);
	m.result = proto_as_err(unpack_u32(&u));
	m.waits = unpack_bool(&u);
	if (unpack_bool(&u))
		unpack_reply(&u, a, &m.reply);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

/* --- worker and store --- */

void
proto_object_pack(struct packer *p, const struct proto_object *m)
{
	pack_str(p, m->name);
	pack_u64(p, m->size);
	pack_u64(p, m->expires_s);
	pack_u8(p, (uint8_t)m->factor);
	pack_u8(p, (uint8_t)m->door);
	pack_u32(p, m->n_answer_to);
	for (uint32_t i = 0; i < m->n_answer_to; i++)
		pack_str(p, m->answer_to[i]);
	pack_span(p, m->recovery);
}

void
proto_object_unpack(
    struct unpacker *u, struct arena *a, struct proto_object *out)
{
	out->name = unpack_str(u, a);
	out->size = unpack_u64(u);
	out->expires_s = unpack_u64(u);
	out->factor = unpack_u8(u);
	out->door = unpack_u8(u);
	if (out->factor >= OBJECT_FACTORS || out->door >= OBJECT_DOORS)
		u->err = ERR_IPC;
	out->answer_to = proto_unpack_array(
	    u, a, 4, sizeof(*out->answer_to), &out->n_answer_to);
	for (uint32_t i = 0; i < out->n_answer_to; i++)
		out->answer_to[i] = unpack_str(u, a);
	out->recovery = unpack_span(u);
	if (out->recovery.len > LIMIT_OBJECT_RECOVERY)
		u->err = ERR_IPC;
}

enum err
proto_submit_pack(const struct proto_submit *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u32(&p, m->attempt);
	pack_u64(&p, m->replaces);
	pack_bool(&p, m->waits);
	pack_raw(&p, m->digest, sizeof(m->digest));
	pack_u32(&p, m->n_entries);
	for (uint32_t i = 0; i < m->n_entries; i++)
		entry_pack(&p, &m->entry[i]);
	pack_u32(&p, m->n_objects);
	for (uint32_t i = 0; i < m->n_objects; i++)
		proto_object_pack(&p, &m->object[i]);
	dsn_pack(&p, &m->dsn);
	pack_u32(&p, m->n_closed);
	for (uint32_t i = 0; i < m->n_closed; i++) {
		pack_str(&p, m->closed[i].key);
		pack_u8(&p, m->closed[i].how);
	}
	pack_u32(&p, m->n_audit);
	for (uint32_t i = 0; i < m->n_audit; i++)
		pack_str(&p, m->audit[i]);
	proto_measures_pack(&p, &m->measures);
	proto_order_pack(&p, &m->order);
	pack_span(&p, m->reply_mac);
	return pack_end(&p);
}

enum {
	MIN_ENTRY = 100,     /* octets of the smallest packed entry */
	MIN_HOP = 1 + 9 * 4, /* and of a try */
	MIN_OBJECT = 30,
	MIN_CLOSED = 5,
};

enum err
proto_submit_unpack(struct span in, struct arena *a, struct proto_submit *out)
{
	struct unpacker u;
	struct proto_submit m = {0};

	unpack_begin(&u, in);
	m.attempt = unpack_u32(&u);
	m.replaces = unpack_u64(&u);
	m.waits = unpack_bool(&u);
	unpack_raw(&u, m.digest, sizeof(m.digest));
	m.entry = proto_unpack_array(
	    &u, a, MIN_ENTRY, sizeof(*m.entry), &m.n_entries);
	for (uint32_t i = 0; i < m.n_entries; i++)
		entry_unpack(&u, a, &m.entry[i]);
	m.object = proto_unpack_array(
	    &u, a, MIN_OBJECT, sizeof(*m.object), &m.n_objects);
	for (uint32_t i = 0; i < m.n_objects; i++)
		proto_object_unpack(&u, a, &m.object[i]);
	dsn_unpack(&u, a, &m.dsn);
	m.closed = proto_unpack_array(
	    &u, a, MIN_CLOSED, sizeof(*m.closed), &m.n_closed);
	for (uint32_t i = 0; i < m.n_closed; i++) {
		m.closed[i].key = unpack_str(&u, a);
		m.closed[i].how = unpack_u8(&u);
	}
	m.audit = proto_unpack_array(&u, a, 4, sizeof(*m.audit), &m.n_audit);
	for (uint32_t i = 0; i < m.n_audit; i++)
		m.audit[i] = unpack_str(&u, a);
	proto_measures_unpack(&u, a, &m.measures);
	proto_order_unpack(&u, a, &m.order);
	m.reply_mac = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

/* Positions of recipients of an entry. */
static void
pack_open(struct packer *p, const uint32_t *open, uint32_t n)
{
	pack_u32(p, n);
	for (uint32_t i = 0; i < n; i++)
		pack_u32(p, open[i]);
}

static uint32_t *
unpack_open(
    struct unpacker *u, struct arena *a, const struct entry *e, uint32_t *n_out)
{
	uint32_t n = 0;
	uint32_t *open = proto_unpack_array(u, a, 4, sizeof(*open), &n);

	for (uint32_t i = 0; i < n; i++) {
		open[i] = unpack_u32(u);
		if (open[i] >= e->n_rcpt || (i > 0 && open[i] <= open[i - 1]))
			u->err = ERR_IPC;
	}
	if (n == 0)
		u->err = ERR_IPC;
	*n_out = n;
	return open;
}

enum err
proto_decide_pack(const struct proto_decide *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	entry_pack(&p, &m->entry);
	pack_open(&p, m->open, m->n_open);
	pack_u64(&p, m->age_ms);
	pack_bool(&p, m->give_up);
	pack_bool(&p, m->released);
	return pack_end(&p);
}

enum err
proto_decide_unpack(struct span in, struct arena *a, struct proto_decide *out)
{
	struct unpacker u;
	struct proto_decide m;

	unpack_begin(&u, in);
	entry_unpack(&u, a, &m.entry);
	m.open = unpack_open(&u, a, &m.entry, &m.n_open);
	m.age_ms = unpack_u64(&u);
	m.give_up = unpack_bool(&u);
	m.released = unpack_bool(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

/* --- store and relay --- */

enum err
proto_deliver_pack(const struct proto_deliver *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	entry_pack(&p, &m->entry);
	pack_open(&p, m->open, m->n_open);
	pack_u32(&p, m->tries);
	pack_u64(&p, m->age_ms);
	pack_bool(&p, m->warn);
	pack_bool(&p, m->give_up);
	return pack_end(&p);
}

enum err
proto_deliver_unpack(struct span in, struct arena *a, struct proto_deliver *out)
{
	struct unpacker u;
	struct proto_deliver m;

	unpack_begin(&u, in);
	entry_unpack(&u, a, &m.entry);
	m.open = unpack_open(&u, a, &m.entry, &m.n_open);
	m.tries = unpack_u32(&u);
	m.age_ms = unpack_u64(&u);
	m.warn = unpack_bool(&u);
	m.give_up = unpack_bool(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

const struct proto_hop *
proto_result_hop(
    const struct proto_result *m, const struct proto_rcpt_result *r)
{
	return r->hop < m->n_hop ? &m->hop[r->hop] : &proto_hop_none;
}

enum err
proto_result_pack(const struct proto_result *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_bool(&p, m->more);
	pack_u32(&p, m->n_rcpt);
	for (uint32_t i = 0; i < m->n_rcpt; i++) {
		pack_u32(&p, m->rcpt[i].rcpt);
		pack_u8(&p, m->rcpt[i].outcome);
		pack_bool(&p, m->rcpt[i].tls);
		pack_u16(&p, m->rcpt[i].code);
		pack_u32(&p, m->rcpt[i].hop);
		pack_bool(&p, m->rcpt[i].quiet);
		pack_bool(&p, m->rcpt[i].final);
		pack_str(&p, m->rcpt[i].status);
		pack_str(&p, m->rcpt[i].text);
	}
	pack_u32(&p, m->n_hop);
	for (uint32_t i = 0; i < m->n_hop; i++)
		proto_hop_pack(&p, &m->hop[i]);
	pack_span(&p, m->outer);
	return pack_end(&p);
}

enum err
proto_result_unpack(struct span in, struct arena *a, struct proto_result *out)
{
	struct unpacker u;
	struct proto_result m = {0};

	unpack_begin(&u, in);
	m.more = unpack_bool(&u);
	m.rcpt = proto_unpack_array(&u, a, 22, sizeof(*m.rcpt), &m.n_rcpt);
	for (uint32_t i = 0; i < m.n_rcpt; i++) {
		m.rcpt[i].rcpt = unpack_u32(&u);
		m.rcpt[i].outcome = unpack_u8(&u);
		if (m.rcpt[i].outcome > PROTO_DROPPED)
			u.err = ERR_IPC;
		m.rcpt[i].tls = unpack_bool(&u);
		m.rcpt[i].code = unpack_u16(&u);
		m.rcpt[i].hop = unpack_u32(&u);
		m.rcpt[i].quiet = unpack_bool(&u);
		m.rcpt[i].final = unpack_bool(&u);
		m.rcpt[i].status = unpack_str(&u, a);
		m.rcpt[i].text = unpack_str(&u, a);
	}
	m.hop = proto_unpack_array(&u, a, MIN_HOP, sizeof(*m.hop), &m.n_hop);
	for (uint32_t i = 0; i < m.n_hop; i++)
		proto_hop_unpack(&u, a, &m.hop[i]);
	m.outer = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_notify_pack(const struct proto_notify *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u32(&p, m->first);
	dsn_pack(&p, &m->dsn);
	return pack_end(&p);
}

enum err
proto_notify_unpack(struct span in, struct arena *a, struct proto_notify *out)
{
	struct unpacker u;
	struct proto_notify m;

	unpack_begin(&u, in);
	m.first = unpack_u32(&u);
	dsn_unpack(&u, a, &m.dsn);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_notified_pack(const struct proto_notified *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u32(&p, m->first);
	pack_u32(&p, m->n);
	if (m->n > 0)
		entry_pack(&p, &m->entry);
	return pack_end(&p);
}

enum err
proto_notified_unpack(
    struct span in, struct arena *a, struct proto_notified *out)
{
	struct unpacker u;
	struct proto_notified m = {0};

	unpack_begin(&u, in);
	m.first = unpack_u32(&u);
	m.n = unpack_u32(&u);
	if (m.n > 0)
		entry_unpack(&u, a, &m.entry);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}
