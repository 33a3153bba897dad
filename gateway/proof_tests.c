/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The `test` sections of a configuration: a message is made of what they say
 * and decided by the rules as any other, with the rungs that they say hold.
 */
#include <string.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/limits.h"
#include "gateway/config_private.h"
#include "gateway/facts.h"
#include "gateway/groups.h"
#include "gateway/message.h"
#include "gateway/proof.h"
#include "mime/addr.h"
#include "mime/header.h"
#include "policy/policy.h"

enum { ARENA_MAX = 32 << 20, MESSAGE_MAX = 1 << 20 };

struct trial {
	const struct conf *conf;
	const struct conf_test *test;
	struct conf_findings *f;
	struct arena *arena;
	struct groups *groups;
	const char *from, *to; /* canonical */
};

static enum err
put_attachment(const char *name, struct buf *out)
{
	return buf_printf(out,
	    "--=_part\r\nContent-Type: application/octet-stream; "
	    "name=\"%s\"\r\n\r\n\r\n",
	    name);
}

static enum err
put_fields(const struct conf_test *t, struct buf *out)
{
	enum err e = buf_printf(out, "From: <%s>\r\nTo: <%s>\r\n",
	    t->from[0] == '<' ? "mailer-daemon@localhost.invalid" : t->from,
	    t->to);

	if (e == ERR_OK && t->subject != NULL)
		e = mime_header_put(out, "Subject", span_str(t->subject));
	for (size_t i = 0; e == ERR_OK && i < t->n_header; i++)
		e = buf_printf(out, "%s\r\n", t->header[i]);
	return e;
}

/* The message that the section describes, with its padding behind it. */
static enum err
make_message(const struct conf_test *t, struct buf *out, struct span *msg)
{
	static const uint8_t zero[LIMIT_MESSAGE_PADDING];
	bool parts = t->n_attachment > 0;
	enum err e = put_fields(t, out);

	if (e == ERR_OK)
		e = buf_puts(out, "MIME-Version: 1.0\r\n");
	if (e == ERR_OK && parts)
		e = buf_puts(out, "Content-Type: multipart/mixed; "
				  "boundary=\"=_part\"\r\n\r\n--=_part\r\n");
	if (e == ERR_OK)
		e = buf_printf(out,
		    "Content-Type: text/plain; charset=utf-8\r\n"
		    "Content-Transfer-Encoding: 8bit\r\n\r\n%s\r\n",
		    t->body == NULL ? "" : t->body);
	for (size_t i = 0; e == ERR_OK && i < t->n_attachment; i++)
		e = put_attachment(t->attachment[i], out);
	if (e == ERR_OK && parts)
		e = buf_puts(out, "--=_part--\r\n");
	*msg = buf_span(out);
	if (e == ERR_OK)
		e = buf_put(out, SPAN(zero, sizeof(zero)));
	msg->data = out->data;
	return e;
}

static enum err
key_of(struct trial *t, const char *text, const char **out)
{
	struct err_why why = {""};
	struct mime_addr addr;
	enum err e;

	if (strcmp(text, "<>") == 0) {
		*out = "";
		return ERR_OK;
	}
	e = mime_addr_parse(
	    span_str(text), MIME_ADDR_UTF8, t->arena, &addr, &why);
	if (e != ERR_OK) {
		conf_find(t->f, CONF_ERROR, t->test->line,
		    "test \"%s\": \"%.60s\" is not a mail address: %s",
		    t->test->name, text, why.text);
		return e;
	}
	*out = addr.key;
	return ERR_OK;
}

static bool
has_name(const char *const *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], name) == 0)
			return true;
	return false;
}

/* Of the directory the section says who is in which group. */
static enum policy_truth
in_group(const void *arg, size_t group, struct span addr)
{
	const struct trial *t = arg;
	const struct conf_test *test = t->test;
	size_t n;
	const char *const *names = policy_groups(t->conf->policy, &n);
	const char *name = groups_directory(names[group]);

	if (name == NULL)
		return groups_has(t->groups, group, addr);
	if (span_eq_str(addr, t->from) &&
	    has_name(test->from_group, test->n_from_group, name))
		return POLICY_YES;
	return span_eq_str(addr, t->to) &&
		       has_name(test->to_group, test->n_to_group, name)
		   ? POLICY_YES
		   : POLICY_NO;
}

/* What came out, as `expect` says it, and by which rule. */
static enum err
decide(struct trial *t, const struct message *m, const char **result,
    const char **rule)
{
	const struct conf_test *test = t->test;
	const struct facts_in in = {.message = m,
	    .client = test->client == NULL ? "127.0.0.1" : test->client,
	    .user = test->user == NULL ? "" : test->user,
	    .now_s = (int64_t)(clock_unix_ms() / 1000),
	    .answers_sealed = test->reply ? POLICY_YES : POLICY_NO};
	enum rung_state state[RUNG_COUNT];
	struct policy_facts facts = {.has_tag = m->has_tag,
	    .ambiguous = m->ambiguous,
	    .in_group = in_group,
	    .groups = t};
	struct policy_decision d;
	struct policy_outcome o;
	const char *from, *to;
	enum err e = key_of(t, test->from, &from);

	if (e == ERR_OK)
		e = key_of(t, test->to, &to);
	if (e == ERR_OK)
		e = facts_find(t->conf->matchers, &in, t->arena, &facts.truth);
	if (e != ERR_OK)
		return e;
	t->from = from;
	t->to = to;
	facts.from = span_str(from);
	facts.to = span_str(to);
	*rule = "";
	*result = "refused";
	e = policy_decide(t->conf->policy, &facts, t->arena, &d);
	if (e == ERR_NO_RULE)
		return ERR_OK;
	if (e != ERR_OK)
		return e;
	for (unsigned r = 0; r < RUNG_COUNT; r++)
		state[r] = test->fails & 1u << r ? RUNG_FAILED
			   : test->has & 1u << r ? RUNG_HOLDS
						 : RUNG_ABSENT;
	if (!(test->fails & 1u << RUNG_ESCROW) &&
	    (t->conf->portal.present || policy_pickup_is_attached(&d.pickup)))
		state[RUNG_ESCROW] = RUNG_HOLDS;
	policy_walk(&d, state,
	    from[0] == '\0' || m->automatic ? POLICY_AUTO_MAIL : 0, &o);
	*rule = d.from_rule;
	*result = o.result == POLICY_CHOSEN ? policy_rung_name(o.rung) : "wait";
	return ERR_OK;
}

static void
compare(struct trial *t, const char *result, const char *rule)
{
	const struct conf_test *test = t->test;

	if (strcmp(result, test->expect) != 0)
		conf_find(t->f, CONF_ERROR, test->line,
		    "test \"%s\": expected %s, found %s%s%s%s", test->name,
		    test->expect, result, *rule == '\0' ? "" : " by rule \"",
		    rule, *rule == '\0' ? "" : "\"");
	else if (test->rule != NULL && strcmp(rule, test->rule) != 0)
		conf_find(t->f, CONF_ERROR, test->line,
		    "test \"%s\": expected rule \"%s\", found \"%s\"",
		    test->name, test->rule, rule);
}

static void
run(struct trial *t)
{
	struct err_why why = {""};
	const char *result = "", *rule = "";
	struct message m;
	struct buf raw;
	struct span msg;
	enum err e;

	buf_init(&raw, MESSAGE_MAX);
	e = make_message(t->test, &raw, &msg);
	if (e == ERR_OK)
		e = message_parse(
		    t->conf->policy, msg, true, t->arena, &m, &why);
	if (e != ERR_OK) {
		conf_find(t->f, CONF_ERROR, t->test->line,
		    "test \"%s\": there is no such message: %s", t->test->name,
		    why.text[0] != 0 ? why.text : err_text(e));
		buf_clear(&raw);
		return;
	}
	e = decide(t, &m, &result, &rule);
	if (e == ERR_OK)
		compare(t, result, rule);
	else if (t->f->n_errors == 0)
		conf_find(t->f, CONF_ERROR, t->test->line, "test \"%s\": %s",
		    t->test->name, err_text(e));
	message_clear(&m);
	buf_clear(&raw);
}

void
proof_run_tests(const struct conf *c, struct conf_findings *f, size_t *n)
{
	struct trial t = {.conf = c,
	    .f = f,
	    .arena = arena_new(ARENA_MAX),
	    .groups = groups_new()};

	groups_load(t.groups, c->policy, NULL, NULL);
	mime_charsets_open();
	for (size_t i = 0; i < c->n_test; i++) {
		t.test = &c->test[i];
		run(&t);
		arena_reset(t.arena);
	}
	mime_charsets_close();
	groups_free(t.groups);
	arena_free(t.arena);
	conf_findings_sort(f);
	*n = c->n_test;
}
