/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of look-ups share: an entry for each address, with a question
 * for each source; what admission has of it.
 */
#ifndef GATEWAY_DISCOVERY_LOOKUP_PRIVATE_H
#define GATEWAY_DISCOVERY_LOOKUP_PRIVATE_H

#include <sys/queue.h>

#include "gateway/discovery/lookup.h"
#include "gateway/discovery/measures.h"

struct arena;
struct loop_timer;

enum { DISCOVERY_BUCKETS = 8192 };

struct discovery_wanted;

/* A source of an entry. */
struct discovery_ask {
	struct discovery_wanted *entry;
	struct discovery_answer a;
	bool open;
	bool asked; /* since the last note, and it was really asked */
	const struct discovery_source *ops;
	void *question;	      /* while the source is asked */
	unsigned n_proposals; /* that admission has */
	bool kept, failed;    /* of what admission said */
	bool source_failed;   /* a part of its answer did not come */
	uint64_t since_us;    /* when it was asked */
	int64_t ends;	      /* the first of its keys, Unix s; 0: none does */
};

struct discovery_waiter {
	TAILQ_ENTRY(discovery_waiter) link;
	struct discovery_wanted *entry;
	struct loop_timer *timer;
	discovery_report_fn *cb;
	void *arg;
};

struct discovery_wanted {
	struct discovery_wanted *same; /* the next in its bucket */
	char *key;
	struct discovery_lookups *l;
	struct discovery_addr addr;
	char *local, *domain; /* NULL: no address that sources know */
	struct discovery_ask ask[DISCOVERY_SOURCES];
	size_t n;
	size_t n_open; /* sources, and the look-up for the domain */
	/* What the sources have for the whole domain, by place of the source.
	 */
	struct {
		bool open, known;
		struct discovery_waiter *waiter;
		enum proto_answer_status status[DISCOVERY_SOURCES];
		uint64_t until_ms; /* the earliest of them */
	} domain_key;
	TAILQ_HEAD(, discovery_waiter) waiters;
	TAILQ_ENTRY(discovery_wanted) link;
};

/* Octets that admission has. */
struct discovery_proposal {
	TAILQ_ENTRY(discovery_proposal) link;
	uint64_t id;
	struct discovery_ask *ask;
	uint64_t until_ms;
};

/* A bucket of questions. */
struct discovery_rate {
	double tokens;
	uint64_t at_ms;
};

struct discovery_lookups {
	struct discovery_env *env;
	struct ipc *admission, *store;
	struct discovery_wanted *table[DISCOVERY_BUCKETS];
	TAILQ_HEAD(, discovery_wanted) entries;
	size_t n_entries, n_open;
	TAILQ_HEAD(, discovery_proposal) proposals;
	struct loop_timer *tick; /* for proposals without an answer */
	uint64_t last_id;
	struct arena *arena;
	struct discovery_rate bucket[KS_SOURCE_HARVEST + 1];
	struct discovery_measures measures;
};

/* --- lookup_table.c --- */

/* The entry of the canonical address, made where there is none. NULL: out of
   memory. */
struct discovery_wanted *discovery_entry_get(
    struct discovery_lookups *l, const char *key);
/* With its questions, which end unanswered; those who wait hear nothing. */
void discovery_entry_free(struct discovery_wanted *e);
void discovery_answer_clear(struct discovery_answer *a);
/* A copy; NULL for nothing or "". What was there is freed. */
void discovery_set_text(char **to, const char *text);

/* --- lookup_report.c --- */

/* Tell one who waits what is known by now. */
void discovery_tell(struct discovery_waiter *w);
/* Tell store what was said; what was not really asked says nothing. */
void discovery_note(struct discovery_wanted *e);
/* Seconds that an answer holds. */
uint64_t discovery_ttl_s(const struct discovery_lookups *l,
    enum ks_source source, enum proto_answer_status status);

/* --- proposals.c --- */

/* Give admission what the source has. What comes of it settles the answer.
   ERR_CRASHED: admission is not there; ERR_NOMEM and those of ipc_post(): no
   proposal of this question is under way any more. */
enum err discovery_propose(
    struct discovery_ask *k, const struct discovery_outcome *o) MUST_CHECK;
/* What becomes of those under way is nobody's business any more. */
void discovery_proposals_drop(struct discovery_ask *k);
/* Timer: those without an answer have failed. arg: the look-ups. */
void discovery_proposals_tick(void *arg);

/* --- lookup.c --- */

/* The answer is settled. */
void discovery_ask_close(struct discovery_ask *k);
/* Settle it without an answer of the source. */
void discovery_ask_give_up(struct discovery_ask *k, const char *why);

#endif
