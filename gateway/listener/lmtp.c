/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Which RCPT named which recipient of the envelope, and the answers in the
 * order that was.
 */
#include "gateway/listener/lmtp.h"

#include <stdlib.h>

#include "gateway/conf.h"

void
listener_lmtp_note(struct listener_session *s, uint32_t i)
{
	size_t cap = s->cap_order == 0 ? 16 : s->cap_order * 2;
	uint32_t *p;

	if (!s->lmtp)
		return;
	if (s->n_order == s->cap_order) {
		p = realloc(s->order, cap * sizeof(*p));
		if (p == NULL)
			fatal("out of memory");
		s->order = p;
		s->cap_order = cap;
	}
	s->order[s->n_order++] = i;
}

void
listener_lmtp_forget(struct listener_session *s)
{
	free(s->order);
	s->order = NULL;
	s->n_order = s->cap_order = 0;
}

bool
listener_lmtp_is_full(const struct listener_session *s)
{
	return s->n_order + s->n_slots > listener_conf(s->l)->limits.recipients;
}

void
listener_lmtp_reply(struct listener_session *s,
    const struct listener_reply *all, const struct listener_reply *each)
{
	if (!s->lmtp) {
		listener_session_reply(s, all);
		return;
	}
	for (size_t i = 0; i < s->n_order; i++)
		listener_session_reply(
		    s, each == NULL ? all : &each[s->order[i]]);
}
