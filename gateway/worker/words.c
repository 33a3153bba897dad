/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Answers to what the sender of mail for pick-up was told of it: one word, by
 * which it is recalled, kept longer or reported on. Only who has sent the
 * message knows the address, and only from inside is mail for it taken. What is
 * automatic says nothing, so that nobody answers each other for ever.
 */
#include <jansson.h>
#include <string.h>

#include "common/secret.h"
#include "common/text.h"
#include "gateway/pickup_word.h"
#include "gateway/worker/worker_private.h"
#include "keystore/reply.h"
#include "mime/part_text.h"
#include "mime/tree.h"

enum { TEXT_MAX = 1024 * 1024 };

_Static_assert((int)PICKUP_WORD_MAC == (int)KS_REPLY_ID, "one key makes both");

static enum err
make_mac(struct worker *w, uint64_t message_id, const char *from_key,
    uint8_t out[PICKUP_WORD_MAC])
{
	uint8_t digest[DIGEST_SIZE];
	struct ipc_msg m;
	enum err e;

	pickup_reply_digest(message_id, from_key, digest);
	e = peers_ask_keys(w, PROTO_REPLY_MAC, 0, SPAN(digest, sizeof(digest)),
	    PROTO_REPLY_MAC_IS, &m);
	if (e != ERR_OK)
		return e;
	if (m.payload.len == PICKUP_WORD_MAC)
		memcpy(out, m.payload.data, PICKUP_WORD_MAC);
	else
		e = ERR_IPC;
	ipc_msg_clear(&m);
	return e;
}

enum err
words_make_mac(struct job *j)
{
	uint8_t mac[PICKUP_WORD_MAC];
	enum err e = make_mac(j->w, j->id, j->envelope.from_key, mac);

	return e == ERR_OK ? arena_span(j->arena, SPAN(mac, sizeof(mac)),
				 &j->out.reply_mac)
			   : e;
}

enum err
words_address(struct job *j, const char **out)
{
	const char *addr = NULL;

	if (j->out.reply_mac.len > 0) {
		addr = pickup_reply_address(
		    j->conf, j->id, j->out.reply_mac.data, j->arena);
		if (addr == NULL)
			return ERR_NOMEM;
	}
	*out = addr;
	return ERR_OK;
}

enum err
words_check(struct worker *w, const char *rcpt_key, const char *from_key,
    uint64_t *message_id_out, struct err_why *why)
{
	const struct conf *conf = role_conf(w->role);
	uint8_t said[PICKUP_WORD_MAC], mac[PICKUP_WORD_MAC];
	uint64_t id = 0;
	enum err e;

	if (!pickup_reply_read(conf, rcpt_key, &id, said))
		return ERR_USAGE;
	e = make_mac(w, id, from_key, mac);
	if (e != ERR_OK)
		return e;
	if (!secret_eq_span(SPAN(said, sizeof(said)), SPAN(mac, sizeof(mac))) ||
	    !conf->portal.present)
		return err_why(why, ERR_POLICY_REJECT,
		    "no message of yours for pick-up has this address");
	*message_id_out = id;
	return ERR_OK;
}

bool
words_are_for(const struct job *j)
{
	for (uint32_t i = 0; i < j->n_rcpt; i++)
		if (pickup_reply_is(j->conf, j->rcpt[i].rcpt->key))
			return j->envelope.route == ENTRY_OUTBOUND;
	return false;
}

/* --- what it says --- */

/* The text that a reader is shown first; a part that is a file is none. */
static const struct mime_part *
find_text(const struct mime_part *p, const char *subtype)
{
	const struct mime_part *found = NULL;
	size_t n = mime_part_child_count(p);

	if (mime_part_is(p, "message", "rfc822") ||
	    mime_part_filename(p) != NULL)
		return NULL;
	if (n == 0)
		return mime_part_is(p, "text", subtype) ? p : NULL;
	for (size_t i = 0; i < n && found == NULL; i++)
		found = find_text(mime_part_child(p, i), subtype);
	return found;
}

static enum err
read_order(struct job *j, struct pickup_order *out)
{
	const struct mime_part *root = mime_tree_root(j->msg.tree);
	const struct mime_part *plain = find_text(root, "plain");
	const struct mime_part *html =
	    plain == NULL ? find_text(root, "html") : NULL;
	struct buf text;
	bool whole = true;
	enum err e = ERR_OK;

	*out = (struct pickup_order){.word = PICKUP_WORD_NONE};
	buf_init(&text, TEXT_MAX);
	if (plain != NULL)
		e = mime_part_lines(plain, &text, &whole);
	else if (html != NULL)
		e = mime_part_html(html, &text, &whole);
	if (e == ERR_OK && plain != NULL)
		e = pickup_order_read(buf_span(&text), j->arena, out);
	else if (e == ERR_OK && html != NULL)
		e = pickup_order_read_html(buf_span(&text), j->arena, out);
	buf_clear(&text);
	/* what cannot be read is not understood */
	return e == ERR_NOMEM ? e : ERR_OK;
}

static enum err
record(struct job *j, uint64_t message_id, const char *word)
{
	json_t *row = record_start(j, "pickup-word");
	char id[TEXT_ID_SIZE];

	text_id(message_id, id);
	json_object_set_new(row, "word", json_string(word));
	json_object_set_new(row, "of", json_string(id));
	return record_end(j, row);
}

/* It goes nowhere, whatever it says. */
static void
close_all(struct job *j)
{
	for (uint32_t i = 0; i < j->n_rcpt; i++) {
		struct decision *d = &j->rcpt[i].d;

		d->err = ERR_OK;
		d->outcome.result = POLICY_CHOSEN;
		d->outcome.rung = RUNG_DROP;
	}
}

enum err
words_take(struct job *j, struct err_why *why)
{
	struct pickup_order order = {.word = PICKUP_WORD_NONE};
	uint64_t message_id = 0;
	enum err e;

	close_all(j);
	/* the listener has seen to it */
	if (j->n_rcpt != 1)
		return err_why(why, ERR_POLICY_REJECT,
		    "an answer about mail for pick-up has one recipient");
	e = words_check(
	    j->w, j->rcpt[0].rcpt->key, j->envelope.from_key, &message_id, why);
	if (e != ERR_OK)
		return e;
	if (j->msg.automatic)
		return record(j, message_id, "automatic");
	e = read_order(j, &order);
	if (e != ERR_OK)
		return e;
	j->out.order = (struct proto_order){.word = (uint8_t)order.word,
	    .message_id = message_id,
	    .from = j->envelope.from,
	    .from_key = j->envelope.from_key,
	    .only = order.only,
	    .n_only = order.n_only,
	    .reply_to = j->rcpt[0].rcpt->addr};
	return record(j, message_id,
	    order.word == PICKUP_WORD_NONE ? "none"
					   : pickup_word_name(order.word));
}
