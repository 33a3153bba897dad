/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Notifications to the sender (RFC 3464, RFC 3461): failed, late, handed to a
 * server that will not notify. They quote the outer header of the variant,
 * never its body, and go to store as ready entries beside the result, so that
 * both are committed together. Nothing goes to a null sender.
 */
#include <string.h>

#include "common/clock.h"
#include "common/digest.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"
#include "gateway/relay/body.h"
#include "gateway/relay/relay_private.h"
#include "mime/dsn.h"

enum {
	HEADER_MAX = 48 * 1024, /* octets that are quoted */
	TEXT_MAX = 200 * 1024,	/* of a notification: it stays inline */
	KINDS = 3,
};

/* --- who is told what --- */

/* Mail from outside. Its sender must not learn what opening it came to, or
   he could ask our keys by sending message after message. */
static bool
is_outside(const struct entry_rcpt *r)
{
	return (r->notify & PROTO_NOTIFY_OUTSIDE) != 0;
}

static bool
asks_for(const struct entry_rcpt *r, uint8_t what)
{
	uint8_t notify = r->notify & (uint8_t)~PROTO_NOTIFY_OUTSIDE;

	if ((notify & PROTO_NOTIFY_NEVER) != 0)
		return false;
	/* what is not opened may be held: a success would tell which it was */
	if (is_outside(r) && what == PROTO_NOTIFY_SUCCESS)
		return false;
	if (notify == 0) /* RFC 3461 4.1: the default */
		return what != PROTO_NOTIFY_SUCCESS;
	return (notify & what) != 0;
}

/* Did the server that took it for this recipient take NOTIFY over, too? */
static bool
peer_notifies(const struct relay_job *j, uint32_t rcpt)
{
	for (uint32_t i = 0; i < j->n_mails; i++)
		for (uint32_t k = 0; k < j->mail[i]->n_rcpt; k++)
			if (j->mail[i]->result[k].rcpt == rcpt)
				return j->mail[i]->dsn;
	return false;
}

/* Was it refused by a reply to RCPT? All else may depend on the text. */
static bool
by_rcpt(const struct relay_job *j, uint32_t rcpt)
{
	for (uint32_t i = 0; i < j->n_mails; i++)
		for (uint32_t k = 0; k < j->mail[i]->n_rcpt; k++)
			if (j->mail[i]->result[k].rcpt == rcpt)
				return j->mail[i]->by_rcpt[k];
	return false;
}

static bool
concerns(const struct relay_job *j, const struct proto_rcpt_result *r,
    enum mime_dsn_action action)
{
	const struct entry_rcpt *rcpt = &j->deliver.entry.rcpt[r->rcpt];

	switch (action) {
	case MIME_DSN_FAILED:
		return r->outcome == PROTO_FAILED &&
		       asks_for(rcpt, PROTO_NOTIFY_FAILURE);
	case MIME_DSN_DELAYED:
		return j->deliver.warn && r->outcome == PROTO_DEFERRED &&
		       asks_for(rcpt, PROTO_NOTIFY_DELAY);
	case MIME_DSN_RELAYED:
		return r->outcome == PROTO_DELIVERED &&
		       asks_for(rcpt, PROTO_NOTIFY_SUCCESS) &&
		       !peer_notifies(j, r->rcpt);
	}
	return false;
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
describe(struct relay_job *j, const struct proto_rcpt_result *r,
    enum mime_dsn_action action, const struct proto_result *res,
    struct mime_dsn_rcpt *out)
{
	static const struct proto_rcpt_result unsaid = {
	    .status = "", .text = ""};
	const struct entry_rcpt *rcpt = &j->deliver.entry.rcpt[r->rcpt];
	const char *peer = proto_result_hop(res, r)->peer;
	uint64_t now = clock_unix_ms(),
		 expire = j->relay->conf->retry.expire_ms;

	*out = (struct mime_dsn_rcpt){
	    .addr = rcpt->addr,
	    .orcpt = from_xtext(j->arena, rcpt->orcpt),
	    .action = action,
	    .status = r->status[0] == '\0' ? "4.0.0" : r->status,
	    .reason = words[action].reason,
	    .advice = words[action].advice,
	    .last_attempt_s = (int64_t)(now / 1000),
	};
	if (is_outside(rcpt) && !by_rcpt(j, r->rcpt)) {
		out->status = action == MIME_DSN_FAILED ? "5.0.0" : "4.0.0";
		r = &unsaid;
	} else if (action == MIME_DSN_FAILED) {
		say_why(out->status, out);
	}
	if (r->code != 0) {
		out->remote_mta = peer[0] == '\0' ? NULL : peer;
		out->diagnostic = arena_printf(
		    j->arena, "smtp; %u %s", (unsigned)r->code, r->text);
	} else if (r->text[0] != '\0') {
		out->reason =
		    arena_printf(j->arena, "%s (%s)", out->reason, r->text);
	}
	if (out->reason == NULL)
		out->reason = words[action].reason;
	if (action == MIME_DSN_DELAYED && expire > j->deliver.age_ms)
		out->retry_until_s =
		    (int64_t)((now + expire - j->deliver.age_ms) / 1000);
}

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
	enum err e = ERR_BAD_SEAL;

	buf_init(&head, HEADER_MAX + 128 * 1024);
	/* whether there was one to quote would tell if it was opened */
	if (is_outside(&j->deliver.entry.rcpt[0]))
		e = ERR_PERMISSION;
	/* RFC 8689 5: a notification goes by any hop, so it has nothing of what
	   must not */
	else if (j->deliver.entry.require == ENTRY_REQUIRE_TLS)
		e = ERR_PERMISSION;
	else if (r->priv != NULL && j->sealed.len > 0)
		e = relay_body_open(
		    &r->pub, r->priv, &j->deliver.entry, j->sealed, &body);
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

/* --- as an entry --- */

static enum entry_route
route_of(const struct relay_job *j)
{
	const struct conf *c = j->relay->conf;
	const char *at = strrchr(j->deliver.entry.from_key, '@');

	return at != NULL && c->inbound.present &&
		       conf_domain_is_ours(c, span_str(at + 1))
		   ? ENTRY_INBOUND
		   : ENTRY_OUTBOUND;
}

static enum err
seal_entry(struct relay_job *j, struct span text, bool utf8, struct entry *out)
{
	struct entry e = {
	    .id = entry_new_id(),
	    .message_id = j->deliver.entry.message_id,
	    .kind = ENTRY_READY,
	    .route = route_of(j),
	    .tls = ENTRY_TLS_OPPORTUNISTIC,
	    .from = "",
	    .from_key = "",
	    .envid = "",
	    .smtputf8 = utf8,
	    .body_8bit = utf8,
	    .accepted_ms = clock_unix_ms(),
	    .client = "",
	    .origin = "",
	    .client_name = "",
	    .helo = "",
	    .auth_id = "",
	    .auth_from = "",
	    .trace = "",
	    .n_rcpt = 1,
	    .reason = "",
	    .rule = "",
	    .wait_object = "",
	    .file = "",
	};
	enum err err;

	e.rcpt = arena_alloc(j->arena, sizeof(*e.rcpt));
	if (e.rcpt == NULL)
		return ERR_NOMEM;
	/* RFC 3461 5.2: nobody is notified of a notification */
	e.rcpt[0] = (struct entry_rcpt){.addr = j->deliver.entry.from,
	    .key = j->deliver.entry.from_key,
	    .orcpt = "",
	    .notify = PROTO_NOTIFY_NEVER};
	err = entry_seal(&e, &j->relay->pub, text, j->arena);
	if (err == ERR_OK)
		*out = e;
	return err;
}

static enum err
make(struct relay_job *j, const struct mime_dsn_rcpt *rcpts, size_t n,
    struct span outer, struct entry *out)
{
	const struct entry *e = &j->deliver.entry;
	struct mime_dsn d = {
	    .host = j->relay->helo,
	    .to = e->from,
	    .envid = from_xtext(j->arena, e->envid),
	    .queue_id = j->id_text,
	    .now_s = (int64_t)(clock_unix_ms() / 1000),
	    .arrival_s = (int64_t)(e->accepted_ms / 1000),
	    .rcpts = rcpts,
	    .n = n,
	    .outer = outer,
	};
	uint8_t random[16];
	struct buf text;
	struct mime_sink sink;
	enum err err;

	random_octets(random, sizeof(random));
	d.boundary = mime_boundary_make(random);
	buf_init(&text, TEXT_MAX);
	sink = mime_sink_buf(&text);
	err = mime_dsn_write(&d, &sink);
	if (err == ERR_TOO_BIG) {
		/* a thousand recipients: then without the header */
		d.outer = SPAN(NULL, 0);
		text.max = 4 * LIMIT_BODY_INLINE;
		buf_reset(&text);
		err = mime_dsn_write(&d, &sink);
	}
	if (err == ERR_OK)
		err = seal_entry(
		    j, buf_span(&text), mime_dsn_needs_utf8(&d), out);
	buf_clear(&text);
	return err;
}

/* One notification of this kind, if anybody is to be told so. */
static enum err
add_kind(struct relay_job *j, enum mime_dsn_action action, struct span outer,
    struct proto_result *res)
{
	struct mime_dsn_rcpt *rcpts;
	size_t n = 0;
	enum err e;

	rcpts = arena_array(j->arena, res->n_rcpt, sizeof(*rcpts));
	if (rcpts == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < res->n_rcpt; i++)
		if (concerns(j, &res->rcpt[i], action))
			describe(j, &res->rcpt[i], action, res, &rcpts[n++]);
	if (n == 0)
		return ERR_OK;
	e = make(j, rcpts, n, outer, &res->dsn[res->n_dsn]);
	if (e == ERR_OK)
		res->n_dsn++;
	return e;
}

static bool
anybody_is_concerned(const struct relay_job *j, const struct proto_result *res)
{
	for (int a = 0; a < KINDS; a++)
		for (uint32_t i = 0; i < res->n_rcpt; i++)
			if (concerns(j, &res->rcpt[i], (enum mime_dsn_action)a))
				return true;
	return false;
}

enum err
relay_bounce_add(struct relay_job *j, struct proto_result *res)
{
	char id[TEXT_ID_SIZE];
	struct buf outer;
	enum err e = ERR_OK;

	if (j->deliver.entry.from[0] == '\0' || !anybody_is_concerned(j, res))
		return ERR_OK;
	if (j->relay->priv == NULL)
		return ERR_AGAIN; /* the key to seal to is not there */
	res->dsn = arena_array(j->arena, KINDS, sizeof(*res->dsn));
	if (res->dsn == NULL)
		return ERR_NOMEM;
	buf_init(&outer, 2 * HEADER_MAX);
	outer_header(j, &outer);
	for (int a = 0; e == ERR_OK && a < KINDS; a++)
		e = add_kind(j, (enum mime_dsn_action)a, buf_span(&outer), res);
	for (uint32_t i = 0; e == ERR_OK && i < res->n_dsn; i++) {
		text_id(res->dsn[i].id, id);
		log_event(LOG_LVL_INFO, j->id_text, "notify",
		    KV_STR("to", j->deliver.entry.from), KV_STR("entry", id));
	}
	buf_clear(&outer);
	return e;
}
