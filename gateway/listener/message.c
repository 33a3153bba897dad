/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A message on its way in: its envelope as commands add to it, its Received
 * field, and its end.
 */
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "gateway/conf.h"
#include "gateway/entry.h"
#include "gateway/listener/listener_private.h"
#include "mime/date.h"

enum {
	/* octets of strings: a thousand recipients with ORCPT and the answers
	   about them */
	ARENA_MAX = 8 * 1024 * 1024,
};

enum err
listener_message_new(struct listener_message **out)
{
	struct listener_message *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return ERR_NOMEM;
	m->arena = arena_new(ARENA_MAX);
	if (m->arena == NULL) {
		free(m);
		return ERR_NOMEM;
	}
	TAILQ_INIT(&m->lookups);
	m->data.fd = -1;
	m->node.id = entry_new_id();
	text_id(m->node.id, m->id);
	m->m.attempt = 1;
	m->m.trace = "";
	*out = m;
	return ERR_OK;
}

void
listener_message_free(struct listener *l, struct listener_message *m)
{
	if (m == NULL)
		return;
	listener_lookups_cancel(l, m);
	if (m->state == LISTENER_JOB_QUEUED)
		TAILQ_REMOVE(&l->queue, m, queue);
	if (m->state != LISTENER_JOB_RECEIVING) {
		listener_unregister(l, m);
		TAILQ_REMOVE(&l->all_jobs, m, link);
		listener_table_remove(&l->jobs, &m->node);
	}
	listener_data_clear(&m->data);
	free(m->m.envelope.rcpt);
	free(m->m.answers);
	free(m->each);
	arena_free(m->arena);
	free(m);
}

bool
listener_message_find_rcpt(
    const struct listener_message *m, const struct mime_addr *to, uint32_t *out)
{
	for (uint32_t i = 0; i < m->m.envelope.n_rcpt; i++)
		if (strcmp(m->m.envelope.rcpt[i].addr, to->text) == 0) {
			*out = i;
			return true;
		}
	return false;
}

static enum err
grow(struct listener_message *m)
{
	uint32_t cap = m->cap_rcpt == 0 ? 4 : m->cap_rcpt * 2;
	struct proto_rcpt *rcpt;
	struct proto_answers *answers;

	rcpt = realloc(m->m.envelope.rcpt, cap * sizeof(*rcpt));
	if (rcpt == NULL)
		return ERR_NOMEM;
	m->m.envelope.rcpt = rcpt;
	answers = realloc(m->m.answers, cap * sizeof(*answers));
	if (answers == NULL)
		return ERR_NOMEM;
	m->m.answers = answers;
	m->cap_rcpt = cap;
	return ERR_OK;
}

enum err
listener_message_add_rcpt(
    struct listener_message *m, const struct listener_rcpt *rcpt)
{
	uint32_t i = m->m.envelope.n_rcpt;

	if (i == m->cap_rcpt && grow(m) != ERR_OK)
		return ERR_NOMEM;
	m->m.envelope.rcpt[i] = (struct proto_rcpt){.addr = rcpt->to.text,
	    .key = rcpt->to.key,
	    .orcpt = rcpt->orcpt,
	    .notify = rcpt->notify};
	m->m.answers[i] = (struct proto_answers){.key = rcpt->to.key};
	m->m.envelope.n_rcpt = i + 1;
	m->m.n_answers = i + 1;
	return ERR_OK;
}

/* RFC 3848, RFC 6531 4.3 */
static const char *
with_name(const struct proto_message *m, bool esmtp)
{
	const struct proto_envelope *env = &m->envelope;
	bool tls = env->tls[0] != '\0';

	bool auth = env->auth_id[0] != '\0'; /* inside TLS alone */

	if (m->lmtp && env->smtputf8)
		return auth ? "UTF8LMTPSA" : tls ? "UTF8LMTPS" : "UTF8LMTP";
	if (m->lmtp)
		return auth ? "LMTPSA" : tls ? "LMTPS" : "LMTP";
	if (env->smtputf8)
		return auth ? "UTF8SMTPSA" : tls ? "UTF8SMTPS" : "UTF8SMTP";
	if (tls)
		return auth ? "ESMTPSA" : "ESMTPS";
	return esmtp ? "ESMTP" : "SMTP";
}

/* Several recipients are not told of each other: no "for" then. */
enum err
listener_message_trace(
    struct listener_message *m, const char *hostname, bool esmtp)
{
	const struct proto_envelope *env = &m->m.envelope;
	bool v6 = strchr(env->origin, ':') != NULL;
	bool one = env->n_rcpt == 1;
	bool tls = env->tls[0] != '\0';
	struct mime_date date = mime_date((int64_t)(env->received_ms / 1000));

	m->m.trace = arena_printf(m->arena,
	    "Received: from %s (%s%s[%s%s])%s%s%s\r\n"
	    "\tby %s with %s id %s%s%s%s;\r\n\t%s\r\n",
	    env->helo, env->client_name, env->client_name[0] == '\0' ? "" : " ",
	    v6 ? "IPv6:" : "", env->origin, tls ? "\r\n\t(using " : "",
	    env->tls, tls ? ")" : "", hostname, with_name(&m->m, esmtp), m->id,
	    one ? "\r\n\tfor <" : "", one ? env->rcpt[0].addr : "",
	    one ? ">" : "", date.text);
	return m->m.trace == NULL ? ERR_NOMEM : ERR_OK;
}
