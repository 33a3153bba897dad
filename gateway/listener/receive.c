/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The contents of a message, from 354 or BDAT to its last octet, and what is
 * answered when they are refused. RFC 5321 section 4.1.1.4, RFC 3030.
 */
#include "common/clock.h"
#include "gateway/conf.h"
#include "gateway/listener/jobs.h"
#include "gateway/listener/lmtp.h"
#include "gateway/listener/session.h"

void
listener_receive_begin(struct listener_session *s)
{
	s->transfer_ms = clock_steady_ms();
	s->transfer_len = 0;
	if (s->msg != NULL && s->msg->data.received == 0)
		s->message_ms = s->transfer_ms;
}

static void
count(struct listener_session *s, size_t n)
{
	s->transfer_len += n;
	s->deadline_ms =
	    clock_steady_ms() + listener_conf(s->l)->limits.idle_ms;
}

static void
set_refusal(struct listener_reply *r, const struct listener_session *s,
    enum err e, const char *why)
{
	if (e == ERR_LINE_END)
		listener_reply_set(r, 554, "5.6.0",
		    "Bare CR, bare LF or NUL in the message: lines must end "
		    "in CRLF");
	else if (e == ERR_TOO_BIG)
		listener_reply_set(r, 552, "5.3.4",
		    "Message larger than %llu octets",
		    (unsigned long long)s->max_size);
	else if (e == ERR_LIMIT && why[0] == '\0')
		listener_reply_set(r, 552, "5.3.4",
		    "A line of the message is longer than %u octets",
		    LIMIT_LINE_IN);
	else
		listener_reply_set(r, err_smtp(e), err_status(e),
		    "Message refused: %s", why[0] == '\0' ? err_text(e) : why);
}

/* whole: the client has sent all of it, and expects what is said of a message
   (RFC 2033 4.2); else of a command. */
static void
refuse(struct listener_session *s, bool whole, enum err e, const char *why)
{
	struct listener_reply r;

	set_refusal(&r, s, e, why);
	if (whole)
		listener_lmtp_reply(s, &r, NULL);
	else
		listener_session_reply(s, &r);
	listener_session_drop_message(s);
	listener_session_set_state(s, LISTENER_READY);
}

/* The last octet has come. */
static void
complete(struct listener_session *s)
{
	struct listener_message *m = s->msg;
	struct err_why why = {.text = ""};
	enum err e = listener_data_finish(&m->data, &why);

	m->m.envelope.received_ms = clock_unix_ms();
	if (e == ERR_OK)
		e = listener_message_trace(
		    m, listener_conf(s->l)->hostname, s->esmtp);
	if (e != ERR_OK) {
		refuse(s, true, e, why.text);
		return;
	}
	s->junk = 0;
	listener_session_set_state(s, LISTENER_JOB);
	m->session = s;
	listener_jobs_start(s->l, m);
}

/* The client will not end by itself: waiting for it is no use. */
static void
cut_off(struct listener_session *s)
{
	refuse(s, false, ERR_TOO_BIG, "");
	listener_session_say(s, 421, "4.7.0", "Goodbye");
	listener_session_end(s);
}

void
listener_receive_data(struct listener_session *s)
{
	bool end = false;
	size_t n = listener_data_dots(
	    &s->msg->data, s->in + s->in_at, s->in_len - s->in_at, &end);

	s->in_at += n;
	count(s, n);
	if (end)
		complete(s);
	else if (listener_data_is_endless(&s->msg->data))
		cut_off(s);
}

static void
end_chunk(struct listener_session *s)
{
	struct listener_data *d = &s->msg->data;
	enum err e = listener_data_error(d);

	if (e != ERR_OK && !s->chunk_last) {
		/* said at once: the client need not send the rest */
		refuse(s, false, e, "");
		return;
	}
	if (s->chunk_last) {
		complete(s);
		return;
	}
	listener_session_set_state(s, LISTENER_CHUNKS);
	listener_session_say(s, 250, "2.0.0", "%llu octets received",
	    (unsigned long long)d->received);
}

void
listener_receive_chunk(struct listener_session *s)
{
	size_t n = s->in_len - s->in_at;

	if (n > s->chunk_left)
		n = (size_t)s->chunk_left;
	if (n > 0 && !s->chunk_refused)
		listener_data_octets(&s->msg->data, s->in + s->in_at, n);
	s->in_at += n;
	s->chunk_left -= n;
	count(s, n);
	if (s->chunk_left > 0)
		return;
	if (!s->chunk_refused) {
		end_chunk(s);
		return;
	}
	listener_session_set_state(s, s->chunk_state);
	listener_session_reply(s, &s->chunk_reply);
	listener_session_error(s);
}
