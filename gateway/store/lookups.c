/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What sources of keys say: discovery's notes go to the keystore, and nothing
 * that is undecided goes to a worker before discovery was asked for each of its
 * recipients. What it answers is in the keystore by then; what it does not
 * answer in time counts as failed, which the worker sees there.
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/pack.h"
#include "gateway/conf.h"
#include "gateway/store/store_keys_private.h"
#include "gateway/store/store_private.h"
#include "gateway/store/tls.h"
#include "keystore/answers.h"
#include "keystore/group.h"
#include "keystore/refused.h"

enum {
	NOTES_MAX = 4096, /* that wait for the keystore */
	ASKED_MAX = 256,  /* entries that are asked for at a time */
	/* beyond discovery's own time */
	GRACE_MS = 2000,
	RETRY_MS = 50, /* while another program writes the keystore */
	/* milliseconds between looks for old answers, and rows of each */
	FORGET_MS = 60 * 1000,
	FORGET_ROWS = 1000,
};

struct note {
	struct note *next;
	uint16_t type; /* PROTO_ANSWER_NOTE or PROTO_GROUP */
	uint8_t *octets;
	size_t len;
};

/* An entry whose recipients are asked for. */
struct asked {
	struct asked *next;
	uint64_t entry;
	uint64_t first, n; /* ids of its questions */
	uint64_t open;
	uint64_t until_ms; /* steady clock */
};

struct store_lookups {
	struct note *notes, **last;
	size_t n_notes;
	struct asked *asked;
	size_t n_asked;
	uint64_t last_id;
	uint64_t forgot_ms;
	struct buf forget_from, refused_from;
	struct loop_timer *timer;
	struct arena *arena;
};

/* --- notes --- */

static void
drop_note(struct store_lookups *l)
{
	struct note *n = l->notes;

	l->notes = n->next;
	if (l->notes == NULL)
		l->last = &l->notes;
	l->n_notes--;
	free(n->octets);
	free(n);
}

/* Answers of sources that are not kept are asked for again: no harm is done by
   losing one. */
void
store_lookups_note(struct store *s, struct ipc_msg *m)
{
	struct store_lookups *l = s->lookups;
	struct note *n = calloc(1, sizeof(*n));

	if (n == NULL || l->n_notes == NOTES_MAX) {
		free(n);
		return;
	}
	n->octets = malloc(m->payload.len + 1);
	if (n->octets == NULL) {
		free(n);
		return;
	}
	n->type = m->type;
	n->len = m->payload.len;
	memcpy(n->octets, m->payload.data, n->len);
	*l->last = n;
	l->last = &n->next;
	l->n_notes++;
}

static enum err
write_note(struct store *s, struct ks_store *ks, const struct note *n)
{
	struct ks_answer_note note[KS_ANSWERS_MAX];
	int64_t now = (int64_t)(clock_unix_ms() / 1000);
	struct proto_answers m;
	struct unpacker u;
	size_t count = 0;

	arena_reset(s->lookups->arena);
	unpack_begin(&u, SPAN(n->octets, n->len));
	proto_answers_unpack(&u, s->lookups->arena, &m);
	if (unpack_end(&u) != ERR_OK || m.n > KS_ANSWERS_MAX)
		return ERR_IPC;
	for (uint32_t i = 0; i < m.n; i++)
		note[count++] = (struct ks_answer_note){
		    .source = (enum ks_source)m.answer[i].source,
		    .answer = m.answer[i].status == PROTO_ANSWER_FOUND
				  ? KS_ANSWER_FOUND
			      : m.answer[i].status == PROTO_ANSWER_ABSENT
				  ? KS_ANSWER_ABSENT
				  : KS_ANSWER_FAILED,
		    .reached = m.answer[i].reached,
		    .domain_failed = m.answer[i].domain_failed,
		    .at = now,
		    .until = now + m.answer[i].ttl_s};
	return ks_answer_put(ks, span_str(m.key), note, count);
}

static enum err
write_group(struct store *s, struct ks_store *ks, const struct note *n)
{
	struct proto_group m;

	arena_reset(s->lookups->arena);
	if (proto_group_unpack(
		SPAN(n->octets, n->len), s->lookups->arena, &m) != ERR_OK)
		return ERR_IPC;
	return ks_group_put(
	    ks, span_str(m.name), (int64_t)(clock_unix_ms() / 1000), m.text);
}

/* All of them in one transaction; ERR_BUSY: another program writes. */
static enum err
write_notes(struct store *s)
{
	struct ks_store *ks = store_keys_db(s);
	enum err e = ks_begin(ks);

	if (e != ERR_OK)
		return e;
	for (const struct note *n = s->lookups->notes; n != NULL; n = n->next) {
		enum err one = n->type == PROTO_GROUP ? write_group(s, ks, n)
						      : write_note(s, ks, n);

		if (one == ERR_IPC || one == ERR_MALFORMED ||
		    one == ERR_TOO_BIG)
			log_event(LOG_LVL_ERR, NULL, "note", KV_ERR(one));
		else if (one != ERR_OK)
			e = one;
	}
	if (e == ERR_OK)
		return ks_commit(ks);
	ks_rollback(ks);
	return e;
}

static void
forget_old(struct store *s)
{
	struct store_lookups *l = s->lookups;
	struct ks_store *ks = store_keys_db(s);
	uint64_t now = clock_steady_ms();

	if (now - l->forgot_ms < FORGET_MS || ks_begin(ks) != ERR_OK)
		return;
	l->forgot_ms = now;
	if (ks_answers_forget(ks, (int64_t)(clock_unix_ms() / 1000),
		FORGET_ROWS, &l->forget_from) != ERR_OK ||
	    ks_refused_sweep(ks, &l->refused_from, FORGET_ROWS,
		(int64_t)(clock_unix_ms() / 1000)) != ERR_OK ||
	    ks_commit(ks) != ERR_OK)
		ks_rollback(ks);
}

/* --- questions --- */

/* The entry may be offered now. */
static void
land(struct store *s, struct asked **at)
{
	struct asked *a = *at;
	struct store_item *item = store_index_find(s->index, a->entry);

	*at = a->next;
	s->lookups->n_asked--;
	if (item != NULL && item->flight == STORE_FLIGHT_LOOKUP) {
		store_index_land(s->index, item, store_now(s));
		item->looked_up = true;
	}
	free(a);
}

void
store_lookups_answer(struct store *s, struct ipc_msg *m)
{
	store_lookups_known(s, m->id);
}

void
store_lookups_known(struct store *s, uint64_t id)
{
	struct asked **at = &s->lookups->asked;

	while (
	    *at != NULL && (id < (*at)->first || id >= (*at)->first + (*at)->n))
		at = &(*at)->next;
	/* what is answered was noted before, on the same channel: it waits
	   only for the notes of this round to be written */
	if (*at != NULL && (*at)->open > 0)
		(*at)->open--;
}

static void
land_answered(struct store *s)
{
	struct asked **at = &s->lookups->asked;
	uint64_t now = clock_steady_ms();
	bool alone = store_find_peer(s, ROLE_DISCOVERY, 0) == NULL &&
		     !conf_uses_tls(s->conf);

	while (*at != NULL)
		if ((*at)->open == 0 || alone || now >= (*at)->until_ms)
			land(s, at);
		else
			at = &(*at)->next;
	if (s->lookups->asked != NULL)
		loop_timer_start(s->lookups->timer, GRACE_MS, 0);
}

static enum err
post_question(struct store *s, struct ipc *ch, uint64_t id, const char *key)
{
	struct packer p;
	struct buf b;
	enum err e;

	buf_init(&b, LIMIT_IPC_INLINE);
	pack_begin(&p, &b);
	pack_u32(&p, (uint32_t)s->conf->discovery.timeout_ms);
	pack_str(&p, key);
	e = pack_end(&p);
	if (e == ERR_OK)
		e = ipc_post(ch, PROTO_LOOKUP, id, buf_span(&b), NULL, 0);
	buf_clear(&b);
	return e;
}

/* For keys, and for the TLS of the domain. Each question has an id, whether
   it is asked or not. */
static void
ask_all(struct store *s, const struct entry *e, struct asked *a)
{
	struct store_lookups *l = s->lookups;
	struct store_peer *discovery = store_find_peer(s, ROLE_DISCOVERY, 0);
	const char *key, *at;

	for (uint32_t i = 0; i < e->n_rcpt; i++) {
		key = e->rcpt[i].key;
		l->last_id++;
		if (discovery != NULL && s->conf->discovery.n_source > 0 &&
		    post_question(s, discovery->ch, l->last_id, key) == ERR_OK)
			a->open++;
		at = strrchr(key, '@');
		l->last_id++;
		if (at != NULL && store_tls_look(s, at + 1, l->last_id))
			a->open++;
	}
}

bool
store_lookups_ask(
    struct store *s, const struct entry *e, struct store_item *item)
{
	struct store_lookups *l = s->lookups;
	struct asked *a;

	if (item->looked_up || e->route == ENTRY_INBOUND ||
	    l->n_asked >= ASKED_MAX ||
	    (s->conf->discovery.n_source == 0 && !conf_uses_tls(s->conf)))
		return false;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return false;
	*a = (struct asked){.next = l->asked,
	    .entry = e->id,
	    .first = l->last_id + 1,
	    .n = 2 * e->n_rcpt,
	    .until_ms =
		clock_steady_ms() + s->conf->discovery.timeout_ms + GRACE_MS};
	ask_all(s, e, a);
	if (a->open == 0) {
		free(a);
		return false;
	}
	l->asked = a;
	l->n_asked++;
	store_index_fly(s->index, item, STORE_FLIGHT_LOOKUP);
	return true;
}

void
store_lookups_refresh(struct store *s, const char *key)
{
	struct store_peer *discovery = store_find_peer(s, ROLE_DISCOVERY, 0);

	if (discovery != NULL && s->conf->discovery.n_source > 0)
		(void)!post_question(
		    s, discovery->ch, ++s->lookups->last_id, key);
}

/* --- all together --- */

void
store_lookups_round(struct store *s)
{
	struct store_lookups *l = s->lookups;
	enum err e;

	if (s->stopping || l == NULL)
		return;
	if (l->n_notes > 0) {
		e = write_notes(s);
		if (e == ERR_BUSY) {
			loop_timer_start(l->timer, RETRY_MS, 0);
			return;
		}
		if (e != ERR_OK)
			log_event(LOG_LVL_ERR, NULL, "notes", KV_ERR(e));
		while (l->notes != NULL)
			drop_note(l);
	}
	land_answered(s);
	forget_old(s);
}

static void
on_timer(void *arg)
{
	store_round(arg);
}

void
store_lookups_start(struct store *s)
{
	struct store_lookups *l = calloc(1, sizeof(*l));

	if (l == NULL)
		fatal("out of memory");
	l->last = &l->notes;
	l->arena = arena_new(1 << 20);
	buf_init(&l->forget_from, KS_ADDR_MAX + 1);
	buf_init(&l->refused_from, KS_ADDR_MAX + 1);
	l->timer = loop_timer_new(s->loop, on_timer, s);
	if (l->arena == NULL)
		fatal("out of memory");
	s->lookups = l;
}

void
store_lookups_free(struct store_lookups *l)
{
	if (l == NULL)
		return;
	while (l->notes != NULL)
		drop_note(l);
	while (l->asked != NULL) {
		struct asked *a = l->asked;

		l->asked = a->next;
		free(a);
	}
	loop_timer_free(l->timer);
	buf_clear(&l->forget_from);
	buf_clear(&l->refused_from);
	arena_free(l->arena);
	free(l);
}
