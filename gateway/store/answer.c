/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Answers to mail that was picked up, on their way from the portal to a worker.
 * The portal says again what was not taken, and its id of an answer makes that
 * of the message it becomes: what is committed once is not committed again. The
 * portal chooses among ids of answers alone, so that no other message is met.
 */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"
#include "gateway/store/store_object_private.h"
#include "gateway/store/store_private.h"

enum {
	DEATHS_MAX = 6, /* workers that die of an answer until it is refused */
	HOUR_MS = 3600 * 1000,
	FULL_MS = 10 * 1000, /* between looks whether more may be held */
};

static void
take_off(struct store *s, uint64_t id)
{
	struct store_peer *portal = store_find_peer(s, ROLE_PORTAL, 0);

	if (portal != NULL)
		(void)!ipc_post(
		    portal->ch, PROTO_ANSWER_TAKEN, id, SPAN(NULL, 0), NULL, 0);
}

static void
refuse(struct store *s, uint64_t id, const char *object, const char *why)
{
	struct store_rec rec;
	struct span text;
	char name[TEXT_ID_SIZE];

	text_id(id | ENTRY_ID_ANSWER, name);
	log_event(LOG_LVL_WARN, name, "answer-refused",
	    KV_STR("object", object), KV_STR("reason", why));
	store_rec_begin(&rec, "answer-refused");
	store_rec_id(&rec, "id", id | ENTRY_ID_ANSWER);
	if (object[0] != '\0')
		store_rec_str(&rec, "object", object);
	store_rec_str(&rec, "reason", why);
	if (store_rec_end(&rec, &text) == ERR_OK)
		store_queue(s, STORE_OP_RECORD, 0, NULL, text);
	store_rec_clear(&rec);
	take_off(s, id);
}

/* What is known of the answer and of what it answers; ERR_NOT_FOUND: of the
   second nothing. */
static enum err
look_up(struct store *s, uint64_t id, const char *object,
    struct store_object *o, uint32_t *answers, bool *committed)
{
	struct store_done d = {0};
	struct store_seen seen;
	struct db_txn *txn = NULL;
	enum err e = db_read(s->db, &txn);

	if (e != ERR_OK)
		return e;
	e = store_done_get(txn, s->arena, id | ENTRY_ID_ANSWER, &d);
	*committed = e == ERR_OK && d.committed;
	if (e == ERR_OK || e == ERR_NOT_FOUND)
		e = store_object_get(txn, s->arena, object, o);
	if (e == ERR_OK)
		e = store_seen_get(txn, s->arena, object, &seen);
	if (e == ERR_OK)
		*answers = seen.answers;
	db_end(txn);
	return e;
}

/* --- who works on what --- */

static struct store_answering *
find(struct store *s, uint64_t id)
{
	for (size_t i = 0; i < LIMIT_ANSWER_UPLOADS; i++)
		if (s->answering[i].id == id)
			return &s->answering[i];
	return NULL;
}

static void
forget(struct store *s, uint64_t id)
{
	struct store_answering *a = find(s, id);

	if (a != NULL)
		*a = (struct store_answering){.id = 0};
}

/* A place for this one: its own, a free one, or that of the one fewest have
   died of. NULL: workers have all of them. */
static struct store_answering *
place(struct store *s, uint64_t id)
{
	struct store_answering *best = find(s, id);

	for (size_t i = 0; best == NULL && i < LIMIT_ANSWER_UPLOADS; i++)
		if (s->answering[i].id == 0)
			best = &s->answering[i];
	if (best != NULL)
		return best;
	for (size_t i = 0; i < LIMIT_ANSWER_UPLOADS; i++) {
		struct store_answering *a = &s->answering[i];

		if (a->worker == NULL &&
		    (best == NULL || a->deaths < best->deaths))
			best = a;
	}
	return best;
}

/* Workers take one after the other: it is the first of those that it had. */
void
store_answer_worker_gone(struct store *s, const struct store_peer *worker)
{
	struct store_answering *first = NULL;

	for (size_t i = 0; i < LIMIT_ANSWER_UPLOADS; i++) {
		struct store_answering *a = &s->answering[i];

		if (a->id == 0 || a->worker != worker)
			continue;
		a->worker = NULL;
		if (!a->excused && (first == NULL || a->turn < first->turn))
			first = a;
	}
	if (first != NULL && !s->stopping)
		first->deaths++;
}

/* A worker that could not do its work may begin anew: what else it has is not
   the reason. */
static void
excuse(struct store *s, const struct store_peer *worker)
{
	for (size_t i = 0; i < LIMIT_ANSWER_UPLOADS; i++)
		if (s->answering[i].worker == worker)
			s->answering[i].excused = true;
}

/* What the portal calls the answer that becomes this message; 0: no worker was
   given it. */
static uint64_t
shown_as(const struct store *s, uint64_t id)
{
	for (size_t i = 0; i < LIMIT_ANSWER_UPLOADS; i++)
		if (s->answering[i].id != 0 &&
		    (s->answering[i].id | ENTRY_ID_ANSWER) == id)
			return s->answering[i].id;
	return 0;
}

const char *
store_answer_object(const struct store *s, uint64_t id)
{
	for (size_t i = 0; i < LIMIT_ANSWER_UPLOADS; i++)
		if (s->answering[i].id != 0 &&
		    (s->answering[i].id | ENTRY_ID_ANSWER) == id)
			return s->answering[i].object;
	return NULL;
}

/* --- answers to what nothing is known of --- */

/* Nothing counts them for what they answer: so many an hour, and the others are
   shown again. One that was handed out before is counted. */
static bool
may_stray(struct store *s, const struct store_answering *a, uint64_t id)
{
	uint64_t now = clock_steady_ms();

	if (s->strays == 0 || now - s->strays_ms >= HOUR_MS) {
		s->strays = 0;
		s->strays_ms = now;
	}
	return s->strays < LIMIT_ANSWERS || (a->id == id && a->counted);
}

static void
count_stray(struct store *s, struct store_answering *a)
{
	if (!a->counted)
		s->strays++;
	a->counted = true;
}

struct held {
	struct store *s;
	struct db_txn *txn;
	uint32_t n;
	uint64_t octets;
	enum err e;
};

static void
add_held(void *arg, struct store_item *item)
{
	struct held *h = arg;
	struct entry entry = {.body_size = 0};

	if (item->state != STORE_HELD ||
	    (item->message_id & ENTRY_ID_ANSWER) == 0 || h->n >= LIMIT_STRAYS ||
	    h->e != ERR_OK)
		return;
	h->n++;
	h->e = store_entry_get(h->txn, h->s->arena, item->id, &entry);
	h->octets += entry.body_size;
}

/* What is held, and what workers have that will be. */
static enum err
count_held(struct store *s, struct held *h)
{
	enum err e;

	*h = (struct held){.s = s};
	for (size_t i = 0; i < LIMIT_ANSWER_UPLOADS; i++)
		if (s->answering[i].worker != NULL && s->answering[i].stray) {
			h->n++;
			h->octets += s->answering[i].size;
		}
	e = db_read(s->db, &h->txn);
	if (e != ERR_OK)
		return e;
	store_index_each(s->index, add_held, h);
	db_end(h->txn);
	return h->e;
}

static void
tell_full(struct store *s, const char *object)
{
	struct store_rec rec;
	struct span text;

	log_event(LOG_LVL_WARN, NULL, "answer-waits", KV_STR("object", object),
	    KV_STR("reason",
		"no more answers to what the spool does not know are held"));
	if (!store_object_unknown(s, object, &rec))
		return;
	if (store_rec_end(&rec, &text) == ERR_OK)
		store_queue(s, STORE_OP_RECORD, 0, NULL, text);
	store_rec_clear(&rec);
}

/* May one more be held? A portal may make up any number of them, and they stay
   until an administrator has looked at them: the others stay with it. */
static bool
has_room(struct store *s, const char *object)
{
	uint64_t now = clock_steady_ms();
	struct held h;

	if (s->full_ms != 0 && now - s->full_ms < FULL_MS)
		return false;
	/* of what cannot be counted nothing is held */
	if (count_held(s, &h) != ERR_OK)
		return false;
	if (h.n < LIMIT_STRAYS && h.octets < LIMIT_STRAYS_SIZE) {
		s->full_ms = 0;
		return true;
	}
	if (s->full_ms == 0)
		tell_full(s, object);
	s->full_ms = now;
	return false;
}

/* Nothing has become of it yet. */
static void
uncount_stray(struct store *s, const struct store_answering *a)
{
	if (a->counted && s->strays > 0)
		s->strays--;
}

/* --- messages --- */

/* gone: nothing is known of what it answers. */
static void
hand_out(struct store *s, const struct ipc_msg *m, const char *object,
    const struct store_object *o, bool gone, int fd)
{
	struct store_peer *worker = store_idle_worker(s, ROLE_WORKER);
	/* of what the spool has lost it is said who the answer says it is
	   from, and it is held for an administrator */
	const struct proto_answer_open open = {.object = object,
	    .from = o->rcpt,
	    .from_key = o->rcpt_key,
	    .to = o->answer_to,
	    .n_to = o->n_answer_to};
	struct store_answering *a = place(s, m->id);
	bool stray = o->rcpt_key[0] == '\0';
	struct stat st = {.st_size = 0};
	struct buf b;

	/* without a worker or a place the portal says it again */
	if (worker == NULL || a == NULL || (gone && !may_stray(s, a, m->id)))
		return;
	if (stray && (fstat(fd, &st) != 0 || !has_room(s, object)))
		return;
	buf_init(&b, LIMIT_IPC_PAYLOAD);
	if (proto_answer_open_pack(&open, &b) == ERR_OK &&
	    ipc_post(worker->ch, PROTO_ANSWER_OPEN, m->id | ENTRY_ID_ANSWER,
		buf_span(&b), &fd, 1) == ERR_OK) {
		*a = (struct store_answering){.id = m->id,
		    .worker = worker,
		    .turn = ++s->answer_turn,
		    .deaths = a->id == m->id ? a->deaths : 0,
		    .counted = a->id == m->id && a->counted,
		    .stray = stray,
		    .size = (uint64_t)st.st_size};
		if (gone)
			count_stray(s, a);
		snprintf(a->object, sizeof(a->object), "%s", object);
	}
	buf_clear(&b);
}

/* Is there nothing to do for it now? */
static bool
is_under_way(struct store *s, uint64_t id)
{
	const struct store_answering *a = find(s, id);

	return a != NULL && a->worker != NULL;
}

static bool
is_deadly(struct store *s, uint64_t id)
{
	const struct store_answering *a = find(s, id);

	return a != NULL && a->deaths >= DEATHS_MAX;
}

void
store_answer_came(struct store *s, struct store_peer *portal, struct ipc_msg *m)
{
	struct proto_answer_came came;
	struct store_object o = {0};
	bool committed = false, gone;
	uint32_t answers = 0;
	int fd = ipc_msg_take_fd(m, 0);
	enum err e;

	(void)portal;
	arena_reset(s->arena);
	e = proto_answer_came_unpack(m->payload, s->arena, &came);
	if (e == ERR_OK && fd >= 0)
		e = look_up(s, m->id, came.object, &o, &answers, &committed);
	gone = e == ERR_NOT_FOUND;
	if (gone) {
		o = (struct store_object){.rcpt = "", .rcpt_key = ""};
		e = ERR_OK;
	}
	if (e == ERR_OK && committed)
		take_off(s, m->id);
	else if (e == ERR_OK && !store_object_is_found(&o) &&
		 o.n_answer_to == 0)
		refuse(
		    s, m->id, came.object, "what it answers takes no answers");
	else if (e == ERR_OK && answers >= LIMIT_ANSWERS)
		/* an index that was made anew does not know of them */
		refuse(s, m->id, came.object,
		    "what it answers has had its answers");
	else if (e == ERR_OK && is_deadly(s, m->id)) {
		forget(s, m->id);
		refuse(s, m->id, came.object,
		    "processes died while they worked on it");
	} else if (e == ERR_OK && fd >= 0 && !s->stopping &&
		   !is_under_way(s, m->id))
		hand_out(s, m, came.object, &o, gone, fd);
	if (fd >= 0)
		close(fd);
}

void
store_answer_failed(
    struct store *s, struct store_peer *worker, struct ipc_msg *m)
{
	const char *why;
	uint64_t id = shown_as(s, m->id);
	enum err result, e;

	arena_reset(s->arena);
	e = proto_failure_unpack(m->payload, s->arena, &result, &why);
	/* what is not in the list any more the portal says again */
	if (e != ERR_OK || id == 0)
		return;
	if (result == ERR_AGAIN)
		uncount_stray(s, find(s, id));
	forget(s, id);
	if (result != ERR_AGAIN) {
		refuse(s, id, "", why);
		return;
	}
	excuse(s, worker);
	log_event(LOG_LVL_WARN, NULL, "answer-waits", KV_STR("reason", why));
}

void
store_answer_submitted(struct store *s, uint64_t id, enum err result)
{
	uint64_t shown = shown_as(s, id);

	if (shown == 0)
		return;
	forget(s, shown);
	if (result == ERR_OK)
		take_off(s, shown);
}
