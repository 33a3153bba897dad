/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Notifications to the sender (RFC 3464, RFC 3461): what store has gathered of
 * one message becomes one, a ready entry that store takes in exchange for the
 * facts. They quote the outer header of a variant, which goes along sealed
 * with the results, and never its body.
 */
#include <string.h>

#include "common/clock.h"
#include "common/digest.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"
#include "gateway/relay/body.h"
#include "gateway/relay/relay_private.h"

enum {
	HEADER_MAX = 48 * 1024, /* octets that are quoted */
	QUOTED_MAX = HEADER_MAX + 128 * 1024,
	/* of a notification: it stays inline, sealed */
	TEXT_MAX = LIMIT_BODY_INLINE - 8 * 1024,
	ARENA_MAX = 64 * 1024 * 1024,
	KINDS = MIME_DSN_DELIVERED + 1,
};

/* --- the header that is quoted --- */

/* Read on until the header is whole or long enough; complete lines only. */
static enum err
read_head(struct relay_body *body, struct buf *head)
{
	struct span s;
	size_t end;
	bool last = false;
	enum err e = ERR_OK;

	while (e == ERR_OK && !last && head->len < HEADER_MAX) {
		e = relay_body_next(body, &s, &last);
		if (e == ERR_OK)
			e = buf_put(head, s);
		if (e != ERR_OK)
			break;
		end = span_find(buf_span(head), 0, SPAN_LIT("\r\n\r\n"));
		if (end < head->len) {
			head->len = end + 2;
			break;
		}
	}
	if (head->len > HEADER_MAX)
		head->len = HEADER_MAX;
	while (head->len > 0 && head->data[head->len - 1] != '\n')
		head->len--;
	return e;
}

/* The outer header of the variant; empty when it cannot be read, which must
   not keep the notification back. */
static void
outer_header(struct relay_job *j, struct buf *out)
{
	struct relay *r = j->relay;
	struct mime_edit none = {.trace = SPAN(NULL, 0)};
	struct relay_body *body = NULL;
	struct err_why why;
	struct buf head;
	enum err e = relay_body_open(
	    &r->pub, r->priv, &j->deliver.entry, j->sealed, &body);

	buf_init(&head, QUOTED_MAX);
	if (e == ERR_OK)
		e = read_head(body, &head);
	if (e == ERR_OK)
		e = buf_put(&head, SPAN_LIT("\r\n"));
	if (e == ERR_OK)
		e = mime_write_outer_header(buf_span(&head), &none, out, &why);
	if (e != ERR_OK)
		buf_reset(out);
	relay_body_free(body);
	buf_clear(&head);
}

static bool
anybody_is_told(const struct relay_job *j, const struct proto_result *res)
{
	static const enum mime_dsn_action actions[] = {
	    [PROTO_DEFERRED] = MIME_DSN_DELAYED,
	    [PROTO_DELIVERED] = MIME_DSN_DELIVERED,
	    [PROTO_FAILED] = MIME_DSN_FAILED,
	};

	for (uint32_t i = 0; i < res->n_rcpt; i++) {
		const struct proto_rcpt_result *r = &res->rcpt[i];

		if (r->outcome == PROTO_DROPPED ||
		    (r->outcome == PROTO_DEFERRED && !j->deliver.warn))
			continue;
		if (dsn_is_wanted(j->deliver.entry.rcpt[r->rcpt].notify,
			actions[r->outcome]))
			return true;
	}
	return false;
}

void
relay_bounce_quote(struct relay_job *j, struct proto_result *res)
{
	const struct entry *e = &j->deliver.entry;
	struct buf outer;

	/* RFC 8689 5: a notification goes by any hop, so it has nothing of what
	   must not */
	if (e->from[0] == '\0' || e->require == ENTRY_REQUIRE_TLS ||
	    j->relay->priv == NULL || j->sealed.len == 0 ||
	    !anybody_is_told(j, res))
		return;
	buf_init(&outer, 2 * HEADER_MAX);
	outer_header(j, &outer);
	if (outer.len > 0 &&
	    dsn_outer_seal(&j->relay->pub, e->message_id, e->from_key,
		buf_span(&outer), j->arena, &res->outer) != ERR_OK)
		res->outer = SPAN(NULL, 0);
	buf_clear(&outer);
}

/* --- what they say --- */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 3461 4: "+41" is "A". What is not xtext is left out. NULL if empty. */
static const char *
from_xtext(struct arena *a, const char *s)
{
	char *out = arena_alloc(a, strlen(s) + 1);
	size_t n = 0;

	if (out == NULL || s[0] == '\0')
		return NULL;
	for (; *s != '\0'; s++) {
		if (*s != '+') {
			out[n++] = *s;
			continue;
		}
		if (hex_digit(s[1]) < 0 || hex_digit(s[2]) < 0)
			return NULL;
		out[n++] = (char)(hex_digit(s[1]) << 4 | hex_digit(s[2]));
		s += 2;
	}
	return out;
}

static const struct {
	const char *reason;
	const char *advice;
} words[KINDS] = {
    [MIME_DSN_FAILED] = {"The message could not be delivered.",
	"Check the address, or ask the recipient in another way."},
    [MIME_DSN_DELAYED] = {"The message has not been delivered yet.",
	"Nothing has to be done: delivery is tried again."},
    [MIME_DSN_RELAYED] = {"The message was handed to a server that does not "
			  "report its delivery.",
	"No further notice will come."},
    [MIME_DSN_DELIVERED] = {"The message is in the mailbox.", NULL},
};

/* What a status of a failure means to who wrote the message (RFC 3463). The
   peer's own words stand beside it. */
static const struct {
	const char *status;
	const char *reason;
	const char *advice;
} failures[] = {
    {"5.1.1", "There is no such address.",
	"Check how it is written, or ask the recipient in another way."},
    {"5.1.2", "There is no such domain.", "Check how the address is written."},
    {"5.1.3", "This is not an address that can be written to.",
	"Check how it is written."},
    {"5.1.6", "The recipient has moved and left no new address.",
	"Ask the recipient in another way."},
    {"5.1.10", "The domain accepts no mail.",
	"Check how the address is written, or ask the recipient in another "
	"way."},
    {"5.2.1", "The recipient's mailbox is closed.",
	"Ask the recipient in another way."},
    {"5.2.2", "The recipient's mailbox is full.",
	"Send it again later, or ask the recipient in another way."},
    {"5.3.4", "The message is larger than the recipient's server accepts.",
	"Send less at once, or in another way."},
    {"5.4.6", "The message goes in circles between servers.",
	"Tell the administrator of the recipient's domain."},
    {"5.4.7", "The message could not be delivered in time.",
	"Send it again later, or ask the recipient in another way."},
    {"5.6.3", "The recipient's server takes no 8-bit text.",
	"Send it with ASCII letters only, or ask the recipient for another "
	"address."},
    {"5.6.7",
	"The recipient's server takes no addresses or subjects with letters "
	"beyond ASCII.",
	"Ask the recipient for an address of ASCII letters."},
    {"5.7.1", "The recipient's server refused the message.",
	"What it said stands below; ask the recipient in another way."},
    {"5.7.30",
	"No mail server of the recipient promises to keep to encrypted "
	"connections, as your message asks for.",
	"Send it without that request, or ask the recipient in another way."},
    {"5.7.5", "The message could not be protected as it must be.",
	"Tell your administrator; it was not sent."},
};

/* *out has words for any failure already. */
static void
say_why(const char *status, struct mime_dsn_rcpt *out)
{
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
		if (strcmp(failures[i].status, status) == 0) {
			out->reason = failures[i].reason;
			out->advice = failures[i].advice;
			return;
		}
}

static void
describe(const struct dsn_rcpt *r, struct arena *a, struct mime_dsn_rcpt *out)
{
	*out = (struct mime_dsn_rcpt){
	    .addr = r->addr,
	    .orcpt = from_xtext(a, r->orcpt),
	    .action = (enum mime_dsn_action)r->action,
	    .status = r->status[0] == '\0' ? "4.0.0" : r->status,
	    .reason = words[r->action].reason,
	    .advice = words[r->action].advice,
	    .last_attempt_s = (int64_t)(r->at_ms / 1000),
	    .retry_until_s = (int64_t)(r->until_ms / 1000),
	};
	if (r->reason[0] != '\0') {
		out->reason = r->reason;
		out->advice = r->advice;
	} else if (r->action == MIME_DSN_FAILED) {
		say_why(out->status, out);
	}
	if (r->code != 0) {
		out->remote_mta = r->peer[0] == '\0' ? NULL : r->peer;
		out->diagnostic =
		    arena_printf(a, "%u %s", (unsigned)r->code, r->text);
	} else if (r->text[0] != '\0') {
		out->reason = arena_printf(a, "%s (%s)", out->reason, r->text);
	}
	if (out->reason == NULL)
		out->reason = words[r->action].reason;
}

/* --- as an entry --- */

static enum entry_route
route_of(const struct relay *r, const struct dsn *d)
{
	const char *at = strrchr(d->from_key, '@');

	return at != NULL && r->conf->inbound.present &&
		       conf_domain_is_ours(r->conf, span_str(at + 1))
		   ? ENTRY_INBOUND
		   : ENTRY_OUTBOUND;
}

static enum err
seal_entry(struct relay *r, const struct dsn *d, struct span text, bool utf8,
    struct arena *a, struct entry *e)
{
	/* all strings of an entry are there */
	e->kind = ENTRY_READY;
	e->message_id = d->message_id;
	e->route = route_of(r, d);
	e->from = e->from_key = e->envid = e->reason = e->rule = "";
	e->wait_object = e->file = "";
	entry_forget_origin(e);
	e->smtputf8 = e->body_8bit = utf8;
	e->accepted_ms = clock_unix_ms();
	e->n_rcpt = 1;
	e->rcpt = arena_alloc(a, sizeof(*e->rcpt));
	if (e->rcpt == NULL)
		return ERR_NOMEM;
	/* RFC 3461 5.2: nobody is notified of a notification */
	e->rcpt[0] = (struct entry_rcpt){.addr = d->from,
	    .key = d->from_key,
	    .orcpt = "",
	    .notify = PROTO_NOTIFY_NEVER};
	return entry_seal(e, &r->pub, text, a);
}

/* Half of the recipients when all are too many, at last without the header. */
static enum err
write_text(struct mime_dsn *m, struct buf *text)
{
	struct mime_sink sink = mime_sink_buf(text);
	enum err e;

	for (;;) {
		buf_reset(text);
		e = mime_dsn_write(m, &sink);
		if (e != ERR_TOO_BIG || (m->n == 1 && m->outer.len == 0))
			return e;
		if (m->n == 1)
			m->outer = SPAN(NULL, 0);
		m->n = (m->n + 1) / 2;
	}
}

static enum err
make(struct relay *r, const struct dsn *d, struct span outer, struct arena *a,
    struct proto_notified *out)
{
	struct mime_dsn_rcpt *rcpts = arena_array(a, d->n_rcpt, sizeof(*rcpts));
	char id[TEXT_ID_SIZE];
	struct mime_dsn m = {
	    .host = r->helo,
	    .to = d->from,
	    .envid = from_xtext(a, d->envid),
	    .queue_id = id,
	    .now_s = (int64_t)(clock_unix_ms() / 1000),
	    .arrival_s = (int64_t)(d->accepted_ms / 1000),
	    .rcpts = rcpts,
	    .n = d->n_rcpt,
	    .outer = outer,
	};
	uint8_t random[16];
	struct buf text;
	enum err e;

	if (rcpts == NULL)
		return ERR_NOMEM;
	text_id(d->message_id, id);
	for (uint32_t i = 0; i < d->n_rcpt; i++)
		describe(&d->rcpt[i], a, &rcpts[i]);
	random_octets(random, sizeof(random));
	m.boundary = mime_boundary_make(random);
	buf_init(&text, TEXT_MAX);
	e = write_text(&m, &text);
	out->entry.id = entry_new_id();
	if (e == ERR_OK)
		e = seal_entry(r, d, buf_span(&text), mime_dsn_needs_utf8(&m),
		    a, &out->entry);
	if (e == ERR_OK)
		out->n = (uint32_t)m.n;
	buf_clear(&text);
	return e;
}

/* --- for store --- */

static enum err
read_and_make(struct relay *r, struct ipc_msg *m, struct arena *a,
    struct proto_notified *out)
{
	struct proto_notify in;
	struct buf outer;
	enum err e = proto_notify_unpack(m->payload, a, &in);

	if (e != ERR_OK)
		return e;
	out->first = in.first;
	if (in.dsn.from[0] == '\0' || in.dsn.n_rcpt == 0)
		return ERR_USAGE;
	if (r->priv == NULL)
		return ERR_AGAIN; /* the key to seal to is not there */
	buf_init(&outer, QUOTED_MAX);
	/* one that does not open must not keep the notification back */
	if (dsn_outer_open(&r->pub, r->priv, &in.dsn, &outer) != ERR_OK)
		buf_reset(&outer);
	e = make(r, &in.dsn, buf_span(&outer), a, out);
	buf_clear(&outer);
	return e;
}

void
relay_notify(struct relay *r, struct ipc_msg *m)
{
	struct arena *a = arena_new(ARENA_MAX);
	struct proto_notified out = {0};
	char id[TEXT_ID_SIZE];
	struct buf b;
	enum err e = a == NULL ? ERR_NOMEM : read_and_make(r, m, a, &out);

	text_id(m->id, id);
	buf_init(&b, LIMIT_IPC_PAYLOAD);
	if (e != ERR_OK && e != ERR_AGAIN)
		log_event(LOG_LVL_ERR, id, "no-notification", KV_ERR(e));
	/* whether it is wanted still is known to store, which tells. A store
	 * that is gone asks again */
	if (r->store != NULL && proto_notified_pack(&out, &b) == ERR_OK)
		(void)!ipc_post(
		    r->store, PROTO_NOTIFIED, m->id, buf_span(&b), NULL, 0);
	buf_clear(&b);
	arena_free(a);
}
