/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the sender of mail for pick-up wants done with it
 * (gateway/pickup_word.h), done and answered by mail in the transaction that
 * takes the message with the word. An order counts for objects of the very
 * sender alone.
 */
#include <assert.h>
#include <string.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/text.h"
#include "gateway/conf.h"
#include "gateway/pickup_word.h"
#include "gateway/store/store_object_private.h"
#include "gateway/store/store_private.h"

enum {
	MINE_MAX = 1000, /* recipients of a message */
	/* octets of what is said of recipients: the mail is in the spool as a
	   whole, and may be longer than its text */
	LIST_FULL = 48 * 1024,
	LIST_MAX = 64 * 1024,
	BODY_MAX = 2 * LIST_MAX,
};

/* of what is recalled while the portal is not reached */
static const char soon[] =
    "taken back as soon as the portal is reached: until then who has the link "
    "can open it";

/* One more recipient fits whatever its readers' programs call themselves: each
   of those is one line, escaped to 511 octets. */
static_assert(LIST_MAX >= LIST_FULL + (STORE_VIEWS + 1) * 700 + 4096,
    "no room for the views of a recipient");

struct order {
	struct store *s;
	struct db_txn *txn;
	const struct proto_order *m;
	uint64_t id; /* of the message with the word */
	uint64_t now_s;
	const char **name; /* of the objects that it is about */
	size_t n;
	bool *known;	   /* of its addresses: there is an object for it */
	struct arena *one; /* of the object that is looked at */
	uint64_t created_s;
	struct buf list; /* what is said of each... */
	size_t unsaid;	 /* ...but of so many */
};

/* --- which --- */

static bool
is_meant(struct order *r, const struct store_object *o)
{
	const struct proto_order *m = r->m;
	bool meant = m->n_only == 0;

	if (o->message_id != m->message_id ||
	    strcmp(o->from_key, m->from_key) != 0)
		return false;
	for (uint32_t i = 0; i < m->n_only; i++)
		if (strcmp(m->only[i], o->rcpt_key) == 0)
			meant = r->known[i] = true;
	return meant;
}

static enum err
find(struct order *r)
{
	size_t n = 0;
	enum err e;

	r->name = arena_array(r->s->arena, MINE_MAX, sizeof(*r->name));
	r->known = arena_array(
	    r->s->arena, (size_t)r->m->n_only + 1, sizeof(*r->known));
	if (r->name == NULL || r->known == NULL)
		return ERR_NOMEM;
	e = store_objects_of(
	    r->txn, r->s->arena, r->m->message_id, r->name, MINE_MAX, &n);
	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		struct store_object o;

		arena_reset(r->one);
		e = store_object_get(r->txn, r->one, r->name[i], &o);
		if (e == ERR_NOT_FOUND)
			e = ERR_OK;
		else if (e == ERR_OK && is_meant(r, &o)) {
			r->created_s = o.created_s;
			r->name[r->n++] = r->name[i];
		}
	}
	return e;
}

/* --- what is done --- */

static enum err
record(
    const struct order *r, const char *type, const char *name, uint64_t until_s)
{
	struct store_rec rec;

	store_rec_begin(&rec, type);
	store_rec_id(&rec, "id", r->id);
	store_rec_str(&rec, "object", name);
	store_rec_str(&rec, "who", "sender");
	store_rec_str(&rec, "from", r->m->from);
	if (until_s != 0)
		store_rec_num(&rec, "expires", until_s);
	return store_add_record(r->s, r->txn, &rec);
}

static enum err
recall(struct order *r, const char *name, struct store_object *o,
    const char **said)
{
	enum err e;

	if (store_dmz_is_away(r->s))
		*said = soon;
	else
		*said = o->views == 0 ? "recalled: nobody has opened it, and "
					"nobody can any more"
				      : "recalled: nobody can open it any "
					"more; what was read "
					"before stays read";
	if (o->tell == STORE_OBJECT_TELL_DROP)
		return ERR_OK;
	e = store_object_drop(r->s, r->txn, name, o);
	return e == ERR_OK ? record(r, "revoked", name, 0) : e;
}

static enum err
extend(struct order *r, const char *name, struct store_object *o,
    const char **said)
{
	const struct conf_portal *c = &r->s->conf->portal;
	uint64_t until_s = r->now_s + c->extend_s;
	enum err e;

	*said = "kept longer";
	if (o->tell == STORE_OBJECT_TELL_DROP)
		*said = "recalled before";
	else if (c->extend_s == 0)
		*said = "not kept longer: that is your administrator's to do";
	else if (o->locked)
		*said = "not kept longer: it is locked, because wrong "
			"passphrases were tried too often; your administrator "
			"can lift that";
	else if (until_s <= o->expires_s)
		*said = "kept that long already";
	else {
		e = store_object_until(r->s, r->txn, name, o, until_s);
		return e == ERR_OK ? record(r, "extended", name, until_s) : e;
	}
	return ERR_OK;
}

/* --- what is said of each --- */

static enum err
put_view(const struct store_view *w, struct buf *out)
{
	char first[TEXT_TIME_SIZE], plain[512];

	text_time_ms(w->first_ms, first);
	text_escape(span_str(w->agent), plain, sizeof(plain));
	return buf_printf(out, "        %s: %s, %u time%s%s%s\n", first,
	    w->client[0] == '\0' ? "others" : w->client, w->times,
	    w->times == 1 ? "" : "s", plain[0] == '\0' ? "" : ", with ", plain);
}

static enum err
put_views(const struct order *r, const char *name, const struct store_object *o,
    struct buf *out)
{
	char first[TEXT_TIME_SIZE], last[TEXT_TIME_SIZE];
	struct store_seen v;
	enum err e;

	if (o->views == 0)
		return buf_puts(out, "      not opened yet\n");
	text_time_ms(o->first_ms, first);
	text_time_ms(o->last_ms, last);
	e = buf_printf(out,
	    "      opened %u time%s: first %s, last %s from %.63s\n", o->views,
	    o->views == 1 ? "" : "s", first, last, o->last_client);
	if (e == ERR_OK && r->m->word == PICKUP_WORD_REPORT)
		e = store_seen_get(r->txn, r->one, name, &v);
	else
		return e;
	for (uint32_t i = 0; e == ERR_OK && i < v.n; i++)
		e = put_view(&v.view[i], out);
	return e;
}

static enum err
put_one(struct order *r, const char *name, const struct store_object *o,
    const char *said)
{
	bool over = o->tell == STORE_OBJECT_TELL_DROP;
	char until[TEXT_TIME_SIZE];
	enum err e;

	if (r->list.len > LIST_FULL) {
		r->unsaid++;
		return ERR_OK;
	}
	e = buf_printf(&r->list, "    %s\n", o->rcpt);

	text_time_ms(o->expires_s * 1000, until);
	if (e == ERR_OK && said != NULL)
		e = buf_printf(&r->list, "      %s\n", said);
	if (e == ERR_OK && (r->m->word == PICKUP_WORD_REPORT || o->views > 0))
		e = put_views(r, name, o, &r->list);
	if (e == ERR_OK && r->m->word == PICKUP_WORD_REPORT && o->locked)
		e = buf_puts(&r->list,
		    "      locked, because wrong passphrases were tried too "
		    "often\n");
	if (e == ERR_OK && over && r->m->word == PICKUP_WORD_REPORT)
		return buf_printf(&r->list, "      %s\n",
		    store_dmz_is_away(r->s) ? soon : "recalled");
	return e == ERR_OK && !over
		   ? buf_printf(
			 &r->list, "      can be opened until %s\n", until)
		   : e;
}

static enum err
apply_one(struct order *r, const char *name)
{
	struct store_object o;
	const char *said = NULL;
	enum err e;

	arena_reset(r->one);
	e = store_object_get(r->txn, r->one, name, &o);
	if (e == ERR_OK && r->m->word == PICKUP_WORD_RECALL)
		e = recall(r, name, &o, &said);
	else if (e == ERR_OK && r->m->word == PICKUP_WORD_EXTEND)
		e = extend(r, name, &o, &said);
	return e == ERR_OK ? put_one(r, name, &o, said) : e;
}

/* --- the answer --- */

static const char *
subject(const struct order *r)
{
	switch ((enum pickup_word)r->m->word) {
	case PICKUP_WORD_RECALL:
		return r->n > 0 && store_dmz_is_away(r->s)
			   ? "Not recalled yet: your message for pick-up"
			   : "Recalled: your message for pick-up";
	case PICKUP_WORD_EXTEND:
		return "Kept longer: your message for pick-up";
	case PICKUP_WORD_REPORT:
		return "Report: your message for pick-up";
	case PICKUP_WORD_NONE:
	case PICKUP_WORDS:
		break;
	}
	return "Not understood: your message for pick-up";
}

static enum err
put_help(const struct store *s, struct buf *out)
{
	enum err e = buf_puts(out,
	    "Your mail was not understood, and nothing was done. Please reply "
	    "to the same\nmail as before, with one of these words alone on the "
	    "first line:\n\n");

	return e == ERR_OK ? pickup_word_list(s->conf, out) : e;
}

/* That an address behind the word is nobody's must not go by in silence. */
static enum err
put_strangers(const struct order *r, struct buf *out)
{
	enum err e = ERR_OK;

	for (uint32_t i = 0; e == ERR_OK && i < r->m->n_only; i++)
		if (!r->known[i])
			e = buf_printf(out,
			    "    %s\n      nothing of the message waits for "
			    "this recipient\n",
			    r->m->only[i]);
	return e;
}

static enum err
put_body(struct order *r, struct buf *out)
{
	char sent[TEXT_TIME_SIZE];
	enum err e = buf_puts(out, "Hello,\n\n");

	if (e == ERR_OK && r->m->word == PICKUP_WORD_NONE) {
		e = put_help(r->s, out);
	} else if (e == ERR_OK && r->n == 0) {
		e = buf_puts(out,
		    "nothing of your message waits for pick-up any more: it "
		    "has expired, or was\nrecalled before.\n");
	} else if (e == ERR_OK) {
		text_time_ms(r->created_s * 1000, sent);
		e = buf_printf(out, "your message of %s:\n\n", sent);
	}
	if (e == ERR_OK)
		e = buf_put(out, buf_span(&r->list));
	if (e == ERR_OK && r->unsaid > 0)
		e = buf_printf(
		    out, "    and the same for %zu more\n", r->unsaid);
	if (e == ERR_OK && r->n > 0 && r->m->word != PICKUP_WORD_NONE)
		e = put_strangers(r, out);
	if (e == ERR_OK && r->m->word == PICKUP_WORD_REPORT && r->n > 0)
		e = buf_puts(out,
		    "\nWho it was nobody here can know. Programs that look for "
		    "malware may open\nlinks, too.\n");
	return e == ERR_OK ? buf_printf(out,
				 "\n-- \nSent by the encryption gateway of "
				 "%s\n",
				 r->s->conf->hostname)
			   : e;
}

static enum err
answer(struct order *r)
{
	/* a program that answers everything must not be answered for ever */
	bool understood =
	    r->m->word != PICKUP_WORD_NONE && r->m->reply_to[0] != '\0';
	struct buf body;
	enum err e;

	buf_init(&body, BODY_MAX);
	e = put_body(r, &body);
	if (e == ERR_OK)
		e = store_object_mail(r->s, r->txn, r->m->from, r->m->from_key,
		    subject(r), understood ? r->m->reply_to : NULL,
		    buf_span(&body));
	buf_clear(&body);
	return e;
}

enum err
store_object_order(struct store *s, struct db_txn *txn,
    const struct proto_order *m, uint64_t id)
{
	struct order r = {.s = s,
	    .txn = txn,
	    .m = m,
	    .id = id,
	    .now_s = clock_unix_ms() / 1000,
	    .one = arena_new(STORE_ARENA)};
	enum err e;

	buf_init(&r.list, LIST_MAX);
	e = r.one == NULL ? ERR_NOMEM : ERR_OK;
	if (m->word >= PICKUP_WORDS || m->from[0] == '\0')
		e = ERR_IPC;
	if (e == ERR_OK && m->word != PICKUP_WORD_NONE)
		e = find(&r);
	for (size_t i = 0; e == ERR_OK && i < r.n; i++)
		e = apply_one(&r, r.name[i]);
	if (e == ERR_OK)
		e = answer(&r);
	buf_clear(&r.list);
	arena_free(r.one);
	return e;
}
