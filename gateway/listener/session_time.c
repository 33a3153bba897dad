/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What ends a session that is slow, silent or waits for a word that does not
 * come.
 */
#include "common/clock.h"
#include "common/log.h"
#include "gateway/conf.h"
#include "gateway/listener/session.h"

enum { RATE_GRACE_MS = 30000 /* before the rate of a transfer counts */ };

static void
time_out(struct listener_session *s, const char *text)
{
	log_event(LOG_LVL_NOTICE, s->id, "timeout", KV_STR("client", s->peer),
	    KV_STR("state", listener_state_name(s->state)));
	if (s->closing || !s->greeted || s->state == LISTENER_HANDSHAKE ||
	    s->out_at < s->out.len)
		s->dead = true; /* it does not listen, either */
	else
		listener_session_say(s, 421, "4.4.2", "%s", text);
	listener_session_end(s);
	listener_session_resume(s);
}

static void
give_up_check(struct listener_session *s, struct listener_slot *slot)
{
	struct listener_reply r;

	listener_check_cancel(s->l, slot);
	listener_reply_set(&r, 451, "4.3.2",
	    "The recipient cannot be checked now, try again later");
	listener_session_verdict(slot, &r);
}

static bool
is_too_slow(const struct listener_session *s, uint64_t now_ms)
{
	uint64_t ms = now_ms - s->transfer_ms;

	if (s->state != LISTENER_DATA && s->state != LISTENER_BDAT)
		return false;
	if (now_ms - s->message_ms >= LIMIT_TRANSFER_S * 1000ull)
		return true;
	return ms >= RATE_GRACE_MS &&
	       s->transfer_len <
		   ms / 1000 * listener_conf(s->l)->limits.min_rate;
}

bool
listener_session_tick(struct listener_session *s, uint64_t now_ms)
{
	struct listener_slot *slot = TAILQ_FIRST(&s->slots);

	if (slot != NULL) {
		if (now_ms < slot->until_ms)
			return false;
		give_up_check(s, slot);
		return true;
	}
	if (s->state == LISTENER_JOB)
		return false;
	if (s->state == LISTENER_AUTH)
		return listener_auth_tick(s, now_ms);
	if (now_ms >= s->deadline_ms)
		time_out(s, "Nothing came for too long, goodbye");
	else if (is_too_slow(s, now_ms))
		time_out(s, "The message comes too slowly, goodbye");
	else
		return false;
	return true;
}
