/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a decision costs: facts of the message and ladder of its recipient, with
 * rules for domains, rules on header fields, and groups of addresses.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/file.h"
#include "common/limits.h"
#include "gateway/facts.h"
#include "gateway/groups.h"
#include "gateway/message.h"
#include "mime/header.h"
#include "policy/policy.h"

enum { ROUNDS = 2000, GROUP = 100000 };

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

static void
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
	double start;

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
	printf("%6zu rules, a group of %d: %8.2f us of CPU a decision\n", n,
	    GROUP, (now_us() - start) / ROUNDS);
	message_clear(&parsed);
	facts_matchers_free(m);
	groups_free(g);
	policy_free(p);
	arena_free(work);
	arena_free(arena);
}

int
main(void)
{
	char path[] = "/tmp/bench-group.XXXXXX";

	put_group(path);
	measure(100, path);
	measure(10000, path);
	unlink(path);
	return 0;
}
