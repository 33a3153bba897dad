/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Packing and unpacking of the messages between processes, in the order of
 * proto.h. The envelope's parts are shared by several messages.
 */
#include "gateway/proto.h"

#include "common/limits.h"

static const struct {
	uint16_t type;
	const char *name;
} names[] = {
    {PROTO_BOOT, "boot"},
    {PROTO_PEER, "peer"},
    {PROTO_CONF, "conf"},
    {PROTO_STOP, "stop"},
    {PROTO_READY, "ready"},
    {PROTO_REFUSE, "refuse"},
    {PROTO_RCPT_CHECK, "rcpt-check"},
    {PROTO_RCPT_VERDICT, "rcpt-verdict"},
    {PROTO_MESSAGE, "message"},
    {PROTO_DONE, "done"},
    {PROTO_LOOKUP, "lookup"},
    {PROTO_ANSWERS, "answers"},
    {PROTO_SUBMIT, "submit"},
    {PROTO_COMMITTED, "committed"},
    {PROTO_FENCE, "fence"},
    {PROTO_INTAKE, "intake"},
    {PROTO_DECIDE, "decide"},
    {PROTO_UNDECIDED, "undecided"},
    {PROTO_DELIVER, "deliver"},
    {PROTO_RESULT, "result"},
    {PROTO_RECALL, "recall"},
    {PROTO_KEYS_GET, "keys-get"},
    {PROTO_KEYS, "keys"},
    {PROTO_CONTENT_KEY, "content-key"},
    {PROTO_CONTENT_KEY_IS, "content-key-is"},
    {PROTO_REGISTER, "register"},
    {PROTO_UNREGISTER, "unregister"},
    {PROTO_SIGN, "sign"},
    {PROTO_SIGNED, "signed"},
    {PROTO_PGP_SEAL, "pgp-seal"},
    {PROTO_PGP_SEALED, "pgp-sealed"},
    {PROTO_PGP_INSPECT, "pgp-inspect"},
    {PROTO_PGP_INSPECTED, "pgp-inspected"},
    {PROTO_PGP_SIGN, "pgp-sign"},
    {PROTO_PGP_SIGNED, "pgp-signed"},
    {PROTO_PGP_SEAL_SIGN, "pgp-seal-sign"},
    {PROTO_PGP_SECRET_GET, "pgp-secret-get"},
    {PROTO_PGP_SECRET, "pgp-secret"},
    {PROTO_OBJECT_ADD, "object-add"},
    {PROTO_OBJECT_HAVE, "object-have"},
    {PROTO_OBJECT_OPENED, "object-opened"},
    {PROTO_OBJECT_EXPIRED, "object-expired"},
    {PROTO_REQUEST, "request"},
    {PROTO_ANSWER, "answer"},
};

const char *
proto_name(uint16_t type)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].type == type)
			return names[i].name;
	return "?";
}

static enum err
as_err(uint32_t v)
{
	return v < ERR_COUNT ? (enum err)v : ERR_INTERNAL;
}

/* n elements of size octets, each of which takes at least min_packed octets
   in the message; *n 0 on any error. */
static void *
unpack_array(struct unpacker *u, struct arena *a, size_t min_packed,
    size_t size, uint32_t *n)
{
	void *p = NULL;

	*n = unpack_count(u, min_packed);
	if (u->err == ERR_OK && *n > 0) {
		p = arena_array(a, *n, size);
		if (p == NULL)
			u->err = ERR_NOMEM;
	}
	if (p == NULL)
		*n = 0;
	return p;
}

/* --- boot --- */

enum err
proto_boot_pack(const struct proto_boot *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_bool(&p, m->last);
	pack_bool(&p, m->journal);
	pack_str(&p, m->conf_name);
	pack_span(&p, m->conf);
	pack_u32(&p, m->n_fds);
	for (uint32_t i = 0; i < m->n_fds; i++) {
		pack_u8(&p, m->fd[i].kind);
		pack_u32(&p, m->fd[i].which);
	}
	return pack_end(&p);
}

enum err
proto_boot_unpack(struct span in, struct arena *a, struct proto_boot *out)
{
	struct unpacker u;
	struct proto_boot m = {0};

	unpack_begin(&u, in);
	m.last = unpack_bool(&u);
	m.journal = unpack_bool(&u);
	m.conf_name = unpack_str(&u, a);
	m.conf = unpack_span(&u);
	m.n_fds = unpack_count(&u, 5);
	if (m.n_fds > PROTO_BOOT_FDS)
		return ERR_IPC;
	for (uint32_t i = 0; i < m.n_fds; i++) {
		m.fd[i].kind = unpack_u8(&u);
		m.fd[i].which = unpack_u32(&u);
	}
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

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
	pack_str(p, e->client);
	pack_str(p, e->helo);
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
	e.client = unpack_str(u, a);
	e.helo = unpack_str(u, a);
	e.tls = unpack_str(u, a);
	e.received_ms = unpack_u64(u);
	e.rcpt = unpack_array(u, a, 13, sizeof(*e.rcpt), &e.n_rcpt);
	for (uint32_t i = 0; i < e.n_rcpt; i++) {
		e.rcpt[i].addr = unpack_str(u, a);
		e.rcpt[i].key = unpack_str(u, a);
		e.rcpt[i].orcpt = unpack_str(u, a);
		e.rcpt[i].notify = unpack_u8(u);
	}
	*out = e;
}

/* --- discovery --- */

void
proto_answers_pack(struct packer *p, const struct proto_answers *m)
{
	pack_str(p, m->key);
	pack_bool(p, m->complete);
	pack_u32(p, m->n);
	for (uint32_t i = 0; i < m->n; i++) {
		pack_u8(p, m->answer[i].source);
		pack_u8(p, m->answer[i].status);
	}
}

void
proto_answers_unpack(
    struct unpacker *u, struct arena *a, struct proto_answers *out)
{
	struct proto_answers m = {0};

	m.key = unpack_str(u, a);
	m.complete = unpack_bool(u);
	m.answer = unpack_array(u, a, 2, sizeof(*m.answer), &m.n);
	for (uint32_t i = 0; i < m.n; i++) {
		m.answer[i].source = unpack_u8(u);
		m.answer[i].status = unpack_u8(u);
		if (m.answer[i].status > PROTO_ANSWER_FOUND)
			u->err = ERR_IPC;
	}
	*out = m;
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
	m.unparsed = unpack_bool(&u);
	proto_envelope_unpack(&u, a, &m.envelope);
	m.answers = unpack_array(&u, a, 9, sizeof(*m.answers), &m.n_answers);
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

enum err
proto_done_pack(const struct proto_done *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u32(&p, m->attempt);
	pack_bool(&p, m->submitted);
	pack_reply(&p, &m->reply);
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
}

void
proto_object_unpack(
    struct unpacker *u, struct arena *a, struct proto_object *out)
{
	out->name = unpack_str(u, a);
	out->size = unpack_u64(u);
	out->expires_s = unpack_u64(u);
}

enum err
proto_submit_pack(const struct proto_submit *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u32(&p, m->attempt);
	pack_u64(&p, m->replaces);
	pack_u32(&p, m->n_entries);
	for (uint32_t i = 0; i < m->n_entries; i++)
		entry_pack(&p, &m->entry[i]);
	pack_u32(&p, m->n_objects);
	for (uint32_t i = 0; i < m->n_objects; i++)
		proto_object_pack(&p, &m->object[i]);
	pack_u32(&p, m->n_audit);
	for (uint32_t i = 0; i < m->n_audit; i++)
		pack_str(&p, m->audit[i]);
	return pack_end(&p);
}

enum {
	MIN_ENTRY = 100, /* octets of the smallest packed entry */
	MIN_OBJECT = 20,
};

enum err
proto_submit_unpack(struct span in, struct arena *a, struct proto_submit *out)
{
	struct unpacker u;
	struct proto_submit m = {0};

	unpack_begin(&u, in);
	m.attempt = unpack_u32(&u);
	m.replaces = unpack_u64(&u);
	m.entry =
	    unpack_array(&u, a, MIN_ENTRY, sizeof(*m.entry), &m.n_entries);
	for (uint32_t i = 0; i < m.n_entries; i++)
		entry_unpack(&u, a, &m.entry[i]);
	m.object =
	    unpack_array(&u, a, MIN_OBJECT, sizeof(*m.object), &m.n_objects);
	for (uint32_t i = 0; i < m.n_objects; i++)
		proto_object_unpack(&u, a, &m.object[i]);
	m.audit = unpack_array(&u, a, 4, sizeof(*m.audit), &m.n_audit);
	for (uint32_t i = 0; i < m.n_audit; i++)
		m.audit[i] = unpack_str(&u, a);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_decide_pack(const struct proto_decide *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	entry_pack(&p, &m->entry);
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
	pack_u32(&p, m->n_open);
	for (uint32_t i = 0; i < m->n_open; i++)
		pack_u32(&p, m->open[i]);
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
	m.open = unpack_array(&u, a, 4, sizeof(*m.open), &m.n_open);
	for (uint32_t i = 0; i < m.n_open; i++) {
		m.open[i] = unpack_u32(&u);
		if (m.open[i] >= m.entry.n_rcpt ||
		    (i > 0 && m.open[i] <= m.open[i - 1]))
			u.err = ERR_IPC;
	}
	if (m.n_open == 0)
		u.err = ERR_IPC;
	m.tries = unpack_u32(&u);
	m.age_ms = unpack_u64(&u);
	m.warn = unpack_bool(&u);
	m.give_up = unpack_bool(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_result_pack(const struct proto_result *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u32(&p, m->n_rcpt);
	for (uint32_t i = 0; i < m->n_rcpt; i++) {
		pack_u32(&p, m->rcpt[i].rcpt);
		pack_u8(&p, m->rcpt[i].outcome);
		pack_u16(&p, m->rcpt[i].code);
		pack_str(&p, m->rcpt[i].status);
		pack_str(&p, m->rcpt[i].text);
	}
	pack_str(&p, m->peer);
	pack_str(&p, m->tls);
	pack_u32(&p, m->n_dsn);
	for (uint32_t i = 0; i < m->n_dsn; i++)
		entry_pack(&p, &m->dsn[i]);
	return pack_end(&p);
}

enum err
proto_result_unpack(struct span in, struct arena *a, struct proto_result *out)
{
	struct unpacker u;
	struct proto_result m = {0};

	unpack_begin(&u, in);
	m.rcpt = unpack_array(&u, a, 15, sizeof(*m.rcpt), &m.n_rcpt);
	for (uint32_t i = 0; i < m.n_rcpt; i++) {
		m.rcpt[i].rcpt = unpack_u32(&u);
		m.rcpt[i].outcome = unpack_u8(&u);
		if (m.rcpt[i].outcome > PROTO_FAILED)
			u.err = ERR_IPC;
		m.rcpt[i].code = unpack_u16(&u);
		m.rcpt[i].status = unpack_str(&u, a);
		m.rcpt[i].text = unpack_str(&u, a);
	}
	m.peer = unpack_str(&u, a);
	m.tls = unpack_str(&u, a);
	m.dsn = unpack_array(&u, a, MIN_ENTRY, sizeof(*m.dsn), &m.n_dsn);
	for (uint32_t i = 0; i < m.n_dsn; i++)
		entry_unpack(&u, a, &m.dsn[i]);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

/* --- keys --- */

enum err
proto_keys_pack(const struct proto_keys *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	for (int i = 0; i < SEALED_PURPOSES; i++) {
		pack_u8(&p, (uint8_t)m->pub[i].purpose);
		pack_raw(&p, m->pub[i].octets, SEALED_KEY);
	}
	pack_span(&p, m->ready_private);
	return pack_end(&p);
}

enum err
proto_keys_unpack(struct span in, struct proto_keys *out)
{
	struct unpacker u;
	struct proto_keys m;

	unpack_begin(&u, in);
	for (int i = 0; i < SEALED_PURPOSES; i++) {
		m.pub[i].purpose = (enum sealed_purpose)unpack_u8(&u);
		if (m.pub[i].purpose != SEALED_NONE &&
		    (int)m.pub[i].purpose != i)
			u.err = ERR_IPC;
		unpack_raw(&u, m.pub[i].octets, SEALED_KEY);
	}
	m.ready_private = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_register_pack(const struct proto_register *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u32(&p, m->n_addr);
	for (uint32_t i = 0; i < m->n_addr; i++)
		pack_str(&p, m->addr[i]);
	return pack_end(&p);
}

enum err
proto_register_unpack(
    struct span in, struct arena *a, struct proto_register *out)
{
	struct proto_register m;
	struct unpacker u;

	unpack_begin(&u, in);
	m.addr = unpack_array(&u, a, 4, sizeof(*m.addr), &m.n_addr);
	for (uint32_t i = 0; i < m.n_addr; i++)
		m.addr[i] = unpack_str(&u, a);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_sign_pack(const struct proto_sign *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_span(&p, m->fpr);
	pack_u8(&p, m->alg);
	pack_span(&p, m->in);
	return pack_end(&p);
}

enum err
proto_sign_unpack(struct span in, struct proto_sign *out)
{
	struct proto_sign m;
	struct unpacker u;

	unpack_begin(&u, in);
	m.fpr = unpack_span(&u);
	m.alg = unpack_u8(&u);
	m.in = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_signed_pack(const struct proto_signed *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u32(&p, m->result);
	pack_span(&p, m->signature);
	return pack_end(&p);
}

enum err
proto_signed_unpack(struct span in, struct proto_signed *out)
{
	struct proto_signed m;
	struct unpacker u;

	unpack_begin(&u, in);
	m.result = as_err(unpack_u32(&u));
	m.signature = unpack_span(&u);
	if (u.err == ERR_OK && (m.signature.len > 0) != (m.result == ERR_OK))
		u.err = ERR_IPC;
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

/* --- pgp --- */

enum err
proto_pgp_sign_pack(const struct proto_pgp_sign *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_span(&p, m->fpr);
	pack_u32(&p, m->n_certs);
	for (uint32_t i = 0; i < m->n_certs; i++)
		pack_span(&p, m->cert[i]);
	return pack_end(&p);
}

enum err
proto_pgp_sign_unpack(
    struct span in, struct arena *a, struct proto_pgp_sign *out)
{
	struct unpacker u;
	struct proto_pgp_sign m = {0};

	unpack_begin(&u, in);
	m.fpr = unpack_span(&u);
	m.cert = unpack_array(&u, a, 4, sizeof(*m.cert), &m.n_certs);
	for (uint32_t i = 0; i < m.n_certs; i++)
		m.cert[i] = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	if (m.fpr.len == 0 || m.n_certs > LIMIT_RECIPIENTS)
		return ERR_IPC;
	*out = m;
	return ERR_OK;
}

enum err
proto_pgp_signed_pack(const struct proto_pgp_signed *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u32(&p, m->err);
	pack_str(&p, m->why);
	pack_str(&p, m->micalg);
	return pack_end(&p);
}

enum err
proto_pgp_signed_unpack(
    struct span in, struct arena *a, struct proto_pgp_signed *out)
{
	struct unpacker u;
	struct proto_pgp_signed m;

	unpack_begin(&u, in);
	m.err = as_err(unpack_u32(&u));
	m.why = unpack_str(&u, a);
	m.micalg = unpack_str(&u, a);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	if ((m.err == ERR_OK) != (m.micalg[0] != '\0'))
		return ERR_IPC;
	*out = m;
	return ERR_OK;
}

/* --- portal --- */

enum err
proto_opened_pack(const struct proto_opened *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_str(&p, m->name);
	pack_str(&p, m->client);
	pack_str(&p, m->agent);
	pack_u64(&p, m->at_ms);
	return pack_end(&p);
}

enum err
proto_opened_unpack(struct span in, struct arena *a, struct proto_opened *out)
{
	struct unpacker u;
	struct proto_opened m;

	unpack_begin(&u, in);
	m.name = unpack_str(&u, a);
	m.client = unpack_str(&u, a);
	m.agent = unpack_str(&u, a);
	m.at_ms = unpack_u64(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

/* --- single numbers and words --- */

enum err
proto_committed_pack(uint32_t attempt, enum err result, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u32(&p, attempt);
	pack_u32(&p, result);
	return pack_end(&p);
}

enum err
proto_committed_unpack(struct span in, uint32_t *attempt, enum err *result)
{
	struct unpacker u;
	uint32_t n, r;

	unpack_begin(&u, in);
	n = unpack_u32(&u);
	r = unpack_u32(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*attempt = n;
	*result = as_err(r);
	return ERR_OK;
}

enum err
proto_failure_pack(enum err result, const char *why, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u32(&p, result);
	pack_str(&p, why);
	return pack_end(&p);
}

enum err
proto_failure_unpack(
    struct span in, struct arena *a, enum err *result, const char **why)
{
	struct unpacker u;
	uint32_t r;
	const char *text;

	unpack_begin(&u, in);
	r = unpack_u32(&u);
	text = unpack_str(&u, a);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*result = as_err(r);
	*why = text;
	return ERR_OK;
}
