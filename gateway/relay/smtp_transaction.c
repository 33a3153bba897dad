/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One message in an SMTP session: what is written when (RFC 2920, RFC 3030),
 * and what each reply means for which recipient. The body is looked into
 * before MAIL is said, so that what does not open costs the peer nothing.
 */
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/secret.h"
#include "common/stream.h"
#include "gateway/relay/smtp_private.h"
#include "gateway/relay/xforward.h"

enum {
	CHUNKS_AHEAD = 8,   /* of BDAT that are not answered yet */
	XFORWARD_MAX = 900, /* octets of the command */
	/* octets of labels and of what encoders held back, beside a chunk */
	CONVERT_SLACK = 256 * 1024,
};

static void
expect(struct relay_smtp *s, enum smtp_expect kind)
{
	unsigned at = (s->expect_first + s->n_expected) % SMTP_EXPECTED_MAX;

	s->expected[at] = (uint8_t)kind;
	s->n_expected++;
}

static void
drop_body(struct relay_smtp *s)
{
	relay_body_free(s->body);
	s->body = NULL;
	mime_convert_free(s->convert);
	s->convert = NULL;
	if (s->converted.len > 0)
		secret_wipe(s->converted.data, s->converted.len);
	buf_clear(&s->converted);
	s->has_chunk = false;
}

void
smtp_transaction_end(struct relay_smtp *s)
{
	drop_body(s);
	s->mail = NULL;
	s->n_expected = 0;
	if (s->state != SMTP_DOWN)
		smtp_set_state(s, SMTP_READY);
}

/* --- results --- */

static void
settle_reply(struct relay_smtp *s, uint32_t i, const struct relay_reply *r)
{
	enum proto_outcome outcome = PROTO_DEFERRED;
	char status[RELAY_REPLY_STATUS];

	if (r->code / 100 == 2)
		outcome = PROTO_DELIVERED;
	else if (r->code / 100 == 5)
		outcome = PROTO_FAILED;
	snprintf(status, sizeof(status), "%s", r->status);
	if (status[0] == '\0')
		snprintf(status, sizeof(status), "%d.0.0",
		    outcome == PROTO_DELIVERED ? 2
		    : outcome == PROTO_FAILED  ? 5
					       : 4);
	relay_mail_settle(s->mail, i, outcome, r->code, status, r->text);
}

static void
settle_rest_reply(struct relay_smtp *s, const struct relay_reply *r)
{
	for (uint32_t i = 0; i < s->mail->n_rcpt; i++)
		settle_reply(s, i, r);
}

/* Our side cannot send this message as it is. Nothing more of it is sent;
   what has been sent never gets its end. */
static void
refuse(struct relay_smtp *s, enum proto_outcome outcome, const char *status,
    const char *text)
{
	relay_mail_settle_rest(s->mail, outcome, 0, status, text);
	if (s->mail_sent)
		smtp_fail(s, RELAY_FAULT_OURS, NULL, text);
	else
		smtp_transaction_end(s);
}

static uint32_t
n_settled(const struct relay_mail *m)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->n_rcpt; i++)
		n += m->settled[i] ? 1 : 0;
	return n;
}

/* The transaction is over. Recipients that were too many for it get another
   one at once, as long as each of them settles somebody. */
static void
end_or_go_on(struct relay_smtp *s)
{
	struct relay_mail *m = s->mail;

	if (relay_mail_is_settled(m) || n_settled(m) == s->n_before) {
		relay_mail_settle_rest(m, PROTO_DEFERRED, 0, "4.5.3",
		    "the next hop takes no more recipients");
		smtp_transaction_end(s);
		return;
	}
	drop_body(s);
	relay_smtp_send(s, m);
}

static void
refuse_body(struct relay_smtp *s, enum err e)
{
	if (e == ERR_LINE_END) {
		refuse(s, PROTO_FAILED, err_status(e), err_text(e));
		return;
	}
	log_event(LOG_LVL_CRIT, s->mail->id, "bad-body", KV_ERR(e));
	refuse(
	    s, PROTO_DEFERRED, "4.3.0", "the stored message cannot be opened");
}

/* --- before MAIL --- */

static bool
is_ascii(const char *s)
{
	for (; *s != '\0'; s++)
		if ((uint8_t)*s >= 0x80)
			return false;
	return true;
}

/* Nothing that could end a command line or a parameter. The parser of
   addresses lets none through; this is the last door. */
static bool
is_clean(const char *s, uint8_t from)
{
	for (; *s != '\0'; s++)
		if ((uint8_t)*s < from || *s == 0x7f)
			return false;
	return true;
}

/* 8-bit octets in the header of a message that was said to be
   internationalised (RFC 6531 3.5); a header longer than the first chunk
   counts as such. */
static bool
header_needs_utf8(const struct relay_smtp *s)
{
	size_t end = span_find(s->chunk, 0, SPAN_LIT("\r\n\r\n"));

	if (!s->mail->entry->smtputf8)
		return false;
	if (end == s->chunk.len && !s->chunk_last)
		return true;
	for (size_t i = 0; i < end; i++)
		if (s->chunk.data[i] >= 0x80)
			return true;
	return false;
}

static void
check_recipients(struct relay_smtp *s)
{
	const struct entry_rcpt *r;

	for (uint32_t i = 0; i < s->mail->n_rcpt; i++) {
		r = relay_mail_rcpt(s->mail, i);
		if (r->addr[0] == '\0' || !is_clean(r->addr, 0x20))
			relay_mail_settle(s->mail, i, PROTO_FAILED, 0, "5.1.3",
			    "the address cannot be written in SMTP");
		else if (!s->offer.smtputf8 && !is_ascii(r->addr))
			relay_mail_settle(s->mail, i, PROTO_FAILED, 0, "5.6.7",
			    "the next hop takes no internationalised "
			    "addresses");
	}
}

static uint64_t
size_to_send(const struct relay_smtp *s)
{
	uint64_t size = s->convert != NULL ? s->mail->entry->convert.size
					   : s->mail->entry->body_size;

	return size + s->mail->dkim[s->convert != NULL].len;
}

/* What can be known to fail before a word is said. */
static bool
may_be_sent(struct relay_smtp *s)
{
	const struct entry *e = s->mail->entry;

	if (e->kind != ENTRY_READY ||
	    !relay_expect_suffices(s->setup.expect, e->tls)) {
		log_event(LOG_LVL_CRIT, s->mail->id, "not-to-be-sent-here",
		    KV_STR("peer", s->setup.expect->peer.peer));
		refuse(s, PROTO_DEFERRED, "4.3.0", "internal error");
		return false;
	}
	if (!is_clean(e->from, 0x20) || !is_clean(e->envid, 0x21)) {
		refuse(s, PROTO_FAILED, "5.1.7",
		    "the sender's address cannot be written in SMTP");
		return false;
	}
	if (s->offer.size_max > 0 && size_to_send(s) > s->offer.size_max) {
		refuse(s, PROTO_FAILED, "5.3.4",
		    "larger than the next hop accepts");
		return false;
	}
	if (!s->offer.smtputf8 &&
	    (!is_ascii(e->from) || header_needs_utf8(s))) {
		refuse(s, PROTO_FAILED, "5.6.7",
		    "the next hop takes no internationalised mail");
		return false;
	}
	check_recipients(s);
	return true;
}

/* The next octets of the body, as the plan says; there may be none. */
static enum err
convert_chunk(struct relay_smtp *s)
{
	enum err e;

	buf_reset(&s->converted);
	e = mime_convert_put(s->convert, s->chunk);
	if (e == ERR_OK && s->chunk_last)
		e = mime_convert_finish(s->convert);
	s->chunk = buf_span(&s->converted);
	return e;
}

static bool
next_chunk(struct relay_smtp *s)
{
	enum err e;

	do {
		e = relay_body_next(s->body, &s->chunk, &s->chunk_last);
		if (e == ERR_OK && s->convert != NULL)
			e = convert_chunk(s);
	} while (e == ERR_OK && s->chunk.len == 0 && !s->chunk_last);
	if (e != ERR_OK) {
		refuse_body(s, e);
		return false;
	}
	/* RFC 6152 3: 8-bit octets go only to those who take them */
	if (s->convert == NULL && relay_body_has_8bit(s->body) &&
	    !s->offer.mime_8bit) {
		refuse(s, PROTO_FAILED, "5.6.3",
		    "the next hop takes no 8-bit text");
		return false;
	}
	s->has_chunk = true;
	return true;
}

static enum err
open_body(struct relay_smtp *s)
{
	const struct entry *e = s->mail->entry;
	struct mime_sink sink = mime_sink_buf(&s->converted);

	if (s->rcpt == NULL)
		return ERR_NOMEM;
	/* each octet becomes three at most, with what breaks lines */
	buf_init(&s->converted, 4 * STREAM_CHUNK + CONVERT_SLACK);
	if (!s->offer.mime_8bit && e->convert.n > 0)
		s->convert = mime_convert_new(&e->convert, &sink);
	return relay_body_open(
	    s->setup.pub, s->setup.priv, e, s->mail->sealed, &s->body);
}

/* There is no body, and there will be none. */
static void
send_probe(struct relay_smtp *s)
{
	s->chunk = SPAN(NULL, 0);
	s->chunk_last = true;
	if (may_be_sent(s) && relay_mail_is_settled(s->mail))
		smtp_transaction_end(s);
}

void
relay_smtp_send(struct relay_smtp *s, struct relay_mail *m)
{
	s->mail = m;
	s->past_dot = false;
	s->n_expected = 0;
	relay_mail_set_hop(m, &s->hop);
	if (!smtp_xclient_begin(s))
		smtp_transaction_begin(s);
}

void
smtp_transaction_begin(struct relay_smtp *s)
{
	struct relay_mail *m = s->mail;
	enum err e;

	m->dsn = s->offer.dsn;
	m->lmtp = s->setup.lmtp;
	s->line_start = true;
	s->xforward_sent = false;
	s->past_dot = s->mail_sent = s->data_sent = s->go_ahead = false;
	s->rcpt_sent = s->rcpt_seen = s->final_seen = s->n_accepted = 0;
	s->n_asked = 0;
	s->n_before = n_settled(m);
	s->expect_first = s->n_expected = 0;
	s->use_bdat = s->offer.chunking && !s->setup.lmtp;
	s->rcpt = arena_array(m->arena, m->n_rcpt, sizeof(*s->rcpt));
	smtp_set_state(s, SMTP_ENVELOPE);
	if (m->probe != NULL && s->rcpt != NULL) {
		send_probe(s);
		return;
	}
	e = open_body(s);
	s->prefix = m->dkim[s->convert != NULL];
	if (e != ERR_OK)
		refuse_body(s, e);
	else if (next_chunk(s) && may_be_sent(s) && relay_mail_is_settled(m))
		smtp_transaction_end(s);
}

/* --- writing --- */

/* Before each MAIL: a server forgets it with the transaction. What is too long
   to be told is not. */
static void
put_xforward(struct relay_smtp *s)
{
	struct buf line;

	s->xforward_sent = true;
	if (!s->mail->xforward)
		return;
	buf_init(&line, XFORWARD_MAX);
	if (relay_xforward_line(s->mail->entry, s->offer.xforward, &line) ==
		ERR_OK &&
	    line.len > 0) {
		smtp_put(s, buf_span(&line));
		expect(s, EXPECT_XFORWARD);
	}
	buf_clear(&line);
}

static void
put_mail(struct relay_smtp *s)
{
	const struct entry *e = s->mail->entry;
	char size[40];

	smtp_puts(s, "MAIL FROM:<");
	smtp_puts(s, e->from);
	smtp_puts(s, ">");
	if (s->offer.size) {
		snprintf(size, sizeof(size), " SIZE=%llu",
		    (unsigned long long)size_to_send(s));
		smtp_puts(s, size);
	}
	if (s->offer.mime_8bit && s->body != NULL &&
	    (e->body_8bit || relay_body_has_8bit(s->body)))
		smtp_puts(s, " BODY=8BITMIME");
	if (s->offer.smtputf8 && e->smtputf8)
		smtp_puts(s, " SMTPUTF8");
	if (s->setup.expect->require)
		smtp_puts(s, " REQUIRETLS");
	if (s->offer.dsn && e->ret_hdrs)
		smtp_puts(s, " RET=HDRS");
	if (s->offer.dsn && e->envid[0] != '\0') {
		smtp_puts(s, " ENVID=");
		smtp_puts(s, e->envid);
	}
	smtp_puts(s, "\r\n");
	expect(s, EXPECT_MAIL);
	s->mail_sent = true;
}

/* RFC 3461 4.1 */
static void
put_notify(struct relay_smtp *s, uint8_t notify)
{
	static const struct {
		uint8_t bit;
		const char *word;
	} words[] = {
	    {PROTO_NOTIFY_SUCCESS, "SUCCESS"},
	    {PROTO_NOTIFY_FAILURE, "FAILURE"},
	    {PROTO_NOTIFY_DELAY, "DELAY"},
	};
	const char *before = " NOTIFY=";

	/* what was opened here must not come back from the next hop */
	if ((notify & (PROTO_NOTIFY_NEVER | PROTO_NOTIFY_OUTSIDE)) != 0) {
		smtp_puts(s, " NOTIFY=NEVER");
		return;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if ((notify & words[i].bit) == 0)
			continue;
		smtp_puts(s, before);
		smtp_puts(s, words[i].word);
		before = ",";
	}
}

static void
put_rcpt(struct relay_smtp *s, uint32_t i)
{
	const struct entry_rcpt *r = relay_mail_rcpt(s->mail, i);

	smtp_puts(s, "RCPT TO:<");
	smtp_puts(s, r->addr);
	smtp_puts(s, ">");
	if (s->offer.dsn) {
		put_notify(s, r->notify);
		if (r->orcpt[0] != '\0' && is_clean(r->orcpt, 0x21) &&
		    is_ascii(r->orcpt)) {
			smtp_puts(s, " ORCPT=");
			smtp_puts(s, r->orcpt);
		}
	}
	smtp_puts(s, "\r\n");
	expect(s, EXPECT_RCPT);
	s->n_asked++;
	s->rcpt[i] = SMTP_RCPT_ASKED;
}

static void
put_bdat(struct relay_smtp *s)
{
	char head[48];

	snprintf(head, sizeof(head), "BDAT %zu%s\r\n",
	    s->prefix.len + s->chunk.len, s->chunk_last ? " LAST" : "");
	smtp_puts(s, head);
	smtp_put(s, s->prefix);
	smtp_put(s, s->chunk);
	s->prefix.len = 0;
	s->has_chunk = false;
	s->past_dot = s->chunk_last;
	expect(s, s->chunk_last ? EXPECT_FINAL : EXPECT_CHUNK);
}

/* RFC 5321 4.5.2: a dot at the start of a line is doubled. A chunk may begin
   in the middle of a line. */
static void
put_stuffed(struct relay_smtp *s)
{
	struct span c = s->chunk;
	size_t end;

	/* a field: whole lines, none with a dot in front */
	smtp_put(s, s->prefix);
	s->prefix.len = 0;
	while (c.len > 0) {
		if (s->line_start && c.data[0] == '.')
			smtp_puts(s, ".");
		end = span_find_chr(c, 0, '\n');
		s->line_start = end < c.len;
		end += s->line_start ? 1 : 0;
		smtp_put(s, SPAN(c.data, end));
		c = SPAN(c.data + end, c.len - end);
	}
	s->has_chunk = false;
}

static void
put_end(struct relay_smtp *s)
{
	uint32_t replies = s->setup.lmtp ? s->n_accepted : 1;

	if (!s->line_start)
		smtp_puts(s, "\r\n");
	smtp_puts(s, ".\r\n");
	s->past_dot = true;
	for (uint32_t i = 0; i < replies; i++)
		expect(s, EXPECT_FINAL);
}

static void
produce_body(struct relay_smtp *s)
{
	if (s->n_expected >= CHUNKS_AHEAD)
		return;
	if (!s->has_chunk && !next_chunk(s))
		return;
	if (s->use_bdat) {
		put_bdat(s);
	} else {
		put_stuffed(s);
		if (s->chunk_last)
			put_end(s);
	}
	if (s->chunk_last && s->state == SMTP_BODY)
		smtp_set_state(s, SMTP_FINAL);
}

/* Nobody is left to send to, and the peer is told so by RSET. */
static void
end_unsent(struct relay_smtp *s)
{
	s->needs_reset = true;
	end_or_go_on(s);
}

/* The command that begins the message. false: not yet. A message of one chunk
   goes with its envelope in BDAT; a longer one waits for the recipients. */
static bool
put_data(struct relay_smtp *s)
{
	bool together = s->use_bdat && s->chunk_last;

	if (s->n_expected == 0 && s->n_accepted == 0) {
		end_unsent(s);
		return false;
	}
	if (s->mail->probe != NULL) /* every reply is what was asked for */
		return false;
	if (s->use_bdat && !together && s->n_expected > 0)
		return false;
	s->data_sent = true;
	if (together) {
		put_bdat(s);
	} else if (s->use_bdat) {
		smtp_set_state(s, SMTP_BODY);
		return false;
	} else {
		smtp_puts(s, "DATA\r\n");
		expect(s, EXPECT_DATA);
	}
	return true;
}

/* Skip those that are settled: they are not asked for. */
static bool
next_rcpt(struct relay_smtp *s, uint32_t *i)
{
	if (s->offer.rcpt_max > 0 && s->n_asked >= s->offer.rcpt_max)
		return false;
	while (s->rcpt_sent < s->mail->n_rcpt) {
		*i = s->rcpt_sent++;
		if (!s->mail->settled[*i])
			return true;
	}
	return false;
}

static void
produce_envelope(struct relay_smtp *s)
{
	uint32_t i;

	while (s->state == SMTP_ENVELOPE &&
	       (s->offer.pipelining || s->n_expected == 0)) {
		if (s->needs_reset) {
			s->needs_reset = false;
			smtp_puts(s, "RSET\r\n");
			expect(s, EXPECT_RSET);
		} else if (!s->mail_sent && !s->xforward_sent) {
			put_xforward(s);
		} else if (!s->mail_sent) {
			put_mail(s);
		} else if (next_rcpt(s, &i)) {
			put_rcpt(s, i);
		} else if (s->data_sent || (!put_data(s) && s->mail_sent)) {
			/* else: another transaction has begun */
			break;
		}
	}
}

bool
smtp_transaction_produce(struct relay_smtp *s)
{
	if (s->out.len > 0)
		return false;
	if (s->state == SMTP_ENVELOPE)
		produce_envelope(s);
	/* which may have found that the body comes next */
	if (s->state == SMTP_BODY && s->out.len == 0)
		produce_body(s);
	return s->out.len > 0;
}

/* --- replies --- */

static void
on_rset(struct relay_smtp *s, const struct relay_reply *r)
{
	if (r->code / 100 != 2)
		smtp_fail(s, RELAY_FAULT_SESSION, r, "refused RSET");
}

/* Whether it was taken matters to nobody's mail. */
static void
on_xforward(struct relay_smtp *s, const struct relay_reply *r)
{
	if (r->code / 100 != 2)
		log_event(LOG_LVL_NOTICE, s->mail->id, "xforward-refused",
		    KV_STR("peer", s->setup.expect->peer.peer),
		    KV_NUM("code", r->code), KV_STR("reply", r->text));
}

static void
on_mail(struct relay_smtp *s, const struct relay_reply *r)
{
	if (r->code / 100 != 2)
		settle_rest_reply(s, r);
}

static void
on_rcpt(struct relay_smtp *s, const struct relay_reply *r)
{
	struct relay_reply later = *r;
	uint32_t i;

	while (s->rcpt[s->rcpt_seen] == SMTP_RCPT_LEFT_OUT)
		s->rcpt_seen++;
	i = s->rcpt_seen++;
	if (s->mail->settled[i])
		return;
	if (r->code / 100 == 2 && s->mail->probe == NULL) {
		s->rcpt[i] = SMTP_RCPT_ACCEPTED;
		s->n_accepted++;
		return;
	}
	/* RFC 5321 4.5.3.1.10: an old way to say "too many recipients" */
	if (r->code == 552 && r->status[0] == '\0')
		later.code = 452;
	/* the rest comes when these have been sent to */
	if (later.code == 452 && s->n_accepted > 0)
		return;
	settle_reply(s, i, &later);
	s->mail->by_rcpt[i] = true;
}

static void
on_data(struct relay_smtp *s, const struct relay_reply *r)
{
	if (r->code / 100 == 2) {
		smtp_fail(s, RELAY_FAULT_SESSION, r, "no answer to DATA");
		return;
	}
	if (r->code != 354) {
		settle_rest_reply(s, r);
		end_unsent(s);
		return;
	}
	s->go_ahead = true;
	if (s->n_accepted > 0) {
		smtp_set_state(s, SMTP_BODY);
		return;
	}
	/* RFC 2920 3.1: nobody was accepted, yet it waits for a message */
	smtp_puts(s, ".\r\n");
	expect(s, EXPECT_NOTHING);
	smtp_set_state(s, SMTP_FINAL);
}

static void
on_chunk(struct relay_smtp *s, const struct relay_reply *r)
{
	if (r->code / 100 == 2)
		return;
	/* further chunks may be on their way: the session is of no use */
	settle_rest_reply(s, r);
	smtp_fail(s, RELAY_FAULT_NONE, r, "refused a part of the message");
}

static void
on_final(struct relay_smtp *s, const struct relay_reply *r)
{
	uint32_t n = s->mail->n_rcpt;

	s->needs_reset = r->code / 100 != 2;
	for (uint32_t i = s->setup.lmtp ? s->final_seen : 0; i < n; i++) {
		if (s->rcpt[i] != SMTP_RCPT_ACCEPTED)
			continue;
		settle_reply(s, i, r);
		s->final_seen = i + 1;
		if (s->setup.lmtp)
			break;
	}
	if (s->n_expected == 0)
		end_or_go_on(s);
}

static void
on_nothing(struct relay_smtp *s, const struct relay_reply *r)
{
	(void)r;
	end_unsent(s);
}

static void (*const handlers[EXPECT_KINDS])(
    struct relay_smtp *s, const struct relay_reply *r) = {
    [EXPECT_RSET] = on_rset,
    [EXPECT_XFORWARD] = on_xforward,
    [EXPECT_MAIL] = on_mail,
    [EXPECT_RCPT] = on_rcpt,
    [EXPECT_DATA] = on_data,
    [EXPECT_CHUNK] = on_chunk,
    [EXPECT_FINAL] = on_final,
    [EXPECT_NOTHING] = on_nothing,
};

void
smtp_transaction_reply(struct relay_smtp *s, const struct relay_reply *r)
{
	enum smtp_expect kind;

	if (s->n_expected == 0) {
		smtp_fail(s, RELAY_FAULT_SESSION, r, "a reply to nothing");
		return;
	}
	kind = (enum smtp_expect)s->expected[s->expect_first];
	s->expect_first = (s->expect_first + 1) % SMTP_EXPECTED_MAX;
	s->n_expected--;
	handlers[kind](s, r);
}
