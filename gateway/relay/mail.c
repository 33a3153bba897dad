/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What becomes of the recipients of one transaction.
 */
#include "gateway/relay/mail.h"

#include "gateway/relay/expect.h"

const struct entry_rcpt *
relay_mail_rcpt(const struct relay_mail *m, uint32_t i)
{
	return &m->entry->rcpt[m->result[i].rcpt];
}

static const char *
keep(struct relay_mail *m, const char *s)
{
	const char *copy = arena_strdup(m->arena, s);

	return copy == NULL ? "" : copy;
}

void
relay_mail_settle(struct relay_mail *m, uint32_t i, enum proto_outcome outcome,
    uint16_t code, const char *status, const char *text)
{
	struct proto_rcpt_result *r = &m->result[i];

	if (m->settled[i])
		return;
	m->settled[i] = true;
	r->outcome = (uint8_t)outcome;
	r->tls = m->tls_failed && outcome == PROTO_DEFERRED;
	r->quiet = m->dsn;
	r->final = m->lmtp;
	r->code = code;
	r->status = keep(m, status);
	r->text = keep(m, text);
}

void
relay_mail_settle_rest(struct relay_mail *m, enum proto_outcome outcome,
    uint16_t code, const char *status, const char *text)
{
	for (uint32_t i = 0; i < m->n_rcpt; i++)
		relay_mail_settle(m, i, outcome, code, status, text);
}

void
relay_mail_set_hop(struct relay_mail *m, const struct relay_hop *h)
{
	m->hop = (struct proto_hop){
	    .resumed = h->tls.resumed,
	    .peer = keep(m, h->peer),
	    .demanded = keep(m, h->demanded),
	    .had = keep(m, h->had),
	    .protocol = keep(m, h->tls.protocol),
	    .cipher = keep(m, h->tls.cipher),
	    .cert = keep(m, h->tls.cert),
	    .name = keep(m, h->tls.name),
	    .tlsa = keep(m, h->tls.record),
	    .sts = keep(m, h->sts),
	};
}

bool
relay_mail_ends_without_require(const struct relay_mail *m)
{
	return m->entry->require == ENTRY_REQUIRE_TLS &&
	       m->entry->after == ENTRY_AFTER_BOUNCE;
}

bool
relay_mail_is_settled(const struct relay_mail *m)
{
	for (uint32_t i = 0; i < m->n_rcpt; i++)
		if (!m->settled[i])
			return false;
	return true;
}
