/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a decision costs: facts of the message and ladder of its recipient, with
 * rules for domains, rules on header fields, and groups of addresses; and what
 * every process pays to read the rules. Exit 1 when a decision takes longer
 * than it may, or ten times as many rules take much more than ten times as long
 * to read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/file.h"
#include "common/limits.h"
#include "gateway/conf.h"
#include "gateway/facts.h"
#include "gateway/groups.h"
#include "gateway/message.h"
#include "mime/header.h"
#include "policy/policy.h"

enum {
	ROUNDS = 2000,
	GROUP = 100000,
	LIMIT_US = 100, /* that a decision may take */
	LIMIT_TIMES = 30,
	LOADS = 5,
};

static const enum rung sealed[] = {RUNG_SMIME, RUNG_REJECT};
static const enum rung readable[] = {RUNG_SMIME, RUNG_CLEAR};

static double
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void
add(struct policy *p, const char *to, const struct policy_condition *when,
    const enum rung *ladder)
{
	static unsigned n;
	char name[32];
	struct err_why why = {""};
	struct policy_spec s = {.name = name,
	    .to = &to,
	    .n_to = to != NULL,
	    .when = when,
	    .n_when = when != NULL,
	    .ladder = ladder,
	    .n_ladder = 2};

	snprintf(name, sizeof(name), "rule %u", n++);
	if (policy_add_rule(p, &s, &why) != ERR_OK)
		fatal("rule: %s", why.text);
}

/* n rules: half for domains of partners, half on header fields. */
static struct policy *
rules(size_t n, const char *group)
{
	struct policy *p = policy_new();
	char text[64];

	for (size_t i = 0; i + 1 < n; i++) {
		const struct policy_condition c = {POLICY_HEADER, text, false};

		if (i % 2 == 0) {
			snprintf(text, sizeof(text), "@partner%zu.example", i);
			add(p, text, NULL, sealed);
		} else {
			snprintf(
			    text, sizeof(text), "X-Project: number %zu", i);
			add(p, NULL, &c, sealed);
		}
	}
	add(p, group, NULL, sealed);
	add(p, NULL, NULL, readable);
	return p;
}

static void
put_group(char *path)
{
	int fd = mkstemp(path);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (f == NULL)
		fatal("cannot write %s", path);
	for (size_t i = 0; i < GROUP; i++)
		fprintf(f, "user%zu@group.example\n", i);
	fclose(f);
}

static double
measure(size_t n, const char *path)
{
	static const char msg[4096] =
	    "From: a@own.example\r\nTo: b@other.example\r\n"
	    "Subject: A word\r\nX-Project: number 4711 of many\r\n"
	    "X-Mailer: m\r\nMessage-ID: <a@b>\r\n\r\nHello\r\n";
	char group[128];
	struct policy *p;
	struct groups *g = groups_new();
	struct facts_matchers *m = NULL;
	struct arena *arena = arena_new(64 << 20), *work = arena_new(64 << 20);
	struct message parsed;
	struct err_why why = {""};
	double start, us;

	snprintf(group, sizeof(group), "file:%s", path);
	p = rules(n, group);
	groups_load(g, p, NULL, NULL);
	if (facts_matchers_new(p, &m, &why) != ERR_OK ||
	    message_parse(p, SPAN(msg, strlen(msg)), false, arena, &parsed,
		&why) != ERR_OK)
		fatal("%s", why.text);
	start = now_us();
	for (size_t i = 0; i < ROUNDS; i++) {
		const struct facts_in in = {.message = &parsed,
		    .client = "127.0.0.1",
		    .user = "",
		    .now_s = 1700000000};
		struct policy_facts f = {.from = SPAN_LIT("a@own.example"),
		    .to = SPAN_LIT("user99999@group.example"),
		    .has_tag = parsed.has_tag,
		    .in_group = groups_has,
		    .groups = g};
		struct policy_decision d;

		if (facts_find(m, &in, work, &f.truth) != ERR_OK ||
		    policy_decide(p, &f, work, &d) != ERR_OK)
			fatal("no decision");
		arena_reset(work);
	}
	us = (now_us() - start) / ROUNDS;
	printf("%6zu rules, a group of %d: %8.2f us of CPU a decision\n", n,
	    GROUP, us);
	message_clear(&parsed);
	facts_matchers_free(m);
	groups_free(g);
	policy_free(p);
	arena_free(work);
	arena_free(arena);
	return us;
}

static void
put(struct buf *b, const char *text)
{
	if (buf_puts(b, text) != ERR_OK)
		fatal("too long a configuration");
}

/* The configuration of so many rules, read and checked; the best of a few. */
static double
load(size_t n)
{
	double best = 0;
	struct buf text;

	buf_init(&text, LIMIT_CONFIG_FILE);
	put(&text,
	    "hostname = \"gw.example.com\"\ndomains = { \"example.com\" }\n"
	    "listen outbound { address = \"127.0.0.1:25\" }\n"
	    "relay outbound { via = \"mx\" }\n");
	for (size_t i = 0; i + 1 < n; i++) {
		char rule[128];

		snprintf(rule, sizeof(rule),
		    i % 2 == 0 ? "rule \"r%zu\" { to = \"@p%zu.example\" try = "
				 "{ smime, "
				 "reject } }\n"
			       : "rule \"r%zu\" { header = \"X-P: %zu\" try = "
				 "{ smime, "
				 "reject } }\n",
		    i, i);
		put(&text, rule);
	}
	put(&text, "rule \"default\" { try = { smime, clear } }\n");
	for (int k = 0; k < LOADS; k++) {
		struct conf_findings f;
		struct conf *conf = NULL;
		double start = now_us(), ms;

		conf_findings_init(&f);
		if (conf_parse(buf_span(&text), "bench", &f, &conf) != ERR_OK)
			fatal("the configuration is not good");
		ms = (now_us() - start) / 1e3;
		best = k == 0 || ms < best ? ms : best;
		conf_free(conf);
		conf_findings_clear(&f);
	}
	buf_clear(&text);
	printf("%6zu rules: %8.2f ms of CPU to read and check\n", n, best);
	return best;
}

int
main(void)
{
	char path[] = "/tmp/bench-group.XXXXXX";
	double us, few, many;

	put_group(path);
	(void)measure(100, path);
	us = measure(10000, path);
	unlink(path);
	few = load(1000);
	many = load(10000);
	printf("ten times the rules: %.1f times as long to read\n", many / few);
	return us < LIMIT_US && many < LIMIT_TIMES * few ? 0 : 1;
}
