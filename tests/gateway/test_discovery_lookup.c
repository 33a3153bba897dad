/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Look-ups, with sources that answer when the test says so, and with an
 * admission and a store that the test plays. */
#include "gateway/discovery/lookup.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/ipc.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/loop.h"
#include "gateway/discovery/measures.h"
#include "gateway/proto.h"

enum { QUESTIONS = LIMIT_LOOKUPS + 16 };

/* A question that a source was asked. */
struct asked {
	enum ks_source source;
	char key[64];
	discovery_done *done;
	void *arg;
	bool open, cancelled;
};

static struct asked asked[QUESTIONS];
static size_t n_asked;
static bool refuses; /* a source that cannot be asked */
static struct conf conf;
static struct discovery_env env;
static struct discovery_lookups *l;
static struct ipc *admission, *store; /* the far ends */
static struct ipc *near_admission, *near_store;
static struct arena *arena;

static void
tell(struct asked *q, enum proto_answer_status status, bool reached,
    const char *octets)
{
	struct discovery_outcome o = {
	    .status = status, .reached = reached, .url = "test:"};

	if (octets != NULL) {
		o.found[0] = (struct discovery_found){
		    .octets = span_str(octets), .openpgp = true};
		o.n = 1;
	}
	q->open = false;
	q->done(q->arg, &o);
}

static void *
start(enum ks_source source, const struct discovery_addr *addr,
    discovery_done *done, void *arg)
{
	struct asked *q = &asked[n_asked];

	if (refuses)
		return NULL;
	cr_assert_lt(n_asked, QUESTIONS);
	n_asked++;
	*q = (struct asked){
	    .source = source, .done = done, .arg = arg, .open = true};
	snprintf(q->key, sizeof(q->key), "%s", addr->key);
	return q;
}

static void
cancel(void *question)
{
	struct asked *q = question;

	cr_assert(q->open);
	q->open = false;
	q->cancelled = true;
}

#define SOURCE(name, number)                                                   \
	static void *start_##name(struct discovery_env *e,                     \
	    const struct discovery_addr *addr, discovery_done *done,           \
	    void *arg)                                                         \
	{                                                                      \
		(void)e;                                                       \
		return start(number, addr, done, arg);                         \
	}                                                                      \
	static const struct discovery_source name = {                          \
	    number, start_##name, cancel}

SOURCE(wkd, KS_SOURCE_WKD);
SOURCE(dane, KS_SOURCE_DANE);
SOURCE(vks, KS_SOURCE_VKS);

static const struct discovery_source *const sources[] = {
    &wkd, &dane, &vks, NULL};
static const uint8_t in_order[] = {
    KS_SOURCE_DANE, KS_SOURCE_VKS, KS_SOURCE_WKD};

static void
begin(void)
{
	int a, b;

	memset(asked, 0, sizeof(asked));
	log_init("test", 0, LOG_LVL_ERR, false);
	conf.discovery.source = in_order;
	conf.discovery.n_source = 3;
	conf.discovery.found_s = 1000;
	conf.discovery.absent_s = 100;
	conf.discovery.failed_s = 10;
	conf.discovery.wkd.rate = 6000;
	conf.discovery.dane.rate = 6000;
	conf.discovery.vks.rate = 6000;
	arena = arena_new(1 << 20);
	env = (struct discovery_env){
	    .loop = loop_new(), .conf = &conf, .sources = sources};
	l = discovery_lookups_new(&env);
	cr_assert_eq(ipc_pair(&a, &b), ERR_OK);
	admission = ipc_new(a);
	near_admission = ipc_new(b);
	cr_assert_eq(ipc_pair(&a, &b), ERR_OK);
	store = ipc_new(a);
	near_store = ipc_new(b);
	discovery_lookups_admission(l, near_admission);
	discovery_lookups_store(l, near_store);
}

static void
end(void)
{
	discovery_lookups_free(l);
	for (size_t i = 0; i < n_asked; i++)
		cr_expect_not(asked[i].open, "%s is still asked", asked[i].key);
	ipc_free(near_admission);
	ipc_free(near_store);
	ipc_free(admission);
	ipc_free(store);
	loop_free(env.loop);
	arena_free(arena);
}

TestSuite(lookup, .init = begin, .fini = end);

/* --- what is asked, and what is told --- */

struct heard {
	unsigned times;
	bool complete;
	struct discovery_answer answer[DISCOVERY_SOURCES];
	size_t n;
	struct loop *stop;
};

static void
on_report(void *arg, const struct discovery_report *r)
{
	struct heard *h = arg;

	h->times++;
	h->complete = r->complete;
	h->n = r->n;
	for (size_t i = 0; i < r->n; i++)
		h->answer[i] = r->answer[i];
	if (h->stop != NULL)
		loop_stop(h->stop);
}

static struct discovery_waiter *
look(const char *key, struct heard *h)
{
	return discovery_lookup(l, key, 60000, false, on_report, h);
}

/* The last question to the source about the address that is open. */
static struct asked *
question(enum ks_source source, const char *key)
{
	for (size_t i = n_asked; i-- > 0;)
		if (asked[i].open && asked[i].source == source &&
		    strcmp(asked[i].key, key) == 0)
			return &asked[i];
	cr_assert_fail("%s was not asked for %s", ks_source_name(source), key);
	return NULL;
}

static void
all_say(const char *key, enum proto_answer_status status, bool reached)
{
	tell(question(KS_SOURCE_WKD, key), status, reached, NULL);
	tell(question(KS_SOURCE_DANE, key), status, reached, NULL);
	tell(question(KS_SOURCE_VKS, key), status, reached, NULL);
}

static bool
has_message(struct ipc *ch)
{
	struct pollfd p = {.fd = ipc_fd(ch), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

/* What store is told next. */
static void
take_note(struct proto_answers *out)
{
	struct ipc_msg m;
	struct unpacker u;

	cr_assert(has_message(store), "store was told nothing");
	cr_assert_eq(ipc_recv(store, &m), ERR_OK);
	cr_assert_eq(m.type, PROTO_ANSWER_NOTE);
	unpack_begin(&u, m.payload);
	proto_answers_unpack(&u, arena, out);
	cr_assert_eq(unpack_end(&u), ERR_OK);
	ipc_msg_clear(&m);
}

/* Admission says what became of the next proposal. */
static void
judge_ending(enum proto_fate fate, bool failed, int64_t ends)
{
	struct proto_fate_of of = {.fate = (uint8_t)fate,
	    .ends = ends,
	    .what = "a key",
	    .why = "so it is"};
	struct proto_proposed said = {
	    .key = &of, .n = failed ? 0 : 1, .why = "", .failed = failed};
	struct proto_propose p;
	struct ipc_msg m;
	struct buf b;

	cr_assert(has_message(admission), "nothing was proposed");
	cr_assert_eq(ipc_recv(admission, &m), ERR_OK);
	cr_assert_eq(m.type, PROTO_PROPOSE);
	cr_assert_eq(proto_propose_unpack(m.payload, arena, &p), ERR_OK);
	cr_assert_str_eq(p.key, "a@b.example");
	buf_init(&b, 4096);
	cr_assert_eq(proto_proposed_pack(&said, &b), ERR_OK);
	discovery_lookups_proposed(l, m.id, buf_span(&b));
	buf_clear(&b);
	ipc_msg_clear(&m);
}

static void
judge(enum proto_fate fate, bool failed)
{
	judge_ending(fate, failed, 0);
}

/* --- tests --- */

Test(lookup, all_are_asked_at_once_and_told_of_in_the_order_configured)
{
	struct heard h = {0};
	struct proto_answers note;

	cr_assert_not_null(look("a@b.example", &h));
	cr_assert_eq(n_asked, 3);
	/* in whatever order they answer */
	tell(question(KS_SOURCE_WKD, "a@b.example"), PROTO_ANSWER_ABSENT, true,
	    NULL);
	tell(question(KS_SOURCE_DANE, "a@b.example"), PROTO_ANSWER_FAILED,
	    false, NULL);
	cr_assert_eq(h.times, 0, "not before the last has answered");
	cr_assert_not(has_message(store));
	tell(question(KS_SOURCE_VKS, "a@b.example"), PROTO_ANSWER_ABSENT, true,
	    NULL);
	cr_assert_eq(h.times, 1);
	cr_assert(h.complete);
	cr_assert_eq(h.n, 3);
	for (size_t i = 0; i < 3; i++)
		cr_expect_eq(h.answer[i].source, in_order[i], "%zu", i);
	cr_expect_eq(h.answer[0].status, PROTO_ANSWER_FAILED);
	cr_expect_not(h.answer[0].reached);
	cr_expect_eq(h.answer[1].status, PROTO_ANSWER_ABSENT);
	cr_expect_eq(h.answer[2].status, PROTO_ANSWER_ABSENT);
	take_note(&note);
	cr_assert_str_eq(note.key, "a@b.example");
	cr_assert_eq(note.n, 3);
	cr_expect_eq(note.answer[0].status, PROTO_ANSWER_FAILED);
	cr_expect_leq(note.answer[0].ttl_s, 10);
	cr_expect_eq(note.answer[1].status, PROTO_ANSWER_ABSENT);
	cr_expect_gt(note.answer[1].ttl_s, 10);
	cr_expect_leq(note.answer[1].ttl_s, 100);
	cr_expect(note.answer[1].reached);
}

Test(lookup, who_asks_for_the_same_address_waits_for_the_same_answers)
{
	struct heard a = {0}, b = {0}, gone = {0}, late = {0};
	struct discovery_waiter *w;

	cr_assert_not_null(look("a@b.example", &a));
	w = look("a@b.example", &gone);
	cr_assert_not_null(w);
	cr_assert_not_null(look("a@b.example", &b));
	cr_assert_eq(n_asked, 3, "one look-up however many wait");
	discovery_waiter_cancel(w);
	all_say("a@b.example", PROTO_ANSWER_ABSENT, true);
	cr_expect_eq(a.times, 1);
	cr_expect_eq(b.times, 1);
	cr_expect_eq(gone.times, 0);
	cr_expect_not(a.answer[0].cached);
	/* and what is known is told at once */
	cr_assert_null(look("a@b.example", &late));
	cr_expect_eq(late.times, 1);
	cr_expect(late.complete);
	cr_expect(late.answer[0].cached);
	cr_assert_eq(n_asked, 3);
	/* unless it does not count */
	cr_assert_not_null(
	    discovery_lookup(l, "a@b.example", 60000, true, on_report, &late));
	cr_assert_eq(n_asked, 6);
}

Test(lookup, when_the_budget_is_spent_those_who_answered_are_told_of)
{
	struct heard slow = {.stop = env.loop}, patient = {0};
	struct proto_answers note;

	cr_assert_not_null(look("a@b.example", &patient));
	cr_assert_not_null(
	    discovery_lookup(l, "a@b.example", 1, false, on_report, &slow));
	tell(question(KS_SOURCE_VKS, "a@b.example"), PROTO_ANSWER_ABSENT, true,
	    NULL);
	loop_run(env.loop);
	cr_assert_eq(slow.times, 1);
	cr_expect_not(slow.complete);
	cr_assert_eq(slow.n, 1, "who has not answered is not told of");
	cr_expect_eq(slow.answer[0].source, KS_SOURCE_VKS);
	cr_assert_eq(patient.times, 0);
	/* the look-up goes on for the others and for store */
	tell(question(KS_SOURCE_WKD, "a@b.example"), PROTO_ANSWER_ABSENT, true,
	    NULL);
	tell(question(KS_SOURCE_DANE, "a@b.example"), PROTO_ANSWER_ABSENT, true,
	    NULL);
	cr_assert_eq(patient.times, 1);
	cr_expect(patient.complete);
	cr_assert_eq(slow.times, 1);
	take_note(&note);
	cr_assert_eq(note.n, 3);
}

Test(lookup, only_a_source_that_was_asked_says_anything)
{
	struct proto_answers note;
	struct heard h = {0};

	/* its rate lets one question through, then no more */
	conf.discovery.vks.rate = 1;
	cr_assert_not_null(look("a@b.example", &h));
	all_say("a@b.example", PROTO_ANSWER_ABSENT, true);
	take_note(&note);
	cr_assert_not_null(look("c@b.example", &h));
	cr_assert_eq(n_asked, 5);
	tell(question(KS_SOURCE_WKD, "c@b.example"), PROTO_ANSWER_ABSENT, true,
	    NULL);
	tell(question(KS_SOURCE_DANE, "c@b.example"), PROTO_ANSWER_ABSENT, true,
	    NULL);
	cr_assert_eq(h.n, 3);
	cr_expect_eq(h.answer[1].source, KS_SOURCE_VKS);
	cr_expect_eq(h.answer[1].status, PROTO_ANSWER_FAILED);
	take_note(&note);
	cr_assert_eq(note.n, 2, "store hears nothing of it");
	cr_expect_neq(note.answer[0].source, KS_SOURCE_VKS);
	cr_expect_neq(note.answer[1].source, KS_SOURCE_VKS);
}

Test(lookup, a_source_that_cannot_be_asked_has_failed)
{
	struct heard h = {0};

	refuses = true;
	cr_assert_null(look("a@b.example", &h));
	cr_assert_eq(h.times, 1);
	cr_assert_eq(h.n, 3);
	for (size_t i = 0; i < 3; i++)
		cr_expect_eq(h.answer[i].status, PROTO_ANSWER_FAILED);
	cr_expect_not(has_message(store), "that says nothing of the source");
}

Test(lookup, of_what_is_no_address_no_source_knows_anything)
{
	static const char *const keys[] = {
	    "a@[192.0.2.1]", "a@localhost", "nonsense"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct heard h = {0};

		cr_assert_null(look(keys[i], &h), "%s", keys[i]);
		cr_assert_eq(h.times, 1, "%s", keys[i]);
		cr_expect(h.complete, "%s", keys[i]);
		cr_assert_eq(h.n, 3, "%s", keys[i]);
		cr_expect_eq(
		    h.answer[0].status, PROTO_ANSWER_ABSENT, "%s", keys[i]);
	}
	cr_assert_eq(n_asked, 0);
}

Test(lookup, found_is_what_admission_lets_through)
{
	static const struct {
		const char *name;
		enum proto_fate fate;
		bool failed;
		enum proto_answer_status said, want;
	} rows[] = {
	    {"kept", PROTO_FATE_KEPT, false, PROTO_ANSWER_FOUND,
		PROTO_ANSWER_FOUND},
	    {"waits", PROTO_FATE_WAITS, false, PROTO_ANSWER_FOUND,
		PROTO_ANSWER_FOUND},
	    {"refused", PROTO_FATE_REFUSED, false, PROTO_ANSWER_FOUND,
		PROTO_ANSWER_ABSENT},
	    {"not written", PROTO_FATE_FAILED, false, PROTO_ANSWER_FOUND,
		PROTO_ANSWER_FAILED},
	    {"not judged", PROTO_FATE_REFUSED, true, PROTO_ANSWER_FOUND,
		PROTO_ANSWER_FAILED},
	    {"one of several parts failed", PROTO_FATE_KEPT, false,
		PROTO_ANSWER_FAILED, PROTO_ANSWER_FAILED},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct heard h = {0};

		cr_assert_not_null(discovery_lookup(
		    l, "a@b.example", 60000, true, on_report, &h));
		tell(question(KS_SOURCE_WKD, "a@b.example"), rows[i].said, true,
		    "octets");
		tell(question(KS_SOURCE_DANE, "a@b.example"),
		    PROTO_ANSWER_ABSENT, true, NULL);
		tell(question(KS_SOURCE_VKS, "a@b.example"),
		    PROTO_ANSWER_ABSENT, true, NULL);
		cr_assert_eq(
		    h.times, 0, "%s: before admission has said", rows[i].name);
		judge(rows[i].fate, rows[i].failed);
		cr_assert_eq(h.times, 1, "%s", rows[i].name);
		cr_expect_eq(
		    h.answer[2].status, rows[i].want, "%s", rows[i].name);
	}
}

Test(lookup, an_answer_holds_no_longer_than_the_key_that_came)
{
	static const struct {
		const char *name;
		int64_t ends; /* seconds from now; 0: it does not */
		uint32_t least, most;
	} rows[] = {
	    {"never", 0, 900, 1000},
	    {"before the answer's time is over", 500, 400, 500},
	    {"after it", 5000, 900, 1000},
	    {"long ago", -500, 900, 1000},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t now = (int64_t)(clock_unix_ms() / 1000);
		struct heard h = {0};
		uint32_t ttl;

		cr_assert_not_null(discovery_lookup(
		    l, "a@b.example", 60000, true, on_report, &h));
		tell(question(KS_SOURCE_DANE, "a@b.example"),
		    PROTO_ANSWER_ABSENT, true, NULL);
		tell(question(KS_SOURCE_VKS, "a@b.example"),
		    PROTO_ANSWER_ABSENT, true, NULL);
		tell(question(KS_SOURCE_WKD, "a@b.example"), PROTO_ANSWER_FOUND,
		    true, "octets");
		judge_ending(PROTO_FATE_KEPT, false,
		    rows[i].ends == 0 ? 0 : now + rows[i].ends);
		ttl = discovery_said(&h.answer[2]).ttl_s;
		cr_expect(ttl >= rows[i].least && ttl <= rows[i].most, "%s: %u",
		    rows[i].name, ttl);
	}
}

Test(lookup, an_admission_that_dies_or_is_not_there_has_judged_nothing)
{
	struct heard h = {0}, again = {0};

	cr_assert_not_null(look("a@b.example", &h));
	tell(question(KS_SOURCE_WKD, "a@b.example"), PROTO_ANSWER_FOUND, true,
	    "octets");
	tell(question(KS_SOURCE_DANE, "a@b.example"), PROTO_ANSWER_ABSENT, true,
	    NULL);
	tell(question(KS_SOURCE_VKS, "a@b.example"), PROTO_ANSWER_ABSENT, true,
	    NULL);
	discovery_lookups_admission(l, NULL);
	cr_assert_eq(h.times, 1);
	cr_expect_eq(h.answer[2].status, PROTO_ANSWER_FAILED);
	cr_assert_not_null(
	    discovery_lookup(l, "a@b.example", 60000, true, on_report, &again));
	tell(question(KS_SOURCE_DANE, "a@b.example"), PROTO_ANSWER_ABSENT, true,
	    NULL);
	tell(question(KS_SOURCE_VKS, "a@b.example"), PROTO_ANSWER_ABSENT, true,
	    NULL);
	tell(question(KS_SOURCE_WKD, "a@b.example"), PROTO_ANSWER_FOUND, true,
	    "octets");
	cr_assert_eq(again.times, 1);
	cr_expect_eq(again.answer[2].status, PROTO_ANSWER_FAILED);
	/* what the one that is gone said after all is nobody's any more */
	discovery_lookups_proposed(l, 1, SPAN("", 0));
}

Test(lookup, a_new_configuration_ends_what_is_under_way_unanswered)
{
	struct heard h = {0};

	cr_assert_not_null(look("a@b.example", &h));
	tell(question(KS_SOURCE_WKD, "a@b.example"), PROTO_ANSWER_ABSENT, true,
	    NULL);
	discovery_lookups_reset(l);
	cr_assert_eq(h.times, 1);
	cr_expect_not(h.complete);
	cr_expect(asked[0].cancelled || asked[1].cancelled);
	cr_assert_not_null(look("a@b.example", &h), "nothing is remembered");
	cr_assert_eq(n_asked, 6);
}

Test(lookup, more_at_a_time_than_may_be_are_not_asked)
{
	struct heard h = {0};
	char key[64];

	conf.discovery.n_source = 1;
	conf.discovery.dane.rate = 1000000;
	for (unsigned i = 0; i < LIMIT_LOOKUPS; i++) {
		snprintf(key, sizeof(key), "a%u@b.example", i);
		cr_assert_not_null(look(key, &h), "%u", i);
	}
	cr_assert_null(look("more@b.example", &h));
	cr_assert_eq(h.times, 1);
	cr_expect_not(h.complete);
	cr_expect_eq(h.n, 0);
}

/* --- the domain as a whole --- */

Test(lookup, a_domain_is_asked_for_once_for_all_its_users)
{
	struct heard a = {0}, c = {0};

	conf.discovery.domain_keys = true;
	cr_assert_not_null(look("a@b.example", &a));
	cr_assert_eq(n_asked, 6);
	cr_assert_not_null(look("c@b.example", &c));
	cr_assert_eq(n_asked, 9);
	all_say("a@b.example", PROTO_ANSWER_ABSENT, true);
	all_say("c@b.example", PROTO_ANSWER_ABSENT, true);
	cr_assert_eq(a.times + c.times, 0);
	all_say("_domain@b.example", PROTO_ANSWER_ABSENT, true);
	cr_assert_eq(a.times, 1);
	cr_assert_eq(c.times, 1);
	cr_expect_eq(a.answer[0].status, PROTO_ANSWER_ABSENT);
	cr_expect_not(a.answer[0].domain_failed);
}

Test(lookup, what_the_domain_says_is_told_of_by_itself)
{
	static const struct {
		const char *name;
		enum proto_answer_status user, domain, want;
		bool domain_failed;
	} rows[] = {
	    {"neither", PROTO_ANSWER_ABSENT, PROTO_ANSWER_ABSENT,
		PROTO_ANSWER_ABSENT, false},
	    {"user", PROTO_ANSWER_FAILED, PROTO_ANSWER_ABSENT,
		PROTO_ANSWER_FAILED, false},
	    {"domain fails", PROTO_ANSWER_ABSENT, PROTO_ANSWER_FAILED,
		PROTO_ANSWER_ABSENT, true},
	    {"both fail", PROTO_ANSWER_FAILED, PROTO_ANSWER_FAILED,
		PROTO_ANSWER_FAILED, true},
	};

	conf.discovery.domain_keys = true;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct proto_answers note, whole;
		struct heard h = {0};

		cr_assert_not_null(discovery_lookup(
		    l, "a@b.example", 60000, true, on_report, &h));
		all_say("a@b.example", rows[i].user,
		    rows[i].user != PROTO_ANSWER_FAILED);
		all_say("_domain@b.example", rows[i].domain,
		    rows[i].domain != PROTO_ANSWER_FAILED);
		cr_assert_eq(h.times, 1, "%s", rows[i].name);
		cr_assert_eq(h.n, 3, "%s", rows[i].name);
		cr_expect_eq(
		    h.answer[0].status, rows[i].want, "%s", rows[i].name);
		cr_expect_eq(h.answer[0].domain_failed, rows[i].domain_failed,
		    "%s", rows[i].name);
		take_note(&whole);
		cr_expect_str_eq(whole.key, "_domain@b.example");
		cr_expect_eq(whole.answer[0].status, rows[i].domain);
		take_note(&note);
		cr_expect_str_eq(note.key, "a@b.example");
		cr_expect_eq(note.answer[0].status, rows[i].want);
		cr_expect_eq(
		    note.answer[0].domain_failed, rows[i].domain_failed);
	}
}

Test(lookup, who_does_not_wait_for_the_domain_hears_that_it_is_not_known)
{
	struct heard h = {.stop = env.loop};

	conf.discovery.domain_keys = true;
	cr_assert_not_null(
	    discovery_lookup(l, "a@b.example", 1, false, on_report, &h));
	all_say("a@b.example", PROTO_ANSWER_ABSENT, true);
	loop_run(env.loop);
	cr_assert_eq(h.times, 1);
	cr_expect_not(h.complete);
	cr_assert_eq(h.n, 3);
	cr_expect_eq(h.answer[0].status, PROTO_ANSWER_ABSENT);
	cr_expect(h.answer[0].domain_failed);
}

/* --- what is measured --- */

static bool
measured(const char *line)
{
	struct buf b;
	bool found;

	buf_init(&b, 1 << 20);
	cr_assert_eq(discovery_measures_print(
			 discovery_lookups_measures(l), &conf.discovery, &b),
	    ERR_OK);
	found = strstr(buf_cstr(&b), line) != NULL;
	if (!found)
		fprintf(stderr, "not there: %s%s", line, buf_cstr(&b));
	buf_clear(&b);
	return found;
}

Test(lookup, sources_are_counted_by_what_they_answer)
{
	struct heard h = {0};

	cr_expect(measured(
	    "sealgate_lookups_total{source=\"vks\",result=\"found\"} 0\n"));
	/* its rate lets one question through, then no more */
	conf.discovery.vks.rate = 1;
	cr_assert_not_null(look("a@b.example", &h));
	all_say("a@b.example", PROTO_ANSWER_ABSENT, true);
	cr_assert_null(look("a@b.example", &h));
	cr_assert_not_null(look("c@b.example", &h));
	tell(question(KS_SOURCE_WKD, "c@b.example"), PROTO_ANSWER_FAILED, false,
	    NULL);
	tell(question(KS_SOURCE_DANE, "c@b.example"), PROTO_ANSWER_ABSENT, true,
	    NULL);
	cr_expect(measured(
	    "sealgate_lookups_total{source=\"vks\",result=\"absent\"} 1\n"));
	cr_expect(measured(
	    "sealgate_lookups_total{source=\"vks\",result=\"limited\"} 1\n"));
	cr_expect(measured("sealgate_lookups_total{source=\"vks\",result="
			   "\"remembered\"} 1\n"));
	cr_expect(measured(
	    "sealgate_lookups_total{source=\"wkd\",result=\"failed\"} 1\n"));
	cr_expect(measured(
	    "sealgate_lookups_total{source=\"dane\",result=\"absent\"} 2\n"));
	/* who was not asked took no time */
	cr_expect(
	    measured("sealgate_lookup_seconds_count{source=\"vks\"} 1\n"));
	cr_expect(
	    measured("sealgate_lookup_seconds_count{source=\"dane\"} 2\n"));
}
