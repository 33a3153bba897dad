/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What each rule did with the facts of a message, for who has to explain it.
 * Nothing is decided here: the same functions are asked as by ladder.c.
 */
#include "policy/policy_private.h"

#include <string.h>

#include "common/arena.h"

const char *
policy_role_name(enum policy_role r)
{
	switch (r) {
	case POLICY_NO_MATCH:
		return "no match";
	case POLICY_DECIDES:
		return "decides";
	case POLICY_RAISES:
		return "raises";
	case POLICY_SHADOWED:
		return "not reached";
	}
	return "?";
}

/* A condition that failed, or could not be told, in words. */
static const struct {
	const char *condition;
	const char *failed;
	const char *unsure;
} words[] = {
    {"from", "the sender is not in `from`",
	"whether the sender is in a group of `from` could not be found out"},
    {"to", "the recipient is not in `to`",
	"whether the recipient is in a group of `to` could not be found out"},
    {"subject-tag", "the subject has none of its tags",
	"the message is ambiguous"},
    {"client", "the client is not in `client`", "the client is not known"},
    {"time", "it is another time", "the time is not known"},
    {"header", "no header field is as `header` says",
	"the header cannot be read for sure"},
    {"sensitivity", "the message has no such sensitivity",
	"the header cannot be read for sure"},
    {"classification", "the message has no such classification",
	"the header cannot be read for sure"},
    {"size", "the message is smaller", "the size is not known"},
    {"attachment", "no attachment is as `attachment` says",
	"an attachment cannot be read for sure"},
    {"content", "the text has nothing that `content` names",
	"some of the text cannot be read, or not in time"},
    {"reply-to-protected",
	"whether it answers mail that came encrypted is "
	"otherwise",
	"whether it answers mail that came encrypted is not known"},
    {"auto-submitted", "whether it is automatic mail is otherwise",
	"whether it is automatic mail is not known"},
    {"calendar", "whether it is an invitation is otherwise",
	"whether it is an invitation is not known"},
};

static const char *
in_words(const char *condition, bool unsure)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].condition, condition) == 0)
			return unsure ? words[i].unsure : words[i].failed;
	return "a condition does not hold";
}

/* decided: a rule before it decides. */
static void
explain(const struct policy_rule *r, const struct policy_facts *f, bool decided,
    struct policy_trace *t)
{
	enum policy_truth truth = policy_rule_truth(r, f, &t->condition);

	t->name = r->name;
	t->line = r->line;
	t->ladder = r->ladder;
	t->role = policy_rule_role(r, f, &t->condition);
	if (t->condition != NULL)
		t->why = in_words(t->condition, truth == POLICY_UNSURE);
	else if (t->role == POLICY_RAISES)
		t->why = "its conditions on the message hold";
	else
		t->why = "the first rule that matches";
	if (f->ambiguous && truth == POLICY_UNSURE && t->role == POLICY_RAISES)
		t->why = "the message is ambiguous, which counts as a match";
	else if (f->ambiguous && truth == POLICY_UNSURE)
		t->why = "the message is ambiguous, so it may not lower";
	if (t->role == POLICY_DECIDES && decided) {
		t->role = POLICY_SHADOWED;
		t->why = "matches, but a rule before it has decided";
	}
}

void
policy_explain(const struct policy *p, size_t i, const struct policy_facts *f,
    struct policy_trace *out)
{
	struct policy_trace t = {.name = ""};
	const char *condition;
	bool decided = false;

	for (size_t j = 0; j < i && !decided; j++)
		decided = policy_rule_role(&p->rules[j], f, &condition) ==
			  POLICY_DECIDES;
	explain(&p->rules[i], f, decided, &t);
	*out = t;
}

/* A rule that will be explained. */
struct place {
	size_t rule;
	bool applies;
	bool decided; /* a rule before it decides */
};

/* What does not apply gives way to what does, the oldest first. */
static size_t
make_room(struct place *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!list[i].applies) {
			memmove(&list[i], &list[i + 1],
			    (n - i - 1) * sizeof(list[0]));
			return n - 1;
		}
	return n;
}

/* Find the rules to explain, max at most; *all gets how many there were. */
static size_t
choose(const struct policy *p, const struct policy_facts *f, size_t max,
    struct place *list, size_t *all)
{
	const struct gate_key key = policy_gate_key(f);
	enum policy_role role;
	const char *condition;
	bool decided = false;
	size_t n = 0;

	for (size_t i = 0; i < p->n_rules; i++) {
		role = policy_gate_shut(&p->gates[i], &key)
			   ? POLICY_NO_MATCH
			   : policy_rule_role(&p->rules[i], f, &condition);
		if (decided && role != POLICY_RAISES)
			continue;
		(*all)++;
		if (n == max)
			n = make_room(list, n);
		if (n < max)
			list[n++] =
			    (struct place){i, role != POLICY_NO_MATCH, decided};
		decided = decided || role == POLICY_DECIDES;
	}
	return n;
}

enum err
policy_trace_all(const struct policy *p, const struct policy_facts *f,
    size_t max, struct arena *arena, struct policy_trace **out, size_t *n_out,
    size_t *lost)
{
	struct policy_trace *list = arena_array(arena, max + 1, sizeof(*list));
	struct place *place = arena_array(arena, max + 1, sizeof(*place));
	size_t n, all = 0;

	if (list == NULL || place == NULL)
		return ERR_NOMEM;
	n = choose(p, f, max, place, &all);
	for (size_t i = 0; i < n; i++)
		explain(
		    &p->rules[place[i].rule], f, place[i].decided, &list[i]);
	*out = list;
	*n_out = n;
	*lost = all - n;
	return ERR_OK;
}
