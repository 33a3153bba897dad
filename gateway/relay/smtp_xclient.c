/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A session becomes that of a message's client (XCLIENT, as the documentation
 * of Postfix has it): the server greets anew, what it offered is forgotten, TLS
 * stays. From then on it has the rights of that client, so mail of nobody else
 * goes by it, and mail whose client the server would not hear of waits.
 */
#include <string.h>

#include "common/log.h"
#include "gateway/relay/smtp_private.h"
#include "gateway/relay/xforward.h"

enum {
	LINE_MAX_OCTETS = 2000, /* of the command: servers take 2048 */
};

/* What of this mail's client could be told; empty: it has none, or goes as
   ours. */
static enum err
client_of(const struct relay_mail *m, struct buf *out)
{
	buf_init(out, RELAY_CLIENT_MAX);
	return m->xclient
		   ? relay_xclient_line(m->entry, RELAY_XFORWARD_ALL, out)
		   : ERR_OK;
}

bool
relay_smtp_may_take(const struct relay_smtp *s, const struct relay_mail *m)
{
	struct buf client;
	bool same;

	if (s->client.len == 0)
		return true;
	if (m == NULL)
		return false;
	same = client_of(m, &client) == ERR_OK &&
	       span_eq(buf_span(&client), buf_span(&s->client));
	buf_clear(&client);
	return same;
}

static void
put_xclient(struct relay_smtp *s)
{
	struct buf line;

	buf_init(&line, LINE_MAX_OCTETS);
	if (relay_xclient_line(s->mail->entry, s->offer.xclient, &line) !=
	    ERR_OK) {
		smtp_fail(s, RELAY_FAULT_OURS, NULL,
		    "what is known of the client is too long for XCLIENT");
	} else {
		smtp_put(s, buf_span(&line));
		smtp_set_state(s, SMTP_XCLIENT);
	}
	buf_clear(&line);
}

/* Is there anything of the client that the server would hear? */
static bool
would_say(const struct relay_smtp *s)
{
	struct buf line;
	bool any;

	if (!s->mail->xclient)
		return false;
	buf_init(&line, LINE_MAX_OCTETS);
	any = relay_xclient_line(s->mail->entry, s->offer.xclient, &line) !=
		  ERR_OK ||
	      line.len > 0;
	buf_clear(&line);
	return any;
}

bool
smtp_xclient_begin(struct relay_smtp *s)
{
	if (!relay_smtp_may_take(s, s->mail)) {
		smtp_fail(s, RELAY_FAULT_OURS, NULL,
		    "the session is that of another client");
		return true;
	}
	if (s->client.len > 0 || !would_say(s))
		return false;
	/* a server takes no XCLIENT in a transaction */
	if (s->needs_reset) {
		s->needs_reset = false;
		smtp_puts(s, "RSET\r\n");
		smtp_set_state(s, SMTP_CLEAR);
	} else {
		put_xclient(s);
	}
	return true;
}

void
smtp_xclient_cleared(struct relay_smtp *s, const struct relay_reply *r)
{
	if (r->code / 100 != 2)
		smtp_fail(s, RELAY_FAULT_SESSION, r, "refused RSET");
	else
		put_xclient(s);
}

void
smtp_xclient_reply(struct relay_smtp *s, const struct relay_reply *r)
{
	if (r->code != 220) {
		log_event(LOG_LVL_NOTICE, s->mail->id, "xclient-refused",
		    KV_STR("peer", s->setup.expect->peer.peer),
		    KV_NUM("code", r->code), KV_STR("reply", r->text));
		smtp_fail(s, RELAY_FAULT_SESSION, r, "refused XCLIENT");
		return;
	}
	if (client_of(s->mail, &s->client) != ERR_OK) {
		smtp_fail(s, RELAY_FAULT_OURS, NULL,
		    "what is known of the client is too long for XCLIENT");
		return;
	}
	memset(&s->offer, 0, sizeof(s->offer));
	smtp_say_hello(s, SMTP_EHLO);
}

/* EHLO would overwrite what XCLIENT said of the greeting. A client may have
   said anything: what is no name and no address is not repeated. */
const char *
smtp_xclient_hello(const struct relay_smtp *s)
{
	static const char word[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789.-_:[]";
	const char *said;

	if (s->client.len == 0 || s->mail == NULL)
		return s->setup.helo;
	said = s->mail->entry->helo;
	return said[0] != '\0' && said[strspn(said, word)] == '\0'
		   ? said
		   : s->setup.helo;
}
