/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Is there such a recipient? The listener asks, and our own server is asked by
 * MAIL and RCPT without a message, in a session as any mail has. Only what it
 * says to RCPT itself is an answer, and only that there is no such recipient
 * is a "no": a probe comes from nobody, and what a server has against that (or
 * against us) it need not have against the message.
 */
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "gateway/relay/relay_private.h"
#include "gateway/relay/smtp_reply.h"

enum { ARENA_MAX = 256 * 1024 };

struct relay_probe {
	struct relay_probe *next; /* early */
	struct relay *relay;
	uint64_t id; /* of the question */
	struct arena *arena;
	struct entry entry;
	struct entry_rcpt rcpt;
	struct proto_rcpt_result result;
	bool settled, by_rcpt;
	struct relay_mail mail;
};

static void
answer(struct relay *r, uint64_t id, enum proto_verdict verdict)
{
	struct buf b;

	buf_init(&b, 64);
	if (r->listener != NULL &&
	    proto_verdict_pack((uint8_t)verdict, &b) == ERR_OK)
		(void)!ipc_post(
		    r->listener, PROTO_PROBED, id, buf_span(&b), NULL, 0);
	buf_clear(&b);
}

static void
forget(struct relay_probe *p)
{
	p->relay->n_probes--;
	arena_free(p->arena);
	free(p);
}

static enum proto_verdict
verdict_of(const struct relay_probe *p)
{
	const struct proto_rcpt_result *r = &p->result;

	if (r->outcome == PROTO_DELIVERED)
		return PROTO_YES;
	if (!p->by_rcpt || r->outcome != PROTO_FAILED)
		return PROTO_UNKNOWN;
	return relay_reply_no_such_rcpt(r->code, r->status) ? PROTO_NO
							    : PROTO_YES;
}

void
relay_probe_settled(struct relay_mail *m)
{
	struct relay_probe *p = m->probe;
	enum proto_verdict verdict = verdict_of(p);

	log_event(LOG_LVL_DEBUG, NULL, "probe", KV_STR("rcpt", p->rcpt.addr),
	    KV_NUM("verdict", verdict), KV_STR("peer", m->hop.peer),
	    KV_NUM("code", p->result.code), KV_STR("reply", p->result.text));
	answer(p->relay, p->id, verdict);
	forget(p);
}

static bool
is_ascii(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s >= 0x80)
			return false;
	return true;
}

/* The mail points into the probe, which stays where it is. */
static void
fill(struct relay_probe *p, const char *addr)
{
	p->rcpt = (struct entry_rcpt){.addr = addr,
	    .key = addr,
	    .orcpt = "",
	    .notify = PROTO_NOTIFY_NEVER};
	p->entry = (struct entry){.kind = ENTRY_READY,
	    .route = ENTRY_INBOUND,
	    .from = "",
	    .from_key = "",
	    .envid = "",
	    .client = "",
	    .origin = "",
	    .client_name = "",
	    .helo = "",
	    .auth_id = "",
	    .auth_from = "",
	    .trace = "",
	    .rcpt = &p->rcpt,
	    .n_rcpt = 1,
	    .smtputf8 = !is_ascii(addr)};
	p->result = (struct proto_rcpt_result){.status = "", .text = ""};
	p->mail = (struct relay_mail){.probe = p,
	    .id = "-",
	    .entry = &p->entry,
	    .arena = p->arena,
	    .n_rcpt = 1,
	    .result = &p->result,
	    .settled = &p->settled,
	    .by_rcpt = &p->by_rcpt,
	    .hop = proto_hop_none};
}

static void
submit(struct relay_probe *p)
{
	struct relay *r = p->relay;
	struct relay_target t;

	relay_target_fill(
	    &r->conf->inbound, "", ENTRY_TLS_OPPORTUNISTIC, false, &t);
	relay_dests_submit(r->dests, &t, &p->mail);
}

void
relay_probe_take(struct relay *r, struct ipc_msg *m)
{
	struct relay_probe *p;
	struct unpacker u;
	const char *addr;

	if (r->stopping || !r->conf->inbound.present ||
	    r->n_probes >= LIMIT_PROBES) {
		answer(r, m->id, PROTO_UNKNOWN);
		return;
	}
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		fatal("out of memory");
	p->relay = r;
	p->id = m->id;
	p->arena = arena_new(ARENA_MAX);
	r->n_probes++;
	unpack_begin(&u, m->payload);
	addr = unpack_str(&u, p->arena);
	if (unpack_end(&u) != ERR_OK) {
		answer(r, m->id, PROTO_UNKNOWN);
		forget(p);
		return;
	}
	fill(p, addr);
	if (r->dests != NULL) {
		submit(p);
		return;
	}
	p->next = r->early;
	r->early = p;
}

void
relay_probes_start(struct relay *r)
{
	struct relay_probe *p;

	while ((p = r->early) != NULL) {
		r->early = p->next;
		/* a configuration may have come in between */
		if (r->conf->inbound.present) {
			submit(p);
		} else {
			answer(r, p->id, PROTO_UNKNOWN);
			forget(p);
		}
	}
}

void
relay_probes_end(struct relay *r)
{
	struct relay_probe *p;

	while ((p = r->early) != NULL) {
		r->early = p->next;
		answer(r, p->id, PROTO_UNKNOWN);
		forget(p);
	}
}
